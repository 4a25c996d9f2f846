//! What must hold of any file, whatever it holds: the rows are the same however they are asked for.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch, StringViewArray};
use arrow::compute::{cast, filter_record_batch};
use arrow::datatypes::{DataType, Float32Type, Int64Type};
use genomicframe_core::Result;
use genomicframe_core::genome::{Interval, Region, RegionSet, alias};
use genomicframe_core::scan::{
    Condition, Dataset, Literal, Op, Precision, Predicate, Pushdown, ScanRequest, SpanColumns,
};

use crate::harness::{Opened, Random};

/// Rows that are the same however they are read, or an error.
///
/// In partitions and small batches what is an error stays one: no rows come instead of it.
pub fn check(opened: &Opened, random: &mut Random) -> Result<RecordBatch> {
    let all = check_whole(opened, random)?;
    if all.num_rows() > 0 {
        let row = random.below(all.num_rows());
        check_predicate(opened, &all, row, random);
        check_region(opened, &all, row, random);
    }
    Ok(all)
}

/// The same but for regions and conditions, by which statistics leave out what is not read.
pub fn check_whole(opened: &Opened, random: &mut Random) -> Result<RecordBatch> {
    let all = opened.scan(|_| {});
    let parts = opened.scan(|r| (r.partitions, r.batch_size) = (3, random.one(&[1, 7, 8192])));
    same("in three partitions", &all, &parts);
    same("in batches of one row", &all, &opened.scan(|r| r.batch_size = 1));
    let all = all?;
    let count = opened.scan(|r| r.projection.clear());
    assert_eq!(count.expect("rows that can be read can be counted").num_rows(), all.num_rows(), "rows counted");
    if let Precision::Exact(rows) = opened.dataset.statistics().rows {
        assert_eq!(rows, all.num_rows() as u64, "rows that statistics tell exactly");
    }
    let column = random.below(all.num_columns());
    let alone = opened.scan(|r| r.projection = vec![column]).expect("a column of rows that can be read");
    assert_eq!(alone.column(0), all.column(column), "column {column} alone");
    let few = random.below(4);
    let limited = opened.scan(|r| r.limit = Some(few)).expect("the first of rows that can be read");
    assert_eq!(limited, all.slice(0, few.min(all.num_rows())), "the first {few} rows");
    Ok(all)
}

/// That two ways to read the same give the same.
pub fn same(how: &str, a: &Result<RecordBatch>, b: &Result<RecordBatch>) {
    match (a, b) {
        (Ok(a), Ok(b)) => assert!(a == b, "{how}: {} rows and {}: {a:?}\n{b:?}", a.num_rows(), b.num_rows()),
        (Err(_), Err(_)) => {}
        (Ok(a), Err(e)) => panic!("{how}: {} rows, and an error: {e}", a.num_rows()),
        (Err(e), Ok(b)) => panic!("{how}: an error, and {} rows: {e}", b.num_rows()),
    }
}

/// A condition that the scan says it applies keeps the rows that it keeps of all.
fn check_predicate(opened: &Opened, all: &RecordBatch, row: usize, random: &mut Random) {
    let at = random.below(all.num_columns());
    let (column, schema) = (all.column(at), all.schema());
    let name = schema.field(at).name();
    let op = random.one(&[Op::Eq, Op::Ne, Op::Lt, Op::Le, Op::Gt, Op::Ge]);
    let Some((literal, keep)) = compared(column, row, op) else { return };
    let condition = Condition::Compare(name.clone(), op, literal);
    if opened.dataset.pushdown(&condition) != Pushdown::Exact {
        return;
    }
    let told = condition.to_string();
    let kept = opened.scan(|r| r.predicate = Predicate { all: vec![condition] });
    let want = filter_record_batch(all, &keep).expect("a filter as long as its rows");
    assert_eq!(kept.expect("rows that can be read can be filtered"), want, "{told}");
}

/// The value of a row, and which rows compare so with it.
fn compared(column: &ArrayRef, row: usize, op: Op) -> Option<(Literal, BooleanArray)> {
    if column.is_null(row) {
        return None;
    }
    if let Some(texts) = column.as_string_view_opt() {
        let value = texts.value(row);
        let keep = texts.iter().map(|t| t.map(|t| op.holds(t.cmp(value)))).collect();
        return Some((Literal::Text(value.to_owned()), keep));
    }
    if let Some(floats) = column.as_primitive_opt::<Float32Type>() {
        // By total order, as DataFusion compares them.
        let value = f64::from(floats.value(row));
        let keep = floats.iter().map(|x| x.map(|x| op.holds(f64::from(x).total_cmp(&value)))).collect();
        return Some((Literal::Float(value), keep));
    }
    if !column.data_type().is_integer() {
        return None;
    }
    let numbers = integers(column)?;
    let value = numbers.value(row);
    Some((Literal::Int(value), numbers.iter().map(|n| n.map(|n| op.holds(n.cmp(&value)))).collect()))
}

fn integers(column: &ArrayRef) -> Option<Int64Array> {
    Some(cast(column, &DataType::Int64).ok()?.as_primitive::<Int64Type>().clone())
}

/// Where records lie, 1-based with both ends.
struct Places {
    contigs: StringViewArray,
    starts: Int64Array,
    ends: Int64Array,
    zero_based: bool,
}

impl Places {
    fn of(dataset: &dyn Dataset, all: &RecordBatch) -> Option<Self> {
        let SpanColumns { contig, start, end, zero_based } = dataset.span_columns()?;
        let contigs = all.column_by_name(contig)?.as_string_view_opt()?.clone();
        let [starts, ends] = [start, end].map(|c| integers(all.column_by_name(c)?));
        Some(Self { contigs, starts: starts?, ends: ends?, zero_based })
    }

    /// `None` of a record without a place, or without a base: what such overlap is not asked here.
    fn get(&self, row: usize) -> Option<(&str, i64, i64)> {
        // Nor of a name that no region can have.
        if self.contigs.is_null(row)
            || self.contigs.value(row).is_empty()
            || self.starts.is_null(row)
            || self.ends.is_null(row)
        {
            return None;
        }
        let start = self.starts.value(row).checked_add(i64::from(self.zero_based))?;
        Some((self.contigs.value(row), start, self.ends.value(row)))
            .filter(|(_, start, end)| (1..=*end).contains(start))
    }
}

/// A set of regions about where a row lies.
pub fn regions_at((contig, start, end): (&str, i64, i64), random: &mut Random) -> Option<RegionSet> {
    let mut from = || start.saturating_sub(random.one(&[0, 0, 1, 500]) as i64).max(1);
    let (first, second) = (from(), from());
    let span = match random.below(4) {
        0 => Interval::ALL,
        1 => Interval::new(start, start)?,
        2 => Interval::new(first, end)?,
        _ => Interval::new(second, end.saturating_add(1000))?,
    };
    Some([Region::new(contig, span)].into_iter().collect())
}

/// A region's rows are those of all that overlap it.
fn check_region(opened: &Opened, all: &RecordBatch, row: usize, random: &mut Random) {
    let Some(places) = Places::of(&*opened.dataset, all) else { return };
    let Some(set) = places.get(row).and_then(|place| regions_at(place, random)) else { return };
    check_regions(opened, all, Arc::new(set), random.one(&[1, 3]));
}

/// The rows of `set` are those of `all` that overlap it; an index may refuse an unsorted file.
pub fn check_regions(opened: &Opened, all: &RecordBatch, set: Arc<RegionSet>, partitions: usize) {
    let Some(places) = Places::of(&*opened.dataset, all) else { return };
    let of_region = |r: &mut ScanRequest| (r.regions, r.partitions) = (Some(Arc::clone(&set)), partitions);
    let indexed = opened.dataset.index_state() != genomicframe_core::scan::IndexState::Unread;
    let found = match opened.scan(of_region) {
        Err(e) if indexed => return assert!(e.is_corrupt(), "{e}"),
        found => found.expect("rows that can be read can be asked for by region"),
    };
    let known = |places: &Places, rows: usize, inside: &dyn Fn((&str, i64, i64)) -> bool| -> BooleanArray {
        (0..rows).map(|row| Some(places.get(row).is_some_and(inside))).collect()
    };
    // Where nothing names the contigs beforehand, chr2 asks for rows of 2 as well.
    let is_alias = |contig: &str| {
        let asked_otherwise = set.iter().any(|(asked, _)| alias(asked).as_deref() == Some(contig));
        set.intervals(contig).is_empty() && asked_otherwise
    };
    let is_told = |contig: &str| opened.dataset.names_every_contig() || !is_alias(contig);
    let want =
        known(&places, all.num_rows(), &|(contig, start, end)| is_told(contig) && set.overlaps(contig, start, end));
    let want = filter_record_batch(all, &want).expect("a filter as long as its rows");
    let Some(places) = Places::of(&*opened.dataset, &found) else { return };
    let got = filter_record_batch(&found, &known(&places, found.num_rows(), &|(contig, ..)| is_told(contig)))
        .expect("a filter");
    assert!(got == want, "{set}: {} rows where {} overlap it", got.num_rows(), want.num_rows());
}

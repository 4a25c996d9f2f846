//! A filter on spans that is known only while a query runs: what overlaps none of a join's other rows joins nothing.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::{Array, AsArray, BooleanArray};
use datafusion::arrow::datatypes::{DataType, Int64Type, Schema};
use datafusion::common::{Result, internal_err};
use datafusion::logical_expr::{ColumnarValue, Operator};
use datafusion::physical_expr::expressions::{BinaryExpr, CastExpr, Column, Literal, cast};
use datafusion::physical_plan::PhysicalExpr;
use genomicframe_core::genome::{Interval, Region, RegionSet};
use genomicframe_core::scan::SpanColumns;

/// Whether `contig` has a region with `start + shift <= last` and `end >= first`. Never null: a row without a place is in none.
#[derive(Debug, Eq)]
pub(crate) struct SpansIn {
    pub(crate) contig: Arc<dyn PhysicalExpr>,
    pub(crate) start: Arc<dyn PhysicalExpr>,
    /// Added to the start: 1 where the comparison was a strict one.
    pub(crate) shift: i64,
    pub(crate) end: Arc<dyn PhysicalExpr>,
    pub(crate) regions: Arc<RegionSet>,
}

impl PartialEq for SpansIn {
    fn eq(&self, other: &Self) -> bool {
        let same = (&self.contig, &self.start, self.shift, &self.end)
            == (&other.contig, &other.start, other.shift, &other.end);
        same && (Arc::ptr_eq(&self.regions, &other.regions) || self.regions == other.regions)
    }
}

impl Hash for SpansIn {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.contig, &self.start, self.shift, &self.end, self.regions.len()).hash(state);
    }
}

impl fmt::Display for SpansIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "overlaps({}, {}, {}, {})", self.contig, self.start, self.end, self.regions)
    }
}

impl SpansIn {
    /// Regions that a scan is told of: where there are more, those with the least between them are one.
    pub(crate) const MOST: usize = 1 << 20;

    /// Regions of a file with this span outside of which no record passes; `None` when the filter is about other columns.
    ///
    /// They are in the file's terms, counted from 1, and may hold more than the filter: who uses them to leave out records
    /// must not rely on the others.
    pub(super) fn confines(&self, span: SpanColumns) -> Option<Arc<RegionSet>> {
        let contig = self.contig.downcast_ref::<Column>()?;
        if contig.name() != span.contig {
            return None;
        }
        let zero = i64::from(span.zero_based);
        // A zero-length record starts one behind its end.
        let last = match affine(&self.start)? {
            (name, plus) if name == span.start => zero.checked_sub(plus)?.checked_sub(self.shift)?,
            (name, plus) if name == span.end => 1i64.checked_sub(plus)?.checked_sub(self.shift)?,
            _ => return None,
        };
        let first = match affine(&self.end)? {
            (name, plus) if name == span.end => plus.checked_neg()?,
            (name, plus) if name == span.start => (zero - 1).checked_sub(plus)?,
            _ => return None,
        };
        if (first, last) == (0, 0) {
            return Some(Arc::clone(&self.regions));
        }
        let moved = |i: &Interval| {
            let (start, end) = (i.start().get().saturating_add(first), i.end().get().saturating_add(last));
            Interval::new(start.max(0), end)
        };
        let each =
            self.regions.iter().flat_map(|(c, all)| all.iter().filter_map(move |i| Some(Region::new(c, moved(i)?))));
        Some(Arc::new(each.collect()))
    }
}

/// `column + n` by the column's name and the number.
fn affine(expr: &Arc<dyn PhysicalExpr>) -> Option<(&str, i64)> {
    if let Some(column) = expr.downcast_ref::<Column>() {
        return Some((column.name(), 0));
    }
    if let Some(cast) = expr.downcast_ref::<CastExpr>() {
        return affine(cast.expr());
    }
    let binary = expr.downcast_ref::<BinaryExpr>()?;
    let number = |e: &Arc<dyn PhysicalExpr>| {
        let value = e.downcast_ref::<Literal>()?.value().cast_to(&DataType::Int64).ok()?;
        match value {
            datafusion::common::ScalarValue::Int64(n) => n,
            _ => None,
        }
    };
    match binary.op() {
        Operator::Plus => {
            let (inner, plus) = match (number(binary.left()), number(binary.right())) {
                (None, Some(n)) => (binary.left(), n),
                (Some(n), None) => (binary.right(), n),
                _ => return None,
            };
            let (name, so_far) = affine(inner)?;
            Some((name, so_far.checked_add(plus)?))
        }
        Operator::Minus => {
            let (name, so_far) = affine(binary.left())?;
            Some((name, so_far.checked_sub(number(binary.right())?)?))
        }
        _ => None,
    }
}

impl PhysicalExpr for SpansIn {
    fn data_type(&self, _: &Schema) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn nullable(&self, _: &Schema) -> Result<bool> {
        Ok(false)
    }

    fn evaluate(&self, batch: &datafusion::arrow::array::RecordBatch) -> Result<ColumnarValue> {
        let rows = batch.num_rows();
        let array = |expr: &Arc<dyn PhysicalExpr>, of: DataType| {
            cast(Arc::clone(expr), &batch.schema(), of)?.evaluate(batch)?.into_array(rows)
        };
        let contigs = array(&self.contig, DataType::Utf8View)?;
        let (starts, ends) = (array(&self.start, DataType::Int64)?, array(&self.end, DataType::Int64)?);
        let (contigs, starts, ends) =
            (contigs.as_string_view(), starts.as_primitive::<Int64Type>(), ends.as_primitive::<Int64Type>());
        let is_in = |row: usize| {
            let has_place = contigs.is_valid(row) && starts.is_valid(row) && ends.is_valid(row);
            let start = || starts.value(row).saturating_add(self.shift);
            has_place && self.regions.overlaps(contigs.value(row), start(), ends.value(row))
        };
        let found: BooleanArray = (0..rows).map(|row| Some(is_in(row))).collect();
        Ok(ColumnarValue::Array(Arc::new(found)))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.contig, &self.start, &self.end]
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn PhysicalExpr>>) -> Result<Arc<dyn PhysicalExpr>> {
        let Ok([contig, start, end]) = <[_; 3]>::try_from(children) else {
            return internal_err!("a filter on spans has a contig, a start and an end");
        };
        Ok(Arc::new(Self { contig, start, shift: self.shift, end, regions: Arc::clone(&self.regions) }))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::physical_expr::expressions::{binary, col, lit};

    const BED: SpanColumns = SpanColumns { contig: "chrom", start: "start", end: "stop", zero_based: true };
    const VCF: SpanColumns = SpanColumns { contig: "chrom", start: "pos", end: "stop", zero_based: false };

    fn schema() -> Schema {
        use datafusion::arrow::datatypes::Field;
        let field = |name: &str, of| Field::new(name, of, true);
        Schema::new(vec![
            field("chrom", DataType::Utf8View),
            field("start", DataType::Int64),
            field("pos", DataType::Int64),
            field("stop", DataType::Int64),
        ])
    }

    fn filter(start: Arc<dyn PhysicalExpr>, shift: i64, end: &str) -> SpansIn {
        let regions = [Region::new("chr1", Interval::new(10, 20).unwrap())].into_iter().collect();
        let col = |name| col(name, &schema()).unwrap();
        SpansIn { contig: col("chrom"), start, shift, end: col(end), regions: Arc::new(regions) }
    }

    fn confined(filter: &SpansIn, span: SpanColumns) -> String {
        filter.confines(span).map_or("all".into(), |r| r.to_string())
    }

    #[test]
    fn regions_are_in_the_files_terms() {
        let col = |name| col(name, &schema()).unwrap();
        // `start < last + 1` is the base's own number.
        assert_eq!(confined(&filter(col("start"), 1, "stop"), BED), "chr1:10-20");
        assert_eq!(confined(&filter(col("start"), 0, "stop"), BED), "chr1:10-21");
        assert_eq!(confined(&filter(col("pos"), 0, "stop"), VCF), "chr1:10-20");
        assert_eq!(confined(&filter(col("pos"), 1, "stop"), VCF), "chr1:10-19");
        assert_eq!(confined(&filter(col("pos"), 0, "pos"), VCF), "chr1:9-20");
        let early = binary(col("pos"), Operator::Minus, lit(5i64), &schema()).unwrap();
        assert_eq!(confined(&filter(early, 0, "stop"), VCF), "chr1:10-25");
        assert_eq!(confined(&filter(col("pos"), 0, "stop"), BED), "all");
    }

    #[test]
    fn it_is_evaluated_where_no_scan_takes_it() {
        use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch, StringViewArray};
        let numbers = |n: [Option<i64>; 5]| Arc::new(Int64Array::from(n.to_vec())) as ArrayRef;
        let batch = RecordBatch::try_from_iter([
            ("chrom", Arc::new(StringViewArray::from(vec!["chr1", "chr1", "chr2", "chr1", "chr1"])) as ArrayRef),
            ("start", numbers([Some(20), Some(19), Some(12), None, Some(0)])),
            ("pos", numbers([None; 5])),
            ("stop", numbers([Some(30), Some(30), Some(15), Some(15), Some(9)])),
        ])
        .unwrap();
        let filter = filter(col("start", &schema()).unwrap(), 1, "stop");
        let found = filter.evaluate(&batch).unwrap().into_array(5).unwrap();
        let found: Vec<bool> = found.as_boolean().iter().map(|b| b.unwrap()).collect();
        assert_eq!(found, [false, true, false, false, false]);
    }
}

//! Windows and regions that a file or frame of intervals names.

use std::sync::Arc;

use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Int64Type};
use datafusion::dataframe::DataFrame;
use datafusion::logical_expr::Expr;
use genomicframe_core::depth::{Window, Windows};
use genomicframe_core::genome::{Contigs, Interval, Region, RegionSet};

use crate::error::{Error, Result};
use crate::frame::Place;

/// Reads whose places a scan looks for lie in at most so many regions: those with the least between them are joined.
const MOST_REGIONS: usize = 1000;

/// The rows of `query` as windows on `contigs`, and the names of contigs that these are not.
pub(super) async fn windows(query: DataFrame, contigs: &Contigs) -> Result<(Windows, Vec<String>)> {
    let place = Place::of(query.schema())?;
    let mut columns = vec![
        Expr::Column(place.contig.clone()).alias("chrom"),
        (place.first() - datafusion::logical_expr::lit(1i64)).alias("start"),
        place.last().alias("end"),
    ];
    let named = query.schema().columns().into_iter().find(|c| c.name == "name");
    columns.extend(named.map(|c| Expr::Column(c).alias("name")));
    let batches = query.select(columns)?.collect().await?;
    let (mut found, mut strange) = (Vec::new(), Vec::new());
    for batch in &batches {
        read(batch, contigs, &mut found, &mut strange)?;
    }
    Ok((Windows::listed(found), strange))
}

fn read(
    batch: &RecordBatch,
    contigs: &Contigs,
    found: &mut Vec<(usize, Window)>,
    strange: &mut Vec<String>,
) -> Result<()> {
    let text = |i: usize| cast(batch.column(i), &DataType::Utf8View);
    let int = |i: usize| cast(batch.column(i), &DataType::Int64);
    let (chrom, start, end) = (text(0)?, int(1)?, int(2)?);
    let (chrom, start, end) =
        (chrom.as_string_view(), start.as_primitive::<Int64Type>(), end.as_primitive::<Int64Type>());
    let names = if batch.num_columns() > 3 { Some(text(3)?) } else { None };
    let names = names.as_ref().map(|n| n.as_string_view());
    for row in 0..batch.num_rows() {
        if chrom.is_null(row) || start.is_null(row) || end.is_null(row) {
            continue;
        }
        let (chrom, start, end) = (chrom.value(row), start.value(row), end.value(row));
        if start < 0 || end < start {
            let why = format!("{chrom}:{start}-{end} (0-based, half-open) is no window: it ends before it starts");
            return Err(Error::invalid(why));
        }
        let name = names.filter(|n| n.is_valid(row)).map(|n| Arc::from(n.value(row)));
        match contigs.resolve(chrom) {
            Some(contig) => found.push((contig, Window { start, end, name })),
            None if strange.last().is_none_or(|last| last != chrom) => strange.push(chrom.to_owned()),
            None => {}
        }
    }
    Ok(())
}

/// Regions that hold all windows, as few as are worth looking for.
pub(super) fn regions(windows: &Windows, contigs: &Contigs) -> RegionSet {
    let Windows::Listed { windows, .. } = windows else { return RegionSet::empty() };
    let spans = windows.iter().flat_map(|(contig, windows)| {
        let name = contigs.name(*contig).unwrap_or_default();
        windows.iter().filter_map(move |w| Some(Region::new(name, Interval::from_zero_based(w.start, w.end)?)))
    });
    let all: RegionSet = spans.collect();
    let mut gaps: Vec<i64> = all
        .iter()
        .flat_map(|(_, spans)| spans.windows(2).map(|pair| pair[1].start().get() - pair[0].end().get()))
        .collect();
    let Some(excess) = all.len().checked_sub(MOST_REGIONS).filter(|n| *n > 0) else { return all };
    if gaps.len() <= excess {
        let whole = all.iter().filter_map(|(name, spans)| {
            let (first, last) = (spans.first()?, spans.last()?);
            Some(Region::new(name, Interval::new(first.start().get(), last.end().get())?))
        });
        return whole.collect();
    }
    let (_, widest, _) = gaps.select_nth_unstable(excess);
    let widest = *widest;
    let joined = all.iter().flat_map(|(name, spans)| {
        let parts = spans.chunk_by(move |a, b| b.start().get() - a.end().get() <= widest);
        parts.filter_map(move |part| {
            let (first, last) = (part.first()?, part.last()?);
            Some(Region::new(name, Interval::new(first.start().get(), last.end().get())?))
        })
    });
    joined.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_regions_hold_many_windows() {
        let contigs: Contigs = ["a", "b"].into_iter().collect();
        let many = (0..5000).map(|i| (usize::from(i % 2 == 0), i * 1000 + (i % 7) * 10));
        let windows = Windows::listed(many.clone().map(|(contig, start)| {
            let window = Window { start, end: start + 100, name: None };
            (contig, window)
        }));
        let regions = regions(&windows, &contigs);
        assert!(regions.len() <= MOST_REGIONS, "{}", regions.len());
        for (contig, start) in many {
            assert!(regions.overlaps(contigs.name(contig).unwrap(), start + 1, start + 100));
        }
        let few = Windows::listed([(1, Window { start: 4, end: 9, name: None })]);
        assert_eq!(super::regions(&few, &contigs).to_string(), "b:5-9");
    }
}

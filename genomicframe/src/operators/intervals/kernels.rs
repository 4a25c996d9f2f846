//! What is made of a row and the intervals of the other input.

use std::fmt::Debug;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Builder, Int64Array, Int64Builder, StringViewArray, UInt32Array};
use datafusion::common::{DataFusionError, Result};
use genomicframe_core::intervals::{Counts, Neighbour, Neighbours, Span, Union, Windows};

use super::gather::Numbered;
use super::options::NearestOptions;
use super::place::Place;

/// A batch's rows by place, and how far they are done.
pub(super) struct Rows<'a> {
    pub(super) places: &'a [Option<Place>],
    pub(super) strands: Option<&'a StringViewArray>,
    /// The number of the first one among those that were looked up together.
    pub(super) first: usize,
    /// The next row.
    pub(super) next: usize,
    /// Pieces of the next row that are made already.
    pub(super) pieces: u64,
    /// About so many rows are made at once.
    pub(super) most: usize,
}

/// Rows that a kernel made.
#[derive(Default)]
pub(super) struct Made {
    /// Of the batch: the number of each one's row; `None` when they are those of the batch, all in order.
    pub(super) rows: Option<Vec<u32>>,
    /// Their spans, where these are new.
    pub(super) spans: Option<Vec<Span>>,
    /// Rows of the other input.
    pub(super) others: Option<UInt32Array>,
    /// Columns that are added.
    pub(super) columns: Vec<ArrayRef>,
}

/// Makes rows of rows.
pub(super) trait Kernel: Debug + Send + Sync {
    /// What the rows from `rows.next` on become, which is moved on.
    fn make(&self, rows: &mut Rows<'_>) -> Result<Made>;

    /// Bytes of memory held.
    fn memory(&self) -> usize;
}

/// Something of each contig's intervals.
#[derive(Debug)]
pub(super) struct ByContig<T>(pub(super) Vec<T>);

impl<T> ByContig<T> {
    #[inline]
    pub(super) fn at(&self, place: &Place) -> Option<&T> {
        self.0.get(place.contig as usize)
    }
}

/// `count_overlaps`: how many intervals overlap each row.
impl Kernel for ByContig<Counts> {
    fn make(&self, rows: &mut Rows<'_>) -> Result<Made> {
        let counts = rows.places.iter().map(|place| match place {
            Some(place) => self.at(place).map_or(0, |counts| counts.overlapping(place.span) as i64),
            None => 0,
        });
        let counts: Int64Array = counts.collect::<Vec<_>>().into();
        rows.next = rows.places.len();
        Ok(Made { columns: vec![Arc::new(counts)], ..Made::default() })
    }

    fn memory(&self) -> usize {
        self.0.iter().map(Counts::memory).sum()
    }
}

/// `coverage`: how many intervals overlap each row, and how many of its bases they cover.
impl Kernel for ByContig<(Counts, Union)> {
    fn make(&self, rows: &mut Rows<'_>) -> Result<Made> {
        Ok(coverage(rows, |_, place| match self.at(place) {
            Some((counts, union)) => (counts.overlapping(place.span) as i64, union.covered(place.span)),
            None => (0, 0),
        }))
    }

    fn memory(&self) -> usize {
        self.0.iter().map(|(counts, union)| counts.memory() + union.memory()).sum()
    }
}

/// The columns of `coverage`, of the count and the bases covered of each row by number and place.
fn coverage(rows: &mut Rows<'_>, of: impl Fn(usize, &Place) -> (i64, i64)) -> Made {
    let len = rows.places.len();
    let (mut counts, mut covered) = (Vec::with_capacity(len), Vec::with_capacity(len));
    let (mut lengths, mut fractions) = (Int64Builder::with_capacity(len), Float64Builder::with_capacity(len));
    for (place, row) in rows.places.iter().zip(rows.first..) {
        let (count, bases) = place.as_ref().map_or((0, 0), |place| of(row, place));
        let length = place.map(|place| place.span.len());
        counts.push(count);
        covered.push(bases);
        lengths.append_option(length);
        fractions.append_option(length.filter(|length| *length > 0).map(|length| bases as f64 / length as f64));
    }
    rows.next = len;
    let (counts, covered) = (Int64Array::from(counts), Int64Array::from(covered));
    let columns: Vec<ArrayRef> =
        vec![Arc::new(counts), Arc::new(covered), Arc::new(lengths.finish()), Arc::new(fractions.finish())];
    Made { columns, ..Made::default() }
}

/// `count_overlaps` of rows that were counted together.
#[derive(Debug)]
pub(super) struct Counted(pub(super) Vec<i64>);

impl Kernel for Counted {
    fn make(&self, rows: &mut Rows<'_>) -> Result<Made> {
        let counts = self.0.iter().skip(rows.first).take(rows.places.len()).copied();
        let counts: Int64Array = counts.collect::<Vec<_>>().into();
        rows.next = rows.places.len();
        Ok(Made { columns: vec![Arc::new(counts)], ..Made::default() })
    }

    fn memory(&self) -> usize {
        size_of_val(self.0.as_slice())
    }
}

/// `coverage` of rows that were counted together.
#[derive(Debug)]
pub(super) struct Covered {
    pub(super) counts: Vec<i64>,
    pub(super) union: ByContig<Union>,
}

impl Kernel for Covered {
    fn make(&self, rows: &mut Rows<'_>) -> Result<Made> {
        Ok(coverage(rows, |row, place| {
            let count = self.counts.get(row).copied().unwrap_or_default();
            (count, self.union.at(place).map_or(0, |union| union.covered(place.span)))
        }))
    }

    fn memory(&self) -> usize {
        size_of_val(self.counts.as_slice()) + self.union.memory()
    }
}

/// `subtract`: what is left of each row, in pieces.
impl Kernel for ByContig<Union> {
    fn make(&self, rows: &mut Rows<'_>) -> Result<Made> {
        let (mut numbers, mut spans) = (Vec::with_capacity(rows.most), Vec::with_capacity(rows.most));
        while let Some(place) = rows.places.get(rows.next).filter(|_| spans.len() < rows.most) {
            match place.as_ref().map(|place| (place.span, self.at(place))) {
                Some((span, Some(union))) => union.subtract(span, &mut spans),
                Some((span, None)) => spans.push(span),
                None => {}
            }
            numbers.resize(spans.len(), row_number(rows.next)?);
            rows.next += 1;
        }
        Ok(Made { rows: Some(numbers), spans: Some(spans), ..Made::default() })
    }

    fn memory(&self) -> usize {
        self.0.iter().map(Union::memory).sum()
    }
}

/// `windows`: each row in pieces of a size.
impl Kernel for Windows {
    fn make(&self, rows: &mut Rows<'_>) -> Result<Made> {
        let (mut numbers, mut spans) = (Vec::with_capacity(rows.most), Vec::with_capacity(rows.most));
        while let Some(place) = rows.places.get(rows.next).filter(|_| spans.len() < rows.most) {
            let made = match place {
                Some(place) => {
                    let before = spans.len();
                    spans.extend(self.from(place.span, rows.pieces).take(rows.most - before));
                    rows.pieces += (spans.len() - before) as u64;
                    rows.pieces >= self.count(place.span)
                }
                None => true,
            };
            numbers.resize(spans.len(), row_number(rows.next)?);
            if made {
                (rows.next, rows.pieces) = (rows.next + 1, 0);
            }
        }
        Ok(Made { rows: Some(numbers), spans: Some(spans), ..Made::default() })
    }

    fn memory(&self) -> usize {
        0
    }
}

/// `nearest`: each row beside the rows of the other input that lie nearest to it; a row that has none stands alone.
#[derive(Debug)]
pub(super) struct Nearest {
    /// Of each contig, with the numbers of its rows.
    pub(super) contigs: ByContig<(Neighbours, Vec<u32>)>,
    pub(super) options: NearestOptions,
}

impl Nearest {
    pub(super) fn of(bag: Numbered) -> Option<(Neighbours, Vec<u32>)> {
        Some((Neighbours::try_of(&bag.spans)?, bag.rows))
    }
}

impl Kernel for Nearest {
    fn make(&self, rows: &mut Rows<'_>) -> Result<Made> {
        let (mut numbers, mut found) = (Vec::with_capacity(rows.most), Vec::<Neighbour>::new());
        let mut others: Vec<Option<u32>> = Vec::with_capacity(rows.most);
        let mut distances = Int64Builder::with_capacity(rows.most);
        while let Some(place) = rows.places.get(rows.next).filter(|_| others.len() < rows.most) {
            found.clear();
            let backwards = || rows.strands.is_some_and(|strands| strands.value(rows.next) == "-");
            let choice = self.options.choice(backwards);
            let contig = place.as_ref().and_then(|place| Some((self.contigs.at(place)?, place.span)));
            if let Some(((neighbours, of), span)) = contig {
                neighbours.nearest(span, choice, &mut found);
                others.extend(found.iter().map(|near| of.get(near.row as usize).copied()));
                found.iter().for_each(|near| distances.append_value(near.distance));
            }
            if found.is_empty() {
                others.push(None);
                distances.append_null();
            }
            numbers.resize(others.len(), row_number(rows.next)?);
            rows.next += 1;
        }
        let columns: Vec<ArrayRef> = vec![Arc::new(distances.finish())];
        Ok(Made { rows: Some(numbers), others: Some(others.into()), columns, ..Made::default() })
    }

    fn memory(&self) -> usize {
        let rows = |rows: &Vec<u32>| rows.capacity() * size_of::<u32>();
        self.contigs.0.iter().map(|(neighbours, of)| neighbours.memory() + rows(of)).sum()
    }
}

fn row_number(row: usize) -> Result<u32> {
    u32::try_from(row).map_err(|_| DataFusionError::Execution("a batch has more than 2^32 rows".to_owned()))
}

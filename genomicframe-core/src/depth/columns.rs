//! What is read of a batch of alignments.

use arrow::array::{Array, AsArray, Int64Array, RecordBatch, StringViewArray, UInt16Array};
use arrow::datatypes::{Int64Type, UInt16Type};

use super::DepthRules;
use crate::error::{Error, Result};
use crate::genome::Contigs;

/// The columns that the rules look at.
#[derive(Debug)]
pub(super) struct Columns {
    pub(super) rname: StringViewArray,
    pub(super) pos: Int64Array,
    pub(super) end: Int64Array,
    pub(super) cigar: Option<StringViewArray>,
    pub(super) qual: Option<StringViewArray>,
    pub(super) pairs: Option<Pairs>,
}

/// What tells where a read's mate lies.
#[derive(Debug)]
pub(super) struct Pairs {
    pub(super) flag: UInt16Array,
    pub(super) rnext: StringViewArray,
    pub(super) pnext: Int64Array,
    pub(super) qname: StringViewArray,
}

impl Columns {
    /// # Errors
    /// When one is missing, or of another type than that of alignments.
    pub(super) fn of(batch: &RecordBatch, rules: DepthRules) -> Result<Self> {
        let column = |name: &str| {
            batch.column_by_name(name).ok_or_else(|| Error::invalid(format!("depth needs the column {name}")))
        };
        let other = |name: &str| Error::invalid(format!("the column {name} is not that of alignments"));
        let text = |name: &str| column(name)?.as_string_view_opt().cloned().ok_or_else(|| other(name));
        let int = |name: &str| column(name)?.as_primitive_opt::<Int64Type>().cloned().ok_or_else(|| other(name));
        let pairs = || {
            let flag = column("flag")?.as_primitive_opt::<UInt16Type>().cloned().ok_or_else(|| other("flag"))?;
            Ok::<_, Error>(Pairs { flag, rnext: text("rnext")?, pnext: int("pnext")?, qname: text("qname")? })
        };
        Ok(Self {
            rname: text("rname")?,
            pos: int("pos")?,
            end: int("end")?,
            cigar: if rules.whole { None } else { Some(text("cigar")?) },
            qual: if rules.looks_at_qualities() { Some(text("qual")?) } else { None },
            pairs: if rules.mates_once { Some(pairs()?) } else { None },
        })
    }

    /// Where row `row` lies, 0-based and half-open; `None` without a place.
    #[inline]
    pub(super) fn span(&self, row: usize) -> Option<(i64, i64)> {
        if self.rname.is_null(row) || self.pos.is_null(row) || self.end.is_null(row) {
            return None;
        }
        let start = self.pos.value(row) - 1;
        Some((start, self.end.value(row).max(start)))
    }

    /// The read's name and the mate's start, of a read in a proper pair whose mate lies on the same contig.
    #[inline]
    pub(super) fn mate(&self, row: usize) -> Option<(&[u8], i64)> {
        let pairs = self.pairs.as_ref()?;
        if pairs.flag.value(row) & (PROPER_PAIR | SUPPLEMENTARY) != PROPER_PAIR
            || pairs.pnext.is_null(row)
            || pairs.rnext.is_null(row)
        {
            return None;
        }
        // The same view is the same text; of a long text there may be several.
        let (own, next) = (self.rname.views()[row], pairs.rnext.views()[row]);
        if own != next && pairs.rnext.value(row) != self.rname.value(row) {
            return None;
        }
        Some((pairs.qname.value(row).as_bytes(), pairs.pnext.value(row) - 1))
    }
}

const PROPER_PAIR: u16 = 0x2;
const SUPPLEMENTARY: u16 = 0x800;

/// Numbers of contigs by the views of their names.
#[derive(Debug, Default)]
pub(super) struct ContigOf {
    last: Option<(u128, usize)>,
}

impl ContigOf {
    /// Views are those of another batch.
    pub(super) fn new_batch(&mut self) {
        self.last = None;
    }

    #[inline]
    pub(super) fn of(&mut self, names: &StringViewArray, row: usize, contigs: &Contigs) -> Result<usize> {
        let view = names.views()[row];
        if let Some((last, id)) = self.last
            && last == view
        {
            return Ok(id);
        }
        let name = names.value(row);
        let id = contigs.get(name).ok_or_else(|| {
            Error::invalid("depth is of the contigs that a header names, with their lengths").text(name.as_bytes())
        })?;
        self.last = Some((view, id));
        Ok(id)
    }
}

//! Rows against the statistics that they were chosen by.
//!
//! Pruning believes the index, and a row that it leaves out is never seen. Rows that are decoded are compared, so that an
//! index which lies about them is an error of whoever reads them and no difference between two queries.

use genomicframe_core::{Error, Result};

use super::GroupStats;
use super::stats::MAPQ_STEPS;

fn contradiction(field: &'static str, what: String) -> Error {
    Error::corrupt(format!("the rows are not what the index says of them: {what}"))
        .field(field)
        .hint("gf bams3 validate tells all that is wrong; convert the file again")
}

/// Rows without a contig come last.
fn rank(contig: i32) -> u32 {
    contig as u32
}

/// Checks that all of `values` lie within what the statistics say.
fn within<T: Copy + Ord + std::fmt::Display>(
    field: &'static str,
    values: impl Iterator<Item = T> + Clone,
    (least, greatest): (T, T),
) -> Result<()> {
    let inside = |value: &T| (least..=greatest).contains(value);
    // Without a way out in the middle the loop is one of vectors.
    if values.clone().fold(true, |all, value| all & inside(&value)) {
        return Ok(());
    }
    let outside = values.clone().find(|v| !inside(v)).map_or_else(String::new, |v| v.to_string());
    Err(contradiction(field, format!("{outside} is not in {least}..={greatest}")))
}

/// The same of positions, by the signs of their distances, of which every processor has vectors. Those that were decoded are
/// less than 2^61, and so must the bounds be for a distance not to wrap.
fn positions_within(
    field: &'static str,
    values: impl Iterator<Item = i64> + Clone,
    (least, greatest): (i64, i64),
) -> Result<()> {
    let is_far = |bound: i64| bound.unsigned_abs() >= 1 << 61;
    let signs = || values.clone().fold(0, |signs, v| signs | v.wrapping_sub(least) | greatest.wrapping_sub(v));
    if !is_far(least) && !is_far(greatest) && signs() >= 0 {
        return Ok(());
    }
    within(field, values, (least, greatest))
}

/// How many values are `least` or more: in bytes, as long as none can wrap.
fn reaching(values: &[u8], least: u8) -> u64 {
    let few = values.chunks(u8::MAX.into());
    few.map(|few| u64::from(few.iter().fold(0, |n, value| n + u8::from(*value >= least)))).sum()
}

fn same(field: &'static str, found: u64, said: u64) -> Result<()> {
    if found == said {
        return Ok(());
    }
    Err(contradiction(field, format!("{found} where it says {said}")))
}

impl GroupStats {
    /// Contigs lie from the first row's to the last one's.
    pub(crate) fn check_contigs(&self, contigs: &[i32]) -> Result<()> {
        within("contig", contigs.iter().map(|c| rank(*c)), (rank(self.contig_first), rank(self.contig_last)))
    }

    /// Whether all rows have a place, which their starts then show alone.
    pub(crate) fn is_placed(&self) -> bool {
        self.unplaced == 0 && self.contig_last >= 0 && self.start_min >= 0
    }

    /// Starts of placed rows lie within bounds, and so many rows have no place. Contigs matter where not all have one.
    pub(crate) fn check_starts(&self, contigs: &[i32], starts: &[i64]) -> Result<()> {
        let bounds = (self.start_min, self.start_max);
        if self.is_placed() {
            return positions_within("start", starts.iter().copied(), bounds);
        }
        let unplaced = contigs.iter().zip(starts).filter(|(c, s)| **c < 0 || **s < 0).count() as u64;
        same("start", unplaced, self.unplaced)?;
        let placed = contigs.iter().zip(starts).filter(|(c, s)| **c >= 0 && **s >= 0);
        within("start", placed.map(|(_, s)| *s), bounds)
    }

    /// So do their ends.
    pub(crate) fn check_ends(&self, contigs: &[i32], starts: &[i64], spans: &[i64]) -> Result<()> {
        let bounds = (self.end_min, self.end_max);
        let rows = starts.iter().zip(spans);
        if self.is_placed() {
            return positions_within("span", rows.map(|(s, n)| s.wrapping_add(*n)), bounds);
        }
        let placed = rows.zip(contigs).filter(|((s, _), c)| **c >= 0 && **s >= 0);
        within("span", placed.map(|((s, n), _)| s.saturating_add(*n)), bounds)
    }

    /// Mapping qualities lie within bounds, and so many reach each step.
    pub(crate) fn check_mapqs(&self, mapqs: &[u8]) -> Result<()> {
        for (step, said) in MAPQ_STEPS.into_iter().zip(self.mapq_reaching) {
            same("mapq", reaching(mapqs, step), said)?;
        }
        within("mapq", mapqs.iter().copied(), (self.mapq_min, self.mapq_max))
    }

    /// No row has a flag that none has, nor lacks one that all have.
    pub(crate) fn check_flags(&self, flags: &[u16]) -> Result<()> {
        let (any, all) = flags.iter().fold((0, u16::MAX), |(any, all), flag| (any | flag, all & flag));
        if any & !self.flag_or == 0 && self.flag_and & !all == 0 {
            return Ok(());
        }
        let said = format!("{any:#x} and {all:#x} where it says {:#x} and {:#x}", self.flag_or, self.flag_and);
        Err(contradiction("flag", said))
    }

    /// Template lengths lie within bounds.
    pub(crate) fn check_tlens(&self, tlens: &[i32]) -> Result<()> {
        within("tlen", tlens.iter().copied(), (self.tlen_min, self.tlen_max))
    }

    /// Numbers of bases lie within bounds.
    pub(crate) fn check_lengths(&self, lengths: &[u32]) -> Result<()> {
        within("length", lengths.iter().copied(), (self.length_min, self.length_max))
    }

    /// Read groups are listed, where any are.
    pub(crate) fn check_read_groups<'a>(&self, names: impl Iterator<Item = &'a [u8]>) -> Result<()> {
        let Some(listed) = &self.read_groups else { return Ok(()) };
        let mut last = None;
        for name in names.filter(|name| last.replace(*name) != Some(*name)) {
            if listed.binary_search_by(|of| of.as_bytes().cmp(name)).is_err() {
                let what = format!("{} is not listed", String::from_utf8_lossy(name));
                return Err(contradiction("tag_rg", what));
            }
        }
        Ok(())
    }

    /// These statistics, of what an index object holds, are what its parent says of it. Read groups need not be listed.
    pub(crate) fn check_merged(&self, said: &Self) -> Result<()> {
        let without_groups = |stats: &Self| Self { read_groups: None, ..stats.clone() };
        if without_groups(self) == without_groups(said)
            && (said.read_groups.is_none() || said.read_groups == self.read_groups)
        {
            return Ok(());
        }
        Err(Error::corrupt("the root's statistics of it are not what it holds")
            .hint("gf bams3 validate tells which; convert the file again"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_contradicts_is_told_by_its_field() {
        let mut stats = GroupStats::new(3);
        (stats.contig_first, stats.contig_last) = (0, -1);
        let (contigs, starts, spans) = ([0, 1, -1], [5, 2, -1], [10, 1, 1]);
        for row in 0..3 {
            stats.add(contigs[row], starts[row], spans[row], 16, 30, -7, 4);
        }
        stats.check_contigs(&contigs).unwrap();
        stats.check_starts(&contigs, &starts).unwrap();
        stats.check_ends(&contigs, &starts, &spans).unwrap();
        stats.check_mapqs(&[30; 3]).unwrap();
        stats.check_flags(&[16; 3]).unwrap();
        stats.check_tlens(&[-7; 3]).unwrap();
        stats.check_lengths(&[4; 3]).unwrap();
        stats.check_merged(&stats.clone()).unwrap();
        let wrong = [
            stats.check_starts(&contigs, &[5, 6, -1]),
            stats.check_starts(&contigs, &[5, -1, -1]),
            stats.check_ends(&contigs, &starts, &[11, 1, 1]),
            stats.check_mapqs(&[30, 30, 29]),
            stats.check_mapqs(&[30, 30, 31]),
            stats.check_flags(&[16, 17, 16]),
            stats.check_flags(&[16, 0, 16]),
            stats.check_tlens(&[-7, -8, -7]),
            stats.check_lengths(&[4, 4, 5]),
        ];
        for (i, found) in wrong.into_iter().enumerate() {
            assert!(found.is_err_and(|e| e.is_corrupt() && e.to_string().contains("not what the index says")), "{i}");
        }
        stats.read_groups = Some(vec!["a".into(), "b".into()]);
        stats.check_read_groups([&b"b"[..], b"b", b"a"].into_iter()).unwrap();
        assert!(stats.check_read_groups([&b"a"[..], b"c"].into_iter()).is_err());
        stats.contig_first = 1;
        assert!(stats.check_contigs(&contigs).is_err());
        assert!(stats.check_merged(&GroupStats { start_max: 4, ..stats.clone() }).is_err());
    }
}

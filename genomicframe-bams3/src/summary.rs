//! What a dataset says of itself without its chunks being read: facts, counts, its chunks as a table.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringViewArray, UInt64Array};
use genomicframe_core::genome::Contigs;
use genomicframe_core::stats::{self, AlignmentStats, CATEGORIES, flagstat};
use genomicframe_core::{Error, Result};
use serde::Serialize;

use crate::column::ColumnId;
use crate::dataset::Opened;
use crate::index::{ChunkEntry, GroupStats, MAPQ_STEPS};
use crate::metadata::{Metadata, Tally};

/// What a dataset is: shown as lines of a name and a value, separated by a tab.
#[derive(Debug)]
pub struct Info<'a>(pub &'a Metadata);

impl fmt::Display for Info<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let root = self.0;
        let rows = root.totals.stats.as_ref().map_or(0, |s| s.rows);
        writeln!(f, "version\t{}", root.version)?;
        writeln!(f, "dataset\t{}", root.dataset)?;
        writeln!(f, "created by\t{}", root.created_by)?;
        let size = root.source.bytes.map(|b| format!(", {b} bytes")).unwrap_or_default();
        let sorted = if root.source.sorted { ", sorted by the writer" } else { "" };
        writeln!(f, "source\t{}{size}{sorted}", root.source.name)?;
        writeln!(f, "level\t{}", root.layout.level)?;
        if let Some(window) = root.layout.window {
            writeln!(f, "window\t{window}")?;
        }
        writeln!(f, "rows\t{rows}")?;
        writeln!(f, "chunks\t{}", root.totals.chunks)?;
        writeln!(f, "row groups\t{}", root.totals.groups)?;
        writeln!(f, "bytes\t{}", root.totals.bytes)?;
        let mut columns: Vec<_> = root.columns.iter().collect();
        columns.sort_by_key(|c| (std::cmp::Reverse(c.bytes), c.id));
        writeln!(f, "\ncolumn\tbytes\tshare\tbytes per row")?;
        for column in columns {
            let (bytes, name) = (column.bytes as f64, ColumnId(column.id).name());
            let share = 100.0 * bytes / root.totals.bytes.max(1) as f64;
            writeln!(f, "{name}\t{}\t{share:.1}%\t{:.2}", column.bytes, bytes / rows.max(1) as f64)?;
        }
        Ok(())
    }
}

/// Counts of a dataset, from its root. The categories and their meaning are those of `samtools flagstat`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// All rows.
    pub rows: u64,
    /// Bases of all rows.
    pub bases: u64,
    /// Categories of flags in flagstat's order: a name, rows that passed quality checks, rows that failed them.
    pub flags: Vec<(&'static str, u64, u64)>,
    /// Rows whose mapping quality is at least so much.
    pub mapq_at_least: BTreeMap<u8, u64>,
    /// Rows per contig, in the header's order; `*` for those without one. Contigs without rows are left out.
    pub contigs: Vec<(String, u64)>,
}

/// The contig with this number.
fn name_of(contigs: &Contigs, id: i32) -> Option<&str> {
    usize::try_from(id).ok().and_then(|id| contigs.name(id))
}

/// What a dataset's tally tells of its alignments.
pub(crate) fn totals(tally: &Tally, contigs: &Contigs) -> stats::Stats {
    let flags = tally.flags.iter().map(|(flag, rows)| (*flag, *rows));
    let by_contig = tally.contigs.iter().map(|(id, rows)| (name_of(contigs, *id), *rows));
    stats::Stats::Alignments(Box::new(AlignmentStats::of_totals(flags, by_contig)))
}

impl Stats {
    /// Of the dataset with this root and these contigs.
    pub fn of(root: &Metadata, contigs: &Contigs) -> Self {
        let tally = &root.totals.tally;
        let counts = flagstat(tally.flags.iter().map(|(flag, rows)| (*flag, *rows)));
        let flags = CATEGORIES.iter().zip(counts).map(|(category, n)| (category.name, n.passed, n.failed));
        let stats = root.totals.stats.as_ref();
        let reaching = stats.map_or([0; 5], |s| s.mapq_reaching);
        let name = |id: i32| name_of(contigs, id).unwrap_or("*").to_owned();
        let (none, placed): (Vec<_>, Vec<_>) = tally.contigs.iter().partition(|(id, _)| **id < 0);
        Self {
            rows: stats.map_or(0, |s| s.rows),
            bases: tally.bases,
            flags: flags.collect(),
            mapq_at_least: MAPQ_STEPS.into_iter().zip(reaching).collect(),
            contigs: placed.into_iter().chain(none).map(|(id, rows)| (name(*id), *rows)).collect(),
        }
    }

    /// As one JSON object, ended by a newline.
    ///
    /// # Errors
    /// Never in practice.
    pub fn to_json(&self) -> Result<String> {
        #[derive(Serialize)]
        struct Passed {
            passed: u64,
            failed: u64,
        }
        #[derive(Serialize)]
        struct Json<'a> {
            rows: u64,
            bases: u64,
            flags: BTreeMap<String, Passed>,
            mapq_at_least: &'a BTreeMap<u8, u64>,
            contigs: BTreeMap<&'a str, u64>,
        }
        let flags = self.flags.iter().map(|(name, passed, failed)| {
            let counts = Passed { passed: *passed, failed: *failed };
            (name.replace(' ', "_"), counts)
        });
        let json = Json {
            rows: self.rows,
            bases: self.bases,
            flags: flags.collect(),
            mapq_at_least: &self.mapq_at_least,
            contigs: self.contigs.iter().map(|(name, rows)| (name.as_str(), *rows)).collect(),
        };
        let text = serde_json::to_string(&json).map_err(|e| Error::invalid("no JSON").caused_by(e))?;
        Ok(text + "\n")
    }
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "rows\t{}", self.rows)?;
        writeln!(f, "bases\t{}", self.bases)?;
        writeln!(f, "\nflags\tpassed\tfailed")?;
        for (name, passed, failed) in &self.flags {
            writeln!(f, "{name}\t{passed}\t{failed}")?;
        }
        writeln!(f, "\nmapq\trows")?;
        for (least, rows) in &self.mapq_at_least {
            writeln!(f, ">= {least}\t{rows}")?;
        }
        writeln!(f, "\ncontig\trows")?;
        for (name, rows) in &self.contigs {
            writeln!(f, "{name}\t{rows}")?;
        }
        Ok(())
    }
}

/// A row per chunk: `chunk` (its number), `contig`, `start` and `end` (1-based, inclusive; null where no row is placed),
/// `rows`, `groups`, `bytes`, `path`. Of a chunk of several contigs `contig` names the first and the last, `start` is the
/// first row's and `end` is null.
///
/// # Errors
/// Never in practice.
pub fn chunk_table<'a>(dataset: &Opened, chunks: impl Iterator<Item = &'a ChunkEntry>) -> Result<RecordBatch> {
    let name = |id: i32| name_of(&dataset.contigs, id).unwrap_or("*");
    let all: Vec<_> = chunks.map(|c| (c, c.stats())).collect();
    let numbers =
        |of: &dyn Fn(&ChunkEntry) -> u64| Arc::new(all.iter().map(|(c, _)| of(c)).collect::<UInt64Array>()) as ArrayRef;
    let contigs = all.iter().map(|(_, s)| match (name(s.contig_first), name(s.contig_last)) {
        (first, last) if first == last => Some(first.to_owned()),
        (first, last) => Some(format!("{first}…{last}")),
    });
    let starts = all.iter().map(|(_, s)| (s.start_first >= 0).then(|| s.start_first.saturating_add(1)));
    let is_one = |s: &GroupStats| s.contig_first == s.contig_last && s.unplaced < s.rows;
    let ends = all.iter().map(|(_, s)| is_one(s).then_some(s.end_max));
    Ok(RecordBatch::try_from_iter_with_nullable([
        ("chunk", numbers(&|c| c.ordinal), false),
        ("contig", Arc::new(contigs.collect::<StringViewArray>()) as ArrayRef, true),
        ("start", Arc::new(starts.collect::<Int64Array>()) as ArrayRef, true),
        ("end", Arc::new(ends.collect::<Int64Array>()) as ArrayRef, true),
        ("rows", numbers(&ChunkEntry::rows), false),
        ("groups", numbers(&|c| c.groups.len() as u64), false),
        ("bytes", numbers(&|c| c.bytes), false),
        ("path", Arc::new(all.iter().map(|(c, _)| Some(&c.path)).collect::<StringViewArray>()) as ArrayRef, false),
    ])?)
}

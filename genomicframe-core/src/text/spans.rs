//! A text file of one span per line, possibly with a tabix index: what BED and GFF share.

use std::sync::OnceLock;

use crate::error::{Error, Result};
use crate::genome::Contigs;
use crate::index::BinningIndex;
use crate::io::ObjectIo;
use crate::scan::{
    Condition, Cut, FieldType, IndexState, OnError, Pushdown, RecordStarts, ScanPlan, ScanRequest, Statistics,
    StreamFile,
};

use super::filter::RowFilter;

/// How a format's lines are indexed: its tabix preset.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Preset {
    /// Its name to `tabix -p`.
    pub(crate) name: &'static str,
    /// 1-based columns of contig, start and end.
    pub(crate) columns: [i32; 3],
    /// The name of the first column, which holds the contig.
    pub(crate) contig_column: &'static str,
    /// Whether starts are 0-based.
    pub(crate) zero_based: bool,
    /// How a contig's name is read from the text, and so from the index.
    pub(crate) contig: fn(&str) -> String,
    /// Whether a line is a record.
    pub(crate) is_record: fn(&[u8]) -> bool,
}

/// The file and, once it is loaded, its index.
#[derive(Debug)]
pub(crate) struct SpanText {
    file: StreamFile,
    preset: Preset,
    contigs: OnceLock<Contigs>,
}

/// Usual endings of tabix indexes.
const SUFFIXES: [&str; 2] = [".tbi", ".csi"];

impl SpanText {
    pub(crate) fn new(mut file: StreamFile, preset: Preset) -> Self {
        file.set_contig_column(0, preset.contig_column);
        Self { file, preset, contigs: OnceLock::new() }
    }

    /// The contigs that the index names: all that have records.
    pub(crate) fn contigs(&self) -> Option<&Contigs> {
        self.contigs.get()
    }

    /// Row counts of the index.
    pub(crate) fn statistics(&self) -> Statistics {
        self.file.statistics(self.contigs(), |_, name| self.contigs()?.get(name))
    }

    /// Reads the index, once.
    ///
    /// # Errors
    /// When it is broken, or was made of other columns than the format's.
    pub(crate) async fn load_index(&self, io: &dyn ObjectIo) -> Result<()> {
        self.file.load_index(io, &SUFFIXES).await?;
        if let Some(index) = self.file.index()
            && self.contigs.get().is_none()
        {
            let contigs = self.read_contigs(index).map_err(|e| e.in_object(&self.file.object().location))?;
            let named = |written: &[u8]| std::str::from_utf8(written).ok().map(self.preset.contig);
            let name = |id| contigs.name(id).map(str::to_owned);
            self.file.check_first_record(io, 0, self.preset.is_record, name, named).await?;
            let _ = self.contigs.set(contigs);
        }
        Ok(())
    }

    fn read_contigs(&self, index: &BinningIndex) -> Result<Contigs> {
        let Preset { name, columns, zero_based, contig, .. } = self.preset;
        let hint = || format!("index it again with: tabix -p {name}");
        let Some(tabix) = index.tabix() else {
            return Err(Error::corrupt("its index is none of a text file").hint(hint()));
        };
        if tabix.columns != columns || tabix.zero_based != zero_based {
            return Err(Error::corrupt(format!(
                "its index is of columns {:?}, {}-based, where {name} has {columns:?}, {}-based",
                tabix.columns,
                if tabix.zero_based { 0 } else { 1 },
                if zero_based { 0 } else { 1 },
            ))
            .hint(hint()));
        }
        let names: Vec<String> = tabix.names.iter().map(|n| contig(n)).collect();
        let contigs: Contigs = names.iter().map(String::as_str).collect();
        match names.iter().enumerate().find(|(i, n)| contigs.get(n) != Some(*i)) {
            Some((_, twice)) => {
                Err(Error::unsupported("its index writes one contig in two ways").text(twice.as_bytes()))
            }
            None => Ok(contigs),
        }
    }

    /// What becomes of malformed records.
    pub(crate) fn on_error(&self) -> OnError {
        self.file.on_error()
    }

    /// Whether a scan can test `condition` exactly.
    pub(crate) fn pushdown(
        &self,
        condition: &Condition,
        field: &impl Fn(&str) -> Option<(usize, FieldType)>,
    ) -> Pushdown {
        self.file.pushdown(condition, field)
    }

    /// What is there of the index.
    pub(crate) fn index_state(&self) -> IndexState {
        self.file.index_state()
    }

    /// Finds places where it can be cut without an index, once.
    ///
    /// # Errors
    /// When the storage fails.
    pub(crate) async fn find_cuts(
        &self,
        io: &dyn ObjectIo,
        partitions: usize,
        starts: &dyn RecordStarts,
    ) -> Result<()> {
        self.file.find_cuts(io, partitions, starts).await
    }

    /// What to read for `request`.
    pub(crate) fn plan(&self, request: &ScanRequest, cut: Cut) -> ScanPlan {
        self.file.plan(request, cut, self.contigs(), |_, name| self.contigs()?.get(name))
    }

    /// The rows that `request` wants.
    ///
    /// # Errors
    /// When it has a condition that `field` cannot bind.
    pub(crate) fn filter(
        &self,
        request: &ScanRequest,
        field: &impl Fn(&str) -> Option<(usize, FieldType)>,
    ) -> Result<RowFilter> {
        RowFilter::new(request, self.contigs(), self.file.index().is_some(), field)
    }
}

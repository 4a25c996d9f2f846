//! An opened GFF3 file.

use std::cell::RefCell;

use arrow::datatypes::SchemaRef;
use futures::FutureExt;
use futures::future::BoxFuture;

use super::header::{self, ATTRIBUTES, END, FIELDS, Layout, PHASE, SCORE, START};
use super::starts::GffStarts;
use super::{ID, attributes, decode};
use crate::error::Result;
use crate::genome::{Contigs, RegionSet};
use crate::io::{Location, ObjectIo};
use crate::scan::{
    Condition, Cut, Dataset, Decoder, FieldType, FormatId, IndexState, OpenOptions, Partition, Pushdown, RecordDecoder,
    ScanPlan, ScanRequest, SpanColumns, Statistics, StreamFile,
};
use crate::text::lines::is_from_start;
use crate::text::spans::{Preset, SpanText};

#[derive(Debug)]
pub(super) struct GffFile {
    text: SpanText,
    layout: Layout,
    longest: usize,
}

const PRESET: Preset = Preset {
    name: "gff",
    columns: [1, 4, 5],
    contig_column: "seqid",
    zero_based: false,
    contig: |written| attributes::decode(written).into_owned(),
    is_record: |line| header::kind(line) == header::Line::Record,
};

impl GffFile {
    pub(super) async fn open(at: &Location, io: &dyn ObjectIo, options: &OpenOptions) -> Result<Self> {
        let file = StreamFile::open(at, io, options).await?;
        let layout = header::read(&mut file.head(io, options.limits.header_bytes), options).await?;
        Ok(Self { text: SpanText::new(file, PRESET), layout, longest: options.limits.record_bytes })
    }

    /// A column's number and how it compares.
    fn field(&self, name: &str) -> Option<(usize, FieldType)> {
        let (i, _) = self.layout.schema.column_with_name(name)?;
        match i {
            START | END | PHASE => Some((i, FieldType::Int)),
            SCORE => Some((i, FieldType::Float)),
            ATTRIBUTES => None,
            _ => Some((i, FieldType::Text)),
        }
    }
}

impl Dataset for GffFile {
    fn format(&self) -> FormatId {
        ID
    }

    fn schema(&self) -> SchemaRef {
        SchemaRef::clone(&self.layout.schema)
    }

    fn contigs(&self) -> Option<&Contigs> {
        self.text.contigs()
    }

    fn header_text(&self) -> Option<&str> {
        Some("##gff-version 3\n")
    }

    fn span_columns(&self) -> Option<SpanColumns> {
        Some(SpanColumns { contig: "seqid", start: "start", end: "end", zero_based: false })
    }

    fn statistics(&self) -> Statistics {
        self.text.statistics()
    }

    fn pushdown(&self, condition: &Condition) -> Pushdown {
        self.text.pushdown(condition, &|name| self.field(name))
    }

    fn load_index<'a>(&'a self, io: &'a dyn ObjectIo, _: Option<&'a RegionSet>) -> BoxFuture<'a, Result<()>> {
        self.text.load_index(io).boxed()
    }

    fn index_state(&self) -> IndexState {
        self.text.index_state()
    }

    fn find_cuts<'a>(&'a self, io: &'a dyn ObjectIo, partitions: usize) -> BoxFuture<'a, Result<()>> {
        self.text.find_cuts(io, partitions, &GffStarts).boxed()
    }

    fn plan(&self, request: &ScanRequest) -> Result<ScanPlan> {
        // A later part of a plain file could lie within its `##FASTA` section.
        Ok(self.text.plan(request, Cut::Never))
    }

    fn decoder(&self, request: &ScanRequest, partition: &Partition) -> Result<Box<dyn Decoder>> {
        let tested = RefCell::new(Vec::new());
        let filter = self.text.filter(request, &|name| {
            let field = self.field(name);
            tested.borrow_mut().extend(field.map(|(i, _)| i).filter(|i| *i >= FIELDS));
            field
        })?;
        let rows = decode::GffRows::new(&self.layout, &request.projection, filter, tested.into_inner(), partition)?;
        let decoder = RecordDecoder::new(rows, request, self.longest, is_from_start(partition));
        Ok(Box::new(decoder.on_error(self.text.on_error())))
    }
}

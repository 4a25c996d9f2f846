//! Lines become rows: conditions first, then the columns asked for, straight into their builders.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float32Builder, Int64Builder, RecordBatch, RecordBatchOptions, StringViewBuilder};
use arrow::datatypes::SchemaRef;

use super::genotypes::GenotypeReader;
use super::info::{Entry, Finder, InfoReader};
use super::line::{Line, Tabs, Tested, optional};
use super::schema::{Columns, Key, Kind, Source};
use super::values::Cells;
use crate::error::{Error, Result};
use crate::scan::{BrokenRow, Rows, ScanRequest, Selected, SpanFilter, Test, Warnings, row_by_row};
use crate::text::{fields, lines};

/// Where a partition begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Begin {
    /// At the first byte of the file: so many bytes of header come first.
    Header(usize),
    /// At the first record, after so many lines of header.
    FirstRecord(u64),
    /// Somewhere in the file.
    Within,
}

/// The rows of one partition.
pub(super) struct VcfRows {
    columns: Arc<Columns>,
    schema: SchemaRef,
    filter: Option<SpanFilter>,
    test: Option<Test>,
    end: Finder,
    /// For conditions: of each INFO key that one names.
    tested: Vec<Option<Finder>>,
    /// The last contig that was looked at.
    contig: Vec<u8>,
    builders: Builders,
    info: Option<InfoReader>,
    genotypes: Option<GenotypeReader>,
    /// Bytes of header still to come.
    header_left: usize,
    /// Lines so far, where their number is known.
    line: Option<u64>,
    /// About what the values appended since the last batch take.
    bytes: usize,
    /// What a row takes at least.
    row_bytes: usize,
}

/// Of each column of the schema that is wanted: what it is built with.
#[derive(Default)]
struct Builders {
    chrom: Option<StringViewBuilder>,
    pos: Option<Int64Builder>,
    end: Option<Int64Builder>,
    id: Option<StringViewBuilder>,
    reference: Option<StringViewBuilder>,
    alt: Option<Cells>,
    qual: Option<Float32Builder>,
    filter: Option<StringViewBuilder>,
    info: Vec<Cells>,
    /// Of each wanted column, in the order of the batch.
    outputs: Vec<Output>,
}

/// Where a column of the batch comes from.
#[derive(Clone, Copy)]
enum Output {
    Fixed(Source),
    /// A place in [`Builders::info`], which is the slot of its [`InfoReader`] too.
    Info(usize),
    /// A slot of the [`GenotypeReader`].
    Format(usize),
    /// The same as an earlier column of the batch.
    Same(usize),
}

/// About what a value takes in its builder.
const VALUE_BYTES: usize = 16;

impl VcfRows {
    pub(super) fn new(
        columns: Arc<Columns>,
        request: &ScanRequest,
        filter: Option<SpanFilter>,
        begin: Begin,
    ) -> Result<Self> {
        let schema = Arc::new(columns.schema.project(&request.projection)?);
        let conditions = &request.predicate.all;
        let test = Test::bind_all(conditions, &|name| columns.testable(name))
            .ok_or_else(|| Error::invalid(format!("a VCF scan cannot apply: {}", request.predicate)))?;
        let mut builders = Builders::default();
        let (mut info, mut format): (Vec<&Key>, Vec<&Key>) = (Vec::new(), Vec::new());
        for (i, column) in request.projection.iter().enumerate() {
            if let Some(first) = request.projection[..i].iter().position(|c| c == column) {
                builders.outputs.push(Output::Same(first));
                continue;
            }
            let source = columns.sources.get(*column).copied();
            let source = source.ok_or_else(|| Error::invalid(format!("there is no column number {column}")))?;
            let output = match source {
                Source::Info(key) => {
                    builders.info.push(Cells::new(&columns.info[key]));
                    info.push(&columns.info[key]);
                    Output::Info(info.len() - 1)
                }
                Source::Format(key) => {
                    format.push(&columns.format[key]);
                    Output::Format(format.len() - 1)
                }
                fixed => {
                    builders.add(fixed);
                    Output::Fixed(fixed)
                }
            };
            builders.outputs.push(output);
        }
        let row_bytes = VALUE_BYTES * (request.projection.len() + format.len() * columns.samples.len());
        let tested = columns.info.iter().map(|k| {
            let used = !conditions.is_empty() && !k.list && k.kind != Kind::Flag;
            used.then(|| Finder::new(&k.name, k.alias.as_deref()))
        });
        let tested = tested.collect();
        Ok(Self {
            schema,
            filter,
            test: (!conditions.is_empty()).then_some(test),
            end: Finder::new("END", None),
            tested,
            contig: Vec::new(),
            builders,
            info: (!info.is_empty()).then(|| InfoReader::new(info.into_iter(), columns.info.len())),
            genotypes: (!format.is_empty()).then(|| GenotypeReader::new(format.into_iter())),
            header_left: if let Begin::Header(bytes) = begin { bytes } else { 0 },
            line: match begin {
                Begin::Header(_) => Some(0),
                Begin::FirstRecord(lines) => Some(lines),
                Begin::Within => None,
            },
            bytes: 0,
            row_bytes,
            columns,
        })
    }

    fn keeps(&mut self, line: &Line<'_>) -> Result<bool> {
        if let Some(filter) = &mut self.filter {
            let pos = line.pos()?;
            if !filter.keeps(line.chrom, pos, line.end(pos, &self.end)?.position)? {
                return Ok(false);
            }
        }
        match &self.test {
            Some(test) => test.passes(&Tested { line, columns: &self.columns, end: &self.end, info: &self.tested }),
            None => Ok(true),
        }
    }

    /// Whether `record` is a row, and where its fields are.
    fn look(&mut self, record: &[u8]) -> Result<Option<Tabs>> {
        let (line, tabs) = Line::parse(record)?;
        if !self.keeps(&line)? {
            return Ok(None);
        }
        if line.chrom.is_empty() || line.chrom != self.contig {
            line.check_chrom()?;
            self.contig.clear();
            self.contig.extend_from_slice(line.chrom);
        }
        Ok(Some(tabs))
    }

    fn put(&mut self, line: &Line<'_>, warnings: &mut Warnings) -> Result<()> {
        self.bytes += self.row_bytes + self.builders.fixed(line, &self.end, warnings)?;
        if let Some(reader) = &mut self.info {
            if let Some(more) = line.samples.filter(|_| self.columns.all_samples == 0) {
                return Err(Error::corrupt("more columns than the header has").text(more));
            }
            let info = if line.info == b"." { b"" } else { line.info };
            reader.read(info, warnings);
            for (slot, cells) in self.builders.info.iter_mut().enumerate() {
                match reader.entry(slot, info) {
                    entry if cells.is_flag() => cells.push_flag(entry != Entry::Absent)?,
                    Entry::Absent | Entry::Alone => cells.push(None)?,
                    Entry::Value(text) => {
                        self.bytes += text.len();
                        cells.push(Some(text))?;
                    }
                }
            }
        }
        if let Some(genotypes) = &mut self.genotypes {
            self.bytes += genotypes.read(line.samples, &self.columns, warnings)?;
        }
        Ok(())
    }
}

/// A selected line.
pub(super) struct VcfRow {
    tabs: Tabs,
    line: Option<u64>,
}

/// Names the line, where its number is known.
fn on(line: Option<u64>, e: Error) -> Error {
    match line {
        Some(line) => e.on_line(line),
        None => e,
    }
}

impl Rows for VcfRows {
    type Row = VcfRow;

    fn frame(&mut self, bytes: &[u8], last: bool) -> Result<Option<usize>> {
        Ok(lines::frame(bytes, last))
    }

    fn select(&mut self, record: &[u8], warnings: &mut Warnings) -> Result<Option<VcfRow>> {
        if let Some(line) = &mut self.line {
            *line += 1;
        }
        if self.header_left > 0 {
            self.header_left = self.header_left.saturating_sub(record.len());
            return Ok(None);
        }
        let record = lines::trim_end(record);
        match record.first() {
            None => warnings.add("an empty line is skipped"),
            Some(b'#') => warnings.add("a line that begins with # among the records is skipped"),
            Some(_) => {
                let line = self.line;
                let tabs = self.look(record).map_err(|e| on(line, e))?;
                return Ok(tabs.map(|tabs| VcfRow { tabs, line }));
            }
        }
        Ok(None)
    }

    fn build(&mut self, bytes: &[u8], selected: &[Selected<VcfRow>], warnings: &mut Warnings) -> Result<(), BrokenRow> {
        row_by_row(bytes, selected, |record, VcfRow { tabs, line }| {
            self.put(&Line::cut(lines::trim_end(record), tabs), warnings).map_err(|e| on(*line, e))
        })
    }

    fn bytes(&self) -> usize {
        self.bytes
    }

    fn take(&mut self, rows: usize) -> Result<RecordBatch> {
        self.bytes = 0;
        let mut arrays: Vec<ArrayRef> = Vec::with_capacity(self.builders.outputs.len());
        for i in 0..self.builders.outputs.len() {
            let array = match self.builders.outputs[i] {
                Output::Fixed(source) => self.builders.finish(source)?,
                Output::Info(place) => self.builders.info.get_mut(place).map(Cells::finish).transpose()?,
                Output::Format(slot) => match &mut self.genotypes {
                    Some(genotypes) => genotypes.finish(slot)?,
                    None => None,
                },
                Output::Same(first) => arrays.get(first).cloned(),
            };
            arrays.extend(array);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options)?)
    }
}

impl Builders {
    fn add(&mut self, source: Source) {
        let text = || Some(StringViewBuilder::new());
        match source {
            Source::Chrom => self.chrom = text(),
            Source::Pos => self.pos = Some(Int64Builder::new()),
            Source::End => self.end = Some(Int64Builder::new()),
            Source::Id => self.id = text(),
            Source::Ref => self.reference = text(),
            Source::Alt => {
                let (name, label) = ("ALT".to_owned(), "ALT".to_owned());
                self.alt = Some(Cells::new(&Key { name, alias: None, kind: Kind::Text, list: true, label }));
            }
            Source::Qual => self.qual = Some(Float32Builder::new()),
            Source::Filter => self.filter = text(),
            Source::Info(_) | Source::Format(_) => {}
        }
    }

    /// Appends the fixed fields; returns how many bytes of text they have.
    fn fixed(&mut self, line: &Line<'_>, end: &Finder, warnings: &mut Warnings) -> Result<usize> {
        let mut bytes = 0;
        if let Some(b) = &mut self.chrom {
            b.append_value(fields::utf8(line.chrom, "CHROM")?);
        }
        if self.pos.is_some() || self.end.is_some() {
            let pos = line.pos()?;
            if let Some(b) = &mut self.pos {
                b.append_value(pos);
            }
            if let Some(b) = &mut self.end {
                let end = line.end(pos, end)?;
                if end.ignored {
                    warnings.add("INFO/END before POS: the end of REF is taken");
                }
                b.append_value(end.position);
            }
        }
        if let Some(b) = &mut self.id {
            let id = optional(line.id, "ID")?;
            b.append_option(id.map(|t| fields::utf8(t, "ID")).transpose()?);
            bytes += line.id.len();
        }
        if let Some(b) = &mut self.reference {
            b.append_value(fields::utf8(line.reference()?, "REF")?);
            bytes += line.reference.len();
        }
        if let Some(b) = &mut self.alt {
            b.push(optional(line.alt, "ALT")?)?;
            bytes += line.alt.len();
        }
        if let Some(b) = &mut self.qual {
            b.append_option(line.qual()?);
        }
        if let Some(b) = &mut self.filter {
            let filter = optional(line.filter, "FILTER")?;
            b.append_option(filter.map(|t| fields::utf8(t, "FILTER")).transpose()?);
            bytes += line.filter.len();
        }
        Ok(bytes)
    }

    fn finish(&mut self, source: Source) -> Result<Option<ArrayRef>> {
        let text = |b: &mut Option<StringViewBuilder>| b.as_mut().map(|b| Arc::new(b.finish()) as ArrayRef);
        Ok(match source {
            Source::Chrom => text(&mut self.chrom),
            Source::Pos => self.pos.as_mut().map(|b| Arc::new(b.finish()) as ArrayRef),
            Source::End => self.end.as_mut().map(|b| Arc::new(b.finish()) as ArrayRef),
            Source::Id => text(&mut self.id),
            Source::Ref => text(&mut self.reference),
            Source::Alt => self.alt.as_mut().map(Cells::finish).transpose()?,
            Source::Qual => self.qual.as_mut().map(|b| Arc::new(b.finish()) as ArrayRef),
            Source::Filter => text(&mut self.filter),
            Source::Info(_) | Source::Format(_) => None,
        })
    }
}

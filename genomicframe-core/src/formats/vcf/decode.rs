//! Lines become rows: conditions first, then the columns asked for, straight into their builders.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Schema, SchemaRef};

use super::fixed::FixedColumn;
use super::genotypes::{Form, GenotypeReader, Wanted};
use super::info::{Entry, Finder, InfoReader};
use super::line::{Line, Tabs, Tested};
use super::schema::{Columns, Key, Kind, Source};
use super::values::Cells;
use crate::error::{Error, Result};
use crate::scan::{BrokenRow, Computed, Rows, ScanRequest, Segment, Selected, SpanFilter, Test, Warnings, row_by_row};
use crate::text::lines::{self, LineFramer};
use crate::text::lists::Broken;

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
    /// The columns wanted: of the file, and computed ones.
    projection: Vec<usize>,
    computed: Vec<Computed>,
    schema: SchemaRef,
    filter: Option<SpanFilter>,
    test: Option<Test>,
    end: Finder,
    /// For conditions: of each INFO key that one names.
    tested: Vec<Option<Finder>>,
    /// The last contig that was looked at.
    contig: Vec<u8>,
    framer: LineFramer,
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

/// What the wanted columns are built with.
#[derive(Default)]
struct Builders {
    fixed: Vec<FixedColumn>,
    info: Vec<Cells>,
    /// Of each wanted column, in the order of the batch.
    outputs: Vec<Output>,
}

/// Where a column of the batch comes from.
#[derive(Clone, Copy)]
enum Output {
    /// A place in [`Builders::fixed`].
    Fixed(usize),
    /// A place in [`Builders::info`], which is the slot of its [`InfoReader`] too.
    Info(usize),
    /// A column of the [`GenotypeReader`].
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
        let (conditions, _) = request.predicate.besides(request.regions.as_deref());
        let test = Test::bind_all(&conditions, &|name| columns.testable(name))
            .ok_or_else(|| Error::invalid(format!("a VCF scan cannot apply: {}", request.predicate)))?;
        let tested = columns.info.iter().map(|k| {
            let used = !conditions.is_empty() && !k.list && k.kind != Kind::Flag;
            used.then(|| Finder::new(&k.name, k.alias.as_deref()))
        });
        let tested = tested.collect();
        let mut rows = Self {
            schema: Arc::new(Schema::empty()),
            projection: request.projection.clone(),
            computed: request.computed.clone(),
            filter,
            test: (!conditions.is_empty()).then_some(test),
            end: Finder::new("END", None),
            tested,
            contig: Vec::new(),
            framer: LineFramer::default(),
            builders: Builders::default(),
            info: None,
            genotypes: None,
            header_left: if let Begin::Header(bytes) = begin { bytes } else { 0 },
            line: match begin {
                Begin::Header(_) => Some(0),
                Begin::FirstRecord(lines) => Some(lines),
                Begin::Within => None,
            },
            bytes: 0,
            row_bytes: 0,
            columns,
        };
        rows.prepare(&request.projection, &request.computed)?;
        Ok(rows)
    }

    /// Puts in place what these columns are built with.
    fn prepare(&mut self, projection: &[usize], computed: &[Computed]) -> Result<()> {
        let columns = Arc::clone(&self.columns);
        let mut fields = columns.schema.project(projection)?.fields().to_vec();
        let mut builders = Builders::default();
        let (mut info, mut format): (Vec<&Key>, Vec<Wanted<'_>>) = (Vec::new(), Vec::new());
        for (i, column) in projection.iter().enumerate() {
            if let Some(first) = projection[..i].iter().position(|c| c == column) {
                builders.outputs.push(Output::Same(first));
                continue;
            }
            let source = columns.sources.get(*column).copied();
            let source = source.ok_or_else(|| Error::invalid(format!("there is no column number {column}")))?;
            builders.outputs.push(match source {
                Source::Info(key) => {
                    builders.info.push(Cells::new(&columns.info[key]));
                    info.push(&columns.info[key]);
                    Output::Info(info.len() - 1)
                }
                Source::Format(key) => {
                    format.push(Wanted { key: &columns.format[key], form: Form::List, of: None });
                    Output::Format(format.len() - 1)
                }
                fixed => {
                    builders.fixed.extend(FixedColumn::new(fixed));
                    Output::Fixed(builders.fixed.len() - 1)
                }
            });
        }
        let lists = format.len();
        for computed in computed {
            let (wanted, field) = columns
                .compute(computed)
                .ok_or_else(|| Error::invalid(format!("a VCF scan cannot compute {computed}")))?;
            fields.push(Arc::new(field));
            builders.outputs.push(Output::Format(format.len()));
            format.push(wanted);
        }
        self.schema = Arc::new(Schema::new(fields));
        self.row_bytes = VALUE_BYTES * (builders.outputs.len() + lists * columns.samples.len());
        self.builders = builders;
        self.info = (!info.is_empty()).then(|| InfoReader::new(info.into_iter(), columns.info.len()));
        self.genotypes = (!format.is_empty()).then(|| GenotypeReader::new(&format, &columns));
        self.bytes = 0;
        Ok(())
    }

    fn keeps(&mut self, line: &Line<'_>) -> Result<bool> {
        if let Some(filter) = &mut self.filter {
            let pos = line.pos()?;
            filter.enter(line.chrom)?;
            if !filter.keeps_here(pos, || Ok(line.end(pos, &self.end)?.position))? {
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
        let tabs = Line::find(record)?;
        let line = Line::cut(record, &tabs);
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
        self.bytes += self.row_bytes;
        for column in &mut self.builders.fixed {
            self.bytes += column.push(line, &self.end, warnings)?;
        }
        if self.info.is_none() && self.genotypes.is_none() {
            return Ok(());
        }
        let (info, samples) = line.info_and_samples();
        if let Some(reader) = &mut self.info {
            if let Some(more) = samples.filter(|_| self.columns.all_samples == 0) {
                return Err(Error::corrupt("more columns than the header has").text(more));
            }
            let info = if info == b"." { b"" } else { info };
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
            self.bytes += genotypes.read(samples, &self.columns, warnings)?;
        }
        Ok(())
    }

    /// Checks the text of the rows put since the last call.
    fn check(&mut self) -> Result<(), BrokenRow> {
        let fixed = self.builders.fixed.iter_mut().map(FixedColumn::check);
        let info = self.builders.info.iter_mut().map(Cells::check);
        let format = self.genotypes.iter_mut().map(GenotypeReader::check);
        let broken = fixed.chain(info).chain(format).filter_map(Result::err);
        match broken.min_by_key(|(index, _): &Broken| *index) {
            Some((index, error)) => Err(BrokenRow { index, error }),
            None => Ok(()),
        }
    }
}

/// A selected line.
pub(super) struct VcfRow {
    tabs: Tabs,
    line: Option<u64>,
}

impl Rows for VcfRows {
    type Row = VcfRow;

    fn begin(&mut self, segment: &Segment) {
        if let Some(filter) = &mut self.filter {
            filter.begin(segment);
        }
    }

    fn frame(&mut self, bytes: &[u8], last: bool) -> Result<Option<usize>> {
        Ok(self.framer.frame(bytes, last))
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
                let tabs = self.look(record).map_err(|e| lines::on_line(line, e))?;
                return Ok(tabs.map(|tabs| VcfRow { tabs, line }));
            }
        }
        Ok(None)
    }

    fn builds(&self) -> bool {
        !self.builders.outputs.is_empty()
    }

    fn build(&mut self, bytes: &[u8], selected: &[Selected<VcfRow>], warnings: &mut Warnings) -> Result<(), BrokenRow> {
        let rows = row_by_row(bytes, selected, |record, row| {
            self.put(&Line::cut(lines::trim_end(record), &row.tabs), warnings)
        });
        BrokenRow::first(rows, self.check())
            .map_err(|broken| broken.explain(selected, |row, e| lines::on_line(row.line, e)))
    }

    fn bytes(&self) -> usize {
        self.bytes
    }

    fn take(&mut self, rows: usize) -> Result<RecordBatch> {
        self.bytes = 0;
        let mut arrays: Vec<ArrayRef> = Vec::with_capacity(self.builders.outputs.len());
        for i in 0..self.builders.outputs.len() {
            let array = match self.builders.outputs[i] {
                Output::Fixed(place) => self.builders.fixed.get_mut(place).map(FixedColumn::finish).transpose()?,
                Output::Info(place) => self.builders.info.get_mut(place).map(Cells::finish).transpose()?,
                Output::Format(place) => match &mut self.genotypes {
                    Some(genotypes) => genotypes.finish(place)?,
                    None => None,
                },
                Output::Same(first) => arrays.get(first).cloned(),
            };
            arrays.extend(array);
        }
        self.genotypes.iter_mut().for_each(GenotypeReader::next_batch);
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options)?)
    }

    fn restart(&mut self, only: Option<usize>) -> Result<()> {
        let (projection, computed) = (std::mem::take(&mut self.projection), std::mem::take(&mut self.computed));
        let prepared = match only {
            None => self.prepare(&projection, &computed),
            Some(i) => {
                let made = i.checked_sub(projection.len()).and_then(|i| computed.get(i..=i));
                self.prepare(projection.get(i..=i).unwrap_or_default(), made.unwrap_or_default())
            }
        };
        (self.projection, self.computed) = (projection, computed);
        prepared
    }

    fn is_over(&self) -> bool {
        self.filter.as_ref().is_some_and(SpanFilter::is_past)
    }
}

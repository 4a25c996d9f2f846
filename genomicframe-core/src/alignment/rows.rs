//! Records to the rows of a request: conditions first, then the columns wanted, each for many records at a time.

use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions, StringViewArray};
use arrow::datatypes::SchemaRef;

use super::columns::{Broken, FixedColumn, names_of};
use super::fields::RawFields;
use super::lines::Lines;
use super::record::{Layout, Record};
use super::schema::Column;
use super::tag_columns::{AllTags, TagColumn, TagFinder};
use crate::error::Result;
use crate::genome::Contigs;
use crate::scan::{BrokenRow, Segment, SpanFilter, Test, Warnings, text_schema};

/// Builds the projected columns of the records that pass.
pub struct AlignmentRows {
    schema: SchemaRef,
    contigs: Arc<Contigs>,
    /// The contigs' names, where a column has them.
    names: Option<StringViewArray>,
    /// All columns wanted, though one alone may be built.
    wanted: Vec<Column>,
    wanted_schema: SchemaRef,
    columns: Vec<Builder>,
    tags: TagFinder,
    span: Option<SpanFilter>,
    /// The contig of the last record that `span` looked at.
    entered: Option<usize>,
    test: Test,
    bytes: usize,
}

/// What builds `columns`, and what finds their tags.
fn builders(columns: &[Column]) -> (Vec<Builder>, TagFinder) {
    let mut tags = TagFinder::default();
    let builders = columns.iter().map(|column| match column {
        Column::Tag(key, of) => Builder::Tag(TagColumn::new(tags.want(*key, *of), *of)),
        other => FixedColumn::new(*other).map_or_else(|| Builder::Tags(Box::default()), Builder::Fixed),
    });
    (builders.collect(), tags)
}

enum Builder {
    Fixed(FixedColumn),
    Tag(TagColumn),
    Tags(Box<AllTags>),
    Lines(Box<Lines>),
}

impl AlignmentRows {
    /// Builds `columns` of the records that overlap and pass; `schema` is theirs.
    ///
    /// # Errors
    /// When a contig's name is no text.
    pub fn new(
        schema: SchemaRef,
        columns: &[Column],
        contigs: Arc<Contigs>,
        span: Option<SpanFilter>,
        test: Test,
    ) -> Result<Self> {
        let (wanted, wanted_schema) = (columns.to_vec(), Arc::clone(&schema));
        let (columns, tags) = builders(&wanted);
        let named = columns.iter().any(|c| matches!(c, Builder::Fixed(c) if c.is_contig()));
        let names = if named { Some(names_of(&contigs)?) } else { None };
        Ok(Self { schema, contigs, names, wanted, wanted_schema, columns, tags, span, entered: None, test, bytes: 0 })
    }

    /// Builds no columns but the lines of SAM text, in batches of [`text_schema`].
    pub fn lines(contigs: Arc<Contigs>, span: Option<SpanFilter>, test: Test) -> Self {
        let columns = vec![Builder::Lines(Box::new(Lines::new(Arc::clone(&contigs))))];
        let (tags, names, wanted) = (TagFinder::default(), None, Vec::new());
        let (schema, wanted_schema) = (text_schema(), text_schema());
        Self { schema, contigs, names, wanted, wanted_schema, columns, tags, span, entered: None, test, bytes: 0 }
    }

    /// Begins anew with builders of all columns, or of column `only` alone; what was not taken is forgotten.
    ///
    /// # Errors
    /// When there is no such column.
    pub fn restart(&mut self, only: Option<usize>) -> Result<()> {
        self.bytes = 0;
        if let [Builder::Lines(_)] = self.columns[..] {
            self.columns = vec![Builder::Lines(Box::new(Lines::new(Arc::clone(&self.contigs))))];
            return Ok(());
        }
        let (wanted, schema) = match only {
            Some(i) => (self.wanted.get(i..=i).unwrap_or_default(), Arc::new(self.wanted_schema.project(&[i])?)),
            None => (&self.wanted[..], Arc::clone(&self.wanted_schema)),
        };
        (self.columns, self.tags) = builders(wanted);
        self.schema = schema;
        Ok(())
    }

    /// The records of `segment` follow.
    pub fn begin(&mut self, segment: &Segment) {
        if let Some(span) = &mut self.span {
            span.begin(segment);
        }
    }

    /// Whether no record that follows in the segment is wanted.
    pub fn is_over(&self) -> bool {
        self.span.as_ref().is_some_and(SpanFilter::is_past)
    }

    /// Looks at `bytes`, a BAM record without its `block_size`; `None` when a condition excludes it.
    ///
    /// # Errors
    /// When it is no record, or a field that decides is malformed.
    pub fn select(&mut self, bytes: &[u8], warnings: &mut Warnings) -> Result<Option<Layout>> {
        let record = Record::new(bytes, self.contigs.len())?;
        if !self.passes(record)? {
            return Ok(None);
        }
        if let (Some(id), Some(pos)) = (record.contig(), record.pos())
            && self.contigs.length(id).is_some_and(|length| pos.unsigned_abs() > length && length > 0)
        {
            warnings.add("a record starts past the end of its contig");
        }
        if record.mate_pos().is_some_and(|pos| pos < 1) {
            warnings.add("a mate's position is negative");
        }
        Ok(Some(record.layout()))
    }

    fn passes(&mut self, record: Record<'_>) -> Result<bool> {
        if let Some(span) = &mut self.span {
            let name = |id| self.contigs.name(id).unwrap_or_default().as_bytes();
            let inside = match (record.contig(), record.pos()) {
                (Some(contig), Some(start)) => {
                    if self.entered != Some(contig) {
                        span.enter(name(contig))?;
                        self.entered = Some(contig);
                    }
                    span.keeps_here(start, || Ok(record.end()?.unwrap_or(start)))?
                }
                (Some(contig), None) => span.keeps_without_position(name(contig)),
                (None, _) => span.keeps_unplaced(),
            };
            if !inside {
                return Ok(false);
            }
        }
        self.test.passes(&RawFields { record: &record, contigs: &self.contigs })
    }

    /// Whether there is any column to build.
    pub fn builds(&self) -> bool {
        !self.columns.is_empty()
    }

    /// Appends the rows of selected records.
    ///
    /// # Errors
    /// The first of the rows in which a wanted field is malformed.
    pub fn build<'a>(
        &mut self,
        records: impl Iterator<Item = (&'a [u8], Layout)>,
        warnings: &mut Warnings,
    ) -> Result<(), BrokenRow> {
        let bytes = &mut self.bytes;
        let records: Vec<Record<'_>> = records
            .map(|(record, layout)| {
                *bytes += record.len();
                Record::with_layout(record, layout)
            })
            .collect();
        let mut first: Option<Broken> = None;
        let mut keep = |built: Result<(), Broken>| {
            if let Err(broken) = built
                && first.as_ref().is_none_or(|(index, _)| broken.0 < *index)
            {
                first = Some(broken);
            }
        };
        if !self.tags.is_empty() {
            keep(self.tags.find(&records, warnings));
        }
        for column in &mut self.columns {
            keep(match column {
                Builder::Fixed(column) => column.append(&records),
                Builder::Tag(column) => column.append(&self.tags, &records),
                Builder::Tags(column) => column.append(&records, self.tags.is_empty().then_some(&mut *warnings)),
                Builder::Lines(lines) => lines.append(&records, warnings),
            });
        }
        match first {
            None => Ok(()),
            Some((index, error)) => Err(BrokenRow { index, error }),
        }
    }

    /// Appends the row of one record; `false` when a condition excludes it.
    ///
    /// # Errors
    /// As [`AlignmentRows::select`] and [`AlignmentRows::build`].
    pub fn append(&mut self, bytes: &[u8], warnings: &mut Warnings) -> Result<bool> {
        let Some(layout) = self.select(bytes, warnings)? else { return Ok(false) };
        self.build(std::iter::once((bytes, layout)), warnings).map_err(|broken| broken.error)?;
        Ok(true)
    }

    /// Bytes of records held since the last batch.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The rows appended since the last call. `rows` is their number.
    ///
    /// # Errors
    /// When Arrow refuses the columns.
    pub fn take(&mut self, rows: usize) -> Result<RecordBatch> {
        self.bytes = 0;
        let mut columns = Vec::with_capacity(self.columns.len());
        for column in &mut self.columns {
            columns.push(match column {
                Builder::Fixed(column) => column.finish(self.names.as_ref())?,
                Builder::Tag(column) => column.finish()?,
                Builder::Tags(column) => column.finish()?,
                Builder::Lines(lines) => lines.finish()?,
            });
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?)
    }
}

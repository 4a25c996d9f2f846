//! Pages to batches: in one step, or filter columns first and the others only for row groups that keep a row.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{BooleanArray, RecordBatch, RecordBatchOptions};
use arrow::compute::filter_record_batch;
use arrow::datatypes::SchemaRef;
use genomicframe_core::alignment::{Column, TagType};
use genomicframe_core::genome::RegionSet;
use genomicframe_core::scan::{
    Counts, Decoder, Framing, ObjectId, Piece, Predicate, ScanRequest, Segment, SpanFilter, Step, Test,
};
use genomicframe_core::{Error, Offset, Result};

use super::arrays;
use super::filter;
use super::held::Held;
use super::open::Opened;
use super::plan::{Wanted, coalesce, more_of, pages_of, part_of, ranges_of};
use super::prune::{Action, Filter, Known};
use crate::chunk::{ChunkHeader, HEADER};
use crate::codec::stream::Unpacker;
use crate::group::GroupReader;
use crate::index::{ChunkEntry, GroupEntry};

/// Decodes the pages of one partition.
pub(super) struct PageDecoder {
    opened: Arc<Opened>,
    schema: SchemaRef,
    columns: Vec<Column>,
    regions: Option<Arc<RegionSet>>,
    span: Option<SpanFilter>,
    test: Test,
    predicate: Predicate,
    wanted: Wanted,
    tags: Vec<([u8; 2], TagType)>,
    unpacker: Unpacker,
    batch_size: usize,
    left: usize,
    run: Option<Run>,
    ready: VecDeque<RecordBatch>,
    counts: Counts,
}

/// The row groups of a segment.
struct Run {
    part: Arc<Vec<ChunkEntry>>,
    chunk: usize,
    object: ObjectId,
    groups: Range<usize>,
    /// Stored bytes at hand, by where they lie.
    bytes: Held,
    state: State,
}

enum State {
    /// Nothing was asked for yet.
    New,
    /// Everything that is needed is at hand; the rows known to pass, where they were tested before, by group.
    Whole(VecDeque<(usize, Option<Vec<bool>>)>),
    /// The filter columns are at hand.
    Tested,
}

impl Run {
    fn entry(&self) -> &ChunkEntry {
        &self.part[self.chunk]
    }
}

impl PageDecoder {
    pub(super) fn new(
        opened: Arc<Opened>,
        schema: SchemaRef,
        columns: Vec<Column>,
        regions: Option<Arc<RegionSet>>,
        test: Test,
        request: &ScanRequest,
    ) -> Result<Self> {
        let payload = columns.iter().map(|c| part_of(*c)).collect();
        let tested = filter::parts(&request.predicate, regions.is_some());
        let span = regions.as_ref().map(|r| SpanFilter::new(Arc::clone(r), true));
        // A column's type is the schema's: several stored types of a key make one column.
        let tags = super::plan::stored_tags(&opened.metadata).iter().collect();
        Ok(Self {
            opened,
            schema,
            columns,
            regions,
            span,
            test,
            predicate: request.predicate.clone(),
            wanted: Wanted { payload, tested },
            tags,
            unpacker: Unpacker::new()?,
            batch_size: request.batch_size.max(1),
            left: request.limit.unwrap_or(usize::MAX),
            run: None,
            ready: VecDeque::new(),
            counts: Counts::default(),
        })
    }

    fn filter(&self) -> Filter<'_> {
        Filter { regions: self.regions.as_deref(), conditions: &self.predicate.all }
    }

    fn action(&self, group: &GroupEntry) -> Action {
        let known = Known { stats: &group.stats, group: Some(group), contigs: &self.opened.contigs, names: None };
        self.filter().action(known)
    }

    /// What is read first of row groups, and whether that is only what their rows are tested by.
    fn first_ranges(&self, chunk: &ChunkEntry, groups: Range<usize>) -> (Vec<Range<u64>>, bool) {
        let tested_first =
            self.wanted.is_in_two_steps(&chunk.groups[groups.clone()], self.filter(), &self.opened.contigs);
        let all = self.wanted.all();
        (ranges_of(chunk, groups, if tested_first { &self.wanted.tested } else { &all }), tested_first)
    }

    fn ask(&mut self, mut run: Run) -> Step {
        let (ranges, tested_first) = self.first_ranges(run.entry(), run.groups.clone());
        run.state = match tested_first {
            true => State::Tested,
            false => State::Whole(run.groups.clone().map(|g| (g, None)).collect()),
        };
        let object = run.object;
        self.run = Some(run);
        Step::Need(ranges.into_iter().map(|r| (object, r)).collect())
    }

    /// Tests the filter columns; asks for the others of the groups that keep rows.
    fn narrow(&mut self, mut run: Run) -> Result<Option<Step>> {
        let mut kept = VecDeque::new();
        let held: Vec<_> = run.bytes.ranges().collect();
        let mut ranges = Vec::new();
        for number in run.groups.clone() {
            let passing = self.test_group(&run, number)?;
            if passing.iter().any(|p| *p) {
                let group = &run.entry().groups[number];
                ranges.extend(more_of(group, &self.wanted.payload, &held));
                kept.push_back((number, Some(passing)));
            } else {
                self.counts.seen += passing.len() as u64;
            }
        }
        run.state = State::Whole(kept);
        let object = run.object;
        self.run = Some(run);
        let ranges = coalesce(ranges, &held);
        Ok((!ranges.is_empty()).then(|| Step::Need(ranges.into_iter().map(|r| (object, r)).collect())))
    }

    fn test_group(&mut self, run: &Run, number: usize) -> Result<Vec<bool>> {
        let group = &run.entry().groups[number];
        let mut reader = GroupReader::new(group, &mut self.unpacker).checked();
        for column in pages_of(group, &self.wanted.tested) {
            let Some(page) = group.page(column) else { continue };
            reader.put(page, run.bytes.find(&page.range())?)?;
        }
        let (contigs, parts) = (&self.opened.contigs, &self.wanted.tested);
        filter::passing(&mut reader, contigs, parts, &self.tags, self.span.as_mut(), &self.test)
    }

    /// Makes the batches of a group.
    fn build(&mut self, run: &Run, number: usize, tested: Option<Vec<bool>>) -> Result<()> {
        let group = &run.entry().groups[number];
        let passing = match tested {
            Some(passing) => Some(passing),
            None if self.action(group) == Action::Keep => None,
            None => Some(self.test_group(run, number)?),
        };
        let rows = group.stats.rows as usize;
        self.counts.seen += rows as u64;
        if passing.as_ref().is_some_and(|p| !p.contains(&true)) {
            return Ok(());
        }
        let mut reader = GroupReader::new(group, &mut self.unpacker).checked();
        for column in pages_of(group, &self.wanted.payload) {
            let Some(page) = group.page(column) else { continue };
            reader.put(page, run.bytes.find(&page.range())?)?;
        }
        let mut arrays = Vec::with_capacity(self.columns.len());
        for (column, field) in self.columns.iter().zip(self.schema.fields()) {
            arrays.push(arrays::array(&mut reader, *column, field.data_type(), &self.opened.contigs)?);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let mut batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options)?;
        if let Some(passing) = passing.filter(|p| p.contains(&false)) {
            batch = filter_record_batch(&batch, &BooleanArray::from(passing))?;
        }
        self.cut(&batch);
        Ok(())
    }

    /// Cuts a group's rows into batches of the size that was asked for, by rows and by bytes.
    fn cut(&mut self, batch: &RecordBatch) {
        let rows = batch.num_rows().min(self.left);
        let each = (batch.get_array_memory_size() / batch.num_rows().max(1)).max(1);
        let size = self.batch_size.min((ScanRequest::BATCH_BYTES / each).max(1));
        for at in (0..rows).step_by(size) {
            self.ready.push_back(batch.slice(at, size.min(rows - at)));
        }
        self.left -= rows;
        self.counts.kept += rows as u64;
    }

    /// The chunk and the row groups that a segment names.
    fn groups_of(&self, chunk: u64, first: u32, groups: u32) -> Result<(Arc<Vec<ChunkEntry>>, usize, Range<usize>)> {
        let missing = || Error::invalid(format!("chunk {chunk} is not in the index that was loaded"));
        let (part, at) = self.opened.chunk(chunk).ok_or_else(missing)?;
        let groups = first as usize..first as usize + groups as usize;
        if groups.end > part[at].groups.len() {
            return Err(Error::invalid(format!("chunk {chunk} has no row group {}", groups.end - 1)));
        }
        Ok((part, at, groups))
    }

    /// Rows that need not be read.
    fn count(&mut self, rows: u64) -> Result<()> {
        self.counts.seen += rows;
        let mut rest = usize::try_from(rows).unwrap_or(usize::MAX).min(self.left);
        self.left -= rest;
        self.counts.kept += rest as u64;
        while rest > 0 {
            // Without columns a batch is only its number of rows.
            let now = rest.min(MOST_COUNTED);
            let options = RecordBatchOptions::new().with_row_count(Some(now));
            self.ready.push_back(RecordBatch::try_new_with_options(Arc::clone(&self.schema), Vec::new(), &options)?);
            rest -= now;
        }
        Ok(())
    }
}

/// Rows of a batch that has no columns.
const MOST_COUNTED: usize = 1 << 30;

impl Decoder for PageDecoder {
    fn begin(&mut self, segment: &Segment) -> Result<()> {
        match segment.framing {
            Framing::Counted { rows, .. } => self.count(rows),
            Framing::Pages { chunk, first, groups, .. } => {
                let (part, at, groups) = self.groups_of(chunk, first, groups)?;
                let (object, bytes, state) = (segment.object, Held::default(), State::New);
                self.run = Some(Run { part, chunk: at, object, groups, bytes, state });
                Ok(())
            }
            _ => Err(Error::invalid("a segment of records for a decoder of pages")),
        }
    }

    fn first_needs(&self, segment: &Segment) -> Vec<Range<u64>> {
        let Framing::Pages { chunk, first, groups, .. } = segment.framing else { return Vec::new() };
        // What is not there is told when its turn comes.
        let Ok((part, at, groups)) = self.groups_of(chunk, first, groups) else { return Vec::new() };
        self.first_ranges(&part[at], groups).0
    }

    fn push(&mut self, _: ObjectId, piece: Piece) -> Result<()> {
        let (Some(run), Some((_, Offset::Byte(at)))) = (&mut self.run, piece.starts.first().copied()) else {
            return Err(Error::invalid("bytes that were not asked for"));
        };
        let (at, bytes) = (at, piece.bytes);
        if at == 0 && bytes.len() >= HEADER {
            ChunkHeader::read(&bytes)?.check(self.opened.id, run.entry())?;
        }
        run.bytes.put(at, bytes);
        Ok(())
    }

    fn end_of_object(&mut self) -> Result<()> {
        Err(Error::invalid("a decoder of pages reads no stream"))
    }

    fn step(&mut self) -> Result<Step> {
        loop {
            if let Some(batch) = self.ready.pop_front() {
                return Ok(Step::Batch(batch));
            }
            if self.left == 0 {
                return Ok(Step::Done);
            }
            let Some(mut run) = self.run.take() else { return Ok(Step::SegmentEnd) };
            match &mut run.state {
                State::New => {
                    let step = self.ask(run);
                    // Columns that no row of the groups has take no page.
                    if !matches!(&step, Step::Need(ranges) if ranges.is_empty()) {
                        return Ok(step);
                    }
                }
                State::Tested => {
                    if let Some(step) = self.narrow(run)? {
                        return Ok(step);
                    }
                }
                State::Whole(groups) => {
                    let Some((number, tested)) = groups.pop_front() else { continue };
                    self.build(&run, number, tested)?;
                    self.run = Some(run);
                }
            }
        }
    }

    fn finish(&mut self) -> Result<Option<RecordBatch>> {
        Ok(None)
    }

    fn counts(&self) -> Counts {
        self.counts.clone()
    }
}

//! Runs to rows: the runs themselves, bands or windows.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use super::rows::Rows;
use super::windows::{Statistic, Sums, Window, Windows};
use crate::error::{Error, Result};
use crate::genome::{Contigs, RegionSet};
use crate::schema;

/// What rows tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Layout {
    /// `chrom start end depth`: a row for each longest run of bases of one depth, those without reads too.
    Runs,
    /// `chrom start end band`: a row for each longest run of bases whose depths are in one band. Bases in none have no row.
    Bands(Bands),
    /// `chrom start end` and, where windows have names, `name`; a column for each statistic; then, for each threshold, how
    /// many bases have at least that depth.
    Windows {
        /// Which.
        windows: Windows,
        /// What is told of each.
        statistics: Vec<Statistic>,
        /// Depths.
        thresholds: Vec<u32>,
    },
}

impl Layout {
    /// The schema of its rows.
    pub fn schema(&self) -> SchemaRef {
        let mut fields = vec![schema::contig("chrom"), schema::start("start", true), schema::end("end", true)];
        match self {
            Self::Runs => fields.push(Field::new("depth", DataType::UInt32, false)),
            Self::Bands(_) => fields.push(schema::text("band")),
            Self::Windows { windows, statistics, thresholds } => {
                if matches!(windows, Windows::Listed { named: true, .. }) {
                    fields.push(schema::text("name"));
                }
                fields.extend(statistics.iter().map(|s| {
                    let is_float = matches!(s, Statistic::Mean | Statistic::Std);
                    Field::new(s.name(), if is_float { DataType::Float64 } else { DataType::UInt32 }, false)
                }));
                let names = thresholds.iter().map(|t| Field::new(format!("ge_{t}"), DataType::UInt64, false));
                fields.extend(names);
            }
        }
        Arc::new(Schema::new(fields))
    }
}

/// Bands of depth, as mosdepth's `--quantize` takes them.
///
/// ```
/// use genomicframe_core::depth::Bands;
///
/// let bands = Bands::parse("0:1:4:100:").unwrap();
/// assert_eq!(bands.names(), ["0:1", "1:4", "4:100", "100:inf"]);
/// assert_eq!(bands.of(4), Some(2));
/// assert_eq!(Bands::parse("10").unwrap().names(), ["0:10", "10:inf"]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bands {
    /// Each band's first depth.
    starts: Vec<u32>,
    /// The depth behind the last band.
    end: Option<u32>,
    names: Vec<String>,
}

impl Bands {
    /// Parses `a:b:c`: bands of at least `a` and below `b`, at least `b` and below `c`. One that begins with `:` begins at
    /// 0, one that ends with `:` has no end; a single number is both.
    ///
    /// # Errors
    /// When something else than depths, in rising order, stands between the colons.
    pub fn parse(text: &str) -> Result<Self> {
        let bad = || {
            let why = "bands are depths in rising order with colons in between, as 0:1:4:100:";
            Error::invalid(why).text(text.as_bytes())
        };
        let text_of = if text.contains(':') { text.to_owned() } else { format!(":{text}:") };
        let (text, is_open) = match text_of.strip_suffix(':') {
            Some(rest) => (rest, true),
            None => (text_of.as_str(), false),
        };
        let text = if text.starts_with(':') { format!("0{text}") } else { text.to_owned() };
        let mut cuts = text.split(':').map(|t| t.parse().map_err(|_| bad())).collect::<Result<Vec<u32>>>()?;
        if !cuts.is_sorted_by(|a, b| a < b) {
            return Err(bad());
        }
        let end = if is_open { None } else { cuts.pop() };
        if cuts.is_empty() {
            return Err(bad());
        }
        let ends = cuts.iter().skip(1).map(u32::to_string).chain([end.map_or("inf".to_owned(), |e| e.to_string())]);
        let names = cuts.iter().zip(ends).map(|(start, end)| format!("{start}:{end}")).collect();
        Ok(Self { starts: cuts, end, names })
    }

    /// What they are called.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The number of the band that a depth is in.
    pub fn of(&self, depth: u32) -> Option<usize> {
        if self.end.is_some_and(|end| depth >= end) {
            return None;
        }
        self.starts.partition_point(|start| *start <= depth).checked_sub(1)
    }
}

type Run = (i64, i64, u32);
type Spans = Arc<Vec<(i64, i64)>>;

/// Rows in batches, made of runs that tile contig after contig.
#[derive(Debug)]
pub struct Report {
    pub(super) contigs: Arc<Contigs>,
    layout: Layout,
    rows: Rows,
    batch_size: usize,
    /// What is reported of contigs, sorted and apart; `None`: all of all.
    targets: Option<BTreeMap<usize, Spans>>,
    contig: usize,
    /// The contig's bases.
    length: i64,
    /// What of the contig is reported.
    here: Spans,
    /// How many of these are passed.
    passed: usize,
    /// The run that is being made into rows.
    run: Option<Run>,
    /// The row that the next run may be part of.
    open: Option<Run>,
    sweep: Sweep,
}

/// Windows over a contig, met in the order of their starts.
#[derive(Debug, Default)]
struct Sweep {
    /// Windows that are no rows yet, in order, and how many came before them.
    queue: VecDeque<Sums>,
    before: usize,
    /// Those of which bases follow, by number.
    active: Vec<usize>,
    /// The least end of those.
    next_end: i64,
    /// The next window's start in a target, or place in the list.
    next: i64,
}

/// Rows of a batch.
const BATCH: usize = 8192;

impl Report {
    /// A report of all contigs in the header's order.
    ///
    /// # Errors
    /// When the header does not tell how long a contig is.
    pub fn new(contigs: Arc<Contigs>, layout: Layout) -> Result<Self> {
        if let Some(contig) = contigs.iter().find(|c| c.length.is_none_or(|l| i64::try_from(l).is_err())) {
            let why = "depth needs the length of every contig, and the header gives none of this one";
            return Err(Error::invalid(why).text(contig.name.as_bytes()));
        }
        let schema = layout.schema();
        let rows = match &layout {
            Layout::Runs => Rows::of_runs(schema, &contigs, None),
            Layout::Bands(bands) => {
                let names = bands.names().iter().map(String::as_str).collect();
                Rows::of_runs(schema, &contigs, Some(names))
            }
            Layout::Windows { windows, statistics, thresholds } => {
                let named = matches!(windows, Windows::Listed { named: true, .. });
                Rows::of_windows(schema, &contigs, named, statistics, thresholds.len())
            }
        };
        Ok(Self {
            contigs,
            layout,
            rows,
            batch_size: BATCH,
            targets: None,
            contig: 0,
            length: 0,
            here: Spans::default(),
            passed: 0,
            run: None,
            open: None,
            sweep: Sweep::default(),
        })
    }

    /// Rows of a batch.
    #[must_use]
    pub fn batch_size(self, rows: usize) -> Self {
        Self { batch_size: rows.max(1), ..self }
    }

    /// Only what lies within `regions`, with the contigs' own names, cut at their borders. Fixed windows begin at the start of
    /// each. Listed windows are those of the list, whatever the regions.
    #[must_use]
    pub fn within(self, regions: &RegionSet) -> Self {
        let targets = regions.iter().filter_map(|(name, intervals)| {
            let contig = self.contigs.get(name)?;
            let spans = intervals.iter().map(|i| ((i.start().get() - 1).max(0), i.end().get()));
            Some((contig, Arc::new(spans.collect())))
        });
        Self { targets: Some(targets.collect()), ..self }
    }

    fn listed(&self) -> Option<&BTreeMap<usize, Vec<Window>>> {
        match &self.layout {
            Layout::Windows { windows: Windows::Listed { windows, .. }, .. } => Some(windows),
            _ => None,
        }
    }

    /// The first contig from `from` on of which anything is reported.
    pub(super) fn next_reported(&self, from: usize) -> usize {
        let first = match (self.listed(), &self.targets) {
            (Some(listed), _) => listed.range(from..).next().map(|(contig, _)| *contig),
            (None, Some(targets)) => targets.range(from..).next().map(|(contig, _)| *contig),
            (None, None) => Some(from),
        };
        first.unwrap_or(self.contigs.len())
    }

    /// Runs of `contig` follow, from its first base on.
    pub(super) fn begin(&mut self, contig: usize) {
        self.contig = contig;
        self.length = self.contigs.length(contig).map_or(0, |l| l as i64);
        self.here = match (self.listed(), &self.targets) {
            (Some(listed), _) => {
                // What lies behind the contig's end is no base of a read, but of the window.
                let windows = listed.get(&contig).into_iter().flatten();
                windows.map(|w| w.end).max().map(|end| Arc::new(vec![(0, end.max(self.length))])).unwrap_or_default()
            }
            (None, Some(targets)) => targets.get(&contig).map(Arc::clone).unwrap_or_default(),
            (None, None) => Arc::new(vec![(0, self.length)]),
        };
        if self.listed().is_none() && self.here.last().is_some_and(|(_, end)| *end > self.length) {
            let cut = self.here.iter().map(|(start, end)| (*start, (*end).min(self.length)));
            self.here = Arc::new(cut.filter(|(start, end)| start < end).collect());
        }
        self.passed = 0;
        let first = if self.listed().is_some() { 0 } else { self.here.first().map_or(0, |(start, _)| *start) };
        self.sweep = Sweep { next: first, next_end: i64::MAX, ..Sweep::default() };
    }

    /// Up to where runs of the contig are wanted.
    pub(super) fn extent(&self) -> i64 {
        self.here.last().map_or(0, |(_, end)| *end)
    }

    /// Whether it takes a run.
    pub(super) fn is_hungry(&self) -> bool {
        self.run.is_none()
    }

    /// Whether a batch is full.
    pub(super) fn is_full(&self) -> bool {
        self.rows.len() >= self.batch_size
    }

    /// Whether there are no rows.
    pub(super) fn is_empty(&self) -> bool {
        self.rows.len() == 0
    }

    /// Takes the contig's next run.
    #[inline]
    pub(super) fn feed(&mut self, run: Run) {
        self.run = Some(run);
    }

    /// Makes rows of the run until it is used up or a batch is full.
    #[inline]
    pub(super) fn step(&mut self) {
        let Some(run) = self.run.take() else { return };
        self.run = match &self.layout {
            Layout::Runs => self.place(run, run.2),
            Layout::Bands(bands) => match bands.of(run.2) {
                Some(band) => self.place(run, band as u32),
                None => {
                    self.close();
                    None
                }
            },
            Layout::Windows { .. } => self.sum(run),
        };
    }

    /// No run of the contig follows.
    pub(super) fn end(&mut self) {
        self.close();
        if matches!(self.layout, Layout::Windows { .. }) {
            // Those without bases may begin where the contig ends.
            self.open_windows(i64::MAX);
            self.finish_windows(i64::MAX, usize::MAX);
        }
    }

    /// The rows so far.
    ///
    /// # Errors
    /// When Arrow refuses the columns.
    pub(super) fn take(&mut self) -> Result<RecordBatch> {
        self.rows.take()
    }

    fn close(&mut self) {
        if let Some(open) = self.open.take() {
            self.rows.run(self.contig, open);
        }
    }

    /// Puts what of the run is reported to the rows; what is left of it when a batch is full.
    #[inline]
    fn place(&mut self, (mut start, end, of): Run, value: u32) -> Option<Run> {
        while let Some((from, to)) = self.here.get(self.passed).copied() {
            let piece = (start.max(from), end.min(to));
            if piece.0 < piece.1 {
                match &mut self.open {
                    Some(open) if open.1 == piece.0 && open.2 == value => open.1 = piece.1,
                    open => {
                        if let Some(open) = open.replace((piece.0, piece.1, value)) {
                            self.rows.run(self.contig, open);
                        }
                    }
                }
            }
            if end <= to {
                return None;
            }
            self.passed += 1;
            start = start.max(to);
            if self.is_full() {
                return Some((start, end, of));
            }
        }
        None
    }

    /// Adds the run to its windows; what is left of it when a batch is full.
    fn sum(&mut self, (mut at, end, mut depth): Run) -> Option<Run> {
        if self.here.is_empty() {
            return None;
        }
        while at < end {
            self.finish_windows(at, self.batch_size);
            if self.is_full() {
                return Some((at, end, depth));
            }
            let mut until = end;
            if at >= self.length {
                depth = 0;
            } else if end > self.length {
                until = self.length;
            }
            self.open_windows(at);
            if let Some((start, _)) = self.next_window() {
                until = until.min(start);
            }
            let Self { sweep, layout, .. } = self;
            until = until.min(sweep.next_end);
            if let Layout::Windows { thresholds, .. } = layout {
                for number in &sweep.active {
                    sweep.queue[*number - sweep.before].add((until - at) as u64, depth, thresholds);
                }
            }
            at = until;
            if at == sweep.next_end {
                sweep.next_end = i64::MAX;
                let (queue, before, next_end) = (&sweep.queue, sweep.before, &mut sweep.next_end);
                sweep.active.retain(|number| {
                    let end = queue[*number - before].window.end;
                    if end > at {
                        *next_end = end.min(*next_end);
                    }
                    end > at
                });
            }
        }
        None
    }

    /// Start and end of the next window that is not open yet.
    #[inline]
    fn next_window(&mut self) -> Option<(i64, i64)> {
        let Layout::Windows { windows, .. } = &self.layout else { return None };
        match windows {
            Windows::Fixed { size, .. } => loop {
                let (from, to) = *self.here.get(self.passed)?;
                let start = self.sweep.next.max(from);
                if start < to {
                    return Some((start, start.saturating_add(*size as i64).min(to)));
                }
                self.passed += 1;
                self.sweep.next = i64::MIN;
            },
            Windows::Listed { windows, .. } => {
                let window = windows.get(&self.contig)?.get(self.sweep.next as usize)?;
                Some((window.start, window.end))
            }
        }
    }

    /// Opens the windows that start at `at` or before.
    fn open_windows(&mut self, at: i64) {
        while let Some((start, end)) = self.next_window().filter(|(start, _)| *start <= at) {
            let Layout::Windows { windows, statistics, thresholds } = &self.layout else { return };
            let window = match windows {
                Windows::Fixed { step, .. } => {
                    self.sweep.next = start.saturating_add(*step as i64);
                    Window { start, end, name: None }
                }
                Windows::Listed { windows, .. } => {
                    let place = self.sweep.next as usize;
                    self.sweep.next += 1;
                    let listed = windows.get(&self.contig).and_then(|w| w.get(place)).cloned();
                    listed.unwrap_or(Window { start, end, name: None })
                }
            };
            let median = statistics.contains(&Statistic::Median);
            if start < end {
                self.sweep.active.push(self.sweep.before + self.sweep.queue.len());
                self.sweep.next_end = self.sweep.next_end.min(end);
            }
            self.sweep.queue.push_back(Sums::new(window, thresholds.len(), median));
        }
    }

    /// Makes rows of the first windows that end at `at` or before, up to so many rows.
    fn finish_windows(&mut self, at: i64, rows: usize) {
        while self.rows.len() < rows
            && let Some(sums) = self.sweep.queue.pop_front_if(|sums| sums.window.end <= at)
        {
            self.sweep.before += 1;
            self.rows.window(self.contig, &sums);
        }
    }
}

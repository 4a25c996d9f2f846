//! Lines into columns.

use arrow::array::RecordBatch;

use super::attributes::{Wanted, decode_bytes, parts};
use super::header::{self, ATTRIBUTES, END, FIELDS, Layout, PHASE, SCORE, SEQID, START, STRAND};
use crate::error::{Error, Result};
use crate::scan::{BrokenRow, Fields, Partition, Rows, Segment, Selected, Warnings, row_by_row};
use crate::text::columns::{Columns, one_or_all};
use crate::text::fields::present;
use crate::text::filter::RowFilter;
use crate::text::lines::{LineCounter, LineFramer, LineNumber};
use crate::text::numbers::{double, int};

/// The text columns in which escapes are decoded come first: `seqid`, `source`, `feature`.
const NAMES: usize = 3;
const NAME_OF: [&str; FIELDS] =
    ["seqid", "source", "feature", "start", "end", "score", "strand", "phase", "attributes"];

const TWICE: &str = "GFF: a key stands twice among the attributes of a record; its first value is read";

pub(super) struct GffRows {
    columns: Columns,
    projection: Vec<usize>,
    /// Those of them that are built: all, or one of a malformed record.
    building: Vec<usize>,
    filter: RowFilter,
    /// Whether the filter looks at attributes.
    tested: bool,
    /// Whether the map is wanted, which then tells of keys that stand twice.
    map: bool,
    framer: LineFramer,
    lines: LineCounter,
    over: bool,
    wanted: Wanted,
    slots: Slots,
}

/// A record that is a row.
pub(super) struct GffRow {
    line: LineNumber,
    tabs: Tabs,
    span: (i64, i64),
}

/// Where the fields before the attributes end.
type Tabs = [usize; ATTRIBUTES];

/// Of the names with escapes: the text.
type Names = [Option<String>; NAMES];

/// The wanted attributes of a record.
struct Slots {
    values: Vec<Slot>,
    /// The slot of each attribute column that has one.
    of_column: Vec<Option<usize>>,
}

#[derive(Clone, PartialEq)]
enum Slot {
    Absent,
    /// A key without `=`.
    Null,
    /// Where its value stands in the line.
    Written(usize, usize),
    Decoded(String),
}

impl GffRows {
    /// `tested` are the attribute columns that `filter` looks at.
    pub(super) fn new(
        layout: &Layout,
        projection: &[usize],
        filter: RowFilter,
        tested: Vec<usize>,
        partition: &Partition,
    ) -> Result<Self> {
        let columns = Columns::new(&layout.schema, projection)?;
        let mut of_column = vec![None; layout.keys.len()];
        let mut keys = Vec::new();
        for i in projection.iter().chain(&tested).filter_map(|i| i.checked_sub(FIELDS)) {
            if of_column[i].is_none() {
                of_column[i] = Some(keys.len());
                keys.push(layout.keys[i].clone());
            }
        }
        let wanted = Wanted::new(keys);
        Ok(Self {
            columns,
            projection: projection.to_vec(),
            building: projection.to_vec(),
            filter,
            tested: !tested.is_empty(),
            map: projection.contains(&ATTRIBUTES),
            framer: LineFramer::default(),
            lines: LineCounter::new(partition),
            over: false,
            slots: Slots { values: vec![Slot::Absent; wanted.len()], of_column },
            wanted,
        })
    }

    /// Finds the fields and the span of `line`; `None` when it is no wanted row.
    fn look(&mut self, line: &[u8], warnings: &mut Warnings) -> Result<Option<(Tabs, (i64, i64))>> {
        let tabs = find(line)?;
        let cells = cut(line, &tabs);
        let span = span(&cells, line)?;
        let names = names(&cells)?;
        if self.tested {
            self.slots.read(&mut self.wanted, line, &tabs, (!self.map).then_some(warnings))?;
        }
        let row = Line { line, cells, span, names: &names, slots: &self.slots };
        Ok(self.filter.keeps(&row)?.then_some((tabs, span)))
    }

    fn put(&mut self, line: &[u8], row: &GffRow, warnings: &mut Warnings) -> Result<()> {
        let cells = cut(line, &row.tabs);
        let names = names(&cells)?;
        if self.wanted.len() > 0 {
            let told = self.tested || self.map;
            self.slots.read(&mut self.wanted, line, &row.tabs, (!told).then_some(&mut *warnings))?;
        }
        let row = Line { line, cells, span: row.span, names: &names, slots: &self.slots };
        for (column, i) in self.building.iter().enumerate() {
            if *i == ATTRIBUTES {
                put_entries(&mut self.columns, column, row.cells[ATTRIBUTES], warnings)?;
                self.columns.put(column, None)?;
            } else {
                row.check(*i)?;
                match row.decoded(*i) {
                    Some(text) => self.columns.put_str(column, text)?,
                    None => self.columns.put(column, row.value(*i))?,
                }
            }
        }
        Ok(())
    }
}

fn find(line: &[u8]) -> Result<Tabs> {
    let mut tabs = Tabs::default();
    let mut found = memchr::memchr_iter(b'\t', line);
    let all = tabs.iter_mut().all(|tab| found.next().map(|at| *tab = at).is_some());
    if !all || found.next().is_some() {
        let fields = memchr::memchr_iter(b'\t', line).count() + 1;
        return Err(Error::corrupt(format!("{fields} tab-separated columns where GFF has {FIELDS}")).text(line));
    }
    Ok(tabs)
}

fn cut<'a>(line: &'a [u8], tabs: &Tabs) -> [&'a [u8]; FIELDS] {
    let mut start = 0;
    let mut cells = [&line[..0]; FIELDS];
    for (cell, end) in cells.iter_mut().zip(tabs.iter().copied().chain([line.len()])) {
        *cell = &line[start..end];
        start = end + 1;
    }
    cells
}

fn names(cells: &[&[u8]; FIELDS]) -> Result<Names> {
    let mut names = Names::default();
    for (i, name) in names.iter_mut().enumerate() {
        if cells[i].contains(&b'%') {
            *name = Some(decode_bytes(cells[i], NAME_OF[i])?.into_owned());
        }
    }
    Ok(names)
}

/// First and last position.
fn span(cells: &[&[u8]; FIELDS], line: &[u8]) -> Result<(i64, i64)> {
    let (start, end) = (int(cells[START], "start")?, int(cells[END], "end")?);
    if start < 1 {
        return Err(Error::corrupt("a position below 1").field("start").text(cells[START]));
    }
    if start > end {
        return Err(Error::corrupt(format!("the feature ends at {end}, before its start {start}"))
            .field("end")
            .text(line));
    }
    Ok((start, end))
}

impl Slots {
    fn read(
        &mut self,
        wanted: &mut Wanted,
        line: &[u8],
        tabs: &Tabs,
        mut warnings: Option<&mut Warnings>,
    ) -> Result<()> {
        self.values.fill(Slot::Absent);
        let before = tabs[ATTRIBUTES - 1] + 1;
        wanted.find_all(&line[before..], |key, part| {
            let Some(slot) = self.values.get_mut(key) else { return Ok(()) };
            if *slot != Slot::Absent {
                warnings.as_mut().into_iter().for_each(|w| w.add(TWICE));
                return Ok(());
            }
            *slot = match part.value {
                None => Slot::Null,
                Some(value) if memchr::memchr(b'%', value).is_some() => {
                    Slot::Decoded(decode_bytes(value, "attributes")?.into_owned())
                }
                Some(value) => Slot::Written(before + part.end - value.len(), before + part.end),
            };
            Ok(())
        })
    }

    fn get(&self, column: usize) -> &Slot {
        let slot = column.checked_sub(FIELDS).and_then(|i| *self.of_column.get(i)?);
        slot.and_then(|i| self.values.get(i)).unwrap_or(&Slot::Absent)
    }
}

/// Adds all attributes of a record.
fn put_entries(columns: &mut Columns, column: usize, field: &[u8], warnings: &mut Warnings) -> Result<()> {
    let escaped = memchr::memchr(b'%', field).is_some();
    for part in parts(field) {
        let new = if escaped {
            let key = decode_bytes(part.key, "attributes")?;
            let value = part.value.map(|v| decode_bytes(v, "attributes")).transpose()?;
            columns.put_entry_str(column, &key, value.as_deref())?
        } else {
            columns.put_entry(column, part.key, part.value)?
        };
        if !new {
            warnings.add(TWICE);
        }
    }
    Ok(())
}

impl Rows for GffRows {
    type Row = GffRow;

    fn begin(&mut self, segment: &Segment) {
        self.filter.begin(segment);
    }

    fn frame(&mut self, bytes: &[u8], last: bool) -> Result<Option<usize>> {
        Ok(self.framer.frame(bytes, last))
    }

    fn select(&mut self, record: &[u8], warnings: &mut Warnings) -> Result<Option<GffRow>> {
        let text = self.lines.text(record);
        match header::kind(text) {
            header::Line::Record => {
                let line = self.lines.number();
                let wanted = self.look(text, warnings).map_err(|e| line.explain(e))?;
                Ok(wanted.map(|(tabs, span)| GffRow { line, tabs, span }))
            }
            kind => {
                self.over = kind == header::Line::End;
                Ok(None)
            }
        }
    }

    fn builds(&self) -> bool {
        !self.projection.is_empty()
    }

    fn build(&mut self, bytes: &[u8], selected: &[Selected<GffRow>], warnings: &mut Warnings) -> Result<(), BrokenRow> {
        let rows = row_by_row(bytes, selected, |record, row| self.put(row.line.text(record), row, warnings));
        BrokenRow::first(rows, self.columns.check())
            .map_err(|broken| broken.explain(selected, |row, e| row.line.explain(e)))
    }

    fn bytes(&self) -> usize {
        self.columns.bytes()
    }

    fn take(&mut self, rows: usize) -> Result<RecordBatch> {
        self.columns.take(rows)
    }

    fn restart(&mut self, only: Option<usize>) -> Result<()> {
        self.building = one_or_all(&self.projection, only);
        self.columns.restart(only)
    }

    fn is_over(&self) -> bool {
        self.over || self.filter.is_over()
    }
}

/// A record's fields.
struct Line<'a> {
    line: &'a [u8],
    cells: [&'a [u8]; FIELDS],
    span: (i64, i64),
    names: &'a Names,
    slots: &'a Slots,
}

impl<'a> Line<'a> {
    /// Column `i` as text, where decoding changed it.
    fn decoded(&self, i: usize) -> Option<&'a str> {
        match (self.names.get(i), self.slots.get(i)) {
            (Some(name), _) => name.as_deref(),
            (None, Slot::Decoded(text)) => Some(text),
            _ => None,
        }
    }

    /// Column `i` as text.
    fn value(&self, i: usize) -> Option<&'a [u8]> {
        if let Some(text) = self.decoded(i) {
            return Some(text.as_bytes());
        }
        match self.slots.get(i) {
            Slot::Written(start, end) => self.line.get(*start..*end),
            _ if i < ATTRIBUTES => present(self.cells[i]),
            _ => None,
        }
    }

    /// Whether a column has one of the few values that it can have.
    fn check(&self, i: usize) -> Result<()> {
        let cell = self.cells.get(i).copied().unwrap_or_default();
        let bad = |why: &str| Err(Error::corrupt(why).field(NAME_OF[i]).text(cell));
        match (i, cell) {
            (STRAND, b"+" | b"-" | b"." | b"?") | (PHASE, b"0" | b"1" | b"2" | b".") => Ok(()),
            (STRAND, _) => bad("none of + - . ?"),
            (PHASE, _) => bad("none of 0 1 2 ."),
            _ => Ok(()),
        }
    }
}

impl Fields for Line<'_> {
    fn int(&self, field: usize) -> Result<Option<i64>> {
        match field {
            START => Ok(Some(self.span.0)),
            END => Ok(Some(self.span.1)),
            _ => {
                self.check(field)?;
                self.value(field).map(|v| int(v, NAME_OF[PHASE])).transpose()
            }
        }
    }

    fn float(&self, field: usize) -> Result<Option<f64>> {
        self.value(field).map(|v| double(v, NAME_OF[SCORE])).transpose()
    }

    fn text(&self, field: usize) -> Result<Option<&[u8]>> {
        self.check(field)?;
        Ok(self.value(field))
    }

    fn span(&self) -> Result<Option<(&[u8], i64, i64)>> {
        Ok(self.value(SEQID).map(|seqid| (seqid, self.span.0, self.span.1)))
    }
}

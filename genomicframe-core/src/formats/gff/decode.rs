//! Lines into columns.

use std::borrow::Cow;
use std::collections::HashSet;

use arrow::array::RecordBatch;

use super::attributes::{Wanted, decode_bytes, parts};
use super::header::{self, ATTRIBUTES, END, FIELDS, Layout, PHASE, SCORE, SEQID, START, STRAND};
use crate::error::{Error, Result};
use crate::scan::{BrokenRow, Fields, Partition, Rows, Selected, Warnings, row_by_row};
use crate::text::columns::Columns;
use crate::text::fields::{Cells, present};
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
    filter: RowFilter,
    /// Whether the filter looks at attributes.
    tested: bool,
    /// Whether the map is wanted, which then tells of keys that stand twice.
    map: bool,
    framer: LineFramer,
    lines: LineCounter,
    over: bool,
    cells: Cells,
    names: [Option<String>; NAMES],
    wanted: Wanted,
    slots: Slots,
}

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
            filter,
            tested: !tested.is_empty(),
            map: projection.contains(&ATTRIBUTES),
            framer: LineFramer::default(),
            lines: LineCounter::new(partition),
            over: false,
            cells: Cells::default(),
            names: Default::default(),
            slots: Slots { values: vec![Slot::Absent; wanted.len()], of_column },
            wanted,
        })
    }

    /// Finds the fields of `line`; `false` when it is no wanted row.
    fn look(&mut self, line: &[u8], warnings: &mut Warnings) -> Result<bool> {
        let span = self.cut(line)?;
        if self.tested {
            self.slots.read(&self.wanted, &self.cells, line, (!self.map).then_some(warnings))?;
        }
        let row = Line { line, cells: &self.cells, span, names: &self.names, slots: &self.slots };
        self.filter.keeps(&row)
    }

    fn cut(&mut self, line: &[u8]) -> Result<(i64, i64)> {
        let fields = self.cells.cut(line, FIELDS);
        if fields != FIELDS {
            return Err(Error::corrupt(format!("{fields} tab-separated columns where GFF has {FIELDS}")).text(line));
        }
        let span = span(&self.cells, line)?;
        for (i, name) in self.names.iter_mut().enumerate() {
            let written = self.cells.get(line, i);
            let escaped = memchr::memchr(b'%', written).is_some();
            *name = if escaped { Some(decode_bytes(written, NAME_OF[i])?.into_owned()) } else { None };
        }
        Ok(span)
    }

    fn put(&mut self, line: &[u8], warnings: &mut Warnings) -> Result<()> {
        let span = self.cut(line)?;
        if self.wanted.len() > 0 {
            let told = self.tested || self.map;
            self.slots.read(&self.wanted, &self.cells, line, (!told).then_some(&mut *warnings))?;
        }
        let row = Line { line, cells: &self.cells, span, names: &self.names, slots: &self.slots };
        for (column, i) in self.projection.iter().enumerate() {
            if *i == ATTRIBUTES {
                put_map(&mut self.columns, column, row.cell(ATTRIBUTES), warnings)?;
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

/// First and last position.
fn span(cells: &Cells, line: &[u8]) -> Result<(i64, i64)> {
    let (start, end) = (int(cells.get(line, START), "start")?, int(cells.get(line, END), "end")?);
    if start < 1 {
        return Err(Error::corrupt("a position below 1").field("start").text(cells.get(line, START)));
    }
    if start > end {
        return Err(Error::corrupt(format!("the feature ends at {end}, before its start {start}"))
            .field("end")
            .text(line));
    }
    Ok((start, end))
}

impl Slots {
    fn read(&mut self, wanted: &Wanted, cells: &Cells, line: &[u8], mut warnings: Option<&mut Warnings>) -> Result<()> {
        self.values.fill(Slot::Absent);
        let field = cells.get(line, ATTRIBUTES);
        let before = line.len() - field.len();
        for part in parts(field) {
            let Some(slot) = wanted.find(part.key).and_then(|i| self.values.get_mut(i)) else { continue };
            if *slot != Slot::Absent {
                warnings.as_mut().into_iter().for_each(|w| w.add(TWICE));
                continue;
            }
            *slot = match part.value {
                None => Slot::Null,
                Some(value) if memchr::memchr(b'%', value).is_some() => {
                    Slot::Decoded(decode_bytes(value, "attributes")?.into_owned())
                }
                Some(value) => Slot::Written(before + part.end - value.len(), before + part.end),
            };
        }
        Ok(())
    }

    fn get(&self, column: usize) -> &Slot {
        let slot = column.checked_sub(FIELDS).and_then(|i| *self.of_column.get(i)?);
        slot.and_then(|i| self.values.get(i)).unwrap_or(&Slot::Absent)
    }
}

/// Appends all attributes of a record; null when it has none.
fn put_map(columns: &mut Columns, column: usize, field: &[u8], warnings: &mut Warnings) -> Result<()> {
    let mut pairs: Vec<(Cow<'_, str>, Option<Cow<'_, str>>)> = Vec::new();
    let mut known = HashSet::new();
    for part in parts(field) {
        let key = decode_bytes(part.key, "attributes")?;
        let again = if pairs.len() < FEW {
            pairs.iter().any(|(k, _)| *k == key)
        } else {
            if known.is_empty() {
                known.extend(pairs.iter().map(|(k, _)| k.clone()));
            }
            !known.insert(key.clone())
        };
        if again {
            warnings.add(TWICE);
            continue;
        }
        pairs.push((key, part.value.map(|v| decode_bytes(v, "attributes")).transpose()?));
    }
    if pairs.is_empty() {
        return columns.put(column, None);
    }
    columns.put_map(column, pairs.iter().map(|(k, v)| (k.as_ref(), v.as_deref())))
}

/// Attributes among which one is found by looking at each.
const FEW: usize = 24;

impl Rows for GffRows {
    type Row = LineNumber;

    fn frame(&mut self, bytes: &[u8], last: bool) -> Result<Option<usize>> {
        Ok(self.framer.frame(bytes, last))
    }

    fn select(&mut self, record: &[u8], warnings: &mut Warnings) -> Result<Option<LineNumber>> {
        let line = self.lines.text(record);
        match header::kind(line) {
            header::Line::Record => {
                let wanted = self.look(line, warnings).map_err(|e| self.lines.number().explain(e))?;
                Ok(wanted.then(|| self.lines.number()))
            }
            kind => {
                self.over = kind == header::Line::End;
                Ok(None)
            }
        }
    }

    fn build(
        &mut self,
        bytes: &[u8],
        selected: &[Selected<LineNumber>],
        warnings: &mut Warnings,
    ) -> Result<(), BrokenRow> {
        row_by_row(bytes, selected, |record, number| {
            self.put(number.text(record), warnings).map_err(|e| number.explain(e))
        })
    }

    fn bytes(&self) -> usize {
        self.columns.bytes()
    }

    fn take(&mut self, rows: usize) -> Result<RecordBatch> {
        self.columns.take(rows)
    }

    fn is_over(&self) -> bool {
        self.over
    }
}

/// A record's fields.
struct Line<'a> {
    line: &'a [u8],
    cells: &'a Cells,
    span: (i64, i64),
    names: &'a [Option<String>; NAMES],
    slots: &'a Slots,
}

impl<'a> Line<'a> {
    fn cell(&self, i: usize) -> &'a [u8] {
        self.cells.get(self.line, i)
    }

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
            _ if i < ATTRIBUTES => present(self.cell(i)),
            _ => None,
        }
    }

    /// Whether a column has one of the few values that it can have.
    fn check(&self, i: usize) -> Result<()> {
        let bad = |why: &str| Err(Error::corrupt(why).field(NAME_OF[i]).text(self.cell(i)));
        match (i, self.cell(i)) {
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

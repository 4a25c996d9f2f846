//! Conditions tested on the rows of a group.

use std::collections::BTreeSet;
use std::sync::Arc;

use genomicframe_core::alignment::fields::{END, FLAG, MAPQ, PNEXT, POS, QNAME, RNAME, RNEXT, TAGS, TLEN};
use genomicframe_core::genome::Contigs;
use genomicframe_core::scan::{Condition, Fields, Predicate, SpanFilter, Test};
use genomicframe_core::{Error, Result};

use super::tags::TagColumn;
use crate::codec::strings::Strings;
use crate::group::GroupReader;
use crate::group::decode::Part;

/// What of rows must be at hand to test them.
pub(super) fn parts(predicate: &Predicate, by_region: bool) -> BTreeSet<Part> {
    fn collect(condition: &Condition, out: &mut BTreeSet<Part>) {
        match condition {
            Condition::And(list) | Condition::Or(list) => list.iter().for_each(|c| collect(c, out)),
            Condition::Not(inner) => collect(inner, out),
            Condition::Overlaps(_) => out.extend(SPAN),
            Condition::Unknown => {}
            Condition::Compare(column, ..)
            | Condition::In(column, _)
            | Condition::IsNull(column)
            | Condition::Bits { column, .. } => match column.as_str() {
                "qname" => out.extend([Part::Name]),
                "flag" => out.extend([Part::Flag]),
                "rname" => out.extend([Part::Contig]),
                "pos" => out.extend([Part::Start]),
                "end" => out.extend([Part::Start, Part::End]),
                "mapq" => out.extend([Part::Mapq]),
                "rnext" | "pnext" => out.extend([Part::Mate]),
                "tlen" => out.extend([Part::Tlen]),
                tag => {
                    // `tag_cm:lower` and `tag_cm` differ in the case of the key only: both are read.
                    let key = tag.strip_prefix("tag_").and_then(|t| t.as_bytes().first_chunk::<2>().copied());
                    if let Some([a, b]) = key {
                        for a in [a.to_ascii_lowercase(), a.to_ascii_uppercase()] {
                            out.extend([b.to_ascii_lowercase(), b.to_ascii_uppercase()].map(|b| Part::Tag([a, b])));
                        }
                    }
                }
            },
        }
    }
    let mut out = BTreeSet::new();
    predicate.all.iter().for_each(|c| collect(c, &mut out));
    if by_region {
        out.extend(SPAN);
    }
    out
}

const SPAN: [Part; 3] = [Part::Contig, Part::Start, Part::End];

/// The columns of a group that a test looks at.
struct Columns<'a> {
    contigs: &'a Contigs,
    contig: Option<Arc<Vec<i32>>>,
    start: Option<Arc<Vec<i64>>>,
    span: Option<Arc<Vec<i64>>>,
    flag: Option<Arc<Vec<u16>>>,
    mapq: Option<Vec<u8>>,
    places: Option<Arc<(Vec<i32>, Vec<i64>)>>,
    tlen: Option<Vec<i32>>,
    names: Option<(Strings, Vec<u32>)>,
    tags: Vec<([u8; 2], TagColumn)>,
}

/// A row of them.
struct Row<'a> {
    columns: &'a Columns<'a>,
    row: usize,
}

fn absent() -> Error {
    Error::invalid("a condition on a column that was not read")
}

impl Columns<'_> {
    fn name(&self, contig: i32) -> Option<&[u8]> {
        usize::try_from(contig).ok().and_then(|id| self.contigs.name(id)).map(str::as_bytes)
    }

    fn tag(&self, field: usize) -> Option<&TagColumn> {
        let key = u16::try_from(field.checked_sub(TAGS)?).ok()?.to_be_bytes();
        self.tags.iter().find(|(k, _)| *k == key).map(|(_, column)| column)
    }
}

impl Fields for Row<'_> {
    fn int(&self, field: usize) -> Result<Option<i64>> {
        let (c, row) = (self.columns, self.row);
        let start = || c.start.as_ref().map(|s| s[row]).ok_or_else(absent);
        Ok(match field {
            FLAG => Some(c.flag.as_ref().ok_or_else(absent)?[row].into()),
            MAPQ => Some(c.mapq.as_ref().ok_or_else(absent)?[row].into()),
            TLEN => Some(c.tlen.as_ref().ok_or_else(absent)?[row].into()),
            POS => Some(start()?).filter(|s| *s >= 0).map(|s| s + 1),
            END => {
                let span = c.span.as_ref().ok_or_else(absent)?[row];
                Some(start()?).filter(|s| *s >= 0).map(|s| s + span)
            }
            PNEXT => Some(c.places.as_ref().ok_or_else(absent)?.1[row]).filter(|s| *s != -1).map(|s| s + 1),
            _ => c.tag(field).and_then(|t| t.int(row)),
        })
    }

    fn float(&self, field: usize) -> Result<Option<f64>> {
        Ok(self.columns.tag(field).and_then(|t| t.float(self.row)).map(f64::from))
    }

    fn text(&self, field: usize) -> Result<Option<&[u8]>> {
        let (c, row) = (self.columns, self.row);
        Ok(match field {
            QNAME => {
                let (names, ids) = c.names.as_ref().ok_or_else(absent)?;
                Some(names.get(ids[row] as usize)).filter(|n| !matches!(*n, b"" | b"*"))
            }
            RNAME => c.name(c.contig.as_ref().ok_or_else(absent)?[row]),
            RNEXT => c.name(c.places.as_ref().ok_or_else(absent)?.0[row]),
            _ => c.tag(field).and_then(|t| t.text(row)),
        })
    }

    fn is_unplaced(&self) -> bool {
        self.columns.contig.as_ref().is_some_and(|c| c[self.row] < 0)
    }

    fn span(&self) -> Result<Option<(&[u8], i64, i64)>> {
        let (c, row) = (self.columns, self.row);
        let start = c.start.as_ref().ok_or_else(absent)?[row];
        let contig = c.name(c.contig.as_ref().ok_or_else(absent)?[row]);
        let end = start + c.span.as_ref().ok_or_else(absent)?[row];
        Ok(contig.filter(|_| start >= 0).map(|contig| (contig, start + 1, end)))
    }
}

/// Which rows overlap the regions and pass the test.
///
/// # Errors
/// When a page is missing or broken, or the rows are not in order.
pub(super) fn passing(
    group: &mut GroupReader<'_>,
    contigs: &Contigs,
    parts: &BTreeSet<Part>,
    wanted: &[([u8; 2], genomicframe_core::alignment::TagType)],
    span: Option<&mut SpanFilter>,
    test: &Test,
) -> Result<Vec<bool>> {
    let has = |part: Part| parts.contains(&part);
    let has_span = has(Part::End);
    let mut tags = Vec::new();
    for (key, of) in wanted.iter().filter(|(key, _)| has(Part::Tag(*key))) {
        tags.push((*key, TagColumn::read(group, *key, *of)?));
    }
    let columns = Columns {
        contigs,
        contig: if has(Part::Contig) { Some(group.contigs()?) } else { None },
        start: if has(Part::Start) || has_span { Some(group.starts()?) } else { None },
        span: if has_span { Some(group.spans()?) } else { None },
        flag: if has(Part::Flag) { Some(group.flags()?) } else { None },
        mapq: if has(Part::Mapq) { Some(group.mapqs()?) } else { None },
        places: if has(Part::Mate) { Some(group.places()?) } else { None },
        tlen: if has(Part::Tlen) { Some(group.tlens()?) } else { None },
        names: if has(Part::Name) { Some(group.names()?) } else { None },
        tags,
    };
    let mut passing = vec![true; group.rows()];
    if let Some(span) = span {
        let (contig, start) = (columns.contig.as_ref().ok_or_else(absent)?, columns.start.as_ref().ok_or_else(absent)?);
        let spans = columns.span.as_ref().ok_or_else(absent)?;
        for (row, passes) in passing.iter_mut().enumerate() {
            *passes = match (columns.name(contig[row]), start[row]) {
                (Some(name), -1) => span.keeps_without_position(name),
                (Some(name), at) => span.keeps(name, at + 1, at + spans[row])?,
                (None, _) => span.keeps_unplaced(),
            };
        }
    }
    for (row, passes) in passing.iter_mut().enumerate().filter(|(_, p)| **p) {
        *passes = test.passes(&Row { columns: &columns, row })?;
    }
    Ok(passing)
}

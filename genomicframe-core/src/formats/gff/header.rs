//! The schema: nine columns, and one for each attribute of the first records.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use super::attributes::{Key, decode_bytes, parts};
use crate::error::{Error, Result};
use crate::scan::{Head, OpenOptions};
use crate::schema::{self, text, with};
use crate::text::columns::map_type;
use crate::text::fields::Cells;
use crate::text::{lines, sample};

/// Fields of a line.
pub(super) const FIELDS: usize = 9;
/// Field and column numbers.
pub(super) const SEQID: usize = 0;
pub(super) const START: usize = 3;
pub(super) const END: usize = 4;
pub(super) const SCORE: usize = 5;
pub(super) const STRAND: usize = 6;
pub(super) const PHASE: usize = 7;
pub(super) const ATTRIBUTES: usize = 8;

/// Before a key in its column's name.
const PREFIX: &str = "attr_";

/// Most keys that become columns unasked; the map has all.
const MAX_KEYS: usize = 1000;

/// Keys with a meaning of their own in the specification.
const RESERVED: [&str; 11] = [
    "ID",
    "Name",
    "Alias",
    "Parent",
    "Target",
    "Gap",
    "Derives_from",
    "Note",
    "Dbxref",
    "Ontology_term",
    "Is_circular",
];

/// A file's columns. Column `FIELDS + i` holds the values of `keys[i]`.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) schema: SchemaRef,
    pub(super) keys: Vec<Key>,
}

/// Reads the layout off the first records.
///
/// # Errors
/// When the file says that it is another version of GFF.
pub(super) async fn read(head: &mut Head<'_>, options: &OpenOptions) -> Result<Layout> {
    let mut cells = Cells::default();
    let mut keys = Seen::default();
    let mut records = 0;
    sample::lines(head, |line| {
        if let Some(version @ (b"1" | b"2" | [b'1' | b'2', b'.' | b' ', ..])) = version(line) {
            let e = Error::unsupported("only version 3 of GFF is read").field("##gff-version").text(version);
            return Err(e.hint("gffread converts GTF and other versions"));
        }
        match kind(line) {
            Line::Skipped => return Ok(ControlFlow::Continue(false)),
            Line::End if records == 0 && line.starts_with(b">") => {
                let e = Error::unsupported("sequences before any feature: this is FASTA, not GFF").text(line);
                return Err(e.hint("sequences are not read yet"));
            }
            Line::End => return Ok(ControlFlow::Break(())),
            Line::Record => {}
        }
        // What is wrong with a line is for the scan to report.
        if cells.cut(line, FIELDS) == FIELDS {
            parts(cells.get(line, ATTRIBUTES)).for_each(|part| keys.add(part.key));
        }
        records += 1;
        Ok(if records < options.limits.sampled_records { ControlFlow::Continue(true) } else { ControlFlow::Break(()) })
    })
    .await?;
    Ok(layout(keys.list, &options.columns))
}

#[derive(Default)]
struct Seen {
    list: Vec<String>,
    known: HashSet<String>,
}

impl Seen {
    fn add(&mut self, key: &[u8]) {
        let Ok(key) = decode_bytes(key, "attributes") else { return };
        if self.list.len() < MAX_KEYS && !key.is_empty() && !self.known.contains(&*key) {
            self.known.insert(key.clone().into_owned());
            self.list.push(key.into_owned());
        }
    }
}

fn layout(seen: Vec<String>, asked: &[String]) -> Layout {
    let mut fields = vec![
        schema::contig("seqid"),
        text("source"),
        text("feature"),
        schema::start("start", false),
        schema::end("end", false),
        Field::new("score", DataType::Float64, true),
        text("strand"),
        Field::new("phase", DataType::UInt8, true),
        Field::new("attributes", map_type(), true),
    ];
    // Who owns a lower-case name: the specification's key, else the first.
    let mut owners: HashMap<String, usize> = HashMap::new();
    for (i, key) in seen.iter().enumerate() {
        let owner = owners.entry(key.to_lowercase()).or_insert(i);
        if RESERVED.contains(&key.as_str()) {
            *owner = i;
        }
    }
    let mut names: HashSet<String> = owners.keys().map(|lower| format!("{PREFIX}{lower}")).collect();
    let mut keys = Vec::new();
    for (i, key) in seen.into_iter().enumerate() {
        let lower = key.to_lowercase();
        let name = if owners.get(&lower) == Some(&i) { lower } else { key.clone() };
        let name = format!("{PREFIX}{name}");
        if owners.get(&key.to_lowercase()) == Some(&i) || names.insert(name.clone()) {
            fields.push(with(text(&name), &[(schema::KEY, &key)]));
            keys.push(Key { name: key, any_case: false });
        }
    }
    let mut folded: HashSet<String> = names.iter().map(|n| n.to_lowercase()).collect();
    for name in asked {
        let Some(key) = name.strip_prefix(PREFIX).filter(|k| !k.is_empty()) else { continue };
        if !names.contains(name) && folded.insert(name.to_lowercase()) {
            fields.push(with(text(name), &[(schema::KEY, key)]));
            keys.push(Key { name: key.to_owned(), any_case: true });
        }
    }
    Layout { schema: Arc::new(Schema::new(fields)), keys }
}

/// What a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Line {
    Record,
    /// A comment, a directive or blank.
    Skipped,
    /// No record follows.
    End,
}

/// What `line` is, by its beginning.
pub(super) fn kind(line: &[u8]) -> Line {
    match line.first() {
        Some(b'>') => Line::End,
        Some(b'#') if line.trim_ascii_end() == b"##FASTA" => Line::End,
        None | Some(b'#') => Line::Skipped,
        Some(b' ' | b'\t') if line.trim_ascii().is_empty() => Line::Skipped,
        _ => Line::Record,
    }
}

/// What follows `##gff-version` at the start of `head`.
pub(super) fn version(head: &[u8]) -> Option<&[u8]> {
    let head = head.strip_prefix(lines::BOM).unwrap_or(head);
    let line = head.split(|b| *b == b'\n').next()?;
    line.strip_prefix(b"##gff-version").map(<[u8]>::trim_ascii)
}

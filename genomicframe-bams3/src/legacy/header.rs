//! `_header.json`, and the SAM header it once was.

use genomicframe_core::genome::{Contig, Contigs};
use genomicframe_core::{Error, Result};
use serde_json::{Map, Value};

use super::metadata::parse;

const NAME: &str = "_header.json";

/// The specification's order (SAMv1 §1.3); other keys follow by name. The order of the original is lost.
const ORDER: [(&str, &[&str]); 4] = [
    ("HD", &["VN", "SO", "GO", "SS"]),
    ("SQ", &["SN", "LN", "AH", "AN", "AS", "DS", "M5", "SP", "TP", "UR"]),
    ("RG", &["ID", "BC", "CN", "DS", "DT", "FO", "KS", "LB", "PG", "PI", "PL", "PM", "PU", "SM"]),
    ("PG", &["ID", "PN", "CL", "PP", "DS", "VN"]),
];

#[derive(Debug, Default)]
pub(super) struct Header {
    pub(super) text: String,
    pub(super) contigs: Contigs,
}

impl Header {
    pub(super) fn parse(bytes: &[u8], warnings: &mut Vec<String>) -> Result<Self> {
        Self::read(bytes, warnings).map_err(|e| e.in_object(NAME))
    }

    fn read(bytes: &[u8], warnings: &mut Vec<String>) -> Result<Self> {
        let object: Map<String, Value> = parse(bytes, NAME)?;
        let mut header = Self::default();
        let mut dropped = 0u64;
        for (kind, order) in ORDER {
            for line in lines(&object, kind)? {
                let Value::Object(fields) = line else {
                    return Err(Error::corrupt("a line that is not an object").field(kind));
                };
                if kind == "SQ" {
                    header.contigs.push(contig(fields, &header.contigs)?);
                }
                dropped += header.line(kind, fields, order);
            }
        }
        for comment in lines(&object, "CO")? {
            let Value::String(comment) = comment else {
                return Err(Error::corrupt("a comment that is not text").field("CO"));
            };
            header.text.push_str("@CO\t");
            header.text.extend(comment.chars().map(|c| if matches!(c, '\n' | '\r' | '\0') { ' ' } else { c }));
            header.text.push('\n');
        }
        let known = |key: &str| key == "CO" || ORDER.iter().any(|(kind, _)| *kind == key);
        dropped += object.keys().filter(|key| !known(key)).count() as u64;
        if dropped > 0 {
            warnings.push(format!("{dropped} fields of the header are none that SAM has, and dropped"));
        }
        Ok(header)
    }

    /// Appends a line; returns how many of its fields cannot stand in one.
    fn line(&mut self, kind: &str, fields: &Map<String, Value>, order: &[&str]) -> u64 {
        let mut keys: Vec<&String> = fields.keys().collect();
        let rank = |key: &str| order.iter().position(|k| *k == key).unwrap_or(order.len());
        keys.sort_by_key(|key| (rank(key), *key));
        let (before, mut dropped, mut any) = (self.text.len(), 0, false);
        self.text.push('@');
        self.text.push_str(kind);
        for key in keys {
            let number;
            let value = match &fields[key] {
                Value::String(text) => text,
                Value::Number(n) => {
                    number = n.to_string();
                    &number
                }
                Value::Null => continue,
                _ => {
                    dropped += 1;
                    continue;
                }
            };
            if !matches!(key.as_bytes(), [a, b] if a.is_ascii_alphabetic() && b.is_ascii_alphanumeric()) {
                dropped += 1;
                continue;
            }
            any = true;
            self.text.push('\t');
            self.text.push_str(key);
            self.text.push(':');
            self.text.extend(value.chars().map(|c| if c.is_control() { ' ' } else { c }));
        }
        if any {
            self.text.push('\n')
        } else {
            self.text.truncate(before)
        }
        dropped
    }
}

/// The lines of a kind. Programs leave out or write `null` for what is empty.
fn lines<'a>(object: &'a Map<String, Value>, kind: &str) -> Result<&'a [Value]> {
    match object.get(kind) {
        None | Some(Value::Null) => Ok(&[]),
        Some(Value::Array(lines)) => Ok(lines),
        Some(line @ Value::Object(_)) if kind == "HD" => Ok(std::slice::from_ref(line)),
        Some(_) => Err(Error::corrupt("not a list of lines").field(kind)),
    }
}

fn contig(fields: &Map<String, Value>, known: &Contigs) -> Result<Contig> {
    let name = match fields.get("SN") {
        Some(Value::String(name)) if !name.is_empty() && !name.contains(char::is_whitespace) => name.clone(),
        _ => return Err(Error::corrupt("a contig without a name").field("SQ")),
    };
    // Which of the two a region means cannot be told.
    if known.get(&name).is_some() {
        return Err(Error::corrupt(format!("contig {name} is in the dictionary twice")).field("SQ"));
    }
    let length = match fields.get("LN") {
        Some(Value::String(text)) => text.parse().ok(),
        Some(Value::Number(n)) => n.as_u64(),
        _ => None,
    };
    if length.is_none() {
        return Err(Error::corrupt(format!("contig {name} without a length")).field("LN"));
    }
    Ok(Contig { name, length })
}

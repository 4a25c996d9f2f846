//! The records of 0.1: an array of objects, by two programs.

use std::borrow::Cow;
use std::fmt;

use genomicframe_core::{Error, Offset, Result};
use serde::Deserialize;
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, Error as _, SeqAccess, Visitor};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::row::{LONGEST_OP, Row, Rows};
use super::tags;
use crate::codec::packed::CODES;

/// Records of the Python program; returns the SHA-256 of all as it dumps them, which is its checksum.
pub(super) fn python(payload: &[u8], rows: &mut Rows<'_>) -> Result<[u8; 32]> {
    let (mut row, mut digest, mut text) = (Row::default(), Sha256::new(), Vec::new());
    each(payload, |record: Map<String, Value>| {
        text.clear();
        dump_object(&record, &mut text);
        digest.update(&text);
        let number = |key: &str| match record.get(key).map(Value::as_i64) {
            Some(Some(n)) => Ok(n),
            Some(None) => Err(Error::corrupt("not a whole number").field(key)),
            None => Err(Error::corrupt("missing").field(key)),
        };
        let text = |key: &str| match record.get(key) {
            Some(Value::String(text)) => Ok(text.as_str()),
            Some(Value::Null) | None => Ok("*"),
            Some(_) => Err(Error::corrupt("not text").field(key)),
        };
        row.clear();
        row.name.extend_from_slice(text("name")?.as_bytes());
        row.flag = narrow(number("flag")?, "flag")?;
        row.contig = narrow(number("ref")?, "ref")?;
        row.pos = number("pos")?;
        row.mapq = narrow(number("mapq")?, "mapq")?;
        put_cigar(text("cigar")?, &mut row.cigar)?;
        put_bases(text("seq")?, text("qual")?, &mut row, rows);
        rows.push(&row)
    })?;
    Ok(digest.finalize().into())
}

/// A record of the Go program: every value under two names, and none where it is zero.
#[derive(Deserialize)]
struct GoRecord {
    name: Option<String>,
    flag: Option<i64>,
    cigar: Option<String>,
    cigar_ops: Option<Vec<GoOp>>,
    reference_id: Option<i64>,
    position: Option<i64>,
    mapping_quality: Option<i64>,
    sequence: Option<String>,
    quality: Option<String>,
    tags: Option<Map<String, Value>>,
    #[serde(rename = "ref")]
    contig: Option<i64>,
    pos: Option<i64>,
    mapq: Option<i64>,
    seq: Option<String>,
    qual: Option<String>,
}

#[derive(Deserialize)]
struct GoOp {
    #[serde(rename = "Type", default)]
    code: u32,
    #[serde(rename = "Length", default)]
    length: u64,
}

/// Records of the Go program.
pub(super) fn go(payload: &[u8], rows: &mut Rows<'_>) -> Result<()> {
    let mut row = Row::default();
    each(payload, |record: GoRecord| {
        row.clear();
        let name = record.name.ok_or_else(|| Error::corrupt("missing").field("name"))?;
        row.name.extend_from_slice(name.as_bytes());
        row.flag = narrow(record.flag.unwrap_or(0), "flag")?;
        row.contig = narrow(record.reference_id.or(record.contig).unwrap_or(0), "reference_id")?;
        row.pos = record.position.or(record.pos).unwrap_or(0);
        row.mapq = narrow(record.mapping_quality.or(record.mapq).unwrap_or(0), "mapping_quality")?;
        put_cigar(record.cigar.as_deref().unwrap_or("*"), &mut row.cigar)?;
        if row.cigar.is_empty() {
            for GoOp { code, length } in record.cigar_ops.unwrap_or_default() {
                put_op(length, code, &mut row.cigar)?;
            }
        }
        let text = |long: Option<String>, short: Option<String>| long.or(short).unwrap_or_default();
        let (seq, qual) = (text(record.sequence, record.seq), text(record.quality, record.qual));
        put_bases(&seq, &qual, &mut row, rows);
        for (key, value) in record.tags.iter().flatten() {
            let Value::String(text) = value else {
                return Err(Error::corrupt("not text").field(format!("tag {}", key.escape_debug())));
            };
            tags::put(key.as_bytes(), text.as_bytes(), &mut row.tags, rows.warnings())?;
        }
        rows.push(&row)
    })
}

fn narrow<T: TryFrom<i64>>(n: i64, field: &str) -> Result<T> {
    T::try_from(n).map_err(|_| Error::corrupt(format!("{n} is out of range")).field(field))
}

fn put_cigar(text: &str, cigar: &mut Vec<u32>) -> Result<()> {
    if matches!(text, "" | "*") {
        return Ok(());
    }
    let bad = || Error::corrupt("not a CIGAR").field("cigar").text(text.as_bytes());
    let mut length = None;
    for b in text.bytes() {
        if b.is_ascii_digit() {
            let n: u64 = length.unwrap_or(0) * 10 + u64::from(b - b'0');
            if n > LONGEST_OP {
                return Err(bad());
            }
            length = Some(n);
        } else {
            let code = b"MIDNSHP=X".iter().position(|op| *op == b).ok_or_else(bad)?;
            put_op(length.take().ok_or_else(bad)?, code as u32, cigar)?;
        }
    }
    if length.is_some() { Err(bad()) } else { Ok(()) }
}

fn put_op(length: u64, code: u32, cigar: &mut Vec<u32>) -> Result<()> {
    match code {
        0..=8 if length <= LONGEST_OP => cigar.push((length as u32) << 4 | code),
        9 => return Err(Error::unsupported("the operation B, which SAM has no longer").field("cigar")),
        0..=8 => return Err(Error::corrupt(format!("an operation of {length} bases")).field("cigar")),
        _ => return Err(Error::corrupt(format!("operation {code} is not one of the nine")).field("cigar")),
    }
    Ok(())
}

fn put_bases(seq: &str, qual: &str, row: &mut Row, rows: &mut Rows<'_>) {
    if matches!(seq, "" | "*") {
        return;
    }
    row.bases = seq.len();
    let code = |letter: &u8| CODES[usize::from(*letter)];
    row.packed.extend(seq.as_bytes().chunks(2).map(|pair| code(&pair[0]) << 4 | pair.get(1).map_or(0, code)));
    if matches!(qual, "" | "*") {
        return;
    }
    // 255, a missing score, was wrapped to a space.
    row.scores.extend(qual.chars().map_while(|c| u8::try_from(c).ok()).map(|q| q.wrapping_sub(b'!')));
    if row.scores.len() != row.bases || qual.chars().nth(row.bases).is_some() {
        row.scores.clear();
        rows.warnings().add("qualities that are not as many as the bases are missing");
    }
}

/// Calls `take` with each element of the array `payload`; an error says which and where.
fn each<T: DeserializeOwned>(payload: &[u8], take: impl FnMut(T) -> Result<()>) -> Result<()> {
    let (mut n, mut failed) = (0, None);
    let mut json = serde_json::Deserializer::from_slice(payload);
    let elements = Elements { take, n: &mut n, failed: &mut failed, of: std::marker::PhantomData };
    let read = elements.deserialize(&mut json).and_then(|()| json.end());
    match (failed, read) {
        (Some(e), Err(at)) => Err(Error::in_record(e, n).at(offset(payload, &at))),
        (_, Err(e)) => {
            let at = offset(payload, &e);
            let e = Error::corrupt("not the JSON that BAMS3 writes").caused_by(e);
            Err(e.in_record(n + 1).at(at))
        }
        (_, Ok(())) => Ok(()),
    }
}

/// Where `e` is.
fn offset(payload: &[u8], e: &serde_json::Error) -> Offset {
    let before = memchr::memchr_iter(b'\n', payload).take(e.line().saturating_sub(1)).last();
    Offset::Byte((before.map_or(0, |newline| newline + 1) + e.column().saturating_sub(1)) as u64)
}

struct Elements<'a, T, F> {
    take: F,
    /// Elements taken.
    n: &'a mut u64,
    /// What `take` said, which a serde error cannot hold.
    failed: &'a mut Option<Error>,
    of: std::marker::PhantomData<T>,
}

impl<'de, T: DeserializeOwned, F: FnMut(T) -> Result<()>> DeserializeSeed<'de> for Elements<'_, T, F> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_seq(self)
    }
}

impl<'de, T: DeserializeOwned, F: FnMut(T) -> Result<()>> Visitor<'de> for Elements<'_, T, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of records")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut elements: A) -> Result<(), A::Error> {
        while let Some(element) = elements.next_element()? {
            *self.n += 1;
            if let Err(e) = (self.take)(element) {
                *self.failed = Some(e);
                return Err(A::Error::custom("a record"));
            }
        }
        Ok(())
    }
}

/// Appends `object` as Python's `json.dumps(object, sort_keys=True)` writes it.
fn dump_object(object: &Map<String, Value>, out: &mut Vec<u8>) {
    let mut fields: Vec<_> = object.iter().collect();
    fields.sort_by(|a, b| a.0.cmp(b.0));
    out.push(b'{');
    for (i, (key, value)) in fields.into_iter().enumerate() {
        if i > 0 {
            out.extend(b", ");
        }
        dump_text(key, out);
        out.extend(b": ");
        dump(value, out);
    }
    out.push(b'}');
}

fn dump(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Object(object) => dump_object(object, out),
        Value::String(text) => dump_text(text, out),
        Value::Array(list) => {
            out.push(b'[');
            for (i, value) in list.iter().enumerate() {
                if i > 0 {
                    out.extend(b", ");
                }
                dump(value, out);
            }
            out.push(b']');
        }
        // null, true, false and whole numbers look alike in both languages.
        plain => out.extend(plain.to_string().into_bytes()),
    }
}

fn dump_text(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    for c in text.chars() {
        let escaped: Cow<'_, str> = match c {
            '"' => "\\\"".into(),
            '\\' => "\\\\".into(),
            '\n' => "\\n".into(),
            '\r' => "\\r".into(),
            '\t' => "\\t".into(),
            '\u{8}' => "\\b".into(),
            '\u{c}' => "\\f".into(),
            ' '..='~' => {
                out.push(c as u8);
                continue;
            }
            _ => c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect(),
        };
        out.extend_from_slice(escaped.as_bytes());
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_dumped_as_python_does() {
        let value: Value = serde_json::from_str(
            r#"{"seq":"AC","name":"a\"\\\/\b\f\n\r\t\u0001\u007fé\ud83d\ude00<","cigar":null,"flag":-4,"x":[true,{}]}"#,
        )
        .unwrap();
        let mut out = Vec::new();
        dump(&value, &mut out);
        let expected = concat!(
            r#"{"cigar": null, "flag": -4, "name": "a\"\\/\b\f\n\r\t\u0001\u007f\u00e9\ud83d\ude00<", "#,
            r#""seq": "AC", "x": [true, {}]}"#
        );
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}

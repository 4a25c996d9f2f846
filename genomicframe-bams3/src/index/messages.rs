//! The messages of an Arrow stream, checked before Arrow reads them: it allocates what they claim, and panics at buffers
//! that lie elsewhere.
//!
//! ```text
//! 0xffffffff │ bytes of metadata i32 │ metadata, a flatbuffer │ body        a message
//! 0xffffffff │ 0                                                           the end, which may be missing
//! ```

use arrow::ipc::{Endianness, Field, MessageHeader, RecordBatch, Schema, Type, root_as_message};
use genomicframe_core::{Error, Offset, Result};

const CONTINUATION: [u8; 4] = [0xff; 4];

/// Checks that metadata and bodies lie within `bytes`, and each batch's buffers within its body.
///
/// # Errors
/// When they do not, or a message is neither a schema nor a batch.
pub(super) fn check(bytes: &[u8]) -> Result<()> {
    let (mut rest, mut schema) = (bytes, None);
    while !rest.is_empty() {
        let at = Offset::Byte((bytes.len() - rest.len()) as u64);
        match message(rest, &mut schema).map_err(|e| e.at(at))? {
            Some(after) => rest = after,
            None => break,
        }
    }
    Ok(())
}

/// What follows the message that `bytes` begin with; `None` at the stream's end.
fn message<'a>(bytes: &'a [u8], schema: &mut Option<Schema<'a>>) -> Result<Option<&'a [u8]>> {
    let cut = || Error::corrupt("a message of the Arrow stream reaches past its end");
    // Before version 0.15 of the format there was no marker.
    let sized = bytes.strip_prefix(&CONTINUATION).unwrap_or(bytes);
    let (size, rest) = sized.split_first_chunk().ok_or_else(cut)?;
    let size = usize::try_from(i32::from_le_bytes(*size)).map_err(|_| cut())?;
    if size == 0 {
        return Ok(None);
    }
    let (metadata, rest) = rest.split_at_checked(size).ok_or_else(cut)?;
    let message = root_as_message(metadata)
        .map_err(|e| Error::corrupt("broken metadata of an Arrow message").caused_by(e.to_string()))?;
    let body = usize::try_from(message.bodyLength()).ok().filter(|n| *n <= rest.len()).ok_or_else(cut)?;
    match message.header_type() {
        MessageHeader::Schema => {
            let found = *schema.insert(message.header_as_schema().ok_or_else(cut)?);
            let fields = found.fields().filter(|_| found.endianness() == Endianness::Little);
            let fields = fields.ok_or_else(|| Error::corrupt("a schema without fields, or of big-endian values"))?;
            fields.iter().try_for_each(|field| check_field(&field, DEEPEST))?;
        }
        MessageHeader::RecordBatch => {
            let batch = message.header_as_record_batch().ok_or_else(cut)?;
            check_batch(&batch, schema.as_ref().ok_or_else(cut)?, body)?;
        }
        other => {
            return Err(Error::corrupt(format!(
                "a message of type {} where the index has a schema and batches",
                other.0
            )));
        }
    }
    Ok(Some(&rest[body..]))
}

/// Levels of lists and structs; an index has four.
const DEEPEST: u8 = 16;

/// Types that columns of an index have or may come to have: Arrow panics at those that it does not know.
fn check_field(field: &Field<'_>, depth: u8) -> Result<()> {
    let children = field.children().map_or(0, |c| c.len());
    let is_known = match field.type_type() {
        Type::Int => field.type_as_int().is_some_and(|int| matches!(int.bitWidth(), 8 | 16 | 32 | 64)),
        Type::FixedSizeBinary => field.type_as_fixed_size_binary().is_some_and(|binary| binary.byteWidth() > 0),
        Type::List => children == 1,
        Type::Utf8 | Type::Binary | Type::Struct_ => true,
        _ => false,
    };
    if !is_known || depth == 0 || field.name().is_none() || field.dictionary().is_some() {
        let what = format!("a column of type {} that an index does not have", field.type_type().0);
        return Err(Error::corrupt(what).field(field.name().unwrap_or_default()));
    }
    field.children().into_iter().flatten().try_for_each(|child| check_field(&child, depth - 1))
}

/// Sizes of a batch's buffers, and lengths and nulls of its columns, in the order that columns take them.
struct Layout<'a> {
    buffers: Box<dyn Iterator<Item = usize> + 'a>,
    columns: Box<dyn Iterator<Item = (usize, usize)> + 'a>,
}

impl Layout<'_> {
    /// Takes what `field` and its children have; `None` where a buffer is missing or too small for its values.
    fn take(&mut self, field: &Field<'_>) -> Option<()> {
        let (length, nulls) = self.columns.next()?;
        let validity = self.buffers.next()?;
        // At least so many values, and none of them in part: Arrow panics at a buffer that ends within one.
        let mut next = |values: usize, width: usize| {
            let bytes = values.checked_mul(width);
            self.buffers.next().zip(bytes).is_some_and(|(n, least)| n >= least && n.is_multiple_of(width.max(1)))
        };
        // An empty column may have no offsets.
        let offsets = if length == 0 { 0 } else { length.checked_add(1)? };
        let fits = match field.type_type() {
            Type::Int => next(length, field.type_as_int()?.bitWidth() as usize / 8),
            Type::FixedSizeBinary => next(length, field.type_as_fixed_size_binary()?.byteWidth() as usize),
            Type::Utf8 | Type::Binary => next(offsets, 4) && next(0, 1),
            Type::List => next(offsets, 4),
            _ => true,
        };
        if !fits || (nulls > 0 && validity < length.div_ceil(8)) {
            return None;
        }
        field.children().into_iter().flatten().try_for_each(|child| self.take(&child))
    }
}

fn check_batch(batch: &RecordBatch<'_>, schema: &Schema<'_>, body: usize) -> Result<()> {
    let within = |offset: i64, length: i64| {
        let end = usize::try_from(offset).ok()?.checked_add(usize::try_from(length).ok()?)?;
        (end <= body).then_some(())
    };
    for buffer in batch.buffers().into_iter().flatten() {
        within(buffer.offset(), buffer.length())
            .ok_or_else(|| Error::corrupt("a buffer of an Arrow batch lies outside of its body"))?;
    }
    // Values of structs take no bytes; those of their columns do.
    let most = i64::try_from(body).unwrap_or(i64::MAX).saturating_mul(8);
    let counts = batch.nodes().into_iter().flatten().map(|n| (n.length(), n.null_count()));
    for (length, nulls) in counts.chain([(batch.length(), 0)]) {
        if !(0..=most).contains(&length) || !(0..=length).contains(&nulls) {
            let what = format!("a column of {length} values with {nulls} nulls in {body} bytes");
            return Err(Error::corrupt(what));
        }
    }
    if batch.compression().is_some() {
        return Err(Error::corrupt("a compressed batch, which an index does not have"));
    }
    let mut layout = Layout {
        buffers: Box::new(batch.buffers().into_iter().flatten().map(|b| b.length() as usize)),
        columns: Box::new(batch.nodes().into_iter().flatten().map(|n| (n.length() as usize, n.null_count() as usize))),
    };
    let short = || Error::corrupt("a column of an Arrow batch has fewer bytes than its values take");
    schema.fields().into_iter().flatten().try_for_each(|field| layout.take(&field)).ok_or_else(short)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::encode;

    #[test]
    fn what_reaches_past_the_end_is_told_before_it_is_read() {
        let sound = encode(&[]).unwrap();
        check(&sound).unwrap();
        // Two gigabytes of metadata, and of none.
        for size in [i32::MAX, -1, i32::MIN] {
            let mut broken = sound.clone();
            broken[4..8].copy_from_slice(&size.to_le_bytes());
            assert!(check(&broken).unwrap_err().is_corrupt());
        }
        let end = sound.len() - 8;
        for cut in (1..sound.len()).filter(|n| *n != end) {
            // A stream may end without saying so, between two messages.
            let first = 8 + u32::from_le_bytes(*sound[4..].first_chunk().unwrap()) as usize;
            assert_eq!(check(&sound[..cut]).is_ok(), cut == first, "{cut}");
        }
    }
}

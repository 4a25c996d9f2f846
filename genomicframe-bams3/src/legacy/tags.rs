//! Tags, which are all text in older datasets, get the types back that the specification gives them.

use genomicframe_core::alignment::TagType;
use genomicframe_core::scan::Warnings;
use genomicframe_core::{Error, Result};

/// Appends the tag `key` as BAM has it.
///
/// # Errors
/// When no BAM can hold it.
pub(super) fn put(key: &[u8], text: &[u8], out: &mut Vec<u8>, warnings: &mut Warnings) -> Result<()> {
    let key = match key {
        [a, b] if a.is_ascii_graphic() && b.is_ascii_graphic() => [*a, *b],
        _ => return Err(Error::corrupt("not the name of a tag").field("tags").text(key)),
    };
    if text.contains(&0) {
        return Err(Error::corrupt("a NUL in its text").field(format!("tag {}", key.escape_ascii())));
    }
    out.extend(key);
    let start = out.len();
    let typed = match TagType::of_standard(key) {
        Some(TagType::Int) => put_int(text, out),
        Some(TagType::Float) => put_float(text, out),
        Some(TagType::Ints | TagType::Floats) => put_array(text, out),
        // The one predefined tag of a single character.
        Some(TagType::Text) if key == *b"TS" => put_char(text, out),
        _ => {
            put_text(text, out);
            return Ok(());
        }
    };
    if typed.is_none() {
        out.truncate(start);
        put_text(text, out);
        warnings.add(&format!("tag {} is not of the type it should have, and stays text", key.escape_ascii()));
    }
    Ok(())
}

fn put_text(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'Z');
    out.extend_from_slice(text);
    out.push(0);
}

fn put_char(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let [c @ b'!'..=b'~'] = text else { return None };
    out.extend([b'A', *c]);
    Some(())
}

/// In the narrowest type, as htslib reads SAM text.
fn put_int(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let n: i64 = number(text)?;
    if let Ok(n) = u8::try_from(n) {
        out.extend([b'C', n]);
    } else if let Ok(n) = i8::try_from(n) {
        put_wide(b'c', &n.to_le_bytes(), out);
    } else if let Ok(n) = u16::try_from(n) {
        put_wide(b'S', &n.to_le_bytes(), out);
    } else if let Ok(n) = i16::try_from(n) {
        put_wide(b's', &n.to_le_bytes(), out);
    } else if let Ok(n) = u32::try_from(n) {
        put_wide(b'I', &n.to_le_bytes(), out);
    } else {
        put_wide(b'i', &i32::try_from(n).ok()?.to_le_bytes(), out);
    }
    Some(())
}

fn put_wide(kind: u8, bytes: &[u8], out: &mut Vec<u8>) {
    out.push(kind);
    out.extend_from_slice(bytes);
}

fn put_float(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    put_wide(b'f', &number::<f32>(text)?.to_le_bytes(), out);
    Some(())
}

/// `c:[-1 2]` as Go prints it, or `c,-1,2` as SAM does.
fn put_array(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let (&kind, rest) = text.split_first()?;
    let (elements, between) = match rest {
        [b':', b'[', elements @ .., b']'] => (elements, b' '),
        [b',', elements @ ..] => (elements, b','),
        [] => (rest, b','),
        _ => return None,
    };
    out.extend([b'B', kind]);
    let count = out.len();
    out.extend([0; 4]);
    let mut n = 0u32;
    if !elements.is_empty() {
        for element in elements.split(|b| *b == between) {
            match kind {
                b'c' => out.extend(number::<i8>(element)?.to_le_bytes()),
                b'C' => out.extend(number::<u8>(element)?.to_le_bytes()),
                b's' => out.extend(number::<i16>(element)?.to_le_bytes()),
                b'S' => out.extend(number::<u16>(element)?.to_le_bytes()),
                b'i' => out.extend(number::<i32>(element)?.to_le_bytes()),
                b'I' => out.extend(number::<u32>(element)?.to_le_bytes()),
                b'f' => out.extend(number::<f32>(element)?.to_le_bytes()),
                _ => return None,
            }
            n = n.checked_add(1)?;
        }
    }
    out[count..count + 4].copy_from_slice(&n.to_le_bytes());
    matches!(kind, b'c' | b'C' | b's' | b'S' | b'i' | b'I' | b'f').then_some(())
}

fn number<T: std::str::FromStr>(text: &[u8]) -> Option<T> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use genomicframe_core::alignment::Tags;

    use super::*;

    /// As SAM text, and whether it was warned of.
    fn typed(key: &[u8; 2], text: &str) -> (String, bool) {
        let (mut out, mut warnings) = (Vec::new(), Warnings::default());
        put(key, text.as_bytes(), &mut out, &mut warnings).unwrap();
        let mut tags = Tags::new(&out);
        let tag = tags.next().unwrap().unwrap();
        assert!(tags.next().is_none() && tag.key == *key);
        let mut shown = Vec::new();
        tag.write(&mut shown);
        (String::from_utf8(shown).unwrap(), !warnings.is_empty())
    }

    #[test]
    fn standard_tags_get_their_types() {
        let pairs = [
            (b"NM", "2", "i:2"),
            (b"AS", "-5", "i:-5"),
            (b"NM", "-200", "i:-200"),
            (b"NM", "300", "i:300"),
            (b"NM", "-70000", "i:-70000"),
            (b"CP", "4294967295", "i:4294967295"),
            (b"MD", "10A39", "Z:10A39"),
            (b"ML", "C:[0 255]", "B:C,0,255"),
            (b"ML", "C,0,255", "B:C,0,255"),
            (b"ML", "C:[]", "B:C"),
            (b"ML", "C", "B:C"),
            (b"FZ", "S:[1 65535]", "B:S,1,65535"),
            (b"CG", "I:[160]", "B:I,160"),
            (b"TS", "+", "A:+"),
            (b"XH", "31414646", "Z:31414646"),
            (b"X1", "-7", "Z:-7"),
            (b"XE", "", "Z:"),
        ];
        for (key, text, sam) in pairs {
            assert_eq!(typed(key, text), (sam.to_owned(), false));
        }
    }

    #[test]
    fn text_of_another_type_stays_text() {
        let pairs = [
            (b"NM", "x"),
            (b"NM", ""),
            (b"NM", "4294967296"),
            (b"NM", "-2147483649"),
            (b"ML", "C:[256]"),
            (b"ML", "C,1,"),
            (b"ML", "q"),
            (b"ML", ""),
            (b"ML", "C:[1  2]"),
            (b"TS", "++"),
        ];
        for (key, text) in pairs {
            assert_eq!(typed(key, text), (format!("Z:{text}"), true), "{text}");
        }
        let (mut out, mut warnings) = (Vec::new(), Warnings::default());
        for key in [&b"N"[..], b"NMX", b"N\t"] {
            assert!(put(key, b"1", &mut out, &mut warnings).unwrap_err().is_corrupt());
        }
        assert!(put(b"XZ", b"a\0b", &mut out, &mut warnings).unwrap_err().is_corrupt());
    }
}

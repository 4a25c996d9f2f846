//! Tab-separated fields, found once per line.

use crate::error::{Error, Result};

/// The first `N` tab-separated fields of `line` and what follows them after another tab.
///
/// # Errors
/// When there are fewer.
pub(crate) fn split<'a, const N: usize>(
    line: &'a [u8],
    names: &[&str; N],
) -> Result<([&'a [u8]; N], Option<&'a [u8]>)> {
    let mut out = [&line[..0]; N];
    let mut rest = Some(line);
    for (i, field) in out.iter_mut().enumerate() {
        let Some(bytes) = rest else {
            return Err(Error::corrupt(format!("{i} tab-separated fields where at least {N} are needed"))
                .field(names[i])
                .text(line));
        };
        (*field, rest) = match memchr::memchr(b'\t', bytes) {
            Some(tab) => (&bytes[..tab], Some(&bytes[tab + 1..])),
            None => (bytes, None),
        };
    }
    Ok((out, rest))
}

/// The field as text.
///
/// # Errors
/// When it is not UTF-8 or has a NUL byte.
pub(crate) fn utf8<'a>(bytes: &'a [u8], field: &str) -> Result<&'a str> {
    match std::str::from_utf8(bytes) {
        Ok(text) if memchr::memchr(0, bytes).is_none() => Ok(text),
        Ok(_) => Err(Error::corrupt("a NUL byte in text").field(field).text(bytes)),
        Err(e) => {
            Err(Error::corrupt(format!("not UTF-8 at byte {} of the field", e.valid_up_to())).field(field).text(bytes))
        }
    }
}

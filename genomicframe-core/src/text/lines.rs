//! Lines, ended by `\n` or `\r\n`.

/// The length of the line at the start of `bytes`, its end included; the last line needs none.
pub(crate) fn frame(bytes: &[u8], last: bool) -> Option<usize> {
    match memchr::memchr(b'\n', bytes) {
        Some(end) => Some(end + 1),
        None => last.then_some(bytes.len()),
    }
}

/// The line without its end.
pub(crate) fn trim_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

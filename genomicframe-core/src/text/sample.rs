//! A look at a file's first lines, to learn what its columns are.

use std::ops::ControlFlow;

use super::lines::{self, LineFramer};
use crate::error::Result;
use crate::scan::Head;

/// Bytes after which looking ends once something was seen: a sample of long lines is as good as one of many.
const ENOUGH: usize = 4 << 20;

/// Shows the lines at the start of `head` to `see` until it breaks or they end. `see` returns `Continue(true)` once it
/// has seen something of use.
///
/// # Errors
/// Those of reading and of `see`; also when the file is not text that can be read.
pub(crate) async fn lines(
    head: &mut Head<'_>,
    mut see: impl FnMut(&[u8]) -> Result<ControlFlow<(), bool>>,
) -> Result<()> {
    head.at_least(8).await?;
    lines::check_encoding(head.bytes())?;
    let mut at = if head.bytes().starts_with(lines::BOM) { lines::BOM.len() } else { 0 };
    let mut framer = LineFramer::default();
    let mut number = 0;
    let mut useful = false;
    loop {
        let rest = &head.bytes()[at..];
        if rest.is_empty() && head.is_whole() {
            return Ok(());
        }
        match framer.frame(rest, head.is_whole()) {
            Some(len) if !rest.is_empty() => {
                number += 1;
                let offset = head.offset(at);
                let seen = see(lines::trim_end(&rest[..len])).map_err(|e| e.on_line(number).at(offset))?;
                at += len;
                useful |= seen == ControlFlow::Continue(true);
                if seen.is_break() || (useful && at >= ENOUGH) {
                    return Ok(());
                }
            }
            _ => match head.more().await {
                Err(e) if e.is_limit() && useful => return Ok(()),
                more => {
                    more?;
                }
            },
        }
    }
}

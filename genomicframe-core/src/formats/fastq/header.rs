//! The schema, which is always the same, and how a FASTQ file is told.

use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};

use crate::error::Result;
use crate::scan::Head;
use crate::schema::text;
use crate::text::lines;

/// Columns, by number.
pub(super) const ID: usize = 0;
pub(super) const DESCRIPTION: usize = 1;
pub(super) const SEQ: usize = 2;

/// All columns: `id`, `description`, `seq`, `qual`.
pub(super) fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![text("id"), text("description"), text("seq"), text("qual")]))
}

/// Whether the file is text at all.
///
/// # Errors
/// When it is UTF-16, or compressed in a way that is not known here.
pub(super) async fn check(head: &mut Head<'_>) -> Result<()> {
    head.at_least(8).await?;
    lines::check_encoding(head.bytes())
}

/// `@` begins a SAM header too, but there the second line has tabs, as a sequence never has.
pub(crate) fn sniff(head: &[u8]) -> bool {
    let head = head.strip_prefix(lines::BOM).unwrap_or(head);
    let mut lines = head.split(|b| *b == b'\n').skip(1);
    let sequence = lines.next().is_some_and(|line| memchr::memchr(b'\t', line).is_none());
    head.first() == Some(&b'@') && sequence && lines.next().is_some_and(|line| line.first() == Some(&b'+'))
}

//! What a person can do about an error that says only what is wrong.

use crate::error::Error;

/// What to do about stored data that is broken or ends early.
pub(crate) const DAMAGED: &str = "the file is damaged or cut short: copy or download it again";

/// What to do where no block begins, though an index says so.
pub(super) const FOREIGN: &str =
    "the index belongs to another version of the file, or the file is damaged: index it again, or copy it again";

const RECORD: &str = "correct the record, or read on without it (on_error skip) or without the field (on_error null)";

/// Advises on an error of a scan, where nothing closer to its cause did.
pub(crate) fn on_record(e: Error) -> Error {
    if e.is_corrupt() { e.hint(RECORD) } else { on_limit(e, "record_bytes") }
}

/// Advises on an error of a header, where nothing closer to its cause did: `correct` says how a broken one is mended.
pub(crate) fn on_header(e: Error, correct: &str) -> Error {
    if e.is_corrupt() { e.hint(correct) } else { on_limit(e, "header_bytes or contigs") }
}

/// Advises on an error of an index.
pub(crate) fn on_index(e: Error) -> Error {
    e.hint("index the file again: samtools index, tabix or bcftools index")
}

fn on_limit(e: Error, limit: &str) -> Error {
    match e.is_limit() {
        true => e.hint(format!("if the file is to be trusted, raise the option {limit}")),
        false => e,
    }
}

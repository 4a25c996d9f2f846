//! What columns mean, told by Arrow field metadata, so that an engine need not know any format.

use arrow::datatypes::{DataType, Field};

/// Metadata key: a column's role in a record's span, one of [`ROLE_CONTIG`], [`ROLE_START`], [`ROLE_END`].
pub const ROLE: &str = "gf.role";
/// The contig's name.
pub const ROLE_CONTIG: &str = "contig";
/// The first position.
pub const ROLE_START: &str = "start";
/// The last position, or the one after it where [`BASE`] is 0.
pub const ROLE_END: &str = "end";
/// Metadata key of start and end columns: `1` (1-based, end included) or `0` (0-based, end excluded).
pub const BASE: &str = "gf.base";
/// Metadata key: the tag, INFO, FORMAT or attribute key as the file writes it.
pub const KEY: &str = "gf.key";
/// Metadata key: `Number` of the VCF header.
pub const NUMBER: &str = "gf.number";
/// Metadata key: `Type` of the VCF header, or a SAM tag's type.
pub const TYPE: &str = "gf.type";
/// Metadata key: `Description` of the VCF header.
pub const DESCRIPTION: &str = "gf.description";
/// Metadata key of `format_*` columns: sample names, separated by tabs, in the order of the list's elements.
pub const SAMPLES: &str = "gf.samples";

/// Adds metadata to a field.
pub fn with(field: Field, pairs: &[(&str, &str)]) -> Field {
    let mut metadata = field.metadata().clone();
    metadata.extend(pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
    field.with_metadata(metadata)
}

/// A nullable text column.
pub fn text(name: &str) -> Field {
    Field::new(name, DataType::Utf8View, true)
}

/// The contig column.
pub fn contig(name: &str) -> Field {
    with(text(name), &[(ROLE, ROLE_CONTIG)])
}

/// The start column, an `i64`.
pub fn start(name: &str, zero_based: bool) -> Field {
    with(Field::new(name, DataType::Int64, true), &[(ROLE, ROLE_START), (BASE, if zero_based { "0" } else { "1" })])
}

/// The end column, an `i64`.
pub fn end(name: &str, zero_based: bool) -> Field {
    with(Field::new(name, DataType::Int64, true), &[(ROLE, ROLE_END), (BASE, if zero_based { "0" } else { "1" })])
}

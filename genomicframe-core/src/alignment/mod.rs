//! Alignments as BAM holds them (SAMv1 §4.2): what BAM, SAM and BAMS3 share.
//!
//! | file | what it holds |
//! |---|---|
//! | `record` | a record's fields as they lie in its bytes |
//! | `cigar`, `tags` | the two parts of a record with a structure of their own |
//! | `schema` | the alignment schema: fixed columns, then a column per tag |
//! | `fields` | a record's fields as conditions see them |
//! | `rows` | records to the rows of a request |
//! | `columns`, `tag_columns` | the columns under construction |
//! | `encode` | rows to SAM text |
//! | `lines` | records to SAM text, without rows in between |
//! | `file` | a file of them and its index |

pub mod cigar;
mod columns;
pub mod encode;
pub mod fields;
pub(crate) mod file;
mod lines;
pub mod record;
pub mod rows;
pub mod schema;
mod tag_columns;
pub mod tags;

pub use cigar::Cigar;
pub use file::{SPAN, sample};
pub use record::Record;
pub use rows::AlignmentRows;
pub use schema::{Column, SeenTags, TagType};
pub use tags::{Tag, Tags};

pub use crate::text::numbers::write_int;

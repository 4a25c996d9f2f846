//! A row group: the records that share consensus, name links and dictionaries.
//!
//! | file | what it holds |
//! |---|---|
//! | `columns` | records taken apart into columns |
//! | `tags` | the layout of tags, and their values |
//! | `encode` | columns to pages, and their statistics |
//! | `decode` | pages to columns, each once and only when asked |
//! | `records` | columns back to BAM records |

pub mod columns;
pub mod decode;
pub mod encode;
pub mod records;
pub mod tags;

pub use columns::Columns;
pub use decode::GroupReader;
pub use encode::{EncodedGroup, EncodedPage};

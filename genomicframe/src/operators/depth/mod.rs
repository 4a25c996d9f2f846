//! Depth of coverage over the alignments of a file.
//!
//! ```text
//! Depth                    a run, a band or a window per row
//!   Projection, Filter     the columns that the rules look at; reads left out by flag and mapping quality, regions
//!     TableScan            where they are applied
//! ```
//!
//! | file | what it holds |
//! |---|---|
//! | `options` | what is asked for, and the names of it in SQL |
//! | `verb` | a query of alignments becomes one of depths |
//! | `lists` | windows and regions that a file or frame of intervals names |
//! | `node` | the logical node |
//! | `exec` | what runs it: partitions counted in tasks, added up in the order of the file |
//!
//! The counting itself is [`genomicframe_core::depth`].

mod exec;
mod lists;
mod node;
mod options;
mod verb;

pub(crate) use node::plan;
pub use options::{DepthBy, DepthOptions};
pub use verb::Coverage;

//! BGZF (SAMv1 §4.1): gzip members of at most 64 KiB, addressed by virtual offsets.
//!
//! ```text
//! ┌ 12 B gzip header, FEXTRA set ┬ 'B' 'C' 2 0  BSIZE ┬ deflate ┬ CRC32 ┬ ISIZE ┐  one block, BSIZE + 1 bytes
//! ```
//! Plain gzip, which has no such blocks, is inflated as a stream ([`GzipStream`]).

mod block;
mod deflate;
mod gzip;
mod virtual_offset;
mod workers;
mod writer;

pub use block::{EOF_BLOCK, Inflater, MAX_BLOCK, block_size, inflated_size, is_bgzf};
pub use deflate::{BLOCK_INPUT, Deflater, Level};
pub use gzip::{GzipStream, is_gzip};
pub use virtual_offset::VirtualOffset;
pub use writer::{BlockOffset, ParallelBgzfWriter};

//! Records in the order of a file: BAM or SAM, compressed or not, inflated and parsed in parallel.
//!
//! ```text
//! reader ─ stored blocks ─▶ workers ─ inflated chunks ─▶ framer ─ whole records ─▶ workers ─▶ Input::next
//! ```
//! Each arrow is a queue of bounded length that keeps the order.
//!
//! | file | what it holds |
//! |---|---|
//! | `workers` | the threads, and queues that keep the order of results |
//! | `inflate` | BGZF, plain gzip or nothing to inflate |
//! | `chunk` | inflated bytes and where they lie in the input |
//! | `frame` | chunks to blocks of whole records |
//! | `bam`, `sam` | headers, and what a record is |

mod bam;
mod chunk;
mod frame;
mod inflate;
mod sam;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod workers;

use std::io::Read;
use std::sync::{Arc, Mutex};

use genomicframe_core::formats::bam::MAGIC;
use genomicframe_core::formats::sam::{Repairs, parse_line};
use genomicframe_core::genome::Contigs;
use genomicframe_core::scan::Limits;
use genomicframe_core::{Error, Result};

use self::chunk::Head;
use self::frame::{Failed, Format};
use self::workers::{Buffers, Results, Workers};

/// Whole records, one after another.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Records {
    /// The records as BAM frames them, each with its `block_size`.
    pub bytes: Vec<u8>,
    /// Where each record's `block_size` lies.
    pub starts: Vec<u32>,
    /// Number of the first one in the order they are read in, from 0.
    pub first: u64,
}

impl Records {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.starts.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    /// Record `i` without its `block_size`, as [`genomicframe_core::alignment::Record`] takes it.
    pub fn get(&self, i: usize) -> Option<&[u8]> {
        let start = *self.starts.get(i)? as usize;
        let end = self.starts.get(i + 1).map_or(self.bytes.len(), |end| *end as usize);
        self.bytes.get(start + 4..end)
    }

    /// All of them, each without its `block_size`.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).filter_map(|i| self.get(i))
    }
}

/// Gives records in blocks.
pub trait Source {
    /// The next block, never an empty one; `None` at the end.
    ///
    /// # Errors
    /// When the records cannot be had; nothing follows an error.
    fn next(&mut self) -> Result<Option<Records>>;
}

/// Turns a line of SAM, without its newline, into a record: appended as BAM frames it, `block_size` included. Gives what of
/// the line was read leniently.
pub type LineParser = fn(&[u8], &Contigs, &mut Vec<u8>) -> Result<Repairs>;

/// The [`LineParser`] of lines as the SAM format reads them.
///
/// ```
/// use genomicframe_bams3::source::sam_line;
/// use genomicframe_core::genome::Contigs;
///
/// let mut record = Vec::new();
/// sam_line(b"r1\t4\t*\t0\t0\t*\t*\t0\t0\tACGT\tIIII", &Contigs::default(), &mut record).unwrap();
/// assert_eq!(u32::from_le_bytes(record[..4].try_into().unwrap()) as usize, record.len() - 4);
/// ```
///
/// # Errors
/// When a field is missing or malformed, or names a contig that is not among `contigs`.
pub fn sam_line(line: &[u8], contigs: &Contigs, out: &mut Vec<u8>) -> Result<Repairs> {
    let start = out.len();
    out.extend([0; 4]);
    let framed = parse_line(line, contigs, out).and_then(|repairs| {
        let size = i32::try_from(out.len() - start - 4).map_err(|_| Error::limit("a record beyond 2 GiB"))?;
        out[start..start + 4].copy_from_slice(&size.to_le_bytes());
        Ok(repairs)
    });
    if framed.is_err() {
        out.truncate(start);
    }
    framed
}

/// How an input is read.
#[derive(Debug, Clone)]
pub struct SourceOptions {
    /// Threads that inflate and parse.
    pub threads: usize,
    /// Read a BGZF file that lacks its end-of-file block, with a warning. By default that is an error.
    pub allow_missing_eof: bool,
    /// Bounds on what the input may claim.
    pub limits: Limits,
    /// What parses lines of SAM; without it, SAM is not read.
    pub parse_line: Option<LineParser>,
    /// Bytes of a block, about.
    pub block_bytes: usize,
}

impl Default for SourceOptions {
    fn default() -> Self {
        Self {
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            allow_missing_eof: false,
            limits: Limits::default(),
            parse_line: None,
            block_bytes: 4 << 20,
        }
    }
}

/// What an input holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// BAM records.
    Bam,
    /// Lines of SAM.
    Sam,
}

/// A BAM or SAM being read.
pub struct Input {
    /// What it is.
    pub kind: Kind,
    /// The header's text as it stands, without the NULs some writers pad it with.
    pub header_text: String,
    /// The contigs that records refer to by number.
    pub contigs: Arc<Contigs>,
    warnings: Arc<Mutex<Vec<String>>>,
    buffers: Buffers,
    results: Option<Results<Records, Failed>>,
    header_lines: u64,
    seen: u64,
}

impl std::fmt::Debug for Input {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Input").field("kind", &self.kind).field("seen", &self.seen).finish_non_exhaustive()
    }
}

/// A longer record cannot be numbered within a block.
const LONGEST: usize = 1 << 30;

impl Input {
    /// Reads the header of `reader`, and goes on reading in threads of its own.
    ///
    /// # Errors
    /// When it is neither BAM nor SAM, its header is malformed or beyond the limits, or it cannot be read.
    pub fn open(reader: Box<dyn Read + Send>, options: &SourceOptions) -> Result<Self> {
        let threads = options.threads.clamp(1, 1024);
        let limits = &options.limits;
        let longest = limits.record_bytes.min(LONGEST);
        let (workers, buffers) = (Workers::start(threads)?, Buffers::new(2 * threads + 6));
        let warnings: Arc<Mutex<Vec<String>>> = Arc::default();
        let plan = inflate::Plan {
            threads,
            allow_missing_eof: options.allow_missing_eof,
            chunk: options.block_bytes.clamp(1, LONGEST),
            buffers: buffers.clone(),
            warnings: Arc::clone(&warnings),
        };
        let mut head = Head::new(inflate::start(reader, plan, &workers)?);
        head.at_least(MAGIC.len(), limits.header_bytes)?;
        let (kind, header_text, contigs, length, header_lines);
        let format: Arc<dyn Format> = if head.bytes().starts_with(MAGIC) {
            let header = bam::header(&mut head, limits)?;
            if let Ok(mut warnings) = warnings.lock() {
                warnings.extend(header.warnings.iter().cloned());
            }
            (kind, length, header_lines) = (Kind::Bam, header.byte_length(), 0);
            (header_text, contigs) = (header.text, header.contigs);
            Arc::new(bam::Bam { contigs: contigs.len(), longest })
        } else {
            let parse = Self::line_parser(&mut head, options)?;
            let header = sam::header(&mut head, limits)?;
            (kind, length, header_lines) = (Kind::Sam, header.text.len(), header.lines);
            (header_text, contigs) = (header.text, Arc::new(header.contigs));
            let (contigs, buffers, warnings) = (Arc::clone(&contigs), buffers.clone(), Arc::clone(&warnings));
            Arc::new(sam::Sam { contigs, longest, parse, buffers, warnings })
        };
        let (first, rest) = head.split(length);
        // Checking records is little work, parsing lines is not.
        let ahead = if kind == Kind::Bam { 1 } else { threads + 1 };
        let results = Some(frame::start(format, first, rest, buffers.clone(), &workers, ahead)?);
        Ok(Self { kind, header_text, contigs, warnings, buffers, results, header_lines, seen: 0 })
    }

    fn line_parser(head: &mut Head, options: &SourceOptions) -> Result<LineParser> {
        while memchr::memchr(b'\n', head.bytes()).is_none() && head.more(options.limits.header_bytes)? {}
        let bytes = head.bytes();
        if bytes.is_empty() {
            return Err(Error::corrupt("the input holds no data"));
        }
        if !sam::sniff(bytes) {
            return Err(Error::unsupported("the input is neither BAM nor SAM").text(&bytes[..bytes.len().min(32)]));
        }
        options.parse_line.ok_or_else(|| Error::unsupported("SAM is not read here").hint("make it BAM first"))
    }

    /// What was read leniently; complete once all records were read.
    pub fn warnings(&self) -> Vec<String> {
        self.warnings.lock().map(|w| w.clone()).unwrap_or_default()
    }

    /// Takes back a block that is not needed any more, so that its memory is used again.
    pub fn recycle(&self, records: Records) {
        self.buffers.give(records.bytes);
    }
}

impl Source for Input {
    fn next(&mut self) -> Result<Option<Records>> {
        let Some(results) = &self.results else { return Ok(None) };
        match results.next() {
            Ok(Some(mut records)) => {
                records.first = self.seen;
                self.seen += records.len() as u64;
                Ok(Some(records))
            }
            Ok(None) => {
                self.results = None;
                Ok(None)
            }
            Err(Failed { error, record }) => {
                self.results = None;
                let Some(record) = record else { return Err(error) };
                let number = self.seen + record as u64 + 1;
                Err(match self.kind {
                    Kind::Bam => error.in_record(number),
                    Kind::Sam => error.on_line(self.header_lines + number),
                })
            }
        }
    }
}

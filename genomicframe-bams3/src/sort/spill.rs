//! A sorted run as a temporary file: pieces of records, each one zstd frame.
//!
//! ```text
//! raw length u32 │ stored length u32 │ zstd frame       little-endian, until the end of the file
//! ```

use std::fs::File;
use std::io::{BufReader, BufWriter, ErrorKind, Read, Seek, Write};
use std::path::{Path, PathBuf};

use genomicframe_core::{Error, Result};
use rayon::prelude::*;

/// Raw bytes of a piece, about: every run that is merged holds one.
pub(super) const PIECE: usize = 256 << 10;
/// Work is to be hidden behind the disk, not to save it.
const LEVEL: i32 = 1;

/// Where runs go. Their files have no name, so that nothing is left however the process ends.
#[derive(Debug, Clone)]
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    fn failed(&self, e: std::io::Error) -> Error {
        Error::io(format!("sorting needs temporary space in {}, which failed", self.0.display()))
            .caused_by(e)
            .hint("give it a folder with room, or more memory")
    }

    pub(super) fn create(&self) -> Result<Writer> {
        let file = tempfile::tempfile_in(&self.0).map_err(|e| self.failed(e))?;
        Ok(Writer { out: BufWriter::new(file), folder: self.clone() })
    }
}

/// Writes a run.
pub(super) struct Writer {
    out: BufWriter<File>,
    folder: Folder,
}

impl Writer {
    /// Appends pieces of whole records, compressed in parallel.
    pub(super) fn put(&mut self, pieces: &[Vec<u8>]) -> Result<()> {
        let pack = |raw: &Vec<u8>| -> std::io::Result<Vec<u8>> {
            let length = |n: usize| u32::try_from(n).map_err(|_| std::io::Error::from(ErrorKind::InvalidInput));
            let stored = zstd::bulk::compress(raw, LEVEL)?;
            Ok([&length(raw.len())?.to_le_bytes()[..], &length(stored.len())?.to_le_bytes(), &stored].concat())
        };
        let stored: std::io::Result<Vec<_>> = pieces.par_iter().map(pack).collect();
        let written = stored.and_then(|pieces| pieces.iter().try_for_each(|piece| self.out.write_all(piece)));
        written.map_err(|e| self.folder.failed(e))
    }

    pub(super) fn finish(self) -> Result<Run> {
        let Self { out, folder } = self;
        let file = out.into_inner().map_err(|e| folder.failed(e.into_error()));
        Ok(Run { file: file?, folder })
    }
}

/// A run that was written.
#[derive(Debug)]
pub(super) struct Run {
    file: File,
    folder: Folder,
}

impl Run {
    pub(super) fn read(mut self) -> Result<Reader> {
        self.file.rewind().map_err(|e| self.folder.failed(e))?;
        Ok(Reader { input: BufReader::with_capacity(64 << 10, self.file), folder: self.folder, stored: Vec::new() })
    }
}

/// Reads a run's pieces.
#[derive(Debug)]
pub(super) struct Reader {
    input: BufReader<File>,
    folder: Folder,
    stored: Vec<u8>,
}

impl Reader {
    /// The next piece into `raw`; `false` at the end.
    pub(super) fn next(&mut self, raw: &mut Vec<u8>) -> Result<bool> {
        self.read(raw).map_err(|e| self.folder.failed(e))
    }

    fn read(&mut self, raw: &mut Vec<u8>) -> std::io::Result<bool> {
        let mut head = [0; 8];
        match self.input.read_exact(&mut head) {
            Err(e) if e.kind() == ErrorKind::UnexpectedEof => return Ok(false),
            read => read?,
        }
        let [a, b, c, d, e, f, g, h] = head;
        let (length, stored) = (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]));
        self.stored.resize(stored as usize, 0);
        self.input.read_exact(&mut self.stored)?;
        *raw = zstd::bulk::decompress(&self.stored, length as usize)?;
        match raw.len() == length as usize {
            true => Ok(true),
            false => Err(ErrorKind::InvalidData.into()),
        }
    }
}

//! Where records come from: files, objects, standard input.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::{Buf, Bytes};
use genomicframe_bams3::metadata::Source as Origin;
use genomicframe_bams3::source::{Input, Records, Source};
use genomicframe_core::Error;
use genomicframe_core::io::{LocalReader, Location, ObjectIo, ObjectMeta};
use tokio::runtime::Handle;

use super::is_stdin;
use crate::error::Result;
use crate::scan::Access;
use crate::warnings::WarningLog;

/// Bytes to be converted, and what is known of where they come from.
pub(super) struct Stream {
    pub(super) reader: Box<dyn Read + Send>,
    pub(super) origin: Origin,
    /// Nanoseconds since 1970.
    pub(super) modified: Option<u64>,
}

/// Opens `from`; `-` is standard input.
///
/// # Errors
/// When there is nothing, or it is a folder.
pub(super) async fn open(from: &str, access: &Access) -> Result<Stream> {
    if is_stdin(from) {
        let origin = Origin { name: "stdin".into(), bytes: None, sorted: false };
        return Ok(Stream { reader: Box::new(io::stdin()), origin, modified: None });
    }
    let at = Location::parse(from)?;
    if let Location::Local(path) = &at
        && !path.is_file()
        && path.exists()
        && !path.is_dir()
    {
        // A pipe: read once, from its beginning to its end.
        let file = File::open(path).map_err(|e| Error::io("cannot read it").in_object(&at).caused_by(e))?;
        let origin = Origin { name: name(path), bytes: None, sorted: false };
        return Ok(Stream { reader: Box::new(file), origin, modified: None });
    }
    if crate::formats::is_folder(&at) {
        let e = Error::unsupported("it is a folder, not a BAM or SAM file").in_object(&at);
        return Err(e.into());
    }
    let object = access.io.head(&at).await?;
    let since = |t: SystemTime| t.duration_since(UNIX_EPOCH).ok().and_then(|d| u64::try_from(d.as_nanos()).ok());
    let modified = object.modified.and_then(since);
    let origin = Origin { name: at.file_name().to_owned(), bytes: Some(object.size), sorted: false };
    let reader: Box<dyn Read + Send> = match &at {
        Location::Local(_) => Box::new(LocalReader::open(&object)?),
        Location::Url(_) => {
            let (io, handle) = (Arc::clone(&access.io), Handle::current());
            Box::new(ObjectReader { io, object, handle, at: 0, held: Bytes::new() })
        }
    };
    Ok(Stream { reader, origin, modified })
}

fn name(path: &Path) -> String {
    path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Counts what is read.
pub(super) struct Counted {
    pub(super) reader: Box<dyn Read + Send>,
    pub(super) count: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(out)?;
        self.count.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

/// An object read from its beginning, by a thread that is no task of a runtime.
struct ObjectReader {
    io: Arc<dyn ObjectIo>,
    object: ObjectMeta,
    handle: Handle,
    at: u64,
    held: Bytes,
}

/// Bytes of a request.
const PIECE: u64 = 8 << 20;

impl Read for ObjectReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.held.is_empty() && self.at < self.object.size {
            let range = self.at..self.object.size.min(self.at.saturating_add(PIECE));
            self.at = range.end;
            self.held = self.handle.block_on(self.io.read(&self.object, range)).map_err(io::Error::other)?;
        }
        let size = out.len().min(self.held.len());
        self.held.copy_to_slice(&mut out[..size]);
        Ok(size)
    }
}

/// Passes on what was read leniently, once that is known.
pub(super) struct Telling {
    pub(super) input: Input,
    pub(super) name: String,
    /// Who is told; nobody any more at the end.
    pub(super) warnings: Option<Arc<WarningLog>>,
}

impl Source for Telling {
    fn next(&mut self) -> genomicframe_core::Result<Option<Records>> {
        let records = self.input.next().map_err(|e| e.in_object(&self.name))?;
        if records.is_none()
            && let Some(log) = self.warnings.take()
        {
            for warning in self.input.warnings() {
                log.tell(&format!("{}: {warning}", self.name), 1);
            }
        }
        Ok(records)
    }
}

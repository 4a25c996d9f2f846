//! The file formats: a folder each, a line each in [`ALL`].

pub mod bam;
pub mod bed;
#[cfg(test)]
mod damage;
pub mod fastq;
pub mod gff;
mod other;
pub mod sam;
pub mod vcf;

use crate::error::{Error, Offset, Result};
use crate::io::{Location, ObjectIo, Remembered};
use crate::scan::{Format, OpenOptions, StreamFile, is_compression};

/// Every format. Table functions, `STORED AS`, the command line and the conformance tests loop over it.
pub static ALL: &[&dyn Format] = &[&bam::Bam, &sam::Sam, &vcf::Vcf, &gff::Gff, &fastq::Fastq, &bed::Bed];

/// The format called `id`.
pub fn by_id(id: &str) -> Option<&'static dyn Format> {
    find_id(ALL, id)
}

/// The format of `list` called `id`.
pub fn find_id(list: &[&'static dyn Format], id: &str) -> Option<&'static dyn Format> {
    list.iter().copied().find(|f| f.id().0.eq_ignore_ascii_case(id))
}

/// The format that a file's name ends in, if any.
pub fn by_name(name: &str) -> Option<&'static dyn Format> {
    find_name(ALL, name)
}

/// The format of `list` that a file's name ends in, if any.
pub fn find_name(list: &[&'static dyn Format], name: &str) -> Option<&'static dyn Format> {
    let mut parts = name.rsplit('.');
    let mut last = parts.next()?.to_ascii_lowercase();
    if is_compression(&last) {
        last = parts.next()?.to_ascii_lowercase();
    }
    list.iter().copied().find(|f| f.extensions().contains(&last.as_str()))
}

/// The format of an object: by its content where that is clear, else by its name.
///
/// # Errors
/// When neither tells, or the object cannot be read.
pub async fn detect(at: &Location, io: &dyn ObjectIo) -> Result<&'static dyn Format> {
    let lenient = OpenOptions { allow_missing_eof: true, ..OpenOptions::default() };
    let file = StreamFile::open(at, io, &lenient).await?;
    let mut head = file.head(io, SNIFFED);
    // Broken data is the format's to report, in its own words.
    let _ = head.at_least(SNIFFED).await;
    if let Some(format) = ALL.iter().copied().find(|f| f.sniff(head.bytes())) {
        return Ok(format);
    }
    // Under the name of a format that is read, another one's content would be told as that one's first broken record.
    if let Some(e) = other::told(head.bytes(), at.file_name()) {
        return Err(e.in_object(at).at(Offset::Byte(0)));
    }
    by_name(at.file_name()).ok_or_else(|| {
        let known: Vec<_> = ALL.iter().map(|f| f.id().0).collect();
        Error::unsupported(format!("not a format that is known here ({})", known.join(", ")))
            .in_object(at)
            .at(Offset::Byte(0))
            .text(&head.bytes()[..head.bytes().len().min(32)])
            .hint("where neither content nor name tells the format, name it: read_bed('…'), read_gff('…')")
    })
}

/// Inflated bytes that a format is told by.
const SNIFFED: usize = 512;

/// Opens an object as the format it is.
///
/// # Errors
/// When its format cannot be told, or its header is broken.
pub async fn open(
    at: &Location,
    io: &dyn ObjectIo,
    options: &OpenOptions,
) -> Result<std::sync::Arc<dyn crate::scan::Dataset>> {
    let io = Remembered::new(io);
    detect(at, &io).await?.open(at, &io, options).await
}

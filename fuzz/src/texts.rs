//! Rows written as text and read again are the same rows.

use arrow::array::{Array, RecordBatch};
use genomicframe_core::formats::{bam, bed, fastq, gff, sam, vcf};
use genomicframe_core::scan::{Format, ScanMetrics, ScanRequest, drive, text_of};
use std::sync::Arc;

use futures::TryStreamExt;
use futures::executor::block_on;

use crate::harness::{Opened, bgzf, open};

/// BAM records as SAM text.
pub fn bam_as_sam(data: &[u8]) {
    let Ok(opened) = open(&bam::Bam, bgzf(data, 60_000), &[]) else { return };
    as_sam(&opened, &bam::Bam);
}

/// SAM text as SAM text.
pub fn sam_as_sam(data: &[u8]) {
    let Ok(opened) = open(&sam::Sam, data.to_vec(), &[]) else { return };
    as_sam(&opened, &sam::Sam);
}

/// The header, its last line ended.
fn header(opened: &Opened) -> Vec<u8> {
    let mut text = opened.dataset.header_text().unwrap_or_default().as_bytes().to_vec();
    if text.last().is_some_and(|last| *last != b'\n') {
        text.push(b'\n');
    }
    text
}

/// Every column but the typed ones of tags: SAM's text of a float has six digits, and `tags` has that text.
fn as_sam(opened: &Opened, format: &dyn Format) {
    let Ok(rows) = opened.scan(|_| {}) else { return };
    let mut text = header(opened);
    let header = text.len();
    format.encode(&rows, &mut text).expect("rows that were read can be written");
    if let Some(direct) = direct_text(opened) {
        assert!(direct == text[header..], "text made without columns is another");
    }
    // A BAM's header text may be anything: records refer to its dictionary, not to it.
    if text[..header].split(|b| *b == b'\n').any(|line| !line.starts_with(b"@") && !line.is_empty()) {
        return;
    }
    let again = match open(&sam::Sam, text.clone(), &[]) {
        Ok(again) => again,
        Err(_) if format.id() == bam::Bam::ID => return,
        Err(e) => panic!("what was written cannot be opened: {e}: {}", text.escape_ascii()),
    };
    let read = match again.scan(|_| {}) {
        Ok(read) => read,
        // BAM holds names of tags and contigs that no SAM line can: what was written is refused, and never read as another.
        Err(e) if format.id() == bam::Bam::ID => return assert!(e.is_corrupt(), "{e}"),
        Err(e) => panic!("what was written cannot be read: {e}: {}", text.escape_ascii()),
    };
    // Of a mapped record without a contig, a position or a CIGAR, SAM's readers make an unmapped one, as htslib does.
    let contigs = again.dataset.contigs().cloned().unwrap_or_default();
    let is_repaired = |line: &[u8]| {
        let repairs = sam::parse_line(line, &contigs, &mut Vec::new());
        repairs.is_ok_and(|repairs| repairs.warnings().next().is_some())
    };
    if text[header..].split(|b| *b == b'\n').any(is_repaired) {
        return assert_eq!(rows.num_rows(), read.num_rows(), "rows written and read: {}", text.escape_ascii());
    }
    compare(&rows, &read, |name| !name.starts_with("tag_"), &text);
}

/// The rows' text as the dataset itself makes it.
fn direct_text(opened: &Opened) -> Option<Vec<u8>> {
    if !opened.dataset.makes_text() {
        return None;
    }
    let request = ScanRequest::all(Vec::new());
    let plan = opened.dataset.plan(&request).ok()?;
    let mut out = Vec::new();
    for partition in &plan.partitions {
        let decoder = opened.dataset.text_decoder(&request, partition).expect("it makes text");
        let (io, metrics) = (Arc::clone(&opened.io), Arc::<ScanMetrics>::default());
        let stream = drive(io, Arc::clone(&plan.objects), partition.clone(), decoder, metrics);
        let batches: Vec<RecordBatch> = block_on(stream.try_collect()).expect("text of rows that can be read");
        batches.iter().for_each(|b| out.extend_from_slice(&text_of(b).expect("a batch of text")));
    }
    Some(out)
}

/// VCF; `end` is computed, also of a key that the header does not declare and that is no column.
pub fn vcf(data: &[u8]) {
    let Ok(opened) = open(&vcf::Vcf, data.to_vec(), &[]) else { return };
    round_trip(&vcf::Vcf, &opened, |name| name != "end");
}

/// GFF3 and GTF; columns of single attributes are those of `attributes`, which is compared.
pub fn gff(data: &[u8]) {
    let Ok(opened) = open(&gff::Gff, data.to_vec(), &[]) else { return };
    round_trip(&gff::Gff, &opened, |name| !name.starts_with("attr_"));
}

/// BED.
pub fn bed(data: &[u8]) {
    let Ok(opened) = open(&bed::Bed, data.to_vec(), &[]) else { return };
    round_trip(&bed::Bed, &opened, |_| true);
}

/// FASTQ.
pub fn fastq(data: &[u8]) {
    let Ok(opened) = open(&fastq::Fastq, data.to_vec(), &[]) else { return };
    round_trip(&fastq::Fastq, &opened, |_| true);
}

/// What is refused as invalid has no text: no format writes what it could not read.
fn round_trip(format: &dyn Format, opened: &Opened, is_compared: impl Fn(&str) -> bool) {
    let Ok(rows) = opened.scan(|_| {}) else { return };
    let mut text = header(opened);
    if let Err(e) = format.encode(&rows, &mut text) {
        return assert!(e.is_invalid(), "{e}");
    }
    let again = match open(format, text.clone(), &[]).and_then(|o| o.scan(|_| {})) {
        Ok(again) => again,
        Err(e) => panic!("what was written cannot be read: {e}: {}", text.escape_ascii()),
    };
    compare(&rows, &again, is_compared, &text);
}

fn compare(rows: &RecordBatch, again: &RecordBatch, is_compared: impl Fn(&str) -> bool, text: &[u8]) {
    assert_eq!(rows.num_rows(), again.num_rows(), "rows written and read: {}", text.escape_ascii());
    for (field, column) in rows.schema().fields().iter().zip(rows.columns()).filter(|(f, _)| is_compared(f.name())) {
        match again.column_by_name(field.name()) {
            Some(other) => assert!(
                column.to_data() == other.to_data(),
                "{}: {column:?} was written, {other:?} read: {}",
                field.name(),
                text.escape_ascii()
            ),
            // Of no rows nothing is known.
            None => assert!(column.null_count() == column.len(), "{} is gone: {}", field.name(), text.escape_ascii()),
        }
    }
}

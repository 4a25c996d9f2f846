//! Each format's decoder, fed with inflated bytes: what deflates them is made around them, and has its own targets.

use genomicframe_core::bgzf::is_gzip;
use genomicframe_core::formats::{bam, bed, fastq, gff, sam, vcf};
use genomicframe_core::scan::Format;

use crate::harness::{Random, bgzf, gzip, open};
use crate::invariants::{check, same};

/// BAM: header and records. The blocks' length varies, so that records straddle them.
pub fn bam(data: &[u8]) {
    let mut random = Random::of(data);
    let block_len = random.one(&[100, 1000, 60_000]);
    let Ok(opened) = open(&bam::Bam, bgzf(data, block_len), &[]) else { return };
    let all = check(&opened, &mut random);
    let Ok(other) = open(&bam::Bam, gzip(data, 60_000), &[]) else { panic!("BGZF opens and gzip does not") };
    same("gzip instead of BGZF", &all, &other.scan(|_| {}));
}

/// SAM text.
pub fn sam(data: &[u8]) {
    text(&sam::Sam, data);
}

/// VCF text.
pub fn vcf(data: &[u8]) {
    text(&vcf::Vcf, data);
}

/// GFF3 and GTF text.
pub fn gff(data: &[u8]) {
    text(&gff::Gff, data);
}

/// BED text.
pub fn bed(data: &[u8]) {
    text(&bed::Bed, data);
}

/// FASTQ text.
pub fn fastq(data: &[u8]) {
    text(&fastq::Fastq, data);
}

/// Text as it is, and the same rows or an error of the same text compressed.
fn text(format: &dyn Format, data: &[u8]) {
    // What begins as gzip does is no text.
    if is_gzip(data) {
        return;
    }
    let mut random = Random::of(data);
    let block_len = random.one(&[17, 100, 1000, 60_000]);
    let stored = if random.below(2) == 0 { bgzf(data, block_len) } else { gzip(data, block_len) };
    match (open(format, data.to_vec(), &[]), open(format, stored, &[])) {
        (Ok(plain), Ok(compressed)) => {
            let all = check(&plain, &mut random);
            same("compressed", &all, &compressed.scan(|_| {}));
            same("compressed, in three partitions", &all, &compressed.scan(|r| r.partitions = 3));
        }
        (Err(_), Err(_)) => {}
        (Ok(_), Err(e)) => panic!("it opens as it is, but not compressed: {e}"),
        (Err(e), Ok(_)) => panic!("it opens compressed, but not as it is: {e}"),
    }
}

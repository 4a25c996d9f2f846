//! What is not read, told by name: a familiar ending over another content, or a format that is not read yet.

use crate::error::Error;

const UNPACK: &str = "gzip and BGZF are read: unpack it, and compress it with bgzip";
const CONVERTED: &str = "its rows can be read from a format it was made of";
const INDEX: &str = "name the data file: its index is found beside it";

/// First bytes, what begins with them, and what to do.
const MAGIC: [(&[u8], &str, &str); 18] = [
    (b"BCF", "BCF", "convert it: bcftools view -O z -o x.vcf.gz x.bcf"),
    (b"CRAM", "CRAM", "convert it: samtools view -b -T reference.fa -o x.bam x.cram"),
    (b">", "FASTA", "sequences are not read yet"),
    (b"\x1f\x8b", "gzip-compressed twice", "unpack it once: gzip -d"),
    (b"PK\x03\x04", "a zip archive", UNPACK),
    (b"\xfd7zXZ\0", "xz-compressed", UNPACK),
    (b"BZh", "bzip2-compressed", UNPACK),
    (b"\x28\xb5\x2f\xfd", "zstd-compressed", UNPACK),
    (b"PAR1", "Parquet", CONVERTED),
    (b"ARROW1", "Arrow", CONVERTED),
    (b"\x89HDF\r\n", "HDF5", CONVERTED),
    (b"\x89PNG", "an image", "is it the right file?"),
    (b"%PDF", "a PDF document", "is it the right file?"),
    (b"BAI\x01", "a BAI index", INDEX),
    (b"CSI\x01", "a CSI index", INDEX),
    (b"TBI\x01", "a tabix index", INDEX),
    (b"<", "a web page or XML", "a failed download leaves such a file: download it again"),
    (b"version https://git-lfs", "a Git LFS pointer", "fetch the file that it stands for: git lfs pull"),
];

/// Endings of formats that have no first bytes of their own.
const ENDINGS: [(&str, &str, &str); 2] = [
    ("gtf", "GTF", "GFF3 is read: gffread -E x.gtf -o x.gff3 converts it"),
    ("gff2", "GFF2", "only version 3 of GFF is read"),
];

/// What `head`, the first inflated bytes of the file called `name`, is instead of a format that is read, if that is clear.
pub(super) fn told(head: &[u8], name: &str) -> Option<Error> {
    let stem = name.strip_suffix(".gz").unwrap_or(name);
    let ending = stem.rsplit_once('.').map_or("", |(_, ending)| ending);
    let by_content = MAGIC.iter().find(|(magic, ..)| head.starts_with(magic)).map(|(_, what, hint)| (what, hint));
    let by_name = || ENDINGS.iter().find(|(e, ..)| ending.eq_ignore_ascii_case(e)).map(|(_, what, hint)| (what, hint));
    let (what, hint) = by_content.or_else(by_name)?;
    Some(Error::unsupported(format!("the file is {what}, which is not read")).hint(*hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_counts_before_the_name() {
        let shown = |head: &[u8], name| told(head, name).map(|e| e.to_string());
        assert!(shown(b"CRAM\x03\0", "x.bam").unwrap().starts_with("the file is CRAM, which is not read (convert it:"));
        assert!(shown(b">chr1\n", "x.gtf").unwrap().contains("FASTA"));
        assert!(shown(b"chr1\t", "x.GTF.gz").unwrap().contains("GTF"));
        assert_eq!(shown(b"chr1\t1\t2\n", "x.bed"), None);
        assert_eq!(shown(b"", "x.bam"), None);
    }
}

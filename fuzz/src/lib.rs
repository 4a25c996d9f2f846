//! Fuzz targets: what must hold of readers whatever bytes they are given.
//!
//! Each is a function of bytes that panics where a reader breaks a promise: it panics itself, gives other rows when a file is
//! read another way, or an error that says nothing of where. `tests/replay.rs` runs them all in an ordinary test: the seeds,
//! every input that once failed ([`crashes`](https://github.com/genomicframe/genomicframe/tree/main/fuzz/crashes)), and some
//! thousand mutations of them. `libfuzzer/` is the program that searches with coverage, and `run` builds and runs that.
//!
//! | file | what is fed |
//! |---|---|
//! | `decoders` | each format's inflated bytes, stored in several ways |
//! | `containers` | BGZF and gzip |
//! | `indexes` | BAI, CSI, TBI, GZI beside sound files; sound indexes of any records |
//! | `datasets` | objects of a BAMS3 dataset whose checksums are made to fit; versions 0.1 and 0.2 |
//! | `questions` | region strings; conditions that become regions |
//! | `texts` | rows written as text and read again |

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a broken promise is told by a panic")]

mod containers;
mod datasets;
mod decoders;
mod harness;
mod indexes;
mod invariants;
mod questions;
mod seeds;
mod texts;

pub use harness::Random;
pub use seeds::of as seeds;

/// What runs a target on an input.
pub type Target = fn(&[u8]);

/// All targets, by name.
pub const TARGETS: &[(&str, Target)] = &[
    ("bam", decoders::bam),
    ("sam", decoders::sam),
    ("vcf", decoders::vcf),
    ("gff", decoders::gff),
    ("bed", decoders::bed),
    ("fastq", decoders::fastq),
    ("detect", containers::detect),
    ("bgzf_block", containers::bgzf_block),
    ("bgzf_deflate", containers::bgzf_deflate),
    ("gzip", containers::gzip),
    ("bai", indexes::bai),
    ("csi", indexes::csi),
    ("tbi", indexes::tbi),
    ("gzi", indexes::gzi),
    ("indexed", indexes::indexed),
    ("bams3_root", datasets::root),
    ("bams3_index", datasets::index),
    ("bams3_chunk", datasets::chunk),
    ("legacy_root", datasets::legacy_root),
    ("legacy_chunk", datasets::legacy_chunk),
    ("region", questions::region),
    ("narrowed", questions::narrowed),
    ("bam_as_sam", texts::bam_as_sam),
    ("sam_as_sam", texts::sam_as_sam),
    ("vcf_text", texts::vcf),
    ("gff_text", texts::gff),
    ("bed_text", texts::bed),
    ("fastq_text", texts::fastq),
];

/// The target of this name.
pub fn target(name: &str) -> Option<Target> {
    TARGETS.iter().find(|(known, _)| *known == name).map(|(_, target)| *target)
}

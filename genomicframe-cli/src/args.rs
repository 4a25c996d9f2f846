//! Subcommands and options.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Parser, Subcommand};
use genomicframe::core::io::Location;
use genomicframe::{OnError, OutputFormat};

use crate::size::parse_size;

/// Ask genomic files questions: BAM, SAM, BAMS3, VCF, GFF, FASTQ and BED, on disk or in an object store, through their indexes.
#[derive(Debug, Parser)]
#[command(
    name = "gf",
    version,
    max_term_width = 100,
    after_help = "Examples:
  gf view NA12878.bam chr20:10M-20M --where 'mapq >= 30' --select qname,pos,cigar
  gf count NA12878.bam chr20
  gf stats NA12878.bam
  gf depth NA12878.bam --by 500
  gf sql \"SELECT rname, count(*), avg(mapq) FROM 'NA12878.bam' GROUP BY rname\"
  gf schema cohort.vcf.gz
  gf convert NA12878.bam s3://lab/NA12878.bams3

`gf COMMAND --help` tells more. Files may be paths, globs in quotes, or URLs (s3://, gs://, az://, https://).

Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted."
)]
pub struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Sql(SqlArgs),
    View(ViewArgs),
    Count(CountArgs),
    Stats(StatsArgs),
    Depth(DepthArgs),
    Schema(SchemaArgs),
    Head(HeadArgs),
    Explain(ExplainArgs),
    Convert(ConvertArgs),
    Bams3(Bams3Args),
}

/// Run SQL over files and print the rows
///
/// Files are tables: name them in single quotes, globs and folders too, or read them with options by
/// read_bam('x.bam', region => 'chr1:1-1000'), read_vcf(...), read_files(...).
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  gf sql \"SELECT count(*) FROM 'NA12878.bam' WHERE rname = 'chr20' AND pos BETWEEN 10000000 AND 20000000\"
  gf sql \"SELECT chrom, pos, info_af FROM 'cohort.vcf.gz' WHERE info_af < 0.01\" -o rare.parquet
  gf sql \"SELECT rname, count(*) AS reads FROM 'runs/*.bam' GROUP BY rname ORDER BY reads DESC\" --format csv
  gf sql \"SELECT flag, count(*) FROM read_bam('x.bam', region => 'chr1:1M-2M') GROUP BY flag\"

`gf schema FILE` lists a file's columns. Of several statements, separated by `;`, the last one's rows are printed.")]
pub(crate) struct SqlArgs {
    /// The statement
    pub(crate) query: String,
    /// What becomes of a record with a malformed field: fail, skip (leave it out, count it) or null (the field)
    ///
    /// Of all files but those that are read with an on_error of their own.
    #[arg(long, value_name = "CHOICE", default_value_t)]
    pub(crate) on_error: OnError,
    /// The statement is somebody else's: it only reads, and only what --allow names, for 30 s in 1 GiB of memory
    #[arg(long)]
    pub(crate) untrusted: bool,
    /// A folder, or a URL and what lies below it, that --untrusted may read; may be given several times
    #[arg(long, value_name = "PLACE", requires = "untrusted")]
    pub(crate) allow: Vec<String>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) engine: EngineArgs,
}

/// Print records, in the file's order
///
/// With regions, only records that overlap one of them; an index beside the file (.bai, .csi, .tbi) is used, and
/// without one the whole file is read, with the same result.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  gf view NA12878.bam chr20:10M-20M chr21 --where 'mapq >= 30 AND flag & 1024 = 0'
  gf view cohort.vcf.gz --where 'info_af > 0.3' --select chrom,pos,ref,alt -o common.tsv
  gf view NA12878.bam chr20 --format native -o chr20.sam
  gf view genes.gff3 --where \"feature = 'gene'\" --limit 5

Regions are samtools': chr1, chr1:1,000-2,000, chr1:10k-20k (1-based, end included), '*' for unplaced reads.")]
pub(crate) struct ViewArgs {
    #[command(flatten)]
    pub(crate) file: FileArgs,
    /// Regions; a record that overlaps any of them is taken once
    #[arg(value_name = "REGION")]
    pub(crate) regions: Vec<String>,
    /// Only records for which this SQL expression holds
    #[arg(long = "where", value_name = "EXPR")]
    pub(crate) filter: Option<String>,
    /// Columns, separated by commas; SQL expressions too
    #[arg(long, value_name = "COLS")]
    pub(crate) select: Option<String>,
    /// At most this many records
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<u64>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) engine: EngineArgs,
}

/// Count records: prints one number
///
/// With regions, records that overlap one of them, each counted once. The count of a whole file comes from its index
/// where that is exact.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  gf count NA12878.bam
  gf count NA12878.bam chr20:10M-20M --where 'mapq >= 30'
  gf count NA12878.bam '*'
  gf count cohort.vcf.gz --where \"filter = 'PASS'\"

With --format the number becomes a row with the column `count`.")]
pub(crate) struct CountArgs {
    #[command(flatten)]
    pub(crate) file: FileArgs,
    /// Regions; a record that overlaps any of them is counted once
    #[arg(value_name = "REGION")]
    pub(crate) regions: Vec<String>,
    /// Only records for which this SQL expression holds
    #[arg(long = "where", value_name = "EXPR")]
    pub(crate) filter: Option<String>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) engine: EngineArgs,
}

/// Count what is usually asked first of a file, in one pass
///
/// Alignments: samtools' flagstat and idxstats, mapping qualities. Variants: the classes and Ts/Tv of bcftools stats, QUAL,
/// FILTER. Reads: lengths, GC, qualities by position. GFF and BED: records by contig and type.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  gf stats NA12878.bam
  gf stats NA12878.bam chr20 chr21:1M-2M --where 'mapq >= 30'
  gf stats cohort.vcf.gz --where \"filter = 'PASS'\"
  gf stats 'lane*.fastq.gz' --format tsv -o lanes.tsv
  gf stats s3://lab/NA12878.bams3

The text is for people; with --format or -o every figure is a row with the columns `section`, `key` and `value`. A whole
BAMS3 dataset is answered from its own totals: these lack mates on other contigs, unmapped reads by contig and mapping
qualities, which --scan counts.")]
pub(crate) struct StatsArgs {
    #[command(flatten)]
    pub(crate) file: FileArgs,
    /// Regions; a record that overlaps any of them is counted once
    #[arg(value_name = "REGION")]
    pub(crate) regions: Vec<String>,
    /// Only records for which this SQL expression holds
    #[arg(long = "where", value_name = "EXPR")]
    pub(crate) filter: Option<String>,
    /// Count the records of a BAMS3 dataset too, instead of relying on its totals
    #[arg(long)]
    pub(crate) scan: bool,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) engine: EngineArgs,
}

/// Count how many reads lie on each base
///
/// Prints a row for each run of bases of one depth: chrom, start, end, depth (0-based, end
/// excluded, as BED). The file is BAM, SAM or BAMS3, sorted by position. Every base of every
/// contig of the header is in one row; with regions, those of the regions.
///
/// What counts, unless options say otherwise, is what mosdepth counts, and samtools depth -s of simple pairs:
///   reads     without one of the flags 1796: unmapped, secondary, failed, duplicate
///   bases     aligned ones (CIGAR M, =, X); deleted (D) and skipped (N) ones do not
///   pairs     a base on which both reads of a proper pair lie counts once
#[derive(Debug, clap::Args)]
#[command(
    verbatim_doc_comment,
    after_help = "Examples:
  gf depth NA12878.bam -o depth.bed
  gf depth NA12878.bam chr20:10M-20M --min-mapq 20
  gf depth NA12878.bam --by 500 --fast
  gf depth NA12878.bams3 --by exons.bed --thresholds 1,10,30 --stats mean,median,min
  gf depth NA12878.bam --by 1000 --step 100
  gf depth NA12878.bam --quantize 0:1:4:100:

--fast is mosdepth -x: a read counts from its first to its last base, deletions and skips too, and each read of a pair by
itself. --deletions is samtools depth -J; --mates-twice with it is samtools depth without -s. docs/depth.md says where the
three differ. An index beside the file is used; without one the whole file is read, with the same result."
)]
pub(crate) struct DepthArgs {
    #[command(flatten)]
    pub(crate) file: FileArgs,
    /// Regions, as chr1:1,000-2,000 (1-based, end included): only their bases are told of
    #[arg(value_name = "REGION")]
    pub(crate) regions: Vec<String>,
    /// A row per window: of so many bp, or the intervals of a BED or GFF file
    #[arg(long, value_name = "BP|BED")]
    pub(crate) by: Option<String>,
    /// bp from the start of one window to that of the next [default: the windows' size]
    #[arg(long, value_name = "BP", requires = "by")]
    pub(crate) step: Option<String>,
    /// Columns of windows: mean, median, std, min, max, separated by commas [default: mean]
    #[arg(long, value_name = "NAMES", requires = "by")]
    pub(crate) stats: Option<String>,
    /// Columns ge_N of windows: bases with at least depth N, separated by commas
    #[arg(long, value_name = "DEPTHS", requires = "by")]
    pub(crate) thresholds: Option<String>,
    /// A row per run of bases in one band of depths: 0:1:4: is 0, 1 to 3, and 4 or more
    #[arg(long, value_name = "BANDS", conflicts_with = "by")]
    pub(crate) quantize: Option<String>,
    /// mosdepth -x: reads count from first to last base, and mates twice
    #[arg(long)]
    pub(crate) fast: bool,
    /// Deleted bases count (samtools depth -J)
    #[arg(long)]
    pub(crate) deletions: bool,
    /// Both reads of a pair count where they overlap
    #[arg(long)]
    pub(crate) mates_twice: bool,
    /// Only reads of at least this mapping quality
    #[arg(short = 'Q', long, value_name = "N")]
    pub(crate) min_mapq: Option<u8>,
    /// Only bases of at least this quality (samtools depth -q)
    #[arg(short = 'q', long, value_name = "N", conflicts_with = "fast")]
    pub(crate) min_base_quality: Option<u8>,
    /// Leave out reads with any of these flags, instead of 1796
    #[arg(short = 'F', long, value_name = "FLAGS")]
    pub(crate) exclude_flags: Option<String>,
    /// Only reads with any of these flags
    #[arg(short = 'i', long, value_name = "FLAGS")]
    pub(crate) include_flags: Option<String>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) engine: EngineArgs,
}

/// List a file's columns: name, type and what the file's header says of them
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  gf schema NA12878.bam
  gf schema cohort.vcf.gz --format tsv | grep info_

`key`, `number`, `file_type` and `description` are the header's; `base` tells whether positions count from 1 (end
included) or from 0 (end excluded).")]
pub(crate) struct SchemaArgs {
    #[command(flatten)]
    pub(crate) file: FileArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) engine: EngineArgs,
}

/// Print the first records
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  gf head NA12878.bam
  gf head reads.fastq.gz -n 3 --format native")]
pub(crate) struct HeadArgs {
    #[command(flatten)]
    pub(crate) file: FileArgs,
    /// How many
    #[arg(short = 'n', long = "lines", value_name = "N", default_value_t = 10)]
    pub(crate) rows: u64,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) engine: EngineArgs,
}

/// Show how a query would run: what is read and what is pruned
///
/// Prints the logical and the physical plan. Each scan tells its files, the index it uses or why it uses none, its
/// regions, partitions, requests and bytes, the columns it decodes and the filters it applies itself.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  gf explain \"SELECT count(*) FROM 'NA12878.bam' WHERE rname = 'chr20' AND pos > 10000000\"
  gf explain --analyze \"SELECT avg(mapq) FROM 'NA12878.bam' WHERE rname = 'chr20'\"

With --format csv, tsv, json, arrow or parquet the plans are rows with the columns `plan_type` and `plan`.")]
pub(crate) struct ExplainArgs {
    /// The statement
    pub(crate) query: String,
    /// Run it too, and show the requests and bytes read, records seen and kept
    #[arg(long)]
    pub(crate) analyze: bool,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) engine: EngineArgs,
}

/// Convert BAM or SAM to BAMS3, or alignments to a table or text
///
/// Records are sorted by coordinate unless the header says that they are. A dataset appears when it is whole; what an
/// interrupted conversion had stored is used by --resume.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  gf convert NA12878.bam NA12878.bams3
  gf convert NA12878.bam s3://lab/NA12878.bams3 --level small --resume
  bwa mem ref.fa r1.fq r2.fq | gf convert - NA12878.bams3 --memory 4G
  gf convert NA12878.bams3 chr20.bam --region chr20
  gf convert NA12878.bams3 NA12878.parquet

OUT tells the format: .bams3, .bam, .parquet, .arrow, .sam, .tsv, .csv or .json.")]
pub(crate) struct ConvertArgs {
    /// A BAM or SAM file, its URL, or - for standard input; a BAMS3 dataset, of an older version too
    #[arg(value_name = "IN")]
    pub(crate) input: String,
    /// A path or URL
    #[arg(value_name = "OUT")]
    pub(crate) output: String,
    #[command(flatten)]
    pub(crate) dataset: DatasetArgs,
    /// Of a dataset to BAM only the reads that overlap, as chr1:1-1000; may be given several times
    #[arg(long = "region", value_name = "REGION")]
    pub(crate) regions: Vec<String>,
    /// Read a BGZF file that lacks its end-of-file block: it may be truncated
    #[arg(long)]
    pub(crate) allow_missing_eof: bool,
    #[command(flatten)]
    pub(crate) engine: EngineArgs,
}

#[derive(Debug, Default, PartialEq, clap::Args)]
#[command(next_help_heading = "Dataset")]
pub(crate) struct DatasetArgs {
    /// How small: fast, default, small, or a zstd level from 1 to 19
    #[arg(long, value_name = "LEVEL")]
    pub(crate) level: Option<String>,
    /// Rows after which a chunk ends
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) chunk_rows: Option<u64>,
    /// Bytes after which a chunk ends, as 4M [default: 12M]
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub(crate) chunk_bytes: Option<usize>,
    /// Positions of which each chunk holds one window: 256K, 512K, 1M, 2M, 4M or 8M
    #[arg(long, value_name = "SIZE")]
    pub(crate) window: Option<String>,
    /// Add a filter of read names, so that looking for one reads few chunks
    #[arg(long)]
    pub(crate) qname_index: bool,
    /// Go on where an interrupted conversion of the same input stopped
    #[arg(long)]
    pub(crate) resume: bool,
    /// Replace the dataset that is there, or forget an interrupted conversion
    #[arg(long)]
    pub(crate) overwrite: bool,
    /// Sort, though the header says that records are sorted
    #[arg(long)]
    pub(crate) sort: bool,
}

/// Look at a BAMS3 dataset, or clean up after it
#[derive(Debug, clap::Args)]
pub(crate) struct Bams3Args {
    #[command(subcommand)]
    pub(crate) command: Bams3Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Bams3Command {
    /// Show what it is: version, source, chunks, the bytes of each column
    Info {
        /// Path or URL
        dataset: String,
        #[command(flatten)]
        engine: EngineArgs,
    },
    /// Count rows by flag as samtools flagstat does, by contig and by mapping quality, without reading any
    Stats {
        /// Path or URL
        dataset: String,
        /// As a JSON object
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        engine: EngineArgs,
    },
    /// Check every checksum, count and statistic, and the records against the original
    Validate {
        /// Path or URL
        dataset: String,
        /// The BAM or SAM it was made from
        #[arg(long, value_name = "FILE")]
        against: Option<String>,
        #[command(flatten)]
        engine: EngineArgs,
    },
    /// List its chunks: where they lie, their rows and bytes
    Chunks {
        /// Path or URL
        dataset: String,
        #[command(flatten)]
        output: OutputArgs,
        #[command(flatten)]
        engine: EngineArgs,
    },
    /// Remove objects that belong to no dataset any more, left by replaced datasets and killed conversions
    ///
    /// Do not run it while a conversion writes there, or while a dataset that was replaced is still being read.
    Gc {
        /// Path or URL
        dataset: String,
        /// Only list them
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        engine: EngineArgs,
    },
}

#[derive(Debug, Default, clap::Args)]
pub(crate) struct FileArgs {
    /// A file, a folder, a glob in quotes, or a URL
    pub(crate) file: String,
    /// Which index: auto (beside the file), none, or the path of one
    #[arg(long, value_name = "INDEX")]
    pub(crate) index: Option<String>,
    /// Read a BGZF file that lacks its end-of-file block: it may be truncated
    #[arg(long)]
    pub(crate) allow_missing_eof: bool,
    /// What becomes of a record with a malformed field: fail, skip (leave it out, count it) or null (the field)
    #[arg(long, value_name = "CHOICE", default_value_t)]
    pub(crate) on_error: OnError,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct OutputArgs {
    /// How rows are written [default: by the ending of -o FILE; else a table on a terminal, tsv elsewhere]
    #[arg(long, value_name = "FORMAT", value_parser = format_parser())]
    pub(crate) format: Option<OutputFormat>,
    /// Write to this file or URL, which appears only when it is whole
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Leave out the line of column names (native: the file's header)
    #[arg(long)]
    pub(crate) no_header: bool,
}

#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Resources")]
pub(crate) struct EngineArgs {
    /// Threads [default: all cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub(crate) threads: Option<u16>,
    /// Memory for sorts, joins and groups, as 512M or 4G [default: half of the machine's]
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub(crate) memory: Option<usize>,
    /// An option of object stores, as region=eu-west-1 or AWS_SKIP_SIGNATURE=true; may be given several times
    #[arg(long = "storage", value_name = "KEY=VALUE", value_parser = StorageOption::parse)]
    pub(crate) storage: Vec<StorageOption>,
}

/// An option of object stores. Its value is never shown.
#[derive(Clone, PartialEq)]
pub(crate) struct StorageOption(pub(crate) String, pub(crate) String);

impl StorageOption {
    fn parse(text: &str) -> Result<Self, String> {
        let (key, value) = text.split_once('=').ok_or("no KEY=VALUE")?;
        Ok(Self(key.to_owned(), value.to_owned()))
    }
}

impl std::fmt::Debug for StorageOption {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}=…", self.0)
    }
}

fn format_parser() -> impl TypedValueParser<Value = OutputFormat> {
    let names = OutputFormat::ALL.map(|(name, _)| name);
    PossibleValuesParser::new(names).try_map(|name| name.parse::<OutputFormat>())
}

impl Command {
    pub(crate) fn engine(&self) -> &EngineArgs {
        match self {
            Self::Sql(a) => &a.engine,
            Self::View(a) => &a.engine,
            Self::Count(a) => &a.engine,
            Self::Stats(a) => &a.engine,
            Self::Depth(a) => &a.engine,
            Self::Schema(a) => &a.engine,
            Self::Head(a) => &a.engine,
            Self::Explain(a) => &a.engine,
            Self::Convert(a) => &a.engine,
            Self::Bams3(a) => match &a.command {
                Bams3Command::Info { engine, .. }
                | Bams3Command::Stats { engine, .. }
                | Bams3Command::Validate { engine, .. }
                | Bams3Command::Chunks { engine, .. }
                | Bams3Command::Gc { engine, .. } => engine,
            },
        }
    }

    /// What somebody who interrupts it should know.
    pub(crate) fn parting(&self) -> Option<&'static str> {
        match self {
            Self::Convert(a) if !a.makes_dataset() => None,
            Self::Convert(a) if a.input == "-" => Some("interrupted; --overwrite begins anew"),
            Self::Convert(_) => Some("interrupted; --resume goes on from here"),
            _ => None,
        }
    }

    /// Whether rows are promised in the file's order. Planned for one thread they come so; their pieces may still be made by several.
    pub(crate) fn keeps_order(&self) -> bool {
        match self {
            Self::View(_) | Self::Head(_) => true,
            Self::Convert(a) => !a.makes_dataset(),
            _ => false,
        }
    }
}

impl ConvertArgs {
    /// Whether the output is a BAMS3 dataset.
    pub(crate) fn makes_dataset(&self) -> bool {
        self.ending() == "bams3"
    }

    /// What the output's name ends in, in lower case.
    pub(crate) fn ending(&self) -> String {
        let name = Location::shown(&self.output);
        let name = name.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
        name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn arguments_are_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn storage_options_keep_their_secrets() {
        let args = ["gf", "count", "x", "--storage", "AWS_SECRET_ACCESS_KEY=CANARY=", "--storage", "region=eu"];
        let args = Args::try_parse_from(args).unwrap();
        let storage = &args.command.engine().storage;
        assert_eq!(storage[0], StorageOption("AWS_SECRET_ACCESS_KEY".into(), "CANARY=".into()));
        assert_eq!(storage.len(), 2);
        assert!(!format!("{args:?}").contains("CANARY"));
    }

    #[test]
    fn options_stand_before_or_behind() {
        let args =
            Args::try_parse_from(["gf", "view", "--limit", "3", "x.bam", "chr1", "*", "--threads", "2"]).unwrap();
        let Command::View(view) = args.command else { panic!("{args:?}") };
        assert_eq!(
            (view.regions, view.limit, view.engine.threads),
            (vec!["chr1".into(), "*".into()], Some(3), Some(2))
        );
        for bad in [
            ["gf", "view"].as_slice(),
            &["gf", "count", "x", "--memory", "much"],
            &["gf", "sql", "x", "--threads", "0"],
            &["gf", "sql", "x", "--storage", "region"],
        ] {
            assert_eq!(Args::try_parse_from(bad).unwrap_err().exit_code(), 2, "{bad:?}");
        }
    }
}

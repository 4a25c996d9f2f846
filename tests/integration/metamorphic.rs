//! The same rows whatever the index, the partitions, the batch size, the projection and the storage.

use genomicframe::ReadOptions;
use genomicframe_core::scan::IndexChoice;

use crate::remote::servers::shelf;
use crate::support::{Random, context, data, query, read, rows, sorted};

pub struct Case {
    pub file: &'static str,
    /// Regions that are asked for, each on its own; the empty one is the whole file.
    pub regions: &'static [&'static str],
    /// Projections; the empty one is all columns.
    pub columns: &'static [&'static [&'static str]],
}

pub const CASES: &[Case] = &[
    Case {
        file: "sample.bam",
        regions: &["", "chr1", "chr1:9,000-11,000", "chr2:1-100", "chrX:39,000-40,000", "chrUn_empty", "*", "nowhere"],
        columns: &[&[], &["qname", "pos"], &["tags"], &["tag_nm", "end", "cigar"]],
    },
    Case {
        file: "sample.unindexed.bam",
        regions: &["", "chr1", "chr1:9,000-11,000"],
        columns: &[&[], &["rname", "seq"]],
    },
    Case { file: "header_only.bam", regions: &["", "chr1"], columns: &[&[]] },
    Case { file: "long_cigar.bam", regions: &["", "chr1:1-100000000"], columns: &[&[], &["cigar", "end"]] },
    Case {
        file: "cohort.vcf.gz",
        regions: &["", "chr1", "chr1:50,000-60,000", "chr2:1-5,000", "1:50,000-60,000", "chrM", "nowhere"],
        columns: &[&[], &["pos", "ref", "alt"], &["info_af", "format_gt"], &["format_ad", "end"]],
    },
    Case { file: "cohort.vcf", regions: &["", "chr1:1-20,000"], columns: &[&[], &["chrom", "qual"]] },
    Case { file: "sites.vcf.gz", regions: &["", "chr1", "chr10:1-30,000"], columns: &[&[], &["filter", "info_ac"]] },
    Case { file: "header_only.vcf", regions: &["", "chr1"], columns: &[&[]] },
    Case {
        file: "genes.gff3.gz",
        regions: &["", "chr1", "chr2:10,000-40,000", "2:10,000-40,000"],
        columns: &[&[], &["feature", "attr_id"], &["attributes"]],
    },
    Case { file: "genes.gff3", regions: &["", "chr1:1-50,000"], columns: &[&[], &["start", "end"]] },
    Case { file: "reads.fastq", regions: &[""], columns: &[&[], &["id"], &["seq", "qual"]] },
    Case { file: "reads.fastq.bgz", regions: &[""], columns: &[&[], &["description"]] },
    Case { file: "panel.bed", regions: &["", "chr1", "chr2:1-50,000"], columns: &[&[], &["chrom", "start"]] },
    Case { file: "targets3.bed", regions: &["", "chr1:1-100,000"], columns: &[&[], &["end"]] },
    Case { file: "blocks12.bed", regions: &["", "chr1"], columns: &[&[], &["block_sizes", "name"]] },
];

#[tokio::test]
async fn rows_are_the_same_however_they_are_read() {
    for case in CASES {
        let path = data(case.file);
        for region in case.regions {
            for columns in case.columns {
                let options = |index| {
                    let options = ReadOptions::new().index(index);
                    if region.is_empty() { options } else { options.region(*region) }
                };
                let plain = read(&context(1, 8192), &path, options(IndexChoice::Ignore), columns).await;
                for (threads, batch) in [(1, 1), (1, 8192), (2, 7), (7, 1), (7, 8192)] {
                    for index in [IndexChoice::Auto, IndexChoice::Ignore] {
                        let ctx = context(threads, batch);
                        let found = read(&ctx, &path, options(index.clone()), columns).await;
                        let what = format!(
                            "{} {region} {columns:?} {threads} partitions, batch {batch}, {index:?}",
                            case.file
                        );
                        assert_eq!(found.len(), plain.len(), "{what}");
                        assert_eq!(found, plain, "{what}");
                    }
                }
            }
        }
    }
}

#[tokio::test]
async fn some_columns_are_those_of_all_columns() {
    for case in CASES {
        let ctx = context(2, 100);
        let all = ctx.read(data(case.file), ReadOptions::new()).await.unwrap();
        let names: Vec<String> = all.schema().fields().iter().map(|f| f.name().clone()).collect();
        let batches = all.clone().collect().await.unwrap();
        for name in &names {
            let one = all.clone().select_columns(&[name.as_str()]).unwrap().collect().await.unwrap();
            let index = all.schema().index_of_column_by_name(None, name).unwrap();
            let expected: Vec<_> = batches.iter().map(|b| b.project(&[index]).unwrap()).collect();
            assert_eq!(sorted(&one), sorted(&expected), "{} {name}", case.file);
        }
    }
}

#[tokio::test]
async fn one_partition_keeps_the_files_order() {
    for case in CASES {
        let path = data(case.file);
        let one = |batch| {
            let path = path.clone();
            async move { rows(&context(1, batch).read(path, ReadOptions::new()).await.unwrap().collect().await.unwrap()) }
        };
        assert_eq!(one(1).await, one(8192).await, "{}", case.file);
    }
}

#[tokio::test]
async fn a_limit_returns_that_many_rows() {
    for case in CASES {
        let path = data(case.file);
        let all = read(&context(1, 8192), &path, ReadOptions::new(), &[]).await.len();
        for limit in [0, 1, 10, 1_000_000] {
            for threads in [1, 7] {
                let query = context(threads, 8).read(path.as_str(), ReadOptions::new()).await.unwrap();
                let found: usize =
                    query.limit(0, Some(limit)).unwrap().collect().await.unwrap().iter().map(|b| b.num_rows()).sum();
                assert_eq!(found, all.min(limit), "{} LIMIT {limit}", case.file);
            }
        }
    }
}

#[tokio::test]
async fn plain_gzip_and_bgzf_are_the_same_rows() {
    let ctx = context(2, 64);
    for (a, b) in [
        ("reads.fastq", "reads.fastq.gz"),
        ("reads.fastq", "reads.fastq.bgz"),
        ("cohort.vcf", "cohort.gzip.vcf.gz"),
        ("genes.gff3", "genes.gzip.gff3.gz"),
    ] {
        let plain = read(&ctx, &data(a), ReadOptions::new(), &[]).await;
        assert_eq!(read(&ctx, &data(b), ReadOptions::new(), &[]).await, plain, "{a} and {b}");
        assert!(!plain.is_empty());
    }
}

/// Alignments as BAM, as text and as a dataset.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_alignments_in_other_formats_are_the_same_rows() {
    let ctx = context(2, 256);
    let lab = shelf().join("lab").display().to_string();
    let (case, table, mut random) = (&CASES[0], &TABLES[0], Random(19));
    let all =
        "qname flag rname pos end mapq cigar rnext pnext tlen seq qual tag_nm tag_rg".split(' ').collect::<Vec<_>>();
    for form in ["sample.sam", "x.bams3"] {
        let (bam, other) = (data(case.file), format!("{lab}/{form}"));
        // Text does not tell how wide a tag's numbers are.
        let of_form =
            case.columns.iter().copied().filter(|c| form == "x.bams3" || !(c.is_empty() || c.contains(&"tags")));
        let columns: Vec<&[&str]> = of_form.chain([&all[..]]).collect();
        for (region, columns) in case.regions.iter().flat_map(|region| columns.iter().map(move |c| (region, c))) {
            let options = if region.is_empty() { ReadOptions::new() } else { ReadOptions::new().region(*region) };
            let expected = read(&ctx, &bam, options.clone(), columns).await;
            // Too many to be shown.
            assert!(read(&ctx, &other, options, columns).await == expected, "{form} {region} {columns:?}");
        }
        for _ in 0..60 {
            let predicate = table.predicate(&mut random);
            let sql = |file: &str| format!("SELECT qname, pos, cigar FROM '{file}' WHERE {predicate}");
            assert!(query(&ctx, &sql(&other)).await == query(&ctx, &sql(&bam)).await, "{form}: {predicate}");
        }
    }
}

/// A file whose rows lie on the genome.
pub struct Table {
    pub file: &'static str,
    /// Its columns of contig, start and end.
    pub place: [&'static str; 3],
    /// Columns of numbers.
    numbers: [&'static str; 4],
}

pub const TABLES: [Table; 5] = [
    Table { file: "sample.bam", place: ["rname", "pos", "end"], numbers: ["mapq", "flag", "tlen", "tag_nm"] },
    Table { file: "cohort.vcf.gz", place: ["chrom", "pos", "end"], numbers: ["qual", "info_dp", "pos", "end"] },
    Table { file: "genes.gff3.gz", place: ["seqid", "start", "end"], numbers: ["score", "start", "end", "phase"] },
    Table { file: "panel.bed", place: ["chrom", "start", "end"], numbers: ["score", "start", "end", "end"] },
    Table { file: "targets3.bed", place: ["chrom", "start", "end"], numbers: ["start", "start", "end", "end"] },
];

impl Table {
    /// A condition of a random shape.
    pub fn predicate(&self, random: &mut Random) -> String {
        predicate(random, &self.place, &["'chr1'", "'chr2'", "'chrX'", "'none'"], &self.numbers, 3)
    }
}

/// Predicates of many shapes: what is pushed into the scan must keep the rows that DataFusion keeps by itself.
#[tokio::test]
async fn pushed_predicates_keep_the_rows_of_plain_ones() {
    let mut random = Random(7);
    let ctx = context(2, 256);
    for table in TABLES {
        let (file, [contig, start, end]) = (table.file, table.place);
        let path = data(file);
        let read = ctx.read(path.as_str(), ReadOptions::new()).await.unwrap();
        let batches = read.clone().collect().await.unwrap();
        // A table in memory has no push-down at all.
        let schema = std::sync::Arc::clone(read.schema().inner());
        let plain = genomicframe::datafusion::datasource::MemTable::try_new(schema, vec![batches]).unwrap();
        ctx.session().register_table("plain", std::sync::Arc::new(plain)).unwrap();
        for _ in 0..150 {
            let predicate = table.predicate(&mut random);
            let sql = |from: &str| format!("SELECT {contig}, {start}, {end} FROM {from} WHERE {predicate}");
            let pushed = query(&ctx, &sql(&format!("'{path}'"))).await;
            assert_eq!(pushed, query(&ctx, &sql("plain")).await, "{file}: {predicate}");
        }
        ctx.session().deregister_table("plain").unwrap();
    }
}

fn predicate(random: &mut Random, place: &[&str; 3], names: &[&str], numbers: &[&str; 4], depth: u64) -> String {
    let [contig, start, end] = place;
    let pick = |random: &mut Random, list: &[&str]| list[random.below(list.len() as u64) as usize].to_owned();
    let op = |random: &mut Random| pick(random, &["=", "<>", "<", "<=", ">", ">="]);
    if depth > 0 && random.below(3) > 0 {
        let a = predicate(random, place, names, numbers, depth - 1);
        let b = predicate(random, place, names, numbers, depth - 1);
        return match random.below(5) {
            0 => format!("NOT ({a})"),
            1 | 2 => format!("({a} OR {b})"),
            _ => format!("({a} AND {b})"),
        };
    }
    let at = |random: &mut Random| random.below(190_000);
    match random.below(9) {
        0 => format!("{contig} {} {}", op(random), pick(random, names)),
        1 => format!("{contig} IN ({}, {})", pick(random, names), pick(random, names)),
        2 => format!("{start} {} {}", op(random), at(random)),
        3 => format!("{end} {} {}.5", op(random), at(random)),
        4 => format!("{start} BETWEEN {} AND {}", at(random), at(random)),
        5 => format!("{} {} {}", at(random), op(random), pick(random, &[start, end])),
        6 => {
            let (a, length) = (at(random), random.below(20_000));
            let name = pick(random, names);
            let name = name.trim_matches('\'');
            format!("in_region({contig}, {start}, {end}, '{name}:{}-{}')", a + 1, a + 1 + length)
        }
        7 => format!("{contig} IS {}NULL", pick(random, &["", "NOT "])),
        _ => format!("{} {} {}", pick(random, numbers), op(random), [0, 1, 30, 60, 200][random.below(5) as usize]),
    }
}

//! The chained door: verbs, terminal calls, threads and runtimes.

use std::sync::Arc;

use datafusion::arrow::array::{AsArray, RecordBatchReader};
use datafusion::arrow::datatypes::Int64Type;
use genomicframe::core::genome::{Interval, Region, RegionSet};
use genomicframe::core::schema::{ROLE, ROLE_START};
use genomicframe::expr::in_region_set;
use genomicframe::prelude::*;

use crate::support::{context, data, number, rows};

fn reads() -> GenomicFrame {
    GenomicFrame::scan_bam(data("sample.bam")).unwrap()
}

fn variants() -> GenomicFrame {
    GenomicFrame::scan_vcf(data("cohort.vcf.gz")).unwrap()
}

fn genes() -> GenomicFrame {
    GenomicFrame::scan_gff(data("genes.gff3.gz")).unwrap()
}

/// The design's first example, on local files.
#[test]
fn the_chained_example_runs_as_written() {
    let exome = variants()
        .join_by_overlap(genes().filter(col("feature").eq(lit("exon"))))
        .filter(col("QUAL").gt(lit(30.0)).and(col("FILTER").eq(lit("PASS"))).and(is_snp()))
        .select(&["chrom", "pos", "ref", "alt", "info_af"])
        .collect_polars()
        .unwrap();
    assert!(exome.height() > 0);
    assert_eq!(exome.width(), 5);
    let ctx = context(2, 8192);
    let sql = format!(
        "SELECT count(*) FROM '{}' v JOIN '{}' g ON v.chrom = g.seqid AND v.pos <= g.end AND v.end >= g.start \
         WHERE g.feature = 'exon' AND v.qual > 30 AND v.filter = 'PASS' AND is_snp(v.ref, v.alt)",
        data("cohort.vcf.gz"),
        data("genes.gff3.gz")
    );
    let counted = genomicframe::GenomicFrame::sql(&sql).unwrap().collect_arrow().unwrap();
    assert_eq!(counted.column(0).as_primitive::<Int64Type>().value(0), exome.height() as i64);
    drop(ctx);
}

/// The ledger's workflow: population columns, a difference, a filter, CSV.
#[test]
fn the_workflow_example_runs() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("differences.csv");
    let written = variants()
        .filter_snps_only()
        .with_column("AF_A", sample(col("format_dp"), "NA12878"))
        .with_column("AF_B", sample(col("format_dp"), "NA12891"))
        .with_column("diff", (col("AF_A") - col("AF_B")).abs())
        .filter(col("diff").gt(lit(5)))
        .select(&["CHROM", "POS", "diff"])
        .write_csv(&path)
        .unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text.lines().count() as u64, written + 1);
    assert!(text.starts_with("chrom,pos,diff\n"));
}

#[test]
fn verbs_do_what_sql_does() {
    let ctx = context(1, 8192);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (bam, vcf) = (data("sample.bam"), data("cohort.vcf.gz"));
    let sql = |text: String| runtime.block_on(number(&ctx, &text)) as usize;
    let cases = [
        (
            reads().filter_by_region("chr1:9,000-12,000"),
            format!("SELECT count(*) FROM read_bam('{bam}', region => 'chr1:9000-12000')"),
        ),
        (
            reads().filter_by_regions(["chr1:1-5000", "chr1:4000-9000", "chrX"]),
            format!("SELECT count(*) FROM read_bam('{bam}', region => ['chr1:1-5000', 'chr1:4000-9000', 'chrX'])"),
        ),
        (reads().filter_by_quality(30.0), format!("SELECT count(*) FROM '{bam}' WHERE mapq >= 30")),
        (variants().filter_by_quality(30.0), format!("SELECT count(*) FROM '{vcf}' WHERE qual >= 30")),
        (variants().filter_transitions_only(), format!("SELECT count(*) FROM '{vcf}' WHERE is_transition(ref, alt)")),
        (variants().filter(col("is_snp")), format!("SELECT count(*) FROM '{vcf}' WHERE is_snp(ref, alt)")),
        (variants().filter(col("info_af").gt(lit(0.3))), format!("SELECT count(*) FROM '{vcf}' WHERE info_af > 0.3")),
        (
            reads().filter(not(is_duplicate()).and(is_proper_pair())),
            format!("SELECT count(*) FROM '{bam}' WHERE NOT is_duplicate(flag) AND is_proper_pair(flag)"),
        ),
        (
            reads().filter(in_region("chr2:1-1000")),
            format!("SELECT count(*) FROM '{bam}' WHERE in_region(rname, pos, end, 'chr2:1-1000')"),
        ),
        (reads().distinct().limit(7), "SELECT 7".to_owned()),
    ];
    for (frame, text) in cases {
        assert_eq!(frame.count().unwrap(), sql(text.clone()), "{text}");
    }
}

#[test]
fn groups_sorts_and_joins() {
    let by_contig =
        reads().group_by(&["rname"]).agg(vec![count_all().alias("n"), mean(col("mapq")).alias("q")]).sort(&["rname"]);
    let n: i64 = by_contig.collect_arrow().unwrap().column(1).as_primitive::<Int64Type>().values().iter().sum();
    assert_eq!(n as usize, reads().count().unwrap());
    let joined =
        reads().select(&["qname", "pos"]).limit(10).join(reads().select(&["qname", "pos", "mapq"]), &["qname"]);
    let schema = joined.schema().unwrap();
    let names: Vec<_> = schema.fields().iter().map(|f| f.name().as_str()).collect();
    assert_eq!(names, ["qname", "pos", "pos_right", "mapq"]);
    assert!(joined.count().unwrap() >= 10);
    let overlap = reads().join_by_overlap(GenomicFrame::scan_bed(data("panel.bed")).unwrap());
    let plan = overlap.explain_optimized().unwrap();
    assert!(plan.contains("IntervalJoinExec"), "{plan}");
    assert!(overlap.schema().unwrap().column_with_name("start").is_some());
}

#[test]
fn a_frame_can_be_collected_twice() {
    let frame = reads().filter(col("mapq").gt_eq(lit(30)));
    assert_eq!(rows(&frame.collect().unwrap()).len(), rows(&frame.collect().unwrap()).len());
    assert_eq!(frame.count().unwrap(), frame.count().unwrap());
    assert_eq!(frame.clone().optimize().unwrap().count().unwrap(), frame.count().unwrap());
}

#[test]
fn a_mistake_is_told_by_the_terminal_call() {
    let e = reads().filter(col("nothing").eq(lit(1))).limit(5).count().unwrap_err();
    assert!(e.is_invalid() && e.to_string().contains("nothing"), "{e}");
    let e = reads().filter_by_region("chr1:x-y").count().unwrap_err();
    assert!(e.to_string().contains("region"), "{e}");
    let e = variants().join_by_overlap(GenomicFrame::scan_fastq(data("reads.fastq")).unwrap()).count().unwrap_err();
    assert!(e.is_invalid() && e.to_string().contains("place"), "{e}");
    assert!(GenomicFrame::scan("none.bam").unwrap_err().is_not_found());
}

#[test]
fn a_dropped_stream_stops_reading() {
    // Enough copies that nobody could have read them all by then.
    let path = data("sample.bam");
    let many = context(1, 64).scan(vec![path; 200], ReadOptions::new()).unwrap();
    let mut stream = many.to_arrow_stream().unwrap();
    assert_eq!(stream.schema(), many.schema().unwrap());
    let first = stream.next().unwrap().unwrap();
    assert!(first.num_rows() > 0);
    drop(stream);
    let all: usize = reads().to_arrow_stream().unwrap().map(|b| b.unwrap().num_rows()).sum();
    assert_eq!(all, reads().count().unwrap());
}

#[test]
fn sync_calls_from_plain_threads() {
    let counts: Vec<_> = (0..4).map(|_| std::thread::spawn(|| reads().count().unwrap())).collect();
    let counts: Vec<_> = counts.into_iter().map(|t| t.join().unwrap()).collect();
    assert!(counts.windows(2).all(|w| w[0] == w[1]));
}

#[tokio::test]
async fn sync_calls_from_a_current_thread_runtime() {
    assert!(reads().count().unwrap() > 0);
    assert!(reads().to_arrow_stream().unwrap().next().is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn sync_calls_from_a_multi_thread_runtime() {
    assert!(reads().count().unwrap() > 0);
    let blocking = tokio::task::spawn_blocking(|| reads().count().unwrap()).await.unwrap();
    assert_eq!(blocking, reads().count().unwrap());
}

#[test]
fn files_are_written_whole_and_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let (parquet, arrow, sam) =
        (folder.path().join("x.parquet"), folder.path().join("x.arrow"), folder.path().join("x.sam"));
    let n = reads().count().unwrap() as u64;
    assert_eq!(reads().write_parquet(&parquet).unwrap(), n);
    assert_eq!(reads().write_arrow(&arrow).unwrap(), n);
    assert_eq!(reads().write_native(&sam).unwrap(), n);
    let lines = std::fs::read_to_string(&sam).unwrap();
    assert_eq!(lines.lines().filter(|l| !l.starts_with('@')).count() as u64, n);
    let back = GenomicFrame::sql(&format!("SELECT qname, mapq, tags FROM '{}'", parquet.display())).unwrap();
    let mut back = rows(&back.collect().unwrap());
    let mut own = rows(&reads().select(&["qname", "mapq", "tags"]).collect().unwrap());
    back.sort();
    own.sort();
    assert_eq!(back, own);
    // An error in the middle leaves what was there.
    let cut = folder.path().join("cut.bam");
    let bytes = std::fs::read(data("sample.bam")).unwrap();
    std::fs::write(&cut, [&bytes[..100_000], &bytes[bytes.len() - 28..]].concat()).unwrap();
    let e = GenomicFrame::scan(cut.as_path()).unwrap().write_parquet(&parquet).unwrap_err();
    assert!(e.is_corrupt() && e.to_string().contains("cut.bam"), "{e}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 4);
    assert!(
        !rows(&GenomicFrame::sql(&format!("SELECT 1 FROM '{}'", parquet.display())).unwrap().collect().unwrap())
            .is_empty()
    );
}

#[test]
fn a_memory_limit_is_an_error_or_a_spill() {
    let ctx = GenomicContext::builder().memory_limit(300_000).threads(1).build().unwrap();
    let frame = ctx.scan(data("sample.bam"), ReadOptions::new()).unwrap().sort(&["seq"]);
    match frame.count() {
        Ok(n) => assert_eq!(n, reads().count().unwrap()),
        Err(e) => assert!(e.is_out_of_memory(), "{e}"),
    }
    drop(Arc::new(ctx));
}

/// The seed's workflow with its steps in its order: variants on S3, an overlap join with exons, filters, frequencies of two
/// populations, their difference, Polars.
///
/// | the seed | here |
/// |---|---|
/// | `col("samples").filter_by_population("AFR").allele_frequency()` | `panel.population("AFR")?.allele_frequency()`, of a panel that is read from a file |
/// | `.select(["CHROM", "POS", "REF", "ALT", "samples"])` | `"format_gt"` for `"samples"` |
/// | `.filter(\|diff\| …)` | `.filter((…).abs().gt(lit(0.3)))` |
#[tokio::test(flavor = "multi_thread")]
async fn the_seeds_workflow_runs_on_s3() {
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir(root.path().join("lab")).unwrap();
    for name in ["cohort.vcf.gz", "cohort.vcf.gz.tbi", "genes.gff3.gz"] {
        std::fs::copy(data(name), root.path().join("lab").join(name)).unwrap();
    }
    let endpoint = crate::remote::servers::s3(root.path()).await;
    let ctx = context(2, 512);
    let store = Arc::new(crate::remote::servers::s3_store(&endpoint));
    ctx.register_store(&url::Url::parse("s3://lab").unwrap(), store);
    let panel = Panel::read(data("cohort.panel")).unwrap();
    let scan = |path: &str| ctx.scan(path, ReadOptions::new()).unwrap();
    let differing = scan("s3://lab/cohort.vcf.gz")
        .join_by_overlap(scan("s3://lab/genes.gff3.gz").filter(col("feature").eq(lit("exon"))))
        .filter(col("QUAL").gt(lit(30.0)))
        .filter(col("FILTER").eq(lit("PASS")))
        .filter(is_snp())
        .select(&["CHROM", "POS", "REF", "ALT", "format_gt"])
        .with_column("AF_CEU", panel.population("CEU").unwrap().allele_frequency())
        .with_column("AF_GBR", panel.population("GBR").unwrap().allele_frequency())
        .filter((col("AF_CEU") - col("AF_GBR")).abs().gt(lit(0.3)));
    let polars = differing.collect_polars().unwrap();
    assert!(polars.height() > 0);
    // The same by bcftools' count of alleles, sample by sample, in SQL over the local files.
    let of = |names: [&str; 3]| {
        let sum = |what: &str| names.map(|n| format!("coalesce({what}(format_gt, '{n}'), 0)")).join(" + ");
        format!("({}) / nullif({}, 0)::double", sum("allele_count"), sum("allele_number"))
    };
    let (ceu, gbr) = (of(["NA12878", "NA12891", "NA12892"]), of(["HG00096", "HG00097", "HG00099"]));
    let sql = format!(
        "SELECT count(*) FROM '{}' v JOIN '{}' g ON overlaps(v.chrom, v.pos, v.end, g.seqid, g.start, g.end) \
         WHERE g.feature = 'exon' AND qual > 30 AND filter = 'PASS' AND is_snp(ref, alt) AND abs({ceu} - {gbr}) > 0.3",
        data("cohort.vcf.gz"),
        data("genes.gff3.gz")
    );
    assert_eq!(polars.height() as u64, number(&ctx, &sql).await);
}

#[test]
fn genomic_answers_are_those_of_sql() {
    let ctx = context(2, 100);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let ask = |sql: &str| runtime.block_on(number(&ctx, &sql.replace("VCF", &format!("'{}'", data("cohort.vcf.gz")))));
    let (transitions, transversions) =
        (variants().count_transitions().unwrap(), variants().count_transversions().unwrap());
    assert_eq!(variants().ts_tv_ratio().unwrap(), Some(transitions as f64 / transversions as f64));
    assert_eq!(variants().limit(0).ts_tv_ratio().unwrap(), None);
    assert!(reads().count_transitions().unwrap_err().is_invalid());
    let by_type = variants().group_by_variant_type().unwrap();
    assert_eq!(by_type["snp"], ask("SELECT count(*) FROM VCF WHERE variant_type(ref, alt) = 'snp'"));
    let by_contig = variants().group_by_chromosome().unwrap();
    assert_eq!(by_contig.values().sum::<u64>(), ask("SELECT count(*) FROM VCF"));
    assert_eq!(by_contig["chr1"], ask("SELECT count(*) FROM VCF WHERE chrom = 'chr1'"));
    let alleles = variants().unique_alleles().unwrap();
    let distinct = "SELECT count(DISTINCT a) FROM (SELECT ref AS a FROM VCF UNION ALL SELECT unnest(alt) FROM VCF)";
    assert_eq!(alleles.len() as u64, ask(distinct));
    let genotypes = variants().extract_genotypes("NA12891").unwrap();
    assert_eq!(genotypes.len() as u64, ask("SELECT count(*) FROM VCF"));
    let called = genotypes.iter().flatten().count() as u64;
    assert_eq!(called, ask("SELECT count(sample(format_gt, 'NA12891')) FROM VCF"));
    assert!(variants().extract_genotypes("nobody").unwrap_err().to_string().contains("no sample"));
}

/// A region for every other base, then few of them: texts of each would be 30 MB.
#[test]
fn very_many_regions_are_one_condition() {
    let every_other = |from: i64, to: i64| -> RegionSet {
        let base = |at| Interval::new(at, at).unwrap();
        let on = |contig| (from..to).step_by(2).map(move |at| Region::new(contig, base(at)));
        ["chr1", "2", "on no file"].into_iter().flat_map(on).collect()
    };
    let dataset = tempfile::tempdir().unwrap();
    let bams3 = dataset.path().join("x.bams3").display().to_string();
    let convert =
        std::process::Command::new(crate::support::gf()).args(["convert", &data("sample.bam"), &bams3]).output();
    assert!(convert.unwrap().status.success());
    let all = every_other(1, 1_000_000);
    assert_eq!(all.len(), 1_500_000);
    for path in [data("sample.bam"), bams3, data("cohort.vcf.gz"), data("genes.gff3.gz"), data("targets3.bed")] {
        let frame = || GenomicFrame::scan(&path).unwrap();
        let schema = frame().schema().unwrap();
        let start = schema.fields().iter().find(|f| f.metadata().get(ROLE).is_some_and(|r| r == ROLE_START)).unwrap();
        // All but those of one odd base, which lie between two regions.
        let inside = frame().filter_by_regions(&all).count().unwrap();
        let on = frame().filter_by_regions(["chr1", "chr2"]);
        let outside = on.clone().filter(!in_region_set(all.clone())).count().unwrap();
        assert!(inside > 0 && inside + outside == on.count().unwrap(), "{path}: {inside} + {outside}");
        // Some regions prune, and alone they are what they are with another condition.
        let some = every_other(20_001, 24_000);
        let span = frame().filter_by_regions(["chr1:20001-23999", "chr2:20001-23999"]);
        let kept = frame().filter_by_regions(some.clone());
        let known = col(start.name()).is_not_null();
        assert_eq!(kept.count().unwrap(), span.clone().filter(in_region_set(some.clone())).count().unwrap(), "{path}");
        assert_eq!(kept.count().unwrap(), kept.clone().filter(known).count().unwrap(), "{path}");
        let explained = kept.explain_optimized().unwrap();
        assert!(explained.contains("000 in all") && explained.contains("regions="), "{explained}");
    }
    let regions = GenomicFrame::scan_bed(data("targets3.bed")).unwrap().to_region_set().unwrap();
    let listed = GenomicFrame::scan_bed(data("targets3.bed")).unwrap().to_intervals().unwrap();
    assert_eq!(regions, listed.into_iter().collect());
}

#[test]
fn coverage_of_intervals_is_that_of_bedtools() {
    let panel = || GenomicFrame::scan_bed(data("targets3.bed")).unwrap();
    let places = panel().to_intervals().unwrap();
    assert_eq!(places[0].to_string(), "chr1:9659-9659");
    let covered = panel().interval_coverage().unwrap();
    let bases = |regions: &[genomicframe::core::genome::Region]| {
        regions.iter().map(|r| (r.interval().end().get() - r.interval().start().get() + 1) as u64).sum::<u64>()
    };
    assert_eq!(covered.iter().map(|(r, n)| bases(std::slice::from_ref(r)) * n).sum::<u64>(), bases(&places));
    let Some(bedtools) = crate::support::peer("bedtools") else { return };
    let folder = tempfile::tempdir().unwrap();
    let (bed, lengths) = (folder.path().join("sorted.bed"), folder.path().join("lengths"));
    let mut lines: Vec<String> = places
        .iter()
        .map(|r| format!("{}\t{}\t{}\n", r.contig(), r.interval().start().get() - 1, r.interval().end().get()))
        .collect();
    lines.sort();
    std::fs::write(&bed, lines.concat()).unwrap();
    let contigs: std::collections::BTreeSet<&str> = places.iter().map(|r| r.contig()).collect();
    std::fs::write(&lengths, contigs.iter().map(|c| format!("{c}\t9999999\n")).collect::<String>()).unwrap();
    let args = ["genomecov", "-bg", "-i", bed.to_str().unwrap(), "-g", lengths.to_str().unwrap()];
    let mut expected: Vec<String> = crate::support::output(&bedtools, &args).lines().map(str::to_owned).collect();
    let line = |(r, n): &(genomicframe::core::genome::Region, u64)| {
        format!("{}\t{}\t{}\t{n}", r.contig(), r.interval().start().get() - 1, r.interval().end().get())
    };
    let mut found: Vec<String> = covered.iter().map(line).collect();
    expected.sort();
    found.sort();
    assert_eq!(found, expected);
}

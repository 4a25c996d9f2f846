//! The chained door: verbs, terminal calls, threads and runtimes.

use std::sync::Arc;

use datafusion::arrow::array::{AsArray, RecordBatchReader};
use datafusion::arrow::datatypes::Int64Type;
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

//! That the pruning really happens: bytes and requests, as planned and as counted.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures::StreamExt;
use genomicframe_core::bgzf::block_size;
use genomicframe_core::formats;
use genomicframe_core::genome::{Contigs, RegionSet};
use genomicframe_core::index::BinningIndex;
use genomicframe_core::io::{Location, ObjectIo, Storage};
use genomicframe_core::scan::{
    Condition, Dataset, Literal, Op, OpenOptions, Partition, ScanMetrics, ScanRequest, drive, narrow,
};

use crate::support::{Random, context, data, query};

/// Stored bytes of the BGZF blocks that the index names for the regions, and the number of ranges they make.
pub fn named_by_index(path: &str, index: &str, ids: &[(usize, &RegionSet, &str)]) -> (u64, u64) {
    let file = std::fs::read(path).unwrap();
    let index = BinningIndex::parse(&std::fs::read(index).unwrap()).unwrap();
    let mut blocks = std::collections::BTreeSet::new();
    let mut ranges = 0;
    for (id, regions, contig) in ids {
        for chunk in index.chunks(*id, regions.intervals(contig)) {
            ranges += 1;
            let mut at = chunk.start.compressed();
            while at < chunk.stop.compressed() || (at == chunk.stop.compressed() && chunk.stop.within() > 0) {
                let size = block_size(&file[at as usize..]).unwrap().unwrap() as u64;
                blocks.insert((at, size));
                at += size;
            }
        }
    }
    (blocks.iter().map(|(_, size)| size).sum(), ranges)
}

/// The sample's alignments, with their index.
async fn indexed() -> (String, Arc<dyn ObjectIo>, Location, Arc<dyn Dataset>) {
    let path = data("sample.bam");
    let io: Arc<dyn ObjectIo> = Arc::new(Storage::default());
    let at = Location::parse(&path).unwrap();
    let dataset = formats::open(&at, &*io, &OpenOptions::default()).await.unwrap();
    dataset.load_index(&*io, None).await.unwrap();
    (path, io, at, dataset)
}

#[tokio::test]
async fn a_region_reads_the_blocks_its_index_names() {
    let (path, io, at, dataset) = indexed().await;
    let mut left_out = 0;
    for (texts, ids) in [
        (vec!["chr2:50000-50100"], vec![1]),
        (vec!["chr10"], vec![2]),
        (vec!["chrX:1-1000", "chrM:15000-16000"], vec![3, 4]),
        (vec!["chr1:179000-180000"], vec![0]),
    ] {
        let regions: RegionSet =
            texts.iter().map(|t| genomicframe_core::genome::Region::parse(t, |_| false).unwrap()).collect();
        let contigs = dataset.contigs().unwrap();
        let named: Vec<_> = ids.iter().map(|id| (*id, &regions, contigs.name(*id).unwrap())).collect();
        let (bytes, ranges) = named_by_index(&path, &format!("{path}.bai"), &named);
        let request = ScanRequest { regions: Some(Arc::new(regions.clone())), ..ScanRequest::all(vec![0]) };
        let plan = dataset.plan(&request).unwrap();
        let allowed = bytes * 12 / 10 + ranges * 65536;
        let (planned, requests) = plan.reads(io.requests(&at));
        assert!(planned <= allowed, "{texts:?}: {planned} planned, {allowed} allowed");
        let scan = |partitions: Vec<Partition>| async {
            let (metrics, mut rows) = (Arc::new(ScanMetrics::default()), Vec::new());
            for partition in partitions {
                let decoder = dataset.decoder(&request, &partition).unwrap();
                let (io, objects) = (Arc::clone(&io), Arc::clone(&plan.objects));
                let stream = drive(io, objects, partition, decoder, Arc::clone(&metrics));
                rows.extend(stream.map(Result::unwrap).collect::<Vec<_>>().await);
            }
            (metrics, rows)
        };
        let (metrics, rows) = scan(plan.partitions.clone()).await;
        assert!(metrics.bytes_read.load(Ordering::Relaxed) <= planned, "{texts:?}: read what the plan says");
        assert!(metrics.requests.load(Ordering::Relaxed) <= requests, "{texts:?}");
        // What lies in the last blocks beyond the region is not looked at, which changes no row.
        let mut to_the_end = plan.partitions.clone();
        to_the_end.iter_mut().flat_map(|p| &mut p.segments).for_each(|s| s.until = None);
        let (all, same_rows) = scan(to_the_end).await;
        assert_eq!(rows, same_rows, "{texts:?}");
        let seen = |m: &ScanMetrics| m.records_seen.load(Ordering::Relaxed);
        assert!(seen(&metrics) <= seen(&all), "{texts:?}");
        left_out += seen(&all) - seen(&metrics);
    }
    assert!(left_out > 0);
}

/// Any condition on places reads the blocks that its least region set names, and at most a block more for each range of these.
#[tokio::test]
async fn random_conditions_read_the_blocks_of_their_regions() {
    let (path, io, at, dataset) = indexed().await;
    let (contigs, span) = (dataset.contigs().unwrap(), dataset.span_columns().unwrap());
    let whole = dataset.plan(&ScanRequest::all(vec![0])).unwrap().reads(io.requests(&at)).0;
    let mut random = Random(23);
    let (mut confined, mut least) = (0, whole);
    for _ in 0..600 {
        // Rows without a contig lie behind all others, which no region names.
        let placed = Condition::Not(Box::new(Condition::IsNull("rname".into())));
        let conditions = [placed, condition(&mut random, contigs, 3)];
        let Some(regions) = narrow(&conditions, span, Some(contigs)) else { continue };
        let named: Vec<_> = (0..contigs.len()).map(|id| (id, &regions, contigs.name(id).unwrap())).collect();
        let named: Vec<_> = named.into_iter().filter(|(_, set, name)| !set.intervals(name).is_empty()).collect();
        let (bytes, ranges) = named_by_index(&path, &format!("{path}.bai"), &named);
        let request = ScanRequest { regions: Some(Arc::new(regions.clone())), ..ScanRequest::all(vec![0]) };
        let planned = dataset.plan(&request).unwrap().reads(io.requests(&at)).0;
        assert!(
            planned <= bytes + ranges * 65536,
            "{conditions:?}: {regions}: {planned} planned, {bytes} in {ranges} ranges"
        );
        confined += usize::from(planned * 2 < whole);
        least = least.min(planned);
    }
    assert!(confined > 100 && least == 0, "{confined} conditions confine, the least to {least} bytes");
}

/// Comparisons of contig, start and end, joined by AND, OR and NOT.
fn condition(random: &mut Random, contigs: &Contigs, depth: u64) -> Condition {
    let op = [Op::Eq, Op::Ne, Op::Lt, Op::Le, Op::Gt, Op::Ge][random.below(6) as usize];
    match random.below(if depth > 0 { 8 } else { 4 }) {
        0 | 1 => {
            let name = contigs.name(random.below(contigs.len() as u64) as usize).unwrap();
            let op = if random.below(4) > 0 { Op::Eq } else { op };
            Condition::Compare("rname".into(), op, Literal::Text(name.into()))
        }
        column @ (2 | 3) => {
            let column = if column == 2 { "pos" } else { "end" };
            Condition::Compare(column.into(), op, Literal::Int(random.below(200_000) as i64))
        }
        4 => Condition::Not(Box::new(condition(random, contigs, depth - 1))),
        5 => Condition::Or((0..2).map(|_| condition(random, contigs, depth - 1)).collect()),
        _ => Condition::And((0..2).map(|_| condition(random, contigs, depth - 1)).collect()),
    }
}

/// A partition goes to another process as text and comes back the same.
#[tokio::test]
async fn partitions_are_plain_values() {
    let io = Storage::default();
    let dataset =
        formats::open(&Location::parse(&data("sample.bam")).unwrap(), &io, &OpenOptions::default()).await.unwrap();
    dataset.load_index(&io, None).await.unwrap();
    let plan = dataset.plan(&ScanRequest { partitions: 3, ..ScanRequest::all(vec![0]) }).unwrap();
    assert_eq!(plan.partitions.len(), 3);
    let text = serde_json::to_string(&(&plan.partitions, &plan.objects)).unwrap();
    type Plain = (Vec<genomicframe_core::scan::Partition>, Vec<genomicframe_core::io::ObjectMeta>);
    let (partitions, objects): Plain = serde_json::from_str(&text).unwrap();
    assert_eq!((partitions, &objects[..]), (plan.partitions.clone(), &plan.objects[..]));
}

/// The number after `key=` in a plan.
fn planned(plan: &[String], key: &str) -> u64 {
    let text = plan.join("\n");
    let at = text.find(&format!("{key}=")).unwrap_or_else(|| panic!("no {key} in {text}")) + key.len() + 1;
    text[at..].chars().take_while(char::is_ascii_digit).collect::<String>().parse().unwrap()
}

/// Predicates that name one stretch of `sample.bam` in many ways.
pub const SHAPES: [&str; 7] = [
    "rname = 'chr10' AND pos BETWEEN 100 AND 20000",
    "rname = 'chr10' AND pos <= 20000 AND end >= 100",
    "rname IN ('chr10') AND end >= 100 AND NOT pos > 20000",
    "(rname = 'chr10' AND pos < 1000) OR (rname = 'chr10' AND pos > 5000 AND pos <= 20000)",
    "20000 >= pos AND 'chr10' = rname",
    "in_region(rname, pos, end, 'chr10:100-20,000')",
    "in_region(rname, pos, end, 'chr10:100-20,000') AND mapq >= 30",
];

#[tokio::test]
async fn every_shape_of_predicate_narrows_the_scan() {
    let path = data("sample.bam");
    let ctx = context(1, 8192);
    let whole = std::fs::metadata(&path).unwrap().len();
    for predicate in SHAPES {
        let plan = query(&ctx, &format!("EXPLAIN SELECT qname FROM '{path}' WHERE {predicate}")).await;
        let bytes = planned(&plan, " bytes");
        assert!(bytes < whole / 2, "{predicate}: {bytes} of {whole} bytes: {plan:?}");
        assert!(plan.join("").contains("index=BAI"), "{predicate}");
    }
    // Nothing to read at all.
    for predicate in
        ["rname = 'nowhere'", "rname = 'chr1' AND rname = 'chr2'", "rname = 'chr1' AND pos > 9 AND pos < 9"]
    {
        let plan = query(&ctx, &format!("EXPLAIN SELECT qname FROM '{path}' WHERE {predicate}")).await;
        if !plan.join("").contains("EmptyExec") {
            assert_eq!(planned(&plan, " bytes"), 0, "{predicate}: {plan:?}");
        }
        assert!(query(&ctx, &format!("SELECT qname FROM '{path}' WHERE {predicate}")).await.is_empty());
    }
}

#[tokio::test]
async fn counting_a_whole_indexed_file_reads_no_data() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["sample.bam", "sample.bam.bai"] {
        std::fs::copy(data(name), folder.path().join(name)).unwrap();
    }
    let path = folder.path().join("sample.bam").display().to_string();
    let ctx = context(2, 8192);
    let plan = query(&ctx, &format!("EXPLAIN SELECT count(*) FROM '{path}'")).await.join("");
    assert!(plan.contains("PlaceholderRowExec"), "{plan}");
    let counted = query(&ctx, &format!("SELECT count(*) FROM '{path}'")).await;
    let scanned = query(&ctx, &format!("SELECT count(*) FROM read_bam('{path}', index => 'none')")).await;
    assert_eq!(counted, scanned);
    // An index older than its data proves nothing.
    let data = std::fs::File::options().append(true).open(&path).unwrap();
    data.set_modified(std::time::SystemTime::now() + std::time::Duration::from_secs(60)).unwrap();
    let plan = query(&ctx, &format!("EXPLAIN SELECT count(*) FROM '{path}'")).await.join("");
    assert!(plan.contains("DataSourceExec"), "{plan}");
    assert_eq!(query(&ctx, &format!("SELECT count(*) FROM '{path}'")).await, scanned);
}

#[tokio::test]
async fn counting_whole_contigs_of_an_indexed_file_reads_no_data() {
    let ctx = context(2, 8192);
    for (file, column, contigs) in [
        ("sample.bam", "rname", "'chr2', 'chrX'"),
        ("cohort.vcf.gz", "chrom", "'chr1', 'chrX'"),
        ("genes.gff3.gz", "seqid", "'chr2'"),
    ] {
        let path = data(file);
        let count = |table: &str, more: &str| {
            format!("SELECT count(*) FROM {table} WHERE {column} IN ({contigs}, 'nowhere'){more}")
        };
        let (indexed, plain) = (format!("'{path}'"), format!("read_files('{path}', index => 'none')"));
        let plan = query(&ctx, &format!("EXPLAIN {}", count(&indexed, ""))).await;
        assert_eq!((planned(&plan, " bytes"), planned(&plan, "requests")), (0, 0), "{plan:?}");
        assert_eq!(query(&ctx, &count(&indexed, "")).await, query(&ctx, &count(&plain, "")).await, "{file}");
        // A condition on anything else takes the rows to be read.
        let also = format!(" AND {column} LIKE '%2'");
        assert_eq!(query(&ctx, &count(&indexed, &also)).await, query(&ctx, &count(&plain, &also)).await, "{file}");
    }
    let path = data("sample.bam");
    let both = "rname = 'chr2' AND mapq >= 30";
    let plan = query(&ctx, &format!("EXPLAIN SELECT count(*) FROM '{path}' WHERE {both}")).await;
    assert!(planned(&plan, " bytes") > 0, "{plan:?}");
}

#[tokio::test]
async fn contigs_of_rows_come_from_the_index_in_the_order_of_the_file() {
    let ctx = context(1, 100);
    for (file, column) in
        [("sample.bam", "rname"), ("cohort.vcf.gz", "chrom"), ("sites.vcf.gz", "chrom"), ("genes.gff3.gz", "seqid")]
    {
        let path = data(file);
        let (indexed, plain) = (format!("'{path}'"), format!("read_files('{path}', index => 'none')"));
        for query_of in [
            |column: &str, from: &str| format!("SELECT {column} FROM {from}"),
            |column: &str, from: &str| {
                format!("SELECT {column}, count(*) FROM {from} GROUP BY {column} ORDER BY {column}")
            },
            |column: &str, from: &str| format!("SELECT count({column}), count(*) FROM {from}"),
            |column: &str, from: &str| {
                format!("SELECT {column}, {column} AS again FROM {from} WHERE {column} = 'chr2'")
            },
        ] {
            let asked = query_of(column, &indexed);
            let plan = query(&ctx, &format!("EXPLAIN {asked}")).await;
            assert_eq!((planned(&plan, " bytes"), planned(&plan, "requests")), (0, 0), "{plan:?}");
            let rows = query(&ctx, &asked).await;
            assert!(!rows.is_empty());
            assert_eq!(rows, query(&ctx, &query_of(column, &plain)).await, "{asked}");
        }
        // A limit is reached sooner by reading, and a condition on more takes the rows.
        for more in [format!("WHERE {column} LIKE '%2'"), "LIMIT 3".into()] {
            let of = |from: &str| format!("SELECT {column} FROM {from} {more}");
            assert_eq!(query(&ctx, &of(&indexed)).await, query(&ctx, &of(&plain)).await, "{file} {more}");
        }
    }
}

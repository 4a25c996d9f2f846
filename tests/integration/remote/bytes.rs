//! The bytes and round trips that a region costs beside what its index names, and the memory that a scan takes.
//!
//! Bytes are those that a proxy sent; what must be read is counted from the files.

use std::fmt::Write;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use genomicframe::GenomicContext;
use genomicframe::bams3::column::ColumnId;
use genomicframe::bams3::index::{GroupStats, decode};
use genomicframe::bams3::metadata::{Metadata, ROOT};
use genomicframe::bams3::writer::Cutting;
use genomicframe::convert::{BamOptions, ConvertOptions, convert};
use genomicframe::core::bgzf::{Deflater, EOF_BLOCK, Level, VirtualOffset, block_size, inflated_size};
use genomicframe::core::formats;
use genomicframe::core::genome::{Contig, Contigs, Interval, Region, RegionSet};
use genomicframe::core::index::{Chunk, IndexBuilder, Span};
use genomicframe::core::io::{Location, Storage};
use genomicframe::core::scan::OpenOptions;

use super::proxy::{Answers, Proxy, echo};
use super::servers::{self, s3_options};
use crate::pruning::named_by_index;
use crate::support::{Random, query};

/// Length of the one contig, and the region of it that is asked for.
const LENGTH: u64 = 1_000_000;
const REGION: (u64, u64) = (400_001, 500_000);
/// Where the second region begins beyond the first.
const FURTHER: u64 = 150_000;
/// Reads of 100 bases and sites that are so far apart.
const READS_APART: u64 = 7;
const SITES_APART: u64 = 5;

/// `reads.bam` of some 16 MB, `reads.bams3` of the same, and `sites.vcf.gz`, in the bucket `lab`, made once.
fn bucket() -> &'static Path {
    static MADE: OnceLock<tempfile::TempDir> = OnceLock::new();
    let made = MADE.get_or_init(|| {
        let root = tempfile::tempdir().unwrap();
        let lab = root.path().join("lab");
        std::fs::create_dir(&lab).unwrap();
        std::fs::write(root.path().join("reads.sam"), reads()).unwrap();
        let path = |name: &str| root.path().join(name).display().to_string();
        let to = path("lab/reads.bams3");
        convert(&path("reads.sam"), &to, &ConvertOptions::new().threads(2)).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let back = lab.join("reads.bam");
        let export = move || {
            let ctx = GenomicContext::new();
            runtime.block_on(async { ctx.export_bam(&to, &back, &BamOptions::default()).await.unwrap() })
        };
        // A test may be a task itself.
        std::thread::spawn(export).join().unwrap();
        let (sites, index) = sites();
        std::fs::write(lab.join("sites.vcf.gz"), sites).unwrap();
        std::fs::write(lab.join("sites.vcf.gz.tbi"), index).unwrap();
        root
    });
    made.path()
}

/// Letters that a window of deflate does not see twice.
fn letters(random: &mut Random, of: &[u8]) -> String {
    (0..1 << 20).map(|_| of[random.below(of.len() as u64) as usize] as char).collect()
}

/// SAM text.
fn reads() -> String {
    let mut random = Random(1);
    let (bases, qualities) = (letters(&mut random, b"ACGT"), letters(&mut random, b"#-5AFIIIII"));
    let mut text = format!("@HD\tVN:1.6\tSO:coordinate\n@SQ\tSN:chr1\tLN:{LENGTH}\n");
    for (i, pos) in (1..LENGTH - 100).step_by(READS_APART as usize).enumerate() {
        let (at, mapq) = (random.below((1 << 20) - 100) as usize, random.below(61));
        let cigar = ["100M", "40M2D60M", "30S70M", "100M"][random.below(4) as usize];
        let (bases, qualities) = (&bases[at..at + 100], &qualities[at..at + 100]);
        let flag = if i % 2 == 0 { 0 } else { 16 };
        writeln!(
            text,
            "run:{i}\t{flag}\tchr1\t{pos}\t{mapq}\t{cigar}\t*\t0\t0\t{bases}\t{qualities}\tNM:i:{}",
            mapq % 5
        )
        .unwrap();
    }
    text
}

/// A bgzipped VCF and its TBI.
fn sites() -> (Vec<u8>, Vec<u8>) {
    let header = format!(
        "##fileformat=VCFv4.2\n##contig=<ID=chr1,length={LENGTH}>\n\
         ##INFO=<ID=AF,Number=A,Type=Float,Description=\"\">\n##FORMAT=<ID=GT,Number=1,Type=String,Description=\"\">\n\
         ##FORMAT=<ID=AD,Number=R,Type=Integer,Description=\"\">\n\
         #CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\ta\tb\tc\td\te\tf\tg\th\n"
    );
    let mut contigs = Contigs::default();
    contigs.push(Contig { name: "chr1".into(), length: Some(LENGTH) });
    let (mut deflater, mut builder) =
        (Deflater::new(Level::default()).unwrap(), IndexBuilder::new(&contigs, None).unwrap());
    let mut stored = Vec::new();
    deflater.compress_block(header.as_bytes(), &mut stored).unwrap();
    let (mut random, mut lines) = (Random(2), String::new());
    for pos in (1..LENGTH).step_by(SITES_APART as usize) {
        let begin = lines.len();
        let (r, alt) = (random.below(4) as usize, random.below(3) as usize);
        let (reference, alt) = ("ACGT".as_bytes()[r] as char, "ACGTACGT".as_bytes()[r + 1 + alt] as char);
        let (qual, af) = (random.below(10_000), random.below(1000));
        write!(lines, "chr1\t{pos}\t.\t{reference}\t{alt}\t{qual}\tPASS\tAF=0.{af:03}\tGT:AD").unwrap();
        for _ in 0..8 {
            let (a, b) = (random.below(2), random.below(2));
            write!(lines, "\t{a}/{b}:{},{}", random.below(60), random.below(60)).unwrap();
        }
        lines.push('\n');
        let at = |n: usize| VirtualOffset::new(stored.len() as u64, n as u16);
        let span = Span { contig: Some(0), start: pos as i64 - 1, end: pos as i64, mapped: true };
        builder.push(span, Chunk { start: at(begin), stop: at(lines.len()) }).unwrap();
        if lines.len() > 60_000 {
            deflater.compress_block(lines.as_bytes(), &mut stored).unwrap();
            lines.clear();
        }
    }
    deflater.compress_block(lines.as_bytes(), &mut stored).unwrap();
    stored.extend(EOF_BLOCK);
    // A TBI is a BAI with names: of VCF, whose contig, start and end stand in the columns 1, 2 and none.
    let bai = builder.finish().unwrap();
    let mut tbi = b"TBI\x01".to_vec();
    for n in [1i32, 2, 1, 2, 0, i32::from(b'#'), 0, 5] {
        tbi.extend(n.to_le_bytes());
    }
    tbi.extend(b"chr1\0");
    tbi.extend(&bai[8..]);
    let mut index = Vec::new();
    deflater.compress(&tbi, &mut index).unwrap();
    index.extend(EOF_BLOCK);
    (stored, index)
}

fn size(path: impl AsRef<Path>) -> u64 {
    std::fs::metadata(path).unwrap().len()
}

/// Stored bytes of the blocks that hold the first `inflated` bytes of a file, and of its end.
fn header(path: &str, inflated: usize) -> u64 {
    let file = std::fs::read(path).unwrap();
    let (mut at, mut seen) = (0, 0);
    while seen < inflated {
        let block = block_size(&file[at..]).unwrap().unwrap();
        seen += inflated_size(&file[at..at + block]).unwrap();
        at += block;
    }
    (at + EOF_BLOCK.len()) as u64
}

/// What cannot be left out: the blocks that the index names for the region, the header with the end, and the index.
async fn needed(path: &str, index: &str, contig: &str, region: (u64, u64)) -> u64 {
    needed_of_all(path, index, contig, &[region]).await
}

/// The same of several regions.
async fn needed_of_all(path: &str, index: &str, contig: &str, regions: &[(u64, u64)]) -> u64 {
    let at = Location::parse(path).unwrap();
    let dataset = formats::open(&at, &Storage::default(), &OpenOptions::default()).await.unwrap();
    let id = dataset.contigs().unwrap().get(contig).unwrap();
    let region = |(start, end): &(u64, u64)| Region::new(contig, Interval::new(*start as i64, *end as i64).unwrap());
    let (index, regions): (_, RegionSet) = (format!("{path}{index}"), regions.iter().map(region).collect());
    let (blocks, _) = named_by_index(path, &index, &[(id, &regions, contig)]);
    blocks + header(path, dataset.header_text().unwrap().len()) + size(&index)
}

/// Bytes between two pages that are read over.
const GAP: u64 = 32 << 10;

/// The pages of `columns` in the row groups that reach into the region, near ones merged, with root, header and index.
fn needed_of_bams3(path: &str, columns: &[ColumnId], (start, end): (u64, u64)) -> u64 {
    let root = std::fs::read(format!("{path}/{ROOT}")).unwrap();
    let metadata = Metadata::parse(&root).unwrap();
    let mut bytes = root.len() as u64 + metadata.header.bytes;
    for part in &metadata.index {
        bytes += part.object.bytes;
        for chunk in decode(&std::fs::read(format!("{path}/{}", part.object.path)).unwrap()).unwrap() {
            let is_read = |s: &GroupStats| s.start_min < end as i64 && s.start_max + 1 >= start as i64;
            let groups = chunk.groups.iter().filter(|group| is_read(&group.stats));
            let pages = groups.flat_map(|group| columns.iter().filter_map(|c| group.page(*c)));
            let mut ranges: Vec<_> = pages.map(|page| page.range()).collect();
            ranges.sort_by_key(|range| range.start);
            let gaps = ranges.windows(2).map(|pair| pair[1].start - pair[0].end).filter(|gap| *gap <= GAP);
            bytes += gaps.sum::<u64>() + ranges.iter().map(|range| range.end - range.start).sum::<u64>();
        }
    }
    bytes
}

/// Round trips of requests that are sent together are told apart from those that wait for one another.
const DISTANCE: Duration = Duration::from_millis(20);

/// What a query costs in a new context, and what the same query of the region beside it costs there then.
async fn costs(proxy: &Proxy, sql: impl Fn(&str, u64) -> String, local: &str) -> [Answers; 2] {
    let (here, ctx) = (GenomicContext::new(), servers::context(&s3_options(&proxy.url)));
    let mut costs = Vec::new();
    for further in [0, FURTHER] {
        proxy.take_answers();
        let rows = query(&ctx, &sql("s3://lab", further)).await;
        costs.push(proxy.take_answers());
        assert_eq!(rows, query(&here, &sql(local, further)).await);
        assert!(!rows.is_empty());
    }
    costs.try_into().unwrap()
}

/// What a region took beside what it `needed`, and whether that is so many round trips and a fifth more at most.
struct Verdict {
    text: String,
    is_kept: bool,
}

fn verdict(what: &str, took: Answers, needed: u64, trips: usize) -> Verdict {
    let Answers { requests, bytes, round_trips } = took;
    let ratio = bytes as f64 / needed as f64;
    let text = format!("{what}: {bytes} bytes, {ratio:.3} of those needed, {requests} requests, {round_trips} deep");
    eprintln!("{text}");
    Verdict { text, is_kept: ratio <= 1.2 && round_trips <= trips }
}

/// Round trips of a region, cold and warm: beginning and end, index, rows; whether it is the same, rows.
const TRIPS: [(&str, usize); 2] = [("cold", 3), ("warm", 2)];
/// Those of BAMS3: root with header and index, rows; whether it is the same, rows.
const TRIPS_OF_BAMS3: [(&str, usize); 2] = [("cold", 2), ("warm", 2)];

/// That a target is kept by a cold region, and by the next one of the opened file.
fn judge(what: &str, trips: [(&str, usize); 2], took: [Answers; 2], needed: [u64; 2]) {
    for (((when, trips), took), needed) in trips.iter().zip(took).zip(needed) {
        let Verdict { text, is_kept } = verdict(&format!("{what}, {when}"), took, needed, *trips);
        assert!(is_kept, "{text}");
    }
}

async fn distant(root: &Path) -> Proxy {
    let proxy = Proxy::before(&servers::s3(root).await).await;
    proxy.latency(DISTANCE);
    proxy
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cold_region_takes_little_more_than_it_needs() {
    let root = bucket();
    let (proxy, local) = (distant(root).await, root.join("lab").display().to_string());
    let regions = [0, FURTHER].map(|further| (REGION.0 + further, REGION.1 + further));
    for (file, index, contig) in [("reads.bam", ".bai", "rname"), ("sites.vcf.gz", ".tbi", "chrom")] {
        let sql = |base: &str, further| {
            let (start, end) = (REGION.0 + further, REGION.1 + further);
            format!("SELECT * FROM '{base}/{file}' WHERE {contig} = 'chr1' AND pos BETWEEN {start} AND {end}")
        };
        let path = format!("{local}/{file}");
        let needed = [needed(&path, index, "chr1", regions[0]).await, needed(&path, index, "chr1", regions[1]).await];
        judge(file, TRIPS, costs(&proxy, sql, &local).await, needed);
    }
    let sql = |base: &str, further| {
        let (start, end) = (REGION.0 + further, REGION.1 + further);
        let columns = "pos, flag, mapq, cigar";
        format!("SELECT {columns} FROM '{base}/reads.bams3' WHERE rname = 'chr1' AND pos BETWEEN {start} AND {end}")
    };
    // A region is about spans.
    let place = [ColumnId::CONTIG, ColumnId::START, ColumnId::SPAN];
    let columns = [&place[..], &[ColumnId::FLAG, ColumnId::MAPQ, ColumnId::CIGAR]].concat();
    let needed = regions.map(|region| needed_of_bams3(&format!("{local}/reads.bams3"), &columns, region));
    judge("reads.bams3, four columns", TRIPS_OF_BAMS3, costs(&proxy, sql, &local).await, needed);
}

/// A panel's genes, far enough from each other to be asked for one by one.
const PANEL: [(u64, u64); 4] = [(50_001, 70_000), (300_001, 320_000), (550_001, 551_000), (800_001, 830_000)];

/// The small side of a join is read first, and of the large one what lies in its regions.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_join_with_a_panel_takes_little_more_than_the_panels_regions_need() {
    let root = bucket();
    let (proxy, local) = (distant(root).await, root.join("lab").display().to_string());
    let folder = tempfile::tempdir().unwrap();
    let panel = folder.path().join("panel.bed").display().to_string();
    let lines = PANEL.map(|(start, end)| format!("chr1\t{}\t{end}\n", start - 1));
    std::fs::write(&panel, lines.concat()).unwrap();
    let sql = |base: &str, file: &str| {
        format!(
            "SELECT p.start, count(*), avg(mapq) FROM '{panel}' p JOIN '{base}/{file}' r \
             ON overlaps(p.chrom, p.start, p.end, r.rname, r.pos, r.end) GROUP BY p.start"
        )
    };
    let (here, ctx) = (GenomicContext::new(), servers::context(&s3_options(&proxy.url)));
    let mut took = Vec::new();
    for file in ["reads.bam", "reads.bams3"] {
        proxy.take_answers();
        let rows = query(&ctx, &sql("s3://lab", file)).await;
        took.push(proxy.take_answers());
        assert_eq!(rows, query(&here, &sql(&local, file)).await);
        assert_eq!(rows.len(), PANEL.len());
    }
    let needed = needed_of_all(&format!("{local}/reads.bam"), ".bai", "chr1", &PANEL).await;
    // Beginning and end, whether there is an index, the index, rows.
    let Verdict { text, is_kept } = verdict("reads.bam with a panel", took[0], needed, 4);
    assert!(is_kept, "{text}");
    assert!(took[1].bytes * 2 < took[0].bytes, "{} bytes of BAMS3, {} of BAM", took[1].bytes, took[0].bytes);
    // Root with header and index, rows.
    assert!(took[1].round_trips <= 2, "{:?}", took[1]);
}

/// Chunks are asked for before those in front of them are decoded, though each is a request for every column.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chunks_that_follow_are_under_way() {
    let root = servers::own_shelf();
    let (proxy, path) = (distant(root.path()).await, root.path().join("lab/many.bams3").display().to_string());
    let options =
        ConvertOptions::new().threads(2).cutting(Cutting { group_rows: 1000, ..Cutting::default() }).chunk_rows(3000);
    convert(&bucket().join("reads.sam").display().to_string(), &path, &options).unwrap();
    let chunks = std::fs::read_dir(format!("{path}/data/chr1")).unwrap().count();
    assert!(chunks > 40, "{chunks}");
    // Far regions of one row group each, and all of the dataset.
    let regions: Vec<String> = (0..40).map(|i| format!("pos BETWEEN {0} AND {0} + 9", 1000 + 24_000 * i)).collect();
    for condition in [regions.join(" OR "), "mapq >= 0".to_owned()] {
        let sql = |at: &str| format!("SELECT pos, flag, cigar FROM '{at}' WHERE {condition}");
        let ctx = servers::context(&s3_options(&proxy.url));
        proxy.take_answers();
        let rows = query(&ctx, &sql("s3://lab/many.bams3")).await;
        let took = proxy.take_answers();
        assert_eq!(rows, query(&GenomicContext::new(), &sql(&path)).await);
        eprintln!("{} chunks: {took:?}", chunks);
        // A chunk after the other in two threads would be some 20.
        assert!(took.requests > 40 && took.round_trips <= 16, "{took:?}");
    }
}

/// Measures `GF_BYTES_FILE`, a BAM or VCF with its BAI or TBI, at `GF_BYTES_REGION`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures a file that the user names"]
async fn a_region_of_a_file_of_yours() {
    let file = std::env::var("GF_BYTES_FILE").unwrap();
    let region = Region::parse(&std::env::var("GF_BYTES_REGION").unwrap(), |_| false).unwrap();
    let (folder, name) = file.rsplit_once('/').unwrap();
    let (index, contig) = if name.ends_with(".bam") { (".bai", "rname") } else { (".tbi", "chrom") };
    let root = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(folder, root.path().join("lab")).unwrap();
    let name_of = region.contig();
    let (first, last) = (region.interval().start().get() as u64, region.interval().end().get() as u64);
    let sql = |base: &str, further: u64| {
        let (start, end) = (first + further, last + further);
        format!("SELECT * FROM '{base}/{name}' WHERE {contig} = '{name_of}' AND pos BETWEEN {start} AND {end}")
    };
    let took = costs(&distant(root.path()).await, sql, folder).await;
    for ((when, trips), (further, took)) in TRIPS.iter().zip([0, FURTHER].into_iter().zip(took)) {
        let region = (first + further, last + further);
        verdict(&format!("{name}, {when}"), took, needed(&file, index, name_of, region).await, *trips);
    }
}

/// Threads of [`peak`].
const THREADS: u64 = 2;
/// 16 MiB that a partition has under way, a request that it decodes, its batches, and what allocators keep of all of them.
const OF_A_PARTITION: u64 = 64 << 20;
/// A limit of which a quarter is less than that, and what is left of it all then.
const SMALL: &str = "16M";
const OF_A_SMALL_PARTITION: u64 = 16 << 20;

/// The most memory that `gf` has while it reads a whole file, allowed as much as `memory` for its queries.
fn peak(path: &str, memory: &str) -> u64 {
    let mut gf = servers::gf();
    gf.args([
        "sql",
        &format!("SELECT count(*) FROM '{path}' WHERE length(seq) > 1"),
        "--threads",
        &THREADS.to_string(),
        "--memory",
        memory,
    ]);
    let mut gf = gf.stdout(std::process::Stdio::null()).spawn().unwrap();
    let status = format!("/proc/{}/status", gf.id());
    let mut peak = 0;
    while gf.try_wait().unwrap().is_none() {
        // It is gone between the two calls, or has no memory any more.
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let anon =
            text.lines().find_map(|l| l.strip_prefix("RssAnon:")).map(|l| l.trim().trim_end_matches(" kB").parse());
        peak = peak.max(anon.map_or(0, |kb: Result<u64, _>| kb.unwrap() << 10));
        std::thread::sleep(Duration::from_millis(2));
    }
    assert!(gf.wait().unwrap().success());
    peak
}

/// A server that is faster than the program must not fill its memory.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_file_takes_no_more_memory_than_requests_ahead() {
    let read = format!("@read\n{}\n+\n{}\n", "ACGT".repeat(60), "FFFF".repeat(60));
    let file = (read.len() * 600_000) as u64;
    let short = echo(read.clone(), read.len() as u64 * 100).await;
    let long = echo(read, file).await;
    let peak =
        |address: &str, memory| tokio::task::block_in_place(|| peak(&format!("http://{address}/x.fastq"), memory));
    let short = peak(&short, "4G");
    for (memory, allowed) in [("4G", THREADS * OF_A_PARTITION), (SMALL, THREADS * OF_A_SMALL_PARTITION)] {
        let more = peak(&long, memory).saturating_sub(short);
        eprintln!(
            "memory of {memory}: {short} bytes for a short file, {more} more for one of {file} bytes, {allowed} allowed"
        );
        assert!(more <= allowed && allowed * 2 < file, "{memory}: {more} of {allowed}, {file}");
    }
}

use futures::executor::block_on;

use crate::error::Result;
use crate::formats::{bam::Bam, fastq::Fastq, gff::Gff, vcf::Vcf};
use crate::io::{Location, MemoryIo, ObjectIo};
use crate::scan::{Cut, Format, LineStarts, OpenOptions, RecordStarts, ScanRequest, StreamFile};
use crate::testing::{self, Random, bgzf};

/// Noise that does not compress, so that few records make a large file.
fn noise(random: &mut Random, length: usize) -> String {
    (0..length).map(|_| char::from(b'A' + random.below(26) as u8)).collect()
}

fn vcf(records: usize) -> Vec<u8> {
    let mut random = Random(3);
    let mut text = String::from("##fileformat=VCFv4.3\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n");
    for i in 0..records {
        let length = 50 + random.below(900);
        text += &format!("chr1\t{}\t.\tA\tC\t{i}\t.\tX={}\n", i + 1, noise(&mut random, length));
    }
    text.into_bytes()
}

fn gff(records: usize, tail: &str) -> Vec<u8> {
    let mut random = Random(4);
    let mut text = String::from("##gff-version 3\n");
    for i in 1..=records {
        let length = 50 + random.below(900);
        text += &format!("chr1\tx\tgene\t{i}\t{}\t.\t+\t.\tID={}\n", i + 5, noise(&mut random, length));
    }
    (text + tail).into_bytes()
}

fn fastq(records: usize) -> Vec<u8> {
    let mut random = Random(5);
    let mut text = String::new();
    for i in 0..records {
        let length = 50 + random.below(400);
        // A quality line that begins with a name's mark.
        text += &format!("@r{i}\n{0}\n+\n@{1}\n", noise(&mut random, length), noise(&mut random, length - 1));
    }
    text.into_bytes()
}

fn bam(records: usize, longest: usize) -> Vec<u8> {
    let mut random = Random(6);
    let mut out = b"BAM\x01\0\0\0\0\x01\0\0\0\x05\0\0\0chr1\0\0\0\0\x10".to_vec();
    for i in 0..records {
        let length = 2 * (25 + random.below(longest));
        let mut record = vec![0; 32];
        record[4..8].copy_from_slice(&(i as i32).to_le_bytes());
        record[8] = 5;
        record[16..20].copy_from_slice(&(length as i32).to_le_bytes());
        record[20..28].fill(0xff);
        record.extend_from_slice(b"read\0");
        record.extend((0..length / 2).map(|_| random.below(256) as u8));
        record.extend((0..length).map(|_| random.below(40) as u8));
        out.extend((record.len() as i32).to_le_bytes());
        out.extend(record);
    }
    out
}

/// Every row, in one partition and in as many as the file can be cut into; how many that were.
fn check(format: &dyn Format, stored: Vec<u8>, wanted: usize) -> usize {
    let opened = testing::open(format, stored, None, &OpenOptions::default()).unwrap();
    let whole = opened.scan(|_| {}).unwrap();
    block_on(opened.dataset.find_cuts(&*opened.io, wanted)).unwrap();
    let mut most = 0;
    for partitions in [wanted, 2, 1] {
        let cut = opened.scan(|request| request.partitions = partitions).unwrap();
        assert!(cut == whole, "{partitions} partitions have other rows");
        let request = ScanRequest { partitions, ..ScanRequest::all(vec![]) };
        most = most.max(opened.dataset.plan(&request).unwrap().partitions.len());
    }
    most
}

#[test]
fn the_same_rows_in_parts_of_files_without_an_index() {
    // Blocks that begin and end within records.
    for block in [60_000, 4093] {
        assert_eq!(check(&Bam, bgzf(&bam(20_000, 150), block), 4), 4);
        assert_eq!(check(&Vcf, bgzf(&vcf(10_000), block), 3), 3);
        assert_eq!(check(&Gff, bgzf(&gff(10_000, ""), block), 3), 3);
        assert_eq!(check(&Fastq, bgzf(&fastq(10_000), block), 3), 3);
    }
    // Records longer than what is looked at first.
    assert_eq!(check(&Bam, bgzf(&bam(40, 90_000), 60_000), 4), 4);
    assert_eq!(check(&Fastq, fastq(10_000), 3), 3);
    assert_eq!(check(&Gff, gff(10_000, ""), 3), 3);
    // Too small to be worth it, or nothing but one record.
    assert_eq!(check(&Bam, bgzf(&bam(100, 150), 60_000), 4), 1);
    assert_eq!(check(&Bam, bgzf(&bam(1, 2_000_000), 60_000), 2), 1);
}

#[test]
fn no_part_begins_among_what_is_no_record() {
    let mut random = Random(7);
    let sequence: String = (0..40_000).map(|_| noise(&mut random, 60) + "\n").collect();
    let tail = format!("##FASTA\n>chr1\n{sequence}");
    assert_eq!(check(&Gff, bgzf(&gff(3_000, &tail), 60_000), 3), 2);
    let wrapped: String = (0..5_000)
        .map(|i| {
            let lines = (noise(&mut random, 200), noise(&mut random, 200));
            format!("@r{i}\n{0}\n{0}\n+\n{1}\n{1}\n", lines.0, lines.1)
        })
        .collect();
    assert_eq!(check(&Fastq, bgzf(wrapped.as_bytes(), 60_000), 3), 1);
}

/// Believes any place.
#[derive(Debug)]
struct Liar;

impl RecordStarts for Liar {
    fn first(&self, _: &[u8]) -> Option<usize> {
        Some(77)
    }
}

#[test]
fn a_cut_where_no_record_begins_fails_the_query() -> Result<()> {
    let (at, io) = (Location::parse("memory:///data")?, MemoryIo::default());
    io.put(&at, bgzf(&vcf(10_000), 60_000));
    let opened = testing::open(&Vcf, bgzf(&vcf(10_000), 60_000), None, &OpenOptions::default())?;
    let file = block_on(StreamFile::open(&at, &io, &OpenOptions::default()))?;
    block_on(file.find_cuts(&io as &dyn ObjectIo, 2, &Liar))?;
    let request = ScanRequest { partitions: 2, ..ScanRequest::all(vec![1]) };
    let plan = file.plan(&request, Cut::Never, None, |_, _| None);
    assert_eq!(plan.partitions.len(), 2);
    let decoder = opened.dataset.decoder(&request, &plan.partitions[0])?;
    let stream =
        crate::scan::drive(opened.io.clone(), plan.objects, plan.partitions[0].clone(), decoder, opened.metrics);
    let e = block_on(futures::TryStreamExt::try_collect::<Vec<_>>(stream)).unwrap_err();
    let stop = plan.partitions[1].segments[0].bytes.start;
    assert!(e.is_corrupt() && e.to_string().contains(&format!("virtual offset {stop}:77")), "{e}");
    Ok(())
}

#[test]
fn blocks_that_a_gzi_names_are_where_cuts_are_looked_for() {
    let stored = bgzf(&gff(10_000, ""), 60_000);
    let mut starts = Vec::new();
    let mut at = 0;
    while let Some(size) = crate::bgzf::block_size(&stored[at..]).unwrap() {
        starts.push(at as u64);
        at += size;
    }
    let gzi = |starts: &[u64]| {
        let entries = starts.iter().flat_map(|at| [*at, 0]);
        [starts.len() as u64].into_iter().chain(entries).flat_map(u64::to_le_bytes).collect::<Vec<u8>>()
    };
    let cuts = |gzi: Option<Vec<u8>>, options: &OpenOptions| {
        let (at, io) = (Location::parse("memory:///data").unwrap(), MemoryIo::default());
        io.put(&at, stored.clone());
        if let Some(gzi) = gzi {
            io.put(&at.with_suffix(".gzi"), gzi);
        }
        let file = block_on(StreamFile::open(&at, &io, options)).unwrap();
        block_on(file.find_cuts(&io, 4, &LineStarts))?;
        let plan = file.plan(&ScanRequest { partitions: 4, ..ScanRequest::all(vec![]) }, Cut::Never, None, |_, _| None);
        Ok::<_, crate::Error>(plan.partitions.iter().map(|p| p.segments[0].bytes.start).collect::<Vec<_>>())
    };
    let auto = OpenOptions::default();
    let want = cuts(None, &auto).unwrap();
    assert_eq!(want.len(), 4);
    assert_eq!(cuts(Some(gzi(&starts[1..])), &auto).unwrap(), want);
    // Only where it names a block is one looked for; what it names need not be one.
    assert_eq!(cuts(Some(gzi(&[])), &auto).unwrap(), [0]);
    let named = starts.len() * 6 / 10;
    let one = cuts(Some(gzi(&[starts[named]])), &auto).unwrap();
    assert!(one.len() == 2 && (starts[named]..=starts[named + 1]).contains(&one[1]), "{one:?}");
    assert_eq!(cuts(Some(gzi(&[want[1] - 1])), &auto).unwrap(), [0, want[1]]);
    // Another file's is told of, unless no index is wanted.
    let e = cuts(Some(gzi(&[stored.len() as u64])), &auto).unwrap_err().to_string();
    assert!(e.contains("data.gzi") && e.contains("past the end"), "{e}");
    assert!(cuts(Some(vec![1]), &auto).is_err_and(|e| e.is_corrupt()));
    let ignore = OpenOptions { index: crate::scan::IndexChoice::Ignore, ..OpenOptions::default() };
    assert_eq!(cuts(Some(vec![1]), &ignore).unwrap(), want);
}

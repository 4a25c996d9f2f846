use std::sync::Arc;

use arrow::array::{Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema};
use bytes::Bytes;

use crate::bgzf::VirtualOffset;
use crate::error::{Error, Offset, Result};
use crate::scan::{
    BrokenRow, Decoder, Framing, ObjectId, Piece, RecordDecoder, Rows, ScanRequest, Segment, Selected, Step, Warnings,
    row_by_row,
};

/// Records that begin with their length; the second byte is the value. Odd values are no rows, 255 is malformed.
#[derive(Default)]
struct Pairs {
    values: Vec<i64>,
    over: bool,
}

impl Rows for Pairs {
    type Row = ();

    fn frame(&mut self, bytes: &[u8], last: bool) -> Result<Option<usize>> {
        match usize::from(bytes[0]) {
            0 | 1 => Err(Error::corrupt("too short").field("length")),
            n if n <= bytes.len() => Ok(Some(n)),
            _ if last => Err(Error::corrupt("cut short").field("length")),
            _ => Ok(None),
        }
    }

    fn select(&mut self, record: &[u8], warnings: &mut Warnings) -> Result<Option<()>> {
        match record[1] {
            253 => Err(Error::corrupt("undecided").field("value")),
            254 => {
                self.over = true;
                Ok(None)
            }
            255 => Ok(Some(())),
            n if n % 2 == 1 => {
                warnings.add("odd");
                Ok(None)
            }
            _ => Ok(Some(())),
        }
    }

    fn build(&mut self, bytes: &[u8], selected: &[Selected<()>], _: &mut Warnings) -> Result<(), BrokenRow> {
        row_by_row(bytes, selected, |record, ()| match record[1] {
            255 => Err(Error::corrupt("bad").field("value")),
            n => {
                self.values.push(n.into());
                Ok(())
            }
        })
    }

    fn bytes(&self) -> usize {
        self.values.iter().filter(|v| **v == 100).count() * ScanRequest::BATCH_BYTES
    }

    fn take(&mut self, rows: usize) -> Result<RecordBatch> {
        assert_eq!(rows, self.values.len());
        let schema = Schema::new(vec![Field::new("v", DataType::Int64, true)]);
        Ok(RecordBatch::try_new(Arc::new(schema), vec![Arc::new(Int64Array::from(std::mem::take(&mut self.values)))])?)
    }

    fn restart(&mut self, _: Option<usize>) -> Result<()> {
        self.values.clear();
        Ok(())
    }

    fn is_over(&self) -> bool {
        self.over
    }
}

fn segment(framing: Framing) -> Segment {
    Segment { object: ObjectId(0), bytes: 0..1, framing, joined: false, until: None }
}

const RAW: Framing = Framing::Raw { start: 0, stop: u64::MAX, mid_line: false };

fn bgzf(start: (u64, u16), stop: (u64, u16)) -> Framing {
    Framing::Bgzf { start: VirtualOffset::new(start.0, start.1), stop: VirtualOffset::new(stop.0, stop.1) }
}

fn virtual_offset(block: u64) -> Offset {
    Offset::Virtual(VirtualOffset::new(block, 0))
}

/// A segment and the pieces that its bytes come in.
type Pieces<'a> = (Framing, &'a [(Offset, &'a [u8])]);

/// The values of each batch.
fn run(decoder: &mut dyn Decoder, segments: &[Pieces<'_>]) -> Result<Vec<Vec<i64>>> {
    let mut batches = Vec::new();
    let shown = |b: &RecordBatch| b.column(0).as_any().downcast_ref::<Int64Array>().unwrap().values().to_vec();
    'segments: for (framing, pieces) in segments {
        decoder.begin(&segment(framing.clone()))?;
        let mut pieces = pieces.iter();
        loop {
            match decoder.step()? {
                Step::More => match pieces.next() {
                    Some((at, bytes)) => decoder.push(ObjectId(0), Piece::new(*at, Bytes::copy_from_slice(bytes)))?,
                    None => decoder.end_of_object()?,
                },
                Step::Batch(batch) => batches.push(shown(&batch)),
                Step::SegmentEnd => break,
                Step::Done => break 'segments,
                Step::Need(ranges) => panic!("{ranges:?}"),
            }
        }
    }
    batches.extend(decoder.finish()?.map(|b| shown(&b)));
    Ok(batches)
}

fn decoder(request: ScanRequest) -> RecordDecoder<Pairs> {
    RecordDecoder::new(Pairs::default(), &request, 10, true)
}

fn all() -> ScanRequest {
    ScanRequest::all(vec![0])
}

const SIX: &[u8] = &[2, 10, 3, 12, 0, 2, 13, 2, 14, 4, 16, 0, 0, 2, 18];

#[test]
fn batches_and_limits_count_rows() {
    let whole = |request| run(&mut decoder(request), &[(RAW, &[(Offset::Byte(0), SIX)])]).unwrap();
    assert_eq!(whole(all()), [vec![10, 12, 14, 16, 18]]);
    assert_eq!(whole(ScanRequest { batch_size: 2, ..all() }), [vec![10, 12], vec![14, 16], vec![18]]);
    assert_eq!(whole(ScanRequest { batch_size: 0, ..all() }).len(), 5);
    assert_eq!(whole(ScanRequest { limit: Some(3), ..all() }), [vec![10, 12, 14]]);
    assert_eq!(whole(ScanRequest { limit: Some(3), batch_size: 2, ..all() }), [vec![10, 12], vec![14]]);
    assert_eq!(whole(ScanRequest { limit: Some(0), ..all() }), Vec::<Vec<i64>>::new());
    // Values that fill a batch end it.
    let heavy: &[(Offset, &[u8])] = &[(Offset::Byte(0), &[2, 10, 2, 100]), (Offset::Byte(4), &[2, 12])];
    assert_eq!(run(&mut decoder(all()), &[(RAW, heavy)]).unwrap(), [vec![10, 100], vec![12]]);
    let mut counted = decoder(all());
    run(&mut counted, &[(RAW, &[(Offset::Byte(0), SIX)])]).unwrap();
    let counts = counted.counts();
    assert_eq!((counts.seen, counts.kept, counts.warnings.iter().next()), (6, 5, Some(("odd", 1))));
}

#[test]
fn pieces_of_any_size() {
    for size in 1..=SIX.len() {
        let pieces: Vec<(Offset, &[u8])> =
            SIX.chunks(size).enumerate().map(|(i, p)| (Offset::Byte((i * size) as u64), p)).collect();
        assert_eq!(run(&mut decoder(all()), &[(RAW, &pieces)]).unwrap().concat(), [10, 12, 14, 16, 18]);
    }
}

#[test]
fn segments_start_within_a_block_and_stop_before_a_record() {
    // The second record straddles the blocks at 0 and 50; the third starts at 50:1.
    let blocks: [(Offset, &[u8]); 2] = [(virtual_offset(0), &[2, 10, 3, 12]), (virtual_offset(50), &[0, 2, 14, 2, 16])];
    let between = |start, stop| run(&mut decoder(all()), &[(bgzf(start, stop), &blocks)]).map(|b| b.concat());
    assert_eq!(between((0, 0), (0, 2)).unwrap(), [10]);
    assert_eq!(between((0, 2), (50, 0)).unwrap(), [12]);
    assert_eq!(between((0, 2), (50, 1)).unwrap(), [12]);
    assert_eq!(between((0, 2), (50, 2)).unwrap(), [12, 14]);
    assert_eq!(between((0, 0), (u64::MAX >> 16, u16::MAX)).unwrap(), [10, 12, 14, 16]);
    let two: [(Offset, &[u8]); 2] = [(virtual_offset(0), &[2, 10]), (virtual_offset(50), &[2, 12])];
    let after = |start| run(&mut decoder(all()), &[(bgzf(start, (99, 0)), &two)]).map(|b| b.concat());
    // The end of a block is the start of the next; a byte beyond it is not of this file.
    assert_eq!(after((0, 2)).unwrap(), [12]);
    let e = after((0, 3)).unwrap_err().to_string();
    assert!(e.contains("virtual offset 0:0") && e.contains("byte 3 of a block that is shorter"), "{e}");
    // An empty block is no piece: what comes first is of another block.
    let e = run(&mut decoder(all()), &[(bgzf((0, 1), (99, 0)), &two[1..])]).unwrap_err().to_string();
    assert!(e.contains("another version of the file"), "{e}");
}

#[test]
fn errors_say_where_and_which_record() {
    let fails = |segments: &[Pieces<'_>]| {
        let told = run(&mut decoder(all()), segments).unwrap_err().to_string();
        let (what, advice) = told.split_once(" (").unwrap_or((&told, ""));
        assert!(
            advice.is_empty()
                || ["correct the record, or read on", "the file is damaged", "if the file is to be trusted"]
                    .iter()
                    .any(|a| advice.starts_with(a)),
            "{told}"
        );
        what.to_owned()
    };
    assert_eq!(fails(&[(RAW, &[(Offset::Byte(7), &[2, 10, 2, 255])])]), "byte 9: record 2: value: bad");
    assert_eq!(fails(&[(RAW, &[(Offset::Byte(7), &[2, 10, 0])])]), "byte 9: record 2: length: too short");
    assert_eq!(fails(&[(RAW, &[(Offset::Byte(7), &[2, 10, 5, 1])])]), "byte 9: record 2: length: cut short");
    // What comes first in the file is told first: a row that cannot be built, one that cannot be decided, a broken frame.
    let many: &[(Offset, &[u8])] = &[(Offset::Byte(0), &[2, 255, 2, 253, 0])];
    assert_eq!(fails(&[(RAW, many)]), "byte 0: record 1: value: bad");
    assert_eq!(fails(&[(RAW, &[(Offset::Byte(0), &[2, 10, 2, 253, 0])])]), "byte 2: record 2: value: undecided");
    // And nothing beyond the rows wanted.
    let first = ScanRequest { limit: Some(1), ..all() };
    let one = run(&mut decoder(first), &[(RAW, &[(Offset::Byte(0), &[2, 10, 2, 253, 0])])]).unwrap();
    assert_eq!(one, [vec![10]]);
    let long: &[(Offset, &[u8])] = &[(Offset::Byte(0), &[11; 11])];
    assert!(fails(&[(RAW, long)]).contains("a record of 11 bytes, more than the limit of 10"));
    let unfinished: &[(Offset, &[u8])] = &[(Offset::Byte(0), &[200; 11])];
    assert!(fails(&[(RAW, unfinished)]).contains("a record is longer than 10 bytes"));
    // A second segment's records have no known number.
    let good: &[(Offset, &[u8])] = &[(virtual_offset(0), &[2, 10])];
    let bad: &[(Offset, &[u8])] = &[(virtual_offset(90), &[2, 255])];
    let e = fails(&[(bgzf((0, 0), (50, 0)), good), (bgzf((90, 0), (99, 0)), bad)]);
    assert_eq!(e, "virtual offset 90:0: value: bad");
}

#[test]
fn headers_and_ends() {
    let gzip: &[(Offset, &[u8])] = &[(Offset::Byte(0), b"head"), (Offset::Byte(4), b"er"), (Offset::Byte(6), SIX)];
    let mut after_header = decoder(all()).after_header(6);
    assert_eq!(run(&mut after_header, &[(Framing::Gzip, gzip)]).unwrap().concat(), [10, 12, 14, 16, 18]);
    let over: &[(Offset, &[u8])] = &[(Offset::Byte(0), &[2, 10, 2, 254, 0, 0, 2, 12])];
    assert_eq!(run(&mut decoder(all()), &[(RAW, over)]).unwrap(), [vec![10]]);
    let lines = Framing::Raw { start: 5, stop: u64::MAX, mid_line: true };
    let rest: &[(Offset, &[u8])] = &[(Offset::Byte(4), b"xx"), (Offset::Byte(6), b"x\n"), (Offset::Byte(8), &[2, 10])];
    assert_eq!(run(&mut decoder(all()), &[(lines.clone(), rest)]).unwrap(), [vec![10]]);
    assert!(run(&mut decoder(all()), &[(lines, &rest[..1])]).unwrap().is_empty());
}

#[test]
fn a_partition_ends_where_the_next_begins_or_the_query_fails() {
    let joined = |stop: (u64, u16), blocks: &[(Offset, &[u8])]| {
        let segment = Segment { joined: true, ..segment(bgzf((0, 0), stop)) };
        let mut decoder = decoder(all());
        decoder.begin(&segment)?;
        let mut blocks = blocks.iter().zip(blocks.iter().skip(1).map(|(at, _)| Some(*at)).chain([None]));
        loop {
            match decoder.step()? {
                Step::More => match blocks.next() {
                    Some(((at, bytes), next)) => {
                        let piece = Piece { next, ..Piece::new(*at, Bytes::copy_from_slice(bytes)) };
                        decoder.push(ObjectId(0), piece)?;
                    }
                    None => decoder.end_of_object()?,
                },
                Step::SegmentEnd => return decoder.finish().map(|b| b.map_or(0, |b| b.num_rows())),
                step => panic!("{step:?}"),
            }
        }
    };
    let blocks: [(Offset, &[u8]); 2] = [(virtual_offset(0), &[2, 10, 3, 12]), (virtual_offset(50), &[0, 2, 14, 2, 16])];
    assert_eq!(joined((0, 2), &blocks).unwrap(), 1);
    assert_eq!(joined((50, 1), &blocks).unwrap(), 2);
    assert_eq!(joined((50, 3), &blocks).unwrap(), 3);
    for stop in [(0, 1), (0, 3), (50, 0), (50, 2), (20, 0), (60, 0)] {
        let e = joined(stop, &blocks).unwrap_err();
        assert!(e.is_corrupt() && e.to_string().contains(&format!("virtual offset {}:{}", stop.0, stop.1)), "{e}");
    }
    // The end of a block is the beginning of the next.
    let whole: [(Offset, &[u8]); 2] = [(virtual_offset(0), &[2, 10]), (virtual_offset(50), &[2, 12])];
    assert_eq!(joined((50, 0), &whole).unwrap(), 1);
    assert_eq!(joined((0, 2), &whole).unwrap(), 1);
}

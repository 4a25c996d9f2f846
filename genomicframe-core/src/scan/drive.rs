//! The one place where a scan reads bytes: fetch, inflate, decode, one partition as a stream of batches.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;

use arrow::array::RecordBatch;
use futures::{Stream, StreamExt, TryStreamExt};

use super::ahead::{Ahead, Spawn};
use super::feed::FeedState;
use super::requests::Requester;
use super::upcoming::{self, Upcoming};
use super::{Counts, Decoder, ObjectId, Partition, Piece, ScanMetrics, Segment, Step, plan};
use crate::error::{Error, Offset, Result};
use crate::io::{ObjectIo, ObjectMeta};

/// Decodes `partition`. Nothing is read before the stream is polled, and nothing after it is dropped.
pub fn drive(
    io: Arc<dyn ObjectIo>,
    objects: Arc<[ObjectMeta]>,
    partition: Partition,
    decoder: Box<dyn Decoder>,
    metrics: Arc<ScanMetrics>,
) -> impl Stream<Item = Result<RecordBatch>> + Send {
    drive_with(io, objects, partition, decoder, metrics, Tasks::default())
}

/// The tasks that a scan may start beside its own.
#[derive(Clone, Default)]
pub struct Tasks {
    /// Starts them; without it none is.
    pub spawner: Option<Arc<dyn Spawn>>,
    /// Whether one inflates beside decoding: for a partition that has more than one thread to itself.
    pub inflate: bool,
}

/// [`drive`], with requests ahead of what is decoded where the storage is far, and inflating beside it where that is wanted.
pub fn drive_with(
    io: Arc<dyn ObjectIo>,
    objects: Arc<[ObjectMeta]>,
    partition: Partition,
    decoder: Box<dyn Decoder>,
    metrics: Arc<ScanMetrics>,
    tasks: Tasks,
) -> impl Stream<Item = Result<RecordBatch>> + Send {
    // A task inflates one segment, and what it has read ends with it.
    let inflate = tasks.inflate && partition.segments.len() == 1;
    let driver = Driver {
        tasks: Tasks { inflate, ..tasks },
        io,
        objects,
        segments: partition.segments.into(),
        current: None,
        idle: None,
        upcoming: Upcoming::default(),
        decoder,
        metrics,
        told: Counts::default(),
        ended: false,
    };
    futures::stream::try_unfold(driver, |mut driver| async move {
        let batch = driver.next().await?;
        Ok(batch.map(|batch| (batch, driver)))
    })
}

struct Driver {
    tasks: Tasks,
    io: Arc<dyn ObjectIo>,
    objects: Arc<[ObjectMeta]>,
    segments: VecDeque<Segment>,
    current: Option<(Segment, Source)>,
    /// What the last segment was read with.
    idle: Option<(ObjectId, FeedState)>,
    /// What the decoder will need of the segments that follow.
    upcoming: Upcoming,
    decoder: Box<dyn Decoder>,
    metrics: Arc<ScanMetrics>,
    told: Counts,
    ended: bool,
}

/// Where a segment's pieces come from.
#[expect(clippy::large_enum_variant, reason = "a partition has one")]
enum Source {
    Here(FeedState),
    Ahead(Ahead),
}

/// Ranges of one partition that are read at the same time of a storage for which none are sent ahead.
const AT_ONCE: usize = 8;
/// Pieces decoded between two chances for other tasks, and for a cancelled query to stop: about 2 MB inflated.
const PIECES_BETWEEN_YIELDS: u32 = 4;

fn object<'a>(objects: &'a [ObjectMeta], segment: &Segment) -> Result<&'a ObjectMeta> {
    let object = objects.get(segment.object.0 as usize);
    object.ok_or_else(|| Error::invalid("a partition names an object that its plan does not have"))
}

impl Driver {
    fn source(&mut self, segment: &Segment) -> Result<Source> {
        if !segment.is_stretch() {
            return Ok(Source::Here(FeedState::new(segment, [].into())));
        }
        let object = object(&self.objects, segment)?;
        let state = match self.idle.take() {
            Some((of, mut state)) if of == segment.object => {
                state.move_to(segment);
                state
            }
            _ => {
                let gap = self.io.requests(&object.location).gap;
                let all: Vec<Segment> = std::iter::once(segment).chain(&self.segments).cloned().collect();
                FeedState::new(segment, plan::runs(&all, gap).into())
            }
        };
        Ok(match &self.tasks.spawner {
            Some(spawner) if self.tasks.inflate => {
                let (io, metrics) = (Arc::clone(&self.io), Arc::clone(&self.metrics));
                Source::Ahead(Ahead::start(spawner, io, object.clone(), state, metrics))
            }
            _ => Source::Here(state),
        })
    }

    async fn next(&mut self) -> Result<Option<RecordBatch>> {
        let mut pieces = 0;
        while !self.ended {
            let Some((segment, mut source)) = self.current.take() else {
                let Some(segment) = self.segments.pop_front() else { break };
                self.upcoming.advance();
                self.decoder.begin(&segment)?;
                let source = self.source(&segment)?;
                self.current = Some((segment, source));
                continue;
            };
            let object = object(&self.objects, &segment)?;
            let step = self.decoder.step();
            let counts = self.decoder.counts();
            self.metrics.add(&self.told, &counts);
            self.told = counts;
            let bad = self.decoder.take_bad_records();
            if !bad.is_empty() {
                self.metrics.add_bad(bad.in_object(&object.location));
            }
            match step.map_err(|e| e.in_object(&object.location))? {
                Step::Batch(batch) => {
                    self.current = Some((segment, source));
                    return Ok(Some(batch));
                }
                Step::More => {
                    pieces += 1;
                    if pieces % PIECES_BETWEEN_YIELDS == 0 {
                        yield_now().await;
                    }
                    let piece = match source {
                        Source::Here(state) => {
                            let feed = state.with(&*self.io, object, &self.metrics);
                            let mut feed = feed.ahead(&self.io, self.tasks.spawner.as_deref());
                            let piece = feed.next().await?;
                            source = Source::Here(feed.into_state());
                            piece
                        }
                        Source::Ahead(ref mut ahead) => ahead.next().await?,
                    };
                    match piece {
                        Some(piece) => self.decoder.push(segment.object, piece),
                        None => self.decoder.end_of_object(),
                    }
                    .map_err(|e| e.in_object(&object.location))?;
                    self.current = Some((segment, source));
                }
                Step::Need(ranges) => {
                    let at_once = AT_ONCE.max(self.io.requests(&object.location).ahead * upcoming::FOR_EACH);
                    let reads = ranges.into_iter().map(|(id, range)| {
                        let start = range.start;
                        let read = self.upcoming.read(id, range, &self.objects, &self.io, &self.metrics);
                        async move { Ok::<_, Error>((id, start, read.await?)) }
                    });
                    // In the order asked for, though several are on their way at once.
                    let mut reads = futures::stream::iter(reads.collect::<Vec<_>>()).buffered(at_once);
                    // On their way while this segment's own come and are decoded.
                    if let Some(spawner) = self.tasks.spawner.as_deref() {
                        let with = Requester { io: &self.io, spawner };
                        self.upcoming.send(&self.segments, &self.objects, &*self.decoder, &self.metrics, with);
                    }
                    while let Some((id, start, bytes)) = reads.try_next().await? {
                        self.metrics.bytes_read.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                        let pushed = self.decoder.push(id, Piece::new(Offset::Byte(start), bytes));
                        pushed.map_err(|e| match self.objects.get(id.0 as usize) {
                            Some(object) => e.in_object(&object.location),
                            None => e,
                        })?;
                    }
                    drop(reads);
                    self.current = Some((segment, source));
                }
                Step::SegmentEnd => {
                    if let Source::Here(state) = source
                        && segment.is_stretch()
                    {
                        self.idle = Some((segment.object, state));
                    }
                }
                Step::Done => self.ended = true,
            }
        }
        if self.ended {
            return Ok(None);
        }
        self.ended = true;
        self.decoder.finish()
    }
}

/// Lets the executor run something else once.
async fn yield_now() {
    let mut yielded = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

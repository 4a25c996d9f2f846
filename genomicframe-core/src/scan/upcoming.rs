//! Ranges that a partition's next segments need whole, under way before their turn: what hides the distance of a storage from
//! decoders of pages.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;

use super::requests::{Requester, UnderWay};
use super::{Decoder, ObjectId, ScanMetrics, Segment};
use crate::error::{Error, Result};
use crate::io::{ObjectIo, ObjectMeta};

/// Requests under way for each that a storage likes ahead of a stream: a segment takes one for every column, each small.
pub(super) const FOR_EACH: usize = 4;

/// The ranges of one segment.
type Ranges = Vec<(ObjectId, UnderWay)>;

/// What is under way of a partition, segment by segment.
#[derive(Default)]
pub(super) struct Upcoming {
    /// Of the segment that is decoded.
    now: Ranges,
    /// Of those that follow, from the next one on.
    next: VecDeque<Ranges>,
}

impl Upcoming {
    /// The next segment has its turn.
    pub(super) fn advance(&mut self) {
        self.now = self.next.pop_front().unwrap_or_default();
    }

    /// Sends requests for what `decoder` needs first of the `segments` that follow, as far as that suits the storage.
    pub(super) fn send(
        &mut self,
        segments: &VecDeque<Segment>,
        objects: &[ObjectMeta],
        decoder: &dyn Decoder,
        metrics: &ScanMetrics,
        with: Requester<'_>,
    ) {
        let ranges = || self.next.iter().flatten().map(|(_, u)| u.range.end - u.range.start);
        let (mut requests, mut bytes) = (ranges().count(), ranges().sum::<u64>());
        while let Some(segment) = segments.get(self.next.len()) {
            let Some(object) = objects.get(segment.object.0 as usize) else { break };
            let suited = with.io.requests(&object.location);
            if requests >= suited.ahead * FOR_EACH || bytes >= suited.ahead_bytes {
                break;
            }
            let mut of_segment = Ranges::new();
            for range in decoder.first_needs(segment) {
                (requests, bytes) = (requests + 1, bytes + (range.end - range.start));
                of_segment.push((segment.object, UnderWay::start(range, object, metrics, with)));
            }
            self.next.push_back(of_segment);
        }
    }

    /// The bytes of `range`, which are under way, or are asked for now.
    pub(super) fn read<'a>(
        &mut self,
        id: ObjectId,
        range: Range<u64>,
        objects: &'a [ObjectMeta],
        io: &'a Arc<dyn ObjectIo>,
        metrics: &ScanMetrics,
    ) -> impl Future<Output = Result<Bytes>> + use<'a> {
        let found = self.now.iter().position(|(of, under_way)| *of == id && under_way.range == range);
        let under_way = found.map(|at| self.now.swap_remove(at).1);
        if under_way.is_none() {
            metrics.requests.fetch_add(1, Ordering::Relaxed);
        }
        async move {
            if let Some(under_way) = under_way {
                return under_way.bytes().await;
            }
            let unknown = || Error::invalid("a decoder asked for an object that its plan does not have");
            io.read(objects.get(id.0 as usize).ok_or_else(unknown)?, range).await
        }
    }
}

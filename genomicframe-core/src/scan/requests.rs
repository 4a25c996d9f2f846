//! Requests that are under way before their bytes are wanted: what hides the distance of a storage.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use futures::FutureExt;
use futures::channel::oneshot::{Receiver, channel};
use futures::future::{AbortHandle, abortable};

use super::{ScanMetrics, Spawn};
use crate::error::{Error, Result};
use crate::io::{ObjectIo, ObjectMeta};

/// What requests are made with.
#[derive(Clone, Copy)]
pub(super) struct Requester<'a> {
    pub(super) io: &'a Arc<dyn ObjectIo>,
    pub(super) spawner: &'a dyn Spawn,
}

/// The planned bytes of one object that a partition reads, in order.
pub(super) struct Prefetch {
    /// Sorted and disjoint.
    runs: Arc<[Range<u64>]>,
    under_way: VecDeque<UnderWay>,
    /// Everything planned before this was asked for, or is not wanted any more.
    asked: u64,
}

/// A request that goes on by itself.
pub(super) struct UnderWay {
    pub(super) range: Range<u64>,
    bytes: Receiver<Result<Bytes>>,
    /// Ends the request when nobody waits for it any more.
    _ends: EndsWhenDropped,
}

struct EndsWhenDropped(AbortHandle);

impl Drop for EndsWhenDropped {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Prefetch {
    pub(super) fn new(runs: Arc<[Range<u64>]>) -> Self {
        Self { runs, under_way: VecDeque::new(), asked: 0 }
    }

    /// Where the planned bytes end that `offset` lies among; `offset` itself where it lies among none.
    pub(super) fn planned_end(&self, offset: u64) -> u64 {
        let run = self.runs.get(self.runs.partition_point(|run| run.end <= offset));
        run.filter(|run| run.start <= offset).map_or(offset, |run| run.end)
    }

    /// The bytes from `offset` on that a request under way brings, with none before them; `None` where there is none.
    pub(super) async fn next(&mut self, offset: u64) -> Option<Result<Bytes>> {
        self.under_way.retain(|u| u.range.end > offset);
        let first = self.under_way.pop_front_if(|u| u.range.start <= offset)?;
        let skipped = (offset - first.range.start) as usize;
        Some(first.bytes().await.map(|bytes| bytes.slice(skipped..)))
    }

    /// Sends requests for what is planned from `offset` on, as many as suit the storage.
    pub(super) fn send(&mut self, offset: u64, object: &ObjectMeta, metrics: &ScanMetrics, with: Requester<'_>) {
        let suited = with.io.requests(&object.location);
        self.asked = self.asked.max(offset);
        let mut bytes: u64 = self.under_way.iter().map(|u| u.range.end - u.range.start).sum();
        while self.under_way.len() < suited.ahead && bytes < suited.ahead_bytes {
            let Some(run) = self.runs.get(self.runs.partition_point(|run| run.end.min(object.size) <= self.asked))
            else {
                break;
            };
            let start = run.start.max(self.asked);
            let range = start..start.saturating_add(suited.largest).min(run.end).min(object.size);
            if range.is_empty() {
                break;
            }
            bytes += range.end - range.start;
            self.asked = range.end;
            self.under_way.push_back(UnderWay::start(range, object, metrics, with));
        }
    }
}

impl UnderWay {
    /// Its answer.
    pub(super) async fn bytes(self) -> Result<Bytes> {
        let lost = |_| Err(Error::io("the task of a request ended without an answer"));
        self.bytes.await.unwrap_or_else(lost)
    }

    pub(super) fn start(range: Range<u64>, object: &ObjectMeta, metrics: &ScanMetrics, with: Requester<'_>) -> Self {
        metrics.requests.fetch_add(1, Ordering::Relaxed);
        let (sender, bytes) = channel();
        let (io, object, wanted) = (Arc::clone(with.io), object.clone(), range.clone());
        let (request, handle) = abortable(async move {
            // Nobody may be left to be told.
            let _ = sender.send(io.read(&object, wanted).await);
        });
        with.spawner.spawn(request.map(|_| ()).boxed());
        Self { range, bytes, _ends: EndsWhenDropped(handle) }
    }
}

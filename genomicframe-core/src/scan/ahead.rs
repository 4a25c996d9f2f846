//! Fetching and inflating in a task of its own, while the pieces before are decoded.

use std::sync::Arc;

use futures::channel::mpsc::{Receiver, UnboundedSender, channel, unbounded};
use futures::future::BoxFuture;
use futures::{FutureExt, SinkExt, StreamExt};

use super::feed::FeedState;
use super::{Piece, ScanMetrics};
use crate::error::{Error, Result};
use crate::io::{ObjectIo, ObjectMeta};

/// Starts tasks: the one thing that a scan needs of a runtime.
pub trait Spawn: Send + Sync {
    /// Runs `work` beside the caller's own.
    fn spawn(&self, work: BoxFuture<'static, ()>);
}

/// Pieces that wait for the decoder.
const WAITING: usize = 2;

/// A segment's pieces, made ahead of the decoder. Dropping it ends the task that makes them.
pub(super) struct Ahead {
    pieces: Receiver<Result<Option<Piece>>>,
    /// Told of each piece that the decoder waits for.
    wanted: UnboundedSender<()>,
}

impl Ahead {
    pub(super) fn start(
        spawner: &Arc<dyn Spawn>,
        io: Arc<dyn ObjectIo>,
        object: ObjectMeta,
        state: FeedState,
        metrics: Arc<ScanMetrics>,
    ) -> Self {
        let (mut sender, pieces) = channel(WAITING);
        let (wanted, mut asked) = unbounded();
        let requester = Arc::clone(spawner);
        spawner.spawn(Box::pin(async move {
            let mut feed = state.with(&*io, &object, &metrics).ahead(&io, Some(&*requester));
            // Pieces that the decoder is known to have asked for, but those that were sent.
            let mut due = 0_i64;
            loop {
                while let Some(Some(())) = asked.next().now_or_never() {
                    due += 1;
                }
                // Beyond the plan there mostly is nothing that it wants: it looks at what it has first.
                while feed.reads_on() && due <= 0 {
                    let Some(()) = asked.next().await else { return };
                    due += 1;
                }
                due -= 1;
                let piece = feed.next().await;
                let is_last = !matches!(piece, Ok(Some(_)));
                if sender.send(piece).await.is_err() || is_last {
                    return;
                }
            }
        }));
        Self { pieces, wanted }
    }

    /// The next piece; `None` at the end of the object.
    pub(super) async fn next(&mut self) -> Result<Option<Piece>> {
        // Where the task has ended, its last answer may wait still.
        let _ = self.wanted.unbounded_send(());
        let lost = || Err(Error::io("the task that reads ahead ended without an answer"));
        self.pieces.next().await.unwrap_or_else(lost)
    }
}

//! Fetching and inflating in a task of its own, while the pieces before are decoded.

use std::sync::Arc;

use futures::channel::mpsc::{Receiver, channel};
use futures::future::BoxFuture;
use futures::{SinkExt, StreamExt};

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
        let requester = Arc::clone(spawner);
        spawner.spawn(Box::pin(async move {
            let mut feed = state.with(&*io, &object, &metrics).ahead(&io, Some(&*requester));
            loop {
                let piece = feed.next().await;
                let is_last = !matches!(piece, Ok(Some(_)));
                if sender.send(piece).await.is_err() || is_last {
                    return;
                }
            }
        }));
        Self { pieces }
    }

    /// The next piece; `None` at the end of the object.
    pub(super) async fn next(&mut self) -> Result<Option<Piece>> {
        let lost = || Err(Error::io("the task that reads ahead ended without an answer"));
        self.pieces.next().await.unwrap_or_else(lost)
    }
}

//! Calls whose message is still coming. Each holds a place among the calls in flight, which no
//! caller may keep by sending nothing, or a byte now and then.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use http_body::{Body as _, Frame, SizeHint};
use tokio_util::sync::CancellationToken;
use tonic::body::Body;

/// An upload is ended for another call only when it has taken so long: a photo over a slow
/// line is no attack.
const GRACE: Duration = Duration::from_secs(2);

/// All uploads under way.
#[derive(Default)]
pub(super) struct Uploads {
    /// By their numbers, which grow in the order of arrival.
    under_way: Mutex<BTreeMap<u64, Arc<Progress>>>,
    next: AtomicU64,
}

/// How far an upload has come.
struct Progress {
    begun: Instant,
    /// When bytes came last, in milliseconds since it began.
    last: AtomicU64,
    /// The whole message is there, or the stream has failed.
    complete: AtomicBool,
    /// Cancelled when the upload is ended for another call.
    displaced: CancellationToken,
}

impl Progress {
    /// Milliseconds since it began.
    fn elapsed(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// Why a call ends before its message is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum UploadEnd {
    /// Nothing came for too long.
    Stalled,
    /// Another call needed the place.
    Displaced,
}

/// The upload of one call, until the call ends.
pub(super) struct Upload {
    of: Arc<Uploads>,
    number: u64,
    progress: Arc<Progress>,
}

impl Drop for Upload {
    fn drop(&mut self) {
        self.of.under_way().remove(&self.number);
    }
}

impl Uploads {
    fn under_way(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Progress>>> {
        // No code panics while it holds the lock, so the data is whole.
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Follows the arrival of a body.
    pub(super) fn watch(self: &Arc<Self>, body: Body) -> (Upload, Body) {
        let progress = Arc::new(Progress {
            begun: Instant::now(),
            last: AtomicU64::new(0),
            complete: AtomicBool::new(body.is_end_stream()),
            displaced: CancellationToken::new(),
        });
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.under_way().insert(number, Arc::clone(&progress));
        let body = Body::new(FollowedBody { body, progress: Arc::clone(&progress) });
        (Upload { of: Arc::clone(self), number, progress }, body)
    }

    /// Ends the call that has been uploading for the longest, if it has for longer than
    /// [`GRACE`]. Returns whether there was one; its place falls free at once.
    pub(super) fn displace(&self) -> bool {
        let mut under_way = self.under_way();
        under_way.retain(|_, progress| !progress.complete.load(Ordering::Relaxed));
        let Some(oldest) = under_way.first_entry().filter(|oldest| oldest.get().begun.elapsed() >= GRACE) else {
            return false;
        };
        oldest.remove().displaced.cancel();
        true
    }
}

impl Upload {
    /// Resolves when the upload is to be ended because nothing came for `idle_max`, or for
    /// another call. Never resolves once the message is complete.
    pub(super) async fn ended(&self, idle_max: Duration) -> UploadEnd {
        let idle_ms = u64::try_from(idle_max.as_millis()).unwrap_or(u64::MAX);
        loop {
            if self.progress.complete.load(Ordering::Relaxed) {
                return std::future::pending().await;
            }
            let silent = self.progress.elapsed().saturating_sub(self.progress.last.load(Ordering::Relaxed));
            let Some(left) = idle_ms.checked_sub(silent).filter(|left| *left > 0) else { return UploadEnd::Stalled };
            tokio::select! {
                () = self.progress.displaced.cancelled() => return UploadEnd::Displaced,
                () = tokio::time::sleep(Duration::from_millis(left)) => {}
            }
        }
    }
}

/// A body that notes when bytes came, and when all of it had.
struct FollowedBody {
    body: Body,
    progress: Arc<Progress>,
}

impl http_body::Body for FollowedBody {
    type Data = <Body as http_body::Body>::Data;
    type Error = <Body as http_body::Body>::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        self.progress.last.store(self.progress.elapsed(), Ordering::Relaxed);
        if !matches!(frame, Some(Ok(_))) || self.body.is_end_stream() {
            self.progress.complete.store(true, Ordering::Relaxed);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

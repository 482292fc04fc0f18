//! Calls whose message is still coming. Each holds a place among the calls in flight, so
//! none may hold it by sending nothing, or a byte now and then.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use http_body::{Body as _, Frame, SizeHint};
use tokio_util::sync::CancellationToken;
use tonic::body::Body;

/// Before so long nobody's upload makes room for others: a photo over a slow line is no
/// attack.
const GRACE: Duration = Duration::from_secs(2);

/// All uploads under way.
#[derive(Default)]
pub(super) struct Uploads {
    now: Mutex<BTreeMap<u64, Arc<State>>>,
    next: AtomicU64,
}

struct State {
    begun: Instant,
    /// When something came last, in milliseconds since it began.
    last: AtomicU64,
    whole: AtomicBool,
    displaced: CancellationToken,
}

impl State {
    fn elapsed(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// Why a call ends before its message is whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// Nothing came for too long.
    Stalled,
    /// Another call needed the place.
    Displaced,
}

/// One upload, from its call's beginning to its end.
pub(super) struct Upload {
    of: Arc<Uploads>,
    number: u64,
    state: Arc<State>,
}

impl Drop for Upload {
    fn drop(&mut self) {
        self.of.now().remove(&self.number);
    }
}

impl Uploads {
    fn now(&self) -> std::sync::MutexGuard<'_, BTreeMap<u64, Arc<State>>> {
        // Nothing is left half done under it.
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Watches a body as it comes.
    pub(super) fn watch(self: &Arc<Self>, body: Body) -> (Upload, Body) {
        let state = Arc::new(State {
            begun: Instant::now(),
            last: AtomicU64::new(0),
            whole: AtomicBool::new(body.is_end_stream()),
            displaced: CancellationToken::new(),
        });
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.now().insert(number, Arc::clone(&state));
        let body = Body::new(Watched { body, state: Arc::clone(&state) });
        (Upload { of: Arc::clone(self), number, state }, body)
    }

    /// Ends the call that has been uploading for the longest, if that is long. Whether there
    /// was one; its place falls free at once.
    pub(super) fn displace(&self) -> bool {
        let mut now = self.now();
        now.retain(|_, state| !state.whole.load(Ordering::Relaxed));
        // Numbers are given in the order calls came.
        let Some(oldest) = now.first_entry().filter(|oldest| oldest.get().begun.elapsed() >= GRACE) else {
            return false;
        };
        oldest.remove().displaced.cancel();
        true
    }
}

impl Upload {
    /// Resolves where the message does not come: never once it is whole.
    pub(super) async fn cut(&self, idle_max: Duration) -> Cut {
        let idle_ms = u64::try_from(idle_max.as_millis()).unwrap_or(u64::MAX);
        loop {
            if self.state.whole.load(Ordering::Relaxed) {
                return std::future::pending().await;
            }
            let silent = self.state.elapsed().saturating_sub(self.state.last.load(Ordering::Relaxed));
            let Some(left) = idle_ms.checked_sub(silent).filter(|left| *left > 0) else { return Cut::Stalled };
            tokio::select! {
                () = self.state.displaced.cancelled() => return Cut::Displaced,
                () = tokio::time::sleep(Duration::from_millis(left)) => {}
            }
        }
    }
}

/// A body that tells when something of it came, and when all had.
struct Watched {
    body: Body,
    state: Arc<State>,
}

impl http_body::Body for Watched {
    type Data = <Body as http_body::Body>::Data;
    type Error = <Body as http_body::Body>::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        self.state.last.store(self.state.elapsed(), Ordering::Relaxed);
        if !matches!(frame, Some(Ok(_))) || self.body.is_end_stream() {
            self.state.whole.store(true, Ordering::Relaxed);
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

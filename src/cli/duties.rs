//! What a server does by itself for the duties of its office: says how many requests of people are
//! overdue.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::gallery::{Gallery, Timestamp};

/// How often overdue requests are counted.
const COUNT_EVERY: Duration = Duration::from_secs(60 * 60);

/// The duties of a gallery that is served.
pub(super) struct Duties {
    pub(super) gallery: Arc<Gallery>,
}

impl Duties {
    /// Works until `closing`.
    pub(super) async fn run(self, closing: CancellationToken) {
        tokio::select! {
            () = closing.cancelled() => {}
            never = self.tell_overdue() => match never {},
        }
    }

    async fn tell_overdue(&self) -> std::convert::Infallible {
        loop {
            match self.gallery.count_requests(Timestamp::now()).await {
                Ok(counts) if counts.overdue > 0 => tracing::warn!(
                    overdue = counts.overdue,
                    open = counts.open,
                    "requests of people are overdue; `chinhchu subject request list --overdue` lists them"
                ),
                Ok(counts) => tracing::info!(overdue = 0, open = counts.open, "requests of people"),
                Err(error) => tracing::error!(%error, "requests of people could not be counted; trying again"),
            }
            tokio::time::sleep(COUNT_EVERY).await;
        }
    }
}

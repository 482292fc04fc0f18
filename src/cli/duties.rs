//! What a server does by itself for the duties of its office: says how many requests of people are
//! overdue, and takes away what is kept no longer.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::context::RequestContext;
use crate::gallery::{Gallery, RetentionCounts, RetentionOptions, RetentionRules, Timestamp};

/// How often overdue requests are counted.
const COUNT_EVERY: Duration = Duration::from_secs(60 * 60);
/// How often what is old enough is taken away, from the start on.
const RETAIN_EVERY: Duration = Duration::from_secs(24 * 60 * 60);
/// Between two commits of that, so that the disk is others' for most of the time.
const PAUSE: Duration = Duration::from_millis(10);

/// The duties of a gallery that is served.
pub(super) struct Duties {
    pub(super) gallery: Arc<Gallery>,
    pub(super) retention: RetentionRules,
}

impl Duties {
    /// Works until `closing`.
    pub(super) async fn run(self, closing: CancellationToken) {
        tokio::select! {
            () = closing.cancelled() => {}
            never = self.tell_overdue() => match never {},
            never = self.retain() => match never {},
        }
    }

    async fn tell_overdue(&self) -> Infallible {
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

    async fn retain(&self) -> Infallible {
        if !self.retention.is_any() {
            return std::future::pending().await;
        }
        let context = RequestContext::internal("retention");
        loop {
            let options = RetentionOptions { dry_run: false, pause: PAUSE };
            match self.gallery.retain(&context, &self.retention, options).await {
                Ok(run) => {
                    let RetentionCounts { decisions, requests, standing_entries, pictures, kept } = run.counts;
                    let seconds = run.ended_at.0.saturating_sub(run.began_at.0) / 1000;
                    tracing::info!(
                        decisions,
                        requests,
                        standing_entries,
                        pictures,
                        kept,
                        seconds,
                        "retention took away"
                    );
                }
                Err(error) => tracing::error!(%error, "retention could not be applied; the next run goes on"),
            }
            tokio::time::sleep(RETAIN_EVERY).await;
        }
    }
}

//! Captures seen before: each is looked up among those that took part in other transactions, by a
//! keyed fingerprint, and its own is kept for a time.

use rayon::prelude::*;

use std::sync::Arc;

use super::evidence::{CAPTURES_SEEN_MAX, CaptureSeen};
use super::flow::Observed;
use crate::face::Analysis;
use crate::face::fingerprint::{CaptureFingerprint, CaptureProbe, FingerprintKey, Nearness};
use crate::gallery::{CapturesFound, Gallery, NewCapture, StoredCapture, Timestamp};
use crate::workflow::{Engine, WorkflowError};

/// Captures of one record within so many milliseconds may be of one sitting, before one camera:
/// only what is nearer than two pictures of a sitting are is one picture.
const SITTING_MS: u64 = 24 * 60 * 60 * 1000;

/// The captures of a decision as they are looked up.
pub(super) struct CaptureProbes {
    key: Arc<FingerprintKey>,
    probes: Vec<CaptureProbe>,
}

impl Engine {
    /// The fingerprints of captures, where they are kept; `files` are their encoded bytes.
    pub(super) async fn capture_probes(
        &self,
        files: Arc<Vec<Vec<u8>>>,
        captures: &[Analysis],
    ) -> Result<Option<CaptureProbes>, WorkflowError> {
        let Some(key) = self.capture_key().cloned() else { return Ok(None) };
        let seen: Vec<_> = captures.iter().map(|one| (one.print.clone(), one.template.clone())).collect();
        // A millisecond or two each: side by side, where a core is free.
        let work = move || {
            let of = |(bytes, (print, template)): (&Vec<u8>, _)| CaptureProbe::of(&key, bytes, &print, &template);
            let probes = files.par_iter().zip(seen).map(of).collect();
            CaptureProbes { key, probes }
        };
        tokio::task::spawn_blocking(work).await.map(Some).map_err(|_| WorkflowError::Answer)
    }
}

impl CaptureProbes {
    /// What is kept of the captures.
    pub(super) fn kept(&self) -> Vec<NewCapture> {
        let new = |probe: &CaptureProbe| NewCapture {
            fingerprint: probe.fingerprint().to_bytes(&self.key).to_vec(),
            bands: probe.fingerprint().bands(&self.key).collect(),
        };
        self.probes.iter().map(new).collect()
    }

    /// The captures that took part in other transactions, oldest first for each of these, and how
    /// far they were looked up.
    pub(super) async fn look_up(
        &self,
        gallery: &Gallery,
        seen: &Observed,
    ) -> Result<(Vec<CaptureSeen>, u64), WorkflowError> {
        let bands: Vec<_> = self.probes.iter().flat_map(|probe| probe.bands(&self.key)).collect();
        let CapturesFound { captures, next } = gallery.captures_sharing(&bands).await?;
        let now = Timestamp::now();
        let mut found = Vec::new();
        for (frame, probe) in (0u32..).zip(&self.probes) {
            for stored in captures.iter().filter(|one| one.key.transaction != seen.key().transaction) {
                let Some(nearness) = self.nearness(probe, stored) else { continue };
                let is_sitting = stored.subject == seen.subject && now.0.saturating_sub(stored.at.0) < SITTING_MS;
                if !nearness.is_same(is_sitting) {
                    continue;
                }
                found.push(CaptureSeen {
                    frame,
                    transaction: stored.key.transaction.as_str().to_owned(),
                    attempt: stored.key.attempt,
                    subject: stored.subject.clone(),
                    unit: stored.unit.clone(),
                    at: stored.at,
                    distance: match nearness {
                        Nearness::Near { distance } => Some(distance),
                        _ => None,
                    },
                });
            }
        }
        found.truncate(CAPTURES_SEEN_MAX);
        Ok((found, next))
    }

    /// `None` for a fingerprint under another key, or of a later program: it cannot be compared.
    fn nearness(&self, probe: &CaptureProbe, stored: &StoredCapture) -> Option<Nearness> {
        match CaptureFingerprint::from_bytes(&self.key, &stored.content.fingerprint) {
            Ok(fingerprint) => Some(probe.nearness(&fingerprint)),
            Err(error) => {
                tracing::warn!(%error, "a capture's fingerprint cannot be compared");
                None
            }
        }
    }
}

//! Pairs of subjects who share a face for a good reason.

use super::{Plan, Planned, Write};
use crate::gallery::records::{Committed, ReadSet, Records};
use crate::gallery::{ClearedPair, GalleryError, Receipt, Timestamp};

pub(super) fn reads(pair: &ClearedPair) -> ReadSet {
    ReadSet {
        subjects: vec![pair.first.clone(), pair.second.clone()],
        cleared_with: Some(pair.first.clone()),
        ..ReadSet::default()
    }
}

/// At least one of the two must be enrolled. A pair that is cleared stays as it was cleared first.
pub(super) fn plan(pair: &ClearedPair, records: &Records, now: Timestamp) -> Result<Planned, GalleryError> {
    if pair.first >= pair.second {
        return Err(GalleryError::SamePair);
    }
    let receipt = Receipt { commit: records.commit, templates: 0, replayed: false };
    if records.cleared_with.binary_search(&pair.second).is_ok() {
        let receipt = Receipt { commit: records.as_of.0, replayed: true, ..receipt };
        return Ok(Planned::Done(Committed { receipt, decision: None }));
    }
    if records.subjects.is_empty() {
        return Err(GalleryError::UnknownSubject);
    }
    let writes = vec![Write::Cleared(ClearedPair { cleared_at: now, ..pair.clone() })];
    Ok(Planned::Write(Plan { writes, committed: Committed { receipt, decision: None } }))
}

//! Pairs of subjects who share a face for a good reason: cleared, confirmed by another officer,
//! ended. What officers said stays, whatever comes later.

use super::{Plan, Planned, Write};
use crate::gallery::records::{Committed, ReadSet, Records};
use crate::gallery::{
    ClearPair, ClearedPair, GalleryError, PairEntry, PairEntryKind, PairState, Receipt, SubjectHead, SubjectId,
    Timestamp, UnclearPair,
};

pub(super) fn reads(first: &SubjectId, second: &SubjectId) -> ReadSet {
    ReadSet { subjects: vec![first.clone(), second.clone()], cleared_with: Some(first.clone()), ..ReadSet::default() }
}

/// At least one of the two must be enrolled; where the other is enrolled later, the pair is
/// forgotten. Nobody clears a pair of a record they enrolled, or of a case they presented. A pair
/// that is in force stays as it is; one that
/// waits for another officer is in force once that one has cleared it as well; one that was ended
/// or has expired is cleared anew.
pub(super) fn plan(clear: &ClearPair, records: &Records, now: Timestamp) -> Result<Planned, GalleryError> {
    let ClearPair { first, second, officer, reason, officers_needed, lifetime_ms } = clear;
    if first >= second {
        return Err(GalleryError::SamePair);
    }
    let enrolled_by = |head: &SubjectHead| head.was_enrolled_by(officer);
    let presented = records.presented.iter().filter_map(|(_, by)| by.as_ref());
    if records.subjects.iter().any(enrolled_by) || presented.into_iter().any(|by| by.is_of_same_person(officer)) {
        return Err(GalleryError::OfficerInvolved);
    }
    let earlier = records.pairs.iter().find(|pair| pair.second == *second);
    let entry = PairEntry { kind: PairEntryKind::Cleared, officer: officer.clone(), reason: reason.clone(), at: now };
    let state = earlier.map(|pair| pair.state(now));
    let pair = match (earlier, state) {
        (Some(pair), Some(PairState::InForce)) => return Ok(done(pair, records)),
        (Some(pair), Some(PairState::Waiting))
            if pair.round().iter().any(|one| one.officer.is_of_same_person(officer)) =>
        {
            return Ok(done(pair, records));
        }
        (Some(pair), Some(PairState::Waiting)) => with(pair, entry),
        (earlier, _) => {
            if records.subjects.is_empty() {
                return Err(GalleryError::UnknownSubject);
            }
            let mut entries = earlier.map(|pair| pair.entries.clone()).unwrap_or_default();
            let round_from = entries.len();
            entries.push(entry);
            ClearedPair {
                first: first.clone(),
                second: second.clone(),
                entries,
                round_from,
                officers_needed: (*officers_needed).max(1),
                expires_at: lifetime_ms.map(|lifetime| Timestamp(now.0.saturating_add(lifetime))),
            }
        }
    };
    Ok(write(pair, records))
}

/// Ends what is in force or waits. The same again is done already.
pub(super) fn plan_end(unclear: &UnclearPair, records: &Records, now: Timestamp) -> Result<Planned, GalleryError> {
    let UnclearPair { first, second, officer, reason } = unclear;
    if first >= second {
        return Err(GalleryError::SamePair);
    }
    let pair = records.pairs.iter().find(|pair| pair.second == *second).ok_or(GalleryError::UnknownPair)?;
    match pair.state(now) {
        PairState::Ended | PairState::Expired => Ok(done(pair, records)),
        PairState::InForce | PairState::Waiting => {
            let (officer, reason) = (officer.clone(), reason.clone());
            Ok(write(with(pair, PairEntry { kind: PairEntryKind::Ended, officer, reason, at: now }), records))
        }
    }
}

fn with(pair: &ClearedPair, entry: PairEntry) -> ClearedPair {
    let mut pair = pair.clone();
    pair.entries.push(entry);
    pair
}

fn write(pair: ClearedPair, records: &Records) -> Planned {
    let receipt = Receipt { commit: records.commit, templates: 0, replayed: false };
    let committed = Committed { pair: Some(pair.clone()), ..Committed::of(receipt) };
    Planned::Write(Plan { writes: vec![Write::Cleared(pair)], committed })
}

fn done(pair: &ClearedPair, records: &Records) -> Planned {
    let receipt = Receipt { commit: records.as_of.0, templates: 0, replayed: true };
    Planned::Done(Committed { pair: Some(pair.clone()), ..Committed::of(receipt) })
}

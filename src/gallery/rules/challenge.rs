//! Challenges of Active Authentication: issuing one, within a bound, and using it up.

use super::{Plan, Planned, Write};
use crate::gallery::records::{Committed, ReadSet, Records};
use crate::gallery::{
    CHALLENGES_MAX, ChallengeOwner, ChallengeUse, GalleryError, NewChallenge, Receipt, StoredChallenge, Timestamp,
};

pub(super) fn reads(challenge: &NewChallenge) -> ReadSet {
    ReadSet { challenges_of: Some(challenge.owner.clone()), ..ReadSet::default() }
}

/// Stores a challenge, and takes away those of its owner whose time is over or that are too many.
pub(super) fn plan(new: &NewChallenge, records: &Records, now: Timestamp) -> Planned {
    let NewChallenge { owner, digest, lifetime_ms } = new;
    let (over, kept): (Vec<&StoredChallenge>, Vec<_>) =
        records.challenges.iter().partition(|one| one.expires_at <= now);
    let too_many = (kept.len() + 1).saturating_sub(CHALLENGES_MAX);
    let gone = over.into_iter().chain(kept.into_iter().take(too_many));
    let mut writes: Vec<Write> = gone.map(|one| Write::RemoveChallenge(one.number)).collect();
    let stored = StoredChallenge {
        number: records.challenge_next,
        owner: owner.clone(),
        digest: *digest,
        expires_at: Timestamp(now.0.saturating_add(*lifetime_ms)),
        used_by: None,
    };
    writes.push(Write::Challenge(stored.clone()));
    let receipt = Receipt { commit: records.commit, templates: 0, replayed: false };
    Planned::Write(Plan { writes, committed: Committed { challenge: Some(stored), ..Committed::of(receipt) } })
}

/// The row that says which attempt has used a challenge.
///
/// # Errors
/// [`GalleryError::Outdated`] where it is not there any more, was used, or its time is over: the
/// decision rests on its being open, and must be made anew.
pub(super) fn used(
    owner: &ChallengeOwner,
    digest: &[u8; 32],
    attempt: u32,
    records: &Records,
    now: Timestamp,
) -> Result<Write, GalleryError> {
    let found = records.challenges.iter().find(|one| one.owner == *owner && one.digest == *digest);
    let open = found.filter(|one| one.stands(now) == ChallengeUse::Open).ok_or(GalleryError::Outdated)?;
    Ok(Write::Challenge(StoredChallenge { used_by: Some(attempt), ..open.clone() }))
}

//! Records that a benefit system hands over to a desk: it opens one, gets an address for the clerk's browser,
//! and learns what came of it. What it says of the person is kept in memory until then, and no longer.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::digest::SecretDigest;
use crate::{hex, random};

/// How long one waits for its result.
const LASTS: Duration = Duration::from_secs(60 * 60);
/// Most at a time.
const OPEN_MAX: usize = 20_000;
/// Most of one system at a time, so that others can go on.
const OPEN_OF_ONE_MAX: usize = 5_000;
/// Longest text of a field, in bytes.
const TEXT_BYTES_MAX: usize = 512;

/// What a benefit system sends to open one.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct OpenHandoff {
    /// The name of the transaction, as in VerifyBeneficiary; made where it is empty.
    pub transaction_id: String,
    /// Pseudonymous id of the claimed record.
    pub subject_id: String,
    /// `SCHEME_SOCIAL` and the like.
    pub scheme: String,
    /// Policy; empty for the default.
    pub policy: String,
    /// What the system's record says of the person.
    pub record: HandoffRecord,
    /// Where the browser goes afterwards.
    pub return_url: Option<String>,
}

/// What a benefit record says of a person, as in VerifyBeneficiary.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct HandoffRecord {
    /// The citizen's number.
    pub number: String,
    /// The full name.
    pub name: String,
    /// As far as it is known.
    pub birth_date: String,
    /// `SEX_MALE` and the like.
    pub sex: String,
}

/// One that is open.
#[derive(Clone, PartialEq, Eq)]
pub struct Handoff {
    /// In the address of the page.
    pub id: String,
    /// The system, as access knows it.
    pub owner: String,
    /// What was handed over.
    pub opened: OpenHandoff,
    /// Who works on it: whoever opened the page first.
    pub clerk: Option<String>,
    /// What came of it.
    pub result: Option<HandoffResult>,
    /// Its end.
    pub until: Instant,
}

/// What came of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HandoffResult {
    /// The attempt that was decided last.
    pub attempt: u32,
    /// `OUTCOME_APPROVE` and the like, as it was decided.
    pub outcome: String,
    /// When, as in VerifyBeneficiary.
    pub decided_at: String,
}

/// Why one cannot be opened or used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HandoffFault {
    /// A text that is too long or has characters that cannot be seen.
    #[error("{0} takes at most 512 bytes of text without control characters")]
    Text(&'static str),
    /// Something is missing.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// The transaction is about another record, or another scheme of it.
    #[error("transactionId is another record's: name a transaction of its own for each claim")]
    OtherRecord,
    /// There are too many.
    #[error("there are too many open records; try again later")]
    TooMany,
    /// There is none of this id for this caller, or it is over.
    #[error("there is no such record for you, or its time is over")]
    Unknown,
    /// Somebody else has begun with it.
    #[error("somebody else has begun to work on it")]
    Taken,
    /// The decision cannot be looked for: the caller's rate, a server that is full or closing.
    #[error("whether it is decided cannot be looked up at present; ask again in a moment")]
    NotLookedUp,
}

/// All that are open.
#[derive(Default)]
pub struct Handoffs(Mutex<HashMap<SecretDigest, Handoff>>);

impl OpenHandoff {
    fn check(&self) -> Result<(), HandoffFault> {
        let HandoffRecord { number, name, birth_date, sex } = &self.record;
        let texts = [
            ("transactionId", &self.transaction_id),
            ("subjectId", &self.subject_id),
            ("scheme", &self.scheme),
            ("policy", &self.policy),
            ("record.number", number),
            ("record.name", name),
            ("record.birthDate", birth_date),
            ("record.sex", sex),
        ];
        for (key, text) in texts {
            if text.len() > TEXT_BYTES_MAX || text.chars().any(char::is_control) {
                return Err(HandoffFault::Text(key));
            }
        }
        if self.subject_id.is_empty() {
            return Err(HandoffFault::Missing("subjectId"));
        }
        Ok(())
    }
}

impl Handoff {
    /// Whether it is open under this transaction and about another record, or another scheme where both name one.
    fn is_of_another(&self, transaction: &str, subject: &str, scheme: &str, now: Instant) -> bool {
        let OpenHandoff { transaction_id, subject_id, scheme: named, .. } = &self.opened;
        let is_same_scheme = named.is_empty() || scheme.is_empty() || named == scheme;
        self.until > now && transaction_id == transaction && !(subject_id == subject && is_same_scheme)
    }
}

impl Handoffs {
    /// Opens one for the system `owner`.
    ///
    /// # Errors
    /// [`HandoffFault`] for what cannot be handed over; the outer one where the system has no random numbers.
    pub fn open(
        &self,
        owner: String,
        mut opened: OpenHandoff,
        now: Instant,
    ) -> io::Result<Result<Handoff, HandoffFault>> {
        if let Err(fault) = opened.check() {
            return Ok(Err(fault));
        }
        let id = hex::encode(&random::secret::<16>()?);
        if opened.transaction_id.is_empty() {
            opened.transaction_id = hex::encode(&random::secret::<16>()?);
        }
        let handoff = Handoff { id: id.clone(), owner, opened, clerk: None, result: None, until: now + LASTS };
        let mut open = self.lock();
        let is_full = |open: &HashMap<_, Handoff>| {
            let of_one = open.values().filter(|other| other.owner == handoff.owner).count();
            open.len() >= OPEN_MAX || of_one >= OPEN_OF_ONE_MAX
        };
        if is_full(&open) {
            open.retain(|_, handoff| handoff.until > now);
            if is_full(&open) {
                return Ok(Err(HandoffFault::TooMany));
            }
        }
        let is_other = |other: &Handoff| {
            let OpenHandoff { transaction_id, subject_id, scheme, .. } = &handoff.opened;
            other.is_of_another(transaction_id, subject_id, scheme, now)
        };
        if open.values().any(is_other) {
            return Ok(Err(HandoffFault::OtherRecord));
        }
        open.insert(SecretDigest::of(&id), handoff.clone());
        Ok(Ok(handoff))
    }

    /// The one of this id, for its page: whoever asks first works on it.
    ///
    /// # Errors
    /// [`HandoffFault::Unknown`], [`HandoffFault::Taken`].
    pub fn take(&self, id: &str, clerk: &str, now: Instant) -> Result<Handoff, HandoffFault> {
        let mut open = self.lock();
        let handoff = find(&mut open, id, now)?;
        match &handoff.clerk {
            Some(other) if other != clerk => return Err(HandoffFault::Taken),
            _ => handoff.clerk = Some(clerk.to_owned()),
        }
        Ok(handoff.clone())
    }

    /// The one of this id, for the system that opened it.
    ///
    /// # Errors
    /// [`HandoffFault::Unknown`], also for another system.
    pub fn of_owner(&self, id: &str, owner: &str, now: Instant) -> Result<Handoff, HandoffFault> {
        let mut open = self.lock();
        let handoff = find(&mut open, id, now)?;
        (handoff.owner == owner).then(|| handoff.clone()).ok_or(HandoffFault::Unknown)
    }

    /// Whether one is open under this transaction that is about another record, or another scheme: what would be
    /// decided under it would be taken for the answer about what was handed over.
    pub fn is_of_another(&self, transaction: &str, subject: &str, scheme: &str, now: Instant) -> bool {
        self.lock().values().any(|handoff| handoff.is_of_another(transaction, subject, scheme, now))
    }

    /// Notes what came of it; true where that is new.
    pub fn note(&self, id: &str, result: HandoffResult, now: Instant) -> bool {
        let mut open = self.lock();
        let Ok(handoff) = find(&mut open, id, now) else { return false };
        // What it says of the person has done its work.
        handoff.opened.record = HandoffRecord::default();
        let is_new = handoff.result.as_ref() != Some(&result);
        handoff.result = Some(result);
        is_new
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<SecretDigest, Handoff>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn find<'a>(
    open: &'a mut HashMap<SecretDigest, Handoff>,
    id: &str,
    now: Instant,
) -> Result<&'a mut Handoff, HandoffFault> {
    let key = SecretDigest::of(id);
    if open.get(&key).is_some_and(|handoff| handoff.until <= now) {
        open.remove(&key);
    }
    open.get_mut(&key).ok_or(HandoffFault::Unknown)
}

/// What it says of a person stays out of logs.
impl fmt::Debug for Handoff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Handoff")
    }
}

impl fmt::Debug for OpenHandoff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OpenHandoff")
    }
}

impl fmt::Debug for HandoffRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HandoffRecord")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> OpenHandoff {
        OpenHandoff { subject_id: "record-1".into(), ..OpenHandoff::default() }
    }

    #[test]
    fn it_is_seen_by_the_system_that_opened_it_and_by_the_clerk_who_took_it_first() {
        let (handoffs, now) = (Handoffs::default(), Instant::now());
        let opened = handoffs.open("machine his".into(), record(), now).unwrap().unwrap();
        assert_eq!(opened.opened.transaction_id.len(), 32, "a transaction is made where none is named");
        assert!(handoffs.of_owner(&opened.id, "machine his", now).is_ok());
        assert_eq!(handoffs.of_owner(&opened.id, "machine other", now), Err(HandoffFault::Unknown));
        assert!(handoffs.take(&opened.id, "person a", now).is_ok());
        assert!(handoffs.take(&opened.id, "person a", now).is_ok(), "a page that is loaded again");
        assert_eq!(handoffs.take(&opened.id, "person b", now), Err(HandoffFault::Taken));
        assert_eq!(handoffs.take("00", "person a", now), Err(HandoffFault::Unknown));
        assert_eq!(handoffs.take(&opened.id, "person a", now + LASTS), Err(HandoffFault::Unknown));
    }

    #[test]
    fn a_transaction_is_of_one_record_and_a_system_has_its_share_of_the_places() {
        let (handoffs, now) = (Handoffs::default(), Instant::now());
        let open = |owner: &str, transaction: &str, subject: &str, now| {
            let opened = OpenHandoff { transaction_id: transaction.into(), subject_id: subject.into(), ..record() };
            handoffs.open(owner.into(), opened, now).unwrap().map(drop)
        };
        assert_eq!(open("machine his", "t-1", "record-1", now), Ok(()));
        assert_eq!(open("machine his", "t-1", "record-1", now), Ok(()), "the same again");
        assert_eq!(open("machine other", "t-1", "record-2", now), Err(HandoffFault::OtherRecord));
        let of_scheme = |scheme: &str| OpenHandoff { transaction_id: "t-2".into(), scheme: scheme.into(), ..record() };
        let opened = |scheme| handoffs.open("machine other".into(), of_scheme(scheme), now).unwrap().map(drop);
        assert_eq!((opened("SCHEME_HEALTH"), opened("")), (Ok(()), Ok(())));
        assert_eq!(opened("SCHEME_SOCIAL"), Err(HandoffFault::OtherRecord));
        for _ in 2..OPEN_OF_ONE_MAX {
            assert_eq!(open("machine his", "", "record-1", now), Ok(()));
        }
        assert_eq!(open("machine his", "", "record-1", now), Err(HandoffFault::TooMany));
        assert_eq!(open("machine other", "", "record-2", now), Ok(()));
        assert_eq!(open("machine his", "", "record-1", now + LASTS), Ok(()), "their time is over");
    }

    #[test]
    fn a_transaction_is_for_the_record_and_scheme_that_were_handed_over_as_long_as_it_is_open() {
        let (handoffs, now) = (Handoffs::default(), Instant::now());
        let open = |transaction: &str, scheme: &str| {
            let opened = OpenHandoff { transaction_id: transaction.into(), scheme: scheme.into(), ..record() };
            handoffs.open("machine his".into(), opened, now).unwrap().unwrap();
        };
        open("t-1", "SCHEME_SOCIAL");
        open("t-2", "");
        let is_of_another = |transaction, subject, scheme| handoffs.is_of_another(transaction, subject, scheme, now);
        assert!(!is_of_another("t-1", "record-1", "SCHEME_SOCIAL"));
        assert!(is_of_another("t-1", "record-2", "SCHEME_SOCIAL"));
        assert!(is_of_another("t-1", "record-1", "SCHEME_HEALTH"));
        assert!(!is_of_another("t-2", "record-1", "SCHEME_HEALTH"), "the clerk chooses");
        assert!(is_of_another("t-2", "record-2", "SCHEME_HEALTH"));
        assert!(!is_of_another("t-3", "record-2", "SCHEME_HEALTH"), "nobody handed it over");
        assert!(!handoffs.is_of_another("t-1", "record-2", "SCHEME_SOCIAL", now + LASTS), "its time is over");
    }

    #[test]
    fn what_it_says_of_the_person_is_forgotten_with_the_result() {
        let (handoffs, now) = (Handoffs::default(), Instant::now());
        let named = HandoffRecord { name: "A".into(), ..HandoffRecord::default() };
        let opened = handoffs.open("machine his".into(), OpenHandoff { record: named, ..record() }, now);
        let id = opened.unwrap().unwrap().id;
        let result = HandoffResult { attempt: 1, outcome: "OUTCOME_REFER".into(), decided_at: String::new() };
        assert!(handoffs.note(&id, result.clone(), now));
        assert!(!handoffs.note(&id, result.clone(), now), "the same again is nothing new");
        let kept = handoffs.of_owner(&id, "machine his", now).unwrap();
        assert_eq!((kept.opened.record, kept.result), (HandoffRecord::default(), Some(result)));
    }

    #[test]
    fn texts_that_no_record_has_are_refused() {
        let handoffs = Handoffs::default();
        let refused = |opened| handoffs.open("machine his".into(), opened, Instant::now()).unwrap().unwrap_err();
        assert_eq!(refused(OpenHandoff::default()), HandoffFault::Missing("subjectId"));
        let long = OpenHandoff { policy: "p".repeat(513), ..record() };
        assert_eq!(refused(long), HandoffFault::Text("policy"));
        let newline = HandoffRecord { name: "a\nb".into(), ..HandoffRecord::default() };
        assert_eq!(refused(OpenHandoff { record: newline, ..record() }), HandoffFault::Text("record.name"));
    }
}

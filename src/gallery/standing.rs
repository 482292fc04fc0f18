//! How a record stands: whether it is restricted, what holds it, whether its erasure was asked for,
//! and on what legal basis it was enrolled.
//!
//! Everything that was said of a record's standing is kept, oldest first; how it stands follows from
//! that. A restricted record is stored and audited; no search of a benefit decision finds it, and no
//! decision about it approves by itself.

use super::{GalleryError, Note, Receipt, SubjectId, Timestamp, note};
use crate::ledger::entry::Code;
use crate::numbers;

/// By whose request a record is restricted or erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Requester {
    /// The person of the record, or who acts for them.
    Person,
    /// A court or another authority.
    Authority,
    /// The office that keeps the gallery.
    Office,
}

/// The name of a legal hold: of a case file or an order. 1–64 of `A-Z a-z 0-9 _ . / -` with at most
/// eight digits together, so that no number of a person is one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct HoldName(String);

impl HoldName {
    /// Checks and wraps a name.
    ///
    /// # Errors
    /// [`GalleryError::BadHoldName`].
    pub fn new(name: impl Into<String>) -> Result<Self, GalleryError> {
        let name = name.into();
        let is_number = numbers::looks_like_one(&name);
        let code = Code::new(name).ok().filter(|_| !is_number).ok_or(GalleryError::BadHoldName)?;
        Ok(Self(code.as_str().to_owned()))
    }

    /// Wraps what an earlier program checked and stored.
    pub(super) fn stored(name: String) -> Self {
        Self(name)
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Reference to the legal basis or the consent that an enrolment rests on, as the operator files it:
/// 1–200 characters without control characters and without a long number, which would be
/// somebody's. Opaque here; `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct LegalBasis(String);

impl LegalBasis {
    /// Most characters.
    pub const CHARS_MAX: usize = 200;

    /// Checks and wraps a reference.
    ///
    /// # Errors
    /// [`GalleryError::BadLegalBasis`].
    pub fn new(text: impl Into<String>) -> Result<Self, GalleryError> {
        let text = text.into();
        if note::is_fit(&text, Self::CHARS_MAX) { Ok(Self(text)) } else { Err(GalleryError::BadLegalBasis) }
    }

    /// Wraps what an earlier program checked and stored.
    pub(crate) fn stored(text: String) -> Self {
        Self(text)
    }

    /// The reference.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The legal basis of one enrolment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedBasis {
    /// The reference.
    pub basis: LegalBasis,
    /// When the enrolment was committed.
    pub at: Timestamp,
}

/// What was done to a record's standing.
#[derive(Clone, PartialEq, Eq)]
pub enum StandingAction {
    /// It is restricted.
    Restrict(Requester),
    /// The restriction that is in force ends, or an erasure that was asked for is no longer wanted. Every
    /// one that is, where an earlier program wrote it.
    Lift,
    /// Of several that are in force the one with this number ends.
    LiftOne(u32),
    /// A legal hold begins.
    Hold(HoldName),
    /// The legal hold of this name ends.
    Release(HoldName),
    /// Its erasure was asked for and waits; until then it is restricted.
    AskErasure {
        /// By whose request.
        requester: Requester,
        /// Whoever asked said that a finding about the record is open.
        finding_open: bool,
    },
}

impl StandingAction {
    /// Its name in answers and in the log.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Restrict(_) => "restricted",
            Self::Lift | Self::LiftOne(_) => "lifted",
            Self::Hold(_) => "held",
            Self::Release(_) => "released",
            Self::AskErasure { .. } => "erasure_asked",
        }
    }
}

/// What was said of a record's standing, by whom and why.
#[derive(Clone, PartialEq, Eq)]
pub struct StandingEntry {
    /// What was done.
    pub action: StandingAction,
    /// Pseudonymous id of who did it.
    pub by: SubjectId,
    /// Why, in their words.
    pub reason: Note,
    /// When it was committed.
    pub at: Timestamp,
}

impl StandingEntry {
    /// By whose request the record's erasure was asked for, where it was here.
    fn asks_erasure(&self) -> Option<Requester> {
        match self.action {
            StandingAction::AskErasure { requester, .. } => Some(requester),
            _ => None,
        }
    }
}

/// How a record stands. The default is a record that nothing was said of.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// What was said, oldest first.
    pub entries: Vec<StandingEntry>,
}

impl Standing {
    /// Whether it takes no part in searches and no decision about it approves by itself.
    pub fn is_restricted(&self) -> bool {
        !self.restrictions().is_empty()
    }

    /// What restricts the record, oldest first: restrictions, and erasures that wait, of each requester the
    /// newest. Each has a number, its place among the entries from 1, and ends by that; the record takes
    /// part again when all have ended.
    pub fn restrictions(&self) -> Vec<(u32, &StandingEntry)> {
        let mut in_force: Vec<(u32, &StandingEntry)> = Vec::new();
        for (number, entry) in (1..).zip(&self.entries) {
            match &entry.action {
                StandingAction::Restrict(_) => in_force.push((number, entry)),
                StandingAction::AskErasure { requester, .. } => {
                    // Asked for again: what was said of it last counts.
                    in_force.retain(|(_, before)| before.asks_erasure() != Some(*requester));
                    in_force.push((number, entry));
                }
                StandingAction::Lift => in_force.clear(),
                StandingAction::LiftOne(ended) => in_force.retain(|(number, _)| number != ended),
                StandingAction::Hold(_) | StandingAction::Release(_) => {}
            }
        }
        in_force
    }

    /// The newest restriction that is in force.
    pub fn restriction(&self) -> Option<&StandingEntry> {
        let restrictions = self.restrictions();
        let newest = restrictions.iter().rev().find(|(_, entry)| entry.asks_erasure().is_none());
        newest.map(|(_, entry)| *entry)
    }

    /// The newest request of an erasure that waits.
    pub fn erasure(&self) -> Option<&StandingEntry> {
        let restrictions = self.restrictions();
        let newest = restrictions.iter().rev().find(|(_, entry)| entry.asks_erasure().is_some());
        newest.map(|(_, entry)| *entry)
    }

    /// Everything that was said, oldest first, each with its number from 1, and whether it is a restriction,
    /// an erasure that waits or a hold that is in force.
    pub fn numbered(&self) -> Vec<(u32, bool, &StandingEntry)> {
        let mut in_force: Vec<&StandingEntry> = self.restrictions().into_iter().map(|(_, entry)| entry).collect();
        in_force.extend(self.holds().into_iter().map(|(_, entry)| entry));
        let is_in_force = |entry: &StandingEntry| in_force.iter().any(|one| std::ptr::eq(*one, entry));
        (1..).zip(&self.entries).map(|(number, entry)| (number, is_in_force(entry), entry)).collect()
    }

    /// The legal holds in force, oldest first.
    pub fn holds(&self) -> Vec<(&HoldName, &StandingEntry)> {
        let mut holds = Vec::new();
        for entry in &self.entries {
            match &entry.action {
                StandingAction::Hold(name) => holds.push((name, entry)),
                StandingAction::Release(name) => holds.retain(|(held, _)| *held != name),
                _ => {}
            }
        }
        holds
    }

    /// Whether it must be kept as it is: nothing of it is removed or replaced.
    pub fn is_kept(&self) -> bool {
        self.is_restricted() || !self.holds().is_empty()
    }
}

/// A change of a record's standing; its erasure is a [`Erase`].
#[derive(Clone, PartialEq, Eq)]
pub struct ChangeStanding {
    /// Whose record.
    pub subject: SubjectId,
    /// What is done.
    pub action: StandingAction,
    /// Pseudonymous id of who does it.
    pub by: SubjectId,
    /// Why, in their words.
    pub reason: Note,
}

/// The erasure of everything that is kept of a subject.
#[derive(Clone, PartialEq, Eq)]
pub struct Erase {
    /// Of whom.
    pub subject: SubjectId,
    /// By whose request.
    pub requester: Requester,
    /// A finding about the record is open, as the caller knows: the gallery keeps no findings.
    pub finding_open: bool,
    /// Pseudonymous id of who does it.
    pub by: SubjectId,
    /// Why, in their words.
    pub reason: Note,
}

/// What stands against an erasure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Obstacle {
    /// A decision about the subject waits for an officer.
    ReferralOpen,
    /// A legal hold is in force.
    LegalHold,
    /// A finding about the record is open.
    FindingOpen,
}

impl Obstacle {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::ReferralOpen, Self::LegalHold, Self::FindingOpen];

    /// Its code in answers and in the log.
    pub fn code(self) -> &'static str {
        match self {
            Self::ReferralOpen => "REFERRAL_OPEN",
            Self::LegalHold => "LEGAL_HOLD",
            Self::FindingOpen => "FINDING_OPEN",
        }
    }
}

/// What an erasure came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Erasure {
    /// Everything that was kept of the subject is gone.
    Erased,
    /// The record is restricted until these end; then it can be erased by asking again.
    Waits(Vec<Obstacle>),
}

impl Erasure {
    /// Its name in answers and in the log.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Erased => "erased",
            Self::Waits(_) => "waits",
        }
    }
}

/// What an erasure is answered with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErasureReceipt {
    /// Everything is gone, or what it waits for.
    pub erasure: Erasure,
    /// Proof that it was committed.
    pub receipt: Receipt,
    /// Number of its entry in the transparency log, from 0; `None` where none is kept.
    pub entry: Option<u64>,
}

/// Whether a search finds restricted records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Restricted {
    /// They are left out.
    #[default]
    LeftOut,
    /// They are found as others are.
    Included,
}

opaque!(LegalBasis StandingAction StandingEntry Standing ChangeStanding Erase);

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(actions: &[StandingAction]) -> Standing {
        let entry = |action: &StandingAction| StandingEntry {
            action: action.clone(),
            by: SubjectId::new("o-1").unwrap(),
            reason: Note::new("asked").unwrap(),
            at: Timestamp(1),
        };
        Standing { entries: actions.iter().map(entry).collect() }
    }

    #[test]
    fn how_a_record_stands_follows_from_what_was_said() {
        use StandingAction::{AskErasure, Hold, Lift, LiftOne, Release, Restrict};
        let name = |text: &str| HoldName::new(text).unwrap();
        let asked = AskErasure { requester: Requester::Person, finding_open: false };
        let new = standing(&[]);
        assert!(!new.is_restricted() && !new.is_kept());
        let restricted = standing(&[Restrict(Requester::Person)]);
        assert!(restricted.is_restricted() && restricted.is_kept() && restricted.erasure().is_none());
        let lifted = standing(&[Restrict(Requester::Person), asked.clone(), Lift]);
        assert!(!lifted.is_restricted() && !lifted.is_kept());
        let again = standing(&[Restrict(Requester::Person), Lift, asked.clone()]);
        assert!(again.is_restricted() && again.restriction().is_none());
        let several = [Restrict(Requester::Person), Hold(name("a")), Restrict(Requester::Authority), asked.clone()];
        let numbers = |of: &Standing| of.restrictions().iter().map(|(number, _)| *number).collect::<Vec<_>>();
        assert_eq!(numbers(&standing(&several)), [1, 3, 4]);
        let told = standing(&several).numbered().iter().map(|(_, in_force, _)| *in_force).collect::<Vec<_>>();
        assert_eq!(told, [true; 4]);
        let one_less = standing(&[&several[..], &[LiftOne(3)]].concat());
        assert_eq!(numbers(&one_less), [1, 4]);
        let asked_again = AskErasure { requester: Requester::Person, finding_open: true };
        let said = [&several[..], &[LiftOne(3), LiftOne(1), asked_again, LiftOne(9)]].concat();
        assert_eq!(numbers(&standing(&said)), [7], "a number that is not there ends nothing");
        let gone = standing(&[&said[..], &[LiftOne(7)]].concat());
        assert!(!gone.is_restricted() && gone.erasure().is_none() && gone.is_kept());
        let held = standing(&[Hold(name("a")), Hold(name("b")), Release(name("a")), Lift]);
        assert_eq!(held.holds().iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["b"]);
        assert!(!held.is_restricted() && held.is_kept(), "a hold keeps a record and restricts nobody");
    }

    #[test]
    fn a_hold_and_a_legal_basis_are_nobodys_number() {
        assert!(HoldName::new("VKS-2026/0012").is_ok());
        for wrong in ["", "two words", "079088000017", "HS4010012345678"] {
            assert!(HoldName::new(wrong).is_err(), "{wrong}");
        }
        for good in ["Luật BHXH 41/2024/QH15 Điều 5", "consent-form 2026/17", "x"] {
            assert!(LegalBasis::new(good).is_ok(), "{good}");
        }
        for wrong in ["", "\u{200b}", "a\nb", "consent of 079 088 000 017", &"a".repeat(201)] {
            assert!(LegalBasis::new(wrong).is_err(), "{wrong}");
        }
        assert_eq!(format!("{:?}", LegalBasis::new("consent").unwrap()), "LegalBasis(…)");
    }
}

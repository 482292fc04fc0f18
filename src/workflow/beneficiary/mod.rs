//! One decision at the counter: the photo on the chip is genuine, the person is
//! the one on it, and nobody else has this face.
//!
//! ```text
//! chip files ──▶ chip::inspect ──▶ verdict, holder, photo ─┐
//! record ────────────────────────▶ field by field ─────────┤
//! frames ──▶ templates, quality, liveness ─────────────────┼─▶ Evidence ─┐
//!             ├─▶ 1:1 with the chip's photo ───────────────┤             ├─▶ decide ─▶ Decided
//!             ├─▶ 1:1 with the enrolled reference ─────────┤   Policy ───┘      │
//!             └─▶ 1:N: the same face on other records ─────┘                    ▼
//!                                        one commit: decision, transaction id, enrolment
//! ```
//!
//! Each file answers one question: what is asked and answered (here), what the
//! evidence is (`evidence`), whether card and record agree (`record`, `names`, `lookalikes`),
//! what a policy may say (`policy`), what speaks against an approval (`grounds`),
//! what it all comes to (`decide`), what people
//! are told of it (`sentences`), how it is gathered and committed (`flow`,
//! `lookup`), which challenges for chips are issued and count (`challenge`), what goes on at this moment (`turns`), what officers add (`referral`), what is read
//! of it all (`cases`) and which pictures they see (`pictures`).

mod captures;
mod cases;
mod challenge;
mod counted;
mod decide;
mod entered;
mod evidence;
mod flow;
mod lookalikes;
mod lookup;
mod names;
mod pictures;
mod policies;
mod policy;
mod reason_code;
mod record;
mod referral;
mod sentences;
mod service;
mod turns;

pub use cases::{
    CaseDecision, Cases, ListPage, PAGE_DEFAULT, PAGE_MAX, PageRequest, RepeatedCapture, StandingFilter, SubjectCount,
    SubjectFilter, SubjectSummary,
};
pub use challenge::{ChallengeState, IssuedChallenge};
pub use decide::{AppliedRule, Decided, decide};
pub use evidence::{
    CAPTURES_SEEN_MAX, CaptureSeen, ChipEvidence, Comparison, CopyOf, Duplicate, Duplicates, EarlierAttempt,
    EarlierAttempts, Evidence, FieldState, FrameEvidence, History, RecordEvidence, RecordTemplates, SchemeState,
};
pub use pictures::{CasePictures, PicturesKept};
pub use policies::{DEFAULT_POLICY, Policies};
pub use policy::{Consequence, FirstSight, GroundKey, Policy, PolicyFile};
pub use reason_code::{EvidenceKind, ReasonCode};
pub use record::Record;
pub use referral::{
    ClearPairRequest, PairChange, ResolveReferral, ResolvedReferral, UnclearPairRequest, officers_needed,
};
pub use sentences::{
    CITIZEN_CHARS_MAX, Sentence, chip_sentence, citizen_reason, citizen_sentence, decision_sentence, is_tried_again,
    resolved_sentence,
};
pub(super) use service::DecisionService;

use super::content_digest::ContentDigest;
use crate::chip::{BirthDate, ChallengeResponse};
pub use crate::gallery::Scheme;
use crate::gallery::{DecisionKey, Resolution, SubjectId, Timestamp};

/// Is this person the one the card and the benefit belong to?
#[derive(Clone)]
pub struct BeneficiaryRequest {
    /// The caller's name for the transaction, and which attempt this is.
    pub key: DecisionKey,
    /// Pseudonymous id of the claimed record.
    pub subject: SubjectId,
    /// Pseudonymous id of the clerk who presents the case, where the caller names one: nobody
    /// answers as an officer what they presented.
    pub presented_by: Option<SubjectId>,
    /// Unit that presents the case, where the caller names it: 1–128 bytes.
    pub unit: Option<String>,
    /// What is drawn from.
    pub scheme: Scheme,
    /// Name of the policy to decide by; empty means `default`.
    pub policy: String,
    /// What the claimed record says of the person.
    pub record: Record,
    /// The chip's files in any order; none where the chip was not read.
    pub chip_files: Vec<Vec<u8>>,
    /// Challenge and response, where the reader ran Active Authentication: the challenge of
    /// [`Engine::new_challenge`](crate::workflow::Engine::new_challenge), or the answer proves nothing.
    pub active: Option<ChallengeResponse>,
    /// 1–5 encoded captures of the person present.
    pub frames: Vec<Vec<u8>>,
}

/// The answer: the same bytes for the same question, however often it is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct BeneficiaryOutcome {
    /// Which decision.
    pub key: DecisionKey,
    /// What was decided, and why.
    pub decided: Decided,
    /// What it rests on.
    pub evidence: Evidence,
    /// The policy it was decided by.
    pub policy: String,
    /// SHA-256 of that policy's values ([`Policy::digest`]), as 64 hexadecimal digits. Empty
    /// in decisions of earlier versions.
    pub policy_digest: String,
    /// The same of the country certificates and revocation lists ([`Anchors::digest`](crate::chip::Anchors::digest)).
    pub anchors_digest: String,
    /// Whether the chip's photo became the reference with it.
    pub enrolled: bool,
    /// Recipe of all templates, as text.
    pub recipe: String,
    /// When it was committed.
    pub decided_at: Timestamp,
    /// Number of the commit that carried it.
    pub commit: u64,
    /// What officers said of it since, oldest first; what was decided stays beside it.
    pub resolutions: Vec<Resolution>,
    /// How many officers an approval of theirs takes; 0 until one has answered.
    pub officers_needed: u32,
}

impl BeneficiaryRequest {
    /// SHA-256 of everything asked, transaction and attempt apart.
    fn digest(&self) -> [u8; 32] {
        let mut digest = ContentDigest::new("verify beneficiary");
        digest.field(self.subject.as_str().as_bytes());
        digest.field(self.scheme.name().as_bytes());
        // Nothing where there is none: so requests of earlier versions are still recognised.
        if let Some(clerk) = &self.presented_by {
            digest.field(b"presented by");
            digest.field(clerk.as_str().as_bytes());
        }
        if let Some(unit) = &self.unit {
            digest.field(b"unit");
            digest.field(unit.as_bytes());
        }
        // Both names of it are one.
        digest.field(if self.policy.is_empty() { DEFAULT_POLICY } else { &self.policy }.as_bytes());
        let Record { number, name, birth, sex } = &self.record;
        let mut optional = |bytes: Option<&[u8]>| {
            digest.field(&[u8::from(bytes.is_some())]);
            digest.field(bytes.unwrap_or_default());
        };
        optional(number.as_ref().map(|number| number.reveal().as_bytes()));
        optional(name.as_ref().map(|name| name.reveal().as_bytes()));
        // By what was read, as far as anything was: so it was before texts came here unread.
        let birth = birth.as_ref().map(|text| {
            BirthDate::from_text(text.reveal()).map_or_else(|| text.reveal().to_owned(), |date| date.reveal_iso())
        });
        optional(birth.as_ref().map(String::as_bytes));
        optional(sex.map(|sex| sex.reveal().as_bytes()));
        optional(self.active.as_ref().map(|active| active.challenge.as_slice()));
        optional(self.active.as_ref().map(|active| active.response.as_slice()));
        // Chip files may come in any order, as a folder lists them, and twice.
        let mut chip_files: Vec<&Vec<u8>> = self.chip_files.iter().collect();
        chip_files.sort_unstable();
        chip_files.dedup();
        for files in [chip_files, self.frames.iter().collect()] {
            digest.field(&(files.len() as u64).to_le_bytes());
            for bytes in files {
                digest.field(bytes);
            }
        }
        digest.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chip::{Personal, Sex};
    use crate::gallery::RequestId;

    fn request() -> BeneficiaryRequest {
        BeneficiaryRequest {
            key: DecisionKey::new(RequestId::new("t").unwrap(), 1).unwrap(),
            subject: SubjectId::new("s").unwrap(),
            presented_by: None,
            unit: None,
            scheme: Scheme::Social,
            policy: String::new(),
            record: Record::default(),
            chip_files: vec![vec![1], vec![2]],
            active: None,
            frames: vec![vec![3]],
        }
    }

    #[test]
    fn every_part_of_a_request_counts_in_its_digest_and_its_key_does_not() {
        type Change = fn(&mut BeneficiaryRequest);
        let changes: [Change; 16] = [
            |r| r.unit = Some("clerk".to_owned()),
            |r| r.presented_by = Some(SubjectId::new("clerk").unwrap()),
            |r| r.subject = SubjectId::new("t").unwrap(),
            |r| r.scheme = Scheme::Health,
            |r| r.policy = "other".into(),
            |r| r.record.number = Some(Personal::new("1")),
            |r| r.record.name = Some(Personal::new("1")),
            |r| r.record.birth = Some(Personal::new("1988")),
            |r| r.record.birth = Some(Personal::new("1988-01")),
            |r| r.record.birth = Some(Personal::new("long ago")),
            |r| r.record.sex = Some(Sex::Male),
            |r| r.record.sex = Some(Sex::Female),
            |r| r.active = Some(ChallengeResponse { challenge: vec![1], response: vec![] }),
            |r| r.chip_files = vec![vec![1, 2]],
            |r| r.frames.push(vec![4]),
            |r| (r.chip_files, r.frames) = (vec![vec![1]], vec![vec![2], vec![3]]),
        ];
        let mut seen = vec![request().digest()];
        for change in changes {
            let mut changed = request();
            change(&mut changed);
            let digest = changed.digest();
            assert!(!seen.contains(&digest));
            seen.push(digest);
        }
        // A reader that sent a file again asks for nothing else.
        let mut twice = request();
        twice.chip_files = vec![vec![2], vec![1], vec![2]];
        assert_eq!(twice.digest(), seen[0]);
        let mut retake = request();
        retake.key.attempt = 2;
        assert_eq!(retake.digest(), seen[0]);
    }
}

//! What the transparency log is told of a decision: which rules, which evidence, which scores, and
//! nothing of who the person is.

use super::decide::Decided;
use super::evidence::{Comparison, Evidence, FieldState};
use super::policy::Policy;
use super::reason_code::EvidenceKind;
use crate::gallery::{LedgerFacts, SubjectId};
use crate::ledger::entry::{Digest, DigestOf};
use crate::workflow::Engine;
use crate::workflow::generation::Generation;

impl Engine {
    /// The facts of a decision by this policy.
    pub(super) fn facts(&self, policy: &Policy, evidence: &Evidence, decided: &Decided) -> LedgerFacts {
        let mut digests = vec![Digest { of: DigestOf::Policy, sha256: policy.digest() }];
        digests.extend(self.generations().flat_map(Generation::digests));
        let kinds = EvidenceKind::ALL.into_iter().filter(|kind| !decided.without.contains(kind));
        let evidence_kinds = kinds.filter(|kind| is_there(evidence, *kind)).map(EvidenceKind::name).collect();
        LedgerFacts {
            digests,
            evidence: evidence_kinds,
            scores: scores(policy, evidence),
            chip_verdict: evidence.chip.as_ref().map(|chip| chip.verdict.code()),
            shown: others(evidence),
        }
    }
}

/// Other subjects that an answer with this evidence tells of.
pub(super) fn others(evidence: &Evidence) -> Vec<SubjectId> {
    let duplicates = evidence.duplicates.iter().flat_map(|found| &found.candidates).map(|one| &one.subject);
    let captures = evidence.history.iter().flat_map(|history| history.captures.iter().flatten());
    duplicates.chain(captures.map(|one| &one.subject)).cloned().collect()
}

impl Generation {
    /// Digests of its recipe and its calibration.
    pub fn digests(&self) -> [Digest; 2] {
        let digest = |of, sha256| Digest { of, sha256 };
        [digest(DigestOf::Recipe, self.recipe().0), digest(DigestOf::Calibration, self.calibration_digest())]
    }
}

/// Whether there is evidence of a kind, for or against.
fn is_there(evidence: &Evidence, kind: EvidenceKind) -> bool {
    let was_compared = |state: FieldState| state != FieldState::NotChecked;
    match kind {
        EvidenceKind::Chip => evidence.chip.is_some(),
        EvidenceKind::Number => was_compared(evidence.record.number),
        EvidenceKind::Name => was_compared(evidence.record.name),
        EvidenceKind::BirthDate => was_compared(evidence.record.birth_date),
        EvidenceKind::Sex => was_compared(evidence.record.sex),
        EvidenceKind::Scheme => evidence.scheme.is_some(),
        EvidenceKind::Quality => evidence.quality.is_some(),
        EvidenceKind::Liveness => evidence.liveness.is_some(),
        EvidenceKind::ChipFace => evidence.chip_face.is_some(),
        EvidenceKind::ReferenceFace => evidence.reference_face.is_some(),
        EvidenceKind::Duplicates => evidence.duplicates.is_some(),
        EvidenceKind::History => evidence.history.is_some(),
    }
}

fn scores(policy: &Policy, evidence: &Evidence) -> Vec<(&'static str, f32, Option<f32>)> {
    let mut scores = Vec::new();
    let compared = |kind: EvidenceKind, found: &Option<Comparison>| {
        found.as_ref().map(|found| (kind.name(), found.score, Some(found.threshold.score)))
    };
    scores.extend(compared(EvidenceKind::ChipFace, &evidence.chip_face));
    scores.extend(compared(EvidenceKind::ReferenceFace, &evidence.reference_face));
    if let Some(duplicates) = &evidence.duplicates {
        let threshold = Some(duplicates.threshold.score);
        scores.extend(duplicates.candidates.iter().map(|one| (EvidenceKind::Duplicates.name(), one.score, threshold)));
    }
    let judged = |kind: EvidenceKind, found: Option<f32>, least| found.map(|value| (kind.name(), value, Some(least)));
    scores.extend(judged(EvidenceKind::Liveness, evidence.liveness, policy.liveness_min()));
    scores.extend(judged(EvidenceKind::Quality, evidence.quality, policy.quality_min));
    scores.truncate(crate::ledger::entry::SCORES_MAX);
    scores
}

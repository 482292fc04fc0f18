//! Messages about the evidence of a decision.

use super::face::{reference_kind, wire_reference};
use super::gallery::{from_wire, to_wire};
use super::verification::frames;
use super::{BadAnswer, named, present};
use crate::chip::{self, ActiveAuthentication};
use crate::face::quality::Flaw;
use crate::gallery::SubjectId;
use crate::service::pb;
use crate::workflow::beneficiary::{
    CaptureSeen, ChallengeState, ChipEvidence, Comparison, CopyOf, Decided, Duplicate, Duplicates, EarlierAttempt,
    EarlierAttempts, Evidence, FieldState, FrameEvidence, History, RecordEvidence, RecordTemplates, SchemeState,
    chip_sentence,
};

impl pb::DecisionEvidence {
    /// The evidence that `decided` rests on, with the sentences that go with that decision.
    pub(super) fn of(evidence: Evidence, decided: &Decided) -> Self {
        let chip = |chip: ChipEvidence| pb::ChipEvidence {
            verdict: chip.verdict.code().to_owned(),
            reasons: chip
                .reasons
                .into_iter()
                .map(|reason| pb::ChipReason {
                    code: reason.code().to_owned(),
                    message_vi: chip_sentence(reason, decided).vi,
                    message_en: chip_sentence(reason, decided).en,
                })
                .collect(),
            active_authentication: chip.active_authentication.code().to_owned(),
            photo_years: chip.photo_years,
            groups_unread: chip.groups_unread.into_iter().map(u32::from).collect(),
            chip_verdict: pb::ChipVerdict::from(chip.verdict).into(),
            active_authentication_result: pb::ActiveAuthenticationResult::from(chip.active_authentication).into(),
            challenge_state: i32::from(match chip.challenge {
                None => pb::ChallengeState::Unspecified,
                Some(ChallengeState::Issued) => pb::ChallengeState::Issued,
                Some(ChallengeState::NotIssued) => pb::ChallengeState::NotIssued,
                Some(ChallengeState::Expired) => pb::ChallengeState::Expired,
                Some(ChallengeState::Used) => pb::ChallengeState::Used,
            }),
        };
        let frame = |frame: FrameEvidence| pb::FrameEvidence {
            eye_distance: frame.eye_distance,
            second_face: frame.second_face,
            norm: frame.norm,
            quality: frame.quality,
            liveness: frame.liveness,
            flaws: frame.flaws.into_iter().map(Into::into).collect(),
            picture: frame.picture,
            copy_of: i32::from(match frame.copy_of {
                None => pb::CopyOf::Unspecified,
                Some(CopyOf::ChipPhoto) => pb::CopyOf::ChipPhoto,
                Some(CopyOf::EnrolledPhoto) => pb::CopyOf::EnrolledPhoto,
            }),
        };
        let RecordEvidence { number, name, birth_date, sex } = evidence.record;
        Self {
            chip: evidence.chip.map(chip),
            record: Some(pb::RecordEvidence {
                number: wire_state(number),
                name: wire_state(name),
                birth_date: wire_state(birth_date),
                sex: wire_state(sex),
            }),
            scheme: i32::from(match evidence.scheme {
                None => pb::SchemeState::Unspecified,
                Some(SchemeState::InRecord) => pb::SchemeState::InRecord,
                Some(SchemeState::NotInRecord) => pb::SchemeState::NotInRecord,
                Some(SchemeState::NoneNamed) => pb::SchemeState::NoneNamed,
            }),
            frames: evidence.frames.into_iter().map(frame).collect(),
            quality: evidence.quality,
            liveness: evidence.liveness,
            chip_face: evidence.chip_face.map(Into::into),
            chip_photo_unusable: evidence.chip_photo_unusable.unwrap_or_default(),
            reference_face: evidence.reference_face.map(Into::into),
            duplicates: evidence.duplicates.map(Into::into),
            curve: evidence.curve.map(Into::into),
            captures: evidence.together.map_or(pb::Frames::Unspecified, Into::into).into(),
            distinct_frames: evidence.distinct_frames,
            record_templates: evidence.record_templates.map(|record| pb::RecordTemplates {
                templates: record.templates,
                groups: record.groups,
                vouched: record.vouched,
                threshold: Some(record.threshold.into()),
            }),
            history: evidence.history.map(Into::into),
            record_restricted: evidence.record_restricted,
        }
    }
}

impl From<History> for pb::History {
    fn from(history: History) -> Self {
        let earlier = |one: EarlierAttempt| pb::EarlierAttempt {
            attempt: one.attempt,
            outcome: pb::Outcome::from(one.outcome).into(),
            reasons: one.reasons,
        };
        let EarlierAttempts { count, denied, referred, reasons } = history.others;
        Self {
            transaction: history.transaction.into_iter().map(earlier).collect(),
            attempts: count,
            denied,
            referred,
            reasons: reasons.into_iter().map(|(code, count)| pb::ReasonCount { code, count }).collect(),
            last_day: history.last_day,
            days: history.days,
            captures_looked_up: history.captures.is_some(),
            captures: history.captures.into_iter().flatten().map(Into::into).collect(),
        }
    }
}

impl From<CaptureSeen> for pb::CaptureSeen {
    fn from(seen: CaptureSeen) -> Self {
        Self {
            frame: seen.frame,
            transaction_id: seen.transaction,
            attempt: seen.attempt,
            subject_id: seen.subject.as_str().to_owned(),
            unit: seen.unit.unwrap_or_default(),
            at: Some(to_wire(seen.at)),
            distance: seen.distance,
        }
    }
}

impl TryFrom<pb::CaptureSeen> for CaptureSeen {
    type Error = BadAnswer;

    fn try_from(seen: pb::CaptureSeen) -> Result<Self, BadAnswer> {
        Ok(Self {
            frame: seen.frame,
            transaction: seen.transaction_id,
            attempt: seen.attempt,
            subject: SubjectId::new(seen.subject_id).map_err(|_| BadAnswer("captures.subject_id"))?,
            unit: named(seen.unit),
            at: present(seen.at.and_then(from_wire), "captures.at")?,
            distance: seen.distance,
        })
    }
}

impl TryFrom<pb::History> for History {
    type Error = BadAnswer;

    fn try_from(history: pb::History) -> Result<Self, BadAnswer> {
        let earlier = |one: pb::EarlierAttempt| {
            Ok(EarlierAttempt {
                attempt: one.attempt,
                outcome: present(super::decision::outcome(one.outcome), "history.outcome")?,
                reasons: one.reasons,
            })
        };
        Ok(Self {
            transaction: history.transaction.into_iter().map(earlier).collect::<Result<_, _>>()?,
            others: EarlierAttempts {
                count: history.attempts,
                denied: history.denied,
                referred: history.referred,
                reasons: history.reasons.into_iter().map(|one| (one.code, one.count)).collect(),
            },
            last_day: history.last_day,
            days: history.days,
            captures: match history.captures_looked_up {
                true => Some(history.captures.into_iter().map(TryInto::try_into).collect::<Result<_, _>>()?),
                false => None,
            },
        })
    }
}

impl From<chip::Verdict> for pb::ChipVerdict {
    fn from(verdict: chip::Verdict) -> Self {
        match verdict {
            chip::Verdict::Authentic => Self::Authentic,
            chip::Verdict::Unanchored => Self::Unanchored,
            chip::Verdict::Untrusted => Self::Untrusted,
            chip::Verdict::Altered => Self::Altered,
            chip::Verdict::Unreadable => Self::Unreadable,
        }
    }
}

impl From<ActiveAuthentication> for pb::ActiveAuthenticationResult {
    fn from(result: ActiveAuthentication) -> Self {
        match result {
            ActiveAuthentication::Absent => Self::Absent,
            ActiveAuthentication::Unproven => Self::Unproven,
            ActiveAuthentication::Proven => Self::Proven,
            ActiveAuthentication::Failed => Self::Failed,
        }
    }
}

impl TryFrom<pb::DecisionEvidence> for Evidence {
    type Error = BadAnswer;

    fn try_from(evidence: pb::DecisionEvidence) -> Result<Self, BadAnswer> {
        let chip = |chip: pb::ChipEvidence| {
            let reason = |reason: &pb::ChipReason| present(chip::Reason::from_code(&reason.code), "chip.reasons");
            Ok(ChipEvidence {
                verdict: present(chip::Verdict::from_code(&chip.verdict), "chip.verdict")?,
                reasons: chip.reasons.iter().map(reason).collect::<Result<_, _>>()?,
                active_authentication: present(
                    ActiveAuthentication::from_code(&chip.active_authentication),
                    "active_authentication",
                )?,
                challenge: match pb::ChallengeState::try_from(chip.challenge_state)
                    .map_err(|_| BadAnswer("challenge_state"))?
                {
                    pb::ChallengeState::Unspecified => None,
                    pb::ChallengeState::Issued => Some(ChallengeState::Issued),
                    pb::ChallengeState::NotIssued => Some(ChallengeState::NotIssued),
                    pb::ChallengeState::Expired => Some(ChallengeState::Expired),
                    pb::ChallengeState::Used => Some(ChallengeState::Used),
                },
                photo_years: chip.photo_years,
                groups_unread: chip
                    .groups_unread
                    .into_iter()
                    .map(|group| u8::try_from(group).map_err(|_| BadAnswer("chip.groups_unread")))
                    .collect::<Result<_, _>>()?,
            })
        };
        let flaw = |flaw: pb::Flaw| present(Flaw::from_code(&flaw.code), "flaws");
        let frame = |frame: pb::FrameEvidence| -> Result<FrameEvidence, BadAnswer> {
            Ok(FrameEvidence {
                eye_distance: frame.eye_distance,
                second_face: frame.second_face,
                norm: frame.norm,
                quality: frame.quality,
                liveness: frame.liveness,
                flaws: frame.flaws.into_iter().map(flaw).collect::<Result<_, _>>()?,
                picture: frame.picture,
                copy_of: match pb::CopyOf::try_from(frame.copy_of).map_err(|_| BadAnswer("copy_of"))? {
                    pb::CopyOf::Unspecified => None,
                    pb::CopyOf::ChipPhoto => Some(CopyOf::ChipPhoto),
                    pb::CopyOf::EnrolledPhoto => Some(CopyOf::EnrolledPhoto),
                },
            })
        };
        let record = present(evidence.record, "record")?;
        Ok(Self {
            chip: evidence.chip.map(chip).transpose()?,
            record: RecordEvidence {
                number: state(record.number)?,
                name: state(record.name)?,
                birth_date: state(record.birth_date)?,
                sex: state(record.sex)?,
            },
            scheme: match pb::SchemeState::try_from(evidence.scheme).map_err(|_| BadAnswer("scheme"))? {
                pb::SchemeState::Unspecified => None,
                pb::SchemeState::InRecord => Some(SchemeState::InRecord),
                pb::SchemeState::NotInRecord => Some(SchemeState::NotInRecord),
                pb::SchemeState::NoneNamed => Some(SchemeState::NoneNamed),
            },
            frames: evidence.frames.into_iter().map(frame).collect::<Result<_, _>>()?,
            quality: evidence.quality,
            liveness: evidence.liveness,
            chip_face: evidence.chip_face.map(TryInto::try_into).transpose()?,
            chip_photo_unusable: Some(evidence.chip_photo_unusable).filter(|code| !code.is_empty()),
            reference_face: evidence.reference_face.map(TryInto::try_into).transpose()?,
            duplicates: evidence.duplicates.map(TryInto::try_into).transpose()?,
            curve: evidence.curve.map(Into::into),
            together: match evidence.captures {
                // Servers of earlier versions do not set it.
                0 => None,
                value => Some(frames(value)?),
            },
            distinct_frames: evidence.distinct_frames,
            record_templates: evidence
                .record_templates
                .map(|record| {
                    Ok(RecordTemplates {
                        templates: record.templates,
                        groups: record.groups,
                        vouched: record.vouched,
                        threshold: present(record.threshold, "record_templates.threshold")?.into(),
                    })
                })
                .transpose()?,
            record_restricted: evidence.record_restricted,
            history: evidence.history.map(TryInto::try_into).transpose()?,
        })
    }
}

fn wire_state(state: FieldState) -> i32 {
    i32::from(match state {
        FieldState::NotChecked => pb::FieldState::Unspecified,
        FieldState::Agrees => pb::FieldState::Agrees,
        FieldState::AgreesWithoutMarks => pb::FieldState::AgreesWithoutMarks,
        FieldState::AgreesPadded => pb::FieldState::AgreesPadded,
        FieldState::AgreesFormer => pb::FieldState::AgreesFormer,
        FieldState::Differs => pb::FieldState::Differs,
        FieldState::NotOnChip => pb::FieldState::NotOnChip,
        FieldState::NotInRecord => pb::FieldState::NotInRecord,
        FieldState::Unreadable => pb::FieldState::Unreadable,
        FieldState::UnreadableOnChip => pb::FieldState::UnreadableOnChip,
    })
}

fn state(value: i32) -> Result<FieldState, BadAnswer> {
    Ok(match pb::FieldState::try_from(value).map_err(|_| BadAnswer("record"))? {
        pb::FieldState::Unspecified => FieldState::NotChecked,
        pb::FieldState::Agrees => FieldState::Agrees,
        pb::FieldState::AgreesWithoutMarks => FieldState::AgreesWithoutMarks,
        pb::FieldState::AgreesPadded => FieldState::AgreesPadded,
        pb::FieldState::AgreesFormer => FieldState::AgreesFormer,
        pb::FieldState::Differs => FieldState::Differs,
        pb::FieldState::NotOnChip => FieldState::NotOnChip,
        pb::FieldState::NotInRecord => FieldState::NotInRecord,
        pb::FieldState::Unreadable => FieldState::Unreadable,
        pb::FieldState::UnreadableOnChip => FieldState::UnreadableOnChip,
    })
}

impl From<Comparison> for pb::FaceComparison {
    fn from(comparison: Comparison) -> Self {
        Self {
            score: comparison.score,
            fmr: Some(comparison.fmr.into()),
            threshold: Some(comparison.threshold.into()),
            refer_threshold: Some(comparison.refer_threshold.into()),
            widened: comparison.widened,
            templates: comparison.templates,
            against: wire_reference(comparison.against),
            curve: comparison.curve.map(Into::into),
            recipe: comparison.recipe.unwrap_or_default(),
        }
    }
}

impl TryFrom<pb::FaceComparison> for Comparison {
    type Error = BadAnswer;

    fn try_from(comparison: pb::FaceComparison) -> Result<Self, BadAnswer> {
        Ok(Self {
            score: comparison.score,
            fmr: present(comparison.fmr, "fmr")?.into(),
            threshold: present(comparison.threshold, "threshold")?.into(),
            refer_threshold: present(comparison.refer_threshold, "refer_threshold")?.into(),
            widened: comparison.widened,
            templates: comparison.templates,
            against: present(reference_kind(comparison.against), "against")?,
            curve: comparison.curve.map(Into::into),
            recipe: named(comparison.recipe),
        })
    }
}

impl From<Duplicates> for pb::DuplicateSearch {
    fn from(found: Duplicates) -> Self {
        let candidate = |candidate: Duplicate| pb::DuplicateCandidate {
            subject_id: candidate.subject.as_str().to_owned(),
            score: candidate.score,
            fmr: Some(candidate.fmr.into()),
            recipe: candidate.recipe.unwrap_or_default(),
        };
        Self {
            candidates: found.candidates.into_iter().map(candidate).collect(),
            truncated: found.truncated,
            cleared: found.cleared,
            threshold: Some(found.threshold.into()),
            templates_searched: found.templates,
            expected_chance_hits: found.expected_chance_hits,
            expected_extrapolated: found.expected_extrapolated,
            expected_miss: found.expected_miss.map(Into::into),
        }
    }
}

impl TryFrom<pb::DuplicateSearch> for Duplicates {
    type Error = BadAnswer;

    fn try_from(found: pb::DuplicateSearch) -> Result<Self, BadAnswer> {
        let candidate = |candidate: pb::DuplicateCandidate| {
            Ok(Duplicate {
                subject: SubjectId::new(candidate.subject_id).map_err(|_| BadAnswer("subject_id"))?,
                score: candidate.score,
                fmr: present(candidate.fmr, "fmr")?.into(),
                recipe: named(candidate.recipe),
            })
        };
        Ok(Self {
            candidates: found.candidates.into_iter().map(candidate).collect::<Result<_, _>>()?,
            truncated: found.truncated,
            cleared: found.cleared,
            threshold: present(found.threshold, "threshold")?.into(),
            templates: found.templates_searched,
            expected_chance_hits: found.expected_chance_hits,
            expected_extrapolated: found.expected_extrapolated,
            expected_miss: found.expected_miss.map(Into::into),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two fields have the same value, one as a string and one as an enum.
    #[test]
    fn enums_and_strings_of_a_chip_are_one_vocabulary() {
        for code in ["AUTHENTIC", "UNANCHORED", "UNTRUSTED", "ALTERED", "UNREADABLE"] {
            let verdict = chip::Verdict::from_code(code).unwrap();
            assert_eq!(pb::ChipVerdict::from(verdict).as_str_name(), format!("CHIP_VERDICT_{code}"));
        }
        for code in ["absent", "unproven", "proven", "failed"] {
            let result = ActiveAuthentication::from_code(code).unwrap();
            let name = format!("ACTIVE_AUTHENTICATION_RESULT_{}", code.to_uppercase());
            assert_eq!(pb::ActiveAuthenticationResult::from(result).as_str_name(), name);
        }
    }
}

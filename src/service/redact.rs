//! Takes out of an answer what its caller may not see.
//!
//! Every answer goes through [`Redact`]: a handler cannot answer with a type that has none. Each
//! message is taken apart field by field, so that a field that is added to the contract does not
//! compile here before somebody has said who sees it.

use super::pb;
use crate::access::Fields;
use crate::ledger::receipt::Receipt;

/// An answer, or a part of one, of which some callers see less.
pub(super) trait Redact {
    /// Takes out what is not among these fields.
    fn redact(&mut self, fields: Fields);
}

impl<T: Redact> Redact for Option<T> {
    fn redact(&mut self, fields: Fields) {
        if let Some(inner) = self {
            inner.redact(fields);
        }
    }
}

impl<T: Redact> Redact for Vec<T> {
    fn redact(&mut self, fields: Fields) {
        self.iter_mut().for_each(|inner| inner.redact(fields));
    }
}

/// Clears values that are not to be seen.
macro_rules! clear {
    ($($field:ident),* $(,)?) => {
        $(*$field = Default::default();)*
    };
}

/// Messages that every caller of their methods sees whole: they are about nobody's face.
macro_rules! whole {
    ($($message:ident)*) => {
        $(impl Redact for pb::$message {
            fn redact(&mut self, _: Fields) {}
        })*
    };
}

whole!(
    NewChallengeResponse RemoveResponse CountSubjectsResponse ListSubjectsResponse BulkEnrollResponse ResolveReferralResponse
    ClearPairResponse ListDecisionsResponse ListReferralsResponse ListClearedPairsResponse UnclearPairResponse
    GetCheckpointResponse StandingResponse EraseResponse SubjectRequestResponse ListRequestsResponse
);

impl Redact for pb::VerifyResponse {
    fn redact(&mut self, fields: Fields) {
        let Self {
            decision: _,
            score,
            fmr,
            fmr_requested,
            threshold,
            recipe: _,
            reference,
            probes,
            frames: _,
            curve,
            against: _,
            distinct_frames: _,
            copy_of_reference: _,
        } = self;
        if !fields.match_scores {
            clear!(score, fmr, fmr_requested, threshold, curve);
        }
        reference.redact(fields);
        probes.redact(fields);
    }
}

impl Redact for pb::IdentifyResponse {
    fn redact(&mut self, fields: Fields) {
        let Self {
            candidates,
            truncated: _,
            threshold,
            templates_searched,
            expected_chance_hits,
            expected_extrapolated,
            recipe: _,
            probes,
            expected_miss,
            frames: _,
            answered: _,
            graph_recall,
            curve,
            distinct_frames: _,
        } = self;
        if !fields.match_scores {
            clear!(threshold, templates_searched, expected_chance_hits, expected_extrapolated);
            clear!(expected_miss, graph_recall, curve);
        }
        candidates.redact(fields);
        probes.redact(fields);
    }
}

impl Redact for pb::Candidate {
    fn redact(&mut self, fields: Fields) {
        let Self { subject_id, score, fmr, recipe: _ } = self;
        if !fields.match_scores {
            clear!(score, fmr);
        }
        if !fields.other_records {
            clear!(subject_id);
        }
    }
}

impl Redact for pb::AssessResponse {
    fn redact(&mut self, fields: Fields) {
        let Self { face, accepted: _ } = self;
        face.redact(fields);
    }
}

impl Redact for pb::FaceReport {
    fn redact(&mut self, fields: Fields) {
        let Self {
            format: _,
            width: _,
            height: _,
            // Where the face is in the picture: what a screen draws its frame by.
            face: _,
            detection,
            eye_distance,
            quarter_turns: _,
            faces: _,
            second_face: _,
            cut: _,
            norm,
            pose,
            liveness,
            quality,
            flaws: _,
            live: _,
        } = self;
        if !fields.measures {
            clear!(detection, eye_distance, norm, pose, liveness, quality);
        }
    }
}

impl Redact for pb::EnrollResponse {
    fn redact(&mut self, fields: Fields) {
        let Self { commit: _, templates: _, replayed: _, photos } = self;
        photos.redact(fields);
    }
}

impl Redact for pb::Subject {
    fn redact(&mut self, fields: Fields) {
        let Self {
            subject_id: _,
            attributes: _,
            templates,
            last_verified: _,
            enrolled_at: _,
            updated_at: _,
            vouched: _,
            enrolled_by: _,
            standing: _,
            legal_bases: _,
        } = self;
        for template in templates {
            let pb::TemplateInfo { id: _, source: _, captured_at: _, quality } = template;
            if !fields.measures {
                clear!(quality);
            }
        }
    }
}

impl Redact for pb::SubjectReport {
    fn redact(&mut self, fields: Fields) {
        self.subject.redact(fields);
    }
}

impl Redact for pb::VerifyBeneficiaryResponse {
    fn redact(&mut self, fields: Fields) {
        let Self {
            transaction_id: _,
            attempt: _,
            outcome: _,
            message_vi: _,
            message_en: _,
            reasons: _,
            without: _,
            retake: _,
            evidence,
            policy: _,
            enrolled: _,
            recipe: _,
            decided_at: _,
            commit: _,
            citizen_vi: _,
            citizen_en: _,
            policy_digest: _,
            anchors_digest: _,
            officer_answers,
            officers_needed: _,
            resolved: _,
        } = self;
        if !fields.other_records {
            // An officer may have written whose the other record is.
            officer_answers.iter_mut().for_each(|answer| answer.reason.clear());
        }
        evidence.redact(fields);
    }
}

impl Redact for pb::DecisionEvidence {
    fn redact(&mut self, fields: Fields) {
        let Self {
            chip: _,
            record: _,
            frames,
            quality,
            liveness,
            chip_face,
            chip_photo_unusable: _,
            reference_face,
            duplicates,
            curve,
            scheme: _,
            captures: _,
            distinct_frames: _,
            record_templates,
            record_restricted: _,
            history,
        } = self;
        if !fields.measures {
            clear!(quality, liveness);
        }
        if !fields.match_scores {
            // The reasons say what the comparisons came to.
            clear!(chip_face, reference_face, record_templates, curve);
        }
        frames.redact(fields);
        duplicates.redact(fields);
        if !fields.match_scores && !fields.other_records {
            clear!(duplicates);
        }
        history.redact(fields);
    }
}

impl Redact for pb::FrameEvidence {
    fn redact(&mut self, fields: Fields) {
        let Self { eye_distance, second_face: _, norm, quality, liveness, flaws: _, picture: _, copy_of: _ } = self;
        if !fields.measures {
            clear!(eye_distance, norm, quality, liveness);
        }
    }
}

impl Redact for pb::DuplicateSearch {
    fn redact(&mut self, fields: Fields) {
        let Self {
            candidates,
            truncated: _,
            cleared,
            threshold,
            templates_searched,
            expected_chance_hits,
            expected_extrapolated,
            expected_miss,
        } = self;
        for candidate in candidates.iter_mut() {
            let pb::DuplicateCandidate { subject_id: _, score, fmr, recipe: _ } = candidate;
            if !fields.match_scores {
                clear!(score, fmr);
            }
        }
        if !fields.other_records {
            clear!(candidates, cleared);
        }
        if !fields.match_scores {
            clear!(threshold, templates_searched, expected_chance_hits, expected_extrapolated, expected_miss);
        }
    }
}

impl Redact for pb::History {
    fn redact(&mut self, fields: Fields) {
        let Self {
            transaction: _,
            attempts: _,
            denied: _,
            referred: _,
            reasons: _,
            last_day: _,
            days: _,
            captures,
            captures_looked_up: _,
        } = self;
        captures.redact(fields);
        if !fields.other_records {
            clear!(captures);
        }
    }
}

impl Redact for pb::CaptureSeen {
    fn redact(&mut self, fields: Fields) {
        let Self { frame: _, transaction_id, attempt, subject_id, unit, at: _, distance } = self;
        if !fields.match_scores {
            clear!(distance);
        }
        if !fields.other_records {
            clear!(transaction_id, attempt, subject_id, unit);
        }
    }
}

impl Redact for pb::GetDecisionResponse {
    fn redact(&mut self, fields: Fields) {
        let Self { decision, subject_id: _, scheme: _, clerk_id: _, waits: _, answer_by: _ } = self;
        decision.redact(fields);
    }
}

/// Whole: the faces of one case, for those alone who may call the method.
impl Redact for pb::GetPicturesResponse {
    fn redact(&mut self, _: Fields) {
        let Self { pictures, kept_until: _, none_reason: _, left_out: _, attempt: _ } = self;
        for picture in pictures {
            let pb::CasePicture { kind: _, frame: _, image: _ } = picture;
        }
    }
}

impl Redact for pb::ListRepeatedCapturesResponse {
    fn redact(&mut self, fields: Fields) {
        let Self { repeated_captures, next_page_token: _ } = self;
        for entry in repeated_captures {
            let pb::RepeatedCapture { decision: _, unit: _, captures } = entry;
            captures.redact(fields);
        }
    }
}

/// Contents of an entry have its scores.
impl Redact for pb::ProveResponse {
    fn redact(&mut self, fields: Fields) {
        let Self { entry: _, receipt } = self;
        if !fields.match_scores || !fields.measures {
            let read = Receipt::parse(receipt.as_bytes());
            *receipt = read.map(|receipt| receipt.without_contents().to_string()).unwrap_or_default();
        }
    }
}

impl Redact for pb::ListEntriesResponse {
    fn redact(&mut self, fields: Fields) {
        let Self { entries, next_page_token: _ } = self;
        for pb::LedgerEntry { entry: _, commitment: _, salt, contents } in entries {
            if !fields.match_scores || !fields.measures {
                clear!(salt, contents);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use prost::Message;
    use prost_reflect::{
        DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, ReflectMessage, Value,
    };

    use super::*;
    use crate::access::FieldKind;
    use crate::context::Role;
    use crate::service::method::TABLE;

    /// Decodes an answer, redacts it, and encodes it.
    type Redacting = fn(&[u8], Fields) -> Vec<u8>;

    fn redacting<T: Message + Default + Redact>(bytes: &[u8], fields: Fields) -> Vec<u8> {
        let mut message = T::decode(bytes).unwrap();
        message.redact(fields);
        message.encode_to_vec()
    }

    /// The answer of every method of ours, by the method's name.
    fn answers() -> Vec<(&'static str, Redacting)> {
        vec![
            ("Verify", redacting::<pb::VerifyResponse>),
            ("Identify", redacting::<pb::IdentifyResponse>),
            ("Assess", redacting::<pb::AssessResponse>),
            ("Enroll", redacting::<pb::EnrollResponse>),
            ("BulkEnroll", redacting::<pb::BulkEnrollResponse>),
            ("Remove", redacting::<pb::RemoveResponse>),
            ("GetSubject", redacting::<pb::Subject>),
            ("ListSubjects", redacting::<pb::ListSubjectsResponse>),
            ("CountSubjects", redacting::<pb::CountSubjectsResponse>),
            ("NewChallenge", redacting::<pb::NewChallengeResponse>),
            ("VerifyBeneficiary", redacting::<pb::VerifyBeneficiaryResponse>),
            ("ResolveReferral", redacting::<pb::ResolveReferralResponse>),
            ("ClearPair", redacting::<pb::ClearPairResponse>),
            ("GetDecision", redacting::<pb::GetDecisionResponse>),
            ("GetPictures", redacting::<pb::GetPicturesResponse>),
            ("ListDecisions", redacting::<pb::ListDecisionsResponse>),
            ("ListReferrals", redacting::<pb::ListReferralsResponse>),
            ("ListRepeatedCaptures", redacting::<pb::ListRepeatedCapturesResponse>),
            ("ListClearedPairs", redacting::<pb::ListClearedPairsResponse>),
            ("UnclearPair", redacting::<pb::UnclearPairResponse>),
            ("Restrict", redacting::<pb::StandingResponse>),
            ("LiftRestriction", redacting::<pb::StandingResponse>),
            ("Hold", redacting::<pb::StandingResponse>),
            ("ReleaseHold", redacting::<pb::StandingResponse>),
            ("Erase", redacting::<pb::EraseResponse>),
            ("ReportSubject", redacting::<pb::SubjectReport>),
            ("OpenRequest", redacting::<pb::SubjectRequestResponse>),
            ("AcknowledgeRequest", redacting::<pb::SubjectRequestResponse>),
            ("CloseRequest", redacting::<pb::SubjectRequestResponse>),
            ("ListRequests", redacting::<pb::ListRequestsResponse>),
            ("Prove", redacting::<pb::ProveResponse>),
            ("GetCheckpoint", redacting::<pb::GetCheckpointResponse>),
            ("ListEntries", redacting::<pb::ListEntriesResponse>),
        ]
    }

    fn pool() -> DescriptorPool {
        DescriptorPool::decode(crate::service::DESCRIPTORS).unwrap()
    }

    /// The message that a method of ours answers with.
    fn answer_of(pool: &DescriptorPool, method: &str) -> MessageDescriptor {
        let mut methods = pool.services().flat_map(|service| service.methods().collect::<Vec<_>>());
        methods.find(|found| found.name() == method).unwrap_or_else(|| panic!("{method}")).output()
    }

    /// A message with something in every field, down to the last.
    fn filled(of: &MessageDescriptor) -> DynamicMessage {
        let mut message = DynamicMessage::new(of.clone());
        for field in of.fields() {
            let value = if field.is_map() {
                let entry = field.kind().as_message().unwrap().clone();
                Value::Map([(MapKey::String("social".into()), one(&entry.map_entry_value_field()))].into())
            } else if field.is_list() {
                Value::List(vec![one(&field), one(&field)])
            } else {
                one(&field)
            };
            message.set_field(&field, value);
        }
        message
    }

    fn one(field: &FieldDescriptor) -> Value {
        match field.kind() {
            Kind::Double => Value::F64(0.25),
            Kind::Float => Value::F32(0.25),
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Value::I32(7),
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Value::I64(7),
            Kind::Uint32 | Kind::Fixed32 => Value::U32(7),
            Kind::Uint64 | Kind::Fixed64 => Value::U64(7),
            Kind::Bool => Value::Bool(true),
            Kind::String => Value::String("something".into()),
            Kind::Bytes => Value::Bytes(vec![7].into()),
            Kind::Enum(of) => Value::EnumNumber(of.values().last().unwrap().number()),
            Kind::Message(of) => Value::Message(filled(&of)),
        }
    }

    /// Paths of all fields that hold something.
    fn held(message: &DynamicMessage, above: &str, into: &mut Vec<String>) {
        for (field, value) in message.fields() {
            let path = format!("{above}{}.{}", message.descriptor().name(), field.name());
            let inner = |value: &Value, into: &mut Vec<String>| {
                if let Value::Message(inner) = value {
                    held(inner, &format!("{path} > "), into);
                }
            };
            match value {
                Value::List(values) => values.iter().for_each(|value| inner(value, into)),
                value => inner(value, into),
            }
            into.push(path);
        }
    }

    /// Whether a field tells how near faces are, or what was measured of a picture: every number
    /// that is no count, and what such numbers are called by.
    fn tells_a_score(path: &str, pool: &DescriptorPool) -> bool {
        let last = path.rsplit(" > ").next().unwrap();
        let (message, field) = last.split_once('.').unwrap();
        // Where the face is in the picture.
        if message == "Rect" {
            return false;
        }
        let of = pool.get_message_by_name(&format!("chinhchu.v1.{message}"));
        let kind = of.and_then(|of| of.get_field_by_name(field)).map(|field| field.kind());
        let names = ["score", "fmr", "fnmr", "threshold", "liveness", "quality", "norm", "distance", "pose", "curve"];
        matches!(kind, Some(Kind::Float | Kind::Double)) || names.iter().any(|name| field.contains(name))
    }

    /// Whether a field tells whose the other record is.
    fn tells_another_record(path: &str) -> bool {
        ["DuplicateCandidate.", "Candidate.", "CaptureSeen."].iter().any(|message| {
            path.contains(message) && (path.ends_with(".subject_id") || path.ends_with(".transaction_id"))
        })
    }

    fn fields_of(role: Role) -> Fields {
        let sees = |kind| FieldKind::of_role(role).contains(&kind);
        Fields {
            match_scores: sees(FieldKind::MatchScores),
            measures: sees(FieldKind::Measures),
            other_records: sees(FieldKind::OtherRecords),
        }
    }

    fn seen(pool: &DescriptorPool, method: &str, redact: Redacting, fields: Fields) -> Vec<String> {
        let of = answer_of(pool, method);
        let bytes = redact(&filled(&of).encode_to_vec(), fields);
        let mut paths = Vec::new();
        held(&DynamicMessage::decode(of, bytes.as_slice()).unwrap(), "", &mut paths);
        paths
    }

    #[test]
    fn no_field_of_any_answer_tells_a_desk_a_score_or_whose_the_other_record_is() {
        let pool = pool();
        for (method, redact) in answers() {
            for role in [Role::Counter, Role::Clinic, Role::Operator] {
                let paths = seen(&pool, method, redact, fields_of(role));
                let told: Vec<_> = paths.iter().filter(|path| tells_a_score(path, &pool)).collect();
                assert!(told.is_empty(), "{method} tells {role:?} {told:?}");
                let told: Vec<_> = paths.iter().filter(|path| tells_another_record(path)).collect();
                assert!(told.is_empty(), "{method} tells {role:?} {told:?}");
                assert!(!paths.is_empty(), "{method} answers");
            }
        }
        // The outcome, the reasons and the advice are there.
        let paths = seen(&pool, "VerifyBeneficiary", redacting::<pb::VerifyBeneficiaryResponse>, Fields::default());
        for field in ["outcome", "message_vi", "retake", "citizen_vi"] {
            assert!(paths.contains(&format!("VerifyBeneficiaryResponse.{field}")), "{field}");
        }
        for part in ["DecisionReason.code", "DecisionReason.message_vi", "Flaw.message_vi", "ChipEvidence.verdict"] {
            assert!(paths.iter().any(|path| path.ends_with(part)), "{part}: {paths:?}");
        }
    }

    #[test]
    fn a_workflow_system_sees_every_field() {
        let pool = pool();
        for (method, redact) in answers() {
            let filled = filled(&answer_of(&pool, method)).encode_to_vec();
            let whole = |bytes: &[u8]| DynamicMessage::decode(answer_of(&pool, method), bytes).unwrap();
            assert!(whole(&redact(&filled, fields_of(Role::Workflow))) == whole(&filled), "{method}");
        }
    }

    #[test]
    fn what_an_operator_grants_a_desk_is_seen_and_nothing_beside_it() {
        let pool = pool();
        let redact = redacting::<pb::VerifyBeneficiaryResponse>;
        let granted = |fields| seen(&pool, "VerifyBeneficiary", redact, fields);
        let has = |paths: &[String], part: &str| paths.iter().any(|path| path.ends_with(part));
        let scores = granted(Fields { match_scores: true, ..Fields::default() });
        assert!(has(&scores, "FaceComparison.score") && has(&scores, "DuplicateSearch.threshold"));
        assert!(!has(&scores, "DecisionEvidence.liveness") && !has(&scores, "DuplicateCandidate.subject_id"));
        let measures = granted(Fields { measures: true, ..Fields::default() });
        assert!(has(&measures, "DecisionEvidence.liveness") && has(&measures, "FrameEvidence.quality"));
        assert!(!has(&measures, "FaceComparison.score"));
        let others = granted(Fields { other_records: true, ..Fields::default() });
        assert!(has(&others, "DuplicateCandidate.subject_id") && has(&others, "CaptureSeen.unit"));
        assert!(!has(&others, "DuplicateCandidate.score") && !has(&others, "CaptureSeen.distance"));
    }

    #[test]
    fn every_method_of_ours_is_walked() {
        let mut ours: Vec<_> =
            TABLE.iter().filter(|row| row.path.starts_with("/chinhchu.")).map(|row| row.method.name()).collect();
        let mut walked: Vec<_> = answers().iter().map(|(method, _)| *method).collect();
        ours.sort_unstable();
        walked.sort_unstable();
        assert_eq!(walked, ours);
    }
}

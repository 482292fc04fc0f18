//! Every call and every field, there and back.

use chinhchu::chip::{ChallengeResponse, Personal, Sex};
use chinhchu::gallery::{
    AnswerRequest, Answered, Attributes, ChangeStanding, Closing, DecisionFilter, DecisionKey, EnrolMode, Erasure,
    Filter, HoldName, Instead, Note, Obstacle, Outcome, PairState, Receipt, RequestAnswer, RequestId, RequestKind,
    Requester, Source, StandingAction, SubjectId, Timestamp,
};
use chinhchu::service::{AnswerCall, ClearedInfo, ClientError, RightsCall, pb};
use chinhchu::workflow::beneficiary::{
    BeneficiaryRequest, ClearPairRequest, PageRequest, PairChange, Record, ResolveReferral, ResolvedReferral, Scheme,
    SubjectCount, SubjectFilter,
};
use chinhchu::workflow::requests::{AnswerSubjectRequest, OpenSubjectRequest, RequestsWanted};
use chinhchu::workflow::rights::StandingRequest;
use chinhchu::workflow::{
    AssessOutcome, EnrolOutcome, EnrolRequest, IdentifyRequest, IdentifyScope, Kind, Photo, VerifyRequest,
};
use tokio_stream::StreamExt;

use crate::fake::{
    Running, beneficiary_outcome, case_decision, case_pictures, cleared_pair, decisions_page, identify_outcome,
    repeated_captures, report, subject, subject_request, subject_summary, verify_outcome,
};

#[tokio::test(flavor = "multi_thread")]
async fn verify_carries_every_field_there_and_back() {
    let server = Running::start(|_| {}).await;
    let request = VerifyRequest {
        reference: vec![1, 2, 3],
        probes: vec![vec![4], vec![], vec![5, 6]],
        fmr: Some(2.5e-6),
        against: Default::default(),
    };
    let outcome = server.client().await.verify(request.clone()).await.unwrap();
    assert_eq!(outcome, verify_outcome(3));
    let seen = server.control.verify.lock().unwrap().take().unwrap();
    assert!(seen.reference == request.reference && seen.probes == request.probes);
    assert_eq!(seen.fmr, request.fmr);
}

#[tokio::test(flavor = "multi_thread")]
async fn assess_carries_every_field_there_and_back() {
    let server = Running::start(|_| {}).await;
    let client = server.client().await;
    for (kind, accepted) in [(Kind::Live, false), (Kind::Chip, true)] {
        let outcome = client.assess(vec![1, 2], kind).await.unwrap();
        assert_eq!(outcome, AssessOutcome { face: report(), accepted });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn identify_carries_every_field_there_and_back() {
    let server = Running::start(|_| {}).await;
    let client = server.client().await;
    let scopes = [
        None,
        Some(IdentifyScope::Nearest(7)),
        Some(IdentifyScope::Nearest(0)),
        Some(IdentifyScope::NearestApproximate(7)),
        Some(IdentifyScope::Fpir { fpir: 0.01, limit: 3 }),
    ];
    for scope in scopes {
        let outcome =
            client.identify(IdentifyRequest { probes: vec![vec![1]], scope, filter: Filter::default() }).await.unwrap();
        assert_eq!(outcome, identify_outcome());
        assert_eq!(server.control.identify.lock().unwrap().take().unwrap().scope, scope);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn how_a_search_was_answered_survives_the_wire() {
    let server = Running::start(|_| {}).await;
    let client = server.client().await;
    let ways = [
        Answered::Exactly,
        Answered::Approximately { recall: 0.9375 },
        Answered::ExactlyInstead(Instead::Off),
        Answered::ExactlyInstead(Instead::NotReady),
        Answered::ExactlyInstead(Instead::FewPass),
    ];
    for answered in ways {
        *server.control.answered.lock().unwrap() = answered;
        let scope = Some(IdentifyScope::NearestApproximate(2));
        let request = IdentifyRequest { probes: vec![vec![1]], scope, filter: Filter::default() };
        assert_eq!(client.identify(request).await.unwrap().answered, answered);
    }
    let mut raw = pb::verification_client::VerificationClient::new(server.channel().await);
    let scope = pb::identify_request::Scope::Nearest(pb::NearestScope { k: 1, mode: 7 });
    let request = pb::IdentifyRequest { scope: Some(scope), ..pb::IdentifyRequest::default() };
    assert_eq!(raw.identify(request).await.unwrap_err().code(), tonic::Code::InvalidArgument);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_survives_the_wire_and_a_bad_one_is_named() {
    let server = Running::start(|_| {}).await;
    let id = |text: &str| SubjectId::new(text).unwrap();
    let filter = Filter {
        scheme: Some("social".into()),
        province: Some("79".into()),
        excluded: [id("a"), id("b")].into(),
        claimed: Some(id("c")),
        ..Filter::default()
    };
    let request = IdentifyRequest { probes: vec![vec![1]], scope: None, filter: filter.clone() };
    server.client().await.identify(request).await.unwrap();
    assert_eq!(server.control.identify.lock().unwrap().take().unwrap().filter, filter);

    let mut raw = pb::verification_client::VerificationClient::new(server.channel().await);
    for ids in [vec![String::new()], vec!["a".to_owned(); 1001]] {
        let request = pb::IdentifyRequest { excluded_subject_ids: ids, ..pb::IdentifyRequest::default() };
        let refused = raw.identify(request).await.unwrap_err();
        assert_eq!(refused.code(), tonic::Code::InvalidArgument);
    }
    assert!(server.control.identify.lock().unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_of_nothing_asks_for_the_default_on_the_wire_and_for_too_much_in_the_client() {
    let server = Running::start(|_| {}).await;
    let mut raw = pb::verification_client::VerificationClient::new(server.channel().await);
    let scope = pb::identify_request::Scope::Fpir(pb::FpirScope { fpir: 0.01, limit: 0 });
    raw.identify(pb::IdentifyRequest { probes: vec![vec![1]], scope: Some(scope), ..pb::IdentifyRequest::default() })
        .await
        .unwrap();
    let seen = server.control.identify.lock().unwrap().take().unwrap().scope;
    let limit = chinhchu::workflow::CANDIDATES_DEFAULT;
    assert_eq!(seen, Some(IdentifyScope::Fpir { fpir: 0.01, limit }));

    let scope = Some(IdentifyScope::Fpir { fpir: 0.01, limit: 0 });
    server
        .client()
        .await
        .identify(IdentifyRequest { probes: vec![vec![1]], scope, filter: Filter::default() })
        .await
        .unwrap();
    match server.control.identify.lock().unwrap().take().unwrap().scope {
        Some(IdentifyScope::Fpir { limit, .. }) => assert!(limit > chinhchu::workflow::CANDIDATES_MAX),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn enroll_carries_every_field_there_and_back_and_a_retry_is_told_as_such() {
    let server = Running::start(|_| {}).await;
    let client = server.client().await;
    let request = EnrolRequest {
        by: None,
        request_id: Some(RequestId::new("r-1").unwrap()),
        subject: SubjectId::new("đối tượng 1").unwrap(),
        mode: EnrolMode::Replace,
        attributes: Attributes { schemes: ["health".to_owned()].into(), province: Some("79".into()), unit: None },
        photos: vec![
            Photo { bytes: vec![1], source: Source::Chip, captured_at: None },
            Photo { bytes: vec![2], source: Source::Live, captured_at: Some(Timestamp(1_700_000_000_001)) },
        ],
        accept_poor: true,
        legal_basis: None,
        vouch: None,
    };
    let outcome = client.enrol(request.clone()).await.unwrap();
    let receipt = Receipt { commit: 9, templates: 2, replayed: false };
    assert_eq!(outcome, EnrolOutcome { receipt: receipt.clone(), photos: vec![report(), report()] });
    let seen = server.control.enrol.lock().unwrap().take().unwrap();
    assert_eq!((&seen.request_id, &seen.subject, seen.mode), (&request.request_id, &request.subject, request.mode));
    assert!(seen.attributes == request.attributes);
    for (seen, sent) in seen.photos.iter().zip(&request.photos) {
        assert_eq!((&seen.bytes, seen.source, seen.captured_at), (&sent.bytes, sent.source, sent.captured_at));
    }

    let again = client.enrol(request).await.unwrap();
    assert_eq!(again, EnrolOutcome { receipt: Receipt { replayed: true, ..receipt }, photos: vec![] });
}

#[tokio::test(flavor = "multi_thread")]
async fn remove_and_get_subject_answer_and_no_vector_leaves_the_server() {
    let server = Running::start(|_| {}).await;
    let client = server.client().await;
    let id = SubjectId::new("someone").unwrap();
    let receipt = client.remove(&id, Some(RequestId::new("r").unwrap())).await.unwrap();
    assert_eq!(receipt, Receipt { commit: 10, templates: 0, replayed: false });

    let expected = subject(id.clone());
    let info = client.subject(&id).await.unwrap();
    assert!(info.id == id && info.attributes == expected.attributes);
    assert_eq!(info.last_verified, expected.last_verified);
    assert_eq!((info.enrolled_at, info.updated_at), (expected.enrolled_at, expected.updated_at));
    assert!(info.standing == expected.standing && info.legal_bases == expected.legal_bases);
    let (template, content) = (&info.templates[0], &expected.templates[0].content);
    assert_eq!(template.id, expected.templates[0].id);
    assert_eq!(template.source, content.source);
    assert_eq!(template.captured_at, content.captured_at);
    assert_eq!(template.quality, content.quality);

    // 0.6 and 0.8 are the vector's values; neither is in the encoded answer.
    let mut raw = pb::gallery_client::GalleryClient::new(server.channel().await);
    let answer = raw.get_subject(pb::GetSubjectRequest { subject_id: "someone".into() }).await.unwrap().into_inner();
    let bytes = prost::Message::encode_to_vec(&answer);
    for value in [0.6f32, 0.8] {
        assert!(!bytes.windows(4).any(|window| window == value.to_le_bytes()), "a vector is on the wire");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_carries_every_field_there_and_back() {
    let server = Running::start(|_| {}).await;
    let key = DecisionKey::new(RequestId::new("t-1").unwrap(), 3).unwrap();
    let request = BeneficiaryRequest {
        unit: None,
        presented_by: None,
        key: key.clone(),
        subject: SubjectId::new("hồ sơ 1").unwrap(),
        scheme: Scheme::Health,
        policy: "clinic".into(),
        record: Record {
            number: Some(Personal::new("999088000017")),
            name: Some(Personal::new("Nguyễn Thử Nghiệm")),
            birth: Some(Personal::new("1988-02")),
            sex: Some(Sex::Female),
        },
        chip_files: vec![vec![0x77, 0], vec![]],
        active: Some(ChallengeResponse { challenge: vec![1; 8], response: vec![2, 3] }),
        frames: vec![vec![4], vec![5]],
    };
    let outcome = server.client().await.verify_beneficiary(request.clone()).await.unwrap();
    assert_eq!(outcome, beneficiary_outcome(key.clone()));
    let seen = server.control.beneficiary.lock().unwrap().take().unwrap();
    assert!(seen.key == key && seen.subject == request.subject && seen.scheme == request.scheme);
    assert!(seen.record == request.record && seen.policy == "clinic");
    assert!(seen.chip_files == request.chip_files && seen.frames == request.frames);
    let active = seen.active.unwrap();
    assert!(active.challenge == [1; 8] && active.response == [2, 3]);

    // A record that says nothing stays one that says nothing.
    let client = server.client().await;
    client.verify_beneficiary(BeneficiaryRequest { record: Record::default(), active: None, ..request }).await.unwrap();
    let seen = server.control.beneficiary.lock().unwrap().take().unwrap();
    assert!(seen.record == Record::default() && seen.active.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_challenge_comes_with_the_moment_from_which_its_answer_proves_nothing() {
    let server = Running::start(|_| {}).await;
    let issued = server.client().await.new_challenge(&RequestId::new("t-1").unwrap()).await.unwrap();
    assert_eq!((issued.challenge, issued.expires_at), ([1, 2, 3, 4, 5, 6, 7, 8], Timestamp(1_700_000_000_789)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_tells_the_clerk_in_both_languages_and_refuses_what_makes_no_sense() {
    let server = Running::start(|_| {}).await;
    let mut raw = pb::beneficiary_client::BeneficiaryClient::new(server.channel().await);
    let request = || pb::VerifyBeneficiaryRequest {
        transaction_id: "t".into(),
        subject_id: "s".into(),
        scheme: pb::Scheme::Social.into(),
        frames: vec![vec![1]],
        ..Default::default()
    };
    let answer = raw.verify_beneficiary(request()).await.unwrap().into_inner();
    assert_eq!((answer.attempt, answer.outcome()), (1, pb::Outcome::Refer));
    for reason in &answer.reasons {
        assert!(reason.message_en.is_ascii() && !reason.message_vi.is_ascii(), "{}", reason.code);
    }
    assert_eq!(answer.reasons[0].evidence, "duplicates");
    assert_eq!((answer.reasons[0].follows.as_str(), answer.reasons[1].follows.as_str()), ("", "CHIP_UNREADABLE"));
    // And a sentence for the citizen, short enough for one text message.
    for (citizen, words) in [(&answer.citizen_vi, "khiếu nại"), (&answer.citizen_en, "contest")] {
        assert!(citizen.contains(words) && citizen.chars().count() <= 160, "{citizen}");
    }
    assert!(answer.message_en.contains("Referred") && answer.message_vi.contains("Chuyển"));
    let chip = answer.evidence.unwrap().chip.unwrap();
    assert!(chip.verdict == "UNANCHORED" && chip.reasons[0].code == "NO_ANCHORS");

    let record = |change: fn(&mut pb::BenefitRecord)| {
        let mut record = pb::BenefitRecord::default();
        change(&mut record);
        Some(record)
    };
    let cases = [
        (pb::VerifyBeneficiaryRequest { scheme: 0, ..request() }, "OUT_OF_RANGE", "scheme"),
        (pb::VerifyBeneficiaryRequest { scheme: 9, ..request() }, "OUT_OF_RANGE", "scheme"),
        (pb::VerifyBeneficiaryRequest { transaction_id: "a b".into(), ..request() }, "OUT_OF_RANGE", "transaction_id"),
        (pb::VerifyBeneficiaryRequest { subject_id: String::new(), ..request() }, "BAD_SUBJECT_ID", "subject_id"),
        (pb::VerifyBeneficiaryRequest { record: record(|r| r.sex = 7), ..request() }, "OUT_OF_RANGE", "record.sex"),
        (pb::VerifyBeneficiaryRequest { frames: vec![b"faceless".to_vec()], ..request() }, "NO_FACE", "frames[0]"),
    ];
    for (request, reason, field) in cases {
        let error = ClientError::from(raw.verify_beneficiary(request).await.unwrap_err());
        assert_eq!((error.reason.as_str(), error.field.as_deref()), (reason, Some(field)));
        assert!(!error.vi.is_ascii());
    }
    // What the record says of the person is evidence, however it is written: the clerk
    // who is refused cannot mend it.
    let typed =
        |change: fn(&mut pb::BenefitRecord)| pb::VerifyBeneficiaryRequest { record: record(change), ..request() };
    for request in [
        typed(|r| r.birth_date = "long ago".into()),
        typed(|r| r.number = "9.99E+11".into()),
        typed(|r| r.name = "Nguy\u{fffd}n".into()),
    ] {
        raw.verify_beneficiary(request).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_officers_calls_carry_every_field_there_and_back() {
    let server = Running::start(|_| {}).await;
    let client = server.client().await;
    let id = |text: &str| SubjectId::new(text).unwrap();
    let note = |text: &str| Note::new(text).unwrap();
    let key = DecisionKey::new(RequestId::new("t-1").unwrap(), 2).unwrap();
    let request = ResolveReferral {
        key: key.clone(),
        officer: id("officer 7"),
        outcome: Outcome::Approve,
        reason: note("Đã xem giấy tờ gốc"),
    };
    let resolved = client.resolve_referral(request).await.unwrap();
    let expected = ResolvedReferral {
        key: key.clone(),
        outcome: Outcome::Approve,
        resolved_at: Timestamp(1_700_000_000_456),
        officers: 1,
        officers_needed: 2,
    };
    assert_eq!(resolved, expected);
    let seen = server.control.resolution.lock().unwrap().take().unwrap();
    assert!(seen.key == key && seen.officer == id("officer 7") && seen.reason == note("Đã xem giấy tờ gốc"));

    let request =
        ClearPairRequest { one: id("a"), other: id("b"), officer: id("officer 7"), reason: note("Sinh đôi") };
    let cleared = client.clear_pair(request.clone()).await.unwrap();
    assert_eq!(cleared, ClearedInfo { commit: 11, replayed: true, officers: 1, officers_needed: 2 });
    let seen = server.control.pair.lock().unwrap().take().unwrap();
    assert!(seen.one == id("a") && seen.other == id("b") && seen.reason == note("Sinh đôi"));
    let ended = client.unclear_pair(request).await.unwrap();
    assert_eq!(ended, PairChange { pair: cleared_pair(), commit: 12, replayed: false });
    assert!(server.control.pair.lock().unwrap().take().is_some_and(|seen| seen.one == id("a")));

    let mut raw = pb::beneficiary_client::BeneficiaryClient::new(server.channel().await);
    let request = pb::ResolveReferralRequest {
        transaction_id: "t".into(),
        officer_id: "o".into(),
        outcome: pb::Outcome::Deny.into(),
        reason: "card 999088000017".into(),
        ..Default::default()
    };
    let error = ClientError::from(raw.resolve_referral(request).await.unwrap_err());
    assert_eq!((error.reason.as_str(), error.field.as_deref()), ("BAD_NOTE", Some("reason")));
    assert!(!error.message.contains("999088000017"));
}

#[test]
fn no_message_with_personal_data_can_be_printed() {
    let secret = "079123456789";
    let printed = [
        format!("{:?}", pb::GetSubjectRequest { subject_id: secret.into() }),
        format!("{:?}", pb::RemoveRequest { subject_id: secret.into(), ..Default::default() }),
        format!("{:?}", pb::EnrollRequest { subject_id: secret.into(), ..Default::default() }),
        format!("{:?}", pb::Subject { subject_id: secret.into(), ..Default::default() }),
        format!("{:?}", pb::Candidate { subject_id: secret.into(), ..Default::default() }),
        format!("{:?}", pb::BenefitRecord { number: secret.into(), ..Default::default() }),
        format!("{:?}", pb::NewChallengeRequest { transaction_id: secret.into() }),
        format!("{:?}", pb::NewChallengeResponse { challenge: secret.into(), expires_at: None }),
        format!("{:?}", pb::VerifyBeneficiaryRequest { subject_id: secret.into(), ..Default::default() }),
        format!("{:?}", pb::VerifyBeneficiaryResponse { transaction_id: secret.into(), ..Default::default() }),
        format!("{:?}", pb::DuplicateCandidate { subject_id: secret.into(), ..Default::default() }),
        format!("{:?}", pb::ClearPairRequest { subject_id_a: secret.into(), ..Default::default() }),
        format!("{:?}", pb::VerifyRequest { reference: secret.into(), ..Default::default() }),
        format!("{:?}", pb::Attributes { unit: Some(secret.into()), ..Default::default() }),
        format!("{:?}", pb::EnrollPhoto { image: secret.into(), ..Default::default() }),
    ];
    for text in printed {
        assert!(!text.contains(secret) && !text.contains("48, 55, 57"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reflection_lists_the_services_in_both_versions() {
    let server = Running::start(|_| {}).await;
    let wanted = ["chinhchu.v1.Verification", "chinhchu.v1.Gallery", "grpc.health.v1.Health"];

    use tonic_reflection::pb::{v1, v1alpha};
    let request = v1::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(v1::server_reflection_request::MessageRequest::ListServices(String::new())),
    };
    let mut client = v1::server_reflection_client::ServerReflectionClient::new(server.channel().await);
    let mut answers = client.server_reflection_info(tokio_stream::iter([request])).await.unwrap().into_inner();
    let answer = answers.next().await.unwrap().unwrap().message_response.unwrap();
    let v1::server_reflection_response::MessageResponse::ListServicesResponse(list) = answer else { panic!() };
    let names: Vec<_> = list.service.into_iter().map(|service| service.name).collect();
    assert!(wanted.iter().all(|name| names.iter().any(|n| n == name)), "{names:?}");

    let request = v1alpha::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(v1alpha::server_reflection_request::MessageRequest::FileContainingSymbol(
            "chinhchu.v1.Verification".to_owned(),
        )),
    };
    let mut client = v1alpha::server_reflection_client::ServerReflectionClient::new(server.channel().await);
    let mut answers = client.server_reflection_info(tokio_stream::iter([request])).await.unwrap().into_inner();
    let answer = answers.next().await.unwrap().unwrap().message_response.unwrap();
    let v1alpha::server_reflection_response::MessageResponse::FileDescriptorResponse(files) = answer else { panic!() };
    assert!(!files.file_descriptor_proto.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_of_cases_come_whole_with_why_there_are_none_and_say_nothing_of_themselves() {
    let server = Running::start(|_| {}).await;
    let client = server.client().await;
    for (transaction, asked, attempt) in
        [("t", None, 3), ("t", Some(2), 2), ("approved", None, 3), ("closed", Some(1), 1)]
    {
        let transaction = RequestId::new(transaction).unwrap();
        let found = client.pictures(&transaction, asked).await.unwrap();
        assert!(found == case_pictures(DecisionKey { transaction, attempt }));
    }
    for (attempt, reason) in [(None, "TRANSACTION_UNKNOWN"), (Some(1), "ATTEMPT_UNKNOWN")] {
        let unknown = client.pictures(&RequestId::new("unknown").unwrap(), attempt).await.unwrap_err();
        assert_eq!(unknown.reason, reason);
    }
    let picture = pb::CasePicture { kind: 1, frame: 0, image: vec![255, 216] };
    let answer = pb::GetPicturesResponse { pictures: vec![picture.clone()], ..Default::default() };
    assert_eq!(format!("{picture:?} {answer:?}"), "CasePicture(…) GetPicturesResponse(…)");
}

#[tokio::test(flavor = "multi_thread")]
async fn cases_carry_every_field_there_and_back() {
    let server = Running::start(|_| {}).await;
    let client = server.client().await;
    let transaction = RequestId::new("t-9").unwrap();
    for (asked, attempt) in [(None, 3), (Some(2), 2)] {
        let case = client.case(&transaction, asked).await.unwrap();
        assert_eq!(case, case_decision(DecisionKey { transaction: transaction.clone(), attempt }));
    }
    let unknown = client.case(&RequestId::new("unknown").unwrap(), None).await.unwrap_err();
    assert_eq!(unknown.reason, "TRANSACTION_UNKNOWN");

    let filter = DecisionFilter {
        subject: Some(SubjectId::new("s").unwrap()),
        since: Some(Timestamp(1_700_000_000_000)),
        until: Some(Timestamp(1_700_000_000_999)),
        outcome: Some(Outcome::Deny),
        reason: Some("NAME_DIFFERS".to_owned()),
        waiting: false,
        unit: Some("Quận 1".to_owned()),
        province: Some("79".to_owned()),
    };
    let page = PageRequest { size: 17, token: "ab".to_owned() };
    let waiting = DecisionFilter { waiting: true, ..DecisionFilter::default() };
    for filter in [filter, waiting] {
        let found = client.decisions(filter.clone(), page.clone()).await.unwrap();
        assert_eq!(found, decisions_page());
        assert!(server.control.listed.lock().unwrap().take() == Some((filter, page.clone())));
    }
    let times = (Some(Timestamp(1_700_000_000_000)), Some(Timestamp(1_700_000_000_999)));
    let repeated = client.repeated_captures(times.0, times.1, page.clone()).await.unwrap();
    assert_eq!(repeated, repeated_captures());
    let filter = DecisionFilter { since: times.0, until: times.1, ..DecisionFilter::default() };
    assert!(server.control.listed.lock().unwrap().take() == Some((filter, page)));
    let pairs = client.pairs(Some(PairState::InForce), PageRequest::default()).await.unwrap();
    assert_eq!((pairs.entries, pairs.next.as_deref()), (vec![cleared_pair()], Some("ab")));
    let filter = SubjectFilter { province: Some("79".to_owned()), ..SubjectFilter::default() };
    let subjects = client.subjects(filter.clone(), PageRequest::default()).await.unwrap();
    assert_eq!((subjects.entries, subjects.next), (vec![subject_summary(&filter)], None));
    let count = client.count_subjects(filter).await.unwrap();
    assert_eq!(count, SubjectCount { subjects: 5, templates: 9 });
}

/// An outcome or state of a later version must not list everything.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_list_does_not_know_is_refused() {
    let server = Running::start(|_| {}).await;
    let mut raw = pb::cases_client::CasesClient::new(server.channel().await);
    let request = pb::ListDecisionsRequest { outcome: 9, ..Default::default() };
    assert_eq!(raw.list_decisions(request).await.unwrap_err().code(), tonic::Code::InvalidArgument);
    let request = pb::ListClearedPairsRequest { state: 9, ..Default::default() };
    assert_eq!(raw.list_cleared_pairs(request).await.unwrap_err().code(), tonic::Code::InvalidArgument);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rights_of_a_person_survive_the_wire() {
    let server = Running::start(|_| {}).await;
    let client = server.client().await;
    let [subject, by] = ["s", "auditor-1"].map(|id| SubjectId::new(id).unwrap());
    let (reason, request_id) = (Note::new("as was asked").unwrap(), RequestId::new("r-1").unwrap());
    let call = RightsCall { request_id: Some(&request_id), subject: &subject, by: Some(&by), reason: &reason };
    let hold = HoldName::new("VKS-12").unwrap();
    for action in [
        StandingAction::Restrict(Requester::Authority),
        StandingAction::Lift,
        StandingAction::LiftOne(3),
        StandingAction::Hold(hold.clone()),
        StandingAction::Release(hold),
    ] {
        let receipt = client.change_standing(call, &action).await.unwrap();
        assert!(receipt.replayed && receipt.commit == 7);
        let change = ChangeStanding { subject: subject.clone(), action, by: by.clone(), reason: reason.clone() };
        let expected = StandingRequest { request_id: Some(request_id.clone()), change };
        assert!(server.control.standing.lock().unwrap().take() == Some(expected));
    }
    let outcome = client.erase(call, Requester::Person, true).await.unwrap();
    assert_eq!((outcome.erasure, outcome.entry), (Erasure::Waits(Obstacle::ALL.into()), Some(0)));
    let erasure = server.control.erasure.lock().unwrap().take().unwrap().erase;
    assert!(erasure.finding_open && erasure.requester == Requester::Person && erasure.by == by);
    let report = client.report(&subject).await.unwrap();
    let expected = crate::fake::subject_report(subject);
    assert_eq!(report.requests, expected.requests);
    assert_eq!(report.accesses, expected.accesses);
    assert_eq!(report.decided, expected.decided);
    assert_eq!((report.approved, report.referred, report.denied, report.waiting, report.pairs), (9, 3, 2, 1, 4));
    assert!(report.subject.unwrap().standing == expected.subject.unwrap().standing);
    // Nobody is taken to have asked who is not named.
    let mut raw = pb::rights_client::RightsClient::new(server.channel().await);
    let request = pb::RestrictRequest {
        subject_id: "s".into(),
        by_id: "auditor-1".into(),
        reason: "as was asked".into(),
        ..pb::RestrictRequest::default()
    };
    let refused = raw.restrict(request).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::InvalidArgument);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_of_people_survive_the_wire() {
    let server = Running::start(|_| {}).await;
    let client = server.client().await;
    let [subject, by] = ["s", "auditor-1"].map(|id| SubjectId::new(id).unwrap());
    let (reason, request_id) = (Note::new("as was asked").unwrap(), RequestId::new("r-1").unwrap());
    let call = RightsCall { request_id: Some(&request_id), subject: &subject, by: Some(&by), reason: &reason };
    for (kind, received_at) in
        RequestKind::ALL.into_iter().zip([None, Some(Timestamp(1_700_000_000_123))].into_iter().cycle())
    {
        let outcome = client.open_request(call, kind, Requester::Authority, received_at).await.unwrap();
        assert!(outcome.request == subject_request(Some(subject.clone()), None));
        assert!(outcome.replayed && outcome.commit == 9);
        let expected = OpenSubjectRequest {
            request_id: Some(request_id.clone()),
            subject: subject.clone(),
            kind,
            requester: Requester::Authority,
            received_at,
            by: by.clone(),
            reason: reason.clone(),
        };
        assert!(server.control.opened.lock().unwrap().take() == Some(expected));
    }
    for answer in [RequestAnswer::Acknowledge, RequestAnswer::Complete, RequestAnswer::Refuse] {
        let call = AnswerCall { request_id: Some(&request_id), number: 7, answer, by: Some(&by), reason: &reason };
        let outcome = client.answer_request(call).await.unwrap();
        assert!(outcome.request == subject_request(None, Some(Closing::Superseded)), "of somebody who was erased");
        let answer = AnswerRequest { number: 7, answer, by: by.clone(), reason: reason.clone() };
        let expected = AnswerSubjectRequest { request_id: Some(request_id.clone()), answer };
        assert!(server.control.request_answered.lock().unwrap().take() == Some(expected));
    }
    let page = PageRequest { size: 17, token: "ab".to_owned() };
    for (open, overdue) in [(true, false), (false, true)] {
        let wanted = RequestsWanted { subject: Some(subject.clone()), open, overdue };
        let found = client.requests(&wanted, page.clone()).await.unwrap();
        let closings = [None, Some(Closing::Completed), Some(Closing::Refused)];
        assert!(found.entries == closings.map(|closing| subject_request(wanted.subject.clone(), closing)));
        assert_eq!(found.next.as_deref(), Some("cd"));
        assert!(server.control.requests_wanted.lock().unwrap().take() == Some((wanted, page.clone())));
    }
    // What is late is told to whoever computes nothing; nothing is done that is not named.
    let mut raw = pb::rights_client::RightsClient::new(server.channel().await);
    let listed = raw.list_requests(pb::ListRequestsRequest::default()).await.unwrap().into_inner();
    assert_eq!(listed.requests[0].late(), pb::RequestClock::Complete);
    assert!(listed.requests[0].days_late > 100);
    assert_eq!((listed.requests[1].late(), listed.requests[1].days_late), (pb::RequestClock::Unspecified, 0));
    let of = |outcome: pb::RequestState| pb::CloseRequestRequest {
        number: 7,
        outcome: outcome.into(),
        by_id: "auditor-1".into(),
        reason: "as was asked".into(),
        ..pb::CloseRequestRequest::default()
    };
    for outcome in [pb::RequestState::Unspecified, pb::RequestState::Acknowledged, pb::RequestState::Superseded] {
        let refused = raw.close_request(of(outcome)).await.err().unwrap();
        assert_eq!(refused.code(), tonic::Code::InvalidArgument);
    }
    let nothing = pb::OpenRequestRequest {
        subject_id: "s".into(),
        requester: pb::Requester::Person.into(),
        by_id: "auditor-1".into(),
        reason: "as was asked".into(),
        ..pb::OpenRequestRequest::default()
    };
    assert_eq!(raw.open_request(nothing).await.err().unwrap().code(), tonic::Code::InvalidArgument);
}

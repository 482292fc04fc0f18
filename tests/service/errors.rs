//! What a refused caller is told: the code, the reason, the field, the sentence in
//! both languages, and whether to try again.

use std::time::Duration;

use chinhchu::context::DeadlinePassed;
use chinhchu::face::{FaceError, RecipeDigest};
use chinhchu::gallery::{GalleryError, RequestId, SubjectId};
use chinhchu::imaging::ImageError;
use chinhchu::matching::CalibrationError;
use chinhchu::service::{Client, pb};
use chinhchu::workflow::{Field, WorkflowError};
use tonic::{Code, Request, Status};
use tonic_types::{BadRequest, ErrorDetail, ErrorInfo, LocalizedMessage, StatusExt};

use crate::fake::{Running, verify_request};

/// An error, its code, its reason, the field it names and its retry hint in ms.
type Row = (WorkflowError, Code, &'static str, Option<&'static str>, Option<u64>);

fn table() -> Vec<Row> {
    let face = |field, source| WorkflowError::Face { field, source };
    let path = std::path::PathBuf::from("/secret/folder");
    vec![
        (face(Field::Reference, FaceError::NoFace), Code::InvalidArgument, "NO_FACE", Some("reference"), None),
        (face(Field::Probe(2), FaceError::FaceCut), Code::InvalidArgument, "FACE_CUT", Some("probes[2]"), None),
        (
            face(Field::Photo(1), ImageError::Empty.into()),
            Code::InvalidArgument,
            "IMAGE_EMPTY",
            Some("photos[1]"),
            None,
        ),
        (
            face(Field::Probe(0), FaceError::Inference("inner words".into())),
            Code::Internal,
            "INFERENCE",
            Some("probes[0]"),
            None,
        ),
        (WorkflowError::PhotoCount { found: 6, max: 5 }, Code::InvalidArgument, "PHOTO_COUNT", Some("probes"), None),
        (
            WorkflowError::OutOfRange { field: Field::Rate, detail: "x".into() },
            Code::InvalidArgument,
            "OUT_OF_RANGE",
            Some("fmr"),
            None,
        ),
        (CalibrationError::BadRate(2.0).into(), Code::InvalidArgument, "OUT_OF_RANGE", Some("fmr"), None),
        (CalibrationError::NoCurve(3).into(), Code::FailedPrecondition, "CALIBRATION", None, None),
        (WorkflowError::Busy { retry_after_ms: 70 }, Code::ResourceExhausted, "BUSY", None, Some(70)),
        (GalleryError::UnknownSubject.into(), Code::NotFound, "SUBJECT_UNKNOWN", None, None),
        (GalleryError::SubjectExists.into(), Code::AlreadyExists, "SUBJECT_EXISTS", None, None),
        (GalleryError::RequestIdReused.into(), Code::FailedPrecondition, "REQUEST_ID_REUSED", Some("request_id"), None),
        (
            GalleryError::OtherRecipe { gallery: RecipeDigest([1; 32]), template: RecipeDigest([2; 32]) }.into(),
            Code::FailedPrecondition,
            "RECIPE_MISMATCH",
            None,
            None,
        ),
        (GalleryError::DiskFull.into(), Code::ResourceExhausted, "DISK_FULL", None, None),
        (GalleryError::Storage("inner words".into()).into(), Code::Unavailable, "STORAGE", None, Some(1000)),
        (GalleryError::Closing.into(), Code::Unavailable, "SHUTTING_DOWN", None, Some(1000)),
        (
            GalleryError::Damaged { path: path.clone(), detail: "inner words".into() }.into(),
            Code::DataLoss,
            "DATA_DAMAGED",
            None,
            None,
        ),
        (GalleryError::InUse(path).into(), Code::Unavailable, "STORAGE", None, Some(1000)),
        (WorkflowError::NoGallery, Code::FailedPrecondition, "NO_GALLERY", None, None),
        (DeadlinePassed.into(), Code::DeadlineExceeded, "DEADLINE_EXCEEDED", None, None),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_failure_has_its_code_reason_field_and_hint_in_two_languages() {
    let server = Running::start(|_| {}).await;
    let client = server.client().await;
    for (error, code, reason, field, retry_ms) in table() {
        *server.control.error.lock().unwrap() = Some(error);
        let refused = client.verify(verify_request(b"x")).await.unwrap_err();
        assert_eq!((refused.code, refused.reason.as_str()), (code, reason));
        assert_eq!(refused.field.as_deref(), field, "{reason}");
        assert_eq!(refused.retry_after, retry_ms.map(Duration::from_millis), "{reason}");
        assert!(!refused.message.is_empty() && refused.en.is_ascii(), "{reason}");
        assert!(!refused.vi.is_ascii(), "{reason}: {} is not Vietnamese", refused.vi);
        for text in [&refused.message, &refused.en, &refused.vi] {
            assert!(!text.contains("/secret") && !text.contains("inner words"), "{reason} tells too much: {text}");
        }
    }
}

/// The details of a status, each kind of which may be there once.
fn details(status: &Status) -> (ErrorInfo, LocalizedMessage, Option<BadRequest>) {
    let (mut info, mut spoken, mut bad) = (Vec::new(), Vec::new(), Vec::new());
    for detail in status.check_error_details_vec().unwrap() {
        match detail {
            ErrorDetail::ErrorInfo(detail) => info.push(detail),
            ErrorDetail::LocalizedMessage(detail) => spoken.push(detail),
            ErrorDetail::BadRequest(detail) => bad.push(detail),
            ErrorDetail::RetryInfo(_) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((info.len(), spoken.len()), (1, 1), "AIP-193: one of each");
    (info.remove(0), spoken.remove(0), bad.pop())
}

fn faceless_request() -> pb::VerifyRequest {
    pb::VerifyRequest {
        reference: b"x".to_vec(),
        probes: vec![b"x".to_vec(), b"faceless".to_vec()],
        fmr: None,
        reference_kind: 0,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn details_are_google_rpc_as_any_client_reads_them() {
    let server = Running::start(|_| {}).await;
    let mut raw = pb::verification_client::VerificationClient::new(server.channel().await);
    let status = raw.verify(faceless_request()).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    let (info, spoken, bad) = details(&status);
    assert_eq!((info.reason.as_str(), info.domain.as_str()), ("NO_FACE", "chinhchu.v1"));
    assert_eq!(info.metadata["field"], "probes[1]");
    assert_eq!(bad.unwrap().field_violations[0].field, "probes[1]");
    assert_eq!((spoken.locale.as_str(), &spoken.message), ("vi", &info.metadata["messageVi"]));
    assert!(info.metadata["messageEn"].is_ascii() && !spoken.message.is_ascii());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_one_sentence_is_in_the_callers_language_and_both_are_there() {
    let server = Running::start(|_| {}).await;
    let channel = server.channel().await;
    let ask = async |typed: &'static str| {
        let mut request = Request::new(faceless_request());
        request.metadata_mut().insert("accept-language", typed.parse().unwrap());
        let mut raw = pb::verification_client::VerificationClient::new(channel.clone());
        details(&raw.verify(request).await.unwrap_err())
    };
    for (typed, locale) in [("en", "en"), ("en-GB, vi;q=0.9", "en"), ("vi-VN, en;q=0.5", "vi"), ("fr", "vi")] {
        let (info, spoken, _) = ask(typed).await;
        assert_eq!(spoken.locale, locale, "{typed}");
        assert_eq!(spoken.message, info.metadata[if locale == "en" { "messageEn" } else { "messageVi" }]);
    }
    // What refuses a call before it is looked at speaks it, too.
    let tight = Running::start(|options| options.message_bytes_max = 64).await;
    let mut request = Request::new(pb::VerifyRequest { reference: vec![0; 100], ..faceless_request() });
    request.metadata_mut().insert("accept-language", "en".parse().unwrap());
    let mut raw = pb::verification_client::VerificationClient::new(tight.channel().await);
    let (info, spoken, _) = details(&raw.verify(request).await.unwrap_err());
    assert_eq!((info.reason.as_str(), spoken.locale.as_str()), ("MESSAGE_TOO_LARGE", "en"));
    assert_eq!(info.metadata["bytesMax"], "64");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_field_is_a_bad_one_only_where_the_request_is_wrong_in_itself() {
    let server = Running::start(|_| {}).await;
    let channel = server.channel().await;
    for (error, code, reason, field, _) in table() {
        *server.control.error.lock().unwrap() = Some(error);
        let mut raw = pb::verification_client::VerificationClient::new(channel.clone());
        let request = pb::VerifyRequest { probes: vec![b"x".to_vec()], ..faceless_request() };
        let (info, _, bad) = details(&raw.verify(request).await.unwrap_err());
        assert_eq!(info.metadata.get("field").map(String::as_str), field, "{reason}");
        let expected = field.filter(|_| code == Code::InvalidArgument);
        assert_eq!(bad.map(|bad| bad.field_violations[0].field.clone()).as_deref(), expected, "{reason}");
    }
}

/// Programs go by these; nobody should have to read a number out of a sentence.
#[tokio::test(flavor = "multi_thread")]
async fn the_figures_of_a_message_are_metadata() {
    let server = Running::start(|_| {}).await;
    let channel = server.channel().await;
    let small = FaceError::FaceTooSmall { eye_distance: 12.5, eye_distance_min: 24.0 };
    let large = ImageError::TooManyPixels { width: 20_000, height: 10_000, pixels_max: 50_000_000 };
    let face = |source| WorkflowError::Face { field: Field::Probe(0), source };
    let out_of_order = |expected| WorkflowError::from(GalleryError::AttemptOutOfOrder { expected });
    let cases: [(WorkflowError, &[(&str, &str)]); 5] = [
        (out_of_order(3), &[("attemptExpected", "3"), ("field", "attempt")]),
        (WorkflowError::Attempts { max: 4 }, &[("attemptsMax", "4"), ("field", "attempt")]),
        (WorkflowError::PhotoCount { found: 6, max: 5 }, &[("photos", "6"), ("photosMax", "5")]),
        (face(small), &[("eyeDistance", "12.5"), ("eyeDistanceMin", "24")]),
        (face(large.into()), &[("width", "20000"), ("height", "10000"), ("pixelsMax", "50000000")]),
    ];
    for (error, figures) in cases {
        *server.control.error.lock().unwrap() = Some(error);
        let mut raw = pb::verification_client::VerificationClient::new(channel.clone());
        let request = pb::VerifyRequest { probes: vec![b"x".to_vec()], ..faceless_request() };
        let (info, _, _) = details(&raw.verify(request).await.unwrap_err());
        for (name, figure) in figures {
            assert_eq!(info.metadata.get(*name).map(String::as_str), Some(*figure), "{} {name}", info.reason);
        }
    }
}

/// Numbers this contract does not know, and figures out of range: the field is named as it
/// is written in the proto files.
#[tokio::test(flavor = "multi_thread")]
async fn everything_out_of_range_names_its_field() {
    let server = Running::start(|_| {}).await;
    let channel = server.channel().await;
    let mut verification = pb::verification_client::VerificationClient::new(channel.clone());
    let mut gallery = pb::gallery_client::GalleryClient::new(channel.clone());
    let mut beneficiary = pb::beneficiary_client::BeneficiaryClient::new(channel);
    let photo = |source, captured_at| pb::EnrollPhoto { image: b"x".to_vec(), source, captured_at };
    let enrol = |mode, photos| pb::EnrollRequest { subject_id: "s".into(), mode, photos, ..Default::default() };
    let nearest = pb::identify_request::Scope::Nearest(pb::NearestScope { k: 1, mode: 99 });
    let identify = pb::IdentifyRequest { probes: vec![b"x".to_vec()], scope: Some(nearest), ..Default::default() };
    let decision = |scheme, sex| pb::VerifyBeneficiaryRequest {
        transaction_id: "t".into(),
        subject_id: "s".into(),
        scheme,
        record: Some(pb::BenefitRecord { sex, ..Default::default() }),
        ..Default::default()
    };
    let unnamed = pb::VerifyBeneficiaryRequest { transaction_id: "a b".into(), ..decision(1, 0) };
    let resolve = pb::ResolveReferralRequest {
        transaction_id: "t".into(),
        officer_id: "o".into(),
        outcome: 99,
        reason: "x".into(),
        attempt: 1,
    };
    let year_zero = Some(prost_types::Timestamp { seconds: -62_167_219_200, nanos: 0 });
    let long = pb::IdentifyRequest { excluded_subject_ids: vec!["s".into(); 1001], ..identify_nobody() };
    let refused = [
        (verification.assess(pb::AssessRequest { image: vec![1], kind: 99 }).await.err(), "kind"),
        (
            verification.verify(pb::VerifyRequest { reference_kind: 99, ..faceless_request() }).await.err(),
            "reference_kind",
        ),
        (verification.identify(identify).await.err(), "nearest.mode"),
        (verification.identify(long).await.err(), "excluded_subject_ids"),
        (gallery.enroll(enrol(99, vec![])).await.err(), "mode"),
        (gallery.enroll(enrol(0, vec![photo(0, None), photo(99, None)])).await.err(), "photos[1].source"),
        (gallery.enroll(enrol(0, vec![photo(0, year_zero)])).await.err(), "photos[0].captured_at"),
        (beneficiary.verify_beneficiary(decision(99, 0)).await.err(), "scheme"),
        (beneficiary.verify_beneficiary(decision(1, 99)).await.err(), "record.sex"),
        (beneficiary.verify_beneficiary(unnamed).await.err(), "transaction_id"),
        (
            beneficiary.new_challenge(pb::NewChallengeRequest { transaction_id: "a b".into() }).await.err(),
            "transaction_id",
        ),
        (beneficiary.resolve_referral(resolve).await.err(), "outcome"),
    ];
    for (status, field) in refused {
        let (info, _, bad) = details(&status.unwrap_or_else(|| panic!("{field} was taken")));
        assert_eq!((info.reason.as_str(), info.metadata["field"].as_str()), ("OUT_OF_RANGE", field));
        assert_eq!(bad.unwrap().field_violations[0].field, field);
    }
    assert_eq!(server.control.begun(), 0);
}

fn identify_nobody() -> pb::IdentifyRequest {
    pb::IdentifyRequest { probes: vec![b"x".to_vec()], ..Default::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_is_none_is_named_by_its_field() {
    let server = Running::start(|_| {}).await;
    let channel = server.channel().await;
    let mut verification = pb::verification_client::VerificationClient::new(channel.clone());
    let mut gallery = pb::gallery_client::GalleryClient::new(channel.clone());
    let mut beneficiary = pb::beneficiary_client::BeneficiaryClient::new(channel);
    let claimed = pb::IdentifyRequest { claimed_subject_id: Some(" ".into()), ..identify_nobody() };
    let excluded = pb::IdentifyRequest { excluded_subject_ids: vec!["a".into(), "a\n".into()], ..identify_nobody() };
    let vouch = pb::Vouch { officer_id: String::new(), reason: "x".into() };
    let enrol = |vouch| pb::EnrollRequest { subject_id: "s".into(), vouch: Some(vouch), ..Default::default() };
    let pair = |a: &str, b: &str, officer: &str| pb::ClearPairRequest {
        subject_id_a: a.into(),
        subject_id_b: b.into(),
        officer_id: officer.into(),
        reason: "x".into(),
    };
    let refused = [
        (verification.identify(claimed).await.err(), "claimed_subject_id"),
        (verification.identify(excluded).await.err(), "excluded_subject_ids[1]"),
        (gallery.enroll(enrol(vouch)).await.err(), "vouch.officer_id"),
        (beneficiary.clear_pair(pair("", "b", "o")).await.err(), "subject_id_a"),
        (beneficiary.clear_pair(pair("a", "", "o")).await.err(), "subject_id_b"),
        (beneficiary.clear_pair(pair("a", "b", "")).await.err(), "officer_id"),
    ];
    for (status, field) in refused {
        let (info, ..) = details(&status.unwrap());
        assert_eq!((info.reason.as_str(), info.metadata["field"].as_str()), ("BAD_SUBJECT_ID", field));
    }
    // An officer's words are told from a subject's.
    let note = pb::Vouch { officer_id: "o".into(), reason: String::new() };
    let (info, ..) = details(&gallery.enroll(enrol(note)).await.unwrap_err());
    assert_eq!((info.reason.as_str(), info.metadata["field"].as_str()), ("BAD_NOTE", "vouch.reason"));
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_ids_are_refused_before_the_engine_and_never_echoed() {
    let server = Running::start(|_| {}).await;
    let mut raw = pb::gallery_client::GalleryClient::new(server.channel().await);
    for id in ["", " padded ", "line\nbreak", &"x".repeat(129)] {
        let status = raw.get_subject(pb::GetSubjectRequest { subject_id: id.to_owned() }).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        assert_eq!(status.get_details_error_info().unwrap().reason, "BAD_SUBJECT_ID");
        assert_eq!(status.get_details_bad_request().unwrap().field_violations[0].field, "subject_id");
        assert!(id.is_empty() || !status.message().contains(id));
    }
    let request = pb::RemoveRequest { request_id: "has spaces".into(), subject_id: "s".into() };
    let status = raw.remove(request).await.unwrap_err();
    assert_eq!(status.get_details_error_info().unwrap().reason, "BAD_REQUEST_ID");
    assert_eq!(server.control.begun(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_subject_is_not_found() {
    let server = Running::start(|_| {}).await;
    let client = server.client().await;
    let stranger = SubjectId::new("stranger").unwrap();
    assert_eq!(client.subject(&stranger).await.unwrap_err().code, Code::NotFound);
    let id = RequestId::new("r").unwrap();
    assert_eq!(client.remove(&stranger, Some(id)).await.unwrap_err().code, Code::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_no_message_are_the_callers_fault() {
    let server = Running::start(|_| {}).await;
    let mut grpc = tonic::client::Grpc::new(server.channel().await);
    grpc.ready().await.unwrap();
    // Field 1 of a Rect is a float; field 1 of a VerifyRequest is bytes.
    let codec = tonic_prost::ProstCodec::<pb::Rect, pb::VerifyResponse>::default();
    let path = "/chinhchu.v1.Verification/Verify".parse().unwrap();
    let rect = pb::Rect { left: 1.0, top: 2.0, width: 3.0, height: 4.0 };
    let status = grpc.unary(tonic::Request::new(rect), path, codec).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert_eq!(status.get_details_error_info().unwrap().reason, "BAD_MESSAGE");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_the_contract_does_not_have_is_unimplemented() {
    let server = Running::start(|_| {}).await;
    let mut grpc = tonic::client::Grpc::new(server.channel().await);
    grpc.ready().await.unwrap();
    let codec = tonic_prost::ProstCodec::<pb::Rect, pb::Rect>::default();
    let path = "/chinhchu.v1.Verification/Guess".parse().unwrap();
    let status = grpc.unary(tonic::Request::new(pb::Rect::default()), path, codec).await.unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented);
    assert!(status.metadata().contains_key("traceparent"), "every answer names its trace");
    assert_eq!(server.control.begun(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_says_what_is_wrong_with_an_address() {
    for wrong in ["https://localhost:1", "localhost:1", "http://"] {
        let error = Client::connect(wrong).await.unwrap_err();
        assert_eq!((error.code, error.reason.as_str()), (Code::InvalidArgument, "BAD_ADDRESS"), "{wrong}");
    }
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let error = Client::connect(&format!("http://127.0.0.1:{port}")).await.unwrap_err();
    assert_eq!((error.code, error.reason.as_str()), (Code::Unavailable, "SERVER_UNREACHABLE"));
    assert!(error.message.contains("efused"), "{error}");
}

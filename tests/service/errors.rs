//! What a refused caller is told: the code, the reason, the field, the sentence in
//! both languages, and whether to try again.

use std::time::Duration;

use chinhchu::face::{FaceError, RecipeDigest};
use chinhchu::gallery::{GalleryError, RequestId, SubjectId};
use chinhchu::imaging::ImageError;
use chinhchu::matching::CalibrationError;
use chinhchu::service::{Client, pb};
use chinhchu::workflow::{Field, WorkflowError};
use tonic::Code;
use tonic_types::{ErrorDetail, StatusExt};

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

#[tokio::test(flavor = "multi_thread")]
async fn details_are_google_rpc_as_any_client_reads_them() {
    let server = Running::start(|_| {}).await;
    let mut raw = pb::verification_client::VerificationClient::new(server.channel().await);
    let request = pb::VerifyRequest {
        reference: b"x".to_vec(),
        probes: vec![b"x".to_vec(), b"faceless".to_vec()],
        fmr: None,
        reference_kind: 0,
    };
    let status = raw.verify(request).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    let details = status.check_error_details_vec().unwrap();
    let mut locales = Vec::new();
    for detail in &details {
        match detail {
            ErrorDetail::ErrorInfo(info) => {
                assert_eq!((info.reason.as_str(), info.domain.as_str()), ("NO_FACE", "chinhchu.v1"));
                assert_eq!(info.metadata["field"], "probes[1]");
            }
            ErrorDetail::LocalizedMessage(text) => locales.push(text.locale.as_str()),
            ErrorDetail::BadRequest(bad) => assert_eq!(bad.field_violations[0].field, "probes[1]"),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(locales, ["vi", "en"]);
    assert_eq!(details.len(), 4);
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

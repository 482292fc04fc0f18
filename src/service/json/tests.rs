//! Promises of the readers and writers of JSON.

use std::collections::BTreeSet;

use prost::Message;
use serde_json::{Value, json};
use tonic::codegen::http::Request;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use super::answer::{failed, shown};
use super::decode::{Fault, json_bytes_max, message};
use super::methods::unary;
use super::{is_grpc, openapi};
use crate::service::method::{Method, TABLE};
use crate::service::pb;

fn document() -> Value {
    serde_json::from_str(openapi::text()).unwrap()
}

/// Every `$ref` in it.
fn references(value: &Value, into: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| match (name.as_str(), value) {
            ("$ref", Value::String(to)) => drop(into.insert(to.clone())),
            _ => references(value, into),
        }),
        Value::Array(values) => values.iter().for_each(|value| references(value, into)),
        _ => {}
    }
}

#[test]
fn the_document_has_every_unary_method_of_the_table_and_no_other() {
    let document = document();
    let told: BTreeSet<_> = document["paths"].as_object().unwrap().keys().map(String::as_str).collect();
    let called: BTreeSet<_> = TABLE.iter().filter(|row| unary(row.method).is_some()).map(|row| row.path).collect();
    assert_eq!(told, called);
    let streams: Vec<_> = TABLE.iter().filter(|row| unary(row.method).is_none()).map(|row| row.method).collect();
    assert_eq!(streams, [Method::BulkEnroll, Method::HealthWatch, Method::Reflection, Method::ReflectionAlpha]);
}

#[test]
fn everything_the_document_refers_to_is_in_it_and_everything_in_it_is_referred_to() {
    let document = document();
    let mut named = BTreeSet::new();
    references(&document, &mut named);
    for to in &named {
        assert!(document.pointer(to.trim_start_matches('#')).is_some(), "{to}");
    }
    for name in document["components"]["schemas"].as_object().unwrap().keys() {
        assert!(named.contains(&format!("#/components/schemas/{name}")), "{name}");
    }
}

#[test]
fn the_document_says_what_the_proto_files_say() {
    let document = document();
    let schemas = &document["components"]["schemas"];
    let request = &schemas["VerifyRequest"];
    assert_eq!(request["properties"]["reference"]["contentEncoding"], "base64");
    let probes = request["properties"]["probes"]["description"].as_str().unwrap();
    assert!(probes.starts_with("1 to 5 encoded captures of one person"), "{probes}");
    assert_eq!(request["additionalProperties"], false);
    // Answers grow with versions.
    let answer = &schemas["VerifyResponse"];
    assert_eq!(answer.get("additionalProperties"), None);
    assert_eq!(answer["properties"]["decision"], json!({"$ref": "#/components/schemas/Decision"}));
    assert_eq!(schemas["IdentifyResponse"]["properties"]["templatesSearched"]["type"], "string");
    assert_eq!(schemas["Decision"]["enum"], json!(["DECISION_UNSPECIFIED", "DECISION_MATCH", "DECISION_NO_MATCH"]));
    assert!(schemas["Decision"]["description"].as_str().unwrap().contains("- `DECISION_NO_MATCH`: It is below."));
    let verify = &document["paths"]["/chinhchu.v1.Verification/Verify"]["post"];
    assert_eq!(verify["summary"], "1:1. Is the face in the probes the one in the reference?");
    assert!(verify["description"].as_str().unwrap().contains("Errors: INVALID_ARGUMENT"));
    assert_eq!(
        verify["requestBody"]["content"]["multipart/form-data"]["schema"]["properties"]["probes"]["type"],
        "array"
    );
    let health = &document["paths"]["/grpc.health.v1.Health/Check"]["post"]["requestBody"]["content"];
    assert_eq!(health.as_object().unwrap().len(), 1, "no bytes, no form");
    // Every field, value and method is described, but for the few that say all by their names.
    for (path, operation) in document["paths"].as_object().unwrap().iter().filter(|(path, _)| path.contains("chinhchu"))
    {
        assert!(!operation["post"]["description"].as_str().unwrap().is_empty(), "{path}");
    }
}

#[test]
fn a_message_has_at_most_32_levels_and_100_000_values() {
    let input = &unary(Method::Identify).unwrap().input;
    let nested = |depth: usize| format!(r#"{{"probes":{}{}}}"#, "[".repeat(depth - 1), "]".repeat(depth - 1));
    assert!(
        matches!(message(nested(32).as_bytes(), input), Err(Fault::Json { .. })),
        "not this message, and no deeper than may be"
    );
    assert_eq!(message(nested(33).as_bytes(), input).unwrap_err(), Fault::TooMuch);
    let many = |count: usize| format!(r#"{{"probes":["{}"]}}"#, vec!["eA=="; count].join("\",\""));
    // The object, the list and its first value are counted as well.
    assert!(message(many(99_998).as_bytes(), input).is_ok());
    assert_eq!(message(many(100_001).as_bytes(), input).unwrap_err(), Fault::TooMuch);
    // What stands in a string is one value.
    let text = json!({ "claimedSubjectId": "[{\"\\,".repeat(50_000) }).to_string();
    assert!(message(text.as_bytes(), input).is_ok());
}

#[test]
fn a_message_of_the_largest_size_fits_into_its_json() {
    for bytes_max in [1, 1000, 64 << 20] {
        let photo = vec![0; bytes_max];
        let json = json!({ "reference": base64::Engine::encode(&base64::engine::general_purpose::STANDARD, photo) });
        assert!(json.to_string().len() <= json_bytes_max(bytes_max), "{bytes_max}");
    }
}

#[test]
fn what_is_read_is_the_message_that_was_meant() {
    let input = &unary(Method::Verify).unwrap().input;
    let read = message(
        br#"{"reference":"eA==","probes":["eQ","eg=="],"fmr":1e-5,"referenceKind":"REFERENCE_KIND_CHIP"}"#,
        input,
    );
    let read = pb::VerifyRequest::decode(read.unwrap().encode_to_vec().as_slice()).unwrap();
    let reference_kind = pb::ReferenceKind::Chip.into();
    let probes = vec![b"y".to_vec(), b"z".to_vec()];
    assert!(read == pb::VerifyRequest { reference: b"x".to_vec(), probes, fmr: Some(1e-5), reference_kind });
}

#[test]
fn the_field_at_fault_is_named_as_in_the_contract_and_by_nothing_else() {
    let fault = |method, json: &str| match message(json.as_bytes(), &unary(method).unwrap().input) {
        Err(Fault::Json { what, field, .. }) => (what, field),
        other => panic!("{other:?}"),
    };
    let (_, field) = fault(Method::Enroll, r#"{"photos":[{"image":"eA=="},{"image":7}]}"#);
    assert_eq!(field.as_deref(), Some("photos[1].image"));
    let (what, field) = fault(Method::Identify, r#"{"fpir":{"fpir":1},"nearest":{"k":1}}"#);
    assert!(what.contains("only one") && field.is_none_or(|field| field == "nearest"), "{what}");
    // A name that a caller made up is no field's.
    let (_, field) = fault(Method::Enroll, r#"{"attributes":{"079088000017":1}}"#);
    assert!(field.is_none_or(|field| field == "attributes"));
}

#[test]
fn every_code_has_the_name_and_the_status_of_the_connect_protocol() {
    let expected = [
        (Code::Cancelled, "canceled", 499),
        (Code::Unknown, "unknown", 500),
        (Code::InvalidArgument, "invalid_argument", 400),
        (Code::DeadlineExceeded, "deadline_exceeded", 504),
        (Code::NotFound, "not_found", 404),
        (Code::AlreadyExists, "already_exists", 409),
        (Code::PermissionDenied, "permission_denied", 403),
        (Code::ResourceExhausted, "resource_exhausted", 429),
        (Code::FailedPrecondition, "failed_precondition", 400),
        (Code::Aborted, "aborted", 409),
        (Code::OutOfRange, "out_of_range", 400),
        (Code::Unimplemented, "unimplemented", 501),
        (Code::Internal, "internal", 500),
        (Code::Unavailable, "unavailable", 503),
        (Code::DataLoss, "data_loss", 500),
        (Code::Unauthenticated, "unauthenticated", 401),
    ];
    for (code, name, status) in expected {
        let (told, http) = shown(code);
        assert_eq!((told, http.as_u16()), (name, status), "{code:?}");
    }
}

#[test]
fn a_refusal_says_when_to_come_back_and_how_to_say_who_calls() {
    let details = ErrorDetails::with_retry_info(Some(std::time::Duration::from_millis(1200)));
    let busy = failed(&Status::with_error_details(Code::ResourceExhausted, "busy", details));
    assert_eq!(busy.headers()["retry-after"], "2");
    let unknown = failed(&Status::unauthenticated("who?"));
    assert_eq!(unknown.headers()["www-authenticate"], "Bearer");
    assert!(!unknown.headers().contains_key("retry-after"));
}

#[test]
fn only_grpc_counts_as_grpc() {
    let of = |kind: &str| is_grpc(&Request::builder().header("content-type", kind).body(()).unwrap());
    for kind in ["application/grpc", "application/grpc+proto", "application/grpc;x=y"] {
        assert!(of(kind), "{kind}");
    }
    for kind in ["application/grpc-web", "application/grpc-web+proto", "application/json", ""] {
        assert!(!of(kind), "{kind}");
    }
}

//! The same calls in JSON over HTTP: one server, the same answers, the same refusals.

use std::io::Write;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use chinhchu::service::pb;
use prost::Message;
use prost::bytes::Bytes;
use serde_json::{Value, json};

use crate::fake::{Running, SOON, verify_request};
use crate::http::{VERIFY, grpc, http1, json_of, post, request, send, send2, unary, whole};

const JSON: (&str, &str) = ("content-type", "application/json");

fn photos(reference: &[u8]) -> Value {
    json!({ "reference": STANDARD.encode(reference), "probes": [STANDARD.encode("probe")] })
}

fn protobuf() -> Vec<u8> {
    let (reference, probes) = (b"x".to_vec(), vec![b"probe".to_vec()]);
    pb::VerifyRequest { reference, probes, fmr: None, reference_kind: 0 }.encode_to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_unary_method_answers_in_json_what_it_answers_over_grpc() {
    let server = Running::start(|_| {}).await;
    let methods = unary();
    assert!(methods.len() > 25, "{}", methods.len());
    let (mut answered, mut refused) = (0, 0);
    for (path, _, output) in methods {
        let (code, details, message) = grpc(&server.url, &path, b"").await;
        let answer = post(&server.url, &path, &json!({})).await;
        assert_eq!(answer.header("content-type"), "application/json", "{path}");
        assert_eq!((answer.header("cache-control"), answer.header("x-content-type-options")), ("no-store", "nosniff"));
        assert!(answer.headers.keys().all(|name| !name.as_str().starts_with("grpc-")), "{path}: {answer:?}");
        let json = answer.json();
        if code == 0 {
            answered += 1;
            assert_eq!((answer.status, json), (200, json_of(&output, &message)), "{path}");
            continue;
        }
        refused += 1;
        let expected = match code {
            3 => (400, "invalid_argument"),
            9 => (400, "failed_precondition"),
            5 => (404, "not_found"),
            other => panic!("{path}: {other}"),
        };
        assert_eq!(answer.error(), (expected.0, expected.1.to_owned()), "{path}");
        let told = json["details"].as_array().unwrap();
        assert!(!told.is_empty() && told.len() == details.len(), "{path}: {json}");
        for (told, detail) in told.iter().zip(&details) {
            let bytes = STANDARD_NO_PAD.decode(told["value"].as_str().unwrap()).unwrap();
            match told["type"].as_str().unwrap() {
                // Its metadata has no order.
                "google.rpc.ErrorInfo" => {
                    let info = |bytes: &[u8]| tonic_types::pb::ErrorInfo::decode(bytes).unwrap();
                    assert_eq!(info(&bytes), info(detail), "{path}");
                }
                _ => assert_eq!(bytes.as_slice(), detail.as_ref(), "{path}"),
            }
        }
        assert!(!answer.info()["reason"].as_str().unwrap().is_empty());
    }
    assert!(answered > 5 && refused > 5, "{answered} {refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_canonical_json_over_either_version_of_http() {
    let server = Running::start(|_| {}).await;
    let first = post(&server.url, VERIFY, &photos(b"x")).await;
    let second = send2(&server.url, VERIFY, &[JSON], photos(b"x").to_string()).await;
    assert_eq!((first.status, second.status), (200, 200));
    let (first, second) = (first.json(), second.json());
    assert_eq!(first, second);
    let (code, _, message) = grpc(&server.url, VERIFY, &protobuf()).await;
    let (_, _, output) = unary().into_iter().find(|(path, ..)| path == VERIFY).unwrap();
    assert_eq!((code, &first), (0, &json_of(&output, &message)));
    // Names of values, names in lowerCamelCase, numbers of 64 bits as strings.
    assert_eq!(first["decision"], "DECISION_MATCH");
    assert!(first["fmrRequested"].is_number() || first["threshold"].is_object(), "{first}");
    let found =
        post(&server.url, "/chinhchu.v1.Verification/Identify", &json!({"probes": ["eA=="], "fpir": {"fpir": 0.01}}))
            .await;
    assert_eq!(found.json()["templatesSearched"], "12345678901");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_may_be_written_in_every_way_the_mapping_allows() {
    let server = Running::start(|_| {}).await;
    let reference = b"\xfb\xff\xfe of a photo";
    for (encoded, kind) in [
        (STANDARD.encode(reference), json!("REFERENCE_KIND_CHIP")),
        (STANDARD_NO_PAD.encode(reference), json!(1)),
        (URL_SAFE_NO_PAD.encode(reference), Value::Null),
    ] {
        let body = json!({"reference": encoded, "probes": ["cHJvYmU"], "reference_kind": kind, "fmr": "1e-5"});
        let answer = post(&server.url, VERIFY, &body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let seen = server.control.verify.lock().unwrap().take().unwrap();
        assert_eq!(
            (seen.reference.as_slice(), seen.probes, seen.fmr),
            (&reference[..], vec![b"probe".to_vec()], Some(1e-5))
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn protobuf_and_gzip_are_taken_too() {
    let server = Running::start(|_| {}).await;
    let proto = ("content-type", "application/proto");
    let answer = send(&server.url, "POST", VERIFY, &[proto, ("connect-protocol-version", "1")], protobuf()).await;
    let (_, _, message) = grpc(&server.url, VERIFY, &protobuf()).await;
    assert_eq!((answer.status, answer.header("content-type"), &answer.body), (200, "application/proto", &message));
    let gzip = |bytes: &[u8]| {
        let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        writer.write_all(bytes).unwrap();
        writer.finish().unwrap()
    };
    let compressed = ("content-encoding", "gzip");
    let json = gzip(photos(b"x").to_string().as_bytes());
    assert_eq!(send(&server.url, "POST", VERIFY, &[JSON, compressed], json).await.status, 200);
    assert_eq!(send(&server.url, "POST", VERIFY, &[proto, compressed], gzip(&protobuf())).await.status, 200);
    // A status is JSON, however the message is written.
    let answer = send(&server.url, "POST", VERIFY, &[proto], b"\xff".to_vec()).await;
    assert_eq!(
        (answer.error(), answer.info()["reason"].as_str()),
        ((400, "invalid_argument".into()), Some("BAD_MESSAGE"))
    );
    let answer = send(&server.url, "POST", VERIFY, &[JSON, compressed], b"{}".to_vec()).await;
    assert_eq!(answer.error(), (400, "invalid_argument".to_owned()));
    let answer = send(&server.url, "POST", VERIFY, &[JSON, ("content-encoding", "br")], b"{}".to_vec()).await;
    assert_eq!((answer.error(), answer.header("accept-encoding")), ((501, "unimplemented".into()), "gzip, identity"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_is_refused_by_its_place_and_repeated_nowhere() {
    let server = Running::start(|_| {}).await;
    let secret = "079088000017";
    let cases = [
        (format!(r#"{{"referenze":"{secret}"}}"#), None, "no field of this name"),
        (format!(r#"{{"reference":"{secret}!"}}"#), Some("reference"), "base64"),
        (format!(r#"{{"probes":["eA==",1{secret}]}}"#), Some("probes[1]"), "no such value"),
        (format!(r#"{{"referenceKind":"{secret}"}}"#), Some("reference_kind"), "no value of this name"),
        (format!(r#"{{"fmr":"{secret}x"}}"#), Some("fmr"), "no such value"),
        (format!(r#"{{"reference":"eA=="}} {secret}"#), None, "not JSON"),
        (format!("{secret} {{"), None, "JSON"),
        (format!(r#"["{secret}"]"#), None, "no such value"),
        (r#"{"reference":"#.to_owned(), Some("reference"), "JSON"),
        (r#"{"reference":"eA=="#.to_owned(), Some("reference"), "JSON"),
        (String::new(), None, "JSON"),
    ];
    for (body, field, said) in cases {
        let answer = send(&server.url, "POST", VERIFY, &[JSON], body.clone()).await;
        assert_eq!(answer.error(), (400, "invalid_argument".to_owned()), "{body}");
        let (json, info) = (answer.json(), answer.info());
        assert_eq!(info["reason"], "BAD_MESSAGE", "{body}");
        assert_eq!(info["metadata"]["field"].as_str(), field, "{body}: {json}");
        assert!(json["message"].as_str().unwrap().contains(said), "{body}: {json}");
        assert!(info["metadata"]["line"] == "1" && info["metadata"]["column"].is_string(), "{json}");
        assert!(!String::from_utf8_lossy(&answer.body).contains(secret), "{json}");
    }
    assert_eq!(server.control.begun(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_hold_for_json_as_they_do_for_messages() {
    let server = Running::start(|options| options.message_bytes_max = 1 << 20).await;
    // As large as it may be: a message of 1 MiB, a third larger in base64.
    let answer = post(&server.url, VERIFY, &photos(&vec![b'x'; (1 << 20) - 100])).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    for body in [photos(&vec![b'x'; 1 << 20]), photos(&vec![b'x'; 3 << 20])] {
        let answer = post(&server.url, VERIFY, &body).await;
        assert_eq!(answer.error(), (429, "resource_exhausted".to_owned()));
        let info = answer.info();
        assert_eq!((&info["reason"], &info["metadata"]["bytesMax"]), (&json!("MESSAGE_TOO_LARGE"), &json!("1048576")));
        assert_eq!(answer.header("retry-after"), "", "another try is as large");
    }
    // A few kilobytes that unpack to more than may be.
    let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    bomb.write_all(&vec![b' '; 64 << 20]).unwrap();
    let answer = send(&server.url, "POST", VERIFY, &[JSON, ("content-encoding", "gzip")], bomb.finish().unwrap()).await;
    assert_eq!(answer.info()["reason"], "MESSAGE_TOO_LARGE");
    // Deep, and many values of next to no bytes.
    let deep = format!(r#"{{"probes":{}{}}}"#, "[".repeat(200_000), "]".repeat(200_000));
    let many = format!(r#"{{"probes":[{}""]}}"#, r#""","#.repeat(200_000));
    for body in [deep, many] {
        let answer = send(&server.url, "POST", VERIFY, &[JSON], body).await;
        assert_eq!((answer.status, &answer.info()["reason"]), (400, &json!("BAD_MESSAGE")));
    }
    // A method that takes no place takes no large message.
    let answer = post(&server.url, "/grpc.health.v1.Health/Check", &json!({"service": "x".repeat(900 << 10)})).await;
    assert_eq!(answer.info()["reason"], "MESSAGE_TOO_LARGE");
    assert_eq!(server.control.begun(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_ends_at_its_timeout_and_an_upload_that_does_not_come_is_ended() {
    let server = Running::start(|options| options.upload_idle_max = Duration::from_millis(300)).await;
    let timeout = ("connect-timeout-ms", "200");
    let begun = Instant::now();
    let answer = send(&server.url, "POST", VERIFY, &[JSON, timeout], photos(b"slow").to_string()).await;
    assert_eq!(answer.error(), (504, "deadline_exceeded".to_owned()));
    assert!(begun.elapsed() >= Duration::from_millis(200), "{:?}", begun.elapsed());
    server.control.until_running(0).await;
    for wrong in ["soon", "-1", "12345678901", ""] {
        let answer = send(&server.url, "POST", VERIFY, &[JSON, ("connect-timeout-ms", wrong)], "{}").await;
        assert_eq!(answer.error(), (400, "invalid_argument".to_owned()), "{wrong}");
    }
    let answer =
        send(&server.url, "POST", VERIFY, &[JSON, ("connect-timeout-ms", "9999999999")], photos(b"x").to_string())
            .await;
    assert_eq!(answer.status, 200);
    // Headers that promise a body, and nothing of it.
    let mut stream = std::net::TcpStream::connect(server.url.trim_start_matches("http://")).unwrap();
    let host = server.url.trim_start_matches("http://");
    write!(
        stream,
        "POST {VERIFY} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{{"
    )
    .unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    let mut said = String::new();
    std::io::Read::read_to_string(&mut stream, &mut said).unwrap();
    assert!(said.starts_with("HTTP/1.1 504 ") && said.contains("deadline_exceeded"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn places_are_shared_with_grpc_and_a_refusal_says_when_to_come_back() {
    let server = Running::start(|options| options.requests_in_flight_max = 1).await;
    let slow = tokio::spawn({
        let client = server.client().await;
        async move { client.verify(verify_request(b"slow")).await }
    });
    server.control.until_running(1).await;
    let answer = post(&server.url, VERIFY, &photos(b"x")).await;
    assert_eq!((answer.error(), &answer.info()["reason"]), ((429, "resource_exhausted".into()), &json!("BUSY")));
    assert!(answer.header("retry-after").parse::<u64>().unwrap() >= 1);
    // Health takes no place.
    let health = post(&server.url, "/grpc.health.v1.Health/Check", &json!({})).await;
    assert_eq!(health.json(), json!({"status": "SERVING"}));
    server.control.gate.add_permits(1);
    slow.await.unwrap().unwrap();
    assert_eq!(post(&server.url, VERIFY, &photos(b"x")).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_names_the_callers_trace_and_speaks_their_language() {
    let server = Running::start(|_| {}).await;
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let parent = format!("00-{trace}-00f067aa0ba902b7-01");
    for (language, word) in [("vi", "mặt"), ("en", "face")] {
        let headers = [JSON, ("traceparent", parent.as_str()), ("accept-language", language)];
        let answer = send(&server.url, "POST", VERIFY, &headers, photos(b"faceless").to_string()).await;
        assert_eq!((answer.error(), &answer.info()["reason"]), ((400, "invalid_argument".into()), &json!("NO_FACE")));
        assert!(answer.header("traceparent").starts_with(&format!("00-{trace}-")));
        let json = answer.json();
        let spoken =
            json["details"].as_array().unwrap().iter().find(|one| one["type"] == "google.rpc.LocalizedMessage");
        assert!(spoken.unwrap()["debug"]["message"].as_str().unwrap().contains(word), "{json}");
    }
    assert!(!send(&server.url, "GET", "/", &[], "").await.header("traceparent").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_call_is_refused_without_a_word_of_it() {
    let server = Running::start(|_| {}).await;
    let secret = "079088000017";
    for (verb, path) in
        [("GET", "/"), ("GET", "/079088000017"), ("PUT", "/x?079088000017"), ("OPTIONS", "/y/079088000017")]
    {
        let answer = send(&server.url, verb, path, &[], "").await;
        assert_eq!((answer.status, answer.body.len()), (404, 0), "{verb} {path}");
    }
    let answer = post(&server.url, &format!("/chinhchu.v1.Verification/{secret}"), &json!({})).await;
    assert_eq!(answer.error(), (404, "unimplemented".to_owned()));
    assert!(!String::from_utf8_lossy(&answer.body).contains(secret));
    // Not a method of this service's public contract, though it is one of the program's.
    assert_eq!(post(&server.url, "/chinhchu.local.v1.Snapshots/Read", &json!({})).await.status, 404);
    for verb in ["GET", "OPTIONS", "DELETE"] {
        let answer = send(&server.url, verb, VERIFY, &[JSON], "").await;
        assert_eq!((answer.status, answer.header("allow"), answer.body.len()), (405, "POST", 0), "{verb}");
        assert!(answer.headers.keys().all(|name| !name.as_str().starts_with("access-control-")));
    }
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/json; charset=latin1",
        "application/grpc-web",
        "multipart/form-data",
    ] {
        let answer = send(&server.url, "POST", VERIFY, &[("content-type", kind)], "{}").await;
        assert_eq!(answer.error(), (415, "unimplemented".to_owned()), "{kind}");
        assert!(answer.header("accept-post").contains("application/json"));
    }
    for path in [
        "/chinhchu.v1.Gallery/BulkEnroll",
        "/grpc.health.v1.Health/Watch",
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    ] {
        let answer = post(&server.url, path, &json!({})).await;
        assert_eq!(answer.error(), (415, "unimplemented".to_owned()), "{path}");
        assert!(answer.json()["message"].as_str().unwrap().contains("streams"));
    }
    let answer = send(&server.url, "POST", VERIFY, &[JSON, ("connect-protocol-version", "2")], "{}").await;
    assert_eq!(answer.error(), (400, "invalid_argument".to_owned()));
    // gRPC is a protocol of HTTP/2.
    assert_eq!(send(&server.url, "POST", VERIFY, &[("content-type", "application/grpc")], "").await.status, 505);
    assert_eq!(server.control.begun(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_other_sites_are_answered_nothing() {
    let server = Running::start(|_| {}).await;
    let here = server.url.clone();
    let port = here.rsplit(':').next().unwrap();
    let (rebound, other) = (format!("http://evil.example:{port}"), format!("http://127.0.0.1:{}", 1));
    for origin in ["https://evil.example", "null", other.as_str()] {
        let answer = send(&here, "POST", VERIFY, &[JSON, ("origin", origin)], photos(b"x").to_string()).await;
        assert_eq!(answer.error(), (403, "permission_denied".to_owned()), "{origin}");
        assert!(answer.headers.keys().all(|name| !name.as_str().starts_with("access-control-")));
    }
    for site in ["cross-site", "same-site"] {
        let answer = send(&here, "POST", VERIFY, &[JSON, ("sec-fetch-site", site)], photos(b"x").to_string()).await;
        assert_eq!(answer.status, 403, "{site}");
    }
    // A name of another site that leads here: host and origin agree.
    let mut request = request(&rebound, "POST", VERIFY, &[JSON, ("origin", &rebound)], photos(b"x").to_string().into());
    *request.version_mut() = hyper::Version::HTTP_11;
    assert_eq!(whole(http1(&here).await.send_request(request).await.unwrap()).await.status, 403);
    assert_eq!(server.control.begun(), 0);
    let answer = send(
        &here,
        "POST",
        VERIFY,
        &[JSON, ("origin", &here), ("sec-fetch-site", "same-origin")],
        photos(b"x").to_string(),
    )
    .await;
    assert_eq!(answer.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_kept_for_further_calls_and_closed_when_the_server_stops() {
    let mut server = Running::start(|_| {}).await;
    let mut sender = http1(&server.url).await;
    for _ in 0..3 {
        sender.ready().await.unwrap();
        let request = request(&server.url, "POST", VERIFY, &[JSON], photos(b"x").to_string().into());
        assert_eq!(whole(sender.send_request(request).await.unwrap()).await.status, 200);
    }
    sender.ready().await.unwrap();
    let slow = sender.send_request(request(&server.url, "POST", VERIFY, &[JSON], photos(b"slow").to_string().into()));
    let slow = tokio::spawn(slow);
    server.control.until_running(1).await;
    server.stop();
    tokio::time::sleep(Duration::from_millis(100)).await;
    server.control.gate.add_permits(1);
    // The call in flight is answered, and then the connection ends.
    let answer = whole(slow.await.unwrap().unwrap()).await;
    assert_eq!((answer.status, answer.header("connection")), (200, "close"));
    tokio::time::timeout(SOON, async {
        while sender.ready().await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .expect("it is closed");
    server.ended().await.unwrap();
}

const BOUNDARY: (&str, &str) = ("content-type", "multipart/form-data; boundary=line");

/// A form of these parts.
fn form(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, bytes) in parts {
        write!(body, "--line\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n").unwrap();
        body.extend_from_slice(bytes);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--line--\r\n");
    body
}

#[tokio::test(flavor = "multi_thread")]
async fn photos_may_come_as_parts_of_a_form_as_they_are() {
    let server = Running::start(|_| {}).await;
    let photo = Bytes::from_static(b"\xff\xd8\x00\r\n--lin\xff");
    let parts: [(&str, &[u8]); 4] =
        [("request", br#"{"fmr":1e-5}"#), ("reference", &photo), ("probes", b"a"), ("probes[1]", b"b")];
    let answer = send(&server.url, "POST", VERIFY, &[BOUNDARY], form(&parts)).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"), "{answer:?}");
    let seen = server.control.verify.lock().unwrap().take().unwrap();
    assert_eq!(
        (seen.reference, seen.probes, seen.fmr),
        (photo.to_vec(), vec![b"a".to_vec(), b"b".to_vec()], Some(1e-5))
    );
    let wrong: [&[(&str, &[u8])]; 7] = [
        &[("request", b"{}"), ("request", b"{}")],
        &[("079088000017", b"x")],
        &[("fmr", b"x")],
        &[("probes[7]", b"x")],
        &[("reference", b"x"), ("reference", b"y")],
        &[("request", br#"{"reference":"eA=="}"#), ("reference", b"x")],
        &[("request", br#"{"referenze":1}"#)],
    ];
    for parts in wrong {
        let answer = send(&server.url, "POST", VERIFY, &[BOUNDARY], form(parts)).await;
        assert_eq!((answer.status, &answer.info()["reason"]), (400, &json!("BAD_MESSAGE")), "{parts:?}");
        assert!(!String::from_utf8_lossy(&answer.body).contains("079088000017"));
    }
    let answer = send(&server.url, "POST", VERIFY, &[BOUNDARY], b"--line\r\nno form".to_vec()).await;
    assert_eq!(answer.info()["reason"], "BAD_MESSAGE");
    // Fields of messages inside.
    let parts: [(&str, &[u8]); 2] =
        [("request", br#"{"subjectId":"s","requestId":"r"}"#), ("photos[0].image", b"photo")];
    let answer = send(&server.url, "POST", "/chinhchu.v1.Gallery/Enroll", &[BOUNDARY], form(&parts)).await;
    assert_ne!(answer.info_reason(), Some("BAD_MESSAGE".to_owned()), "{answer:?}");
}

impl crate::http::Answer {
    fn info_reason(&self) -> Option<String> {
        let json = self.json();
        json["details"].is_array().then(|| self.info()["reason"].as_str().unwrap_or_default().to_owned())
    }
}

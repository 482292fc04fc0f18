//! The head of a Connect request: which method, in which encoding, until when. It is checked before
//! anything of the body is read.

use tonic::body::Body;
use tonic::codegen::http::header::{ACCEPT_ENCODING, ALLOW, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, TE};
use tonic::codegen::http::{
    HeaderMap, HeaderName, HeaderValue, Method as Verb, Request, Response, StatusCode, Version,
};
use tonic::{Code, Status};

use super::answer::{empty, failed, with_body};
use super::methods::{Unary, unary};
use super::openapi;
use crate::service::language::Language;
use crate::service::method::Method;
use crate::service::origin::is_from_here;
use crate::service::refusal::Refusal;

const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("connect-protocol-version");
const TIMEOUT_MS: HeaderName = HeaderName::from_static("connect-timeout-ms");
const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");
const ACCEPT_POST: HeaderName = HeaderName::from_static("accept-post");
/// What may be sent.
const CONTENT_TYPES: &str = "application/json, application/proto, multipart/form-data";
/// Digits of a timeout in milliseconds (Connect, "Timeout").
const TIMEOUT_DIGITS_MAX: usize = 10;
/// Digits of a `grpc-timeout`.
const GRPC_TIMEOUT_DIGITS_MAX: usize = 8;

/// How the message of a request is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Codec {
    /// Canonical JSON.
    Json,
    /// Protobuf.
    Proto,
    /// JSON and, beside it, bytes: `multipart/form-data` with this boundary.
    Form(String),
}

/// A call whose head is sound: an extension of the request, down to where its body is read.
#[derive(Clone)]
pub(in crate::service) struct ConnectCall {
    pub(super) unary: &'static Unary,
    pub(super) codec: Codec,
    pub(super) is_gzip: bool,
    /// Of a method without a place among the calls in flight, whose messages are therefore small.
    pub(super) is_exempt: bool,
}

/// Whether a request is one of gRPC.
pub(in crate::service) fn is_grpc<B>(request: &Request<B>) -> bool {
    let kind = request.headers().get(CONTENT_TYPE).map(|kind| kind.as_bytes());
    let rest = kind.and_then(|kind| kind.strip_prefix(b"application/grpc"));
    rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';' | b' ')))
}

/// Turns the head of a request into that of a gRPC request for the same method. The body stays as it is.
///
/// # Errors
/// The response, where there is nothing to call.
#[allow(clippy::result_large_err, reason = "the response is answered at once, and a request is no smaller")]
pub(in crate::service) fn accept(mut request: Request<Body>) -> Result<(Request<Body>, ConnectCall), Response<Body>> {
    let codec = codec(request.headers());
    let is_call = request.method() == Verb::POST && codec.is_some();
    if is_grpc(&request) {
        // gRPC over HTTP/1.1, which has no such thing.
        return Err(empty(StatusCode::HTTP_VERSION_NOT_SUPPORTED));
    }
    if !is_from_here(&request) {
        let status = Status::permission_denied("this server answers no pages of other sites");
        return Err(failed(&status));
    }
    if request.uri().path() == openapi::PATH && request.method() == Verb::GET {
        // The same for everybody: what may be called, not what is stored. As public as health.
        return Err(with_body(StatusCode::OK, "application/json", openapi::text()));
    }
    let Some(method) = Method::of(request.uri().path()) else {
        // Nothing of the path: it is whatever a caller typed.
        let mut response = match is_call {
            true => failed(&Status::unimplemented("this server has no such method")),
            false => empty(StatusCode::NOT_FOUND),
        };
        *response.status_mut() = StatusCode::NOT_FOUND;
        return Err(response);
    };
    if request.method() != Verb::POST {
        let mut response = empty(StatusCode::METHOD_NOT_ALLOWED);
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
        return Err(response);
    }
    let Some(unary) = unary(method) else {
        return Err(unsupported("this method streams: call it over gRPC, or its unary sibling"));
    };
    let Some(codec) = codec else {
        return Err(unsupported("send application/json, application/proto, or multipart/form-data with a boundary"));
    };
    let bad = |message: &str| {
        failed(&Refusal::bad_json(message.to_owned(), None, Vec::new()).into_status(Language::of(request.headers())))
    };
    if request.headers().get(PROTOCOL_VERSION).is_some_and(|version| version != "1") {
        return Err(bad("connect-protocol-version must be 1, or left out"));
    }
    let timeout = match request.headers().get(TIMEOUT_MS).map(|value| grpc_timeout(value.as_bytes())) {
        None => None,
        Some(Some(timeout)) => Some(timeout),
        Some(None) => return Err(bad("connect-timeout-ms must be a whole number of at most ten digits")),
    };
    let is_gzip = match request.headers().get(CONTENT_ENCODING).map(|encoding| encoding.as_bytes()) {
        None | Some(b"identity") => false,
        Some(b"gzip") => true,
        Some(_) => {
            let mut response = failed(&Status::unimplemented("content-encoding must be gzip or identity"));
            response.headers_mut().insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip, identity"));
            return Err(response);
        }
    };
    let headers = request.headers_mut();
    for name in [PROTOCOL_VERSION, TIMEOUT_MS, GRPC_TIMEOUT, CONTENT_ENCODING, CONTENT_LENGTH, ACCEPT_ENCODING] {
        headers.remove(name);
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(TE, HeaderValue::from_static("trailers"));
    if let Some(timeout) = timeout {
        headers.insert(GRPC_TIMEOUT, timeout);
    }
    *request.version_mut() = Version::HTTP_2;
    let call = ConnectCall { unary, codec, is_gzip, is_exempt: method.is_exempt() };
    request.extensions_mut().insert(call.clone());
    Ok((request, call))
}

/// The encoding that the content type names.
fn codec(headers: &HeaderMap) -> Option<Codec> {
    let mut kinds = headers.get_all(CONTENT_TYPE).iter();
    let kind = kinds.next().filter(|_| kinds.next().is_none())?.to_str().ok()?;
    match kind.split(';').next()?.trim().to_ascii_lowercase().as_str() {
        "application/json" => {
            // JSON between systems is in UTF-8 (RFC 8259, 8.1).
            let charset = kind.split(';').skip(1).find_map(|parameter| {
                let (name, value) = parameter.split_once('=')?;
                name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches('"'))
            });
            charset.is_none_or(|charset| charset.eq_ignore_ascii_case("utf-8")).then_some(Codec::Json)
        }
        "application/proto" => Some(Codec::Proto),
        "multipart/form-data" => multer::parse_boundary(kind).ok().map(Codec::Form),
        _ => None,
    }
}

/// A `grpc-timeout` for so many milliseconds, rounded up to whole seconds where it has not the digits.
fn grpc_timeout(value: &[u8]) -> Option<HeaderValue> {
    if value.is_empty() || value.len() > TIMEOUT_DIGITS_MAX || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let ms: u64 = str::from_utf8(value).ok()?.parse().ok()?;
    let text = match ms < 10u64.pow(GRPC_TIMEOUT_DIGITS_MAX as u32) {
        true => format!("{ms}m"),
        false => format!("{}S", ms.div_ceil(1000)),
    };
    HeaderValue::try_from(text).ok()
}

/// The response to what cannot be called so.
fn unsupported(why: &'static str) -> Response<Body> {
    let mut response = failed(&Status::new(Code::Unimplemented, why));
    *response.status_mut() = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    response.headers_mut().insert(ACCEPT_POST, HeaderValue::from_static(CONTENT_TYPES));
    response
}

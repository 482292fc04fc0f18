//! What came of a call, as HTTP: the message, or the status as JSON (Connect, "Unary-Response").

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use http_body_util::BodyExt;
use prost::Message;
use prost::bytes::Bytes;
use prost_reflect::DynamicMessage;
use serde_json::{Map, Value, json};
use tonic::body::Body;
use tonic::codegen::http::header::{
    CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use tonic::codegen::http::{HeaderMap, HeaderValue, Response, StatusCode};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::head::{Codec, ConnectCall};
use super::methods::detail;

/// Bytes before a gRPC message: whether it is compressed, and its length.
pub(super) const FRAME_BYTES: usize = 5;

/// The response to a call, from that of the gRPC service.
pub(in crate::service) async fn answer(response: Response<Body>, call: &ConnectCall) -> Response<Body> {
    let (parts, body) = response.into_parts();
    let (mut response, extensions) = match parts.extensions.get::<Status>() {
        Some(status) => (failed(status), parts.extensions.clone()),
        None => (message(body, call).await.unwrap_or_else(|status| failed(&status)), parts.extensions),
    };
    *response.extensions_mut() = extensions;
    for (name, value) in &parts.headers {
        let is_of_grpc = name.as_str().starts_with("grpc-") || name == CONTENT_TYPE || name == CONTENT_LENGTH;
        if !is_of_grpc && !response.headers().contains_key(name) {
            response.headers_mut().append(name.clone(), value.clone());
        }
    }
    response
}

/// The message of a call that was answered.
async fn message(body: Body, call: &ConnectCall) -> Result<Response<Body>, Status> {
    let defect = |_| Status::internal("the answer could not be written; this is a defect of chinhchu");
    let collected = body.collect().await.map_err(|_| defect(()))?;
    if let Some(status) =
        collected.trailers().and_then(Status::from_header_map).filter(|status| status.code() != Code::Ok)
    {
        return Err(status);
    }
    let bytes = collected.to_bytes();
    let message = (bytes.len() >= FRAME_BYTES).then(|| bytes.slice(FRAME_BYTES..)).ok_or(()).map_err(defect)?;
    if call.codec == Codec::Proto {
        return Ok(with_body(StatusCode::OK, "application/proto", message));
    }
    let message = DynamicMessage::decode(call.unary.output.clone(), message).map_err(|_| defect(()))?;
    let json = serde_json::to_vec(&message).map_err(|_| defect(()))?;
    Ok(with_body(StatusCode::OK, "application/json", json))
}

/// The response to a call that failed.
pub(in crate::service) fn failed(status: &Status) -> Response<Body> {
    let mut body = Map::new();
    body.insert("code".to_owned(), shown(status.code()).0.into());
    if !status.message().is_empty() {
        body.insert("message".to_owned(), status.message().into());
    }
    let details: Vec<Value> = tonic_types::pb::Status::decode(status.details())
        .map(|status| status.details.iter().map(detail_of).collect())
        .unwrap_or_default();
    if !details.is_empty() {
        body.insert("details".to_owned(), details.into());
    }
    let mut response = with_body(shown(status.code()).1, "application/json", Value::from(body).to_string());
    let headers = response.headers_mut();
    if let Some(delay) = status.get_details_retry_info().and_then(|info| info.retry_delay) {
        // Whole seconds (RFC 9110, 10.2.3), at least what the details say.
        let seconds = delay.as_secs() + u64::from(delay.subsec_nanos() > 0);
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if status.code() == Code::Unauthenticated {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

/// One detail: its bytes for programs that have its type, and the same as JSON for all others.
fn detail_of(any: &prost_types::Any) -> Value {
    let name = any.type_url.rsplit('/').next().unwrap_or_default();
    let mut shown = json!({ "type": name, "value": STANDARD_NO_PAD.encode(&any.value) });
    let message = detail(name)
        .and_then(|descriptor| DynamicMessage::decode(descriptor, any.value.as_slice()).ok())
        .and_then(|message| serde_json::to_value(&message).ok());
    if let Some(message) = message {
        shown["debug"] = message;
    }
    shown
}

/// A response without a body.
pub(super) fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    protect(response.headers_mut());
    response
}

pub(super) fn with_body(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Response<Body> {
    let body = body.into();
    let mut response = empty(status);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    *response.body_mut() = Body::new(http_body_util::Full::from(body));
    response
}

/// Answers are about people: nothing between here and the caller keeps them, or takes them for something else.
fn protect(headers: &mut HeaderMap) {
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
}

/// The name and the HTTP status of a code (Connect, "Error Codes").
pub(super) fn shown(code: Code) -> (&'static str, StatusCode) {
    match code {
        Code::Ok | Code::Unknown => ("unknown", StatusCode::INTERNAL_SERVER_ERROR),
        Code::Cancelled => ("canceled", StatusCode::from_u16(499).expect("a status of three digits")),
        Code::InvalidArgument => ("invalid_argument", StatusCode::BAD_REQUEST),
        Code::DeadlineExceeded => ("deadline_exceeded", StatusCode::GATEWAY_TIMEOUT),
        Code::NotFound => ("not_found", StatusCode::NOT_FOUND),
        Code::AlreadyExists => ("already_exists", StatusCode::CONFLICT),
        Code::PermissionDenied => ("permission_denied", StatusCode::FORBIDDEN),
        Code::ResourceExhausted => ("resource_exhausted", StatusCode::TOO_MANY_REQUESTS),
        Code::FailedPrecondition => ("failed_precondition", StatusCode::BAD_REQUEST),
        Code::Aborted => ("aborted", StatusCode::CONFLICT),
        Code::OutOfRange => ("out_of_range", StatusCode::BAD_REQUEST),
        Code::Unimplemented => ("unimplemented", StatusCode::NOT_IMPLEMENTED),
        Code::Internal => ("internal", StatusCode::INTERNAL_SERVER_ERROR),
        Code::Unavailable => ("unavailable", StatusCode::SERVICE_UNAVAILABLE),
        Code::DataLoss => ("data_loss", StatusCode::INTERNAL_SERVER_ERROR),
        Code::Unauthenticated => ("unauthenticated", StatusCode::UNAUTHORIZED),
    }
}

//! A client of HTTP alone: requests as they are written, answers as they come.

use chinhchu::service::DESCRIPTORS;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use prost::bytes::Bytes;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor};
use serde_json::Value;
use tokio::net::TcpStream;

use crate::fake::SOON;

pub const VERIFY: &str = "/chinhchu.v1.Verification/Verify";

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: hyper::HeaderMap,
    pub trailers: hyper::HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The status and the code of an error.
    pub fn error(&self) -> (u16, String) {
        (self.status, self.json()["code"].as_str().unwrap_or_default().to_owned())
    }

    /// `ErrorInfo` of an error, in readable form.
    pub fn info(&self) -> Value {
        let json = self.json();
        let details = json["details"].as_array().unwrap_or_else(|| panic!("no details: {json}"));
        details.iter().find(|detail| detail["type"] == "google.rpc.ErrorInfo").expect("an ErrorInfo")["debug"].clone()
    }
}

pub fn request(url: &str, verb: &str, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Request<Full<Bytes>> {
    let authority = url.split_once("://").map_or(url, |(_, authority)| authority);
    let mut builder = Request::builder().method(verb).uri(path);
    // HTTP/2 takes it from the address.
    if !path.contains("://") {
        builder = builder.header("host", authority);
    }
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder.body(Full::from(body)).unwrap()
}

pub async fn whole(response: Response<Incoming>) -> Answer {
    let (parts, body) = response.into_parts();
    let body = tokio::time::timeout(SOON, body.collect()).await.expect("the answer ends").unwrap();
    let trailers = body.trailers().cloned().unwrap_or_default();
    Answer { status: parts.status.as_u16(), headers: parts.headers, trailers, body: body.to_bytes() }
}

async fn tcp(url: &str) -> TokioIo<TcpStream> {
    TokioIo::new(TcpStream::connect(url.split_once("://").unwrap().1).await.unwrap())
}

/// A connection of HTTP/1.1.
pub async fn http1(url: &str) -> http1::SendRequest<Full<Bytes>> {
    let (sender, connection) = http1::handshake(tcp(url).await).await.unwrap();
    tokio::spawn(connection);
    sender
}

/// One request over HTTP/1.1, on a connection of its own.
pub async fn send(url: &str, verb: &str, path: &str, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Answer {
    let request = request(url, verb, path, headers, body.into());
    let response = tokio::time::timeout(SOON, http1(url).await.send_request(request)).await.expect("an answer");
    whole(response.unwrap()).await
}

/// A call in JSON.
pub async fn post(url: &str, path: &str, json: &Value) -> Answer {
    send(url, "POST", path, &[("content-type", "application/json")], json.to_string()).await
}

/// One request over HTTP/2.
pub async fn send2(url: &str, path: &str, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Answer {
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), tcp(url).await).await.unwrap();
    tokio::spawn(connection);
    let request = request(url, "POST", &format!("{url}{path}"), headers, body.into());
    whole(sender.send_request(request).await.unwrap()).await
}

/// The same call over gRPC: its code, its details, its message in the frame.
pub async fn grpc(url: &str, path: &str, message: &[u8]) -> (i32, Vec<Bytes>, Bytes) {
    let mut framed = vec![0; 5];
    framed[1..].copy_from_slice(&u32::try_from(message.len()).unwrap().to_be_bytes());
    framed.extend_from_slice(message);
    let answer = send2(url, path, &[("content-type", "application/grpc"), ("te", "trailers")], framed).await;
    let status = tonic::Status::from_header_map(&answer.headers)
        .or_else(|| tonic::Status::from_header_map(&answer.trailers))
        .expect("a status");
    let details = tonic_types::pb::Status::decode(status.details()).unwrap().details;
    let message = answer.body.get(5..).map(Bytes::copy_from_slice).unwrap_or_default();
    (status.code() as i32, details.into_iter().map(|any| Bytes::from(any.value)).collect(), message)
}

/// Every method with one request and one answer: its path and its messages.
pub fn unary() -> Vec<(String, MessageDescriptor, MessageDescriptor)> {
    let pools = [DESCRIPTORS, tonic_health::pb::FILE_DESCRIPTOR_SET].map(|set| DescriptorPool::decode(set).unwrap());
    let services = pools.iter().flat_map(|pool| pool.services().collect::<Vec<_>>());
    let methods = services.flat_map(|service| {
        let name = service.full_name().to_owned();
        service.methods().map(move |method| (name.clone(), method)).collect::<Vec<_>>()
    });
    methods
        .filter(|(_, method)| !method.is_client_streaming() && !method.is_server_streaming())
        .map(|(service, method)| (format!("/{service}/{}", method.name()), method.input(), method.output()))
        .collect()
}

/// A message as canonical JSON.
pub fn json_of(descriptor: &MessageDescriptor, message: &[u8]) -> Value {
    // By way of text, which has the digits of a 32-bit number.
    let text = serde_json::to_vec(&DynamicMessage::decode(descriptor.clone(), message).unwrap()).unwrap();
    serde_json::from_slice(&text).unwrap()
}

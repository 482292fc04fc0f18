//! A way to run the tests of gRPC over JSON: a proxy that takes calls over gRPC and makes each of them in
//! JSON over HTTP/1.1, as any program without gRPC would. What streams passes as it is.
//!
//! With `CHINHCHU_TEST_OVER=json` every [`Running`](crate::fake::Running) server stands behind one.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, LazyLock};

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use prost::bytes::Bytes;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor};
use serde::de::DeserializeSeed;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tonic::{Code, Status};

type Body = BoxBody<Bytes, hyper::Error>;
type Messages = HashMap<String, (MessageDescriptor, MessageDescriptor)>;

static UNARY: LazyLock<Messages> = LazyLock::new(|| {
    let sets = [chinhchu::service::DESCRIPTORS, tonic_health::pb::FILE_DESCRIPTOR_SET];
    let pools = sets.map(|set| DescriptorPool::decode(set).unwrap());
    let mut unary = Messages::new();
    for service in pools.iter().flat_map(DescriptorPool::services) {
        for method in service.methods().filter(|one| !one.is_client_streaming() && !one.is_server_streaming()) {
            let path = format!("/{}/{}", service.full_name(), method.name());
            unary.insert(path, (method.input(), method.output()));
        }
    }
    unary
});

/// Whether tests are to be run so.
pub fn is_wanted() -> bool {
    std::env::var("CHINHCHU_TEST_OVER").is_ok_and(|over| over == "json")
}

/// Stands before the server at that address; its own address.
pub async fn proxy(server: &str) -> String {
    let server: Arc<str> = server.trim_start_matches("http://").into();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let server = Arc::clone(&server);
            // A client that finds no server must not find one here.
            if TcpStream::connect(&*server).await.is_err() {
                continue;
            }
            let service = service_fn(move |request| called(Arc::clone(&server), request));
            tokio::spawn(
                hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(tcp), service),
            );
        }
    });
    url
}

async fn called(server: Arc<str>, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let answered = match UNARY.get(request.uri().path()) {
        Some((input, output)) => in_json(&server, request, input, output).await,
        None => as_it_is(&server, request.map(BodyExt::boxed)).await,
    };
    let lost = |error| status(&Status::unavailable(format!("the proxy lost the server: {error}")), HeaderMap::new());
    Ok(answered.unwrap_or_else(lost))
}

async fn as_it_is(server: &str, request: Request<Body>) -> Result<Response<Body>, hyper::Error> {
    let tcp = TokioIo::new(TcpStream::connect(server).await.expect("the server listens"));
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), tcp).await?;
    tokio::spawn(connection);
    Ok(sender.send_request(request).await?.map(BodyExt::boxed))
}

async fn in_json(
    server: &str,
    request: Request<Incoming>,
    input: &MessageDescriptor,
    output: &MessageDescriptor,
) -> Result<Response<Body>, hyper::Error> {
    let (parts, body) = request.into_parts();
    let framed = body.collect().await?.to_bytes();
    let message = framed.get(5..).and_then(|message| DynamicMessage::decode(input.clone(), message).ok());
    let Some(json) = message.and_then(|message| serde_json::to_vec(&message).ok()) else {
        // No message that JSON could say.
        let body = Full::from(framed).map_err(|never: Infallible| match never {}).boxed();
        return as_it_is(server, Request::from_parts(parts, body)).await;
    };
    let mut call = Request::post(parts.uri.path()).header("host", server).header("content-type", "application/json");
    for (name, value) in &parts.headers {
        match name.as_str() {
            "content-type" | "te" | "user-agent" | "grpc-accept-encoding" => {}
            "grpc-timeout" => call = call.header("connect-timeout-ms", timeout_ms(value.to_str().unwrap())),
            _ => call = call.header(name, value),
        }
    }
    let tcp = TokioIo::new(TcpStream::connect(server).await.expect("the server listens"));
    let (mut sender, connection) = http1::handshake(tcp).await?;
    tokio::spawn(connection);
    let (answer, body) = sender.send_request(call.body(Full::<Bytes>::from(json)).unwrap()).await?.into_parts();
    let body = body.collect().await?.to_bytes();
    let mut headers = answer.headers;
    for of_http in ["content-type", "content-length", "connection", "date", "cache-control", "x-content-type-options"] {
        headers.remove(of_http);
    }
    if answer.status != 200 {
        return Ok(status(&refusal(&serde_json::from_slice(&body).expect("an error in JSON")), headers));
    }
    let mut reader = serde_json::Deserializer::from_slice(&body);
    let message = output.clone().deserialize(&mut reader).expect("JSON of the method's answer").encode_to_vec();
    let mut framed = vec![0; 5];
    framed[1..].copy_from_slice(&u32::try_from(message.len()).unwrap().to_be_bytes());
    framed.extend(message);
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", "0".parse().unwrap());
    let frames = [Frame::data(Bytes::from(framed)), Frame::trailers(trailers)].map(Ok::<_, hyper::Error>);
    let mut response = Response::new(BodyExt::boxed(StreamBody::new(tokio_stream::iter(frames))));
    *response.headers_mut() = headers;
    response.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
    Ok(response)
}

fn timeout_ms(grpc: &str) -> u64 {
    let (digits, unit) = grpc.split_at(grpc.len() - 1);
    let number: u64 = digits.parse().unwrap();
    match unit {
        "H" => number * 3_600_000,
        "M" => number * 60_000,
        "S" => number * 1000,
        "m" => number,
        "u" => number.div_ceil(1000),
        _ => number.div_ceil(1_000_000),
    }
}

/// The status that JSON tells.
fn refusal(json: &Value) -> Status {
    let name = json["code"].as_str().expect("a code").replace("canceled", "cancelled");
    let named = |code: &Code| format!("{code:?}").to_lowercase() == name.replace('_', "");
    let code = (1..=16).map(Code::from_i32).find(named).expect("a known code");
    let details =
        json["details"].as_array().map(Vec::as_slice).unwrap_or_default().iter().map(|detail| prost_types::Any {
            type_url: format!("type.googleapis.com/{}", detail["type"].as_str().unwrap()),
            value: STANDARD_NO_PAD.decode(detail["value"].as_str().unwrap()).unwrap(),
        });
    let message = json["message"].as_str().unwrap_or_default().to_owned();
    let details: Vec<_> = details.collect();
    if details.is_empty() {
        return Status::new(code, message);
    }
    let whole = tonic_types::pb::Status { code: code as i32, message: message.clone(), details };
    Status::with_details(code, message, whole.encode_to_vec().into())
}

fn status(status: &Status, headers: HeaderMap) -> Response<Body> {
    let mut response = status.clone().into_http::<()>();
    response.headers_mut().extend(headers);
    response.map(|()| Full::new(Bytes::new()).map_err(|never: Infallible| match never {}).boxed())
}

//! The same service over HTTP with JSON: the unary calls of the Connect protocol
//! (<https://connectrpc.com/docs/protocol>), on the port of gRPC.
//!
//! ```text
//! POST /chinhchu.v1.Verification/Verify, application/json
//!   -> trace
//!   -> json       head: method, content type, timeout; becomes a gRPC request by its headers
//!   -> authorise, admit, log, deadline         (as for gRPC; the body is not read yet)
//!   -> transcode  body: JSON -> protobuf, in the frame of a gRPC message
//!   -> tonic, handlers                         (as for gRPC)
//!   <- json       the message as JSON; a status as an HTTP status and a JSON body
//! ```
//!
//! No method has code of its own here: messages are read and written by their descriptors, which
//! reflection serves too. What a call over JSON may do is therefore what it may do over gRPC.

mod answer;
mod decode;
mod drained;
mod form;
mod head;
mod methods;
mod openapi;
#[cfg(test)]
mod tests;

use prost::Message;

use super::method::Method;

pub(super) use self::answer::{answer, failed};
pub(super) use self::decode::framed;
pub(super) use self::drained::drained;
pub(super) use self::head::{ConnectCall, accept, is_grpc};

/// The message that the JSON of a call says, in protobuf, as the server reads it. `path` is that of the
/// call: `/chinhchu.v1.Verification/Verify`.
///
/// # Errors
/// A sentence that says what is wrong and where, and repeats nothing of the JSON.
pub fn message_of_json(path: &str, json: &[u8]) -> Result<Vec<u8>, String> {
    let unary =
        Method::of(path).and_then(methods::unary).ok_or("there is no such call with one request and one answer")?;
    let message = decode::message(json, &unary.input);
    message.map(|message| message.encode_to_vec()).map_err(|fault| fault.refusal(usize::MAX).message)
}

/// The contract as an OpenAPI 3.1 document in JSON, as the server answers `GET /openapi.json`.
pub fn openapi() -> &'static str {
    openapi::text()
}

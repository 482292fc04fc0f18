//! The body of a request: read within bounds, and turned into a gRPC message.

use std::io::Read;

use http_body::Body as _;
use http_body_util::BodyExt;
use prost::Message;
use prost::bytes::Bytes;
use prost_reflect::{DynamicMessage, Kind, MessageDescriptor};
use serde::de::DeserializeSeed;
use serde_path_to_error::{Deserializer, Segment, Track};
use tonic::body::Body;

use super::answer::FRAME_BYTES;
use super::form;
use super::head::{Codec, ConnectCall};
use crate::service::refusal::{Refusal, ServiceRefusal};

/// JSON may have so many bytes more than its message: names, punctuation.
const JSON_EXTRA_BYTES: usize = 256 << 10;
/// Largest message of a method without a place among the calls in flight, in bytes.
const EXEMPT_BYTES_MAX: usize = 16 << 10;
/// Deepest nesting of arrays and objects. No message of the contract goes deeper than 8.
const DEPTH_MAX: usize = 32;
/// Most values. Each takes memory of its own, which its bytes in the JSON say nothing of.
const VALUES_MAX: usize = 100_000;
/// Bodies larger than this are turned into messages on a thread of their own: that takes
/// milliseconds, in which no other call of this thread would move.
const INLINE_BYTES_MAX: usize = 256 << 10;

/// Why there is no message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::service) enum Fault {
    /// It is larger than the limit.
    TooLarge,
    /// The connection failed on the way.
    Broken,
    /// It is not compressed as the header says.
    NotGzip,
    /// JSON goes too deep, or has too many values.
    TooMuch,
    /// It is not JSON, or not of this message.
    Json {
        /// What is wrong.
        what: &'static str,
        /// Where: 1-based, in bytes.
        line: usize,
        column: usize,
        /// The field, by the names in the contract.
        field: Option<String>,
    },
    /// It is no form as it should be.
    Form(&'static str),
}

impl Fault {
    /// The refusal of the call. It says where, and repeats nothing that was sent.
    pub(in crate::service) fn refusal(self, bytes_max: usize) -> Refusal {
        let (message, field, figures) = match self {
            Self::TooLarge => return ServiceRefusal::MessageTooLarge { bytes_max }.into(),
            Self::Broken => ("the body did not come to its end".to_owned(), None, Vec::new()),
            Self::NotGzip => {
                ("the body is not compressed by gzip, as content-encoding says".to_owned(), None, Vec::new())
            }
            Self::TooMuch => (
                format!("the JSON goes deeper than {DEPTH_MAX} levels, or has more than {VALUES_MAX} values"),
                None,
                Vec::new(),
            ),
            Self::Json { what, line, column, field } => {
                let figures = vec![("line", line.to_string()), ("column", column.to_string())];
                (format!("{what}, at line {line}, column {column} of the JSON"), field, figures)
            }
            Self::Form(what) => (what.to_owned(), None, Vec::new()),
        };
        Refusal::bad_json(message, field, figures)
    }
}

/// Bytes of JSON that a message of so many bytes may take: a third more, as base64.
pub(in crate::service) fn json_bytes_max(bytes_max: usize) -> usize {
    (bytes_max / 3 * 4).saturating_add(JSON_EXTRA_BYTES)
}

/// Reads a body, and gives its message in the frame that gRPC has.
///
/// At most the body and the message in it are held at once.
///
/// # Errors
/// [`Fault`].
pub(in crate::service) async fn framed(body: Body, call: &ConnectCall, bytes_max: usize) -> Result<Bytes, Fault> {
    let bytes_max = if call.is_exempt { EXEMPT_BYTES_MAX.min(bytes_max) } else { bytes_max };
    let (input, is_gzip) = (call.unary.input.clone(), call.is_gzip);
    let json_bytes_max = json_bytes_max(bytes_max);
    match &call.codec {
        Codec::Proto => {
            // The frame's head is filled in below.
            let body = read(body, FRAME_BYTES, bytes_max).await?;
            if !is_gzip {
                return Ok(with_head(body));
            }
            apart(move || inflated(&body[FRAME_BYTES..], FRAME_BYTES, bytes_max).map(with_head)).await
        }
        Codec::Json => {
            let body = read(body, 0, json_bytes_max).await?;
            if body.len() <= INLINE_BYTES_MAX && !is_gzip {
                return Ok(frame(&message(&body, &input)?));
            }
            let turn = move || {
                let body = if is_gzip { inflated(&body, 0, json_bytes_max)? } else { body };
                let message = message(&body, &input)?;
                drop(body);
                Ok(frame(&message))
            };
            apart(turn).await
        }
        Codec::Form(_) if is_gzip => Err(Fault::Form("a form is sent without content-encoding")),
        Codec::Form(boundary) => {
            let form = form::read(body, boundary, &input, json_bytes_max).await?;
            apart(move || Ok(frame(&form.message()?))).await
        }
    }
}

/// Does work of milliseconds on a thread where no call waits for it.
async fn apart(work: impl FnOnce() -> Result<Bytes, Fault> + Send + 'static) -> Result<Bytes, Fault> {
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(Fault::Broken))
}

/// All bytes of a body, after so many zeros.
async fn read(mut body: Body, zeros: usize, bytes_max: usize) -> Result<Vec<u8>, Fault> {
    let most = zeros.saturating_add(bytes_max);
    let hint = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if hint > bytes_max {
        return Err(Fault::TooLarge);
    }
    let mut read = Vec::with_capacity(zeros + hint);
    read.resize(zeros, 0);
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| Fault::Broken)?.into_data() else { continue };
        if data.len() > most - read.len() {
            return Err(Fault::TooLarge);
        }
        read.extend_from_slice(&data);
    }
    Ok(read)
}

/// What gzip makes of it, after so many zeros.
fn inflated(bytes: &[u8], zeros: usize, bytes_max: usize) -> Result<Vec<u8>, Fault> {
    let mut inflated = vec![0; zeros];
    let limit = u64::try_from(bytes_max).unwrap_or(u64::MAX).saturating_add(1);
    let read = flate2::read::GzDecoder::new(bytes).take(limit).read_to_end(&mut inflated);
    match read {
        Ok(read) if read > bytes_max => Err(Fault::TooLarge),
        Ok(_) => Ok(inflated),
        Err(_) => Err(Fault::NotGzip),
    }
}

/// A message in the frame of gRPC.
fn frame(message: &DynamicMessage) -> Bytes {
    let mut framed = Vec::with_capacity(FRAME_BYTES + message.encoded_len());
    framed.resize(FRAME_BYTES, 0);
    message.encode(&mut framed).expect("a vector grows as needed");
    with_head(framed)
}

/// Fills in the head of a frame: not compressed, and the length.
fn with_head(mut framed: Vec<u8>) -> Bytes {
    // Limits keep messages far below 4 GiB.
    let length = u32::try_from(framed.len() - FRAME_BYTES).unwrap_or(u32::MAX);
    framed[1..FRAME_BYTES].copy_from_slice(&length.to_be_bytes());
    framed.into()
}

/// The message that JSON says.
pub(super) fn message(json: &[u8], input: &MessageDescriptor) -> Result<DynamicMessage, Fault> {
    check_size(json)?;
    let mut reader = serde_json::Deserializer::from_slice(json);
    let mut track = Track::new();
    let read = input.clone().deserialize(Deserializer::new(&mut reader, &mut track));
    let read = read.and_then(|message| reader.end().map(|()| message));
    read.map_err(|error| {
        let what = match error.classify() {
            serde_json::error::Category::Data => reason(&error.to_string()),
            _ => "this is not JSON",
        };
        let field = field_of(&track.path(), input);
        Fault::Json { what, line: error.line(), column: error.column(), field }
    })
}

/// What is wrong with a value. Not in the words of the reader, which repeat the value.
fn reason(said: &str) -> &'static str {
    let known = [
        ("unrecognized field name", "the message has no field of this name"),
        ("unrecognized enum value", "the field has no value of this name"),
        ("invalid base64", "this is not base64"),
        ("multiple fields provided for oneof", "only one of these fields may be there"),
    ];
    known.iter().find(|(begins, _)| said.starts_with(begins)).map_or("the field has no such value", |(_, what)| what)
}

/// The field at a path by the names in the contract, as far as it has them: `photos[1].image`.
fn field_of(path: &serde_path_to_error::Path, input: &MessageDescriptor) -> Option<String> {
    let mut field = String::new();
    let mut of = Some(input.clone());
    for segment in path {
        match segment {
            Segment::Map { key } => {
                let message = of.take()?;
                let Some(found) = message.get_field_by_json_name(key).or_else(|| message.get_field_by_name(key)) else {
                    break;
                };
                if !field.is_empty() {
                    field.push('.');
                }
                field.push_str(found.name());
                of = match found.kind() {
                    Kind::Message(inner) if !found.is_map() => Some(inner),
                    _ => None,
                };
                if of.is_none() && found.is_map() {
                    break;
                }
            }
            Segment::Seq { index } => field.push_str(&format!("[{index}]")),
            Segment::Enum { .. } | Segment::Unknown => break,
        }
    }
    (!field.is_empty()).then_some(field)
}

/// Whether JSON is no deeper and has no more values than any message: before a reader makes something
/// of each value. What it says of text that is not JSON is of no account.
fn check_size(json: &[u8]) -> Result<(), Fault> {
    let (mut depth, mut values, mut at) = (0usize, 1usize, 0);
    while let Some(&byte) = json.get(at) {
        at += 1;
        match byte {
            b'"' => match end_of_string(json, at) {
                Some(end) => at = end,
                // The reader says where.
                None => break,
            },
            b'[' | b'{' => {
                depth += 1;
                values += 1;
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            b',' => values += 1,
            _ => {}
        }
        if depth > DEPTH_MAX || values > VALUES_MAX {
            return Err(Fault::TooMuch);
        }
    }
    Ok(())
}

/// The position after the quote that ends a string.
fn end_of_string(json: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at += memchr::memchr2(b'"', b'\\', json.get(at..)?)?;
        match json[at] {
            b'"' => return Some(at + 1),
            // What follows a backslash ends nothing.
            _ => at += 2,
        }
    }
}

//! A request as a form (`multipart/form-data`, RFC 7578): a part `request` with the JSON, and parts
//! with bytes, each named by the field that it fills. Photos come as they are, without base64.

use http_body_util::BodyDataStream;
use multer::{Constraints, Multipart, SizeLimit};
use prost::bytes::Bytes;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value};
use tonic::body::Body;

use super::decode::{self, Fault};

/// Name of the part with the JSON.
const REQUEST: &str = "request";
/// Most parts. A card's chip has twenty files, and captures are five.
const PARTS_MAX: usize = 64;
/// Highest index in a name.
const INDEX_MAX: usize = 63;
/// Deepest field that a name reaches.
const STEPS_MAX: usize = 8;

/// The parts of a form.
pub(super) struct Form {
    input: MessageDescriptor,
    json: Option<Bytes>,
    bytes: Vec<(Vec<Step>, Bytes)>,
}

/// A step of a path: the field, and which of its values.
struct Step {
    field: FieldDescriptor,
    index: Option<usize>,
}

/// Reads all parts, together no more than `bytes_max`.
pub(super) async fn read(
    body: Body,
    boundary: &str,
    input: &MessageDescriptor,
    bytes_max: usize,
) -> Result<Form, Fault> {
    let limit = SizeLimit::new().whole_stream(u64::try_from(bytes_max).unwrap_or(u64::MAX));
    let constraints = Constraints::new().size_limit(limit);
    let mut parts = Multipart::with_constraints(BodyDataStream::new(body), boundary, constraints);
    let mut form = Form { input: input.clone(), json: None, bytes: Vec::new() };
    while let Some(part) = parts.next_field().await.map_err(fault)? {
        let steps = match part.name() {
            None => return Err(Fault::Form("a part of the form has no name")),
            Some(REQUEST) if form.json.is_some() => return Err(Fault::Form("the part `request` is there twice")),
            Some(REQUEST) => None,
            Some(name) => Some(steps(name, input).ok_or(Fault::Form(
                "a part is named neither `request` nor by a field of bytes, such as probes or photos[0].image",
            ))?),
        };
        let bytes = part.bytes().await.map_err(fault)?;
        match steps {
            None => form.json = Some(bytes),
            Some(_) if form.bytes.len() == PARTS_MAX => return Err(Fault::Form("the form has more than 64 parts")),
            Some(steps) => form.bytes.push((steps, bytes)),
        }
    }
    Ok(form)
}

fn fault(error: multer::Error) -> Fault {
    match error {
        multer::Error::StreamSizeExceeded { .. } | multer::Error::FieldSizeExceeded { .. } => Fault::TooLarge,
        multer::Error::StreamReadFailed(_) => Fault::Broken,
        _ => Fault::Form("this is no form with the boundary that content-type names"),
    }
}

impl Form {
    /// The message of the JSON, with the bytes of the parts in it.
    pub(super) fn message(self) -> Result<DynamicMessage, Fault> {
        let mut message = match self.json {
            Some(json) => decode::message(&json, &self.input)?,
            None => DynamicMessage::new(self.input),
        };
        for (steps, bytes) in self.bytes {
            put(&mut message, &steps, bytes)?;
        }
        Ok(message)
    }
}

/// The path that a name says, from a message down to a field of bytes.
fn steps(name: &str, input: &MessageDescriptor) -> Option<Vec<Step>> {
    let mut of = Some(input.clone());
    let mut steps = Vec::new();
    for text in name.split('.') {
        let message = of.take().filter(|_| steps.len() < STEPS_MAX)?;
        let (name, index) = match text.split_once('[') {
            None => (text, None),
            Some((name, rest)) => {
                (name, Some(rest.strip_suffix(']')?.parse().ok().filter(|index| *index <= INDEX_MAX)?))
            }
        };
        let field = message.get_field_by_json_name(name).or_else(|| message.get_field_by_name(name))?;
        if field.is_map() || (index.is_some() && !field.is_list()) {
            return None;
        }
        if let Kind::Message(inner) = field.kind() {
            of = Some(inner);
        }
        steps.push(Step { field, index });
    }
    steps.last().filter(|step| step.field.kind() == Kind::Bytes)?;
    Some(steps)
}

/// Puts bytes in at a path. A field with several values takes another one at its end, where none or
/// the next index is named.
fn put(message: &mut DynamicMessage, steps: &[Step], bytes: Bytes) -> Result<(), Fault> {
    let (step, rest) = steps.split_first().expect("a path has a step");
    let twice = Fault::Form("a field that a part fills is in the JSON as well, or in another part");
    if !step.field.is_list() && rest.is_empty() {
        if message.has_field(&step.field) {
            return Err(twice);
        }
        message.set_field(&step.field, Value::Bytes(bytes));
        return Ok(());
    }
    let gap = Fault::Form("the parts of a field with several values have no index, or begin at 0 without a gap");
    let value = match message.get_field_mut(&step.field) {
        Value::List(values) => {
            let index = step.index.unwrap_or(values.len());
            if index > values.len() {
                return Err(gap);
            }
            if rest.is_empty() {
                if index < values.len() {
                    return Err(twice);
                }
                values.push(Value::Bytes(bytes));
                return Ok(());
            }
            if index == values.len() {
                values.push(Value::default_value(&step.field.kind()));
            }
            &mut values[index]
        }
        value => value,
    };
    match value {
        Value::Message(inner) => put(inner, rest, bytes),
        _ => Err(gap),
    }
}

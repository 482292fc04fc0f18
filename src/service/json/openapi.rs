//! The contract as an OpenAPI 3.1 document, made of the descriptors: every method that can be called with
//! JSON, its messages with the comments of the proto files, its errors.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use prost_reflect::prost_types::FileDescriptorProto;
use prost_reflect::{EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor, MethodDescriptor};
use serde_json::{Map, Value, json};
use tonic::Code;

use super::answer::shown;
use super::methods::services;

/// Where the server answers with it.
pub(super) const PATH: &str = "/openapi.json";

static DOCUMENT: LazyLock<String> = LazyLock::new(|| format!("{:#}\n", document()));

/// The document, as it is served.
pub(super) fn text() -> &'static str {
    &DOCUMENT
}

/// The schema that an answer without success has.
const ERROR: &str = "Error";
/// Longest summary of a method.
const SUMMARY_CHARS_MAX: usize = 120;

fn document() -> Value {
    let mut paths = Map::new();
    let mut tags = Vec::new();
    let mut schemas = Schemas::default();
    for service in services() {
        let file = service.parent_file();
        tags.push(
            json!({ "name": service.name(), "description": comment(file.file_descriptor_proto(), service.path()) }),
        );
        for method in service.methods().filter(|method| !method.is_client_streaming() && !method.is_server_streaming())
        {
            let path = format!("/{}/{}", service.full_name(), method.name());
            paths.insert(path, json!({ "post": operation(&method, &mut schemas) }));
        }
    }
    let mut schemas = schemas.all();
    schemas.insert(ERROR.to_owned(), error());
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "chinhchu",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "Face matching between a benefit and the person who claims it",
            "description": "The unary calls of chinhchu.v1 as JSON over HTTP: the unary form of the Connect protocol. \
                The same calls are served over gRPC on the same port.\n\nFields that have their default (0, \"\", false, \
                the first value of an enumeration, an empty list) are left out of answers. An answer may have fields and \
                values that this document does not know: later versions add some. A request with a field that the \
                server does not know is refused.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "security": [{}, { "certificate": [] }, { "certificate": [], "token": [] }, { "token": [] }],
        "tags": tags,
        "paths": paths,
        "components": {
            "schemas": schemas,
            "parameters": parameters(),
            "responses": { "Error": {
                "description": "The call was refused, or failed. The HTTP status follows from `code`; branch on the \
                    `reason` of the google.rpc.ErrorInfo among the details.",
                "headers": {
                    "traceparent": { "schema": { "type": "string" }, "description": "The trace of the call, as W3C Trace Context has it." },
                    "retry-after": { "schema": { "type": "integer" }, "description": "Seconds until another try may succeed; without it, none is worth it." },
                },
                "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Error" } } },
            } },
            "securitySchemes": {
                "certificate": { "type": "mutualTLS", "description": "Machines are known by their certificates." },
                "token": { "type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "People are known by tokens of the configured OpenID provider." },
            },
        },
    })
}

fn parameters() -> Value {
    let header = |name: &str, schema: Value, description: &str| json!({ "name": name, "in": "header", "required": false, "schema": schema, "description": description });
    json!({
        "Language": header("accept-language", json!({ "type": "string", "examples": ["vi", "en"] }),
            "Language of the sentences for people: vi (the default) or en."),
        "Trace": header("traceparent", json!({ "type": "string", "pattern": "^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}" }),
            "The caller's trace, as W3C Trace Context has it. The answer names it, and so does the server's log."),
        "Timeout": header("connect-timeout-ms", json!({ "type": "string", "pattern": "^[0-9]{1,10}$" }),
            "Milliseconds that the call may take, its upload included. The server's own bound holds as well."),
        "Protocol": header("connect-protocol-version", json!({ "type": "string", "enum": ["1"] }),
            "Version of the Connect protocol."),
    })
}

fn operation(method: &MethodDescriptor, schemas: &mut Schemas) -> Value {
    let description = comment(method.parent_file().file_descriptor_proto(), method.path());
    let (input, output) = (schemas.sent(&method.input()), schemas.answered(&method.output()));
    let mut content = json!({ "application/json": { "schema": reference(&input) } });
    if let Some(form) = form(&method.input(), &input) {
        content["multipart/form-data"] = form;
    }
    let parameters = ["Language", "Trace", "Timeout", "Protocol"];
    json!({
        "operationId": format!("{}_{}", method.parent_service().name(), method.name()),
        "tags": [method.parent_service().name()],
        "summary": summary(&description),
        "description": description,
        "parameters": parameters.map(|name| json!({ "$ref": format!("#/components/parameters/{name}") })),
        "requestBody": { "required": true, "content": content },
        "responses": {
            "200": { "description": "The answer.", "content": { "application/json": { "schema": reference(&output) } } },
            "default": { "$ref": "#/components/responses/Error" },
        },
    })
}

/// A request as a form, where it has bytes: the JSON in one part, photos and files in others.
fn form(input: &MessageDescriptor, name: &str) -> Option<Value> {
    let mut properties = Map::from_iter([("request".to_owned(), reference(name))]);
    let binary = || json!({ "type": "string", "contentMediaType": "application/octet-stream" });
    for field in input.fields().filter(|field| field.kind() == Kind::Bytes) {
        let schema = match field.is_list() {
            true => json!({ "type": "array", "items": binary() }),
            false => binary(),
        };
        properties.insert(field.json_name().to_owned(), schema);
    }
    let is_plain = properties.len() > 1;
    (is_plain || holds_bytes(input, 0)).then(|| {
        json!({
            "schema": {
                "type": "object",
                "properties": properties,
                "additionalProperties": binary(),
                "description": "The part `request` is the JSON without its fields of bytes. Every other part is the \
                    bytes of the field that it is named by, without base64: `reference`, `probes` (one part for each), \
                    `photos[0].image`.",
            },
            "encoding": { "request": { "contentType": "application/json" } },
        })
    })
}

/// Whether a message has bytes in it, at any depth that a request has.
fn holds_bytes(message: &MessageDescriptor, depth: usize) -> bool {
    depth < 8
        && message.fields().any(|field| match field.kind() {
            Kind::Bytes => true,
            Kind::Message(inner) => !field.is_map() && holds_bytes(&inner, depth + 1),
            _ => false,
        })
}

/// The schemas of messages and enumerations.
#[derive(Default)]
struct Schemas {
    messages: BTreeMap<String, MessageDescriptor>,
    enums: BTreeMap<String, EnumDescriptor>,
    /// Those in answers, which may have more fields in later versions.
    answered: BTreeSet<String>,
}

impl Schemas {
    fn sent(&mut self, message: &MessageDescriptor) -> String {
        self.add(message, false)
    }

    fn answered(&mut self, message: &MessageDescriptor) -> String {
        self.add(message, true)
    }

    /// Adds a message and all that it holds; its name.
    fn add(&mut self, message: &MessageDescriptor, is_answer: bool) -> String {
        let name = name(message.full_name());
        let is_new = self.messages.insert(name.clone(), message.clone()).is_none();
        let is_newly_answered = is_answer && self.answered.insert(name.clone());
        if is_new || is_newly_answered {
            for field in message.fields() {
                match value_field(&field).kind() {
                    Kind::Message(inner) if well_known(&inner).is_none() => drop(self.add(&inner, is_answer)),
                    Kind::Enum(values) => drop(self.enums.insert(self::name(values.full_name()), values)),
                    _ => {}
                }
            }
        }
        name
    }

    fn all(self) -> Map<String, Value> {
        let messages = self.messages.iter().map(|(name, message)| {
            let is_closed = !self.answered.contains(name);
            (name.clone(), object(message, is_closed))
        });
        messages.chain(self.enums.iter().map(|(name, values)| (name.clone(), enumeration(values)))).collect()
    }
}

/// What a schema is called: the name of the message without its package.
fn name(full_name: &str) -> String {
    let is_type = |part: &&str| part.starts_with(|first: char| first.is_ascii_uppercase());
    full_name.split('.').filter(is_type).collect::<Vec<_>>().join("_")
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

fn object(message: &MessageDescriptor, is_closed: bool) -> Value {
    let file = message.parent_file();
    let fields = message.fields().map(|field| {
        let mut schema = schema(&field);
        let mut description = comment(file.file_descriptor_proto(), field.path());
        let oneof = field.containing_oneof().filter(|oneof| !oneof.is_synthetic());
        if let Some(oneof) = oneof {
            let names: Vec<_> = oneof.fields().map(|field| field.json_name().to_owned()).collect();
            description = format!("{description}\n\nAt most one of {} is there.", names.join(", ")).trim().to_owned();
        }
        if !description.is_empty() {
            schema["description"] = description.into();
        }
        (field.json_name().to_owned(), schema)
    });
    let mut schema = json!({ "type": "object", "properties": fields.collect::<Map<_, _>>() });
    let description = comment(file.file_descriptor_proto(), message.path());
    if !description.is_empty() {
        schema["description"] = description.into();
    }
    if is_closed {
        schema["additionalProperties"] = false.into();
    }
    schema
}

/// Where a field's values are: in the field, or in the entries of its map.
fn value_field(field: &FieldDescriptor) -> FieldDescriptor {
    match field.kind() {
        Kind::Message(entry) if field.is_map() => entry.map_entry_value_field(),
        _ => field.clone(),
    }
}

fn schema(field: &FieldDescriptor) -> Value {
    let one = of_kind(&value_field(field).kind());
    match (field.is_map(), field.is_list()) {
        (true, _) => json!({ "type": "object", "additionalProperties": one }),
        (_, true) => json!({ "type": "array", "items": one }),
        _ => one,
    }
}

fn of_kind(kind: &Kind) -> Value {
    match kind {
        Kind::Double => json!({ "type": "number", "format": "double" }),
        Kind::Float => json!({ "type": "number", "format": "float" }),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => json!({ "type": "integer", "format": "int32" }),
        Kind::Uint32 | Kind::Fixed32 => json!({ "type": "integer", "minimum": 0, "maximum": u32::MAX }),
        // More digits than a double holds: a string.
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => {
            json!({ "type": "string", "format": "int64", "pattern": "^-?[0-9]+$" })
        }
        Kind::Uint64 | Kind::Fixed64 => json!({ "type": "string", "format": "uint64", "pattern": "^[0-9]+$" }),
        Kind::Bool => json!({ "type": "boolean" }),
        Kind::String => json!({ "type": "string" }),
        Kind::Bytes => json!({ "type": "string", "contentEncoding": "base64" }),
        Kind::Message(message) => well_known(message).unwrap_or_else(|| reference(&name(message.full_name()))),
        Kind::Enum(values) => reference(&name(values.full_name())),
    }
}

/// The form of messages that JSON has a form of its own for.
fn well_known(message: &MessageDescriptor) -> Option<Value> {
    match message.full_name() {
        "google.protobuf.Timestamp" => Some(json!({ "type": "string", "format": "date-time" })),
        "google.protobuf.Duration" => Some(json!({ "type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?s$" })),
        _ => None,
    }
}

fn enumeration(values: &EnumDescriptor) -> Value {
    let file = values.parent_file();
    let mut lines = vec![comment(file.file_descriptor_proto(), values.path())];
    for value in values.values() {
        let said = comment(file.file_descriptor_proto(), value.path()).replace('\n', " ");
        lines.push(format!("- `{}`{}{said}", value.name(), if said.is_empty() { "" } else { ": " }));
    }
    let names: Vec<_> = values.values().map(|value| value.name().to_owned()).collect();
    json!({ "type": "string", "enum": names, "description": lines.join("\n").trim() })
}

fn error() -> Value {
    let codes: BTreeSet<_> = (1..=16).map(|code| shown(Code::from_i32(code)).0).collect();
    json!({
        "type": "object",
        "description": "Why a call was refused (Connect, \"Error End-Stream\").",
        "required": ["code"],
        "properties": {
            "code": { "type": "string", "enum": codes },
            "message": { "type": "string", "description": "For developers, in English; not for programs to read." },
            "details": { "type": "array", "items": {
                "type": "object",
                "required": ["type", "value"],
                "properties": {
                    "type": { "type": "string", "description": "google.rpc.ErrorInfo (reason, domain, and as metadata field, \
                        figures and the sentence in both languages), LocalizedMessage (the sentence in the caller's \
                        language), BadRequest (the field at fault), RetryInfo (when to try again)." },
                    "value": { "type": "string", "contentEncoding": "base64", "description": "The message in protobuf, without padding." },
                    "debug": { "type": "object", "description": "The same message in JSON." },
                },
            } },
        },
    })
}

/// The comment before a declaration.
fn comment(file: &FileDescriptorProto, path: &[i32]) -> String {
    let locations = file.source_code_info.iter().flat_map(|info| &info.location);
    let mut comments = locations.filter(|location| location.path == path).map(|location| location.leading_comments());
    let text = comments.next().unwrap_or_default();
    text.lines()
        .map(|line| line.strip_prefix(' ').unwrap_or(line).trim_end())
        .collect::<Vec<_>>()
        .join("\n")
        .trim()
        .to_owned()
}

/// The first sentence of a comment.
fn summary(comment: &str) -> String {
    let paragraph = comment.split("\n\n").next().unwrap_or_default().replace('\n', " ");
    let end = paragraph.match_indices(['.', '?']).map(|(at, _)| at + 1).find(|&at| {
        // Not the dot of "e.g." or the colon of "1:1.".
        at > 12 && paragraph[at..].chars().next().is_none_or(char::is_whitespace)
    });
    paragraph[..end.unwrap_or(paragraph.len())].chars().take(SUMMARY_CHARS_MAX).collect()
}

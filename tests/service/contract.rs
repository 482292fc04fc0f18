//! The wire contract only grows (docs/versions.md): `contract.txt` has every call, field,
//! value and code of it, and none may go or change.
//!
//! After adding to the proto files, write it anew with
//! `CHINHCHU_WRITE_DOCS=1 cargo test --test service contract`.

use std::collections::BTreeSet;

use chinhchu::face::quality::Flaw;
use chinhchu::service::DESCRIPTORS;
use chinhchu::workflow::beneficiary::ReasonCode;
use chinhchu::workflow::reason::Reason;
use prost::Message;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/service/contract.txt");

fn files() -> Vec<FileDescriptorProto> {
    let set = FileDescriptorSet::decode(DESCRIPTORS).unwrap();
    set.file.into_iter().filter(|file| file.package() == "chinhchu.v1").collect()
}

fn of_field(field: &FieldDescriptorProto) -> String {
    let kind = match field.r#type() {
        Type::Message | Type::Enum => field.type_name().trim_start_matches('.').to_owned(),
        other => other.as_str_name().trim_start_matches("TYPE_").to_lowercase(),
    };
    let label = match field.label() {
        Label::Repeated => "repeated ",
        _ if field.proto3_optional() => "optional ",
        _ if field.oneof_index.is_some() => "oneof ",
        _ => "",
    };
    format!("{} {label}{kind} {}", field.number(), field.name())
}

fn of_message(prefix: &str, message: &DescriptorProto, lines: &mut BTreeSet<String>) {
    let name = format!("{prefix}{}", message.name());
    lines.extend(message.field.iter().map(|field| format!("message {name}: {}", of_field(field))));
    // Fields without any would be told by nothing else.
    lines.insert(format!("message {name}"));
    for nested in &message.nested_type {
        of_message(&format!("{name}."), nested, lines);
    }
    for nested in &message.enum_type {
        of_enum(&format!("{name}."), nested, lines);
    }
}

fn of_enum(prefix: &str, values: &EnumDescriptorProto, lines: &mut BTreeSet<String>) {
    let name = format!("{prefix}{}", values.name());
    lines.extend(values.value.iter().map(|value| format!("enum {name}: {} {}", value.number(), value.name())));
}

/// Everything a client is compiled against or branches on, a line each.
fn contract() -> BTreeSet<String> {
    let mut lines = BTreeSet::new();
    let mut codes = |table: &str, codes: Vec<&str>| lines.extend(codes.iter().map(|code| format!("{table} {code}")));
    codes("reason of an error", Reason::ALL.iter().map(|one| one.code()).collect());
    codes("reason of a decision", ReasonCode::ALL.iter().map(|one| one.code()).collect());
    codes("reason of a chip", chinhchu::chip::Reason::ALL.iter().map(|one| one.code()).collect());
    codes("flaw", Flaw::ALL.iter().map(|one| one.code()).collect());
    for file in files() {
        for service in &file.service {
            lines.extend(service.method.iter().map(|call| {
                let stream = |is: bool| if is { "stream " } else { "" };
                let (asked, answered) = (stream(call.client_streaming()), stream(call.server_streaming()));
                let (input, output) = (call.input_type(), call.output_type());
                format!("call {}/{}: {asked}{input} -> {answered}{output}", service.name(), call.name())
            }));
        }
        file.message_type.iter().for_each(|message| of_message("", message, &mut lines));
        file.enum_type.iter().for_each(|values| of_enum("", values, &mut lines));
    }
    lines
}

#[test]
fn nothing_of_the_contract_goes_or_changes() {
    let now = contract();
    let kept = std::fs::read_to_string(FILE).unwrap_or_default();
    let kept: BTreeSet<String> = kept.lines().map(str::to_owned).collect();
    let gone: Vec<_> = kept.difference(&now).collect();
    // Not even by writing the file anew: a line is taken out of it by hand, or not at all.
    assert!(gone.is_empty(), "clients out there rely on what is gone or changed: {gone:#?}");
    if std::env::var_os("CHINHCHU_WRITE_DOCS").is_some() {
        let text: String = now.iter().map(|line| format!("{line}\n")).collect();
        std::fs::write(FILE, text).unwrap();
        return;
    }
    let new: Vec<_> = now.difference(&kept).collect();
    assert!(new.is_empty(), "add what is new, see the head of this file: {new:#?}");
}

/// Names of generated packages are what clients import; they are the same in every file.
#[test]
fn every_language_finds_the_contract_under_one_name() {
    for file in files() {
        let options = file.options.as_ref().unwrap();
        assert_eq!(options.java_package(), "vn.chinhchu.v1", "{}", file.name());
        assert!(options.java_multiple_files(), "{}", file.name());
        assert_eq!(options.csharp_namespace(), "Chinhchu.V1", "{}", file.name());
        assert_eq!(options.go_package(), "chinhchu/v1;chinhchuv1", "{}", file.name());
    }
}

/// Zero is what an older server leaves unset: no enum may mean something by it.
#[test]
fn every_enum_begins_with_unspecified() {
    for file in files() {
        for values in &file.enum_type {
            assert_eq!(values.value[0].number(), 0);
            assert!(values.value[0].name().ends_with("_UNSPECIFIED"), "{}", values.name());
        }
    }
}

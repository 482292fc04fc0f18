//! Entries: one encoding each, what they cannot hold, and how they are listed.

use proptest::prelude::*;
use prost::Message;

use super::*;
use crate::ledger::commitment::{Commitment, Salt};
use crate::table::CsvLocale;

fn code(text: &str) -> Code {
    Code::new(text).unwrap()
}

/// A decision with everything a decision has.
pub(in crate::ledger) fn decision() -> Entry {
    let key = LedgerKey::from_bytes([7; 32]);
    let person = context::Principal::Person { id: "clerk-17".into(), machine: Some("counter-q1".into()) };
    let digest = |of, byte| Digest { of, sha256: [byte; 32] };
    Entry {
        unit: Some(key.label("BHXH-Q1")),
        method: Some(code("/chinhchu.v1.Verification/VerifyBeneficiary")),
        transaction: Some(key.transaction("claim-2026-000017")),
        attempt: 1,
        subjects: vec![key.subject("record-1")],
        digests: vec![digest(DigestOf::Policy, 1), digest(DigestOf::Recipe, 2), digest(DigestOf::Calibration, 3)],
        evidence: ["chip", "chip_face", "duplicates"].map(code).to_vec(),
        scores: vec![
            Score { what: code("chip_face"), value: 0.625, threshold: Some(0.41) },
            Score { what: code("liveness"), value: -0.0, threshold: None },
        ],
        chip_verdict: Some(code("UNANCHORED")),
        outcome: Some(code("REFER")),
        reasons: ["UNANCHORED", "CHIP_NOT_PROVEN"].map(code).to_vec(),
        ..Entry::new(Kind::Decision, 1_790_000_000_123, Principal::of(&person, &key))
    }
}

fn counts() -> Entry {
    let key = LedgerKey::from_bytes([7; 32]);
    let machine = Principal::of(&context::Principal::Machine { name: "payments".into() }, &key);
    Entry {
        since_ms: 1_790_000_000_000,
        calls: vec![Calls { method: code("/chinhchu.v1.Verification/Verify"), outcome: code("OK"), count: 41 }],
        ..Entry::new(Kind::Calls, 1_790_000_060_000, machine)
    }
}

#[test]
fn an_entry_comes_back_from_its_bytes() {
    for entry in [decision(), counts()] {
        let bytes = entry.encode().unwrap();
        assert!(Entry::decode(&bytes).unwrap() == entry);
    }
    let length = decision().encode().unwrap().len();
    assert!((200..500).contains(&length), "a decision has {length} bytes");
}

/// These bytes lie in logs for years: another encoding would be another entry. They were put together by
/// hand from the rules of protobuf, and hashed by another program.
#[test]
fn the_encoding_is_the_same_for_ever() {
    let bytes = counts().encode().unwrap();
    assert_eq!(
        crate::hex::encode(&bytes),
        concat!(
            "080110e0acc5a28c341816220c080312087061796d656e7473980180d8c1a28c34a201280a202f6368696e686368752e",
            "76312e566572696669636174696f6e2f56657269667912024f4b1829"
        )
    );
    assert_eq!(
        Commitment::to(&bytes, &Salt::from_bytes([7; 32])).to_string(),
        "888d6c908ed6ddbff4745c8de3807c6dc7ec39e91cf04632b9a838b7b32a0a70"
    );
}

/// The bytes read by somebody who has the message's description and none of our code.
#[test]
fn others_read_an_entry_by_its_description() {
    let set = protox_descriptors();
    let description = set.get_message_by_name("chinhchu.ledger.v1.Entry").unwrap();
    let bytes = decision().encode().unwrap();
    let read = prost_reflect::DynamicMessage::decode(description, &*bytes).unwrap();
    let field = |name: &str| read.get_field_by_name(name).unwrap().into_owned();
    assert_eq!(field("outcome").as_str(), Some("REFER"));
    assert_eq!(field("kind").as_enum_number(), Some(1));
    assert_eq!(read.unknown_fields().count(), 0);
    assert_eq!(read.encode_to_vec(), bytes);
}

/// Names and numbers of the two lists of kinds are those of the description.
#[test]
fn kinds_have_the_numbers_of_the_description() {
    let set = protox_descriptors();
    let values = |name: &str| {
        let list = set.get_enum_by_name(name).unwrap();
        let values: Vec<(i32, String)> =
            list.values().map(|value| (value.number(), value.name().to_lowercase())).collect();
        values[1..].to_vec()
    };
    let kinds: Vec<_> = Kind::ALL.iter().map(|kind| (kind.number(), kind.name().to_owned())).collect();
    assert_eq!(values("chinhchu.ledger.v1.Kind"), kinds);
    let kinds: Vec<_> = PrincipalKind::ALL.iter().map(|kind| (kind.number(), kind.name().to_owned())).collect();
    assert_eq!(values("chinhchu.ledger.v1.PrincipalKind"), kinds);
    let digests: Vec<_> = DigestOf::ALL.iter().map(|of| (of.number(), of.name().to_owned())).collect();
    let described = values("chinhchu.ledger.v1.DigestOf");
    let described: Vec<_> = described.into_iter().map(|(number, name)| (number, name.replace("_file", ""))).collect();
    assert_eq!(described, digests);
}

fn protox_descriptors() -> prost_reflect::DescriptorPool {
    prost_reflect::DescriptorPool::decode(DESCRIPTORS).unwrap()
}

const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/chinhchu_ledger_v1.bin"));

#[test]
fn the_same_said_in_other_bytes_is_refused() {
    let good = decision().encode().unwrap();
    // A field twice, an unknown field, fields in another order, a varint longer than it must be, an
    // empty field that is written out.
    let twice = [&good[..], &[0x08, 1]].concat();
    let unknown = [&good[..], &[0xf8, 0x07, 1]].concat();
    let (version, rest) = good.split_at(2);
    let reordered = [rest, version].concat();
    let longer = [&[0x08, 0x81, 0x00], rest].concat();
    let written_out = [&good[..], &[0x98, 0x01, 0]].concat();
    for (name, bytes) in
        [("twice", twice), ("unknown", unknown), ("reordered", reordered), ("longer", longer), ("empty", written_out)]
    {
        assert!(Entry::decode(&bytes).is_err_and(|error| error == NotAnEntry::Form), "{name}");
    }
    assert!(Entry::decode(&good[..good.len() - 1]).is_err_and(|error| error == NotAnEntry::Message));
    assert!(Entry::decode(&[]).is_err_and(|error| error == NotAnEntry::Version(0)));
    let mut later = good.clone();
    later[1] = 2;
    assert!(Entry::decode(&later).is_err_and(|error| error == NotAnEntry::Version(2)));
    assert!(Entry::decode(&vec![0; CONTENTS_BYTES_MAX + 1]).is_err());
}

#[test]
fn each_kind_has_what_it_must_have() {
    let bare = |kind| Entry::new(kind, 1, decision().principal);
    for kind in Kind::ALL {
        let is_enough = bare(*kind).encode().is_ok();
        assert_eq!(is_enough, *kind == Kind::Start, "{kind}");
    }
    let change: [fn(&mut Entry); 6] = [
        |entry| entry.subjects.clear(),
        |entry| entry.subjects.push(KeyedDigest::from_bytes([0; 16])),
        |entry| entry.outcome = None,
        |entry| entry.transaction = None,
        |entry| entry.digests.retain(|digest| digest.of != DigestOf::Policy),
        |entry| entry.calls = counts().calls,
    ];
    for (number, change) in change.into_iter().enumerate() {
        let mut entry = decision();
        change(&mut entry);
        assert!(matches!(entry.encode(), Err(NotAnEntry::Field { kind: Kind::Decision, .. })), "{number}");
    }
    for kind in Kind::ALL {
        assert_eq!(Kind::from_name(kind.name()), Some(*kind));
    }
}

#[test]
fn what_is_out_of_range_is_not_entered() {
    let change: [fn(&mut Entry); 9] = [
        |entry| entry.at_ms = 0,
        |entry| entry.at_ms = u64::MAX,
        |entry| entry.scores[0].value = f32::NAN,
        |entry| entry.scores[0].threshold = Some(f32::INFINITY),
        |entry| entry.reasons = vec![code("A"); REASONS_MAX + 1],
        |entry| entry.evidence = vec![code("a"); EVIDENCE_MAX + 1],
        |entry| entry.digests = vec![entry.digests[0]; DIGESTS_MAX + 1],
        |entry| entry.subjects = vec![entry.subjects[0]; SUBJECTS_MAX + 1],
        |entry| entry.records = Some(u64::MAX),
    ];
    for (number, change) in change.into_iter().enumerate() {
        let mut entry = decision();
        change(&mut entry);
        assert!(matches!(entry.encode(), Err(NotAnEntry::Range(_))), "{number}");
    }
    let mut entry = counts();
    entry.calls[0].count = 0;
    assert_eq!(entry.encode(), Err(NotAnEntry::Range("a count")));
}

/// As full as an entry can be, and it is short enough to be committed to.
#[test]
fn the_fullest_entry_fits() {
    let wide = || code(&"W".repeat(64));
    let label = || Some(Label::new("N".repeat(128)).unwrap());
    let entry = Entry {
        subjects: vec![KeyedDigest::from_bytes([1; 16]); SUBJECTS_MAX],
        reasons: vec![wide(); REASONS_MAX],
        method: Some(wide()),
        unit: label(),
        named: label(),
        digests: vec![Digest { of: DigestOf::Recipe, sha256: [1; 32] }; DIGESTS_MAX],
        replaced: vec![Digest { of: DigestOf::Recipe, sha256: [1; 32] }; DIGESTS_MAX],
        records: Some(NUMBER_MAX),
        ..Entry::new(Kind::LookUp, NUMBER_MAX, decision().principal)
    };
    let bytes = entry.encode().unwrap();
    assert!(bytes.len() <= CONTENTS_BYTES_MAX && Entry::decode(&bytes).unwrap() == entry);
}

#[test]
fn every_kind_of_principal_is_entered_by_its_name() {
    let key = LedgerKey::from_bytes([7; 32]);
    let of = |principal: context::Principal| {
        let kind = principal.kind();
        let entered = Principal::of(&principal, &key);
        assert_eq!(entered.kind.name(), kind);
        entered.name.map(|name| name.as_str().to_owned())
    };
    assert_eq!(of(context::Principal::Anonymous), None);
    assert_eq!(of(context::Principal::OperatingSystemUser { uid: 7, name: None }).unwrap(), "uid-7");
    assert_eq!(of(context::Principal::OperatingSystemUser { uid: 7, name: Some("ops".into()) }).unwrap(), "ops");
    assert_eq!(of(context::Principal::Machine { name: "counter".into() }).unwrap(), "counter");
    assert_eq!(of(context::Principal::Internal { task: "retention" }).unwrap(), "retention");
    let number = context::Principal::Person { id: "079088000017".into(), machine: None };
    assert!(of(number).unwrap().starts_with("hmac:"));
}

#[test]
fn debug_says_the_kind_alone() {
    let written = format!("{:?} {:?} {:?}", decision(), decision().principal, decision().unit);
    assert_eq!(written, "Entry(decision) Principal(person) Some(Label(..))");
}

#[test]
fn a_line_of_json_has_what_the_entry_has() {
    let entry = decision();
    let commitment = Commitment::from_bytes([9; 32]);
    let line = Listed { index: 4, commitment, entry: Some(&entry) }.to_json();
    let read: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(read["index"], 4);
    assert_eq!(read["commitment"], "09".repeat(32));
    let entry = &read["entry"];
    assert_eq!(entry["time"], "2026-09-21T14:13:20.123Z");
    assert_eq!(entry["kind"], "decision");
    assert_eq!(
        (&entry["principal_kind"], &entry["principal"], &entry["machine"]),
        (&"person".into(), &"clerk-17".into(), &"counter-q1".into())
    );
    assert_eq!(entry["reasons"], serde_json::json!(["UNANCHORED", "CHIP_NOT_PROVEN"]));
    assert_eq!(entry["digests"][0], serde_json::json!({ "of": "policy", "sha256": "01".repeat(32) }));
    assert_eq!(entry["scores"][0]["what"], "chip_face");
    assert!(entry.get("calls").is_none() && entry.get("records").is_none());
    let pruned = Listed { index: 5, commitment, entry: None }.to_json();
    assert!(pruned.ends_with("\"entry\":null}"), "{pruned}");
}

#[test]
fn a_row_of_a_table_is_inert_and_says_what_was_pruned() {
    let mut entry = decision();
    entry.unit = Some(Label::new("=cmd|calc").unwrap());
    let commitment = Commitment::from_bytes([9; 32]);
    let mut out = Vec::new();
    let mut table = EntryTable::begin(&mut out, CsvLocale::Plain).unwrap();
    table.row(&Listed { index: 4, commitment, entry: Some(&entry) }).unwrap();
    table.row(&Listed { index: 5, commitment, entry: None }).unwrap();
    table.end().unwrap();
    let text = String::from_utf8(out).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], EntryTable::<Vec<u8>>::COLUMNS.join(","));
    let cells: Vec<&str> = lines[1].split(',').collect();
    assert_eq!(cells.len(), 24);
    assert_eq!(cells[..4], ["4", "2026-09-21T14:13:20.123Z", "decision", "person"]);
    assert_eq!(cells[6], "'=cmd|calc");
    assert_eq!(
        (cells[15], cells[18], cells[23]),
        ("chip_face=0.625/0.41 liveness=-0", "UNANCHORED CHIP_NOT_PROVEN", "present")
    );
    assert!(lines[2].starts_with("5,,") && lines[2].ends_with(",pruned"));
    let mut out = Vec::new();
    let mut table = EntryTable::begin(&mut out, CsvLocale::Plain).unwrap();
    table.row(&Listed { index: 0, commitment, entry: Some(&counts()) }).unwrap();
    table.end().unwrap();
    assert!(String::from_utf8(out).unwrap().contains(",/chinhchu.v1.Verification/Verify=OK*41,"));
}

proptest! {
    /// Whatever bytes come: refused, or an entry whose only bytes these are.
    #[test]
    fn bytes_that_are_read_are_the_entrys_own(mut bytes in prop::collection::vec(any::<u8>(), 0..200), at in any::<prop::sample::Index>(), is_changed: bool) {
        if is_changed {
            let good = decision().encode().unwrap();
            let place = at.index(good.len());
            let byte = bytes.first().copied().unwrap_or(1);
            bytes = good;
            bytes[place] ^= byte;
        }
        if let Ok(entry) = Entry::decode(&bytes) {
            prop_assert_eq!(entry.encode().unwrap(), bytes);
        }
    }
}

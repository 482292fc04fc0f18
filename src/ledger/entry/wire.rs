//! Entries as protobuf messages.

use std::fmt;

use prost::Message;

use super::{
    Calls, Code, Digest, DigestOf, Entry, KeyedDigest, Kind, Label, NotAnEntry, Principal, PrincipalKind, Score,
    VERSION,
};

/// The messages, as generated from `proto/chinhchu/ledger/v1/`.
#[allow(missing_docs, reason = "the contract has the comments")]
#[allow(clippy::all, reason = "generated")]
mod pb {
    include!(concat!(env!("OUT_DIR"), "/chinhchu.ledger.v1.rs"));
}

/// Says nothing: it has names of people.
impl fmt::Debug for pb::Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Entry(..)")
    }
}

/// Says nothing.
impl fmt::Debug for pb::Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Principal(..)")
    }
}

pub(super) fn encode(entry: &Entry) -> Vec<u8> {
    let label = |label: &Option<Label>| label.as_ref().map(|label| label.as_str().to_owned()).unwrap_or_default();
    let code = |code: &Option<Code>| code.as_ref().map(text).unwrap_or_default();
    let principal = pb::Principal {
        kind: entry.principal.kind.number(),
        name: label(&entry.principal.name),
        machine: label(&entry.principal.machine),
    };
    let message = pb::Entry {
        version: VERSION,
        at_ms: entry.at_ms,
        kind: entry.kind.number(),
        principal: Some(principal),
        unit: label(&entry.unit),
        named: label(&entry.named),
        method: code(&entry.method),
        transaction: entry.transaction.map(|digest| digest.as_bytes().to_vec()).unwrap_or_default(),
        attempt: entry.attempt,
        subjects: entry.subjects.iter().map(|digest| digest.as_bytes().to_vec()).collect(),
        digests: entry.digests.iter().map(digest).collect(),
        replaced: entry.replaced.iter().map(digest).collect(),
        evidence: entry.evidence.iter().map(text).collect(),
        scores: entry.scores.iter().map(score).collect(),
        chip_verdict: code(&entry.chip_verdict),
        outcome: code(&entry.outcome),
        reasons: entry.reasons.iter().map(text).collect(),
        records: entry.records,
        since_ms: entry.since_ms,
        calls: entry.calls.iter().map(calls).collect(),
    };
    message.encode_to_vec()
}

fn text(code: &Code) -> String {
    code.as_str().to_owned()
}

fn digest(digest: &Digest) -> pb::Digest {
    pb::Digest { of: digest.of.number(), sha256: digest.sha256.to_vec() }
}

fn score(score: &Score) -> pb::Score {
    pb::Score { what: text(&score.what), value: Some(score.value), threshold: score.threshold }
}

fn calls(calls: &Calls) -> pb::Calls {
    pb::Calls { method: text(&calls.method), outcome: text(&calls.outcome), count: calls.count }
}

/// Reads a message into an entry whose texts, digests and numbers are of their kinds. Whether the
/// bytes are the only ones for it is for the caller to see.
pub(super) fn decode(bytes: &[u8]) -> Result<Entry, NotAnEntry> {
    let message = pb::Entry::decode(bytes).map_err(|_| NotAnEntry::Message)?;
    if message.version != VERSION {
        return Err(NotAnEntry::Version(message.version));
    }
    let principal = message.principal.ok_or(NotAnEntry::Range("the principal"))?;
    let transaction = (!message.transaction.is_empty()).then(|| keyed(&message.transaction)).transpose()?;
    Ok(Entry {
        at_ms: message.at_ms,
        kind: Kind::from_number(message.kind).ok_or(NotAnEntry::Range("the kind"))?,
        principal: Principal {
            kind: PrincipalKind::from_number(principal.kind).ok_or(NotAnEntry::Range("the kind of principal"))?,
            name: label("the principal's name", principal.name)?,
            machine: label("the principal's machine", principal.machine)?,
        },
        unit: label("the unit", message.unit)?,
        named: label("who is named", message.named)?,
        method: code("the method", message.method)?,
        transaction,
        attempt: message.attempt,
        subjects: message.subjects.iter().map(|bytes| keyed(bytes)).collect::<Result<_, _>>()?,
        digests: digests(message.digests)?,
        replaced: digests(message.replaced)?,
        evidence: codes("a kind of evidence", message.evidence)?,
        scores: message.scores.into_iter().map(read_score).collect::<Result<_, _>>()?,
        chip_verdict: code("the chip's verdict", message.chip_verdict)?,
        outcome: code("the outcome", message.outcome)?,
        reasons: codes("a reason", message.reasons)?,
        records: message.records,
        since_ms: message.since_ms,
        calls: message.calls.into_iter().map(read_calls).collect::<Result<_, _>>()?,
    })
}

fn label(what: &'static str, text: String) -> Result<Option<Label>, NotAnEntry> {
    let read = (!text.is_empty()).then(|| Label::read(text)).transpose();
    read.map_err(|error| NotAnEntry::Word(what, error))
}

fn code(what: &'static str, text: String) -> Result<Option<Code>, NotAnEntry> {
    let read = (!text.is_empty()).then(|| Code::new(text)).transpose();
    read.map_err(|error| NotAnEntry::Word(what, error))
}

fn codes(what: &'static str, texts: Vec<String>) -> Result<Vec<Code>, NotAnEntry> {
    let read = texts.into_iter().map(Code::new).collect::<Result<_, _>>();
    read.map_err(|error| NotAnEntry::Word(what, error))
}

fn keyed(bytes: &[u8]) -> Result<KeyedDigest, NotAnEntry> {
    bytes.try_into().map(KeyedDigest::from_bytes).map_err(|_| NotAnEntry::Range("a keyed digest's length"))
}

fn digests(messages: Vec<pb::Digest>) -> Result<Vec<Digest>, NotAnEntry> {
    let read = |message: pb::Digest| {
        let of = DigestOf::from_number(message.of).ok_or(NotAnEntry::Range("what a digest is of"))?;
        let sha256 = message.sha256.try_into().map_err(|_| NotAnEntry::Range("a digest's length"))?;
        Ok(Digest { of, sha256 })
    };
    messages.into_iter().map(read).collect()
}

fn read_score(message: pb::Score) -> Result<Score, NotAnEntry> {
    let what = Code::new(message.what).map_err(|error| NotAnEntry::Word("what was scored", error))?;
    let value = message.value.ok_or(NotAnEntry::Range("a score"))?;
    Ok(Score { what, value, threshold: message.threshold })
}

fn read_calls(message: pb::Calls) -> Result<Calls, NotAnEntry> {
    let code = |what, text| Code::new(text).map_err(|error| NotAnEntry::Word(what, error));
    let (method, outcome) = (code("a counted method", message.method)?, code("a counted outcome", message.outcome)?);
    Ok(Calls { method, outcome, count: message.count })
}

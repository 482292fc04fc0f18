//! Entries for people and programs: lines of JSON, and a table by the rules of `docs/tables.md`.

use std::io::{self, Write};

use serde::ser::{SerializeStruct, Serializer};

use super::{Calls, Digest, Entry, Score};
use crate::dates::Moment;
use crate::hex;
use crate::ledger::commitment::Commitment;
use crate::table::{CsvLocale, Writer};

/// An entry with its place in the log: one line of a list.
#[derive(Debug, Clone)]
pub struct Listed<'a> {
    /// Its place, from 0.
    pub index: u64,
    /// Its commitment.
    pub commitment: Commitment,
    /// What was entered; `None` where it was pruned.
    pub entry: Option<&'a Entry>,
}

impl Listed<'_> {
    /// The line of JSON, without its break. Fields that are empty are left out; `entry` is null where
    /// the contents were pruned.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("numbers that are finite and keys that are texts")
    }
}

impl serde::Serialize for Listed<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut line = serializer.serialize_struct("Listed", 3)?;
        line.serialize_field("index", &self.index)?;
        line.serialize_field("commitment", &self.commitment.to_string())?;
        line.serialize_field("entry", &self.entry)?;
        line.end()
    }
}

impl serde::Serialize for Entry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("time", &time(self.at_ms))?;
        map.serialize_entry("kind", &self.kind)?;
        map.serialize_entry("principal_kind", &self.principal.kind)?;
        let mut labels = [
            ("principal", &self.principal.name),
            ("machine", &self.principal.machine),
            ("unit", &self.unit),
            ("named", &self.named),
        ]
        .into_iter();
        labels.try_for_each(|(name, label)| label.iter().try_for_each(|label| map.serialize_entry(name, label)))?;
        self.method.iter().try_for_each(|method| map.serialize_entry("method", method))?;
        self.transaction.iter().try_for_each(|digest| map.serialize_entry("transaction", digest))?;
        if self.attempt > 0 {
            map.serialize_entry("attempt", &self.attempt)?;
        }
        if !self.subjects.is_empty() {
            map.serialize_entry("subjects", &self.subjects)?;
        }
        for (name, digests) in [("digests", &self.digests), ("replaced", &self.replaced)] {
            if !digests.is_empty() {
                map.serialize_entry(name, digests)?;
            }
        }
        if !self.evidence.is_empty() {
            map.serialize_entry("evidence", &self.evidence)?;
        }
        if !self.scores.is_empty() {
            map.serialize_entry("scores", &self.scores)?;
        }
        self.chip_verdict.iter().try_for_each(|verdict| map.serialize_entry("chip_verdict", verdict))?;
        self.outcome.iter().try_for_each(|outcome| map.serialize_entry("outcome", outcome))?;
        if !self.reasons.is_empty() {
            map.serialize_entry("reasons", &self.reasons)?;
        }
        self.records.iter().try_for_each(|records| map.serialize_entry("records", records))?;
        if self.since_ms > 0 {
            map.serialize_entry("since", &time(self.since_ms))?;
        }
        if !self.calls.is_empty() {
            map.serialize_entry("calls", &self.calls)?;
        }
        map.end()
    }
}

impl serde::Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut digest = serializer.serialize_struct("Digest", 2)?;
        digest.serialize_field("of", &self.of)?;
        digest.serialize_field("sha256", &hex::encode(&self.sha256))?;
        digest.end()
    }
}

impl serde::Serialize for Score {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut score = serializer.serialize_struct("Score", 3)?;
        score.serialize_field("what", &self.what)?;
        score.serialize_field("value", &self.value)?;
        match self.threshold {
            None => score.skip_field("threshold")?,
            Some(threshold) => score.serialize_field("threshold", &threshold)?,
        }
        score.end()
    }
}

impl serde::Serialize for Calls {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut calls = serializer.serialize_struct("Calls", 3)?;
        calls.serialize_field("method", &self.method)?;
        calls.serialize_field("outcome", &self.outcome)?;
        calls.serialize_field("count", &self.count)?;
        calls.end()
    }
}

/// Milliseconds since 1970 as RFC 3339 writes them, in UTC.
fn time(at_ms: u64) -> String {
    let seconds = i64::try_from(at_ms / 1000).unwrap_or(i64::MAX);
    let second = Moment(seconds).to_string();
    format!("{}.{:03}Z", second.trim_end_matches('Z'), at_ms % 1000)
}

/// A table of entries, a row each. Several values of a cell have spaces between them; a score is
/// `what=value/threshold`, a digest `of:sha256`, a count `method=outcome*count`.
pub struct EntryTable<W: Write>(Writer<W>);

impl<W: Write> EntryTable<W> {
    /// The columns, in their order. New ones may come at the end.
    pub const COLUMNS: [&'static str; 24] = [
        "index",
        "time",
        "kind",
        "principal_kind",
        "principal",
        "machine",
        "unit",
        "named",
        "method",
        "transaction",
        "attempt",
        "subjects",
        "digests",
        "replaced",
        "evidence",
        "scores",
        "chip_verdict",
        "outcome",
        "reasons",
        "records",
        "since",
        "calls",
        "commitment",
        "contents",
    ];

    /// Begins a table.
    ///
    /// # Errors
    /// Those of writing.
    pub fn begin(out: W, locale: CsvLocale) -> io::Result<Self> {
        Writer::begin(out, locale, &Self::COLUMNS, &["index", "attempt", "records"]).map(Self)
    }

    /// Writes a row.
    ///
    /// # Errors
    /// Those of writing.
    pub fn row(&mut self, listed: &Listed<'_>) -> io::Result<()> {
        let cells = cells(listed);
        self.0.cells(cells.iter().map(String::as_str))
    }

    /// Writes what is held back.
    ///
    /// # Errors
    /// Those of writing.
    pub fn end(self) -> io::Result<()> {
        self.0.end()
    }
}

fn cells(listed: &Listed<'_>) -> [String; 24] {
    let (index, commitment) = (listed.index.to_string(), listed.commitment.to_string());
    let Some(entry) = listed.entry else {
        let mut cells = [const { String::new() }; 24];
        (cells[0], cells[22], cells[23]) = (index, commitment, "pruned".to_owned());
        return cells;
    };
    let some = |text: Option<String>| text.unwrap_or_default();
    let digests = |digests: &[Digest]| joined(digests, |one| format!("{}:{}", one.of, hex::encode(&one.sha256)));
    let threshold = |score: &Score| some(score.threshold.map(|threshold| format!("/{threshold}")));
    [
        index,
        time(entry.at_ms),
        entry.kind.to_string(),
        entry.principal.kind.to_string(),
        some(entry.principal.name.as_ref().map(ToString::to_string)),
        some(entry.principal.machine.as_ref().map(ToString::to_string)),
        some(entry.unit.as_ref().map(ToString::to_string)),
        some(entry.named.as_ref().map(ToString::to_string)),
        some(entry.method.as_ref().map(ToString::to_string)),
        some(entry.transaction.map(|digest| digest.to_string())),
        some((entry.attempt > 0).then(|| entry.attempt.to_string())),
        joined(&entry.subjects, ToString::to_string),
        digests(&entry.digests),
        digests(&entry.replaced),
        joined(&entry.evidence, ToString::to_string),
        joined(&entry.scores, |score| format!("{}={}{}", score.what, score.value, threshold(score))),
        some(entry.chip_verdict.as_ref().map(ToString::to_string)),
        some(entry.outcome.as_ref().map(ToString::to_string)),
        joined(&entry.reasons, ToString::to_string),
        some(entry.records.map(|records| records.to_string())),
        some((entry.since_ms > 0).then(|| time(entry.since_ms))),
        joined(&entry.calls, |calls| format!("{}={}*{}", calls.method, calls.outcome, calls.count)),
        commitment,
        "present".to_owned(),
    ]
}

fn joined<T>(items: &[T], text: impl Fn(&T) -> String) -> String {
    items.iter().map(text).collect::<Vec<_>>().join(" ")
}

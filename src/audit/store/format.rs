//! The file that keeps an audit's results for programs, `audit.results`.
//!
//! # The file
//! Lines of JSON with a checksum each (`lines`). The first has the version; then come parts of
//! the results, up to 512 items a line; the last has the summary and how many items of
//! each kind there are. So a line that was altered, taken out or cut short is noticed. Numbers
//! come back bit for bit. A newer program may write further parts only with a new version.
//!
//! Version 2 has stable ids, cleared pairs and changes beside what version 1 has, and the run in its
//! summary; files of version 1 are read as results without them.
//!
//! The file is read whole, also to show one ring of it: only the checksums of all lines and the
//! counts in the last say that nothing is missing, and a ring must not be shown short of a pair.

use std::borrow::Cow;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::AuditStoreError;
use crate::audit::chance::Band;
use crate::audit::left_out::LeftOutRow;
use crate::audit::lines;
use crate::audit::results::{
    Capture, ChangedPair, ChangedRing, ClearedFound, LinkFound, PairFound, RecordFound, Results, RingFound, Summary,
};
use crate::regular;

/// Version of the file.
pub(super) const VERSION: u32 = 2;
/// What kind of file it is, in its first line.
const FORMAT: &str = "chinhchu audit results";
/// Items in a line.
const ITEMS: usize = 512;
/// Longest line read: a ring of millions fits.
const LINE_BYTES_MAX: u64 = 1 << 30;

/// The first line.
#[derive(Serialize, Deserialize)]
struct ResultsHead {
    format: String,
    version: u32,
}

/// A later line.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ResultsPart<'a> {
    Bands(Cow<'a, [Band]>),
    Records(Cow<'a, [RecordFound]>),
    Captures(Cow<'a, [Capture]>),
    Links(Cow<'a, [LinkFound]>),
    Pairs(Cow<'a, [PairFound]>),
    Rings(Cow<'a, [RingFound]>),
    Bridges(Cow<'a, [u32]>),
    LeftOut(Cow<'a, [LeftOutRow]>),
    Cleared(Cow<'a, [ClearedFound]>),
    ChangedPairs(Cow<'a, [ChangedPair]>),
    ChangedRings(Cow<'a, [ChangedRing]>),
    End(Box<ResultsEnd>),
}

/// The last line.
#[derive(Serialize, Deserialize)]
struct ResultsEnd {
    summary: Summary,
    /// Of version 1, the first eight.
    counts: Vec<u64>,
}

/// How many items of each kind there are.
fn counts(of: &Results) -> Vec<u64> {
    let Results { bands, records, captures, links, pairs, rings, bridges, left_out, .. } = of;
    let Results { cleared, changed_pairs, changed_rings, .. } = of;
    let first = [
        bands.len(),
        records.len(),
        captures.len(),
        links.len(),
        pairs.len(),
        rings.len(),
        bridges.len(),
        left_out.len(),
    ];
    let second = [cleared.len(), changed_pairs.len(), changed_rings.len()];
    first.into_iter().chain(second).map(|count| count as u64).collect()
}

/// Whether there is as much as the last line says; what it does not count is not there.
fn is_complete(of: &Results, expected: &[u64], version: u32) -> bool {
    let found = counts(of);
    let counted = if version < 2 { 8 } else { found.len() };
    found[..counted] == *expected && found[counted..].iter().all(|&count| count == 0)
}

/// Writes everything but the last line.
pub(super) fn write_body(of: &Results, out: &mut dyn Write) -> io::Result<()> {
    out.write_all(&lines::encode(&ResultsHead { format: FORMAT.to_owned(), version: VERSION })?)?;
    write_parts(out, &of.bands, ResultsPart::Bands)?;
    write_parts(out, &of.records, ResultsPart::Records)?;
    write_parts(out, &of.captures, ResultsPart::Captures)?;
    write_parts(out, &of.links, ResultsPart::Links)?;
    write_parts(out, &of.pairs, ResultsPart::Pairs)?;
    write_parts(out, &of.rings, ResultsPart::Rings)?;
    write_parts(out, &of.bridges, ResultsPart::Bridges)?;
    write_parts(out, &of.left_out, ResultsPart::LeftOut)?;
    write_parts(out, &of.cleared, ResultsPart::Cleared)?;
    write_parts(out, &of.changed_pairs, ResultsPart::ChangedPairs)?;
    write_parts(out, &of.changed_rings, ResultsPart::ChangedRings)
}

fn write_parts<'a, T: Clone>(
    out: &mut dyn Write,
    items: &'a [T],
    part: impl Fn(Cow<'a, [T]>) -> ResultsPart<'a>,
) -> io::Result<()> {
    items.chunks(ITEMS).try_for_each(|items| out.write_all(&lines::encode(&part(Cow::Borrowed(items)))?))
}

/// Writes the last line.
pub(super) fn write_end(of: &Results, out: &mut dyn Write) -> io::Result<()> {
    let end = ResultsEnd { summary: of.summary.clone(), counts: counts(of) };
    out.write_all(&lines::encode(&ResultsPart::End(Box::new(end)))?)
}

/// Reads the file; `None` where there is none.
pub(super) fn read(path: &Path) -> Result<Option<Results>, AuditStoreError> {
    let failed = |source| AuditStoreError::Io { path: path.to_owned(), source };
    let file = match regular::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(failed(e)),
    };
    let mut reader = BufReader::with_capacity(1 << 20, file);
    let mut line = Vec::new();
    let mut number = 0;
    let damaged = |line: usize| AuditStoreError::Damaged { path: path.to_owned(), line };
    let mut next = |number: &mut usize| {
        line.clear();
        *number += 1;
        (&mut reader).take(LINE_BYTES_MAX).read_until(b'\n', &mut line).map_err(failed)?;
        Ok::<_, AuditStoreError>(std::mem::take(&mut line))
    };
    let head = lines::decode::<ResultsHead>(&next(&mut number)?).filter(|head| head.format == FORMAT);
    let version = head.ok_or_else(|| damaged(number))?.version;
    if version > VERSION {
        return Err(AuditStoreError::Newer { path: path.to_owned(), found: version });
    }
    let mut parts = ResultsParts::default();
    let (summary, expected) = loop {
        match lines::decode::<ResultsPart<'_>>(&next(&mut number)?).ok_or_else(|| damaged(number))? {
            ResultsPart::End(end) => break (end.summary, end.counts),
            part => parts.take(part),
        }
    };
    let results = parts.with(summary);
    match is_complete(&results, &expected, version) && results.is_whole() {
        true => Ok(Some(results)),
        false => Err(damaged(number)),
    }
}

/// Parts read so far.
#[derive(Default)]
struct ResultsParts {
    bands: Vec<Band>,
    records: Vec<RecordFound>,
    captures: Vec<Capture>,
    links: Vec<LinkFound>,
    pairs: Vec<PairFound>,
    rings: Vec<RingFound>,
    bridges: Vec<u32>,
    left_out: Vec<LeftOutRow>,
    cleared: Vec<ClearedFound>,
    changed_pairs: Vec<ChangedPair>,
    changed_rings: Vec<ChangedRing>,
}

impl ResultsParts {
    fn take(&mut self, part: ResultsPart<'_>) {
        match part {
            ResultsPart::Bands(items) => self.bands.extend(items.into_owned()),
            ResultsPart::Records(items) => self.records.extend(items.into_owned()),
            ResultsPart::Captures(items) => self.captures.extend(items.into_owned()),
            ResultsPart::Links(items) => self.links.extend(items.into_owned()),
            ResultsPart::Pairs(items) => self.pairs.extend(items.into_owned()),
            ResultsPart::Rings(items) => self.rings.extend(items.into_owned()),
            ResultsPart::Bridges(items) => self.bridges.extend(items.into_owned()),
            ResultsPart::LeftOut(items) => self.left_out.extend(items.into_owned()),
            ResultsPart::Cleared(items) => self.cleared.extend(items.into_owned()),
            ResultsPart::ChangedPairs(items) => self.changed_pairs.extend(items.into_owned()),
            ResultsPart::ChangedRings(items) => self.changed_rings.extend(items.into_owned()),
            ResultsPart::End(_) => {}
        }
    }

    fn with(self, summary: Summary) -> Results {
        let Self { bands, records, captures, links, pairs, rings, bridges, left_out, .. } = self;
        let Self { cleared, changed_pairs, changed_rings, .. } = self;
        Results {
            summary,
            bands,
            records,
            captures,
            links,
            pairs,
            rings,
            bridges,
            left_out,
            cleared,
            changed_pairs,
            changed_rings,
        }
    }
}

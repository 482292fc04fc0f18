//! Folders of programs that kept their results in tables alone: `pairs.csv`, `rings.csv` and
//! `summary.json`. The one place that reads such tables, and for such folders only.
//!
//! Figures are as many digits long as the tables have them. What the first programs did not
//! write is absent.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{AuditStoreError, PAIRS, RINGS};
use crate::audit::measure::PairOutcome;
use crate::audit::results::{
    Capture, LinkFound, LinkKind, PairFound, RecordFound, Results, RingFound, Summary, is_number,
};
use crate::table;

/// A row of `pairs.csv`.
#[derive(Deserialize)]
struct EarlierPairRow {
    subject_a: String,
    subject_b: String,
    template_a: String,
    template_b: String,
    score: f32,
    fmr: Option<f64>,
    ring_id: Option<u64>,
    link: String,
    quality_a: Option<f32>,
    quality_b: Option<f32>,
    captured_a: String,
    captured_b: String,
    /// This and the others that may be missing came later than the first folders.
    #[serde(default)]
    chance_pairs: Option<f64>,
    #[serde(default)]
    chance_share: Option<f64>,
    #[serde(default)]
    chance_share_high: Option<f64>,
    #[serde(default)]
    link_compared: Option<u64>,
    #[serde(default)]
    link_chance: Option<f64>,
    finding: String,
}

/// A row of `rings.csv`: a member.
#[derive(Deserialize)]
struct EarlierMemberRow {
    ring_id: u64,
    subject_id: String,
    best_score: f32,
    weakest_link: f32,
    evidence: f64,
    holds_to: f32,
    schemes: String,
    province: String,
    enrolled: String,
    #[serde(default)]
    evidence_total: Option<f64>,
    #[serde(default)]
    parts: Option<usize>,
    #[serde(default)]
    part: Option<usize>,
    #[serde(default)]
    hangs_on_a: String,
    #[serde(default)]
    hangs_on_b: String,
}

/// The results of a finished audit of an earlier program.
pub(super) fn open(folder: &Path) -> Result<Results, AuditStoreError> {
    let not_finished = || AuditStoreError::NotFinished { folder: folder.to_owned() };
    let summary = super::summary(folder)?.ok_or_else(not_finished)?;
    let mut tables = EarlierTables::default();
    let mut hanging: Vec<(usize, String, String)> = Vec::new();
    rows(folder, RINGS, |row: EarlierMemberRow| tables.member(row, &mut hanging))?;
    rows(folder, PAIRS, |row: EarlierPairRow| tables.pair(row))?;
    tables.results(summary, &hanging).ok_or_else(|| AuditStoreError::Unreadable {
        path: folder.join(RINGS),
        what: format!("it does not go with {PAIRS}"),
    })
}

/// Every row of a table, to `take`; an error where that says none.
fn rows<R: DeserializeOwned>(
    folder: &Path,
    name: &str,
    mut take: impl FnMut(R) -> Option<()>,
) -> Result<(), AuditStoreError> {
    let path = folder.join(name);
    let what = |what: String| AuditStoreError::Unreadable { path: path.clone(), what };
    let (mut reader, delimiter) = table::open(&path).map_err(|e| match e.kind() {
        io::ErrorKind::NotFound => AuditStoreError::NotFinished { folder: folder.to_owned() },
        _ => what(e.to_string()),
    })?;
    let columns = reader.headers().map_err(|_| what("its first line cannot be read".to_owned()))?.clone();
    let is_number: Vec<bool> = columns.iter().map(is_number).collect();
    for (number, row) in (1u64..).zip(reader.records()) {
        // What the library says of a bad row may quote it.
        let bad = || what(format!("row {number} cannot be read"));
        let cells = row.map_err(|_| bad())?;
        let cells = cells.iter().enumerate().map(|(place, cell)| match is_number.get(place) {
            Some(true) => table::decimal_point(cell, delimiter),
            _ => table::original(cell).into_owned(),
        });
        let row = cells.collect::<csv::StringRecord>().deserialize(Some(&columns)).map_err(|_| bad())?;
        take(row).ok_or_else(bad)?;
    }
    Ok(())
}

/// What the tables say, put together.
#[derive(Default)]
struct EarlierTables {
    records: Vec<RecordFound>,
    record_of: HashMap<String, u32>,
    captures: Vec<Capture>,
    capture_of: HashMap<(u32, String), u32>,
    pairs: Vec<PairFound>,
    /// By records, the lower number first. Pairs name the records until all links are there.
    links: BTreeMap<(u32, u32), LinkFound>,
    ends: Vec<(u32, u32)>,
    rings: Vec<RingFound>,
    parts: Vec<PartOf>,
}

/// Which part of its ring a member is of, from 0, and how many parts there are.
struct PartOf {
    ring: usize,
    parts: usize,
    part: usize,
    member: u32,
}

impl EarlierTables {
    /// The number of a record. They are numbered as they come: members of a ring in its order.
    fn record(&mut self, id: &str) -> u32 {
        if let Some(&known) = self.record_of.get(id) {
            return known;
        }
        let number = self.records.len() as u32;
        self.records.push(RecordFound { id: id.to_owned(), ..RecordFound::default() });
        self.record_of.insert(id.to_owned(), number);
        number
    }

    fn capture(&mut self, record: u32, id: String, captured: String, quality: Option<f32>) -> u32 {
        let next = self.captures.len() as u32;
        let number = *self.capture_of.entry((record, id.clone())).or_insert(next);
        if number == next {
            self.captures.push(Capture { record, id, captured, quality, second_gallery: false });
        }
        number
    }

    /// Takes a member; rings lie in order.
    fn member(&mut self, row: EarlierMemberRow, hanging: &mut Vec<(usize, String, String)>) -> Option<()> {
        let place = usize::try_from(row.ring_id.checked_sub(1)?).ok()?;
        if place == self.rings.len() {
            self.rings.push(RingFound {
                best_score: row.best_score,
                weakest_link: row.weakest_link,
                holds_to: row.holds_to,
                evidence: row.evidence,
                evidence_total: row.evidence_total,
                ..RingFound::default()
            });
            if !row.hangs_on_a.is_empty() {
                hanging.push((place, row.hangs_on_a, row.hangs_on_b));
            }
        }
        if place + 1 != self.rings.len() || self.record_of.contains_key(&row.subject_id) {
            return None;
        }
        let number = self.record(&row.subject_id);
        let record = &mut self.records[number as usize];
        (record.schemes, record.province, record.enrolled) = (row.schemes, row.province, row.enrolled);
        record.ring = Some(place as u32);
        self.rings[place].members.push(number);
        if let (Some(parts), Some(part)) = (row.parts, row.part) {
            self.parts.push(PartOf { ring: place, parts, part: part.checked_sub(1)?, member: number });
        }
        Some(())
    }

    /// Takes a pair; the best score of two records comes first.
    fn pair(&mut self, row: EarlierPairRow) -> Option<()> {
        let [a, b] = [&row.subject_a, &row.subject_b].map(|id| self.record(id));
        let finding = match row.finding.as_str() {
            "" => None,
            name => Some(PairOutcome::from_name(name)?),
        };
        let kind = LinkKind::from_name(&row.link)?;
        let ring = match row.ring_id {
            Some(id) => Some(u32::try_from(id.checked_sub(1)?).ok()?),
            None => None,
        };
        let ends = (a.min(b), a.max(b));
        let best = self.pairs.len() as u32;
        let link = self.links.entry(ends).or_insert(LinkFound {
            a: ends.0,
            b: ends.1,
            score: row.score,
            pairs: 0,
            compared: row.link_compared,
            chance: row.link_chance,
            chance_share: row.chance_share,
            chance_share_high: row.chance_share_high,
            kind,
            ring,
            best,
            finding,
            id: None,
        });
        link.pairs += 1;
        let (one, other) = (
            self.capture(a, row.template_a, row.captured_a, row.quality_a),
            self.capture(b, row.template_b, row.captured_b, row.quality_b),
        );
        let (score, fmr, chance_pairs) = (row.score, row.fmr, row.chance_pairs);
        self.pairs.push(PairFound { a: one, b: other, link: 0, score, fmr, chance_pairs });
        self.ends.push(ends);
        Some(())
    }

    /// `None` where the two tables are not of one audit.
    fn results(mut self, summary: Summary, hanging: &[(usize, String, String)]) -> Option<Results> {
        let place_of: HashMap<(u32, u32), u32> = self.links.keys().copied().zip(0u32..).collect();
        for (pair, ends) in self.pairs.iter_mut().zip(&self.ends) {
            pair.link = *place_of.get(ends)?;
        }
        let links: Vec<LinkFound> = self.links.into_values().collect();
        let mut best_first: Vec<u32> = (0..links.len() as u32).collect();
        best_first.sort_by(|&x, &y| links[y as usize].score.total_cmp(&links[x as usize].score));
        let mut bridges = Vec::new();
        for place in best_first {
            match links[place as usize].ring {
                Some(ring) => self.rings.get_mut(ring as usize)?.links.push(place),
                None => bridges.push(place),
            }
        }
        for (ring, a, b) in hanging {
            let (a, b) = (*self.record_of.get(a)?, *self.record_of.get(b)?);
            self.rings[*ring].hangs_on = Some(*place_of.get(&(a.min(b), a.max(b)))?);
        }
        for PartOf { ring, parts, part, member } in self.parts {
            let ring = &mut self.rings[ring];
            // A part has a member at least.
            if parts > ring.members.len() {
                return None;
            }
            ring.parts.resize(parts, Vec::new());
            ring.parts.get_mut(part)?.push(member);
        }
        let results = Results {
            summary,
            bands: Vec::new(),
            records: self.records,
            captures: self.captures,
            links,
            pairs: self.pairs,
            rings: self.rings,
            bridges,
            left_out: Vec::new(),
            cleared: Vec::new(),
            changed_pairs: Vec::new(),
            changed_rings: Vec::new(),
        };
        results.is_whole().then_some(results)
    }
}

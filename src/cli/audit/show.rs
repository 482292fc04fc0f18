//! `chinhchu audit show`: one ring; and reading back what an audit wrote.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::super::{Exit, Failure, Outcome, outcome, print};
use super::folder::{self, PAIRS, RINGS};
use crate::audit::{Findings, Outcome as Found, TABLE_NUMBERS};
use crate::table;

const EXAMPLES: &str = "\
Examples:
  chinhchu audit show 1 --out audit
  chinhchu audit show 3 --out audit --json

The number before each pair is the one `chinhchu audit decide` takes.

Exit code: 0 shown, 1 there is no such ring, 2 the folder holds no audit or wrong usage.";

/// What was typed.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct ShowArgs {
    /// Number of the ring
    #[arg(value_name = "RING", allow_negative_numbers = true)]
    ring: u64,
    /// Folder of the audit
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// A row of `pairs.csv`, as far as it is read back.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub(super) struct PairRow {
    /// Number of the row, from 1.
    #[serde(skip_deserializing)]
    pub pair: u64,
    pub subject_a: String,
    pub subject_b: String,
    pub template_a: String,
    pub template_b: String,
    pub score: f32,
    pub fmr: Option<f64>,
    pub ring_id: Option<u64>,
    pub link: String,
    /// What the link says; folders of earlier versions have none of it.
    #[serde(default)]
    pub chance_share: Option<f64>,
    #[serde(default)]
    pub chance_share_high: Option<f64>,
    #[serde(default)]
    pub link_compared: Option<u64>,
    #[serde(default)]
    pub link_chance: Option<f64>,
    pub quality_a: Option<f32>,
    pub quality_b: Option<f32>,
    pub captured_a: String,
    pub captured_b: String,
    pub finding: String,
}

/// A row of `rings.csv`, as far as it is read back.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub(super) struct RingRow {
    #[serde(skip_serializing)]
    ring_id: u64,
    subject_id: String,
    #[serde(skip_serializing)]
    links: u64,
    #[serde(skip_serializing)]
    best_score: f32,
    #[serde(skip_serializing)]
    weakest_link: f32,
    #[serde(skip_serializing)]
    evidence: f64,
    /// This and the others that may be missing came later than the first folders.
    #[serde(skip_serializing, default)]
    evidence_total: Option<f64>,
    #[serde(skip_serializing, default)]
    parts: Option<u64>,
    #[serde(default)]
    part: Option<u64>,
    #[serde(skip_serializing, default)]
    hangs_on_a: String,
    #[serde(skip_serializing, default)]
    hangs_on_b: String,
    member_links: u64,
    member_best_score: f32,
    schemes: String,
    province: String,
    enrolled: String,
}

/// The `audit show` answer.
#[derive(Serialize)]
struct Answer<'a> {
    ring_id: u64,
    links: u64,
    best_score: f32,
    weakest_link: f32,
    evidence: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    evidence_total: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parts: Option<u64>,
    /// The two records whose doubtful link the ring hangs on.
    #[serde(skip_serializing_if = "Option::is_none")]
    hangs_on: Option<[&'a str; 2]>,
    members: &'a [RingRow],
    pairs: &'a [PairRow],
}

/// Every row of `pairs.csv`, to `take`; until that says no.
pub(super) fn pairs_of(folder: &Path, mut take: impl FnMut(PairRow) -> bool) -> Result<(), Failure> {
    rows(&folder.join(PAIRS), |number, row: PairRow| take(PairRow { pair: number, ..row }))
}

fn rows<R: DeserializeOwned>(path: &Path, mut take: impl FnMut(u64, R) -> bool) -> Result<(), Failure> {
    let what = |e: &dyn std::fmt::Display| {
        Failure::new(format_args!("{}: {e}; name the folder of an audit that was finished with --out", path.display()))
    };
    let (mut reader, delimiter) = table::open(path).map_err(|e| what(&e))?;
    let columns = reader.headers().map_err(|_| what(&"its first line cannot be read"))?.clone();
    let is_number: Vec<bool> = columns.iter().map(|column| TABLE_NUMBERS.contains(&column)).collect();
    for (number, row) in (1u64..).zip(reader.records()) {
        // What the library says of a bad row may quote it.
        let bad = |_| what(&format_args!("row {number} cannot be read"));
        let cells = row.map_err(bad)?;
        let cells = cells.iter().enumerate().map(|(place, cell)| match is_number.get(place) {
            Some(true) => table::decimal_point(cell, delimiter),
            _ => table::original(cell).into_owned(),
        });
        let row = cells.collect::<csv::StringRecord>().deserialize(Some(&columns)).map_err(bad)?;
        if !take(number, row) {
            return Ok(());
        }
    }
    Ok(())
}

/// Runs the command.
pub(super) fn run(args: ShowArgs) -> Outcome {
    let mut members: Vec<RingRow> = Vec::new();
    rows(&args.out.join(RINGS), |_, row: RingRow| {
        // Rings lie there in order.
        let go_on = row.ring_id <= args.ring;
        if row.ring_id == args.ring {
            members.push(row);
        }
        go_on
    })?;
    let Some(first) = members.first() else {
        print::note("there is no such ring in this audit");
        return Ok(Exit::Negative);
    };
    let findings = folder::findings_of(&args.out)?;
    let mut pairs: Vec<PairRow> = Vec::new();
    pairs_of(&args.out, |row| {
        if row.ring_id == Some(args.ring) {
            pairs.push(latest(row, &findings));
        }
        true
    })?;
    let answer = Answer {
        ring_id: args.ring,
        links: first.links,
        best_score: first.best_score,
        weakest_link: first.weakest_link,
        evidence: first.evidence,
        evidence_total: first.evidence_total,
        parts: first.parts,
        hangs_on: (!first.hangs_on_a.is_empty()).then_some([&*first.hangs_on_a, &first.hangs_on_b]),
        members: &members,
        pairs: &pairs,
    };
    if args.json {
        print::json(&answer)?
    } else {
        print::answer(&text(&answer))?
    }
    Ok(Exit::Success)
}

/// With what was found after the report was written.
fn latest(row: PairRow, findings: &Findings) -> PairRow {
    match findings.get(&row.subject_a, &row.subject_b) {
        Some(finding) => PairRow { finding: finding.outcome.name().to_owned(), ..row },
        None => row,
    }
}

fn text(of: &Answer<'_>) -> String {
    let mut text = format!(
        "ring {}: {} records, {} links, scores {:.4} to {:.4}, evidence {:.1}",
        of.ring_id,
        of.members.len(),
        of.links,
        of.weakest_link,
        of.best_score,
        // No minus before a nought.
        if of.evidence.abs() < 0.05 { 0.0 } else { of.evidence }
    );
    text += " (powers of ten: how unlikely chance gives the weakest link it cannot do without)";
    if let Some([a, b]) = of.hangs_on.map(|ids| ids.map(outcome::one_line)) {
        text += &format!(
            "\nonly doubtful links make it one ring; it hangs on that of {a} and {b}, and may be {} of different people",
            of.parts.map_or_else(|| "several".to_owned(), |parts| format!("{parts} parts"))
        );
    }
    let known = |name: &str, value: &str| match value {
        "" => String::new(),
        value => format!("  {name} {}", outcome::one_line(value)),
    };
    for member in of.members {
        text += &format!(
            "\n  {}  {} links, best {:.4}{}{}{}",
            outcome::one_line(&member.subject_id),
            member.member_links,
            member.member_best_score,
            known("schemes", &member.schemes),
            known("province", &member.province),
            known("enrolled", &member.enrolled),
        );
    }
    let captures = |pair: &PairRow| {
        let side = |captured: &str, quality: Option<f32>| {
            let quality = quality.map(|quality| format!(" quality {quality:.0}")).unwrap_or_default();
            format!("{captured}{quality}").trim().to_owned()
        };
        let (a, b) = (side(&pair.captured_a, pair.quality_a), side(&pair.captured_b, pair.quality_b));
        if a.is_empty() && b.is_empty() { String::new() } else { format!("  [{a} | {b}]") }
    };
    for pair in of.pairs {
        text += &format!(
            "\n{:>6}  score {:.4}{}  {}  {} - {}{}{}",
            pair.pair,
            pair.score,
            pair.fmr.map(|fmr| format!("  fmr {}", print::rate(fmr))).unwrap_or_default(),
            pair.link,
            outcome::one_line(&pair.subject_a),
            outcome::one_line(&pair.subject_b),
            captures(pair),
            known("found:", &pair.finding),
        );
    }
    text
}

/// By pair of ids, the first in byte order first: the best score in `pairs.csv`.
pub(super) fn links_of(folder: &Path) -> Result<BTreeMap<(String, String), f32>, Failure> {
    let mut links = BTreeMap::new();
    pairs_of(folder, |row| {
        let (a, b) = (row.subject_a, row.subject_b);
        let best = links.entry(if a <= b { (a, b) } else { (b, a) }).or_insert(row.score);
        *best = best.max(row.score);
        true
    })?;
    Ok(links)
}

/// An outcome as typed.
pub(super) fn outcome_of(name: &str) -> Result<Found, String> {
    Found::from_name(name).ok_or_else(|| format!("an outcome is one of {}", Found::ALL.map(Found::name).join(", ")))
}

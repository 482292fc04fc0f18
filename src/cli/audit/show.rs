//! `chinhchu audit show`: one ring.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::super::{Exit, Outcome, outcome, print};
use crate::audit::{self, KeptAudit, Outcome as Found, PairFound, RingFound, listed};

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

/// The `audit show` answer. Figures have as many digits as in the tables.
#[derive(Serialize)]
struct Answer<'a> {
    ring_id: u64,
    links: usize,
    best_score: f32,
    weakest_link: f32,
    evidence: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    evidence_total: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parts: Option<usize>,
    /// The two records whose doubtful link the ring hangs on.
    #[serde(skip_serializing_if = "Option::is_none")]
    hangs_on: Option<[&'a str; 2]>,
    members: Vec<MemberShown<'a>>,
    pairs: Vec<PairShown<'a>>,
}

/// A member.
#[derive(Serialize)]
struct MemberShown<'a> {
    subject_id: &'a str,
    part: Option<u64>,
    member_links: u64,
    member_best_score: f32,
    schemes: &'a str,
    province: &'a str,
    enrolled: &'a str,
}

/// A template pair.
#[derive(Serialize)]
struct PairShown<'a> {
    /// Number of the row in `pairs.csv`, from 1.
    pair: u64,
    subject_a: &'a str,
    subject_b: &'a str,
    template_a: &'a str,
    template_b: &'a str,
    score: f32,
    fmr: Option<f64>,
    ring_id: Option<u64>,
    link: &'static str,
    chance_share: Option<f64>,
    chance_share_high: Option<f64>,
    link_compared: Option<u64>,
    link_chance: Option<f64>,
    quality_a: Option<f32>,
    quality_b: Option<f32>,
    captured_a: &'a str,
    captured_b: &'a str,
    finding: &'static str,
}

/// Runs the command.
pub(super) fn run(args: ShowArgs) -> Outcome {
    let kept = audit::open(&args.out)?;
    let Some(ring) = kept.results.ring(args.ring) else {
        print::note("there is no such ring in this audit");
        return Ok(Exit::Negative);
    };
    let answer = Answer::of(&kept, args.ring, ring);
    if args.json {
        print::json(&answer)?
    } else {
        print::answer(&text(&answer))?
    }
    Ok(Exit::Success)
}

impl<'a> Answer<'a> {
    fn of(kept: &'a KeptAudit, id: u64, ring: &RingFound) -> Self {
        let results = &kept.results;
        let evidence = |value: f64| figure(&listed::evidence(value));
        let record = |number: u32| &results.records[number as usize];
        let members = results.members(ring).into_iter().map(|member| MemberShown {
            subject_id: &record(member.record).id,
            part: member.part,
            member_links: member.links,
            member_best_score: member.best_score,
            schemes: &record(member.record).schemes,
            province: &record(member.record).province,
            enrolled: &record(member.record).enrolled,
        });
        let is_of_ring = |pair: &PairFound| results.link_of(pair).ring.map(audit::ring_id) == Some(id);
        let pairs = (1u64..).zip(&results.pairs).filter(|(_, pair)| is_of_ring(pair));
        Self {
            ring_id: id,
            links: ring.links.len(),
            best_score: ring.best_score,
            weakest_link: ring.weakest_link,
            evidence: evidence(ring.evidence),
            evidence_total: ring.evidence_total.map(evidence),
            parts: Some(ring.parts.len()).filter(|parts| *parts > 0),
            hangs_on: ring.hangs_on.map(|link| {
                let link = &results.links[link as usize];
                [link.a, link.b].map(|number| record(number).id.as_str())
            }),
            members: members.collect(),
            pairs: pairs.map(|(number, pair)| PairShown::of(kept, number, pair)).collect(),
        }
    }
}

impl<'a> PairShown<'a> {
    fn of(kept: &'a KeptAudit, number: u64, pair: &PairFound) -> Self {
        let results = &kept.results;
        let link = results.link_of(pair);
        let [subject_a, subject_b] = results.records_of(pair).map(|record| record.id.as_str());
        let [a, b] = [pair.a, pair.b].map(|capture| &results.captures[capture as usize]);
        let rate = |value: f64| figure(&listed::scientific(value));
        let share = |value: f64| figure(&listed::share(value));
        let quality = |value: f32| listed::quality(value).parse().unwrap_or(value);
        Self {
            pair: number,
            subject_a,
            subject_b,
            template_a: &a.id,
            template_b: &b.id,
            score: pair.score,
            fmr: pair.fmr.map(rate),
            ring_id: link.ring.map(audit::ring_id),
            link: link.kind.name(),
            chance_share: link.chance_share.map(share),
            chance_share_high: link.chance_share_high.map(share),
            link_compared: link.compared,
            link_chance: link.chance.map(rate),
            quality_a: a.quality.map(quality),
            quality_b: b.quality.map(quality),
            captured_a: &a.captured,
            captured_b: &b.captured,
            finding: kept.finding(link).map_or("", Found::name),
        }
    }
}

/// The number that a table has as text.
fn figure(text: &str) -> f64 {
    text.parse().unwrap_or(f64::NAN)
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
    for member in &of.members {
        text += &format!(
            "\n  {}  {} links, best {:.4}{}{}{}",
            outcome::one_line(member.subject_id),
            member.member_links,
            member.member_best_score,
            known("schemes", member.schemes),
            known("province", member.province),
            known("enrolled", member.enrolled),
        );
    }
    let captures = |pair: &PairShown<'_>| {
        let side = |captured: &str, quality: Option<f32>| {
            let quality = quality.map(|quality| format!(" quality {quality:.0}")).unwrap_or_default();
            format!("{captured}{quality}").trim().to_owned()
        };
        let (a, b) = (side(pair.captured_a, pair.quality_a), side(pair.captured_b, pair.quality_b));
        if a.is_empty() && b.is_empty() { String::new() } else { format!("  [{a} | {b}]") }
    };
    for pair in &of.pairs {
        text += &format!(
            "\n{:>6}  score {:.4}{}  {}  {} - {}{}{}",
            pair.pair,
            pair.score,
            pair.fmr.map(|fmr| format!("  fmr {}", print::rate(fmr))).unwrap_or_default(),
            pair.link,
            outcome::one_line(pair.subject_a),
            outcome::one_line(pair.subject_b),
            captures(pair),
            known("found:", pair.finding),
        );
    }
    text
}

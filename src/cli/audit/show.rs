//! `chinhchu audit show`: one ring, or what links a pair or a record that is in none.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::super::{Exit, Failure, Outcome, outcome, print};
use super::named::{self, Chosen};
use crate::audit::{self, ClearedFound, KeptAudit, LinkFound, PairFound, PairOutcome, RingFound, listed};

const EXAMPLES: &str = "\
Examples:
  chinhchu audit show 1 --out audit
  chinhchu audit show R-7K2M9QXD --out audit
  chinhchu audit show HS-0009 --out audit
  chinhchu audit show P-0C3XKQ41 --out audit --json

A ring goes by its number, which is its rank in this run, or by its id (R-..., of which the first
four digits may do), which stays the same when the audit is run again. A record's id shows the
ring the record is in, a pair's id (P-...) the ring of the pair; of what is in no ring its links
are shown. Pairs that an officer cleared are listed apart. `chinhchu audit decide` takes a pair's
id, or the number before it.

Exit code: 0 shown, 1 there is no such ring, pair or record in this audit, 2 the folder holds no
audit, or wrong usage.";

/// What was typed.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct ShowArgs {
    /// Number or id of the ring, id of a pair, or id of a record
    #[arg(value_name = "RING|PAIR|RECORD", allow_hyphen_values = true, value_parser = name)]
    name: String,
    /// The name is a record's id, also where it looks like a number or an id
    #[arg(long)]
    record: bool,
    /// Folder of the audit
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// A name as typed; what is a negative number to the eye is one.
fn name(text: &str) -> Result<String, String> {
    match text.parse::<i64>() {
        Ok(number) if number < 0 => Err("it takes a whole number, 0 or more".to_owned()),
        _ => Ok(text.to_owned()),
    }
}

/// The `audit show` answer for what is in no ring.
#[derive(Serialize)]
struct Alone<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    subject_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pair_id: Option<String>,
    ring_id: Option<u64>,
    pairs: Vec<PairShown<'a>>,
    cleared: Vec<ClearedShown<'a>>,
}

/// The `audit show` answer. Figures have as many digits as in the tables.
#[derive(Serialize)]
struct Answer<'a> {
    ring_id: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    ring_stable_id: Option<String>,
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
    /// Pairs of a member that were cleared.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cleared: Vec<ClearedShown<'a>>,
}

/// A pair of records that was cleared.
#[derive(Serialize)]
struct ClearedShown<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pair_id: Option<String>,
    subject_a: &'a str,
    subject_b: &'a str,
    score: f32,
    template_pairs: u32,
    /// Absent where it was cleared in the gallery.
    finding: Option<&'static str>,
    officer: &'a str,
    reason: &'a str,
    cleared_at: Option<String>,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    pair_id: Option<String>,
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
    let Some(chosen) = named::anything(&kept, &args.name, args.record)? else {
        print::note("there is no such ring, pair or linked record in this audit");
        return Ok(Exit::Negative);
    };
    let results = &kept.results;
    let (record, pair) = match &chosen {
        Chosen::Ring(_) => (None, None),
        Chosen::Record(record) => (Some(*record), None),
        Chosen::Pair(pair) => (None, Some(pair)),
    };
    let place = match &chosen {
        Chosen::Ring(place) => Some(*place),
        Chosen::Record(record) => results.records[*record as usize].ring,
        Chosen::Pair(pair) => pair.link.and_then(|link| link.ring),
    };
    match place.and_then(|place| Some((place, results.rings.get(place as usize)?))) {
        Some((place, ring)) => {
            let answer = Answer::of(&kept, audit::ring_id(place), ring);
            if args.json { print::json(&answer)? } else { print::answer(&text(&answer))? }
        }
        None => {
            let is_wanted = |a: u32, b: u32| match (record, pair) {
                (Some(record), _) => a == record || b == record,
                (None, Some(pair)) => {
                    let mut ids = [a, b].map(|number| results.records[number as usize].id.as_str());
                    ids.sort_unstable();
                    ids == pair.subjects.each_ref().map(|id| id.as_str())
                }
                (None, None) => false,
            };
            let answer = Alone {
                subject_id: record.map(|record| results.records[record as usize].id.as_str()),
                pair_id: pair.and_then(|pair| pair.id).map(|id| id.to_string()),
                ring_id: None,
                pairs: pairs(&kept, |link| is_wanted(link.a, link.b)),
                cleared: cleared(&kept, |found| is_wanted(found.a, found.b)),
            };
            if answer.pairs.is_empty() && answer.cleared.is_empty() {
                return Err(Failure::new(
                    "that pair is not in this audit, but something was found of it; `chinhchu audit findings` lists that",
                ));
            }
            if args.json { print::json(&answer)? } else { print::answer(&text_alone(&answer))? }
        }
    }
    Ok(Exit::Success)
}

/// Template pairs of some links, the best score first.
fn pairs<'a>(kept: &'a KeptAudit, is_wanted: impl Fn(&LinkFound) -> bool) -> Vec<PairShown<'a>> {
    let results = &kept.results;
    let pairs = (1u64..).zip(&results.pairs).filter(|(_, pair)| is_wanted(results.link_of(pair)));
    pairs.map(|(number, pair)| PairShown::of(kept, number, pair)).collect()
}

/// Some of the pairs that were cleared.
fn cleared<'a>(kept: &'a KeptAudit, is_wanted: impl Fn(&ClearedFound) -> bool) -> Vec<ClearedShown<'a>> {
    let id = |record: u32| kept.results.records[record as usize].id.as_str();
    let wanted = kept.results.cleared.iter().filter(|found| is_wanted(found));
    wanted
        .map(|found| ClearedShown {
            pair_id: found.id.map(|id| id.to_string()),
            subject_a: id(found.a),
            subject_b: id(found.b),
            score: found.score,
            template_pairs: found.pairs,
            finding: found.clearing.outcome.map(PairOutcome::name),
            officer: &found.clearing.officer,
            reason: &found.clearing.reason,
            cleared_at: found.clearing.at.map(listed::moment),
        })
        .collect()
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
        let is_member = |record: u32| ring.members.binary_search(&record).is_ok();
        Self {
            ring_id: id,
            ring_stable_id: ring.id.map(|id| id.to_string()),
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
            pairs: pairs(kept, |link| link.ring.map(audit::ring_id) == Some(id)),
            cleared: cleared(kept, |found| is_member(found.a) || is_member(found.b)),
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
            pair_id: link.id.map(|id| id.to_string()),
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
            finding: kept.finding(link).map_or("", PairOutcome::name),
        }
    }
}

/// The number that a table has as text.
fn figure(text: &str) -> f64 {
    text.parse().unwrap_or(f64::NAN)
}

fn text(of: &Answer<'_>) -> String {
    let mut text = format!(
        "ring {}{}: {} records, {} links, scores {:.4} to {:.4}, evidence {:.1}",
        of.ring_id,
        of.ring_stable_id.as_deref().map(|id| format!(" ({id})")).unwrap_or_default(),
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
    text + &lines(&of.pairs, &of.cleared)
}

fn text_alone(of: &Alone<'_>) -> String {
    let what = match (of.subject_id, &of.pair_id) {
        (Some(id), _) => format!("{} is in no ring", outcome::one_line(id)),
        (None, Some(id)) => format!("{id} is in no ring"),
        (None, None) => "the pair is in no ring".to_owned(),
    };
    what + &lines(&of.pairs, &of.cleared)
}

/// Pairs, a line each, and those that were cleared apart from them.
fn lines(pairs: &[PairShown<'_>], cleared: &[ClearedShown<'_>]) -> String {
    let mut text = String::new();
    let captures = |pair: &PairShown<'_>| {
        let side = |captured: &str, quality: Option<f32>| {
            let quality = quality.map(|quality| format!(" quality {quality:.0}")).unwrap_or_default();
            format!("{captured}{quality}").trim().to_owned()
        };
        let (a, b) = (side(pair.captured_a, pair.quality_a), side(pair.captured_b, pair.quality_b));
        if a.is_empty() && b.is_empty() { String::new() } else { format!("  [{a} | {b}]") }
    };
    let id = |id: &Option<String>| id.as_deref().map(|id| format!("  {id}")).unwrap_or_default();
    for pair in pairs {
        text += &format!(
            "\n{:>6}{}  score {:.4}{}  {}  {} - {}{}{}",
            pair.pair,
            id(&pair.pair_id),
            pair.score,
            pair.fmr.map(|fmr| format!("  fmr {}", print::rate(fmr))).unwrap_or_default(),
            pair.link,
            outcome::one_line(pair.subject_a),
            outcome::one_line(pair.subject_b),
            captures(pair),
            known("found:", pair.finding),
        );
    }
    for pair in cleared {
        let [a, b, officer, reason] =
            [pair.subject_a, pair.subject_b, pair.officer, pair.reason].map(outcome::one_line);
        let at = pair.cleared_at.as_deref().map(|at| format!(", {at}")).unwrap_or_default();
        let what = pair.finding.unwrap_or("in the gallery");
        text += &format!(
            "\ncleared{}  score {:.4}  {a} - {b}  {what} ({officer}{at}: {reason})",
            id(&pair.pair_id),
            pair.score
        );
    }
    text
}

/// A fact with its name, where it is known.
fn known(name: &str, value: &str) -> String {
    match value {
        "" => String::new(),
        value => format!("  {name} {}", outcome::one_line(value)),
    }
}

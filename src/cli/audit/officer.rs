//! `chinhchu audit decide` and `measure`: what investigators found, and what it says of
//! the audit.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::{Deserialize, Serialize};

use super::super::settings::Settings;
use super::super::{Exit, Failure, Outcome, caller, print, runtime};
use super::folder::{self, SUMMARY};
use super::input::{Read, visit_folder};
use super::show::{links_of, outcome_of, pairs_of};
use crate::audit::{Case, Finding, Findings, Outcome as Found, Precision, Share, measure as precision};
use crate::gallery::{self, ClearedPair, GalleryError, Note, SnapshotHead, SubjectId, Timestamp};
use crate::numbers;
use crate::service::Client;
use crate::workflow::NumberIds;
use crate::workflow::beneficiary::ClearPairRequest;
use crate::workflow::words::Reason;

const DECIDE_EXAMPLES: &str = "\
Examples:
  chinhchu audit decide 17 --outcome fraud --reason 'same woman, two names' --officer o-7 --out audit
  chinhchu audit decide person-1 person-2 --outcome twins --reason 'birth records seen' --officer o-7 --out audit

A pair is the number of its row in pairs.csv, or two subject ids. Findings are kept with the
gallery, or with the audit where there is none, and later audits know them. Twins also become
a cleared pair of the gallery: they do not come up again, neither here nor at a counter. Of
several findings of one pair the last one holds.

Exit code: 0 recorded (durably), 2 there is no such pair, or it cannot be recorded.";

const MEASURE_EXAMPLES: &str = "\
Examples:
  chinhchu audit measure --out audit
  chinhchu audit measure --out audit --json

Exit code: 0 measured, 1 nothing was recorded yet, 2 the folder holds no audit or wrong usage.";

/// What was typed.
#[derive(Debug, Args)]
#[command(after_help = DECIDE_EXAMPLES)]
pub(super) struct DecideArgs {
    /// The pair: its row in pairs.csv, or two subject ids
    #[arg(value_name = "PAIR", required = true, num_args = 1..=2)]
    pair: Vec<String>,
    /// What it was: fraud, twins, same-person (enrolled twice without intent) or
    /// capture-error (a capture stored with another's record)
    #[arg(long, value_name = "OUTCOME", value_parser = outcome_of)]
    outcome: Found,
    /// Why, in one line without long numbers
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Pseudonymous id of the officer
    #[arg(long, value_name = "ID")]
    officer: String,
    /// Folder of the audit
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Clear twins at this server, where one has the gallery open
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// The `audit decide` answer.
#[derive(Serialize)]
struct Decided {
    recorded: bool,
    cleared: bool,
    outcome: Found,
    score: f32,
}

/// Runs `decide`.
pub(super) fn decide(settings: &Settings, args: DecideArgs) -> Outcome {
    let reason = Note::new(args.reason).map_err(|e| Failure::new(format_args!("--reason: {e}")))?;
    let officer = SubjectId::new(args.officer).map_err(|_| {
        Failure::new("--officer: an id is 1 to 128 bytes of text without control characters or spaces around it")
    })?;
    if settings.number_ids == NumberIds::Refuse && numbers::looks_like_one(officer.as_str()) {
        return Err(Failure::new(
            "--officer looks like a card or insurance number; use a pseudonym, or see [ids] in the configuration",
        ));
    }
    let inputs = folder::kept_inputs(&args.out)?;
    let (subjects, score) = pair(&args.out, &args.pair)?;
    let finding = Finding::new(subjects.clone(), score, args.outcome, &reason, &officer, Timestamp::now())
        .map_err(Failure::new)?;
    let gallery = inputs.gallery.as_deref();
    // The gallery first: what is recorded as cleared is cleared.
    let cleared = match (args.outcome, gallery) {
        (Found::Twins, Some(gallery)) => clear(settings, gallery, args.server.as_deref(), subjects, officer, reason)?,
        _ => false,
    };
    let recorded = Findings::record(&folder::findings_file(&args.out, gallery), &finding)
        .map_err(|e| folder::findings_failure(&e))?;
    if args.json {
        print::json(&Decided { recorded, cleared, outcome: args.outcome, score })?;
    } else {
        let what = if recorded { "recorded" } else { "this was recorded before" };
        let also = if cleared { "; the pair is cleared in the gallery" } else { "" };
        print::answer(&format!("{what}{also}"))?;
    }
    Ok(Exit::Success)
}

/// The subjects of a pair, and its best score.
fn pair(folder: &Path, typed: &[String]) -> Result<([SubjectId; 2], f32), Failure> {
    let mut found = None;
    match typed {
        [number] => {
            let number: u64 = number
                .parse()
                .map_err(|_| Failure::new("a pair is the number of its row in pairs.csv, or two subject ids"))?;
            pairs_of(folder, |row| {
                if row.pair == number {
                    found = Some((row.subject_a, row.subject_b, row.score));
                }
                found.is_none()
            })?;
        }
        [one, other] => pairs_of(folder, |row| {
            if (&row.subject_a, &row.subject_b) == (one, other) || (&row.subject_a, &row.subject_b) == (other, one) {
                found = Some((row.subject_a, row.subject_b, row.score));
            }
            // The best score comes first.
            found.is_none()
        })?,
        _ => {}
    }
    let (a, b, score) = found.ok_or_else(|| Failure::new("there is no such pair in this audit's pairs.csv"))?;
    let id = |text: String| SubjectId::new(text).map_err(Failure::new);
    Ok(([id(a)?, id(b)?], score))
}

/// Clears a pair in the gallery; `false` where neither is enrolled any more.
fn clear(
    settings: &Settings,
    gallery: &Path,
    server: Option<&str>,
    [first, second]: [SubjectId; 2],
    officer: SubjectId,
    reason: Note,
) -> Result<bool, Failure> {
    let done = runtime::wait(async {
        match server {
            Some(url) => {
                let client =
                    Client::connect(url).await.map_err(|e| Failure::new(format_args!("--server {url}: {e}")))?;
                let request = ClearPairRequest { one: first, other: second, officer, reason };
                match client.clear_pair(request).await {
                    Ok(_) => Ok(true),
                    Err(error) if error.reason == Reason::SubjectUnknown.code() => Ok(false),
                    Err(error) => Err(Failure::new(error)),
                }
            }
            None => {
                let head = head_of(gallery, settings)?;
                let options = settings.gallery_options();
                let gallery = gallery::open(gallery, head.recipe, head.dimension, options).map_err(Failure::new)?;
                let pair = ClearedPair { first, second, officer, reason, cleared_at: Timestamp::now() };
                match gallery.clear_pair(&caller::context(), pair).await {
                    Ok(_) => Ok(true),
                    Err(GalleryError::UnknownSubject) => Ok(false),
                    Err(error) => Err(Failure::new(error)),
                }
            }
        }
    })?;
    if !done {
        print::note("neither of the two is enrolled any more; the finding is recorded, nothing is cleared");
    }
    Ok(done)
}

fn head_of(gallery: &Path, settings: &Settings) -> Result<SnapshotHead, Failure> {
    let mut found = None;
    let enough = Failure::new("");
    let mut begin = |head: &SnapshotHead| {
        found = Some(*head);
        Err(enough.clone())
    };
    let read = visit_folder(gallery, settings, &mut begin, &mut |_| Ok(()));
    match (found, read) {
        (Some(head), Err(failure)) if failure == enough => Ok(head),
        (_, Err(failure)) => Err(failure),
        (_, Ok(Read::InUse)) => Err(Failure::new(format_args!(
            "the data folder {} is in use by another process; let it clear the pair with --server URL, or stop it first",
            gallery.display()
        ))),
        (_, Ok(Read::Whole)) => Err(Failure::new("the gallery has no beginning; this is a defect of chinhchu")),
    }
}

/// What was typed.
#[derive(Debug, Args)]
#[command(after_help = MEASURE_EXAMPLES)]
pub(super) struct MeasureArgs {
    /// Folder of the audit
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// The `audit measure` answer.
#[derive(Serialize)]
struct Measured {
    threshold: f32,
    links: u64,
    cases: u64,
    #[serde(flatten)]
    precision: Precision,
}

/// As much of `summary.json` as is needed here.
#[derive(Deserialize)]
struct Threshold {
    threshold: f32,
}

/// Runs `measure`.
pub(super) fn measure(args: MeasureArgs) -> Outcome {
    let path = args.out.join(SUMMARY);
    let what = |e: &dyn std::fmt::Display| {
        Failure::new(format_args!("{}: {e}; name the folder of an audit that was finished with --out", path.display()))
    };
    let summary = std::fs::read(&path).map_err(|e| what(&e))?;
    let Threshold { threshold } = serde_json::from_slice(&summary).map_err(|e| what(&e))?;
    let mut links = links_of(&args.out)?;
    let findings = folder::findings_of(&args.out)?;
    let mut cases = Vec::new();
    for finding in findings.iter() {
        let key = (finding.subject_a.clone(), finding.subject_b.clone());
        match links.get(&key) {
            Some(&score) => cases.push(Case { score, outcome: finding.outcome }),
            // Twins leave the list when the audit is run again; they were found, though.
            None if finding.outcome == Found::Twins && finding.score >= threshold => {
                links.insert(key, finding.score);
                cases.push(Case { score: finding.score, outcome: finding.outcome });
            }
            None => {}
        }
    }
    let scores: Vec<f32> = links.into_values().collect();
    let measured = Measured {
        threshold,
        links: scores.len() as u64,
        cases: cases.len() as u64,
        precision: precision(&cases, &scores),
    };
    if args.json {
        print::json(&measured)?
    } else {
        print::answer(&text(&measured))?
    }
    Ok(if cases.is_empty() { Exit::Negative } else { Exit::Success })
}

fn text(of: &Measured) -> String {
    if of.cases == 0 {
        return format!("nothing was recorded yet of {} pairs; `chinhchu audit decide` does", of.links);
    }
    let share = |share: &Share| match share.value {
        Some(value) => format!("{:.0} % ({:.0} to {:.0})", 100.0 * value, 100.0 * share.low, 100.0 * share.high),
        None => "nothing looked into".to_owned(),
    };
    let mut text = format!("{} of {} pairs were looked into:", of.cases, of.links);
    for (outcome, count) in Found::ALL.iter().zip(of.precision.outcomes) {
        text += &format!(" {count} {}", outcome.name());
    }
    text += &format!(
        "\nthe same face was in both records in {}, fraud in {}",
        share(&of.precision.shares_face),
        share(&of.precision.fraud)
    );
    for band in &of.precision.bands {
        text += &format!(
            "\n  score {:.2} to {:.2}: {} found, {} looked into, the same face in {}",
            band.from,
            band.to,
            band.found,
            band.shares_face.of,
            share(&band.shares_face)
        );
    }
    if let Some(expected) = of.precision.expected {
        text += &format!(
            "\nof {} pairs, {:.0} ({:.0} to {:.0}) are expected to share a face",
            expected.links, expected.shares_face, expected.low, expected.high
        );
        if expected.links_without_case > 0 {
            text += &format!("; {} lie where none was looked into", expected.links_without_case);
        }
    }
    text
}

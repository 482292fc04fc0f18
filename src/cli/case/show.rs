//! `chinhchu case show`: one decision, with its reasons, its evidence and what officers answered.

use clap::Args;
use serde::Serialize;

use super::{evidence, outcome_name};
use crate::cli::backend::GalleryArgs;
use crate::cli::case_records::CaseRecords;
use crate::cli::settings::Settings;
use crate::cli::{Exit, Outcome, date, options, outcome, print};
use crate::gallery::{self, RequestId, SubjectId, resolution};
use crate::workflow::beneficiary::{
    AppliedRule, BeneficiaryOutcome, CaseDecision, Evidence, Sentence, decision_sentence, officers_needed,
};

#[derive(Debug, Args)]
pub(super) struct CaseShowArgs {
    /// The transaction's id, as sent with VerifyBeneficiary
    #[arg(value_name = "TRANSACTION_ID", value_parser = options::transaction)]
    transaction: RequestId,
    /// Which attempt [default: the last]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    attempt: Option<u32>,
    #[command(flatten)]
    gallery: GalleryArgs,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// The `case show` answer; field names are a contract.
#[derive(Serialize)]
struct CaseShown<'a> {
    found: bool,
    transaction_id: &'a str,
    attempt: u32,
    /// Number of the transaction's last attempt.
    last_attempt: u32,
    subject_id: &'a SubjectId,
    scheme: &'a str,
    /// Who presented it, where the request named one.
    clerk_id: Option<&'a SubjectId>,
    /// What the engine decided.
    outcome: &'static str,
    message_vi: String,
    message_en: String,
    reasons: Vec<ReasonShown>,
    /// Evidence that was not there and that the policy does without.
    without: Vec<&'static str>,
    /// Whether new captures, or another reading of the chip, might have decided better.
    retake: bool,
    officer_answers: Vec<AnswerShown<'a>>,
    /// Officers who have approved.
    officers: u32,
    /// Officers it takes to approve it in spite of its reasons; 0 for one that was approved.
    officers_needed: u32,
    /// What officers made of it, where that closed the transaction.
    resolved: Option<&'static str>,
    /// An officer is expected to look at it.
    waits: bool,
    /// Until when, where it waits.
    answer_by: Option<String>,
    decided_at: String,
    policy: &'a str,
    policy_digest: &'a str,
    anchors_digest: &'a str,
    enrolled: bool,
    recipe: &'a str,
    commit: u64,
    #[serde(serialize_with = "evidence::json")]
    evidence: &'a Evidence,
}

/// A reason of a decision.
#[derive(Serialize)]
struct ReasonShown {
    code: &'static str,
    /// The piece of evidence it is about.
    evidence: &'static str,
    consequence: &'static str,
    message_vi: String,
    message_en: String,
    /// Code of the reason it follows from, where it is mended with that one.
    follows: Option<&'static str>,
}

/// What an officer said.
#[derive(Serialize)]
struct AnswerShown<'a> {
    officer_id: &'a SubjectId,
    outcome: &'static str,
    reason: &'a str,
    answered_at: String,
}

pub(super) async fn run(settings: &Settings, args: CaseShowArgs) -> Outcome {
    let records = CaseRecords::open("case/show", settings, &args.gallery.place(settings)?).await?;
    let Some(case) = records.case(&args.transaction, args.attempt).await? else {
        match args.json {
            true => print::json(&outcome::NotFound::default())?,
            false => print::answer("no such decision")?,
        }
        return Ok(Exit::Negative);
    };
    let own = case.outcome.key.attempt;
    let last_attempt = match args.attempt {
        Some(_) => records.case(&args.transaction, None).await?.map_or(own, |last| last.outcome.key.attempt),
        None => own,
    };
    let shown = shown(&case, last_attempt);
    if args.json {
        print::json(&shown)?;
    } else {
        print::answer(&text(&shown))?;
    }
    Ok(Exit::Success)
}

fn shown(case: &CaseDecision, last_attempt: u32) -> CaseShown<'_> {
    let CaseDecision { outcome, subject, scheme, presented_by, waits, answer_by } = case;
    let BeneficiaryOutcome { key, decided, evidence, resolutions, .. } = outcome;
    let Sentence { en, vi } = decision_sentence(decided, evidence);
    let reason = |rule: &AppliedRule| {
        let Sentence { en, vi } = rule.sentence(decided.outcome, decided.retake);
        ReasonShown {
            code: rule.ground.code(),
            evidence: rule.ground.piece().name(),
            consequence: rule.consequence.name(),
            message_vi: vi,
            message_en: en,
            follows: rule.follows.map(|cause| cause.code()),
        }
    };
    let answers = resolutions.iter().map(|one| AnswerShown {
        officer_id: &one.officer,
        outcome: outcome_name(one.outcome),
        reason: one.reason.as_str(),
        answered_at: date::shown(one.resolved_at),
    });
    let needed = match (decided.outcome, outcome.officers_needed) {
        (gallery::Outcome::Approve, _) => 0,
        // Nobody has answered yet.
        (_, 0) => officers_needed(outcome),
        (_, needed) => needed,
    };
    CaseShown {
        found: true,
        transaction_id: key.transaction.as_str(),
        attempt: key.attempt,
        last_attempt,
        subject_id: subject,
        scheme: scheme.name(),
        clerk_id: presented_by.as_ref(),
        outcome: outcome_name(decided.outcome),
        message_vi: vi,
        message_en: en,
        reasons: decided.grounds.iter().map(reason).collect(),
        without: decided.without.iter().map(|piece| piece.name()).collect(),
        retake: decided.retake,
        officer_answers: answers.collect(),
        // Two at most.
        officers: resolutions.iter().filter(|one| one.outcome == gallery::Outcome::Approve).count() as u32,
        officers_needed: needed,
        resolved: resolution(resolutions, outcome.officers_needed).map(|closing| outcome_name(closing.outcome)),
        waits: *waits,
        answer_by: answer_by.map(date::shown),
        decided_at: date::shown(outcome.decided_at),
        policy: &outcome.policy,
        policy_digest: &outcome.policy_digest,
        anchors_digest: &outcome.anchors_digest,
        enrolled: outcome.enrolled,
        recipe: &outcome.recipe,
        commit: outcome.commit,
        evidence,
    }
}

fn text(of: &CaseShown<'_>) -> String {
    let line = outcome::one_line;
    let mut text = format!(
        "{}  {}, attempt {}, of record {} ({}), {}",
        of.outcome,
        line(of.transaction_id),
        of.attempt,
        line(of.subject_id.as_str()),
        of.scheme,
        of.decided_at
    );
    text += &format!("\n{} ({})", line(&of.message_en), line(&of.message_vi));
    if let Some(clerk) = of.clerk_id {
        text += &format!("\npresented by {}", line(clerk.as_str()));
    }
    text += &format!("\npolicy {}", line(of.policy));
    for reason in &of.reasons {
        let (en, vi) = (line(&reason.message_en), line(&reason.message_vi));
        text += &format!("\n  {}  {}: {en} ({vi})", reason.code, reason.consequence);
    }
    if !of.without.is_empty() {
        text += &format!("\nwithout {}", of.without.join(", "));
    }
    text += &evidence::text(of.evidence);
    for answer in &of.officer_answers {
        text += &format!(
            "\nofficer {}  {}  {}  {}",
            line(answer.officer_id.as_str()),
            answer.outcome,
            answer.answered_at,
            line(answer.reason)
        );
    }
    text + "\n" + &standing(of)
}

/// Whether an officer is expected to look, and how many it takes.
fn standing(of: &CaseShown<'_>) -> String {
    let approval = match of.officers_needed {
        0 | 1 => "",
        _ => "; to approve it takes two",
    };
    let by = of.answer_by.as_ref().map_or(String::new(), |by| format!(" until {by}"));
    match (of.resolved, of.waits) {
        (Some(resolved), _) => format!("officers: {resolved}; the transaction is closed"),
        (None, true) if of.officers > 0 => {
            format!("waits for another officer to approve as well ({} of {}){by}", of.officers, of.officers_needed)
        }
        (None, true) => format!("waits for an officer{by}{approval}"),
        (None, false) if of.last_attempt > of.attempt => {
            format!("attempt {} followed; officers answer the last one", of.last_attempt)
        }
        (None, false) if of.outcome == outcome_name(gallery::Outcome::Deny) => {
            format!("an officer may take it up{approval}")
        }
        (None, false) => "waits for nobody".to_owned(),
    }
}

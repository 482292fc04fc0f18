//! `--same` and `--stale`: each record by itself.

use std::collections::BTreeMap;

use serde::Serialize;

use super::super::settings::Settings;
use super::super::{Exit, Failure, Outcome, galleries, outcome, print};
use super::calibration::calibration;
use super::input::{self, Reading};
use super::messages::{grouped, left_out, of_engine};
use super::plan::{AuditPlan, Each, StalePlan};
use crate::audit::{
    self, AuditFile, AuditFolder, LeftOutCount, Same, SameAsked, SameError, StaleScheme, Staleness, keep_left_out,
    write_same, write_stale,
};
use crate::gallery::SnapshotPart;
use crate::workflow::{AGREE_FMR, APART_FMR};

/// The answer of `--same` and `--stale`.
#[derive(Serialize)]
struct Answer {
    #[serde(skip_serializing_if = "Option::is_none")]
    same: Option<SameAnswer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stale: Option<StaleAnswer>,
}

/// Captures that do not match.
#[derive(Serialize)]
struct SameAnswer {
    #[serde(flatten)]
    figures: Same,
    /// What took no part.
    left_out: Vec<LeftOutCount>,
    /// The table that names each row of a list that took no part, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    left_out_list: Option<&'static str>,
}

/// Records without a verification for long.
#[derive(Serialize)]
struct StaleAnswer {
    as_of: String,
    months: u32,
    schemes: BTreeMap<String, StaleScheme>,
}

pub(super) fn run(settings: &Settings, plan: &AuditPlan, of: &Each, folder: &AuditFolder) -> Outcome {
    let same = of.same_fnmr.map(|fnmr| same(settings, plan, folder, fnmr)).transpose()?;
    let stale = of.stale.as_ref().map(|of| stale(settings, plan, folder, of)).transpose()?;
    let found = same.as_ref().map_or(0, |same| same.figures.found)
        + stale.as_ref().map_or(0, |stale| stale.schemes.values().map(|of| of.stale).sum());
    let answer = Answer { same, stale };
    if plan.json {
        print::json(&answer)?
    } else {
        print::answer(&text(&answer, folder))?
    }
    Ok(if found == 0 { Exit::Success } else { Exit::Negative })
}

fn same(settings: &Settings, plan: &AuditPlan, folder: &AuditFolder, fnmr: f64) -> Result<SameAnswer, Failure> {
    let reading = Reading { settings, cache: plan.cache.then(|| folder.file(AuditFile::Cache)) };
    let (collection, _) = input::load(plan.sources(), &reading, &plan.filters, |_| None)?;
    let left_out_list = keep_left_out(folder, &collection, &of_engine, plan.csv_locale)?;
    let curve = calibration(settings, &collection)?;
    let asked = SameAsked { fnmr, agree_fmr: AGREE_FMR, apart_fmr: APART_FMR };
    let (figures, found) = audit::same(&collection, &curve, asked).map_err(|error| match error {
        SameError::NoScore => Failure::new(format_args!(
            "the calibration of the model pack does not say at which score an FNMR of {} is; ask for a higher --fnmr",
            print::rate(fnmr)
        )),
        error => Failure::new(error),
    })?;
    folder.write(AuditFile::Same, |out| write_same(out, plan.csv_locale, &collection, &curve, &found))?;
    let left_out = audit::left_out(collection.left_out(), &of_engine);
    Ok(SameAnswer { figures, left_out, left_out_list })
}

fn stale(settings: &Settings, plan: &AuditPlan, folder: &AuditFolder, of: &StalePlan) -> Result<StaleAnswer, Failure> {
    let mut staleness = Staleness::new(of.day, of.months);
    galleries::visit(
        &of.gallery,
        settings,
        |_| Ok(()),
        |part| {
            if let SnapshotPart::Subject(subject) = part
                && plan.filters.wants_subject(&subject).is_ok()
            {
                staleness.take(&subject);
            }
            Ok(())
        },
    )?;
    let (mut schemes, mut found) = staleness.finish();
    if !plan.filters.schemes.is_empty() {
        schemes.retain(|scheme, _| plan.filters.schemes.contains(scheme));
        found.retain(|stale| plan.filters.schemes.contains(&stale.scheme));
    }
    folder.write(AuditFile::Stale, |out| write_stale(out, plan.csv_locale, &found))?;
    Ok(StaleAnswer { as_of: of.as_of.clone(), months: of.months, schemes })
}

fn text(answer: &Answer, folder: &AuditFolder) -> String {
    let mut lines = Vec::new();
    if let Some(same) = &answer.same {
        let SameAnswer { figures: of, .. } = same;
        lines.push(format!(
            "{} of {} subjects have captures that score below {:.4} with each other (FNMR {}{}), {} of them before and after a point in time",
            grouped(of.found),
            grouped(of.subjects),
            of.threshold,
            print::rate(of.fnmr),
            print::extrapolated(of.fnmr_extrapolated),
            grouped(of.split)
        ));
        lines.push(format!(
            "{} of them fall into groups that no pair at or above {:.4} connects, as captures of two people do",
            grouped(of.disagree),
            of.disagree_threshold
        ));
        lines.push(format!(
            "to expect by chance: {} of {} pairs of captures",
            print::rate(of.expected_chance_pairs),
            grouped(of.comparisons)
        ));
        lines.push(format!("list: {}", folder.file(AuditFile::Same).display()));
        lines.extend(left_out(&same.left_out, same.left_out_list).lines().skip(1).map(str::to_owned));
    }
    if let Some(stale) = &answer.stale {
        for (scheme, of) in &stale.schemes {
            let scheme = if scheme.is_empty() { "(no scheme)" } else { scheme };
            lines.push(format!(
                "{}: {} of {} records without a verification for {} months before {}, {} of them never verified",
                outcome::one_line(scheme),
                grouped(of.stale),
                grouped(of.records),
                stale.months,
                stale.as_of,
                grouped(of.never_verified)
            ));
        }
        lines.push(format!("list: {}", folder.file(AuditFile::Stale).display()));
    }
    lines.join("\n")
}

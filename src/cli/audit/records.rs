//! `--same` and `--stale`: each record by itself.

use std::collections::BTreeMap;
use std::io;

use serde::Serialize;

use super::super::settings::Settings;
use super::super::{Exit, Failure, Outcome, date, print};
use super::folder::{Folder, SAME, STALE};
use super::input::{Source, visit_gallery};
use super::{AuditArgs, Plan, calibration, load, score_at_fnmr, work};
use crate::audit::{Changed, Collection, Stale, StaleScheme, Staleness, changed, utc_day};
use crate::chip::Date;
use crate::gallery::SnapshotPart;
use crate::matching::Curve;
use crate::table::{CsvLocale, Writer};
use crate::workflow::{AGREE_FMR, APART_FMR};

/// The answer of `--same` and `--stale`.
#[derive(Serialize)]
struct Answer {
    #[serde(skip_serializing_if = "Option::is_none")]
    same: Option<Same>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stale: Option<StaleAnswer>,
}

/// Captures that do not match.
#[derive(Serialize)]
struct Same {
    templates: u64,
    subjects: u64,
    /// Pairs of captures of one subject.
    comparisons: u64,
    threshold: f32,
    fnmr: f64,
    fnmr_extrapolated: bool,
    /// Pairs that score below by chance, were all of them of one person.
    expected_chance_pairs: f64,
    /// Subjects some of whose captures do not match.
    found: u64,
    /// Of those, subjects whose captures fall into groups that are not alike, as those of two
    /// people do: decisions on them refer (`RECORD_DISAGREES`).
    disagree: u64,
    /// The score at which two captures are alike.
    disagree_threshold: f32,
    /// Of those, subjects whose captures fall apart at a point in time.
    split: u64,
}

/// Records without a verification for long.
#[derive(Serialize)]
struct StaleAnswer {
    as_of: String,
    months: u32,
    schemes: BTreeMap<String, StaleScheme>,
}

pub(super) fn run(settings: &Settings, args: &AuditArgs, plan: &Plan, folder: &Folder) -> Outcome {
    let same = args.same.then(|| same(settings, args, plan, folder)).transpose()?;
    let stale = args.stale.map(|months| stale(settings, args, plan, folder, months)).transpose()?;
    let found = same.as_ref().map_or(0, |same| same.found)
        + stale.as_ref().map_or(0, |stale| stale.schemes.values().map(|of| of.stale).sum());
    let answer = Answer { same, stale };
    if args.json {
        print::json(&answer)?
    } else {
        print::answer(&text(&answer, folder))?
    }
    Ok(if found == 0 { Exit::Success } else { Exit::Negative })
}

fn same(settings: &Settings, args: &AuditArgs, plan: &Plan, folder: &Folder) -> Result<Same, Failure> {
    let (collection, _) = load(settings, args, plan, folder, &[])?;
    let curve = calibration(settings, &collection)?;
    let (score, fnmr) = score_at_fnmr(&curve, args.fnmr).ok_or_else(|| {
        Failure::new(format_args!(
            "the calibration of the model pack does not say at which score an FNMR of {} is; ask for a higher --fnmr",
            print::rate(args.fnmr)
        ))
    })?;
    let at = |fmr| Ok::<_, Failure>(curve.threshold(fmr).map_err(Failure::new)?.score);
    let (alike, apart) = (at(AGREE_FMR)?, at(APART_FMR)?);
    let (comparisons, found) = changed(&collection, score, (alike, apart));
    folder.write(SAME, |out| write_same(out, args.csv_locale.into(), &collection, &curve, &found))?;
    Ok(Same {
        templates: collection.rows() as u64,
        subjects: collection.subjects_with_templates() as u64,
        comparisons,
        threshold: score,
        fnmr: fnmr.rate,
        fnmr_extrapolated: fnmr.extrapolated,
        expected_chance_pairs: fnmr.rate * comparisons as f64,
        found: found.len() as u64,
        disagree: found.iter().filter(|changed| changed.groups > 1).count() as u64,
        disagree_threshold: alike,
        split: found.iter().filter(|changed| changed.split.is_some()).count() as u64,
    })
}

fn write_same(
    out: &mut dyn io::Write,
    locale: CsvLocale,
    collection: &Collection,
    curve: &Curve,
    found: &[Changed],
) -> io::Result<()> {
    let columns = [
        "rank",
        "subject_id",
        "template_a",
        "template_b",
        "score",
        "fnmr",
        "captured_a",
        "captured_b",
        "quality_a",
        "quality_b",
        "captures",
        "pairs",
        "pairs_below",
        "changed_between",
        "changed_and",
        "captures_before",
        "best_score_across",
        "groups",
        "vouched",
    ];
    let numbers = [
        "rank",
        "score",
        "fnmr",
        "quality_a",
        "quality_b",
        "captures",
        "pairs",
        "pairs_below",
        "captures_before",
        "best_score_across",
        "groups",
    ];
    let mut table = Writer::begin(out, locale, &columns, &numbers)?;
    let quality = |of: Option<f32>| of.map(|quality| format!("{quality:.1}")).unwrap_or_default();
    for (rank, changed) in (1u64..).zip(found) {
        let (a, b) = changed.lowest;
        let [first, second] = [a, b].map(|row| collection.template(row));
        let day = |row: u32| utc_day(collection.template(row).captured_at);
        let split = changed.split;
        table.row([
            &rank.to_string(),
            collection.subject_id(changed.subject),
            collection.template_name(a),
            collection.template_name(b),
            &changed.lowest_score.to_string(),
            &curve.fnmr(changed.lowest_score).map(|fnmr| format!("{:.3e}", fnmr.rate)).unwrap_or_default(),
            &utc_day(first.captured_at),
            &utc_day(second.captured_at),
            &quality(first.quality),
            &quality(second.quality),
            &changed.captures.to_string(),
            &changed.pairs.to_string(),
            &changed.below.to_string(),
            &split.map(|split| day(split.last_before)).unwrap_or_default(),
            &split.map(|split| day(split.first_after)).unwrap_or_default(),
            &split.map(|split| split.before.to_string()).unwrap_or_default(),
            &split.map(|split| split.best_across.to_string()).unwrap_or_default(),
            &changed.groups.to_string(),
            &changed.vouched.to_string(),
        ])?;
    }
    table.end()
}

fn stale(
    settings: &Settings,
    args: &AuditArgs,
    plan: &Plan,
    folder: &Folder,
    months: u32,
) -> Result<StaleAnswer, Failure> {
    let Source::Gallery(gallery) = &plan.first else {
        return Err(Failure::new("--stale looks at when records of a gallery were verified; give --data DIR"));
    };
    let as_of = args.as_of.clone().unwrap_or_else(date::today);
    let day = date::days(&as_of).and_then(|days| i64::try_from(days).ok());
    let day = day.ok_or_else(|| Failure::new(format_args!("--as-of {as_of}: it is no day from 1970 on")))?;
    let mut staleness = Staleness::new(Date::from_days_since_1970(day), months);
    visit_gallery(
        gallery,
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
    folder.write(STALE, |out| write_stale(out, args.csv_locale.into(), &found))?;
    Ok(StaleAnswer { as_of, months, schemes })
}

fn write_stale(out: &mut dyn io::Write, locale: CsvLocale, found: &[Stale]) -> io::Result<()> {
    let columns = ["scheme", "subject_id", "last_verified", "enrolled", "months", "province"];
    let mut table = Writer::begin(out, locale, &columns, &["months"])?;
    for stale in found {
        table.row([
            &stale.scheme,
            &stale.subject,
            &utc_day(stale.last_verified),
            &utc_day(Some(stale.enrolled_at)),
            &stale.months.to_string(),
            &stale.province,
        ])?;
    }
    table.end()
}

fn text(answer: &Answer, folder: &Folder) -> String {
    let mut lines = Vec::new();
    if let Some(same) = &answer.same {
        lines.push(format!(
            "{} of {} subjects have captures that score below {:.4} with each other (FNMR {}{}), {} of them before and after a point in time",
            work::grouped(same.found),
            work::grouped(same.subjects),
            same.threshold,
            print::rate(same.fnmr),
            print::extrapolated(same.fnmr_extrapolated),
            work::grouped(same.split)
        ));
        lines.push(format!(
            "{} of them fall into groups that no pair at or above {:.4} connects, as captures of two people do",
            work::grouped(same.disagree),
            same.disagree_threshold
        ));
        lines.push(format!(
            "to expect by chance: {} of {} pairs of captures",
            print::rate(same.expected_chance_pairs),
            work::grouped(same.comparisons)
        ));
        lines.push(format!("list: {}", folder.file(SAME).display()));
    }
    if let Some(stale) = &answer.stale {
        for (scheme, of) in &stale.schemes {
            let scheme = if scheme.is_empty() { "(no scheme)" } else { scheme };
            lines.push(format!(
                "{}: {} of {} records without a verification for {} months before {}, {} of them never verified",
                super::super::outcome::one_line(scheme),
                work::grouped(of.stale),
                work::grouped(of.records),
                stale.months,
                stale.as_of,
                work::grouped(of.never_verified)
            ));
        }
        lines.push(format!("list: {}", folder.file(STALE).display()));
    }
    lines.join("\n")
}

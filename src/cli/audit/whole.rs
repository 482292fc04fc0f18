//! The audit of a whole gallery: what it is asked, and what it says meanwhile and at the end.

use super::super::settings::Settings;
use super::super::{Exit, Outcome, caller, print, version};
use super::calibration::calibration;
use super::input::{self, AuditInput, Reading};
use super::messages::{bytes, found, grouped, of_engine, stopped};
use super::plan::{self, AuditPlan};
use super::thumbnails::ThumbnailSource;
use super::watch::{AuditProgress, Watch};
use crate::audit::{
    AuditFile, AuditFolder, BegunAudit, Capture, Checkpoint, CommandLine, ReportOptions, Request, ThresholdAsked,
    Thumbnail,
};
use crate::face::Pack;

/// Audits.
pub(super) fn run(settings: &Settings, plan: &AuditPlan, folder: &AuditFolder, status: &AuditProgress) -> Outcome {
    let request = Request {
        source: plan.first.name(),
        against: plan.second.as_ref().map(AuditInput::name),
        gallery: plan.gallery(),
        sources: plan.sources().flat_map(AuditInput::paths).map(plan::from_root).collect(),
        command: CommandLine { line: command_line(), version: version::NUMBER.to_owned(), pack: pack_name(settings) },
        asked: plan.asked,
        filters: &plan.filters,
        since: plan.since.as_deref(),
        known: &plan.known,
        restart: plan.restart,
        sampled_max: plan.sample,
        pairs_max: plan.pairs_max,
        threads: settings.workers(),
        locale: plan.csv_locale,
        words: &of_engine,
        key: settings.derived_key(Checkpoint::KEY_PURPOSE)?,
    };
    let begun = BegunAudit::new(&caller::context("audit"), &request, folder).map_err(|e| stopped(&e))?;
    let reading = Reading { settings, cache: plan.cache.then(|| folder.file(AuditFile::Cache)) };
    let (collection, template_next) =
        input::load(plan.sources(), &reading, &plan.filters, |place| begun.before(place))?;
    let prepared = begun.loaded(&collection, template_next).map_err(|e| stopped(&e))?;
    let size = prepared.size();
    print::note(&format!(
        "{} templates of {} subjects: {} comparisons on {} threads, up to {} of memory",
        grouped(size.templates),
        grouped(size.subjects),
        grouped(size.comparisons),
        request.threads,
        bytes(size.bytes),
    ));
    let curve = match (calibration(settings, &collection), plan.asked) {
        (Err(failure), ThresholdAsked::Fmr(_)) => return Err(failure),
        (curve, _) => curve.ok(),
    };
    let photos = ThumbnailSource::of(plan, settings.limits);
    let thumbnail = |capture: &Capture| photos.as_ref().and_then(|photos| photos.thumbnail(capture));
    let thumbnail: Option<Thumbnail<'_>> = photos.is_some().then_some(&thumbnail);
    let report = ReportOptions { locale: plan.csv_locale, thumbnail };
    let results = prepared.run(curve.as_ref(), report, &mut Watch::new(status)).map_err(|e| stopped(&e))?;
    let summary = &results.summary;
    if plan.json {
        print::json(summary)?;
    } else {
        print::answer(&found(summary, &folder.page()))?;
    }
    Ok(if summary.pairs == 0 { Exit::Success } else { Exit::Negative })
}

/// The name of the model pack, where one is at hand; vectors are audited without.
fn pack_name(settings: &Settings) -> Option<String> {
    let pack = Pack::load(&settings.pack_folder().ok()?).ok()?;
    Some(pack.name().to_owned())
}

/// The command as it was typed, so that a shell takes it the same again.
fn command_line() -> String {
    let arguments = std::env::args_os().skip(1).map(|argument| quoted(&argument.to_string_lossy()));
    std::iter::once("chinhchu".to_owned()).chain(arguments).collect::<Vec<_>>().join(" ")
}

/// An argument as a shell takes it.
fn quoted(argument: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "-_./=:,+@%".contains(c);
    match !argument.is_empty() && argument.chars().all(is_plain) {
        true => argument.to_owned(),
        false => format!("'{}'", argument.replace('\'', "'\\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn an_argument_is_quoted_where_a_shell_would_take_it_for_more_than_one() {
        for (argument, expected) in [
            ("--out", "--out"),
            ("kho/người.csv", "kho/người.csv"),
            ("", "''"),
            ("a b", "'a b'"),
            ("a;rm -r *", "'a;rm -r *'"),
            ("it's", "'it'\\''s'"),
        ] {
            assert_eq!(quoted(argument), expected);
        }
    }
}

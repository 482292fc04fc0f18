//! `chinhchu chip`: what a card's chip holds and whether it is authentic, and
//! test cards.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::json;

use super::files::{self, Readers};
use super::settings::Settings;
use super::source::{anchors, best_photo};
use super::{Exit, Failure, GlobalArgs, Outcome, forge, outcome, photo, print, runtime};
use crate::chip::{CheckOptions, ChipFiles, Dg13Scope, Fields, Finding, Inspection, Verdict, inspect};

const EXAMPLES: &str = "\
Examples:
  chinhchu chip inspect card --csca csca
  chinhchu chip inspect card --csca master-list.ml --json | jq .verdict
  chinhchu chip inspect card --photo-out photo.jpg --show-personal
  chinhchu chip forge-test-card photo.jpg --out card
  chinhchu chip forge-test-card photo.jpg --out card --flaw altered-photo

A folder holds the files of one chip as they were read: EF.SOD, DG1, DG2, DG13 and
so on, recognised by their first tag, whatever their names. A folder with an EF.SOD
alone gets the verdict on its signature and certificates.

Verdicts: AUTHENTIC (signed, up to a country certificate of --csca), UNANCHORED
(consistent, but no country certificate vouches for it), UNTRUSTED (revoked,
expired, or a broken chain), ALTERED (a hash or signature is wrong), UNREADABLE.

Exit code: 0 AUTHENTIC or done, 1 any other verdict, 2 no chip files or wrong usage.";

/// What was typed.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ChipArgs {
    #[command(subcommand)]
    action: ChipAction,
}

#[derive(Debug, Subcommand)]
enum ChipAction {
    /// Check the files of a chip and show what they hold
    #[command(after_help = EXAMPLES)]
    Inspect(InspectArgs),
    /// Make a synthetic card, marked as a test in every certificate
    #[command(after_help = EXAMPLES)]
    ForgeTestCard(forge::ForgeArgs),
}

#[derive(Debug, Args)]
struct InspectArgs {
    /// Folder of the chip's files, or one of them
    #[arg(value_name = "DIR")]
    card: PathBuf,
    /// Country certificates: a file, a master list (.ml), or a folder of them [default: as configured]
    #[arg(long, value_name = "PATH")]
    csca: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Write the photo of DG2 to this file, for its owner alone
    #[arg(long, value_name = "FILE")]
    photo_out: Option<PathBuf>,
    /// Show names, numbers and dates of birth instead of stars, sensitive fields of DG13 included
    #[arg(long)]
    show_personal: bool,
}

/// Runs the command.
///
/// # Errors
/// What stands in the way, as a sentence with an exit code.
pub fn run(global: &GlobalArgs, args: ChipArgs) -> Outcome {
    runtime::start_log(global, runtime::TOOL_LOG)?;
    let settings = Settings::new(global)?;
    match args.action {
        ChipAction::Inspect(args) => inspect_card(&settings, &args),
        ChipAction::ForgeTestCard(args) => forge::run(&settings, args),
    }
}

fn inspect_card(settings: &Settings, args: &InspectArgs) -> Outcome {
    let anchors = anchors(args.csca.as_ref(), settings)?;
    let shown = args.card.display();
    let files = if args.card.is_dir() {
        ChipFiles::from_folder(&args.card).map_err(|e| Failure::new(format_args!("{shown}: {e}")))?
    } else {
        let bytes = photo::read(&args.card, settings.limits.encoded_bytes_max);
        ChipFiles::from_bytes([bytes.map_err(|e| Failure::new(format_args!("{shown}: {e}")))?])
    };
    if files.is_empty() {
        return Err(Failure::new(format_args!(
            "{shown}: no chip file (EF.SOD, DG1, DG2, …) is there; name the folder the chip was read into"
        )));
    }
    let (scope, fields) = if args.show_personal {
        (Dg13Scope::Everything, Fields::Revealed)
    } else {
        (Dg13Scope::Identity, Fields::Masked)
    };
    let card = inspect(&files, &anchors, &CheckOptions { scope, ..CheckOptions::default() });
    let written = match &args.photo_out {
        Some(path) => Some(write_photo(&card, path)?),
        None => None,
    };
    if args.json {
        let mut answer = card.to_json(fields);
        let skipped: Vec<String> = anchors.skipped().iter().map(ToString::to_string).collect();
        answer["csca_unreadable"] = json!(skipped);
        if let Some(signed) = written {
            answer["photo_out"] = json!({ "signed": signed });
        }
        print::json(&answer)?;
    } else {
        let mut shown = text(&card, fields, args.photo_out.as_ref().zip(written));
        if !anchors.skipped().is_empty() {
            let _ = write!(shown, "\n{} of the country certificates left out", anchors.skipped().len());
        }
        for skipped in anchors.skipped() {
            let _ = write!(shown, "\n  {}", outcome::one_line(&skipped.to_string()));
        }
        print::answer(&shown)?;
    }
    Ok(if card.verdict == Verdict::Authentic { Exit::Success } else { Exit::Negative })
}

/// Writes the photo; true where its hash is signed.
fn write_photo(card: &Inspection, path: &Path) -> Result<bool, Failure> {
    let photo = best_photo(card).ok_or_else(|| {
        Failure::new(format_args!("--photo-out {}: the chip has no photo that can be read", path.display()))
    })?;
    files::write(path, Readers::Owner, &photo.bytes)?;
    Ok(card.photo().is_some())
}

/// The inspection for people: verdict first, then why, then what is there.
fn text(card: &Inspection, fields: Fields, written: Option<(&PathBuf, bool)>) -> String {
    let answer = card.to_json(fields);
    let mut out = card.verdict.code().to_owned();
    for finding in &card.findings {
        // Writing to a string does not fail.
        let _ = write!(out, "\n  {}", finding_line(finding));
    }
    if !card.data_groups.is_empty() {
        out += "\ndata groups";
        for (number, state) in &card.data_groups {
            let _ = write!(out, "\n  DG{number:<3} {}", state.code().replace('_', " "));
        }
    }
    if let Some(signer) = &card.signer {
        let scheme = signer.scheme.as_deref().unwrap_or("signature does not hold");
        let _ = write!(out, "\nsigner\n  {}\n  issued by {}", signer.subject, signer.issuer);
        let _ = write!(out, "\n  serial {}, {}, {scheme}", signer.serial, signer.key);
        let _ = write!(out, "\n  valid {} to {}", signer.not_before, signer.not_after);
    }
    if let Some(anchor) = &card.anchor {
        let _ = write!(out, "\nanchor\n  {}", anchor.subject);
        let _ = write!(out, "\n  serial {}, {}, from {}", anchor.serial, anchor.key, anchor.source);
    }
    if let Some(photos) = card.dg2.as_ref().map(|dg2| &dg2.photos) {
        out += "\nphotos";
        for photo in photos {
            let format = photo.format.map_or_else(|| "unknown format".to_owned(), |f| format!("{f:?}").to_lowercase());
            let _ = write!(out, "\n  {format}, {} bytes, {:?}", photo.bytes.len(), photo.encoding);
        }
    }
    for (title, key) in [("machine-readable zone (DG1)", "mrz"), ("personal data (DG13)", "dg13")] {
        let Some(entries) = answer[key].as_object() else { continue };
        let _ = write!(out, "\n{title}");
        for (name, value) in entries {
            let shown = match value {
                serde_json::Value::Null => "-".to_owned(),
                serde_json::Value::String(text) => text.clone(),
                serde_json::Value::Array(all) if all.is_empty() => "-".to_owned(),
                serde_json::Value::Array(all) => {
                    all.iter().map(|one| one.as_str().unwrap_or("?").to_owned()).collect::<Vec<_>>().join("; ")
                }
                other => other.to_string(),
            };
            // What a chip says does not steer the terminal.
            let _ = write!(out, "\n  {:<22} {}", outcome::one_line(name), outcome::one_line(&shown));
        }
    }
    if let Some((path, signed)) = written {
        let note = if signed { "" } else { " (not authenticated)" };
        let _ = write!(out, "\nphoto written to {}{note}", path.display());
    }
    out
}

/// `CODE in DG2: sentence (detail)`.
pub(super) fn finding_line(finding: &Finding) -> String {
    let place = finding.group.map_or_else(String::new, |group| format!(" in DG{group}"));
    let detail = finding.detail.as_ref().map_or_else(String::new, |detail| format!(" ({detail})"));
    outcome::one_line(&format!("{}{place}: {}{detail}", finding.reason.code(), finding.reason.inspection_en()))
}

//! `chinhchu chip forge-test-card`: a synthetic card for integration tests and
//! demonstrations.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::settings::Settings;
use super::{Exit, Failure, Outcome, photo, print};
use crate::chip::{BirthDate, Date};
use crate::imaging::{self, Format};
use crate::tools::forge::{CardDraft, Flaw, HolderDraft};

/// What was typed.
#[derive(Debug, Args)]
pub struct ForgeArgs {
    /// Photo for DG2: JPEG or JPEG 2000
    #[arg(value_name = "PHOTO")]
    photo: PathBuf,
    /// Folder to write the chip's files into; must be new or empty
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// What is wrong with it; `--flaw list` names what can be
    #[arg(long, value_name = "NAME", value_parser = flaw)]
    flaw: Option<Flaw>,
    /// Citizen's number, twelve digits [default: one of a province that does not exist]
    #[arg(long, value_name = "DIGITS", value_parser = number)]
    number: Option<String>,
    /// Full name [default: NGUYỄN THỬ NGHIỆM]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Date of birth, as 1988-02-01
    #[arg(long, value_name = "DATE", value_parser = date)]
    birth_date: Option<Date>,
    /// Sex on the card: female instead of male
    #[arg(long)]
    female: bool,
    /// Keys come from this text: cards of one seed have one authority and one signer
    #[arg(long, value_name = "TEXT", default_value = "test")]
    seed: String,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

fn flaw(text: &str) -> Result<Flaw, String> {
    Flaw::from_name(text).ok_or_else(|| {
        let names: Vec<&str> = Flaw::ALL.into_iter().map(Flaw::name).collect();
        format!("the flaws are {}", names.join(", "))
    })
}

fn number(text: &str) -> Result<String, String> {
    if text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        Ok(text.to_owned())
    } else {
        Err("a citizen's number has twelve digits".to_owned())
    }
}

fn date(text: &str) -> Result<Date, String> {
    BirthDate::from_text(text).and_then(|date| date.full()).ok_or_else(|| "give a date as 1988-02-01".to_owned())
}

/// The answer.
#[derive(Serialize)]
struct ForgeAnswer {
    files: Vec<String>,
    csca: &'static str,
    flaw: Option<&'static str>,
}

/// Runs the command.
pub(super) fn run(settings: &Settings, args: ForgeArgs) -> Outcome {
    let shown = args.out.display().to_string();
    let fail = |why: &dyn std::fmt::Display| Failure::new(format_args!("--out {shown}: {why}"));
    let picture = photo::read(&args.photo, settings.limits.encoded_bytes_max)
        .map_err(|e| Failure::new(format_args!("photo {}: {e}", args.photo.display())))?;
    if !matches!(imaging::sniff(&picture), Some(Format::Jpeg | Format::Jp2 | Format::J2k)) {
        let path = args.photo.display();
        return Err(Failure::new(format_args!("photo {path}: not a JPEG or JPEG 2000, which is what chips hold")));
    }
    let taken = std::fs::read_dir(&args.out).is_ok_and(|mut entries| entries.next().is_some());
    if taken {
        return Err(fail(&"the folder is not empty; files of two cards must not mix, name a new one"));
    }
    let mut holder = HolderDraft { female: args.female, ..HolderDraft::nobody() };
    if let Some(number) = args.number {
        holder.number = number;
    }
    if let Some(birth) = args.birth_date {
        holder.birth = birth;
    }
    if let Some(name) = args.name {
        let plain = plain_capitals(&name);
        let Some((surname, given)) = plain.split_once(' ').or_else(|| (!plain.is_empty()).then_some((&*plain, "")))
        else {
            return Err(Failure::new("--name: give a name with letters"));
        };
        (holder.surname_plain, holder.given_plain) = (surname.to_owned(), given.to_owned());
        holder.name = name.to_uppercase();
    }
    let draft = CardDraft { holder, flaw: args.flaw, ..CardDraft::new(args.seed.as_bytes(), picture) };
    let card = draft.forge().map_err(Failure::new)?;
    card.write(&args.out).map_err(|e| fail(&e))?;
    let files: Vec<String> = card.files.iter().map(|(name, _)| name.clone()).collect();
    if args.json {
        print::json(&ForgeAnswer { files, csca: "csca", flaw: args.flaw.map(Flaw::name) })?;
    } else {
        let flaw = args.flaw.map_or_else(String::new, |flaw| format!(", flaw: {}", flaw.name()));
        print::answer(&format!(
            "a test card is in {shown}{flaw}; its authority in {}\nTEST - NOT GENUINE: never install that authority where people are served",
            args.out.join("csca").display()
        ))?;
    }
    Ok(Exit::Success)
}

/// Letters as a machine-readable zone has them: capitals without marks.
fn plain_capitals(name: &str) -> String {
    let letters: String = name
        .to_uppercase()
        .nfd()
        .filter(|c| !is_combining_mark(*c))
        .map(|c| match c {
            'Đ' => 'D',
            c if c.is_ascii_uppercase() => c,
            _ => ' ',
        })
        .collect();
    letters.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_has_capitals_without_marks() {
        assert_eq!(plain_capitals("Đặng  Thị Thuý-Ngân"), "DANG THI THUY NGAN");
        assert_eq!(plain_capitals(" 12 "), "");
    }

    #[test]
    fn every_flaw_has_a_name_and_a_wrong_one_is_told_all() {
        for known in Flaw::ALL {
            assert_eq!(flaw(known.name()), Ok(known));
        }
        assert!(flaw("list").unwrap_err().contains("altered-photo"));
    }
}

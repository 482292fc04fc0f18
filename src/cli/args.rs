//! What can be typed, and how wrong usage is answered: one line, exit code 2.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};

use super::options::GlobalArgs;
use super::{
    access, audit, backup, calibrate, case, chip, config_check, digest, embed, enroll, evaluate, gallery, identify,
    keys, ledger, models, outcome, print, remove, restore, serve, subject, verify, version,
};
use crate::typed;

const EXAMPLES: &str = "\
Examples:
  chinhchu verify card.jpg capture.jpg             is it the same person?
  chinhchu gallery init people
  chinhchu enroll person-1 photo.jpg --data people
  chinhchu identify capture.jpg --data people      who is it?
  chinhchu audit --data people --out audit         who is in it twice?
  chinhchu case list --waiting --data people       which cases wait for an officer?
  chinhchu chip inspect card --csca csca           is the card genuine?
  chinhchu serve --data people                     the same over gRPC
  chinhchu --config c.toml backup --to /mnt/backups
  chinhchu help verify                             more on one command

Exit codes:
  0  match, found, done
  1  no match, nothing found, a check failed, or some rows of a list failed
  2  wrong usage or unusable input, with one line on standard error";

/// Stands for the long answer until it is known that it is asked for.
const LONG_VERSION: &str = "(several lines)";

/// Is this person the one the card and the benefit belong to?
#[derive(Debug, Parser)]
#[command(name = "chinhchu", version, long_version = LONG_VERSION, after_help = EXAMPLES, max_term_width = 100, arg_required_else_help = false)]
struct Cli {
    #[command(flatten)]
    global: GlobalArgs,
    #[command(subcommand)]
    command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Compare a face with a reference photo (1:1)
    Verify(verify::VerifyArgs),
    /// Put people into a gallery
    Enroll(enroll::EnrollArgs),
    /// Take a person out of a gallery
    Remove(remove::RemoveArgs),
    /// Find whose face it is in a gallery (1:N)
    Identify(identify::IdentifyArgs),
    /// Turn the photos of a list into templates
    Embed(embed::EmbedArgs),
    /// Find every pair of records that share a face in a whole gallery
    Audit(Box<audit::AuditArgs>),
    /// Measure error rates on labelled photos
    Evaluate(evaluate::EvaluateArgs),
    /// Fit scores to error rates, for a model pack
    Calibrate(calibrate::CalibrateArgs),
    /// Answer over gRPC
    Serve(serve::ServeArgs),
    /// List, show or count who is enrolled
    Subject(subject::SubjectArgs),
    /// Show, list and answer decisions; look after cleared pairs
    Case(case::CaseArgs),
    /// Make a gallery, or say what one is
    Gallery(gallery::GalleryCommandArgs),
    /// Copy a gallery, sealed, while it is served or not; list, verify and take away such copies
    Backup(backup::BackupArgs),
    /// Make a gallery of a backup
    Restore(restore::RestoreArgs),
    /// Say what a transaction is called in a server's log
    Digest(digest::DigestArgs),
    /// Read and check the chip of a card
    Chip(chip::ChipArgs),
    /// Check a configuration, and say what is dangerous about it
    Config(config_check::ConfigArgs),
    /// Say who may call what
    Access(access::AccessArgs),
    /// The master key of sealing and what is sealed under it; certificates for trying out TLS
    Keys(keys::KeysArgs),
    /// What was done, provably: entries, receipts, checkpoints; and whether anybody changed the log
    Ledger(ledger::LedgerArgs),
    /// Look after model packs
    Models(models::ModelsArgs),
}

/// Parses what was typed. `Err` carries the exit code where there is nothing more
/// to do: help was asked for, or the usage is wrong.
///
/// # Errors
/// The exit code, after the usage, the help or the mistake was written.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<(GlobalArgs, Command), ExitCode> {
    let args = joined(args.into_iter().collect());
    match Cli::try_parse_from(&args) {
        Ok(cli) => Ok((cli.global, cli.command)),
        // -V is one line; what --version says is found out only when it is asked for.
        Err(error)
            if error.kind() == ErrorKind::DisplayVersion && error.render().to_string().contains(LONG_VERSION) =>
        {
            match print::answer(&version::answer(args)) {
                Ok(()) => Err(ExitCode::SUCCESS),
                Err(failure) => Err(outcome::finish(Err(failure))),
            }
        }
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            // As for any answer, a reader that went away is no error.
            let _ = error.print();
            Err(ExitCode::SUCCESS)
        }
        Err(error) => {
            print::note(&usage_line(&error, &args));
            Err(ExitCode::from(2))
        }
    }
}

/// A negative number joined with the option before it: `--fmr -1` as `--fmr=-1`. clap takes a word
/// with a minus sign for an option, and advises a `--` that would not help; the option's own
/// parser says what it takes. What follows `--` stays as it is.
fn joined(args: Vec<OsString>) -> Vec<OsString> {
    let is_negative = |arg: &OsString| {
        let rest = arg.to_str().and_then(|text| text.strip_prefix('-'));
        rest.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit() || c == '.') || is_infinite(rest))
    };
    let is_option = |arg: &OsString| {
        arg.to_str()
            .and_then(|text| text.strip_prefix("--"))
            .is_some_and(|name| !name.is_empty() && !name.contains('='))
    };
    let mut joined: Vec<OsString> = Vec::with_capacity(args.len());
    let mut all_are_values = false;
    for arg in args {
        all_are_values |= arg == "--";
        match joined.last_mut() {
            Some(option) if !all_are_values && is_negative(&arg) && is_option(option) => {
                option.push("=");
                option.push(arg);
            }
            _ => joined.push(arg),
        }
    }
    joined
}

/// Words that parsers of numbers take.
fn is_infinite(text: &str) -> bool {
    ["inf", "infinity", "nan"].iter().any(|word| text.eq_ignore_ascii_case(word))
}

/// clap's several lines (what, tips, usage) as one: what, then where to read on.
fn usage_line(error: &clap::Error, args: &[OsString]) -> String {
    if matches!(error.kind(), ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand) {
        return "no command given; `chinhchu --help` lists them".to_owned();
    }
    let text = error.render().to_string();
    let before_usage = text.split("\nUsage:").next().unwrap_or(&text);
    let before_usage = before_usage.split("\nFor more information").next().unwrap_or(before_usage);
    let what = outcome::one_line(before_usage.trim_start_matches("error: ")).replace(" tip: ", "; ");
    // `invalid value 'x' for '--workers <N>': ` is clap's, what follows the parser's.
    let what = match what.rsplit_once(">': ") {
        Some((about, why)) => format!("{about}>': {}", in_words(about, why)),
        None => what,
    };
    let command = command_in(args);
    format!("{what}; see `{command} --help`")
}

/// The command that was typed, as far as it is one: `chinhchu ledger show`.
fn command_in(args: &[OsString]) -> String {
    let whole = Cli::command();
    let (mut at, mut words) = (&whole, vec!["chinhchu"]);
    for arg in args.iter().skip(1).filter_map(|arg| arg.to_str()).take_while(|arg| *arg != "--") {
        if let Some(sub) = at.find_subcommand(arg) {
            words.push(sub.get_name());
            at = sub;
        }
    }
    words.join(" ")
}

/// What a parser of numbers says, for people; `about` names the value.
fn in_words(about: &str, why: &str) -> String {
    // A negative number is a whole number, too.
    if about.contains("invalid value '-") && why == "invalid digit found in string" {
        return "it takes a whole number, 0 or more".to_owned();
    }
    let range = why.split_once(" is not in ").and_then(|(found, range)| Some((found, range.split_once("..")?)));
    if let Some((found, (least, most))) = range {
        let most = most.trim_start_matches('=');
        let bound = match most.is_empty() || most == u64::MAX.to_string() {
            true => format!("is at least {least}"),
            false => format!("lies between {least} and {most}"),
        };
        return format!("{found} is out of range; it {bound}");
    }
    typed::plain(why)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(args: &[&str]) -> String {
        let args = joined(args.iter().map(OsString::from).collect());
        usage_line(&Cli::try_parse_from(&args).expect_err("wrong usage"), &args)
    }

    #[test]
    fn the_definitions_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn wrong_usage_is_one_line_with_a_way_on() {
        let cases: [(&[&str], &str); 10] = [
            (&["chinhchu"], "no command given; `chinhchu --help` lists them"),
            (
                &["chinhchu", "verify", "a.jpg"],
                "the following required arguments were not provided: <PROBE>...; see `chinhchu verify --help`",
            ),
            (
                &["chinhchu", "verfy"],
                "unrecognized subcommand 'verfy'; a similar subcommand exists: 'verify'; see `chinhchu --help`",
            ),
            (
                &["chinhchu", "verify", "a", "b", "--fmr", "2"],
                "invalid value '2' for '--fmr <RATE>': a false match rate lies between 1e-12 and 0.5, for example 1e-5; see `chinhchu verify --help`",
            ),
            (
                &["chinhchu", "serve", "--workers", "two"],
                "invalid value 'two' for '--workers <N>': it takes a whole number; see `chinhchu serve --help`",
            ),
            (
                &["chinhchu", "audit", "--stale", "0"],
                "invalid value '0' for '--stale <MONTHS>': 0 is out of range; it lies between 1 and 1200; see `chinhchu audit --help`",
            ),
            (
                &["chinhchu", "evaluate", "--people-min", "3"],
                "invalid value '3' for '--people-min <N>': 3 is out of range; it is at least 10; see `chinhchu evaluate --help`",
            ),
            (
                &["chinhchu", "remove", "--dta", "d", "x"],
                "unexpected argument '--dta' found; a similar argument exists: '--data'; see `chinhchu remove --help`",
            ),
            (
                &["chinhchu", "ledger", "show", "--tail", "3"],
                "unexpected argument '--tail' found; a similar argument exists: '--all'; see `chinhchu ledger show --help`",
            ),
            (
                &["chinhchu", "--log", "off", "keys", "export", "--share", "3"],
                "unexpected argument '--share' found; a similar argument exists: '--shares'; see `chinhchu keys export --help`",
            ),
        ];
        for (args, expected) in cases {
            assert_eq!(line(args), expected);
        }
    }

    /// `--fmr -1` was "unexpected argument '-1' found; to pass '-1' as a value, use '-- -1'".
    #[test]
    fn a_negative_number_reaches_the_option_it_follows() {
        for (args, said) in [
            (&["verify", "a", "b", "--fmr", "-1"][..], "a false match rate lies between"),
            (&["verify", "a", "b", "--fmr", "-1e-5"], "a false match rate lies between"),
            (&["verify", "a", "b", "--fmr", "-.5"], "a false match rate lies between"),
            (&["verify", "a", "b", "--fmr", "-inf"], "a false match rate lies between"),
            (&["identify", "a", "--fpir", "-0.01"], "a false positive identification rate lies between"),
            (&["identify", "a", "--nearest", "-3"], "ask for 1 to 1000 candidates"),
            (&["identify", "a", "--fpir", "0.1", "--limit", "-3"], "ask for 1 to 1000 candidates"),
            (&["serve", "--workers", "-2"], "it takes a whole number, 0 or more"),
            (&["audit", "--out", "o", "--score", "-1.5"], "a score lies between -1 and 1"),
            (&["audit", "--out", "o", "--expect-chance", "-1"], "a number of pairs lies between"),
            (&["audit", "--out", "o", "--stale", "-1"], "-1 is out of range; it lies between 1 and 1200"),
            (&["audit", "--out", "o", "--same", "--fnmr", "-1e-3"], "a false non-match rate lies between"),
            (&["audit", "show", "-1", "--out", "o"], "it takes a whole number, 0 or more"),
            (&["evaluate", "--replicates", "-100"], "it takes a whole number, 0 or more"),
            (&["evaluate", "--seed", "-1"], "it takes a whole number, 0 or more"),
            (&["calibrate", "--frames", "-1"], "-1 is out of range; it lies between 1 and 5"),
        ] {
            let told = line(&[&["chinhchu"], args].concat());
            assert!(told.contains(said) && !told.contains("-- "), "{args:?}: {told}");
        }
        let typed = |args: &[&str]| joined(args.iter().map(OsString::from).collect());
        assert_eq!(typed(&["x", "--score", "-0.5", "p"]), ["x", "--score=-0.5", "p"]);
        for untouched in [&["x", "--", "--fmr", "-1"][..], &["x", "--data", "-d"], &["x", "-1"], &["x", "--a=b", "-1"]]
        {
            assert_eq!(typed(untouched), *untouched);
        }
    }

    #[test]
    fn every_command_has_examples_in_its_help() {
        let mut command = Cli::command();
        for sub in command.get_subcommands_mut() {
            let name = sub.get_name().to_owned();
            let help = sub.render_help().to_string();
            assert!(help.contains("Examples:") && help.contains(&format!("chinhchu {name}")), "{name}:\n{help}");
        }
    }
}

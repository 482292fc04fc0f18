//! Options that every command takes, and how values are read that several take.

use std::path::PathBuf;

use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{Args, ValueEnum};

use crate::gallery::{LegalBasis, RequestId, Scheme, SubjectId};
use crate::matching::CurveChoice;
use crate::workflow::danger::{self, Rule};

/// Options every command takes. A flag goes before its environment variable,
/// that before the configuration file, that before the default.
#[derive(Debug, Clone, Default, Args)]
pub struct GlobalArgs {
    /// Folder of the model pack [default: models/default, here or near the program]
    #[arg(
        long,
        global = true,
        env = "CHINHCHU_PACK",
        value_name = "DIR",
        help_heading = "Engine",
        hide_env_values = true,
        value_parser = path()
    )]
    pub(super) pack: Option<PathBuf>,
    /// Folder of a second model pack, by which people are enrolled and searched for as well: for
    /// the time in which a gallery goes over from one pack to another
    #[arg(
        long,
        global = true,
        env = "CHINHCHU_SECOND_PACK",
        value_name = "DIR",
        help_heading = "Engine",
        hide_env_values = true,
        value_parser = path()
    )]
    pub(super) second_pack: Option<PathBuf>,
    /// ONNX Runtime library [default: .cache/onnxruntime, here or near the program, then the system's]
    #[arg(
        long,
        global = true,
        env = "CHINHCHU_ONNXRUNTIME",
        value_name = "FILE",
        help_heading = "Engine",
        hide_env_values = true,
        value_parser = path()
    )]
    pub(super) onnxruntime: Option<PathBuf>,
    /// Threads that look at photos [default: one per core, never more than there are photos]
    #[arg(long, global = true, value_name = "N", help_heading = "Engine")]
    pub(super) workers: Option<usize>,
    /// Whose error rates are stated: those of the group of people with the highest false match
    /// rate that the calibration can tell, or of all people it was fitted on [default:
    /// worst-group, or as configured]
    #[arg(long, global = true, value_enum, value_name = "CURVE", help_heading = "Engine")]
    pub(super) curve: Option<CurveArg>,
    /// Configuration file (TOML); `chinhchu help serve` shows one
    #[arg(
        long,
        global = true,
        env = "CHINHCHU_CONFIG",
        value_name = "FILE",
        help_heading = "General",
        hide_env_values = true,
        value_parser = path()
    )]
    pub(super) config: Option<PathBuf>,
    /// What to log to standard error: off, error, warn, info, debug, or a filter such as
    /// chinhchu=debug [default: info for serve, otherwise off]
    #[arg(
        long,
        global = true,
        env = "RUST_LOG",
        value_name = "FILTER",
        help_heading = "General",
        hide_env_values = true
    )]
    pub(super) log: Option<String>,
    /// How log lines look: for people, or one JSON object a line
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORMAT", help_heading = "General")]
    pub(super) log_format: LogFormat,
}

/// Which calibration curve.
// The variants have no doc comments: clap would make a paragraph of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum CurveArg {
    WorstGroup,
    Pooled,
}

impl From<CurveArg> for CurveChoice {
    fn from(typed: CurveArg) -> Self {
        match typed {
            CurveArg::WorstGroup => Self::WorstGroup,
            CurveArg::Pooled => Self::Pooled,
        }
    }
}

/// How log lines look.
// The variants have no doc comments: clap would make a paragraph of each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    #[default]
    Text,
    Json,
}

/// A path that may be empty: an environment variable set to nothing is as good as
/// one that is not set.
fn path() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().map(PathBuf::from)
}

/// A false match rate as typed.
pub(super) fn fmr(text: &str) -> Result<f64, String> {
    rate(text, 1e-12, "a false match rate lies between 1e-12 and 0.5, for example 1e-5")
}

/// A scheme as typed: its name.
pub(super) fn scheme(text: &str) -> Result<String, String> {
    Scheme::from_text(text)
        .map(|scheme| scheme.name().to_owned())
        .ok_or_else(|| format!("the schemes are {}", Scheme::NAMES))
}

/// The id of a subject, an officer or a clerk as typed.
pub(super) fn id(text: &str) -> Result<SubjectId, String> {
    SubjectId::new(text).map_err(|error| error.to_string())
}

/// A reference to a legal basis as typed.
pub(super) fn legal_basis(text: &str) -> Result<LegalBasis, String> {
    LegalBasis::new(text).map_err(|error| error.to_string())
}

/// A transaction as typed.
pub(super) fn transaction(text: &str) -> Result<RequestId, String> {
    let bad = |_| "a transaction's id is 1 to 128 printable ASCII characters without spaces".to_owned();
    RequestId::new(text).map_err(bad)
}

/// A false positive identification rate as typed.
pub(super) fn fpir(text: &str) -> Result<f64, String> {
    rate(text, 1e-9, "a false positive identification rate lies between 1e-9 and 0.5, for example 0.01")
}

fn rate(text: &str, least: f64, allowed: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if (least..=0.5).contains(&rate) => Ok(rate),
        _ => Err(allowed.to_owned()),
    }
}

/// A rule about dangerous set-ups by its code.
pub(super) fn rule(code: &str) -> Result<&'static Rule, String> {
    Rule::of(code).ok_or_else(|| {
        let unknown = format!("no rule about dangerous set-ups has the code {code}");
        match Rule::like(code) {
            Some(meant) => format!("{unknown}; did you mean {}?", meant.code),
            None => {
                let codes: Vec<&str> = danger::RULES.iter().map(|rule| rule.code).collect();
                format!("{unknown}; they are {}", codes.join(", "))
            }
        }
    })
}

//! `chinhchu models verify`: can a pack be loaded from its files? Asked of the code that
//! loads it, so that what is found right here is not refused there.

use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::super::settings::Settings;
use super::super::{Exit, Outcome, outcome, print};
use super::{CALIBRATION_TOML, manifest};
use crate::face::{Inspected, Manifest, Pack, PackError, Pipeline};
use crate::matching::{Calibration, CalibrationError, CurveChoice};

/// What is with a file of a pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Status {
    Ok,
    Missing,
    Altered,
    Unreadable,
    OtherRecipe,
    /// It is the file that is named, and makes no sense.
    Unusable,
}

impl Status {
    /// As it begins a line.
    fn label(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Missing => "MISSING",
            Self::Altered => "ALTERED",
            Self::Unreadable => "UNREADABLE",
            Self::OtherRecipe => "OTHER PACK",
            Self::Unusable => "UNUSABLE",
        }
    }
}

#[derive(Serialize)]
struct Checked {
    file: String,
    role: String,
    status: Status,
    /// What is wrong with it, and what to do.
    problem: Option<String>,
}

#[derive(Serialize)]
struct Verified {
    folder: PathBuf,
    name: String,
    ok: bool,
    files: Vec<Checked>,
    /// Whether ONNX Runtime took every network; `None` where it was not asked.
    networks_fit: Option<bool>,
    /// Why not, or why it was not asked.
    networks_problem: Option<String>,
}

pub(super) fn run(settings: &Settings, folder: &Path, json: bool) -> Outcome {
    let pack = manifest(folder)?;
    let mut files: Vec<Checked> = Pack::inspect(folder, &pack).into_iter().map(checked).collect();
    files.push(calibration(folder, &pack));
    let right = files.iter().all(|f| f.status == Status::Ok);
    let (networks_fit, networks_problem) = match right.then(|| fit(settings, folder)) {
        None => (None, None),
        Some(Ok(())) => (Some(true), None),
        Some(Err(problem @ PackError::Runtime { .. })) => (None, Some(problem.to_string())),
        Some(Err(problem)) => (Some(false), Some(problem.to_string())),
    };
    let ok = right && networks_fit != Some(false);
    let verified = Verified { folder: folder.to_owned(), name: pack.name, ok, files, networks_fit, networks_problem };
    if json {
        print::json(&verified)?
    } else {
        print::answer(&verified.text())?
    }
    Ok(if verified.ok { Exit::Success } else { Exit::Negative })
}

/// Makes sessions of the networks, as whoever uses the pack does.
fn fit(settings: &Settings, folder: &Path) -> Result<(), PackError> {
    Pipeline::inspect(&Pack::load(folder)?, settings.pool(1).onnxruntime.as_deref())
}

fn checked(Inspected { file, role, fault }: Inspected) -> Checked {
    let status = match &fault {
        None => Status::Ok,
        Some(PackError::MissingFile { .. } | PackError::MissingQuality { .. }) => Status::Missing,
        Some(PackError::UnreadableFile { .. }) => Status::Unreadable,
        Some(PackError::AlteredFile { .. }) => Status::Altered,
        Some(PackError::QualityOfAnotherRecipe { .. }) => Status::OtherRecipe,
        Some(_) => Status::Unusable,
    };
    Checked { file, role, status, problem: fault.map(|fault| fault.to_string()) }
}

/// The calibration as the engine takes it: it answers a comparison of single photos.
fn calibration(folder: &Path, pack: &Manifest) -> Checked {
    let loaded = Calibration::load(&folder.join(CALIBRATION_TOML), pack.recipe());
    let answers = loaded.and_then(|calibration| calibration.curve(CurveChoice::default(), 1).map(drop));
    let status = match &answers {
        Ok(()) => Status::Ok,
        Err(CalibrationError::OtherRecipe { .. }) => Status::OtherRecipe,
        Err(CalibrationError::Unreadable { source, .. }) => match source.kind() {
            io::ErrorKind::NotFound => Status::Missing,
            _ => Status::Unreadable,
        },
        Err(CalibrationError::NoCurve(_)) => Status::Unusable,
        Err(_) => Status::Altered,
    };
    let problem = answers.err().map(|problem| problem.to_string());
    Checked { file: CALIBRATION_TOML.to_owned(), role: "calibration".to_owned(), status, problem }
}

impl Checked {
    fn line(&self) -> String {
        let Self { file, role, status, problem } = self;
        match problem {
            None => format!("{:<11} {file}", status.label()),
            Some(problem) => format!("{:<11} {file} ({role}): {}", status.label(), outcome::one_line(problem)),
        }
    }
}

impl Verified {
    fn text(&self) -> String {
        let mut lines: Vec<String> = self.files.iter().map(Checked::line).collect();
        lines.extend(self.networks_problem.as_ref().map(|problem| match self.networks_fit {
            Some(_) => format!("{:<11} {}", Status::Unusable.label(), outcome::one_line(problem)),
            None => format!("not known whether the networks fit pack.toml: {}", outcome::one_line(problem)),
        }));
        let verdict = if self.ok { "all files are right" } else { "this pack cannot be used as it is" };
        lines.push(format!("{}: {verdict}", outcome::one_line(&self.name)));
        lines.join("\n")
    }
}

//! The folder of an audit: one module that knows which files are in it and how they are written
//! and read. A run writes them once ([`AuditFolder`]); whoever comes back to an audit opens it as
//! typed results ([`open`]).

mod earlier;
mod error;
mod folder;
mod format;
mod runs;
#[cfg(test)]
mod tests;

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use self::error::AuditStoreError;
pub use self::folder::{AuditFile, AuditFolder, ReportOptions};
use super::findings::{Findings, PairFinding};
use super::ids::{IdKey, IdKeyError, StableId};
use super::measure::{MeasuredPrecision, PairOutcome};
use super::results::{LinkFound, Results, Summary};

const LOCK: &str = "lock";
/// The results, for programs.
const RESULTS: &str = "audit.results";
/// Template pairs found, for people.
const PAIRS: &str = "pairs.csv";
/// Rings found, for people.
const RINGS: &str = "rings.csv";
/// Pairs found and cleared, for people.
const CLEARED: &str = "cleared.csv";
/// What came and went since the earlier run, for people.
const CHANGES: &str = "changes.csv";
/// The page.
const PAGE: &str = "index.html";
/// Written last: where it is, the audit is finished.
const SUMMARY: &str = "summary.json";
const INPUTS: &str = "inputs.json";
const FINDINGS: &str = "findings.log";
/// The key of stable ids.
const ID_KEY: &str = "ids.key";
/// Earlier runs, each in a folder of its own that is named for when it finished.
const RUNS: &str = "runs";

/// What an audit was of, for those who come back to it.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditInputs {
    /// Folder of the gallery, where it was one.
    pub gallery: Option<PathBuf>,
    /// Every folder and file that was audited; none in folders of earlier programs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<PathBuf>,
}

/// A finished audit, as its folder holds it.
#[derive(Debug)]
pub struct KeptAudit {
    folder: PathBuf,
    /// What it was of.
    pub inputs: AuditInputs,
    /// What it found, and what it left out.
    pub results: Results,
    /// What investigators found, also after it ended.
    pub findings: Findings,
    /// The key of stable ids, where there is one.
    pub key: Option<IdKey>,
}

impl KeptAudit {
    /// The stable id of two records, whether the audit found them or not; absent where no run has
    /// given ids yet.
    pub fn pair_id(&self, one: &str, other: &str) -> Option<StableId> {
        self.key.as_ref().map(|key| key.pair(one, other))
    }

    /// What an investigator found of the two records of a link.
    pub fn finding(&self, link: &LinkFound) -> Option<PairOutcome> {
        self.results.finding(link, &self.findings)
    }

    /// How precise the audit was, going by what investigators found.
    pub fn measure(&self) -> MeasuredPrecision {
        self.results.measure(&self.findings)
    }

    /// Keeps a finding for this audit and those after it; `false` where the same was known.
    ///
    /// # Errors
    /// Where it cannot be kept.
    pub fn record(&self, finding: &PairFinding) -> Result<bool, AuditStoreError> {
        Ok(Findings::record(&findings_file(&self.folder, self.inputs.gallery.as_deref()), finding)?)
    }
}

/// Opens the finished audit in a folder. What programs found that kept tables alone is read from
/// these.
///
/// # Errors
/// [`AuditStoreError`]: nothing there, not finished, damaged, or of two runs.
pub fn open(folder: &Path) -> Result<KeptAudit, AuditStoreError> {
    let results = results(folder)?;
    let inputs = kept_inputs(folder)?;
    let folder = runs::audit_folder(folder);
    let findings = Findings::read(&findings_file(&folder, inputs.gallery.as_deref()))?;
    let key = read_key(&folder, inputs.gallery.as_deref())?;
    Ok(KeptAudit { folder, inputs, results, findings, key })
}

/// The results of the finished audit in a folder.
fn results(folder: &Path) -> Result<Results, AuditStoreError> {
    let Some(results) = format::read(&folder.join(RESULTS))? else {
        return earlier::open(folder);
    };
    // A program that knows no results may have audited something else here since.
    match summary(folder)? {
        Some(summary) if summary == results.summary => Ok(results),
        Some(_) => Err(AuditStoreError::TwoRuns { folder: folder.to_owned() }),
        None => Err(AuditStoreError::NotFinished { folder: folder.to_owned() }),
    }
}

/// `summary.json`; `None` where it is not there.
fn summary(folder: &Path) -> Result<Option<Summary>, AuditStoreError> {
    let path = folder.join(SUMMARY);
    match fs::read(&path) {
        Ok(bytes) => match serde_json::from_slice(&bytes) {
            Ok(summary) => Ok(Some(summary)),
            // What the library says of it may quote it.
            Err(_) => Err(AuditStoreError::Unreadable { path, what: "it is no summary of an audit".to_owned() }),
        },
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(AuditStoreError::Io { path, source }),
    }
}

/// What the finished audit in a folder was of, and its figures.
///
/// # Errors
/// As [`open`].
pub(super) fn kept(folder: &Path) -> Result<(AuditInputs, Summary), AuditStoreError> {
    let finished = summary(folder)?.ok_or_else(|| AuditStoreError::NotFinished { folder: folder.to_owned() })?;
    Ok((kept_inputs(folder)?, finished))
}

/// What the audit in a folder was of.
fn kept_inputs(folder: &Path) -> Result<AuditInputs, AuditStoreError> {
    let path = folder.join(INPUTS);
    let unknown = |what: String| AuditStoreError::NoAudit { path: path.clone(), what };
    let bytes = fs::read(&path).map_err(|e| unknown(e.to_string()))?;
    serde_json::from_slice(&bytes).map_err(|e| unknown(e.to_string()))
}

/// Where findings of an audit are kept: with the gallery, so that every later audit of it
/// knows them; else with the audit.
pub(super) fn findings_file(folder: &Path, gallery: Option<&Path>) -> PathBuf {
    gallery.unwrap_or(folder).join(FINDINGS)
}

/// The findings of the audit in a folder.
///
/// # Errors
/// Where the folder holds no audit, or the findings are damaged.
pub(super) fn findings_of(folder: &Path) -> Result<Findings, AuditStoreError> {
    let inputs = kept_inputs(folder)?;
    Ok(Findings::read(&findings_file(&runs::audit_folder(folder), inputs.gallery.as_deref()))?)
}

/// The key of stable ids: the gallery's, so that every audit of it gives the same ids, else the
/// audit's.
///
/// # Errors
/// Where it is damaged.
pub(super) fn read_key(folder: &Path, gallery: Option<&Path>) -> Result<Option<IdKey>, AuditStoreError> {
    for folder in gallery.into_iter().chain([folder]) {
        if let Some(key) = IdKey::read(&folder.join(ID_KEY))? {
            return Ok(Some(key));
        }
    }
    Ok(None)
}

/// The same, made where there is none yet; of an audit without a gallery it is that of the first of
/// the `earlier` audits that has one, so that pairs have the same ids in either.
///
/// # Errors
/// Where it is damaged, or cannot be made.
pub(super) fn key(folder: &Path, gallery: Option<&Path>, earlier: &[&Path]) -> Result<IdKey, AuditStoreError> {
    let mut wanted = IdKey::read(&folder.join(ID_KEY))?;
    if let Some(gallery) = gallery {
        use std::io::ErrorKind::{NotFound, PermissionDenied, ReadOnlyFilesystem};
        match IdKey::read_or_make(&gallery.join(ID_KEY), wanted.clone()) {
            // Whoever may only read the gallery has ids of their own.
            Err(IdKeyError::Io { source, .. })
                if matches!(source.kind(), NotFound | PermissionDenied | ReadOnlyFilesystem) => {}
            made => return Ok(made?),
        }
    }
    for earlier in earlier.iter().filter(|_| gallery.is_none()) {
        if wanted.is_none() {
            wanted = read_key(&runs::audit_folder(earlier), kept_inputs(earlier)?.gallery.as_deref())?;
        }
    }
    Ok(IdKey::read_or_make(&folder.join(ID_KEY), wanted)?)
}

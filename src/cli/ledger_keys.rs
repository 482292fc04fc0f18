//! The keys of the transparency log, as the configuration names them, and how the log is opened.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Failure;
use super::config::{LedgerSection, Origin};
use super::settings::whole;
use crate::gallery::{self, LedgerHead, LedgerSetup};
use crate::ledger::entry::{LedgerKey, LedgerKeyError};
use crate::ledger::note::{Algorithm, KeyError, KeyName, SigningKey};

/// Longest time that contents may be kept for, in days.
const RETENTION_DAYS_MAX: u32 = 36_500;

/// `[ledger]`, checked.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct LedgerSettings {
    /// The log's name.
    pub origin: KeyName,
    /// Signs checkpoints.
    pub signing_key: PathBuf,
    /// The key that signed until now, over a change of keys.
    pub replaces: Option<PathBuf>,
    /// Under which transactions and subjects are named.
    pub digest_key: PathBuf,
    /// For how many days contents are kept; `None` for ever.
    pub retention_days: Option<u32>,
}

impl LedgerSettings {
    pub(super) fn new(section: LedgerSection) -> Result<Self, Failure> {
        let LedgerSection { origin, signing_key, replaces, digest_key, retention_days } = section;
        let origin: KeyName =
            origin.parse().map_err(|why| Failure::new(format_args!("ledger.origin is no name of a log: {why}")))?;
        let retention_days = whole("ledger.retention_days", retention_days, 1, RETENTION_DAYS_MAX)
            .map_err(|failure| Failure::new(format_args!("{failure}; leave it out to keep contents for ever")))?;
        let paths = [Some(&signing_key), replaces.as_ref(), Some(&digest_key)];
        let named: Vec<_> = paths.into_iter().flatten().collect();
        if (1..named.len()).any(|at| named[..at].contains(&named[at])) {
            return Err(Failure::new(
                "ledger.signing_key, replaces and digest_key are files of their own, each another",
            ));
        }
        Ok(Self { origin, signing_key, replaces, digest_key, retention_days })
    }

    /// With what a gallery in this folder is opened by a command, which signs what it enters. Where
    /// none keeps a log there yet, keys that are not there are made.
    pub(super) fn setup(&self, folder: &Path, origin: &Origin) -> Result<LedgerSetup, Failure> {
        if gallery::keeps_ledger(folder).map_err(Failure::new)? {
            return self.kept(origin);
        }
        let signing = match self.signing_key(origin) {
            Err(_) if is_missing(&self.signing_key) => {
                let made = SigningKey::create(&self.signing_key, self.origin.clone(), Algorithm::Ed25519);
                Arc::new(made.map_err(|error| origin.blame("ledger.signing_key", error))?)
            }
            read => read?,
        };
        let key = LedgerKey::load_or_create(&self.digest_key).map_err(|error| self.blame_digests(error, origin))?;
        Ok(LedgerSetup { key, begin_with: Some(signing.verifier().clone()), sign_at_once: vec![signing] })
    }

    /// With what a log that has begun is kept; no key is made.
    pub(super) fn kept(&self, origin: &Origin) -> Result<LedgerSetup, Failure> {
        let key = LedgerKey::load(&self.digest_key).map_err(|error| self.blame_digests(error, origin))?;
        let mut sign_at_once = vec![self.signing_key(origin)?];
        sign_at_once.extend(self.replaced_key(origin)?);
        Ok(LedgerSetup { key, begin_with: None, sign_at_once })
    }

    fn blame_digests(&self, error: LedgerKeyError, origin: &Origin) -> Failure {
        origin.blame("ledger.digest_key", format_args!("{} (ledger.digest_key): {error}", self.digest_key.display()))
    }

    /// The key that signs.
    pub(super) fn signing_key(&self, origin: &Origin) -> Result<Arc<SigningKey>, Failure> {
        self.key_of(&self.signing_key)
            .map_err(|why| origin.blame("ledger.signing_key", format_args!("ledger.signing_key: {why}")))
    }

    /// The key that signed until now, where one is named.
    pub(super) fn replaced_key(&self, origin: &Origin) -> Result<Option<Arc<SigningKey>>, Failure> {
        let Some(path) = &self.replaces else { return Ok(None) };
        self.key_of(path).map(Some).map_err(|why| origin.blame("ledger.replaces", why))
    }

    fn key_of(&self, path: &Path) -> Result<Arc<SigningKey>, String> {
        let key = SigningKey::read(path).map_err(|error: KeyError| error.to_string())?;
        let found = key.verifier();
        if *found.name() != self.origin || found.algorithm() != Algorithm::Ed25519 {
            return Err(format!(
                "{} is a key of {}, and ledger.origin is {}",
                path.display(),
                found.name(),
                self.origin
            ));
        }
        Ok(Arc::new(key))
    }

    /// Whether a log is the one that is configured.
    pub(super) fn check_origin(&self, head: &LedgerHead, origin: &Origin) -> Result<(), Failure> {
        match *head.origin() == self.origin {
            true => Ok(()),
            false => Err(origin.blame(
                "ledger.origin",
                format_args!(
                    "the gallery's log was begun as {}, and a log keeps its name; write that one here",
                    head.origin()
                ),
            )),
        }
    }
}

impl LedgerSettings {
    /// Whether the signing key lies in the gallery's folder.
    pub(super) fn lies_with_data(&self, data: &Path) -> bool {
        let whole = |path: &Path| path.canonicalize().ok();
        whole(&self.signing_key).zip(whole(data)).is_some_and(|(key, data)| key.starts_with(data))
    }

    /// Files that nothing else may be written over.
    pub(super) fn files(&self) -> impl Iterator<Item = &PathBuf> {
        [&self.signing_key, &self.digest_key].into_iter().chain(&self.replaces)
    }
}

fn is_missing(path: &Path) -> bool {
    path.symlink_metadata().is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}

//! Where a log is read: a gallery in a folder, or the server that has it open; and which of its keys
//! is trusted.

use std::path::{Path, PathBuf};

use crate::cli::backend::Place;
use crate::cli::settings::Settings;
use crate::cli::{Failure, caller, galleries};
use crate::context::RequestContext;
use crate::gallery::{self, EmbeddedOptions, Gallery, GalleryError, LedgerTables, Look};
use crate::ledger::checkpoint::Checkpoint;
use crate::ledger::entry::Kind;
use crate::ledger::key_change::LogKeys;
use crate::ledger::note::{NOTE_BYTES_MAX, Note, VerifierKey};
use crate::ledger::receipt::{RECEIPT_BYTES_MAX, Receipt};
use crate::ledger::verify::Leaf;
use crate::regular;
use crate::service::Client;
use crate::workflow::beneficiary::{ListPage, PageRequest};
use crate::workflow::ledger::{EntryFilter, LedgerReader, ProofOf, ProvenEntry, SignedLedger};

/// A log whose entries are read one by one; that it is, is entered.
pub(super) enum LedgerSource {
    Folder { gallery: Box<Gallery>, context: RequestContext },
    Server(Box<Client>),
}

impl LedgerSource {
    pub(super) async fn open(command: &'static str, settings: &Settings, place: &Place) -> Result<Self, Failure> {
        match place {
            Place::Server(server) => Ok(Self::Server(Box::new(server.connect().await?))),
            Place::Folder(folder) => {
                let gallery =
                    galleries::open(folder, settings).map_err(|failure| settings.blame_folder(folder, failure))?;
                if !gallery.has_ledger() {
                    return Err(Failure::new(GalleryError::NoLedger));
                }
                // What a server that was killed has left to be signed.
                gallery.sign_entered().await.map_err(Failure::new)?;
                Ok(Self::Folder { gallery: Box::new(gallery), context: caller::context(command) })
            }
        }
    }

    pub(super) async fn entries(&self, filter: &EntryFilter, page: PageRequest) -> Result<ListPage<Leaf>, Failure> {
        match self {
            Self::Folder { gallery, context } => {
                LedgerReader::new(gallery).entries(context, filter, &page).await.map_err(Failure::new)
            }
            Self::Server(client) => client.entries(filter.clone(), page).await.map_err(Failure::new),
        }
    }

    /// The receipt; `None` where there is no such decision or entry.
    pub(super) async fn prove(&self, of: ProofOf) -> Result<Option<ProvenEntry>, Failure> {
        use crate::workflow::reason::Reason;
        let unknown = [Reason::TransactionUnknown, Reason::AttemptUnknown, Reason::EntryUnknown];
        match self {
            Self::Folder { gallery, context } => {
                // Nobody signs here but this command, which has.
                if let ProofOf::Entry(index) = of
                    && index >= gallery.ledger_head().await.map_err(Failure::new)?.signed()
                {
                    return Ok(None);
                }
                match LedgerReader::new(gallery).prove(context, of).await {
                    Ok(proven) => Ok(Some(proven)),
                    Err(error) if unknown.contains(&Reason::of(&error)) => Ok(None),
                    Err(error) => Err(Failure::new(error)),
                }
            }
            Self::Server(client) => match client.prove(of).await {
                Ok(proven) => Ok(Some(proven)),
                Err(error) if unknown.iter().any(|reason| reason.code() == error.reason) => Ok(None),
                Err(error) => Err(Failure::new(error)),
            },
        }
    }

    /// Enters that entries were written out. A server enters each page that it hands on.
    pub(super) async fn exported(&self, records: usize) -> Result<(), Failure> {
        let Self::Folder { gallery, context } = self else { return Ok(()) };
        let look = Look::new(Kind::Export).of_records(records);
        gallery.enter_look(context, look).await.map_err(Failure::new)
    }

    pub(super) async fn checkpoint(&self, since: Option<u64>) -> Result<SignedLedger, Failure> {
        match self {
            Self::Folder { gallery, context } => {
                LedgerReader::new(gallery).checkpoint(context, since).await.map_err(Failure::new)
            }
            Self::Server(client) => client.checkpoint(since).await.map_err(Failure::new),
        }
    }
}

/// Reads the log of a gallery that nobody has open, without its keys and without entering it: a copy,
/// or one whose server is stopped.
pub(super) fn read_folder<T>(
    folder: &Path,
    settings: &Settings,
    read: impl FnOnce(&dyn LedgerTables) -> Result<T, Trouble>,
) -> Result<T, Failure> {
    let mut read = Some(read);
    let mut answer = None;
    // The keys of a sealed gallery, without which its entries cannot be read; not those of the log.
    let options = EmbeddedOptions { sealing: settings.sealing_options(folder)?, ..EmbeddedOptions::default() };
    let done = gallery::read_ledger_at(folder, &options, &mut |tables| {
        let Some(read) = read.take() else { return Ok(()) };
        match read(tables) {
            Err(Trouble::Gallery(error)) => Err(error),
            other => {
                answer = Some(other.map_err(|trouble| match trouble {
                    Trouble::Told(failure) => failure,
                    Trouble::Gallery(error) => Failure::new(error),
                }));
                Ok(())
            }
        }
    });
    done.map_err(|error| settings.blame_folder(folder, Failure::new(error)))?;
    answer.ok_or_else(|| Failure::new("the log was not read; this is a defect of chinhchu"))?
}

/// Why a log that is read gives no answer.
pub(super) enum Trouble {
    /// It cannot be read.
    Gallery(GalleryError),
    /// Something else stands in the way.
    Told(Failure),
}

impl From<GalleryError> for Trouble {
    fn from(error: GalleryError) -> Self {
        Self::Gallery(error)
    }
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Told(failure)
    }
}

/// The key that is trusted: typed, or that of the configuration.
pub(super) fn trusted(settings: &Settings, typed: Option<&VerifierKey>) -> Result<Option<VerifierKey>, Failure> {
    match (typed, &settings.ledger) {
        (Some(key), _) => Ok(Some(key.clone())),
        (None, Some(ledger)) => Ok(Some(ledger.signing_key(&settings.origin)?.verifier().clone())),
        (None, None) => Ok(None),
    }
}

/// A verifier key as typed.
pub(super) fn key(text: &str) -> Result<VerifierKey, String> {
    text.trim().parse().map_err(|why| format!("a verifier key is one line, NAME+ID+BASE64: {why}"))
}

/// The checkpoint in a file that was kept elsewhere: a checkpoint, or a receipt, verified by the keys
/// of the log.
pub(super) fn kept(path: &Path, keys: &LogKeys) -> Result<Checkpoint, Failure> {
    let failed = |why: &dyn std::fmt::Display| Failure::new(format_args!("{}: {why}", path.display()));
    let bytes = read(path)?;
    let note = match Receipt::parse(&bytes) {
        Ok(receipt) => receipt.checkpoint,
        Err(_) => Note::parse(&bytes).map_err(|why| failed(&format_args!("no checkpoint and no receipt: {why}")))?,
    };
    keys.verify(&note).map_err(|why| failed(&why))
}

/// The note in a file.
pub(super) fn note(path: &Path) -> Result<Note, Failure> {
    Note::parse(&read(path)?).map_err(|why| Failure::new(format_args!("{}: no checkpoint: {why}", path.display())))
}

pub(super) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let most = (RECEIPT_BYTES_MAX.max(NOTE_BYTES_MAX)) as u64;
    regular::read(path, most).map_err(|why| Failure::new(format_args!("cannot read {}: {why}", path.display())))
}

/// Writes an answer to standard output, or whole into a file.
pub(super) fn write(out: Option<&PathBuf>, text: &str, settings: &Settings, place: &Place) -> Result<(), Failure> {
    match out {
        None => crate::cli::print::part(text).map(drop),
        Some(path) => {
            check_out(path, settings, place)?;
            crate::private::write(path, crate::private::Readers::All, text.as_bytes())
                .map_err(|why| Failure::new(format_args!("cannot write {}: {why}", path.display())))
        }
    }
}

/// Refuses a path at which something lies that must not be lost: a file is replaced, whatever it is.
pub(super) fn check_out(path: &Path, settings: &Settings, place: &Place) -> Result<(), Failure> {
    let refuse = |why: &str| Err(Failure::new(format_args!("{}: {why}; name another file", path.display())));
    match path.symlink_metadata() {
        Ok(there) if !there.is_file() => return refuse("it is there and no plain file"),
        _ => {}
    }
    let whole = |path: &Path| std::path::absolute(path).ok().map(|path| path.canonicalize().unwrap_or(path));
    let Some(target) = whole(path) else { return refuse("it is no path") };
    let folder = target.parent().and_then(|parent| parent.canonicalize().ok());
    let data = match place {
        Place::Folder(data) => Some(data),
        Place::Server(_) => settings.data.as_ref(),
    };
    if data
        .and_then(|data| data.canonicalize().ok())
        .is_some_and(|data| folder.is_some_and(|folder| folder.starts_with(data)))
    {
        return refuse("it lies in the gallery's folder");
    }
    let kept = settings.ledger.iter().flat_map(|ledger| ledger.files());
    let config = settings.origin.path();
    match kept.map(|path| path.as_path()).chain([config]).any(|kept| whole(kept).as_ref() == Some(&target)) {
        true => refuse("it is a key of the log, or the configuration"),
        false => Ok(()),
    }
}

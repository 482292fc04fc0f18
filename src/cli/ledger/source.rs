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
    pub(super) async fn open(settings: &Settings, place: &Place) -> Result<Self, Failure> {
        match place {
            Place::Server(server) => Ok(Self::Server(Box::new(server.connect().await?))),
            Place::Folder(folder) => {
                let gallery =
                    galleries::open(folder, settings).map_err(|failure| settings.blame_folder(folder, failure))?;
                if !gallery.has_ledger() {
                    return Err(Failure::new(GalleryError::NoLedger));
                }
                let source = Self::Folder { gallery: Box::new(gallery), context: caller::context("ledger") };
                source.sequence(settings).await?;
                Ok(source)
            }
        }
    }

    /// Signs what a server that has ended, or a command, has left to be signed, where the key is at
    /// hand.
    async fn sequence(&self, settings: &Settings) -> Result<(), Failure> {
        let (Self::Folder { gallery, .. }, Some(ledger)) = (self, &settings.ledger) else { return Ok(()) };
        match ledger.signing_key(&settings.origin) {
            Ok(key) => gallery.sequence(&key).await.map(drop).map_err(Failure::new),
            // What is signed already can be read without it.
            Err(_) => Ok(()),
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
    read: impl FnOnce(&dyn LedgerTables) -> Result<T, GalleryError>,
) -> Result<T, Failure> {
    let mut read = Some(read);
    let mut answer = None;
    let done = gallery::read_ledger_at(folder, &EmbeddedOptions::default(), &mut |tables| {
        if let Some(read) = read.take() {
            answer = Some(read(tables)?);
        }
        Ok(())
    });
    let failed = |error| settings.blame_folder(folder, Failure::new(error));
    done.map_err(failed)?;
    answer.ok_or_else(|| Failure::new("the log was not read; this is a defect of chinhchu"))
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

pub(super) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let most = (RECEIPT_BYTES_MAX.max(NOTE_BYTES_MAX)) as u64;
    regular::read(path, most).map_err(|why| Failure::new(format_args!("cannot read {}: {why}", path.display())))
}

/// Writes an answer to standard output, or whole into a file.
pub(super) fn write(out: Option<&PathBuf>, text: &str) -> Result<(), Failure> {
    match out {
        None => crate::cli::print::part(text).map(drop),
        Some(path) => crate::private::write(path, crate::private::Readers::All, text.as_bytes())
            .map_err(|why| Failure::new(format_args!("cannot write {}: {why}", path.display()))),
    }
}

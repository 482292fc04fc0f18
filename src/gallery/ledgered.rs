//! A gallery's transparency log at work: entering, sequencing, changing keys, pruning and reading.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};

use super::entries::Look;
use super::ledger::{LedgerHead, LedgerTables, NewEntry, entry_of};
use super::rules::{Command, Signer};
use super::{Gallery, GalleryError, Timestamp};
use crate::context::RequestContext;
use crate::ledger::entry::{Digest, Entry, Kind, LedgerKey};
use crate::ledger::note::SigningKey;

/// How often the sequencer looks for entries that were entered elsewhere.
const LOOK_FOR_ENTRIES_EVERY: Duration = Duration::from_millis(500);

/// What a gallery has of its log in memory.
pub(super) struct Ledger {
    pub(super) key: LedgerKey,
    /// Told when something was entered.
    entered: Notify,
    /// How many entries the newest checkpoint covers that was signed here.
    signed: watch::Sender<u64>,
    /// Sign every entry at once: one of them is the log's key.
    sign_at_once: Vec<Arc<SigningKey>>,
}

impl Ledger {
    pub(super) fn new(key: LedgerKey) -> Self {
        Self { key, entered: Notify::new(), signed: watch::Sender::new(0), sign_at_once: Vec::new() }
    }
}

impl Gallery {
    /// The same gallery, whose store keeps a transparency log under this key: everything that is
    /// done is entered there, together with it.
    #[must_use]
    pub fn with_ledger(mut self, key: LedgerKey) -> Self {
        self.ledger = Some(Ledger::new(key));
        self
    }

    /// The same gallery, which signs what is entered before what it belongs to is answered: for a
    /// command, beside which no sequencer is at work.
    #[must_use]
    pub fn signing_at_once(mut self, keys: Vec<Arc<SigningKey>>) -> Self {
        if let Some(ledger) = &mut self.ledger {
            ledger.sign_at_once = keys;
        }
        self
    }

    fn ledger(&self) -> Result<&Ledger, GalleryError> {
        self.ledger.as_ref().ok_or(GalleryError::NoLedger)
    }

    /// Has what was entered signed: by the sequencer, or at once.
    ///
    /// # Errors
    /// [`GalleryError::LedgerSigner`] where none of the keys that sign at once is the log's; as
    /// [`Gallery::sequence`].
    pub async fn sign_entered(&self) -> Result<(), GalleryError> {
        let Some(ledger) = &self.ledger else { return Ok(()) };
        ledger.entered.notify_one();
        if ledger.sign_at_once.is_empty() {
            return Ok(());
        }
        let current = self.ledger_head().await?.keys()?.current().clone();
        let key = ledger.sign_at_once.iter().find(|key| *key.verifier() == current);
        self.sequence(key.ok_or(GalleryError::LedgerSigner)?).await.map(drop)
    }

    /// Whether it keeps a transparency log.
    pub fn has_ledger(&self) -> bool {
        self.ledger.is_some()
    }

    /// The key of its log's digests.
    ///
    /// # Errors
    /// [`GalleryError::NoLedger`].
    pub fn ledger_key(&self) -> Result<&LedgerKey, GalleryError> {
        self.ledger().map(|ledger| &ledger.key)
    }

    /// Enters what was looked at; where it keeps no log, nothing. Whoever hands out an answer waits
    /// for this first.
    ///
    /// # Errors
    /// As [`RecordStore::commit`](super::RecordStore::commit).
    pub async fn enter_look(&self, context: &RequestContext, look: Look) -> Result<(), GalleryError> {
        let Some(ledger) = &self.ledger else { return Ok(()) };
        for entry in look.entries(context, &ledger.key) {
            self.enter(context, entry).await?;
        }
        Ok(())
    }

    /// Enters what `fill` makes of an entry of this kind; where it keeps no log, nothing.
    ///
    /// # Errors
    /// [`GalleryError::Entry`] where the kind must have what was not filled in; as
    /// [`RecordStore::commit`](super::RecordStore::commit).
    pub async fn enter_with(
        &self,
        context: &RequestContext,
        kind: Kind,
        fill: impl FnOnce(&mut Entry, &LedgerKey) + Send,
    ) -> Result<(), GalleryError> {
        let Some(ledger) = &self.ledger else { return Ok(()) };
        let mut entry = entry_of(context, kind, &ledger.key);
        fill(&mut entry, &ledger.key);
        self.enter(context, entry).await
    }

    async fn enter(&self, context: &RequestContext, entry: Entry) -> Result<(), GalleryError> {
        self.store.commit(context, Command::Enter(NewEntry::new(entry)?)).await?;
        self.sign_entered().await
    }

    /// Reads the log, as of one commit, on a thread that may block.
    ///
    /// # Errors
    /// What `read` ends with; [`GalleryError::NoLedger`]; as
    /// [`RecordStore::read`](super::RecordStore::read).
    pub async fn read_ledger<T: Send + 'static>(
        &self,
        read: impl FnOnce(&dyn LedgerTables) -> Result<T, GalleryError> + Send + 'static,
    ) -> Result<T, GalleryError> {
        self.ledger()?;
        let (send, receive) = tokio::sync::oneshot::channel();
        let task = move |tables: &dyn LedgerTables| {
            // Whoever asked may have gone.
            let _ = send.send(read(tables)?);
            Ok(())
        };
        self.store.read_ledger(Box::new(task)).await?;
        receive.await.map_err(|_| GalleryError::Closing)
    }

    /// What is known of the log besides its entries.
    ///
    /// # Errors
    /// As [`Gallery::read_ledger`].
    pub async fn ledger_head(&self) -> Result<LedgerHead, GalleryError> {
        self.read_ledger(|tables| tables.head()?.ok_or(GalleryError::NoLedger)).await
    }

    /// Takes every entry that is committed into the tree and signs a checkpoint. How many entries
    /// that covers.
    ///
    /// # Errors
    /// [`GalleryError::LedgerSigner`], [`GalleryError::Ledger`], [`GalleryError::NoLedger`]; as
    /// [`RecordStore::commit`](super::RecordStore::commit).
    pub async fn sequence(&self, key: &Arc<SigningKey>) -> Result<u64, GalleryError> {
        let ledger = self.ledger()?;
        let context = RequestContext::internal("sequencer");
        loop {
            let done = self.store.commit(&context, Command::Sequence(Signer(Arc::clone(key)))).await?;
            if done.receipt.replayed {
                let signed = self.ledger_head().await?.signed();
                ledger.signed.send_replace(signed);
                return Ok(signed);
            }
        }
    }

    /// Works as the sequencer, as long as it is polled: takes what is entered into the tree and
    /// signs, `gathering` after the first entry that waits. Several may work on one store: the commit
    /// says whose turn it was.
    pub async fn keep_sequencing(&self, key: &Arc<SigningKey>, gathering: Duration) -> std::convert::Infallible {
        let Some(ledger) = &self.ledger else { return std::future::pending().await };
        let mut failed = false;
        loop {
            match self.sequence(key).await {
                Ok(_) => failed = false,
                Err(error) if failed => tracing::debug!(%error, "the transparency log cannot be signed yet"),
                Err(error) => {
                    failed = true;
                    tracing::error!(%error, "the transparency log cannot be signed; trying again");
                }
            }
            // Entries of other engines are found by looking.
            let _ = tokio::time::timeout(LOOK_FOR_ENTRIES_EVERY, ledger.entered.notified()).await;
            tokio::time::sleep(gathering).await;
        }
    }

    /// Waits until a checkpoint that was signed here covers entry `index`.
    ///
    /// # Errors
    /// [`GalleryError::NoLedger`].
    pub async fn until_signed(&self, index: u64) -> Result<(), GalleryError> {
        let mut signed = self.ledger()?.signed.subscribe();
        signed.wait_for(|signed| *signed > index).await.map(drop).map_err(|_| GalleryError::Closing)
    }

    /// Gives up the signing key `before` for `after`; both sign the log as it is. Whether it was
    /// done: not where `after` signs it already.
    ///
    /// # Errors
    /// [`GalleryError::LedgerSigner`] where `before` is not the log's key; as [`Gallery::sequence`].
    pub async fn change_signer(
        &self,
        context: &RequestContext,
        before: &Arc<SigningKey>,
        after: &Arc<SigningKey>,
    ) -> Result<bool, GalleryError> {
        let ledger = self.ledger()?;
        loop {
            if self.ledger_head().await?.keys()?.current() == after.verifier() {
                return Ok(false);
            }
            self.sequence(before).await?;
            let of = |key: &SigningKey| Digest::of_verifier_key(key.verifier());
            let entry = Entry {
                digests: vec![of(after)],
                replaced: vec![of(before)],
                ..entry_of(context, Kind::KeysChanged, &ledger.key)
            };
            let (before, after) = (Signer(Arc::clone(before)), Signer(Arc::clone(after)));
            let command = Command::ChangeSigner { before, after, entry: NewEntry::new(entry)? };
            match self.store.commit(context, command).await {
                // Something was entered meanwhile.
                Err(GalleryError::Outdated) => {}
                Err(error) => return Err(error),
                Ok(_) => {
                    ledger.entered.notify_one();
                    return Ok(true);
                }
            }
        }
    }

    /// Takes away contents of entries from before a time, as far as they are signed; tree and
    /// receipts stay. How many.
    ///
    /// # Errors
    /// [`GalleryError::NoLedger`]; as [`RecordStore::commit`](super::RecordStore::commit).
    pub async fn prune_entries(&self, context: &RequestContext, before: Timestamp) -> Result<u64, GalleryError> {
        let ledger = self.ledger()?;
        let first = self.ledger_head().await?.pruned;
        loop {
            let entry = entry_of(context, Kind::Pruned, &ledger.key);
            let done = self.store.commit(context, Command::Prune(before, NewEntry::new(entry)?)).await?;
            if done.receipt.replayed {
                return Ok(self.ledger_head().await?.pruned.saturating_sub(first));
            }
            ledger.entered.notify_one();
        }
    }
}

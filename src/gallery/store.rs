//! The record store: subjects, templates, decisions, cleared pairs and request ids, and the
//! log of what changed in them. Knows no rules and no search.

use async_trait::async_trait;

use super::ledger::LedgerRead;
use super::records::{Changes, Committed, ReadSet, Records, Sizes};
use super::rules::Command;
use super::{
    CaptureBand, CapturesFound, ClearedPair, DecisionFilter, DecisionPage, GalleryError, GalleryId, GalleryRows,
    GallerySnapshot, RequestFilter, RequestPage, SubjectId, Watermark,
};
use crate::context::RequestContext;
use crate::face::RecipeDigest;

/// A transactional store of records.
///
/// Acknowledged means durable: when [`RecordStore::commit`] returns `Ok`, what it wrote
/// survives a killed process and a power cut, and every read that begins afterwards sees it.
/// Commits are serialisable: each is planned on all that were committed before it.
#[async_trait]
pub trait RecordStore: Send + Sync {
    /// What the gallery is known by, wherever it is stored.
    fn id(&self) -> GalleryId;

    /// Recipe and number of values of the templates that may be stored, the one first that the
    /// gallery was made for.
    fn recipes(&self) -> Vec<(RecipeDigest, usize)>;

    /// Reads everything that is asked for, as of one commit.
    ///
    /// # Errors
    /// [`GalleryError::Damaged`], [`GalleryError::Storage`], [`GalleryError::Closing`].
    async fn read(&self, wanted: ReadSet) -> Result<Records, GalleryError>;

    /// Reads what the command asks for ([`Command::reads`]), has it planned on that
    /// ([`Command::plan`]) and carries out the plan: all of it durably, or nothing. Nothing that
    /// is committed by others comes between the read and the commit. `context` says who does it.
    ///
    /// # Errors
    /// Whatever the plan refuses with; [`GalleryError::DiskFull`], [`GalleryError::Storage`],
    /// [`GalleryError::Damaged`], [`GalleryError::Closing`].
    async fn commit(&self, context: &RequestContext, command: Command) -> Result<Committed, GalleryError>;

    /// The last commit known to this process that changed templates, or attributes that are
    /// searched by. An index that has applied it lacks nothing that was acknowledged here.
    fn last_change(&self) -> Watermark;

    /// What commits after `after` changed in templates and in the attributes that are searched
    /// by, in the order of commits.
    ///
    /// # Errors
    /// [`GalleryError::LogTooShort`] where the log no longer reaches back so far: then the index
    /// is made anew, from a snapshot. [`GalleryError::Damaged`], [`GalleryError::Storage`],
    /// [`GalleryError::Closing`].
    async fn changes(&self, after: Watermark) -> Result<Changes, GalleryError>;

    /// Everything as of one commit, to be read while writes go on.
    ///
    /// # Errors
    /// [`GalleryError::Damaged`], [`GalleryError::Storage`], [`GalleryError::Closing`].
    async fn snapshot(&self) -> Result<GallerySnapshot, GalleryError>;

    /// Every row as of one commit, as it is stored, to be read while writes go on.
    ///
    /// # Errors
    /// As [`RecordStore::snapshot`]; [`GalleryError::NoBackup`] of a store that is backed up by other means.
    async fn rows(&self) -> Result<GalleryRows, GalleryError> {
        Err(GalleryError::NoBackup)
    }

    /// Up to `limit` subject ids in the store's own order, which does not change, those after `after`.
    ///
    /// # Errors
    /// As [`RecordStore::read`].
    async fn subjects_after(&self, after: Option<&SubjectId>, limit: usize) -> Result<Vec<SubjectId>, GalleryError>;

    /// Up to `limit` cleared pairs in the store's own order, those after `after`.
    ///
    /// # Errors
    /// As [`RecordStore::read`].
    async fn pairs_after(
        &self,
        after: Option<&(SubjectId, SubjectId)>,
        limit: usize,
    ) -> Result<Vec<ClearedPair>, GalleryError>;

    /// Decisions that pass the filter, lowest number first, those after `after`: up to `limit` of
    /// them, and perhaps fewer than there are.
    ///
    /// # Errors
    /// As [`RecordStore::read`].
    async fn decisions_after(
        &self,
        filter: &DecisionFilter,
        after: u64,
        limit: usize,
    ) -> Result<DecisionPage, GalleryError>;

    /// Requests of people that pass the filter, lowest number first, those after `after`: up to `limit`
    /// of them, and perhaps fewer than there are.
    ///
    /// # Errors
    /// As [`RecordStore::read`].
    async fn requests_after(
        &self,
        filter: &RequestFilter,
        after: u64,
        limit: usize,
    ) -> Result<RequestPage, GalleryError>;

    /// Captures that share a key with those looked up and are kept still: a search by what a
    /// capture shows, as those of templates are. Of very many the newest.
    ///
    /// # Errors
    /// As [`RecordStore::read`].
    async fn captures_sharing(&self, bands: &[CaptureBand]) -> Result<CapturesFound, GalleryError>;

    /// Whether what is stored lies sealed. A store in the clear may come to be sealed while it is open.
    fn is_sealed(&self) -> bool {
        false
    }

    /// Whether the gallery keeps a transparency log. It begins with the store, or at an opening.
    fn has_ledger(&self) -> bool;

    /// Has the log read, as of one commit, on a thread that may block.
    ///
    /// # Errors
    /// What the task ends with; as [`RecordStore::read`].
    async fn read_ledger(&self, read: LedgerRead) -> Result<(), GalleryError>;

    /// Destroys the keys that commits have given up: returns when what was sealed under them can be read
    /// nowhere. A store that seals nothing has none.
    ///
    /// # Errors
    /// [`GalleryError::KeyStore`]: ask again; opening the store asks, too. As [`RecordStore::read`].
    async fn destroy_keys(&self) -> Result<(), GalleryError> {
        Ok(())
    }

    /// How much is stored.
    fn sizes(&self) -> Sizes;

    /// Finishes the commits that wait and gives up what the store holds. Every later call is
    /// [`GalleryError::Closing`].
    fn close(&self) {}
}

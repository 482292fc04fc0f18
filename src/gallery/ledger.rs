//! The transparency log of a gallery, as a record store keeps it: what is entered together with a
//! command, and what can be read of it.
//!
//! An entry commits with what it belongs to, behind all that were committed before it
//! ([`Command::Entered`](super::Command::Entered)), or alone, for what only reads
//! ([`Command::Enter`](super::Command::Enter)). [`Command::Sequence`](super::Command::Sequence) takes
//! those that follow the tree's end into the tree and signs a checkpoint; the commit looks where the
//! end is, so of two engines that do so at once one does it, and the other does nothing.

use std::fmt;
use std::sync::Arc;

use super::{Erasure, GalleryError, Timestamp};
use crate::context::RequestContext;
use crate::ledger::commitment::{Opening, Salt};
use crate::ledger::entry::{Code, Entry, KeyedDigest, Kind, LedgerKey, Principal};
use crate::ledger::hash::Hash;
use crate::ledger::key_change::LogKeys;
use crate::ledger::note::{KeyName, Note, SigningKey, VerifierKey};
use crate::ledger::tile::TileSource;
use crate::ledger::tree::RightEdge;
use crate::ledger::verify::Leaf;

/// Entries that are taken into the tree in one commit, at most.
pub const SEQUENCED_MAX: usize = 4096;
/// Entries whose contents are pruned in one commit, at most.
pub const PRUNED_MAX: usize = 4096;
/// How far apart checkpoints are that stay for ever, in milliseconds; of those between, the newest is
/// kept until the next comes.
pub const CHECKPOINT_EVERY_MS: u64 = 60_000;

/// With what a gallery's log is kept.
#[derive(Debug, Clone)]
pub struct LedgerSetup {
    /// The key of its digests.
    pub key: LedgerKey,
    /// Its first verifier key, which names it, where it is to be begun; a gallery that has none
    /// begins it then.
    pub begin_with: Option<VerifierKey>,
    /// Keys one of which must be the log's: with it every entry is signed before what it belongs to is
    /// answered. Without any somebody else sequences.
    pub sign_at_once: Vec<Arc<SigningKey>>,
}

/// What is about to be entered; its time is that of the commit.
#[derive(Clone, PartialEq)]
pub struct NewEntry {
    entry: Entry,
    salt: Salt,
}

impl NewEntry {
    /// An entry with a salt that nobody knows.
    ///
    /// # Errors
    /// [`GalleryError::Storage`] where the system has no random numbers.
    pub fn new(entry: Entry) -> Result<Self, GalleryError> {
        let salt = Salt::random().map_err(|error| GalleryError::Storage(error.to_string()))?;
        Ok(Self { entry, salt })
    }

    /// The same, of what an earlier commit had done and whose answer is handed out again.
    pub(super) fn of_replay(&self) -> Self {
        let Entry { principal, unit, named, method, transaction, attempt, subjects, .. } = self.entry.clone();
        let again = || Code::new("again").expect("a code");
        let method = method.or_else(|| Code::new(self.entry.kind.name()).ok());
        let entry = Entry {
            unit,
            named,
            method,
            transaction,
            attempt,
            subjects,
            outcome: Some(again()),
            ..Entry::new(Kind::RecordRead, 0, principal)
        };
        Self { entry, salt: self.salt.clone() }
    }

    /// Says how many records it is about.
    #[must_use]
    pub(super) fn with_records(mut self, records: u64) -> Self {
        self.entry.records = Some(records);
        self
    }

    /// The same, of an erasure that came to this.
    #[must_use]
    pub(super) fn of_erasure(mut self, erasure: &Erasure) -> Self {
        self.entry.outcome = Code::new(erasure.name()).ok();
        if let Erasure::Waits(against) = erasure {
            self.entry.reasons = against.iter().filter_map(|one| Code::new(one.code()).ok()).collect();
        }
        self
    }

    /// As it is stored, at the commit's time.
    pub(super) fn sealed(&self, now: Timestamp) -> Result<SealedEntry, GalleryError> {
        let entry = Entry { at_ms: now.0, ..self.entry.clone() };
        // A count must not begin after its end, whatever the clock does.
        let entry = Entry { since_ms: entry.since_ms.min(entry.at_ms), ..entry };
        let contents = entry.encode().map_err(|why| GalleryError::Entry(why.to_string()))?;
        Ok(SealedEntry { about: found_by(&entry), opening: Opening { salt: self.salt.clone(), contents } })
    }
}

impl fmt::Debug for NewEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.entry, f)
    }
}

/// An entry as it is stored, with what it is found by.
#[derive(Debug, Clone, PartialEq)]
pub struct SealedEntry {
    /// Contents and salt.
    pub opening: Opening,
    /// Its transaction and subjects.
    pub about: Vec<KeyedDigest>,
}

/// What stored contents are found by; nothing where they cannot be read.
pub fn about(opening: &Opening) -> Vec<KeyedDigest> {
    Entry::opened(opening).map(|entry| found_by(&entry)).unwrap_or_default()
}

/// Transaction and subjects of an entry, and its kind where that is a rare one.
fn found_by(entry: &Entry) -> Vec<KeyedDigest> {
    let named = entry.transaction.into_iter().chain(entry.subjects.iter().copied());
    let mut found: Vec<KeyedDigest> = named.chain(kind_digest(entry.kind)).collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// What entries of a rare kind are found by, beside transactions and subjects: a digest that those
/// have with a chance of 2⁻¹²⁸ only. `None` for the kinds that calls come by.
pub(crate) fn kind_digest(kind: Kind) -> Option<KeyedDigest> {
    let is_rare = matches!(
        kind,
        Kind::Export
            | Kind::Snapshot
            | Kind::Start
            | Kind::Configuration
            | Kind::KeysChanged
            | Kind::RolesChanged
            | Kind::PackChanged
            | Kind::CalibrationChanged
            | Kind::Pruned
            | Kind::Retention
            | Kind::Restored
    );
    let mut bytes = [0xff; KeyedDigest::BYTES];
    bytes[KeyedDigest::BYTES - 1] = kind as u8;
    is_rare.then(|| KeyedDigest::from_bytes(bytes))
}

/// The newest entry of a rare kind whose contents are there still.
pub(super) fn newest(tables: &dyn LedgerTables, kind: Kind) -> Result<Option<Entry>, GalleryError> {
    const AT_ONCE: usize = 1024;
    let Some(digest) = kind_digest(kind) else { return Ok(None) };
    let mut last = None;
    loop {
        let places = tables.about(&digest, last.map_or(0, |last: u64| last + 1), AT_ONCE)?;
        last = places.last().copied().or(last);
        if places.len() < AT_ONCE {
            break;
        }
    }
    let Some(place) = last else { return Ok(None) };
    Ok(leaf_at(tables, place)?.and_then(|leaf| leaf.opening).and_then(|opening| Entry::opened(&opening)))
}

/// The entry of the last start of a server.
///
/// # Errors
/// As [`LedgerTables::head`].
pub fn last_start(tables: &dyn LedgerTables) -> Result<Option<Entry>, GalleryError> {
    newest(tables, Kind::Start)
}

/// What is known of a log besides its entries.
#[derive(Debug, Clone, PartialEq)]
pub struct LedgerHead {
    /// Its first verifier key, which names it.
    pub first_key: VerifierKey,
    /// What [`LedgerKey::check`] gives for its key.
    pub key_check: KeyedDigest,
    /// Changes of its signing key, oldest first.
    pub changes: Vec<Note>,
    /// How many entries there are, those that are not in the tree included.
    pub entries: u64,
    /// The tree's right edge.
    pub edge: RightEdge,
    /// Entries before this one have no contents any more.
    pub pruned: u64,
    /// The newest checkpoint; `None` before the first.
    pub checkpoint: Option<Note>,
    /// Whether that stays for ever.
    pub stays: bool,
    /// When the last checkpoint was signed that stays for ever.
    pub kept_at: Timestamp,
}

impl LedgerHead {
    /// A log without entries.
    pub fn begin(key: &LedgerKey, first_key: VerifierKey) -> Self {
        Self {
            first_key,
            key_check: key.check(),
            changes: Vec::new(),
            entries: 0,
            edge: RightEdge::default(),
            pruned: 0,
            checkpoint: None,
            stays: true,
            kept_at: Timestamp(0),
        }
    }

    /// Its name.
    pub fn origin(&self) -> &KeyName {
        self.first_key.name()
    }

    /// Its keys.
    ///
    /// # Errors
    /// [`GalleryError::Ledger`] where the changes do not follow each other: somebody has changed them.
    pub fn keys(&self) -> Result<LogKeys, GalleryError> {
        LogKeys::after(self.first_key.clone(), &self.changes).map_err(|why| GalleryError::Ledger(why.to_string()))
    }

    /// Entries that the newest checkpoint covers.
    pub fn signed(&self) -> u64 {
        // The tree grows with a checkpoint only.
        if self.checkpoint.is_some() { self.edge.size() } else { 0 }
    }

    /// Whether a gallery may be opened with these keys.
    ///
    /// # Errors
    /// [`GalleryError::LedgerNeeded`] without a key, [`GalleryError::LedgerKey`] with another,
    /// [`GalleryError::LedgerSigner`] where none of those that are to sign is the log's.
    pub fn check_setup(&self, setup: Option<&LedgerSetup>) -> Result<(), GalleryError> {
        let setup = setup.ok_or(GalleryError::LedgerNeeded)?;
        if setup.key.check() != self.key_check {
            return Err(GalleryError::LedgerKey);
        }
        let keys = self.keys()?;
        let can_sign = setup.sign_at_once.iter().any(|key| key.verifier() == keys.current());
        if setup.sign_at_once.is_empty() || can_sign { Ok(()) } else { Err(GalleryError::LedgerSigner) }
    }
}

/// Nodes of one level that a commit has finished, from the left.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeRun {
    /// Level of tiles: their hashes are nodes at eight times this height.
    pub level: u8,
    /// Place of the first in the level.
    pub first: u64,
    /// The nodes.
    pub hashes: Vec<Hash>,
}

/// What a store reads of its log, all of it as of one commit, on a thread that may block.
pub trait LedgerTables {
    /// What is known of it besides its entries; `None` where the gallery keeps no log.
    ///
    /// # Errors
    /// [`GalleryError::Damaged`], [`GalleryError::Storage`]: as all of these.
    fn head(&self) -> Result<Option<LedgerHead>, GalleryError>;

    /// Up to `limit` entries from `first` on, in order; those that are not in the tree yet included.
    ///
    /// # Errors
    /// As [`LedgerTables::head`].
    fn entries(&self, first: u64, limit: usize) -> Result<Vec<Leaf>, GalleryError>;

    /// Up to `limit` places, from `first` on, of entries about a transaction or subject whose contents
    /// are there still, in order.
    ///
    /// # Errors
    /// As [`LedgerTables::head`].
    fn about(&self, digest: &KeyedDigest, first: u64, limit: usize) -> Result<Vec<u64>, GalleryError>;

    /// Every digest that entries are found by, each with the place of an entry, in any order.
    ///
    /// # Errors
    /// As [`LedgerTables::head`].
    fn all_about(&self, visit: &mut dyn FnMut(KeyedDigest, u64)) -> Result<(), GalleryError>;

    /// The bytes of a tile of hashes, as many as there are; `None` where there are none.
    ///
    /// # Errors
    /// As [`LedgerTables::head`].
    fn tile(&self, level: u8, index: u64) -> Result<Option<Vec<u8>>, GalleryError>;

    /// Up to `limit` checkpoints of more than `after` entries, smallest first; from the smallest of
    /// all on for `None`.
    ///
    /// # Errors
    /// As [`LedgerTables::head`].
    fn checkpoints(&self, after: Option<u64>, limit: usize) -> Result<Vec<Note>, GalleryError>;

    /// Whether the records beside the log are those of its last commit, as far as the store can tell: in
    /// a sealed gallery no old value was put back.
    ///
    /// # Errors
    /// [`GalleryError::Damaged`] where they are not; as [`LedgerTables::head`].
    fn check_records(&self) -> Result<(), GalleryError> {
        Ok(())
    }
}

/// Tiles of a log, for [`TileNodes`](crate::ledger::tile::TileNodes).
#[derive(Clone, Copy)]
pub struct LedgerTiles<'a>(pub &'a dyn LedgerTables);

impl TileSource for LedgerTiles<'_> {
    type Error = GalleryError;

    fn tile(&self, level: u8, index: u64, width: u16) -> Result<Option<Vec<u8>>, GalleryError> {
        let tile = self.0.tile(level, index)?;
        Ok(tile.filter(|bytes| bytes.len() >= usize::from(width) * Hash::BYTES))
    }
}

/// The entry at a place; `None` where there is none.
pub(crate) fn leaf_at(tables: &dyn LedgerTables, place: u64) -> Result<Option<Leaf>, GalleryError> {
    Ok(tables.entries(place, 1)?.into_iter().find(|leaf| leaf.index == place))
}

/// A task that reads a log.
pub type LedgerRead = Box<dyn FnOnce(&dyn LedgerTables) -> Result<(), GalleryError> + Send>;

/// The commitment of every entry from `first` on, for passes over the whole log; read in pieces.
pub fn leaves(tables: &dyn LedgerTables, first: u64) -> impl Iterator<Item = Result<Leaf, GalleryError>> + '_ {
    const AT_ONCE: usize = 1024;
    pieces(first, AT_ONCE, move |from| tables.entries(from, AT_ONCE), |last: &Leaf| last.index + 1)
}

/// Every checkpoint that is kept, smallest first; read in pieces.
pub fn checkpoints(tables: &dyn LedgerTables) -> impl Iterator<Item = Result<Note, GalleryError>> + '_ {
    const AT_ONCE: usize = 256;
    let size = |note: &Note| crate::ledger::checkpoint::Checkpoint::parse(note.text()).map_or(u64::MAX, |one| one.size);
    pieces(None, AT_ONCE, move |after| tables.checkpoints(after, AT_ONCE), move |last| Some(size(last)))
}

/// What `read` gives piece by piece, each from where the one before ends. An error ends it.
fn pieces<T, K>(
    first: K,
    at_once: usize,
    read: impl Fn(K) -> Result<Vec<T>, GalleryError>,
    next: impl Fn(&T) -> K,
) -> impl Iterator<Item = Result<T, GalleryError>>
where
    K: Copy,
{
    let mut place = Some(first);
    std::iter::from_fn(move || {
        let piece = read(place?);
        place = match &piece {
            Ok(found) if found.len() == at_once => found.last().map(&next),
            _ => None,
        };
        Some(match piece {
            Ok(found) => found.into_iter().map(Ok).collect(),
            Err(error) => vec![Err(error)],
        })
    })
    .flatten()
}

/// What a use case says of itself to the log, beside what its context says.
#[derive(Clone, Default, PartialEq)]
pub struct LedgerFacts {
    /// Digests of the rules it was done by, and of models.
    pub digests: Vec<crate::ledger::entry::Digest>,
    /// Kinds of evidence, by their codes.
    pub evidence: Vec<&'static str>,
    /// What was scored, the score, and what it was compared with.
    pub scores: Vec<(&'static str, f32, Option<f32>)>,
    /// Verdict of the chip check.
    pub chip_verdict: Option<&'static str>,
    /// Other subjects that it came across and tells of: duplicates, and those of captures seen before.
    pub shown: Vec<super::SubjectId>,
}

impl LedgerFacts {
    /// Puts them into an entry.
    pub(super) fn enter(&self, entry: &mut Entry) {
        let code = |text: &str| Code::new(text).ok();
        entry.digests.extend(self.digests.iter().copied());
        entry.evidence.extend(self.evidence.iter().filter_map(|text| code(text)));
        let scores = self.scores.iter().filter(|(_, value, _)| value.is_finite());
        entry.scores.extend(scores.filter_map(|&(what, value, threshold)| {
            let threshold = threshold.filter(|threshold| threshold.is_finite());
            Some(crate::ledger::entry::Score { what: code(what)?, value, threshold })
        }));
        entry.chip_verdict = self.chip_verdict.and_then(code);
    }
}

/// An entry with what a request says of its caller.
pub(super) fn entry_of(context: &RequestContext, kind: Kind, key: &LedgerKey) -> Entry {
    let method = context.method().and_then(|method| Code::new(method).ok());
    Entry {
        unit: context.unit().map(|unit| key.label(unit)),
        method,
        ..Entry::new(kind, 0, Principal::of(context.principal(), key))
    }
}

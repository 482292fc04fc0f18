//! Who is enrolled, and what was decided: a record store, an index that searches it by face, and
//! the rules over both.
//!
//! [`RecordStore`] is transactional and knows no rules, [`VectorIndex`] finds templates and
//! follows the store's log, [`Gallery`] is made of one and the other. What may be written is said
//! by pure functions ([`Command`]). [`open`] makes a gallery of the embedded store and index.

mod challenge;
mod decision;
mod embedded;
mod entries;
mod error;
#[allow(clippy::module_inception, reason = "the type that the folder is named after")]
mod gallery;
mod id;
mod index;
mod ledger;
mod ledger_check;
mod ledgered;
mod note;
mod open;
mod picture;
mod postgres;
mod record;
mod records;
mod requests;
mod retention;
mod rows;
mod rules;
mod scheme;
mod snapshot;
mod standing;
mod store;
mod subject_request;
mod types;

pub use challenge::{CHALLENGES_MAX, ChallengeOwner, ChallengeUse, NewChallenge, StoredChallenge};
pub use decision::{
    ANSWER_BYTES_MAX, ATTEMPTS_MAX, Basis, CaptureBand, CapturesFound, ClearPair, ClearedPair, DecisionFilter,
    DecisionHead, DecisionKey, DecisionPage, NewCapture, NewDecision, Outcome, PairEntry, PairEntryKind, PairState,
    Resolution, ResolveCommand, Searched, StoredCapture, StoredDecision, UnclearPair, UsedChallenge, resolution,
};
pub use embedded::{BackendFactory, EmbeddedOptions, KeysLooked, LookKeys, Looked, Progress, Sealed, SealingState};
pub use entries::Look;
pub use error::{Fault, GalleryError};
pub use gallery::Gallery;
pub use id::GalleryId;
pub use index::{Found, IndexFilter, VectorIndex};
pub use ledger::{
    LedgerFacts, LedgerHead, LedgerRead, LedgerSetup, LedgerTables, LedgerTiles, NewEntry, NodeRun, SealedEntry, about,
    checkpoints, last_start, leaves,
};
pub(crate) use ledger::{kind_digest, leaf_at};
pub use ledger_check::{LedgerFault, LedgerReport, trusted_keys, verify_ledger};
pub use note::Note;
pub use open::{
    erased_in, is_at, keeps_ledger, look, open, open_on, open_parts, open_postgres, read_all, read_ledger_at,
    read_rows, restore, seal, sealing_state,
};
pub use picture::{CASE_PICTURES_MAX, CasePicture, NewPictures, PICTURE_BYTES_MAX, PictureOf, StoredPictures};
pub use postgres::PostgresOptions;
pub use records::{
    Arrived, Change, Changes, Committed, LedgerRecords, RECENT_MAX, ReadSet, Records, Sizes, StoredRequest,
};
pub use retention::{Expired, RetentionCounts, RetentionOptions, RetentionRules, RetentionRun};
pub use rows::{ErasedAfter, GalleryRows, RestoreFrom, Restored, RowBatch, Rows, RowsHead, Without, lower_priority};
pub use rules::{Command, Plan, Planned, Signer, Write, next_attempt};
pub use scheme::Scheme;
pub(crate) use scheme::{province_code, same_province, same_scheme};
pub use snapshot::{GallerySnapshot, SnapshotHead, SnapshotPart};
pub use standing::{
    ChangeStanding, Erase, Erasure, ErasureReceipt, HoldName, LegalBasis, Obstacle, RecordedBasis, Requester,
    Restricted, Standing, StandingAction, StandingEntry,
};
pub use store::RecordStore;
pub use subject_request::{
    AnswerRequest, Clock, Closing, Late, OpenRequest, RequestAnswer, RequestCounts, RequestFilter, RequestKind,
    RequestPage, RequestState, RequestStep, SubjectRequest, due_at,
};
pub(crate) use types::groups_of_one_record;
pub use types::{
    Agreement, AgreementScores, Answered, Attributes, Candidate, EnrolMode, Enrolment, Filter, Instead, LookUp,
    NewTemplate, Receipt, RequestId, Retry, Scope, Source, Stats, StoredTemplate, Subject, SubjectHead, SubjectId,
    Timestamp, Vouch, Vouched, Watermark,
};

//! Which records of a gallery share a face, and how many of them would chance give?
//!
//! ```text
//! Collection ─ run (search::Join) ─ Checkpoint
//!     │              │ pairs
//!     │              ├─ gather ─ links ─ LinkChance::grade ─ rings ─┐
//!     │              │                        │                     ├─ Results ─ store, CSV, JSON, page
//!     └─ sampled non-mates ─ Chance ──────────┴──── LocalChance ────┘
//! ```
//!
//! `task` is the whole of it: from what is asked for to results that are kept. `collection`
//! holds what is compared, `filters` and `snapshot` choose and take it from a gallery, `left_out`
//! is what takes no part. `checkpoint` and `run` see to it that an audit that was killed goes on
//! where it was, `seen` and `findings` remember earlier audits, and `ids` gives pairs and rings ids
//! that later audits give them, too. `results` is what was found, as plain data, and `store` the
//! folder that keeps it: the tables, the page, `measure` and the command line are views of it.
//! `each` looks at each record by itself, `cost` at what all of it took.

mod chance;
mod checkpoint;
mod collection;
mod cost;
mod each;
mod filters;
mod findings;
mod ids;
mod isotonic;
mod left_out;
mod lines;
mod links;
mod measure;
mod names;
mod page;
mod records;
mod results;
mod rings;
mod run;
mod seen;
mod shared_templates;
mod snapshot;
mod store;
mod task;

pub use crate::table::CsvLocale;
pub use chance::{
    Band, Chance, ChanceVerdict, Estimate, Explained, KindOfPair, LinkBand, LinkChance, LocalChance, Meetings,
    SAMPLED_MAX_DEFAULT, SampledKind, SamplingPlan, SamplingSide,
};
pub use checkpoint::{CHECKPOINT_VERSION, Checkpoint, CheckpointError, Difference, Identity};
pub use collection::{CollectedSubject, CollectedTemplate, Collection, CollectionError, Mark};
pub use cost::{AuditCost, Clock, CostPart};
pub use each::{
    Changed, Same, SameAsked, SameError, Split, Stale, StaleScheme, Staleness, changed, same, write_same, write_stale,
};
pub use filters::{FilterFacts, Filters};
pub use findings::{Findings, FindingsError, PairFinding, Statement, principal_name};
pub use ids::{IdKey, IdKeyError, IdKind, StableId, TypedId};
pub use left_out::{EngineWords, LeftOutCount, LeftOutRow, LeftOutUnit, left_out, write_left_out};
pub(crate) use links::LinkGroups;
pub use links::{ClearedLink, Gathered, Grade, LinkEvidence, RecordLink, gather};
pub use measure::{BandPrecision, Case, Expected, MeasuredPrecision, PairOutcome, Precision, Share, measure, measured};
pub use names::{Names, NumberedNames};
pub use page::Thumbnail;
pub use records::{Audited, utc_day};
pub(crate) use results::listed;
pub use results::{
    Capture, ChangedPair, ChangedRing, ChangesSummary, ClearedFound, Clearing, Compared, EarlierRun, LinkFound,
    LinkKind, Member, PairChange, PairFound, PairNamed, RecordFacts, RecordFound, Results, ResultsInput, RingChange,
    RingFound, RunInfo, Sampled, SubjectFacts, Summary, TemplateFacts, ThresholdAsked, ring_id,
};
pub use rings::{Bridge, Ring, Rings, rings};
pub use run::{OnUnit, RunError, run};
pub use seen::{SeenError, SeenMarks};
pub use shared_templates::SharedTemplates;
pub use snapshot::{SnapshotFiller, SnapshotTaken};
pub use store::{AuditFile, AuditFolder, AuditInputs, AuditStoreError, KeptAudit, ReportOptions, open};
pub use task::{
    AskInstead, AuditSize, BegunAudit, CommandLine, Observer, PreparedAudit, Request, Resumed, TaskError, keep_left_out,
};

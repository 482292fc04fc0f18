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
//! that later audits give them, too. `results` is what was found, as
//! plain data, and `store` the folder that keeps it: the tables, the page, `measure` and the
//! command line are views of it. `each` looks at each record by itself, `cost` at what all of it
//! took.

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
mod snapshot;
mod store;
mod task;
mod twice;

pub use crate::table::CsvLocale;
pub use chance::{
    Band, Chance, Estimate, Explained, Kind, KindOfPair, LinkBand, LinkChance, LocalChance, Meetings, Plan, Rows,
    SAMPLED_MAX_DEFAULT, Verdict,
};
pub use checkpoint::{CHECKPOINT_VERSION, Checkpoint, CheckpointError, Difference, Identity};
pub use collection::{Collection, CollectionError, Mark, RowInfo, SubjectInfo};
pub use cost::{Clock, Cost, Part};
pub use each::{
    Changed, Same, SameAsked, SameError, Split, Stale, StaleScheme, Staleness, changed, same, write_same, write_stale,
};
pub use filters::{Filters, Known};
pub use findings::{Finding, Findings, FindingsError, Statement, principal_name};
pub use ids::{IdKey, IdKeyError, IdKind, StableId, TypedId};
pub use left_out::{EngineWords, LeftOut, LeftOutRow, Unit, left_out, write_left_out};
pub(crate) use links::Groups;
pub use links::{ClearedLink, Evidence, Gathered, Grade, Link, gather};
pub use measure::{BandPrecision, Case, Expected, Measured, Outcome, Precision, Share, measure, measured};
pub use names::{Names, Numbers};
pub use page::Thumbnail;
pub use records::{Audited, utc_day};
pub(crate) use results::listed;
pub use results::{
    Asked, Capture, ChangedPair, ChangedRing, ChangesSummary, ClearedFound, Clearing, Compared, EarlierRun, Found,
    LinkFound, LinkKind, Member, PairChange, PairFound, PairNamed, Record, Records, Results, RingChange, RingFound,
    RunInfo, Sampled, SubjectFacts, Summary, TemplateFacts, ring_id,
};
pub use rings::{Bridge, Ring, Rings, rings};
pub use run::{OnUnit, RunError, run};
pub use seen::{SeenError, SeenMarks};
pub use snapshot::{Filler, Taken};
pub use store::{File, Folder, KeptAudit, KeptInputs, Report, StoreError, open};
pub use task::{Begun, Command, Instead, Observer, Prepared, Request, Resumed, Size, TaskError, keep_left_out};
pub use twice::Twice;

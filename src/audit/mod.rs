//! Which records of a gallery share a face, and how many of them would chance give?
//!
//! ```text
//! Collection ─ run (search::Join) ─ Checkpoint
//!     │              │ pairs
//!     │              ├─ gather ─ links ─ LinkChance::grade ─ rings ─┐
//!     │              │                        │                     ├─ ReportData ─ CSV, JSON, page
//!     └─ sampled non-mates ─ Chance ──────────┴──── LocalChance ────┘
//! ```
//!
//! `collection` holds what is compared, `checkpoint` and `run` see to it that an audit
//! that was killed goes on where it was, `known` and `findings` remember earlier audits,
//! `same` and `stale` look at each record by itself, `cost` at what all of it took.

mod chance;
mod checkpoint;
mod collection;
mod cost;
mod findings;
mod isotonic;
mod known;
mod measure;
mod names;
mod page;
mod records;
mod report;
mod rings;
mod run;
mod same;
mod stale;
mod twice;

pub use crate::table::CsvLocale;
pub use chance::{
    Band, Chance, Estimate, Evidence, Explained, Grade, Kind, KindOfPair, LinkBand, LinkChance, LocalChance, Meetings,
    Plan, Rows, SAMPLED_MAX_DEFAULT, Verdict,
};
pub use checkpoint::{CHECKPOINT_VERSION, Checkpoint, CheckpointError, Difference, Identity};
pub use collection::{Collection, CollectionError, Mark, RowInfo, SubjectInfo};
pub use cost::{Clock, Cost, Part};
pub use findings::{Finding, Findings, FindingsError};
pub use known::{KnownError, KnownTemplates};
pub use measure::{BandPrecision, Case, Expected, Outcome, Precision, Share, measure};
pub use names::{Names, Numbers};
pub use records::{Audited, Thumbnail, utc_day};
pub(crate) use report::TABLE_NUMBERS;
pub use report::{
    Asked, Compared, LeftOut, LinkKind, Records, ReportData, Sampled, SubjectFacts, Summary, TemplateFacts, Unit,
    ring_id,
};
pub(crate) use rings::Groups;
pub use rings::{Bridge, Gathered, Link, Ring, Rings, gather, rings};
pub use run::{OnUnit, RunError, run};
pub use same::{Changed, Split, changed};
pub use stale::{Stale, StaleScheme, Staleness};
pub use twice::Twice;

//! Which records of a gallery share a face, and how many of them would chance give?
//!
//! ```text
//! pairs found (search::Join) ─ gather ─ links ─ rings ─┐
//!        │                                              ├─ ReportData ─ CSV, JSON, page
//! sampled non-mates ─ Chance ─ LocalChance ─────────────┘
//! ```

mod chance;
mod chance_local;
mod chance_sample;
mod isotonic;
mod measure;
mod page;
mod page_rings;
mod page_words;
mod planted;
mod planted_check;
mod report;
mod rings;

pub use chance::{Chance, Estimate, Explained, Kind, KindOfPair, Plan, Rows, SAMPLED_MAX_DEFAULT, Verdict};
pub use chance_local::{Band, LocalChance};
pub use measure::{BandPrecision, Case, Expected, Outcome, Precision, Share, measure};
pub use planted::{Planted, adjusted_rand_index};
pub use planted_check::{Agreement, agreement};
pub use report::{
    Asked, Compared, LeftOut, LinkKind, Records, ReportData, Sampled, SubjectFacts, Summary, TemplateFacts, Unit,
    ring_id,
};
pub use rings::{Bridge, Gathered, Link, Ring, Rings, gather, rings};

//! Chip bytes to an authenticated photo: what the files of an identity card's
//! chip say, and whether their issuer signed it (ICAO 9303-10, -11, -12).
//!
//! ```text
//! ChipFiles ──▶ EF.SOD ──▶ signature ──▶ chain to an anchor ──┐
//!     │                                                       ├─▶ Inspection
//!     └──▶ DG1, DG2, DG13, … ──▶ hashes against EF.SOD ───────┘    (verdict, reasons)
//! ```
//!
//! [`inspect`] never fails and never panics: whatever the bytes, it answers
//! with a [`Verdict`] and its reasons. Every file is untrusted until its hash
//! is found in a list whose signature holds: [`Inspection::photo`] and
//! [`Inspection::holder`] give nothing else.
//!
//! Passive authentication, done here, shows that the data is genuine. It does
//! not show that the card was there: a copy of the files passes. A caller that
//! ran Active Authentication hands over challenge and response
//! ([`CheckOptions::active`]); without them every inspection says so.
//!
//! Threat model: all files come from whoever holds the card. Sizes are bounded
//! before anything is copied, nesting and counts before anything is walked,
//! and the number of signatures checked is fixed. Curves written out in
//! certificates are matched against known ones and never used as given.

mod active;
mod anchor_files;
mod anchors;
mod ber;
mod chain;
mod check;
mod cms;
mod com;
mod country;
pub mod crypto;
pub(crate) mod der;
mod dg13;
mod dg2;
pub(crate) mod error;
mod face_record;
mod files;
mod finding;
mod holder;
mod inspection;
mod installed;
mod master_list;
mod mrz;
mod name;
pub(crate) mod oid;
mod pem;
mod personal;
pub mod reason;
mod report;
mod sod;
pub(crate) mod test_keys;
mod text_form;
mod time;
pub mod tlv;
mod x509;

pub use crate::dates::{Date, Moment};
pub use active::{ActiveAuthentication, CHALLENGE_BYTES, ChallengeResponse, Dg14, Dg15};
pub use anchor_files::{AnchorError, AnchorSource, Skipped, SourceKind, Unreadable};
pub use anchors::Anchors;
pub use ber::to_definite;
pub use check::{CheckOptions, inspect};
pub use com::Com;
pub(crate) use dg2::picture_format;
pub use dg2::{DeclaredType, Dg2, Dg2Photo, FaceEncoding, PHOTOS_MAX};
pub use dg13::{Dg13, Dg13Entry, Dg13Id, Dg13Scope};
pub use error::ParseError;
pub use files::{CHIP_BYTES_MAX, CHIP_FILES_MAX, ChipFiles, FILE_BYTES_MAX, FileId, is_chip_file};
pub use finding::{Finding, GroupState, Verdict};
pub use holder::Holder;
pub use inspection::{AnchorUsed, Inspection, SignerUsed};
pub use master_list::{MasterList, MasterListError, Voucher};
pub(crate) use mrz::check_digit;
pub use mrz::{Mrz, MrzLayout};
pub use name::Name;
pub use personal::{BirthDate, Personal, Sex};
pub use reason::Reason;
pub use report::Fields;
#[cfg(test)]
pub(crate) use report::effect_code;
pub use sod::{SecurityObject, SignatureCheck, Sod};
pub use x509::{Certificate, RevocationList};

//! chinhchu ("chính chủ", the rightful owner): is this person the one the card and the benefit
//! belong to?
//!
//! The engine that Vietnam Social Security puts between a benefit and the person who claims it. It
//! compares the photo in the chip of a citizen card with a live capture (1:1), searches a gallery
//! for the same face under another number (exact 1:N), checks that the chip is authentic, decides
//! by a policy at the counter, and finds in a whole gallery the rings of records that share a face.
//!
//! What it is not: it does not read the card (the desk's reader does), it does not pay, it keeps
//! no photo, and it says error rates, never "the same person" as a fact.
//!
//! # The path of the data
//! Each step is a module, and each imports only those before it (`ARCHITECTURE.md`):
//!
//! 1. [`imaging`]: encoded bytes → upright RGB pixels, bounded in bytes, pixels and memory.
//! 2. [`face`]: pixels → detected face → aligned 112×112 crop → [`face::Template`], a unit vector
//!    with the digest of everything that made it (its recipe).
//! 3. [`chip`]: the chip's files → verdict, holder and authenticated photo.
//! 4. [`matching`]: two templates → score, the cosine in −1…1 → false match rate, by a calibration.
//! 5. [`search`]: one template → all vectors at or above a score, exactly.
//! 6. [`ledger`]: what was done, as a log that nobody can change unseen.
//! 7. [`gallery`]: subjects, decisions and pairs, transactional; searches by face.
//! 8. [`workflow`]: the use cases, from photos to a decision that is stored.
//! 9. [`service`] and [`cli`]: gRPC and command line over these. [`audit`] and [`evaluation`] work
//!    on whole galleries and on labelled photos.
//!
//! # Example
//! Two people in a gallery, and whose face a probe is. The vectors are made up; an
//! [`Engine`](workflow::Engine) makes them from photos.
//!
//! ```
//! use chinhchu::context::RequestContext;
//! use chinhchu::face::{RecipeDigest, Template};
//! use chinhchu::gallery::{
//!     self, Agreement, Attributes, EmbeddedOptions, EnrolMode, Enrolment, NewTemplate, Source, SubjectId,
//! };
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let recipe = RecipeDigest([7; 32]);
//! let folder = tempfile::tempdir()?;
//! let gallery = gallery::open(folder.path(), recipe, 3, EmbeddedOptions::default())?;
//! let found = tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//!     for (name, vector) in [("record-1", [1.0, 0.0, 0.1]), ("record-2", [0.0, 1.0, 0.1])] {
//!         let template = Template::from_raw(recipe, &vector)?;
//!         let photo = NewTemplate { template, source: Source::Chip, captured_at: None, quality: None };
//!         let enrolment = Enrolment {
//!             subject: SubjectId::new(name)?,
//!             mode: EnrolMode::Create,
//!             attributes: Attributes::default(),
//!             templates: vec![photo],
//!             agreement: Agreement::Known,
//!             by: None,
//!             legal_basis: None,
//!         };
//!         gallery.enrol(&RequestContext::internal("example"), enrolment, None).await?;
//!     }
//!     let probe = Template::from_raw(recipe, &[0.9, 0.1, 0.1])?;
//!     Ok::<_, Box<dyn std::error::Error>>(gallery.within(&probe, 0.8).await?)
//! })?;
//! assert_eq!(found.len(), 1);
//! assert_eq!(found[0].subject.as_str(), "record-1");
//! # Ok(())
//! # }
//! ```

#[macro_use]
mod code_table;
#[macro_use]
mod opaque;

pub mod access;
pub mod audit;
pub mod backup;
pub mod chip;
pub mod cli;
pub mod context;
mod dates;
pub mod desk;
pub mod evaluation;
pub mod face;
mod float32;
pub mod gallery;
mod hex;
pub mod imaging;
pub mod ledger;
mod linear;
pub mod matching;
mod numbers;
mod overlay;
mod private;
mod random;
mod regular;
pub mod sealing;
pub mod search;
pub mod service;
mod table;
mod text;
pub mod tools;
mod typed;
pub mod workflow;

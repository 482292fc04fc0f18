//! Pixels to template: detect, find landmarks, align, embed; pose and liveness
//! beside them. Model packs and the sessions that run them.
//!
//! ```text
//! bytes ─ imaging ─ picture ─ Detector ─ box ─ Landmarks ─ five points ─┐
//!                      │                  └ pose, liveness (when asked)  │
//!                      └───────────── warp to 112x112 ── Embedder ─ Template
//! ```
//!
//! A [`Pack`] is data: `pack.toml` and the networks it names, verified when
//! loaded. A [`FacePool`] runs a [`Pipeline`] per worker thread.

mod aligned;
mod detect;
mod embed;
mod error;
pub mod fingerprint;
mod found_face;
mod geometry;
mod graph;
mod landmarks;
mod manifest;
mod pack;
mod picture;
mod pipeline;
mod pool;
mod pose_and_liveness;
mod print;
mod projection;
pub mod quality;
mod report;
mod role;
mod runtime;
mod runtime_version;
mod sample;
mod softmax;
mod template;

pub use error::{FaceError, PackError};
pub use manifest::{Colour, EmbedderSpec, Family, Manifest, NetworkSpec, ProjectionSpec};
pub use pack::{Inspected, Pack};
pub use pipeline::{Pipeline, StageTimes};
pub use pool::{Answer, FacePool, PoolOptions, Ticket};
pub use print::{FacePrint, Likeness};
pub use report::{Analysis, FaceReport, Pose, Rect, Wants};
pub use role::Role;
pub use runtime_version::{LoadedRuntime, loaded_runtime};
pub use template::{RecipeDigest, Template, TemplateError};

pub(crate) use softmax::softmax;

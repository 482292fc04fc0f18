//! Photos to templates with real networks, and packs that cannot be used.
//!
//! Needs the weights, ONNX Runtime and sample photos that `scripts/setup`
//! fetches; says `SKIPPED` and does nothing where they are absent.

mod degrade;
mod packs;
mod photos;
mod quality;
mod support;

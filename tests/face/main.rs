//! Photos to templates with real networks, and packs that cannot be used.
//!
//! Needs the weights, ONNX Runtime and sample photos that `scripts/setup`
//! fetches; says `SKIPPED` and does nothing where they are absent.

mod attack;
mod attacks;
mod degrade;
mod packs;
mod photos;
mod picture;
mod quality;
mod support;

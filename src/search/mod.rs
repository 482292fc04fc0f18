//! Vectors in, neighbours out. Knows nothing of people.
//!
//! Promise: [`View::within`] returns every vector at or above the score, and
//! no other; [`View::nearest`] the k best; both by the one dot product of
//! `matching`, bit for bit, ties broken by the lower key, whatever the number of
//! threads and whatever the instruction set.
//!
//! [`Index`] is a plain exact scan over float32 blocks. A faster one (int8
//! blocks with a proven bound) can take its place behind the same methods.

#![forbid(unsafe_code)]

mod blocks;
mod error;
mod index;
mod view;

#[cfg(test)]
mod tests;

pub use error::SearchError;
pub use index::{Entry, Index, VECTORS_MAX_DEFAULT};
pub use view::{Hit, View};

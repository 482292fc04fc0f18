//! Synthetic cards.

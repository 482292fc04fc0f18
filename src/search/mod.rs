//! Vectors in, neighbours out. Knows nothing of people.
//!
//! Promise: [`Index::within`] returns every vector at or above the score, and
//! no other; [`Index::nearest`] the k best; both by the one dot product of
//! `matching`, bit for bit, ties broken by the lower key.

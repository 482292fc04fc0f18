//! Records as they lie in a store, whichever it is: their bytes, and how these are protected.

#![forbid(unsafe_code)]

pub(super) mod challenge;
pub(super) mod fault;
pub(super) mod ledger;
pub(super) mod message;
pub(super) mod picture;
pub(super) mod protection;
pub(super) mod subject_request;

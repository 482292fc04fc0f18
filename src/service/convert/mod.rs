//! Messages of the wire contract to the workflow's types and back. The server
//! uses one direction of each pair, the client the other.

mod face;
mod gallery;
mod verification;

pub(super) use gallery::{enrol_request, request_id, subject_id, subject_info};
pub(super) use verification::{identify_request, verify_request};

/// An answer the client cannot make sense of; names the field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BadAnswer(pub &'static str);

/// The value of a field that every answer has.
fn present<T>(value: Option<T>, field: &'static str) -> Result<T, BadAnswer> {
    value.ok_or(BadAnswer(field))
}

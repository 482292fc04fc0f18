//! Converts messages of the wire contract to the types of the use cases and back. The server
//! uses one direction of each pair, the client the other.

mod cases;
mod decision;
mod evidence;
mod face;
mod gallery;
mod ledger;
mod requests;
mod rights;
mod verification;

pub(super) use cases::{
    case_pictures, decisions_page, get_decision, get_pictures, list_decisions, list_pairs, list_repeated_captures,
    page, pairs_page, repeated_captures_page, subject_filter, subjects_page, unclear_pair, wire_list_decisions,
    wire_size, wire_standing_filter, wire_unclear_pair,
};
pub(super) use decision::{beneficiary_request, clear_pair, cleared, resolve_referral, resolved_referral, transaction};
pub(super) use gallery::{enrol_request, request_id, subject_id, subject_info, to_wire};
pub(super) use ledger::{entries_page, list_entries, prove, proven, signed, wire_list_entries, wire_prove};
pub(super) use requests::{
    acknowledge_request, close_request, list_requests, open_request, requests_page, wire_list_requests, wire_open,
};
pub(super) use rights::{erase, hold, lift, release, restrict, subject_report, wire_erase, wire_restrict};
pub(super) use verification::{assess_request, identify_request, verify_request};

/// A field of an answer, by its name, is missing or has a value that this client does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the field `{0}` of the answer is missing or makes no sense: this caller's role may not see it (docs/access.md), or client and server are of different versions"
)]
pub struct BadAnswer(pub &'static str);

/// A text that is there unless it is empty.
fn named(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

/// The value of a field that every answer must have.
///
/// # Errors
/// [`BadAnswer`] with the field's name where it is missing.
fn present<T>(value: Option<T>, field: &'static str) -> Result<T, BadAnswer> {
    value.ok_or(BadAnswer(field))
}

//! The transparency log on the wire.

use super::cases::{page, wire_size};
use super::{BadAnswer, named};
use crate::gallery::{RequestId, SubjectId};
use crate::ledger::commitment::{Commitment, Opening, Salt};
use crate::ledger::entry::Kind;
use crate::ledger::hash::Hash;
use crate::ledger::note::Note;
use crate::ledger::receipt::Receipt;
use crate::ledger::verify::Leaf;
use crate::service::pb;
use crate::workflow::beneficiary::{ListPage, PageRequest};
use crate::workflow::ledger::{EntryFilter, ProofOf, ProvenEntry, SignedLedger};
use crate::workflow::{Field, WorkflowError};

/// Converts a request and checks what the types of its fields do not.
///
/// # Errors
/// [`WorkflowError`] names the field that is wrong.
pub(in crate::service) fn prove(request: pb::ProveRequest) -> Result<ProofOf, WorkflowError> {
    let pb::ProveRequest { transaction_id, attempt, entry } = request;
    match entry {
        Some(entry) if transaction_id.is_empty() && attempt == 0 => Ok(ProofOf::Entry(entry)),
        Some(_) => {
            let detail = "an entry is named by its number alone, without a transaction".to_owned();
            Err(WorkflowError::OutOfRange { field: Field::Named("entry"), detail })
        }
        None => Ok(ProofOf::Decision(super::transaction(transaction_id)?, (attempt > 0).then_some(attempt))),
    }
}

/// The message that asks for a proof.
pub(in crate::service) fn wire_prove(of: ProofOf) -> pb::ProveRequest {
    match of {
        ProofOf::Decision(transaction, attempt) => pb::ProveRequest {
            transaction_id: transaction.as_str().to_owned(),
            attempt: attempt.unwrap_or(0),
            entry: None,
        },
        ProofOf::Entry(entry) => pb::ProveRequest { entry: Some(entry), ..pb::ProveRequest::default() },
    }
}

impl From<ProvenEntry> for pb::ProveResponse {
    fn from(proven: ProvenEntry) -> Self {
        Self { entry: proven.index, receipt: proven.receipt.to_string() }
    }
}

/// A proof that a server gave.
///
/// # Errors
/// [`BadAnswer`].
pub(in crate::service) fn proven(answer: pb::ProveResponse) -> Result<ProvenEntry, BadAnswer> {
    let receipt = Receipt::parse(answer.receipt.as_bytes()).map_err(|_| BadAnswer("receipt"))?;
    if receipt.index != answer.entry {
        return Err(BadAnswer("entry"));
    }
    Ok(ProvenEntry { index: answer.entry, receipt })
}

impl From<SignedLedger> for pb::GetCheckpointResponse {
    fn from(signed: SignedLedger) -> Self {
        Self {
            checkpoint: signed.checkpoint.to_string(),
            first_key: signed.first_key.to_string(),
            key_changes: signed.key_changes.iter().map(Note::to_string).collect(),
            consistency: signed.consistency.iter().map(|hash| hash.as_bytes().to_vec()).collect(),
            entries: signed.entries,
            pruned: signed.pruned,
        }
    }
}

/// A checkpoint that a server gave; not verified.
///
/// # Errors
/// [`BadAnswer`].
pub(in crate::service) fn signed(answer: pb::GetCheckpointResponse) -> Result<SignedLedger, BadAnswer> {
    let note = |text: &String, field| Note::parse(text.as_bytes()).map_err(|_| BadAnswer(field));
    let hash =
        |bytes: &Vec<u8>| bytes.as_slice().try_into().map(Hash::from_bytes).map_err(|_| BadAnswer("consistency"));
    Ok(SignedLedger {
        checkpoint: note(&answer.checkpoint, "checkpoint")?,
        first_key: answer.first_key.parse().map_err(|_| BadAnswer("first_key"))?,
        key_changes: answer.key_changes.iter().map(|text| note(text, "key_changes")).collect::<Result<_, _>>()?,
        consistency: answer.consistency.iter().map(hash).collect::<Result<_, _>>()?,
        entries: answer.entries,
        pruned: answer.pruned,
    })
}

/// Converts a request and checks what the types of its fields do not.
///
/// # Errors
/// [`WorkflowError`] names the field that is wrong.
pub(in crate::service) fn list_entries(
    request: pb::ListEntriesRequest,
) -> Result<(EntryFilter, PageRequest), WorkflowError> {
    let kind = named(request.kind).map(|name| {
        let detail = "it is no kind of entry; docs/ledger.md lists them".to_owned();
        Kind::from_name(&name).ok_or(WorkflowError::OutOfRange { field: Field::Named("kind"), detail })
    });
    let filter = EntryFilter {
        transaction: named(request.transaction_id).map(RequestId::new).transpose()?,
        subject: named(request.subject_id).map(SubjectId::new).transpose()?,
        kind: kind.transpose()?,
        principal: named(request.principal),
        unit: named(request.unit),
        reason: named(request.reason),
        since: super::cases::asked_time(request.since, "since")?,
        until: super::cases::asked_time(request.until, "until")?,
    };
    Ok((filter, page(request.page_size, request.page_token)))
}

/// The message of a request for entries.
pub(in crate::service) fn wire_list_entries(filter: EntryFilter, page: PageRequest) -> pb::ListEntriesRequest {
    let EntryFilter { transaction, subject, kind, principal, unit, reason, since, until } = filter;
    pb::ListEntriesRequest {
        transaction_id: transaction.map(|id| id.as_str().to_owned()).unwrap_or_default(),
        subject_id: subject.map(|id| id.as_str().to_owned()).unwrap_or_default(),
        kind: kind.map(|kind| kind.name().to_owned()).unwrap_or_default(),
        principal: principal.unwrap_or_default(),
        unit: unit.unwrap_or_default(),
        reason: reason.unwrap_or_default(),
        since: since.map(super::to_wire),
        until: until.map(super::to_wire),
        page_size: wire_size(&page),
        page_token: page.token,
    }
}

impl From<ListPage<Leaf>> for pb::ListEntriesResponse {
    fn from(page: ListPage<Leaf>) -> Self {
        let entry = |leaf: Leaf| {
            let (salt, contents) =
                leaf.opening.map(|Opening { salt, contents }| (salt.as_bytes().to_vec(), contents)).unwrap_or_default();
            pb::LedgerEntry { entry: leaf.index, commitment: leaf.commitment.as_bytes().to_vec(), salt, contents }
        };
        let entries = page.entries.into_iter().map(entry).collect();
        Self { entries, next_page_token: page.next.unwrap_or_default() }
    }
}

/// A page of entries that a server gave.
///
/// # Errors
/// [`BadAnswer`].
pub(in crate::service) fn entries_page(answer: pb::ListEntriesResponse) -> Result<ListPage<Leaf>, BadAnswer> {
    let leaf = |one: pb::LedgerEntry| {
        let commitment = one.commitment.as_slice().try_into().map_err(|_| BadAnswer("commitment"))?;
        let opening = match one.salt.is_empty() {
            true => None,
            false => {
                let salt: [u8; Salt::BYTES] = one.salt.as_slice().try_into().map_err(|_| BadAnswer("salt"))?;
                Some(Opening { salt: Salt::from_bytes(salt), contents: one.contents })
            }
        };
        Ok(Leaf { index: one.entry, commitment: Commitment::from_bytes(commitment), opening })
    };
    let entries = answer.entries.into_iter().map(leaf).collect::<Result<_, _>>()?;
    Ok(ListPage { entries, next: named(answer.next_page_token) })
}

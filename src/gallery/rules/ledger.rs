//! The transparency log: what is entered with a command, the order of entries, and its signatures.

use std::convert::Infallible;
use std::sync::Arc;

use super::{Plan, Planned, Write};
use crate::gallery::ledger::{CHECKPOINT_EVERY_MS, LedgerHead, NewEntry, NodeRun, PRUNED_MAX, SEQUENCED_MAX};
use crate::gallery::records::{Committed, LedgerRecords, ReadSet, Records};
use crate::gallery::{GalleryError, Receipt, Timestamp};
use crate::ledger::checkpoint::Checkpoint;
use crate::ledger::hash::Hash;
use crate::ledger::key_change::KeyChange;
use crate::ledger::note::{Note, SigningKey};
use crate::ledger::tile::HEIGHT;
use crate::ledger::tree::{NodeId, NodeSink};

/// The key that signs checkpoints.
#[derive(Clone)]
pub struct Signer(pub Arc<SigningKey>);

/// Two are the same where their public keys are.
impl PartialEq for Signer {
    fn eq(&self, other: &Self) -> bool {
        self.0.verifier() == other.0.verifier()
    }
}

pub(super) fn reads_for_sequence() -> ReadSet {
    ReadSet { unsequenced: Some(SEQUENCED_MAX), ..ReadSet::default() }
}

pub(super) fn reads_for_pruning(before: Timestamp) -> ReadSet {
    ReadSet { entered_before: Some((before, PRUNED_MAX)), ..ReadSet::default() }
}

fn ledger(records: &Records) -> Result<&LedgerRecords, GalleryError> {
    records.ledger.as_ref().ok_or(GalleryError::NoLedger)
}

fn committed(records: &Records, replayed: bool) -> Committed {
    Committed::of(Receipt { commit: records.commit, templates: 0, replayed })
}

/// Entries beside what a command has planned; of what was done before, one that its answer is handed
/// out again.
pub(super) fn with_entries(
    planned: Planned,
    entries: &[NewEntry],
    records: &Records,
    now: Timestamp,
) -> Result<Planned, GalleryError> {
    let (mut plan, entries) = match planned {
        Planned::Write(plan) => (plan, entries.to_vec()),
        Planned::Done(committed) => {
            let again = entries.first().map(NewEntry::of_replay);
            (Plan { writes: Vec::new(), committed }, again.into_iter().collect())
        }
    };
    if plan.committed.erasure.is_some() && !plan.committed.receipt.replayed {
        plan.committed.entry = records.entry_next;
        // So that a retry is told the same.
        for write in &mut plan.writes {
            if let Write::Request(_, request) = write {
                request.number = records.entry_next.map_or(0, |entry| entry + 1);
            }
        }
    }
    for entry in entries {
        let entry = match &plan.committed.erasure {
            // What it came to is known here first.
            Some(erasure) if !plan.committed.receipt.replayed => entry.of_erasure(erasure),
            _ => entry,
        };
        plan.writes.push(Write::Entry(entry.sealed(now)?));
    }
    Ok(Planned::Write(plan))
}

/// An entry of what only reads.
pub(super) fn plan_entry(entry: &NewEntry, records: &Records, now: Timestamp) -> Result<Planned, GalleryError> {
    let writes = vec![Write::Entry(entry.sealed(now)?)];
    Ok(Planned::Write(Plan { writes, committed: committed(records, false) }))
}

/// Takes the entries behind the tree's end into it, and signs what it has then.
pub(super) fn plan_sequence(signer: &Signer, records: &Records, now: Timestamp) -> Result<Planned, GalleryError> {
    let LedgerRecords { head, unsequenced, .. } = ledger(records)?;
    if head.keys()?.current() != signer.0.verifier() {
        return Err(GalleryError::LedgerSigner);
    }
    if unsequenced.is_empty() && head.checkpoint.is_some() {
        return Ok(Planned::Done(committed(records, true)));
    }
    let mut head = head.clone();
    let mut finished = Runs::default();
    for commitment in unsequenced {
        let Ok(_) = head.edge.append(commitment.leaf_hash(), &mut finished);
    }
    let note = sign(&head, &[&signer.0])?;
    let mut writes: Vec<Write> = finished.0.into_iter().map(Write::Nodes).collect();
    // The checkpoint before this one stays where it is the first in a while.
    let before = head.checkpoint.as_ref().map(size_of).transpose()?;
    if !head.stays {
        writes.extend(before.map(Write::DropCheckpoint));
    }
    head.stays = now.0.saturating_sub(head.kept_at.0) >= CHECKPOINT_EVERY_MS;
    if head.stays {
        head.kept_at = now;
    }
    writes.push(Write::Checkpoint { size: head.edge.size(), note: note.clone() });
    head.checkpoint = Some(note);
    writes.push(Write::Ledger(Box::new(head)));
    Ok(Planned::Write(Plan { writes, committed: committed(records, false) }))
}

/// Changes the key that signs. All entries must be in the tree; the entry of the change is taken in
/// with it, so that both keys sign a size that neither has signed alone: receipts of before hold.
pub(super) fn plan_key_change(
    before: &Signer,
    after: &Signer,
    entry: &NewEntry,
    records: &Records,
    now: Timestamp,
) -> Result<Planned, GalleryError> {
    let LedgerRecords { head, unsequenced, .. } = ledger(records)?;
    let keys = head.keys()?;
    if keys.current() == after.0.verifier() {
        return Ok(Planned::Done(committed(records, true)));
    }
    if keys.current() != before.0.verifier() {
        return Err(GalleryError::LedgerSigner);
    }
    if !unsequenced.is_empty() || head.checkpoint.is_none() {
        return Err(GalleryError::Outdated);
    }
    let mut head = head.clone();
    let entry = entry.sealed(now)?;
    let mut finished = Runs::default();
    let Ok(_) = head.edge.append(entry.opening.commitment().leaf_hash(), &mut finished);
    let size = head.edge.size();
    let change = KeyChange::sign(size, &before.0, &after.0).map_err(|why| GalleryError::Ledger(why.to_string()))?;
    head.changes.push(change);
    // As whoever checks the log reads them, before they are in it: no key comes back.
    head.keys().map_err(|_| GalleryError::LedgerSigner)?;
    let note = sign(&head, &[&before.0, &after.0])?;
    head.checkpoint = Some(note.clone());
    (head.stays, head.kept_at) = (true, now);
    let mut writes = vec![Write::Entry(entry)];
    writes.extend(finished.0.into_iter().map(Write::Nodes));
    writes.extend([Write::Checkpoint { size, note }, Write::Ledger(Box::new(head))]);
    Ok(Planned::Write(Plan { writes, committed: committed(records, false) }))
}

/// Takes away contents that are old enough, and enters how many.
pub(super) fn plan_pruning(entry: &NewEntry, records: &Records, now: Timestamp) -> Result<Planned, GalleryError> {
    let LedgerRecords { head, expired, .. } = ledger(records)?;
    // Of what nobody has signed yet the contents are all there is.
    let until = (head.pruned + expired).min(head.signed());
    if until <= head.pruned {
        return Ok(Planned::Done(committed(records, true)));
    }
    let prune = Write::Prune { first: head.pruned, until };
    let head = LedgerHead { pruned: until, ..head.clone() };
    // How many are pruned now, all in all: the newest such entry says how far.
    let entry = entry.clone().with_records(until).sealed(now)?;
    let writes = vec![prune, Write::Ledger(Box::new(head)), Write::Entry(entry)];
    Ok(Planned::Write(Plan { writes, committed: committed(records, false) }))
}

fn sign(head: &LedgerHead, keys: &[&SigningKey]) -> Result<Note, GalleryError> {
    let (origin, edge) = (head.origin().clone(), &head.edge);
    let checkpoint = Checkpoint { origin, size: edge.size(), root: edge.root(), extensions: Vec::new() };
    checkpoint.sign(keys).map_err(|why| GalleryError::Ledger(why.to_string()))
}

fn size_of(note: &Note) -> Result<u64, GalleryError> {
    Checkpoint::parse(note.text()).map(|one| one.size).map_err(|why| GalleryError::Ledger(why.to_string()))
}

/// Finished nodes of the levels that tiles have.
#[derive(Default)]
struct Runs(Vec<NodeRun>);

impl NodeSink for Runs {
    type Error = Infallible;

    fn put(&mut self, NodeId { level, index }: NodeId, hash: Hash) -> Result<(), Infallible> {
        if !level.is_multiple_of(HEIGHT) {
            return Ok(());
        }
        let level = level / HEIGHT;
        match self.0.iter_mut().find(|run| run.level == level) {
            Some(run) => run.hashes.push(hash),
            None => self.0.push(NodeRun { level, first: index, hashes: vec![hash] }),
        }
        Ok(())
    }
}

//! Each thing that can be done to a log, and what is said of it.

use std::convert::Infallible;

use proptest::prelude::*;

use super::*;
use crate::ledger::commitment::Salt;
use crate::ledger::key_change::KeyChange;
use crate::ledger::note::{Algorithm, SigningKey};
use crate::ledger::tree::MemoryNodes;

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed("example.vn/log".parse().unwrap(), Algorithm::Ed25519, &[seed; 32])
}

fn keys() -> LogKeys {
    LogKeys::new(key(1).verifier().clone()).unwrap()
}

fn opening(number: u64) -> Opening {
    let mut salt = [0; 32];
    salt[..8].copy_from_slice(&number.to_be_bytes());
    Opening { salt: Salt::from_bytes(salt), contents: format!("entry {number}").into_bytes() }
}

fn leaf(number: u64) -> Leaf {
    let opening = opening(number);
    Leaf { index: number, commitment: opening.commitment(), opening: Some(opening) }
}

/// A log as it lies in a store.
#[derive(Clone)]
struct Log {
    leaves: Vec<Leaf>,
    nodes: MemoryNodes,
    checkpoints: Vec<Note>,
}

impl Log {
    /// A log of `size` entries, with checkpoints at these sizes.
    fn of(size: u64, checkpoints: &[u64]) -> Self {
        let leaves: Vec<Leaf> = (0..size).map(leaf).collect();
        let mut log = Self { leaves, nodes: MemoryNodes::default(), checkpoints: Vec::new() };
        log.rebuild();
        log.checkpoints = checkpoints.iter().map(|size| log.signed(*size, &[&key(1)])).collect();
        log
    }

    /// Numbers and hashes made anew, as by somebody who has no key.
    fn rebuild(&mut self) {
        let mut edge = RightEdge::default();
        self.nodes = MemoryNodes::default();
        for (index, leaf) in (0..).zip(&mut self.leaves) {
            leaf.index = index;
            edge.append(leaf.commitment.leaf_hash(), &mut self.nodes).unwrap();
        }
    }

    fn renumber(&mut self) {
        (0..).zip(&mut self.leaves).for_each(|(index, leaf)| leaf.index = index);
    }

    fn signed(&self, size: u64, keys: &[&SigningKey]) -> Note {
        let mut edge = RightEdge::default();
        for leaf in &self.leaves[..size as usize] {
            edge.append(leaf.commitment.leaf_hash(), &mut ()).unwrap();
        }
        let origin = "example.vn/log".parse().unwrap();
        Checkpoint { origin, size, root: edge.root(), extensions: Vec::new() }.sign(keys).unwrap()
    }

    fn verify_by(&self, keys: &LogKeys) -> Result<Report, Fault> {
        let leaves = self.leaves.iter().cloned().map(Ok::<_, Infallible>);
        verify(leaves, &self.nodes, self.checkpoints.iter().cloned().map(Ok), keys).unwrap()
    }

    fn verify(&self) -> Result<Report, Fault> {
        self.verify_by(&keys())
    }

    fn verify_without_nodes(&self) -> Result<Report, Fault> {
        let leaves = self.leaves.iter().cloned().map(Ok::<_, Infallible>);
        verify(leaves, &NoNodes::default(), self.checkpoints.iter().cloned().map(Ok), &keys()).unwrap()
    }
}

#[test]
fn a_log_that_nobody_touched_is_right() {
    let mut log = Log::of(100, &[0, 10, 10, 64, 90]);
    let report = log.verify().unwrap();
    assert_eq!((report.entries, report.opened, report.checkpoints, report.signed), (100, 100, 5, 90));
    assert_eq!(report.root, crate::ledger::tree::root(&log.nodes, 100).unwrap());
    assert_eq!(log.verify_without_nodes(), Ok(report));
    // Pruned contents are missed by nobody: the commitments are there.
    log.leaves.iter_mut().step_by(3).for_each(|leaf| leaf.opening = None);
    assert_eq!(log.verify().unwrap().opened, 66);
    let empty = Log::of(0, &[0]).verify().unwrap();
    assert_eq!((empty.entries, empty.root), (0, Hash::EMPTY));
}

#[test]
fn each_change_is_named_with_the_first_entry_it_touches() {
    let good = Log::of(100, &[50, 100]);
    let told = |change: fn(&mut Log)| {
        let mut log = good.clone();
        change(&mut log);
        log.verify().unwrap_err()
    };
    assert_eq!(told(|log| log.leaves[7].opening.as_mut().unwrap().contents[2] ^= 1), Fault::Contents { index: 7 });
    assert_eq!(
        told(|log| log.leaves[7].opening.as_mut().unwrap().salt = Salt::from_bytes([1; 32])),
        Fault::Contents { index: 7 }
    );
    assert_eq!(told(|log| log.leaves[7].commitment = leaf(700).commitment), Fault::Changed { index: 7 });
    assert_eq!(told(|log| log.leaves[7] = Leaf { index: 7, ..leaf(700) }), Fault::Changed { index: 7 });
    assert_eq!(told(|log| log.leaves[99] = Leaf { index: 99, ..leaf(700) }), Fault::Changed { index: 99 });
    // Removed, with the others where they were and moved up.
    assert_eq!(told(|log| drop(log.leaves.remove(7))), Fault::Removed { first: 7, until: 8 });
    assert_eq!(told(|log| drop(log.leaves.drain(7..12))), Fault::Removed { first: 7, until: 12 });
    let removed = |log: &mut Log, range: std::ops::Range<usize>| {
        log.leaves.drain(range);
        log.renumber();
    };
    for (range, fault) in [
        (7..8, Fault::Removed { first: 7, until: 8 }),
        (0..3, Fault::Removed { first: 0, until: 3 }),
        (98..99, Fault::Removed { first: 98, until: 99 }),
        (99..100, Fault::Cut { first: 99, until: 100 }),
        (10..100, Fault::Cut { first: 10, until: 50 }),
    ] {
        let mut log = good.clone();
        removed(&mut log, range.clone());
        assert_eq!(log.verify(), Err(fault), "{range:?}");
    }
    assert_eq!(told(|log| log.leaves.clear()), Fault::Cut { first: 0, until: 50 });
    // Inserted: a new one, and a copy of another.
    for other in [700, 20, 8] {
        for at in [0, 7, 99] {
            let mut log = good.clone();
            log.leaves.insert(at, leaf(other));
            log.renumber();
            assert_eq!(log.verify(), Err(Fault::Inserted { index: at as u64 }), "{other} at {at}");
        }
    }
    assert_eq!(told(|log| log.leaves.push(Leaf { index: 100, ..leaf(700) })), Fault::NotInTree { index: 100 });
    assert_eq!(told(|log| log.leaves.insert(8, leaf(7))), Fault::Repeated { index: 7 });
    // Swapped: contents and all, and only the numbers.
    for (first, second) in [(7, 8), (7, 9), (7, 10), (7, 99), (98, 99), (0, 99)] {
        let mut log = good.clone();
        log.leaves.swap(first, second);
        log.renumber();
        let fault = Fault::Swapped { first: first as u64, second: second as u64 };
        assert_eq!(log.verify(), Err(fault), "{first} {second}");
    }
    assert_eq!(
        told(|log| {
            let one = log.leaves.remove(20);
            log.leaves.insert(7, one);
            log.renumber()
        })
        .first_entry(),
        Some(7)
    );
    assert_eq!(
        told(|log| {
            log.leaves[7] = Leaf { index: 7, ..leaf(20) };
            log.leaves[20] = Leaf { index: 20, ..leaf(30) }
        }),
        Fault::Moved { index: 7, from: 20 }
    );
}

#[test]
fn a_node_that_was_changed_is_named_and_the_entries_are_not() {
    for (level, index) in [(1, 3), (3, 0), (6, 0)] {
        let mut log = Log::of(100, &[100]);
        let id = NodeId { level, index };
        log.nodes.put(id, Hash::leaf(b"other")).unwrap();
        let fault = log.verify().unwrap_err();
        assert_eq!(fault, Fault::Node(id));
        assert_eq!(fault.first_entry(), None);
    }
    // A leaf's own hash: the entry fits its commitment and not the tree.
    let mut log = Log::of(100, &[100]);
    log.nodes.put(NodeId::leaf(7), Hash::leaf(b"other")).unwrap();
    assert_eq!(log.verify(), Err(Fault::Changed { index: 7 }));
}

/// By somebody who rewrites the file and has no signing key.
#[test]
fn with_all_hashes_made_anew_the_signed_checkpoints_tell_between_which_two() {
    let good = Log::of(100, &[10, 50, 80, 100]);
    let changes: [fn(&mut Vec<Leaf>); 4] = [
        |leaves| drop(leaves.remove(60)),
        |leaves| leaves.insert(60, leaf(700)),
        |leaves| leaves.swap(60, 61),
        |leaves| leaves[60] = leaf(700),
    ];
    for change in changes {
        let mut log = good.clone();
        change(&mut log.leaves);
        log.rebuild();
        let rewritten = Fault::Rewritten { first: 50, until: 80 };
        assert_eq!(log.verify(), Err(rewritten.clone()));
        assert_eq!(log.verify_without_nodes(), Err(rewritten));
        // With nodes from before, the entry.
        log.nodes = good.nodes.clone();
        assert_eq!(log.verify().unwrap_err().first_entry(), Some(60));
    }
    // The last, which no smaller checkpoint knows of.
    let mut log = good.clone();
    log.leaves.pop();
    log.rebuild();
    assert_eq!(log.verify(), Err(Fault::Cut { first: 99, until: 100 }));
}

#[test]
fn a_checkpoint_by_another_hand_or_of_another_past_is_told() {
    let good = Log::of(100, &[50, 100]);
    let mut log = good.clone();
    log.checkpoints[0] = log.signed(50, &[&key(9)]);
    assert!(matches!(log.verify(), Err(Fault::Checkpoint { number: 1, .. })));

    // Signed twice by whoever has the key.
    let mut other = good.clone();
    other.leaves[20] = leaf(700);
    let mut log = good.clone();
    log.checkpoints.insert(1, other.signed(50, &[&key(1)]));
    assert_eq!(log.verify(), Err(Fault::Forked { size: 50 }));

    let mut log = good.clone();
    log.checkpoints.push(good.signed(70, &[&key(1)]));
    assert_eq!(log.verify(), Err(Fault::Shrunk { before: 100, after: 70 }));

    // What is beyond the log is believed only where it is signed.
    let mut log = good.clone();
    let beyond = Log::of(120, &[]);
    log.checkpoints.push(beyond.signed(120, &[&key(1)]));
    assert_eq!(log.verify(), Err(Fault::Cut { first: 100, until: 120 }));
    *log.checkpoints.last_mut().unwrap() = beyond.signed(120, &[&key(9)]);
    assert!(matches!(log.verify(), Err(Fault::Checkpoint { number: 3, .. })));
}

/// Rolled back with its checkpoints, or signed anew: nothing in the log tells, as `SECURITY.md` says.
#[test]
fn what_only_a_witness_tells_is_not_told_here() {
    let good = Log::of(100, &[50, 100]);
    let mut rolled_back = good.clone();
    rolled_back.leaves.truncate(50);
    rolled_back.checkpoints.pop();
    rolled_back.rebuild();
    assert_eq!(rolled_back.verify().map(|report| report.entries), Ok(50));

    let kept_elsewhere = Checkpoint::parse(good.checkpoints[1].text()).unwrap();
    let current = Checkpoint::parse(rolled_back.checkpoints[0].text()).unwrap();
    let told = super::super::witness::compare(&kept_elsewhere, &current, &rolled_back.nodes).unwrap();
    assert!(told.is_err(), "{told:?}");
}

#[test]
fn a_log_whose_keys_changed_is_right_under_both() {
    let mut log = Log::of(100, &[]);
    log.checkpoints =
        vec![log.signed(20, &[&key(1)]), log.signed(40, &[&key(1), &key(2)]), log.signed(100, &[&key(2)])];
    let mut both = keys();
    both.change(&KeyChange::sign(40, &key(1), &key(2)).unwrap()).unwrap();
    assert_eq!(log.verify_by(&both).map(|report| report.checkpoints), Ok(3));
    // The key that was given up signs nothing after.
    log.checkpoints[2] = log.signed(100, &[&key(1)]);
    assert!(matches!(log.verify_by(&both), Err(Fault::Checkpoint { number: 3, .. })));
}

#[test]
fn what_cannot_be_read_is_no_fault_of_the_log() {
    let leaves = [Ok(leaf(0)), Err("disk")];
    assert_eq!(verify(leaves, &NoNodes::default(), [], &keys()), Err("disk"));
    let checkpoints = [Err("disk")];
    assert_eq!(verify([Ok(leaf(0))], &NoNodes::default(), checkpoints, &keys()), Err("disk"));
}

#[test]
fn a_fault_says_what_and_where_in_words() {
    assert_eq!(Fault::Removed { first: 3, until: 4 }.to_string(), "entries 3 to 3 were removed");
    assert_eq!(Fault::Swapped { first: 3, second: 9 }.to_string(), "entries 3 and 9 were swapped");
    assert!(Fault::Rewritten { first: 0, until: 5 }.to_string().starts_with("something from entry 0 to 4 was changed"));
}

proptest! {
    /// One bit of any leaf, salt or contents: the entry is named.
    #[test]
    fn one_bit_of_an_entry_names_it(size in 1u64..150, at in any::<prop::sample::Index>(), which in 0..3, bit in 0usize..64) {
        let mut log = Log::of(size, &[size]);
        let index = at.index(size as usize);
        let flip = |bytes: &[u8]| {
            let mut bytes: Vec<u8> = bytes.to_vec();
            let place = bit / 8 % bytes.len();
            bytes[place] ^= 1 << (bit % 8);
            bytes
        };
        let leaf = &mut log.leaves[index];
        let opening = leaf.opening.as_mut().unwrap();
        match which {
            0 => leaf.commitment = Commitment::from_bytes(flip(leaf.commitment.as_bytes()).try_into().unwrap()),
            1 => opening.salt = Salt::from_bytes(flip(opening.salt.as_bytes()).try_into().unwrap()),
            _ => opening.contents = flip(&opening.contents),
        }
        prop_assert_eq!(log.verify().unwrap_err().first_entry(), Some(index as u64));
    }

    /// Any two entries, any run of them: named.
    #[test]
    fn swaps_and_removals_are_named(size in 2u64..120, one in any::<prop::sample::Index>(), other in any::<prop::sample::Index>()) {
        let good = Log::of(size, &[size]);
        let (one, other) = (one.index(size as usize), other.index(size as usize));
        let (first, second) = (one.min(other), one.max(other));
        prop_assume!(first != second);
        let mut log = good.clone();
        log.leaves.swap(first, second);
        log.renumber();
        prop_assert_eq!(log.verify(), Err(Fault::Swapped { first: first as u64, second: second as u64 }));
        let mut log = good;
        log.leaves.drain(first..second);
        log.renumber();
        prop_assert_eq!(log.verify(), Err(Fault::Removed { first: first as u64, until: second as u64 }));
    }
}

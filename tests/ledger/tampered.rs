//! An exported log that somebody wrote over: what this program says of it, and what only a witness
//! tells.

use std::fs;
use std::path::Path;

use chinhchu::ledger::checkpoint::Checkpoint;
use chinhchu::ledger::receipt::Receipt;
use chinhchu::ledger::tile::{TileFolder, TileNodes};
use chinhchu::ledger::verify::{Fault, Report, verify_folder};
use chinhchu::ledger::witness::{Continued, NotContinued, WitnessPolicy, compare};

use crate::log::{Log, keys, witness_key};

fn verify(folder: &Path) -> Result<Report, Fault> {
    verify_folder(&TileFolder::new(folder), &keys()).unwrap()
}

/// Bytes of a file, changed in place.
fn change(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
}

/// Bytes of a leaf in an entry bundle: two of length, 32 of the commitment.
const LEAF: usize = 34;

#[test]
fn the_first_entry_that_was_changed_removed_inserted_or_moved_is_named() {
    let (log, scratch) = (Log::of(600), tempfile::tempdir().unwrap());
    let told = |name: &str, fault: Fault, tamper: fn(&mut Vec<u8>)| {
        let folder = scratch.path().join(name);
        log.export(&folder, 600);
        assert_eq!(verify(&folder).unwrap().entries, 600);
        change(&folder.join("tile/entries/001"), tamper);
        assert_eq!(verify(&folder), Err(fault), "{name}");
    };
    told("changed", Fault::Changed { index: 260 }, |bundle| bundle[4 * LEAF + 20] ^= 1);
    told("swapped", Fault::Swapped { first: 260, second: 262 }, |bundle| {
        let (first, second) = bundle.split_at_mut(6 * LEAF);
        first[4 * LEAF..5 * LEAF].swap_with_slice(&mut second[..LEAF]);
    });
    // As long as it was, so that it is read at all: the last leaf of the bundle stands there twice.
    told("removed", Fault::Removed { first: 260, until: 261 }, |bundle| {
        let last = bundle[255 * LEAF..].to_vec();
        bundle.drain(4 * LEAF..5 * LEAF);
        bundle.extend(last);
    });
    told("inserted", Fault::Inserted { index: 260 }, |bundle| {
        let copy = bundle[9 * LEAF..10 * LEAF].to_vec();
        bundle.splice(4 * LEAF..4 * LEAF, copy);
        bundle.truncate(256 * LEAF);
    });
}

#[test]
fn hashes_made_anew_without_the_key_do_not_fit_what_was_signed() {
    let scratch = tempfile::tempdir().unwrap();
    let (good, forged) = (scratch.path().join("good"), scratch.path().join("forged"));
    Log::of(600).export(&good, 600);
    Log::with(600, Some(20)).export(&forged, 600);
    // All tiles of another log, under the checkpoint that was signed.
    fs::copy(good.join("checkpoint"), forged.join("checkpoint")).unwrap();
    assert_eq!(verify(&forged), Err(Fault::Rewritten { first: 0, until: 600 }));
}

#[test]
fn rolled_back_cut_and_forked_logs_are_right_in_themselves_and_a_witness_tells() {
    let (log, scratch) = (Log::of(900), tempfile::tempdir().unwrap());
    let remembered = log.checkpoint(600);
    let check = |name: &str, log: &Log, size: u64| {
        let folder = scratch.path().join(name);
        log.export(&folder, size);
        assert_eq!(verify(&folder).unwrap().entries, size, "{name}");
        let folder = TileFolder::new(folder);
        let current = Checkpoint::parse(folder.checkpoint().unwrap().text()).unwrap();
        compare(&remembered, &current, &TileNodes::new(&folder, size)).unwrap()
    };
    assert_eq!(check("same", &log, 600), Ok(Continued::Same));
    assert_eq!(check("grown", &log, 900), Ok(Continued::Grown));
    assert_eq!(check("yesterday", &log, 300), Err(NotContinued::Shorter { remembered: 600, found: 300 }));
    // Two states that were shown to two readers.
    let other = Log::with(900, Some(599));
    assert_eq!(check("fork", &other, 600), Err(NotContinued::Forked { size: 600 }));
    assert_eq!(check("longer fork", &other, 900), Err(NotContinued::Forked { size: 600 }));
}

/// A receipt is a witness, too: it holds a signed checkpoint.
#[test]
fn a_receipt_that_somebody_kept_tells_that_its_entry_is_gone() {
    let scratch = tempfile::tempdir().unwrap();
    let kept = Log::of(600).receipt(550, 600).to_string();
    let receipt = Receipt::parse(kept.as_bytes()).unwrap();
    let witnesses = WitnessPolicy::new([7, 8].map(|seed| witness_key(seed).verifier().clone()).to_vec(), 2).unwrap();
    let proven = receipt.verify(None, &keys(), &witnesses).unwrap();
    assert_eq!((proven.index, proven.witnesses.len()), (550, 2));
    let folder = scratch.path().join("cut");
    Log::of(500).export(&folder, 500);
    assert_eq!(verify(&folder).unwrap().entries, 500);
    let folder = TileFolder::new(folder);
    let current = Checkpoint::parse(folder.checkpoint().unwrap().text()).unwrap();
    let told = compare(&proven.checkpoint, &current, &TileNodes::new(&folder, 500)).unwrap();
    assert_eq!(told, Err(NotContinued::Shorter { remembered: 600, found: 500 }));
}

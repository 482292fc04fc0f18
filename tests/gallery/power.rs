//! Power cuts: the disk is frozen at every flush in turn.

use chinhchu::gallery::EnrolMode;

use crate::disk::{Disk, coin};
use crate::model::{Model, Step, assert_holds, write};
use crate::support::*;

/// Writes of every kind, among them some that move whole pages about.
fn steps() -> Vec<Step> {
    let mut steps = Vec::new();
    for i in 0..12u8 {
        steps.push(Step::Enrol(i, EnrolMode::Create, (0..u64::from(i) * 3 + 1).collect()));
        steps.push(Step::Enrol(i / 2, EnrolMode::Add, vec![u64::from(i), 99]));
        steps.push(Step::Enrol(i / 3, EnrolMode::Replace, vec![7, u64::from(i)]));
        if i % 4 == 3 {
            steps.push(Step::Remove(i - 2));
        }
    }
    steps
}

#[test]
fn whatever_was_acknowledged_survives_a_power_cut_at_any_flush_and_nothing_half_done_shows() {
    let disk = Disk::default();
    let gallery = disk.open().unwrap();
    disk.record();
    // The state after each write, and how many flushes had ended by its acknowledgement.
    let mut states = vec![(0, Model::default())];
    let mut receipts = Vec::new();
    for (request, step) in (0..).zip(steps()) {
        let mut model = states[states.len() - 1].1.clone();
        model.apply(&step).expect("a write that is carried out");
        receipts.push(block_on(write(&gallery, &step, request)).unwrap());
        states.push((disk.sync_count(), model));
    }
    drop(gallery);

    let (mut seen_before, mut seen_after) = (false, false);
    let syncs = disk.syncs();
    assert!(syncs.len() >= steps().len(), "each write was flushed");
    for (number, sync) in syncs.iter().enumerate() {
        // All acknowledged before this flush began, one more at most.
        let acknowledged = states.iter().rposition(|(flushes, _)| *flushes <= number).unwrap();
        for cut in 0..4 {
            let mut coin = coin((number * 4 + cut) as u64);
            let bytes = match cut {
                0 => sync.cut(|| false),
                1 => sync.cut(|| true),
                _ => sync.cut(&mut coin),
            };
            let survivor = Disk::holding(bytes).open().unwrap_or_else(|error| panic!("flush {number}: {error}"));
            // A request id is remembered exactly where its write is.
            let mut kept = acknowledged;
            for (request, receipt) in receipts.iter().enumerate() {
                let known = block_on(survivor.receipt(&retry(format!("r{request}"), request as u8))).unwrap();
                assert!(known.is_some() || request >= acknowledged, "flush {number}: write {request} was forgotten");
                assert!(known.is_none() || request <= acknowledged, "flush {number}: write {request} was not begun");
                assert!(known.as_ref().is_none_or(|known| known.commit == receipt.commit));
                kept = kept.max(if known.is_some() { request + 1 } else { 0 });
            }
            seen_after |= kept > acknowledged;
            seen_before |= kept == acknowledged && kept < receipts.len();
            block_on(assert_holds(&survivor, &states[kept].1));
        }
    }
    assert!(seen_before && seen_after, "cuts fell on both sides of a commit");
}

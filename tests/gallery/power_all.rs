//! Power cuts in the middle of everything a gallery does: the disk is frozen at every flush in turn, with
//! the key files as they lay by then, and reopened. `CHINHCHU_CUTS` says how many different things each cut
//! may leave (`scripts/faults`).

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex};

use chinhchu::gallery::EnrolMode;
use chinhchu::sealing::KeyStore;

use crate::disk::{Disk, coin};
use crate::support::*;
use crate::workload::*;

/// The smallest part of a key file that is written whole or not at all.
const SECTOR: usize = 512;

/// What a cut leaves of what a flush was about to make durable, beside the key files of that moment; or in the
/// middle of what was written to them before the flush, or after it.
#[derive(Debug, Clone, Copy)]
enum Leaves {
    Nothing,
    All,
    Some,
    SomeAndTornKeys,
    AllAndTornKeys,
}

impl Leaves {
    const ALL: [Self; 5] = [Self::Nothing, Self::All, Self::Some, Self::SomeAndTornKeys, Self::AllAndTornKeys];
}

/// After an acknowledged write.
struct State {
    /// Flushes that had ended.
    flushes: usize,
    seen: Seen,
    /// Keys that were destroyed by then.
    destroyed: usize,
}

/// Key files in the middle of what turned `before` into `after`. New keys are made in the store first, and
/// destroyed in its copy first; the other file is written when that is flushed.
fn torn(before: &Files, after: &Files, reached: &mut impl FnMut() -> bool) -> Files {
    let (Some(_), Some(_)) = (before.get("keys"), before.get("copy-of-keys")) else { return after.clone() };
    let grows = after["keys"].len() > before["keys"].len();
    let order = if grows { ["keys", "copy-of-keys"] } else { ["copy-of-keys", "keys"] };
    // Either the first of the two is being written, or it is and the second is.
    let is_first_whole = reached();
    let mut files = before.clone();
    for (place, name) in order.into_iter().enumerate() {
        let is_torn = (place == 1) == is_first_whole;
        if place == 0 && is_first_whole {
            files.insert(name.to_owned(), after[name].clone());
        } else if is_torn {
            let (old, mut new) = (&before[name], after[name].clone());
            for (number, sector) in new.chunks_mut(SECTOR).enumerate() {
                let from = number * SECTOR;
                if !reached() {
                    let old = old.get(from..).unwrap_or_default();
                    let kept = old.len().min(sector.len());
                    sector[..kept].copy_from_slice(&old[..kept]);
                    sector[kept..].fill(0);
                }
            }
            files.insert(name.to_owned(), new);
        }
    }
    files
}

fn destroyed(files: &Files) -> usize {
    let dir = folder_of(files);
    let keys = options_in(dir.path(), true).sealing.unwrap();
    KeyStore::open(keys, false).unwrap().destroyed().unwrap().len()
}

/// Leaves so few of the keys made ahead that more are made in the middle of the work.
fn use_up_keys(dir: &Path) {
    let store = KeyStore::open(options_in(dir, true).sealing.unwrap(), false).unwrap();
    while store.left() > 2 {
        store.hand_out().unwrap();
    }
}

/// Cuts the power at every flush; how many cuts that were.
fn cut_everywhere(is_sealed: bool) -> usize {
    let cuts = thoroughness("CHINHCHU_CUTS", 1);
    let dir = scratch();
    let disk = Disk::default();
    if is_sealed {
        drop(disk.open_with(options_in(dir.path(), true)).unwrap());
        use_up_keys(dir.path());
    }
    let gallery = disk.open_with(options_in(dir.path(), is_sealed)).unwrap();
    let keys: Arc<Mutex<Vec<Files>>> = Arc::default();
    let (noted, watched) = (Arc::clone(&keys), dir.path().to_owned());
    disk.record_with(move || noted.lock().unwrap().push(files_in(&watched)));
    let keys_destroyed = || if is_sealed { destroyed(&files_in(dir.path())) } else { 0 };
    let state = |flushes| State { flushes, seen: block_on(seen(&gallery)), destroyed: keys_destroyed() };
    let mut states = vec![state(0)];
    for number in 0..STEPS {
        block_on(step(&gallery, number)).unwrap_or_else(|error| panic!("step {number}: {error}"));
        states.push(state(disk.sync_count()));
    }
    assert_eq!(states[STEPS].destroyed > 0, is_sealed, "an erasure destroys a key");
    let last = states.len() - 1;
    drop(gallery);
    keys.lock().unwrap().push(files_in(dir.path()));

    let (mut points, mut seen_before, mut seen_after) = (0, 0, 0);
    let keys = keys.lock().unwrap();
    for (number, sync) in disk.each_sync().enumerate() {
        let acknowledged = states.iter().rposition(|state| state.flushes <= number).unwrap();
        let (now, next) = (&keys[number], &keys[number + 1]);
        // Before an acknowledged write ended its key files were whole.
        let earlier = keys[..number].last().filter(|_| states[acknowledged].flushes < number).unwrap_or(now);
        let mut leave = vec![Leaves::ALL[number % 3]];
        leave.extend((earlier != now).then_some(Leaves::SomeAndTornKeys));
        leave.extend((now != next).then_some([Leaves::AllAndTornKeys; 2]).into_iter().flatten());
        leave.extend((1..cuts).map(|cut| Leaves::ALL[cut % Leaves::ALL.len()]));
        for (cut, leaves) in leave.into_iter().enumerate() {
            let mut coin = coin((number * 1000 + cut) as u64);
            let bytes = match leaves {
                Leaves::Nothing => sync.cut(|| false),
                Leaves::All | Leaves::AllAndTornKeys => sync.cut(|| true),
                Leaves::Some | Leaves::SomeAndTornKeys => sync.cut(&mut coin),
            };
            let left = match leaves {
                Leaves::SomeAndTornKeys => torn(earlier, now, &mut coin),
                Leaves::AllAndTornKeys => torn(now, next, &mut coin),
                _ => now.clone(),
            };
            let folder = folder_of(&left);
            let survivor = Disk::holding(bytes).open_with(options_in(folder.path(), is_sealed));
            let survivor = survivor.unwrap_or_else(|error| panic!("flush {number}, {leaves:?}: {error}"));
            let found = block_on(seen(&survivor));
            let is_next = found == states[(acknowledged + 1).min(last)].seen;
            if !is_next && found != states[acknowledged].seen {
                let told = difference(&found, &states[acknowledged].seen);
                panic!("flush {number}, {leaves:?}: neither as acknowledged nor as the next write leaves it: {told}");
            }
            (seen_before, seen_after) = (seen_before + u32::from(!is_next), seen_after + u32::from(is_next));
            // It works on, and whoever asks again is answered.
            block_on(async {
                if acknowledged < STEPS {
                    step(&survivor, acknowledged).await.unwrap();
                    let found = seen(&survivor).await;
                    let expected = &states[acknowledged + 1].seen;
                    assert!(found == *expected, "flush {number}, {leaves:?}: {}", difference(&found, expected));
                }
                create(&survivor, "afterwards", &[5]).await.unwrap();
            });
            drop(survivor);
            if is_sealed {
                let expected = states[acknowledged].destroyed;
                assert!(
                    destroyed(&files_in(folder.path())) >= expected,
                    "flush {number}, {leaves:?}: a destroyed key is back"
                );
            }
            points += 1;
        }
    }
    let lengths: BTreeSet<_> = keys.iter().map(|files| files.get("keys").map(Vec::len)).collect();
    assert_eq!(lengths.len() > 1, is_sealed, "keys were made in the middle of it");
    assert!(seen_before > 0 && seen_after > 0, "cuts fell on both sides of commits");
    println!("{points} cuts, {seen_after} with the write that was under way");
    points
}

#[test]
fn a_clear_gallery_holds_after_a_cut_what_it_acknowledged_and_nothing_half_done() {
    assert!(cut_everywhere(false) > STEPS);
}

#[test]
fn a_sealed_gallery_holds_after_a_cut_what_it_acknowledged_and_nothing_half_done() {
    assert!(cut_everywhere(true) > STEPS);
}

/// Enough keys that a rotation takes several steps.
const KEYS: u64 = 1_500;

#[test]
fn a_change_of_the_master_key_can_be_cut_at_every_step_and_no_key_is_lost() {
    use std::ops::ControlFlow;

    use chinhchu::sealing::{KeyStoreOptions, MasterKey, Secret};

    let dir = scratch();
    let disk = Disk::default();
    let gallery = disk.open_with(options_in(dir.path(), true)).unwrap();
    block_on(async {
        for number in 0..STEPS {
            step(&gallery, number).await.unwrap();
        }
    });
    let expected = block_on(seen(&gallery));
    drop(gallery);
    let bytes = disk.cut();
    let old = options_in(dir.path(), true).sealing.unwrap();
    let store = KeyStore::open(old.clone(), false).unwrap();
    for _ in 0..KEYS {
        store.hand_out().unwrap();
    }
    drop(store);
    let destroyed_before = destroyed(&files_in(dir.path()));

    let master = MasterKey::new(Secret::copied(&[4; 32]));
    let both = |dir: &Path| {
        let old = options_in(dir, true).sealing.unwrap();
        KeyStoreOptions { master: master.clone(), previous: Some(old.master.clone()), ..old }
    };
    let mut moments = vec![files_in(dir.path())];
    let store = KeyStore::open(both(dir.path()), false).unwrap();
    let watched = dir.path().to_owned();
    let is_done = store.rotate(&mut |_| {
        moments.push(files_in(&watched));
        ControlFlow::Continue(())
    });
    assert!(is_done.unwrap() && moments.len() > 3, "it takes several steps");
    drop(store);
    moments.push(files_in(dir.path()));

    // Between two moments: a file that grew is there in part; and of two that were put in place of others, the
    // store is and its copy is not yet.
    let mut left: Vec<Files> = moments.clone();
    for (number, two) in moments.windows(2).enumerate() {
        let mut coin = coin(number as u64);
        for (name, new) in &two[1] {
            let Some(old) = two[0].get(name).filter(|old| new.starts_with(old) && new.len() > old.len()) else {
                continue;
            };
            let mut part = new.clone();
            let from = old.len();
            part[from..].chunks_mut(SECTOR).filter(|_| coin()).for_each(|sector| sector.fill(0));
            left.push([two[0].clone(), [(name.clone(), part)].into()].into_iter().flatten().collect());
            let short = new[..from + (new.len() - from) / 2 + 7].to_vec();
            left.push([two[0].clone(), [(name.clone(), short)].into()].into_iter().flatten().collect());
        }
    }
    // At the end the store has its name, and its copy not yet; then that is made under another name, and the
    // one before is overwritten under a third.
    let (before, after) = (&moments[moments.len() - 2], &moments[moments.len() - 1]);
    let copy = |of: &Files| of["copy-of-keys"].clone();
    let at = |name: &str, bytes: Vec<u8>| (name.to_owned(), bytes);
    let mut half = after.clone();
    half.extend([at("copy-of-keys", copy(before))]);
    left.push(half.clone());
    half.extend([at("copy-of-keys.new", copy(after)[..5_000].to_vec())]);
    left.push(half.clone());
    half.extend([at("copy-of-keys.new", copy(after)), at("copy-of-keys.old", copy(before))]);
    half.remove("copy-of-keys");
    left.push(half.clone());
    half.remove("copy-of-keys.new");
    half.extend([at("copy-of-keys", copy(after))]);
    left.push(half.clone());
    half.extend([at("copy-of-keys.old", vec![0; copy(before).len()])]);
    left.push(half);

    for (number, files) in left.iter().enumerate() {
        let folder = folder_of(files);
        let sealing = Some(both(folder.path()));
        let options = chinhchu::gallery::EmbeddedOptions { sealing, ..options_in(folder.path(), true) };
        let survivor = Disk::holding(bytes.clone()).open_with(options);
        let survivor = survivor.unwrap_or_else(|error| panic!("cut {number} of a rotation: {error}"));
        let found = block_on(seen(&survivor));
        assert!(found == expected, "cut {number} of a rotation: {}", difference(&found, &expected));
        block_on(survivor.enrol(&by(), enrolment("afterwards", EnrolMode::Create, &[5]), None)).unwrap();
        drop(survivor);
        // It goes on to its end, and then the new key alone opens it.
        KeyStore::open(both(folder.path()), false).unwrap().rotate(&mut |_| ControlFlow::Continue(())).unwrap();
        let store = KeyStore::open(KeyStoreOptions { previous: None, ..both(folder.path()) }, false).unwrap();
        let examined = store.examine().unwrap();
        assert_eq!((examined.unreadable, examined.destroyed as usize), (0, destroyed_before), "cut {number}");
        drop(store);
        let names: Vec<String> = files_in(folder.path()).into_keys().collect();
        assert_eq!(names, ["copy-of-keys", "keys"], "nothing is left of the files before");
        assert!(KeyStore::open(options_in(folder.path(), true).sealing.unwrap(), false).is_err());
    }
    println!("{} cuts of a rotation", left.len());
}

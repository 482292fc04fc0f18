//! Every operation of every write fails in turn: a full disk, or one that gives errors, for once or until
//! somebody sees to it. Afterwards, in the same process and after a power cut, records, index and log are
//! what was acknowledged. `CHINHCHU_OPERATIONS=1` tries every operation (`scripts/faults`), the short form
//! every 37th.

use std::io::ErrorKind;
use std::time::Duration;

use chinhchu::gallery::{Gallery, GalleryError};

use crate::disk::{Disk, Trouble};
use crate::support::*;
use crate::workload::*;

/// How a gallery lay after a write: its database, its key files, and what could be seen.
struct Image {
    bytes: Vec<u8>,
    keys: Files,
    seen: Seen,
}

fn images(is_sealed: bool) -> Vec<Image> {
    let dir = scratch();
    let disk = Disk::default();
    let gallery = disk.open_with(options_in(dir.path(), is_sealed)).unwrap();
    let image = || Image { bytes: disk.cut(), keys: files_in(dir.path()), seen: block_on(seen(&gallery)) };
    let mut images = vec![image()];
    for number in 0..STEPS {
        block_on(step(&gallery, number)).unwrap();
        images.push(image());
    }
    images
}

fn is_of_the_storage(error: &GalleryError) -> bool {
    matches!(error, GalleryError::DiskFull | GalleryError::Storage(_))
}

/// Sends a write again until the store is open again: a write opens it, a read has it opened.
fn again(gallery: &Gallery, number: usize) -> Result<(), GalleryError> {
    for _ in 0..100 {
        match block_on(step(gallery, number)) {
            Err(error) if is_of_the_storage(&error) => std::thread::sleep(Duration::from_millis(2)),
            done => return done,
        }
    }
    block_on(step(gallery, number))
}

fn assert_seen(gallery: &Gallery, expected: &Seen, told: &str) {
    let found = block_on(seen(gallery));
    assert!(found == *expected, "{told}: {}", difference(&found, expected));
}

/// Lets one operation in `CHINHCHU_OPERATIONS` fail; how many that were.
fn fail_everywhere(is_sealed: bool) -> usize {
    let every = thoroughness("CHINHCHU_OPERATIONS", 37).max(1) as u64;
    let images = images(is_sealed);
    let (mut points, mut lost, mut kept) = (0, 0, 0);
    for number in 0..STEPS {
        let (before, after) = (&images[number], &images[number + 1]);
        for operation in (number as u64 % every..).step_by(every as usize) {
            let kind = [ErrorKind::StorageFull, ErrorKind::Other][(operation / every % 2) as usize];
            // For once, for some operations, or until somebody sees to it.
            let lasting = [1, 5, u64::MAX][((operation / every + number as u64) % 3) as usize];
            let told = format!("step {number}, operation {operation}, {kind:?}, {lasting} times");
            let folder = folder_of(&before.keys);
            let disk = Disk::holding(before.bytes.clone());
            let gallery = disk.open_with(options_in(folder.path(), is_sealed)).unwrap();
            disk.fail(Trouble { after: operation, lasting, kind });
            let first = block_on(step(&gallery, number));
            if disk.failures() == 0 {
                first.unwrap_or_else(|error| panic!("{told}: {error}"));
                break;
            }
            if let Err(error) = &first {
                assert!(is_of_the_storage(error), "{told}: {error}");
            }
            points += 1;

            // What is left where the machine goes down before anybody sees to it.
            let keys = folder_of(&files_in(folder.path()));
            let survivor = Disk::holding(disk.cut()).open_with(options_in(keys.path(), is_sealed));
            let survivor = survivor.unwrap_or_else(|error| panic!("{told}: {error}"));
            let found = block_on(seen(&survivor));
            match (found == after.seen, found == before.seen) {
                (true, _) => kept += 1,
                (false, true) if first.is_err() => lost += 1,
                (false, true) => panic!("{told}: an acknowledged write is gone"),
                (false, false) => panic!("{told}: half a write: {}", difference(&found, &before.seen)),
            }
            block_on(step(&survivor, number)).unwrap_or_else(|error| panic!("{told}: {error}"));
            assert_seen(&survivor, &after.seen, &told);
            drop(survivor);

            // And where somebody does: the same process goes on.
            disk.heal();
            if first.is_err() {
                again(&gallery, number).unwrap_or_else(|error| panic!("{told}, sent again: {error}"));
            }
            assert_seen(&gallery, &after.seen, &told);
            drop(gallery);
            let reopened = Disk::holding(disk.cut()).open_with(options_in(folder.path(), is_sealed)).unwrap();
            assert_seen(&reopened, &after.seen, &told);
        }
    }
    assert!(lost > 0 && kept > 0, "some writes were lost and some were kept: {lost} and {kept}");
    println!("{points} operations failed, {kept} times the write was kept");
    points
}

#[test]
fn a_clear_gallery_is_what_it_acknowledged_whichever_operation_fails() {
    assert!(fail_everywhere(false) > STEPS / 2);
}

#[test]
fn a_sealed_gallery_is_what_it_acknowledged_whichever_operation_fails() {
    assert!(fail_everywhere(true) > STEPS / 2);
}

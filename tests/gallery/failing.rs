//! Storage that fails for a while, at any operation.

use std::io::ErrorKind;

use chinhchu::gallery::{EnrolMode, Gallery, GalleryError};
use proptest::prelude::*;

use crate::disk::{Disk, Trouble};
use crate::model::{Model, Step, a_write, assert_holds, write};
use crate::support::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]
    #[test]
    fn a_write_is_done_whole_or_not_at_all_whatever_fails_and_later_ones_work_again(
        before in prop::collection::vec(a_write(), 0..6),
        during in prop::collection::vec(a_write(), 1..10),
        later in prop::collection::vec(a_write(), 1..6),
        after in 0u64..60,
        lasting in 1u64..12,
        kind in prop::sample::select(vec![ErrorKind::StorageFull, ErrorKind::Other, ErrorKind::TimedOut]),
    ) {
        let disk = Disk::default();
        let gallery = disk.open().unwrap();
        let mut model = Model::default();
        let mut request = 0;
        let mut next = |step: &Step, model: &mut Model, gallery: &Gallery, may_fail: bool| {
            request += 1;
            let mut changed = model.clone();
            let expected = changed.apply(step);
            match block_on(write(gallery, step, request)) {
                Ok(receipt) => {
                    assert_eq!(Some(receipt.templates), expected);
                    *model = changed;
                    None
                }
                Err(GalleryError::SubjectExists | GalleryError::UnknownSubject) => {
                    assert_eq!(expected, None);
                    None
                }
                Err(error) => {
                    assert!(may_fail, "{error}");
                    assert!(matches!(error, GalleryError::DiskFull | GalleryError::Storage(_)), "{error}");
                    Some((request, error))
                }
            }
        };

        for step in &before {
            next(step, &mut model, &gallery, false);
        }
        disk.fail(Trouble { after, lasting, kind });
        for step in &during {
            let Some((failed, error)) = next(step, &mut model, &gallery, true) else { continue };
            // In doubt at most where it says so; sending it again settles it.
            let in_doubt = error.to_string().contains("not known");
            let again = loop {
                match block_on(write(&gallery, step, failed)) {
                    Err(GalleryError::DiskFull | GalleryError::Storage(_)) => {}
                    settled => break settled,
                }
            };
            let expected = model.apply(step);
            prop_assert_eq!(again.as_ref().ok().map(|receipt| receipt.templates), expected);
            if let Ok(receipt) = again {
                prop_assert!(in_doubt || !receipt.replayed, "a write that was said to be lost was kept");
            }
        }
        disk.heal();
        for step in &later {
            next(step, &mut model, &gallery, false);
        }
        block_on(assert_holds(&gallery, &model));
        drop(gallery);
        // What it flushed is what it said.
        block_on(assert_holds(&Disk::holding(disk.cut()).open().unwrap(), &model));
    }
}

#[test]
fn a_write_that_reached_the_disk_although_its_flush_failed_is_told_so() {
    // The flush fails after everything was written; then the storage is well again
    // at once (the writer finds out by itself), or only later (a retry does).
    for lasting in [1, 4] {
        let disk = Disk::default();
        let gallery = disk.open().unwrap();
        block_on(async {
            create(&gallery, "a", &[1]).await.unwrap();
            disk.fail_next_flush(lasting);
            let add = || enrolment("a", EnrolMode::Add, &[2]);
            let first = gallery.enrol(&by(), add(), Some(retry("r", 1))).await;
            match (lasting, first) {
                (1, Ok(receipt)) => assert_eq!((receipt.templates, receipt.replayed), (2, false)),
                (4, Err(GalleryError::Storage(message))) => assert!(message.contains("not known"), "{message}"),
                (_, other) => panic!("{lasting}: {other:?}"),
            }
            disk.heal();
            let again = gallery.enrol(&by(), add(), Some(retry("r", 1))).await.unwrap();
            assert_eq!((again.templates, again.replayed), (2, true));
            assert_holds(&gallery, &Model([("a".into(), vec![1, 2])].into())).await;
        });
    }
}

#[test]
fn searches_go_on_while_the_storage_is_gone() {
    let disk = Disk::default();
    let gallery = disk.open().unwrap();
    block_on(async {
        create(&gallery, "a", &[1]).await.unwrap();
        disk.fail(Trouble { after: 0, lasting: u64::MAX, kind: ErrorKind::Other });
        let error = create(&gallery, "b", &[2]).await.unwrap_err();
        assert!(matches!(error, GalleryError::Storage(_)), "{error}");
        assert_eq!(gallery.nearest(&template(1), 1).await.unwrap()[0].subject, id("a"));
        assert!(gallery.subject(&id("a")).await.is_err(), "the store itself is closed");
        assert!(disk.failures() > 0);

        disk.heal();
        create(&gallery, "b", &[2]).await.unwrap();
        assert!(gallery.subject(&id("a")).await.unwrap().is_some());
    });
}

#[test]
fn a_failed_read_heals_without_a_write() {
    let disk = Disk::default();
    let gallery = disk.open().unwrap();
    block_on(async {
        for i in 0..40 {
            create(&gallery, &format!("s{i}"), &[i; 64]).await.unwrap();
        }
        disk.fail(Trouble { after: 0, lasting: 1, kind: ErrorKind::Other });
        let mut failed = 0;
        for _ in 0..3 {
            for i in 0..40 {
                failed += u32::from(gallery.subject(&id(format!("s{i}"))).await.is_err());
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        assert!(failed > 0, "the cache is too small for all of it");
        for i in 0..40 {
            assert!(gallery.subject(&id(format!("s{i}"))).await.unwrap().is_some());
        }
    });
}

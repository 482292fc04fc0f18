//! A gallery in the clear that was sealed before is not sealed again, nor served: it is from before, or
//! somebody has put it in the place of the sealed one.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use chinhchu::gallery::{self, EmbeddedOptions, Gallery, GalleryError, LookKeys, SealingState};
use chinhchu::sealing::{KeyStore, KeyStoreOptions, MasterKey, Secret};

use crate::sealed::*;
use crate::support::*;

fn serving(dir: &Path) -> EmbeddedOptions {
    EmbeddedOptions { seal_while_serving: true, ..large(sealed(dir)) }
}

/// A gallery in the clear, with something of every kind.
fn clear(dir: &Path) {
    let gallery = gallery::open(&dir.join("data"), RECIPE, DIMENSION, large(options())).unwrap();
    block_on(fill(&gallery));
}

/// Puts another folder in the gallery's place.
fn put_in_place(dir: &Path, folder: &Path) {
    fs::remove_dir_all(dir.join("data")).unwrap();
    copy(folder, &dir.join("data"));
}

fn copied(dir: &Path, name: &str) -> PathBuf {
    copy(&dir.join("data"), &dir.join(name));
    dir.join(name)
}

fn state(dir: &Path) -> SealingState {
    gallery::sealing_state(&dir.join("data")).unwrap()
}

/// Serves it until it is sealed.
fn sealed_while_serving(dir: &Path) {
    let gallery = open_with(dir, serving(dir)).unwrap();
    let begun = Instant::now();
    let left = |ending: &str| dir.join(format!("data/chinhchu.redb{ending}")).exists();
    while left(".sealed") || left(".clear") {
        assert!(begun.elapsed() < Duration::from_secs(120), "the gallery was not sealed");
        std::thread::sleep(Duration::from_millis(2));
    }
    drop(gallery);
    assert_eq!(state(dir), SealingState::Sealed);
}

fn refused(opened: Result<Gallery, GalleryError>) {
    let error = opened.unwrap_err();
    assert!(matches!(error, GalleryError::SealedBefore { .. }), "{error}");
    assert!(error.to_string().contains("Put the sealed folder back"), "{error}");
}

/// Neither way of sealing takes it, and the sealed one, put back, is served as before.
fn is_refused_until_the_sealed_one_is_back(dir: &Path, clear: &Path) {
    let sealed_folder = copied(dir, "sealed-folder");
    put_in_place(dir, clear);
    refused(open_with(dir, serving(dir)));
    let error = gallery::seal(&dir.join("data"), &sealed(dir), &mut |_| {}).unwrap_err();
    assert!(matches!(error, GalleryError::SealedBefore { .. }), "{error}");
    // Nor does anybody advise to seal it.
    for options in [sealed(dir), serving(dir)] {
        refused(open_with(dir, options.clone()));
        let keys = LookKeys::Open(options.sealing.clone().unwrap());
        let looked = gallery::look(&dir.join("data"), &[], &EmbeddedOptions { create: false, ..options }, Some(&keys));
        assert!(matches!(looked, Err(GalleryError::SealedBefore { .. })), "{looked:?}");
    }
    assert!(!matches!(state(dir), SealingState::Sealed | SealingState::Overwriting));
    put_in_place(dir, &sealed_folder);
    let gallery = open_with(dir, serving(dir)).unwrap();
    assert!(block_on(gallery.subject(&id("subject-one"))).unwrap().is_some());
    drop(gallery);
    fs::remove_dir_all(sealed_folder).unwrap();
}

#[test]
fn a_clear_folder_in_the_place_of_the_sealed_one_is_refused_however_that_was_sealed() {
    let works: [fn(&Path); 2] = [sealed_while_serving, |dir| {
        gallery::seal(&dir.join("data"), &sealed(dir), &mut |_| {}).unwrap();
    }];
    for seal in works {
        let dir = tempfile::tempdir().unwrap();
        clear(dir.path());
        let folder = copied(dir.path(), "clear-folder");
        seal(dir.path());
        is_refused_until_the_sealed_one_is_back(dir.path(), &folder);
    }
}

/// It is noted in both files, goes over a change of the master key, and one of the two files is enough.
#[test]
fn the_key_store_knows_it_through_a_change_of_the_master_key_and_the_loss_of_a_file() {
    let dir = tempfile::tempdir().unwrap();
    clear(dir.path());
    let folder = copied(dir.path(), "clear-folder");
    gallery::seal(&dir.path().join("data"), &sealed(dir.path()), &mut |_| {}).unwrap();
    let old = sealed(dir.path()).sealing.unwrap();
    fs::copy(old.copy.as_ref().unwrap(), &old.path).unwrap();
    is_refused_until_the_sealed_one_is_back(dir.path(), &folder);
    let master = MasterKey::new(Secret::random().unwrap());
    let both = KeyStoreOptions { master, previous: Some(old.master.clone()), ..old.clone() };
    assert!(KeyStore::open(both.clone(), false).unwrap().rotate(&mut |_| std::ops::ControlFlow::Continue(())).unwrap());
    let sealing = Some(KeyStoreOptions { previous: None, ..both });
    put_in_place(dir.path(), &folder);
    refused(open_with(dir.path(), EmbeddedOptions { sealing, ..serving(dir.path()) }));
}

/// A copy from the middle of the sealing has a sealed copy beside it that is not whole.
#[test]
fn a_folder_from_the_middle_of_its_sealing_is_refused_as_well_and_goes_on_before_that_ended() {
    let dir = tempfile::tempdir().unwrap();
    clear(dir.path());
    let stopped = std::panic::catch_unwind(|| {
        let mut steps = 0;
        gallery::seal(&dir.path().join("data"), &sealed(dir.path()), &mut |_| {
            steps += 1;
            assert!(steps < 5, "killed here");
        })
    });
    assert!(!matches!(stopped, Ok(Ok(_))));
    assert!(matches!(state(dir.path()), SealingState::Copying { .. }));
    let folder = copied(dir.path(), "half-sealed");
    // Nothing has ended yet: it goes on.
    sealed_while_serving(dir.path());
    is_refused_until_the_sealed_one_is_back(dir.path(), &folder);
}

/// Whoever means the clear one makes new keys for it; the sealed one stays what it is, under its own.
#[test]
fn with_a_key_store_of_its_own_a_clear_folder_of_before_is_sealed_anew() {
    let dir = tempfile::tempdir().unwrap();
    clear(dir.path());
    let (folder, new) = (copied(dir.path(), "clear-folder"), tempfile::tempdir().unwrap());
    sealed_while_serving(dir.path());
    let sealed_folder = copied(dir.path(), "sealed-folder");
    copy(&folder, &new.path().join("data"));
    sealed_while_serving(new.path());
    drop(open_with(new.path(), sealed(new.path())).unwrap());
    put_in_place(dir.path(), &sealed_folder);
    drop(open_with(dir.path(), sealed(dir.path())).unwrap());
}

/// Whoever names the wrong folder is not advised to seal it under the keys of another gallery.
#[test]
fn a_clear_folder_of_another_gallery_is_told_whose_keys_these_are() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    clear(dir.path());
    clear(other.path());
    gallery::seal(&dir.path().join("data"), &sealed(dir.path()), &mut |_| {}).unwrap();
    put_in_place(dir.path(), &other.path().join("data"));
    for options in [sealed(dir.path()), serving(dir.path())] {
        let error = open_with(dir.path(), options).unwrap_err();
        assert!(matches!(error, GalleryError::KeyStoreTaken { .. }), "{error}");
    }
}

/// Of a gallery that was made sealed there is no clear folder; another gallery's is told by its id.
#[test]
fn a_key_store_that_has_served_no_sealed_gallery_yet_refuses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    clear(dir.path());
    drop(KeyStore::open(sealed(dir.path()).sealing.unwrap(), true).unwrap());
    sealed_while_serving(dir.path());
    drop(open_with(dir.path(), serving(dir.path())).unwrap());
}

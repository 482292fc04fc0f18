//! Whoever is forgotten has no key left, however they went: by a removal, by an erasure after one, and where
//! somebody puts a key store back from before.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chinhchu::gallery::{
    self, Command, DecisionKey, EmbeddedOptions, Erasure, Expired, Gallery, GalleryError, RecordStore, RequestId,
    RequestKind, Timestamp, VectorIndex,
};
use chinhchu::sealing::{KeyStore, KeyStoreOptions, MasterKey, Secret, stream};

use crate::requests::opened as asked_for;
use crate::sealed::*;
use crate::support::*;

/// A person with a record and nothing else.
const ALONE: &str = "subject-four";

fn vector_of(seed: u64) -> Vec<u8> {
    template(seed).vector().iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// What the files of the key store are, in this order: its own, its copy.
fn key_files(dir: &Path) -> [PathBuf; 2] {
    let KeyStoreOptions { path, copy, .. } = sealed(dir).sealing.unwrap();
    [path, copy.unwrap()]
}

/// Which keys are there, in each of the two files.
fn keys_there(dir: &Path) -> [BTreeSet<u64>; 2] {
    key_files(dir).map(|path| {
        let alone = KeyStoreOptions { path, copy: None, ..sealed(dir).sealing.unwrap() };
        let keys = KeyStore::open(alone, false).unwrap();
        // Whoever asks for a key by its number says that it was handed out.
        keys.not_destroyed(&Vec::from_iter(0..keys.made())).unwrap().into_iter().collect()
    })
}

/// Something of every kind, one person who has a record and nothing else, and an index file.
fn filled(dir: &Path) {
    let gallery = open_with(dir, large(sealed(dir))).unwrap();
    block_on(async {
        fill(&gallery).await;
        gallery.enrol(&by(), person(ALONE, &[60]), None).await.unwrap();
    });
}

/// The copy of the folder from now.
fn backup(dir: &Path, name: &str) -> PathBuf {
    let backup = dir.join(name);
    copy(&dir.join("data"), &backup);
    backup
}

fn index_key(folder: &Path) -> u64 {
    stream::key_of(&fs::read(folder.join("index")).unwrap()).unwrap()
}

async fn erased(gallery: &Gallery, subject: &str) -> gallery::ErasureReceipt {
    gallery.erase(&by(), erase(subject), None).await.unwrap()
}

/// Whether something in a copy of the folder tells of somebody, with every key that is left.
fn tells(dir: &Path, folder: &Path, telling: &[&[u8]]) -> bool {
    let (rows, tells) = opened(folder, &key_store(dir), telling);
    assert!(rows > 3, "others can be read");
    tells
}

#[test]
fn a_removal_that_leaves_nothing_destroys_the_key_before_it_is_answered() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path());
    let (before, vector) = (backup(dir.path(), "before"), vector_of(60));
    let about: [&[u8]; 2] = [ALONE.as_bytes(), &vector];
    assert!(tells(dir.path(), &before, &about));
    let (index, there) = (index_key(&before), keys_there(dir.path()));
    let gallery = open_with(dir.path(), large(sealed(dir.path()))).unwrap();
    block_on(gallery.remove(&by(), &id(ALONE), Some(retry("remove", 1)))).unwrap();
    // As it is at the answer: a process that ends here has done nothing more.
    let at_answer = tempfile::tempdir().unwrap();
    for (path, copied) in key_files(dir.path()).iter().zip(key_files(at_answer.path())) {
        fs::copy(path, copied).unwrap();
    }
    assert!(!dir.path().join("data/index").exists(), "nor does an index file hold the record");
    block_on(async {
        // Again is done already, and of who has nothing left nothing is erased.
        assert!(gallery.remove(&by(), &id(ALONE), Some(retry("remove", 1))).await.unwrap().replayed);
        let nothing = gallery.erase(&by(), erase(ALONE), None).await.unwrap_err();
        assert!(matches!(nothing, GalleryError::UnknownSubject), "{nothing}");
    });
    drop(gallery);
    for (now, there) in keys_there(at_answer.path()).iter().zip(&there) {
        let gone: Vec<u64> = there.difference(now).copied().collect();
        assert!(gone.len() == 2 && gone.contains(&index), "its own and that of the index file: {gone:?}");
    }
    assert!(!tells(dir.path(), &before, &about));
    // Whoever comes under that id later is somebody else, under another key.
    let gone = there[0].difference(&keys_there(dir.path())[0]).copied().collect::<BTreeSet<_>>();
    let gallery = open_with(dir.path(), large(sealed(dir.path()))).unwrap();
    block_on(gallery.enrol(&by(), person(ALONE, &[61]), None)).unwrap();
    drop(gallery);
    assert!(keys_of_subjects(dir.path()).is_disjoint(&gone));
    assert!(keys_of_subjects(dir.path()).is_subset(&keys_there(dir.path())[0]));
    assert!(!tells(dir.path(), &before, &about));
}

/// Decisions, and requests of people, are sealed under the same key: it stays as long as they do, and an
/// erasure destroys it also where the record went before.
#[test]
fn an_erasure_after_a_removal_destroys_the_key_that_was_left() {
    let dir = tempfile::tempdir().unwrap();
    let with_log = || EmbeddedOptions { ledger: Some(log_setup()), ..large(sealed(dir.path())) };
    let gallery = open_with(dir.path(), with_log()).unwrap();
    block_on(async {
        fill(&gallery).await;
        for (number, subject) in ["subject-four", "subject-five"].iter().enumerate() {
            gallery.enrol(&by(), person(subject, &[60 + number as u64]), None).await.unwrap();
        }
        asked_for(&gallery, "subject-five", RequestKind::Access).await;
    });
    drop(gallery);
    let before = backup(dir.path(), "before");
    // With a decision and a pair; with a request alone.
    for (subject, seed) in [("subject-one", 0), ("subject-five", 61)] {
        let vector = vector_of(seed);
        let about: [&[u8]; 2] = [subject.as_bytes(), &vector];
        let gallery = open_with(dir.path(), with_log()).unwrap();
        block_on(gallery.remove(&by(), &id(subject), None)).unwrap();
        drop(gallery);
        assert!(tells(dir.path(), &before, &about), "what is left of {subject} is sealed under its key");
        let gallery = open_with(dir.path(), with_log()).unwrap();
        block_on(async {
            let done = erased(&gallery, subject).await;
            assert_eq!(done.erasure, Erasure::Erased);
            assert!(done.entry.is_some(), "the receipt is an entry of the log");
            let nothing = gallery.erase(&by(), erase(subject), None).await.unwrap_err();
            assert!(matches!(nothing, GalleryError::UnknownSubject), "{nothing}");
        });
        drop(gallery);
        assert!(!tells(dir.path(), &before, &about), "{subject}");
    }
}

/// The key is left where nothing else is: the last decision about who was removed went by its age.
#[test]
fn an_erasure_destroys_a_key_under_which_nothing_is_left() {
    let dir = tempfile::tempdir().unwrap();
    let key = DecisionKey::new(RequestId::new("transaction-9").unwrap(), 1).unwrap();
    filled(dir.path());
    let gallery = open_with(dir.path(), large(sealed(dir.path()))).unwrap();
    block_on(gallery.decide(&by(), decision("transaction-9", ALONE))).unwrap();
    drop(gallery);
    let (before, vector) = (backup(dir.path(), "before"), vector_of(60));
    let about: [&[u8]; 2] = [ALONE.as_bytes(), &vector];
    let (store, _) = open_parts(dir.path());
    block_on(async {
        store.commit(&by(), Command::Remove(id(ALONE), None)).await.unwrap();
        let taken = Command::Retain(Expired::Decisions(key.clone(), id(ALONE)), Timestamp(u64::MAX >> 1));
        assert_eq!(store.commit(&by(), taken).await.unwrap().taken, 1);
    });
    store.close();
    drop(store);
    assert!(tells(dir.path(), &before, &about), "retention destroys no key");
    let gallery = open_with(dir.path(), large(sealed(dir.path()))).unwrap();
    assert_eq!(block_on(erased(&gallery, ALONE)).erasure, Erasure::Erased);
    drop(gallery);
    assert!(!tells(dir.path(), &before, &about));
}

/// What is committed and the process ends before the key is destroyed is destroyed by the next start, and an
/// index file that holds the record is not used.
#[test]
fn a_removal_that_was_interrupted_is_finished_at_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path());
    let (before, vector) = (backup(dir.path(), "before"), vector_of(60));
    let about: [&[u8]; 2] = [ALONE.as_bytes(), &vector];
    let index = index_key(&before);
    let (store, _) = open_parts(dir.path());
    block_on(store.commit(&by(), Command::Remove(id(ALONE), None))).unwrap();
    store.close();
    drop(store);
    assert!(tells(dir.path(), &before, &about));
    drop(open_with(dir.path(), large(sealed(dir.path()))).unwrap());
    assert!(!tells(dir.path(), &before, &about));
    assert!(keys_there(dir.path()).iter().all(|keys| !keys.contains(&index)), "that of the index file, too");
}

fn open_parts(dir: &Path) -> (Arc<dyn RecordStore>, Vec<Arc<dyn VectorIndex>>) {
    gallery::open_parts(&dir.join("data"), RECIPE, DIMENSION, large(sealed(dir))).unwrap()
}

/// Nothing of this is different in a gallery in the clear.
/// The rows went with the commit, and the key did not: whoever asks again hears of no erasure before it is one.
#[test]
fn nothing_is_said_to_be_gone_while_its_key_waits_to_be_destroyed() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path());
    let [keys, _] = key_files(dir.path());
    let aside = dir.path().join("aside");
    let before = keys_there(dir.path());
    let gallery = open_with(dir.path(), large(sealed(dir.path()))).unwrap();
    block_on(async {
        let ask = async || gallery.erase(&by(), erase(ALONE), None).await.map(drop);
        fs::rename(&keys, &aside).unwrap();
        for _ in 0..2 {
            let refused = ask().await.unwrap_err();
            assert!(!matches!(refused, GalleryError::UnknownSubject), "{refused}");
            let refused = gallery.remove(&by(), &id(ALONE), None).await.unwrap_err();
            assert!(!matches!(refused, GalleryError::UnknownSubject), "{refused}");
        }
        fs::rename(&aside, &keys).unwrap();
        assert!(matches!(ask().await, Err(GalleryError::UnknownSubject)), "its key is gone by now");
    });
    drop(gallery);
    for (now, before) in keys_there(dir.path()).iter().zip(&before) {
        assert!(now.len() < before.len());
    }
}

#[test]
fn in_a_clear_gallery_an_erasure_after_a_removal_finds_what_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let gallery = open(dir.path()).unwrap();
    block_on(async {
        fill(&gallery).await;
        gallery.enrol(&by(), person(ALONE, &[60]), None).await.unwrap();
        gallery.remove(&by(), &id(ALONE), None).await.unwrap();
        let nothing = gallery.erase(&by(), erase(ALONE), None).await.unwrap_err();
        assert!(matches!(nothing, GalleryError::UnknownSubject), "{nothing}");
        gallery.remove(&by(), &id("subject-one"), None).await.unwrap();
        assert_eq!(erased(&gallery, "subject-one").await.erasure, Erasure::Erased);
    });
}

/// Puts files of the key store back as they were.
fn put_back(dir: &Path, files: &[Vec<u8>; 2]) {
    for (path, bytes) in key_files(dir).iter().zip(files) {
        fs::write(path, bytes).unwrap();
    }
}

/// A folder, and its key store of now and of before: three were erased since, one removed, and an index file
/// was made anew. Which keys went.
fn erased_since(dir: &Path) -> ([Vec<u8>; 2], [Vec<u8>; 2], BTreeSet<u64>) {
    filled(dir);
    let files = || key_files(dir).map(|path| fs::read(path).unwrap());
    let there = keys_there(dir)[0].clone();
    let before = files();
    let gallery = open_with(dir, large(sealed(dir))).unwrap();
    block_on(async {
        for subject in ["subject-one", "subject-three"] {
            assert_eq!(erased(&gallery, subject).await.erasure, Erasure::Erased);
        }
        gallery.remove(&by(), &id(ALONE), None).await.unwrap();
        gallery.enrol(&by(), person("subject-five", &[61]), None).await.unwrap();
    });
    drop(gallery);
    let gone = there.difference(&keys_there(dir)[0]).copied().collect();
    (before, files(), gone)
}

#[test]
fn a_key_store_from_before_erasures_brings_nobody_back() {
    let dir = tempfile::tempdir().unwrap();
    let (before, now, gone) = erased_since(dir.path());
    assert!(gone.len() >= 4, "of three people and an index file: {gone:?}");
    // Both files from before; its own alone, with and without the copy; the copy alone.
    let copies = [
        ([before[0].clone(), before[1].clone()], true),
        ([before[0].clone(), now[1].clone()], true),
        ([before[0].clone(), now[1].clone()], false),
        ([now[0].clone(), before[1].clone()], true),
    ];
    let folder = backup(dir.path(), "folder");
    for (files, with_copy) in &copies {
        put_back(dir.path(), files);
        copy(&folder, &dir.path().join("data"));
        let keys = KeyStoreOptions {
            copy: sealed(dir.path()).sealing.unwrap().copy.filter(|_| *with_copy),
            ..sealed(dir.path()).sealing.unwrap()
        };
        let options = EmbeddedOptions { sealing: Some(keys), ..large(sealed(dir.path())) };
        let gallery = open_with(dir.path(), options.clone()).unwrap();
        block_on(async {
            assert!(gallery.subject(&id("subject-two")).await.unwrap().is_some());
            assert!(gallery.subject(&id("subject-five")).await.unwrap().is_some());
            assert!(gallery.subject(&id("subject-one")).await.unwrap().is_none());
        });
        drop(gallery);
        let [own, copied] = keys_there(dir.path());
        assert!(own.is_disjoint(&gone) && (copied.is_disjoint(&gone) || !with_copy));
        assert!(keys_of_subjects(dir.path()).is_subset(&own), "nobody else's is destroyed");
        // And it goes on: nobody new gets a number of before.
        let gallery = open_with(dir.path(), options).unwrap();
        block_on(async {
            gallery.enrol(&by(), person("subject-six", &[62]), None).await.unwrap();
            assert_eq!(erased(&gallery, "subject-six").await.erasure, Erasure::Erased);
        });
    }
}

/// Whoever reads the folder in another way than serving it opens the key store, too.
#[test]
fn a_key_store_from_before_erasures_is_told_whoever_opens_it() {
    type Work = fn(&Path);
    let works: [Work; 2] = [
        |dir| {
            let read = &mut |_: &dyn gallery::LedgerTables| Ok(());
            gallery::read_ledger_at(&dir.join("data"), &large(sealed(dir)), read).unwrap();
        },
        |dir| {
            let begin = &mut |_: &gallery::SnapshotHead| std::ops::ControlFlow::Continue(());
            let visit = &mut |_| std::ops::ControlFlow::Continue(());
            gallery::read_all(&by(), &dir.join("data"), &large(sealed(dir)), begin, visit).unwrap();
        },
    ];
    for work in works {
        let dir = tempfile::tempdir().unwrap();
        let (before, _, gone) = erased_since(dir.path());
        put_back(dir.path(), &before);
        assert!(!keys_there(dir.path())[0].is_disjoint(&gone));
        work(dir.path());
        assert!(keys_there(dir.path()).iter().all(|keys| keys.is_disjoint(&gone)));
    }
}

/// A change of the master key makes a new file, which is in keeping with the gallery as the one before was.
#[test]
fn a_key_store_from_before_erasures_brings_nobody_back_after_a_change_of_the_master_key() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path());
    let old = sealed(dir.path()).sealing.unwrap();
    let master = MasterKey::new(Secret::random().unwrap());
    let both = KeyStoreOptions { master: master.clone(), previous: Some(old.master.clone()), ..old };
    let alone = KeyStoreOptions { previous: None, ..both.clone() };
    let rotated = KeyStore::open(both, false).unwrap();
    assert!(rotated.rotate(&mut |_| std::ops::ControlFlow::Continue(())).unwrap());
    let noted = rotated.list_of_destroyed().unwrap();
    assert!(noted.is_some(), "what was noted goes over");
    drop(rotated);
    let open = || {
        let options = EmbeddedOptions { sealing: Some(alone.clone()), ..large(sealed(dir.path())) };
        open_with(dir.path(), options).unwrap()
    };
    let before = key_files(dir.path()).map(|path| fs::read(path).unwrap());
    let keys = || {
        let keys = KeyStore::open(alone.clone(), false).unwrap();
        BTreeSet::from_iter(keys.not_destroyed(&Vec::from_iter(0..keys.made())).unwrap())
    };
    let there = keys();
    let gallery = open();
    block_on(erased(&gallery, "subject-one"));
    drop(gallery);
    let gone: BTreeSet<u64> = there.difference(&keys()).copied().collect();
    assert!(!gone.is_empty());
    put_back(dir.path(), &before);
    drop(open());
    assert!(keys().is_disjoint(&gone));
}

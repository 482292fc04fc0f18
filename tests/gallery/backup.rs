//! Backups: what is restored from one is the gallery as it was, without whoever was erased since; and what is
//! damaged, swapped or half written is never taken for one.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chinhchu::backup::{
    BackupError, BackupFile, BackupKey, BackupKeys, BackupReader, BackupWriter, Keep, Manifest, Repository, Written,
    verify,
};
use chinhchu::gallery::{
    self, EmbeddedOptions, EnrolMode, Gallery, GalleryError, RestoreFrom, Restored, Timestamp, Without, verify_ledger,
};
use chinhchu::ledger::entry::{Code, Entry, Kind};
use chinhchu::sealing::{MasterKey, Secret};
use redb::{Database, ReadableDatabase, ReadableTable, ReadableTableMetadata, TableDefinition};

use crate::sealed::{decision, erase, everything, fill, holds, key_store, log_setup, open_with, person};
use crate::support::*;

const SUBJECTS: TableDefinition<&str, &[u8]> = TableDefinition::new("subjects");

fn key(byte: u8) -> BackupKey {
    BackupKey::new(&MasterKey::new(Secret::copied(&[byte; 32])))
}

fn keys() -> Arc<BackupKeys> {
    Arc::new(BackupKeys::new(key(5), []))
}

fn try_back_up(
    data: &Path,
    options: &EmbeddedOptions,
    to: &Path,
    keys: Arc<BackupKeys>,
) -> Result<Written, BackupError> {
    let repository = Repository::open_or_make(to)?;
    let (writer, failed) = (RefCell::new(None), RefCell::new(None));
    let mut begin = |head: &gallery::RowsHead| {
        *writer.borrow_mut() = Some(BackupWriter::begin(&repository, Arc::clone(&keys), head.clone(), None).unwrap());
        ControlFlow::Continue(())
    };
    let mut take = |batch: gallery::RowBatch| match writer.borrow_mut().as_mut().unwrap().take(&batch) {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => {
            *failed.borrow_mut() = Some(error);
            ControlFlow::Break(GalleryError::Closing)
        }
    };
    let read = gallery::read_rows(&by(), data, options, &mut begin, &mut take);
    match failed.into_inner() {
        Some(error) => Err(error),
        None => read.map(|()| writer.into_inner().unwrap().finish()).unwrap(),
    }
}

fn back_up(data: &Path, options: &EmbeddedOptions, to: &Path) -> Manifest {
    try_back_up(data, options, to, keys()).unwrap().manifest
}

fn restored_without(
    repository: &Path,
    manifest: &Manifest,
    to: &Path,
    options: &EmbeddedOptions,
    without: Without,
) -> Result<Restored, GalleryError> {
    let repository = Repository::open(repository).unwrap();
    let mut reader = BackupReader::begin(Arc::new(repository.clone()), keys(), manifest.clone()).unwrap();
    let name = Code::new(format!("backup.{}", manifest.id)).unwrap();
    let from = RestoreFrom { head: manifest.head.clone(), name, digest: manifest.digest, without };
    gallery::restore(&by(), to, options, &from, &mut || {
        reader.next_batch().map_err(|error| GalleryError::Storage(error.to_string()))
    })
}

fn restored(repository: &Path, manifest: &Manifest, to: &Path, options: &EmbeddedOptions) -> Restored {
    restored_without(repository, manifest, to, options, Without::default()).unwrap()
}

/// A folder with a gallery in `data` that has something of every kind, and its options.
struct Filled {
    dir: tempfile::TempDir,
    options: EmbeddedOptions,
}

impl Filled {
    fn new(is_sealed: bool, has_log: bool) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let options = if is_sealed { sealed(dir.path()) } else { options() };
        let filled = Self { options: EmbeddedOptions { ledger: has_log.then(log_setup), ..options }, dir };
        block_on(fill(&filled.open()));
        filled
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn open(&self) -> Gallery {
        open_with(self.dir.path(), self.options.clone()).unwrap()
    }

    fn back_up(&self) -> Manifest {
        back_up(&self.data(), &self.options, &self.at("backups"))
    }

    fn open_at(&self, data: &Path) -> Gallery {
        gallery::open(data, RECIPE, DIMENSION, self.options.clone()).unwrap()
    }
}

fn entries(gallery: &Gallery) -> Vec<Entry> {
    let read = |tables: &dyn gallery::LedgerTables| {
        gallery::leaves(tables, 0).map(|leaf| Ok(Entry::decode(&leaf?.opening.unwrap().contents).unwrap())).collect()
    };
    block_on(gallery.read_ledger(read)).unwrap()
}

/// What is told of people, decisions and searches; requests are told as blank of whom was erased in the
/// gallery, and not at all in a restored one.
fn but_requests(seen: Vec<String>) -> Vec<String> {
    let is_of_requests = |line: &String| {
        line.ends_with(" open requests") || line.contains("Timestamp(") && !line.starts_with("subject-")
    };
    seen.into_iter().filter(|line| !is_of_requests(line)).collect()
}

#[test]
fn what_is_restored_is_the_gallery_as_it_was_and_goes_on() {
    for (is_sealed, has_log) in [(false, false), (false, true), (true, false), (true, true)] {
        let filled = Filled::new(is_sealed, has_log);
        let gallery = filled.open();
        let (before, own_id) = (block_on(everything(&gallery)), gallery.id());
        drop(gallery);
        let manifest = filled.back_up();
        assert_eq!((manifest.head.subjects, manifest.head.templates), (3, 6));
        let verified =
            verify(&Repository::open(&filled.at("backups")).unwrap(), &keys(), &manifest, &mut |_| {}).unwrap();
        assert!(verified.damage.is_empty() && verified.rows == manifest.rows(), "{verified:?}");
        let restored = restored(&filled.at("backups"), &manifest, &filled.at("restored"), &filled.options);
        assert_eq!((restored.subjects, restored.templates, restored.left_out), (3, 6, 0));
        assert_eq!(restored.entry.is_some(), has_log);
        assert!(!filled.at("restored").join("index").exists(), "what is derived is in no backup");
        let gallery = filled.open_at(&filled.at("restored"));
        assert_eq!(gallery.id(), own_id);
        assert_eq!(block_on(everything(&gallery)), before, "sealed: {is_sealed}, log: {has_log}");
        block_on(async {
            // A retry of before is known still, and what is new has numbers that nothing had.
            let again = gallery.enrol(&by(), person("subject-one", &[0, 9]), Some(retry("request-0", 1))).await;
            assert!(again.unwrap().replayed);
            gallery.enrol(&by(), person("subject-five", &[51]), None).await.unwrap();
            gallery.decide(&by(), decision("transaction-9", "subject-five")).await.unwrap();
            let page = gallery.decisions_after(&Default::default(), 0, 99).await.unwrap().decisions;
            assert!(page.last().unwrap().number > 1 << 24, "{}", page.last().unwrap().number);
            let five = gallery.subject(&id("subject-five")).await.unwrap().unwrap();
            assert!(five.templates[0].id > 1 << 24);
            assert_eq!(gallery.nearest(&template(51), 1).await.unwrap()[0].score, 1.0);
        });
        if has_log {
            let seen = entries(&gallery);
            let at = seen.iter().position(|entry| entry.kind == Kind::Restored).expect("it says that it was restored");
            assert_eq!(at as u64, restored.entry.unwrap());
            assert_eq!(seen[at].digests[0].sha256, manifest.digest);
            assert_eq!(seen[at].reasons[0].as_str(), format!("backup.{}", manifest.id));
            assert_eq!(seen[at - 1].kind, Kind::Snapshot, "that it was backed up is in the backup");
            assert!(seen[at + 1..].iter().any(|entry| entry.kind == Kind::Enrolment), "the log goes on");
            let whole = block_on(gallery.read_ledger(|tables| verify_ledger(tables, None, &[]))).unwrap();
            assert!(whole.is_ok(), "{whole:?}");
        }
        drop(gallery);
        // Read whole, with every row counted, and once more.
        let whole = EmbeddedOptions { checked_bytes_max: 1 << 30, ..filled.options.clone() };
        drop(gallery::open(&filled.at("restored"), RECIPE, DIMENSION, whole).unwrap());
    }
}

#[test]
fn a_backup_of_an_earlier_moment_has_what_was_there_then() {
    let filled = Filled::new(true, true);
    let first = filled.back_up();
    let gallery = filled.open();
    let before = block_on(everything(&gallery));
    block_on(gallery.enrol(&by(), person("subject-six", &[60]), None)).unwrap();
    drop(gallery);
    let second = filled.back_up();
    let repository = Repository::open(&filled.at("backups")).unwrap();
    assert_eq!(repository.newest(&keys(), None, None).unwrap(), second);
    let then = Some(first.head.taken_at);
    assert_eq!(repository.newest(&keys(), Some(first.head.gallery), then).unwrap().id, first.id);
    let error = repository.newest(&keys(), None, Some(Timestamp(first.head.taken_at.0 - 1))).unwrap_err();
    assert!(matches!(error, BackupError::NoneThen { .. }), "{error}");
    restored(&filled.at("backups"), &first, &filled.at("restored"), &filled.options);
    let gallery = filled.open_at(&filled.at("restored"));
    assert_eq!(block_on(everything(&gallery)), before);
    assert!(block_on(gallery.subject(&id("subject-six"))).unwrap().is_none());
}

#[test]
fn who_was_erased_after_a_backup_stays_erased_in_what_is_restored_from_it() {
    for has_log in [false, true] {
        let filled = Filled::new(true, has_log);
        let names = |data: &Path| -> BTreeSet<String> {
            let database = Database::open(data.join("chinhchu.redb")).unwrap();
            let table = database.begin_read().unwrap().open_table(SUBJECTS).unwrap();
            table.iter().unwrap().map(|row| row.unwrap().0.value().to_owned()).collect()
        };
        let before = names(&filled.data());
        let first = filled.back_up();
        let gallery = filled.open();
        block_on(gallery.erase(&by(), erase("subject-two"), None)).unwrap();
        let after = block_on(everything(&gallery));
        drop(gallery);
        let gone: Vec<String> = before.difference(&names(&filled.data())).cloned().collect();
        let destroyed = key_store(filled.dir.path()).destroyed().unwrap();
        assert_eq!(gone.len(), 1);
        let made = restored(&filled.at("backups"), &first, &filled.at("restored"), &filled.options);
        assert_eq!((made.subjects, made.templates, made.left_out), (2, 4, 1));
        // Not even the hash of the name was ever written there.
        let bytes = fs::read(filled.at("restored").join("chinhchu.redb")).unwrap();
        let found = BTreeMap::from([("database".to_owned(), bytes)]);
        assert!(
            !holds(&found, gone[0].as_bytes())
                && holds(&found, before.iter().find(|name| **name != gone[0]).unwrap().as_bytes())
        );
        let gallery = filled.open_at(&filled.at("restored"));
        assert_eq!(but_requests(block_on(everything(&gallery))), but_requests(after));
        assert!(block_on(gallery.cleared_with(&id("subject-one"))).unwrap().is_empty());
        drop(gallery);
        let now = key_store(filled.dir.path()).destroyed().unwrap();
        assert!(destroyed.iter().all(|number| now.contains(number)));
    }
}

#[test]
fn a_key_store_from_before_an_erasure_brings_nobody_back_where_a_later_backup_lists_the_key() {
    let filled = Filled::new(true, false);
    let first = filled.back_up();
    let names = ["keys", "copy-of-keys"];
    let before = names.map(|name| fs::read(filled.at(name)).unwrap());
    let gallery = filled.open();
    block_on(gallery.erase(&by(), erase("subject-two"), None)).unwrap();
    drop(gallery);
    let second = filled.back_up();
    names.iter().zip(before).for_each(|(name, bytes)| fs::write(filled.at(name), bytes).unwrap());
    let repository = Repository::open(&filled.at("backups")).unwrap();
    let mut without = Without::default();
    let mut reader =
        BackupReader::begin(Arc::new(repository.clone()), keys(), second).unwrap().of_table("destroyed_keys");
    while let Some(batch) = reader.next_batch().unwrap() {
        without.destroyed.push(batch);
    }
    drop(reader);
    let gone = key_store(filled.dir.path()).destroyed().unwrap().len();
    let made =
        restored_without(&filled.at("backups"), &first, &filled.at("restored"), &filled.options, without).unwrap();
    assert_eq!((made.subjects, made.left_out), (2, 1));
    assert!(key_store(filled.dir.path()).destroyed().unwrap().len() > gone, "destroyed again");
    let gallery = filled.open_at(&filled.at("restored"));
    assert!(block_on(gallery.subject(&id("subject-two"))).unwrap().is_none());
}

#[test]
fn in_the_clear_a_later_log_says_who_is_left_out() {
    let filled = Filled::new(false, true);
    let first = filled.back_up();
    let gallery = filled.open();
    block_on(gallery.erase(&by(), erase("subject-two"), None)).unwrap();
    let after = block_on(everything(&gallery));
    drop(gallery);
    let second = filled.back_up();
    let repository = Repository::open(&filled.at("backups")).unwrap();
    let mut without = Without::default();
    let mut reader =
        BackupReader::begin(Arc::new(repository.clone()), keys(), second).unwrap().of_table("ledger_entries");
    let since = gallery::ErasedAfter { entries: Some(first.head.entries), time: first.head.taken_at };
    while let Some(batch) = reader.next_batch().unwrap() {
        gallery::erased_in(&batch, since, &mut without.erased).unwrap();
    }
    assert_eq!(without.erased.len(), 1);
    drop(reader);
    let made =
        restored_without(&filled.at("backups"), &first, &filled.at("restored"), &filled.options, without).unwrap();
    assert_eq!((made.subjects, made.left_out), (2, 1));
    let bytes =
        BTreeMap::from([("database".to_owned(), fs::read(filled.at("restored").join("chinhchu.redb")).unwrap())]);
    assert!(!holds(&bytes, b"subject-two") && holds(&bytes, b"subject-one"));
    let gallery = filled.open_at(&filled.at("restored"));
    assert_eq!(but_requests(block_on(everything(&gallery))), but_requests(after));
}

#[test]
fn who_is_named_is_left_out_and_in_a_sealed_gallery_the_key_is_destroyed() {
    for is_sealed in [false, true] {
        let filled = Filled::new(is_sealed, false);
        let manifest = filled.back_up();
        let without = Without { subjects: [id("subject-three")].into(), ..Without::default() };
        let before = if is_sealed { key_store(filled.dir.path()).destroyed().unwrap().len() } else { 0 };
        let made = restored_without(&filled.at("backups"), &manifest, &filled.at("restored"), &filled.options, without);
        assert_eq!(made.unwrap().left_out, 1);
        let gallery = filled.open_at(&filled.at("restored"));
        assert!(block_on(gallery.subject(&id("subject-three"))).unwrap().is_none());
        assert!(block_on(gallery.subject(&id("subject-one"))).unwrap().is_some());
        assert_eq!(block_on(gallery.decisions_after(&Default::default(), 0, 9)).unwrap().decisions.len(), 2);
        drop(gallery);
        if is_sealed {
            assert!(key_store(filled.dir.path()).destroyed().unwrap().len() > before);
            // So the folder that it was taken from has them unreadable too.
            assert!(
                open_with(filled.dir.path(), filled.options.clone())
                    .and_then(|gallery| block_on(gallery.subject(&id("subject-three"))).map(drop))
                    .is_err()
            );
        }
    }
}

/// What was enrolled after the backup has keys that nobody else is given.
#[test]
fn keys_that_what_was_lost_has_used_are_given_to_nobody() {
    let filled = Filled::new(true, false);
    let manifest = filled.back_up();
    let gallery = filled.open();
    block_on(gallery.enrol(&by(), person("subject-lost", &[70]), None)).unwrap();
    drop(gallery);
    let used = crate::sealed::keys_of_subjects(filled.dir.path());
    restored(&filled.at("backups"), &manifest, &filled.at("restored"), &filled.options);
    let gallery = filled.open_at(&filled.at("restored"));
    block_on(gallery.enrol(&by(), person("subject-new", &[71]), None)).unwrap();
    drop(gallery);
    fs::rename(filled.data(), filled.at("lost")).unwrap();
    fs::rename(filled.at("restored"), filled.data()).unwrap();
    let now = crate::sealed::keys_of_subjects(filled.dir.path());
    assert_eq!(now.difference(&used).count(), 1, "{used:?} {now:?}");
    assert!(now.iter().max() > used.iter().max());
}

fn chunk_files(backups: &Path) -> Vec<PathBuf> {
    let folders = fs::read_dir(backups.join("chunks")).unwrap().map(|folder| folder.unwrap().path());
    let mut files: Vec<PathBuf> =
        folders.flat_map(|folder| fs::read_dir(folder).unwrap().map(|file| file.unwrap().path())).collect();
    files.sort();
    files
}

#[test]
fn damage_is_told_and_nothing_is_made_of_it() {
    let filled = Filled::new(true, true);
    let manifest = filled.back_up();
    let (backups, to) = (filled.at("backups"), filled.at("restored"));
    let repository = Repository::open(&backups).unwrap();
    let files = chunk_files(&backups);
    let (first, second) = (fs::read(&files[0]).unwrap(), fs::read(&files[1]).unwrap());
    let told = |of: &str| {
        let verified = verify(&repository, &keys(), &manifest, &mut |_| {}).unwrap();
        assert!(!verified.damage.is_empty(), "{of}");
        let error = restored_without(&backups, &manifest, &to, &filled.options, Without::default()).unwrap_err();
        assert!(error.to_string().contains("damaged"), "{of}: {error}");
        assert!(!gallery::is_at(&to), "{of}");
        verified.damage
    };
    let mut flipped = first.clone();
    flipped[first.len() / 2] ^= 1;
    for (of, bytes) in
        [("flipped", &flipped[..]), ("cut", &first[..first.len() - 1]), ("empty", b""), ("another", &second)]
    {
        fs::write(&files[0], bytes).unwrap();
        let damage = told(of);
        assert!(damage.len() == 1 && damage[0].file == files[0] && damage[0].rows > 0, "{of}: {damage:?}");
    }
    fs::remove_file(&files[0]).unwrap();
    assert_eq!(told("missing")[0].what, "is missing");
    // The next backup writes again what is missing and has not changed.
    fs::write(&files[0], &first).unwrap();
    assert!(verify(&repository, &keys(), &manifest, &mut |_| {}).unwrap().damage.is_empty());
    // Manifests: cut, altered, under another's name.
    let path = backups.join("backups").join(manifest.id.as_str());
    let whole = fs::read(&path).unwrap();
    let mut flipped = whole.clone();
    *flipped.last_mut().unwrap() ^= 1;
    for bytes in [&whole[..whole.len() - 1], &whole[..20], b"", &flipped] {
        fs::write(&path, bytes).unwrap();
        let error = repository.read_manifest(&manifest.id, &keys()).unwrap_err();
        assert!(error.is_damage(), "{error}");
    }
    fs::write(&path, &whole).unwrap();
    let other = "20200101T000000.000Z-0000".parse().unwrap();
    fs::write(backups.join("backups/20200101T000000.000Z-0000"), &whole).unwrap();
    assert!(repository.read_manifest(&other, &keys()).unwrap_err().is_damage());
    // Another key.
    let others = Arc::new(BackupKeys::new(key(6), []));
    let error = repository.read_manifest(&manifest.id, &others).unwrap_err();
    assert!(matches!(error, BackupError::OtherKey { .. }) && error.to_string().contains("backup.key"), "{error}");
    restored(&backups, &manifest, &to, &filled.options);
}

/// In one file the same is told, and a file that was cut anywhere is none.
#[test]
fn a_backup_in_one_file_is_read_whole_or_not_at_all() {
    let filled = Filled::new(true, true);
    let (path, writer) = (filled.at("people.cbk"), RefCell::new(None));
    let mut begin = |head: &gallery::RowsHead| {
        let out = Box::new(fs::File::create(&path).unwrap());
        *writer.borrow_mut() = Some(BackupWriter::stream(&path, out, keys(), head.clone(), None).unwrap());
        ControlFlow::Continue(())
    };
    let mut take = |batch: gallery::RowBatch| {
        writer.borrow_mut().as_mut().unwrap().take(&batch).unwrap();
        ControlFlow::Continue(())
    };
    gallery::read_rows(&by(), &filled.data(), &filled.options, &mut begin, &mut take).unwrap();
    let written = writer.into_inner().unwrap().finish().unwrap();
    let bytes = fs::read(&path).unwrap();
    for cut in (0..bytes.len()).step_by(211).chain([bytes.len() - 1]) {
        fs::write(&path, &bytes[..cut]).unwrap();
        let error = BackupFile::open(&path).and_then(|file| file.manifest(&keys())).unwrap_err();
        assert!(error.is_damage(), "{cut}: {error}");
    }
    for at in [25, 61, 70, bytes.len() / 3] {
        let mut altered = bytes.clone();
        altered[at] ^= 1;
        fs::write(&path, &altered).unwrap();
        let verified = BackupFile::open(&path).and_then(|file| verify(&file, &keys(), &written.manifest, &mut |_| {}));
        assert!(verified.map_or_else(|error| error.is_damage(), |verified| !verified.damage.is_empty()), "{at}");
    }
    fs::write(&path, &bytes).unwrap();
    let file = BackupFile::open(&path).unwrap();
    assert_eq!(file.manifest(&keys()).unwrap(), written.manifest);
    assert!(verify(&file, &keys(), &written.manifest, &mut |_| {}).unwrap().damage.is_empty());
    assert!(matches!(file.manifest(&BackupKeys::new(key(6), [])), Err(BackupError::OtherKey { .. })));
    assert!(matches!(BackupFile::open(&filled.at("none.cbk")), Err(BackupError::NotThere(_))));
}

#[test]
fn nobodys_folder_is_written_over() {
    let filled = Filled::new(false, false);
    let manifest = filled.back_up();
    let before = fs::read(filled.data().join("chinhchu.redb")).unwrap();
    let restore =
        |to: &Path| restored_without(&filled.at("backups"), &manifest, to, &filled.options, Without::default());
    assert!(matches!(restore(&filled.data()), Err(GalleryError::AlreadyThere(_))));
    assert!(fs::read(filled.data().join("chinhchu.redb")).unwrap() == before);
    fs::create_dir(filled.at("others")).unwrap();
    fs::write(filled.at("others").join("letter"), b"dear").unwrap();
    assert!(matches!(restore(&filled.at("others")), Err(GalleryError::OtherFiles(_))));
    let error = Repository::open_or_make(&filled.at("others")).unwrap_err();
    assert!(matches!(error, BackupError::OtherFiles(_)), "{error}");
    assert_eq!(fs::read_dir(filled.at("others")).unwrap().count(), 1);
}

#[test]
fn a_sealed_backup_is_restored_with_its_own_keys_alone() {
    let filled = Filled::new(true, false);
    let manifest = filled.back_up();
    let other = tempfile::tempdir().unwrap();
    drop(open_sealed(other.path()).unwrap());
    let restore = |options: &EmbeddedOptions| {
        restored_without(&filled.at("backups"), &manifest, &filled.at("restored"), options, Without::default())
    };
    assert!(matches!(restore(&options()), Err(GalleryError::SealingNeeded(_))));
    assert!(matches!(restore(&sealed(other.path())), Err(GalleryError::OtherKeyStore(_))));
    assert!(!gallery::is_at(&filled.at("restored")));
    // The master key was changed since.
    let changed = MasterKey::new(Secret::copied(&[4; 32]));
    let mut sealing = filled.options.sealing.clone().unwrap();
    sealing.previous = Some(std::mem::replace(&mut sealing.master, changed));
    let store = chinhchu::sealing::KeyStore::open(sealing.clone(), false).unwrap();
    assert!(store.rotate(&mut |_| ControlFlow::Continue(())).unwrap());
    drop(store);
    sealing.previous = None;
    let options = EmbeddedOptions { sealing: Some(sealing), ..filled.options.clone() };
    assert_eq!(restore(&options).unwrap().subjects, 3);
}

#[test]
fn an_unchanged_gallery_costs_a_manifest_and_what_changed_in_it() {
    let filled = Filled::new(true, false);
    let to = filled.at("backups");
    let first = try_back_up(&filled.data(), &filled.options, &to, keys()).unwrap();
    assert_eq!(first.chunks, first.chunks_written);
    let second = try_back_up(&filled.data(), &filled.options, &to, keys()).unwrap();
    assert!(second.chunks == first.chunks && second.chunks_written == 0, "{second:?}");
    let gallery = filled.open();
    block_on(gallery.enrol(&by(), enrolment("subject-four", EnrolMode::Create, &[50]), None)).unwrap();
    drop(gallery);
    let third = try_back_up(&filled.data(), &filled.options, &to, keys()).unwrap();
    // What the gallery is, its subjects, templates and changes.
    assert!((1..=5).contains(&third.chunks_written), "{}", third.chunks_written);
    // A damaged chunk of another length is written again.
    let files = chunk_files(&to);
    for file in &files {
        fs::write(file, b"cut").unwrap();
    }
    let fourth = try_back_up(&filled.data(), &filled.options, &to, keys()).unwrap();
    assert_eq!(fourth.chunks_written, fourth.chunks);
    // Under another key all is written anew, and earlier ones open with the key that they are under.
    let both = Arc::new(BackupKeys::new(key(6), [key(5)]));
    let fifth = try_back_up(&filled.data(), &filled.options, &to, Arc::clone(&both)).unwrap();
    assert_eq!(fifth.chunks_written, fifth.chunks);
    let listed = Repository::open(&to).unwrap().list(&both).unwrap();
    assert_eq!(listed.len(), 5);
    assert!(listed.iter().all(|one| one.manifest.is_ok()));
}

#[test]
fn what_a_killed_backup_leaves_goes_with_the_next_pruning_and_what_is_kept_stays_whole() {
    let filled = Filled::new(false, false);
    let to = filled.at("backups");
    let repository = Repository::open_or_make(&to).unwrap();
    let mut manifests = Vec::new();
    for number in 0..4u64 {
        let gallery = filled.open();
        block_on(gallery.enrol(&by(), enrolment(&format!("more-{number}"), EnrolMode::Create, &[number]), None))
            .unwrap();
        drop(gallery);
        manifests.push(filled.back_up());
    }
    // One that ended in the middle.
    let mut writer = BackupWriter::begin(&repository, keys(), manifests[0].head.clone(), None).unwrap();
    let error = BackupWriter::begin(&repository, keys(), manifests[0].head.clone(), None).err().unwrap();
    assert!(matches!(error, BackupError::Busy(_)), "{error}");
    for table in ["subjects", "templates"] {
        let mut batch = gallery::RowBatch::of(table);
        batch.push(b"key", b"value");
        writer.take(&batch).unwrap();
    }
    drop(writer);
    assert_eq!(repository.ids().unwrap().len(), 4);
    let before = chunk_files(&to).len();
    let reader = BackupReader::begin(Arc::new(repository.clone()), keys(), manifests[0].clone()).unwrap();
    let kept = repository.prune(&keys(), Keep { newest: Some(2), days: None }, Timestamp::now()).unwrap();
    assert!(kept.is_read && kept.files == 0, "a backup that is read keeps its chunks");
    assert_eq!(kept.backups, [manifests[0].id.clone(), manifests[1].id.clone()]);
    drop(reader);
    let pruned = repository.prune(&keys(), Keep::default(), Timestamp::now()).unwrap();
    assert!(pruned.files > 0 && pruned.backups.is_empty(), "{pruned:?}");
    assert!(chunk_files(&to).len() < before);
    for manifest in &manifests[2..] {
        assert!(verify(&repository, &keys(), manifest, &mut |_| {}).unwrap().damage.is_empty());
    }
    // By age: all are younger than a day; in ten days the newest stays in any case.
    let days = Keep { newest: None, days: Some(1) };
    assert!(repository.prune(&keys(), days, Timestamp::now()).unwrap().backups.is_empty());
    let later = Timestamp(Timestamp::now().0 + 10 * 86_400_000);
    assert_eq!(repository.prune(&keys(), days, later).unwrap().backups, [manifests[2].id.clone()]);
    assert_eq!(repository.ids().unwrap(), [manifests[3].id.clone()]);
    // What cannot be opened may name chunks: nothing is taken away.
    let others = BackupKeys::new(key(6), []);
    assert!(matches!(repository.prune(&others, days, later), Err(BackupError::OtherKey { .. })));
}

#[test]
fn rows_that_are_handed_on_while_others_write_are_of_one_moment() {
    for is_sealed in [false, true] {
        let filled = Filled::new(is_sealed, true);
        let gallery = Arc::new(filled.open());
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let repository = Repository::open_or_make(&filled.at("backups")).unwrap();
        let manifest = runtime.block_on(async {
            let writing = {
                let gallery = Arc::clone(&gallery);
                tokio::spawn(async move {
                    for number in 0..300u64 {
                        let one = enrolment(&format!("busy-{number}"), EnrolMode::Create, &[number, number + 1]);
                        gallery.enrol(&by(), one, None).await.unwrap();
                        if number % 3 == 0 {
                            gallery.remove(&by(), &id(format!("busy-{number}")), None).await.unwrap();
                        }
                    }
                })
            };
            // Some more than are asked for below: every third goes again.
            while gallery.stats().subjects < 64 {
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            }
            let mut rows = gallery.rows().await.unwrap();
            let mut writer = BackupWriter::begin(&repository, keys(), rows.head().clone(), None).unwrap();
            while let Some(batch) = rows.next().await.unwrap() {
                writer.take(&batch).unwrap();
                tokio::time::sleep(std::time::Duration::from_millis(2)).await;
            }
            let written = writer.finish().unwrap();
            assert!(gallery.stats().subjects > 60);
            writing.await.unwrap();
            written.manifest
        });
        drop(gallery);
        assert_eq!(manifest.rows_of("subjects"), manifest.head.subjects);
        assert!(manifest.head.subjects >= 60);
        let made = restored(&filled.at("backups"), &manifest, &filled.at("restored"), &filled.options);
        // Who was removed since and of whom nothing else is kept has no key any more, where there are keys.
        assert_eq!(made.left_out, manifest.head.subjects - made.subjects);
        assert!(is_sealed || made.left_out == 0);
        assert_eq!(made.templates, 2 * made.subjects, "everybody has two");
        let gallery = filled.open_at(&filled.at("restored"));
        assert_eq!(gallery.stats().subjects, made.subjects);
        let whole = block_on(gallery.read_ledger(|tables| verify_ledger(tables, None, &[]))).unwrap();
        assert!(whole.is_ok(), "{whole:?}");
    }
}

/// In a sealed gallery the backup's rows come to the sum that it kept of them.
#[test]
fn a_gallery_whose_rows_somebody_took_away_is_not_backed_up() {
    let filled = Filled::new(true, false);
    let database = Database::open(filled.data().join("chinhchu.redb")).unwrap();
    let transaction = database.begin_write().unwrap();
    {
        let mut table = transaction.open_table(SUBJECTS).unwrap();
        let first = table.first().unwrap().unwrap().0.value().to_owned();
        table.remove(first.as_str()).unwrap();
        assert_eq!(table.len().unwrap(), 2);
    }
    transaction.commit().unwrap();
    drop(database);
    let read =
        gallery::read_rows(&by(), &filled.data(), &filled.options, &mut |_| ControlFlow::Continue(()), &mut |_| {
            ControlFlow::Continue(())
        });
    assert!(matches!(read, Err(GalleryError::Damaged { .. })), "{read:?}");
}

/// A server that has the gallery open hands no rows on that do not come to the sum, and neither does a gallery too large to
/// be read before.
#[test]
fn rows_of_an_open_gallery_that_lacks_one_end_with_an_error() {
    for (what, is_removed) in [("taken away", true), ("put back", false)] {
        let filled = Filled::new(true, true);
        // Opened without reading it whole, as large ones are.
        let options = EmbeddedOptions { checked_bytes_max: 0, ..filled.options.clone() };
        let open = || gallery::open(&filled.data(), RECIPE, DIMENSION, options.clone()).unwrap();
        let handed_on = |gallery: &Gallery| {
            block_on(async {
                let mut rows = gallery.rows().await?;
                while rows.next().await?.is_some() {}
                Ok::<(), GalleryError>(())
            })
        };
        let gallery = open();
        handed_on(&gallery).unwrap();
        drop(gallery);
        let database = Database::open(filled.data().join("chinhchu.redb")).unwrap();
        let before: Vec<(String, Vec<u8>)> = {
            let table = database.begin_read().unwrap().open_table(SUBJECTS).unwrap();
            table
                .iter()
                .unwrap()
                .map(|row| row.unwrap())
                .map(|(key, value)| (key.value().to_owned(), value.value().to_vec()))
                .collect()
        };
        drop(database);
        if !is_removed {
            // Every record is written anew, and one of them is put back as it was.
            let gallery = open();
            for subject in ["subject-one", "subject-two", "subject-three"] {
                let more = chinhchu::gallery::Enrolment { mode: EnrolMode::Add, ..person(subject, &[5]) };
                block_on(gallery.enrol(&by(), more, None)).unwrap();
            }
            drop(gallery);
        }
        let database = Database::open(filled.data().join("chinhchu.redb")).unwrap();
        let transaction = database.begin_write().unwrap();
        {
            let mut table = transaction.open_table(SUBJECTS).unwrap();
            let (key, value) = &before[0];
            match is_removed {
                true => drop(table.remove(key.as_str()).unwrap()),
                false => drop(table.insert(key.as_str(), value.as_slice()).unwrap()),
            }
        }
        transaction.commit().unwrap();
        drop(database);
        let told = |error: GalleryError| {
            assert!(error.to_string().contains("put back, added or taken away"), "{what}: {error}");
        };
        let mut batches = 0;
        let read = gallery::read_rows(&by(), &filled.data(), &options, &mut |_| ControlFlow::Continue(()), &mut |_| {
            batches += 1;
            ControlFlow::Continue(())
        });
        told(read.unwrap_err());
        assert!(batches > 0, "it is told at the end, when all were read");
        told(handed_on(&open()).unwrap_err());
    }
}

/// Pictures of a case that waits come back bit for bit, with their time; of whoever was erased since they do not.
#[test]
fn pictures_of_cases_that_wait_are_restored_but_for_whoever_was_erased() {
    let filled = Filled::new(true, true);
    let gallery = filled.open();
    let kept = crate::pictures::pictures(3, 24 * 60 * 60 * 1000);
    let key = |transaction: &str| decision(transaction, "subject-one").key;
    block_on(async {
        // Of whoever is to be erased nothing may wait: what denies has pictures until somebody has answered it.
        for (transaction, subject, outcome) in [
            ("waits-1", "subject-one", gallery::Outcome::Refer),
            ("waits-2", "subject-two", gallery::Outcome::Deny),
            ("waits-3", "subject-four", gallery::Outcome::Refer),
        ] {
            let new = gallery::NewDecision { pictures: Some(kept.clone()), outcome, ..decision(transaction, subject) };
            gallery.decide(&by(), new).await.unwrap();
        }
    });
    let before: Vec<_> =
        ["waits-1", "waits-3"].map(|one| block_on(gallery.pictures(&key(one))).unwrap().unwrap()).into();
    assert!(block_on(gallery.pictures(&key("waits-2"))).unwrap().is_some());
    drop(gallery);
    let manifest = filled.back_up();
    let gallery = filled.open();
    block_on(gallery.erase(&by(), erase("subject-two"), None)).unwrap();
    drop(gallery);
    let made = restored(&filled.at("backups"), &manifest, &filled.at("restored"), &filled.options);
    assert_eq!(made.left_out, 1);
    let gallery = filled.open_at(&filled.at("restored"));
    let after: Vec<_> =
        ["waits-1", "waits-3"].map(|one| block_on(gallery.pictures(&key(one))).unwrap().unwrap()).into();
    assert!(after == before, "bit for bit, and for as long");
    assert!(after[0].pictures == kept.pictures && after[0].left_out == kept.left_out);
    assert!(block_on(gallery.pictures(&key("waits-2"))).unwrap().is_none());
    assert!(block_on(gallery.decision(&key("waits-2"))).unwrap().is_none());
    // They go with their case, as in the gallery that was backed up.
    let answer = gallery::ResolveCommand {
        key: key("waits-1"),
        resolution: gallery::Resolution {
            officer: id("officer-of-the-test"),
            outcome: gallery::Outcome::Deny,
            reason: gallery::Note::new("seen").unwrap(),
            resolved_at: Timestamp(0),
        },
        officers_needed: 1,
    };
    block_on(gallery.resolve(&by(), answer)).unwrap();
    assert!(block_on(gallery.pictures(&key("waits-1"))).unwrap().is_none());
    drop(gallery);
    let rows = |table: &str| {
        let database = Database::open(filled.at("restored").join("chinhchu.redb")).unwrap();
        let table = database.begin_read().unwrap().open_table(TableDefinition::<u64, &[u8]>::new(table)).unwrap();
        table.len().unwrap()
    };
    assert_eq!((rows("case_pictures"), rows("picture_times")), (1, 1), "and nothing of the others is left");
}

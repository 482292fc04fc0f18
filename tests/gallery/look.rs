//! Looking whether a gallery could be opened says what opening says, and changes nothing.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use chinhchu::gallery::{
    self, EmbeddedOptions, Erasure, GalleryError, KeysLooked, LookKeys, Looked, Sealed, SealingState,
};
use chinhchu::sealing::{CopyFound, KeyStore, KeyStoreError, KeyStoreOptions, MasterKey, Secret};
use redb::{Database, ReadableTable, TableDefinition};

use crate::sealed::{erase, person};
use crate::support::*;

const SUBJECTS: TableDefinition<&str, &[u8]> = TableDefinition::new("subjects");

const LACKS: &str = "a store that lacks keys of its copy";
const CLEAR: &str = "another gallery's folder in the clear";
/// What is said of a gallery in whose keys nothing is out of order.
const IN_ORDER: Looked = Looked::Whole(KeysLooked { to_destroy: 0, copy: CopyFound::Alike });

fn keys(dir: &Path) -> KeyStoreOptions {
    sealed(dir).sealing.unwrap()
}

fn closed(dir: &Path) -> LookKeys {
    let KeyStoreOptions { path, copy, .. } = keys(dir);
    LookKeys::Closed { path, copy }
}

fn look(dir: &Path, keys: Option<&LookKeys>) -> Result<Looked, GalleryError> {
    gallery::look(&dir.join("data"), &[(RECIPE, DIMENSION)], &EmbeddedOptions { create: false, ..options() }, keys)
}

/// Every file and folder in it.
fn all(dir: &Path) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    let mut found = BTreeMap::new();
    let mut left = vec![dir.to_owned()];
    while let Some(folder) = left.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                left.push(path.clone());
            }
            found.insert(path.clone(), path.is_file().then(|| fs::read(&path).unwrap()));
        }
    }
    found
}

/// As it lies there, also while it is open.
fn copied(dir: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for (path, bytes) in all(dir) {
        let to = copy.path().join(path.strip_prefix(dir).unwrap());
        match bytes {
            None => fs::create_dir_all(to).unwrap(),
            Some(_) => {
                fs::create_dir_all(to.parent().unwrap()).unwrap();
                fs::copy(path, to).unwrap();
            }
        }
    }
    copy
}

/// A sealed gallery of three people.
fn made() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let gallery = open_sealed(dir.path()).unwrap();
    block_on(async {
        for (subject, seed) in [("subject-one", 1), ("subject-two", 2), ("subject-three", 3)] {
            gallery.enrol(&by(), person(subject, &[seed]), None).await.unwrap();
        }
    });
    drop(gallery);
    dir
}

fn cut(path: &Path, len: usize) {
    let bytes = fs::read(path).unwrap();
    fs::write(path, &bytes[..len]).unwrap();
}

fn swap(dir: &Path, other: &Path, name: &str) {
    fs::copy(other.join(name), dir.join(name)).unwrap();
}

#[test]
fn a_look_refuses_in_the_same_words_what_opening_refuses_and_changes_no_byte() {
    let (dir, other) = (made(), made());
    let other = other.path();
    // One from whose folder nobody was erased yet.
    let erased = copied(dir.path());
    let gallery = open_sealed(erased.path()).unwrap();
    let done = block_on(gallery.erase(&by(), erase("subject-two"), None)).unwrap().erasure;
    assert_eq!(done, Erasure::Erased);
    drop(gallery);
    let clear = tempfile::tempdir().unwrap();
    drop(gallery::open(&clear.path().join("data"), RECIPE, DIMENSION, options()).unwrap());

    type Spoil<'a> = &'a dyn Fn(&Path);
    // What is wrong, a part of what is said, and whether it is told without the master key.
    let faults: [(&str, Spoil, &str, bool); 12] = [
        (
            "a key store that is not there",
            &|dir| fs::remove_file(dir.join("keys")).unwrap(),
            "there is no key store",
            true,
        ),
        (
            "another gallery's key store",
            &|dir| {
                swap(dir, other, "keys");
                swap(dir, other, "copy-of-keys");
            },
            "is not the one of this gallery",
            true,
        ),
        ("the copy of another", &|dir| swap(dir, other, "copy-of-keys"), "is the copy of another key store", true),
        (
            "one file under two names",
            &|dir| {
                fs::remove_file(dir.join("copy-of-keys")).unwrap();
                fs::hard_link(dir.join("keys"), dir.join("copy-of-keys")).unwrap();
            },
            "one and the same file",
            true,
        ),
        (LACKS, &|dir| cut(&dir.join("keys"), 4096 + 72), "its copy has keys", true),
        (
            "two files that lack keys of the gallery",
            &|dir| ["keys", "copy-of-keys"].iter().for_each(|name| cut(&dir.join(name), 4096 + 3 * 72)),
            "is older than the gallery",
            false,
        ),
        ("a copy that is cut", &|dir| cut(&dir.join("copy-of-keys"), 50), "itself is whole", true),
        (
            "two files that are cut",
            &|dir| ["keys", "copy-of-keys"].iter().for_each(|name| cut(&dir.join(name), 0)),
            "and so is its copy",
            true,
        ),
        (
            "a folder from before an erasure",
            &|dir| ["keys", "copy-of-keys"].iter().for_each(|name| swap(dir, erased.path(), name)),
            "a key that was destroyed",
            false,
        ),
        (CLEAR, &|dir| swap(dir, clear.path(), "data/chinhchu.redb"), "has the keys of the gallery", true),
        (
            "a row that was taken away",
            &|dir| {
                let database = Database::open(dir.join("data/chinhchu.redb")).unwrap();
                let transaction = database.begin_write().unwrap();
                {
                    let mut table = transaction.open_table(SUBJECTS).unwrap();
                    let first = table.iter().unwrap().next().unwrap().unwrap().0.value().to_owned();
                    table.remove(first.as_str()).unwrap();
                }
                transaction.commit().unwrap();
            },
            "taken away",
            false,
        ),
        ("a database that is cut", &|dir| cut(&dir.join("data/chinhchu.redb"), 9000), "is damaged", true),
    ];
    for (fault, spoil, said, told_without_key) in faults {
        let dir = copied(dir.path());
        let dir = dir.path();
        spoil(dir);
        let before = all(dir);
        let looked = look(dir, Some(&LookKeys::Open(keys(dir)))).expect_err(fault).to_string();
        let without_key = look(dir, Some(&closed(dir)));
        assert!(all(dir) == before, "{fault}");
        assert!(looked.contains(said), "{fault}: {looked}");
        match told_without_key {
            // Without the master key a key is not told from what is none, nor whose the keys are.
            true if [LACKS, CLEAR].contains(&fault) => {
                without_key.expect_err(fault);
            }
            true => assert_eq!(without_key.expect_err(fault).to_string(), looked, "{fault}"),
            false => assert_eq!(without_key.expect(fault), Looked::Closed, "{fault}"),
        }
        assert_eq!(open_sealed(dir).expect_err(fault).to_string(), looked, "{fault}");
    }
}

#[test]
fn a_look_at_a_gallery_that_would_be_opened_says_how_far_it_went_and_keeps_nobody_out() {
    let dir = made();
    let dir = dir.path();
    let open = LookKeys::Open(keys(dir));
    let before = all(dir);
    assert_eq!(look(dir, Some(&open)).unwrap(), IN_ORDER);
    assert_eq!(look(dir, Some(&closed(dir))).unwrap(), Looked::Closed);
    assert!(matches!(look(dir, None), Err(GalleryError::SealingNeeded(_))));
    assert!(all(dir) == before);
    let wrong = KeyStoreOptions { master: MasterKey::new(Secret::copied(&[4; 32])), ..keys(dir) };
    assert!(matches!(
        look(dir, Some(&LookKeys::Open(wrong))),
        Err(GalleryError::KeyStore(KeyStoreError::OtherMaster { .. }))
    ));

    let gallery = open_sealed(dir).unwrap();
    block_on(gallery.enrol(&by(), person("subject-four", &[4]), None)).unwrap();
    for keys in [&open, &closed(dir)] {
        assert_eq!(look(dir, Some(keys)).unwrap(), Looked::InUse);
    }
    // Its program was killed: what it left is repaired in memory.
    let killed = copied(dir);
    drop(gallery);
    let before = all(killed.path());
    assert_eq!(look(killed.path(), Some(&LookKeys::Open(keys(killed.path())))).unwrap(), IN_ORDER);
    assert_eq!(gallery::sealing_state(&killed.path().join("data")).unwrap(), SealingState::Sealed);
    assert!(all(killed.path()) == before);
    assert_eq!(open_sealed(killed.path()).unwrap().stats().subjects, 4);
}

/// Whoever puts older keys back, or takes the copy away, is told what the next start will do about it.
#[test]
fn a_look_counts_given_up_keys_that_are_there_again_and_says_how_the_copy_was_found() {
    let dir = made();
    let dir = dir.path();
    let whole = LookKeys::Open(keys(dir));
    let older = fs::read(dir.join("keys")).unwrap();
    for (erased, subject) in (1..).zip(["subject-one", "subject-two"]) {
        let gallery = open_sealed(dir).unwrap();
        block_on(gallery.erase(&by(), erase(subject), None)).unwrap();
        drop(gallery);
        assert_eq!(look(dir, Some(&whole)).unwrap(), IN_ORDER);
        let present = fs::read(dir.join("keys")).unwrap();
        for name in ["keys", "copy-of-keys"] {
            fs::write(dir.join(name), &older).unwrap();
        }
        let before = all(dir);
        let found = KeysLooked { to_destroy: erased, copy: CopyFound::Alike };
        assert_eq!(look(dir, Some(&whole)).unwrap(), Looked::Whole(found), "also those of the last erasure");
        assert!(all(dir) == before);
        for name in ["keys", "copy-of-keys"] {
            fs::write(dir.join(name), &present).unwrap();
        }
    }
    let copy = fs::read(dir.join("copy-of-keys")).unwrap();
    fs::remove_file(dir.join("copy-of-keys")).unwrap();
    let missing = KeysLooked { to_destroy: 0, copy: CopyFound::Missing };
    assert_eq!(look(dir, Some(&whole)).unwrap(), Looked::Whole(missing));
    // What lies behind the last key of the copy and is no key is the copy's fault, and the store is whole.
    fs::write(dir.join("copy-of-keys"), [copy, vec![7; 72 * 3]].concat()).unwrap();
    fs::set_permissions(dir.join("copy-of-keys"), fs::Permissions::from_mode(0o600)).unwrap();
    let error = look(dir, Some(&whole)).unwrap_err();
    assert!(matches!(error, GalleryError::KeyStore(KeyStoreError::CopyDamaged { .. })), "{error}");
    assert_eq!(open_sealed(dir).unwrap_err().to_string(), error.to_string());
}

/// A copy that was made of it would pass for one from which it can be put back.
#[test]
fn no_copy_is_made_of_a_key_store_that_is_older_than_the_gallery() {
    let dir = made();
    // Without the second key of the gallery itself. That keys of people are lacking is told once it is open.
    cut(&dir.path().join("keys"), 4096 + 72);
    let copy = dir.path().join("copy-of-keys");
    fs::remove_file(&copy).unwrap();
    assert!(matches!(open_sealed(dir.path()), Err(GalleryError::OlderKeyStore(_))));
    assert!(!copy.exists());
}

/// Of one person alone a key is lost: that is said, of which key and of both files, before a server says it.
#[test]
fn a_look_finds_a_key_that_neither_file_can_open_any_more() {
    let dir = made();
    let dir = dir.path();
    // The first two are of the tables and the names.
    for name in ["keys", "copy-of-keys"] {
        let mut bytes = fs::read(dir.join(name)).unwrap();
        bytes[4096 + 72 * 3 + 30] ^= 1;
        fs::write(dir.join(name), bytes).unwrap();
    }
    let error = look(dir, Some(&LookKeys::Open(keys(dir)))).unwrap_err();
    assert!(matches!(&error, GalleryError::KeyStore(KeyStoreError::KeyDamaged { number: 3, .. })), "{error}");
    let said = error.to_string();
    for path in [dir.join("keys"), dir.join("copy-of-keys")] {
        assert!(said.contains(path.to_str().unwrap()), "{said}");
    }
}

#[test]
fn a_gallery_that_may_not_be_made_leaves_no_folder_and_a_look_says_so_before() {
    let taken = made();
    let dir = taken.path();
    let new = dir.join("new");
    let options = EmbeddedOptions { create: true, ..sealed(dir) };
    let keys = LookKeys::Open(keys(dir));
    let before = all(dir);
    let looked = gallery::look(&new, &[(RECIPE, DIMENSION)], &options, Some(&keys)).unwrap_err().to_string();
    let opened = gallery::open(&new, RECIPE, DIMENSION, options.clone()).unwrap_err();
    assert!(matches!(opened, GalleryError::KeyStoreTaken { .. }), "{opened}");
    assert_eq!(looked, opened.to_string());
    assert!(all(dir) == before, "no folder, and no LOCK in one");

    let free = tempfile::tempdir().unwrap();
    let (new, keys) = (free.path().join("data"), LookKeys::Open(self::keys(free.path())));
    let looked = gallery::look(&new, &[(RECIPE, DIMENSION)], &options, Some(&keys));
    assert_eq!(looked.unwrap(), Looked::NotMade);
    assert!(all(free.path()).is_empty());
}

/// A kill in the first moments of `keys seal` leaves a file that is no database yet.
#[test]
fn a_sealing_that_was_killed_before_its_first_row_is_under_way_and_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let gallery = gallery::open(&data, RECIPE, DIMENSION, options()).unwrap();
    block_on(gallery.enrol(&by(), person("subject-one", &[1]), None)).unwrap();
    drop(gallery);
    for begun in [&b""[..], b"no database"] {
        fs::write(data.join("chinhchu.redb.sealed"), begun).unwrap();
        let before = all(dir.path());
        match gallery::sealing_state(&data).unwrap() {
            SealingState::Copying { rows, of } => assert!(rows == 0 && of > 0, "{rows} of {of}"),
            other => panic!("{other:?}"),
        }
        assert!(all(dir.path()) == before);
    }
    let served = EmbeddedOptions { seal_while_serving: true, create: false, ..options() };
    let keys = LookKeys::Open(keys(dir.path()));
    assert_eq!(gallery::look(&data, &[], &served, Some(&keys)).unwrap(), Looked::Whole(KeysLooked::default()));
    assert!(matches!(gallery::seal(&data, &sealed(dir.path()), &mut |_| {}).unwrap(), Sealed::Now(_)));
    assert_eq!(gallery::sealing_state(&data).unwrap(), SealingState::Sealed);

    // What was sealed before is said of its own keys alone.
    assert!(matches!(gallery::seal(&data, &sealed(dir.path()), &mut |_| {}).unwrap(), Sealed::Before));
    let KeyStoreOptions { path, .. } = self::keys(dir.path());
    let with = |sealing| gallery::seal(&data, &EmbeddedOptions { sealing: Some(sealing), ..options() }, &mut |_| {});
    let other = KeyStoreOptions { path: dir.path().join("other"), copy: None, ..self::keys(dir.path()) };
    assert!(matches!(with(other.clone()), Err(GalleryError::KeyStore(KeyStoreError::NotThere(_)))));
    drop(KeyStore::open(other.clone(), true).unwrap());
    assert!(matches!(with(other), Err(GalleryError::OtherKeyStore(_))));
    fs::remove_file(path).unwrap();
    assert!(matches!(with(self::keys(dir.path())), Err(GalleryError::KeyStore(KeyStoreError::NotThere(_)))));
}

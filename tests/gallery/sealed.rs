//! A sealed gallery: what a thief of its folder finds, what somebody can do to its file unnoticed, and
//! what is left of a person who was erased.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use chinhchu::gallery::{
    self, Attributes, ClearPair, DecisionKey, EmbeddedOptions, EnrolMode, Enrolment, Erase, Erasure, Filter, Gallery,
    GalleryError, LedgerFault, NewCapture, NewDecision, Note, Outcome, RequestAnswer, RequestId, RequestKind,
    Requester, verify_ledger,
};
use chinhchu::sealing::{KeyStore, KeyStoreError, KeyStoreOptions, MasterKey, Secret, aead, stream};
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};

use crate::killed::{acknowledge, acknowledged_before_kill};
use crate::ledger::{digest_key, facts, signer};
use crate::support::*;

const SUBJECTS: TableDefinition<&str, &[u8]> = TableDefinition::new("subjects");
const TEMPLATES: TableDefinition<u64, &[u8]> = TableDefinition::new("templates");
const DOOMED_KEYS: TableDefinition<u64, &[u8]> = TableDefinition::new("doomed_keys");
const SUBJECT_KEYS: TableDefinition<&str, u64> = TableDefinition::new("subject_keys");
/// Tables with values about one subject.
const ABOUT_SUBJECTS: [TableDefinition<&str, &[u8]>; 2] = [SUBJECTS, TableDefinition::new("decisions")];
const ABOUT_SUBJECTS_BY_NUMBER: [TableDefinition<u64, &[u8]>; 3] =
    [TEMPLATES, TableDefinition::new("decision_heads"), TableDefinition::new("captures")];

pub fn person(subject: &str, seeds: &[u64]) -> Enrolment {
    let attributes = Attributes {
        schemes: ["pension".to_owned()].into(),
        province: Some("province-of-the-test".into()),
        unit: Some("unit-of-the-test".into()),
    };
    Enrolment { attributes, by: Some(id("clerk-of-the-test")), ..enrolment(subject, EnrolMode::Create, seeds) }
}

pub fn decision(transaction: &str, subject: &str) -> NewDecision {
    NewDecision {
        pictures: None,
        captures: vec![NewCapture { fingerprint: b"fingerprint-of-the-test".to_vec(), bands: vec![*b"band-one"] }],
        captures_lifetime_ms: 1 << 40,
        challenge: None,
        unit: Some("unit-of-the-test".into()),
        province: None,
        presented_by: Some(id("clerk-of-the-test")),
        reasons: vec!["REASON_OF_THE_TEST".into()],
        key: DecisionKey::new(RequestId::new(transaction).unwrap(), 1).unwrap(),
        content: [1; 32],
        subject: id(subject),
        scheme: "social".into(),
        outcome: Outcome::Deny,
        answer: b"answer-of-the-test".to_vec(),
        enrolment: None,
        basis: None,
        facts: facts(),
    }
}

pub fn pair(one: &str, other: &str) -> ClearPair {
    ClearPair {
        first: id(one),
        second: id(other),
        officer: id("officer-of-the-test"),
        reason: Note::new("reason-of-the-test").unwrap(),
        officers_needed: 1,
        lifetime_ms: None,
    }
}

pub fn erase(subject: &str) -> Erase {
    Erase {
        subject: id(subject),
        requester: Requester::Person,
        finding_open: false,
        by: id("officer-of-the-test"),
        reason: Note::new("asked for").unwrap(),
    }
}

/// Something of every kind.
pub async fn fill(gallery: &Gallery) {
    for (number, subject) in ["subject-one", "subject-two", "subject-three"].iter().enumerate() {
        let enrolment = person(subject, &[number as u64, 9]);
        gallery.enrol(&by(), enrolment, Some(retry(format!("request-{number}"), 1))).await.unwrap();
        gallery.decide(&by(), decision(&format!("transaction-{number}"), subject)).await.unwrap();
    }
    gallery.clear_pair(&by(), pair("subject-one", "subject-two")).await.unwrap();
    for subject in ["subject-one", "subject-two"] {
        crate::requests::opened(gallery, subject, RequestKind::Access).await;
    }
    crate::requests::answered(gallery, 2, RequestAnswer::Complete).await.unwrap();
}

/// What must not lie in the clear.
pub fn telling() -> Vec<Vec<u8>> {
    let words = [
        "subject-one",
        "subject-two",
        "subject-three",
        "transaction-1",
        "request-1",
        "province-of-the-test",
        "unit-of-the-test",
        "clerk-of-the-test",
        "officer-of-the-test",
        "reason-of-the-test",
        "words-of-the-test",
        "REASON_OF_THE_TEST",
        "answer-of-the-test",
        "fingerprint-of-the-test",
        "band-one",
        "pension",
    ];
    let vector: Vec<u8> = template(1).vector().iter().flat_map(|value| value.to_le_bytes()).collect();
    words
        .iter()
        .map(|word| word.as_bytes().to_vec())
        .chain([vector, "band-one".bytes().map(hex).collect::<String>().into_bytes()])
        .collect()
}

fn hex(byte: u8) -> String {
    format!("{byte:02x}")
}

/// Every file of a folder.
pub fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
    files.map(|file| (file.file_name().into_string().unwrap(), fs::read(file.path()).unwrap())).collect()
}

pub fn holds(files: &BTreeMap<String, Vec<u8>>, needle: &[u8]) -> bool {
    files.values().any(|bytes| bytes.windows(needle.len()).any(|window| window == needle))
}

pub fn large(options: EmbeddedOptions) -> EmbeddedOptions {
    EmbeddedOptions { checked_bytes_max: 0, ..options }
}

pub fn open_with(dir: &Path, options: EmbeddedOptions) -> Result<Gallery, GalleryError> {
    gallery::open(&dir.join("data"), RECIPE, DIMENSION, options)
}

pub fn key_store(dir: &Path) -> KeyStore {
    KeyStore::open(sealed(dir).sealing.unwrap(), false).unwrap()
}

#[test]
fn a_thief_of_the_folder_finds_no_name_and_no_face() {
    let dir = tempfile::tempdir().unwrap();
    let clear = tempfile::tempdir().unwrap();
    let gallery = open_with(dir.path(), large(sealed(dir.path()))).unwrap();
    block_on(fill(&gallery));
    drop(gallery);
    let gallery = gallery::open(clear.path(), RECIPE, DIMENSION, large(options())).unwrap();
    block_on(fill(&gallery));
    drop(gallery);
    let (found, clear) = (files(&dir.path().join("data")), files(clear.path()));
    assert!(found.contains_key("index"), "what is derived is looked through, too");
    for needle in telling() {
        let text = String::from_utf8_lossy(&needle);
        assert!(!holds(&found, &needle), "{text} lies in the clear");
        assert!(holds(&clear, &needle), "{text} is looked for in the wrong way");
    }
    // And it is all there for whoever has the keys.
    let gallery = open_sealed(dir.path()).unwrap();
    block_on(async {
        let subject = gallery.subject(&id("subject-one")).await.unwrap().unwrap();
        assert!(subject.templates.len() == 2 && subject.attributes.unit.as_deref() == Some("unit-of-the-test"));
        let key = DecisionKey::new(RequestId::new("transaction-1").unwrap(), 1).unwrap();
        assert_eq!(gallery.decision(&key).await.unwrap().unwrap().answer, b"answer-of-the-test");
        assert_eq!(gallery.cleared_with(&id("subject-two")).await.unwrap(), [id("subject-one")]);
        assert_eq!(gallery.captures_sharing(&[*b"band-one"]).await.unwrap().captures.len(), 3);
    });
}

/// Whoever loses, moves or gives up a key store for one gallery would lose the people of the other.
#[test]
fn a_key_store_is_of_one_gallery_and_a_second_one_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let first = open_sealed(dir.path()).unwrap();
    let id = first.id();
    drop(first);
    let taken = |error: GalleryError| match error {
        GalleryError::KeyStoreTaken { gallery, .. } => assert_eq!(gallery, id),
        other => panic!("{other}"),
    };
    let second = dir.path().join("second");
    taken(gallery::open(&second, RECIPE, DIMENSION, sealed(dir.path())).unwrap_err());
    assert!(!gallery::is_at(&second));
    let clear = dir.path().join("clear");
    drop(gallery::open(&clear, RECIPE, DIMENSION, options()).unwrap());
    taken(gallery::seal(&clear, &sealed(dir.path()), &mut |_| {}).unwrap_err());
    drop(gallery::open(&clear, RECIPE, DIMENSION, options()).unwrap());
    drop(open_sealed(dir.path()).unwrap());
    // With one of its own it is sealed, and what was begun of that is gone on with.
    let own = tempfile::tempdir().unwrap();
    gallery::seal(&clear, &sealed(own.path()), &mut |_| {}).unwrap();
    assert!(gallery::open(&clear, RECIPE, DIMENSION, sealed(own.path())).is_ok());
}

#[test]
fn a_command_that_enrols_one_person_uses_no_block_of_keys() {
    let dir = tempfile::tempdir().unwrap();
    for number in 0..10 {
        let gallery = open_sealed(dir.path()).unwrap();
        block_on(gallery.enrol(&by(), person(&format!("subject-{number}"), &[number]), None)).unwrap();
    }
    assert_eq!(key_store(dir.path()).made(), 64);
}

#[test]
fn a_wrong_key_or_none_is_an_error_at_the_start_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let gallery = open_sealed(dir.path()).unwrap();
    block_on(fill(&gallery));
    drop(gallery);
    let keys = sealed(dir.path()).sealing.unwrap();
    let rows = || {
        let database = Database::open(dir.path().join("data/chinhchu.redb")).unwrap();
        let table = database.begin_read().unwrap().open_table(TableDefinition::<&str, &[u8]>::new("gallery")).unwrap();
        let rows = table.iter().unwrap().map(|row| row.unwrap());
        rows.map(|(name, value)| (name.value().to_owned(), value.value().to_vec())).collect::<Vec<_>>()
    };
    let before = rows();
    let refused = |sealing: Option<KeyStoreOptions>| {
        let error = open_with(dir.path(), EmbeddedOptions { sealing, ..options() }).unwrap_err();
        assert!(rows() == before, "{error}");
        error
    };
    assert!(matches!(refused(None), GalleryError::SealingNeeded(_)));
    let other = MasterKey::new(Secret::random().unwrap());
    let wrong = KeyStoreOptions { master: other.clone(), ..keys.clone() };
    assert!(matches!(refused(Some(wrong)), GalleryError::KeyStore(KeyStoreError::OtherMaster { .. })));
    let gone = KeyStoreOptions { path: dir.path().join("gone"), ..keys.clone() };
    assert!(matches!(refused(Some(gone)), GalleryError::KeyStore(KeyStoreError::NotThere(_))));
    let elsewhere = KeyStoreOptions { path: dir.path().join("elsewhere"), copy: None, ..keys.clone() };
    drop(KeyStore::open(elsewhere.clone(), true).unwrap());
    assert!(matches!(refused(Some(elsewhere)), GalleryError::OtherKeyStore(_)));
    // A key store from a backup would give keys of living people out anew.
    let whole = fs::read(&keys.path).unwrap();
    fs::write(&keys.path, &whole[..4096 + 3 * 72]).unwrap();
    let alone = KeyStoreOptions { copy: None, ..keys.clone() };
    assert!(matches!(refused(Some(alone)), GalleryError::OlderKeyStore(_)));
    fs::write(&keys.path, whole).unwrap();
    drop(open_sealed(dir.path()).unwrap());
    // And a clear gallery is not taken for a sealed one.
    let clear = dir.path().join("clear");
    drop(gallery::open(&clear, RECIPE, DIMENSION, options()).unwrap());
    let refused = gallery::open(&clear, RECIPE, DIMENSION, sealed(dir.path()));
    assert!(matches!(refused, Err(GalleryError::KeyStoreTaken { .. })));
    let refused = gallery::open(&clear, RECIPE, DIMENSION, sealed(&clear));
    assert!(matches!(refused, Err(GalleryError::NotSealed(_))));
}

/// Does something to the tables, as somebody does who has the file and no key.
fn tamper(dir: &Path, work: impl FnOnce(&mut redb::Table<&str, &[u8]>, &mut redb::Table<u64, &[u8]>)) {
    let database = Database::open(dir.join("data/chinhchu.redb")).unwrap();
    let transaction = database.begin_write().unwrap();
    work(&mut transaction.open_table(SUBJECTS).unwrap(), &mut transaction.open_table(TEMPLATES).unwrap());
    transaction.commit().unwrap();
}

fn value(table: &impl ReadableTable<u64, &'static [u8]>, key: u64) -> Vec<u8> {
    table.get(key).unwrap().unwrap().value().to_vec()
}

#[test]
fn values_cannot_be_swapped_cut_altered_taken_away_or_doubled() {
    type Work = fn(&mut redb::Table<&str, &[u8]>, &mut redb::Table<u64, &[u8]>);
    let works: [(&str, Work); 5] = [
        ("two people's templates", |_, templates| {
            let (one, other) = (value(templates, 1), value(templates, 3));
            templates.insert(1, other.as_slice()).unwrap();
            templates.insert(3, one.as_slice()).unwrap();
        }),
        ("one cut short", |_, templates| {
            let one = value(templates, 1);
            templates.insert(1, &one[..one.len() - 1]).unwrap();
        }),
        ("one bit", |_, templates| {
            let mut one = value(templates, 1);
            one[60] ^= 1;
            templates.insert(1, one.as_slice()).unwrap();
        }),
        ("somebody's record", |subjects, _| {
            let name = subjects.first().unwrap().unwrap().0.value().to_owned();
            subjects.remove(name.as_str()).unwrap();
        }),
        ("one more row", |_, templates| {
            let one = value(templates, 1);
            templates.insert(99, one.as_slice()).unwrap();
        }),
    ];
    for (what, work) in works {
        let dir = tempfile::tempdir().unwrap();
        let gallery = open_sealed(dir.path()).unwrap();
        block_on(fill(&gallery));
        drop(gallery);
        tamper(dir.path(), work);
        let error = open_sealed(dir.path()).unwrap_err();
        assert!(matches!(error, GalleryError::Damaged { .. }), "{what}: {error}");
        assert!(!telling().iter().any(|needle| error.to_string().contains(&*String::from_utf8_lossy(needle))));
    }
}

#[test]
fn a_value_of_before_that_was_put_back_is_told_at_the_start_and_by_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let with_log = || EmbeddedOptions { ledger: Some(log_setup()), ..sealed(dir.path()) };
    let gallery = open_with(dir.path(), with_log()).unwrap();
    block_on(fill(&gallery));
    drop(gallery);
    let rows = || -> BTreeMap<String, Vec<u8>> {
        let database = Database::open(dir.path().join("data/chinhchu.redb")).unwrap();
        let table = database.begin_read().unwrap().open_table(SUBJECTS).unwrap();
        let rows = table.iter().unwrap().map(|row| row.unwrap());
        rows.map(|(name, value)| (name.value().to_owned(), value.value().to_vec())).collect()
    };
    let before = rows();
    // Somebody's restriction is the fraudster's to undo, by a row of before.
    let gallery = open_with(dir.path(), with_log()).unwrap();
    block_on(async {
        gallery.enrol(&by(), enrolment("subject-one", EnrolMode::Add, &[30]), None).await.unwrap();
        let whole = gallery.read_ledger(|tables| verify_ledger(tables, None, &[])).await.unwrap();
        assert!(whole.is_ok(), "{whole:?}");
    });
    drop(gallery);
    let after = rows();
    let changed: Vec<&String> = before.keys().filter(|name| before[*name] != after[*name]).collect();
    assert_eq!(changed.len(), 1);
    tamper(dir.path(), |subjects, templates| {
        subjects.insert(changed[0].as_str(), before[changed[0]].as_slice()).unwrap();
        templates.remove(7).unwrap();
    });
    let refused = open_with(dir.path(), with_log()).unwrap_err();
    assert!(refused.to_string().contains("put back"), "{refused}");
    // A large gallery is not read whole at the start; the log tells.
    let mut told = None;
    let read = &mut |tables: &dyn gallery::LedgerTables| {
        told = Some(verify_ledger(tables, None, &[])?);
        Ok(())
    };
    gallery::read_ledger_at(&dir.path().join("data"), &large(with_log()), read).unwrap();
    assert!(matches!(told, Some(Err(LedgerFault::Records(_)))), "{told:?}");
}

/// Whether any key that is left opens any row of a folder to something that tells of somebody; how
/// many rows opened.
pub fn opened(dir: &Path, keys: &KeyStore, telling: &[&[u8]]) -> (usize, bool) {
    let secrets: Vec<Secret> = (0..keys.made()).filter_map(|number| keys.key(number).unwrap()).collect();
    let database = Database::open(dir.join("chinhchu.redb")).unwrap();
    let read = database.begin_read().unwrap();
    let (mut count, mut tells) = (0, false);
    let mut try_row = |table: &str, key: &[u8], value: &[u8]| {
        let heads = [10, 18].map(|len| value.split_at_checked(len));
        for (head, boxed) in heads.into_iter().flatten() {
            for secret in &secrets {
                let place = [b"chinhchu record", table.as_bytes(), key, head];
                if let Ok(contents) = aead::open(secret, &place, boxed) {
                    count += 1;
                    let has = |needle: &&&[u8]| contents.windows(needle.len()).any(|window| window == **needle);
                    tells |= telling.iter().any(|needle| has(&needle));
                }
            }
        }
    };
    for name in ["subjects", "decisions", "cleared"] {
        let table = read.open_table(TableDefinition::<&str, &[u8]>::new(name)).unwrap();
        for row in table.iter().unwrap() {
            let (key, value) = row.unwrap();
            try_row(name, key.value().as_bytes(), value.value());
        }
    }
    for name in ["templates", "decision_heads", "captures", "changes", "subject_requests"] {
        let table = read.open_table(TableDefinition::<u64, &[u8]>::new(name)).unwrap();
        for row in table.iter().unwrap() {
            let (key, value) = row.unwrap();
            try_row(name, &key.value().to_le_bytes(), value.value());
        }
    }
    (count, tells)
}

pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for (name, bytes) in files(from) {
        fs::write(to.join(name), bytes).unwrap();
    }
}

#[test]
fn who_was_erased_can_be_read_in_no_copy_with_any_key_that_is_left() {
    let dir = tempfile::tempdir().unwrap();
    let options = || large(sealed(dir.path()));
    let gallery = open_with(dir.path(), options()).unwrap();
    block_on(fill(&gallery));
    drop(gallery);
    // Last night's copy, with the index file, which no backup should have.
    let backup = dir.path().join("backup");
    copy(&dir.path().join("data"), &backup);
    let vector: Vec<u8> = template(0).vector().iter().flat_map(|value| value.to_le_bytes()).collect();
    let about_one: [&[u8]; 3] = [b"subject-one", b"transaction-0", &vector];
    let keys = key_store(dir.path());
    let (rows, tells) = opened(&backup, &keys, &about_one);
    assert!(rows > 10 && tells, "the look-up finds what is there");
    let index_key = stream::key_of(&fs::read(backup.join("index")).unwrap()).unwrap();
    assert!(keys.key(index_key).unwrap().is_some());
    drop(keys);

    let gallery = open_with(dir.path(), options()).unwrap();
    block_on(async {
        let done = gallery.erase(&by(), erase("subject-one"), Some(retry("erase", 1))).await.unwrap().erasure;
        assert_eq!(done, Erasure::Erased);
        // At once, not when the gallery is closed.
        let index = fs::read(dir.path().join("data/index"));
        assert!(index.is_err() || stream::key_of(&index.unwrap()) != Some(index_key));
        assert!(gallery.subject(&id("subject-one")).await.unwrap().is_none());
        let found = gallery.search(&template(0), gallery::Scope::Within(0.999), &Filter::default()).await.unwrap();
        assert!(found.is_empty());
        // Again is done already, and one who comes back is somebody new.
        let again = gallery.erase(&by(), erase("subject-one"), Some(retry("erase", 1))).await.unwrap();
        let (again, receipt) = (again.erasure, again.receipt);
        assert!(again == Erasure::Erased && receipt.replayed);
        gallery.enrol(&by(), person("subject-two-again", &[40]), None).await.unwrap();
    });
    drop(gallery);
    let keys = key_store(dir.path());
    assert!(keys.key(index_key).unwrap().is_none());
    for folder in [&backup, &dir.path().join("data")] {
        let (rows, tells) = opened(folder, &keys, &about_one);
        assert!(rows > 5, "others can be read");
        assert!(!tells, "something of the erased person can be read in {}", folder.display());
    }
    drop(keys);
    for needle in about_one {
        assert!(!holds(&files(&dir.path().join("data")), needle));
    }
    let gallery = open_with(dir.path(), options()).unwrap();
    block_on(async {
        assert!(gallery.subject(&id("subject-two")).await.unwrap().is_some());
        assert!(gallery.subject(&id("subject-one")).await.unwrap().is_none());
    });
}

/// Numbers of the keys that values about subjects are sealed under, by what their heads say.
pub fn keys_in_use(dir: &Path) -> BTreeSet<u64> {
    let database = Database::open(dir.join("data/chinhchu.redb")).unwrap();
    let read = database.begin_read().unwrap();
    let number = |value: &[u8]| u64::from_le_bytes(value[2..10].try_into().unwrap());
    let mut found = BTreeSet::new();
    for table in ABOUT_SUBJECTS {
        let table = read.open_table(table).unwrap();
        found.extend(table.iter().unwrap().map(|row| number(row.unwrap().1.value())));
    }
    for table in ABOUT_SUBJECTS_BY_NUMBER {
        let table = read.open_table(table).unwrap();
        found.extend(table.iter().unwrap().map(|row| number(row.unwrap().1.value())));
    }
    found
}

/// Numbers of keys that the table of them has, where no row of the subject tells them.
pub fn keys_in_table(dir: &Path) -> Vec<u64> {
    let database = Database::open(dir.join("data/chinhchu.redb")).unwrap();
    let table = database.begin_read().unwrap().open_table(SUBJECT_KEYS).unwrap();
    table.iter().unwrap().map(|row| row.unwrap().1.value()).collect()
}

/// Numbers of the keys of all subjects, wherever they stand.
pub fn keys_of_subjects(dir: &Path) -> BTreeSet<u64> {
    keys_in_use(dir).into_iter().chain(keys_in_table(dir)).collect()
}

/// A decision before the enrolment, the record, its removal, a new record: whatever became of the
/// subject, one key opens it all, so that destroying it leaves nothing.
#[test]
fn a_subject_has_one_key_however_often_it_comes_and_goes() {
    let dir = tempfile::tempdir().unwrap();
    let with = |work: &dyn Fn(&Gallery)| {
        let gallery = open_sealed(dir.path()).unwrap();
        work(&gallery);
        drop(gallery);
        (keys_in_use(dir.path()), keys_in_table(dir.path()))
    };
    let enrol = |gallery: &Gallery| {
        block_on(gallery.enrol(&by(), person("subject-one", &[1]), None)).unwrap();
    };
    let (used, listed) = with(&|gallery| {
        block_on(gallery.decide(&by(), decision("transaction-0", "subject-one"))).unwrap();
    });
    assert_eq!((used.len(), listed.len()), (1, 1));
    let key = listed[0];
    let (used, listed) = with(&enrol);
    assert_eq!((used, listed), (BTreeSet::from([key]), vec![]));
    let (used, listed) = with(&|gallery| {
        block_on(gallery.remove(&by(), &id("subject-one"), None)).unwrap();
        block_on(gallery.decide(&by(), decision("transaction-1", "subject-one"))).unwrap();
    });
    assert_eq!((used, listed), (BTreeSet::from([key]), vec![key]));
    let (used, listed) = with(&enrol);
    assert_eq!((used, listed), (BTreeSet::from([key]), vec![]));
    let (used, listed) = with(&|gallery| {
        let done = block_on(gallery.erase(&by(), erase("subject-one"), None)).unwrap().erasure;
        assert_eq!(done, Erasure::Erased);
    });
    assert_eq!((used, listed), (BTreeSet::new(), vec![]));
    assert!(key_store(dir.path()).key(key).unwrap().is_none());
    // Whoever comes under that id later is somebody else.
    let (used, _) = with(&enrol);
    assert!(!used.contains(&key));
}

#[test]
fn an_erasure_that_was_interrupted_is_finished_at_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let gallery = open_sealed(dir.path()).unwrap();
    block_on(fill(&gallery));
    drop(gallery);
    // The commit is there, and the process ends before the key is destroyed.
    let (store, _) = gallery::open_parts(&dir.path().join("data"), RECIPE, DIMENSION, sealed(dir.path())).unwrap();
    block_on(store.commit(&by(), gallery::Command::Erase(erase("subject-one"), None))).unwrap();
    store.close();
    drop(store);
    let gone = {
        let database = Database::open(dir.path().join("data/chinhchu.redb")).unwrap();
        let table = database.begin_read().unwrap().open_table(DOOMED_KEYS).unwrap();
        table.iter().unwrap().map(|row| row.unwrap().0.value()).collect::<Vec<u64>>()
    };
    assert_eq!(gone.len(), 1);
    assert!(key_store(dir.path()).key(gone[0]).unwrap().is_some());
    drop(open_sealed(dir.path()).unwrap());
    assert!(key_store(dir.path()).key(gone[0]).unwrap().is_none());
    drop(open_sealed(dir.path()).unwrap());
}

#[test]
fn an_index_file_of_a_sealed_gallery_is_used_and_one_that_was_altered_is_made_anew() {
    let dir = tempfile::tempdir().unwrap();
    let options = || large(sealed(dir.path()));
    let gallery = open_with(dir.path(), options()).unwrap();
    block_on(fill(&gallery));
    drop(gallery);
    let path = dir.path().join("data/index");
    let whole = fs::read(&path).unwrap();
    drop(open_with(dir.path(), options()).unwrap());
    assert!(fs::read(&path).unwrap() == whole, "one that is used is not written anew");
    for at in [13, 20, whole.len() / 2, whole.len() - 1] {
        let mut altered = whole.clone();
        altered[at] ^= 1;
        fs::write(&path, &altered).unwrap();
        let gallery = open_with(dir.path(), options()).unwrap();
        let found = block_on(gallery.nearest(&template(1), 1)).unwrap();
        assert_eq!(found[0].subject, id("subject-two"), "byte {at}");
        drop(gallery);
        let whole = fs::read(&path).unwrap();
        assert!(whole != altered, "byte {at}");
    }
}

/// Everything that is stored, as callers see it.
pub async fn everything(gallery: &Gallery) -> Vec<String> {
    let mut seen = Vec::new();
    for subject in ["subject-one", "subject-two", "subject-three"] {
        let Some(subject) = gallery.subject(&id(subject)).await.unwrap() else { continue };
        let vectors: Vec<_> = subject.templates.iter().map(|one| one.content.template.vector().to_vec()).collect();
        let attributes = (&subject.attributes.unit, &subject.attributes.province, subject.enrolled_at, vectors);
        let cleared: Vec<_> = gallery.cleared_with(&subject.id).await.unwrap();
        let cleared: Vec<&str> = cleared.iter().map(|id| id.as_str()).collect();
        seen.push(format!("{} {attributes:?} {cleared:?}", subject.id.as_str()));
    }
    let page = gallery.decisions_after(&Default::default(), 0, 99).await.unwrap();
    for head in page.decisions {
        let decision = gallery.decision(&head.key).await.unwrap().unwrap();
        let answer = String::from_utf8_lossy(&decision.answer).into_owned();
        seen.push(format!("{:?} {} {answer} {}", head.key, decision.number, head.subject.as_str()));
    }
    let captures = gallery.captures_sharing(&[*b"band-one"]).await.unwrap().captures;
    seen.extend(captures.iter().map(|capture| format!("{} {:?}", capture.number, capture.key)));
    for subject in [None, Some(id("subject-one"))] {
        let filter = gallery::RequestFilter { subject, ..Default::default() };
        for one in gallery.requests_after(&filter, 0, 99).await.unwrap().requests {
            let subject = one.subject.as_ref().map(|subject| subject.as_str().to_owned());
            let reason = one.opened.reason.as_ref().map(|reason| reason.as_str().to_owned());
            seen.push(format!("{} {subject:?} {:?} {reason:?} {:?}", one.number, one.state(), one.complete_by));
        }
    }
    let open = gallery.count_requests(chinhchu::gallery::Timestamp(0)).await.unwrap().open;
    seen.push(format!("{open} open requests"));
    let probe = template(1);
    let found = gallery.nearest(&probe, 9).await.unwrap();
    seen.extend(found.iter().map(|one| format!("{} {} {}", one.subject.as_str(), one.template_id, one.score)));
    seen
}

pub fn log_setup() -> gallery::LedgerSetup {
    gallery::LedgerSetup {
        key: digest_key(),
        begin_with: Some(signer(1).verifier().clone()),
        sign_at_once: vec![signer(1)],
    }
}

#[test]
fn a_clear_gallery_is_sealed_whole_and_nothing_of_it_stays_in_the_clear() {
    for with_log in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        let ledger = with_log.then(log_setup);
        let clear = EmbeddedOptions { ledger: ledger.clone(), ..large(options()) };
        let sealed = EmbeddedOptions { ledger, ..large(sealed(dir.path())) };
        let gallery = gallery::open(&data, RECIPE, DIMENSION, clear.clone()).unwrap();
        let before = block_on(async {
            fill(&gallery).await;
            // Of every kind that the log of changes knows.
            gallery.enrol(&by(), enrolment("subject-four", EnrolMode::Create, &[50]), None).await.unwrap();
            gallery.remove(&by(), &id("subject-four"), None).await.unwrap();
            everything(&gallery).await
        });
        let gallery_id = gallery.id();
        drop(gallery);
        let mut rows = 0;
        let done = gallery::seal(&data, &sealed, &mut |done| rows = done).unwrap();
        assert!(done == gallery::Sealed::Now(rows) && rows > 20);
        assert_eq!(gallery::seal(&data, &sealed, &mut |_| {}).unwrap(), gallery::Sealed::Before);
        for needle in telling() {
            assert!(!holds(&files(&data), &needle), "{}", String::from_utf8_lossy(&needle));
        }
        assert!(matches!(gallery::open(&data, RECIPE, DIMENSION, clear), Err(GalleryError::SealingNeeded(_))));
        let gallery = gallery::open(&data, RECIPE, DIMENSION, sealed.clone()).unwrap();
        block_on(async {
            assert_eq!(everything(&gallery).await, before);
            assert_eq!(gallery.id(), gallery_id);
            // A retry of before is known still.
            let again = gallery.enrol(&by(), person("subject-one", &[0, 9]), Some(retry("request-0", 1))).await;
            assert!(again.unwrap().replayed);
            gallery.enrol(&by(), person("subject-five", &[51]), None).await.unwrap();
            if with_log {
                let whole = gallery.read_ledger(|tables| verify_ledger(tables, None, &[])).await.unwrap();
                assert!(whole.is_ok(), "{whole:?}");
            }
        });
        drop(gallery);
        // Read whole, with every row counted.
        let whole = EmbeddedOptions { checked_bytes_max: 1 << 30, ..sealed };
        drop(gallery::open(&data, RECIPE, DIMENSION, whole).unwrap());
    }
}

#[test]
fn sealing_that_was_interrupted_leaves_the_clear_gallery_in_use_and_goes_on_or_begins_anew() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let gallery = gallery::open(&data, RECIPE, DIMENSION, options()).unwrap();
    block_on(fill(&gallery));
    drop(gallery);
    let interrupted = |after: u64| {
        let stopped = std::panic::catch_unwind(|| {
            let mut steps = 0;
            gallery::seal(&data, &sealed(dir.path()), &mut |_| {
                steps += 1;
                assert!(steps < after, "killed here");
            })
        });
        // A panic in what is told counts as damage, and nothing was put in place.
        assert!(!matches!(stopped, Ok(Ok(_))));
    };
    let in_use = || {
        let gallery = gallery::open(&data, RECIPE, DIMENSION, options()).unwrap();
        block_on(everything(&gallery))
    };
    let before = in_use();
    for after in [1, 3, 8] {
        interrupted(after);
        assert_eq!(in_use(), before);
    }
    // Changed meanwhile: what was copied is of another time.
    let gallery = gallery::open(&data, RECIPE, DIMENSION, options()).unwrap();
    block_on(gallery.enrol(&by(), person("subject-six", &[60]), None)).unwrap();
    drop(gallery);
    gallery::seal(&data, &sealed(dir.path()), &mut |_| {}).unwrap();
    let gallery = gallery::open(&data, RECIPE, DIMENSION, sealed(dir.path())).unwrap();
    block_on(async {
        assert!(gallery.subject(&id("subject-six")).await.unwrap().is_some());
        assert_eq!(everything(&gallery).await.len(), before.len() + 1);
    });
    drop(gallery);
    let left: Vec<String> =
        files(&data).into_keys().filter(|name| name.contains(".clear") || name.contains(".sealed")).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn the_master_key_is_changed_while_the_gallery_is_in_use() {
    let dir = tempfile::tempdir().unwrap();
    let gallery = open_sealed(dir.path()).unwrap();
    block_on(fill(&gallery));
    drop(gallery);
    let old = sealed(dir.path()).sealing.unwrap();
    let master = MasterKey::new(Secret::random().unwrap());
    let both = KeyStoreOptions { master: master.clone(), previous: Some(old.master.clone()), ..old.clone() };
    let open_as = |rotate_keys: bool, sealing: &KeyStoreOptions| {
        let options = EmbeddedOptions { sealing: Some(sealing.clone()), rotate_keys, ..options() };
        gallery::open(&dir.path().join("data"), RECIPE, DIMENSION, options)
    };
    let open = |sealing: &KeyStoreOptions| open_as(true, sealing);
    let alone = KeyStoreOptions { previous: None, ..both.clone() };
    assert!(matches!(open(&alone), Err(GalleryError::KeyStore(KeyStoreError::OtherMaster { .. }))));
    // A command opens it with either key and changes nothing, whatever it writes.
    let gallery = open_as(false, &both).unwrap();
    block_on(gallery.enrol(&by(), person("of-a-command", &[69]), None)).unwrap();
    drop(gallery);
    for path in [Some(&old.path), old.copy.as_ref()].into_iter().flatten() {
        assert_eq!(chinhchu::sealing::sealed_under(path), Some(old.master.id()));
    }
    assert!(open_as(false, &old).is_ok(), "the key until now opens it alone");
    let gallery = open(&both).unwrap();
    block_on(async {
        for number in 0..40 {
            gallery.enrol(&by(), person(&format!("new-{number}"), &[70 + number]), None).await.unwrap();
        }
        let done = gallery.erase(&by(), erase("subject-three"), None).await.unwrap().erasure;
        assert_eq!(done, Erasure::Erased);
    });
    drop(gallery);
    // Closing may have come first; then the next start ends it.
    KeyStore::open(both.clone(), false).unwrap().rotate(&mut |_| std::ops::ControlFlow::Continue(())).unwrap();
    assert!(matches!(open(&old), Err(GalleryError::KeyStore(KeyStoreError::OtherMaster { .. }))));
    let gallery = open(&alone).unwrap();
    block_on(async {
        assert!(gallery.subject(&id("subject-one")).await.unwrap().is_some());
        assert!(gallery.subject(&id("new-39")).await.unwrap().is_some());
        assert!(gallery.subject(&id("subject-three")).await.unwrap().is_none());
    });
}

const ERASED_IN: &str = "CHINHCHU_TEST_ERASE_IN";
const SEALED_IN: &str = "CHINHCHU_TEST_SEAL_IN";

/// The process that is killed in the middle of erasures: enrols people, and erases every second one.
#[test]
fn erasing_child() {
    let Some(dir) = std::env::var_os(ERASED_IN) else { return };
    let dir = Path::new(&dir);
    let gallery = open_with(dir, large(sealed(dir))).unwrap();
    block_on(async {
        let first = gallery.list(None, usize::MAX).await.unwrap().len() as u64;
        for number in first * 10.. {
            let subject = format!("person-{number}");
            if gallery.subject(&id(subject.as_str())).await.unwrap().is_none() {
                gallery.enrol(&by(), person(&subject, &[number]), None).await.unwrap();
                gallery.decide(&by(), decision(&format!("t-{number}"), &subject)).await.unwrap();
            }
            if number.is_multiple_of(2) {
                gallery.erase(&by(), erase(&subject), None).await.unwrap();
            }
            acknowledge(number);
        }
    });
}

#[test]
fn kill_9_in_the_middle_of_erasures_brings_nobody_back_and_loses_nobody_else() {
    let dir = tempfile::tempdir().unwrap();
    let mut all = Vec::new();
    for lines in [1, 9, 30] {
        all.extend(acknowledged_before_kill("sealed::erasing_child", ERASED_IN, dir.path(), lines));
        let gallery = open_sealed(dir.path()).unwrap();
        block_on(async {
            for &number in &all {
                let there = gallery.subject(&id(format!("person-{number}"))).await.unwrap().is_some();
                assert_eq!(there, number % 2 == 1, "person {number}");
            }
        });
        drop(gallery);
        // Whatever was given up is destroyed by now, and every other key is there.
        let keys = key_store(dir.path());
        let database = Database::open(dir.path().join("data/chinhchu.redb")).unwrap();
        let read = database.begin_read().unwrap();
        let doomed = read.open_table(TableDefinition::<u64, &[u8]>::new("doomed_keys")).unwrap();
        assert!(doomed.iter().unwrap().all(|row| keys.key(row.unwrap().0.value()).unwrap().is_none()));
        drop((doomed, read, database));
        assert!(keys_of_subjects(dir.path()).iter().all(|number| keys.key(*number).unwrap().is_some()));
    }
}

/// The process that is killed in the middle of sealing.
#[test]
fn sealing_child() {
    let Some(dir) = std::env::var_os(SEALED_IN) else { return };
    let dir = Path::new(&dir);
    gallery::seal(&dir.join("data"), &sealed(dir), &mut acknowledge).unwrap();
}

#[test]
fn kill_9_in_the_middle_of_sealing_leaves_the_gallery_clear_or_sealed_and_whole() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let gallery = gallery::open(&data, RECIPE, DIMENSION, options()).unwrap();
    let before = block_on(async {
        fill(&gallery).await;
        everything(&gallery).await
    });
    drop(gallery);
    for lines in [1, 4, 9, 14, 15] {
        acknowledged_before_kill("sealed::sealing_child", SEALED_IN, dir.path(), lines);
        let opened = gallery::open(&data, RECIPE, DIMENSION, options());
        let gallery = match opened {
            Err(GalleryError::SealingNeeded(_)) => open_sealed(dir.path()).unwrap(),
            clear => clear.unwrap(),
        };
        assert_eq!(block_on(everything(&gallery)), before, "killed after {lines} steps");
        drop(gallery);
    }
    gallery::seal(&data, &sealed(dir.path()), &mut |_| {}).unwrap();
    assert_eq!(block_on(everything(&open_sealed(dir.path()).unwrap())), before);
    for needle in telling() {
        assert!(!holds(&files(&data), &needle));
    }
}

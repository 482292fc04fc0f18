//! What somebody does to the file that a log lies in, with every checksum made anew: found, and the
//! first entry named; a log that was put back to an earlier state, by what was kept elsewhere.
//!
//! The layout of the tables is written out here as well: whoever changes a log does not use our code.

use std::path::Path;

use chinhchu::gallery::{
    self, EmbeddedOptions, EnrolMode, GalleryError, LedgerFault, LedgerReport, Look, Outcome, verify_ledger,
};
use chinhchu::ledger::checkpoint::Checkpoint;
use chinhchu::ledger::commitment::{Commitment, Opening, Salt};
use chinhchu::ledger::entry::{Entry, Kind};
use chinhchu::ledger::hash::Hash;
use chinhchu::ledger::note::Note;
use chinhchu::ledger::tree::{MemoryNodes, NodeId, NodeSource, RightEdge};
use chinhchu::ledger::verify::Fault;
use chinhchu::ledger::witness::NotContinued;
use prost::Message;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};

use crate::ledger::{decision, open_with_log, signer};
use crate::support::*;

const HEAD: TableDefinition<&str, &[u8]> = TableDefinition::new("ledger");
const COMMITMENTS: TableDefinition<u64, &[u8]> = TableDefinition::new("ledger_commitments");
const ENTRIES: TableDefinition<u64, &[u8]> = TableDefinition::new("ledger_entries");
const ABOUT: TableDefinition<&[u8], &[u8]> = TableDefinition::new("ledger_about");
const TILES: TableDefinition<u64, &[u8]> = TableDefinition::new("ledger_tiles");
const CHECKPOINTS: TableDefinition<u64, &[u8]> = TableDefinition::new("ledger_checkpoints");

/// Entries of the log that is changed.
const ENTERED: u64 = 600;

#[derive(Clone, PartialEq, Message)]
struct HeadRecord {
    #[prost(string, tag = "1")]
    first_key: String,
    #[prost(bytes = "vec", tag = "2")]
    key_check: Vec<u8>,
    #[prost(string, repeated, tag = "3")]
    changes: Vec<String>,
    #[prost(uint64, tag = "4")]
    size: u64,
    #[prost(bytes = "vec", tag = "5")]
    edge: Vec<u8>,
    #[prost(uint64, tag = "6")]
    pruned: u64,
    #[prost(string, optional, tag = "7")]
    checkpoint: Option<String>,
    #[prost(bool, tag = "8")]
    stays: bool,
    #[prost(uint64, tag = "9")]
    kept_at: u64,
}

#[derive(Clone, PartialEq, Message)]
struct EntryRecord {
    #[prost(bytes = "vec", tag = "1")]
    salt: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    contents: Vec<u8>,
}

fn sealed(table: &str, key: &[u8], record: &impl Message) -> Vec<u8> {
    let message = record.encode_to_vec();
    let mut crc = crc32fast::Hasher::new();
    crc.update(&[1, table.len() as u8]);
    crc.update(table.as_bytes());
    crc.update(&(key.len() as u64).to_le_bytes());
    crc.update(key);
    crc.update(&message);
    [&[1][..], &crc.finalize().to_le_bytes(), &message].concat()
}

type SaltAndContents = (Vec<u8>, Vec<u8>);

/// Everything of a log, to be changed and written back with every hash and checksum that needs no
/// signing key made anew.
#[derive(Clone)]
struct Log {
    head: HeadRecord,
    /// Commitments, each with salt and contents, in order.
    entries: Vec<(Commitment, Option<SaltAndContents>)>,
    checkpoints: Vec<(u64, String)>,
}

fn database(dir: &Path) -> Database {
    Database::open(dir.join("chinhchu.redb")).unwrap()
}

impl Log {
    fn read(dir: &Path) -> Self {
        let database = database(dir);
        let read = database.begin_read().unwrap();
        let head = read.open_table(HEAD).unwrap().get("head").unwrap().unwrap().value().to_vec();
        let (commitments, entries) = (read.open_table(COMMITMENTS).unwrap(), read.open_table(ENTRIES).unwrap());
        let entries = commitments.iter().unwrap().map(|row| {
            let (place, value) = row.unwrap();
            let opening = entries.get(place.value()).unwrap().map(|value| {
                let record = EntryRecord::decode(&value.value()[5..]).unwrap();
                (record.salt, record.contents)
            });
            (Commitment::from_bytes(value.value().try_into().unwrap()), opening)
        });
        let checkpoints = read.open_table(CHECKPOINTS).unwrap();
        let note = |value: &[u8]| String::from_utf8(value.to_vec()).unwrap();
        let checkpoints = checkpoints.iter().unwrap().map(|row| {
            let (size, value) = row.unwrap();
            (size.value(), note(value.value()))
        });
        Self {
            head: HeadRecord::decode(&head[5..]).unwrap(),
            entries: entries.collect(),
            checkpoints: checkpoints.collect(),
        }
    }

    /// Writes entries and checkpoints, and the lists that entries are found by.
    fn write(&self, dir: &Path) {
        let database = database(dir);
        let write = database.begin_write().unwrap();
        for table in [COMMITMENTS, ENTRIES, CHECKPOINTS] {
            write.delete_table(table).unwrap();
        }
        write.delete_table(ABOUT).unwrap();
        {
            let mut heads = write.open_table(HEAD).unwrap();
            heads.insert("head", sealed("ledger", b"head", &self.head).as_slice()).unwrap();
            let (mut commitments, mut entries) =
                (write.open_table(COMMITMENTS).unwrap(), write.open_table(ENTRIES).unwrap());
            let mut about = write.open_table(ABOUT).unwrap();
            for (place, (commitment, opening)) in (0u64..).zip(&self.entries) {
                commitments.insert(place, commitment.as_bytes().as_slice()).unwrap();
                let Some((salt, contents)) = opening else { continue };
                let record = EntryRecord { salt: salt.clone(), contents: contents.clone() };
                entries.insert(place, sealed("ledger_entries", &place.to_le_bytes(), &record).as_slice()).unwrap();
                let salt = Salt::from_bytes(salt.as_slice().try_into().unwrap());
                for digest in gallery::about(&Opening { salt, contents: contents.clone() }) {
                    let key = [digest.as_bytes().as_slice(), &place.to_be_bytes()].concat();
                    about.insert(key.as_slice(), [].as_slice()).unwrap();
                }
            }
            let mut checkpoints = write.open_table(CHECKPOINTS).unwrap();
            for (size, note) in &self.checkpoints {
                checkpoints.insert(*size, note.as_bytes()).unwrap();
            }
        }
        write.commit().unwrap();
    }

    /// The same, with the whole tree and its head made anew over the entries.
    fn write_with_tree(mut self, dir: &Path) {
        let (mut edge, mut nodes) = (RightEdge::default(), MemoryNodes::default());
        for (commitment, _) in &self.entries {
            let Ok(_) = edge.append(commitment.leaf_hash(), &mut nodes);
        }
        self.head.size = edge.size();
        self.head.edge = edge.nodes().iter().flat_map(|hash| *hash.as_bytes()).collect();
        self.write(dir);
        write_tiles(dir, edge.size(), &nodes);
    }

    fn recommit(&mut self, place: usize) {
        let (salt, contents) = self.entries[place].1.clone().unwrap();
        self.entries[place].0 = Commitment::to(&contents, &Salt::from_bytes(salt.try_into().unwrap()));
    }

    /// Changes what an entry says: another outcome.
    fn lie(&mut self, place: usize) {
        let (_, contents) = self.entries[place].1.as_mut().unwrap();
        let mut entry = Entry::decode(contents).unwrap();
        entry.attempt += 1;
        *contents = entry.encode().unwrap();
    }
}

fn write_tiles(dir: &Path, size: u64, nodes: &MemoryNodes) {
    let database = database(dir);
    let write = database.begin_write().unwrap();
    write.delete_table(TILES).unwrap();
    {
        let mut tiles = write.open_table(TILES).unwrap();
        for level in 0..8u64 {
            let hashes: Vec<Hash> = (0..size >> (8 * level))
                .map(|index| nodes.node(NodeId { level: 8 * level as u8, index }).unwrap().unwrap())
                .collect();
            for (index, tile) in (0u64..).zip(hashes.chunks(256)) {
                let bytes: Vec<u8> = tile.iter().flat_map(|hash| *hash.as_bytes()).collect();
                tiles.insert(level << 56 | index, bytes.as_slice()).unwrap();
            }
        }
    }
    write.commit().unwrap();
}

/// A gallery with a signed log, and the checkpoint of its first half.
fn made() -> (tempfile::TempDir, Checkpoint) {
    let dir = tempfile::tempdir().unwrap();
    let gallery = open_with_log(dir.path()).unwrap();
    let half = block_on(async {
        for number in 0..ENTERED {
            if number == ENTERED / 2 {
                gallery.sequence(&signer(1)).await.unwrap();
            }
            let of = decision(&format!("t-{number}"), 1, &format!("s-{}", number % 7), Outcome::Deny);
            gallery.decide(&by(), of).await.unwrap();
        }
        let half = gallery.ledger_head().await.unwrap().checkpoint.unwrap();
        gallery.sequence(&signer(1)).await.unwrap();
        half
    });
    (dir, Checkpoint::parse(half.text()).unwrap())
}

fn checked(dir: &Path, remembered: &[Checkpoint]) -> Result<LedgerReport, LedgerFault> {
    let mut found = None;
    let read = gallery::read_ledger_at(dir, &EmbeddedOptions::default(), &mut |tables| {
        found = Some(verify_ledger(tables, Some(signer(1).verifier()), remembered)?);
        Ok(())
    });
    read.unwrap();
    found.unwrap()
}

/// The checkpoint that the folder has now.
fn current(dir: &Path) -> Checkpoint {
    let mut found = None;
    let read = gallery::read_ledger_at(dir, &EmbeddedOptions::default(), &mut |tables| {
        found = tables.head()?.unwrap().checkpoint;
        Ok(())
    });
    read.unwrap();
    Checkpoint::parse(found.unwrap().text()).unwrap()
}

#[test]
fn a_log_that_nobody_has_changed_has_no_fault_however_it_is_written_back() {
    let (dir, half) = made();
    let report = checked(dir.path(), std::slice::from_ref(&half)).unwrap();
    assert_eq!((report.log.entries, report.log.opened, report.log.checkpoints), (ENTERED, ENTERED, 2));
    Log::read(dir.path()).write_with_tree(dir.path());
    assert_eq!(checked(dir.path(), &[half]).unwrap(), report);
}

#[test]
fn what_was_changed_is_found_and_the_first_entry_named() {
    let (dir, _) = made();
    let log = Log::read(dir.path());
    let fault = |change: &dyn Fn(&mut Log)| {
        let mut changed = log.clone();
        change(&mut changed);
        changed.write(dir.path());
        let fault = checked(dir.path(), &[]).expect_err("it was changed");
        log.write(dir.path());
        checked(dir.path(), &[]).expect("it is as it was");
        fault
    };
    let is = |found: LedgerFault, expected: Fault| assert_eq!(found, LedgerFault::Log(expected));
    // A bit of contents, or of a salt.
    is(fault(&|log| log.entries[300].1.as_mut().unwrap().1[20] ^= 4), Fault::Contents { index: 300 });
    is(fault(&|log| log.entries[7].1.as_mut().unwrap().0[0] ^= 1), Fault::Contents { index: 7 });
    // What an entry says, with its commitment made anew.
    let lied = |log: &mut Log| {
        log.lie(123);
        log.recommit(123);
    };
    is(fault(&lied), Fault::Changed { index: 123 });
    is(fault(&|log| log.entries.swap(10, 500)), Fault::Swapped { first: 10, second: 500 });
    is(fault(&|log| drop(log.entries.remove(400))), Fault::Removed { first: 400, until: 401 });
    is(fault(&|log| drop(log.entries.pop())), Fault::Cut { first: ENTERED - 1, until: ENTERED });
    is(fault(&|log| log.entries.insert(42, log.entries[599].clone())), Fault::Inserted { index: 42 });
    // Contents that are gone, though nobody has pruned them; and a pruning that nobody entered.
    assert_eq!(fault(&|log| log.entries[64].1 = None), LedgerFault::Missing { index: 64 });
    let pruned = |log: &mut Log| {
        (0..100).for_each(|place| log.entries[place].1 = None);
        log.head.pruned = 100;
    };
    assert_eq!(fault(&pruned), LedgerFault::Pruned { found: 100, entered: 0 });
    // Another head, and another name under which the log would go on.
    assert_eq!(fault(&|log| log.head.edge[3] ^= 1), LedgerFault::Edge);
    assert_eq!(fault(&|log| log.head.first_key = signer(2).verifier().to_string()), LedgerFault::OtherKey);
}

#[test]
fn all_hashes_made_anew_without_the_signing_key_are_found() {
    for change in [
        (|log: &mut Log| drop(log.entries.remove(450))) as fn(&mut Log),
        |log| {
            log.lie(450);
            log.recommit(450);
        },
        |log| log.entries.swap(450, 451),
        |log| log.entries.insert(450, log.entries[3].clone()),
    ] {
        let (dir, _) = made();
        let mut log = Log::read(dir.path());
        change(&mut log);
        log.write_with_tree(dir.path());
        let fault = checked(dir.path(), &[]).expect_err("it was changed");
        let half = ENTERED / 2;
        // One entry less is a cut by the checkpoint, which knows of more.
        match &fault {
            LedgerFault::Log(Fault::Rewritten { first, until }) => assert_eq!((*first, *until), (half, ENTERED)),
            LedgerFault::Log(Fault::Cut { until, .. }) => assert_eq!(*until, ENTERED),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn an_entry_that_is_hidden_from_those_who_ask_by_subject_is_found() {
    let (dir, _) = made();
    let database = database(dir.path());
    let write = database.begin_write().unwrap();
    {
        let mut about = write.open_table(ABOUT).unwrap();
        let first = about.first().unwrap().unwrap().0.value().to_vec();
        about.remove(first.as_slice()).unwrap();
        // As many rows as before.
        about.insert([&first[..16], &u64::MAX.to_be_bytes()].concat().as_slice(), [].as_slice()).unwrap();
    }
    write.commit().unwrap();
    drop(database);
    assert_eq!(checked(dir.path(), &[]), Err(LedgerFault::Listed));
}

#[test]
fn a_damaged_record_is_told_with_its_entry() {
    let (dir, _) = made();
    let database = database(dir.path());
    let write = database.begin_write().unwrap();
    {
        let mut entries = write.open_table(ENTRIES).unwrap();
        let mut bytes = entries.get(77).unwrap().unwrap().value().to_vec();
        bytes[40] ^= 1;
        entries.insert(77, bytes.as_slice()).unwrap();
    }
    write.commit().unwrap();
    drop(database);
    let read = gallery::read_ledger_at(dir.path(), &EmbeddedOptions::default(), &mut |tables| {
        verify_ledger(tables, None, &[]).map(drop)
    });
    let told = read.unwrap_err();
    assert!(matches!(&told, GalleryError::Damaged { detail, .. } if detail.contains("entry 77")), "{told}");
}

#[test]
fn a_log_that_was_put_back_cut_or_forked_is_found_by_what_was_kept_elsewhere_alone() {
    let (dir, _) = made();
    // Yesterday's file, and what came today.
    let yesterday = tempfile::tempdir().unwrap();
    std::fs::copy(dir.path().join("chinhchu.redb"), yesterday.path().join("chinhchu.redb")).unwrap();
    let gallery = open_with_log(dir.path()).unwrap();
    block_on(async {
        create(&gallery, "today", &[1]).await.unwrap();
        gallery.sequence(&signer(1)).await.unwrap();
    });
    drop(gallery);
    let kept = current(dir.path());
    checked(dir.path(), std::slice::from_ref(&kept)).unwrap();

    let (remembered, found) = (ENTERED + 1, ENTERED);
    checked(yesterday.path(), &[]).expect("nothing in it tells");
    let shorter = LedgerFault::Witness(NotContinued::Shorter { remembered, found });
    assert_eq!(checked(yesterday.path(), std::slice::from_ref(&kept)), Err(shorter));

    // Cut to an earlier checkpoint, which is signed.
    let mut log = Log::read(dir.path());
    let half = ENTERED / 2;
    log.entries.truncate(half as usize);
    log.checkpoints.retain(|(size, _)| *size <= half);
    log.head.checkpoint = log.checkpoints.last().map(|(_, note)| note.clone());
    log.write_with_tree(dir.path());
    checked(dir.path(), &[]).expect("nothing in it tells");
    let shorter = LedgerFault::Witness(NotContinued::Shorter { remembered, found: half });
    assert_eq!(checked(dir.path(), std::slice::from_ref(&kept)), Err(shorter));

    // Two logs from one beginning, each shown to another reader.
    let gallery = open_with_log(yesterday.path()).unwrap();
    block_on(async {
        gallery.enrol(&by(), enrolment("other", EnrolMode::Create, &[2]), None).await.unwrap();
        gallery.enter_look(&by(), Look::new(Kind::LookUp)).await.unwrap();
        gallery.sequence(&signer(1)).await.unwrap();
    });
    drop(gallery);
    checked(yesterday.path(), &[]).expect("nothing in it tells");
    let forked = LedgerFault::Witness(NotContinued::Forked { size: remembered });
    assert_eq!(checked(yesterday.path(), &[kept]), Err(forked));
}

#[test]
fn a_note_that_is_no_checkpoint_of_this_log_stands_for_nothing() {
    let (dir, _) = made();
    let mut log = Log::read(dir.path());
    let other = Checkpoint { root: Hash::EMPTY, ..current(dir.path()) }.sign(&[&signer(2)]).unwrap();
    log.checkpoints.push((ENTERED + 5, Note::to_string(&other)));
    log.write(dir.path());
    assert!(matches!(checked(dir.path(), &[]), Err(LedgerFault::Log(Fault::Checkpoint { number: 3, .. }))));
}

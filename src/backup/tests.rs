//! What backups promise, on rows that are made up: what a change costs, and that chunks are bounded.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::cut::{CHUNK_BYTES_MAX, CHUNK_BYTES_MIN, Cutter};
use super::{BackupError, BackupId, BackupKey, BackupKeys, BackupReader, BackupWriter, Keep, Repository, Written};
use crate::gallery::{GalleryId, RowBatch, RowsHead, Timestamp};
use crate::sealing::{MasterKey, Secret};

type Table = BTreeMap<Vec<u8>, Vec<u8>>;

fn key() -> BackupKey {
    BackupKey::new(&MasterKey::new(Secret::copied(&[9; 32])))
}

fn keys() -> Arc<BackupKeys> {
    Arc::new(BackupKeys::new(key(), []))
}

/// Rows of a kilobyte or two, none like another.
fn rows(count: u64) -> Table {
    let row = |number: u64| {
        let value: Vec<u8> = (0..1000 + number % 977).map(|at| (number * 31 + at * at) as u8).collect();
        (number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes().to_vec(), value)
    };
    (0..count).map(row).collect()
}

fn batches(table: &Table) -> Vec<RowBatch> {
    let mut batches = vec![RowBatch::of("templates")];
    for (key, value) in table {
        if batches.last().is_some_and(|batch| batch.bytes.len() > 200_000) {
            batches.push(RowBatch::of("templates"));
        }
        batches.last_mut().unwrap().push(key, value);
    }
    batches
}

fn head(templates: u64) -> RowsHead {
    RowsHead {
        gallery: GalleryId::from_bytes(&[1; 16]).unwrap(),
        commit: 7,
        taken_at: Timestamp::now(),
        subjects: 0,
        templates,
        entries: 0,
        layout: 2,
        key_store: None,
    }
}

fn back_up(table: &Table, to: &Path) -> Written {
    let repository = Repository::open_or_make(to).unwrap();
    let mut writer = BackupWriter::begin(&repository, keys(), head(table.len() as u64), None).unwrap();
    batches(table).iter().for_each(|batch| writer.take(batch).unwrap());
    writer.finish().unwrap()
}

fn read(written: &Written, from: &Path) -> Table {
    let repository = Repository::open(from).unwrap();
    let mut reader = BackupReader::begin(Arc::new(repository.clone()), keys(), written.manifest.clone()).unwrap();
    let mut table = Table::new();
    while let Some(batch) = reader.next_batch().unwrap() {
        for row in &batch {
            let (key, value) = row.unwrap();
            assert!(table.last_key_value().is_none_or(|(last, _)| last.as_slice() < key), "in order");
            table.insert(key.to_vec(), value.to_vec());
        }
    }
    table
}

#[test]
fn a_row_that_came_went_or_changed_costs_its_chunk() {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("backups");
    let mut table = rows(6_000);
    let first = back_up(&table, &to);
    assert!(first.chunks > 2 && first.chunks_written == first.chunks, "{}", first.chunks);
    assert!(read(&first, &to) == table);
    let at = |table: &Table, place: usize| table.keys().nth(place).unwrap().clone();
    let changes: [&dyn Fn(&mut Table); 3] = [
        &|table| drop(table.insert(at(table, 2_000), vec![1; 1200])),
        &|table| drop(table.remove(&at(table, 3_000))),
        &|table| drop(table.insert(b"\x70 another".to_vec(), vec![3; 1500])),
    ];
    for change in changes {
        change(&mut table);
        let next = back_up(&table, &to);
        // Where a chunk ends with the row itself, the one behind it as well.
        assert!((1..=2).contains(&next.chunks_written), "{} of {}", next.chunks_written, next.chunks);
        assert!(read(&next, &to) == table);
    }
    // The first is as it was.
    assert!(read(&first, &to) == rows(6_000));
}

#[test]
fn chunks_are_bounded_and_do_not_depend_on_how_rows_arrive() {
    let table = rows(6_000);
    let cut = |batches: &[RowBatch]| {
        let mut cutter = Cutter::new(&key());
        let mut chunks: Vec<RowBatch> = batches.iter().flat_map(|batch| cutter.take(batch).unwrap()).collect();
        chunks.extend(cutter.finish());
        chunks
    };
    let chunks = cut(&batches(&table));
    let (last, rest) = chunks.split_last().unwrap();
    assert!(rest.iter().all(|chunk| (CHUNK_BYTES_MIN..CHUNK_BYTES_MAX + 2100).contains(&chunk.bytes.len())));
    assert!(last.rows > 0 && chunks.iter().map(|chunk| chunk.rows).sum::<u64>() == 6_000);
    let whole: Vec<u8> = batches(&table).into_iter().flat_map(|batch| batch.bytes).collect();
    let one = RowBatch { table: "templates".to_owned(), rows: 6_000, bytes: whole };
    assert!(cut(&[one]) == chunks);
    // A table of its own is in chunks of its own.
    let mut other = RowBatch::of("subjects");
    other.push(b"k", b"v");
    assert_eq!(cut(&[other.clone(), batches(&table)[0].clone(), other]).len(), 3);
}

#[test]
fn the_same_rows_of_another_table_or_under_another_key_are_another_chunk() {
    let (one, other) = (key(), BackupKey::new(&MasterKey::new(Secret::copied(&[8; 32]))));
    assert_ne!(one.name("subjects", b"rows"), one.name("templates", b"rows"));
    assert_ne!(one.name("subjects", b"rows"), other.name("subjects", b"rows"));
    let derived = BackupKey::of_sealing(&MasterKey::new(Secret::copied(&[9; 32])));
    assert_ne!(derived.id(), one.id());
}

#[test]
fn a_pace_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let repository = Repository::open_or_make(&folder.path().join("backups")).unwrap();
    let table = rows(1000);
    let begun = std::time::Instant::now();
    let mut writer = BackupWriter::begin(&repository, keys(), head(1000), Some(5_000_000)).unwrap();
    batches(&table).iter().for_each(|batch| writer.take(batch).unwrap());
    writer.finish().unwrap();
    // 1.5 MB of rows.
    assert!(begun.elapsed().as_millis() >= 250, "{:?}", begun.elapsed());
}

#[test]
fn nothing_of_the_rows_lies_in_the_clear_and_nobody_else_reads_the_files() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("backups");
    let table = Table::from([(b"subject-one".to_vec(), b"a face of somebody".to_vec())]);
    back_up(&table, &to);
    let mut left = vec![to];
    while let Some(path) = left.pop() {
        let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        if path.is_dir() {
            assert_eq!(mode, 0o700, "{}", path.display());
            left.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        assert_eq!(mode, 0o600, "{}", path.display());
        let bytes = std::fs::read(&path).unwrap();
        for needle in [&b"subject-one"[..], b"a face", b"templates"] {
            assert!(!bytes.windows(needle.len()).any(|window| window == needle), "{}", path.display());
        }
    }
}

#[test]
fn names_of_backups_are_read_and_nothing_else_is() {
    let id = BackupId::new(Timestamp(1_796_083_199_000)).unwrap();
    assert!(id.as_str().starts_with("20261130T2") && id.as_str().parse::<BackupId>().unwrap() == id, "{id}");
    for no in [
        "",
        "20261130T235959.120Z",
        "20261130T235959.120Z-3fa",
        "20261130T235959.120Z-3FA9",
        "../../../../etc/passwd",
        "20261130T235959.120Z-3fa9x",
    ] {
        assert!(no.parse::<BackupId>().is_err(), "{no}");
    }
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(Repository::open(folder.path()), Err(BackupError::NotThere(_))));
}

#[test]
fn a_clock_that_was_wrong_once_makes_no_older_backup_the_newest() {
    let folder = tempfile::tempdir().unwrap();
    let repository = Repository::open_or_make(&folder.path().join("backups")).unwrap();
    let now = Timestamp::now();
    let take = |commit: u64, taken_at: u64| -> BackupId {
        let head = RowsHead { commit, taken_at: Timestamp(taken_at), ..head(10) };
        let mut writer = BackupWriter::begin(&repository, keys(), head, None).unwrap();
        batches(&rows(10)).iter().for_each(|batch| writer.take(batch).unwrap());
        writer.finish().unwrap().manifest.id
    };
    let year = 365 * 24 * 3600 * 1000;
    let ahead = take(7, now.0 + year);
    let right = take(8, now.0 - 2000);
    let newest = |at| repository.newest(&keys(), None, at).unwrap().id;
    assert_eq!(newest(None), right);
    assert_eq!(newest(Some(now)), right, "the other one is of no time until then");
    // Nothing has changed since: it has as many commits, and its time has come.
    let same = take(8, now.0 - 1000);
    let pruned = repository.prune(&keys(), Keep { newest: Some(1), days: None }, now).unwrap();
    assert_eq!(pruned.backups.len(), 2);
    assert!(pruned.backups.contains(&ahead) && pruned.backups.contains(&right));
    assert_eq!(repository.ids().unwrap(), std::slice::from_ref(&same));
    // One from the future with as many commits goes before the one that was just written.
    let ahead = take(8, now.0 + year);
    let pruned = repository.prune(&keys(), Keep { newest: Some(1), days: None }, now).unwrap();
    assert_eq!((pruned.backups, repository.ids().unwrap()), (vec![ahead], vec![same]));
}

use super::*;
use crate::sealing::MasterKey;

fn identity() -> Identity {
    Identity {
        templates: "ab".into(),
        score_bits: 0.5f32.to_bits(),
        filters: String::new(),
        since: None,
        units: 6,
        before: vec![Some(9)],
    }
}

fn pairs(unit: u32) -> Vec<Pair> {
    (0..unit % 4).map(|i| Pair { a: unit, b: 100 + i, score: 0.5 + i as f32 * 0.1 }).collect()
}

fn filled_under(path: &Path, key: Option<&DerivedKey>) -> Vec<u8> {
    let _ = fs::remove_file(path);
    let mut checkpoint = Checkpoint::open(path, &identity(), key).unwrap();
    // In the order they happen to end.
    for unit in [1, 3, 0, 5, 2] {
        checkpoint.put(unit, 10 + u64::from(unit), &pairs(unit)).unwrap();
    }
    fs::read(path).unwrap()
}

fn filled(path: &Path) -> Vec<u8> {
    filled_under(path, None)
}

fn key(byte: u8) -> DerivedKey {
    MasterKey::new(Secret::copied(&[byte; 32])).derived(Checkpoint::KEY_PURPOSE)
}

/// Every unit that counts as done has exactly its pairs.
fn check(checkpoint: &Checkpoint) {
    let mut expected: Vec<Pair> = (0..6).filter(|&unit| checkpoint.is_done(unit)).flat_map(pairs).collect();
    let mut found = checkpoint.pairs().to_vec();
    expected.sort_by_key(|pair| (pair.a, pair.b));
    found.sort_by_key(|pair| (pair.a, pair.b));
    assert_eq!(found, expected);
    let comparisons: u64 = (0..6).filter(|&unit| checkpoint.is_done(unit)).map(|unit| 10 + u64::from(unit)).sum();
    assert_eq!(checkpoint.comparisons(), comparisons);
}

#[test]
fn what_was_put_is_there_after_opening_again_for_its_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint");
    filled(&path);
    let mut again = Checkpoint::open(&path, &identity(), None).unwrap();
    assert_eq!((again.units_done(), again.is_complete(), again.dropped_bytes()), (5, false, 0));
    check(&again);
    again.put(4, 14, &[]).unwrap();
    assert!(again.is_complete());
    assert_eq!(Checkpoint::identity(&path).unwrap(), Some(identity()));
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&path).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn wherever_the_file_is_cut_what_was_whole_before_is_kept_and_the_rest_can_be_done() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint");
    let whole = filled(&path);
    // Where nothing is cut: an empty file, and behind the header and each frame.
    let mut starts = vec![0, encode_header(&identity(), None).unwrap().len()];
    for unit in [1, 3, 0, 5, 2] {
        starts.push(starts[starts.len() - 1] + FRAME_BYTES + PAIR_BYTES * pairs(unit).len());
    }
    for length in 0..whole.len() {
        fs::write(&path, &whole[..length]).unwrap();
        let mut checkpoint = Checkpoint::open(&path, &identity(), None).unwrap();
        assert_eq!(checkpoint.dropped_bytes() > 0, !starts.contains(&length), "cut at {length}");
        check(&checkpoint);
        (0..6).for_each(|unit| checkpoint.put(unit, 10 + u64::from(unit), &pairs(unit)).unwrap());
        drop(checkpoint);
        let again = Checkpoint::open(&path, &identity(), None).unwrap();
        assert!(again.is_complete(), "cut at {length}");
        check(&again);
    }
}

#[test]
fn a_flipped_bit_is_never_read_and_costs_one_unit_at_most() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint");
    let whole = filled(&path);
    let header = encode_header(&identity(), None).unwrap().len();
    for at in 0..whole.len() {
        let mut spoilt = whole.clone();
        spoilt[at] ^= 4;
        fs::write(&path, &spoilt).unwrap();
        let opened = Checkpoint::open(&path, &identity(), None).unwrap();
        check(&opened);
        assert!(opened.dropped_bytes() > 0);
        assert!(at < header || opened.units_done() == 4, "byte {at}: {}", opened.units_done());
        drop(opened);
        let again = Checkpoint::open(&path, &identity(), None).unwrap();
        assert_eq!(again.dropped_bytes(), 0, "what was dropped is gone for good");
        check(&again);
    }
}

#[test]
fn a_checkpoint_of_another_audit_is_told_from_ours_and_not_touched() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint");
    let whole = filled(&path);
    let moved_on = Identity { before: vec![Some(12)], ..identity() };
    assert_eq!(Checkpoint::open(&path, &moved_on, None).unwrap().units_done(), 5);
    let others = [
        (Identity { templates: "cd".into(), ..identity() }, Difference::Templates),
        (
            Identity { score_bits: 0.6f32.to_bits(), ..identity() },
            Difference::Score { there: 0.5f32.to_bits(), here: 0.6f32.to_bits() },
        ),
        (
            Identity { filters: "province 79".into(), ..identity() },
            Difference::Filters { there: "everything".into(), here: "province 79".into() },
        ),
        (Identity { since: Some("ef".into()), ..identity() }, Difference::Since),
        (Identity { units: 7, ..identity() }, Difference::Units),
    ];
    for (other, expected) in others {
        match Checkpoint::open(&path, &other, None) {
            Err(CheckpointError::Other(difference)) => assert_eq!(difference, expected),
            other => panic!("{expected:?}: {other:?}"),
        }
        assert_eq!(fs::read(&path).unwrap(), whole);
    }
}

#[test]
fn a_sealed_checkpoint_shows_no_pair_and_goes_on_under_its_key_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint");
    let whole = filled_under(&path, Some(&key(1)));
    for pair in (0..6).flat_map(pairs) {
        assert!(!whole.windows(PAIR_BYTES).any(|bytes| bytes == encode_pair(&pair)));
    }
    let again = Checkpoint::open(&path, &identity(), Some(&key(1))).unwrap();
    assert_eq!((again.units_done(), again.dropped_bytes()), (5, 0));
    check(&again);
    assert_eq!(Checkpoint::identity(&path).unwrap(), Some(identity()));
    // Under another key, in the clear, or sealed where it was in the clear: begun anew.
    for (written, given) in [(Some(1), Some(2)), (Some(1), None), (None, Some(1))] {
        let written: Option<DerivedKey> = written.map(key);
        filled_under(&path, written.as_ref());
        let anew = Checkpoint::open(&path, &identity(), given.map(key).as_ref()).unwrap();
        assert_eq!(anew.units_done(), 0);
        assert!(anew.dropped_bytes() > 0);
    }
}

#[test]
fn a_sealed_frame_that_was_altered_or_moved_to_another_unit_is_done_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint");
    let whole = filled_under(&path, Some(&key(1)));
    let header = encode_header(&identity(), Some(key(1).master)).unwrap();
    for at in header.len()..whole.len() {
        let mut spoilt = whole.clone();
        spoilt[at] ^= 4;
        fs::write(&path, &spoilt).unwrap();
        let opened = Checkpoint::open(&path, &identity(), Some(&key(1))).unwrap();
        check(&opened);
        assert_eq!(opened.units_done(), 4, "byte {at}");
    }
    // Checksums are no secret: whoever makes them anew for another unit is told by the box.
    let first = header.len()..header.len() + FRAME_BYTES + PAIR_BYTES + aead::OVERHEAD_BYTES;
    let crc = crc32fast::hash(&header);
    let frame = UnitFrame::decode(whole[first.clone()].first_chunk().unwrap(), crc).unwrap();
    let mut moved = whole[..first.end].to_vec();
    moved[header.len()..header.len() + FRAME_BYTES].copy_from_slice(&UnitFrame { unit: 4, ..frame }.encode(crc));
    fs::write(&path, &moved).unwrap();
    assert_eq!(Checkpoint::open(&path, &identity(), Some(&key(1))).unwrap().units_done(), 0);
}

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;

struct Place {
    folder: tempfile::TempDir,
    options: KeyStoreOptions,
}

fn master() -> MasterKey {
    MasterKey::new(Secret::random().unwrap())
}

fn place() -> Place {
    let folder = tempfile::tempdir().unwrap();
    let (path, copy) = (folder.path().join("keys"), Some(folder.path().join("copy")));
    let options = KeyStoreOptions { path, copy, master: master(), previous: None, read_only: false };
    Place { folder, options }
}

impl Place {
    fn open(&self) -> KeyStore {
        KeyStore::open(self.options.clone(), true).unwrap()
    }

    /// The files as they are now, in another folder.
    fn copied(&self) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (path, copy) = (folder.path().join("keys"), folder.path().join("copy"));
        fs::copy(&self.options.path, &path).unwrap();
        fs::copy(self.copy(), &copy).unwrap();
        Self { options: KeyStoreOptions { path, copy: Some(copy), ..self.options.clone() }, folder }
    }

    fn copy(&self) -> &Path {
        self.options.copy.as_deref().unwrap()
    }
}

fn bytes(store: &KeyStore, number: u64) -> Option<[u8; 32]> {
    store.key(number).unwrap().map(|key| *key.bytes())
}

fn rotate(store: &KeyStore, mut told: impl FnMut(Rotation)) -> bool {
    let tell = &mut |rotation| {
        told(rotation);
        ControlFlow::Continue(())
    };
    store.rotate(tell).unwrap()
}

/// Whether some bytes of a file stand in another.
fn holds(path: &Path, needle: &[u8]) -> bool {
    fs::read(path).unwrap().windows(needle.len()).any(|window| window == needle)
}

fn slot_bytes(path: &Path, number: u64) -> Vec<u8> {
    let at = 4096 + number as usize * SLOT_BYTES;
    fs::read(path).unwrap()[at..at + SLOT_BYTES].to_vec()
}

#[test]
fn every_key_is_new_and_is_there_again_after_a_restart_and_no_number_comes_twice() {
    let place = place();
    let store = place.open();
    let numbers: Vec<u64> = (0..200).map(|_| store.hand_out().unwrap()).collect();
    assert_eq!(numbers, Vec::from_iter(0..200));
    let keys: Vec<[u8; 32]> = numbers.iter().map(|&number| bytes(&store, number).unwrap()).collect();
    assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), 200);
    let id = store.id();
    drop(store);
    let store = place.open();
    assert_eq!(store.id(), id);
    assert!(numbers.iter().all(|&number| bytes(&store, number) == Some(keys[number as usize])));
    assert!(store.hand_out().unwrap() >= 200);
    for path in [&place.options.path, place.copy()] {
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(!keys.iter().any(|key| holds(path, key)));
    }
}

#[test]
fn a_key_that_was_destroyed_is_gone_from_both_files_and_stays_gone() {
    let place = place();
    let store = place.open();
    let [one, other] = [(); 2].map(|()| store.hand_out().unwrap());
    let kept = bytes(&store, one).unwrap();
    bytes(&store, other).unwrap();
    let before = slot_bytes(&place.options.path, other);
    assert!(holds(place.copy(), &before));
    store.destroy(&[other]).unwrap();
    store.destroy(&[other]).unwrap();
    assert_eq!((bytes(&store, one), bytes(&store, other)), (Some(kept), None));
    assert!(!holds(&place.options.path, &before) && !holds(place.copy(), &before));
    drop(store);
    assert_eq!(bytes(&place.open(), other), None);
}

#[test]
fn a_copy_that_fell_behind_is_brought_up_to_date_and_brings_no_key_back() {
    let place = place();
    let store = place.open();
    let (one, other) = (store.hand_out().unwrap(), store.hand_out().unwrap());
    drop(store);
    let old = fs::read(place.copy()).unwrap();
    let store = place.open();
    store.destroy(&[one]).unwrap();
    for _ in 0..100 {
        store.hand_out().unwrap();
    }
    drop(store);
    fs::write(place.copy(), old).unwrap();
    let store = place.open();
    assert_eq!(bytes(&store, one), None);
    assert!(bytes(&store, other).is_some());
    drop(store);
    let keys = |path: &Path| fs::read(path).unwrap()[4096..].to_vec();
    assert!(keys(place.copy()) == keys(&place.options.path));
    // The other way round: an old store beside a newer copy would give out numbers twice.
    let whole = fs::read(&place.options.path).unwrap();
    fs::write(&place.options.path, &whole[..whole.len() - SLOT_BYTES]).unwrap();
    assert!(matches!(KeyStore::open(place.options.clone(), true), Err(KeyStoreError::Damaged { .. })));
    // And a copy alone is never taken for "there is none yet".
    fs::remove_file(&place.options.path).unwrap();
    assert!(matches!(KeyStore::open(place.options.clone(), true), Err(KeyStoreError::NotThere(_))));
}

#[test]
fn a_wrong_key_a_second_program_and_a_damaged_file_are_told_at_the_start() {
    let place = place();
    let store = place.open();
    let number = store.hand_out().unwrap();
    assert!(matches!(KeyStore::open(place.options.clone(), true), Err(KeyStoreError::InUse(_))));
    drop(store);
    let wrong = KeyStoreOptions { master: master(), ..place.options.clone() };
    let (needed, given) = (place.options.master.id(), wrong.master.id());
    match KeyStore::open(wrong, true).unwrap_err() {
        KeyStoreError::OtherMaster { needed: said, given: of, .. } => assert_eq!((said, of), (needed, given)),
        other => panic!("{other}"),
    }
    let alone = KeyStoreOptions { copy: None, ..place.options.clone() };
    let whole = fs::read(&alone.path).unwrap();
    for at in [0, 20, 40, 50, 80, 118] {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        fs::write(&alone.path, bytes).unwrap();
        assert!(KeyStore::open(alone.clone(), true).is_err(), "byte {at}");
    }
    fs::write(&alone.path, &whole[..100]).unwrap();
    assert!(matches!(KeyStore::open(alone.clone(), true), Err(KeyStoreError::DamagedAlone { .. })));
    let mut newer = whole.clone();
    newer[12] = 2;
    fs::write(&alone.path, newer).unwrap();
    assert!(matches!(KeyStore::open(alone.clone(), true), Err(KeyStoreError::Newer { found: 2, known: 1, .. })));
    // Two keys swapped, and one altered.
    let mut swapped = whole.clone();
    let at = 4096 + number as usize * SLOT_BYTES;
    let (one, other) = swapped[at..at + 2 * SLOT_BYTES].split_at_mut(SLOT_BYTES);
    one.swap_with_slice(other);
    fs::write(&alone.path, swapped).unwrap();
    assert!(matches!(KeyStore::open(alone.clone(), true).unwrap().key(number), Err(KeyStoreError::KeyDamaged { .. })));
    fs::write(&alone.path, &whole).unwrap();
    assert!(matches!(KeyStore::open(alone.clone(), true).unwrap().key(1 << 30), Err(KeyStoreError::Damaged { .. })));
    fs::set_permissions(&alone.path, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(KeyStore::open(alone, true).unwrap_err().to_string().contains("chmod 600"));
}

#[test]
fn a_rotation_keeps_every_key_and_leaves_nothing_that_the_old_master_key_opens() {
    let place = place();
    let store = place.open();
    let keys: Vec<_> = (0..3000).map(|_| bytes(&store, store.hand_out().unwrap()).unwrap()).collect();
    store.destroy(&[7, 2999]).unwrap();
    drop(store);
    let old_head = fs::read(&place.options.path).unwrap()[..116].to_vec();
    let old = place.options.master.clone();
    let options = KeyStoreOptions { master: master(), previous: Some(old.clone()), ..place.options.clone() };
    let store = KeyStore::open(options.clone(), false).unwrap();
    assert_eq!(store.master(), old.id());
    let mut told = Vec::new();
    assert!(rotate(&store, |rotation| told.push(rotation)));
    assert!(told.len() > 3 && told.windows(2).all(|pair| pair[0].done <= pair[1].done));
    assert_eq!(store.master(), options.master.id());
    assert!(!rotate(&store, |_| {}), "done already");
    let check = |store: &KeyStore| {
        for (number, key) in (0..).zip(&keys) {
            let expected = if [7, 2999].contains(&number) { None } else { Some(*key) };
            assert_eq!(bytes(store, number), expected);
        }
    };
    check(&store);
    let next = store.hand_out().unwrap();
    assert!(next >= 3000 && bytes(&store, next).is_some());
    drop(store);
    for path in [&options.path, options.copy.as_ref().unwrap()] {
        assert!(!holds(path, &old_head[44..]), "the store key under the old master key");
    }
    assert!(matches!(KeyStore::open(place.options.clone(), false), Err(KeyStoreError::OtherMaster { .. })));
    let new_alone = KeyStoreOptions { previous: None, ..options };
    check(&KeyStore::open(new_alone, false).unwrap());
    assert_eq!(fs::read_dir(place.folder.path()).unwrap().count(), 2, "nothing else is left");
}

#[test]
fn a_rotation_that_was_interrupted_goes_on_and_brings_no_destroyed_key_back() {
    for destroy_between in [false, true] {
        let place = place();
        let store = place.open();
        let keys: Vec<_> = (0..5000).map(|_| bytes(&store, store.hand_out().unwrap()).unwrap()).collect();
        drop(store);
        let old = place.options.master.clone();
        let options = KeyStoreOptions { master: master(), previous: Some(old), ..place.options.clone() };
        let store = KeyStore::open(options.clone(), false).unwrap();
        let stopped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            rotate(&store, |rotation| assert!(rotation.done < 2000, "killed here"));
        }));
        assert!(stopped.is_err());
        drop(store);
        let new = file::new_path(&options.path);
        assert!(new.exists());
        let store = KeyStore::open(options.clone(), false).unwrap();
        assert_eq!(bytes(&store, 10), Some(keys[10]), "half rotated, and in use");
        if destroy_between {
            store.destroy(&[10]).unwrap();
            assert!(!new.exists(), "no key lies there that was destroyed");
        }
        let mut first = None;
        rotate(&store, |rotation| first = first.or(Some(rotation.done)));
        assert_eq!(first.unwrap() > 0, !destroy_between);
        for (number, key) in (0..).zip(&keys) {
            let expected = if destroy_between && number == 10 { None } else { Some(*key) };
            assert_eq!(bytes(&store, number), expected);
        }
        assert!(!new.exists());
    }
}

/// Zeros are what a crash, a sparse restore or a bad disk leaves; noise is what somebody writes. Neither
/// says that a key was destroyed, in whichever file it lies.
#[test]
fn a_copy_that_is_made_anew_is_whole_whenever_the_machine_goes_down() {
    let place = place();
    let number = place.open().hand_out().unwrap();
    let (new, path) = (file::new_path(place.copy()), place.copy().to_owned());
    fs::copy(&path, &new).unwrap();
    let mut moments = Vec::new();
    copy::put_in_place(&new, &path, &mut || moments.push(files(&place))).unwrap();
    assert_eq!(moments.len(), 2);
    for files in moments {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in &files {
            let path = folder.path().join(name.file_name().unwrap());
            fs::write(&path, bytes).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        }
        let (path, copy) = (folder.path().join("keys"), folder.path().join("copy"));
        let options = KeyStoreOptions { path, copy: Some(copy.clone()), ..place.options.clone() };
        let store = KeyStore::open(options, false).unwrap();
        assert!(store.key(number).unwrap().is_some());
        assert!(copy.exists() && !file::old_path(&copy).exists(), "and nothing is left of the one before");
    }
    assert!(!file::old_path(&path).exists() && !new.exists());
}

#[test]
fn bytes_that_lie_in_place_of_a_key_destroy_nothing_and_are_put_back_from_the_other_file() {
    type Spoil = fn(&mut [u8]);
    let spoils: [Spoil; 2] = [|bytes| bytes.fill(0), |bytes| bytes.iter_mut().for_each(|byte| *byte ^= 0x55)];
    for (spoil, is_copy) in spoils.into_iter().flat_map(|spoil| [(spoil, false), (spoil, true)]) {
        let place = place();
        let store = place.open();
        let keys: Vec<_> = (0..200).map(|_| bytes(&store, store.hand_out().unwrap()).unwrap()).collect();
        store.destroy(&[5]).unwrap();
        let made = store.made();
        drop(store);
        let path = if is_copy { place.copy() } else { &place.options.path };
        let mut spoilt = fs::read(path).unwrap();
        spoil(&mut spoilt[4096..]);
        fs::write(path, spoilt).unwrap();
        for _ in 0..2 {
            let store = place.open();
            for (number, key) in (0..).zip(&keys) {
                assert_eq!(bytes(&store, number), Some(*key).filter(|_| number != 5));
            }
            assert_eq!(store.examine().unwrap(), Examined { destroyed: 1, ..Examined::default() });
            assert_eq!(store.made(), made);
        }
        let keys = |path: &Path| fs::read(path).unwrap()[4096..].to_vec();
        let (one, other) = (keys(&place.options.path), keys(place.copy()));
        let differ = one.chunks(SLOT_BYTES).zip(other.chunks(SLOT_BYTES)).filter(|(one, other)| one != other).count();
        assert!(differ <= 1, "but for what says that a key was destroyed the two are alike");
    }
}

#[test]
fn a_key_that_neither_file_has_is_an_error_of_its_own_and_the_rest_goes_on() {
    let place = place();
    let store = place.open();
    let keys: Vec<_> = (0..10).map(|_| bytes(&store, store.hand_out().unwrap()).unwrap()).collect();
    drop(store);
    for path in [&place.options.path, place.copy()] {
        let mut spoilt = fs::read(path).unwrap();
        spoilt[4096 + 3 * SLOT_BYTES + 30] ^= 1;
        fs::write(path, spoilt).unwrap();
    }
    let store = place.open();
    assert!(matches!(store.key(3), Err(KeyStoreError::KeyDamaged { .. })));
    assert_eq!(bytes(&store, 4), Some(keys[4]));
    assert_eq!(store.examine().unwrap(), Examined { unreadable: 1, ..Examined::default() });
    // Whoever was sealed under it can be erased.
    store.destroy(&[3]).unwrap();
    assert_eq!(bytes(&store, 3), None);
}

/// What says that one key was destroyed says it of no other.
#[test]
fn a_destroyed_key_cannot_be_put_in_the_place_of_another() {
    let place = place();
    let store = place.open();
    let keys: Vec<_> = (0..10).map(|_| bytes(&store, store.hand_out().unwrap()).unwrap()).collect();
    store.destroy(&[1]).unwrap();
    drop(store);
    let mut moved = fs::read(place.copy()).unwrap();
    let at = |number: usize| 4096 + number * SLOT_BYTES;
    let tombstone = moved[at(1)..at(2)].to_vec();
    moved[at(2)..at(3)].copy_from_slice(&tombstone);
    fs::write(place.copy(), moved).unwrap();
    assert_eq!(bytes(&place.open(), 2), Some(keys[2]));
}

/// A command that makes one subject uses one key, and not a block.
#[test]
fn what_is_left_of_a_block_is_handed_out_by_the_next_program_and_no_number_twice() {
    let place = place();
    let mut all = Vec::new();
    for round in 0..30u64 {
        let store = place.open();
        assert_eq!((store.made(), store.left()), if round == 0 { (0, 0) } else { (64, 64 - 2 * round) });
        all.extend((0..2).map(|_| store.hand_out().unwrap()));
        drop(store);
        // Whoever only reads changes nothing.
        let store = place.open();
        bytes(&store, 2 * round + 1).unwrap();
        assert_eq!(store.left(), 64 - 2 * (round + 1));
    }
    assert_eq!(all, Vec::from_iter(0..60));
    let store = place.open();
    let more: Vec<u64> = (0..100).map(|_| store.hand_out().unwrap()).collect();
    assert_eq!(more, Vec::from_iter(60..160), "and then others are made");
    let keys: BTreeSet<_> = (0..160).map(|number| bytes(&store, number).unwrap()).collect();
    assert_eq!(keys.len(), 160);
    drop(store);
    // A rotation keeps the place.
    let options =
        KeyStoreOptions { master: master(), previous: Some(place.options.master.clone()), ..place.options.clone() };
    let store = KeyStore::open(options.clone(), false).unwrap();
    assert!(rotate(&store, |_| {}));
    drop(store);
    assert_eq!(KeyStore::open(options, false).unwrap().hand_out().unwrap(), 160);
}

/// A program that is killed leaves its files as they are at that moment, while it has them open.
#[test]
fn after_a_kill_no_number_is_handed_out_that_was_handed_out_before() {
    for handed_out in [0, 1, 63, 64, 65] {
        let place = place();
        let store = place.open();
        let first: Vec<u64> = (0..3).map(|_| store.hand_out().unwrap()).collect();
        drop(store);
        let store = place.open();
        let then: Vec<u64> = (0..handed_out).map(|_| store.hand_out().unwrap()).collect();
        let killed = place.copied();
        let next = killed.open().hand_out().unwrap();
        assert!(!first.contains(&next) && !then.contains(&next), "{next} after {handed_out}");
        assert_eq!(
            next == 3,
            handed_out == 0,
            "what nobody was given is given, and no more of a block that was in use"
        );
        drop(store);
    }
}

/// A file of before that somebody has put back says that keys are free which are used by now.
#[test]
fn what_an_older_file_says_of_the_next_key_is_believed_only_where_nobody_knows_better() {
    type Know = fn(&KeyStore);
    let knows: [Know; 3] =
        [|store| store.used_below(5), |store| drop(store.key(4)), |store| store.destroy(&[4]).unwrap()];
    for know in knows {
        let place = place();
        let store = place.open();
        for _ in 0..3 {
            store.hand_out().unwrap();
        }
        drop(store);
        let old = place.copied();
        let store = old.open();
        know(&store);
        assert_eq!(store.hand_out().unwrap(), 64);
        drop(store);
        let store = old.open();
        know(&store);
        drop(store);
        assert_eq!(old.open().hand_out().unwrap(), 65, "and it says so no longer");
    }
}

#[test]
fn a_store_is_of_one_gallery_through_rotations_and_in_both_files() {
    let (one, other) = ([1; 16], [2; 16]);
    let place = place();
    let store = place.open();
    assert_eq!(store.gallery().unwrap(), None);
    store.bind(&one).unwrap();
    store.bind(&other).unwrap();
    assert_eq!(store.gallery().unwrap(), Some(one), "what was written stays");
    store.hand_out().unwrap();
    drop(store);
    let options =
        KeyStoreOptions { master: master(), previous: Some(place.options.master.clone()), ..place.options.clone() };
    let store = KeyStore::open(options.clone(), false).unwrap();
    rotate(&store, |_| {});
    drop(store);
    // The copy in place of the store.
    fs::rename(options.copy.as_ref().unwrap(), &options.path).unwrap();
    let store = KeyStore::open(options.clone(), false).unwrap();
    assert_eq!(store.gallery().unwrap(), Some(one));
    drop(store);
    // One of the two that does not say so learns it of the other.
    for spoilt in [&options.path, options.copy.as_ref().unwrap()] {
        let mut bytes = fs::read(spoilt).unwrap();
        bytes[128..184].fill(0);
        fs::write(spoilt, bytes).unwrap();
        assert_eq!(KeyStore::open(options.clone(), false).unwrap().gallery().unwrap(), Some(one));
        let alone = KeyStoreOptions { path: spoilt.clone(), copy: None, ..options.clone() };
        assert_eq!(KeyStore::open(alone, false).unwrap().gallery().unwrap(), Some(one));
    }
}

/// Where its disk is not mounted, a copy would be made on the disk that it is to survive.
#[test]
fn a_copy_is_not_made_where_its_folder_is_not_there() {
    let mut place = place();
    place.options.copy = Some(place.folder.path().join("second-disk/copy"));
    for create in [true, false] {
        match KeyStore::open(place.options.clone(), create).unwrap_err() {
            KeyStoreError::NoCopyFolder { folder, .. } => assert!(folder.ends_with("second-disk")),
            other => panic!("{other}"),
        }
    }
    assert!(!place.options.path.exists(), "nothing is made by the way");
    fs::create_dir(place.folder.path().join("second-disk")).unwrap();
    place.open().hand_out().unwrap();
    assert!(place.copy().exists());
}

#[test]
fn a_copy_that_is_taken_away_in_use_is_made_anew_before_a_key_is_made_or_destroyed() {
    let place = place();
    let store = place.open();
    let [one, other] = [(); 2].map(|()| store.hand_out().unwrap());
    let key = bytes(&store, one);
    fs::remove_file(place.copy()).unwrap();
    store.hand_out().unwrap();
    assert!(slot_bytes(place.copy(), one) == slot_bytes(&place.options.path, one));
    // One of before is put there: it is brought up to date, not only written to under its name.
    let before = fs::read(place.copy()).unwrap();
    store.destroy(&[other]).unwrap();
    fs::remove_file(place.copy()).unwrap();
    fs::write(place.copy(), before).unwrap();
    fs::set_permissions(place.copy(), fs::Permissions::from_mode(0o600)).unwrap();
    store.hand_out().unwrap();
    drop(store);
    // The copy alone has them as they are.
    fs::copy(place.copy(), &place.options.path).unwrap();
    let store = place.open();
    assert_eq!((bytes(&store, one), bytes(&store, other)), (key, None));
    // Without its folder there is none.
    let moved = place.folder.path().join("elsewhere");
    let options = KeyStoreOptions { copy: Some(moved.join("copy")), ..place.options.clone() };
    drop(store);
    fs::create_dir(&moved).unwrap();
    let store = KeyStore::open(options, false).unwrap();
    fs::remove_dir_all(&moved).unwrap();
    assert!(matches!(store.hand_out(), Err(KeyStoreError::NoCopyFolder { .. })));
    assert!(matches!(store.destroy(&[one]), Err(KeyStoreError::NoCopyFolder { .. })));
    assert!(bytes(&store, one).is_some());
}

#[test]
fn a_store_that_is_taken_away_or_replaced_in_use_makes_and_destroys_no_key() {
    let place = place();
    let store = place.open();
    let one = store.hand_out().unwrap();
    let whole = fs::read(&place.options.path).unwrap();
    let refused = |store: &KeyStore| {
        assert!(matches!(store.hand_out(), Err(KeyStoreError::Gone(_))));
        assert!(matches!(store.destroy(&[one]), Err(KeyStoreError::Gone(_))));
        assert!(bytes(store, one).is_some(), "what is there can be read");
    };
    fs::remove_file(&place.options.path).unwrap();
    refused(&store);
    fs::write(&place.options.path, whole).unwrap();
    fs::set_permissions(&place.options.path, fs::Permissions::from_mode(0o600)).unwrap();
    refused(&store);
    drop(store);
    let store = place.open();
    store.destroy(&[one]).unwrap();
    assert_eq!(bytes(&store, one), None);
}

/// A file from before a list has no note of it, and one that was noted goes over a change of the master key.
#[test]
fn a_list_of_destroyed_keys_is_noted_in_the_file_that_is_in_keeping_with_it() {
    let mut place = place();
    let store = place.open();
    let numbers: Vec<u64> = (0..100).map(|_| store.hand_out().unwrap()).collect();
    assert_eq!(store.list_of_destroyed().unwrap(), None);
    let before = place.copied();
    store.destroy_listed(&numbers[10..90], &[1; 16]).unwrap();
    assert_eq!(store.not_destroyed(&numbers).unwrap(), [&numbers[..10], &numbers[90..]].concat());
    assert_eq!(store.destroyed().unwrap(), numbers[10..90]);
    assert_eq!(store.not_destroyed(&[5, 1 << 40]).unwrap(), [5], "what was never made is not there");
    store.serves_sealed(&[7; 16]).unwrap();
    drop(store);
    let old = std::mem::replace(&mut place.options.master, master());
    place.options.previous = Some(old);
    let store = place.open();
    assert!(rotate(&store, |_| {}));
    assert_eq!(store.list_of_destroyed().unwrap(), Some([1; 16]));
    assert_eq!(store.served_sealed().unwrap(), Some([7; 16]));
    assert_eq!(store.not_destroyed(&numbers).unwrap().len(), 20);
    let store = before.open();
    assert_eq!(store.list_of_destroyed().unwrap(), None);
    assert_eq!(store.not_destroyed(&numbers).unwrap().len(), 100);
}

/// What files are there, and what is in them.
fn files(place: &Place) -> Vec<(PathBuf, Vec<u8>)> {
    let paths = fs::read_dir(place.folder.path()).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = paths.map(|path| (path.clone(), fs::read(path).unwrap())).collect();
    files.sort();
    files
}

/// Whoever looks sees what opening would make of the files, and leaves them as they are.
#[test]
fn a_store_that_is_only_looked_at_is_left_as_it_is_and_its_copy_is_told() {
    type Change = fn(&Place);
    let changes: [(Change, CopyFound); 5] = [
        (|_| {}, CopyFound::Alike),
        (|place| fs::remove_file(place.copy()).unwrap(), CopyFound::Missing),
        (
            |place| {
                let mut bytes = fs::read(&place.options.path).unwrap();
                bytes[4096 + 2 * SLOT_BYTES] ^= 1;
                fs::write(&place.options.path, bytes).unwrap();
            },
            CopyFound::Differs,
        ),
        (
            |place| {
                let bytes = fs::read(place.copy()).unwrap();
                fs::write(place.copy(), &bytes[..bytes.len() - SLOT_BYTES]).unwrap();
            },
            CopyFound::Differs,
        ),
        // The copy is from before a change of the master key: see below.
        (|_| {}, CopyFound::Differs),
    ];
    for (at, (change, expected)) in changes.into_iter().enumerate() {
        let mut place = place();
        let store = place.open();
        let keys: Vec<_> = (0..10).map(|_| bytes(&store, store.hand_out().unwrap()).unwrap()).collect();
        store.destroy(&[7]).unwrap();
        drop(store);
        change(&place);
        if at == 4 {
            let (new, old) = (master(), place.options.master.clone());
            let both = KeyStoreOptions { master: new, previous: Some(old), ..place.options.clone() };
            let alone = KeyStoreOptions { copy: None, ..both.clone() };
            assert!(rotate(&KeyStore::open(alone, false).unwrap(), |_| {}));
            place.options = both;
        }
        let before = files(&place);
        let look = KeyStoreOptions { read_only: true, ..place.options.clone() };
        let store = KeyStore::open(look.clone(), false).unwrap();
        assert_eq!(store.copy_found(), expected, "change {at}");
        assert_eq!(store.examine().unwrap(), Examined { destroyed: 1, ..Examined::default() }, "change {at}");
        for (number, key) in (0..).zip(&keys) {
            assert_eq!(bytes(&store, number), Some(*key).filter(|_| number != 7));
        }
        // Not even what is done with it is written, nor is anybody kept out.
        store.hand_out().unwrap();
        store.destroy(&[1]).unwrap();
        store.bind(&[9; 16]).unwrap();
        rotate(&store, |_| {});
        assert!(files(&place) == before, "change {at}");
        let opened = KeyStore::open(place.options.clone(), false).unwrap();
        assert_eq!(bytes(&opened, 1), Some(keys[1]));
        assert!(matches!(KeyStore::open(look, false), Err(KeyStoreError::InUse(_))));
        drop(store);
        drop(opened);
    }
    let none = place();
    let look = KeyStoreOptions { read_only: true, ..none.options.clone() };
    assert!(matches!(KeyStore::open(look.clone(), false), Err(KeyStoreError::NotThere(_))));
    KeyStore::open(look, true).unwrap().hand_out().unwrap();
    assert_eq!(files(&none), []);
}

#[test]
fn of_two_damaged_files_the_right_one_is_blamed_and_nobody_is_sent_to_a_copy_that_is_none() {
    let place = place();
    drop(place.open());
    let whole = fs::read(&place.options.path).unwrap();
    let told = |store: &[u8], copy: Option<&[u8]>| {
        fs::write(&place.options.path, store).unwrap();
        fs::set_permissions(&place.options.path, fs::Permissions::from_mode(0o600)).unwrap();
        match copy {
            Some(copy) => {
                fs::write(place.copy(), copy).unwrap();
                fs::set_permissions(place.copy(), fs::Permissions::from_mode(0o600)).unwrap();
            }
            None => fs::remove_file(place.copy()).unwrap(),
        }
        let opened = KeyStore::open(place.options.clone(), true).unwrap_err();
        // Whoever has no key is told the same.
        let looked = KeyStoreHead::look(&place.options.path, place.options.copy.as_deref()).unwrap_err();
        assert_eq!(looked, opened);
        opened
    };
    for cut in [0, 50] {
        let copy = told(&whole, Some(&whole[..cut]));
        assert!(matches!(&copy, KeyStoreError::CopyDamaged { copy, .. } if copy == place.copy()), "{copy}");
        let said = copy.to_string();
        assert!(said.starts_with("the copy ") && said.contains("itself is whole") && !said.contains("put it back"));
        let both = told(&whole[..cut], Some(&whole[..cut]));
        assert!(matches!(both, KeyStoreError::BothDamaged { .. }), "{both}");
        let store = told(&whole[..cut], Some(&whole));
        assert!(
            matches!(store, KeyStoreError::Damaged { .. }) && store.to_string().contains("put it back from its copy")
        );
        let alone = told(&whole[..cut], None);
        assert!(matches!(alone, KeyStoreError::DamagedAlone { .. }), "{alone}");
    }
    fs::write(&place.options.path, &whole).unwrap();
    fs::hard_link(&place.options.path, place.copy()).unwrap();
    let same = KeyStore::open(place.options.clone(), true).unwrap_err();
    assert!(matches!(same, KeyStoreError::SameFile { .. }) && same.to_string().contains("one and the same file"));
}

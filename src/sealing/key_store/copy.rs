//! Keeps the copy of a key store like it: what one of the two has lost is put back from the other, and a
//! key that was destroyed in one is destroyed in both.

use std::path::Path;
use std::{fs, io};

use super::file::{Opened, SLOT_BYTES, StoreFile, new_path, old_path, overwrite_and_remove};
use super::{KeyStoreError, KeyStoreOptions};
use crate::private;

/// What was found out of order in the two files.
#[derive(Default)]
struct Repairs {
    /// Keys that were put back into the store, and into its copy.
    store: u64,
    copy: u64,
    /// Those that neither can be opened of.
    lost: u64,
}

/// The copy at `path`, with every key that the store has and none that was destroyed in either; made
/// where there is none, and made anew where it is from before a rotation. A key that cannot be opened in
/// one file is put back from the other.
pub(super) fn reconciled_copy(
    main: &StoreFile,
    path: &Path,
    options: &KeyStoreOptions,
) -> Result<StoreFile, KeyStoreError> {
    if !options.read_only {
        // Of one that was replaced when the machine went down.
        let left = old_path(path);
        overwrite_and_remove(&left).map_err(|error| KeyStoreError::io(&left, &error))?;
    }
    let there = match StoreFile::open(path, options.masters(), options.read_only) {
        Ok(there) => there,
        // Under a master key of before: its keys are those of the store, which are there.
        Err(KeyStoreError::OtherMaster { .. }) => None,
        Err(error) => return Err(error.of_copy(&main.path, path)),
    };
    if there.as_ref().is_some_and(|there| there.header().id != main.header().id) {
        return Err(KeyStoreError::OtherCopy { path: main.path.clone(), copy: path.to_owned() });
    }
    let is_of_now = |there: &StoreFile| there.header().epoch == main.header().epoch && there.master() == main.master();
    match there.filter(is_of_now) {
        Some(copy) => {
            reconcile(main, &copy)?;
            main.take_labels_of(&copy)?;
            copy.take_labels_of(main)?;
            Ok(copy)
        }
        None => made(main, path, options),
    }
}

/// A new copy, in place of what is there.
fn made(main: &StoreFile, path: &Path, options: &KeyStoreOptions) -> Result<StoreFile, KeyStoreError> {
    let master = options.masters().find(|master| master.id() == main.master()).unwrap_or(&options.master);
    if options.read_only {
        return labelled_and_filled(StoreFile::create(path, main.header(), master, true)?, main);
    }
    if main.slots()? > 0 && !path.exists() {
        tracing::warn!("the key store had no copy where one is to be; it is made: is the right disk there?");
    }
    let new = new_path(path);
    overwrite_and_remove(&new).map_err(|error| KeyStoreError::io(&new, &error))?;
    let made = labelled_and_filled(StoreFile::create(&new, main.header(), master, false)?, main)?;
    put_in_place(&new, path, &mut || ()).map_err(|error| KeyStoreError::io(path, &error))?;
    Ok(made.renamed(path))
}

/// Gives a new copy its name. The one before has another while it is overwritten: where the machine goes
/// down meanwhile, what lies under the name is a whole copy or nothing, and not one that the next start
/// refuses. `after_each` is told of every step.
pub(super) fn put_in_place(new: &Path, path: &Path, after_each: &mut dyn FnMut()) -> io::Result<()> {
    let old = old_path(path);
    if path.exists() {
        fs::rename(path, &old)?;
        after_each();
    }
    fs::rename(new, path)?;
    after_each();
    private::sync_folder(path.parent().unwrap_or(Path::new("")))?;
    overwrite_and_remove(&old)
}

/// A copy without keys, with those of the store, and what that says of the gallery.
fn labelled_and_filled(copy: StoreFile, main: &StoreFile) -> Result<StoreFile, KeyStoreError> {
    copy.take_labels_of(main)?;
    for run in main.runs()? {
        let (first, slots) = run?;
        copy.append(first, &slots)?;
    }
    Ok(copy)
}

/// Brings both up to date.
fn reconcile(main: &StoreFile, copy: &StoreFile) -> Result<(), KeyStoreError> {
    let damaged = |detail| KeyStoreError::Damaged { path: main.path.clone(), detail };
    let (held, made) = (copy.slots()?, main.slots()?);
    if held > made {
        return Err(match copy.has_key_from(made)? {
            true => damaged("its copy has keys that it lacks"),
            false => {
                let (path, copy) = (main.path.clone(), copy.path.clone());
                KeyStoreError::CopyDamaged { path, copy, detail: "behind its last key lies what is none" }
            }
        });
    }
    let mut repairs = Repairs::default();
    let (mut is_main_written, mut is_copy_written) = (false, false);
    for run in main.runs()? {
        let (first, slots) = run?;
        let count = (slots.len() / SLOT_BYTES) as u64;
        let shared = held.saturating_sub(first).min(count);
        let others = copy.read(first, shared)?;
        let pairs = slots.chunks_exact(SLOT_BYTES).zip(others.chunks_exact(SLOT_BYTES));
        for (number, (slot, other)) in (first..).zip(pairs).filter(|(_, (slot, other))| slot != other) {
            let mut put_into_main = || {
                is_main_written = true;
                main.put(number, other)
            };
            let mut put_into_copy = || {
                is_copy_written = true;
                copy.put(number, slot)
            };
            match (main.opened(number, slot), copy.opened(number, other)) {
                (Opened::Key(one), Opened::Key(two)) if one.bytes() == two.bytes() => {}
                (Opened::Key(_), Opened::Key(_)) => return Err(damaged("its copy has another key of the same number")),
                (Opened::Destroyed, Opened::Destroyed) => {}
                (Opened::Unreadable, Opened::Unreadable) => repairs.lost += 1,
                (Opened::Destroyed, Opened::Key(_)) => put_into_copy()?,
                (Opened::Key(_), Opened::Destroyed) => put_into_main()?,
                (_, Opened::Unreadable) => {
                    repairs.copy += 1;
                    put_into_copy()?;
                }
                (Opened::Unreadable, _) => {
                    repairs.store += 1;
                    put_into_main()?;
                }
            }
        }
        if shared < count {
            copy.append(first + shared, &slots[shared as usize * SLOT_BYTES..])?;
        }
    }
    if is_main_written {
        main.sync()?;
    }
    if is_copy_written {
        copy.sync()?;
    }
    if repairs.store + repairs.copy + repairs.lost > 0 {
        let Repairs { store, copy, lost } = repairs;
        tracing::error!(
            put_back_from_copy = store,
            put_back_into_copy = copy,
            lost,
            "keys of the key store or of its copy could not be opened: a disk may be failing, or somebody has written to \
             them"
        );
    }
    Ok(())
}

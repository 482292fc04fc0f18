//! Keys that a sealed gallery has given up: of who was erased, and of index files that are gone.
//!
//! | table | key | value |
//! |---|---|---|
//! | `doomed_keys` | number of a key | nothing: it is to be destroyed |
//! | `destroyed_keys` | number of a key, divided by [`KEYS_A_ROW`] | [`DestroyedRecord`]: which of these keys were ever given up |
//!
//! Both are written in the commit that takes away what was sealed under the key. The first is short: a key
//! goes from it once it is destroyed. The second is for a key store that somebody has put back from before,
//! in which keys are there again. Whenever the list grows, the counters get random bytes that tell it from
//! all others, and the key store notes them when it has destroyed what is on the list. Where an opening
//! finds others noted, every key that is listed is looked at, and destroyed again where it is there. Numbers
//! are never given out twice, and name nobody.

use std::collections::BTreeSet;

use prost::Message;
use redb::{Database, ReadTransaction, ReadableDatabase, ReadableTable, Table, TableDefinition, WriteTransaction};

use super::fault::StoreError;
use super::protection::{Owner, Protection};
use super::record::Counters;
use super::row_sum::RowSum;
use super::tables::{COUNTERS_KEY, GALLERY, Snapshot, Tables, if_there, read_counters};
use crate::gallery::{GalleryError, RowBatch};

/// Keys that are to be destroyed; the values are empty.
pub(super) const DOOMED_KEYS: TableDefinition<u64, &[u8]> = TableDefinition::new("doomed_keys");
/// Which keys were ever given up.
pub(super) const DESTROYED_KEYS: TableDefinition<u64, &[u8]> = TableDefinition::new("destroyed_keys");
const DESTROYED: &str = "destroyed_keys";

/// Keys that one row of the list tells of: 512 bytes at most.
const KEYS_A_ROW: u64 = 4096;
/// Keys taken off the short list in one transaction.
const PRUNED_MAX: usize = 64;

/// A bit for each key, the lowest number first; those behind the last byte are not given up.
#[derive(Clone, PartialEq, Message)]
struct DestroyedRecord {
    #[prost(bytes = "vec", tag = "1")]
    bits: Vec<u8>,
}

impl DestroyedRecord {
    /// The keys of the row with this number that it tells of, in rising order.
    fn numbers(&self, row: u64) -> impl Iterator<Item = u64> + '_ {
        let keys = (0..)
            .zip(&self.bits)
            .flat_map(|(byte, bits)| (0..8).filter(move |bit| bits >> bit & 1 == 1).map(move |bit| byte * 8 + bit));
        keys.map(move |key| row * KEYS_A_ROW + key)
    }
}

/// The two tables in a write transaction.
pub(super) struct GivenUp<'t> {
    doomed: Table<'t, u64, &'static [u8]>,
    listed: Table<'t, u64, &'static [u8]>,
    protection: &'t Protection,
    has_grown: bool,
}

impl<'t> GivenUp<'t> {
    /// Those of a sealed gallery; `None` of a clear one.
    pub(super) fn open(
        transaction: &'t WriteTransaction,
        protection: &'t Protection,
    ) -> Result<Option<Self>, StoreError> {
        if protection.keys().is_none() {
            return Ok(None);
        }
        let (doomed, listed) = (transaction.open_table(DOOMED_KEYS)?, transaction.open_table(DESTROYED_KEYS)?);
        Ok(Some(Self { doomed, listed, protection, has_grown: false }))
    }

    /// Gives keys up: what is sealed under them is taken away in this transaction.
    pub(super) fn give_up(&mut self, numbers: &[u64], rows: &mut RowSum<'_>) -> Result<(), StoreError> {
        for &number in numbers {
            rows.insert(&mut self.doomed, number, [].as_slice())?;
        }
        self.list(numbers, rows)
    }

    fn list(&mut self, numbers: &[u64], rows: &mut RowSum<'_>) -> Result<(), StoreError> {
        for near in numbers.chunk_by(|one, other| one / KEYS_A_ROW == other / KEYS_A_ROW) {
            let row = near[0] / KEYS_A_ROW;
            let before = self.listed.get(row)?.map(|value| self.unwrapped(row, value.value())).transpose()?;
            let mut record = before.unwrap_or_default();
            for number in near {
                let (byte, bit) = ((number % KEYS_A_ROW / 8) as usize, number % 8);
                if record.bits.len() <= byte {
                    record.bits.resize(byte + 1, 0);
                }
                record.bits[byte] |= 1 << bit;
            }
            let sealed = self.protection.wrap(DESTROYED, &row.to_le_bytes(), Owner::Table, &record)?;
            rows.insert(&mut self.listed, row, sealed.as_slice())?;
            self.has_grown = true;
        }
        Ok(())
    }

    fn unwrapped(&self, row: u64, value: &[u8]) -> Result<DestroyedRecord, StoreError> {
        self.protection.unwrap(DESTROYED, &row.to_le_bytes(), value)
    }

    /// Takes keys off the short list which are destroyed.
    pub(super) fn prune(&mut self, rows: &mut RowSum<'_>) -> Result<(), StoreError> {
        let Some(keys) = self.protection.keys() else { return Ok(()) };
        for _ in 0..PRUNED_MAX {
            let Some(number) = self.doomed.first()?.map(|(number, _)| number.value()) else { break };
            if keys.key(number)?.is_some() {
                break;
            }
            rows.remove(&mut self.doomed, number)?;
        }
        Ok(())
    }

    /// Tells the list from what it was before, where it has grown.
    pub(super) fn finish(&self, counters: &mut Counters) -> Result<(), StoreError> {
        if self.has_grown {
            counters.list_of_destroyed = new_list()?;
        }
        Ok(())
    }
}

/// What tells a list from all others.
pub(super) fn new_list() -> Result<Vec<u8>, StoreError> {
    let random = crate::random::secret::<16>();
    Ok(random.map_err(|error| GalleryError::Storage(format!("no random numbers: {error}")))?.to_vec())
}

/// Gives keys of files up, in a transaction that carries no commands.
pub(super) fn give_up_in(
    transaction: &WriteTransaction,
    gallery: &mut Table<'_, &'static str, &'static [u8]>,
    protection: &Protection,
    numbers: &[u64],
) -> Result<(), StoreError> {
    match GivenUp::open(transaction, protection)? {
        Some(given_up) if !numbers.is_empty() => {
            write_beside(given_up, gallery, |given_up, rows, counters| {
                // Of a subject's key a commit has noted that.
                counters.keys_to = numbers.iter().map(|number| number + 1).fold(counters.keys_to, u64::max);
                given_up.give_up(numbers, rows)
            })
        }
        _ => Ok(()),
    }
}

fn write_beside(
    mut given_up: GivenUp<'_>,
    gallery: &mut Table<'_, &'static str, &'static [u8]>,
    write: impl FnOnce(&mut GivenUp<'_>, &mut RowSum<'_>, &mut Counters) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let protection = given_up.protection;
    let mut counters = read_counters(gallery, protection)?;
    let mut rows = RowSum::after(protection, &counters.row_sum);
    write(&mut given_up, &mut rows, &mut counters)?;
    given_up.finish(&mut counters)?;
    if counters.list_of_destroyed.is_empty() {
        counters.list_of_destroyed = new_list()?;
    }
    counters.row_sum = rows.bytes();
    let sealed = protection.wrap("gallery", COUNTERS_KEY.as_bytes(), Owner::Table, &counters)?;
    gallery.insert(COUNTERS_KEY, sealed.as_slice())?;
    Ok(())
}

/// Brings the list of a gallery that is restored up to date with its key store, and gives more keys up: of
/// whom the gallery is restored without.
pub(super) fn complete(
    transaction: &WriteTransaction,
    gallery: &mut Table<'_, &'static str, &'static [u8]>,
    protection: &Protection,
    numbers: &[u64],
) -> Result<(), StoreError> {
    let (Some(keys), Some(given_up)) = (protection.keys(), GivenUp::open(transaction, protection)?) else {
        return Ok(());
    };
    let destroyed = keys.destroyed()?;
    write_beside(given_up, gallery, |given_up, rows, _| {
        given_up.list(&destroyed, rows)?;
        given_up.give_up(numbers, rows)
    })
}

/// Begins the list in a gallery that an earlier program sealed: with all keys that are destroyed by now.
pub(super) fn begin(database: &Database, protection: &Protection) -> Result<(), StoreError> {
    let Some(keys) = protection.keys() else { return Ok(()) };
    let counters = read_counters(&database.begin_read()?.open_table(GALLERY)?, protection)?;
    if !counters.list_of_destroyed.is_empty() {
        return Ok(());
    }
    let destroyed = keys.destroyed()?;
    let transaction = database.begin_write()?;
    if let Some(given_up) = GivenUp::open(&transaction, protection)? {
        let mut gallery = transaction.open_table(GALLERY)?;
        write_beside(given_up, &mut gallery, |given_up, rows, _| given_up.list(&destroyed, rows))?;
    }
    transaction.commit()?;
    Ok(())
}

/// Numbers of the keys on the short list, in rising order.
fn doomed(transaction: &ReadTransaction) -> Result<Vec<u64>, StoreError> {
    let Some(table) = if_there(transaction.open_table(DOOMED_KEYS))? else { return Ok(Vec::new()) };
    table.iter()?.map(|row| Ok(row?.0.value())).collect()
}

/// Numbers of the keys that rows of the list tell of, as they lie in a backup.
pub(super) fn listed_in(batches: &[RowBatch], protection: &Protection) -> Result<BTreeSet<u64>, StoreError> {
    let cut = || StoreError::damaged("rows of the backup are cut short");
    let mut numbers = BTreeSet::new();
    for row in batches.iter().filter(|batch| batch.table == DESTROYED).flatten() {
        let (key, value) = row.ok_or_else(cut)?;
        let row = key.try_into().map(u64::from_le_bytes).map_err(|_| cut())?;
        let record: DestroyedRecord = protection.unwrap(DESTROYED, key, value)?;
        numbers.extend(record.numbers(row));
    }
    Ok(numbers)
}

/// Numbers of all keys that were ever given up, in rising order.
fn listed(transaction: &ReadTransaction, protection: &Protection) -> Result<Vec<u64>, StoreError> {
    let Some(table) = if_there(transaction.open_table(DESTROYED_KEYS))? else { return Ok(Vec::new()) };
    let mut numbers = Vec::new();
    for row in table.iter()? {
        let (row, value) = row?;
        let row = row.value();
        let record: DestroyedRecord = protection.unwrap(DESTROYED, &row.to_le_bytes(), value.value())?;
        numbers.extend(record.numbers(row));
    }
    Ok(numbers)
}

/// Destroys the keys that commits have given up.
pub(super) fn destroy(snapshot: &Snapshot) -> Result<(), StoreError> {
    let Some(keys) = snapshot.protection().keys() else { return Ok(()) };
    let numbers = doomed(snapshot.transaction())?;
    // What is listed and is not among these is destroyed by now: see `catch_up`.
    match snapshot.counters()?.list_of_destroyed.try_into() {
        Ok(list) => keys.destroy_listed(&numbers, &list)?,
        Err(_) => keys.destroy(&numbers)?,
    }
    Ok(())
}

/// The same when a gallery is opened, before anything of it is used; destroys again what a key store that was
/// put back from before has again.
pub(super) fn catch_up(snapshot: &Snapshot) -> Result<CaughtUp, StoreError> {
    let Some(keys) = snapshot.protection().keys() else { return Ok(CaughtUp::default()) };
    let interrupted = keys.not_destroyed(&doomed(snapshot.transaction())?)?.len();
    let caught_up = CaughtUp { interrupted, again: destroy_again(snapshot)? };
    destroy(snapshot)?;
    Ok(caught_up)
}

/// Keys that were given up, and that an opening found in the key store all the same.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct CaughtUp {
    /// Of the last commits: what gave them up was interrupted, or the key store is from before that.
    pub(super) interrupted: usize,
    /// Of earlier ones: the key store is from before those.
    again: usize,
}

impl CaughtUp {
    /// How many.
    pub(super) fn keys(self) -> usize {
        self.interrupted + self.again
    }

    /// Tells the log of it, where there were any.
    pub(super) fn tell(self) -> Self {
        if self.keys() > 0 {
            tracing::warn!(
                keys = self.keys(),
                "keys that the gallery had given up were in the key store: an erasure or a removal was interrupted, or \
                 somebody has put a key store back from before it; they are destroyed now, and whoever was erased stays \
                 erased"
            );
        }
        self
    }
}

/// Destroys again what a key store that was put back from before has again. How many keys.
fn destroy_again(snapshot: &Snapshot) -> Result<usize, StoreError> {
    let Some(keys) = snapshot.protection().keys() else { return Ok(0) };
    let list = snapshot.counters()?.list_of_destroyed;
    if list.is_empty() || keys.list_of_destroyed()?.is_some_and(|noted| noted.as_slice() == list) {
        return Ok(0);
    }
    let doomed: BTreeSet<u64> = doomed(snapshot.transaction())?.into_iter().collect();
    let mut again = keys.not_destroyed(&listed(snapshot.transaction(), snapshot.protection())?)?;
    again.retain(|number| !doomed.contains(number));
    if !again.is_empty() {
        keys.destroy(&again)?;
    }
    Ok(again.len())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::context::RequestContext;
    use crate::face::{RecipeDigest, Template};
    use crate::gallery::embedded::{EmbeddedOptions, EmbeddedStore};
    use crate::gallery::{
        Agreement, Attributes, Command, EnrolMode, Enrolment, NewTemplate, RecordStore, Source, SubjectId,
    };
    use crate::sealing::{KeyStore, KeyStoreOptions, MasterKey, Secret};

    const RECIPE: RecipeDigest = RecipeDigest([7; 32]);

    fn options(dir: &Path) -> EmbeddedOptions {
        let (path, master) = (dir.join("keys"), MasterKey::new(Secret::copied(&[3; 32])));
        let sealing = KeyStoreOptions { path, copy: None, master, previous: None, read_only: false };
        EmbeddedOptions { sealing: Some(sealing), ..EmbeddedOptions::default() }
    }

    fn open(dir: &Path) -> EmbeddedStore {
        EmbeddedStore::open(&dir.join("data"), RECIPE, 2, options(dir)).unwrap()
    }

    fn work(dir: &Path, commands: impl IntoIterator<Item = Command>) {
        let store = open(dir);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            for command in commands {
                store.commit(&RequestContext::internal("test"), command).await.unwrap();
            }
            store.destroy_keys().await.unwrap();
        });
        store.close();
    }

    fn enrol(number: u64) -> Command {
        let template = Template::from_raw(RECIPE, &[1.0, 0.0]).unwrap();
        let enrolment = Enrolment {
            by: None,
            legal_basis: None,
            subject: SubjectId::new(format!("subject-{number}")).unwrap(),
            mode: EnrolMode::Create,
            attributes: Attributes::default(),
            templates: vec![NewTemplate { template, source: Source::Chip, captured_at: None, quality: None }],
            agreement: Agreement::Known,
        };
        Command::Enrol(enrolment, None)
    }

    fn remove(number: u64) -> Command {
        Command::Remove(SubjectId::new(format!("subject-{number}")).unwrap(), None)
    }

    fn keys(dir: &Path) -> KeyStore {
        KeyStore::open(options(dir).sealing.unwrap(), false).unwrap()
    }

    /// Makes of a folder what a program wrote that kept no list.
    fn without_list(dir: &Path) {
        let store = open(dir);
        let protection = store.shared.database.protection();
        let changed = store.shared.database.write(|database| {
            let transaction = database.begin_write()?;
            {
                let mut gallery = transaction.open_table(GALLERY)?;
                let mut counters = read_counters(&gallery, &protection)?;
                let mut rows = RowSum::after(&protection, &counters.row_sum);
                let mut table = transaction.open_table(DESTROYED_KEYS)?;
                let all: Vec<u64> = table.iter()?.map(|row| Ok(row?.0.value())).collect::<Result<_, StoreError>>()?;
                all.into_iter().try_for_each(|row| rows.remove(&mut table, row))?;
                (counters.row_sum, counters.list_of_destroyed) = (rows.bytes(), Vec::new());
                let sealed = protection.wrap("gallery", COUNTERS_KEY.as_bytes(), Owner::Table, &counters)?;
                gallery.insert(COUNTERS_KEY, sealed.as_slice())?;
            }
            transaction.delete_table(DESTROYED_KEYS)?;
            transaction.commit()?;
            Ok(())
        });
        changed.unwrap();
        store.close();
    }

    #[test]
    fn a_folder_of_a_program_without_the_list_begins_it_with_all_that_is_destroyed() {
        let dir = tempfile::tempdir().unwrap();
        work(dir.path(), (0..20).map(enrol).chain((0..5).map(remove)));
        let before = fs::read(dir.path().join("keys")).unwrap();
        work(dir.path(), (5..8).map(remove));
        without_list(dir.path());
        let gone = keys(dir.path()).destroyed().unwrap();
        assert_eq!(gone.len(), 8);
        work(dir.path(), [enrol(20)]);
        fs::write(dir.path().join("keys"), before).unwrap();
        assert_eq!(keys(dir.path()).destroyed().unwrap().len(), 5);
        work(dir.path(), [enrol(21)]);
        assert_eq!(keys(dir.path()).destroyed().unwrap(), gone);
    }

    /// So that an opening looks at each only where it must.
    #[test]
    fn what_is_destroyed_is_noted_and_the_list_has_each_number_once_across_its_rows() {
        let dir = tempfile::tempdir().unwrap();
        work(dir.path(), []);
        let store = open(dir.path());
        let protection = store.shared.database.protection();
        let numbers = [3, 4, 4095, 4096, 4097, 20_000];
        let listed = store.shared.database.write(|database| {
            let transaction = database.begin_write()?;
            {
                let mut gallery = transaction.open_table(GALLERY)?;
                for number in numbers.iter().chain(&numbers) {
                    give_up_in(&transaction, &mut gallery, &protection, &[*number])?;
                }
            }
            transaction.commit()?;
            listed(&database.begin_read()?, &protection)
        });
        assert_eq!(listed.unwrap(), numbers);
        let noted = || protection.keys().map(|keys| keys.list_of_destroyed().unwrap()).unwrap();
        let before = noted();
        assert!(before.is_some());
        store.shared.database.read(destroy).unwrap();
        assert!(noted().is_some() && noted() != before);
        store.shared.database.read(Snapshot::check_rows).unwrap();
        store.close();
    }
}

//! The tables of issued challenges: by number, and by whose they are.

use redb::{ReadableTable, ReadableTableMetadata, Table, TableDefinition, WriteTransaction};

use super::fault::StoreError;
use super::protection::{Owner, Protection};
use super::row_sum::RowSum;
use super::tables::Tables;
pub(super) use crate::gallery::record::challenge::ChallengeRecord;
use crate::gallery::{ChallengeOwner, RequestId, StoredChallenge, Timestamp};
use crate::hex;

/// By number, a challenge that was issued.
pub(super) const CHALLENGES: TableDefinition<u64, &[u8]> = TableDefinition::new("challenges");
/// Owner and number of each challenge; the values are empty.
pub(super) const OWNER_CHALLENGES: TableDefinition<&str, &[u8]> = TableDefinition::new("owner_challenges");

/// Challenges that are kept at most, whoever asked; beyond it the oldest end. Within the ten minutes
/// for which one is kept by default that is 436 a second, within the longest time, an hour, 72.
const KEPT_MAX: u64 = 1 << 18;
/// Challenges taken away in one transaction beyond those it adds, so that no caller waits for a
/// large clean-up.
const PRUNED_MAX: usize = 64;

/// Under which key a challenge of an owner lies. Neither part holds a space.
fn owner_key(protection: &Protection, owner: &ChallengeOwner, number: u64) -> String {
    format!("{} {} {number:016x}", protection.transaction(&owner.transaction), hex::encode(&owner.asked_by))
}

/// The challenges of an owner, oldest first.
pub(super) fn read_challenges(
    tables: &impl Tables,
    owner: &ChallengeOwner,
) -> Result<Vec<StoredChallenge>, StoreError> {
    let protection = tables.protection();
    let (first, last) = (owner_key(protection, owner, 0), owner_key(protection, owner, u64::MAX));
    let rows = tables.owner_challenges()?.range::<&str>(first.as_str()..=last.as_str())?;
    rows.map(|row| {
        let name = row?.0;
        read_challenge(tables.challenges()?, protection, challenge_number(name.value())?)
    })
    .collect()
}

/// The number of the challenge that lies under this key.
fn challenge_number(name: &str) -> Result<u64, StoreError> {
    let number = name.rsplit_once(' ').and_then(|(_, number)| u64::from_str_radix(number, 16).ok());
    number.ok_or_else(|| StoreError::damaged("the key of a challenge is not one"))
}

/// Number of the next challenge: above those of all that are kept.
pub(super) fn next_challenge(tables: &impl Tables) -> Result<u64, StoreError> {
    Ok(tables.challenges()?.last()?.map_or(1, |(number, _)| number.value().saturating_add(1)))
}

fn read_challenge(
    table: &impl ReadableTable<u64, &'static [u8]>,
    protection: &Protection,
    number: u64,
) -> Result<StoredChallenge, StoreError> {
    let value = table.get(number)?;
    let value = value.ok_or_else(|| StoreError::damaged("a challenge is listed and not there"))?;
    protection.unwrap::<ChallengeRecord>("challenges", &number.to_le_bytes(), value.value())?.restore(number)
}

/// Both tables in a write transaction.
pub(super) struct Challenges<'t> {
    pub(super) by_number: Table<'t, u64, &'static [u8]>,
    pub(super) by_owner: Table<'t, &'static str, &'static [u8]>,
    protection: &'t Protection,
    /// Written in this transaction.
    put: usize,
}

impl<'t> Challenges<'t> {
    pub(super) fn open(transaction: &'t WriteTransaction, protection: &'t Protection) -> Result<Self, StoreError> {
        let by_number = transaction.open_table(CHALLENGES)?;
        Ok(Self { by_number, by_owner: transaction.open_table(OWNER_CHALLENGES)?, protection, put: 0 })
    }

    /// Writes a challenge, in place of the one that may be there.
    pub(super) fn put(&mut self, challenge: &StoredChallenge, rows: &mut RowSum<'_>) -> Result<(), StoreError> {
        let number = challenge.number;
        let record = ChallengeRecord::of(challenge);
        let sealed = self.protection.wrap("challenges", &number.to_le_bytes(), Owner::Table, &record)?;
        rows.insert(&mut self.by_number, number, sealed.as_slice())?;
        let owner = owner_key(self.protection, &challenge.owner, number);
        rows.insert(&mut self.by_owner, owner.as_str(), [].as_slice())?;
        self.put += 1;
        Ok(())
    }

    /// Takes a challenge away.
    pub(super) fn remove(&mut self, number: u64, rows: &mut RowSum<'_>) -> Result<(), StoreError> {
        let challenge = read_challenge(&self.by_number, self.protection, number)?;
        rows.remove(&mut self.by_owner, owner_key(self.protection, &challenge.owner, number).as_str())?;
        rows.remove(&mut self.by_number, number)?;
        Ok(())
    }

    /// Takes every challenge of a transaction away, whoever asked.
    pub(super) fn forget(&mut self, transaction: &RequestId, rows: &mut RowSum<'_>) -> Result<(), StoreError> {
        let name = self.protection.transaction(transaction);
        let (first, end) = (format!("{name} "), format!("{name}!"));
        let mut numbers = Vec::new();
        // '!' is the next after the space, which no id holds.
        for row in self.by_owner.range::<&str>(first.as_str()..end.as_str())? {
            let name = row?.0;
            numbers.push(challenge_number(name.value())?);
        }
        numbers.into_iter().try_for_each(|number| self.remove(number, rows))
    }

    /// Forgets challenges whose time is over or that are too many, oldest first. Every commit does,
    /// whatever it is about.
    pub(super) fn prune(&mut self, now: Timestamp, rows: &mut RowSum<'_>) -> Result<(), StoreError> {
        self.prune_to(KEPT_MAX, now, rows)
    }

    fn prune_to(&mut self, kept_max: u64, now: Timestamp, rows: &mut RowSum<'_>) -> Result<(), StoreError> {
        for _ in 0..PRUNED_MAX + self.put {
            let Some(number) = self.by_number.first()?.map(|(number, _)| number.value()) else { break };
            let is_over = read_challenge(&self.by_number, self.protection, number)?.expires_at <= now;
            if !is_over && self.by_number.len()? <= kept_max {
                break;
            }
            self.remove(number, rows)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use redb::backends::InMemoryBackend;
    use redb::{Database, ReadableDatabase};

    use super::*;

    fn challenge(number: u64, expires_at: u64) -> StoredChallenge {
        let transaction = RequestId::new(format!("t-{number}")).unwrap();
        StoredChallenge {
            number,
            owner: ChallengeOwner { transaction, asked_by: [1; 32] },
            digest: [2; 32],
            expires_at: Timestamp(expires_at),
            used_by: None,
        }
    }

    fn within<T>(database: &Database, work: impl FnOnce(&mut Challenges<'_>, &mut RowSum<'_>) -> T) -> T {
        let transaction = database.begin_write().unwrap();
        let mut rows = RowSum::after(&Protection::Checksummed, &[]);
        let done = work(&mut Challenges::open(&transaction, &Protection::Checksummed).unwrap(), &mut rows);
        transaction.commit().unwrap();
        done
    }

    /// Numbers in the one table; the other has as many rows.
    fn kept(database: &Database) -> Vec<u64> {
        let read = database.begin_read().unwrap();
        let numbers: Vec<u64> =
            read.open_table(CHALLENGES).unwrap().iter().unwrap().map(|row| row.unwrap().0.value()).collect();
        assert_eq!(read.open_table(OWNER_CHALLENGES).unwrap().len().unwrap(), numbers.len() as u64);
        numbers
    }

    #[test]
    fn however_many_are_asked_for_the_table_is_bounded_and_the_newest_are_kept() {
        let database = Database::builder().create_with_backend(InMemoryBackend::new()).unwrap();
        for number in 1..=200 {
            within(&database, |challenges, rows| {
                challenges.put(&challenge(number, 1000), rows).unwrap();
                challenges.prune_to(20, Timestamp(1), rows).unwrap();
            });
            assert!(kept(&database).len() <= 20);
        }
        assert_eq!(kept(&database), Vec::from_iter(181..=200));
    }

    #[test]
    fn what_is_over_goes_in_bounded_steps_with_commits_that_add_nothing() {
        let database = Database::builder().create_with_backend(InMemoryBackend::new()).unwrap();
        let count = 3 * PRUNED_MAX as u64;
        within(&database, |challenges, rows| {
            for number in 1..=count {
                challenges.put(&challenge(number, 100), rows).unwrap();
            }
            challenges.put(&challenge(count + 1, 101), rows).unwrap();
        });
        for left in [2, 1, 0] {
            within(&database, |challenges, rows| challenges.prune(Timestamp(100), rows).unwrap());
            assert_eq!(kept(&database).len(), left * PRUNED_MAX + 1);
        }
        assert_eq!(kept(&database), [count + 1]);
        within(&database, |challenges, rows| challenges.prune(Timestamp(101), rows).unwrap());
        assert!(kept(&database).is_empty());
    }
}

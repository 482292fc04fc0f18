//! The transparency log in the tables of the server.

use tokio::runtime::Handle;

use super::super::record::fault::StoreError;
use super::super::record::ledger::{EntryRecord, HEAD_KEY, HeadRecord, commitment_of, damaged, entry_of};
use super::super::record::message::{seal, unseal};
use super::super::record::protection::Owner;
use super::sql::{Gate, Sql, bytes, limit, number, signed};
use crate::gallery::ledger::{LedgerHead, LedgerSetup, LedgerTables, NodeRun, SealedEntry};
use crate::gallery::{GalleryError, LedgerRecords, ReadSet, Timestamp};
use crate::ledger::commitment::Commitment;
use crate::ledger::entry::{Entry, KeyedDigest};
use crate::ledger::hash::Hash;
use crate::ledger::note::Note;
use crate::ledger::tile::WIDTH;
use crate::ledger::verify::Leaf;

/// Under which name the head is kept among the facts.
const HEAD: &str = "ledger";
/// Rows that a pass over everything reads at a time.
const AT_ONCE: usize = 10_000;

/// Begins the log in a gallery that has none, where a key to begin it with is given; looks whether the
/// key fits where it has one.
pub(super) async fn begin_or_check(
    sql: &Sql<'_>,
    gate: &mut Gate,
    setup: Option<&LedgerSetup>,
) -> Result<(), StoreError> {
    if gate.entries.is_some() {
        let head = read_head(sql, gate).await?;
        head.check_setup(setup)?;
        // What is entered next would stand in the place of what is gone.
        return match head.edge.size() > head.entries {
            true => Err(damaged("entries are gone; `chinhchu ledger verify` says which")),
            false => Ok(()),
        };
    }
    let Some((key, first_key)) = setup.and_then(|setup| Some((&setup.key, setup.begin_with.clone()?))) else {
        return Ok(());
    };
    gate.entries = Some(0);
    put_head(sql, &LedgerHead::begin(key, first_key)).await
}

async fn read_head(sql: &Sql<'_>, gate: &Gate) -> Result<LedgerHead, StoreError> {
    let value = sql.fact(HEAD).await?.ok_or_else(|| damaged("its head is missing"))?;
    unseal::<HeadRecord>("ledger", HEAD_KEY.as_bytes(), &value)?.restore(gate.entries.unwrap_or(0))
}

/// What a command must know of the log.
pub(super) async fn read_ledger(
    sql: &Sql<'_>,
    gate: &Gate,
    wanted: &ReadSet,
) -> Result<Option<LedgerRecords>, StoreError> {
    if gate.entries.is_none() || (wanted.unsequenced.is_none() && wanted.entered_before.is_none()) {
        return Ok(None);
    }
    let head = read_head(sql, gate).await?;
    let unsequenced = match wanted.unsequenced {
        None => Vec::new(),
        Some(rows) => commitments(sql, head.edge.size(), rows).await?,
    };
    let expired = match wanted.entered_before {
        None => 0,
        Some((time, rows)) => entered_before(sql, head.pruned, time, rows).await?,
    };
    Ok(Some(LedgerRecords { head, unsequenced, expired }))
}

async fn commitments(sql: &Sql<'_>, from: u64, rows: usize) -> Result<Vec<Commitment>, StoreError> {
    let found = "SELECT commitment FROM ledger_entries WHERE place >= $1 ORDER BY place LIMIT $2";
    let rows = sql.rows(found, &[&signed(from), &limit(rows)]).await?;
    rows.iter().map(|row| commitment_of(bytes(row, 0)?)).collect()
}

/// How many entries from `from` on, `rows` at most, were entered before a time.
async fn entered_before(sql: &Sql<'_>, from: u64, time: Timestamp, rows: usize) -> Result<u64, StoreError> {
    let found = "SELECT place, entry FROM ledger_entries WHERE entry IS NOT NULL AND place >= $1 \
                 ORDER BY place LIMIT $2";
    let mut count = 0;
    for row in sql.rows(found, &[&signed(from), &limit(rows)]).await? {
        let opening = entry_of(sql.protection(), number(&row, 0)?, bytes(&row, 1)?)?;
        // Contents that cannot be read are nobody's: they stay for `verify` to find.
        let entry = Entry::decode(&opening.contents).map_err(|_| damaged("an entry cannot be read"))?;
        if entry.at_ms >= time.0 {
            break;
        }
        count += 1;
    }
    Ok(count)
}

pub(super) async fn put_head(sql: &Sql<'_>, head: &LedgerHead) -> Result<(), StoreError> {
    sql.put_fact(HEAD, &seal("ledger", HEAD_KEY.as_bytes(), &HeadRecord::of(head))).await
}

pub(super) async fn put_entry(sql: &Sql<'_>, place: u64, entry: SealedEntry) -> Result<(), StoreError> {
    let SealedEntry { opening, about } = entry;
    let commitment = opening.commitment();
    let record = EntryRecord { salt: opening.salt.as_bytes().to_vec(), contents: opening.contents };
    let sealed = sql.protection().wrap("ledger_entries", &place.to_le_bytes(), Owner::Table, &record)?;
    let put = "INSERT INTO ledger_entries (place, commitment, entry) VALUES ($1, $2, $3)";
    sql.run(put, &[&signed(place), &commitment.as_bytes().as_slice(), &sealed]).await?;
    let about: Vec<Vec<u8>> = about.iter().map(|digest| digest.as_bytes().to_vec()).collect();
    if !about.is_empty() {
        let put = "INSERT INTO ledger_about (digest, place) SELECT digest, $2 FROM unnest($1::bytea[]) AS digest \
                   ON CONFLICT DO NOTHING";
        sql.run(put, &[&about, &signed(place)]).await?;
    }
    Ok(())
}

pub(super) async fn put_nodes(sql: &Sql<'_>, run: &NodeRun) -> Result<(), StoreError> {
    let mut hashes = run.hashes.as_slice();
    let mut first = run.first;
    while !hashes.is_empty() {
        let (tile, at) = (first / WIDTH, (first % WIDTH) as usize);
        let (now, rest) = hashes.split_at(hashes.len().min(WIDTH as usize - at));
        let added: Vec<u8> = now.iter().flat_map(|hash| *hash.as_bytes()).collect();
        let (level, tile, length) = (i64::from(run.level), signed(tile), (at * Hash::BYTES) as i32);
        let done = match at {
            0 => {
                let put = "INSERT INTO ledger_tiles (level, number, hashes) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
                sql.run(put, &[&level, &tile, &added]).await?
            }
            _ => {
                let put = "UPDATE ledger_tiles SET hashes = hashes || $3 \
                           WHERE level = $1 AND number = $2 AND octet_length(hashes) = $4";
                sql.run(put, &[&level, &tile, &added, &length]).await?
            }
        };
        if done != 1 {
            return Err(damaged("a tile has another length than its tree"));
        }
        first += now.len() as u64;
        hashes = rest;
    }
    Ok(())
}

pub(super) async fn put_checkpoint(sql: &Sql<'_>, size: u64, note: &Note) -> Result<(), StoreError> {
    let put = "INSERT INTO ledger_checkpoints (size, note) VALUES ($1, $2) ON CONFLICT (size) DO UPDATE SET note = $2";
    sql.run(put, &[&signed(size), &note.to_string().as_bytes()]).await.map(drop)
}

pub(super) async fn drop_checkpoint(sql: &Sql<'_>, size: u64) -> Result<(), StoreError> {
    sql.run("DELETE FROM ledger_checkpoints WHERE size = $1", &[&signed(size)]).await.map(drop)
}

/// Takes away contents and salts of entries, and what they are found by.
pub(super) async fn prune(sql: &Sql<'_>, first: u64, until: u64) -> Result<(), StoreError> {
    let (first, until) = (signed(first), signed(until));
    sql.run("DELETE FROM ledger_about WHERE place >= $1 AND place < $2", &[&first, &until]).await?;
    let emptied = "UPDATE ledger_entries SET entry = NULL WHERE place >= $1 AND place < $2";
    sql.run(emptied, &[&first, &until]).await.map(drop)
}

/// The log, read on a thread that may block.
pub(super) struct LedgerAt<'a> {
    pub(super) sql: &'a Sql<'a>,
    pub(super) runtime: &'a Handle,
}

impl LedgerAt<'_> {
    /// Waits for what is read, where there is a log.
    fn wait<T>(&self, read: impl Future<Output = Result<T, StoreError>>) -> Result<T, GalleryError> {
        if !self.sql.layout.has_ledger {
            return Err(GalleryError::NoLedger);
        }
        self.runtime.block_on(read).map_err(|error| error.at(self.sql.layout.place()))
    }
}

impl LedgerTables for LedgerAt<'_> {
    fn head(&self) -> Result<Option<LedgerHead>, GalleryError> {
        if !self.sql.layout.has_ledger {
            return Ok(None);
        }
        self.wait(async { read_head(self.sql, &self.sql.gate().await?).await.map(Some) })
    }

    fn entries(&self, first: u64, rows: usize) -> Result<Vec<Leaf>, GalleryError> {
        self.wait(async {
            let found = "SELECT place, commitment, entry FROM ledger_entries WHERE place >= $1 ORDER BY place LIMIT $2";
            let leaf = |row: &tokio_postgres::Row| {
                let index = number(row, 0)?;
                let entry: Option<&[u8]> = row.try_get(2)?;
                let opening = entry.map(|entry| entry_of(self.sql.protection(), index, entry)).transpose()?;
                Ok(Leaf { index, commitment: commitment_of(bytes(row, 1)?)?, opening })
            };
            self.sql.rows(found, &[&signed(first), &limit(rows)]).await?.iter().map(leaf).collect()
        })
    }

    fn about(&self, digest: &KeyedDigest, first: u64, rows: usize) -> Result<Vec<u64>, GalleryError> {
        self.wait(async {
            let found = "SELECT place FROM ledger_about WHERE digest = $1 AND place >= $2 ORDER BY place LIMIT $3";
            let values: super::sql::Values<'_> = &[&digest.as_bytes().as_slice(), &signed(first), &limit(rows)];
            self.sql.rows(found, values).await?.iter().map(|row| number(row, 0)).collect()
        })
    }

    fn all_about(&self, visit: &mut dyn FnMut(KeyedDigest, u64)) -> Result<(), GalleryError> {
        let mut after = (Vec::new(), -1);
        loop {
            let rows = self.wait(async {
                let page = "SELECT digest, place FROM ledger_about WHERE (digest, place) > ($1, $2) \
                            ORDER BY digest, place LIMIT $3";
                self.sql.rows(page, &[&after.0, &after.1, &limit(AT_ONCE)]).await
            })?;
            let read = |row: &tokio_postgres::Row| {
                let digest = <[u8; KeyedDigest::BYTES]>::try_from(bytes(row, 0)?)
                    .map_err(|_| damaged("the key of an entry is not one"))?;
                Ok::<_, StoreError>((digest, number(row, 1)?))
            };
            for row in &rows {
                let (digest, place) = read(row).map_err(|error| error.at(self.sql.layout.place()))?;
                after = (digest.to_vec(), signed(place));
                visit(KeyedDigest::from_bytes(digest), place);
            }
            if rows.len() < AT_ONCE {
                return Ok(());
            }
        }
    }

    fn tile(&self, level: u8, index: u64) -> Result<Option<Vec<u8>>, GalleryError> {
        self.wait(async {
            let found = "SELECT hashes FROM ledger_tiles WHERE level = $1 AND number = $2";
            let row = self.sql.row(found, &[&i64::from(level), &signed(index)]).await?;
            Ok(row.map(|row| row.try_get(0)).transpose()?)
        })
    }

    fn checkpoints(&self, after: Option<u64>, rows: usize) -> Result<Vec<Note>, GalleryError> {
        self.wait(async {
            let first = after.map_or(0, |after| after.saturating_add(1));
            let found = "SELECT note FROM ledger_checkpoints WHERE size >= $1 ORDER BY size LIMIT $2";
            let note = |row| Note::parse(bytes(row, 0)?).map_err(|_| damaged("a checkpoint cannot be read"));
            self.sql.rows(found, &[&signed(first), &limit(rows)]).await?.iter().map(note).collect()
        })
    }
}

//! One transaction that carries many commands, each of which is a commit of its own in the log.

use std::collections::BTreeSet;

use super::super::record::fault::StoreError;
use super::super::record::message::ChangeRecord;
use super::super::record::protection::Owner;
use super::options::PostgresOptions;
use super::read::read;
use super::sql::{Gate, Sql, limit, signed};
use crate::face::RecipeDigest;
use crate::gallery::{Command, Committed, GalleryError, Plan, Planned, SubjectId, Timestamp};

/// Commits that the log tells of at least.
const COMMITS_LOGGED: u64 = 1 << 20;
/// Commits that it tells of beyond, before they are taken out together.
const COMMITS_BEYOND: u64 = 1 << 10;
/// Rows of one kind that are forgotten in one transaction beyond those it adds, so that no caller waits
/// for a large clean-up.
const PRUNED_MAX: u64 = 64;
/// Challenges that are kept at most, whoever asked; beyond it the oldest end.
const CHALLENGES_KEPT_MAX: u64 = 1 << 18;

/// A transaction that holds the gate.
pub(super) struct Group<'s, 't> {
    pub(super) sql: &'s Sql<'t>,
    pub(super) options: &'s PostgresOptions,
    /// As it is with what this transaction has done so far.
    pub(super) gate: Gate,
    pub(super) now: Timestamp,
    /// By which this transaction is known again.
    tag: [u8; 16],
    before: u64,
    /// Recipes that the gallery's record names.
    pub(super) listed: BTreeSet<RecipeDigest>,
    /// Request ids, and challenges, that were added.
    pub(super) requests_added: u64,
    pub(super) challenges_added: u64,
    /// What the command under way has changed in templates and labels.
    pub(super) change: ChangeRecord,
    pub(super) relabelled: BTreeSet<SubjectId>,
}

/// A group of which only the commit is missing.
pub(super) struct Staged {
    /// One result for each command.
    pub(super) results: Vec<Result<Committed, GalleryError>>,
    /// `None` where nothing was changed and nothing need be committed.
    pub(super) done: Option<Done>,
}

/// What a transaction does when it is committed.
pub(super) struct Done {
    /// Number and tag of its last commit.
    pub(super) commit: u64,
    pub(super) tag: [u8; 16],
    pub(super) gate: Gate,
    pub(super) listed: BTreeSet<RecipeDigest>,
}

impl<'s, 't> Group<'s, 't> {
    /// Waits for the gate, and begins with what the last holder left.
    pub(super) async fn begin(
        sql: &'s Sql<'t>,
        options: &'s PostgresOptions,
        listed: BTreeSet<RecipeDigest>,
    ) -> Result<Self, StoreError> {
        sql.lock_gate().await?;
        let gate = sql.gate().await?;
        if gate.entries.is_some() != sql.layout.has_ledger {
            return Err(GalleryError::Postgres(
                "the gallery's transparency log was begun by another process; start this one anew, with its key"
                    .to_owned(),
            )
            .into());
        }
        let tag = crate::random::secret().map_err(|error| GalleryError::Storage(error.to_string()))?;
        Ok(Self {
            sql,
            options,
            before: gate.commit,
            gate,
            now: Timestamp::now(),
            tag,
            listed,
            requests_added: 0,
            challenges_added: 0,
            change: ChangeRecord::default(),
            relabelled: BTreeSet::new(),
        })
    }

    /// Carries out one command, or finds that it was carried out before. What the rules refuse leaves the
    /// group as it was; an error ends it.
    pub(super) async fn carry(&mut self, command: &Command) -> Result<Result<Committed, GalleryError>, StoreError> {
        let records = read(self.sql, &self.gate, &command.reads()).await?;
        match command.plan(&records, self.now) {
            Err(refused) => Ok(Err(refused)),
            Ok(Planned::Done(committed)) => Ok(Ok(committed)),
            Ok(Planned::Write(Plan { writes, committed })) => {
                self.gate.commit += 1;
                let came_from = self.gate.template_next;
                self.change = ChangeRecord { came_from, came_to: came_from, ..ChangeRecord::default() };
                self.relabelled.clear();
                for write in writes {
                    self.write(write).await?;
                }
                self.log_change().await?;
                Ok(Ok(committed))
            }
        }
    }

    /// Writes into the log what the command changed.
    async fn log_change(&mut self) -> Result<(), StoreError> {
        let mut change = std::mem::take(&mut self.change);
        change.came_to = self.gate.template_next;
        change.relabelled = self.relabelled.iter().map(|id| id.as_str().to_owned()).collect();
        let is_none = change.came_from == change.came_to && change.removed.is_empty() && change.relabelled.is_empty();
        let (commit, tag) = (self.gate.commit, self.tag.as_slice());
        let changed = match is_none {
            true => None,
            false => {
                self.gate.last_change = commit;
                Some(self.sql.protection().wrap("changes", &commit.to_le_bytes(), Owner::Table, &change)?)
            }
        };
        let put = "INSERT INTO commits (commit, tag, changed) VALUES ($1, $2, $3)";
        self.sql.run(put, &[&signed(commit), &tag, &changed]).await.map(drop)
    }

    /// Ends the group, up to its commit.
    pub(super) async fn finish(mut self) -> Result<Option<Done>, StoreError> {
        if self.gate.commit == self.before {
            return Ok(None);
        }
        self.prune().await?;
        self.sql.put_gate(&self.gate).await?;
        Ok(Some(Done { commit: self.gate.commit, tag: self.tag, gate: self.gate, listed: self.listed }))
    }

    /// Forgets what is too old or too much, oldest first.
    async fn prune(&mut self) -> Result<(), StoreError> {
        let (sql, now) = (self.sql, signed(self.now.0));
        let born_min = signed(self.now.0.saturating_sub(self.options.request_age_max_ms));
        let looked_at = PRUNED_MAX + self.requests_added;
        let too_many = self.gate.requests.saturating_sub(self.options.requests_max).min(looked_at);
        let requests = "WITH oldest AS (SELECT place, done_at, row_number() OVER (ORDER BY place) AS rank FROM \
                        (SELECT place, done_at FROM requests ORDER BY place LIMIT $1) AS first_of_all) \
                        DELETE FROM requests USING oldest WHERE requests.place = oldest.place \
                        AND (oldest.done_at < $2 OR oldest.rank <= $3)";
        self.gate.requests -= sql.run(requests, &[&signed(looked_at), &born_min, &signed(too_many)]).await?;
        let looked_at = PRUNED_MAX + self.challenges_added;
        let too_many = self.gate.challenges.saturating_sub(CHALLENGES_KEPT_MAX).min(looked_at);
        let challenges = "WITH oldest AS (SELECT number, expires_at, row_number() OVER (ORDER BY number) AS rank FROM \
                          (SELECT number, expires_at FROM challenges ORDER BY number LIMIT $1) AS first_of_all) \
                          DELETE FROM challenges USING oldest WHERE challenges.number = oldest.number \
                          AND (oldest.expires_at <= $2 OR oldest.rank <= $3)";
        self.gate.challenges -= sql.run(challenges, &[&signed(looked_at), &now, &signed(too_many)]).await?;
        let captures = "WITH oldest AS (SELECT number, expires_at FROM captures ORDER BY number LIMIT $1) \
                        DELETE FROM captures USING oldest WHERE captures.number = oldest.number \
                        AND oldest.expires_at <= $2";
        sql.run(captures, &[&limit(PRUNED_MAX as usize), &now]).await?;
        let kept_after = self.gate.commit.saturating_sub(COMMITS_LOGGED);
        if kept_after >= self.gate.log_from + COMMITS_BEYOND {
            sql.run("DELETE FROM commits WHERE commit <= $1", &[&signed(kept_after)]).await?;
            self.gate.log_from = kept_after;
        }
        Ok(())
    }
}

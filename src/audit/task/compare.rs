//! The comparison of a scope, from where an earlier run stopped.

use super::error::{AskInstead, TaskError};
use super::scope::AuditScope;
use crate::audit::checkpoint::{Checkpoint, CheckpointError, Identity};
use crate::audit::collection::Collection;
use crate::audit::cost::{AuditCost, Clock};
use crate::audit::run::{RunError, run};
use crate::audit::store::{AuditFile, AuditFolder, AuditStoreError};
use crate::sealing::DerivedKey;
use crate::search::{Join, Matrix, Pair, SearchError, Side};

/// Told how far the comparison is.
pub trait Observer {
    /// It begins.
    fn begins(&mut self, resumed: Resumed);
    /// So many comparisons are done, those of earlier runs among them, and so many pairs found.
    fn advances(&mut self, done: u64, pairs: usize);
    /// It ends, well or not.
    fn ends(&mut self);
}

/// Where a comparison begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resumed {
    /// Comparisons there are.
    pub all: u64,
    /// Those that earlier runs have done.
    pub done: u64,
    /// Whether an earlier run has done some, and not all.
    pub goes_on: bool,
    /// Whether nothing is left to do.
    pub complete: bool,
    /// Whether part of what earlier runs kept was damaged, and is done again.
    pub damaged: bool,
}

/// Vectors of both sides, to be joined.
pub(super) struct Sides<'a> {
    first: Matrix<&'a [f32]>,
    second: Matrix<&'a [f32]>,
    groups: [&'a [u32]; 2],
}

impl<'a> Sides<'a> {
    pub(super) fn of(collection: &'a Collection) -> Result<Self, SearchError> {
        let split = collection.first_rows();
        let (first, second) = collection.values().split_at(split * collection.dimension());
        let groups = collection.groups().split_at(split);
        let matrix = |values| Matrix::new(collection.dimension(), values);
        Ok(Self { first: matrix(first)?, second: matrix(second)?, groups: [groups.0, groups.1] })
    }

    /// The first gallery, or the only one.
    pub(super) fn first(&self) -> Side<'_> {
        Side { vectors: &self.first, groups: self.groups[0] }
    }

    /// The second gallery.
    pub(super) fn second(&self) -> Side<'_> {
        Side { vectors: &self.second, groups: self.groups[1] }
    }

    fn join(&self, scope: &AuditScope, score: f32) -> Result<Join<'_>, SearchError> {
        match scope {
            AuditScope::Within => Join::within(self.first(), score),
            AuditScope::Fresh(fresh) => Join::within_fresh(self.first(), fresh, score),
            AuditScope::Between => Join::between(self.first(), self.second(), score),
        }
    }
}

/// What there is to do.
pub(super) struct Work<'a> {
    pub sides: &'a Sides<'a>,
    /// Whether the finished run in the folder, if there is one, is of the same audit.
    pub is_same_audit: bool,
    pub scope: &'a AuditScope,
    pub score: f32,
    pub comparisons: u64,
    pub threads: usize,
    pub pairs_max: usize,
    /// Of the checkpoint.
    pub key: Option<&'a DerivedKey>,
    /// What to ask for where there are too many pairs.
    pub instead: &'a dyn Fn() -> Option<AskInstead>,
}

impl Work<'_> {
    /// Every pair at or above the score, by row; from where an earlier run stopped.
    /// `identity` lacks the number of units. What it took is added to `cost`. With the pairs comes
    /// the file that has the checkpoint.
    pub(super) fn pairs(
        &self,
        folder: &AuditFolder,
        identity: Identity,
        cost: &mut AuditCost,
        observer: &mut dyn Observer,
    ) -> Result<(Vec<Pair>, AuditFile), TaskError> {
        let refused =
            |source: CheckpointError| AuditStoreError::Checkpoint { folder: folder.path().to_owned(), source };
        let mut clock = Clock::start();
        let join = self.sides.join(self.scope, self.score)?;
        cost.preparing += clock.lap();
        let identity = Identity { units: join.units(), ..identity };
        let file = checkpoint_file(folder, &identity, self.is_same_audit).map_err(refused)?;
        let mut checkpoint = Checkpoint::open(&folder.file(file), &identity, self.key).map_err(refused)?;
        cost.checkpoints += clock.lap();
        let (mut done, complete) = (checkpoint.comparisons(), checkpoint.is_complete());
        observer.begins(Resumed {
            all: self.comparisons,
            done,
            goes_on: checkpoint.units_done() > 0 && !complete,
            complete,
            damaged: checkpoint.dropped_bytes() > 0,
        });
        let ended = run(&join, &mut checkpoint, self.comparisons, self.threads, self.pairs_max, &mut |more, pairs| {
            done += more;
            observer.advances(done, pairs);
        });
        observer.ends();
        let kept = checkpoint.spent();
        cost.checkpoints += kept;
        cost.comparing = clock.lap() - kept;
        match ended {
            Ok(()) => {
                let pairs = checkpoint.into_pairs();
                cost.report += clock.lap();
                Ok((pairs, file))
            }
            Err(RunError::TooManyPairs { pairs_max }) => Err(TaskError::TooManyPairs {
                pairs_max,
                score: self.score,
                share: if self.comparisons > 0 { done as f64 / self.comparisons as f64 } else { 0.0 },
                instead: (self.instead)(),
            }),
            Err(RunError::Checkpoint(error)) => Err(refused(error).into()),
            Err(error) => Err(TaskError::Run(error)),
        }
    }
}

/// Which file has the checkpoint of a run. Of one that is to take the place of a finished run of
/// other templates it is another file than that run's, which stays as it is until then.
fn checkpoint_file(
    folder: &AuditFolder,
    identity: &Identity,
    is_same_audit: bool,
) -> Result<AuditFile, CheckpointError> {
    let finished_ones = folder.file(AuditFile::Checkpoint);
    if !folder.is_finished() {
        return Ok(AuditFile::Checkpoint);
    }
    let difference = match Checkpoint::identity(&finished_ones)? {
        Some(there) => identity.differs(&there),
        // Damaged: it is begun anew. Given up, it is not there.
        None if finished_ones.exists() => None,
        None => return Ok(AuditFile::NextCheckpoint),
    };
    let Some(difference) = difference else { return Ok(AuditFile::Checkpoint) };
    let next = Checkpoint::identity(&folder.file(AuditFile::NextCheckpoint))?;
    match is_same_audit || next.is_some_and(|next| identity.differs(&next).is_none()) {
        true => Ok(AuditFile::NextCheckpoint),
        false => Err(CheckpointError::Other(difference)),
    }
}

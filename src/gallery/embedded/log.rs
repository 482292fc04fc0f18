//! The newest part of the log of changes, in memory, for the indexes that follow it closely.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::gallery::{Change, Changes, Watermark};

/// Changes kept at most; where one commit has more, they are read from the database.
const CHANGES_MAX: usize = 4096;

/// What the last commits changed.
pub(super) struct LogTail {
    state: Mutex<State>,
    /// Commit of the last change.
    last_change: AtomicU64,
}

struct State {
    /// Complete for commits after this one …
    after: u64,
    /// … up to this one.
    up_to: u64,
    template_next: u64,
    commits: VecDeque<(u64, Arc<Vec<Change>>)>,
    changes: usize,
}

impl LogTail {
    /// Begins after a commit.
    pub(super) fn new(commit: u64, template_next: u64) -> Self {
        let state = State { after: commit, up_to: commit, template_next, commits: VecDeque::new(), changes: 0 };
        Self { state: Mutex::new(state), last_change: AtomicU64::new(commit) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds what a commit changed, which may be nothing.
    pub(super) fn push(&self, commit: u64, template_next: u64, changes: Vec<Change>) {
        let mut state = self.state();
        state.up_to = commit;
        state.template_next = template_next;
        if changes.is_empty() {
            return;
        }
        state.changes += changes.len();
        state.commits.push_back((commit, Arc::new(changes)));
        while state.changes > CHANGES_MAX
            && let Some((oldest, changes)) = state.commits.pop_front()
        {
            state.after = oldest;
            state.changes -= changes.len();
        }
        drop(state);
        self.last_change.store(commit, Ordering::Release);
    }

    /// What commits after `after` changed; `None` where that is not in memory.
    pub(super) fn changes(&self, after: Watermark) -> Option<Changes> {
        let (commits, up_to, template_next) = {
            let state = self.state();
            if after.0 < state.after {
                return None;
            }
            let newer = state.commits.iter().filter(|(commit, _)| *commit > after.0);
            let commits: Vec<_> = newer.map(|(_, changes)| Arc::clone(changes)).collect();
            (commits, state.up_to, state.template_next)
        };
        let changes = commits.iter().flat_map(|changes| changes.iter().cloned()).collect();
        Some(Changes { changes, up_to: Watermark(up_to), template_next })
    }

    pub(super) fn last_change(&self) -> Watermark {
        Watermark(self.last_change.load(Ordering::Acquire))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn removed(id: u64) -> Change {
        Change::Removed { id }
    }

    #[test]
    fn what_came_after_a_commit_is_all_there_or_said_to_be_missing() {
        let tail = LogTail::new(5, 1);
        assert!(tail.changes(Watermark(4)).is_none(), "before the beginning");
        tail.push(6, 2, vec![removed(1)]);
        tail.push(7, 2, Vec::new());
        assert_eq!(tail.last_change(), Watermark(6), "a commit that changes nothing has nothing to be followed");
        let all = tail.changes(Watermark(5)).unwrap();
        assert!(all.changes == [removed(1)] && all.up_to == Watermark(7) && all.template_next == 2);
        assert!(tail.changes(Watermark(7)).unwrap().changes.is_empty());

        tail.push(8, 3, (0..CHANGES_MAX as u64).map(removed).collect());
        assert!(tail.changes(Watermark(5)).is_none() && tail.changes(Watermark(6)).is_some());
        tail.push(9, 3, (0..=CHANGES_MAX as u64).map(removed).collect());
        assert!(tail.changes(Watermark(8)).is_none(), "more than is kept");
        assert_eq!(tail.changes(Watermark(9)).unwrap().up_to, Watermark(9));
    }
}

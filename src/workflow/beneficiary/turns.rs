//! Whose turn a transaction or a record is in this process: a courtesy that saves work. What two
//! callers may decide at the same moment is settled in the gallery's commit.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Mutex as Gate, OwnedMutexGuard};

/// One caller at a time per key, such as a transaction: a second call with the same content waits
/// for the first and then finds its answer in the store; where the first failed or
/// its caller went, the second does the work.
pub(super) struct Turns<K: Clone + Eq + Hash>(Mutex<HashMap<K, Arc<Gate<()>>>>);

impl<K: Clone + Eq + Hash> Default for Turns<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

/// A place in the line of a key; leaving it lets the next one in.
pub(super) struct Turn<'a, K: Clone + Eq + Hash> {
    turns: &'a Turns<K>,
    key: K,
    gate: Option<Arc<Gate<()>>>,
    guard: Option<OwnedMutexGuard<()>>,
}

impl<K: Clone + Eq + Hash> Turns<K> {
    /// Waits for this key's turn.
    pub(super) async fn take(&self, key: &K) -> Turn<'_, K> {
        let gate = {
            let mut gates = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(gates.entry(key.clone()).or_default())
        };
        // Made before the wait, so that a caller who goes while waiting leaves no trace.
        let mut turn = Turn { turns: self, key: key.clone(), gate: Some(Arc::clone(&gate)), guard: None };
        turn.guard = Some(gate.lock_owned().await);
        turn
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

impl<K: Clone + Eq + Hash> Drop for Turn<'_, K> {
    fn drop(&mut self) {
        let mut gates = self.turns.0.lock().unwrap_or_else(PoisonError::into_inner);
        self.guard = None;
        self.gate = None;
        // Nobody can join while the map is locked: one owner means that it is the map.
        if gates.get(&self.key).is_some_and(|gate| Arc::strong_count(gate) == 1) {
            gates.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;
    use crate::gallery::RequestId;

    fn id(text: &str) -> RequestId {
        RequestId::new(text).unwrap()
    }

    #[tokio::test]
    async fn one_transaction_has_one_turn_at_a_time_and_others_go_on() {
        let turns = Arc::new(Turns::default());
        let inside = Arc::new(AtomicUsize::new(0));
        let first = turns.take(&id("a")).await;
        let _other = turns.take(&id("b")).await;
        let waiting = {
            let (turns, inside) = (Arc::clone(&turns), Arc::clone(&inside));
            tokio::spawn(async move {
                let _turn = turns.take(&id("a")).await;
                inside.fetch_add(1, Ordering::SeqCst);
            })
        };
        tokio::task::yield_now().await;
        assert_eq!(inside.load(Ordering::SeqCst), 0);
        drop(first);
        waiting.await.unwrap();
        assert_eq!(inside.load(Ordering::SeqCst), 1);
        assert_eq!(turns.len(), 1, "only the turn that is still held");
    }

    #[tokio::test]
    async fn one_who_stops_waiting_leaves_no_trace() {
        let turns = Turns::default();
        let held = turns.take(&id("a")).await;
        let gone = tokio::time::timeout(Duration::from_millis(5), turns.take(&id("a"))).await;
        assert!(gone.is_err());
        drop(held);
        assert_eq!(turns.len(), 0);
    }
}

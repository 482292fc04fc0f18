//! What goes on at this moment: whose turn a transaction is, and who is about to
//! be enrolled.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Mutex as Gate, OwnedMutexGuard};

use crate::face::Template;
use crate::gallery::{RequestId, SubjectId};
use crate::matching::compare;

/// One caller at a time per transaction. A second call with the same content waits
/// for the first and then finds its answer in the store; where the first failed or
/// its caller went, the second does the work.
#[derive(Default)]
pub(super) struct Turns(Mutex<HashMap<RequestId, Arc<Gate<()>>>>);

/// A place in the line of a transaction; leaving it lets the next one in.
pub(super) struct Turn<'a> {
    turns: &'a Turns,
    transaction: RequestId,
    gate: Option<Arc<Gate<()>>>,
    guard: Option<OwnedMutexGuard<()>>,
}

impl Turns {
    /// Waits for this transaction's turn.
    pub(super) async fn take(&self, transaction: &RequestId) -> Turn<'_> {
        let gate = {
            let mut gates = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(gates.entry(transaction.clone()).or_default())
        };
        // Made before the wait, so that a caller who goes while waiting leaves no trace.
        let mut turn =
            Turn { turns: self, transaction: transaction.clone(), gate: Some(Arc::clone(&gate)), guard: None };
        turn.guard = Some(gate.lock_owned().await);
        turn
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut gates = self.turns.0.lock().unwrap_or_else(PoisonError::into_inner);
        self.guard = None;
        self.gate = None;
        // Nobody can join while the map is locked: one owner means that it is the map.
        if gates.get(&self.transaction).is_some_and(|gate| Arc::strong_count(gate) == 1) {
            gates.remove(&self.transaction);
        }
    }
}

/// Those who are about to be enrolled at first sight. Two transactions that bring
/// the same face under two numbers at the same moment would not find each other in
/// the gallery; here they do. Whoever announces itself and searches the gallery
/// afterwards finds every other: announced, or committed.
#[derive(Default)]
pub(super) struct Arrivals(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    next: u64,
    faces: BTreeMap<u64, (SubjectId, Template)>,
}

/// An announcement; ends when dropped, which must be after the commit.
pub(super) struct Arrival<'a> {
    arrivals: &'a Arrivals,
    number: u64,
}

impl Arrivals {
    /// Announces a face.
    pub(super) fn announce(&self, subject: SubjectId, face: Template) -> Arrival<'_> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let number = waiting.next;
        waiting.next += 1;
        waiting.faces.insert(number, (subject, face));
        Arrival { arrivals: self, number }
    }

    /// Other subjects announced whose face scores at or above `score`.
    pub(super) fn alike(&self, subject: &SubjectId, probe: &Template, score: f32) -> Vec<(SubjectId, f32)> {
        let waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let others = waiting.faces.values().filter(|(other, _)| other != subject);
        others
            .filter_map(|(other, face)| {
                let found = compare(probe, face).ok()?;
                (found >= score).then(|| (other.clone(), found))
            })
            .collect()
    }
}

impl Drop for Arrival<'_> {
    fn drop(&mut self) {
        let mut waiting = self.arrivals.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.faces.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;
    use crate::face::RecipeDigest;

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

    #[test]
    fn those_about_to_be_enrolled_are_found_until_they_are() {
        let template = |x: f32| Template::from_raw(RecipeDigest([1; 32]), &[x, 1.0]).unwrap();
        let subject = |text: &str| SubjectId::new(text).unwrap();
        let arrivals = Arrivals::default();
        let one = arrivals.announce(subject("one"), template(0.0));
        let _far = arrivals.announce(subject("far"), template(9.0));
        let found = arrivals.alike(&subject("two"), &template(0.1), 0.9);
        assert_eq!(found.iter().map(|(subject, _)| subject.as_str()).collect::<Vec<_>>(), ["one"]);
        assert!(arrivals.alike(&subject("one"), &template(0.0), 0.9).is_empty());
        drop(one);
        assert!(arrivals.alike(&subject("two"), &template(0.1), 0.9).is_empty());
    }
}

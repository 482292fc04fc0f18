//! Tests of the queue, with times that the tests choose.

use std::time::{Duration, Instant};

use tokio::sync::oneshot::Receiver;
use tokio::sync::oneshot::error::TryRecvError;

use super::super::method::{Method, Priority};
use super::queue::{Queue, TurnSignal};
use super::{Admission, Busy, BusyCause};

const SECOND: Duration = Duration::from_secs(1);
const VERIFY: (Method, Priority) = (Method::Verify, Priority::Verification);
const IDENTIFY: (Method, Priority) = (Method::Identify, Priority::Identification);
const ENROLL: (Method, Priority) = (Method::Enroll, Priority::Enrolment);
const TIME: Option<Duration> = Some(Duration::from_secs(60));

/// A queue with a clock.
struct Clocked {
    queue: Queue,
    now: Instant,
}

/// A call in the queue.
struct Caller {
    number: u64,
    signal: Receiver<TurnSignal>,
}

impl Caller {
    /// `None` while it waits.
    fn signalled(&mut self) -> Option<TurnSignal> {
        match self.signal.try_recv() {
            Ok(signal) => Some(signal),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Closed) => panic!("dropped without a signal"),
        }
    }

    fn goes(&mut self) -> bool {
        matches!(self.signalled(), Some(TurnSignal::Begin))
    }

    fn waits(&mut self) -> bool {
        self.signalled().is_none()
    }

    fn is_refused(&mut self, cause: BusyCause) -> bool {
        matches!(self.signalled(), Some(TurnSignal::Refused(busy)) if busy.cause == cause)
    }
}

impl Clocked {
    /// A queue that has learnt that every call takes a second.
    fn new(turns: usize, wait_max: Duration) -> Self {
        let mut this = Self { queue: Queue::new(turns, wait_max), now: Instant::now() };
        for call in [VERIFY, IDENTIFY, ENROLL] {
            for _ in 0..50 {
                let mut first = this.call(call, 0, None).unwrap();
                assert!(first.goes());
                this.after(SECOND).done(first);
            }
        }
        this
    }

    fn after(&mut self, time: Duration) -> &mut Self {
        self.now += time;
        self
    }

    /// Lets in a call whose message is there at once.
    fn call(&mut self, of: (Method, Priority), peer: u64, time: Option<Duration>) -> Result<Caller, Busy> {
        let number = self.queue.enter(of, peer, time, self.now)?;
        Ok(self.ready(number))
    }

    fn ready(&mut self, number: u64) -> Caller {
        let (sender, signal) = tokio::sync::oneshot::channel();
        self.queue.wait(number, 2, sender, self.now);
        Caller { number, signal }
    }

    fn row(&mut self, peer: u64) -> Caller {
        let number = self.queue.enter_row(Method::BulkEnroll, 2, peer, self.now);
        self.ready(number)
    }

    /// Its photos have been analysed.
    fn photos_analysed(&mut self, caller: &Caller) {
        self.queue.end_turn(caller.number, self.now);
    }

    fn done(&mut self, caller: Caller) {
        self.queue.leave(caller.number, true, self.now);
    }
}

#[test]
fn as_many_as_there_are_turns_begin_at_once_and_the_next_when_one_ends() {
    let mut all = Clocked::new(2, 10 * SECOND);
    let mut calls: Vec<_> = (0..3).map(|_| all.call(VERIFY, 1, TIME).unwrap()).collect();
    assert!(calls[0].goes() && calls[1].goes() && calls[2].waits());
    let first = calls.remove(0);
    all.after(SECOND).done(first);
    assert!(calls[1].goes());
}

#[test]
fn a_turn_is_over_once_the_photos_have_been_analysed_and_the_call_goes_on() {
    let mut all = Clocked::new(1, 60 * SECOND);
    // Searches take five seconds each, together with others' or not.
    for _ in 0..50 {
        let call = all.call(IDENTIFY, 1, None).unwrap();
        all.after(SECOND).photos_analysed(&call);
        all.after(5 * SECOND).done(call);
    }
    let mut first = all.call(IDENTIFY, 1, TIME).unwrap();
    let mut second = all.call(IDENTIFY, 1, TIME).unwrap();
    assert!(first.goes() && second.waits());
    all.after(SECOND).photos_analysed(&first);
    assert!(second.goes());
    // A second's wait and a second's turn would do, were it not for the search.
    assert_eq!(all.call(IDENTIFY, 1, Some(3 * SECOND)).err().unwrap().cause, BusyCause::Deadline);
    assert!(all.call(IDENTIFY, 1, Some(12 * SECOND)).is_ok());
    assert!(all.call(VERIFY, 1, Some(3 * SECOND)).is_ok());
}

#[test]
fn no_call_is_let_in_that_cannot_be_done_before_its_deadline() {
    let mut all = Clocked::new(1, 100 * SECOND);
    let _inside: Vec<_> = (0..5).map(|_| all.call(VERIFY, 1, TIME).unwrap()).collect();
    // Five seconds of work are ahead, and a second of its own.
    let refused = all.call(VERIFY, 1, Some(5 * SECOND)).err().unwrap();
    assert_eq!(refused.cause, BusyCause::Deadline);
    assert!(all.call(VERIFY, 1, Some(8 * SECOND)).is_ok());
}

#[test]
fn no_call_is_let_in_to_wait_for_longer_than_calls_may() {
    let mut all = Clocked::new(2, 3 * SECOND);
    let mut inside = Vec::new();
    let refused = loop {
        match all.call(VERIFY, 1, TIME) {
            Ok(call) => inside.push(call),
            Err(refused) => break refused,
        }
    };
    assert_eq!(refused.cause, BusyCause::Queue);
    // Two at work, and three seconds' worth of two turns each.
    assert!((6..=8).contains(&inside.len()), "{}", inside.len());
}

#[test]
fn time_counts_and_not_the_number_of_calls() {
    let inside = |each: Duration| {
        let mut all = Clocked { queue: Queue::new(1, 2 * SECOND), now: Instant::now() };
        for _ in 0..20 {
            let call = all.call(VERIFY, 0, None).unwrap();
            all.after(each).done(call);
        }
        (0..1000).map_while(|_| all.call(VERIFY, 1, TIME).ok()).count()
    };
    assert!(inside(SECOND / 100) > 150);
    assert!(inside(SECOND) < 5);
}

#[test]
fn a_call_that_finds_an_empty_queue_is_let_in_whatever_it_is_expected_to_take() {
    let mut all = Clocked::new(1, SECOND);
    // Else an estimate that is too long once would keep everybody out for good.
    let mut call = all.call(VERIFY, 1, Some(SECOND / 10)).unwrap();
    assert!(call.goes());
    assert_eq!(all.call(VERIFY, 1, Some(SECOND / 10)).err().unwrap().cause, BusyCause::Deadline);
}

#[test]
fn messages_on_their_way_count_as_work_unless_they_do_not_come() {
    let mut all = Clocked::new(1, 2 * SECOND);
    let coming: Vec<_> = (0..100).map_while(|_| all.queue.enter(VERIFY, 1, TIME, all.now).ok()).collect();
    assert!(coming.len() < 5, "{}", coming.len());
    // Slow lines keep nobody else out.
    all.after(2 * SECOND);
    let mut call = all.call(VERIFY, 2, TIME).unwrap();
    assert!(call.goes());
}

#[test]
fn verification_goes_before_identification_before_enrolment_before_rows() {
    let mut all = Clocked::new(1, 100 * SECOND);
    let running = all.call(VERIFY, 1, TIME).unwrap();
    let mut row = all.row(9);
    let mut enrol = all.call(ENROLL, 1, TIME).unwrap();
    let mut identify = all.call(IDENTIFY, 1, TIME).unwrap();
    let mut verify = all.call(VERIFY, 1, TIME).unwrap();
    all.after(SECOND).done(running);
    assert!(verify.goes() && identify.waits() && enrol.waits() && row.waits());
    all.after(SECOND).done(verify);
    assert!(identify.goes() && enrol.waits() && row.waits());
    all.after(SECOND).done(identify);
    assert!(enrol.goes() && row.waits());
    all.after(SECOND).done(enrol);
    assert!(row.goes());
}

#[test]
fn work_that_comes_after_a_call_does_not_keep_it_out() {
    let mut all = Clocked::new(1, 2 * SECOND);
    let _enrolments: Vec<_> = (0..100).map_while(|_| all.call(ENROLL, 1, TIME).ok()).collect();
    let _rows: Vec<_> = (0..100).map(|_| all.row(2)).collect();
    assert!(all.call(ENROLL, 1, TIME).is_err());
    assert!(all.call(VERIFY, 1, TIME).is_ok());
}

#[test]
fn a_lower_priority_still_gets_its_share_of_the_starts() {
    let mut all = Clocked::new(1, 3 * SECOND);
    let mut running = all.call(VERIFY, 1, TIME).unwrap();
    assert!(running.goes());
    let mut waiting: Vec<_> = std::iter::from_fn(|| all.call(VERIFY, 1, TIME).ok()).collect();
    let mut row = all.row(2);
    let mut starts = 0;
    // Another one comes for each that is done, so that there are always some.
    while row.waits() {
        all.after(SECOND).done(running);
        waiting.extend(all.call(VERIFY, 1, TIME).ok());
        let Some(next) = waiting.iter_mut().position(Caller::goes) else { break };
        running = waiting.remove(next);
        starts += 1;
        assert!(starts <= 16, "the row never had its turn");
    }
    assert!(starts >= 14, "verification went first {starts} times only");
}

#[test]
fn enrolment_is_let_in_on_its_share_while_verification_never_ends() {
    let mut all = Clocked::new(8, 3 * SECOND);
    while all.call(VERIFY, 1, TIME).is_ok() {}
    // Sixteen starts are two seconds; the second one would have to wait for four.
    assert!(all.call(ENROLL, 1, TIME).is_ok());
    assert_eq!(all.call(ENROLL, 1, TIME).err().unwrap().cause, BusyCause::Queue);
}

#[test]
fn one_connection_with_many_calls_does_not_keep_others_waiting() {
    let mut all = Clocked::new(1, 5 * SECOND);
    let running = all.call(VERIFY, 1, TIME).unwrap();
    let mut greedy: Vec<_> = std::iter::from_fn(|| all.call(VERIFY, 1, TIME).ok()).collect();
    assert!(greedy.len() > 3);
    // The queue is full for the one, not for the other, who waits behind one call alone.
    let mut quiet = all.call(VERIFY, 2, TIME).unwrap();
    all.after(SECOND).done(running);
    assert!(greedy[0].goes() && quiet.waits());
    all.after(SECOND).done(greedy.remove(0));
    assert!(quiet.goes());
}

#[test]
fn calls_of_one_connection_keep_their_order() {
    let mut all = Clocked::new(1, 10 * SECOND);
    let mut running = all.call(VERIFY, 1, TIME).unwrap();
    assert!(running.goes());
    let mut waiting: std::collections::VecDeque<_> = (0..5).map(|_| all.call(VERIFY, 1, TIME).unwrap()).collect();
    for _ in 0..20 {
        all.after(SECOND).done(running);
        waiting.push_back(all.call(VERIFY, 1, TIME).unwrap());
        running = waiting.pop_front().unwrap();
        assert!(running.goes(), "a later call of the same connection went first");
    }
}

#[test]
fn a_call_that_has_left_is_never_begun() {
    let mut all = Clocked::new(1, 10 * SECOND);
    let running = all.call(VERIFY, 1, TIME).unwrap();
    let (gone, mut next) = (all.call(VERIFY, 1, TIME).unwrap(), all.call(VERIFY, 1, TIME).unwrap());
    // Its caller hung up, and the queue has not been told yet.
    drop(gone.signal);
    all.after(SECOND).done(running);
    assert!(next.goes(), "the turn was lost on a caller who had gone");
    all.queue.leave(gone.number, false, all.now);
    let mut after = all.call(VERIFY, 1, TIME).unwrap();
    assert!(after.waits());
    all.after(SECOND).done(next);
    assert!(after.goes());
}

#[test]
fn who_cannot_be_served_in_time_any_more_is_refused_before_it_costs_anything() {
    let mut all = Clocked::new(1, 10 * SECOND);
    let running = all.call(VERIFY, 1, TIME).unwrap();
    let (mut short, mut long) = (all.call(VERIFY, 1, Some(4 * SECOND)).unwrap(), all.call(VERIFY, 1, TIME).unwrap());
    // The one at work took much longer than usual; another call tells.
    all.after(4 * SECOND);
    let mut late = all.call(VERIFY, 1, TIME).unwrap();
    assert!(short.is_refused(BusyCause::Deadline));
    all.done(running);
    assert!(long.goes() && late.waits());
}

#[test]
fn who_has_been_overtaken_for_too_long_is_refused() {
    let mut all = Clocked::new(1, 2 * SECOND);
    let _running = all.call(VERIFY, 1, TIME).unwrap();
    let (mut waiting, mut row) = (all.call(VERIFY, 1, TIME).unwrap(), all.row(2));
    all.after(5 * SECOND);
    let _another = all.call(IDENTIFY, 3, TIME);
    assert!(waiting.is_refused(BusyCause::Queue));
    assert!(row.waits(), "a row waits as long as it takes");
}

#[test]
fn a_call_that_waits_makes_room_for_one_that_goes_before_it() {
    let mut all = Clocked::new(1, 100 * SECOND);
    let _running = all.call(VERIFY, 1, TIME).unwrap();
    let mut verify = all.call(VERIFY, 1, TIME).unwrap();
    let (mut first, mut last) = (all.call(ENROLL, 1, TIME).unwrap(), all.call(ENROLL, 1, TIME).unwrap());
    assert!(all.queue.displace_below(Priority::Verification, all.now));
    assert!(last.is_refused(BusyCause::Place) && first.waits());
    assert!(all.queue.displace_below(Priority::Identification, all.now));
    assert!(first.is_refused(BusyCause::Place));
    assert!(!all.queue.displace_below(Priority::Verification, all.now));
    assert!(verify.waits());
}

#[test]
fn a_refused_call_is_told_when_the_queue_is_about_shorter_and_each_another_time() {
    let mut all = Clocked::new(1, 2 * SECOND);
    while all.call(VERIFY, 1, TIME).is_ok() {}
    let hints: Vec<_> = (0..8).map(|_| all.call(VERIFY, 1, TIME).err().unwrap().retry_after).collect();
    // The server does one a second, so eight who come back are spread over about as long.
    let (least, most) = (hints.iter().min().unwrap(), hints.iter().max().unwrap());
    assert!(*most > 5 * SECOND && *most < 16 * SECOND && *least < 3 * SECOND, "{hints:?}");
}

#[tokio::test]
async fn a_turn_ends_with_its_work_with_its_caller_and_with_the_row() {
    let admission = Admission::new(1, SECOND);
    let ticket = admission.enter(Method::Verify, 1, None).unwrap().unwrap();
    let turn = ticket.clone().turn(2).await.ok().unwrap();
    assert_eq!(turn.of(async { 7 }).await, 7);
    // Whoever gives up while waiting leaves no trace.
    let row = admission.row(1, 1).await;
    let other = admission.enter(Method::Verify, 1, None).unwrap().unwrap();
    let mut waiting = Box::pin(other.turn(2));
    assert!(poll_once(&mut waiting).await.is_none());
    drop(waiting);
    drop(row);
    drop(admission.row(1, 1).await);
    drop(ticket);
}

/// Polls a future once.
async fn poll_once<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    std::future::poll_fn(|context| {
        std::task::Poll::Ready(match std::pin::Pin::new(&mut *future).poll(context) {
            std::task::Poll::Ready(output) => Some(output),
            std::task::Poll::Pending => None,
        })
    })
    .await
}

#[test]
fn calls_without_photos_take_no_turn() {
    let admission = Admission::new(1, SECOND);
    for method in [Method::GetSubject, Method::ResolveReferral, Method::ClearPair, Method::Remove, Method::BulkEnroll] {
        assert!(admission.enter(method, 1, None).unwrap().is_none(), "{}", method.name());
    }
}

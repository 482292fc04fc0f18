//! The queue as plain data: which call is let in, which begins next, which is refused while it
//! waits. Every method is given the time and reads no clock, so that tests need not wait.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::super::method::{Method, Priority};
use super::durations::{DurationEstimates, ExpectedDuration};
use super::retry_hints::RetryHints;
use super::{Busy, BusyCause};

/// A priority with a waiting call gets at least one start in so many, whatever has a higher one.
const SHARE: u32 = 16;
/// A message that has been coming for longer no longer counts as work ahead of others until it
/// is there, so that a slow sender keeps nobody out.
const COMING_MAX: Duration = Duration::from_secs(1);
/// A call that was let in and has waited for so many times [`Queue::wait_max`], because others
/// went before it, is refused.
const OVERTAKEN: u32 = 2;

/// The end of a call's wait for its turn.
#[derive(Debug)]
pub(super) enum TurnSignal {
    /// Its turn begins.
    Begin,
    /// It is refused.
    Refused(Busy),
}

/// One call that takes a turn, or one row.
struct QueuedCall {
    method: Method,
    priority: Priority,
    /// Number of its connection.
    peer: u64,
    /// Place among the calls of its priority: the round of its connection, then the number of
    /// the call.
    order: (u64, u64),
    deadline: Option<Instant>,
    /// Known once the message is there.
    photos: Option<usize>,
    state: State,
}

/// How far a call has come.
enum State {
    /// It was let in; its message is on its way.
    Coming { since: Instant },
    /// Its message is there; it waits for its turn.
    Waiting { since: Instant, signal: oneshot::Sender<TurnSignal> },
    /// Its photos are being analysed.
    Running { since: Instant },
    /// Its photos have been analysed, so its turn is over; the call goes on.
    After { since: Instant },
}

/// The calls that take turns.
pub(super) struct Queue {
    /// Most calls worked on at once.
    turns: usize,
    /// Longest wait with which a call is let in.
    wait_max: Duration,
    /// By their numbers.
    calls: BTreeMap<u64, QueuedCall>,
    /// Number of the next call.
    next: u64,
    estimates: DurationEstimates,
    /// For each priority with a waiting call, the starts of others since its own last one.
    passed_over: [u32; Priority::COUNT],
    /// For each priority, the round of its latest start.
    round: [u64; Priority::COUNT],
    hints: [RetryHints; Priority::COUNT],
}

/// The work that comes before a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ahead {
    /// Time until the call's turn.
    wait: Duration,
    /// Time from one start of its priority to the next.
    every: Duration,
    /// There is no other call: to try this one delays nobody.
    alone: bool,
}

impl Queue {
    /// An empty queue that works on up to `turns` calls at once.
    pub(super) fn new(turns: usize, wait_max: Duration) -> Self {
        Self {
            turns: turns.max(1),
            wait_max,
            calls: BTreeMap::new(),
            next: 0,
            estimates: DurationEstimates::default(),
            passed_over: [0; Priority::COUNT],
            round: [0; Priority::COUNT],
            hints: Default::default(),
        }
    }

    /// Lets in a call that must be done within `time`, and gives it its number.
    ///
    /// # Errors
    /// [`Busy`] where it would be done too late or wait for too long.
    pub(super) fn enter(
        &mut self,
        (method, priority): (Method, Priority),
        peer: u64,
        time: Option<Duration>,
        now: Instant,
    ) -> Result<u64, Busy> {
        let order = self.order_for(priority, peer);
        let ahead = self.ahead(priority, order, now);
        let ExpectedDuration { most, .. } = self.estimates.expect(method, None);
        if !ahead.alone {
            // The bound on waiting keeps no call out that would begin at once.
            let in_time = time.map_or(Duration::MAX, |time| time.saturating_sub(most));
            if ahead.wait > in_time || time.is_some_and(|time| most > time) {
                return Err(self.refuse(priority, BusyCause::Deadline, ahead, in_time, now));
            }
            if ahead.wait > self.wait_max {
                return Err(self.refuse(priority, BusyCause::Queue, ahead, self.wait_max, now));
            }
        }
        let deadline = time.and_then(|time| now.checked_add(time));
        let state = State::Coming { since: now };
        Ok(self.insert(QueuedCall { method, priority, peer, order, deadline, photos: None, state }))
    }

    /// Lets in a row, which waits for its turn as long as it takes.
    pub(super) fn enter_row(&mut self, method: Method, photos: usize, peer: u64, now: Instant) -> u64 {
        let (priority, photos) = (Priority::Bulk, Some(photos));
        let (order, state) = (self.order_for(priority, peer), State::Coming { since: now });
        self.insert(QueuedCall { method, priority, peer, order, deadline: None, photos, state })
    }

    /// The call's message is there: it waits for its turn, which `signal` tells it of.
    pub(super) fn wait(&mut self, number: u64, photos: usize, signal: oneshot::Sender<TurnSignal>, now: Instant) {
        let Some(call) = self.calls.get_mut(&number) else { return };
        call.photos = Some(photos);
        call.state = State::Waiting { since: now, signal };
        self.advance(now);
    }

    /// The call's photos have been analysed: its turn is over, and the call goes on.
    pub(super) fn end_turn(&mut self, number: u64, now: Instant) {
        let Some(call) = self.calls.get_mut(&number) else { return };
        let State::Running { since } = call.state else { return };
        call.state = State::After { since: now };
        self.estimates.note_turn(call.method, call.photos.unwrap_or(1), now.saturating_duration_since(since));
        self.advance(now);
    }

    /// The call is over: `done` says whether its work was done to its end.
    pub(super) fn leave(&mut self, number: u64, done: bool, now: Instant) {
        let Some(call) = self.calls.remove(&number) else { return };
        let (method, photos) = (call.method, call.photos.unwrap_or(1));
        let took = |since| now.saturating_duration_since(since);
        match call.state {
            State::Running { since } if done => self.estimates.note_turn(method, photos, took(since)),
            State::Running { since } => self.estimates.note_turn_given_up(method, photos, took(since)),
            State::After { since } if done => self.estimates.note_after(method, took(since)),
            State::After { since } => self.estimates.note_after_given_up(method, took(since)),
            State::Coming { .. } | State::Waiting { .. } => {}
        }
        self.advance(now);
    }

    /// Refuses the last waiting call of a priority below this one, so that its place falls free.
    /// Returns whether there was one.
    pub(super) fn displace_below(&mut self, priority: Priority, now: Instant) -> bool {
        let waiting = self.calls.iter().filter(|(_, call)| matches!(call.state, State::Waiting { .. }));
        let below = waiting.filter(|(_, call)| call.priority > priority && call.priority != Priority::Bulk);
        let Some(number) = below.max_by_key(|(_, call)| (call.priority, call.order)).map(|(number, _)| *number) else {
            return false;
        };
        self.refuse_waiting(number, BusyCause::Place, now);
        true
    }

    /// The refusal of a call that found every place taken.
    pub(super) fn refuse_for_place(&mut self, priority: Option<Priority>, now: Instant) -> Busy {
        let priority = priority.unwrap_or(Priority::Verification);
        let order = self.order_for(priority, u64::MAX);
        let ahead = self.ahead(priority, order, now);
        self.refuse(priority, BusyCause::Place, ahead, self.wait_max, now)
    }

    fn insert(&mut self, call: QueuedCall) -> u64 {
        let number = self.next;
        self.next += 1;
        self.calls.insert(number, call);
        number
    }

    /// The place of one more call: in the round after that of its connection's last call that
    /// has not begun, and in the current round where there is none.
    fn order_for(&self, priority: Priority, peer: u64) -> (u64, u64) {
        let own = self.calls.values().filter(|call| call.priority == priority && call.peer == peer);
        let waiting = own.filter(|call| matches!(call.state, State::Coming { .. } | State::Waiting { .. }));
        let after = waiting.map(|call| call.order.0 + 1).max().unwrap_or(0);
        (after.max(self.round[priority as usize]), self.next)
    }

    /// The work ahead of a call in this place.
    fn ahead(&self, priority: Priority, order: (u64, u64), now: Instant) -> Ahead {
        let (mut busy, mut running, mut above, mut beside) = (false, 0usize, 0u32, 0u32);
        let (mut left, mut above_takes, mut beside_takes) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
        for call in self.calls.values() {
            let turn = self.estimates.expect(call.method, call.photos).turn;
            match &call.state {
                State::After { .. } => busy = true,
                State::Running { since } => {
                    running += 1;
                    // How long a call goes on that takes longer than usual is not known.
                    left += turn.saturating_sub(now.saturating_duration_since(*since)).max(turn / 4);
                }
                State::Coming { since } if now.saturating_duration_since(*since) > COMING_MAX => {}
                State::Coming { .. } | State::Waiting { .. } if call.priority < priority => {
                    above += 1;
                    above_takes += turn;
                }
                State::Coming { .. } | State::Waiting { .. } if call.priority == priority && call.order < order => {
                    beside += 1;
                    beside_takes += turn;
                }
                State::Coming { .. } | State::Waiting { .. } => {}
            }
        }
        let turns = u32::try_from(self.turns).unwrap_or(u32::MAX);
        let alone = !busy && running == 0 && above + beside == 0;
        let mean = |takes: Duration, count: u32| takes.checked_div(count).unwrap_or_default() / turns;
        if running + ((above + beside) as usize) < self.turns {
            return Ahead { wait: Duration::ZERO, every: mean(left, running as u32), alone };
        }
        let strictly = (left + above_takes + beside_takes) / turns;
        if above == 0 {
            let every = mean(left + beside_takes, running as u32 + beside);
            return Ahead { wait: strictly, every, alone };
        }
        // However many calls of a higher priority come, the share of this one remains.
        let every = mean(above_takes, above) * SHARE;
        Ahead { wait: strictly.min(every * (beside + 1)), every, alone }
    }

    /// The refusal of a call with a hint when it would be let in: when the wait that is ahead of
    /// it has fallen to `wait_max`.
    fn refuse(&mut self, priority: Priority, cause: BusyCause, ahead: Ahead, wait_max: Duration, now: Instant) -> Busy {
        let first = ahead.wait.saturating_sub(wait_max);
        let retry_after = self.hints[priority as usize].next(now, first, ahead.every);
        Busy { cause, retry_after }
    }

    /// Refuses a call that waits, and takes it out of the queue.
    fn refuse_waiting(&mut self, number: u64, cause: BusyCause, now: Instant) {
        let Some(call) = self.calls.remove(&number) else { return };
        let ahead = self.ahead(call.priority, call.order, now);
        let busy = self.refuse(call.priority, cause, ahead, self.wait_max, now);
        if let State::Waiting { signal, .. } = call.state {
            // Fails where the caller has gone meanwhile.
            let _ = signal.send(TurnSignal::Refused(busy));
        }
    }

    /// Refuses the waiting calls that cannot be done in time any more, and begins turns as long
    /// as there are free ones.
    fn advance(&mut self, now: Instant) {
        let running =
            |queue: &Self| queue.calls.values().filter(|call| matches!(call.state, State::Running { .. })).count();
        if running(self) > 0 {
            for (number, cause) in self.too_late(now) {
                self.refuse_waiting(number, cause, now);
            }
        }
        while running(self) < self.turns {
            let Some((number, priority)) = self.first() else { return };
            let Some(call) = self.calls.get_mut(&number) else { return };
            self.round[priority as usize] = call.order.0;
            let State::Waiting { signal, .. } = std::mem::replace(&mut call.state, State::Running { since: now })
            else {
                return;
            };
            if signal.send(TurnSignal::Begin).is_err() {
                // The caller went, and the call is about to leave by itself.
                self.calls.remove(&number);
                continue;
            }
            self.count_start(priority);
        }
    }

    /// The waiting calls that would be done too late if they began now, or that others have gone
    /// before for too long.
    fn too_late(&self, now: Instant) -> Vec<(u64, BusyCause)> {
        let too_late = |call: &QueuedCall| {
            let State::Waiting { since, .. } = call.state else { return None };
            let usual = self.estimates.expect(call.method, call.photos).usual;
            if call.deadline.is_some_and(|deadline| now + usual > deadline) {
                return Some(BusyCause::Deadline);
            }
            let overtaken = now.saturating_duration_since(since) > self.wait_max * OVERTAKEN;
            (overtaken && call.priority != Priority::Bulk).then_some(BusyCause::Queue)
        };
        self.calls.iter().filter_map(|(number, call)| Some((*number, too_late(call)?))).collect()
    }

    /// The call whose turn is next: the first of the highest priority that waits, unless a lower
    /// priority has been passed over often enough.
    fn first(&self) -> Option<(u64, Priority)> {
        let mut firsts: [Option<(&QueuedCall, u64)>; Priority::COUNT] = [None; Priority::COUNT];
        for (number, call) in &self.calls {
            let first = &mut firsts[call.priority as usize];
            let waits = matches!(call.state, State::Waiting { .. });
            if waits && first.is_none_or(|(first, _)| call.order < first.order) {
                *first = Some((call, *number));
            }
        }
        let due = firsts.iter().flatten().find(|(call, _)| self.passed_over[call.priority as usize] >= SHARE - 1);
        due.or_else(|| firsts.iter().flatten().next()).map(|(call, number)| (*number, call.priority))
    }

    /// Counts a start of this priority for those that wait beside it.
    fn count_start(&mut self, priority: Priority) {
        self.passed_over[priority as usize] = 0;
        let mut waits = [false; Priority::COUNT];
        for call in self.calls.values().filter(|call| matches!(call.state, State::Waiting { .. })) {
            waits[call.priority as usize] = true;
        }
        for (of, passed_over) in self.passed_over.iter_mut().enumerate() {
            if waits[of] && of != priority as usize {
                *passed_over += 1;
            }
        }
    }
}

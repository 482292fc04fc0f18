//! The queue itself, as plain data: who is let in, who is next, who goes. All times are
//! given, none are taken, so that every promise can be tested without waiting.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::super::method::{Class, Method};
use super::hints::Hints;
use super::pace::{Cost, Paces};
use super::{Refused, Why};

/// A class that waits gets at least one start in so many, whatever comes above it.
const SHARE: u32 = 16;
/// A message that has been coming for longer counts no more as work ahead of others until
/// it is there: whoever sends slowly must not keep others out.
const COMING_MAX: Duration = Duration::from_secs(1);
/// A call waits at most so many times [`Queue::wait_max`]: what was let in and has been
/// overtaken for so long is refused after all.
const OVERTAKEN: u32 = 2;

/// What a call that waits for its turn is told.
#[derive(Debug)]
pub(super) enum Verdict {
    /// It is its turn.
    Go,
    /// It is not worth waiting any more.
    GoAway(Refused),
}

/// One call of a class, or one row.
struct Call {
    method: Method,
    class: Class,
    /// Its connection.
    peer: u64,
    /// Place among the calls of its class: fair by connection, then first come.
    order: (u64, u64),
    deadline: Option<Instant>,
    /// Known once the message is there.
    photos: Option<usize>,
    state: State,
}

enum State {
    /// Let in; its message is on its way.
    Coming { since: Instant },
    /// Ready, and waiting for its turn.
    Waiting { since: Instant, told: oneshot::Sender<Verdict> },
    /// Its photos are being looked at.
    Running { since: Instant },
    /// They have been; its turn is over.
    After { since: Instant },
}

/// The calls that take turns.
pub(super) struct Queue {
    /// Calls worked on at once.
    turns: usize,
    /// Longest wait that a call is let in for.
    wait_max: Duration,
    calls: BTreeMap<u64, Call>,
    next: u64,
    paces: Paces,
    /// Starts of others since a class that waits had its own.
    passed_over: [u32; Class::COUNT],
    /// The round that each class is in: the one of its latest start.
    round: [u64; Class::COUNT],
    hints: [Hints; Class::COUNT],
}

/// The work that comes before a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ahead {
    /// How long it is until the call's turn.
    wait: Duration,
    /// From one start of its class to the next.
    every: Duration,
    /// Nobody else is there: whatever is expected of the call, trying costs nobody anything.
    alone: bool,
}

impl Queue {
    pub(super) fn new(turns: usize, wait_max: Duration) -> Self {
        Self {
            turns: turns.max(1),
            wait_max,
            calls: BTreeMap::new(),
            next: 0,
            paces: Paces::default(),
            passed_over: [0; Class::COUNT],
            round: [0; Class::COUNT],
            hints: Default::default(),
        }
    }

    /// Lets a call in that is done `time` from now or is not worth doing, or says why not.
    pub(super) fn enter(
        &mut self,
        (method, class): (Method, Class),
        peer: u64,
        time: Option<Duration>,
        now: Instant,
    ) -> Result<u64, Refused> {
        let order = self.order_for(class, peer);
        let ahead = self.ahead(class, order, now);
        let Cost { most, .. } = self.paces.cost(method, None);
        if !ahead.alone {
            // A call that would begin at once is never kept out by the bound on waiting.
            let in_time = time.map_or(Duration::MAX, |time| time.saturating_sub(most));
            if ahead.wait > in_time || time.is_some_and(|time| most > time) {
                return Err(self.refuse(class, Why::Deadline, ahead, in_time, now));
            }
            if ahead.wait > self.wait_max {
                return Err(self.refuse(class, Why::Queue, ahead, self.wait_max, now));
            }
        }
        let deadline = time.and_then(|time| now.checked_add(time));
        let state = State::Coming { since: now };
        Ok(self.insert(Call { method, class, peer, order, deadline, photos: None, state }))
    }

    /// A row, which waits as long as it takes.
    pub(super) fn enter_row(&mut self, method: Method, photos: usize, peer: u64, now: Instant) -> u64 {
        let (class, photos) = (Class::Bulk, Some(photos));
        let (order, state) = (self.order_for(class, peer), State::Coming { since: now });
        self.insert(Call { method, class, peer, order, deadline: None, photos, state })
    }

    /// The call's message is there: it waits for its turn, and is told.
    pub(super) fn wait(&mut self, number: u64, photos: usize, told: oneshot::Sender<Verdict>, now: Instant) {
        let Some(call) = self.calls.get_mut(&number) else { return };
        call.photos = Some(photos);
        call.state = State::Waiting { since: now, told };
        self.advance(now);
    }

    /// The call's photos have been looked at: its turn is over.
    pub(super) fn seen(&mut self, number: u64, now: Instant) {
        let Some(call) = self.calls.get_mut(&number) else { return };
        let State::Running { since } = call.state else { return };
        call.state = State::After { since: now };
        self.paces.note_turn(call.method, call.photos.unwrap_or(1), now.saturating_duration_since(since));
        self.advance(now);
    }

    /// The call is over, done or given up.
    pub(super) fn leave(&mut self, number: u64, done: bool, now: Instant) {
        let Some(call) = self.calls.remove(&number) else { return };
        let (method, photos) = (call.method, call.photos.unwrap_or(1));
        let took = |since| now.saturating_duration_since(since);
        match call.state {
            State::Running { since } if done => self.paces.note_turn(method, photos, took(since)),
            State::Running { since } => self.paces.note_turn_given_up(method, photos, took(since)),
            State::After { since } if done => self.paces.note_after(method, took(since)),
            State::After { since } => self.paces.note_after_given_up(method, took(since)),
            State::Coming { .. } | State::Waiting { .. } => {}
        }
        self.advance(now);
    }

    /// Refuses the last of those that wait below `class`, for the place it holds.
    pub(super) fn displace_below(&mut self, class: Class, now: Instant) -> bool {
        let waiting = self.calls.iter().filter(|(_, call)| matches!(call.state, State::Waiting { .. }));
        let below = waiting.filter(|(_, call)| call.class > class && call.class != Class::Bulk);
        let Some(number) = below.max_by_key(|(_, call)| (call.class, call.order)).map(|(number, _)| *number) else {
            return false;
        };
        self.send_away(number, Why::Place, now);
        true
    }

    /// Why a call was not even looked at that found every place taken.
    pub(super) fn refuse_for_place(&mut self, class: Option<Class>, now: Instant) -> Refused {
        let class = class.unwrap_or(Class::Verification);
        let order = self.order_for(class, u64::MAX);
        let ahead = self.ahead(class, order, now);
        self.refuse(class, Why::Place, ahead, self.wait_max, now)
    }

    fn insert(&mut self, call: Call) -> u64 {
        let number = self.next;
        self.next += 1;
        self.calls.insert(number, call);
        number
    }

    /// The place of one more call: in the round after the last call of its connection that
    /// still waits, and in the current one where none does.
    fn order_for(&self, class: Class, peer: u64) -> (u64, u64) {
        let own = self.calls.values().filter(|call| call.class == class && call.peer == peer);
        let waiting = own.filter(|call| matches!(call.state, State::Coming { .. } | State::Waiting { .. }));
        let after = waiting.map(|call| call.order.0 + 1).max().unwrap_or(0);
        (after.max(self.round[class as usize]), self.next)
    }

    fn ahead(&self, class: Class, order: (u64, u64), now: Instant) -> Ahead {
        let (mut busy, mut running, mut above, mut beside) = (false, 0usize, 0u32, 0u32);
        let (mut left, mut above_takes, mut beside_takes) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
        for call in self.calls.values() {
            let turn = self.paces.cost(call.method, call.photos).turn;
            match &call.state {
                State::After { .. } => busy = true,
                State::Running { since } => {
                    running += 1;
                    // One that takes longer than usual has some way to go, nobody knows how long.
                    left += turn.saturating_sub(now.saturating_duration_since(*since)).max(turn / 4);
                }
                State::Coming { since } if now.saturating_duration_since(*since) > COMING_MAX => {}
                State::Coming { .. } | State::Waiting { .. } if call.class < class => {
                    above += 1;
                    above_takes += turn;
                }
                State::Coming { .. } | State::Waiting { .. } if call.class == class && call.order < order => {
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
        // Where more and more comes above, what remains is the class's share.
        let every = mean(above_takes, above) * SHARE;
        Ahead { wait: strictly.min(every * (beside + 1)), every, alone }
    }

    fn refuse(&mut self, class: Class, why: Why, ahead: Ahead, wait_max: Duration, now: Instant) -> Refused {
        let first = ahead.wait.saturating_sub(wait_max);
        let retry_after = self.hints[class as usize].next(now, first, ahead.every);
        Refused { why, retry_after }
    }

    fn send_away(&mut self, number: u64, why: Why, now: Instant) {
        let Some(call) = self.calls.remove(&number) else { return };
        let ahead = self.ahead(call.class, call.order, now);
        let refused = self.refuse(call.class, why, ahead, self.wait_max, now);
        if let State::Waiting { told, .. } = call.state {
            // Fails where the caller has gone meanwhile.
            let _ = told.send(Verdict::GoAway(refused));
        }
    }

    /// Sends away who cannot be done in time any more, and gives turns as long as there are.
    fn advance(&mut self, now: Instant) {
        let running =
            |queue: &Self| queue.calls.values().filter(|call| matches!(call.state, State::Running { .. })).count();
        if running(self) > 0 {
            for (number, why) in self.hopeless(now) {
                self.send_away(number, why, now);
            }
        }
        while running(self) < self.turns {
            let Some((number, class)) = self.first() else { return };
            let Some(call) = self.calls.get_mut(&number) else { return };
            self.round[class as usize] = call.order.0;
            let State::Waiting { told, .. } = std::mem::replace(&mut call.state, State::Running { since: now }) else {
                return;
            };
            if told.send(Verdict::Go).is_err() {
                // The caller went, and its own leaving is on its way.
                self.calls.remove(&number);
                continue;
            }
            self.count_start(class);
        }
    }

    /// Who waits in vain: done too late even if begun now, or overtaken for too long.
    fn hopeless(&self, now: Instant) -> Vec<(u64, Why)> {
        let hopeless = |call: &Call| {
            let State::Waiting { since, .. } = call.state else { return None };
            let usual = self.paces.cost(call.method, call.photos).usual;
            if call.deadline.is_some_and(|deadline| now + usual > deadline) {
                return Some(Why::Deadline);
            }
            let overtaken = now.saturating_duration_since(since) > self.wait_max * OVERTAKEN;
            (overtaken && call.class != Class::Bulk).then_some(Why::Queue)
        };
        self.calls.iter().filter_map(|(number, call)| Some((*number, hopeless(call)?))).collect()
    }

    /// Whose turn it is: the first of the highest class that waits, unless one below has been
    /// passed over for long enough.
    fn first(&self) -> Option<(u64, Class)> {
        let mut firsts: [Option<(&Call, u64)>; Class::COUNT] = [None; Class::COUNT];
        for (number, call) in &self.calls {
            let first = &mut firsts[call.class as usize];
            let waits = matches!(call.state, State::Waiting { .. });
            if waits && first.is_none_or(|(first, _)| call.order < first.order) {
                *first = Some((call, *number));
            }
        }
        let due = firsts.iter().flatten().find(|(call, _)| self.passed_over[call.class as usize] >= SHARE - 1);
        due.or_else(|| firsts.iter().flatten().next()).map(|(call, number)| (*number, call.class))
    }

    fn count_start(&mut self, class: Class) {
        self.passed_over[class as usize] = 0;
        let mut waits = [false; Class::COUNT];
        for call in self.calls.values().filter(|call| matches!(call.state, State::Waiting { .. })) {
            waits[call.class as usize] = true;
        }
        for (of, passed_over) in self.passed_over.iter_mut().enumerate() {
            if waits[of] && of != class as usize {
                *passed_over += 1;
            }
        }
    }
}

//! Seeded interleavings of the gallery's rules: clients, two engines with one store, and engines that die,
//! on one thread and with a clock of their own, in an order that a seed chooses. What comes of it is held
//! to the rules of [`truth`]. A seed that fails is printed, and replays exactly:
//!
//! ```text
//! CHINHCHU_SEED=17 cargo test --test gallery -- --nocapture interleave
//! ```
//!
//! `scripts/interleave` runs as many as are wished.

mod programs;
mod stepping;
mod truth;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use chinhchu::gallery::{
    Command, DecisionFilter, DecisionKey, Gallery, LedgerTables, Outcome, ReadSet, RecordStore, Signer, SnapshotPart,
    StoredDecision, Timestamp, verify_ledger,
};

use self::programs::Program;
use self::stepping::{Shared, Stepping, SteppingIndex, at_once, pause};
use self::truth::{Truth, face};
use crate::ledger::{digest_key, signer};
use crate::memory::{MemoryIndex, MemoryStore};
use crate::support::by;

/// Schedules of the short form.
const SCHEDULES: u64 = 1_500;
/// Far more than any schedule takes.
const STEPS_MAX: usize = 200_000;
const ENGINES: usize = 2;
/// One schedule in so many keeps a transparency log.
const WITH_LOG: u64 = 8;

/// One engine, from its start to its end.
struct Engine {
    number: u64,
    gallery: Rc<Gallery>,
    index: Arc<MemoryIndex>,
    is_dead: Cell<bool>,
}

impl Engine {
    fn start(shared: &Arc<Shared>, number: u64) -> Rc<Self> {
        let index = Arc::new(MemoryIndex::default());
        let store = Stepping { shared: Arc::clone(shared), engine: number };
        let gallery = Gallery::new(Arc::new(store), vec![Arc::new(SteppingIndex(Arc::clone(&index)))]).unwrap();
        let gallery = if shared.store.has_ledger() { gallery.with_ledger(digest_key()) } else { gallery };
        Rc::new(Self { number, gallery: Rc::new(gallery), index, is_dead: Cell::new(false) })
    }
}

/// Everything a schedule is played on.
pub struct World {
    shared: Arc<Shared>,
    engines: RefCell<Vec<Rc<Engine>>>,
    started: Cell<u64>,
    random: Cell<u64>,
    now: Cell<u64>,
    given_out: Cell<u8>,
    pub truth: RefCell<Truth>,
    /// Of every command and what came of it, in order.
    digest: RefCell<DefaultHasher>,
    is_told: bool,
}

impl World {
    fn new(seed: u64, is_told: bool) -> Rc<Self> {
        let store = MemoryStore::default();
        let store = match seed.is_multiple_of(WITH_LOG) {
            true => store.with_ledger(&digest_key(), signer(1).verifier().clone()),
            false => store,
        };
        let shared = Arc::new(Shared::new(store));
        let engines = (0..ENGINES as u64).map(|number| Engine::start(&shared, number)).collect();
        Rc::new(Self {
            shared,
            engines: RefCell::new(engines),
            started: Cell::new(ENGINES as u64),
            random: Cell::new(seed),
            now: Cell::new(1_000_000),
            given_out: Cell::new(2),
            truth: RefCell::default(),
            digest: RefCell::default(),
            is_told,
        })
    }

    /// The next number of the seed's: SplitMix64.
    fn next(&self) -> u64 {
        let state = self.random.get().wrapping_add(0x9E37_79B9_7F4A_7C15);
        self.random.set(state);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`.
    pub fn below(&self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// Once in so many times.
    pub fn chance(&self, once_in: usize) -> bool {
        self.below(once_in) == 0
    }

    /// A key of a picture that nobody else brings.
    pub fn fresh(&self) -> u8 {
        self.given_out.set(self.given_out.get().wrapping_add(1).max(2));
        self.given_out.get()
    }

    fn tell(&self, what: impl FnOnce() -> String) {
        if self.is_told {
            eprintln!("{:>8} {}", self.now.get(), what());
        }
    }

    /// Some engine's answer; `None` where it dies first, or the client loses patience.
    pub async fn ask<T>(&self, work: impl AsyncFnOnce(Rc<Gallery>) -> T) -> Option<T> {
        let engine = Rc::clone(&self.engines.borrow()[self.below(ENGINES)]);
        let mut patience = if self.chance(6) { self.below(40) } else { usize::MAX };
        let mut work = Box::pin(work(Rc::clone(&engine.gallery)));
        poll_fn(move |context| {
            if engine.is_dead.get() || patience == 0 {
                return Poll::Ready(None);
            }
            patience -= 1;
            work.as_mut().poll(context).map(Some)
        })
        .await
    }

    /// For some of the others' turns.
    pub async fn wait(&self) {
        for _ in 0..self.below(20) {
            pause().await;
        }
    }

    /// A claim was answered: it is stored, and as it was asked.
    pub fn acknowledged(&self, key: &DecisionKey, content: &[u8; 32], stored: &StoredDecision) {
        let truth = self.truth.borrow();
        let attempt = truth.attempt(key).expect("a claim was answered that is not stored");
        assert!(
            attempt.content == *content && stored.content == *content,
            "a claim was answered with another's answer"
        );
        assert_eq!((attempt.number, attempt.commit), (stored.number, stored.commit), "a claim has two answers");
        assert_eq!(attempt.outcome, stored.outcome, "a claim has two outcomes");
    }

    fn carry_out_next(&self) {
        self.shared.store.set_clock(Timestamp(self.now.get()));
        let Some((command, result)) = self.shared.carry_out_next() else { return };
        let commit = result.as_ref().map(|done| done.receipt.commit).ok();
        (name(&command), commit, self.now.get()).hash(&mut *self.digest.borrow_mut());
        self.tell(|| {
            let told = result.as_ref().map(|done| done.receipt.clone()).map_err(ToString::to_string);
            format!("{}: {told:?}", name(&command))
        });
        if let Err(wrong) = self.truth.borrow_mut().take(&command, &result, Timestamp(self.now.get())) {
            panic!("{wrong}");
        }
    }

    /// An engine dies with all that it was asked for; another takes its place.
    fn kill(&self) {
        let place = self.below(ENGINES);
        let number = self.started.replace(self.started.get() + 1);
        let dead = std::mem::replace(&mut self.engines.borrow_mut()[place], Engine::start(&self.shared, number));
        self.tell(|| format!("engine {} dies", dead.number));
        self.shared.forget(dead.number);
        dead.is_dead.set(true);
    }

    /// What is stored is what was carried out, and what the engines search in.
    fn check_end(&self) {
        let (truth, store) = (self.truth.borrow(), &self.shared.store);
        let now = Timestamp(self.now.get());
        store.set_clock(now);
        let mut decisions = 0;
        for (transaction, attempts) in &truth.transactions {
            for (attempt, expected) in (1..).zip(attempts) {
                let key = DecisionKey::new(transaction.clone(), attempt).unwrap();
                let wanted = ReadSet { decision: Some(key), ..ReadSet::default() };
                let stored = at_once(store.read(wanted)).unwrap().decision.expect("a decision is gone");
                let answers = stored.resolutions.iter();
                let answers = answers.map(|one| (one.officer.clone(), one.outcome, one.reason.as_str().to_owned()));
                assert!(answers.collect::<Vec<_>>() == expected.answers, "officers' answers are others");
                assert!(stored.content == expected.content && stored.number == expected.number);
                assert!(stored.outcome == expected.outcome && stored.subject == expected.subject);
                decisions += 1;
            }
        }
        let listed = at_once(store.decisions_after(&DecisionFilter::default(), 0, usize::MAX)).unwrap().decisions;
        assert_eq!(listed.len(), decisions, "there are decisions that nobody made");

        let mut snapshot = at_once(store.snapshot()).unwrap();
        let mut templates = BTreeMap::new();
        let mut faces = BTreeMap::new();
        while let Some(part) = at_once(snapshot.next()).unwrap() {
            if let SnapshotPart::Subject(subject) = part {
                let own = subject.templates.iter().map(|one| face(&one.content.template)).collect::<Vec<_>>();
                let rows = subject.templates.iter();
                let rows = rows.map(|one| (one.id, (subject.id.clone(), one.content.template.clone())));
                templates.extend(rows);
                faces.insert(subject.id.clone(), own);
            }
        }
        assert!(faces == truth.faces, "the store holds other records");
        for engine in self.engines.borrow().iter() {
            let mut follow = std::pin::pin!(engine.gallery.templates_by_recipe());
            let mut context = Context::from_waker(Waker::noop());
            while follow.as_mut().poll(&mut context).map(Result::unwrap).is_pending() {}
            assert!(engine.index.contents() == templates, "an index holds something else than the store");
        }
        for capture in truth.captures.iter().filter(|one| one.expires_at > now) {
            let found = at_once(store.captures_sharing(&[capture.band])).unwrap().captures;
            assert!(found.iter().any(|one| one.key == capture.key), "a capture that was used is not found");
        }
        let pairs = at_once(store.pairs_after(None, usize::MAX)).unwrap();
        assert_eq!(pairs.len(), truth.pairs.len(), "there are other pairs");
        for pair in pairs {
            let is_in_force = pair.state(now) == chinhchu::gallery::PairState::InForce;
            let expected = &truth.pairs[&(pair.first, pair.second)];
            assert_eq!(is_in_force, expected.is_in_force(now), "a pair stands otherwise than officers said");
        }
        if store.has_ledger() {
            self.check_log(truth.entries);
        }
    }

    /// Whatever was done is in the log, once, and the log verifies when it is signed.
    fn check_log(&self, entries: u64) {
        let store = &self.shared.store;
        let sequence = || at_once(store.commit(&by(), Command::Sequence(Signer(signer(1)))));
        while !sequence().unwrap().receipt.replayed {}
        let trusted = signer(1).verifier().clone();
        let check = move |tables: &dyn LedgerTables| {
            let head = tables.head()?.expect("a log");
            assert_eq!((head.entries, head.signed()), (entries, entries), "the log has other entries");
            assert!(verify_ledger(tables, Some(&trusted), &[])?.is_ok(), "the log does not verify");
            Ok(())
        };
        at_once(store.read_ledger(Box::new(check))).unwrap();
    }
}

fn name(command: &Command) -> String {
    match command {
        Command::Entered(command, _) => name(command),
        Command::Decide(decision) => {
            let (of, key) = (&decision.subject, &decision.key);
            format!("{} attempt {} of {}: {:?}", key.transaction.as_str(), key.attempt, of.as_str(), decision.outcome)
        }
        Command::Resolve(one) => {
            let (key, by) = (&one.key, &one.resolution);
            format!("{} answers {} {}: {:?}", by.officer.as_str(), key.transaction.as_str(), key.attempt, by.outcome)
        }
        Command::Enrol(one, _) => format!("enrols {} {:?}", one.subject.as_str(), one.mode),
        Command::ChangeStanding(one, _) => format!("{} is {}", one.subject.as_str(), one.action.name()),
        Command::Remove(one, _) => format!("removes {}", one.as_str()),
        Command::Clear(one) => {
            format!("{} clears {} {}", one.officer.as_str(), one.first.as_str(), one.second.as_str())
        }
        Command::Unclear(one) => format!("ends {} {}", one.first.as_str(), one.second.as_str()),
        _ => "another".to_owned(),
    }
}

/// How much happened, so that schedules in which nothing does are noticed.
#[derive(Debug, Default)]
struct Happened {
    commits: AtomicU64,
    approved: AtomicU64,
    referred: AtomicU64,
    closed_by_officers: AtomicU64,
    approved_beside: AtomicU64,
    killed: AtomicU64,
    steps: AtomicU64,
    /// Of all that happened, in whatever order the schedules are played.
    digest: AtomicU64,
}

/// Plays the schedule of a seed.
fn play(seed: u64, is_told: bool, happened: &Happened) {
    let world = World::new(seed, is_told);
    let mut programs: Vec<(String, Program)> = programs::all(&world);
    let weight = |world: &World| [1, 1, 4, 16, 64][world.below(5)];
    let mut weights: Vec<usize> = (0..=programs.len()).map(|_| weight(&world)).collect();
    let mut kills = world.below(3);
    let mut context = Context::from_waker(Waker::noop());
    let mut steps = 0;
    while !programs.is_empty() {
        steps += 1;
        assert!(steps < STEPS_MAX, "the programs do not come to an end");
        world.now.set(world.now.get() + u64::from(world.chance(8)));
        if world.chance(64) {
            // Who was quick may be slow now, the writer among them.
            let changed = world.below(weights.len());
            weights[changed] = weight(&world);
        }
        if kills > 0 && world.chance(100) {
            kills -= 1;
            world.kill();
            happened.killed.fetch_add(1, Ordering::Relaxed);
        }
        let mut chosen = world.below(weights.iter().sum());
        let place = weights.iter().position(|weight| {
            let is_it = chosen < *weight;
            chosen = chosen.saturating_sub(*weight);
            is_it
        });
        match place {
            Some(place) if place < programs.len() => {
                if programs[place].1.as_mut().poll(&mut context).is_ready() {
                    world.tell(|| format!("{} is through", programs[place].0));
                    drop(programs.remove(place));
                    weights.remove(place);
                }
            }
            _ => world.carry_out_next(),
        }
    }
    // What hung-up clients had asked for is carried out all the same.
    while world.shared.waits() {
        world.carry_out_next();
    }
    world.check_end();
    let truth = world.truth.borrow();
    let attempts = || truth.transactions.values().flatten();
    let count = |counter: &AtomicU64, number: usize| counter.fetch_add(number as u64, Ordering::Relaxed);
    count(&happened.commits, truth.commits as usize);
    count(&happened.approved, attempts().filter(|one| one.outcome == Outcome::Approve).count());
    count(&happened.referred, attempts().filter(|one| one.outcome == Outcome::Refer).count());
    count(&happened.closed_by_officers, attempts().filter(|one| !one.answers.is_empty()).count());
    count(&happened.approved_beside, truth.approved_beside as usize);
    count(&happened.steps, steps);
    happened.digest.fetch_add(world.digest.borrow().finish(), Ordering::Relaxed);
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is no number")))
}

#[test]
fn whatever_the_order_every_commit_keeps_the_rules() {
    let happened = Happened::default();
    if let Some(seed) = number("CHINHCHU_SEED") {
        return play(seed, true, &happened);
    }
    let schedules = number("CHINHCHU_SCHEDULES").unwrap_or(SCHEDULES);
    let first = number("CHINHCHU_FIRST_SEED").unwrap_or(1);
    let threads = number("CHINHCHU_THREADS").unwrap_or(1);
    let (next, has_failed, begun) = (AtomicU64::new(0), AtomicBool::new(false), Instant::now());
    let work = || {
        while !has_failed.load(Ordering::Relaxed) {
            let place = next.fetch_add(1, Ordering::Relaxed);
            if place >= schedules {
                break;
            }
            let seed = first.wrapping_add(place);
            if catch_unwind(AssertUnwindSafe(|| play(seed, false, &happened))).is_err() {
                has_failed.store(true, Ordering::Relaxed);
                eprintln!("\nschedule {seed} failed; to see it again: CHINHCHU_SEED={seed} scripts/interleave");
            }
        }
    };
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    let took = begun.elapsed().as_secs_f64();
    println!("{schedules} schedules in {took:.1} s, {:.0} a second: {happened:?}", schedules as f64 / took);
    assert!(!has_failed.into_inner(), "a schedule broke a rule: its seed is above");
    let counts = [&happened.approved, &happened.referred, &happened.closed_by_officers, &happened.approved_beside];
    assert!(counts.iter().all(|count| count.load(Ordering::Relaxed) > 0), "something never happened: {happened:?}");
}

#[test]
fn a_seed_plays_the_same_every_time() {
    for seed in 1..40 {
        let told = [(); 2].map(|()| {
            let happened = Happened::default();
            play(seed, false, &happened);
            format!("{happened:?}")
        });
        assert_eq!(told[0], told[1], "seed {seed}");
    }
}

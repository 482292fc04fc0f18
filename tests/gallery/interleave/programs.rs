//! What clients do: clerks who claim, officers who answer, people who enrol, and people who search. Each is
//! a future that asks some engine, and asks again where it gets no answer.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use chinhchu::gallery::{
    Basis, ChangeStanding, ClearPair, DecisionKey, EnrolMode, Enrolment, Filter, Gallery, GalleryError, NewCapture,
    NewDecision, Note, Outcome, ReadSet, Receipt, RequestId, Requester, Resolution, ResolveCommand, Retry, Scope,
    Searched, StandingAction, StoredDecision, SubjectId, Timestamp, UnclearPair, next_attempt,
};

use super::World;
use super::truth::{COUNTED_MAX, face};
use crate::support::*;

/// One face scores 1 with itself, and far less with any other.
const SCORE: f32 = 0.9;
/// How often an engine decides anew where what it rests on has changed.
const TRIES_MAX: usize = 4;
/// How often a client asks again before it gives up.
const ASKED_MAX: usize = 6;
const SUBJECTS: usize = 3;
const FACES: usize = 3;
const TRANSACTIONS: usize = 3;
const CLERKS: [&str; 2] = ["clerk-1", "clerk-2"];
/// Some are clerks, and one signs in two ways.
const OFFICERS: [&str; 6] = ["officer-1", "OFFICER-1", "officer-2", "officer-3", "Clerk-1", "clerk-2"];

pub type Program = Pin<Box<dyn Future<Output = ()>>>;

/// The programs of a schedule, and what each is called.
pub fn all(world: &Rc<World>) -> Vec<(String, Program)> {
    let mut programs: Vec<(String, Program)> = Vec::new();
    let mut add = |name: String, program: Program| programs.push((name, program));
    for number in 0..2 + world.below(3) {
        let claim = Claim::any(world);
        if world.chance(3) {
            // The same at once, through whatever engine.
            add(format!("claim {number} again"), Box::pin(claimant(Rc::clone(world), claim.clone(), 1)));
        }
        if world.chance(6) {
            let other = Claim { variant: 1, ..claim.clone() };
            add(format!("claim {number} otherwise"), Box::pin(claimant(Rc::clone(world), other, 1)));
        }
        let attempts = 1 + world.below(3);
        add(format!("claim {number}"), Box::pin(claimant(Rc::clone(world), claim, attempts)));
    }
    for number in 0..1 + world.below(4) {
        add(format!("officer {number}"), Box::pin(officer(Rc::clone(world))));
    }
    for number in 0..world.below(3) {
        add(format!("pair {number}"), Box::pin(pairs(Rc::clone(world))));
    }
    for number in 0..world.below(3) {
        add(format!("office {number}"), Box::pin(office(Rc::clone(world), number as u8)));
    }
    for number in 0..world.below(5).saturating_sub(3) {
        add(format!("restriction {number}"), Box::pin(restrictions(Rc::clone(world))));
    }
    for number in 0..world.below(2) {
        add(format!("searcher {number}"), Box::pin(searcher(Rc::clone(world))));
    }
    programs
}

fn subject(number: usize) -> SubjectId {
    id(format!("s-{number}"))
}

fn transaction(number: usize) -> RequestId {
    RequestId::new(format!("t-{number}")).unwrap()
}

/// What a counter sends.
#[derive(Clone)]
struct Claim {
    transaction: usize,
    attempt: u32,
    subject: usize,
    face: usize,
    bands: Vec<u8>,
    clerk: Option<usize>,
    /// Whether earlier decisions about the record are counted.
    counts: bool,
    lifetime_ms: u64,
    variant: u8,
    /// Whether the engine looks first whose turn it is; the commit looks in any case.
    looks_first: bool,
}

impl Claim {
    fn any(world: &World) -> Self {
        Self {
            transaction: world.below(TRANSACTIONS),
            attempt: if world.chance(8) { 2 } else { 1 },
            subject: world.below(SUBJECTS),
            face: world.below(FACES),
            bands: Self::any_bands(world),
            clerk: [None, Some(0), Some(1)][world.below(3)],
            counts: world.chance(2),
            lifetime_ms: if world.chance(4) { 20 } else { 1 << 40 },
            variant: 0,
            looks_first: !world.chance(3),
        }
    }

    /// Mostly of its own, and now and then those of a picture that others bring as well.
    fn any_bands(world: &World) -> Vec<u8> {
        (0..world.below(3)).map(|_| if world.chance(4) { world.below(2) as u8 } else { world.fresh() }).collect()
    }

    fn key(&self) -> DecisionKey {
        DecisionKey::new(transaction(self.transaction), self.attempt).unwrap()
    }

    /// Other claims have another.
    fn content(&self) -> [u8; 32] {
        let mut content = [0; 32];
        let fields =
            [self.transaction, self.attempt as usize, self.subject, self.face, self.clerk.map_or(9, |one| one)];
        fields.iter().zip(&mut content).for_each(|(field, byte)| *byte = *field as u8);
        content[5..8].copy_from_slice(&[u8::from(self.counts), u8::from(self.lifetime_ms == 20), self.variant]);
        content[8] = self.bands.len() as u8;
        content[9..9 + self.bands.len()].copy_from_slice(&self.bands);
        content
    }
}

enum Refused {
    Gallery(GalleryError),
    Busy,
}

impl From<GalleryError> for Refused {
    fn from(error: GalleryError) -> Self {
        Self::Gallery(error)
    }
}

/// What an engine does with a claim: reads, searches, judges, commits, and again where what it rests on has
/// changed meanwhile.
async fn decide(gallery: &Gallery, claim: &Claim) -> Result<StoredDecision, Refused> {
    let (key, content, subject) = (claim.key(), claim.content(), subject(claim.subject));
    let wanted = ReadSet {
        decision: Some(key.clone()),
        subjects: vec![subject.clone()],
        templates: true,
        recent: Some((subject.clone(), Timestamp(0))),
        newest_of: Some(subject.clone()),
        cleared_with: Some(subject.clone()),
        ..ReadSet::default()
    };
    let probe = template(claim.face as u64);
    let bands: Vec<_> = claim.bands.iter().map(|band| [*band; 8]).collect();
    for _ in 0..TRIES_MAX {
        let records = gallery.read(wanted.clone()).await?;
        if let Some(stored) = records.decision {
            return if stored.content == content { Ok(stored) } else { Err(GalleryError::TransactionReused.into()) };
        }
        let expected = next_attempt(records.last_decision.as_ref(), &subject, "social", None)?;
        if claim.looks_first && claim.attempt != expected {
            return Err(GalleryError::AttemptOutOfOrder { expected }.into());
        }
        let found = gallery.find(&probe, Scope::Within(SCORE), &Filter::default()).await?;
        let is_other = |of: &SubjectId| *of != subject && records.cleared_with.binary_search(of).is_err();
        let elsewhere = found.candidates.iter().any(|one| is_other(&one.subject));
        let captures = gallery.captures_sharing(&bands).await?;
        let is_copy = captures.captures.iter().any(|one| one.key.transaction != key.transaction);
        let others = records.recent.iter().filter(|head| head.key.transaction != key.transaction).count();
        let head = records.head(&subject).cloned();
        let is_theirs = records.templates.iter().any(|one| face(&one.content.template) == claim.face);
        let outcome = match () {
            () if head.is_some() && !is_theirs => Outcome::Deny,
            () if head.as_ref().is_some_and(|head| head.standing.is_restricted()) => Outcome::Refer,
            () if elsewhere || is_copy || (claim.counts && others >= COUNTED_MAX) => Outcome::Refer,
            () => Outcome::Approve,
        };
        let clerk = claim.clerk.map(|clerk| id(CLERKS[clerk]));
        let enrols = head.is_none() && outcome == Outcome::Approve;
        let new = enrolment(subject.as_str(), EnrolMode::Create, &[claim.face as u64]);
        let capture = NewCapture { fingerprint: claim.bands.clone(), bands: bands.clone() };
        let decision = NewDecision {
            key: key.clone(),
            content,
            subject: subject.clone(),
            scheme: "social".to_owned(),
            outcome,
            reasons: Vec::new(),
            presented_by: clerk.clone(),
            answer: content.to_vec(),
            captures: if bands.is_empty() { Vec::new() } else { vec![capture] },
            captures_lifetime_ms: claim.lifetime_ms,
            pictures: None,
            unit: None,
            province: None,
            enrolment: enrols.then_some(Enrolment { by: clerk, ..new }),
            basis: Some(Basis {
                subject: head,
                cleared_with: records.cleared_with.clone(),
                searched: Some(vec![Searched { probe: probe.clone(), score: SCORE, as_of: found.as_of }]),
                newest: claim.counts.then_some(records.newest),
                captures_before: Some(captures.next),
            }),
            challenge: None,
            facts: crate::ledger::facts(),
        };
        match gallery.decide(&by(), decision).await {
            Err(GalleryError::Outdated | GalleryError::SubjectExists) => {}
            decided => return Ok(decided?.0),
        }
    }
    Err(Refused::Busy)
}

/// A clerk who claims, asks again without an answer, and tries once more where that was no approval.
async fn claimant(world: Rc<World>, mut claim: Claim, attempts: usize) {
    let (mut made, mut answered) = (0, None);
    for _ in 0..ASKED_MAX * 3 {
        let asked = claim.clone();
        let told = world.ask(async move |gallery| decide(&gallery, &asked).await).await;
        match told {
            None | Some(Err(Refused::Busy)) => {}
            Some(Ok(stored)) => {
                world.acknowledged(&claim.key(), &claim.content(), &stored);
                if let Some(before) = answered.replace(stored.clone()) {
                    assert!(before == without_answers(stored.clone()), "one claim has two answers");
                }
                answered = answered.map(without_answers);
                if world.chance(3) {
                    continue;
                }
                made += 1;
                if made == attempts || stored.outcome == Outcome::Approve {
                    return;
                }
                (claim.attempt, answered) = (claim.attempt + 1, None);
                if world.chance(2) {
                    claim.face = world.below(FACES);
                }
                claim.bands = Claim::any_bands(&world);
            }
            Some(Err(Refused::Gallery(GalleryError::TransactionReused))) => {
                let truth = world.truth.borrow();
                let attempts = &truth.transactions[&claim.key().transaction];
                let other = truth.attempt(&claim.key()).is_some_and(|one| one.content != claim.content());
                assert!(other || attempts[0].subject != subject(claim.subject), "refused as another's");
                return;
            }
            Some(Err(Refused::Gallery(GalleryError::AttemptOutOfOrder { expected }))) => {
                assert!(answered.is_none(), "a claim that was answered is not known any more");
                claim.attempt = expected;
            }
            Some(Err(Refused::Gallery(GalleryError::TransactionClosed))) => {
                assert!(answered.is_none(), "a claim that was answered is not known any more");
                return;
            }
            Some(Err(Refused::Gallery(error))) => panic!("a claim was refused: {error}"),
        }
    }
}

/// What officers said of it may come between two answers.
fn without_answers(stored: StoredDecision) -> StoredDecision {
    StoredDecision { resolutions: Vec::new(), officers_needed: 0, ..stored }
}

/// An officer who looks at cases and answers some.
async fn officer(world: Rc<World>) {
    let who = id(OFFICERS[world.below(OFFICERS.len())]);
    for _ in 0..2 + world.below(8) {
        let transaction = transaction(world.below(TRANSACTIONS));
        let asked = transaction.clone();
        let Some(last) = world.ask(async move |gallery| gallery.last_decision(&asked).await.unwrap()).await else {
            continue;
        };
        let Some(last) = last.filter(|last| last.waits() || world.chance(4)) else {
            world.wait().await;
            continue;
        };
        let outcome = if world.chance(3) { Outcome::Deny } else { Outcome::Approve };
        let reason = Note::new(if world.chance(2) { "seen" } else { "seen well" }).unwrap();
        let resolution = Resolution { officer: who.clone(), outcome, reason, resolved_at: Timestamp(0) };
        let needed = 1 + world.below(2) as u32;
        let command = ResolveCommand { key: last.key.clone(), resolution: resolution.clone(), officers_needed: needed };
        let mut is_done = false;
        for _ in 0..ASKED_MAX {
            let asked = command.clone();
            match world.ask(async move |gallery| gallery.resolve(&by(), asked).await).await {
                None => continue,
                Some(Ok((stored, _))) => {
                    is_done = true;
                    let is_own = |one: &Resolution| one.officer == who && one.outcome == outcome;
                    assert!(stored.resolutions.iter().any(is_own), "an officer's answer is not in the case");
                }
                Some(Err(
                    GalleryError::UnknownAttempt
                    | GalleryError::NotReferred
                    | GalleryError::AlreadyResolved
                    | GalleryError::OfficerInvolved,
                )) => assert!(!is_done, "an officer's answer that was sent again was refused"),
                Some(Err(error)) => panic!("an officer's answer was refused: {error}"),
            }
            if !world.chance(4) {
                break;
            }
        }
    }
}

/// An officer who clears pairs and ends that.
async fn pairs(world: Rc<World>) {
    let who = id(OFFICERS[world.below(OFFICERS.len())]);
    for _ in 0..1 + world.below(4) {
        let first = world.below(SUBJECTS);
        let second = (first + 1 + world.below(SUBJECTS - 1)) % SUBJECTS;
        let (first, second, reason) = (subject(first), subject(second), Note::new("twins").unwrap());
        let ends = world.chance(3);
        let officers_needed = 1 + u32::from(world.chance(3));
        let lifetime_ms = world.chance(4).then_some(30);
        let officer = who.clone();
        let told = world.ask(async move |gallery| match ends {
            true => gallery.unclear_pair(&by(), UnclearPair { first, second, officer, reason }).await,
            false => {
                let clear = ClearPair { first, second, officer, reason, officers_needed, lifetime_ms };
                gallery.clear_pair(&by(), clear).await
            }
        });
        match told.await {
            None | Some(Ok(_)) => {}
            Some(Err(GalleryError::UnknownPair | GalleryError::UnknownSubject | GalleryError::OfficerInvolved)) => {}
            Some(Err(error)) => panic!("a pair was refused: {error}"),
        }
        world.wait().await;
    }
}

/// Somebody who enrols and removes people, and sends it again without an answer.
async fn office(world: Rc<World>, number: u8) {
    let mut done: Option<(u8, u8, Receipt)> = None;
    let mut what = None;
    for request in 0..1 + world.below(5) as u8 {
        let same = what.take().filter(|_| world.chance(8));
        let (content, new) = same.unwrap_or_else(|| {
            let (of, face) = (world.below(SUBJECTS), world.below(FACES));
            let mode = [EnrolMode::Create, EnrolMode::Add, EnrolMode::Replace][world.below(3)];
            let faces: Vec<u64> = (0..1 + world.below(2)).map(|more| ((face + more) % FACES) as u64).collect();
            let by = world.chance(3).then(|| id(OFFICERS[world.below(OFFICERS.len())]));
            let new = Enrolment { by, ..enrolment(subject(of).as_str(), mode, &faces) };
            (request, if world.chance(4) { Err(subject(of)) } else { Ok(new) })
        });
        let retry = Retry { content: [content; 32], ..retry(format!("r-{number}-{request}"), 0) };
        for _ in 0..ASKED_MAX {
            let (asked, named) = (new.clone(), retry.clone());
            let told = world.ask(async move |gallery| match asked {
                Ok(new) => gallery.enrol(&by(), new, Some(named)).await,
                Err(subject) => gallery.remove(&by(), &subject, Some(named)).await,
            });
            match told.await {
                None => continue,
                Some(Ok(receipt)) => {
                    if let Some((_, _, before)) = done.as_ref().filter(|one| (one.0, one.1) == (request, content)) {
                        assert_eq!(receipt, Receipt { replayed: true, ..before.clone() }, "one write has two receipts");
                    }
                    done = Some((request, content, receipt));
                }
                Some(Err(
                    GalleryError::SubjectExists
                    | GalleryError::UnknownSubject
                    | GalleryError::RecordKept
                    | GalleryError::RecordRestricted,
                )) => {
                    let is_done = done.as_ref().is_some_and(|one| (one.0, one.1) == (request, content));
                    assert!(!is_done, "a write that was done was refused");
                }
                Some(Err(error)) => panic!("a write was refused: {error}"),
            }
            if !world.chance(3) {
                break;
            }
        }
        if world.chance(3) {
            // Its id for something else.
            let (asked, other) = (new.clone(), Retry { content: [200; 32], ..retry.clone() });
            let told = world.ask(async move |gallery| match asked {
                Ok(new) => gallery.enrol(&by(), new, Some(other)).await,
                Err(subject) => gallery.remove(&by(), &subject, Some(other)).await,
            });
            if done.as_ref().is_some_and(|one| one.0 == request) {
                let told = told.await;
                assert!(
                    matches!(told, None | Some(Err(GalleryError::RequestIdReused))),
                    "one request id did two things"
                );
            }
        }
        what = Some((content, new));
    }
}

/// Somebody who restricts records and lifts that again.
async fn restrictions(world: Rc<World>) {
    for request in 0..1 + world.below(4) {
        let action = if world.chance(2) { StandingAction::Lift } else { StandingAction::Restrict(Requester::Person) };
        let reason = Note::new("as was asked").unwrap();
        let change = ChangeStanding { subject: subject(world.below(SUBJECTS)), action, by: id("officer-9"), reason };
        let retry = retry(format!("restriction-{request}"), request as u8);
        for _ in 0..ASKED_MAX {
            let (asked, named) = (change.clone(), retry.clone());
            match world.ask(async move |gallery| gallery.change_standing(&by(), asked, Some(named)).await).await {
                None => continue,
                Some(Ok(_) | Err(GalleryError::UnknownSubject | GalleryError::NotRestricted)) => {}
                Some(Err(error)) => panic!("a restriction was refused: {error}"),
            }
            if !world.chance(4) {
                break;
            }
        }
        world.wait().await;
    }
}

/// Whatever was acknowledged before a search began is in it, and nothing that is not there.
async fn searcher(world: Rc<World>) {
    for _ in 0..1 + world.below(4) {
        let face = world.below(FACES);
        let before = world.truth.borrow().then.len();
        let search = async move |gallery: Rc<Gallery>| {
            gallery.find(&template(face as u64), Scope::Within(SCORE), &Filter::default()).await.unwrap()
        };
        let Some(found) = world.ask(search).await else { continue };
        let truth = world.truth.borrow();
        // As it was before the first command that the search may have missed, and at every moment since.
        let moments = &truth.then[before.saturating_sub(1)..];
        let has = |then: &std::collections::BTreeMap<SubjectId, Vec<usize>>, of: &SubjectId| {
            then.get(of).is_some_and(|faces| faces.contains(&face))
        };
        for one in &found.candidates {
            assert!(moments.iter().any(|then| has(then, &one.subject)), "somebody was found who was not there");
        }
        for number in 0..SUBJECTS {
            let of = subject(number);
            let was_there = !moments.is_empty() && before > 0 && moments.iter().all(|then| has(then, &of));
            let is_found = found.candidates.iter().any(|one| one.subject == of);
            assert!(is_found || !was_there, "somebody was not found who had been there before the search began");
        }
    }
}

//! What must be true of a gallery: rules of its own, simpler and slower than the gallery's, to which every
//! commit is held in the order in which they were carried out.

use std::collections::{BTreeMap, BTreeSet};

use chinhchu::face::Template;
use chinhchu::gallery::{
    CaptureBand, ChangeStanding, ClearPair, Command, Committed, DecisionKey, EnrolMode, Enrolment, GalleryError,
    NewDecision, Outcome, Receipt, RequestId, ResolveCommand, Retry, StandingAction, SubjectId, Timestamp, UnclearPair,
};

/// Decisions of other transactions about one record from which on an officer looks at it.
pub const COUNTED_MAX: usize = 4;

/// Whose face a template shows: its largest value says so.
pub fn face(template: &Template) -> usize {
    let values = template.vector().iter().enumerate();
    values.max_by(|one, other| one.1.total_cmp(other.1)).map_or(0, |(place, _)| place)
}

#[derive(Clone)]
pub struct Attempt {
    pub content: [u8; 32],
    pub subject: SubjectId,
    pub outcome: Outcome,
    pub clerk: Option<SubjectId>,
    pub commit: u64,
    pub number: u64,
    /// Officer, outcome and reason of each answer.
    pub answers: Vec<(SubjectId, Outcome, String)>,
    needed: u32,
}

impl Attempt {
    fn is_closed(&self) -> bool {
        let approvals = self.answers.iter().filter(|one| one.1 == Outcome::Approve).count();
        self.answers.iter().any(|one| one.1 == Outcome::Deny) || (approvals > 0 && approvals >= self.needed as usize)
    }

    fn waits(&self) -> bool {
        !self.is_closed() && (self.outcome == Outcome::Refer || !self.answers.is_empty())
    }
}

#[derive(Clone, Default)]
pub struct Pair {
    /// Who cleared it, in this round.
    officers: Vec<SubjectId>,
    needed: u32,
    expires_at: Option<Timestamp>,
    is_ended: bool,
}

impl Pair {
    fn is_over(&self, now: Timestamp) -> bool {
        self.is_ended || self.expires_at.is_some_and(|end| end <= now)
    }

    pub fn is_in_force(&self, now: Timestamp) -> bool {
        !self.is_over(now) && self.officers.len() >= self.needed as usize
    }
}

pub struct Capture {
    pub band: CaptureBand,
    pub key: DecisionKey,
    pub subject: SubjectId,
    pub expires_at: Timestamp,
}

/// What is stored, as far as the rules go.
#[derive(Default)]
pub struct Truth {
    /// The faces of every record's templates, in order.
    pub faces: BTreeMap<SubjectId, Vec<usize>>,
    enrolled_by: BTreeMap<SubjectId, BTreeSet<String>>,
    /// Records that take part in no search, and in no approval.
    pub restricted: BTreeSet<SubjectId>,
    pub transactions: BTreeMap<RequestId, Vec<Attempt>>,
    pub pairs: BTreeMap<(SubjectId, SubjectId), Pair>,
    retries: BTreeMap<RequestId, ([u8; 32], Receipt)>,
    pub captures: Vec<Capture>,
    /// Entries of the log, where one is kept.
    pub entries: u64,
    /// Commits that changed something.
    pub commits: u64,
    pub decisions: u64,
    /// Whose face was found under whose number, after each command.
    pub then: Vec<BTreeMap<SubjectId, Vec<usize>>>,
    /// Approvals that found somebody else with the face, who was cleared.
    pub approved_beside: u64,
}

fn person(id: &SubjectId) -> String {
    id.as_str().to_lowercase()
}

fn ordered(one: &SubjectId, other: &SubjectId) -> (SubjectId, SubjectId) {
    if one < other { (one.clone(), other.clone()) } else { (other.clone(), one.clone()) }
}

macro_rules! must {
    ($holds:expr, $($told:tt)+) => { if !$holds { return Err(format!($($told)+)); } };
}

impl Truth {
    pub fn attempt(&self, key: &DecisionKey) -> Option<&Attempt> {
        self.transactions.get(&key.transaction)?.get(key.attempt as usize - 1)
    }

    /// Takes a command in that was carried out or refused; an error says what is wrong with that.
    pub fn take(
        &mut self,
        command: &Command,
        result: &Result<Committed, GalleryError>,
        now: Timestamp,
    ) -> Result<(), String> {
        if let Err(error) = result {
            let is_of_the_rules = !matches!(
                error,
                GalleryError::Storage(_) | GalleryError::Damaged { .. } | GalleryError::Closing | GalleryError::Behind
            );
            must!(is_of_the_rules, "the store failed: {error}");
        }
        let command = match command {
            Command::Entered(command, entries) => {
                if let Ok(done) = result {
                    let again = done.receipt.replayed;
                    // That an answer is handed out again is entered, by a commit of its own.
                    self.commits += u64::from(again);
                    self.entries += if again { 1 } else { entries.len() as u64 };
                }
                command
            }
            command => command,
        };
        match command {
            Command::Enrol(enrolment, retry) => self.enrolled(enrolment, retry.as_ref(), result)?,
            Command::Remove(subject, retry) => self.removed(subject, retry.as_ref(), result)?,
            Command::ChangeStanding(change, retry) => self.stands(change, retry.as_ref(), result)?,
            Command::Decide(decision) => self.decided(decision, result, now)?,
            Command::Resolve(resolve) => self.resolved(resolve, result)?,
            Command::Clear(clear) => self.cleared(clear, result, now)?,
            Command::Unclear(unclear) => self.uncleared(unclear, result, now)?,
            _ => return Err("a command that no program gives".to_owned()),
        }
        let searched = self.faces.iter().filter(|(of, _)| !self.restricted.contains(of));
        self.then.push(searched.map(|(of, faces)| (of.clone(), faces.clone())).collect());
        Ok(())
    }

    /// Of a write that was not done before: its commit is the next.
    fn is_next(&mut self, receipt: &Receipt) -> Result<(), String> {
        self.commits += 1;
        must!(receipt.commit == self.commits, "commit {} after {}", receipt.commit, self.commits - 1);
        Ok(())
    }

    fn waits_for_officer(&self, subject: &SubjectId) -> bool {
        let last = self.transactions.values().filter_map(|attempts| attempts.last());
        last.into_iter().any(|last| last.subject == *subject && last.waits())
    }

    fn is_kept(&self, subject: &SubjectId) -> bool {
        self.restricted.contains(subject) || self.waits_for_officer(subject)
    }

    /// `Some` where a write with this request id was done: what there is to check then.
    fn repeated(&self, retry: Option<&Retry>, result: &Result<Committed, GalleryError>) -> Option<Result<(), String>> {
        let (content, receipt) = self.retries.get(&retry?.request_id)?;
        let is_right = match result {
            Ok(done) => *content == retry?.content && done.receipt == Receipt { replayed: true, ..receipt.clone() },
            Err(error) => *content != retry?.content && matches!(error, GalleryError::RequestIdReused),
        };
        Some(if is_right { Ok(()) } else { Err("a resend was not answered as the first time".to_owned()) })
    }

    fn enrolled(
        &mut self,
        enrolment: &Enrolment,
        retry: Option<&Retry>,
        result: &Result<Committed, GalleryError>,
    ) -> Result<(), String> {
        if let Some(checked) = self.repeated(retry, result) {
            return checked;
        }
        let subject = &enrolment.subject;
        let is_there = self.faces.contains_key(subject);
        let refused = match enrolment.mode {
            EnrolMode::Create if is_there => Some(GalleryError::SubjectExists),
            EnrolMode::Add if self.restricted.contains(subject) => Some(GalleryError::RecordRestricted),
            EnrolMode::Replace if is_there && self.is_kept(subject) => Some(GalleryError::RecordKept),
            _ => None,
        };
        let receipt = match (result, refused) {
            (Ok(done), None) => &done.receipt,
            (Err(error), Some(expected)) if error.to_string() == expected.to_string() => return Ok(()),
            (Ok(_), Some(expected)) => return Err(format!("an enrolment was accepted in spite of: {expected}")),
            (Err(error), _) => return Err(format!("an enrolment was refused: {error}")),
        };
        must!(!receipt.replayed, "an enrolment was taken for one of before");
        self.is_next(receipt)?;
        let is_fresh = !is_there || enrolment.mode == EnrolMode::Replace;
        if is_fresh {
            self.forget_pairs(subject);
        }
        self.put(enrolment, is_fresh);
        must!(receipt.templates as usize == self.faces[subject].len(), "an enrolment counts other templates");
        self.keep(retry, receipt);
        Ok(())
    }

    fn put(&mut self, enrolment: &Enrolment, is_fresh: bool) {
        let faces = self.faces.entry(enrolment.subject.clone()).or_default();
        let by = self.enrolled_by.entry(enrolment.subject.clone()).or_default();
        if is_fresh {
            faces.clear();
            by.clear();
        }
        faces.extend(enrolment.templates.iter().map(|new| face(&new.template)));
        by.extend(enrolment.by.as_ref().map(person));
    }

    fn keep(&mut self, retry: Option<&Retry>, receipt: &Receipt) {
        if let Some(retry) = retry {
            self.retries.insert(retry.request_id.clone(), (retry.content, receipt.clone()));
        }
    }

    fn forget_pairs(&mut self, subject: &SubjectId) {
        self.pairs.retain(|(one, other), _| one != subject && other != subject);
    }

    fn removed(
        &mut self,
        subject: &SubjectId,
        retry: Option<&Retry>,
        result: &Result<Committed, GalleryError>,
    ) -> Result<(), String> {
        if let Some(checked) = self.repeated(retry, result) {
            return checked;
        }
        let receipt = match result {
            Ok(done) => &done.receipt,
            Err(GalleryError::UnknownSubject) if !self.faces.contains_key(subject) => return Ok(()),
            Err(GalleryError::RecordKept) if self.is_kept(subject) => return Ok(()),
            Err(error) => return Err(format!("a removal was refused: {error}")),
        };
        must!(!receipt.replayed, "a removal was taken for one of before");
        must!(self.faces.contains_key(subject), "somebody was removed who was not there");
        must!(!self.is_kept(subject), "somebody was removed who is restricted, or for whom an officer is expected");
        self.is_next(receipt)?;
        self.faces.remove(subject);
        self.enrolled_by.remove(subject);
        self.forget_pairs(subject);
        self.captures.retain(|capture| capture.subject != *subject);
        self.keep(retry, receipt);
        Ok(())
    }

    fn stands(
        &mut self,
        change: &ChangeStanding,
        retry: Option<&Retry>,
        result: &Result<Committed, GalleryError>,
    ) -> Result<(), String> {
        if let Some(checked) = self.repeated(retry, result) {
            return checked;
        }
        let (subject, lifts) = (&change.subject, change.action == StandingAction::Lift);
        let receipt = match result {
            Ok(done) => &done.receipt,
            Err(GalleryError::UnknownSubject) if !self.faces.contains_key(subject) => return Ok(()),
            Err(GalleryError::NotRestricted) if lifts && !self.restricted.contains(subject) => return Ok(()),
            Err(error) => return Err(format!("a restriction, or its end, was refused: {error}")),
        };
        must!(self.faces.contains_key(subject), "somebody was restricted who is not there");
        self.is_next(receipt)?;
        let was_restricted = if lifts { self.restricted.remove(subject) } else { true };
        must!(was_restricted, "a restriction was lifted that was not there");
        if !lifts {
            self.restricted.insert(subject.clone());
        }
        self.keep(retry, receipt);
        Ok(())
    }

    fn decided(
        &mut self,
        decision: &NewDecision,
        result: &Result<Committed, GalleryError>,
        now: Timestamp,
    ) -> Result<(), String> {
        let key = &decision.key;
        if let Some(earlier) = self.attempt(key) {
            return match result {
                Ok(Committed { receipt, decision: Some(stored), .. }) => {
                    must!(earlier.content == decision.content, "one attempt has two contents");
                    must!(receipt.replayed && stored.number == earlier.number, "an attempt was decided twice");
                    must!(stored.outcome == earlier.outcome, "a resend has another answer");
                    Ok(())
                }
                Ok(_) => Err("a decision was answered without itself".to_owned()),
                Err(GalleryError::TransactionReused) if earlier.content != decision.content => Ok(()),
                Err(error) => Err(format!("a resend was refused: {error}")),
            };
        }
        let Ok(Committed { receipt, decision: stored, .. }) = result else { return Ok(()) };
        let stored = stored.as_ref().ok_or("a decision was answered without itself")?;
        must!(!receipt.replayed, "a decision was taken for one of before");
        self.is_next(receipt)?;
        self.decisions += 1;
        must!(stored.number == self.decisions && stored.commit == self.commits, "a decision has another number");
        let before = self.transactions.get(&key.transaction).map_or(&[][..], Vec::as_slice);
        must!(key.attempt as usize == before.len() + 1, "attempt {} after {}", key.attempt, before.len());
        if let Some(last) = before.last() {
            must!(last.subject == decision.subject, "one transaction is about two people");
            let is_open = last.outcome != Outcome::Approve && last.answers.is_empty();
            must!(is_open, "an attempt was made of a transaction that was closed, or taken up by an officer");
        }
        if decision.outcome == Outcome::Approve {
            self.check_approval(decision, now)?;
        }
        if let Some(enrolment) = &decision.enrolment {
            must!(!self.faces.contains_key(&enrolment.subject), "somebody was enrolled twice");
            self.put(enrolment, true);
        }
        let attempt = Attempt {
            content: decision.content,
            subject: decision.subject.clone(),
            outcome: decision.outcome,
            clerk: decision.presented_by.clone(),
            commit: stored.commit,
            number: stored.number,
            answers: Vec::new(),
            needed: 0,
        };
        self.transactions.entry(key.transaction.clone()).or_default().push(attempt);
        let expires_at = Timestamp(now.0 + decision.captures_lifetime_ms);
        let bands = decision.captures.iter().flat_map(|capture| capture.bands.iter());
        self.captures.extend(bands.map(|band| Capture {
            band: *band,
            key: key.clone(),
            subject: decision.subject.clone(),
            expires_at,
        }));
        Ok(())
    }

    /// Whether an engine may approve this claim as things stand when it is committed.
    fn check_approval(&mut self, decision: &NewDecision, now: Timestamp) -> Result<(), String> {
        let subject = &decision.subject;
        let basis = decision.basis.as_ref().ok_or("a decision without a basis")?;
        let searched = basis.searched.as_ref().and_then(|all| all.first()).ok_or("a decision without a search")?;
        let shown = face(&searched.probe);
        for (other, faces) in &self.faces {
            if other == subject || !faces.contains(&shown) || self.restricted.contains(other) {
                continue;
            }
            let is_cleared = self.pairs.get(&ordered(subject, other)).is_some_and(|pair| pair.is_in_force(now));
            must!(is_cleared, "a face was approved under a second number");
            self.approved_beside += 1;
        }
        must!(!self.restricted.contains(subject), "a restricted record was approved");
        match self.faces.get(subject) {
            Some(faces) => must!(faces.contains(&shown), "somebody was approved as somebody else"),
            None => must!(decision.enrolment.is_some(), "somebody was approved who is not enrolled"),
        }
        let bands: BTreeSet<_> = decision.captures.iter().flat_map(|one| one.bands.iter()).collect();
        let is_copy = |one: &&Capture| one.key.transaction != decision.key.transaction && bands.contains(&one.band);
        let kept = self.captures.iter().filter(|one| one.expires_at > now);
        must!(kept.filter(is_copy).count() == 0, "a capture was approved that had been used before");
        if basis.newest.is_some() {
            let others = self.transactions.iter().filter(|(transaction, _)| **transaction != decision.key.transaction);
            let about = others.flat_map(|(_, attempts)| attempts).filter(|one| one.subject == *subject).count();
            must!(about < COUNTED_MAX, "one record was asked for too often, and it was approved");
        }
        Ok(())
    }

    fn resolved(&mut self, resolve: &ResolveCommand, result: &Result<Committed, GalleryError>) -> Result<(), String> {
        let ResolveCommand { key, resolution, officers_needed } = resolve;
        let said = (resolution.officer.clone(), resolution.outcome, resolution.reason.as_str().to_owned());
        let is_said = self.attempt(key).is_some_and(|attempt| attempt.answers.contains(&said));
        let receipt = match result {
            Ok(done) => &done.receipt,
            Err(error) if is_said => {
                return Err(format!("an officer's answer that was sent again was refused: {error}"));
            }
            Err(_) => return Ok(()),
        };
        must!(receipt.replayed == is_said, "an officer's answer was taken twice, or not at all");
        if is_said {
            return Ok(());
        }
        self.is_next(receipt)?;
        let officer = person(&resolution.officer);
        let attempts = self.transactions.get_mut(&key.transaction).ok_or("an answer to nothing")?;
        must!(key.attempt as usize == attempts.len(), "an officer answered to an attempt that is not the last");
        let presented = attempts.iter().filter_map(|one| one.clerk.as_ref()).any(|clerk| person(clerk) == officer);
        must!(!presented, "a clerk answered to their own case");
        let last = attempts.last_mut().ok_or("an answer to nothing")?;
        let enrolled = self.enrolled_by.get(&last.subject).is_some_and(|by| by.contains(&officer));
        must!(!enrolled, "somebody answered to the case of a record that they enrolled");
        must!(last.outcome != Outcome::Approve, "an officer answered to what was approved");
        must!(!last.is_closed(), "an officer answered to a case that is closed");
        let approved = |one: &(SubjectId, Outcome, String)| one.1 == Outcome::Approve && person(&one.0) == officer;
        let is_second = resolution.outcome == Outcome::Approve && last.answers.iter().any(approved);
        must!(!is_second, "one officer approved as two");
        if last.answers.is_empty() {
            last.needed = *officers_needed;
        }
        last.answers.push(said);
        Ok(())
    }

    fn cleared(
        &mut self,
        clear: &ClearPair,
        result: &Result<Committed, GalleryError>,
        now: Timestamp,
    ) -> Result<(), String> {
        let Ok(done) = result else { return Ok(()) };
        let officer = person(&clear.officer);
        let pair = self.pairs.get(&ordered(&clear.first, &clear.second));
        let is_done = pair.is_some_and(|pair| {
            let is_theirs = pair.officers.iter().any(|one| person(one) == officer);
            pair.is_in_force(now) || (!pair.is_over(now) && is_theirs)
        });
        must!(done.receipt.replayed == is_done, "a pair was cleared twice, or not at all");
        let stored = done.pair.as_ref().ok_or("a pair was answered without itself")?;
        if !is_done {
            for subject in [&clear.first, &clear.second] {
                let enrolled = self.enrolled_by.get(subject).is_some_and(|by| by.contains(&officer));
                must!(!enrolled, "somebody cleared a pair of a record that they enrolled");
                let about = self.transactions.values().flatten().filter(|one| one.subject == *subject);
                let presented = about.filter_map(|one| one.clerk.as_ref()).any(|clerk| person(clerk) == officer);
                must!(!presented, "a clerk cleared a pair of a case that they presented");
            }
            self.is_next(&done.receipt)?;
            let pair = self.pairs.entry(ordered(&clear.first, &clear.second)).or_default();
            if pair.officers.is_empty() || pair.is_over(now) {
                *pair = Pair {
                    officers: Vec::new(),
                    needed: clear.officers_needed,
                    expires_at: clear.lifetime_ms.map(|lifetime| Timestamp(now.0 + lifetime)),
                    is_ended: false,
                };
            }
            pair.officers.push(clear.officer.clone());
        }
        let pair = &self.pairs[&ordered(&clear.first, &clear.second)];
        let is_in_force = stored.state(now) == chinhchu::gallery::PairState::InForce;
        must!(is_in_force == pair.is_in_force(now), "a pair stands otherwise than officers said");
        Ok(())
    }

    fn uncleared(
        &mut self,
        unclear: &UnclearPair,
        result: &Result<Committed, GalleryError>,
        now: Timestamp,
    ) -> Result<(), String> {
        let Ok(done) = result else { return Ok(()) };
        let key = ordered(&unclear.first, &unclear.second);
        let is_over = self.pairs.get(&key).ok_or("a pair was ended that was never cleared")?.is_over(now);
        must!(done.receipt.replayed == is_over, "a pair was ended twice, or not at all");
        if !is_over {
            self.is_next(&done.receipt)?;
            self.pairs.entry(key).or_default().is_ended = true;
        }
        Ok(())
    }
}

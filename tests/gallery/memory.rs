//! A record store and an index in memory, written against the traits alone: that they pass the
//! contract shows that the traits say all there is to know.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;
use chinhchu::context::RequestContext;
use chinhchu::face::{RecipeDigest, Template};
use chinhchu::gallery::{
    Arrived, Attributes, Candidate, CaptureBand, CapturesFound, Change, Changes, ClearedPair, Command, Committed,
    DecisionFilter, DecisionHead, DecisionKey, DecisionPage, Found, GalleryError, GalleryId, GallerySnapshot,
    IndexFilter, LedgerHead, LedgerRead, LedgerRecords, LedgerTables, NewTemplate, PairState, Plan, Planned,
    RECENT_MAX, ReadSet, RecordStore, Records, RequestFilter, RequestId, RequestPage, RetentionRun, Scope, Sizes,
    SnapshotHead, SnapshotPart, StoredCapture, StoredChallenge, StoredDecision, StoredPictures, StoredRequest,
    StoredTemplate, SubjectHead, SubjectId, SubjectRequest, Timestamp, VectorIndex, Watermark, Write,
};
use chinhchu::ledger::commitment::{Commitment, Opening};
use chinhchu::ledger::entry::{Entry, KeyedDigest, LedgerKey};
use chinhchu::ledger::hash::Hash;
use chinhchu::ledger::note::{Note as LogNote, VerifierKey};
use chinhchu::ledger::verify::Leaf;
use chinhchu::matching::compare;
use chinhchu::search::SearchError;

use crate::support::{DIMENSION, RECIPE};

/// Templates it may hold.
const TEMPLATES_MAX: u64 = 10_000;

#[derive(Clone, Default)]
struct Tables {
    commit: u64,
    last_change: u64,
    template_next: u64,
    subjects: BTreeMap<SubjectId, SubjectHead>,
    templates: BTreeMap<u64, (u64, SubjectId, NewTemplate)>,
    decisions: BTreeMap<DecisionKey, StoredDecision>,
    /// Number of the last decision.
    last_decision: u64,
    cleared: BTreeMap<(SubjectId, SubjectId), ClearedPair>,
    requests: BTreeMap<RequestId, StoredRequest>,
    captures: BTreeMap<u64, StoredCapture>,
    /// Number of the last capture.
    last_capture: u64,
    challenges: BTreeMap<u64, StoredChallenge>,
    /// By the number of their decision.
    pictures: BTreeMap<u64, StoredPictures>,
    of_people: BTreeMap<u64, SubjectRequest>,
    retention: Option<RetentionRun>,
    /// Number of the last request of a person.
    last_of_people: u64,
    log: Vec<(u64, Change)>,
    /// Where it keeps a transparency log.
    head: Option<LedgerHead>,
    commitments: Vec<Commitment>,
    openings: Vec<Option<Opening>>,
    about: Vec<Vec<KeyedDigest>>,
    tiles: BTreeMap<u8, Vec<Hash>>,
    checkpoints: BTreeMap<u64, LogNote>,
    is_closed: bool,
    /// As which it gives itself out: what is in memory lies nowhere.
    is_sealed: bool,
    /// What the clock shows; that of the machine where none is set.
    clock: Option<Timestamp>,
}

impl Tables {
    fn now(&self) -> Timestamp {
        self.clock.unwrap_or_else(Timestamp::now)
    }

    /// The pairs of a subject with the other of each, in byte order of that.
    fn pairs_of(&self, subject: &SubjectId) -> Vec<(SubjectId, ClearedPair)> {
        let other = |pair: &ClearedPair| match (pair.first == *subject, pair.second == *subject) {
            (true, _) => Some(pair.second.clone()),
            (_, true) => Some(pair.first.clone()),
            _ => None,
        };
        let of_it = self.cleared.values().filter_map(|pair| Some((other(pair)?, pair.clone())));
        let mut pairs: Vec<(SubjectId, ClearedPair)> = of_it.collect();
        pairs.sort_unstable_by(|one, other| one.0.cmp(&other.0));
        pairs
    }

    /// Captures from a number on that share one of the keys and are kept still.
    fn captures(&self, since: u64, bands: &[CaptureBand]) -> Vec<StoredCapture> {
        let now = self.now();
        let shares = |one: &&StoredCapture| one.content.bands.iter().any(|band| bands.contains(band));
        let kept = self.captures.range(since..).map(|(_, capture)| capture).filter(|one| one.expires_at > now);
        kept.filter(shares).cloned().collect()
    }

    /// Heads of all decisions by number; of those that wait, only the last of a transaction does.
    fn heads(&self) -> BTreeMap<u64, DecisionHead> {
        let is_last = |of: &StoredDecision| {
            let next = DecisionKey { attempt: of.key.attempt + 1, ..of.key.clone() };
            !self.decisions.contains_key(&next)
        };
        let head = |one: &StoredDecision| (one.number, one.head(one.waits() && is_last(one)));
        self.decisions.values().map(head).collect()
    }

    fn stored(&self, id: u64) -> Option<StoredTemplate> {
        self.templates.get(&id).map(|(_, _, content)| StoredTemplate { id, content: content.clone() })
    }

    fn read(&self, wanted: &ReadSet) -> Records {
        let decision = wanted.decision.as_ref().and_then(|key| self.decisions.get(key)).cloned();
        let last_decision = wanted.decision.as_ref().and_then(|key| {
            let of_it = self.decisions.values().filter(|decision| decision.key.transaction == key.transaction);
            of_it.max_by_key(|decision| decision.key.attempt).cloned()
        });
        let mut ids = wanted.subjects.clone();
        ids.extend(decision.iter().filter(|_| wanted.decided_subject).map(|decision| decision.subject.clone()));
        ids.sort_unstable();
        ids.dedup();
        let subjects: Vec<SubjectHead> = ids.iter().filter_map(|id| self.subjects.get(id)).cloned().collect();
        let templates = subjects.iter().filter(|_| wanted.templates).flat_map(|head| &head.templates);
        let templates = templates.filter_map(|&id| self.stored(id)).collect();
        let pairs = wanted.cleared_with.as_ref().map(|subject| self.pairs_of(subject)).unwrap_or_default();
        let now = self.now();
        let in_force = pairs.iter().filter(|(_, pair)| pair.state(now) == PairState::InForce);
        let cleared_with: Vec<SubjectId> = in_force.map(|(other, _)| other.clone()).collect();
        let attempts = wanted.decision.as_ref().filter(|_| wanted.attempts).map(|key| {
            let of_it = self.decisions.values().filter(|decision| decision.key.transaction == key.transaction);
            of_it.cloned().collect()
        });
        let recent = wanted.recent.as_ref().map(|(subject, since)| {
            let of_it = self.heads().into_values().filter(|head| head.subject == *subject);
            of_it.rev().take_while(|head| head.decided_at >= *since).take(RECENT_MAX).collect()
        });
        let presented = wanted.presented_about.iter().flat_map(|subject| {
            let about = self.decisions.values().filter(move |decision| decision.subject == *subject);
            about.map(|decision| (decision.subject.clone(), decision.presented_by.clone()))
        });
        let presented = presented.collect();
        let newest = wanted.newest_of.as_ref().and_then(|subject| {
            self.heads().into_values().rev().find(|head| head.subject == *subject).map(|head| head.number)
        });
        let about = wanted
            .decisions_about
            .as_ref()
            .map(|subject| self.heads().into_values().filter(|head| head.subject == *subject).collect());
        let pictures = decision.as_ref().filter(|_| wanted.pictures).and_then(|one| self.pictures.get(&one.number));
        let pictures = pictures.cloned();
        let pictures_kept = wanted.pictures_of.as_ref().map_or(0, |subject| {
            let kept = self.pictures.values().filter(|one| one.subject == *subject && one.kept_until > now);
            kept.map(|one| one.pictures.len() as u64).sum()
        });
        let expired_pictures = wanted.expired_pictures.map_or_else(Vec::new, |(before, limit)| {
            let is_over = |one: &&StoredPictures| one.kept_at < before || one.kept_until <= now;
            self.pictures.values().filter(is_over).map(|one| one.number).take(limit).collect()
        });
        let cleared_heads = cleared_with.iter().filter_map(|id| self.subjects.get(id)).cloned().collect();
        let arrived = wanted.arrived_after.map(|Watermark(after)| {
            let relabelled = |of: &SubjectId| {
                let newer = self.log.iter().filter(|(commit, _)| *commit > after);
                newer
                    .into_iter()
                    .any(|(_, change)| matches!(change, Change::Relabelled { subject, .. } if subject == of))
            };
            let newer =
                self.templates.iter().filter(|(_, (commit, subject, _))| *commit > after || relabelled(subject));
            let arrived = |(&id, (_, subject, content)): (&u64, &(u64, SubjectId, NewTemplate))| Arrived {
                subject: subject.clone(),
                restricted: self.subjects[subject].standing.is_restricted(),
                template: StoredTemplate { id, content: content.clone() },
            };
            newer.map(arrived).collect()
        });
        Records {
            as_of: Watermark(self.commit),
            commit: self.commit + 1,
            template_next: self.template_next,
            room: TEMPLATES_MAX - self.templates.len() as u64,
            templates_max: TEMPLATES_MAX,
            request: wanted.request.as_ref().and_then(|id| self.requests.get(id)).cloned(),
            decision,
            last_decision,
            attempts: attempts.unwrap_or_default(),
            recent: recent.unwrap_or_default(),
            presented,
            about: about.unwrap_or_default(),
            newest: newest.unwrap_or(0),
            captures: wanted
                .captures_since
                .as_ref()
                .map_or_else(Vec::new, |(since, bands)| self.captures(*since, bands)),
            capture_next: self.last_capture + 1,
            challenges: wanted.challenges_of.as_ref().map_or_else(Vec::new, |owner| {
                self.challenges.values().filter(|one| one.owner == *owner).cloned().collect()
            }),
            challenge_next: self.challenges.last_key_value().map_or(1, |(number, _)| number + 1),
            subject_requests: {
                let of = |one: &&SubjectRequest| {
                    wanted.subject_request == Some(one.number)
                        || (wanted.requests_of.is_some() && one.subject == wanted.requests_of)
                };
                self.of_people.values().filter(of).cloned().collect()
            },
            last_retention: self.retention.filter(|_| wanted.last_retention),
            // What is not sealed has none.
            has_key: false,
            subject_request_next: self.last_of_people + 1,
            decision_next: self.last_decision + 1,
            subjects,
            templates,
            cleared_with,
            pairs: pairs.into_iter().map(|(_, pair)| pair).collect(),
            cleared_heads,
            arrived,
            is_sealed: self.is_sealed,
            pictures,
            pictures_kept,
            expired_pictures,
            has_ledger: self.head.is_some(),
            entry_next: self.head.as_ref().map(|_| self.commitments.len() as u64),
            ledger: self.ledger(wanted),
        }
    }

    fn head(&self) -> Option<LedgerHead> {
        self.head.clone().map(|head| LedgerHead { entries: self.commitments.len() as u64, ..head })
    }

    fn ledger(&self, wanted: &ReadSet) -> Option<LedgerRecords> {
        let head = self.head()?;
        wanted.unsequenced.or(wanted.entered_before.map(|(_, limit)| limit))?;
        let behind = self.commitments.iter().skip(head.edge.size() as usize);
        let unsequenced = behind.take(wanted.unsequenced.unwrap_or(0)).copied().collect();
        let expired = wanted.entered_before.map_or(0, |(time, limit)| {
            let kept = self.openings.iter().skip(head.pruned as usize).flatten().take(limit);
            kept.take_while(|opening| Entry::decode(&opening.contents).unwrap().at_ms < time.0).count() as u64
        });
        Some(LedgerRecords { head, unsequenced, expired })
    }

    fn write(&mut self, write: Write) {
        let commit = self.commit;
        let mut change = None;
        match write {
            Write::Subject(head) => {
                let SubjectHead { id, attributes, templates, standing, .. } = head.clone();
                let restricted = standing.is_restricted();
                let is_new = |id: &u64| self.templates.get(id).is_some_and(|(came, ..)| *came == commit);
                let before = self.subjects.insert(head.id.clone(), head);
                for id in templates.iter().filter(|id| is_new(id)) {
                    let (_, subject, content) = self.templates[id].clone();
                    let attributes = attributes.clone();
                    self.log.push((commit, Change::Added { subject, attributes, restricted, id: *id, content }));
                    self.last_change = commit;
                }
                let is_other = |before: SubjectHead| {
                    before.attributes != attributes || before.standing.is_restricted() != restricted
                };
                if before.is_some_and(is_other) {
                    change = Some(Change::Relabelled { subject: id, attributes, restricted, templates });
                }
            }
            Write::RemoveSubject(id) => drop(self.subjects.remove(&id)),
            Write::Template { id, subject, content } => {
                self.template_next = id + 1;
                self.templates.insert(id, (commit, subject, content));
            }
            Write::RemoveTemplate { id, subject } => {
                let (_, owner, _) = self.templates.remove(&id).expect("a template that is there");
                assert_eq!(owner, subject);
                change = Some(Change::Removed { id });
            }
            Write::Decision(decision) => {
                self.last_decision = self.last_decision.max(decision.number);
                self.decisions.insert(decision.key.clone(), decision);
            }
            Write::ForgetDecisions(subject) => {
                self.decisions.retain(|_, decision| decision.subject != subject);
                self.pictures.retain(|_, pictures| pictures.subject != subject);
            }
            Write::Pictures(pictures) => drop(self.pictures.insert(pictures.number, pictures)),
            Write::RemovePictures(number) => drop(self.pictures.remove(&number)),
            Write::ForgetPictures(subject) => self.pictures.retain(|_, pictures| pictures.subject != subject),
            Write::ForgetChallenges(transaction) => {
                self.challenges.retain(|_, challenge| challenge.owner.transaction != transaction);
            }
            Write::SubjectRequest(request) => {
                self.last_of_people = self.last_of_people.max(request.number);
                self.of_people.insert(request.number, request);
            }
            Write::RemoveDecision(key) => {
                self.captures.retain(|_, capture| capture.key != key);
                let removed = self.decisions.remove(&key).expect("a decision that is there");
                self.pictures.remove(&removed.number);
            }
            Write::RemoveRequest(number) => drop(self.of_people.remove(&number)),
            Write::Retention(run) => self.retention = Some(run),
            Write::ForgetRequests(subject) => self.of_people.retain(|_, one| one.subject.as_ref() != Some(&subject)),
            // Nothing here is sealed.
            Write::ForgetKey(_) => {}
            Write::Capture(capture) => {
                self.last_capture = capture.number;
                self.captures.insert(capture.number, capture);
            }
            Write::ForgetCaptures(subject) => self.captures.retain(|_, capture| capture.subject != subject),
            Write::Challenge(challenge) => drop(self.challenges.insert(challenge.number, challenge)),
            Write::RemoveChallenge(number) => drop(self.challenges.remove(&number)),
            Write::Cleared(pair) => {
                drop(self.cleared.insert((pair.first.clone(), pair.second.clone()), pair));
            }
            Write::RemoveCleared(one, other) => {
                let key = if one < other { (one, other) } else { (other, one) };
                self.cleared.remove(&key);
            }
            Write::Request(id, request) => drop(self.requests.insert(id, request)),
            Write::Entry(entry) => {
                self.commitments.push(entry.opening.commitment());
                self.openings.push(Some(entry.opening));
                self.about.push(entry.about);
            }
            Write::Nodes(run) => {
                let level = self.tiles.entry(run.level).or_default();
                assert_eq!(level.len() as u64, run.first);
                level.extend(run.hashes);
            }
            Write::Checkpoint { size, note } => drop(self.checkpoints.insert(size, note)),
            Write::DropCheckpoint(size) => drop(self.checkpoints.remove(&size)),
            Write::Prune { first, until } => {
                for place in first as usize..until as usize {
                    self.openings[place] = None;
                    self.about[place].clear();
                }
            }
            Write::Ledger(head) => self.head = Some(*head),
            _ => panic!("a row of a kind that came later"),
        }
        if let Some(change) = change {
            self.log.push((commit, change));
            self.last_change = commit;
        }
    }
}

impl LedgerTables for Tables {
    fn head(&self) -> Result<Option<LedgerHead>, GalleryError> {
        Ok(self.head())
    }

    fn entries(&self, first: u64, limit: usize) -> Result<Vec<Leaf>, GalleryError> {
        let all = self.commitments.iter().zip(&self.openings).enumerate().skip(first as usize).take(limit);
        let leaf = |(place, (commitment, opening)): (usize, (&Commitment, &Option<Opening>))| Leaf {
            index: place as u64,
            commitment: *commitment,
            opening: opening.clone(),
        };
        Ok(all.map(leaf).collect())
    }

    fn about(&self, digest: &KeyedDigest, first: u64, limit: usize) -> Result<Vec<u64>, GalleryError> {
        let all = self.about.iter().enumerate().skip(first as usize);
        Ok(all.filter(|(_, about)| about.contains(digest)).map(|(place, _)| place as u64).take(limit).collect())
    }

    fn all_about(&self, visit: &mut dyn FnMut(KeyedDigest, u64)) -> Result<(), GalleryError> {
        for (place, about) in self.about.iter().enumerate() {
            about.iter().for_each(|digest| visit(*digest, place as u64));
        }
        Ok(())
    }

    fn tile(&self, level: u8, index: u64) -> Result<Option<Vec<u8>>, GalleryError> {
        let of_it = self.tiles.get(&level).and_then(|hashes| hashes.chunks(256).nth(index as usize));
        Ok(of_it.map(|hashes| hashes.iter().flat_map(|hash| *hash.as_bytes()).collect()))
    }

    fn checkpoints(&self, after: Option<u64>, limit: usize) -> Result<Vec<LogNote>, GalleryError> {
        let from = after.map_or(0, |after| after + 1);
        Ok(self.checkpoints.range(from..).map(|(_, note)| note.clone()).take(limit).collect())
    }
}

/// A [`RecordStore`] in memory.
pub struct MemoryStore {
    tables: Mutex<Tables>,
    recipes: Vec<(RecipeDigest, usize)>,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::of(&[(RECIPE, DIMENSION)])
    }
}

impl MemoryStore {
    /// For templates of these recipes.
    pub fn of(recipes: &[(RecipeDigest, usize)]) -> Self {
        Self { tables: Mutex::new(Tables { template_next: 1, ..Tables::default() }), recipes: recipes.to_vec() }
    }
}

impl MemoryStore {
    /// The same store, which gives itself out as sealed.
    pub fn given_out_as_sealed(self) -> Self {
        self.tables.lock().unwrap().is_sealed = true;
        self
    }

    /// Sets the clock, which stands still until it is set again.
    pub fn set_clock(&self, now: Timestamp) {
        self.tables.lock().unwrap().clock = Some(now);
    }

    /// The same store, which keeps a transparency log.
    pub fn with_ledger(self, key: &LedgerKey, first_key: VerifierKey) -> Self {
        self.tables.lock().unwrap().head = Some(LedgerHead::begin(key, first_key));
        self
    }

    fn tables(&self) -> Result<MutexGuard<'_, Tables>, GalleryError> {
        let tables = self.tables.lock().unwrap();
        if tables.is_closed { Err(GalleryError::Closing) } else { Ok(tables) }
    }
}

#[async_trait]
impl RecordStore for MemoryStore {
    fn id(&self) -> GalleryId {
        GalleryId::from_text(&"5".repeat(32)).unwrap()
    }

    fn recipes(&self) -> Vec<(RecipeDigest, usize)> {
        self.recipes.clone()
    }

    async fn read(&self, wanted: ReadSet) -> Result<Records, GalleryError> {
        Ok(self.tables()?.read(&wanted))
    }

    async fn commit(&self, _: &RequestContext, command: Command) -> Result<Committed, GalleryError> {
        let mut tables = self.tables()?;
        match command.plan(&tables.read(&command.reads()), tables.now())? {
            Planned::Done(committed) => Ok(committed),
            Planned::Write(Plan { writes, committed }) => {
                tables.commit += 1;
                writes.into_iter().for_each(|write| tables.write(write));
                Ok(committed)
            }
        }
    }

    fn last_change(&self) -> Watermark {
        Watermark(self.tables.lock().unwrap().last_change)
    }

    async fn changes(&self, after: Watermark) -> Result<Changes, GalleryError> {
        let tables = self.tables()?;
        let newer = tables.log.iter().filter(|(commit, _)| *commit > after.0);
        Ok(Changes {
            changes: newer.map(|(_, change)| change.clone()).collect(),
            up_to: Watermark(tables.commit),
            template_next: tables.template_next,
        })
    }

    async fn snapshot(&self) -> Result<GallerySnapshot, GalleryError> {
        let tables = self.tables()?;
        let head = SnapshotHead {
            recipes: self.recipes.clone(),
            subjects: tables.subjects.len() as u64,
            templates: tables.templates.len() as u64,
            template_next: tables.template_next,
            taken_at: tables.now(),
            master_key: None,
        };
        let all: Vec<StoredTemplate> = tables.templates.keys().filter_map(|&id| tables.stored(id)).collect();
        let mut parts = Vec::new();
        for head in tables.subjects.values() {
            parts.push(SnapshotPart::Subject(head.clone().with_templates(&all)?));
        }
        parts.extend(tables.cleared.values().cloned().map(SnapshotPart::Cleared));
        Ok(GallerySnapshot::whole(head, parts))
    }

    async fn subjects_after(&self, after: Option<&SubjectId>, limit: usize) -> Result<Vec<SubjectId>, GalleryError> {
        let tables = self.tables()?;
        let ids = tables.subjects.keys().filter(|id| after.is_none_or(|after| *id > after));
        Ok(ids.take(limit).cloned().collect())
    }

    async fn pairs_after(
        &self,
        after: Option<&(SubjectId, SubjectId)>,
        limit: usize,
    ) -> Result<Vec<ClearedPair>, GalleryError> {
        let tables = self.tables()?;
        let pairs = tables.cleared.iter().filter(|(ids, _)| after.is_none_or(|after| *ids > after));
        Ok(pairs.take(limit).map(|(_, pair)| pair.clone()).collect())
    }

    async fn captures_sharing(&self, bands: &[CaptureBand]) -> Result<CapturesFound, GalleryError> {
        let tables = self.tables()?;
        Ok(CapturesFound { captures: tables.captures(0, bands), next: tables.last_capture + 1 })
    }

    async fn decisions_after(
        &self,
        filter: &DecisionFilter,
        after: u64,
        limit: usize,
    ) -> Result<DecisionPage, GalleryError> {
        let heads = self.tables()?.heads();
        let mut passing = heads.into_values().filter(|head| head.number > after && filter.passes(head));
        let decisions: Vec<DecisionHead> = passing.by_ref().take(limit).collect();
        let more_after = passing.next().and(decisions.last().map(|last| last.number).or(Some(after)));
        Ok(DecisionPage { decisions, more_after })
    }

    async fn requests_after(
        &self,
        filter: &RequestFilter,
        after: u64,
        limit: usize,
    ) -> Result<RequestPage, GalleryError> {
        let tables = self.tables()?;
        let mut passing = tables.of_people.range(after + 1..).map(|(_, one)| one).filter(|one| filter.passes(one));
        let requests: Vec<SubjectRequest> = passing.by_ref().take(limit).cloned().collect();
        let more_after = passing.next().and(requests.last().map(|last| last.number).or(Some(after)));
        Ok(RequestPage { requests, more_after })
    }

    fn is_sealed(&self) -> bool {
        self.tables.lock().unwrap().is_sealed
    }

    fn has_ledger(&self) -> bool {
        self.tables.lock().unwrap().head.is_some()
    }

    async fn read_ledger(&self, read: LedgerRead) -> Result<(), GalleryError> {
        let tables = self.tables()?.clone();
        read(&tables)
    }

    fn sizes(&self) -> Sizes {
        let tables = self.tables.lock().unwrap();
        Sizes { subjects: tables.subjects.len() as u64, templates: tables.templates.len() as u64 }
    }

    fn close(&self) {
        self.tables.lock().unwrap().is_closed = true;
    }
}

/// By how much its scores are off at most.
const SCORE_ERROR: f32 = 0.02;

/// Whose, what its subject is searched by, whether that is restricted, and the template.
type Row = (SubjectId, Attributes, bool, Template);

#[derive(Default)]
struct Rows {
    watermark: u64,
    template_next: u64,
    templates: BTreeMap<u64, Row>,
}

/// A [`VectorIndex`] in memory, with scores that are a little off, as those of an index of
/// shortened vectors are.
pub struct MemoryIndex {
    rows: Mutex<Rows>,
    recipe: RecipeDigest,
    dimension: usize,
}

impl Default for MemoryIndex {
    fn default() -> Self {
        Self::of((RECIPE, DIMENSION))
    }
}

impl MemoryIndex {
    /// Everything that is in it: whose, and the template, by its id.
    pub fn contents(&self) -> BTreeMap<u64, (SubjectId, Template)> {
        let rows = self.rows.lock().unwrap();
        rows.templates
            .iter()
            .map(|(id, (subject, _, _, template))| (*id, (subject.clone(), template.clone())))
            .collect()
    }

    /// Of templates of this recipe.
    pub fn of((recipe, dimension): (RecipeDigest, usize)) -> Self {
        Self { rows: Mutex::default(), recipe, dimension }
    }
}

#[async_trait]
impl VectorIndex for MemoryIndex {
    fn recipe(&self) -> RecipeDigest {
        self.recipe
    }

    fn dimension(&self) -> usize {
        self.dimension
    }

    fn watermark(&self) -> Watermark {
        Watermark(self.rows.lock().unwrap().watermark)
    }

    async fn apply(&self, changes: Changes) -> Result<(), GalleryError> {
        let mut rows = self.rows.lock().unwrap();
        if changes.up_to.0 <= rows.watermark {
            return Ok(());
        }
        for change in changes.changes {
            match change {
                Change::Added { subject, attributes, restricted, id, content } => {
                    if id >= rows.template_next && content.template.recipe() == self.recipe {
                        rows.templates.insert(id, (subject, attributes, restricted, content.template));
                    }
                }
                Change::Removed { id } => drop(rows.templates.remove(&id)),
                Change::Relabelled { attributes, restricted, templates, .. } => {
                    for id in templates {
                        if let Some(row) = rows.templates.get_mut(&id) {
                            (row.1, row.2) = (attributes.clone(), restricted);
                        }
                    }
                }
            }
        }
        (rows.watermark, rows.template_next) = (changes.up_to.0, changes.template_next);
        Ok(())
    }

    async fn search(
        &self,
        probe: &Template,
        scope: Scope,
        filter: &IndexFilter,
        at_least: Watermark,
    ) -> Result<Found, GalleryError> {
        if probe.vector().len() != self.dimension {
            return Err(SearchError::Dimension { expected: self.dimension, found: probe.vector().len() }.into());
        }
        if matches!(scope, Scope::Within(score) if !score.is_finite()) {
            return Err(SearchError::BadScore.into());
        }
        let rows = self.rows.lock().unwrap();
        if rows.watermark < at_least.0 {
            return Err(GalleryError::Behind);
        }
        let mut best: BTreeMap<SubjectId, (f32, u64)> = BTreeMap::new();
        for (&id, (subject, attributes, restricted, template)) in &rows.templates {
            if !filter.passes(attributes, *restricted) || filter.excluded.contains(subject) {
                continue;
            }
            // Off by up to the error either way, differently for each.
            let off = SCORE_ERROR * ((id * 7 % 11) as f32 / 5.0 - 1.0);
            let score = compare(probe, template).unwrap() + off;
            let found = best.entry(subject.clone()).or_insert((score, id));
            if score > found.0 {
                *found = (score, id);
            }
        }
        let mut candidates: Vec<Candidate> =
            best.into_iter().map(|(subject, (score, template_id))| Candidate { subject, template_id, score }).collect();
        candidates.sort_by(Candidate::best_first);
        match scope {
            Scope::Within(score) => candidates.retain(|candidate| candidate.score >= score),
            Scope::Nearest(k) => candidates.truncate(k),
        }
        Ok(Found { candidates, as_of: Watermark(rows.watermark) })
    }

    fn score_error(&self) -> f32 {
        SCORE_ERROR
    }

    fn count(&self, filter: &IndexFilter) -> u64 {
        let rows = self.rows.lock().unwrap();
        let passing = rows.templates.values().filter(|(_, of, restricted, _)| filter.passes(of, *restricted));
        passing.count() as u64
    }
}

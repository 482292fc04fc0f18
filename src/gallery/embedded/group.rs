//! One transaction that carries many commands.

use std::collections::{BTreeMap, BTreeSet};

use redb::{ReadableTable, ReadableTableMetadata, Table, WriteTransaction};

use super::EmbeddedOptions;
use super::challenges::Challenges;
use super::create::put_gallery;
use super::fault::StoreError;
use super::given_up::GivenUp;
use super::ledger::Ledger;
use super::pictures::Pictures;
use super::protection::{Owner, Protection};
use super::read::{self, Recipes, State};
use super::record::{
    self, CaptureRecord, ChangeRecord, ClearedRecord, Counters, DecisionHeadRecord, DecisionRecord, GalleryRecord,
    RequestRecord, RetentionRecord, SubjectRecord, TemplateRecord, stored_id,
};
use super::row_sum::RowSum;
use super::subject_keys::SubjectKeys;
use super::subject_requests::SubjectRequests;
use super::tables::{
    CAPTURE_BANDS, CAPTURES, CHANGES, CLEARED, COUNTERS_KEY, DECISION_HEADS, DECISIONS, FORMAT_VERSION_WITH_STANDING,
    GALLERY, REQUEST_ORDER, REQUESTS, RETENTION_KEY, SUBJECT_CAPTURES, SUBJECT_DECISIONS, SUBJECTS, TEMPLATES, Tables,
    WAITING, band_key, cleared_key, decision_key, read_attempts, read_capture, read_counters, read_decision,
    read_decision_head, read_gallery, read_request, read_subject_decisions, read_template, subject_capture_key,
    subject_decision_key,
};
use super::written_rows::WRITTEN_ROWS;
use crate::face::RecipeDigest;
use crate::gallery::{
    Attributes, Change, ClearedPair, Command, Committed, DecisionKey, LedgerRecords, NewTemplate, Plan, Planned,
    ReadSet, RequestId, RetentionRun, StoredCapture, StoredDecision, StoredRequest, SubjectHead, SubjectId,
    SubjectRequest, Timestamp, Write,
};

/// Request ids forgotten in one transaction beyond those it adds, so that no
/// caller waits for a large clean-up.
const PRUNED_MAX: usize = 64;

/// Rows of the table `changes` at most; when there are more, the index file is too
/// old to be of use.
const CHANGES_MAX: u64 = 1 << 20;

/// Commits that the table `changes` tells of at least, for decisions that rest on a search.
const COMMITS_LOGGED: u64 = 1 << 14;

/// What a commit changes outside the database.
pub(super) struct Delta {
    /// In templates and in what subjects are searched by.
    pub(super) changes: Vec<Change>,
    /// Subjects after the commit.
    pub(super) subjects: u64,
    /// Templates after it.
    pub(super) templates: u64,
    /// Id of the next template after it.
    pub(super) template_next: u64,
}

/// A subject as a commit leaves it.
struct Written {
    templates: Vec<u64>,
    attributes: Attributes,
    restricted: bool,
    /// True where it is searched by something else than before.
    is_relabelled: bool,
}

/// The tables of a running write transaction, and what it has done so far.
pub(super) struct Group<'t> {
    subjects: Table<'t, &'static str, &'static [u8]>,
    templates: Table<'t, u64, &'static [u8]>,
    decisions: Table<'t, &'static str, &'static [u8]>,
    cleared: Table<'t, &'static str, &'static [u8]>,
    requests: Table<'t, &'static str, &'static [u8]>,
    request_order: Table<'t, u64, &'static str>,
    gallery: Table<'t, &'static str, &'static [u8]>,
    changes: Table<'t, u64, &'static [u8]>,
    decision_heads: Table<'t, u64, &'static [u8]>,
    subject_decisions: Table<'t, &'static str, &'static [u8]>,
    waiting: Table<'t, u64, &'static [u8]>,
    captures: Table<'t, u64, &'static [u8]>,
    capture_bands: Table<'t, &'static str, &'static [u8]>,
    subject_captures: Table<'t, &'static str, &'static [u8]>,
    /// In a sealed gallery.
    subject_keys: Option<SubjectKeys<'t>>,
    given_up: Option<GivenUp<'t>>,
    protection: &'t Protection,
    /// Writes the rows of all these tables.
    rows: RowSum<'t>,
    challenges: Challenges<'t>,
    requests_of_people: SubjectRequests<'t>,
    pictures: Pictures<'t>,
    /// Where the gallery keeps a transparency log.
    ledger: Option<Ledger<'t>>,
    /// Where a sealed copy is made of this clear gallery.
    written_rows: Option<Table<'t, u64, &'static [u8]>>,
    options: &'t EmbeddedOptions,
    recipes: &'t Recipes,
    /// The log is kept for commits after this one, at least.
    keep_after: u64,
    /// As the last commit left them.
    before: Counters,
    counters: Counters,
    now: Timestamp,
    live: u64,
    changed: bool,
    requests_added: usize,
    /// Templates that came (`Some`) and went.
    delta: BTreeMap<u64, Option<NewTemplate>>,
    written: BTreeMap<SubjectId, Written>,
}

impl<'t> Tables for Group<'t> {
    type ByText = Table<'t, &'static str, &'static [u8]>;
    type ByNumber = Table<'t, u64, &'static [u8]>;

    fn protection(&self) -> &Protection {
        self.protection
    }

    fn has_key(&self, subject: &SubjectId) -> Result<bool, StoreError> {
        self.subject_keys.as_ref().map_or(Ok(false), |keys| keys.has(subject))
    }

    fn subjects(&self) -> Result<&Self::ByText, StoreError> {
        Ok(&self.subjects)
    }

    fn templates(&self) -> Result<&Self::ByNumber, StoreError> {
        Ok(&self.templates)
    }

    fn requests(&self) -> Result<&Self::ByText, StoreError> {
        Ok(&self.requests)
    }

    fn decisions(&self) -> Result<&Self::ByText, StoreError> {
        Ok(&self.decisions)
    }

    fn cleared(&self) -> Result<&Self::ByText, StoreError> {
        Ok(&self.cleared)
    }

    fn changes(&self) -> Result<&Self::ByNumber, StoreError> {
        Ok(&self.changes)
    }

    fn decision_heads(&self) -> Result<&Self::ByNumber, StoreError> {
        Ok(&self.decision_heads)
    }

    fn subject_decisions(&self) -> Result<&Self::ByText, StoreError> {
        Ok(&self.subject_decisions)
    }

    fn waiting(&self) -> Result<&Self::ByNumber, StoreError> {
        Ok(&self.waiting)
    }

    fn captures(&self) -> Result<&Self::ByNumber, StoreError> {
        Ok(&self.captures)
    }

    fn capture_bands(&self) -> Result<&Self::ByText, StoreError> {
        Ok(&self.capture_bands)
    }

    fn challenges(&self) -> Result<&Self::ByNumber, StoreError> {
        Ok(&self.challenges.by_number)
    }

    fn owner_challenges(&self) -> Result<&Self::ByText, StoreError> {
        Ok(&self.challenges.by_owner)
    }

    fn subject_requests(&self) -> Result<&Self::ByNumber, StoreError> {
        Ok(&self.requests_of_people.tables()?.by_number)
    }

    fn requests_of_subject(&self) -> Result<&Self::ByText, StoreError> {
        Ok(&self.requests_of_people.tables()?.of_subject)
    }

    fn open_requests(&self) -> Result<&Self::ByNumber, StoreError> {
        Ok(&self.requests_of_people.tables()?.open)
    }

    fn case_pictures(&self) -> Result<&Self::ByNumber, StoreError> {
        Ok(&self.pictures.tables()?.pictures)
    }

    fn picture_times(&self) -> Result<&Self::ByNumber, StoreError> {
        Ok(&self.pictures.tables()?.times)
    }
}

impl<'t> Group<'t> {
    pub(super) fn begin(
        transaction: &'t WriteTransaction,
        options: &'t EmbeddedOptions,
        recipes: &'t Recipes,
        keep_after: u64,
        has_ledger: bool,
        protection: &'t Protection,
        is_noting: bool,
    ) -> Result<Self, StoreError> {
        let gallery = transaction.open_table(GALLERY)?;
        let before = read_counters(&gallery, protection)?;
        let counters = Counters { commit: before.commit + 1, ..before.clone() };
        let templates = transaction.open_table(TEMPLATES)?;
        Ok(Self {
            subjects: transaction.open_table(SUBJECTS)?,
            live: templates.len()?,
            templates,
            decisions: transaction.open_table(DECISIONS)?,
            cleared: transaction.open_table(CLEARED)?,
            requests: transaction.open_table(REQUESTS)?,
            request_order: transaction.open_table(REQUEST_ORDER)?,
            gallery,
            changes: transaction.open_table(CHANGES)?,
            decision_heads: transaction.open_table(DECISION_HEADS)?,
            subject_decisions: transaction.open_table(SUBJECT_DECISIONS)?,
            waiting: transaction.open_table(WAITING)?,
            captures: transaction.open_table(CAPTURES)?,
            capture_bands: transaction.open_table(CAPTURE_BANDS)?,
            subject_captures: transaction.open_table(SUBJECT_CAPTURES)?,
            subject_keys: SubjectKeys::open(transaction, protection)?,
            given_up: GivenUp::open(transaction, protection)?,
            protection,
            rows: RowSum::after(protection, &before.row_sum).noting(is_noting),
            challenges: Challenges::open(transaction, protection)?,
            requests_of_people: SubjectRequests::new(transaction, protection),
            pictures: Pictures::new(transaction, protection),
            ledger: has_ledger
                .then(|| Ok::<_, StoreError>(Ledger::make(transaction, protection)?.noting(is_noting)))
                .transpose()?,
            written_rows: is_noting.then(|| transaction.open_table(WRITTEN_ROWS)).transpose()?,
            options,
            recipes,
            keep_after,
            before,
            counters,
            now: Timestamp::now(),
            changed: false,
            requests_added: 0,
            delta: BTreeMap::new(),
            written: BTreeMap::new(),
        })
    }

    /// Carries out one command, or finds that it was carried out before.
    /// [`StoreError::Refused`] leaves the group as it was; any other error ends it.
    pub(super) fn carry(&mut self, command: &Command) -> Result<Committed, StoreError> {
        let state = State {
            counters: self.before.clone(),
            unlogged: self.before.template_next..self.counters.template_next,
            relabelled: self.relabelled().cloned().collect(),
            templates: self.live,
            templates_max: self.options.templates_max,
            recipes: self.recipes,
            decision_next: self.counters.decision_next,
            captures: self.counters.captures,
            subject_requests: self.counters.subject_requests,
        };
        let wanted = command.reads();
        let mut records = read::read(self, &state, &wanted)?;
        records.has_ledger = self.ledger.is_some();
        records.entry_next = self.ledger.as_ref().map(Ledger::next_place).transpose()?;
        records.ledger = self.read_ledger(&wanted)?;
        match command.plan(&records, self.now)? {
            Planned::Done(committed) => Ok(committed),
            Planned::Write(Plan { writes, committed }) => {
                for write in writes {
                    self.write(write)?;
                }
                self.changed = true;
                Ok(committed)
            }
        }
    }

    fn read_ledger(&self, wanted: &ReadSet) -> Result<Option<LedgerRecords>, StoreError> {
        let Some(ledger) = &self.ledger else { return Ok(None) };
        if wanted.unsequenced.is_none() && wanted.entered_before.is_none() {
            return Ok(None);
        }
        let head = ledger.head()?;
        let size = head.edge.size();
        let unsequenced = wanted.unsequenced.map(|limit| ledger.unsequenced(size, limit)).transpose()?;
        let expired = wanted.entered_before.map(|(time, limit)| ledger.entered_before(head.pruned, time, limit));
        let (unsequenced, expired) = (unsequenced.unwrap_or_default(), expired.transpose()?.unwrap_or(0));
        Ok(Some(LedgerRecords { head, unsequenced, expired }))
    }

    /// The log that a row of it is written to; rows of it are planned only where there is one.
    fn ledger(&mut self) -> Result<&mut Ledger<'t>, StoreError> {
        self.ledger.as_mut().ok_or_else(|| StoreError::damaged("the transparency log is not there"))
    }

    fn write(&mut self, write: Write) -> Result<(), StoreError> {
        match write {
            Write::Subject(head) => self.put_subject(head),
            Write::RemoveSubject(id) => self.remove_subject(&id),
            Write::Template { id, subject, content } => self.put_template(id, &subject, content),
            Write::RemoveTemplate { id, subject } => self.remove_template(id, &subject),
            Write::Decision(decision) => self.put_decision(&decision),
            Write::Capture(capture) => self.put_capture(&capture),
            Write::ForgetCaptures(subject) => self.forget_captures(&subject),
            Write::Pictures(pictures) => {
                let owner = self.owner(&pictures.subject)?;
                self.pictures.put(&pictures, owner, &mut self.rows)
            }
            Write::RemovePictures(number) => self.pictures.remove(number, &mut self.rows),
            Write::ForgetPictures(subject) => self.forget_pictures(&subject),
            Write::Challenge(challenge) => self.challenges.put(&challenge, &mut self.rows),
            Write::RemoveChallenge(number) => self.challenges.remove(number, &mut self.rows),
            Write::ForgetChallenges(transaction) => self.challenges.forget(&transaction, &mut self.rows),
            Write::ForgetDecisions(subject) => self.forget_decisions(&subject),
            Write::Cleared(pair) => self.put_cleared(&pair),
            Write::RemoveCleared(one, other) => {
                let name = |one, other| cleared_key(self.protection, one, other);
                for name in [name(&one, &other), name(&other, &one)] {
                    self.rows.remove(&mut self.cleared, name.as_str())?;
                }
                Ok(())
            }
            Write::SubjectRequest(request) => self.put_subject_request(&request),
            Write::RemoveDecision(key) => self.remove_decision(&key),
            Write::RemoveRequest(number) => self.requests_of_people.remove(number, &mut self.rows),
            Write::Retention(run) => self.put_retention(&run),
            Write::ForgetRequests(subject) => self.requests_of_people.forget(&subject, &mut self.rows),
            Write::ForgetKey(subject) => self.forget_key(&subject),
            Write::Request(id, request) => self.remember(&id, &request),
            Write::Entry(entry) => self.ledger()?.put_entry(entry),
            Write::Nodes(run) => self.ledger()?.put_nodes(&run),
            Write::Checkpoint { size, note } => self.ledger()?.put_checkpoint(size, &note),
            Write::DropCheckpoint(size) => self.ledger()?.drop_checkpoint(size),
            Write::Prune { first, until } => self.ledger()?.prune(first, until),
            Write::Ledger(head) => self.ledger()?.put_head(&head),
        }
    }

    /// Under whose key is sealed what is about a subject: a new one where it has none yet.
    fn owner(&mut self, subject: &SubjectId) -> Result<Owner, StoreError> {
        let Some(keys) = &mut self.subject_keys else { return Ok(Owner::Table) };
        keys.owner(subject, &self.subjects, &mut self.counters.keys_to)
    }

    /// Gives a subject's key up, to be destroyed; what is written of the subject from
    /// here on has another.
    fn forget_key(&mut self, subject: &SubjectId) -> Result<(), StoreError> {
        self.rows.noted.forget(subject.as_str());
        let (Some(keys), Some(given_up)) = (&mut self.subject_keys, &mut self.given_up) else { return Ok(()) };
        let number = keys.forget(subject, &mut self.rows)?;
        given_up.give_up(number.as_slice(), &mut self.rows)
    }

    fn put_subject(&mut self, head: SubjectHead) -> Result<(), StoreError> {
        if !head.standing.entries.is_empty() || !head.legal_bases.is_empty() {
            self.raise_version()?;
        }
        let before = read::head(self, &head.id)?;
        let was_relabelled = self.written.get(&head.id).is_some_and(|written| written.is_relabelled);
        let is_relabelled = was_relabelled || before.is_some_and(|before| !before.is_searched_as(&head));
        let (name, owner) = (self.protection.subject(&head.id), self.owner(&head.id)?);
        let sealed = self.protection.wrap("subjects", name.as_bytes(), owner, &SubjectRecord::of_head(&head))?;
        self.rows.insert(&mut self.subjects, name.as_str(), sealed.as_slice())?;
        if let Some(keys) = &mut self.subject_keys {
            keys.is_in_row(&head.id, &mut self.rows)?;
        }
        let restricted = head.standing.is_restricted();
        let SubjectHead { id, attributes, templates, .. } = head;
        self.written.insert(id, Written { templates, attributes, restricted, is_relabelled });
        Ok(())
    }

    fn remove_subject(&mut self, id: &SubjectId) -> Result<(), StoreError> {
        let name = self.protection.subject(id);
        if let (Some(keys), Some(row)) = (&mut self.subject_keys, self.subjects.get(name.as_str())?) {
            keys.leaves_row(id, &name, row.value(), &mut self.rows)?;
        }
        self.rows.remove(&mut self.subjects, name.as_str())?;
        self.written.remove(id);
        Ok(())
    }

    /// Keeps programs away that know nothing of how records stand.
    fn raise_version(&mut self) -> Result<(), StoreError> {
        let record = read_gallery(&self.gallery)?;
        match record.version < FORMAT_VERSION_WITH_STANDING {
            true => put_gallery(&mut self.gallery, GalleryRecord { version: FORMAT_VERSION_WITH_STANDING, ..record }),
            false => Ok(()),
        }
    }

    /// Writes a decision and what it is listed by. An attempt that another one follows waits for
    /// nobody.
    fn put_decision(&mut self, decision: &StoredDecision) -> Result<(), StoreError> {
        let StoredDecision { number, key, subject, .. } = decision;
        let last = read_attempts(self, &key.transaction, 1)?.pop();
        let (protection, owner) = (self.protection, self.owner(subject)?);
        let name = decision_key(protection, key);
        let sealed = protection.wrap("decisions", name.as_bytes(), owner, &DecisionRecord::of(decision))?;
        self.rows.insert(&mut self.decisions, name.as_str(), sealed.as_slice())?;
        let head = DecisionHeadRecord::of(decision);
        let head = protection.wrap("decision_heads", &number.to_le_bytes(), owner, &head)?;
        self.rows.insert(&mut self.decision_heads, *number, head.as_slice())?;
        let listed = subject_decision_key(protection, subject, *number);
        self.rows.insert(&mut self.subject_decisions, listed.as_str(), [].as_slice())?;
        if let Some(earlier) = last.filter(|last| last.key.attempt < key.attempt) {
            self.rows.remove(&mut self.waiting, earlier.number)?;
        }
        match decision.waits() {
            true => self.rows.insert(&mut self.waiting, *number, [].as_slice())?,
            false => self.rows.remove(&mut self.waiting, *number)?,
        }
        self.counters.decision_next = self.counters.decision_next.max(number + 1);
        Ok(())
    }

    fn put_capture(&mut self, capture: &StoredCapture) -> Result<(), StoreError> {
        let StoredCapture { number, subject, content, .. } = capture;
        let (protection, owner) = (self.protection, self.owner(subject)?);
        let sealed = protection.wrap("captures", &number.to_le_bytes(), owner, &CaptureRecord::of(capture))?;
        self.rows.insert(&mut self.captures, *number, sealed.as_slice())?;
        for band in &content.bands {
            self.rows.insert(&mut self.capture_bands, band_key(protection, band, *number).as_str(), [].as_slice())?;
        }
        let listed = subject_capture_key(protection, subject, *number);
        self.rows.insert(&mut self.subject_captures, listed.as_str(), [].as_slice())?;
        self.counters.captures = *number;
        Ok(())
    }

    fn remove_capture(&mut self, number: u64) -> Result<(), StoreError> {
        let protection = self.protection;
        let capture = read_capture(self, number)?;
        let capture = capture.ok_or_else(|| StoreError::damaged("a capture is listed and not there"))?;
        for band in &capture.content.bands {
            self.rows.remove(&mut self.capture_bands, band_key(protection, band, number).as_str())?;
        }
        let listed = subject_capture_key(protection, &capture.subject, number);
        self.rows.remove(&mut self.subject_captures, listed.as_str())?;
        self.rows.remove(&mut self.captures, number)?;
        Ok(())
    }

    fn forget_captures(&mut self, subject: &SubjectId) -> Result<(), StoreError> {
        let numbers: Vec<u64> =
            read_subject_decisions(&self.subject_captures, self.protection, subject, 0)?.collect::<Result<_, _>>()?;
        numbers.into_iter().try_for_each(|number| self.remove_capture(number))
    }

    fn forget_pictures(&mut self, subject: &SubjectId) -> Result<(), StoreError> {
        let numbers: Vec<u64> =
            read_subject_decisions(&self.subject_decisions, self.protection, subject, 0)?.collect::<Result<_, _>>()?;
        numbers.into_iter().try_for_each(|number| self.pictures.remove(number, &mut self.rows))
    }

    fn forget_decisions(&mut self, subject: &SubjectId) -> Result<(), StoreError> {
        let numbers: Vec<u64> =
            read_subject_decisions(&self.subject_decisions, self.protection, subject, 0)?.collect::<Result<_, _>>()?;
        for number in numbers {
            let head = read_decision_head(self, number)?;
            let head = head.ok_or_else(|| StoreError::damaged("a decision is listed and not there"))?;
            self.remove_listed_decision(number, &head.key, subject)?;
        }
        Ok(())
    }

    fn remove_listed_decision(
        &mut self,
        number: u64,
        key: &DecisionKey,
        subject: &SubjectId,
    ) -> Result<(), StoreError> {
        let (name, listed) =
            (decision_key(self.protection, key), subject_decision_key(self.protection, subject, number));
        self.rows.remove(&mut self.decisions, name.as_str())?;
        self.rows.remove(&mut self.decision_heads, number)?;
        self.pictures.remove(number, &mut self.rows)?;
        self.rows.remove(&mut self.waiting, number)?;
        self.rows.remove(&mut self.subject_decisions, listed.as_str())
    }

    /// Takes one decision away, with its captures and pictures.
    fn remove_decision(&mut self, key: &DecisionKey) -> Result<(), StoreError> {
        let record = read_decision(self, key)?;
        let record = record.ok_or_else(|| StoreError::damaged("a decision that is taken away is not there"))?;
        let (number, subject) = (record.number, stored_id(record.subject)?);
        let captures: Vec<u64> =
            read_subject_decisions(&self.subject_captures, self.protection, &subject, 0)?.collect::<Result<_, _>>()?;
        for capture in captures {
            if read_capture(self, capture)?.is_some_and(|capture| capture.key == *key) {
                self.remove_capture(capture)?;
            }
        }
        self.remove_listed_decision(number, key, &subject)
    }

    /// Keeps what a run of retention did.
    fn put_retention(&mut self, run: &RetentionRun) -> Result<(), StoreError> {
        let sealed = record::seal("gallery", RETENTION_KEY.as_bytes(), &RetentionRecord::of(run));
        self.gallery.insert(RETENTION_KEY, sealed.as_slice())?;
        Ok(())
    }

    /// Forgets captures whose time is over, oldest first.
    fn prune_captures(&mut self) -> Result<(), StoreError> {
        for _ in 0..PRUNED_MAX {
            let Some(number) = self.captures.first()?.map(|(number, _)| number.value()) else { break };
            let is_over = read_capture(self, number)?.is_some_and(|capture| capture.expires_at <= self.now);
            if !is_over {
                break;
            }
            self.remove_capture(number)?;
        }
        Ok(())
    }

    fn put_template(&mut self, id: u64, subject: &SubjectId, content: NewTemplate) -> Result<(), StoreError> {
        let (record, owner) = (TemplateRecord::new(subject.as_str(), &content), self.owner(subject)?);
        let sealed = self.protection.wrap("templates", &id.to_le_bytes(), owner, &record)?;
        self.rows.insert(&mut self.templates, id, sealed.as_slice())?;
        self.counters.template_next = id + 1;
        self.live += 1;
        self.delta.insert(id, Some(content));
        Ok(())
    }

    fn remove_template(&mut self, id: u64, subject: &SubjectId) -> Result<(), StoreError> {
        let record = read_template(self, id)?;
        if record.is_none_or(|record| record.subject != subject.as_str()) {
            return Err(StoreError::damaged("a subject's template is missing or another's"));
        }
        self.rows.remove(&mut self.templates, id)?;
        self.live -= 1;
        // One that came with this very group never reaches an index.
        if !matches!(self.delta.remove(&id), Some(Some(_))) {
            self.delta.insert(id, None);
        }
        Ok(())
    }

    fn put_cleared(&mut self, pair: &ClearedPair) -> Result<(), StoreError> {
        let (record, protection) = (ClearedRecord::of(pair), self.protection);
        let owner = Owner::of_both(self.owner(&pair.first)?, self.owner(&pair.second)?);
        for (one, other) in [(&pair.first, &pair.second), (&pair.second, &pair.first)] {
            let name = cleared_key(protection, one, other);
            let sealed = protection.wrap("cleared", name.as_bytes(), owner, &record)?;
            self.rows.insert(&mut self.cleared, name.as_str(), sealed.as_slice())?;
        }
        Ok(())
    }

    fn put_subject_request(&mut self, request: &SubjectRequest) -> Result<(), StoreError> {
        self.raise_version()?;
        let owner = match &request.subject {
            Some(subject) => self.owner(subject)?,
            None => Owner::Table,
        };
        self.counters.subject_requests = self.counters.subject_requests.max(request.number);
        self.requests_of_people.put(request, owner, &mut self.rows)
    }

    fn remember(&mut self, id: &RequestId, request: &StoredRequest) -> Result<(), StoreError> {
        let name = self.protection.request(id);
        let record = RequestRecord::of(request, self.now);
        let sealed = self.protection.wrap("requests", name.as_bytes(), Owner::Table, &record)?;
        self.rows.insert(&mut self.requests, name.as_str(), sealed.as_slice())?;
        self.rows.insert(&mut self.request_order, self.counters.request_next, name.as_str())?;
        self.counters.request_next += 1;
        self.requests_added += 1;
        Ok(())
    }

    /// Forgets request ids that are too old or too many, oldest first.
    fn prune(&mut self) -> Result<(), StoreError> {
        let born_min = self.now.0.saturating_sub(self.options.request_age_max_ms);
        for _ in 0..PRUNED_MAX + self.requests_added {
            let Some((order, id)) = self.request_order.first()?.map(|(k, v)| (k.value(), v.value().to_owned())) else {
                break;
            };
            let expired = match read_request(self, &id)? {
                Some(record) => record.done_at < born_min,
                None => return Err(StoreError::damaged("a request id is listed but not there")),
            };
            if !expired && self.requests.len()? <= self.options.requests_max {
                break;
            }
            self.rows.remove(&mut self.requests, id.as_str())?;
            self.rows.remove(&mut self.request_order, order)?;
        }
        Ok(())
    }

    /// Subjects that are searched by something else since the last commit.
    fn relabelled(&self) -> impl Iterator<Item = &SubjectId> {
        self.written.iter().filter(|(_, written)| written.is_relabelled).map(|(id, _)| id)
    }

    /// Writes into the log what this commit changed.
    fn log_changes(&mut self) -> Result<(), StoreError> {
        let Counters { commit, template_next, .. } = self.counters;
        // A program that knows nothing of this table, or less of it, may have been at work.
        if self.before.changes_to != self.before.commit {
            self.counters.changes_from = self.before.commit;
        }
        if self.before.arrivals_to != self.before.commit {
            self.counters.arrivals_from = self.before.commit;
        }
        (self.counters.changes_to, self.counters.arrivals_to) = (commit, commit);
        self.counters.listed_to = commit;
        let removed: Vec<u64> = self.delta.iter().filter(|(_, new)| new.is_none()).map(|(&key, _)| key).collect();
        let relabelled = self.written.iter().filter(|(_, written)| written.is_relabelled);
        let (relabelled, relabelled_templates) = match self.protection {
            Protection::Checksummed => (relabelled.map(|(id, _)| id.as_str().to_owned()).collect(), Vec::new()),
            // No name lies where a key of the table opens it.
            Protection::Sealed(_) => {
                (Vec::new(), relabelled.flat_map(|(_, written)| written.templates.iter().copied()).collect())
            }
        };
        let came = self.before.template_next..template_next;
        let is_relabelled = !relabelled.is_empty() || !relabelled_templates.is_empty();
        if !removed.is_empty() || is_relabelled || !came.is_empty() {
            let (came_from, came_to) = (came.start, came.end);
            let record = ChangeRecord { removed, relabelled, came_from, came_to, relabelled_templates };
            let sealed = self.protection.wrap("changes", &commit.to_le_bytes(), Owner::Table, &record)?;
            self.rows.insert(&mut self.changes, commit, sealed.as_slice())?;
        }
        self.prune_changes(self.keep_after.min(commit.saturating_sub(COMMITS_LOGGED)))
    }

    /// Takes out rows of `changes` up to a commit, and more where there are too many.
    fn prune_changes(&mut self, up_to: u64) -> Result<(), StoreError> {
        for _ in 0..PRUNED_MAX {
            let Some(first) = self.changes.first()?.map(|(commit, _)| commit.value()) else { break };
            if first > up_to && self.changes.len()? <= CHANGES_MAX {
                break;
            }
            self.rows.remove(&mut self.changes, first)?;
            self.counters.changes_from = self.counters.changes_from.max(first);
            self.counters.arrivals_from = self.counters.arrivals_from.max(first);
        }
        Ok(())
    }

    /// Names recipes in the gallery's record of which the first templates came.
    fn list_recipes(&mut self) -> Result<(), StoreError> {
        let came: BTreeSet<RecipeDigest> = self.delta.values().flatten().map(|new| new.template.recipe()).collect();
        if came.is_empty() {
            return Ok(());
        }
        let record = read_gallery(&self.gallery)?;
        let mut listed = record.recipes()?;
        let before = listed.len();
        let is_new = |one: &&(RecipeDigest, usize)| came.contains(&one.0) && !listed.iter().any(|(of, _)| *of == one.0);
        let new: Vec<_> = self.recipes.iter().filter(is_new).copied().collect();
        listed.extend(new);
        match listed.len() > before {
            true => put_gallery(&mut self.gallery, record.with_recipes(&listed)),
            false => Ok(()),
        }
    }

    /// Notes what this commit wrote, where a sealed copy is made.
    fn note_written(&mut self) -> Result<(), StoreError> {
        let Some(table) = &mut self.written_rows else { return Ok(()) };
        let mut noted = std::mem::take(&mut self.rows.noted);
        if let Some(ledger) = &mut self.ledger {
            noted.join(std::mem::take(&mut ledger.noted));
        }
        noted.keep(table, self.counters.commit)
    }

    /// Ends the group: the number of its commit and what it changes outside the database; `None`
    /// where nothing was changed and nothing need be committed.
    pub(super) fn finish(mut self) -> Result<Option<(u64, Delta)>, StoreError> {
        if !self.changed {
            return Ok(None);
        }
        self.prune()?;
        self.prune_captures()?;
        self.challenges.prune(self.now, &mut self.rows)?;
        self.pictures.prune(self.now, &mut self.rows)?;
        if let Some(given_up) = &mut self.given_up {
            given_up.prune(&mut self.rows)?;
            given_up.finish(&mut self.counters)?;
        }
        self.log_changes()?;
        self.list_recipes()?;
        if let Some(keys) = &mut self.subject_keys {
            keys.finish(&mut self.rows)?;
        }
        self.note_written()?;
        self.counters.row_sum = self.rows.bytes();
        self.counters.entries = self.ledger.as_ref().map(Ledger::next_place).transpose()?.unwrap_or(0);
        let key = COUNTERS_KEY.as_bytes();
        let sealed = self.protection.wrap("gallery", key, Owner::Table, &self.counters)?;
        self.gallery.insert(COUNTERS_KEY, sealed.as_slice())?;
        let (subjects, templates) = (self.subjects.len()?, self.live);
        let Counters { commit, template_next, .. } = self.counters;
        let changes = changes(self.delta, self.written);
        Ok(Some((commit, Delta { changes, subjects, templates, template_next })))
    }
}

/// What an index must be told: what went, then what changed, then what came.
fn changes(mut delta: BTreeMap<u64, Option<NewTemplate>>, written: BTreeMap<SubjectId, Written>) -> Vec<Change> {
    let removed = delta.iter().filter(|(_, new)| new.is_none()).map(|(&id, _)| Change::Removed { id });
    let mut changes: Vec<Change> = removed.collect();
    let mut added = Vec::new();
    for (subject, Written { templates, attributes, restricted, is_relabelled }) in written {
        for &id in &templates {
            if let Some(Some(content)) = delta.remove(&id) {
                let (subject, attributes) = (subject.clone(), attributes.clone());
                added.push(Change::Added { subject, attributes, restricted, id, content });
            }
        }
        if is_relabelled {
            changes.push(Change::Relabelled { subject, attributes, restricted, templates });
        }
    }
    changes.extend(added);
    changes
}

//! The tables of the database, and reading them.
//!
//! | table | key | value |
//! |---|---|---|
//! | `gallery` | `gallery`, `counters`, `index`, `id`, `retention` | [`GalleryRecord`], [`Counters`], [`IndexMarksRecord`], [`IdRecord`], [`RetentionRecord`] |
//! | `subjects` | subject id | [`SubjectRecord`]: everything but the vectors |
//! | `templates` | template id | [`TemplateRecord`]: the vector and whose it is |
//! | `requests` | request id | [`RequestRecord`]: what a retried write is answered with |
//! | `request_order` | 0, 1, 2, … | request id, oldest first, for pruning |
//! | `decisions` | transaction id, space, attempt in ten digits | [`DecisionRecord`]: what was decided |
//! | `cleared` | subject id, NUL, subject id; in both orders | [`ClearedRecord`]: why they may share a face |
//! | `changes` | commit | [`ChangeRecord`]: what it changed in templates and labels |
//! | `challenges` | number | challenge of Active Authentication: whose, its digest, which attempt used it |
//! | `owner_challenges` | transaction id, space, who asked, space, number | nothing: the challenges of one owner |
//!
//! | `subject_requests` | number | a request of a person: [`subject_requests`](super::subject_requests) |
//! | `requests_of_subject` | subject id, NUL, number | nothing: the requests about a subject |
//! | `open_requests` | number | nothing: those that have not ended |
//! | `case_pictures`, `picture_times` | number of a decision | in a sealed gallery, its pictures and until when they are kept: [`pictures`](super::pictures) |
//! | `subject_keys` | subject id | in a sealed gallery, the number of the subject's key, where its row does not tell it |
//! | `doomed_keys`, `destroyed_keys` | number of a key, of many keys | in a sealed gallery, keys to be destroyed, and all that ever were: [`given_up`](super::given_up) |
//!
//! Keys order by bytes, numbers by value. Values lie as `protection` says, but those of `gallery`
//! beside the counters, which are about nobody, bear a checksum everywhere; where a subject id, transaction id, request id
//! or key of a capture stands in a row's key, a sealed gallery has a hash of it. Neither a space in a
//! transaction id nor a NUL in a subject id is possible, so keys cannot be mistaken for others. All
//! from `decisions` on came later; they are made where a folder does not have them.

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::sync::Arc;

use redb::{ReadOnlyTable, ReadTransaction, ReadableTable, TableDefinition, TableError};

use super::challenges::{CHALLENGES, OWNER_CHALLENGES};
use super::fault::StoreError;
use super::ledger::LedgerSnapshot;
use super::pictures::{CASE_PICTURES, PICTURE_TIMES};
use super::protection::Protection;
pub(super) use super::protection::{cleared_key, decision_key};
use super::record::{
    CaptureRecord, ChangeRecord, ClearedRecord, Counters, DecisionHeadRecord, DecisionRecord, GalleryRecord, IdRecord,
    IndexMarksRecord, RequestRecord, RetentionRecord, SubjectRecord, TemplateRecord, unseal,
};
pub(super) use super::record::{cleared_ids, decision_key_of};
use super::row_sum::{RowSum, is_sum_of_rows};
use super::subject_requests::{OPEN_REQUESTS, REQUESTS_OF_SUBJECT, SUBJECT_REQUESTS};
use crate::gallery::{
    CaptureBand, ClearedPair, DecisionHead, DecisionKey, GalleryId, RequestId, RetentionRun, StoredCapture,
    StoredDecision, SubjectId, Timestamp,
};
use crate::hex;

/// Version of the layout of folder and tables. 2 knows templates of several recipes, decisions that
/// wait for a second officer, and pairs whose clearing has ended: a program that overlooks those
/// would pay and hide what it must not. A gallery whose transparency log has begun has a version of its
/// own ([`FORMAT_VERSION_WITH_LEDGER`]).
pub(super) const FORMAT_VERSION: u32 = 2;
/// Version of a gallery from the first record on that was restricted or held, or that names its legal
/// basis: a program that overlooks those would pay whom it must not, remove evidence, and forget the
/// rest when it next writes the record.
pub(super) const FORMAT_VERSION_WITH_STANDING: u32 = 4;
/// Version of a gallery whose values are sealed.
pub(super) const FORMAT_VERSION_SEALED: u32 = 5;

pub(super) const GALLERY: TableDefinition<&str, &[u8]> = TableDefinition::new("gallery");
pub(super) const SUBJECTS: TableDefinition<&str, &[u8]> = TableDefinition::new("subjects");
pub(super) const TEMPLATES: TableDefinition<u64, &[u8]> = TableDefinition::new("templates");
pub(super) const REQUESTS: TableDefinition<&str, &[u8]> = TableDefinition::new("requests");
pub(super) const REQUEST_ORDER: TableDefinition<u64, &str> = TableDefinition::new("request_order");
pub(super) const DECISIONS: TableDefinition<&str, &[u8]> = TableDefinition::new("decisions");
pub(super) const CLEARED: TableDefinition<&str, &[u8]> = TableDefinition::new("cleared");

/// By number, what is listed of a decision.
pub(super) const DECISION_HEADS: TableDefinition<u64, &[u8]> = TableDefinition::new("decision_heads");
/// Subject and number of each decision; the values are empty.
pub(super) const SUBJECT_DECISIONS: TableDefinition<&str, &[u8]> = TableDefinition::new("subject_decisions");
/// Numbers of decisions that wait for an officer; the values are empty.
pub(super) const WAITING: TableDefinition<u64, &[u8]> = TableDefinition::new("waiting");

/// By number, a capture that took part in a decision.
pub(super) const CAPTURES: TableDefinition<u64, &[u8]> = TableDefinition::new("captures");
/// Key and number of each capture under each of its keys; the values are empty.
pub(super) const CAPTURE_BANDS: TableDefinition<&str, &[u8]> = TableDefinition::new("capture_bands");
/// Subject and number of each capture; the values are empty.
pub(super) const SUBJECT_CAPTURES: TableDefinition<&str, &[u8]> = TableDefinition::new("subject_captures");

pub(super) const CHANGES: TableDefinition<u64, &[u8]> = TableDefinition::new("changes");

/// By subject, the number of its key.
pub(super) const SUBJECT_KEYS: TableDefinition<&str, u64> = TableDefinition::new("subject_keys");

/// Keys of the table `gallery`.
pub(super) const GALLERY_KEY: &str = "gallery";
pub(super) const COUNTERS_KEY: &str = "counters";
/// Of the marks of index files; those of a further recipe have a suffix.
pub(super) const INDEX_KEY: &str = "index";
pub(super) const ID_KEY: &str = "id";
pub(super) const RETENTION_KEY: &str = "retention";

pub(super) type Rows<K> = ReadOnlyTable<K, &'static [u8]>;

/// Tables to read records from, all in one state: those of a read transaction, or those of a
/// write transaction with what it has written so far.
pub(super) trait Tables {
    /// A table with keys of text.
    type ByText: ReadableTable<&'static str, &'static [u8]>;
    /// A table with numbers for keys.
    type ByNumber: ReadableTable<u64, &'static [u8]>;

    /// How values and names lie in them.
    fn protection(&self) -> &Protection;

    /// Whether a subject has a key that stands in no row of its own.
    fn has_key(&self, subject: &SubjectId) -> Result<bool, StoreError>;

    fn subjects(&self) -> Result<&Self::ByText, StoreError>;
    fn templates(&self) -> Result<&Self::ByNumber, StoreError>;
    fn requests(&self) -> Result<&Self::ByText, StoreError>;
    fn decisions(&self) -> Result<&Self::ByText, StoreError>;
    fn cleared(&self) -> Result<&Self::ByText, StoreError>;
    fn changes(&self) -> Result<&Self::ByNumber, StoreError>;
    fn decision_heads(&self) -> Result<&Self::ByNumber, StoreError>;
    fn subject_decisions(&self) -> Result<&Self::ByText, StoreError>;
    fn waiting(&self) -> Result<&Self::ByNumber, StoreError>;
    fn captures(&self) -> Result<&Self::ByNumber, StoreError>;
    fn capture_bands(&self) -> Result<&Self::ByText, StoreError>;
    fn challenges(&self) -> Result<&Self::ByNumber, StoreError>;
    fn owner_challenges(&self) -> Result<&Self::ByText, StoreError>;
    fn subject_requests(&self) -> Result<&Self::ByNumber, StoreError>;
    fn requests_of_subject(&self) -> Result<&Self::ByText, StoreError>;
    fn open_requests(&self) -> Result<&Self::ByNumber, StoreError>;
    fn case_pictures(&self) -> Result<&Self::ByNumber, StoreError>;
    fn picture_times(&self) -> Result<&Self::ByNumber, StoreError>;
}

/// One read transaction. A table is opened when it is first read.
pub(super) struct Snapshot {
    transaction: ReadTransaction,
    protection: Arc<Protection>,
    gallery: OnceCell<Rows<&'static str>>,
    subjects: OnceCell<Rows<&'static str>>,
    templates: OnceCell<Rows<u64>>,
    requests: OnceCell<Rows<&'static str>>,
    decisions: OnceCell<Rows<&'static str>>,
    cleared: OnceCell<Rows<&'static str>>,
    changes: OnceCell<Rows<u64>>,
    decision_heads: OnceCell<Rows<u64>>,
    subject_decisions: OnceCell<Rows<&'static str>>,
    waiting: OnceCell<Rows<u64>>,
    captures: OnceCell<Rows<u64>>,
    capture_bands: OnceCell<Rows<&'static str>>,
    challenges: OnceCell<Rows<u64>>,
    owner_challenges: OnceCell<Rows<&'static str>>,
    subject_requests: OnceCell<Rows<u64>>,
    requests_of_subject: OnceCell<Rows<&'static str>>,
    open_requests: OnceCell<Rows<u64>>,
    case_pictures: OnceCell<Rows<u64>>,
    picture_times: OnceCell<Rows<u64>>,
}

impl Snapshot {
    pub(super) fn new(transaction: ReadTransaction, protection: Arc<Protection>) -> Self {
        Self {
            transaction,
            protection,
            gallery: OnceCell::new(),
            subjects: OnceCell::new(),
            templates: OnceCell::new(),
            requests: OnceCell::new(),
            decisions: OnceCell::new(),
            cleared: OnceCell::new(),
            changes: OnceCell::new(),
            decision_heads: OnceCell::new(),
            subject_decisions: OnceCell::new(),
            waiting: OnceCell::new(),
            captures: OnceCell::new(),
            capture_bands: OnceCell::new(),
            challenges: OnceCell::new(),
            owner_challenges: OnceCell::new(),
            subject_requests: OnceCell::new(),
            requests_of_subject: OnceCell::new(),
            open_requests: OnceCell::new(),
            case_pictures: OnceCell::new(),
            picture_times: OnceCell::new(),
        }
    }

    fn opened<'s, K: redb::Key + 'static>(
        &self,
        slot: &'s OnceCell<Rows<K>>,
        table: TableDefinition<K, &'static [u8]>,
    ) -> Result<&'s Rows<K>, StoreError> {
        if let Some(opened) = slot.get() {
            return Ok(opened);
        }
        let opened = self.transaction.open_table(table)?;
        Ok(slot.get_or_init(|| opened))
    }

    /// To read what is in no table of records.
    pub(super) fn transaction(&self) -> &ReadTransaction {
        &self.transaction
    }

    pub(super) fn gallery(&self) -> Result<&Rows<&'static str>, StoreError> {
        self.opened(&self.gallery, GALLERY)
    }

    pub(super) fn counters(&self) -> Result<Counters, StoreError> {
        read_counters(self.gallery()?, &self.protection)
    }

    /// Refuses a sealed gallery in which somebody has put an old row back, taken one away or added one.
    pub(super) fn check_rows(&self) -> Result<(), StoreError> {
        if self.protection.keys().is_none() {
            return Ok(());
        }
        let counters = self.counters()?;
        let is_sum = is_sum_of_rows(&self.transaction, &self.protection, &counters.row_sum)?;
        self.check_sum(is_sum, &counters)
    }

    /// The same, by the sum of rows that were all read for another purpose.
    pub(super) fn check_rows_read(&self, found: &RowSum<'_>) -> Result<(), StoreError> {
        if self.protection.keys().is_none() {
            return Ok(());
        }
        let counters = self.counters()?;
        self.check_sum(found.bytes() == counters.row_sum, &counters)
    }

    fn check_sum(&self, is_sum: bool, counters: &Counters) -> Result<(), StoreError> {
        if !is_sum {
            return Err(StoreError::damaged("rows were put back, added or taken away, and not by chinhchu"));
        }
        let entries = self.ledger()?.map(|ledger| ledger.next_place()).transpose()?.unwrap_or(0);
        match counters.entries == entries {
            true => Ok(()),
            false => Err(StoreError::damaged("the records are from another time than the transparency log")),
        }
    }

    /// The transparency log, where one has begun.
    pub(super) fn ledger(&self) -> Result<Option<LedgerSnapshot>, StoreError> {
        LedgerSnapshot::open(&self.transaction, &self.protection)
    }

    pub(super) fn template(&self, id: u64) -> Result<TemplateRecord, StoreError> {
        read_template(self, id)?.ok_or_else(|| StoreError::damaged("a subject's template is missing"))
    }
}

impl Tables for Snapshot {
    type ByText = Rows<&'static str>;
    type ByNumber = Rows<u64>;

    fn protection(&self) -> &Protection {
        &self.protection
    }

    fn has_key(&self, subject: &SubjectId) -> Result<bool, StoreError> {
        let Some(table) = if_there(self.transaction.open_table(SUBJECT_KEYS))? else { return Ok(false) };
        Ok(table.get(self.protection.subject(subject).as_str())?.is_some())
    }

    fn subjects(&self) -> Result<&Self::ByText, StoreError> {
        self.opened(&self.subjects, SUBJECTS)
    }

    fn templates(&self) -> Result<&Self::ByNumber, StoreError> {
        self.opened(&self.templates, TEMPLATES)
    }

    fn requests(&self) -> Result<&Self::ByText, StoreError> {
        self.opened(&self.requests, REQUESTS)
    }

    fn decisions(&self) -> Result<&Self::ByText, StoreError> {
        self.opened(&self.decisions, DECISIONS)
    }

    fn cleared(&self) -> Result<&Self::ByText, StoreError> {
        self.opened(&self.cleared, CLEARED)
    }

    fn changes(&self) -> Result<&Self::ByNumber, StoreError> {
        self.opened(&self.changes, CHANGES)
    }

    fn decision_heads(&self) -> Result<&Self::ByNumber, StoreError> {
        self.opened(&self.decision_heads, DECISION_HEADS)
    }

    fn subject_decisions(&self) -> Result<&Self::ByText, StoreError> {
        self.opened(&self.subject_decisions, SUBJECT_DECISIONS)
    }

    fn waiting(&self) -> Result<&Self::ByNumber, StoreError> {
        self.opened(&self.waiting, WAITING)
    }

    fn captures(&self) -> Result<&Self::ByNumber, StoreError> {
        self.opened(&self.captures, CAPTURES)
    }

    fn capture_bands(&self) -> Result<&Self::ByText, StoreError> {
        self.opened(&self.capture_bands, CAPTURE_BANDS)
    }

    fn challenges(&self) -> Result<&Self::ByNumber, StoreError> {
        self.opened(&self.challenges, CHALLENGES)
    }

    fn owner_challenges(&self) -> Result<&Self::ByText, StoreError> {
        self.opened(&self.owner_challenges, OWNER_CHALLENGES)
    }

    fn subject_requests(&self) -> Result<&Self::ByNumber, StoreError> {
        self.opened(&self.subject_requests, SUBJECT_REQUESTS)
    }

    fn requests_of_subject(&self) -> Result<&Self::ByText, StoreError> {
        self.opened(&self.requests_of_subject, REQUESTS_OF_SUBJECT)
    }

    fn open_requests(&self) -> Result<&Self::ByNumber, StoreError> {
        self.opened(&self.open_requests, OPEN_REQUESTS)
    }

    fn case_pictures(&self) -> Result<&Self::ByNumber, StoreError> {
        self.opened(&self.case_pictures, CASE_PICTURES)
    }

    fn picture_times(&self) -> Result<&Self::ByNumber, StoreError> {
        self.opened(&self.picture_times, PICTURE_TIMES)
    }
}

/// A table that may not be there: it came later, or the gallery has no use for it.
pub(super) fn if_there<T>(opened: Result<T, TableError>) -> Result<Option<T>, StoreError> {
    match opened {
        Ok(table) => Ok(Some(table)),
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

pub(super) fn read_subject(tables: &impl Tables, id: &str) -> Result<Option<SubjectRecord>, StoreError> {
    let protection = tables.protection();
    let name = protection.subject_named(id);
    let value = tables.subjects()?.get(name.as_str())?;
    value.map(|value| protection.unwrap("subjects", name.as_bytes(), value.value())).transpose()
}

pub(super) fn read_template(tables: &impl Tables, id: u64) -> Result<Option<TemplateRecord>, StoreError> {
    template_in(tables.templates()?, tables.protection(), id)
}

pub(super) fn template_in(
    table: &impl ReadableTable<u64, &'static [u8]>,
    protection: &Protection,
    id: u64,
) -> Result<Option<TemplateRecord>, StoreError> {
    table.get(id)?.map(|value| protection.unwrap("templates", &id.to_le_bytes(), value.value())).transpose()
}

/// What a write with the request id that is stored under `name` did.
pub(super) fn read_request(tables: &impl Tables, name: &str) -> Result<Option<RequestRecord>, StoreError> {
    let value = tables.requests()?.get(name)?;
    value.map(|value| tables.protection().unwrap("requests", name.as_bytes(), value.value())).transpose()
}

/// What the gallery is. The version is looked at before anything else is.
pub(super) fn read_gallery(
    table: &impl ReadableTable<&'static str, &'static [u8]>,
) -> Result<GalleryRecord, StoreError> {
    let value = table.get(GALLERY_KEY)?.ok_or_else(|| StoreError::damaged("the gallery's own record is missing"))?;
    let record: GalleryRecord = unseal("gallery", GALLERY_KEY.as_bytes(), value.value())?;
    if record.version > FORMAT_VERSION_SEALED {
        return Err(StoreError::Newer { found: record.version, known: FORMAT_VERSION_SEALED });
    }
    Ok(record)
}

/// What the gallery is known by; `None` in a folder of before galleries had an id.
pub(super) fn read_id(
    table: &impl ReadableTable<&'static str, &'static [u8]>,
) -> Result<Option<GalleryId>, StoreError> {
    let Some(value) = table.get(ID_KEY)? else { return Ok(None) };
    let record: IdRecord = unseal("gallery", ID_KEY.as_bytes(), value.value())?;
    let id = GalleryId::from_bytes(&record.id);
    id.map(Some).ok_or_else(|| StoreError::damaged("the gallery's id is of another length"))
}

pub(super) fn read_counters(
    table: &impl ReadableTable<&'static str, &'static [u8]>,
    protection: &Protection,
) -> Result<Counters, StoreError> {
    let value = table.get(COUNTERS_KEY)?.ok_or_else(|| StoreError::damaged("the counters are missing"))?;
    protection.unwrap("gallery", COUNTERS_KEY.as_bytes(), value.value())
}

/// What the last run of retention did.
pub(super) fn read_retention(
    table: &impl ReadableTable<&'static str, &'static [u8]>,
) -> Result<Option<RetentionRun>, StoreError> {
    let Some(value) = table.get(RETENTION_KEY)? else { return Ok(None) };
    let record: RetentionRecord = unseal("gallery", RETENTION_KEY.as_bytes(), value.value())?;
    Ok(Some(record.restore()))
}

/// Marks and keys of the index files that are accepted.
pub(super) fn read_marks(
    table: &impl ReadableTable<&'static str, &'static [u8]>,
    index: &str,
) -> Result<IndexMarksRecord, StoreError> {
    let value = table.get(index)?;
    let record = value.map(|value| unseal::<IndexMarksRecord>("gallery", index.as_bytes(), value.value()));
    Ok(record.transpose()?.unwrap_or_default())
}

/// What commits after `after` did to templates, oldest first.
pub(super) fn read_changes(tables: &impl Tables, after: u64) -> Result<Vec<ChangeRecord>, StoreError> {
    let rows = tables.changes()?.range(after.saturating_add(1)..)?;
    rows.map(|row| {
        let (commit, value) = row?;
        tables.protection().unwrap("changes", &commit.value().to_le_bytes(), value.value())
    })
    .collect()
}

pub(super) fn read_decision(tables: &impl Tables, key: &DecisionKey) -> Result<Option<DecisionRecord>, StoreError> {
    let name = decision_key(tables.protection(), key);
    let value = tables.decisions()?.get(name.as_str())?;
    value.map(|value| tables.protection().unwrap("decisions", name.as_bytes(), value.value())).transpose()
}

/// Attempts of a transaction from the last one backwards, `limit` at most.
pub(super) fn read_attempts(
    tables: &impl Tables,
    transaction: &RequestId,
    limit: usize,
) -> Result<Vec<StoredDecision>, StoreError> {
    attempts_in(tables.decisions()?, tables.protection(), transaction, limit)
}

/// The same of the table alone.
pub(super) fn attempts_in(
    table: &impl ReadableTable<&'static str, &'static [u8]>,
    protection: &Protection,
    transaction: &RequestId,
    limit: usize,
) -> Result<Vec<StoredDecision>, StoreError> {
    let first = DecisionKey { transaction: transaction.clone(), attempt: 0 };
    let last = DecisionKey { transaction: transaction.clone(), attempt: u32::MAX };
    let (first, last) = (decision_key(protection, &first), decision_key(protection, &last));
    let rows = table.range::<&str>(first.as_str()..=last.as_str())?.rev().take(limit);
    rows.map(|row| {
        let (name, value) = row?;
        let record: DecisionRecord = protection.unwrap("decisions", name.value().as_bytes(), value.value())?;
        let key = record.key(name.value())?;
        record.restore(key)
    })
    .collect()
}

/// Under which key a decision of a subject lies.
pub(super) fn subject_decision_key(protection: &Protection, subject: &SubjectId, number: u64) -> String {
    format!("{}\0{number:016x}", protection.subject(subject))
}

/// Numbers of the decisions about a subject, those after `after`, lowest first.
pub(super) fn read_subject_decisions(
    table: &impl ReadableTable<&'static str, &'static [u8]>,
    protection: &Protection,
    subject: &SubjectId,
    after: u64,
) -> Result<impl DoubleEndedIterator<Item = Result<u64, StoreError>>, StoreError> {
    // U+0001 is the next after NUL, and no id holds either.
    let first = subject_decision_key(protection, subject, after.saturating_add(1));
    let end = format!("{}\u{1}", protection.subject(subject));
    let rows = table.range::<&str>(first.as_str()..end.as_str())?;
    Ok(rows.map(|row| {
        let (name, _) = row?;
        let number = name.value().rsplit_once('\0').and_then(|(_, number)| u64::from_str_radix(number, 16).ok());
        number.ok_or_else(|| StoreError::damaged("the key of a subject's decision is not one"))
    }))
}

/// Under which key a capture lies in the table of keys.
pub(super) fn band_key(protection: &Protection, band: &CaptureBand, number: u64) -> String {
    format!("{}{number:016x}", hex::encode(&protection.band(band)))
}

/// Under which key a capture of a subject lies.
pub(super) fn subject_capture_key(protection: &Protection, subject: &SubjectId, number: u64) -> String {
    subject_decision_key(protection, subject, number)
}

/// Captures that one look-up finds at most, the newest ones: of a picture that is sent for ever, some
/// are enough.
const CAPTURES_FOUND_MAX: usize = 1000;

/// Captures that share one of the keys, with numbers from `since` on, whose time is not over at
/// `now`, oldest first.
pub(super) fn read_captures(
    tables: &impl Tables,
    since: u64,
    bands: &[CaptureBand],
    now: Timestamp,
) -> Result<Vec<StoredCapture>, StoreError> {
    let mut numbers = BTreeSet::new();
    for band in bands {
        // The key is fixed in length, so its end is the last number.
        let protection = tables.protection();
        let (first, last) = (band_key(protection, band, since), band_key(protection, band, u64::MAX));
        for row in tables.capture_bands()?.range::<&str>(first.as_str()..=last.as_str())? {
            let name = row?.0;
            let number = name.value().get(16..).and_then(|number| u64::from_str_radix(number, 16).ok());
            numbers.insert(number.ok_or_else(|| StoreError::damaged("the key of a capture is not one"))?);
        }
    }
    let mut found = Vec::new();
    let newest = numbers.len().saturating_sub(CAPTURES_FOUND_MAX);
    for number in numbers.into_iter().skip(newest) {
        let capture = read_capture(tables, number)?;
        let capture = capture.ok_or_else(|| StoreError::damaged("a capture is listed and not there"))?;
        if capture.expires_at > now {
            found.push(capture);
        }
    }
    Ok(found)
}

pub(super) fn read_capture(tables: &impl Tables, number: u64) -> Result<Option<StoredCapture>, StoreError> {
    let Some(value) = tables.captures()?.get(number)? else { return Ok(None) };
    let record: CaptureRecord = tables.protection().unwrap("captures", &number.to_le_bytes(), value.value())?;
    record.restore(number).map(Some)
}

/// What is listed of a decision.
pub(super) fn read_decision_head(tables: &impl Tables, number: u64) -> Result<Option<DecisionHead>, StoreError> {
    let Some(value) = tables.decision_heads()?.get(number)? else { return Ok(None) };
    let record: DecisionHeadRecord =
        tables.protection().unwrap("decision_heads", &number.to_le_bytes(), value.value())?;
    let waits = tables.waiting()?.get(number)?.is_some();
    record.restore(number, waits).map(Some)
}

/// Every pair of a subject, however it stands, in byte order of the other.
pub(super) fn read_pairs_of(tables: &impl Tables, subject: &SubjectId) -> Result<Vec<ClearedPair>, StoreError> {
    // U+0001 is the next after NUL, and no id holds either.
    let name = tables.protection().subject(subject);
    let (first, last) = (format!("{name}\0"), format!("{name}\u{1}"));
    let mut found = Vec::new();
    for row in tables.cleared()?.range::<&str>(first.as_str()..last.as_str())? {
        let (name, value) = row?;
        found.push(pair_of(tables, name.value(), value.value())?);
    }
    // Hashes have another order than ids.
    found.sort_unstable_by(|one, other| (&one.first, &one.second).cmp(&(&other.first, &other.second)));
    Ok(found)
}

fn pair_of(tables: &impl Tables, name: &str, value: &[u8]) -> Result<ClearedPair, StoreError> {
    tables.protection().unwrap::<ClearedRecord>("cleared", name.as_bytes(), value)?.restore_under(name)
}

/// Up to `limit` cleared pairs, those whose key comes after `after`.
pub(super) fn read_cleared_pairs(
    tables: &impl Tables,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<ClearedPair>, StoreError> {
    use std::ops::Bound::{Excluded, Unbounded};
    let from = after.map_or(Unbounded, Excluded);
    let mut pairs = Vec::new();
    for row in tables.cleared()?.range::<&str>((from, Unbounded))? {
        if pairs.len() == limit {
            break;
        }
        let (name, value) = row?;
        let name = name.value();
        let pair = pair_of(tables, name, value.value())?;
        // Each pair lies there twice.
        if name == cleared_key(tables.protection(), &pair.first, &pair.second) {
            pairs.push(pair);
        }
    }
    Ok(pairs)
}

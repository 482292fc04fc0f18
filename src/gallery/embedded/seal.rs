//! How each row of a clear gallery lies in a sealed one: its name, and its value.

use prost::Message;
use redb::{Key, TableDefinition, Value};

use super::challenges::{CHALLENGES, ChallengeRecord, OWNER_CHALLENGES};
use super::fault::StoreError;
use super::ledger::{ABOUT, CHECKPOINTS, COMMITMENTS, ENTRIES, EntryRecord, HEAD, TILES};
use super::pictures::{CASE_PICTURES, CasePicturesRecord, PICTURE_TIMES, PictureTimesRecord};
use super::protection::{Owner, Protection};
use super::record::{
    CaptureRecord, ChangeRecord, ClearedRecord, DecisionHeadRecord, DecisionRecord, RequestRecord, SubjectRecord,
    TemplateRecord, unseal,
};
use super::row_sum::RowSum;
use super::subject_keys::owner_in_table;
use super::subject_requests::{OPEN_REQUESTS, REQUESTS_OF_SUBJECT, SUBJECT_REQUESTS, SubjectRequestRecord};
use super::tables::{
    CAPTURE_BANDS, CAPTURES, CHANGES, CLEARED, DECISION_HEADS, DECISIONS, REQUEST_ORDER, REQUESTS, SUBJECT_CAPTURES,
    SUBJECT_DECISIONS, SUBJECTS, Snapshot, TEMPLATES, WAITING, cleared_ids, cleared_key, decision_key, decision_key_of,
    read_subject,
};
use crate::gallery::{CaptureBand, RequestId};
use crate::hex;

/// Bytes of a row, key and value.
pub(super) type Row = (Vec<u8>, Vec<u8>);
/// Makes the sealed row of a clear one.
pub(super) type Convert = fn(&mut Copying<'_>, &[u8], &[u8]) -> Result<Row, StoreError>;

/// What rows are made with.
pub(super) struct Copying<'a> {
    pub(super) protection: &'a Protection,
    pub(super) source: &'a Snapshot,
    pub(super) subject_keys: redb::Table<'a, &'static str, u64>,
    pub(super) rows: RowSum<'a>,
    pub(super) keys_to: u64,
}

fn text(bytes: &[u8]) -> Result<&str, StoreError> {
    str::from_utf8(bytes).map_err(|_| StoreError::damaged("a key is not text"))
}

impl Copying<'_> {
    fn owner(&mut self, subject: &str) -> Result<Owner, StoreError> {
        owner_in_table(self.protection, subject, &mut self.subject_keys, &mut self.rows, &mut self.keys_to)
    }

    fn wrap(&self, table: &'static str, key: Vec<u8>, owner: Owner, record: &impl Message) -> Result<Row, StoreError> {
        let value = self.protection.wrap(table, &key, owner, record)?;
        Ok((key, value))
    }

    /// A row under a number, about the subject that its record names.
    fn numbered<M: Message + Default>(
        &mut self,
        table: &'static str,
        (key, value): (&[u8], &[u8]),
        subject: fn(&M) -> &str,
    ) -> Result<Row, StoreError> {
        let record: M = unseal(table, key, value)?;
        let owner = self.owner(subject(&record))?;
        self.wrap(table, key.to_vec(), owner, &record)
    }

    /// What a row is named.
    fn name(&self, table: &str, key: &[u8]) -> Result<Vec<u8>, StoreError> {
        name_of(self.protection, table, key)
    }
}

/// What the row of a clear gallery that lies under `key` is named in a sealed one.
pub(super) fn name_of(protection: &Protection, table: &str, key: &[u8]) -> Result<Vec<u8>, StoreError> {
    let damaged = |what: &str| StoreError::damaged(format!("the key of {what} is not one"));
    let name = match table {
        "subjects" => protection.subject_named(text(key)?),
        "requests" => request_name(protection, key)?,
        "decisions" => decision_key(protection, &decision_key_of(text(key)?)?),
        "cleared" => {
            let (one, other) = cleared_ids(text(key)?)?;
            cleared_key(protection, &one, &other)
        }
        // Lists of what a subject has: their keys begin with the id.
        "subject_decisions" | "subject_captures" | "requests_of_subject" => {
            let (id, rest) = text(key)?.split_once('\0').ok_or_else(|| damaged("a list"))?;
            format!("{}\0{rest}", protection.subject_named(id))
        }
        "capture_bands" => {
            let (digits, rest) = text(key)?.split_at_checked(16).ok_or_else(|| damaged("a capture"))?;
            let number = u64::from_str_radix(digits, 16).map_err(|_| damaged("a capture"))?;
            let blinded: CaptureBand = protection.band(&number.to_be_bytes());
            format!("{}{rest}", hex::encode(&blinded))
        }
        "owner_challenges" => {
            let (transaction, rest) = text(key)?.split_once(' ').ok_or_else(|| damaged("a challenge"))?;
            let transaction = RequestId::new(transaction).map_err(|_| damaged("a challenge"))?;
            format!("{} {rest}", protection.transaction(&transaction))
        }
        // Numbers and digests name nobody.
        _ => return Ok(key.to_vec()),
    };
    Ok(name.into_bytes())
}

fn request_name(protection: &Protection, id: &[u8]) -> Result<String, StoreError> {
    let id = RequestId::new(text(id)?).map_err(|_| StoreError::damaged("a request id is not one"))?;
    Ok(protection.request(&id))
}

fn same(_: &mut Copying<'_>, key: &[u8], value: &[u8]) -> Result<Row, StoreError> {
    Ok((key.to_vec(), value.to_vec()))
}

fn subject(copying: &mut Copying<'_>, key: &[u8], value: &[u8]) -> Result<Row, StoreError> {
    let record: SubjectRecord = unseal("subjects", key, value)?;
    let id = record.subject(text(key)?)?;
    let (name, owner) = (copying.name("subjects", key)?, copying.owner(id.as_str())?);
    copying.wrap("subjects", name, owner, &SubjectRecord { id: id.as_str().to_owned(), ..record })
}

fn decision(copying: &mut Copying<'_>, key: &[u8], value: &[u8]) -> Result<Row, StoreError> {
    let record: DecisionRecord = unseal("decisions", key, value)?;
    let of = decision_key_of(text(key)?)?;
    let (name, owner) = (copying.name("decisions", key)?, copying.owner(&record.subject)?);
    let transaction = of.transaction.as_str().to_owned();
    copying.wrap("decisions", name, owner, &DecisionRecord { transaction, attempt: of.attempt, ..record })
}

fn cleared(copying: &mut Copying<'_>, key: &[u8], value: &[u8]) -> Result<Row, StoreError> {
    let record: ClearedRecord = unseal("cleared", key, value)?;
    let (one, other) = cleared_ids(text(key)?)?;
    let name = copying.name("cleared", key)?;
    let owner = Owner::of_both(copying.owner(one.as_str())?, copying.owner(other.as_str())?);
    let (first, second) = if one < other { (one, other) } else { (other, one) };
    let (first, second) = (first.as_str().to_owned(), second.as_str().to_owned());
    copying.wrap("cleared", name, owner, &ClearedRecord { first, second, ..record })
}

fn request(copying: &mut Copying<'_>, key: &[u8], value: &[u8]) -> Result<Row, StoreError> {
    let record: RequestRecord = unseal("requests", key, value)?;
    let name = copying.name("requests", key)?;
    copying.wrap("requests", name, Owner::Table, &record)
}

fn subject_request(copying: &mut Copying<'_>, key: &[u8], value: &[u8]) -> Result<Row, StoreError> {
    let record: SubjectRequestRecord = unseal("subject_requests", key, value)?;
    let owner = match record.subject.as_str() {
        // Of somebody who was erased.
        "" => Owner::Table,
        subject => copying.owner(subject)?,
    };
    copying.wrap("subject_requests", key.to_vec(), owner, &record)
}

fn change(copying: &mut Copying<'_>, key: &[u8], value: &[u8]) -> Result<Row, StoreError> {
    let record: ChangeRecord = unseal("changes", key, value)?;
    let mut relabelled_templates = record.relabelled_templates.clone();
    for id in &record.relabelled {
        let subject = read_subject(copying.source, id)?;
        relabelled_templates.extend(subject.map(|subject| subject.templates).unwrap_or_default());
    }
    let record = ChangeRecord { relabelled: Vec::new(), relabelled_templates, ..record };
    copying.wrap("changes", key.to_vec(), Owner::Table, &record)
}

/// Does something to each table of records that is copied.
pub(super) trait EachTable {
    fn table<K: Key + 'static, V: Value + 'static>(
        &mut self,
        definition: TableDefinition<'static, K, V>,
        convert: Convert,
    ) -> Result<(), StoreError>;
}

/// Goes through all tables, those of the transparency log where one has begun.
pub(super) fn each_table(each: &mut impl EachTable, has_ledger: bool) -> Result<(), StoreError> {
    each.table(SUBJECTS, subject)?;
    each.table(TEMPLATES, |copying, key, value| {
        copying.numbered::<TemplateRecord>("templates", (key, value), |record| &record.subject)
    })?;
    each.table(REQUESTS, request)?;
    each.table(REQUEST_ORDER, |copying, key, value| {
        Ok((key.to_vec(), request_name(copying.protection, value)?.into_bytes()))
    })?;
    each.table(DECISIONS, decision)?;
    each.table(DECISION_HEADS, |copying, key, value| {
        copying.numbered::<DecisionHeadRecord>("decision_heads", (key, value), |record| &record.subject)
    })?;
    each.table(SUBJECT_DECISIONS, |copying, key, value| Ok((copying.name("subject_decisions", key)?, value.to_vec())))?;
    each.table(WAITING, same)?;
    each.table(CLEARED, cleared)?;
    each.table(CHANGES, change)?;
    each.table(CAPTURES, |copying, key, value| {
        copying.numbered::<CaptureRecord>("captures", (key, value), |record| &record.subject)
    })?;
    each.table(CAPTURE_BANDS, |copying, key, value| Ok((copying.name("capture_bands", key)?, value.to_vec())))?;
    each.table(SUBJECT_CAPTURES, |copying, key, value| Ok((copying.name("subject_captures", key)?, value.to_vec())))?;
    each.table(CHALLENGES, |copying, key, value| {
        let record: ChallengeRecord = unseal("challenges", key, value)?;
        copying.wrap("challenges", key.to_vec(), Owner::Table, &record)
    })?;
    each.table(OWNER_CHALLENGES, |copying, key, value| Ok((copying.name("owner_challenges", key)?, value.to_vec())))?;
    each.table(SUBJECT_REQUESTS, subject_request)?;
    each.table(REQUESTS_OF_SUBJECT, |copying, key, value| {
        Ok((copying.name("requests_of_subject", key)?, value.to_vec()))
    })?;
    each.table(OPEN_REQUESTS, same)?;
    // A gallery in the clear keeps no pictures.
    each.table(CASE_PICTURES, |copying, key, value| {
        copying.numbered::<CasePicturesRecord>("case_pictures", (key, value), |record| &record.subject)
    })?;
    each.table(PICTURE_TIMES, |copying, key, value| {
        let record: PictureTimesRecord = unseal("picture_times", key, value)?;
        copying.wrap("picture_times", key.to_vec(), Owner::Table, &record)
    })?;
    if has_ledger {
        each.table(HEAD, same)?;
        each.table(COMMITMENTS, same)?;
        each.table(ENTRIES, |copying, key, value| {
            let record: EntryRecord = unseal("ledger_entries", key, value)?;
            copying.wrap("ledger_entries", key.to_vec(), Owner::Table, &record)
        })?;
        each.table(ABOUT, same)?;
        each.table(TILES, same)?;
        each.table(CHECKPOINTS, same)?;
    }
    Ok(())
}

//! The tables of requests of people about their records: by number, by whom they are about, and those
//! that have not ended.

use std::cell::OnceCell;

use prost::Message;
use redb::{ReadableTable, Table, TableDefinition, WriteTransaction};

use super::fault::StoreError;
use super::protection::{Owner, Protection};
use super::record::{requester_number, requester_of, stored_id};
use super::row_sum::RowSum;
use super::tables::{Tables, read_subject_decisions, subject_decision_key};
use crate::gallery::{
    Closing, Note, RequestFilter, RequestKind, RequestPage, RequestStep, SubjectId, SubjectRequest, Timestamp,
};

/// By number, a request.
pub(super) const SUBJECT_REQUESTS: TableDefinition<u64, &[u8]> = TableDefinition::new("subject_requests");
/// Subject and number of each request; the values are empty.
pub(super) const REQUESTS_OF_SUBJECT: TableDefinition<&str, &[u8]> = TableDefinition::new("requests_of_subject");
/// Numbers of requests that have not ended; the values are empty.
pub(super) const OPEN_REQUESTS: TableDefinition<u64, &[u8]> = TableDefinition::new("open_requests");

/// Rows that one page of a list looks at.
const LOOKED_AT_MAX: usize = 10_000;

/// A request as it lies on disk.
#[derive(Clone, PartialEq, Message)]
pub(super) struct SubjectRequestRecord {
    /// Empty once the record was erased.
    #[prost(string, tag = "1")]
    pub subject: String,
    /// 1 access, 2 correction, 3 restriction, 4 erasure, 5 objection.
    #[prost(uint32, tag = "2")]
    pub kind: u32,
    /// 1 the person, 2 an authority, 3 the office.
    #[prost(uint32, tag = "3")]
    pub requester: u32,
    #[prost(uint64, tag = "4")]
    pub received_at: u64,
    #[prost(uint64, tag = "5")]
    pub acknowledge_by: u64,
    #[prost(uint64, tag = "6")]
    pub complete_by: u64,
    #[prost(message, optional, tag = "7")]
    pub opened: Option<StepRecord>,
    #[prost(message, optional, tag = "8")]
    pub acknowledged: Option<StepRecord>,
    /// 1 completed, 2 refused, 3 superseded; 0 where it has not ended.
    #[prost(uint32, tag = "9")]
    pub closing: u32,
    #[prost(message, optional, tag = "10")]
    pub closed: Option<StepRecord>,
}

/// Who did something about a request, why, and when.
#[derive(Clone, PartialEq, Message)]
pub(super) struct StepRecord {
    #[prost(string, optional, tag = "1")]
    pub by: Option<String>,
    #[prost(string, optional, tag = "2")]
    pub reason: Option<String>,
    #[prost(uint64, tag = "3")]
    pub at: u64,
}

impl StepRecord {
    fn of(step: &RequestStep) -> Self {
        Self {
            by: step.by.as_ref().map(|by| by.as_str().to_owned()),
            reason: step.reason.as_ref().map(|reason| reason.as_str().to_owned()),
            at: step.at.0,
        }
    }

    fn restore(self) -> Result<RequestStep, StoreError> {
        let by = self.by.map(stored_id).transpose()?;
        Ok(RequestStep { by, reason: self.reason.map(Note::stored), at: Timestamp(self.at) })
    }
}

impl SubjectRequestRecord {
    fn of(request: &SubjectRequest) -> Self {
        Self {
            subject: request.subject.as_ref().map(|id| id.as_str().to_owned()).unwrap_or_default(),
            kind: match request.kind {
                RequestKind::Access => 1,
                RequestKind::Correction => 2,
                RequestKind::Restriction => 3,
                RequestKind::Erasure => 4,
                RequestKind::Objection => 5,
            },
            requester: requester_number(request.requester),
            received_at: request.received_at.0,
            acknowledge_by: request.acknowledge_by.0,
            complete_by: request.complete_by.0,
            opened: Some(StepRecord::of(&request.opened)),
            acknowledged: request.acknowledged.as_ref().map(StepRecord::of),
            closing: match &request.closed {
                None => 0,
                Some((Closing::Completed, _)) => 1,
                Some((Closing::Refused, _)) => 2,
                Some((Closing::Superseded, _)) => 3,
            },
            closed: request.closed.as_ref().map(|(_, step)| StepRecord::of(step)),
        }
    }

    fn restore(self, number: u64) -> Result<SubjectRequest, StoreError> {
        let damaged = || StoreError::damaged("a request of a person is of no known kind");
        let kind = match self.kind {
            1 => RequestKind::Access,
            2 => RequestKind::Correction,
            3 => RequestKind::Restriction,
            4 => RequestKind::Erasure,
            5 => RequestKind::Objection,
            _ => return Err(damaged()),
        };
        let closing = match self.closing {
            0 => None,
            1 => Some(Closing::Completed),
            2 => Some(Closing::Refused),
            3 => Some(Closing::Superseded),
            // Never taken for one that has not ended, nor for one that was carried out.
            _ => return Err(damaged()),
        };
        Ok(SubjectRequest {
            number,
            subject: Some(self.subject).filter(|id| !id.is_empty()).map(stored_id).transpose()?,
            kind,
            requester: requester_of(self.requester)?,
            received_at: Timestamp(self.received_at),
            acknowledge_by: Timestamp(self.acknowledge_by),
            complete_by: Timestamp(self.complete_by),
            opened: self.opened.ok_or_else(damaged)?.restore()?,
            acknowledged: self.acknowledged.map(StepRecord::restore).transpose()?,
            closed: match closing {
                Some(closing) => Some((closing, self.closed.ok_or_else(damaged)?.restore()?)),
                None => None,
            },
        })
    }
}

/// The request of this number.
pub(super) fn read_subject_request(tables: &impl Tables, number: u64) -> Result<Option<SubjectRequest>, StoreError> {
    request_in(tables.subject_requests()?, tables.protection(), number)
}

fn request_in(
    table: &impl ReadableTable<u64, &'static [u8]>,
    protection: &Protection,
    number: u64,
) -> Result<Option<SubjectRequest>, StoreError> {
    let Some(value) = table.get(number)? else { return Ok(None) };
    let record: SubjectRequestRecord = protection.unwrap("subject_requests", &number.to_le_bytes(), value.value())?;
    record.restore(number).map(Some)
}

fn listed(request: Option<SubjectRequest>) -> Result<SubjectRequest, StoreError> {
    request.ok_or_else(|| StoreError::damaged("a request of a person is listed and not there"))
}

/// Every request about a subject, lowest number first.
pub(super) fn read_requests_of(tables: &impl Tables, subject: &SubjectId) -> Result<Vec<SubjectRequest>, StoreError> {
    let numbers = read_subject_decisions(tables.requests_of_subject()?, tables.protection(), subject, 0)?;
    numbers.map(|number| listed(read_subject_request(tables, number?)?)).collect()
}

/// Requests that pass the filter, lowest number first, those after `after`. Looks at [`LOOKED_AT_MAX`]
/// rows at most.
pub(super) fn requests_after(
    tables: &impl Tables,
    filter: &RequestFilter,
    after: u64,
    limit: usize,
) -> Result<RequestPage, StoreError> {
    let numbers: Box<dyn Iterator<Item = Result<u64, StoreError>>> = match (&filter.subject, filter.is_of_open()) {
        (Some(subject), _) => {
            Box::new(read_subject_decisions(tables.requests_of_subject()?, tables.protection(), subject, after)?)
        }
        (None, true) => Box::new(super::read::numbers_of(tables.open_requests()?, after)?),
        (None, false) => Box::new(super::read::numbers_of(tables.subject_requests()?, after)?),
    };
    let (mut page, mut last) = (RequestPage::default(), after);
    for (looked_at, number) in numbers.enumerate() {
        let number = number?;
        if page.requests.len() == limit || looked_at == LOOKED_AT_MAX {
            page.more_after = Some(last);
            break;
        }
        last = number;
        page.requests.extend(Some(listed(read_subject_request(tables, number)?)?).filter(|one| filter.passes(one)));
    }
    Ok(page)
}

/// The tables in a write transaction, opened when one of them is first used: few commits do.
pub(super) struct SubjectRequests<'t> {
    transaction: &'t WriteTransaction,
    protection: &'t Protection,
    opened: OnceCell<Opened<'t>>,
}

pub(super) struct Opened<'t> {
    pub(super) by_number: Table<'t, u64, &'static [u8]>,
    pub(super) of_subject: Table<'t, &'static str, &'static [u8]>,
    pub(super) open: Table<'t, u64, &'static [u8]>,
}

impl<'t> SubjectRequests<'t> {
    pub(super) fn new(transaction: &'t WriteTransaction, protection: &'t Protection) -> Self {
        Self { transaction, protection, opened: OnceCell::new() }
    }

    pub(super) fn tables(&self) -> Result<&Opened<'t>, StoreError> {
        if let Some(opened) = self.opened.get() {
            return Ok(opened);
        }
        let opened = Opened {
            by_number: self.transaction.open_table(SUBJECT_REQUESTS)?,
            of_subject: self.transaction.open_table(REQUESTS_OF_SUBJECT)?,
            open: self.transaction.open_table(OPEN_REQUESTS)?,
        };
        Ok(self.opened.get_or_init(|| opened))
    }

    fn tables_mut(&mut self) -> Result<&mut Opened<'t>, StoreError> {
        self.tables()?;
        self.opened.get_mut().ok_or_else(|| StoreError::damaged("a table that was opened is not"))
    }

    /// Writes a request, in place of the one that may be there.
    pub(super) fn put(
        &mut self,
        request: &SubjectRequest,
        owner: Owner,
        rows: &mut RowSum<'_>,
    ) -> Result<(), StoreError> {
        let (number, protection) = (request.number, self.protection);
        let record = SubjectRequestRecord::of(request);
        let sealed = protection.wrap("subject_requests", &number.to_le_bytes(), owner, &record)?;
        let tables = self.tables_mut()?;
        rows.insert(&mut tables.by_number, number, sealed.as_slice())?;
        if let Some(subject) = &request.subject {
            let name = subject_decision_key(protection, subject, number);
            rows.insert(&mut tables.of_subject, name.as_str(), [].as_slice())?;
        }
        match request.is_open() {
            true => rows.insert(&mut tables.open, number, [].as_slice()),
            false => rows.remove(&mut tables.open, number),
        }
    }

    /// Takes a request away, if it is there.
    pub(super) fn remove(&mut self, number: u64, rows: &mut RowSum<'_>) -> Result<(), StoreError> {
        let protection = self.protection;
        let tables = self.tables_mut()?;
        let Some(request) = request_in(&tables.by_number, protection, number)? else { return Ok(()) };
        if let Some(subject) = &request.subject {
            let name = subject_decision_key(protection, subject, number);
            rows.remove(&mut tables.of_subject, name.as_str())?;
        }
        rows.remove(&mut tables.open, number)?;
        rows.remove(&mut tables.by_number, number)
    }

    /// Takes every request about a subject away.
    pub(super) fn forget(&mut self, subject: &SubjectId, rows: &mut RowSum<'_>) -> Result<(), StoreError> {
        let listed = &self.tables()?.of_subject;
        let numbers: Vec<u64> =
            read_subject_decisions(listed, self.protection, subject, 0)?.collect::<Result<_, _>>()?;
        numbers.into_iter().try_for_each(|number| self.remove(number, rows))
    }
}

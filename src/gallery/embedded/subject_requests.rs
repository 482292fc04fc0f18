//! The tables of requests of people about their records: by number, by whom they are about, and those
//! that have not ended.

use std::cell::OnceCell;

use redb::{ReadableTable, Table, TableDefinition, WriteTransaction};

use super::fault::StoreError;
use super::protection::{Owner, Protection};
use super::row_sum::RowSum;
use super::tables::{Tables, read_subject_decisions, subject_decision_key};
pub(super) use crate::gallery::record::subject_request::SubjectRequestRecord;
use crate::gallery::{RequestFilter, RequestPage, SubjectId, SubjectRequest};

/// By number, a request.
pub(super) const SUBJECT_REQUESTS: TableDefinition<u64, &[u8]> = TableDefinition::new("subject_requests");
/// Subject and number of each request; the values are empty.
pub(super) const REQUESTS_OF_SUBJECT: TableDefinition<&str, &[u8]> = TableDefinition::new("requests_of_subject");
/// Numbers of requests that have not ended; the values are empty.
pub(super) const OPEN_REQUESTS: TableDefinition<u64, &[u8]> = TableDefinition::new("open_requests");

/// Rows that one page of a list looks at.
const LOOKED_AT_MAX: usize = 10_000;

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

//! Requests of people about their records, in a gallery: entering, answering, listing and counting them.

use super::records::{Committed, ReadSet};
use super::rules::Command;
use super::{
    AnswerRequest, Gallery, GalleryError, OpenRequest, Receipt, RequestCounts, RequestFilter, RequestPage, Retry,
    SubjectRequest, Timestamp,
};
use crate::context::RequestContext;

/// Requests read at a time to be counted.
const READ_AT_ONCE: usize = 256;

impl Gallery {
    /// Enters a request of a person about their record, whether that is enrolled or not.
    ///
    /// # Errors
    /// [`GalleryError::RequestIdReused`]; [`GalleryError::UnknownRequest`] for a retry of one whose record
    /// was erased since; as [`RecordStore::commit`](super::RecordStore::commit).
    pub async fn open_request(
        &self,
        context: &RequestContext,
        open: OpenRequest,
        retry: Option<Retry>,
    ) -> Result<(SubjectRequest, Receipt), GalleryError> {
        let Committed { receipt, subject_request, .. } =
            self.commit(context, Command::OpenRequest(open, retry)).await?;
        Ok((subject_request.ok_or(GalleryError::UnknownRequest)?, receipt))
    }

    /// Acknowledges or ends a request of a person.
    ///
    /// # Errors
    /// [`GalleryError::UnknownRequest`]; [`GalleryError::RequestClosed`] for one that has ended
    /// otherwise; [`GalleryError::RequestIdReused`]; as [`RecordStore::commit`](super::RecordStore::commit).
    pub async fn answer_request(
        &self,
        context: &RequestContext,
        answer: AnswerRequest,
        retry: Option<Retry>,
    ) -> Result<(SubjectRequest, Receipt), GalleryError> {
        // The log tells of whom: a command alone names the number.
        let about = match &self.ledger {
            None => None,
            Some(_) => self.subject_request(answer.number).await?.and_then(|request| request.subject),
        };
        let Committed { receipt, subject_request, .. } =
            self.commit_about(context, Command::AnswerRequest(answer, retry), about).await?;
        Ok((subject_request.ok_or(GalleryError::UnknownRequest)?, receipt))
    }

    /// The request of a person with this number.
    ///
    /// # Errors
    /// As [`RecordStore::read`](super::RecordStore::read).
    pub async fn subject_request(&self, number: u64) -> Result<Option<SubjectRequest>, GalleryError> {
        let wanted = ReadSet { subject_request: Some(number), ..ReadSet::default() };
        Ok(self.store.read(wanted).await?.subject_requests.pop())
    }

    /// See [`RecordStore::requests_after`](super::RecordStore::requests_after).
    ///
    /// # Errors
    /// As there.
    pub async fn requests_after(
        &self,
        filter: &RequestFilter,
        after: u64,
        limit: usize,
    ) -> Result<RequestPage, GalleryError> {
        self.store.requests_after(filter, after, limit).await
    }

    /// How many requests of people have not ended, and how many of them are late at `now`.
    ///
    /// # Errors
    /// As [`RecordStore::read`](super::RecordStore::read).
    pub async fn count_requests(&self, now: Timestamp) -> Result<RequestCounts, GalleryError> {
        let filter = RequestFilter { open: true, ..RequestFilter::default() };
        let (mut counts, mut after) = (RequestCounts::default(), Some(0));
        while let Some(from) = after {
            let page = self.store.requests_after(&filter, from, READ_AT_ONCE).await?;
            counts.open += page.requests.len() as u64;
            counts.overdue += page.requests.iter().filter(|request| request.late(now).is_some()).count() as u64;
            after = page.more_after;
        }
        Ok(counts)
    }
}

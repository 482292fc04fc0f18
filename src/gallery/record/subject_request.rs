//! A request of a person about their record as it lies in a store.

use prost::Message;

use super::fault::StoreError;
use super::message::{requester_number, requester_of, stored_id};
use crate::gallery::{Closing, Note, RequestKind, RequestStep, SubjectRequest, Timestamp};

/// A request as it lies on disk.
#[derive(Clone, PartialEq, Message)]
pub(in crate::gallery) struct SubjectRequestRecord {
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
pub(in crate::gallery) struct StepRecord {
    #[prost(string, optional, tag = "1")]
    pub by: Option<String>,
    #[prost(string, optional, tag = "2")]
    pub reason: Option<String>,
    #[prost(uint64, tag = "3")]
    pub at: u64,
}

impl StepRecord {
    pub(in crate::gallery) fn of(step: &RequestStep) -> Self {
        Self {
            by: step.by.as_ref().map(|by| by.as_str().to_owned()),
            reason: step.reason.as_ref().map(|reason| reason.as_str().to_owned()),
            at: step.at.0,
        }
    }

    pub(in crate::gallery) fn restore(self) -> Result<RequestStep, StoreError> {
        let by = self.by.map(stored_id).transpose()?;
        Ok(RequestStep { by, reason: self.reason.map(Note::stored), at: Timestamp(self.at) })
    }
}

impl SubjectRequestRecord {
    pub(in crate::gallery) fn of(request: &SubjectRequest) -> Self {
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

    pub(in crate::gallery) fn restore(self, number: u64) -> Result<SubjectRequest, StoreError> {
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

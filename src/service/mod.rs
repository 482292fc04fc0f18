//! The server of the wire contract `chinhchu.v1`, over gRPC and as JSON over HTTP, and its client over gRPC.
//!
//! The contract itself, with units, limits and errors of every call, is in
//! `proto/chinhchu/v1/`. This module turns messages into requests to the
//! [`workflow`](crate::workflow) and outcomes into messages, and does around each call what all
//! calls have in common, in layers.
//!
//! ```text
//! connection -> incoming (at most connections_max), its TLS handshake
//!   -> trace      continues the trace of the call
//!   -> desk       pages and sign-in; a call from a page gets its person's token
//!   -> json       a call in JSON becomes one of gRPC, by its head; its answer is JSON again
//!   -> authorise  UNIMPLEMENTED for a method that is not in the table; the caller
//!   -> admit      a place, or RESOURCE_EXHAUSTED; UNAVAILABLE while draining
//!   -> log        span and line in the log
//!   -> deadline   DEADLINE_EXCEEDED; uploads that do not come
//!   -> transcode  the body of a call in JSON becomes a message
//!   -> tonic      message limit, decoding
//!   -> handlers   conversion; the call's turn
//!   -> Backend: the Engine -> worker threads
//! ```
//!
//! # Limits, with the defaults of [`ServeOptions`]
//! | what | default | beyond it |
//! |---|---|---|
//! | one message | 64 MiB: a reference and five captures of 8 MiB fit | `RESOURCE_EXHAUSTED`, `MESSAGE_TOO_LARGE` |
//! | one form or record for the pages | 64 KiB in 10 s | 413, 408 |
//! | one body in JSON | 4/3 of a message and 256 KiB | the same |
//! | calls in flight | 64 | `RESOURCE_EXHAUSTED`, `BUSY`, with a retry hint |
//! | calls with photos worked on at once | one per worker and a quarter more | they take turns |
//! | expected wait for a turn | 2 s, and what leaves time before the deadline | `RESOURCE_EXHAUSTED`, `BUSY`, with a retry hint |
//! | rows of bulk enrolments worked on at once | 2 per core and 6 | the stream waits |
//! | time per call | 30 s; a shorter `grpc-timeout` holds | `DEADLINE_EXCEEDED`, work dropped |
//! | time between two rows of a bulk enrolment | 60 s | `DEADLINE_EXCEEDED` |
//! | bulk enrolments at once | a quarter of the calls in flight | `RESOURCE_EXHAUSTED`, `BUSY` |
//! | time between two parts of a message | 10 s; where all places are taken, uploads of more than 2 s are ended, the oldest first | `DEADLINE_EXCEEDED` |
//! | connections | 512, 128 streams each | the one that has been silent the longest is cut; where none is silent, new ones wait to be accepted |
//! | time of a TLS handshake | 10 s, during which the connection counts as silent | it is cut |
//! | time until a connection speaks HTTP | 10 s | it is cut |
//! | time without a call | 15 min | the connection is cut |
//! | drain at shutdown | 20 s | `UNAVAILABLE`, `SHUTTING_DOWN`, work dropped |
//!
//! A call takes its place before its message is read, so that the calls in flight times the
//! message limit bound the memory that requests can take; in JSON, a third more.
//!
//! # Callers
//! Every call has a [`RequestContext`](crate::context::RequestContext), which its use case gets
//! as the first argument: who calls, under which trace and transaction, and until when. Callers
//! cannot say yet who they are, so that each is anonymous. Which methods there are, which of
//! them write, and how each is let in stands in one table (`method`); a method that is not in it
//! reaches no handler.
//!
//! # Overload
//! A call that cannot be answered in time is refused by its headers, before its photos are
//! read, with a hint when to come back. Calls that are let in take turns: verification (Verify,
//! VerifyBeneficiary, Assess), then Identify, then Enroll, then the rows of bulk enrolments;
//! each of these still gets one start in sixteen while it waits. Within one of them connections
//! share evenly. Calls without photos (GetSubject, ResolveReferral, ClearPair, Remove) take no
//! turn, and health and reflection not even a place. A call whose caller has gone, or that
//! cannot be done in time any more, is never begun; one that is under way stops at the next
//! step. Where all places are taken, a waiting call is refused to make room for one of a higher
//! priority. Refusals are logged as sums. Of a connection that is refused more than twenty
//! times a second, further refusals are answered half a second later, and so are all where
//! there are hundreds: that slows down callers that call again at once.
//!
//! # Errors
//! Every error carries `google.rpc` details (AIP-193): `ErrorInfo` (reason, domain
//! `chinhchu.v1`, and as metadata the field at fault, the figures of the message and the
//! sentence in both languages), one `LocalizedMessage` in the language of the caller's
//! `accept-language`, `BadRequest` where a field makes an `INVALID_ARGUMENT`, `RetryInfo`
//! where trying again can help. Reasons come from
//! [`Reason`](crate::workflow::reason::Reason), whose status class gives the gRPC code:
//!
//! | status class | code |
//! |---|---|
//! | `InvalidArgument` (a photo that cannot be used, too) | `INVALID_ARGUMENT` |
//! | `FailedPrecondition` (request id used for something else, no gallery, recipe) | `FAILED_PRECONDITION` |
//! | `NotFound`, `AlreadyExists` | `NOT_FOUND`, `ALREADY_EXISTS` |
//! | `ResourceExhausted` (`BUSY`: with `RetryInfo`; `DISK_FULL`, `GALLERY_FULL`, `MESSAGE_TOO_LARGE`: without) | `RESOURCE_EXHAUSTED` |
//! | `Unavailable` (storage, shutting down) | `UNAVAILABLE`, with `RetryInfo` |
//! | `DataLoss`, `Internal` | `DATA_LOSS`, `INTERNAL` |
//! | `Cancelled`, `DeadlineExceeded` | `CANCELLED`, `DEADLINE_EXCEEDED` |
//!
//! A call that was answered `RESOURCE_EXHAUSTED` is worth repeating only where `RetryInfo` is
//! there. A method that the server does not have is answered `UNIMPLEMENTED` without details,
//! as by every gRPC server.
//!
//! # Traces
//! A call continues the trace of its `traceparent` header (W3C Trace Context), or begins one;
//! the headers of every answer, also of an error, have the call's own `traceparent`. The log
//! names trace, span and, for a decision, the [`LogKey`]'s digest of the transaction.
//!
//! # Not here
//! Templates: no call returns one. Whole galleries go to processes of the same user on the same
//! machine alone, over a Unix socket ([`local`]).
//!
//! # TLS
//! By rustls ([`tls`]), with certificates of clients where their authorities are named. Without
//! [`ServeOptions::tls`] connections are plain text, and [`bind`] refuses every address but
//! loopback. No ids, photos and scores are logged.

#![warn(clippy::missing_errors_doc)]

mod access;
#[cfg(test)]
mod access_page;
mod admission;
mod authored;
mod backend;
mod bulk;
mod client;
mod client_error;
mod client_stream;
mod client_tls;
mod connections;
mod convert;
mod desk;
mod fetch;
mod handlers;
mod incoming;
mod json;
mod language;
mod layers;
mod ledger;
pub mod local;
mod method;
mod options;
mod origin;
mod redact;
mod refusal;
mod refusal_budget;
mod refusal_counts;
mod server;
mod shared;
mod signals;
pub mod tls;
mod token_file;
pub mod token_keys;
mod trace;
mod uploads;

pub use access::{AccessControl, TokenCheck, methods, refusal_reason};
pub use backend::Backend;
pub use client::{AnswerCall, BulkFailure, BulkOutcome, ClearedInfo, Client, RightsCall, SubjectInfo, TemplateInfo};
pub use client_error::ClientError;
pub use client_tls::ClientOptions;
pub use convert::BadAnswer;
pub use desk::{Desk, DeskError, TestTokens};
pub use json::{message_of_json, openapi};
pub use options::{ServeError, ServeOptions, check_exposure};
pub use server::{Bound, bind, serve};
pub use signals::{Hangups, signals};
pub use trace::LogKey;

/// Domain of the reasons in `google.rpc.ErrorInfo`.
pub const ERROR_DOMAIN: &str = "chinhchu.v1";

/// The encoded `FileDescriptorSet` of the wire contract, as reflection serves it.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/chinhchu_v1.bin"));

/// The wire contract as generated from `proto/chinhchu/v1/`.
#[allow(missing_docs, clippy::all, clippy::missing_errors_doc)]
pub mod pb {
    tonic::include_proto!("chinhchu.v1");

    opaque!(VerifyRequest IdentifyRequest IdentifyResponse Candidate Attributes EnrollPhoto);
    opaque!(EnrollRequest RemoveRequest GetSubjectRequest TemplateInfo Subject Vouch Vouched);
    opaque!(BenefitRecord ActiveAuthenticationExchange VerifyBeneficiaryRequest VerifyBeneficiaryResponse);
    opaque!(NewChallengeRequest NewChallengeResponse);
    opaque!(DecisionEvidence DuplicateSearch DuplicateCandidate ResolveReferralRequest ClearPairRequest);
    opaque!(ListSubjectsRequest ListSubjectsResponse SubjectSummary CountSubjectsRequest OfficerAnswer History);
    opaque!(GetDecisionRequest GetDecisionResponse DecisionSummary ListDecisionsRequest ListDecisionsResponse);
    opaque!(GetPicturesRequest CasePicture GetPicturesResponse);
    opaque!(CaptureSeen RepeatedCapture ListRepeatedCapturesResponse);
    opaque!(ProveRequest ProveResponse ListEntriesRequest LedgerEntry ListEntriesResponse);
    opaque!(ListReferralsResponse PairEntry Pair ListClearedPairsResponse UnclearPairRequest UnclearPairResponse);
}

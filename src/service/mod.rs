//! gRPC: the wire contract `chinhchu.v1`, its server and its client.
//!
//! The contract itself, with units, limits and errors per call, is in
//! `proto/chinhchu/v1/`. This module turns messages into requests to the
//! [`workflow`](crate::workflow) and answers back, and sees to the manners around
//! them: admission, deadlines, limits, error details, health, drain, telemetry.
//!
//! ```text
//! connection -> incoming (at most connections_max)
//!   -> manners  (admission or RESOURCE_EXHAUSTED; deadline; span; drain)
//!   -> tonic    (message limit, decoding)
//!   -> handlers (convert; the call's turn) -> Backend: the Engine -> worker threads
//! ```
//!
//! # Limits and manners, defaults of [`ServeOptions`]
//! | what | default | beyond it |
//! |---|---|---|
//! | one message | 64 MiB: a reference and five captures of 8 MiB fit | `RESOURCE_EXHAUSTED`, `MESSAGE_TOO_LARGE` |
//! | calls in flight | 64 | `RESOURCE_EXHAUSTED`, `BUSY`, with a retry hint |
//! | calls with photos worked on at once | one per worker and a quarter more | they take turns |
//! | wait for a turn, as foreseen from the headers | 2 s, and what leaves time before the deadline | `RESOURCE_EXHAUSTED`, `BUSY`, with a retry hint |
//! | rows of bulk enrolments worked on at once | 2 per core and 6 | the stream waits |
//! | time per call | 30 s; a shorter `grpc-timeout` holds | `DEADLINE_EXCEEDED`, work dropped |
//! | time between two rows of a bulk enrolment | 60 s | `DEADLINE_EXCEEDED` |
//! | bulk enrolments at once | a quarter of the calls in flight | `RESOURCE_EXHAUSTED`, `BUSY` |
//! | time between two parts of a message | 10 s; where all places are taken, uploads of more than 2 s make room, the oldest first | `DEADLINE_EXCEEDED` |
//! | connections | 512, 128 streams each | the one that is silent the longest is cut; none is silent: they wait to be accepted |
//! | time until a connection speaks HTTP/2 | 10 s | it is cut |
//! | time without a call | 15 min | the connection is cut |
//! | drain at shutdown | 20 s | `UNAVAILABLE`, `SHUTTING_DOWN`, work dropped |
//!
//! The place a call holds is taken before its message is read, so calls in flight
//! times the message limit bounds the memory that requests can take.
//!
//! # Overload
//! A call that cannot be answered in time is refused by its headers, before its photos are
//! read, and told when to come back. What is let in takes turns: verification (Verify,
//! VerifyBeneficiary, Assess), then Identify, then Enroll, then the rows of bulk enrolments;
//! each of these still gets one start in sixteen while it waits. Within one of them
//! connections share evenly. Calls without photos (GetSubject, ResolveReferral, ClearPair,
//! Remove) take no turn, and health and reflection not even a place. A call whose caller has
//! gone, or that cannot be done in time any more, is never begun; one that is under way stops
//! at the next step. Where all places are taken, a call that waits makes room for one that
//! goes before it. Refusals are logged in sums. A connection that is refused more than twenty
//! times a second is told so half a second later, and so are all where there are hundreds:
//! who calls again at once is slowed down by it.
//!
//! # Errors
//! Every error carries `google.rpc` details (AIP-193): `ErrorInfo` (reason, domain
//! `chinhchu.v1`, and as metadata the field at fault, the figures of the message and the
//! sentence in both languages), one `LocalizedMessage` in the language of the caller's
//! `accept-language`, `BadRequest` where a field makes an `INVALID_ARGUMENT`, `RetryInfo`
//! where trying again can help. Reasons come from
//! [`Reason`](crate::workflow::words::Reason), whose class gives the gRPC code:
//!
//! | class | code |
//! |---|---|
//! | `InvalidArgument` (a photo that cannot be used, too) | `INVALID_ARGUMENT` |
//! | `FailedPrecondition` (request id used for something else, no gallery, recipe) | `FAILED_PRECONDITION` |
//! | `NotFound`, `AlreadyExists` | `NOT_FOUND`, `ALREADY_EXISTS` |
//! | `ResourceExhausted` (`BUSY`: with `RetryInfo`; `DISK_FULL`, `GALLERY_FULL`, `MESSAGE_TOO_LARGE`: without) | `RESOURCE_EXHAUSTED` |
//! | `Unavailable` (storage, shutting down) | `UNAVAILABLE`, with `RetryInfo` |
//! | `DataLoss`, `Internal` | `DATA_LOSS`, `INTERNAL` |
//! | `Cancelled`, `DeadlineExceeded` | `CANCELLED`, `DEADLINE_EXCEEDED` |
//!
//! So `RESOURCE_EXHAUSTED` is worth a retry where `RetryInfo` is there, and only
//! there.
//!
//! # Traces
//! A call goes on with the trace of its `traceparent` (W3C Trace Context), or begins one;
//! the answer's headers, also an error's, have the call's own `traceparent`. The log names
//! trace, span and, for a decision, the [`LogKey`]'s digest of the transaction.
//!
//! # Not here
//! Templates: no call gives one away. Whole galleries go to processes of the same user
//! on the same machine alone, over a Unix socket ([`local`]).
//!
//! TLS and authentication come later; until then [`bind`] refuses any address but
//! loopback. Nothing personal is logged: no ids, no photos, no scores.

#[macro_use]
mod opaque;

mod admission;
mod backend;
mod bulk;
mod client;
mod client_error;
mod connections;
mod convert;
mod handlers;
mod hurry;
mod incoming;
mod language;
pub mod local;
mod manners;
mod method;
mod options;
mod refusal;
mod refusals;
mod server;
mod signals;
mod trace;
mod uploads;

pub use backend::Backend;
pub use client::{BulkFailure, BulkOutcome, Client, SubjectInfo, TemplateInfo};
pub use client_error::ClientError;
pub use convert::BadAnswer;
pub use options::{ServeError, ServeOptions};
pub use server::{Bound, bind, serve};
pub use signals::{Hangups, signals};
pub use trace::LogKey;

/// Domain of the reasons in `google.rpc.ErrorInfo`.
pub const ERROR_DOMAIN: &str = "chinhchu.v1";

/// The encoded `FileDescriptorSet` of the wire contract, as reflection serves it.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/chinhchu_v1.bin"));

/// The wire contract as generated from `proto/chinhchu/v1/`.
#[allow(missing_docs, clippy::all)]
pub mod pb {
    tonic::include_proto!("chinhchu.v1");

    opaque!(VerifyRequest IdentifyRequest IdentifyResponse Candidate Attributes EnrollPhoto);
    opaque!(EnrollRequest RemoveRequest GetSubjectRequest TemplateInfo Subject Vouch Vouched);
    opaque!(BenefitRecord ActiveAuthenticationExchange VerifyBeneficiaryRequest VerifyBeneficiaryResponse);
    opaque!(DecisionEvidence DuplicateSearch DuplicateCandidate ResolveReferralRequest ClearPairRequest);
}

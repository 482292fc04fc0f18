//! Enrolling a manifest: many rows at a time, each durable on its own, safe to
//! begin again.
//!
//! # Begun again
//! A row's request id is the SHA-256 of its subject, its photo's bytes, the source,
//! the attributes and the time of capture (not of who enrols: a run begun again by another clerk does
//! nothing twice). A row that was committed before a kill is answered by the
//! gallery from its request id, without its photo being looked at. The mode is not
//! part of the id: a photo enrolled by `Create` is not added again by `Add`.
//!
//! A subject may have been removed since. So a row that was done before is counted
//! as unchanged only where its subject is there; otherwise it is done once more
//! under an id of the next *generation*.
//!
//! The gallery remembers request ids for a month (see
//! [`EmbeddedOptions`](crate::gallery::EmbeddedOptions)); a run begun again later
//! finds its subjects enrolled and says so.
//!
//! `Replace` needs no memory of earlier runs: doing all of it again ends in the
//! same state.
//!
//! # Order
//! Rows of one subject are done one after the other (the first creates or replaces,
//! the rest add), rows of different subjects side by side.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;
use sha2::{Digest, Sha256};
use tokio::task::JoinSet;

use super::backend::{Backend, CallError};
use super::listed::{Listed, People};
use super::manifest::{BadRow, Columns, Manifest};
use super::progress::Progress;
use super::settings::Settings;
use super::{Failure, caller, outcome, photo};
use crate::context::RequestContext;
use crate::gallery::{Attributes, EnrolMode, LegalBasis, RequestId, Source, SubjectId, Timestamp};
use crate::hex;
use crate::workflow::reason::Reason;
use crate::workflow::{EnrolRequest, Photo, WorkflowError};

/// Rows in flight per worker: enough that none waits for a commit or a disk.
const ROWS_PER_WORKER: usize = 4;
/// Rows of one subject done by one task.
const CHAIN_ROWS_MAX: usize = 64;
/// How often a subject may have been removed between runs of one manifest.
const GENERATIONS_MAX: u32 = 1000;
/// How long a busy engine is waited for. An engine of our own is never busy for
/// long; a server that others use may be.
const BUSY_WAIT_MAX: Duration = Duration::from_secs(120);
/// Shortest pause before a busy engine is asked again; the longest is 100 times it.
const BUSY_PAUSE: Duration = Duration::from_millis(50);

/// What will be done.
#[derive(Debug, Clone)]
pub(super) struct BulkPlan {
    pub manifest: PathBuf,
    pub mode: EnrolMode,
    pub source: Source,
    pub attributes: Attributes,
    /// Who enrols the rows that name nobody.
    pub clerk: Option<SubjectId>,
    /// What rows rest on that name nothing.
    pub legal_basis: Option<LegalBasis>,
    pub accept_poor: bool,
}

/// What was done; field names are a contract.
#[derive(Debug, Default, Serialize)]
pub(super) struct BulkReport {
    /// Rows in the manifest.
    pub rows: u64,
    /// Rows that are durable through this run.
    pub enrolled: u64,
    /// Rows that an earlier run had done.
    pub unchanged: u64,
    /// The others, by line.
    pub failed: Vec<FailedRow>,
}

/// A row that failed. Says nothing of whom it is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct FailedRow {
    /// Line in the manifest, from 1.
    pub line: u64,
    /// Stable code.
    pub reason: String,
    /// What happened and what to do.
    pub message: String,
}

/// First half of the SHA-256 of a subject id: remembering ids would take more.
type RequestKey = [u8; 16];

/// Consecutive rows of one subject.
struct EnrolmentChain {
    key: RequestKey,
    rows: Vec<Listed>,
}

/// What is known of a subject from the rows before.
#[derive(Clone, Copy, Default)]
struct Standing {
    /// A row of this run was enrolled or found enrolled: the rest add to it.
    begun: bool,
    /// Generation its request ids are of.
    generation: u32,
}

/// How a row ended.
enum RowEnd {
    Enrolled,
    Unchanged,
    Failed(FailedRow),
    /// The fault is not in the row: stop.
    Stop(String),
}

/// How a chain ended.
struct ChainEnd {
    key: RequestKey,
    standing: Standing,
    rows: Vec<RowEnd>,
}

impl BulkPlan {
    /// Number of rows; an error where the manifest cannot be used.
    pub(super) fn rows(&self) -> Result<u64, Failure> {
        Manifest::count(&self.manifest, Columns::SubjectAndPath)
    }
}

/// Enrols `rows` rows.
pub(super) async fn run(
    plan: BulkPlan,
    rows: u64,
    backend: &Backend,
    settings: &Settings,
) -> Result<BulkReport, Failure> {
    let mut manifest = People::open(&plan.manifest, plan.attributes.clone(), plan.source)?;
    let bytes_max = settings.limits.encoded_bytes_max;
    let worker = Arc::new(Worker { context: caller::context("enroll"), backend: backend.clone(), plan, bytes_max });
    // No more than the engine's queue takes: waiting here costs less than asking again.
    let window = (settings.workers() * ROWS_PER_WORKER).min(settings.queue_max);
    let mut run =
        Run { report: BulkReport { rows, ..BulkReport::default() }, progress: Progress::start(rows), stop: None };
    let mut standings: HashMap<RequestKey, Standing> = HashMap::new();
    let mut in_flight: HashSet<RequestKey> = HashSet::new();
    let mut tasks: JoinSet<ChainEnd> = JoinSet::new();
    let mut ahead: Option<Listed> = None;

    loop {
        let chain = if run.stop.is_some() { None } else { next_chain(&mut manifest, &mut ahead, &mut run)? };
        let full = |tasks: &JoinSet<ChainEnd>, in_flight: &HashSet<RequestKey>| match &chain {
            Some(chain) => tasks.len() >= window || in_flight.contains(&chain.key),
            None => !tasks.is_empty(),
        };
        while full(&tasks, &in_flight) {
            let Some(ended) = tasks.join_next().await else { break };
            let ended =
                ended.map_err(|e| Failure::new(format_args!("a worker failed ({e}); run the same command again")))?;
            in_flight.remove(&ended.key);
            standings.insert(ended.key, ended.standing);
            ended.rows.into_iter().for_each(|row| run.count(row));
        }
        let Some(chain) = chain else { break };
        if run.stop.is_some() {
            continue;
        }
        in_flight.insert(chain.key);
        let standing = standings.get(&chain.key).copied().unwrap_or_default();
        let worker = worker.clone();
        tasks.spawn(async move { worker.chain(chain, standing).await });
    }
    run.end()
}

/// Reads the next rows that name one subject, up to a limit; bad rows on the way
/// are counted.
fn next_chain(
    manifest: &mut People,
    ahead: &mut Option<Listed>,
    run: &mut Run,
) -> Result<Option<EnrolmentChain>, Failure> {
    let mut rows: Vec<Listed> = ahead.take().into_iter().collect();
    while rows.len() < CHAIN_ROWS_MAX {
        match manifest.next()? {
            None => break,
            Some(Err(BadRow { line, what })) => {
                run.count(RowEnd::Failed(FailedRow { line, reason: "BAD_ROW".to_owned(), message: what.to_owned() }));
            }
            Some(Ok(row)) if rows.last().is_some_and(|last| last.row.subject != row.row.subject) => {
                *ahead = Some(row);
                break;
            }
            Some(Ok(row)) => rows.push(row),
        }
    }
    Ok(rows.first().map(|row| key(&row.row.subject)).map(|key| EnrolmentChain { key, rows }))
}

fn key(subject: &str) -> RequestKey {
    let digest: [u8; 32] = Sha256::digest(subject.as_bytes()).into();
    let mut key = RequestKey::default();
    key.copy_from_slice(&digest[..16]);
    key
}

/// The tally of a run.
struct Run {
    report: BulkReport,
    progress: Progress,
    stop: Option<String>,
}

impl Run {
    fn count(&mut self, end: RowEnd) {
        match end {
            RowEnd::Enrolled => self.report.enrolled += 1,
            RowEnd::Unchanged => self.report.unchanged += 1,
            RowEnd::Failed(row) => {
                self.progress.note(&format!("line {}: {}: {}", row.line, row.reason, row.message));
                self.report.failed.push(row);
            }
            RowEnd::Stop(message) => {
                self.stop.get_or_insert(message);
                return;
            }
        }
        self.progress.step();
    }

    fn end(mut self) -> Result<BulkReport, Failure> {
        if let Some(message) = self.stop {
            let BulkReport { rows, enrolled, unchanged, .. } = self.report;
            drop(self.progress);
            return Err(Failure::new(format_args!(
                "{message}; {} of {rows} rows are enrolled and kept, run the same command again for the rest",
                enrolled + unchanged
            )));
        }
        self.report.failed.sort_by_key(|row| row.line);
        Ok(self.report)
    }
}

/// Does rows.
struct Worker {
    context: RequestContext,
    backend: Backend,
    plan: BulkPlan,
    bytes_max: usize,
}

impl Worker {
    async fn chain(&self, chain: EnrolmentChain, mut standing: Standing) -> ChainEnd {
        let mut rows = Vec::with_capacity(chain.rows.len());
        for row in chain.rows {
            let end = self.row(row, &mut standing).await;
            let stop = matches!(end, RowEnd::Stop(_));
            rows.push(end);
            if stop {
                break;
            }
        }
        ChainEnd { key: chain.key, standing, rows }
    }

    async fn row(&self, listed: Listed, standing: &mut Standing) -> RowEnd {
        let line = listed.row.line;
        let failed = |reason: &str, message: &str| {
            RowEnd::Failed(FailedRow { line, reason: reason.to_owned(), message: outcome::one_line(message) })
        };
        let Ok(subject) = SubjectId::new(listed.row.subject.as_str()) else {
            return failed(Reason::BadSubjectId.code(), Reason::BadSubjectId.en());
        };
        let (path, bytes_max) = (listed.row.path.clone(), self.bytes_max);
        let bytes = match tokio::task::spawn_blocking(move || photo::read(&path, bytes_max)).await {
            Ok(Ok(bytes)) => bytes,
            Ok(Err(error)) => return failed(error.reason(), &error.to_string()),
            Err(error) => return RowEnd::Stop(format!("a photo could not be read ({error})")),
        };
        match self.enrol(&subject, &listed, bytes, standing).await {
            Ok(end) => {
                standing.begun = true;
                end
            }
            Err(error) if error.stops_a_run || error.is(Reason::Busy) => RowEnd::Stop(error.message),
            Err(error) => failed(&error.reason, &error.message),
        }
    }

    /// One row, done once however often it is asked for.
    async fn enrol(
        &self,
        subject: &SubjectId,
        listed: &Listed,
        bytes: Vec<u8>,
        standing: &mut Standing,
    ) -> Result<RowEnd, CallError> {
        let mode = if standing.begun { EnrolMode::Add } else { self.plan.mode };
        if self.plan.mode == EnrolMode::Replace {
            self.call(subject, listed, mode, &bytes, None).await?;
            return Ok(RowEnd::Enrolled);
        }
        loop {
            let id = self.request_id(subject, listed, &bytes, standing.generation)?;
            match self.call(subject, listed, mode, &bytes, Some(id)).await {
                Ok(replayed) if !replayed => return Ok(RowEnd::Enrolled),
                // Done before: in this mode, or (the id says nothing of the mode) in another.
                Ok(_) => {}
                Err(error) if error.is(Reason::RequestIdReused) => {
                    if standing.generation >= GENERATIONS_MAX {
                        return Err(error);
                    }
                }
                Err(error) => return Err(error),
            }
            if standing.generation >= GENERATIONS_MAX || self.backend.has(&self.context, subject).await? {
                return Ok(RowEnd::Unchanged);
            }
            standing.generation += 1;
        }
    }

    /// Whether an earlier request had done it.
    async fn call(
        &self,
        subject: &SubjectId,
        listed: &Listed,
        mode: EnrolMode,
        bytes: &[u8],
        request_id: Option<RequestId>,
    ) -> Result<bool, CallError> {
        let begun = Instant::now();
        loop {
            let photo = Photo { bytes: bytes.to_vec(), source: listed.source, captured_at: listed.captured_at };
            let request = EnrolRequest {
                request_id: request_id.clone(),
                subject: subject.clone(),
                mode,
                attributes: listed.attributes.clone(),
                photos: vec![photo],
                by: listed.clerk.clone().or_else(|| self.plan.clerk.clone()),
                legal_basis: listed.legal_basis.clone().or_else(|| self.plan.legal_basis.clone()),
                accept_poor: self.plan.accept_poor,
                // A list is nothing an officer has looked at photo by photo.
                vouch: None,
            };
            match self.backend.enrol(&self.context, request).await {
                Ok(outcome) => return Ok(outcome.receipt.replayed),
                Err(error) if error.is(Reason::Busy) && begun.elapsed() < BUSY_WAIT_MAX => {
                    let wait = error.retry_after.unwrap_or(BUSY_PAUSE).clamp(BUSY_PAUSE, BUSY_PAUSE * 100);
                    tokio::time::sleep(wait).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// The row's name: the same for the same row of every run.
    fn request_id(
        &self,
        subject: &SubjectId,
        listed: &Listed,
        bytes: &[u8],
        generation: u32,
    ) -> Result<RequestId, CallError> {
        let Attributes { schemes, province, unit } = &listed.attributes;
        let mut digest = Sha256::new();
        let mut field = |bytes: &[u8]| {
            digest.update((bytes.len() as u64).to_le_bytes());
            digest.update(bytes);
        };
        field(b"chinhchu bulk enrolment 2");
        field(subject.as_str().as_bytes());
        field(&[listed.source as u8, u8::from(self.plan.accept_poor)]);
        field(&(schemes.len() as u64).to_le_bytes());
        schemes.iter().for_each(|scheme| field(scheme.as_bytes()));
        for text in [province, unit] {
            field(&[u8::from(text.is_some())]);
            field(text.as_deref().unwrap_or_default().as_bytes());
        }
        field(&generation.to_le_bytes());
        field(bytes);
        // Only where a row has one: those of earlier versions keep their names.
        if let Some(Timestamp(at)) = listed.captured_at {
            field(&at.to_le_bytes());
        }
        if let Some(basis) = listed.legal_basis.as_ref().or(self.plan.legal_basis.as_ref()) {
            field(basis.as_str().as_bytes());
        }
        // A second pack makes templates that the first alone did not: that is not done yet.
        if let Backend::Engine(engine) = &self.backend
            && engine.generations().count() > 1
        {
            engine.recipes().iter().for_each(|(recipe, _)| field(&recipe.0));
        }
        let digest: [u8; 32] = digest.finalize().into();
        RequestId::new(format!("row-{}", hex::encode(&digest))).map_err(|e| WorkflowError::from(e).into())
    }
}

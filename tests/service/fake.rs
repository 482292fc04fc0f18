//! A stand-in for the engine, and a server around it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use chinhchu::chip;
use chinhchu::context::RequestContext;
use chinhchu::face::quality::{Flaw, Measure, Quality};
use chinhchu::face::{FaceError, FaceReport, Pose, RecipeDigest, Rect, Template};
use chinhchu::gallery::{
    Answered, Attributes, CasePicture, ClearedPair, Closing, DecisionFilter, DecisionHead, DecisionKey, Erasure,
    GalleryError, HoldName, LegalBasis, NewTemplate, Note, Obstacle, Outcome, PairEntry, PairEntryKind, PairState,
    PictureOf, Receipt, RecordedBasis, RequestId, RequestKind, RequestStep, Requester, Resolution, Source, Standing,
    StandingAction, StandingEntry, StoredTemplate, Subject, SubjectId, SubjectRequest, Timestamp, Vouch, Vouched,
};
use chinhchu::imaging::Format;
use chinhchu::matching::{CurveBasis, CurveName, Fmr, Fnmr, Reference, Threshold};
use chinhchu::service::{Backend, Client, ServeError, ServeOptions, bind};
use chinhchu::workflow::beneficiary::{
    AppliedRule, BeneficiaryOutcome, BeneficiaryRequest, CaptureSeen, CaseDecision, CasePictures, ChallengeState,
    ChipEvidence, ClearPairRequest, Comparison, Consequence, CopyOf, Decided, Duplicate, Duplicates, EarlierAttempt,
    EarlierAttempts, Evidence, EvidenceKind, FieldState, FrameEvidence, History, IssuedChallenge, ListPage,
    PageRequest, PairChange, PicturesKept, ReasonCode, RecordEvidence, RecordTemplates, RepeatedCapture,
    ResolveReferral, ResolvedReferral, Scheme, SchemeState, SubjectCount, SubjectFilter, SubjectSummary,
    UnclearPairRequest,
};
use chinhchu::workflow::requests::{AnswerSubjectRequest, OpenSubjectRequest, RequestOutcome, RequestsWanted};
use chinhchu::workflow::rights::{
    Accesses, ErasureOutcome, ErasureRequest, RecordAccess, StandingRequest, SubjectReport,
};
use chinhchu::workflow::{
    AssessOutcome, Decision, EnrolOutcome, EnrolRequest, Field, Frames, IdentifiedCandidate, IdentifyOutcome,
    IdentifyRequest, Kind, VerifyOutcome, VerifyRequest, WorkflowError,
};
use tokio::sync::{Semaphore, oneshot};

use crate::over_json;

/// How long a test waits for what must happen soon.
pub const SOON: Duration = Duration::from_secs(20);

/// What the tests can see and steer.
pub struct Control {
    /// Calls that are in the backend right now.
    pub running: AtomicUsize,
    /// Most that ever were at once.
    pub running_most: AtomicUsize,
    /// Calls that came in.
    pub begun: AtomicUsize,
    /// Which, in order.
    pub order: Mutex<Vec<&'static str>>,
    /// The context of each, in order.
    pub contexts: Mutex<Vec<RequestContext>>,
    /// Slow calls wait for a permit here.
    pub gate: Semaphore,
    /// Whether the backend says it can serve.
    pub able: AtomicBool,
    /// Tries that are answered with Busy before one goes through.
    pub busy_tries: AtomicUsize,
    /// The error the next call gives.
    pub error: Mutex<Option<WorkflowError>>,
    /// What came in last.
    pub verify: Mutex<Option<VerifyRequest>>,
    pub identify: Mutex<Option<IdentifyRequest>>,
    pub enrol: Mutex<Option<EnrolRequest>>,
    pub beneficiary: Mutex<Option<BeneficiaryRequest>>,
    pub resolution: Mutex<Option<ResolveReferral>>,
    pub listed: Mutex<Option<(DecisionFilter, PageRequest)>>,
    pub pair: Mutex<Option<ClearPairRequest>>,
    pub standing: Mutex<Option<StandingRequest>>,
    pub erasure: Mutex<Option<ErasureRequest>>,
    pub opened: Mutex<Option<OpenSubjectRequest>>,
    pub request_answered: Mutex<Option<AnswerSubjectRequest>>,
    pub requests_wanted: Mutex<Option<(RequestsWanted, PageRequest)>>,
    /// How searches say that they were answered.
    pub answered: Mutex<Answered>,
    receipts: Mutex<HashMap<String, Receipt>>,
}

impl Control {
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            running: AtomicUsize::new(0),
            running_most: AtomicUsize::new(0),
            begun: AtomicUsize::new(0),
            order: Mutex::default(),
            contexts: Mutex::default(),
            gate: Semaphore::new(0),
            able: AtomicBool::new(true),
            busy_tries: AtomicUsize::new(0),
            error: Mutex::new(None),
            verify: Mutex::new(None),
            identify: Mutex::new(None),
            enrol: Mutex::new(None),
            beneficiary: Mutex::new(None),
            resolution: Mutex::new(None),
            listed: Mutex::new(None),
            pair: Mutex::new(None),
            standing: Mutex::new(None),
            erasure: Mutex::new(None),
            opened: Mutex::new(None),
            request_answered: Mutex::new(None),
            requests_wanted: Mutex::new(None),
            answered: Mutex::new(Answered::Exactly),
            receipts: Mutex::new(HashMap::new()),
        })
    }

    fn enter(self: &Arc<Self>, call: &'static str, context: &RequestContext) -> Inside {
        self.order.lock().unwrap().push(call);
        self.contexts.lock().unwrap().push(context.clone());
        self.begun.fetch_add(1, Ordering::SeqCst);
        let now = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.running_most.fetch_max(now, Ordering::SeqCst);
        Inside(Arc::clone(self))
    }

    fn error(&self) -> Result<(), WorkflowError> {
        self.error.lock().unwrap().take().map_or(Ok(()), Err)
    }

    /// Waits until so many calls are in the backend.
    pub async fn until_running(&self, count: usize) {
        soon(|| self.running.load(Ordering::SeqCst) == count).await;
    }

    pub fn begun(&self) -> usize {
        self.begun.load(Ordering::SeqCst)
    }
}

/// Waits for a condition, and fails the test where it does not come.
pub async fn soon(condition: impl Fn() -> bool) {
    let waited = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(SOON, waited).await.expect("what was waited for did not happen");
}

/// Counts a call while its future lives: dropped work is seen as gone.
struct Inside(Arc<Control>);

impl Drop for Inside {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The stand-in. A photo whose bytes are `slow` waits at the gate; one that is
/// `faceless` has no face; all others match.
pub struct Fake(pub Arc<Control>);

impl Fake {
    async fn look(&self, photo: &[u8], field: Field) -> Result<(), WorkflowError> {
        match photo {
            b"slow" => match self.0.gate.acquire().await {
                Ok(permit) => permit.forget(),
                Err(_) => std::future::pending().await,
            },
            b"faceless" => return Err(WorkflowError::Face { field, source: FaceError::NoFace }),
            _ => {}
        }
        Ok(())
    }
}

pub fn report() -> FaceReport {
    FaceReport {
        format: Format::Jpeg,
        width: 640,
        height: 480,
        face: Rect { left: -3.5, top: 20.25, width: 200.0, height: 210.5 },
        detection: 0.97,
        eye_distance: 81.5,
        quarter_turns: 3,
        faces: 2,
        second_face: true,
        cut: true,
        norm: Some(19.5),
        live: Some(true),
        quality: Some(Quality::new(61.5, Some(70.25), [(Measure::Roll, -3.5), (Measure::Sharpness, 0.25)])),
        flaws: vec![Flaw::Tilted, Flaw::Cut],
        pose: Some(Pose { yaw: -4.0, pitch: 2.5, roll: 0.5 }),
        liveness: Some(0.75),
    }
}

pub fn curve_name(group: &str, basis: CurveBasis) -> CurveName {
    CurveName {
        group: group.into(),
        population: "somebody's faces".into(),
        basis,
        reference: Reference::Live,
        probe_frames: 3,
    }
}

pub fn verify_outcome(probes: usize) -> VerifyOutcome {
    VerifyOutcome {
        decision: Decision::Match,
        score: 0.612_345_6,
        fmr: Fmr { rate: 3.25e-9, extrapolated: true },
        fmr_requested: 1e-5,
        threshold: Threshold { score: 0.48, extrapolated: false },
        curve: curve_name("pooled", CurveBasis::Counted),
        recipe: "ab".repeat(32),
        reference: report(),
        probes: vec![FaceReport { pose: None, liveness: None, live: None, ..report() }; probes],
        frames: Frames::Natural,
        against: Reference::Chip,
        distinct: 2,
        copy_of_reference: true,
    }
}

pub fn identify_outcome() -> IdentifyOutcome {
    let candidate = |id: &str, score| IdentifiedCandidate {
        subject: SubjectId::new(id).unwrap(),
        score,
        fmr: Fmr { rate: 1e-7, extrapolated: true },
        recipe: (id == "second").then(|| "cd".repeat(32)),
    };
    IdentifyOutcome {
        candidates: vec![candidate("first", 0.7), candidate("second", 0.55)],
        answered: Answered::Exactly,
        truncated: true,
        threshold: Some(Threshold { score: 0.5, extrapolated: true }),
        templates: 12_345_678_901,
        expected_chance_hits: 0.03,
        expected_extrapolated: true,
        expected_miss: Some(Fnmr { rate: 0.021, extrapolated: false }),
        curve: curve_name("population=made up, sex=F", CurveBasis::Derived),
        recipe: "cd".repeat(32),
        probes: vec![report()],
        frames: Frames::Single,
        distinct: 1,
    }
}

/// A report with something in every field.
pub fn subject_report(id: SubjectId) -> SubjectReport {
    let access = RecordAccess {
        at: Timestamp(1_700_000_000_123),
        kind: "record_read".to_owned(),
        principal: "person".to_owned(),
        unit: Some("Q1".to_owned()),
    };
    SubjectReport {
        subject: Some(subject(id.clone())),
        id: id.clone(),
        approved: 9,
        referred: 3,
        denied: 2,
        waiting: 1,
        pairs: 4,
        pictures: 5,
        requests: vec![subject_request(Some(id.clone()), None)],
        decided: Some((Timestamp(1_600_000_000_000), Timestamp(1_700_000_000_000))),
        accesses: Some(Accesses { newest: vec![access], truncated: true }),
    }
}

/// A request of a person with something in every field.
pub fn subject_request(subject: Option<SubjectId>, closing: Option<Closing>) -> SubjectRequest {
    let step = |at| RequestStep {
        by: SubjectId::new("auditor-1").ok().filter(|_| subject.is_some()),
        reason: Note::new("as was asked").ok().filter(|_| subject.is_some()),
        at: Timestamp(at),
    };
    SubjectRequest {
        number: 7,
        kind: RequestKind::Objection,
        requester: Requester::Authority,
        received_at: Timestamp(1_700_000_000_001),
        acknowledge_by: Timestamp(1_700_000_000_002),
        complete_by: Timestamp(1_700_000_000_003),
        opened: step(1_700_000_000_004),
        acknowledged: Some(step(1_700_000_000_005)),
        closed: closing.map(|closing| (closing, step(1_700_000_000_006))),
        subject,
    }
}

pub fn subject(id: SubjectId) -> Subject {
    let template = Template::from_raw(RecipeDigest([7; 32]), &[0.6, 0.8]).unwrap();
    Subject {
        standing: Standing {
            entries: [
                StandingAction::Restrict(Requester::Person),
                StandingAction::Lift,
                StandingAction::LiftOne(1),
                StandingAction::Hold(HoldName::new("VKS-12").unwrap()),
                StandingAction::Release(HoldName::new("VKS-12").unwrap()),
                StandingAction::AskErasure { requester: Requester::Authority, finding_open: true },
            ]
            .map(|action| StandingEntry {
                action,
                by: SubjectId::new("auditor-1").unwrap(),
                reason: Note::new("as was asked").unwrap(),
                at: Timestamp(1_700_000_000_123),
            })
            .into(),
        },
        legal_bases: vec![RecordedBasis {
            basis: LegalBasis::new("mẫu 7/2026").unwrap(),
            at: Timestamp(1_600_000_000_000),
        }],
        enrolled_by: Vec::new(),
        id,
        attributes: Attributes {
            schemes: ["health".to_owned(), "social".to_owned()].into(),
            province: Some("79".into()),
            unit: None,
        },
        templates: vec![StoredTemplate {
            id: 42,
            content: NewTemplate {
                template,
                source: Source::Chip,
                captured_at: Some(Timestamp(1_700_000_000_123)),
                quality: Some(88.5),
            },
        }],
        last_verified: [("social".to_owned(), Timestamp(1_700_000_001_000))].into(),
        enrolled_at: Timestamp(1_600_000_000_000),
        updated_at: Timestamp(1_650_000_000_001),
        vouched: vec![Vouched {
            vouch: Vouch {
                officer: SubjectId::new("officer-7").unwrap(),
                reason: Note::new("hai ảnh cách nhau hai mươi năm").unwrap(),
            },
            at: Timestamp(1_640_000_000_002),
            templates: vec![42],
        }],
    }
}

/// A decision with something in every field.
pub fn beneficiary_outcome(key: DecisionKey) -> BeneficiaryOutcome {
    let comparison = |score, widened| Comparison {
        score,
        fmr: Fmr { rate: 2.5e-7, extrapolated: true },
        threshold: Threshold { score: 0.5, extrapolated: true },
        refer_threshold: Threshold { score: 0.25, extrapolated: false },
        widened,
        templates: 3,
        against: Reference::Chip,
        curve: Some(curve_name("sex=F", CurveBasis::Derived)),
        recipe: widened.then(|| "cd".repeat(32)),
    };
    let weighed = |ground, consequence| AppliedRule { ground, consequence, follows: None };
    BeneficiaryOutcome {
        officers_needed: 0,
        resolutions: Vec::new(),
        key,
        decided: Decided {
            outcome: Outcome::Refer,
            grounds: vec![
                weighed(ReasonCode::DuplicateFace, Consequence::Refer),
                AppliedRule {
                    follows: Some(ReasonCode::ChipUnreadable),
                    ..weighed(ReasonCode::NumberMissing, Consequence::Refer)
                },
                weighed(ReasonCode::ChipUnanchored, Consequence::Accept),
            ],
            without: vec![EvidenceKind::Liveness, EvidenceKind::Sex],
            retake: true,
        },
        evidence: Evidence {
            history: Some(History {
                transaction: vec![EarlierAttempt {
                    attempt: 1,
                    outcome: Outcome::Refer,
                    reasons: vec!["QUALITY_POOR".to_owned()],
                }],
                others: EarlierAttempts {
                    count: 9,
                    denied: 4,
                    referred: 3,
                    reasons: vec![("NAME_DIFFERS".to_owned(), 5), ("CHIP_ALTERED".to_owned(), 1)],
                },
                last_day: 7,
                days: 30,
                captures: Some(vec![capture_seen(None), capture_seen(Some(31))]),
            }),
            chip: Some(ChipEvidence {
                verdict: chip::Verdict::Unanchored,
                reasons: vec![chip::Reason::NoAnchors, chip::Reason::WeakHash],
                active_authentication: chip::ActiveAuthentication::Unproven,
                challenge: Some(ChallengeState::Expired),
                photo_years: Some(4),
                groups_unread: vec![2, 13],
            }),
            record: RecordEvidence {
                number: FieldState::AgreesPadded,
                name: FieldState::AgreesWithoutMarks,
                birth_date: FieldState::Differs,
                sex: FieldState::NotInRecord,
            },
            scheme: Some(SchemeState::NotInRecord),
            record_restricted: true,
            frames: vec![
                FrameEvidence {
                    eye_distance: 61.5,
                    second_face: true,
                    norm: 9.25,
                    quality: Some(55.0),
                    liveness: Some(0.875),
                    flaws: vec![Flaw::Turned, Flaw::Uneven],
                    picture: Some(0),
                    copy_of: Some(CopyOf::ChipPhoto),
                },
                FrameEvidence {
                    eye_distance: 60.0,
                    second_face: false,
                    norm: 9.5,
                    quality: None,
                    liveness: None,
                    flaws: Vec::new(),
                    picture: Some(1),
                    copy_of: Some(CopyOf::EnrolledPhoto),
                },
            ],
            quality: Some(55.0),
            liveness: Some(0.875),
            chip_face: Some(comparison(0.625, true)),
            chip_photo_unusable: Some("NO_FACE".into()),
            together: Some(Frames::Still),
            distinct_frames: 1,
            record_templates: Some(RecordTemplates {
                templates: 5,
                groups: 2,
                vouched: 3,
                threshold: Threshold { score: 0.375, extrapolated: false },
            }),
            reference_face: Some(comparison(0.75, false)),
            duplicates: Some(Duplicates {
                candidates: vec![Duplicate {
                    subject: SubjectId::new("somebody else").unwrap(),
                    score: 0.8125,
                    fmr: Fmr { rate: 1e-9, extrapolated: true },
                    recipe: Some("cd".repeat(32)),
                }],
                truncated: true,
                cleared: 2,
                threshold: Threshold { score: 0.6, extrapolated: true },
                templates: 123_456_789_012,
                expected_chance_hits: 0.01,
                expected_extrapolated: true,
                expected_miss: Some(Fnmr { rate: 0.02, extrapolated: true }),
            }),
            curve: Some(curve_name("sex=F", CurveBasis::Counted)),
        },
        policy: "counter".into(),
        policy_digest: "1f".repeat(32),
        anchors_digest: "2e".repeat(32),
        enrolled: true,
        recipe: "ef".repeat(32),
        decided_at: Timestamp(1_700_000_000_321),
        commit: 77,
    }
}

#[async_trait]
impl Backend for Fake {
    async fn verify(&self, context: &RequestContext, request: VerifyRequest) -> Result<VerifyOutcome, WorkflowError> {
        let _inside = self.0.enter("verify", context);
        *self.0.verify.lock().unwrap() = Some(request.clone());
        self.0.error()?;
        self.look(&request.reference, Field::Reference).await?;
        for (i, probe) in request.probes.iter().enumerate() {
            self.look(probe, Field::Probe(i)).await?;
        }
        Ok(verify_outcome(request.probes.len()))
    }

    async fn assess(
        &self,
        context: &RequestContext,
        photo: Vec<u8>,
        kind: Kind,
    ) -> Result<AssessOutcome, WorkflowError> {
        let _inside = self.0.enter("assess", context);
        self.0.error()?;
        self.look(&photo, Field::Image).await?;
        Ok(AssessOutcome { face: report(), accepted: kind == Kind::Chip })
    }

    async fn identify(
        &self,
        context: &RequestContext,
        request: IdentifyRequest,
    ) -> Result<IdentifyOutcome, WorkflowError> {
        let _inside = self.0.enter("identify", context);
        *self.0.identify.lock().unwrap() = Some(request);
        self.0.error()?;
        Ok(IdentifyOutcome { answered: *self.0.answered.lock().unwrap(), ..identify_outcome() })
    }

    async fn enrol(&self, context: &RequestContext, request: EnrolRequest) -> Result<EnrolOutcome, WorkflowError> {
        let _inside = self.0.enter("enrol", context);
        *self.0.enrol.lock().unwrap() = Some(request.clone());
        self.0.error()?;
        if self.0.busy_tries.load(Ordering::SeqCst) > 0 {
            self.0.busy_tries.fetch_sub(1, Ordering::SeqCst);
            return Err(WorkflowError::Busy { retry_after_ms: 5 });
        }
        let key = request.request_id.as_ref().map(|id| id.as_str().to_owned());
        if let Some(receipt) = key.as_ref().and_then(|key| self.0.receipts.lock().unwrap().get(key).cloned()) {
            return Ok(EnrolOutcome { receipt: Receipt { replayed: true, ..receipt }, photos: Vec::new() });
        }
        for (i, photo) in request.photos.iter().enumerate() {
            self.look(&photo.bytes, Field::Photo(i)).await?;
        }
        let receipt = Receipt { commit: 9, templates: request.photos.len() as u32, replayed: false };
        if let Some(key) = key {
            self.0.receipts.lock().unwrap().insert(key, receipt.clone());
        }
        Ok(EnrolOutcome { receipt, photos: vec![report(); request.photos.len()] })
    }

    async fn remove(
        &self,
        context: &RequestContext,
        subject: &SubjectId,
        _request_id: Option<RequestId>,
    ) -> Result<Receipt, WorkflowError> {
        let _inside = self.0.enter("remove", context);
        self.0.error()?;
        match subject.as_str() {
            "stranger" => Err(GalleryError::UnknownSubject.into()),
            _ => Ok(Receipt { commit: 10, templates: 0, replayed: false }),
        }
    }

    async fn change_standing(
        &self,
        context: &RequestContext,
        request: StandingRequest,
    ) -> Result<Receipt, WorkflowError> {
        let _inside = self.0.enter("change_standing", context);
        *self.0.standing.lock().unwrap() = Some(request);
        Ok(Receipt { commit: 7, templates: 0, replayed: true })
    }

    async fn erase(&self, context: &RequestContext, request: ErasureRequest) -> Result<ErasureOutcome, WorkflowError> {
        let _inside = self.0.enter("erase", context);
        *self.0.erasure.lock().unwrap() = Some(request);
        Ok(ErasureOutcome { erasure: Erasure::Waits(Obstacle::ALL.into()), commit: 8, replayed: false, entry: Some(0) })
    }

    async fn report(&self, context: &RequestContext, subject: &SubjectId) -> Result<SubjectReport, WorkflowError> {
        let _inside = self.0.enter("report", context);
        Ok(subject_report(subject.clone()))
    }

    async fn open_request(
        &self,
        context: &RequestContext,
        open: OpenSubjectRequest,
    ) -> Result<RequestOutcome, WorkflowError> {
        let _inside = self.0.enter("open_request", context);
        let request = subject_request(Some(open.subject.clone()), None);
        *self.0.opened.lock().unwrap() = Some(open);
        Ok(RequestOutcome { request, commit: 9, replayed: true })
    }

    async fn answer_request(
        &self,
        context: &RequestContext,
        answer: AnswerSubjectRequest,
    ) -> Result<RequestOutcome, WorkflowError> {
        let _inside = self.0.enter("answer_request", context);
        let request = subject_request(None, Some(Closing::Superseded));
        *self.0.request_answered.lock().unwrap() = Some(answer);
        Ok(RequestOutcome { request, commit: 9, replayed: false })
    }

    async fn requests(
        &self,
        context: &RequestContext,
        wanted: &RequestsWanted,
        page: &PageRequest,
    ) -> Result<ListPage<SubjectRequest>, WorkflowError> {
        let _inside = self.0.enter("requests", context);
        *self.0.requests_wanted.lock().unwrap() = Some((wanted.clone(), page.clone()));
        let closings = [None, Some(Closing::Completed), Some(Closing::Refused)];
        let entries = closings.map(|closing| subject_request(wanted.subject.clone(), closing)).into();
        Ok(ListPage { entries, next: Some("cd".to_owned()) })
    }

    async fn subject(&self, context: &RequestContext, id: &SubjectId) -> Result<Subject, WorkflowError> {
        let _inside = self.0.enter("subject", context);
        self.0.error()?;
        match id.as_str() {
            "stranger" => Err(GalleryError::UnknownSubject.into()),
            _ => Ok(subject(id.clone())),
        }
    }

    async fn new_challenge(
        &self,
        context: &RequestContext,
        _transaction: &RequestId,
    ) -> Result<IssuedChallenge, WorkflowError> {
        let _inside = self.0.enter("new_challenge", context);
        self.0.error()?;
        Ok(IssuedChallenge { challenge: [1, 2, 3, 4, 5, 6, 7, 8], expires_at: Timestamp(1_700_000_000_789) })
    }

    async fn verify_beneficiary(
        &self,
        context: &RequestContext,
        request: BeneficiaryRequest,
    ) -> Result<BeneficiaryOutcome, WorkflowError> {
        let _inside = self.0.enter("verify_beneficiary", context);
        *self.0.beneficiary.lock().unwrap() = Some(request.clone());
        self.0.error()?;
        for (i, frame) in request.frames.iter().enumerate() {
            self.look(frame, Field::Frame(i)).await?;
        }
        Ok(beneficiary_outcome(request.key))
    }

    async fn resolve_referral(
        &self,
        context: &RequestContext,
        request: ResolveReferral,
    ) -> Result<ResolvedReferral, WorkflowError> {
        let _inside = self.0.enter("resolve_referral", context);
        self.0.error()?;
        let (key, outcome) = (request.key.clone(), request.outcome);
        *self.0.resolution.lock().unwrap() = Some(request);
        Ok(ResolvedReferral {
            key,
            outcome,
            resolved_at: Timestamp(1_700_000_000_456),
            officers: 1,
            officers_needed: 2,
        })
    }

    async fn clear_pair(
        &self,
        context: &RequestContext,
        request: ClearPairRequest,
    ) -> Result<PairChange, WorkflowError> {
        let _inside = self.0.enter("clear_pair", context);
        self.0.error()?;
        *self.0.pair.lock().unwrap() = Some(request);
        Ok(PairChange { pair: cleared_pair(), commit: 11, replayed: true })
    }

    async fn unclear_pair(
        &self,
        context: &RequestContext,
        request: UnclearPairRequest,
    ) -> Result<PairChange, WorkflowError> {
        let _inside = self.0.enter("unclear_pair", context);
        self.0.error()?;
        *self.0.pair.lock().unwrap() = Some(request);
        Ok(PairChange { pair: cleared_pair(), commit: 12, replayed: false })
    }

    async fn case(
        &self,
        context: &RequestContext,
        transaction: &RequestId,
        attempt: Option<u32>,
    ) -> Result<Option<CaseDecision>, WorkflowError> {
        let _inside = self.0.enter("case", context);
        self.0.error()?;
        let key = DecisionKey { transaction: transaction.clone(), attempt: attempt.unwrap_or(3) };
        Ok((transaction.as_str() != "unknown").then(|| case_decision(key)))
    }

    async fn pictures(
        &self,
        context: &RequestContext,
        transaction: &RequestId,
        attempt: Option<u32>,
    ) -> Result<Option<CasePictures>, WorkflowError> {
        let _inside = self.0.enter("pictures", context);
        self.0.error()?;
        let key = DecisionKey { transaction: transaction.clone(), attempt: attempt.unwrap_or(3) };
        Ok((transaction.as_str() != "unknown").then(|| case_pictures(key)))
    }

    async fn decisions(
        &self,
        context: &RequestContext,
        filter: &DecisionFilter,
        page: &PageRequest,
    ) -> Result<ListPage<DecisionHead>, WorkflowError> {
        let _inside = self.0.enter("decisions", context);
        self.0.error()?;
        *self.0.listed.lock().unwrap() = Some((filter.clone(), page.clone()));
        Ok(decisions_page())
    }

    async fn repeated_captures(
        &self,
        context: &RequestContext,
        since: Option<Timestamp>,
        until: Option<Timestamp>,
        page: &PageRequest,
    ) -> Result<ListPage<RepeatedCapture>, WorkflowError> {
        let _inside = self.0.enter("repeated_captures", context);
        self.0.error()?;
        let filter = DecisionFilter { since, until, ..DecisionFilter::default() };
        *self.0.listed.lock().unwrap() = Some((filter, page.clone()));
        Ok(repeated_captures())
    }

    async fn pairs(
        &self,
        context: &RequestContext,
        _: Option<PairState>,
        _: &PageRequest,
    ) -> Result<ListPage<ClearedPair>, WorkflowError> {
        let _inside = self.0.enter("pairs", context);
        self.0.error()?;
        Ok(ListPage { entries: vec![cleared_pair()], next: Some("ab".to_owned()) })
    }

    async fn subjects(
        &self,
        context: &RequestContext,
        filter: SubjectFilter,
        _: &PageRequest,
    ) -> Result<ListPage<SubjectSummary>, WorkflowError> {
        let _inside = self.0.enter("subjects", context);
        self.0.error()?;
        Ok(ListPage { entries: vec![subject_summary(&filter)], next: None })
    }

    async fn count_subjects(&self, context: &RequestContext, _: SubjectFilter) -> Result<SubjectCount, WorkflowError> {
        let _inside = self.0.enter("count_subjects", context);
        self.0.error()?;
        Ok(SubjectCount { subjects: 5, templates: 9 })
    }

    async fn ready(&self) -> Result<(), WorkflowError> {
        if self.0.able.load(Ordering::SeqCst) { Ok(()) } else { Err(GalleryError::Storage("test".into()).into()) }
    }
}

/// A pair with something in every field.
pub fn cleared_pair() -> ClearedPair {
    let entry = |kind, officer: &str, at| PairEntry {
        kind,
        officer: SubjectId::new(officer).unwrap(),
        reason: Note::new("sinh đôi").unwrap(),
        at: Timestamp(at),
    };
    ClearedPair {
        first: SubjectId::new("a").unwrap(),
        second: SubjectId::new("b").unwrap(),
        entries: vec![
            entry(PairEntryKind::Cleared, "officer-1", 1_700_000_000_000),
            entry(PairEntryKind::Ended, "officer-2", 1_700_000_000_001),
            entry(PairEntryKind::Cleared, "officer-3", 1_700_000_000_002),
        ],
        round_from: 2,
        officers_needed: 2,
        expires_at: Some(Timestamp(4_000_000_000_000)),
    }
}

/// A decision that two officers have looked at.
pub fn case_decision(key: DecisionKey) -> CaseDecision {
    let answer = |officer: &str, outcome| Resolution {
        officer: SubjectId::new(officer).unwrap(),
        outcome,
        reason: Note::new("đã xem giấy tờ").unwrap(),
        resolved_at: Timestamp(1_700_000_000_777),
    };
    let resolutions = vec![answer("officer-1", Outcome::Approve), answer("officer-2", Outcome::Approve)];
    CaseDecision {
        outcome: BeneficiaryOutcome { resolutions, officers_needed: 2, ..beneficiary_outcome(key) },
        subject: SubjectId::new("record").unwrap(),
        scheme: Scheme::Health,
        presented_by: Some(SubjectId::new("clerk-4").unwrap()),
        waits: true,
        answer_by: Some(Timestamp(1_700_086_400_777)),
    }
}

/// Pictures of a decision: none where it was closed, or approved.
pub fn case_pictures(key: DecisionKey) -> CasePictures {
    let kept = match key.transaction.as_str() {
        "approved" => PicturesKept::Never,
        "closed" => PicturesKept::NoLonger,
        _ => PicturesKept::Until(Timestamp(1_700_000_000_999)),
    };
    let picture = |of, byte| CasePicture { of, jpeg: vec![byte; 300_000 / 6] };
    let pictures = match kept {
        PicturesKept::Until(_) => {
            vec![picture(PictureOf::Capture(0), 1), picture(PictureOf::Capture(4), 2), picture(PictureOf::Chip, 3)]
        }
        PicturesKept::Never | PicturesKept::NoLonger => Vec::new(),
    };
    let left_out = pictures.len() as u32;
    CasePictures { key, pictures, left_out, kept }
}

/// A page with something in every field but the numbers, which do not travel.
pub fn decisions_page() -> ListPage<DecisionHead> {
    let head = DecisionHead {
        number: 0,
        key: DecisionKey { transaction: RequestId::new("t").unwrap(), attempt: 2 },
        subject: SubjectId::new("record").unwrap(),
        scheme: "social".to_owned(),
        outcome: Outcome::Deny,
        reasons: vec!["CHIP_ALTERED".to_owned(), "NAME_DIFFERS".to_owned()],
        decided_at: Timestamp(1_700_000_000_123),
        unit: Some("Quận 1".to_owned()),
        province: Some("79".to_owned()),
        resolved: Some(Outcome::Approve),
        waits: true,
        answer_by: Some(Timestamp(1_700_086_400_123)),
    };
    ListPage { entries: vec![head], next: Some("cd".to_owned()) }
}

/// A capture that was used before.
fn capture_seen(distance: Option<u32>) -> CaptureSeen {
    CaptureSeen {
        frame: 1,
        transaction: "t-0".to_owned(),
        attempt: 2,
        subject: SubjectId::new("somebody").unwrap(),
        unit: distance.map(|_| "Quận 1".to_owned()),
        at: Timestamp(1_700_000_000_009),
        distance,
    }
}

/// A page with something in every field.
pub fn repeated_captures() -> ListPage<RepeatedCapture> {
    let decision = decisions_page().entries.remove(0);
    let captures = vec![capture_seen(None), capture_seen(Some(7))];
    ListPage { entries: vec![RepeatedCapture { decision, unit: Some("Quận 3".to_owned()), captures }], next: None }
}

/// A subject of the province that is asked for.
pub fn subject_summary(filter: &SubjectFilter) -> SubjectSummary {
    SubjectSummary {
        subject: SubjectId::new("a").unwrap(),
        attributes: Attributes { province: filter.province.clone(), ..Attributes::default() },
        templates: 3,
        enrolled_at: Timestamp(1_700_000_000_000),
        updated_at: Timestamp(1_700_000_000_001),
        restricted: true,
        holds: 2,
        erasure_waits: true,
    }
}

/// A server that runs until it is stopped or dropped.
pub struct Running {
    pub control: Arc<Control>,
    pub url: String,
    stop: Option<oneshot::Sender<()>>,
    done: tokio::task::JoinHandle<Result<(), ServeError>>,
}

impl Running {
    /// Starts a server on a free port.
    pub async fn start(tweak: impl FnOnce(&mut ServeOptions)) -> Self {
        let control = Control::new();
        Self::start_with(Fake(Arc::clone(&control)), control, tweak).await
    }

    pub async fn start_with(
        backend: impl Backend,
        control: Arc<Control>,
        tweak: impl FnOnce(&mut ServeOptions),
    ) -> Self {
        let mut options = ServeOptions::default();
        options.listen.set_port(0);
        tweak(&mut options);
        let is_plain = options.tls.is_none();
        let bound = bind(backend, options).await.expect("a free port");
        let url = format!("http://{}", bound.local_addr());
        let url = if is_plain && over_json::is_wanted() { over_json::proxy(&url).await } else { url };
        let (stop, stopped) = oneshot::channel::<()>();
        let done = tokio::spawn(bound.serve(async {
            // Dropping the sender stops the server as well.
            let _ = stopped.await;
        }));
        Self { control, url, stop: Some(stop), done }
    }

    pub async fn client(&self) -> Client {
        Client::connect(&self.url).await.expect("the server listens")
    }

    pub async fn channel(&self) -> tonic::transport::Channel {
        let endpoint = tonic::transport::Endpoint::from_shared(self.url.clone()).unwrap();
        endpoint.connect().await.expect("the server listens")
    }

    /// Begins the shutdown.
    pub fn stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
    }

    /// Waits for the end of the shutdown.
    pub async fn ended(self) -> Result<(), ServeError> {
        let Self { stop, done, .. } = self;
        let ended = tokio::time::timeout(SOON, done).await.expect("the server did not stop").expect("no panic");
        drop(stop);
        ended
    }
}

pub fn verify_request(reference: &[u8]) -> VerifyRequest {
    VerifyRequest {
        reference: reference.to_vec(),
        probes: vec![b"probe".to_vec()],
        fmr: None,
        against: Default::default(),
    }
}

//! The calls with the real engine on real photos.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use chinhchu::context::RequestContext;
use chinhchu::face::Wants;
use chinhchu::face::quality::Flaw;
use chinhchu::gallery::{Attributes, DecisionKey, EnrolMode, Filter, Note, Outcome, RequestId, Source, SubjectId};
use chinhchu::service::Client;
use chinhchu::workflow::beneficiary::{
    BeneficiaryRequest, ClearPairRequest, PageRequest, Record, ResolveReferral, Scheme,
};
use chinhchu::workflow::{
    Decision, Engine, EnrolRequest, IdentifyRequest, IdentifyScope, Kind, Photo, VerifyRequest, WorkflowError,
    on_photos_analysed,
};
use tonic::Code;

use crate::assets::{engine, faceless, photo, with_gallery};
use crate::fake::{Control, Running, soon};

async fn server(engine: Engine) -> Running {
    Running::start_with(engine, Control::new(), |_| {}).await
}

fn enrolment(request: &str, subject: &str, photo: Vec<u8>) -> EnrolRequest {
    EnrolRequest {
        by: None,
        request_id: Some(RequestId::new(request).unwrap()),
        subject: SubjectId::new(subject).unwrap(),
        mode: EnrolMode::Create,
        attributes: Attributes::default(),
        photos: vec![Photo { bytes: photo, source: Source::Other, captured_at: None }],
        accept_poor: false,
        legal_basis: None,
        vouch: None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_counters_day() {
    let (Some(first), Some(second), Some(third), Some(other)) =
        (photo("obama.jpg"), photo("obama2.jpg"), photo("obama3.jpg"), photo("biden.jpg"))
    else {
        return;
    };
    let Some(engine) = engine(0, 64) else { return };
    let folder = tempfile::tempdir().unwrap();
    let local = with_gallery(engine, folder.path());
    let server = server(local.clone()).await;
    let client = server.client().await;

    // Enrol, and again as a retry.
    let enrolled = client.enrol(enrolment("e-1", "one", first.clone())).await.unwrap();
    assert!(!enrolled.receipt.replayed && enrolled.photos.len() == 1);
    let retried = client.enrol(enrolment("e-1", "one", first.clone())).await.unwrap();
    assert!(retried.receipt.replayed && retried.receipt.commit == enrolled.receipt.commit);
    let mixed_up = client.enrol(enrolment("e-1", "two", first.clone())).await.unwrap_err();
    assert_eq!((mixed_up.code, mixed_up.reason.as_str()), (Code::FailedPrecondition, "REQUEST_ID_REUSED"));
    let taken = client.enrol(enrolment("e-2", "one", second.clone())).await.unwrap_err();
    assert_eq!((taken.code, taken.reason.as_str()), (Code::AlreadyExists, "SUBJECT_EXISTS"));

    // A search that cannot be made names the field that forbids it.
    let wrong = [
        (IdentifyScope::Fpir { fpir: 0.01, limit: 1001 }, "fpir.limit"),
        (IdentifyScope::Fpir { fpir: 0.7, limit: 1 }, "fpir.fpir"),
        (IdentifyScope::Fpir { fpir: f64::NAN, limit: 1 }, "fpir.fpir"),
        (IdentifyScope::Nearest(0), "nearest.k"),
        (IdentifyScope::NearestApproximate(1001), "nearest.k"),
    ];
    for (scope, field) in wrong {
        let (probes, filter) = (vec![second.clone()], Filter::default());
        let refused = client.identify(IdentifyRequest { probes, scope: Some(scope), filter }).await.unwrap_err();
        assert_eq!((refused.reason.as_str(), refused.field.as_deref()), ("OUT_OF_RANGE", Some(field)));
    }

    // Verify, on the wire as in the process, bit for bit.
    let request = VerifyRequest {
        reference: first.clone(),
        probes: vec![second.clone(), third.clone()],
        fmr: Some(1e-4),
        against: Default::default(),
    };
    let outcome = client.verify(request.clone()).await.unwrap();
    assert_eq!(outcome.decision, Decision::Match);
    assert_eq!(outcome, local.verify(&RequestContext::internal("test"), request).await.unwrap());
    let request =
        VerifyRequest { reference: first.clone(), probes: vec![other.clone()], fmr: None, against: Default::default() };
    assert_eq!(client.verify(request).await.unwrap().decision, Decision::NoMatch);

    // Identify.
    client.enrol(enrolment("e-3", "other", other)).await.unwrap();
    let scope = Some(IdentifyScope::Fpir { fpir: 0.01, limit: 5 });
    let found = client
        .identify(IdentifyRequest { probes: vec![third.clone()], scope, filter: Filter::default() })
        .await
        .unwrap();
    assert_eq!(found.candidates.len(), 1);
    assert_eq!((found.candidates[0].subject.as_str(), found.templates), ("one", 2));
    let all =
        IdentifyRequest { probes: vec![third], scope: Some(IdentifyScope::Nearest(10)), filter: Filter::default() };
    assert_eq!(client.identify(all).await.unwrap().candidates.len(), 2);

    // Get, remove, and gone.
    let one = SubjectId::new("one").unwrap();
    assert_eq!(client.subject(&one).await.unwrap().templates.len(), 1);
    let removal = RequestId::new("r-1").unwrap();
    assert!(!client.remove(&one, Some(removal.clone())).await.unwrap().replayed);
    assert!(client.remove(&one, Some(removal)).await.unwrap().replayed);
    assert_eq!(client.subject(&one).await.unwrap_err().reason, "SUBJECT_UNKNOWN");
}

/// Where nobody waits for an answer any more nothing may be done, and above all nothing stored.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_whose_deadline_has_passed_is_refused_by_every_use_case_before_it_begins() {
    let (Some(face), Some(engine)) = (photo("obama.jpg"), engine(1, 64)) else { return };
    let folder = tempfile::tempdir().unwrap();
    let engine = with_gallery(engine, folder.path());
    let context = RequestContext::internal("test");
    let late = &context.clone().with_deadline(Instant::now());
    let one = SubjectId::new("one").unwrap();
    engine.enrol(&context, enrolment("t-1", "one", face.clone())).await.unwrap();

    let verify =
        VerifyRequest { reference: face.clone(), probes: vec![face.clone()], fmr: None, against: Default::default() };
    let identify = IdentifyRequest { probes: vec![face.clone()], scope: None, filter: Filter::default() };
    let key = DecisionKey::new(RequestId::new("t-2").unwrap(), 1).unwrap();
    let decide = BeneficiaryRequest {
        unit: None,
        presented_by: None,
        key: key.clone(),
        subject: one.clone(),
        scheme: Scheme::Social,
        policy: String::new(),
        record: Record::default(),
        chip_files: Vec::new(),
        active: None,
        frames: vec![face.clone()],
    };
    let decided = engine.verify_beneficiary(&context, decide.clone()).await.unwrap();
    assert_eq!(decided.decided.outcome, Outcome::Refer);
    let (officer, reason) = (SubjectId::new("officer-7").unwrap(), Note::new("seen").unwrap());
    let (outcome, other) = (Outcome::Approve, SubjectId::new("other").unwrap());
    let resolve = ResolveReferral { key, officer: officer.clone(), outcome, reason: reason.clone() };
    let pair = ClearPairRequest { one: one.clone(), other, officer, reason };
    let results = [
        engine.verify(late, verify).await.err(),
        engine.assess(late, face.clone(), Kind::Live).await.err(),
        engine.identify(late, identify).await.err(),
        engine.enrol(late, enrolment("t-3", "two", face)).await.err(),
        engine.remove(late, &one, None).await.err(),
        engine.subject(late, &one).await.err(),
        engine.stats(late).await.err(),
        // Also one that was made before.
        engine.verify_beneficiary(late, decide).await.err(),
        engine.case(late, &RequestId::new("t-2").unwrap(), Some(1)).await.err(),
        engine.resolve_referral(late, resolve.clone()).await.err(),
        engine.clear_pair(late, pair).await.err(),
        engine.pairs(late, None, &PageRequest::default()).await.err(),
    ];
    for (at, error) in results.into_iter().enumerate() {
        assert!(matches!(error, Some(WorkflowError::DeadlineExceeded(_))), "{at}: {error:?}");
    }
    let stats = engine.stats(&context).await.unwrap();
    assert_eq!((stats.subjects, stats.templates), (1, 1));
    assert!(engine.pairs(&context, None, &PageRequest::default()).await.unwrap().entries.is_empty());
    // The referral still waits for its officer.
    assert_eq!(engine.resolve_referral(&context, resolve).await.unwrap().outcome, Outcome::Approve);
}

/// Else a call's turn would last for its search or its commit, which others could share.
#[tokio::test(flavor = "multi_thread")]
async fn the_engine_tells_once_that_the_photos_have_been_looked_at() {
    let (Some(face), Some(other)) = (photo("obama.jpg"), photo("obama2.jpg")) else { return };
    let Some(engine) = engine(1, 64) else { return };
    let folder = tempfile::tempdir().unwrap();
    let engine = with_gallery(engine, folder.path());
    let told = Arc::new(AtomicUsize::new(0));
    let tell = || {
        let told = Arc::clone(&told);
        move || {
            told.fetch_add(1, Ordering::SeqCst);
        }
    };
    on_photos_analysed(tell(), engine.enrol(&RequestContext::internal("test"), enrolment("t-1", "one", face.clone())))
        .await
        .unwrap();
    assert_eq!(told.load(Ordering::SeqCst), 1, "enrol");
    let request =
        VerifyRequest { reference: face.clone(), probes: vec![other.clone()], fmr: None, against: Default::default() };
    on_photos_analysed(tell(), engine.verify(&RequestContext::internal("test"), request)).await.unwrap();
    assert_eq!(told.load(Ordering::SeqCst), 2, "verify");
    let request = IdentifyRequest { probes: vec![other.clone()], scope: None, filter: Filter::default() };
    on_photos_analysed(tell(), engine.identify(&RequestContext::internal("test"), request)).await.unwrap();
    assert_eq!(told.load(Ordering::SeqCst), 3, "identify");
    let request = BeneficiaryRequest {
        unit: None,
        presented_by: None,
        key: DecisionKey::new(RequestId::new("t-2").unwrap(), 1).unwrap(),
        subject: SubjectId::new("one").unwrap(),
        scheme: Scheme::Social,
        policy: String::new(),
        record: Record::default(),
        chip_files: Vec::new(),
        active: None,
        frames: vec![other],
    };
    on_photos_analysed(tell(), engine.verify_beneficiary(&RequestContext::internal("test"), request)).await.unwrap();
    assert_eq!(told.load(Ordering::SeqCst), 4, "verify a beneficiary");
}

/// Head and shoulders at a size that does not make the test slow, out of focus.
fn blurred(photo: &[u8]) -> Vec<u8> {
    let picture = image::load_from_memory(photo).unwrap().resize(400, 400, image::imageops::FilterType::Triangle);
    let mut bytes = Vec::new();
    let encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, 95);
    picture.fast_blur(4.0).into_rgb8().write_with_encoder(encoder).unwrap();
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poor_capture_is_told_before_anything_is_compared_and_not_enrolled() {
    let (Some(good), Some(engine)) = (photo("obama.jpg"), engine(0, 64)) else { return };
    let poor = blurred(&good);
    let folder = tempfile::tempdir().unwrap();
    let server = server(with_gallery(engine, folder.path())).await;
    let client = server.client().await;

    let assessed = client.assess(good.clone(), Kind::Live).await.unwrap();
    assert!(assessed.accepted && assessed.face.flaws.is_empty(), "{:?}", assessed.face.flaws);
    // What only an embedding says is not there.
    assert!(assessed.face.norm.is_none() && assessed.face.quality.is_some_and(|q| q.utility.is_none()));
    let assessed = client.assess(poor.clone(), Kind::Live).await.unwrap();
    assert!(!assessed.accepted && assessed.face.flaws.contains(&Flaw::Blurred), "{:?}", assessed.face.flaws);

    let enrol = |request: &str, source: Source, accept_poor: bool| EnrolRequest {
        photos: vec![Photo { bytes: poor.clone(), source, captured_at: None }],
        accept_poor,
        legal_basis: None,
        ..enrolment(request, request, Vec::new())
    };
    let refused = client.enrol(enrol("live", Source::Live, false)).await.unwrap_err();
    assert_eq!((refused.code, refused.reason.as_str()), (Code::InvalidArgument, "CAPTURE_REFUSED"));
    assert_eq!(refused.field.as_deref(), Some("photos[0]"));
    assert!(refused.message.contains(Flaw::Blurred.en()), "{}", refused.message);
    assert_eq!(client.subject(&SubjectId::new("live").unwrap()).await.unwrap_err().reason, "SUBJECT_UNKNOWN");
    client.enrol(enrol("told", Source::Live, true)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn photos_of_no_use_are_refused_by_name_and_reason() {
    let (Some(face), Some(engine)) = (photo("obama.jpg"), engine(0, 64)) else { return };
    let server = server(engine).await;
    let client = server.client().await;
    let verify = async |reference: &[u8], probe: &[u8]| {
        let request = VerifyRequest {
            reference: reference.to_vec(),
            probes: vec![probe.to_vec()],
            fmr: None,
            against: Default::default(),
        };
        let error = client.verify(request).await.unwrap_err();
        (error.code, error.reason, error.field.unwrap_or_default())
    };
    let wrong = |reason: &str, field: &str| (Code::InvalidArgument, reason.to_owned(), field.to_owned());
    assert_eq!(verify(&face, &faceless()).await, wrong("NO_FACE", "probes[0]"));
    assert_eq!(verify(b"", &face).await, wrong("IMAGE_EMPTY", "reference"));
    assert_eq!(verify(&face, b"a text named photo.jpg").await, wrong("IMAGE_FORMAT", "probes[0]"));
    assert_eq!(verify(&face[..face.len() / 2], &face).await, wrong("IMAGE_DAMAGED", "reference"));

    for probes in [0, 6] {
        let request = VerifyRequest {
            reference: face.clone(),
            probes: vec![face.clone(); probes],
            fmr: None,
            against: Default::default(),
        };
        let error = client.verify(request).await.unwrap_err();
        assert_eq!((error.reason.as_str(), error.field.as_deref()), ("PHOTO_COUNT", Some("probes")));
    }
    for fmr in [0.0, -1.0, 1.0, f64::NAN] {
        let request = VerifyRequest {
            reference: face.clone(),
            probes: vec![face.clone()],
            fmr: Some(fmr),
            against: Default::default(),
        };
        let error = client.verify(request).await.unwrap_err();
        assert_eq!((error.reason.as_str(), error.field.as_deref()), ("OUT_OF_RANGE", Some("fmr")));
    }
    // Verify needs no gallery; the rest says that it does.
    let error = client.subject(&SubjectId::new("s").unwrap()).await.unwrap_err();
    assert_eq!((error.code, error.reason.as_str()), (Code::FailedPrecondition, "NO_GALLERY"));
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelled_calls_leave_the_workers_queue() {
    let (Some(face), Some(engine)) = (photo("obama.jpg"), engine(1, 12)) else { return };
    let server = server(engine.clone()).await;
    // Two calls of six photos fill the queue behind the one worker.
    let client = server.client().await;
    let calls: Vec<_> = (0..2)
        .map(|_| {
            let client = client.clone();
            let request = VerifyRequest {
                reference: face.clone(),
                probes: vec![face.clone(); 5],
                fmr: None,
                against: Default::default(),
            };
            tokio::spawn(async move { client.verify(request).await })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(20)).await;
    calls.iter().for_each(tokio::task::JoinHandle::abort);
    // Places in the queue are free again, without anyone having waited for the work.
    soon(|| {
        let tickets: Vec<_> = (0..11).map(|_| engine.pool().try_analyze(Vec::new(), Wants::default())).collect();
        tickets.iter().all(Option::is_some)
    })
    .await;
    let request = VerifyRequest { reference: face.clone(), probes: vec![face], fmr: None, against: Default::default() };
    soon_answered(&client, request).await;
}

/// The cancelled photos are thrown out one by one; until then the queue may be full.
async fn soon_answered(client: &Client, request: VerifyRequest) {
    let answered = async {
        while let Err(error) = client.verify(request.clone()).await {
            assert_eq!(error.reason, "BUSY", "{error}");
            tokio::time::sleep(error.retry_after.unwrap()).await;
        }
    };
    tokio::time::timeout(crate::fake::SOON, answered).await.expect("the queue did not drain");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bulk_enrolment_is_durable_row_by_row_and_lists_what_failed() {
    let (Some(face), Some(engine)) = (photo("obama.jpg"), engine(0, 4)) else { return };
    let folder = tempfile::tempdir().unwrap();
    let rows = || {
        let face = face.clone();
        tokio_stream::iter((0..24).map(move |i| {
            let picture = if i % 8 == 5 { faceless() } else { face.clone() };
            enrolment(&format!("bulk-{i}"), &format!("subject {i}"), picture)
        }))
    };
    {
        let engine = with_gallery(engine.clone(), folder.path());
        let mut server = server(engine).await;
        let outcome = server.client().await.bulk_enrol(rows()).await.unwrap();
        assert_eq!((outcome.rows, outcome.committed, outcome.failed), (24, 21, 3));
        assert_eq!(outcome.failures.iter().map(|failure| failure.row).collect::<Vec<_>>(), [5, 13, 21]);
        server.stop();
        server.ended().await.unwrap();
    }
    // A new server on the same folder knows the rows and their request ids.
    let server = server(with_gallery(engine, folder.path())).await;
    let client = server.client().await;
    assert_eq!(client.subject(&SubjectId::new("subject 23").unwrap()).await.unwrap().templates.len(), 1);
    let again = client.bulk_enrol(rows()).await.unwrap();
    assert_eq!((again.committed, again.replayed, again.failed), (0, 21, 3));
}

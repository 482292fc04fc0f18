//! A record is one person's: what is put into it, and what is decided on one that is not.
//! And what captures count for.

use chinhchu::context::RequestContext;
use chinhchu::gallery::{EnrolMode, Note, Outcome, Source, Vouch};
use chinhchu::matching::Reference;
use chinhchu::workflow::beneficiary::{BeneficiaryRequest, CopyOf, EvidenceKind, ResolveReferral};
use chinhchu::workflow::{EnrolRequest, Frames, IdentifyRequest, Photo, VerifyRequest};
use image::RgbImage;
use image::codecs::jpeg::JpegEncoder;
use image::imageops::{self, FilterType};

use crate::need_assets;
use crate::support::*;

fn enrolment(subject: &str, mode: EnrolMode, names: &[&str]) -> EnrolRequest {
    EnrolRequest {
        by: None,
        request_id: None,
        subject: id(subject),
        mode,
        attributes: chinhchu::gallery::Attributes { schemes: ["social".to_owned()].into(), ..Default::default() },
        photos: names
            .iter()
            .map(|name| Photo { bytes: photo(name), source: Source::Other, captured_at: None })
            .collect(),
        accept_poor: true,
        legal_basis: None,
        vouch: None,
    }
}

fn vouch() -> Option<Vouch> {
    Some(Vouch { officer: id("officer-7"), reason: Note::new("đã xem hai ảnh, cách nhau nhiều năm").unwrap() })
}

/// Without a card: the enrolled reference alone.
fn without_card(transaction: &str, captures: &[&str]) -> BeneficiaryRequest {
    BeneficiaryRequest {
        policy: "clinic".into(),
        chip_files: Vec::new(),
        ..claim(transaction, "record-1", &FIRST, captures)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_people_never_become_one_record() {
    need_assets!();
    let counter = Counter::open().await;
    let refused = async |request: EnrolRequest| counter.client.enrol(request).await.unwrap_err().reason;
    for mode in [EnrolMode::Create, EnrolMode::Replace, EnrolMode::Add] {
        let both = enrolment("record-1", mode, &["obama.jpg", "biden.jpg"]);
        assert_eq!(refused(both).await, "PHOTOS_DISAGREE", "{mode:?}");
        assert_eq!(counter.engine.stats(&RequestContext::internal("test")).await.unwrap().subjects, 0);
    }
    counter.client.enrol(enrolment("record-1", EnrolMode::Create, &["obama.jpg"])).await.unwrap();
    // The accomplice's face, who would then be approved on the record.
    let error = counter.client.enrol(enrolment("record-1", EnrolMode::Add, &["biden.jpg"])).await.unwrap_err();
    assert_eq!((error.code, error.reason.as_str()), (tonic::Code::FailedPrecondition, "RECORD_DISAGREES"));
    let smuggled = enrolment("record-1", EnrolMode::Add, &["obama3.jpg", "biden.jpg"]);
    assert_eq!(refused(smuggled).await, "PHOTOS_DISAGREE");
    let denied = counter.decide(without_card("t-1", &["biden.jpg"])).await;
    assert_decided(&denied, Outcome::Refer, &["REFERENCE_FACE_DIFFERS"]);
    // The right person's next photo comes in.
    let added = counter.client.enrol(enrolment("record-1", EnrolMode::Add, &["obama3.jpg"])).await.unwrap();
    assert_eq!(added.receipt.templates, 2);
    let decided = counter.decide(without_card("t-2", &["obama2.jpg"])).await;
    assert_decided(&decided, Outcome::Approve, &[]);
    let record = decided.evidence.record_templates.unwrap();
    assert_eq!((record.templates, record.groups, record.vouched), (2, 1, 0));
    // While the referral waits, nobody replaces the photos that it is about.
    assert_eq!(refused(enrolment("record-1", EnrolMode::Replace, &["biden.jpg"])).await, "RECORD_KEPT");
    let answer = ResolveReferral {
        key: key("t-1", 1),
        officer: id("officer-7"),
        outcome: Outcome::Deny,
        reason: Note::new("người khác").unwrap(),
    };
    counter.client.resolve_referral(answer).await.unwrap();
    // A replacement replaces: with whom is no longer a question of the old photos.
    counter.client.enrol(enrolment("record-1", EnrolMode::Replace, &["biden.jpg"])).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn two_who_add_different_people_at_once_do_not_both_get_in() {
    need_assets!();
    let counter = Counter::open().await;
    let (one, other) = tokio::join!(
        counter.client.enrol(enrolment("record-1", EnrolMode::Add, &["obama.jpg"])),
        counter.client.enrol(enrolment("record-1", EnrolMode::Add, &["biden.jpg"])),
    );
    let refused: Vec<String> = [one, other].into_iter().filter_map(|end| end.err().map(|error| error.reason)).collect();
    assert_eq!(refused, ["RECORD_DISAGREES"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_officer_may_vouch_for_photos_that_do_not_agree_and_it_is_kept_who_did() {
    need_assets!();
    let counter = Counter::open().await;
    let mut request = enrolment("record-1", EnrolMode::Create, &["obama.jpg", "biden.jpg"]);
    request.vouch = vouch();
    request.vouch.as_mut().unwrap().officer = id("079 088 000 017");
    let error = counter.client.enrol(request.clone()).await.unwrap_err();
    assert_eq!((error.reason.as_str(), error.field.as_deref()), ("ID_IS_NUMBER", Some("vouch.officer_id")));
    request.vouch = vouch();
    counter.client.enrol(request).await.unwrap();
    let subject = counter.client.subject(&id("record-1")).await.unwrap();
    let ids: Vec<u64> = subject.templates.iter().map(|template| template.id).collect();
    assert!(subject.vouched.len() == 1 && Some(&subject.vouched[0].vouch) == vouch().as_ref());
    assert_eq!(subject.vouched[0].templates, ids);
    let decided = counter.decide(without_card("t-1", &["obama2.jpg"])).await;
    assert_decided(&decided, Outcome::Approve, &[]);
    let record = decided.evidence.record_templates.unwrap();
    assert_eq!((record.templates, record.groups, record.vouched), (2, 1, 2));
    // Who comes later must be one of those the officer saw.
    counter.client.enrol(enrolment("record-1", EnrolMode::Add, &["obama3.jpg"])).await.unwrap();
    counter.client.enrol(enrolment("record-1", EnrolMode::Replace, &["obama3.jpg"])).await.unwrap();
    assert!(counter.client.subject(&id("record-1")).await.unwrap().vouched.is_empty(), "it was of other photos");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_holds_two_people_refers_whoever_comes() {
    need_assets!();
    let counter = Counter::open().await;
    // As earlier versions let it in.
    let analysis = async |name: &str| {
        let ticket = counter.engine.pool().try_analyze(photo(name), Default::default()).unwrap();
        ticket.await.unwrap().template
    };
    let mut templates = Vec::new();
    for name in ["obama.jpg", "biden.jpg"] {
        let template = analysis(name).await;
        templates.push(chinhchu::gallery::NewTemplate {
            template,
            source: Source::Other,
            captured_at: None,
            quality: None,
        });
    }
    let folder = counter.close().await;
    {
        let engine = engine(folder.path(), anchors());
        drop(engine);
    }
    let recipe = templates[0].template.recipe();
    let dimension = templates[0].template.vector().len();
    let gallery = chinhchu::gallery::open(folder.path(), recipe, dimension, Default::default()).unwrap();
    let enrolment = chinhchu::gallery::Enrolment {
        by: None,
        legal_basis: None,
        subject: id("record-1"),
        mode: EnrolMode::Create,
        attributes: chinhchu::gallery::Attributes { schemes: ["social".to_owned()].into(), ..Default::default() },
        templates,
        agreement: chinhchu::gallery::Agreement::Known,
    };
    gallery.enrol(&RequestContext::internal("test"), enrolment, None).await.unwrap();
    drop(gallery);
    let engine = engine(folder.path(), anchors());
    // Of the other there is one photo, which is enrolled.
    let both = ["RECORD_DISAGREES", "CAPTURE_IS_ENROLLED_PHOTO"];
    for (transaction, capture, reasons) in [("t-1", "obama2.jpg", &both[..1]), ("t-2", "biden.jpg", &both[..])] {
        let decided = engine
            .verify_beneficiary(&RequestContext::internal("test"), without_card(transaction, &[capture]))
            .await
            .unwrap();
        assert_decided(&decided, Outcome::Refer, reasons);
        assert!(decided.evidence.record_templates.unwrap().groups == 2 && !decided.decided.retake);
    }
    // An officer who has looked settles it with a photo taken now.
    let mut request = self::enrolment("record-1", EnrolMode::Add, &["obama3.jpg"]);
    request.vouch = vouch();
    engine.enrol(&RequestContext::internal("test"), request).await.unwrap();
    let decided = engine
        .verify_beneficiary(&RequestContext::internal("test"), without_card("t-3", &["obama2.jpg"]))
        .await
        .unwrap();
    assert_decided(&decided, Outcome::Approve, &[]);
}

fn jpeg(picture: &RgbImage) -> Vec<u8> {
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, 88).encode_image(picture).unwrap();
    bytes
}

/// A photo again in another file: encoded anew, smaller, and cut a little.
fn again(name: &str) -> Vec<Vec<u8>> {
    let picture = image::load_from_memory(&photo(name)).unwrap().into_rgb8();
    let (width, height) = picture.dimensions();
    let smaller = imageops::resize(&picture, width * 3 / 4, height * 3 / 4, FilterType::Triangle);
    let cut = imageops::crop_imm(&picture, width / 50, height / 60, width * 24 / 25, height * 24 / 25).to_image();
    vec![jpeg(&picture), jpeg(&smaller), jpeg(&cut)]
}

/// A photo as a screen of another shape shows it: wider, higher, mirrored and wider.
fn stretched(name: &str) -> Vec<Vec<u8>> {
    let picture = image::load_from_memory(&photo(name)).unwrap().into_rgb8();
    let (width, height) = picture.dimensions();
    let wider = imageops::resize(&picture, width * 6 / 5, height, FilterType::Triangle);
    let higher = imageops::resize(&picture, width, height * 6 / 5, FilterType::Triangle);
    vec![jpeg(&wider), jpeg(&higher), jpeg(&imageops::flip_horizontal(&wider))]
}

#[tokio::test(flavor = "multi_thread")]
async fn one_picture_sent_five_times_is_one_frame_and_refers() {
    need_assets!();
    let counter = Counter::open().await;
    counter.decide(claim("t-0", "record-1", &FIRST, &["obama2.jpg", "obama3.jpg"])).await;
    let one = counter.decide(claim("t-1", "record-1", &FIRST, &["obama2.jpg"])).await;
    assert_eq!((one.evidence.together, one.evidence.distinct_frames), (Some(Frames::Single), 1));
    let five = counter.decide(claim("t-2", "record-1", &FIRST, &["obama2.jpg"; 5])).await;
    assert_decided(&five, Outcome::Refer, &["FRAMES_REPEATED"]);
    assert!(five.decided.retake);
    assert_eq!((five.evidence.together, five.evidence.distinct_frames), (Some(Frames::Repeated), 1));
    assert!(five.evidence.frames.iter().all(|frame| frame.picture == Some(0)));
    // It once stated a rate two hundred times too good.
    assert_eq!(five.evidence.chip_face, one.evidence.chip_face);
    assert_eq!(five.evidence.reference_face, one.evidence.reference_face);
    assert_eq!(five.evidence.duplicates, one.evidence.duplicates);
    let curve = five.evidence.chip_face.unwrap().curve.unwrap();
    assert_eq!(curve.probe_frames, 1);
    // In other files it is the same picture.
    let mut request = claim("t-3", "record-1", &FIRST, &["obama2.jpg"]);
    request.frames.extend(again("obama2.jpg"));
    let files = counter.decide(request).await;
    assert_decided(&files, Outcome::Refer, &["FRAMES_REPEATED"]);
    assert_eq!(files.evidence.distinct_frames, 1, "{:?}", files.evidence.frames);
    // Two pictures, one of them twice, are two frames.
    let two = counter.decide(claim("t-4", "record-1", &FIRST, &["obama2.jpg", "obama3.jpg", "obama2.jpg"])).await;
    assert_eq!((two.evidence.distinct_frames, two.evidence.together), (2, Some(Frames::Repeated)));
    let natural = counter.decide(claim("t-5", "record-1", &FIRST, &["obama2.jpg", "obama3.jpg"])).await;
    assert_decided(&natural, Outcome::Approve, &[]);
    assert_eq!(two.evidence.chip_face, natural.evidence.chip_face);
    assert_eq!(natural.decided.without, [EvidenceKind::Quality, EvidenceKind::Liveness]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_sent_twice_counts_once_in_plain_comparisons_and_searches_too() {
    need_assets!();
    let counter = Counter::open().await;
    counter.client.enrol(enrolment("record-1", EnrolMode::Create, &["obama.jpg"])).await.unwrap();
    let verify = async |probes: Vec<Vec<u8>>, against| {
        let request = VerifyRequest { reference: photo("obama.jpg"), probes, fmr: None, against };
        counter.client.verify(request).await.unwrap()
    };
    let identify = async |probes: Vec<Vec<u8>>| {
        let request = IdentifyRequest { probes, scope: None, filter: Default::default() };
        counter.client.identify(request).await.unwrap()
    };
    let (probe, any) = (photo("obama2.jpg"), Reference::Any);
    let (one, five) = (verify(vec![probe.clone()], any).await, verify(vec![probe.clone(); 5], any).await);
    assert_eq!((five.distinct, five.frames, one.distinct), (1, Frames::Repeated, 1));
    assert_eq!((five.score, five.fmr, five.threshold, &five.curve), (one.score, one.fmr, one.threshold, &one.curve));
    let (one, five) = (identify(vec![probe.clone()]).await, identify(vec![probe.clone(); 5]).await);
    assert_eq!((five.distinct, five.frames), (1, Frames::Repeated));
    assert_eq!((five.candidates, five.threshold), (one.candidates, one.threshold));
    // What was asked for, and the curve that spoke for want of one fitted on chip photos.
    let chip = verify(vec![probe], Reference::Chip).await;
    assert_eq!((chip.against, chip.curve.reference, chip.curve.probe_frames), (Reference::Chip, any, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chip_photo_is_judged_by_the_curve_fitted_on_chip_photos() {
    need_assets!();
    let folder = tempfile::tempdir().unwrap();
    let pack = std::env::var_os("CHINHCHU_PACK").map_or_else(|| root().join("models/default"), Into::into);
    // As `chinhchu calibrate --reference chip` leaves it: one pooled curve more, here of a population of its own.
    let text = std::fs::read_to_string(pack.join("calibration.toml")).unwrap();
    let first = text.find("[[curves]]").unwrap();
    let end = text[first + 10..].find("[[curves]]").unwrap() + first + 10;
    let mut chip = text[first..end].replacen("reference = \"any\"", "reference = \"chip\"", 1);
    let named = chip.find("population = ").unwrap();
    let line = named + chip[named..].find('\n').unwrap();
    chip.replace_range(named..line, "population = \"chip photos of a province\"");
    let calibration = folder.path().join("calibration.toml");
    std::fs::write(&calibration, format!("{text}\n{chip}")).unwrap();

    let engine = engine_with(&folder.path().join("people"), anchors(), Some(calibration));
    let decided = engine
        .verify_beneficiary(&RequestContext::internal("test"), claim("t-1", "record-1", &FIRST, &["obama2.jpg"]))
        .await
        .unwrap();
    assert_decided(&decided, Outcome::Approve, &[]);
    let face = decided.evidence.chip_face.unwrap();
    let curve = face.curve.unwrap();
    assert_eq!((face.against, curve.reference, curve.probe_frames), (Reference::Chip, Reference::Chip, 1));
    assert_eq!((curve.population.as_str(), curve.group.as_str()), ("chip photos of a province", "pooled"));
    let search = decided.evidence.curve.unwrap();
    assert_eq!(search.reference, Reference::Any, "a gallery holds references of every kind");
    // The chip's photo was enrolled, and is one still.
    let again = engine
        .verify_beneficiary(&RequestContext::internal("test"), claim("t-2", "record-1", &FIRST, &["obama3.jpg"]))
        .await
        .unwrap();
    let reference = again.evidence.reference_face.unwrap();
    assert_eq!((reference.against, reference.curve.unwrap().reference), (Reference::Chip, Reference::Chip));
    // For two captures there is no such curve: the answer says that another stands in.
    let two = engine
        .verify_beneficiary(
            &RequestContext::internal("test"),
            claim("t-3", "record-1", &FIRST, &["obama2.jpg", "obama3.jpg"]),
        )
        .await
        .unwrap();
    let face = two.evidence.chip_face.unwrap();
    let curve = face.curve.unwrap();
    assert_eq!((face.against, curve.reference, curve.probe_frames), (Reference::Chip, Reference::Any, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_chips_own_photo_is_no_capture_and_nor_is_an_enrolled_one() {
    need_assets!();
    let counter = Counter::open().await;
    // It scored 1.0, and passed where liveness is done without.
    let own = counter.decide(claim("t-1", "record-1", &FIRST, &["obama.jpg"])).await;
    assert_decided(&own, Outcome::Refer, &["CAPTURE_IS_CHIP_PHOTO"]);
    assert!(own.decided.retake && own.evidence.chip_face.as_ref().unwrap().score > 0.99 && !own.enrolled);
    assert_eq!(own.evidence.frames[0].copy_of, Some(CopyOf::ChipPhoto));
    let copies = again("obama.jpg").into_iter().chain(stretched("obama.jpg"));
    for (i, bytes) in copies.enumerate() {
        let mut request = claim(&format!("t-2-{i}"), "record-1", &FIRST, &[]);
        // Also hidden among pictures of the person.
        request.frames = vec![photo("obama2.jpg"), bytes];
        assert_decided(&counter.decide(request).await, Outcome::Refer, &["CAPTURE_IS_CHIP_PHOTO"]);
    }
    assert_decided(&counter.decide(claim("t-3", "record-1", &FIRST, &["obama2.jpg"])).await, Outcome::Approve, &[]);
    counter.client.enrol(enrolment("record-1", EnrolMode::Add, &["obama3.jpg"])).await.unwrap();
    let replayed = counter.decide(without_card("t-4", &["obama3.jpg"])).await;
    assert_decided(&replayed, Outcome::Refer, &["CAPTURE_IS_ENROLLED_PHOTO"]);
    assert_eq!(replayed.evidence.frames[0].copy_of, Some(CopyOf::EnrolledPhoto));
    for (probe, copy) in [("obama.jpg", true), ("obama2.jpg", false)] {
        let probes = vec![photo(probe)];
        let request = VerifyRequest { reference: photo("obama.jpg"), probes, fmr: None, against: Reference::Any };
        assert_eq!(counter.client.verify(request).await.unwrap().copy_of_reference, copy);
    }
}

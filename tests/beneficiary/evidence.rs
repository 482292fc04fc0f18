//! Missing evidence, and what is refused before anything is decided.

use chinhchu::gallery::Outcome;
use chinhchu::workflow::beneficiary::{Piece, Record};

use crate::need_assets;
use crate::support::*;

#[tokio::test(flavor = "multi_thread")]
async fn missing_evidence_is_named_and_never_approves() {
    need_assets!();
    let counter = Counter::open().await;
    // Nobody is enrolled, and this policy wants to see a reference.
    let mut request = claim("t-1", "record-1", &FIRST, &["obama2.jpg"]);
    request.policy = "careful".into();
    assert_decided(&counter.decide(request).await, Outcome::Refer, &["REFERENCE_FACE_MISSING"]);
    // The record says nothing.
    let mut request = claim("t-2", "record-1", &FIRST, &["obama2.jpg"]);
    request.record = Record::default();
    let fields = ["NUMBER_MISSING", "NAME_MISSING", "BIRTH_DATE_MISSING", "SEX_MISSING"];
    assert_decided(&counter.decide(request).await, Outcome::Refer, &fields);
    // No chip, and no policy that does without one.
    let mut request = claim("t-3", "record-1", &FIRST, &["obama2.jpg"]);
    request.chip_files = Vec::new();
    let outcome = counter.decide(request).await;
    assert_eq!(outcome.decided.outcome, Outcome::Refer);
    assert!(against(&outcome).contains(&"CHIP_MISSING") && against(&outcome).contains(&"CHIP_FACE_MISSING"));
    // A chip whose photo shows nobody.
    let mut request = claim("t-4", "record-1", &FIRST, &["obama2.jpg"]);
    let faceless = chinhchu::tools::forge::CardDraft {
        key: chinhchu::tools::forge::KeyKind::P256,
        ..chinhchu::tools::forge::CardDraft::new(SEED, wall())
    };
    request.chip_files = faceless.forge().unwrap().files.into_iter().map(|(_, bytes)| bytes).collect();
    let outcome = counter.decide(request).await;
    // And so there is nothing that could stand in for a reference at first sight.
    assert_decided(&outcome, Outcome::Refer, &["CHIP_FACE_MISSING", "REFERENCE_FACE_MISSING"]);
    assert_eq!(outcome.evidence.chip_photo_unusable.as_deref(), Some("NO_FACE"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_without_a_chip_decides_on_the_reference_and_names_what_it_did_without() {
    need_assets!();
    let counter = Counter::open().await;
    counter.decide(claim("t-1", "record-1", &FIRST, &["obama2.jpg"])).await;
    let mut request = claim("t-2", "record-1", &FIRST, &["obama3.jpg"]);
    (request.policy, request.chip_files) = ("clinic".into(), Vec::new());
    let outcome = counter.decide(request).await;
    assert_decided(&outcome, Outcome::Approve, &[]);
    for piece in [Piece::Chip, Piece::Number, Piece::Name, Piece::BirthDate, Piece::Sex, Piece::ChipFace] {
        assert!(outcome.decided.without.contains(&piece), "{piece:?}");
    }
    // Somebody who was never enrolled cannot be recognised so.
    let mut request = claim("t-3", "record-9", &OTHER, &["biden.jpg"]);
    (request.policy, request.chip_files) = ("clinic".into(), Vec::new());
    assert_decided(&counter.decide(request).await, Outcome::Refer, &["REFERENCE_FACE_MISSING"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn liveness_and_quality_are_measured_where_the_policy_asks_for_them() {
    need_assets!();
    let counter = Counter::open().await;
    let mut request = claim("t-1", "record-1", &FIRST, &["obama2.jpg", "obama3.jpg"]);
    request.policy = "everything".into();
    let outcome = counter.decide(request).await;
    let evidence = &outcome.evidence;
    assert!(evidence.frames.iter().all(|frame| frame.liveness.is_some()));
    let mean = evidence.frames.iter().filter_map(|frame| frame.liveness).sum::<f32>() / 2.0;
    assert_eq!(evidence.liveness, Some(mean));
    // Quality as well: the best capture counts, and what is wrong with each is named.
    assert!(evidence.frames.iter().all(|frame| frame.quality.is_some_and(|value| (0.0..=100.0).contains(&value))));
    assert!(evidence.quality.is_some() && !against(&outcome).contains(&"QUALITY_MISSING"));
    let flawed = evidence.frames.iter().all(|frame| !frame.flaws.is_empty()) || evidence.quality < Some(30.0);
    assert_eq!(against(&outcome).contains(&"QUALITY_POOR"), flawed, "{:?}", evidence.frames);
    let low = against(&outcome).contains(&"LIVENESS_LOW");
    assert_eq!(low, mean < 0.5, "{mean}");
}

#[tokio::test(flavor = "multi_thread")]
async fn captures_that_cannot_be_used_are_refused_and_leave_the_attempt_free() {
    need_assets!();
    let counter = Counter::open().await;
    let with = |frames: Vec<Vec<u8>>| {
        let mut request = claim("t-1", "record-1", &FIRST, &[]);
        request.frames = frames;
        request
    };
    assert_eq!(counter.refused(with(vec![])).await, "PHOTO_COUNT");
    assert_eq!(counter.refused(with(vec![photo("obama2.jpg"); 6])).await, "PHOTO_COUNT");
    let error = counter.client.verify_beneficiary(with(vec![photo("obama2.jpg"), wall()])).await.unwrap_err();
    assert_eq!((error.reason.as_str(), error.field.as_deref()), ("NO_FACE", Some("frames[1]")));
    assert_eq!(counter.refused(with(vec![photo("obama2.jpg"), photo("biden.jpg")])).await, "PROBES_DISAGREE");
    let mut request = with(vec![photo("obama2.jpg")]);
    request.policy = "bank".into();
    assert_eq!(counter.refused(request).await, "POLICY_UNKNOWN");
    // None of these used up the attempt.
    assert_decided(&counter.decide(with(vec![photo("obama2.jpg")])).await, Outcome::Approve, &[]);
}

/// A JPEG of nobody.
fn wall() -> Vec<u8> {
    let wall = image::RgbImage::from_fn(320, 240, |x, y| image::Rgb([(x / 2) as u8, (y / 2) as u8, 120]));
    let mut jpeg = Vec::new();
    image::codecs::jpeg::JpegEncoder::new(&mut jpeg).encode_image(&wall).unwrap();
    jpeg
}

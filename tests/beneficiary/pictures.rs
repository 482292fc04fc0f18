//! Pictures of real cases that wait for an officer: made small, sealed, shown until the case is closed.

use chinhchu::context::RequestContext;
use chinhchu::gallery::{Note, Outcome, PictureOf, RequestId};
use chinhchu::imaging::{Limits, decode};
use chinhchu::workflow::beneficiary::{BeneficiaryRequest, CasePictures, PicturesKept, ResolveReferral};
use chinhchu::workflow::{CaseRules, Engine};

use crate::need_assets;
use crate::support::*;

async fn look(engine: &Engine, transaction: &str) -> CasePictures {
    let context = RequestContext::anonymous();
    engine.case_pictures(&context, &RequestId::new(transaction).unwrap(), None).await.unwrap().unwrap()
}

async fn decide(engine: &Engine, request: BeneficiaryRequest) -> Outcome {
    let context = RequestContext::anonymous();
    engine.verify_beneficiary(&context, request).await.unwrap().decided.outcome
}

/// Refers, as the record has another sex than the card.
fn referred(transaction: &str) -> BeneficiaryRequest {
    let mut request = claim(transaction, "record-1", &FIRST, &["obama2.jpg", "obama3.jpg"]);
    request.record.sex = Some(chinhchu::chip::Sex::Female);
    request
}

#[tokio::test(flavor = "multi_thread")]
async fn a_case_that_waits_shows_its_captures_and_the_chips_photo_until_an_officer_has_answered() {
    need_assets!();
    let folder = tempfile::tempdir().unwrap();
    let engine = sealed_engine(folder.path());
    assert!(engine.keeps_pictures());
    assert_eq!(decide(&engine, claim("approved", "record-1", &FIRST, &["obama2.jpg"])).await, Outcome::Approve);
    assert_eq!(look(&engine, "approved").await.kept, PicturesKept::Never);
    assert_eq!(decide(&engine, referred("t-1")).await, Outcome::Refer);
    let found = look(&engine, "t-1").await;
    let of: Vec<PictureOf> = found.pictures.iter().map(|picture| picture.of).collect();
    assert_eq!(of, [PictureOf::Capture(0), PictureOf::Capture(1), PictureOf::Chip]);
    assert!(found.left_out == 0 && matches!(found.kept, PicturesKept::Until(_)));
    let sources = ["obama2.jpg", "obama3.jpg", FIRST.photo].map(photo);
    for (picture, source) in found.pictures.iter().zip(&sources) {
        let (small, full) = (decode(&picture.jpeg, &Limits::default()).unwrap(), decode(source, &Limits::default()));
        let (small, full) = (small.image, full.unwrap().image);
        assert!(small.width().max(small.height()) <= 640 && picture.jpeg != *source);
        // Upright, and of the same shape.
        let shape = |width: u32, height: u32| f64::from(width) / f64::from(height);
        let off = shape(small.width(), small.height()) / shape(full.width(), full.height());
        assert!((off - 1.0).abs() < 0.02, "{off}");
    }
    // Nothing of them lies in the folder for whoever has no key.
    let needle = &found.pictures[2].jpeg[400..440];
    for file in std::fs::read_dir(folder.path().join("data")).unwrap().map(|file| file.unwrap().path()) {
        let bytes = std::fs::read(&file).unwrap();
        let holds = |needle: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
        assert!(!holds(needle) && !holds(b"JFIF"), "{}", file.display());
    }
    let answer = ResolveReferral {
        key: key("t-1", 1),
        officer: id("officer-1"),
        outcome: Outcome::Deny,
        reason: Note::new("another person").unwrap(),
    };
    engine.resolve_referral(&RequestContext::anonymous(), answer).await.unwrap();
    let closed = look(&engine, "t-1").await;
    assert!(closed.kept == PicturesKept::NoLonger && closed.pictures.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_days_or_in_the_clear_no_picture_is_kept() {
    need_assets!();
    let folder = tempfile::tempdir().unwrap();
    let without = CaseRules { picture_days: 0, ..CaseRules::default() };
    let sealed = sealed_engine(folder.path()).with_case_rules(without);
    let clear_folder = tempfile::tempdir().unwrap();
    let clear = engine(clear_folder.path(), anchors());
    for engine in [sealed, clear] {
        assert!(!engine.keeps_pictures());
        let mut request = referred("t-1");
        request.policy = "careful".into();
        assert_eq!(decide(&engine, request).await, Outcome::Refer);
        assert_eq!(look(&engine, "t-1").await.kept, PicturesKept::Never);
    }
}

//! A day at the counter.

use chinhchu::chip::{Anchors, ChallengeResponse, Personal, Verdict};
use chinhchu::context::RequestContext;
use chinhchu::gallery::{Outcome, Source};
use chinhchu::service::pb;
use chinhchu::tools::forge::{CardDraft, Flaw, HolderDraft, KeyKind};
use chinhchu::workflow::beneficiary::{EvidenceKind, FieldState};

use crate::need_assets;
use crate::support::*;

#[tokio::test(flavor = "multi_thread")]
async fn the_right_person_is_approved_enrolled_and_recognised_the_next_time() {
    need_assets!();
    let counter = Counter::open().await;
    let first = counter.decide(claim("t-1", "record-1", &FIRST, &["obama2.jpg", "obama3.jpg"])).await;
    assert_decided(&first, Outcome::Approve, &[]);
    // What was not shown, and what the policy did without, is said with the approval.
    assert_eq!(accepted(&first), ["CHIP_NOT_PROVEN"]);
    assert_eq!(first.decided.without, [EvidenceKind::Quality, EvidenceKind::Liveness, EvidenceKind::ReferenceFace]);
    assert!(first.enrolled && first.evidence.reference_face.is_none());
    let chip = first.evidence.chip.as_ref().unwrap();
    assert_eq!(chip.verdict, Verdict::Authentic);
    assert_eq!(first.evidence.record.birth_date, FieldState::Agrees);
    let face = first.evidence.chip_face.unwrap();
    assert!(face.score >= face.threshold.score && face.threshold.score > face.refer_threshold.score);

    let subject = counter.client.subject(&id("record-1")).await.unwrap();
    assert_eq!(subject.templates.iter().map(|template| template.source).collect::<Vec<_>>(), [Source::Chip]);
    assert_eq!(subject.attributes.schemes, ["social".to_owned()].into());
    assert_eq!(subject.last_verified.get("social"), Some(&first.decided_at));

    let again = counter.decide(claim("t-2", "record-1", &FIRST, &["obama2.jpg"])).await;
    assert_decided(&again, Outcome::Approve, &[]);
    assert!(!again.enrolled && again.evidence.reference_face.unwrap().templates == 1);
    assert_eq!(again.decided.without, [EvidenceKind::Quality, EvidenceKind::Liveness]);
    assert_eq!(again.evidence.duplicates.unwrap().templates, 0, "one's own template is nobody else's");
    let subject = counter.client.subject(&id("record-1")).await.unwrap();
    assert_eq!((subject.templates.len(), subject.last_verified.get("social")), (1, Some(&again.decided_at)));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_face_under_another_number_is_referred_and_the_other_record_named() {
    need_assets!();
    let counter = Counter::open().await;
    let first = counter.decide(claim("t-1", "record-1", &FIRST, &["obama2.jpg"])).await;
    assert_decided(&first, Outcome::Approve, &[]);
    let second = counter.decide(claim("t-2", "record-2", &SECOND_CARD, &["obama2.jpg"])).await;
    assert_decided(&second, Outcome::Refer, &["DUPLICATE_FACE"]);
    let found = second.evidence.duplicates.unwrap();
    assert_eq!(found.candidates.iter().map(|one| one.subject.as_str()).collect::<Vec<_>>(), ["record-1"]);
    assert!(found.candidates[0].score >= found.threshold.score && found.expected_chance_hits < 0.02);
    assert!(!second.enrolled && !second.decided.retake);
    assert_eq!(counter.client.subject(&id("record-2")).await.unwrap_err().reason, "SUBJECT_UNKNOWN");
    // Somebody else is nobody's duplicate. There is one photo of him, in his chip and as the capture.
    let other = counter.decide(claim("t-3", "record-3", &OTHER, &["biden.jpg"])).await;
    assert_decided(&other, Outcome::Refer, &["CAPTURE_IS_CHIP_PHOTO"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_who_bring_the_same_face_at_the_same_moment_are_not_both_approved() {
    need_assets!();
    let counter = Counter::open().await;
    let (one, other) = tokio::join!(
        counter.decide(claim("t-1", "record-1", &FIRST, &["obama2.jpg"])),
        counter.decide(claim("t-2", "record-2", &SECOND_CARD, &["obama2.jpg"])),
    );
    let approved = [&one, &other].iter().filter(|one| one.decided.outcome == Outcome::Approve).count();
    assert!(approved <= 1, "{:?} and {:?}", against(&one), against(&other));
    for refused in [&one, &other].into_iter().filter(|one| one.decided.outcome != Outcome::Approve) {
        assert_decided(refused, Outcome::Refer, &["DUPLICATE_FACE"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_person_with_the_right_card_is_denied() {
    need_assets!();
    let counter = Counter::open().await;
    let stolen = counter.decide(claim("t-1", "record-1", &FIRST, &["biden.jpg"])).await;
    assert_decided(&stolen, Outcome::Deny, &["CHIP_FACE_DIFFERS"]);
    assert!(!stolen.enrolled);
    // Enrolled as the right person; then another comes without the card.
    counter.decide(claim("t-2", "record-1", &FIRST, &["obama2.jpg"])).await;
    let mut request = claim("t-3", "record-1", &OTHER, &["biden.jpg"]);
    (request.policy, request.chip_files) = ("clinic".into(), Vec::new());
    assert_decided(&counter.decide(request).await, Outcome::Refer, &["REFERENCE_FACE_DIFFERS"]);
    // And with a card of their own.
    let wrong = counter.decide(claim("t-4", "record-1", &OTHER, &["biden.jpg"])).await;
    assert_decided(&wrong, Outcome::Refer, &["REFERENCE_FACE_DIFFERS", "CAPTURE_IS_CHIP_PHOTO"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_flaw_of_a_card_is_approved_and_an_altered_photo_is_denied() {
    need_assets!();
    let counter = Counter::open().await;
    for flaw in Flaw::ALL {
        let mut request = claim(&format!("t-{}", flaw.name()), "record-1", &FIRST, &["obama2.jpg"]);
        request.chip_files = FIRST.card(Some(flaw));
        // An authority that revokes has to be known; here it is not.
        if flaw == Flaw::Revoked {
            continue;
        }
        let outcome = counter.decide(request).await;
        let reasons = against(&outcome);
        let (expected, reason) = match flaw {
            Flaw::AlteredPhoto | Flaw::AlteredName | Flaw::WrongSigner | Flaw::PhotoNotSigned => {
                (Outcome::Deny, "CHIP_ALTERED")
            }
            Flaw::WrongAuthority | Flaw::SignerIsAuthority | Flaw::SignedTooEarly | Flaw::ForgedCurve => {
                (Outcome::Deny, "CHIP_UNTRUSTED")
            }
            Flaw::OtherCountry => (Outcome::Deny, "CHIP_COUNTRY_DIFFERS"),
            Flaw::Expired => (Outcome::Refer, "CHIP_LAPSED"),
            Flaw::NotYetValid => (Outcome::Refer, "CHIP_NOT_YET_VALID"),
            Flaw::NoPhoto => (Outcome::Refer, "CHIP_FACE_MISSING"),
            Flaw::WeakHash => (Outcome::Refer, "CHIP_WEAK"),
            _ => (Outcome::Refer, "CHIP_UNREADABLE"),
        };
        assert_eq!(outcome.decided.outcome, expected, "{flaw:?} {reasons:?}");
        assert!(reasons.contains(&reason), "{flaw:?} {reasons:?}");
        assert!(!outcome.enrolled, "{flaw:?}");
    }
    assert_eq!(counter.engine.stats(&RequestContext::internal("test")).await.unwrap().subjects, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_a_chip_is_called_one_and_its_signer_is_not_blamed() {
    need_assets!();
    let counter = Counter::open().await;
    let holder = HolderDraft { number: FIRST.number.to_owned(), ..HolderDraft::nobody() };
    let draft = CardDraft {
        key: KeyKind::P256,
        active: Some(KeyKind::P256),
        holder,
        ..CardDraft::new(SEED, photo(FIRST.photo))
    };
    let card = draft.forge().unwrap();
    let mut request = claim("t-1", "record-1", &FIRST, &["obama2.jpg"]);
    request.chip_files = card.files.iter().map(|(_, bytes)| bytes.clone()).collect();
    let challenge = vec![7; 8];
    let response = card.answer(&challenge).unwrap();
    // The answer to another challenge is what a copy can give.
    request.active = Some(ChallengeResponse { challenge: vec![8; 8], response });
    let copied = counter.decide(request.clone()).await;
    assert_decided(&copied, Outcome::Deny, &["CHIP_NOT_ORIGINAL"]);
    let told = pb::VerifyBeneficiaryResponse::from(copied);
    assert!(!told.retake && told.reasons[0].message_vi.contains("bản sao"), "{:?}", told.reasons);
    assert!(told.reasons.iter().all(|reason| !reason.message_vi.contains("tin cậy")), "{:?}", told.reasons);
    request.key = key("t-1", 2);
    let challenge = counter.client.new_challenge(&request.key.transaction).await.unwrap().challenge.to_vec();
    let response = card.answer(&challenge).unwrap();
    request.active = Some(ChallengeResponse { challenge, response });
    assert_decided(&counter.decide(request).await, Outcome::Approve, &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_without_an_anchor_is_referred_unless_a_policy_accepts_it_and_says_so() {
    need_assets!();
    let counter = Counter::open_with(Anchors::none()).await;
    let referred = counter.decide(claim("t-1", "record-1", &FIRST, &["obama2.jpg"])).await;
    assert_decided(&referred, Outcome::Refer, &["CHIP_UNANCHORED"]);
    let mut request = claim("t-2", "record-1", &FIRST, &["obama2.jpg"]);
    request.policy = "trusting".into();
    let approved = counter.decide(request).await;
    assert_decided(&approved, Outcome::Approve, &[]);
    assert_eq!(accepted(&approved), ["CHIP_UNANCHORED", "CHIP_NOT_PROVEN"]);
    assert_eq!((approved.policy.as_str(), approved.enrolled), ("trusting", false));
    // An expired card stays expired, whoever vouches for it.
    let mut request = claim("t-3", "record-1", &FIRST, &["obama2.jpg"]);
    (request.policy, request.chip_files) = ("trusting".into(), FIRST.card(Some(Flaw::Expired)));
    assert_decided(&counter.decide(request).await, Outcome::Refer, &["CHIP_LAPSED"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_card_and_record_disagree_on_is_named_field_by_field() {
    need_assets!();
    let counter = Counter::open().await;
    let mut request = claim("t-1", "record-1", &FIRST, &["obama2.jpg"]);
    request.record = OTHER.record();
    assert_decided(&counter.decide(request).await, Outcome::Deny, &["NUMBER_DIFFERS"]);
    let mut request = claim("t-2", "record-1", &FIRST, &["obama2.jpg"]);
    request.record.name = Some(Personal::new("Nguyễn Thứ Nghiệm"));
    request.record.birth = Some(Personal::new("03/1988"));
    request.record.sex = Some(chinhchu::chip::Sex::Female);
    let outcome = counter.decide(request).await;
    assert_decided(&outcome, Outcome::Refer, &["NAME_DIFFERS", "BIRTH_DATE_DIFFERS", "SEX_DIFFERS"]);
    assert_eq!(outcome.evidence.record.number, FieldState::Agrees);
}

//! Whom a decision is about: schemes, ids, and what a record says as it was typed.

use chinhchu::chip::Personal;
use chinhchu::gallery::{Erasure, Note, Obstacle, Outcome, Requester, Source, StandingAction};
use chinhchu::service::{RightsCall, pb};
use chinhchu::workflow::beneficiary::{
    ClearPairRequest, EvidenceKind, FieldState, ResolveReferral, Scheme, SchemeState,
};
use chinhchu::workflow::{EnrolRequest, Photo};

use crate::need_assets;
use crate::support::*;

fn enrolment(subject: &str, schemes: &[&str], name: &str) -> EnrolRequest {
    EnrolRequest {
        by: None,
        request_id: None,
        subject: id(subject),
        mode: Default::default(),
        attributes: chinhchu::gallery::Attributes {
            schemes: schemes.iter().map(|&scheme| scheme.to_owned()).collect(),
            ..Default::default()
        },
        photos: vec![Photo { bytes: photo(name), source: Source::Other, captured_at: None }],
        accept_poor: true,
        legal_basis: None,
        vouch: None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_enrolled_for_social_insurance_alone_is_not_approved_for_health_without_a_word() {
    need_assets!();
    let counter = Counter::open().await;
    let enrolled = counter.decide(claim("t-1", "record-1", &FIRST, &["obama2.jpg"])).await;
    assert!(enrolled.enrolled && enrolled.evidence.scheme.is_none());
    let mut health = claim("t-2", "record-1", &FIRST, &["obama2.jpg"]);
    health.scheme = Scheme::Health;
    let outcome = counter.decide(health).await;
    assert_decided(&outcome, Outcome::Refer, &["SCHEME_NOT_IN_RECORD"]);
    assert_eq!(outcome.evidence.scheme, Some(SchemeState::NotInRecord));
    let again = counter.decide(claim("t-3", "record-1", &FIRST, &["obama3.jpg"])).await;
    assert_decided(&again, Outcome::Approve, &[]);
    assert_eq!(again.evidence.scheme, Some(SchemeState::InRecord));

    // However a scheme was written when somebody was enrolled, it is that scheme.
    counter.client.enrol(enrolment("record-2", &["Social "], "biden.jpg")).await.unwrap();
    let subject = counter.client.subject(&id("record-2")).await.unwrap();
    assert_eq!(subject.attributes.schemes, ["social".to_owned()].into());
    let error = counter.client.enrol(enrolment("record-3", &["socail"], "biden.jpg")).await.unwrap_err();
    assert_eq!((error.reason.as_str(), error.field.as_deref()), ("OUT_OF_RANGE", Some("attributes.schemes[0]")));
    // By its place in the list, as every field of a list is named.
    let error = counter.client.enrol(enrolment("record-3", &["health", "socail"], "biden.jpg")).await.unwrap_err();
    assert_eq!((error.reason.as_str(), error.field.as_deref()), ("OUT_OF_RANGE", Some("attributes.schemes[1]")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_names_no_scheme_is_looked_at_once() {
    need_assets!();
    let counter = Counter::open().await;
    counter.client.enrol(enrolment("record-1", &[], "obama.jpg")).await.unwrap();
    let first = counter.decide(claim("t-1", "record-1", &FIRST, &["obama2.jpg"])).await;
    assert_decided(&first, Outcome::Refer, &["SCHEME_MISSING"]);
    let answer = ResolveReferral {
        key: key("t-1", 1),
        officer: id("officer-7"),
        outcome: Outcome::Approve,
        reason: Note::new("đã xem sổ hưởng").unwrap(),
    };
    counter.client.resolve_referral(answer).await.unwrap();
    // From then on it has what it was approved for, and nothing else.
    let second = counter.decide(claim("t-2", "record-1", &FIRST, &["obama2.jpg"])).await;
    assert_decided(&second, Outcome::Approve, &[]);
    let mut health = claim("t-3", "record-1", &FIRST, &["obama2.jpg"]);
    health.scheme = Scheme::Health;
    assert_decided(&counter.decide(health).await, Outcome::Refer, &["SCHEME_MISSING"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_number_is_no_id() {
    need_assets!();
    let counter = Counter::open().await;
    for number in ["999088000017", "079 088 000 017", "CCCD-079088000017", "012345678", "DN4790123456789"] {
        let error = counter.client.verify_beneficiary(claim("t-1", number, &FIRST, &["obama2.jpg"])).await.unwrap_err();
        assert_eq!((error.reason.as_str(), error.field.as_deref()), ("ID_IS_NUMBER", Some("subject_id")));
        assert!(!error.message.contains(number), "the id is in the error");
        let error = counter.client.enrol(enrolment(number, &["social"], "obama.jpg")).await.unwrap_err();
        assert_eq!((error.reason.as_str(), error.field.as_deref()), ("ID_IS_NUMBER", Some("subject_id")));
        let answer = ResolveReferral {
            key: key("t-1", 1),
            officer: id(number),
            outcome: Outcome::Deny,
            reason: Note::new("không đủ giấy tờ").unwrap(),
        };
        let error = counter.client.resolve_referral(answer).await.unwrap_err();
        assert_eq!((error.reason.as_str(), error.field.as_deref()), ("ID_IS_NUMBER", Some("officer_id")));
        let pair = ClearPairRequest {
            one: id("record-1"),
            other: id(number),
            officer: id("officer-7"),
            reason: Note::new("Sinh đôi").unwrap(),
        };
        let error = counter.client.clear_pair(pair).await.unwrap_err();
        assert_eq!((error.reason.as_str(), error.field.as_deref()), ("ID_IS_NUMBER", Some("subject_id_b")));
    }
    let mut request = claim("t-1", "record-1", &FIRST, &["obama2.jpg"]);
    request.key = key(&format!("payout-{}", FIRST.number), 1);
    assert_eq!(counter.refused(request).await, "ID_IS_NUMBER");
    // Nothing was decided, so the attempt is free.
    assert_decided(&counter.decide(claim("t-1", "record-1", &FIRST, &["obama2.jpg"])).await, Outcome::Approve, &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_a_spreadsheet_broke_denies_nobody() {
    need_assets!();
    let counter = Counter::open().await;
    for (index, (typed, state)) in [
        ("9.99E+11", FieldState::Unreadable),
        ("99908800001", FieldState::Unreadable),
        ("999.088.000.017", FieldState::Agrees),
        ("\u{200b}９９９０８８０００01７", FieldState::Agrees),
    ]
    .into_iter()
    .enumerate()
    {
        let mut request = claim(&format!("t-{index}"), "record-1", &FIRST, &["obama2.jpg"]);
        request.record.number = Some(Personal::new(typed));
        let outcome = counter.decide(request).await;
        assert_eq!(outcome.evidence.record.number, state, "{typed}");
        match state {
            FieldState::Agrees => assert_decided(&outcome, Outcome::Approve, &[]),
            _ => assert_decided(&outcome, Outcome::Refer, &["NUMBER_UNREADABLE"]),
        }
        assert!(!outcome.decided.retake);
    }
    let mut request = claim("t-9", "record-1", &FIRST, &["obama2.jpg"]);
    request.record.number = Some(Personal::new("999088000018"));
    assert_decided(&counter.decide(request).await, Outcome::Deny, &["NUMBER_DIFFERS"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_says_what_was_compared_and_what_was_not() {
    need_assets!();
    let counter = Counter::open().await;
    let told = async |request| {
        let outcome = counter.decide(request).await;
        (outcome.decided.outcome, pb::VerifyBeneficiaryResponse::from(outcome))
    };
    let (outcome, first) = told(claim("t-1", "record-1", &FIRST, &["obama2.jpg"])).await;
    assert_eq!(outcome, Outcome::Approve);
    assert!(first.message_vi.contains("khớp với ảnh trong chip") && first.message_vi.contains("số định danh"));
    assert!(first.message_vi.contains("Chưa kiểm tra: ") && first.message_vi.contains("chip có phải bản gốc"));
    let mut request = claim("t-2", "record-1", &FIRST, &["obama3.jpg"]);
    (request.policy, request.chip_files) = ("clinic".into(), Vec::new());
    let (outcome, without) = told(request).await;
    assert_eq!(outcome, Outcome::Approve);
    // It once read \"this is the person the card belongs to\" where no card was looked at.
    assert!(!without.message_vi.contains("ảnh trong chip") && without.message_vi.contains("ảnh đã đăng ký"));
    assert!(without.message_vi.contains("Chưa kiểm tra: chip của thẻ") && !without.message_vi.contains("đúng là"));
    assert!(without.message_en.contains("Not checked: the chip of the card"));
    for answer in [&first, &without] {
        assert!(answer.citizen_vi.contains("chấp thuận") && answer.citizen_en.contains("approved"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chip_read_badly_is_the_first_reason_and_is_read_again() {
    need_assets!();
    let counter = Counter::open().await;
    counter.decide(claim("t-1", "record-1", &FIRST, &["obama2.jpg"])).await;
    let mut request = claim("t-2", "record-1", &FIRST, &["obama2.jpg"]);
    request.policy = "careful".into();
    let whole = request.chip_files.clone();
    // The reader lost the security file, or a file in the middle of it.
    request.chip_files.retain(|file| file.first() != Some(&0x77));
    let bad = counter.decide(request.clone()).await;
    assert_eq!((bad.decided.outcome, against(&bad)[0]), (Outcome::Refer, "CHIP_UNREADABLE"));
    assert!(bad.decided.retake, "{:?}", bad.decided);
    // That the chip was not asked to prove itself, which this policy accepts, is its own affair.
    let causes = bad.decided.grounds.iter().filter(|one| one.follows.is_none());
    let causes: Vec<_> = causes.map(|one| one.ground.code()).collect();
    assert_eq!(causes, ["CHIP_UNREADABLE", "CHIP_NOT_PROVEN"]);
    let told = pb::VerifyBeneficiaryResponse::from(bad);
    assert!(told.message_vi.contains("đọc lại chip") && told.citizen_vi.contains("thử lại"), "{}", told.message_vi);
    request.key = key("t-2", 2);
    request.chip_files = whole.iter().filter(|file| file.first() != Some(&0x75)).cloned().collect();
    let half = counter.decide(request.clone()).await;
    assert_decided(&half, Outcome::Refer, &["CHIP_INCOMPLETE", "CHIP_FACE_MISSING"]);
    assert!(half.decided.grounds[1].follows == Some(half.decided.grounds[0].ground));
    assert!(half.decided.retake && half.evidence.chip.as_ref().unwrap().groups_unread == [2]);
    request.key = key("t-2", 3);
    request.chip_files = whole;
    let good = counter.decide(request).await;
    assert_decided(&good, Outcome::Approve, &[]);
    assert!(!good.decided.without.contains(&EvidenceKind::Chip));
}

/// Whoever asked that their record be restricted is paid by an officer's word: neither by itself, nor
/// refused for having asked.
#[tokio::test(flavor = "multi_thread")]
async fn a_restricted_person_is_referred_for_that_alone_and_found_by_no_search() {
    need_assets!();
    let counter = Counter::open().await;
    counter.client.enrol(enrolment("record-1", &["social"], "obama.jpg")).await.unwrap();
    let (subject, by, reason) = (id("record-1"), id("auditor-1"), Note::new("theo yêu cầu").unwrap());
    let call = RightsCall { request_id: None, subject: &subject, by: Some(&by), reason: &reason };
    let restrict = StandingAction::Restrict(Requester::Person);
    counter.client.change_standing(call, &restrict).await.unwrap();
    let outcome = counter.decide(claim("t-1", "record-1", &FIRST, &["obama2.jpg"])).await;
    assert_decided(&outcome, Outcome::Refer, &["RECORD_RESTRICTED"]);
    assert!(outcome.evidence.record_restricted && outcome.evidence.reference_face.is_some());
    assert!(!outcome.decided.retake, "another try takes no restriction away");

    // The case waits, so nobody has the record erased, or removed, before it is answered.
    let erased = counter.client.erase(call, Requester::Person, false).await.unwrap();
    assert_eq!(erased.erasure, Erasure::Waits(vec![Obstacle::ReferralOpen]));
    assert_eq!(counter.client.remove(&subject, None).await.unwrap_err().reason, "RECORD_KEPT");
    let answer = ResolveReferral {
        key: key("t-1", 1),
        officer: id("officer-7"),
        outcome: Outcome::Approve,
        reason: Note::new("đã đối chiếu giấy tờ").unwrap(),
    };
    counter.client.resolve_referral(answer).await.unwrap();

    // One who claims the same face under another number meets no restricted record.
    let other = counter.decide(claim("t-2", "record-2", &FIRST, &["obama3.jpg"])).await;
    assert!(!against(&other).contains(&"DUPLICATE_FACE"), "{:?}", against(&other));
    let report = counter.client.report(&subject).await.unwrap();
    assert_eq!((report.referred, report.approved, report.waiting), (1, 0, 0));
    assert_eq!(counter.client.erase(call, Requester::Person, false).await.unwrap().erasure, Erasure::Erased);
    assert_eq!(counter.client.report(&subject).await.unwrap_err().reason, "SUBJECT_UNKNOWN");
}

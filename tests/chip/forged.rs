//! Cards of our own making: what each flaw comes to.

use chinhchu::chip::{
    ActiveAuthentication, Anchors, ChallengeResponse, CheckOptions, ChipFiles, Date, Dg13Scope, FaceEncoding, Fields,
    GroupState, Inspection, Moment, Reason, Verdict, crypto::EllipticCurve, inspect, reason,
};
use chinhchu::tools::forge::{
    CardDraft, CertificateDraft, Flaw, ForgedCard, KeyKind, TEST_MARK, TestAuthority, TestKey, master_list,
    revocation_list,
};

pub const PHOTO: &[u8] = &[0xFF, 0xD8, 0xFF, 0xE0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 0xFF, 0xD9];
const SEED: &[u8] = b"tests";

pub fn now() -> Moment {
    Moment::of_date(Date { year: 2026, month: 6, day: 1 })
}

pub fn options() -> CheckOptions {
    CheckOptions { now: now(), active: None, scope: Dg13Scope::Identity }
}

pub fn anchors(card: &ForgedCard) -> Anchors {
    let mut anchors = Anchors::none();
    anchors.add_bytes("csca", &card.csca).unwrap();
    if let Some(list) = &card.revocation_list {
        anchors.add_bytes("crl", list).unwrap();
    }
    anchors
}

pub fn files(card: &ForgedCard) -> ChipFiles {
    ChipFiles::from_bytes(card.files.iter().map(|(_, bytes)| bytes.clone()))
}

fn check(card: &ForgedCard) -> Inspection {
    inspect(&files(card), &anchors(card), &options())
}

fn draft(flaw: Option<Flaw>) -> CardDraft {
    CardDraft { flaw, key: KeyKind::P256, ..CardDraft::new(SEED, PHOTO.to_vec()) }
}

#[test]
fn each_reason_stands_once_in_the_list_however_often_it_was_found() {
    let mut card = draft(Some(Flaw::WeakHash)).forge().unwrap();
    // Two groups that the signed list does not name; SHA-1 in the list and in its signature.
    card.files.push(("DG11.bin".into(), vec![0x6B, 2, 0x5C, 0]));
    card.files.push(("DG12.bin".into(), vec![0x6C, 2, 0x5C, 0]));
    let inspection = check(&card);
    let places = |reason| inspection.findings.iter().filter(|finding| finding.reason == reason).count();
    assert!(places(Reason::WeakHash) > 1 && places(Reason::GroupUnsigned) == 2);
    let reasons = inspection.reasons();
    for reason in &reasons {
        assert_eq!(reasons.iter().filter(|other| *other == reason).count(), 1, "{reason:?}");
    }
    assert!(inspection.findings.iter().all(|finding| reasons.contains(&finding.reason)));
    assert!(reasons.is_sorted_by_key(|reason| std::cmp::Reverse(reason.effect())));
}

#[test]
fn a_sound_card_is_authentic_with_every_kind_of_key_and_encoding() {
    let curve = |curve, explicit| KeyKind::Ec { curve, explicit };
    let kinds = [
        KeyKind::P256,
        KeyKind::P384,
        KeyKind::RsaPkcs1,
        KeyKind::RsaPss,
        curve(EllipticCurve::P224, false),
        curve(EllipticCurve::P521, true),
        curve(EllipticCurve::Bp320, false),
        curve(EllipticCurve::Bp512, true),
    ];
    for key in kinds {
        for encoding in [FaceEncoding::Iso19794, FaceEncoding::Iso39794] {
            let card = CardDraft { key, encoding, ..draft(None) }.forge().unwrap();
            let inspection = check(&card);
            assert_eq!(inspection.verdict, Verdict::Authentic, "{key:?}: {:?}", inspection.findings);
            assert_eq!(inspection.photo().unwrap().bytes, PHOTO);
            assert!(inspection.data_groups.values().all(|state| *state == GroupState::Matches));
            assert!(!inspection.found(Reason::MrzCheckDigit) && !inspection.found(Reason::ComDisagrees));
        }
    }
}

#[test]
fn every_certificate_says_that_it_is_a_test() {
    let inspection = check(&draft(None).forge().unwrap());
    let signer = inspection.signer.unwrap();
    for name in [signer.subject, signer.issuer, inspection.anchor.unwrap().subject] {
        assert!(name.to_string().contains(TEST_MARK), "{name}");
    }
}

#[test]
fn the_holder_is_read_and_nothing_of_it_is_shown_unless_asked() {
    let inspection = check(&draft(None).forge().unwrap());
    let holder = inspection.holder().unwrap();
    assert_eq!(holder.number.unwrap().reveal(), "999088000017");
    assert_eq!(holder.name.unwrap().reveal(), "NGUYỄN THỬ NGHIỆM");
    assert_eq!(holder.name_plain.unwrap().reveal(), "NGUYEN THU NGHIEM");
    assert_eq!(holder.birth.unwrap().reveal_iso(), "1988-02-01");
    assert_eq!((holder.issued, holder.expires), (Date::new(2023, 3, 15), Date::new(2033, 2, 1)));
    let told = [
        inspection.to_json(Fields::Masked).to_string(),
        format!("{inspection:?}"),
        format!("{:?}", inspection.holder()),
    ];
    for text in told {
        for secret in ["999088000017", "NGHI", "1988", "Thử", "THU "] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
    }
    let revealed = inspection.to_json(Fields::Revealed);
    assert_eq!(revealed["mrz"]["personal_number"], "999088000017");
    // Sensitive entries were not asked for: named, but without a value.
    assert!(revealed["dg13"].as_object().unwrap()["religion"].is_null());
}

#[test]
fn each_flaw_is_refused_for_its_own_reason() {
    let expected = |flaw| match flaw {
        Flaw::AlteredPhoto | Flaw::AlteredName => (Verdict::Altered, Reason::GroupAltered),
        Flaw::WrongSigner => (Verdict::Altered, Reason::SignatureWrong),
        Flaw::WrongAuthority => (Verdict::Untrusted, Reason::ChainBroken),
        Flaw::Revoked => (Verdict::Untrusted, Reason::SignerRevoked),
        Flaw::SignerIsAuthority => (Verdict::Untrusted, Reason::SignerUnsuitable),
        Flaw::SignedTooEarly => (Verdict::Untrusted, Reason::SignedOutOfValidity),
        Flaw::Expired => (Verdict::Untrusted, Reason::CardExpired),
        Flaw::NotYetValid => (Verdict::Untrusted, Reason::CardNotYetValid),
        Flaw::PhotoNotSigned => (Verdict::Altered, Reason::GroupNotSigned),
        Flaw::NoPhoto => (Verdict::Authentic, Reason::PhotoNotListed),
        Flaw::PhotoTwice => (Verdict::Unreadable, Reason::FileTwice),
        Flaw::SodCut => (Verdict::Unreadable, Reason::FileDamaged),
        Flaw::ForgedCurve => (Verdict::Untrusted, Reason::CurveForged),
        Flaw::OtherCountry => (Verdict::Untrusted, Reason::CountryMismatch),
        Flaw::WeakHash => (Verdict::Authentic, Reason::WeakHash),
        Flaw::EmptyPhoto => (Verdict::Unreadable, Reason::PhotoUnreadable),
        other => panic!("{other:?} has no expectation"),
    };
    for flaw in Flaw::ALL {
        assert_eq!(Flaw::from_name(flaw.name()), Some(flaw));
        let inspection = check(&draft(Some(flaw)).forge().unwrap());
        let (verdict, reason) = expected(flaw);
        assert!(inspection.found(reason), "{flaw:?}: {:?}", inspection.findings);
        assert_eq!(inspection.verdict, verdict, "{flaw:?}: {:?}", inspection.findings);
        let photo_counts = !matches!(
            flaw,
            Flaw::AlteredPhoto
                | Flaw::WrongSigner
                | Flaw::PhotoNotSigned
                | Flaw::NoPhoto
                | Flaw::SodCut
                | Flaw::ForgedCurve
        );
        assert_eq!(inspection.photo().is_some(), photo_counts, "{flaw:?}");
    }
}

#[test]
fn the_printed_day_of_issue_is_no_proof_of_when_the_chip_was_signed() {
    // A card printed a week before its signer's certificate began was denied for it.
    let start = |month, day| Some(Date { year: 2023, month, day });
    for (signing_time, signer_start, verdict) in [
        (false, start(3, 22), Verdict::Authentic),
        (false, start(3, 1), Verdict::Authentic),
        // What the signer itself says of the time still counts.
        (true, start(3, 22), Verdict::Untrusted),
        (true, start(3, 1), Verdict::Authentic),
    ] {
        let inspection = check(&CardDraft { signing_time, signer_start, ..draft(None) }.forge().unwrap());
        assert_eq!(inspection.verdict, verdict, "{signing_time} {signer_start:?} {:?}", inspection.findings);
        let noted = inspection.found(Reason::PrintedOutsideSigner);
        assert_eq!(noted, !signing_time && signer_start == start(3, 22));
        assert_eq!(inspection.found(Reason::SignedOutOfValidity), verdict == Verdict::Untrusted);
    }
}

#[test]
fn a_renewed_certificate_of_the_same_key_vouches_for_what_the_key_signed_before() {
    // The signer's validity begins in 2022; that of the certificate at hand later, or it
    // ended before. Neither says when the signer was issued.
    let card = draft(None).forge().unwrap();
    let date = |year| Date { year, month: 1, day: 1 };
    let authority = TestAuthority::new(TestKey::new(SEED, "authority", KeyKind::P256), "CSCA");
    let of = |from, until| {
        let draft = CertificateDraft::new("CSCA", 2, date(from), date(until)).authority();
        let mut anchors = Anchors::none();
        anchors.add_bytes("csca", authority.issue(&draft, &authority.key).unwrap().der()).unwrap();
        inspect(&files(&card), &anchors, &options())
    };
    let renewed = of(2025, 2045);
    assert_eq!(renewed.verdict, Verdict::Authentic, "{:?}", renewed.findings);
    assert!(renewed.found(Reason::AnchorYounger));
    // Nothing valid vouches for it: looked at, not turned away.
    let old = of(2010, 2020);
    assert!(old.verdict == Verdict::Unanchored && old.found(Reason::AnchorOutOfValidity), "{:?}", old.findings);
    assert!(!of(2020, 2040).found(Reason::AnchorYounger));
}

#[test]
fn a_clock_that_was_set_back_denies_nobody() {
    // By the clock of a machine whose battery died, every signer lies in the future.
    let card = draft(None).forge().unwrap();
    let past = CheckOptions { now: Moment::of_date(Date { year: 2020, month: 1, day: 1 }), ..options() };
    let inspection = inspect(&files(&card), &anchors(&card), &past);
    assert!(inspection.found(Reason::SignerNotYetValid) && inspection.has_lapsed());
    assert!(!inspection.findings.iter().any(|finding| finding.reason.effect() == reason::Effect::Untrusted));
}

#[test]
fn without_its_authority_a_card_is_unanchored_and_says_why() {
    let card = draft(None).forge().unwrap();
    let inspection = inspect(&files(&card), &Anchors::none(), &options());
    assert!(inspection.verdict == Verdict::Unanchored && inspection.found(Reason::NoAnchors));
    let stranger = CardDraft { seed: b"stranger".to_vec(), ..draft(None) }.forge().unwrap();
    let inspection = inspect(&files(&card), &anchors(&stranger), &options());
    assert_eq!(inspection.verdict, Verdict::Unanchored);
    // Same name, other key, and the signer names the key that is not there.
    assert!(inspection.found(Reason::AnchorKeyMissing), "{:?}", inspection.findings);
    // Both installed: all candidates of the name are tried.
    let mut both = anchors(&stranger);
    both.add_bytes("csca", &card.csca).unwrap();
    assert_eq!(inspect(&files(&card), &both, &options()).verdict, Verdict::Authentic);
}

#[test]
fn groups_of_another_card_are_altered() {
    let one = draft(None).forge().unwrap();
    let mut other = draft(None);
    other.holder.number = "999088000025".to_owned();
    let other = other.forge().unwrap();
    for swapped in ["DG1.bin", "DG13.bin"] {
        let mixed = one.files.iter().map(|(name, bytes)| {
            let foreign = other.files.iter().find(|(found, _)| found == name && name == swapped);
            foreign.map_or(bytes.clone(), |(_, bytes)| bytes.clone())
        });
        let inspection = inspect(&ChipFiles::from_bytes(mixed), &anchors(&one), &options());
        assert_eq!(inspection.verdict, Verdict::Altered, "{swapped}");
    }
}

#[test]
fn a_revocation_list_of_another_key_or_out_of_date_is_reported_and_not_believed() {
    let card = draft(None).forge().unwrap();
    let at = |days| now().plus_days(days);
    let authority = |label| TestAuthority::new(TestKey::new(SEED, label, KeyKind::P256), "CSCA");
    let serials: Vec<u32> = Vec::new();
    let stale = revocation_list(&authority("authority"), &serials, at(-90), at(-1));
    let foreign = revocation_list(&authority("impostor"), &serials, at(-1), at(30));
    for (list, reason) in [(stale, Reason::CrlStale), (foreign, Reason::CrlUnverified)] {
        let mut anchors = anchors(&card);
        anchors.add_bytes("crl", &list).unwrap();
        let inspection = inspect(&files(&card), &anchors, &options());
        assert!(inspection.found(reason), "{:?}", inspection.findings);
        assert_eq!(inspection.verdict, Verdict::Authentic);
    }
}

#[test]
fn certificates_that_lead_in_a_circle_end() {
    // The card's issuer and another authority vouch for each other; neither is
    // signed by itself.
    let card = draft(None).forge().unwrap();
    let date = |year| Date { year, month: 1, day: 1 };
    let first = TestAuthority::new(TestKey::new(SEED, "authority", KeyKind::P256), "CSCA");
    let second = TestAuthority::new(TestKey::new(SEED, "second", KeyKind::P256), "SECOND");
    let draft = |name| CertificateDraft::new(name, 9, date(2015), date(2045)).authority();
    let mut circle = Anchors::none();
    circle.add_bytes("one", second.issue(&draft("CSCA"), &first.key).unwrap().der()).unwrap();
    circle.add_bytes("two", first.issue(&draft("SECOND"), &second.key).unwrap().der()).unwrap();
    let inspection = inspect(&files(&card), &circle, &options());
    assert!(inspection.found(Reason::ChainLoop), "{:?}", inspection.findings);
    assert_eq!(inspection.verdict, Verdict::Untrusted);
    // With the other's own certificate the link leads to an anchor.
    circle.add_bytes("root", second.issue(&draft("SECOND"), &second.key).unwrap().der()).unwrap();
    let inspection = inspect(&files(&card), &circle, &options());
    assert_eq!((inspection.verdict, inspection.anchor.unwrap().links), (Verdict::Authentic, 1));
}

#[test]
fn a_link_certificate_alone_counts_under_the_same_name_and_under_another() {
    // It was trusted or LINK_OPEN depending on whether two names are equal.
    let card = draft(None).forge().unwrap();
    let date = |year| Date { year, month: 1, day: 1 };
    let first = TestAuthority::new(TestKey::new(SEED, "authority", KeyKind::P256), "CSCA");
    let second_key = || TestKey::new(SEED, "second", KeyKind::P256);
    for name in ["CSCA", "SECOND"] {
        let second = TestAuthority::new(second_key(), name);
        let with = |change: &dyn Fn(&mut CertificateDraft), others: &[Vec<u8>]| {
            let mut draft = CertificateDraft::new("CSCA", 9, date(2015), date(2045)).authority();
            change(&mut draft);
            let mut anchors = Anchors::none();
            for (number, other) in others.iter().enumerate() {
                anchors.add_bytes(&number.to_string(), other).unwrap();
            }
            anchors.add_bytes("link", second.issue(&draft, &first.key).unwrap().der()).unwrap();
            inspect(&files(&card), &anchors, &options())
        };
        let alone = with(&|_| (), &[]);
        assert_eq!(alone.verdict, Verdict::Authentic, "{name}: {:?}", alone.findings);
        assert!(alone.found(Reason::AnchorRenewed), "{name}");
        // Where the key that signed it is installed, the chain ends there.
        let root = CertificateDraft::new(name, 1, date(2010), date(2040)).authority();
        let root = second.issue(&root, &second.key).unwrap().der().to_vec();
        let whole = with(&|_| (), &[root]);
        assert_eq!((whole.verdict, whole.anchor.as_ref().unwrap().links), (Verdict::Authentic, 1), "{name}");
        assert!(!whole.found(Reason::AnchorRenewed), "{name}");
        // One that says that the installed key signed it, which did not, is a forgery.
        let impostor = TestAuthority::new(TestKey::new(SEED, "impostor", KeyKind::P256), name);
        let installed = CertificateDraft { key_ids: false, ..CertificateDraft::new(name, 1, date(2010), date(2040)) };
        let installed = impostor.issue(&installed.authority(), &impostor.key).unwrap().der().to_vec();
        let forged = with(&|draft| draft.key_ids = false, &[installed]);
        assert_eq!(forged.verdict, Verdict::Untrusted, "{name}: {:?}", forged.findings);
    }
    // From one country to another it must lead to an anchor.
    let abroad = TestAuthority::new(second_key(), "SECOND");
    let mut draft = CertificateDraft::new("CSCA", 9, date(2015), date(2045)).authority();
    draft.country = "LA".to_owned();
    let link = abroad.issue(&draft, &first.key).unwrap();
    let mut anchors = Anchors::none();
    anchors.add_bytes("link", link.der()).unwrap();
    let inspection = inspect(&files(&card), &anchors, &options());
    assert_eq!(inspection.verdict, Verdict::Unanchored, "{:?}", inspection.findings);
}

#[test]
fn the_right_authority_is_found_in_a_crowd_of_one_name() {
    // Bounded signatures: the right one is found by its key identifier.
    let card = draft(None).forge().unwrap();
    let date = |year| Date { year, month: 1, day: 1 };
    let mut crowd = Anchors::none();
    for index in 0..60 {
        let key = TestKey::new(SEED, &format!("crowd {index}"), KeyKind::P256);
        let authority = TestAuthority::new(key.clone(), "CSCA");
        let draft = CertificateDraft::new("CSCA", index, date(2015), date(2045)).authority();
        crowd.add_bytes("crowd", authority.issue(&draft, &key).unwrap().der()).unwrap();
    }
    let inspection = inspect(&files(&card), &crowd, &options());
    assert_ne!(inspection.verdict, Verdict::Authentic);
    crowd.add_bytes("csca", &card.csca).unwrap();
    assert_eq!(inspect(&files(&card), &crowd, &options()).verdict, Verdict::Authentic);
}

#[test]
fn only_the_original_chip_answers_a_challenge() {
    for kind in [KeyKind::P256, KeyKind::RsaPkcs1, KeyKind::Ec { curve: EllipticCurve::Bp384, explicit: true }] {
        let card = CardDraft { active: Some(kind), ..draft(None) }.forge().unwrap();
        let challenge = vec![1, 2, 3, 4, 5, 6, 7, 8];
        let response = card.answer(&challenge).unwrap();
        let run = |challenge: &[u8], response: &[u8]| {
            let exchange = ChallengeResponse { challenge: challenge.to_vec(), response: response.to_vec() };
            inspect(&files(&card), &anchors(&card), &CheckOptions { active: Some(exchange), ..options() })
        };
        let proven = run(&challenge, &response);
        assert_eq!(proven.active_authentication, ActiveAuthentication::Proven, "{kind:?}");
        assert_eq!(proven.verdict, Verdict::Authentic);
        assert!(!proven.found(Reason::ActiveAuthenticationAbsent));
        let replayed = run(&[8, 7, 6, 5, 4, 3, 2, 1], &response);
        assert_eq!(replayed.active_authentication, ActiveAuthentication::Failed, "{kind:?}");
        assert_eq!(replayed.verdict, Verdict::Untrusted);
        assert_eq!(run(&challenge, &[0; 9]).active_authentication, ActiveAuthentication::Failed);
        assert_eq!(run(&[1], &response).active_authentication, ActiveAuthentication::Failed);
    }
    let silent = draft(None).forge().unwrap();
    let exchange = ChallengeResponse { challenge: vec![0; 8], response: vec![0; 64] };
    let inspection = inspect(&files(&silent), &anchors(&silent), &CheckOptions { active: Some(exchange), ..options() });
    assert_eq!(inspection.active_authentication, ActiveAuthentication::Unproven);
    assert!(check(&silent).found(Reason::ActiveAuthenticationAbsent));
}

/// It said that no answer came, and the decision that reading the chip again is no use.
#[test]
fn an_answer_of_a_chip_that_was_not_read_is_unproven_and_not_absent() {
    let card = CardDraft { active: Some(KeyKind::P256), ..draft(None) }.forge().unwrap();
    let challenge = vec![1, 2, 3, 4, 5, 6, 7, 8];
    let response = card.answer(&challenge).unwrap();
    let options = CheckOptions { active: Some(ChallengeResponse { challenge, response }), ..options() };
    let is_sod = |bytes: &Vec<u8>| bytes.first() == Some(&0x77);
    let without = card.files.iter().map(|(_, bytes)| bytes.clone()).filter(|bytes| !is_sod(bytes));
    let cut = card.files.iter().map(|(_, bytes)| match is_sod(bytes) {
        true => bytes[..bytes.len() / 2].to_vec(),
        false => bytes.clone(),
    });
    for files in [ChipFiles::from_bytes(without), ChipFiles::from_bytes(cut), ChipFiles::default()] {
        let inspection = inspect(&files, &anchors(&card), &options);
        assert_eq!(inspection.active_authentication, ActiveAuthentication::Unproven);
        assert!(inspection.found(Reason::ActiveAuthenticationUnproven));
        assert!(!inspection.found(Reason::ActiveAuthenticationAbsent));
    }
}

/// A dash where there is no number is no second person.
#[test]
fn what_stands_for_no_number_disagrees_with_nothing() {
    let with = |number: &str| check(&CardDraft { dg13_number: Some(number.into()), ..draft(None) }.forge().unwrap());
    for none in ["-", "ABC", "0", "000000000000", "không có", "123456789"] {
        let inspection = with(none);
        let holder = inspection.holder().unwrap();
        assert_eq!(holder.number.unwrap().reveal(), "999088000017", "{none}");
        assert!(holder.other_numbers.is_empty() && !inspection.found(Reason::NumbersDisagree), "{none}");
    }
    let inspection = with("999088000018");
    assert!(inspection.found(Reason::NumbersDisagree) && inspection.holder().unwrap().other_numbers.len() == 1);
}

#[test]
fn a_master_list_is_believed_only_by_a_signer_made_for_it() {
    let card = draft(None).forge().unwrap();
    let date = |year| Date { year, month: 1, day: 1 };
    let authority = TestAuthority::new(TestKey::new(SEED, "authority", KeyKind::P256), "CSCA");
    let stranger = TestAuthority::new(TestKey::new(SEED, "stranger", KeyKind::P256), "STRANGER");
    let key = TestKey::new(SEED, "list signer", KeyKind::P256);
    let list = |issuer: &TestAuthority, purpose: bool, signing: &TestKey| {
        let mut draft = CertificateDraft::new("Master List Signer", 5, date(2022), date(2030));
        draft.master_lists = purpose;
        let certificate = issuer.issue(&draft, &key).unwrap();
        master_list(std::slice::from_ref(&card.csca), signing, &certificate, now())
    };
    let mut anchors = Anchors::none();
    anchors.add_bytes("list.ml", &list(&authority, true, &key)).unwrap();
    assert_eq!(inspect(&files(&card), &anchors, &options()).verdict, Verdict::Authentic);
    let refused = [list(&stranger, true, &key), list(&authority, true, &stranger.key)];
    for bytes in refused {
        assert!(Anchors::none().add_bytes("list.ml", &bytes).is_err());
    }
    // A certificate without any purpose may; one for another purpose may not.
    assert!(Anchors::none().add_bytes("list.ml", &list(&authority, false, &key)).is_ok());
}

#[test]
fn a_card_survives_its_way_over_a_disk() {
    let folder = tempfile::tempdir().unwrap();
    let card = draft(Some(Flaw::Revoked)).forge().unwrap();
    card.write(folder.path()).unwrap();
    std::fs::write(folder.path().join("note.txt"), "a note\n").unwrap();
    let anchors = Anchors::load(&folder.path().join("csca")).unwrap();
    let files = ChipFiles::from_folder(folder.path()).unwrap();
    let inspection = inspect(&files, &anchors, &options());
    assert!(inspection.found(Reason::SignerRevoked));
    assert_eq!(inspection.unrecognised, 1);
}

#[test]
fn bundles_and_text_in_place_of_certificates_are_named() {
    let card = draft(None).forge().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let wrap = |tag: u8, value: &[u8]| [&[tag, 0x82], &(value.len() as u16).to_be_bytes()[..], value].concat();
    // RFC 5652, 5.2: certificates alone, no content and no signer.
    let certificates = wrap(0xA0, &card.csca);
    let data = [
        &[2, 1, 1, 0x31, 0, 0x30, 11, 6, 9][..],
        &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 1],
        &certificates,
        &[0x31, 0],
    ];
    let signed = wrap(0xA0, &wrap(0x30, &data.concat()));
    let arcs = [6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 2];
    let bundle = wrap(0x30, &[&arcs[..], &signed].concat());
    let hex: String = card.csca.iter().map(|byte| format!("{byte:02X} ")).collect();
    for (name, bytes, told) in [
        ("bundle.p7b", bundle.clone(), "PKCS #7"),
        ("bundle.cer", bundle, "PKCS #7"),
        ("list.ldif", b"version: 1\ndn: c=DE,dc=data\n".to_vec(), "LDIF"),
        ("text.cer", hex.into_bytes(), "hexadecimal"),
    ] {
        let error = Anchors::none().add_bytes(name, &bytes).unwrap_err().to_string();
        assert!(error.contains(told) && error.contains(name), "{name}: {error}");
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    // The same certificate twice is one.
    for name in ["a.cer", "b.cer"] {
        std::fs::write(folder.path().join(name), &card.csca).unwrap();
    }
    let anchors = Anchors::load(folder.path()).unwrap();
    assert_eq!((anchors.len(), anchors.skipped().len()), (1, 4));
    assert_eq!(inspect(&files(&card), &anchors, &options()).verdict, Verdict::Authentic);
}

#[test]
fn a_bound_that_is_reached_refers_and_denies_nobody() {
    // Eleven hundred certificates of one name, none of the key that signed: no real list.
    let card = CardDraft { flaw: Some(Flaw::WrongAuthority), ..draft(None) }.forge().unwrap();
    let date = |year| Date { year, month: 1, day: 1 };
    let key = TestKey::new(SEED, "crowd", KeyKind::P256);
    let authority = TestAuthority::new(key.clone(), "CSCA");
    let mut crowd = Anchors::none();
    for serial in 0..1100 {
        let draft = CertificateDraft::new("CSCA", serial, date(2015), date(2045)).authority();
        crowd.add_bytes("crowd", authority.issue(&draft, &key).unwrap().der()).unwrap();
    }
    let inspection = inspect(&files(&card), &crowd, &options());
    assert!(inspection.found(Reason::ChainTooLong), "{:?}", inspection.findings);
    assert_eq!(inspection.verdict, Verdict::Unreadable);
    assert!(!inspection.found(Reason::ChainBroken));
}

#[test]
fn a_signers_certificate_that_cannot_be_read_is_not_called_missing() {
    let mut card = draft(None).forge().unwrap();
    let sod = &mut card.files.iter_mut().find(|(name, _)| name == "EF_SOD.bin").unwrap().1;
    // The first time in it is the beginning of the certificate's validity.
    let time = sod.windows(15).position(|window| window.starts_with(&[0x17, 13]) && window[14] == b'Z').unwrap();
    sod[time + 14] = b'+';
    let inspection = check(&card);
    assert!(inspection.found(Reason::SignerCertificateUnreadable), "{:?}", inspection.findings);
    assert!(!inspection.found(Reason::SignerCertificateMissing));
    assert_eq!(inspection.verdict, Verdict::Unreadable);
}

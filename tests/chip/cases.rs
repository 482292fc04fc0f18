//! Cards that public reports of this trade led to, in the shared test data.

use std::path::PathBuf;

use chinhchu::chip::{
    AnchorError, Anchors, CheckOptions, ChipFiles, Date, Inspection, Moment, Reason, Unreadable, Verdict, inspect,
};

use crate::data::data;

fn check(root: &std::path::Path, folder: &str) -> Inspection {
    let folder = root.join(folder);
    let anchors = Anchors::load(&folder.join("csca")).unwrap();
    let now = Moment::of_date(Date { year: 2026, month: 11, day: 29 });
    inspect(&ChipFiles::from_folder(&folder).unwrap(), &anchors, &CheckOptions { now, ..CheckOptions::default() })
}

fn cases(test: &str) -> Option<PathBuf> {
    data("cases", test)
}

#[test]
fn a_card_printed_before_its_signer_began_is_authentic_and_says_so() {
    let Some(root) = cases("a_card_printed_before_its_signer_began_is_authentic_and_says_so") else { return };
    let inspection = check(&root, "01-issue-date-before-dsc/card");
    assert_eq!(inspection.verdict, Verdict::Authentic, "{:?}", inspection.findings);
    assert!(inspection.found(Reason::PrintedOutsideSigner));
}

#[test]
fn a_birth_date_of_the_zone_keeps_what_it_has_in_both_centuries() {
    let Some(root) = cases("a_birth_date_of_the_zone_keeps_what_it_has_in_both_centuries") else { return };
    for (card, readings) in [
        ("centenarian", [Some((2025, true)), Some((1925, true))]),
        ("dayzero", [Some((0, false)), None]),
        ("zeros", [Some((0, false)), None]),
    ] {
        let holder = check(&root, &format!("06-mrz-birth/{card}")).holder().unwrap();
        let found = [holder.birth, holder.birth_other].map(|date| date.map(|date| date.reveal()));
        for (found, expected) in found.into_iter().zip(readings) {
            match (found, expected) {
                (Some((year, _, day)), Some((wanted, full))) => {
                    assert!(wanted == 0 || year == wanted, "{card} {year}");
                    assert_eq!(day.is_some(), full, "{card}");
                }
                (found, expected) => assert_eq!(found.is_some(), expected.is_some(), "{card} {found:?}"),
            }
        }
    }
}

fn authentic_with(root: &std::path::Path, folder: &str, note: Option<Reason>) {
    let inspection = check(root, folder);
    assert_eq!(inspection.verdict, Verdict::Authentic, "{folder}: {:?}", inspection.findings);
    assert!(inspection.photo().is_some(), "{folder}");
    if let Some(note) = note {
        assert!(inspection.found(note), "{folder}: {:?}", inspection.findings);
    }
}

#[test]
fn a_signing_time_that_is_not_der_is_left_out_and_said() {
    // "Damaged, read the chip again" was the answer, which never helps.
    let Some(root) = cases("a_signing_time_that_is_not_der_is_left_out_and_said") else { return };
    for form in ["noz", "offset", "gen-offset", "str"] {
        authentic_with(&root, &format!("02-signing-time-forms/{form}"), Some(Reason::OptionalUnreadable));
        let signer = check(&root, &format!("02-signing-time-forms/{form}")).signer.unwrap();
        assert_eq!(signer.signing_time, None, "{form}");
    }
}

#[test]
fn a_signer_certificate_that_is_there_is_not_called_missing() {
    let Some(root) = cases("a_signer_certificate_that_is_there_is_not_called_missing") else { return };
    let inspection = check(&root, "03-cert-time-present-not-missing/card");
    assert_eq!(inspection.verdict, Verdict::Unreadable);
    assert!(inspection.found(Reason::SignerCertificateUnreadable), "{:?}", inspection.findings);
    assert!(!inspection.found(Reason::SignerCertificateMissing));
}

#[test]
fn one_unreadable_certificate_does_not_stop_the_others() {
    let Some(root) = cases("one_unreadable_certificate_does_not_stop_the_others") else { return };
    let root = root.join("08-one-bad-trust-file");
    authentic_with(&root, "folder", None);
    let folder = root.join("folder/csca");
    let skipped = Anchors::load(&folder).unwrap().skipped().to_vec();
    assert_eq!(skipped.iter().map(|one| (one.name.as_str(), one.number)).collect::<Vec<_>>(), [("x.cer", None)]);
    let error = Anchors::load_with(&folder, Unreadable::Stop).unwrap_err();
    assert!(error.to_string().contains("x.cer"), "{error}");
    // Alone it is the error, as there is nothing else to trust.
    assert!(Anchors::load(&folder.join("x.cer")).is_err());

    let list = root.join("list/list.ml");
    let anchors = Anchors::load(&list).unwrap();
    assert_eq!(anchors.skipped().len(), 1, "{:?}", anchors.skipped());
    assert!(anchors.skipped()[0].to_string().contains("list.ml"));
    assert!(matches!(Anchors::load_with(&list, Unreadable::Stop), Err(AnchorError::MasterList { .. })));
    // That a certificate is left out is no way around the list's own signature.
    let mut bytes = std::fs::read(&list).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    assert!(matches!(Anchors::none().add_bytes("list.ml", &bytes), Err(AnchorError::MasterList { .. })));
}

#[test]
fn pss_parameters_that_are_left_out_are_read_as_the_signer_means() {
    let Some(root) = cases("pss_parameters_that_are_left_out_are_read_as_the_signer_means") else { return };
    for card in ["21-pss-absent", "25-pss-nomgf"] {
        authentic_with(&root, &format!("10-pss-fallback/{card}"), Some(Reason::SignatureParametersLoose));
    }
}

#[test]
fn the_good_one_of_two_templates_is_used() {
    let Some(root) = cases("the_good_one_of_two_templates_is_used") else { return };
    for card in ["14-first-broken", "14-first-empty"] {
        authentic_with(&root, &format!("11-dg2-first-template-broken/{card}"), Some(Reason::PhotoPartlyUnreadable));
    }
}

#[test]
fn the_right_one_of_thirty_authorities_of_a_name_is_found_whatever_the_file_names() {
    let Some(root) = cases("the_right_one_of_thirty_authorities_of_a_name_is_found_whatever_the_file_names") else {
        return;
    };
    authentic_with(&root, "12-chain-budget/card", None);
    let card = root.join("12-chain-budget/card");
    let mut files: Vec<_> = std::fs::read_dir(card.join("csca")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for turn in 0..files.len() {
        files.rotate_left(1);
        let mut anchors = Anchors::none();
        for file in &files {
            anchors.add_bytes("csca", &std::fs::read(file).unwrap()).unwrap();
        }
        let inspection = inspect(&ChipFiles::from_folder(&card).unwrap(), &anchors, &CheckOptions::default());
        assert_eq!(inspection.verdict, Verdict::Authentic, "{turn}: {:?}", inspection.findings);
    }
}

#[test]
fn a_pem_file_with_a_note_in_latin_1_is_read() {
    let Some(root) = cases("a_pem_file_with_a_note_in_latin_1_is_read") else { return };
    authentic_with(&root, "14-pem-note-not-utf8/card", None);
}

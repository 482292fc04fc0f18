//! Cards that public reports of this trade led to, in the shared test data.

use std::path::PathBuf;

use chinhchu::chip::{Anchors, CheckOptions, ChipFiles, Date, Inspection, Moment, Reason, Verdict, inspect};

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

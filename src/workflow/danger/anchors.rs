//! What is dangerous about the certificates that vouch for cards.

use super::{ANCHOR_UNLIKE, Finding, NO_ANCHOR, NO_ANCHOR_OF_VIETNAM, REVOCATIONS_STALE};
use super::{REVOCATIONS_UNSIGNED, Setup, TEST_ANCHOR, WEB_ROOTS};

/// So many certificates that are unlike a country authority's, and more than a tenth of all, are
/// no oddities of single countries: in 538 genuine ones there is one.
const UNLIKE_MIN: usize = 3;
const UNLIKE_SHARE: usize = 10;
const PLACE: &str = "chip.csca";
/// Whose cards are read.
const COUNTRY: &str = "VN";

pub(super) fn findings(setup: &Setup<'_>) -> Vec<Finding> {
    let anchors = setup.anchors;
    if anchors.is_empty() {
        return vec![NO_ANCHOR.at(PLACE, "nothing")];
    }
    let mut all = Vec::new();
    let of = |count: usize| format!("{count} of {} certificates", anchors.len());
    let tests: Vec<_> = anchors.test_authorities().collect();
    if let Some(first) = tests.first() {
        all.push(TEST_ANCHOR.at(PLACE, format!("{}, the first in {first}", of(tests.len()))));
    }
    let unlike: Vec<_> =
        anchors.certificates_and_files().filter(|(one, _)| !one.looks_like_country_authority()).collect();
    let first = unlike.first().map(|(one, file)| format!("{} in {file}", one.subject)).unwrap_or_default();
    if unlike.len() >= UNLIKE_MIN && unlike.len() * UNLIKE_SHARE > anchors.len() {
        all.push(WEB_ROOTS.at(PLACE, format!("{}, the first: {first}", of(unlike.len()))));
    } else if !unlike.is_empty() {
        all.push(ANCHOR_UNLIKE.at(PLACE, format!("{}, the first: {first}", of(unlike.len()))));
    }
    if !anchors.certificates().any(|one| one.subject.country().as_deref() == Some(COUNTRY)) {
        all.push(NO_ANCHOR_OF_VIETNAM.at(PLACE, of(0)));
    }
    let lists = |count: usize| format!("{count} of {} lists", anchors.revocation_lists());
    let unsigned = anchors.revocation_lists_unsigned();
    if unsigned > 0 {
        all.push(REVOCATIONS_UNSIGNED.at(PLACE, lists(unsigned)));
    }
    let stale = anchors.revocation_lists_stale(setup.now);
    if stale > 0 {
        all.push(REVOCATIONS_STALE.at(PLACE, lists(stale)));
    }
    all
}

//! What is promised about cases: attempts, officers, lists and pairs, for every store, and in
//! whatever order things happen.

use std::collections::BTreeSet;
use std::sync::Arc;

use chinhchu::gallery::{
    self, Agreement, Basis, ClearPair, DecisionFilter, DecisionHead, DecisionKey, EnrolMode, Enrolment, Gallery,
    GalleryError, NewCapture, NewDecision, Note, Outcome, PairState, ReadSet, RequestId, Resolution, ResolveCommand,
    StoredDecision, SubjectId, Timestamp, UnclearPair, Vouch,
};
use proptest::prelude::*;

use crate::memory::{MemoryIndex, MemoryStore};
use crate::support::*;

promises!(
    embedded, super::embedded; sealed, super::embedded_and_sealed; memory, super::in_memory; mixed, super::embedded_store_and_memory_index;
    postgres, crate::postgres::gallery => {
        an_officer_can_take_up_whatever_did_not_approve,
        where_two_officers_are_needed_one_is_not_enough_and_nobody_is_two,
        nobody_answers_what_they_presented_or_enrolled,
        nobody_clears_a_pair_of_a_record_they_enrolled_or_of_a_case_they_presented,
        an_id_in_other_letters_is_no_second_person,
        an_attempt_in_another_unit_is_of_another_transaction,
        an_officers_word_is_taken_where_it_is_needed_and_nowhere_else,
        whoever_waits_is_listed_oldest_first_until_it_is_answered_or_tried_again,
        decisions_are_listed_by_subject_time_outcome_and_reason_and_paged_once,
        a_records_attempts_are_read_with_its_decision_and_none_slips_in_between,
        a_pair_that_two_must_clear_is_in_force_with_the_second,
        a_cleared_pair_can_be_ended_and_cleared_again_and_its_history_stays,
        a_clearing_ends_by_itself_when_its_time_is_over,
        captures_are_found_by_any_of_their_keys_until_their_time_is_over,
        captures_go_with_their_subject,
        of_two_who_bring_one_picture_the_second_is_outdated,
    }
);

fn embedded() -> (Gallery, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    (open(dir.path()).unwrap(), dir)
}

fn embedded_and_sealed() -> (Gallery, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    (open_sealed(dir.path()).unwrap(), dir)
}

fn in_memory() -> (Gallery, ()) {
    (Gallery::new(Arc::new(MemoryStore::default()), vec![Arc::new(MemoryIndex::default())]).unwrap(), ())
}

fn embedded_store_and_memory_index() -> (Gallery, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = gallery::open_parts(dir.path(), RECIPE, DIMENSION, options()).unwrap();
    (Gallery::new(store, vec![Arc::new(MemoryIndex::default())]).unwrap(), dir)
}

fn key(transaction: &str, attempt: u32) -> DecisionKey {
    DecisionKey::new(RequestId::new(transaction).unwrap(), attempt).unwrap()
}

fn decision(transaction: &str, attempt: u32, subject: &str, outcome: Outcome) -> NewDecision {
    NewDecision {
        pictures: None,
        captures: Vec::new(),
        captures_lifetime_ms: 0,
        challenge: None,
        unit: None,
        province: None,
        key: key(transaction, attempt),
        content: [attempt as u8; 32],
        subject: id(subject),
        scheme: "social".to_owned(),
        outcome,
        reasons: Vec::new(),
        presented_by: None,
        answer: vec![7],
        enrolment: None,
        basis: None,
        facts: crate::ledger::facts(),
    }
}

async fn decide(gallery: &Gallery, transaction: &str, attempt: u32, outcome: Outcome) -> StoredDecision {
    gallery.decide(&by(), decision(transaction, attempt, "s", outcome)).await.unwrap().0
}

fn answer(transaction: &str, attempt: u32, officer: &str, outcome: Outcome, officers_needed: u32) -> ResolveCommand {
    let reason = Note::new("seen").unwrap();
    let resolution = Resolution { officer: id(officer), outcome, reason, resolved_at: Timestamp(0) };
    ResolveCommand { key: key(transaction, attempt), resolution, officers_needed }
}

async fn waiting(gallery: &Gallery) -> Vec<String> {
    let filter = DecisionFilter { waiting: true, ..DecisionFilter::default() };
    let page = gallery.decisions_after(&filter, 0, 100).await.unwrap();
    assert!(page.decisions.iter().all(|head| head.waits));
    page.decisions.iter().map(|head| format!("{} {}", head.key.transaction.as_str(), head.key.attempt)).collect()
}

async fn an_officer_can_take_up_whatever_did_not_approve(gallery: Gallery) {
    gallery.enrol(&by(), enrolment("s", EnrolMode::Create, &[1]), None).await.unwrap();
    for (transaction, outcome) in [("denied", Outcome::Deny), ("referred", Outcome::Refer)] {
        decide(&gallery, transaction, 1, outcome).await;
        let (resolved, _) = gallery.resolve(&by(), answer(transaction, 1, "o", Outcome::Approve, 1)).await.unwrap();
        assert_eq!(resolved.outcome, outcome, "what the engine said stays");
        assert_eq!(resolved.resolution().unwrap().outcome, Outcome::Approve);
        let verified = gallery.subject(&id("s")).await.unwrap().unwrap().last_verified;
        assert_eq!(verified.get("social"), Some(&resolved.resolution().unwrap().resolved_at));
        // The request sent again is answered with both.
        let (again, replayed) = gallery.decide(&by(), decision(transaction, 1, "s", outcome)).await.unwrap();
        assert!(replayed && again == resolved);
    }
    decide(&gallery, "approved", 1, Outcome::Approve).await;
    let refused = gallery.resolve(&by(), answer("approved", 1, "o", Outcome::Deny, 1)).await;
    assert!(matches!(refused, Err(GalleryError::NotReferred)));
}

async fn where_two_officers_are_needed_one_is_not_enough_and_nobody_is_two(gallery: Gallery) {
    decide(&gallery, "t", 1, Outcome::Deny).await;
    assert!(waiting(&gallery).await.is_empty(), "nobody is expected to look at what was denied");
    let (first, _) = gallery.resolve(&by(), answer("t", 1, "o-1", Outcome::Approve, 2)).await.unwrap();
    assert!(first.resolution().is_none() && first.waits());
    assert_eq!(waiting(&gallery).await, ["t 1"], "another officer is");
    let again = gallery.resolve(&by(), answer("t", 1, "o-1", Outcome::Approve, 2)).await.unwrap();
    assert!(again.1 && again.0 == first);
    let other_words = ResolveCommand {
        resolution: Resolution {
            reason: Note::new("seen again").unwrap(),
            ..answer("t", 1, "o-1", Outcome::Approve, 2).resolution
        },
        ..answer("t", 1, "o-1", Outcome::Approve, 2)
    };
    assert!(matches!(gallery.resolve(&by(), other_words).await, Err(GalleryError::AlreadyResolved)));
    // While one officer has answered there is no new attempt, and nobody asks for fewer.
    let retake = gallery.decide(&by(), decision("t", 2, "s", Outcome::Approve)).await;
    assert!(matches!(retake, Err(GalleryError::TransactionClosed)));
    let (second, _) = gallery.resolve(&by(), answer("t", 1, "o-2", Outcome::Approve, 1)).await.unwrap();
    assert_eq!(second.resolution().unwrap().officer, id("o-2"));
    assert!(waiting(&gallery).await.is_empty());

    // A denial is one officer's business, the first one's too.
    for (transaction, officer) in [("u", "o-1"), ("v", "o-2")] {
        decide(&gallery, transaction, 1, Outcome::Refer).await;
        gallery.resolve(&by(), answer(transaction, 1, "o-1", Outcome::Approve, 2)).await.unwrap();
        let (denied, _) = gallery.resolve(&by(), answer(transaction, 1, officer, Outcome::Deny, 2)).await.unwrap();
        assert_eq!(denied.resolution().unwrap().outcome, Outcome::Deny);
        let late = gallery.resolve(&by(), answer(transaction, 1, "o-3", Outcome::Approve, 2)).await;
        assert!(matches!(late, Err(GalleryError::AlreadyResolved)));
    }
}

async fn nobody_answers_what_they_presented_or_enrolled(gallery: Gallery) {
    let enrolled = Enrolment { by: Some(id("registrar")), ..enrolment("s", EnrolMode::Create, &[1]) };
    gallery.enrol(&by(), enrolled, None).await.unwrap();
    let presented =
        |attempt, clerk| NewDecision { presented_by: Some(id(clerk)), ..decision("t", attempt, "s", Outcome::Refer) };
    gallery.decide(&by(), presented(1, "clerk-1")).await.unwrap();
    gallery.decide(&by(), presented(2, "clerk-2")).await.unwrap();
    for involved in ["clerk-1", "clerk-2", "registrar"] {
        for outcome in [Outcome::Approve, Outcome::Deny] {
            let refused = gallery.resolve(&by(), answer("t", 2, involved, outcome, 1)).await;
            assert!(matches!(refused, Err(GalleryError::OfficerInvolved)), "{involved}");
        }
    }
    gallery.resolve(&by(), answer("t", 2, "officer", Outcome::Approve, 1)).await.unwrap();
    // A record that somebody replaced is theirs, and no longer the other's.
    let replaced = Enrolment { by: Some(id("other")), ..enrolment("s", EnrolMode::Replace, &[1]) };
    gallery.enrol(&by(), replaced, None).await.unwrap();
    decide(&gallery, "u", 1, Outcome::Refer).await;
    let refused = gallery.resolve(&by(), answer("u", 1, "other", Outcome::Approve, 1)).await;
    assert!(matches!(refused, Err(GalleryError::OfficerInvolved)));
    gallery.resolve(&by(), answer("u", 1, "registrar", Outcome::Approve, 1)).await.unwrap();
}

async fn nobody_clears_a_pair_of_a_record_they_enrolled_or_of_a_case_they_presented(gallery: Gallery) {
    for (subject, by_whom) in [("a", "registrar-a"), ("b", "registrar-b")] {
        let enrolled = Enrolment { by: Some(id(by_whom)), ..enrolment(subject, EnrolMode::Create, &[1]) };
        gallery.enrol(&by(), enrolled, None).await.unwrap();
        let clerk = Some(id(format!("clerk-{subject}").as_str()));
        let presented = NewDecision { presented_by: clerk, ..decision(subject, 1, subject, Outcome::Refer) };
        gallery.decide(&by(), presented).await.unwrap();
    }
    for involved in ["registrar-a", "registrar-b", "clerk-a", "clerk-b", "CLERK-B"] {
        let refused = gallery.clear_pair(&by(), clear(involved, 1, None)).await;
        assert!(matches!(refused, Err(GalleryError::OfficerInvolved)), "{involved}");
    }
    gallery.clear_pair(&by(), clear("o-1", 2, None)).await.unwrap();
    // Nor as the second of two.
    let refused = gallery.clear_pair(&by(), clear("clerk-a", 2, None)).await;
    assert!(matches!(refused, Err(GalleryError::OfficerInvolved)));
    gallery.clear_pair(&by(), clear("o-2", 2, None)).await.unwrap();
    assert_eq!(cleared(&gallery).await, [id("b")]);
}

async fn an_id_in_other_letters_is_no_second_person(gallery: Gallery) {
    create(&gallery, "s", &[1]).await.unwrap();
    let presented = NewDecision { presented_by: Some(id("Clerk-Đ")), ..decision("t", 1, "s", Outcome::Refer) };
    gallery.decide(&by(), presented).await.unwrap();
    let refused = gallery.resolve(&by(), answer("t", 1, "clerk-đ", Outcome::Approve, 2)).await;
    assert!(matches!(refused, Err(GalleryError::OfficerInvolved)));
    gallery.resolve(&by(), answer("t", 1, "O-1", Outcome::Approve, 2)).await.unwrap();
    let refused = gallery.resolve(&by(), answer("t", 1, "o-1", Outcome::Approve, 2)).await;
    assert!(matches!(refused, Err(GalleryError::AlreadyResolved)));
    create(&gallery, "a", &[2]).await.unwrap();
    gallery.clear_pair(&by(), clear("O-1", 2, None)).await.unwrap();
    assert!(gallery.clear_pair(&by(), clear("o-1", 2, None)).await.unwrap().1.replayed);
    assert!(cleared(&gallery).await.is_empty());
}

async fn an_attempt_in_another_unit_is_of_another_transaction(gallery: Gallery) {
    let at = |unit: Option<&str>, attempt| NewDecision {
        unit: unit.map(str::to_owned),
        ..decision("t", attempt, "s", Outcome::Refer)
    };
    gallery.decide(&by(), at(Some("Q1"), 1)).await.unwrap();
    for other in [Some("Q2"), None] {
        let refused = gallery.decide(&by(), at(other, 2)).await;
        assert!(matches!(refused, Err(GalleryError::TransactionReused)), "{other:?} takes the case from Q1's officers");
    }
    gallery.decide(&by(), at(Some("Q1"), 2)).await.unwrap();
}

async fn an_officers_word_is_taken_where_it_is_needed_and_nowhere_else(gallery: Gallery) {
    let word = || {
        let vouch = Vouch { officer: id("o-1"), reason: Note::new("an operation").unwrap() };
        let Agreement::Asked(scores) = asked(vec![0.9], 0.2) else { unreachable!("what `asked` makes") };
        Agreement::VouchedWhereNeeded(vouch, scores)
    };
    let enrol = async |mode, seeds: &[u64]| {
        gallery.enrol(&by(), Enrolment { agreement: word(), ..enrolment("s", mode, seeds) }, None).await
    };
    // One photo agrees with itself, whoever it shows.
    for mode in [EnrolMode::Create, EnrolMode::Add, EnrolMode::Replace] {
        assert!(matches!(enrol(mode, &[1]).await, Err(GalleryError::VouchNotNeeded)), "{mode:?}");
    }
    assert!(gallery.subject(&id("s")).await.unwrap().is_none());
    create(&gallery, "s", &[1]).await.unwrap();
    assert!(matches!(enrol(EnrolMode::Add, &[1]).await, Err(GalleryError::VouchNotNeeded)));
    assert!(matches!(enrol(EnrolMode::Replace, &[2]).await, Err(GalleryError::VouchNotNeeded)));
    enrol(EnrolMode::Add, &[2]).await.unwrap();
    let record = gallery.subject(&id("s")).await.unwrap().unwrap();
    assert_eq!(record.templates.len(), 2);
    assert!(record.is_vouched(record.templates[1].id), "it is kept with the record");
}

async fn whoever_waits_is_listed_oldest_first_until_it_is_answered_or_tried_again(gallery: Gallery) {
    for transaction in ["b", "a", "c"] {
        decide(&gallery, transaction, 1, Outcome::Refer).await;
    }
    decide(&gallery, "d", 1, Outcome::Approve).await;
    assert_eq!(waiting(&gallery).await, ["b 1", "a 1", "c 1"]);
    decide(&gallery, "b", 2, Outcome::Refer).await;
    assert_eq!(waiting(&gallery).await, ["a 1", "c 1", "b 2"], "the last attempt waits, from when it was made");
    gallery.resolve(&by(), answer("a", 1, "o", Outcome::Deny, 1)).await.unwrap();
    decide(&gallery, "c", 2, Outcome::Approve).await;
    assert_eq!(waiting(&gallery).await, ["b 2"]);
    decide(&gallery, "b", 3, Outcome::Deny).await;
    assert!(waiting(&gallery).await.is_empty());
}

async fn decisions_are_listed_by_subject_time_outcome_and_reason_and_paged_once(gallery: Gallery) {
    let outcomes = [Outcome::Refer, Outcome::Deny, Outcome::Approve];
    for number in 0..12u32 {
        let subject = ["s", "st", "t"][number as usize % 3];
        let reasons = if number % 2 == 0 { vec!["NAME_DIFFERS".to_owned()] } else { Vec::new() };
        let outcome = outcomes[number as usize % 3];
        let new = NewDecision { reasons, ..decision(&format!("t-{number}"), 1, subject, outcome) };
        gallery.decide(&by(), new).await.unwrap();
    }
    let all = gallery.decisions_after(&DecisionFilter::default(), 0, 100).await.unwrap();
    let numbers: Vec<u64> = all.decisions.iter().map(|head| head.number).collect();
    assert!(numbers == (1..=12).collect::<Vec<u64>>() && all.more_after.is_none());
    let middle = all.decisions[5].decided_at;
    let filters = [
        DecisionFilter::default(),
        DecisionFilter { subject: Some(id("s")), ..DecisionFilter::default() },
        DecisionFilter { outcome: Some(Outcome::Deny), ..DecisionFilter::default() },
        DecisionFilter { reason: Some("NAME_DIFFERS".to_owned()), ..DecisionFilter::default() },
        DecisionFilter { since: Some(middle), ..DecisionFilter::default() },
        DecisionFilter { until: Some(middle), ..DecisionFilter::default() },
        DecisionFilter { waiting: true, subject: Some(id("s")), ..DecisionFilter::default() },
        DecisionFilter { subject: Some(id("nobody")), ..DecisionFilter::default() },
    ];
    for filter in filters {
        let expected: Vec<DecisionHead> = all.decisions.iter().filter(|head| filter.passes(head)).cloned().collect();
        for limit in [1, 2, 5, 100] {
            let (mut found, mut after) = (Vec::new(), 0);
            loop {
                let page = gallery.decisions_after(&filter, after, limit).await.unwrap();
                assert!(page.decisions.len() <= limit);
                found.extend(page.decisions);
                match page.more_after {
                    Some(more) => {
                        assert!(more > after || found.is_empty(), "a list gets on");
                        after = more;
                    }
                    None => break,
                }
            }
            assert!(found == expected, "{} of {}", found.len(), expected.len());
        }
    }
}

async fn a_records_attempts_are_read_with_its_decision_and_none_slips_in_between(gallery: Gallery) {
    let wanted = || ReadSet {
        decision: Some(key("t", 1)),
        attempts: true,
        recent: Some((id("s"), Timestamp(0))),
        newest_of: Some(id("s")),
        ..ReadSet::default()
    };
    let none = gallery.read(wanted()).await.unwrap();
    assert!(none.attempts.is_empty() && none.recent.is_empty() && none.newest == 0);
    decide(&gallery, "t", 1, Outcome::Deny).await;
    decide(&gallery, "other", 1, Outcome::Refer).await;
    decide(&gallery, "t", 2, Outcome::Deny).await;
    gallery.decide(&by(), decision("t-3", 1, "somebody", Outcome::Deny)).await.unwrap();
    let records = gallery.read(wanted()).await.unwrap();
    assert_eq!(records.attempts.iter().map(|one| one.key.attempt).collect::<Vec<_>>(), [1, 2]);
    let recent: Vec<&str> = records.recent.iter().map(|head| head.key.transaction.as_str()).collect();
    assert_eq!((recent, records.newest), (vec!["t", "other", "t"], 3), "newest first");
    let later = ReadSet { recent: Some((id("s"), Timestamp(u64::MAX))), ..wanted() };
    assert!(gallery.read(later).await.unwrap().recent.is_empty());

    // Whoever counted before another attempt was made counts again.
    let resting = |newest| NewDecision {
        basis: Some(Basis {
            captures_before: None,
            subject: None,
            cleared_with: Vec::new(),
            searched: None,
            newest: Some(newest),
        }),
        ..decision("t", 3, "s", Outcome::Approve)
    };
    assert!(matches!(gallery.decide(&by(), resting(2)).await, Err(GalleryError::Outdated)));
    gallery.decide(&by(), resting(3)).await.unwrap();
}

fn clear(officer: &str, officers_needed: u32, lifetime_ms: Option<u64>) -> ClearPair {
    let reason = Note::new("twins").unwrap();
    ClearPair { first: id("b"), second: id("a"), officer: id(officer), reason, officers_needed, lifetime_ms }
}

fn unclear(officer: &str) -> UnclearPair {
    UnclearPair { first: id("b"), second: id("a"), officer: id(officer), reason: Note::new("no twins").unwrap() }
}

async fn cleared(gallery: &Gallery) -> Vec<SubjectId> {
    gallery.cleared_with(&id("a")).await.unwrap()
}

async fn a_pair_that_two_must_clear_is_in_force_with_the_second(gallery: Gallery) {
    create(&gallery, "a", &[1]).await.unwrap();
    let (pair, _) = gallery.clear_pair(&by(), clear("o-1", 2, None)).await.unwrap();
    assert_eq!(pair.state(Timestamp::now()), PairState::Waiting);
    assert!(cleared(&gallery).await.is_empty());
    assert!(gallery.clear_pair(&by(), clear("o-1", 2, None)).await.unwrap().1.replayed, "nobody is two officers");
    assert!(cleared(&gallery).await.is_empty());
    // Not even where the operator now asks for one: the first asked for two.
    let (pair, _) = gallery.clear_pair(&by(), clear("o-2", 1, None)).await.unwrap();
    assert_eq!((pair.state(Timestamp::now()), pair.entries.len()), (PairState::InForce, 2));
    assert_eq!(cleared(&gallery).await, [id("b")]);
}

async fn a_cleared_pair_can_be_ended_and_cleared_again_and_its_history_stays(gallery: Gallery) {
    create(&gallery, "a", &[1]).await.unwrap();
    assert!(matches!(gallery.unclear_pair(&by(), unclear("o-2")).await, Err(GalleryError::UnknownPair)));
    gallery.clear_pair(&by(), clear("o-1", 1, None)).await.unwrap();
    let (ended, receipt) = gallery.unclear_pair(&by(), unclear("o-2")).await.unwrap();
    assert!(!receipt.replayed && ended.state(Timestamp::now()) == PairState::Ended);
    assert!(gallery.unclear_pair(&by(), unclear("o-3")).await.unwrap().1.replayed);
    assert!(cleared(&gallery).await.is_empty(), "they are duplicates of each other again");
    assert_eq!(gallery.cleared_pairs(None, 10).await.unwrap(), [ended], "and it can be seen why");
    let (again, receipt) = gallery.clear_pair(&by(), clear("o-3", 2, None)).await.unwrap();
    assert!(!receipt.replayed && again.state(Timestamp::now()) == PairState::Waiting, "the first round does not count");
    gallery.clear_pair(&by(), clear("o-1", 2, None)).await.unwrap();
    assert_eq!(cleared(&gallery).await, [id("b")]);
    let officers: Vec<String> = gallery.cleared_pairs(None, 10).await.unwrap()[0]
        .entries
        .iter()
        .map(|entry| entry.officer.as_str().to_owned())
        .collect();
    assert_eq!(officers, ["o-1", "o-2", "o-3", "o-1"]);
    // Nothing is kept of somebody who is gone.
    gallery.unclear_pair(&by(), unclear("o-2")).await.unwrap();
    gallery.remove(&by(), &id("a"), None).await.unwrap();
    assert!(gallery.cleared_pairs(None, 10).await.unwrap().is_empty());
}

async fn a_clearing_ends_by_itself_when_its_time_is_over(gallery: Gallery) {
    create(&gallery, "a", &[1]).await.unwrap();
    let (pair, _) = gallery.clear_pair(&by(), clear("o-1", 1, Some(1))).await.unwrap();
    std::thread::sleep(std::time::Duration::from_millis(3));
    assert_eq!(pair.state(Timestamp::now()), PairState::Expired);
    assert!(cleared(&gallery).await.is_empty());
    assert!(gallery.unclear_pair(&by(), unclear("o-2")).await.unwrap().1.replayed, "there is nothing to end");
    let (again, receipt) = gallery.clear_pair(&by(), clear("o-1", 1, Some(1 << 40))).await.unwrap();
    assert!(!receipt.replayed && again.state(Timestamp::now()) == PairState::InForce);
    assert_eq!((cleared(&gallery).await, again.entries.len()), (vec![id("b")], 2));
}

fn capture(keys: &[u8]) -> NewCapture {
    NewCapture { fingerprint: keys.to_vec(), bands: keys.iter().map(|&key| [key; 8]).collect() }
}

/// A decision in which captures with these keys took part.
fn showing(transaction: &str, subject: &str, captures: &[&[u8]], lifetime_ms: u64) -> NewDecision {
    NewDecision {
        captures: captures.iter().map(|keys| capture(keys)).collect(),
        captures_lifetime_ms: lifetime_ms,
        unit: Some("unit".to_owned()),
        ..decision(transaction, 1, subject, Outcome::Refer)
    }
}

const LONG: u64 = 1 << 40;

async fn sharing(gallery: &Gallery, keys: &[u8]) -> Vec<(String, u32)> {
    let found = gallery.captures_sharing(&capture(keys).bands).await.unwrap().captures;
    found.into_iter().map(|one| (one.key.transaction.as_str().to_owned(), one.frame)).collect()
}

async fn captures_are_found_by_any_of_their_keys_until_their_time_is_over(gallery: Gallery) {
    assert!(sharing(&gallery, &[1]).await.is_empty());
    gallery.decide(&by(), showing("t-1", "s", &[&[1, 2, 3], &[4, 5]], LONG)).await.unwrap();
    gallery.decide(&by(), showing("t-2", "t", &[&[3, 6]], LONG)).await.unwrap();
    let named = |(transaction, frame): (&str, u32)| (transaction.to_owned(), frame);
    assert_eq!(sharing(&gallery, &[3]).await, [("t-1", 0), ("t-2", 0)].map(named));
    assert_eq!(sharing(&gallery, &[5, 2, 9]).await, [("t-1", 0), ("t-1", 1)].map(named));
    assert!(sharing(&gallery, &[7]).await.is_empty());
    let found = gallery.captures_sharing(&capture(&[6]).bands).await.unwrap();
    assert_eq!(found.next, 4);
    let one = &found.captures[0];
    assert_eq!((one.number, &one.subject, one.unit.as_deref()), (3, &id("t"), Some("unit")));
    assert!(one.content == capture(&[3, 6]) && one.at.0 > 0 && one.expires_at.0 == one.at.0 + LONG);

    // Those whose time is over are not found, and go with the next commits.
    gallery.decide(&by(), showing("t-3", "s", &[&[9]], 1)).await.unwrap();
    std::thread::sleep(std::time::Duration::from_millis(3));
    assert!(sharing(&gallery, &[9]).await.is_empty());
    gallery.decide(&by(), showing("t-4", "s", &[&[9]], LONG)).await.unwrap();
    assert_eq!(sharing(&gallery, &[9]).await, [("t-4", 0)].map(named));
}

async fn captures_go_with_their_subject(gallery: Gallery) {
    create(&gallery, "s", &[1]).await.unwrap();
    create(&gallery, "st", &[2]).await.unwrap();
    gallery.decide(&by(), showing("t-1", "s", &[&[1], &[2]], LONG)).await.unwrap();
    gallery.decide(&by(), showing("t-2", "st", &[&[1]], LONG)).await.unwrap();
    // While a referral waits its evidence stays.
    let kept = gallery.remove(&by(), &id("s"), None).await;
    assert!(matches!(kept, Err(GalleryError::RecordKept)));
    gallery.resolve(&by(), answer("t-1", 1, "o", Outcome::Deny, 1)).await.unwrap();
    gallery.remove(&by(), &id("s"), None).await.unwrap();
    assert_eq!(sharing(&gallery, &[1, 2]).await, [("t-2".to_owned(), 0)], "ids that begin alike are others");
    // Numbers are not given out twice.
    gallery.decide(&by(), showing("t-3", "st", &[&[3]], LONG)).await.unwrap();
    assert_eq!(gallery.captures_sharing(&capture(&[3]).bands).await.unwrap().captures[0].number, 4);
}

async fn of_two_who_bring_one_picture_the_second_is_outdated(gallery: Gallery) {
    let before = gallery.captures_sharing(&capture(&[1, 2]).bands).await.unwrap().next;
    let resting = |transaction: &str, keys: &[u8], before| NewDecision {
        basis: Some(Basis {
            subject: None,
            cleared_with: Vec::new(),
            searched: None,
            newest: None,
            captures_before: Some(before),
        }),
        ..showing(transaction, "s", &[keys], LONG)
    };
    gallery.decide(&by(), resting("t-1", &[1, 2], before)).await.unwrap();
    let second = gallery.decide(&by(), resting("t-2", &[2, 3], before)).await;
    assert!(matches!(second, Err(GalleryError::Outdated)), "it did not see the first");
    gallery.decide(&by(), resting("t-3", &[4], before)).await.unwrap();
    let after = gallery.captures_sharing(&capture(&[2, 3]).bands).await.unwrap().next;
    gallery.decide(&by(), resting("t-2", &[2, 3], after)).await.unwrap();
}

/// Something that happens at the counter or at an officer's desk.
#[derive(Debug, Clone)]
enum Happens {
    /// An attempt of a transaction about a subject, presented by a clerk.
    Attempt { transaction: u8, attempt: u32, subject: u8, clerk: Option<u8>, outcome: Outcome },
    /// An officer's answer; a number below 3 is also a clerk's.
    Answer { transaction: u8, attempt: u32, officer: u8, outcome: Outcome, needed: u32 },
    /// A subject is enrolled by somebody.
    Enrol { subject: u8, by: u8 },
    /// The process is killed and started again.
    Restart,
}

fn happens() -> impl Strategy<Value = Happens> {
    let outcome = || prop_oneof![Just(Outcome::Approve), Just(Outcome::Refer), Just(Outcome::Deny)];
    let attempt = (0u8..3, 1u32..5, 0u8..2, prop::option::of(0u8..3), outcome()).prop_map(
        |(transaction, attempt, subject, clerk, outcome)| Happens::Attempt {
            transaction,
            attempt,
            subject,
            clerk,
            outcome,
        },
    );
    let answer =
        (0u8..3, 1u32..5, 0u8..6, outcome(), 1u32..3).prop_map(|(transaction, attempt, officer, outcome, needed)| {
            Happens::Answer { transaction, attempt, officer, outcome, needed }
        });
    let enrol = (0u8..2, 0u8..6).prop_map(|(subject, by)| Happens::Enrol { subject, by });
    prop_oneof![6 => attempt, 6 => answer, 1 => enrol, 1 => Just(Happens::Restart)]
}

/// What came of it, without times.
fn told(result: &Result<(StoredDecision, bool), GalleryError>) -> String {
    match result {
        Ok((stored, replayed)) => {
            let answers: Vec<_> = stored.resolutions.iter().map(|one| (one.officer.as_str(), one.outcome)).collect();
            format!("{replayed} {} {:?} {answers:?} {}", stored.number, stored.outcome, stored.waits())
        }
        Err(error) => error.to_string(),
    }
}

async fn happen(gallery: &Gallery, event: &Happens) -> String {
    let person = |number: &u8| format!("p-{number}");
    match event {
        Happens::Attempt { transaction, attempt, subject, clerk, outcome } => {
            let new = NewDecision {
                presented_by: clerk.as_ref().map(|clerk| id(person(clerk))),
                ..decision(&format!("t-{transaction}"), *attempt, &format!("s-{subject}"), *outcome)
            };
            told(&gallery.decide(&by(), new).await)
        }
        Happens::Answer { transaction, attempt, officer, outcome, needed } => {
            let transaction = format!("t-{transaction}");
            told(&gallery.resolve(&by(), answer(&transaction, *attempt, &person(officer), *outcome, *needed)).await)
        }
        Happens::Enrol { subject, by: who } => {
            let by_whom = Some(id(person(who)));
            let new = Enrolment { by: by_whom, ..enrolment(&format!("s-{subject}"), EnrolMode::Add, &[1]) };
            match gallery.enrol(&by(), new, None).await {
                Ok(receipt) => receipt.templates.to_string(),
                Err(error) => error.to_string(),
            }
        }
        Happens::Restart => String::new(),
    }
}

/// What must be true of the decisions of a gallery, whatever happened.
async fn check_history(gallery: &Gallery) -> Vec<DecisionHead> {
    let heads = gallery.decisions_after(&DecisionFilter::default(), 0, 1000).await.unwrap().decisions;
    let mut expected_waiting = BTreeSet::new();
    for (place, head) in heads.iter().enumerate() {
        assert_eq!(head.number, place as u64 + 1, "decisions are numbered without gaps");
        let stored = gallery.decision(&head.key).await.unwrap().unwrap();
        let next = DecisionKey { attempt: head.key.attempt + 1, ..head.key.clone() };
        let is_last = gallery.decision(&next).await.unwrap().is_none();
        let closed = stored.resolution();
        assert_eq!(*head, stored.head(stored.waits() && is_last));
        assert!(is_last || (stored.outcome != Outcome::Approve && stored.resolutions.is_empty()), "closed is closed");
        assert!(head.key.attempt == 1 || gallery.decision(&key_before(&head.key)).await.unwrap().is_some());
        assert!(stored.outcome != Outcome::Approve || stored.resolutions.is_empty(), "nobody overrules an approval");
        let approvals: BTreeSet<&SubjectId> =
            stored.resolutions.iter().filter(|one| one.outcome == Outcome::Approve).map(|one| &one.officer).collect();
        if closed.is_some_and(|one| one.outcome == Outcome::Approve) {
            assert!(approvals.len() >= stored.officers_needed as usize && stored.officers_needed > 0);
        }
        for attempt in 1..=head.key.attempt {
            let presented = gallery.decision(&DecisionKey { attempt, ..head.key.clone() }).await.unwrap().unwrap();
            let by_whom = presented.presented_by;
            assert!(stored.resolutions.iter().all(|one| Some(&one.officer) != by_whom.as_ref()), "not their own case");
        }
        if head.waits {
            expected_waiting.insert(head.number);
        }
    }
    let filter = DecisionFilter { waiting: true, ..DecisionFilter::default() };
    let listed = gallery.decisions_after(&filter, 0, 1000).await.unwrap().decisions;
    assert_eq!(listed.iter().map(|head| head.number).collect::<BTreeSet<_>>(), expected_waiting);
    heads
}

fn key_before(key: &DecisionKey) -> DecisionKey {
    DecisionKey { attempt: key.attempt - 1, ..key.clone() }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Any order of attempts, answers, officers, resends and restarts gives one consistent
    /// history, the same in every store.
    #[test]
    fn any_order_of_events_gives_one_consistent_history(events in prop::collection::vec(happens(), 1..40)) {
        let dir = tempfile::tempdir().unwrap();
        let (memory, ()) = in_memory();
        let mut embedded = Some(open(dir.path()).unwrap());
        block_on(async {
            for event in &events {
                if matches!(event, Happens::Restart) {
                    drop(embedded.take());
                    embedded = Some(open(dir.path()).unwrap());
                    continue;
                }
                let stored = embedded.as_ref().unwrap();
                let first = happen(stored, event).await;
                assert_eq!(first, happen(&memory, event).await, "{event:?}");
            }
            let without_times = |heads: Vec<DecisionHead>| -> Vec<DecisionHead> {
                heads.into_iter().map(|head| DecisionHead { decided_at: Timestamp(0), ..head }).collect()
            };
            let stored = without_times(check_history(embedded.as_ref().unwrap()).await);
            assert!(stored == without_times(check_history(&memory).await));
        });
    }
}

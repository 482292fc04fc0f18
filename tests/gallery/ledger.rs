//! The transparency log of a gallery: what every store promises of it, and that a process killed in
//! the middle of decisions loses no entry.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use chinhchu::context::{Principal, RequestContext};
use chinhchu::gallery::{
    self, ClearPair, DecisionKey, EmbeddedOptions, EnrolMode, Gallery, GalleryError, LedgerFacts, LedgerReport,
    LedgerSetup, LedgerTiles, Look, NewDecision, Note, Outcome, RequestId, Resolution, ResolveCommand, Timestamp,
    UnclearPair, leaves, verify_ledger,
};
use chinhchu::ledger::entry::{Digest, DigestOf, Entry, Kind, LedgerKey};
use chinhchu::ledger::key_change::LogKeys;
use chinhchu::ledger::note::{Algorithm, SigningKey};
use chinhchu::ledger::receipt::Receipt;
use chinhchu::ledger::tile::TileNodes;
use chinhchu::ledger::verify::Leaf;
use chinhchu::ledger::witness::WitnessPolicy;
use chinhchu::workflow::NumberIds;
use chinhchu::workflow::rights::Rights;

use crate::killed::{acknowledge, acknowledged_before_kill};
use crate::memory::{MemoryIndex, MemoryStore};
use crate::support::*;

/// The key of digests.
pub fn digest_key() -> LedgerKey {
    LedgerKey::from_bytes([9; 32])
}

/// A signing key.
pub fn signer(seed: u8) -> Arc<SigningKey> {
    let origin = "ledger.example.vn/gallery".parse().unwrap();
    Arc::new(SigningKey::from_seed(origin, Algorithm::Ed25519, &[seed; 32]))
}

pub fn setup() -> LedgerSetup {
    LedgerSetup { key: digest_key(), begin_with: Some(signer(1).verifier().clone()), sign_at_once: Vec::new() }
}

/// A gallery in a folder, which keeps a log.
pub fn open_with_log(dir: &Path) -> Result<Gallery, GalleryError> {
    gallery::open(dir, RECIPE, DIMENSION, EmbeddedOptions { ledger: Some(setup()), ..options() })
}

fn embedded() -> (Gallery, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    (open_with_log(dir.path()).unwrap(), dir)
}

fn embedded_and_sealed() -> (Gallery, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let options = EmbeddedOptions { ledger: Some(setup()), ..sealed(dir.path()) };
    (gallery::open(&dir.path().join("data"), RECIPE, DIMENSION, options).unwrap(), dir)
}

fn in_memory() -> (Gallery, ()) {
    let store = MemoryStore::default().with_ledger(&digest_key(), signer(1).verifier().clone());
    let gallery = Gallery::new(Arc::new(store), vec![Arc::new(MemoryIndex::default())]).unwrap();
    (gallery.with_ledger(digest_key()), ())
}

fn in_postgres() -> Option<(Gallery, ())> {
    crate::postgres::gallery_with_log(setup())
}

/// What a decision must say of itself.
pub fn facts() -> LedgerFacts {
    LedgerFacts {
        digests: vec![Digest { of: DigestOf::Policy, sha256: [3; 32] }],
        evidence: vec!["chip"],
        scores: vec![("chip_face", 0.5, Some(0.3)), ("quality", f32::NAN, None)],
        chip_verdict: Some("AUTHENTIC"),
        shown: Vec::new(),
    }
}

/// A decision about a subject.
pub fn decision(transaction: &str, attempt: u32, subject: &str, outcome: Outcome) -> NewDecision {
    NewDecision {
        pictures: None,
        captures: Vec::new(),
        captures_lifetime_ms: 0,
        challenge: None,
        unit: Some("U1".to_owned()),
        province: None,
        key: DecisionKey::new(RequestId::new(transaction).unwrap(), attempt).unwrap(),
        content: [attempt as u8; 32],
        subject: id(subject),
        scheme: "social".to_owned(),
        outcome,
        reasons: vec!["NAME_DIFFERS".to_owned()],
        presented_by: Some(id("clerk-1")),
        answer: vec![7],
        enrolment: None,
        basis: None,
        facts: facts(),
    }
}

/// All entries as they are stored.
async fn entries(gallery: &Gallery) -> Vec<Leaf> {
    gallery.read_ledger(|tables| leaves(tables, 0).collect()).await.unwrap()
}

/// What each of them says.
async fn entered(gallery: &Gallery) -> Vec<Entry> {
    let all = entries(gallery).await;
    all.iter().map(|leaf| Entry::decode(&leaf.opening.as_ref().unwrap().contents).unwrap()).collect()
}

async fn kinds(gallery: &Gallery) -> Vec<Kind> {
    entered(gallery).await.iter().map(|entry| entry.kind).collect()
}

async fn verified(gallery: &Gallery) -> LedgerReport {
    let trusted = signer(1).verifier().clone();
    gallery.read_ledger(move |tables| verify_ledger(tables, Some(&trusted), &[])).await.unwrap().unwrap()
}

async fn receipt(gallery: &Gallery, index: u64) -> Receipt {
    let made = gallery.read_ledger(move |tables| {
        let head = tables.head()?.unwrap();
        let leaf = tables.entries(index, 1)?.remove(0);
        let nodes = TileNodes::new(LedgerTiles(tables), head.signed());
        Ok(Receipt::prove(&nodes, index, head.checkpoint.unwrap(), leaf.opening.as_ref()).unwrap())
    });
    made.await.unwrap()
}

fn no_witness() -> WitnessPolicy {
    WitnessPolicy::new(Vec::new(), 0).unwrap()
}

/// A machine of the unit U7, by a method.
fn caller() -> RequestContext {
    RequestContext::new(Principal::Machine { name: "payments".into() }).with_unit("U7").with_method("Decide")
}

promises! {
    embedded_store, super::embedded;
    sealed_store, super::embedded_and_sealed;
    memory_store, super::in_memory;
    postgres_store, super::in_postgres
    => {
        whatever_is_done_is_entered_with_it_once_and_in_order,
        how_a_record_stands_and_its_erasure_are_entered_with_what_they_came_to,
        a_report_tells_who_looked_at_the_present_record_alone,
        an_answer_handed_out_again_is_entered_as_such,
        what_is_refused_is_not_entered,
        whose_records_a_decision_tells_of_is_entered,
        nothing_is_done_without_an_entry,
        a_look_is_entered_with_everybody_it_showed,
        a_decision_says_what_it_rests_on_and_never_who,
        entries_are_found_by_transaction_and_subject,
        entries_are_taken_into_the_tree_in_order_and_signed,
        of_two_sequencers_one_does_the_work_and_the_other_nothing,
        a_receipt_holds_years_later_without_the_log,
        checkpoints_that_stay_are_a_minute_apart,
        keys_change_with_both_keys_over_the_change,
        pruned_contents_are_gone_and_tree_and_receipts_stay,
        another_key_signs_nothing,
    }
}

async fn whatever_is_done_is_entered_with_it_once_and_in_order(gallery: Gallery) {
    create(&gallery, "a", &[1]).await.unwrap();
    create(&gallery, "b", &[2]).await.unwrap();
    gallery.enrol(&by(), enrolment("a", EnrolMode::Replace, &[3]), None).await.unwrap();
    gallery.decide(&by(), decision("t", 1, "a", Outcome::Refer)).await.unwrap();
    let reason = Note::new("seen").unwrap();
    let resolution =
        Resolution { officer: id("o"), outcome: Outcome::Approve, reason: reason.clone(), resolved_at: Timestamp(0) };
    let key = DecisionKey::new(RequestId::new("t").unwrap(), 1).unwrap();
    gallery.resolve(&by(), ResolveCommand { key, resolution, officers_needed: 1 }).await.unwrap();
    let clear = ClearPair {
        first: id("a"),
        second: id("b"),
        officer: id("o"),
        reason: reason.clone(),
        officers_needed: 1,
        lifetime_ms: None,
    };
    gallery.clear_pair(&by(), clear).await.unwrap();
    let unclear = UnclearPair { first: id("a"), second: id("b"), officer: id("o"), reason };
    gallery.unclear_pair(&by(), unclear).await.unwrap();
    gallery.remove(&by(), &id("b"), None).await.unwrap();
    let first_sight = NewDecision {
        enrolment: Some(enrolment("new", EnrolMode::Create, &[5])),
        ..decision("u", 1, "new", Outcome::Approve)
    };
    gallery.decide(&by(), first_sight).await.unwrap();
    assert_eq!(
        kinds(&gallery).await,
        [
            Kind::Enrolment,
            Kind::Enrolment,
            Kind::Replacement,
            Kind::Decision,
            Kind::OfficerAnswer,
            Kind::PairCleared,
            Kind::PairUncleared,
            Kind::Removal,
            Kind::Decision,
            Kind::Enrolment,
        ]
    );
    let all = entered(&gallery).await;
    assert!(all.windows(2).all(|two| two[0].at_ms <= two[1].at_ms));
    assert_eq!(all[4].named.as_ref().map(|label| label.as_str()), Some("o"));
    assert_eq!(all[4].subjects, [digest_key().subject("a")], "an officer's answer is about somebody");
}

async fn how_a_record_stands_and_its_erasure_are_entered_with_what_they_came_to(gallery: Gallery) {
    use gallery::{ChangeStanding, Erase, HoldName, Note, Requester, StandingAction};
    create(&gallery, "a", &[1]).await.unwrap();
    let (subject, by, reason) = (id("a"), id("auditor-1"), Note::new("as was asked").unwrap());
    let hold = HoldName::new("VKS-12").unwrap();
    let stand = async |action| {
        let change = ChangeStanding { subject: subject.clone(), action, by: by.clone(), reason: reason.clone() };
        gallery.change_standing(&caller(), change, None).await.unwrap();
    };
    let erase = Erase {
        subject: subject.clone(),
        requester: Requester::Person,
        finding_open: false,
        by: by.clone(),
        reason: reason.clone(),
    };
    stand(StandingAction::Restrict(Requester::Person)).await;
    stand(StandingAction::Lift).await;
    stand(StandingAction::Hold(hold.clone())).await;
    let waits = gallery.erase(&caller(), erase.clone(), None).await.unwrap();
    stand(StandingAction::Release(hold)).await;
    let name = || Some(retry("erase", 1));
    let erased = gallery.erase(&caller(), erase.clone(), name()).await.unwrap();
    // By the number whoever asked finds the receipt, also where the answer was lost and is asked for again.
    let numbers: Vec<u64> = entries(&gallery)
        .await
        .iter()
        .filter(|leaf| Entry::decode(&leaf.opening.as_ref().unwrap().contents).unwrap().kind == Kind::Erasure)
        .map(|leaf| leaf.index)
        .collect();
    assert_eq!(numbers, [waits.entry.unwrap(), erased.entry.unwrap()]);
    let again = gallery.erase(&caller(), erase, name()).await.unwrap();
    assert_eq!((again.entry, again.receipt.replayed), (erased.entry, true));
    let is_of_standing = |one: &Entry| matches!(one.kind, Kind::Restriction | Kind::Hold | Kind::Erasure);
    let entries: Vec<Entry> = entered(&gallery).await.into_iter().filter(is_of_standing).collect();
    let told = |entry: &Entry| {
        let outcome = entry.outcome.as_ref().map_or("", |outcome| outcome.as_str()).to_owned();
        assert_eq!(entry.subjects, [digest_key().subject("a")]);
        (entry.kind, outcome, entry.reasons.len())
    };
    let expected = [
        (Kind::Restriction, "restricted", 0),
        (Kind::Restriction, "lifted", 0),
        (Kind::Hold, "held", 0),
        (Kind::Erasure, "waits", 1),
        (Kind::Hold, "released", 0),
        (Kind::Erasure, "erased", 0),
    ];
    let expected = expected.map(|(kind, outcome, reasons)| (kind, outcome.to_owned(), reasons));
    assert_eq!(entries.iter().map(told).collect::<Vec<_>>(), expected);
}

/// Whoever is enrolled under an id that somebody was erased from is told of their own record alone.
async fn a_report_tells_who_looked_at_the_present_record_alone(gallery: Gallery) {
    use gallery::{Erase, Note, Requester};
    let erase = Erase {
        subject: id("a"),
        requester: Requester::Person,
        finding_open: false,
        by: id("r-1"),
        reason: Note::new("as was asked").unwrap(),
    };
    let look = async || gallery.enter_look(&caller(), Look::new(Kind::RecordRead).at([id("a")])).await.unwrap();
    let told = async || {
        let report = Rights::new(&gallery, NumberIds::Refuse).report(&caller(), &id("a")).await.unwrap();
        let accesses = report.accesses.unwrap();
        assert!(!accesses.truncated);
        accesses.newest.into_iter().map(|one| one.kind).collect::<Vec<_>>()
    };
    look().await;
    create(&gallery, "a", &[1]).await.unwrap();
    look().await;
    assert_eq!(told().await, ["enrolment", "record_read"]);
    gallery.erase(&caller(), erase, None).await.unwrap();
    look().await;
    create(&gallery, "a", &[2]).await.unwrap();
    assert_eq!(told().await, ["enrolment"]);
    look().await;
    assert_eq!(told().await, ["enrolment", "record_read", "record_read"], "the report itself is a look");
    gallery.remove(&caller(), &id("a"), None).await.unwrap();
    create(&gallery, "a", &[3]).await.unwrap();
    assert_eq!(told().await, ["enrolment"]);
}

async fn an_answer_handed_out_again_is_entered_as_such(gallery: Gallery) {
    let retried = || retry("r", 1);
    gallery.enrol(&by(), enrolment("a", EnrolMode::Add, &[1]), Some(retried())).await.unwrap();
    gallery.enrol(&by(), enrolment("a", EnrolMode::Add, &[1]), Some(retried())).await.unwrap();
    gallery.decide(&by(), decision("t", 1, "a", Outcome::Deny)).await.unwrap();
    gallery.decide(&by(), decision("t", 1, "a", Outcome::Deny)).await.unwrap();
    let all = entered(&gallery).await;
    let kinds: Vec<Kind> = all.iter().map(|entry| entry.kind).collect();
    assert_eq!(kinds, [Kind::Enrolment, Kind::RecordRead, Kind::Decision, Kind::RecordRead]);
    let again = &all[3];
    assert_eq!(again.outcome.as_ref().map(|code| code.as_str()), Some("again"));
    assert_eq!((again.transaction, again.attempt), (all[2].transaction, 1));
    assert!(again.scores.is_empty() && again.digests.is_empty());
}

async fn whose_records_a_decision_tells_of_is_entered(gallery: Gallery) {
    let shown = vec![id("twin"), id("double"), id("twin")];
    let of = NewDecision { facts: LedgerFacts { shown, ..facts() }, ..decision("t", 1, "a", Outcome::Refer) };
    gallery.decide(&by(), of).await.unwrap();
    let all = entered(&gallery).await;
    assert_eq!(all.iter().map(|entry| entry.kind).collect::<Vec<_>>(), [Kind::Decision, Kind::Identify]);
    assert_eq!((all[1].transaction, all[1].records), (all[0].transaction, Some(2)));
    for other in ["twin", "double"] {
        assert!(all[1].subjects.contains(&digest_key().subject(other)));
    }
}

async fn what_is_refused_is_not_entered(gallery: Gallery) {
    create(&gallery, "a", &[1]).await.unwrap();
    assert!(create(&gallery, "a", &[1]).await.is_err());
    assert!(gallery.remove(&by(), &id("nobody"), None).await.is_err());
    assert!(gallery.decide(&by(), decision("t", 2, "a", Outcome::Deny)).await.is_err());
    assert_eq!(kinds(&gallery).await, [Kind::Enrolment]);
}

async fn nothing_is_done_without_an_entry(gallery: Gallery) {
    // Without a digest of its policy a decision cannot be entered: then it is not made either.
    let unfounded = NewDecision { facts: LedgerFacts::default(), ..decision("t", 1, "a", Outcome::Approve) };
    let refused = gallery.decide(&by(), unfounded).await;
    assert!(matches!(refused, Err(GalleryError::Entry(_))), "{refused:?}");
    assert!(gallery.last_decision(&RequestId::new("t").unwrap()).await.unwrap().is_none());
    assert!(entries(&gallery).await.is_empty());
}

async fn a_look_is_entered_with_everybody_it_showed(gallery: Gallery) {
    let shown: Vec<_> = (0..2500).map(|number| id(format!("s{number}"))).collect();
    let look = Look::new(Kind::Identify).at(shown.clone()).of_records(shown.len());
    gallery.enter_look(&caller(), look).await.unwrap();
    let all = entered(&gallery).await;
    assert!(all.len() == 3 && all.iter().all(|entry| entry.kind == Kind::Identify && entry.records == Some(2500)));
    let found: std::collections::BTreeSet<_> = all.iter().flat_map(|entry| &entry.subjects).copied().collect();
    let expected = shown.iter().map(|id| digest_key().subject(id.as_str())).collect();
    assert_eq!(found, expected);
    let Entry { principal, unit, method, .. } = &all[0];
    assert_eq!(principal.name.as_ref().unwrap().as_str(), "payments");
    assert_eq!((unit.as_ref().unwrap().as_str(), method.as_ref().unwrap().as_str()), ("U7", "Decide"));
}

async fn a_decision_says_what_it_rests_on_and_never_who(gallery: Gallery) {
    let of = decision("7d9f-079088000017", 1, "079088000017-record", Outcome::Refer);
    gallery.decide(&caller(), of).await.unwrap();
    let leaf = entries(&gallery).await.remove(0);
    let contents = leaf.opening.unwrap().contents;
    let is_in = |text: &str| contents.windows(text.len()).any(|window| window == text.as_bytes());
    for secret in ["079088000017", "record", "7d9f"] {
        assert!(!is_in(secret), "{secret}");
    }
    for told in ["payments", "U1", "clerk-1", "NAME_DIFFERS", "REFER", "AUTHENTIC", "chip_face", "Decide"] {
        assert!(is_in(told), "{told}");
    }
    let entry = Entry::decode(&contents).unwrap();
    assert_eq!(entry.digests, facts().digests);
    // A score that is no number is left out, and stands in the way of nothing.
    let scores: Vec<_> = entry.scores.iter().map(|score| (score.what.as_str(), score.value, score.threshold)).collect();
    assert_eq!(scores, [("chip_face", 0.5, Some(0.3))]);
}

async fn entries_are_found_by_transaction_and_subject(gallery: Gallery) {
    for subject in ["a", "b"] {
        create(&gallery, subject, &[1]).await.unwrap();
        gallery.decide(&by(), decision(&format!("t-{subject}"), 1, subject, Outcome::Deny)).await.unwrap();
    }
    gallery.enter_look(&by(), Look::new(Kind::RecordRead).at([id("a")])).await.unwrap();
    let about = async |digest| gallery.read_ledger(move |tables| tables.about(&digest, 0, 100)).await.unwrap();
    assert_eq!(about(digest_key().subject("a")).await, [0, 1, 4]);
    assert_eq!(about(digest_key().transaction("t-b")).await, [3]);
    assert!(about(digest_key().subject("nobody")).await.is_empty());
    let from = gallery.read_ledger(|tables| tables.about(&digest_key().subject("a"), 1, 1)).await.unwrap();
    assert_eq!(from, [1]);
}

async fn entries_are_taken_into_the_tree_in_order_and_signed(gallery: Gallery) {
    // An empty log is signed, too.
    assert_eq!(gallery.sequence(&signer(1)).await.unwrap(), 0);
    for round in 0..4u64 {
        for number in 0..90 {
            gallery.enter_look(&by(), Look::new(Kind::LookUp).at([id(format!("{round}-{number}"))])).await.unwrap();
        }
        assert_eq!(gallery.sequence(&signer(1)).await.unwrap(), 90 * (round + 1));
        let report = verified(&gallery).await;
        assert_eq!(
            (report.log.entries, report.log.signed, report.unsequenced),
            (90 * (round + 1), 90 * (round + 1), 0)
        );
    }
    gallery.enter_look(&by(), Look::new(Kind::LookUp)).await.unwrap();
    assert_eq!(verified(&gallery).await.unsequenced, 1);
}

async fn of_two_sequencers_one_does_the_work_and_the_other_nothing(gallery: Gallery) {
    let gallery = Arc::new(gallery);
    let key = signer(1);
    let work = async |gallery: Arc<Gallery>| {
        for _ in 0..50 {
            gallery.enter_look(&by(), Look::new(Kind::LookUp)).await.unwrap();
            gallery.sequence(&key).await.unwrap();
        }
    };
    tokio::join!(work(Arc::clone(&gallery)), work(Arc::clone(&gallery)), work(Arc::clone(&gallery)));
    let report = verified(&gallery).await;
    assert_eq!((report.log.entries, report.log.signed), (150, 150));
}

async fn a_receipt_holds_years_later_without_the_log(gallery: Gallery) {
    for number in 0..300 {
        gallery.decide(&by(), decision(&format!("t-{number}"), 1, "a", Outcome::Deny)).await.unwrap();
    }
    gallery.sequence(&signer(1)).await.unwrap();
    let keys = LogKeys::new(signer(1).verifier().clone()).unwrap();
    for index in [0, 1, 255, 256, 299] {
        let text = receipt(&gallery, index).await.to_string();
        let read = Receipt::parse(text.as_bytes()).unwrap();
        let proven = read.verify(None, &keys, &no_witness()).unwrap();
        let entry = Entry::decode(&proven.opening.unwrap().contents).unwrap();
        assert_eq!((proven.index, entry.transaction), (index, Some(digest_key().transaction(&format!("t-{index}")))));
        let other = LogKeys::new(signer(2).verifier().clone()).unwrap();
        assert!(read.verify(None, &other, &no_witness()).is_err());
    }
}

async fn checkpoints_that_stay_are_a_minute_apart(gallery: Gallery) {
    for _ in 0..20 {
        gallery.enter_look(&by(), Look::new(Kind::LookUp)).await.unwrap();
        gallery.sequence(&signer(1)).await.unwrap();
    }
    let kept = gallery.read_ledger(|tables| tables.checkpoints(None, 100)).await.unwrap();
    // The first of the minute, and the newest.
    assert_eq!(kept.len(), 2);
    assert_eq!(verified(&gallery).await.log.signed, 20);
}

async fn keys_change_with_both_keys_over_the_change(gallery: Gallery) {
    create(&gallery, "a", &[1]).await.unwrap();
    let [first, second] = [signer(1), signer(2)];
    gallery.sequence(&first).await.unwrap();
    let before = receipt(&gallery, 0).await;
    assert!(gallery.change_signer(&by(), &first, &second).await.unwrap());
    assert!(!gallery.change_signer(&by(), &first, &second).await.unwrap(), "it is done once");
    assert!(matches!(gallery.sequence(&first).await, Err(GalleryError::LedgerSigner)), "a key that was given up");
    create(&gallery, "b", &[2]).await.unwrap();
    gallery.sequence(&second).await.unwrap();
    let report = verified(&gallery).await;
    assert_eq!(report.keys.current(), second.verifier());
    assert_eq!(kinds(&gallery).await, [Kind::Enrolment, Kind::KeysChanged, Kind::Enrolment]);
    // Receipts of before and after, by the first key and the notes of changes alone.
    for receipt in [before, receipt(&gallery, 2).await] {
        receipt.verify(None, &report.keys, &no_witness()).unwrap();
    }
    let third = signer(3);
    assert!(matches!(gallery.change_signer(&by(), &first, &third).await, Err(GalleryError::LedgerSigner)));
}

async fn pruned_contents_are_gone_and_tree_and_receipts_stay(gallery: Gallery) {
    for number in 0..10 {
        gallery.decide(&by(), decision(&format!("t-{number}"), 1, "a", Outcome::Deny)).await.unwrap();
    }
    let later = Timestamp(Timestamp::now().0 + 1000);
    assert_eq!(gallery.prune_entries(&by(), later).await.unwrap(), 0, "what nobody has signed stays");
    gallery.sequence(&signer(1)).await.unwrap();
    let kept = receipt(&gallery, 3).await;
    assert_eq!(gallery.prune_entries(&by(), Timestamp(1)).await.unwrap(), 0);
    assert_eq!(gallery.prune_entries(&by(), later).await.unwrap(), 10);
    gallery.sequence(&signer(1)).await.unwrap();
    let all = entries(&gallery).await;
    assert!(all[..10].iter().all(|leaf| leaf.opening.is_none()) && all[10].opening.is_some());
    let pruned = Entry::decode(&all[10].opening.as_ref().unwrap().contents).unwrap();
    assert_eq!((pruned.kind, pruned.records), (Kind::Pruned, Some(10)));
    let about = gallery.read_ledger(|tables| tables.about(&digest_key().subject("a"), 0, 100)).await.unwrap();
    assert!(about.is_empty());
    let report = verified(&gallery).await;
    assert_eq!((report.log.entries, report.log.opened, report.pruned), (11, 1, 10));
    // A receipt of before, and a new one of the commitment alone.
    kept.verify(None, &report.keys, &no_witness()).unwrap();
    receipt(&gallery, 3).await.verify(Some(all[3].commitment), &report.keys, &no_witness()).unwrap();
}

async fn another_key_signs_nothing(gallery: Gallery) {
    create(&gallery, "a", &[1]).await.unwrap();
    assert!(matches!(gallery.sequence(&signer(2)).await, Err(GalleryError::LedgerSigner)));
    assert_eq!(gallery.ledger_head().await.unwrap().signed(), 0);
}

#[test]
fn a_gallery_with_a_log_is_opened_with_its_key_alone() {
    let dir = tempfile::tempdir().unwrap();
    block_on(async { create(&open_with_log(dir.path()).unwrap(), "a", &[1]).await }).unwrap();
    assert!(matches!(open(dir.path()), Err(GalleryError::LedgerNeeded)));
    let other = LedgerSetup { key: LedgerKey::from_bytes([8; 32]), begin_with: None, sign_at_once: Vec::new() };
    let refused = gallery::open(dir.path(), RECIPE, DIMENSION, EmbeddedOptions { ledger: Some(other), ..options() });
    assert!(matches!(refused, Err(GalleryError::LedgerKey)), "{refused:?}");
    // The key that it was begun with stays, whatever a later opening would begin one with.
    let gallery = open_with_log(dir.path()).unwrap();
    assert_eq!(block_on(entered(&gallery)).len(), 1);
    assert!(gallery::keeps_ledger(dir.path()).unwrap(), "also while it is open");
}

#[test]
fn a_command_signs_what_it_enters_before_it_answers() {
    let dir = tempfile::tempdir().unwrap();
    let opened = |keys: &[u8]| {
        let sign_at_once = keys.iter().map(|seed| signer(*seed)).collect();
        let ledger = Some(LedgerSetup { sign_at_once, ..setup() });
        gallery::open(dir.path(), RECIPE, DIMENSION, EmbeddedOptions { ledger, ..options() })
    };
    let gallery = opened(&[1]).unwrap();
    block_on(async {
        create(&gallery, "a", &[1]).await.unwrap();
        assert_eq!(gallery.ledger_head().await.unwrap().signed(), 1);
        gallery.enter_look(&by(), Look::new(Kind::LookUp)).await.unwrap();
        assert_eq!(gallery.ledger_head().await.unwrap().signed(), 2);
        // Over a change of keys either may be the log's.
        gallery.change_signer(&by(), &signer(1), &signer(2)).await.unwrap();
    });
    drop(gallery);
    assert!(matches!(opened(&[1]), Err(GalleryError::LedgerSigner)), "a key that was given up signs nothing");
    let gallery = opened(&[2, 1]).unwrap();
    block_on(async {
        create(&gallery, "b", &[2]).await.unwrap();
        let head = gallery.ledger_head().await.unwrap();
        assert_eq!(head.signed(), head.entries);
    });
    drop(gallery);
    // A folder that is read whole as well.
    let go_on = std::ops::ControlFlow::Continue(());
    let ledger = Some(LedgerSetup { sign_at_once: vec![signer(2)], ..setup() });
    let options = EmbeddedOptions { ledger, ..options() };
    gallery::read_all(&by(), dir.path(), &options, &mut |_| go_on.clone(), &mut |_| go_on.clone()).unwrap();
    let gallery = opened(&[2]).unwrap();
    let head = block_on(gallery.ledger_head()).unwrap();
    assert_eq!((head.signed(), head.entries), (5, 5));
}

#[test]
fn a_gallery_without_a_log_begins_one_when_it_is_opened_with_a_key_for_it() {
    let dir = tempfile::tempdir().unwrap();
    block_on(async { create(&open(dir.path()).unwrap(), "before", &[1]).await }).unwrap();
    assert!(!gallery::keeps_ledger(dir.path()).unwrap());
    let without = LedgerSetup { begin_with: None, ..setup() };
    let gallery = gallery::open(dir.path(), RECIPE, DIMENSION, EmbeddedOptions { ledger: Some(without), ..options() });
    assert!(!gallery.unwrap().has_ledger());
    let gallery = open_with_log(dir.path()).unwrap();
    block_on(async {
        create(&gallery, "after", &[2]).await.unwrap();
        assert_eq!(kinds(&gallery).await, [Kind::Enrolment]);
        assert!(gallery.subject(&id("before")).await.unwrap().is_some());
    });
}

#[test]
fn a_folder_with_a_log_that_is_read_whole_says_so_in_the_log() {
    let dir = tempfile::tempdir().unwrap();
    block_on(async { create(&open_with_log(dir.path()).unwrap(), "a", &[1]).await }).unwrap();
    let read = |options: &EmbeddedOptions| {
        let go_on = std::ops::ControlFlow::Continue(());
        gallery::read_all(&caller(), dir.path(), options, &mut |_| go_on.clone(), &mut |_| go_on.clone())
    };
    assert!(matches!(read(&options()), Err(GalleryError::LedgerNeeded)));
    read(&EmbeddedOptions { ledger: Some(setup()), ..options() }).unwrap();
    let all = block_on(async { entered(&open_with_log(dir.path()).unwrap()).await });
    let last = all.last().unwrap();
    assert_eq!((last.kind, last.records), (Kind::Snapshot, Some(1)));
    assert_eq!(last.principal.name.as_ref().unwrap().as_str(), "payments");
}

#[test]
fn whoever_waits_for_a_signature_is_told_when_it_is_there() {
    let (gallery, _dir) = embedded();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let gallery = Arc::new(gallery);
        let sequencer = {
            let gallery = Arc::clone(&gallery);
            tokio::spawn(async move { gallery.keep_sequencing(&signer(1), Duration::from_millis(20)).await })
        };
        for index in 0..5 {
            create(&gallery, &format!("s{index}"), &[index]).await.unwrap();
            tokio::time::timeout(Duration::from_secs(30), gallery.until_signed(index)).await.unwrap().unwrap();
            assert!(gallery.ledger_head().await.unwrap().signed() > index);
        }
        sequencer.abort();
    });
}

const FOLDER: &str = "CHINHCHU_TEST_DECIDE_INTO";
const DECISIONS: u64 = 1000;

/// Decides from eight callers, with a sequencer beside them, naming each on standard output once it is
/// acknowledged.
#[test]
fn deciding_child() {
    let Some(dir) = std::env::var_os(FOLDER) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let gallery = Arc::new(open_with_log(Path::new(&dir)).unwrap());
        let signing = Arc::clone(&gallery);
        tokio::spawn(async move { signing.keep_sequencing(&signer(1), Duration::from_millis(5)).await });
        let callers: Vec<_> = (0..8)
            .map(|part| {
                let gallery = Arc::clone(&gallery);
                tokio::spawn(async move {
                    for number in (part..DECISIONS).step_by(8) {
                        let of = decision(&format!("t-{number}"), 1, &format!("s-{number}"), Outcome::Deny);
                        gallery.decide(&by(), of).await.unwrap();
                        acknowledge(number);
                    }
                })
            })
            .collect();
        for caller in callers {
            caller.await.unwrap();
        }
    });
}

#[test]
fn kill_9_among_decisions_of_eight_callers_loses_no_entry_and_enters_none_twice() {
    for lines in [1, 130, 400, 700] {
        let dir = tempfile::tempdir().unwrap();
        let acknowledged = acknowledged_before_kill("ledger::deciding_child", FOLDER, dir.path(), lines);
        assert!(acknowledged.len() >= lines, "the child ended by itself");
        let gallery = open_with_log(dir.path()).unwrap();
        block_on(async {
            let keys = verified(&gallery).await.keys;
            gallery.sequence(&signer(1)).await.unwrap();
            let all = entered(&gallery).await;
            for number in acknowledged {
                let transaction = digest_key().transaction(&format!("t-{number}"));
                let of_it: Vec<usize> =
                    (0..all.len()).filter(|index| all[*index].transaction == Some(transaction)).collect();
                assert_eq!(of_it.len(), 1, "an acknowledged decision has its entry once");
                assert_eq!(all[of_it[0]].kind, Kind::Decision);
                let receipt = receipt(&gallery, of_it[0] as u64).await;
                receipt.verify(None, &keys, &no_witness()).unwrap();
            }
            // And no entry is of a decision that is not there.
            for entry in &all {
                let is_it = |number: &u64| entry.transaction == Some(digest_key().transaction(&format!("t-{number}")));
                let number = (0..DECISIONS).find(is_it).unwrap();
                let stored = gallery.last_decision(&RequestId::new(format!("t-{number}")).unwrap()).await.unwrap();
                assert!(stored.is_some());
            }
        });
    }
}

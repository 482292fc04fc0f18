//! What is promised of the pictures of cases that wait for an officer: kept sealed alone and of what did
//! not approve, gone with the case, the person and their time, read by nobody else and never without an
//! entry of the log.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use chinhchu::context::{Reach, RequestContext};
use chinhchu::gallery::{
    self, CASE_PICTURES_MAX, CasePicture, ChangeStanding, Command, DecisionKey, EmbeddedOptions, Erase, Erasure,
    Gallery, GalleryError, HoldName, LedgerSetup, NewDecision, NewPictures, Outcome, PICTURE_BYTES_MAX, PictureOf,
    ReadSet, RequestId, Requester, Resolution, ResolveCommand, RetentionCounts, RetentionOptions, RetentionRules,
    StandingAction, Timestamp, leaves,
};
use chinhchu::ledger::entry::{Entry, Kind};
use chinhchu::sealing::{Secret, aead};
use chinhchu::workflow::beneficiary::{Cases, PicturesKept};
use chinhchu::workflow::rights::Rights;
use chinhchu::workflow::{CaseRules, NumberIds, WorkflowError};
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};

use crate::ledger::{digest_key, signer};
use crate::memory::{MemoryIndex, MemoryStore};
use crate::sealed::{files, holds, key_store};
use crate::standing::note;
use crate::support::*;

const PICTURES: TableDefinition<u64, &[u8]> = TableDefinition::new("case_pictures");
const TIMES: TableDefinition<u64, &[u8]> = TableDefinition::new("picture_times");

promises!(
    sealed, super::embedded_and_sealed; memory, super::in_memory => {
        pictures_are_kept_with_what_did_not_approve_and_with_nothing_else,
        pictures_go_when_officers_have_closed_the_case_and_not_before,
        pictures_of_every_attempt_go_when_a_later_one_approves,
        a_retry_changes_nothing_of_the_pictures,
        pictures_go_with_their_subject,
        pictures_go_when_their_time_is_over_whoever_holds_the_record,
        pictures_go_with_their_decision_when_it_is_retained_no_longer,
        too_many_or_too_long_pictures_are_refused,
        a_report_counts_the_pictures_that_are_kept,
    }
);

promises!(
    clear, super::embedded; unsealed, super::in_memory_and_clear; postgres, crate::postgres::gallery => {
        in_the_clear_no_picture_is_kept_whoever_asks,
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

fn memory(store: MemoryStore) -> (Gallery, ()) {
    (Gallery::new(Arc::new(store), vec![Arc::new(MemoryIndex::default())]).unwrap(), ())
}

fn in_memory() -> (Gallery, ()) {
    memory(MemoryStore::default().given_out_as_sealed())
}

fn in_memory_and_clear() -> (Gallery, ()) {
    memory(MemoryStore::default())
}

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// Bytes as a JPEG begins, of this picture and no other.
fn jpeg(of: u8) -> Vec<u8> {
    let mut bytes = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00 a picture of the tests ".to_vec();
    bytes.extend((0..2000u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8 ^ of));
    bytes
}

/// Two captures and the chip's photo.
pub fn pictures(of: u8, lifetime_ms: u64) -> NewPictures {
    let kinds = [PictureOf::Capture(0), PictureOf::Capture(2), PictureOf::Chip];
    let pictures = kinds.into_iter().zip(0..).map(|(kind, more)| CasePicture { of: kind, jpeg: jpeg(of + more) });
    NewPictures { pictures: pictures.collect(), left_out: 1, lifetime_ms }
}

fn key(transaction: &str, attempt: u32) -> DecisionKey {
    DecisionKey::new(RequestId::new(transaction).unwrap(), attempt).unwrap()
}

fn showing(transaction: &str, attempt: u32, subject: &str, outcome: Outcome) -> NewDecision {
    let pictures = Some(pictures(10 * attempt as u8, DAY_MS));
    NewDecision { pictures, ..crate::ledger::decision(transaction, attempt, subject, outcome) }
}

async fn decide(gallery: &Gallery, transaction: &str, attempt: u32, subject: &str, outcome: Outcome) {
    gallery.decide(&by(), showing(transaction, attempt, subject, outcome)).await.unwrap();
}

async fn answer(gallery: &Gallery, transaction: &str, attempt: u32, officer: &str, outcome: Outcome, needed: u32) {
    let resolution = Resolution { officer: id(officer), outcome, reason: note("seen"), resolved_at: Timestamp(0) };
    let command = ResolveCommand { key: key(transaction, attempt), resolution, officers_needed: needed };
    gallery.resolve(&by(), command).await.unwrap();
}

async fn are_there(gallery: &Gallery, transaction: &str, attempt: u32) -> bool {
    gallery.pictures(&key(transaction, attempt)).await.unwrap().is_some()
}

fn erase(subject: &str) -> Erase {
    let reason = note("the person asked");
    Erase { subject: id(subject), requester: Requester::Person, finding_open: false, by: id("r-1"), reason }
}

async fn pictures_are_kept_with_what_did_not_approve_and_with_nothing_else(gallery: Gallery) {
    create(&gallery, "a", &[1]).await.unwrap();
    for (transaction, outcome) in
        [("refers", Outcome::Refer), ("denies", Outcome::Deny), ("approves", Outcome::Approve)]
    {
        decide(&gallery, transaction, 1, "a", outcome).await;
    }
    for transaction in ["refers", "denies"] {
        let decision = gallery.decision(&key(transaction, 1)).await.unwrap().unwrap();
        let found = gallery.pictures(&decision.key).await.unwrap().unwrap();
        let NewPictures { pictures, left_out, lifetime_ms } = pictures(10, DAY_MS);
        assert!(found.pictures == pictures && found.left_out == left_out, "bit for bit, in their order");
        assert_eq!((found.kept_at, found.kept_until.0), (decision.decided_at, decision.decided_at.0 + lifetime_ms));
        assert_eq!((decision.pictures_until, found.number), (Some(found.kept_until), decision.number));
    }
    assert!(!are_there(&gallery, "approves", 1).await);
    assert_eq!(gallery.decision(&key("approves", 1)).await.unwrap().unwrap().pictures_until, None);
    // About somebody who is not enrolled as about anybody.
    decide(&gallery, "nobody", 1, "somebody-new", Outcome::Refer).await;
    assert!(are_there(&gallery, "nobody", 1).await);
    // And none where none were made.
    let without = NewDecision { pictures: None, ..showing("without", 1, "a", Outcome::Refer) };
    assert_eq!(gallery.decide(&by(), without).await.unwrap().0.pictures_until, None);
    assert!(!are_there(&gallery, "without", 1).await);
}

async fn in_the_clear_no_picture_is_kept_whoever_asks(gallery: Gallery) {
    assert!(!gallery.is_sealed());
    let (stored, _) = gallery.decide(&by(), showing("t", 1, "a", Outcome::Refer)).await.unwrap();
    assert_eq!(stored.pictures_until, None);
    assert!(!are_there(&gallery, "t", 1).await);
}

async fn pictures_go_when_officers_have_closed_the_case_and_not_before(gallery: Gallery) {
    assert!(gallery.is_sealed());
    for transaction in ["t-1", "t-2", "t-3"] {
        for attempt in [1, 2] {
            decide(&gallery, transaction, attempt, "a", Outcome::Deny).await;
        }
    }
    answer(&gallery, "t-1", 2, "o-1", Outcome::Deny, 2).await;
    // The first of two who must approve: the second has to look.
    answer(&gallery, "t-2", 2, "o-1", Outcome::Approve, 2).await;
    for attempt in [1, 2] {
        assert!(!are_there(&gallery, "t-1", attempt).await, "all attempts of a case that is closed");
        assert!(are_there(&gallery, "t-2", attempt).await && are_there(&gallery, "t-3", attempt).await);
    }
    answer(&gallery, "t-2", 2, "o-2", Outcome::Approve, 2).await;
    for attempt in [1, 2] {
        assert!(!are_there(&gallery, "t-2", attempt).await && are_there(&gallery, "t-3", attempt).await);
    }
    let closed = gallery.decision(&key("t-2", 1)).await.unwrap().unwrap();
    assert!(closed.pictures_until.is_some(), "that there were some is known");
}

async fn pictures_of_every_attempt_go_when_a_later_one_approves(gallery: Gallery) {
    for attempt in [1, 2] {
        decide(&gallery, "t", attempt, "a", Outcome::Refer).await;
    }
    decide(&gallery, "other", 1, "a", Outcome::Refer).await;
    assert!(are_there(&gallery, "t", 1).await && are_there(&gallery, "t", 2).await, "an officer sees both");
    decide(&gallery, "t", 3, "a", Outcome::Approve).await;
    for attempt in [1, 2, 3] {
        assert!(!are_there(&gallery, "t", attempt).await);
    }
    assert!(are_there(&gallery, "other", 1).await);
}

async fn a_retry_changes_nothing_of_the_pictures(gallery: Gallery) {
    decide(&gallery, "t", 1, "a", Outcome::Refer).await;
    let before = gallery.pictures(&key("t", 1)).await.unwrap();
    let again = NewDecision { pictures: Some(pictures(77, 9 * DAY_MS)), ..showing("t", 1, "a", Outcome::Refer) };
    assert!(gallery.decide(&by(), again.clone()).await.unwrap().1);
    assert!(gallery.pictures(&key("t", 1)).await.unwrap() == before);
    answer(&gallery, "t", 1, "o-1", Outcome::Deny, 1).await;
    assert!(gallery.decide(&by(), again).await.unwrap().1);
    assert!(!are_there(&gallery, "t", 1).await, "and a late one brings none back");
}

async fn pictures_go_with_their_subject(gallery: Gallery) {
    for subject in ["removed", "erased", "stays"] {
        create(&gallery, subject, &[1]).await.unwrap();
        decide(&gallery, subject, 1, subject, Outcome::Deny).await;
    }
    decide(&gallery, "t-nobody", 1, "nobody", Outcome::Deny).await;
    gallery.remove(&by(), &id("removed"), None).await.unwrap();
    for subject in ["erased", "nobody"] {
        assert_eq!(gallery.erase(&by(), erase(subject), None).await.unwrap().erasure, Erasure::Erased);
    }
    for transaction in ["removed", "erased", "t-nobody"] {
        assert!(!are_there(&gallery, transaction, 1).await, "{transaction}");
    }
    assert!(are_there(&gallery, "stays", 1).await);
    // Decisions about one who was removed stay, and say that there were pictures.
    assert!(gallery.decision(&key("removed", 1)).await.unwrap().unwrap().pictures_until.is_some());
}

async fn retain(gallery: &Gallery, picture_days: Option<u32>, dry_run: bool) -> RetentionCounts {
    let rules = RetentionRules { picture_days, ..RetentionRules::default() };
    let options = RetentionOptions { dry_run, ..RetentionOptions::default() };
    gallery.retain(&by(), &rules, options).await.unwrap().counts
}

async fn pictures_go_when_their_time_is_over_whoever_holds_the_record(gallery: Gallery) {
    create(&gallery, "a", &[1]).await.unwrap();
    // More than one commit of the job takes.
    for number in 0..20 {
        let transaction = format!("short-{number:02}");
        let new = NewDecision { pictures: Some(pictures(1, 40)), ..showing(&transaction, 1, "a", Outcome::Refer) };
        gallery.decide(&by(), new).await.unwrap();
    }
    decide(&gallery, "long", 1, "a", Outcome::Refer).await;
    let action = StandingAction::Hold(HoldName::new("VKS-12").unwrap());
    let hold = ChangeStanding { subject: id("a"), action, by: id("o-1"), reason: note("as was asked") };
    gallery.change_standing(&by(), hold, None).await.unwrap();
    std::thread::sleep(Duration::from_millis(60));
    for number in 0..20 {
        assert!(!are_there(&gallery, &format!("short-{number:02}"), 1).await, "not shown from then on");
    }
    assert_eq!(retain(&gallery, None, false).await, RetentionCounts::default(), "without days nothing is done");
    let over = |pictures| RetentionCounts { pictures, ..RetentionCounts::default() };
    // What a commit has taken meanwhile is no more there.
    let would = retain(&gallery, Some(30), true).await;
    assert!(would.pictures <= 20 && would == over(would.pictures), "{would:?}");
    assert_eq!(retain(&gallery, Some(30), false).await, would);
    assert_eq!(retain(&gallery, Some(30), false).await, over(0));
    let left = ReadSet { expired_pictures: Some((Timestamp(u64::MAX), 99)), ..ReadSet::default() };
    assert_eq!(gallery.read(left.clone()).await.unwrap().expired_pictures, [21], "the one whose time is not over");
    assert!(are_there(&gallery, "long", 1).await);
    // The operator keeps none any more.
    std::thread::sleep(Duration::from_millis(3));
    assert_eq!(retain(&gallery, Some(0), false).await, over(1));
    assert!(!are_there(&gallery, "long", 1).await);
    assert!(gallery.read(left).await.unwrap().expired_pictures.is_empty());
    assert!(gallery.decision(&key("long", 1)).await.unwrap().unwrap().waits(), "the case waits all the same");
}

async fn pictures_go_with_their_decision_when_it_is_retained_no_longer(gallery: Gallery) {
    decide(&gallery, "t", 1, "a", Outcome::Deny).await;
    std::thread::sleep(Duration::from_millis(3));
    let rules = RetentionRules { decision_days: Some(0), ..RetentionRules::default() };
    let counts = gallery.retain(&by(), &rules, RetentionOptions::default()).await.unwrap().counts;
    assert_eq!(counts, RetentionCounts { decisions: 1, ..RetentionCounts::default() });
    let left = ReadSet { expired_pictures: Some((Timestamp(u64::MAX), 9)), ..ReadSet::default() };
    assert!(gallery.read(left).await.unwrap().expired_pictures.is_empty());
}

async fn too_many_or_too_long_pictures_are_refused(gallery: Gallery) {
    let with = |count: usize, bytes: usize| {
        let picture = CasePicture { of: PictureOf::Chip, jpeg: vec![1; bytes] };
        let pictures = Some(NewPictures { pictures: vec![picture; count], left_out: 0, lifetime_ms: DAY_MS });
        NewDecision { pictures, ..showing("t", 1, "a", Outcome::Refer) }
    };
    for (count, bytes) in [(CASE_PICTURES_MAX + 1, 1), (1, PICTURE_BYTES_MAX + 1)] {
        let refused = gallery.decide(&by(), with(count, bytes)).await;
        assert!(matches!(refused, Err(GalleryError::Storage(_))));
        assert!(gallery.decision(&key("t", 1)).await.unwrap().is_none());
    }
    gallery.decide(&by(), with(CASE_PICTURES_MAX, PICTURE_BYTES_MAX)).await.unwrap();
    let kept = gallery.pictures(&key("t", 1)).await.unwrap().unwrap().pictures;
    assert!(kept.len() == CASE_PICTURES_MAX && kept.iter().all(|one| one.jpeg == vec![1; PICTURE_BYTES_MAX]));
}

async fn a_report_counts_the_pictures_that_are_kept(gallery: Gallery) {
    decide(&gallery, "t", 1, "a", Outcome::Refer).await;
    decide(&gallery, "u", 1, "a", Outcome::Deny).await;
    decide(&gallery, "v", 1, "other", Outcome::Deny).await;
    let short = NewDecision { pictures: Some(pictures(1, 0)), ..showing("over", 1, "a", Outcome::Refer) };
    gallery.decide(&by(), short).await.unwrap();
    let rights = Rights::new(&gallery, NumberIds::default());
    assert_eq!(rights.report(&by(), &id("a")).await.unwrap().pictures, 6);
    answer(&gallery, "t", 1, "o-1", Outcome::Deny, 1).await;
    assert_eq!(rights.report(&by(), &id("a")).await.unwrap().pictures, 3);
}

fn cases<'a>(gallery: &'a Gallery, rules: &'a CaseRules) -> Cases<'a> {
    Cases::new(gallery, rules, NumberIds::default())
}

fn transaction(text: &str) -> RequestId {
    RequestId::new(text).unwrap()
}

fn with_log(dir: &Path) -> Result<Gallery, GalleryError> {
    let sign_at_once = vec![signer(1)];
    let setup = LedgerSetup { key: digest_key(), begin_with: Some(signer(1).verifier().clone()), sign_at_once };
    let options = EmbeddedOptions { ledger: Some(setup), ..sealed(dir) };
    gallery::open(&dir.join("data"), RECIPE, DIMENSION, options)
}

async fn entered(gallery: &Gallery) -> Vec<Entry> {
    let all = gallery.read_ledger(|tables| leaves(tables, 0).collect::<Result<Vec<_>, _>>()).await.unwrap();
    all.iter().map(|leaf| Entry::decode(&leaf.opening.as_ref().unwrap().contents).unwrap()).collect()
}

#[test]
fn every_look_is_entered_with_what_it_came_to_and_none_is_given_without() {
    let dir = tempfile::tempdir().unwrap();
    let rules = CaseRules::default();
    let gallery = with_log(dir.path()).unwrap();
    block_on(async {
        decide(&gallery, "t", 1, "a", Outcome::Refer).await;
        decide(&gallery, "t", 2, "a", Outcome::Deny).await;
        decide(&gallery, "approved", 1, "a", Outcome::Approve).await;
        decide(&gallery, "closed", 1, "a", Outcome::Refer).await;
        answer(&gallery, "closed", 1, "o-1", Outcome::Deny, 1).await;
        let before = entered(&gallery).await.len();
        let cases = cases(&gallery, &rules);
        let look = async |name: &str, attempt| cases.pictures(&by(), &transaction(name), attempt).await.unwrap();
        let first = look("t", Some(1)).await.unwrap();
        assert!((first.pictures.len(), first.left_out) == (3, 1) && matches!(first.kept, PicturesKept::Until(_)));
        let last = look("t", None).await.unwrap();
        assert!(last.key == key("t", 2) && last.pictures == pictures(20, 0).pictures, "the last attempt");
        let never = look("approved", None).await.unwrap();
        assert!(never.kept == PicturesKept::Never && never.pictures.is_empty());
        let gone = look("closed", Some(1)).await.unwrap();
        assert!(gone.kept == PicturesKept::NoLonger && gone.pictures.is_empty());
        assert!(look("nobody", None).await.is_none() && look("t", Some(3)).await.is_none());
        let digests = digest_key();
        let told: Vec<(Option<String>, Option<u64>, u32, usize)> = entered(&gallery)
            .await
            .drain(before..)
            .map(|entry| {
                assert_eq!(entry.kind, Kind::PictureRead);
                assert!(entry.subjects.iter().all(|subject| *subject == digests.subject("a")));
                let outcome = entry.outcome.as_ref().map(|outcome| outcome.as_str().to_owned());
                (outcome, entry.records, entry.attempt, entry.subjects.len())
            })
            .collect();
        let told: Vec<_> =
            told.iter().map(|(outcome, records, attempt, of)| (outcome.as_deref(), *records, *attempt, *of)).collect();
        assert_eq!(
            told,
            [
                (None, Some(3), 1, 1),
                (None, Some(3), 2, 1),
                (Some("never_kept"), Some(0), 1, 1),
                (Some("no_longer_kept"), Some(0), 1, 1),
                (Some("unknown"), None, 0, 0),
                (Some("unknown"), None, 3, 0),
            ]
        );
    });
    // A log that cannot be signed: what cannot be entered is not shown.
    drop(gallery);
    let gallery = with_log(dir.path()).unwrap().signing_at_once(vec![signer(2)]);
    let refused = block_on(cases(&gallery, &rules).pictures(&by(), &transaction("t"), Some(1)));
    assert!(matches!(refused, Err(WorkflowError::Gallery(GalleryError::LedgerSigner))));
}

#[test]
fn an_officer_of_another_unit_sees_none() {
    let dir = tempfile::tempdir().unwrap();
    let rules = CaseRules::default();
    let gallery = open_sealed(dir.path()).unwrap();
    block_on(async {
        // Of unit U1.
        decide(&gallery, "t", 1, "a", Outcome::Refer).await;
        let at = |unit| RequestContext::anonymous().with_reach(Reach::OwnPlace).with_unit(unit);
        let look = async |context| cases(&gallery, &rules).pictures(&context, &transaction("t"), None).await;
        assert_eq!(look(at("U1")).await.unwrap().unwrap().pictures.len(), 3);
        for context in [at("U2"), RequestContext::anonymous().with_reach(Reach::OwnPlace)] {
            assert!(matches!(look(context).await, Err(WorkflowError::OutOfReach)));
        }
    });
}

/// Key, head and box of each row of a table.
fn rows(dir: &Path, table: TableDefinition<u64, &[u8]>) -> Vec<(u64, Vec<u8>)> {
    let database = Database::open(dir.join("data/chinhchu.redb")).unwrap();
    let table = database.begin_read().unwrap().open_table(table).unwrap();
    table.iter().unwrap().map(|row| row.unwrap()).map(|(key, value)| (key.value(), value.value().to_vec())).collect()
}

/// Numbers of the keys of a store that open a row.
fn openers(dir: &Path, (number, value): &(u64, Vec<u8>)) -> Vec<u64> {
    let keys = key_store(dir);
    let (head, boxed) = value.split_at(10);
    let opens = |secret: &Secret| {
        aead::open(secret, &[b"chinhchu record", b"case_pictures", &number.to_le_bytes(), head], boxed).is_ok()
    };
    (0..keys.made()).filter(|number| keys.key(*number).unwrap().is_some_and(|secret| opens(&secret))).collect()
}

#[test]
fn a_thief_finds_nothing_of_a_picture_and_each_is_under_its_persons_key_alone() {
    let dir = tempfile::tempdir().unwrap();
    let gallery = open_sealed(dir.path()).unwrap();
    block_on(async {
        create(&gallery, "a", &[1]).await.unwrap();
        decide(&gallery, "t-a", 1, "a", Outcome::Deny).await;
        // Nobody's yet, as its decision is.
        decide(&gallery, "t-b", 2 - 1, "b", Outcome::Deny).await;
    });
    drop(gallery);
    let needles =
        [b"a picture of the tests".to_vec(), b"\xff\xd8\xff\xe0\x00\x10JFIF".to_vec(), jpeg(10)[300..340].to_vec()];
    let found = files(&dir.path().join("data"));
    for needle in &needles {
        assert!(!holds(&found, needle), "{}", String::from_utf8_lossy(needle));
    }
    let kept = rows(dir.path(), PICTURES);
    assert_eq!(kept.len(), 2);
    let openers: Vec<Vec<u64>> = kept.iter().map(|row| openers(dir.path(), row)).collect();
    assert!(openers.iter().all(|keys| keys.len() == 1) && openers[0] != openers[1], "{openers:?}");
    assert_eq!(crate::sealed::keys_of_subjects(dir.path()), openers.iter().flatten().copied().collect());

    // Erased: the copy of last night opens under no key that is left.
    let gallery = open_sealed(dir.path()).unwrap();
    assert_eq!(block_on(gallery.erase(&by(), erase("a"), None)).unwrap().erasure, Erasure::Erased);
    assert!(block_on(are_there(&gallery, "t-b", 1)));
    drop(gallery);
    assert!(self::openers(dir.path(), &kept[0]).is_empty());
    assert_eq!(self::openers(dir.path(), &kept[1]), openers[1]);
    assert_eq!((rows(dir.path(), PICTURES).len(), rows(dir.path(), TIMES).len()), (1, 1));
    drop(open_sealed(dir.path()).unwrap());
}

/// What comes and goes is in the sum of all rows: a picture that somebody put back is told.
#[test]
fn a_gallery_with_pictures_is_whole_after_each_way_they_go_and_one_that_was_put_back_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let whole = || EmbeddedOptions { checked_bytes_max: 1 << 30, ..sealed(dir.path()) };
    let open = || gallery::open(&dir.path().join("data"), RECIPE, DIMENSION, whole());
    let with = |work: &dyn Fn(&Gallery)| {
        let gallery = open().unwrap();
        work(&gallery);
        drop(gallery);
        rows(dir.path(), PICTURES).len()
    };
    let made = with(&|gallery| {
        block_on(async {
            for (transaction, subject) in [("t-1", "a"), ("t-2", "a"), ("t-3", "b"), ("t-4", "c")] {
                decide(gallery, transaction, 1, subject, Outcome::Refer).await;
            }
            let over = NewDecision { pictures: Some(pictures(1, 0)), ..showing("t-5", 1, "d", Outcome::Deny) };
            gallery.decide(&by(), over).await.unwrap();
        });
    });
    // The one that is over goes with the commit it came with, or the next.
    assert!(made == 5 || made == 4, "{made}");
    let before = rows(dir.path(), PICTURES);
    assert_eq!(with(&|gallery| block_on(answer(gallery, "t-1", 1, "o-1", Outcome::Deny, 1))), made - 1);
    assert_eq!(with(&|gallery| block_on(decide(gallery, "t-2", 2, "a", Outcome::Approve))), made - 2);
    with(&|gallery| block_on(answer(gallery, "t-3", 1, "o-1", Outcome::Deny, 1)));
    with(&|gallery| {
        assert!(matches!(block_on(gallery.erase(&by(), erase("c"), None)), Err(GalleryError::RecordKept)));
        block_on(answer(gallery, "t-4", 1, "o-1", Outcome::Deny, 1));
        block_on(gallery.erase(&by(), erase("c"), None)).unwrap();
    });
    assert_eq!(with(&|gallery| assert!(block_on(retain(gallery, Some(0), false)).pictures <= 1)), 0);
    assert!(rows(dir.path(), TIMES).is_empty());
    {
        let database = Database::open(dir.path().join("data/chinhchu.redb")).unwrap();
        let transaction = database.begin_write().unwrap();
        transaction.open_table(PICTURES).unwrap().insert(before[0].0, before[0].1.as_slice()).unwrap();
        transaction.commit().unwrap();
    }
    assert!(open().unwrap_err().to_string().contains("put back"));
}

/// A folder of before the tables: what is taken away of an empty one is in no sum.
#[test]
fn a_sealed_folder_without_the_tables_is_opened_and_keeps_pictures_from_then_on() {
    let dir = tempfile::tempdir().unwrap();
    let gallery = open_sealed(dir.path()).unwrap();
    block_on(create(&gallery, "a", &[1])).unwrap();
    drop(gallery);
    {
        let database = Database::open(dir.path().join("data/chinhchu.redb")).unwrap();
        let transaction = database.begin_write().unwrap();
        assert!(transaction.delete_table(PICTURES).unwrap() && transaction.delete_table(TIMES).unwrap());
        transaction.commit().unwrap();
    }
    let gallery = open_sealed(dir.path()).unwrap();
    block_on(async {
        assert!(gallery.pictures(&key("t", 1)).await.unwrap().is_none());
        decide(&gallery, "t", 1, "a", Outcome::Refer).await;
        assert!(are_there(&gallery, "t", 1).await);
    });
}

/// A case that waited when its gallery was sealed has none; one that comes afterwards has, and the keys
/// can be changed under them.
#[test]
fn a_gallery_that_is_sealed_keeps_pictures_from_then_on_and_over_a_change_of_the_master_key() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let clear = gallery::open(&data, RECIPE, DIMENSION, options()).unwrap();
    block_on(decide(&clear, "before", 1, "a", Outcome::Refer));
    drop(clear);
    gallery::seal(&data, &sealed(dir.path()), &mut |_| {}).unwrap();
    let gallery = open_sealed(dir.path()).unwrap();
    block_on(async {
        decide(&gallery, "after", 1, "a", Outcome::Refer).await;
        assert!(!are_there(&gallery, "before", 1).await && are_there(&gallery, "after", 1).await);
    });
    drop(gallery);
    let old = sealed(dir.path()).sealing.unwrap();
    let master = chinhchu::sealing::MasterKey::new(Secret::random().unwrap());
    let both = chinhchu::sealing::KeyStoreOptions { master: master.clone(), previous: Some(old.master.clone()), ..old };
    chinhchu::sealing::KeyStore::open(both.clone(), false)
        .unwrap()
        .rotate(&mut |_| std::ops::ControlFlow::Continue(()))
        .unwrap();
    let alone = chinhchu::sealing::KeyStoreOptions { previous: None, ..both };
    let options = EmbeddedOptions { sealing: Some(alone), ..options() };
    let gallery = gallery::open(&data, RECIPE, DIMENSION, options).unwrap();
    let found = block_on(gallery.pictures(&key("after", 1))).unwrap().unwrap();
    assert!(found.pictures == pictures(10, 0).pictures);
}

/// The rules take no word of a store that nothing may be shown of: a command alone keeps no picture in the
/// clear, either.
#[test]
fn a_store_in_the_clear_is_asked_for_no_picture() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = gallery::open_parts(dir.path(), RECIPE, DIMENSION, options()).unwrap();
    block_on(store.commit(&by(), Command::Decide(showing("t", 1, "a", Outcome::Refer)))).unwrap();
    store.close();
    drop(store);
    assert!(!holds(&files(dir.path()), b"a picture of the tests"));
}

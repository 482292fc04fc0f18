//! What is promised about challenges of Active Authentication, for every store: issued, found, used
//! once, ended, and kept over a restart and a power cut.

use std::collections::BTreeMap;
use std::sync::Arc;

use chinhchu::gallery::{
    self, CHALLENGES_MAX, ChallengeOwner, ChallengeUse, DecisionKey, Gallery, GalleryError, NewChallenge, NewDecision,
    Outcome, ReadSet, RequestId, StoredChallenge, Timestamp, UsedChallenge,
};
use proptest::prelude::*;
use redb::TableDefinition;

use crate::disk::Disk;
use crate::memory::{MemoryIndex, MemoryStore};
use crate::support::*;

promises!(
    embedded, super::embedded; sealed, super::embedded_and_sealed; memory, super::in_memory;
    postgres, crate::postgres::gallery => {
        a_challenge_is_found_by_whom_it_was_issued_to_and_by_nobody_else,
        a_decision_uses_a_challenge_up_and_no_other_decision_can,
        a_decision_that_is_sent_again_is_answered_and_uses_nothing,
        a_refused_decision_uses_nothing_up,
        of_two_decisions_at_once_one_uses_the_challenge,
        a_challenge_that_is_over_is_used_by_nobody_and_forgotten,
        beyond_so_many_of_one_owner_the_oldest_ends_and_others_keep_theirs,
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

const LONG: u64 = 1 << 40;

fn owner(transaction: &str, asked_by: u8) -> ChallengeOwner {
    ChallengeOwner { transaction: RequestId::new(transaction).unwrap(), asked_by: [asked_by; 32] }
}

async fn issue(gallery: &Gallery, owner: &ChallengeOwner, digest: u8, lifetime_ms: u64) -> StoredChallenge {
    let new = NewChallenge { owner: owner.clone(), digest: [digest; 32], lifetime_ms };
    gallery.issue_challenge(&by(), new).await.unwrap()
}

/// Digests of the challenges that are kept, each with the attempt that used it.
async fn kept(gallery: &Gallery, owner: &ChallengeOwner) -> Vec<(u8, Option<u32>)> {
    let wanted = ReadSet { challenges_of: Some(owner.clone()), ..ReadSet::default() };
    let found = gallery.read(wanted).await.unwrap().challenges;
    assert!(found.iter().all(|one| one.owner == *owner));
    assert!(found.is_sorted_by_key(|one| one.number), "oldest first");
    found.into_iter().map(|one| (one.digest[0], one.used_by)).collect()
}

fn decision(transaction: &str, attempt: u32, outcome: Outcome) -> NewDecision {
    NewDecision {
        pictures: None,
        captures: Vec::new(),
        captures_lifetime_ms: 0,
        challenge: None,
        unit: None,
        province: None,
        presented_by: None,
        reasons: Vec::new(),
        key: DecisionKey::new(RequestId::new(transaction).unwrap(), attempt).unwrap(),
        content: [attempt as u8; 32],
        subject: id("s"),
        scheme: "social".into(),
        outcome,
        answer: vec![7; 10],
        enrolment: None,
        basis: None,
        facts: crate::ledger::facts(),
    }
}

/// A decision that uses a challenge up.
fn using(owner: &ChallengeOwner, digest: u8, attempt: u32, outcome: Outcome) -> NewDecision {
    let challenge = Some(UsedChallenge { owner: owner.clone(), digest: [digest; 32] });
    NewDecision { challenge, ..decision(owner.transaction.as_str(), attempt, outcome) }
}

async fn a_challenge_is_found_by_whom_it_was_issued_to_and_by_nobody_else(gallery: Gallery) {
    let own = owner("t-1", 1);
    assert!(kept(&gallery, &own).await.is_empty());
    let before = Timestamp::now();
    let first = issue(&gallery, &own, 5, LONG).await;
    assert!(first.expires_at.0 >= before.0 + LONG && first.expires_at.0 <= Timestamp::now().0 + LONG);
    assert_eq!((first.digest, first.used_by, first.stands(before)), ([5; 32], None, ChallengeUse::Open));
    issue(&gallery, &own, 6, LONG).await;
    assert_eq!(kept(&gallery, &own).await, [(5, None), (6, None)]);
    // Another asker, another transaction, and one whose name begins alike.
    for other in [owner("t-1", 2), owner("t-2", 1), owner("t-11", 1), owner("t-", 1)] {
        assert!(kept(&gallery, &other).await.is_empty());
        let theirs = gallery.decide(&by(), using(&other, 5, 1, Outcome::Refer)).await;
        assert!(matches!(theirs, Err(GalleryError::Outdated)), "{}", other.transaction.as_str());
    }
    assert_eq!(kept(&gallery, &own).await, [(5, None), (6, None)]);
    // What is not asked for is not read.
    assert!(gallery.read(ReadSet::default()).await.unwrap().challenges.is_empty());
}

async fn a_decision_uses_a_challenge_up_and_no_other_decision_can(gallery: Gallery) {
    let own = owner("t-1", 1);
    issue(&gallery, &own, 5, LONG).await;
    gallery.decide(&by(), using(&own, 5, 1, Outcome::Refer)).await.unwrap();
    assert_eq!(kept(&gallery, &own).await, [(5, Some(1))]);
    let wanted = ReadSet { challenges_of: Some(own.clone()), ..ReadSet::default() };
    let used = gallery.read(wanted).await.unwrap().challenges[0].used_in().unwrap();
    assert_eq!((used.transaction.as_str(), used.attempt), ("t-1", 1));
    // It saw the challenge unused, and comes too late.
    let second = gallery.decide(&by(), using(&own, 5, 2, Outcome::Approve)).await;
    assert!(matches!(second, Err(GalleryError::Outdated)));
    assert_eq!(kept(&gallery, &own).await, [(5, Some(1))]);
    // Made anew, it counts for nothing, and the decision is made without it.
    gallery.decide(&by(), decision("t-1", 2, Outcome::Refer)).await.unwrap();
    issue(&gallery, &own, 6, LONG).await;
    gallery.decide(&by(), using(&own, 6, 3, Outcome::Approve)).await.unwrap();
    assert_eq!(kept(&gallery, &own).await, [(5, Some(1)), (6, Some(3))]);
}

async fn a_decision_that_is_sent_again_is_answered_and_uses_nothing(gallery: Gallery) {
    let own = owner("t-1", 1);
    issue(&gallery, &own, 5, LONG).await;
    issue(&gallery, &own, 6, LONG).await;
    let (first, replayed) = gallery.decide(&by(), using(&own, 5, 1, Outcome::Refer)).await.unwrap();
    assert!(!replayed);
    let (again, replayed) = gallery.decide(&by(), using(&own, 5, 1, Outcome::Refer)).await.unwrap();
    assert!(replayed && again == first);
    assert_eq!(kept(&gallery, &own).await, [(5, Some(1)), (6, None)]);
}

async fn a_refused_decision_uses_nothing_up(gallery: Gallery) {
    let own = owner("t-1", 1);
    issue(&gallery, &own, 5, LONG).await;
    let early = gallery.decide(&by(), using(&own, 5, 2, Outcome::Refer)).await;
    assert!(matches!(early, Err(GalleryError::AttemptOutOfOrder { expected: 1 })));
    let unknown = gallery.decide(&by(), using(&own, 9, 1, Outcome::Refer)).await;
    assert!(matches!(unknown, Err(GalleryError::Outdated)));
    assert_eq!(kept(&gallery, &own).await, [(5, None)]);
    gallery.decide(&by(), using(&own, 5, 1, Outcome::Approve)).await.unwrap();
}

/// The guarantee rests on the store alone: each was planned while the challenge was open.
async fn of_two_decisions_at_once_one_uses_the_challenge(gallery: Gallery) {
    let own = owner("t-1", 1);
    issue(&gallery, &own, 5, LONG).await;
    let by = by();
    let (first, second) = tokio::join!(
        gallery.decide(&by, using(&own, 5, 1, Outcome::Refer)),
        gallery.decide(&by, using(&own, 5, 2, Outcome::Refer)),
    );
    assert!(first.is_ok() && matches!(second, Err(GalleryError::Outdated)), "one group or two");
    assert_eq!(kept(&gallery, &own).await, [(5, Some(1))]);
}

async fn a_challenge_that_is_over_is_used_by_nobody_and_forgotten(gallery: Gallery) {
    let own = owner("t-1", 1);
    let short = issue(&gallery, &own, 5, 1).await;
    std::thread::sleep(std::time::Duration::from_millis(3));
    assert_eq!(short.stands(Timestamp::now()), ChallengeUse::Expired);
    let late = gallery.decide(&by(), using(&own, 5, 1, Outcome::Approve)).await;
    assert!(matches!(late, Err(GalleryError::Outdated)));
    // It goes with the next one of its owner.
    issue(&gallery, &own, 6, LONG).await;
    assert_eq!(kept(&gallery, &own).await, [(6, None)]);
    gallery.decide(&by(), using(&own, 6, 1, Outcome::Approve)).await.unwrap();
}

async fn beyond_so_many_of_one_owner_the_oldest_ends_and_others_keep_theirs(gallery: Gallery) {
    let (own, other) = (owner("t-1", 1), owner("t-1", 2));
    issue(&gallery, &other, 200, LONG).await;
    for number in 0..CHALLENGES_MAX as u8 + 3 {
        issue(&gallery, &own, number, LONG).await;
        assert!(kept(&gallery, &own).await.len() <= CHALLENGES_MAX);
    }
    let expected: Vec<_> = (3..CHALLENGES_MAX as u8 + 3).map(|number| (number, None)).collect();
    assert_eq!(kept(&gallery, &own).await, expected);
    let ended = gallery.decide(&by(), using(&own, 2, 1, Outcome::Refer)).await;
    assert!(matches!(ended, Err(GalleryError::Outdated)));
    gallery.decide(&by(), using(&own, 3, 1, Outcome::Refer)).await.unwrap();
    assert_eq!(kept(&gallery, &other).await, [(200, None)], "whoever asks often ends nobody else's");
}

#[test]
fn challenges_are_kept_over_a_restart_and_a_power_cut_and_so_is_their_use() {
    let own = owner("t-1", 1);
    let reopened = |disk: &mut Disk, gallery: Gallery, cut: bool| {
        drop(gallery);
        if cut {
            *disk = Disk::holding(disk.cut());
        }
        disk.open().unwrap()
    };
    for cut in [false, true] {
        let mut disk = Disk::default();
        let gallery = disk.open().unwrap();
        block_on(issue(&gallery, &own, 5, LONG));
        let gallery = reopened(&mut disk, gallery, cut);
        assert_eq!(block_on(kept(&gallery, &own)), [(5, None)], "{cut}");
        block_on(gallery.decide(&by(), using(&own, 5, 1, Outcome::Refer))).unwrap();
        let gallery = reopened(&mut disk, gallery, cut);
        assert_eq!(block_on(kept(&gallery, &own)), [(5, Some(1))], "{cut}");
        let again = block_on(gallery.decide(&by(), using(&own, 5, 2, Outcome::Refer)));
        assert!(matches!(again, Err(GalleryError::Outdated)), "{cut}");
    }
}

/// As the program of before left it: it knows nothing of the tables, and of none of its own data is lost.
#[test]
fn a_folder_of_before_challenges_were_issued_has_them_from_now_on() {
    let dir = tempfile::tempdir().unwrap();
    let gallery = open(dir.path()).unwrap();
    block_on(create(&gallery, "s", &[1])).unwrap();
    drop(gallery);
    let database = redb::Database::open(dir.path().join("chinhchu.redb")).unwrap();
    let transaction = database.begin_write().unwrap();
    assert!(transaction.delete_table(TableDefinition::<u64, &[u8]>::new("challenges")).unwrap());
    assert!(transaction.delete_table(TableDefinition::<&str, &[u8]>::new("owner_challenges")).unwrap());
    transaction.commit().unwrap();
    drop(database);
    let version = std::fs::read(dir.path().join("VERSION")).unwrap();

    let own = owner("t-1", 1);
    let gallery = open(dir.path()).unwrap();
    block_on(async {
        assert_eq!(gallery.subject(&id("s")).await.unwrap().unwrap().templates.len(), 1);
        assert!(kept(&gallery, &own).await.is_empty());
        issue(&gallery, &own, 5, LONG).await;
        gallery.decide(&by(), using(&own, 5, 1, Outcome::Approve)).await.unwrap();
    });
    assert_eq!(std::fs::read(dir.path().join("VERSION")).unwrap(), version);
}

/// What happens to challenges.
#[derive(Debug, Clone)]
enum Step {
    /// One is issued to an owner.
    Issue(u8),
    /// A decision of an owner's transaction uses the one that was issued with this number.
    Use(u8, usize),
    /// The gallery is closed and opened.
    Reopen,
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn whatever_happens_each_challenge_is_used_once_by_its_owner_while_it_is_kept(
        steps in prop::collection::vec(
            prop_oneof![
                4 => (0u8..3).prop_map(Step::Issue),
                4 => (0u8..3, 0usize..40).prop_map(|(owner, number)| Step::Use(owner, number)),
                1 => Just(Step::Reopen),
            ],
            1..60,
        ),
    ) {
        // Two askers of one transaction, and one of another.
        let owners = [owner("t-1", 1), owner("t-1", 2), owner("t-2", 1)];
        let disk = Disk::default();
        let mut gallery = disk.open().unwrap();
        let mut issued: Vec<u8> = Vec::new();
        let mut expected: [Vec<(u8, Option<u32>)>; 3] = Default::default();
        let mut attempts = BTreeMap::<&str, u32>::new();
        for step in steps {
            match step {
                Step::Issue(of) => {
                    let digest = issued.len() as u8;
                    block_on(issue(&gallery, &owners[of as usize], digest, LONG));
                    issued.push(of);
                    let own = &mut expected[of as usize];
                    own.push((digest, None));
                    own.drain(..own.len().saturating_sub(CHALLENGES_MAX));
                }
                Step::Use(of, number) => {
                    let own = &owners[of as usize];
                    let attempt = attempts.get(own.transaction.as_str()).unwrap_or(&0) + 1;
                    let decided = block_on(gallery.decide(&by(), using(own, number as u8, attempt, Outcome::Refer)));
                    let open = expected[of as usize].iter_mut().find(|one| **one == (number as u8, None));
                    match open {
                        Some(one) => {
                            prop_assert!(decided.is_ok(), "{:?}", decided.err());
                            one.1 = Some(attempt);
                            attempts.insert(own.transaction.as_str(), attempt);
                        }
                        None => prop_assert!(matches!(decided, Err(GalleryError::Outdated))),
                    }
                }
                Step::Reopen => {
                    drop(gallery);
                    gallery = disk.open().unwrap();
                }
            }
            for (owner, expected) in owners.iter().zip(&expected) {
                prop_assert_eq!(&block_on(kept(&gallery, owner)), expected);
            }
        }
    }
}

/// Nobody comes back for them: any later commit takes away what is over, whoever made it.
#[test]
fn what_is_over_is_taken_out_of_the_database_by_the_commits_of_others() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = gallery::open_parts(dir.path(), RECIPE, DIMENSION, options()).unwrap();
    let gallery = Gallery::new(store, vec![Arc::new(MemoryIndex::default())]).unwrap();
    let own = owner("t-1", 1);
    block_on(async {
        for number in 0..3 {
            issue(&gallery, &own, number, 1).await;
        }
        issue(&gallery, &own, 9, LONG).await;
        std::thread::sleep(std::time::Duration::from_millis(3));
        create(&gallery, "s", &[1]).await.unwrap();
        assert_eq!(kept(&gallery, &own).await, [(9, None)]);
    });
}

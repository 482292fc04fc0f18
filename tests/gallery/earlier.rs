//! Folders that an earlier version wrote are opened, with all that is in them, and written to.
//!
//! `earlier/small` and `earlier/large` were written by 0.1.0 at commit 9026383, before the log of
//! changes told what came: of made-up faces, by `fill` below against its own types. `large` was
//! opened as if every database were large, and so has an index file.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use chinhchu::gallery::{
    self, Attributes, ChallengeOwner, DecisionFilter, DecisionKey, EmbeddedOptions, Filter, Gallery, GalleryError,
    NewChallenge, Note, Outcome, ReadSet, RequestId, Resolution, ResolveCommand, Scope, Timestamp, Watermark,
};

use crate::support::*;

/// The folder `name`, as it was written.
fn folder(name: &str) -> tempfile::TempDir {
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/gallery/earlier");
    let dir = tempfile::tempdir().unwrap();
    let packed = File::open(kept.join(format!("{name}.redb.gz"))).unwrap();
    let mut database = File::create(dir.path().join("chinhchu.redb")).unwrap();
    std::io::copy(&mut flate2::read::GzDecoder::new(packed), &mut database).unwrap();
    let index = kept.join(format!("{name}.index"));
    if index.exists() {
        fs::copy(index, dir.path().join("index")).unwrap();
    }
    File::create(dir.path().join("VERSION")).unwrap().write_all(b"1\n").unwrap();
    File::create(dir.path().join("LOCK")).unwrap();
    dir
}

/// As if every database were large, so that an index file is used.
fn large() -> EmbeddedOptions {
    EmbeddedOptions { checked_bytes_max: 0, ..options() }
}

fn key(transaction: &str, attempt: u32) -> DecisionKey {
    DecisionKey::new(RequestId::new(transaction).unwrap(), attempt).unwrap()
}

/// Whether everything is there that both folders hold.
async fn holds_what_was_written(gallery: &Gallery) {
    let subject = async |name: &str| gallery.subject(&id(name)).await.unwrap();
    let a = subject("a").await.unwrap();
    let attributes = Attributes {
        schemes: ["health".to_owned(), "social".to_owned()].into(),
        province: Some("79".into()),
        unit: Some("u-1".into()),
    };
    assert_eq!(a.attributes, attributes);
    let templates: Vec<_> = a.templates.iter().map(|template| template.content.clone()).collect();
    assert_eq!(templates, [1, 2, 9].map(new_template), "bit for bit, oldest first");
    assert_eq!((a.vouched.len(), a.vouched[0].vouch.officer.as_str(), a.vouched[0].templates.len()), (1, "o-7", 3));
    let approved = gallery.decision(&key("t-1", 2)).await.unwrap().unwrap();
    assert_eq!(a.last_verified.get("social"), Some(&approved.decided_at));
    assert!(subject("gone").await.is_none());
    assert_eq!(subject("b").await.unwrap().attributes.schemes, ["social".to_owned()].into(), "by its name");
    assert_eq!(subject("new").await.unwrap().templates.len(), 1);

    for (transaction, attempt, outcome) in [
        ("t-1", 1, Outcome::Refer),
        ("t-1", 2, Outcome::Approve),
        ("t-2", 1, Outcome::Refer),
        ("t-3", 1, Outcome::Approve),
        ("t-4", 1, Outcome::Deny),
    ] {
        let decision = gallery.decision(&key(transaction, attempt)).await.unwrap().unwrap();
        assert_eq!((decision.outcome, decision.content), (outcome, [attempt as u8; 32]));
        assert_eq!(decision.answer, format!("answer {transaction} {attempt}").into_bytes());
    }
    let resolved = gallery.decision(&key("t-2", 1)).await.unwrap().unwrap().resolution().unwrap().clone();
    assert_eq!((resolved.outcome, resolved.reason.as_str()), (Outcome::Approve, "seen"));
    assert_eq!(gallery.cleared_with(&id("b")).await.unwrap(), [id("a")], "a pair goes with either");
    assert_eq!(gallery.receipt(&retry("r-1", 1)).await.unwrap().unwrap().templates, 2);
    assert!(matches!(gallery.receipt(&retry("r-2", 9)).await, Err(GalleryError::RequestIdReused)));

    let found = gallery.within(&template(5), 0.999).await.unwrap();
    assert_eq!(found.iter().map(|found| found.subject.as_str()).collect::<Vec<_>>(), ["new"]);
    let social = Filter { scheme: Some("social".into()), province: Some("01".into()), ..Filter::default() };
    let found = gallery.search(&template(3), Scope::Within(-1.5), &social).await.unwrap();
    assert_eq!(found.iter().map(|found| found.subject.as_str()).collect::<Vec<_>>(), ["b"]);
}

/// Whether writes go on where the earlier version stopped.
async fn goes_on(gallery: &Gallery) {
    let before = gallery.decision(&key("t-4", 1)).await.unwrap().unwrap().commit;
    let receipt = create(gallery, "later", &[6]).await.unwrap();
    assert!(receipt.commit > before, "numbers of commits rise");
    let later = gallery.subject(&id("later")).await.unwrap().unwrap();
    let a = gallery.subject(&id("a")).await.unwrap().unwrap();
    assert!(a.templates.iter().all(|template| template.id < later.templates[0].id), "an id is not given out twice");
    assert_eq!(gallery.within(&template(6), 0.9999).await.unwrap().len(), 1);
    let seen = Resolution {
        officer: id("o-7"),
        outcome: Outcome::Approve,
        reason: Note::new("seen").unwrap(),
        resolved_at: Timestamp(0),
    };
    let seen = ResolveCommand { key: key("t-2", 1), resolution: seen, officers_needed: 2 };
    assert!(gallery.resolve(&by(), seen).await.unwrap().1, "the officer's answer is known");
    // Decisions of before are listed as those of today are.
    let listed = gallery.decisions_after(&DecisionFilter::default(), 0, 100).await.unwrap();
    let listed: Vec<(u64, String, u32, Option<Outcome>, bool)> = listed
        .decisions
        .into_iter()
        .map(|one| (one.number, one.key.transaction.as_str().to_owned(), one.key.attempt, one.resolved, one.waits))
        .collect();
    let expected = [("t-1", 1, None), ("t-1", 2, None), ("t-2", 1, Some(Outcome::Approve)), ("t-3", 1, None)];
    let expected = expected.into_iter().chain([("t-4", 1, None)]).zip(1..);
    let expected: Vec<_> = expected
        .map(|((transaction, attempt, resolved), number)| (number, transaction.to_owned(), attempt, resolved, false))
        .collect();
    assert_eq!(listed, expected);
    let own = ChallengeOwner { transaction: RequestId::new("t-9").unwrap(), asked_by: [1; 32] };
    let challenge = NewChallenge { owner: own.clone(), digest: [2; 32], lifetime_ms: 60_000 };
    gallery.issue_challenge(&by(), challenge).await.unwrap();
    let wanted = ReadSet { challenges_of: Some(own), ..ReadSet::default() };
    assert!(!gallery.read(wanted).await.unwrap().challenges.is_empty());
    gallery.remove(&by(), &id("later"), None).await.unwrap();
}

#[test]
fn a_folder_of_before_is_whole_and_goes_on() {
    for (name, options, subjects, templates) in
        [("small", options(), 3, 5), ("large", options(), 43, 45), ("large", large(), 43, 45)]
    {
        let dir = folder(name);
        for round in 0..3 {
            let gallery = gallery::open(dir.path(), RECIPE, DIMENSION, options.clone()).unwrap();
            let stats = gallery.stats();
            assert_eq!((stats.subjects, stats.templates), (subjects, templates), "{name} {round}");
            block_on(async {
                holds_what_was_written(&gallery).await;
                goes_on(&gallery).await;
                holds_what_was_written(&gallery).await;
            });
        }
    }
}

/// What the earlier version did not log cannot be followed: that is said, and nobody takes what
/// is there for all there is.
#[test]
fn what_was_not_logged_is_said_to_be_missing() {
    let dir = folder("large");
    let (store, indexes) = gallery::open_parts(dir.path(), RECIPE, DIMENSION, large()).unwrap();
    let [index] = indexes.as_slice() else { panic!("one recipe") };
    block_on(async {
        assert!(matches!(store.changes(Watermark(1)).await, Err(GalleryError::LogTooShort)));
        let caught_up = store.changes(index.watermark()).await.unwrap();
        assert!(caught_up.changes.is_empty() && caught_up.up_to == index.watermark());
    });
    index.close();
    store.close();
}

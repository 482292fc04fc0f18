//! The contract of vector indexes, written against the trait alone: they are told changes, and
//! nothing else.

use std::collections::BTreeSet;
use std::sync::Arc;

use chinhchu::face::{RecipeDigest, Template};
use chinhchu::gallery::{
    Attributes, Change, Changes, GalleryError, IndexFilter, NewTemplate, RecordStore, Restricted, Scope, VectorIndex,
    Watermark,
};
use chinhchu::matching::compare;

use crate::memory::MemoryIndex;
use crate::support::*;

type Index = Arc<dyn VectorIndex>;

promises!(
    embedded, super::embedded; memory, super::in_memory => {
        what_was_applied_is_found_and_what_went_is_not,
        a_change_that_comes_twice_is_applied_once,
        scores_are_as_good_as_it_says,
        a_filter_leaves_out_whom_it_names,
        it_answers_as_of_the_commit_that_is_asked_for_or_not_at_all,
        what_is_no_question_is_refused,
        a_look_up_finds_nobody_who_is_not_there,
    }
);

fn embedded() -> (Index, (tempfile::TempDir, Arc<dyn RecordStore>)) {
    let dir = tempfile::tempdir().unwrap();
    let (store, mut indexes) = chinhchu::gallery::open_parts(dir.path(), RECIPE, DIMENSION, options()).unwrap();
    (indexes.remove(0), (dir, store))
}

fn in_memory() -> (Index, ()) {
    (Arc::new(MemoryIndex::default()), ())
}

fn attributes(scheme: &str, province: Option<&str>) -> Attributes {
    Attributes { schemes: [scheme.to_owned()].into(), province: province.map(Into::into), unit: None }
}

fn added(subject: &str, key: u64, seed: u64) -> Change {
    let attributes = attributes("health", Some("79"));
    Change::Added { subject: id(subject), attributes, restricted: false, id: key, content: new_template(seed) }
}

fn changes(up_to: u64, template_next: u64, changes: Vec<Change>) -> Changes {
    Changes { changes, up_to: Watermark(up_to), template_next }
}

/// Subjects at or above a score, without one who is off by more than the index says it may be.
async fn within(index: &Index, seed: u64, score: f32, filter: &IndexFilter) -> Vec<String> {
    let found = index.search(&template(seed), Scope::Within(score), filter, Watermark(0)).await.unwrap();
    found.candidates.into_iter().map(|candidate| candidate.subject.as_str().to_owned()).collect()
}

async fn what_was_applied_is_found_and_what_went_is_not(index: Index) {
    let all = IndexFilter::default();
    let first = vec![added("a", 1, 1), added("a", 2, 2), added("b", 3, 64)];
    index.apply(changes(1, 4, first)).await.unwrap();
    assert_eq!(index.watermark(), Watermark(1));
    assert_eq!(within(&index, 1, 0.95, &all).await, ["a"]);
    assert_eq!(index.count(&all), 3);
    // One that came and went again in the same changes was never there.
    let second = vec![Change::Removed { id: 1 }, added("c", 4, 1), Change::Removed { id: 4 }, added("d", 5, 1)];
    index.apply(changes(2, 6, second)).await.unwrap();
    assert_eq!(within(&index, 1, 0.95, &all).await, ["d"]);
    assert_eq!(index.count(&all), 3);
    index.apply(changes(3, 6, vec![Change::Removed { id: 99 }])).await.unwrap();
    assert_eq!(index.watermark(), Watermark(3), "one that is not there is passed over");
}

async fn a_change_that_comes_twice_is_applied_once(index: Index) {
    let all = IndexFilter::default();
    let first = vec![added("a", 1, 1)];
    index.apply(changes(1, 2, first.clone())).await.unwrap();
    index.apply(changes(1, 2, first.clone())).await.unwrap();
    // As one who asked for the log before the first was applied would bring it.
    index.apply(changes(2, 3, [first, vec![added("b", 2, 2)]].concat())).await.unwrap();
    assert_eq!(index.count(&all), 2);
    index.apply(changes(1, 2, vec![Change::Removed { id: 2 }])).await.unwrap();
    assert_eq!((index.count(&all), index.watermark()), (2, Watermark(2)), "what is old changes nothing");
}

async fn scores_are_as_good_as_it_says(index: Index) {
    let people = (1..60u64).map(|i| added(&format!("s{i:02}"), i, i * 5)).collect();
    index.apply(changes(1, 60, people)).await.unwrap();
    let error = index.score_error();
    for seed in [0, 7, 64, 200] {
        let probe = template(seed);
        let exact = |subject: &str| {
            let number: u64 = subject[1..].parse().unwrap();
            compare(&probe, &template(number * 5)).unwrap()
        };
        let search =
            async |scope| index.search(&probe, scope, &IndexFilter::default(), Watermark(1)).await.unwrap().candidates;
        let all = search(Scope::Within(-1.5)).await;
        assert_eq!(all.len(), 59);
        assert!(all.iter().all(|found| (found.score - exact(found.subject.as_str())).abs() <= error + f32::EPSILON));
        assert!(all.windows(2).all(|two| (two[1].score, &two[0].subject) <= (two[0].score, &two[1].subject)));
        let some = search(Scope::Within(0.5)).await;
        for subject in all.iter().map(|found| found.subject.as_str()) {
            let is_found = some.iter().any(|found| found.subject.as_str() == subject);
            assert!(is_found || exact(subject) < 0.5 + error);
            assert!(!is_found || exact(subject) >= 0.5 - error);
        }
        assert_eq!(search(Scope::Nearest(5)).await, all[..5]);
        assert!(search(Scope::Nearest(0)).await.is_empty());
    }
}

async fn a_filter_leaves_out_whom_it_names(index: Index) {
    let of = |subject: &str, key, scheme: &str, province| Change::Added {
        subject: id(subject),
        attributes: attributes(scheme, province),
        restricted: false,
        id: key,
        content: new_template(1),
    };
    let people = vec![
        of("a", 1, "health", Some("79")),
        of("b", 2, "social", Some("79")),
        of("c", 3, "health", None),
        of("d", 4, "Social ", Some("1")),
    ];
    index.apply(changes(1, 5, people)).await.unwrap();
    let filter = |scheme: Option<&str>, province: Option<&str>, excluded: &[&str]| IndexFilter {
        scheme: scheme.map(Into::into),
        province: province.map(Into::into),
        excluded: excluded.iter().map(|&name| id(name)).collect::<BTreeSet<_>>(),
        ..IndexFilter::default()
    };
    for (filter, expected, count) in [
        (filter(None, None, &["b", "nobody"]), &["a", "c", "d"][..], 4),
        (filter(Some("health"), None, &[]), &["a", "c"], 2),
        (filter(Some("social"), Some("01"), &[]), &["d"], 1),
        (filter(Some("health"), Some("79"), &["a"]), &[], 1),
    ] {
        let mut found = within(&index, 1, 0.5, &filter).await;
        found.sort_unstable();
        assert_eq!(found, expected);
        assert_eq!(index.count(&filter), count, "by attributes alone");
    }
    let moves = attributes("health", Some("01"));
    let moves = Change::Relabelled { subject: id("a"), attributes: moves, restricted: false, templates: vec![1] };
    index.apply(changes(2, 5, vec![moves])).await.unwrap();
    assert_eq!(within(&index, 1, 0.5, &filter(Some("health"), Some("01"), &[])).await, ["a"]);
    assert_eq!(index.count(&filter(None, Some("79"), &[])), 1);
    // One who is restricted passes where restricted ones are asked for, and nowhere else.
    let attributes = attributes("social", Some("79"));
    let restricts = Change::Relabelled { subject: id("b"), attributes, restricted: true, templates: vec![2] };
    index.apply(changes(3, 5, vec![restricts])).await.unwrap();
    let social = |restricted| IndexFilter { restricted, ..filter(Some("social"), None, &[]) };
    for (restricted, expected) in [(Restricted::LeftOut, &["d"][..]), (Restricted::Included, &["b", "d"])] {
        let mut found = within(&index, 1, 0.5, &social(restricted)).await;
        found.sort_unstable();
        assert_eq!(found, expected);
        assert_eq!(index.count(&social(restricted)), expected.len() as u64);
    }
    assert_eq!(within(&index, 1, 0.5, &IndexFilter::default()).await.len(), 3);
}

async fn it_answers_as_of_the_commit_that_is_asked_for_or_not_at_all(index: Index) {
    index.apply(changes(5, 2, vec![added("a", 1, 1)])).await.unwrap();
    let search = async |at_least| {
        index.search(&template(1), Scope::Nearest(1), &IndexFilter::default(), Watermark(at_least)).await
    };
    assert!(search(5).await.unwrap().as_of >= Watermark(5));
    assert!(matches!(search(6).await, Err(GalleryError::Behind)));
}

async fn what_is_no_question_is_refused(index: Index) {
    let all = IndexFilter::default();
    let long = Template::from_raw(RECIPE, &[1.0; DIMENSION + 1]).unwrap();
    let none = Watermark(0);
    assert!(index.search(&long, Scope::Nearest(1), &all, none).await.is_err());
    assert!(index.search(&template(1), Scope::Within(f32::NAN), &all, none).await.is_err());
    // A template of another recipe is another index's.
    let foreign = Template::from_raw(RecipeDigest([8; 32]), &vector(1)).unwrap();
    let content = NewTemplate { template: foreign, ..new_template(1) };
    let change =
        Change::Added { subject: id("a"), attributes: Attributes::default(), restricted: false, id: 1, content };
    index.apply(changes(1, 2, vec![change])).await.unwrap();
    assert_eq!((index.count(&all), index.watermark()), (0, Watermark(1)));
}

async fn a_look_up_finds_nobody_who_is_not_there(index: Index) {
    index.apply(changes(1, 3, vec![added("a", 1, 1), added("b", 2, 64)])).await.unwrap();
    let without = IndexFilter { excluded: [id("a")].into(), ..IndexFilter::default() };
    if let Ok(found) = index.look_up(&template(1), 2, &without).await.unwrap() {
        assert!(found.candidates.iter().all(|found| found.subject == id("b")));
    }
}

//! Templates of two recipes in one gallery: what is promised for every store and index, and what
//! the embedded folder keeps of it.

use std::path::Path;
use std::sync::Arc;

use chinhchu::face::{RecipeDigest, Template};
use chinhchu::gallery::{
    self, Agreement, AgreementScores, Basis, DecisionKey, EmbeddedOptions, EnrolMode, Enrolment, Filter, Gallery,
    GalleryError, NewDecision, NewTemplate, Note, Outcome, RequestId, Scope, Searched, Source, Subject, VectorIndex,
    Vouch,
};

use crate::memory::{MemoryIndex, MemoryStore};
use crate::support::*;

/// A second recipe, whose templates have another dimension.
const SECOND: (RecipeDigest, usize) = (RecipeDigest([9; 32]), 5);
const FIRST: (RecipeDigest, usize) = (RECIPE, DIMENSION);

fn by_second(seed: usize) -> NewTemplate {
    let mut raw = vec![0.0; SECOND.1];
    raw[seed % SECOND.1] = 1.0;
    raw[(seed / SECOND.1) % SECOND.1] += 0.5;
    let template = Template::from_raw(SECOND.0, &raw).unwrap();
    NewTemplate { template, source: Source::Live, captured_at: None, quality: None }
}

/// Templates by the first recipe, then by the second.
fn enrolment_of(subject: &str, mode: EnrolMode, first: &[u64], second: &[usize]) -> Enrolment {
    let mut enrolment = enrolment(subject, mode, first);
    enrolment.templates.extend(second.iter().map(|&seed| by_second(seed)));
    enrolment
}

fn both() -> EmbeddedOptions {
    EmbeddedOptions { recipes_beside: vec![SECOND], ..options() }
}

fn open_both(dir: &Path) -> Gallery {
    gallery::open(dir, RECIPE, DIMENSION, both()).unwrap()
}

promises!(
    embedded, super::embedded; sealed, super::embedded_and_sealed; memory, super::in_memory; mixed, super::embedded_store_and_memory_indexes;
    postgres, super::in_postgres => {
        a_probe_finds_templates_of_its_own_recipe_alone,
        what_goes_and_is_relabelled_is_so_in_every_index,
        the_most_templates_of_a_subject_are_counted_by_recipe,
        photos_agree_by_each_recipe_that_made_templates_of_them,
        photos_that_no_recipe_compares_with_the_record_need_an_officer,
        whoever_comes_by_a_recipe_is_met_by_the_search_of_that_recipe,
    }
);

fn embedded() -> (Gallery, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    (open_both(dir.path()), dir)
}

fn memory_indexes() -> Vec<Arc<dyn VectorIndex>> {
    vec![Arc::new(MemoryIndex::of(FIRST)), Arc::new(MemoryIndex::of(SECOND))]
}

fn embedded_and_sealed() -> (Gallery, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let options = EmbeddedOptions { recipes_beside: vec![SECOND], ..sealed(dir.path()) };
    (gallery::open(&dir.path().join("data"), FIRST.0, FIRST.1, options).unwrap(), dir)
}

fn in_memory() -> (Gallery, ()) {
    (Gallery::new(Arc::new(MemoryStore::of(&[FIRST, SECOND])), memory_indexes()).unwrap(), ())
}

fn in_postgres() -> Option<(Gallery, ())> {
    crate::postgres::gallery_of(&[FIRST, SECOND], memory_indexes())
}

fn embedded_store_and_memory_indexes() -> (Gallery, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = gallery::open_parts(dir.path(), RECIPE, DIMENSION, both()).unwrap();
    (Gallery::new(store, memory_indexes()).unwrap(), dir)
}

async fn found(gallery: &Gallery, probe: &Template) -> Vec<String> {
    let found = gallery.within(probe, 0.99).await.unwrap();
    found.into_iter().map(|candidate| candidate.subject.as_str().to_owned()).collect()
}

async fn a_probe_finds_templates_of_its_own_recipe_alone(gallery: Gallery) {
    for (subject, first, second) in [("old", vec![1], vec![]), ("both", vec![1], vec![1]), ("new", vec![], vec![1])] {
        gallery.enrol(&by(), enrolment_of(subject, EnrolMode::Create, &first, &second), None).await.unwrap();
    }
    assert_eq!(found(&gallery, &template(1)).await, ["both", "old"]);
    assert_eq!(found(&gallery, &by_second(1).template).await, ["both", "new"]);
    assert_eq!(gallery.templates_by_recipe().await.unwrap(), [(RECIPE, 2), (SECOND.0, 2)]);
    assert_eq!(gallery.templates_in(&Filter::default()).await.unwrap(), 4, "of both");
    let claimed = Filter { claimed: Some(id("both")), ..Filter::default() };
    assert_eq!(gallery.templates_in(&claimed).await.unwrap(), 2);

    // A template of neither is refused by name, and so is one of another length.
    let stranger = Template::from_raw(RecipeDigest([3; 32]), &[1.0, 2.0]).unwrap();
    assert!(matches!(gallery.within(&stranger, 0.5).await, Err(GalleryError::OtherRecipe { .. })));
    let short = Template::from_raw(SECOND.0, &[1.0, 2.0]).unwrap();
    assert!(matches!(gallery.within(&short, 0.5).await, Err(GalleryError::Search(_))));
}

async fn what_goes_and_is_relabelled_is_so_in_every_index(gallery: Gallery) {
    let mut enrolment = enrolment_of("a", EnrolMode::Create, &[1], &[1]);
    enrolment.attributes.province = Some("79".into());
    gallery.enrol(&by(), enrolment, None).await.unwrap();
    let mut moved = enrolment_of("a", EnrolMode::Add, &[1], &[]);
    moved.attributes.province = Some("01".into());
    gallery.enrol(&by(), moved, None).await.unwrap();
    let there = Filter { province: Some("01".into()), ..Filter::default() };
    for probe in [template(1), by_second(1).template] {
        let found = gallery.search(&probe, Scope::Within(0.99), &there).await.unwrap();
        assert_eq!(found.len(), 1, "it lives there by both recipes");
    }
    gallery.enrol(&by(), enrolment_of("a", EnrolMode::Replace, &[2], &[]), None).await.unwrap();
    assert!(found(&gallery, &by_second(1).template).await.is_empty() && found(&gallery, &template(1)).await.is_empty());
    gallery.enrol(&by(), enrolment_of("a", EnrolMode::Add, &[], &[3]), None).await.unwrap();
    gallery.remove(&by(), &id("a"), None).await.unwrap();
    assert_eq!(gallery.templates_by_recipe().await.unwrap(), [(RECIPE, 0), (SECOND.0, 0)]);
}

async fn the_most_templates_of_a_subject_are_counted_by_recipe(gallery: Gallery) {
    let most = Subject::TEMPLATES_MAX;
    let full = enrolment_of("a", EnrolMode::Create, &vec![1; most], &vec![1; most]);
    assert_eq!(gallery.enrol(&by(), full, None).await.unwrap().templates as usize, 2 * most);
    for (first, second) in [(vec![1], vec![]), (vec![], vec![1])] {
        let more = gallery.enrol(&by(), enrolment_of("a", EnrolMode::Add, &first, &second), None).await;
        assert!(matches!(more, Err(GalleryError::TemplateCount { found, max }) if found == most + 1 && max == most));
    }
    let at_once = enrolment_of("b", EnrolMode::Create, &[], &vec![1; most + 1]);
    assert!(matches!(gallery.enrol(&by(), at_once, None).await, Err(GalleryError::TemplateCount { .. })));
}

/// Asked by both recipes.
fn asked_by_both(enrolment: Enrolment) -> Enrolment {
    let scores = |recipe| AgreementScores { recipe, alike: vec![0.6], apart: 0.3 };
    Enrolment { agreement: Agreement::Asked(vec![scores(RECIPE), scores(SECOND.0)]), ..enrolment }
}

async fn photos_agree_by_each_recipe_that_made_templates_of_them(gallery: Gallery) {
    let enrol = async |mode, first: &[u64], second: &[usize]| {
        gallery.enrol(&by(), asked_by_both(enrolment_of("a", mode, first, second)), None).await
    };
    // Alike by the first, two people by the second.
    let refused = enrol(EnrolMode::Create, &[1, 1], &[0, 1]).await;
    assert!(matches!(refused, Err(GalleryError::PhotosDisagree)));
    enrol(EnrolMode::Create, &[1, 1], &[1, 1]).await.unwrap();
    let refused = enrol(EnrolMode::Add, &[1], &[2]).await;
    assert!(matches!(refused, Err(GalleryError::RecordDisagrees)), "another person by the second recipe");
    enrol(EnrolMode::Add, &[1], &[1]).await.unwrap();
    let subject = gallery.subject(&id("a")).await.unwrap().unwrap();
    for (recipe, count) in [(RECIPE, 3), (SECOND.0, 3)] {
        assert_eq!(subject.groups(recipe, 0.6, 0.3).unwrap(), vec![0; count]);
    }
}

async fn photos_that_no_recipe_compares_with_the_record_need_an_officer(gallery: Gallery) {
    gallery.enrol(&by(), enrolment_of("a", EnrolMode::Create, &[1], &[]), None).await.unwrap();
    let alone = enrolment_of("a", EnrolMode::Add, &[], &[1]);
    let refused = gallery.enrol(&by(), asked_by_both(alone.clone()), None).await;
    assert!(matches!(refused, Err(GalleryError::RecordDisagrees)), "it may be anybody's");
    let vouch = Vouch { officer: id("officer"), reason: Note::new("seen").unwrap() };
    let vouched = Enrolment { agreement: Agreement::Vouched(vouch), ..alone };
    gallery.enrol(&by(), vouched, None).await.unwrap();
    // From now on there is something to compare with.
    gallery.enrol(&by(), asked_by_both(enrolment_of("a", EnrolMode::Add, &[], &[1])), None).await.unwrap();
}

async fn whoever_comes_by_a_recipe_is_met_by_the_search_of_that_recipe(gallery: Gallery) {
    let (first, second) = (template(1), by_second(1).template);
    let before = [
        gallery.find(&first, Scope::Within(0.99), &Filter::default()).await.unwrap().as_of,
        gallery.find(&second, Scope::Within(0.99), &Filter::default()).await.unwrap().as_of,
    ];
    let searched = |probe: &Template, as_of| Searched { probe: probe.clone(), score: 0.99, as_of };
    let decide = |transaction: &str, searches: Vec<Searched>| {
        let decision = NewDecision {
            pictures: None,
            captures: Vec::new(),
            captures_lifetime_ms: 0,
            challenge: None,
            unit: None,
            province: None,
            presented_by: None,
            reasons: Vec::new(),
            key: DecisionKey::new(RequestId::new(transaction).unwrap(), 1).unwrap(),
            content: [1; 32],
            subject: id("claims"),
            scheme: "health".to_owned(),
            outcome: Outcome::Refer,
            answer: Vec::new(),
            enrolment: None,
            basis: Some(Basis {
                captures_before: None,
                newest: None,
                subject: None,
                cleared_with: Vec::new(),
                searched: Some(searches),
            }),
            facts: crate::ledger::facts(),
        };
        let gallery = &gallery;
        async move { gallery.decide(&by(), decision).await.map(drop) }
    };
    let both = || vec![searched(&first, before[0]), searched(&second, before[1])];

    // Somebody else's face comes: only whoever searched by its recipe knows that.
    gallery.enrol(&by(), enrolment_of("other", EnrolMode::Create, &[], &[3]), None).await.unwrap();
    let alone = decide("t-1", vec![searched(&first, before[0])]).await;
    assert!(matches!(alone, Err(GalleryError::Outdated)), "it may be the same face");
    decide("t-1", both()).await.unwrap();
    // The same face, by the second recipe alone.
    gallery.enrol(&by(), enrolment_of("twin", EnrolMode::Create, &[5], &[1]), None).await.unwrap();
    assert!(matches!(decide("t-2", both()).await, Err(GalleryError::Outdated)));
}

#[test]
fn a_gallery_without_an_index_for_one_of_its_recipes_is_refused() {
    let store = Arc::new(MemoryStore::of(&[FIRST, SECOND]));
    let refused = Gallery::new(store, vec![Arc::new(MemoryIndex::of(FIRST))]).unwrap_err();
    assert!(matches!(refused, GalleryError::OtherRecipe { gallery, .. } if gallery == SECOND.0));
    let store = Arc::new(MemoryStore::of(&[FIRST, SECOND]));
    let refused = Gallery::new(store, memory_indexes().into_iter().rev().collect()).unwrap_err();
    assert!(matches!(refused, GalleryError::OtherRecipe { .. }), "the gallery's own comes first");
}

fn refused(opened: Result<Gallery, GalleryError>) -> RecipeDigest {
    match opened {
        Err(GalleryError::OtherRecipe { gallery, .. }) => gallery,
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("it opened without one of its recipes"),
    }
}

/// What is not searched is missed: a folder opens only together with every recipe it has
/// templates of.
#[test]
fn a_folder_opens_with_every_recipe_that_it_has_templates_of_and_in_either_order() {
    let dir = tempfile::tempdir().unwrap();
    drop(open_both(dir.path()));
    // Nothing of the second was stored yet.
    drop(open(dir.path()).unwrap());
    block_on(async {
        let gallery = open_both(dir.path());
        gallery.enrol(&by(), enrolment_of("a", EnrolMode::Create, &[1], &[1]), None).await.unwrap();
    });
    assert_eq!(refused(open(dir.path())), SECOND.0);
    assert!(matches!(
        gallery::look(dir.path(), &[FIRST], &options(), None),
        Err(GalleryError::OtherRecipe { gallery, .. }) if gallery == SECOND.0
    ));
    gallery::look(dir.path(), &[SECOND, FIRST], &options(), None).unwrap();
    assert_eq!(refused(gallery::open(dir.path(), SECOND.0, SECOND.1, options())), RECIPE);
    let swapped = EmbeddedOptions { recipes_beside: vec![FIRST], ..options() };
    let gallery = gallery::open(dir.path(), SECOND.0, SECOND.1, swapped).unwrap();
    assert_eq!((gallery.recipe(), gallery.dimension()), SECOND);
    block_on(async {
        assert_eq!(found(&gallery, &template(1)).await, ["a"]);
        let mut head = None;
        let mut snapshot = gallery.snapshot().await.unwrap();
        head.replace(snapshot.head().clone());
        assert_eq!(head.unwrap().recipes, [FIRST, SECOND], "the one first that it was made for");
        let mut parts = 0;
        while snapshot.next().await.unwrap().is_some() {
            parts += 1;
        }
        assert_eq!(parts, 1);
    });
}

/// A dimension that does not fit the recipe is the wrong pack's, and templates would be damaged.
#[test]
fn a_recipe_with_another_dimension_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    block_on(async {
        let gallery = open_both(dir.path());
        gallery.enrol(&by(), enrolment_of("a", EnrolMode::Create, &[1], &[1]), None).await.unwrap();
    });
    let longer = EmbeddedOptions { recipes_beside: vec![(SECOND.0, 7)], ..options() };
    let refused = gallery::open(dir.path(), RECIPE, DIMENSION, longer);
    assert!(matches!(refused, Err(GalleryError::Search(_))));
}

/// The end of a change of packs: once nothing of the old recipe is left, the new pack opens the
/// folder alone, and nothing of the old index stays behind.
#[test]
fn a_recipe_of_which_nothing_is_left_is_not_asked_for_any_more() {
    let dir = tempfile::tempdir().unwrap();
    let large = || EmbeddedOptions { checked_bytes_max: 0, ..options() };
    block_on(async {
        let gallery = gallery::open(dir.path(), RECIPE, DIMENSION, large()).unwrap();
        gallery.enrol(&by(), enrolment_of("a", EnrolMode::Create, &[1], &[]), None).await.unwrap();
        drop(gallery);
        let both = EmbeddedOptions { recipes_beside: vec![SECOND], ..large() };
        let gallery = gallery::open(dir.path(), RECIPE, DIMENSION, both).unwrap();
        gallery.enrol(&by(), enrolment_of("b", EnrolMode::Create, &[], &[2]), None).await.unwrap();
        gallery.enrol(&by(), enrolment_of("a", EnrolMode::Replace, &[], &[1]), None).await.unwrap();
    });
    assert!(index_files(dir.path()).len() > 1);
    let alone = || gallery::open(dir.path(), SECOND.0, SECOND.1, large());
    let gallery = alone().unwrap();
    block_on(async { assert_eq!(found(&gallery, &by_second(1).template).await, ["a"]) });
    drop(gallery);
    assert_eq!(index_files(dir.path()), ["index"]);
    assert_eq!(refused(gallery::open(dir.path(), RECIPE, DIMENSION, large())), SECOND.0);
    drop(alone().unwrap());
}

fn index_files(dir: &Path) -> Vec<String> {
    let names = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name.starts_with("index")).collect();
    names.sort_unstable();
    names
}

/// Each recipe has its index file; one that holds something else than the database is found out,
/// also where another recipe's templates make up the number.
#[test]
fn index_files_of_two_recipes_are_read_or_made_anew() {
    let dir = tempfile::tempdir().unwrap();
    let large = || EmbeddedOptions { checked_bytes_max: 0, ..both() };
    let open = || gallery::open(dir.path(), RECIPE, DIMENSION, large()).unwrap();
    block_on(async {
        let gallery = open();
        for number in 0..40u64 {
            let enrolment = enrolment_of(&format!("s{number}"), EnrolMode::Create, &[number], &[number as usize]);
            gallery.enrol(&by(), enrolment, None).await.unwrap();
        }
    });
    let files = index_files(dir.path());
    assert_eq!(files.len(), 2, "{files:?}");
    let check = || {
        let gallery = open();
        block_on(async {
            assert_eq!(gallery.templates_by_recipe().await.unwrap(), [(RECIPE, 40), (SECOND.0, 40)]);
            for number in [0, 17, 39] {
                assert!(found(&gallery, &template(number)).await.contains(&format!("s{number}")));
                assert!(found(&gallery, &by_second(number as usize).template).await.contains(&format!("s{number}")));
            }
        });
    };
    check();
    // One recipe's file in the place of the other's, and one that is cut short.
    let [one, other] = [dir.path().join(&files[0]), dir.path().join(&files[1])];
    std::fs::copy(&one, &other).unwrap();
    check();
    let bytes = std::fs::read(&one).unwrap();
    std::fs::write(&one, &bytes[..bytes.len() / 2]).unwrap();
    check();
}

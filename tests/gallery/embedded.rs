//! The embedded gallery keeps the contract, and what it adds to it.

use std::sync::Arc;

use chinhchu::face::RecipeDigest;
use chinhchu::gallery::{self, EmbeddedOptions, EnrolMode, Fault, Filter, Gallery, GalleryError, Scope};
use chinhchu::search::SearchError;

use crate::contract::run_through_contract;
use crate::memory::{MemoryIndex, MemoryStore};
use crate::support::*;

fn empty() -> (Arc<Gallery>, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    (Arc::new(open(dir.path()).unwrap()), dir)
}

run_through_contract!(empty);

/// A store and an index that know nothing of each other but the traits.
mod in_memory {
    use super::*;

    fn empty() -> (Arc<Gallery>, ()) {
        (Arc::new(Gallery::new(Arc::new(MemoryStore::default()), vec![Arc::new(MemoryIndex::default())]).unwrap()), ())
    }

    run_through_contract!(empty);
}

/// The store in PostgreSQL, followed by an index in memory.
mod in_postgres {
    use super::*;

    fn empty() -> Option<(Arc<Gallery>, ())> {
        crate::postgres::gallery().map(|(gallery, ())| (Arc::new(gallery), ()))
    }

    run_through_contract!(empty);
}

/// The embedded pair, with a transparency log beside everything.
mod with_log {
    use super::*;

    fn empty() -> (Arc<Gallery>, tempfile::TempDir) {
        let dir = tempfile::tempdir().unwrap();
        (Arc::new(crate::ledger::open_with_log(dir.path()).unwrap()), dir)
    }

    run_through_contract!(empty);
}

/// The embedded pair, sealed.
mod sealed {
    use super::*;

    fn empty() -> (Arc<Gallery>, tempfile::TempDir) {
        let dir = tempfile::tempdir().unwrap();
        (Arc::new(open_sealed(dir.path()).unwrap()), dir)
    }

    run_through_contract!(empty);
}

/// The embedded store followed by another index.
mod embedded_and_memory {
    use super::*;

    fn empty() -> (Arc<Gallery>, tempfile::TempDir) {
        let dir = tempfile::tempdir().unwrap();
        let (store, _) = gallery::open_parts(dir.path(), RECIPE, DIMENSION, options()).unwrap();
        (Arc::new(Gallery::new(store, vec![Arc::new(MemoryIndex::default())]).unwrap()), dir)
    }

    run_through_contract!(empty);
}

#[test]
fn a_scheme_that_an_earlier_program_stored_as_it_was_typed_is_found_by_its_name() {
    let dir = tempfile::tempdir().unwrap();
    let gallery = open(dir.path()).unwrap();
    let stored = ["Social ".to_owned(), "SCHEME_HEALTH".to_owned(), "pension".to_owned()];
    block_on(async {
        let mut old = enrolment("old", EnrolMode::Create, &[1]);
        (old.attributes.schemes, old.attributes.province) = (stored.into(), Some("1".into()));
        gallery.enrol(&by(), old, None).await.unwrap();
    });
    drop(gallery);
    let gallery = open(dir.path()).unwrap();
    block_on(async {
        let subject = gallery.subject(&id("old")).await.unwrap().unwrap();
        // What the vocabulary does not know is kept.
        let schemes: Vec<&str> = subject.attributes.schemes.iter().map(String::as_str).collect();
        assert_eq!(schemes, ["health", "pension", "social"]);
        for (scheme, found) in [("social", 1), ("health", 1), ("unemployment", 0), ("pension", 1)] {
            let filter = Filter { scheme: Some(scheme.into()), province: Some("01".into()), ..Filter::default() };
            let candidates = gallery.search(&template(1), Scope::Within(-1.0), &filter).await.unwrap();
            assert_eq!(candidates.len(), found, "{scheme}");
            assert_eq!(gallery.templates_in(&filter).await.unwrap(), found as u64, "{scheme}");
        }
        // A photo added later leaves them by their names.
        gallery.enrol(&by(), enrolment("old", EnrolMode::Add, &[2]), None).await.unwrap();
        let again = gallery.subject(&id("old")).await.unwrap().unwrap();
        assert!(again.attributes.schemes == subject.attributes.schemes);
    });
}

#[test]
fn what_was_acknowledged_is_there_after_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let gallery = open(dir.path()).unwrap();
    let (subject, found, receipt) = block_on(async {
        create(&gallery, "a", &[1, 2, 3]).await.unwrap();
        create(&gallery, "b", &[2]).await.unwrap();
        gallery.remove(&by(), &id("b"), None).await.unwrap();
        let receipt = gallery.enrol(&by(), enrolment("c", EnrolMode::Create, &[9]), Some(retry("r", 1))).await.unwrap();
        let subject = gallery.subject(&id("a")).await.unwrap();
        (subject, gallery.within(&template(2), -1.0).await.unwrap(), receipt)
    });
    drop(gallery);

    let gallery = open(dir.path()).unwrap();
    block_on(async {
        assert_eq!(gallery.subject(&id("a")).await.unwrap(), subject);
        assert_eq!(gallery.within(&template(2), -1.0).await.unwrap(), found);
        let again = gallery.receipt(&retry("r", 1)).await.unwrap().unwrap();
        assert_eq!(again.commit, receipt.commit);
        let next = create(&gallery, "d", &[4]).await.unwrap();
        assert!(next.commit > receipt.commit);
        let ids: Vec<u64> = gallery.subject(&id("d")).await.unwrap().unwrap().templates.iter().map(|t| t.id).collect();
        assert_eq!(ids, [6], "ids 1–5 were used, also those of the removed");
    });
}

#[test]
fn writes_queued_when_the_gallery_is_dropped_are_carried_out() {
    let dir = tempfile::tempdir().unwrap();
    let gallery = open(dir.path()).unwrap();
    let mut futures: Vec<_> = (0..50).map(|i| Box::pin(create_owned(&gallery, i))).collect();
    // Polled once each: queued, not awaited; then their callers go away.
    block_on(async {
        for future in &mut futures {
            let _ = std::future::poll_fn(|context| std::task::Poll::Ready(future.as_mut().poll(context))).await;
        }
    });
    drop(futures);
    drop(gallery);
    let gallery = open(dir.path()).unwrap();
    assert_eq!(gallery.stats().subjects, 50);
}

async fn create_owned(gallery: &Gallery, i: u64) -> Result<chinhchu::gallery::Receipt, GalleryError> {
    create(gallery, &format!("s{i}"), &[i]).await
}

#[test]
fn a_gallery_of_another_recipe_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    block_on(create(&open(dir.path()).unwrap(), "a", &[1])).unwrap();
    let other = RecipeDigest([8; 32]);
    let error = gallery::open(dir.path(), other, DIMENSION, options()).unwrap_err();
    assert!(matches!(error, GalleryError::OtherRecipe { gallery: RECIPE, template } if template == other));
    let error = gallery::open(dir.path(), RECIPE, DIMENSION + 1, options()).unwrap_err();
    assert!(matches!(error, GalleryError::Search(SearchError::Dimension { expected: 8, found: 9 })));
    assert_eq!(open(dir.path()).unwrap().stats().templates, 1);
}

#[test]
fn a_full_gallery_says_so_and_takes_more_when_some_are_removed() {
    let dir = tempfile::tempdir().unwrap();
    let small = EmbeddedOptions { templates_max: 3, ..options() };
    let gallery = gallery::open(dir.path(), RECIPE, DIMENSION, small.clone()).unwrap();
    block_on(async {
        create(&gallery, "a", &[1, 2]).await.unwrap();
        let error = create(&gallery, "b", &[1, 2]).await.unwrap_err();
        assert!(matches!(error, GalleryError::Search(SearchError::Full { max: 3 })));
        assert_eq!(error.fault(), Fault::Service);
        create(&gallery, "b", &[1]).await.unwrap();
        // A replacement counts what it frees.
        gallery.enrol(&by(), enrolment("a", EnrolMode::Replace, &[3, 4]), None).await.unwrap();
        gallery.remove(&by(), &id("a"), None).await.unwrap();
        create(&gallery, "c", &[1, 2]).await.unwrap();
    });
    drop(gallery);
    let smaller = EmbeddedOptions { templates_max: 2, ..small };
    let error = gallery::open(dir.path(), RECIPE, DIMENSION, smaller).unwrap_err();
    assert!(matches!(error, GalleryError::Search(SearchError::Full { max: 2 })));
}

#[test]
fn request_ids_are_forgotten_oldest_first_when_there_are_too_many() {
    let dir = tempfile::tempdir().unwrap();
    let few = EmbeddedOptions { requests_max: 3, ..options() };
    let gallery = gallery::open(dir.path(), RECIPE, DIMENSION, few).unwrap();
    block_on(async {
        for i in 0..5 {
            let enrolment = enrolment("a", EnrolMode::Add, &[i]);
            gallery.enrol(&by(), enrolment, Some(retry(format!("r{i}"), 1))).await.unwrap();
        }
        for i in 0..5 {
            let known = gallery.receipt(&retry(format!("r{i}"), 1)).await.unwrap().is_some();
            assert_eq!(known, i >= 2, "request {i}");
        }
    });
}

#[test]
fn request_ids_are_forgotten_when_they_are_too_old() {
    let dir = tempfile::tempdir().unwrap();
    let brief = EmbeddedOptions { request_age_max_ms: 0, ..options() };
    let gallery = gallery::open(dir.path(), RECIPE, DIMENSION, brief).unwrap();
    block_on(async {
        gallery.enrol(&by(), enrolment("a", EnrolMode::Add, &[1]), Some(retry("old", 1))).await.unwrap();
        std::thread::sleep(std::time::Duration::from_millis(5));
        gallery.enrol(&by(), enrolment("a", EnrolMode::Add, &[1]), Some(retry("new", 1))).await.unwrap();
        assert!(gallery.receipt(&retry("old", 1)).await.unwrap().is_none());
        assert!(gallery.receipt(&retry("new", 1)).await.unwrap().is_some());
    });
}

#[test]
fn loading_reports_progress() {
    let dir = tempfile::tempdir().unwrap();
    block_on(create(&open(dir.path()).unwrap(), "a", &[1, 2])).unwrap();
    let (send, receive) = std::sync::mpsc::channel();
    let progress: chinhchu::gallery::Progress = Arc::new(move |done, total| send.send((done, total)).unwrap());
    let options = EmbeddedOptions { progress: Some(progress), ..options() };
    drop(gallery::open(dir.path(), RECIPE, DIMENSION, options).unwrap());
    assert_eq!(receive.try_iter().last(), Some((2, 2)));
}

#[test]
fn searches_that_come_together_are_answered_as_if_alone() {
    let dir = tempfile::tempdir().unwrap();
    let gallery = Arc::new(open(dir.path()).unwrap());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).build().unwrap();
    runtime.block_on(async {
        for seed in 0..120 {
            create(gallery.as_ref(), &format!("s{seed:03}"), &[seed, seed * 3 + 1]).await.unwrap();
        }
        let mut alone = Vec::new();
        for seed in 0..90 {
            alone.push((
                gallery.within(&template(seed), 0.8).await.unwrap(),
                gallery.nearest(&template(seed), (seed % 9) as usize).await.unwrap(),
            ));
        }
        let together: Vec<_> = (0..90)
            .map(|seed| {
                let gallery = Arc::clone(&gallery);
                tokio::spawn(async move {
                    // A caller that gives up disturbs nobody.
                    let gone = Arc::clone(&gallery);
                    tokio::spawn(async move { gone.within(&template(seed), -1.0).await }).abort();
                    let bad = gallery.within(&template(seed), f32::NAN).await;
                    assert!(bad.is_err(), "a search that cannot be answered is refused by itself");
                    let probe = template(seed);
                    tokio::join!(gallery.within(&probe, 0.8), gallery.nearest(&probe, (seed % 9) as usize))
                })
            })
            .collect();
        for (together, alone) in together.into_iter().zip(alone) {
            let (within, nearest) = together.await.unwrap();
            assert_eq!((within.unwrap(), nearest.unwrap()), alone);
        }
    });
}

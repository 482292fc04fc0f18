//! The index in its file: used where it can be, made anew where it cannot, and never
//! the reason for a wrong answer.

use std::fs;
use std::path::{Path, PathBuf};

use chinhchu::face::Template;
use chinhchu::gallery::{
    self, Attributes, EmbeddedOptions, EnrolMode, Enrolment, Filter, Gallery, GalleryError, NewTemplate, Scope, Source,
};
use chinhchu::search::SearchError;

use crate::support::*;

/// Enough for codes.
const DIMENSION_CODED: usize = 128;

/// As if every database were large.
fn large() -> EmbeddedOptions {
    EmbeddedOptions { checked_bytes_max: 0, ..options() }
}

fn open_large(dir: &Path) -> Result<Gallery, GalleryError> {
    gallery::open(dir, RECIPE, DIMENSION_CODED, large())
}

fn face(number: u64) -> Template {
    let mut state = number.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let raw: Vec<f32> = (0..DIMENSION_CODED)
        .map(|i| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((state >> 40) as f32 / (1u64 << 23) as f32 - 1.0) / (8 + i) as f32
        })
        .collect();
    Template::from_raw(RECIPE, &raw).unwrap()
}

fn person(number: u64, mode: EnrolMode, faces: &[u64]) -> Enrolment {
    let new = |&face_number: &u64| NewTemplate {
        template: face(face_number),
        source: Source::Chip,
        captured_at: None,
        quality: None,
    };
    let attributes = Attributes {
        schemes: [["health", "social"][number as usize % 2].to_owned()].into(),
        province: Some(format!("{:02}", number % 5)),
        unit: None,
    };
    Enrolment {
        by: None,
        legal_basis: None,
        subject: id(format!("s{number:05}")),
        mode,
        attributes,
        templates: faces.iter().map(new).collect(),
        agreement: chinhchu::gallery::Agreement::Known,
    }
}

async fn enrol(gallery: &Gallery, numbers: std::ops::Range<u64>) {
    // Together, so that they share transactions.
    let by = by();
    let mut writes: Vec<_> = numbers.map(|n| gallery.enrol(&by, person(n, EnrolMode::Create, &[n]), None)).collect();
    while !writes.is_empty() {
        let some = writes.split_off(writes.len().saturating_sub(500));
        let mut some: Vec<_> = some.into_iter().map(Box::pin).collect();
        std::future::poll_fn(|context| {
            some.retain_mut(|write| match write.as_mut().poll(context) {
                std::task::Poll::Ready(done) => {
                    done.unwrap();
                    false
                }
                std::task::Poll::Pending => true,
            });
            if some.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
        })
        .await;
    }
}

/// Subjects, templates and scores of several searches.
type Found = Vec<Vec<(String, u64, u32)>>;

/// All there is to find, by several filters.
async fn everything(gallery: &Gallery) -> Found {
    let health = Filter { scheme: Some("health".into()), ..Filter::default() };
    let there = Filter { province: Some("03".into()), excluded: [id("s00008")].into(), ..Filter::default() };
    let mut found = Vec::new();
    for filter in [Filter::default(), health, there] {
        for scope in [Scope::Within(-2.0), Scope::Within(0.4), Scope::Nearest(7)] {
            let some = gallery.search(&face(8), scope, &filter).await.unwrap();
            found.push(some.into_iter().map(|c| (c.subject.as_str().to_owned(), c.template_id, c.score.to_bits())));
        }
        let count = gallery.templates_in(&filter).await.unwrap();
        assert_eq!(count, found[found.len() - 3].clone().map(|_| 1).sum::<u64>(), "one template each");
    }
    found.into_iter().map(Iterator::collect).collect()
}

fn file(dir: &Path) -> PathBuf {
    dir.join("index")
}

/// Whether opening took the index from the file: only then is the file still there
/// before anything was written.
fn opened_from_file(dir: &Path) -> bool {
    let before = fs::read(file(dir)).ok();
    let copy = tempfile::tempdir().unwrap();
    for name in ["chinhchu.redb", "VERSION", "index"] {
        let _ = fs::copy(dir.join(name), copy.path().join(name));
    }
    let gallery = open_large(copy.path()).unwrap();
    let kept = fs::read(file(copy.path())).ok();
    drop(gallery);
    before.is_some() && kept == before
}

/// Enough for a rotation and codes.
const PEOPLE: u64 = 2100;

/// A closed gallery with its index file, made once.
fn filled() -> tempfile::TempDir {
    static MADE: std::sync::LazyLock<tempfile::TempDir> = std::sync::LazyLock::new(|| {
        let dir = tempfile::tempdir().unwrap();
        let gallery = open_large(dir.path()).unwrap();
        block_on(enrol(&gallery, 0..PEOPLE));
        drop(gallery);
        dir
    });
    let dir = tempfile::tempdir().unwrap();
    for name in ["chinhchu.redb", "VERSION", "index"] {
        fs::copy(MADE.path().join(name), dir.path().join(name)).unwrap();
    }
    dir
}

/// What a gallery without an index file finds.
fn expected(dir: &Path) -> Found {
    let copy = tempfile::tempdir().unwrap();
    for name in ["chinhchu.redb", "VERSION"] {
        fs::copy(dir.join(name), copy.path().join(name)).unwrap();
    }
    let gallery = gallery::open(copy.path(), RECIPE, DIMENSION_CODED, options()).unwrap();
    block_on(everything(&gallery))
}

/// What [`filled`] finds.
fn expected_of_filled() -> &'static Found {
    static EXPECTED: std::sync::LazyLock<Found> = std::sync::LazyLock::new(|| expected(filled().path()));
    &EXPECTED
}

#[test]
fn a_gallery_opened_from_its_index_file_finds_what_it_found() {
    use std::os::unix::fs::PermissionsExt;
    let dir = filled();
    assert!(opened_from_file(dir.path()));
    assert_eq!(fs::metadata(file(dir.path())).unwrap().permissions().mode() & 0o777, 0o600);
    let expected = expected_of_filled();
    assert!(expected[0].len() == PEOPLE as usize && expected[2].len() == 7);
    let gallery = open_large(dir.path()).unwrap();
    assert_eq!(&block_on(everything(&gallery)), expected);
    // And goes on.
    block_on(enrol(&gallery, PEOPLE..PEOPLE + 5));
    block_on(gallery.remove(&by(), &id("s00008"), None)).unwrap();
    let found = block_on(everything(&gallery));
    drop(gallery);
    assert_eq!(found, self::expected(dir.path()));
}

#[test]
fn what_was_written_after_the_file_is_replayed() {
    let dir = filled();
    let old = fs::read(file(dir.path())).unwrap();
    let gallery = open_large(dir.path()).unwrap();
    block_on(async {
        enrol(&gallery, PEOPLE..PEOPLE + 3).await;
        gallery.remove(&by(), &id("s00010"), None).await.unwrap();
        gallery.enrol(&by(), person(11, EnrolMode::Replace, &[77_777]), None).await.unwrap();
        gallery.enrol(&by(), person(PEOPLE + 1, EnrolMode::Replace, &[88_888]), None).await.unwrap();
        // Other attributes for a face that stays.
        let moved = Attributes { province: Some("03".into()), ..Attributes::default() };
        gallery.remove(&by(), &id("s00012"), None).await.unwrap();
        for n in [14, 16] {
            let add = Enrolment { attributes: moved.clone(), ..person(n, EnrolMode::Add, &[90_000 + n]) };
            gallery.enrol(&by(), add, None).await.unwrap();
        }
        // Of one of them only the new face stays.
        gallery.remove(&by(), &id("s00016"), None).await.unwrap();
        gallery.enrol(&by(), person(16, EnrolMode::Create, &[90_016]), None).await.unwrap();
        let there = Filter { province: Some("03".into()), ..Filter::default() };
        let found = gallery.search(&face(14), Scope::Nearest(1), &there).await.unwrap();
        assert_eq!(found[0].subject, id("s00014"), "a search sees the new attributes at once");
        gallery.remove(&by(), &id("s00014"), None).await.unwrap();
    });
    let found = block_on(everything(&gallery));
    drop(gallery);
    // Killed before a newer file had its name.
    fs::write(file(dir.path()), &old).unwrap();
    assert!(opened_from_file(dir.path()), "so few changes are no reason for a new file");
    assert_eq!(block_on(everything(&open_large(dir.path()).unwrap())), found);
    assert_eq!(found, expected(dir.path()));
}

#[test]
fn a_file_that_is_missing_cut_short_or_altered_is_made_anew() {
    let dir = filled();
    let good = fs::read(file(dir.path())).unwrap();
    let altered = |at: usize| {
        let mut bytes = good.clone();
        bytes[at] ^= 0x10;
        Some(bytes)
    };
    // Every place in turn is the matter of the search's own tests.
    let cases = [
        ("missing", None),
        ("cut short", Some(good[..good.len() / 3].to_vec())),
        ("altered in its head", altered(13)),
        ("altered at its end", altered(good.len() - 30)),
    ];
    for (case, bytes) in cases {
        match &bytes {
            Some(bytes) => fs::write(file(dir.path()), bytes).unwrap(),
            None => fs::remove_file(file(dir.path())).unwrap(),
        }
        let gallery = open_large(dir.path()).unwrap();
        assert_eq!(&block_on(everything(&gallery)), expected_of_filled(), "{case}");
        drop(gallery);
        assert_ne!(fs::read(file(dir.path())).ok(), bytes, "{case}: a new one was written");
    }
    assert!(opened_from_file(dir.path()));
}

#[test]
fn a_file_of_another_gallery_or_of_another_past_is_not_believed() {
    let dir = filled();
    // Another gallery with the same recipe and as many commits.
    let other = tempfile::tempdir().unwrap();
    let gallery = open_large(other.path()).unwrap();
    block_on(enrol(&gallery, 5000..5000 + PEOPLE));
    drop(gallery);
    let right = expected_of_filled();
    fs::copy(file(other.path()), file(dir.path())).unwrap();
    assert_eq!(&block_on(everything(&open_large(dir.path()).unwrap())), right);

    // A backup of the database comes back under a newer file.
    let backup = fs::read(dir.path().join("chinhchu.redb")).unwrap();
    let gallery = open_large(dir.path()).unwrap();
    block_on(enrol(&gallery, PEOPLE..PEOPLE + 200));
    drop(gallery);
    fs::write(dir.path().join("chinhchu.redb"), backup).unwrap();
    assert_eq!(&block_on(everything(&open_large(dir.path()).unwrap())), right);
}

#[test]
fn a_half_written_file_is_no_hindrance() {
    let dir = filled();
    fs::write(dir.path().join("index.new"), b"half").unwrap();
    let gallery = open_large(dir.path()).unwrap();
    block_on(enrol(&gallery, PEOPLE..PEOPLE + 300));
    drop(gallery);
    assert!(!dir.path().join("index.new").exists());
    assert!(opened_from_file(dir.path()));
    // Where it cannot be written at all, nothing but time is lost.
    fs::remove_file(file(dir.path())).unwrap();
    fs::create_dir(dir.path().join("index.new")).unwrap();
    let gallery = open_large(dir.path()).unwrap();
    block_on(enrol(&gallery, PEOPLE + 300..PEOPLE + 301));
    let found = block_on(everything(&gallery));
    drop(gallery);
    assert!(!file(dir.path()).exists());
    assert_eq!(block_on(everything(&open_large(dir.path()).unwrap())), found);
}

#[test]
fn vectors_that_do_not_fit_into_memory_are_read_from_the_database() {
    let dir = filled();
    let expected = expected_of_filled();
    // Too little for all vectors, enough for all codes.
    let tight = EmbeddedOptions { memory_bytes_max: 1300 << 10, ..options() };
    let gallery = gallery::open(dir.path(), RECIPE, DIMENSION_CODED, tight.clone()).unwrap();
    assert_eq!(&block_on(everything(&gallery)), expected);
    block_on(async {
        let full = loop {
            let more = gallery.stats().templates;
            let write = gallery.enrol(&by(), person(more, EnrolMode::Create, &[more]), None).await;
            if let Err(error) = write {
                break error;
            }
            assert!(more < 6000, "the limit was not held");
        };
        assert!(matches!(full, GalleryError::Search(SearchError::Memory { .. })), "{full}");
        // The store is as it was; room can be made.
        let templates = gallery.stats().templates;
        assert!(gallery.subject(&id(format!("s{templates:05}"))).await.unwrap().is_none());
        assert_eq!(gallery.nearest(&face(2099), 1).await.unwrap()[0].subject, id("s02099"));
    });
    drop(gallery);
    let none = EmbeddedOptions { memory_bytes_max: 200 << 10, ..tight };
    for options in [none.clone(), EmbeddedOptions { checked_bytes_max: 0, ..none }] {
        let error = gallery::open(dir.path(), RECIPE, DIMENSION_CODED, options).unwrap_err();
        assert!(matches!(error, GalleryError::Search(SearchError::Memory { .. })), "{error}");
        assert!(error.to_string().contains("raise the limit"));
    }
}

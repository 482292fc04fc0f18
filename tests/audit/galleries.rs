//! Audits of galleries: in use, changed in between, and each record by itself.

use std::collections::BTreeSet;
use std::path::Path;

use chinhchu::context::RequestContext;
use chinhchu::face::{RecipeDigest, Template};
use chinhchu::gallery::{
    self, Attributes, ClearPair, EmbeddedOptions, EnrolMode, Enrolment, Gallery, GalleryError, NewTemplate, Note,
    SnapshotPart, Source, SubjectId, Timestamp,
};

use crate::made::*;
use crate::support::*;

const RECIPE: RecipeDigest = RecipeDigest([7; 32]);

pub fn open(dir: &Path) -> Result<Gallery, GalleryError> {
    gallery::open(dir, RECIPE, DIMENSION, EmbeddedOptions::default())
}

pub fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

pub fn id(text: &str) -> SubjectId {
    SubjectId::new(text).unwrap()
}

fn enrolment(subject: &str, vectors: &[Vec<f32>], province: &str) -> Enrolment {
    enrolment_of(RECIPE, subject, vectors, province)
}

pub fn enrolment_of(recipe: RecipeDigest, subject: &str, vectors: &[Vec<f32>], province: &str) -> Enrolment {
    let new = |(i, vector): (usize, &Vec<f32>)| NewTemplate {
        template: Template::from_raw(recipe, vector).unwrap(),
        source: Source::Live,
        captured_at: Some(Timestamp(1_700_000_000_000 + 86_400_000 * i as u64)),
        quality: Some(50.0),
    };
    Enrolment {
        by: None,
        legal_basis: None,
        subject: id(subject),
        mode: EnrolMode::Create,
        attributes: Attributes {
            schemes: ["social".to_owned()].into(),
            province: Some(province.to_owned()),
            unit: None,
        },
        templates: vectors.iter().enumerate().map(new).collect(),
        agreement: chinhchu::gallery::Agreement::Known,
    }
}

/// Enrols people; the captures of one person are next to each other.
pub fn enrol(gallery: &Gallery, people: &People) {
    let recipe = gallery.recipe();
    block_on(async {
        let mut row = 0;
        while row < people.owners.len() {
            let owner = &people.owners[row];
            let end = row + people.owners[row..].iter().take_while(|other| *other == owner).count();
            let province = if row < people.owners.len() / 2 { "01" } else { "79" };
            let enrolment = enrolment_of(recipe, owner, &people.vectors[row..end], province);
            gallery.enrol(&RequestContext::internal("test"), enrolment, None).await.unwrap();
            row = end;
        }
    });
}

pub fn audit_gallery(data: &Path, out: &Path, more: &[&str]) -> Ran {
    let mut args = vec!["audit", "--data", data.to_str().unwrap(), "--out", out.to_str().unwrap()];
    if !more.contains(&"--same") && !more.contains(&"--stale") {
        args.extend(["--score", SCORE, "--sample", SAMPLE]);
    }
    args.extend(more);
    run(args)
}

/// Pairs of subjects in `pairs.csv`.
pub fn found_subjects(out: &Path) -> BTreeSet<(String, String)> {
    let rows = csv_rows(&out.join("pairs.csv"));
    rows.iter()
        .map(|row| {
            let (a, b) = (row["subject_a"].clone(), row["subject_b"].clone());
            if a < b { (a, b) } else { (b, a) }
        })
        .collect()
}

pub fn expected_subjects(people: &People) -> BTreeSet<(String, String)> {
    let pairs = people.brute_force(0.7).into_iter();
    pairs.map(|(a, b)| (people.owners[a].clone(), people.owners[b].clone())).collect()
}

#[test]
fn a_gallery_is_audited_and_cleared_pairs_are_left_out_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let (data, out) = (folder.path().join("people"), folder.path().join("out"));
    let people = people(500, 30);
    let gallery = open(&data).unwrap();
    enrol(&gallery, &people);
    let mut expected = expected_subjects(&people);
    let twins = expected.iter().next().unwrap().clone();
    expected.remove(&twins);
    let pair = ClearPair {
        first: id(&twins.0),
        second: id(&twins.1),
        officer: id("o-7"),
        reason: Note::new("twins").unwrap(),
        officers_needed: 1,
        lifetime_ms: None,
    };
    block_on(gallery.clear_pair(&RequestContext::internal("test"), pair)).unwrap();
    // Open in a program that is no server.
    audit_gallery(&data, &out, &[]).refused(&["in use by another process", "hands on no snapshot", "stop it while"]);
    drop(gallery);

    let summary = audit_gallery(&data, &out, &["--json"]).ended(1).json();
    assert_eq!(found_subjects(&out), expected);
    assert_eq!(summary["compared"]["cleared"], 1);
    assert_eq!(summary["compared"]["recipe"], RECIPE.to_string());
    let rows = csv_rows(&out.join("pairs.csv"));
    assert!(rows.iter().all(|row| row["captured_a"].starts_with("2023-11-") && row["quality_b"] == "50.0"));

    // One province against the whole country.
    let against = folder.path().join("against");
    audit_gallery(&data, &against, &["--province", "79", "--against", data.to_str().unwrap()]).ended(1);
    let south: BTreeSet<&String> = people.owners[people.owners.len() / 2..].iter().collect();
    let south: BTreeSet<_> = expected.iter().filter(|(a, b)| south.contains(a) || south.contains(b)).cloned().collect();
    assert_eq!(found_subjects(&against), south);
}

#[test]
fn templates_of_two_recipes_are_never_compared() {
    let folder = tempfile::tempdir().unwrap();
    let (one, other) = (folder.path().join("one"), folder.path().join("other"));
    let people = people(60, 31);
    enrol(&open(&one).unwrap(), &people);
    let recipe = RecipeDigest([8; 32]);
    let gallery = gallery::open(&other, recipe, DIMENSION, EmbeddedOptions::default()).unwrap();
    let mut enrolment = enrolment("x", &people.vectors[..1], "01");
    enrolment.templates[0].template = Template::from_raw(recipe, &people.vectors[0]).unwrap();
    block_on(gallery.enrol(&RequestContext::internal("test"), enrolment, None)).unwrap();
    drop(gallery);
    let out = folder.path().join("out");
    audit_gallery(&one, &out, &["--against", other.to_str().unwrap()]).refused(&["two recipes", "same model pack"]);
}

#[test]
fn a_snapshot_is_of_one_moment_whatever_is_written_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    let people = people(400, 32);
    let gallery = open(folder.path()).unwrap();
    enrol(&gallery, &people);
    block_on(async {
        let stats = gallery.stats();
        let mut snapshot = gallery.snapshot().await.unwrap();
        assert_eq!((snapshot.head().subjects, snapshot.head().templates), (stats.subjects, stats.templates));
        // Removed, added and changed after it was taken: none of it shows.
        gallery.remove(&RequestContext::internal("test"), &id("s00000"), None).await.unwrap();
        gallery
            .enrol(&RequestContext::internal("test"), enrolment("a-new-one", &people.vectors[..1], "01"), None)
            .await
            .unwrap();
        let mut more = enrolment("s00001", &people.vectors[1..2], "99");
        more.mode = EnrolMode::Replace;
        gallery.enrol(&RequestContext::internal("test"), more, None).await.unwrap();

        let mut seen = Vec::new();
        while let Some(part) = snapshot.next().await.unwrap() {
            let SnapshotPart::Subject(subject) = part else { panic!("nobody was cleared") };
            assert_ne!(subject.attributes.province.as_deref(), Some("99"));
            assert!(subject.templates.iter().all(|template| template.id < snapshot.head().template_next));
            seen.push((subject.id.as_str().to_owned(), subject.templates.len()));
        }
        assert!(snapshot.next().await.unwrap().is_none());
        let mut expected: Vec<(String, usize)> = Vec::new();
        for owner in &people.owners {
            match expected.last_mut() {
                Some(last) if last.0 == *owner => last.1 += 1,
                _ => expected.push((owner.clone(), 1)),
            }
        }
        assert_eq!(seen, expected);

        // A gallery that closes ends its snapshots with an error, never early.
        let mut cut = gallery.snapshot().await.unwrap();
        cut.next().await.unwrap();
        drop(gallery);
        let mut last = Ok(None);
        for _ in 0..people.owners.len() {
            last = cut.next().await;
            if !matches!(last, Ok(Some(_))) {
                break;
            }
        }
        assert!(matches!(last, Err(GalleryError::Closing)));
    });
}

#[test]
fn an_audit_that_goes_on_is_of_the_gallery_as_it_was_and_a_finished_one_is_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let (data, out) = (folder.path().join("people"), folder.path().join("out"));
    let people = people(500, 33);
    enrol(&open(&data).unwrap(), &people);
    audit_gallery(&data, &out, &[]).ended(1);
    let before = found_subjects(&out);

    // As if it had been killed before its last unit: then somebody is enrolled.
    std::fs::remove_file(out.join("summary.json")).unwrap();
    let bytes = std::fs::read(out.join("checkpoint")).unwrap();
    std::fs::write(out.join("checkpoint"), &bytes[..bytes.len() - 1]).unwrap();
    let gallery = open(&data).unwrap();
    block_on(gallery.enrol(
        &RequestContext::internal("test"),
        enrolment("a-new-one", &people.vectors[..1], "01"),
        None,
    ))
    .unwrap();
    drop(gallery);
    let ran = audit_gallery(&data, &out, &["--json"]).ended(1);
    assert!(ran.stderr.contains("1 templates were stored after this audit began"), "{ran:?}");
    assert_eq!(found_subjects(&out), before);
    let left_out = ran.json()["compared"]["left_out"].clone();
    assert_eq!(
        (left_out[0]["en"].clone(), left_out[0]["count"].clone()),
        ("stored after the audit began".into(), 1.into())
    );

    let since = folder.path().join("since");
    audit_gallery(&data, &since, &["--since", out.to_str().unwrap()]).ended(1);
    assert!(found_subjects(&since).iter().all(|(a, b)| a == "a-new-one" || b == "a-new-one"));

    // Finished: the same command is a run of the gallery as it is now; the earlier run is kept.
    let summary = audit_gallery(&data, &out, &["--json"]).ended(1).json();
    assert_eq!((&summary["changes"]["records_new"], &summary["changes"]["records_left"]), (&1.into(), &0.into()));
    assert_eq!(summary["changes"]["pairs_new"], found_subjects(&out).len() - before.len());
    assert!(found_subjects(&out).iter().any(|(a, _)| a == "a-new-one"));
    assert_eq!(found_subjects(&out.join(summary["changes"]["kept_in"].as_str().unwrap())), before);

    // A template that is gone cannot be left out of what was compared.
    std::fs::remove_file(out.join("summary.json")).unwrap();
    let gallery = open(&data).unwrap();
    block_on(gallery.remove(&RequestContext::internal("test"), &id("s00003"), None)).unwrap();
    drop(gallery);
    let line = audit_gallery(&data, &out, &[]).ended(2).stderr;
    assert!(line.contains("the gallery has changed since"), "{line}");
}

#[test]
fn records_without_a_verification_for_long_are_listed_by_scheme() {
    let folder = tempfile::tempdir().unwrap();
    let (data, out) = (folder.path().join("people"), folder.path().join("out"));
    let people = people(60, 34);
    enrol(&open(&data).unwrap(), &people);
    let subjects = people.owners.iter().collect::<BTreeSet<_>>().len();
    // Nobody was verified since they were enrolled, which is today.
    let ran = audit_gallery(&data, &out, &["--stale", "12", "--json"]).ended(0);
    assert_eq!(ran.json()["stale"]["schemes"]["social"]["records"], subjects);
    let ran =
        audit_gallery(&data, &out, &["--stale", "12", "--as-of", "2100-01-01", "--province", "79", "--json"]).ended(1);
    let of = ran.json()["stale"]["schemes"]["social"].clone();
    assert_eq!(of["stale"], of["never_verified"]);
    let rows = csv_rows(&out.join("stale.csv"));
    assert_eq!(of["stale"], rows.len());
    assert!(!rows.is_empty() && rows.len() < subjects && rows.iter().all(|row| row["province"] == "79"));
}

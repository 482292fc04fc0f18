//! The graph for look-ups: what it answers is right, it says what it may miss, and it is
//! in nobody's way.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use chinhchu::face::Template;
use chinhchu::gallery::{
    self, Answered, Attributes, Candidate, ClearPair, EmbeddedOptions, EnrolMode, Enrolment, Filter, Gallery, Instead,
    LookUp, NewTemplate, Note, Scope, Source,
};

use crate::support::*;

/// Enough for neighbours of every kind, few enough that a graph is quickly built.
const DIMENSION_SMALL: usize = 24;
const PEOPLE: u64 = 1200;
/// Enough for codes, without which vectors stay in memory.
const DIMENSION_CODED: usize = 128;

/// How long to wait for what must come at some time.
const PATIENCE: Duration = Duration::from_secs(120);

fn with_graph() -> EmbeddedOptions {
    EmbeddedOptions { graph: true, memory_bytes_max: 1 << 30, ..options() }
}

fn open_with(dir: &Path, options: EmbeddedOptions) -> Gallery {
    gallery::open(dir, RECIPE, DIMENSION_SMALL, options).unwrap()
}

fn face(number: u64) -> Template {
    face_of(DIMENSION_SMALL, number)
}

/// Some directions hold more than others, as in faces.
fn face_of(dimension: usize, number: u64) -> Template {
    let mut state = number.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let raw: Vec<f32> = (0..dimension)
        .map(|i| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((state >> 40) as f32 / (1u64 << 23) as f32 - 1.0) / (16 + i) as f32
        })
        .collect();
    Template::from_raw(RECIPE, &raw).unwrap()
}

fn person(number: u64, mode: EnrolMode, faces: &[Template]) -> Enrolment {
    let new = |face: &Template| NewTemplate {
        template: face.clone(),
        source: Source::Live,
        captured_at: None,
        quality: None,
    };
    let attributes = Attributes {
        schemes: [["health", "social"][number as usize % 2].to_owned()].into(),
        province: Some(format!("{:02}", number % 400)),
        unit: None,
    };
    Enrolment {
        by: None,
        legal_basis: None,
        subject: name(number),
        mode,
        attributes,
        templates: faces.iter().map(new).collect(),
        agreement: chinhchu::gallery::Agreement::Known,
    }
}

fn name(number: u64) -> chinhchu::gallery::SubjectId {
    id(format!("s{number:05}"))
}

/// Enrols many together, so that they share transactions.
async fn enrol(gallery: &Gallery, numbers: std::ops::Range<u64>) {
    enrol_all(gallery, numbers.map(|n| person(n, EnrolMode::Create, &[face(n)]))).await;
}

async fn enrol_all(gallery: &Gallery, people: impl Iterator<Item = Enrolment>) {
    let people: Vec<Enrolment> = people.collect();
    for some in people.chunks(400) {
        let by = by();
        let mut writes: Vec<_> = some.iter().map(|new| Box::pin(gallery.enrol(&by, new.clone(), None))).collect();
        std::future::poll_fn(|context| {
            writes.retain_mut(|write| match write.as_mut().poll(context) {
                std::task::Poll::Ready(done) => {
                    done.unwrap();
                    false
                }
                std::task::Poll::Pending => true,
            });
            if writes.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
        })
        .await;
    }
}

/// Waits until the graph answers.
async fn ready(gallery: &Gallery) -> f64 {
    let begun = Instant::now();
    loop {
        let look_up = gallery.look_up(&face(1), 3, &Filter::default()).await.unwrap();
        match look_up.answered {
            Answered::Approximately { recall } => return recall,
            answered => assert_eq!(answered, Answered::ExactlyInstead(Instead::NotReady)),
        }
        assert!(begun.elapsed() < PATIENCE, "the graph was never ready: {:?}", gallery.graph_report());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn run<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}

/// Every score that an exact search gives, by subject.
async fn truth(gallery: &Gallery, probe: &Template, filter: &Filter) -> BTreeMap<String, (u64, u32)> {
    let all = gallery.search(probe, Scope::Within(-2.0), filter).await.unwrap();
    all.into_iter().map(|c| (c.subject.as_str().to_owned(), (c.template_id, c.score.to_bits()))).collect()
}

/// Whatever was found is as the exact search says: score, template and who may be there.
async fn assert_true(gallery: &Gallery, probe: &Template, filter: &Filter, found: &[Candidate]) {
    let truth = truth(gallery, probe, filter).await;
    for candidate in found {
        let exact = truth.get(candidate.subject.as_str()).expect("somebody who should not be found");
        assert_eq!(*exact, (candidate.template_id, candidate.score.to_bits()));
    }
    assert!(found.is_sorted_by(|a, b| a.score > b.score || a.score == b.score && a.subject < b.subject));
}

#[test]
fn off_means_off() {
    let dir = tempfile::tempdir().unwrap();
    let gallery = open_with(dir.path(), options());
    run(async {
        enrol(&gallery, 0..40).await;
        let LookUp { candidates, answered } = gallery.look_up(&face(7), 5, &Filter::default()).await.unwrap();
        assert_eq!(answered, Answered::ExactlyInstead(Instead::Off));
        assert_eq!(candidates, gallery.nearest(&face(7), 5).await.unwrap());
    });
    assert_eq!(gallery.graph_report(), None);
}

#[test]
fn what_it_finds_is_right_and_what_it_may_miss_is_told() {
    let dir = tempfile::tempdir().unwrap();
    // All are there before the graph is begun, so that it is of all of them and its
    // recall is measured while nobody is added.
    let gallery = open_with(dir.path(), options());
    run(async {
        enrol(&gallery, 0..PEOPLE).await;
        // Two faces of one person, one far better than the other.
        gallery.enrol(&by(), person(5, EnrolMode::Add, &[face(90_005), face(90_006)]), None).await.unwrap();
    });
    drop(gallery);
    let gallery = open_with(dir.path(), with_graph());
    run(async {
        ready(&gallery).await;
        let all = Filter::default();
        let (mut found, mut wanted) = (0, 0);
        for number in 0..40 {
            let probe = face(50_000 + number);
            let LookUp { candidates, answered } = gallery.look_up(&probe, 10, &all).await.unwrap();
            let Answered::Approximately { recall } = answered else { panic!("{answered:?}") };
            assert!(recall > 0.9 && recall <= 1.0, "{recall}");
            assert_eq!(candidates.len(), 10);
            assert_true(&gallery, &probe, &all, &candidates).await;
            let exact = gallery.nearest(&probe, 10).await.unwrap();
            found += candidates.iter().filter(|candidate| exact.contains(candidate)).count();
            wanted += exact.len();
        }
        assert!(f64::from(found as u32) / f64::from(wanted as u32) > 0.9, "{found} of {wanted}");
        for probe in [face(5), face(90_005)] {
            let best = gallery.look_up(&probe, 2, &all).await.unwrap().candidates;
            assert!(best[0].subject == name(5) && best[1].subject != name(5), "one place for each");
        }
        let report = gallery.graph_report().unwrap();
        assert!(report.points > 0 && report.points + report.added >= PEOPLE as usize, "{report:?}");
        assert!(report.recall.is_some());
        assert!(gallery.look_up(&face(5), 0, &all).await.unwrap().candidates.is_empty());
        // More than there are.
        let everybody = gallery.look_up(&face(5), PEOPLE as usize + 9, &all).await.unwrap();
        assert_eq!(everybody.candidates.len(), PEOPLE as usize);
    });
}

#[test]
fn filters_exclusions_and_cleared_pairs_hold_outside_the_graph() {
    let dir = tempfile::tempdir().unwrap();
    let gallery = open_with(dir.path(), with_graph());
    run(async {
        enrol(&gallery, 0..PEOPLE).await;
        let pair = |first, second| ClearPair {
            first: name(first),
            second: name(second),
            officer: id("officer-1"),
            reason: Note::new("twins").unwrap(),
            officers_needed: 1,
            lifetime_ms: None,
        };
        gallery.clear_pair(&by(), pair(3, 4)).await.unwrap();
        ready(&gallery).await;
        let filters = [
            Filter { scheme: Some("health".into()), ..Filter::default() },
            Filter { excluded: (0..200).map(name).collect(), ..Filter::default() },
            Filter { claimed: Some(name(3)), ..Filter::default() },
            Filter { scheme: Some("social".into()), claimed: Some(name(3)), ..Filter::default() },
        ];
        for filter in &filters {
            for probe in [face(3), face(4), face(150)] {
                let LookUp { candidates, answered } = gallery.look_up(&probe, 8, filter).await.unwrap();
                assert!(matches!(answered, Answered::Approximately { .. }), "{answered:?}");
                assert_eq!(candidates.len(), 8);
                assert_true(&gallery, &probe, filter, &candidates).await;
            }
        }
        // Three of twelve hundred: all are found, whoever looks for them.
        let few = Filter { province: Some("017".into()), ..Filter::default() };
        assert!(gallery.look_up(&face(17), 8, &few).await.unwrap().candidates.is_empty());
        let few = Filter { province: Some("17".into()), ..Filter::default() };
        let found = gallery.look_up(&face(17), 8, &few).await.unwrap().candidates;
        assert_eq!(found, gallery.search(&face(17), Scope::Nearest(8), &few).await.unwrap());
        assert_eq!(found.len(), 3);
    });
}

#[test]
fn who_is_removed_or_replaced_never_comes_back_and_who_is_new_is_found_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let gallery = open_with(dir.path(), with_graph());
    run(async {
        enrol(&gallery, 0..PEOPLE).await;
        ready(&gallery).await;
        let all = Filter::default();
        let best = async |probe: &Template| {
            let look_up = gallery.look_up(probe, 1, &all).await.unwrap();
            assert_true(&gallery, probe, &all, &look_up.candidates).await;
            look_up.candidates[0].subject.clone()
        };
        for number in (0..60).step_by(3) {
            gallery.remove(&by(), &name(number), None).await.unwrap();
            assert_ne!(best(&face(number)).await, name(number));
            gallery.enrol(&by(), person(number + 1, EnrolMode::Replace, &[face(70_000 + number)]), None).await.unwrap();
            assert_ne!(best(&face(number + 1)).await, name(number + 1));
            assert_eq!(best(&face(70_000 + number)).await, name(number + 1));
            enrol(&gallery, 80_000 + number..80_001 + number).await;
            assert_eq!(best(&face(80_000 + number)).await, name(80_000 + number));
            // Enrolled again under the same name, with another face.
            gallery.enrol(&by(), person(number, EnrolMode::Create, &[face(60_000 + number)]), None).await.unwrap();
            assert_ne!(best(&face(number)).await, name(number));
            assert_eq!(best(&face(60_000 + number)).await, name(number));
        }
    });
}

#[test]
fn it_is_rebuilt_while_people_are_enrolled_and_nobody_acknowledged_is_missed() {
    let dir = tempfile::tempdir().unwrap();
    let gallery = open_with(dir.path(), with_graph());
    run(async {
        enrol(&gallery, 0..300).await;
        ready(&gallery).await;
        let all = Filter::default();
        let mut enrolled = 300;
        let begun = Instant::now();
        // Until a graph answers that was built while we enrolled.
        while gallery.graph_report().unwrap().points < 1000 {
            let more = if enrolled < 2400 { 50 } else { 0 };
            enrol(&gallery, enrolled..enrolled + more).await;
            enrolled += more;
            for number in [enrolled - 1, enrolled - 40, enrolled / 2] {
                let best = gallery.look_up(&face(number), 1, &all).await.unwrap().candidates;
                assert_eq!(best[0].subject, name(number), "acknowledged before the look-up began");
            }
            assert!(begun.elapsed() < PATIENCE, "{:?}", gallery.graph_report());
        }
        ready(&gallery).await;
        for number in (0..enrolled).step_by(37) {
            let best = gallery.look_up(&face(number), 1, &all).await.unwrap().candidates;
            assert_eq!(best[0].subject, name(number));
        }
    });
}

#[test]
fn closing_does_not_wait_for_a_build_and_opening_does_not_either() {
    let dir = tempfile::tempdir().unwrap();
    let gallery = open_with(dir.path(), options());
    run(enrol(&gallery, 0..6000));
    drop(gallery);
    for pause in [0, 30, 400] {
        let gallery = open_with(dir.path(), with_graph());
        run(async {
            let look_up = gallery.look_up(&face(11), 1, &Filter::default()).await.unwrap();
            assert_eq!(look_up.candidates[0].subject, name(11));
            // Writes go on beside a build, too.
            gallery.enrol(&by(), person(9000 + pause, EnrolMode::Create, &[face(9000)]), None).await.unwrap();
            tokio::time::sleep(Duration::from_millis(pause)).await;
        });
        let report = gallery.graph_report().unwrap();
        drop(gallery);
        assert_eq!(report.points, 0, "the build was under way, else this shows nothing");
    }
    let gallery = open_with(dir.path(), options());
    assert_eq!(gallery.stats().templates, 6003);
}

#[test]
fn without_the_memory_there_is_no_graph_and_it_never_keeps_anybody_out() {
    let dir = tempfile::tempdir().unwrap();
    // Enough for a graph of three hundred beside some two thousand templates.
    let tight = EmbeddedOptions { memory_bytes_max: 2 << 20, ..with_graph() };
    let open = |options| gallery::open(dir.path(), RECIPE, DIMENSION_CODED, options).unwrap();
    let enrol = async |gallery: &Gallery, numbers: std::ops::Range<u64>| {
        let people = numbers.map(|n| person(n, EnrolMode::Create, &[face_of(DIMENSION_CODED, n)]));
        enrol_all(gallery, people).await;
    };
    let probe = face_of(DIMENSION_CODED, 42);
    let ask = async |gallery: &Gallery| {
        let look_up = gallery.look_up(&probe, 1, &Filter::default()).await.unwrap();
        assert_eq!(look_up.candidates[0].subject, name(42));
        look_up.answered
    };
    // All are there before the graph is begun: it is one of all of them.
    let gallery = open(EmbeddedOptions { graph: false, ..tight.clone() });
    run(enrol(&gallery, 0..300));
    drop(gallery);
    let gallery = open(tight.clone());
    let enrolled = run(async {
        let begun = Instant::now();
        while !matches!(ask(&gallery).await, Answered::Approximately { .. }) {
            assert!(begun.elapsed() < PATIENCE, "{:?}", gallery.graph_report());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let mut enrolled = 300;
        while gallery.graph_report().unwrap().points > 0 {
            enrol(&gallery, enrolled..enrolled + 50).await;
            enrolled += 50;
            assert!(enrolled < 6000, "the limit was not held: {:?}", gallery.graph_report());
        }
        assert!(enrolled > 900, "{enrolled}");
        assert_eq!(ask(&gallery).await, Answered::ExactlyInstead(Instead::NotReady));
        // There is room again, and nobody was kept out.
        enrol(&gallery, enrolled..enrolled + 500).await;
        assert_eq!(gallery.stats().templates, enrolled + 500);
        enrolled + 500
    });
    drop(gallery);
    // A graph of all does not fit: it is not even begun.
    let gallery = open(tight);
    run(async {
        enrol(&gallery, enrolled..enrolled + 1).await;
        assert_eq!(ask(&gallery).await, Answered::ExactlyInstead(Instead::NotReady));
    });
    assert_eq!(gallery.graph_report().unwrap().points, 0);
}

#[test]
fn templates_outside_memory_are_scored_from_the_database() {
    let dir = tempfile::tempdir().unwrap();
    let count = 2200;
    // The graph fits, with the eighth it wants to spare, and what the index cannot do
    // without: three pieces of a thousand, of whose vectors one piece does not.
    let memory_bytes_max = 3072 * 338 + count * 4176 + (64 << 10);
    let options = EmbeddedOptions { memory_bytes_max, ..options() };
    let open = |options| gallery::open(dir.path(), RECIPE, DIMENSION_CODED, options).unwrap();
    let gallery = open(options.clone());
    let people = (0..count).map(|n| person(n, EnrolMode::Create, &[face_of(DIMENSION_CODED, n)]));
    run(enrol_all(&gallery, people));
    drop(gallery);
    let gallery = open(EmbeddedOptions { graph: true, ..options });
    run(async {
        let all = Filter::default();
        let begun = Instant::now();
        for number in [17, 1100, 2150] {
            let probe = face_of(DIMENSION_CODED, number);
            let found = loop {
                let look_up = gallery.look_up(&probe, 10, &all).await.unwrap();
                if let Answered::Approximately { .. } = look_up.answered {
                    break look_up.candidates;
                }
                assert!(begun.elapsed() < PATIENCE, "{:?}", gallery.graph_report());
                tokio::time::sleep(Duration::from_millis(50)).await;
            };
            assert_eq!(found[0].subject, name(number));
            assert_true(&gallery, &probe, &all, &found).await;
        }
    });
}

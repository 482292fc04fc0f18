//! A clear gallery that is sealed while it is served: nothing that was acknowledged is lost, whatever is
//! interrupted, and nothing of it stays in the clear.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use chinhchu::gallery::{
    self, DecisionFilter, EmbeddedOptions, EnrolMode, Filter, Gallery, GalleryError, Scope, Sealed, SealingState,
    verify_ledger,
};
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};

use crate::killed::{acknowledge, acknowledged_before_kill};
use crate::sealed::{decision, erase, files, holds, key_store, keys_of_subjects, large, log_setup, pair, person};
use crate::support::*;

/// Every id, transaction and request id of these tests begins with one of them, or has it within.
const TELLING: [&str; 6] = ["of-the-test", "transaction-", "request-", "band-one", "pension", "REASON_OF_THE_TEST"];

/// Sealed while it is served, with an index file, as large galleries have, and with a log.
fn serving(dir: &Path) -> EmbeddedOptions {
    let ledger = Some(log_setup());
    EmbeddedOptions { seal_while_serving: true, ledger, ..large(sealed(dir)) }
}

fn in_the_clear() -> EmbeddedOptions {
    EmbeddedOptions { ledger: Some(log_setup()), ..large(options()) }
}

fn open(dir: &Path, options: EmbeddedOptions) -> Result<Gallery, GalleryError> {
    gallery::open(&dir.join("data"), RECIPE, DIMENSION, options)
}

/// Whether it is sealed, and what lay in the clear is gone.
fn is_through(dir: &Path) -> bool {
    let left = |ending: &str| dir.join(format!("data/chinhchu.redb{ending}")).exists();
    !left(".sealed") && !left(".clear")
}

fn wait_until_through(dir: &Path) {
    let begun = Instant::now();
    while !is_through(dir) {
        assert!(begun.elapsed() < Duration::from_secs(120), "the gallery was not sealed");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn earlier(task: u64, number: u64) -> String {
    format!("earlier-of-the-test-{task}-{number}")
}

fn later(task: u64, number: u64) -> String {
    format!("later-of-the-test-{task}-{number}")
}

const TASKS: u64 = 4;
/// Captures that a look-up gives at most.
const CAPTURES_FOUND_MAX: usize = 1000;

async fn fill(gallery: &Arc<Gallery>, each: u64) {
    let tasks: Vec<_> = (0..TASKS)
        .flat_map(|task| (0..each).map(move |number| (task, number)))
        .map(|(task, number)| {
            let gallery = Arc::clone(gallery);
            tokio::spawn(async move {
                let subject = earlier(task, number);
                let with = Some(retry(format!("request-{subject}"), 1));
                gallery.enrol(&by(), person(&subject, &[number, task]), with).await.unwrap();
                if number % 4 == 0 {
                    gallery.decide(&by(), decision(&format!("transaction-{subject}"), &subject)).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

/// Something of every kind that writes, of one task: the same whenever it is done.
async fn step(gallery: &Gallery, task: u64, number: u64) {
    let (subject, before) = (later(task, number), later(task, number.wrapping_sub(1)));
    let decide = async |name: &str, subject: &str| {
        gallery.decide(&by(), decision(&format!("transaction-{name}-{subject}"), subject)).await.unwrap();
    };
    let with = Some(retry(format!("request-{subject}"), 1));
    gallery.enrol(&by(), person(&subject, &[number, task + 9]), with).await.unwrap();
    decide("first", &subject).await;
    match number % 6 {
        1 => drop(gallery.remove(&by(), &id(before), None).await.unwrap()),
        2 => drop(gallery.erase(&by(), erase(&before), None).await.unwrap()),
        3 => {
            // Erased, and there again under the same id.
            gallery.erase(&by(), erase(&before), None).await.unwrap();
            gallery.enrol(&by(), person(&before, &[number + 1]), None).await.unwrap();
            decide("again", &before).await;
        }
        4 => gallery.clear_pair(&by(), pair(&subject, &before)).await.map(drop).unwrap(),
        5 => drop(gallery.enrol(&by(), enrolment(&before, EnrolMode::Add, &[number + 2]), None).await.unwrap()),
        // Of somebody who is not enrolled.
        _ => decide("of", &format!("stranger-of-the-test-{task}-{number}")).await,
    }
    let subject = earlier(task, number);
    if gallery.subject(&id(subject.as_str())).await.unwrap().is_some() {
        match number % 4 {
            0 => drop(gallery.erase(&by(), erase(&subject), None).await.unwrap()),
            1 => drop(gallery.remove(&by(), &id(subject), None).await.unwrap()),
            2 => drop(gallery.enrol(&by(), enrolment(&subject, EnrolMode::Add, &[number + 3]), None).await.unwrap()),
            _ => decide("late", &subject).await,
        }
    }
}

/// Everything that callers see, but for numbers and times.
async fn everything(gallery: &Gallery) -> Vec<String> {
    let mut seen = Vec::new();
    for subject in gallery.list(None, usize::MAX).await.unwrap() {
        let subject = gallery.subject(&subject).await.unwrap().unwrap();
        let vectors: Vec<_> = subject.templates.iter().map(|one| one.content.template.vector().to_vec()).collect();
        let cleared: Vec<_> = gallery.cleared_with(&subject.id).await.unwrap();
        let cleared: Vec<&str> = cleared.iter().map(|id| id.as_str()).collect();
        seen.push(format!("{} {vectors:?} {:?} {cleared:?}", subject.id.as_str(), subject.attributes.unit));
    }
    let (mut after, mut more) = (0, true);
    while more {
        let page = gallery.decisions_after(&DecisionFilter::default(), after, 1000).await.unwrap();
        for head in &page.decisions {
            let decision = gallery.decision(&head.key).await.unwrap().unwrap();
            seen.push(format!("decision of {} {:?} {:?}", head.subject.as_str(), head.key, decision.answer));
        }
        more = page.more_after.is_some();
        after = page.more_after.unwrap_or(after);
    }
    let captures = gallery.captures_sharing(&[*b"band-one"]).await.unwrap().captures;
    // Of more than are looked at there are the newest, and which those are hangs on who came first.
    let captures = if captures.len() < CAPTURES_FOUND_MAX { captures } else { Vec::new() };
    seen.extend(captures.iter().map(|capture| format!("capture {:?}", capture.key)));
    for seed in 0..3 {
        let found = gallery.search(&template(seed), Scope::Within(0.9), &Filter::default()).await.unwrap();
        seen.extend(found.iter().map(|one| format!("found {seed} {} {}", one.subject.as_str(), one.score)));
    }
    seen.sort();
    seen
}

/// Of whom something is kept.
fn people(seen: &[String]) -> usize {
    let names = seen.iter().map(|seen| seen.strip_prefix("decision of ").unwrap_or(seen));
    let names = names.filter(|seen| !seen.starts_with("capture ") && !seen.starts_with("found "));
    names.map(|seen| seen.split(' ').next()).collect::<std::collections::BTreeSet<_>>().len()
}

/// What must hold of a gallery that was sealed: it opens with every row counted, nothing of it lies in the
/// clear, and every key is either in use or destroyed.
fn check_sealed(dir: &Path) -> Vec<String> {
    check_sealed_with(dir).0
}

/// The same, and how many subjects have a key.
fn check_sealed_with(dir: &Path) -> (Vec<String>, usize) {
    let data = dir.join("data");
    let found = files(&data);
    for word in TELLING {
        assert!(!holds(&found, word.as_bytes()), "{word} lies in the clear");
    }
    for seed in [0, 1, 9] {
        let vector: Vec<u8> = template(seed).vector().iter().flat_map(|value| value.to_le_bytes()).collect();
        assert!(!holds(&found, &vector), "a template lies in the clear");
    }
    assert!(matches!(gallery::open(&data, RECIPE, DIMENSION, in_the_clear()), Err(GalleryError::SealingNeeded(_))));
    assert_eq!(gallery::sealing_state(&data).unwrap(), SealingState::Sealed);
    let whole = EmbeddedOptions { checked_bytes_max: 1 << 30, ..serving(dir) };
    let gallery = open(dir, whole).unwrap();
    let seen = block_on(async {
        let whole = gallery.read_ledger(|tables| verify_ledger(tables, None, &[])).await.unwrap();
        assert!(whole.is_ok(), "{whole:?}");
        everything(&gallery).await
    });
    drop(gallery);
    let keys = key_store(dir);
    let database = Database::open(data.join("chinhchu.redb")).unwrap();
    let read = database.begin_read().unwrap();
    let doomed = read.open_table(TableDefinition::<u64, &[u8]>::new("doomed_keys")).unwrap();
    assert!(doomed.iter().unwrap().all(|row| keys.key(row.unwrap().0.value()).unwrap().is_none()));
    let tables: Vec<String> = read.list_tables().unwrap().map(|table| redb::TableHandle::name(&table).into()).collect();
    assert!(!tables.iter().any(|name| ["sealing", "written_rows"].contains(&name.as_str())), "{tables:?}");
    drop((doomed, read, database));
    let used = keys_of_subjects(dir);
    assert!(used.iter().all(|number| keys.key(*number).unwrap().is_some()));
    (seen, used.len())
}

fn threads() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(3).enable_all().build().unwrap()
}

#[test]
fn a_gallery_that_is_sealed_under_load_is_what_a_clear_one_would_be() {
    let (dir, twin) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let runtime = threads();
    const EACH: u64 = 500;
    let clear = Arc::new(open(dir.path(), in_the_clear()).unwrap());
    runtime.block_on(fill(&clear, EACH));
    drop(clear);
    let is_clear = || holds(&files(&dir.path().join("data")), b"earlier-of-the-test");
    assert!(is_clear(), "it is looked for in the right way");

    let gallery = Arc::new(open(dir.path(), serving(dir.path())).unwrap());
    assert!(!is_through(dir.path()));
    let is_done = Arc::new(AtomicBool::new(false));
    let steps = runtime.block_on(async {
        let reading = {
            let (gallery, is_done) = (Arc::clone(&gallery), Arc::clone(&is_done));
            tokio::spawn(async move {
                // Who reads is told of nothing.
                while !is_done.load(Ordering::Acquire) {
                    gallery.search(&template(1), Scope::Nearest(3), &Filter::default()).await.unwrap();
                    gallery.subject(&id(earlier(0, EACH - 1))).await.unwrap().unwrap();
                    gallery.read_ledger(|tables| tables.head().map(drop)).await.unwrap();
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            })
        };
        let tasks: Vec<_> = (0..TASKS)
            .map(|task| {
                let (gallery, dir) = (Arc::clone(&gallery), dir.path().to_owned());
                tokio::spawn(async move {
                    // From before it to after it.
                    let (mut number, mut after) = (0, 0);
                    while after < 13 {
                        step(&gallery, task, number).await;
                        number += 1;
                        after += u64::from(is_through(&dir));
                        assert!(number < 100_000, "it is never sealed under load");
                    }
                    number
                })
            })
            .collect();
        let mut steps = Vec::new();
        for task in tasks {
            steps.push(task.await.unwrap());
        }
        is_done.store(true, Ordering::Release);
        reading.await.unwrap();
        steps
    });
    assert!(steps.iter().all(|&steps| steps > 20), "there was no load: {steps:?}");
    let seen = runtime.block_on(everything(&gallery));
    drop(gallery);

    let clear = Arc::new(open(twin.path(), in_the_clear()).unwrap());
    let expected = runtime.block_on(async {
        fill(&clear, EACH).await;
        for (task, steps) in (0..).zip(steps) {
            for number in 0..steps {
                step(&clear, task, number).await;
            }
        }
        everything(&clear).await
    });
    assert_eq!(difference(&seen, &expected), Vec::<&String>::new());
    assert_eq!(difference(&check_sealed(dir.path()), &expected), Vec::<&String>::new());
}

/// What one of them has, and the other has not.
fn difference<'a>(one: &'a [String], other: &'a [String]) -> Vec<&'a String> {
    let mut count: BTreeMap<&String, i64> = BTreeMap::new();
    one.iter().for_each(|seen| *count.entry(seen).or_default() += 1);
    other.iter().for_each(|seen| *count.entry(seen).or_default() -= 1);
    count.into_iter().filter(|(_, count)| *count != 0).map(|(seen, _)| seen).take(5).collect()
}

#[test]
fn sealing_that_is_broken_off_by_closing_goes_on_and_says_how_far_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let runtime = threads();
    let clear = Arc::new(open(dir.path(), in_the_clear()).unwrap());
    runtime.block_on(fill(&clear, 800));
    drop(clear);
    let state = || gallery::sealing_state(&dir.path().join("data")).unwrap();
    assert_eq!(state(), SealingState::Clear);
    // Without the setting a clear gallery is refused, with both ways named.
    let refused = open(dir.path(), EmbeddedOptions { seal_while_serving: false, ..serving(dir.path()) }).unwrap_err();
    assert!(matches!(refused, GalleryError::NotSealed(_)), "{refused}");
    assert!(refused.to_string().contains("keys seal") && refused.to_string().contains("while_serving"), "{refused}");
    let (mut starts, mut furthest) = (0, 0);
    while state() != SealingState::Sealed {
        let gallery = open(dir.path(), serving(dir.path())).unwrap();
        let subject = format!("added-of-the-test-{starts}");
        runtime.block_on(gallery.enrol(&by(), person(&subject, &[starts]), None)).unwrap();
        std::thread::sleep(Duration::from_millis(20 * starts));
        drop(gallery);
        starts += 1;
        if let SealingState::Copying { rows, of } = state() {
            assert!(rows >= furthest && of > 0, "{rows} rows, and {furthest} before: it began anew");
            furthest = rows;
        }
        assert!(starts < 100, "it does not come to an end");
    }
    assert!(starts > 2 && furthest > 0, "it was not broken off");
    let seen = check_sealed(dir.path());
    for number in 0..starts {
        assert!(seen.iter().any(|seen| seen.starts_with(&format!("added-of-the-test-{number} "))), "{number}");
    }
}

#[test]
fn what_a_server_has_begun_is_ended_while_nobody_serves_and_given_up_without_keys() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let runtime = threads();
    let clear = Arc::new(open(dir.path(), in_the_clear()).unwrap());
    runtime.block_on(fill(&clear, 800));
    drop(clear);
    let begun = |seed: u64| {
        let gallery = open(dir.path(), serving(dir.path())).unwrap();
        runtime.block_on(gallery.enrol(&by(), person(&later(9, seed), &[seed]), None)).unwrap();
        drop(gallery);
        assert!(
            matches!(gallery::sealing_state(&data).unwrap(), SealingState::Copying { .. }),
            "it is through already"
        );
    };
    begun(0);
    // Something is written by a program that notes nothing of it.
    let clear = open(dir.path(), in_the_clear()).unwrap();
    runtime.block_on(clear.enrol(&by(), person(&later(9, 1), &[1]), None)).unwrap();
    drop(clear);
    begun(2);
    begun(3);
    let with_log = EmbeddedOptions { seal_while_serving: false, ..serving(dir.path()) };
    assert!(matches!(gallery::seal(&data, &with_log, &mut |_| {}).unwrap(), Sealed::Now(_)));
    let seen = check_sealed(dir.path());
    for number in 0..4 {
        assert!(seen.iter().any(|seen| seen.starts_with(&format!("{} ", later(9, number)))), "{number}");
    }
    assert_eq!(seen.iter().filter(|seen| seen.starts_with("earlier-of-the-test")).count() as u64, 800 * TASKS);
}

const KILLED_IN: &str = "CHINHCHU_TEST_SEAL_SERVING_IN";

/// Ends the process as a kill does, when something is said for the `times`th time.
struct KillAt {
    words: String,
    left: std::sync::atomic::AtomicI64,
}

impl tracing::Subscriber for KillAt {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        struct Message(String);
        impl tracing::field::Visit for Message {
            fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
                if field.name() == "message" {
                    self.0 = format!("{value:?}");
                }
            }
        }
        let mut message = Message(String::new());
        event.record(&mut message);
        if message.0.contains(&self.words) && self.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            fs::write(self.marker(), "").unwrap();
            // As a kill: nothing is unwound, and nothing is flushed.
            std::process::abort();
        }
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

impl KillAt {
    fn marker(&self) -> std::path::PathBuf {
        Path::new(&std::env::var_os(KILLED_IN).unwrap()).join("was-killed")
    }
}

/// The process that is killed while it seals and serves: writes until it is sealed, and a little longer.
#[test]
fn sealing_child() {
    let Some(dir) = std::env::var_os(KILLED_IN) else { return };
    let dir = Path::new(&dir);
    if let Ok(step) = fs::read_to_string(dir.join("step")) {
        let (times, words) = step.split_once(' ').unwrap();
        let left = std::sync::atomic::AtomicI64::new(times.parse().unwrap());
        tracing::subscriber::set_global_default(KillAt { words: words.to_owned(), left }).unwrap();
    }
    let gallery = open(dir, serving(dir)).unwrap();
    block_on(async {
        let first = gallery.list(None, usize::MAX).await.unwrap().len() as u64;
        let mut after = 0;
        for number in first * 10.. {
            let subject = format!("number-of-the-test-{number}");
            gallery.enrol(&by(), person(&subject, &[number]), None).await.unwrap();
            gallery.decide(&by(), decision(&format!("transaction-{number}"), &subject)).await.unwrap();
            if number % 3 == 0 {
                gallery.erase(&by(), erase(&subject), None).await.unwrap();
            }
            if number % 3 == 1 {
                // One of before.
                let earlier = earlier(number % TASKS, number % 100);
                match gallery.erase(&by(), erase(&earlier), None).await {
                    Ok(_) | Err(GalleryError::UnknownSubject) => {}
                    Err(error) => panic!("{error}"),
                }
            }
            acknowledge(number);
            after += u64::from(is_through(dir));
            if after > 20 {
                break;
            }
        }
    });
}

fn are_there(seen: &[String], numbers: &[u64]) {
    for &number in numbers {
        let is_there = seen.iter().any(|seen| seen.starts_with(&format!("number-of-the-test-{number} ")));
        assert_eq!(is_there, number % 3 != 0, "person {number}");
    }
}

#[test]
fn kill_9_at_each_step_leaves_one_whole_gallery_and_the_next_start_goes_on() {
    let filled = tempfile::tempdir().unwrap();
    let runtime = threads();
    let clear = Arc::new(open(filled.path(), in_the_clear()).unwrap());
    runtime.block_on(fill(&clear, 120));
    drop(clear);
    for step in [
        "1 is being sealed while it is served",
        "1 rows of the gallery are sealed",
        "6 rows of the gallery are sealed",
        "1 was carried over",
        "1 keys of people who were erased meanwhile",
        "1 the sealed copy is being checked",
        "1 takes the place of the clear gallery",
        "1 the sealed copy is whole",
        "1 the clear database has a second name",
        "1 the sealed database has its name",
        "1 an index file is out of the way",
        "1 was swapped for its sealed copy",
        "1 what lay in the clear is being overwritten",
        "1 index files are overwritten",
        "1 what lay in the clear is overwritten",
    ] {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("data")).unwrap();
        for (name, bytes) in files(&filled.path().join("data")) {
            fs::write(dir.path().join("data").join(name), bytes).unwrap();
        }
        fs::write(dir.path().join("step"), step).unwrap();
        let child = "seal_serving::sealing_child";
        let mut numbers = acknowledged_before_kill(child, KILLED_IN, dir.path(), usize::MAX);
        // Erasures take the index file away: there may be none in that moment.
        assert!(dir.path().join("was-killed").exists() || step.contains("index file"), "{step}: not killed there");
        fs::remove_file(dir.path().join("step")).unwrap();
        numbers.extend(acknowledged_before_kill(child, KILLED_IN, dir.path(), usize::MAX));
        wait_until_through(dir.path());
        let (seen, keys) = check_sealed_with(dir.path());
        are_there(&seen, &numbers);
        assert_eq!(keys, people(&seen), "{step}: who was erased has no key");
        let earlier = seen.iter().filter(|seen| seen.starts_with("earlier-of-the-test")).count() as u64;
        let erased = numbers.iter().filter(|number| *number % 3 == 1).count() as u64;
        assert!(earlier >= 120 * TASKS - erased.min(100 * TASKS) - 1, "{step}: {earlier} of before are there");
    }
}

#[test]
fn kill_9_at_random_moments_of_sealing_loses_nothing_acknowledged() {
    let seed = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as u64;
    println!("seed {seed}");
    let mut random = seed;
    let dir = tempfile::tempdir().unwrap();
    let runtime = threads();
    let clear = Arc::new(open(dir.path(), in_the_clear()).unwrap());
    runtime.block_on(fill(&clear, 1000));
    drop(clear);
    let mut numbers = Vec::new();
    for _ in 0..6 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "seal_serving::sealing_child", "--nocapture", "--test-threads=1"])
            .env(KILLED_IN, dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(50 + (random >> 33) % 900));
        child.kill().unwrap();
        let said = child.wait_with_output().unwrap().stdout;
        let said = String::from_utf8(said).unwrap();
        // A line is one write to the pipe: there whole or not at all.
        numbers.extend(said.lines().filter_map(|line| line.strip_prefix("acknowledged ")?.parse::<u64>().ok()));
    }
    let gallery = open(dir.path(), serving(dir.path())).unwrap();
    are_there(&runtime.block_on(everything(&gallery)), &numbers);
    wait_until_through(dir.path());
    drop(gallery);
    are_there(&check_sealed(dir.path()), &numbers);
}

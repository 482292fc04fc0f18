//! A process killed in the middle of a bulk enrolment.
//!
//! The test starts itself again as the process to be killed: with
//! `CHINHCHU_TEST_ENROL_INTO` set, [`child`] enrols into that folder.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use chinhchu::gallery::{self, EmbeddedOptions, EnrolMode, Gallery, GalleryError};

use crate::support::*;

const FOLDER: &str = "CHINHCHU_TEST_ENROL_INTO";
const PEOPLE: u64 = 4000;
/// What a line begins with that tells of something acknowledged.
const ACKNOWLEDGED: &str = "acknowledged ";

/// With an index file, as large galleries have: here it is written all the time, and
/// the process is killed in the middle of that as well.
fn open(dir: &Path) -> Result<Gallery, GalleryError> {
    gallery::open(dir, RECIPE, DIMENSION, EmbeddedOptions { checked_bytes_max: 0, ..options() })
}

fn enrolled_by(number: u64) -> (chinhchu::gallery::Enrolment, chinhchu::gallery::Retry) {
    // Add, so that doing it twice would show.
    (enrolment(&format!("s{number}"), EnrolMode::Add, &[number]), retry(format!("r{number}"), 1))
}

/// Enrols everyone from several tasks, naming each on standard output once it is acknowledged.
async fn enrol_everyone(gallery: Arc<Gallery>) {
    let tasks: Vec<_> = (0..4)
        .map(|part| {
            let gallery = Arc::clone(&gallery);
            tokio::spawn(async move {
                for number in (part..PEOPLE).step_by(4) {
                    let (enrolment, retry) = enrolled_by(number);
                    gallery.enrol(&by(), enrolment, Some(retry)).await.unwrap();
                    acknowledge(number);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

#[test]
fn child() {
    // A test only when started by the one below; a passing no-op otherwise.
    if let Some(dir) = std::env::var_os(FOLDER) {
        let gallery = Arc::new(open(Path::new(&dir)).unwrap());
        block_on(enrol_everyone(gallery));
    }
}

/// Says that a number is done: to [`acknowledged_before_kill`].
pub fn acknowledge(number: u64) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{ACKNOWLEDGED}{number}").unwrap();
    out.flush().unwrap();
}

/// Starts this program as a test that [`acknowledge`]s, with `variable` naming a folder, and kills it
/// after so many numbers. All that it acknowledged.
pub fn acknowledged_before_kill(test: &str, variable: &str, dir: &Path, lines: usize) -> Vec<u64> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(variable, dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    // A line is one write to the pipe: there whole or not at all. Before the first stands the test's name.
    let number = |line: &str| line.split_once(ACKNOWLEDGED).map(|(_, number)| number.parse::<u64>().unwrap());
    let mut acknowledged: Vec<u64> = (&mut out).lines().filter_map(|line| number(&line.unwrap())).take(lines).collect();
    child.kill().unwrap(); // SIGKILL
    child.wait().unwrap();
    // What it said before it died counts as well.
    acknowledged.extend(out.lines().filter_map(|line| number(&line.unwrap())));
    acknowledged
}

#[test]
fn kill_9_loses_nothing_acknowledged_and_running_again_completes_without_duplicates() {
    let dir = tempfile::tempdir().unwrap();
    let mut all = Vec::new();
    for lines in [1, 60, 300] {
        let acknowledged = acknowledged_before_kill("killed::child", FOLDER, dir.path(), lines);
        assert!(acknowledged.len() >= lines, "the child ended by itself");
        all.extend(acknowledged);
        let gallery = open(dir.path()).unwrap();
        block_on(async {
            for number in &all {
                let subject = gallery.subject(&enrolled_by(*number).0.subject).await.unwrap();
                assert_eq!(subject.map(|s| s.templates.len()), Some(1), "an acknowledged enrolment is gone");
            }
            let mut found: Vec<_> = gallery.within(&template(3), -1.5).await.unwrap();
            found.sort_by(|a, b| a.subject.cmp(&b.subject));
            let found: Vec<_> = found.into_iter().map(|candidate| candidate.subject).collect();
            assert!(found == gallery.list(None, usize::MAX).await.unwrap(), "the index is not what the database holds");
        });
    }
    let gallery: Arc<Gallery> = Arc::new(open(dir.path()).unwrap());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    runtime.block_on(async {
        let begun = gallery.stats().subjects;
        assert!(begun < PEOPLE, "the child was killed in the middle");
        let tasks: Vec<_> = (0..PEOPLE)
            .map(|number| {
                let gallery = Arc::clone(&gallery);
                tokio::spawn(async move {
                    let (enrolment, retry) = enrolled_by(number);
                    gallery.enrol(&by(), enrolment, Some(retry)).await.unwrap().replayed
                })
            })
            .collect();
        let mut replayed = 0;
        for task in tasks {
            replayed += u64::from(task.await.unwrap());
        }
        assert_eq!(replayed, begun);
        let stats = gallery.stats();
        assert_eq!((stats.subjects, stats.templates), (PEOPLE, PEOPLE));
    });
}

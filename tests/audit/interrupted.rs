//! Audits that are killed, stopped, cut off from disk space, or whose state is damaged.

use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::made::*;
use crate::support::*;

/// Several units of work, none of them quick without optimisation.
const ROWS: usize = 2200;

struct Running {
    child: Child,
    out: PathBuf,
}

impl Running {
    /// Starts an audit and waits until at least one unit is done.
    fn start(matrix: &Path, ids: &Path, out: &Path) -> Self {
        let child = chinhchu()
            .args(args(matrix, ids, out, &["--workers", "1"]))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let running = Self { child, out: out.to_owned() };
        let header = || std::fs::metadata(running.out.join("checkpoint")).map_or(0, |metadata| metadata.len());
        let begun = Instant::now();
        let mut first = 0;
        while first == 0 || header() <= first {
            first = if first == 0 { header() } else { first };
            assert!(begun.elapsed() < PATIENCE, "no unit was done");
            std::thread::sleep(Duration::from_millis(2));
        }
        assert!(!out.join("summary.json").exists(), "it was done before it could be stopped");
        running
    }

    fn end(mut self) -> (Option<i32>, String) {
        let lines = read_lines(self.child.stderr.take().unwrap());
        let code = wait(&mut self.child);
        (code, lines.iter().collect::<Vec<_>>().join("\n"))
    }
}

fn made(folder: &Path) -> (PathBuf, PathBuf, Vec<(String, Vec<u8>)>) {
    let (matrix, ids) = people(ROWS, 7).write(folder);
    let whole = folder.join("whole");
    audit(&matrix, &ids, &whole, &[]).ended(1);
    (matrix, ids, results(&whole))
}

/// Units in a checkpoint: frames begin with their magic.
fn units(out: &Path) -> usize {
    let bytes = std::fs::read(out.join("checkpoint")).unwrap();
    bytes.windows(4).filter(|window| window == b"unit").count()
}

#[test]
fn killed_stopped_and_damaged_audits_go_on_and_give_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let (matrix, ids, expected) = made(folder.path());
    let all = units(&folder.path().join("whole"));

    // kill -9.
    let out = folder.path().join("out");
    let mut running = Running::start(&matrix, &ids, &out);
    running.child.kill().unwrap();
    running.child.wait().unwrap();
    let done = units(&out);
    assert!(done >= 1 && done < all, "{done} of {all}");
    let kept = std::fs::read(out.join("checkpoint")).unwrap();

    // Ctrl-C, a little further on.
    let running = Running::start(&matrix, &ids, &out);
    signal(&running.child, libc::SIGINT);
    let (code, said) = running.end();
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("stopped after") && said.contains("run the same command again"), "{said}");
    assert!(said.contains("going on where an earlier run stopped"), "{said}");
    let further = std::fs::read(out.join("checkpoint")).unwrap();
    assert!(further.starts_with(&kept) && units(&out) > done, "finished units were done again");

    let ran = audit(&matrix, &ids, &out, &[]).ended(1);
    assert!(ran.stderr.contains("going on where an earlier run stopped"), "{ran:?}");
    assert_eq!(results(&out), expected);

    // Damage in the middle, and a file cut short: what is damaged is done again.
    let whole = std::fs::read(out.join("checkpoint")).unwrap();
    let mut spoilt = whole.clone();
    spoilt[whole.len() / 2] ^= 1;
    for bytes in [&spoilt[..], &whole[..whole.len() * 2 / 3], b"no checkpoint"] {
        std::fs::write(out.join("checkpoint"), bytes).unwrap();
        let ran = audit(&matrix, &ids, &out, &["--workers", "2"]).ended(1);
        assert!(ran.stderr.contains("damaged"), "{ran:?}");
        assert_eq!(results(&out), expected);
        assert_eq!(units(&out), all);
    }
}

#[test]
fn a_folder_of_another_audit_is_refused_and_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let some = people(400, 8);
    let (matrix, ids) = some.write(folder.path());
    let out = folder.path().join("out");
    audit(&matrix, &ids, &out, &[]).ended(1);
    let before = results(&out);
    let last_line = |ran: &Ran| ran.stderr.trim_end().lines().last().unwrap_or_default().to_owned();
    let refused = |ran: Ran, what: &str| {
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{ran:?}");
        assert!(last_line(&ran).contains(what) && last_line(&ran).contains("--restart"), "{ran:?}");
        assert_eq!(results(&out), before);
    };
    refused(audit(&matrix, &ids, &out, &["--score", "0.8"]), "at score 0.7, this one is at 0.8");
    let other = folder.path().join("other");
    std::fs::create_dir(&other).unwrap();
    let (other_matrix, other_ids) = people(400, 9).write(&other);
    refused(audit(&other_matrix, &other_ids, &out, &[]), "another gallery, or the gallery has changed");
    // One owner changed is another gallery.
    let mut moved = some.clone();
    moved.owners[7] = "s99999".into();
    let (_, moved_ids) = moved.write(&other);
    refused(audit(&matrix, &moved_ids, &out, &[]), "another gallery, or the gallery has changed");
    refused(audit(&matrix, &ids, &out, &["--since", &text(&out)]), "since another audit");

    audit(&other_matrix, &other_ids, &out, &["--restart"]).ended(1);
    assert_ne!(results(&out), before);
}

#[test]
fn more_pairs_than_there_is_room_for_stop_with_advice_and_go_on_with_more_room() {
    let folder = tempfile::tempdir().unwrap();
    let people = people(500, 10);
    let (matrix, ids) = people.write(folder.path());
    let out = folder.path().join("out");
    let ran = audit(&matrix, &ids, &out, &["--pairs-max", "5"]).ended(2);
    let line = ran.stderr.trim_end().lines().last().unwrap();
    for part in ["more than 5 pairs", "--score", "--fmr", "--restart", "--pairs-max"] {
        assert!(line.contains(part), "{part}: {line}");
    }
    assert!(!out.join("summary.json").exists() && !out.join("pairs.csv").exists(), "a shorter result");
    audit(&matrix, &ids, &out, &[]).ended(1);
    assert_eq!(found_rows(&out), people.brute_force(0.7));
}

#[test]
fn a_full_disk_loses_nothing_and_the_audit_goes_on_when_there_is_room() {
    let Some(disk) = SmallDisk::mount(module_path!(), 512 << 10) else { return };
    let folder = tempfile::tempdir().unwrap();
    let (matrix, ids) = people(1200, 11).write(folder.path());
    let whole = folder.path().join("whole");
    audit(&matrix, &ids, &whole, &[]).ended(1);
    let out = disk.path().join("out");
    let ballast = disk.path().join("ballast");
    // Room for less and less: the checkpoint, the report.
    for free in [4usize, 24, 60] {
        std::fs::write(&ballast, vec![1; (508 - free) << 10]).unwrap();
        let ran = audit(&matrix, &ids, &out, &[]).ended(2);
        let line = ran.stderr.trim_end().lines().last().unwrap();
        assert!(line.contains("the disk is full") && line.contains("free some space"), "{free}: {ran:?}");
        assert!(!out.join("summary.json").exists());
        std::fs::remove_file(&ballast).unwrap();
    }
    audit(&matrix, &ids, &out, &[]).ended(1);
    assert_eq!(results(&out), results(&whole));
}

#[test]
fn two_audits_do_not_share_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let (matrix, ids) = people(ROWS, 12).write(folder.path());
    let out = folder.path().join("out");
    let mut running = Running::start(&matrix, &ids, &out);
    audit(&matrix, &ids, &out, &[]).refused(&["another audit is at work in this folder"]);
    running.child.kill().unwrap();
    running.child.wait().unwrap();
}

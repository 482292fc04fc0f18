//! Audits of galleries that `chinhchu serve` has open.

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use chinhchu::context::RequestContext;
use chinhchu::face::Pack;
use chinhchu::gallery::{self, EmbeddedOptions, Gallery, SnapshotPart};
use chinhchu::service::local::{LocalError, SOCKET, Snapshot};

use crate::galleries::*;
use crate::made::*;
use crate::need_assets;
use crate::support::*;

/// A gallery of the default pack's recipe, which a server can open.
fn open_of_pack(data: &Path) -> Gallery {
    let pack = Pack::load(&root().join("models/default")).unwrap();
    gallery::open(data, pack.recipe(), pack.dimension(), EmbeddedOptions::default()).unwrap()
}

/// The same people in more dimensions: their scores are what they were.
fn widened(mut people: People, dimension: usize) -> People {
    people.vectors.iter_mut().for_each(|vector| vector.resize(dimension, 0.0));
    people
}

/// People in a gallery that nobody has open.
fn made(data: &Path, rows: usize, seed: u64) -> People {
    let gallery = open_of_pack(data);
    let people = widened(people(rows, seed), gallery.dimension());
    enrol(&gallery, &people);
    people
}

fn enrol_photo(server: &Serving, subject: &str) {
    let obama = text(&photo("obama.jpg"));
    run(["enroll", subject, &obama, "--server", &server.url]).ended(0);
}

/// As if it had been killed before its last unit.
fn make_unfinished(out: &Path) {
    std::fs::remove_file(out.join("summary.json")).unwrap();
    let bytes = std::fs::read(out.join("checkpoint")).unwrap();
    std::fs::write(out.join("checkpoint"), &bytes[..bytes.len() - 1]).unwrap();
}

#[test]
fn an_audit_of_a_gallery_in_use_is_of_one_moment_and_goes_on_whether_the_server_is_there_or_not() {
    need_assets!();
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("people");
    let people = made(&data, 300, 60);
    let expected = expected_subjects(&people);
    let pairs = |out: &Path| std::fs::read(out.join("pairs.csv")).unwrap();

    // While somebody is enrolled all the time.
    let server = Serving::start(&data);
    let in_use = folder.path().join("in-use");
    let (enough, enrolled) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !enough.load(Ordering::Relaxed) {
                enrol_photo(&server, &format!("new-{}", enrolled.fetch_add(1, Ordering::Relaxed)));
            }
        });
        let ran = audit_gallery(&data, &in_use, &[]).ended(1);
        assert!(ran.stderr.contains("its server hands on a snapshot"), "{ran:?}");
        enough.store(true, Ordering::Relaxed);
    });
    let found = found_subjects(&in_use);
    let of_old: std::collections::BTreeSet<_> =
        found.iter().filter(|(a, b)| !a.starts_with("new-") && !b.starts_with("new-")).cloned().collect();
    assert_eq!(of_old, expected);
    enrol_photo(&server, "new-last");

    // The server has ended: what was begun goes on from the folder.
    let (before, list) = (pairs(&in_use), folder.path().join("down"));
    assert_eq!(server.terminate(), Some(0));
    make_unfinished(&in_use);
    let ran = audit_gallery(&data, &in_use, &[]).ended(1);
    assert!(ran.stderr.contains("were stored after this audit began"), "{ran:?}");
    assert!(!ran.stderr.contains("its server"), "{ran:?}");
    assert_eq!(pairs(&in_use), before);

    // And the other way round, whatever reads a whole gallery.
    audit_gallery(&data, &list, &[]).ended(1);
    let before = pairs(&list);
    let records = |name: &str| {
        let out = folder.path().join(name);
        // Nothing of it is new, so nothing is found.
        audit_gallery(&data, &out.join("since"), &["--since", &text(&list)]).ended(0);
        audit_gallery(&data, &out.join("against"), &["--against", &text(&data), "--province", "79"]).ended(1);
        audit_gallery(&data, &out.join("same"), &["--same", "--stale", "12", "--as-of", "2100-01-01"]).ended(1);
        ["against/pairs.csv", "same/same.csv", "same/stale.csv"].map(|name| std::fs::read(out.join(name)).unwrap())
    };
    let while_down = records("records-down");
    let server = Serving::start(&data);
    assert!(records("records-up") == while_down, "what is read from a server differs");
    enrol_photo(&server, "new-after");
    make_unfinished(&list);
    let ran = audit_gallery(&data, &list, &[]).ended(1);
    assert!(ran.stderr.contains("its server hands on a snapshot"), "{ran:?}");
    assert!(ran.stderr.contains("1 templates were stored after this audit began"), "{ran:?}");
    assert_eq!(pairs(&list), before);
    assert_eq!(server.terminate(), Some(0));
    assert!(!data.join(SOCKET).exists());
}

/// Reads on to the end, or to what stops it.
fn rest(snapshot: &mut Snapshot, runtime: &tokio::runtime::Runtime) -> Result<usize, LocalError> {
    let mut parts = 0;
    while runtime.block_on(snapshot.next())?.is_some() {
        parts += 1;
    }
    Ok(parts)
}

#[test]
fn a_server_that_is_killed_or_stopped_in_the_middle_of_a_snapshot_makes_it_an_error() {
    need_assets!();
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("people");
    // More than the reader's end of a connection holds.
    let gallery = open_of_pack(&data);
    let recipe = gallery.recipe();
    let mut random = Random::new(61);
    for subject in 0..10 {
        let vectors: Vec<Vec<f32>> =
            (0..64).map(|_| (0..gallery.dimension()).map(|_| random.normal()).collect()).collect();
        block_on(gallery.enrol(
            &RequestContext::internal("test"),
            enrolment_of(recipe, &format!("s{subject}"), &vectors, "01"),
            None,
        ))
        .unwrap();
    }
    drop(gallery);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let ends: [fn(Serving); 2] = [Serving::kill, |server| assert_eq!(server.terminate(), Some(0))];
    for end in ends {
        let server = Serving::start(&data);
        let mut snapshot = runtime.block_on(Snapshot::open(&data)).unwrap();
        assert!(matches!(runtime.block_on(snapshot.next()), Ok(Some(SnapshotPart::Subject(_)))));
        end(server);
        let error = rest(&mut snapshot, &runtime).expect_err("a cut snapshot has no end");
        assert!(error.to_string().contains("run the same command again"), "{error}");
    }

    // The program, which waits for a server that hangs and then is killed.
    let server = Serving::start(&data);
    server.signal(libc::SIGSTOP);
    let out = folder.path().join("out");
    let mut audit = chinhchu();
    audit.args(["audit", "--data", &text(&data), "--score", "0.7", "--out", &text(&out)]);
    let audit = audit.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // The listener's own line, and one for the connection that waits to be accepted.
    let name = text(&data);
    let connected = || std::fs::read_to_string("/proc/net/unix").unwrap().matches(&name).count() >= 2;
    let begun = Instant::now();
    while !connected() {
        assert!(begun.elapsed() < PATIENCE, "the audit did not connect");
        std::thread::sleep(Duration::from_millis(5));
    }
    server.kill();
    let ran = ran(audit.wait_with_output().unwrap());
    ran.refused(&["ended before the snapshot did", "run the same command again"]);
    assert!(!out.join("summary.json").exists() && !out.join("pairs.csv").exists());
    // The socket it left behind is in nobody's way.
    let server = Serving::start(&data);
    let mut snapshot = runtime.block_on(Snapshot::open(&data)).unwrap();
    assert_eq!(rest(&mut snapshot, &runtime).unwrap(), 10);
    assert_eq!(server.terminate(), Some(0));
}

/// Runs something as another user: on Linux a thread may have a user of its own.
#[allow(unsafe_code, reason = "the standard library changes no user")]
fn as_nobody<T: Send>(work: impl FnOnce() -> T + Send) -> Option<T> {
    const NOBODY: libc::uid_t = 65_534;
    // SAFETY: a plain system call; it changes the calling thread alone, which ends after
    // the work.
    let changed = || unsafe { libc::syscall(libc::SYS_setresuid, NOBODY, NOBODY, NOBODY) } == 0;
    std::thread::scope(|scope| scope.spawn(|| changed().then(work)).join().unwrap())
}

#[test]
fn a_process_of_another_user_gets_nothing_even_where_permissions_let_it_in() {
    need_assets!();
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("people");
    made(&data, 20, 62);
    let server = Serving::start(&data);
    for (path, mode) in [(folder.path().to_owned(), 0o755), (data.clone(), 0o755), (data.join(SOCKET), 0o666)] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    // Bytes that the server answers with, to whoever it talks to.
    let greeted = || {
        let mut stream = UnixStream::connect(data.join(SOCKET)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        // HTTP/2's preface and empty settings; whoever is turned away may fail to send.
        let _ = stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0");
        let mut byte = [0];
        stream.read(&mut byte).unwrap_or(0)
    };
    assert_eq!(greeted(), 1);
    let Some(bytes) = as_nobody(greeted) else {
        eprintln!("SKIPPED: {}: only root can become another user", module_path!());
        return;
    };
    assert_eq!(bytes, 0);
    let opened = as_nobody(|| block_on(Snapshot::open(&data)).err()).unwrap();
    assert!(matches!(opened, Some(LocalError::OtherUser { .. })), "{opened:?}");
    assert_eq!(server.terminate(), Some(0));
}

#[test]
fn twins_of_a_gallery_in_use_are_cleared_through_its_server() {
    need_assets!();
    let folder = tempfile::tempdir().unwrap();
    let (data, out) = (folder.path().join("people"), folder.path().join("out"));
    made(&data, 200, 63);
    let server = Serving::start(&data);
    audit_gallery(&data, &out, &[]).ended(1);
    let out = text(&out);
    let twins = ["audit", "decide", "1", "--outcome", "twins", "--reason", "seen", "--officer", "o-7", "--out", &out];
    run(twins).refused(&["in use by another process", "--server URL"]);
    let there = ["--server", &server.url, "--json"];
    let decided = run(twins.iter().chain(&there)).ended(0).json();
    assert_eq!((&decided["recorded"], &decided["cleared"]), (&true.into(), &true.into()));
    let again = folder.path().join("again");
    let summary = audit_gallery(&data, &again, &["--json"]).json();
    assert_eq!(summary["compared"]["cleared"], 1);
    assert_eq!(server.terminate(), Some(0));
}

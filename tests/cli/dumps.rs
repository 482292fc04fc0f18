//! What a core dump holds, and what it costs a program to leave none.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use chinhchu::sealing::{self, KeySource, MasterKey, Secret};

use crate::need_assets;
use crate::seal_serving::{fill, key_store_options, made_keys, opened, vector};
use crate::support::{Serving, chinhchu, ran, run, text};

/// What the child has in plain memory, in pieces, so that it is not in the program itself.
fn marker() -> Vec<u8> {
    (0..64u8).map(|at| at.wrapping_mul(37) ^ 0xa5).collect()
}

/// Length of the parts that are looked for: none is in a dump by chance.
const PART_BYTES: usize = 12;

/// How many places of a dump hold a part of a secret.
fn found(dump: &[u8], secret: &[u8]) -> usize {
    found_any(dump, &[secret])
}

/// The same of several secrets.
fn found_any(dump: &[u8], secrets: &[&[u8]]) -> usize {
    let parts: HashSet<&[u8]> = secrets.iter().flat_map(|secret| secret.windows(PART_BYTES)).collect();
    // Most places are told by their first two bytes, as dumps are large and this is not optimised.
    let mut begins = vec![false; 1 << 16];
    parts.iter().for_each(|part| begins[usize::from(part[0]) << 8 | usize::from(part[1])] = true);
    let mut places = 0;
    let mut two = 0;
    for (at, &byte) in dump.iter().enumerate() {
        two = (two << 8 | usize::from(byte)) & 0xffff;
        if begins[two] && at > 0 && dump.get(at - 1..at - 1 + PART_BYTES).is_some_and(|place| parts.contains(place)) {
            places += 1;
        }
    }
    places
}

fn is_there(program: &str) -> bool {
    Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|out| out.stdout == b"0\n")
}

/// The process that is dumped: run by the test below alone, in a process of its own.
#[test]
#[ignore = "a part of the test of dumps"]
fn a_process_that_holds_keys() {
    let Ok(path) = std::env::var("CHINHCHU_TEST_KEY") else { return };
    sealing::forbid_core_dumps().unwrap();
    let held = std::hint::black_box(marker());
    let master = KeySource::File(path.into()).read().unwrap();
    // Whatever is done with a key in the course of a start.
    let ids = (master.id(), MasterKey::parse(master.line().as_bytes()).unwrap().id());
    assert_eq!(ids.0, ids.1);
    assert!(MasterKey::parse(&master.line().as_bytes()[..70]).is_err());
    let many: Vec<Secret> = (0..10_000).map(|_| master.secret().clone()).collect();
    let gone: Vec<Secret> = many.iter().take(5_000).cloned().collect();
    drop(gone);
    println!("ready {}", held.len() + many.len());
    std::io::stdout().flush().unwrap();
    let mut end = String::new();
    std::io::stdin().read_line(&mut end).unwrap();
    drop((held, many, master));
}

#[test]
fn a_dump_that_root_takes_on_purpose_holds_no_key() {
    if !is_there("gdb") || !is_there("gcore") || !is_root() {
        eprintln!("SKIPPED: {}: it takes gdb, gcore and root", module_path!());
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let key_file = folder.path().join("master.key");
    run(["keys", "new-master", &text(&key_file)]).ended(0);
    let master = KeySource::File(key_file.clone()).read().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "dumps::a_process_that_holds_keys", "--nocapture"])
        .env("CHINHCHU_TEST_KEY", &key_file)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(said.any(|line| line.unwrap().contains("ready ")), "it ended before");
    let dump = dumped(folder.path(), child.id());
    child.stdin.take().unwrap().write_all(b"end\n").unwrap();
    assert!(child.wait().unwrap().success());
    let Some(dump) = dump else { return };

    assert!(found(&dump, &marker()) > 0, "a dump has what lies in plain memory");
    let key = master.secret().bytes();
    let padded = |pad: u8| key.map(|byte| byte ^ pad);
    let line = master.line();
    let digits = line.trim_end().rsplit(':').next().unwrap();
    // As it is, as it is written, and as HMAC takes it in (RFC 2104).
    for (what, secret) in [
        ("the key", &key[..]),
        ("its line", digits.as_bytes()),
        ("its inner pad", &padded(0x36)[..]),
        ("its outer pad", &padded(0x5c)[..]),
    ] {
        assert_eq!(found(&dump, secret), 0, "parts of {what} are in the dump");
    }
}

/// What docs/sealing.md says of a dump of a server: it has who is enrolled, as a search compares with all of
/// them, and neither the master key nor keys of the key store.
#[test]
fn a_dump_of_a_server_that_was_asked_nothing_holds_templates_and_no_key() {
    need_assets!();
    if !is_there("gdb") || !is_there("gcore") || !is_root() {
        eprintln!("SKIPPED: {}: it takes gdb, gcore and root", module_path!());
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (config, data) = (made_keys(folder.path(), ""), folder.path().join("people"));
    let gallery = opened(folder.path(), Some(key_store_options(folder.path())));
    fill(&gallery, 300);
    drop(gallery);
    let server = Serving::start_with(&data, &["--config", &config]);
    let dump = dumped(folder.path(), server.id());
    assert_eq!(server.terminate(), Some(0));
    let Some(dump) = dump else { return };

    let bytes: Vec<u8> = vector(7).iter().flat_map(|value| value.to_le_bytes()).collect();
    assert!(found(&dump, &bytes[..64]) > 0, "templates lie in memory, to be searched");
    assert!(found(&dump, b"filled-of-the-test-7") > 0, "and so do ids");
    let options = key_store_options(folder.path());
    let master = options.master.secret().bytes().to_vec();
    let padded = |pad: u8| master.iter().map(|byte| byte ^ pad).collect::<Vec<u8>>();
    let line = options.master.line();
    let digits = line.trim_end().rsplit(':').next().unwrap().as_bytes().to_vec();
    let keys = sealing::KeyStore::open(options, false).unwrap();
    // Those of tables and of names come first; then those of subjects.
    let kept = (0..300).filter_map(|number| keys.key(number).unwrap()).map(|key| key.bytes().to_vec());
    let secrets: Vec<Vec<u8>> = [master.clone(), digits, padded(0x36), padded(0x5c)].into_iter().chain(kept).collect();
    assert!(secrets.len() > 250, "the keys are there to be looked for");
    assert_eq!(found_any(&dump, &secrets.iter().map(Vec::as_slice).collect::<Vec<_>>()), 0, "parts of keys are in it");
}

/// A dump by gdb; `None` where this system lets nobody take one.
fn dumped(folder: &Path, pid: u32) -> Option<Vec<u8>> {
    let prefix = text(&folder.join("core"));
    let taken = Command::new("gcore").args(["-o", &prefix, &pid.to_string()]).output().unwrap();
    let path = folder.join(format!("core.{pid}"));
    if !path.exists() {
        let why = String::from_utf8_lossy(&taken.stderr).trim().replace('\n', "; ");
        assert!(why.contains("ptrace"), "no dump: {why}");
        eprintln!("SKIPPED: {}: no process may be looked into here: {why}", module_path!());
        return None;
    }
    let mut dump = Vec::new();
    std::fs::File::open(path).unwrap().read_to_end(&mut dump).unwrap();
    Some(dump)
}

#[test]
fn the_program_itself_can_leave_no_core_dump() {
    use std::os::unix::process::CommandExt;
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.toml");
    // It waits for its key command, and can be looked at meanwhile.
    let sealing = "key = { command = [\"/bin/sleep\", \"5\"] }\nkey_store = \"k\"";
    std::fs::write(&config, format!("[sealing]\n{sealing}\n")).unwrap();
    let mut command = chinhchu();
    command.args(["--config", &text(&config), "keys", "master-id"]).stdout(Stdio::null()).stderr(Stdio::null());
    let mut program = command.process_group(0).spawn().unwrap();
    let is_limited = || {
        let limits = std::fs::read_to_string(format!("/proc/{}/limits", program.id())).unwrap_or_default();
        let line = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap_or_default();
        line.split_whitespace().filter(|&word| word == "0").count() == 2
    };
    let began = std::time::Instant::now();
    while !is_limited() && began.elapsed() < std::time::Duration::from_secs(4) {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let was_limited = is_limited();
    program.kill().unwrap();
    program.wait().unwrap();
    assert!(was_limited, "the limit is 0, soft and hard");
}

/// A process that may not be dumped has its files under /proc owned by root: a user's own program still
/// finds itself there.
#[test]
fn a_user_who_is_not_root_runs_the_program_as_before() {
    if !is_root() || !is_there("setpriv") {
        eprintln!("SKIPPED: {}: it takes root and setpriv to become another user", module_path!());
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("chinhchu");
    std::fs::copy(env!("CARGO_BIN_EXE_chinhchu"), &program).unwrap();
    let open = |mode| std::os::unix::fs::PermissionsExt::from_mode(mode);
    std::fs::set_permissions(&program, open(0o755)).unwrap();
    std::fs::set_permissions(folder.path(), open(0o777)).unwrap();
    let as_nobody = |args: &[&str]| {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]).arg(&program).args(args);
        ran(command.current_dir(folder.path()).env_clear().stdin(Stdio::null()).output().unwrap())
    };
    let made = as_nobody(&["keys", "new-master", "master.key", "--json"]).ended(0).json();
    let shown = as_nobody(&["keys", "master-id", "--key", "master.key", "--json"]).ended(0).json();
    assert_eq!(made["key_id"], shown["key_id"]);
    // It looks for its pack near itself, by /proc/self/exe.
    as_nobody(&["--version"]).ended(0);
}

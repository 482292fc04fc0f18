//! Checked by `scripts/lib/check_ledger.py`: by its own code with any Python, and by a package that
//! others wrote where scripts/setup could fetch it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use chinhchu::ledger::entry::Entry;
use serde_json::Value;

use crate::log::{Log, signing_key, witness_key};

/// Large enough for tiles of three levels, full and partial ones.
const SIZE: u64 = 66_000;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// How a log is checked.
#[derive(Clone, Copy, PartialEq, Debug)]
enum By {
    /// By the script's own code: hashes and formats, no signatures.
    Hashes,
    /// By the package as well.
    Package,
}

/// Those that can be on this machine; says which cannot.
fn ways() -> Vec<(By, PathBuf)> {
    let mut ways = Vec::new();
    match Command::new("python3").arg("--version").output().is_ok_and(|output| output.status.success()) {
        true => ways.push((By::Hashes, PathBuf::from("python3"))),
        false => println!("SKIPPED: no python3: an exported log is not checked by others' code"),
    }
    match fs::read_to_string(root().join(".cache/ledger-verifier/python")) {
        Ok(program) => ways.push((By::Package, PathBuf::from(program.trim()))),
        Err(_) => println!("SKIPPED: no aics-tlog: scripts/setup fetches it where there is Python 3.12 or 3.13"),
    }
    ways
}

/// What the script says, and its exit code.
fn check(by: By, python: &Path, what: &str, path: &Path, more: &[&str]) -> (Option<i32>, Value) {
    let mut command = Command::new(python);
    command.arg("-B").arg(root().join("scripts/lib/check_ledger.py")).arg(what).arg(path);
    command.args(["--key", &signing_key(1).verifier().to_string()]).args(more);
    if by == By::Hashes {
        command.arg("--hashes-only");
    }
    let output = command.output().expect("python starts");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let read = serde_json::from_str(&said).unwrap_or_else(|_| {
        panic!("{by:?} {what}: {said}{}", String::from_utf8_lossy(&output.stderr));
    });
    (output.status.code(), read)
}

#[test]
fn others_check_an_exported_log_and_its_receipts() {
    let (log, scratch) = (Log::of(SIZE), tempfile::tempdir().unwrap());
    let folder = scratch.path().join("log");
    log.export(&folder, 700);
    let remembered = scratch.path().join("remembered");
    fs::copy(folder.join("checkpoint"), &remembered).unwrap();
    log.export(&folder, SIZE);
    let receipts: Vec<String> = [0, 255, 65_535, 65_536, SIZE - 1]
        .into_iter()
        .map(|index| {
            let path = scratch.path().join(format!("{index}.tlog-proof"));
            fs::write(&path, log.receipt(index, SIZE).to_string()).unwrap();
            path.to_str().unwrap().to_owned()
        })
        .collect();
    let witnesses = [7, 8].map(|seed| witness_key(seed).verifier().to_string());
    let mut more = vec!["--remembered", remembered.to_str().unwrap()];
    receipts.iter().for_each(|path| more.extend(["--receipt", path]));
    witnesses.iter().for_each(|key| more.extend(["--witness", key]));
    more.extend(["--needed", "2"]);
    for (by, python) in ways() {
        let (code, said) = check(by, &python, "log", &folder, &more);
        assert_eq!(code, Some(0), "{by:?}: {said}");
        assert_eq!(said["size"], SIZE);
        assert_eq!(said["root"], log.edge.root().to_string());
        assert_eq!(said["receipts"], 5);
        assert_eq!(said["signatures"], if by == By::Package { "checked" } else { "not checked" });
        // Each alone, and without what was entered.
        let (code, said) = check(by, &python, "receipt", Path::new(&receipts[3]), &[]);
        assert_eq!((code, &said["index"]), (Some(0), &65_536.into()), "{by:?}: {said}");
        let bare = scratch.path().join("bare.tlog-proof");
        fs::write(&bare, log.receipt(700, SIZE).without_contents().to_string()).unwrap();
        let commitment = log.commitment(700).to_string();
        assert_eq!(check(by, &python, "receipt", &bare, &["--commitment", &commitment]).0, Some(0), "{by:?}");
        let other = log.commitment(701).to_string();
        assert_eq!(check(by, &python, "receipt", &bare, &["--commitment", &other]).0, Some(1), "{by:?}");
    }
    // What the receipt carries is the entry, for whoever reads this program's encoding.
    let entry = Entry::decode(&log.receipt(65_536, SIZE).opening().unwrap().contents).unwrap();
    assert_eq!(entry.at_ms, 1_790_000_065_536);
}

/// One bit of each file of a log; a file that is not there; another log under the same name.
#[test]
fn others_find_what_was_tampered_with() {
    let (log, scratch) = (Log::of(600), tempfile::tempdir().unwrap());
    let (folder, receipt) = (scratch.path().join("log"), scratch.path().join("9.tlog-proof"));
    log.export(&folder, 600);
    let good = log.receipt(9, 600).to_string();
    let ways = ways();
    let flipped = |content: &[u8], at: usize| {
        let mut content = content.to_vec();
        content[at] ^= 1;
        content
    };
    for (by, python) in &ways {
        assert_eq!(check(*by, python, "log", &folder, &[]).0, Some(0), "{by:?}");
        for name in ["tile/entries/000", "tile/entries/002.p/88", "tile/0/001", "tile/0/002.p/88", "tile/1/000.p/2"] {
            let path = folder.join(name);
            let content = fs::read(&path).unwrap();
            for damaged in [flipped(&content, content.len() / 2), content[..content.len() - 1].to_vec()] {
                fs::write(&path, damaged).unwrap();
                let (code, said) = check(*by, python, "log", &folder, &[]);
                assert_eq!(code, Some(1), "{by:?} {name}: {said}");
            }
            fs::remove_file(&path).unwrap();
            assert_eq!(check(*by, python, "log", &folder, &[]).0, Some(1), "{by:?} {name}");
            fs::write(&path, content).unwrap();
        }
        // A checkpoint of the same size over other entries, and one that an earlier state had.
        let checkpoint = folder.join("checkpoint");
        let content = fs::read(&checkpoint).unwrap();
        let forked = Log::with(600, Some(20));
        fs::write(&checkpoint, forked.signed(600).to_string()).unwrap();
        assert_eq!(check(*by, python, "log", &folder, &[]).0, Some(1), "{by:?}");
        fs::write(&checkpoint, &content).unwrap();
        // Whole and signed, and not what a witness remembers: forked, and cut.
        let remembered = scratch.path().join("remembered");
        for (note, word) in [(forked.signed(100), "fork"), (Log::of(700).signed(650), "cut")] {
            fs::write(&remembered, note.to_string()).unwrap();
            let (code, said) = check(*by, python, "log", &folder, &["--remembered", remembered.to_str().unwrap()]);
            assert_eq!(code, Some(1), "{by:?} {word}: {said}");
            assert!(said["error"].as_str().unwrap().contains(word), "{by:?}: {said}");
        }
        // A receipt in which a hash, the index, the contents or the root is another.
        let line = |from: &str, to: &str| good.replacen(from, to, 1);
        let hash = good.lines().nth(4).unwrap();
        let root = good.lines().skip_while(|line| !line.is_empty()).nth(3).unwrap();
        let other_hash = format!("{}{}", if hash.starts_with('A') { "B" } else { "A" }, &hash[1..]);
        let other_root = format!("{}{}", if root.starts_with('A') { "B" } else { "A" }, &root[1..]);
        for (what, text) in [
            ("index", line("index 9", "index 8")),
            ("hash", line(hash, &other_hash)),
            ("fewer hashes", line(&format!("{hash}\n"), "")),
            ("contents", line("extra AQ", "extra AA")),
            ("root", line(root, &other_root)),
        ] {
            assert_ne!(text, good, "{what}");
            fs::write(&receipt, text).unwrap();
            let (code, said) = check(*by, python, "receipt", &receipt, &[]);
            assert_eq!(code, Some(1), "{by:?} {what}: {said}");
        }
    }
    // What only signatures tell.
    for (by, python) in ways.iter().filter(|(by, _)| *by == By::Package) {
        let note = log.checkpoint(600).sign(&[&signing_key(2)]).unwrap();
        fs::write(folder.join("checkpoint"), note.to_string()).unwrap();
        assert_eq!(check(*by, python, "log", &folder, &[]).0, Some(1), "signed by another");
        log.export(&folder, 600);
        let stranger = witness_key(9).verifier().to_string();
        let asked = ["--witness", &stranger, "--needed", "1"];
        assert_eq!(check(*by, python, "log", &folder, &asked).0, Some(1), "a witness that did not cosign");
        // A proof of this shape leads to the root from many sizes: the signature says which it was.
        fs::write(&receipt, good.replacen("\n600\n", "\n599\n", 1)).unwrap();
        assert_eq!(check(*by, python, "receipt", &receipt, &[]).0, Some(1), "another size");
        let last = good.trim_end().len() - 6;
        fs::write(&receipt, flipped(good.as_bytes(), last)).unwrap();
        let witness = witness_key(8).verifier().to_string();
        assert_eq!(check(*by, python, "receipt", &receipt, &["--witness", &witness]).0, Some(1), "a wrong cosignature");
    }
}

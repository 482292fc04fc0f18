//! A server that seals a clear gallery beside its work, or changes the master key, and is killed meanwhile.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use chinhchu::context::RequestContext;
use chinhchu::face::{Pack, Template};
use chinhchu::gallery::{
    self, Agreement, Attributes, EmbeddedOptions, EnrolMode, Enrolment, Gallery, NewTemplate, Source, SubjectId,
};
use chinhchu::sealing::{KeySource, KeyStoreOptions};

use crate::need_assets;
use crate::support::{PATIENCE, Serving, chinhchu, photo, root, run, text};

/// Writes a master key and a configuration that names it. The configuration's path.
pub fn made_keys(folder: &Path, more: &str) -> String {
    fs::create_dir_all(folder.join("master")).unwrap();
    fs::create_dir_all(folder.join("copy")).unwrap();
    run(["keys", "new-master", &text(&folder.join("master/m1.key"))]).ended(0);
    config(folder, "first.toml", &format!("key = {{ file = \"master/m1.key\" }}\n{more}"))
}

fn config(folder: &Path, name: &str, sealing: &str) -> String {
    let stores = "key_store = \"subjects/keys\"\nkey_store_copy = \"copy/keys\"\n";
    let ledger = "[ledger]\norigin = \"sealed.test/log\"\n";
    fs::write(folder.join(name), format!("[sealing]\n{sealing}\n{stores}{ledger}")).unwrap();
    text(&folder.join(name))
}

/// The keys that the configuration names.
pub fn key_store_options(folder: &Path) -> KeyStoreOptions {
    let master = KeySource::File(folder.join("master/m1.key")).read().unwrap();
    KeyStoreOptions {
        path: folder.join("subjects/keys"),
        copy: Some(folder.join("copy/keys")),
        master,
        previous: None,
        read_only: false,
    }
}

/// The gallery of a folder, opened here.
pub fn opened(folder: &Path, sealing: Option<KeyStoreOptions>) -> Arc<Gallery> {
    let pack = pack();
    let options = EmbeddedOptions { sealing, ..EmbeddedOptions::default() };
    Arc::new(gallery::open(&folder.join("people"), pack.recipe(), pack.dimension(), options).unwrap())
}

/// The default pack, loaded once: that takes a moment.
fn pack() -> &'static Pack {
    static PACK: OnceLock<Pack> = OnceLock::new();
    PACK.get_or_init(|| Pack::load(&root().join("models/default")).unwrap())
}

/// Of nobody; another for each number.
pub fn vector(number: u64) -> Vec<f32> {
    let mut state = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let raw: Vec<f32> = (0..pack().dimension())
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1 << 24) as f32 - 0.5
        })
        .collect();
    Template::from_raw(pack().recipe(), &raw).unwrap().vector().to_vec()
}

/// Enrols so many people.
pub fn fill(gallery: &Arc<Gallery>, people: u64) {
    let recipe = pack().recipe();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    runtime.block_on(async {
        let tasks: Vec<_> = (0..people)
            .map(|number| {
                let gallery = Arc::clone(gallery);
                let template = Template::from_raw(recipe, &vector(number)).unwrap();
                let new = NewTemplate { template, source: Source::Live, captured_at: None, quality: None };
                let enrolment = Enrolment {
                    by: None,
                    legal_basis: None,
                    subject: SubjectId::new(format!("filled-of-the-test-{number}")).unwrap(),
                    mode: EnrolMode::Create,
                    attributes: Attributes::default(),
                    templates: vec![new],
                    agreement: Agreement::Known,
                };
                tokio::spawn(async move { gallery.enrol(&RequestContext::internal("test"), enrolment, None).await })
            })
            .collect();
        for task in tasks {
            task.await.unwrap().unwrap();
        }
    });
}

/// Random enough to be another each time; the seed is printed.
struct Random(u64);

impl Random {
    fn new() -> Self {
        let seed = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as u64;
        println!("seed {seed}");
        Self(seed)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

fn holds(data: &Path, word: &str) -> bool {
    let files = fs::read_dir(data).unwrap().map(|file| fs::read(file.unwrap().path()).unwrap_or_default());
    files.into_iter().any(|bytes| bytes.windows(word.len()).any(|window| window == word.as_bytes()))
}

#[test]
fn a_server_that_is_killed_while_it_seals_loses_nobody_and_ends_sealed() {
    need_assets!();
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("people");
    let gallery = opened(folder.path(), None);
    const FILLED: u64 = 4000;
    fill(&gallery, FILLED);
    drop(gallery);
    let serving = made_keys(folder.path(), "seal = \"while_serving\"");
    let plain = config(folder.path(), "plain.toml", "key = { file = \"master/m1.key\" }");
    // A clear folder is refused where nobody asked for it, with both ways named; and by commands.
    let of_data = ["--data", &text(&data)];
    let with = |config: &str, words: &[&str]| {
        run(words.iter().chain(&["--config", config]).chain(&of_data).copied().collect::<Vec<_>>())
    };
    with(&plain, &["serve", "--listen", "127.0.0.1:0"]).refused_last(&["not sealed", "keys seal", "while_serving"]);
    with(&serving, &["subject", "list"]).refused(&["not sealed", "while_serving"]);

    let mut random = Random::new();
    let picture = text(&photo("obama.jpg"));
    let (mut enrolled, mut was_copying) = (Vec::new(), false);
    for start in 0..4 {
        let server = Serving::start_with(&data, &["--config", &serving]);
        let delay = Duration::from_millis(random.below(4000));
        let url = server.url.clone();
        let picture = picture.clone();
        let load = std::thread::spawn(move || {
            let mut done = Vec::new();
            for number in 0..50 {
                let subject = format!("served-of-the-test-{start}-{number}");
                let enrol = chinhchu()
                    .args(["enroll", &subject, &picture, "--server", &url])
                    .stdout(Stdio::null())
                    .stderr(Stdio::null())
                    .status();
                if enrol.unwrap().code() != Some(0) {
                    break;
                }
                done.push(subject);
            }
            done
        });
        std::thread::sleep(delay);
        server.kill();
        enrolled.extend(load.join().unwrap());
        // Exit code 1 as long as it lies in the clear.
        let told = with(&plain, &["keys", "status", "--json"]).json();
        assert_eq!(told["found"], true, "{told}");
        was_copying |= told["gallery"]["state"] == "copying" && told["gallery"]["of"].as_u64() > Some(FILLED);
    }
    println!("{} enrolled while it was killed; seen copying: {was_copying}", enrolled.len());
    let server = Serving::start_with(&data, &["--config", &serving]);
    // Of many with the same photo the answer has the first by their ids.
    const LAST: &str = "served-of-the-test--last";
    run(["enroll", LAST, &picture, "--server", &server.url]).ended(0);
    enrolled.push(LAST.to_owned());
    let begun = Instant::now();
    while data.join("chinhchu.redb.sealed").exists() || data.join("chinhchu.redb.clear").exists() {
        assert!(begun.elapsed() < 3 * PATIENCE, "the gallery was not sealed");
        std::thread::sleep(Duration::from_millis(50));
    }
    // The server that was there goes on.
    let found = run(["identify", &picture, "--server", &server.url, "--json"]).ended(0).json();
    assert!(found["candidates"].to_string().contains(LAST), "{found}");
    assert_eq!(server.terminate(), Some(0));
    assert_eq!(with(&plain, &["keys", "status", "--json"]).ended(0).json()["gallery"]["state"], "sealed");
    let list = with(&plain, &["subject", "list", "--all"]).ended(0).stdout;
    for subject in &enrolled {
        assert!(list.lines().any(|line| line.contains(subject.as_str())), "{subject} was acknowledged and is gone");
    }
    assert_eq!(list.matches("filled-of-the-test-").count() as u64, FILLED);
    with(&plain, &["ledger", "verify"]).ended(0);
    for word in ["filled-of-the-test", "served-of-the-test"] {
        assert!(!holds(&data, word), "{word} lies in the clear");
    }
    // The setting may stay.
    let server = Serving::start_with(&data, &["--config", &serving]);
    assert_eq!(server.terminate(), Some(0));
}

#[test]
fn a_server_that_is_killed_while_it_changes_the_master_key_goes_on_and_everything_opens() {
    need_assets!();
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("people");
    let first = made_keys(folder.path(), "");
    let gallery = opened(folder.path(), Some(key_store_options(folder.path())));
    const FILLED: u64 = 2000;
    fill(&gallery, FILLED);
    drop(gallery);
    let made = run(["keys", "new-master", &text(&folder.path().join("master/m2.key")), "--json"]).ended(0).json();
    let second_id = made["key_id"].as_str().unwrap();
    let second = config(folder.path(), "second.toml", "key = { file = \"master/m2.key\" }");
    let both = "key = { file = \"master/m2.key\" }\nprevious_key = { file = \"master/m1.key\" }";
    let both = config(folder.path(), "both.toml", both);
    let listed = |config: &str| {
        let list = run(["subject", "list", "--all", "--json", "--config", config, "--data", &text(&data)]).ended(0);
        list.stdout
    };
    assert_eq!(listed(&first).matches("filled-of-the-test-").count() as u64, FILLED);
    let begun = Instant::now();
    assert_eq!(Serving::start_with(&data, &["--config", &first]).terminate(), Some(0));
    let start_ms = begun.elapsed().as_millis() as u64;
    let mut random = Random::new();
    for _ in 0..6 {
        let mut server = chinhchu()
            .args(["serve", "--listen", "127.0.0.1:0", "--data", &text(&data), "--config", &both])
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // While it starts: keys are read, the change begins, and goes on.
        std::thread::sleep(Duration::from_millis(start_ms / 4 + random.below(start_ms)));
        server.kill().unwrap();
        server.wait().unwrap();
    }
    let server = Serving::start_with(&data, &["--config", &both]);
    let picture = text(&photo("obama.jpg"));
    run(["enroll", "served-of-the-test", &picture, "--server", &server.url]).ended(0);
    let begun = Instant::now();
    // A store says in its header under which master key it is.
    let is_under = |path: &str| {
        let bytes = fs::read(folder.path().join(path)).unwrap_or_default();
        let id = bytes.get(36..44).unwrap_or_default().iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        second_id == id
    };
    let is_rotated = || is_under("subjects/keys") && is_under("copy/keys");
    while !is_rotated() {
        assert!(begun.elapsed() < PATIENCE, "the change of the master key does not end");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(server.terminate(), Some(0));
    let status = run(["keys", "status", "--config", &second, "--json"]).ended(0).json();
    assert_eq!(status["rotation_due"], false);
    run(["keys", "status", "--config", &first]).refused(&["master key"]);
    let list = listed(&second);
    assert_eq!(list.matches("filled-of-the-test-").count() as u64, FILLED);
    assert!(list.contains("served-of-the-test"), "{list}");
    run(["ledger", "verify", "--config", &second, "--data", &text(&data)]).ended(0);
}

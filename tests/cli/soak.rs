//! The long run: a sealed gallery with a log, inside TLS and behind an access policy, under a constant mixed load, while
//! its configuration is read anew, its master key and the log's key are changed, and it is backed up and audited.
//! Nothing that was acknowledged is lost or done twice, the answers stay as quick as they were, and the server's memory
//! stays flat.
//!
//! `CHINHCHU_SOAK_SECONDS` says how long (55); `CHINHCHU_SEED` makes the same choices again, of the clients; what the
//! machine does meanwhile is its own. `CHINHCHU_SOAK_JSON` names a file for the figures. `scripts/soak` runs it long.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use chinhchu::service::{Client, ClientOptions};
use chinhchu::tools::forge::{CardDraft, Flaw, HolderDraft, KeyKind};
use chinhchu::tools::{Leaf, Purpose, TestAuthority};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::clerk::{
    Answered, Card, Clerk, Habits, Line, Person, Proofs, Task, block_on, from_environment, hold_against,
};
use crate::need_assets;
use crate::signer::{Signer, key_set};
use crate::support::{PATIENCE, Ran, Serving, photo, root, run, text};

const CLIENTS: usize = 6;
/// People whom each client enrols, nobody else does.
const PEOPLE_EACH: usize = 6;
/// Of them the last are captures for claims, the others are enrolled.
const PHOTOS_EACH: usize = 6;
const CAPTURES_EACH: usize = 2;
const HABITS: Habits = Habits {
    mix: &[
        (Task::Enrol, 4),
        (Task::Decide(Card::Sound), 6),
        (Task::Decide(Card::None), 3),
        (Task::Decide(Card::Altered), 1),
        (Task::AskAgain, 2),
        (Task::Answer, 5),
        (Task::Remove, 1),
        (Task::Erase, 1),
        (Task::Look, 1),
        (Task::Identify, 2),
        (Task::Verify, 4),
        (Task::HalfAPhoto, 1),
    ],
    one_record_each: true,
    templates_max: 4,
    looked_for_max: 20,
};
/// The server is started so often: each start but the first changes the keys.
const LIVES: u32 = 3;
/// Longest time between two chores.
const PAUSE_MAX: Duration = Duration::from_secs(300);
/// From this length on memory and latency are held to narrow bounds. In a shorter run a life of the server is seconds
/// long: its caches are still being filled, the gallery grows from nothing, and other tests take the machine's cores.
const LONG: Duration = Duration::from_secs(30 * 60);
/// Growth of resident memory in one life of the server, after its first third, that is still flat: what an allocator and
/// the database's cache keep for themselves. In a short run, what the caches take in until they are full.
const GROWTH_MAX: f64 = 0.10;
const GROWTH_SHORT_MAX: f64 = 0.25;
/// Median latency of the last third of the run over that of the first, at most. In a short run only a stall shows: what else the
/// machine does decides about the rest.
const DRIFT_MAX: f64 = 1.5;
const DRIFT_SHORT_MAX: f64 = 20.0;
/// Open files beyond those of the beginning of a life: connections that are just being made, files being read.
const FILES_MORE_MAX: u64 = 24;
const ORIGIN: &str = "soak.test/log";
/// Marked test cards, and photos that are no live captures and are shown again and again.
const POLICY: &str = r#"
[danger]
insist = ["TEST_ANCHOR"]
[chip]
csca = "csca"
[policies.counter]
without = ["liveness", "quality"]
attempts_per_day_max = 100
on.capture_seen_before = "accept"
"#;
const ACCESS: &str = r#"
[access.machines.benefits]
uri = "spiffe://soak.test/benefits"
roles = ["workflow", "registrar", "auditor"]
[access.machines.office]
uri = "spiffe://soak.test/office"
people = ["officer"]
[access.tokens]
issuer = "https://login.soak.test"
audience = "chinhchu"
keys = "tokens.jwks"
"#;

/// The people of `cfp-dev`, of the test data; without it, two whom all clients share: nobody is approved then, as each
/// face is on several records.
fn crowd(scratch: &Path) -> (Vec<Person>, Vec<Vec<usize>>) {
    let data = std::env::var_os("CHINHCHU_TESTDATA").map_or_else(|| root().join("../shared/data"), PathBuf::from);
    let tar = data.join("cfp-dev.tar");
    if !tar.is_file() {
        let shared = [&["obama.jpg", "obama2.jpg", "obama3.jpg"][..], &["biden.jpg"]];
        let read = |names: &[&str]| names.iter().map(|name| fs::read(photo(name)).unwrap()).collect();
        let shared = shared.iter().enumerate();
        let people: Vec<Person> = shared.map(|(at, names)| person(at, read(names), read(names))).collect();
        return (people, vec![vec![0, 1]; CLIENTS]);
    }
    let unpacked = Command::new("tar").arg("-xf").arg(tar).arg("-C").arg(scratch).status();
    assert!(unpacked.unwrap().success(), "cfp-dev cannot be unpacked");
    let mut folders: Vec<PathBuf> =
        fs::read_dir(scratch.join("cfp-dev")).unwrap().map(|one| one.unwrap().path()).collect();
    folders.retain(|path| path.is_dir());
    folders.sort();
    assert!(folders.len() >= CLIENTS * PEOPLE_EACH, "cfp-dev has too few people");
    let photos = |folder: &PathBuf| {
        (1..=PHOTOS_EACH).map(|number| fs::read(folder.join(format!("frontal-{number:02}.jpg"))).unwrap()).collect()
    };
    let people = folders.iter().take(CLIENTS * PEOPLE_EACH).enumerate();
    let people = people.map(|(at, folder)| {
        let mut photos: Vec<Vec<u8>> = photos(folder);
        let captures = photos.split_off(PHOTOS_EACH - CAPTURES_EACH);
        person(at, photos, captures)
    });
    let people = people.collect();
    fs::remove_dir_all(scratch.join("cfp-dev")).unwrap();
    (people, (0..CLIENTS).map(|client| (client * PEOPLE_EACH..(client + 1) * PEOPLE_EACH).collect()).collect())
}

/// Somebody with a card of the test authority, and the same altered.
fn person(at: usize, photos: Vec<Vec<u8>>, captures: Vec<Vec<u8>>) -> Person {
    let number = format!("9990880{at:05}");
    let forge = |flaw| {
        let holder = HolderDraft { number: number.clone(), ..HolderDraft::nobody() };
        let draft = CardDraft { key: KeyKind::P256, holder, flaw, ..CardDraft::new(b"soak", photos[0].clone()) };
        draft.forge().unwrap().files.into_iter().map(|(_, bytes)| bytes).collect()
    };
    let (card, altered_card) = (forge(None), forge(Some(Flaw::AlteredName)));
    Person { photos, captures, number, card, altered_card }
}

/// Writes a file that its owner alone can read, whole or not at all.
fn put(path: &Path, content: impl AsRef<[u8]>) {
    let next = path.with_extension("next");
    fs::write(&next, content).unwrap();
    fs::set_permissions(&next, fs::Permissions::from_mode(0o600)).unwrap();
    fs::rename(&next, path).unwrap();
}

/// The server's folder: configuration, keys, certificates, gallery, backups.
struct Place {
    folder: PathBuf,
    config: String,
    authority: TestAuthority,
    /// Which master key and which key of the log are in use: the number of the server's life.
    life: u32,
    reloads: u32,
}

impl Place {
    fn new(folder: &Path) -> Self {
        for name in ["master", "keys", "copy", "csca", "logs"] {
            fs::create_dir(folder.join(name)).unwrap();
        }
        let csca = CardDraft { key: KeyKind::P256, ..CardDraft::new(b"soak", fs::read(photo("obama.jpg")).unwrap()) };
        fs::write(folder.join("csca/test.cer"), csca.forge().unwrap().csca).unwrap();
        run(["keys", "new-master", &text(&folder.join("backup.key"))]).ended(0);
        let place = Self {
            folder: folder.to_owned(),
            config: text(&folder.join("chinhchu.toml")),
            authority: TestAuthority::new().unwrap(),
            life: 0,
            reloads: 0,
        };
        put(&place.at("ca.pem"), place.authority.certificate());
        place.make_keys();
        place.renew_certificate();
        place
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn data(&self) -> PathBuf {
        self.at("people")
    }

    /// The keys of this life, and the configuration that names them and those before.
    fn make_keys(&self) {
        run(["keys", "new-master", &text(&self.at(&format!("master/{}", self.life)))]).ended(0);
        run(["ledger", "signing-key", ORIGIN, &text(&self.at(&format!("log-{}.key", self.life)))]).ended(0);
    }

    fn configure(&self) {
        let (life, reloads) = (self.life, self.reloads);
        let (previous, replaces) = match life.checked_sub(1) {
            Some(before) => (
                format!("previous_key = {{ file = \"master/{before}\" }}\n"),
                format!("replaces = \"log-{before}.key\"\n"),
            ),
            None => (String::new(), String::new()),
        };
        // Another policy at each reload.
        let policy = format!("attempts_max = {}\n", 3 + reloads % 2);
        let own = format!(
            "[tls]\ncertificate = \"server-{reloads}.pem\"\nkey = \"server-{reloads}.key\"\nclient_ca = \"ca.pem\"\n\
             [sealing]\nkey = {{ file = \"master/{life}\" }}\n{previous}\
             key_store = \"keys/subjects\"\nkey_store_copy = \"copy/subjects\"\n\
             [ledger]\norigin = \"{ORIGIN}\"\nsigning_key = \"log-{life}.key\"\n{replaces}\
             [backup]\nto = \"backups\"\nkey = {{ file = \"backup.key\" }}\n{ACCESS}{POLICY}\
             [policies.other]\n{policy}"
        );
        put(&self.at("chinhchu.toml"), own);
    }

    /// The server's certificate of this reload, in files of its own: no server reads one that is half written.
    fn renew_certificate(&self) {
        let ips = vec!["127.0.0.1".parse().unwrap()];
        let issued = self.authority.issue(&Leaf { ips, ..Leaf::new(Purpose::Server, "server") }).unwrap();
        put(&self.at(&format!("server-{}.key", self.reloads)), &issued.key);
        put(&self.at(&format!("server-{}.pem", self.reloads)), &issued.certificate);
    }

    /// The proofs of a machine that presents claims, and of an officer at another one.
    fn proofs(&self, number: usize) -> Proofs {
        let machine = |name: &str| {
            let (certificate, key) = (self.at(&format!("{name}.pem")), self.at(&format!("{name}-key.pem")));
            if !certificate.exists() {
                let uris = vec![format!("spiffe://soak.test/{name}")];
                let issued = self.authority.issue(&Leaf { uris, ..Leaf::new(Purpose::Client, name) }).unwrap();
                put(&certificate, &issued.certificate);
                put(&key, &issued.key);
            }
            let ca = Some(self.at("ca.pem"));
            ClientOptions { ca, certificate: Some(certificate), key: Some(key), token_file: None }
        };
        let signer = Signer::ed25519([9; 32]);
        put(&self.at("tokens.jwks"), key_set(&[signer.jwk("soak")]));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let claims = json!({
            "iss": "https://login.soak.test", "aud": "chinhchu", "sub": format!("officer-{number}"),
            "iat": now, "exp": now + 12 * 3600, "roles": ["officer"], "province": "*",
        });
        let token = self.at(&format!("officer-{number}.token"));
        put(&token, signer.token("soak", &claims));
        Proofs { desk: machine("benefits"), officer: ClientOptions { token_file: Some(token), ..machine("office") } }
    }

    fn log(&self) -> PathBuf {
        self.at(&format!("logs/{}", self.life))
    }

    fn serve(&self) -> Serving {
        Serving::start_logged(&self.data(), &["--config", &self.config], &self.log())
    }

    /// How often the server's log of this life has a word.
    fn told(&self, word: &str) -> usize {
        fs::read_to_string(self.log()).unwrap().lines().filter(|line| line.contains(word)).count()
    }

    fn wait_for(&self, word: &str, times: usize) {
        let begun = Instant::now();
        while self.told(word) < times {
            assert!(begun.elapsed() < PATIENCE, "the server's log does not have {word:?} {times} times");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// A command on the gallery, which has not failed.
    fn run(&self, words: &[&str]) -> Ran {
        self.run_at(&self.data(), words).ended(0)
    }

    fn run_at(&self, data: &Path, words: &[&str]) -> Ran {
        run(words.iter().copied().chain(["--config", &self.config, "--data", &text(data)]))
    }
}

/// What is done beside the load, and what came of it.
#[derive(Default)]
struct Chores {
    reloads: u32,
    /// How long each backup took in seconds, and how many bytes of it were new.
    backups: Vec<(f64, u64)>,
    pruned: u64,
    /// How long each audit took in seconds, and how many templates it compared.
    audits: Vec<(f64, u64)>,
}

impl Chores {
    /// The next of the three in turn.
    fn next(&mut self, number: u32, place: &mut Place, server: &Serving) {
        match number % 3 {
            0 => self.reload(place, server),
            1 => drop(self.backup(place)),
            _ => drop(self.audit(place)),
        }
    }

    /// Another certificate and another policy, without a stop.
    fn reload(&mut self, place: &mut Place, server: &Serving) {
        let before = place.told(" reloaded ");
        place.reloads += 1;
        place.renew_certificate();
        place.configure();
        server.signal(libc::SIGHUP);
        place.wait_for(" reloaded ", before + 1);
        self.reloads += 1;
    }

    /// Only what is new; the backup is whole, and the newest two stay.
    fn backup(&mut self, place: &Place) -> Value {
        let begun = Instant::now();
        let taken = place.run(&["backup", "--json"]).json();
        assert_eq!((&taken["served"], &taken["sealed"]), (&true.into(), &true.into()), "{taken}");
        let took = begun.elapsed().as_secs_f64();
        self.backups.push((took, taken["bytes_written"].as_u64().unwrap()));
        let whole = run(["backup", "verify", "--json", "--config", &place.config]).ended(0).json();
        assert_eq!((&whole["whole"], &whole["id"]), (&true.into(), &taken["id"]), "{whole}");
        let pruned = run(["backup", "prune", "--keep", "2", "--json", "--config", &place.config]).ended(0).json();
        self.pruned += pruned["backups"].as_array().unwrap().len() as u64;
        taken
    }

    /// Nobody is on two records, so that an audit at the rate of strangers finds at most what chance gives.
    fn audit(&mut self, place: &Place) -> Value {
        let out = text(&place.at(&format!("audit-{}", self.audits.len())));
        let begun = Instant::now();
        let ran = place.run_at(&place.data(), &["audit", "--out", &out, "--json"]);
        assert!(matches!(ran.code, Some(0 | 1)), "{ran:?}");
        let summary = ran.json();
        self.audits.push((begun.elapsed().as_secs_f64(), summary["templates"].as_u64().unwrap()));
        fs::remove_dir_all(out).unwrap();
        summary
    }
}

/// What the server held at one moment.
#[derive(Clone, Copy)]
struct Sample {
    life: u32,
    resident_mib: f64,
    /// Open files; none where the system shows them to root alone.
    files: Option<u64>,
}

/// Looks at the server's process again and again until it is dropped.
struct Watcher {
    process: Arc<AtomicU32>,
    life: Arc<AtomicU32>,
    is_over: Arc<AtomicBool>,
    samples: Arc<Mutex<Vec<Sample>>>,
}

impl Watcher {
    fn new(every: Duration) -> Self {
        let watcher =
            Self { process: Arc::default(), life: Arc::default(), is_over: Arc::default(), samples: Arc::default() };
        let (process, life) = (Arc::clone(&watcher.process), Arc::clone(&watcher.life));
        let (is_over, samples) = (Arc::clone(&watcher.is_over), Arc::clone(&watcher.samples));
        std::thread::spawn(move || {
            while !is_over.load(Ordering::Relaxed) {
                let (pid, life) = (process.load(Ordering::Relaxed), life.load(Ordering::Relaxed));
                if let Some(resident_mib) = resident_mib(pid) {
                    let files = fs::read_dir(format!("/proc/{pid}/fd")).ok().map(|files| files.count() as u64);
                    samples.lock().unwrap().push(Sample { life, resident_mib, files });
                }
                std::thread::sleep(every);
            }
        });
        watcher
    }

    fn look_at(&self, life: u32, server: Option<&Serving>) {
        self.life.store(life, Ordering::Relaxed);
        self.process.store(server.map_or(0, Serving::id), Ordering::Relaxed);
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

fn resident_mib(pid: u32) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<f64>().ok()? / 1024.0)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// A percentile of latencies, in milliseconds.
fn at_share(sorted_ms: &[f64], share: f64) -> f64 {
    let at = (sorted_ms.len().saturating_sub(1) as f64 * share) as usize;
    sorted_ms.get(at).map_or(f64::NAN, |ms| (ms * 1e3).round() / 1e3)
}

/// Memory and files of one life, after its first third.
fn life_figures(life: u32, samples: &[Sample]) -> Value {
    let own: Vec<Sample> = samples.iter().filter(|one| one.life == life).copied().collect();
    let warm = &own[own.len() / 3..];
    let quarter = (warm.len() / 4).max(1);
    let (first, last) = (&warm[..quarter], &warm[warm.len() - quarter..]);
    let memory = |of: &[Sample]| median(of.iter().map(|one| one.resident_mib).collect());
    let files = |of: &[Sample]| of.iter().filter_map(|one| one.files).max();
    json!({
        "life": life + 1, "samples": own.len(),
        "resident_mib_begin": memory(first), "resident_mib_end": memory(last),
        "resident_growth": memory(last) / memory(first) - 1.0,
        "open_files_begin": files(first), "open_files_end": files(last),
    })
}

/// Latencies of one kind of call, over the whole run and of its first and last third.
fn call_figures(mut calls: Vec<Answered>, begun: Instant, lasted: Duration) -> Value {
    calls.sort_by_key(|call| call.took);
    let of = |from: f64, to: f64| {
        let within = |call: &&Answered| {
            let share = call.at.duration_since(begun).as_secs_f64() / lasted.as_secs_f64();
            (from..to).contains(&share)
        };
        calls.iter().filter(within).map(|call| call.took.as_secs_f64() * 1e3).collect::<Vec<f64>>()
    };
    let (all, first, last) = (of(0.0, f64::INFINITY), of(0.0, 1.0 / 3.0), of(2.0 / 3.0, f64::INFINITY));
    json!({
        "calls": all.len(), "p50_ms": at_share(&all, 0.5), "p99_ms": at_share(&all, 0.99),
        "first_third": { "calls": first.len(), "p50_ms": at_share(&first, 0.5), "p99_ms": at_share(&first, 0.99) },
        "last_third": { "calls": last.len(), "p50_ms": at_share(&last, 0.5), "p99_ms": at_share(&last, 0.99) },
    })
}

/// The figures as a table.
fn table(figures: &Value) -> String {
    use std::fmt::Write;
    let mut out = String::new();
    let number = |value: &Value| value.as_f64().map_or("–".to_owned(), |value| format!("{value:.1}"));
    let _ = writeln!(
        out,
        "{:<14}{:>9}{:>9}{:>9}   p50, p99 of the first and the last third",
        "call", "calls", "p50 ms", "p99 ms"
    );
    for (what, of) in figures["calls"].as_object().unwrap() {
        let third = |name: &str| format!("{}, {}", number(&of[name]["p50_ms"]), number(&of[name]["p99_ms"]));
        let (p50, p99) = (number(&of["p50_ms"]), number(&of["p99_ms"]));
        let thirds = format!("{}; {}", third("first_third"), third("last_third"));
        let _ = writeln!(out, "{what:<14}{:>9}{p50:>9}{p99:>9}   {thirds}", of["calls"].as_u64().unwrap());
    }
    for life in figures["lives"].as_array().unwrap() {
        let _ = writeln!(
            out,
            "life {}: resident memory {} MiB, at its end {} MiB ({:+.1} %); open files {}, at its end {}",
            life["life"],
            number(&life["resident_mib_begin"]),
            number(&life["resident_mib_end"]),
            life["resident_growth"].as_f64().unwrap_or(f64::NAN) * 100.0,
            life["open_files_begin"],
            life["open_files_end"],
        );
    }
    for name in [
        "seconds",
        "seed",
        "outcomes",
        "photos_refused",
        "made_again",
        "rotations",
        "reloads",
        "backups",
        "audits",
        "at_the_end",
    ] {
        let _ = writeln!(out, "{name}: {}", figures[name]);
    }
    out
}

/// The newest backup, restored beside the gallery that it is of: the same records and cases, and a log that verifies.
fn hold_backup_against(place: &Place, taken: &Value, clerks: &[Clerk]) {
    let restored = place.at("restored");
    let made = run(["restore", "--to", &text(&restored), "--json", "--config", &place.config]).ended(0).json();
    assert_eq!((&made["backup"], &made["subjects"], &made["left_out"]), (&taken["id"], &taken["subjects"], &0.into()));
    for words in [&["subject", "list", "--all", "--json"][..], &["case", "list", "--all", "--json"]] {
        let [own, other] = [&place.data(), &restored].map(|data| place.run_at(data, words));
        assert_eq!(own.stdout, other.stdout, "what {words:?} lists of a restored gallery");
    }
    place.run_at(&restored, &["ledger", "verify"]).ended(0);
    let enrolled = clerks.iter().map(|clerk| clerk.enrolled.len() as u64).sum::<u64>();
    assert_eq!(taken["subjects"], enrolled);
    fs::remove_dir_all(restored).unwrap();
}

fn hold_all_against(url: &str, proofs: &Proofs, people: &[Person], clerks: &[Clerk]) {
    block_on(async {
        let client = Client::connect_with(url, &proofs.desk).await.unwrap();
        hold_against(&client, people, clerks).await;
    });
}

#[test]
fn a_long_mixed_load_with_reloads_new_keys_backups_and_audits_loses_nothing_and_stays_flat() {
    need_assets!();
    let lasts = Duration::from_secs(from_environment("CHINHCHU_SOAK_SECONDS", || 55));
    let seed = from_environment("CHINHCHU_SEED", || u64::from(std::process::id()));
    eprintln!("CHINHCHU_SOAK_SECONDS={} CHINHCHU_SEED={seed}", lasts.as_secs());
    let scratch = tempfile::tempdir().unwrap();
    let (people, own) = crowd(scratch.path());
    let has_approvals = own.iter().all(|own| own.len() == PEOPLE_EACH);
    let people = Arc::new(people);
    let mut place = Place::new(scratch.path());
    let (up, line) = watch::channel(Line::Down);
    let proofs: Vec<Proofs> = (0..CLIENTS).map(|number| place.proofs(number)).collect();
    place.configure();
    let begun = Instant::now();
    let clerks: Vec<_> = own
        .into_iter()
        .zip(&proofs)
        .enumerate()
        .map(|(number, (own, proofs))| {
            let whom = (Arc::clone(&people), own);
            let clerk = Clerk::new(number as u64, seed, &HABITS, whom, proofs.clone(), line.clone());
            std::thread::spawn(move || block_on(clerk.work()))
        })
        .collect();

    let watcher = Watcher::new((lasts / 1000).max(Duration::from_millis(200)));
    let mut chores = Chores::default();
    let mut rotations = Vec::new();
    let mut server = place.serve();
    for life in 0..LIVES {
        up.send_replace(Line::Up(server.url.clone()));
        watcher.look_at(life, Some(&server));
        if life > 0 {
            // Beside the load.
            place.wait_for("the master key was changed", 1);
        }
        let ends = lasts * (life + 1) / LIVES;
        let mut done = 0;
        while done < 3 || begun.elapsed() < ends {
            chores.next(done, &mut place, &server);
            done += 1;
            assert!(clerks.iter().all(|clerk| !clerk.is_finished()), "a client failed in life {}", life + 1);
            let pause = (lasts / 36).min(PAUSE_MAX);
            let left = if done < 3 { pause } else { ends.saturating_sub(begun.elapsed()) };
            std::thread::sleep(pause.min(left));
        }
        if life + 1 == LIVES {
            break;
        }
        // New keys of the gallery and of the log: it takes another start.
        up.send_replace(Line::Down);
        watcher.look_at(life, None);
        let stopped = Instant::now();
        assert_eq!(server.terminate(), Some(0));
        place.life += 1;
        place.make_keys();
        place.configure();
        server = place.serve();
        rotations.push(stopped.elapsed().as_secs_f64());
    }
    up.send_replace(Line::Ended);
    let lasted = begun.elapsed();
    let mut clerks: Vec<Clerk> =
        clerks.into_iter().map(|clerk| clerk.join().expect("a client found nothing wrong")).collect();
    watcher.look_at(LIVES, None);

    // All that was acknowledged, one by one and together.
    up.send_replace(Line::Up(server.url.clone()));
    let calls: Vec<Answered> = clerks.iter_mut().flat_map(|clerk| std::mem::take(&mut clerk.answered)).collect();
    hold_all_against(&server.url, &proofs[0], &people, &clerks);
    for clerk in &mut clerks {
        block_on(clerk.look_for(usize::MAX)).unwrap();
    }
    // Nothing is done any more: audit and backup have exactly what the clients know.
    let templates: usize = clerks.iter().flat_map(|clerk| clerk.enrolled.values()).map(|of| of.photos.len()).sum();
    assert_eq!(chores.audit(&place)["templates"], templates);
    let taken = chores.backup(&place);
    assert_eq!(server.terminate(), Some(0));

    // Each decision is in the log once, also of who was erased; the keys and the gallery are in order.
    place.run(&["ledger", "verify"]);
    let entries = |kind: &str| {
        let all = place.run(&["ledger", "show", "--kind", kind, "--all", "--json"]).json();
        all["entries"].as_array().unwrap().len()
    };
    let decisions: usize = clerks.iter().map(|clerk| clerk.decided.len() + clerk.forgotten).sum();
    assert_eq!(entries("decision"), decisions);
    assert_eq!(entries("erasure"), clerks.iter().map(|clerk| clerk.erased).sum::<usize>());
    let status = place.run(&["keys", "status", "--json"]).json();
    assert_eq!((&status["copy_state"], &status["rotation_due"]), (&"alike".into(), &false.into()), "{status}");
    hold_backup_against(&place, &taken, &clerks);
    let logs =
        (0..LIVES).map(|life| fs::read_to_string(place.at(&format!("logs/{life}"))).unwrap()).collect::<String>();
    let mistakes: Vec<&str> =
        logs.lines().filter(|line| line.contains(" ERROR ") || line.contains("panicked")).collect();
    assert!(mistakes.is_empty(), "the server's log has errors: {mistakes:?}");
    assert!(!logs.contains("record-0-") && !logs.contains("9990880"), "the server's log names somebody");

    let mut by_kind: BTreeMap<&str, Vec<Answered>> = BTreeMap::new();
    calls.iter().for_each(|call| by_kind.entry(call.what).or_default().push(*call));
    let of_kinds: BTreeMap<&str, Value> =
        by_kind.into_iter().map(|(what, calls)| (what, call_figures(calls, begun, lasted))).collect();
    let samples = watcher.samples.lock().unwrap().clone();
    let lives: Vec<Value> = (0..LIVES).map(|life| life_figures(life, &samples)).collect();
    let sums = |maps: Vec<BTreeMap<String, u64>>| {
        let mut sum: BTreeMap<String, u64> = BTreeMap::new();
        maps.into_iter().flatten().for_each(|(name, count)| *sum.entry(name).or_default() += count);
        sum
    };
    let named = |clerk: &Clerk| clerk.outcomes.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
    let outcomes = sums(clerks.iter().map(named).collect());
    let figures = json!({
        "seconds": lasted.as_secs(), "seed": seed, "calls": of_kinds, "lives": lives,
        "outcomes": outcomes, "photos_refused": clerks.iter().map(|clerk| clerk.disagreed).sum::<u64>(), "made_again": sums(clerks.iter().map(|clerk| clerk.again.clone()).collect()),
        "rotations": { "count": rotations.len(), "seconds_without_server": rotations },
        "reloads": chores.reloads,
        "backups": {
            "count": chores.backups.len(), "pruned": chores.pruned,
            "seconds": chores.backups.iter().map(|(took, _)| *took).collect::<Vec<_>>(),
            "bytes_written": chores.backups.iter().map(|(_, bytes)| *bytes).collect::<Vec<_>>(),
        },
        "audits": {
            "count": chores.audits.len(), "seconds": chores.audits.iter().map(|(took, _)| *took).collect::<Vec<_>>(),
        },
        "at_the_end": { "subjects": taken["subjects"], "templates": templates, "decisions": decisions, "log_entries": taken["entries"] },
    });
    eprintln!("{}{figures}", table(&figures));
    if let Some(path) = std::env::var_os("CHINHCHU_SOAK_JSON") {
        fs::write(path, format!("{figures:#}\n")).unwrap();
    }

    assert!(chores.reloads >= 2 && chores.backups.len() >= 2 && chores.audits.len() >= 2 && rotations.len() == 2);
    if has_approvals {
        for outcome in ["approve", "refer", "deny"] {
            assert!(outcomes.get(outcome).is_some_and(|count| *count > 0), "no claim came to {outcome}: {outcomes:?}");
        }
    }
    let is_long = lasts >= LONG;
    let (growth_max, drift_max) = if is_long { (GROWTH_MAX, DRIFT_MAX) } else { (GROWTH_SHORT_MAX, DRIFT_SHORT_MAX) };
    for life in &lives {
        assert!(life["resident_growth"].as_f64().unwrap() <= growth_max, "the server's memory grows: {life}");
        if let (Some(begin), Some(end)) = (life["open_files_begin"].as_u64(), life["open_files_end"].as_u64()) {
            assert!(end <= begin + FILES_MORE_MAX, "files stay open: {life}");
        }
    }
    for (what, of) in figures["calls"].as_object().unwrap() {
        let [first, last] = ["first_third", "last_third"].map(|third| &of[third]);
        // A median of a few calls tells nothing.
        if first["calls"].as_u64() >= Some(30) && last["calls"].as_u64() >= Some(30) {
            let drift = last["p50_ms"].as_f64().unwrap() / first["p50_ms"].as_f64().unwrap();
            assert!(drift <= drift_max, "{what} takes {drift:.2} times as long at the end: {of}");
        }
    }
    // Without the index file the same people are found.
    let _ = fs::remove_file(place.data().join("index"));
    let server = place.serve();
    hold_all_against(&server.url, &proofs[0], &people, &clerks);
    assert_eq!(server.terminate(), Some(0));
}

//! The program is killed again and again under concurrent clients: nothing acknowledged is lost, nothing is done
//! twice, the log verifies, and the index has what the store has.
//!
//! `CHINHCHU_KILLS` says how often (3). `CHINHCHU_SEED` makes the same choices again, of the clients and of the moments;
//! what the machine does meanwhile is its own. `scripts/soak-kill` runs it long.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use chinhchu::gallery::Filter;
use chinhchu::service::Client;
use chinhchu::tools::SplitMix;
use chinhchu::workflow::{IdentifyRequest, IdentifyScope};
use tokio::sync::watch;

use crate::clerk::{Card, Clerk, Habits, Line, Person, Proofs, Task, block_on, from_environment, hold_against};
use crate::counter::configure;
use crate::need_assets;
use crate::support::{Serving, chinhchu, photo, run, text};

const CLIENTS: u64 = 4;
/// Longest time between two kills.
const LIFE_MS_MAX: u64 = 5000;
const HABITS: Habits = Habits {
    mix: &[
        (Task::Enrol, 4),
        (Task::Decide(Card::None), 3),
        (Task::Answer, 2),
        (Task::Remove, 1),
        (Task::Erase, 1),
        (Task::AskAgain, 1),
    ],
    one_record_each: false,
    templates_max: usize::MAX,
    looked_for_max: usize::MAX,
};
/// Each person's photos.
const PEOPLE: [&[&str]; 2] = [&["obama.jpg", "obama2.jpg", "obama3.jpg"], &["biden.jpg"]];

fn people() -> Vec<Person> {
    let read = |names: &[&str]| names.iter().map(|name| std::fs::read(photo(name)).unwrap()).collect();
    let with = |names: &&[&str]| Person {
        photos: read(names),
        captures: read(&names[..1]),
        number: String::new(),
        card: Vec::new(),
        altered_card: Vec::new(),
    };
    PEOPLE.iter().map(with).collect()
}

/// A server with a log and a sealed gallery.
struct Place {
    data: PathBuf,
    config: String,
}

impl Place {
    fn new(scratch: &Path) -> Self {
        let config = configure(scratch);
        for folder in ["master", "keys", "copy"] {
            std::fs::create_dir(scratch.join(folder)).unwrap();
        }
        run(["keys", "new-master", &text(&scratch.join("master/key"))]).ended(0);
        let more = "[sealing]\nkey = { file = \"master/key\" }\nkey_store = \
                    \"keys/subjects\"\nkey_store_copy = \"copy/subjects\"\n[ledger]\norigin = \"soak.test/log\"\n";
        let own = std::fs::read_to_string(&config).unwrap() + more;
        std::fs::write(&config, own).unwrap();
        Self { data: scratch.join("people"), config }
    }

    fn serve(&self) -> Serving {
        Serving::start_with(&self.data, &["--config", &self.config])
    }

    /// Starts a server and kills it before it has said that it is there, or soon after.
    fn killed_at_its_start(&self, after: Duration) {
        let serve = ["serve", "--listen", "127.0.0.1:0", "--config", &self.config, "--data"];
        let mut child = chinhchu().args(serve).arg(&self.data).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(after);
        child.kill().unwrap();
        child.wait().unwrap();
    }

    fn run(&self, words: &[&str]) -> crate::support::Ran {
        run(words.iter().copied().chain(["--config", &self.config, "--data", &text(&self.data)]))
    }
}

/// What all clients know, held against the server; and by their faces those are found who are of one person, and nobody
/// else.
async fn hold_all_against(url: &str, people: &[Person], clerks: &[Clerk]) {
    let client = Client::connect(url).await.unwrap();
    hold_against(&client, people, clerks).await;
    for (number, person) in people.iter().enumerate() {
        let request = IdentifyRequest {
            probes: vec![person.photos[0].clone()],
            scope: Some(IdentifyScope::Fpir { fpir: 0.001, limit: 1000 }),
            filter: Filter::default(),
        };
        let found = client.identify(request).await.unwrap();
        let found: BTreeSet<_> = found.candidates.into_iter().map(|one| one.subject).collect();
        let own = clerks.iter().flat_map(|clerk| &clerk.enrolled).filter(|(_, of)| of.person == number);
        assert_eq!(found, own.map(|(id, _)| id.clone()).collect::<BTreeSet<_>>(), "found by the face");
    }
}

#[test]
fn what_was_acknowledged_is_there_once_however_often_the_program_is_killed() {
    need_assets!();
    let kills = from_environment("CHINHCHU_KILLS", || 3);
    let seed = from_environment("CHINHCHU_SEED", || u64::from(std::process::id()));
    eprintln!("CHINHCHU_KILLS={kills} CHINHCHU_SEED={seed}");
    let scratch = tempfile::tempdir().unwrap();
    let place = Place::new(scratch.path());
    let (up, line) = watch::channel(Line::Down);
    let people = Arc::new(people());
    let clerks: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let whom = (Arc::clone(&people), (0..people.len()).collect());
            let clerk = Clerk::new(number, seed, &HABITS, whom, Proofs::default(), line.clone());
            std::thread::spawn(move || block_on(clerk.work()))
        })
        .collect();

    let mut random = SplitMix(seed);
    let mut server = place.serve();
    for kill in 1..=kills {
        up.send_replace(Line::Up(server.url.clone()));
        std::thread::sleep(Duration::from_millis(100 + random.next() % LIFE_MS_MAX));
        up.send_replace(Line::Down);
        server.kill();
        if random.next().is_multiple_of(3) {
            place.killed_at_its_start(Duration::from_millis(random.next() % 1500));
        }
        assert!(clerks.iter().all(|clerk| !clerk.is_finished()), "a client failed before kill {kill}");
        server = place.serve();
    }
    // Time for what was in doubt at the last kill.
    up.send_replace(Line::Up(server.url.clone()));
    std::thread::sleep(Duration::from_millis(LIFE_MS_MAX));
    up.send_replace(Line::Ended);
    let clerks: Vec<Clerk> =
        clerks.into_iter().map(|clerk| clerk.join().expect("a client found nothing wrong")).collect();
    block_on(hold_all_against(&server.url, &people, &clerks));
    assert_eq!(server.terminate(), Some(0));

    // Each decision and each answer is in the log once, also of who was erased.
    place.run(&["ledger", "verify"]).ended(0);
    let entries = |kind: &str| {
        let all = place.run(&["ledger", "show", "--kind", kind, "--all", "--json"]).json();
        all["entries"].as_array().unwrap().len()
    };
    let decisions: usize = clerks.iter().map(|clerk| clerk.decided.len() + clerk.forgotten).sum();
    let done: u64 = clerks.iter().map(|clerk| clerk.done).sum();
    assert_eq!(entries("decision"), decisions);
    assert!(done > 0 && decisions > 0, "the clients did something: {done}");
    let erased = entries("erasure");
    eprintln!("{kills} kills, {done} calls, {decisions} decisions, {erased} erasures: nothing lost, nothing twice");
    // Without the index file the same people are found.
    let _ = std::fs::remove_file(place.data.join("index"));
    let server = place.serve();
    block_on(hold_all_against(&server.url, &people, &clerks));
    assert_eq!(server.terminate(), Some(0));
}

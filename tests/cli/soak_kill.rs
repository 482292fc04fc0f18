//! The program is killed again and again under concurrent clients: nothing acknowledged is lost, nothing is done
//! twice, the log verifies, and the index has what the store has.
//!
//! `CHINHCHU_KILLS` says how often (3). `CHINHCHU_SEED` makes the same choices again, of the clients and of the moments;
//! what the machine does meanwhile is its own. `scripts/soak-kill` runs it long.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use chinhchu::chip::Personal;
use chinhchu::gallery::{
    Attributes, DecisionFilter, DecisionKey, EnrolMode, Erasure, Filter, Note, Outcome, RequestId, Requester, Source,
    SubjectId,
};
use chinhchu::service::{Client, ClientError, RightsCall};
use chinhchu::tools::SplitMix;
use chinhchu::workflow::beneficiary::{
    BeneficiaryRequest, PageRequest, Record, ResolveReferral, Scheme, SubjectFilter,
};
use chinhchu::workflow::{EnrolRequest, IdentifyRequest, IdentifyScope, Photo};
use tokio::sync::watch;

use crate::counter::configure;
use crate::need_assets;
use crate::support::{Serving, chinhchu, photo, run, text};

const CLIENTS: u64 = 4;
/// Longest time between two kills.
const LIFE_MS_MAX: u64 = 5000;
/// What a transport says that lost its server, and what a server says that the same request may succeed later.
const IN_DOUBT: [&str; 6] = ["", "SERVER_UNREACHABLE", "DEADLINE_EXCEEDED", "BUSY", "SHUTTING_DOWN", "OUTDATED"];
/// Each person's photos.
const PEOPLE: [&[&str]; 2] = [&["obama.jpg", "obama2.jpg", "obama3.jpg"], &["biden.jpg"]];

pub fn from_environment(name: &str, otherwise: impl FnOnce() -> u64) -> u64 {
    std::env::var(name).map_or_else(|_| otherwise(), |value| value.parse().expect("a number"))
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

fn below(random: &mut SplitMix, bound: usize) -> usize {
    (random.next() % bound as u64) as usize
}

fn chosen<T: Clone>(random: &mut SplitMix, of: impl IntoIterator<Item = T>) -> Option<T> {
    let all: Vec<T> = of.into_iter().collect();
    (!all.is_empty()).then(|| all[below(random, all.len())].clone())
}

fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(photo(name)).unwrap()
}

/// Where the server is; `None` while it is down. Ended where the clients are to stop.
#[derive(Clone, PartialEq)]
enum Line {
    Down,
    Up(String),
    Ended,
}

/// A record as its client knows it.
#[derive(Clone)]
struct Enrolled {
    person: usize,
    templates: usize,
}

/// A decision that was acknowledged.
#[derive(Clone)]
struct Decided {
    key: DecisionKey,
    subject: SubjectId,
    outcome: Outcome,
    commit: u64,
    /// Whether an officer has answered.
    answered: bool,
}

/// Somebody who works at the server, and remembers all that it acknowledged.
struct Clerk {
    number: u64,
    random: SplitMix,
    line: watch::Receiver<Line>,
    /// Under which address everything acknowledged was looked for last.
    looked_at: String,
    done: u64,
    enrolled: BTreeMap<SubjectId, Enrolled>,
    decided: Vec<Decided>,
    /// Decisions about who was erased since: the log has them still.
    forgotten: usize,
    gone: BTreeSet<SubjectId>,
}

impl Clerk {
    fn new(number: u64, seed: u64, line: watch::Receiver<Line>) -> Self {
        Self {
            number,
            random: SplitMix(seed.wrapping_add(number.wrapping_mul(0x9e37_79b9))),
            line,
            looked_at: String::new(),
            done: 0,
            enrolled: BTreeMap::new(),
            decided: Vec::new(),
            forgotten: 0,
            gone: BTreeSet::new(),
        }
    }

    fn name(&self, of: &str) -> String {
        format!("{of}-{}-{}", self.number, self.done)
    }

    /// Where the server is, once it is there; `None` where there is no more to do.
    async fn up(&mut self) -> Option<String> {
        let line = self.line.wait_for(|line| *line != Line::Down).await.expect("the test goes on").clone();
        match line {
            Line::Up(url) => Some(url),
            Line::Ended | Line::Down => None,
        }
    }

    /// Makes a call until it is answered, however often the server dies meanwhile; `None` where the test ends. A call
    /// that is refused for what it says fails the test.
    async fn surely<T>(&mut self, what: &str, call: impl AsyncFn(&Client) -> Result<T, ClientError>) -> Option<T> {
        loop {
            let url = self.up().await?;
            let answer = match Client::connect(&url).await {
                Ok(client) => call(&client).await,
                Err(error) => Err(error),
            };
            match answer {
                Ok(answer) => return Some(answer),
                Err(error) if IN_DOUBT.contains(&error.reason.as_str()) => {
                    tokio::time::sleep(error.retry_after.unwrap_or(Duration::from_millis(20))).await;
                }
                Err(error) => panic!("{what} by client {}: {} {}", self.number, error.reason, error.message),
            }
        }
    }

    /// Works until it is told to end.
    async fn work(mut self) -> Self {
        while self.step().await.is_some() {
            self.done += 1;
        }
        self
    }

    async fn step(&mut self) -> Option<()> {
        let url = self.up().await?;
        if url != self.looked_at {
            self.look_for_all().await?;
            self.looked_at = url;
        }
        match below(&mut self.random, 12) {
            0..4 => self.enrol().await,
            4..7 => self.decide().await,
            7..9 => self.answer().await,
            9 => self.remove().await,
            10 => self.erase().await,
            _ => self.ask_again().await,
        }
    }

    /// A new record, or a photo more of one that is there: twice would show.
    async fn enrol(&mut self) -> Option<()> {
        let is_new = self.enrolled.is_empty() || below(&mut self.random, 2) == 0;
        let known: Vec<SubjectId> = self.enrolled.keys().cloned().collect();
        let subject = match is_new {
            true => SubjectId::new(self.name("record")).unwrap(),
            false => chosen(&mut self.random, known)?,
        };
        let person = self.enrolled.get(&subject).map_or_else(|| below(&mut self.random, 2), |of| of.person);
        let request = EnrolRequest {
            request_id: Some(RequestId::new(self.name("enrol")).unwrap()),
            subject: subject.clone(),
            mode: if is_new { EnrolMode::Create } else { EnrolMode::Add },
            attributes: Attributes::default(),
            photos: vec![Photo {
                bytes: bytes(chosen(&mut self.random, PEOPLE[person].iter().copied())?),
                source: Source::Chip,
                captured_at: None,
            }],
            by: None,
            accept_poor: true,
            vouch: None,
            legal_basis: None,
        };
        self.surely("an enrolment", async |client| client.enrol(request.clone()).await).await?;
        self.enrolled.entry(subject).or_insert(Enrolled { person, templates: 0 }).templates += 1;
        Some(())
    }

    fn claim(&self, transaction: &str, subject: &SubjectId, person: usize) -> BeneficiaryRequest {
        BeneficiaryRequest {
            key: DecisionKey::new(RequestId::new(transaction).unwrap(), 1).unwrap(),
            subject: subject.clone(),
            presented_by: Some(SubjectId::new(format!("clerk-{}", self.number)).unwrap()),
            unit: None,
            scheme: Scheme::Social,
            policy: "counter".into(),
            record: Record { name: Some(Personal::new("Nguyễn Thử Nghiệm")), ..Record::default() },
            chip_files: Vec::new(),
            active: None,
            frames: vec![bytes(PEOPLE[person][0])],
        }
    }

    async fn decide(&mut self) -> Option<()> {
        let Some((subject, of)) = chosen(&mut self.random, self.enrolled.clone()) else { return Some(()) };
        let request = self.claim(&self.name("t"), &subject, of.person);
        let answer = async |client: &Client| client.verify_beneficiary(request.clone()).await;
        let decided = self.surely("a decision", answer).await?;
        let outcome = decided.decided.outcome;
        assert_ne!(outcome, Outcome::Approve, "nobody is approved without a card");
        self.decided.push(Decided { key: decided.key, subject, outcome, commit: decided.commit, answered: false });
        Some(())
    }

    /// The same question has the same answer.
    async fn ask_again(&mut self) -> Option<()> {
        let Some(before) = chosen(&mut self.random, self.decided.clone()) else { return Some(()) };
        let person = self.enrolled.get(&before.subject).map_or(0, |of| of.person);
        if !self.enrolled.contains_key(&before.subject) {
            return Some(());
        }
        let request = self.claim(before.key.transaction.as_str(), &before.subject, person);
        let answer = async |client: &Client| client.verify_beneficiary(request.clone()).await;
        let again = self.surely("a decision asked for again", answer).await?;
        assert_eq!((again.decided.outcome, again.commit), (before.outcome, before.commit));
        Some(())
    }

    async fn answer(&mut self) -> Option<()> {
        let waiting = |one: &&Decided| one.outcome == Outcome::Refer && !one.answered;
        let Some(key) = chosen(&mut self.random, self.decided.iter().filter(waiting).map(|one| one.key.clone())) else {
            return Some(());
        };
        let answer = ResolveReferral {
            key: key.clone(),
            officer: SubjectId::new(format!("officer-{}", self.number)).unwrap(),
            outcome: Outcome::Deny,
            reason: Note::new("giấy tờ không đủ").unwrap(),
        };
        let answered = async |client: &Client| client.resolve_referral(answer.clone()).await;
        assert_eq!(self.surely("an officer's answer", answered).await?.outcome, Outcome::Deny);
        self.decided.iter_mut().filter(|one| one.key == key).for_each(|one| one.answered = true);
        Some(())
    }

    /// Somebody of whom nothing waits.
    fn one_who_may_go(&mut self) -> Option<SubjectId> {
        let waits: BTreeSet<&SubjectId> =
            self.decided.iter().filter(|one| !one.answered).map(|one| &one.subject).collect();
        let may = self.enrolled.keys().filter(|id| !waits.contains(id)).cloned().collect::<Vec<_>>();
        chosen(&mut self.random, may)
    }

    async fn remove(&mut self) -> Option<()> {
        let Some(subject) = self.one_who_may_go() else { return Some(()) };
        let request = RequestId::new(self.name("remove")).unwrap();
        let removed = async |client: &Client| client.remove(&subject, Some(request.clone())).await;
        self.surely("a removal", removed).await?;
        self.enrolled.remove(&subject);
        self.gone.insert(subject);
        Some(())
    }

    async fn erase(&mut self) -> Option<()> {
        let Some(subject) = self.one_who_may_go() else { return Some(()) };
        let request_id = RequestId::new(self.name("erase")).unwrap();
        let (by, reason) = (SubjectId::new("officer-0").unwrap(), Note::new("theo yêu cầu").unwrap());
        let erased = async |client: &Client| {
            let call = RightsCall { request_id: Some(&request_id), subject: &subject, by: Some(&by), reason: &reason };
            client.erase(call, Requester::Person, false).await
        };
        assert_eq!(self.surely("an erasure", erased).await?.erasure, Erasure::Erased);
        self.enrolled.remove(&subject);
        let before = self.decided.len();
        self.decided.retain(|one| one.subject != subject);
        self.forgotten += before - self.decided.len();
        self.gone.insert(subject);
        Some(())
    }

    /// Everything that was acknowledged is there, once, and who went is gone.
    async fn look_for_all(&mut self) -> Option<()> {
        for (id, of) in self.enrolled.clone() {
            let found = self.surely("a record", async |client| client.subject(&id).await).await?;
            assert_eq!(found.templates.len(), of.templates, "templates of a record");
        }
        for one in self.decided.clone() {
            let found = self.surely("a decision", async |client| client.case(&one.key.transaction, None).await);
            let outcome = found.await?.outcome;
            let found = (outcome.key, outcome.decided.outcome, outcome.commit, outcome.resolutions.len());
            assert_eq!(found, (one.key, one.outcome, one.commit, usize::from(one.answered)));
        }
        for id in self.gone.clone() {
            let lost = async |client: &Client| match client.subject(&id).await {
                Err(error) if error.reason == "SUBJECT_UNKNOWN" => Ok(true),
                other => other.map(|_| false),
            };
            assert!(self.surely("who went", lost).await?, "who went is back");
        }
        Some(())
    }
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

/// What all clients know, held against lists, counts and searches of the server.
async fn hold_against(url: &str, clerks: &[Clerk]) {
    let client = Client::connect(url).await.unwrap();
    let enrolled: BTreeMap<&SubjectId, &Enrolled> = clerks.iter().flat_map(|clerk| &clerk.enrolled).collect();
    let templates: usize = enrolled.values().map(|of| of.templates).sum();
    let counted = client.count_subjects(SubjectFilter::default()).await.unwrap();
    assert_eq!((counted.subjects, counted.templates), (enrolled.len() as u64, templates as u64));

    let mut listed = BTreeSet::new();
    let mut page = PageRequest { size: 1000, ..PageRequest::default() };
    loop {
        let found = client.decisions(DecisionFilter::default(), page.clone()).await.unwrap();
        for head in found.entries {
            assert!(listed.insert((head.key.transaction, head.key.attempt)), "a decision is listed twice");
        }
        let Some(next) = found.next else { break };
        page.token = next;
    }
    let acknowledged: BTreeSet<_> = clerks
        .iter()
        .flat_map(|clerk| &clerk.decided)
        .map(|one| (one.key.transaction.clone(), one.key.attempt))
        .collect();
    assert_eq!(listed, acknowledged);

    // The index has whom the store has, and finds each by the face.
    for (person, photos) in PEOPLE.iter().enumerate() {
        let request = IdentifyRequest {
            probes: vec![bytes(photos[0])],
            scope: Some(IdentifyScope::Fpir { fpir: 0.001, limit: 1000 }),
            filter: Filter::default(),
        };
        let found = client.identify(request).await.unwrap();
        assert_eq!(found.templates, templates as u64);
        let found: BTreeSet<_> = found.candidates.into_iter().map(|one| one.subject).collect();
        let own = enrolled.iter().filter(|(_, of)| of.person == person).map(|(id, _)| (*id).clone());
        assert_eq!(found, own.collect::<BTreeSet<_>>(), "found by the face");
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
    let clerks: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let clerk = Clerk::new(number, seed, line.clone());
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
    block_on(hold_against(&server.url, &clerks));
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
    block_on(hold_against(&server.url, &clerks));
    assert_eq!(server.terminate(), Some(0));
}

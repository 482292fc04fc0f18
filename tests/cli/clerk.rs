//! Clients who work at a server and remember all that it acknowledged, for the runs that kill the program and the long
//! run: what is acknowledged must be there, once, whatever happens to the server meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use chinhchu::chip::{Personal, Sex};
use chinhchu::gallery::{
    Attributes, DecisionFilter, DecisionKey, EnrolMode, Erasure, Filter, Note, Outcome, RequestId, Requester, Source,
    SubjectId,
};
use chinhchu::service::{Client, ClientError, ClientOptions, RightsCall};
use chinhchu::tools::SplitMix;
use chinhchu::workflow::beneficiary::{
    BeneficiaryRequest, PageRequest, Record, ResolveReferral, Scheme, SubjectFilter,
};
use chinhchu::workflow::{EnrolRequest, IdentifyRequest, IdentifyScope, Photo, VerifyRequest};
use tokio::sync::watch;

/// What a transport says that lost its server, and what a server says that the same request may succeed later.
const IN_DOUBT: [&str; 6] = ["", "SERVER_UNREACHABLE", "DEADLINE_EXCEEDED", "BUSY", "SHUTTING_DOWN", "OUTDATED"];
/// Most candidates that a search returns.
const CANDIDATES_MAX: usize = 1000;
/// Score from which a template is taken for that of the very same photo.
const SAME_PHOTO: f32 = 0.999;

pub fn from_environment(name: &str, otherwise: impl FnOnce() -> u64) -> u64 {
    std::env::var(name).map_or_else(|_| otherwise(), |value| value.parse().expect("a number"))
}

pub fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

fn below(random: &mut SplitMix, bound: usize) -> usize {
    (random.next() % bound as u64) as usize
}

fn chosen<T>(random: &mut SplitMix, of: impl IntoIterator<Item = T>) -> Option<T> {
    let mut all: Vec<T> = of.into_iter().collect();
    (!all.is_empty()).then(|| all.swap_remove(below(random, all.len())))
}

/// At most so many entries, those that follow each other from a random one.
fn some<T: Clone>(random: &mut SplitMix, of: Vec<T>, most: usize) -> Vec<T> {
    if of.len() <= most {
        return of;
    }
    let from = below(random, of.len());
    of.iter().cycle().skip(from).take(most).cloned().collect()
}

/// Somebody with photos to enrol, captures for claims, and, where a card was forged, its files: sound, and altered after
/// it was signed.
pub struct Person {
    pub photos: Vec<Vec<u8>>,
    pub captures: Vec<Vec<u8>>,
    pub number: String,
    pub card: Vec<Vec<u8>>,
    pub altered_card: Vec<Vec<u8>>,
}

/// Where the server is; down while nobody answers. Ended where the clients are to stop.
#[derive(Clone, PartialEq)]
pub enum Line {
    Down,
    Up(String),
    Ended,
}

/// What a client does next.
#[derive(Clone, Copy)]
pub enum Task {
    Enrol,
    /// A claim, and which card is shown with it.
    Decide(Card),
    AskAgain,
    Answer,
    Remove,
    Erase,
    /// Looks for some of what was acknowledged.
    Look,
    Identify,
    Verify,
    /// A photo that is cut in the middle.
    HalfAPhoto,
}

#[derive(Clone, Copy, PartialEq)]
pub enum Card {
    None,
    Sound,
    Altered,
}

/// How clients work.
pub struct Habits {
    /// Tasks with how often each is chosen, relative to the others.
    pub mix: &'static [(Task, u32)],
    /// Nobody is enrolled under a second name, so that sound claims can be approved.
    pub one_record_each: bool,
    /// Most templates of one record; where all have so many, somebody is removed.
    pub templates_max: usize,
    /// How many of the records, decisions and removals are looked for when another server answers.
    pub looked_for_max: usize,
}

/// How clients prove who they are.
#[derive(Clone, Default)]
pub struct Proofs {
    pub desk: ClientOptions,
    /// For answers to referrals.
    pub officer: ClientOptions,
}

/// A record as its client knows it.
#[derive(Clone)]
pub struct Enrolled {
    pub person: usize,
    /// Numbers of the photos that its templates are of.
    pub photos: Vec<usize>,
}

/// A decision that was acknowledged.
#[derive(Clone)]
pub struct Decided {
    pub key: DecisionKey,
    pub subject: SubjectId,
    person: usize,
    frame: usize,
    card: Card,
    pub outcome: Outcome,
    commit: u64,
    /// Whether an officer has answered.
    answered: bool,
}

impl Decided {
    fn waits(&self) -> bool {
        self.outcome == Outcome::Refer && !self.answered
    }
}

/// A call that was answered, without the waits before it was made again.
#[derive(Clone, Copy)]
pub struct Answered {
    pub what: &'static str,
    pub at: Instant,
    pub took: Duration,
}

/// Connections to one server.
struct Connected {
    url: String,
    desk: Client,
    officer: Client,
}

/// Somebody who works at the server, and remembers all that it acknowledged.
pub struct Clerk {
    number: u64,
    random: SplitMix,
    habits: &'static Habits,
    people: Arc<Vec<Person>>,
    /// Whom this client alone enrols.
    own: Vec<usize>,
    proofs: Proofs,
    line: watch::Receiver<Line>,
    connected: Option<Connected>,
    /// Under which address everything acknowledged was looked for last.
    looked_at: String,
    pub done: u64,
    pub enrolled: BTreeMap<SubjectId, Enrolled>,
    pub decided: Vec<Decided>,
    /// Decisions about who was erased since: the log has them still.
    pub forgotten: usize,
    pub gone: BTreeSet<SubjectId>,
    /// How many of them were erased.
    pub erased: usize,
    /// Photos that did not look like the others of their record, and were refused.
    pub disagreed: u64,
    /// Decisions by outcome, also about who was erased since.
    pub outcomes: BTreeMap<&'static str, u64>,
    pub answered: Vec<Answered>,
    /// How often a call was made again, by what it was told.
    pub again: BTreeMap<String, u64>,
}

impl Clerk {
    pub fn new(
        number: u64,
        seed: u64,
        habits: &'static Habits,
        (people, own): (Arc<Vec<Person>>, Vec<usize>),
        proofs: Proofs,
        line: watch::Receiver<Line>,
    ) -> Self {
        Self {
            number,
            random: SplitMix(seed.wrapping_add(number.wrapping_mul(0x9e37_79b9))),
            habits,
            people,
            own,
            proofs,
            line,
            connected: None,
            looked_at: String::new(),
            done: 0,
            enrolled: BTreeMap::new(),
            decided: Vec::new(),
            forgotten: 0,
            gone: BTreeSet::new(),
            erased: 0,
            disagreed: 0,
            outcomes: BTreeMap::new(),
            answered: Vec::new(),
            again: BTreeMap::new(),
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

    /// The clients of the desk and of the officer.
    async fn connect(&mut self, url: &str) -> Result<(Client, Client), ClientError> {
        match &self.connected {
            Some(there) if there.url == url => {}
            _ => {
                let desk = Client::connect_with(url, &self.proofs.desk).await?;
                let officer = Client::connect_with(url, &self.proofs.officer).await?;
                self.connected = Some(Connected { url: url.to_owned(), desk, officer });
            }
        }
        let there = self.connected.as_ref().expect("connected");
        Ok((there.desk.clone(), there.officer.clone()))
    }

    /// Makes a call until it is answered, however often the server dies meanwhile; `None` where the test ends. A call
    /// that is refused for what it says fails the test.
    async fn surely<T>(
        &mut self,
        what: &'static str,
        call: impl AsyncFn(&Client, &Client) -> Result<T, ClientError>,
    ) -> Option<T> {
        loop {
            let url = self.up().await?;
            let connected = self.connect(&url).await;
            let at = Instant::now();
            let answer = match connected {
                Ok((desk, officer)) => call(&desk, &officer).await,
                Err(error) => Err(error),
            };
            match answer {
                Ok(answer) => {
                    self.answered.push(Answered { what, at, took: at.elapsed() });
                    return Some(answer);
                }
                Err(error) if IN_DOUBT.contains(&error.reason.as_str()) => {
                    let reason = if error.reason.is_empty() { "(transport)" } else { &error.reason };
                    *self.again.entry(reason.to_owned()).or_default() += 1;
                    self.connected = None;
                    tokio::time::sleep(error.retry_after.unwrap_or(Duration::from_millis(20))).await;
                }
                Err(error) => panic!("{what} by client {}: {} {}", self.number, error.reason, error.message),
            }
        }
    }

    /// Works until it is told to end.
    pub async fn work(mut self) -> Self {
        while self.step().await.is_some() {
            self.done += 1;
        }
        self
    }

    async fn step(&mut self) -> Option<()> {
        let url = self.up().await?;
        if url != self.looked_at {
            self.look_for(self.habits.looked_for_max).await?;
            self.looked_at = url;
        }
        let of = self.habits.mix.iter().map(|(_, weight)| *weight).sum::<u32>();
        let mut left = below(&mut self.random, of as usize) as u32;
        let (task, _) = self
            .habits
            .mix
            .iter()
            .find(|(_, weight)| {
                let is_here = left < *weight;
                left = left.saturating_sub(*weight);
                is_here
            })
            .expect("one of them");
        match task {
            Task::Enrol => self.enrol().await,
            Task::Decide(card) => self.decide(*card).await,
            Task::AskAgain => self.ask_again().await,
            Task::Answer => self.answer().await,
            Task::Remove => self.remove().await,
            Task::Erase => self.erase().await,
            Task::Look => self.look_for(2).await,
            Task::Identify => self.identify().await,
            Task::Verify => self.verify().await,
            Task::HalfAPhoto => self.half_a_photo().await,
        }
    }

    fn photo(&self, person: usize, number: usize) -> Vec<u8> {
        self.people[person].photos[number].clone()
    }

    /// A photo of somebody whom this client enrols: who it is of, and its number.
    fn any_photo(&mut self) -> (usize, usize) {
        let person = self.own[below(&mut self.random, self.own.len())];
        let photos = self.people[person].photos.len();
        (person, below(&mut self.random, photos))
    }

    /// A new record, or a photo more of one that is there: twice would show.
    async fn enrol(&mut self) -> Option<()> {
        let taken: BTreeSet<usize> = match self.habits.one_record_each {
            true => self.enrolled.values().map(|of| of.person).collect(),
            false => BTreeSet::new(),
        };
        let free: Vec<usize> = self.own.iter().copied().filter(|person| !taken.contains(person)).collect();
        let has_room = |of: &&Enrolled| of.photos.len() < self.habits.templates_max;
        let with_room = self.enrolled.values().filter(has_room).count();
        let is_new = !free.is_empty() && (with_room == 0 || below(&mut self.random, 2) == 0);
        if !is_new && with_room == 0 {
            return self.remove().await;
        }
        let (subject, person) = match is_new {
            true => (SubjectId::new(self.name("record")).unwrap(), chosen(&mut self.random, free)?),
            false => {
                let (enrolled, habits) = (&self.enrolled, self.habits);
                let with_room = enrolled.iter().filter(|(_, of)| of.photos.len() < habits.templates_max);
                let (subject, of) = chosen(&mut self.random, with_room)?;
                (subject.clone(), of.person)
            }
        };
        let number = below(&mut self.random, self.people[person].photos.len());
        let request = EnrolRequest {
            request_id: Some(RequestId::new(self.name("enrol")).unwrap()),
            subject: subject.clone(),
            mode: if is_new { EnrolMode::Create } else { EnrolMode::Add },
            attributes: Attributes { schemes: BTreeSet::from(["social".to_owned()]), ..Attributes::default() },
            photos: vec![Photo { bytes: self.photo(person, number), source: Source::Chip, captured_at: None }],
            by: None,
            accept_poor: true,
            vouch: None,
            legal_basis: None,
        };
        // A photo that does not look like the others of its record is refused; the very one that it has is not.
        let is_there = self.enrolled.get(&subject).is_some_and(|of| of.photos.contains(&number));
        let may_disagree = !is_new && !is_there;
        let enrolled = async |desk: &Client, _: &Client| match desk.enrol(request.clone()).await {
            Err(error) if may_disagree && error.reason == "RECORD_DISAGREES" => Ok(false),
            other => other.map(|_| true),
        };
        match self.surely("enrol", enrolled).await? {
            true => {
                self.enrolled.entry(subject).or_insert(Enrolled { person, photos: Vec::new() }).photos.push(number);
            }
            false => self.disagreed += 1,
        }
        Some(())
    }

    fn claim(
        &self,
        transaction: &str,
        subject: &SubjectId,
        (person, frame): (usize, usize),
        card: Card,
    ) -> BeneficiaryRequest {
        let of = &self.people[person];
        let name = Some(Personal::new("Nguyễn Thử Nghiệm"));
        let (record, chip_files) = match card {
            Card::None => (Record { name, ..Record::default() }, Vec::new()),
            Card::Sound | Card::Altered => {
                let (number, birth) = (Some(Personal::new(&of.number)), Some(Personal::new("1988")));
                let files = if card == Card::Sound { &of.card } else { &of.altered_card };
                (Record { number, name, birth, sex: Some(Sex::Male) }, files.clone())
            }
        };
        BeneficiaryRequest {
            key: DecisionKey::new(RequestId::new(transaction).unwrap(), 1).unwrap(),
            subject: subject.clone(),
            presented_by: Some(SubjectId::new(format!("clerk-{}", self.number)).unwrap()),
            unit: None,
            scheme: Scheme::Social,
            policy: "counter".into(),
            record,
            chip_files,
            active: None,
            frames: vec![of.captures[frame].clone()],
        }
    }

    async fn decide(&mut self, card: Card) -> Option<()> {
        let Some((subject, of)) = chosen(&mut self.random, self.enrolled.clone()) else { return Some(()) };
        let frame = below(&mut self.random, self.people[of.person].captures.len());
        let request = self.claim(&self.name("t"), &subject, (of.person, frame), card);
        let decided = self.surely("decide", async |desk, _| desk.verify_beneficiary(request.clone()).await).await?;
        let (key, outcome, commit) = (decided.key, decided.decided.outcome, decided.commit);
        match card {
            Card::None => assert_ne!(outcome, Outcome::Approve, "nobody is approved without a card"),
            Card::Altered => assert_eq!(outcome, Outcome::Deny, "an altered card is denied"),
            Card::Sound => {}
        }
        let told = match outcome {
            Outcome::Approve => "approve",
            Outcome::Refer => "refer",
            Outcome::Deny => "deny",
        };
        *self.outcomes.entry(told).or_default() += 1;
        let person = of.person;
        self.decided.push(Decided { key, subject, person, frame, card, outcome, commit, answered: false });
        Some(())
    }

    /// The same question has the same answer.
    async fn ask_again(&mut self) -> Option<()> {
        if self.decided.is_empty() {
            return Some(());
        }
        let before = self.decided[below(&mut self.random, self.decided.len())].clone();
        if !self.enrolled.contains_key(&before.subject) {
            return Some(());
        }
        let transaction = before.key.transaction.as_str();
        let request = self.claim(transaction, &before.subject, (before.person, before.frame), before.card);
        let again = self.surely("ask again", async |desk, _| desk.verify_beneficiary(request.clone()).await).await?;
        assert_eq!((again.decided.outcome, again.commit), (before.outcome, before.commit));
        Some(())
    }

    async fn answer(&mut self) -> Option<()> {
        let waiting = (0..self.decided.len()).filter(|at| self.decided[*at].waits());
        let Some(at) = chosen(&mut self.random, waiting) else { return Some(()) };
        let answer = ResolveReferral {
            key: self.decided[at].key.clone(),
            officer: SubjectId::new(format!("officer-{}", self.number)).unwrap(),
            outcome: Outcome::Deny,
            reason: Note::new("giấy tờ không đủ").unwrap(),
        };
        let answered = async |_: &Client, officer: &Client| officer.resolve_referral(answer.clone()).await;
        assert_eq!(self.surely("answer", answered).await?.outcome, Outcome::Deny);
        self.decided[at].answered = true;
        Some(())
    }

    /// Somebody of whom nothing waits.
    fn one_who_may_go(&mut self) -> Option<SubjectId> {
        let waits: BTreeSet<&SubjectId> =
            self.decided.iter().filter(|one| one.waits()).map(|one| &one.subject).collect();
        let may = self.enrolled.keys().filter(|id| !waits.contains(id)).cloned().collect::<Vec<_>>();
        chosen(&mut self.random, may)
    }

    async fn remove(&mut self) -> Option<()> {
        let Some(subject) = self.one_who_may_go() else { return Some(()) };
        let request = RequestId::new(self.name("remove")).unwrap();
        self.surely("remove", async |desk, _| desk.remove(&subject, Some(request.clone())).await).await?;
        self.enrolled.remove(&subject);
        self.gone.insert(subject);
        Some(())
    }

    async fn erase(&mut self) -> Option<()> {
        let Some(subject) = self.one_who_may_go() else { return Some(()) };
        let request_id = RequestId::new(self.name("erase")).unwrap();
        let reason = Note::new("theo yêu cầu").unwrap();
        // A machine that is known by its certificate is the author itself.
        let is_open = self.proofs.desk.certificate.is_none();
        let by = is_open.then(|| SubjectId::new("officer-0").unwrap());
        let erased = async |desk: &Client, _: &Client| {
            let call =
                RightsCall { request_id: Some(&request_id), subject: &subject, by: by.as_ref(), reason: &reason };
            desk.erase(call, Requester::Person, false).await
        };
        assert_eq!(self.surely("erase", erased).await?.erasure, Erasure::Erased);
        self.enrolled.remove(&subject);
        let before = self.decided.len();
        self.decided.retain(|one| one.subject != subject);
        self.forgotten += before - self.decided.len();
        self.erased += 1;
        self.gone.insert(subject);
        Some(())
    }

    /// Whoever is enrolled by this client is found by the photo of the record.
    async fn identify(&mut self) -> Option<()> {
        let Some((subject, of)) = chosen(&mut self.random, self.enrolled.clone()) else { return Some(()) };
        let request = nearest(self.photo(of.person, of.photos[0]));
        let found = self.surely("identify", async |desk, _| desk.identify(request.clone()).await).await?;
        let own = found.candidates.iter().find(|one| one.subject == subject);
        assert!(own.is_some_and(|one| one.score >= SAME_PHOTO), "a record is not found by its own photo");
        Some(())
    }

    async fn verify(&mut self) -> Option<()> {
        let (one, other) = (self.any_photo(), self.any_photo());
        let request = VerifyRequest {
            reference: self.photo(one.0, one.1),
            probes: vec![self.photo(other.0, other.1)],
            fmr: None,
            against: Default::default(),
        };
        let found = self.surely("verify", async |desk, _| desk.verify(request.clone()).await).await?;
        assert!(one != other || found.score >= SAME_PHOTO, "a photo does not match itself");
        Some(())
    }

    async fn half_a_photo(&mut self) -> Option<()> {
        let (person, number) = self.any_photo();
        let mut reference = self.photo(person, number);
        reference.truncate(reference.len() / 2);
        let probes = vec![self.photo(person, number)];
        let request = VerifyRequest { reference, probes, fmr: None, against: Default::default() };
        let refused = async |desk: &Client, _: &Client| match desk.verify(request.clone()).await {
            Err(error) if error.reason == "IMAGE_DAMAGED" => Ok(true),
            other => other.map(|_| false),
        };
        assert!(self.surely("half a photo", refused).await?, "half a photo was accepted");
        Some(())
    }

    /// What was acknowledged is there, once, and who went is gone: at most so many records, decisions and removals.
    pub async fn look_for(&mut self, most: usize) -> Option<()> {
        let enrolled = self.enrolled.iter().map(|(id, of)| (id.clone(), of.photos.len())).collect();
        for (id, templates) in some(&mut self.random, enrolled, most) {
            let found = self.surely("record", async |desk, _| desk.subject(&id).await).await?;
            assert_eq!(found.templates.len(), templates, "templates of a record");
        }
        let decided = (0..self.decided.len()).collect();
        for at in some(&mut self.random, decided, most) {
            let one = self.decided[at].clone();
            let found = self.surely("case", async |desk, _| desk.case(&one.key.transaction, None).await);
            let outcome = found.await?.outcome;
            let found = (outcome.key, outcome.decided.outcome, outcome.commit, outcome.resolutions.len());
            assert_eq!(found, (one.key, one.outcome, one.commit, usize::from(one.answered)));
        }
        let gone = self.gone.iter().cloned().collect();
        for id in some(&mut self.random, gone, most) {
            let lost = async |desk: &Client, _: &Client| match desk.subject(&id).await {
                Err(error) if error.reason == "SUBJECT_UNKNOWN" => Ok(true),
                other => other.map(|_| false),
            };
            assert!(self.surely("who went", lost).await?, "who went is back");
        }
        Some(())
    }
}

fn nearest(probe: Vec<u8>) -> IdentifyRequest {
    let scope = Some(IdentifyScope::Nearest(CANDIDATES_MAX));
    IdentifyRequest { probes: vec![probe], scope, filter: Filter::default() }
}

/// What all clients know, held against lists, counts and searches of the server.
pub async fn hold_against(client: &Client, people: &[Person], clerks: &[Clerk]) {
    let enrolled: BTreeMap<&SubjectId, &Enrolled> = clerks.iter().flat_map(|clerk| &clerk.enrolled).collect();
    let templates: usize = enrolled.values().map(|of| of.photos.len()).sum();
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

    // The index has whom the store has, and finds each by the photo of the record.
    for (number, person) in people.iter().enumerate() {
        let own: BTreeMap<_, _> = enrolled.iter().filter(|(_, of)| of.person == number).collect();
        let Some(photo) = own.values().map(|of| of.photos[0]).next() else { continue };
        let found = client.identify(nearest(person.photos[photo].clone())).await.unwrap();
        assert_eq!(found.templates, templates as u64);
        let scores: BTreeMap<_, _> = found.candidates.iter().map(|one| (&one.subject, one.score)).collect();
        let most = enrolled.len().min(CANDIDATES_MAX);
        assert_eq!(scores.len(), most, "a record is found once, or not");
        if most < CANDIDATES_MAX {
            assert_eq!(scores.keys().collect::<Vec<_>>(), enrolled.keys().collect::<Vec<_>>());
        }
        for (id, _) in own.iter().filter(|(_, of)| of.photos.contains(&photo)) {
            assert!(
                scores.get(**id).is_some_and(|score| *score >= SAME_PHOTO),
                "a record is not found by its own photo"
            );
        }
    }
}

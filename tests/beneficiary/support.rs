//! A counter: a server, cards, people.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use chinhchu::chip::{Anchors, Personal, Sex};
use chinhchu::face::PoolOptions;
use chinhchu::face::fingerprint::FingerprintKey;
use chinhchu::gallery::{self, DecisionKey, EmbeddedOptions, Outcome, RequestId, SubjectId};
use chinhchu::imaging::Limits;
use chinhchu::sealing::{KeyStoreOptions, MasterKey, Secret};
use chinhchu::service::{Client, ServeError, ServeOptions, bind};
use chinhchu::tools::forge::{CardDraft, Flaw, HolderDraft, KeyKind};
use chinhchu::workflow::beneficiary::{BeneficiaryOutcome, BeneficiaryRequest, Policies, Record, Scheme};
use chinhchu::workflow::{CaseRules, Engine, EngineOptions};
use tokio::sync::oneshot;

/// Seed of every card here: one authority.
pub const SEED: &[u8] = b"beneficiary tests";
/// Policies of the tests. Press photos are no live captures, so none asks for
/// liveness or quality but the one that is about them.
pub const POLICIES: &str = r#"
[policies.counter]
without = ["liveness", "quality"]
first_sight = "enrol"
attempts_per_day_max = 20

[policies.careful]
without = ["liveness", "quality"]

[policies.trusting]
without = ["liveness", "quality"]
first_sight = "accept"
on.chip_unanchored = "accept"

[policies.clinic]
without = ["chip", "liveness", "quality"]
attempts_per_day_max = 20

[policies.strict]
without = ["liveness", "quality"]
first_sight = "accept"

[policies.pictures]
without = ["liveness", "quality"]
first_sight = "enrol"
attempts_per_day_max = 20

[policies.any_challenge]
without = ["liveness", "quality"]
first_sight = "accept"
attempts_per_day_max = 20
on.challenge_not_issued = "accept"

[policies.original]
without = ["liveness", "quality"]
first_sight = "accept"
attempts_per_day_max = 20
on.challenge_not_issued = "accept"
on.chip_not_proven = "refer"

[policies.everything]
first_sight = "accept"
"#;

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub fn photo(name: &str) -> Vec<u8> {
    std::fs::read(root().join(".cache/photos").join(name)).expect("checked by `ready`")
}

fn pack() -> PathBuf {
    std::env::var_os("CHINHCHU_PACK").map_or_else(|| root().join("models/default"), PathBuf::from)
}

/// Whether weights, runtime and photos are there; says so where they are not.
pub fn ready(test: &str) -> bool {
    let runtime = std::env::var_os("CHINHCHU_ONNXRUNTIME").is_some() || root().join(".cache/onnxruntime").is_dir();
    let ready = runtime && pack().join("fr_feature.onnx").exists() && root().join(".cache/photos/obama.jpg").exists();
    if !ready {
        eprintln!("SKIPPED: {test}: weights, ONNX Runtime or photos are not there; run scripts/setup");
    }
    ready
}

/// Returns from the test where [`ready`] says no.
#[macro_export]
macro_rules! need_assets {
    () => {
        if !$crate::support::ready(module_path!()) {
            return;
        }
    };
}

/// The policies of a configuration text.
pub fn policies(text: &str) -> Policies {
    #[derive(serde::Deserialize)]
    struct File {
        policies: std::collections::BTreeMap<String, chinhchu::workflow::beneficiary::PolicyFile>,
    }
    Policies::new(&toml::from_str::<File>(text).unwrap().policies).unwrap()
}

/// Certificates of the test authority: of today, and of the years an expired card
/// was made in.
pub fn authorities() -> Vec<Vec<u8>> {
    let csca = |flaw| {
        let draft = CardDraft { key: KeyKind::P256, flaw, ..CardDraft::new(SEED, b"\xff\xd8\xff".to_vec()) };
        draft.forge().expect("a test card").csca
    };
    vec![csca(None), csca(Some(Flaw::Expired))]
}

/// The same as anchors.
pub fn anchors() -> Anchors {
    let mut anchors = Anchors::none();
    for csca in authorities() {
        anchors.add_bytes("csca", &csca).unwrap();
    }
    anchors
}

/// An engine over the gallery in `folder`.
pub fn engine(folder: &Path, anchors: Anchors) -> Engine {
    engine_with(folder, anchors, None)
}

/// The same with another calibration than the pack's.
pub fn engine_with(folder: &Path, anchors: Anchors, calibration: Option<PathBuf>) -> Engine {
    let engine = engine_alone(anchors, calibration);
    let (recipe, dimension) = (engine.recipe(), engine.pack().dimension());
    let gallery = gallery::open(folder, recipe, dimension, EmbeddedOptions::default()).expect("a gallery");
    engine.with_gallery(Arc::new(gallery)).expect("the pack's recipe")
}

/// The same over a gallery that is sealed: its data in `data`, its keys in `keys`, both in `folder`.
pub fn sealed_engine(folder: &Path) -> Engine {
    let engine = engine_alone(anchors(), None);
    let (recipe, dimension) = (engine.recipe(), engine.pack().dimension());
    let master = MasterKey::new(Secret::copied(&[3; 32]));
    let sealing = KeyStoreOptions { path: folder.join("keys"), copy: None, master, previous: None, read_only: false };
    let options = EmbeddedOptions { sealing: Some(sealing), ..EmbeddedOptions::default() };
    let gallery = gallery::open(&folder.join("data"), recipe, dimension, options).expect("a gallery");
    engine.with_gallery(Arc::new(gallery)).expect("the pack's recipe")
}

/// The same without a gallery.
pub fn engine_alone(anchors: Anchors, calibration: Option<PathBuf>) -> Engine {
    let options = EngineOptions {
        pack: pack(),
        calibration,
        second: None,
        curve: Default::default(),
        pool: PoolOptions { workers: 0, queue_max: 64, limits: Limits::default(), onnxruntime: None },
        default_fmr: 1e-5,
        default_fpir: 0.01,
        capture: Default::default(),
    };
    let engine = Engine::open(&options).expect("the default pack");
    engine.with_decision_rules(anchors, policies(POLICIES)).expect("rates the calibration knows")
}

/// A server on a gallery of its own.
pub struct Counter {
    pub client: Client,
    pub engine: Engine,
    url: String,
    stop: Option<oneshot::Sender<()>>,
    done: tokio::task::JoinHandle<Result<(), ServeError>>,
    folder: tempfile::TempDir,
}

impl Counter {
    /// With the test authority's certificate.
    pub async fn open() -> Self {
        Self::open_with(anchors()).await
    }

    pub async fn open_with(anchors: Anchors) -> Self {
        Self::open_by(anchors, CaseRules::default(), None).await
    }

    /// By other rules for what officers do, and with fingerprints of captures where there is a key.
    pub async fn open_by(anchors: Anchors, rules: CaseRules, key: Option<FingerprintKey>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let engine = engine(folder.path(), anchors).with_case_rules(rules);
        let engine = match key {
            Some(key) => engine.with_capture_key(key),
            None => engine,
        };
        let mut options = ServeOptions::default();
        options.listen.set_port(0);
        let bound = bind(engine.clone(), options).await.expect("a free port");
        let url = format!("http://{}", bound.local_addr());
        let (stop, stopped) = oneshot::channel::<()>();
        let done = tokio::spawn(bound.serve(async {
            let _ = stopped.await;
        }));
        let client = Client::connect(&url).await.expect("the server listens");
        Self { client, engine, url, stop: Some(stop), done, folder }
    }

    /// A connection of its own.
    pub async fn channel(&self) -> tonic::transport::Channel {
        tonic::transport::Endpoint::from_shared(self.url.clone()).unwrap().connect().await.unwrap()
    }

    /// Decides, and expects an answer.
    pub async fn decide(&self, request: BeneficiaryRequest) -> BeneficiaryOutcome {
        self.client.verify_beneficiary(request).await.expect("a decision")
    }

    /// The reason a request is refused for.
    pub async fn refused(&self, request: BeneficiaryRequest) -> String {
        self.client.verify_beneficiary(request).await.expect_err("refused").reason
    }

    /// Stops the server, closes the gallery and gives its folder.
    pub async fn close(self) -> tempfile::TempDir {
        let Self { client, engine, stop, done, folder, .. } = self;
        drop((client, stop));
        done.await.unwrap().unwrap();
        drop(engine);
        folder
    }
}

/// A person as card and record know one.
#[derive(Clone)]
pub struct Person {
    pub number: &'static str,
    pub photo: &'static str,
}

pub const FIRST: Person = Person { number: "999088000017", photo: "obama.jpg" };
/// The same face, another card.
pub const SECOND_CARD: Person = Person { number: "999075000023", photo: "obama3.jpg" };
pub const OTHER: Person = Person { number: "999061000031", photo: "biden.jpg" };

impl Person {
    /// The chip's files.
    pub fn card(&self, flaw: Option<Flaw>) -> Vec<Vec<u8>> {
        let holder = HolderDraft { number: self.number.to_owned(), ..HolderDraft::nobody() };
        let draft = CardDraft { key: KeyKind::P256, holder, flaw, ..CardDraft::new(SEED, photo(self.photo)) };
        draft.forge().expect("a test card").files.into_iter().map(|(_, bytes)| bytes).collect()
    }

    /// The benefit record.
    pub fn record(&self) -> Record {
        Record {
            number: Some(Personal::new(self.number)),
            name: Some(Personal::new("Nguyễn Thử Nghiệm")),
            birth: Some(Personal::new("1988")),
            sex: Some(Sex::Male),
        }
    }
}

pub fn id(text: &str) -> SubjectId {
    SubjectId::new(text).unwrap()
}

pub fn key(transaction: &str, attempt: u32) -> DecisionKey {
    DecisionKey::new(RequestId::new(transaction).unwrap(), attempt).unwrap()
}

/// `person` claims `subject` with their own sound card; `captures` are taken.
pub fn claim(transaction: &str, subject: &str, person: &Person, captures: &[&str]) -> BeneficiaryRequest {
    BeneficiaryRequest {
        unit: None,
        presented_by: None,
        key: key(transaction, 1),
        subject: id(subject),
        scheme: Scheme::Social,
        policy: "counter".into(),
        record: person.record(),
        chip_files: person.card(None),
        active: None,
        frames: captures.iter().map(|name| photo(name)).collect(),
    }
}

/// Codes of the reasons that stand in the way.
pub fn against(outcome: &BeneficiaryOutcome) -> Vec<&'static str> {
    use chinhchu::workflow::beneficiary::Consequence::Accept;
    let grounds = outcome.decided.grounds.iter().filter(|one| one.consequence > Accept);
    grounds.map(|one| one.ground.code()).collect()
}

/// Codes of the reasons the policy accepts.
pub fn accepted(outcome: &BeneficiaryOutcome) -> Vec<&'static str> {
    use chinhchu::workflow::beneficiary::Consequence::Accept;
    let grounds = outcome.decided.grounds.iter().filter(|one| one.consequence == Accept);
    grounds.map(|one| one.ground.code()).collect()
}

#[track_caller]
pub fn assert_decided(outcome: &BeneficiaryOutcome, expected: Outcome, reasons: &[&str]) {
    assert_eq!((outcome.decided.outcome, against(outcome)), (expected, reasons.to_vec()), "{:?}", outcome.evidence);
}

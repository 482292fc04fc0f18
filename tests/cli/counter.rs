//! A day at the counter, whose cases the command line reads and answers; and every command given to
//! a folder and to a server.

use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use chinhchu::chip::{Personal, Sex};
use chinhchu::gallery::{DecisionKey, Outcome, RequestId, SubjectId};
use chinhchu::service::Client;
use chinhchu::tools::forge::{CardDraft, Flaw, HolderDraft, KeyKind};
use chinhchu::workflow::beneficiary::{BeneficiaryRequest, Record, Scheme};
use serde_json::Value;

use crate::support::{Ran, Serving, photo, run, text};

/// Seed of the authority of every card here.
const SEED: &[u8] = b"cases on the command line";
/// Marked test cards, and press photos, which are no live captures.
const CONFIG: &str = r#"
[server]
turn_wait_seconds_max = 60
[chip]
csca = "csca"
[danger]
insist = ["TEST_ANCHOR"]
[policies.counter]
without = ["liveness", "quality"]
first_sight = "enrol"
attempts_per_day_max = 20
"#;

/// A card of `number` with this photo.
fn card(number: &str, portrait: &str, flaw: Option<Flaw>) -> (Vec<u8>, Vec<Vec<u8>>) {
    let holder = HolderDraft { number: number.to_owned(), ..HolderDraft::nobody() };
    let picture = std::fs::read(photo(portrait)).unwrap();
    let card = CardDraft { key: KeyKind::P256, holder, flaw, ..CardDraft::new(SEED, picture) }.forge().unwrap();
    (card.csca, card.files.into_iter().map(|(_, bytes)| bytes).collect())
}

/// The first person's card claims a record; presented by `clerk-1`.
fn claim(transaction: &str, attempt: u32, subject: &str, flaw: Option<Flaw>) -> BeneficiaryRequest {
    let number = "999088000017";
    BeneficiaryRequest {
        unit: None,
        key: DecisionKey::new(RequestId::new(transaction).unwrap(), attempt).unwrap(),
        subject: SubjectId::new(subject).unwrap(),
        presented_by: Some(SubjectId::new("clerk-1").unwrap()),
        scheme: Scheme::Social,
        policy: "counter".into(),
        record: Record {
            number: Some(Personal::new(number)),
            name: Some(Personal::new("Nguyễn Thử Nghiệm")),
            birth: Some(Personal::new("1988")),
            sex: Some(Sex::Male),
        },
        chip_files: card(number, "obama.jpg", flaw).1,
        active: None,
        frames: vec![std::fs::read(photo("obama2.jpg")).unwrap()],
    }
}

/// A configuration, and its certificate.
pub fn configure(folder: &Path) -> String {
    std::fs::create_dir_all(folder.join("csca")).unwrap();
    std::fs::write(folder.join("csca/test.cer"), card("999088000017", "obama.jpg", None).0).unwrap();
    let config = folder.join("chinhchu.toml");
    std::fs::write(&config, CONFIG).unwrap();
    text(&config)
}

/// A day at the counter: one claim approved, one referred for its record, one denied twice for its
/// card, one referred for its face. The last record is not enrolled. Every claim brings the same
/// capture.
pub fn day_at_the_counter(data: &Path, config: &str) {
    let server = Serving::start_with(data, &["--config", config]);
    let decide = async |request: BeneficiaryRequest| {
        let client = Client::connect(&server.url).await.unwrap();
        client.verify_beneficiary(request).await.unwrap().decided.outcome
    };
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        assert_eq!(decide(claim("t-1", 1, "record-1", None)).await, Outcome::Approve);
        let mut referred = claim("t-2", 1, "record-1", None);
        referred.record.sex = Some(Sex::Female);
        assert_eq!(decide(referred).await, Outcome::Refer);
        assert_eq!(decide(claim("t-3", 1, "record-1", Some(Flaw::AlteredName))).await, Outcome::Deny);
        assert_eq!(decide(claim("t-3", 2, "record-1", Some(Flaw::AlteredName))).await, Outcome::Deny);
        let mut second = claim("t-4", 1, "record-2", None);
        let number = "999075000023";
        second.record.number = Some(Personal::new(number));
        second.unit = Some("unit-7".into());
        second.chip_files = card(number, "obama3.jpg", None).1;
        assert_eq!(decide(second).await, Outcome::Refer);
    });
    let biden = text(&photo("biden.jpg"));
    let whom = ["enroll", "record-3", &biden, "--source", "chip", "--scheme", "health", "--province", "79"];
    run(whom.iter().chain(&["--unit", "Quận 1", "--clerk", "clerk-2", "--server", &server.url])).ended(0);
    assert_eq!(server.terminate(), Some(0));
}

pub fn copy(from: &Path, to: &Path) {
    // For its owner alone, as the program makes it.
    std::fs::DirBuilder::new().mode(0o700).create(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &to),
            false => drop(std::fs::copy(entry.path(), to).unwrap()),
        }
    }
}

/// One gallery in a folder and a copy of it behind a server: every command is given to both.
pub struct Both {
    pub folder: String,
    pub server: Serving,
}

/// Times of what happens in a test, which are not the same for both.
const TIMES: [&str; 4] = ["answered_at", "resolved_at", "at", "updated_at"];

fn without_times(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                if TIMES.contains(&name.as_str()) {
                    assert!(value.as_str().is_some_and(|at| at.len() == 20 && at.ends_with('Z')), "{name} {value}");
                    *value = Value::Null;
                } else {
                    without_times(value);
                }
            }
        }
        Value::Array(entries) => entries.iter_mut().for_each(without_times),
        _ => {}
    }
}

impl Both {
    pub fn run(&self, args: &[&str]) -> [Ran; 2] {
        // No model pack is there: none is needed.
        let folder = ["--data", &self.folder, "--pack", "/nowhere"];
        [&folder[..], &["--server", &self.server.url]].map(|place| run(args.iter().chain(place)))
    }

    /// The answer in JSON, the same of both.
    #[track_caller]
    pub fn json(&self, args: &[&str], code: i32) -> Value {
        let [here, there] = self.run(&[args, &["--json"]].concat()).map(|ran| {
            let mut answer = ran.ended(code).json();
            without_times(&mut answer);
            answer
        });
        assert_eq!(here, there);
        here
    }

    /// The answer for people, of the folder; the other has as many lines.
    #[track_caller]
    pub fn text(&self, args: &[&str], code: i32) -> String {
        let [here, there] = self.run(args).map(|ran| ran.ended(code).stdout);
        assert_eq!(here.lines().count(), there.lines().count(), "{here}\n{there}");
        here
    }

    #[track_caller]
    pub fn refused(&self, args: &[&str], parts: &[&str]) {
        self.run(args).iter().for_each(|ran| ran.refused(parts));
    }
}

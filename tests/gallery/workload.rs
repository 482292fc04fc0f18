//! A small gallery's work: one write of every kind, each of which may be sent again, and everything that
//! can be seen of what it leaves. With it the tests of power cuts and of failing storage compare what a
//! gallery holds with what it acknowledged.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use chinhchu::gallery::{
    AnswerRequest, ChangeStanding, ClearPair, DecisionFilter, DecisionKey, EmbeddedOptions, EnrolMode, Enrolment,
    Gallery, GalleryError, HoldName, LedgerSetup, NewCapture, NewDecision, Note, Outcome, RequestAnswer, RequestFilter,
    RequestId, RequestKind, Requester, Resolution, ResolveCommand, StandingAction, Timestamp, UnclearPair, leaves,
    verify_ledger,
};
use chinhchu::ledger::entry::Entry;

use crate::ledger::{digest_key, facts, signer};
use crate::support::*;

/// Writes of the work.
pub const STEPS: usize = 28;

/// With what it is done: a log whose every entry is signed at once, and where it is sealed, keys in `dir`.
pub fn options_in(dir: &Path, is_sealed: bool) -> EmbeddedOptions {
    let ledger = LedgerSetup {
        key: digest_key(),
        begin_with: Some(signer(1).verifier().clone()),
        sign_at_once: vec![signer(1), signer(2)],
    };
    let options = if is_sealed { sealed(dir) } else { options() };
    EmbeddedOptions { ledger: Some(ledger), ..options }
}

/// A folder for key files, in memory where that can be: what a power cut leaves is made up here.
pub fn scratch() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap()
}

/// Files by name.
pub type Files = BTreeMap<String, Vec<u8>>;

/// What lies in a folder; a file that goes meanwhile is not there.
pub fn files_in(dir: &Path) -> Files {
    let all = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
    let read = |entry: fs::DirEntry| Some((entry.file_name().into_string().unwrap(), fs::read(entry.path()).ok()?));
    all.filter_map(read).collect()
}

/// A folder with these files, which are their owner's alone.
pub fn folder_of(files: &Files) -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt;
    let dir = scratch();
    for (name, bytes) in files {
        let path = dir.path().join(name);
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    dir
}

fn note(text: &str) -> Note {
    Note::new(text).unwrap()
}

fn decision(transaction: &str, attempt: u32, subject: &str, outcome: Outcome) -> NewDecision {
    let band = [attempt as u8; 8];
    NewDecision {
        key: DecisionKey::new(RequestId::new(transaction).unwrap(), attempt).unwrap(),
        content: [attempt as u8; 32],
        subject: id(subject),
        scheme: "social".to_owned(),
        outcome,
        reasons: vec!["NAME_DIFFERS".to_owned()],
        presented_by: Some(id("clerk")),
        answer: format!("answer {transaction} {attempt}").into_bytes(),
        captures: vec![NewCapture { fingerprint: transaction.as_bytes().to_vec(), bands: vec![band] }],
        captures_lifetime_ms: 1 << 40,
        pictures: None,
        unit: Some("unit".to_owned()),
        province: None,
        enrolment: None,
        basis: None,
        challenge: None,
        facts: facts(),
    }
}

fn answer(transaction: &str, attempt: u32, officer: &str, outcome: Outcome, officers_needed: u32) -> ResolveCommand {
    let resolution = Resolution { officer: id(officer), outcome, reason: note("seen"), resolved_at: Timestamp(0) };
    ResolveCommand { key: decision(transaction, attempt, "s", outcome).key, resolution, officers_needed }
}

fn pair(one: &str, other: &str, officer: &str, officers_needed: u32) -> ClearPair {
    let (first, second, officer) = (id(one), id(other), id(officer));
    ClearPair { first, second, officer, reason: note("twins"), officers_needed, lifetime_ms: None }
}

/// Does one write. Doing it again, under the same request id or transaction, changes nothing.
pub async fn step(gallery: &Gallery, number: usize) -> Result<(), GalleryError> {
    let (by, again) = (by(), Some(retry(format!("r-{number}"), number as u8)));
    let enrol = async |subject: &str, mode, seeds: &[u64]| {
        let new = Enrolment { by: Some(id("clerk")), ..enrolment(subject, mode, seeds) };
        gallery.enrol(&by, new, again.clone()).await.map(drop)
    };
    let decide = async |decision| gallery.decide(&by, decision).await.map(drop);
    let resolve = async |command| gallery.resolve(&by, command).await.map(drop);
    let remove = async |subject: &str| gallery.remove(&by, &id(subject), again.clone()).await.map(drop);
    let stand = async |subject: &str, action| {
        let change = ChangeStanding { subject: id(subject), action, by: id("o-1"), reason: note("as was asked") };
        gallery.change_standing(&by, change, again.clone()).await.map(drop)
    };
    let erase = async |subject: &str| gallery.erase(&by, crate::sealed::erase(subject), again.clone()).await.map(drop);
    let hold = HoldName::new("VKS-12").unwrap();
    match number {
        0 => enrol("a", EnrolMode::Create, &[0, 9]).await,
        1 => enrol("b", EnrolMode::Create, &[1]).await,
        2 => enrol("c", EnrolMode::Create, &[2, 10, 11]).await,
        3 => decide(decision("t-1", 1, "a", Outcome::Deny)).await,
        4 => decide(decision("t-1", 2, "a", Outcome::Refer)).await,
        5 => resolve(answer("t-1", 2, "o-1", Outcome::Approve, 2)).await,
        6 => resolve(answer("t-1", 2, "o-2", Outcome::Approve, 2)).await,
        7 => {
            let enrolment = Some(enrolment("d", EnrolMode::Create, &[3]));
            decide(NewDecision { enrolment, ..decision("t-2", 1, "d", Outcome::Approve) }).await
        }
        8 => gallery.clear_pair(&by, pair("a", "b", "o-1", 2)).await.map(drop),
        9 => gallery.clear_pair(&by, pair("a", "b", "o-2", 2)).await.map(drop),
        10 => gallery.clear_pair(&by, pair("c", "d", "o-1", 1)).await.map(drop),
        11 => {
            let ClearPair { first, second, officer, reason, .. } = pair("c", "d", "o-3", 1);
            gallery.unclear_pair(&by, UnclearPair { first, second, officer, reason }).await.map(drop)
        }
        12 => enrol("a", EnrolMode::Add, &(20..40).collect::<Vec<_>>()).await,
        13 => enrol("b", EnrolMode::Replace, &[4]).await,
        14 => remove("c").await,
        15 => stand("b", StandingAction::Restrict(Requester::Person)).await,
        16 => stand("b", StandingAction::Lift).await,
        17 => {
            let asked = crate::requests::asked("a", RequestKind::Access);
            gallery.open_request(&by, asked, again).await.map(drop)
        }
        18 => {
            let (number, reason) = (1, note("as was found"));
            let answer = AnswerRequest { number, answer: RequestAnswer::Complete, by: id("o-2"), reason };
            gallery.answer_request(&by, answer, again).await.map(drop)
        }
        19 => decide(decision("t-3", 1, "d", Outcome::Refer)).await,
        // It waits for the officer.
        20 => erase("d").await,
        21 => resolve(answer("t-3", 1, "o-1", Outcome::Deny, 1)).await,
        22 => erase("d").await,
        23 => gallery.change_signer(&by, &signer(1), &signer(2)).await.map(drop),
        24 => enrol("e", EnrolMode::Create, &(60..120).collect::<Vec<_>>()).await,
        25 => stand("a", StandingAction::Hold(hold)).await,
        26 => stand("a", StandingAction::Release(hold)).await,
        27 => remove("e").await,
        _ => panic!("there is no such step"),
    }
}

/// Everything that can be seen of a gallery but times, and every entry of its log but those that say that an
/// answer was handed out again.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Seen {
    pub data: Vec<String>,
    pub log: Vec<String>,
}

/// Reads everything; the log must verify.
pub async fn seen(gallery: &Gallery) -> Seen {
    let mut data = Vec::new();
    for of in gallery.list(None, usize::MAX).await.unwrap() {
        let one = gallery.subject(&of).await.unwrap().expect("who is listed is there");
        let schemes: Vec<&String> = one.last_verified.keys().collect();
        let by: Vec<&str> = one.enrolled_by.iter().map(|by| by.as_str()).collect();
        let said: Vec<&str> = one.standing.entries.iter().map(|entry| entry.action.name()).collect();
        data.push(format!("{} verified {schemes:?} by {by:?} standing {said:?}", of.as_str()));
        for stored in &one.templates {
            let new = &stored.content;
            let (vector, quality) = (new.template.vector(), new.quality);
            data.push(format!("{} {} {:?} {:?} {quality:?}", of.as_str(), stored.id, vector, new.captured_at));
        }
        let cleared = gallery.cleared_with(&of).await.unwrap();
        data.extend(cleared.iter().map(|other| format!("{} cleared with {}", of.as_str(), other.as_str())));
    }
    for waiting in [false, true] {
        let filter = DecisionFilter { waiting, ..DecisionFilter::default() };
        for head in gallery.decisions_after(&filter, 0, 999).await.unwrap().decisions {
            let one = gallery.decision(&head.key).await.unwrap().expect("a decision that is listed is there");
            let said: Vec<_> = one.resolutions.iter().map(|said| (said.officer.as_str(), said.outcome)).collect();
            let (key, answer) = (format!("{:?}", one.key), String::from_utf8_lossy(&one.answer).into_owned());
            data.push(format!("waiting {waiting} {} {key} {:?} {answer} {said:?}", one.number, one.outcome));
        }
    }
    for pair in gallery.cleared_pairs(None, 999).await.unwrap() {
        let said: Vec<_> = pair.entries.iter().map(|entry| (entry.kind, entry.officer.as_str())).collect();
        data.push(format!("{} {} {:?} {said:?}", pair.first.as_str(), pair.second.as_str(), pair.round_from));
    }
    let captures = gallery.captures_sharing(&[[1; 8], [2; 8]]).await.unwrap();
    data.extend(captures.captures.iter().map(|one| format!("capture {} {:?}", one.number, one.key)));
    for one in gallery.requests_after(&RequestFilter::default(), 0, 999).await.unwrap().requests {
        let about = one.subject.as_ref().map(|of| of.as_str().to_owned());
        data.push(format!("request {} {about:?} {:?}", one.number, one.state()));
    }
    for number in 0..STEPS {
        let known = gallery.receipt(&retry(format!("r-{number}"), number as u8)).await.unwrap();
        data.extend(known.map(|receipt| format!("receipt {number} of {} templates", receipt.templates)));
    }
    // The index: everybody by face, with the exact scores.
    let found = gallery.within(&template(3), -1.5).await.unwrap();
    data.extend(found.iter().map(|one| format!("found {} {} {}", one.subject.as_str(), one.template_id, one.score)));
    let stats = gallery.stats();
    data.push(format!("{} subjects, {} templates", stats.subjects, stats.templates));

    let trusted = signer(1).verifier().clone();
    let verified = gallery.read_ledger(move |tables| verify_ledger(tables, Some(&trusted), &[])).await.unwrap();
    if let Err(fault) = verified {
        panic!("the log does not verify: {fault}");
    }
    let all = gallery.read_ledger(|tables| leaves(tables, 0).collect::<Result<Vec<_>, _>>()).await.unwrap();
    let entry =
        |leaf: &chinhchu::ledger::verify::Leaf| Entry::decode(&leaf.opening.as_ref().unwrap().contents).unwrap();
    let entries = all.iter().map(entry);
    let is_of_before = |entry: &Entry| entry.outcome.as_ref().is_some_and(|outcome| outcome.as_str() == "again");
    let told = |entry: Entry| {
        let outcome = entry.outcome.as_ref().map(|outcome| outcome.as_str().to_owned());
        format!("{:?} {outcome:?} {:?} {} {:?}", entry.kind, entry.transaction, entry.attempt, entry.subjects)
    };
    Seen { data, log: entries.filter(|entry| !is_of_before(entry)).map(told).collect() }
}

/// What differs, in few words.
pub fn difference(found: &Seen, expected: &Seen) -> String {
    let lines = |of: &Seen| of.data.iter().chain(&of.log).cloned().collect::<Vec<_>>();
    let (found, expected) = (lines(found), lines(expected));
    let more: Vec<_> = found.iter().filter(|line| !expected.contains(line)).take(4).collect();
    let less: Vec<_> = expected.iter().filter(|line| !found.contains(line)).take(4).collect();
    format!("too much: {more:?}; missing: {less:?}")
}

/// How thorough a test is: a number from the environment for the long form, and otherwise the short one.
pub fn thoroughness(variable: &str, short: usize) -> usize {
    std::env::var(variable).map_or(short, |text| text.parse().unwrap_or_else(|_| panic!("{variable} is no number")))
}

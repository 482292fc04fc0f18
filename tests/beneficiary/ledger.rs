//! Decisions of a real server in its transparency log: entered with what they rest on, proven by
//! receipts that outlive a kill, and naming nobody.

use chinhchu::gallery::{Note, Outcome};
use chinhchu::ledger::entry::{DigestOf, Entry, Kind, LedgerKey};
use chinhchu::ledger::key_change::LogKeys;
use chinhchu::ledger::witness::WitnessPolicy;
use chinhchu::service::Client;
use chinhchu::workflow::beneficiary::{PageRequest, ResolveReferral};
use chinhchu::workflow::ledger::{EntryFilter, ProofOf};

use crate::need_assets;
use crate::program::{Server, configure};
use crate::support::*;

fn configured(folder: &std::path::Path) -> Server {
    configure(folder, &format!("{POLICIES}\n[ledger]\norigin = \"ledger.example.vn/counter\"\n"));
    Server::start_configured(folder)
}

async fn keys(client: &Client) -> LogKeys {
    LogKeys::new(client.checkpoint(None).await.unwrap().first_key).unwrap()
}

/// The entry that a receipt proves.
async fn proven(client: &Client, of: ProofOf, keys: &LogKeys) -> (u64, Entry) {
    let proven = client.prove(of).await.unwrap();
    let found = proven.receipt.verify(None, keys, &WitnessPolicy::default()).unwrap();
    (proven.index, Entry::decode(&found.opening.unwrap().contents).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_is_proven_with_what_it_rests_on_and_a_kill_takes_nothing() {
    need_assets!();
    let folder = tempfile::tempdir().unwrap();
    let server = configured(folder.path());
    let client = Client::connect(&server.url).await.unwrap();
    let request = claim("payment-0001", "record-0001", &FIRST, &["obama2.jpg", "obama3.jpg"]);
    let decided = client.verify_beneficiary(request.clone()).await.unwrap();
    assert_decided(&decided, Outcome::Approve, &[]);
    let keys = keys(&client).await;
    // In the call: whoever asks waits until it is signed.
    let of_decision = || ProofOf::Decision(request.key.transaction.clone(), None);
    let (index, entry) = proven(&client, of_decision(), &keys).await;

    let digests = LedgerKey::load(&folder.path().join("ledger-digest.key")).unwrap();
    assert_eq!(entry.kind, Kind::Decision);
    assert_eq!((entry.transaction, entry.attempt), (Some(digests.transaction("payment-0001")), 1));
    assert_eq!(entry.subjects, [digests.subject("record-0001")]);
    assert_eq!(entry.outcome.as_ref().unwrap().as_str(), "APPROVE");
    assert_eq!(entry.method.as_ref().unwrap().as_str(), "VerifyBeneficiary");
    assert_eq!(entry.chip_verdict.as_ref().unwrap().as_str(), decided.evidence.chip.as_ref().unwrap().verdict.code());
    let digest = |of| entry.digests.iter().find(|one| one.of == of).map(|one| one.sha256);
    assert_eq!(digest(DigestOf::Policy).map(hex), Some(decided.policy_digest.clone()));
    assert_eq!(digest(DigestOf::Recipe).map(hex), Some(decided.recipe.clone()));
    assert!(digest(DigestOf::Calibration).is_some());
    let score = entry.scores.iter().find(|score| score.what.as_str() == "chip_face").unwrap();
    let compared = decided.evidence.chip_face.as_ref().unwrap();
    assert_eq!((score.value, score.threshold), (compared.score, Some(compared.threshold.score)));
    let named: Vec<&str> = entry.evidence.iter().map(|code| code.as_str()).collect();
    assert!(named.contains(&"chip") && named.contains(&"chip_face") && named.contains(&"number"), "{named:?}");

    // Sent again, it is read and not decided: the receipt is of the first.
    assert_eq!(client.verify_beneficiary(request.clone()).await.unwrap(), decided);
    assert_eq!(proven(&client, of_decision(), &keys).await.0, index);
    let about = EntryFilter { subject: Some(request.subject.clone()), ..EntryFilter::default() };
    let listed = client.entries(about.clone(), PageRequest::default()).await.unwrap();
    let kinds: Vec<Kind> = listed
        .entries
        .iter()
        .map(|leaf| Entry::decode(&leaf.opening.as_ref().unwrap().contents).unwrap().kind)
        .collect();
    assert_eq!(kinds[..2], [Kind::Decision, Kind::Enrolment], "one commit");
    assert!(kinds[2..].contains(&Kind::RecordRead));

    // Two callers with one face under two numbers, an officer's answer, and a kill without a farewell.
    let other = claim("payment-0002", "record-0002", &SECOND_CARD, &["obama2.jpg", "obama3.jpg"]);
    let referred = client.verify_beneficiary(other.clone()).await.unwrap();
    assert_eq!(referred.decided.outcome, Outcome::Refer);
    let answer = ResolveReferral {
        key: other.key.clone(),
        officer: id("officer-1"),
        outcome: Outcome::Deny,
        reason: Note::new("one person").unwrap(),
    };
    client.resolve_referral(answer).await.unwrap();
    // The first record was told of, as one that has the same face.
    let listed = client.entries(about, PageRequest::default()).await.unwrap().entries;
    let found = listed.iter().map(|leaf| Entry::decode(&leaf.opening.as_ref().unwrap().contents).unwrap());
    let found: Vec<Entry> = found.filter(|entry| entry.kind == Kind::Identify).collect();
    assert!(found.len() == 1 && found[0].transaction == Some(digests.transaction("payment-0002")), "{found:?}");
    let log = server.kill();
    assert!(log.contains("transparency log") && log.contains("first_key="), "{log}");

    let server = Server::start_configured(folder.path());
    let client = Client::connect(&server.url).await.unwrap();
    assert_eq!(proven(&client, of_decision(), &keys).await, (index, entry));
    let (_, second) = proven(&client, ProofOf::Decision(other.key.transaction.clone(), Some(1)), &keys).await;
    assert_eq!(second.reasons[0].as_str(), "DUPLICATE_FACE");
    let of_it = EntryFilter { transaction: Some(other.key.transaction.clone()), ..EntryFilter::default() };
    let listed = client.entries(of_it, PageRequest::default()).await.unwrap().entries;
    let officer = listed.iter().map(|leaf| Entry::decode(&leaf.opening.as_ref().unwrap().contents).unwrap());
    let officer: Vec<Entry> = officer.filter(|entry| entry.kind == Kind::OfficerAnswer).collect();
    assert!(officer.len() == 1 && officer[0].outcome.as_ref().unwrap().as_str() == "DENY");
    let unknown = client.prove(ProofOf::Decision(key("payment-0003", 1).transaction, None)).await.unwrap_err();
    assert_eq!(unknown.reason, "TRANSACTION_UNKNOWN");
    server.kill();
    // Nothing of the person is in the log's contents: they lie in the database with everything else.
    for file in std::fs::read_dir(folder.path().join("people")).unwrap().map(|entry| entry.unwrap().path()) {
        let Ok(bytes) = std::fs::read(&file) else { continue };
        for secret in [FIRST.number, SECOND_CARD.number] {
            assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "{}", file.display());
        }
    }
}

fn hex(bytes: [u8; 32]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_log_nothing_is_proven_and_the_server_says_so() {
    need_assets!();
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let client = Client::connect(&server.url).await.unwrap();
    assert_eq!(client.prove(ProofOf::Entry(0)).await.unwrap_err().reason, "NO_LEDGER");
    assert_eq!(client.checkpoint(None).await.unwrap_err().reason, "NO_LEDGER");
    assert_eq!(client.entries(EntryFilter::default(), PageRequest::default()).await.unwrap_err().reason, "NO_LEDGER");
    assert!(server.kill().contains("no [ledger] in the configuration"));
}

//! The program killed between question and answer, and what it logs.

use std::time::Duration;

use chinhchu::gallery::Outcome;
use chinhchu::service::Client;

use crate::need_assets;
use crate::program::Server;
use crate::support::*;

#[tokio::test(flavor = "multi_thread")]
async fn killed_between_question_and_answer_a_retry_decides_once_and_the_log_names_nobody() {
    need_assets!();
    let folder = tempfile::tempdir().unwrap();
    let request = claim("secret-transaction", "secret-record", &FIRST, &["obama2.jpg", "obama3.jpg"]);
    let mut logs = String::new();
    // Killed at several moments: before, while and after it decides.
    for after_ms in [20, 120, 400] {
        let server = Server::start(folder.path());
        let client = Client::connect(&server.url).await.unwrap();
        let asked = {
            let request = request.clone();
            tokio::spawn(async move { client.verify_beneficiary(request).await })
        };
        tokio::time::sleep(Duration::from_millis(after_ms)).await;
        logs += &server.kill();
        let _ = asked.await;
    }
    let server = Server::start(folder.path());
    let client = Client::connect(&server.url).await.unwrap();
    let decided = client.verify_beneficiary(request.clone()).await.unwrap();
    assert_decided(&decided, Outcome::Approve, &[]);
    assert!(decided.enrolled);
    assert_eq!(decided.commit, 1, "one commit, however often it was asked");
    logs += &server.kill();

    // Acknowledged means durable: a killed server gives the same answer.
    let server = Server::start(folder.path());
    let client = Client::connect(&server.url).await.unwrap();
    assert_eq!(client.verify_beneficiary(request.clone()).await.unwrap(), decided);
    assert_eq!(client.subject(&request.subject).await.unwrap().templates.len(), 1);
    // Refusals are logged too, and name nobody.
    let mut refused = request.clone();
    refused.policy = "secret-policy".into();
    refused.key = key("secret-other", 1);
    client.verify_beneficiary(refused).await.unwrap_err();
    let mut other = request;
    other.frames.truncate(1);
    client.verify_beneficiary(other).await.unwrap_err();
    logs += &server.kill();
    assert!(logs.contains("VerifyBeneficiary") && logs.contains("decided"), "{logs}");
    // Ids of traces, spans and the gallery are random digits, four of which may be a year.
    let words = logs.split(|c: char| !c.is_alphanumeric() && c != '-');
    let random = |word: &&str| word.len() >= 16 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let logs: Vec<&str> = words.filter(|word| !random(word)).collect();
    let logs = logs.join(" ");
    for secret in ["secret", FIRST.number, "Nguy", "NGUY", "Nghi", "1988"] {
        assert!(!logs.contains(secret), "{secret} is in the log: {logs}");
    }
    // Nor is any of it in the data folder.
    let stored = std::fs::read_dir(folder.path().join("people")).unwrap();
    for file in stored.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()) {
        let bytes = std::fs::read(&file).unwrap();
        for secret in [FIRST.number, "NGUYỄN", "Nguyễn", "NGUYEN", "1988-02"] {
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "{secret} is stored in {}", file.display());
        }
    }
}

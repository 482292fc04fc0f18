//! The program killed between question and answer, and what it logs.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use chinhchu::gallery::Outcome;
use chinhchu::service::Client;

use crate::need_assets;
use crate::support::*;

/// `chinhchu serve` with policies and the test authority; killed when dropped.
struct Server {
    child: Child,
    url: String,
    log: Option<std::thread::JoinHandle<String>>,
}

impl Server {
    fn start(folder: &Path) -> Self {
        let config = folder.join("chinhchu.toml");
        std::fs::write(&config, format!("[chip]\ncsca = \"csca\"\n{POLICIES}")).unwrap();
        let csca = folder.join("csca");
        std::fs::create_dir_all(&csca).unwrap();
        std::fs::write(csca.join("test.cer"), &authorities()[0]).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_chinhchu"))
            .args(["serve", "--listen", "127.0.0.1:0", "--log", "chinhchu=trace", "--create", "--data"])
            .arg(folder.join("people"))
            .arg("--config")
            .arg(&config)
            .current_dir(root())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut log = BufReader::new(child.stderr.take().expect("a pipe"));
        let mut seen = String::new();
        let url = loop {
            let mut line = String::new();
            assert_ne!(log.read_line(&mut line).unwrap(), 0, "the server did not start: {seen}");
            seen += &line;
            if let Some((_, address)) = line.split_once("listening on ") {
                break format!("http://{}", address.trim());
            }
        };
        let log = std::thread::spawn(move || {
            let _ = log.read_to_string(&mut seen);
            seen
        });
        Self { child, url, log: Some(log) }
    }

    /// SIGKILL; gives the log.
    fn kill(mut self) -> String {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.log.take().unwrap().join().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

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

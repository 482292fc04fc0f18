//! The server as a process of its own: memory that stays flat, an end on SIGTERM.
//! `scripts/soak` watches the memory for hours.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use chinhchu::gallery::{Attributes, EnrolMode, Filter, RequestId, Source, SubjectId};
use chinhchu::service::pb::beneficiary_client::BeneficiaryClient;
use chinhchu::service::{Client, pb};
use chinhchu::workflow::{EnrolRequest, IdentifyRequest, Photo, VerifyRequest};

use crate::assets::{engine, photo};
use crate::fake::verify_request;

/// `chinhchu serve` on a free port; killed where a test fails.
struct Server {
    child: Child,
    url: String,
    /// Reads on, so that the server never blocks on a full pipe.
    log: Option<std::thread::JoinHandle<String>>,
}

impl Server {
    fn start(data: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_chinhchu"))
            .args(["serve", "--listen", "127.0.0.1:0", "--create", "--data"])
            .arg(data)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
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
            if let Some(at) = line.find("127.0.0.1:") {
                let address: String =
                    line[at..].chars().take_while(|c| c.is_ascii_digit() || matches!(c, '.' | ':')).collect();
                break format!("http://{address}");
            }
        };
        let log = std::thread::spawn(move || {
            log.read_to_string(&mut seen).expect("text");
            seen
        });
        Self { child, url, log: Some(log) }
    }

    fn resident_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("/proc");
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("VmRSS");
        line.split_whitespace().nth(1).expect("a figure").parse().expect("a number")
    }

    /// SIGTERM; the exit code and the log.
    #[allow(unsafe_code, reason = "the standard library sends no signal but a kill")]
    fn terminate(mut self) -> (Option<i32>, String) {
        let pid = i32::try_from(self.child.id()).expect("a pid");
        // SAFETY: a plain system call; `pid` is a child not yet waited for, so it names
        // no other process.
        assert_eq!(unsafe { libc::kill(pid, libc::SIGTERM) }, 0);
        let code = self.child.wait().expect("a child").code();
        let log = self.log.take().expect("once").join().expect("no panic");
        (code, log)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_keeps_its_memory_names_nobody_and_ends_on_sigterm() {
    let (Some(face), Some(other)) = (photo("obama.jpg"), photo("biden.jpg")) else { return };
    if engine(1, 1).is_none() || !cfg!(target_os = "linux") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("people"));
    let client = Client::connect(&server.url).await.unwrap();

    let mut after_warm_up = 0;
    for round in 0..20usize {
        let request = EnrolRequest {
            by: None,
            request_id: Some(RequestId::new(format!("secret-request-{round}")).unwrap()),
            subject: SubjectId::new(format!("secret-subject-{}", round % 3)).unwrap(),
            mode: EnrolMode::Replace,
            attributes: Attributes { province: Some("secret-province".into()), ..Attributes::default() },
            photos: vec![Photo { bytes: face.clone(), source: Source::Live, captured_at: None }],
            accept_poor: true,
            legal_basis: None,
            vouch: None,
        };
        client.enrol(request).await.unwrap();
        let scope = None;
        client
            .identify(IdentifyRequest { probes: vec![other.clone()], scope, filter: Filter::default() })
            .await
            .unwrap();
        for _ in 0..3 {
            let request = VerifyRequest {
                reference: face.clone(),
                probes: vec![other.clone()],
                fmr: None,
                against: Default::default(),
            };
            client.verify(request).await.unwrap();
        }
        // Refused, and work that nobody waits for.
        client.verify(verify_request(b"no picture")).await.unwrap_err();
        let hasty = client.clone().with_deadline(std::time::Duration::from_millis(1));
        let request = VerifyRequest {
            reference: face.clone(),
            probes: vec![face.clone(); 5],
            fmr: None,
            against: Default::default(),
        };
        hasty.verify(request).await.unwrap_err();
        if round == 6 {
            after_warm_up = server.resident_kib();
        }
    }
    // 80 requests with photos of about 300 KB: one kept of each would be 24 MB.
    let grown = server.resident_kib().saturating_sub(after_warm_up);
    assert!(grown < 16 << 10, "resident memory grew by {grown} KiB over 80 requests");

    // The log names a decision's transaction to those who hold the folder's key, and no
    // one else. (No photo: it is refused, which is all that this needs.)
    let transaction = "secret-transaction";
    let mut raw = BeneficiaryClient::connect(server.url.clone()).await.unwrap();
    let decision = pb::VerifyBeneficiaryRequest {
        transaction_id: transaction.into(),
        subject_id: "secret-subject-0".into(),
        scheme: 1,
        ..Default::default()
    };
    let mut request = tonic::Request::new(decision);
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    request.metadata_mut().insert("traceparent", format!("00-{trace}-00f067aa0ba902b7-01").parse().unwrap());
    raw.verify_beneficiary(request).await.unwrap_err();
    let digest = Command::new(env!("CARGO_BIN_EXE_chinhchu"))
        .args(["digest", transaction, "--data"])
        .arg(folder.path().join("people"))
        .output()
        .unwrap();
    let digest = String::from_utf8(digest.stdout).unwrap();
    assert_eq!(digest.trim().len(), 16, "{digest}");

    drop((client, raw));
    let (code, log) = server.terminate();
    assert_eq!(code, Some(0), "{log}");
    let line = log.lines().find(|line| line.contains(digest.trim())).expect("the transaction is in the log");
    assert!(line.contains(trace) && line.contains("PHOTO_COUNT"), "{line}");
    assert!(log.contains("Verify") && log.contains("draining"), "{log}");
    assert!(!log.contains("secret"), "the log names a person: {log}");
}

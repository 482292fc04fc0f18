//! A real OpenID provider on loopback: oidc-provider, which scripts/setup fetches.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

/// A provider that runs until it is dropped.
pub struct Provider {
    child: Child,
    /// Held open: it ends where it cannot say what it wants to.
    _said: BufReader<ChildStdout>,
    /// `http://127.0.0.1:PORT`
    pub address: String,
}

/// Its clients: a clerk with everything, and one without unit, province and role.
fn clients() -> Value {
    json!({
        "clerk-1": {"roles": ["officer", "offline_access"], "unit": "BHXH-Q1", "province": "79"},
        "clerk-2": {},
    })
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Where it was put, if it was and there is a program that runs it.
fn folder() -> Option<PathBuf> {
    let folder = root().join(".cache/oidc-provider");
    let has_node = Command::new("node").arg("--version").output().is_ok_and(|output| output.status.success());
    (has_node && folder.join("node_modules/oidc-provider").is_dir()).then_some(folder)
}

impl Provider {
    /// Starts one on a free port; says that the test is skipped where it is not there.
    pub fn start() -> Option<Self> {
        Self::start_with(json!({}))
    }

    /// The same with options of provider.mjs: `port`, `issuer`, `kids`.
    pub fn start_with(options: Value) -> Option<Self> {
        let Some(folder) = folder() else {
            println!("SKIPPED: no OpenID provider: scripts/setup fetches it where node and npm are");
            return None;
        };
        let mut child = Command::new("node")
            .arg(root().join("tests/access/provider.mjs"))
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("node starts");
        let mut wanted = json!({ "clients": clients() });
        wanted.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
        writeln!(child.stdin.as_mut().unwrap(), "{wanted}").expect("it reads its options");
        let mut line = String::new();
        let mut told = BufReader::new(child.stdout.take().unwrap());
        told.read_line(&mut line).expect("it says where it is");
        let said: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("the provider said {line:?}"));
        Some(Self { child, _said: told, address: said["issuer"].as_str().unwrap().to_owned() })
    }

    pub fn port(&self) -> u16 {
        self.address.rsplit(':').next().unwrap().parse().unwrap()
    }

    /// A token for this audience, signed by this algorithm, that the provider issues to clerk-1.
    pub fn token(&self, audience: &str, algorithm: &str) -> String {
        self.token_of("clerk-1", audience, algorithm)
    }

    pub fn token_of(&self, client: &str, audience: &str, algorithm: &str) -> String {
        let form = format!(
            "grant_type=client_credentials&client_id={client}&client_secret=test&resource=urn:{audience}:{algorithm}"
        );
        let answer = self.ask("POST", "/token", "application/x-www-form-urlencoded", &form);
        let answer: Value = serde_json::from_str(&answer).expect(&answer);
        answer["access_token"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
    }

    /// A token of this header and these claims, signed by the provider's key for `alg`.
    pub fn sign(&self, header: Value, claims: Value) -> String {
        self.post("/test/sign", &json!({"header": header, "claims": claims}))
    }

    /// Other keys from here on.
    pub fn rotate(&self) {
        self.post("/test/rotate", &json!({}));
    }

    /// Has these addresses answer so, in place of the provider.
    pub fn answer(&self, answers: &Value) {
        self.post("/test/answers", answers);
    }

    /// How often this address was asked.
    pub fn asked(&self, path: &str) -> u64 {
        let asked: Value = serde_json::from_str(&self.post("/test/asked", &json!({}))).unwrap();
        asked[path].as_u64().unwrap_or(0)
    }

    /// Its public keys.
    pub fn keys(&self) -> String {
        self.ask("GET", "/jwks", "application/json", "")
    }

    fn post(&self, path: &str, body: &Value) -> String {
        self.ask("POST", path, "application/json", &body.to_string())
    }

    /// One request by HTTP/1.0: the answer ends with the connection.
    fn ask(&self, method: &str, path: &str, kind: &str, body: &str) -> String {
        let host = self.address.trim_start_matches("http://");
        let mut stream = TcpStream::connect(host).expect("the provider listens");
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let length = body.len();
        let head = format!("{method} {path} HTTP/1.0\r\nhost: {host}\r\ncontent-type: {kind}\r\n");
        write!(stream, "{head}content-length: {length}\r\n\r\n{body}").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").expect("an HTTP answer");
        assert!(head.starts_with("HTTP/1.1 200"), "{method} {path}: {answer}");
        body.to_owned()
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        // Best effort: it also ends when its standard input does.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

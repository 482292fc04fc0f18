//! The pages: signing in as a test person and at a real provider, what a session may do and what it may not, and records
//! that a benefit system hands over.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::need_assets;
use crate::provider::Provider;
use crate::support::{self, run, text};

/// A server in plain text on loopback, and the folder of its configuration.
struct Server {
    child: Child,
    /// Removed at the end.
    _folder: tempfile::TempDir,
    /// `127.0.0.1:PORT`
    address: String,
}

/// An answer over HTTP.
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("{} {}", self.status, self.body))
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers(name).next()
    }

    fn headers<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> + use<'a> {
        let name = name.to_owned();
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(move |(key, _)| key.eq_ignore_ascii_case(&name)).map(|(_, value)| value)
    }

    /// `NAME=VALUE` of the cookie that it sets.
    fn cookie(&self, name: &str) -> String {
        let set =
            self.headers("set-cookie").find(|set| set.starts_with(&format!("{name}=")) && !set.contains("Max-Age=0"));
        set.unwrap_or_else(|| panic!("no cookie {name}: {}", self.head)).split(';').next().unwrap().to_owned()
    }
}

/// One request over HTTP/1.1.
fn ask(address: &str, verb: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut head = format!("{verb} {path} HTTP/1.1\r\nconnection: close\r\ncontent-length: {}\r\n", body.len());
    if !headers.iter().any(|(name, _)| *name == "host") {
        head += &format!("host: {address}\r\n");
    }
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    write!(stream, "{head}\r\n{body}").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{verb} {path}: {answer}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    // Pieces of a provider's answers are put together.
    let is_chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    let body = if is_chunked { unchunked(body) } else { body.to_owned() };
    Answer { status, head: head.to_owned(), body }
}

fn unchunked(mut rest: &str) -> String {
    let mut whole = String::new();
    while let Some((size, after)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        whole += &after[..size];
        rest = after[size..].trim_start_matches("\r\n");
    }
    whole
}

impl Server {
    /// With this configuration, and files beside it.
    fn start(configuration: &str, files: &[(&str, &str)]) -> Self {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in files {
            let path = folder.path().join(name);
            std::fs::write(&path, content).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        }
        let config = folder.path().join("chinhchu.toml");
        std::fs::write(&config, configuration).unwrap();
        let mut child = support::chinhchu()
            .args(["serve", "--create", "--config", &text(&config), "--data", &text(&folder.path().join("people"))])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = support::read_lines(child.stderr.take().unwrap());
        let mut before = Vec::new();
        let address = loop {
            let Ok(line) = log.recv_timeout(support::PATIENCE) else { panic!("it never listened: {before:#?}") };
            if let Some((_, address)) = line.split_once("listening on ") {
                break address.to_owned();
            }
            before.push(line);
        };
        // What it says from here on is read, so that it never waits for a reader; of a test that fails, it is told.
        std::thread::spawn(move || log.into_iter().for_each(|line| println!("{line}")));
        Self { child, _folder: folder, address }
    }

    fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        ask(&self.address, "GET", path, headers, "")
    }

    fn post(&self, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        ask(&self.address, "POST", path, headers, body)
    }

    /// A call of the contract by a page.
    fn call(&self, method: &str, cookie: &str, csrf: &str, message: &Value) -> Answer {
        let headers = [("cookie", cookie), ("x-csrf-token", csrf), ("content-type", "application/json")];
        self.post(&format!("/chinhchu.v1.{method}"), &headers, &message.to_string())
    }

    /// Signs in as a test person: cookie and token against forged requests.
    fn sign_in(&self, person: &str) -> (String, String) {
        let form = [("content-type", "application/x-www-form-urlencoded")];
        let signed_in = self.post("/desk/test-login", &form, &format!("person={person}&next=/desk/"));
        assert_eq!(signed_in.status, 303, "{}", signed_in.body);
        let cookie = signed_in.cookie("chinhchu-desk");
        let me = self.get("/desk/me", &[("cookie", &cookie)]).json();
        (cookie, me["csrfToken"].as_str().unwrap().to_owned())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const TEST_PEOPLE: &str = "\
[server]
listen = \"127.0.0.1:0\"
[access]
[desk.test_people.test-clerk]
roles = [\"counter\"]
unit = \"Q1\"
province = \"79\"
[desk.test_people.test-officer]
roles = [\"officer\"]
unit = \"Q1\"
province = \"79\"
";

fn has_reason(answer: &Answer, reason: &str) -> bool {
    answer.body.contains(&format!("\"reason\":\"{reason}\""))
}

#[test]
fn a_session_does_what_its_person_may_and_only_for_pages_of_this_server() {
    need_assets!();
    let server = Server::start(TEST_PEOPLE, &[]);
    let nobody = server.get("/desk/me", &[]);
    assert_eq!((nobody.status, &nobody.json()["signIn"]), (401, &json!("test")));
    let form = server.get("/desk/login?next=/desk/officer", &[]);
    assert!(form.status == 200 && form.body.contains("test-clerk") && form.body.contains("/desk/officer"));
    let (clerk, csrf) = server.sign_in("test-clerk");
    let me = server.get("/desk/me", &[("cookie", &clerk)]).json();
    assert_eq!(me["person"], "test-clerk");
    assert_eq!((&me["pages"], &me["unit"], &me["test"]), (&json!(["desk"]), &json!("Q1"), &json!(true)));
    // A decision that is not there: the call was made, by somebody who may ask.
    let asked = json!({"transactionId": "T-1"});
    let answer = server.call("Cases/GetDecision", &clerk, &csrf, &asked);
    assert_eq!(answer.status, 404, "{}", answer.body);
    // Without the token, with another session's, twice: a page of another site knows none.
    let (officer, of_officer) = server.sign_in("test-officer");
    for wrong in ["", "0".repeat(64).as_str(), &of_officer] {
        let answer = server.call("Cases/GetDecision", &clerk, wrong, &asked);
        assert_eq!(answer.status, 403, "{}", answer.body);
    }
    // What is an officer's is not a clerk's.
    let answer = server.call("Cases/ListReferrals", &clerk, &csrf, &json!({}));
    assert!(answer.status == 403 && has_reason(&answer, "ROLE_NOT_ALLOWED"), "{}", answer.body);
    assert_eq!(server.call("Cases/ListReferrals", &officer, &of_officer, &json!({})).status, 200);
    assert_eq!(server.get("/desk/officer", &[("cookie", &clerk)]).status, 403);
    // Whoever is not signed in gets the empty page, which asks them to.
    assert_eq!(server.get("/desk/officer", &[]).status, 200);
    assert_eq!(server.get("/desk/officer", &[("cookie", &officer)]).status, 200);
    // An officer who opens the desk's address comes to their page.
    assert_eq!(server.get("/desk/", &[("cookie", &officer)]).header("location"), Some("/desk/officer"));

    // Signed out: by the page, for good.
    assert_eq!(server.post("/desk/logout", &[("cookie", &clerk)], "").status, 403);
    assert_eq!(server.post("/desk/logout", &[("cookie", &clerk), ("x-csrf-token", &csrf)], "").status, 200);
    let answer = server.call("Cases/GetDecision", &clerk, &csrf, &asked);
    assert!(answer.status == 401 && has_reason(&answer, "UNAUTHENTICATED"), "{}", answer.body);
    assert_eq!(server.get("/desk/me", &[("cookie", &clerk)]).status, 401);
}

#[test]
fn signing_in_gives_an_id_that_nobody_knew_and_ends_the_one_before() {
    need_assets!();
    let server = Server::start(TEST_PEOPLE, &[]);
    // A session that somebody else planted in the browser.
    let planted = format!("chinhchu-desk={}", "a".repeat(64));
    let form = [("content-type", "application/x-www-form-urlencoded"), ("cookie", planted.as_str())];
    let first = server.post("/desk/test-login", &form, "person=test-clerk").cookie("chinhchu-desk");
    assert_ne!(first, planted);
    assert_eq!(server.get("/desk/me", &[("cookie", &planted)]).status, 401);
    let form = [("content-type", "application/x-www-form-urlencoded"), ("cookie", first.as_str())];
    let second = server.post("/desk/test-login", &form, "person=test-clerk").cookie("chinhchu-desk");
    assert_eq!(server.get("/desk/me", &[("cookie", &first)]).status, 401);
    assert_eq!(server.get("/desk/me", &[("cookie", &second)]).status, 200);
    let nobody = server.post("/desk/test-login", &form, "person=test-boss");
    assert!(nobody.status == 400 && nobody.header("set-cookie").is_none());
}

#[test]
fn pages_keep_to_themselves() {
    need_assets!();
    let server = Server::start(TEST_PEOPLE, &[]);
    let (cookie, csrf) = server.sign_in("test-clerk");
    for path in ["/desk/", "/desk/me", "/desk/login", "/desk/nothing", "/desk/officer", "/desk/assets/base.css"] {
        let answer = server.get(path, &[]);
        let policy = answer.header("content-security-policy").unwrap_or_else(|| panic!("{path}: {}", answer.head));
        for rule in ["default-src 'none'", "script-src 'self';", "frame-ancestors 'none'", "require-trusted-types-for"]
        {
            assert!(policy.contains(rule), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(answer.header("x-frame-options"), Some("DENY"));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    }
    // Nothing outside the list of files.
    for path in [
        "/desk/assets/../desk.html",
        "/desk/assets/..%2fdesk.html",
        "/desk/assets/%2e%2e/%2e%2e/Cargo.toml",
        "/desk/assets//etc/passwd",
        "/desk/assets/",
        "/desk/desk.html",
        "/desk/../openapi.json",
    ] {
        assert_eq!(server.get(path, &[]).status, 404, "{path}");
    }
    // What another site loads, embeds or sends.
    let cross = [("sec-fetch-site", "cross-site"), ("cookie", cookie.as_str())];
    assert_eq!(server.get("/desk/me", &cross).status, 403);
    let foreign = [("origin", "https://evil.example"), ("cookie", &cookie), ("x-csrf-token", &csrf)];
    assert_eq!(server.post("/desk/logout", &foreign, "").status, 403);
    let forged = [&foreign[..], &[("content-type", "application/json")]].concat();
    assert_eq!(server.post("/chinhchu.v1.Cases/GetDecision", &forged, "{}").status, 403);
    // A link on another site is followed.
    let followed = [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")];
    assert_eq!(server.get("/desk/login", &followed).status, 200);
    // A foreign name that leads to this machine.
    assert_eq!(server.get("/desk/", &[("host", "evil.example")]).status, 403);
    // A form that never ends, or is too large.
    let form = [("content-type", "application/x-www-form-urlencoded")];
    assert_eq!(server.post("/desk/test-login", &form, &"a".repeat(100_000)).status, 413);
    assert_eq!(ask(&server.address, "DELETE", "/desk/", &[], "").status, 405);
}

#[test]
fn test_people_are_for_this_machine_alone() {
    let made = crate::made::Made::new();
    let check = |text: &str| {
        std::fs::write(made.config(), text).unwrap();
        run(["config", "check", "--config", &made.config()])
    };
    let tls = "[tls]\ncertificate = \"pki/server.pem\"\nkey = \"pki/server.key\"\n";
    let public = TEST_PEOPLE.replace("127.0.0.1:0", "0.0.0.0:0");
    check(&format!("{public}{tls}")).refused(&["desk.test_people", "127.0.0.1"]);
    check("[desk.test_people.test-a]\nroles = [\"counter\"]\n").refused(&["desk.test_people", "[access]"]);
    check("[desk.policies]\nchild = \"absent\"\n").refused(&["line 2: desk.policies.child", "no policy"]);
    // A case whose policy no desk may name would be refused in front of the citizen; a system that is no machine, always.
    let policies = "[access.roles.clinic]\npolicies = []\n[policies.away]\n[desk.policies]\ncollector = \"away\"\n";
    check(policies).refused(&["line 5: desk.policies.collector", "[access.roles.counter]"]);
    assert_eq!(check(&policies.replace("[]", "[\"away\"]")).code, Some(0));
    check("[access]\n[desk.systems.his]\n").refused(&["line 2: desk.systems.his", "[access.machines]"]);
    check("[desk]\naddress = \"https://d.vn\"\n[desk.sign_in]\nclient_id = \"d\"\n")
        .refused(&["desk.sign_in", "[access.tokens]"]);
}

/// A free port, as far as nobody takes it at once.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A browser at the provider: follows it to its form, signs in, and says where it is sent back to.
fn signed_in_at(provider: &Provider, address: &str, account: &str) -> String {
    let host = provider.address.trim_start_matches("http://").to_owned();
    let mut cookies: Vec<String> = Vec::new();
    let mut next = address.to_owned();
    let mut body = String::new();
    for _ in 0..8 {
        let Some(path) = next
            .strip_prefix(&provider.address)
            .map(str::to_owned)
            .or_else(|| next.starts_with('/').then(|| next.clone()))
        else {
            return next;
        };
        let cookie = cookies.join("; ");
        let headers = [("cookie", cookie.as_str()), ("content-type", "application/x-www-form-urlencoded")];
        let verb = if body.is_empty() { "GET" } else { "POST" };
        let answer = ask(&host, verb, &path, &headers, &body);
        body.clear();
        for set in answer.headers("set-cookie") {
            let pair = set.split(';').next().unwrap().to_owned();
            let name = pair.split('=').next().unwrap().to_owned();
            cookies.retain(|cookie| cookie.split('=').next() != Some(&name));
            cookies.push(pair);
        }
        match answer.header("location") {
            Some(location) => next = location.to_owned(),
            None => {
                assert!(answer.body.contains("<form"), "{} {}", answer.status, answer.body);
                body = format!("account={account}");
                next = path;
            }
        }
    }
    panic!("it never came back from {address}");
}

/// A server whose people sign in at this provider.
fn server_of(provider: &Provider, port: u16) -> Server {
    let configuration = format!(
        "[server]\nlisten = \"127.0.0.1:{port}\"\n[access.tokens]\nissuer = \"{}\"\naudience = \"chinhchu\"\n\
         [desk]\naddress = \"http://127.0.0.1:{port}\"\n\
         [desk.sign_in]\nclient_id = \"desk\"\nclient_secret = \"secret\"\nresource = \"urn:chinhchu:ES256\"\n",
        provider.address
    );
    Server::start(&configuration, &[("secret", "test\n")])
}

fn provider(port: u16, seconds: u32) -> Option<Provider> {
    let redirect = format!("http://127.0.0.1:{port}/desk/callback");
    let people = json!({
        "c-17": {"roles": ["counter"], "unit": "Q1", "province": "79"},
        "nobody": {},
    });
    Provider::start_with(json!({"desk": {"redirect": redirect, "people": people, "seconds": seconds}}))
}

#[test]
fn people_sign_in_at_a_real_provider_and_the_token_never_reaches_the_browser() {
    need_assets!();
    let port = free_port();
    let Some(provider) = provider(port, 3600) else { return };
    let server = server_of(&provider, port);
    let begin = || {
        let begun = server.get("/desk/login?next=/desk/", &[]);
        assert_eq!(begun.status, 303, "{}", begun.body);
        (begun.cookie("chinhchu-sign-in"), begun.header("location").unwrap().to_owned())
    };
    let path_of = |back: &str| back.strip_prefix(&format!("http://{}", server.address)).expect("ours").to_owned();
    let (browser, address) = begin();
    assert!(address.contains("code_challenge_method=S256") && address.contains("response_type=code"), "{address}");
    let back = path_of(&signed_in_at(&provider, &address, "c-17"));
    // The code in another browser, or with another state: whoever planted it signs nobody in.
    let (other, _) = begin();
    assert_eq!(server.get(&back, &[("cookie", &other)]).status, 400);
    assert_eq!(server.get(&back, &[]).status, 400);
    assert_eq!(server.get(&back.replace("state=", "state=0"), &[("cookie", &browser)]).status, 400);
    let signed_in = server.get(&back, &[("cookie", &browser)]);
    assert_eq!((signed_in.status, signed_in.header("location")), (303, Some("/desk/")), "{}", signed_in.body);
    let cookie = signed_in.cookie("chinhchu-desk");
    let me = server.get("/desk/me", &[("cookie", &cookie)]);
    assert_eq!((&me.json()["person"], &me.json()["signIn"]), (&json!("c-17"), &json!("oidc")));
    assert!(!me.body.contains("eyJ") && !signed_in.head.contains("eyJ"), "a token is none of the browser's");
    let csrf = me.json()["csrfToken"].as_str().unwrap().to_owned();
    assert_eq!(server.call("Cases/GetDecision", &cookie, &csrf, &json!({"transactionId": "T"})).status, 404);
    // Once.
    assert_eq!(server.get(&back, &[("cookie", &browser)]).status, 400);
    // Whoever the provider knows and this server gives nothing to do is told so.
    let (browser, address) = begin();
    let back = path_of(&signed_in_at(&provider, &address, "nobody"));
    let refused = server.get(&back, &[("cookie", &browser)]);
    assert!(
        refused.status == 403 && refused.headers("set-cookie").all(|set| set.contains("Max-Age=0")),
        "{}",
        refused.head
    );
    // Signing out says where the provider's own session ends.
    let out = server.post("/desk/logout", &[("cookie", &cookie), ("x-csrf-token", &csrf)], "");
    assert!(out.json()["endSessionUrl"].as_str().is_some_and(|url| url.starts_with(&provider.address)), "{}", out.body);
}

#[test]
fn a_session_outlives_its_first_token_and_ends_when_the_provider_gives_no_next_one() {
    need_assets!();
    let port = free_port();
    // Nearly over from the first moment: every call takes the next one.
    let Some(provider) = provider(port, 10) else { return };
    let server = server_of(&provider, port);
    let begun = server.get("/desk/login", &[]);
    let back = signed_in_at(&provider, begun.header("location").unwrap(), "c-17");
    let path = back.strip_prefix(&format!("http://{}", server.address)).unwrap();
    let signed_in = server.get(path, &[("cookie", &begun.cookie("chinhchu-sign-in"))]);
    let cookie = signed_in.cookie("chinhchu-desk");
    let asked = || provider.asked("/token");
    let before = asked();
    let me = server.get("/desk/me", &[("cookie", &cookie)]);
    assert_eq!(me.status, 200, "{}", me.body);
    assert!(asked() > before, "the next token was fetched");
    let csrf = me.json()["csrfToken"].as_str().unwrap().to_owned();
    let call = || server.call("Cases/GetDecision", &cookie, &csrf, &json!({"transactionId": "T"}));
    assert_eq!(call().status, 404);
    // The account was closed.
    provider.answer(&json!({"/token": {"status": 400, "body": "{\"error\":\"invalid_grant\"}"}}));
    let answer = call();
    assert!(answer.status == 401 && has_reason(&answer, "UNAUTHENTICATED"), "{}", answer.body);
    assert_eq!(server.get("/desk/me", &[("cookie", &cookie)]).status, 401);
}

const KEY: &str = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

#[test]
fn a_benefit_system_hands_a_record_over_and_learns_what_came_of_it() {
    need_assets!();
    let hook = TcpListener::bind("127.0.0.1:0").unwrap();
    let configuration = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\n[desk.systems.open]\nreturn_to = [\"https://his.example/desk/\"]\n\
         webhook = \"http://{}/hook\"\nwebhook_key = \"hook.key\"\n[policies.default]\n",
        hook.local_addr().unwrap()
    );
    let server = Server::start(&configuration, &[("hook.key", KEY)]);
    let json_type = [("content-type", "application/json")];
    let open = |sent: Value| server.post("/desk/sessions", &json_type, &sent.to_string());
    let record = json!({"number": "999088000017", "name": "Nguyễn Thử Nghiệm", "birthDate": "1988", "sex": "SEX_MALE"});
    let sent = json!({
        "subjectId": "record-1", "scheme": "SCHEME_SOCIAL", "record": record, "returnUrl": "https://his.example/desk/back",
    });
    let elsewhere = open(json!({"subjectId": "record-1", "returnUrl": "https://evil.example/"}));
    assert_eq!(elsewhere.status, 400, "{}", elsewhere.body);
    assert_eq!(open(json!({"subjectId": "record-1", "subject": "x"})).status, 400);
    assert_eq!(open(json!({})).status, 400);
    // What no decision could be made of is refused while the system can still mend it.
    for (field, value) in [
        ("subjectId", json!("   ")),
        ("transactionId", json!("giao dịch số 7")),
        ("transactionId", json!("t".repeat(129))),
        ("scheme", json!("FOO")),
        ("scheme", json!("SCHEME_UNSPECIFIED")),
        ("record", json!({"sex": "X"})),
        ("record", json!(["999088000017"])),
        ("returnUrl", json!("https://his.example/desk/back#top")),
    ] {
        let mut wrong = sent.clone();
        wrong[field] = value;
        let refused = open(wrong);
        assert_eq!(refused.status, 400, "{field}: {}", refused.body);
        assert!(!refused.body.contains("999088000017") && !refused.body.contains("giao d"), "{}", refused.body);
    }
    assert_eq!(open(json!(["t-1", "record-1"])).status, 400);
    let opened = open(sent);
    assert_eq!(opened.status, 201, "{}", opened.body);
    let opened = opened.json();
    let id = opened["id"].as_str().unwrap();
    assert_eq!(opened["url"], format!("http://{}/desk/?session={id}", server.address));
    let state = || server.get(&format!("/desk/sessions/{id}"), &[]).json();
    assert_eq!(state()["state"], "waiting");
    // The page takes it.
    let taken = server.get(&format!("/desk/handoff/{id}"), &[]).json();
    assert_eq!((&taken["record"]["birthDate"], &taken["scheme"]), (&json!("1988"), &json!("SCHEME_SOCIAL")));
    assert_eq!(state()["state"], "begun");
    assert_eq!(server.get("/desk/handoff/00", &[]).status, 404);

    // The decision, as the page asks for it.
    let photo = STANDARD.encode(std::fs::read(support::photo("obama.jpg")).unwrap());
    let asked = json!({
        "transactionId": taken["transactionId"], "attempt": 1, "subjectId": "record-1", "scheme": "SCHEME_SOCIAL",
        "record": taken["record"], "frames": [photo],
    });
    let decide =
        |asked: &Value| server.post("/chinhchu.v1.Beneficiary/VerifyBeneficiary", &json_type, &asked.to_string());
    // Under its transaction nothing is decided about anything else, whoever asks: the system could pay on it.
    for (field, other) in [("subjectId", "record-2"), ("scheme", "SCHEME_HEALTH")] {
        let mut elsewhere = asked.clone();
        elsewhere[field] = json!(other);
        let refused = decide(&elsewhere);
        assert!(refused.status == 400 && has_reason(&refused, "TRANSACTION_REUSED"), "{field}: {}", refused.body);
    }
    let decided = decide(&asked);
    assert_eq!(decided.status, 200, "{}", decided.body);
    let done = server.post(&format!("/desk/handoff/{id}/done"), &json_type, "{}");
    assert_eq!(done.json()["returnUrl"], format!("https://his.example/desk/back?session={id}"));
    // Another record's approval is nobody else's, however the transaction is named.
    let other = json!({"subjectId": "record-2", "transactionId": taken["transactionId"]});
    assert_eq!(open(other).status, 409);
    let again = json!({"subjectId": "record-1", "scheme": "SCHEME_HEALTH", "transactionId": taken["transactionId"]});
    assert_eq!(open(again).status, 409, "decided for another scheme");
    let state = state();
    assert_eq!((&state["state"], &state["attempt"]), (&json!("decided"), &json!(1)));
    assert_eq!(state["outcome"], decided.json()["outcome"]);

    // The system is told, in a message that it can check.
    let (mut stream, _) = hook.accept().unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut sent = Vec::new();
    let mut piece = [0; 4096];
    let (head, body) = loop {
        let count = stream.read(&mut piece).unwrap();
        sent.extend_from_slice(&piece[..count]);
        let text = String::from_utf8(sent.clone()).unwrap();
        if let Some((head, body)) = text.split_once("\r\n\r\n")
            && body.ends_with('}')
        {
            break (head.to_owned(), body.to_owned());
        }
        assert!(count > 0, "{text}");
    };
    stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
    let header = |name: &str| {
        let mut lines = head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).unwrap().1.to_owned()
    };
    let mut mac = Hmac::<Sha256>::new_from_slice(&STANDARD.decode(KEY).unwrap()).unwrap();
    mac.update(format!("{}.{}.{body}", header("webhook-id"), header("webhook-timestamp")).as_bytes());
    assert_eq!(header("webhook-signature"), format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())));
    let told: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((&told["session"], &told["outcome"]), (&json!(id), &state["outcome"]));
    assert!(!body.contains("Nguyễn") && !body.contains("999088000017"));
    // What it said of the person is forgotten.
    let taken = server.get(&format!("/desk/handoff/{id}"), &[]).json();
    assert_eq!(taken["record"]["name"], "");
}

//! What the task does by itself, at a pace that tests can wait for.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::access::token::TokensSection;

use crate::access::token::signer::{Signer, key_set};

const QUICK: Pace =
    Pace { unknown_key: Duration::from_millis(5), retry: Duration::from_millis(5), file: Duration::from_millis(5) };

fn section(issuer: &str) -> TokensSection {
    TokensSection { issuer: Some(issuer.to_owned()), audience: Some("chinhchu".to_owned()), ..Default::default() }
}

async fn started(section: &TokensSection) -> TokenKeys {
    let opened = OpenedTokens::open(section.check().unwrap()).unwrap();
    TokenKeys::start_at(QUICK, opened, None).await
}

fn token(signer: &Signer, kid: &str, issuer: &str) -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    signer.token(kid, &json!({"iss": issuer, "aud": "chinhchu", "sub": "clerk", "iat": now, "exp": now + 600}))
}

/// Waits until something is so; for so long that only what never happens fails.
async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..6000 {
        if is_so() {
            return;
        }
        sleep(Duration::from_millis(5)).await;
    }
    panic!("never: {what}");
}

#[tokio::test]
async fn a_file_that_changes_is_read_without_being_told() {
    const ISSUER: &str = "https://login.example.vn";
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jwks.json");
    let write = |path: &Path, signer: &Signer, kid: &str| fs::write(path, key_set(&[signer.jwk(kid)])).unwrap();
    let (one, other) = (Signer::ed25519([1; 32]), Signer::ed25519([2; 32]));
    write(&path, &one, "one");
    let keys = started(&TokensSection { keys: Some(path.clone()), ..section(ISSUER) }).await;
    let (of_one, of_other) = (token(&one, "one", ISSUER), token(&other, "other", ISSUER));
    assert!(keys.verify_now(&of_one).is_ok());
    // As editors and programs replace a file: a new one is renamed onto it.
    let beside = folder.path().join("new");
    write(&beside, &other, "other");
    fs::rename(&beside, &path).unwrap();
    until("the new key is known", || keys.verify_now(&of_other).is_ok()).await;
    assert_eq!(keys.verify_now(&of_one), Err(TokenError::KeyUnknown));
    fs::write(&path, "{").unwrap();
    until("the damage is told", || keys.status().failure.is_some()).await;
    assert!(keys.verify_now(&of_other).is_ok());
    write(&path, &one, "one");
    until("the file is good again", || keys.verify_now(&of_one).is_ok()).await;
    assert_eq!(keys.status().failure, None);
}

#[tokio::test]
async fn an_issuer_that_was_away_at_the_start_is_asked_until_it_answers() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let issuer = format!("http://{}", listener.local_addr().unwrap());
    let signer = Signer::ed25519([3; 32]);
    let asked = Arc::new(AtomicUsize::new(0));
    let (document, set) = (
        json!({"issuer": issuer, "jwks_uri": format!("{issuer}/jwks")}).to_string(),
        String::from_utf8(key_set(&[signer.jwk("k")])).unwrap(),
    );
    let count = Arc::clone(&asked);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 4096];
            let length = stream.read(&mut request).await.unwrap();
            // Broken three times, then well.
            let status = if count.fetch_add(1, Ordering::Relaxed) < 3 { "503 Away" } else { "200 OK" };
            let body = if request[..length].starts_with(b"GET /jwks ") { &set } else { &document };
            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    let keys = started(&section(&issuer)).await;
    let token = token(&signer, "k", &issuer);
    assert_eq!(keys.verify(&token).await, Err(TokenError::KeysMissing));
    assert!(keys.status().failure.is_some_and(|why| why.contains("503")));
    until("it is asked again", || keys.verify_now(&token).is_ok()).await;
    assert_eq!(keys.status().failure, None);
    let so_far = asked.load(Ordering::Relaxed);
    for _ in 0..20 {
        assert!(keys.verify(&token).await.is_ok());
    }
    assert_eq!(asked.load(Ordering::Relaxed), so_far, "one that answers is left in peace");
}

//! The issuer's keys: fetched, kept, changed and withdrawn, with the issuer there or away.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use chinhchu::access::token::{TokenError, TokensSection};
use chinhchu::service::token_keys::{KeysError, OpenedTokens, TokenKeys};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::{ServerConfig, crypto};

use crate::provider::Provider;
use crate::signer::{Signer, key_set};
use crate::tokens::section;

const DISCOVERY: &str = "/.well-known/openid-configuration";

fn opened(section: &TokensSection) -> OpenedTokens {
    OpenedTokens::open(section.check().expect("good settings")).expect("good files")
}

async fn started(section: &TokensSection, folder: Option<&Path>) -> TokenKeys {
    TokenKeys::start(opened(section), folder.map(Path::to_owned)).await
}

/// Why the keys of this section cannot be opened.
fn refused(section: &TokensSection) -> String {
    match OpenedTokens::open(section.check().expect("good settings")) {
        Err(error @ KeysError::File { .. }) => error.to_string(),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("opened"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_come_from_the_issuer_and_one_it_withdrew_is_refused_after_the_next_reading() {
    let Some(provider) = Provider::start() else { return };
    let keys = started(&section(&provider.address), None).await;
    assert_eq!((keys.status().keys, keys.status().failure), (3, None));
    let token = provider.token("chinhchu", "ES256");
    assert_eq!(keys.verify(&token).await.expect("accepted").subject, "clerk-1");
    provider.rotate();
    assert!(keys.verify(&token).await.is_ok(), "nobody has asked since");
    keys.refresh().await;
    assert_eq!(keys.verify_now(&token), Err(TokenError::KeyUnknown));
    assert!(keys.verify(&provider.token("chinhchu", "ES256")).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_not_known_asks_the_issuer_once_and_made_up_ones_cannot_hammer_it() {
    let Some(provider) = Provider::start() else { return };
    let keys = Arc::new(started(&section(&provider.address), None).await);
    let before = provider.asked("/jwks");
    provider.rotate();
    let token = provider.token("chinhchu", "RS256");
    // Many at once wait for one and the same answer.
    let checks: Vec<_> = (0..20)
        .map(|_| {
            let (keys, token) = (Arc::clone(&keys), token.clone());
            tokio::spawn(async move { keys.verify(&token).await })
        })
        .collect();
    for check in checks {
        assert!(check.await.unwrap().is_ok(), "a new key is known as soon as a token names it");
    }
    assert_eq!(provider.asked("/jwks"), before + 1);
    let signer = Signer::new("ES256");
    for number in 0..50 {
        let made_up = signer.token(&format!("made-up-{number}"), &json!({}));
        assert_eq!(keys.verify(&made_up).await, Err(TokenError::KeyUnknown));
    }
    assert_eq!(provider.asked("/jwks"), before + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_issuer_is_away_its_last_keys_go_on_until_they_are_too_old() {
    let Some(provider) = Provider::start() else { return };
    let keys = started(&section(&provider.address), None).await;
    let (seen, new) = (provider.token("chinhchu", "ES256"), provider.token_of("clerk-2", "chinhchu", "RS256"));
    assert!(keys.verify(&seen).await.is_ok());
    drop(provider);
    keys.refresh().await;
    let status = keys.status();
    assert!(status.failure.is_some_and(|why| why.contains("cannot connect")) && status.keys == 3);
    assert!(keys.verify(&seen).await.is_ok());
    assert!(keys.verify(&new).await.is_ok(), "also a token that was never seen");
    let too_late = SystemTime::now() + Duration::from_secs(24 * 3600 + 1);
    for token in [&seen, &new] {
        assert_eq!(keys.verifier().verify(token, too_late), Err(TokenError::KeysTooOld));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_starts_while_the_issuer_is_away_uses_the_keys_that_were_kept() {
    let Some(provider) = Provider::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let section = section(&provider.address);
    drop(started(&section, Some(folder.path())).await);
    let kept = folder.path().join("issuer-keys.json");
    assert_eq!(fs::metadata(&kept).unwrap().permissions().mode() & 0o777, 0o600);
    let token = provider.token("chinhchu", "EdDSA");
    let port = provider.port();
    drop(provider);

    let keys = started(&section, Some(folder.path())).await;
    assert!(keys.verify(&token).await.is_ok());
    assert!(keys.status().failure.is_some(), "health says that the issuer is away");
    assert!(keys.status().good_until.is_some_and(|until| until > SystemTime::now()));
    let empty = tempfile::tempdir().unwrap();
    let without = started(&section, Some(empty.path())).await;
    assert_eq!(without.verify(&token).await, Err(TokenError::KeysMissing));

    // It comes back, with other keys.
    let back = Provider::start_with(json!({ "port": port })).unwrap();
    for keys in [&keys, &without] {
        keys.refresh().await;
        assert!(keys.verify(&back.token("chinhchu", "ES256")).await.is_ok());
        assert_eq!(keys.verify_now(&token), Err(TokenError::KeyUnknown));
        assert_eq!(keys.status().failure, None);
    }
}

/// What a provider answers that is no good, and what the status says of it.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_not_to_be_believed_leaves_the_keys_as_they_are() {
    let Some(provider) = Provider::start() else { return };
    let Some(other) = Provider::start() else { return };
    let keys = started(&section(&provider.address), None).await;
    let token = provider.token("chinhchu", "ES256");
    let at = |path: &str| format!("{}{path}", provider.address);
    let document = |issuer: &str, jwks: &str| json!({"issuer": issuer, "jwks_uri": jwks}).to_string();
    let set = String::from_utf8(key_set(&[Signer::new("EdDSA").jwk("k")])).unwrap();
    let padded = format!("{{\"keys\":[],\"x\":\"{}\"}}", "x".repeat(300 << 10));
    let many = String::from_utf8(key_set(&vec![Signer::new("EdDSA").jwk("k"); 65])).unwrap();
    let elsewhere = json!({"location": format!("{}/jwks", other.address)});
    for (path, answer, said) in [
        (DISCOVERY, json!({"body": document(&other.address, &at("/jwks"))}), "another issuer's"),
        (DISCOVERY, json!({"body": document(&at("/"), &at("/jwks"))}), "another issuer's"),
        (DISCOVERY, json!({"body": document(&provider.address, "http://keys.example/jwks")}), "must be https"),
        (DISCOVERY, json!({"body": document(&provider.address, "file:///etc/passwd")}), "jwks_uri"),
        (DISCOVERY, json!({"body": "<html>"}), "no discovery document"),
        (DISCOVERY, json!({"body": "x".repeat(100 << 10)}), "longer than"),
        (DISCOVERY, json!({"status": 302, "headers": elsewhere}), "redirects are not followed"),
        ("/jwks", json!({"status": 302, "headers": elsewhere}), "redirects are not followed"),
        ("/jwks", json!({"status": 307, "headers": elsewhere, "body": set}), "redirects are not followed"),
        ("/jwks", json!({"status": 500, "body": set}), "500"),
        ("/jwks", json!({"status": 204}), "204"),
        ("/jwks", json!({"body": padded}), "longer than"),
        ("/jwks", json!({"body": "[".repeat(100_000)}), "no JSON Web Key Set"),
        ("/jwks", json!({"body": ""}), "no JSON Web Key Set"),
        ("/jwks", json!({"body": many}), "more than 64 keys"),
    ] {
        provider.answer(&json!({ path: answer }));
        keys.refresh().await;
        let failure = keys.status().failure.unwrap_or_default();
        assert!(failure.contains(said), "{path}: {failure:?}, not {said:?}");
        assert!(keys.verify_now(&token).is_ok(), "{said}");
    }
    assert_eq!(other.asked("/jwks"), 0);
    provider.answer(&json!({}));
    keys.refresh().await;
    assert_eq!(keys.status().failure, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_that_withdraws_all_its_keys_is_believed() {
    let Some(provider) = Provider::start() else { return };
    let keys = started(&section(&provider.address), None).await;
    let token = provider.token("chinhchu", "ES256");
    assert!(keys.verify(&token).await.is_ok());
    provider.answer(&json!({"/jwks": {"body": r#"{"keys":[]}"#}}));
    keys.refresh().await;
    assert_eq!(keys.verify_now(&token), Err(TokenError::KeyUnknown));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_to_another_issuer_forgets_the_keys_of_the_one_before() {
    let (Some(one), Some(other)) = (Provider::start(), Provider::start()) else { return };
    let keys = started(&section(&one.address), None).await;
    let token = one.token("chinhchu", "ES256");
    assert!(keys.verify(&token).await.is_ok());
    let before = SystemTime::now();
    keys.replace(opened(&section(&other.address)));
    assert!(keys.verify_now(&token).is_err());
    assert!(keys.status().read_at.is_none_or(|at| at > before), "nothing is told of the keys before");
    keys.refresh().await;
    assert!(keys.verify(&other.token("chinhchu", "ES256")).await.is_ok());
    assert!(keys.verify(&token).await.is_err());
    let narrower = TokensSection { algorithms: Some(vec!["RS256".to_owned()]), ..section(&other.address) };
    keys.replace(opened(&narrower));
    assert!(keys.verify_now(&other.token("chinhchu", "RS256")).is_ok(), "the keys of the same issuer stay");
    assert_eq!(keys.verify_now(&other.token("chinhchu", "ES256")), Err(TokenError::Algorithm));
}

/// A section whose keys are in this file.
pub fn of_file(path: &Path) -> TokensSection {
    TokensSection { keys: Some(path.to_owned()), ..section("https://login.example.vn") }
}

pub fn claims() -> Value {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    json!({"iss": "https://login.example.vn", "aud": "chinhchu", "sub": "clerk-1", "iat": now, "exp": now + 600})
}

#[tokio::test]
async fn keys_in_a_file_are_read_again_when_told_and_a_damaged_file_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jwks.json");
    let (one, other) = (Signer::ed25519([1; 32]), Signer::ed25519([2; 32]));
    fs::write(&path, key_set(&[one.jwk("one")])).unwrap();
    let keys = started(&of_file(&path), None).await;
    assert!(keys.verify(&one.token("one", &claims())).await.is_ok());
    fs::write(&path, key_set(&[other.jwk("other")])).unwrap();
    assert!(keys.verify(&other.token("other", &claims())).await.is_ok(), "an unknown key has the file read");
    assert_eq!(keys.verify_now(&one.token("one", &claims())), Err(TokenError::KeyUnknown));
    for damaged in [&b"{"[..], b"", &key_set(&[])] {
        fs::write(&path, damaged).unwrap();
        keys.refresh().await;
        assert!(keys.status().failure.is_some_and(|why| why.starts_with("access.tokens.keys: ")));
        assert!(keys.verify(&other.token("other", &claims())).await.is_ok());
    }
    fs::remove_file(&path).unwrap();
    keys.refresh().await;
    assert!(keys.verify(&other.token("other", &claims())).await.is_ok());
    fs::write(&path, key_set(&[one.jwk("one")])).unwrap();
    keys.refresh().await;
    assert!(keys.verify_now(&one.token("one", &claims())).is_ok());
    assert_eq!(keys.verify_now(&other.token("other", &claims())), Err(TokenError::KeyUnknown));
}

#[test]
fn a_file_of_keys_that_cannot_be_used_stops_the_start_with_its_name_and_a_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jwks.json");
    let good = Signer::new("EdDSA").jwk("k");
    let mut secret = good.clone();
    secret["d"] = json!("AAAA");
    for (content, said) in [
        (b"{}".to_vec(), "no JSON Web Key Set"),
        (key_set(&[]), "no key in it can be used"),
        (key_set(&[secret, good.clone()]), "secret key"),
        (key_set(&[json!({"kty": "oct", "k": "AAAA"}), good.clone()]), "secret key"),
    ] {
        fs::write(&path, content).unwrap();
        let error = refused(&of_file(&path));
        assert!(
            error.starts_with("access.tokens.keys: ") && error.contains("jwks.json") && error.contains(said),
            "{error}"
        );
    }
    fs::write(&path, key_set(&[good])).unwrap();
    for mode in [0o664, 0o646] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        assert!(refused(&of_file(&path)).contains("chmod go-w"));
    }
    fs::remove_file(&path).unwrap();
    assert!(refused(&of_file(&path)).contains("save the issuer's key set"));

    let ca = folder.path().join("ca.pem");
    let of_ca = TokensSection { ca: Some(ca.clone()), ..section("https://login.example.vn") };
    for content in ["", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        fs::write(&ca, content).unwrap();
        let error = refused(&of_ca);
        assert!(error.starts_with("access.tokens.ca: ") && error.contains("PEM file"), "{error}");
    }
}

/// TLS before a provider, with a certificate for `localhost` that this authority signed.
struct Tls {
    ca: tempfile::NamedTempFile,
    address: String,
    provider: Provider,
}

async fn behind_tls() -> Option<Tls> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    let provider = Provider::start_with(json!({ "issuer": address }))?;
    let document = json!({"issuer": address, "jwks_uri": format!("{address}/jwks")}).to_string();
    provider.answer(&json!({ DISCOVERY: {"body": document} }));

    let (ca, certificate) = authority();
    let own = rcgen::KeyPair::generate().unwrap();
    let leaf = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&own, &ca).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], own.into())
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let behind = provider.address.trim_start_matches("http://").to_owned();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, behind) = (acceptor.clone(), behind.clone());
            tokio::spawn(async move {
                // A client that refuses the certificate ends here.
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let mut inner = TcpStream::connect(behind).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut stream, &mut inner).await;
            });
        }
    });
    Some(Tls { ca: certificate, address, provider })
}

/// A new authority, and its certificate in a file.
fn authority() -> (rcgen::Issuer<'static, rcgen::KeyPair>, tempfile::NamedTempFile) {
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), certificate.pem()).unwrap();
    (rcgen::Issuer::new(params, key), file)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_is_believed_only_behind_a_certificate_of_the_configured_authority() {
    let Some(tls) = behind_tls().await else { return };
    let token = tls.provider.token("chinhchu", "ES256");
    let with_ca = |ca: Option<&Path>| TokensSection { ca: ca.map(Path::to_owned), ..section(&tls.address) };
    let keys = started(&with_ca(Some(tls.ca.path())), None).await;
    assert_eq!(keys.status().failure, None);
    assert!(keys.verify(&token).await.is_ok());

    let (_, other) = authority();
    for ca in [Some(other.path()), None] {
        let keys = started(&with_ca(ca), None).await;
        let failure = keys.status().failure.unwrap_or_default();
        assert!(failure.contains("certificate"), "{failure}");
        assert_eq!(keys.verify(&token).await, Err(TokenError::KeysMissing));
    }
    // The certificate's name is compared with the issuer's.
    let by_number = tls.address.replace("localhost", "127.0.0.1");
    let keys = started(&TokensSection { ca: Some(tls.ca.path().to_owned()), ..section(&by_number) }, None).await;
    assert!(keys.status().failure.unwrap_or_default().contains("certificate"));
    // Who was asked over TLS cannot send us where there is none.
    let plain = format!("{}/jwks", tls.provider.address);
    let document = json!({"issuer": tls.address, "jwks_uri": plain}).to_string();
    tls.provider.answer(&json!({ DISCOVERY: {"body": document} }));
    let keys = started(&with_ca(Some(tls.ca.path())), None).await;
    assert!(keys.status().failure.unwrap_or_default().contains("must be https"));
}

//! The program: `chinhchu keys`, a server that is configured with what they made, commands as clients
//! of it, and its signal to read the files anew.

use std::path::Path;

use chinhchu::service::tls::CERTIFICATE_HEALTH;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::made::{Made, Server};
use crate::need_assets;
use crate::support::{self, photo, run, text};

fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn keys_are_their_owners_alone_and_nothing_is_overwritten() {
    let made = Made::new();
    for name in ["ca.key", "server.key", "desk.key"] {
        assert_eq!(mode(&made.path(name)), 0o600, "{name}");
    }
    let before = std::fs::read(made.path("ca.key")).unwrap();
    made.keys(&["ca"], &[]).refused(&["ca.key", "is not overwritten"]);
    made.keys(&["server"], &["--name", "x.example"]).refused(&["server.key", "is not overwritten"]);
    made.keys(&["client"], &["--name", "desk", "--dns", "x.example"]).refused(&["desk.key", "is not overwritten"]);
    made.keys(&["client"], &["--name", "ca", "--dns", "x.example"]).refused(&["is not ca"]);
    made.keys(&["client"], &["--name", "nameless"]).refused(&["--uri"]);
    assert_eq!(std::fs::read(made.path("ca.key")).unwrap(), before);
    // Another name for a second server; the answer says what each file is for.
    let answer = made.keys(&["server"], &["--name", "x.example", "--file", "second", "--json"]).ended(0).json();
    assert_eq!(answer["test_only"], true);
    let files = answer["files"].as_array().unwrap();
    assert!(files.len() == 2 && files.iter().all(|file| file["what"].as_str().is_some_and(|what| what.len() > 10)));
    let elsewhere = tempfile::tempdir().unwrap();
    run(["keys", "client", &text(elsewhere.path()), "--name", "x", "--uri", "spiffe://x/y"]).refused(&["keys ca"]);
}

#[test]
fn revoking_is_for_ones_own_certificates_and_can_be_repeated() {
    let made = Made::new();
    let desk = text(&made.path("desk.pem"));
    let revoked = |certificate: &str| made.keys(&["revoke"], &[certificate, "--json"]);
    assert_eq!(revoked(&desk).ended(0).json()["was_revoked"], false);
    assert_eq!(revoked(&desk).ended(0).json()["was_revoked"], true);
    let other = Made::new();
    revoked(&text(&other.path("desk.pem"))).refused(&["desk.pem", "that this authority has issued"]);
}

#[test]
fn a_configuration_whose_files_cannot_be_used_is_refused_with_its_line() {
    need_assets!();
    let made = Made::new();
    let check = || run(["config", "check", "--config", &made.config(), "--json"]);
    let answer = check();
    assert!(answer.code != Some(2), "{answer:?}");
    assert_eq!(answer.json()["tls"]["client_revocation_lists"], 1);
    let whole = std::fs::read_to_string(made.path("server.key")).unwrap();
    std::fs::copy(made.path("desk.key"), made.path("server.key")).unwrap();
    check().refused(&["chinhchu.toml, line 5: tls.key", "server.key", "is not the key of the certificate"]);
    run(["serve", "--config", &made.config()]).refused_last(&["chinhchu.toml, line 5: tls.key", "server.key"]);
    std::fs::write(made.path("server.key"), whole).unwrap();
    let config = std::fs::read_to_string(made.config()).unwrap();
    std::fs::write(made.config(), format!("{config}min_version = \"1.2\"\n")).unwrap();
    let answer = check().json();
    let findings = answer["findings"].as_array().unwrap();
    assert!(findings.iter().any(|one| one["code"] == "TLS_1_2"), "{findings:?}");
    // With TLS the address may be another than loopback; without it must not.
    let public = |text: String| std::fs::write(made.config(), text.replace("127.0.0.1:0", "0.0.0.0:0")).unwrap();
    public(config.clone());
    check().refused(&["line 2: server.listen", "may call everything", "[access]"]);
    public(format!(
        "{config}[access.machines.desk]\ndns = \"desk.example\"\nroles = [\"workflow\"]\nunit = \"U1\"\nprovince = \"01\"\n"
    ));
    assert_ne!(check().code, Some(2));
    public("[server]\nlisten = \"127.0.0.1:0\"\n".to_owned());
    check().refused(&["line 2: server.listen", "not encrypted", "[tls]"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_and_commands_speak_by_what_keys_made_and_a_signal_revokes() {
    need_assets!();
    let made = Made::new();
    let server = Server::start(&made);
    let verify = |more: &[&str]| {
        let [face, other] = ["obama.jpg", "obama2.jpg"].map(|name| text(&photo(name)));
        run([&["verify", &face, &other, "--server", &server.url], more].concat())
    };
    let [ca, cert, key] = ["ca.pem", "desk.pem", "desk.key"].map(|name| text(&made.path(name)));
    let trusted = ["--ca", &ca];
    let proved = ["--ca", &ca, "--cert", &cert, "--key", &key];
    verify(&proved).ended(0);
    verify(&trusted).refused(&["demands a client's certificate", "--cert FILE"]);
    verify(&[]).refused(&["--ca FILE"]);
    // By the environment as well.
    let [face, other] = ["obama.jpg", "obama2.jpg"].map(photo);
    let mut by_environment = support::chinhchu();
    by_environment.arg("verify").arg(face).arg(other).args(["--server", &server.url]);
    by_environment.envs([("CHINHCHU_CA", &ca), ("CHINHCHU_CERT", &cert), ("CHINHCHU_KEY", &key)]);
    support::ran(by_environment.output().unwrap()).ended(0);

    assert_eq!(certificate_health(&made, &server.url).await, ServingStatus::Serving);

    made.keys(&["revoke"], &[&cert]).ended(0);
    support::signal(&server.child, libc::SIGHUP);
    let told = server.said("reloaded");
    assert!(told.contains("revocation lists of clients") && told.contains("1 revoked"), "{told}");
    verify(&proved).refused(&["revoked"]);
    // Half a change: the log names the file, and the server goes on.
    std::fs::write(made.path("server.pem"), "half").unwrap();
    support::signal(&server.child, libc::SIGHUP);
    let told = server.said("reload failed");
    assert!(told.contains("server.pem") && told.contains("tls.certificate"), "{told}");
    verify(&trusted).refused(&["--cert FILE"]);
}

/// What health says of the server's certificate.
async fn certificate_health(made: &Made, url: &str) -> ServingStatus {
    let [ca, cert, key] = ["ca.pem", "desk.pem", "desk.key"].map(|name| made.path(name));
    let channel = crate::pki::channel(url, &ca, Some((&cert, &key))).await;
    let request = HealthCheckRequest { service: CERTIFICATE_HEALTH.to_owned() };
    let answer = HealthClient::new(channel).check(request).await.expect("health answers");
    answer.into_inner().status()
}

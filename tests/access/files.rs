//! Files of TLS that cannot be used stop the start, with the file and what to do.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use chinhchu::service::tls::{Loaded, TlsFile, TlsOptions};
use rcgen::KeyPair;

use crate::pki::{Pki, expired, not_yet_valid, server_leaf};

/// The file that is refused, and the one line.
fn refused(options: &TlsOptions) -> (TlsFile, String) {
    let error = Loaded::read(options).expect_err("it must be refused");
    let text = error.to_string();
    assert!(!text.contains('\n') && text.contains("; "), "one line, with a remedy: {text}");
    (error.file(), text)
}

#[test]
fn what_is_whole_is_taken() {
    let pki = Pki::new();
    let loaded = Loaded::read(&pki.options()).unwrap();
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    assert_eq!(loaded.parts.len(), 3);
    assert!(loaded.expires_at() > SystemTime::now());
    let without_clients = TlsOptions { client_ca: None, client_crl: Vec::new(), ..pki.options() };
    assert_eq!(Loaded::read(&without_clients).unwrap().parts.len(), 1);
    let without_lists = TlsOptions { client_crl: Vec::new(), ..pki.options() };
    assert!(Loaded::read(&without_lists).unwrap().warnings[0].contains("no revocation list"));
}

#[test]
fn each_file_that_cannot_be_used_is_named_with_a_remedy() {
    let pki = Pki::new();
    let other = Pki::new();
    pki.issue("expired", &expired(server_leaf()));
    pki.issue("early", &not_yet_valid(server_leaf()));
    let empty = pki.write("empty.pem", "");
    let rubbish = pki.write("rubbish.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    let missing = pki.path("missing.pem");
    let whole = pki.options();
    let with_certificate = |path: PathBuf| TlsOptions { certificate: path, ..whole.clone() };
    let with_key = |path: PathBuf| TlsOptions { key: path, ..whole.clone() };
    let with_ca = |path: PathBuf| TlsOptions { client_ca: Some(path), ..whole.clone() };
    let with_list = |path: PathBuf| TlsOptions { client_crl: vec![path], ..whole.clone() };
    use TlsFile::{Certificate, ClientCa, ClientCrl, Key};
    for (options, file, said) in [
        (with_certificate(missing.clone()), Certificate, "cannot be read"),
        (with_certificate(empty.clone()), Certificate, "holds no certificate"),
        (with_certificate(rubbish.clone()), Certificate, "certificate 1 of it cannot be read"),
        (with_certificate(pki.path("expired.pem")), Certificate, "expired on"),
        (with_certificate(pki.path("early.pem")), Certificate, "holds from"),
        (with_key(missing.clone()), Key, "cannot be used"),
        (with_key(empty.clone()), Key, "no private key"),
        (with_key(pki.path("desk.key")), Key, "is not the key of the certificate"),
        (with_ca(missing.clone()), ClientCa, "cannot be read"),
        (with_ca(empty.clone()), ClientCa, "holds no certificate"),
        (with_ca(rubbish.clone()), ClientCa, "cannot be read"),
        (with_ca(pki.path("desk.pem")), ClientCa, "none of an authority"),
        (with_list(missing), ClientCrl, "cannot be read"),
        (with_list(empty), ClientCrl, "is no revocation list"),
        (with_list(rubbish), ClientCrl, "holds no revocation list"),
        (with_list(other.path("ca.crl")), ClientCrl, "signed by none of the authorities"),
    ] {
        let (found, text) = refused(&options);
        assert_eq!(found, file, "{text}");
        assert!(text.contains(said), "{said}: {text}");
        let path = match file {
            Certificate => &options.certificate,
            Key => &options.key,
            ClientCa => options.client_ca.as_ref().unwrap(),
            _ => &options.client_crl[0],
        };
        assert!(text.starts_with(&*path.to_string_lossy()), "{text}");
    }
}

#[test]
fn a_key_that_others_can_read_is_refused_and_not_shown() {
    let pki = Pki::new();
    for mode in [0o640, 0o604, 0o644, 0o660] {
        fs::set_permissions(pki.path("server.key"), Permissions::from_mode(mode)).unwrap();
        let (file, text) = refused(&pki.options());
        assert_eq!(file, TlsFile::Key);
        assert!(text.contains("chmod 600"), "{text}");
    }
    // A line of a key that is damaged is not repeated in the message.
    let key = fs::read_to_string(pki.path("server.key")).unwrap();
    let secret = key.lines().nth(1).unwrap().to_owned();
    pki.write("damaged.key", &key.replace("-----END PRIVATE KEY-----", ""));
    let (_, text) = refused(&TlsOptions { key: pki.path("damaged.key"), ..pki.options() });
    assert!(!text.contains(&secret[..16]), "{text}");
}

/// A list of this authority, issued and due so many hours from now.
fn list(pki: &Pki, issued: i64, due: i64) -> PathBuf {
    let at = |hours: i64| {
        let distance = Duration::from_secs(hours.unsigned_abs() * 3600);
        let now = SystemTime::now();
        if hours < 0 { now - distance } else { now + distance }
    };
    pki.list(at(issued), at(due))
}

#[test]
fn a_list_that_is_not_current_or_that_was_tampered_with_is_refused() {
    let pki = Pki::new();
    let with = |path: PathBuf| TlsOptions { client_crl: vec![path], ..pki.options() };
    assert!(Loaded::read(&with(list(&pki, -1, 1))).is_ok());
    assert!(refused(&with(list(&pki, -2, -1))).1.contains("successor was due"));
    assert!(refused(&with(list(&pki, 1, 2))).1.contains("clock"));
    // One bit of its signature.
    use rustls::pki_types::CertificateRevocationListDer;
    use rustls::pki_types::pem::PemObject;
    let mut der = CertificateRevocationListDer::from_pem_file(list(&pki, -1, 1)).unwrap().to_vec();
    fs::write(pki.path("list.der"), &der).unwrap();
    assert!(Loaded::read(&with(pki.path("list.der"))).is_ok(), "DER is taken as well");
    *der.last_mut().unwrap() ^= 1;
    fs::write(pki.path("list.der"), &der).unwrap();
    assert!(refused(&with(pki.path("list.der"))).1.contains("signed by none"));
}

#[test]
fn an_authority_that_has_expired_is_left_out_and_one_at_least_must_not_have() {
    let pki = Pki::new();
    let mut params = rcgen::CertificateParams::default();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.not_before = (SystemTime::now() - Duration::from_secs(7200)).into();
    params.not_after = (SystemTime::now() - Duration::from_secs(3600)).into();
    let old = params.self_signed(&KeyPair::generate().unwrap()).unwrap().pem();
    let both = pki.write("both.pem", &[old.as_str(), pki.authority.certificate()].concat());
    let loaded = Loaded::read(&TlsOptions { client_ca: Some(both), ..pki.options() }).unwrap();
    assert!(loaded.warnings[0].contains("has expired and is left out"), "{:?}", loaded.warnings);
    let old = pki.write("old.pem", &old);
    let (file, text) = refused(&TlsOptions { client_ca: Some(old), client_crl: Vec::new(), ..pki.options() });
    assert!(file == TlsFile::ClientCa && text.contains("every authority in it has expired"), "{text}");
}

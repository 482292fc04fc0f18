//! Notes and keys against known answers of other programs, and against changed bytes.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use proptest::prelude::*;

use super::*;

/// A key, a text and its signature that Go's `sumdb/note`, the first program for these notes, has in
/// its documentation and tests.
const SIGNER: &str = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
const VERIFIER: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const TEXT: &str =
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
const SIGNED: &str = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n\u{2014} PeterNeumann \
     x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed("example.vn/log".parse().unwrap(), Algorithm::Ed25519, &[seed; 32])
}

#[test]
fn keys_and_signatures_are_those_of_the_first_program_for_them() {
    let signer: SigningKey = SIGNER.parse().unwrap();
    let verifier: VerifierKey = VERIFIER.parse().unwrap();
    assert_eq!(signer.verifier(), &verifier);
    assert_eq!(verifier.to_string(), VERIFIER);
    let note = Note::sign(TEXT, &[&signer]).unwrap();
    assert_eq!(note.to_string(), SIGNED);
    assert_eq!(Note::parse(SIGNED.as_bytes()), Ok(note.clone()));
    assert_eq!(note.verify(&[&verifier]), Ok(vec![&verifier]));
}

#[test]
fn an_empty_line_in_the_text_parts_nothing() {
    let text = "one\n\nother\n";
    let note = Note::sign(text, &[&key(1)]).unwrap();
    let read = Note::parse(note.to_string().as_bytes()).unwrap();
    assert_eq!(read.text(), text);
    assert!(read.verify(&[key(1).verifier()]).is_ok());
}

#[test]
fn what_is_no_note_is_refused_with_its_reason() {
    let line = key(1).sign("text\n").to_string();
    let many = format!("text\n\n{}", format!("{line}\n").repeat(SIGNATURES_MAX + 1));
    for (bytes, error) in [
        (b"text\n".to_vec(), NotANote::NoSignatures),
        (b"text\n\n".to_vec(), NotANote::NoSignatures),
        (format!("text\n\n{line}").into_bytes(), NotANote::NoSignatures),
        (b"text\n\n\n".to_vec(), NotANote::NoSignatures),
        (format!("text\n\n{line}\nmore\n").into_bytes(), NotANote::Signature(2)),
        (format!("text\n\n{}\n", line.replace('\u{2014}', "-")).into_bytes(), NotANote::Signature(1)),
        (format!("text\n\n{line}=\n").into_bytes(), NotANote::Signature(1)),
        (b"text\n\n\xe2\x80\x94 name AAAA\n".to_vec(), NotANote::Signature(1)),
        (b"text\n\n\xe2\x80\x94 na+me AAAAAAAA\n".to_vec(), NotANote::Signature(1)),
        (format!("te\txt\n\n{line}\n").into_bytes(), NotANote::Characters),
        (format!("text\r\n\r\n{line}\r\n").into_bytes(), NotANote::Characters),
        (b"te\xffxt\n\n".to_vec(), NotANote::Characters),
        (vec![b'\n'; NOTE_BYTES_MAX + 1], NotANote::TooLong),
        (many.into_bytes(), NotANote::TooLong),
    ] {
        assert_eq!(Note::parse(&bytes), Err(error), "{:?}", String::from_utf8_lossy(&bytes));
    }
}

#[test]
fn what_is_no_text_is_not_signed() {
    for text in ["", "no end", "a\ttab\n", "a\rreturn\n"] {
        assert_eq!(Note::sign(text, &[&key(1)]), None, "{text:?}");
    }
    assert_eq!(Note::sign("text\n", &[]), None);
}

/// A signature that fails by a key that is known speaks against the whole note, also where another
/// key's holds.
#[test]
fn one_wrong_signature_of_a_known_key_spoils_the_note() {
    let (one, other) = (key(1), key(2));
    let mut note = Note::sign("text\n", &[&one, &other]).unwrap();
    assert!(note.verify(&[one.verifier(), other.verifier()]).is_ok());
    note.signatures[1].bytes[5] ^= 1;
    assert!(matches!(note.verify(&[one.verifier(), other.verifier()]), Err(NotVerified::Wrong { .. })));
    assert!(matches!(note.verify(&[other.verifier()]), Err(NotVerified::Wrong { .. })));
    // Of a stranger nobody knows whether it holds.
    assert!(note.verify(&[one.verifier()]).is_ok());
}

#[test]
fn a_key_of_the_same_name_or_the_same_id_is_another_key() {
    let mut note = Note::sign("text\n", &[&key(1)]).unwrap();
    assert_eq!(note.verify(&[key(2).verifier()]), Err(NotVerified::Unsigned));
    note.signatures[0].name = "example.vn/other".parse().unwrap();
    assert_eq!(note.verify(&[key(1).verifier()]), Err(NotVerified::Unsigned));
    let as_witness =
        VerifierKey::new("example.vn/log".parse().unwrap(), Algorithm::CosignatureV1, *key(1).verifier().public());
    assert_ne!(as_witness.id(), key(1).verifier().id());
}

#[test]
fn an_altered_key_is_told() {
    for (text, error) in [
        ("PeterNeumann+c74f20a3", NotAKey::Form),
        ("PeterNeumann+c74f20a3+", NotAKey::Form),
        ("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10T=", NotAKey::Form),
        ("PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", NotAKey::Id),
        ("PeterNeumann+C74F20A3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", NotAKey::Id),
        ("PeterNeumanm+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", NotAKey::Id),
        ("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TX", NotAKey::Id),
        ("PeterNeumann+c74f20a3+AhpcmQcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", NotAKey::Algorithm),
        ("Peter Neumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", NotAKey::Name),
        ("+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", NotAKey::Name),
    ] {
        assert_eq!(text.parse::<VerifierKey>(), Err(error), "{text}");
    }
    assert!(VERIFIER.parse::<SigningKey>().is_err());
    assert!(SIGNER.parse::<VerifierKey>().is_err());
}

#[test]
fn a_signing_key_is_a_file_of_its_own_for_its_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger-signing.key");
    let name: KeyName = "example.vn/log".parse().unwrap();
    let made = SigningKey::create(&path, name.clone(), Algorithm::Ed25519).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let read = SigningKey::read(&path).unwrap();
    assert_eq!(read.verifier(), made.verifier());
    assert_eq!(Note::sign("text\n", &[&read]), Note::sign("text\n", &[&made]));

    let before = fs::read(&path).unwrap();
    let around = [&b"\xef\xbb\xbf"[..], before.trim_ascii(), b"\r\n"].concat();
    fs::write(&path, around).unwrap();
    assert_eq!(SigningKey::read(&path).unwrap().verifier(), made.verifier(), "as another system writes a line");
    fs::write(&path, &before).unwrap();

    let again = SigningKey::create(&path, name, Algorithm::Ed25519).unwrap_err();
    assert!(
        matches!(&again, KeyError::Io { source, .. } if source.kind() == std::io::ErrorKind::AlreadyExists),
        "{again}"
    );
    assert_eq!(fs::read(&path).unwrap(), before, "a key is never replaced");

    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    assert!(SigningKey::read(&path).unwrap_err().to_string().contains("chmod 600"));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&path, &before[..before.len() / 2]).unwrap();
    assert!(matches!(SigningKey::read(&path), Err(KeyError::NotAKey { .. })));
}

#[test]
fn a_signing_key_is_never_printed() {
    let written = format!("{:?}", SIGNER.parse::<SigningKey>().unwrap());
    assert!(written.contains("PeterNeumann") && !written.contains("AYEKFALVFGyNhPJEMzD1QIDr"), "{written}");
}

proptest! {
    #[test]
    fn what_is_read_is_written_so(note in "[a-z\n]{0,20}\n\n(\u{2014} [a-c]{1,2} [A-Za-z0-9+/]{8}\n){1,3}") {
        if let Ok(read) = Note::parse(note.as_bytes()) {
            prop_assert_eq!(read.to_string(), note);
        }
    }

    #[test]
    fn whatever_bytes_come_they_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = Note::parse(&bytes);
        let _ = String::from_utf8_lossy(&bytes).parse::<VerifierKey>();
        let _ = String::from_utf8_lossy(&bytes).parse::<SigningKey>();
    }

    /// One bit anywhere in a signed note, and it is no note, signed by nobody known, or wrong.
    #[test]
    fn one_bit_is_told(at in any::<prop::sample::Index>(), bit in 0u8..8) {
        let verifier: VerifierKey = VERIFIER.parse().unwrap();
        let mut bytes = SIGNED.as_bytes().to_vec();
        let place = at.index(bytes.len());
        bytes[place] ^= 1 << bit;
        let believed = Note::parse(&bytes).is_ok_and(|note| note.verify(&[&verifier]).is_ok());
        prop_assert!(!believed);
    }
}

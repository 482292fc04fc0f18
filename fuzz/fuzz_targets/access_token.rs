//! What comes to the server before it knows who sent it: a token, raw; its header and its claims,
//! signed, so that they are read; the issuer's key set and discovery document.
#![no_main]

#[path = "../../tests/access/signer.rs"]
mod signer;

use std::sync::OnceLock;
use std::time::{Duration, UNIX_EPOCH};

use chinhchu::access::token::{KeySet, TokenVerifier, TokensSection, keys_address};
use libfuzzer_sys::fuzz_target;
use signer::{Signer, key_set};

const ISSUER: &str = "https://login.example.vn";
const NOW_S: u64 = 1_800_000_000;
const HEADER: &str = r#"{"alg":"EdDSA","typ":"JWT","kid":"k"}"#;

fn bed() -> &'static (Signer, TokenVerifier) {
    static BED: OnceLock<(Signer, TokenVerifier)> = OnceLock::new();
    BED.get_or_init(|| {
        let section = TokensSection {
            issuer: Some(ISSUER.to_owned()),
            audience: Some("chinhchu".to_owned()),
            roles_claim: Some("a.roles".to_owned()),
            ..TokensSection::default()
        };
        let signer = Signer::ed25519([7; 32]);
        let verifier = TokenVerifier::new(section.check().expect("good settings").rules);
        verifier.install(KeySet::parse(&key_set(&[signer.jwk("k")])).expect("a key set"), None);
        (signer, verifier)
    })
}

// The first byte says what the others are.
fuzz_target!(|bytes: &[u8]| {
    let Some((kind, rest)) = bytes.split_first() else { return };
    let (signer, verifier) = bed();
    let now = UNIX_EPOCH + Duration::from_secs(NOW_S);
    match kind {
        b't' => {
            let token = String::from_utf8_lossy(rest);
            assert!(verifier.verify(&token, now).is_err(), "nobody has signed it");
        }
        b'h' => drop(verifier.verify(&signer.sign(rest, "{}"), now)),
        b'c' => {
            let token = signer.sign(HEADER, rest);
            if let Ok(person) = verifier.verify(&token, now) {
                assert!(!person.subject.is_empty() && person.subject.len() <= 128);
                assert!(person.expires_at > now - Duration::from_secs(60));
                assert_eq!(verifier.verify(&token, now), Ok(person), "the same from memory");
            }
        }
        b'k' => {
            if let Ok(keys) = KeySet::parse(rest) {
                assert!(keys.len() + keys.skipped().map(|(_, count)| count).sum::<usize>() <= 64);
            }
        }
        _ => {
            if let Ok(address) = keys_address(rest, ISSUER) {
                assert_eq!(address.scheme_str(), Some("https"));
            }
        }
    }
});

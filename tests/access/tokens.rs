//! Tokens of a real provider: what it issues is accepted, what resembles it is not.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chinhchu::access::PersonClaims;
use chinhchu::access::token::{KeySet, TokenError, TokenVerifier, TokensSection};
use chinhchu::context::Role;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::provider::Provider;
use crate::signer::encoded;

/// Settings for tokens of this provider.
pub fn section(issuer: &str) -> TokensSection {
    TokensSection { issuer: Some(issuer.to_owned()), audience: Some("chinhchu".to_owned()), ..Default::default() }
}

/// Checks by the keys that the provider publishes now.
fn verifier(provider: &Provider) -> TokenVerifier {
    let verifier = TokenVerifier::new(section(&provider.address).check().unwrap().rules);
    verifier.install(KeySet::parse(provider.keys().as_bytes()).unwrap(), None);
    verifier
}

fn check(verifier: &TokenVerifier, token: &str) -> Result<PersonClaims, TokenError> {
    verifier.verify(token, SystemTime::now())
}

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// Claims as the provider would write them.
fn claims(provider: &Provider) -> Value {
    let now = now_s();
    json!({"iss": provider.address, "aud": "chinhchu", "sub": "clerk-1", "iat": now, "exp": now + 600})
}

/// The public key with this `alg` in the provider's key set.
fn jwk(provider: &Provider, algorithm: &str) -> Value {
    let set: Value = serde_json::from_str(&provider.keys()).unwrap();
    let keys = set["keys"].as_array().unwrap();
    keys.iter().find(|key| key["alg"] == algorithm).unwrap().clone()
}

#[test]
fn what_the_provider_issues_names_its_person_by_each_algorithm() {
    let Some(provider) = Provider::start() else { return };
    let verifier = verifier(&provider);
    for algorithm in ["ES256", "RS256", "EdDSA"] {
        let person = check(&verifier, &provider.token("chinhchu", algorithm)).expect(algorithm);
        assert_eq!(person.subject, "clerk-1");
        assert_eq!(person.roles, [Role::Officer].into_iter().collect());
        assert_eq!((person.unit.as_deref(), person.province.as_deref()), (Some("BHXH-Q1"), Some("79")));
        let left = person.expires_at.duration_since(SystemTime::now()).unwrap();
        assert!(left <= Duration::from_secs(3600), "{left:?}");
    }
    let nobody = check(&verifier, &provider.token_of("clerk-2", "chinhchu", "ES256")).unwrap();
    assert!(nobody.roles.is_empty() && nobody.unit.is_none() && nobody.province.is_none());
}

#[test]
fn a_token_for_another_service_is_refused() {
    let Some(provider) = Provider::start() else { return };
    let refused = check(&verifier(&provider), &provider.token("payroll", "ES256"));
    assert_eq!(refused, Err(TokenError::Audience));
}

#[test]
fn a_token_is_refused_before_and_after_its_time() {
    let Some(provider) = Provider::start() else { return };
    let verifier = verifier(&provider);
    let token = provider.token("chinhchu", "ES256");
    let (now, hour) = (SystemTime::now(), Duration::from_secs(3600));
    assert_eq!(verifier.verify(&token, now - hour), Err(TokenError::NotYetValid));
    assert!(verifier.verify(&token, now).is_ok());
    assert_eq!(verifier.verify(&token, now + 2 * hour), Err(TokenError::Expired));

    let signed = |name: &str, value: Value| {
        let mut claims = claims(&provider);
        claims[name] = value;
        check(&verifier, &provider.sign(json!({"alg": "ES256"}), claims))
    };
    assert!(signed("jti", json!("x")).is_ok());
    assert_eq!(signed("exp", json!(now_s() - 61)), Err(TokenError::Expired));
    assert_eq!(signed("iat", json!(now_s() + 600)), Err(TokenError::NotYetValid));
    assert_eq!(signed("nbf", json!(now_s() + 600)), Err(TokenError::NotYetValid));
    assert_eq!(signed("exp", json!(now_s() + 13 * 3600)), Err(TokenError::LivesTooLong));
    assert_eq!(signed("exp", Value::Null), Err(TokenError::Times));
    assert_eq!(signed("iss", json!("https://elsewhere.example")), Err(TokenError::Issuer));
}

#[test]
fn what_anybody_can_sign_is_refused_whatever_it_says() {
    let Some(provider) = Provider::start() else { return };
    let verifier = verifier(&provider);
    let genuine = provider.token("chinhchu", "ES256");
    let claims = genuine.split('.').nth(1).unwrap();
    for name in ["none", "None", "NONE", "nOnE"] {
        let header = encoded(json!({"alg": name, "typ": "at+jwt"}).to_string().as_bytes());
        for signature in ["", genuine.rsplit('.').next().unwrap()] {
            assert_eq!(
                check(&verifier, &format!("{header}.{claims}.{signature}")),
                Err(TokenError::Algorithm),
                "{name}"
            );
        }
        assert_eq!(check(&verifier, &format!("{header}.{claims}")), Err(TokenError::Malformed));
    }
    // The public key as the secret of an HMAC, in each form that libraries have taken it in.
    for algorithm in ["RS256", "ES256"] {
        let jwk = jwk(&provider, algorithm);
        let field = |name: &str| jwk[name].as_str().unwrap_or_default().to_owned();
        let secrets = [jwk.to_string(), field("n"), field("x"), provider.keys(), pem(&jwk), String::new()];
        for secret in secrets {
            for name in ["HS256", "HS384", "HS512"] {
                let header = json!({"alg": name, "typ": "at+jwt", "kid": jwk["kid"]}).to_string();
                let message = format!("{}.{claims}", encoded(header.as_bytes()));
                let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
                mac.update(message.as_bytes());
                let token = format!("{message}.{}", encoded(&mac.finalize().into_bytes()));
                assert_eq!(check(&verifier, &token), Err(TokenError::Algorithm), "{name}");
            }
        }
    }
}

/// A JWK as PEM, by the provider's own runtime.
fn pem(jwk: &Value) -> String {
    let script = "const { createPublicKey: k } = require('crypto'); process.stdout.write(k({ key: JSON.parse(process.argv[1]), \
                  format: 'jwk' }).export({ type: 'spki', format: 'pem' }))";
    let output = std::process::Command::new("node").args(["-e", script, &jwk.to_string()]).output().unwrap();
    let pem = String::from_utf8(output.stdout).unwrap();
    assert!(pem.starts_with("-----BEGIN PUBLIC KEY-----"), "{pem}");
    pem
}

#[test]
fn a_genuine_signature_covers_no_other_claims_and_no_other_header() {
    let Some(provider) = Provider::start() else { return };
    let verifier = verifier(&provider);
    let (one, other) = (provider.token("chinhchu", "ES256"), provider.token_of("clerk-2", "chinhchu", "ES256"));
    let (one, other): (Vec<_>, Vec<_>) = (one.split('.').collect(), other.split('.').collect());
    let mixed = [one[0], other[1], one[2]].join(".");
    assert_eq!(check(&verifier, &mixed), Err(TokenError::Signature));
    // An address and a key in the header are not looked at, and not forbidden.
    let header = json!({"alg": "ES256", "jku": "http://127.0.0.1:1/", "jwk": jwk(&provider, "RS256")});
    assert!(check(&verifier, &provider.sign(header, claims(&provider))).is_ok());
    let critical = json!({"alg": "ES256", "crit": ["b64"], "b64": false});
    assert_eq!(check(&verifier, &provider.sign(critical, claims(&provider))), Err(TokenError::Extension));
}

#[test]
fn a_token_of_another_provider_is_refused_also_with_the_same_key_ids_and_issuer() {
    let Some(ours) = Provider::start_with(json!({"kids": "key"})) else { return };
    let Some(other) = Provider::start_with(json!({"kids": "key"})) else { return };
    let Some(posing) = Provider::start_with(json!({"kids": "key", "issuer": ours.address})) else { return };
    let verifier = verifier(&ours);
    assert!(check(&verifier, &ours.token("chinhchu", "ES256")).is_ok());
    for algorithm in ["ES256", "RS256", "EdDSA"] {
        assert_eq!(check(&verifier, &other.token("chinhchu", algorithm)), Err(TokenError::Signature));
        assert_eq!(check(&verifier, &posing.token("chinhchu", algorithm)), Err(TokenError::Signature));
    }
}

//! Promises about tokens, with keys that the tests make.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::access::PersonClaims;
use crate::context::Role;

use super::signer::{Signer, encoded, key_set};

const ISSUER: &str = "https://login.example.vn/realms/counters";
const NOW_S: u64 = 1_800_000_000;

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(NOW_S)
}

fn section() -> TokensSection {
    TokensSection { issuer: Some(ISSUER.to_owned()), audience: Some("chinhchu".to_owned()), ..Default::default() }
}

fn verifier_of(section: &TokensSection, keys: &[Value]) -> TokenVerifier {
    let verifier = TokenVerifier::new(section.check().expect("good settings").rules);
    verifier.install(KeySet::parse(&key_set(keys)).expect("a key set"), None);
    verifier
}

fn claims() -> Value {
    json!({
        "iss": ISSUER, "aud": "chinhchu", "sub": "f2b1c9de-clerk", "iat": NOW_S - 60, "exp": NOW_S + 600,
        "roles": ["officer", "offline_access", "counter"], "unit": "BHXH-Q1", "province": "79",
    })
}

/// The claims with one of them changed, or left out where the value is null.
fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    match value {
        Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
        value => claims[name] = value,
    }
    claims
}

struct Bed {
    signer: Signer,
    verifier: TokenVerifier,
}

fn bed() -> Bed {
    bed_of(&section())
}

fn bed_of(section: &TokensSection) -> Bed {
    let signer = Signer::new("EdDSA");
    let verifier = verifier_of(section, &[signer.jwk("k1")]);
    Bed { signer, verifier }
}

impl Bed {
    fn check(&self, claims: &Value) -> Result<PersonClaims, TokenError> {
        self.verifier.verify(&self.signer.token("k1", claims), now())
    }
}

#[test]
fn a_good_token_says_who_it_is_by_every_algorithm() {
    let every = Algorithm::ALL.map(|algorithm| algorithm.name().to_owned()).to_vec();
    let section = TokensSection { algorithms: Some(every), ..section() };
    for algorithm in Algorithm::ALL {
        let signer = Signer::new(algorithm.name());
        let verifier = verifier_of(&section, &[signer.jwk("k1")]);
        let person = verifier
            .verify(&signer.token("k1", &claims()), now())
            .unwrap_or_else(|error| panic!("{}: {error}", algorithm.name()));
        let expected = PersonClaims {
            subject: "f2b1c9de-clerk".to_owned(),
            roles: [Role::Officer, Role::Counter].into_iter().collect(),
            unit: Some("BHXH-Q1".to_owned()),
            province: Some("79".to_owned()),
            expires_at: UNIX_EPOCH + Duration::from_secs(NOW_S + 600),
        };
        assert_eq!(person, expected, "{algorithm:?}");
    }
}

#[test]
fn an_algorithm_that_is_not_configured_is_refused_although_the_key_is_there() {
    let signer = Signer::new("PS256");
    let verifier = verifier_of(&section(), &[signer.jwk("k1")]);
    assert_eq!(verifier.verify(&signer.token("k1", &claims()), now()), Err(TokenError::Algorithm));
}

#[test]
fn a_key_signs_by_its_own_algorithm_alone() {
    let (rs, ps) = (Signer::new("RS256"), Signer::new("PS256"));
    let section = TokensSection { algorithms: Some(vec!["RS256".to_owned(), "PS256".to_owned()]), ..section() };
    let verifier = verifier_of(&section, &[rs.jwk("k1")]);
    assert!(verifier.verify(&rs.token("k1", &claims()), now()).is_ok());
    assert_eq!(verifier.verify(&ps.token("k1", &claims()), now()), Err(TokenError::KeyUnknown));
    // A header that claims another algorithm than it was signed by.
    let lied = ps.sign(r#"{"alg":"RS256","typ":"JWT","kid":"k1"}"#, claims().to_string());
    assert_eq!(verifier.verify(&lied, now()), Err(TokenError::Signature));
}

#[test]
fn a_token_without_key_id_is_checked_only_where_one_key_fits() {
    let (one, other, rsa) = (Signer::ed25519([1; 32]), Signer::ed25519([2; 32]), Signer::new("RS256"));
    let token = one.sign(r#"{"alg":"EdDSA","typ":"JWT"}"#, claims().to_string());
    assert!(verifier_of(&section(), &[one.jwk("a"), rsa.jwk("b")]).verify(&token, now()).is_ok());
    let both = verifier_of(&section(), &[one.jwk("a"), other.jwk("b")]);
    assert_eq!(both.verify(&token, now()), Err(TokenError::KeyUnknown));
    assert!(both.verify(&one.token("a", &claims()), now()).is_ok());
    assert_eq!(both.verify(&one.token("b", &claims()), now()), Err(TokenError::Signature));
    assert_eq!(both.verify(&one.token("c", &claims()), now()), Err(TokenError::KeyUnknown));
}

#[test]
fn keys_of_one_id_are_all_tried_up_to_a_bound() {
    let signers: Vec<Signer> = (0..9).map(|seed| Signer::ed25519([seed; 32])).collect();
    let keys: Vec<Value> = signers.iter().flat_map(|signer| [signer.jwk("k"), signer.jwk("k")]).collect();
    let verifier = verifier_of(&section(), &keys);
    let accepted = signers.iter().filter(|s| verifier.verify(&s.token("k", &claims()), now()).is_ok()).count();
    assert_eq!(accepted, 4);
    let set = KeySet::parse(&key_set(&keys)).unwrap();
    assert_eq!((set.len(), set.skipped().collect::<Vec<_>>()), (4, vec![(SkippedKey::SameId, 10)]));
}

#[test]
fn keys_that_are_not_for_these_signatures_are_skipped_and_the_others_kept() {
    let good = Signer::new("ES256").jwk("good");
    let rsa = Signer::new("RS256").jwk("rsa");
    let changed = |key: &Value, name: &str, value: Value| {
        let mut key = key.clone();
        key[name] = value;
        key
    };
    let modulus = |bits: usize| {
        let mut n = vec![0xff; bits / 8];
        n[0] = 0x80;
        json!(encoded(&n))
    };
    for (key, expected) in [
        (changed(&good, "use", json!("enc")), SkippedKey::OtherUse),
        (changed(&good, "key_ops", json!(["encrypt"])), SkippedKey::OtherUse),
        (changed(&good, "alg", json!("ES384")), SkippedKey::OtherKind),
        (changed(&good, "alg", json!("HS256")), SkippedKey::OtherKind),
        (changed(&good, "crv", json!("secp256k1")), SkippedKey::OtherKind),
        (changed(&good, "kty", json!("OKP")), SkippedKey::OtherKind),
        (changed(&good, "x", json!("AAAA")), SkippedKey::Damaged),
        (changed(&good, "y", json!(7)), SkippedKey::Damaged),
        (changed(&good, "kid", json!("k".repeat(300))), SkippedKey::Damaged),
        (changed(&good, "d", json!("AAAA")), SkippedKey::Secret),
        (json!({"kty": "oct", "kid": "o", "k": "AAAA"}), SkippedKey::Secret),
        (json!({"kty": "oct", "kid": "o"}), SkippedKey::OtherKind),
        (changed(&rsa, "n", modulus(1024)), SkippedKey::RsaSize),
        (changed(&rsa, "n", modulus(2040)), SkippedKey::RsaSize),
        (changed(&rsa, "n", modulus(8192)), SkippedKey::RsaSize),
        (changed(&rsa, "e", json!("Aw")), SkippedKey::RsaSize),
        (changed(&rsa, "e", json!("AQAAAQAAAQ")), SkippedKey::RsaSize),
        (changed(&rsa, "alg", json!("RSA-OAEP")), SkippedKey::OtherKind),
        (json!("text"), SkippedKey::Damaged),
        (json!({}), SkippedKey::Damaged),
    ] {
        let set = KeySet::parse(&key_set(&[key.clone(), good.clone()])).unwrap();
        assert_eq!((set.len(), set.skipped().collect::<Vec<_>>()), (1, vec![(expected, 1)]), "{key}");
    }
    let longer = KeySet::parse(&key_set(&[changed(&rsa, "n", modulus(4096))])).unwrap();
    assert_eq!(longer.len(), 1);
}

#[test]
fn a_key_set_is_bounded_and_may_be_empty() {
    let good = Signer::new("EdDSA").jwk("k");
    assert!(KeySet::parse(&key_set(&[])).unwrap().is_empty());
    assert_eq!(KeySet::parse(&key_set(&vec![good; KEYS_MAX + 1])).unwrap_err(), KeySetError::TooManyKeys);
    assert_eq!(KeySet::parse(&vec![b' '; KEY_SET_BYTES_MAX + 1]).unwrap_err(), KeySetError::TooLong);
    for wrong in ["", "[]", "{}", r#"{"keys":{}}"#, r#"{"keys":[]"#, "\u{feff}{}"] {
        assert_eq!(KeySet::parse(wrong.as_bytes()).unwrap_err(), KeySetError::NotAKeySet, "{wrong}");
    }
}

#[test]
fn claims_that_are_not_ours_are_refused_each_by_its_code() {
    let bed = bed();
    assert!(bed.check(&claims()).is_ok());
    let long = "x".repeat(129);
    for (name, value, expected) in [
        ("iss", json!("https://login.example.vn/realms/counters/"), TokenError::Issuer),
        ("iss", json!([ISSUER]), TokenError::Issuer),
        ("iss", Value::Null, TokenError::Issuer),
        ("aud", json!("CHINHCHU"), TokenError::Audience),
        ("aud", json!(["account", "other"]), TokenError::Audience),
        ("aud", json!(["chinhchu", 7]), TokenError::Audience),
        ("aud", json!([]), TokenError::Audience),
        ("aud", Value::Null, TokenError::Audience),
        ("sub", Value::Null, TokenError::Subject),
        ("sub", json!(""), TokenError::Subject),
        ("sub", json!(7), TokenError::Subject),
        ("sub", json!(" clerk"), TokenError::Subject),
        ("sub", json!("clerk\n"), TokenError::Subject),
        ("sub", json!("cle\u{200b}rk"), TokenError::Subject),
        ("sub", json!(long), TokenError::Subject),
        ("sub", json!("079088000017"), TokenError::SubjectIsNumber),
        ("sub", json!("cccd 079 088 000 017"), TokenError::SubjectIsNumber),
        ("exp", Value::Null, TokenError::Times),
        ("exp", json!("1800000600"), TokenError::Times),
        ("exp", json!(-1), TokenError::Times),
        ("exp", json!(1e300), TokenError::Times),
        ("iat", Value::Null, TokenError::Times),
        ("iat", json!(NOW_S + 601), TokenError::NotYetValid),
        ("nbf", json!("soon"), TokenError::Times),
        ("roles", json!({"officer": true}), TokenError::RolesClaim),
        ("roles", json!(["officer", 7]), TokenError::RolesClaim),
        ("unit", json!(["BHXH-Q1"]), TokenError::UnitClaim),
        ("unit", json!("x".repeat(65)), TokenError::UnitClaim),
        ("unit", json!("a\u{0}b"), TokenError::UnitClaim),
        ("province", json!(79), TokenError::ProvinceClaim),
        ("cnf", json!({"jkt": "x"}), TokenError::BoundToKey),
        ("typ", json!("ID"), TokenError::WrongKind),
        ("typ", json!("Refresh"), TokenError::WrongKind),
        ("at_hash", json!("x"), TokenError::WrongKind),
        ("events", json!({}), TokenError::WrongKind),
    ] {
        assert_eq!(bed.check(&with(name, value.clone())), Err(expected), "{name}: {value}");
    }
    for (name, value) in [
        ("aud", json!(["account", "chinhchu"])),
        ("typ", json!("Bearer")),
        ("exp", json!(NOW_S as f64 + 600.5)),
        ("nbf", json!(NOW_S)),
        ("anything", json!({"else": []})),
    ] {
        assert!(bed.check(&with(name, value.clone())).is_ok(), "{name}: {value}");
    }
}

#[test]
fn claims_are_one_object_whose_names_stand_once() {
    let bed = bed();
    let header = r#"{"alg":"EdDSA","typ":"JWT","kid":"k1"}"#;
    let twice = claims().to_string().replacen('{', r#"{"sub":"somebody-else","#, 1);
    for wrong in [twice.as_str(), "[]", "", "null", "{"] {
        assert_eq!(bed.verifier.verify(&bed.signer.sign(header, wrong), now()), Err(TokenError::Malformed), "{wrong}");
    }
}

#[test]
fn times_are_compared_with_the_configured_skew_and_no_more() {
    for skew in [0, 60, 300] {
        let bed = bed_of(&TokensSection { clock_skew_seconds: Some(skew), ..section() });
        let at = |seconds: u64| UNIX_EPOCH + Duration::from_secs(seconds);
        let token = bed.signer.token("k1", &claims());
        for _ in 0..2 {
            // The first time by its signature, then from memory.
            assert!(bed.verifier.verify(&token, at(NOW_S + 600 + skew - 1)).is_ok());
            assert_eq!(bed.verifier.verify(&token, at(NOW_S + 600 + skew)), Err(TokenError::Expired));
        }
        let fresh = bed_of(&TokensSection { clock_skew_seconds: Some(skew), ..section() });
        assert!(fresh.verifier.verify(&token, at(NOW_S - 60 - skew)).is_ok());
        let fresh = bed_of(&TokensSection { clock_skew_seconds: Some(skew), ..section() });
        assert_eq!(fresh.verifier.verify(&token, at(NOW_S - 61 - skew)), Err(TokenError::NotYetValid));
        let later = fresh.signer.token("k1", &with("nbf", json!(NOW_S + skew + 1)));
        assert_eq!(fresh.verifier.verify(&later, now()), Err(TokenError::NotYetValid));
    }
}

#[test]
fn a_token_that_lives_longer_than_allowed_is_refused_from_its_first_second() {
    let bed = bed_of(&TokensSection { lifetime_max_hours: Some(1), ..section() });
    assert!(bed.check(&with("exp", json!(NOW_S - 60 + 3600))).is_ok());
    assert_eq!(bed.check(&with("exp", json!(NOW_S - 60 + 3601))), Err(TokenError::LivesTooLong));
}

#[test]
fn roles_are_found_where_the_configuration_says_and_unknown_ones_mean_nothing() {
    let keycloak = TokensSection { roles_claim: Some("realm_access.roles".to_owned()), ..section() };
    let nested = with("realm_access", json!({"roles": ["auditor", "uma_authorization"]}));
    let roles = |section: &TokensSection, claims: &Value| bed_of(section).check(claims).expect("accepted").roles;
    assert_eq!(roles(&keycloak, &nested), [Role::Auditor].into_iter().collect());
    assert!(roles(&keycloak, &with("realm_access", json!("none"))).is_empty());
    assert!(roles(&section(), &with("roles", Value::Null)).is_empty());
    assert_eq!(roles(&section(), &with("roles", json!("clinic"))), [Role::Clinic].into_iter().collect());
    assert!(roles(&section(), &with("roles", json!("Clinic counter"))).is_empty());

    let url = TokensSection { roles_claim: Some("https://vss.example/a.b".to_owned()), ..section() };
    assert_eq!(roles(&url, &with("https://vss.example/a.b", json!(["counter"]))).iter().count(), 1);

    let names = [("VSS_GDV".to_owned(), "counter".to_owned())].into();
    let mapped = TokensSection { role_names: names, ..section() };
    let both = with("roles", json!(["VSS_GDV", "auditor"]));
    assert_eq!(
        roles(&mapped, &both),
        [Role::Counter].into_iter().collect(),
        "where names are mapped, others are not ours"
    );
}

#[test]
fn an_empty_unit_or_province_is_none() {
    let person = bed().check(&with("unit", json!(""))).unwrap();
    assert_eq!((person.unit, person.province.as_deref()), (None, Some("79")));
}

#[test]
fn numbers_are_subjects_only_where_the_operator_takes_them() {
    let signer = Signer::new("EdDSA");
    let verifier = TokenVerifier::new(section().check().unwrap().rules.accepting_numbers());
    verifier.install(KeySet::parse(&key_set(&[signer.jwk("k1")])).unwrap(), None);
    assert!(verifier.verify(&signer.token("k1", &with("sub", json!("079088000017"))), now()).is_ok());
}

#[test]
fn a_withdrawn_key_is_refused_at_once_although_its_tokens_were_verified_before() {
    let bed = bed();
    let token = bed.signer.token("k1", &claims());
    assert!(bed.verifier.verify(&token, now()).is_ok());
    let set = |keys: &[Value]| KeySet::parse(&key_set(keys)).unwrap();
    bed.verifier.install(set(&[bed.signer.jwk("k1")]), None);
    assert!(bed.verifier.verify(&token, now()).is_ok());
    bed.verifier.install(set(&[]), None);
    assert_eq!(bed.verifier.verify(&token, now()), Err(TokenError::KeyUnknown));
}

#[test]
fn without_keys_or_with_old_ones_the_refusal_says_so() {
    let signer = Signer::new("EdDSA");
    let verifier = TokenVerifier::new(section().check().unwrap().rules);
    let token = signer.token("k1", &claims());
    assert_eq!(verifier.verify(&token, now()), Err(TokenError::KeysMissing));
    assert_eq!(verifier.verify("x", now()), Err(TokenError::Malformed), "a bad token stays one");
    let set = || KeySet::parse(&key_set(&[signer.jwk("k1")])).unwrap();
    verifier.install(set(), Some(now()));
    assert!(verifier.verify(&token, now()).is_ok());
    let later = now() + Duration::from_secs(1);
    assert_eq!(verifier.verify(&token, later), Err(TokenError::KeysTooOld), "also what was verified before");
    verifier.install(set(), Some(later));
    assert!(verifier.verify(&token, later).is_ok());
}

#[test]
fn other_rules_hold_at_once_and_keys_go_only_with_their_issuer() {
    let bed = bed();
    let token = bed.signer.token("k1", &claims());
    assert!(bed.verifier.verify(&token, now()).is_ok());
    let rules = |section: &TokensSection| section.check().unwrap().rules;
    bed.verifier.replace_rules(rules(&TokensSection { audience: Some("other".to_owned()), ..section() }), true);
    assert_eq!(bed.verifier.verify(&token, now()), Err(TokenError::Audience), "also what was verified before");
    bed.verifier.replace_rules(rules(&section()), true);
    assert!(bed.verifier.verify(&token, now()).is_ok());
    let elsewhere = TokensSection { issuer: Some("https://other.example.vn".to_owned()), ..section() };
    bed.verifier.replace_rules(rules(&elsewhere), true);
    assert_eq!(bed.verifier.verify(&token, now()), Err(TokenError::KeysMissing));
}

#[test]
fn neither_an_error_nor_claims_show_a_part_of_the_token() {
    let bed = bed();
    let token = bed.signer.token("k1", &with("sub", json!("079088000017")));
    let error = bed.verifier.verify(&token, now()).unwrap_err();
    let person = bed.check(&claims()).unwrap();
    let written = format!("{error} {error:?} {person:?} {:?}", KeySet::parse(&key_set(&[bed.signer.jwk("k1")])));
    for part in token.split('.').chain(["079088000017", "f2b1c9de", "BHXH-Q1"]) {
        assert!(!written.contains(part), "{written}");
    }
}

proptest! {
    #[test]
    fn whatever_is_sent_is_answered(text in any::<String>(), parts in prop::collection::vec(any::<Vec<u8>>(), 1..5)) {
        let bed = bed();
        prop_assert!(bed.verifier.verify(&text, now()).is_err());
        let encoded: Vec<String> = parts.iter().map(|part| encoded(part)).collect();
        prop_assert!(bed.verifier.verify(&encoded.join("."), now()).is_err());
        let _ = KeySet::parse(&parts[0]);
        let _ = keys_address(&parts[0], ISSUER);
    }

    #[test]
    fn a_token_that_was_changed_anywhere_is_refused(at in any::<prop::sample::Index>(), other in "[A-Za-z0-9_.=-]") {
        let bed = bed();
        let token = bed.signer.token("k1", &claims());
        prop_assert!(bed.verifier.verify(&token, now()).is_ok());
        let at = at.index(token.len());
        prop_assume!(token[at..=at] != other);
        let changed = format!("{}{other}{}", &token[..at], &token[at + 1..]);
        prop_assert!(bed.verifier.verify(&changed, now()).is_err(), "{}", at);
    }

    #[test]
    fn no_claims_of_any_kind_make_a_person_beyond_the_bounds(
        subject in any::<String>(), roles in prop::collection::vec(any::<String>(), 0..5),
        unit in any::<String>(), issued in any::<i64>(), expires in any::<i64>(),
    ) {
        let mut claims = with("sub", json!(subject));
        claims["roles"] = json!(roles);
        claims["unit"] = json!(unit);
        let bed = bed();
        if let Ok(person) = bed.check(&claims) {
            prop_assert!(!person.subject.is_empty() && person.subject.len() <= 128);
            prop_assert!(person.unit.is_none_or(|unit| !unit.is_empty() && unit.len() <= 64));
        }
        claims["iat"] = json!(issued);
        claims["exp"] = json!(expires);
        let _ = bed.check(&claims);
    }
}

//! Signs tokens with keys of its own, for tests, benchmarks and fuzzing that start no provider.

#![allow(dead_code, reason = "each user needs some of it")]

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
    RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaKeyPair,
};
use serde_json::{Value, json};

/// A key that was made for this file and signs nothing else.
const RSA_2048_PKCS1: &str = "\
    MIIEoAIBAAKCAQEAp5X8zP/ddV/xuN4TVtzwLNx66GLxA1YsQUXCrg7O2fLJNIqDMQrDpyQP0DMGzgZy/v32h1+p09+AKQutkb2a\
    Df/I6LkSv62WCIro+HLROLhRR2UB2maPFizsqXWi3jyUP2ZUAVh251r4q24yvAGqS+yZEByEucDuGdWR59HbteXBJCAS32NAyheX\
    G/TBfuu7BJZAAgo+S5luMFvZl3FFj+wa8D4ljIs8TaS5ijf8hG28MKHCvGAt2uHM6xEtp/ymp+XeJPV8j6g9KvaJiiivx26+jhw8\
    kDMiCmdfY4dw+ecsOUJUC2WBXAs3IBH7WMlLDsWw4KNDdl07/ZcijgI44QIDAQABAoH/Az/SGZyatpcQ0MtmeoTIYPyPYh8iC3jY\
    TM8+Yu0VpOLQuGDxDMikExlha/e/XKc6NyAas0EuL4lotvapGNHBKQ14FI0ZyVuZgcQHGLs1fviHC1Vn08rrTZhFM+7vkQPD+TOr\
    3AeEjnbJ6LhqLWay6Bz6oTOl61elws9LxMFKBi5sZ7m88FugzWgIp4NMqjBmnMj8JNC4yeAXJ2rKKn4I+hb5XKM3pUn61HnzU8RG\
    aX31B88JopdoPNEFdUc9Qw9wQPJvuhHmCqekyn0/D/sVLXQf0+K5xV8+Ycabiv+wrL+hJlXAFejdiyrqbSUT5V7ptdwXHGApC13D\
    Z2u3hHShAoGBAOo5NrP+k9/IUfoLevN3+jMfFv46JWO0HFelwLlxQZWEjaQJGLtnylNcwpaPrnq0IB8CFRzWSUEAtqa3fweqtqn0\
    ERiCZgA7mhJi7pnppstWdveKVG9MXEnoGoV08WEKD6lwiF8GfZjFUD8JuNql2i1UWJUZ+c1XQng5BRhJQorxAoGBALcquQ0gsiJV\
    XtzBQB4qDfiaG8hLsp05RvOrMwZwqzyQPVjSuIper91hqXnS2lP+FhKWsCf+EGCbvWaPorV/k1A2en+/Oh5U6ffRGnGnAhkgvekm\
    IIj7QrrvQTbIC+YrbEOjOu6Tqcv1hmLiRqJ/5spoG8Sj9M+xd0x2RrL2PCzxAoGAGosfUuif03V9LMwOQ/ctyItWbLskL5diuuAS\
    5jEakJoz/wn03pAVkrrpZmykBk3RchInWFxEcvRkvqH+6FyFVN9O7KsiahZXEIxbo9+hwltrIgRwKyjJMKr4DnXBQREF01roaXRv\
    2VdLD8nHRCgVgJuValhGQeoIo1064ZSz0NECgYAmjK5Prf7vrOn/Kgj1kEJKfRy1xgC8iE5/gBuIEnRnla/jns3KCW2X+TLy+caL\
    gOFiXiaK9DS8MGrnR/mlm0kEy8JyWmu/8H0hc/fNzalqYnK1vBmC2ubLcwlVnzqp4Z+yiIshpSBKVc1HyHm3P5XyKYEWnK8sexwx\
    kn8EsUAu8QKBgBrJDyjsgsOZtD6h3pmBXWGugrwVSUUs1zGwXD/4gIuXGsnIV5YQzy5xEAT5ImdjiJkywdgvqyQAiBcfN0hRD0Kj\
    7akrFeCJgLw+047NFnRp+XZL4BFqtw525aIWN8ejnK08J6wupVt3GzQC/0du4eR/A0kMytFeFu9XCCGKELdN";

/// A key pair.
pub enum Signer {
    Es256(EcdsaKeyPair),
    Es384(EcdsaKeyPair),
    EdDsa(Ed25519KeyPair),
    Rs256(RsaKeyPair),
    Ps256(RsaKeyPair),
}

impl Signer {
    /// A new key for this algorithm; the same one each time for RSA.
    pub fn new(algorithm: &str) -> Self {
        let random = SystemRandom::new();
        let elliptic = |scheme| {
            let pkcs8 = EcdsaKeyPair::generate_pkcs8(scheme, &random).expect("random numbers");
            EcdsaKeyPair::from_pkcs8(scheme, pkcs8.as_ref(), &random).expect("a key")
        };
        let rsa = || RsaKeyPair::from_der(&STANDARD.decode(RSA_2048_PKCS1).expect("base64")).expect("a key");
        match algorithm {
            "ES256" => Self::Es256(elliptic(&ECDSA_P256_SHA256_FIXED_SIGNING)),
            "ES384" => Self::Es384(elliptic(&ECDSA_P384_SHA384_FIXED_SIGNING)),
            "EdDSA" => Self::ed25519([7; 32]),
            "RS256" => Self::Rs256(rsa()),
            "PS256" => Self::Ps256(rsa()),
            other => panic!("no signer for {other}"),
        }
    }

    /// The Ed25519 key of this seed.
    pub fn ed25519(seed: [u8; 32]) -> Self {
        Self::EdDsa(Ed25519KeyPair::from_seed_unchecked(&seed).expect("a seed"))
    }

    pub fn algorithm(&self) -> &'static str {
        match self {
            Self::Es256(_) => "ES256",
            Self::Es384(_) => "ES384",
            Self::EdDsa(_) => "EdDSA",
            Self::Rs256(_) => "RS256",
            Self::Ps256(_) => "PS256",
        }
    }

    /// The public key as a JWK of this id.
    pub fn jwk(&self, kid: &str) -> Value {
        let point = |key: &EcdsaKeyPair, curve: &str| {
            let (x, y) = key.public_key().as_ref()[1..].split_at(key.public_key().as_ref().len() / 2);
            json!({"kty": "EC", "crv": curve, "x": encoded(x), "y": encoded(y)})
        };
        let rsa = |key: &RsaKeyPair| {
            let public: ring::rsa::PublicKeyComponents<Vec<u8>> = key.public().into();
            json!({"kty": "RSA", "n": encoded(&public.n), "e": encoded(&public.e)})
        };
        let mut jwk = match self {
            Self::Es256(key) => point(key, "P-256"),
            Self::Es384(key) => point(key, "P-384"),
            Self::EdDsa(key) => json!({"kty": "OKP", "crv": "Ed25519", "x": encoded(key.public_key().as_ref())}),
            Self::Rs256(key) | Self::Ps256(key) => rsa(key),
        };
        jwk["kid"] = json!(kid);
        jwk["use"] = json!("sig");
        jwk["alg"] = json!(self.algorithm());
        jwk
    }

    /// A token of these claims, with the header that a provider writes.
    pub fn token(&self, kid: &str, claims: &Value) -> String {
        let header = json!({"alg": self.algorithm(), "typ": "at+jwt", "kid": kid});
        self.sign(header.to_string(), claims.to_string())
    }

    /// A token of this header and these claims, whatever they are.
    pub fn sign(&self, header: impl AsRef<[u8]>, claims: impl AsRef<[u8]>) -> String {
        let signed = format!("{}.{}", encoded(header.as_ref()), encoded(claims.as_ref()));
        let random = SystemRandom::new();
        let (message, failed) = (signed.as_bytes(), "a signature");
        let rsa = |key: &RsaKeyPair, scheme| {
            let mut signature = vec![0; key.public().modulus_len()];
            key.sign(scheme, &random, message, &mut signature).expect(failed);
            signature
        };
        let signature = match self {
            Self::Es256(key) | Self::Es384(key) => key.sign(&random, message).expect(failed).as_ref().to_vec(),
            Self::EdDsa(key) => key.sign(message).as_ref().to_vec(),
            Self::Rs256(key) => rsa(key, &RSA_PKCS1_SHA256),
            Self::Ps256(key) => rsa(key, &RSA_PSS_SHA256),
        };
        format!("{signed}.{}", encoded(&signature))
    }
}

/// A key set of these keys.
pub fn key_set(keys: &[Value]) -> Vec<u8> {
    json!({ "keys": keys }).to_string().into_bytes()
}

pub fn encoded(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

//! Bearer tokens: access tokens of one OpenID provider, as JSON Web Tokens that the server checks
//! by itself.
//!
//! ```text
//! token -> parts     three of them, header: kind, algorithm, id of the key
//!       -> keys      the signature, by a key that the issuer publishes
//!       -> rules     issuer, audience, times; whom it names, roles, unit, province
//!       -> PersonClaims
//! ```
//!
//! Nothing of a token decides how it is checked but what the configuration allows: algorithms are
//! pinned, a key goes with its own algorithms only, and no address in a token is ever asked. How
//! the keys come here is `service`'s part.
//!
//! Source: RFC 9068 (access tokens), RFC 7515 (signatures), RFC 8725 (best current practices).

mod algorithm;
mod authorization;
mod cache;
mod config;
mod discovery;
mod error;
mod json;
mod keys;
mod parts;
mod rules;
mod verifier;

#[cfg(test)]
#[path = "../../../tests/access/signer.rs"]
pub(crate) mod signer;
#[cfg(test)]
mod tests;

pub use self::algorithm::Algorithm;
pub use self::authorization::bearer;
pub use self::config::{BadTokensKey, KeysFrom, TokenSettings, TokensSection};
pub use self::discovery::{
    DISCOVERY_BYTES_MAX, DiscoveryError, SignInAddresses, discovery_address, is_loopback, keys_address,
    sign_in_addresses, web_address,
};
pub use self::error::{TokenError, TokenFault};
pub use self::keys::{KEY_SET_BYTES_MAX, KEYS_MAX, KeySet, KeySetError, SkippedKey};
pub use self::parts::BYTES_MAX;
pub use self::rules::TokenRules;
pub use self::verifier::TokenVerifier;

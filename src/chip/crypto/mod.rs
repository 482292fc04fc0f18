//! Checking signatures, and nothing else: every input here is public, so
//! nothing needs to be constant in time.
//!
//! Big-integer arithmetic is `crypto-bigint`'s, hashes are RustCrypto's; the
//! schemes on top (ECDSA on ten curves, RSA PKCS#1 v1.5, PSS and ISO 9796-2)
//! are small enough to be read here.

mod curve;
mod ecdsa;
mod hash;
mod key;
mod rsa;
mod scheme;

pub use curve::EllipticCurve;
pub use hash::Hash;
pub use key::{KeyError, PublicKey, Spki};
pub use rsa::{RSA_BITS_MAX, RsaPublicKey};
pub use scheme::{AlgorithmIdentifier, SignatureError, SignatureScheme, verify};

pub(crate) use ecdsa::{public_point, sign_for_tests, verify as verify_integers, verify_plain};
pub(crate) use key::explicit_parameters;
pub(crate) use rsa::{mgf1_xor, power};
pub(crate) use scheme::integers;

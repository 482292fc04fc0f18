//! Signature verification only: every input is public, so nothing needs to be constant time.
//!
//! Big-integer arithmetic is that of `crypto-bigint`, hashes are those of RustCrypto; the schemes
//! on top (ECDSA on nine curves, RSA PKCS#1 v1.5, PSS and ISO/IEC 9796-2) are implemented here.

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

//! DG14, DG15 and Active Authentication (ICAO 9303-11, 6.1).
//!
//! Passive authentication shows that the data is genuine, not that the card was there: a copy of
//! its files passes. Active Authentication closes that gap. The reader sends the chip a fresh
//! random challenge of eight bytes; the chip signs it with a key that never leaves it and whose
//! public half, in DG15, is signed with everything else. A caller that ran the protocol passes
//! challenge and response in [`ChallengeResponse`].
//!
//! What a valid answer shows depends on who chose the challenge: an answer that was recorded once
//! fits its challenge for ever. Here the caller chooses it, and knows whether it was fresh; the
//! decision at the counter takes only those that the server issued (`Engine::new_challenge`).

use super::crypto::{AlgorithmIdentifier, Hash, PublicKey, SignatureScheme, Spki, verify_plain};
use super::error::InStructure;
use super::tlv::TlvReader;
use super::{ParseError, oid};

/// Length of a challenge (RND.IFD).
pub const CHALLENGE_BYTES: usize = 8;
/// Longest response: an RSA signature of the largest modulus.
const RESPONSE_BYTES_MAX: usize = 1024;

/// What the reader sent and what the chip answered.
#[derive(Clone)]
pub struct ChallengeResponse {
    /// The challenge, eight bytes. The check takes any: that it was fresh is the caller's to know.
    pub challenge: Vec<u8>,
    /// The answer to INTERNAL AUTHENTICATE.
    pub response: Vec<u8>,
}

/// The result of Active Authentication: whether the chip proved that it holds the private key of
/// DG15.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActiveAuthentication {
    /// No challenge and response were given.
    Absent,
    /// Given, but DG15 is missing, unsigned or of an unsupported key type, so the response cannot
    /// be checked. In a decision also: valid, to a challenge that counts for nothing.
    Unproven,
    /// The response is a valid signature by the key in DG15. In a decision: to a challenge that this
    /// server issued.
    Proven,
    /// The response is no valid signature by the key in DG15.
    Failed,
}

impl ActiveAuthentication {
    /// `absent`, `unproven`, `proven`, `failed`.
    pub fn code(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Unproven => "unproven",
            Self::Proven => "proven",
            Self::Failed => "failed",
        }
    }

    /// The value with this code, as [`Self::code`] gives it.
    pub fn from_code(code: &str) -> Option<Self> {
        [Self::Absent, Self::Unproven, Self::Proven, Self::Failed].into_iter().find(|one| one.code() == code)
    }
}

/// DG15: the public key of Active Authentication.
#[derive(Clone)]
pub struct Dg15 {
    /// The key.
    pub key: Spki,
}

impl Dg15 {
    /// Parses a DG15 file.
    ///
    /// # Errors
    /// [`ParseError`] where the file is no DG15.
    pub fn parse(file: &[u8]) -> Result<Self, ParseError> {
        let mut outer = TlvReader::new(file).expect(0x6F).within("DG15")?.children();
        Ok(Self { key: Spki::parse(&mut outer)? })
    }
}

/// DG14: which security protocols the chip offers.
#[derive(Debug, Clone)]
pub struct Dg14 {
    /// Arcs of the protocols, in the order of the file.
    pub protocols: Vec<Vec<u8>>,
    /// The signature algorithm of ECDSA Active Authentication.
    active_algorithm: Option<Vec<u8>>,
}

impl Dg14 {
    /// Parses a DG14 file.
    ///
    /// # Errors
    /// [`ParseError`] where the file is no DG14.
    pub fn parse(file: &[u8]) -> Result<Self, ParseError> {
        const WHAT: &str = "DG14";
        const PROTOCOLS_MAX: usize = 64;
        let mut outer = TlvReader::new(file).expect(0x6E).within(WHAT)?.children();
        let mut out = Self { protocols: Vec::new(), active_algorithm: None };
        for info in outer.expect(0x31).within(WHAT)?.children() {
            let mut fields = info.within(WHAT)?.children();
            let arcs = fields.expect(0x06).within(WHAT)?.value;
            if out.protocols.len() == PROTOCOLS_MAX {
                return Err(ParseError::TooLarge { what: WHAT, max: PROTOCOLS_MAX });
            }
            if arcs == oid::ACTIVE_AUTHENTICATION {
                fields.optional(0x02).within(WHAT)?;
                out.active_algorithm = fields.optional(0x06).within(WHAT)?.map(|algorithm| algorithm.value.to_vec());
            }
            out.protocols.push(arcs.to_vec());
        }
        Ok(out)
    }
}

/// Checks a response against the chip's signed public key.
///
/// RSA: ISO/IEC 9796-2 scheme 1, the challenge being the non-recoverable part of the message.
/// Elliptic curves: ECDSA in plain format over the challenge, with the hash that DG14 names; where
/// DG14 names none, as on some cards, every supported hash is tried.
pub fn check(dg15: &Dg15, dg14: Option<&Dg14>, exchange: &ChallengeResponse) -> ActiveAuthentication {
    let ChallengeResponse { challenge, response } = exchange;
    if challenge.len() != CHALLENGE_BYTES || response.len() > RESPONSE_BYTES_MAX {
        return ActiveAuthentication::Failed;
    }
    let holds = match PublicKey::from_spki(&dg15.key) {
        Err(_) => return ActiveAuthentication::Unproven,
        Ok(PublicKey::Rsa(key)) => key.verify_iso9796(challenge, response).is_some(),
        Ok(PublicKey::Ec { curve, point, .. }) => {
            let named = dg14.and_then(|dg14| dg14.active_algorithm.clone()).and_then(|oid| {
                SignatureScheme::resolve(&AlgorithmIdentifier { oid, parameters: Vec::new() }, None)
                    .map(SignatureScheme::hash)
            });
            let hashes = named.map_or(Hash::ALL.to_vec(), |hash| vec![hash]);
            hashes.iter().any(|hash| {
                let digest = hash.digest(challenge);
                verify_plain(curve, &point.0, &digest, response) || {
                    // Some chips answer with a DER-encoded Ecdsa-Sig-Value instead of the plain
                    // format.
                    let parts = super::crypto::integers(response);
                    parts.is_some_and(|(r, s)| super::crypto::verify_integers(curve, &point.0, &digest, r, s))
                }
            })
        }
    };
    if holds { ActiveAuthentication::Proven } else { ActiveAuthentication::Failed }
}

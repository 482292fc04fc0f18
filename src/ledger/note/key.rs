//! Keys of signed notes: the public one, as one line that is handed to others, and the private one,
//! in a file for its owner alone.
//!
//! ```text
//! verifier key: name "+" 8 hexadecimal digits of the id "+" base64(algorithm || 32 bytes)
//! signing key:  "PRIVATE+KEY+" name "+" id "+" base64(algorithm || 32 bytes of the seed)
//! id:           SHA-256(name || 0x0A || algorithm || public key), the first four bytes
//! ```

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::{fmt, io};

use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use sha2::{Digest, Sha256};

use super::Signature;
use crate::ledger::encoding;
use crate::private::{self, Partial, Readers};
use crate::{hex, random};

/// Longest name of a key, in bytes.
const NAME_BYTES_MAX: usize = 255;
/// Before the text of a signing key.
const PRIVATE: &str = "PRIVATE+KEY+";
/// Longest file of a signing key.
const FILE_BYTES_MAX: u64 = 1 << 10;

/// A text that is no key, name of a key or signing key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotAKey {
    /// Empty, too long, or with a space, a plus or a control character.
    #[error("a key's name has 1 to 255 bytes and no space, plus or control character")]
    Name,
    /// Not name, id and key, divided by plus signs.
    #[error("a key is a line of name, id and key with + between them")]
    Form,
    /// Neither Ed25519 nor an Ed25519 cosigner.
    #[error("the key is of a kind that is not known: Ed25519 (1) or cosignature/v1 (4)")]
    Algorithm,
    /// The id is not that of name and key: one of them was altered.
    #[error("the key's id is not that of its name and key; one of them was altered")]
    Id,
}

/// Why a signing key's file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// It cannot be read or written, or others can read it.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is no signing key.
    #[error("{path} is no signing key: {source}")]
    NotAKey {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: NotAKey,
    },
}

/// The name of a key: of a log its origin, such as `ledger.example.vn/gallery`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyName(String);

impl KeyName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for KeyName {
    type Err = NotAKey;

    fn from_str(text: &str) -> Result<Self, NotAKey> {
        let is_name = (1..=NAME_BYTES_MAX).contains(&text.len())
            && !text.chars().any(|c| c.is_whitespace() || c.is_control() || c == '+');
        if is_name { Ok(Self(text.to_owned())) } else { Err(NotAKey::Name) }
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// What a key signs with; both are Ed25519 (RFC 8032).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// The note's text: of a log.
    Ed25519 = 1,
    /// The text and a time: of a witness (`cosignature/v1`).
    CosignatureV1 = 4,
}

impl Algorithm {
    fn from_byte(byte: u8) -> Option<Self> {
        [Self::Ed25519, Self::CosignatureV1].into_iter().find(|algorithm| *algorithm as u8 == byte)
    }
}

/// A public key with its name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VerifierKey {
    name: KeyName,
    algorithm: Algorithm,
    public: [u8; 32],
    id: [u8; 4],
}

impl VerifierKey {
    /// The key of this name.
    pub fn new(name: KeyName, algorithm: Algorithm, public: [u8; 32]) -> Self {
        let hashed = Sha256::new_with_prefix(name.as_str())
            .chain_update([b'\n', algorithm as u8])
            .chain_update(public)
            .finalize();
        Self { id: [hashed[0], hashed[1], hashed[2], hashed[3]], name, algorithm, public }
    }

    /// Its name.
    pub fn name(&self) -> &KeyName {
        &self.name
    }

    /// What it verifies.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Its id: names it among keys of one name, and is no proof of anything.
    pub fn id(&self) -> [u8; 4] {
        self.id
    }

    /// The Ed25519 public key.
    pub fn public(&self) -> &[u8; 32] {
        &self.public
    }

    pub(in crate::ledger) fn id_text(&self) -> String {
        hex::encode(&self.id)
    }

    /// Whether a signature says that it is of this key.
    pub fn is_named_by(&self, signature: &Signature) -> bool {
        signature.id == self.id && signature.name == self.name
    }

    /// Whether `signature` is this key's signature of a note's text: of [`Algorithm::Ed25519`] 64
    /// bytes over the text, of [`Algorithm::CosignatureV1`] 72 over time and text.
    pub fn verifies(&self, text: &str, signature: &[u8]) -> bool {
        match self.algorithm {
            Algorithm::Ed25519 => self.verifies_bytes(text.as_bytes(), signature),
            Algorithm::CosignatureV1 => crate::ledger::witness::verified_time(self, text, signature).is_some(),
        }
    }

    /// Whether `signature` is of these very bytes.
    pub(in crate::ledger) fn verifies_bytes(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.public).verify(message, signature).is_ok()
    }
}

impl FromStr for VerifierKey {
    type Err = NotAKey;

    fn from_str(text: &str) -> Result<Self, NotAKey> {
        let (name, id, algorithm, public) = parts(text)?;
        let key = Self::new(name, algorithm, public);
        if key.id_text() == id { Ok(key) } else { Err(NotAKey::Id) }
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let encoded = encoding::base64(&[&[self.algorithm as u8][..], &self.public].concat());
        write!(f, "{}+{}+{encoded}", self.name, self.id_text())
    }
}

impl fmt::Debug for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Name, id, algorithm and 32 bytes of a key's line. Base64 may have plus signs, too.
fn parts(text: &str) -> Result<(KeyName, &str, Algorithm, [u8; 32]), NotAKey> {
    let mut parts = text.splitn(3, '+');
    let (Some(name), Some(id), Some(encoded)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(NotAKey::Form);
    };
    let bytes = encoding::from_base64(encoded).ok_or(NotAKey::Form)?;
    let (algorithm, key) = bytes.split_first().ok_or(NotAKey::Form)?;
    let algorithm = Algorithm::from_byte(*algorithm).ok_or(NotAKey::Algorithm)?;
    let key = key.try_into().map_err(|_| NotAKey::Form)?;
    Ok((name.parse()?, id, algorithm, key))
}

/// A private key with its name. Never printed.
pub struct SigningKey {
    verifier: VerifierKey,
    pair: Ed25519KeyPair,
}

impl SigningKey {
    /// The key of this seed (RFC 8032, section 5.1.5).
    pub fn from_seed(name: KeyName, algorithm: Algorithm, seed: &[u8; 32]) -> Self {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).expect("a seed of 32 bytes");
        let public = pair.public_key().as_ref().try_into().expect("a public key of 32 bytes");
        Self { verifier: VerifierKey::new(name, algorithm, public), pair }
    }

    /// Makes a key that nobody has yet, in a file of its own that is not there yet, mode 0600.
    ///
    /// # Errors
    /// [`KeyError::Io`], [`io::ErrorKind::AlreadyExists`] where there is such a file.
    pub fn create(path: &Path, name: KeyName, algorithm: Algorithm) -> Result<Self, KeyError> {
        let failed = |source| KeyError::Io { path: path.to_owned(), source };
        let partial = Partial::create(path, Readers::Owner).map_err(failed)?;
        if path.symlink_metadata().is_ok() {
            let why = "it is there already; a new key takes a new file, as the old one is needed over the change";
            return Err(failed(io::Error::new(io::ErrorKind::AlreadyExists, why)));
        }
        let seed: [u8; 32] = random::secret().map_err(failed)?;
        let key = Self::from_seed(name, algorithm, &seed);
        let encoded = encoding::base64(&[&[algorithm as u8][..], &seed].concat());
        let line = format!("{PRIVATE}{}+{}+{encoded}\n", key.verifier.name, key.verifier.id_text());
        io::Write::write_all(&mut partial.file(), line.as_bytes()).map_err(failed)?;
        partial.keep().map_err(failed)?;
        private::sync_folder(path.parent().unwrap_or(Path::new("."))).map_err(failed)?;
        Ok(key)
    }

    /// Reads the key of a file that its owner alone can read.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        let bytes = private::read_secret(path, FILE_BYTES_MAX)
            .map_err(|source| KeyError::Io { path: path.to_owned(), source })?;
        let text = str::from_utf8(private::key_line(&bytes)).map_err(|_| NotAKey::Form);
        text.and_then(str::parse).map_err(|source| KeyError::NotAKey { path: path.to_owned(), source })
    }

    /// The public key.
    pub fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// Signs a note's text, as [`Algorithm::Ed25519`] does.
    pub(super) fn sign(&self, text: &str) -> Signature {
        self.signature(self.sign_bytes(text.as_bytes()).to_vec())
    }

    pub(in crate::ledger) fn sign_bytes(&self, message: &[u8]) -> [u8; 64] {
        self.pair.sign(message).as_ref().try_into().expect("a signature of 64 bytes")
    }

    /// The line of a signature that this key has made.
    pub(in crate::ledger) fn signature(&self, bytes: Vec<u8>) -> Signature {
        Signature { name: self.verifier.name.clone(), id: self.verifier.id, bytes }
    }
}

/// Reads the text of a signing key, as others' programs make them, too.
impl FromStr for SigningKey {
    type Err = NotAKey;

    fn from_str(text: &str) -> Result<Self, NotAKey> {
        let (name, id, algorithm, seed) = parts(text.strip_prefix(PRIVATE).ok_or(NotAKey::Form)?)?;
        let key = Self::from_seed(name, algorithm, &seed);
        if key.verifier.id_text() == id { Ok(key) } else { Err(NotAKey::Id) }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.verifier)
    }
}

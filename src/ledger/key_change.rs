//! Changes of the log's signing key: a note that both keys sign, and which key may sign a checkpoint
//! of which size.
//!
//! ```text
//! chinhchu.ledger/key-change/v1
//! <origin>
//! <size of the log at the change>
//! <verifier key until then>
//! <verifier key from then on>
//!
//! — <origin> <signature by the first>
//! — <origin> <signature by the second>
//! ```
//!
//! The checkpoint of that very size is signed by both. Checkpoints of smaller sizes are the first
//! key's, larger ones the second's: a key that was given up and stolen later signs nothing new. So
//! whoever knows a log's first key and has the notes of all changes knows every key of it.

use std::fmt;

use super::checkpoint::{Checkpoint, NotACheckpoint};
use super::encoding;
use super::note::{Algorithm, KeyName, NotVerified, Note, SigningKey, VerifierKey};

/// First line of a change's note; no log may be called so.
const HEADER: &str = "chinhchu.ledger/key-change/v1";

/// One change of keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyChange {
    /// How many entries the log had.
    pub size: u64,
    /// The key until then.
    pub before: VerifierKey,
    /// The key from then on.
    pub after: VerifierKey,
}

/// Why a note is no change of keys, or does not follow those before it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotAChange {
    /// It is not written as one.
    #[error("it is not written as a change of keys")]
    Form,
    /// The two keys are one, or are not both keys of this log.
    #[error("its keys are one, or not both keys of this log")]
    Keys,
    /// One of the two keys has not signed, or its signature does not hold.
    #[error("both keys must sign it: {0}")]
    Signatures(NotVerified),
    /// The log had another key, or the change does not come after the one before.
    #[error("it does not follow the changes before it: its first key is not the log's at {0} entries")]
    Order(u64),
}

impl KeyChange {
    fn text(&self) -> String {
        let (origin, size) = (self.before.name(), self.size);
        format!("{HEADER}\n{origin}\n{size}\n{}\n{}\n", self.before, self.after)
    }

    /// The note of a change at `size` entries, signed by both.
    ///
    /// # Errors
    /// [`NotAChange::Keys`].
    pub fn sign(size: u64, before: &SigningKey, after: &SigningKey) -> Result<Note, NotAChange> {
        let change = Self { size, before: before.verifier().clone(), after: after.verifier().clone() };
        change.check_keys()?;
        Note::sign(&change.text(), &[before, after]).ok_or(NotAChange::Form)
    }

    /// Reads and verifies the note of a change, strictly.
    ///
    /// # Errors
    /// [`NotAChange`], but for [`NotAChange::Order`].
    pub fn verify(note: &Note) -> Result<Self, NotAChange> {
        let lines: Vec<&str> = note.text().lines().collect();
        let [HEADER, origin, size, before, after] = lines[..] else { return Err(NotAChange::Form) };
        let parsed =
            || Some(Self { size: encoding::decimal(size)?, before: before.parse().ok()?, after: after.parse().ok()? });
        let change = parsed().ok_or(NotAChange::Form)?;
        change.check_keys()?;
        if change.before.name().as_str() != origin || change.text() != note.text() {
            return Err(NotAChange::Form);
        }
        match note.verify(&[&change.before, &change.after]) {
            Ok(signers) if signers.len() == 2 => Ok(change),
            Ok(_) => Err(NotAChange::Signatures(NotVerified::Unsigned)),
            Err(error) => Err(NotAChange::Signatures(error)),
        }
    }

    fn check_keys(&self) -> Result<(), NotAChange> {
        let are_logs = [&self.before, &self.after].iter().all(|key| is_a_logs(key));
        let is_change = self.before.public() != self.after.public() && self.before.name() == self.after.name();
        if are_logs && is_change { Ok(()) } else { Err(NotAChange::Keys) }
    }
}

fn is_a_logs(key: &VerifierKey) -> bool {
    key.algorithm() == Algorithm::Ed25519 && key.name().as_str() != HEADER
}

/// The keys of one log from its first on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogKeys {
    /// Each with the size from which on it signs; the first from 0.
    keys: Vec<(u64, VerifierKey)>,
}

/// Why a checkpoint is not to be believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotSigned {
    /// It is no checkpoint.
    #[error("it is no checkpoint: {0}")]
    NotACheckpoint(#[from] NotACheckpoint),
    /// It is another log's.
    #[error("it is of {found}, not of {expected}")]
    OtherLog {
        /// Which log it is of.
        found: KeyName,
        /// Which log it should be of.
        expected: KeyName,
    },
    /// A key of the log did not sign it, or its signature does not hold.
    #[error(transparent)]
    NotVerified(#[from] NotVerified),
    /// A key signed that was not the log's key at that size, and the one that was did not.
    #[error("at {size} entries it must be signed by {name} ({id})")]
    OtherKey {
        /// The checkpoint's size.
        size: u64,
        /// Name of the key that must sign.
        name: KeyName,
        /// Its id, in hexadecimal.
        id: String,
    },
}

/// A key that is no log's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a log's key is an Ed25519 key that bears the log's origin as its name")]
pub struct NotALogsKey;

/// Why a first key and changes are not the keys of a log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotLogKeys {
    /// The first key is no log's.
    #[error(transparent)]
    First(#[from] NotALogsKey),
    /// A change is none, or does not follow those before it.
    #[error(transparent)]
    Change(#[from] NotAChange),
}

impl LogKeys {
    /// The keys of a log whose first key this is, and which has changed it nowhere.
    ///
    /// # Errors
    /// [`NotALogsKey`] for a witness's key.
    pub fn new(first: VerifierKey) -> Result<Self, NotALogsKey> {
        if is_a_logs(&first) { Ok(Self { keys: vec![(0, first)] }) } else { Err(NotALogsKey) }
    }

    /// The keys of a log after these changes, oldest first.
    ///
    /// # Errors
    /// [`NotLogKeys`].
    pub fn after<'n>(first: VerifierKey, changes: impl IntoIterator<Item = &'n Note>) -> Result<Self, NotLogKeys> {
        let mut keys = Self::new(first)?;
        changes.into_iter().try_for_each(|change| keys.change(change))?;
        Ok(keys)
    }

    /// The keys after one more change.
    ///
    /// # Errors
    /// [`NotAChange`]; the keys are as they were.
    pub fn change(&mut self, note: &Note) -> Result<(), NotAChange> {
        let change = KeyChange::verify(note)?;
        let (since, current) = self.newest();
        let is_first = self.keys.len() == 1;
        let follows = current == &change.before && (change.size > *since || (is_first && change.size == 0));
        let is_new = self.keys.iter().all(|(_, key)| key.public() != change.after.public());
        if !follows || !is_new {
            return Err(NotAChange::Order(change.size));
        }
        self.keys.push((change.size, change.after));
        Ok(())
    }

    /// Name of the log.
    pub fn origin(&self) -> &KeyName {
        self.keys[0].1.name()
    }

    /// The key that signs now.
    pub fn current(&self) -> &VerifierKey {
        &self.newest().1
    }

    fn newest(&self) -> &(u64, VerifierKey) {
        self.keys.last().expect("the first key")
    }

    /// Every key it has had, the first first.
    pub fn all(&self) -> impl Iterator<Item = &VerifierKey> {
        self.keys.iter().map(|(_, key)| key)
    }

    /// Whether this is one of them.
    pub fn contains(&self, key: &VerifierKey) -> bool {
        self.all().any(|one| one == key)
    }

    /// The keys that must have signed a checkpoint of this size: one, or both at a change.
    pub fn at(&self, size: u64) -> impl Iterator<Item = &VerifierKey> {
        let ends = self.keys.iter().skip(1).map(|(since, _)| *since).chain([u64::MAX]);
        self.keys
            .iter()
            .zip(ends)
            .filter(move |((since, _), end)| (*since..=*end).contains(&size))
            .map(|((_, key), _)| key)
    }

    /// Verifies a checkpoint and reads it.
    ///
    /// # Errors
    /// [`NotSigned`].
    pub fn verify(&self, note: &Note) -> Result<Checkpoint, NotSigned> {
        let checkpoint = Checkpoint::parse(note.text())?;
        if checkpoint.origin != *self.origin() {
            return Err(NotSigned::OtherLog { found: checkpoint.origin, expected: self.origin().clone() });
        }
        let known: Vec<&VerifierKey> = self.keys.iter().map(|(_, key)| key).collect();
        let signers = note.verify(&known)?;
        match self.at(checkpoint.size).find(|key| !signers.contains(key)) {
            None => Ok(checkpoint),
            Some(key) => {
                let (name, id) = (key.name().clone(), key.id_text());
                Err(NotSigned::OtherKey { size: checkpoint.size, name, id })
            }
        }
    }
}

/// Each key with the size from which on it signs.
impl fmt::Display for LogKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<_> = self.keys.iter().map(|(since, key)| format!("from {since} entries on: {key}")).collect();
        f.write_str(&lines.join("\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::hash::Hash;

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_seed("example.vn/log".parse().unwrap(), Algorithm::Ed25519, &[seed; 32])
    }

    fn keys() -> LogKeys {
        LogKeys::new(key(1).verifier().clone()).unwrap()
    }

    fn checkpoint(size: u64, signers: &[u8]) -> Note {
        let root = Hash::leaf(&size.to_be_bytes());
        let origin = "example.vn/log".parse().unwrap();
        let keys: Vec<SigningKey> = signers.iter().map(|seed| key(*seed)).collect();
        let checkpoint = Checkpoint { origin, size, root, extensions: Vec::new() };
        checkpoint.sign(&keys.iter().collect::<Vec<_>>()).unwrap()
    }

    fn changed() -> LogKeys {
        let mut keys = keys();
        keys.change(&KeyChange::sign(100, &key(1), &key(2)).unwrap()).unwrap();
        keys.change(&KeyChange::sign(200, &key(2), &key(3)).unwrap()).unwrap();
        keys
    }

    #[test]
    fn each_key_signs_its_time_and_both_sign_the_change() {
        let keys = changed();
        for (size, signers) in [
            (0, &[1][..]),
            (99, &[1]),
            (100, &[1, 2]),
            (101, &[2]),
            (199, &[2]),
            (200, &[2, 3]),
            (201, &[3]),
            (150, &[1, 2]),
        ] {
            assert_eq!(
                keys.verify(&checkpoint(size, signers)).map(|read| read.size),
                Ok(size),
                "{size} by {signers:?}"
            );
        }
        // A key that was given up, or is not in force yet, signs nothing alone.
        for (size, signers) in [(0, &[2][..]), (100, &[1]), (100, &[2]), (101, &[1]), (300, &[1, 2]), (199, &[3])] {
            let told = keys.verify(&checkpoint(size, signers));
            assert!(matches!(told, Err(NotSigned::OtherKey { .. })), "{size} by {signers:?}: {told:?}");
        }
        assert_eq!(keys.verify(&checkpoint(5, &[9])), Err(NotSigned::NotVerified(NotVerified::Unsigned)));
        assert_eq!(keys.current(), key(3).verifier());
    }

    #[test]
    fn another_logs_checkpoint_and_what_is_none_are_told() {
        let other = SigningKey::from_seed("example.vn/other".parse().unwrap(), Algorithm::Ed25519, &[1; 32]);
        let origin = "example.vn/other".parse().unwrap();
        let note = Checkpoint { origin, size: 1, root: Hash::EMPTY, extensions: Vec::new() }.sign(&[&other]).unwrap();
        assert!(matches!(keys().verify(&note), Err(NotSigned::OtherLog { .. })));
        let note = KeyChange::sign(1, &key(1), &key(2)).unwrap();
        assert!(matches!(keys().verify(&note), Err(NotSigned::NotACheckpoint(_))));
    }

    #[test]
    fn a_change_takes_both_keys() {
        let text = KeyChange::sign(100, &key(1), &key(2)).unwrap().text().to_owned();
        for signers in [&[1][..], &[2], &[1, 3]] {
            let held: Vec<SigningKey> = signers.iter().map(|seed| key(*seed)).collect();
            let note = Note::sign(&text, &held.iter().collect::<Vec<_>>()).unwrap();
            assert!(matches!(keys().change(&note), Err(NotAChange::Signatures(_))), "{signers:?}");
        }
    }

    #[test]
    fn changes_follow_one_another_and_no_key_comes_back() {
        let mut keys = changed();
        let before = keys.clone();
        let change =
            |keys: &mut LogKeys, size, from, to| keys.change(&KeyChange::sign(size, &key(from), &key(to)).unwrap());
        assert_eq!(change(&mut keys, 300, 1, 4), Err(NotAChange::Order(300)), "not the current key");
        assert_eq!(change(&mut keys, 200, 3, 4), Err(NotAChange::Order(200)), "not after the last change");
        assert_eq!(change(&mut keys, 300, 3, 1), Err(NotAChange::Order(300)), "a key that was given up");
        assert_eq!(keys, before);
        assert_eq!(change(&mut keys, 300, 3, 4), Ok(()));
    }

    #[test]
    fn what_is_no_change_is_refused() {
        let witness = SigningKey::from_seed("example.vn/log".parse().unwrap(), Algorithm::CosignatureV1, &[2; 32]);
        let other = SigningKey::from_seed("example.vn/other".parse().unwrap(), Algorithm::Ed25519, &[2; 32]);
        for after in [&witness, &other, &key(1)] {
            assert_eq!(KeyChange::sign(1, &key(1), after), Err(NotAChange::Keys));
        }
        assert_eq!(LogKeys::new(witness.verifier().clone()), Err(NotALogsKey));
        let good = KeyChange::sign(100, &key(1), &key(2)).unwrap().text().to_owned();
        for text in [
            good.replace("v1", "v2"),
            good.replace("\n100\n", "\n0100\n"),
            good.clone() + "more\n",
            good.replacen("example.vn/log\n", "example.vn/lag\n", 1),
        ] {
            let note = Note::sign(&text, &[&key(1), &key(2)]).unwrap();
            assert_eq!(KeyChange::verify(&note), Err(NotAChange::Form), "{text}");
        }
    }
}

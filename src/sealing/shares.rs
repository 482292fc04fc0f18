//! The master key in shares for custodians: any `threshold` of them restore it, and fewer say nothing
//! of it (Shamir, "How to share a secret", 1979; over GF(256), byte by byte, by the crate `blahaj`).
//! A share is one line:
//!
//! ```text
//! chinhchu-key-share-v1:KEY_ID:NUMBER:THRESHOLD:base64url(export of 4 bytes || share of 32 || check of 6)
//! check: SHA-256 of "chinhchu key share check v1", the line up to the last colon, export and share;
//!        the first six bytes
//! ```
//!
//! Shares of two exports of one key do not go together; `export`, random bytes, tells them apart.

#![forbid(unsafe_code)]

use std::fmt;
use std::path::Path;

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{KeyId, MasterKey, Secret, line, master};
use crate::{hex, private};

pub(super) const PREFIX: &str = "chinhchu-key-share-v1:";
/// Most shares of a key.
pub const SHARES_MAX: u8 = 16;
/// One share alone would be the key.
const THRESHOLD_MIN: u8 = 2;
const EXPORT_BYTES: usize = 4;
const CHECK_BYTES: usize = 6;
const PAYLOAD_BYTES: usize = EXPORT_BYTES + Secret::BYTES + CHECK_BYTES;

/// One custodian's share. `Debug` hides what is secret of it.
#[derive(Clone)]
pub struct Share {
    key: KeyId,
    /// From 1.
    number: u8,
    threshold: u8,
    export: [u8; EXPORT_BYTES],
    value: Secret,
}

/// Why a key is not split.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotSplit {
    /// Numbers that make no sense, or more shares than anybody keeps.
    #[error(
        "a key is split into 2 to {SHARES_MAX} shares, of which 2 or more restore it, at most all; not {threshold} of {shares}"
    )]
    Counts {
        /// How many shares were asked for.
        shares: u8,
        /// How many of them should restore the key.
        threshold: u8,
    },
    /// The system has no random numbers.
    #[error("no shares can be made: {0}")]
    Random(#[from] std::io::Error),
    /// A split that does not restore the key is never handed out.
    #[error("the shares that were made do not restore the key; this is a defect of chinhchu: hand out none of them")]
    Untrue,
}

/// Why a line is no share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotAShare {
    /// Another file.
    #[error("it is no share, which is one line that begins with {PREFIX}; name the right one")]
    Form,
    /// The whole key.
    #[error("it is a master key itself, and no share of one: nothing is to be restored")]
    MasterKey,
    /// Cut, mistyped or damaged.
    #[error("the share is cut, damaged or mistyped: its check bytes do not fit; take it from the custodian's copy")]
    Check,
}

/// Why shares do not restore a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotRestored {
    /// No share at all.
    #[error("no share is given")]
    None,
    /// Fewer than it takes.
    #[error("{given} shares are too few: it takes {threshold} to restore the key {key}; ask more custodians")]
    TooFew {
        /// How many there are.
        given: usize,
        /// How many it takes.
        threshold: u8,
        /// Of which key.
        key: KeyId,
    },
    /// Shares of two keys.
    #[error("shares {0} and {1} on the list are of different keys, {2} and {3}; leave out those of the wrong one")]
    OtherKey(usize, usize, KeyId, KeyId),
    /// Shares of one key that was split twice.
    #[error(
        "shares {0} and {1} on the list are of different exports of one key, which do not go together; take those of one"
    )]
    OtherExport(usize, usize),
    /// One share twice.
    #[error("shares {0} and {1} on the list are the same one, number {2}; it counts once")]
    Twice(usize, usize, u8),
    /// The key that comes out is another one.
    #[error("the shares do not restore the key {0}; one of them was altered")]
    Untrue(KeyId),
}

impl Share {
    /// The share of a line; white space and line breaks around it, and a byte order mark, are passed over.
    ///
    /// # Errors
    /// [`NotAShare`].
    pub fn parse(bytes: &[u8]) -> Result<Self, NotAShare> {
        let line = private::key_line(bytes);
        if line.len() > line::BYTES_MAX {
            return Err(NotAShare::Form);
        }
        let Some(rest) = line.strip_prefix(PREFIX.as_bytes()) else {
            return Err(match MasterKey::parse(line) {
                Ok(_) => NotAShare::MasterKey,
                Err(_) => NotAShare::Form,
            });
        };
        Self::of_parts(rest).ok_or(NotAShare::Check)
    }

    fn of_parts(rest: &[u8]) -> Option<Self> {
        let parts: Vec<&[u8]> = rest.split(|&byte| byte == b':').collect();
        let [key, number, threshold, payload] = parts[..] else { return None };
        let payload = line::decoded::<PAYLOAD_BYTES>(payload)?;
        let (export, secret) = payload.split_first_chunk()?;
        let (value, check) = secret.split_first_chunk()?;
        let share = Self {
            key: KeyId(hex::decode_array(key)?),
            number: count(number, 1)?,
            threshold: count(threshold, THRESHOLD_MIN)?,
            export: *export,
            value: Secret::copied(value),
        };
        // The head in its one spelling: capital digits of the id are none of ours.
        let is_as_written =
            share.head().as_bytes().strip_prefix(PREFIX.as_bytes()) == rest.get(..share.head().len() - PREFIX.len());
        (is_as_written && share.check() == *check).then_some(share)
    }

    fn head(&self) -> String {
        format!("{PREFIX}{}:{}:{}:", self.key, self.number, self.threshold)
    }

    fn check(&self) -> [u8; CHECK_BYTES] {
        let mut digest = Sha256::new();
        digest.update(b"chinhchu key share check v1");
        digest.update(self.head());
        digest.update(self.export);
        digest.update(self.value.bytes());
        let digest: [u8; 32] = digest.finalize().into();
        let mut check = [0; CHECK_BYTES];
        check.copy_from_slice(&digest[..CHECK_BYTES]);
        check
    }

    /// The line that it is written as.
    pub fn line(&self) -> Zeroizing<String> {
        let mut payload = Zeroizing::new([0; PAYLOAD_BYTES]);
        payload[..EXPORT_BYTES].copy_from_slice(&self.export);
        payload[EXPORT_BYTES..][..Secret::BYTES].copy_from_slice(self.value.bytes());
        payload[EXPORT_BYTES + Secret::BYTES..].copy_from_slice(&self.check());
        line::written(&self.head(), payload.as_slice())
    }

    /// Writes it to a file of its own, which its owner alone can read; never over another.
    ///
    /// # Errors
    /// As [`MasterKey::write_new`].
    pub fn write_new(&self, path: &Path) -> std::io::Result<()> {
        master::write_new(path, &self.line())
    }

    /// Of which key it is.
    pub fn key(&self) -> KeyId {
        self.key
    }

    /// Its number, from 1.
    pub fn number(&self) -> u8 {
        self.number
    }

    /// How many restore the key.
    pub fn threshold(&self) -> u8 {
        self.threshold
    }
}

impl fmt::Debug for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Share({} of {}, any {})", self.number, self.key, self.threshold)
    }
}

/// A decimal number from `least` to [`SHARES_MAX`] without leading zeros.
fn count(digits: &[u8], least: u8) -> Option<u8> {
    let number: u8 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    (number.to_string().as_bytes() == digits && (least..=SHARES_MAX).contains(&number)).then_some(number)
}

/// Splits a key into shares, any `threshold` of which restore it.
///
/// # Errors
/// [`NotSplit`].
pub fn split(key: &MasterKey, shares: u8, threshold: u8) -> Result<Vec<Share>, NotSplit> {
    if !(THRESHOLD_MIN..=SHARES_MAX).contains(&shares) || !(THRESHOLD_MIN..=shares).contains(&threshold) {
        return Err(NotSplit::Counts { shares, threshold });
    }
    let mut export = [0; EXPORT_BYTES];
    getrandom::fill(&mut export).map_err(std::io::Error::other)?;
    let dealt = blahaj::Sharks(threshold).dealer(key.secret().bytes()).take(usize::from(shares));
    let made: Vec<Share> = dealt
        .map(|dealt| {
            let bytes = Zeroizing::new(Vec::from(&dealt));
            let (number, value) = bytes.split_first().expect("a share has a number");
            let value = value.try_into().expect("as long as the key");
            Share { key: key.id(), number: *number, threshold, export, value: Secret::copied(value) }
        })
        .collect();
    // The first and the last of them, so that every share was used: what cannot be put together again
    // must not be trusted with the only key.
    let k = usize::from(threshold);
    for some in [&made[..k], &made[made.len() - k..]] {
        if !restore(some).is_ok_and(|restored| restored.secret().bytes() == key.secret().bytes()) {
            return Err(NotSplit::Untrue);
        }
    }
    Ok(made)
}

/// Puts a key together of its shares. More than it takes are fine, if they agree.
///
/// # Errors
/// [`NotRestored`]; numbers in it are positions among `shares`, from 1.
pub fn restore(shares: &[Share]) -> Result<MasterKey, NotRestored> {
    let first = shares.first().ok_or(NotRestored::None)?;
    for (at, share) in shares.iter().enumerate() {
        if share.key != first.key {
            return Err(NotRestored::OtherKey(1, at + 1, first.key, share.key));
        }
        if (share.export, share.threshold) != (first.export, first.threshold) {
            return Err(NotRestored::OtherExport(1, at + 1));
        }
        if let Some(before) = shares[..at].iter().position(|before| before.number == share.number) {
            return Err(NotRestored::Twice(before + 1, at + 1, share.number));
        }
    }
    if shares.len() < usize::from(first.threshold) {
        return Err(NotRestored::TooFew { given: shares.len(), threshold: first.threshold, key: first.key });
    }
    let dealt: Vec<blahaj::Share> = shares
        .iter()
        .map(|share| {
            let mut bytes = Zeroizing::new([0; Secret::BYTES + 1]);
            bytes[0] = share.number;
            bytes[1..].copy_from_slice(share.value.bytes());
            blahaj::Share::try_from(bytes.as_slice()).expect("longer than two bytes")
        })
        .collect();
    let untrue = NotRestored::Untrue(first.key);
    let restored = Zeroizing::new(blahaj::Sharks(first.threshold).recover(&dealt).map_err(|_| untrue)?);
    let restored = restored.as_slice().try_into().map_err(|_| untrue)?;
    let key = MasterKey::new(Secret::copied(restored));
    (key.id() == first.key).then_some(key).ok_or(untrue)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(byte: u8) -> MasterKey {
        MasterKey::new(Secret::copied(&[byte; 32]))
    }

    fn pick(shares: &[Share], numbers: &[usize]) -> Vec<Share> {
        numbers.iter().map(|&number| shares[number - 1].clone()).collect()
    }

    #[test]
    fn a_key_is_restored_from_any_shares_that_are_enough_and_from_no_fewer() {
        let shares = split(&key(5), 5, 3).unwrap();
        for a in 1..=5 {
            for b in (1..=5).filter(|&b| b != a) {
                let two = restore(&pick(&shares, &[a, b])).unwrap_err();
                assert_eq!(two, NotRestored::TooFew { given: 2, threshold: 3, key: key(5).id() });
                for c in (1..=5).filter(|&c| c != a && c != b) {
                    let restored = restore(&pick(&shares, &[a, b, c])).unwrap();
                    assert_eq!(restored.secret().bytes(), &[5; 32]);
                }
            }
        }
        assert_eq!(restore(&shares).unwrap().id(), key(5).id(), "more than it takes");
    }

    #[test]
    fn shares_that_do_not_go_together_are_told_by_what_is_wrong() {
        let (one, other, again) =
            (split(&key(1), 3, 2).unwrap(), split(&key(2), 3, 2).unwrap(), split(&key(1), 3, 2).unwrap());
        let mixed = |a: &[Share], b: &[Share]| restore(&[a[0].clone(), b[1].clone()]).unwrap_err();
        assert_eq!(mixed(&one, &other), NotRestored::OtherKey(1, 2, key(1).id(), key(2).id()));
        assert_eq!(mixed(&one, &again), NotRestored::OtherExport(1, 2));
        assert_eq!(restore(&pick(&one, &[1, 3, 1])).unwrap_err(), NotRestored::Twice(1, 3, 1));
        assert_eq!(restore(&[]).unwrap_err(), NotRestored::None);
        // Somebody made a share up, check bytes and all.
        let made_up = Share { value: Secret::copied(&[9; 32]), ..one[1].clone() };
        let made_up = Share::parse(made_up.line().as_bytes()).unwrap();
        assert_eq!(restore(&[one[0].clone(), made_up]).unwrap_err(), NotRestored::Untrue(key(1).id()));
    }

    #[test]
    fn only_two_to_sixteen_shares_are_made_and_no_one_alone_is_the_key() {
        for (shares, threshold) in [(2, 2), (16, 2), (16, 16)] {
            assert_eq!(split(&key(1), shares, threshold).unwrap().len(), usize::from(shares));
        }
        for (shares, threshold) in [(1, 1), (2, 1), (3, 4), (17, 2), (0, 0), (255, 255)] {
            assert!(
                matches!(split(&key(1), shares, threshold), Err(NotSplit::Counts { .. })),
                "{threshold} of {shares}"
            );
        }
        // Of two equal splits no share is the same: they are random.
        let (a, b) = (split(&key(1), 2, 2).unwrap(), split(&key(1), 2, 2).unwrap());
        assert_ne!(a[0].value.bytes(), b[0].value.bytes());
        assert!(a.iter().all(|share| share.value.bytes() != &[1; 32]));
    }

    #[test]
    fn a_damaged_share_is_an_error_wherever_it_is_damaged() {
        let share = split(&key(3), 12, 11).unwrap().remove(9);
        let line = share.line();
        let line = line.trim_end().as_bytes();
        for at in 0..line.len() {
            assert!(Share::parse(&line[..at]).is_err(), "cut at {at}");
            for flip in [1, 2, 4, 0x20] {
                let mut damaged = line.to_vec();
                damaged[at] ^= flip;
                assert!(Share::parse(&damaged).is_err(), "bit {flip} of {at}");
            }
        }
        for (wrong, error) in [
            ("", NotAShare::Form),
            (&*key(3).line(), NotAShare::MasterKey),
            ("chinhchu-key-share-v1:", NotAShare::Check),
            (&format!("{}\nx", &*share.line()), NotAShare::Check),
        ] {
            assert_eq!(Share::parse(wrong.as_bytes()).unwrap_err(), error, "{wrong:?}");
        }
        assert_eq!(format!("{share:?}"), format!("Share(10 of {}, any 11)", key(3).id()));
    }

    /// Custodians keep shares on other systems, and print, scan and mail them.
    #[test]
    fn what_other_systems_put_around_a_share_does_not_damage_it() {
        let share = split(&key(3), 3, 2).unwrap().remove(1);
        let line = share.line();
        let line = line.trim_end();
        for (before, after) in [("", ""), ("", "\r\n"), ("", "\n\n\n"), ("\u{feff}", "\r\n"), ("  ", "\t")] {
            let read = Share::parse(format!("{before}{line}{after}").as_bytes()).unwrap();
            assert_eq!((read.number(), read.line()), (2, share.line()), "{before:?} {after:?}");
        }
    }

    /// Shares that lie in safes for years are read for ever. These were made by another program (Python,
    /// from the format and the polynomial x⁸ + x⁴ + x³ + x² + 1).
    #[test]
    fn shares_that_were_handed_out_are_read_for_ever() {
        let lines = [
            "chinhchu-key-share-v1:b594b69361fb6164:3:2:AQIDBBPQPPVKUA3Ye9t5nqTdzI4aa5s1_yW6_DO66oyte4LSSGc48QPy",
            "chinhchu-key-share-v1:b594b69361fb6164:16:2:AQIDBMejgYWQ-2codjidJFkY6C-3fRTx5fr59dH53sQpdm9IW3xJtQv6",
        ];
        let shares: Vec<Share> = lines.iter().map(|line| Share::parse(line.as_bytes()).unwrap()).collect();
        assert_eq!(restore(&shares).unwrap().secret().bytes(), &[7; 32]);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_and_what_is_read_was_written_so(
            bytes: [u8; 32], shares in 2u8..=16, threshold in 2u8..=16, junk in prop::collection::vec(any::<u8>(), 0..150),
        ) {
            let key = MasterKey::new(Secret::copied(&bytes));
            let made = split(&key, shares, threshold.min(shares)).unwrap();
            let read: Vec<Share> = made.iter().map(|share| Share::parse(share.line().as_bytes()).unwrap()).collect();
            prop_assert_eq!(read.iter().map(|share| share.line()).collect::<Vec<_>>(), made.iter().map(|share| share.line()).collect::<Vec<_>>());
            let k = usize::from(threshold.min(shares));
            let restored = restore(&read[..k]).unwrap();
            prop_assert_eq!(restored.secret().bytes(), &bytes);
            prop_assert!(Share::parse(&junk).is_err());
            prop_assert!(Share::parse(&[PREFIX.as_bytes(), &junk].concat()).is_err());
        }
    }
}

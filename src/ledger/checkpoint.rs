//! Checkpoints (C2SP `tlog-checkpoint`): which log, how many entries, which root, signed by the log.
//!
//! ```text
//! <origin>
//! <size>
//! <root in base64>
//! [<extension line>…]
//!
//! — <origin> <signature>
//! ```

use std::fmt;

use super::encoding;
use super::hash::Hash;
use super::note::{KeyName, Note, SigningKey};

/// Most extension lines that are read.
const EXTENSIONS_MAX: usize = 16;

/// What a checkpoint says of a log at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log: the name of its keys.
    pub origin: KeyName,
    /// How many entries it has.
    pub size: u64,
    /// The root of the tree over them.
    pub root: Hash,
    /// Lines after these, which nobody but the log answers for. This program writes none.
    pub extensions: Vec<String>,
}

/// A note whose text is no checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotACheckpoint {
    /// The first line is no origin.
    #[error("its first line is no origin, or one with spaces or a plus")]
    Origin,
    /// The second line is no size.
    #[error("its second line is no size")]
    Size,
    /// The third line is no root.
    #[error("its third line is no root")]
    Root,
    /// An extension line is empty, or there are too many.
    #[error("it has an empty line, or too many after the root")]
    Extensions,
}

/// Why a checkpoint cannot be signed: it would be read by nobody, or the key is another log's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CannotSign {
    /// There is no key, or one whose name is not the origin.
    #[error("a checkpoint is signed by keys that bear the log's origin as their name, at least one")]
    OtherName,
    /// It has lines that no checkpoint has.
    #[error("the checkpoint {0}")]
    Checkpoint(#[from] NotACheckpoint),
}

impl Checkpoint {
    /// The text that is signed.
    pub fn text(&self) -> String {
        let head = format!("{}\n{}\n{}\n", self.origin, self.size, self.root.to_base64());
        self.extensions.iter().fold(head, |text, line| text + line + "\n")
    }

    /// Reads the text of a note, strictly: [`Checkpoint::text`] gives the same bytes again.
    ///
    /// # Errors
    /// [`NotACheckpoint`].
    pub fn parse(text: &str) -> Result<Self, NotACheckpoint> {
        let mut lines = text.strip_suffix('\n').ok_or(NotACheckpoint::Extensions)?.split('\n');
        let origin = lines.next().and_then(|line| line.parse().ok()).ok_or(NotACheckpoint::Origin)?;
        let size = lines.next().and_then(encoding::decimal).ok_or(NotACheckpoint::Size)?;
        let root = lines.next().and_then(Hash::from_base64).ok_or(NotACheckpoint::Root)?;
        let extensions: Vec<String> = lines.map(str::to_owned).collect();
        let is_read = extensions.len() <= EXTENSIONS_MAX && !extensions.iter().any(String::is_empty);
        if is_read { Ok(Self { origin, size, root, extensions }) } else { Err(NotACheckpoint::Extensions) }
    }

    /// Signs it: by one key, or over a change of keys by both.
    ///
    /// # Errors
    /// [`CannotSign`].
    pub fn sign(&self, keys: &[&SigningKey]) -> Result<Note, CannotSign> {
        let text = self.text();
        if Self::parse(&text)? != *self {
            return Err(NotACheckpoint::Extensions.into());
        }
        let is_own = keys.iter().all(|key| *key.verifier().name() == self.origin);
        Note::sign(&text, keys).filter(|_| is_own).ok_or(CannotSign::OtherName)
    }
}

/// Size and root, for messages.
impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {} entries, root {}", self.origin, self.size, self.root)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::note::{Algorithm, NotVerified, VerifierKey};

    /// The example of the specification.
    const EXAMPLE: &str = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";

    fn key(seed: u8, name: &str) -> SigningKey {
        SigningKey::from_seed(name.parse().unwrap(), Algorithm::Ed25519, &[seed; 32])
    }

    #[test]
    fn the_specifications_example_is_read_and_written() {
        let checkpoint = Checkpoint::parse(EXAMPLE).unwrap();
        assert_eq!((checkpoint.origin.as_str(), checkpoint.size), ("example.com/behind-the-sofa", 20_852_163));
        assert_eq!(checkpoint.text(), EXAMPLE);
        let signed = format!(
            "{EXAMPLE}\n\u{2014} example.com/behind-the-sofa \
             Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
        );
        let note = Note::parse(signed.as_bytes()).unwrap();
        assert_eq!(Checkpoint::parse(note.text()), Ok(checkpoint));
        assert_eq!(note.to_string(), signed);
    }

    #[test]
    fn lines_that_come_after_the_root_are_signed_and_kept() {
        let text = format!("{EXAMPLE}one line\nother line\n");
        let checkpoint = Checkpoint::parse(&text).unwrap();
        assert_eq!(checkpoint.extensions, ["one line", "other line"]);
        assert_eq!(checkpoint.text(), text);
        let note = checkpoint.sign(&[&key(1, "example.com/behind-the-sofa")]).unwrap();
        assert_eq!(note.text(), text);
    }

    #[test]
    fn a_checkpoint_has_one_spelling() {
        let root = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=";
        for (text, error) in [
            (String::new(), NotACheckpoint::Extensions),
            (format!("log\n1\n{root}"), NotACheckpoint::Extensions),
            (format!("\n1\n{root}\n"), NotACheckpoint::Origin),
            (format!("a log\n1\n{root}\n"), NotACheckpoint::Origin),
            (format!("log\n01\n{root}\n"), NotACheckpoint::Size),
            (format!("log\n-1\n{root}\n"), NotACheckpoint::Size),
            (format!("log\n9223372036854775808\n{root}\n"), NotACheckpoint::Size),
            ("log\n1\n".to_owned(), NotACheckpoint::Root),
            ("log\n1\nAAAA\n".to_owned(), NotACheckpoint::Root),
            (format!("log\n1\n{}\n", root.trim_end_matches('=')), NotACheckpoint::Root),
            (format!("log\n1\n{root}\n\nline\n"), NotACheckpoint::Extensions),
            (format!("log\n1\n{root}\n{}", "line\n".repeat(17)), NotACheckpoint::Extensions),
        ] {
            assert_eq!(Checkpoint::parse(&text), Err(error), "{text:?}");
        }
    }

    #[test]
    fn both_keys_sign_over_a_change_and_whoever_knows_either_believes_it() {
        let checkpoint = Checkpoint { size: 9, ..Checkpoint::parse(EXAMPLE).unwrap() };
        let (old, new) = (key(1, "example.com/behind-the-sofa"), key(2, "example.com/behind-the-sofa"));
        let note = checkpoint.sign(&[&old, &new]).unwrap();
        let (old, new) = (old.verifier(), new.verifier());
        assert_eq!(note.verify(&[old]), Ok(vec![old]));
        assert_eq!(note.verify(&[new]), Ok(vec![new]));
        assert_eq!(note.verify(&[old, new]), Ok(vec![old, new]));
        let stranger = VerifierKey::new(checkpoint.origin.clone(), Algorithm::Ed25519, [7; 32]);
        assert_eq!(note.verify(&[&stranger]), Err(NotVerified::Unsigned));
    }

    #[test]
    fn another_logs_key_signs_nothing_and_neither_does_none() {
        let checkpoint = Checkpoint::parse(EXAMPLE).unwrap();
        assert_eq!(checkpoint.sign(&[&key(1, "example.com/other")]), Err(CannotSign::OtherName));
        assert_eq!(checkpoint.sign(&[]), Err(CannotSign::OtherName));
        let odd = Checkpoint { extensions: vec!["two\nlines".to_owned()], ..checkpoint };
        assert!(matches!(odd.sign(&[&key(1, "example.com/behind-the-sofa")]), Err(CannotSign::Checkpoint(_))));
    }
}

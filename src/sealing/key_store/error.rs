//! Why a key store cannot be used.

use std::io;
use std::path::{Path, PathBuf};

use super::head::Head;
use crate::sealing::KeyId;

/// Why a key store cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyStoreError {
    /// There is none.
    #[error(
        "there is no key store at {0}; without it nothing that was sealed can be opened: check sealing.key_store, or put it back from its copy"
    )]
    NotThere(PathBuf),
    /// Another program has it open.
    #[error("the key store {0} is in use by another program")]
    InUse(PathBuf),
    /// It is sealed under another master key than those given.
    #[error("the key store {path} is sealed under master key {needed}, and {given} was given; nothing was opened")]
    OtherMaster {
        /// Where it is.
        path: PathBuf,
        /// Under which it is sealed.
        needed: KeyId,
        /// The newest of those given.
        given: KeyId,
    },
    /// A later version of the program made it.
    #[error("the key store {path} has version {found}, this program knows {known}")]
    Newer {
        /// Where it is.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The newest that is known.
        known: u32,
    },
    /// It is no key store, or was altered.
    #[error("the key store {path} is damaged: {detail}; put it back from its copy")]
    Damaged {
        /// Where it is.
        path: PathBuf,
        /// What does not fit.
        detail: &'static str,
    },
    /// One of its keys cannot be opened.
    #[error(
        "key {number} of the key store {} cannot be opened{}: what is sealed under it is lost, unless a key store is put \
         back that was kept elsewhere and has it. One from before an erasure brings nobody back",
        path.display(), in_copy_neither(copy.as_deref())
    )]
    KeyDamaged {
        /// Where it is.
        path: PathBuf,
        /// Its copy, where one is kept.
        copy: Option<PathBuf>,
        /// The key.
        number: u64,
    },
    /// Neither it nor its copy can be used.
    #[error(
        "the key store {} is damaged ({detail}), and so is its copy {} ({copy_detail}): put back one that was kept \
         elsewhere; without one nothing that was sealed can be opened", path.display(), copy.display()
    )]
    BothDamaged {
        /// Where it is.
        path: PathBuf,
        /// What does not fit.
        detail: &'static str,
        /// Its copy.
        copy: PathBuf,
        /// What does not fit there.
        copy_detail: &'static str,
    },
    /// It cannot be used, and has no copy.
    #[error(
        "the key store {} is damaged ({detail}), and there is no copy of it (sealing.key_store_copy): put back one that \
         was kept elsewhere; without one nothing that was sealed can be opened", path.display()
    )]
    DamagedAlone {
        /// Where it is.
        path: PathBuf,
        /// What does not fit.
        detail: &'static str,
    },
    /// The copy cannot be used.
    #[error(
        "the copy {} of the key store is damaged: {detail}; the key store {} itself is whole: take the copy away, and the \
         next program that opens the store makes it anew", copy.display(), path.display()
    )]
    CopyDamaged {
        /// The key store.
        path: PathBuf,
        /// Its copy.
        copy: PathBuf,
        /// What does not fit.
        detail: &'static str,
    },
    /// The two files are one.
    #[error(
        "{} and {} are one and the same file under two names, and no copy of each other: whoever loses one loses both; \
         take the copy away, and a new one is made", path.display(), copy.display()
    )]
    SameFile {
        /// The key store.
        path: PathBuf,
        /// What should be its copy.
        copy: PathBuf,
    },
    /// The two files are not of one key store.
    #[error("{copy} is the copy of another key store than {path}")]
    OtherCopy {
        /// The key store.
        path: PathBuf,
        /// What should be its copy.
        copy: PathBuf,
    },
    /// The folder of the copy is not there: a disk that is not mounted, or a mistyped path.
    #[error(
        "the folder {} of the key store's copy {} is not there; is its disk mounted? Make the folder, or name another \
         one in sealing.key_store_copy; nothing was opened", folder.display(), copy.display()
    )]
    NoCopyFolder {
        /// The copy.
        copy: PathBuf,
        /// Where it should lie.
        folder: PathBuf,
    },
    /// Its file was taken away or replaced while it was open.
    #[error(
        "the key store {0} was taken away, or another file put in its place, while it was in use; no key is made or \
         destroyed where it would be lost. Put it back, from its copy where there is one, and restart"
    )]
    Gone(PathBuf),
    /// The system failed to read or write.
    #[error("the key store {path} cannot be read or written: {error}")]
    Io {
        /// Where it is.
        path: PathBuf,
        /// What the system said.
        error: String,
    },
}

/// Both are held against each other whenever they are opened: what one had, the other has.
fn in_copy_neither(copy: Option<&Path>) -> String {
    copy.map_or(String::new(), |copy| format!(", nor in its copy {}", copy.display()))
}

impl KeyStoreError {
    pub(super) fn io(path: &Path, error: &io::Error) -> Self {
        Self::Io { path: path.to_owned(), error: error.to_string() }
    }
    /// The same of a store, with how its copy stands.
    pub(super) fn of_store(self, copy: Option<&Path>) -> Self {
        let Self::Damaged { path, detail } = self else { return self };
        match copy.map(|copy| (copy.to_owned(), Head::at(copy))) {
            None | Some((_, Ok(None))) => Self::DamagedAlone { path, detail },
            Some((copy, Err(Self::Damaged { detail: copy_detail, .. }))) => {
                Self::BothDamaged { path, detail, copy, copy_detail }
            }
            _ => Self::Damaged { path, detail },
        }
    }

    /// The same of the copy of a store that is whole.
    pub(super) fn of_copy(self, path: &Path, copy: &Path) -> Self {
        match self {
            Self::Damaged { detail, .. } => Self::CopyDamaged { path: path.to_owned(), copy: copy.to_owned(), detail },
            other => other,
        }
    }
}

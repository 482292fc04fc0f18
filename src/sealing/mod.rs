//! Keys, and what is sealed under them: data at rest that gives nobody a face.
//!
//! One [`MasterKey`] stands above all others and lies outside the data folder. Each file answers one
//! question: how bytes are sealed (`aead`), and files (`stream`); where the keys of subjects, tables and
//! files lie (`key_store`); what holds a key in memory (`secret`), and in which pages (`pages`); what the master key
//! is and how it is written (`master`, `line`); where it comes from (`source`); how custodians share
//! it (`shares`); what keeps it out of core dumps (`dumps`).

pub mod aead;
mod dumps;
mod key_store;
mod line;
mod master;
mod pages;
mod secret;
mod shares;
mod source;
pub mod stream;

pub use self::dumps::forbid_core_dumps;
pub(crate) use self::key_store::overwrite_and_remove;
pub use self::key_store::{
    CopyFound, Examined, KeyStore, KeyStoreError, KeyStoreHead, KeyStoreOptions, Rotation, check_copy_folder,
    sealed_under,
};
pub use self::master::{DerivedKey, KeyId, MasterKey, NotAMasterKey};
pub use self::secret::Secret;
pub use self::shares::{NotAShare, NotRestored, NotSplit, SHARES_MAX, Share, restore, split};
pub use self::source::{KeySource, KeySourceError};

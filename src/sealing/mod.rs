//! Keys, and what is sealed under them: data at rest that gives nobody a face.
//!
//! One [`MasterKey`] stands above all others and lies outside the data folder. Each file answers one
//! question: what holds a key in memory (`secret`), what the master key is and where it comes from
//! (`master`).

#![forbid(unsafe_code)]

pub mod aead;
mod key_store;
mod master;
mod secret;
pub mod stream;

pub use self::key_store::{KeyStore, KeyStoreError, KeyStoreOptions, Rotation};
pub use self::master::{KeyId, MasterKey};
pub use self::secret::Secret;

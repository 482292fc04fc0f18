//! The embedded gallery: one process, one data folder, one machine.
//!
//! A redb database is the source of truth, the index in memory is derived from it at opening and
//! follows its log. Commands go through one thread that commits them in groups (`writer`). Reads
//! take a consistent snapshot of the database, searches one of the index.
//!
//! Each file answers one question. The store (`store`): who may use the folder (`folder`), what
//! the database lies on (`storage`), where it is while it is open (`database`), which tables there
//! are (`tables`), what their bytes mean (`record`) and how they are sealed (`protection`, `row_sum`, `subject_keys`, `given_up`), how they are made (`create`) and read
//! (`read`, `snapshot`, `rows`), how a backup becomes a gallery (`restore`, `restore_filter`), how many commands share a transaction (`group`), what happens when one
//! fails (`writer`), what changed last (`log`), where the transparency log lies (`ledger`), and the pictures of cases (`pictures`). A clear gallery
//! is sealed row by row (`seal`) into a copy (`sealed_copy`), also while it is served (`seal_serving`), which
//! is told what is written meanwhile (`written_rows`). The index is `index`. How it all works is said by
//! `options`, how much memory there is by `budget`.

#![forbid(unsafe_code)]

mod budget;
mod challenges;
mod create;
mod database;
mod folder;
mod given_up;
mod group;
mod index;
mod ledger;
mod log;
mod look;
mod options;
mod pictures;
mod read;
mod restore;
mod restore_filter;
mod row_sum;
mod rows;
mod seal;
mod seal_serving;
mod sealed_copy;
mod snapshot;
mod storage;
mod store;
mod subject_keys;
mod subject_requests;
mod tables;
mod writer;
mod written_rows;

use super::record::{fault, message as record, protection};

pub(super) use self::folder::DATABASE;
pub(super) use self::index::EmbeddedIndex;
pub use self::look::{KeysLooked, LookKeys, Looked};
pub use self::options::{EmbeddedOptions, Progress};
pub use self::sealed_copy::{Sealed, SealingState};
pub use self::storage::BackendFactory;
pub(super) use self::store::EmbeddedStore;

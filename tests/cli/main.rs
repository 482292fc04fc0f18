//! The program itself, run as a user runs it: exit codes, what is on standard
//! output, what is on standard error.

mod backup;
mod backup_killed;
mod bulk;
mod cases;
mod chip;
mod clerk;
mod config_check;
mod counter;
mod differentials;
mod dumps;
mod embed;
mod evaluate;
mod gallery;
mod key_store;
mod master_key;
mod models;
mod seal_serving;
mod sealed;
mod server;
// Some of it is for the tests of access.
#[path = "../access/signer.rs"]
mod signer;
mod soak;
mod soak_kill;
// Some of it is for the tests of the audit.
#[allow(dead_code)]
mod support;
mod usage;
mod verify;

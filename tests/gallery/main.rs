//! What the gallery promises, each promise a test.
//!
//! `contract` holds for every implementation of the trait, `interleave` plays
//! seeded schedules of clients against the rules; the other files are about the
//! embedded store: what its folder may contain, and what survives a power cut, a
//! failing or full disk, and a killed process.

#[macro_use]
mod promises;

mod backup;
mod cases;
mod challenges;
mod contract;
mod decisions;
mod disk;
mod earlier;
mod embedded;
mod erased_keys;
mod failing;
mod failing_all;
mod folder;
mod full;
mod graph;
mod index_contract;
mod index_file;
mod interleave;
mod killed;
mod ledger;
mod ledger_file;
mod look;
mod memory;
mod model;
mod pictures;
mod postgres;
mod power;
mod power_all;
mod recipes;
mod requests;
mod retention;
mod seal_serving;
mod sealed;
mod sealed_before;
mod standing;
mod store_contract;
mod support;
mod workload;

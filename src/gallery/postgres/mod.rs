//! The record store in PostgreSQL: one schema of one database, which several processes may use at once.
//!
//! Every commit takes the one row of the table `gate` and holds it until it has ended, so commits come
//! one after another wherever they are planned, and the change log is numbered without gaps in their
//! order. Rows hold the records of the embedded store ([`record`](super::record)) beside the columns
//! that they are found by. Commands of this process that wait are carried out in one transaction.
//!
//! Each file answers one question. How the server is reached (`options`, `connect`, `tls`) and what its
//! errors come to (`fault`), which tables there are and how they came about (`schema`), how statements
//! are run (`sql`), what is read (`read`, `lists`, `changes`, `snapshot`) and written (`group`, `write`),
//! who commits and what happens when that fails (`writer`), where the transparency log lies (`ledger`),
//! and what a caller sees (`store`).

#![forbid(unsafe_code)]

mod changes;
mod connect;
mod fault;
mod group;
mod ledger;
mod lists;
mod options;
mod read;
mod schema;
mod snapshot;
mod sql;
mod store;
mod tls;
mod write;
mod writer;

pub use self::options::PostgresOptions;
pub(super) use self::store::PostgresStore;

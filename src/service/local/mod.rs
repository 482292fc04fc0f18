//! Hands whole galleries to programs of the same user on the same machine.
//!
//! A data folder belongs to one process at a time. While a server has it open, an audit or a backup still
//! needs to read all of it: the server sends consistent snapshots over a Unix socket in the
//! folder, as records to an audit, as rows to a backup.
//!
//! ```text
//! Gallery::snapshot -> server -> [snapshots.sock in the data folder] -> Snapshot -> audit
//! ```
//!
//! # Access
//! Templates leave the process here, so that only the user who owns them may ask: the socket is
//! made with mode 0600, and each end checks the user of the other, which the kernel tells it
//! (`SO_PEERCRED`). The service is not reachable over the network.
//!
//! # Ownership of the socket
//! A server makes the socket when it has the folder's lock, and removes it before it gives the
//! lock back. A killed server leaves a socket behind that nobody answers at; the next server
//! replaces it. A locked folder with such a socket therefore belongs to another program.
//!
//! # Protocol
//! The service is `chinhchu.local.v1.Snapshots` (`proto/chinhchu/local/v1/snapshots.proto`),
//! over gRPC. HTTP/2's flow control holds the stream back, so that neither end holds more than
//! some megabytes. The last message states how much was sent; a stream that ends without it (the
//! server was killed, stops, or was not read from for a minute) is an error.

mod client;
mod convert;
mod error;
mod rows;
mod server;
mod socket;
#[cfg(test)]
mod tests;

pub use client::Snapshot;
pub use error::LocalError;
pub use rows::RowsSnapshot;
pub use server::Snapshots;
pub use socket::SOCKET;

/// Version of the protocol.
pub const VERSION: u32 = 1;
/// Version of a head with several recipes, which earlier programs do not know.
const VERSION_OF_RECIPES: u32 = 2;

/// Longest time that one end waits for the other to send or to read.
const STALL_MAX: std::time::Duration = std::time::Duration::from_secs(60);

/// The messages, as generated from `proto/chinhchu/local/v1/`.
#[allow(missing_docs, clippy::all)]
pub(super) mod pb {
    tonic::include_proto!("chinhchu.local.v1");

    opaque!(EnrolledSubject StoredVector Cleared Vouched RowBatch);
}

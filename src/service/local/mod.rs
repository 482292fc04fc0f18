//! Whole galleries, for programs of the same user on the same machine.
//!
//! A data folder belongs to one process at a time. While a server has it, an audit
//! still wants to read all of it: the server hands on consistent snapshots over a Unix
//! socket in the folder.
//!
//! ```text
//! Gallery::snapshot -> server -> [snapshots.sock in the data folder] -> Snapshot -> audit
//! ```
//!
//! # Who may
//! Templates leave the process here, so nobody but the user who owns them may ask: the
//! socket is made with mode 0600, and the kernel tells each end the other's user
//! (`SO_PEERCRED`); any other is turned away. There is no way in from the network.
//!
//! # Whose socket it is
//! A server makes it when it has the folder's lock, and takes it away before the lock
//! goes. A killed server leaves one behind that nobody answers at; the next server puts
//! its own in its place. So who finds the folder locked and the socket dead knows that
//! some other program has it.
//!
//! # How it goes
//! The service `chinhchu.local.v1.Snapshots` (`proto/chinhchu/local/v1/snapshots.proto`),
//! gRPC like the rest, its stream held back by HTTP/2's flow control: neither end ever
//! holds more than some megabytes. The end is said and says how much there was; a stream
//! that ends otherwise (a server killed, stopping, or not read for a minute) is an error.

mod client;
mod convert;
mod error;
mod server;
mod socket;
#[cfg(test)]
mod tests;

pub use client::Snapshot;
pub use error::LocalError;
pub use server::Snapshots;
pub use socket::SOCKET;

/// Version of what goes over the socket.
pub const VERSION: u32 = 1;

/// Longest time that one end waits for the other to send or to read.
const STALL_MAX: std::time::Duration = std::time::Duration::from_secs(60);

#[allow(missing_docs, clippy::all)]
mod pb {
    tonic::include_proto!("chinhchu.local.v1");

    opaque!(EnrolledSubject StoredVector Cleared Vouched);
}

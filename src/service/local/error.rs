//! Why no whole snapshot could be read.

use std::io;
use std::path::PathBuf;

/// Why there is no snapshot, or not all of it. No text of it identifies a person.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LocalError {
    /// Nobody answers at the socket.
    #[error(
        "the data folder {folder} is in use by another process, which hands on no snapshot ({source}); wait until it \
         serves, stop it while the gallery is read, or read a snapshot of the file system the folder is on"
    )]
    NotServed {
        /// The folder.
        folder: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A process of another user has the folder open.
    #[error("the data folder {folder} is in use by a process of another user; run this as that user")]
    OtherUser {
        /// The folder.
        folder: PathBuf,
    },
    /// The server refused, or ended the snapshot early.
    #[error("the process that has the data folder {folder} open hands on no whole snapshot: {message}")]
    Refused {
        /// The folder.
        folder: PathBuf,
        /// What the server said: why, and what to do.
        message: String,
    },
    /// The connection ended early.
    #[error(
        "the process that has the data folder {folder} open ended before the snapshot did ({cause}); nothing of it is \
         used: run the same command again"
    )]
    Cut {
        /// The folder.
        folder: PathBuf,
        /// What the transport said.
        cause: String,
    },
    /// Nothing came for a minute.
    #[error(
        "the process that has the data folder {folder} open sent nothing for {seconds} s; see whether it is stopped or \
         overloaded, and run the same command again"
    )]
    Stalled {
        /// The folder.
        folder: PathBuf,
        /// How long it was waited for.
        seconds: u64,
    },
    /// A message is malformed, or the totals differ from what was sent.
    #[error(
        "what the process that has the data folder {folder} open sent makes no sense ({what}); use one version of \
         chinhchu for both"
    )]
    Malformed {
        /// The folder.
        folder: PathBuf,
        /// What is wrong.
        what: &'static str,
    },
}

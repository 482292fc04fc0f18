use std::io;
use std::path::PathBuf;

/// Why there is no snapshot, or not all of it. Names nobody.
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
    /// A process of another user has it.
    #[error("the data folder {folder} is in use by a process of another user; run this as that user")]
    OtherUser {
        /// The folder.
        folder: PathBuf,
    },
    /// The server said no, or ended the snapshot before its end.
    #[error("the process that has the data folder {folder} open hands on no whole snapshot: {message}")]
    Refused {
        /// The folder.
        folder: PathBuf,
        /// In its words: why, and what to do.
        message: String,
    },
    /// It is gone, or broke the connection off.
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
    /// It makes no sense, or does not add up.
    #[error(
        "what the process that has the data folder {folder} open sent makes no sense ({what}); use one version of \
         chinhchu for both"
    )]
    Senseless {
        /// The folder.
        folder: PathBuf,
        /// What is wrong.
        what: &'static str,
    },
}

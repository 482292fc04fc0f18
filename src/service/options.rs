//! How the server listens and what it allows, and why it does not start.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::tls::Tls;
use super::{AccessControl, Desk, LogKey};

/// The address and the limits of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServeOptions {
    /// The address to listen on. Without [`ServeOptions::tls`] it must be loopback.
    /// Port 0 takes a free one; [`Bound::local_addr`](super::Bound::local_addr) says which.
    pub listen: SocketAddr,
    /// Most calls in flight; beyond it RESOURCE_EXHAUSTED with a retry hint.
    pub requests_in_flight_max: usize,
    /// Most calls with photos, and rows of bulk enrolments, that are worked on at once; the
    /// others wait for their turn. A few more than the engine has workers, so that none is idle
    /// while a call is written to disk.
    pub turns_max: usize,
    /// Longest expected wait for its turn with which a call is let in; beyond it
    /// RESOURCE_EXHAUSTED with a retry hint. A call that would not be done before its deadline
    /// is refused with a shorter one.
    pub turn_wait_max: Duration,
    /// Largest message, in bytes.
    pub message_bytes_max: usize,
    /// Longest time for a call, its upload included, and the time a call without a
    /// deadline gets. Bulk enrolments are bound by [`ServeOptions::bulk_idle_max`]
    /// instead.
    pub deadline_max: Duration,
    /// Most rows of all bulk enrolments that are worked on at once.
    pub bulk_rows_in_flight_max: usize,
    /// Longest time a bulk enrolment may wait for its next row.
    pub bulk_idle_max: Duration,
    /// Most open connections. Where there are more, silent ones are cut for new ones; where
    /// none is silent, new ones wait to be accepted.
    pub connections_max: usize,
    /// Time after which a connection is cut that has not begun to speak HTTP: the preface of
    /// HTTP/2, or as many bytes of a request of HTTP/1.1.
    pub preface_max: Duration,
    /// Longest time for the TLS handshake of a connection. Meanwhile it counts as silent.
    pub handshake_max: Duration,
    /// Time without a call after which a connection is cut. At
    /// [`ServeOptions::connections_max`] the one that has been silent the longest is cut for a
    /// new one sooner.
    pub idle_max: Duration,
    /// Longest time a call may wait for more of its message. Where all places are taken, the
    /// call that has been uploading for the longest is ended sooner.
    pub upload_idle_max: Duration,
    /// Most HTTP/2 streams of one connection.
    pub streams_per_connection_max: u32,
    /// Time without any frame after which a connection is pinged. It is closed where no answer
    /// comes within the same time.
    pub keepalive: Duration,
    /// How often the backend is asked whether it can serve, for the health service.
    pub ready_every: Duration,
    /// Longest time calls in flight are given when the server shuts down.
    pub drain: Duration,
    /// Key of the digests that stand for transactions in the log. `None` makes one for this
    /// process alone.
    pub log_key: Option<LogKey>,
    /// Who may call what; `None` lets everybody who connects call everything.
    pub access: Option<AccessControl>,
    /// TLS; `None` for plain text.
    pub tls: Option<Tls>,
    /// Pages for desks and officers; `None` for none.
    pub desk: Option<Desk>,
}

/// Whether a server may listen there: whoever reaches it from another machine must not be able to
/// read along, nor to call what is not theirs.
///
/// # Errors
/// [`ServeError::NotLoopback`] for an address that other machines reach, without TLS, and
/// [`ServeError::OpenToAll`] for one with it and without access control.
pub fn check_exposure(listen: SocketAddr, has_tls: bool, has_access: bool) -> Result<(), ServeError> {
    match (listen.ip().is_loopback(), has_tls, has_access) {
        (true, ..) | (false, true, true) => Ok(()),
        (false, false, _) => Err(ServeError::NotLoopback(listen)),
        (false, true, false) => Err(ServeError::OpenToAll(listen)),
    }
}

impl ServeOptions {
    /// The port of the default address.
    pub const PORT: u16 = 50_051;

    /// The default of [`Self::turns_max`] for an engine with so many workers.
    pub fn turns_for(workers: usize) -> usize {
        workers + workers.div_ceil(4)
    }

    /// Checks that the options make sense.
    pub(super) fn check(&self) -> Result<(), ServeError> {
        check_exposure(self.listen, self.tls.is_some(), self.access.is_some())?;
        let positive: [(&'static str, u64); 7] = [
            ("requests_in_flight_max", self.requests_in_flight_max as u64),
            ("turns_max", self.turns_max as u64),
            ("bulk_rows_in_flight_max", self.bulk_rows_in_flight_max as u64),
            ("connections_max", self.connections_max as u64),
            ("streams_per_connection_max", u64::from(self.streams_per_connection_max)),
            ("message_bytes_max", self.message_bytes_max as u64),
            ("deadline_max", u64::from(!self.deadline_max.is_zero())),
        ];
        // Some of them become permits of semaphores, which take at most this many.
        let most = tokio::sync::Semaphore::MAX_PERMITS.min(u32::MAX as usize) as u64;
        match positive.iter().find(|(_, value)| *value == 0 || *value > most) {
            Some((name, _)) => Err(ServeError::BadOption(name)),
            None => Ok(()),
        }
    }
}

impl Default for ServeOptions {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), Self::PORT),
            requests_in_flight_max: 64,
            turns_max: Self::turns_for(cores),
            turn_wait_max: Duration::from_secs(2),
            message_bytes_max: 64 << 20,
            deadline_max: Duration::from_secs(30),
            // Enough to keep every core busy while a few rows are received.
            bulk_rows_in_flight_max: 2 * cores + 6,
            bulk_idle_max: Duration::from_secs(60),
            connections_max: 512,
            preface_max: Duration::from_secs(10),
            handshake_max: Duration::from_secs(10),
            idle_max: Duration::from_secs(15 * 60),
            upload_idle_max: Duration::from_secs(10),
            streams_per_connection_max: 128,
            keepalive: Duration::from_secs(30),
            ready_every: Duration::from_secs(5),
            drain: Duration::from_secs(20),
            log_key: None,
            access: None,
            tls: None,
            desk: None,
        }
    }
}

/// Why the server did not start, or stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The address can be reached from other machines.
    #[error(
        "{0} is not a loopback address, and connections are not encrypted: photos would cross the network in the clear; \
         name certificate and key under [tls], or listen on 127.0.0.1 or [::1]"
    )]
    NotLoopback(SocketAddr),
    /// The address can be reached from other machines, and whoever does may call everything.
    #[error(
        "{0} is not a loopback address, and without [access] whoever reaches it may call everything; say who may \
         call, or listen on 127.0.0.1 or [::1]"
    )]
    OpenToAll(SocketAddr),
    /// An option that makes no sense.
    #[error("the option {0} must be at least 1 and below 2^32")]
    BadOption(&'static str),
    /// The port is taken or not allowed.
    #[error("cannot listen on {address}: {source}; choose another port with --listen")]
    Bind {
        /// Where.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The system has no random numbers for a key.
    #[error("the system gave no random numbers ({0}), which keys are made of; see to /dev/urandom")]
    NoRandom(std::io::Error),
    /// The transport failed.
    #[error("the server failed: {0}")]
    Transport(#[from] tonic::transport::Error),
    /// The descriptors built into the program are damaged.
    #[error("the reflection service failed to start: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
}

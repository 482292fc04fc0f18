//! What errors of the server come to.

use std::error::Error as _;

use tokio_postgres::error::SqlState;

use super::super::record::fault::{ServerFault, StoreError};
use crate::gallery::GalleryError;

impl From<tokio_postgres::Error> for StoreError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Server(fault_of(&error))
    }
}

/// SQLSTATE of a transaction that took too long; its connection is ended with it. Whoever waits for the gate
/// of a process that hangs runs out of time together with that, and gets the gate with the next try.
const TRANSACTION_TIMEOUT: &str = "25P04";

fn fault_of(error: &tokio_postgres::Error) -> ServerFault {
    let Some(told) = error.as_db_error() else {
        let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
        return ServerFault { detail: format!("{error}{cause}"), is_full: false, is_cut: true };
    };
    let code = told.code();
    // What an error of data or of a constraint says holds values.
    let is_about_data = code.code().starts_with("22") || code.code().starts_with("23");
    let detail = match is_about_data {
        true => format!("SQLSTATE {}", code.code()),
        false => format!("{}, SQLSTATE {}", told.message(), code.code()),
    };
    let ends = [
        SqlState::ADMIN_SHUTDOWN,
        SqlState::CRASH_SHUTDOWN,
        SqlState::CANNOT_CONNECT_NOW,
        SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
    ];
    let is_cut = ends.contains(code) || code.code() == TRANSACTION_TIMEOUT;
    ServerFault { detail, is_full: *code == SqlState::DISK_FULL, is_cut }
}

/// An error of the pool of connections.
pub(super) fn of_pool(error: &deadpool_postgres::PoolError) -> StoreError {
    use deadpool_postgres::PoolError;
    match error {
        PoolError::Backend(error) => StoreError::Server(fault_of(error)),
        PoolError::Closed => StoreError::Refused(GalleryError::Closing),
        PoolError::Timeout(_) => {
            let detail = "no connection to it was free, or could be made, in time".to_owned();
            StoreError::Server(ServerFault { detail, is_full: false, is_cut: false })
        }
        other => StoreError::Server(ServerFault { detail: other.to_string(), is_full: false, is_cut: true }),
    }
}

//! Connections to the server: a bounded number for reads, and one for commits.

use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime};
use tokio_postgres::Config;
use tokio_postgres::config::{ChannelBinding, SslMode};

use super::super::record::fault::StoreError;
use super::fault::of_pool;
use super::options::PostgresOptions;
use super::tls::MakeTls;
use crate::gallery::GalleryError;
use crate::private;

/// Most bytes of a file with a password.
const PASSWORD_BYTES_MAX: u64 = 4096;

/// Connections to the server.
pub(super) struct Connections {
    reads: Pool,
    /// So that no crowd of reads keeps commits waiting.
    commits: Pool,
}

impl Connections {
    /// Connects to nothing yet.
    pub(super) fn new(options: &PostgresOptions) -> Result<Self, GalleryError> {
        let (config, tls) = (config(options)?, MakeTls::trusting(&options.roots)?);
        let pool = |size: usize| {
            let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
            let manager = Manager::from_config(config.clone(), tls.clone(), recycling);
            Pool::builder(manager)
                .max_size(size)
                .runtime(Runtime::Tokio1)
                .wait_timeout(Some(options.statement_timeout))
                .create_timeout(Some(options.connect_timeout))
                .recycle_timeout(Some(options.connect_timeout))
                .build()
                .map_err(|error| GalleryError::Postgres(error.to_string()))
        };
        Ok(Self { reads: pool(options.readers_max.max(1))?, commits: pool(1)? })
    }

    /// A connection for a read.
    pub(super) async fn reader(&self) -> Result<Object, StoreError> {
        self.reads.get().await.map_err(|error| of_pool(&error))
    }

    /// The connection for commits.
    pub(super) async fn committer(&self) -> Result<Object, StoreError> {
        self.commits.get().await.map_err(|error| of_pool(&error))
    }

    /// Gives all of them up.
    pub(super) fn close(&self) {
        self.reads.close();
        self.commits.close();
    }
}

fn config(options: &PostgresOptions) -> Result<Config, GalleryError> {
    let PostgresOptions { password_file, schema, statement_timeout, transaction_timeout, .. } = options;
    if !is_schema_name(schema) {
        return Err(GalleryError::Postgres(format!(
            "{schema:?} is no name of a schema; it is 1 to 63 small letters, digits and underscores, and begins with a \
             letter"
        )));
    }
    let password = private::read_secret(password_file, PASSWORD_BYTES_MAX).map_err(|error| {
        GalleryError::Postgres(format!("the password in {} cannot be used: {error}", password_file.display()))
    })?;
    let password = zeroize::Zeroizing::new(password);
    let mut config = Config::new();
    config
        .host(&options.host)
        .port(options.port)
        .dbname(&options.database)
        .user(&options.user)
        .password(private::key_line(&password))
        .application_name("chinhchu")
        .ssl_mode(SslMode::Require)
        .channel_binding(ChannelBinding::Require)
        .connect_timeout(options.connect_timeout)
        // A server that is gone without a word is noticed within half a minute.
        .keepalives_idle(Duration::from_secs(10))
        .keepalives_interval(Duration::from_secs(5))
        .keepalives_retries(4)
        .tcp_user_timeout(Duration::from_secs(30))
        .options(format!(
            "-c search_path={schema} -c statement_timeout={} -c transaction_timeout={} -c \
             idle_in_transaction_session_timeout={} -c client_min_messages=warning",
            statement_timeout.as_millis(),
            transaction_timeout.as_millis(),
            transaction_timeout.as_millis(),
        ));
    Ok(config)
}

/// Whether a name needs no quotes, wherever it stands.
fn is_schema_name(name: &str) -> bool {
    let is_fit = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    name.len() <= 63
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(is_fit)
        // Those belong to the server.
        && !name.starts_with("pg_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_is_named_in_a_way_that_needs_no_quotes() {
        for name in ["gallery", "g1_x"] {
            assert!(is_schema_name(name), "{name}");
        }
        let long = "a".repeat(64);
        for name in ["", "Gallery", "1x", "a-b", "a;drop", "a b", "pg_x", "ă", long.as_str()] {
            assert!(!is_schema_name(name), "{name}");
        }
    }
}

//! Where the server is and how a gallery in it works.

use std::path::PathBuf;
use std::time::Duration;

use super::super::embedded::EmbeddedOptions;
use crate::face::RecipeDigest;
use crate::gallery::{GalleryId, LedgerSetup};
use crate::search::VECTORS_MAX_DEFAULT;

/// Where the server is and how a gallery in it works.
#[derive(Debug, Clone)]
pub struct PostgresOptions {
    /// Name or address of the server; its certificate must bear it.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The database.
    pub database: String,
    /// The user, who logs in by SCRAM with channel binding and owns the schema.
    pub user: String,
    /// A file with the user's password in its first line, which nobody else may read.
    pub password_file: PathBuf,
    /// Certificates, in PEM, one of which must have issued that of the server.
    pub roots: PathBuf,
    /// The schema, of this gallery alone: small letters, digits and underscores, 63 at most.
    pub schema: String,
    /// Connections that reads use at most. Commits have one of their own.
    pub readers_max: usize,
    /// How long making a connection may take, and waiting for one.
    pub connect_timeout: Duration,
    /// How long one statement may take.
    pub statement_timeout: Duration,
    /// How long one transaction may take: a process that hangs in one holds up the others for so long. Less
    /// than `statement_timeout`, or those who wait give up first.
    pub transaction_timeout: Duration,
    /// For how long the server is asked whether a commit was kept whose answer was lost.
    pub doubt_timeout: Duration,
    /// Make a gallery where there is none. Otherwise that is [`GalleryError::NotThere`](crate::gallery::GalleryError::NotThere).
    pub create: bool,
    /// The id the gallery must have; a new one has another.
    pub id: Option<GalleryId>,
    /// Most templates it may hold.
    pub templates_max: u64,
    /// Commands that may wait; the next one waits for a place in the queue.
    pub queue_max: usize,
    /// Request ids remembered at most; the oldest are forgotten first.
    pub requests_max: u64,
    /// How long a request id is remembered, in milliseconds.
    pub request_age_max_ms: u64,
    /// Further recipes, each with the number of values in its templates.
    pub recipes_beside: Vec<(RecipeDigest, usize)>,
    /// With what the transparency log is kept. A gallery that has one is opened with its key alone;
    /// one that has none begins it where there is a key to begin it with.
    pub ledger: Option<LedgerSetup>,
}

impl PostgresOptions {
    /// Those of a server, with bounds that do for a gallery of a country.
    pub fn new(host: impl Into<String>, password_file: impl Into<PathBuf>, roots: impl Into<PathBuf>) -> Self {
        Self {
            host: host.into(),
            port: 5432,
            database: "chinhchu".to_owned(),
            user: "chinhchu".to_owned(),
            password_file: password_file.into(),
            roots: roots.into(),
            schema: "gallery".to_owned(),
            readers_max: 8,
            connect_timeout: Duration::from_secs(10),
            statement_timeout: Duration::from_secs(30),
            transaction_timeout: Duration::from_secs(20),
            doubt_timeout: Duration::from_secs(60),
            create: true,
            id: None,
            templates_max: VECTORS_MAX_DEFAULT,
            queue_max: 4096,
            requests_max: EmbeddedOptions::REQUESTS_MAX,
            request_age_max_ms: EmbeddedOptions::REQUEST_AGE_MAX_MS,
            recipes_beside: Vec::new(),
            ledger: None,
        }
    }

    /// What the gallery is called in errors: where it is, and nothing of who logs in how.
    pub(super) fn place(&self) -> PathBuf {
        let Self { host, port, database, schema, .. } = self;
        PathBuf::from(format!("postgresql://{host}:{port}/{database}, schema {schema}"))
    }
}

//! How a command connects to a server: what it trusts, and what it proves about itself.

use std::path::PathBuf;

use clap::Args;

use super::Failure;
use crate::service::{Client, ClientOptions};

/// What is typed of it, beside `--server`.
#[derive(Debug, Clone, Default, Args)]
pub struct ConnectionArgs {
    /// Authorities that the server's certificate may be signed by, in PEM; needed with https://
    #[arg(long, value_name = "FILE", env = "CHINHCHU_CA", help_heading = "Connection", hide_env_values = true)]
    ca: Option<PathBuf>,
    /// This client's certificate in PEM, where the server asks for one
    #[arg(long, value_name = "FILE", env = "CHINHCHU_CERT", help_heading = "Connection", hide_env_values = true)]
    cert: Option<PathBuf>,
    /// Its key in PEM, which its owner alone may read
    #[arg(long, value_name = "FILE", env = "CHINHCHU_KEY", help_heading = "Connection", hide_env_values = true)]
    key: Option<PathBuf>,
    /// File with a bearer token, which its owner alone may read; read anew for each call
    #[arg(long, value_name = "FILE", env = "CHINHCHU_TOKEN_FILE", help_heading = "Connection", hide_env_values = true)]
    token_file: Option<PathBuf>,
}

/// A server, and how to connect to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ServerAddress {
    url: String,
    options: ClientOptions,
}

impl ConnectionArgs {
    /// The server at `url`, by what was typed.
    pub(super) fn to(&self, url: &str) -> ServerAddress {
        // A variable that is there and empty is none.
        let set = |path: &Option<PathBuf>| path.clone().filter(|path| !path.as_os_str().is_empty());
        let options = ClientOptions {
            ca: set(&self.ca),
            certificate: set(&self.cert),
            key: set(&self.key),
            token_file: set(&self.token_file),
        };
        ServerAddress { url: url.to_owned(), options }
    }
}

impl ServerAddress {
    /// Whether calls carry a token, which names their caller.
    pub(super) fn names_caller(&self) -> bool {
        self.options.token_file.is_some()
    }

    /// Connects.
    pub(super) async fn connect(&self) -> Result<Client, Failure> {
        let connected = Client::connect_with(&self.url, &self.options).await;
        connected.map_err(|error| Failure::new(format_args!("--server {}: {error}", self.url)))
    }
}

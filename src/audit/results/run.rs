//! Which run made the results: when, by which program, for whom and by which command.

use serde::{Deserialize, Serialize};

/// Which run made the results.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunInfo {
    /// When it began, UTC (RFC 3339).
    pub began: String,
    /// When it had compared everything and wrote the report, UTC (RFC 3339).
    pub finished: String,
    /// Version of the program.
    pub version: String,
    /// The model pack, where one was at hand.
    pub pack: Option<String>,
    /// Who ran it, as the operating system knows them.
    pub user: Option<String>,
    /// The command as it was typed.
    pub command: String,
    /// Digest of the templates that were compared, their owners and their order.
    pub templates: String,
}

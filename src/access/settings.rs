//! The `[access]` table of the configuration as written, and what may be wrong with it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::token::TokensSection;

/// `[access]`: who may call this server.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AccessSettings {
    /// Machines, by the names that logs and records give them.
    pub machines: BTreeMap<String, MachineSettings>,
    /// How people are known; without it nobody is known by a token.
    pub tokens: Option<TokensSection>,
    /// What an operator changes of the roles, by the names of these.
    pub roles: BTreeMap<String, RoleSettings>,
    /// Operators, two of whom approve every change of what decisions are made by: names, with
    /// their Ed25519 public keys in base64. Without any, changes take no approval.
    pub operators: BTreeMap<String, String>,
}

/// `[access.machines.NAME]`: a machine, known by one name in its client certificate.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MachineSettings {
    /// The URI in its certificate that it is known by.
    pub uri: Option<String>,
    /// The DNS name in its certificate that it is known by.
    pub dns: Option<String>,
    /// Roles of calls that bring no token.
    pub roles: Vec<String>,
    /// Roles in which people may act through it; without the key, every role they have, but that of
    /// an officer where it has roles of its own.
    pub people: Option<Vec<String>>,
    /// The office or facility it stands in.
    pub unit: Option<String>,
    /// The province it stands in.
    pub province: Option<String>,
}

/// `[access.roles.ROLE]`: what an operator changes of a role.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RoleSettings {
    /// Kinds of fields that the role sees beside its own.
    pub fields: Vec<String>,
    /// Methods that the role may not call here.
    pub without: Vec<String>,
    /// Policies that the role may name beside the default one; desks name no other without it.
    pub policies: Vec<String>,
    /// Most calls a minute of one principal.
    pub calls_per_minute: Option<u32>,
    /// Most calls of one principal at once.
    pub calls_at_once: Option<u32>,
    /// Most identifications (1:N searches that a caller asks for) a day of one principal.
    pub identifications_per_day: Option<u32>,
}

/// What is wrong with the configuration of access.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {problem}")]
pub struct AccessSettingsError {
    /// The key, from the root of the configuration.
    pub key: String,
    /// What is wrong with it, and what to do.
    pub problem: String,
}

impl AccessSettingsError {
    pub(super) fn new(key: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { key: key.into(), problem: problem.into() }
    }
}

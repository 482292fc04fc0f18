//! A machine of the configuration: the names in certificates that it is known by, its roles, and who
//! may act through it.

use std::sync::Arc;

use super::Place;
use super::role_rules::role;
use super::settings::{AccessSettingsError, MachineSettings};
use crate::context::{Role, Roles};

/// Most bytes of a name, a unit or a province.
const TEXT_BYTES_MAX: usize = 128;

/// A name that a certificate may have.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum CertificateName {
    Uri(String),
    Dns(String),
}

/// A machine of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Machine {
    pub name: Arc<str>,
    pub roles: Roles,
    /// Roles in which people may act through it; `None` for all.
    pub people: Option<Roles>,
    pub place: Place,
}

/// Reads a machine; `key` is where it stands.
pub(super) fn machine(key: &str, name: &str, set: &MachineSettings) -> Result<Machine, AccessSettingsError> {
    text(key, "the name of the machine", name)?;
    let place = Place {
        unit: optional_text(&format!("{key}.unit"), set.unit.as_deref())?,
        province: optional_text(&format!("{key}.province"), set.province.as_deref())?,
    };
    let own = roles(&format!("{key}.roles"), &set.roles)?;
    let people = set.people.as_ref().map(|people| roles(&format!("{key}.people"), people)).transpose()?;
    if own.contains(Role::Officer) {
        let problem = "an officer is a person: officers act by their token; name the role under `people`";
        return Err(AccessSettingsError::new(format!("{key}.roles"), problem));
    }
    if !own.is_empty() && people.is_some_and(|people| people.contains(Role::Officer)) {
        let problem = "officers act through it, and whoever is at it can present cases without a token, as nobody: take \
                       `roles` away, so that clerks bring their tokens, or `officer` out of `people`";
        return Err(AccessSettingsError::new(format!("{key}.people"), problem));
    }
    if own.is_empty() && people.is_some_and(Roles::is_empty) {
        return Err(AccessSettingsError::new(key, "nobody could do anything with it; give it `roles` or `people`"));
    }
    // What it presents by itself, whoever is at it could answer as an officer.
    let all_but_officers = || Role::ALL.into_iter().filter(|role| *role != Role::Officer).collect();
    let people = people.or_else(|| (!own.is_empty()).then(all_but_officers));
    Ok(Machine { name: name.into(), roles: own, people, place })
}

/// The names of certificates that a machine is known by.
pub(super) fn known_by(key: &str, set: &MachineSettings) -> Result<Vec<CertificateName>, AccessSettingsError> {
    let mut names = Vec::new();
    if let Some(uri) = &set.uri {
        check_uri(&format!("{key}.uri"), uri)?;
        names.push(CertificateName::Uri(uri.clone()));
    }
    if let Some(dns) = &set.dns {
        check_dns(&format!("{key}.dns"), dns)?;
        names.push(CertificateName::Dns(dns.to_ascii_lowercase()));
    }
    match names.is_empty() {
        true => Err(AccessSettingsError::new(key, "it is known by nothing; give it `uri` or `dns`")),
        false => Ok(names),
    }
}

/// Whether a machine can be known by this URI; `key` is where it stands.
///
/// # Errors
/// [`AccessSettingsError`], which says what to write.
pub fn check_uri(key: &str, uri: &str) -> Result<(), AccessSettingsError> {
    text(key, "the URI", uri)?;
    match uri.contains(':') {
        true => Ok(()),
        false => Err(AccessSettingsError::new(key, "this is no URI; write it as it stands in the certificate")),
    }
}

/// Whether a machine can be known by this DNS name, likewise.
///
/// # Errors
/// As [`check_uri`].
pub fn check_dns(key: &str, dns: &str) -> Result<(), AccessSettingsError> {
    text(key, "the DNS name", dns)?;
    match dns.contains(['*', ':', '/', ' ']) {
        true => Err(AccessSettingsError::new(key, "this is no name of one machine; write it without wildcards")),
        false => Ok(()),
    }
}

fn roles(key: &str, names: &[String]) -> Result<Roles, AccessSettingsError> {
    let mut found = Vec::new();
    for name in names {
        let role = role(key, name)?;
        if found.contains(&role) {
            return Err(AccessSettingsError::new(key, format!("`{name}` stands here twice; remove one")));
        }
        found.push(role);
    }
    Ok(found.into_iter().collect())
}

fn optional_text(key: &str, value: Option<&str>) -> Result<Option<Arc<str>>, AccessSettingsError> {
    let Some(value) = value else { return Ok(None) };
    text(key, "the value", value)?;
    Ok(Some(value.into()))
}

fn text(key: &str, what: &str, value: &str) -> Result<(), AccessSettingsError> {
    let is_wrong = value.is_empty() || value.len() > TEXT_BYTES_MAX || value.chars().any(char::is_control);
    match is_wrong || value.trim() != value {
        true => Err(AccessSettingsError::new(
            key,
            format!("{what} must be 1 to {TEXT_BYTES_MAX} bytes without control characters and outer spaces"),
        )),
        false => Ok(()),
    }
}

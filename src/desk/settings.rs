//! The `[desk]` table of the configuration as written, and what may be wrong with it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use http::Uri;
use serde::Deserialize;

use super::sessions::SessionRules;
use crate::access::token;
use crate::context::{Role, Roles};

/// Minutes without a call after which somebody is signed out, by default.
const IDLE_MINUTES: u64 = 15;
/// Longest address that a browser returns to, in bytes.
const RETURN_BYTES_MAX: usize = 512;
/// Hours after which somebody signs in again in any case, by default.
const SESSION_HOURS: u64 = 10;

/// `[desk]`: the pages for desks and officers.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DeskSection {
    /// Whether there are any; default yes.
    pub pages: Option<bool>,
    /// The address that browsers know this server by: `https://desk.example.vn`.
    pub address: Option<String>,
    /// 1 to 120 minutes without a call after which somebody is signed out.
    pub idle_minutes: Option<u64>,
    /// 1 to 24 hours after which somebody signs in again.
    pub session_hours: Option<u64>,
    /// The card reader's program on the desk's own machine: `http://127.0.0.1:8765`.
    pub agent: Option<String>,
    /// Policies of the special cases.
    pub policies: CasePolicies,
    /// How people sign in at the provider of `[access.tokens]`.
    pub sign_in: Option<SignInSection>,
    /// People for trying the pages out, by their names.
    pub test_people: BTreeMap<String, TestPersonSection>,
    /// Benefit systems that hand records over, by the names of their machines in `[access.machines]`.
    pub systems: BTreeMap<String, SystemSection>,
}

/// `[desk.policies]`: names of the policies that special cases are decided by; the default policy where
/// none is named.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CasePolicies {
    /// There is no card, or its chip cannot be read.
    pub no_card: Option<String>,
    /// A child whose card has no photo.
    pub child: Option<String>,
    /// A person who cannot look into a camera.
    pub cannot_look: Option<String>,
    /// A veil or a bandage.
    pub covered: Option<String>,
    /// Somebody with an authorisation, in the place of the beneficiary.
    pub collector: Option<String>,
    /// At the person's home.
    pub home_visit: Option<String>,
}

/// `[desk.sign_in]`
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SignInSection {
    /// This server's name at the provider.
    pub client_id: String,
    /// File with the secret of a confidential client.
    pub client_secret: Option<PathBuf>,
    /// What is asked for; default `openid`.
    pub scope: Option<String>,
    /// What the token is to be for (RFC 8707), where the provider wants to be told.
    pub resource: Option<String>,
}

/// `[desk.test_people.NAME]`
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TestPersonSection {
    /// As in tokens.
    pub roles: Vec<String>,
    /// As in tokens.
    pub unit: Option<String>,
    /// As in tokens.
    pub province: Option<String>,
}

/// `[desk.systems.MACHINE]`
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SystemSection {
    /// Where browsers may be sent back to: addresses that these begin.
    pub return_to: Vec<String>,
    /// Where results are sent.
    pub webhook: Option<String>,
    /// File with the key that they are signed by.
    pub webhook_key: Option<PathBuf>,
}

/// What was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeskSettings {
    /// How long sessions last.
    pub sessions: SessionRules,
    /// The address that browsers know the server by.
    pub address: Option<String>,
    /// The reader's program, as an origin.
    pub agent: Option<String>,
    /// Policies of special cases.
    pub policies: CasePolicies,
    /// How people sign in at the provider.
    pub sign_in: Option<SignInSettings>,
    /// People for trying out.
    pub test_people: BTreeMap<String, TestPerson>,
    /// Benefit systems.
    pub systems: BTreeMap<String, SystemSettings>,
}

/// How people sign in at the provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignInSettings {
    /// This server's name there.
    pub client_id: String,
    /// File with its secret there.
    pub client_secret: Option<PathBuf>,
    /// What is asked for.
    pub scope: String,
    /// What the token is to be for.
    pub resource: Option<String>,
}

/// Somebody for trying out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestPerson {
    /// As in tokens.
    pub roles: Roles,
    /// As in tokens.
    pub unit: Option<String>,
    /// As in tokens.
    pub province: Option<String>,
}

/// A benefit system.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SystemSettings {
    /// Addresses that those begin with to which browsers may be sent back; each ends with a slash, or is
    /// an origin.
    pub return_to: Vec<String>,
    /// Where results are sent, and the file with the key.
    pub webhook: Option<(Uri, PathBuf)>,
}

/// What is wrong with the table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {problem}")]
pub struct DeskSettingsError {
    /// The key, from the root of the configuration.
    pub key: String,
    /// What is wrong with it, and what to do.
    pub problem: String,
}

fn bad<T>(key: impl Into<String>, problem: impl Into<String>) -> Result<T, DeskSettingsError> {
    Err(DeskSettingsError { key: key.into(), problem: problem.into() })
}

impl DeskSection {
    /// The files that are named.
    pub fn paths(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        let secret = self.sign_in.iter_mut().filter_map(|sign_in| sign_in.client_secret.as_mut());
        secret.chain(self.systems.values_mut().filter_map(|system| system.webhook_key.as_mut()))
    }

    /// Checks every value; `None` where there are to be no pages.
    ///
    /// # Errors
    /// [`DeskSettingsError`] for a value that cannot be.
    pub fn check(&self) -> Result<Option<DeskSettings>, DeskSettingsError> {
        if self.pages == Some(false) {
            return Ok(None);
        }
        let minutes = within("desk.idle_minutes", self.idle_minutes.unwrap_or(IDLE_MINUTES), 120)?;
        let hours = within("desk.session_hours", self.session_hours.unwrap_or(SESSION_HOURS), 24)?;
        let address = self.address.as_deref().map(|address| origin("desk.address", address)).transpose()?;
        let agent = self.agent.as_deref().map(agent).transpose()?;
        if self.sign_in.is_some() && !self.test_people.is_empty() {
            return bad("desk.test_people", "people sign in at a provider by desk.sign_in; take one of the two out");
        }
        let sign_in = match &self.sign_in {
            None => None,
            Some(_) if address.is_none() => {
                return bad("desk.sign_in", "name the address that browsers know this server by: desk.address");
            }
            Some(section) => Some(section.check()?),
        };
        let people = self.test_people.iter().map(|(name, person)| Ok((name.clone(), person.check(name)?)));
        let systems = self.systems.iter().map(|(name, system)| Ok((name.clone(), system.check(name)?)));
        Ok(Some(DeskSettings {
            sessions: SessionRules {
                idle: Duration::from_secs(minutes * 60),
                whole: Duration::from_secs(hours * 3600),
            },
            address,
            agent,
            policies: self.policies.clone(),
            sign_in,
            test_people: people.collect::<Result<_, _>>()?,
            systems: systems.collect::<Result<_, _>>()?,
        }))
    }
}

impl CasePolicies {
    /// The policies that are named, each with its key.
    pub fn named(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let all = [
            ("no_card", &self.no_card),
            ("child", &self.child),
            ("cannot_look", &self.cannot_look),
            ("covered", &self.covered),
            ("collector", &self.collector),
            ("home_visit", &self.home_visit),
        ];
        all.into_iter().filter_map(|(key, name)| Some((key, name.as_deref()?)))
    }
}

impl SignInSection {
    fn check(&self) -> Result<SignInSettings, DeskSettingsError> {
        let scope = self.scope.clone().unwrap_or_else(|| "openid".to_owned());
        let texts =
            [("client_id", Some(&self.client_id)), ("scope", Some(&scope)), ("resource", self.resource.as_ref())];
        for (key, text) in texts {
            let is_plain = |text: &String| !text.is_empty() && text.len() <= 512 && !text.chars().any(char::is_control);
            if text.is_some_and(|text| !is_plain(text)) {
                return bad(format!("desk.sign_in.{key}"), "it takes 1 to 512 bytes of text");
            }
        }
        if !scope.split(' ').any(|scope| scope == "openid") {
            return bad("desk.sign_in.scope", "`openid` must be among them");
        }
        let Self { client_id, client_secret, resource, .. } = self.clone();
        Ok(SignInSettings { client_id, client_secret, scope, resource })
    }
}

impl TestPersonSection {
    fn check(&self, name: &str) -> Result<TestPerson, DeskSettingsError> {
        let key = format!("desk.test_people.{name}");
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
        if !name.starts_with("test-") || name.len() > 64 || !name.chars().all(is_plain) {
            return bad(key, "a test person's name begins with `test-`, and has letters, digits and hyphens");
        }
        let role = |name: &String| match Role::from_name(name) {
            Some(role) => Ok(role),
            None => bad(
                format!("{key}.roles"),
                format!("there is no role {name:?}; choose from {}", Role::ALL.map(Role::name).join(", ")),
            ),
        };
        let roles: Roles = self.roles.iter().map(role).collect::<Result<Vec<_>, _>>()?.into_iter().collect();
        if roles.is_empty() {
            return bad(format!("{key}.roles"), "name at least one role");
        }
        Ok(TestPerson { roles, unit: self.unit.clone(), province: self.province.clone() })
    }
}

impl SystemSection {
    fn check(&self, name: &str) -> Result<SystemSettings, DeskSettingsError> {
        let key = format!("desk.systems.{name}");
        for address in &self.return_to {
            let of = format!("{key}.return_to");
            let uri = address_of(&of, address)?;
            let is_whole = address.ends_with('/') && uri.query().is_none();
            if !is_whole {
                return bad(of, "end it with a slash: whatever begins with it may be returned to");
            }
            if address.contains(['*', '%', '\\']) || address.contains("..") {
                return bad(of, "it is the plain beginning of an address, without wildcards and escapes");
            }
        }
        let webhook = match (&self.webhook, &self.webhook_key) {
            (None, None) => None,
            (Some(address), Some(file)) => Some((address_of(&format!("{key}.webhook"), address)?, file.clone())),
            (Some(_), None) => return bad(format!("{key}.webhook"), "results are signed: name a file as webhook_key"),
            (None, Some(_)) => {
                return bad(format!("{key}.webhook_key"), "it signs results; name where they go: webhook");
            }
        };
        Ok(SystemSettings { return_to: self.return_to.clone(), webhook })
    }
}

impl SystemSettings {
    /// Whether a browser may be sent to this address, with a parameter added to its query.
    pub fn may_return_to(&self, address: &str) -> bool {
        // Within a path, `..`, however it is written, and what browsers take for a slash would lead out of it.
        let (path, _) = address.split_once('?').unwrap_or((address, ""));
        let is_plain = address.len() <= RETURN_BYTES_MAX
            && !address.contains('#')
            && !path.contains("..")
            && !path.contains('%')
            && !address.contains('\\')
            && !address.chars().any(|c| c.is_control() || c.is_whitespace());
        is_plain && self.return_to.iter().any(|begin| address.starts_with(begin.as_str()))
    }
}

fn within(key: &str, value: u64, most: u64) -> Result<u64, DeskSettingsError> {
    match (1..=most).contains(&value) {
        true => Ok(value),
        false => bad(key, format!("it is {value}; it lies between 1 and {most}")),
    }
}

/// An address over TLS, or on loopback.
fn address_of(key: &str, text: &str) -> Result<Uri, DeskSettingsError> {
    token::web_address(text, true).or_else(|problem| bad(key, problem))
}

/// An address without a path, such as `https://desk.example.vn`.
fn origin(key: &str, text: &str) -> Result<String, DeskSettingsError> {
    let uri = address_of(key, text)?;
    if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
        return bad(key, "it is an address without a path, such as https://desk.example.vn or http://127.0.0.1:8765");
    }
    let names_port = uri.authority().is_some_and(|authority| authority.as_str() != authority.host());
    if names_port && uri.port_u16().is_none_or(|port| port == 0) {
        return bad(key, "its port is none: 1 to 65535");
    }
    Ok(text.trim_end_matches('/').to_ascii_lowercase())
}

/// The program of a reader is on the machine of the browser.
fn agent(text: &str) -> Result<String, DeskSettingsError> {
    const KEY: &str = "desk.agent";
    let agent = origin(KEY, text)?;
    match address_of(KEY, text) {
        Ok(uri) if uri.host().is_some_and(token::is_loopback) => Ok(agent),
        _ => bad(KEY, "it is the program on the desk's own machine: http://127.0.0.1:PORT"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Option<DeskSettings>, DeskSettingsError> {
        toml::from_str::<DeskSection>(text).expect("TOML").check()
    }

    #[test]
    fn there_are_pages_unless_somebody_wants_none() {
        let settings = read("").unwrap().unwrap();
        assert_eq!(settings.sessions.idle, Duration::from_secs(900));
        assert_eq!(settings.sessions.whole, Duration::from_secs(36_000));
        assert!(settings.sign_in.is_none() && settings.test_people.is_empty());
        assert_eq!(read("pages = false").unwrap(), None);
    }

    #[test]
    fn what_cannot_be_is_refused_by_its_key_with_a_remedy() {
        for (text, key, said) in [
            ("idle_minutes = 0", "desk.idle_minutes", "between 1 and 120"),
            ("session_hours = 25", "desk.session_hours", "between 1 and 24"),
            ("address = \"http://desk.example.vn\"", "desk.address", "https"),
            ("address = \"https://desk.example.vn/x\"", "desk.address", "without a path"),
            ("agent = \"https://reader.example.vn\"", "desk.agent", "127.0.0.1"),
            ("agent = \"http://10.0.0.1:80\"", "desk.agent", "https, except on loopback"),
            ("agent = \"http://localhost:99999\"", "desk.agent", "port"),
            ("agent = \"http://[::1]:0\"", "desk.agent", "port"),
            ("agent = \"http://127.0.0.1:80/read\"", "desk.agent", "127.0.0.1:8765"),
            ("[sign_in]\nclient_id = \"c\"", "desk.sign_in", "desk.address"),
            ("address = \"https://a.vn\"\n[sign_in]", "desk.sign_in.client_id", "1 to 512"),
            ("address = \"https://a.vn\"\n[sign_in]\nclient_id = \"c\"\nscope = \"x\"", "desk.sign_in.scope", "openid"),
            ("[test_people.clerk]\nroles = [\"counter\"]", "desk.test_people.clerk", "test-"),
            ("[test_people.test-a]", "desk.test_people.test-a.roles", "at least one"),
            ("[test_people.test-a]\nroles = [\"boss\"]", "desk.test_people.test-a.roles", "workflow"),
            ("[systems.his]\nreturn_to = [\"https://his.example\"]", "desk.systems.his.return_to", "slash"),
            ("[systems.his]\nreturn_to = [\"http://his.example/\"]", "desk.systems.his.return_to", "https"),
            ("[systems.his]\nreturn_to = [\"https://*.example/\"]", "desk.systems.his.return_to", "wildcards"),
            ("[systems.his]\nreturn_to = [\"https://his.example/a%20b/\"]", "desk.systems.his.return_to", "escapes"),
            ("[systems.his]\nwebhook = \"https://his.example/x\"", "desk.systems.his.webhook", "webhook_key"),
            ("[systems.his]\nwebhook_key = \"k\"", "desk.systems.his.webhook_key", "webhook"),
        ] {
            let error = read(text).expect_err(text);
            assert_eq!(error.key, key, "{text}");
            assert!(error.problem.contains(said), "{error}");
        }
    }

    #[test]
    fn the_readers_program_may_be_at_any_address_of_the_machine_itself() {
        for agent in [
            "http://127.0.0.1:8765",
            "http://127.0.0.5:8765/",
            "http://localhost",
            "http://[::1]:8765",
            "https://localhost:1",
        ] {
            let settings = read(&format!("agent = \"{agent}\"")).unwrap().unwrap();
            assert_eq!(settings.agent.as_deref(), Some(agent.trim_end_matches('/')));
        }
    }

    #[test]
    fn a_browser_returns_below_an_address_that_is_named_and_nowhere_else() {
        let system = SystemSettings { return_to: vec!["https://his.example/desk/".into()], webhook: None };
        assert!(system.may_return_to("https://his.example/desk/case?id=7"));
        assert!(
            system.may_return_to("https://his.example/desk/case?name=Nguy%E1%BB%85n&at=1..2"),
            "no path ends there"
        );
        assert!(!system.may_return_to(&format!("https://his.example/desk/{}", "a".repeat(512))));
        for elsewhere in [
            "https://his.example/desk",
            "https://his.example.evil.example/desk/",
            "https://his.example/desk/../other",
            "https://his.example/desk/%2e%2e/other",
            "https://his.example/desk/\\..",
            "https://his.example/desk/case#top",
            "https://his.example/desk/a%2fb",
            "javascript:alert(1)",
            "",
        ] {
            assert!(!system.may_return_to(elsewhere), "{elsewhere}");
        }
    }
}

//! `[access.tokens]` of the configuration: which provider's tokens are believed, and what they
//! must be.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use http::Uri;
use serde::{Deserialize, Serialize};

use super::discovery;
use super::rules::ClaimPath;
use super::{Algorithm, TokenRules};
use crate::context::Role;

/// Longest issuer, audience and name of a claim, in bytes.
const TEXT_BYTES_MAX: usize = 512;
const CLOCK_SKEW_SECONDS: u64 = 60;
const CLOCK_SKEW_SECONDS_MAX: u64 = 300;
const LIFETIME_HOURS: u64 = 12;
const LIFETIME_HOURS_MAX: u64 = 24;
const REFRESH_MINUTES: u64 = 10;
const REFRESH_MINUTES_MAX: u64 = 24 * 60;
const KEYS_AGE_HOURS: u64 = 24;
const KEYS_AGE_HOURS_MAX: u64 = 7 * 24;

/// `[access.tokens]`, as written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TokensSection {
    /// The provider's issuer identifier, as it stands in `iss`.
    pub issuer: Option<String>,
    /// This service's name in `aud`.
    pub audience: Option<String>,
    /// A file with the issuer's JSON Web Key Set; where absent, the issuer is asked.
    pub keys: Option<PathBuf>,
    /// Certificates (PEM) that the issuer's TLS certificate must lead to; where absent, those of
    /// the system.
    pub ca: Option<PathBuf>,
    /// Algorithms that tokens may be signed by.
    pub algorithms: Option<Vec<String>>,
    /// How far the issuer's clock may be from this one's.
    pub clock_skew_seconds: Option<u64>,
    /// Longest time between `iat` and `exp`.
    pub lifetime_max_hours: Option<u64>,
    /// Where the roles stand.
    pub roles_claim: Option<String>,
    /// Where the unit stands.
    pub unit_claim: Option<String>,
    /// Where the province stands.
    pub province_claim: Option<String>,
    /// From the issuer's names to ours.
    pub role_names: BTreeMap<String, String>,
    /// How often the issuer is asked for its keys.
    pub refresh_minutes: Option<u64>,
    /// How long its last keys are used while it is away.
    pub keys_max_age_hours: Option<u64>,
}

/// `[access.tokens]`, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenSettings {
    /// What tokens must be.
    pub rules: TokenRules,
    /// Where the issuer's keys are.
    pub keys: KeysFrom,
}

/// Where the issuer's keys are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeysFrom {
    /// In this file, a JSON Web Key Set.
    File(PathBuf),
    /// With the issuer, whose discovery document says where.
    Issuer {
        /// The address of the discovery document.
        discovery: Uri,
        /// Certificates that its TLS certificate must lead to; else those of the system.
        ca: Option<PathBuf>,
        /// How often it is asked.
        refresh: Duration,
        /// How long its last keys are used while it is away.
        max_age: Duration,
    },
}

/// A value of `[access.tokens]` that cannot be. The text begins with the key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {why}")]
pub struct BadTokensKey {
    /// `access.tokens.issuer`
    pub key: &'static str,
    /// What is wrong and what to do.
    pub why: String,
}

fn bad<T>(key: &'static str, why: impl Into<String>) -> Result<T, BadTokensKey> {
    Err(BadTokensKey { key, why: why.into() })
}

impl TokensSection {
    /// Checks the values, opening no file.
    ///
    /// # Errors
    /// [`BadTokensKey`] for the first value that cannot be.
    pub fn check(&self) -> Result<TokenSettings, BadTokensKey> {
        const HERE: &str = "access.tokens";
        let Some(issuer) = &self.issuer else {
            return bad(HERE, "it has no issuer; name the OpenID provider's issuer identifier (\"iss\" in its tokens)");
        };
        let Some(audience) = &self.audience else {
            return bad(HERE, "it has no audience; name this service as the provider writes it into \"aud\"");
        };
        text("access.tokens.issuer", issuer)?;
        text("access.tokens.audience", audience)?;
        let rules = TokenRules {
            issuer: issuer.clone(),
            audience: audience.clone(),
            algorithms: self.algorithms()?,
            clock_skew: Duration::from_secs(within(
                "access.tokens.clock_skew_seconds",
                self.clock_skew_seconds,
                0..=CLOCK_SKEW_SECONDS_MAX,
                CLOCK_SKEW_SECONDS,
            )?),
            lifetime_max: hours(within(
                "access.tokens.lifetime_max_hours",
                self.lifetime_max_hours,
                1..=LIFETIME_HOURS_MAX,
                LIFETIME_HOURS,
            )?),
            roles_claim: claim("access.tokens.roles_claim", self.roles_claim.as_deref(), "roles")?,
            unit_claim: claim("access.tokens.unit_claim", self.unit_claim.as_deref(), "unit")?,
            province_claim: claim("access.tokens.province_claim", self.province_claim.as_deref(), "province")?,
            role_names: self.role_names()?,
            takes_numbers: false,
        };
        Ok(TokenSettings { rules, keys: self.keys_from(issuer)? })
    }

    fn algorithms(&self) -> Result<Vec<Algorithm>, BadTokensKey> {
        const KEY: &str = "access.tokens.algorithms";
        let Some(names) = &self.algorithms else { return Ok(Algorithm::DEFAULT.to_vec()) };
        let mut algorithms = Vec::new();
        for name in names {
            let known = || Algorithm::ALL.map(Algorithm::name).join(", ");
            match Algorithm::from_name(name) {
                Some(algorithm) if algorithms.contains(&algorithm) => {
                    return bad(KEY, format!("{} stands twice; take one out", algorithm.name()));
                }
                Some(algorithm) => algorithms.push(algorithm),
                None if name.eq_ignore_ascii_case("none") || name.to_ascii_uppercase().starts_with("HS") => {
                    return bad(KEY, format!("anybody could make tokens with {name:?}; choose from {}", known()));
                }
                None => return bad(KEY, format!("there is no algorithm {name:?} here; choose from {}", known())),
            }
        }
        match algorithms.is_empty() {
            true => bad(KEY, "the list is empty; name at least one, or leave the key out"),
            false => Ok(algorithms),
        }
    }

    fn role_names(&self) -> Result<BTreeMap<String, Role>, BadTokensKey> {
        const KEY: &str = "access.tokens.role_names";
        let role = |(theirs, ours): (&String, &String)| match Role::from_name(ours) {
            Some(role) => Ok((theirs.clone(), role)),
            None => bad(
                KEY,
                format!(
                    "{theirs:?} stands for {ours:?}, which is no role; choose from {}",
                    Role::ALL.map(Role::name).join(", ")
                ),
            ),
        };
        self.role_names.iter().map(role).collect()
    }

    fn keys_from(&self, issuer: &str) -> Result<KeysFrom, BadTokensKey> {
        let refresh =
            within("access.tokens.refresh_minutes", self.refresh_minutes, 1..=REFRESH_MINUTES_MAX, REFRESH_MINUTES)?;
        let max_age = within(
            "access.tokens.keys_max_age_hours",
            self.keys_max_age_hours,
            1..=KEYS_AGE_HOURS_MAX,
            KEYS_AGE_HOURS,
        )?;
        if let Some(file) = &self.keys {
            let of_issuer = [
                ("access.tokens.ca", self.ca.is_some()),
                ("access.tokens.refresh_minutes", self.refresh_minutes.is_some()),
                ("access.tokens.keys_max_age_hours", self.keys_max_age_hours.is_some()),
            ];
            return match of_issuer.into_iter().find(|(_, is_set)| *is_set) {
                Some((key, _)) => {
                    bad(key, "it is for keys that the issuer is asked for, and keys names a file; take one of them out")
                }
                None => Ok(KeysFrom::File(file.clone())),
            };
        }
        if max_age * 60 < refresh {
            return bad(
                "access.tokens.keys_max_age_hours",
                "keys would be too old before they are read again; raise it, or lower refresh_minutes",
            );
        }
        let discovery = match discovery::discovery_address(issuer) {
            Ok(address) => address,
            Err(why) => {
                return bad(
                    "access.tokens.issuer",
                    format!("{why}; or name a file with its keys: keys = \"jwks.json\""),
                );
            }
        };
        Ok(KeysFrom::Issuer {
            discovery,
            ca: self.ca.clone(),
            refresh: Duration::from_secs(refresh * 60),
            max_age: hours(max_age),
        })
    }
}

fn hours(count: u64) -> Duration {
    Duration::from_secs(count * 3600)
}

fn within(
    key: &'static str,
    value: Option<u64>,
    range: std::ops::RangeInclusive<u64>,
    default: u64,
) -> Result<u64, BadTokensKey> {
    match value.unwrap_or(default) {
        value if range.contains(&value) => Ok(value),
        value => bad(key, format!("{value} is out of range; choose {} to {}", range.start(), range.end())),
    }
}

fn text(key: &'static str, value: &str) -> Result<(), BadTokensKey> {
    let is_plain = !value.is_empty() && value.trim() == value && !value.chars().any(char::is_control);
    match is_plain && value.len() <= TEXT_BYTES_MAX {
        true => Ok(()),
        false => bad(key, format!("it takes 1 to {TEXT_BYTES_MAX} bytes of text without space around it")),
    }
}

fn claim(key: &'static str, value: Option<&str>, default: &str) -> Result<ClaimPath, BadTokensKey> {
    let value = value.unwrap_or(default);
    text(key, value)?;
    match !value.contains("://") && value.split('.').any(str::is_empty) {
        true => bad(key, "a name is empty; write names with one dot between them: \"realm_access.roles\""),
        false => Ok(ClaimPath::of(value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEEDED: &str = "issuer = \"https://login.example.vn/realms/counters\"\naudience = \"chinhchu\"\n";

    fn read(more: &str) -> Result<TokenSettings, BadTokensKey> {
        toml::from_str::<TokensSection>(&format!("{NEEDED}{more}")).expect("TOML").check()
    }

    #[test]
    fn issuer_and_audience_are_all_that_is_needed() {
        let settings = read("").unwrap();
        assert_eq!(settings.rules.algorithms, Algorithm::DEFAULT);
        assert_eq!(settings.rules.clock_skew, Duration::from_secs(60));
        assert_eq!(settings.rules.lifetime_max, Duration::from_secs(12 * 3600));
        let expected = KeysFrom::Issuer {
            discovery: "https://login.example.vn/realms/counters/.well-known/openid-configuration".parse().unwrap(),
            ca: None,
            refresh: Duration::from_secs(600),
            max_age: Duration::from_secs(24 * 3600),
        };
        assert_eq!(settings.keys, expected);
        let file = read("keys = \"jwks.json\"").unwrap();
        assert_eq!(file.keys, KeysFrom::File("jwks.json".into()));
    }

    #[test]
    fn the_page_shows_every_key() {
        let page = include_str!("../../../docs/tokens.md");
        let example = page.split("```toml\n[access.tokens]\n").nth(1).unwrap().split("```").next().unwrap();
        // What is commented out is an example, too; a file of keys takes no more.
        let all = example.replace("[access.tokens.role_names]", "[role_names]").replace("\n# ", "\n");
        let section: TokensSection = toml::from_str(&all).unwrap();
        assert!(section.keys.is_some() && section.ca.is_some() && !section.role_names.is_empty());
        let shown = TokensSection { keys: None, ..section };
        let defaults = read("ca = \"login-ca.pem\"").unwrap();
        let TokenSettings { mut rules, keys } = shown.check().unwrap();
        rules.role_names.clear();
        assert_eq!(TokenSettings { rules, keys }, defaults, "the page shows the defaults");
    }

    #[test]
    fn what_cannot_be_is_refused_by_its_key_with_a_remedy() {
        for (more, key, said) in [
            ("algorithms = [\"none\"]", "access.tokens.algorithms", "anybody could make tokens"),
            ("algorithms = [\"RS256\", \"HS256\"]", "access.tokens.algorithms", "anybody could make tokens"),
            ("algorithms = [\"ES256K\"]", "access.tokens.algorithms", "choose from ES256, ES384"),
            ("algorithms = []", "access.tokens.algorithms", "leave the key out"),
            ("algorithms = [\"EdDSA\", \"Ed25519\"]", "access.tokens.algorithms", "twice"),
            ("clock_skew_seconds = 301", "access.tokens.clock_skew_seconds", "0 to 300"),
            ("lifetime_max_hours = 0", "access.tokens.lifetime_max_hours", "1 to 24"),
            ("lifetime_max_hours = 25", "access.tokens.lifetime_max_hours", "1 to 24"),
            ("refresh_minutes = 0", "access.tokens.refresh_minutes", "1 to 1440"),
            ("keys_max_age_hours = 169", "access.tokens.keys_max_age_hours", "1 to 168"),
            ("refresh_minutes = 61\nkeys_max_age_hours = 1", "access.tokens.keys_max_age_hours", "raise it"),
            ("roles_claim = \"a..b\"", "access.tokens.roles_claim", "one dot"),
            ("unit_claim = \"\"", "access.tokens.unit_claim", "1 to 512 bytes"),
            ("province_claim = \" p\"", "access.tokens.province_claim", "space"),
            ("role_names = { BOSS = \"root\" }", "access.tokens.role_names", "workflow, counter"),
            ("keys = \"k\"\nca = \"c\"", "access.tokens.ca", "take one of them out"),
            ("keys = \"k\"\nrefresh_minutes = 5", "access.tokens.refresh_minutes", "take one of them out"),
        ] {
            let error = read(more).expect_err(more);
            assert_eq!(error.key, key, "{more}");
            assert!(error.to_string().starts_with(key) && error.why.contains(said), "{error}");
        }
        let check = |text: &str| toml::from_str::<TokensSection>(text).unwrap().check().unwrap_err().to_string();
        assert!(check("").contains("no issuer"));
        assert!(check("issuer = \"https://a.vn\"").contains("no audience"));
        assert!(check("issuer = \"http://a.vn\"\naudience = \"c\"").contains("must be https"));
        assert!(toml::from_str::<TokensSection>("isuer = \"x\"").unwrap_err().to_string().contains("issuer"));
    }
}

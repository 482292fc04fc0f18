//! The operator's policies by name.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::policy::{Policy, PolicyFile};

/// Name of the policy that is always there.
pub const DEFAULT_POLICY: &str = "default";

/// The policies by name. There is always one called `default`.
#[derive(Debug, Clone, PartialEq)]
pub struct Policies(BTreeMap<String, Policy>);

impl Policies {
    /// Checks the policies of a configuration file. The error names the policy and
    /// the key.
    ///
    /// # Errors
    /// A sentence that names the policy and the key that is wrong.
    pub fn new(files: &BTreeMap<String, PolicyFile>) -> Result<Self, String> {
        let mut out = Self::default();
        for (name, file) in files {
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
            if name.is_empty() || name.len() > 64 || !name.chars().all(plain) {
                return Err(format!("policies.{name}: a policy's name is 1 to 64 letters, digits, - and _"));
            }
            let policy = Policy::new(file).map_err(|detail| format!("policies.{name}.{detail}"))?;
            out.0.insert(name.clone(), policy);
        }
        Ok(out)
    }

    /// One by its name; the empty name is `default`'s.
    pub fn find(&self, name: &str) -> Option<(&str, &Policy)> {
        let name = if name.is_empty() { DEFAULT_POLICY } else { name };
        self.0.get_key_value(name).map(|(name, policy)| (name.as_str(), policy))
    }

    /// SHA-256 of all policies with their names.
    pub fn digest(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        for (name, policy) in &self.0 {
            digest.update((name.len() as u64).to_le_bytes());
            digest.update(name);
            digest.update(policy.digest());
        }
        digest.finalize().into()
    }

    /// Every policy.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Policy)> {
        self.0.iter().map(|(name, policy)| (name.as_str(), policy))
    }
}

impl Default for Policies {
    fn default() -> Self {
        Self(BTreeMap::from([(DEFAULT_POLICY.to_owned(), Policy::default())]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_are_found_by_name_and_the_default_is_always_there() {
        let files = BTreeMap::from([("clinic".to_owned(), PolicyFile::default())]);
        let policies = Policies::new(&files).unwrap();
        assert_eq!(policies.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["clinic", "default"]);
        assert_eq!(policies.find("").unwrap().0, "default");
        assert!(policies.find("bank").is_none());
        assert!(Policies::new(&BTreeMap::from([("a b".to_owned(), PolicyFile::default())])).is_err());
    }
}

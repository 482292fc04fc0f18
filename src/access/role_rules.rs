//! What an operator's configuration makes of each role: fields it sees beside its own, methods it
//! may not call here, and bounds on the calls of one principal.

use std::collections::{BTreeMap, BTreeSet};

use super::settings::{AccessSettingsError, RoleSettings};
use super::{FieldKind, Limits};
use crate::context::{Role, Roles};

/// The rules of one role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleRule {
    /// Kinds of fields that the operator grants it beside its own.
    pub fields: BTreeSet<FieldKind>,
    /// Names of methods that it may not call here.
    pub without: BTreeSet<String>,
    /// Names of policies that the operator lets it name beside the default one.
    pub policies: BTreeSet<String>,
    /// Bounds on each principal that acts in it.
    pub limits: Limits,
}

/// The rules of all roles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleRules(BTreeMap<Role, RoleRule>);

impl Default for RoleRules {
    fn default() -> Self {
        Self(Role::ALL.into_iter().map(|role| (role, RoleRule::of(role))).collect())
    }
}

impl RoleRule {
    fn of(role: Role) -> Self {
        let limits = Limits::of_role(role);
        Self { fields: BTreeSet::new(), without: BTreeSet::new(), policies: BTreeSet::new(), limits }
    }
}

impl RoleRules {
    /// The rules of the configuration; `methods` are the names of all methods.
    pub(super) fn new(
        settings: &BTreeMap<String, RoleSettings>,
        methods: &[&str],
    ) -> Result<Self, AccessSettingsError> {
        let mut rules = Self::default();
        for (name, set) in settings {
            let key = format!("access.roles.{name}");
            let role = role(&key, name)?;
            let rule = rules.0.get_mut(&role).expect("every role has rules");
            for field in &set.fields {
                let key = format!("{key}.fields");
                let Some(kind) = FieldKind::from_name(field) else {
                    let names = FieldKind::ALL.map(FieldKind::name).join(", ");
                    return Err(AccessSettingsError::new(key, format!("`{field}` is none of {names}")));
                };
                if !rule.fields.insert(kind) {
                    return Err(AccessSettingsError::new(key, format!("`{field}` stands here twice; remove one")));
                }
            }
            for method in &set.without {
                let key = format!("{key}.without");
                if !methods.contains(&method.as_str()) {
                    let problem = format!("there is no method `{method}`; docs/access.md lists them");
                    return Err(AccessSettingsError::new(key, problem));
                }
                if !rule.without.insert(method.clone()) {
                    return Err(AccessSettingsError::new(key, format!("`{method}` stands here twice; remove one")));
                }
            }
            for policy in &set.policies {
                if !rule.policies.insert(policy.clone()) {
                    let key = format!("{key}.policies");
                    return Err(AccessSettingsError::new(key, format!("`{policy}` stands here twice; remove one")));
                }
            }
            let limits = [
                ("calls_per_minute", set.calls_per_minute, &mut rule.limits.calls_per_minute),
                ("calls_at_once", set.calls_at_once, &mut rule.limits.calls_at_once),
                ("identifications_per_day", set.identifications_per_day, &mut rule.limits.identifications_per_day),
            ];
            for (name, set, limit) in limits {
                let Some(value) = set else { continue };
                if value == 0 && name != "identifications_per_day" {
                    let problem = "0 would refuse every call; take the machine or the role away instead".to_owned();
                    return Err(AccessSettingsError::new(format!("{key}.{name}"), problem));
                }
                *limit = value;
            }
        }
        Ok(rules)
    }

    /// The rules of a role.
    pub fn of(&self, role: Role) -> &RoleRule {
        // Every role is put in by `default`.
        &self.0[&role]
    }

    /// The roles of a set that may call a method here, by its name.
    pub(super) fn that_may_call(&self, roles: Roles, method: &str) -> Roles {
        roles.iter().filter(|role| !self.of(*role).without.contains(method)).collect()
    }

    /// Whether people at some desk may name this policy, beside the default one.
    pub fn desks_may_name(&self, policy: &str) -> bool {
        [Role::Counter, Role::Clinic].into_iter().any(|role| self.of(role).policies.contains(policy))
    }

    /// The widest bounds of a set of roles.
    pub(super) fn limits(&self, roles: Roles) -> Limits {
        roles.iter().map(|role| self.of(role).limits).reduce(Limits::widest).unwrap_or_else(Limits::none)
    }
}

/// The role of a name in the configuration.
pub(super) fn role(key: &str, name: &str) -> Result<Role, AccessSettingsError> {
    Role::from_name(name).ok_or_else(|| {
        let names = Role::ALL.map(Role::name).join(", ");
        AccessSettingsError::new(key, format!("there is no role `{name}`; the roles are {names}"))
    })
}

//! Which policies a caller may name in `VerifyBeneficiary`.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::RoleRules;
use crate::context::{Role, Roles};

/// PolicyChoice that a caller may name beside the default one. A desk that chose among policies with
/// different rates would decide by the laxest, and learn a match score by halves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PolicyChoice {
    /// Whichever there is.
    Any,
    /// Those that the operator names for its roles.
    Named(Arc<BTreeSet<String>>),
}

impl PolicyChoice {
    /// What callers with these roles may name: what any of the roles may.
    pub(super) fn of(roles: Roles, rules: &RoleRules) -> Self {
        let is_desk = |role: Role| matches!(role, Role::Counter | Role::Clinic);
        if roles.iter().any(|role| !is_desk(role)) {
            return Self::Any;
        }
        Self::Named(Arc::new(roles.iter().flat_map(|role| rules.of(role).policies.iter().cloned()).collect()))
    }

    /// Whether a caller may name this one, which is not the default.
    pub fn has(&self, name: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Named(names) => names.contains(name),
        }
    }
}

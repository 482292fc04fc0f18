//! Which fields of answers a caller sees.

use super::RoleRules;
use crate::context::{Role, Roles};

/// Kinds of fields that not every role sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FieldKind {
    /// How near two faces are: scores, false match rates, thresholds, and the calibration behind
    /// them. Whoever learns them can climb towards a match, one altered picture after the other.
    MatchScores,
    /// What was measured of one picture: liveness, quality, pose, detection. Whoever learns the
    /// liveness score can climb towards a live one.
    Measures,
    /// Which other records share the face or the captures.
    OtherRecords,
}

impl FieldKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::MatchScores, Self::Measures, Self::OtherRecords];

    /// The stable name of the kind, as in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::MatchScores => "match_scores",
            Self::Measures => "measures",
            Self::OtherRecords => "other_records",
        }
    }

    /// The kind of this name, if there is one.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The kinds that a role sees without a grant.
    pub fn of_role(role: Role) -> &'static [Self] {
        match role {
            Role::Workflow | Role::Officer | Role::Auditor => &Self::ALL,
            Role::Registrar => &[Self::Measures],
            Role::Counter | Role::Clinic | Role::Operator => &[],
        }
    }
}

/// A set of kinds of fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Fields {
    /// See [`FieldKind::MatchScores`].
    pub match_scores: bool,
    /// See [`FieldKind::Measures`].
    pub measures: bool,
    /// See [`FieldKind::OtherRecords`].
    pub other_records: bool,
}

impl Fields {
    /// Every field.
    pub const ALL: Self = Self { match_scores: true, measures: true, other_records: true };

    /// What callers with these roles see: what any of the roles sees, and what the operator grants
    /// it.
    pub(super) fn of(roles: Roles, rules: &RoleRules) -> Self {
        let mut fields = Self::default();
        for role in roles.iter() {
            let granted = rules.of(role).fields.iter();
            for kind in FieldKind::of_role(role).iter().chain(granted) {
                match kind {
                    FieldKind::MatchScores => fields.match_scores = true,
                    FieldKind::Measures => fields.measures = true,
                    FieldKind::OtherRecords => fields.other_records = true,
                }
            }
        }
        fields
    }
}

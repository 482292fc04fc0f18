//! What an audit is of, and in what two differ.

use serde::{Deserialize, Serialize};

/// What an audit is of: pairs of one are never taken for pairs of another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// Digest of templates, owners and their order, in hexadecimal.
    pub templates: String,
    /// The score asked for, as its bits: equal means equal.
    pub score_bits: u32,
    /// What was chosen of the galleries, as typed.
    pub filters: String,
    /// Digest of the earlier audit's templates, for an audit of what is new.
    pub since: Option<String>,
    /// Units of work.
    pub units: u32,
    /// Of galleries in use: templates with this id or a higher one came after the audit
    /// began. One number for each gallery. The first run says it for those that follow;
    /// it tells no audits apart.
    pub before: Vec<Option<u64>>,
}

/// In what an audit differs from the one in the folder.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Difference {
    /// Other templates.
    #[error("the folder holds an audit of another gallery, or the gallery has changed since")]
    Templates,
    /// Another score.
    #[error("the folder holds an audit at score {}, this one is at {}", f32::from_bits(*.there), f32::from_bits(*.here))]
    Score {
        /// Bits of the score in the folder.
        there: u32,
        /// Bits of the score asked for.
        here: u32,
    },
    /// Other filters.
    #[error("the folder holds an audit of another selection ({there}; this one is of {here})")]
    Filters {
        /// Those in the folder.
        there: String,
        /// Those given.
        here: String,
    },
    /// Since another audit.
    #[error("the folder holds an audit since another audit, or of everything")]
    Since,
    /// Another number of units: another program's.
    #[error("the folder holds an audit by a program that cuts the work otherwise")]
    Units,
}

impl Identity {
    /// In what another one differs, the most telling first.
    pub(in crate::audit) fn differs(&self, there: &Identity) -> Option<Difference> {
        let here = self;
        Some(match () {
            () if there.filters != here.filters => {
                let name = |text: &str| if text.is_empty() { "everything".to_owned() } else { text.to_owned() };
                Difference::Filters { there: name(&there.filters), here: name(&here.filters) }
            }
            () if there.templates != here.templates => Difference::Templates,
            () if there.since != here.since => Difference::Since,
            () if there.score_bits != here.score_bits => {
                Difference::Score { there: there.score_bits, here: here.score_bits }
            }
            () if there.units != here.units => Difference::Units,
            () => return None,
        })
    }
}

//! What decisions are made by: the rules in force, and whose turn each transaction and record is.

use std::sync::{Arc, PoisonError, RwLock};

use super::Policies;
use super::pictures::PictureTurns;
use super::turns::Turns;
use crate::chip::Anchors;
use crate::gallery::{RequestId, SubjectId};

/// The operator's anchors and policies, as they are at one moment. A decision takes them once,
/// at its beginning, and is made by them to its end.
#[derive(Default)]
pub(in crate::workflow) struct RulesInForce {
    pub(in crate::workflow) anchors: Arc<Anchors>,
    pub(in crate::workflow) policies: Policies,
}

/// What an engine decides with: anchors and policies, which can be put in the place of others
/// while it runs, and whose turn each transaction is.
#[derive(Default)]
pub(in crate::workflow) struct DecisionService {
    in_force: RwLock<Arc<RulesInForce>>,
    /// Whose turn each transaction is.
    pub(super) turns: Turns<RequestId>,
    /// Whose turn each record is, to count its attempts and be decided.
    pub(super) records: Turns<SubjectId>,
    /// Whose turn it is to make pictures of a case.
    pub(super) picture_turns: PictureTurns,
}

impl DecisionService {
    /// What decisions that begin now are made by.
    pub(in crate::workflow) fn in_force(&self) -> Arc<RulesInForce> {
        Arc::clone(&self.in_force.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts others in their place, both at once.
    pub(in crate::workflow) fn replace(&self, anchors: Anchors, policies: Policies) {
        // Made before the lock is taken.
        let new = Arc::new(RulesInForce { anchors: Arc::new(anchors), policies });
        let old = std::mem::replace(&mut *self.in_force.write().unwrap_or_else(PoisonError::into_inner), new);
        // Dropped after it is given back: hundreds of certificates.
        drop(old);
    }
}

//! Who and what a request says that it is of: the caller, and nobody else.
//!
//! Requests name clerks, officers and units. Where the server knows who calls, such a field is
//! empty or the caller's own; where it does not (an open server), and where a machine speaks for
//! people who have no tokens, it is taken as it stands.

use super::layers::Call;
use super::pb;
use super::refusal::{Refusal, ServiceRefusal};
use crate::context::{Principal, Role};
use crate::workflow::beneficiary::DEFAULT_POLICY;
use crate::workflow::reason::Reason;

/// A request in which somebody is named.
pub(super) trait Authored {
    /// Puts the caller in where nobody is named.
    ///
    /// # Errors
    /// Where somebody else is named, and where the caller's roles may not set a field.
    fn author(&mut self, by: &Call) -> Result<(), Refusal>;
}

/// A field that names a person: the caller where it is empty.
fn own_id(named: &mut String, by: &Call, field: &'static str) -> Result<(), Refusal> {
    let Principal::Person { id, .. } = by.context.principal() else { return Ok(()) };
    own(named, id, field)
}

/// A field that names a unit: the caller's where it is empty.
fn own_unit(named: &mut String, by: &Call) -> Result<(), Refusal> {
    match by.context.unit() {
        Some(unit) => own(named, unit, "unit"),
        None => Ok(()),
    }
}

fn own(named: &mut String, own: &str, field: &'static str) -> Result<(), Refusal> {
    if named.is_empty() {
        own.clone_into(named);
    }
    match named == own {
        true => Ok(()),
        false => Err(not_allowed(Reason::NotYourId, field)),
    }
}

fn not_allowed(reason: Reason, field: &'static str) -> Refusal {
    Refusal {
        field: Some(field.to_owned()),
        ..ServiceRefusal::NotAuthorised { reason, retry_after: None, token: None }.into()
    }
}

impl Authored for pb::VerifyRequest {
    fn author(&mut self, by: &Call) -> Result<(), Refusal> {
        // Whoever chooses the rate and sees "match" or "no match" learns the score by halves.
        match self.fmr.is_some() && !by.fields.match_scores {
            true => Err(not_allowed(Reason::FieldNotAllowed, "fmr")),
            false => Ok(()),
        }
    }
}

impl Authored for pb::EnrollRequest {
    fn author(&mut self, by: &Call) -> Result<(), Refusal> {
        own_id(&mut self.clerk_id, by, "clerk_id")?;
        let roles = by.context.roles();
        // An officer vouches for photos; whoever enrols is a registrar. Of an open server nobody
        // has a role.
        let needed = if self.vouch.is_some() { Role::Officer } else { Role::Registrar };
        if *by.context.principal() != Principal::Anonymous && !roles.contains(needed) {
            let field = if self.vouch.is_some() { "vouch" } else { "subject_id" };
            return Err(not_allowed(Reason::RoleNotAllowed, field));
        }
        let replaces = self.mode() == pb::EnrollMode::Replace;
        if replaces && *by.context.principal() != Principal::Anonymous && !roles.contains(Role::Registrar) {
            // Nothing of the record would be left to compare with.
            return Err(not_allowed(Reason::RoleNotAllowed, "mode"));
        }
        match &mut self.vouch {
            Some(vouch) => own_id(&mut vouch.officer_id, by, "vouch.officer_id"),
            None => Ok(()),
        }
    }
}

impl Authored for pb::VerifyBeneficiaryRequest {
    fn author(&mut self, by: &Call) -> Result<(), Refusal> {
        let is_default = self.policy.is_empty() || self.policy == DEFAULT_POLICY;
        if !is_default && !by.policies.has(&self.policy) {
            return Err(not_allowed(Reason::FieldNotAllowed, "policy"));
        }
        own_id(&mut self.clerk_id, by, "clerk_id")?;
        own_unit(&mut self.unit, by)
    }
}

impl Authored for pb::ResolveReferralRequest {
    fn author(&mut self, by: &Call) -> Result<(), Refusal> {
        own_id(&mut self.officer_id, by, "officer_id")
    }
}

impl Authored for pb::ClearPairRequest {
    fn author(&mut self, by: &Call) -> Result<(), Refusal> {
        own_id(&mut self.officer_id, by, "officer_id")
    }
}

/// Requests about how records stand: done in the caller's own name. A machine does it in its own,
/// in nobody else's.
macro_rules! in_own_name {
    ($($message:ident)*) => {
        $(impl Authored for pb::$message {
            fn author(&mut self, by: &Call) -> Result<(), Refusal> {
                match by.context.principal() {
                    Principal::Machine { name } => own(&mut self.by_id, name, "by_id"),
                    _ => own_id(&mut self.by_id, by, "by_id"),
                }
            }
        })*
    };
}
in_own_name!(
    RestrictRequest LiftRestrictionRequest HoldRequest ReleaseHoldRequest EraseRequest OpenRequestRequest
    AcknowledgeRequestRequest CloseRequestRequest
);

impl Authored for pb::UnclearPairRequest {
    fn author(&mut self, by: &Call) -> Result<(), Refusal> {
        // An auditor may be a machine: it ends a clearing in its own name, in nobody else's.
        if let Principal::Machine { name } = by.context.principal() {
            return own(&mut self.officer_id, name, "officer_id");
        }
        own_id(&mut self.officer_id, by, "officer_id")
    }
}

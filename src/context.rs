//! Who makes a request, under which trace and transaction, and until when: the first
//! parameter of every use case.
//!
//! The command line builds one for the user of the operating system who runs it, the server
//! one for each call. It reaches the commit of whatever the request changes, so that who did
//! it can be recorded there.
//!
//! ```
//! use std::time::{Duration, Instant};
//!
//! use chinhchu::context::{Principal, RequestContext, Role};
//!
//! let context = RequestContext::new(Principal::Internal { task: "example" })
//!     .with_roles([Role::Auditor].into_iter().collect())
//!     .with_deadline(Instant::now() + Duration::from_secs(5));
//! assert!(context.roles().contains(Role::Auditor));
//! assert!(context.check_deadline().is_ok());
//! ```

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use nix::unistd::{Uid, User};

use crate::hex;

/// Who makes a request.
///
/// `Debug` writes the kind alone: uids and names identify people.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Principal {
    /// A caller over the network that has not said who it is.
    Anonymous,
    /// A user of the operating system this process runs on, who started the program.
    OperatingSystemUser {
        /// The real user id of the process.
        uid: u32,
        /// The user's name in the system's user database, if it has one.
        name: Option<Arc<str>>,
    },
    /// A machine, known by its client certificate.
    Machine {
        /// Its name in the server's configuration.
        name: Arc<str>,
    },
    /// A person, known by a token of the issuer that the server trusts.
    Person {
        /// The issuer's id of the person: a pseudonym.
        id: Arc<str>,
        /// Name of the machine that the call came from, where it brought a certificate.
        machine: Option<Arc<str>>,
    },
    /// The program itself, for work that no caller asked for.
    Internal {
        /// Which work, as a fixed name for logs.
        task: &'static str,
    },
}

impl Principal {
    /// The user who runs this process: the real one, by the system's user database. Environment
    /// variables, which anybody may set, are not asked.
    pub fn of_this_process() -> Self {
        let uid = Uid::current();
        // A user without an entry, as in a container, is known by the number alone.
        let name = User::from_uid(uid).ok().flatten().map(|user| user.name.into());
        Self::OperatingSystemUser { uid: uid.as_raw(), name }
    }

    /// The kind of principal, as a stable word for logs and records.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Anonymous => "anonymous",
            Self::OperatingSystemUser { .. } => "os_user",
            Self::Machine { .. } => "machine",
            Self::Person { .. } => "person",
            Self::Internal { .. } => "internal",
        }
    }
}

impl fmt::Debug for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind())
    }
}

/// What a principal may be trusted with. Each use case will name the roles that may call it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Role {
    /// A benefit-payment system that acts on decisions.
    Workflow,
    /// A desk where benefits are claimed.
    Counter,
    /// A health facility that verifies patients.
    Clinic,
    /// Whoever enrols and removes subjects.
    Registrar,
    /// Resolves referrals and clears pairs.
    Officer,
    /// Reviews whole galleries and past decisions.
    Auditor,
    /// Runs and configures the server.
    Operator,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 7] =
        [Self::Workflow, Self::Counter, Self::Clinic, Self::Registrar, Self::Officer, Self::Auditor, Self::Operator];

    /// The stable name of the role, in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Workflow => "workflow",
            Self::Counter => "counter",
            Self::Clinic => "clinic",
            Self::Registrar => "registrar",
            Self::Officer => "officer",
            Self::Auditor => "auditor",
            Self::Operator => "operator",
        }
    }

    /// The role of this name, if there is one.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// A set of roles.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Roles(u8);

impl Roles {
    /// The set without any role.
    pub const NONE: Self = Self(0);

    /// Whether the set has this role.
    pub fn contains(self, role: Role) -> bool {
        self.0 & role.bit() != 0
    }

    /// Whether the set has no role.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The roles of the set, in the order of [`Role::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Role> {
        Role::ALL.into_iter().filter(move |role| self.contains(*role))
    }
}

impl FromIterator<Role> for Roles {
    fn from_iter<I: IntoIterator<Item = Role>>(roles: I) -> Self {
        Self(roles.into_iter().fold(0, |bits, role| bits | role.bit()))
    }
}

impl fmt::Debug for Roles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(Role::name)).finish()
    }
}

/// Which records and cases a request may touch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reach {
    /// All of them.
    #[default]
    Everything,
    /// Those of the principal's own unit, or, where it has none, of its own province.
    OwnPlace,
}

/// The id of a trace (W3C Trace Context, `trace-id`): 16 bytes, written as 32 lower-case
/// hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId([u8; 16]);

impl TraceId {
    /// The id of these bytes.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The deadline of a request passed before its work began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the deadline of the request has passed")]
pub struct DeadlinePassed;

/// The caller of a request and the bounds it set. Cheap to clone.
///
/// `Debug` writes kinds and counts alone: no uid, no name, no transaction.
#[derive(Clone, PartialEq, Eq)]
pub struct RequestContext {
    principal: Principal,
    roles: Roles,
    unit: Option<Arc<str>>,
    province: Option<Arc<str>>,
    reach: Reach,
    method: Option<&'static str>,
    trace: Option<TraceId>,
    transaction: Option<Arc<str>>,
    deadline: Option<Instant>,
}

impl RequestContext {
    /// A request of this principal: without roles, unit, province, trace, transaction and
    /// deadline.
    pub fn new(principal: Principal) -> Self {
        Self {
            principal,
            roles: Roles::NONE,
            unit: None,
            province: None,
            reach: Reach::Everything,
            method: None,
            trace: None,
            transaction: None,
            deadline: None,
        }
    }

    /// A request of somebody who has not said who they are.
    pub fn anonymous() -> Self {
        Self::new(Principal::Anonymous)
    }

    /// A request of the program itself, for the work named `task`.
    pub fn internal(task: &'static str) -> Self {
        Self::new(Principal::Internal { task })
    }

    /// The same request with these roles instead of those it had.
    #[must_use]
    pub fn with_roles(self, roles: Roles) -> Self {
        Self { roles, ..self }
    }

    /// The same request from this unit, an office or facility by the operator's code.
    #[must_use]
    pub fn with_unit(self, unit: impl Into<Arc<str>>) -> Self {
        Self { unit: Some(unit.into()), ..self }
    }

    /// The same request from this province, by its code.
    #[must_use]
    pub fn with_province(self, province: impl Into<Arc<str>>) -> Self {
        Self { province: Some(province.into()), ..self }
    }

    /// The same request with this reach instead of the one it had.
    #[must_use]
    pub fn with_reach(self, reach: Reach) -> Self {
        Self { reach, ..self }
    }

    /// The same request by this method or command: a fixed name for records and the log.
    #[must_use]
    pub fn with_method(self, method: &'static str) -> Self {
        Self { method: Some(method), ..self }
    }

    /// The same request under this trace.
    #[must_use]
    pub fn with_trace(self, trace: TraceId) -> Self {
        Self { trace: Some(trace), ..self }
    }

    /// The same request as part of this transaction, by the caller's id of it.
    #[must_use]
    pub fn with_transaction(self, transaction: impl Into<Arc<str>>) -> Self {
        Self { transaction: Some(transaction.into()), ..self }
    }

    /// The same request, to be answered by `deadline`. A deadline can only be brought forward: an
    /// earlier one stays.
    #[must_use]
    pub fn with_deadline(self, deadline: Instant) -> Self {
        let deadline = self.deadline.map_or(deadline, |own| own.min(deadline));
        Self { deadline: Some(deadline), ..self }
    }

    /// Who makes the request.
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// The roles the principal makes it in.
    pub fn roles(&self) -> Roles {
        self.roles
    }

    /// The office or facility of the principal, by the operator's code, if known.
    pub fn unit(&self) -> Option<&str> {
        self.unit.as_deref()
    }

    /// The province of the principal, by its code, if known.
    pub fn province(&self) -> Option<&str> {
        self.province.as_deref()
    }

    /// Which records and cases the request may touch.
    pub fn reach(&self) -> Reach {
        self.reach
    }

    /// The method or command it came by, if it is known.
    pub fn method(&self) -> Option<&'static str> {
        self.method
    }

    /// The trace of the request, if it has one.
    pub fn trace(&self) -> Option<TraceId> {
        self.trace
    }

    /// The caller's id of the transaction the request is part of, if it is part of one.
    pub fn transaction(&self) -> Option<&str> {
        self.transaction.as_deref()
    }

    /// The moment after which nobody waits for the answer, if there is one.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Checks that somebody still waits for the answer. Every use case does, before it begins.
    ///
    /// # Errors
    /// [`DeadlinePassed`] where the deadline is now or earlier.
    pub fn check_deadline(&self) -> Result<(), DeadlinePassed> {
        match self.deadline {
            Some(deadline) if deadline <= Instant::now() => Err(DeadlinePassed),
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for RequestContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestContext")
            .field("principal", &self.principal)
            .field("roles", &self.roles)
            .field("trace", &self.trace)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn debug_tells_nothing_that_identifies_a_person() {
        let user = Principal::OperatingSystemUser { uid: 54_321, name: Some("nguyen.thi.lan".into()) };
        let context = RequestContext::new(user)
            .with_roles([Role::Officer].into_iter().collect())
            .with_unit("unit-of-lan")
            .with_transaction("079088000017")
            .with_trace(TraceId::from_bytes([0xab; 16]));
        let written = format!("{context:?} {:?}", context.principal());
        for secret in ["54321", "nguyen", "lan", "079088000017"] {
            assert!(!written.contains(secret), "{written}");
        }
        for public in ["os_user", "officer", &"ab".repeat(16)] {
            assert!(written.contains(public), "{written}");
        }
    }

    #[test]
    fn a_set_has_the_roles_it_was_made_of_and_no_others() {
        for subset in 0..1u32 << Role::ALL.len() {
            let chosen: Vec<Role> =
                (0..).zip(Role::ALL).filter(|(i, _)| subset >> i & 1 == 1).map(|(_, r)| r).collect();
            let roles: Roles = chosen.iter().rev().chain(&chosen).copied().collect();
            assert_eq!(roles.iter().collect::<Vec<_>>(), chosen);
            assert_eq!(roles.is_empty(), chosen.is_empty());
        }
    }

    #[test]
    fn a_role_is_found_by_its_name_alone() {
        for role in Role::ALL {
            assert_eq!(Role::from_name(role.name()), Some(role));
        }
        for wrong in ["", "Officer", "root", "officer "] {
            assert_eq!(Role::from_name(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_deadline_can_be_brought_forward_and_never_put_off() {
        let now = Instant::now();
        let (soon, later) = (now + Duration::from_secs(60), now + Duration::from_secs(600));
        let context = RequestContext::anonymous().with_deadline(later).with_deadline(soon);
        assert_eq!(context.deadline(), Some(soon));
        assert_eq!(context.with_deadline(later).deadline(), Some(soon));
    }

    #[test]
    fn only_a_deadline_that_has_passed_is_refused() {
        let context = RequestContext::anonymous();
        assert_eq!(context.check_deadline(), Ok(()));
        assert_eq!(context.clone().with_deadline(Instant::now()).check_deadline(), Err(DeadlinePassed));
        assert_eq!(context.with_deadline(Instant::now() + Duration::from_secs(3600)).check_deadline(), Ok(()));
    }

    #[test]
    fn a_request_says_no_more_of_its_caller_than_it_was_told() {
        let context = RequestContext::internal("readiness");
        assert_eq!(context.principal().kind(), "internal");
        assert!(context.roles().is_empty());
        assert_eq!(
            (context.unit(), context.transaction(), context.trace(), context.deadline()),
            (None, None, None, None)
        );
        assert_eq!(RequestContext::anonymous().principal(), &Principal::Anonymous);
    }
}

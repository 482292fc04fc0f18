//! Who may call what: the callers a server knows, the roles they have, and what each role may
//! call and see.
//!
//! A caller proves who it is by a client certificate (machines), by a bearer token of an OpenID
//! provider (people), or by both. Nothing here opens a socket.
//!
//! Which role may call which method stands in the server's table of methods; the page
//! `docs/access.md` is written from it.

mod approval;
mod caller;
mod callers;
mod fields;
mod limits;
mod machine;
mod policy_choice;
mod role_rules;
mod rules;
mod settings;
pub mod token;

pub use self::approval::{APPROVALS_NEEDED, Approval, NotApproved, Operators, new_operator_key, public_key};
pub use self::caller::{CertificateNames, PersonClaims};
pub use self::callers::Callers;
pub use self::fields::{FieldKind, Fields};
pub use self::limits::{CountedCall, LimitReached, Limits, Usage};
pub use self::machine::{check_dns, check_uri};
pub use self::policy_choice::PolicyChoice;
pub use self::role_rules::{RoleRule, RoleRules};
pub use self::rules::{AccessRefusal, AccessRules, Caller, Permission, Place, WHOLE_COUNTRY};
pub use self::settings::{AccessSettings, AccessSettingsError, MachineSettings, RoleSettings};

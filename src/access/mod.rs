//! Who may call what: the callers a server knows, the roles they have, and what each role may
//! call and see.
//!
//! A caller proves who it is by a client certificate (machines), by a bearer token of an OpenID
//! provider (people), or by both. Nothing here opens a socket.

mod caller;
pub mod token;

pub use self::caller::{CertificateNames, PersonClaims};

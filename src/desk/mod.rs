//! The pages for desks and officers: their files, who is signed in at a browser, and the records that
//! benefit systems hand over.
//!
//! ```text
//! browser -> service::desk      addresses, cookies, forms
//!              -> pages         files of the pages, built into the program
//!              -> sign_in       sign-ins under way at the OpenID provider
//!              -> sessions      who is signed in, by a cookie; the token that their calls are made with
//!              -> handoff       records that a benefit system has opened for a desk
//! ```
//!
//! A page calls the methods of the contract like any other program, as JSON over HTTP; all that a session does is to put its
//! person's token on the call. Nothing about a decision is known here. Opens no socket and no file; what is
//! kept is kept in memory and ends with the process.

mod cookies;
mod digest;
mod handoff;
mod pages;
mod sessions;
mod settings;
mod sign_in;
mod test_people;

pub use self::cookies::{Cookies, SESSION_COOKIE, SIGN_IN_COOKIE};
pub use self::handoff::{Handoff, HandoffFault, HandoffRecord, HandoffResult, Handoffs, OpenHandoff};
pub use self::pages::{Asset, asset, page};
pub use self::sessions::{Session, SessionRules, Sessions, Started, Tokens};
pub use self::settings::{
    CasePolicies, DeskSection, DeskSettings, DeskSettingsError, SignInSettings, SystemSettings, TestPerson,
};
pub use self::sign_in::{Begun, Pending, SignIns, is_page_path};
pub use self::test_people::TestPeople;

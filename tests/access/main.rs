//! Who gets to speak to the server, over real sockets: TLS, certificates of clients, tokens of a
//! real OpenID provider, what each caller may do, what is read anew while calls are in flight.

mod callers;
mod clients;
mod configuration;
mod desk;
mod expiry;
#[path = "../service/fake.rs"]
#[allow(dead_code, reason = "shared with tests/service, which uses all of it")]
mod fake;
mod files;
mod issuer;
mod json;
mod ledger;
mod made;
mod methods;
mod office;
mod operators;
#[path = "../service/over_json.rs"]
mod over_json;
mod pages;
mod pki;
mod program;
mod provider;
mod reload;
mod signer;
mod slow;
#[path = "../cli/support.rs"]
#[allow(dead_code, unused_macros, reason = "shared with tests/cli, which uses all of it")]
mod support;
mod tokens;
mod versions;

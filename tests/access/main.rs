//! Who gets to speak to the server, over real sockets: TLS, certificates of clients, what is read
//! anew while calls are in flight. With a stand-in for the engine, so that no weights are needed.

mod clients;
mod expiry;
#[path = "../service/fake.rs"]
#[allow(dead_code, reason = "shared with tests/service, which uses all of it")]
mod fake;
mod files;
mod pki;
mod program;
mod reload;
mod slow;
#[path = "../cli/support.rs"]
#[allow(dead_code, unused_macros, reason = "shared with tests/cli, which uses all of it")]
mod support;
mod versions;

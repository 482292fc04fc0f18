//! The service over real sockets: its request layers with a stand-in for the engine, so that
//! they are tested without weights; its calls with the real engine.

mod assets;
mod bulk;
mod calls;
mod context;
mod contract;
mod drain;
mod engine;
mod errors;
mod fake;
mod http;
mod json;
mod limits;
mod over_json;
mod overload;
mod program;
mod silent;
mod traces;

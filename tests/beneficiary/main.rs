//! The decision about a beneficiary, over real sockets, with synthetic cards and
//! real photos: what is approved, referred and denied, and that each is decided
//! once.

mod cases;
mod challenges;
mod counter;
mod evidence;
mod generations;
mod killed;
mod ledger;
mod officers;
mod once;
mod people;
mod pictures;
mod program;
mod reads;
mod records;
mod reload;
mod support;

//! `chinhchu audit` as its users meet it: the program, real files, real signals.

mod bad_input;
mod earlier;
mod findings;
mod galleries;
mod interrupted;
mod made;
mod pairs;
mod photos;
mod rerun;
mod served;
mod spreadsheets;
// Half of it is for other commands.
#[allow(dead_code)]
#[path = "../cli/support.rs"]
mod support;

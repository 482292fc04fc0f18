//! The command line: one file per command, arguments in, exit code out.
//!
//! Each command has two types: what was typed (`…Args`, made by clap) and what
//! will be done (`Plan`, validated before anything is opened). The exit codes are
//! a contract: 0 success or match, 1 no match or a check that failed or some rows
//! failed, 2 wrong usage or unusable input with one line on standard error.
//!
//! Nothing here prints a subject id or a path that was not typed by the user.

mod approval;
mod args;
mod backend;
mod bulk;
mod caller;
mod case_records;
mod config;
mod connection;
mod csv_locale;
mod danger;
mod date;
mod files;
mod forge;
mod galleries;
mod labelled;
mod ledger_keys;
mod ledger_work;
mod listed;
mod listing;
mod manifest;
mod options;
mod outcome;
mod photo;
mod print;
mod progress;
mod reload;
mod runtime;
mod sealing;
mod settings;
mod source;
mod template_cache;
mod tls;
mod version;

pub mod access;
pub mod audit;
pub mod backup;
pub mod calibrate;
pub mod case;
pub mod chip;
pub mod config_check;
pub mod digest;
mod duties;
pub mod embed;
pub mod enroll;
pub mod evaluate;
pub mod gallery;
pub mod identify;
pub mod keys;
pub mod ledger;
pub mod models;
pub mod remove;
mod report;
mod report_words;
mod requests;
pub mod restore;
mod retain;
mod rights;
pub mod serve;
pub mod subject;
pub mod verify;

pub use args::{Command, parse};
pub use options::GlobalArgs;
pub use outcome::{Exit, Failure, Outcome, finish};

//! The `chinhchu` program: a table from command to function.

use std::process::ExitCode;

use chinhchu::cli::{self, Command, Failure};
use chinhchu::sealing;

fn main() -> ExitCode {
    // First, while there is neither a key nor a thread.
    if let Err(error) = sealing::forbid_core_dumps() {
        return cli::finish(Err(Failure::new(format_args!(
            "core dumps cannot be turned off ({error}): look at what the system forbids this process"
        ))));
    }
    let (global, command) = match cli::parse(std::env::args_os()) {
        Ok(parsed) => parsed,
        Err(exit) => return exit,
    };
    cli::finish(match command {
        Command::Serve(args) => cli::serve::run(&global, args),
        Command::Verify(args) => cli::verify::run(&global, args),
        Command::Enroll(args) => cli::enroll::run(&global, args),
        Command::Remove(args) => cli::remove::run(&global, args),
        Command::Identify(args) => cli::identify::run(&global, args),
        Command::Embed(args) => cli::embed::run(&global, args),
        Command::Backup(args) => cli::backup::run(&global, args),
        Command::Restore(args) => cli::restore::run(&global, args),
        Command::Audit(args) => cli::audit::run(&global, *args),
        Command::Evaluate(args) => cli::evaluate::run(&global, args),
        Command::Calibrate(args) => cli::calibrate::run(&global, args),
        Command::Subject(args) => cli::subject::run(&global, args),
        Command::Case(args) => cli::case::run(&global, args),
        Command::Gallery(args) => cli::gallery::run(&global, args),
        Command::Digest(args) => cli::digest::run(&global, args),
        Command::Chip(args) => cli::chip::run(&global, args),
        Command::Config(args) => cli::config_check::run(&global, args),
        Command::Access(args) => cli::access::run(&global, args),
        Command::Keys(args) => cli::keys::run(&global, args),
        Command::Ledger(args) => cli::ledger::run(&global, args),
        Command::Models(args) => cli::models::run(&global, args),
    })
}

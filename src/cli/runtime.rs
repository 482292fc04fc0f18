//! What a command runs on: a log and an async runtime.

use std::io;

use tracing_subscriber::EnvFilter;

use super::args::LogFormat;
use super::{Failure, GlobalArgs, Outcome};

/// Starts logging to standard error at `default`, unless the user says otherwise.
pub(super) fn start_log(global: &GlobalArgs, default: &str) -> Result<(), Failure> {
    let filter = global.log.as_deref().filter(|text| !text.trim().is_empty()).unwrap_or(default);
    let filter = EnvFilter::builder()
        .parse(filter)
        .map_err(|e| Failure::new(format_args!("--log {filter}: {e}; write for example info, or chinhchu=debug")))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    let started = match global.log_format {
        LogFormat::Json => builder.json().try_init(),
        LogFormat::Text => builder.with_ansi(io::IsTerminal::is_terminal(&io::stderr())).with_target(false).try_init(),
    };
    started.map_err(|e| Failure::new(format_args!("cannot start the log: {e}")))
}

/// Runs one command's async part on this thread: its work is done by the
/// engine's own workers.
pub(super) fn block_on(command: impl Future<Output = Outcome>) -> Outcome {
    run(&mut tokio::runtime::Builder::new_current_thread(), command)
}

/// Runs a server's async part on several threads.
pub(super) fn block_on_threads(command: impl Future<Output = Outcome>) -> Outcome {
    run(&mut tokio::runtime::Builder::new_multi_thread(), command)
}

fn run(builder: &mut tokio::runtime::Builder, command: impl Future<Output = Outcome>) -> Outcome {
    builder
        .enable_all()
        .build()
        .map_err(|e| Failure::new(format_args!("cannot start threads: {e}; raise the limit on processes (ulimit -u)")))?
        .block_on(command)
}

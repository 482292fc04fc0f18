//! What a command runs on: a log and an async runtime.

use std::io;
use std::time::Duration;

use tracing_subscriber::EnvFilter;

use super::options::LogFormat;
use super::{Failure, GlobalArgs, Outcome};

/// A tool says what went wrong in the one line it ends with; a log beside it would
/// only say so twice.
pub(super) const TOOL_LOG: &str = "off";
/// A server tells its operator of starts, stops and troubles; what the graph's library
/// says of its own doings is none of these.
pub(super) const SERVER_LOG: &str = "info,hnsw_rs=warn";

/// How long the end waits for blocking work that has begun: it may be writing.
const STUCK_WAIT_MAX: Duration = Duration::from_secs(10);

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

/// Runs something async on this thread, in the middle of a command that is not.
pub(super) fn wait<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(no_threads)?.block_on(work)
}

/// Runs a server's async part on several threads.
pub(super) fn block_on_threads(command: impl Future<Output = Outcome>) -> Outcome {
    run(&mut tokio::runtime::Builder::new_multi_thread(), command)
}

fn run(builder: &mut tokio::runtime::Builder, command: impl Future<Output = Outcome>) -> Outcome {
    run_within(builder, command, STUCK_WAIT_MAX)
}

/// Never waits for good for a thread that is stuck, as on a file of a server that has gone: the
/// process could not be ended.
fn run_within(
    builder: &mut tokio::runtime::Builder,
    command: impl Future<Output = Outcome>,
    grace: Duration,
) -> Outcome {
    let runtime = builder.enable_all().build().map_err(no_threads)?;
    let outcome = runtime.block_on(command);
    runtime.shutdown_timeout(grace);
    outcome
}

fn no_threads(error: io::Error) -> Failure {
    Failure::new(format_args!("cannot start threads: {error}; raise the limit on processes (ulimit -u)"))
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::cli::Exit;

    #[test]
    fn the_end_does_not_wait_for_a_thread_that_is_stuck() {
        let (release, stuck) = mpsc::channel::<()>();
        let (ended, end) = mpsc::channel();
        std::thread::spawn(move || {
            let command = async {
                let (began, begun) = tokio::sync::oneshot::channel();
                tokio::task::spawn_blocking(move || {
                    let _ = began.send(());
                    let _ = stuck.recv();
                });
                begun.await.map_err(Failure::new)?;
                Ok(Exit::Success)
            };
            let builder = &mut tokio::runtime::Builder::new_multi_thread();
            ended.send(run_within(builder, command, Duration::from_millis(10)).is_ok())
        });
        assert!(end.recv_timeout(Duration::from_secs(60)).expect("it ends while the other is stuck"));
        drop(release);
    }
}

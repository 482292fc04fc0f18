//! Signals of the operating system that end the program or make it read its files anew.

use std::io;

/// A future that resolves at the first SIGTERM or SIGINT (Ctrl-C), for the
/// `shutdown` of [`serve`](super::serve). The handlers are installed by the call
/// itself, so a signal that comes before the first poll is not lost.
///
/// Must be called within a Tokio runtime.
///
/// # Errors
/// Where the system does not let the handlers be installed.
#[cfg(unix)]
pub fn signals() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// A future that resolves at Ctrl-C.
///
/// # Errors
/// None on this system.
#[cfg(not(unix))]
pub fn signals() -> io::Result<impl Future<Output = ()>> {
    Ok(async {
        // Without a handler the server runs until it is killed.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    })
}

/// The signals SIGHUP, by which the operator asks for the files to be read anew.
#[derive(Debug)]
pub struct Hangups(#[cfg(unix)] tokio::signal::unix::Signal);

impl Hangups {
    /// Installs the handler: from then on SIGHUP does not end the program.
    ///
    /// Must be called within a Tokio runtime.
    ///
    /// # Errors
    /// Where the system does not let the handler be installed.
    pub fn new() -> io::Result<Self> {
        #[cfg(unix)]
        return Ok(Self(tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup())?));
        #[cfg(not(unix))]
        Ok(Self())
    }

    /// Waits for the next signal. Several that came since the last one count as one.
    pub async fn next(&mut self) {
        #[cfg(unix)]
        if self.0.recv().await.is_some() {
            return;
        }
        std::future::pending().await
    }
}

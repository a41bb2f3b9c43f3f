//! Signals: the first asks to stop, the second stops.

use std::process;
use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;

use crate::failure::Failure;

/// SIGINT and SIGTERM of this process.
#[derive(Debug)]
pub(crate) struct Signals {
    first: Arc<Notify>,
}

impl Signals {
    /// From here on the first signal is handed out by [`stop`](Signals::stop); the second ends the process at once.
    pub(crate) fn listen() -> Result<Self, Failure> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let first = Arc::new(Notify::new());
        let told = Arc::clone(&first);
        tokio::spawn(async move {
            let mut asked = false;
            loop {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                if asked {
                    // Nothing needs to be saved: every intent and outcome is on disk, and the next start recovers.
                    process::exit(130);
                }
                asked = true;
                told.notify_one();
            }
        });
        Ok(Self { first })
    }

    /// Waits for the first signal.
    ///
    /// Cancel safe: a signal that comes while nobody waits is handed to the next wait.
    pub(crate) async fn stop(&mut self) {
        self.first.notified().await;
    }
}

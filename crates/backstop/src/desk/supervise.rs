//! A task that is started again when it dies or hangs, and both are said.

use std::sync::Arc;
use std::time::Duration;

use backstop_clock::{Clock, Mono};
use parking_lot::Mutex;
use tokio::time::{sleep, timeout};

/// Until when a task counts as alive.
#[derive(Debug, Clone)]
pub(super) struct Life(Arc<Mutex<Mono>>);

impl Life {
    /// The task is alive, and will show it again within four times `pace`.
    pub(super) fn show(&self, clock: &dyn Clock, pace: Duration) {
        *self.0.lock() = clock.mono().plus(pace.saturating_mul(4));
    }
}

/// Runs what `start` makes until it ends by itself; started again when it dies, or does not show life when it should.
pub(super) async fn supervise<T: Future<Output = ()> + Send + 'static>(
    clock: &dyn Clock,
    pace: Duration,
    start: impl Fn(Life) -> T,
    trouble: impl Fn(String),
) {
    loop {
        let life = Life(Arc::default());
        life.show(clock, pace);
        let mut task = tokio::spawn(start(life.clone()));
        let what = loop {
            match timeout(pace, &mut task).await {
                Ok(Ok(())) => return,
                Ok(Err(died)) => break format!("died ({died})"),
                Err(_) => {
                    let until = *life.0.lock();
                    if clock.mono() >= until {
                        // One that hangs in a call stays where it is; what it would do is done by the next.
                        task.abort();
                        break "showed no life".to_owned();
                    }
                }
            }
        };
        trouble(what);
        // One that dies at once is not started in a frenzy.
        sleep(pace).await;
    }
}

#[cfg(test)]
mod tests;

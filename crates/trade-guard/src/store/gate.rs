//! Keeps appends and a checkpoint apart, for threads and for tasks.
//!
//! A checkpoint is only begun while nobody appends. So a task that is not polled any more holds up no checkpoint that
//! others would then wait for, and who appends waits for the disk at most.

use std::future::poll_fn;
use std::task::{Poll, Waker};

use crate::sync::{Condvar, Mutex};

#[derive(Debug, Default)]
pub(super) struct Gate {
    state: Mutex<State>,
    opened: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// How many append.
    inside: usize,
    shut: bool,
    /// Tasks that wait for the gate to open.
    waiting: Vec<Waker>,
}

/// Leave to append. Dropped when that is done, or given up.
#[derive(Debug)]
pub(super) struct Pass<'a>(&'a Gate);

/// Nobody appends as long as this lives.
#[derive(Debug)]
pub(super) struct Shut<'a>(&'a Gate);

impl Gate {
    pub(super) fn pass(&self) -> Pass<'_> {
        let mut state = self.state.lock();
        while state.shut {
            state = self.opened.wait(state);
        }
        state.inside += 1;
        Pass(self)
    }

    pub(super) async fn pass_async(&self) -> Pass<'_> {
        poll_fn(|context| {
            let mut state = self.state.lock();
            if state.shut {
                state.waiting.push(context.waker().clone());
                return Poll::Pending;
            }
            state.inside += 1;
            Poll::Ready(Pass(self))
        })
        .await
    }

    /// `None` while somebody appends.
    pub(super) fn try_shut(&self) -> Option<Shut<'_>> {
        let mut state = self.state.lock();
        if state.inside > 0 || state.shut {
            return None;
        }
        state.shut = true;
        Some(Shut(self))
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        self.0.state.lock().inside -= 1;
    }
}

impl Drop for Shut<'_> {
    fn drop(&mut self) {
        let waiting = {
            let mut state = self.0.state.lock();
            state.shut = false;
            std::mem::take(&mut state.waiting)
        };
        self.0.opened.notify_all();
        waiting.into_iter().for_each(Waker::wake);
    }
}

#[cfg(test)]
mod tests;

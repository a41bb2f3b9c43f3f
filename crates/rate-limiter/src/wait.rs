//! Waiting for a turn: a task that sleeps on a timer, or a thread that is parked. Both look only when their turn may
//! have come.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Poll, Wake, Waker};
use std::thread::{self, Thread};

use backstop_clock::Mono;

use crate::limiter::{Acted, Held, RateLimiter};
use crate::queue::{Queue, Ticket, Turn};
use crate::request::{Permit, Refused, Request};
use crate::tick::{Tick, nanos};
use crate::timer::{Sleep, Timer};

impl RateLimiter {
    /// Waits for leave to send `request`, at most until `deadline` on the limiter's clock.
    ///
    /// Sleeps until its turn: whoever is first in a line sleeps on `timer`, everybody else until the one before wakes it
    /// or its own deadline comes. Wakes anybody as soon as the clock allows, never before.
    ///
    /// # Errors
    /// [`Refused::Full`] at once, with the time it would take, when `deadline` cannot be met by what is known; at the
    /// deadline, when others with a higher priority came in between. Nothing is used up.
    ///
    /// # Cancel safety
    /// Cancel safe: a dropped wait costs nothing, leaves the budget as it was, and gives up its place in the line (RATE-2).
    /// One that is kept and not polled any more keeps its place, and with it whoever comes after: drop it.
    pub async fn acquire(&self, request: Request, deadline: Mono, timer: &dyn Timer) -> Result<Permit, Refused> {
        let mut place = self.join(request, deadline)?;
        let mut sleep: Option<(Tick, Sleep)> = None;
        poll_fn(|context| {
            loop {
                let (now, until) = match place.look(context.waker()) {
                    Look::Over(end) => return Poll::Ready(end),
                    Look::Wait { now, until } => (now, until),
                };
                let slept = match &mut sleep {
                    Some((same, sleep)) if *same == until => sleep,
                    other => &mut other.insert((until, timer.sleep(until.since(now)))).1,
                };
                match slept.as_mut().poll(context) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(()) => sleep = None,
                }
            }
        })
        .await
    }

    /// The same for a thread, which is parked meanwhile.
    ///
    /// # Errors
    /// As [`acquire`](Self::acquire).
    pub fn acquire_blocking(&self, request: Request, deadline: Mono) -> Result<Permit, Refused> {
        let mut place = self.join(request, deadline)?;
        let waker = Waker::from(Arc::new(Parked(thread::current())));
        loop {
            match place.look(&waker) {
                Look::Over(end) => return end,
                Look::Wait { now, until } => thread::park_timeout(until.since(now)),
            }
        }
    }

    fn join(&self, request: Request, deadline: Mono) -> Result<Place<'_>, Refused> {
        let deadline = Tick::of_deadline(deadline);
        let join = |queue: &mut Queue, now: Tick| {
            if deadline < now {
                return Err(Refused::DeadlinePassed { ago: now.since(deadline) });
            }
            queue.join(now, request, deadline).map_err(|full| full.refused(now))
        };
        let ticket = match self.with_shared(request.priority, join) {
            Ok(Acted { result, .. }) => result,
            // A place in the line grants nothing yet.
            Err(Held::Busy(_)) => self.with(join),
            Err(Held::Lost(refused)) => Err(refused),
        }?;
        Ok(Place { limiter: self, request, deadline, ticket: Some(ticket) })
    }
}

/// A place in a line, given up when dropped.
struct Place<'a> {
    limiter: &'a RateLimiter,
    request: Request,
    deadline: Tick,
    ticket: Option<Ticket>,
}

enum Look {
    Over(Result<Permit, Refused>),
    Wait { now: Tick, until: Tick },
}

impl Place<'_> {
    fn look(&mut self, waker: &Waker) -> Look {
        let Some(ticket) = self.ticket else { return Look::Wait { now: Tick::LAST, until: Tick::LAST } };
        let (deadline, request) = (self.deadline, self.request);
        let acted = self.limiter.with_shared(request.priority, |queue, now| {
            if now > deadline {
                queue.leave(now, ticket);
                let after = queue.forecast(now, request).since(now);
                return Look::Over(Err(Refused::Full { after }));
            }
            match queue.turn(now, ticket, waker) {
                Turn::Granted(permit) => Look::Over(Ok(permit)),
                // One tick past the deadline it is refused.
                Turn::At(at) => Look::Wait { now, until: at.min(deadline.next()) },
                Turn::Later => Look::Wait { now, until: deadline.next() },
            }
        });
        let look = match acted {
            Ok(Acted { result: Look::Over(end), apart, .. }) => {
                Look::Over(end.map(|permit| Permit { apart, ..permit }))
            }
            Ok(Acted { result, .. }) => result,
            Err(held) => self.limiter.with(|queue, now| match held {
                Held::Busy(after) if now <= deadline => {
                    Look::Wait { now, until: now.plus(nanos(after)).min(deadline.next()) }
                }
                held => {
                    queue.leave(now, ticket);
                    Look::Over(Err(held.into()))
                }
            }),
        };
        if matches!(look, Look::Over(_)) {
            self.ticket = None;
        }
        look
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.limiter.with(|queue, now| queue.leave(now, ticket));
        }
    }
}

struct Parked(Thread);

impl Wake for Parked {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

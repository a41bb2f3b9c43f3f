//! An exact request budget for one token: several windows at once, exits first.
//!
//! A broker bans who asks too often, and a stop-loss must not wait behind quotes. Whoever wants to send a request asks
//! [`RateLimiter`] first and gets a [`Permit`], a place in the line, or a [`Refused`] with the time it would take.
//!
//! # Terms
//!
//! * A [`Window`] is at most N units in any stretch of time of one length, wherever it begins.
//! * A [`Class`] is what the server counts apart (Tradier: standard, market data, trading). Each has windows of its own, and
//!   all may share a total: [`Limits`].
//! * A [`Request`] is of a class and a [`Priority`], and weighs one unit or more.
//! * A *grant* is the moment at which a permit is handed out. It is charged in all windows of its class and of the total.
//!
//! # What holds
//!
//! * **RATE-1** In any window of the configured length, wherever it begins, at most N units are granted: for all windows at
//!   once, from all threads, whatever is canceled. A clock that jumps back grants nothing extra.
//! * **RATE-2** A wait that is dropped leaves the budget bit by bit as it was. One that cannot make its deadline is refused at
//!   once, with the time it would take: the first moment at which it would be granted, if nobody else came. Where classes
//!   share a total and several of them wait, it is not later than that moment.
//! * **RATE-3** Exits go before entries, entries before polling; who came first goes first within a priority of a class. What
//!   [`Window::with_reserve`] keeps is never given to who it is kept from.
//! * **RATE-4** What the server says ([`ServerWord`]) only tightens the budget, until it expires; several words hold side by
//!   side.
//! * **RATE-5** A start has no fresh budget unless the caller knows that nothing was used: [`Start`].
//! * **RATE-6** Processes that give the same file to [`RateLimiter::shared`] share one budget, exact over all of them,
//!   whichever is killed at whatever moment.
//!
//! # What a server sees
//!
//! A stretch is half open: what was granted at `t` has left its window at `t + length`, and not a nanosecond earlier.
//! Grants are counted here, requests arrive there. If one may take up to `d` longer on its way than another, N + 1 requests
//! that were granted in one length and `d` may arrive in one length. [`Window::with_margin`] makes the window `d` longer here;
//! then no window of the length that the server was said to have holds more than N *arrivals*, wherever it begins.
//!
//! Tradier's window is anchored: it begins with a request, and a minute later all is forgotten. Two full budgets in a
//! second are legal there, one before the edge and one behind it. The edge lies where the server first saw a request of this
//! token, and a client that takes the budget to be full again at the wrong moment is refused. A sliding window needs not to
//! know: an anchored one is one of the windows "wherever it begins", so whatever keeps N in all of them keeps it in that one,
//! too. The price is the second burst, which is what gets an account looked at.
//!
//! What the server counted beside us (another program with the token) is only known from its answers: give them to
//! [`RateLimiter::heard`]. Requests that were granted after the one that was answered count as not yet counted there.
//!
//! # Waiting
//!
//! Each class has a line. The first in it sleeps until its turn, on a [`Timer`] or parked; all others sleep until they are
//! told or their deadline comes, and one tells the next. So of 100,000 tasks that wait two are awake when a turn comes, and
//! none looks in vain. When a turn comes, units are *promised*: they count in every window until the task fetches them, and
//! the grant is the moment of fetching. A task that is late takes nothing from a later window.
//!
//! A class that is full holds up its own line only: what an urgent request of it needs of the total is the reserve's
//! business. A total that is full lets nobody overtake who waits for it.
//!
//! A wait that is kept without being polled keeps its place, and who is behind it waits until somebody else asks. Drop what
//! is not wanted any more.
//!
//! # Several processes
//!
//! A bot, the operator's command beside it, a second bot, all with one token. The simple way are fixed shares: each has
//! [`Limits`] of its own, which add up to what the server allows. Nothing is exchanged, and what one does not use is lost to
//! the others. The better way is [`RateLimiter::shared`] (on Unix): a file holds the grants of all, and each process locks it
//! for some microseconds to read what others were granted and to write what it was. `src/shared.rs` has its layout.
//!
//! * A process that is killed frees the lock at once, and takes one request with it at most. One that is *stopped* (SIGSTOP,
//!   a debugger) in those microseconds keeps the lock: the others are granted nothing but exits until it goes on or is killed.
//! * Grants of others are told by the time of day, and turned into the own clock when they are read: shortly afterwards where
//!   a process asks often. A clock that was set back makes them younger; one that was set forward makes those look older that
//!   were not read yet. A margin covers what a time daemon adjusts.
//! * Nothing is synced. A file of an earlier start of the machine (told by its number, on Linux), a new one, and one that
//!   was cut short count as full for whoever starts then. A process that starts with [`Start::Probe`] and finds no other asks
//!   the server instead; until that has answered, and for processes that were there before, it stays full.
//! * A file that is lost while processes run (deleted, replaced, cut short, unreadable, on a full disk, kept locked) holds no
//!   exit back: it passes by what its process knows, is written as soon as that can be done, and says so ([`Permit::apart`]).
//!   Nothing else passes, and after a file that was deleted, replaced or cut short not before the longest window is over. So no
//!   window holds more than its limit and those exits.
//! * There is no order between the lines of two processes; what is kept for exits is there for the exits of all.
//!
//! # Cost
//!
//! A grant is a reading of the clock, a lock, one look for each window (where there is much room, one for up to 32 grants) and
//! one entry for each unit; a refusal that nothing
//! has changed since is a reading of the clock and of one atomic. Memory: 8 bytes for each unit of the largest window of each
//! class. A wait costs a look-up in a sorted map; one with a deadline asks for the moment of its turn, which is known from
//! the one before if nothing has changed but the length of the line, and is counted through the line otherwise.
//!
//! # Features
//!
//! * `tokio`: `TokioTimer`, a [`Timer`] of that runtime.
//!
//! # When to take something else
//!
//! To smooth traffic to a server of one's own, governor is smaller and a token bucket is enough. To bound how many requests
//! are on their way at once, take a semaphore. For processes on several machines, take a gateway that all requests go through.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod ahead;
mod budget;
mod ceiling;
mod limiter;
mod limits;
mod queue;
mod request;
#[cfg(unix)]
mod shared;
mod start;
mod sync;
mod tick;
mod timer;
mod track;
mod wait;
mod window;
mod word;

pub use limiter::RateLimiter;
pub use limits::{InvalidLimits, Limits};
pub use request::{Class, Permit, Priority, Refused, Request};
#[cfg(unix)]
pub use shared::SharedError;
pub use start::Start;
#[cfg(feature = "tokio")]
pub use timer::TokioTimer;
pub use timer::{Sleep, Timer};
pub use window::{InvalidWindow, Window};
pub use word::ServerWord;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeDoctests;

//! A source's quotes as they come in, and the one way from them to [`Fresh`].
//!
//! A message is screened when it comes (`screen.rs`): what it says must be possible, in time and in order. What stands
//! then is judged once more when it is to be used: it may have grown old, or the connection silent.

mod floor;
mod judge;
mod legs;
mod screen;

pub use legs::NotFresh;

use std::collections::HashMap;
use std::time::Duration;

use backstop_clock::Mono;
use rust_decimal::Decimal;

use self::floor::Floor;
use self::judge::Judged;
use self::screen::Screened;
use crate::policy::{Policy, Rules};
use crate::refusal::DELAYED;
use crate::units::{duration, of_mono, of_wall};
use crate::{Field, Fresh, Market, Need, Now, Quote, QuoteSide, Reason, Received, Refusal, Symbol};

/// The quotes of one source, over one connection.
///
/// Holds one quote and a few numbers for each symbol, and no more symbols than the policy allows. Nothing in it asks for
/// the time: messages bring the moment of their receipt, and whoever uses a quote says when.
#[derive(Debug)]
pub struct Feed {
    policy: Policy,
    followed: HashMap<Symbol, Followed>,
    alive: Alive,
    backwards: u64,
}

/// What is known of the source as a whole.
#[derive(Debug, Clone, Copy, Default)]
struct Alive {
    floor: Floor,
    /// When the last message of any kind was received.
    message: Option<i64>,
    /// The newest stamp of all symbols.
    newest: Option<Dated>,
    /// How far it was behind our wall clock when it came, if its symbol had an older one.
    behind: Option<i64>,
}

/// A stamp, and by how much our wall clock was ahead of the monotonic one when it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Dated {
    stamp: i64,
    wall_ahead: i64,
}

/// What is known of one symbol.
#[derive(Debug, Clone)]
struct Followed {
    rules: Rules,
    /// The last message that was accepted.
    accepted: Option<Accepted>,
    /// Why the newest message was refused, if it was. It replaces what was accepted before: that is no longer what the
    /// source says.
    refused: Option<Reason>,
    /// The newest stamp of each side.
    newest: Stamped,
    /// Since the last message of any content: when it was received, and how often it came before with the same values.
    last: Option<Last>,
}

/// A message that passed the screen.
#[derive(Debug, Clone, Copy)]
struct Accepted {
    bid: QuoteSide,
    ask: QuoteSide,
    last: Field<Decimal>,
    last_at: Field<jiff::Timestamp>,
    received: Received,
    screened: Screened,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Stamped {
    bid: Option<i64>,
    ask: Option<i64>,
}

#[derive(Debug, Clone, Copy)]
struct Last {
    received: i64,
    bid: QuoteSide,
    ask: QuoteSide,
    repeats: u32,
}

/// No room for one more symbol.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{symbol} cannot be followed: {followed} symbols are, and a quote of each came a moment ago")]
pub struct TooManySymbols {
    /// What was to be followed.
    pub symbol: Symbol,
    /// How many are.
    pub followed: usize,
}

impl Feed {
    /// A feed without symbols, of which nothing has come yet.
    pub fn new(policy: Policy) -> Self {
        Self { policy, followed: HashMap::new(), alive: Alive::default(), backwards: 0 }
    }

    /// What is demanded of its quotes.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Takes quotes of `symbol` from here on; nothing happens if it did before.
    ///
    /// A full feed makes room by leaving out symbols that were silent for longer than any limit looks back, for which it
    /// therefore knows nothing that would still be asked.
    ///
    /// # Errors
    /// [`TooManySymbols`] when there is none.
    pub fn follow(&mut self, symbol: &Symbol, now: Mono) -> Result<(), TooManySymbols> {
        if self.followed.contains_key(symbol) {
            return Ok(());
        }
        let most = self.policy.config().max_symbols.get();
        if self.followed.len() >= most {
            let now = of_mono(now);
            self.followed.retain(|_, followed| !followed.is_forgotten(now));
        }
        if self.followed.len() >= most {
            return Err(TooManySymbols { symbol: symbol.clone(), followed: self.followed.len() });
        }
        let rules = self.policy.rules(symbol);
        let (accepted, refused, newest, last) = (None, None, Stamped::default(), None);
        self.followed.insert(symbol.clone(), Followed { rules, accepted, refused, newest, last });
        Ok(())
    }

    /// A message without a quote came over the connection: a heartbeat, another kind of data.
    pub fn heartbeat(&mut self, received: Mono) {
        let received = of_mono(received);
        self.alive.message = Some(self.alive.message.map_or(received, |last| last.max(received)));
    }

    /// Takes a message in. What it says stands until the next one, accepted or not: a quote that is refused does not leave
    /// the one before it in force, but for a row that runs backwards, which changes nothing.
    ///
    /// # Errors
    /// [`Refusal`] when it may not be traded on, for whatever purpose.
    pub fn receive(&mut self, quote: &Quote) -> Result<(), Refusal> {
        self.heartbeat(quote.received.mono);
        let refusal = |reason| Refusal { symbol: quote.symbol.clone(), reason };
        let Some(followed) = self.followed.get_mut(&quote.symbol) else { return Err(refusal(Reason::NotFollowed)) };
        match followed.screen(quote, &self.policy.config().source, &mut self.alive) {
            Ok(screened) => {
                let Quote { bid, ask, last, last_at, received, .. } = *quote;
                followed.accepted = Some(Accepted { bid, ask, last, last_at, received, screened });
                followed.refused = None;
                Ok(())
            }
            // QUOTE-4: rejected and counted; what was taken before stands.
            Err(reason @ (Reason::Backwards { .. } | Reason::ReceivedBackwards { .. })) => {
                self.backwards = self.backwards.saturating_add(1);
                Err(refusal(reason))
            }
            Err(reason) => {
                followed.refused = Some(reason.clone());
                Err(refusal(reason))
            }
        }
    }

    /// How many rows ran backwards, by their stamps or by their receipt.
    pub fn backwards(&self) -> u64 {
        self.backwards
    }

    /// How far the source is behind our clock, where that looks like the 15 minutes of delayed data, declared or not
    /// ([`PolicyConfig::with_delay`](crate::PolicyConfig::with_delay)): its newest stamps go on, and each came 14 to 18
    /// minutes late. Stamps that stand still for as long are no sign of it.
    pub fn delayed(&self) -> Option<Duration> {
        self.alive.behind.map(duration).filter(|behind| DELAYED.contains(behind))
    }

    /// The newest quote of `symbol`, if every check lets it be used for `need` at `now` (QUOTE-1).
    ///
    /// # Errors
    /// [`Refusal`] with the first reason. Refused for its age, it stays refused until a new quote of it comes.
    pub fn fresh(&self, symbol: &Symbol, need: Need, market: &Market, now: Now) -> Result<Fresh<Quote>, Refusal> {
        let judged = self.judge(symbol, need, Some(market), now);
        let Judged { accepted, until } = judged.map_err(|reason| Refusal { symbol: symbol.clone(), reason })?;
        Ok(self.proven(accepted.quote(symbol), until, now))
    }

    fn proven<T>(&self, value: T, until: Mono, now: Now) -> Fresh<T> {
        Fresh::proven(value, until, now, self.policy.config().source.max_ahead)
    }
}

impl Followed {
    /// Whether all limits that look back have run out, so that a symbol of which nothing is known would be judged alike.
    fn is_forgotten(&self, now: i64) -> bool {
        let Some(last) = self.last else { return true };
        now.saturating_sub(last.received) > self.rules.max_age.max(self.rules.collar_memory)
    }
}

impl Accepted {
    fn quote(&self, symbol: &Symbol) -> Quote {
        let Self { bid, ask, last, last_at, received, .. } = *self;
        Quote { symbol: symbol.clone(), bid, ask, last, last_at, received }
    }
}

impl Dated {
    fn new(stamp: i64, received: Received) -> Self {
        Self { stamp, wall_ahead: of_wall(received.wall).saturating_sub(of_mono(received.mono)) }
    }

    /// How far the stamp is behind our wall clock, which is reckoned on from the moment of receipt by the monotonic one: what
    /// the wall clock is set to later changes nothing.
    fn behind(self, now: i64) -> i64 {
        now.saturating_add(self.wall_ahead).saturating_sub(self.stamp)
    }
}

impl Alive {
    /// Takes in the newer stamp of a message that was received at `received`, and whether its symbol had an older one.
    fn note(&mut self, at: Dated, received: i64, moved: bool) {
        self.floor.note(at.stamp, received);
        if self.newest.is_none_or(|newest| newest.stamp < at.stamp) {
            self.newest = Some(at);
            self.behind = moved.then(|| at.behind(received));
        }
    }

    /// The age of a stamp at `now`: above the fastest message, and above what our wall clock may be ahead, whichever is more
    /// (QUOTE-2). Grows with `now`, and shrinks by nothing.
    fn age(&self, at: Dated, now: i64, max_offset: i64) -> i64 {
        self.floor.age(at.stamp, now).max(at.behind(now).saturating_sub(max_offset))
    }
}

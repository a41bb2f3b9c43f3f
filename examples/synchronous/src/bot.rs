//! The bot: what it asks before an order, in which order, and what it does with each way in which one can end.

use std::error::Error;
use std::num::NonZeroU16;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use backstop_broker::{
    ClientOrderId, Decimal, Fill, Leg, MarketClock, OrderKind, OrderRequest, Outcome, PositionEffect, Quantity, Side,
    Symbol, TimeInForce,
};
use backstop_clock::{Clock, SystemClock};
use backstop_file_lock::{Claim, Lock};
use backstop_limits::{Collar, Config, Limits, Look, Rate, Reference, References};
use backstop_quote::{Feed, Fresh, Market, Need, Now, Policy, PolicyConfig, Quote};
use backstop_rate_limiter::{Limits as Windows, Permit, Priority, RateLimiter, Start, Window};
use backstop_reconcile::{Config as Reconciling, Executed, Moment, PositionId, Read, Reads, Reconciler, Repeat, Run};
use backstop_rollback::{Caps, Evidence, Hold, Ledger, Part, Reservation};
use backstop_trade_guard::{Grounds, Key, Scope, Session, TradeGuard, Verdict as Opened, WalStore};
use backstop_wal::{Append, DirStorage, Journal, Options, Recovery, State, Verdict};
use jiff::civil::Date;
use parking_lot::Mutex;

use crate::client::{CALL, Client};
use crate::look::Found;
use crate::story::{Fact, InFlight, Intent, Records, kind};

/// How long a request may be on its way and still land: longer than a call.
pub(crate) const SETTLE: Duration = CALL.saturating_mul(2);
pub(crate) const PAUSE: Duration = Duration::from_millis(100);
const SHARES: u32 = 10;
pub(crate) const SLOTS: u16 = 2;

pub(crate) type Failure = Box<dyn Error + Send + Sync>;

/// What is open for as long as the bot runs. Shared by its threads.
pub(crate) struct Bot {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) lock: Lock,
    pub(crate) broker: Client,
    pub(crate) journal: Journal<Records>,
    guard: TradeGuard,
    limits: Limits,
    pub(crate) cash: Ledger<PositionId>,
    feed: Mutex<Feed>,
    reconciler: Mutex<Reconciler>,
    session: Session,
    pub(crate) symbol: Symbol,
}

/// How a try to open ended.
#[derive(Debug)]
#[must_use]
pub(crate) enum End {
    /// Turned away; nothing was sent.
    Refused(String),
    /// Nothing was filled, and nothing will be.
    Nothing(String),
    /// Nobody knows. The journal has it open, the guard is shut, the cash is set aside.
    Unresolved(String),
    Opened(PositionId),
}

impl Bot {
    /// Takes the lock, settles what an earlier life left in the air, and is ready when this returns.
    pub(crate) fn open(directory: &Path, socket: &Path) -> Result<Self, Failure> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let claim = Claim { label: "synchronous".to_owned(), since: clock.wall() };
        // First of all: two of us would each be right about everything that follows.
        let lock = Lock::acquire(directory.join("lock"), &claim)?;
        let opened = Moment::of(&*clock);

        let storage = |name: &str| DirStorage::create_or_open(directory.join(name)).map(Arc::new);
        let (journal, recovery, _) = Journal::<Records>::open(storage("journal")?, &Options::new(claim.clone()))?;
        let (claims, _) = WalStore::open(storage("claims")?, &Options::new(claim))?;
        let guard = TradeGuard::open(slots(), Arc::clone(&clock), Arc::new(claims))?;
        // The toy counts from its own start. For a broker who was there before: `Start::Probe`, or `Start::UsedUp`.
        let windows = Windows::new(&[Window::new(600, Duration::from_mins(1))?.with_reserve(60, 0)?])?;
        let budget = RateLimiter::shared(&windows, Arc::clone(&clock), &directory.join("requests"), Start::Unused)?;
        let broker = Client::new(socket.to_owned(), Arc::clone(&clock), budget);

        let symbol: Symbol = "ACME".parse()?;
        let (limits, _) = Limits::start(allowed(&symbol), None)?;
        let reconciler = Reconciler::new(reconciling(), &journal.state().book, opened)?;
        let session = Session::of(broker.market_clock()?.date);
        let feed = Mutex::new(Feed::new(Policy::new(PolicyConfig::stream())?));
        let (cash, reconciler) = (Ledger::new(caps()), Mutex::new(reconciler));
        let bot = Self { clock, lock, broker, journal, guard, limits, cash, feed, reconciler, session, symbol };

        if let Some(wrong) = bot.journal.state().wrong {
            return Err(format!("the journal tells an impossible story: {wrong}").into());
        }
        bot.recover(recovery)?;
        bot.settle_claims()?;
        if bot.journal.state().session() != session.to_string() {
            bot.journal.record(&Fact::Session(session.to_string()), Append::DURABLE)?;
        }
        bot.cash.deposit(bot.broker.balances()?.total_cash)?;
        Ok(bot)
    }

    /// Each operation that was not at rest, in order: settled by what the broker shows, or left open.
    fn recover(&self, mut recovery: Recovery<Records>) -> Result<(), Failure> {
        // The dead process sent before this one began.
        let search = self.search();
        if recovery.left() > 0 {
            // What the dead process sent may still be on its way.
            wait(SETTLE);
        }
        while let Some(unsettled) = recovery.take() {
            let intent = unsettled.kind.clone();
            let ended = |executed| vec![Fact::Ended { intent: intent.clone(), executed, at: self.clock.wall() }];
            let verdict = match unsettled.state {
                // Only what was started is sent.
                State::Pending => Verdict::RolledBack(ended(None)),
                _ => match self.find(&intent, &search) {
                    Found::AtRest(executed) => Verdict::Completed(ended(Some(executed))),
                    Found::NotPlaced(_) => Verdict::RolledBack(ended(None)),
                    Found::Unknown(_) => Verdict::Unresolved,
                },
            };
            recovery.settle(&self.journal, unsettled, verdict)?;
        }
        Ok(())
    }

    /// Claims that a crash left without an end get that of their order. Nothing is sent without an intent, so a claim without
    /// one ended as not executed.
    fn settle_claims(&self) -> Result<(), Failure> {
        let (story, in_flight) = (self.journal.state(), self.in_flight());
        for left in self.guard.unresolved() {
            let slot = left.attempt.key.slot().unwrap_or_default();
            if in_flight.iter().any(|(_, _, intent)| intent.slot == slot) {
                continue;
            }
            let (verdict, evidence) = match story.opened_in(slot) {
                Some((id, true)) => (Opened::Executed, format!("{id} was filled")),
                Some((id, false)) => (Opened::NotExecuted, format!("{id} is at rest, and nothing was filled")),
                None => {
                    (Opened::NotExecuted, "the journal has no intent of it, and nothing is sent without".to_owned())
                }
            };
            self.guard.resolve(left.attempt, verdict, &Grounds::evidence(&evidence)?)?;
        }
        Ok(())
    }

    /// What nobody knows the end of.
    pub(crate) fn in_flight(&self) -> InFlight {
        self.journal.open_operations()
    }

    /// The positions that are open.
    pub(crate) fn positions(&self) -> Vec<PositionId> {
        self.journal.state().book.positions().keys().cloned().collect()
    }

    /// Tries to open a position in `slot`, for `caller`.
    pub(crate) fn enter(&self, slot: u32, caller: &'static str) -> Result<End, Failure> {
        let key = Key::new(Scope::new("synchronous")?, self.session).with_slot(slot);
        let permit = match self.guard.named(caller)?.try_enter(&key) {
            Ok(permit) => permit,
            Err(refusal) => return Ok(End::Refused(refusal.to_string())),
        };
        let Ready { intent, fresh, reserved, leave } = match self.prepare(slot) {
            Ok(ready) => ready,
            Err(reason) => {
                permit.not_executed(&reason.to_string())?;
                return Ok(End::Refused(reason.to_string()));
            }
        };
        // The intent is on disk before the first byte leaves. From `start` on, it counts as sent.
        let operation = self.journal.begin(intent.clone())?.start()?;
        let ended = |executed| [Fact::Ended { intent: intent.clone(), executed, at: self.clock.wall() }];
        // All of this took time: what can have changed meanwhile is asked again.
        if !self.lock.still_held() || fresh.at(Now::of(&*self.clock)).is_err() {
            operation.roll_back(&ended(None))?;
            permit.not_executed("lock or quote did not last")?;
            return Ok(End::Refused("lock or quote did not last".to_owned()));
        }
        let mut held = reserved.send();
        match self.submit(&intent, leave) {
            Found::AtRest(executed) => {
                let (fills, parts) = (executed.fills().to_vec(), parts(&executed));
                operation.complete(&ended(Some(executed)))?;
                for part in parts? {
                    held.fill(part)?;
                }
                held.end(&Evidence::new(format!("{} is at rest", intent.id()))?)?;
                self.observe();
                if fills.is_empty() {
                    permit.not_executed("nothing was filled")?;
                    return Ok(End::Nothing("nothing was filled".to_owned()));
                }
                permit.executed()?;
                Ok(End::Opened(intent.position))
            }
            Found::NotPlaced(reason) => {
                operation.roll_back(&ended(None))?;
                held.end(&Evidence::new(&*reason)?)?;
                permit.not_executed(&reason)?;
                Ok(End::Nothing(reason))
            }
            // Dropped without an end, each of the three stays shut: operation, cash and permit. None is asked to guess.
            Found::Unknown(reason) => Ok(End::Unresolved(reason)),
        }
    }

    /// Everything that can say no before anything is written down: quotes, limits, cash, request budget.
    fn prepare(&self, slot: u32) -> Result<Ready, Failure> {
        let in_flight = self.in_flight();
        if let Some((_, _, intent)) = in_flight.first() {
            return Err(format!("nobody knows yet what became of {}", intent.id()).into());
        }
        let (day, quote, fresh) = self.look()?;
        let (bid, ask) = quote.bid.price.value().zip(quote.ask.price.value()).ok_or("a side is missing")?;
        let id = format!("{}-{slot}-open-{}", self.prefix(), self.lock.fence());
        let order = self.order(&id, Side::Buy, PositionEffect::Open, SHARES, ask)?;
        let position = format!("{}-{slot}", self.session).parse()?;
        let (day, since) = (Some(day), self.clock.wall());
        let intent = Intent { slot, position, order, since, day };

        let (exposure, counters) = self.journal.state().for_limits(&in_flight);
        let references = References::from([(self.symbol.clone(), Reference { bid, ask })]);
        // Nothing is held while another is opened; whoever holds more values it by fresh quotes.
        let look = Look {
            references: &references,
            exposure: &exposure,
            counters: &counters,
            open_result: Ok(Decimal::ZERO),
            now: self.clock.wall(),
        };
        let _within = self.limits.check(&intent.order, &kind(), look)?;
        let worst = intent.worst();
        let hold = Hold { symbol: self.symbol.to_string(), quantity: SHARES.into(), worst, margin: Decimal::ZERO };
        let reserved = self.cash.reserve(intent.position.clone(), &hold)?;
        let leave = self.broker.grant(Priority::Entry)?;
        Ok(Ready { intent, fresh, reserved, leave })
    }

    fn look(&self) -> Result<(Date, Quote, Fresh<Quote>), Failure> {
        let asked = self.clock.mono();
        let MarketClock { date, state, .. } = self.broker.market_clock()?;
        let market = Market { asked, state };
        let quote = self.broker.quote(&self.symbol)?;
        let mut feed = self.feed.lock();
        feed.follow(&self.symbol, self.clock.mono())?;
        feed.receive(&quote)?;
        let fresh = feed.fresh(&self.symbol, Need::Buy, &market, Now::of(&*self.clock))?;
        Ok((date, quote, fresh))
    }

    /// Sends an order once, and finds out what became of it.
    pub(crate) fn submit(&self, intent: &Intent, leave: Permit) -> Found {
        match self.broker.submit(&intent.order, leave) {
            Outcome::Rejected(rejection) => Found::NotPlaced(rejection.to_string()),
            Outcome::NotSent(why) => Found::NotPlaced(why.to_string()),
            // Neither says how it ended: the broker's list does.
            Outcome::Accepted(_) | Outcome::Unknown(_) => self.find(intent, &self.search()),
        }
    }

    /// Holds book and broker against each other. What is proven closed leaves the book; the rest is the caller's to tell.
    pub(crate) fn reconcile(&self) -> Result<Run, Failure> {
        let (story, in_flight) = (self.journal.state(), self.in_flight());
        let asked = Moment::of(&*self.clock);
        let reads = Reads {
            positions: Read::new(asked, self.broker.positions()),
            orders: Read::new(asked, self.broker.orders()),
            balances: None,
            closed: None,
            settlements: Vec::new(),
        };
        let intents = story.intents(&in_flight);
        let mut run = self.reconciler.lock().run(&story.book, &intents, &reads, Moment::of(&*self.clock));
        let mut book = story.book;
        for proof in run.closed.drain(..) {
            let change = book.remove(proof, self.clock.wall())?;
            self.journal.record(&Fact::Removed(change), Append::DURABLE)?;
        }
        self.observe();
        Ok(run)
    }

    pub(crate) fn observe(&self) {
        self.reconciler.lock().observe(&self.journal.state().book, Moment::of(&*self.clock));
    }

    pub(crate) fn order(
        &self,
        id: &str,
        side: Side,
        effect: PositionEffect,
        count: u32,
        price: Decimal,
    ) -> Result<OrderRequest, Failure> {
        let leg = Leg { symbol: self.symbol.clone(), side, effect, quantity: Quantity::new(count)? };
        let (id, kind) = (ClientOrderId::new(id)?, OrderKind::Limit { price });
        Ok(OrderRequest::new(id, self.symbol.clone(), vec![leg], kind, TimeInForce::Day)?)
    }

    pub(crate) fn prefix(&self) -> String {
        format!("bs-sync-{}", self.session)
    }
}

#[expect(clippy::disallowed_methods, reason = "a bot without a runtime waits like this, in this one place")]
pub(crate) fn wait(length: Duration) {
    std::thread::sleep(length);
}

/// An order that may leave, and what was taken for it.
struct Ready {
    intent: Intent,
    fresh: Fresh<Quote>,
    reserved: Reservation<PositionId>,
    leave: Permit,
}

/// What an order's fills did to cash, in the ledger's words. An amount that cannot be counted is not zero: then nothing is
/// said, what was set aside stays so, and the next start reads the balance.
pub(crate) fn parts(executed: &Executed) -> Result<Vec<Part>, Failure> {
    let part = |fill: &Fill| {
        let cash =
            fill.cash().ok_or_else(|| format!("the cash of {} cannot be counted", executed.client_order_id()))?;
        Ok(Part { quantity: fill.quantity, paid: -cash, fee: Decimal::ZERO })
    };
    executed.fills().iter().map(part).collect()
}

fn slots() -> NonZeroU16 {
    NonZeroU16::new(SLOTS).unwrap_or(NonZeroU16::MIN)
}

fn reconciling() -> Reconciling {
    let mut config = Reconciling::new("bs-sync-");
    config.lag = SETTLE;
    config.confirm = Repeat { reads: 2, spacing: PAUSE, over: PAUSE };
    config
}

fn caps() -> Caps {
    Caps { positions: 2, per_symbol: 2, per_order: 2_000.into(), in_all: 4_000.into() }
}

/// What is allowed: all of it is said, and none of it by default.
fn allowed(symbol: &Symbol) -> Config {
    Config {
        order_quantity: 100,
        order_notional: 2_000.into(),
        gross_notional: 4_000.into(),
        collar: Collar { bps: 100, least: Decimal::ONE },
        positions: 2,
        positions_per_underlying: 2,
        entries: 10,
        loss: 500.into(),
        repeats: 100,
        look_alikes: Rate { count: 10, seconds: 60 },
        messages: Rate { count: 60, seconds: 60 },
        underlyings: [symbol.clone()].into(),
    }
}

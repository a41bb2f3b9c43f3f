//! The session itself: slots, exits, comparisons with the broker, and the way out.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use backstop::broker::{Decimal, MarketState, ReadError, Symbol};
use backstop::clock::Clock;
use backstop::quote::{self, Expired, NotFresh, Now};
use backstop::reconcile::Position;
use backstop::{
    AlertTally, CashError, Desk, EntryEnd, EntryPlan, ExitEnd, Level, MarketView, QuoteTally, SessionError, SessionId,
    SlotId, State, WatchTally, told,
};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use super::settings::Settings;
use crate::failure::Failure;
use crate::signals::Signals;
use crate::strategy::{Moment, expiration};
use crate::view::View;

/// How often a broker that does not answer is asked before the bot gives up on starting. With open positions it never
/// gives up.
const START_TRIES: u32 = 20;
/// The longest pause between two attempts of the same thing.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// A session that is about to run. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Session {
    pub(crate) desk: Desk,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) settings: Arc<Settings>,
    pub(crate) view: Arc<View>,
    /// Whether somebody asked to stop.
    stop: watch::Receiver<bool>,
    /// Whether it was said that the quotes look delayed.
    said_delayed: Arc<AtomicBool>,
    /// Quotes of what is held have just been asked for.
    looked: Arc<Notify>,
}

/// How a session ended.
#[derive(Debug, Default)]
pub(crate) struct SessionEnd {
    pub(crate) id: Option<SessionId>,
    pub(crate) slots: Slots,
    /// The account's cash before the first entry of this run.
    pub(crate) cash_before: Option<Decimal>,
    /// What the account had more than the book when this run began.
    pub(crate) cash_found: Option<Decimal>,
    /// The book's cash at the end, by our own fills.
    pub(crate) cash_book: Option<Decimal>,
    /// The broker's cash at the end.
    pub(crate) cash_broker: Option<Decimal>,
    /// Whether nothing was open before this run: then the change of cash is its result.
    pub(crate) began_flat: bool,
    /// What became of the quotes.
    pub(crate) quotes: QuoteTally,
    /// How the watch over positions fared.
    pub(crate) watch: WatchTally,
    /// How the alerts fared; `None` where nobody is told.
    pub(crate) alerts: Option<AlertTally>,
    /// Why the desk could not go on, if it could not.
    pub(crate) failure: Option<String>,
}

/// Slots of this run, by what became of them.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Slots {
    pub(crate) opened: u32,
    pub(crate) not_executed: u32,
    pub(crate) refused: u32,
    pub(crate) unresolved: u32,
}

impl Session {
    /// Trades one session to its end, or until a signal.
    pub(crate) async fn trade(
        desk: &Desk,
        clock: &Arc<dyn Clock>,
        settings: &Arc<Settings>,
        view: &Arc<View>,
        signals: Signals,
    ) -> Result<SessionEnd, Failure> {
        let (asked, stop) = watch::channel(false);
        let session = Self {
            desk: desk.clone(),
            clock: Arc::clone(clock),
            settings: Arc::clone(settings),
            view: Arc::clone(view),
            stop,
            said_delayed: Arc::default(),
            looked: Arc::default(),
        };
        // Exits are watched from the first moment on: positions of an earlier run do not wait for the recovery.
        tokio::select! {
            end = session.work() => end,
            never = session.watch_positions() => match never {},
            never = session.look_for_ever() => match never {},
            never = session.listen(signals, &asked) => match never {},
        }
    }

    async fn listen(&self, mut signals: Signals, asked: &watch::Sender<bool>) -> Infallible {
        signals.stop().await;
        let then = if self.settings.flatten_at_end { ", closing what is open" } else { "" };
        self.view.say(&format!("asked to stop: no new entries{then}; a second signal stops at once"));
        self.desk.stop_entries();
        asked.send_replace(true);
        std::future::pending().await
    }

    async fn work(&self) -> Result<SessionEnd, Failure> {
        let mut end = SessionEnd::default();
        if let Some(begun) = self.unless_stopped(self.begin()).await {
            end.id = Some(begun?);
            let state = self.desk.state();
            end.began_flat = state.book.positions().is_empty() && state.operations.is_empty();
            end.cash_before = state.account.cash();
            end.cash_found = state.account.balance().newest().map(|compared| compared.difference());
            end.slots = self.enter_slots().await;
        }
        self.wait_until_flat().await;
        self.desk.stop_entries();
        self.settle_the_rest().await;
        end.cash_book = self.desk.state().account.cash();
        end.quotes = self.desk.quote_tally();
        end.failure = self.desk.failure();
        if end.failure.is_none() {
            end.cash_broker = self.compare_cash().await;
        }
        Ok(end)
    }

    /// The account's cash at the end. It may lag behind the last fill; while something is open nobody can compare.
    async fn compare_cash(&self) -> Option<Decimal> {
        let deadline = Instant::now() + self.settings.settle + self.settings.poll;
        loop {
            let read = self.desk.read_cash().await.ok()?;
            if read.is_some() || !self.desk.state().operations.is_empty() || Instant::now() >= deadline {
                return read;
            }
            sleep(self.settings.poll).await;
        }
    }

    fn is_asked_to_stop(&self) -> bool {
        *self.stop.borrow()
    }

    /// `None` when somebody asks to stop first.
    async fn unless_stopped<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let mut stop = self.stop.clone();
        tokio::select! {
            biased;
            _ = stop.wait_for(|asked| *asked) => None,
            done = work => Some(done),
        }
    }

    /// Settles what an earlier run left, and begins the session.
    async fn begin(&self) -> Result<SessionId, Failure> {
        let mut tries = 0;
        loop {
            let (text, is_transient) = match self.try_begin().await {
                Ok(id) => return Ok(id),
                Err(NotBegun::Session(SessionError::Broker(error))) => (told(&error), error.is_transient()),
                Err(NotBegun::Session(error)) => return Err(Failure::Broker(told(&error))),
                Err(NotBegun::Calendar(text)) => (text, false),
            };
            tries += 1;
            let holds = !self.desk.state().book.positions().is_empty();
            if !holds && (!is_transient || tries >= START_TRIES) {
                return Err(Failure::Broker(format!("the session cannot begin: {text}")));
            }
            self.view.say(&format!("waiting for the broker: {text}"));
            sleep((self.settings.poll * tries).min(LONGEST_PAUSE)).await;
        }
    }

    async fn try_begin(&self) -> Result<SessionId, NotBegun> {
        self.desk.recover().await.map_err(SessionError::Broker)?;
        match self.desk.read_cash().await {
            Ok(_) => {}
            Err(CashError::Broker(error)) => return Err(SessionError::Broker(error).into()),
            Err(CashError::Record(error)) => return Err(SessionError::Record(error).into()),
            // TXN-7: what is known counts on; without anything known, entries are refused.
            Err(error) => self.view.say(&told(&error)),
        }
        let market = self.desk.market_clock().await.map_err(SessionError::Broker)?;
        // GUARD-6: before the session begins, because a wrong day would shut the right one.
        if let Some(difference) = self.settings.calendar.check(&market, self.clock.wall()) {
            if difference.is_refused {
                return Err(NotBegun::Calendar(difference.text));
            }
            self.view.say(&format!("{}: check the clock and the broker", difference.text));
        }
        let per_day = self.settings.entries_per_day.map(std::num::NonZeroU32::get);
        let id = self.desk.begin_session(market.date, self.settings.entries, per_day).await?;
        if market.state != MarketState::Open {
            self.view.say(&format!(
                "the broker says that the market is not open ({:?}): entries will be refused",
                market.state
            ));
        }
        Ok(id)
    }

    /// Tries each slot that is left of the session, in its time.
    async fn enter_slots(&self) -> Slots {
        let state = self.desk.state();
        let left: Vec<SlotId> = (1..=self.settings.entries)
            .filter_map(|number| self.desk.slot(number))
            .filter(|slot| !state.slots.contains_key(slot))
            .collect();
        let mut attempts: JoinSet<Option<EntryEnd>> = JoinSet::new();
        let mut at = Instant::now();
        for slot in left {
            if self.unless_stopped(sleep_until(at)).await.is_none() || self.desk.failure().is_some() {
                break;
            }
            at += self.settings.slot;
            let session = self.clone();
            attempts.spawn(async move { session.attempt(slot, at).await });
        }
        let mut slots = Slots::default();
        while let Some(attempt) = attempts.join_next().await {
            match attempt {
                Ok(Some(EntryEnd::Opened(_))) => slots.opened += 1,
                Ok(Some(EntryEnd::NotExecuted { .. })) => slots.not_executed += 1,
                Ok(Some(EntryEnd::Unresolved { .. })) | Err(_) => slots.unresolved += 1,
                Ok(None | Some(EntryEnd::Refused(_))) => slots.refused += 1,
            }
        }
        slots
    }

    /// Tries to enter a slot until its time is over. `None`: no order was ever proposed.
    async fn attempt(&self, slot: SlotId, until: Instant) -> Option<EntryEnd> {
        let pause = (self.settings.poll * 2).max(Duration::from_millis(200));
        let mut said = String::new();
        loop {
            // The machine may have slept through it: then it is over, and not made up for beside the next ones.
            if Instant::now() >= until {
                return None;
            }
            let (why, end) = match self.propose(&slot).await {
                Ok(EntryEnd::Refused(refusal)) if refusal.is_passing() => {
                    (String::new(), Some(EntryEnd::Refused(refusal)))
                }
                Ok(end) => return Some(end),
                Err(why) => (why, None),
            };
            if !why.is_empty() && why != said {
                self.view.say(&format!("slot {}: {why}", slot.slot));
                said = why;
            }
            let stopped = self.unless_stopped(sleep(pause)).await.is_none();
            if stopped || Instant::now() >= until {
                return end;
            }
        }
    }

    /// Looks at the market and hands what the strategy makes of it to the desk.
    async fn propose(&self, slot: &SlotId) -> Result<EntryEnd, String> {
        let plan = self.plan(slot).await;
        self.say_delayed();
        match plan {
            Ok((plan, view)) => Ok(self.desk.enter(slot.clone(), plan, view).await),
            Err(NoPlan::Quote(because)) => Ok(self.desk.no_entry(slot, because).await),
            Err(NoPlan::Said(why)) => Err(why),
        }
    }

    /// Law 6: delayed data is recognized by itself, whatever was declared, and said once.
    fn say_delayed(&self) {
        let Some(by) = self.desk.delayed_quotes() else { return };
        if self.said_delayed.swap(true, Ordering::SeqCst) {
            return;
        }
        let then = match self.settings.delayed_quotes {
            Some(declared) => format!("declared as delayed by {declared:?}: what is traded on is that old"),
            None => "refused as old; to trade on them on paper, add --delayed-quotes".to_owned(),
        };
        self.view.say(&format!("the quotes are {} min old and go on: a delayed feed, {then}", by.as_secs() / 60));
    }

    /// What the strategy would do, by fresh quotes and nothing else.
    async fn plan(&self, slot: &SlotId) -> Result<(EntryPlan, MarketView), NoPlan> {
        let (desk, strategy) = (&self.desk, &self.settings.strategy);
        let now = || Now::of(&*self.clock);
        let reference = strategy.reference().clone();
        let mut view = desk.look(std::slice::from_ref(&reference)).await?;
        let level = desk.fresh(&view, &reference, strategy.reference_need())?;
        let day = expiration(view.clock().date, self.clock.wall());
        let legs = strategy.legs(day, level.at(now())?, slot.slot.get(), &desk.state())?;
        if legs.iter().any(|(leg, _)| *leg != reference) {
            let symbols: Vec<Symbol> = legs.iter().map(|(leg, _)| leg.clone()).chain([reference]).collect();
            view = desk.look(&symbols).await?;
        }
        let fresh: Vec<_> =
            legs.iter().map(|(leg, side)| desk.fresh(&view, leg, (*side).into())).collect::<Result<_, _>>()?;
        let quotes: Vec<_> = fresh.iter().map(|fresh| fresh.at(now())).collect::<Result<_, _>>()?;
        Ok((strategy.entry(&quotes)?, view))
    }

    /// Asks for quotes of what is held, and tells who watches it. Apart from that: a look waits for its turn among all
    /// others and for the broker, and an exit whose time has come, or that was asked for, must not wait for it.
    async fn look_for_ever(&self) -> Infallible {
        loop {
            if self.desk.failure().is_none() {
                self.look_at_held(&self.desk.state()).await;
                self.looked.notify_one();
            }
            sleep(self.settings.poll).await;
        }
    }

    /// Looks at every open position and leaves where the strategy says so, by the quotes that came. Never ends.
    async fn watch_positions(&self) -> Infallible {
        let mut exits: JoinSet<(SlotId, ExitEnd)> = JoinSet::new();
        let mut leaving: BTreeSet<SlotId> = BTreeSet::new();
        let mut not_before: BTreeMap<SlotId, (Instant, Duration)> = BTreeMap::new();
        loop {
            // A look that does not come holds up nothing for longer than this.
            tokio::select! {
                () = self.looked.notified() => {}
                () = sleep(self.settings.poll) => {}
            }
            while let Some(done) = exits.try_join_next() {
                let Ok((slot, end)) = done else { continue };
                leaving.remove(&slot);
                self.note_exit(&slot, &end, &mut not_before);
            }
            // What another process does to the kill switch is told and written down at once.
            self.desk.ask_switch().await;
            let state = self.desk.state();
            if !state.book.positions().is_empty() && self.desk.failure().is_none() {
                let closing = |slot: &SlotId| self.desk.closing_cash(slot).ok();
                self.view.marks(&state, closing);
                let due = due(&state, &leaving, &not_before);
                for (slot, position) in state.positions().filter(|(_, position)| !position.is_flat()) {
                    let attempts = state.exits.get(&slot).copied().unwrap_or_default();
                    let leaves = |closing| self.settings.strategy.exit(position, attempts, closing, &self.moment());
                    // WATCH-1: without fresh quotes time alone is asked, and that is no check.
                    let plan = self.desk.check(&slot, |closing| leaves(Some(closing))).unwrap_or_else(|_| leaves(None));
                    let Some(plan) = plan.filter(|_| due.contains(&slot)) else { continue };
                    let (desk, id) = (self.desk.clone(), slot.clone());
                    leaving.insert(slot.clone());
                    exits.spawn(async move { (id.clone(), desk.exit(id, plan).await) });
                }
            }
        }
    }

    fn moment(&self) -> Moment {
        let flatten = self.is_asked_to_stop() && self.settings.flatten_at_end;
        Moment { now: self.clock.wall(), hold: self.settings.hold, flatten }
    }

    /// An exit that did not come through waits longer each time, so that a broker that is down is not stormed.
    fn note_exit(&self, slot: &SlotId, end: &ExitEnd, not_before: &mut BTreeMap<SlotId, (Instant, Duration)>) {
        match end {
            ExitEnd::Closed => {
                not_before.remove(slot);
            }
            ExitEnd::Refused(_) | ExitEnd::StillOpen { .. } | ExitEnd::Pending { .. } => {
                if let (ExitEnd::Refused(refusal), None) = (end, self.desk.failure()) {
                    self.view.say(&format!("exit of {slot}: {}", told(refusal)));
                }
                let pause = not_before.get(slot).map_or(self.settings.poll, |(_, pause)| *pause * 2).min(LONGEST_PAUSE);
                not_before.insert(slot.clone(), (Instant::now() + pause, pause));
            }
        }
    }

    /// Looks at everything that is held. What did not come is known to the desk as old.
    async fn look_at_held(&self, state: &State) {
        let legs = state.book.positions().values().flat_map(Position::open_legs);
        let symbols: BTreeSet<Symbol> = legs.map(|leg| leg.symbol.clone()).collect();
        if !symbols.is_empty()
            && let Err(error) = self.desk.quotes(&symbols.into_iter().collect::<Vec<_>>()).await
        {
            tracing::debug!(error = told(&error), "no quotes of what is held");
        }
    }

    /// Waits until the book is empty: positions leave by the strategy's rules, at the latest when their time is over.
    /// On a signal without flattening they stay.
    async fn wait_until_flat(&self) {
        let settings = &self.settings;
        // Ten attempts to leave, and whatever an unknown outcome takes. What is left then is unresolved.
        let patience = (settings.fill_timeout + settings.settle) * 10;
        let mut deadline = Instant::now() + settings.hold + patience;
        let mut was_asked = false;
        loop {
            if self.is_asked_to_stop() && !was_asked {
                was_asked = true;
                deadline = Instant::now() + patience;
            }
            let is_frozen = self.desk.state().halted().is_some_and(|pull| pull.level == Level::Freeze);
            if was_asked && (is_frozen || !settings.flatten_at_end) {
                return;
            }
            if let Some(failure) = self.desk.failure() {
                self.view.say(&format!("nothing is sent any more: {failure}"));
                return;
            }
            if self.desk.state().book.positions().is_empty() || Instant::now() >= deadline {
                return;
            }
            sleep(settings.poll).await;
        }
    }

    /// Gives what is still unknown the time in which evidence can come.
    async fn settle_the_rest(&self) {
        let deadline = Instant::now() + self.settings.settle * 3;
        loop {
            let compared = self.desk.reconcile().await;
            let state = self.desk.state();
            // REC-1: what its fills have closed is not closed yet. Whoever left it so may have said nothing.
            let unverified = |p: &Position| p.pending().is_some() || p.is_flat();
            let open = !state.operations.is_empty() || state.book.positions().values().any(unverified);
            let settled = match compared {
                Ok(comparison) => comparison.drift.is_empty() && !open,
                // A broker that cannot be reached keeps nobody who has nothing there.
                Err(_) => !open && state.book.positions().is_empty(),
            };
            if settled || self.desk.failure().is_some() || Instant::now() >= deadline {
                return;
            }
            sleep(self.settings.poll).await;
        }
    }
}

/// Why a session did not begin.
enum NotBegun {
    Session(SessionError),
    /// Broker and calendar differ.
    Calendar(String),
}

impl From<SessionError> for NotBegun {
    fn from(error: SessionError) -> Self {
        Self::Session(error)
    }
}

/// Why the strategy makes no plan.
enum NoPlan {
    /// For want of a fresh quote.
    Quote(NotFresh),
    /// For a reason of its own, or because the broker does not answer.
    Said(String),
}

impl From<quote::Refusal> for NoPlan {
    fn from(refusal: quote::Refusal) -> Self {
        Self::Quote(refusal.into())
    }
}

impl From<Expired> for NoPlan {
    fn from(expired: Expired) -> Self {
        Self::Quote(expired.into())
    }
}

impl From<ReadError> for NoPlan {
    fn from(error: ReadError) -> Self {
        Self::Said(told(&error))
    }
}

impl From<String> for NoPlan {
    fn from(why: String) -> Self {
        Self::Said(why)
    }
}

/// The positions whose exit may be tried now.
fn due(state: &State, leaving: &BTreeSet<SlotId>, not_before: &BTreeMap<SlotId, (Instant, Duration)>) -> Vec<SlotId> {
    let now = Instant::now();
    let held = state.positions().filter(|(_, position)| !position.is_flat()).map(|(slot, _)| slot);
    held.filter(|slot| !leaving.contains(slot) && state.closing(slot).is_none())
        .filter(|slot| not_before.get(slot).is_none_or(|(at, _)| now >= *at))
        .collect()
}

//! Closing: an exit for each position that is due, again until it is verified, and comparisons with the broker in between.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use backstop::broker::{Broker, MarketState, OrderKind, Symbol};
use backstop::reconcile::{Drift, Position};
use backstop::{Desk, ExitAt, ExitEnd, ExitPlan, ExitRefusal, Level, Pull, SlotId, Stage, State, StrategyName, told};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::report::{Left, Tally};
use crate::signals::Signals;
use crate::view::View;

/// The longest pause between two exits of a position.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// How long an exit waits for quotes to price it by. Without them the policy says what to do.
const QUOTES_WAIT: Duration = Duration::from_secs(2);
/// From this attempt on, at whatever price there is.
const PATIENT_ATTEMPTS: u32 = 2;

/// How long what may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// After this nothing new is begun.
    pub(super) within: Duration,
    pub(super) poll: Duration,
    pub(super) fill_timeout: Duration,
    pub(super) settle: Duration,
}

/// A book that is being emptied.
pub(super) struct Closing<'a> {
    desk: &'a Desk,
    broker: &'a dyn Broker,
    view: &'a View,
    pace: Pace,
    /// Whose orders are ours.
    strategies: BTreeSet<StrategyName>,
    began: Instant,
    /// What the newest comparison with the broker said.
    compared: Option<Result<Compared, String>>,
    compare_at: Instant,
    frozen: Option<Pull>,
    /// When a position may be tried again, and after which pause.
    not_before: BTreeMap<SlotId, (Instant, Duration)>,
    /// Why the newest exit of a position was refused, and whether trying again may help.
    refused: BTreeMap<SlotId, Refused>,
    said: BTreeSet<String>,
}

/// What book and broker were found to differ in.
struct Compared {
    drift: Vec<Drift>,
    /// Symbols that differ and could not be judged yet, and why.
    unjudged: BTreeMap<Symbol, String>,
    /// Orders of ours that work at the broker, by their label.
    working: BTreeMap<String, String>,
    /// Whether the book was empty before and after it.
    is_empty: bool,
}

struct Refused {
    why: String,
    is_gone: bool,
}

impl Compared {
    /// Whether the broker holds and works nothing that is or may be ours beside what the book has.
    fn is_clean(&self) -> bool {
        self.drift.is_empty() && self.unjudged.is_empty() && self.working.is_empty()
    }
}

impl<'a> Closing<'a> {
    pub(super) fn new(
        desk: &'a Desk,
        broker: &'a dyn Broker,
        view: &'a View,
        pace: Pace,
        strategies: BTreeSet<StrategyName>,
    ) -> Self {
        let began = Instant::now();
        Self {
            desk,
            broker,
            view,
            pace,
            strategies,
            began,
            compared: None,
            compare_at: began,
            frozen: None,
            not_before: BTreeMap::new(),
            refused: BTreeMap::new(),
            said: BTreeSet::new(),
        }
    }

    /// Closes until all is verified, nothing more can be done, the time is over or somebody asks to stop. What is at work then is
    /// brought to rest. Returns what is left.
    pub(super) async fn work(mut self, mut signals: Signals, tally: &mut Tally) -> Vec<Left> {
        let mut exits: JoinSet<(SlotId, ExitEnd)> = JoinSet::new();
        let mut leaving: BTreeSet<SlotId> = BTreeSet::new();
        let over = sleep(self.pace.within);
        tokio::pin!(over);
        loop {
            while let Some(done) = exits.try_join_next() {
                self.note(done, &mut leaving);
            }
            tokio::select! {
                biased;
                () = signals.stop() => {
                    self.view.say("asked to stop: nothing new is sent; what works is brought to rest. A second signal stops at once");
                    break;
                }
                () = &mut over => {
                    self.view.say("the time is over: nothing new is sent; what works is brought to rest");
                    break;
                }
                () = self.look() => {}
            }
            tally.drain();
            if self.is_done() || self.desk.failure().is_some() || (leaving.is_empty() && self.can_do_no_more()) {
                break;
            }
            for (slot, position) in self.due(&leaving) {
                let desk = self.desk.clone();
                leaving.insert(slot.clone());
                exits.spawn(async move { (slot.clone(), leave(&desk, slot, &position).await) });
            }
        }
        // EXIT-2: an exit ends by evidence, or is given up as unresolved; both take their time, and both have a bound.
        while let Some(done) = exits.join_next().await {
            self.note(done, &mut leaving);
            tally.drain();
        }
        if !self.is_done() {
            self.compare().await;
        }
        self.left()
    }

    /// One round: the switch, and a comparison when it is time for one.
    async fn look(&mut self) {
        sleep(self.pace.poll.min(Duration::from_millis(200))).await;
        let standing = self.desk.ask_switch().await;
        self.frozen = standing.strongest().filter(|pull| pull.level == Level::Freeze).cloned();
        if let Some(pull) = &self.frozen {
            let text = format!("{pull}: no exit passes until `paper-trader resume --by NAME --reason TEXT`");
            self.say_once(text);
        }
        if Instant::now() >= self.compare_at {
            self.compare().await;
            let pause = if is_empty(&self.desk.state()) { self.pace.poll } else { self.pace.poll.saturating_mul(4) };
            self.compare_at = Instant::now() + pause;
        }
    }

    async fn compare(&mut self) {
        let had_failed = matches!(self.compared, Some(Err(_)));
        let was_empty = is_empty(&self.desk.state());
        let read = async {
            let compared = self.desk.reconcile().await?;
            // REC-7: names that the records do not have are nobody's here, so nothing cancels them; they may fill all the same.
            let orders = self.broker.orders().await?;
            let working = orders.orders().iter().filter(|order| !order.status.is_terminal());
            let working = working.filter_map(|order| {
                let label = order.label.as_deref()?;
                let is_ours = SlotId::of_label(label).is_some_and(|slot| self.strategies.contains(&slot.strategy));
                is_ours.then(|| (label.to_owned(), order.id.to_string()))
            });
            // What is nobody's, in a symbol that was not traded here, is other people's.
            let state = self.desk.state();
            let (traded, net) = (&state.traded, state.net());
            let ours =
                |row: &Drift| !row.tracked.is_zero() || !row.may_belong.is_empty() || traded.contains(&row.symbol);
            let drift: Vec<Drift> = compared.drift.into_iter().filter(ours).collect();
            let is_ours = |symbol: &Symbol| traded.contains(symbol) || net.contains_key(symbol);
            let unjudged = compared.unjudged.into_iter().filter(|row| is_ours(&row.symbol));
            let unjudged = unjudged.map(|row| (row.symbol, row.because.to_string())).collect();
            Ok::<_, backstop::broker::ReadError>((drift, unjudged, working.collect()))
        };
        self.compared = Some(match read.await {
            Ok((drift, unjudged, working)) => {
                Ok(Compared { drift, unjudged, working, is_empty: was_empty && is_empty(&self.desk.state()) })
            }
            Err(error) => Err(told(&error)),
        });
        match &self.compared {
            // Once for each row of failures.
            Some(Err(why)) if !had_failed => self.view.say(&format!("no comparison with the broker: {why}")),
            Some(Err(_)) => {}
            _ => self.say_if_closed().await,
        }
    }

    /// Whoever flattens outside trading hours should know why nothing comes of it.
    async fn say_if_closed(&mut self) {
        if self.desk.state().book.positions().is_empty() || !self.said.insert("market".to_owned()) {
            return;
        }
        match self.desk.market_clock().await {
            Ok(clock) if clock.state != MarketState::Open => self.view.say(&format!(
                "the broker says that the market is not open ({:?}): an order may be rejected, or wait until it is canceled",
                clock.state
            )),
            Ok(_) => {}
            Err(_) => {
                self.said.remove("market");
            }
        }
    }

    fn say_once(&mut self, text: String) {
        if !self.said.contains(&text) {
            self.view.say(&text);
            self.said.insert(text);
        }
    }

    /// Whether the book is empty and the broker's lists say the same.
    fn is_done(&self) -> bool {
        let is_clean = |compared: &Compared| compared.is_empty && compared.is_clean() && is_empty(&self.desk.state());
        matches!(&self.compared, Some(Ok(compared)) if is_clean(compared))
    }

    /// Frozen, exits have to wait for somebody: everything else is at rest, and the broker agrees.
    fn can_do_no_more(&self) -> bool {
        let has_settled = matches!(&self.compared, Some(Ok(compared)) if compared.is_clean());
        self.frozen.is_some() && has_settled && self.desk.state().operations.is_empty()
    }

    /// The positions whose exit may be tried now.
    fn due(&self, leaving: &BTreeSet<SlotId>) -> Vec<(SlotId, Position)> {
        let state = self.desk.state();
        let differing: BTreeSet<&Symbol> = match &self.compared {
            Some(Ok(compared)) => {
                compared.drift.iter().map(|row| &row.symbol).chain(compared.unjudged.keys()).collect()
            }
            // Law 4: a broker whose lists cannot be read holds up no exit for ever.
            None | Some(Err(_)) if self.began.elapsed() < self.pace.within / 2 => return Vec::new(),
            None | Some(Err(_)) => BTreeSet::new(),
        };
        if self.frozen.is_some() {
            return Vec::new();
        }
        // EXIT-1: what was closed by hand before this command is told from what the broker's list shows late only once the settling
        // time is over; the desk then closes no more than there is.
        let is_settling = self.began.elapsed() <= self.pace.settle;
        let doubtful = |position: &Position| position.legs().iter().any(|leg| differing.contains(&leg.symbol));
        let now = Instant::now();
        let held = state.positions().filter(|(slot, position)| {
            !position.is_flat()
                && !leaving.contains(slot)
                && state.closing(slot).is_none()
                && self.not_before.get(slot).is_none_or(|(at, _)| now >= *at)
                && !(is_settling && doubtful(position))
        });
        held.map(|(slot, position)| (slot, position.clone())).collect()
    }

    fn note(&mut self, done: Result<(SlotId, ExitEnd), tokio::task::JoinError>, leaving: &mut BTreeSet<SlotId>) {
        // One that died is unknown here until the state says more.
        let Ok((slot, end)) = done else { return };
        leaving.remove(&slot);
        self.refused.remove(&slot);
        if let ExitEnd::Refused(refusal) = &end {
            let why = told(refusal);
            self.say_once(format!("exit of {slot}: {why}"));
            let is_gone = matches!(refusal, ExitRefusal::NotHeld { .. } | ExitRefusal::Fraction { .. });
            self.refused.insert(slot.clone(), Refused { why, is_gone });
        }
        // A broker that is down is not stormed.
        if !matches!(end, ExitEnd::Closed) {
            let pause = self.not_before.get(&slot).map_or(self.pace.poll, |(_, pause)| *pause * 2).min(LONGEST_PAUSE);
            self.not_before.insert(slot, (Instant::now() + pause, pause));
        }
        self.compare_at = Instant::now();
    }

    /// Everything that is not verified, and the command that settles it.
    fn left(&self) -> Vec<Left> {
        let state = self.desk.state();
        let mut left: Vec<Left> =
            state.positions().map(|(slot, position)| self.position_left(&state, &slot, position)).collect();
        for (id, operation) in &state.operations {
            let (why, settle) = match &operation.stage {
                Stage::Working => ("it works at the broker".to_owned(), AGAIN.to_owned()),
                Stage::Pending => ("whether it was sent is not known".to_owned(), not_placed(id.as_str())),
                Stage::Unknown { reason } => (format!("its outcome is unknown: {reason}"), not_placed(id.as_str())),
            };
            left.push(Left::new("order", id, why, settle).since(operation.since));
        }
        match &self.compared {
            Some(Ok(compared)) => {
                for row in &compared.drift {
                    let why = row.to_string();
                    let settle = "compare the account by hand, then paper-trader flatten".to_owned();
                    left.push(Left::new("symbol", &row.symbol, why, settle));
                }
                for (symbol, reason) in &compared.unjudged {
                    let why = format!("book and broker differ in it, which is not judged yet: {reason}");
                    left.push(Left::new("symbol", symbol, why, AGAIN.to_owned()));
                }
                let unknown = compared.working.iter().filter(|(label, _)| left.iter().all(|row| row.id != **label));
                let rows = unknown.map(|(label, number)| {
                    let why = format!("order {number} works at the broker under this name");
                    Left::new("order", label, why, format!("cancel order {number} at the broker, then {AGAIN}"))
                });
                let rows: Vec<Left> = rows.collect();
                left.extend(rows);
            }
            unread => {
                let why = match unread {
                    Some(Err(why)) => format!("book and broker could not be compared: {why}"),
                    _ => "book and broker were not compared".to_owned(),
                };
                left.push(Left::new("broker", &"comparison", why, AGAIN.to_owned()));
            }
        }
        if let Some(failure) = self.desk.failure() {
            left.push(Left::new("desk", &"state", failure, AGAIN.to_owned()));
        }
        left
    }

    fn position_left(&self, state: &State, slot: &SlotId, position: &Position) -> Left {
        let by_hand = format!("paper-trader resolve {slot} --closed --by NAME --reason TEXT");
        let pending = position.pending();
        let (why, settle) = if position.is_flat() {
            let why =
                pending.map_or("the broker's lists do not confirm it".to_owned(), |pending| pending.reason.clone());
            (format!("closed by its fills, not verified: {why}"), format!("{AGAIN}, or {by_hand}"))
        } else if let Some(order) = state.closing(slot) {
            (format!("its exit {order} is not at rest"), AGAIN.to_owned())
        } else if let Some(pull) = &self.frozen {
            (pull.to_string(), format!("paper-trader resume --by NAME --reason TEXT, then {AGAIN}"))
        } else if let Some(refused) = self.refused.get(slot) {
            (refused.why.clone(), if refused.is_gone { by_hand } else { AGAIN.to_owned() })
        } else if let Some(pending) = pending {
            (pending.reason.clone(), AGAIN.to_owned())
        } else {
            ("no exit was tried".to_owned(), AGAIN.to_owned())
        };
        let since = pending.map_or(position.opened_at(), |pending| pending.since);
        Left::new("position", slot, why, settle).since(since).with_legs(position)
    }
}

const AGAIN: &str = "paper-trader flatten";

fn not_placed(id: &str) -> String {
    format!("{AGAIN}, or paper-trader resolve {id} --not-placed --by NAME --reason TEXT")
}

fn is_empty(state: &State) -> bool {
    state.book.positions().is_empty() && state.operations.is_empty()
}

/// One exit, by quotes that are asked for right now.
async fn leave(desk: &Desk, slot: SlotId, position: &Position) -> ExitEnd {
    let attempts = desk.state().exits.get(&slot).copied().unwrap_or_default();
    let at = if attempts < PATIENT_ATTEMPTS {
        let symbols: Vec<Symbol> = position.open_legs().map(|leg| leg.symbol.clone()).collect();
        // What did not come is known to the desk as old.
        let _quoted = timeout(QUOTES_WAIT, desk.quotes(&symbols)).await;
        ExitAt::Policy
    } else {
        ExitAt::Order(OrderKind::Market)
    };
    desk.exit(slot, ExitPlan { at, reason: "flatten".to_owned() }).await
}

//! The book held against what the broker holds: the reads of one look, what follows from them, and writing that down.
//!
//! The judgement is the crate [`reconcile`](backstop_reconcile)'s. A proof, an adoption and a correction are spent here and
//! nowhere else, each as one record with its evidence (REC-6).

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use backstop_broker::{
    Balances, ClientOrderId, ClosedLot, Decimal, OrderRequest, Position as BrokerPosition, ReadError, Symbol,
};
use backstop_clock::Clock;
use backstop_reconcile::{
    Adoption, Config, ConfigError, Correction, Doubt, Drift, Finding, Gate, Intent, Intents, Moment, Names, Need,
    PendingClose, Plan, Position, PositionId, Read, Reads, Reconciler, Run, Stage, Unjudged, Verdict, VerifiedClosed,
};
use jiff::{SignedDuration, Timestamp};

use super::settle::Listed;
use super::{DeskConfig, Inner};
use crate::SlotId;
use crate::record::Record;
use crate::refusal::Refusal;
use crate::state::{GLITCH, State};
use crate::told::told;

/// A comparison that says nothing new is written down this often: every record is a sync.
const COMPARED_AGAIN: SignedDuration = SignedDuration::from_mins(1);

/// Slots above this number are those of positions that no entry opened: adopted ones. No session has as many entries.
pub(super) const ADOPTED: u32 = 1_000_000;

/// What a look is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// A comparison.
    Whole,
    /// To verify one close, as often as orders are looked at: by the two lists alone.
    AtAClose,
}

/// What one look at the book found.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) drift: Vec<Drift>,
    pub(super) unjudged: Vec<Unjudged>,
    verdicts: Vec<(PositionId, Verdict)>,
}

/// The reconciler of a desk that begins with this state.
pub(super) fn reconciler(config: &DeskConfig, state: &State, clock: &dyn Clock) -> Result<Reconciler, ConfigError> {
    let names = Names {
        prefix: SlotId::prefix_of(&config.strategy),
        since: None,
        clock_tolerance: SignedDuration::try_from(config.clock_tolerance).unwrap_or(SignedDuration::MAX),
    };
    let mut own: Config = config.reconcile.clone();
    own.names = names;
    let now = Moment::of(clock);
    let rested = state.book_changed.map(|at| Duration::try_from(now.wall.duration_since(at)).unwrap_or_default());
    Reconciler::resume(own, &state.book, now, rested.unwrap_or_default())
}

/// Every order that the records know, for the reconciler. Those of `in_doubt` do not keep their symbols from being judged.
pub(super) fn intents(state: &State, in_doubt: &BTreeSet<ClientOrderId>) -> Intents {
    let mut intents = Intents::new();
    let mut add = |id: &ClientOrderId, slot: Option<&SlotId>, legs: &[backstop_broker::Leg], since, stage| {
        let slot = slot.cloned().or_else(|| SlotId::of_label(id.as_str()));
        if let Some(position) = slot.and_then(|slot| slot.position().ok()) {
            intents.insert(id.clone(), Intent { position, legs: legs.to_vec(), since, stage });
        }
    };
    for (id, placed) in &state.placed {
        let stage = Stage::AtRest { orders: placed.orders.clone() };
        add(id, None, &placed.legs, placed.since.unwrap_or(Timestamp::MIN), stage);
    }
    for (id, absent) in &state.absent {
        add(id, Some(&absent.slot), absent.order.legs(), absent.since, Stage::NothingFilled);
    }
    for (id, operation) in &state.operations {
        let order = operation.broker_order_id.clone();
        let stage = if in_doubt.contains(id) { Stage::InDoubt { order } } else { Stage::InFlight { order } };
        add(id, Some(&operation.slot), operation.order.legs(), operation.since, stage);
    }
    intents
}

impl Inner {
    /// Reads what the broker holds, judges the book by it and by the list of orders that the caller has read, and spends what
    /// follows. One at a time: the caller holds `reconciling`.
    ///
    /// Read after the orders: what those show as filled can be missing here, and is then judged in the next look.
    pub(super) async fn look_at_book(self: &Arc<Self>, listed: Listed<'_>, look: Look) -> Result<Seen, ReadError> {
        let asked = Moment::of(&*self.clock);
        let positions = Read::new(asked, self.broker.positions().await);
        let (balances, closed) = match look {
            Look::Whole => self.read_witnesses().await,
            Look::AtAClose => (None, None),
        };
        let failed = positions.answer.as_ref().err().cloned();
        let orders = Read::new(Moment { mono: listed.asked, wall: asked.wall }, Ok(listed.orders.clone()));
        let reads = Reads { positions, orders, balances, closed, settlements: Vec::new() };
        let in_doubt = self.old_doubts();
        // Book and intents of one moment. Whatever comes to rest after it is newer than the reads.
        let (book, intents) = {
            let state = self.state.lock();
            (state.book.clone(), intents(&state, &in_doubt))
        };
        let run = self.reconciler.lock().run(&book, &intents, &reads, Moment::of(&*self.clock));
        self.note_needs(&run);
        if failed.is_none() {
            self.schedule.lock().compared(asked.mono);
        }
        let seen = self.spend(run).await;
        match failed {
            Some(error) => Err(error),
            None => Ok(seen),
        }
    }

    /// REC-9: what was once asked for as a witness is asked for until everything agrees: it has to speak beside each look that
    /// counts.
    fn note_needs(&self, run: &Run) {
        let mut needs = self.needs.lock();
        let is_settled = run.is_complete && run.drift.is_empty() && run.unjudged.is_empty();
        needs.retain(|need| !is_settled && matches!(need, Need::Balances | Need::ClosedLots { .. }));
        needs.extend(run.needs.iter().cloned());
    }

    /// What the last look wanted beside the two lists (REC-9).
    async fn read_witnesses(&self) -> (Option<Read<Balances>>, Option<Read<Vec<ClosedLot>>>) {
        // REC-5: what balances say now is a witness only beside what they said before.
        let is_due = std::mem::take(&mut self.schedule.lock().balances_due);
        let (wants_balances, closed_since) = {
            let needs = self.needs.lock();
            let since =
                needs.iter().filter_map(|need| if let Need::ClosedLots { since } = need { Some(*since) } else { None });
            (is_due || needs.contains(&Need::Balances), since.min())
        };
        let mut balances = None;
        if wants_balances {
            let asked = Moment::of(&*self.clock);
            balances = Some(Read::new(asked, self.broker.balances().await));
        }
        let mut closed = None;
        if let Some(since) = closed_since {
            let asked = Moment::of(&*self.clock);
            // A broker without such a report has said nothing.
            let lots = self.broker.closed_lots(since).await.transpose();
            closed = lots.map(|lots| Read::new(asked, lots));
        }
        (balances, closed)
    }

    /// Does and writes down what follows from a run.
    async fn spend(self: &Arc<Self>, run: Run) -> Seen {
        let kept: Vec<Finding> = run.findings().into_iter().filter(is_kept).collect();
        let is_complete = run.is_complete;
        let Run { closed, adoptions, corrections, drift, unjudged, pending, verdicts, glitch, .. } = run;
        self.say_glitch(glitch.map(|glitch| Doubt::Glitch { missing: glitch.missing, open: glitch.open })).await;
        for proof in closed {
            let position = proof.position().clone();
            if let Err(reason) = self.remove(proof).await {
                tracing::error!(%position, reason, "a verified close could not be recorded");
            }
        }
        for correction in corrections {
            self.correct(correction).await;
        }
        for adoption in adoptions {
            self.adopt_orphan(adoption).await;
        }
        for row in drift.iter().filter(|row| row.plan == Plan::HaltAndReduce && row.reads > 1) {
            // Halts and differences have alerts of their own, which end with them.
            let _stands = self.halt_for(&row.to_string()).await;
        }
        // REC-9: what could not be judged is shut; it can be when the broker's lists have had their time.
        let judged_at = (!unjudged.is_empty()).then(|| self.clock.mono().plus(self.config.reconcile.lag));
        self.schedule.lock().next = pending.iter().map(|close| close.next).chain(judged_at).min();
        self.rescheduled.notify_one();
        // One that is open is told of as what differs, and by whoever closes it.
        let is_flat = |id| self.state.lock().book.get(id).is_some_and(Position::is_flat);
        for close in pending.iter().filter(|close| close.alert && is_flat(&close.position)) {
            self.say_pending(close).await;
        }
        if is_complete || !drift.is_empty() {
            self.note_comparison(&drift, kept).await;
        }
        let pending = pending.into_iter().map(|close| (close.position, close.verdict));
        Seen { drift, unjudged, verdicts: pending.chain(verdicts).collect() }
    }

    /// The only way out of the book (REC-1).
    pub(super) async fn remove(self: &Arc<Self>, proof: VerifiedClosed) -> Result<(), String> {
        let (position, at) = (proof.position().clone(), self.clock.wall());
        let is_flat = self.state.lock().book.get(&position).is_none_or(Position::is_flat);
        let before = self.state.lock().book.export();
        let of = position.clone();
        let removed = self.commit_made(move |state| {
            // EXIT-1: an exit that began after the look may still sell what the proof says is gone.
            let is_moving = state.operations.values().any(|operation| operation.slot.position().as_ref() == Ok(&of));
            // Not written when somebody else has spent a proof of it meanwhile: it is closed all the same.
            let change = if is_moving { None } else { state.book.clone().remove(proof, at).ok() };
            change.map(|change| vec![Record::Book { change }])
        });
        let removed = removed.await.map_err(|error| told(&error))?;
        if removed {
            let after = self.state.lock().book.export();
            tracing::info!(%position, "a position left the book");
            if let (Ok(before), Ok(after)) = (before, after) {
                self.keep_copies(&position, at, before, after);
            }
            if !is_flat {
                // TXN-3: what it brought, no fill of ours says. The account does.
                self.recount.store(true, Ordering::SeqCst);
            }
        }
        self.halt_for_loss().await;
        match self.state.lock().book.get(&position) {
            Some(_) if !removed => Err("it has changed since the broker was asked".to_owned()),
            _ => Ok(()),
        }
    }

    /// By policy: sets a position by what the broker holds, with the evidence (REC-6).
    async fn correct(self: &Arc<Self>, correction: Correction) {
        let (position, at) = (correction.position().clone(), self.clock.wall());
        let legs: Vec<String> =
            (correction.legs().iter()).map(|leg| format!("{}: {} and not {}", leg.symbol, leg.to, leg.from)).collect();
        let corrected = self.commit_made(move |state| {
            let change = state.book.clone().correct(correction, at).ok()?;
            Some(vec![Record::Book { change }])
        });
        let text =
            format!("position {position} was set by what the broker holds, as the policy says: {}", legs.join(", "));
        self.changed_by_broker(corrected.await, position.as_str(), text).await;
    }

    /// By policy: takes what is at the broker and nobody's into the book, with a stop.
    async fn adopt_orphan(self: &Arc<Self>, adoption: Adoption) {
        let at = self.clock.wall();
        let (symbol, quantity) = (adoption.symbol().clone(), adoption.quantity());
        // Before the first session there is no name for it; the next look finds it again.
        let Some(slot) = self.free_slot(&self.state.lock()) else { return };
        let Ok(position) = slot.position() else { return };
        let name = position.clone();
        let adopted = self.commit_made(move |state| {
            let change = state.book.clone().adopt(&name, adoption, at).ok()?;
            Some(vec![Record::Book { change }])
        });
        let text = format!("{quantity} {symbol} at the broker were nobody's: adopted with a stop, as the policy says");
        self.changed_by_broker(adopted.await, position.as_str(), text).await;
    }

    /// The first slot of adopted positions that nothing has gone by. One look at a time, so nobody else takes it meanwhile.
    fn free_slot(&self, state: &State) -> Option<SlotId> {
        let session = state.session.as_ref()?.id;
        let is_free = |slot: &SlotId| {
            state.held(slot).is_none()
                && !state.issued.keys().any(|id| SlotId::of_label(id.as_str()).as_ref() == Some(slot))
        };
        let slots = (ADOPTED.saturating_add(1)..).filter_map(NonZeroU32::new);
        slots.map(|slot| SlotId { strategy: self.config.strategy.clone(), session, slot }).find(is_free)
    }

    async fn changed_by_broker(
        self: &Arc<Self>,
        written: Result<bool, super::RecordError>,
        subject: &str,
        text: String,
    ) {
        match written {
            Ok(true) => {
                self.recount.store(true, Ordering::SeqCst);
                self.alert(subject, text).await;
            }
            Ok(false) => {}
            Err(error) => tracing::error!(error = told(&error), "a change of the book could not be recorded"),
        }
    }

    async fn say_glitch(self: &Arc<Self>, glitch: Option<Doubt>) {
        match glitch {
            Some(doubt) => self.alert(GLITCH, format!("{doubt}. Nothing is removed; compare the account")).await,
            None if self.state.lock().alerts.contains_key(GLITCH) => self.alert_over(GLITCH).await,
            None => {}
        }
    }

    async fn say_pending(self: &Arc<Self>, close: &PendingClose) {
        let PendingClose { position, since, attempts, .. } = close;
        let why = said(&close.verdict);
        // Without the number of looks: what is said again is no news.
        tracing::warn!(%position, attempts, why, "a close is not verified");
        let text = format!(
            "position {position} is closed by its fills, and the broker does not confirm it since {since} ({why}). Every \
             reconcile looks again; where you know better: resolve it as closed, by name and reason"
        );
        let of = position.clone();
        self.alert_while(position.as_str(), text, move |state| state.book.get(&of).is_some()).await;
    }

    /// Writes a comparison down if it says something new, or if the last one that was written is some time ago.
    async fn note_comparison(self: &Arc<Self>, drift: &[Drift], kept: Vec<Finding>) {
        let now = self.clock.wall();
        for finding in drift.iter().cloned().map(Finding::Drift).chain(kept.iter().cloned()) {
            tracing::debug!(?finding, "found");
        }
        let record = Record::Reconciled { drift: drift.to_vec(), kept: kept.clone() };
        let new = steady(drift, &kept);
        let is_news = move |state: &State| {
            state.reconciled.as_ref().is_none_or(|last| {
                steady(&last.drift, &last.kept) != new || now.duration_since(last.at).abs() >= COMPARED_AGAIN
            })
        };
        if let Err(error) = self.commit_if(vec![record], is_news).await {
            tracing::error!(error = told(&error), "a comparison could not be recorded");
        }
    }

    /// REC-9: what differs is shut for entries until it is settled; so is everything before the first comparison.
    pub(super) fn check_drift(&self, order: &OrderRequest) -> Result<(), Refusal> {
        let reconciler = self.reconciler.lock();
        let symbols = order.legs().iter().map(|leg| &leg.symbol).chain([order.underlying()]);
        for symbol in symbols {
            if let Gate::Shut { since, because } = reconciler.gate(symbol) {
                return Err(Refusal::Drift { symbol: symbol.clone(), since, because });
            }
        }
        Ok(())
    }

    /// One look for an exit whose fills have closed `slot`. `Err` says why it is not verified.
    pub(super) async fn verify_closed(self: &Arc<Self>, slot: &SlotId) -> Result<(), String> {
        let _one = self.reconciling.lock().await;
        let is_gone = || self.state.lock().held(slot).is_none();
        // Another look may have proven it while this one waited for its turn.
        if is_gone() {
            return Ok(());
        }
        let (orders, asked) = self.list().await.map_err(|error| told(&error))?;
        let seen =
            self.look_at_book(Listed { orders: &orders, asked }, Look::AtAClose).await.map_err(|error| told(&error))?;
        let verdict = seen.verdicts.iter().find(|(id, _)| slot.position().as_ref() == Ok(id));
        match verdict {
            _ if is_gone() => Ok(()),
            Some((_, verdict)) => Err(said(verdict)),
            None => Err("it is not judged yet".to_owned()),
        }
    }
}

/// Whether a finding is written down beside the differences: not what will be judged in a moment.
fn is_kept(finding: &Finding) -> bool {
    matches!(finding, Finding::Kept { .. } | Finding::Order { .. } | Finding::Glitch(_))
}

/// What is new of a comparison if it differs: not that it was seen once more.
fn steady(drift: &[Drift], kept: &[Finding]) -> (Vec<String>, Vec<String>) {
    let kept = kept.iter().map(|finding| match finding {
        Finding::Kept { position, verdict, .. } => format!("{position}: {}", said(verdict)),
        finding => format!("{finding:?}"),
    });
    (drift.iter().map(ToString::to_string).collect(), kept.collect())
}

/// A verdict, for people.
fn said(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Closed => "it is closed".to_owned(),
        Verdict::StillOpen => "it is still open".to_owned(),
        Verdict::PartlyClosed { left, is_broken } => {
            let left =
                left.iter().map(|left| format!("{} {}", left.quantity, left.symbol)).collect::<Vec<_>>().join(", ");
            format!("{left} of it is left{}", if *is_broken { ", and a leg that it stood against is gone" } else { "" })
        }
        Verdict::CannotTell { doubts } => {
            // Without counts, which change with every look.
            let doubts = doubts.iter().map(|doubt| match doubt {
                Doubt::Awaiting { .. } => "it has not been seen often enough".to_owned(),
                doubt => doubt.to_string(),
            });
            doubts.collect::<Vec<_>>().join("; ")
        }
    }
}

/// The broker's signed net quantity of a symbol: zero when no row has it.
pub(super) fn net_of(held: &[BrokerPosition], symbol: &Symbol) -> Decimal {
    let rows = held.iter().filter(|row| row.symbol == *symbol);
    rows.fold(Decimal::ZERO, |sum, row| sum.saturating_add(row.quantity))
}

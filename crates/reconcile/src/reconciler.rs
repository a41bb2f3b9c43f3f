//! One run: every source read once, compared, judged; and what is remembered from run to run.

mod gate;
mod past;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use backstop_broker::{BrokerOrderId, Decimal, Symbol};
use backstop_clock::Mono;
use jiff::Timestamp;

use crate::book::Book;
use crate::classify::{Differences, Past};
use crate::compare::{Difference, compare};
use crate::config::{Config, ConfigError, Orphans};
use crate::corrections::corrections;
use crate::drift::{Adoption, Correction, Drift, DriftState, Plan};
use crate::expiry::{DAYS_BACK, is_over};
use crate::id::PositionId;
use crate::intents::Intents;
use crate::look::{Known, Look};
use crate::moment::Moment;
use crate::needs;
use crate::position::Position;
use crate::proof::{VerifiedClosed, absent, covered};
use crate::reads::Reads;
use crate::run::{Glitch, Run, Unjudged};
use crate::suspicion::{Agreed, Before, Suspicion};
use crate::tally::{Count, Witness};
use crate::verdict::{Doubt, Looks, Source, Verdict, left};
use crate::watermark::Watermark;

pub use self::gate::Gate;

/// Holds the book against the broker, run by run. It reads nothing and changes nothing by itself.
///
/// What it remembers is what takes several reads to know. A restart forgets it, and begins to count anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reconciler {
    config: Config,
    watermark: Watermark,
    /// Symbols that differ, and how often they were seen to.
    suspicions: BTreeMap<Symbol, Suspicion>,
    /// Symbols that are as they should be again after others had traded exactly what was missing, and what was before that.
    returned: BTreeMap<Symbol, Before>,
    /// Symbols that were as they should be in the last complete comparison, while an order of somebody else had just come to rest:
    /// nobody knows whether that was shown. And what was before.
    unsure: BTreeMap<Symbol, Before>,
    /// Every symbol that differed in the last comparison that was complete or since, judged or not: how much, and when that was
    /// asked for.
    differing: BTreeMap<Symbol, (Decimal, Mono)>,
    /// The last comparison that was complete.
    compared: Option<Agreed>,
    /// When each order of somebody else that the broker lists was first seen to be at rest.
    at_rest: BTreeMap<BrokerOrderId, Mono>,
    /// As `compared`, if the account was found to be worth more than its cash then.
    worth_more_at: Option<u64>,
    /// Positions that their fills have closed, and how often the broker agreed: for the position as it was then.
    confirming: BTreeMap<PositionId, (u64, Count)>,
    looks: BTreeMap<PositionId, Looks>,
    /// Symbols that are closed for entries, since when, and why.
    shut: BTreeMap<Symbol, (Timestamp, String)>,
    began: Timestamp,
}

impl Reconciler {
    /// Begins at `now`, with a book that may have changed just before.
    ///
    /// # Errors
    /// [`ConfigError`] names the field.
    pub fn new(config: Config, book: &Book, now: Moment) -> Result<Self, ConfigError> {
        Self::resume(config, book, now, Duration::ZERO)
    }

    /// Begins at `now`, with a book that has not changed for `rested` by the records. What is not known is zero.
    ///
    /// The wall clock says how long that is; set forward meanwhile, differences are named up to the lag too early. Nothing is
    /// concluded from one look.
    ///
    /// # Errors
    /// [`ConfigError`] names the field.
    pub fn resume(config: Config, book: &Book, now: Moment, rested: Duration) -> Result<Self, ConfigError> {
        config.check()?;
        Ok(Self {
            watermark: Watermark::new(config.lag, book.revision(), now.mono, rested),
            config,
            suspicions: BTreeMap::new(),
            returned: BTreeMap::new(),
            unsure: BTreeMap::new(),
            differing: BTreeMap::new(),
            compared: None,
            at_rest: BTreeMap::new(),
            worth_more_at: None,
            confirming: BTreeMap::new(),
            looks: BTreeMap::new(),
            shut: BTreeMap::new(),
            began: now.wall,
        })
    }

    /// Notes that the book has changed. To be called when it has; a run does it too, but knows then only that the change was
    /// made before the run, and judges it later than need be.
    pub fn observe(&mut self, book: &Book, now: Moment) {
        self.watermark.observe(book.revision(), now.mono);
    }

    /// Whether any comparison was complete yet.
    pub fn has_compared(&self) -> bool {
        self.compared.is_some()
    }

    /// Judges `book` and `intents` by `reads`. The same reads again give the same run.
    pub fn run(&mut self, book: &Book, intents: &Intents, reads: &Reads, now: Moment) -> Run {
        self.watermark.observe(book.revision(), now.mono);
        let config = self.config.clone();
        let asked = reads.positions.asked;
        let known = Known {
            settled: self.watermark.settled(asked.mono),
            asked_after: self.watermark.asked_after(asked.mono),
            worth_more_at: self.worth_more_at,
        };
        let look = Look::new(&config, book, intents, reads, now, known);
        let mut run = Run::new(now);
        run.unread = unread(&look);
        run.needs = needs::of_orders(&look, intents);
        if let Some(orders) = &look.orders {
            run.violations.clone_from(&orders.violations);
        }
        run.is_complete = look.rows.is_some() && look.orders.is_some() && look.settled.is_some();
        let gone = if let Some(rows) = &look.rows {
            let differences = compare(rows, book.index(), &config.others);
            self.note_others(&look);
            self.judge(&look, &differences, &mut run)
        } else {
            BTreeSet::new()
        };
        self.verify(&look, gone, &mut run);
        run.needs.extend(needs::of_run(&look, &run));
        run
    }

    /// Names and counts every difference. Returns the positions to ask about.
    fn judge<'a>(&mut self, look: &Look<'a>, compared: &[Difference<'a>], run: &mut Run) -> BTreeSet<PositionId> {
        let asked = look.reads.positions.asked;
        let of = compared.iter().map(|difference| (difference.symbol, self.past(difference, asked))).collect();
        let past = Past { of, at_rest: &self.at_rest };
        let differences = Differences::new(look, compared, &past);
        let mut judged: Vec<(&Difference<'a>, DriftState, Option<Witness>)> = Vec::new();
        for difference in compared {
            match look.judge(difference.symbol, difference.revision()) {
                Ok(()) => {
                    let state = differences.state(difference);
                    let witness = differences.witness(difference, &state);
                    judged.push((difference, state, witness));
                }
                Err(because) => run.unjudged.push(Unjudged { symbol: difference.symbol.clone(), because }),
            }
        }
        run.glitch = glitch(look, &judged);
        let unsure = self.unsure(look, compared);
        let mut suspicions = BTreeMap::new();
        let mut about = BTreeSet::new();
        for (difference, state, witness) in judged {
            let mut suspicion = match self.suspicions.get(difference.symbol) {
                Some(before) if before.is_of(difference) => before.clone(),
                _ => Suspicion::new(difference, self.past(difference, asked).0, asked),
            };
            suspicion.see(asked, matches!(state, DriftState::ManualTrade { .. }));
            // REC-5: nothing is counted of an answer that is in doubt; nor without the orders, because without them nobody
            // knows what still works.
            if run.glitch.is_none() && look.orders.is_some() {
                suspicion.count(vote(look, witness.as_ref()), look.config.absence, witness);
            }
            if difference.is_gone() {
                about.extend(difference.net.into_iter().flat_map(|net| net.holders.iter().cloned()));
            }
            let may_belong = differences.stakes(difference);
            run.drift.push(Drift {
                symbol: difference.symbol.clone(),
                tracked: difference.tracked,
                broker: difference.broker,
                others: difference.others,
                plan: Plan::AskPerson,
                state,
                may_belong,
                reads: suspicion.stable().map_or(0, Count::reads),
            });
            suspicions.insert(difference.symbol.clone(), suspicion);
        }
        // What could not be judged this time is as suspect as it was.
        for unjudged in &run.unjudged {
            if let Some(before) = self.suspicions.remove(&unjudged.symbol) {
                suspicions.insert(unjudged.symbol.clone(), before);
            }
        }
        self.returned.retain(|symbol, _| look.book.index().of(symbol).is_some() && !suspicions.contains_key(symbol));
        for (symbol, before) in std::mem::replace(&mut self.suspicions, suspicions) {
            if !self.suspicions.contains_key(&symbol) {
                self.returned.extend(before.before_explained().map(|before| (symbol, before)));
            }
        }
        self.adopt(look, run);
        run.corrections = corrections(look, run, &self.suspicions);
        plan(look, run);
        about.extend(expired(look, run));
        run.drift.sort_by(|a, b| a.symbol.cmp(&b.symbol));
        self.shut(look, run);
        if run.is_complete {
            self.unsure = unsure;
            self.differing.clear();
            self.compared = look.settled.map(|revision| Agreed { revision, asked });
            let has_all = !compared.iter().any(Difference::is_gone);
            if let Some(balances) = look.reads.balances.as_ref().and_then(|read| read.value()).filter(|_| has_all) {
                // While all is there and worth no more than cash, that it is worth no more says nothing.
                let is_worth = balances.total_equity != balances.total_cash;
                self.worth_more_at = look.settled.filter(|_| is_worth);
            }
        }
        self.differing
            .extend(compared.iter().map(|difference| (difference.symbol.clone(), (difference.delta(), asked.mono))));
        about
    }

    fn adopt(&self, look: &Look<'_>, run: &mut Run) {
        let Orphans::Adopt { stop } = look.config.orphans else { return };
        for drift in &mut run.drift {
            let is_nobodys = drift.may_belong.is_empty()
                && matches!(drift.state, DriftState::Orphan | DriftState::ManualTrade { .. });
            // What an order of ours may have bought is not nobody's.
            let settled = look.is_settled(&drift.symbol).is_ok() && look.none_works(&drift.symbol).is_ok();
            if !is_nobodys || run.glitch.is_some() || !settled {
                continue;
            }
            let count = self.suspicions.get(&drift.symbol).and_then(Suspicion::stable);
            let Some(reads) = count.and_then(|count| count.complete(look.config.absence)) else { continue };
            let (symbol, quantity) = (drift.symbol.clone(), drift.difference());
            let row = look.rows.as_ref().and_then(|rows| rows.get(&symbol));
            let price = row.and_then(|row| price(row.position.cost_basis?, row.quantity, &symbol)).unwrap_or_default();
            run.adoptions.push(Adoption { symbol, quantity, price, stop, reads });
            drift.plan = Plan::Adopt;
        }
    }

    /// Asks whether positions are closed: those that should be, those that are missing, those that expired.
    fn verify(&mut self, look: &Look<'_>, mut about: BTreeSet<PositionId>, run: &mut Run) {
        let index = look.book.index();
        about.extend(index.flat().iter().chain(index.pending()).cloned());
        let asked = look.reads.positions.asked;
        let mut looks = BTreeMap::new();
        let mut confirming = BTreeMap::new();
        for id in about {
            let Some(position) = look.book.get(&id) else { continue };
            let before = self.confirming.remove(&id).filter(|(revision, _)| *revision == position.revision);
            let mut count = before.map(|(_, count)| count);
            let verdict = match self.verdict(look, (&id, position), &mut count, run.glitch) {
                Ok(proof) => {
                    run.closed.push(proof);
                    None
                }
                Err(verdict) => Some(verdict),
            };
            if let Some(count) = count {
                confirming.insert(id.clone(), (position.revision, count));
            }
            let Some(verdict) = verdict else { continue };
            if !position.is_flat() && position.pending.is_none() {
                run.verdicts.push((id, verdict));
                continue;
            }
            let mut of = self.looks.remove(&id).unwrap_or_else(|| Looks::new(asked));
            of.again(asked.mono);
            run.pending.push(of.pending(id.clone(), verdict, &look.config.pauses));
            looks.insert(id, of);
        }
        self.looks = looks;
        self.confirming = confirming;
    }

    fn verdict(
        &self,
        look: &Look<'_>,
        (id, position): (&PositionId, &Position),
        count: &mut Option<Count>,
        glitch: Option<Glitch>,
    ) -> Result<VerifiedClosed, Verdict> {
        let Some(rows) = &look.rows else { return Err(Verdict::cannot_tell(look.not_read(Source::Positions))) };
        if look.orders.is_none() {
            return Err(Verdict::cannot_tell(look.not_read(Source::Orders)));
        }
        // REC-5: an answer in which much is missing proves nothing of anybody.
        if let Some(Glitch { missing, open }) = glitch {
            return Err(Verdict::cannot_tell(Doubt::Glitch { missing, open }));
        }
        if position.is_flat() {
            return covered(look, id, position, count).map_err(|doubts| Verdict::CannotTell { doubts });
        }
        look.orders_at_rest(id).map_err(Verdict::cannot_tell)?;
        let gone = |symbol: &Symbol| rows.quantity(symbol).is_zero();
        let (away, there): (Vec<_>, Vec<_>) = position.open_legs().partition(|leg| gone(&leg.symbol));
        if there.is_empty() {
            return absent(look, id, position, &self.suspicions).map_err(|doubts| Verdict::CannotTell { doubts });
        }
        let closed = position.legs.iter().any(|leg| leg.left != leg.opened);
        if away.is_empty() && !closed {
            return Err(Verdict::StillOpen);
        }
        let is_broken = !away.is_empty() || position.legs.iter().any(|leg| leg.left.is_zero());
        Err(Verdict::PartlyClosed { left: left(there.into_iter()), is_broken })
    }
}

/// When the youngest part of a vote was asked for: nothing that was read once is counted twice.
fn vote(look: &Look<'_>, witness: Option<&Witness>) -> Moment {
    let balances = look.reads.balances.as_ref().filter(|_| matches!(witness, Some(Witness::Balances { .. })));
    let earliest = |one: Moment, other: Moment| if other.mono < one.mono { other } else { one };
    balances.map_or(look.asked(), |read| earliest(look.asked(), read.asked))
}

/// REC-5: whether so much is missing, without anything that explains it, that the answer is in doubt and not the book.
fn glitch(look: &Look<'_>, judged: &[(&Difference<'_>, DriftState, Option<Witness>)]) -> Option<Glitch> {
    let unexplained = judged.iter().filter(|(difference, state, witness)| {
        let named = matches!(state, DriftState::Missing | DriftState::BrokenSpread { .. });
        difference.is_gone() && named && witness.is_none()
    });
    let holders = unexplained.flat_map(|(difference, ..)| difference.net.into_iter().flat_map(|net| &net.holders));
    let is_open = |id: &&PositionId| look.book.get(id).is_some_and(|position| !position.is_flat());
    let missing = holders.filter(is_open).collect::<BTreeSet<_>>().len();
    let open = look.book.index().open();
    let share = look.config.glitch;
    let much = missing >= share.positions && missing.saturating_mul(100) >= open.saturating_mul(share.percent.into());
    // An empty list that nothing agrees with is no evidence, however little should be in it.
    let nothing = missing > 0 && look.rows.as_ref().is_some_and(crate::rows::Rows::hold_nothing);
    (much || nothing).then_some(Glitch { missing, open })
}

/// Options of the book whose last day is over, also where the broker still has them.
fn expired(look: &Look<'_>, run: &mut Run) -> BTreeSet<PositionId> {
    let index = look.book.index();
    let mut about = BTreeSet::new();
    // One on a holiday was last traded before it.
    let today = look.now.wall.to_zoned(jiff::tz::TimeZone::UTC).date();
    let latest = today.checked_add(jiff::Span::new().days(DAYS_BACK)).unwrap_or(today);
    let mut over = BTreeMap::new();
    let drift = run.drift.iter().map(|drift| drift.symbol.clone());
    let differing: BTreeSet<Symbol> =
        drift.chain(run.unjudged.iter().map(|unjudged| unjudged.symbol.clone())).collect();
    for (day, symbol) in index.expiring_by(latest) {
        if !*over.entry(day).or_insert_with(|| is_over(day, look.now.wall, look.config)) {
            continue;
        }
        let Some(net) = index.of(symbol).filter(|net| !net.quantity.is_zero()) else { continue };
        let Ok(Some(expired)) = crate::expiry::Expired::at(symbol, look.now.wall, look.config) else { continue };
        about.extend(net.holders.iter().cloned());
        let differs = differing.contains(symbol);
        let Some(row) = look.rows.as_ref().and_then(|rows| rows.get(symbol)).filter(|_| !differs) else { continue };
        run.drift.push(Drift {
            symbol: symbol.clone(),
            tracked: net.quantity,
            broker: row.quantity,
            others: look.config.others.quantity(symbol),
            state: DriftState::Expired { on: expired.on },
            plan: Plan::AwaitSettlement,
            may_belong: Vec::new(),
            reads: 0,
        });
    }
    about
}

/// What to do about each difference, now that it is known what the run does about it.
fn plan(look: &Look<'_>, run: &mut Run) {
    let corrected: BTreeSet<&Symbol> =
        run.corrections.iter().flat_map(Correction::legs).map(|leg| &leg.symbol).collect();
    let asks = |reads: u32| if reads < look.config.absence.reads { Plan::LookAgain } else { Plan::AskPerson };
    for drift in &mut run.drift {
        if drift.plan == Plan::Adopt {
            continue;
        }
        drift.plan = match &drift.state {
            DriftState::PartialFill { orders } | DriftState::Unbooked { orders } => {
                Plan::Book { orders: orders.clone() }
            }
            DriftState::Overfill { .. } | DriftState::Flipped => Plan::HaltAndReduce,
            _ if corrected.contains(&drift.symbol) => Plan::Correct,
            DriftState::Expired { .. } => Plan::AwaitSettlement,
            DriftState::BrokenSpread { positions } => Plan::CloseRest { positions: positions.clone() },
            DriftState::Assigned { .. }
            | DriftState::ManualTrade { .. }
            | DriftState::Missing
            | DriftState::Smaller
            | DriftState::Larger
            | DriftState::Orphan
            | DriftState::Unclear { .. } => asks(drift.reads),
        };
    }
}

fn unread(look: &Look<'_>) -> Vec<Doubt> {
    let reads = look.reads;
    let failed = [
        (Source::Positions, reads.positions.answer.is_err()),
        (Source::Orders, reads.orders.answer.is_err()),
        (Source::Balances, reads.balances.as_ref().is_some_and(|read| read.answer.is_err())),
        (Source::ClosedLots, reads.closed.as_ref().is_some_and(|read| read.answer.is_err())),
    ];
    failed.into_iter().filter(|(_, failed)| *failed).map(|(source, _)| look.not_read(source)).collect()
}

/// What one share cost.
fn price(cost: Decimal, quantity: Decimal, symbol: &Symbol) -> Option<Decimal> {
    cost.checked_div(quantity)?.checked_div(symbol.multiplier()).map(|price| price.abs())
}

#[cfg(test)]
pub(crate) mod tests;

//! What is on disk: each order as an operation, and the facts of which the bot's state is the fold.

use std::collections::BTreeMap;

use backstop_broker::{ClientOrderId, Decimal, OrderKind, OrderRequest, PositionEffect};
use backstop_clock::Timestamp;
use backstop_limits::{Counters, Exposure, Holding, Kind};
use backstop_reconcile::{Book, BookError, Change, Executed, Intent as Meant, Intents, PositionId, Stage};
use backstop_wal::{OperationId, Schema, State};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// The journal's schema.
#[derive(Debug)]
pub(crate) enum Records {}

/// An order that is about to be sent: all that it takes to look it up after a crash.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Intent {
    pub(crate) slot: u32,
    pub(crate) position: PositionId,
    pub(crate) order: OrderRequest,
    pub(crate) since: Timestamp,
    /// The broker's day; `None`: it did not say.
    pub(crate) day: Option<Date>,
}

/// What became so.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Fact {
    /// A day begins: what was counted for the one before is over.
    Session(String),
    /// An order is at rest, with what it filled; `None`: it never was, or was refused.
    Ended { intent: Intent, executed: Option<Executed>, at: Timestamp },
    /// A position left the book, with proof.
    Removed(Change),
}

/// What the facts so far amount to.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Story {
    pub(crate) book: Book,
    counters: Counters,
    session: String,
    /// The session's orders that are at rest.
    ended: BTreeMap<ClientOrderId, (Intent, Option<Executed>)>,
    /// A fact that does not fit those before it: then this is no state to trade on.
    pub(crate) wrong: Option<String>,
}

impl Schema for Records {
    type Kind = Intent;
    type Fact = Fact;
    type State = Story;

    fn apply(story: &mut Story, fact: &Fact) {
        if let Err(error) = story.take(fact) {
            story.wrong.get_or_insert(error.to_string());
        }
    }
}

/// What is not at rest, as the journal has it.
pub(crate) type InFlight = Vec<(OperationId, State, Intent)>;

impl Intent {
    pub(crate) fn id(&self) -> &ClientOrderId {
        self.order.client_order_id()
    }

    fn opens(&self) -> bool {
        self.order.legs().iter().all(|leg| leg.effect == PositionEffect::Open)
    }

    /// The most that it can cost.
    pub(crate) fn worst(&self) -> Decimal {
        let OrderKind::Limit { price } = self.order.kind() else { return Decimal::MAX };
        let quantity = self.order.legs().iter().map(|leg| Decimal::from(leg.quantity)).sum::<Decimal>();
        price.saturating_mul(quantity)
    }
}

impl Story {
    fn take(&mut self, fact: &Fact) -> Result<(), BookError> {
        match fact {
            Fact::Session(label) => {
                if self.session != *label {
                    self.ended.clear();
                }
                self.session.clone_from(label);
                self.counters.begin_session(label);
            }
            Fact::Ended { intent, executed, at } => {
                if let Some(executed) = executed {
                    self.book.book(&intent.position, intent.order.underlying(), executed, *at)?;
                }
                if intent.opens() {
                    count(&mut self.counters, intent);
                    self.counters.executed(&kind());
                }
                self.ended.insert(intent.id().clone(), (intent.clone(), executed.clone()));
            }
            Fact::Removed(change) => {
                if let Change::Removed { was, .. } = change {
                    self.counters.closed(was.cash_flow());
                }
                self.book.replay(change)?;
            }
        }
        Ok(())
    }

    pub(crate) fn session(&self) -> &str {
        &self.session
    }

    /// The order that opened in `slot`, if one of the session is at rest, and whether anything of it was filled.
    pub(crate) fn opened_in(&self, slot: u32) -> Option<(&ClientOrderId, bool)> {
        let mut ended = self.ended.values().filter(|(intent, _)| intent.slot == slot && intent.opens());
        let filled = |executed: &Option<Executed>| executed.as_ref().is_some_and(|order| !order.fills().is_empty());
        ended.next_back().map(|(intent, executed)| (intent.id(), filled(executed)))
    }

    /// How many orders of the session were to close `position`.
    pub(crate) fn exits_of(&self, position: &PositionId) -> usize {
        self.ended.values().filter(|(intent, _)| intent.position == *position && !intent.opens()).count()
    }

    /// Our orders, for the comparison with the broker's.
    pub(crate) fn intents(&self, in_flight: &InFlight) -> Intents {
        let meant = |intent: &Intent, stage| {
            let (position, legs) = (intent.position.clone(), intent.order.legs().to_vec());
            (intent.id().clone(), Meant { position, legs, since: intent.since, stage })
        };
        let at_rest = self.ended.values().map(|(intent, executed)| {
            let stage = executed.as_ref().map_or(Stage::NothingFilled, |order| Stage::AtRest {
                orders: [order.broker_order_id().clone()].into(),
            });
            meant(intent, stage)
        });
        let flying = in_flight.iter().map(|(_, _, intent)| meant(intent, Stage::InFlight { order: None }));
        at_rest.chain(flying).collect()
    }

    /// What is open or may be, and what was done, orders included of which nobody knows (LIMIT-2).
    pub(crate) fn for_limits(&self, in_flight: &InFlight) -> (Exposure, Counters) {
        let (mut exposure, mut counters) = (Exposure::new(), self.counters.clone());
        for position in self.book.positions().values() {
            let legs: Vec<_> = position.open_legs().map(|leg| (leg.symbol.clone(), leg.left)).collect();
            let notional = position.open_legs().map(|leg| leg.left.abs().saturating_mul(leg.price)).sum();
            exposure.held(Holding { underlying: position.underlying().clone(), legs, notional });
        }
        for (_, _, intent) in in_flight.iter().filter(|(_, _, intent)| intent.opens()) {
            exposure.may_open(&intent.order, intent.worst());
            count(&mut counters, intent);
        }
        (exposure, counters)
    }
}

fn count(counters: &mut Counters, intent: &Intent) {
    counters.entry(&intent.order, intent.since);
    counters.message(intent.since);
}

pub(crate) fn kind() -> Kind {
    Kind::new("synchronous")
}

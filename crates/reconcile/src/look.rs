//! All that one run judges by, put in order once.

use std::collections::BTreeMap;

use backstop_broker::{ClientOrderId, Symbol};

use crate::book::Book;
use crate::config::Config;
use crate::id::PositionId;
use crate::intents::{Intents, OrdersSeen, Stage};
use crate::moment::Moment;
use crate::reads::Reads;
use crate::rows::Rows;
use crate::verdict::{Doubt, Source};

/// The evidence of one run.
#[derive(Debug)]
pub(crate) struct Look<'a> {
    pub(crate) config: &'a Config,
    pub(crate) book: &'a Book,
    pub(crate) reads: &'a Reads,
    pub(crate) now: Moment,
    /// The newest change that the list of positions has to show. `None`: nothing is judged yet.
    pub(crate) settled: Option<u64>,
    /// The newest change that was there before the list of positions was asked for.
    pub(crate) asked_after: Option<u64>,
    /// The change of the book at the last look that agreed and found the account to be worth more than its cash.
    pub(crate) worth_more_at: Option<u64>,
    /// `None`: it could not be read.
    pub(crate) rows: Option<Rows<'a>>,
    /// `None`: it could not be read.
    pub(crate) orders: Option<OrdersSeen<'a>>,
    in_flight: BTreeMap<&'a Symbol, &'a ClientOrderId>,
    in_doubt: BTreeMap<&'a Symbol, &'a ClientOrderId>,
    not_at_rest: BTreeMap<&'a PositionId, &'a ClientOrderId>,
}

/// Which changes of the book an answer has to show.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Known {
    pub(crate) settled: Option<u64>,
    pub(crate) asked_after: Option<u64>,
    pub(crate) worth_more_at: Option<u64>,
}

impl<'a> Look<'a> {
    pub(crate) fn new(
        config: &'a Config,
        book: &'a Book,
        intents: &'a Intents,
        reads: &'a Reads,
        now: Moment,
        known: Known,
    ) -> Self {
        let mut in_flight = BTreeMap::new();
        let mut in_doubt = BTreeMap::new();
        let mut not_at_rest = BTreeMap::new();
        for (id, intent) in intents {
            match intent.stage {
                Stage::InFlight { .. } => {
                    in_flight.extend(intent.legs.iter().map(|leg| (&leg.symbol, id)));
                    not_at_rest.insert(&intent.position, id);
                }
                Stage::InDoubt { .. } => {
                    in_doubt.extend(intent.legs.iter().map(|leg| (&leg.symbol, id)));
                    not_at_rest.insert(&intent.position, id);
                }
                Stage::AtRest { .. } | Stage::NothingFilled => {}
            }
        }
        let rows = reads.positions.value().map(|rows| Rows::new(rows));
        let orders = reads.orders.value().map(|list| OrdersSeen::new(list.orders(), intents, book, config));
        let Known { settled, asked_after, worth_more_at } = known;
        Self {
            config,
            book,
            reads,
            now,
            settled,
            asked_after,
            worth_more_at,
            rows,
            orders,
            in_flight,
            in_doubt,
            not_at_rest,
        }
    }

    /// Whether a symbol that change number `revision` touched last may be judged by this look (REC-3).
    pub(crate) fn judge(&self, symbol: &Symbol, revision: u64) -> Result<(), Doubt> {
        if self.settled.is_none_or(|settled| revision > settled) {
            return Err(Doubt::Young { symbol: symbol.clone() });
        }
        self.at_rest(symbol)
    }

    /// Whether no order of ours on a symbol is in flight.
    pub(crate) fn at_rest(&self, symbol: &Symbol) -> Result<(), Doubt> {
        match self.in_flight.get(symbol) {
            Some(order) => Err(Doubt::InFlight { order: (*order).clone() }),
            None => Ok(()),
        }
    }

    /// Whether no order of ours, of whatever position, may still turn out to have traded a symbol.
    pub(crate) fn is_settled(&self, symbol: &Symbol) -> Result<(), Doubt> {
        match self.in_doubt.get(symbol) {
            Some(order) => Err(Doubt::InFlight { order: (*order).clone() }),
            None => self.at_rest(symbol),
        }
    }

    /// By when all that a vote needs was asked for: positions and orders. Either of them read once is one vote (REC-5).
    pub(crate) fn asked(&self) -> Moment {
        let (positions, orders) = (self.reads.positions.asked, self.reads.orders.asked);
        if orders.mono < positions.mono { orders } else { positions }
    }

    /// Whether every order of a position is at rest.
    pub(crate) fn orders_at_rest(&self, position: &PositionId) -> Result<(), Doubt> {
        match self.not_at_rest.get(position) {
            Some(order) => Err(Doubt::InFlight { order: (*order).clone() }),
            None => Ok(()),
        }
    }

    /// Whether the list of orders has none on a symbol that can still fill.
    pub(crate) fn none_works(&self, symbol: &Symbol) -> Result<(), Doubt> {
        let orders = self.orders.as_ref().ok_or_else(|| self.not_read(Source::Orders))?;
        match orders.working.get(symbol).and_then(|working| working.first()) {
            Some(order) => Err(Doubt::Working { order: order.id.clone(), symbol: symbol.clone() }),
            None => Ok(()),
        }
    }

    /// Whether a symbol's row can be taken at its word.
    pub(crate) fn row_is_clear(&self, symbol: &Symbol) -> Result<(), Doubt> {
        if self.config.others.symbols.contains(symbol) {
            return Err(Doubt::Shared { symbol: symbol.clone() });
        }
        let rows = self.rows.as_ref().ok_or_else(|| self.not_read(Source::Positions))?;
        match rows.get(symbol).and_then(|row| row.fault) {
            Some(fault) => Err(Doubt::Row { symbol: symbol.clone(), fault }),
            None => Ok(()),
        }
    }

    pub(crate) fn not_read(&self, source_of: Source) -> Doubt {
        let error = match source_of {
            Source::Positions => self.reads.positions.answer.as_ref().err(),
            Source::Orders => self.reads.orders.answer.as_ref().err(),
            Source::Balances => self.reads.balances.as_ref().and_then(|read| read.answer.as_ref().err()),
            Source::ClosedLots => self.reads.closed.as_ref().and_then(|read| read.answer.as_ref().err()),
        };
        Doubt::NotRead { source_of, error: error.map(ToString::to_string).unwrap_or_default() }
    }
}

//! A small world for tests: what is really held, what the broker says of it, and what the book thinks.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use backstop_broker::{
    Balances, BrokerOrderId, ClientOrderId, Decimal, Leg, Order, OrderLeg, OrderList, OrderStatus,
    Position as BrokerPosition, PositionEffect, Quantity, ReadError, Side, Symbol,
};
use backstop_clock::Mono;
use jiff::Timestamp;

use crate::*;

/// 2026-01-05, a Monday, 11:00 in New York.
const BEGIN: i64 = 1_767_628_800;

pub(crate) const PUT: &str = "SPXW260105P05900000";
pub(crate) const LOWER_PUT: &str = "SPXW260105P05850000";

pub(crate) fn symbol(text: &str) -> Symbol {
    text.parse().unwrap()
}

pub(crate) fn id(text: &str) -> PositionId {
    text.parse().unwrap()
}

pub(crate) fn dec(text: &str) -> Decimal {
    text.parse().unwrap()
}

pub(crate) fn at(seconds: u64) -> Moment {
    let wall = Timestamp::from_second(BEGIN + i64::try_from(seconds).unwrap()).unwrap();
    Moment { mono: Mono::from_origin(Duration::from_secs(seconds)), wall }
}

pub(crate) fn broker_id(number: u32) -> BrokerOrderId {
    BrokerOrderId::new(&number.to_string()).unwrap()
}

pub(crate) fn client_id(text: &str) -> ClientOrderId {
    ClientOrderId::new(text).unwrap()
}

pub(crate) fn row(symbol_text: &str, quantity: &str) -> BrokerPosition {
    BrokerPosition { symbol: symbol(symbol_text), quantity: dec(quantity), cost_basis: None, acquired_at: None }
}

pub(crate) fn config() -> Config {
    Config::new("bs-")
}

pub(crate) fn failed<T>() -> Result<T, ReadError> {
    Err(ReadError::TimedOut { detail: "positions".to_owned() })
}

/// An order of one or several legs: symbol, signed quantity asked for, effect. All of it is filled at 1.00.
pub(crate) fn filled(number: u32, label: Option<&str>, legs: &[(&str, i64, PositionEffect)], created: Moment) -> Order {
    let legs = legs.iter().map(|(text, signed, effect)| OrderLeg {
        symbol: symbol(text),
        side: if *signed < 0 { Side::Sell } else { Side::Buy },
        effect: *effect,
        quantity: Decimal::from(signed.abs()),
        filled: Some(Decimal::from(signed.abs())),
        price: Some(Decimal::ONE),
    });
    Order {
        id: broker_id(number),
        label: label.map(str::to_owned),
        status: OrderStatus::Filled,
        legs: legs.collect(),
        net_price: Some(Decimal::ONE),
        created_at: Some(created.wall),
        reason: None,
    }
}

/// The world.
#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) now: u64,
    pub(crate) held: BTreeMap<Symbol, Decimal>,
    /// When each was last moved.
    pub(crate) touched: BTreeMap<Symbol, u64>,
    pub(crate) orders: Vec<Order>,
    pub(crate) book: Book,
    pub(crate) intents: Intents,
    pub(crate) reconciler: Reconciler,
    pub(crate) changes: Vec<Change>,
    next_order: u32,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(config())
    }

    pub(crate) fn with(config: Config) -> Self {
        let book = Book::new();
        Self {
            now: 0,
            held: BTreeMap::new(),
            touched: BTreeMap::new(),
            orders: Vec::new(),
            reconciler: Reconciler::new(config, &book, at(0)).unwrap(),
            book,
            intents: Intents::new(),
            changes: Vec::new(),
            next_order: 100,
        }
    }

    /// A world with a position that the broker has shown for long.
    pub(crate) fn holding(config: Config, position: &str, legs: &[(&str, i64)]) -> Self {
        let mut world = Self::with(config);
        world.open(position, legs);
        world.wait(60);
        let run = world.run();
        assert!(run.is_complete && run.drift.is_empty(), "{run:?}");
        world.wait(60);
        world
    }

    pub(crate) fn wait(&mut self, seconds: u64) {
        self.now += seconds;
    }

    /// Moves what is really held.
    pub(crate) fn move_held(&mut self, text: &str, signed: i64) {
        self.touched.insert(symbol(text), self.now);
        let quantity = self.held.entry(symbol(text)).or_default();
        *quantity += Decimal::from(signed);
        if quantity.is_zero() {
            self.held.remove(&symbol(text));
        }
    }

    pub(crate) fn number(&mut self) -> u32 {
        self.next_order += 1;
        self.next_order
    }

    /// An order of ours, filled and booked.
    pub(crate) fn trade(&mut self, position: &str, legs: &[(&str, i64)], effect: PositionEffect) {
        let number = self.number();
        let label = format!("bs-{position}-{number}");
        let with_effect: Vec<_> = legs.iter().map(|(text, signed)| (*text, *signed, effect)).collect();
        let order = filled(number, Some(&label), &with_effect, at(self.now));
        for (text, signed) in legs {
            self.move_held(text, *signed);
        }
        let client = client_id(&label);
        let executed = Executed::of(&client, &order).unwrap();
        let stage = Stage::AtRest { orders: BTreeSet::from([order.id.clone()]) };
        self.intend(position, &client, legs, effect, stage);
        self.orders.push(order);
        let underlying = symbol(legs[0].0);
        let underlying = underlying.option().map_or(underlying, |option| symbol(option.root()));
        let booked = self.book.book(&id(position), &underlying, &executed, at(self.now).wall).unwrap();
        self.changes.extend(booked);
        self.reconciler.observe(&self.book, at(self.now));
    }

    pub(crate) fn intend(
        &mut self,
        position: &str,
        client: &ClientOrderId,
        legs: &[(&str, i64)],
        effect: PositionEffect,
        stage: Stage,
    ) {
        let legs = legs.iter().map(|(text, signed)| Leg {
            symbol: symbol(text),
            side: if *signed < 0 { Side::Sell } else { Side::Buy },
            effect,
            quantity: Quantity::new(u32::try_from(signed.unsigned_abs()).unwrap()).unwrap(),
        });
        let (position, legs, since) = (id(position), legs.collect(), at(self.now).wall);
        self.intents.insert(client.clone(), Intent { position, legs, since, stage });
    }

    pub(crate) fn open(&mut self, position: &str, legs: &[(&str, i64)]) {
        self.trade(position, legs, PositionEffect::Open);
    }

    pub(crate) fn close(&mut self, position: &str, legs: &[(&str, i64)]) {
        self.trade(position, legs, PositionEffect::Close);
    }

    /// Somebody else's trade. The broker's list of orders has it.
    pub(crate) fn by_hand(&mut self, text: &str, signed: i64) -> BrokerOrderId {
        let number = self.number();
        self.orders.push(filled(number, None, &[(text, signed, PositionEffect::Close)], at(self.now)));
        self.move_held(text, signed);
        broker_id(number)
    }

    pub(crate) fn rows(&self) -> Vec<BrokerPosition> {
        let row = |(symbol, quantity): (&Symbol, &Decimal)| BrokerPosition {
            symbol: symbol.clone(),
            quantity: *quantity,
            cost_basis: None,
            acquired_at: self.touched.get(symbol).map(|second| at(*second).wall),
        };
        self.held.iter().map(row).collect()
    }

    /// The truth, as the broker tells it now.
    pub(crate) fn reads(&self) -> Reads {
        let asked = at(self.now);
        Reads {
            positions: Read::new(asked, Ok(self.rows())),
            orders: Read::new(asked, Ok(OrderList::complete(self.orders.clone()))),
            balances: None,
            closed: None,
            settlements: Vec::new(),
        }
    }

    pub(crate) fn balances(&self, equity: i64, cash: i64) -> Read<Balances> {
        let balances = Balances {
            total_cash: Decimal::from(cash),
            total_equity: Decimal::from(equity),
            option_buying_power: None,
            stock_buying_power: None,
        };
        Read::new(at(self.now), Ok(balances))
    }

    pub(crate) fn run(&mut self) -> Run {
        self.run_with(|_| {})
    }

    pub(crate) fn run_with(&mut self, alter: impl FnOnce(&mut Reads)) -> Run {
        let mut reads = self.reads();
        alter(&mut reads);
        self.judge(&reads)
    }

    pub(crate) fn judge(&mut self, reads: &Reads) -> Run {
        self.reconciler.run(&self.book, &self.intents, reads, at(self.now))
    }

    /// Runs again and again, a minute apart, for so many minutes; the last run counts.
    pub(crate) fn run_for(&mut self, minutes: u32, mut alter: impl FnMut(&mut Reads)) -> Run {
        let mut last = None;
        for _ in 0..minutes {
            self.wait(60);
            last = Some(self.run_with(&mut alter));
        }
        last.expect("at least one minute")
    }

    /// Spends what a run handed out.
    pub(crate) fn spend(&mut self, run: Run) -> Vec<Change> {
        let wall = at(self.now).wall;
        let mut changes = Vec::new();
        for proof in run.closed {
            changes.push(self.book.remove(proof, wall).unwrap());
        }
        for correction in run.corrections {
            changes.push(self.book.correct(correction, wall).unwrap());
        }
        for (number, adoption) in run.adoptions.into_iter().enumerate() {
            changes.push(self.book.adopt(&id(&format!("adopted-{number}")), adoption, wall).unwrap());
        }
        self.changes.extend(changes.iter().cloned());
        self.reconciler.observe(&self.book, at(self.now));
        changes
    }

    pub(crate) fn restart(&mut self, config: Config) {
        self.reconciler = Reconciler::new(config, &self.book, at(self.now)).unwrap();
    }
}

impl Run {
    /// The state of a symbol that differs.
    pub(crate) fn state_of(&self, symbol: &Symbol) -> Option<&DriftState> {
        self.drift.iter().find(|drift| drift.symbol == *symbol).map(|drift| &drift.state)
    }
}

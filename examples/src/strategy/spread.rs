//! A put credit spread on an index: sell a put half a percent below the market, buy the one two strikes lower.

use backstop::broker::{
    Decimal, Leg, OptionRight, OptionSymbol, OrderKind, PositionEffect, Quantity, Quote, Side, Symbol,
};
use backstop::reconcile::Position;
use backstop::{EntryPlan, State};
use jiff::civil::Date;

/// How many strikes are looked at for a free one.
const TRIES: u32 = 12;

/// The parameters of the spread.
#[derive(Debug, Clone)]
pub(crate) struct Spread {
    root: String,
    underlying: Symbol,
    quantity: Quantity,
    /// Distance of two strikes near the money.
    step: Decimal,
}

impl Spread {
    /// `root` is an option root or a share; index options trade under roots of their own.
    pub(crate) fn new(root: &Symbol, quantity: Quantity) -> Result<Self, String> {
        let (root, underlying, step) = match root.as_str() {
            "SPX" | "SPXW" => ("SPXW", "SPX", 5),
            "NDX" | "NDXP" => ("NDXP", "NDX", 10),
            "RUT" | "RUTW" => ("RUTW", "RUT", 5),
            share => (share, share, 1),
        };
        let underlying: Symbol = underlying.parse().map_err(|error| format!("{error}"))?;
        let spread = Self { root: root.to_owned(), underlying, quantity, step: Decimal::from(step) };
        // Found out now rather than at the first slot.
        OptionSymbol::new(&spread.root, jiff::civil::date(2030, 1, 2), OptionRight::Put, spread.step)
            .map_err(|error| format!("{error}; name an option root such as SPXW, or use --strategy equity"))?;
        Ok(spread)
    }

    pub(crate) fn underlying(&self) -> &Symbol {
        &self.underlying
    }

    /// The short put and the long one that expire on `day`. Slots take turns over four strikes, and step lower where
    /// a leg would meet its own opposite: the broker merges all that is held of a symbol into one row, and refuses to
    /// sell what is held long.
    pub(crate) fn legs(
        &self,
        day: Date,
        underlying: &Quote,
        slot: u32,
        state: &State,
    ) -> Result<Vec<(Symbol, Side)>, String> {
        self.legs_beside(day, underlying, slot, |symbol, side| is_held(state, symbol, side))
    }

    pub(crate) fn legs_beside(
        &self,
        day: Date,
        underlying: &Quote,
        slot: u32,
        is_held: impl Fn(&Symbol, Side) -> bool,
    ) -> Result<Vec<(Symbol, Side)>, String> {
        let level =
            self.level(underlying).ok_or_else(|| format!("no level of {} to choose strikes by", self.underlying))?;
        let steps_away = level / Decimal::from(200) / self.step + Decimal::from(slot % 4);
        let first = ((level / self.step - steps_away).floor() * self.step).normalize();
        let put = |strike| {
            let option = OptionSymbol::new(&self.root, day, OptionRight::Put, strike);
            option.map(|option| option.symbol()).map_err(|error| error.to_string())
        };
        for lower in 0..TRIES {
            let short = first - self.step * Decimal::from(lower);
            let legs = (put(short)?, put(short - self.step * Decimal::TWO)?);
            if !is_held(&legs.0, Side::Buy) && !is_held(&legs.1, Side::Sell) {
                return Ok(vec![(legs.0, Side::Sell), (legs.1, Side::Buy)]);
            }
        }
        Err(format!("{TRIES} strikes below {level} are taken by legs of the opposite direction"))
    }

    /// The level that strikes are chosen by: half way between bid and ask, and nothing in their place. An index whose source
    /// quotes neither cannot be traded by this strategy; its last value may be of yesterday.
    fn level(&self, underlying: &Quote) -> Option<Decimal> {
        let level = underlying.mid()?;
        // OCC strikes end below 100,000.
        (level > self.step * Decimal::TEN && level < Decimal::from(90_000)).then_some(level)
    }

    pub(crate) fn entry(&self, quotes: &[&Quote]) -> Result<EntryPlan, String> {
        let [short, long] = quotes else { return Err("a spread has two legs".to_owned()) };
        let bid = short.bid.price.value().ok_or_else(|| format!("{} has no bid", short.symbol))?;
        let ask = long.ask.price.value().ok_or_else(|| format!("{} has no ask", long.symbol))?;
        let (short, long) = (&short.symbol, &long.symbol);
        let width = self.step * Decimal::TWO;
        let credit = bid.saturating_sub(ask).round_dp(2);
        if credit < Decimal::new(10, 2) || credit >= width {
            return Err(format!("{short} over {long} brings {credit}, which is no credit to sell for"));
        }
        let worst = width * Decimal::ONE_HUNDRED * Decimal::from(self.quantity);
        let leg = |symbol: &Symbol, side| Leg {
            symbol: symbol.clone(),
            side,
            effect: PositionEffect::Open,
            quantity: self.quantity,
        };
        Ok(EntryPlan {
            underlying: self.underlying.clone(),
            legs: vec![leg(short, Side::Sell), leg(long, Side::Buy)],
            kind: OrderKind::Credit { price: credit },
            reserve: worst,
            margin: worst,
        })
    }
}

/// Whether `symbol` is held, or may be, in the direction of `side`.
fn is_held(state: &State, symbol: &Symbol, side: Side) -> bool {
    let in_book = state.book.positions().values().flat_map(Position::legs);
    let signed = |quantity: Decimal| side.signed(quantity) > Decimal::ZERO;
    let in_flight = state.operations.values().flat_map(|operation| operation.order.legs());
    in_book.into_iter().any(|leg| leg.symbol == *symbol && signed(leg.left))
        || in_flight.into_iter().any(|leg| leg.symbol == *symbol && leg.side == side)
}

/// Out at half of the credit earned, or at as much lost again. `closing` is what closing now would do to cash.
pub(super) fn wants_out(credit: Decimal, closing: Decimal) -> Option<String> {
    let profit = credit.saturating_add(closing);
    if profit >= credit / Decimal::TWO {
        return Some("profit target".to_owned());
    }
    (profit <= -credit).then(|| "stop loss".to_owned())
}

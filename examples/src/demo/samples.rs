//! What the broker holds and what a bot knows of it, at one moment.

use std::collections::BTreeMap;
use std::time::Duration;

use backstop::broker::{Decimal, Symbol};

/// Signed net quantities, zero left out.
pub(crate) type Net = BTreeMap<Symbol, Decimal>;

/// What a bot believes. It outlives the bot: it is what the bot would find when it is started again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Belief {
    /// `None`: it does not know.
    pub(crate) cash: Option<Decimal>,
    /// The positions that it tracks.
    pub(crate) tracked: Net,
    /// The legs of the orders that it still looks after, each with its whole quantity: any part of it may be filled.
    pub(crate) followed: Vec<(Symbol, Decimal)>,
}

/// One look at one bot's side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sample {
    /// Since the beginning of the demo.
    pub(crate) at: Duration,
    /// Whether the bot ran.
    pub(crate) is_up: bool,
    /// What the broker holds, by its ledger.
    pub(crate) held: Net,
    pub(crate) belief: Belief,
}

impl Belief {
    /// What the broker may hold of `symbol` without surprise: from all that is followed and reduces it, to all that is
    /// followed and increases it.
    fn accounts_for(&self, symbol: &Symbol) -> (Decimal, Decimal) {
        let tracked = self.tracked.get(symbol).copied().unwrap_or_default();
        let followed = self.followed.iter().filter(|(of, _)| of == symbol);
        followed.fold((tracked, tracked), |(low, high), (_, quantity)| {
            (low + (*quantity).min(Decimal::ZERO), high + (*quantity).max(Decimal::ZERO))
        })
    }
}

impl Sample {
    /// What the broker holds of each symbol beyond what the bot accounts for: long or short, always positive. What the bot
    /// believes in and the broker does not hold is no position that anybody could watch, and not in it.
    pub(crate) fn unwatched(&self) -> Net {
        let beyond = self.held.iter().map(|(symbol, held)| {
            let (low, high) = self.belief.accounts_for(symbol);
            let beyond =
                if *held > Decimal::ZERO { *held - high.max(Decimal::ZERO) } else { low.min(Decimal::ZERO) - *held };
            (symbol.clone(), beyond)
        });
        beyond.filter(|(_, beyond)| *beyond > Decimal::ZERO).collect()
    }

    /// What the bot believes to hold of each symbol and the broker does not, beyond what an order that it follows may have
    /// taken: always positive.
    pub(crate) fn phantoms(&self) -> Net {
        let missing = self.belief.tracked.keys().map(|symbol| {
            let held = self.held.get(symbol).copied().unwrap_or_default();
            let (low, high) = self.belief.accounts_for(symbol);
            let missing = if low > Decimal::ZERO {
                low - held.max(Decimal::ZERO)
            } else if high < Decimal::ZERO {
                held.min(Decimal::ZERO) - high
            } else {
                Decimal::ZERO
            };
            (symbol.clone(), missing)
        });
        missing.filter(|(_, missing)| *missing > Decimal::ZERO).collect()
    }

    /// How much of what the broker holds is tracked.
    pub(crate) fn size_known(&self) -> Decimal {
        let tracked = |symbol| self.belief.tracked.get(symbol).copied().unwrap_or_default();
        let known = self.held.iter().map(|(symbol, held)| (*held, tracked(symbol)));
        let of_one_sign = known.filter(|(held, tracked)| held.is_sign_negative() == tracked.is_sign_negative());
        of_one_sign.map(|(held, tracked)| held.abs().min(tracked.abs())).sum()
    }

    /// Contracts or shares at the broker, long and short together.
    pub(crate) fn size_held(&self) -> Decimal {
        size(&self.held)
    }

    /// The same of what the bot tracks.
    pub(crate) fn size_tracked(&self) -> Decimal {
        size(&self.belief.tracked)
    }
}

fn size(net: &Net) -> Decimal {
    net.values().map(Decimal::abs).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(pairs: &[(&str, i64)]) -> Net {
        pairs.iter().map(|(symbol, quantity)| (symbol.parse().unwrap(), Decimal::from(*quantity))).collect()
    }

    #[track_caller]
    fn check(held: &[(&str, i64)], tracked: &[(&str, i64)], followed: &[(&str, i64)], unwatched: &[(&str, i64)]) {
        let followed = followed.iter().map(|(symbol, q)| (symbol.parse().unwrap(), Decimal::from(*q))).collect();
        let belief = Belief { cash: None, tracked: net(tracked), followed };
        let sample = Sample { at: Duration::ZERO, is_up: true, held: net(held), belief };
        assert_eq!(sample.unwatched(), net(unwatched));
    }

    #[test]
    fn a_phantom_is_what_is_believed_in_and_no_followed_order_may_have_taken() {
        let check = |held: i64, tracked: i64, followed: i64, phantom: i64, known: i64| {
            let one = |quantity: i64| if quantity == 0 { Net::new() } else { net(&[("A", quantity)]) };
            let followed = one(followed).into_iter().collect();
            let belief = Belief { cash: None, tracked: one(tracked), followed };
            let sample = Sample { at: Duration::ZERO, is_up: true, held: one(held), belief };
            assert_eq!((sample.phantoms(), sample.size_known()), (one(phantom), Decimal::from(known)));
        };
        check(2, 2, 0, 0, 2);
        check(0, 2, 0, 2, 0);
        check(0, -2, 0, 2, 0);
        check(1, 2, 0, 1, 1);
        check(-1, 2, 0, 2, 0);
        check(0, 2, -2, 0, 0);
        check(0, 2, -1, 1, 0);
        check(4, 2, 0, 0, 2);
    }

    #[test]
    fn unwatched_is_what_neither_a_tracked_position_nor_a_followed_order_accounts_for() {
        check(&[("A", 2), ("B", -2)], &[("A", 2), ("B", -2)], &[], &[]);
        check(&[("A", 4), ("B", -4)], &[("A", 2), ("B", -2)], &[], &[("A", 2), ("B", 2)]);
        // An order that is looked after may have filled in part or whole, in any order with the list.
        check(&[("A", 1)], &[], &[("A", 2)], &[]);
        check(&[("A", 3)], &[], &[("A", 2)], &[("A", 1)]);
        check(&[("A", 2)], &[("A", 2)], &[("A", -2)], &[]);
        // One that closes accounts for nothing that is opened.
        check(&[("A", 4)], &[("A", 2)], &[("A", -2)], &[("A", 2)]);
        // What is not there is not unwatched; what was turned over is.
        check(&[], &[("A", 2)], &[], &[]);
        check(&[("A", -1)], &[("A", 2)], &[], &[("A", 1)]);
        check(&[("A", -1)], &[("A", 2)], &[("A", -2)], &[("A", 1)]);
    }
}

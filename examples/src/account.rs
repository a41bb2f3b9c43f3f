//! What else is on the account, and what becomes of what differs: from the command line to the desk.

use backstop::broker::{Decimal, Symbol};
use backstop::reconcile::{Config, Orphans, Sizes};

use crate::cli::{BookArgs, OthersArgs};
use crate::failure::Failure;

/// What is at the broker and not the bot's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Other {
    symbol: Symbol,
    /// `None`: whatever there is of it.
    quantity: Option<Decimal>,
}

/// Reads `SYMBOL=QUANTITY` or `SYMBOL`.
pub(crate) fn other(text: &str) -> Result<Other, String> {
    let (symbol, quantity) = match text.split_once('=') {
        Some((symbol, quantity)) => {
            let quantity = quantity.parse::<Decimal>().map_err(|error| format!("{quantity}: {error}"))?;
            (symbol, Some(quantity))
        }
        None => (text, None),
    };
    let symbol = symbol.to_ascii_uppercase().parse().map_err(|error| format!("{symbol}: {error}"))?;
    Ok(Other { symbol, quantity })
}

impl OthersArgs {
    pub(crate) fn apply(&self, mut config: Config) -> Config {
        for Other { symbol, quantity } in &self.others {
            match quantity {
                Some(quantity) => drop(config.others.quantities.insert(symbol.clone(), *quantity)),
                None => drop(config.others.symbols.insert(symbol.clone())),
            }
        }
        config
    }
}

impl BookArgs {
    /// # Errors
    /// A stop that cannot be meant.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        match self.adopt_orphans {
            Some(percent) if percent <= Decimal::ZERO || percent > Decimal::ONE_HUNDRED => Err(Failure::Usage(
                format!("--adopt-orphans {percent}: a stop is more than 0 and at most 100 percent, such as 5"),
            )),
            _ => Ok(()),
        }
    }

    pub(crate) fn apply(&self, config: Config) -> Config {
        let mut config = self.others.apply(config);
        if let Some(percent) = self.adopt_orphans {
            config.orphans = Orphans::Adopt { stop: percent / Decimal::ONE_HUNDRED };
        }
        if self.correct_sizes {
            config.sizes = Sizes::Correct;
        }
        config
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_others_is_a_symbol_with_a_quantity_or_without() {
        let of = |text: &str| other(text).map(|other| (other.symbol.to_string(), other.quantity));
        assert_eq!(of("spy=-12.5"), Ok(("SPY".to_owned(), Some(Decimal::new(-125, 1)))));
        assert_eq!(of("QQQ"), Ok(("QQQ".to_owned(), None)));
        for wrong in ["", "=3", "SPY=", "SPY=many"] {
            assert!(other(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_stop_is_a_share_of_the_price() {
        let of = |percent: i64| BookArgs { adopt_orphans: Some(Decimal::from(percent)), ..BookArgs::default() };
        assert!(of(0).check().is_err() && of(101).check().is_err() && of(5).check().is_ok());
        let config = of(5).apply(Config::new("bs-"));
        assert_eq!(config.orphans, Orphans::Adopt { stop: Decimal::new(5, 2) });
        assert_eq!((config.sizes, BookArgs::default().apply(Config::new("bs-"))), (Sizes::Report, Config::new("bs-")));
    }
}

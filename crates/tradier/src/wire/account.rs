//! Positions, money, profile and the market's clock.

use backstop_broker::{Balances, Decimal, MarketClock, MarketState, Position, Symbol};

use super::{collection, each};
use crate::credentials::AccountId;
use crate::json::{Malformed, Node, Object};
use crate::number;

/// Whose token it is, and which accounts it may see.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Profile {
    /// The user.
    pub id: String,
    /// The accounts, each with its own rules.
    pub accounts: Vec<AccountProfile>,
}

/// One account of a profile. Words are the broker's; their lists grow.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AccountProfile {
    /// Its number.
    pub account: AccountId,
    /// `active` or `closed`.
    pub status: String,
    /// `cash`, `margin`, `pdt`.
    pub kind: String,
    /// 1 to 6: which option strategies are allowed. `None`: the broker has not said.
    pub option_level: Option<Decimal>,
    /// Whether the account is marked as a pattern day trader. `None`: the broker has not said.
    pub day_trader: Option<bool>,
}

pub(crate) fn profile(root: &Object<'_>) -> Result<Profile, Malformed> {
    let profile = root.object("profile")?;
    let accounts = each(profile.rows("account")?, "account", |row| {
        let number = row.text("account_number")?;
        Ok(AccountProfile {
            account: number.parse().map_err(|_| Malformed("account_number is not one".to_owned()))?,
            status: row.text("status")?,
            kind: row.text("type")?,
            option_level: row.decimal_if_said("option_level")?,
            day_trader: row.get("day_trader").and_then(Node::bool),
        })
    })?;
    Ok(Profile { id: profile.text("id")?, accounts })
}

pub(crate) fn positions(root: &Object<'_>) -> Result<Vec<Position>, Malformed> {
    each(collection(root, "positions", "position")?, "position", |row| {
        Ok(Position {
            symbol: Symbol::new(&row.text("symbol")?).map_err(|_| Malformed("symbol is not one".to_owned()))?,
            quantity: row.decimal("quantity")?,
            cost_basis: row.decimal_if_said("cost_basis")?,
            acquired_at: row.moment("date_acquired"),
        })
    })
}

/// Cash and equity must be there. Buying power stands in an object named after the kind of account; exactly one is
/// documented, and with several the smallest figure counts.
///
/// Of the answers about an account it is the only one that says which: another's is not ours (BRK-2).
pub(crate) fn balances(root: &Object<'_>, account: &AccountId) -> Result<Balances, Malformed> {
    let balances = root.object("balances")?;
    let number = balances.get("account_number").map(|_| balances.text("account_number")).transpose()?;
    if number.is_some_and(|number| !number.eq_ignore_ascii_case(account.as_str())) {
        return Err(Malformed("the balances of another account".to_owned()));
    }
    let smallest = |fields: [(&str, &str); 3]| {
        let mut least: Option<Decimal> = None;
        for (kind, field) in fields {
            if let Some(details) = balances.get(kind) {
                let details = details.object().map_err(|error| error.within(kind))?;
                let said = details.decimal_if_said(field)?;
                least = least.into_iter().chain(said).min();
            }
        }
        Ok(least)
    };
    Ok(Balances {
        total_cash: balances.decimal("total_cash")?,
        total_equity: balances.decimal("total_equity")?,
        option_buying_power: smallest([
            ("margin", "option_buying_power"),
            ("pdt", "option_buying_power"),
            ("cash", "cash_available"),
        ])?,
        stock_buying_power: smallest([
            ("margin", "stock_buying_power"),
            ("pdt", "stock_buying_power"),
            ("cash", "cash_available"),
        ])?,
    })
}

pub(crate) fn market_clock(root: &Object<'_>) -> Result<MarketClock, Malformed> {
    let clock = root.object("clock")?;
    let word = clock.text("state")?;
    let state = match word.to_ascii_lowercase().as_str() {
        "premarket" => MarketState::PreMarket,
        "open" => MarketState::Open,
        "postmarket" => MarketState::PostMarket,
        "closed" => MarketState::Closed,
        _ => MarketState::Unrecognized(word),
    };
    let date = clock.text("date")?.parse().map_err(|_| Malformed("date is not one".to_owned()))?;
    Ok(MarketClock { date, state, at: clock.get("timestamp").and_then(|at| number::seconds(at.decimal()?)) })
}

#[cfg(test)]
mod tests;

//! What a bot believes, read beside it: the naive one's from its file, the other's from its journal. Takes no lock, writes
//! nothing.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use backstop::broker::{Decimal, Leg, Symbol};
use backstop::{LogJournal, State};
use serde::Deserialize;
use serde_json::Value;

use super::samples::{Belief, Net};
use crate::state_dir::StateDir;

/// The file in which the naive bot keeps what it believes.
const POSITIONS: &str = "positions.json";

/// What its records amount to. `None`: there are none yet, or they cannot be read at this moment.
pub(crate) fn of_backstop(dir: &StateDir) -> Option<Belief> {
    LogJournal::read(&dir.journal()).ok().map(|contents| of_state(&contents.state))
}

fn of_state(state: &State) -> Belief {
    let legs = |legs: &[Leg]| -> Vec<(Symbol, Decimal)> {
        legs.iter().map(|leg| (leg.symbol.clone(), leg.side.signed(Decimal::from(leg.quantity)))).collect()
    };
    let followed = state.operations.values().flat_map(|operation| legs(operation.order.legs()));
    Belief { cash: state.account.cash(), tracked: state.net(), followed: followed.collect() }
}

/// What its file says, and the orders that it said it waits for. `None` as above: it is written to beside us.
pub(crate) fn of_naive(dir: &Path, followed: &Followed) -> Option<Belief> {
    let text = fs::read_to_string(dir.join(POSITIONS)).ok()?;
    let file: File = serde_json::from_str(&text).ok()?;
    let mut tracked = Net::new();
    for leg in file.positions.iter().flat_map(|position| &position.legs) {
        *tracked.entry(leg.symbol.clone()).or_default() += decimal(&leg.quantity)?;
    }
    tracked.retain(|_, quantity| !quantity.is_zero());
    let followed = followed.0.values().flatten().cloned().collect();
    Some(Belief { cash: file.cash.as_ref().and_then(decimal), tracked, followed })
}

#[derive(Debug, Deserialize)]
struct File {
    cash: Option<Value>,
    positions: Vec<Position>,
}

#[derive(Debug, Deserialize)]
struct Position {
    legs: Vec<PositionLeg>,
}

#[derive(Debug, Deserialize)]
struct PositionLeg {
    symbol: Symbol,
    quantity: Value,
}

/// A number, or a text that is one.
fn decimal(value: &Value) -> Option<Decimal> {
    match value {
        Value::String(text) => text.parse().ok(),
        Value::Number(number) => number.to_string().parse().ok(),
        _ => None,
    }
}

/// The orders that the instances of the naive bot wait for: it keeps them in memory only, so it tells them as it goes. Those
/// of an instance that is dead nobody waits for.
#[derive(Debug, Default)]
pub(crate) struct Followed(BTreeMap<(u32, String), Vec<(Symbol, Decimal)>>);

impl Followed {
    /// Takes in a line of an instance's output. `false`: it is about something else.
    pub(crate) fn hear(&mut self, instance: u32, line: &Value) -> bool {
        let word = |field: &str| line.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
        let order = (instance, word("order"));
        match word("type").as_str() {
            "follow" => {
                let legs = line.get("legs").cloned().and_then(|legs| serde_json::from_value(legs).ok());
                let legs: Vec<PositionLeg> = legs.unwrap_or_default();
                let legs = legs.into_iter().filter_map(|leg| Some((leg.symbol, decimal(&leg.quantity)?)));
                self.0.insert(order, legs.collect());
            }
            "unfollow" => drop(self.0.remove(&order)),
            _ => return false,
        }
        true
    }

    /// An instance is gone.
    pub(crate) fn forget(&mut self, instance: u32) {
        self.0.retain(|(of, _), _| *of != instance);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_naive_bots_file_is_what_it_believes_and_its_word_what_it_waits_for() {
        let dir = tempfile::tempdir().unwrap();
        let mut followed = Followed::default();
        assert_eq!(of_naive(dir.path(), &followed), None);
        let position = |quantity: &str| {
            format!(r#"{{"slot": 1, "legs": [{{"symbol": "SPY", "quantity": {quantity}}}], "opened_at": "x"}}"#)
        };
        let text = format!(r#"{{"cash": "99.50", "positions": [{}, {}]}}"#, position("3"), position("\"-1\""));
        fs::write(dir.path().join(POSITIONS), text).unwrap();
        let line = r#"{"type": "follow", "order": "nv-1", "legs": [{"symbol": "SPY", "quantity": 5}]}"#;
        assert!(followed.hear(1, &serde_json::from_str(line).unwrap()));
        let spy: Symbol = "SPY".parse().unwrap();
        let belief = of_naive(dir.path(), &followed).unwrap();
        assert_eq!((belief.cash, &belief.tracked[&spy]), (Some(Decimal::new(9950, 2)), &Decimal::TWO));
        assert_eq!(belief.followed, [(spy, Decimal::from(5))]);

        // Another instance's order of the same name is another one.
        assert!(followed.hear(2, &serde_json::json!({"type": "unfollow", "order": "nv-1"})));
        assert_eq!(of_naive(dir.path(), &followed).unwrap().followed.len(), 1);
        followed.forget(1);
        assert_eq!(of_naive(dir.path(), &followed).unwrap().followed, []);
        assert!(!followed.hear(1, &serde_json::json!({"type": "say", "text": "hello"})));

        // Half a file is no belief.
        fs::write(dir.path().join(POSITIONS), r#"{"cash": "99"#).unwrap();
        assert_eq!(of_naive(dir.path(), &followed), None);
    }
}

use backstop_broker::Decimal;

use super::*;
use crate::check::tests::config;

// proves: LIMIT-1
#[test]
fn a_configuration_lacks_nothing_and_has_nothing_that_is_not_known() {
    let serde_json::Value::Object(whole) = serde_json::to_value(config()).unwrap() else { unreachable!() };
    assert_eq!(whole.len(), 12);
    let read = |fields: &serde_json::Map<_, _>| serde_json::from_value::<Config>(fields.clone().into());
    assert_eq!(read(&whole).unwrap(), config());
    for name in whole.keys() {
        let mut lacking = whole.clone();
        lacking.remove(name);
        assert!(read(&lacking).unwrap_err().to_string().contains(name), "without {name}");
        let mut none = whole.clone();
        none.insert(name.clone(), serde_json::Value::Null);
        assert!(read(&none).is_err(), "null for {name}");
    }
    let mut more = whole.clone();
    more.insert("order_quantitiy".to_owned(), 1.into());
    assert!(read(&more).unwrap_err().to_string().contains("order_quantitiy"));
}

// proves: LIMIT-1
#[test]
fn a_limit_that_lets_nothing_pass_or_is_none_stops_the_start() {
    type Change = fn(&mut Config);
    let refused = |change: fn(&mut Config)| {
        let mut config = config();
        change(&mut config);
        Limits::start(config, None).unwrap_err().to_string()
    };
    let zeros: [(&str, Change); 14] = [
        ("order_quantity", |config| config.order_quantity = 0),
        ("order_notional", |config| config.order_notional = Decimal::ZERO),
        ("gross_notional", |config| config.gross_notional = -Decimal::ONE),
        ("collar.bps", |config| config.collar.bps = 0),
        ("collar.least", |config| config.collar.least = -Decimal::ONE),
        ("positions", |config| config.positions = 0),
        ("positions_per_underlying", |config| config.positions_per_underlying = 0),
        ("entries", |config| config.entries = 0),
        ("loss", |config| config.loss = Decimal::ZERO),
        ("repeats", |config| config.repeats = 0),
        ("look_alikes.count", |config| config.look_alikes.count = 0),
        ("look_alikes.seconds", |config| config.look_alikes.seconds = 0),
        ("messages.count", |config| config.messages.count = 0),
        ("messages.seconds", |config| config.messages.seconds = 0),
    ];
    for (name, change) in zeros {
        let error = refused(change);
        assert!(error.contains(&format!("`{name}`")) && error.contains("positive"), "{error}");
    }
    assert!(refused(|config| config.collar.bps = 5_001).contains("no limit; the most is 5000"));
    assert!(refused(|config| config.underlyings.clear()).contains("names no symbol"));
    for change in [
        (|config| config.order_notional = Decimal::from(20_001)) as fn(&mut Config),
        |config| config.positions_per_underlying = 4,
        |config| config.look_alikes.count = 6,
    ] {
        assert!(refused(change).contains("can never be reached while"));
    }
}

// proves: LIMIT-1
#[test]
fn limits_in_use_are_tightened_and_a_restart_tells_what_it_loosens() {
    type ChangeEither = fn(&mut Config, bool);
    let changes: [(&str, ChangeEither); 15] = [
        ("order_quantity", |config, up| config.order_quantity = if up { 11 } else { 9 }),
        ("order_notional", |config, up| config.order_notional = Decimal::from(if up { 6_001 } else { 5_999 })),
        ("gross_notional", |config, up| config.gross_notional = Decimal::from(if up { 20_001 } else { 19_999 })),
        ("collar.bps", |config, up| config.collar.bps = if up { 101 } else { 99 }),
        ("collar.least", |config, up| config.collar.least = Decimal::new(if up { 6 } else { 4 }, 2)),
        ("positions", |config, up| config.positions = if up { 4 } else { 2 }),
        ("positions_per_underlying", |config, up| config.positions_per_underlying = if up { 3 } else { 1 }),
        ("entries", |config, up| config.entries = if up { 6 } else { 4 }),
        ("loss", |config, up| config.loss = Decimal::from(if up { 501 } else { 499 })),
        ("repeats", |config, up| config.repeats = if up { 5 } else { 3 }),
        ("look_alikes.count", |config, up| config.look_alikes.count = if up { 2 } else { 1 }),
        ("look_alikes.seconds", |config, up| config.look_alikes.seconds = if up { 29 } else { 31 }),
        ("messages.count", |config, up| config.messages.count = if up { 7 } else { 5 }),
        ("messages.seconds", |config, up| config.messages.seconds = if up { 59 } else { 61 }),
        ("underlyings", |config, up| {
            if up {
                config.underlyings.insert("GME".parse().unwrap());
            } else {
                config.underlyings.remove(&"SPY".parse().unwrap());
            }
        }),
    ];
    for (name, change) in changes {
        let (mut looser, mut tighter) = (config(), config());
        change(&mut looser, true);
        change(&mut tighter, false);
        let (mut limits, loosened) = Limits::start(config(), None).unwrap();
        assert_eq!(loosened, []);
        match limits.tighten(looser.clone()) {
            Err(TightenError::Loosens { loosened }) => assert_eq!((loosened.len(), loosened[0].name), (1, name)),
            other => panic!("{name}: {other:?}"),
        }
        assert_eq!(*limits.config(), config(), "refused, it changes nothing");
        limits.tighten(tighter.clone()).unwrap();
        assert_eq!(*limits.config(), tighter);
        let (_, loosened) = Limits::start(looser, Some(&config())).unwrap();
        assert_eq!((loosened.len(), loosened[0].name), (1, name));
        assert_eq!(Limits::start(tighter, Some(&config())).unwrap().1, []);
    }
}

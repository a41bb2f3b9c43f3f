use super::*;

#[track_caller]
fn stream(change: impl FnOnce(&mut PolicyConfig), expected: &Contradiction) {
    refused(PolicyConfig::stream(), change, expected);
}

#[track_caller]
fn tradier(change: impl FnOnce(&mut PolicyConfig), expected: &Contradiction) {
    refused(PolicyConfig::tradier(), change, expected);
}

#[track_caller]
fn refused(mut config: PolicyConfig, change: impl FnOnce(&mut PolicyConfig), expected: &Contradiction) {
    Policy::new(config.clone()).expect("as it comes, it is in order");
    change(&mut config);
    assert_eq!(&Policy::new(config).unwrap_err(), expected);
}

const ALWAYS: Duration = Duration::MAX;

#[test]
fn a_limit_of_nothing_is_refused() {
    let zero = |name| Contradiction::Never { name };
    stream(|config| config.share.max_age = Duration::ZERO, &zero("max_age"));
    stream(|config| config.option.max_quiet = Duration::ZERO, &zero("max_quiet"));
    stream(|config| config.option.max_side_quiet = Duration::ZERO, &zero("max_side_quiet"));
    stream(|config| config.source.max_silence = Duration::ZERO, &zero("max_silence"));
    stream(|config| config.source.max_offset = Duration::ZERO, &zero("max_offset"));
    stream(|config| config.source.max_ahead = Duration::ZERO, &zero("max_ahead"));
    stream(|config| config.source.stamps = Stamps::AsOf { max_late: Duration::ZERO }, &zero("max_late"));
    stream(|config| config.max_market_age = Duration::ZERO, &zero("max_market_age"));
    stream(|config| config.max_legs_apart = Duration::ZERO, &zero("max_legs_apart"));
    stream(|config| config.limit_band_bps = 0, &zero("limit_band_bps"));
    stream(|config| config.unquoted_exit = UnquotedExit::LimitAtWorst { band_bps: 0 }, &zero("unquoted_exit.band_bps"));
    stream(|config| config.share.tick = Decimal::ZERO, &zero("tick"));
    stream(|config| config.share.max_price = Decimal::ZERO, &zero("max_price"));
    stream(
        |config| (config.share.max_spread_bps, config.share.max_spread_ticks) = (0, 0),
        &zero("max_spread_bps and max_spread_ticks"),
    );
    let collar = Collar { max_bps: 100, memory: Duration::from_secs(1) };
    stream(|config| config.share.collar = Some(Collar { max_bps: 0, ..collar }), &zero("collar.max_bps"));
    stream(|config| config.share.collar = Some(Collar { memory: Duration::ZERO, ..collar }), &zero("collar.memory"));
    tradier(
        |config| config.source.stamps = Stamps::LastChange { max_feed_quiet: Duration::ZERO },
        &zero("max_feed_quiet"),
    );
}

#[test]
fn a_limit_that_limits_nothing_is_refused() {
    let endless = |name| Contradiction::NoLimit { name };
    stream(|config| config.share.max_age = ALWAYS, &endless("max_age"));
    stream(|config| config.share.max_age = LONGEST + Duration::from_nanos(1), &endless("max_age"));
    stream(|config| config.source.max_silence = ALWAYS, &endless("max_silence"));
    stream(|config| config.source.stamps = Stamps::AsOf { max_late: ALWAYS }, &endless("max_late"));
    stream(|config| config.share.max_spread_bps = 20_000, &endless("max_spread_bps"));
    stream(|config| config.limit_band_bps = 10_000, &endless("limit_band_bps"));
    stream(|config| config.share.max_price = Decimal::from(HIGHEST + 1), &endless("max_price"));
    stream(|config| config.share.max_price = Decimal::MAX, &endless("max_price"));
    let collar = Collar { max_bps: 10_000, memory: Duration::from_secs(1) };
    stream(|config| config.share.collar = Some(collar), &endless("collar.max_bps"));
}

#[test]
fn limits_that_undo_each_other_are_refused() {
    let apart = |small, large| Contradiction::Apart { small, large };
    let second = Duration::from_secs(1);
    stream(|config| config.share.max_age = second / 2, &apart("max_late", "max_age"));
    stream(|config| config.source.stamp_grain = second, &apart("stamp_grain", "max_ahead"));
    stream(
        |config| (config.source.stamp_grain, config.source.max_ahead) = (second * 2, second * 2),
        &apart("stamp_grain", "max_late"),
    );
    tradier(|config| config.option.max_side_quiet = second * 89, &apart("max_quiet", "max_side_quiet"));
    tradier(
        |config| {
            (config.source.stamp_grain, config.source.max_ahead) = (second * 5, second * 5);
            config.share.max_quiet = second * 4;
        },
        &apart("stamp_grain", "max_quiet"),
    );
    stream(|config| config.share.tick = Decimal::from(10_000_001), &apart("tick", "max_price"));
    tradier(|config| config.option.frozen_after = Some(NonZeroU32::MIN), &Contradiction::FrozenByDesign);
}

#[test]
fn numbers_that_are_none_are_refused() {
    stream(|config| config.share.tick = Decimal::NEGATIVE_ONE, &Contradiction::Negative { name: "tick" });
    stream(|config| config.share.min_size = Decimal::NEGATIVE_ONE, &Contradiction::Negative { name: "min_size" });
    stream(|config| config.share.tick = Decimal::new(1, 13), &Contradiction::TooFine { name: "tick" });
}

#[test]
fn an_exception_is_checked_and_named() {
    let symbol: Symbol = "IBM".parse().unwrap();
    let limits = Limits { max_age: Duration::ZERO, ..Limits::share() };
    let contradiction = Box::new(Contradiction::Never { name: "max_age" });
    let expected = Contradiction::Of { symbol: symbol.clone(), contradiction };
    stream(|config| config.exceptions = BTreeMap::from([(symbol, limits)]), &expected);
}

#[test]
fn options_shares_and_exceptions_have_limits_of_their_own() {
    let mut config = PolicyConfig::stream();
    let age = |seconds| Duration::from_secs(seconds);
    let exact = Limits { max_age: age(5), ..Limits::share() };
    config.exceptions.insert("SPY".parse().unwrap(), exact);
    let policy = Policy::new(config).unwrap();
    for (symbol, expected) in [("IBM", 15), ("SPXW300102P05900000", 30), ("SPY", 5)] {
        assert_eq!(policy.rules(&symbol.parse().unwrap()).limits.max_age, age(expected), "{symbol}");
    }
}

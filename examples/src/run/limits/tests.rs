use clap::Parser;

use super::*;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    run: RunArgs,
}

fn settings(options: &[&str]) -> Result<LimitSettings, Failure> {
    let line = Line::parse_from(std::iter::once("run").chain(options.iter().copied()));
    let symbol = line.run.symbol.as_deref().unwrap_or("SPY").parse().unwrap();
    LimitSettings::of(&line.run, &symbol)
}

/// The records after a run with these limits.
fn after(config: Config) -> State {
    State { limits: Some(Limits::start(config, None).unwrap().0), ..State::default() }
}

#[test]
fn what_is_not_said_stays_as_it_is_on_record_and_is_usual_where_nothing_is() {
    assert_eq!(settings(&[]).unwrap().after(&State::default()), usual());
    let tight = Config { loss: Decimal::TEN, positions: 2, positions_per_underlying: 1, ..usual() };
    assert_eq!(settings(&[]).unwrap().after(&after(tight.clone())), tight);
    let said = settings(&["--max-loss", "20.50", "--max-exposure", "5000"]).unwrap().after(&after(tight.clone()));
    let five_thousand = Decimal::from(5_000);
    let loss = Decimal::new(2_050, 2);
    assert_eq!(said, Config { loss, gross_notional: five_thousand, order_notional: five_thousand, ..tight });
}

#[test]
fn a_limit_that_cannot_be_meant_is_found_before_anything_is_touched() {
    for (options, hint) in [
        (vec!["--max-loss", "0"], "`loss`"),
        (vec!["--max-positions", "0"], "`positions`"),
        (vec!["--max-order-value", "600000"], "`order_notional`"),
        (vec!["--limits", "nowhere.json"], "nowhere.json"),
    ] {
        let error = settings(&options).unwrap_err().to_string();
        assert!(error.contains(hint), "{options:?}: {error}");
    }
}

// proves: LIMIT-1
#[test]
fn real_money_takes_every_limit_by_hand() {
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/limits/limits.example.json");
    let live = ["--broker", "tradier", "--live", "--entries-per-day", "3"];
    let money = ["--max-loss", "--max-positions", "--max-quantity", "--max-order-value", "--max-exposure"];
    let by_option: Vec<&str> = live.into_iter().chain(money.into_iter().flat_map(|option| [option, "1000"])).collect();
    let error = settings(&by_option).unwrap_err().to_string();
    assert!(error.contains("--limits FILE"), "the collar, the rates, the list of symbols are defaults: {error}");
    let error = settings(&["--broker", "tradier", "--live", "--limits", example]).unwrap_err().to_string();
    assert!(error.contains("--entries-per-day"), "{error}");
    settings(&live.into_iter().chain(["--limits", example]).collect::<Vec<_>>()).unwrap();
}

#[test]
fn only_somebodys_word_loosens_and_naming_a_symbol_is_the_word_for_it_alone() {
    let state = after(Config { loss: Decimal::TEN, ..usual() });
    assert_eq!(settings(&["--max-loss", "20"]).unwrap().loosening(&state), None);
    assert_eq!(settings(&["--max-loss", "20", "--symbol", "XYZ"]).unwrap().loosening(&state), None);
    let named = settings(&["--symbol", "XYZ"]).unwrap();
    assert!(named.after(&state).underlyings.contains(&"XYZ".parse().unwrap()));
    assert!(named.loosening(&state).unwrap().reason.contains("XYZ"));
    let word = ["--max-loss", "20", "--loosen-limits", "--by", "ann", "--reason", "more cash"];
    let loosening = settings(&word).unwrap().loosening(&state).unwrap();
    assert_eq!((loosening.by.as_str(), loosening.reason.as_str()), ("ann", "more cash"));
}

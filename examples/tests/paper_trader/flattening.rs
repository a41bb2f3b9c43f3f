//! `flatten`: out of everything, whatever the bot left behind and whatever the broker does.

use super::*;
use crate::quotes::recording;
use backstop_tests::{effort, seed};

const SYMBOL: &str = "TSTA";

/// A simulator on which one share trades, with an ask that stands still.
pub(crate) fn market(sim_dir: &Path, faults: &str, seed: u64) -> Simulator {
    let quotes = recording(sim_dir, 0);
    let seed = seed.to_string();
    Simulator::with(sim_dir, faults, &["--seed", &seed, "--quotes", quotes.to_str().unwrap()])
}

/// A bot that has entered `filled` times or more and was then killed, with whatever it had in the air.
pub(crate) fn killed_bot(simulator: &Simulator, dir: &Path, filled: usize) {
    let mut bot = paper_trader(dir);
    simulator.reach(session(&mut bot, "6", "10m")).args(["--broker", "tradier", "--symbol", SYMBOL]);
    let mut running = Running::start(bot.args(["--strategy", "equity"]));
    for _ in 0..filled {
        running.await_line("filled");
    }
}

pub(crate) fn flatten(simulator: &Simulator, dir: &Path, args: &[&str]) -> Output {
    let mut command = paper_trader(dir);
    simulator.reach(&mut command).args(["flatten", "--poll", "100ms", "--settle", "2s", "--fill-timeout", "2s"]);
    command.args(["--by", "ann", "--reason", "a drill"]).args(args).output().unwrap()
}

/// The last line of its output, which is the report.
fn report(output: &Output) -> Value {
    let lines = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    lines.last().filter(|line| line["type"] == "flattened").unwrap_or_else(|| panic!("{}", text(output))).clone()
}

fn held(simulator: &Simulator) -> BTreeMap<String, Decimal> {
    let ledger = simulator.ledger();
    let rows = ledger["positions"].as_object().unwrap().iter();
    rows.map(|(symbol, quantity)| (symbol.clone(), quantity.as_str().unwrap().parse().unwrap())).collect()
}

/// What the report says is held, by symbol.
fn listed(report: &Value) -> BTreeMap<String, Decimal> {
    let mut net: BTreeMap<String, Decimal> = BTreeMap::new();
    let rows = report["left"].as_array().unwrap().iter().filter(|row| row["kind"] == "position");
    for leg in rows.flat_map(|row| row["legs"].as_array().unwrap()) {
        *net.entry(leg["symbol"].as_str().unwrap().to_owned()).or_default() +=
            leg["quantity"].to_string().parse::<Decimal>().unwrap();
    }
    net.retain(|_, quantity| !quantity.is_zero());
    net
}

/// Which positions, and what each holds.
fn ids(positions: &Value) -> Vec<Value> {
    positions.as_array().unwrap().iter().map(|row| serde_json::json!([row["id"], row["legs"]])).collect()
}

fn closing_orders(simulator: &Simulator) -> usize {
    let ledger = simulator.ledger();
    let tags = ledger["orders"].as_array().unwrap().iter().filter_map(|order| order["tag"].as_str());
    tags.filter(|tag| tag.contains("-close")).count()
}

#[test]
fn after_a_kill_under_hostile_faults_the_broker_is_flat_or_the_list_names_what_it_holds() {
    for seed in seed()..seed() + effort(3, 40) {
        let (sim_dir, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let simulator = market(sim_dir.path(), "hostile", seed);
        let filled = usize::try_from(seed % 3 + 1).unwrap();
        killed_bot(&simulator, dir.path(), filled);
        let output = flatten(&simulator, dir.path(), &["--within", "40s", "--json"]);
        let (report, book) = (report(&output), status(dir.path()));
        let all = format!("seed {seed}\n{}\n{book}\n{}", text(&output), simulator.ledger());
        assert_eq!(book["halted"]["reason"], "flatten: a drill", "{all}");
        match code(&output) {
            0 => {
                assert_eq!((&report["flat"], held(&simulator)), (&Value::Bool(true), BTreeMap::new()), "{all}");
                for empty in ["positions", "operations"] {
                    assert!(book[empty].as_array().unwrap().is_empty(), "{all}");
                }
                assert!(!report["closed"].as_array().unwrap().is_empty(), "{all}");
                let again = flatten(&simulator, dir.path(), &[]);
                assert_eq!(code(&again), 0, "seed {seed}: {}", text(&again));
                assert!(text(&again).contains("nothing is open"), "{}", text(&again));
                assert!(!text(&again).contains("leave "), "{}", text(&again));
                assert_eq!(status(dir.path())["halted"]["pulls"], 1, "one word is enough: {}", text(&again));
            }
            4 => {
                let left = report["left"].as_array().unwrap();
                assert!(left.iter().all(|row| row["settle"].as_str().unwrap().contains("paper-trader")), "{all}");
                // What an order that is not at rest may still change is not known to anybody.
                if left.iter().all(|row| row["kind"] != "order") {
                    assert_eq!(listed(&report), held(&simulator), "{all}");
                }
            }
            other => panic!("{other}: {all}"),
        }
        compare(&status(dir.path()), &simulator.ledger());
    }
}

#[test]
fn beside_a_running_bot_it_touches_nothing_and_says_how_to_stop_it() {
    let (sim_dir, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let simulator = market(sim_dir.path(), "none", 1);
    let mut bot = paper_trader(dir.path());
    simulator.reach(session(&mut bot, "1", "10m")).args(["--broker", "tradier", "--symbol", SYMBOL]);
    let mut running = Running::start(bot.args(["--strategy", "equity"]));
    running.await_line("filled");
    let output = flatten(&simulator, dir.path(), &[]);
    assert_eq!(code(&output), 3, "{}", text(&output));
    let pid = running.0.id();
    for told in [format!("pid {pid}"), format!("kill {pid}"), "paper-trader halt".to_owned()] {
        assert!(text(&output).contains(&told), "{told}: {}", text(&output));
    }
    assert!(status(dir.path())["halted"].is_null());
    assert_eq!((closing_orders(&simulator), held(&simulator).len()), (0, 1));
}

#[test]
fn frozen_it_says_what_to_resume_and_halted_it_closes_all_the_same() {
    let (sim_dir, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let simulator = market(sim_dir.path(), "none", 1);
    killed_bot(&simulator, dir.path(), 1);
    let mut command = paper_trader(dir.path());
    let frozen =
        simulator.reach(&mut command).args(["freeze", "--by", "bob", "--reason", "the news"]).output().unwrap();
    assert_eq!(code(&frozen), 0, "{}", text(&frozen));
    let before = status(dir.path())["positions"].clone();
    let output = flatten(&simulator, dir.path(), &["--json"]);
    let (left, said) = (report(&output)["left"].clone(), text(&output));
    assert_eq!(code(&output), 4, "{said}");
    assert!(left[0]["why"].as_str().unwrap().contains("bob: the news"), "{left}");
    assert!(left[0]["settle"].as_str().unwrap().contains("resume --by NAME --reason TEXT"), "{left}");
    assert_eq!((listed(&report(&output)), closing_orders(&simulator)), (held(&simulator), 0), "{said}");
    assert_eq!(ids(&status(dir.path())["positions"]), ids(&before));

    let resumed = paper_trader(dir.path()).args(["resume", "--by", "bob", "--reason", "leaving"]).output().unwrap();
    assert_eq!(code(&resumed), 0, "{}", text(&resumed));
    let mut command = paper_trader(dir.path());
    assert_eq!(code(&simulator.reach(&mut command).arg("halt").output().unwrap()), 0);
    let output = flatten(&simulator, dir.path(), &[]);
    assert_eq!((code(&output), held(&simulator)), (0, BTreeMap::new()), "{}", text(&output));
    // What was closed is not opened anew by whoever starts the bot.
    let mut bot = paper_trader(dir.path());
    simulator.reach(quick(&mut bot)).args(["--broker", "tradier", "--symbol", SYMBOL, "--strategy", "equity"]);
    let entered = opening_tags(&simulator.ledger()).len();
    let output = bot.output().unwrap();
    assert_eq!(opening_tags(&simulator.ledger()).len(), entered, "{}", text(&output));
}

#[test]
fn with_the_broker_gone_the_book_stays_and_is_listed_and_later_it_is_closed() {
    let (sim_dir, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let simulator = market(sim_dir.path(), "none", 1);
    killed_bot(&simulator, dir.path(), 2);
    let (truth, mut command) = (held(&simulator), paper_trader(dir.path()));
    simulator.reach(&mut command).args([
        "flatten",
        "--within",
        "3s",
        "--settle",
        "1s",
        "--fill-timeout",
        "1s",
        "--json",
    ]);
    let before = status(dir.path())["positions"].clone();
    drop(simulator);
    let output = command.output().unwrap();
    let report = report(&output);
    assert_eq!(code(&output), 4, "{}", text(&output));
    assert!(report["left"].as_array().unwrap().iter().any(|row| row["kind"] == "broker"), "{report}");
    assert_eq!(listed(&report), truth, "{report}");
    assert_eq!(ids(&status(dir.path())["positions"]), ids(&before));

    let simulator = market(sim_dir.path(), "none", 1);
    let output = flatten(&simulator, dir.path(), &[]);
    assert_eq!((code(&output), held(&simulator)), (0, BTreeMap::new()), "{}", text(&output));
}

// proves: EXIT-1
#[test]
fn what_was_closed_by_hand_is_not_closed_again_and_the_command_that_settles_it_is_named() {
    let (sim_dir, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let simulator = market(sim_dir.path(), "none", 1);
    killed_bot(&simulator, dir.path(), 1);
    let position = status(dir.path())["positions"][0].clone();
    let quantity = position["legs"][0]["quantity"].to_string();
    await_list(&simulator, true);
    place_by_hand(&simulator, "sell", &quantity);
    await_list(&simulator, false);
    let output = flatten(&simulator, dir.path(), &["--within", "8s", "--json"]);
    assert_eq!(held(&simulator), BTreeMap::new(), "sold twice: {}", text(&output));
    assert_eq!((code(&output), closing_orders(&simulator)), (4, 0), "{}", text(&output));
    let left = report(&output)["left"].clone();
    let row = left.as_array().unwrap().iter().find(|row| row["kind"] == "position").unwrap();
    assert_eq!(row["id"], position["id"], "{left}");
    let settle = row["settle"].as_str().unwrap();
    assert!(settle.contains(&format!("resolve {} --closed", position["id"].as_str().unwrap())), "{left}");
    // The command that it names is enough.
    let mut words = settle.split_whitespace().skip(1).map(|word| match word {
        "NAME" => "ann",
        "TEXT" => "sold by hand",
        word => word,
    });
    let mut resolve = paper_trader(dir.path());
    let settled = simulator.reach(&mut resolve).args(&mut words).args(["--settle", "1s"]).output().unwrap();
    assert_eq!(code(&settled), 0, "{}", text(&settled));
    let output = flatten(&simulator, dir.path(), &[]);
    assert!(code(&output) == 0 && text(&output).contains("nothing is open"), "{}", text(&output));
}

#[test]
fn an_empty_book_is_not_called_flat_while_the_broker_holds_or_works_what_may_be_ours() {
    let (sim_dir, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let simulator = market(sim_dir.path(), "none", 1);
    killed_bot(&simulator, dir.path(), 1);
    let first = status(dir.path())["positions"][0]["client_order_id"].as_str().unwrap().to_owned();
    let output = flatten(&simulator, dir.path(), &[]);
    assert_eq!((code(&output), held(&simulator)), (0, BTreeMap::new()), "{}", text(&output));
    let left = |kind: &str| {
        let output = flatten(&simulator, dir.path(), &["--within", "3s", "--json"]);
        assert_eq!(code(&output), 4, "{}", text(&output));
        let left = report(&output)["left"].clone();
        let row = left.as_array().unwrap().iter().find(|row| row["kind"] == kind).cloned();
        row.unwrap_or_else(|| panic!("{left}"))
    };
    // An order under a name of this bot that its records do not have, and that works: nothing here may cancel it.
    let name = first.replace("-1-open-", "-9-open-");
    let order = place(&simulator, &format!("side=buy&quantity=1&type=limit&price=1.00&tag={name}"));
    let row = left("order");
    assert_eq!(row["id"], name, "{row}");
    assert!(row["settle"].as_str().unwrap().contains(&format!("cancel order {order} at the broker")), "{row}");
    let answer = ask(&simulator, "DELETE", &format!("orders/{order}"), "");
    assert!(answer.contains("\"ok\""), "{answer}");
    // A share that no order of the bot has bought, of a symbol that it traded today.
    place_by_hand(&simulator, "buy", "5");
    await_list(&simulator, true);
    let row = left("symbol");
    assert_eq!(row["id"], SYMBOL, "{row}");
    assert!(row["why"].as_str().unwrap().contains("the book has 0, the broker 5"), "{row}");
    assert_eq!(held(&simulator), BTreeMap::from([(SYMBOL.to_owned(), Decimal::from(5))]), "and it is left alone");
}

/// Somebody else on the account, past the bot.
fn place_by_hand(simulator: &Simulator, side: &str, quantity: &str) {
    let _order = place(simulator, &format!("side={side}&quantity={quantity}&type=market"));
}

/// The broker's own list lags behind every trade; whoever trades by hand has seen it there.
#[track_caller]
fn await_list(simulator: &Simulator, is_held: bool) {
    let is_shown = (0..200).any(|_| {
        std::thread::park_timeout(Duration::from_millis(50));
        ask(simulator, "GET", "positions", "").contains(SYMBOL) == is_held
    });
    assert!(is_shown, "{}", simulator.ledger());
}

/// Places an order, and returns its number.
fn place(simulator: &Simulator, order: &str) -> String {
    let form = format!("class=equity&symbol={SYMBOL}&duration=day&{order}");
    let answer = ask(simulator, "POST", "orders", &form);
    assert!(answer.contains("\"ok\""), "{answer}");
    let (_, number) = answer.split_once("\"id\":").unwrap();
    number.trim_start().chars().take_while(char::is_ascii_digit).collect()
}

fn ask(simulator: &Simulator, method: &str, of_account: &str, form: &str) -> String {
    use std::io::Write;
    let (account, token) = (&simulator.account, &simulator.token);
    let mut stream = std::net::TcpStream::connect(simulator.address()).unwrap();
    let head = format!(
        "{method} /v1/accounts/{account}/{of_account} HTTP/1.1\r\nHost: sim\r\nAuthorization: Bearer {token}\r\n\
         Accept: application/json\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{form}",
        form.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_signal_ends_it_with_a_list_and_a_second_one_at_once() {
    let (sim_dir, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let simulator = market(sim_dir.path(), "none", 1);
    killed_bot(&simulator, dir.path(), 1);
    drop(simulator);
    // From here on every request is lost: an exit stays unknown for as long as anybody looks.
    let faults = sim_dir.path().join("faults.json");
    fs::write(&faults, r#"{"request_lost": 1000}"#).unwrap();
    let simulator = market(sim_dir.path(), faults.to_str().unwrap(), 1);
    for signals in [1, 2] {
        let mut command = paper_trader(dir.path());
        simulator.reach(&mut command).args(["flatten", "--settle", "1s", "--fill-timeout", "1s", "--within", "5m"]);
        let mut running = Running::start(&mut command);
        running.await_line(if signals == 1 { "UNKNOWN" } else { "flatten:" });
        running.signal("INT");
        running.await_line("asked to stop");
        if signals == 2 {
            running.signal("INT");
        }
        let (code, text) = running.finish();
        assert!(code == if signals == 2 { 130 } else { 4 } || (signals == 2 && code == 4), "{signals}: {code} {text}");
        if code == 4 {
            assert!(text.contains("NOT FLAT") && text.contains("is not at rest"), "{text}");
            assert!(text.contains("--not-placed --by NAME --reason TEXT"), "{text}");
        }
    }
    assert_eq!(held(&simulator).len(), 1, "what is not verified is still there");
}

#[test]
fn a_directory_without_a_bot_is_no_flat_account_and_a_damaged_one_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let run = |dir: &Path| paper_trader(dir).arg("flatten").output().unwrap();
    for (path, hint) in [(dir.path().join("tpyo"), "tpyo"), (dir.path().to_owned(), "no bot has run")] {
        let output = run(&path);
        assert!(code(&output) == 2 && text(&output).contains(hint), "{}", text(&output));
    }
    assert_eq!(files_below(dir.path()), Vec::<PathBuf>::new(), "nothing was made");

    let (sim_dir, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let simulator = market(sim_dir.path(), "none", 1);
    killed_bot(&simulator, dir.path(), 1);
    let without_environment = run(dir.path());
    assert!(code(&without_environment) == 2, "{}", text(&without_environment));
    assert!(text(&without_environment).contains("TRADIER_ACCESS_TOKEN"), "{}", text(&without_environment));
    let other = flatten(&simulator, dir.path(), &["--broker", "sim"]);
    assert!(code(&other) == 2 && text(&other).contains("--broker sim"), "{}", text(&other));
    let live = flatten(&simulator, dir.path(), &["--live"]);
    assert!(code(&live) == 2 && text(&live).contains("--live"), "{}", text(&live));
    assert!(status(dir.path())["halted"].is_null(), "a wrong command line halts nobody");

    let journal = fs::read_dir(dir.path().join("journal")).unwrap().map(|entry| entry.unwrap().path());
    let segment = journal.filter(|path| path.extension().is_some_and(|kind| kind == "wal")).min().unwrap();
    let damaged: Vec<u8> = fs::read(&segment).unwrap().iter().map(|byte| byte ^ 1).collect();
    fs::write(&segment, &damaged).unwrap();
    let output = flatten(&simulator, dir.path(), &[]);
    assert_eq!(code(&output), 5, "{}", text(&output));
    assert_eq!((fs::read(&segment).unwrap(), held(&simulator).len()), (damaged, 1));
}

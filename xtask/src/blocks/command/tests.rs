use super::*;

#[track_caller]
fn check(known: &mut Commands, line: &str, complaint: Option<&str>) {
    let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
    let said = known.complaint(&words);
    match complaint {
        None => assert_eq!(said, None, "{line}"),
        Some(words) => assert!(said.as_deref().is_some_and(|said| said.contains(words)), "{line}: {said:?}"),
    }
}

#[test]
fn commands_that_can_be_typed_pass() {
    let mut known = Commands::read(&xtask::files::root()).unwrap();
    for line in [
        "cargo run --release -p paper-trader -- run --whatever",
        "cargo test -p backstop-broker absence",
        "cargo test -p backstop-broker list::tests",
        "cargo build --bin torture -F backstop-sim/http",
        "cargo +nightly build -p xtask",
        "cargo xtask invariants --write",
        "cargo install cargo-anything --locked",
        "target/debug/torture --kills 500",
        "paper-trader status",
        "ls -l",
    ] {
        check(&mut known, line, None);
    }
}

#[test]
fn commands_that_cannot_be_typed_are_complained_of() {
    let mut known = Commands::read(&xtask::files::root()).unwrap();
    check(&mut known, "cargo", Some("without a command"));
    check(&mut known, "cargo tset -p xtask", Some("no `cargo tset`"));
    check(&mut known, "cargo test --pakage xtask", Some("`cargo test` has no option --pakage"));
    check(&mut known, "cargo run -p paper-trade", Some("no package paper-trade"));
    check(&mut known, "cargo run -p backstop-clock", Some("backstop-clock has nothing to run"));
    check(&mut known, "cargo build -p xtask --bin torture", Some("no bin torture in xtask"));
    check(&mut known, "cargo test -p backstop-broker --test desk", Some("no test desk in backstop-broker"));
    check(&mut known, "cargo bench --bench nothing", Some("no bench nothing in the workspace"));
    check(&mut known, "cargo run -p xtask --example nothing", Some("no example nothing in xtask"));
    check(&mut known, "cargo build -p backstop-sim --features http2", Some("backstop-sim has no feature http2"));
    check(&mut known, "cargo test -p backstop-broker list::test_of_nothing", Some("\"test_of_nothing\""));
    check(&mut known, "cargo xtask cli", Some("no `cargo xtask cli`"));
    check(&mut known, "cargo xtask links --write", Some("`cargo xtask links` does not take"));
    check(&mut known, "target/debug/tortures --kills 500", Some("no program"));
    check(&mut known, "papertrader status", Some("no program"));
    check(&mut known, "$ ls", Some("a prompt"));
}

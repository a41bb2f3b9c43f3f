//! The kill switch, from another process.

use super::*;

fn command(dir: &Path, args: &[&str]) -> Output {
    paper_trader(dir).args(args).output().unwrap()
}

fn resume(dir: &Path) {
    let output = command(dir, &["resume", "--by", "bob", "--reason", "looked into it"]);
    assert_eq!(code(&output), 0, "{}", text(&output));
}

// proves: HALT-1, HALT-2
#[test]
fn a_halt_from_another_process_stops_entries_lets_exits_pass_and_outlives_the_bot() {
    let dir = tempfile::tempdir().unwrap();
    let mut bot = paper_trader(dir.path());
    let mut running = Running::start(session(&mut bot, "5", "1500ms").args(["--faults", "none"]));
    running.await_line("filled");
    let output = command(dir.path(), &["halt", "--by", "ann", "--reason", "the news"]);
    assert_eq!(code(&output), 0, "{}", text(&output));
    let entered = || {
        let log = command(dir.path(), &["log", "--json"]);
        String::from_utf8(log.stdout)
            .unwrap()
            .lines()
            .filter(|line| line.contains("-open-") && line.contains("\"intent\""))
            .count()
    };
    let before = entered();
    let (ended, told) = running.finish();
    assert_eq!(ended, 0, "{told}");
    assert!(told.contains("HALTED") && told.contains("the news") && told.contains("open positions  0"), "{told}");
    assert_eq!(entered(), before, "{told}");
    let halted = status(dir.path())["halted"].clone();
    assert_eq!((halted["by"].as_str(), halted["level"].as_str()), (Some("ann"), Some("halt")), "{halted}");
    assert!(!String::from_utf8_lossy(&command(dir.path(), &["log"]).stdout).contains("in good order"));

    let output = session(&mut paper_trader(dir.path()), "1", "500ms").args(["--faults", "none"]).output().unwrap();
    assert_eq!(code(&output), 0, "{}", text(&output));
    assert_eq!(entered(), before, "{}", text(&output));
    resume(dir.path());
    let output = session(&mut paper_trader(dir.path()), "6", "500ms").args(["--faults", "none"]).output().unwrap();
    assert_eq!(code(&output), 0, "{}", text(&output));
    assert!(entered() > before, "{}", text(&output));
    assert!(text(&command(dir.path(), &["log"])).contains("RESUMED     by bob: looked into it"));
    assert!(status(dir.path())["halted"].is_null());
}

// proves: HALT-2
#[test]
fn resuming_takes_a_name_and_a_reason_and_a_halt_takes_neither() {
    let dir = tempfile::tempdir().unwrap();
    for command in ["halt", "freeze"] {
        let output = paper_trader(dir.path()).arg(command).output().unwrap();
        assert_eq!(code(&output), 0, "{}", text(&output));
    }
    for args in [&["resume"][..], &["resume", "--by", "bob"], &["resume", "--by", " ", "--reason", "why"]] {
        let output = command(dir.path(), args);
        assert_eq!(code(&output), 2, "{}", text(&output));
    }
    resume(dir.path());
    let output = command(&dir.path().join("tpyo"), &["halt"]);
    assert_eq!(code(&output), 2, "{}", text(&output));
}

// proves: HALT-1
#[test]
fn a_halt_killed_at_any_moment_is_whole_or_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut pulled = 0;
    for moment in 0..20 {
        let mut halt = paper_trader(dir.path());
        let running = Running::start(halt.arg("halt"));
        // The last one lives.
        if moment == 19 {
            assert_eq!(running.finish().0, 0);
        } else {
            std::thread::park_timeout(Duration::from_micros(moment * 700));
            drop(running);
        }
        let told = command(dir.path(), &["resume", "--by", "bob", "--reason", "the next try", "--json"]);
        assert_eq!(code(&told), 0, "{}", text(&told));
        for pull in json(&told)["pulls"].as_array().unwrap() {
            assert_eq!(pull["reason"].as_str(), Some("no reason given"), "{pull}");
            pulled += 1;
        }
    }
    assert!(pulled > 0, "none lived long enough");
}

//! The state directory: damaged, gone, without its lock, or another one's.

use super::*;

#[test]
fn a_damaged_journal_is_refused_with_5_and_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let mut bot = paper_trader(dir.path());
    let mut killed = Running::start(session(&mut bot, "1", "10m").args(["--faults", "none"]));
    killed.await_line("accepted");
    // One that stops writes a checkpoint, and what is before it has not to be read any more.
    drop(killed);
    let needle = b"\"type\":\"opened\"";
    let segment = fs::read_dir(dir.path().join("journal")).unwrap().find_map(|entry| {
        let path = entry.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        let at = bytes.windows(needle.len()).position(|part| part == needle)?;
        Some((path, bytes, at))
    });
    let (path, mut damaged, at) = segment.unwrap();
    damaged[at + 8] ^= 1;
    fs::write(&path, &damaged).unwrap();
    for command in [["run", "--faults=none"], ["status", "--json"]] {
        let output = paper_trader(dir.path()).args(command).output().unwrap();
        assert_eq!(code(&output), 5, "{}", text(&output));
        assert!(text(&output).contains("is damaged at byte"), "{}", text(&output));
    }
    assert_eq!(fs::read(&path).unwrap(), damaged);
}

#[test]
fn a_simulated_account_that_cannot_be_written_is_no_damage() {
    let dir = tempfile::tempdir().unwrap();
    // In the way of the file that is written beside the account.
    fs::create_dir(dir.path().join("simulator.json.new")).unwrap();
    for command in [vec!["run", "--faults=none"], vec!["simulator", "--port=0"]] {
        let output = paper_trader(dir.path()).args(command).output().unwrap();
        assert_eq!(code(&output), 1, "{}", text(&output));
        assert!(text(&output).contains("rights and space"), "{}", text(&output));
    }
}

// proves: LOCK-6
#[test]
fn without_its_lock_it_sends_nothing_more_and_exits_4_naming_what_is_open() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = paper_trader(dir.path());
    let mut running = Running::start(session(&mut command, "3", "10m").args(["--faults", "none"]));
    running.await_line("filled");
    fs::remove_file(dir.path().join("lock")).unwrap();
    let (code, text) = running.finish();
    assert_eq!(code, 4, "{text}");
    assert!(text.contains("still open") && text.contains("lock of the state directory was replaced"), "{text}");
}

#[test]
fn a_journal_that_is_gone_ends_the_session_with_4_and_the_next_start_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = paper_trader(dir.path());
    let mut running = Running::start(session(&mut command, "3", "10m").args(["--faults", "none"]));
    running.await_line("filled");
    fs::remove_dir_all(dir.path().join("journal")).unwrap();
    let (code, text) = running.finish();
    assert_eq!(code, 4, "{text}");
    assert!(text.contains("still open") && text.contains("journal"), "{text}");
    let mut next = paper_trader(dir.path());
    Running::start(quick(&mut next).args(["--faults", "none"])).await_line("not in the records");
}

#[test]
fn a_directory_that_is_not_there_does_not_look_like_one_without_positions() {
    let dir = tempfile::tempdir().unwrap();
    for what in ["status", "positions", "log"] {
        let output = paper_trader(&dir.path().join("tpyo")).arg(what).output().unwrap();
        assert_eq!(code(&output), 2, "{}", text(&output));
        assert!(text(&output).contains("tpyo"), "{}", text(&output));
    }
}

#[test]
fn two_simulators_do_not_share_an_account() {
    let dir = tempfile::tempdir().unwrap();
    let _first = Simulator::start(dir.path(), "none");
    let output = paper_trader(dir.path()).args(["simulator", "--port", "0"]).output().unwrap();
    assert_eq!(code(&output), 3, "{}", text(&output));
}

//! Real programs in a real shell, so in real time.

use std::sync::Arc;
use std::time::Duration;

use backstop_clock::Timestamp;
use tokio::time::timeout;

use super::*;
use crate::alert::Urgency;

fn notice(text: &str) -> Notice {
    Notice {
        subject: "a subject".to_owned(),
        text: text.to_owned(),
        since: Timestamp::UNIX_EPOCH,
        times: 1,
        lasts: true,
        urgency: Urgency::High,
        remedy: String::new(),
    }
}

#[tokio::test]
async fn a_command_gets_the_alert_on_its_input_and_in_its_environment() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("out");
    let command = format!("{{ cat; echo \"$ALERT_URGENCY $ALERT_SUBJECT\"; }} > '{}'", file.display());
    CommandSink::new(command).deliver(&notice("one\ntwo $(touch never) `x` '\0'")).await.unwrap();
    let written = std::fs::read_to_string(file).unwrap();
    assert_eq!(written.lines().count(), 2, "{written}");
    assert!(written.starts_with("[HIGH] a subject: one two $(touch never)"), "{written}");
    assert!(written.ends_with("HIGH a subject\n"), "{written}");
}

#[tokio::test]
async fn a_command_that_fails_has_not_taken_it() {
    let error = CommandSink::new("exit 3").deliver(&notice("text")).await.unwrap_err();
    assert!(error.to_string().contains('3'), "{error}");
}

#[tokio::test]
async fn a_command_that_reads_nothing_takes_a_long_alert_too() {
    CommandSink::new("sleep 0.1").deliver(&notice(&"ä".repeat(100_000))).await.unwrap();
}

// proves: ALERT-1
#[tokio::test]
async fn a_command_that_does_not_end_is_killed_with_all_it_started() {
    let folder = tempfile::tempdir().unwrap();
    let pids = folder.path().join("pids");
    let sink =
        Arc::new(CommandSink::new(format!("sleep 60 & echo $! > '{0}'; echo $$ >> '{0}'; wait", pids.display())));
    let alive = |pid: &str| std::path::Path::new(&format!("/proc/{pid}/stat")).exists();
    let given_up = timeout(Duration::from_secs(2), sink.deliver(&notice("text"))).await;
    assert!(given_up.is_err());
    let pids = std::fs::read_to_string(pids).unwrap();
    let pids: Vec<&str> = pids.lines().collect();
    assert_eq!(pids.len(), 2);
    // The shell has been waited for; what it started is for the system to bury.
    assert!(!alive(pids[1]));
    let child = || std::fs::read_to_string(format!("/proc/{}/stat", pids[0])).unwrap_or_default();
    let dead = || Some(child()).filter(|child| child.is_empty() || child.contains(") Z "));
    // A busy machine may take its time to carry the signal out.
    for _ in 0..200 {
        if dead().is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(dead().is_some(), "{}", child());
}

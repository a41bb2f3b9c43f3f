//! Who is told, and what becomes of an alert that nobody took.

use super::*;

// proves: ALERT-1
#[test]
fn an_alert_that_no_web_hook_took_is_kept_until_a_command_takes_it() {
    let dir = tempfile::tempdir().unwrap();
    let halted = paper_trader(dir.path()).args(["halt", "--by", "ann", "--reason", "the news"]).output().unwrap();
    assert_eq!(code(&halted), 0, "{}", text(&halted));
    let mut bot = paper_trader(dir.path());
    let bot = session(&mut bot, "1", "500ms").args(["--faults", "none", "--alert-webhook-env", "HOOK"]);
    // Nobody listens there.
    let output = bot.env("HOOK", "http://127.0.0.1:9/T0PS3CRET").env("BACKSTOP_LOG", "trace").output().unwrap();
    assert_eq!(code(&output), 0, "{}", text(&output));
    let told = text(&output);
    assert!(told.contains("0 delivered, 1 undelivered") && told.contains("cannot be reached"), "{told}");
    assert!(!told.contains("T0PS3CRET"));
    for file in files_below(dir.path()) {
        assert!(!String::from_utf8_lossy(&std::fs::read(&file).unwrap()).contains("T0PS3CRET"), "{}", file.display());
    }

    let heard = dir.path().join("heard");
    let command = format!("cat >> '{}'", heard.display());
    let mut bot = paper_trader(dir.path());
    let bot = session(&mut bot, "1", "500ms").args(["--faults", "none", "--alert-command", &command]);
    let output = bot.output().unwrap();
    assert_eq!(code(&output), 0, "{}", text(&output));
    assert!(text(&output).contains(" delivered, 0 undelivered"), "{}", text(&output));
    let heard = std::fs::read_to_string(heard).unwrap();
    assert!(heard.contains("halt: ") && heard.contains("the news") && heard.contains("paper-trader resume"), "{heard}");
}

#[test]
fn a_web_hook_without_a_url_is_refused_with_2_before_anything_is_touched() {
    let dir = tempfile::tempdir().unwrap();
    let below = dir.path().join("state");
    let output = paper_trader(&below).args(["run", "--alert-webhook-env", "BACKSTOP_NO_SUCH"]).output().unwrap();
    assert_eq!(code(&output), 2, "{}", text(&output));
    assert!(text(&output).contains("BACKSTOP_NO_SUCH") && !below.exists());
}

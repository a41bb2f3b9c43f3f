//! Which account it trades on, and that its token shows nowhere (DESK-5).

use super::*;

// proves: DESK-5
#[test]
fn without_credentials_it_exits_2_and_says_what_to_set() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("untouched");
    let output = paper_trader(&missing).args(["run", "--broker", "tradier"]).output().unwrap();
    assert_eq!(code(&output), 2, "{}", text(&output));
    for name in ["TRADIER_ACCESS_TOKEN", "TRADIER_ACCOUNT_ID"] {
        assert!(text(&output).contains(name), "{}", text(&output));
    }
    assert!(!missing.exists(), "a wrong command line leaves no trace");
}

// proves: DESK-5
#[test]
fn the_production_host_needs_the_switch_and_the_switch_needs_the_production_host() {
    let dir = tempfile::tempdir().unwrap();
    let run = |base: &str, more: &[&str]| {
        let mut command = paper_trader(dir.path());
        command
            .env("TRADIER_API_BASE", base)
            .env("TRADIER_ACCESS_TOKEN", TOKEN)
            .env("TRADIER_ACCOUNT_ID", "VA00000001");
        command.args(["run", "--broker", "tradier"]).args(more).output().unwrap()
    };
    for base in ["https://api.tradier.com/v1", "https://API.TRADIER.COM./v1", "https://api.tradier.com:443/v1"] {
        let output = run(base, &[]);
        assert_eq!(code(&output), 2, "{base}: {}", text(&output));
        assert!(text(&output).contains("--live"), "{}", text(&output));
    }
    let paper = run("https://sandbox.tradier.com/v1", &["--live", "--entries-per-day", "1"]);
    assert_eq!(code(&paper), 2, "{}", text(&paper));
    let unbounded = run("https://api.tradier.com/v1", &["--live"]);
    assert!(code(&unbounded) == 2 && text(&unbounded).contains("--entries-per-day"), "{}", text(&unbounded));
    let by_default = run("https://api.tradier.com/v1", &["--live", "--entries-per-day", "1", "--max-loss", "100"]);
    assert!(code(&by_default) == 2 && text(&by_default).contains("--limits FILE"), "{}", text(&by_default));
}

// proves: DESK-5
#[test]
fn the_token_is_nowhere_in_output_state_or_errors() {
    let dir = tempfile::tempdir().unwrap();
    // A server that echoes the request, header and all, in every answer.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}/v1", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            use std::io::Write;
            let Ok(mut stream) = stream else { return };
            let mut request = vec![0; 4096];
            let read = stream.read(&mut request).unwrap_or(0);
            let echo = String::from_utf8_lossy(&request[..read]).into_owned();
            let head = format!("HTTP/1.1 500 Oops\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", echo.len());
            let _sent = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(echo.as_bytes()));
        }
    });
    let mut command = paper_trader(dir.path());
    command.env("TRADIER_API_BASE", base).env("TRADIER_ACCESS_TOKEN", TOKEN).env("TRADIER_ACCOUNT_ID", "VA00000001");
    let output =
        command.env("BACKSTOP_LOG", "trace").args(["run", "--broker", "tradier", "--poll", "50ms"]).output().unwrap();
    assert_eq!(code(&output), 1, "{}", text(&output));
    assert!(text(&output).contains("500"), "the server was reached: {}", text(&output));
    assert!(!text(&output).contains(TOKEN), "{}", text(&output));
    let files = files_below(dir.path());
    assert!(files.len() >= 2, "{files:?}");
    for file in files {
        assert!(!String::from_utf8_lossy(&fs::read(&file).unwrap()).contains(TOKEN), "{}", file.display());
    }
}

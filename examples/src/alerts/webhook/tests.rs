//! Against a real server on loopback that answers, refuses, never answers, or is not there.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};

use backstop::Urgency;
use backstop::clock::Timestamp;
use tokio::time::timeout;

use super::*;

const SECRET: &str = "T0PS3CRET";

fn notice() -> Notice {
    Notice {
        subject: "bs-test-20300102-1-2-open-7".to_owned(),
        text: "unknown <!channel> @everyone".to_owned(),
        since: Timestamp::UNIX_EPOCH,
        times: 3,
        lasts: true,
        urgency: Urgency::Critical,
        remedy: "settle: it".to_owned(),
    }
}

/// What it got goes out by the channel. `None` answers never.
fn server(answer: Option<&'static str>) -> (SocketAddr, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (got, gets) = channel();
    std::thread::spawn(move || {
        let mut open = Vec::new();
        while let Ok((mut stream, _)) = listener.accept() {
            let Some(answer) = answer else {
                open.push(stream);
                continue;
            };
            let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
            while !bytes.ends_with(b"}") {
                match stream.read(&mut buffer) {
                    Ok(0) | Err(_) => break,
                    Ok(count) => bytes.extend_from_slice(&buffer[..count]),
                }
            }
            let _sent = stream.write_all(answer.as_bytes());
            let _received = got.send(String::from_utf8_lossy(&bytes).into_owned());
        }
    });
    (address, gets)
}

fn hook(address: SocketAddr) -> Webhook {
    Webhook::new(&format!("http://{address}/hooks/{SECRET}?key={SECRET}")).unwrap()
}

#[tokio::test]
async fn an_alert_is_one_post_with_all_its_parts() {
    let (address, gets) = server(Some("HTTP/1.1 204 No Content\r\n\r\n"));
    hook(address).deliver(&notice()).await.unwrap();
    let request = gets.recv().unwrap();
    assert!(request.starts_with(&format!("POST /hooks/{SECRET}?key={SECRET} HTTP/1.1")), "{request}");
    let body: Value = serde_json::from_str(request.split_once("\r\n\r\n").unwrap().1).unwrap();
    assert!(body["text"].as_str().unwrap().starts_with("[CRITICAL] bs-test-20300102-1-2-open-7: unknown"), "{body}");
    assert_eq!((&body["times"], &body["lasts"], &body["remedy"]), (&json!(3), &json!(true), &json!("settle: it")));
}

#[test]
fn rooms_are_not_called_together_by_what_a_broker_says() {
    for (url, shape) in [
        ("https://discord.com/api/webhooks/1/x", Shape::Discord),
        ("https://hooks.slack.com/services/x", Shape::Slack),
        ("https://notdiscord.com/x", Shape::Plain),
    ] {
        assert_eq!(Webhook::new(url).unwrap().shape, shape);
    }
    assert_eq!(Shape::Discord.body(&notice())["allowed_mentions"], json!({ "parse": [] }));
    assert!(!Shape::Slack.body(&notice()).to_string().contains('<'));
    let long = Notice { text: "ä".repeat(10_000), ..notice() };
    assert!(Shape::Discord.body(&long)["content"].as_str().unwrap().chars().count() < 2_000);
}

/// Everything that any crate logs, however fine.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

// proves: ALERT-1
#[tokio::test]
async fn a_server_that_refuses_is_slow_or_dead_has_taken_nothing_and_its_url_is_said_nowhere() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(move || writer.clone());
    let _logged = tracing::subscriber::set_default(subscriber.finish());
    let dead = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let moved = format!("HTTP/1.1 307 Moved\r\nlocation: http://{dead}/\r\ncontent-length: 0\r\n\r\n");
    let answers = [
        Some("HTTP/1.1 500 Error\r\ncontent-length: 0\r\n\r\n"),
        Some("HTTP/1.1 429 Slow down\r\ncontent-length: 0\r\n\r\n"),
        Some(&*moved.leak()),
        Some("no HTTP at all\r\n\r\n"),
        Some(""),
        None,
    ];
    let addresses = answers.map(|answer| server(answer).0).into_iter().chain([dead]);
    for (number, address) in addresses.enumerate() {
        let hook = hook(address);
        match timeout(Duration::from_millis(500), hook.deliver(&notice())).await {
            Ok(taken) => {
                let why = taken.unwrap_err().to_string();
                assert!(!why.contains(SECRET), "{number}: {why}");
            }
            Err(_) => assert_eq!(number, 5, "only the silent one takes its time"),
        }
        assert!(!format!("{hook:?}").contains(SECRET));
    }
    let logged = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(!logged.is_empty() && !logged.contains(SECRET), "{logged}");
}

#[test]
fn a_url_that_cannot_be_used_is_refused_without_repeating_it() {
    for url in ["", SECRET, &format!("http://example.com/{SECRET}"), &format!("ftp://localhost/{SECRET}")] {
        let why = Webhook::new(url).unwrap_err();
        assert!(!why.contains(SECRET), "{why}");
    }
    assert!(Webhook::from_env("BACKSTOP_NO_SUCH_VARIABLE").unwrap_err().contains("BACKSTOP_NO_SUCH_VARIABLE"));
}

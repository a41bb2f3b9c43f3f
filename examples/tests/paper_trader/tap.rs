//! A wire between bot and broker that holds the request of an entry until the test has decided what becomes of it, and can
//! keep quotes to itself.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use super::Simulator;

/// The wire. It holds the first entry that comes by and lets everything else pass.
pub(crate) struct Tap {
    base_url: String,
    held: Receiver<Held>,
    without_quotes: Arc<AtomicBool>,
}

/// An entry whose request has come whole, and that the broker has not seen.
pub(crate) struct Held {
    request: Vec<u8>,
    upstream: SocketAddr,
    answer: Sender<Vec<u8>>,
}

impl Tap {
    pub(crate) fn before(simulator: &Simulator) -> Self {
        let upstream = simulator.address().parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base_url = format!("http://{}/v1", listener.local_addr().unwrap());
        let (sender, held) = channel();
        let is_armed = Arc::new(AtomicBool::new(true));
        let without_quotes = Arc::new(AtomicBool::new(false));
        let mute = Arc::clone(&without_quotes);
        thread::spawn(move || {
            for client in listener.incoming() {
                let (Ok(client), sender) = (client, sender.clone()) else { return };
                let (is_armed, mute) = (Arc::clone(&is_armed), Arc::clone(&mute));
                // A connection ends with the bot, whatever was on it.
                thread::spawn(move || serve(client, upstream, &sender, &is_armed, &mute));
            }
        });
        Self { base_url, held, without_quotes }
    }

    /// From here on nobody answers who asks for quotes.
    pub(crate) fn keep_quotes(&self) {
        self.without_quotes.store(true, Ordering::SeqCst);
    }

    pub(crate) fn base_url(&self) -> &str {
        &self.base_url
    }

    /// Waits for the entry.
    pub(crate) fn hold(&self) -> Held {
        self.held.recv_timeout(Duration::from_mins(1)).unwrap()
    }
}

impl Held {
    /// Lets the broker have it, and returns its answer.
    pub(crate) fn land(&self) -> Vec<u8> {
        ask(self.upstream, &self.request).unwrap()
    }

    /// Lets the bot have an answer.
    pub(crate) fn answer(self, answer: Vec<u8>) {
        self.answer.send(answer).unwrap();
    }
}

fn serve(
    mut client: TcpStream,
    upstream: SocketAddr,
    held: &Sender<Held>,
    is_armed: &AtomicBool,
    mute: &AtomicBool,
) -> io::Result<()> {
    client.set_nodelay(true)?;
    loop {
        let request = message(&mut client)?;
        let text = String::from_utf8_lossy(&request);
        if text.starts_with("GET /v1/markets/quotes") && mute.load(Ordering::SeqCst) {
            continue;
        }
        let is_entry = text.starts_with("POST") && text.contains("tag=bs-") && text.contains("-open-");
        let answer = if is_entry && is_armed.swap(false, Ordering::SeqCst) {
            let (answer, decided) = channel();
            let gone = || io::Error::from(io::ErrorKind::BrokenPipe);
            held.send(Held { request, upstream, answer }).map_err(|_| gone())?;
            decided.recv().map_err(|_| gone())?
        } else {
            ask(upstream, &request)?
        };
        client.write_all(&answer)?;
    }
}

fn ask(upstream: SocketAddr, request: &[u8]) -> io::Result<Vec<u8>> {
    let mut connection = TcpStream::connect(upstream)?;
    connection.set_nodelay(true)?;
    connection.write_all(request)?;
    message(&mut connection)
}

/// The next message, whole: its body is measured by `Content-Length`.
fn message(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut part = [0; 4096];
    loop {
        let head = bytes.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4);
        let whole = head.map(|head| {
            let text = String::from_utf8_lossy(&bytes[..head]).to_ascii_lowercase();
            let length = text.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
            head + length.unwrap_or(0)
        });
        if whole.is_some_and(|whole| bytes.len() >= whole) {
            return Ok(bytes);
        }
        match stream.read(&mut part)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => bytes.extend_from_slice(&part[..count]),
        }
    }
}

//! As much of HTTP/1.1 as it takes to pass messages on, cut them short and forge them.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The length of the first whole message in `bytes`, head and body, if it is all there. Bodies are measured by
/// `Content-Length`; without one there is none.
pub(crate) fn whole(bytes: &[u8]) -> Option<usize> {
    let head = head_length(bytes)?;
    let text = String::from_utf8_lossy(bytes.get(..head)?).into_owned();
    let body = header(&text, "content-length").and_then(|value| value.parse().ok()).unwrap_or(0);
    let length = head.checked_add(body)?;
    (bytes.len() >= length).then_some(length)
}

fn head_length(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4)
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let line = |line: &'a str| line.split_once(':').filter(|(key, _)| key.trim().eq_ignore_ascii_case(name));
    head.lines().find_map(line).map(|(_, value)| value.trim())
}

/// Head and body of a whole message, as text.
pub(crate) fn split(message: &[u8]) -> (String, String) {
    let head = head_length(message).unwrap_or(message.len());
    let (head, body) = message.split_at_checked(head).unwrap_or((message, &[]));
    (String::from_utf8_lossy(head).into_owned(), String::from_utf8_lossy(body).into_owned())
}

/// An answer that never was.
pub(crate) fn forged(status: &str, headers: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n{headers}\r\n{body}", body.len()).into_bytes()
}

/// The answer with another body and a length that fits it.
pub(crate) fn with_body(answer: &[u8], body: &str) -> Vec<u8> {
    let (head, _) = split(answer);
    let mut rewritten = String::new();
    for line in head.lines().filter(|line| !line.is_empty()) {
        let name = line.split(':').next().unwrap_or_default();
        if !name.eq_ignore_ascii_case("content-length") && !name.eq_ignore_ascii_case("transfer-encoding") {
            rewritten.push_str(line);
            rewritten.push_str("\r\n");
        }
    }
    format!("{rewritten}content-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// Sends one request on a connection of its own and reads the whole answer.
pub(crate) async fn ask(upstream: std::net::SocketAddr, request: &[u8]) -> io::Result<Vec<u8>> {
    let mut connection = TcpStream::connect(upstream).await?;
    connection.set_nodelay(true)?;
    connection.write_all(request).await?;
    let mut answer = Vec::new();
    while whole(&answer).is_none() {
        if connection.read_buf(&mut answer).await? == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the upstream ended its answer early"));
        }
    }
    Ok(answer)
}

//! No layer repeats a POST or a DELETE, whatever state the connections are in.

use backstop_broker::{Broker, Grant};

use crate::server::{Behavior, Server, http, order};

/// A pooled connection that the server is about to close is where HTTP libraries resend by themselves. An order must
/// not meet one: each has a connection of its own, and so has the next.
// proves: BRK-1
#[tokio::test]
async fn an_order_never_shares_a_connection_with_anything() {
    let server = Server::answering(|_, request| {
        if request.starts_with("GET") {
            http(200, r#"{"positions":"null"}"#)
        } else {
            http(200, r#"{"order":{"id":9100001,"status":"ok"}}"#)
        }
    })
    .await;
    let broker = server.broker();
    let id = "9100001".parse().unwrap();
    assert!(broker.positions().await.unwrap().is_empty());
    assert!(broker.positions().await.unwrap().is_empty());
    drop(broker.submit(&order(), Grant::unmetered()).await);
    drop(broker.submit(&order(), Grant::unmetered()).await);
    drop(broker.cancel(&id).await);
    assert!(broker.positions().await.unwrap().is_empty());
    let connections: Vec<usize> = server.seen().await.requests.iter().map(|(connection, _)| *connection).collect();
    let [read, again, first, second, cancel, last] = connections[..] else { panic!("{connections:?}") };
    assert!(read == again && read == last, "reads share one: {connections:?}");
    let mut own = vec![read, first, second, cancel];
    own.dedup();
    assert_eq!(own.len(), 4, "{connections:?}");
}

/// The server answers one request per connection and closes the connection without a word, as idle time-outs do.
#[tokio::test]
async fn after_a_silent_close_of_the_pooled_connection_an_order_is_sent_once() {
    for _ in 0..20 {
        let server = Server::start(Behavior::Write(http(200, r#"{"positions":"null"}"#))).await;
        let broker = server.broker();
        assert!(broker.positions().await.unwrap().is_empty());
        drop(broker.submit(&order(), Grant::unmetered()).await);
        let seen = server.seen().await;
        let posts = seen.requests.iter().filter(|(_, request)| request.starts_with("POST")).count();
        assert_eq!((posts, seen.connections), (1, 2), "{seen:?}");
    }
}

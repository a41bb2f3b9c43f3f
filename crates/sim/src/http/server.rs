//! The listening socket and its connections.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

use super::answer::Drop as DropConnection;
use super::quota::Quota;
use super::routes::{Shared, router};
use crate::config::SimConfig;
use crate::handle::{SimHandle, StateError};

/// How long connections may take to finish what they are at when the server stops.
const GRACE: Duration = Duration::from_millis(500);

/// The simulated broker behind a socket on 127.0.0.1, in Tradier's protocol.
///
/// Dropping it stops it at once; [`shutdown`](SimServer::shutdown) lets answers that are under way leave first.
#[derive(Debug)]
pub struct SimServer {
    address: SocketAddr,
    handle: SimHandle,
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    accepting: JoinHandle<()>,
}

impl SimServer {
    /// Opens the exchange of `config` and begins to listen.
    ///
    /// # Errors
    /// [`StartError`] when the port is taken or the account's file cannot be used; nothing runs then.
    ///
    /// # Cancel safety
    /// Dropped before it is done, nothing runs.
    pub async fn start(config: SimConfig) -> Result<Self, StartError> {
        let handle = SimHandle::open(&config)?;
        let wanted = SocketAddr::from((Ipv4Addr::LOCALHOST, config.port));
        let bound = TcpListener::bind(wanted).await;
        let listener = bound.map_err(|source| StartError::Listen { address: wanted, source })?;
        let address = listener.local_addr().map_err(|source| StartError::Listen { address: wanted, source })?;
        let shared = Arc::new(Shared {
            handle: handle.clone(),
            token: config.token,
            account: config.account,
            quota: Quota::new(config.rate_limits),
        });
        let (stop, stopped) = watch::channel(false);
        let accepting = tokio::spawn(accept(listener, router(shared.clone()), stopped));
        Ok(Self { address, handle, shared, stop, accepting })
    }

    /// The base URL with the version path, such as `http://127.0.0.1:41234/v1`.
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// The address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The access token that it takes.
    pub fn token(&self) -> &str {
        &self.shared.token
    }

    /// The account's number.
    pub fn account(&self) -> &str {
        &self.shared.account
    }

    /// How many requests it refused because a window was full; throttling by a fault does not count.
    pub fn refused_requests(&self) -> u64 {
        self.shared.quota.refused()
    }

    /// The way in past protocol and faults.
    pub fn handle(&self) -> SimHandle {
        self.handle.clone()
    }

    /// Stops listening, lets answers that are under way leave for half a second, and closes all connections.
    ///
    /// # Cancel safety
    /// Dropped before it is done, connections are closed at once.
    pub async fn shutdown(mut self) {
        self.stop.send_replace(true);
        // The accepting task ends by itself; it can only have failed with nobody left to tell.
        drop((&mut self.accepting).await);
    }
}

impl Drop for SimServer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, router: Router, mut stopped: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(serve(stream, router.clone(), stopped.clone()));
                }
                // Out of descriptors or a connection that died at once: the next may do better.
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            },
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            _ = stopped.changed() => break,
        }
    }
    drop(listener);
    // What hangs on purpose is cut off after the grace.
    drop(timeout(GRACE, async { while connections.join_next().await.is_some() {} }).await);
    connections.shutdown().await;
}

async fn serve(stream: TcpStream, router: Router, mut stopped: watch::Receiver<bool>) {
    // Small answers must leave at once; without it they wait for the client's acknowledgement.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot switch off the delay of small packets");
    }
    let service = TowerToHyperService::new(router);
    let answer = service_fn(move |request: hyper::Request<Incoming>| {
        let called = service.call(request);
        async move {
            let response: Result<Response<Body>, Infallible> = called.await;
            let Ok(response) = response;
            // An error here makes hyper close the connection without an answer.
            if response.extensions().get::<DropConnection>().is_some() { Err(Dropped) } else { Ok(response) }
        }
    });
    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), answer);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        _ = stopped.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "connection ended");
    }
}

/// The connection is to be closed without an answer.
#[derive(Debug, thiserror::Error)]
#[error("simulated fault: the connection is closed without an answer")]
struct Dropped;

/// Why the server does not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The port could not be had.
    #[error("cannot listen on {address}; choose another port, or 0 for any that is free")]
    Listen {
        /// What was wanted.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The account's file could not be used.
    #[error(transparent)]
    State(#[from] StateError),
}

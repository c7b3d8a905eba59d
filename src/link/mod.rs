//! Stations' connections: the listener, the handshake, one task per station.

mod budget;
mod call;
mod connection;
mod deflate;
mod handshake;
mod onboarding;
mod outgoing;
mod refused;
mod settings;
mod socket;
mod terminator;
pub mod tls;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::timeout;
use tracing::{info, warn};
use yawc::DeflatePool;

pub use self::settings::LinkSettings;

use self::tls::Tls;
use juden_core::app::App;
use juden_core::cluster::LocalConnections;
use juden_core::stations::access::Transport;
use juden_core::stations::refusals::HandshakeRefusal;

/// The time for a client to send its handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// The largest handshake in bytes.
const HANDSHAKE_MAX_BYTES: usize = 16 * 1024;

/// Handshakes that are decided at once; further ones wait.
const HANDSHAKES_AT_ONCE: usize = 512;

/// Compressors that are kept between messages: about as many as work at the same time.
const COMPRESSORS_KEPT: usize = 16;

/// The wait after a failed accept, which usually means that the process has no file handles left.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// The state that all connections share.
pub struct Link {
    /// The use cases.
    pub app: Arc<App>,
    /// The node's connections, by station.
    pub seats: Arc<LocalConnections>,
    /// The settings of connections.
    pub settings: LinkSettings,
    throttle: handshake::PasswordThrottle,
    handshakes: Semaphore,
    /// The count of bytes of calls that are not answered yet.
    bytes: Arc<budget::NodeBytes>,
    /// The pool of compressors, each lent for one message.
    deflate: DeflatePool,
    places: Arc<Semaphore>,
    stopping: AtomicBool,
}

impl Link {
    /// The shared state over the use cases.
    pub fn new(app: Arc<App>, seats: Arc<LocalConnections>, settings: LinkSettings) -> Self {
        let places = Arc::new(Semaphore::new(settings.max_connections));
        let (throttle, handshakes) =
            (handshake::PasswordThrottle::new(), Semaphore::new(HANDSHAKES_AT_ONCE));
        let (bytes, deflate) = (Arc::default(), DeflatePool::new(COMPRESSORS_KEPT));
        Self {
            app,
            seats,
            settings,
            throttle,
            handshakes,
            bytes,
            deflate,
            places,
            stopping: AtomicBool::new(false),
        }
    }
}

/// Accepts stations, over TLS if `tls` is given, until `stop` becomes true. Then each connection
/// completes its call in progress. Returns when the last connection has ended.
pub async fn serve(
    link: Arc<Link>,
    listener: TcpListener,
    tls: Option<Arc<Tls>>,
    mut stop: watch::Receiver<bool>,
) {
    let (alive, mut all_ended) = mpsc::channel::<Infallible>(1);
    loop {
        // Beyond the limit, new connections wait in the kernel's queue.
        let accepted = tokio::select! {
            accepted = accept(&listener, &link.places) => accepted,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        match accepted {
            Ok((stream, peer, place)) => {
                let _ = stream.set_nodelay(true);
                let (link, alive, stop, tls) =
                    (link.clone(), alive.clone(), stop.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None if begins_tls(&stream, stop.clone()).await => {
                            link.note_tls_on_plain(peer);
                        }
                        None => serve_one(link, stream, peer, Transport::Plain, stop).await,
                        Some(tls) => serve_tls(link, &tls, stream, peer, stop).await,
                    }
                    drop(alive);
                    drop(place);
                });
            }
            Err(cause) => {
                warn!(%cause, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_RETRY).await;
            }
        }
    }
    link.stopping.store(true, Ordering::Relaxed);
    link.seats.end_all();
    drop(alive);
    let _ = all_ended.recv().await;
    info!("all station connections have ended");
}

/// The first byte of a TLS handshake. No HTTP request begins with it.
const TLS_HANDSHAKE: u8 = 0x16;

/// Whether a client begins a TLS handshake, which the plain listener cannot answer.
async fn begins_tls(stream: &TcpStream, mut stop: watch::Receiver<bool>) -> bool {
    let mut first = [0];
    let peeked = tokio::select! {
        peeked = timeout(HANDSHAKE_TIMEOUT, stream.peek(&mut first)) => peeked,
        _ = stop.wait_for(|stop| *stop) => return false,
    };
    matches!(peeked, Ok(Ok(1))) && first == [TLS_HANDSHAKE]
}

impl Link {
    /// Whether the server stops and serves no new connection.
    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Records for the operator that a client used TLS on the plain listener.
    fn note_tls_on_plain(&self, peer: SocketAddr) {
        let (at, peer) = (self.app.now(), peer.to_string());
        self.app.refusals.note(HandshakeRefusal {
            at,
            peer,
            station_id: String::new(),
            status: 0,
            reason: "tls_on_the_plain_port",
        });
    }
}

/// Accepts the next connection, once the number of connections allows it.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> std::io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let place = places.clone().acquire_owned().await.map_err(std::io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    Ok((stream, peer, place))
}

/// Serves one connection over TLS. A failed TLS handshake is counted and shown to the operator.
async fn serve_tls(
    link: Arc<Link>,
    tls: &Tls,
    stream: TcpStream,
    peer: SocketAddr,
    mut stop: watch::Receiver<bool>,
) {
    let agreed = tokio::select! {
        agreed = timeout(HANDSHAKE_TIMEOUT, tls.acceptor().accept(stream)) => agreed,
        _ = stop.wait_for(|stop| *stop) => return,
    };
    let reason = match agreed {
        Ok(Ok(stream)) => {
            let certificate = stream
                .get_ref()
                .1
                .peer_certificates()
                .and_then(|chain| chain.first())
                .and_then(tls::subject);
            return serve_one(link, stream, peer, Transport::Tls(certificate), stop).await;
        }
        Ok(Err(cause)) => tls::refusal(&cause),
        Err(_) => "tls_too_slow",
    };
    let (at, peer) = (link.app.now(), peer.to_string());
    link.app.refusals.note(HandshakeRefusal {
        at,
        peer,
        station_id: String::new(),
        status: 0,
        reason,
    });
}

/// Serves one connection, from handshake to end. A handshake in progress ends when the server
/// stops.
async fn serve_one<S>(
    link: Arc<Link>,
    stream: S,
    peer: SocketAddr,
    transport: Transport,
    mut stop: watch::Receiver<bool>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (upgraded, mut upgrades) = mpsc::channel(1);
    let door = link.clone();
    let service = service_fn(move |request| {
        let (link, upgraded, transport) = (door.clone(), upgraded.clone(), transport.clone());
        async move {
            Ok::<_, Infallible>(
                handshake::answer(&link, request, peer, &transport, &upgraded).await,
            )
        }
    });
    let http = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HANDSHAKE_TIMEOUT)
        .max_buf_size(HANDSHAKE_MAX_BYTES)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    // A connection that does not speak HTTP ends here.
    tokio::select! {
        _ = http => {}
        _ = stop.wait_for(|stop| *stop) => return,
    }
    if let Some(entering) = upgrades.recv().await {
        connection::run(link, entering).await;
    }
}

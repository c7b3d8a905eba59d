//! Stations' connections: the listener, the handshake, one task per station.

mod connection;
mod handshake;
mod outgoing;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tracing::{info, warn};

use crate::app::App;
use crate::cluster::Seats;
use crate::config::LinkSettings;

/// What a client has to send its handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// The largest handshake in bytes.
const HANDSHAKE_MAX_BYTES: usize = 16 * 1024;

/// Handshakes under way at once; more wait.
const HANDSHAKES_AT_ONCE: usize = 512;

/// Wait after a failed accept: the process is out of file handles.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// What every connection works with.
pub struct Link {
    /// The use cases.
    pub app: Arc<App>,
    /// Where connections take their places.
    pub seats: Arc<Seats>,
    /// How connections are kept.
    pub settings: LinkSettings,
    throttle: handshake::PasswordThrottle,
    handshakes: Semaphore,
}

impl Link {
    /// A link over the use cases.
    pub fn new(app: Arc<App>, seats: Arc<Seats>, settings: LinkSettings) -> Self {
        Self { app, seats, settings, throttle: handshake::PasswordThrottle::new(), handshakes: Semaphore::new(HANDSHAKES_AT_ONCE) }
    }
}

/// Accepts stations until `stop` becomes true, then lets each finish the call it is in. Returns
/// when the last connection has ended.
pub async fn serve(link: Arc<Link>, listener: TcpListener, mut stop: watch::Receiver<bool>) {
    let places = Arc::new(Semaphore::new(link.settings.max_connections));
    let (alive, mut all_ended) = mpsc::channel::<Infallible>(1);
    loop {
        // Beyond the limit, new connections wait in the kernel's queue.
        let accepted = tokio::select! {
            accepted = accept(&listener, &places) => accepted,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        match accepted {
            Ok((stream, peer, place)) => {
                let _ = stream.set_nodelay(true);
                let (link, alive, stop) = (link.clone(), alive.clone(), stop.clone());
                tokio::spawn(async move {
                    serve_one(link, stream, peer, stop).await;
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
    link.seats.end_all();
    drop(alive);
    let _ = all_ended.recv().await;
    info!("all station connections have ended");
}

/// The next connection, once there is a place for it.
async fn accept(listener: &TcpListener, places: &Arc<Semaphore>) -> std::io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let place = places.clone().acquire_owned().await.map_err(std::io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    Ok((stream, peer, place))
}

/// One connection, from handshake to end. A handshake under way ends with the server.
async fn serve_one(link: Arc<Link>, stream: TcpStream, peer: SocketAddr, mut stop: watch::Receiver<bool>) {
    let (upgraded, mut upgrades) = mpsc::channel(1);
    let door = link.clone();
    let service = service_fn(move |request| {
        let (link, upgraded) = (door.clone(), upgraded.clone());
        async move { Ok::<_, Infallible>(handshake::answer(&link, request, peer, &upgraded).await) }
    });
    let http = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HANDSHAKE_TIMEOUT)
        .max_buf_size(HANDSHAKE_MAX_BYTES)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    // What cannot be spoken to as HTTP ends here.
    tokio::select! {
        _ = http => {}
        _ = stop.wait_for(|stop| *stop) => return,
    }
    if let Some(entering) = upgrades.recv().await {
        connection::run(link, entering).await;
    }
}

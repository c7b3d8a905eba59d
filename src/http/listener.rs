//! The API's connections. Their number is limited, in all and per address, and so is the time for a
//! request, its body and its answer. At the limit, the connection that was idle longest is closed.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, Sleep, sleep, timeout};
use tower::ServiceExt;
use tracing::warn;

use super::bodies::BODY_MAX;
use super::problem::Problem;

/// The most connections in all, and from one address, which may be a load balancer.
pub const CONNECTIONS_MAX: usize = 1_000;
pub const ADDRESS_MAX: usize = 250;

/// The time for a client to send a request's head, also on a connection that is kept open, and its
/// body.
const HEAD_WITHIN: Duration = Duration::from_secs(20);
const BODY_WITHIN: Duration = Duration::from_secs(30);

/// The time for a client to take a part of an answer.
const WRITE_WITHIN: Duration = Duration::from_secs(30);

/// The largest head of a request in bytes.
const HEAD_MAX_BYTES: usize = 32 * 1024;

/// The wait after a failed accept, which usually means that the process has no file handles left.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// Serves a router until `stop` becomes true, and then until the running requests are answered.
pub async fn serve(router: Router, listener: TcpListener, mut stop: watch::Receiver<bool>) {
    let doors = Arc::new(Doors::default());
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => break,
            Some(_) = connections.join_next() => continue,
        };
        match accepted {
            Ok((stream, peer)) => {
                if let Some(door) = doors.enter(peer.ip()) {
                    let _ = stream.set_nodelay(true);
                    connections.spawn(serve_one(router.clone(), stream, peer, door, stop.clone()));
                }
            }
            Err(cause) => {
                warn!(%cause, "a connection to the API could not be accepted");
                sleep(ACCEPT_RETRY).await;
            }
        }
    }
    while connections.join_next().await.is_some() {}
}

async fn serve_one(
    router: Router,
    stream: TcpStream,
    peer: SocketAddr,
    door: Door,
    mut stop: watch::Receiver<bool>,
) {
    let place = door.place.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let (router, busy) = (router.clone(), Busy::begin(&place));
        async move { Ok::<_, Infallible>(answer(router, request, peer, busy).await) }
    });
    let io = TokioIo::new(TimedWrites { stream, waits: None });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .max_buf_size(HEAD_MAX_BYTES)
        .serve_connection(io, service);
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => return,
        // The connection is idle, so it can be dropped.
        () = door.place.evicted.notified() => return,
        _ = stop.wait_for(|stop| *stop) => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

async fn answer(
    router: Router,
    request: Request<Incoming>,
    peer: SocketAddr,
    busy: Busy,
) -> Response {
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(ConnectInfo(peer));
    let answered = router.oneshot(request).await.unwrap_or_else(|never| match never {});
    // The connection is busy until the whole answer has left.
    answered.map(|body| {
        Body::new(body.map_frame(move |frame| {
            let _until_then = &busy;
            frame
        }))
    })
}

/// Reads a request's body within the limits of size and time, after the caller is authenticated.
pub async fn whole_body(request: Request<Body>, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let body = match timeout(BODY_WITHIN, Limited::new(body, BODY_MAX).collect()).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(cause)) if cause.is::<LengthLimitError>() => {
            return Problem::new(413, "too_large", format!("a body has at most {BODY_MAX} bytes"))
                .into_response();
        }
        Ok(Err(_)) => {
            return Problem::new(400, "bad_request", "the body could not be read").into_response();
        }
        Err(_) => {
            let seconds = BODY_WITHIN.as_secs();
            return Problem::new(
                408,
                "too_slow",
                format!("a request's body must come within {seconds} s"),
            )
            .into_response();
        }
    };
    next.run(Request::from_parts(parts, Body::from(body))).await
}

/// The open connections.
#[derive(Debug, Default)]
struct Doors {
    places: Mutex<HashMap<u64, Arc<ConnectionSlot>>>,
    next: AtomicU64,
}

/// One open connection.
#[derive(Debug)]
struct ConnectionSlot {
    address: IpAddr,
    opened: Instant,
    /// The number of running requests, and the time at which the last one ended, in milliseconds
    /// after the opening.
    under_way: AtomicU64,
    idle_since_ms: AtomicU64,
    evicted: Notify,
}

impl ConnectionSlot {
    fn idle_since(&self) -> Option<Instant> {
        let is_idle = self.under_way.load(Ordering::SeqCst) == 0;
        is_idle
            .then(|| self.opened + Duration::from_millis(self.idle_since_ms.load(Ordering::SeqCst)))
    }
}

/// An entry among the open connections, which is removed when this is dropped.
struct Door {
    doors: Arc<Doors>,
    number: u64,
    place: Arc<ConnectionSlot>,
}

impl Drop for Door {
    fn drop(&mut self) {
        self.doors.places.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.number);
        metrics::gauge!("juden_http_connections").decrement(1);
    }
}

impl Doors {
    /// An entry for a connection from an address; `None`: the limit is reached, and no connection
    /// is idle.
    fn enter(self: &Arc<Self>, address: IpAddr) -> Option<Door> {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let of_address = places.values().filter(|place| place.address == address).count();
        let is_full = places.len() >= CONNECTIONS_MAX;
        if is_full || of_address >= ADDRESS_MAX {
            let idle = places.iter().filter(|(_, place)| is_full || place.address == address);
            let longest =
                idle.filter_map(|(number, place)| Some((place.idle_since()?, *number))).min();
            let Some((_, number)) = longest else {
                metrics::counter!("juden_http_connections_refused_total").increment(1);
                return None;
            };
            if let Some(place) = places.remove(&number) {
                place.evicted.notify_one();
            }
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let place = Arc::new(ConnectionSlot {
            address,
            opened: Instant::now(),
            under_way: AtomicU64::new(0),
            idle_since_ms: AtomicU64::new(0),
            evicted: Notify::new(),
        });
        places.insert(number, place.clone());
        metrics::gauge!("juden_http_connections").increment(1);
        Some(Door { doors: self.clone(), number, place })
    }
}

/// A running request.
struct Busy(Arc<ConnectionSlot>);

impl Busy {
    fn begin(place: &Arc<ConnectionSlot>) -> Self {
        place.under_way.fetch_add(1, Ordering::SeqCst);
        Self(place.clone())
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let idle_ms = u64::try_from(self.0.opened.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.0.idle_since_ms.store(idle_ms, Ordering::SeqCst);
        self.0.under_way.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A stream whose peer must take written data within a time.
struct TimedWrites {
    stream: TcpStream,
    waits: Option<Pin<Box<Sleep>>>,
}

impl TimedWrites {
    fn in_time<T>(
        &mut self,
        context: &mut Context<'_>,
        wrote: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if wrote.is_ready() {
            self.waits = None;
            return wrote;
        }
        let waits = self.waits.get_or_insert_with(|| Box::pin(sleep(WRITE_WITHIN)));
        match waits.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncRead for TimedWrites {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for TimedWrites {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.in_time(context, wrote)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.in_time(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
#[path = "listener_tests.rs"]
mod tests;

//! What stands between a node and a server, or between stations and nodes: it can be cut, and held.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Open,
    /// Nothing passes, and nobody is told: as when a cable is pulled.
    Held,
    /// Connections are refused and ended.
    Cut,
}

/// A port that leads to others, one of them for each connection, in turn.
pub struct Proxy {
    pub port: u16,
    mode: watch::Sender<Mode>,
}

impl Proxy {
    pub async fn to(targets: &[u16]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (mode, seen) = watch::channel(Mode::Open);
        let targets: Arc<[u16]> = targets.into();
        let next = Arc::new(AtomicUsize::new(0));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(pass(stream, targets.clone(), next.clone(), seen.clone()));
            }
        });
        Self { port, mode }
    }

    pub fn cut(&self) {
        self.mode.send_replace(Mode::Cut);
    }

    pub fn hold(&self) {
        self.mode.send_replace(Mode::Held);
    }

    pub fn heal(&self) {
        self.mode.send_replace(Mode::Open);
    }
}

async fn pass(
    stream: TcpStream,
    targets: Arc<[u16]>,
    next: Arc<AtomicUsize>,
    mut mode: watch::Receiver<Mode>,
) {
    if *mode.borrow() == Mode::Cut {
        return;
    }
    let first = next.fetch_add(1, Ordering::Relaxed);
    let mut server = None;
    for n in 0..targets.len() {
        if let Ok(connected) =
            TcpStream::connect(("127.0.0.1", targets[(first + n) % targets.len()])).await
        {
            server = Some(connected);
            break;
        }
    }
    let Some(server) = server else { return };
    let _ = stream.set_nodelay(true);
    let _ = server.set_nodelay(true);
    let ((from_client, to_client), (from_server, to_server)) =
        (stream.into_split(), server.into_split());
    tokio::select! {
        () = copy(from_client, to_server, mode.clone()) => {}
        () = copy(from_server, to_client, mode.clone()) => {}
        _ = mode.wait_for(|mode| *mode == Mode::Cut) => {}
    }
}

async fn copy(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut mode: watch::Receiver<Mode>) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let Ok(read) = from.read(&mut buffer).await else { return };
        if read == 0
            || mode.wait_for(|mode| *mode != Mode::Held).await.is_err()
            || to.write_all(&buffer[..read]).await.is_err()
        {
            return;
        }
    }
}

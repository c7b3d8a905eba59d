//! What connections that do nothing useful cost: memory, places, files.

use std::time::{Duration, Instant};

use base64::Engine;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::node::Node;

/// The head of a handshake that shows a wrong password.
fn handshake(station: &str, more: &str) -> String {
    let shown =
        base64::engine::general_purpose::STANDARD.encode(format!("{station}:wrong-password-of-16"));
    format!(
        "GET /ocpp/{station} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: ocpp1.6\r\nAuthorization: Basic {shown}\r\n{more}\r\n"
    )
}

/// A password that a person chose, which is kept under the slow hash.
fn protected() -> serde_json::Value {
    json!({"password": "chosen by a person"})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handshakes_that_hang_up_or_wait_cost_little_memory_and_keep_nobody_out() {
    let node = Node::started(&[]).await;
    node.station_as("GUARDED", &protected()).await;
    node.station("PLAIN").await;
    node.line("PLAIN").await.call("Heartbeat", &json!({})).await;
    let before = node.memory_kib();
    let mut most = before;
    for _ in 0..300 {
        let mut stream = TcpStream::connect(("127.0.0.1", node.ocpp)).await.unwrap();
        stream.write_all(handshake("GUARDED", "").as_bytes()).await.unwrap();
        drop(stream);
        most = most.max(node.memory_kib());
    }
    let mut open = Vec::new();
    for _ in 0..600 {
        let mut stream = TcpStream::connect(("127.0.0.1", node.ocpp)).await.unwrap();
        stream.write_all(handshake("GUARDED", "").as_bytes()).await.unwrap();
        open.push(stream);
        most = most.max(node.memory_kib());
    }
    let began = Instant::now();
    node.line("PLAIN").await.call("Heartbeat", &json!({})).await;
    let (entered, began) = (began.elapsed(), Instant::now());
    node.done("GET", "/members", None).await;
    let answered = began.elapsed();
    most = most.max(node.memory_kib());
    println!(
        "{} KiB more; a station was in after {entered:?}, the API answered after {answered:?}",
        most - before
    );
    assert!(most - before < 200 * 1024, "memory grew by {} KiB", most - before);
    assert!(entered < Duration::from_secs(2), "{entered:?}");
    assert!(answered < Duration::from_secs(2), "{answered:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_idle_connections_to_the_api_keep_neither_stations_nor_operators_out() {
    // As many open files as a shell gives.
    let node = Node::started(&[]).await;
    node.station("CP1").await;
    let mut idle = Vec::new();
    for n in 0..2_000 {
        // Each from an address of its own among many, as from many places.
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind(format!("127.0.{}.{}:0", n % 20, 1 + n % 200).parse().unwrap()).unwrap();
        let stream = socket.connect(format!("127.0.0.1:{}", node.http).parse().unwrap());
        if let Ok(Ok(mut stream)) = tokio::time::timeout(Duration::from_secs(1), stream).await {
            let _ = stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: local").await;
            idle.push(stream);
        }
    }
    assert!(idle.len() > 1_500, "{}", idle.len());
    let began = Instant::now();
    node.line("CP1").await.call("Heartbeat", &json!({})).await;
    node.done("GET", "/members", None).await;
    assert_eq!(node.status("/healthz").await, Some(200));
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pings_without_end_over_deflate_leave_memory_as_it_is() {
    let node = Node::started(&[]).await;
    node.station("PINGS").await;
    node.station("BESIDE").await;
    node.line("BESIDE").await.call("Heartbeat", &json!({})).await;
    let mut stream = TcpStream::connect(("127.0.0.1", node.ocpp)).await.unwrap();
    let head = handshake("PINGS", "Sec-WebSocket-Extensions: permessage-deflate\r\n");
    let plain: String = head
        .lines()
        .filter(|line| !line.starts_with("Authorization"))
        .map(|line| format!("{line}\r\n"))
        .collect();
    stream.write_all(plain.as_bytes()).await.unwrap();
    // Masked with zeros, 125 bytes each; what is answered is never read.
    let ping = [&[0x89, 0x80 | 0x7d, 0, 0, 0, 0][..], &[b'x'; 125]].concat();
    let many = ping.repeat(500);
    let before = node.memory_kib();
    let mut most = before;
    let began = Instant::now();
    let mut sent = 0;
    let mut at = 0;
    while began.elapsed() < Duration::from_secs(20) {
        match tokio::time::timeout(Duration::from_millis(100), stream.write(&many[at..])).await {
            Ok(Ok(wrote)) => {
                sent += wrote;
                at = (at + wrote) % many.len();
            }
            Ok(Err(_)) => break,
            Err(_) => {}
        }
        most = most.max(node.memory_kib());
    }
    println!("{} pings in {:?}: {} KiB more", sent / ping.len(), began.elapsed(), most - before);
    assert!(most - before < 20 * 1024, "memory grew by {} KiB", most - before);
    node.line("BESIDE").await.call("Heartbeat", &json!({})).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_without_a_scrape_leave_memory_as_it_is() {
    let node = Node::started(&[]).await;
    let mut lines = Vec::new();
    for n in 0..8 {
        node.station(&format!("CP{n}")).await;
        lines.push(node.line(&format!("CP{n}")).await);
    }
    let mut rounds = async |calls: usize| {
        for _ in 0..calls / 8 / 100 {
            for line in &mut lines {
                for n in 0..100 {
                    assert!(
                        line.send(json!([2, format!("{n}"), "Heartbeat", {}]).to_string()).await
                    );
                    if n % 20 == 19 {
                        for _ in 0..20 {
                            line.answer().await.unwrap();
                        }
                    }
                }
            }
        }
    };
    // What is made once is made.
    rounds(160_000).await;
    let before = node.memory_kib();
    // Some 20 bytes a call would be 12 MiB.
    rounds(600_000).await;
    let after = node.memory_kib();
    println!("{before} KiB, then {after} KiB");
    assert!(after.saturating_sub(before) < 4 * 1024, "memory grew by {} KiB", after - before);
}

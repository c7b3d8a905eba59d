//! Texts that were thrown at the wire, made of bytes by a seed, and those that once broke something: each is answered, or
//! the connection is closed in a frame, and it never ends the server.

use futures_util::{SinkExt, StreamExt};
use juden_ocpp::protocol::Protocol;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::harness::{PATIENCE, Socket, TestServer};
use crate::wire;

/// Inputs a run of each check; the fuzzer itself makes more (docs/TESTING.md).
const ROUNDS: usize = 3_000;

fn seed() -> u64 {
    let seed = std::env::var("JUDEN_SEED")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or_else(rand::random);
    println!("JUDEN_SEED={seed}");
    seed
}

fn bytes(random: &mut ChaCha8Rng) -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(random.next_u32() % 400).unwrap()];
    random.fill_bytes(&mut bytes);
    bytes
}

/// What was found once, by the target that found it.
fn regressions(target: &str) -> Vec<Vec<u8>> {
    let folder = format!("{}/fuzz/regressions/{target}", env!("CARGO_MANIFEST_DIR"));
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .unwrap_or_else(|why| panic!("{folder}: {why}"))
        .map(|file| file.unwrap().path())
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{folder} is empty");
    files.into_iter().map(|file| std::fs::read(file).unwrap()).collect()
}

#[test]
fn what_a_fuzzer_found_once_is_answered() {
    for input in regressions("frame") {
        for protocol in Protocol::ALL {
            let _ = wire::answered(&String::from_utf8_lossy(&input), protocol);
        }
    }
    for input in regressions("messages") {
        wire::any_payload(&input);
    }
    for protocol in Protocol::ALL {
        for input in regressions("by_the_table") {
            wire::by_the_table(&input, protocol);
        }
        for input in regressions("commands") {
            wire::command_by_the_table(&input, protocol);
        }
    }
}

#[test]
fn whatever_bytes_make_is_answered_in_the_words_of_its_version() {
    let mut random = ChaCha8Rng::seed_from_u64(seed());
    for _ in 0..ROUNDS {
        let input = bytes(&mut random);
        wire::any_payload(&input);
        for protocol in Protocol::ALL {
            let _ = wire::answered(&String::from_utf8_lossy(&input), protocol);
            let _ = wire::by_the_table(&input, protocol);
            wire::command_by_the_table(&input, protocol);
        }
    }
}

/// Sends a text and waits for its answer; a connection that was closed is made anew.
async fn thrown(server: &TestServer, socket: &mut Socket, protocol: Protocol, text: &str) {
    let expected = wire::answered(text, protocol);
    let sent = socket.stream.send(Message::text(text)).await;
    let probe =
        socket.stream.send(Message::text(json!([2, "probe", "Heartbeat", {}]).to_string())).await;
    let mut answers = 0;
    while sent.is_ok() && probe.is_ok() {
        match tokio::time::timeout(PATIENCE, socket.stream.next())
            .await
            .unwrap_or_else(|_| panic!("{text} hangs the connection"))
        {
            Some(Ok(Message::Text(answer))) => {
                let answer: Value = serde_json::from_str(&answer).unwrap();
                if answer[0] == 2 {
                    continue;
                }
                if answer[1] == "probe" {
                    // 1.6 passes over what is no call; a call has its answer before the next one's.
                    assert!(
                        answers == 1 || expected.is_none() || protocol == Protocol::V16,
                        "{text} was answered {answers} times"
                    );
                    return;
                }
                answers += 1;
            }
            Some(Ok(Message::Close(frame))) => {
                assert!(frame.is_some(), "{text} ends the connection without a word");
                break;
            }
            Some(Ok(_)) => {}
            Some(Err(why)) => panic!("{text} breaks the connection: {why}"),
            None => break,
        }
    }
    *socket = connected(server, protocol).await;
}

async fn connected(server: &TestServer, protocol: Protocol) -> Socket {
    Socket::open(&format!("{}/CP1", server.ocpp_url()), Some(protocol.subprotocol()), None)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_station_that_sends_whatever_it_likes_is_answered_and_the_server_lives() {
    for protocol in Protocol::ALL {
        let server = TestServer::at("2024-06-10T00:00:00Z").await;
        server.station("CP1").await;
        let mut socket = connected(&server, protocol).await;
        for input in regressions("frame") {
            thrown(&server, &mut socket, protocol, &String::from_utf8_lossy(&input)).await;
        }
        let mut random = ChaCha8Rng::seed_from_u64(seed());
        let mut inputs = regressions("by_the_table");
        inputs.extend((0..400).map(|_| bytes(&mut random)));
        for (number, input) in inputs.iter().enumerate() {
            let (action, payload) = wire::by_the_table(input, protocol);
            thrown(
                &server,
                &mut socket,
                protocol,
                &json!([2, format!("m{number}"), action, payload]).to_string(),
            )
            .await;
            let cut = json!([2, format!("c{number}"), action, payload]).to_string();
            let cut: String = cut.chars().take(cut.chars().count() * 2 / 3).collect();
            thrown(&server, &mut socket, protocol, &cut).await;
        }
        assert_eq!(server.get("/stations/CP1").await["station_id"], "CP1");
    }
}

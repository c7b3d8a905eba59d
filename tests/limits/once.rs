//! A change that carries a key is done once, wherever the process was killed while it did it.

use std::time::Duration;

use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

use crate::node::{Node, PATIENCE};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_asked_with_a_key_is_done_once_whenever_the_process_is_killed() {
    let kills: usize =
        std::env::var("JUDEN_POST_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(40);
    let seed: u64 = std::env::var("JUDEN_SEED")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or_else(rand::random);
    println!("seed {seed}, {kills} kills");
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    let mut node = Node::started(&[]).await;
    let mut cut = 0;
    for n in 0..kills {
        let (path, body) = if n % 2 == 0 {
            ("/cards", json!({"id_tag": format!("CARD{n}")}))
        } else {
            let member = json!({"name": format!("Member {n}"), "kind": "corporation", "email": "a@example.jp", "plan": "simple", "payment_method": {"kind": "invoice"}});
            ("/members", member)
        };
        let key = format!("key-{n}");
        // The process dies; the request may be anywhere.
        let (wait, id) = (
            Duration::from_micros(random.random_range(0..6_000)),
            i32::try_from(node.id()).unwrap(),
        );
        let kill = tokio::task::spawn_blocking(move || {
            std::thread::sleep(wait);
            let _ = rustix::process::kill_process(
                rustix::process::Pid::from_raw(id).unwrap(),
                rustix::process::Signal::KILL,
            );
        });
        let (first, _) = tokio::join!(node.ask("POST", path, Some(&body), Some(&key)), kill);
        cut += usize::from(first.is_err());
        node.kill();
        node.start().await;
        let again = node.ask("POST", path, Some(&body), Some(&key)).await.unwrap();
        assert_eq!(again.0, 201, "kill {n}, seed {seed}: {}", again.1);
        if let Ok((201, told)) = first {
            assert_eq!(told, again.1, "kill {n}, seed {seed}: the first answer is told again");
        }
        let third = node.ask("POST", path, Some(&body), Some(&key)).await.unwrap();
        assert_eq!(third.1, again.1, "kill {n}, seed {seed}");
    }
    println!("{cut} of {kills} were cut off");
    // A card is there once by its tag: its repeats must be answered, with the code that was told first.
    let members =
        node.done("GET", "/members?limit=500", None).await["items"].as_array().unwrap().clone();
    let mut names: Vec<&str> =
        members.iter().map(|member| member["name"].as_str().unwrap()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!((names.len(), members.len()), (kills / 2, kills / 2), "seed {seed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_to_a_station_that_is_asked_again_after_a_kill_is_not_sent_again() {
    let mut node = Node::started(&[]).await;
    node.station("CP1").await;
    node.member("CARD").await;
    let mut line = node.line("CP1").await;
    line.call("BootNotification", &json!({"chargePointVendor": "V", "chargePointModel": "M"}))
        .await;
    let body = json!({"command": "remote_start", "id_tag": "CARD", "connector_id": 1});
    let path = "/stations/CP1/commands";
    let starts = async |line: &mut crate::node::Line, for_s: u64| {
        use futures_util::StreamExt;
        use tokio_tungstenite::tungstenite::Message;
        let mut seen = 0;
        let until = tokio::time::Instant::now() + Duration::from_secs(for_s);
        while let Ok(Some(Ok(message))) = tokio::time::timeout_at(until, line.stream.next()).await {
            let Message::Text(text) = message else { continue };
            let frame: Value = serde_json::from_str(&text).unwrap();
            if frame[2] == json!("RemoteStartTransaction") {
                seen += 1;
                break;
            }
            if frame[0] == 2 {
                line.send(json!([4, frame[1], "NotImplemented", "", {}]).to_string()).await;
            }
        }
        seen
    };
    let (_, seen) = tokio::join!(
        tokio::time::timeout(
            Duration::from_secs(2),
            node.ask("POST", path, Some(&body), Some("k"))
        ),
        starts(&mut line, PATIENCE.as_secs()),
    );
    assert_eq!(seen, 1, "the station is asked");
    node.kill();
    node.start().await;
    let mut line = node.line("CP1").await;
    line.call("BootNotification", &json!({"chargePointVendor": "V", "chargePointModel": "M"}))
        .await;
    let (again, seen) =
        tokio::join!(node.ask("POST", path, Some(&body), Some("k")), starts(&mut line, 3));
    assert_eq!(seen, 0, "the station is not asked twice: {again:?}");
    let (status, told) = again.unwrap();
    assert!(status < 500 && told.is_object(), "{status} {told}");
}

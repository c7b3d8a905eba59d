//! Stations that move between nodes, and commands that find them.

use serde_json::{Value, json};

use crate::hammer::Charger;
use crate::nodes::{Nodes, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stations_newer_connection_wins_at_whichever_node_it_is() {
    let nodes = Nodes::start(2).await;
    nodes.station("CP1").await;
    nodes.card("CARD1").await;
    let mut first = Charger::connect(nodes.nodes[0].ocpp, "CP1").await;
    assert_eq!(first.authorize("CARD1").await.as_deref(), Some("Accepted"));
    for turn in 0..6 {
        let mut second = Charger::connect(nodes.nodes[(turn + 1) % 2].ocpp, "CP1").await;
        assert_eq!(second.authorize("CARD1").await.as_deref(), Some("Accepted"));
        first.ended().await;
        for n in 0..2 {
            let station = nodes.send(n, "GET", "/stations/CP1", None).await;
            assert_eq!(
                (&station["online"], &station["node"]),
                (&json!(true), &json!(nodes.nodes[(turn + 1) % 2].name)),
                "turn {turn}"
            );
        }
        first = second;
    }
    drop(first);
    until("the station is seen to have left", async || {
        nodes.send(0, "GET", "/stations/CP1", None).await["online"] == false
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_older_connection_sends_late_is_refused_and_kept_by_the_station() {
    let nodes = Nodes::start(2).await;
    nodes.station("CP1").await;
    nodes.card("CARD1").await;
    // Without Redis nobody tells the older connection: it lives until its first late message.
    for node in &nodes.nodes {
        node.redis.cut();
    }
    let mut older = Charger::connect(nodes.nodes[0].ocpp, "CP1").await;
    assert_eq!(older.authorize("CARD1").await.as_deref(), Some("Accepted"));
    let mut newer = Charger::connect(nodes.nodes[1].ocpp, "CP1").await;
    let begun = newer.start("CARD1").await;
    let payload = json!({"connectorId": 1, "idTag": "CARD1", "timestamp": "2026-12-02T00:00:05Z", "meterStart": 1});
    let late = older.call("StartTransaction", payload.clone()).await;
    assert!(
        late.as_ref().is_none_or(|frame| frame[0] == 4),
        "a late start is not confirmed: {late:?}"
    );
    older.ended().await;
    let again = newer.call("StartTransaction", payload).await.unwrap();
    assert_ne!(again[2]["transactionId"], begun["transactionId"]);
    assert_eq!(nodes.sessions(0).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_start_sent_to_two_nodes_is_one_session() {
    let nodes = Nodes::start(2).await;
    nodes.station("CP1").await;
    nodes.card("CARD1").await;
    let mut first = Charger::connect(nodes.nodes[0].ocpp, "CP1").await;
    let told = first.start("CARD1").await;
    let mut second = Charger::connect(nodes.nodes[1].ocpp, "CP1").await;
    assert_eq!(second.start("CARD1").await, told, "word for word, whichever node is asked");
    assert_eq!(nodes.sessions(1).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_card_started_at_two_nodes_at_once_is_concurrent_at_one_of_them() {
    let nodes = Nodes::start(2).await;
    nodes.card("CARD1").await;
    for round in 0..10 {
        let mut chargers = Vec::new();
        for n in 0..2 {
            let station = format!("CP{round}-{n}");
            nodes.station(&station).await;
            chargers.push(Charger::connect(nodes.nodes[n].ocpp, &station).await);
        }
        let [first, second] = chargers.as_mut_slice() else { panic!() };
        let (one, other) = tokio::join!(first.start("CARD1"), second.start("CARD1"));
        let status = |answer: &Value| answer["idTagInfo"]["status"].as_str().unwrap().to_owned();
        let mut told = [status(&one), status(&other)];
        told.sort();
        assert_eq!(told, ["Accepted", "ConcurrentTx"], "round {round}");
        stop(first, &one).await;
        stop(second, &other).await;
    }
}

async fn stop(charger: &mut Charger, answer: &Value) {
    let payload = json!({"transactionId": answer["transactionId"], "timestamp": "2026-12-02T00:00:20Z", "meterStop": 9});
    charger.call("StopTransaction", payload).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_finds_the_station_at_whichever_node_it_is() {
    let mut nodes = Nodes::start(2).await;
    nodes.station("CP1").await;
    let command = json!({"command": "clear_cache"});
    assert_eq!(
        nodes.ask(0, "POST", "/stations/CP1/commands", Some(&command)).await.0,
        409,
        "offline"
    );
    let mut charger = Charger::connect(nodes.nodes[1].ocpp, "CP1").await;
    charger.call("Heartbeat", json!({})).await.unwrap();
    let serving = tokio::spawn(async move {
        charger.serve_until("ClearCache").await;
        charger
    });
    let answer = nodes.send(0, "POST", "/stations/CP1/commands", Some(&command)).await;
    assert_eq!(
        (&answer["outcome"], &answer["answer"]),
        (&json!("accepted"), &json!({"status": "Accepted"}))
    );
    let _charger = serving.await.unwrap();
    nodes.nodes[1].kill();
    until("the dead node's station is offline", async || {
        nodes.ask(0, "POST", "/stations/CP1/commands", Some(&command)).await.0 == 409
    })
    .await;
    assert_eq!(nodes.send(0, "GET", "/stations/CP1", None).await["online"], false);
}

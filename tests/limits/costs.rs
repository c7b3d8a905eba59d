//! What a message costs does not grow with what a station left open, nor with what a member charged before.

use std::path::Path;
use std::time::{Duration, Instant};

use juden_store::open::open;
use serde_json::{Value, json};

use crate::fill::{fill_members, fill_sessions_of_one};
use crate::node::{Line, Node};

/// How much dearer a message may be. The rest is what a machine that does other things besides adds to a figure.
const LIMIT: f64 = 1.5;

/// The quicker half's mean time of calls, which what else the machine does hardly touches.
async fn cost(
    line: &mut Line,
    calls: usize,
    mut payload: impl FnMut(usize) -> (&'static str, Value),
) -> Duration {
    let mut took = Vec::with_capacity(calls);
    for n in 0..calls {
        let (action, payload) = payload(n);
        let began = Instant::now();
        line.call(action, &payload).await;
        took.push(began.elapsed());
    }
    took.sort();
    took[..calls / 2].iter().sum::<Duration>() / u32::try_from(calls / 2).unwrap()
}

fn session(n: usize) -> Value {
    json!({"connectorId": 1, "idTag": "CARD", "timestamp": format!("2026-10-20T01:{:02}:{:02}Z", n / 60 % 60, n % 60), "meterStart": n})
}

fn readings(transaction: &Value, n: usize) -> Value {
    let at = format!("2026-10-20T02:{:02}:{:02}Z", n / 60 % 60, n % 60);
    json!({"connectorId": 1, "transactionId": transaction, "meterValue": [{"timestamp": at, "sampledValue": [{"value": format!("{}", 10_000 + n)}]}]})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_of_a_station_with_a_thousand_open_sessions_costs_what_it_costs_without() {
    let node = Node::started(&["--simulated-clock", "2026-10-20T00:00:00Z"]).await;
    node.station("NONE").await;
    node.station("MANY").await;
    node.member("CARD").await;
    node.done("PUT", "/clock", Some(&json!({"now": "2026-10-20T03:00:00Z"}))).await;
    let (mut none, mut many) = (node.line("NONE").await, node.line("MANY").await);
    for n in 0..1_000 {
        many.call("StartTransaction", &session(n)).await;
    }
    let open = node.done("GET", "/sessions?station_id=MANY&limit=1", None).await;
    assert_eq!(
        open["items"][0]["state"], "review",
        "each was over when the next began, and waits for its stop: {open}"
    );
    let at_none = none.call("StartTransaction", &session(5_000)).await["transactionId"].clone();
    let at_many = many.call("StartTransaction", &session(5_001)).await["transactionId"].clone();
    // Taken in turns, so that what changes on the machine changes both.
    let (mut without, mut with) = (Duration::ZERO, Duration::ZERO);
    for round in 0..4 {
        without +=
            cost(&mut none, 50, |n| ("MeterValues", readings(&at_none, 50 * round + n))).await;
        with += cost(&mut many, 50, |n| ("MeterValues", readings(&at_many, 50 * round + n))).await;
    }
    let ratio = with.as_secs_f64() / without.as_secs_f64();
    println!("meter values: {without:?} without, {with:?} with 1,000 open sessions: {ratio:.2}");
    assert!(ratio < LIMIT, "meter values are {ratio:.2} times dearer");
    let (mut without, mut with) = (Duration::ZERO, Duration::ZERO);
    for round in 0..4 {
        without +=
            cost(&mut none, 25, |n| ("StartTransaction", session(6_000 + 25 * round + n))).await;
        with +=
            cost(&mut many, 25, |n| ("StartTransaction", session(7_000 + 25 * round + n))).await;
    }
    let ratio = with.as_secs_f64() / without.as_secs_f64();
    println!("starts: {without:?} without, {with:?} with 1,000 open sessions: {ratio:.2}");
    assert!(ratio < LIMIT, "starts are {ratio:.2} times dearer");
}

/// A database with two members, one of whom charged often this month.
async fn filled(database: &Path, sessions: i64) {
    let url = format!("sqlite://{}", database.display());
    let opened = open(&url).await.unwrap();
    opened.migrate(&url).await.unwrap();
    let store = opened.store();
    fill_members(&url, 2).await;
    fill_sessions_of_one(&*store, sessions).await;
    // The numbers that these have are taken.
    store.set_meta("next_session_id", &(sessions + 1).to_string()).await.unwrap();
    drop((store, opened));
}

fn event(name: &str, card: &str, seq: usize) -> Value {
    let at = format!("2026-10-20T12:{:02}:{:02}Z", seq / 60 % 60, seq % 60);
    let mut event = json!({"eventType": if seq == 0 { "Started" } else { "Updated" }, "timestamp": at, "triggerReason": "MeterValuePeriodic",
        "seqNo": seq, "transactionInfo": {"transactionId": name, "chargingState": "Charging"}, "evse": {"id": 1, "connectorId": 1},
        "meterValue": [{"timestamp": at, "sampledValue": [{"value": 1_000 + seq}]}]});
    if seq == 0 {
        event["idToken"] = json!({"idToken": card, "type": "ISO14443"});
    }
    event
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_of_a_member_with_twenty_thousand_sessions_in_the_month_costs_what_anothers_does()
{
    // At noon none of the sessions before overlaps the new one, whose money would wait then.
    let mut node = Node::new(&["--simulated-clock", "2026-10-20T13:00:00Z"]).await;
    filled(&node.database(), 20_000).await;
    node.start().await;
    node.station("NONE").await;
    node.station("MANY").await;
    let (mut none, mut many) =
        (node.line_as("NONE", "ocpp2.0.1").await, node.line_as("MANY", "ocpp2.0.1").await);
    many.call("TransactionEvent", &event("T-MANY", "TAG00000001", 0)).await;
    none.call("TransactionEvent", &event("T-NONE", "TAG00000002", 0)).await;
    // The month is read once; until it is, an event is answered without a cost. Events that are kept meanwhile do not undo it.
    let mut first = 1;
    loop {
        let shown = many.call("TransactionEvent", &event("T-MANY", "", first)).await;
        if shown["totalCost"].is_number() {
            break;
        }
        assert!(
            first < 100,
            "a driver is shown the cost: {shown}, {}",
            node.done("GET", "/sessions?station_id=MANY", None).await
        );
        first += 1;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    println!("the cost is shown from step {first} on");
    for seq in 1..=first {
        none.call("TransactionEvent", &event("T-NONE", "", seq)).await;
    }
    let (mut without, mut with) = (Duration::ZERO, Duration::ZERO);
    for round in 0..6 {
        without += cost(&mut none, 50, |n| {
            ("TransactionEvent", event("T-NONE", "", first + 1 + 50 * round + n))
        })
        .await;
        with += cost(&mut many, 50, |n| {
            ("TransactionEvent", event("T-MANY", "", first + 1 + 50 * round + n))
        })
        .await;
    }
    let ratio = with.as_secs_f64() / without.as_secs_f64();
    println!("steps: {without:?} without, {with:?} with 20,000 sessions in the month: {ratio:.2}");
    assert!(ratio < LIMIT, "steps are {ratio:.2} times dearer");
}

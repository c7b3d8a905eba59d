//! Stray, late, lost, repeated and re-numbered stops, names used again, boots and clock faults, in any order of arrival: no
//! minute of one driver stands on another's bill, every session can be settled, and settling it back leaves the bytes.

use chrono::{DateTime, TimeDelta, Utc};
use rand::{Rng, RngExt, SeedableRng};
use serde_json::{Value, json};

use crate::harness::{Socket, TestServer, stop, transaction};

/// Chargers that are played, each with faults of its own.
const CHARGERS: u64 = 12;

/// Sessions at each.
const SESSIONS: usize = 8;

/// Minutes by which a session may reach into another's time: what clocks may differ by.
const BLUR_MIN: i64 = 2;

/// A session as it truly was.
struct True {
    card: String,
    connector: i64,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
}

struct Charger<'a, R> {
    server: &'a TestServer,
    id: String,
    rng: R,
    now: DateTime<Utc>,
    /// The station's clock less ours.
    offset: TimeDelta,
    register: i64,
    truth: Vec<True>,
}

fn text(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

impl<R: Rng> Charger<'_, R> {
    fn said(&self) -> String {
        text(self.now + self.offset)
    }

    async fn pass(&mut self, minutes: i64) {
        self.now += TimeDelta::minutes(minutes);
        self.server.clock(&text(self.now)).await;
    }

    async fn state(&self, socket: &mut Socket, connector: i64, status: &str) {
        let told = json!({"connectorId": connector, "status": status, "errorCode": "NoError", "timestamp": self.said()});
        assert_eq!(socket.call("StatusNotification", told).await[0], 3);
    }

    /// A stop of nobody's session.
    async fn stray(&mut self, socket: &mut Socket, tag: Option<&str>) {
        let number = [-1, 0, 170_917_607, 2_147_483_000][self.rng.random_range(0..4)];
        let register =
            if self.rng.random_bool(0.5) { self.register } else { self.register + 87_000 };
        let mut message = stop(number, &self.said(), register);
        if let Some(tag) = tag {
            message["idTag"] = json!(tag);
        }
        assert_eq!(socket.call("StopTransaction", message).await[0], 3);
    }

    /// One driver's session, with whatever goes wrong.
    async fn session(&mut self, socket: &mut Socket, card: &str, other: &str) {
        let connector = self.rng.random_range(1..=2);
        self.state(socket, connector, "Preparing").await;
        let from = self.now;
        let started = json!({"connectorId": connector, "idTag": card, "timestamp": self.said(), "meterStart": self.register});
        let delay = if self.rng.random_bool(0.2) { 4 } else { 0 };
        self.pass(delay).await;
        let number = transaction(&socket.call("StartTransaction", started.clone()).await);
        let knows_number = self.rng.random_bool(0.8);
        let length = self.rng.random_range(5..25);
        for minute in (delay..length).step_by(5) {
            self.pass(5).await;
            self.register += 1_000;
            if knows_number && self.rng.random_bool(0.7) {
                let value = json!([{"timestamp": self.said(), "sampledValue": [{"value": self.register.to_string(), "unit": "Wh"}]}]);
                socket.call("MeterValues", json!({"connectorId": connector, "transactionId": number, "meterValue": value})).await;
            }
            if minute > 5 && self.rng.random_bool(0.3) {
                self.stray(socket, None).await;
            }
            if self.rng.random_bool(0.1) {
                socket.call("StartTransaction", started.clone()).await;
            }
        }
        self.register += 500;
        let to = self.now;
        let (said, register) = (self.said(), self.register);
        self.truth.push(True { card: card.to_owned(), connector, from, to });
        let fate = self.rng.random_range(0..10);
        if fate < 7 {
            let named = if knows_number { number } else { -1 };
            let mut message = stop(named, &said, register);
            if self.rng.random_bool(0.5) {
                message["idTag"] = json!(card);
            }
            self.pass(if fate == 0 { 7 } else { 0 }).await;
            for _ in 0..self.rng.random_range(1..=2) {
                assert_eq!(socket.call("StopTransaction", message.clone()).await[0], 3);
            }
        }
        if self.rng.random_bool(0.7) {
            self.state(socket, connector, "Available").await;
        }
        if self.rng.random_bool(0.2) {
            socket
                .call(
                    "BootNotification",
                    json!({"chargePointVendor": "V", "chargePointModel": "M"}),
                )
                .await;
        }
        self.pass(3).await;
        let tag = self.rng.random_bool(0.3).then_some(other);
        if self.rng.random_bool(0.4) {
            self.stray(socket, tag).await;
        }
    }
}

async fn play(
    server: &TestServer,
    seed: u64,
    at: DateTime<Utc>,
    cards: [&str; 2],
) -> (DateTime<Utc>, Vec<True>) {
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    let id = format!("STRAY-{seed}");
    server.station(&id).await;
    let offsets = [
        TimeDelta::zero(),
        TimeDelta::zero(),
        TimeDelta::hours(-2),
        "2023-01-01T00:00:00Z".parse::<DateTime<Utc>>().unwrap() - at,
    ];
    let offset = offsets[rng.random_range(0..offsets.len())];
    let mut charger =
        Charger { server, id, rng, now: at, offset, register: 1_000, truth: Vec::new() };
    charger.pass(1).await;
    let mut socket = server.socket(&charger.id).await;
    socket
        .call("BootNotification", json!({"chargePointVendor": "V", "chargePointModel": "M"}))
        .await;
    for turn in 0..SESSIONS {
        charger.session(&mut socket, cards[turn % 2], cards[(turn + 1) % 2]).await;
    }
    charger.pass(60).await;
    (charger.now, charger.truth)
}

/// Every session at a charger.
async fn sessions(server: &TestServer, seed: u64) -> Vec<Value> {
    server.get(&format!("/sessions?station_id=STRAY-{seed}&limit=500")).await["items"]
        .as_array()
        .unwrap()
        .clone()
}

fn instant(value: &Value) -> Option<DateTime<Utc>> {
    value.as_str().map(|text| text.parse().unwrap())
}

/// That a billed session lies in its own driver's time alone.
fn check_driver(session: &Value, truth: &[True], tags: &[(String, String)], seed: u64) {
    let (from, to) =
        (instant(&session["started_at"]).unwrap(), instant(&session["stopped_at"]).unwrap());
    let blur = TimeDelta::minutes(BLUR_MIN);
    let card = tags
        .iter()
        .find(|(_, number)| session["card_number"] == json!(number))
        .map(|(tag, _)| tag.as_str());
    for other in truth.iter().filter(|other| {
        Some(other.card.as_str()) != card && json!(other.connector) == session["connector_id"]
    }) {
        let shared = to.min(other.to) - from.max(other.from);
        assert!(
            shared <= blur,
            "seed {seed}: {} minutes of {}'s on the bill of {card:?}: {session}",
            shared.num_minutes(),
            other.card
        );
    }
}

#[tokio::test]
async fn whatever_goes_wrong_each_drivers_minutes_are_his_own_and_can_be_settled() {
    let first: u64 = std::env::var("JUDEN_SEED")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or_else(|| rand::rng().random_range(0..1_000_000));
    println!("seed {first}: set JUDEN_SEED to begin with it");
    let server = TestServer::at("2026-10-25T00:00:00Z").await;
    let mut tags = Vec::new();
    let mut members = Vec::new();
    for tag in ["STRAYA", "STRAYB"] {
        let (member, card) = server.member_with_card("simple", tag).await;
        tags.push((tag.to_owned(), card));
        members.push(member);
    }
    let mut at: DateTime<Utc> = "2026-11-01T00:00:00Z".parse().unwrap();
    let mut truths = Vec::new();
    for seed in (0..CHARGERS).map(|n| first + n) {
        let (until, truth) = play(&server, seed, at, ["STRAYA", "STRAYB"]).await;
        at = until + TimeDelta::hours(1);
        truths.push((seed, truth));
    }
    let (mut billed, mut held) = (0, 0);
    for (seed, truth) in &truths {
        for session in sessions(&server, *seed).await {
            match session["state"].as_str().unwrap() {
                "ended" => {
                    billed += 1;
                    check_driver(&session, truth, &tags, *seed);
                }
                "open" => panic!("seed {seed}: nothing runs any more: {session}"),
                _ => held += 1,
            }
        }
    }
    println!("{billed} billed, {held} held");
    assert!(billed > 30 && held > 5, "both occur: {billed} {held}");
    settle_all(&server, &truths, &tags, &members).await;
}

/// Brings every session to billed or waived, and back.
async fn settle_all(
    server: &TestServer,
    truths: &[(u64, Vec<True>)],
    tags: &[(String, String)],
    members: &[String],
) {
    let bills = async || {
        let mut bills = Vec::new();
        for member in members {
            bills.push(server.get(&format!("/members/{member}/bills/2026-11")).await);
            bills.push(server.get(&format!("/members/{member}/usage/2026-11")).await);
        }
        bills
    };
    let before = bills().await;
    let mut corrected = Vec::new();
    for (seed, _) in truths {
        for session in
            sessions(server, *seed).await.into_iter().filter(|session| session["state"] != "ended")
        {
            let name = session["session_id"].as_str().unwrap().to_owned();
            let path = format!("/sessions/{name}/corrections");
            let mut tries = vec![json!({"kind": "bill", "reason": "x"})];
            if session["member_id"].is_null() {
                tries.insert(0, json!({"kind": "assign", "card_number": tags[0].1, "reason": "x"}));
            }
            let mut made = 0;
            for asked in &tries {
                made += i32::from(server.post(&path, asked).await.status == 200);
            }
            if server.get(&format!("/sessions/{name}")).await["state"] != "ended" {
                let waived = server.post(&path, &json!({"kind": "waive", "reason": "x"})).await;
                assert_eq!(waived.status, 200, "{waived:?} {session}");
                made += 1;
            }
            let state = server.get(&format!("/sessions/{name}")).await["state"]
                .as_str()
                .unwrap()
                .to_owned();
            assert!(matches!(state.as_str(), "ended" | "waived"), "{state}: {session}");
            corrected.push((path, made));
        }
    }
    for (path, made) in corrected.iter().rev() {
        for _ in 0..*made {
            let undone = server.post(path, &json!({"kind": "undo", "reason": "x"})).await;
            assert_eq!(undone.status, 200, "{undone:?}");
        }
    }
    assert_eq!(bills().await, before, "what is undone leaves the bytes");
    server.clock("2026-12-06T00:00:00Z").await;
    for month in ["2026-10", "2026-11"] {
        assert_eq!(server.post(&format!("/months/{month}/close"), &json!({})).await.status, 200);
        let differences = server
            .server()
            .app
            .billing
            .verify_month(juden_domain::month::BillingMonth::parse(month).unwrap())
            .await
            .unwrap();
        assert!(differences.is_empty(), "{differences:?}");
    }
}

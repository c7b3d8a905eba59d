//! Every station that may remember a card learns when it is no longer valid, and when it is again (article 3.6,
//! rule R4.2c). Stations are virtual ones with a list and a cache; what they would do offline is asked of them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use juden_fleet::memory::SharedMemory;
use juden_fleet::station::{Station, StationSetup};
use juden_fleet::version::Version;
use serde_json::{Value, json};

use crate::harness::{PATIENCE, TestServer, start, status, transaction};

pub const NOW: &str = "2024-06-10T00:00:00Z";
pub const CARD: &str = "CARD4711";

/// A station that is connected, with what it remembers.
pub struct Place {
    pub station: Station,
    pub memory: SharedMemory,
}

impl Place {
    /// Registers a station and connects it.
    pub async fn open(server: &TestServer, id: &str, memory: &SharedMemory) -> Self {
        server.station(id).await;
        Self::back(server, id, memory).await
    }

    /// Connects a station that is registered.
    pub async fn back(server: &TestServer, id: &str, memory: &SharedMemory) -> Self {
        Self::speaking(Version::V16, server, id, memory).await
    }

    /// The same in a version.
    pub async fn speaking(
        version: Version,
        server: &TestServer,
        id: &str,
        memory: &SharedMemory,
    ) -> Self {
        let setup = StationSetup {
            url: server.ocpp_url(),
            station_id: id.to_owned(),
            version,
            password: None,
            time: Arc::new(|| NOW.parse::<DateTime<Utc>>().unwrap()),
            clock_offset: TimeDelta::zero(),
        };
        let mut place = Self {
            station: Station::new(setup).remembering(memory.clone()),
            memory: memory.clone(),
        };
        place.station.connect().await.unwrap();
        place
    }

    /// Serves commands until a card's delivery here is as expected: `block delivered local_list`. What was told.
    pub async fn until(&mut self, server: &TestServer, card: &str, expected: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let _ = self.station.idle(Duration::from_millis(20)).await;
            let found = delivery(server, card, self.station.id()).await;
            if found == expected {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "it stays {found:?} and not {expected:?}; {:#?}",
                self.commands()
            );
        }
    }

    /// The commands about cards that came.
    pub fn commands(&self) -> Vec<(String, Value)> {
        let about = ["SendLocalList", "ClearCache", "ChangeConfiguration", "RemoteStopTransaction"];
        let told =
            self.station.commanded().into_iter().filter(|one| about.contains(&one.action.as_str()));
        told.map(|one| (one.action, one.payload)).collect()
    }

    pub fn count(&self, action: &str) -> usize {
        self.commands().iter().filter(|(name, _)| name == action).count()
    }

    /// The list messages, each as its kind and how many entries it had; versions must rise.
    pub fn lists(&self) -> Vec<(String, usize)> {
        let lists: Vec<Value> = self
            .commands()
            .into_iter()
            .filter(|(name, _)| name == "SendLocalList")
            .map(|(_, payload)| payload)
            .collect();
        let versions: Vec<i64> =
            lists.iter().map(|list| list["listVersion"].as_i64().unwrap()).collect();
        assert!(versions[0] > 0 && versions.is_sorted_by(|one, next| one < next), "{versions:?}");
        let entries = |list: &Value| list["localAuthorizationList"].as_array().map_or(0, Vec::len);
        lists
            .iter()
            .map(|list| (list["updateType"].as_str().unwrap().to_owned(), entries(list)))
            .collect()
    }
}

/// How far a station is with a card: `reach state means`, or nothing.
pub async fn delivery(server: &TestServer, card: &str, station: &str) -> String {
    let shown = server.get(&format!("/cards/{card}")).await;
    let one = shown["block_delivery"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["station_id"] == station)
        .cloned();
    one.map_or(String::new(), |one| {
        let word = |key: &str| one[key].as_str().unwrap_or("-").to_owned();
        format!("{} {} {}", word("reach"), word("state"), word("means"))
    })
}

pub async fn suspend(server: &TestServer, card: &str) -> Value {
    change(server, card, "suspend", "lost").await
}

pub async fn resume(server: &TestServer, card: &str) -> Value {
    change(server, card, "resume", "lost").await
}

async fn change(server: &TestServer, card: &str, what: &str, reason: &str) -> Value {
    let answered = server.post(&format!("/cards/{card}/{what}"), &json!({"reason": reason})).await;
    assert_eq!(answered.status, 200, "{answered:?}");
    answered.json()
}

#[tokio::test]
async fn that_a_station_may_remember_a_card_is_kept_when_it_is_told_that_the_card_is_accepted() {
    let server = TestServer::at(NOW).await;
    let (_, card) = server.member_with_card("simple", CARD).await;
    server.station("CP1").await;
    server.station("CP2").await;
    let kept = async || server.database.number("SELECT count(*) FROM card_exposures").await;
    let mut one = server.socket("CP1").await;
    assert_eq!(status(&one.call("Authorize", json!({"idTag": "UNKNOWN"})).await), "Invalid");
    assert_eq!(kept().await, 0, "a refusal is no exposure");
    assert_eq!(status(&one.call("Authorize", json!({"idTag": CARD})).await), "Accepted");
    assert_eq!(kept().await, 1);
    let mut other = server.socket("CP2").await;
    let answer = other.call("StartTransaction", start(CARD, NOW, 0)).await;
    assert_eq!((status(&answer), transaction(&answer) > 0), ("Accepted", true));
    assert_eq!(kept().await, 2);
    assert_eq!(suspend(&server, &card).await["stations_pending"], 2);
}

#[tokio::test]
async fn a_suspended_card_stands_blocked_in_the_list_and_one_that_comes_back_is_taken_out() {
    let server = TestServer::at(NOW).await;
    let (_, card) = server.member_with_card("simple", CARD).await;
    let mut place = Place::open(&server, "CP1", &SharedMemory::new(true, true)).await;
    assert_eq!(place.station.authorize(CARD).await.unwrap(), "Accepted");
    assert!(place.station.lets_charge_offline(CARD), "its cache has it");
    assert_eq!(suspend(&server, &card).await["stations_pending"], 1);
    place.until(&server, &card, "block delivered local_list").await;
    assert!(!place.station.lets_charge_offline(CARD));
    assert_eq!(place.memory.lock().listed(CARD), Some("Blocked"));
    assert_eq!(place.station.authorize(CARD).await.unwrap(), "Blocked");
    assert_eq!(resume(&server, &card).await["stations_pending"], 1);
    place.until(&server, &card, "allow delivered local_list").await;
    assert_eq!(place.memory.lock().listed(CARD), None);
    assert_eq!(place.station.authorize(CARD).await.unwrap(), "Accepted");
    assert!(place.station.lets_charge_offline(CARD));
    assert_eq!(place.lists(), [("Differential".into(), 1), ("Differential".into(), 1)]);
}

#[tokio::test]
async fn a_station_without_a_list_forgets_its_cache_and_learns_of_a_return_by_itself() {
    let server = TestServer::at(NOW).await;
    let (_, card) = server.member_with_card("simple", CARD).await;
    let mut place = Place::open(&server, "CP1", &SharedMemory::new(false, true)).await;
    place.station.authorize(CARD).await.unwrap();
    suspend(&server, &card).await;
    place.until(&server, &card, "block delivered clear_cache").await;
    assert!(!place.station.lets_charge_offline(CARD));
    assert_eq!(resume(&server, &card).await["stations_pending"], 0);
    assert_eq!(delivery(&server, &card, "CP1").await, "allow delivered clear_cache");
    // It remembers the card again: the next suspension is told again.
    place.station.authorize(CARD).await.unwrap();
    suspend(&server, &card).await;
    place.until(&server, &card, "block delivered clear_cache").await;
    assert!(!place.station.lets_charge_offline(CARD));
    assert_eq!(place.count("ClearCache"), 2);
}

#[tokio::test]
async fn a_station_that_was_away_learns_when_it_returns_also_after_the_server_was_started_again() {
    let mut server = TestServer::at(NOW).await;
    let (_, card) = server.member_with_card("simple", CARD).await;
    let memory = SharedMemory::new(true, true);
    let mut place = Place::open(&server, "CP1", &memory).await;
    place.station.authorize(CARD).await.unwrap();
    place.station.go_offline().await;
    assert_eq!(suspend(&server, &card).await["stations_pending"], 1);
    assert!(place.station.lets_charge_offline(CARD), "it does not know yet");
    server.restart().await;
    assert_eq!(delivery(&server, &card, "CP1").await, "block pending -");
    let mut place = Place::back(&server, "CP1", &memory).await;
    place.until(&server, &card, "block delivered local_list").await;
    assert!(!place.station.lets_charge_offline(CARD));
}

#[tokio::test]
async fn a_station_with_neither_list_nor_cache_cannot_be_told() {
    let server = TestServer::at(NOW).await;
    let (_, card) = server.member_with_card("simple", CARD).await;
    let mut place = Place::open(&server, "CP1", &SharedMemory::new(false, false)).await;
    place.station.authorize(CARD).await.unwrap();
    suspend(&server, &card).await;
    place.until(&server, &card, "block unsupported -").await;
    assert!(!place.station.lets_charge_offline(CARD), "it remembers nothing");
}

#[tokio::test]
async fn a_list_is_switched_on_only_where_the_stations_record_allows_it() {
    let server = TestServer::at(NOW).await;
    let (_, card) = server.member_with_card("simple", CARD).await;
    for (id, may_configure, expected) in
        [("CP1", true, "block delivered local_list"), ("CP2", false, "block delivered clear_cache")]
    {
        let memory = SharedMemory::new(true, true);
        memory.set("LocalAuthListEnabled", "false");
        server.station_as(id, &json!({"may_configure": may_configure})).await;
        let mut place = Place::back(&server, id, &memory).await;
        place.station.authorize(CARD).await.unwrap();
        suspend(&server, &card).await;
        place.until(&server, &card, expected).await;
        assert!(!place.station.lets_charge_offline(CARD));
        assert_eq!(place.count("ChangeConfiguration"), if may_configure { 2 } else { 0 });
        place.station.go_offline().await;
        resume(&server, &card).await;
    }
}

#[tokio::test]
async fn every_way_in_which_a_card_ends_reaches_the_stations() {
    let server = TestServer::at("2024-05-10T00:00:00Z").await;
    let mut place = Place::open(&server, "CP1", &SharedMemory::new(true, true)).await;
    let post = async |path: String, body: Value| {
        let answered = server.post(&path, &body).await;
        assert_eq!(answered.status, 200, "{path}: {answered:?}");
    };
    let mut cards = Vec::new();
    for tag in ["REPLACED", "DEACTIVATED", "HELD", "DISQUALIFIED", "WITHDRAWN", "SERVED"] {
        cards.push((tag, server.member_with_card("simple", tag).await));
    }
    server.clock(NOW).await;
    let second = server.stock("DEACTIVATED2").await;
    assert_eq!(server.activate(&cards[1].1.0, &second, "additional").await.status, 200);
    for tag in cards.iter().map(|(tag, _)| *tag).chain(["DEACTIVATED2"]) {
        assert_eq!(place.station.authorize(tag).await.unwrap(), "Accepted", "{tag}");
    }
    let new = server.stock("NEW").await;
    let (member, old) = &cards[0].1;
    post(
        format!("/members/{member}/cards/{old}/replace"),
        json!({"new_card_number": new.0, "activation_code": new.1}),
    )
    .await;
    place.until(&server, old, "block delivered local_list").await;
    post(format!("/cards/{}/deactivate", second.0), json!({})).await;
    place.until(&server, &second.0, "block delivered local_list").await;
    let (member, card) = &cards[2].1;
    post(format!("/members/{member}/hold"), json!({})).await;
    place.until(&server, card, "block delivered local_list").await;
    post(format!("/members/{member}/release"), json!({})).await;
    place.until(&server, card, "allow delivered local_list").await;
    // A ground that is known holds the cards at once, whenever the end comes.
    let (member, card) = &cards[3].1;
    post(
        format!("/members/{member}/disqualify"),
        json!({"ground": 1, "effective_at": "2024-06-15T00:00:00Z"}),
    )
    .await;
    place.until(&server, card, "block delivered local_list").await;
    let (member, card) = &cards[4].1;
    post(format!("/members/{member}/withdraw"), json!({})).await;
    place.until(&server, card, "block delivered local_list").await;
    // The service's end is set before one of its cards comes to a station.
    let ends = server
        .put("/service-end", &json!({"at": "2024-06-20T00:00:00Z", "notified_on": "2024-06-01"}))
        .await;
    assert_eq!(ends.status, 200, "{ends:?}");
    let (_, late) = server.member_with_card("simple", "LATE").await;
    assert_eq!(place.station.authorize("LATE").await.unwrap(), "Accepted");
    assert_eq!(delivery(&server, &late, "CP1").await, "");
    server.clock("2024-06-20T00:00:00Z").await;
    for card in [&late, &cards[5].1.1, &cards[2].1.1] {
        place.until(&server, card, "block delivered local_list").await;
    }
    for tag in ["REPLACED", "DEACTIVATED2", "HELD", "DISQUALIFIED", "WITHDRAWN", "SERVED", "LATE"] {
        assert!(!place.station.lets_charge_offline(tag), "{tag}");
    }
}

#[tokio::test]
async fn the_sessions_of_a_lost_card_are_stopped_only_where_that_is_set_and_nobody_waits_for_it() {
    for (set, stops) in [("true", 1), ("false", 0)] {
        let server = TestServer::with(NOW, &[("remote-stop-on-lost", set)]).await;
        let (_, card) = server.member_with_card("simple", CARD).await;
        let mut place = Place::open(&server, "CP1", &SharedMemory::new(false, true)).await;
        let session = place.station.start(1, CARD, NOW.parse().unwrap(), 0);
        place.station.flush(true).await.unwrap();
        let began = Instant::now();
        suspend(&server, &card).await;
        assert!(began.elapsed() < Duration::from_secs(10), "the station has not answered yet");
        place.until(&server, &card, "block delivered clear_cache").await;
        let deadline = Instant::now() + PATIENCE;
        while place.count("RemoteStopTransaction") < stops && Instant::now() < deadline {
            let _ = place.station.idle(Duration::from_millis(20)).await;
        }
        let stopped: Vec<Value> = place
            .commands()
            .into_iter()
            .filter(|(name, _)| name.starts_with("Remote"))
            .map(|(_, told)| told)
            .collect();
        let expected = json!({"transactionId": place.station.transaction(session).unwrap()});
        assert_eq!(stopped, vec![expected; stops], "remote-stop-on-lost = {set}");
    }
}

#[derive(Clone, Default)]
struct Lines(Arc<std::sync::Mutex<Vec<u8>>>);

impl std::io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn no_log_line_tells_what_readers_read_from_a_card() {
    let lines = Lines::default();
    let written = lines.clone();
    let filter = tracing_subscriber::EnvFilter::new("juden=trace");
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(move || written.clone())
        .with_ansi(false)
        .finish();
    let _told = tracing::subscriber::set_default(subscriber);
    let server = TestServer::at(NOW).await;
    let (_, card) = server.member_with_card("simple", CARD).await;
    let (_, long) = server.member_with_card("simple", "CARD4711NEVERTOLDANYWHERE").await;
    let mut place = Place::open(&server, "CP1", &SharedMemory::new(true, true)).await;
    place
        .memory
        .fail_next("SendLocalList", juden_fleet::memory::Fault::Error("FormationViolation"));
    for (tag, number) in [(CARD, &card), ("CARD4711NEVERTOLDANYWHERE", &long)] {
        place.station.authorize(tag).await.unwrap();
        suspend(&server, number).await;
    }
    place.until(&server, &card, "block delivered local_list").await;
    place.until(&server, &long, "block delivered clear_cache").await;
    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    assert!(text.contains("a station was told of cards"), "{text}");
    assert!(!text.contains(CARD), "{text}");
}

//! The journal holds enough to build every session again.

use juden_fleet::fleet::{FleetSetup, Progress, run};
use juden_fleet::plan::{PlanSetup, PlannedStation};
use juden_fleet::version::Version;
use juden_ocpp::frame::Payload;
use juden_ocpp::protocol::Protocol;
use juden_store::{Page, SessionFilter};
use serde_json::json;
use std::sync::Arc;

use crate::harness::{Socket, TestServer, start, stop, transaction};

#[tokio::test]
async fn sessions_built_again_from_the_journal_are_the_same_sessions() {
    for version in [Version::V16, Version::V201] {
        rebuild(version).await;
    }
}

async fn rebuild(version: Version) {
    let server = TestServer::at("2024-06-01T00:00:00Z").await;
    server.station("CP1").await;
    server.member_with_card("premium_100", "CARD1").await;
    server.clock("2024-06-30T00:00:00Z").await;
    let stations = vec![PlannedStation {
        station_id: "CP1".into(),
        version,
        quick: true,
        id_tags: vec!["CARD1".into(), "STRANGE".into()],
    }];
    let plan = PlanSetup {
        seed: 42,
        sessions_per_station: 12,
        from: "2024-06-02T00:00:00Z".parse().unwrap(),
        until: "2024-06-20T00:00:00Z".parse().unwrap(),
        readings: 2,
        offline_one_in: 2,
    };
    let setup = FleetSetup {
        url: server.ocpp_url(),
        password: None,
        time: Arc::new(|| "2024-06-30T00:00:00Z".parse().unwrap()),
        clock_offset: chrono::TimeDelta::zero(),
    };
    run(setup, plan, stations, Arc::new(Progress::default())).await;
    let mut socket =
        Socket::open(&format!("{}/CP1", server.ocpp_url()), Some("ocpp1.6"), None).await.unwrap();
    let id = transaction(
        &socket.call("StartTransaction", start("CARD1", "1970-01-01T00:00:00Z", 0)).await,
    );
    socket.call("StopTransaction", stop(id, "2024-06-29T00:00:00Z", -1)).await;
    socket.call("StopTransaction", stop(id, "2024-06-29T00:10:00Z", 5)).await;
    socket.call("StartTransaction", json!({})).await;

    let original = server.store().await;
    // What a driver is shown is added to an answer after it was kept.
    let again = TestServer::with("2024-06-01T00:00:00Z", &[("display-language", "none")]).await;
    again.station("CP1").await;
    again.member_with_card("premium_100", "CARD1").await;
    let app = &again.server().app;
    let record = app
        .stations
        .find(&juden_domain::ids::StationId::parse("CP1").unwrap())
        .await
        .unwrap()
        .unwrap();
    let journal = original.journal(0, 10_000).await.unwrap();
    assert!(journal.len() > 50);
    for entry in journal {
        let protocol =
            if entry.action == "TransactionEvent" { Protocol::V201 } else { Protocol::V16 };
        let event = protocol.decode(&entry.action, Payload::Json(&entry.payload)).unwrap();
        let call = juden_core::station_call::StationCall {
            station: record.clone(),
            fence: juden_core::cluster::Fence::default(),
            heard: juden_domain::instant::Heard {
                received_at: entry.received_at,
                connected_since: entry.connected_since,
                clock: entry.clock,
            },
            message_id: entry.message_id,
            protocol,
            action: entry.action,
            payload: entry.payload,
        };
        let (_answered, written) = tokio::sync::oneshot::channel();
        let answer = app.calls.handle(call, event, written).await.unwrap();
        assert_eq!(answer, entry.answer, "the answers are the same, word for word");
    }
    let all = |store: Arc<dyn juden_store::Store>| async move {
        let mut sessions = store
            .sessions(&SessionFilter::default(), &Page { after: None, limit: 1000 })
            .await
            .unwrap();
        // States of connectors show charging too; they are no transaction messages.
        for session in &mut sessions {
            session.trail.charging_seen = None;
        }
        sessions
    };
    assert_eq!(all(again.store().await).await, all(original).await);
}

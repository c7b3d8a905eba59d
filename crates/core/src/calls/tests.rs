use juden_domain::instant::Heard;
use juden_domain::station::Registration;
use juden_ocpp::frame::{ErrorCode, Payload};
use juden_ocpp::protocol::Protocol;
use tokio::sync::oneshot;

use crate::app::App;
use crate::cluster::Fence;
use crate::station_call::StationCall;
use crate::stations::registry::StationDraft;
use crate::testing::{Ground, station_draft, station_id};

/// What a station is answered.
async fn answer(app: &App, action: &str, payload: &str) -> Result<String, ErrorCode> {
    let station = app.stations.find(&station_id("CP1")).await.unwrap().unwrap();
    let event = Protocol::V16.decode(action, Payload::Json(payload)).unwrap();
    let now = app.now();
    let call = StationCall {
        station,
        fence: Fence::default(),
        heard: Heard { received_at: now, connected_since: now, clock: None },
        message_id: "1".into(),
        protocol: Protocol::V16,
        action: action.into(),
        payload: payload.into(),
    };
    let (_answered, written) = oneshot::channel();
    app.calls.handle(call, event, written).await.map_err(|error| error.code)
}

#[tokio::test]
async fn a_card_that_nobody_has_is_invalid_and_its_session_is_kept_all_the_same() {
    let ground = Ground::at("2024-06-10T00:00:00Z").await;
    let app = ground.app().await;
    app.stations.put_station(&station_id("CP1"), station_draft()).await.unwrap();
    let shown = answer(&app, "Authorize", r#"{"idTag":"NOBODY"}"#).await.unwrap();
    assert!(shown.contains("Invalid"), "{shown}");
    let start =
        r#"{"connectorId":1,"idTag":"NOBODY","timestamp":"2024-06-10T00:00:00Z","meterStart":0}"#;
    let started = answer(&app, "StartTransaction", start).await.unwrap();
    assert_eq!(answer(&app, "StartTransaction", start).await.unwrap(), started, "a repeat");
    let session = app.sessions.find_session("1").await.unwrap();
    assert!(session.refusal.is_some() && session.member.is_none());
}

#[tokio::test]
async fn a_station_that_is_not_accepted_yet_may_only_boot() {
    let ground = Ground::at("2024-06-10T00:00:00Z").await;
    let app = ground.app().await;
    let pending = StationDraft { registration: Some(Registration::Pending), ..station_draft() };
    app.stations.put_station(&station_id("CP1"), pending).await.unwrap();
    assert_eq!(answer(&app, "Heartbeat", "{}").await, Err(ErrorCode::SecurityError));
    let boot = r#"{"chargePointVendor":"Maker","chargePointModel":"Quick"}"#;
    let booted = answer(&app, "BootNotification", boot).await.unwrap();
    assert!(booted.contains("Pending"), "{booted}");
}

//! Whose stop it is, what a charger's clock says, sessions whose stop never comes, names used again (R6.2b, B6, B8 to B10).

use serde_json::{Value, json};

use super::story::{Story, utc};
use crate::harness::{Socket, has_flag, start, status, stop, transaction};

/// A story on an afternoon of November, with a station of two quick connectors beside the usual ones.
pub(super) async fn november() -> (Story, String) {
    let story = Story::at("2026-11-02 09:00").await;
    let (member, _) = story.active("simple", "CARD1").await;
    story.active("simple", "CARD2").await;
    story
        .put(
            "/stations/D1",
            &json!({"site": "Yokohama", "connectors": [
        {"connector_id": 1, "charger_class": "quick", "session_cap_min": 100_000},
        {"connector_id": 2, "charger_class": "quick", "session_cap_min": 100_000}]}),
        )
        .await;
    story.clock("2026-11-30 12:00").await;
    (story, member)
}

pub(super) async fn old(story: &Story, station: &str) -> Socket {
    Socket::open(&format!("{}/{station}", story.server.ocpp_url()), Some("ocpp1.6"), None)
        .await
        .unwrap()
}

pub(super) async fn newer(story: &Story, station: &str) -> Socket {
    Socket::open(&format!("{}/{station}", story.server.ocpp_url()), Some("ocpp2.0.1"), None)
        .await
        .unwrap()
}

/// A connector's state as the station's clock shows it.
pub(super) async fn state(socket: &mut Socket, connector: i64, status: &str, at: &str) {
    let told = json!({"connectorId": connector, "status": status, "errorCode": "NoError", "timestamp": at});
    assert_eq!(socket.call("StatusNotification", told).await[0], 3);
}

pub(super) async fn boot(socket: &mut Socket) {
    let answer = socket
        .call("BootNotification", json!({"chargePointVendor": "V", "chargePointModel": "M"}))
        .await;
    assert_eq!(answer[2]["status"], "Accepted");
}

pub(super) async fn reading(socket: &mut Socket, connector: i64, number: i64, at: &str, wh: i64) {
    let value =
        json!([{"timestamp": at, "sampledValue": [{"value": wh.to_string(), "unit": "Wh"}]}]);
    socket
        .call(
            "MeterValues",
            json!({"connectorId": connector, "transactionId": number, "meterValue": value}),
        )
        .await;
}

pub(super) fn begin(connector: i64, tag: &str, at: &str, meter: i64) -> Value {
    json!({"connectorId": connector, "idTag": tag, "timestamp": at, "meterStart": meter})
}

/// Units, state and month of a session.
async fn told(story: &Story, number: i64) -> (Value, String, String, Value) {
    let session = story.server.session(number).await;
    let text = |key: &str| session[key].as_str().unwrap().to_owned();
    (session["units"].clone(), text("state"), text("usage_month"), session)
}

#[tokio::test]
async fn w98_a_start_that_comes_late_over_a_standing_connection_keeps_its_month_where_the_clock_is_right()
 {
    let (story, _) = november().await;
    story.clock("2026-11-30 23:57:00").await;
    let mut socket = old(&story, "Q1").await;
    state(&mut socket, 1, "Preparing", &utc("2026-11-30 23:57:02")).await;
    story.clock("2026-12-01 00:03:00").await;
    let number = transaction(
        &socket.call("StartTransaction", start("CARD1", &utc("2026-11-30 23:58:10"), 100)).await,
    );
    story.clock("2026-12-01 00:28:10").await;
    socket.call("StopTransaction", stop(number, &utc("2026-12-01 00:28:10"), 9_000)).await;
    let (units, state, month, session) = told(&story, number).await;
    assert_eq!(
        (units, state.as_str(), month.as_str()),
        (json!(30), "ended", "2026-11"),
        "{session}"
    );
    assert!(has_flag(&session, "delivered_late"), "{session}");
    assert_eq!(session["clock_offset_ms"], 2_000);
}

#[tokio::test]
async fn w99_a_clock_at_a_default_of_any_year_is_corrected() {
    for base in ["1970-01-01T00:0", "2000-01-01T00:0", "2023-01-01T00:0"] {
        let (story, _) = november().await;
        let mut socket = old(&story, "Q1").await;
        boot(&mut socket).await;
        state(&mut socket, 1, "Preparing", &format!("{base}0:30Z")).await;
        story.clock("2026-11-30 12:00:30").await;
        let number = transaction(
            &socket.call("StartTransaction", start("CARD1", &format!("{base}1:00Z"), 100)).await,
        );
        story.clock("2026-11-30 12:08:30").await;
        socket.call("StopTransaction", stop(number, &format!("{base}9:00Z"), 5_000)).await;
        let (units, state, month, session) = told(&story, number).await;
        assert_eq!(
            (units, state.as_str(), month.as_str()),
            (json!(8), "ended", "2026-11"),
            "{base} {session}"
        );
        assert!(has_flag(&session, "clock_corrected"), "{session}");
    }
}

#[tokio::test]
async fn w100_without_evidence_of_that_boots_clock_a_time_long_ago_is_a_review() {
    let (story, _) = november().await;
    let mut socket = old(&story, "Q1").await;
    boot(&mut socket).await;
    state(&mut socket, 1, "Available", &utc("2026-11-30 12:00:01")).await;
    let number = transaction(
        &socket.call("StartTransaction", start("CARD1", "2023-01-01T00:01:00Z", 100)).await,
    );
    socket.call("StopTransaction", stop(number, "2023-01-01T00:31:00Z", 5_000)).await;
    let (_, state, _, session) = told(&story, number).await;
    assert_eq!(state, "review", "{session}");
    let name = session["session_id"].as_str().unwrap();
    let bill = story
        .server
        .post(&format!("/sessions/{name}/decision"), &json!({"decision": "bill"}))
        .await;
    assert_eq!(
        (bill.status, bill.json()["reason"].as_str()),
        (409, Some("before_service_start")),
        "{bill:?}"
    );
    assert_eq!(story.server.session(number).await["state"], "review");
    assert_eq!(
        story.post(&format!("/sessions/{name}/decision"), &json!({"decision": "waive"})).await["state"],
        "waived"
    );
}

#[tokio::test]
async fn w101_a_live_stop_whose_clock_fell_back_ends_by_the_receipts() {
    for names_it in [true, false] {
        let (story, _) = november().await;
        story.clock("2026-11-30 20:27:00").await;
        let mut socket = old(&story, "Q1").await;
        story.clock("2026-11-30 20:28:00").await;
        let number = transaction(
            &socket
                .call("StartTransaction", start("CARD1", &utc("2026-11-30 20:28:00"), 100))
                .await,
        );
        story.clock("2026-11-30 20:38:00").await;
        let named = if names_it { number } else { -1 };
        socket.call("StopTransaction", stop(named, &utc("2026-11-30 20:17:05"), 5_000)).await;
        let (units, state, _, session) = told(&story, number).await;
        assert_eq!((units, state.as_str()), (json!(10), "ended"), "{names_it} {session}");
        assert!(has_flag(&session, "clock_behind"), "{session}");
    }
}

#[tokio::test]
async fn w102_a_stop_that_is_not_ours_ends_no_other_drivers_session() {
    let strays = [
        json!(170_917_607),
        json!(0),
        json!(-1),
        json!(i64::MAX),
        json!(null),
        json!("abc"),
        json!("999"),
    ];
    for stray in strays {
        let (story, _) = november().await;
        let mut socket = old(&story, "D1").await;
        let number = transaction(
            &socket
                .call("StartTransaction", begin(2, "CARD1", &utc("2026-11-30 12:00:00"), 1_000))
                .await,
        );
        story.clock("2026-11-30 12:05:00").await;
        reading(&mut socket, 2, number, &utc("2026-11-30 12:05:00"), 4_000).await;
        story.clock("2026-11-30 12:10:00").await;
        let mut message = json!({"timestamp": utc("2026-11-30 12:10:00"), "meterStop": 87_000});
        if !stray.is_null() {
            message["transactionId"] = stray.clone();
        }
        assert_eq!(socket.call("StopTransaction", message).await[0], 3, "{stray}");
        assert_eq!(story.server.session(number).await["state"], "open", "{stray}");
        story.clock("2026-11-30 12:30:00").await;
        socket.call("StopTransaction", stop(number, &utc("2026-11-30 12:30:00"), 21_000)).await;
        let (units, state, _, session) = told(&story, number).await;
        assert_eq!(
            (units, state.as_str(), &session["energy_wh"]),
            (json!(30), "ended", &json!(20_000)),
            "{stray} {session}"
        );
        let messages =
            story.server.get("/stations/D1/messages?unmatched=true&action=StopTransaction").await;
        assert_eq!(
            messages["items"].as_array().unwrap().len(),
            1,
            "the stray stop is evidence: {messages}"
        );
    }
}

#[tokio::test]
async fn w103_the_stop_of_the_session_before_queued_for_days_touches_nobody() {
    let (story, _) = november().await;
    let mut socket = old(&story, "Q1").await;
    let number = transaction(
        &socket.call("StartTransaction", start("CARD1", &utc("2026-11-30 12:00:00"), 5_000)).await,
    );
    story.clock("2026-11-30 12:00:03").await;
    socket.call("StopTransaction", stop(170_851_936, &utc("2026-11-30 12:00:03"), 5_000)).await;
    assert_eq!(story.server.session(number).await["state"], "open");
    story.clock("2026-11-30 12:30:00").await;
    socket.call("StopTransaction", stop(number, &utc("2026-11-30 12:30:00"), 9_000)).await;
    assert_eq!(told(&story, number).await.0, json!(30));
}

#[tokio::test]
async fn w104_a_guess_gives_way_to_the_true_stop_before_the_close_and_after_it() {
    for after_close in [false, true] {
        let (story, member) = november().await;
        let mut socket = old(&story, "Q1").await;
        let number = transaction(
            &socket
                .call("StartTransaction", start("CARD1", &utc("2026-11-30 12:00:00"), 5_000))
                .await,
        );
        story.clock("2026-11-30 12:20:00").await;
        let mut guessed = stop(-1, &utc("2026-11-30 12:20:00"), 9_000);
        guessed["idTag"] = json!("CARD1");
        socket.call("StopTransaction", guessed.clone()).await;
        let (units, state, _, session) = told(&story, number).await;
        assert_eq!((units, state.as_str()), (json!(20), "ended"), "{session}");
        assert!(has_flag(&session, "matched_by_content"), "{session}");
        if after_close {
            story.clock("2026-12-06 00:00:00").await;
            // The station was away for days; what it had queued comes after it is back.
            socket = old(&story, "Q1").await;
        }
        socket.call("StopTransaction", stop(number, &utc("2026-11-30 12:30:00"), 12_000)).await;
        let (units, state, _, session) = told(&story, number).await;
        assert_eq!((units, state.as_str()), (json!(30), "ended"), "{session}");
        assert!(
            has_flag(&session, "end_replaced") && !has_flag(&session, "matched_by_content"),
            "{session}"
        );
        socket.call("StopTransaction", guessed).await;
        assert_eq!(
            story.server.sessions_at("Q1").await.len(),
            1,
            "the guess is evidence, not a session of its own"
        );
        let (month, code, yen) = if after_close {
            ("2026-12", "adjustment", "990")
        } else {
            ("2026-11", "metered_quick", "2970")
        };
        assert_eq!(story.bill(&member, month).await.yen(code), [yen]);
    }
}

/// An event of a transaction of OCPP 2.0.1.
pub(super) fn event(
    name: &str,
    kind: &str,
    number: i64,
    at: &str,
    tag: Option<&str>,
    wh: i64,
) -> Value {
    let mut event = json!({"eventType": kind, "timestamp": utc(at), "triggerReason": "Authorized", "seqNo": number,
        "transactionInfo": {"transactionId": name, "chargingState": "Charging"}, "evse": {"id": 1, "connectorId": 1},
        "meterValue": [{"timestamp": utc(at), "sampledValue": [{"value": wh}]}]});
    if let Some(tag) = tag {
        event["idToken"] = json!({"idToken": tag, "type": "ISO14443"});
    }
    event
}

#[tokio::test]
async fn w105_w106_a_name_that_is_used_again_is_another_drivers_transaction() {
    for lost in [false, true] {
        let (story, _) = november().await;
        let mut socket = newer(&story, "Q1").await;
        socket
            .call(
                "TransactionEvent",
                event("1", "Started", 0, "2026-11-30 12:00:00", Some("CARD1"), 0),
            )
            .await;
        story.clock("2026-11-30 12:10:00").await;
        socket
            .call("TransactionEvent", event("1", "Updated", 1, "2026-11-30 12:10:00", None, 4_000))
            .await;
        drop(socket);
        if lost {
            let card = story.server.session(1).await;
            let other = story.server.get("/members/M-000002").await["cards"][0]["card_number"]
                .as_str()
                .unwrap()
                .to_owned();
            assert_ne!(card["card_number"], json!(other));
            story.post(&format!("/cards/{other}/suspend"), &json!({"reason": "lost"})).await;
        }
        story.clock("2026-11-30 14:00:00").await;
        let mut socket = newer(&story, "Q1").await;
        let boot =
            json!({"reason": "PowerUp", "chargingStation": {"vendorName": "V", "model": "M"}});
        socket.call("BootNotification", boot).await;
        let answer = socket
            .call(
                "TransactionEvent",
                event("1", "Started", 0, "2026-11-30 14:00:00", Some("CARD2"), 0),
            )
            .await;
        assert_eq!(
            answer[2]["idTokenInfo"]["status"],
            if lost { "Blocked" } else { "Accepted" },
            "{answer}"
        );
        story.clock("2026-11-30 14:30:00").await;
        socket
            .call("TransactionEvent", event("1", "Ended", 1, "2026-11-30 14:30:00", None, 9_000))
            .await;
        let sessions = story.server.sessions_at("Q1").await;
        let told: Vec<(&Value, &Value, &Value)> = sessions
            .iter()
            .map(|one| (&one["card_number"], &one["units"], &one["state"]))
            .collect();
        let second = if lost { "exception" } else { "ended" };
        let expected = [
            (json!("C-00000001"), json!(10), json!("review")),
            (json!("C-00000002"), json!(30), json!(second)),
        ];
        assert_eq!(
            told,
            expected.iter().map(|(card, units, state)| (card, units, state)).collect::<Vec<_>>()
        );
        assert!(
            has_flag(&sessions[0], "end_estimated")
                && has_flag(&sessions[0], "transaction_name_used_again"),
            "{}",
            sessions[0]
        );
    }
}

/// A session whose stop never comes: its last reading at 12:30, its connector available at 12:40, a boot at 12:50.
async fn without_stop(story: &Story) -> (Socket, i64) {
    let mut socket = old(story, "Q1").await;
    let number = transaction(
        &socket.call("StartTransaction", start("CARD1", &utc("2026-11-30 12:00:00"), 0)).await,
    );
    for (minute, wh) in [("15", 3_000), ("30", 6_000)] {
        story.clock(&format!("2026-11-30 12:{minute}:00")).await;
        reading(&mut socket, 1, number, &utc(&format!("2026-11-30 12:{minute}:00")), wh).await;
    }
    story.clock("2026-11-30 12:40:00").await;
    state(&mut socket, 1, "Available", &utc("2026-11-30 12:40:00")).await;
    story.clock("2026-11-30 12:50:00").await;
    boot(&mut socket).await;
    (socket, number)
}

#[tokio::test]
async fn w107_a_session_whose_stop_never_comes_frees_its_card_at_once_and_can_be_settled() {
    for (asked, state_then, units) in [
        (json!({"kind": "bill", "reason": "as measured"}), "ended", 30),
        (
            json!({"kind": "end", "stopped_at": utc("2026-11-30 12:25:00"), "reason": "the member's word"}),
            "ended",
            25,
        ),
        (json!({"kind": "waive", "reason": "goodwill"}), "waived", 30),
    ] {
        let (story, member) = november().await;
        let (_socket, number) = without_stop(&story).await;
        let (told_units, state, _, session) = told(&story, number).await;
        assert_eq!((told_units, state.as_str()), (json!(30), "review"), "{session}");
        assert!(
            has_flag(&session, "end_estimated") && has_flag(&session, "connector_available"),
            "{session}"
        );
        let mut elsewhere = old(&story, "Q2").await;
        let accepted = elsewhere
            .call("StartTransaction", start("CARD1", &utc("2026-11-30 12:50:00"), 0))
            .await;
        assert_eq!(status(&accepted), "Accepted");
        let name = session["session_id"].as_str().unwrap();
        let settled = story.post(&format!("/sessions/{name}/corrections"), &asked).await;
        assert_eq!(
            (&settled["state"], &settled["session"]["state"]),
            (&json!("done"), &json!(state_then)),
            "{settled}"
        );
        assert_eq!(settled["session"]["units"], units, "{settled}");
        let metered: Vec<String> =
            if state_then == "ended" { vec![(units * 99).to_string()] } else { Vec::new() };
        assert_eq!(story.bill(&member, "2026-11").await.yen("metered_quick"), metered);
    }
}

#[tokio::test]
async fn w108_the_real_stop_after_the_close_is_an_adjustment() {
    let (story, member) = november().await;
    let (mut socket, number) = without_stop(&story).await;
    let name = told(&story, number).await.3["session_id"].as_str().unwrap().to_owned();
    story.post(&format!("/sessions/{name}/decision"), &json!({"decision": "bill"})).await;
    story.clock("2026-12-06 00:00:00").await;
    assert_eq!(story.closed(&member, "2026-11").await.yen("metered_quick"), ["2970"]);
    socket.call("StopTransaction", stop(number, &utc("2026-11-30 12:35:00"), 7_000)).await;
    assert_eq!(told(&story, number).await.0, json!(35));
    story.clock("2027-01-06 00:00:00").await;
    assert_eq!(story.closed(&member, "2026-12").await.yen("adjustment"), ["495"], "five minutes");
}

#[tokio::test]
async fn a_booted_charger_that_does_not_go_on_within_five_minutes_is_done_with_the_session() {
    let (story, _) = november().await;
    let mut socket = old(&story, "Q1").await;
    let number = transaction(
        &socket.call("StartTransaction", start("CARD1", &utc("2026-11-30 12:00:00"), 0)).await,
    );
    story.clock("2026-11-30 12:10:00").await;
    reading(&mut socket, 1, number, &utc("2026-11-30 12:10:00"), 3_000).await;
    story.clock("2026-11-30 12:12:00").await;
    boot(&mut socket).await;
    story.clock("2026-11-30 12:17:00").await;
    assert_eq!(told(&story, number).await.1, "open");
    story.clock("2026-11-30 12:17:01").await;
    let (units, state, _, session) = told(&story, number).await;
    assert_eq!((units, state.as_str()), (json!(10), "review"), "{session}");
    assert!(has_flag(&session, "station_booted"), "{session}");
    // It went on all the same.
    reading(&mut socket, 1, number, &utc("2026-11-30 12:17:30"), 4_000).await;
    assert_eq!(told(&story, number).await.1, "open");
}

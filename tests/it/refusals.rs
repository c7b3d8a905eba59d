//! Every refusal that the rules name: at the charger by its status and the session's refusal, in the
//! API by its reason and article.

use juden_domain::refusal::Reason;
use serde_json::{Value, json};

use crate::examples::story::{Story, assert_refused, instant, utc};
use crate::harness::{Answered, has_flag, start, status, transaction};

/// All 28 codes of the rules with the articles that each may rest on.
const CODES: [(&str, &[&str]); 28] = [
    ("unknown_card", &["4.2"]),
    ("not_activated", &["3.1", "9.4"]),
    ("replaced", &["3.8"]),
    ("deactivated", &["9.5"]),
    ("suspended_lost", &["3.6"]),
    ("suspended_operator", &["14.2", "13.1"]),
    ("membership_ended", &["13.7", "3.1"]),
    ("service_ended", &["18"]),
    ("service_suspended", &["16"]),
    ("off_network", &["4.1"]),
    ("charger_unavailable", &["4.3(3)"]),
    ("concurrent", &["policy"]),
    ("primary_exists", &["3.1"]),
    ("additional_limit", &["9.1"]),
    ("dead_card", &["3.8", "9.5"]),
    ("not_additional", &["9.5"]),
    ("bad_code", &["3.1"]),
    ("term_closed", &["8.1"]),
    ("too_early", &["13.5"]),
    ("already_effective", &["7"]),
    ("read_only", &["13.7"]),
    ("notice_too_short", &["19.1"]),
    ("purpose_refused", &["17.3"]),
    ("ground_known", &["13.1"]),
    ("not_applied", &["2.1"]),
    ("not_in_stock", &["3.1"]),
    ("card_not_dead", &["3.9"]),
    ("nothing_pending", &["7"]),
];

#[test]
fn every_reason_rests_on_its_article_and_none_is_missing() {
    for reason in Reason::ALL {
        let listed = CODES.iter().find(|(code, _)| *code == reason.code());
        let (code, articles) = listed.unwrap_or_else(|| panic!("{reason:?} is not listed"));
        assert!(articles.contains(&reason.article()), "{code}: {}", reason.article());
    }
    for (code, _) in CODES {
        assert!(Reason::from_code(code).is_some(), "{code} is not known");
    }
}

/// What a charger is told of a card now, at the tap and at the start; the refusal that the session of
/// the start is kept with, and its state.
async fn at_charger(
    story: &Story,
    station: &str,
    id_tag: &str,
    connector: i64,
) -> (String, String, Value, Value) {
    let tapped = story.authorize_at(station, id_tag).await;
    let mut socket = story.server.socket(station).await;
    let now = story.server.get("/clock").await["now"].as_str().unwrap().to_owned();
    let mut message = start(id_tag, &now, 0);
    message["connectorId"] = json!(connector);
    let started = socket.call("StartTransaction", message).await;
    let session = story.server.session(transaction(&started)).await;
    let listed = story.server.sessions_at(station).await;
    let found = listed.iter().find(|one| one["session_id"] == session["session_id"]).unwrap();
    assert_eq!(found["refusal"], session["refusal"]);
    (tapped, status(&started).to_owned(), session["refusal"].clone(), session["state"].clone())
}

/// That tap and start are refused with a status, and that the session shows why.
#[track_caller]
fn assert_told(told: &(String, String, Value, Value), status: &str, refusal: &str, state: &str) {
    let expected = (status.to_owned(), status.to_owned(), json!(refusal), json!(state));
    assert_eq!(told, &expected, "{refusal}");
}

pub async fn suspend(story: &Story, card: &str, reason: &str) -> Answered {
    story.server.post(&format!("/cards/{card}/suspend"), &json!({"reason": reason})).await
}

pub async fn resume(story: &Story, card: &str, reason: &str) -> Answered {
    story.server.post(&format!("/cards/{card}/resume"), &json!({"reason": reason})).await
}

pub async fn replace(
    story: &Story,
    member: &str,
    old: &str,
    (number, code): &(String, String),
) -> Answered {
    let body = json!({"new_card_number": number, "activation_code": code});
    story.server.post(&format!("/members/{member}/cards/{old}/replace"), &body).await
}

pub async fn change(story: &Story, member: &str, body: &Value) -> Answered {
    story.server.put(&format!("/members/{member}/plan-change"), body).await
}

pub async fn post(story: &Story, path: &str) -> Answered {
    story.server.post(path, &json!({})).await
}

#[tokio::test]
async fn the_charger_is_told_of_a_card_that_is_not_valid() {
    let story = Story::at("2024-04-10 09:00").await;
    story.server.stock("STOCK").await;
    let (member, old) = story.active("simple", "OLD").await;
    let new = story.server.stock("NEW").await;
    assert_eq!(replace(&story, &member, &old, &new).await.status, 200);
    let given_up = story.card(&member, "GIVENUP", "additional").await;
    assert_eq!(post(&story, &format!("/cards/{given_up}/deactivate")).await.status, 200);
    let (_, lost) = story.active("simple", "LOST").await;
    assert_eq!(suspend(&story, &lost, "lost").await.status, 200);
    let (_, held) = story.active("simple", "HELD").await;
    assert_eq!(suspend(&story, &held, "operator").await.status, 200);
    let (held_member, _) = story.active("simple", "HOLD").await;
    story.post(&format!("/members/{held_member}/hold"), &json!({})).await;
    let (known, _) = story.active("simple", "KNOWN").await;
    story
        .post(
            &format!("/members/{known}/disqualify"),
            &json!({"ground": 5, "effective_at": utc("2024-04-20 00:00")}),
        )
        .await;
    story.clock("2024-04-10 10:00").await;
    for (id_tag, status, refusal, state) in [
        ("NOBODY", "Invalid", "unknown_card", "quarantined"),
        ("STOCK", "Invalid", "not_activated", "exception"),
        ("OLD", "Blocked", "replaced", "exception"),
        ("GIVENUP", "Blocked", "deactivated", "exception"),
        ("LOST", "Blocked", "suspended_lost", "exception"),
        ("HELD", "Blocked", "suspended_operator", "exception"),
        ("HOLD", "Blocked", "suspended_operator", "exception"),
        ("KNOWN", "Blocked", "suspended_operator", "exception"),
    ] {
        assert_told(&at_charger(&story, "Q1", id_tag, 1).await, status, refusal, state);
    }
    assert_eq!(story.authorize("NEW").await, "Accepted");
}

#[tokio::test]
async fn the_charger_is_told_of_an_end() {
    let story = Story::at("2024-04-10 09:00").await;
    let (left, _) = story.active("simple", "LEFT").await;
    let (ended, _) = story.active("simple", "ENDED").await;
    story.active("simple", "SERVED").await;
    story.member("simple").await;
    story.clock("2024-05-02 10:00").await;
    story.post(&format!("/members/{left}/withdraw"), &json!({})).await;
    story.post(&format!("/members/{ended}/disqualify"), &json!({"ground": 1})).await;
    let end = json!({"at": utc("2024-06-01 00:00"), "notified_on": "2024-05-01"});
    story.put("/service-end", &end).await;
    story.clock("2024-05-02 11:00").await;
    for id_tag in ["LEFT", "ENDED"] {
        assert_told(
            &at_charger(&story, "Q1", id_tag, 1).await,
            "Expired",
            "membership_ended",
            "exception",
        );
    }
    assert_eq!(story.authorize("SERVED").await, "Accepted");
    story.clock("2024-06-01 00:00").await;
    assert_told(
        &at_charger(&story, "Q1", "SERVED", 1).await,
        "Expired",
        "service_ended",
        "exception",
    );
    assert_refused(&story.server.put("/service-end", &end).await, "service_ended", "18");
    let applicant = json!({"name": "Baba", "kind": "corporation", "email": "baba@example.jp", "plan": "simple",
        "payment_method": {"kind": "invoice"}});
    assert_refused(&story.server.post("/members", &applicant).await, "service_ended", "18");
}

#[tokio::test]
async fn the_charger_is_told_of_its_own_place() {
    let story = Story::at("2024-04-10 09:00").await;
    story.active("simple", "CARD1").await;
    story.station("K1", "quick", "Kobe").await;
    story.post("/suspensions", &json!({"scope": "both", "sites": ["Kobe"], "reason": 3})).await;
    story.clock("2024-04-10 10:00").await;
    assert_told(
        &at_charger(&story, "K1", "CARD1", 1).await,
        "Blocked",
        "service_suspended",
        "exception",
    );
    // A connector that the station's record does not list. The tap names no connector.
    let (_, started, refusal, state) = at_charger(&story, "Q1", "CARD1", 7).await;
    assert_eq!(
        (started.as_str(), refusal, state),
        ("Invalid", json!("off_network"), json!("quarantined"))
    );
}

#[tokio::test]
async fn the_charger_is_told_that_it_is_closed_or_in_maintenance() {
    let story = Story::at("2024-04-10 09:00").await;
    story.active("simple", "CARD1").await;
    for (station, availability) in [("C1", "closed"), ("C2", "maintenance")] {
        let body = json!({"site": "Chiba", "availability": availability, "connectors": [{"connector_id": 1, "charger_class": "quick"}]});
        story.put(&format!("/stations/{station}"), &body).await;
        story
            .clock(if availability == "closed" { "2024-04-10 10:00" } else { "2024-04-10 11:00" })
            .await;
        let (tapped, started, ..) = at_charger(&story, station, "CARD1", 1).await;
        assert_eq!((tapped.as_str(), started.as_str()), ("Invalid", "Invalid"), "{availability}");
        // The charger's own refusal passes: unlike a card's, it may be believed for minutes only.
        let answer =
            story.server.socket(station).await.call("Authorize", json!({"idTag": "CARD1"})).await;
        let believed_until: chrono::DateTime<chrono::Utc> =
            answer[2]["idTagInfo"]["expiryDate"].as_str().unwrap().parse().unwrap();
        assert!(believed_until < instant("2024-04-10 11:30"), "{answer}");
    }
}

#[tokio::test]
async fn the_charger_is_told_that_the_card_is_in_use() {
    let story = Story::at("2024-04-10 09:00").await;
    let (member, _) = story.active("simple", "CARD1").await;
    story.card(&member, "CARD2", "additional").await;
    story.clock("2024-04-10 10:00").await;
    let (_, _first) = story.begin("Q1", "CARD1").await;
    story.clock("2024-04-10 10:05").await;
    let mut second = story.server.socket("Q2").await;
    let refused =
        second.call("StartTransaction", start("CARD1", &utc("2024-04-10 10:05"), 0)).await;
    assert_eq!(status(&refused), "ConcurrentTx");
    assert!(has_flag(&story.server.session(transaction(&refused)).await, "concurrent"));
    let (tapped, started, refusal, state) = at_charger(&story, "N1", "CARD2", 1).await;
    assert_eq!(
        (tapped.as_str(), started.as_str(), refusal, state),
        ("Accepted", "Accepted", Value::Null, json!("open")),
        "both may charge"
    );
}

#[tokio::test]
async fn a_card_in_use_is_refused_although_the_second_chargers_clock_is_a_little_slow() {
    let story = Story::at("2024-04-10 09:00").await;
    story.active("simple", "CARD1").await;
    story.clock("2024-04-10 10:00").await;
    let mut second = story.server.socket("Q2").await;
    story.clock("2024-04-10 10:00:30").await;
    let (_, _first) = story.begin("Q1", "CARD1").await;
    story.clock("2024-04-10 10:00:40").await;
    // Twenty seconds slow: within what a clock may differ.
    let refused =
        second.call("StartTransaction", start("CARD1", &utc("2024-04-10 10:00:20"), 0)).await;
    assert_eq!(status(&refused), "ConcurrentTx");
}

#[tokio::test]
async fn a_start_that_was_told_no_shows_it_although_the_stations_clock_lies_before_the_suspension()
{
    let story = Story::at("2024-04-10 09:00").await;
    let (_, card) = story.active("simple", "CARD1").await;
    story.clock("2024-04-10 10:00").await;
    let mut socket = story.server.socket("Q1").await;
    story.clock("2024-04-10 10:15").await;
    story.post(&format!("/cards/{card}/suspend"), &json!({"reason": "lost"})).await;
    let answer =
        socket.call("StartTransaction", start("CARD1", &utc("2024-04-10 10:14:40"), 0)).await;
    assert_eq!(status(&answer), "Blocked");
    let session = story.server.session(crate::harness::transaction(&answer)).await;
    assert_eq!((&session["state"], &session["refusal"]), (&json!("open"), &json!(null)));
    assert!(crate::harness::has_flag(&session, "refused_when_heard"), "{session}");
}

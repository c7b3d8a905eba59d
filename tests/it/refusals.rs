//! Every refusal that the rules name: at the charger by its status and the session's refusal, in the
//! API by its reason and article.

use juden_domain::refusal::Reason;
use serde_json::{Value, json};

use crate::examples::story::{Story, assert_refused, instant, utc};
use crate::harness::{Answered, has_flag, start, status, transaction};

/// Every reason code of the rules with its articles.
const CODES: [(&str, &[&str]); 22] = [
    ("unknown_card", &["4.2"]),
    ("not_activated", &["3.1", "9.4"]),
    ("replaced", &["3.8"]),
    ("deactivated", &["9.5"]),
    ("suspended_lost", &["3.6"]),
    ("suspended_operator", &["14.2", "13.1"]),
    ("membership_ended", &["13.7", "3.1"]),
    ("service_suspended", &["16"]),
    ("service_ended", &["18"]),
    ("off_network", &["4.1"]),
    ("charger_unavailable", &["4.3(3)"]),
    ("concurrent", &["policy"]),
    ("primary_exists", &["3.1"]),
    ("additional_limit", &["9.1"]),
    ("dead_card", &["3.8", "9.5"]),
    ("bad_code", &["3.1"]),
    ("too_early", &["13.5"]),
    ("already_effective", &["7"]),
    ("term_closed", &["8.1"]),
    ("read_only", &["13.7"]),
    ("notice_too_short", &["19.1"]),
    ("purpose_refused", &["17.3"]),
];

#[test]
fn every_reason_rests_on_its_article() {
    for (code, articles) in CODES {
        let reason = Reason::from_code(code).unwrap_or_else(|| panic!("{code} is not known"));
        assert!(articles.contains(&reason.article()), "{code}: {}", reason.article());
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

async fn suspend(story: &Story, card: &str, reason: &str) -> Answered {
    story.server.post(&format!("/cards/{card}/suspend"), &json!({"reason": reason})).await
}

async fn resume(story: &Story, card: &str, reason: &str) -> Answered {
    story.server.post(&format!("/cards/{card}/resume"), &json!({"reason": reason})).await
}

async fn replace(
    story: &Story,
    member: &str,
    old: &str,
    (number, code): &(String, String),
) -> Answered {
    let body = json!({"new_card_number": number, "activation_code": code});
    story.server.post(&format!("/members/{member}/cards/{old}/replace"), &body).await
}

async fn change(story: &Story, member: &str, body: &Value) -> Answered {
    story.server.put(&format!("/members/{member}/plan-change"), body).await
}

async fn post(story: &Story, path: &str) -> Answered {
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

#[tokio::test]
async fn activations_are_refused() {
    let story = Story::at("2024-04-10 09:00").await;
    let (member, primary) = story.active("simple", "CARD1").await;
    let stock = story.server.stock("CARD2").await;
    let wrong = (stock.0.clone(), "WRONG".to_owned());
    let activate = async |member: &str, card: &(String, String), role: &str| {
        story.server.activate(member, card, role).await
    };
    assert_refused(&activate(&member, &stock, "primary").await, "primary_exists", "3.1");
    assert_refused(&activate(&member, &wrong, "additional").await, "bad_code", "3.1");
    let fresh = story.member("simple").await;
    assert_refused(&activate(&fresh, &stock, "additional").await, "not_activated", "3.1");
    let body = json!({"name": "Baba", "kind": "corporation", "email": "baba@example.jp", "plan": "simple",
        "payment_method": {"kind": "invoice"}, "await_decision": true});
    let applied = story.post("/members", &body).await["member_id"].as_str().unwrap().to_owned();
    assert_refused(&activate(&applied, &stock, "primary").await, "not_activated", "3.1");
    assert_eq!(
        story.server.get(&format!("/cards/{}", stock.0)).await["state"],
        "stock",
        "a refusal changes nothing"
    );

    let given_up = story.server.stock("CARD3").await;
    assert_eq!(activate(&member, &given_up, "additional").await.status, 200);
    assert_refused(&activate(&member, &stock, "additional").await, "additional_limit", "9.1");
    assert_eq!(suspend(&story, &given_up.0, "lost").await.status, 200);
    assert_refused(&activate(&member, &stock, "additional").await, "additional_limit", "9.1");
    assert_refused(
        &post(&story, &format!("/members/{member}/cards/request")).await,
        "additional_limit",
        "9.1",
    );
    assert_refused(
        &post(&story, &format!("/cards/{primary}/deactivate")).await,
        "not_additional",
        "9.5",
    );
    assert_eq!(post(&story, &format!("/cards/{}/deactivate", given_up.0)).await.status, 200);
    assert_refused(&activate(&member, &given_up, "additional").await, "dead_card", "9.5");
    let mine = story.server.stock("CARD4").await;
    story.post(&format!("/cards/{}/mail", mine.0), &json!({"member_id": fresh})).await;
    assert_refused(&activate(&member, &mine, "additional").await, "bad_code", "3.1");
    story.clock("2024-04-10 09:01").await;
    assert_eq!(post(&story, &format!("/members/{member}/cards/request")).await.status, 200);
    assert_refused(
        &post(&story, &format!("/members/{member}/cards/request")).await,
        "additional_limit",
        "9.1",
    );
}

#[tokio::test]
async fn changes_of_cards_are_refused() {
    let story = Story::at("2024-04-10 09:00").await;
    let (member, old) = story.active("simple", "CARD1").await;
    let (stock, new) = (story.server.stock("CARD2").await, story.server.stock("CARD3").await);
    assert_refused(&suspend(&story, &stock.0, "lost").await, "not_activated", "3.1");
    assert_refused(&resume(&story, &stock.0, "lost").await, "not_activated", "3.1");
    assert_refused(
        &post(&story, &format!("/cards/{}/reissue-request", stock.0)).await,
        "not_activated",
        "3.1",
    );
    assert_eq!(suspend(&story, &old, "operator").await.status, 200);
    assert_refused(&resume(&story, &old, "lost").await, "suspended_operator", "14.2");
    assert_eq!(resume(&story, &old, "operator").await.json()["state"], "active");
    story.post(&format!("/members/{member}/hold"), &json!({})).await;
    assert_refused(&resume(&story, &old, "lost").await, "suspended_operator", "14.2");
    story.post(&format!("/members/{member}/release"), &json!({})).await;
    assert_eq!(suspend(&story, &old, "lost").await.status, 200);
    assert_refused(&resume(&story, &old, "operator").await, "suspended_lost", "3.6");
    assert_refused(
        &replace(&story, &member, &old, &(new.0.clone(), "WRONG".to_owned())).await,
        "bad_code",
        "3.1",
    );
    assert_eq!(replace(&story, &member, &old, &new).await.status, 200);
    for refused in [
        suspend(&story, &old, "lost").await,
        resume(&story, &old, "lost").await,
        post(&story, &format!("/cards/{old}/reissue-request")).await,
        post(&story, &format!("/cards/{old}/deactivate")).await,
        replace(&story, &member, &old, &stock).await,
    ] {
        let problem = refused.json();
        assert_eq!((refused.status, &problem["reason"]), (409, &json!("dead_card")), "{refused:?}");
        assert!(["3.8", "9.5"].contains(&problem["article"].as_str().unwrap()), "{refused:?}");
    }
}

#[tokio::test]
async fn plan_changes_and_terms_are_refused() {
    let story = Story::at("2024-04-10 09:00").await;
    let fresh = story.member("simple").await;
    let premium = json!({"plan": "premium_100"});
    assert_refused(&change(&story, &fresh, &premium).await, "not_activated", "3.1");
    let (member, _) = story.active("simple", "CARD1").await;
    assert_refused(
        &change(&story, &member, &json!({"plan": "premium_100", "term_contract": true})).await,
        "term_closed",
        "8.1",
    );
    let joining = json!({"name": "Baba", "kind": "corporation", "email": "baba@example.jp", "plan": "premium_100", "term_contract": true,
        "payment_method": {"kind": "invoice"}});
    assert_refused(&story.server.post("/members", &joining).await, "term_closed", "8.1");
    assert_eq!(change(&story, &member, &premium).await.status, 200);
    story.clock("2024-05-01 00:00").await;
    assert_refused(
        &story.delete(&format!("/members/{member}/plan-change")).await,
        "already_effective",
        "7",
    );
    let body = json!({"version": "x", "published_on": "2024-05-01", "effective_on": "2024-05-31", "reason": "law"});
    assert_refused(&story.server.post("/terms", &body).await, "notice_too_short", "19.1");
}

#[tokio::test]
async fn an_early_withdrawal_is_refused_with_the_first_date_and_an_ended_membership_is_read_only() {
    let story = Story::at("2024-04-10 09:00").await;
    let fresh = story.member("simple").await;
    assert_refused(
        &post(&story, &format!("/members/{fresh}/withdraw")).await,
        "not_activated",
        "3.1",
    );
    let (member, card) = story.active("simple", "CARD1").await;
    let early = post(&story, &format!("/members/{member}/withdraw")).await;
    assert_refused(&early, "too_early", "13.5");
    assert_eq!(early.json()["not_before"], utc("2024-05-01 00:00"));
    let stock = story.server.stock("CARD2").await;
    story.clock("2024-05-01 00:00").await;
    story.post(&format!("/members/{member}/withdraw"), &json!({})).await;
    story.clock("2024-05-02 00:00").await;
    let contact =
        story.server.put(&format!("/members/{member}/contact"), &json!({"name": "Baba"})).await;
    let payment = story
        .server
        .put(&format!("/members/{member}/payment-method"), &json!({"kind": "credit_card"}))
        .await;
    let vehicle =
        story.server.put(&format!("/members/{member}/vehicle"), &json!({"vehicle": null})).await;
    for (what, refused) in [
        ("contact", contact),
        ("payment", payment),
        ("vehicle", vehicle),
        ("plan", change(&story, &member, &json!({"plan": "premium_100"})).await),
        ("cancel", story.delete(&format!("/members/{member}/plan-change")).await),
        ("withdraw", post(&story, &format!("/members/{member}/withdraw")).await),
        ("hold", post(&story, &format!("/members/{member}/hold")).await),
        (
            "disqualify",
            story
                .server
                .post(&format!("/members/{member}/disqualify"), &json!({"ground": 1}))
                .await,
        ),
        ("activate", story.server.activate(&member, &stock, "primary").await),
        ("request", post(&story, &format!("/members/{member}/cards/request")).await),
        ("suspend", suspend(&story, &card, "lost").await),
        ("resume", resume(&story, &card, "lost").await),
        ("reissue", post(&story, &format!("/cards/{card}/reissue-request")).await),
        ("release", post(&story, &format!("/members/{member}/release")).await),
        ("replace", replace(&story, &member, &card, &stock).await),
        ("deactivate", post(&story, &format!("/cards/{card}/deactivate")).await),
    ] {
        assert_eq!(refused.status, 409, "{what}: {refused:?}");
        assert_refused(&refused, "read_only", "13.7");
    }
    assert_eq!(story.bill(&member, "2024-05").await.total, "1100", "it can still be read");
    story.clock("2025-09-01 00:00").await;
    let unseen =
        story.server.request("GET", &format!("/members/{member}/bills/2024-05"), None, &[]).await;
    assert_refused(&unseen, "membership_ended", "13.7");
}

#[tokio::test]
async fn an_ended_membership_gives_no_new_consent() {
    let story = Story::at("2024-04-10 09:00").await;
    let (member, _) = story.active("simple", "CARD1").await;
    story.clock("2024-05-01 00:00").await;
    story.post(&format!("/members/{member}/withdraw"), &json!({})).await;
    story.clock("2024-05-02 00:00").await;
    let consent = json!({"recipient": "insurer", "purpose": "offers", "given": true});
    assert_refused(
        &story.server.put(&format!("/members/{member}/consents"), &consent).await,
        "read_only",
        "13.7",
    );
}

#[tokio::test]
async fn data_for_a_purpose_that_is_not_allowed_is_refused_and_logged() {
    let story = Story::at("2024-04-10 09:00").await;
    story.active("simple", "CARD1").await;
    for (recipient, purpose) in [
        ("insurer", "offers"),
        ("dealer", "quality"),
        ("ncs", "marketing"),
        ("approved_third_party", "service"),
    ] {
        let path = format!("/data-provision?recipient={recipient}&purpose={purpose}&month=2024-04");
        assert_refused(
            &story.server.request("GET", &path, None, &[]).await,
            "purpose_refused",
            "17.3",
        );
    }
    let allowed = story
        .server
        .request("GET", "/data-provision?recipient=ncs&purpose=quality&month=2024-04", None, &[])
        .await;
    assert_eq!(allowed.status, 200, "{allowed:?}");
    let audit = story.server.get("/audit?subject=data-provision").await;
    let outcomes: Vec<&Value> =
        audit["items"].as_array().unwrap().iter().map(|entry| &entry["outcome"]).collect();
    let refused = json!("409 purpose_refused");
    assert_eq!(outcomes, [&json!("200"), &refused, &refused, &refused, &refused]);
}

/// The conditions of the rules' table of events that are questions of form: they name the field.
#[tokio::test]
async fn what_lacks_its_form_is_refused_by_its_field() {
    let story = Story::at("2024-04-10 09:00").await;
    let (member, card) = story.active("simple", "CARD1").await;
    let joining = |more: Value| {
        let mut body = json!({"name": "Baba", "kind": "corporation", "email": "baba@example.jp", "plan": "simple",
            "payment_method": {"kind": "invoice"}});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let disqualify = format!("/members/{member}/disqualify");
    for (path, body, field) in [
        ("/members", joining(json!({"terms_accepted": false})), "terms_accepted"),
        ("/members", joining(json!({"term_contract": true})), "term_contract"),
        (disqualify.as_str(), json!({"ground": 0}), "ground"),
        (disqualify.as_str(), json!({"ground": 8}), "ground"),
        ("/suspensions", json!({"scope": "site", "reason": 0}), "reason"),
        ("/suspensions", json!({"scope": "site", "reason": 7}), "reason"),
        (format!("/cards/{card}/suspend").as_str(), json!({"reason": "mood"}), "reason"),
    ] {
        let refused = story.server.post(path, &body).await;
        assert_eq!(
            (refused.status, &refused.json()["field"]),
            (422, &json!(field)),
            "{path} {body}: {refused:?}"
        );
    }
    let early = json!({"at": utc("2024-04-10 08:59"), "notified_on": "2024-04-01"});
    let refused = story.server.put("/service-end", &early).await;
    assert_eq!((refused.status, &refused.json()["field"]), (422, &json!("at")), "{refused:?}");
    let applied =
        story.post("/members", &joining(json!({"await_decision": true}))).await["member_id"]
            .as_str()
            .unwrap()
            .to_owned();
    assert_eq!(
        post(&story, &format!("/members/{applied}/reject")).await.json()["state"],
        "rejected"
    );
    let again = post(&story, &format!("/members/{applied}/admit")).await;
    assert_eq!((again.status, &again.json()["reason"]), (409, &json!("not_applied")), "{again:?}");
    assert_eq!(
        story.server.get(&format!("/members/{member}")).await["state"],
        "active",
        "nothing was changed"
    );
}

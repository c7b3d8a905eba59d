//! Corrections, entries, carried credit, and what else was made clear of bills and plans (B3b, B4, B11, 6.1, 7, 13, 14.2, 19, 23.2).

use serde_json::{Value, json};

use super::story::{Class, Story, utc};
use crate::harness::{Answered, start, stop, transaction};

pub(super) async fn correct(story: &Story, session: i64, kind: Value) -> Value {
    let name = story.server.session(session).await["session_id"].as_str().unwrap().to_owned();
    let mut body = json!({"reason": "settled by hand"});
    for (key, value) in kind.as_object().unwrap() {
        body[key] = value.clone();
    }
    story.post(&format!("/sessions/{name}/corrections"), &body).await
}

pub(super) async fn as_person(story: &Story, method: &str, path: &str, actor: &str) -> Answered {
    story.server.request(method, path, None, &[("Juden-Actor", actor)]).await
}

/// A simple member since February whose March has one session of half an hour.
pub(super) async fn march() -> (Story, String, i64) {
    let story = Story::at("2024-02-01 09:00").await;
    let (member, _) = story.active("simple", "CARD1").await;
    story.clock("2024-03-20 00:00").await;
    let session =
        story.session(Class::Quick, "CARD1", "2024-03-10 10:00", "2024-03-10 10:30").await;
    (story, member, session)
}

#[tokio::test]
async fn w109_a_billed_session_can_be_waived_before_the_close_and_after_it() {
    let (story, member, session) = march().await;
    assert_eq!(story.bill(&member, "2024-03").await.yen("metered_quick"), ["2970"]);
    let waived = correct(&story, session, json!({"kind": "waive"})).await;
    assert_eq!(
        (&waived["state"], &waived["session"]["state"]),
        (&json!("done"), &json!("waived")),
        "{waived}"
    );
    assert_eq!(story.bill(&member, "2024-03").await.charges(), [("base", "1100")]);
    correct(&story, session, json!({"kind": "undo"})).await;
    assert_eq!(story.bill(&member, "2024-03").await.yen("metered_quick"), ["2970"]);
    story.clock("2024-04-06 00:00").await;
    let march = story.closed(&member, "2024-03").await;
    correct(&story, session, json!({"kind": "waive"})).await;
    assert_eq!(story.closed(&member, "2024-03").await, march, "a closed month is never edited");
    assert_eq!(story.bill(&member, "2024-04").await.yen("credit"), ["-2970"]);
    story.clock("2024-05-06 00:00").await;
    assert_eq!(story.closed(&member, "2024-04").await.yen("credit"), ["-2970"]);
}

#[tokio::test]
async fn w110_entries_are_lines_with_a_reason_and_above_the_limit_a_second_person_confirms() {
    let (story, member, _) = march().await;
    let path = format!("/members/{member}/entries");
    for (kind, yen, shown) in [("goodwill", "1000", "-1000"), ("damages", "5500", "5500")] {
        let entered = story
            .server
            .post(
                &path,
                &json!({"kind": kind, "amount_yen": yen, "reason": "the charger stood still"}),
            )
            .await;
        assert_eq!(
            (entered.status, &entered.json()["state"]),
            (201, &json!("done")),
            "{entered:?}"
        );
        assert_eq!(story.bill(&member, "2024-03").await.yen(kind), [shown]);
    }
    let bill = story.server.get(&format!("/members/{member}/bills/2024-03")).await;
    let goodwill =
        bill["lines"].as_array().unwrap().iter().find(|line| line["code"] == "goodwill").unwrap();
    assert_eq!(goodwill["reason"], "the charger stood still");
    let waits = story
        .post(&path, &json!({"kind": "damages", "amount_yen": "10001", "reason": "a cable"}))
        .await;
    assert_eq!(waits["state"], "waiting");
    assert_eq!(story.bill(&member, "2024-03").await.yen("damages"), ["5500"]);
    let id = waits["entry_id"].as_str().unwrap();
    let own = as_person(&story, "POST", &format!("/entries/{id}/confirm"), "operator").await;
    assert_eq!(
        (own.status, own.json()["reason"].as_str()),
        (409, Some("second_person")),
        "{own:?}"
    );
    let confirmed =
        as_person(&story, "POST", &format!("/entries/{id}/confirm"), "billing Sato").await;
    assert_eq!(
        (confirmed.status, &confirmed.json()["state"]),
        (200, &json!("done")),
        "{confirmed:?}"
    );
    assert_eq!(story.bill(&member, "2024-03").await.yen("damages"), ["5500", "10001"]);
    for bad in ["0", "-", "1.5", "100000001", ""] {
        let refused = story
            .server
            .post(&path, &json!({"kind": "other", "amount_yen": bad, "reason": "x"}))
            .await;
        assert_eq!(refused.status, 422, "{bad:?} {refused:?}");
    }
}

#[tokio::test]
async fn a_correction_above_the_limit_waits_for_a_second_person() {
    let (story, member, _) = march().await;
    let long = story.session(Class::Quick, "CARD1", "2024-03-11 10:00", "2024-03-11 13:00").await;
    assert_eq!(story.bill(&member, "2024-03").await.yen("metered_quick"), ["20790"]);
    let waits = correct(&story, long, json!({"kind": "waive"})).await;
    assert_eq!(
        (&waits["state"], &waits["session"]["state"]),
        (&json!("waiting"), &json!("ended")),
        "{waits}"
    );
    let id = waits["correction_id"].as_str().unwrap();
    let refused = as_person(&story, "DELETE", &format!("/corrections/{id}"), "operator").await;
    assert_eq!(refused.json()["state"], "refused", "{refused:?}");
    let again = correct(&story, long, json!({"kind": "waive"})).await;
    let id = again["correction_id"].as_str().unwrap();
    let own = as_person(&story, "POST", &format!("/corrections/{id}/confirm"), "operator").await;
    assert_eq!(own.json()["reason"], "second_person", "{own:?}");
    let confirmed =
        as_person(&story, "POST", &format!("/corrections/{id}/confirm"), "billing Sato").await;
    assert_eq!(confirmed.json()["session"]["state"], "waived", "{confirmed:?}");
    assert_eq!(story.bill(&member, "2024-03").await.yen("metered_quick"), ["2970"]);
}

#[tokio::test]
async fn sessions_are_reduced_and_given_to_another_card_and_undone() {
    let (story, member, session) = march().await;
    let (other, card) = story.active("simple", "CARD2").await;
    let before = story.server.get(&format!("/members/{member}/bills/2024-03")).await;
    correct(&story, session, json!({"kind": "reduce", "charged_units": 10})).await;
    assert_eq!(story.bill(&member, "2024-03").await.yen("metered_quick"), ["990"]);
    correct(&story, session, json!({"kind": "undo"})).await;
    correct(&story, session, json!({"kind": "reduce", "amount_yen": "500"})).await;
    assert_eq!(
        story.bill(&member, "2024-03").await.charges(),
        [("base", "1100"), ("metered_quick", "2970"), ("goodwill", "-500")]
    );
    correct(&story, session, json!({"kind": "undo"})).await;
    let given = correct(&story, session, json!({"kind": "assign", "card_number": card})).await;
    assert_eq!(
        (&given["session"]["member_id"], &given["session"]["state"]),
        (&json!(other), &json!("ended")),
        "{given}"
    );
    assert_eq!(story.bill(&member, "2024-03").await.charges(), [("base", "1100")]);
    assert_eq!(story.bill(&other, "2024-03").await.yen("metered_quick"), ["2970"]);
    correct(&story, session, json!({"kind": "undo"})).await;
    assert_eq!(
        story.server.get(&format!("/members/{member}/bills/2024-03")).await,
        before,
        "undo restores the bytes"
    );
}

#[tokio::test]
async fn w111_a_class_can_be_given_and_connector_0_is_the_one_connector() {
    let (story, member, _) = march().await;
    let mut socket = story.server.socket("N1").await;
    let mut begin = start("CARD1", &utc("2024-03-12 10:00"), 0);
    begin["connectorId"] = json!(2);
    let number = transaction(&socket.call("StartTransaction", begin).await);
    socket.call("StopTransaction", stop(number, &utc("2024-03-12 10:30"), 900)).await;
    assert_eq!(story.server.session(number).await["state"], "quarantined");
    let name = story.server.session(number).await["session_id"].as_str().unwrap().to_owned();
    let refused = story
        .server
        .post(&format!("/sessions/{name}/decision"), &json!({"decision": "bill"}))
        .await;
    assert_eq!(refused.json()["reason"], "no_class", "{refused:?}");
    correct(&story, number, json!({"kind": "class", "charger_class": "normal"})).await;
    let state = story.server.session(number).await["state"].clone();
    if state != "ended" {
        correct(&story, number, json!({"kind": "bill"})).await;
    }
    assert_eq!(story.bill(&member, "2024-03").await.yen("metered_normal"), ["99"]);
    let mut zero = start("CARD1", &utc("2024-03-13 10:00"), 900);
    zero["connectorId"] = json!(0);
    let number = transaction(&socket.call("StartTransaction", zero).await);
    socket.call("StopTransaction", stop(number, &utc("2024-03-13 10:10"), 1_900)).await;
    let session = story.server.session(number).await;
    assert_eq!(
        (&session["connector_id"], &session["state"]),
        (&json!(1), &json!("ended")),
        "{session}"
    );
}

#[tokio::test]
async fn w112_a_card_suspended_during_a_hold_stays_suspended_after_it() {
    let (story, member, _) = march().await;
    let card = story.server.get(&format!("/members/{member}")).await["cards"][0]["card_number"]
        .as_str()
        .unwrap()
        .to_owned();
    story.post(&format!("/members/{member}/hold"), &json!({})).await;
    story.post(&format!("/cards/{card}/suspend"), &json!({"reason": "operator"})).await;
    story.post(&format!("/members/{member}/release"), &json!({})).await;
    assert_eq!(story.server.get(&format!("/cards/{card}")).await["state"], "suspended");
    assert_eq!(story.authorize("CARD1").await, "Blocked");
    let history = story.server.get(&format!("/members/{member}/history")).await.to_string();
    assert!(history.contains("suspended"), "{history}");
}

#[tokio::test]
async fn w113_the_slot_holds_plan_and_term_together() {
    let story = Story::with("tt", "2022-02-01 09:00").await;
    let member = story.member_as("premium_10", &json!({"term_contract": true})).await;
    story.card(&member, "CARD1", "primary").await;
    story.clock("2022-06-10 09:00").await;
    let path = format!("/members/{member}/plan-change");
    story.put(&path, &json!({"plan": "premium_20", "term_contract": false})).await;
    story.put(&path, &json!({"plan": "premium_10"})).await;
    let now = story.server.get(&format!("/members/{member}")).await;
    assert_eq!(now["pending_plan"], Value::Null, "{now}");
    story.clock("2022-07-06 00:00").await;
    assert_eq!(story.closed(&member, "2022-06").await.yen("early_termination"), Vec::<&str>::new());
    assert_ne!(
        story.server.get(&format!("/members/{member}")).await["term"],
        Value::Null,
        "the term contract goes on"
    );
}

#[tokio::test]
async fn w114_no_plan_is_changed_once_a_ground_is_known() {
    let (story, member, _) = march().await;
    let later = json!({"ground": 1, "effective_at": utc("2024-03-25 00:00")});
    story.post(&format!("/members/{member}/disqualify"), &later).await;
    let refused = story
        .server
        .put(&format!("/members/{member}/plan-change"), &json!({"plan": "premium_100"}))
        .await;
    assert_eq!(
        (refused.status, refused.json()["reason"].as_str()),
        (409, Some("ground_known")),
        "{refused:?}"
    );
    let cancelled = story.delete(&format!("/members/{member}/plan-change")).await;
    assert_eq!(cancelled.json()["reason"], "ground_known", "{cancelled:?}");
}

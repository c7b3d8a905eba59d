//! Changes that a rule refuses, each with its reason and article.

use crate::examples::story::{Story, assert_refused, utc};
use crate::refusals::{change, post, replace, resume, suspend};
use serde_json::{Value, json};

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
async fn what_the_state_of_a_card_or_a_plan_does_not_allow_is_refused() {
    let story = Story::at("2024-04-10 09:00").await;
    let (member, card) = story.server.member_with_card("simple", "CARD1").await;
    let body = json!({"member_id": member});
    let mailed = story.server.post(&format!("/cards/{card}/mail"), &body).await;
    assert_refused(&mailed, "not_in_stock", "3.1");
    let surrendered = post(&story, &format!("/cards/{card}/surrender")).await;
    assert_refused(&surrendered, "card_not_dead", "3.9");
    let cancelled = story.delete(&format!("/members/{member}/plan-change")).await;
    assert_refused(&cancelled, "nothing_pending", "7");
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

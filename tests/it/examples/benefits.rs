//! Benefits and terms (articles 5 and 19, Super Rescue Call 24).

use serde_json::{Value, json};

use super::story::{Story, assert_refused, utc};

const VIN: &str = "ZE1-000123";

fn nissan_card() -> Value {
    json!({"payment_method": {"kind": "credit_card", "brand": "nissan_card"}, "vehicle": {"vin": VIN}})
}

/// A member with an active card who pays so and registered a car, from now on: member and card number.
async fn paying(story: &Story, id_tag: &str, more: &Value) -> (String, String) {
    let member = story.member_as("simple", more).await;
    let card = story.card(&member, id_tag, "primary").await;
    (member, card)
}

/// The towing benefit as its provider is answered; `shown` is `member_id=…` or `card_number=…`.
async fn towing(story: &Story, shown: &str, at: &str, vin: &str) -> Value {
    story.server.get(&format!("/benefits?{shown}&service=towing&vin={vin}&at={}", utc(at))).await
}

/// Eligible or not, and why.
async fn ground(story: &Story, shown: &str, at: &str, vin: &str) -> (bool, String) {
    let answer = towing(story, shown, at, vin).await;
    (answer["eligible"].as_bool().unwrap(), answer["reason"].as_str().unwrap().to_owned())
}

fn no(reason: &str) -> (bool, String) {
    (false, reason.to_owned())
}

fn yes() -> (bool, String) {
    (true, "eligible".to_owned())
}

#[tokio::test]
async fn w87_towing_begins_three_months_after_the_nissan_card_was_set() {
    let story = Story::at("2024-01-15 10:00").await;
    let (member, _) = paying(&story, "CARD1", &nissan_card()).await;
    story.clock("2024-04-20 00:00").await;
    let shown = format!("member_id={member}");
    let before = towing(&story, &shown, "2024-04-15 23:59:59", VIN).await;
    assert_eq!((&before["eligible"], &before["reason"]), (&json!(false), &json!("too_early")));
    assert_eq!(before["eligible_from"], utc("2024-04-16 00:00"));
    let after = towing(&story, &shown, "2024-04-16 00:00:00", VIN).await;
    assert_eq!(
        (&after["eligible"], &after["reason"], &after["vehicle_match"]),
        (&json!(true), &json!("eligible"), &json!(true))
    );
    assert_eq!((&after["towing_cap"], &after["total_cap"]), (&json!("50000"), &json!("550000")));
}

#[tokio::test]
async fn w88_a_day_that_the_third_month_lacks_is_the_first_of_the_next() {
    let story = Story::at("2022-11-28 10:00").await;
    let mut members = Vec::new();
    for (set, from) in [
        ("2022-11-28", "2023-03-01"),
        ("2023-11-28", "2024-02-29"),
        ("2023-11-29", "2024-03-01"),
        ("2023-11-30", "2024-03-01"),
    ] {
        if set != "2022-11-28" {
            story.clock(&format!("{set} 10:00")).await;
        }
        members.push((paying(&story, &format!("CARD{set}"), &nissan_card()).await.0, from));
    }
    story.clock("2024-04-01 00:00").await;
    for (member, from) in members {
        let shown = format!("member_id={member}");
        let first = super::story::instant(&format!("{from} 00:00"));
        let answer = towing(&story, &shown, &format!("{from} 00:00"), VIN).await;
        assert_eq!(
            (&answer["eligible"], answer["eligible_from"].as_str()),
            (&json!(true), Some(utc(&format!("{from} 00:00")).as_str()))
        );
        let before = (first - chrono::TimeDelta::seconds(1))
            .to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
        assert_eq!(ground(&story, &shown, &before, VIN).await, no("too_early"), "{member} {from}");
    }
}

#[tokio::test]
async fn w89_another_payment_method_ends_towing_and_its_return_counts_anew() {
    let story = Story::at("2024-01-10 10:00").await;
    let (member, _) = paying(&story, "CARD1", &nissan_card()).await;
    let pay = async |brand: &str| {
        let body = json!({"kind": "credit_card", "brand": brand});
        story.put(&format!("/members/{member}/payment-method"), &body).await;
    };
    story.clock("2024-05-01 00:00").await;
    pay("other").await;
    story.clock("2024-05-20 10:00").await;
    pay("nissan_card").await;
    story.clock("2024-09-01 00:00").await;
    let shown = format!("member_id={member}");
    for (at, expected) in [
        ("2024-04-30 23:59:59", yes()),
        ("2024-05-01 00:01:00", no("payment_method")),
        ("2024-05-20 09:59:59", no("payment_method")),
        ("2024-05-20 10:01:00", no("too_early")),
        ("2024-08-20 23:59:59", no("too_early")),
        ("2024-08-21 00:00:00", yes()),
    ] {
        assert_eq!(ground(&story, &shown, at, VIN).await, expected, "{at}");
    }
}

#[tokio::test]
async fn w90_each_ground_against_towing_is_told_by_its_name() {
    let story = Story::at("2024-01-10 10:00").await;
    let biz = json!({"payment_method": {"kind": "credit_card", "brand": "biz_nissan_card"}, "vehicle": {"vin": VIN}});
    let (biz_member, _) = paying(&story, "CARD1", &biz).await;
    let (member, old) = paying(&story, "CARD2", &nissan_card()).await;
    story.clock("2024-06-01 10:00").await;
    let (new, code) = story.server.stock("CARD3").await;
    story
        .post(
            &format!("/members/{member}/cards/{old}/replace"),
            &json!({"new_card_number": new, "activation_code": code}),
        )
        .await;
    story.clock("2024-06-01 11:00").await;
    let now = "2024-06-01 11:00";
    let (by_old, by_new, by_member) =
        (format!("card_number={old}"), format!("card_number={new}"), format!("member_id={member}"));
    assert_eq!(ground(&story, &format!("member_id={biz_member}"), now, VIN).await, no("biz_card"));
    assert_eq!(ground(&story, &by_old, now, VIN).await, no("card_invalid"));
    assert_eq!(ground(&story, &by_new, now, VIN).await, yes());
    assert_eq!(ground(&story, &by_new, now, "ZE1-000999").await, no("vehicle_mismatch"));
    assert_eq!(towing(&story, &by_new, now, "ZE1-000999").await["vehicle_match"], false);
    story.post(&format!("/cards/{new}/suspend"), &json!({"reason": "lost"})).await;
    story.clock("2024-06-01 12:00").await;
    assert_eq!(ground(&story, &by_new, "2024-06-01 12:00", VIN).await, no("card_suspended"));
    assert_eq!(
        ground(&story, &by_member, "2024-06-01 12:00", VIN).await,
        yes(),
        "the member number still serves"
    );
}

#[tokio::test]
async fn w91_a_second_claim_of_a_fiscal_year_is_the_providers_to_refuse() {
    let story = Story::at("2023-04-10 10:00").await;
    let (member, _) = paying(&story, "CARD1", &nissan_card()).await;
    story.clock("2025-04-01 00:00").await;
    let shown = format!("member_id={member}");
    for claimed in ["2024-03-31 10:00", "2024-04-01 10:00", "2024-04-02 10:00", "2025-03-31 10:00"]
    {
        let answer = towing(&story, &shown, claimed, VIN).await;
        assert_eq!(
            (&answer["eligible"], &answer["reason"]),
            (&json!(true), &json!("eligible")),
            "{claimed}"
        );
        let conditions: Vec<&str> = answer["conditions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one.as_str().unwrap())
            .collect();
        assert!(
            conditions.contains(&"once per person and fiscal year, 1 April to 31 March"),
            "{claimed}: {conditions:?}"
        );
    }
}

#[tokio::test]
async fn w92_terms_are_published_a_month_before_they_hold() {
    let story = Story::at("2024-03-05 10:00").await;
    let publish = async |version: &str, effective: &str, published: &str| {
        let body = json!({"version": version, "published_on": published, "effective_on": effective, "reason": "reasonable"});
        story.server.post("/terms", &body).await
    };
    assert_refused(
        &publish("2023-late", "2023-09-01", "2023-08-01").await,
        "notice_too_short",
        "19.1",
    );
    assert_eq!(publish("2023-good", "2023-09-01", "2023-07-31").await.status, 201);
    assert_refused(
        &publish("2024-late", "2024-03-31", "2024-02-29").await,
        "notice_too_short",
        "19.1",
    );
    assert_eq!(publish("2024-good", "2024-03-31", "2024-02-28").await.status, 201);
    let programme = story.server.get("/programme").await;
    let versions: Vec<&str> = programme["terms"]
        .as_array()
        .unwrap()
        .iter()
        .map(|terms| terms["version"].as_str().unwrap())
        .collect();
    assert_eq!(versions, ["2023-good", "2024-good"]);
}

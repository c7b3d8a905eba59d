//! A membership's and its cards' life, and what charging points are answered (articles 3, 4, 6.1).

use serde_json::json;

use super::story::{Story, assert_refused, line, utc};

#[tokio::test]
async fn w01_a_card_is_valid_from_its_activation_and_the_month_is_charged_in_full() {
    let story = Story::at("2024-04-03 12:00").await;
    let member = story.member("simple").await;
    let stock = story.server.stock("CARD1").await;
    story.clock("2024-04-10 08:59:59").await;
    assert_eq!(story.authorize("CARD1").await, "Invalid");
    story.clock("2024-04-10 09:00:00").await;
    assert_eq!(story.server.activate(&member, &stock, "primary").await.status, 200);
    assert_eq!(story.authorize("CARD1").await, "Accepted");
    story.clock("2024-05-06 00:00").await;
    let april = story.closed(&member, "2024-04").await;
    assert_eq!(april.lines, [line("contract", 1, "1650"), line("base", 1, "1100")]);
    assert_eq!(april.total, "2750");
}

#[tokio::test]
async fn w02_a_service_started_on_leap_day_may_be_left_from_the_first_of_march() {
    let story = Story::at("2024-01-31 12:00").await;
    let member = story.member("simple").await;
    story.clock("2024-02-29 12:00").await;
    story.card(&member, "CARD1", "primary").await;
    assert_eq!(story.seen(&member).await["may_withdraw_from"], utc("2024-03-01 00:00"));
    let path = format!("/members/{member}/withdraw");
    story.clock("2024-02-29 23:59:59").await;
    let early = story.server.post(&path, &json!({})).await;
    assert_refused(&early, "too_early", "13.5");
    assert_eq!(early.json()["not_before"], utc("2024-03-01 00:00"));
    assert_eq!(story.seen(&member).await["state"], "active");
    story.clock("2024-03-01 00:00:00").await;
    assert_eq!(story.post(&path, &json!({})).await["state"], "withdrawn");
    story.clock("2024-03-06 00:00").await;
    assert_eq!(story.closed(&member, "2024-01").await.lines, [line("contract", 1, "1650")]);
    assert_eq!(story.closed(&member, "2024-02").await.lines, [line("base", 1, "1100")]);
}

#[tokio::test]
async fn w03_a_wrong_code_is_refused_and_counted_and_changes_nothing() {
    let story = Story::at("2024-04-03 12:00").await;
    let member = story.member("simple").await;
    let (number, code) = story.server.stock("CARD1").await;
    let wrong = (number.clone(), format!("{code}X"));
    assert_refused(&story.server.activate(&member, &wrong, "primary").await, "bad_code", "3.1");
    assert_eq!(story.card_state(&number).await, "stock");
    assert_eq!(story.authorize("CARD1").await, "Invalid");
    assert_eq!(story.seen(&member).await["state"], "admitted");
    // It counted once: four more may fail, and then even the right code is locked out.
    for _ in 0..4 {
        assert_refused(&story.server.activate(&member, &wrong, "primary").await, "bad_code", "3.1");
    }
    let locked = story.server.activate(&member, &(number.clone(), code), "primary").await;
    assert_eq!(
        (locked.status, locked.json()["reason"].as_str()),
        (429, Some("too_many_tries")),
        "{locked:?}"
    );
    assert_eq!(story.card_state(&number).await, "stock");
    story.clock("2024-05-06 00:00").await;
    assert_eq!(story.closed(&member, "2024-04").await.lines, [line("contract", 1, "1650")]);
}

#[tokio::test]
async fn w04_an_account_that_is_never_activated_lapses_after_the_month_of_its_sixtieth_day() {
    let story = Story::at("2024-04-03 12:00").await;
    let member = story.member("simple").await;
    let stock = story.server.stock("CARD1").await;
    for (at, state) in [
        ("2024-06-01 23:59:59", "admitted"),
        ("2024-06-02 12:00:00", "admitted"),
        ("2024-06-30 23:59:59", "admitted"),
        ("2024-07-01 00:00:00", "lapsed"),
    ] {
        story.clock(at).await;
        assert_eq!(story.seen(&member).await["state"], state, "{at}");
    }
    assert_refused(
        &story.server.activate(&member, &stock, "primary").await,
        "not_activated",
        "3.1",
    );
    assert_eq!(story.card_state(&stock.0).await, "stock");
    assert_eq!(story.authorize("CARD1").await, "Invalid");
    story.clock("2024-08-06 00:00").await;
    assert_eq!(story.closed(&member, "2024-04").await.lines, [line("contract", 1, "1650")]);
    for month in ["2024-05", "2024-06", "2024-07"] {
        let bill = story.closed(&member, month).await;
        assert_eq!((bill.lines.len(), bill.total.as_str()), (0, "0"), "{month}: {bill:?}");
    }
}

#[tokio::test]
async fn w05_a_lost_card_is_refused_from_its_suspension_to_its_return_and_the_fee_runs_on() {
    let story = Story::at("2024-04-01 09:00").await;
    let (member, card) = story.active("simple", "CARD1").await;
    story.clock("2024-05-07 10:14:59").await;
    assert_eq!(story.authorize("CARD1").await, "Accepted");
    story.clock("2024-05-07 10:15:00").await;
    assert_eq!(story.card_call(&card, "suspend", "lost").await.json()["state"], "suspended");
    assert_eq!(story.authorize("CARD1").await, "Blocked");
    story.clock("2024-05-20 07:59:59").await;
    assert_eq!(story.authorize("CARD1").await, "Blocked");
    story.clock("2024-05-20 08:00:00").await;
    assert_eq!(story.card_call(&card, "resume", "lost").await.json()["state"], "active");
    assert_eq!(story.authorize("CARD1").await, "Accepted");
    story.clock("2024-06-06 00:00").await;
    assert_eq!(story.closed(&member, "2024-05").await.lines, [line("base", 1, "1100")]);
}

#[tokio::test]
async fn w06_a_session_begun_before_the_suspension_runs_on_and_is_billed_whole() {
    let story = Story::at("2024-04-01 09:00").await;
    let (member, card) = story.active("simple", "CARD1").await;
    story.clock("2024-05-07 10:14").await;
    assert_eq!(story.authorize("CARD1").await, "Accepted");
    let (session, mut socket) = story.begin("Q1", "CARD1").await;
    story.clock("2024-05-07 10:15").await;
    assert_eq!(story.card_call(&card, "suspend", "lost").await.status, 200);
    assert_eq!(story.server.session(session).await["state"], "open");
    // The next frame that the station gets is the answer to its stop: nothing cut the session.
    story.unplug(&mut socket, session, "2024-05-07 10:44").await;
    assert_eq!(
        story.used(&member, "2024-05", session).await,
        Some((30, 0, 30, "ended".to_owned()))
    );
    story.clock("2024-06-06 00:00").await;
    let may = story.closed(&member, "2024-05").await;
    assert_eq!(may.lines, [line("base", 1, "1100"), line("metered_quick", 30, "2970")]);
}

#[tokio::test]
async fn w07_a_new_card_kills_the_suspended_one_at_its_registration() {
    let story = Story::at("2024-04-01 09:00").await;
    let (member, old) = story.active("simple", "CARD1").await;
    story.clock("2024-05-07 10:15").await;
    assert_eq!(story.card_call(&old, "suspend", "lost").await.status, 200);
    let new = story.server.stock("CARD2").await;
    story.clock("2024-05-21 15:59:59").await;
    assert_eq!(story.card_state(&old).await, "suspended");
    assert_eq!(story.authorize("CARD2").await, "Invalid");
    story.clock("2024-05-21 16:00:00").await;
    story.replace(&member, &old, &new).await;
    let dead = story.server.get(&format!("/cards/{old}")).await;
    assert_eq!(
        (dead["state"].as_str(), dead["dead_cause"].as_str()),
        (Some("dead"), Some("replaced"))
    );
    assert_eq!(
        (story.authorize("CARD1").await.as_str(), story.authorize("CARD2").await.as_str()),
        ("Blocked", "Accepted")
    );
    assert_refused(&story.card_call(&old, "resume", "lost").await, "dead_card", "3.8");
    assert_eq!(story.authorize("CARD1").await, "Blocked");
    story.clock("2024-06-06 00:00").await;
    assert_eq!(
        story.closed(&member, "2024-05").await.lines,
        [line("base", 1, "1100"), line("reissue", 1, "1650")]
    );
}

#[tokio::test]
async fn w08_an_old_card_works_until_the_new_one_is_registered_and_that_month_has_the_fee() {
    let story = Story::at("2024-04-01 09:00").await;
    let (member, old) = story.active("simple", "CARD1").await;
    story.clock("2024-05-30 12:00").await;
    story.post(&format!("/cards/{old}/reissue-request"), &json!({})).await;
    let new = story.server.stock("CARD2").await;
    story.clock("2024-06-02 10:59:59").await;
    assert_eq!(story.authorize("CARD1").await, "Accepted");
    story.clock("2024-06-02 11:00:00").await;
    story.replace(&member, &old, &new).await;
    assert_eq!(
        (story.authorize("CARD1").await.as_str(), story.authorize("CARD2").await.as_str()),
        ("Blocked", "Accepted")
    );
    story.clock("2024-07-06 00:00").await;
    assert_eq!(story.closed(&member, "2024-05").await.lines, [line("base", 1, "1100")]);
    assert_eq!(
        story.closed(&member, "2024-06").await.lines,
        [line("base", 1, "1100"), line("reissue", 1, "1650")]
    );
}

#[tokio::test]
async fn w09_a_new_card_that_is_never_registered_changes_and_costs_nothing() {
    let story = Story::at("2024-04-01 09:00").await;
    let (member, old) = story.active("simple", "CARD1").await;
    story.clock("2024-05-30 12:00").await;
    assert_eq!(
        story.post(&format!("/cards/{old}/reissue-request"), &json!({})).await["state"],
        "active"
    );
    story.server.stock("CARD2").await;
    story.clock("2024-07-06 00:00").await;
    assert_eq!(story.card_state(&old).await, "active");
    assert_eq!(
        (story.authorize("CARD1").await.as_str(), story.authorize("CARD2").await.as_str()),
        ("Accepted", "Invalid")
    );
    for month in ["2024-05", "2024-06"] {
        assert_eq!(story.closed(&member, month).await.lines, [line("base", 1, "1100")], "{month}");
    }
}

#[tokio::test]
async fn w10_a_member_cannot_lift_the_operators_hold_and_the_fee_runs_on() {
    let story = Story::at("2024-04-01 09:00").await;
    let (member, card) = story.active("simple", "CARD1").await;
    story.clock("2024-06-01 00:00").await;
    assert_eq!(
        story.post(&format!("/members/{member}/hold"), &json!({})).await["operator_hold"],
        true
    );
    assert_eq!(story.authorize("CARD1").await, "Blocked");
    story.clock("2024-06-10 12:00").await;
    assert_refused(&story.card_call(&card, "resume", "lost").await, "suspended_operator", "14.2");
    assert_eq!(
        (story.card_state(&card).await.as_str(), story.authorize("CARD1").await.as_str()),
        ("suspended", "Blocked")
    );
    story.clock("2024-06-20 00:00").await;
    assert_eq!(
        story.post(&format!("/members/{member}/release"), &json!({})).await["operator_hold"],
        false
    );
    assert_eq!(story.authorize("CARD1").await, "Accepted");
    story.clock("2024-07-06 00:00").await;
    assert_eq!(story.closed(&member, "2024-06").await.lines, [line("base", 1, "1100")]);
}

#[tokio::test]
async fn w11_a_membership_has_one_primary_card() {
    let story = Story::at("2024-04-01 09:00").await;
    let (member, first) = story.active("simple", "CARD1").await;
    let second = story.server.stock("CARD2").await;
    story.clock("2024-05-10 12:00").await;
    assert_refused(
        &story.server.activate(&member, &second, "primary").await,
        "primary_exists",
        "3.1",
    );
    // Nor while the first one is suspended: a new card comes by reissue only.
    assert_eq!(story.card_call(&first, "suspend", "lost").await.status, 200);
    assert_refused(
        &story.server.activate(&member, &second, "primary").await,
        "primary_exists",
        "3.1",
    );
    assert_eq!(
        (story.card_state(&second.0).await.as_str(), story.authorize("CARD2").await.as_str()),
        ("stock", "Invalid")
    );
    story.clock("2024-06-06 00:00").await;
    assert_eq!(story.closed(&member, "2024-05").await.lines, [line("base", 1, "1100")]);
}

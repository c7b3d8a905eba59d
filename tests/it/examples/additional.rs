//! The additional card (article 9).

use serde_json::json;

use super::story::{Story, assert_charges, assert_refused};

const BASE: (&str, &str) = ("base", "1100");
const ISSUE: (&str, &str) = ("additional_issue", "1650");
const ISSUE_TWICE: (&str, &str) = ("additional_issue", "3300");
const MONTHLY: (&str, &str) = ("additional_monthly", "2200");
const REISSUE: (&str, &str) = ("reissue", "1650");

/// A simple member with a primary card since April 2024.
async fn since_april() -> (Story, String) {
    let story = Story::at("2024-04-01 09:00").await;
    let (member, _) = story.active("simple", "CARD1").await;
    (story, member)
}

/// The same with an additional card, both since April.
async fn with_old_card() -> (Story, String, String) {
    let (story, member) = since_april().await;
    let old = story.card(&member, "CARD-A", "additional").await;
    (story, member, old)
}

async fn deactivate(story: &Story, card: &str) {
    let dead = story.post(&format!("/cards/{card}/deactivate"), &json!({})).await;
    assert_eq!(
        (&dead["state"], &dead["dead_cause"]),
        (&json!("dead"), &json!("deactivated")),
        "{dead}"
    );
}

#[tokio::test]
async fn w59_the_fees_begin_in_the_month_of_activation() {
    let (story, member) = since_april().await;
    story.clock("2024-05-10 10:00").await;
    let stock = story.server.stock("CARD-A").await;
    assert_eq!(story.authorize("CARD-A").await, "Invalid");
    let activated = story.server.activate(&member, &stock, "additional").await;
    assert_eq!(activated.status, 200, "{activated:?}");
    assert_eq!(story.authorize("CARD-A").await, "Accepted");
    story.clock("2024-07-06 00:00").await;
    assert_charges(&story.closed(&member, "2024-04").await, &[("contract", "1650"), BASE], "2750");
    assert_charges(&story.closed(&member, "2024-05").await, &[BASE, ISSUE, MONTHLY], "4950");
    assert_charges(&story.closed(&member, "2024-06").await, &[BASE, MONTHLY], "3300");
}

#[tokio::test]
async fn w60_a_card_of_ten_days_has_both_fees_in_full() {
    let (story, member) = since_april().await;
    story.clock("2024-05-10 10:00").await;
    let card = story.card(&member, "CARD-A", "additional").await;
    story.clock("2024-05-20 10:00").await;
    assert_eq!(story.authorize("CARD-A").await, "Accepted");
    deactivate(&story, &card).await;
    assert_eq!(story.authorize("CARD-A").await, "Blocked");
    story.clock("2024-07-06 00:00").await;
    assert_charges(&story.closed(&member, "2024-05").await, &[BASE, ISSUE, MONTHLY], "4950");
    assert_charges(&story.closed(&member, "2024-06").await, &[BASE], "1100");
}

#[tokio::test]
async fn w61_a_second_card_the_same_day_has_an_issue_fee_and_no_second_month() {
    let (story, member) = since_april().await;
    story.clock("2024-05-10 10:00").await;
    let first = story.card(&member, "CARD-A", "additional").await;
    story.clock("2024-05-20 10:00").await;
    deactivate(&story, &first).await;
    story.card(&member, "CARD-B", "additional").await;
    assert_eq!(story.authorize("CARD-B").await, "Accepted");
    story.clock("2024-07-06 00:00").await;
    assert_charges(&story.closed(&member, "2024-05").await, &[BASE, ISSUE_TWICE, MONTHLY], "6600");
    assert_charges(&story.closed(&member, "2024-06").await, &[BASE, MONTHLY], "3300");
}

#[tokio::test]
async fn w62_a_card_at_midnight_after_the_old_ones_last_minute_is_next_months() {
    let (story, member, old) = with_old_card().await;
    story.clock("2024-05-31 23:59").await;
    deactivate(&story, &old).await;
    story.clock("2024-06-01 00:00").await;
    story.card(&member, "CARD-B", "additional").await;
    story.clock("2024-07-06 00:00").await;
    assert_charges(&story.closed(&member, "2024-05").await, &[BASE, MONTHLY], "3300");
    assert_charges(&story.closed(&member, "2024-06").await, &[BASE, ISSUE, MONTHLY], "4950");
}

#[tokio::test]
async fn w63_three_cards_in_a_month_have_one_monthly_fee_and_two_issue_fees() {
    let (story, member, old) = with_old_card().await;
    story.clock("2024-05-05 10:00").await;
    deactivate(&story, &old).await;
    story.clock("2024-05-06 10:00").await;
    let second = story.card(&member, "CARD-B", "additional").await;
    story.clock("2024-05-15 10:00").await;
    deactivate(&story, &second).await;
    story.clock("2024-05-16 10:00").await;
    story.card(&member, "CARD-C", "additional").await;
    story.clock("2024-06-06 00:00").await;
    assert_charges(&story.closed(&member, "2024-05").await, &[BASE, ISSUE_TWICE, MONTHLY], "6600");
}

#[tokio::test]
async fn w64_a_deactivated_card_stays_dead_and_a_second_live_one_is_refused() {
    let (story, member) = since_april().await;
    let (first, second) = (story.server.stock("CARD-A").await, story.server.stock("CARD-B").await);
    let activated = story.server.activate(&member, &first, "additional").await;
    assert_eq!(activated.status, 200, "{activated:?}");
    assert_refused(
        &story.server.activate(&member, &second, "additional").await,
        "additional_limit",
        "9.1",
    );
    let lost = json!({"reason": "lost"});
    story.post(&format!("/cards/{}/suspend", first.0), &lost).await;
    assert_refused(
        &story.server.activate(&member, &second, "additional").await,
        "additional_limit",
        "9.1",
    );
    assert_eq!(story.server.get(&format!("/cards/{}", second.0)).await["state"], "stock");
    deactivate(&story, &first.0).await;
    assert_refused(&story.server.activate(&member, &first, "additional").await, "dead_card", "9.5");
    assert_refused(
        &story.server.post(&format!("/cards/{}/resume", first.0), &lost).await,
        "dead_card",
        "9.5",
    );
    assert_eq!(story.authorize("CARD-A").await, "Blocked");
    assert_eq!(story.authorize("CARD-B").await, "Invalid");
    story.clock("2024-05-06 00:00").await;
    let april = story.closed(&member, "2024-04").await;
    assert_charges(&april, &[("contract", "1650"), BASE, ISSUE, MONTHLY], "6600");
}

#[tokio::test]
async fn w65_a_suspended_card_costs_its_month_and_one_off_at_midnight_none() {
    let (story, suspended, card) = with_old_card().await;
    let (off, _) = story.active("simple", "CARD2").await;
    let off_card = story.card(&off, "CARD-B", "additional").await;
    story.last_second_of("2024-05-31").await;
    story.post(&format!("/cards/{card}/suspend"), &json!({"reason": "lost"})).await;
    story.clock("2024-06-01 00:00:00").await;
    deactivate(&story, &off_card).await;
    story.clock("2024-06-30 12:00").await;
    assert_eq!(story.authorize("CARD-A").await, "Blocked");
    story.clock("2024-07-06 00:00").await;
    assert_charges(&story.closed(&suspended, "2024-06").await, &[BASE, MONTHLY], "3300");
    assert_charges(&story.closed(&off, "2024-05").await, &[BASE, MONTHLY], "3300");
    assert_charges(&story.closed(&off, "2024-06").await, &[BASE], "1100");
}

#[tokio::test]
async fn w66_a_replaced_additional_card_has_the_reissue_fee_and_no_issue_fee() {
    let (story, member, lost) = with_old_card().await;
    story.clock("2024-06-10 10:00").await;
    story.post(&format!("/cards/{lost}/suspend"), &json!({"reason": "lost"})).await;
    story.clock("2024-06-12 10:00").await;
    let (number, code) = story.server.stock("CARD-A2").await;
    let body = json!({"new_card_number": number, "activation_code": code});
    let replaced = story.post(&format!("/members/{member}/cards/{lost}/replace"), &body).await;
    assert_eq!(
        (&replaced["role"], &replaced["state"]),
        (&json!("additional"), &json!("active")),
        "{replaced}"
    );
    assert_eq!(story.authorize("CARD-A").await, "Blocked");
    assert_eq!(story.authorize("CARD-A2").await, "Accepted");
    story.clock("2024-07-06 00:00").await;
    assert_charges(&story.closed(&member, "2024-06").await, &[BASE, MONTHLY, REISSUE], "4950");
}

#[tokio::test]
async fn w67_a_suspended_primary_card_leaves_the_additional_one_usable() {
    let story = Story::at("2024-04-01 09:00").await;
    let (member, primary) = story.active("simple", "CARD1").await;
    story.card(&member, "CARD-A", "additional").await;
    story.clock("2024-05-10 10:00").await;
    story.post(&format!("/cards/{primary}/suspend"), &json!({"reason": "lost"})).await;
    assert_eq!(story.authorize("CARD1").await, "Blocked");
    assert_eq!(story.authorize("CARD-A").await, "Accepted");
    let (session, _socket) = story.begin("Q1", "CARD-A").await;
    assert_eq!(story.server.session(session).await["state"], "open");
}

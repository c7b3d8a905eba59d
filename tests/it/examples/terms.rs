//! The term contract (articles 2.8, 8).

use serde_json::{Value, json};

use super::story::{Story, assert_charges, assert_refused, utc};

/// A premium month at the term price, and the same with the early-termination fee.
const TERM_MONTH: [(&str, &str); 2] = [("base", "4400"), ("term_discount", "-1650")];
const TERM_MONTH_AND_FEE: [(&str, &str); 3] =
    [("base", "4400"), ("term_discount", "-1650"), ("early_termination", "9900")];

/// A member with a term contract of the small premium plan, applied for now, and its card, activated now.
async fn contracted(story: &Story, id_tag: &str) -> String {
    let member = story.member_as("premium_10", &json!({"term_contract": true})).await;
    story.card(&member, id_tag, "primary").await;
    member
}

/// End month and window of a member's term as the API shows them.
async fn term(story: &Story, member: &str) -> (String, String, String) {
    let shown = story.seen(member).await;
    let text = |key: &str| {
        shown["term"][key].as_str().unwrap_or_else(|| panic!("no term in {shown}")).to_owned()
    };
    (text("end_month"), text("window_from"), text("window_to"))
}

/// The same as the examples write it: the end month, and the window's first and last day.
fn expected(end_month: &str, window_from: &str, first_day_after: &str) -> (String, String, String) {
    (
        end_month.to_owned(),
        utc(&format!("{window_from} 00:00")),
        utc(&format!("{first_day_after} 00:00")),
    )
}

/// Publishes terms of 2023-09-01 on the last day that leaves them a month: the day itself does not count.
async fn publish_terms(story: &Story, auto_renew: bool) {
    story.clock("2023-07-31 10:00").await;
    let body = json!({"version": "2023-09", "published_on": "2023-07-31", "effective_on": "2023-09-01",
        "reason": "reasonable", "auto_renew": auto_renew});
    let published = story.post("/terms", &body).await;
    assert_eq!(published["auto_renew"], auto_renew, "{published}");
}

#[tokio::test]
async fn w46_the_end_month_is_thirty_six_months_after_the_application() {
    let story = Story::at("2020-01-15 10:00").await;
    let member = story.member_as("premium_10", &json!({"term_contract": true})).await;
    let window = expected("2023-01", "2023-01-01", "2023-03-01");
    assert_eq!(term(&story, &member).await, window);
    // It counts from the application, not from the service's start.
    story.clock("2020-02-10 10:00").await;
    story.card(&member, "CARD1", "primary").await;
    assert_eq!(term(&story, &member).await, window);
    story.clock("2020-03-06 00:00").await;
    assert_charges(&story.closed(&member, "2020-02").await, &TERM_MONTH, "2750");
}

#[tokio::test]
async fn w47_a_withdrawal_before_the_window_costs_the_fee_and_in_it_none() {
    let story = Story::at("2020-01-15 10:00").await;
    let before = contracted(&story, "CARD1").await;
    let inside = contracted(&story, "CARD2").await;
    story.last_second_of("2022-12-31").await;
    story.withdraw(&before).await;
    story.clock("2023-01-01 00:00").await;
    story.withdraw(&inside).await;
    story.clock("2023-02-06 00:00").await;
    assert_charges(&story.closed(&before, "2022-12").await, &TERM_MONTH_AND_FEE, "12650");
    assert_charges(&story.closed(&before, "2023-01").await, &[], "0");
    assert_charges(&story.closed(&inside, "2022-12").await, &TERM_MONTH, "2750");
    assert_charges(&story.closed(&inside, "2023-01").await, &TERM_MONTH, "2750");
}

#[tokio::test]
async fn w48_an_untouched_window_renews_the_contract() {
    let story = Story::at("2020-01-15 10:00").await;
    let inside = contracted(&story, "CARD1").await;
    let after = contracted(&story, "CARD2").await;
    story.last_second_of("2023-02-28").await;
    story.withdraw(&inside).await;
    assert_eq!(term(&story, &after).await.0, "2023-01");
    story.clock("2023-03-01 00:00").await;
    assert_eq!(term(&story, &after).await, expected("2026-01", "2026-01-01", "2026-03-01"));
    story.withdraw(&after).await;
    story.clock("2023-04-06 00:00").await;
    assert_charges(&story.closed(&inside, "2023-02").await, &TERM_MONTH, "2750");
    assert_charges(&story.closed(&inside, "2023-03").await, &[], "0");
    assert_charges(&story.closed(&after, "2023-02").await, &TERM_MONTH, "2750");
    assert_charges(&story.closed(&after, "2023-03").await, &TERM_MONTH_AND_FEE, "12650");
}

#[tokio::test]
async fn w49_an_application_on_a_leap_day_ends_in_february() {
    let story = Story::at("2020-02-29 10:00").await;
    let inside = contracted(&story, "CARD1").await;
    let after = contracted(&story, "CARD2").await;
    assert_eq!(term(&story, &inside).await, expected("2023-02", "2023-02-01", "2023-04-01"));
    story.last_second_of("2023-03-31").await;
    story.withdraw(&inside).await;
    story.clock("2023-04-01 00:00").await;
    story.withdraw(&after).await;
    story.clock("2023-05-06 00:00").await;
    assert_charges(&story.closed(&inside, "2023-03").await, &TERM_MONTH, "2750");
    assert_charges(&story.closed(&after, "2023-04").await, &TERM_MONTH_AND_FEE, "12650");
}

#[tokio::test]
async fn w50_a_window_ends_on_a_leap_day() {
    let story = Story::at("2021-01-31 10:00").await;
    let inside = contracted(&story, "CARD1").await;
    let after = contracted(&story, "CARD2").await;
    assert_eq!(term(&story, &inside).await, expected("2024-01", "2024-01-01", "2024-03-01"));
    publish_terms(&story, true).await;
    story.last_second_of("2024-02-29").await;
    story.withdraw(&inside).await;
    assert_eq!(term(&story, &after).await.0, "2024-01");
    story.clock("2024-03-01 00:00").await;
    story.withdraw(&after).await;
    story.clock("2024-04-06 00:00").await;
    assert_charges(&story.closed(&inside, "2024-02").await, &TERM_MONTH, "2750");
    assert_charges(&story.closed(&inside, "2024-03").await, &[], "0");
    assert_charges(&story.closed(&after, "2024-03").await, &TERM_MONTH_AND_FEE, "12650");
}

#[tokio::test]
async fn w51_a_window_spans_the_years_end() {
    let story = Story::at("2020-12-20 10:00").await;
    let mut members = Vec::new();
    for id_tag in ["CARD1", "CARD2", "CARD3", "CARD4"] {
        members.push(contracted(&story, id_tag).await);
    }
    assert_eq!(term(&story, &members[0]).await, expected("2023-12", "2023-12-01", "2024-02-01"));
    publish_terms(&story, true).await;
    story.last_second_of("2023-11-30").await;
    story.withdraw(&members[0]).await;
    story.clock("2023-12-01 00:00").await;
    story.withdraw(&members[1]).await;
    story.last_second_of("2024-01-31").await;
    story.withdraw(&members[2]).await;
    story.clock("2024-02-01 00:00").await;
    story.withdraw(&members[3]).await;
    story.clock("2024-03-06 00:00").await;
    assert_charges(&story.closed(&members[0], "2023-11").await, &TERM_MONTH_AND_FEE, "12650");
    assert_charges(&story.closed(&members[1], "2023-12").await, &TERM_MONTH, "2750");
    assert_charges(&story.closed(&members[2], "2024-01").await, &TERM_MONTH, "2750");
    assert_charges(&story.closed(&members[3], "2024-02").await, &TERM_MONTH_AND_FEE, "12650");
}

#[tokio::test]
async fn w52_a_change_to_simple_asked_before_the_window_costs_the_fee_though_it_holds_in_it() {
    let story = Story::at("2020-01-15 10:00").await;
    let member = contracted(&story, "CARD1").await;
    story.last_second_of("2022-12-31").await;
    assert_eq!(story.change_plan(&member, "simple").await, utc("2023-01-01 00:00"));
    story.clock("2023-02-06 00:00").await;
    assert_charges(&story.closed(&member, "2022-12").await, &TERM_MONTH_AND_FEE, "12650");
    assert_charges(&story.closed(&member, "2023-01").await, &[("base", "550")], "550");
    assert_eq!(story.seen(&member).await["term"], Value::Null);
}

#[tokio::test]
async fn w53_a_change_to_simple_asked_in_the_window_costs_none_though_it_holds_after_it() {
    let story = Story::at("2020-01-15 10:00").await;
    let member = contracted(&story, "CARD1").await;
    story.last_second_of("2023-02-28").await;
    assert_eq!(story.change_plan(&member, "simple").await, utc("2023-03-01 00:00"));
    story.clock("2023-03-01 00:00").await;
    let shown = story.seen(&member).await;
    assert_eq!((&shown["plan"], &shown["term"]), (&json!("simple"), &Value::Null));
    story.clock("2023-04-06 00:00").await;
    assert_charges(&story.closed(&member, "2023-02").await, &TERM_MONTH, "2750");
    assert_charges(&story.closed(&member, "2023-03").await, &[("base", "550")], "550");
}

#[tokio::test]
async fn w54_a_change_to_simple_that_is_undone_costs_none() {
    let story = Story::at("2020-01-15 10:00").await;
    let member = contracted(&story, "CARD1").await;
    story.clock("2022-06-10 12:00").await;
    story.change_plan(&member, "simple").await;
    assert_eq!(story.seen(&member).await["pending_plan"], "simple");
    story.clock("2022-06-30 12:00").await;
    let undone = story.delete(&format!("/members/{member}/plan-change")).await;
    assert_eq!(undone.status, 200, "{undone:?}");
    assert_eq!(undone.json()["pending_plan"], Value::Null, "{undone:?}");
    story.clock("2022-08-06 00:00").await;
    assert_charges(&story.closed(&member, "2022-06").await, &TERM_MONTH, "2750");
    assert_charges(&story.closed(&member, "2022-07").await, &TERM_MONTH, "2750");
    assert_eq!(term(&story, &member).await, expected("2023-01", "2023-01-01", "2023-03-01"));
}

#[tokio::test]
async fn w55_a_change_between_premium_plans_keeps_the_contract() {
    let story = Story::at("2020-01-15 10:00").await;
    let member = contracted(&story, "CARD1").await;
    story.clock("2022-06-10 12:00").await;
    assert_eq!(story.change_plan(&member, "premium_20").await, utc("2022-07-01 00:00"));
    story.clock("2022-08-06 00:00").await;
    assert_charges(&story.closed(&member, "2022-06").await, &TERM_MONTH, "2750");
    assert_charges(
        &story.closed(&member, "2022-07").await,
        &[("base", "6600"), ("term_discount", "-1650")],
        "4950",
    );
    assert_eq!(term(&story, &member).await, expected("2023-01", "2023-01-01", "2023-03-01"));
}

#[tokio::test]
async fn w56_a_pending_change_to_simple_and_a_withdrawal_cost_one_fee() {
    let story = Story::at("2020-01-15 10:00").await;
    let member = contracted(&story, "CARD1").await;
    story.clock("2022-06-10 12:00").await;
    story.change_plan(&member, "simple").await;
    story.clock("2022-06-20 12:00").await;
    story.withdraw(&member).await;
    story.clock("2022-08-06 00:00").await;
    let june = story.closed(&member, "2022-06").await;
    assert_charges(&june, &TERM_MONTH_AND_FEE, "12650");
    assert_eq!(june.lines[2].1, 1, "one contract: {june:?}");
    assert_charges(&story.closed(&member, "2022-07").await, &[], "0");
}

#[tokio::test]
async fn w57_a_disqualification_costs_no_fee() {
    let story = Story::at("2020-01-15 10:00").await;
    let member = contracted(&story, "CARD1").await;
    story.clock("2022-06-10 12:00").await;
    let ended = story.post(&format!("/members/{member}/disqualify"), &json!({"ground": 1})).await;
    assert_eq!(ended["state"], "disqualified", "{ended}");
    story.clock("2022-08-06 00:00").await;
    assert_charges(&story.closed(&member, "2022-06").await, &TERM_MONTH, "2750");
    assert_charges(&story.closed(&member, "2022-07").await, &[], "0");
}

#[tokio::test]
async fn w58_no_new_term_contract_after_may_2023() {
    let story = Story::at("2023-05-01 10:00").await;
    let (running, _) = story.active("premium_10", "CARD1").await;
    let applying = json!({"name": "Aoki Transport", "kind": "corporation", "email": "fleet@example.jp", "plan": "premium_10",
        "term_contract": true, "payment_method": {"kind": "invoice"}});
    let changing = json!({"plan": "premium_10", "term_contract": true});
    story.clock("2023-05-31 12:00").await;
    let last = story.server.post("/members", &applying).await;
    assert_eq!(last.status, 201, "{last:?}");
    assert_eq!(last.json()["term"]["end_month"], "2026-05", "{last:?}");
    story.clock("2023-06-01 00:00").await;
    assert_refused(&story.server.post("/members", &applying).await, "term_closed", "8.1");
    assert_refused(
        &story.server.put(&format!("/members/{running}/plan-change"), &changing).await,
        "term_closed",
        "8.1",
    );
    assert_eq!(story.server.get("/members").await["items"].as_array().unwrap().len(), 2);
    story.clock("2023-08-06 00:00").await;
    assert_charges(&story.closed(&running, "2023-07").await, &[("base", "4400")], "4400");
}

#[tokio::test]
async fn w93_a_contract_under_terms_that_do_not_renew_ends_with_its_end_month() {
    let story = Story::at("2021-03-10 10:00").await;
    let member = contracted(&story, "CARD1").await;
    publish_terms(&story, false).await;
    story.clock("2023-09-01 00:00").await;
    assert_eq!(story.seen(&member).await["plan"], "premium_100");
    assert_eq!(term(&story, &member).await, expected("2024-03", "2024-03-01", "2024-05-01"));
    story.clock("2024-04-01 00:00").await;
    assert_eq!(story.seen(&member).await["term"], Value::Null);
    story.clock("2024-06-10 12:00").await;
    story.withdraw(&member).await;
    story.clock("2024-07-06 00:00").await;
    for month in ["2023-09", "2024-02", "2024-03"] {
        assert_charges(&story.closed(&member, month).await, &TERM_MONTH, "2750");
    }
    for month in ["2024-04", "2024-05", "2024-06"] {
        assert_charges(&story.closed(&member, month).await, &[("base", "4400")], "4400");
    }
}

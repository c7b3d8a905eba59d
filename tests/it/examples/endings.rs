//! The end of a membership (articles 6.3, 13).

use serde_json::{Value, json};

use super::story::{Class, Story, assert_charges, assert_refused, utc};
use crate::harness::{start, status, stop, transaction};

const BASE: [(&str, &str); 1] = [("base", "1100")];

/// Records a default, known at an instant, that ends the membership at the beginning of 2024-08-02.
async fn default_known(story: &Story, member: &str, known_at: &str) -> Value {
    let body =
        json!({"ground": 1, "known_at": utc(known_at), "effective_at": utc("2024-08-02 00:00")});
    story.post(&format!("/members/{member}/disqualify"), &body).await
}

#[tokio::test]
async fn w68_a_withdrawal_is_possible_from_the_month_after_the_services_start() {
    let story = Story::at("2024-04-10 09:00").await;
    let (member, _) = story.active("simple", "CARD1").await;
    story.last_second_of("2024-04-30").await;
    let refused = story.try_withdrawal(&member).await;
    assert_refused(&refused, "too_early", "13.5");
    assert_eq!(refused.json()["not_before"], json!(utc("2024-05-01 00:00")));
    assert_eq!(story.seen(&member).await["state"], "active");
    story.clock("2024-05-01 00:00:00").await;
    story.withdraw(&member).await;
    story.clock("2024-07-06 00:00").await;
    assert_charges(&story.closed(&member, "2024-05").await, &BASE, "1100");
    assert_charges(&story.closed(&member, "2024-06").await, &[], "0");
}

#[tokio::test]
async fn w69_the_month_of_the_withdrawal_is_the_last_one_and_full() {
    let story = Story::at("2024-04-10 09:00").await;
    let (june, _) = story.active("simple", "CARD1").await;
    let (july, _) = story.active("simple", "CARD2").await;
    story.last_second_of("2024-06-30").await;
    story.withdraw(&june).await;
    story.clock("2024-07-01 00:00:00").await;
    story.withdraw(&july).await;
    story.clock("2024-09-06 00:00").await;
    for (member, month, charges, total) in [
        (&june, "2024-06", &BASE[..], "1100"),
        (&june, "2024-07", &[], "0"),
        (&july, "2024-06", &BASE, "1100"),
        (&july, "2024-07", &BASE, "1100"),
        (&july, "2024-08", &[], "0"),
    ] {
        assert_charges(&story.closed(member, month).await, charges, total);
    }
}

#[tokio::test]
async fn w70_a_running_session_is_not_cut_and_the_card_is_dead_at_once() {
    let story = Story::at("2024-04-10 09:00").await;
    let (member, _) = story.active("simple", "CARD1").await;
    story.clock("2024-06-15 09:40").await;
    let mut socket = story.server.socket("Q1").await;
    story.clock("2024-06-15 09:50").await;
    let begun =
        socket.call("StartTransaction", start("CARD1", &utc("2024-06-15 09:50"), 1_000)).await;
    assert_eq!(status(&begun), "Accepted");
    let id = transaction(&begun);
    story.clock("2024-06-15 10:00").await;
    story.withdraw(&member).await;
    story.clock("2024-06-15 10:00:01").await;
    assert_eq!(story.authorize_at("Q2", "CARD1").await, "Expired");
    assert_eq!(story.server.session(id).await["state"], "open");
    story.clock("2024-06-15 10:20").await;
    let stopped = socket.call("StopTransaction", stop(id, &utc("2024-06-15 10:20"), 9_000)).await;
    assert_eq!(stopped[0], 3, "{stopped}");
    assert_eq!(story.used(&member, "2024-06", id).await, Some((30, 0, 30, "ended".to_owned())));
    story.clock("2024-07-06 00:00").await;
    assert_charges(
        &story.closed(&member, "2024-06").await,
        &[("base", "1100"), ("metered_quick", "2970")],
        "4070",
    );
}

#[tokio::test]
async fn w71_a_default_blocks_when_it_is_known_and_makes_all_due_when_it_takes_effect() {
    let story = Story::at("2024-06-10 09:00").await;
    let (member, card) = story.active("simple", "CARD1").await;
    story.clock("2024-07-31 23:29:59").await;
    assert_eq!(story.authorize("CARD1").await, "Accepted");
    story.clock("2024-07-31T14:30:00Z").await;
    let known = default_known(&story, &member, "2024-07-31T14:30:00Z").await;
    assert_eq!(
        (&known["state"], &known["end"]["last_fee_month"]),
        (&json!("active"), &json!("2024-07")),
        "{known}"
    );
    assert_eq!(story.authorize("CARD1").await, "Blocked");
    assert_eq!(story.server.get(&format!("/cards/{card}")).await["state"], "suspended");
    story.clock("2024-08-02 00:00").await;
    assert_eq!(story.seen(&member).await["state"], "disqualified");
    assert_eq!(story.authorize("CARD1").await, "Expired");
    let account = story.server.get(&format!("/members/{member}/account")).await;
    // June with the contract fee, and July.
    assert_eq!(
        (&account["due_on"], &account["open_yen"]),
        (&json!("2024-08-02"), &json!("3850")),
        "{account}"
    );
    let open = account["open_invoices"].as_array().unwrap();
    assert!(
        !open.is_empty() && open.iter().all(|invoice| invoice["due_on"] == "2024-08-02"),
        "{account}"
    );
    story.clock("2024-09-06 00:00").await;
    assert_charges(&story.closed(&member, "2024-07").await, &BASE, "1100");
    assert_charges(&story.closed(&member, "2024-08").await, &[], "0");
}

#[tokio::test]
async fn w72_a_default_known_at_midnight_costs_that_whole_month() {
    let story = Story::at("2024-06-10 09:00").await;
    let (member, _) = story.active("simple", "CARD1").await;
    story.clock("2024-08-01 00:00").await;
    let known = default_known(&story, &member, "2024-08-01 00:00").await;
    assert_eq!(known["end"]["last_fee_month"], "2024-08", "{known}");
    assert_eq!(story.authorize("CARD1").await, "Blocked");
    story.clock("2024-10-06 00:00").await;
    // The final invoice holds every month that was open at the end, in whichever month's bill it is shown.
    let mut fees = Vec::new();
    for month in ["2024-07", "2024-08", "2024-09"] {
        let bill = story.server.get(&format!("/members/{member}/bills/{month}")).await;
        assert_eq!(bill["state"], "closed", "{bill}");
        for line in bill["lines"].as_array().unwrap() {
            fees.push(
                ["usage_month", "code", "amount_yen"]
                    .map(|key| line[key].as_str().unwrap().to_owned()),
            );
        }
    }
    assert_eq!(fees, [["2024-07", "base", "1100"], ["2024-08", "base", "1100"]]);
}

#[tokio::test]
async fn w73_what_is_open_is_due_as_one_sum_and_unused_free_minutes_are_not_paid_back() {
    let story = Story::at("2024-05-10 09:00").await;
    let (member, _) = story.active("premium_100", "CARD1").await;
    story.clock("2024-07-06 00:00").await;
    let account = format!("/members/{member}/account");
    for invoice in story.server.get(&account).await["open_invoices"].as_array().unwrap() {
        let id = invoice["invoice_id"].as_str().unwrap();
        if invoice["total_yen"] == "6050" {
            // May with the contract fee was paid, June was not.
            story
                .post(
                    &format!("/members/{member}/payments"),
                    &json!({"invoice_id": id, "outcome": "paid"}),
                )
                .await;
        } else {
            assert_eq!(invoice["total_yen"], "4400", "{invoice}");
            story
                .post(
                    &format!("/members/{member}/payments"),
                    &json!({"invoice_id": id, "outcome": "failed"}),
                )
                .await;
        }
    }
    story.clock("2024-07-31 23:00").await;
    story.session(Class::Quick, "CARD1", "2024-07-20 10:00", "2024-07-20 12:00").await;
    story.session(Class::Normal, "CARD1", "2024-07-21 10:00", "2024-07-21 11:00").await;
    story.clock("2024-07-31T14:30:00Z").await;
    default_known(&story, &member, "2024-07-31T14:30:00Z").await;
    story.clock("2024-08-02 00:00").await;
    let due = story.server.get(&account).await;
    assert_eq!((&due["open_yen"], &due["due_on"]), (&json!("9680"), &json!("2024-08-02")), "{due}");
    let open = due["open_invoices"].as_array().unwrap();
    assert_eq!(open.len(), 2, "{due}");
    assert!(open.iter().all(|invoice| invoice["due_on"] == "2024-08-02"), "{due}");
    story.clock("2024-09-06 00:00").await;
    assert_charges(&story.closed(&member, "2024-06").await, &[("base", "4400")], "4400");
    assert_charges(
        &story.closed(&member, "2024-07").await,
        &[("base", "4400"), ("metered_quick", "880")],
        "5280",
    );
    assert_charges(&story.closed(&member, "2024-08").await, &[], "0");
    assert_eq!(story.server.get(&account).await["open_yen"], "9680");
}

#[tokio::test]
async fn w74_a_scrapped_car_ends_no_membership() {
    let story = Story::at("2024-01-10 09:00").await;
    let more = json!({"payment_method": {"kind": "credit_card", "brand": "nissan_card"}, "vehicle": {"vin": "ZE1-012345"}});
    let member = story.member_as("simple", &more).await;
    story.card(&member, "CARD1", "primary").await;
    story.clock("2024-05-10 10:00").await;
    let towing = format!("/benefits?member_id={member}&service=towing&vin=ZE1-012345");
    let before = story.server.get(&towing).await;
    assert_eq!(
        (&before["eligible"], &before["vehicle_match"]),
        (&json!(true), &json!(true)),
        "{before}"
    );
    story.put(&format!("/members/{member}/vehicle"), &json!({"vehicle": null})).await;
    let after = story.server.get(&towing).await;
    assert_eq!(
        (&after["eligible"], &after["vehicle_match"]),
        (&json!(false), &json!(false)),
        "{after}"
    );
    assert_eq!(story.authorize("CARD1").await, "Accepted");
    story.clock("2024-07-06 00:00").await;
    assert_eq!(story.seen(&member).await["state"], "active");
    for month in ["2024-05", "2024-06"] {
        assert_charges(&story.closed(&member, month).await, &BASE, "1100");
    }
}

#[tokio::test]
async fn w75_an_ended_membership_can_be_read_for_fifteen_months_and_never_changed() {
    let story = Story::at("2024-04-10 09:00").await;
    let (member, _) = story.active("simple", "CARD1").await;
    story.clock("2024-06-20 12:00").await;
    story.session(Class::Quick, "CARD1", "2024-06-20 10:00", "2024-06-20 10:30").await;
    story.withdraw(&member).await;
    let change = format!("/members/{member}/plan-change");
    assert_refused(
        &story.server.put(&change, &json!({"plan": "premium_100"})).await,
        "read_only",
        "13.7",
    );
    let (usage, bill) =
        (format!("/members/{member}/usage/2024-06"), format!("/members/{member}/bills/2024-06"));
    story.last_second_of("2025-09-30").await;
    assert_eq!(story.server.get(&usage).await["sessions"][0]["units"], 30);
    assert_eq!(story.server.get(&bill).await["total_yen"], "4070");
    assert_refused(
        &story.server.put(&change, &json!({"plan": "premium_100"})).await,
        "read_only",
        "13.7",
    );
    story.clock("2025-10-01 00:00:00").await;
    for path in [&usage, &bill] {
        assert_refused(
            &story.server.request("GET", path, None, &[]).await,
            "membership_ended",
            "13.7",
        );
    }
    assert_refused(
        &story.server.put(&change, &json!({"plan": "premium_100"})).await,
        "read_only",
        "13.7",
    );
}

#[tokio::test]
async fn w94_a_new_membership_in_the_month_of_the_withdrawal_has_its_own_fees() {
    let story = Story::at("2024-04-10 09:00").await;
    let (old, _) = story.active("simple", "CARD1").await;
    story.clock("2024-06-10 10:00").await;
    story.withdraw(&old).await;
    story.clock("2024-06-20 10:00").await;
    let new = story.member("simple").await;
    assert_ne!(new, old);
    story.clock("2024-06-25 10:00").await;
    story.card(&new, "CARD2", "primary").await;
    assert_eq!(story.authorize("CARD1").await, "Expired");
    assert_eq!(story.authorize("CARD2").await, "Accepted");
    story.last_second_of("2024-06-30").await;
    assert_refused(&story.try_withdrawal(&new).await, "too_early", "13.5");
    story.clock("2024-07-01 00:00:00").await;
    story.withdraw(&new).await;
    story.clock("2024-08-06 00:00").await;
    assert_charges(&story.closed(&old, "2024-06").await, &BASE, "1100");
    assert_charges(
        &story.closed(&new, "2024-06").await,
        &[("contract", "1650"), ("base", "1100")],
        "2750",
    );
    assert_charges(&story.closed(&old, "2024-07").await, &[], "0");
    assert_charges(&story.closed(&new, "2024-07").await, &BASE, "1100");
}

//! Credits, refunds and entries, and what a final invoice shows (W115 to W122).

use super::corrections::{correct, march};
use super::story::{Class, Story, utc};
use crate::harness::{has_flag, start, stop, transaction};
use crate::newer::Newer;
use serde_json::json;

async fn carried(story: &Story, member: &str) -> (String, String) {
    let account = story.server.get(&format!("/members/{member}/account")).await;
    let text = |key: &str| account[key].as_str().unwrap().to_owned();
    (text("carried_credit_yen"), text("balance_yen"))
}

/// The rows of an export that name a member.
async fn rows(story: &Story, month: &str, format: &str, member: &str) -> Vec<String> {
    let file = story
        .server
        .request("GET", &format!("/months/{month}/export?format={format}"), None, &[])
        .await;
    assert_eq!(file.status, 200, "{file:?}");
    file.text.lines().filter(|line| line.contains(member)).map(str::to_owned).collect()
}

#[tokio::test]
async fn w115_w116_credit_is_carried_and_at_last_paid_out() {
    let story = Story::at("2024-02-01 09:00").await;
    let (member, _) = story.active("simple", "CARD1").await;
    story.clock("2024-03-20 00:00").await;
    let mut sessions = Vec::new();
    for day in 10..12 {
        sessions.push(
            story
                .session(
                    Class::Quick,
                    "CARD1",
                    &format!("2024-03-{day} 10:00"),
                    &format!("2024-03-{day} 10:30"),
                )
                .await,
        );
    }
    story.clock("2024-04-06 00:00").await;
    for session in sessions {
        correct(&story, session, json!({"kind": "waive"})).await;
    }
    let april = story.bill(&member, "2024-04").await;
    assert_eq!((april.total.as_str(), april.yen("credit")), ("0", vec!["-5940"]), "{april:?}");
    story.clock("2024-05-06 00:00").await;
    assert_eq!(
        story.closed(&member, "2024-04").await,
        super::story::Bill { state: "closed".into(), ..april }
    );
    assert_eq!(
        carried(&story, &member).await,
        ("4840".to_owned(), "-4840".to_owned()).map_first_open(&story, &member).await
    );
    assert_eq!(rows(&story, "2024-04", "collection", &member).await, Vec::<String>::new());
    story.clock("2024-06-06 00:00").await;
    let may = story.closed(&member, "2024-05").await;
    assert_eq!((may.total.as_str(), may.charges()[0]), ("0", ("carried_credit", "-4840")));
    assert_eq!(carried(&story, &member).await.0, "3740");
    assert_eq!(rows(&story, "2024-05", "collection", &member).await, Vec::<String>::new());
    story.post(&format!("/members/{member}/withdraw"), &json!({})).await;
    story.clock("2024-07-06 00:00").await;
    assert_eq!(carried(&story, &member).await.0, "2640", "the last month's base fee");
    assert_eq!(rows(&story, "2024-06", "refunds", &member).await, Vec::<String>::new());
    story.clock("2024-08-06 00:00").await;
    assert_eq!(rows(&story, "2024-07", "refunds", &member).await, Vec::<String>::new());
    story.clock("2024-09-06 00:00").await;
    let refunds = rows(&story, "2024-08", "refunds", &member).await;
    assert!(
        refunds.len() == 1 && refunds[0].contains(",refund,") && refunds[0].contains(",2640,"),
        "{refunds:?}"
    );
    assert_eq!(carried(&story, &member).await.0, "0");
    story.clock("2024-10-06 00:00").await;
    assert_eq!(
        rows(&story, "2024-09", "refunds", &member).await,
        Vec::<String>::new(),
        "it is paid out once"
    );
}

#[tokio::test]
async fn w119_nothing_is_debited_so_no_small_debit_is_paid_for() {
    let story = Story::with("debit", "2024-02-01 09:00").await;
    let mut members = Vec::new();
    for tag in ["CARD1", "CARD2"] {
        let member =
            story.member_as("simple", &json!({"payment_method": {"kind": "account_debit"}})).await;
        story.card(&member, tag, "primary").await;
        members.push(member);
    }
    story.clock("2024-03-20 00:00").await;
    let session =
        story.session(Class::Quick, "CARD1", "2024-03-10 10:00", "2024-03-10 10:30").await;
    story.clock("2024-04-06 00:00").await;
    correct(&story, session, json!({"kind": "waive"})).await;
    story.clock("2024-05-06 00:00").await;
    let [credited, other] =
        [story.closed(&members[0], "2024-04").await, story.closed(&members[1], "2024-04").await];
    assert_eq!(
        (credited.total.as_str(), credited.yen("small_debit")),
        ("0", vec![]),
        "{credited:?}"
    );
    assert_eq!(
        (other.total.as_str(), other.yen("small_debit")),
        ("1210", vec!["110"]),
        "1,100 yen are debited: {other:?}"
    );
}

trait OpenBeside {
    async fn map_first_open(self, story: &Story, member: &str) -> (String, String);
}

impl OpenBeside for (String, String) {
    /// The balance beside invoices that are not paid yet.
    async fn map_first_open(self, story: &Story, member: &str) -> (String, String) {
        let account = story.server.get(&format!("/members/{member}/account")).await;
        let open: i64 = account["open_yen"].as_str().unwrap().parse().unwrap();
        let carried: i64 = self.0.parse().unwrap();
        (self.0, (open - carried).to_string())
    }
}

#[tokio::test]
async fn w117_each_month_of_a_final_invoice_shows_its_own_lines() {
    let story = Story::at("2024-04-01 09:00").await;
    let (member, _) = story.active("premium_100", "CARD1").await;
    story.clock("2024-08-01 00:00:00").await;
    story
        .post(
            &format!("/members/{member}/disqualify"),
            &json!({"ground": 1, "effective_at": utc("2024-08-01 00:00:01")}),
        )
        .await;
    story.clock("2024-08-02 00:00").await;
    for month in ["2024-07", "2024-08"] {
        let bill = story.closed(&member, month).await;
        assert_eq!(
            (bill.charges(), bill.total.as_str()),
            (vec![("base", "4400")], "4400"),
            "{month}"
        );
    }
}

#[tokio::test]
async fn w118_fees_paid_are_those_for_use_alone() {
    let story = Story::at("2024-04-03 09:00").await;
    let (member, _) = story.active("premium_100", "CARD1").await;
    story.clock("2024-05-06 00:00").await;
    let bill = story.server.get(&format!("/members/{member}/bills/2024-04")).await;
    assert_eq!(bill["total_yen"], "6050");
    let invoice = bill["invoices"][0]["invoice_id"].clone();
    story
        .post(
            &format!("/members/{member}/payments"),
            &json!({"invoice_id": invoice, "outcome": "paid", "amount_yen": "1000"}),
        )
        .await;
    assert_eq!(story.server.get(&format!("/members/{member}/account")).await["open_yen"], "5050");
    story
        .post(
            &format!("/members/{member}/payments"),
            &json!({"invoice_id": invoice, "outcome": "paid"}),
        )
        .await;
    assert_eq!(
        story.server.get(&format!("/members/{member}/fees-paid")).await["fees_paid_yen"],
        "4400"
    );
}

#[tokio::test]
async fn w120_the_contract_fee_is_owed_by_whom_the_tariff_names() {
    let story = Story::at("2024-04-03 09:00").await;
    let corporation = story.member("simple").await;
    let person = story.member_as("simple", &json!({"kind": "sole_proprietor"})).await;
    assert_eq!(story.bill(&corporation, "2024-04").await.yen("contract"), ["1650"]);
    assert_eq!(story.bill(&person, "2024-04").await.yen("contract"), Vec::<&str>::new());
}

#[tokio::test]
async fn w121_of_an_overlapping_pair_the_other_stands_alone_once_one_is_waived() {
    let (story, member, first) = march().await;
    let second = story.session_at("Q2", "CARD1", "2024-03-10 10:10", "2024-03-10 10:40").await;
    for session in [first, second] {
        let session = story.server.session(session).await;
        assert!(session["state"] == "review" && has_flag(&session, "overlap"), "{session}");
    }
    correct(&story, first, json!({"kind": "waive"})).await;
    assert_eq!(story.server.session(second).await["state"], "ended");
    assert_eq!(story.bill(&member, "2024-03").await.yen("metered_quick"), ["2970"]);
    correct(&story, first, json!({"kind": "undo"})).await;
    assert_eq!(story.server.session(second).await["state"], "review", "both are looked at anew");
}

#[tokio::test]
async fn w122_nothing_is_billed_before_the_service_started() {
    let (story, _, _) = march().await;
    let early = story.session(Class::Quick, "CARD1", "2024-01-10 10:00", "2024-01-10 10:30").await;
    let before = story.server.session(early).await;
    let name = before["session_id"].as_str().unwrap();
    let refused = story
        .server
        .post(&format!("/sessions/{name}/corrections"), &json!({"kind": "bill", "reason": "x"}))
        .await;
    assert_eq!(
        (refused.status, refused.json()["reason"].as_str()),
        (409, Some("before_service_start")),
        "{refused:?}"
    );
    assert_eq!(story.server.session(early).await["state"], before["state"]);
}

/// "I was charged twice, and my card does not work."
#[tokio::test]
async fn an_operator_settles_a_members_complaint_by_calls_alone() {
    let story = Story::at("2024-02-01 09:00").await;
    let (member, card) = story.active("simple", "CARD1").await;
    story.clock("2024-03-31 20:00").await;
    let paid = story.session(Class::Quick, "CARD1", "2024-03-31 10:00", "2024-03-31 10:20").await;
    let twice = story.session_at("Q2", "CARD1", "2024-03-31 10:21", "2024-03-31 10:41").await;
    let mut socket = super::evidence::old(&story, "N1").await;
    let stuck = transaction(
        &socket.call("StartTransaction", start("CARD1", &utc("2024-03-31 20:00"), 0)).await,
    );
    story.clock("2024-03-31 20:30").await;
    let value = json!([{"timestamp": utc("2024-03-31 20:30"), "sampledValue": [{"value": "25000", "unit": "Wh"}]}]);
    socket
        .call("MeterValues", json!({"connectorId": 1, "transactionId": stuck, "meterValue": value}))
        .await;
    story.clock("2024-04-06 00:00").await;
    assert_eq!(story.closed(&member, "2024-03").await.yen("metered_quick"), ["3960"]);
    let found = story.server.get(&format!("/sessions?card_number={card}&state=open")).await;
    assert_eq!(found["items"].as_array().unwrap().len(), 1, "{found}");
    let ended = correct(
        &story,
        stuck,
        json!({"kind": "end", "reason": "the member left at the last reading"}),
    )
    .await;
    assert_eq!(
        (&ended["session"]["state"], &ended["session"]["stopped_at"]),
        (&json!("ended"), &json!(utc("2024-03-31 20:30"))),
        "{ended}"
    );
    correct(&story, twice, json!({"kind": "waive", "reason": "charged twice"})).await;
    let (status, _, _) = story.live("Q1", "CARD1", "2024-04-06 00:01").await;
    assert_eq!(status, "Accepted", "the card is free");
    let next = story.bill(&member, "2024-04").await;
    assert_eq!(
        next.yen("credit"),
        ["-1881"],
        "20 minutes given back, 30 minutes of a normal charger taken in: {next:?}"
    );
    let told = story.server.session(twice).await;
    let correction = &told["corrections"][0];
    assert_eq!(
        (&correction["by"], &correction["reason"]),
        (&json!("operator"), &json!("charged twice")),
        "{told}"
    );
    assert_eq!(story.server.session(paid).await["state"], "ended");
}

#[tokio::test]
async fn a_stop_that_came_elsewhere_is_joined_and_one_after_a_persons_end_changes_nothing() {
    let (story, _, _) = march().await;
    let mut socket = story.server.socket("Q1").await;
    let number = transaction(
        &socket.call("StartTransaction", start("CARD1", &utc("2024-03-15 10:00"), 1_000)).await,
    );
    let name = story.server.session(number).await["session_id"].as_str().unwrap().to_owned();
    // In 2.0.1 the start itself tells that energy flows.
    if !Newer::wanted() {
        let none = story
            .server
            .post(&format!("/sessions/{name}/corrections"), &json!({"kind": "end", "reason": "x"}))
            .await;
        assert_eq!(none.status, 422, "nothing shows when it ended: {none:?}");
    }
    correct(
        &story,
        number,
        json!({"kind": "end", "stopped_at": utc("2024-03-15 10:10"), "energy_wh": 900}),
    )
    .await;
    socket.call("StopTransaction", stop(number, &utc("2024-03-15 10:30"), 5_000)).await;
    let session = story.server.session(number).await;
    assert_eq!((&session["units"], &session["state"]), (&json!(10), &json!("ended")), "{session}");
    assert!(has_flag(&session, "stop_after_correction"), "{session}");
    let message = story.server.get("/stations/Q1/messages").await["items"]
        .as_array()
        .unwrap()
        .iter()
        .rfind(|message| message["session_id"] == json!(name))
        .unwrap()["message_id"]
        .clone();
    let joined = correct(&story, number, json!({"kind": "join_stop", "message_id": message})).await;
    assert_eq!(joined["session"]["units"], 30, "{joined}");
    correct(&story, number, json!({"kind": "undo"})).await;
    correct(&story, number, json!({"kind": "undo"})).await;
    assert_eq!(story.server.session(number).await["units"], 30, "the station's own stop");
    let nothing = story
        .server
        .post(&format!("/sessions/{name}/corrections"), &json!({"kind": "undo", "reason": "x"}))
        .await;
    assert_eq!(nothing.json()["reason"], "nothing_to_undo", "{nothing:?}");
}

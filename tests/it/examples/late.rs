//! Late, offline and concurrent sessions, suspensions and free openings (articles 6.2, 16).

use serde_json::{Value, json};

use super::story::{Bill, Class, Story, assert_refused, utc};
use crate::harness::{has_flag, start, status, stop, transaction};

/// Adjustments and credits of a bill: code, usage month, yen.
async fn corrections(story: &Story, member: &str, month: &str) -> Vec<(String, String, String)> {
    let bill = story.server.get(&format!("/members/{member}/bills/{month}")).await;
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let lines = bill["lines"].as_array().unwrap().iter();
    let corrections = lines.filter(|line| line["code"] == "adjustment" || line["code"] == "credit");
    corrections
        .map(|line| (text(&line["code"]), text(&line["usage_month"]), text(&line["amount_yen"])))
        .collect()
}

fn adjustment(month: &str, yen: &str) -> Vec<(String, String, String)> {
    vec![("adjustment".to_owned(), month.to_owned(), yen.to_owned())]
}

/// A premium member since February whose March, with these minutes of quick sessions, was closed; the
/// clock stands in April.
async fn march_closed(minutes: &[i64]) -> (Story, String) {
    let story = Story::at("2024-02-01 09:00").await;
    let (member, _) = story.active("premium_100", "CARD1").await;
    story.clock("2024-03-31 23:00").await;
    for (day, minutes) in (10..).zip(minutes) {
        story
            .session(
                Class::Quick,
                "CARD1",
                &format!("2024-03-{day} 10:00"),
                &format!("2024-03-{day} 10:{minutes:02}"),
            )
            .await;
    }
    story.clock("2024-04-12 10:00").await;
    assert_eq!(story.quick_pool(&member, "2024-03").await.1, minutes.iter().sum::<i64>());
    (story, member)
}

#[tokio::test]
async fn w76_a_session_of_a_closed_month_is_an_adjustment_of_that_month() {
    let (story, member) = march_closed(&[40, 40, 20]).await;
    let march = story.bill(&member, "2024-03").await;
    assert_eq!((march.state.as_str(), march.total.as_str()), ("closed", "4400"));
    let late = story.session(Class::Quick, "CARD1", "2024-03-30 10:00", "2024-03-30 10:30").await;
    assert_eq!(story.used(&member, "2024-03", late).await, Some((30, 0, 30, "ended".to_owned())));
    assert_eq!(
        story.quick_pool(&member, "2024-04").await,
        (100, 0, 100),
        "April's pool is not touched"
    );
    story.clock("2024-05-06 00:00").await;
    assert_eq!(corrections(&story, &member, "2024-04").await, adjustment("2024-03", "1320"));
    let april = story.bill(&member, "2024-04").await;
    assert_eq!(
        (april.state.as_str(), april.yen("base"), april.total.as_str()),
        ("closed", vec!["4400"], "5720")
    );
    assert_eq!(story.bill(&member, "2024-03").await, march, "a closed month is never edited");
    story.clock("2024-06-06 00:00").await;
    assert_eq!(corrections(&story, &member, "2024-05").await, [], "it is posted once");
}

#[tokio::test]
async fn w77_a_late_session_within_the_allowance_costs_nothing() {
    let (story, member) = march_closed(&[30, 30]).await;
    let late = story.session(Class::Quick, "CARD1", "2024-03-30 10:00", "2024-03-30 10:30").await;
    assert_eq!(story.used(&member, "2024-03", late).await, Some((30, 30, 0, "ended".to_owned())));
    assert_eq!(story.quick_pool(&member, "2024-03").await, (100, 90, 10));
    story.clock("2024-05-06 00:00").await;
    assert_eq!(corrections(&story, &member, "2024-04").await, []);
    assert_eq!(story.bill(&member, "2024-04").await.total, "4400");
}

/// March used 60 where unused minutes are carried on, April 150; the clock stands in April, or in May
/// after April's close.
async fn carrying(clock: &str) -> (Story, String) {
    let story = Story::with("carry", "2024-03-01 09:00").await;
    let (member, _) = story.active("premium_100", "CARD1").await;
    story.clock("2024-03-31 23:00").await;
    story.session(Class::Quick, "CARD1", "2024-03-10 10:00", "2024-03-10 11:00").await;
    story.clock("2024-04-12 10:00").await;
    story.session(Class::Quick, "CARD1", "2024-04-10 10:00", "2024-04-10 12:30").await;
    assert_eq!(story.quick_pool(&member, "2024-04").await, (140, 150, 0));
    story.clock(clock).await;
    (story, member)
}

#[tokio::test]
async fn w77_with_carried_minutes_the_next_month_is_rated_again() {
    let (story, member) = carrying("2024-04-12 11:00").await;
    story.session(Class::Quick, "CARD1", "2024-03-30 10:00", "2024-03-30 10:30").await;
    assert_eq!(
        story.quick_pool(&member, "2024-04").await,
        (110, 150, 0),
        "10 carried instead of 40"
    );
    story.clock("2024-05-06 00:00").await;
    let april = story.bill(&member, "2024-04").await;
    assert_eq!((april.yen("metered_quick"), april.total.as_str()), (vec!["1760"], "6160"));
    assert_eq!(corrections(&story, &member, "2024-04").await, []);

    // The same where April was closed too: what it comes to by now is 30 x 44 yen more.
    let (story, member) = carrying("2024-05-06 00:00").await;
    assert_eq!(story.bill(&member, "2024-04").await.yen("metered_quick"), ["440"]);
    story.session(Class::Quick, "CARD1", "2024-03-30 10:00", "2024-03-30 10:30").await;
    story.clock("2024-06-06 00:00").await;
    assert_eq!(corrections(&story, &member, "2024-05").await, adjustment("2024-04", "1320"));
}

#[tokio::test]
async fn w78_a_late_session_from_before_the_billed_ones_comes_to_the_same() {
    let (story, member) = march_closed(&[40, 40, 20]).await;
    let path = format!("/members/{member}/bills/2024-03");
    let billed = story.server.get(&path).await;
    let late = story.session(Class::Quick, "CARD1", "2024-03-02 10:00", "2024-03-02 10:30").await;
    assert_eq!(story.quick_pool(&member, "2024-03").await, (100, 130, 0));
    // It draws first; the last one is charged in its place.
    assert_eq!(story.used(&member, "2024-03", late).await, Some((30, 30, 0, "ended".to_owned())));
    story.clock("2024-05-06 00:00").await;
    assert_eq!(corrections(&story, &member, "2024-04").await, adjustment("2024-03", "1320"));
    assert_eq!(story.server.get(&path).await, billed, "billed lines stay as they are");
}

#[tokio::test]
async fn w79_a_stop_said_thrice_is_one_and_one_that_differs_is_set_aside() {
    let story = Story::at("2024-02-01 09:00").await;
    let (member, _) = story.active("simple", "CARD1").await;
    story.clock("2024-03-20 12:00").await;
    let mut socket = story.server.socket("Q1").await;
    let id = transaction(
        &socket.call("StartTransaction", start("CARD1", &utc("2024-03-20 10:00"), 100)).await,
    );
    for message in ["a", "b", "c"] {
        let answer = socket
            .call_as(message, "StopTransaction", stop(id, &utc("2024-03-20 10:30"), 9_100))
            .await;
        assert_eq!(answer[0], 3, "{answer}");
    }
    let counted = async || story.server.sessions_at("Q1").await.len();
    assert_eq!(
        (counted().await, story.used(&member, "2024-03", id).await),
        (1, Some((30, 0, 30, "ended".to_owned())))
    );
    assert_eq!(story.server.session(id).await["flags"], json!([]));

    // The replay is kept and named by its flag, and has no effect.
    let answer =
        socket.call_as("d", "StopTransaction", stop(id, &utc("2024-03-20 10:30"), 19_100)).await;
    assert_eq!(answer[0], 3, "{answer}");
    let session = story.server.session(id).await;
    assert!(has_flag(&session, "stop_differs"), "{session}");
    assert_eq!((&session["energy_wh"], &session["meter_stop_wh"]), (&json!(9_000), &json!(9_100)));
    assert_eq!(session["messages"].as_array().unwrap().last().unwrap()["effect"], "differing_stop");
    assert_eq!(
        (counted().await, story.used(&member, "2024-03", id).await),
        (1, Some((30, 0, 30, "ended".to_owned())))
    );
}

#[tokio::test]
async fn w80_a_card_in_use_elsewhere_is_refused_unless_that_charger_is_long_gone() {
    let story = Story::at("2024-04-10 09:00").await;
    story.active("simple", "CARD1").await;
    // A charger with the usual half hour for a session.
    story.server.station("C1").await;
    story.clock("2024-05-07 10:00").await;
    let (open, first) = story.begin("C1", "CARD1").await;
    assert_eq!(story.server.session(open).await["state"], "open");
    story.clock("2024-05-07 10:10").await;
    let mut second = story.server.socket("Q2").await;
    let tapped = second.call("StartTransaction", start("CARD1", &utc("2024-05-07 10:10"), 0)).await;
    assert_eq!(status(&tapped), "ConcurrentTx");
    assert!(has_flag(&story.server.session(transaction(&tapped)).await, "concurrent"));
    second.call("StopTransaction", stop(transaction(&tapped), &utc("2024-05-07 10:10"), 0)).await;

    drop(first);
    while story.server.get("/stations/C1").await["online"] == true {
        tokio::task::yield_now().await;
    }
    story.clock("2024-05-08 12:00").await;
    let tapped =
        second.call("StartTransaction", start("CARD1", &utc("2024-05-08 12:00"), 50)).await;
    assert_eq!(status(&tapped), "Accepted");
    assert!(has_flag(&story.server.session(transaction(&tapped)).await, "stale_concurrent"));
}

#[tokio::test]
async fn w81_an_offline_start_on_a_suspended_card_is_an_exception() {
    let story = Story::at("2024-04-10 09:00").await;
    let (member, card) = story.active("simple", "CARD1").await;
    story.clock("2024-05-07 09:00").await;
    story.session(Class::Quick, "CARD1", "2024-05-06 10:00", "2024-05-06 10:20").await;
    story.clock("2024-05-07 10:15").await;
    story.post(&format!("/cards/{card}/suspend"), &json!({"reason": "lost"})).await;
    story.clock("2024-05-08 09:00").await;
    let totals =
        async || (story.bill(&member, "2024-05").await, story.quick_pool(&member, "2024-05").await);
    let before: (Bill, _) = totals().await;
    assert_eq!(before.0.total, "3080");
    let exception =
        story.session(Class::Quick, "CARD1", "2024-05-07 10:40", "2024-05-07 11:10").await;
    let session = story.server.session(exception).await;
    assert_eq!(
        (&session["state"], &session["refusal"]),
        (&json!("exception"), &json!("suspended_lost"))
    );
    assert_eq!(
        story.used(&member, "2024-05", exception).await,
        Some((30, 0, 0, "exception".to_owned()))
    );
    assert_eq!(totals().await, before);
    story.clock("2024-06-06 00:00").await;
    assert_eq!(story.bill(&member, "2024-05").await.total, "3080");
    story.clock("2024-07-06 00:00").await;
    assert_eq!(corrections(&story, &member, "2024-06").await, []);
}

#[tokio::test]
async fn w82_a_session_open_at_the_close_is_billed_with_the_next() {
    let story = Story::at("2024-02-01 09:00").await;
    let (member, _) = story.active("simple", "CARD1").await;
    story.clock("2024-03-31 23:30").await;
    let mut socket = story.server.socket("N1").await;
    let id = transaction(
        &socket.call("StartTransaction", start("CARD1", &utc("2024-03-31 23:30"), 0)).await,
    );
    story.clock("2024-04-05 03:00").await;
    let march = story.bill(&member, "2024-03").await;
    assert_eq!(
        (march.state.as_str(), march.yen("metered_normal"), march.total.as_str()),
        ("closed", vec![], "1100")
    );
    assert_eq!(story.server.session(id).await["state"], "open");
    story.clock("2024-04-06 10:00").await;
    socket.call("StopTransaction", stop(id, &utc("2024-04-06 10:00"), 60_000)).await;
    // It took more than a day, so a person decides first.
    let session = story.server.session(id).await;
    assert_eq!(
        (&session["state"], &session["usage_month"], &session["units"]),
        (&json!("review"), &json!("2024-03"), &json!(7_830))
    );
    story
        .post(&format!("/sessions/{id}/decision"), &json!({"decision": "bill", "note": "a truck"}))
        .await;
    story.clock("2024-05-06 00:00").await;
    assert_eq!(corrections(&story, &member, "2024-04").await, adjustment("2024-03", "25839"));
    let april = story.bill(&member, "2024-04").await;
    assert_eq!((april.yen("metered_normal"), april.total.as_str()), (vec![], "26939"));
    assert_eq!(story.bill(&member, "2024-03").await, march);
}

#[tokio::test]
async fn w83_a_late_session_across_the_revision_is_rated_by_its_starts_tariff() {
    let story = Story::at("2023-07-01 09:00").await;
    let (member, _) = story.active("simple", "CARD1").await;
    story.clock("2023-09-20 10:00").await;
    assert_eq!(story.bill(&member, "2023-08").await.total, "550");
    let late = story.session(Class::Quick, "CARD1", "2023-08-31 23:55", "2023-09-01 00:20").await;
    assert_eq!(story.used(&member, "2023-08", late).await, Some((3, 0, 3, "ended".to_owned())));
    assert_eq!(story.used(&member, "2023-09", late).await, None);
    story.clock("2023-10-06 00:00").await;
    assert_eq!(corrections(&story, &member, "2023-09").await, adjustment("2023-08", "1650"));
    assert_eq!(story.bill(&member, "2023-09").await.total, "2750");
}

#[tokio::test]
async fn w84_a_session_after_the_end_makes_a_supplementary_invoice() {
    let story = Story::at("2024-05-02 09:00").await;
    let (member, _) = story.active("simple", "CARD1").await;
    story.clock("2024-06-15 10:00").await;
    story.post(&format!("/members/{member}/withdraw"), &json!({})).await;
    story.clock("2024-07-20 10:00").await;
    assert_eq!(story.bill(&member, "2024-06").await.total, "1100");
    let late = story.session(Class::Quick, "CARD1", "2024-06-14 10:00", "2024-06-14 10:30").await;
    assert_eq!(story.used(&member, "2024-06", late).await, Some((30, 0, 30, "ended".to_owned())));
    story.clock("2024-08-06 00:00").await;
    let july = story.server.get(&format!("/members/{member}/bills/2024-07")).await;
    let invoices = july["invoices"].as_array().unwrap();
    assert_eq!(
        (invoices.len(), &invoices[0]["kind"], &july["total_yen"]),
        (1, &json!("supplementary"), &json!("2970")),
        "{july}"
    );
    assert_eq!(corrections(&story, &member, "2024-07").await, adjustment("2024-06", "2970"));
    assert_eq!(story.bill(&member, "2024-07").await.yen("base"), Vec::<&str>::new());
}

#[tokio::test]
async fn w85_maintenance_refuses_new_sessions_and_leaves_running_ones_alone() {
    let story = Story::at("2024-04-10 09:00").await;
    let (member, _) = story.active("simple", "CARD1").await;
    story.active("simple", "CARD2").await;
    let body = json!({"scope": "service", "reason": 1, "from": utc("2024-05-12 01:00"), "to": utc("2024-05-12 03:00"), "note": "works"});
    story.post("/suspensions", &body).await;
    story.clock("2024-05-12 00:50").await;
    let mut running = story.server.socket("Q1").await;
    let begun = running.call("StartTransaction", start("CARD1", &utc("2024-05-12 00:50"), 0)).await;
    assert_eq!(status(&begun), "Accepted");
    story.clock("2024-05-12 01:30").await;
    let mut other = story.server.socket("Q2").await;
    let answer = other.call("Authorize", json!({"idTag": "CARD2"})).await;
    assert_eq!(status(&answer), "Blocked");
    let believed_until: chrono::DateTime<chrono::Utc> =
        answer[2]["idTagInfo"]["expiryDate"].as_str().unwrap().parse().unwrap();
    assert!(believed_until < super::story::instant("2024-05-12 03:00"), "{answer}");
    let refused = other.call("StartTransaction", start("CARD2", &utc("2024-05-12 01:30"), 0)).await;
    assert_eq!(
        (status(&refused), &story.server.session(transaction(&refused)).await["refusal"]),
        ("Blocked", &json!("service_suspended"))
    );
    story.clock("2024-05-12 01:50").await;
    running
        .call("StopTransaction", stop(transaction(&begun), &utc("2024-05-12 01:50"), 5_000))
        .await;
    assert_eq!(
        story.used(&member, "2024-05", transaction(&begun)).await,
        Some((60, 0, 60, "ended".to_owned()))
    );
    story.clock("2024-05-12 03:00").await;
    assert_eq!(story.authorize_at("Q2", "CARD2").await, "Accepted");
    story.clock("2024-06-06 00:00").await;
    let may = story.bill(&member, "2024-05").await;
    assert_eq!(
        (may.yen("base"), may.yen("metered_quick"), may.total.as_str()),
        (vec!["1100"], vec!["5940"], "7040")
    );
}

#[tokio::test]
async fn w86_a_cancellation_by_phone_holds_from_its_reception() {
    let story = Story::at("2024-04-10 09:00").await;
    let (member, _) = story.active("simple", "CARD1").await;
    story.clock("2024-05-15 10:00").await;
    assert_eq!(story.change_plan(&member, "premium_100").await, "2024-05-31T15:00:00Z");
    story.clock("2024-05-31 22:00").await;
    story
        .post("/suspensions", &json!({"scope": "site", "reason": 2, "to": utc("2024-06-01 00:00")}))
        .await;
    story.clock("2024-05-31 23:00").await;
    let path = format!("/members/{member}/plan-change");
    let as_member = [("Juden-Actor", "member")];
    assert_refused(
        &story.server.request("DELETE", &path, None, &as_member).await,
        "service_suspended",
        "16",
    );
    let asked = story
        .server
        .request("PUT", &path, Some(json!({"plan": "premium_200"}).to_string()), &as_member)
        .await;
    assert_refused(&asked, "service_suspended", "16");
    assert_eq!(story.authorize("CARD1").await, "Accepted", "charging is not touched");
    story.clock("2024-06-01 08:00").await;
    assert_refused(&story.delete(&path).await, "already_effective", "7");
    let keyed = [("Juden-Actor", "operator Sato"), ("Juden-Reason", "by phone")];
    let late = format!("{path}?received_at={}", utc("2024-05-31 23:30"));
    let cancelled = story.server.request("DELETE", &late, None, &keyed).await;
    assert_eq!(
        (cancelled.status, &cancelled.json()["plan"]),
        (200, &json!("simple")),
        "{cancelled:?}"
    );
    assert_eq!(story.bill(&member, "2024-06").await.yen("base"), ["1100"]);
    let history = story.server.get(&format!("/members/{member}/history")).await;
    let last = history["items"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(last["at"], utc("2024-05-31 23:30"), "{last}");

    let audit = story.server.get(&format!("/audit?subject=members/{member}")).await;
    let entry = |place: usize| audit["items"][place].clone();
    let kept = entry(0);
    assert_eq!(
        (&kept["actor"], &kept["reason"], &kept["outcome"]),
        (&json!("operator Sato"), &json!("by phone"), &json!("200")),
        "{kept}"
    );
    assert_eq!(kept["action"], format!("DELETE /api/v1{path}"));
    assert!(kept["detail"].as_str().unwrap().contains(&utc("2024-05-31 23:30")), "{kept}");
    assert!(kept["at"].as_str().unwrap().starts_with("2024-05-31T23:00"), "keyed at eight: {kept}");
    assert_eq!(
        (entry(1)["outcome"].clone(), entry(2)["outcome"].clone()),
        (json!("409 already_effective"), json!("409 service_suspended"))
    );
    assert_eq!(
        (&entry(3)["actor"], &entry(3)["outcome"]),
        (&json!("member"), &json!("409 service_suspended"))
    );
}

#[tokio::test]
async fn w95_a_free_opening_costs_nothing_and_uses_no_allowance() {
    let story = Story::at("2023-12-10 09:00").await;
    let (member, _) = story.active("premium_100", "CARD1").await;
    story.station("K1", "quick", "Kobe").await;
    let body = json!({"sites": ["Yokohama"], "from": utc("2024-01-05 00:00"), "to": utc("2024-01-06 00:00"), "note": "earthquake"});
    story.post("/free-openings", &body).await;
    story.clock("2024-01-05 12:00").await;
    assert_eq!(story.authorize("CARD1").await, "Accepted");
    let free = story.session(Class::Quick, "CARD1", "2024-01-05 10:00", "2024-01-05 10:30").await;
    let session = story.server.session(free).await;
    assert_eq!(
        (&session["free_opening"], &session["state"], &session["energy_wh"]),
        (&json!(true), &json!("ended"), &json!(5_000))
    );
    let (_, free_units, charged, state) = story.used(&member, "2024-01", free).await.unwrap();
    assert_eq!((free_units, charged, state.as_str()), (0, 0, "ended"));
    assert_eq!(story.quick_pool(&member, "2024-01").await, (100, 0, 100));
    let normal =
        story.session(Class::Normal, "CARD1", "2024-01-05 10:35", "2024-01-05 11:00").await;
    assert_eq!(story.server.session(normal).await["free_opening"], true);
    // At another site the same minutes count.
    story.session_at("K1", "CARD1", "2024-01-05 11:00", "2024-01-05 11:30").await;
    assert_eq!(story.quick_pool(&member, "2024-01").await, (100, 30, 70));
    story.clock("2024-02-06 00:00").await;
    assert_eq!(story.bill(&member, "2024-01").await.total, "4400");
}

#[tokio::test]
async fn w96_of_two_starts_at_one_second_the_lower_session_id_draws_first() {
    for stations in [["Q1", "Q2"], ["Q2", "Q1"]] {
        let story = Story::at("2024-02-01 09:00").await;
        let (member, _) = story.active("premium_100", "CARD1").await;
        story.card(&member, "CARD2", "additional").await;
        story.clock("2024-03-20 12:00").await;
        story.session(Class::Quick, "CARD1", "2024-03-10 10:00", "2024-03-10 11:20").await;
        let mut sessions = Vec::new();
        // The order of arrival does not matter.
        for (station, card) in stations.iter().zip(["CARD1", "CARD2"]) {
            let id = story.session_at(station, card, "2024-03-20 10:00", "2024-03-20 10:15").await;
            sessions.push((
                story.server.session(id).await["session_id"].as_str().unwrap().to_owned(),
                id,
            ));
        }
        sessions.sort();
        assert_eq!(
            story.used(&member, "2024-03", sessions[0].1).await,
            Some((15, 15, 0, "ended".to_owned()))
        );
        assert_eq!(
            story.used(&member, "2024-03", sessions[1].1).await,
            Some((15, 5, 10, "ended".to_owned()))
        );
        story.clock("2024-04-06 00:00").await;
        let march = story.bill(&member, "2024-03").await;
        assert_eq!((march.yen("metered_quick"), march.total.as_str()), (vec!["440"], "7040"));
    }
}

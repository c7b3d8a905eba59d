//! What people get wrong: tariff files, dates, plans, months, codes, and everything at the same instant.

use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use serde_json::{Value, json};

use crate::examples::story::{Class, Story, assert_refused, tariff_folder, utc};
use crate::harness::Answered;

fn check_config(folder: &Path) -> (Output, String) {
    let program = Command::new(env!("CARGO_BIN_EXE_juden"));
    let output = { program }
        .current_dir(folder)
        .args(["check-config", "--tariffs", "tariffs"])
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    (output, told)
}

/// A folder with tariff files: name and text.
fn tariffs(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join("tariffs").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    folder
}

fn good_tariff() -> String {
    std::fs::read_to_string(format!("{}/2023-09.toml", tariff_folder("tt"))).unwrap()
}

const FAULTY: &str = r#"tax_rate = "10"
colour = "red"
published = "2024-02-30"
terms = { auto_renew = "yes", accepts_term = true, accepts_term_until = "2023-13-01" }

[fees]
contract = 1650
reissue = "1650"
additional_issue = "-1"
additional_monthly = "much"

[plans.simple]
base = "1100"
quick = { unit_s = 0, free_units = 0, per_unit = "99" }

[plans.premium_100]
base = "1000"
term_discount = "1650"
carry_over_months = 2
quick = { unit_s = 60, free_units = "many", per_unit = 44 }
normal = { unit_s = 60, free_units = -1, per_unit = "3.3", night = "1" }

[renames]
premium_10 = "gold"
"#;

#[test]
fn every_fault_of_a_tariff_folder_is_told_at_once_with_file_line_and_key() {
    let broken = good_tariff().replace("[fees]", "[fees");
    let folder = tariffs(&[
        ("tt/2024-01.toml", FAULTY),
        ("tt/2024-03.toml", &broken),
        ("tt/september.toml", &good_tariff()),
    ]);
    let (output, told) = check_config(folder.path());
    assert_eq!(output.status.code(), Some(1), "{told}");
    for fault in [
        "2024-01.toml:1: tax_rate: ",
        "2024-01.toml:2: colour: ",
        "2024-01.toml:3: published: ",
        "2024-01.toml:4: terms.auto_renew: ",
        "2024-01.toml:4: terms.accepts_term_until: ",
        "2024-01.toml:6: fees.early_termination: is missing",
        "2024-01.toml:7: fees.contract: ",
        "2024-01.toml:9: fees.additional_issue: ",
        "2024-01.toml:10: fees.additional_monthly: ",
        "2024-01.toml:12: plans.simple.normal: is missing",
        "2024-01.toml:14: plans.simple.quick.unit_s: ",
        "plans.premium_100.term_discount: 1650 yen is not allowed",
        "2024-01.toml:19: plans.premium_100.carry_over_months: ",
        "2024-01.toml:20: plans.premium_100.quick.free_units: ",
        "2024-01.toml:20: plans.premium_100.quick.per_unit: ",
        "2024-01.toml:21: plans.premium_100.normal.free_units: ",
        "2024-01.toml:21: plans.premium_100.normal.night: ",
        "2024-01.toml:24: renames.premium_10: ",
        "2024-03.toml:6: ",
        "september.toml: the file must be named after the first month",
    ] {
        assert!(told.contains(fault), "{fault} is not told in\n{told}");
    }
    assert!(!told.contains("fees.reissue"), "what is right is not told: {told}");
}

#[test]
fn tariffs_that_overlap_or_are_not_there_are_told() {
    let twice = tariffs(&[("a/2024-01.toml", &good_tariff()), ("b/2024-01.toml", &good_tariff())]);
    let (output, told) = check_config(twice.path());
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(
        told.contains("a/2024-01") && told.contains("b/2024-01"),
        "both files are named: {told}"
    );
    let empty = tariffs(&[("readme.txt", "")]);
    let (output, told) = check_config(empty.path());
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("holds no tariff file"), "{told}");
    let (output, told) = check_config(tempfile::tempdir().unwrap().path());
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("tariffs: cannot be read"), "{told}");
    let (output, told) = check_config(tariffs(&[("tt/2024-01.toml", &good_tariff())]).path());
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert!(
        told.contains("tariff tt/2024-01 from 2024-01: premium_100, premium_200, simple"),
        "{told}"
    );
}

#[test]
fn a_plan_that_ends_without_successor_and_two_files_of_a_month_are_told_with_their_files() {
    let without = good_tariff()
        .replace("[plans.premium_200]", "[plans.premium_300]")
        .replace(", premium_20 = \"premium_200\"", "");
    let folder = tariffs(&[("tt/2024-01.toml", &good_tariff()), ("tt/2024-05.toml", &without)]);
    let (output, told) = check_config(folder.path());
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("premium_200"), "{told}");
    assert!(told.contains("tt/2024-05.toml:"), "file and line are named: {told}");
    let twice = tariffs(&[("a/2024-01.toml", &good_tariff()), ("b/2024-01.toml", &good_tariff())]);
    let (_, told) = check_config(twice.path());
    assert!(told.contains("a/2024-01.toml") && told.contains("b/2024-01.toml"), "{told}");
}

/// That a field is refused by its name; the sentence.
#[track_caller]
fn assert_field(answered: &Answered, field: &str) -> String {
    assert_eq!(answered.status, 422, "{answered:?}");
    let problem = answered.json();
    assert_eq!(
        (&problem["reason"], &problem["field"]),
        (&json!("malformed"), &json!(field)),
        "{problem}"
    );
    problem["detail"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn impossible_dates_are_refused_by_their_field() {
    let story = Story::at("2024-04-10 09:00").await;
    let (member, card) = story.active("simple", "CARD1").await;
    story.clock("2024-05-10 09:00").await;
    let disqualify = format!("/members/{member}/disqualify");
    let (past, now, later) =
        (utc("2024-05-01 00:00"), utc("2024-05-10 08:00"), utc("2024-05-10 12:00"));
    for (path, body, field) in [
        (disqualify.as_str(), json!({"ground": 1, "known_at": "2024-02-30T00:00:00Z"}), "known_at"),
        (&disqualify, json!({"ground": 1, "known_at": "yesterday"}), "known_at"),
        (&disqualify, json!({"ground": 1, "known_at": "2024-05-01"}), "known_at"),
        (&disqualify, json!({"ground": 1, "known_at": later}), "known_at"),
        (&disqualify, json!({"ground": 1, "known_at": utc("2024-04-10 08:59:59")}), "known_at"),
        (&disqualify, json!({"ground": 1, "known_at": now, "effective_at": past}), "effective_at"),
        (&disqualify, json!({"ground": 1, "effective_at": "2024-13-01T00:00:00Z"}), "effective_at"),
        (
            "/terms",
            json!({"version": "t", "published_on": "2024-02-30", "effective_on": "2024-06-01", "reason": "law"}),
            "published_on",
        ),
        (
            "/terms",
            json!({"version": "t", "published_on": "2024-05-11", "effective_on": "2024-07-01", "reason": "law"}),
            "published_on",
        ),
        (
            "/terms",
            json!({"version": "t", "published_on": "2024-05-01", "effective_on": "2024-06-31", "reason": "law"}),
            "effective_on",
        ),
        ("/suspensions", json!({"scope": "site", "reason": 1, "from": now, "to": past}), "to"),
        ("/suspensions", json!({"scope": "site", "reason": 1, "from": now, "to": now}), "to"),
        (
            "/suspensions",
            json!({"scope": "site", "reason": 1, "from": "2024-02-30T00:00:00Z"}),
            "from",
        ),
        ("/free-openings", json!({"from": later, "to": now}), "to"),
        (
            &format!("/cards/{card}/suspend"),
            json!({"reason": "lost", "received_at": past}),
            "received_at",
        ),
        (
            &format!("/cards/{card}/resume"),
            json!({"reason": "lost", "received_at": past}),
            "received_at",
        ),
    ] {
        assert_field(&story.server.post(path, &body).await, field);
    }
    for (path, body, field) in [
        (
            format!("/members/{member}/plan-change"),
            json!({"plan": "premium_100", "received_at": past}),
            "received_at",
        ),
        (
            format!("/members/{member}/plan-change"),
            json!({"plan": "premium_100", "received_at": "noon"}),
            "received_at",
        ),
        ("/service-end".to_owned(), json!({"at": past, "notified_on": "2024-04-01"}), "at"),
        (
            "/service-end".to_owned(),
            json!({"at": later, "notified_on": "2024-05-11"}),
            "notified_on",
        ),
        ("/clock".to_owned(), json!({"now": "2024-02-30T00:00:00Z"}), "now"),
        ("/clock".to_owned(), json!({"now": "2044-01-01T00:00:00Z"}), "now"),
    ] {
        assert_field(&story.server.put(&path, &body).await, field);
    }
    assert_field(
        &story.delete(&format!("/members/{member}/plan-change?received_at={past}")).await,
        "received_at",
    );
    let back = story.server.put("/clock", &json!({"now": past})).await;
    assert_eq!((back.status, &back.json()["reason"]), (409, &json!("clock_backwards")), "{back:?}");
    let after = story.server.get(&format!("/members/{member}")).await;
    assert_eq!(
        (&after["state"], &after["end"], &after["pending_plan"]),
        (&json!("active"), &Value::Null, &Value::Null)
    );
    let programme = story.server.get("/programme").await;
    for list in ["terms", "suspensions", "free_openings"] {
        assert_eq!(programme[list], json!([]), "{list}");
    }
}

#[tokio::test]
async fn a_reception_counts_only_while_the_site_was_down_and_never_before_the_membership() {
    let story = Story::at("2024-04-10 09:00").await;
    story
        .post("/suspensions", &json!({"scope": "site", "reason": 6, "from": utc("2024-04-10 08:00"), "to": utc("2024-04-10 10:00")}))
        .await;
    story.clock("2024-04-10 09:30").await;
    let (member, card) = story.active("simple", "CARD1").await;
    story.clock("2024-04-10 11:00").await;
    let suspend = async |at: &str| {
        story
            .server
            .post(
                &format!("/cards/{card}/suspend"),
                &json!({"reason": "lost", "received_at": utc(at)}),
            )
            .await
    };
    assert_field(&suspend("2024-04-10 10:00:00").await, "received_at");
    assert_field(&suspend("2024-04-10 12:00:00").await, "received_at");
    // The site was down, but there was no such member yet.
    assert_refused(&suspend("2024-04-10 08:30:00").await, "not_activated", "3.1");
    let body = json!({"plan": "premium_100", "received_at": utc("2024-04-10 08:30")});
    let early = story.server.put(&format!("/members/{member}/plan-change"), &body).await;
    assert_refused(&early, "not_activated", "3.1");
    assert_eq!(story.server.get(&format!("/cards/{card}")).await["state"], "active");
    let suspended = suspend("2024-04-10 09:59:59").await;
    assert_eq!(
        (suspended.status, &suspended.json()["effective_at"]),
        (200, &json!(utc("2024-04-10 09:59:59"))),
        "{suspended:?}"
    );
}

#[tokio::test]
async fn a_session_from_before_the_membership_is_no_ones_bill() {
    let story = Story::at("2024-04-10 09:00").await;
    let (member, _) = story.active("simple", "CARD1").await;
    story.clock("2024-04-10 12:00").await;
    for (from, to) in
        [("2024-04-10 08:30", "2024-04-10 09:30"), ("2024-03-30 08:00", "2024-03-30 09:00")]
    {
        let early = story.session(Class::Quick, "CARD1", from, to).await;
        let session = story.server.session(early).await;
        assert_eq!(
            (&session["state"], &session["refusal"]),
            (&json!("exception"), &json!("not_activated")),
            "{from}"
        );
    }
    story.clock("2024-05-06 00:00").await;
    let april = story.bill(&member, "2024-04").await;
    assert_eq!((april.yen("metered_quick"), april.total.as_str()), (vec![], "2750"));
    assert_eq!(story.bill(&member, "2024-03").await.lines, []);
}

#[tokio::test]
async fn unknown_plans_are_refused_and_the_plans_are_named() {
    let story = Story::at("2023-08-10 09:00").await;
    let (member, _) = story.active("simple", "CARD1").await;
    let path = format!("/members/{member}/plan-change");
    for plan in ["gold", "", "Simple", "premium-100", "premium_10 ", "premium_400"] {
        // Next month's tariff is the revised one.
        let told = assert_field(&story.server.put(&path, &json!({"plan": plan})).await, "plan");
        assert!(told.contains("premium_100, premium_200, simple"), "{told}");
        let body = json!({"name": "Baba", "kind": "corporation", "email": "baba@example.jp", "plan": plan, "payment_method": {"kind": "invoice"}});
        let told = assert_field(&story.server.post("/members", &body).await, "plan");
        assert!(told.contains("premium_10, premium_20, simple"), "{told}");
    }
    assert_eq!(story.server.get("/members").await["items"].as_array().unwrap().len(), 1);
    assert_eq!(story.server.get(&format!("/members/{member}")).await["pending_plan"], Value::Null);
}

#[tokio::test]
async fn what_is_no_month_is_refused() {
    let story = Story::at("2024-04-10 09:00").await;
    let (member, _) = story.active("simple", "CARD1").await;
    for month in [
        "2024-13",
        "2024-00",
        "2024-4",
        "202404",
        "April",
        "2024-04-01",
        "24-04",
        "2024_04",
        "-2024-04",
        "2024-0x",
    ] {
        for path in [
            format!("/members/{member}/usage/{month}"),
            format!("/members/{member}/bills/{month}"),
            format!("/months/{month}/export?format=csv"),
            format!("/sessions?month={month}"),
            format!("/data-provision?recipient=ncs&purpose=quality&month={month}"),
        ] {
            assert_field(&story.server.request("GET", &path, None, &[]).await, "month");
        }
        assert_field(
            &story.server.post(&format!("/months/{month}/close"), &json!({})).await,
            "month",
        );
    }
    for (path, reason) in [
        (format!("/members/{member}/usage/2024-05"), "month_not_begun"),
        (format!("/members/{member}/bills/2024-05"), "month_not_begun"),
    ] {
        let answered = story.server.request("GET", &path, None, &[]).await;
        assert_eq!(
            (answered.status, &answered.json()["reason"]),
            (409, &json!(reason)),
            "{answered:?}"
        );
    }
    let running = story.server.post("/months/2024-04/close", &json!({})).await;
    assert_eq!(
        (running.status, &running.json()["reason"]),
        (409, &json!("month_not_over")),
        "{running:?}"
    );
    for month in ["2024-13", "April", ""] {
        let output = Command::new(env!("CARGO_BIN_EXE_juden"))
            .args(["verify-month", month])
            .output()
            .unwrap();
        assert!(
            !output.status.success() && String::from_utf8_lossy(&output.stderr).contains("2026-11"),
            "{output:?}"
        );
    }
}

/// Tries a wrong code so often; each must be counted as one.
async fn guess(story: &Story, member: &str, card: &str, times: usize) {
    for n in 0..times {
        let wrong = (card.to_owned(), format!("GUESS{n}"));
        assert_refused(&story.server.activate(member, &wrong, "primary").await, "bad_code", "3.1");
    }
}

#[track_caller]
fn assert_locked(answered: &Answered) {
    assert_eq!(
        (answered.status, &answered.json()["reason"]),
        (429, &json!("too_many_tries")),
        "{answered:?}"
    );
    assert!(
        answered.retry_after.as_ref().unwrap().parse::<u64>().unwrap() <= 24 * 3600,
        "{answered:?}"
    );
}

#[tokio::test]
async fn five_wrong_codes_lock_a_card_for_everyone_until_a_day_has_passed() {
    let story = Story::at("2024-04-10 09:00").await;
    let (first, second) = (story.member("simple").await, story.member("simple").await);
    let card = story.server.stock("CARD1").await;
    guess(&story, &first, &card.0, 3).await;
    guess(&story, &second, &card.0, 2).await;
    story.clock("2024-04-10 10:00").await;
    assert_locked(&story.server.activate(&first, &card, "primary").await);
    assert_locked(&story.server.activate(&second, &card, "primary").await);
    story.clock("2024-04-11 08:55").await;
    assert_locked(&story.server.activate(&first, &card, "primary").await);
    assert_eq!(story.server.get(&format!("/cards/{}", card.0)).await["state"], "stock");
    assert_eq!(
        story.bill(&first, "2024-04").await.yen("base"),
        Vec::<&str>::new(),
        "no fee arises"
    );
    story.clock("2024-04-11 09:05").await;
    let activated = story.server.activate(&first, &card, "primary").await;
    assert_eq!(
        (activated.status, &activated.json()["state"]),
        (200, &json!("active")),
        "{activated:?}"
    );
}

#[tokio::test]
async fn ten_wrong_codes_across_cards_lock_a_member_and_nobody_else() {
    let story = Story::at("2024-04-10 09:00").await;
    let (member, other) = (story.member("simple").await, story.member("simple").await);
    for (id_tag, times) in [("CARD1", 4), ("CARD2", 4), ("CARD3", 2)] {
        let card = story.server.stock(id_tag).await;
        guess(&story, &member, &card.0, times).await;
    }
    let untouched = story.server.stock("CARD4").await;
    assert_locked(&story.server.activate(&member, &untouched, "primary").await);
    let others = story.server.stock("CARD5").await;
    assert_eq!(story.server.activate(&other, &others, "primary").await.status, 200);
    story.clock("2024-04-11 09:05").await;
    assert_eq!(story.server.activate(&member, &untouched, "primary").await.status, 200);
}

#[tokio::test]
async fn wrong_codes_of_a_replacement_are_counted_too() {
    let story = Story::at("2024-04-10 09:00").await;
    let (member, old) = story.active("simple", "CARD1").await;
    let (new, code) = story.server.stock("CARD2").await;
    let path = format!("/members/{member}/cards/{old}/replace");
    let replace = async |code: &str| {
        story.server.post(&path, &json!({"new_card_number": new, "activation_code": code})).await
    };
    for _ in 0..5 {
        assert_refused(&replace("WRONG").await, "bad_code", "3.1");
    }
    assert_locked(&replace(&code).await);
    assert_eq!(story.authorize("CARD1").await, "Accepted", "the old card keeps its state");
}

#[tokio::test]
async fn of_two_additional_cards_activated_at_once_one_wins_and_the_other_is_told_the_limit() {
    let story = Story::at("2024-04-10 09:00").await;
    let (member, _) = story.active("simple", "CARD1").await;
    let (first, second) = (story.server.stock("CARD2").await, story.server.stock("CARD3").await);
    let (one, other) = tokio::join!(
        story.server.activate(&member, &first, "additional"),
        story.server.activate(&member, &second, "additional")
    );
    let (won, lost) = if one.status == 200 { (one, other) } else { (other, one) };
    assert_eq!((won.status, &won.json()["state"]), (200, &json!("active")), "{won:?}");
    assert_refused(&lost, "additional_limit", "9.1");
    let cards =
        story.server.get(&format!("/members/{member}")).await["cards"].as_array().unwrap().len();
    assert_eq!(cards, 2);
    let april = story.bill(&member, "2024-04").await;
    assert_eq!(
        (april.yen("additional_issue"), april.yen("additional_monthly")),
        (vec!["1650"], vec!["2200"])
    );
}

#[tokio::test]
async fn of_two_activations_of_one_card_one_wins() {
    let story = Story::at("2024-04-10 09:00").await;
    let (first, second) = (story.member("simple").await, story.member("simple").await);
    let card = story.server.stock("CARD1").await;
    let (one, other) = tokio::join!(
        story.server.activate(&first, &card, "primary"),
        story.server.activate(&second, &card, "primary")
    );
    let (won, lost, winner) =
        if one.status == 200 { (one, other, &first) } else { (other, one, &second) };
    assert_eq!((won.status, &won.json()["member_id"]), (200, &json!(winner)), "{won:?}");
    assert_refused(&lost, "bad_code", "3.1");
}

/// Does the same so often at once: the answers' statuses.
async fn at_once<F>(times: usize, ask: impl Fn(usize) -> F) -> Vec<u16>
where
    F: Future<Output = Answered> + Send + 'static,
{
    let asking: Vec<_> = (0..times).map(|n| tokio::spawn(ask(n))).collect();
    let mut statuses = Vec::new();
    for asked in asking {
        statuses.push(asked.await.unwrap().status);
    }
    statuses
}

#[tokio::test]
async fn of_many_plan_changes_at_once_one_stands() {
    let story = Arc::new(Story::at("2024-04-10 09:00").await);
    let (member, _) = story.active("simple", "CARD1").await;
    let statuses = at_once(24, |n| {
        let (story, path) = (story.clone(), format!("/members/{member}/plan-change"));
        let plan = if n % 2 == 0 { "premium_100" } else { "premium_200" };
        async move { story.server.put(&path, &json!({"plan": plan})).await }
    });
    assert_eq!(statuses.await, [200; 24]);
    let history = story.server.get(&format!("/members/{member}/history")).await;
    let events = history["items"].as_array().unwrap();
    let asked: Vec<&Value> = events
        .iter()
        .filter(|event| event["detail"]["plan"].is_string() && event["event"] != "admitted")
        .collect();
    let last = asked.last().unwrap()["detail"]["plan"].clone();
    assert_eq!(
        story.server.get(&format!("/members/{member}")).await["pending_plan"],
        last,
        "the last one stands: {history}"
    );
    story.clock("2024-05-01 00:00").await;
    let may = story.bill(&member, "2024-05").await;
    let base = if last == "premium_100" { "4400" } else { "6600" };
    assert_eq!((may.yen("base"), may.total.as_str()), (vec![base], base), "one slot, no fee");
}

#[tokio::test]
async fn suspensions_and_returns_at_once_leave_one_state_that_the_charger_is_told() {
    let story = Arc::new(Story::at("2024-04-10 09:00").await);
    let (_, card) = story.active("simple", "CARD1").await;
    for _ in 0..3 {
        let statuses = at_once(20, |n| {
            let path = format!("/cards/{card}/{}", if n % 2 == 0 { "suspend" } else { "resume" });
            let story = story.clone();
            async move { story.server.post(&path, &json!({"reason": "lost"})).await }
        });
        assert_eq!(statuses.await, [200; 20]);
        let state = story.server.get(&format!("/cards/{card}")).await["state"].clone();
        let expected = if state == "active" { "Accepted" } else { "Blocked" };
        assert_eq!(story.authorize("CARD1").await, expected, "{state}");
    }
    story.post(&format!("/cards/{card}/resume"), &json!({"reason": "lost"})).await;
    assert_eq!(story.authorize("CARD1").await, "Accepted");
}

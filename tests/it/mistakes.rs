//! What people get wrong: tariff files, dates, plans, months, codes, and everything at the same instant.

use std::path::Path;
use std::process::{Command, Output};

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

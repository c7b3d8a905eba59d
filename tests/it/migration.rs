//! A database of the first version, with a closed month: it is brought up to date with its bills as they
//! were, and what came late to that month is billed at last.

use juden_domain::month::BillingMonth;
use serde_json::json;
use sqlx::migrate::Migrator;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection};

use crate::engine::{Database, is_postgres};
use crate::examples::story::utc;
use crate::harness::{TestServer, start, stop, transaction};

/// What the first version kept of a member with a term contract, a card, a billed and a late session.
const ROWS: &str = r#"
INSERT INTO stations (station_id, site, accept_hex_password, security_profile, registration) VALUES ('CP1', 'Kobe', 0, 0, 'accepted');
INSERT INTO members (member_no, member_id) VALUES (1, 'M-000001');
INSERT INTO cards (card_no, card_number, id_tag, id_tag_matched, code_hash, member_id, created_at) VALUES (1, 'C-00000001', 'CARD1', 'CARD1', 'x', 'M-000001', 0);
INSERT INTO events (member_id, card_number, at, kind, detail) VALUES
    ('M-000001', NULL, 1696118400000, 'admitted', '{"name":"Aoki","kind":"corporation","email":"a@example.jp","plan":"premium_100","term_auto_renew":null,"payment":"credit_card","brand":"nissan_card","vehicle_vin":null}'),
    ('M-000001', 'C-00000001', 1696118400001, 'activated', 'primary'),
    (NULL, 'C-00000001', 1696118400002, 'suspended', 'lost'),
    (NULL, 'C-00000001', 1696118400003, 'resumed', 'lost');
INSERT INTO months VALUES ('2023-10', 1699120800000, 1, 1, 605000, 'x');
INSERT INTO bills VALUES ('2023-10', 'M-000001', '{"lines":[
    {"code":"contract","usage_month":"2023-10","quantity":1,"unit":"contract","unit_price_hundredths":165000,"amount_hundredths":165000,"tax_rate":"0.10","tariff_version":"zesp3/2023-09","sessions":[]},
    {"code":"base","usage_month":"2023-10","quantity":1,"unit":"month","unit_price_hundredths":440000,"amount_hundredths":440000,"tax_rate":"0.10","tariff_version":"zesp3/2023-09","sessions":[]}]}');
INSERT INTO sessions (session_id, station_id, connector_id, charger_class, id_tag, id_tag_matched, card_number, member_id, start_key, start_ordinal,
    start_reported, start_received_at, started_at, usage_month, start_meter_wh, start_answer, stop_key, stop_reported, stop_received_at, stopped_at,
    stop_meter_wh, stop_reason, energy_wh, stop_answer, flags, repeats) VALUES
    (1, 'CP1', 1, 'quick', 'CARD1', 'CARD1', 'C-00000001', 'M-000001', 'a', 0, 't', 1696204800000, 1696204800000, '2023-10', 0, '{}', 'b', 't', 1696210200000, 1696210200000, 9000, 'Local', 9000, '{}', '', 0),
    (2, 'CP1', 1, 'quick', 'CARD1', 'CARD1', 'C-00000001', 'M-000001', 'c', 0, 't', 1699200000000, 1696291200000, '2023-10', 0, '{}', 'd', 't', 1699200000000, 1696293000000, 9000, 'Local', 9000, '{}', '', 0);
"#;

#[tokio::test]
async fn a_database_of_the_first_version_keeps_its_bills_and_bills_what_came_late() {
    let database = Database::bare().await;
    let first = tempfile::tempdir().unwrap();
    let (name, engine) = ("0001_first.sql", if is_postgres() { "postgres" } else { "sqlite" });
    std::fs::copy(
        format!("{}/migrations/{engine}/{name}", env!("CARGO_MANIFEST_DIR")),
        first.path().join(name),
    )
    .unwrap();
    let migrator = Migrator::new(first.path()).await.unwrap();
    if is_postgres() {
        // No server holds data of the first version: there its schema alone is brought up to date.
        migrator
            .run(&sqlx::PgPool::connect(database.url().split('?').next().unwrap()).await.unwrap())
            .await
            .unwrap();
        let server = TestServer::on(&utc("2023-12-05 09:00"), database).await;
        assert_eq!(server.get("/members").await["items"], json!([]));
        return;
    }
    let options = SqliteConnectOptions::new().filename(database.file()).create_if_missing(true);
    let mut connection = options.connect().await.unwrap();
    migrator.run(&mut connection).await.unwrap();
    sqlx::raw_sql(ROWS).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    let server = TestServer::on(&utc("2023-12-05 09:00"), database).await;
    let member = server.get("/members/M-000001").await;
    assert_eq!(
        (&member["state"], &member["payment_method"]["brand"], &member["term"]),
        (&json!("active"), &json!("nissan_card"), &json!(null))
    );
    assert_eq!(server.get("/cards/C-00000001").await["state"], "active");
    let october = server.get("/members/M-000001/bills/2023-10").await;
    assert_eq!((&october["state"], &october["total_yen"]), (&json!("closed"), &json!("6050")));
    assert_eq!(server.get("/sessions/S-000000001").await["site"], "Kobe");
    let closed = server.post("/months/2023-11/close", &json!({})).await;
    assert_eq!(closed.status, 200, "{closed:?}");
    let november = server.get("/members/M-000001/bills/2023-11").await;
    let lines: Vec<(&str, &str)> = november["lines"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| (line["code"].as_str().unwrap(), line["amount_yen"].as_str().unwrap()))
        .collect();
    assert_eq!(
        lines,
        [("base", "4400"), ("adjustment", "880")],
        "90 and 30 minutes: 20 beyond the 100 free ones"
    );
    assert_eq!(
        server
            .server()
            .app
            .billing
            .verify_month(BillingMonth::parse("2023-10").unwrap())
            .await
            .unwrap(),
        []
    );
}

/// What takes the schema of the version before back: what is kept is then as that version kept it.
const BACK: &str = "
    DROP INDEX sessions_by_guess; DROP INDEX sessions_estimated_by_station; DROP INDEX sessions_estimated_by_tag;
    DROP INDEX invoices_that_carry; DROP TABLE sites; DROP TABLE card_readings;
    ALTER TABLE sessions DROP COLUMN stop_basis; ALTER TABLE sessions DROP COLUMN guess_key; ALTER TABLE sessions DROP COLUMN trail;
    ALTER TABLE sessions DROP COLUMN corrections; ALTER TABLE sessions DROP COLUMN measured;
    ALTER TABLE journal DROP COLUMN clock_offset_ms; ALTER TABLE journal DROP COLUMN clock_since;
    ALTER TABLE invoices DROP COLUMN left_over_hundredths; ALTER TABLE months DROP COLUMN layout;
    ALTER TABLE stations DROP COLUMN certificate_name; ALTER TABLE stations DROP COLUMN retired_at;
    ALTER TABLE stations DROP COLUMN info; ALTER TABLE stations DROP COLUMN vendor_error_code;
    ALTER TABLE connectors DROP COLUMN info; ALTER TABLE connectors DROP COLUMN vendor_error_code;
    ALTER TABLE connectors DROP COLUMN connector_standard;
    DELETE FROM schema_readable WHERE version = 8; DELETE FROM _sqlx_migrations WHERE version = 8;
    UPDATE sessions SET decision = 'bill', decision_note = 'as the member says', decided_at = started_at WHERE session_id = 2";

/// The records of billed sessions without what their charge records tell beside.
const PLAIN_RECORDS: [&str; 2] = [
    "UPDATE billed_sessions SET document = (SELECT json_group_array(json(json_remove(g.value, '$.told'))) FROM json_each(document) g)",
    "DROP INDEX journal_by_station;
     UPDATE billed_sessions SET document = (SELECT jsonb_agg(g - 'told')::text FROM jsonb_array_elements(document::jsonb) g)",
];

#[tokio::test]
async fn sessions_journals_and_closed_months_of_the_version_before_go_on() {
    let mut server = TestServer::at(&utc("2024-02-01 09:00")).await;
    server.station_as("CP1", &json!({"connectors": [{"connector_id": 1, "charger_class": "quick", "session_cap_min": 100_000}]})).await;
    let (member, _) = server.member_with_card("simple", "CARD1").await;
    server.clock(&utc("2024-03-20 09:00")).await;
    let mut socket = server.socket("CP1").await;
    let mut numbers = Vec::new();
    // An hour; more than a day, which waits for a decision; one that runs on.
    for (from, to) in [
        ("2024-03-10 10:00", Some("2024-03-10 11:00")),
        ("2024-03-11 10:00", Some("2024-03-12 11:00")),
        ("2024-03-20 08:58", None),
    ] {
        let number =
            transaction(&socket.call("StartTransaction", start("CARD1", &utc(from), 0)).await);
        if let Some(to) = to {
            socket.call("StopTransaction", stop(number, &utc(to), 9_000)).await;
        }
        numbers.push(number);
    }
    server.clock(&utc("2024-04-06 09:00")).await;
    for month in ["2024-02", "2024-03"] {
        let closed = server.post(&format!("/months/{month}/close"), &json!({})).await;
        assert_eq!(closed.status, 200, "{closed:?}");
    }
    let march = server.get(&format!("/members/{member}/bills/2024-03")).await;
    let messages = server.session(numbers[0]).await["messages"].clone();
    drop(socket);
    server.while_stopped(&[BACK, PLAIN_RECORDS[usize::from(is_postgres())]]).await;
    assert_eq!(server.get(&format!("/members/{member}/bills/2024-03")).await, march);
    assert_eq!(server.session(numbers[0]).await["messages"], messages);
    let decided = server.session(numbers[1]).await;
    assert_eq!(
        (&decided["state"], &decided["corrections"][0]["reason"]),
        (&json!("ended"), &json!("as the member says")),
        "{decided}"
    );
    let file = server.request("GET", "/months/2024-03/export?format=csv", None, &[]).await;
    assert!(
        file.text.lines().next().unwrap().ends_with(",previous_invoice_id"),
        "a month keeps the columns that it was closed with"
    );
    let app = &server.server().app;
    assert_eq!(
        app.billing.verify_month(BillingMonth::parse("2024-02").unwrap()).await.unwrap(),
        []
    );
    // What was decided is billed with the next close, and what ran on still ends.
    let mut socket = server.socket("CP1").await;
    socket.call("StopTransaction", stop(numbers[2], &utc("2024-03-20 09:28"), 9_000)).await;
    assert_eq!(server.session(numbers[2]).await["units"], 30);
    server.clock(&utc("2024-05-06 09:00")).await;
    assert_eq!(server.post("/months/2024-04/close", &json!({})).await.status, 200);
    assert_eq!(
        server
            .server()
            .app
            .billing
            .verify_month(BillingMonth::parse("2024-03").unwrap())
            .await
            .unwrap(),
        []
    );
}

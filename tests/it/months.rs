//! Closing a month, its export, and its verification.

use serde_json::{Value, json};

use crate::harness::{TestServer, start, stop, transaction};

/// A server on 1 December with one November session of 110 minutes on a premium plan.
async fn november() -> (TestServer, String) {
    let server = TestServer::at("2024-11-01T00:00:00Z").await;
    server.station("CP1").await;
    let (member, _) = server.member_with_card("premium_100", "CARD1").await;
    server.clock("2024-11-30T16:00:00Z").await;
    let mut socket = server.socket("CP1").await;
    let id = transaction(
        &socket.call("StartTransaction", start("CARD1", "2024-11-30T14:00:00Z", 0)).await,
    );
    socket.call("StopTransaction", stop(id, "2024-11-30T15:50:00Z", 30_000)).await;
    (server, member)
}

#[tokio::test]
async fn bill_export_and_verification_agree_to_the_yen() {
    let (server, member) = november().await;
    let provisional = server.get(&format!("/members/{member}/bills/2024-11")).await;
    assert_eq!(
        (&provisional["state"], &provisional["total_yen"], &provisional["tax_yen"]),
        (&json!("provisional"), &json!("6490"), &json!("590"))
    );
    let closed = server.post("/months/2024-11/close", &json!({})).await;
    assert_eq!(closed.status, 200, "{closed:?}");
    let closed = closed.json();
    assert_eq!(
        (&closed["members"], &closed["sessions"], &closed["total_yen"]),
        (&json!(1), &json!(1), &json!("6490"))
    );
    assert_eq!(
        server.post("/months/2024-11/close", &json!({})).await.json(),
        closed,
        "closing twice answers as the first time"
    );
    let bill = server.get(&format!("/members/{member}/bills/2024-11")).await;
    assert_eq!((&bill["state"], &bill["lines"]), (&json!("closed"), &provisional["lines"]));
    let lines: Vec<(&str, i64, &str)> = bill["lines"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| {
            (
                line["code"].as_str().unwrap(),
                line["quantity"].as_i64().unwrap(),
                line["amount_yen"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(lines, [("contract", 1, "1650"), ("base", 1, "4400"), ("metered_quick", 10, "440")]);

    let csv = server.request("GET", "/months/2024-11/export?format=csv", None, &[]).await;
    assert!(csv.content_type.starts_with("text/csv"));
    let mut rows = csv::Reader::from_reader(csv.text.as_bytes());
    let header: Vec<String> = rows.headers().unwrap().iter().map(str::to_owned).collect();
    assert_eq!(
        header.join(","),
        "invoice_id,kind,member_id,member_name,payment_method,usage_month,line,code,quantity,unit,unit_price_yen,amount_yen,tax_rate,tax_yen_total,total_yen,tariff_version,session_ids,previous_invoice_id,name_ja,reason"
    );
    let sum: i64 = rows.records().map(|row| row.unwrap()[11].parse::<i64>().unwrap()).sum();
    assert_eq!(sum, 6490);
    assert_eq!(closed["sha256"], juden_domain::hex::sha256(csv.text.as_bytes()));

    let manifest = server.get("/months/2024-11/export/manifest?format=csv").await;
    let file = &manifest["files"][0];
    assert_eq!(
        (&file["sha256"], &file["bytes"]),
        (&closed["sha256"], &json!(csv.text.len())),
        "{manifest}"
    );
    assert_eq!(
        (&manifest["total_yen"], &manifest["rows"], &manifest["invoices"]),
        (&json!("6490"), &json!(3), &json!(1))
    );
    for format in ["csv", "collection", "refunds"] {
        let marked = server
            .request("GET", &format!("/months/2024-11/export?format={format}&excel=1"), None, &[])
            .await;
        assert!(marked.text.starts_with('\u{feff}'), "{format}: {marked:?}");
        let plain = server
            .request("GET", &format!("/months/2024-11/export?format={format}&excel=0"), None, &[])
            .await;
        assert_eq!(marked.text.trim_start_matches('\u{feff}'), plain.text);
    }
    for wrong in
        ["format=jsonl&excel=1", "format=csv&excel=yes", "format=xls", "format=ocpi-cdr&excel=1"]
    {
        assert_eq!(
            server
                .request("GET", &format!("/months/2024-11/export?{wrong}"), None, &[])
                .await
                .status,
            422,
            "{wrong}"
        );
    }

    let jsonl = server.request("GET", "/months/2024-11/export?format=jsonl", None, &[]).await;
    let document: Value = serde_json::from_str(jsonl.text.trim_end()).unwrap();
    assert_eq!(
        (&document["total_yen"], &document["lines"][2]["session_ids"]),
        (&json!("6490"), &bill["lines"][2]["session_ids"])
    );
    assert_eq!(
        server.server().app.billing.verify_month("2024-11".parse_month()).await.unwrap(),
        []
    );
}

trait ParseMonth {
    fn parse_month(&self) -> juden_domain::month::BillingMonth;
}

impl ParseMonth for str {
    fn parse_month(&self) -> juden_domain::month::BillingMonth {
        juden_domain::month::BillingMonth::parse(self).unwrap()
    }
}

#[tokio::test]
async fn verification_names_the_lines_that_a_late_session_would_change() {
    let (server, member) = november().await;
    server.post("/months/2024-11/close", &json!({})).await;
    let mut socket = server.socket("CP1").await;
    let id = transaction(
        &socket.call("StartTransaction", start("CARD1", "2024-11-20T00:00:00Z", 0)).await,
    );
    socket.call("StopTransaction", stop(id, "2024-11-20T00:10:00Z", 5000)).await;
    let bill = server.get(&format!("/members/{member}/bills/2024-11")).await;
    assert_eq!(bill["total_yen"], "6490", "a closed bill never changes");
    let differences =
        server.server().app.billing.verify_month("2024-11".parse_month()).await.unwrap();
    assert_eq!(differences.len(), 2, "{differences:?}");
    assert!(differences[0].billed.as_ref().unwrap().contains("10 x 44 = 440"));
    assert!(differences[1].rated.as_ref().unwrap().contains("20 x 44 = 880"));
}

#[tokio::test]
async fn a_month_closes_when_it_is_over_in_order_and_by_itself_at_its_time() {
    let (server, _) = november().await;
    assert_eq!(
        server.post("/months/2024-12/close", &json!({})).await.json()["reason"],
        "month_not_over"
    );
    server.clock("2025-01-31T00:00:00Z").await;
    assert_eq!(
        server.post("/months/2024-12/close", &json!({})).await.json()["reason"],
        "earlier_month_open"
    );
    assert_eq!(
        server.request("GET", "/months/2024-11/export?format=csv", None, &[]).await.json()["reason"],
        "month_open"
    );
    assert_eq!(server.get("/members/M-000001").await["state"], "active");

    let by_itself = TestServer::with(
        "2024-11-01T00:00:00Z",
        &[("month-close-day", "5"), ("month-close-time", "03:00")],
    )
    .await;
    let (member, _) = by_itself.member_with_card("simple", "CARD1").await;
    by_itself.clock("2024-12-04T17:59:00Z").await;
    assert_eq!(
        by_itself.get(&format!("/members/{member}/bills/2024-11")).await["state"],
        "provisional"
    );
    by_itself.clock("2024-12-04T18:00:00Z").await;
    assert_eq!(by_itself.get(&format!("/members/{member}/bills/2024-11")).await["state"], "closed");
    by_itself.clock("2025-03-04T18:00:00Z").await;
    for (month, state) in [
        ("2024-12", "closed"),
        ("2025-01", "closed"),
        ("2025-02", "closed"),
        ("2025-03", "provisional"),
    ] {
        assert_eq!(
            by_itself.get(&format!("/members/{member}/bills/{month}")).await["state"],
            state,
            "{month}"
        );
    }
    assert_eq!(
        by_itself.put("/clock", &json!({"now": "2025-01-01T00:00:00Z"})).await.json()["reason"],
        "clock_backwards"
    );
}

#[tokio::test]
async fn the_clock_moves_ten_years_at_once_and_no_farther() {
    let server = TestServer::at("2024-01-01T00:00:00Z").await;
    let far = server.put("/clock", &json!({"now": "2034-01-02T00:00:00Z"})).await;
    assert_eq!((far.status, &far.json()["field"]), (422, &json!("now")));
    server.clock("2033-12-31T00:00:00Z").await;
}

#[tokio::test]
async fn a_month_to_come_has_no_bill() {
    let (server, member) = november().await;
    let answered =
        server.request("GET", &format!("/members/{member}/bills/2025-01"), None, &[]).await;
    assert_eq!(answered.json()["reason"], "month_not_begun");
}

#[tokio::test]
async fn a_later_members_newer_plan_does_not_stop_an_earlier_months_close() {
    let server = TestServer::at("2023-08-20T00:00:00Z").await;
    let (early, _) = server.member_with_card("simple", "CARD1").await;
    server.clock("2023-09-02T00:00:00Z").await;
    server.member_with_card("premium_100", "CARD2").await;
    assert_eq!(server.post("/months/2023-08/close", &json!({})).await.status, 200);
    assert_eq!(server.get(&format!("/members/{early}/bills/2023-08")).await["total_yen"], "2200");
    assert_eq!(
        server.server().app.billing.verify_month("2023-08".parse_month()).await.unwrap(),
        []
    );
}

//! How PostgreSQL finds what the ledger asks for, as its own log tells.

use serde_json::json;

use crate::hammer::Charger;
use crate::nodes::Nodes;
use crate::servers::Postgres;

/// The log tells of every statement how it was done. Nothing but the test's own statements learns sizes.
const SETTINGS: &str = "fsync = off\nautovacuum = off\nlog_min_messages = log\nsession_preload_libraries = 'auto_explain'\n\
    auto_explain.log_min_duration = 0\nauto_explain.log_analyze = on\nauto_explain.log_buffers = on\nauto_explain.log_timing = off\n";

/// Sessions like the first, of other stations and cards, half of them running.
const MORE: &str = "
    INSERT INTO sessions SELECT (jsonb_populate_record(s, jsonb_build_object('session_id', 1000000 + n, 'station_id', 'X' || n % 500,
        'id_tag_matched', 'T' || n % 700, 'member_id', 'M-' || n % 700, 'card_number', 'C-' || n % 700, 'start_key', md5(n::text),
        'stop_key', CASE WHEN n % 2 = 0 THEN md5(n::text) END, 'stopped_at', CASE WHEN n % 2 = 0 THEN s.stopped_at END,
        'reference', md5(n::text)))).*
    FROM sessions s, generate_series(1, 20000) n";

/// Pages that one look-up may read: a way down an index and a row, for each of a few keys.
const PAGES: u64 = 40;

async fn charge(charger: &mut Charger, minute: u32) {
    let at = |second: u32| format!("2026-12-01T00:{minute:02}:{second:02}Z");
    let begun = charger
        .call(
            "StartTransaction",
            json!({"connectorId": 1, "idTag": "CARD1", "timestamp": at(0), "meterStart": minute}),
        )
        .await;
    let transaction = &begun.unwrap()[2]["transactionId"];
    let readings = json!({"connectorId": 1, "transactionId": transaction, "meterValue": [{"timestamp": at(10), "sampledValue": [{"value": "7"}]}]});
    charger.call("MeterValues", readings).await.unwrap();
    charger
        .call(
            "StopTransaction",
            json!({"transactionId": transaction, "timestamp": at(20), "meterStop": minute + 9}),
        )
        .await
        .unwrap();
}

/// The log's entries of a statement's plans.
fn plans<'a>(log: &'a str, statement: &str) -> Vec<&'a str> {
    log.split(" LOG:  duration: ")
        .filter(|entry| entry.contains("plan:") && entry.contains(statement))
        .collect()
}

/// The numbers that follow a name in a plan.
fn numbers(plan: &str, name: &str) -> Vec<u64> {
    let after = plan.split(name).skip(1);
    after
        .filter_map(|rest| {
            rest.split(|c: char| !c.is_ascii_digit())
                .find(|digits| !digits.is_empty())?
                .parse()
                .ok()
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_ledger_reads_what_it_asks_for_although_the_server_takes_every_table_for_empty() {
    let nodes = Nodes::over(Postgres::with(SETTINGS), 1).await;
    nodes.station("CP1").await;
    nodes.card("CARD1").await;
    nodes.postgres.sql("ANALYZE").await;
    let mut charger = Charger::connect(nodes.nodes[0].ocpp, "CP1").await;
    charge(&mut charger, 1).await;
    nodes.postgres.sql(MORE).await;
    let known = nodes.postgres.log().len();
    charge(&mut charger, 2).await;
    let log = nodes.postgres.log().split_off(known);
    for statement in
        ["FOR NO KEY UPDATE) s", "INSERT INTO journal", "LEFT JOIN (SELECT station_id, fence"]
    {
        let plans = plans(&log, statement);
        assert!(plans.len() >= 3, "a start, a reading and a stop: {} of {statement}", plans.len());
        for plan in plans {
            let removed = numbers(plan, "Rows Removed by");
            assert!(removed.iter().all(|rows| *rows < 10), "{plan}");
            let pages = numbers(plan, "Buffers: shared hit=").into_iter().max().unwrap_or_default();
            // What writes goes down every index of what it writes.
            let limit = if statement.starts_with("INSERT") { 3 * PAGES } else { PAGES };
            assert!(pages <= limit, "{pages} pages: {plan}");
        }
    }
}

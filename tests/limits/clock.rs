//! A clock that was wrong and was put right revives no card.

use serde_json::json;

use crate::node::Node;
use crate::shim;

const AHEAD_S: &str = "7200";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_suspension_that_was_entered_while_the_clock_was_ahead_outlives_the_clock_and_a_restart()
{
    let mut node = Node::new(&[]).await;
    let library = shim::library().to_str().unwrap().to_owned();
    node.sees(&[("LD_PRELOAD", &library)]);
    node.start().await;
    node.station("CP1").await;
    let (_, live) = node.member("ALIVE").await;
    let (_, lost) = node.member("LOST").await;
    assert_ne!(live, lost);
    node.kill();

    node.sees(&[("LD_PRELOAD", &library), ("JUDEN_SHIM_CLOCK_S", AHEAD_S)]);
    node.start().await;
    let mut line = node.line("CP1").await;
    let accepted = line.call("Authorize", &json!({"idTag": "LOST"})).await;
    assert_eq!(accepted["idTagInfo"]["status"], "Accepted", "alive, two hours ahead");
    node.done("POST", &format!("/cards/{lost}/suspend"), Some(&json!({"reason": "lost"}))).await;
    assert_eq!(
        line.call("Authorize", &json!({"idTag": "LOST"})).await["idTagInfo"]["status"],
        "Blocked"
    );
    node.kill();

    node.sees(&[("LD_PRELOAD", &library)]);
    node.start().await;
    assert_eq!(
        node.status("/readyz").await,
        Some(503),
        "a store that lies ahead of the clock is told"
    );
    let mut line = node.line("CP1").await;
    assert_eq!(
        line.call("Authorize", &json!({"idTag": "LOST"})).await["idTagInfo"]["status"],
        "Blocked"
    );
    let now = crate::node::now().to_rfc3339();
    let start = json!({"connectorId": 1, "idTag": "ALIVE", "timestamp": now, "meterStart": 0});
    let refused = line.try_call("Heartbeat", &json!({})).await;
    assert_eq!(
        (&refused[0], &refused[2]),
        (&json!(4), &json!("InternalError")),
        "no time is told that is not true: {refused}"
    );
    assert!(line.send(json!([2, "waits", "StartTransaction", start]).to_string()).await);
    let waits = tokio::time::timeout(std::time::Duration::from_secs(2), line.answer()).await;
    assert!(
        waits.is_err(),
        "a transaction is neither kept in an order that is not true nor refused: {waits:?}"
    );

    node.done("POST", "/clock/trust", Some(&json!({}))).await;
    node.becomes("/readyz", 200).await;
    let kept = line.answer().await.expect("it is answered once the clock is trusted");
    assert_eq!(
        (&kept[1], &kept[2]["idTagInfo"]["status"]),
        (&json!("waits"), &json!("Accepted")),
        "{kept}"
    );
    assert_eq!(
        line.call("Authorize", &json!({"idTag": "LOST"})).await["idTagInfo"]["status"],
        "Blocked"
    );
    assert_eq!(
        line.call("Authorize", &json!({"idTag": "ALIVE"})).await["idTagInfo"]["status"],
        "Accepted"
    );
    let start = json!({"connectorId": 1, "idTag": "LOST", "timestamp": now, "meterStart": 0});
    assert_eq!(line.call("StartTransaction", &start).await["idTagInfo"]["status"], "Blocked");
    node.kill();
    node.start().await;
    let mut line = node.line("CP1").await;
    assert_eq!(
        line.call("Authorize", &json!({"idTag": "LOST"})).await["idTagInfo"]["status"],
        "Blocked",
        "and after one more restart"
    );
}

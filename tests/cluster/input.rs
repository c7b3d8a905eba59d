//! Settings that cannot work end the start with one clear line; clocks that differ are put right.

use std::process::Stdio;
use std::time::Duration;

use serde_json::json;

use crate::hammer::Charger;
use crate::nodes::Nodes;

/// What a node says that is started with other settings, and that it does not start.
fn fault(nodes: &Nodes, replaced: &[(&str, String)]) -> String {
    let mut arguments: Vec<String> = nodes.nodes[0]
        .command(&[])
        .get_args()
        .map(|argument| argument.to_str().unwrap().to_owned())
        .collect();
    for (flag, value) in replaced {
        match arguments.iter().position(|known| known == flag) {
            Some(place) => arguments[place + 1].clone_from(value),
            None => arguments.extend([(*flag).to_owned(), value.clone()]),
        }
    }
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_juden"));
    let output = command.args(arguments).stdin(Stdio::null()).output().unwrap();
    assert!(!output.status.success());
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(!told.contains("panicked"), "{told}");
    told
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_work_is_told_with_what_to_do_and_without_secrets() {
    let nodes = Nodes::start(1).await;
    let port = nodes.postgres.port;
    let other = |more: &[(&'static str, String)]| {
        let mut all = vec![
            ("--node-id", "other".to_owned()),
            ("--ocpp-listen", "127.0.0.1:0".into()),
            ("--http-listen", "127.0.0.1:0".into()),
        ];
        all.extend_from_slice(more);
        fault(&nodes, &all)
    };
    let database = |url: &str| vec![("--database-url", url.to_owned())];
    for (settings, words) in [
        (database("postgres://juden:s3cret@127.0.0.1:1/postgres"), vec!["127.0.0.1:1"]),
        (database(&format!("postgres://juden:s3cret@127.0.0.1:{port}/nowhere")), vec!["nowhere"]),
        (database(&format!("postgres://nobody:s3cret@127.0.0.1:{port}/postgres")), vec!["nobody"]),
        (database("mysql://h/db"), vec!["database-url", "postgres://"]),
        (vec![("--redis-url", "http://127.0.0.1:1".to_owned())], vec!["redis-url", "redis://"]),
        (
            vec![("--redis-url", "redis://:s3cret@127.0.0.1:1".to_owned())],
            vec!["redis-url", "127.0.0.1:1"],
        ),
        (
            vec![("--redis-url", format!("redis://:s3cret@127.0.0.1:{}", nodes.redis.port))],
            vec!["redis-url", "password"],
        ),
        (
            vec![("--redis-url", "redis+sentinel://127.0.0.1:1".to_owned())],
            vec!["redis-url", "SERVICE"],
        ),
        (vec![("--redis-ca", "/nowhere.pem".to_owned())], vec!["redis-ca", "/nowhere.pem"]),
        (vec![("--node-id", "n1".to_owned())], vec!["node-id", "n1", "another name"]),
        (vec![("--redis-url", String::new())], vec!["redis-url", "n1"]),
    ] {
        let told = other(&settings);
        assert!(words.iter().all(|word| told.contains(word)), "{settings:?}: {told}");
        assert!(!told.contains("s3cret"), "{told}");
    }
    nodes.postgres.read_only(true).await;
    let told = other(&[]);
    assert!(told.contains("read only"), "{told}");
    nodes.postgres.read_only(false).await;
    nodes.postgres.sql("INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (9001, 'later', true, '', 0); INSERT INTO schema_readable VALUES (9001, 9000)").await;
    let told = other(&[]);
    assert!(told.contains("9001") && told.contains("9000"), "{told}");
    nodes.postgres.sql("UPDATE schema_readable SET readable_from = 1 WHERE version = 9001").await;
    let mut nodes = nodes;
    nodes.nodes[0].stop();
    nodes.start_node(0).await;
    assert!(nodes.is_ready(0, "/readyz").await, "a later schema that says so is worked with");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clocks_five_seconds_apart_do_not_delay_a_suspension() {
    let mut nodes = Nodes::start(2).await;
    let card = nodes.card("SKEW").await;
    nodes.station("CP1").await;
    let mut charger = Charger::connect(nodes.nodes[1].ocpp, "CP1").await;
    for round in 0..5 {
        assert_eq!(charger.authorize("SKEW").await.as_deref(), Some("Accepted"), "round {round}");
        // The first node's clock runs ahead of the second's.
        let now: chrono::DateTime<chrono::Utc> =
            nodes.send(0, "GET", "/clock", None).await["now"].as_str().unwrap().parse().unwrap();
        nodes.nodes[1].redis.cut();
        nodes
            .send(0, "PUT", "/clock", Some(&json!({"now": now + chrono::TimeDelta::seconds(5)})))
            .await;
        nodes
            .send(0, "POST", &format!("/cards/{card}/suspend"), Some(&json!({"reason": "lost"})))
            .await;
        assert_eq!(charger.authorize("SKEW").await.as_deref(), Some("Blocked"), "round {round}");
        nodes.nodes[1].redis.heal();
        nodes
            .send(0, "POST", &format!("/cards/{card}/resume"), Some(&json!({"reason": "lost"})))
            .await;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    nodes.nodes[0].stop();
}

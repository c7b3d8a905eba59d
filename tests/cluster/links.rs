//! Redis as a Cluster, behind Sentinels, and over TLS: nodes hear each other over each.

use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::json;

use crate::hammer::Charger;
use crate::nodes::{Nodes, until};
use crate::ports::free_port;
use crate::servers::Redis;

/// Two nodes whose Redis is another: a change is confirmed by both, a command finds its station.
async fn work_over(url: &str, more: &[&str]) {
    let mut nodes = Nodes::start(2).await;
    for n in 0..2 {
        nodes.nodes[n].stop();
    }
    for n in 0..2 {
        nodes.nodes[n].start_over(url, more);
        nodes.ready(n, true).await;
    }
    let card = nodes.card("LINKED").await;
    nodes.station("CP1").await;
    let mut charger = Charger::connect(nodes.nodes[1].ocpp, "CP1").await;
    assert_eq!(charger.authorize("LINKED").await.as_deref(), Some("Accepted"));
    let suspended = nodes
        .send(0, "POST", &format!("/cards/{card}/suspend"), Some(&json!({"reason": "lost"})))
        .await;
    assert_eq!(
        (&suspended["nodes_confirmed"], &suspended["nodes_missing"]),
        (&json!(["n1", "n2"]), &json!([])),
        "{url}"
    );
    assert_eq!(charger.authorize("LINKED").await.as_deref(), Some("Blocked"), "{url}");
    let serving = tokio::spawn(async move { charger.serve_until("Reset").await });
    let answer = nodes
        .send(
            0,
            "POST",
            "/stations/CP1/commands",
            Some(&json!({"command": "reset", "type": "Soft"})),
        )
        .await;
    assert_eq!(answer["outcome"], "accepted", "{url}");
    serving.await.unwrap();
}

fn ask(port: u16, words: &[&str]) -> String {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut text = format!("*{}\r\n", words.len());
    for word in words {
        text += &format!("${}\r\n{word}\r\n", word.len());
    }
    stream.write_all(text.as_bytes()).unwrap();
    let mut answer = vec![0; 4096];
    let read = stream.read(&mut answer).unwrap();
    String::from_utf8_lossy(&answer[..read]).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_hear_each_other_over_a_redis_cluster() {
    let redis = Redis::with(free_port(), &["--cluster-enabled", "yes"]);
    assert!(ask(redis.port, &["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]).starts_with("+OK"));
    until("the cluster is whole", async || {
        ask(redis.port, &["CLUSTER", "INFO"]).contains("cluster_state:ok")
    })
    .await;
    work_over(&format!("redis+cluster://127.0.0.1:{}", redis.port), &[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_hear_each_other_over_a_redis_that_sentinels_name() {
    let redis = Redis::start();
    let sentinel = free_port();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sentinel.conf");
    std::fs::write(&file, format!("sentinel monitor mymaster 127.0.0.1 {} 1\n", redis.port))
        .unwrap();
    let watching = Redis::with(sentinel, &[file.to_str().unwrap(), "--sentinel"]);
    until("the sentinel knows the master", async || {
        ask(watching.port, &["SENTINEL", "get-master-addr-by-name", "mymaster"])
            .contains("127.0.0.1")
    })
    .await;
    work_over(&format!("redis+sentinel://127.0.0.1:{}/mymaster", watching.port), &[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_hear_each_other_over_tls_with_a_password() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let made = |arguments: &[&str]| {
        let status = Command::new("openssl")
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(status.success(), "openssl {arguments:?}");
    };
    let (ca, ca_key, key, request, certificate, names) = (
        file("ca.pem"),
        file("ca.key"),
        file("key.pem"),
        file("request.pem"),
        file("certificate.pem"),
        file("names"),
    );
    std::fs::write(&names, "subjectAltName=IP:127.0.0.1\n").unwrap();
    made(&[
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-keyout",
        &ca_key,
        "-out",
        &ca,
        "-subj",
        "/CN=test ca",
        "-days",
        "2",
    ]);
    made(&[
        "req",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-keyout",
        &key,
        "-out",
        &request,
        "-subj",
        "/CN=redis",
    ]);
    made(&[
        "x509",
        "-req",
        "-in",
        &request,
        "-CA",
        &ca,
        "-CAkey",
        &ca_key,
        "-CAcreateserial",
        "-out",
        &certificate,
        "-days",
        "2",
        "-extfile",
        &names,
    ]);
    let port = free_port();
    let text = port.to_string();
    let flags = [
        "--port",
        "0",
        "--tls-port",
        &text,
        "--tls-cert-file",
        &certificate,
        "--tls-key-file",
        &key,
        "--tls-ca-cert-file",
        &ca,
        "--tls-auth-clients",
        "no",
        "--requirepass",
        "s3cret",
    ];
    let redis = Redis::with(port, &flags);
    work_over(&format!("rediss://:s3cret@127.0.0.1:{}", redis.port), &["--redis-ca", &ca]).await;
}

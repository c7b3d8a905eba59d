//! The program as it is started by hand: faults are told at once, and it ends when it is told to.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::{ADMIN_KEY, TestServer, start, stop, transaction};

fn juden(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_juden")).current_dir(folder).args(arguments).output().unwrap()
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn bad_settings_end_the_start_with_a_line_a_fault() {
    let folder = tempfile::tempdir().unwrap();
    let output = juden(
        folder.path(),
        &["serve", "--http-listen", "here", "--call-timeout-s", "0", "--database-url", "mysql://x"],
    );
    assert!(!output.status.success());
    let told = told(&output);
    for fault in [
        "http-listen: \"here\" is not allowed",
        "call-timeout-s: \"0\" is not allowed",
        "database-url: \"mysql://x\" is not allowed",
    ] {
        assert!(told.contains(fault), "{told}");
    }
    std::fs::write(folder.path().join("juden.toml"), "htpp-listen = 1\n").unwrap();
    assert!(
        self::told(&juden(folder.path(), &["check-config"]))
            .contains("htpp-listen: no such setting")
    );
}

#[test]
fn faults_of_tariff_files_are_told_before_anything_starts() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("tariffs/tt")).unwrap();
    std::fs::write(
        folder.path().join("tariffs/tt/2024-01.toml"),
        "tax_rate = \"0.10\"\n[fees]\ncontract = 5\n",
    )
    .unwrap();
    let output = juden(folder.path(), &["check-config", "--tariffs", "tariffs"]);
    assert!(!output.status.success());
    assert!(told(&output).contains("tariffs/tt/2024-01.toml:3:"), "{}", told(&output));
}

#[test]
fn an_outdated_schema_is_told_and_migrated_on_request() {
    let folder = tempfile::tempdir().unwrap();
    let outdated = juden(folder.path(), &["verify-month", "2024-01", "--no-migrate"]);
    assert!(told(&outdated).contains("run `juden migrate`"), "{}", told(&outdated));
    assert!(juden(folder.path(), &["migrate"]).status.success());
    let open = juden(folder.path(), &["verify-month", "2024-01", "--no-migrate"]);
    assert!(told(&open).contains("not closed"), "{}", told(&open));
    assert!(told(&juden(folder.path(), &["verify-month", "January"])).contains("2026-11"));
}

#[tokio::test]
async fn export_and_verification_by_hand_say_what_the_api_says() {
    let server = TestServer::at("2024-11-01T00:00:00Z").await;
    server.station("CP1").await;
    server.member_with_card("simple", "CARD1").await;
    server.clock("2024-12-01T00:00:00Z").await;
    let mut socket = server.socket("CP1").await;
    let id = transaction(
        &socket.call("StartTransaction", start("CARD1", "2024-11-20T00:00:00Z", 0)).await,
    );
    socket.call("StopTransaction", stop(id, "2024-11-20T00:10:00Z", 500)).await;
    let closed = server.post("/months/2024-11/close", &json!({})).await.json();
    let database = server.database.url();
    let folder = tempfile::tempdir().unwrap();
    let export = |format: &str, out: &str| {
        let output = juden(
            folder.path(),
            &[
                "export",
                "--month",
                "2024-11",
                "--format",
                format,
                "--out",
                out,
                "--database-url",
                &database,
            ],
        );
        assert!(output.status.success(), "{}", told(&output));
    };
    export("csv", "first");
    export("csv", "second");
    export("jsonl", "first");
    let read = |path: &str| std::fs::read(folder.path().join(path)).unwrap();
    let csv = read("first/juden-2024-11.csv");
    assert_eq!(csv, read("second/juden-2024-11.csv"), "byte for byte the same on every run");
    let over_http = server.request("GET", "/months/2024-11/export?format=csv", None, &[]).await;
    assert_eq!(csv, over_http.text.as_bytes());
    let manifest: serde_json::Value =
        serde_json::from_slice(&read("first/juden-2024-11.csv.manifest.json")).unwrap();
    assert_eq!(
        (&manifest["files"][0]["sha256"], &manifest["total_yen"]),
        (&closed["sha256"], &closed["total_yen"])
    );
    assert_eq!(
        juden(folder.path(), &["verify-month", "2024-11", "--database-url", &database])
            .status
            .code(),
        Some(0)
    );

    let late = transaction(
        &socket.call("StartTransaction", start("CARD1", "2024-11-21T00:00:00Z", 0)).await,
    );
    socket.call("StopTransaction", stop(late, "2024-11-21T00:10:00Z", 500)).await;
    let differs = juden(folder.path(), &["verify-month", "2024-11", "--database-url", &database]);
    assert_eq!(differs.status.code(), Some(1));
    assert!(told(&differs).contains("metered_quick: 20 x 99 = 1980 yen"), "{}", told(&differs));
}

/// A server that is told to stop while `connect` holds what it returns.
fn stops_with<T>(more: &[&str], connect: impl Fn(&str) -> T) {
    let folder = tempfile::tempdir().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_juden"))
        .current_dir(folder.path())
        .args([
            "serve",
            "--http-listen",
            "127.0.0.1:0",
            "--ocpp-listen",
            "127.0.0.1:0",
            "--admin-key",
            ADMIN_KEY,
        ])
        .args(more)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
    let line = lines.next().unwrap().unwrap();
    let address = line.split("ws://").nth(1).unwrap().split('/').next().unwrap();
    let _held = connect(address);
    let began = Instant::now();
    assert!(
        Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success()
    );
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[test]
fn told_to_stop_the_server_ends_cleanly_and_soon() {
    stops_with(&[], |_| ());
}

#[test]
fn told_to_stop_at_its_connection_limit_the_server_ends_as_soon() {
    let silent = |address: &str| [(); 3].map(|()| std::net::TcpStream::connect(address).unwrap());
    stops_with(&["--max-connections", "2"], silent);
}

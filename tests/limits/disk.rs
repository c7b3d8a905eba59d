//! A disk that is full, and a second process on the same file.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::node::{Line, Node, PATIENCE};

/// A small disk.
struct Disk {
    folder: PathBuf,
    mounted: bool,
    _own: tempfile::TempDir,
}

impl Disk {
    fn new() -> Self {
        let own = tempfile::tempdir().unwrap();
        let folder = own.path().join("disk");
        std::fs::create_dir(&folder).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=96m", "tmpfs"])
            .arg(&folder)
            .status()
            .is_ok_and(|s| s.success());
        if mounted {
            return Self { folder, mounted, _own: own };
        }
        // Where nothing may be mounted, the memory's disk is small in a container.
        let shared = tempfile::tempdir_in("/dev/shm")
            .expect("a small disk is needed: run as root where mount is allowed, or with /dev/shm");
        Self { folder: shared.path().to_owned(), mounted, _own: shared }
    }

    /// A file that takes all of the room.
    fn fill(&self) -> PathBuf {
        let filler = self.folder.join("filler");
        let mut write = Command::new("dd");
        write
            .args(["if=/dev/zero", "bs=64k"])
            .arg(format!("of={}", filler.display()))
            .stderr(std::process::Stdio::null());
        write.status().expect("dd is there");
        filler
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if self.mounted {
            let _ = Command::new("umount").arg("-l").arg(&self.folder).status();
        }
    }
}

/// A start that is tried until it is confirmed or a time is over: what a station does.
async fn try_start(line: &mut Line, n: usize) -> Option<i64> {
    let at = (crate::node::now() - chrono::TimeDelta::minutes(5))
        .to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
    let start = json!({"connectorId": 1, "idTag": "CARD", "timestamp": at, "meterStart": n});
    let id = format!("s{n}");
    line.send(json!([2, id, "StartTransaction", start]).to_string()).await;
    let answer = tokio::time::timeout(Duration::from_secs(2), line.answer()).await;
    let answer = answer.ok().flatten()?;
    (answer[0] == 3 && answer[1] == json!(id)).then(|| answer[2]["transactionId"].as_i64().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_told_loses_nothing_lets_suspensions_through_and_heals_by_itself() {
    let disk = Disk::new();
    let mut node = Node::new(&[]).await;
    node.lies_in(&disk.folder);
    node.start().await;
    node.station("CP1").await;
    node.member("CARD").await;
    let (_, lost) = node.member("LOST").await;
    let mut line = node.line("CP1").await;
    let mut confirmed = Vec::new();
    for n in 0..20 {
        confirmed.push((
            n,
            try_start(&mut line, n).await.expect("a start is confirmed while there is room"),
        ));
    }

    let filler = disk.fill();
    let began = Instant::now();
    node.becomes("/readyz", 503).await;
    println!("red after {:?}", began.elapsed());
    node.done("POST", &format!("/cards/{lost}/suspend"), Some(&json!({"reason": "lost"}))).await;
    let mut n = 20;
    while began.elapsed() < Duration::from_secs(20) {
        line = node.line("CP1").await;
        if let Some(transaction) = try_start(&mut line, n).await {
            confirmed.push((n, transaction));
        }
        n += 1;
    }
    assert_eq!(node.status("/readyz").await, Some(503), "it is red as long as the disk is full");
    let mut line = node.line("CP1").await;
    let shown = line.call("Authorize", &json!({"idTag": "LOST"})).await;
    assert_eq!(shown["idTagInfo"]["status"], "Blocked", "a suspension holds on a full disk");

    std::fs::remove_file(filler).unwrap();
    node.becomes("/readyz", 200).await;
    let mut line = node.line("CP1").await;
    let began = Instant::now();
    let after = loop {
        if let Some(transaction) = try_start(&mut line, 1_000).await {
            break transaction;
        }
        assert!(began.elapsed() < PATIENCE, "the ledger writes again by itself");
        line = node.line("CP1").await;
    };
    confirmed.push((1_000, after));

    node.kill();
    node.start().await;
    for (n, transaction) in confirmed {
        let session = node.done("GET", &format!("/sessions/{transaction}"), None).await;
        assert_eq!(session["meter_start_wh"], n, "{session}");
    }
    let card = node.done("GET", &format!("/cards/{lost}"), None).await;
    assert_eq!(card["state"], "suspended", "{card}");
}

fn told(node: &Node, command: &mut Command) -> (bool, String) {
    let ended = command.current_dir(Path::new(node.database().parent().unwrap())).output().unwrap();
    (
        ended.status.success(),
        String::from_utf8_lossy(&[ended.stdout, ended.stderr].concat()).into_owned(),
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_server_on_one_file_is_refused_and_readers_are_not() {
    let mut node = Node::started(&[]).await;
    let (ocpp, http) = (crate::ports::free_port(), crate::ports::free_port());
    let (began, second) = (
        Instant::now(),
        told(&node, node.command(ocpp, http).stdout(std::process::Stdio::piped())),
    );
    assert!(!second.0, "{}", second.1);
    assert!(
        second.1.contains("juden.db") && began.elapsed() < PATIENCE,
        "it names the file: {}",
        second.1
    );
    assert_eq!(node.status("/readyz").await, Some(200));
    let url = format!("sqlite://{}", node.database().display());
    let binary = env!("CARGO_BIN_EXE_juden");
    let read = told(
        &node,
        Command::new(binary).args(["verify-month", "--database-url", &url, "--month", "2026-10"]),
    );
    assert!(!read.1.contains("another process"), "{}", read.1);
    node.kill();
    node.start().await;
}

//! What Juden asks a station by itself, when, and what it does not ask again.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{PATIENCE, Socket, TestServer};

const NOW: &str = "2024-06-10T00:00:00Z";

fn boot(firmware: &str) -> Value {
    json!({"chargePointVendor": "V", "chargePointModel": "M", "firmwareVersion": firmware})
}

/// The actions that Juden itself asked a station for, the first first.
async fn asked(server: &TestServer, id: &str) -> Vec<String> {
    let commands = server.get(&format!("/stations/{id}/commands")).await["items"].clone();
    let by_juden = commands.as_array().unwrap().iter().filter(|one| one["sent_by"] == "juden");
    by_juden.rev().map(|one| one["action"].as_str().unwrap().to_owned()).collect()
}

/// Waits until Juden has asked for so much, and all of it was answered.
async fn until_asked(server: &TestServer, id: &str, count: usize) -> Vec<String> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let found = asked(server, id).await;
        let open =
            server.database.number("SELECT count(*) FROM commands WHERE outcome IS NULL").await;
        if found.len() >= count && open == 0 {
            return found;
        }
        assert!(Instant::now() < deadline, "{found:?}");
        tokio::task::yield_now().await;
    }
}

/// Answers the next command with an error.
async fn refuse(socket: &mut Socket, code: &str) -> String {
    let asked = socket.next().await.unwrap();
    socket.send(&json!([4, asked[1], code, "", {}]).to_string()).await;
    asked[2].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_boot_message_begins_the_wait_anew_in_which_a_station_is_asked_nothing() {
    let server = TestServer::with(NOW, &[("onboarding-delay-s", "2")]).await;
    server.station("CP1").await;
    let mut socket = server.socket("CP1").await;
    socket
        .call(
            "StatusNotification",
            json!({"connectorId": 1, "errorCode": "NoError", "status": "Available"}),
        )
        .await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    socket.call("BootNotification", boot("1")).await;
    let booted = Instant::now();
    assert_eq!(refuse(&mut socket, "NotSupported").await, "GetConfiguration");
    assert!(booted.elapsed() > Duration::from_millis(1_900), "{:?}", booted.elapsed());
}

#[tokio::test]
async fn a_station_that_never_boots_is_asked_to_once_whatever_it_does() {
    let server = TestServer::with(NOW, &[("onboarding-delay-s", "0")]).await;
    server.station("CP1").await;
    let mut socket = server.socket("CP1").await;
    socket.call("Heartbeat", json!({})).await;
    let trigger = socket.next().await.unwrap();
    assert_eq!(
        (&trigger[2], &trigger[3]["requestedMessage"]),
        (&json!("TriggerMessage"), &json!("BootNotification"))
    );
    socket.send(&json!([3, trigger[1], {"status": "Accepted"}]).to_string()).await;
    until_asked(&server, "CP1", 1).await;
    for _ in 0..3 {
        socket = server.socket("CP1").await;
        socket.call("Heartbeat", json!({})).await;
    }
    assert_eq!(until_asked(&server, "CP1", 1).await, ["TriggerMessage"]);
}

#[tokio::test]
async fn what_a_station_does_not_do_is_not_asked_again_until_its_firmware_changes() {
    let server = TestServer::with(NOW, &[("onboarding-delay-s", "0")]).await;
    server.station("CP1").await;
    let mut socket = server.socket("CP1").await;
    socket.call("BootNotification", boot("1")).await;
    assert_eq!(refuse(&mut socket, "NotImplemented").await, "GetConfiguration");
    assert_eq!(until_asked(&server, "CP1", 1).await, ["GetConfiguration"]);
    // It is kept after the command's outcome.
    let deadline = Instant::now() + PATIENCE;
    while server.get("/stations/CP1").await["not_supported"] != json!(["GetConfiguration"]) {
        assert!(Instant::now() < deadline, "what it does not do is shown");
        tokio::task::yield_now().await;
    }
    for _ in 0..3 {
        socket.call("BootNotification", boot("1")).await;
        socket.call("Heartbeat", json!({})).await;
    }
    assert_eq!(asked(&server, "CP1").await, ["GetConfiguration"]);
    // An operator may ask all the same, and what it does after all is known then.
    let body = json!({"command": "get_configuration"});
    let answering = async {
        let asked = socket.next().await.unwrap();
        socket.send(&json!([3, asked[1], {"configurationKey": []}]).to_string()).await;
        socket
    };
    let (answered, mut socket) =
        tokio::join!(server.post("/stations/CP1/commands", &body), answering);
    assert_eq!(answered.json()["outcome"], "accepted");
    assert_eq!(server.get("/stations/CP1").await["not_supported"], json!([]));
    socket.call("BootNotification", boot("1")).await;
    assert_eq!(refuse(&mut socket, "NotImplemented").await, "GetConfiguration");
    until_asked(&server, "CP1", 2).await;
    socket.call("BootNotification", boot("2")).await;
    assert_eq!(
        refuse(&mut socket, "NotImplemented").await,
        "GetConfiguration",
        "newer firmware may do it"
    );
}

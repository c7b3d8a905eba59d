//! Who may connect, and what those who may not are told.

use serde_json::json;

use crate::harness::{Socket, TestServer};

const NOW: &str = "2024-06-10T00:00:00Z";
const PASSWORD: &str = "0123456789abcdef";

async fn knock(
    server: &TestServer,
    path: &str,
    protocols: Option<&str>,
    basic: Option<&[u8]>,
) -> Result<Socket, u16> {
    Socket::open(
        &format!("{}{path}", server.ocpp_url().trim_end_matches("/ocpp")),
        protocols,
        basic,
    )
    .await
}

async fn refused(
    server: &TestServer,
    path: &str,
    protocols: Option<&str>,
    basic: Option<&[u8]>,
) -> u16 {
    match knock(server, path, protocols, basic).await {
        Ok(_) => 101,
        Err(status) => status,
    }
}

#[tokio::test]
async fn the_path_names_the_station_whatever_stands_around_it() {
    let server = TestServer::at(NOW).await;
    server.station("CP1").await;
    server.station("RDAM%20123").await;
    for path in ["/ocpp/CP1", "/ocpp/CP1/", "///CP1", "/any/prefix/CP1", "/CP1", "/ocpp//CP1//"] {
        knock(&server, path, Some("ocpp1.6"), None)
            .await
            .unwrap_or_else(|status| panic!("{path}: {status}"))
            .lives()
            .await;
    }
    knock(&server, "/ocpp/RDAM%20123", Some("ocpp1.6"), None)
        .await
        .unwrap_or_else(|status| panic!("{status}"))
        .lives()
        .await;
    for path in ["/ocpp/CP2", "/", "/ocpp/cp1", "/ocpp/CP1/extra", "/ocpp/%FF"] {
        assert_eq!(refused(&server, path, Some("ocpp1.6"), None).await, 404, "{path}");
    }
}

#[tokio::test]
async fn the_first_protocol_of_the_station_that_we_speak_is_echoed_and_none_in_common_is_refused() {
    let server = TestServer::at(NOW).await;
    server.station("CP1").await;
    server.station_as("QUIET", &json!({"default_protocol": "ocpp1.6"})).await;
    for protocols in ["ocpp1.6", "ocpp1.5, ocpp1.6", "ocpp2.1,ocpp1.6,ocpp1.5"] {
        assert_eq!(refused(&server, "/ocpp/CP1", Some(protocols), None).await, 101, "{protocols}");
    }
    for protocols in [None, Some("ocpp1.5"), Some("mqtt, soap")] {
        assert_eq!(refused(&server, "/ocpp/CP1", protocols, None).await, 400, "{protocols:?}");
    }
    knock(&server, "/ocpp/QUIET", None, None)
        .await
        .unwrap_or_else(|status| panic!("{status}"))
        .lives()
        .await;
    let noted = server.get("/refused-handshakes").await;
    let reasons: Vec<&str> = noted["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["reason"].as_str().unwrap())
        .collect();
    assert_eq!(reasons, ["protocol"; 3]);
}

#[tokio::test]
async fn a_password_station_enters_with_its_own_password_alone() {
    let server = TestServer::at(NOW).await;
    server.station_as("CP1", &json!({"password": PASSWORD})).await;
    let bytes: Vec<u8> = (200..216).collect();
    let hex = juden_domain::hex::encode(&bytes);
    server.station_as("RAW", &json!({"password_hex": hex})).await;
    server.station_as("HEX", &json!({"password_hex": hex, "accept_hex_password": true})).await;
    server.station_as("SHORT", &json!({"password": "chosen"})).await;
    let basic = |user: &str, password: &[u8]| [user.as_bytes(), b":", password].concat();
    for (path, shown, status) in [
        ("/ocpp/CP1", Some(basic("CP1", PASSWORD.as_bytes())), 101),
        ("/ocpp/CP1", Some(basic("CP1", b"0123456789abcdeF")), 401),
        ("/ocpp/CP1", Some(basic("CP1", b"")), 401),
        ("/ocpp/CP1", Some(basic("CP1x", PASSWORD.as_bytes())), 401),
        ("/ocpp/CP1", Some(basic("cp1", PASSWORD.as_bytes())), 401),
        ("/ocpp/CP1", Some(PASSWORD.as_bytes().to_vec()), 401),
        ("/ocpp/CP1", None, 401),
        ("/ocpp/RAW", Some(basic("RAW", &bytes)), 101),
        ("/ocpp/RAW", Some(basic("RAW", hex.as_bytes())), 401),
        ("/ocpp/HEX", Some(basic("HEX", hex.as_bytes())), 101),
        ("/ocpp/HEX", Some(basic("HEX", &bytes)), 101),
        ("/ocpp/SHORT", Some(basic("SHORT", b"chosen")), 101),
        ("/ocpp/SHORT", Some(basic("SHORT", b"choosen")), 401),
    ] {
        assert_eq!(
            refused(&server, path, Some("ocpp1.6"), shown.as_deref()).await,
            status,
            "{path} {shown:?}"
        );
    }
    let database = server.database.bytes().await;
    let holds = |text: &[u8]| database.windows(text.len()).any(|window| window == text);
    assert!(!holds(PASSWORD.as_bytes()), "a password is kept as a hash");
}

#[tokio::test]
async fn wrong_passwords_in_a_loop_lock_nobody_out() {
    let server = TestServer::at(NOW).await;
    server.station_as("CP1", &json!({"password": "chosen"})).await;
    let tries: Vec<_> = (0..20).map(|n| format!("CP1:wrong{n}")).collect();
    for shown in &tries {
        assert_eq!(
            refused(&server, "/ocpp/CP1", Some("ocpp1.6"), Some(shown.as_bytes())).await,
            401
        );
    }
    knock(&server, "/ocpp/CP1", Some("ocpp1.6"), Some(b"CP1:chosen"))
        .await
        .unwrap_or_else(|status| panic!("{status}"))
        .lives()
        .await;
    let noted = server.get("/refused-handshakes?limit=500").await;
    assert_eq!(noted["items"].as_array().unwrap().len(), 20);
}

#[tokio::test]
async fn a_station_of_a_higher_profile_cannot_enter_without_tls_and_a_floor_shuts_the_lowest_out() {
    let server = TestServer::at(NOW).await;
    server.station_as("TLS", &json!({"password": PASSWORD, "security_profile": 2})).await;
    let shown = format!("TLS:{PASSWORD}");
    assert_eq!(refused(&server, "/ocpp/TLS", Some("ocpp1.6"), Some(shown.as_bytes())).await, 401);
    let floor = TestServer::with(NOW, &[("min-security-profile", "1")]).await;
    floor.station("CP1").await;
    assert_eq!(refused(&floor, "/ocpp/CP1", Some("ocpp1.6"), None).await, 401);
}

#[tokio::test]
async fn what_is_no_websocket_handshake_is_told_so() {
    let server = TestServer::at(NOW).await;
    let url = server.ocpp_url().replace("ws://", "http://");
    let answer = reqwest::get(format!("{url}/CP1")).await.unwrap();
    assert_eq!(answer.status(), 426);
    assert!(answer.text().await.unwrap().contains("connect by WebSocket"));
}

#[tokio::test]
async fn a_station_that_is_not_accepted_may_register_and_nothing_else() {
    let server = TestServer::at(NOW).await;
    server.station_as("CP1", &json!({"registration": "pending"})).await;
    let mut socket = server.socket("CP1").await;
    let heartbeat = socket.call("Heartbeat", json!({})).await;
    assert_eq!((&heartbeat[0], &heartbeat[2]), (&json!(4), &json!("SecurityError")));
    let boot = socket
        .call("BootNotification", json!({"chargePointVendor": "V", "chargePointModel": "M"}))
        .await;
    assert_eq!(boot[2]["status"], "Pending");
    assert!(boot[2]["interval"].as_i64().unwrap() > 0);
    let remote = server
        .post("/stations/CP1/commands", &json!({"command": "remote_start", "id_tag": "A"}))
        .await;
    assert_eq!((remote.status, &remote.json()["reason"]), (409, &json!("station_not_accepted")));
}

#[tokio::test]
async fn a_known_station_is_served_without_a_boot_message() {
    let server = TestServer::at(NOW).await;
    server.station("CP1").await;
    let mut socket = server.socket("CP1").await;
    socket.lives().await;
    assert_eq!(
        socket.call("Authorize", json!({"idTag": "A"})).await[2]["idTagInfo"]["status"],
        "Invalid"
    );
}

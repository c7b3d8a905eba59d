//! The API when requests come at once, hang up, or must not be written down.

use crate::api::{NOW, member};
use crate::harness::{ADMIN_KEY, TestServer};
use serde_json::json;

#[tokio::test]
async fn a_suspended_card_is_refused_from_the_answer_on_and_accepted_when_it_is_back() {
    let server = TestServer::at(NOW).await;
    server.station("CP1").await;
    let (_, card) = server.member_with_card("simple", "04:A2:B3:C4").await;
    let mut socket = server.socket("CP1").await;
    for _ in 0..20 {
        assert_eq!(
            socket.call("Authorize", json!({"idTag": "04a2b3c4"})).await[2]["idTagInfo"]["status"],
            "Accepted"
        );
        let suspended =
            server.post(&format!("/cards/{card}/suspend"), &json!({"reason": "lost"})).await.json();
        assert_eq!(
            (&suspended["state"], &suspended["nodes_confirmed"], &suspended["nodes_missing"]),
            (&json!("suspended"), &json!(["test"]), &json!([]))
        );
        let answer = socket.call("Authorize", json!({"idTag": "04A2B3C4"})).await;
        assert_eq!(answer[2]["idTagInfo"]["status"], "Blocked");
        assert_eq!(
            answer[2]["idTagInfo"].get("expiryDate"),
            None,
            "only an acceptance may be cached"
        );
        server.post(&format!("/cards/{card}/resume"), &json!({"reason": "lost"})).await;
    }
}

#[tokio::test]
async fn a_suspension_holds_although_its_caller_hangs_up() {
    use tokio::io::AsyncWriteExt;
    let server = TestServer::at(NOW).await;
    server.station("CP1").await;
    let (_, card) = server.member_with_card("simple", "CARD1").await;
    let mut socket = server.socket("CP1").await;
    for delay_us in (0..4000).step_by(250) {
        assert_eq!(
            socket.call("Authorize", json!({"idTag": "CARD1"})).await[2]["idTagInfo"]["status"],
            "Accepted"
        );
        let mut caller = tokio::net::TcpStream::connect(server.server().http).await.unwrap();
        let body = json!({"reason": "lost"}).to_string();
        let head = format!(
            "POST /api/v1/cards/{card}/suspend HTTP/1.1\r\nHost: juden\r\nAuthorization: Bearer {ADMIN_KEY}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        caller.write_all(head.as_bytes()).await.unwrap();
        tokio::time::sleep(std::time::Duration::from_micros(delay_us)).await;
        drop(caller);
        while server.get(&format!("/cards/{card}")).await["state"] != "suspended" {
            tokio::task::yield_now().await;
        }
        // Committed: within a moment it is refused.
        let mut answers = 0;
        while socket.call("Authorize", json!({"idTag": "CARD1"})).await[2]["idTagInfo"]["status"]
            != "Blocked"
        {
            answers += 1;
            assert!(answers < 1000, "the card is accepted although it is suspended");
        }
        server.post(&format!("/cards/{card}/resume"), &json!({"reason": "lost"})).await;
    }
}

#[tokio::test]
async fn requests_under_one_key_at_once_are_done_once() {
    let server = std::sync::Arc::new(TestServer::at(NOW).await);
    let asking: Vec<_> = (0..8)
        .map(|_| {
            let server = server.clone();
            tokio::spawn(async move {
                server
                    .request(
                        "POST",
                        "/members",
                        Some(member().to_string()),
                        &[("idempotency-key", "k")],
                    )
                    .await
                    .status
            })
        })
        .collect();
    for asked in asking {
        assert!(matches!(asked.await.unwrap(), 201 | 409));
    }
    assert_eq!(server.get("/members").await["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn codes_guessed_at_once_are_locked_after_the_fifth() {
    let server = std::sync::Arc::new(TestServer::at(NOW).await);
    let member = server.member("simple").await;
    let card = server.stock("CARD1").await;
    let asking: Vec<_> = (0..20)
        .map(|n| {
            let (server, member, guess) =
                (server.clone(), member.clone(), (card.0.clone(), format!("GUESS{n}")));
            tokio::spawn(async move { server.activate(&member, &guess, "primary").await.status })
        })
        .collect();
    let mut wrong = 0;
    for asked in asking {
        match asked.await.unwrap() {
            409 => wrong += 1,
            429 => {}
            other => panic!("{other}"),
        }
    }
    assert_eq!(wrong, 5);
}

#[tokio::test]
async fn a_cards_code_is_never_written_down_in_clear() {
    let server = TestServer::at(NOW).await;
    for (path, tag) in [("/cards", "CARD1"), ("/cards?x=1", "CARD2")] {
        let body = json!({"id_tag": tag}).to_string();
        let first =
            server.request("POST", path, Some(body.clone()), &[("idempotency-key", tag)]).await;
        let again = server.request("POST", path, Some(body), &[("idempotency-key", tag)]).await;
        assert_eq!(
            (first.status, &first.text),
            (201, &again.text),
            "a repeat is told the code once more"
        );
        let code = first.json()["activation_code"].as_str().unwrap().to_owned();
        let bytes = server.database.bytes().await;
        assert!(!bytes.windows(code.len()).any(|window| window == code.as_bytes()), "{path}");
    }
}

#[tokio::test]
async fn a_station_tells_its_own_state_for_connector_nought() {
    let server = TestServer::at(NOW).await;
    server.station("CP1").await;
    let mut socket = server.socket("CP1").await;
    socket
        .call(
            "StatusNotification",
            json!({"connectorId": 0, "status": "Faulted", "errorCode": "PowerMeterFailure"}),
        )
        .await;
    let station = server.get("/stations/CP1").await;
    assert_eq!(
        (&station["status"], &station["error_code"]),
        (&json!("Faulted"), &json!("PowerMeterFailure"))
    );
}

#[tokio::test]
async fn a_body_that_is_a_list_is_refused_where_an_object_is_due() {
    let server = TestServer::at("2024-06-10T00:00:00Z").await;
    let member = server.member("simple").await;
    for path in ["/members".to_owned(), format!("/members/{member}/release")] {
        let answered = server.request("POST", &path, Some(" []".to_owned()), &[]).await;
        assert_eq!(
            (answered.status, answered.json()["field"].as_str()),
            (422, Some("body")),
            "{path}: {answered:?}"
        );
    }
}

#[tokio::test]
async fn five_wrong_codes_of_a_card_are_tried_however_many_members_try_at_once() {
    let server = std::sync::Arc::new(TestServer::at("2024-06-10T00:00:00Z").await);
    let (number, _) = server.stock("RACED").await;
    let mut tries = tokio::task::JoinSet::new();
    for n in 0..20 {
        let (server, number) = (server.clone(), number.clone());
        tries.spawn(async move {
            let member = server.member("simple").await;
            server
                .activate(&member, &(number, format!("wrong-code-{n:05}")), "primary")
                .await
                .status
        });
    }
    let statuses = tries.join_all().await;
    let tried = statuses.iter().filter(|status| **status == 409).count();
    assert_eq!(tried, 5, "the rest is told to wait: {statuses:?}");
}

#[tokio::test]
async fn many_activations_at_once_with_and_without_keys_hold_nobody_up() {
    let server = std::sync::Arc::new(TestServer::at("2024-06-10T00:00:00Z").await);
    let mut activations = tokio::task::JoinSet::new();
    for n in 0..24 {
        let server = server.clone();
        activations.spawn(async move {
            let (member, card) =
                (server.member("simple").await, server.stock(&format!("MANY{n}")).await);
            let body = json!({"card_number": card.0, "activation_code": card.1, "role": "primary"})
                .to_string();
            let key = format!("activation-{n}");
            let headers = [("idempotency-key", key.as_str())];
            let path = format!("/members/{member}/cards/activate");
            server
                .request("POST", &path, Some(body), if n % 2 == 0 { &headers } else { &[] })
                .await
                .status
        });
    }
    let statuses = tokio::time::timeout(crate::harness::PATIENCE, activations.join_all())
        .await
        .expect("none waits for another for ever");
    assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
}

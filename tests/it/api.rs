//! The API's refusals name the field, the rule and the article.

use serde_json::{Value, json};

use crate::harness::{ADMIN_KEY, Answered, TestServer};

const NOW: &str = "2024-06-10T00:00:00Z";

fn assert_problem(answered: &Answered, status: u16, reason: &str) -> Value {
    assert_eq!(answered.status, status, "{answered:?}");
    assert_eq!(answered.content_type, "application/problem+json", "{answered:?}");
    let problem = answered.json();
    assert_eq!(
        (&problem["status"], &problem["reason"]),
        (&json!(status), &json!(reason)),
        "{problem}"
    );
    assert!(!problem["detail"].as_str().unwrap().is_empty());
    problem
}

fn member() -> Value {
    json!({"name": "Aoki", "kind": "corporation", "email": "fleet@example.jp", "plan": "simple", "payment_method": {"kind": "invoice"}})
}

fn with(base: &Value, pointer: &str, value: Value) -> Value {
    let mut changed = base.clone();
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    changed.pointer_mut(parent).unwrap()[key] = value;
    changed
}

#[tokio::test]
async fn a_malformed_body_is_refused_by_its_field() {
    let server = TestServer::at(NOW).await;
    let station =
        json!({"site": "S", "connectors": [{"connector_id": 1, "charger_class": "quick"}]});
    for (path, base, pointer, value, field) in [
        ("/members", member(), "/name", json!(""), "name"),
        ("/members", member(), "/name", json!(5), "name"),
        ("/members", member(), "/kind", json!("person"), "kind"),
        ("/members", member(), "/email", json!("test--.123@example.jp"), "email"),
        ("/members", member(), "/plan", json!("gold"), "plan"),
        ("/members", member(), "/payment_method/kind", json!("cash"), "payment_method.kind"),
        ("/members", member(), "/payment_method/brand", json!("other"), "payment_method.brand"),
        ("/members", member(), "/colour", json!("red"), "colour"),
        ("/members", member(), "/vehicle", json!({}), "vehicle.vin"),
        ("/members", member(), "/term_contract", json!(true), "term_contract"),
        ("/cards", json!({"id_tag": "A"}), "/id_tag", json!(""), "id_tag"),
        ("/cards", json!({"id_tag": "A"}), "/id_tag", json!("x".repeat(65)), "id_tag"),
        ("/cards", json!({"id_tag": "A"}), "/card_number", json!("a b"), "card_number"),
        ("/cards", json!({"id_tag": "A"}), "/activation_code", json!(""), "activation_code"),
    ] {
        let answered = server.post(path, &with(&base, pointer, value)).await;
        assert_eq!(assert_problem(&answered, 422, "malformed")["field"], field, "{path} {pointer}");
    }
    for (pointer, value, field) in [
        ("/site", json!(""), "site"),
        ("/connectors/0/connector_id", json!(0), "connectors[0].connector_id"),
        ("/connectors/0/charger_class", json!("slow"), "connectors[0].charger_class"),
        ("/connectors/0/power_kw", json!(-1), "connectors[0].power_kw"),
        ("/connectors/0/power_kw", json!("50"), "connectors[0].power_kw"),
        ("/security_profile", json!(4), "security_profile"),
        ("/security_profile", json!(1), "password"),
        ("/time_zone", json!("Mars/Olympus"), "time_zone"),
        ("/default_protocol", json!("ocpp1.5"), "default_protocol"),
        ("/password", json!("x".repeat(65)), "password"),
    ] {
        let answered = server.put("/stations/CP1", &with(&station, pointer, value)).await;
        assert_eq!(assert_problem(&answered, 422, "malformed")["field"], field, "{pointer}");
    }
    for body in ["", "{", "[]", "null", "\"x\"", "{}x", "\u{0}"] {
        assert_problem(
            &server.request("POST", "/members", Some(body.to_owned()), &[]).await,
            422,
            "malformed",
        );
    }
    assert_problem(
        &server.request("POST", "/members", Some("x".repeat(300_000)), &[]).await,
        413,
        "too_large",
    );
}

#[tokio::test]
async fn unknown_things_paths_methods_and_queries_are_told() {
    let server = TestServer::at(NOW).await;
    for path in [
        "/members/M-9",
        "/cards/C-9",
        "/stations/NONE",
        "/sessions/S-000000009",
        "/members/M-9/usage/2024-06",
        "/members/M-9/bills/2024-06",
        "/nothing",
    ] {
        assert_problem(&server.request("GET", path, None, &[]).await, 404, "not_found");
    }
    for (path, field) in [
        ("/members/M-9/usage/2024-13", "month"),
        ("/sessions/a.b", "session_id"),
        ("/sessions?state=gone", "state"),
        ("/sessions?month=June", "month"),
        ("/sessions?limit=0", "limit"),
        ("/sessions?limit=501", "limit"),
        ("/sessions?limit=x", "limit"),
        ("/sessions?colour=red", "colour"),
        ("/sessions?cursor=x", "cursor"),
        ("/months/2024-05/export?format=pdf", "format"),
        ("/months/2024-05/export", "format"),
    ] {
        let problem =
            assert_problem(&server.request("GET", path, None, &[]).await, 422, "malformed");
        assert_eq!(problem["field"], field, "{path}");
    }
    assert_problem(
        &server.request("DELETE", "/members/M-9", None, &[]).await,
        405,
        "method_not_allowed",
    );
}

#[tokio::test]
async fn only_the_operators_key_opens_the_api_and_wrong_ones_are_counted() {
    let server = TestServer::at(NOW).await;
    let client = reqwest::Client::new();
    let status = async |key: Option<&str>| {
        let request = client.get(server.api_url("/members"));
        let request = match key {
            Some(key) => request.bearer_auth(key),
            None => request,
        };
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(status(None).await, 401);
    for _ in 0..30 {
        assert_eq!(status(Some("wrong")).await, 401);
    }
    assert_eq!(status(Some("wrong")).await, 429);
    assert_eq!(status(Some(ADMIN_KEY)).await, 200, "the right key is not locked out");
    for path in ["/healthz", "/readyz", "/metrics", "/api/v1/openapi.json"] {
        let url = server.api_url("").replace("/api/v1", path);
        assert_eq!(client.get(&url).send().await.unwrap().status(), 200, "{path}");
    }
}

#[tokio::test]
async fn rules_refuse_with_their_reason_and_article() {
    let server = TestServer::at(NOW).await;
    let (member, primary) = server.member_with_card("simple", "CARD1").await;
    let other_primary = server.stock("CARD2").await;
    let first = server.stock("CARD3").await;
    let second = server.stock("CARD4").await;
    let refused = |answered: Answered, reason: &str, article: &str| {
        assert_eq!(assert_problem(&answered, 409, reason)["article"], article, "{reason}");
    };
    refused(server.activate(&member, &other_primary, "primary").await, "primary_exists", "3.1");
    refused(
        server.activate(&member, &(first.0.clone(), "WRONG".into()), "additional").await,
        "bad_code",
        "3.1",
    );
    assert_eq!(server.activate(&member, &first, "additional").await.status, 200);
    refused(server.activate(&member, &first, "additional").await, "bad_code", "3.1");
    refused(server.activate(&member, &second, "additional").await, "additional_limit", "9.1");
    let post = async |path: String, body: Value| server.post(&path, &body).await;
    refused(post(format!("/cards/{primary}/deactivate"), json!({})).await, "not_additional", "9.5");
    refused(
        post(format!("/cards/{}/suspend", second.0), json!({"reason": "lost"})).await,
        "not_activated",
        "3.1",
    );
    assert_eq!(
        post(format!("/cards/{primary}/suspend"), json!({"reason": "operator"})).await.json()["state"],
        "suspended"
    );
    refused(
        post(format!("/cards/{primary}/resume"), json!({"reason": "lost"})).await,
        "suspended_operator",
        "14.2",
    );
    assert_eq!(
        post(format!("/cards/{}/deactivate", first.0), json!({})).await.json()["state"],
        "dead"
    );
    refused(
        post(format!("/cards/{}/resume", first.0), json!({"reason": "lost"})).await,
        "dead_card",
        "9.5",
    );
    refused(server.activate(&member, &first, "additional").await, "dead_card", "9.5");
    assert_eq!(server.activate(&member, &second, "additional").await.status, 200);
    let fresh = server.member("simple").await;
    refused(
        server.activate(&fresh, &server.stock("CARD5").await, "additional").await,
        "not_activated",
        "3.1",
    );
    let term =
        with(&with(&self::member(), "/plan", json!("premium_100")), "/term_contract", json!(true));
    refused(server.post("/members", &term).await, "term_closed", "8.1");
    assert_problem(&server.post("/cards", &json!({"id_tag": "card-1"})).await, 409, "id_tag_taken");
    assert_problem(
        &server.post("/cards", &json!({"id_tag": "NEW", "card_number": primary})).await,
        409,
        "card_number_taken",
    );
}

#[tokio::test]
async fn five_wrong_codes_lock_a_card_for_a_day() {
    let server = TestServer::at(NOW).await;
    let member = server.member("simple").await;
    let card = server.stock("CARD1").await;
    for _ in 0..5 {
        assert_problem(
            &server.activate(&member, &(card.0.clone(), "WRONG".into()), "primary").await,
            409,
            "bad_code",
        );
    }
    let locked = server.activate(&member, &card, "primary").await;
    assert_problem(&locked, 429, "too_many_tries");
    assert_eq!(locked.retry_after.as_deref(), Some("86400"));
    assert_eq!(server.get(&format!("/cards/{}", card.0)).await["state"], "stock");
    server.clock("2024-06-10T23:59:59.999Z").await;
    assert_problem(&server.activate(&member, &card, "primary").await, 429, "too_many_tries");
    server.clock("2024-06-11T00:00:00Z").await;
    assert_eq!(server.activate(&member, &card, "primary").await.status, 200);
}

#[tokio::test]
async fn of_two_additional_cards_activated_at_once_one_wins() {
    let server = TestServer::at(NOW).await;
    let (member, _) = server.member_with_card("simple", "CARD1").await;
    let (first, second) = (server.stock("CARD2").await, server.stock("CARD3").await);
    let (a, b) = tokio::join!(
        server.activate(&member, &first, "additional"),
        server.activate(&member, &second, "additional")
    );
    let mut statuses = [a.status, b.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409], "{a:?} {b:?}");
}

#[tokio::test]
async fn a_post_repeated_under_its_key_is_done_once() {
    let server = TestServer::at(NOW).await;
    let key = [("idempotency-key", "k1")];
    let first = server.request("POST", "/members", Some(member().to_string()), &key).await;
    let again = server.request("POST", "/members", Some(member().to_string()), &key).await;
    assert_eq!((first.status, &first.text), (201, &again.text));
    assert_eq!(again.status, 201);
    let other = server
        .request(
            "POST",
            "/members",
            Some(with(&member(), "/name", json!("Baba")).to_string()),
            &key,
        )
        .await;
    assert_eq!(assert_problem(&other, 422, "malformed")["field"], "Idempotency-Key");
    assert_eq!(server.get("/members").await["items"].as_array().unwrap().len(), 1);
    let long = "k".repeat(201);
    let refused = server
        .request("POST", "/members", Some(member().to_string()), &[("idempotency-key", &long)])
        .await;
    assert_problem(&refused, 422, "malformed");
}

#[tokio::test]
async fn lists_are_paged_to_their_end() {
    let server = TestServer::at(NOW).await;
    for n in 0..7 {
        server.station(&format!("CP{n}")).await;
        server.member("simple").await;
    }
    for (list, key) in [("/stations", "station_id"), ("/members", "member_id")] {
        let mut seen = Vec::new();
        let mut path = format!("{list}?limit=3");
        loop {
            let page = server.get(&path).await;
            seen.extend(
                page["items"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|item| item[key].as_str().unwrap().to_owned()),
            );
            match page["next_cursor"].as_str() {
                Some(cursor) => path = format!("{list}?limit=3&cursor={cursor}"),
                None => break,
            }
        }
        let mut unique = seen.clone();
        unique.dedup();
        assert_eq!((seen.len(), unique.len()), (7, 7), "{list}: {seen:?}");
    }
}

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

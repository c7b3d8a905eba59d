//! The API's refusals name the field, the rule and the article.

use serde_json::{Value, json};

use crate::harness::{ADMIN_KEY, Answered, TestServer};

pub const NOW: &str = "2024-06-10T00:00:00Z";

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

pub fn member() -> Value {
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

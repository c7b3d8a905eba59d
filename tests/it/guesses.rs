//! Codes that are guessed, and changes that are asked for at once.

use crate::examples::story::{Story, assert_refused};
use crate::harness::Answered;
use serde_json::{Value, json};
use std::sync::Arc;

/// Tries a wrong code so often; each must be counted as one.
async fn guess(story: &Story, member: &str, card: &str, times: usize) {
    for n in 0..times {
        let wrong = (card.to_owned(), format!("GUESS{n}"));
        assert_refused(&story.server.activate(member, &wrong, "primary").await, "bad_code", "3.1");
    }
}

#[track_caller]
fn assert_locked(answered: &Answered) {
    assert_eq!(
        (answered.status, &answered.json()["reason"]),
        (429, &json!("too_many_tries")),
        "{answered:?}"
    );
    assert!(
        answered.retry_after.as_ref().unwrap().parse::<u64>().unwrap() <= 24 * 3600,
        "{answered:?}"
    );
}

#[tokio::test]
async fn five_wrong_codes_lock_a_card_for_everyone_until_a_day_has_passed() {
    let story = Story::at("2024-04-10 09:00").await;
    let (first, second) = (story.member("simple").await, story.member("simple").await);
    let card = story.server.stock("CARD1").await;
    guess(&story, &first, &card.0, 3).await;
    guess(&story, &second, &card.0, 2).await;
    story.clock("2024-04-10 10:00").await;
    assert_locked(&story.server.activate(&first, &card, "primary").await);
    assert_locked(&story.server.activate(&second, &card, "primary").await);
    story.clock("2024-04-11 08:55").await;
    assert_locked(&story.server.activate(&first, &card, "primary").await);
    assert_eq!(story.server.get(&format!("/cards/{}", card.0)).await["state"], "stock");
    assert_eq!(
        story.bill(&first, "2024-04").await.yen("base"),
        Vec::<&str>::new(),
        "no fee arises"
    );
    story.clock("2024-04-11 09:05").await;
    let activated = story.server.activate(&first, &card, "primary").await;
    assert_eq!(
        (activated.status, &activated.json()["state"]),
        (200, &json!("active")),
        "{activated:?}"
    );
}

#[tokio::test]
async fn ten_wrong_codes_across_cards_lock_a_member_and_nobody_else() {
    let story = Story::at("2024-04-10 09:00").await;
    let (member, other) = (story.member("simple").await, story.member("simple").await);
    for (id_tag, times) in [("CARD1", 4), ("CARD2", 4), ("CARD3", 2)] {
        let card = story.server.stock(id_tag).await;
        guess(&story, &member, &card.0, times).await;
    }
    let untouched = story.server.stock("CARD4").await;
    assert_locked(&story.server.activate(&member, &untouched, "primary").await);
    let others = story.server.stock("CARD5").await;
    assert_eq!(story.server.activate(&other, &others, "primary").await.status, 200);
    story.clock("2024-04-11 09:05").await;
    assert_eq!(story.server.activate(&member, &untouched, "primary").await.status, 200);
}

#[tokio::test]
async fn wrong_codes_of_a_replacement_are_counted_too() {
    let story = Story::at("2024-04-10 09:00").await;
    let (member, old) = story.active("simple", "CARD1").await;
    let (new, code) = story.server.stock("CARD2").await;
    let path = format!("/members/{member}/cards/{old}/replace");
    let replace = async |code: &str| {
        story.server.post(&path, &json!({"new_card_number": new, "activation_code": code})).await
    };
    for _ in 0..5 {
        assert_refused(&replace("WRONG").await, "bad_code", "3.1");
    }
    assert_locked(&replace(&code).await);
    assert_eq!(story.authorize("CARD1").await, "Accepted", "the old card keeps its state");
}

#[tokio::test]
async fn of_two_additional_cards_activated_at_once_one_wins_and_the_other_is_told_the_limit() {
    let story = Story::at("2024-04-10 09:00").await;
    let (member, _) = story.active("simple", "CARD1").await;
    let (first, second) = (story.server.stock("CARD2").await, story.server.stock("CARD3").await);
    let (one, other) = tokio::join!(
        story.server.activate(&member, &first, "additional"),
        story.server.activate(&member, &second, "additional")
    );
    let (won, lost) = if one.status == 200 { (one, other) } else { (other, one) };
    assert_eq!((won.status, &won.json()["state"]), (200, &json!("active")), "{won:?}");
    assert_refused(&lost, "additional_limit", "9.1");
    let cards =
        story.server.get(&format!("/members/{member}")).await["cards"].as_array().unwrap().len();
    assert_eq!(cards, 2);
    let april = story.bill(&member, "2024-04").await;
    assert_eq!(
        (april.yen("additional_issue"), april.yen("additional_monthly")),
        (vec!["1650"], vec!["2200"])
    );
}

#[tokio::test]
async fn of_two_activations_of_one_card_one_wins() {
    let story = Story::at("2024-04-10 09:00").await;
    let (first, second) = (story.member("simple").await, story.member("simple").await);
    let card = story.server.stock("CARD1").await;
    let (one, other) = tokio::join!(
        story.server.activate(&first, &card, "primary"),
        story.server.activate(&second, &card, "primary")
    );
    let (won, lost, winner) =
        if one.status == 200 { (one, other, &first) } else { (other, one, &second) };
    assert_eq!((won.status, &won.json()["member_id"]), (200, &json!(winner)), "{won:?}");
    assert_refused(&lost, "bad_code", "3.1");
}

/// Does the same so often at once: the answers' statuses.
async fn at_once<F>(times: usize, ask: impl Fn(usize) -> F) -> Vec<u16>
where
    F: Future<Output = Answered> + Send + 'static,
{
    let asking: Vec<_> = (0..times).map(|n| tokio::spawn(ask(n))).collect();
    let mut statuses = Vec::new();
    for asked in asking {
        statuses.push(asked.await.unwrap().status);
    }
    statuses
}

#[tokio::test]
async fn of_many_plan_changes_at_once_one_stands() {
    let story = Arc::new(Story::at("2024-04-10 09:00").await);
    let (member, _) = story.active("simple", "CARD1").await;
    let statuses = at_once(24, |n| {
        let (story, path) = (story.clone(), format!("/members/{member}/plan-change"));
        let plan = if n % 2 == 0 { "premium_100" } else { "premium_200" };
        async move { story.server.put(&path, &json!({"plan": plan})).await }
    });
    assert_eq!(statuses.await, [200; 24]);
    let history = story.server.get(&format!("/members/{member}/history")).await;
    let events = history["items"].as_array().unwrap();
    let asked: Vec<&Value> = events
        .iter()
        .filter(|event| event["detail"]["plan"].is_string() && event["event"] != "admitted")
        .collect();
    let last = asked.last().unwrap()["detail"]["plan"].clone();
    assert_eq!(
        story.server.get(&format!("/members/{member}")).await["pending_plan"],
        last,
        "the last one stands: {history}"
    );
    story.clock("2024-05-01 00:00").await;
    let may = story.bill(&member, "2024-05").await;
    let base = if last == "premium_100" { "4400" } else { "6600" };
    assert_eq!((may.yen("base"), may.total.as_str()), (vec![base], base), "one slot, no fee");
}

#[tokio::test]
async fn suspensions_and_returns_at_once_leave_one_state_that_the_charger_is_told() {
    let story = Arc::new(Story::at("2024-04-10 09:00").await);
    let (_, card) = story.active("simple", "CARD1").await;
    for _ in 0..3 {
        let statuses = at_once(20, |n| {
            let path = format!("/cards/{card}/{}", if n % 2 == 0 { "suspend" } else { "resume" });
            let story = story.clone();
            async move { story.server.post(&path, &json!({"reason": "lost"})).await }
        });
        assert_eq!(statuses.await, [200; 20]);
        let state = story.server.get(&format!("/cards/{card}")).await["state"].clone();
        let expected = if state == "active" { "Accepted" } else { "Blocked" };
        assert_eq!(story.authorize("CARD1").await, expected, "{state}");
    }
    story.post(&format!("/cards/{card}/resume"), &json!({"reason": "lost"})).await;
    assert_eq!(story.authorize("CARD1").await, "Accepted");
}

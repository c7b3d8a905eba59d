//! Plan changes (article 7).

use serde_json::json;

use super::story::{Class, Story, assert_refused, line, utc};

/// A member of a plan since February 2024.
async fn since_february(plan: &str) -> (Story, String) {
    let story = Story::at("2024-02-01 09:00").await;
    let (member, _) = story.active(plan, "CARD1").await;
    (story, member)
}

/// The plan of a member now, and the one that waits for it.
async fn plans(story: &Story, member: &str) -> (String, Option<String>) {
    let seen = story.seen(member).await;
    (seen["plan"].as_str().unwrap().to_owned(), seen["pending_plan"].as_str().map(str::to_owned))
}

fn standing(plan: &str, pending: Option<&str>) -> (String, Option<String>) {
    (plan.to_owned(), pending.map(str::to_owned))
}

#[tokio::test]
async fn w38_a_plan_holds_from_the_first_of_the_next_month() {
    let (story, member) = since_february("simple").await;
    story.clock("2024-03-15 12:00").await;
    assert_eq!(story.change_plan(&member, "premium_100").await, utc("2024-04-01 00:00"));
    story.clock("2024-03-31 23:59:59").await;
    assert_eq!(plans(&story, &member).await, standing("simple", Some("premium_100")));
    story.clock("2024-04-01 00:00:00").await;
    assert_eq!(plans(&story, &member).await, standing("premium_100", None));
    story.clock("2024-04-02 09:00").await;
    let march = story.session(Class::Quick, "CARD1", "2024-03-31 23:00", "2024-03-31 23:30").await;
    let april = story.session(Class::Quick, "CARD1", "2024-04-01 00:00", "2024-04-01 00:30").await;
    assert_eq!(story.used(&member, "2024-03", march).await, Some((30, 0, 30, "ended".to_owned())));
    assert_eq!(story.used(&member, "2024-04", april).await, Some((30, 30, 0, "ended".to_owned())));
    story.clock("2024-05-06 00:00").await;
    assert_eq!(
        story.closed(&member, "2024-03").await.lines,
        [line("base", 1, "1100"), line("metered_quick", 30, "2970")]
    );
    assert_eq!(story.closed(&member, "2024-04").await.lines, [line("base", 1, "4400")]);
}

#[tokio::test]
async fn w39_the_last_request_of_a_month_wins() {
    let (story, member) = since_february("simple").await;
    story.clock("2024-03-05 12:00").await;
    story.change_plan(&member, "premium_100").await;
    assert_eq!(plans(&story, &member).await, standing("simple", Some("premium_100")));
    story.clock("2024-03-20 12:00").await;
    assert_eq!(story.change_plan(&member, "premium_200").await, utc("2024-04-01 00:00"));
    assert_eq!(plans(&story, &member).await, standing("simple", Some("premium_200")));
    story.clock("2024-04-01 00:00:00").await;
    assert_eq!(plans(&story, &member).await, standing("premium_200", None));
    assert_eq!(story.quick_pool(&member, "2024-04").await, (200, 0, 200));
    story.clock("2024-06-06 00:00").await;
    assert_eq!(story.closed(&member, "2024-03").await.lines, [line("base", 1, "1100")]);
    for month in ["2024-04", "2024-05"] {
        assert_eq!(story.closed(&member, month).await.lines, [line("base", 1, "6600")], "{month}");
    }
}

#[tokio::test]
async fn w40_a_change_can_be_cancelled_until_the_months_last_second() {
    let (story, member) = since_february("simple").await;
    story.clock("2024-03-05 12:00").await;
    story.change_plan(&member, "premium_100").await;
    story.clock("2024-03-31 23:59:59").await;
    let cancelled = story.delete(&format!("/members/{member}/plan-change")).await;
    assert_eq!(
        (cancelled.status, cancelled.json()["pending_plan"].as_str()),
        (200, None),
        "{cancelled:?}"
    );
    story.clock("2024-04-01 00:00:00").await;
    assert_eq!(plans(&story, &member).await, standing("simple", None));
    story.clock("2024-05-06 00:00").await;
    assert_eq!(story.closed(&member, "2024-04").await.lines, [line("base", 1, "1100")]);
}

#[tokio::test]
async fn w41_at_midnight_a_change_is_final_and_a_new_request_counts_for_the_new_month() {
    let (story, member) = since_february("simple").await;
    story.clock("2024-03-05 12:00").await;
    story.change_plan(&member, "premium_100").await;
    story.clock("2024-04-01 00:00:00").await;
    assert_refused(
        &story.delete(&format!("/members/{member}/plan-change")).await,
        "already_effective",
        "7",
    );
    assert_eq!(plans(&story, &member).await, standing("premium_100", None));
    assert_eq!(story.change_plan(&member, "simple").await, utc("2024-05-01 00:00"));
    assert_eq!(plans(&story, &member).await, standing("premium_100", Some("simple")));
    story.clock("2024-06-06 00:00").await;
    for (month, base) in [("2024-03", "1100"), ("2024-04", "4400"), ("2024-05", "1100")] {
        assert_eq!(story.closed(&member, month).await.lines, [line("base", 1, base)], "{month}");
    }
}

#[tokio::test]
async fn w42_a_session_over_the_change_to_premium_is_rated_by_the_plan_of_its_start() {
    let (story, member) = since_february("simple").await;
    story.clock("2024-03-10 12:00").await;
    story.change_plan(&member, "premium_100").await;
    story.clock("2024-04-01 09:00").await;
    let session =
        story.session(Class::Quick, "CARD1", "2024-03-31 23:50", "2024-04-01 00:20").await;
    assert_eq!(
        story.used(&member, "2024-03", session).await,
        Some((30, 0, 30, "ended".to_owned()))
    );
    assert_eq!(story.quick_pool(&member, "2024-04").await, (100, 0, 100));
    story.clock("2024-05-06 00:00").await;
    assert_eq!(
        story.closed(&member, "2024-03").await.lines,
        [line("base", 1, "1100"), line("metered_quick", 30, "2970")]
    );
    assert_eq!(story.closed(&member, "2024-04").await.lines, [line("base", 1, "4400")]);
}

#[tokio::test]
async fn w43_a_session_over_the_change_to_simple_draws_on_the_pool_of_its_start() {
    let (story, member) = since_february("premium_100").await;
    story.clock("2024-03-10 12:00").await;
    story.change_plan(&member, "simple").await;
    story.clock("2024-04-01 09:00").await;
    story.session(Class::Quick, "CARD1", "2024-03-20 10:00", "2024-03-20 11:25").await;
    let session =
        story.session(Class::Quick, "CARD1", "2024-03-31 23:50", "2024-04-01 00:20").await;
    assert_eq!(
        story.used(&member, "2024-03", session).await,
        Some((30, 15, 15, "ended".to_owned()))
    );
    story.clock("2024-05-06 00:00").await;
    assert_eq!(
        story.closed(&member, "2024-03").await.lines,
        [line("base", 1, "4400"), line("metered_quick", 15, "660")]
    );
    assert_eq!(story.closed(&member, "2024-04").await.lines, [line("base", 1, "1100")]);
}

#[tokio::test]
async fn w44_the_year_turns_at_midnight_in_japan() {
    let story = Story::at("2024-11-01 09:00").await;
    let (before, _) = story.active("simple", "CARD1").await;
    let (after, _) = story.active("simple", "CARD2").await;
    story.clock("2024-12-31T14:59:59Z").await;
    assert_eq!(story.change_plan(&before, "premium_100").await, utc("2025-01-01 00:00"));
    story.clock("2024-12-31T15:00:00Z").await;
    assert_eq!(story.change_plan(&after, "premium_100").await, utc("2025-02-01 00:00"));
    assert_eq!(plans(&story, &before).await, standing("premium_100", None));
    assert_eq!(plans(&story, &after).await, standing("simple", Some("premium_100")));
    story.clock("2025-03-06 00:00").await;
    for (month, early, late) in
        [("2024-12", "1100", "1100"), ("2025-01", "4400", "1100"), ("2025-02", "4400", "4400")]
    {
        assert_eq!(story.closed(&before, month).await.lines, [line("base", 1, early)], "{month}");
        assert_eq!(story.closed(&after, month).await.lines, [line("base", 1, late)], "{month}");
    }
}

#[tokio::test]
async fn w45_a_withdrawal_drops_the_change_that_waits() {
    let (story, member) = since_february("simple").await;
    story.clock("2024-03-10 12:00").await;
    story.change_plan(&member, "premium_100").await;
    story.clock("2024-03-25 12:00").await;
    assert_eq!(
        story.post(&format!("/members/{member}/withdraw"), &json!({})).await["state"],
        "withdrawn"
    );
    assert_eq!(plans(&story, &member).await, standing("simple", None));
    story.clock("2024-05-06 00:00").await;
    assert_eq!(plans(&story, &member).await, standing("simple", None));
    assert_eq!(story.closed(&member, "2024-03").await.lines, [line("base", 1, "1100")]);
    let april = story.closed(&member, "2024-04").await;
    assert_eq!((april.lines.len(), april.total.as_str()), (0, "0"), "{april:?}");
}

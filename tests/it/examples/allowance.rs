//! Allowances (articles 2.7, 9.2).

use super::story::{Class, Story, line};

#[tokio::test]
async fn w25_unused_free_minutes_lapse() {
    let story = Story::at("2024-02-01 09:00").await;
    let (member, _) = story.active("premium_100", "CARD1").await;
    story.clock("2024-03-31 23:00").await;
    for day in ["2024-03-02", "2024-03-03", "2024-03-04"] {
        story
            .session(Class::Quick, "CARD1", &format!("{day} 10:00"), &format!("{day} 10:30"))
            .await;
    }
    assert_eq!(story.quick_pool(&member, "2024-03").await, (100, 90, 10));
    story.clock("2024-04-06 00:00").await;
    let march = story.bill(&member, "2024-03").await;
    assert_eq!((march.state.as_str(), march.total.as_str()), ("closed", "4400"));
    assert_eq!(story.quick_pool(&member, "2024-04").await, (100, 0, 100));
}

#[tokio::test]
async fn w26_a_session_is_split_at_the_pools_edge() {
    let story = Story::at("2024-02-01 09:00").await;
    let (member, _) = story.active("premium_100", "CARD1").await;
    story.clock("2024-03-31 23:00").await;
    story.session(Class::Quick, "CARD1", "2024-03-02 10:00", "2024-03-02 11:30").await;
    let second = story.session(Class::Quick, "CARD1", "2024-03-03 10:00", "2024-03-03 10:30").await;
    assert_eq!(
        story.used(&member, "2024-03", second).await,
        Some((30, 10, 20, "ended".to_owned()))
    );
    story.clock("2024-04-06 00:00").await;
    let march = story.bill(&member, "2024-03").await;
    assert_eq!(
        (march.yen("metered_quick"), march.total.as_str(), march.tax.as_str()),
        (vec!["880"], "5280", "480")
    );
}

/// A member since February 2024, when it is 31 March, 23:00.
async fn end_of_march(plan: &str) -> (Story, String) {
    let story = Story::at("2024-02-01 09:00").await;
    let (member, _) = story.active(plan, "CARD1").await;
    story.clock("2024-03-31 23:00").await;
    (story, member)
}

/// A premium member with an additional card, both since February 2024, and 20 quick minutes left in March.
async fn twenty_left() -> (Story, String) {
    let story = Story::at("2024-02-01 09:00").await;
    let (member, _) = story.active("premium_100", "CARD1").await;
    story.card(&member, "CARD2", "additional").await;
    story.clock("2024-03-03 09:00").await;
    story.session(Class::Quick, "CARD1", "2024-03-02 10:00", "2024-03-02 11:20").await;
    assert_eq!(story.quick_pool(&member, "2024-03").await, (100, 80, 20));
    (story, member)
}

/// What W28 says of the split and the bill.
async fn assert_first_come(story: &Story, member: &str, first: i64, second: i64) {
    assert_eq!(story.used(member, "2024-03", first).await, Some((25, 20, 5, "ended".to_owned())));
    assert_eq!(story.used(member, "2024-03", second).await, Some((30, 0, 30, "ended".to_owned())));
    story.clock("2024-04-06 00:00").await;
    let march = story.closed(member, "2024-03").await;
    assert_eq!(
        march.lines,
        [
            line("base", 1, "4400"),
            line("metered_quick", 35, "1540"),
            line("additional_monthly", 1, "2200")
        ]
    );
}

#[tokio::test]
async fn w27_both_cards_draw_on_one_pool() {
    let story = Story::at("2024-02-01 09:00").await;
    let (member, _) = story.active("premium_100", "CARD1").await;
    story.card(&member, "CARD2", "additional").await;
    story.clock("2024-03-31 23:00").await;
    let first = story.session(Class::Quick, "CARD1", "2024-03-02 10:00", "2024-03-02 11:00").await;
    let second = story.session(Class::Quick, "CARD2", "2024-03-03 10:00", "2024-03-03 11:00").await;
    assert_eq!(story.used(&member, "2024-03", first).await, Some((60, 60, 0, "ended".to_owned())));
    assert_eq!(
        story.used(&member, "2024-03", second).await,
        Some((60, 40, 20, "ended".to_owned()))
    );
    assert_eq!(story.quick_pool(&member, "2024-03").await, (100, 120, 0));
    story.clock("2024-04-06 00:00").await;
    let march = story.closed(&member, "2024-03").await;
    assert_eq!(
        march.lines,
        [
            line("base", 1, "4400"),
            line("metered_quick", 20, "880"),
            line("additional_monthly", 1, "2200")
        ]
    );
    assert_eq!((march.total.as_str(), march.tax.as_str()), ("7480", "680"));
}

#[tokio::test]
async fn w28_two_cards_charge_at_once_and_the_earlier_start_has_the_free_minutes() {
    let (story, member) = twenty_left().await;
    let (status, first, mut primary) = story.live("Q1", "CARD1", "2024-03-10 10:00").await;
    assert_eq!(status, "Accepted");
    let (status, second, mut additional) = story.live("Q2", "CARD2", "2024-03-10 10:05").await;
    assert_eq!(status, "Accepted");
    story.unplug(&mut primary, first, "2024-03-10 10:25").await;
    story.unplug(&mut additional, second, "2024-03-10 10:35").await;
    assert_first_come(&story, &member, first, second).await;
}

#[tokio::test]
async fn w29_the_order_of_arrival_does_not_matter() {
    let (story, member) = twenty_left().await;
    story.clock("2024-03-11 09:00").await;
    let second = story.session_at("Q2", "CARD2", "2024-03-10 10:05", "2024-03-10 10:35").await;
    assert_eq!(
        story.used(&member, "2024-03", second).await,
        Some((30, 20, 10, "ended".to_owned())),
        "alone so far"
    );
    let first = story.session_at("Q1", "CARD1", "2024-03-10 10:00", "2024-03-10 10:25").await;
    assert!(first > second);
    assert_first_come(&story, &member, first, second).await;
}

#[tokio::test]
async fn w30_a_simple_plan_pays_every_minute() {
    let (story, member) = end_of_march("simple").await;
    story.session(Class::Quick, "CARD1", "2024-03-02 10:00", "2024-03-02 10:30").await;
    story.session(Class::Normal, "CARD1", "2024-03-03 10:00", "2024-03-03 12:00").await;
    story.clock("2024-04-06 00:00").await;
    let march = story.closed(&member, "2024-03").await;
    assert_eq!(
        march.lines,
        [
            line("base", 1, "1100"),
            line("metered_quick", 30, "2970"),
            line("metered_normal", 120, "396")
        ]
    );
    assert_eq!((march.total.as_str(), march.tax.as_str()), ("4466", "406"));
}

#[tokio::test]
async fn w31_a_part_of_a_yen_is_dropped() {
    let (story, member) = end_of_march("premium_100").await;
    let session =
        story.session(Class::Normal, "CARD1", "2024-03-02 10:00", "2024-03-02 20:01").await;
    assert_eq!(
        story.used(&member, "2024-03", session).await,
        Some((601, 600, 1, "ended".to_owned()))
    );
    story.clock("2024-04-06 00:00").await;
    let march = story.closed(&member, "2024-03").await;
    assert_eq!(march.lines, [line("base", 1, "4400"), line("metered_normal", 1, "3")]);
    assert_eq!((march.total.as_str(), march.tax.as_str()), ("4403", "400"));
}

#[tokio::test]
async fn w32_normal_minutes_do_not_offset_quick_ones() {
    let (story, member) = end_of_march("premium_100").await;
    let session =
        story.session(Class::Quick, "CARD1", "2024-03-02 10:00", "2024-03-02 11:50").await;
    assert_eq!(
        story.used(&member, "2024-03", session).await,
        Some((110, 100, 10, "ended".to_owned()))
    );
    let usage = story.server.get(&format!("/members/{member}/usage/2024-03")).await;
    assert_eq!(usage["pools"][1]["charger_class"], "normal");
    assert_eq!(usage["pools"][1]["free_units_left"], 600);
    story.clock("2024-04-06 00:00").await;
    assert_eq!(
        story.closed(&member, "2024-03").await.lines,
        [line("base", 1, "4400"), line("metered_quick", 10, "440")]
    );
}

#[tokio::test]
async fn w33_a_part_of_a_yen_is_dropped_once_a_month_and_not_once_a_session() {
    let (story, member) = end_of_march("simple").await;
    for day in 2..9 {
        story
            .session(
                Class::Normal,
                "CARD1",
                &format!("2024-03-0{day} 10:00"),
                &format!("2024-03-0{day} 10:01"),
            )
            .await;
    }
    story.clock("2024-04-06 00:00").await;
    assert_eq!(
        story.closed(&member, "2024-03").await.lines,
        [line("base", 1, "1100"), line("metered_normal", 7, "23")]
    );
}

#[tokio::test]
async fn w34_the_month_of_the_services_start_has_its_whole_fee_and_allowance() {
    let story = Story::at("2024-04-30 22:00").await;
    let member = story.member("premium_100").await;
    story.clock("2024-04-30 23:00").await;
    story.card(&member, "CARD1", "primary").await;
    assert_eq!(story.quick_pool(&member, "2024-04").await, (100, 0, 100));
    story.clock("2024-05-01 09:00").await;
    let session =
        story.session(Class::Quick, "CARD1", "2024-04-30 23:05", "2024-05-01 00:45").await;
    assert_eq!(
        story.used(&member, "2024-04", session).await,
        Some((100, 100, 0, "ended".to_owned()))
    );
    assert_eq!(story.quick_pool(&member, "2024-05").await, (100, 0, 100));
    story.clock("2024-06-06 00:00").await;
    assert_eq!(
        story.closed(&member, "2024-04").await.lines,
        [line("contract", 1, "1650"), line("base", 1, "4400")]
    );
    assert_eq!(story.closed(&member, "2024-05").await.lines, [line("base", 1, "4400")]);
}

/// A premium member since March 2024 under a tariff that carries on: 40 minutes used, 60 left in March.
async fn sixty_to_carry() -> (Story, String) {
    let story = Story::with("carry", "2024-03-01 09:00").await;
    let (member, _) = story.active("premium_100", "CARD1").await;
    story.clock("2024-03-20 09:00").await;
    story.session(Class::Quick, "CARD1", "2024-03-10 10:00", "2024-03-10 10:40").await;
    assert_eq!(story.quick_pool(&member, "2024-03").await, (100, 40, 60));
    (story, member)
}

#[tokio::test]
async fn w35_carried_minutes_are_used_first_and_carried_once() {
    let (story, member) = sixty_to_carry().await;
    story.clock("2024-04-20 09:00").await;
    let session =
        story.session(Class::Quick, "CARD1", "2024-04-10 10:00", "2024-04-10 12:30").await;
    assert_eq!(
        story.used(&member, "2024-04", session).await,
        Some((150, 150, 0, "ended".to_owned()))
    );
    assert_eq!(story.quick_pool(&member, "2024-04").await, (160, 150, 10));
    story.clock("2024-05-06 00:00").await;
    assert_eq!(story.closed(&member, "2024-04").await.lines, [line("base", 1, "4400")]);
    assert_eq!(story.quick_pool(&member, "2024-05").await, (110, 0, 110));
}

#[tokio::test]
async fn w36_carried_minutes_are_lost_on_a_change_to_simple() {
    let (story, member) = sixty_to_carry().await;
    story.change_plan(&member, "simple").await;
    story.clock("2024-04-20 09:00").await;
    let session =
        story.session(Class::Quick, "CARD1", "2024-04-10 10:00", "2024-04-10 10:30").await;
    assert_eq!(
        story.used(&member, "2024-04", session).await,
        Some((30, 0, 30, "ended".to_owned()))
    );
    assert_eq!(story.quick_pool(&member, "2024-04").await, (0, 30, 0));
    story.clock("2024-05-06 00:00").await;
    assert_eq!(
        story.closed(&member, "2024-04").await.lines,
        [line("base", 1, "1100"), line("metered_quick", 30, "2970")]
    );
}

#[tokio::test]
async fn w37_the_older_premium_plan_counts_in_ten_minutes() {
    let story = Story::at("2023-05-01 09:00").await;
    let (member, _) = story.active("premium_10", "CARD1").await;
    story.clock("2023-06-20 09:00").await;
    for (day, free, charged) in [(2, 3, 0), (3, 3, 0), (4, 3, 0), (5, 1, 2)] {
        let day = format!("2023-06-0{day}");
        let session = story
            .session(Class::Quick, "CARD1", &format!("{day} 10:00"), &format!("{day} 10:21"))
            .await;
        assert_eq!(
            story.used(&member, "2023-06", session).await,
            Some((3, free, charged, "ended".to_owned())),
            "{day}"
        );
    }
    assert_eq!(story.quick_pool(&member, "2023-06").await, (10, 12, 0));
    story.clock("2023-07-06 00:00").await;
    let june = story.closed(&member, "2023-06").await;
    assert_eq!(june.lines, [line("base", 1, "4400"), line("metered_quick", 2, "770")]);
    assert_eq!(june.total, "5170");
}

use super::super::card::Role;
use super::super::card::tests::at;
use super::super::member::tests::member;
use super::super::rating::tests::{activated_card, book, session};
use super::*;

const JUNE: &str = "2024-06";

fn premium() -> Member {
    member(
        "2023-01-10T00:00:00Z",
        "premium_100",
        vec![activated_card("P", Role::Primary, "2023-01-11T00:00:00Z", None)],
    )
}

fn shown(sessions: &[Session], of: i64, now: &str) -> Display {
    let month = BillingMonth::parse(JUNE).unwrap();
    display(
        &premium(),
        sessions,
        (month, Some(SessionId(of))),
        &[ChargerClass::Quick],
        &book(0),
        at(now),
    )
    .unwrap()
}

fn running(id: i64, start: &str) -> Session {
    Session {
        stop: None,
        last_reading: Some(super::super::units::WattHours(500)),
        ..quick(id, start, 60)
    }
}

fn quick(id: i64, start: &str, length_s: i64) -> Session {
    session(&premium(), id, "P", ChargerClass::Quick, start, length_s)
}

#[test]
fn free_minutes_cost_nothing_and_the_rest_by_the_begun_minute() {
    let before = quick(1, "2024-06-01T00:00:00Z", 90 * 60);
    let sessions = [before.clone(), running(2, "2024-06-02T00:00:00Z")];
    assert_eq!(shown(&sessions, 2, "2024-06-02T00:10:00Z").cost, Some(Yen::ZERO));
    assert_eq!(shown(&sessions, 2, "2024-06-02T00:10:01Z").cost, Some(Yen::whole(44)));
    let ended = [before, quick(2, "2024-06-02T00:00:00Z", 12 * 60)];
    assert_eq!(
        shown(&ended, 2, "2024-06-20T00:00:00Z").cost,
        Some(Yen::whole(88)),
        "an end stays what it was"
    );
}

#[test]
fn what_other_sessions_take_while_they_run_is_taken() {
    let others = [running(1, "2024-06-02T00:00:00Z")];
    let english = shown(&others, 9, "2024-06-02T00:30:00Z").left[1].1.clone();
    assert_eq!(
        english,
        "Quick charging: 70 free minutes left this month, then 44 yen per 1 min, tax included."
    );
}

#[test]
fn a_session_that_never_ended_takes_nothing_and_one_whose_money_waits_has_no_cost() {
    let old = [running(1, "2024-06-02T00:00:00Z")];
    let display = shown(&old, 1, "2024-06-03T00:00:01Z");
    assert_eq!(display.cost, None);
    assert_eq!(
        display.left[0].1,
        "急速充電の今月の無料分は残り100分、その後1分ごとに44円（税込）です。"
    );
    let overlapping =
        [quick(1, "2024-06-02T00:00:00Z", 600), quick(2, "2024-06-02T00:05:00Z", 600)];
    assert_eq!(shown(&overlapping, 2, "2024-06-03T00:00:00Z").cost, None, "it is held for review");
}

#[test]
fn where_nothing_is_free_the_price_is_told_and_where_all_is_that_it_is() {
    let primary = super::super::card::tests::activated(super::super::card::Role::Primary);
    let card = super::super::card::tests::card("C1", &[("2019-12-21T00:00:00Z", primary)]);
    let simple = member("2019-12-20T00:00:00Z", "premium_10", vec![card]);
    let told = |month: &str, class: ChargerClass| {
        let month = BillingMonth::parse(month).unwrap();
        let display =
            display(&simple, &[], (month, None), &[class], &book(0), month.start()).unwrap();
        display.left.into_iter().map(|(_, text)| text).collect::<Vec<_>>()
    };
    let normal = told("2020-02", ChargerClass::Normal);
    assert_eq!(normal, ["今月の普通充電は無料です。", "Normal charging is free this month."]);
    let quick = told("2020-02", ChargerClass::Quick);
    assert_eq!(
        quick[1],
        "Quick charging: 100 free minutes left this month, then 385 yen per 10 min, tax included."
    );
}

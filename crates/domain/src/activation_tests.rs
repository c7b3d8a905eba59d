use super::super::card::DeadCause;
use super::super::card::tests::{activated, at, card};
use super::super::member::tests::member;
use super::*;

const ADMITTED: &str = "2024-04-03T03:00:00Z";

fn primary() -> Card {
    card("C1", &[("2024-04-10T00:00:00Z", activated(Role::Primary))])
}

#[test]
fn activation_refuses_in_the_order_of_the_rule() {
    let live_additional = card("C2", &[("2024-04-11T00:00:00Z", activated(Role::Additional))]);
    let dead_additional = card(
        "C2",
        &[
            ("2024-04-11T00:00:00Z", activated(Role::Additional)),
            ("2024-04-12T00:00:00Z", CardEvent::Deactivated),
        ],
    );
    let stock = card("C3", &[]);
    let now = at("2024-05-01T00:00:00Z");
    let fresh = member(ADMITTED, "simple", vec![]);
    let active = member(ADMITTED, "simple", vec![primary()]);
    let with_additional = member(ADMITTED, "simple", vec![primary(), live_additional]);
    let after_deactivation = member(ADMITTED, "simple", vec![primary(), dead_additional.clone()]);
    let programme = Programme::default();

    let refused = |member: &Member, card: &Card, role, code, now| {
        activate(member, card, role, code, now, &programme).unwrap_err()
    };
    assert_eq!(refused(&fresh, &stock, Role::Primary, false, now), Reason::BadCode);
    assert_eq!(refused(&fresh, &stock, Role::Additional, true, now), Reason::NotActivated);
    assert_eq!(
        refused(&fresh, &stock, Role::Primary, true, at("2024-07-01T00:00:00Z")),
        Reason::NotActivated
    );
    assert_eq!(refused(&active, &stock, Role::Primary, true, now), Reason::PrimaryExists);
    assert_eq!(refused(&active, &primary(), Role::Additional, true, now), Reason::BadCode);
    assert_eq!(
        refused(&with_additional, &stock, Role::Additional, true, now),
        Reason::AdditionalLimit
    );
    assert_eq!(
        refused(&after_deactivation, &dead_additional, Role::Additional, true, now),
        Reason::DeadCard
    );
    assert!(activate(&fresh, &stock, Role::Primary, true, now, &programme).is_ok());
    assert!(activate(&active, &stock, Role::Additional, true, now, &programme).is_ok());
    assert!(activate(&after_deactivation, &stock, Role::Additional, true, now, &programme).is_ok());
}

#[test]
fn failures_lock_for_a_day_from_the_one_that_is_too_many() {
    let fails = |hours: &[i64]| -> Vec<DateTime<Utc>> {
        hours.iter().map(|hour| at("2024-05-01T00:00:00Z") + TimeDelta::hours(*hour)).collect()
    };
    assert_eq!(locked_until(&fails(&[0, 1, 2, 3]), CODE_FAILURES_PER_CARD), None);
    assert_eq!(
        locked_until(&fails(&[0, 1, 2, 3, 20]), CODE_FAILURES_PER_CARD),
        Some(at("2024-05-02T20:00:00Z"))
    );
    assert_eq!(locked_until(&fails(&[0, 1, 2, 3, 24]), CODE_FAILURES_PER_CARD), None);
}

#[test]
fn a_card_sent_to_another_member_is_not_this_members() {
    let mailed = |to: &str| {
        card(
            "C3",
            &[(ADMITTED, CardEvent::Mailed { member: crate::ids::MemberId::parse(to).unwrap() })],
        )
    };
    let fresh = member(ADMITTED, "simple", vec![]);
    let now = at("2024-05-01T00:00:00Z");
    let programme = Programme::default();
    assert_eq!(
        activate(&fresh, &mailed("M-2"), Role::Primary, true, now, &programme),
        Err(Reason::BadCode)
    );
    assert!(activate(&fresh, &mailed("M-1"), Role::Primary, true, now, &programme).is_ok());
}

#[test]
fn w7_a_replacement_kills_the_old_card_and_takes_its_role_without_the_loss() {
    let lost = card(
        "C1",
        &[
            ("2024-04-10T00:00:00Z", activated(Role::Primary)),
            ("2024-05-07T00:00:00Z", CardEvent::Suspended(Suspension::Lost)),
        ],
    );
    let member = member(ADMITTED, "simple", vec![lost.clone()]);
    let now = at("2024-05-21T07:00:00Z");
    let done = replace(&member, &lost, &card("C9", &[]), true, now, &Programme::default()).unwrap();
    let [CardEvent::Activated { role: Role::Primary, replaces: Some(old), .. }] =
        done.new.as_slice()
    else {
        panic!("{done:?}")
    };
    assert_eq!(old.as_str(), "C1");
    assert_eq!(
        replace(&member, &lost, &card("C9", &[]), false, now, &Programme::default()),
        Err(Reason::BadCode)
    );
}

#[test]
fn the_operators_suspension_goes_over_to_the_new_card_and_a_dead_card_has_no_successor() {
    let held = card(
        "C1",
        &[
            ("2024-04-10T00:00:00Z", activated(Role::Primary)),
            ("2024-05-07T00:00:00Z", CardEvent::Suspended(Suspension::Operator)),
        ],
    );
    let member = member(ADMITTED, "simple", vec![held.clone()]);
    let now = at("2024-05-21T07:00:00Z");
    let done = replace(&member, &held, &card("C9", &[]), true, now, &Programme::default()).unwrap();
    assert_eq!(done.new[1], CardEvent::Suspended(Suspension::Operator));
    let mut dead = held;
    dead.events.push(super::super::card::Dated {
        seq: 9,
        at: at("2024-05-10T00:00:00Z"),
        event: done.old,
    });
    assert_eq!(dead.state_at(now), CardState::Dead(DeadCause::Replaced));
    assert_eq!(
        replace(&member, &dead, &card("C9", &[]), true, now, &Programme::default()),
        Err(Reason::DeadReplaced)
    );
}

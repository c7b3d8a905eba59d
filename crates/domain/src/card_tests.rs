use super::*;

pub(crate) fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// A card with these events, numbered as they stand.
pub(crate) fn card(number: &str, events: &[(&str, CardEvent)]) -> Card {
    let events = events.iter().zip(1..).map(|((when, event), seq)| Dated {
        seq,
        at: at(when),
        event: event.clone(),
    });
    Card {
        number: CardNumber::parse(number).unwrap(),
        id_tag: IdTag::new(&format!("TAG{number}")),
        readings: Vec::new(),
        events: events.collect(),
    }
}

pub(crate) fn activated(role: Role) -> CardEvent {
    CardEvent::Activated { member: MemberId::parse("M-1").unwrap(), role, replaces: None }
}

fn lost_and_held() -> Card {
    card(
        "C1",
        &[
            ("2024-05-01T00:00:00Z", activated(Role::Primary)),
            ("2024-05-07T01:15:00Z", CardEvent::Suspended(Suspension::Lost)),
            ("2024-05-08T00:00:00Z", CardEvent::Suspended(Suspension::Operator)),
            ("2024-05-09T00:00:00Z", CardEvent::Resumed(Suspension::Lost)),
            ("2024-05-10T00:00:00Z", CardEvent::Resumed(Suspension::Operator)),
        ],
    )
}

#[test]
fn a_state_holds_from_its_instant_on() {
    let card = lost_and_held();
    for (when, state) in [
        ("2024-04-30T23:59:59.999Z", "stock"),
        ("2024-05-01T00:00:00Z", "active"),
        ("2024-05-07T01:14:59.999Z", "active"),
        ("2024-05-07T01:15:00Z", "suspended"),
        ("2024-05-09T12:00:00Z", "suspended"),
        ("2024-05-10T00:00:00Z", "active"),
    ] {
        assert_eq!(card.state_at(at(when)).name(), state, "{when}");
    }
}

#[test]
fn only_an_empty_set_of_reasons_makes_a_card_work_again() {
    let card = lost_and_held();
    assert_eq!(
        card.state_at(at("2024-05-08T12:00:00Z")),
        CardState::Suspended([Suspension::Lost, Suspension::Operator].into())
    );
    assert_eq!(
        card.state_at(at("2024-05-09T12:00:00Z")),
        CardState::Suspended([Suspension::Operator].into())
    );
}

#[test]
fn the_member_cannot_lift_the_operators_hold() {
    let card = lost_and_held();
    let held = at("2024-05-09T12:00:00Z");
    let own = card.state_at(held);
    assert_eq!(resume(&own, &own, Suspension::Lost), Err(Reason::SuspendedOperator));
    assert_eq!(
        resume(&own, &own, Suspension::Operator),
        Ok(Some(CardEvent::Resumed(Suspension::Operator)))
    );
    assert_eq!(
        resume(&CardState::Active, &own, Suspension::Operator),
        Err(Reason::SuspendedOperator),
        "the membership's hold"
    );
}

#[test]
fn suspending_and_resuming_twice_changes_nothing_the_second_time() {
    let card = lost_and_held();
    let lost_one = card.state_at(at("2024-05-07T02:00:00Z"));
    assert_eq!(suspend(&lost_one, &lost_one, Suspension::Lost), Ok(None));
    let active = card.state_at(at("2024-05-11T00:00:00Z"));
    assert_eq!(resume(&active, &active, Suspension::Lost), Ok(None));
}

#[test]
fn w112_a_card_suspended_during_its_memberships_hold_is_suspended_itself() {
    let held = CardState::Suspended([Suspension::Operator].into());
    let suspended = Ok(Some(CardEvent::Suspended(Suspension::Operator)));
    assert_eq!(
        suspend(&CardState::Active, &held, Suspension::Operator),
        suspended,
        "the hold alone is lifted with the hold"
    );
    assert_eq!(suspend(&held, &held, Suspension::Operator), Ok(None));
    assert_eq!(
        suspend(&CardState::Active, &CardState::Dead(DeadCause::MembershipEnded), Suspension::Lost),
        Err(Reason::ReadOnly)
    );
}

#[test]
fn a_dead_card_never_comes_back() {
    let card = card(
        "C2",
        &[
            ("2024-05-01T00:00:00Z", activated(Role::Additional)),
            ("2024-05-02T00:00:00Z", CardEvent::Deactivated),
            ("2024-05-03T00:00:00Z", CardEvent::Resumed(Suspension::Lost)),
            ("2024-05-04T00:00:00Z", activated(Role::Additional)),
        ],
    );
    let now = at("2024-06-01T00:00:00Z");
    assert_eq!(card.state_at(now), CardState::Dead(DeadCause::Deactivated));
    let state = card.state_at(now);
    assert_eq!(suspend(&state, &state, Suspension::Lost), Err(Reason::DeadCard));
    assert_eq!(
        resume(&card.state_at(now), &card.state_at(now), Suspension::Lost),
        Err(Reason::DeadCard)
    );
    assert_eq!(deactivate(&card.state_at(now), Some(Role::Additional)), Err(Reason::DeadCard));
}

#[test]
fn only_a_live_additional_card_can_be_deactivated() {
    let stock = card("C3", &[]);
    let primary = card("C4", &[("2024-05-01T00:00:00Z", activated(Role::Primary))]);
    let additional = card("C5", &[("2024-05-01T00:00:00Z", activated(Role::Additional))]);
    let now = at("2024-06-01T00:00:00Z");
    assert_eq!(deactivate(&stock.state_at(now), None), Err(Reason::NotActivated));
    assert_eq!(deactivate(&primary.state_at(now), Some(Role::Primary)), Err(Reason::NotAdditional));
    assert_eq!(
        deactivate(&additional.state_at(now), Some(Role::Additional)),
        Ok(CardEvent::Deactivated)
    );
}

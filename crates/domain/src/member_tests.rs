use super::super::card::tests::{activated, at, card};
use super::super::payment::PaymentKind;
use super::*;

/// A member admitted at an instant, with these later events.
pub(crate) fn member_with(
    admitted_at: &str,
    plan: &str,
    later: &[(&str, MemberEvent)],
    cards: Vec<Card>,
) -> Member {
    let admission = Admission {
        name: "Aoki Transport".into(),
        kind: MemberKind::Corporation,
        email: "fleet@example.jp".into(),
        plan: plan.into(),
        term: false,
        payment: PaymentMethod { kind: PaymentKind::Invoice, brand: None },
        vehicle_vin: None,
        art80_permit: false,
    };
    member_of(admission, admitted_at, later, cards)
}

pub(crate) fn member_of(
    admission: Admission,
    admitted_at: &str,
    later: &[(&str, MemberEvent)],
    cards: Vec<Card>,
) -> Member {
    let mut events =
        vec![Dated { seq: 1, at: at(admitted_at), event: MemberEvent::Admitted(admission) }];
    events.extend(later.iter().zip(2..).map(|((when, event), seq)| Dated {
        seq,
        at: at(when),
        event: event.clone(),
    }));
    Member::from_events(MemberId::parse("M-1").unwrap(), events, cards).unwrap()
}

pub(crate) fn member(admitted_at: &str, plan: &str, cards: Vec<Card>) -> Member {
    member_with(admitted_at, plan, &[], cards)
}

fn primary(when: &str) -> Card {
    card("C1", &[(when, activated(Role::Primary))])
}

#[test]
fn w4_an_account_never_activated_lapses_at_the_end_of_the_sixtieth_days_month() {
    let member = member("2024-04-03T03:00:00Z", "simple", vec![]);
    assert_eq!(
        member.state_at(at("2024-06-30T14:59:59Z"), &Programme::default()),
        MemberState::Admitted
    );
    assert_eq!(
        member.state_at(at("2024-06-30T15:00:00Z"), &Programme::default()),
        MemberState::Lapsed
    );
}

#[test]
fn the_first_primary_activation_starts_the_service() {
    let member = member("2024-04-03T03:00:00Z", "simple", vec![primary("2024-04-10T00:00:00Z")]);
    assert_eq!(
        member.state_at(at("2024-04-09T23:59:59Z"), &Programme::default()),
        MemberState::Admitted
    );
    assert_eq!(
        member.state_at(at("2024-04-10T00:00:00Z"), &Programme::default()),
        MemberState::Active
    );
}

#[test]
fn w10_a_hold_suspends_every_card_until_it_is_lifted() {
    let events = [
        ("2024-05-31T15:00:00Z", MemberEvent::HoldSet),
        ("2024-06-20T00:00:00Z", MemberEvent::HoldLifted),
    ];
    let member = member_with(
        "2024-04-03T03:00:00Z",
        "simple",
        &events,
        vec![primary("2024-04-10T00:00:00Z")],
    );
    let state = |when| member.card_state_at(&member.cards[0], at(when), &Programme::default());
    assert_eq!(state("2024-05-31T14:59:59Z"), CardState::Active);
    assert_eq!(state("2024-05-31T15:00:00Z"), CardState::Suspended([Suspension::Operator].into()));
    assert_eq!(state("2024-06-20T00:00:00Z"), CardState::Active);
}

#[test]
fn the_end_of_the_service_kills_every_card() {
    let member = member("2024-04-03T03:00:00Z", "simple", vec![primary("2024-04-10T00:00:00Z")]);
    let programme =
        Programme { service_ends_at: Some(at("2025-03-31T15:00:00Z")), ..Programme::default() };
    let card = &member.cards[0];
    assert!(member.card_state_at(card, at("2025-03-31T14:59:59Z"), &programme).is_live());
    assert_eq!(member.card_state_at(card, at("2025-03-31T15:00:00Z"), &programme).name(), "dead");
    assert_eq!(member.state_at(at("2025-03-31T15:00:00Z"), &programme), MemberState::ServiceEnded);
    assert_eq!(
        member.check_changeable(at("2025-04-01T00:00:00Z"), &programme),
        Err(Reason::ReadOnly)
    );
}

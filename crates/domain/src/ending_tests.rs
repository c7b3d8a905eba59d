use super::super::card::Role;
use super::super::card::tests::{activated, at, card};
use super::super::member::tests::member_with;
use super::*;

fn member(later: &[(&str, MemberEvent)]) -> Member {
    let card = card("C1", &[("2024-04-10T00:00:00Z", activated(Role::Primary))]);
    member_with("2024-04-03T03:00:00Z", "simple", later, vec![card])
}

#[test]
fn w68_withdrawal_begins_with_the_month_after_the_services_start() {
    let member = member(&[]);
    let programme = Programme::default();
    assert_eq!(withdraw(&member, at("2024-04-30T14:59:59Z"), &programme), Err(Reason::TooEarly));
    assert_eq!(
        withdraw(&member, at("2024-04-30T15:00:00Z"), &programme),
        Ok(MemberEvent::Withdrawn)
    );
    assert_eq!(
        withdraw(&member, at("2024-04-09T00:00:00Z"), &programme),
        Err(Reason::NotActivated)
    );
}

#[test]
fn a_membership_ends_once() {
    let member = member(&[("2024-06-10T00:00:00Z", MemberEvent::Withdrawn)]);
    let programme = Programme::default();
    assert_eq!(withdraw(&member, at("2024-06-11T00:00:00Z"), &programme), Err(Reason::ReadOnly));
    let end = member.end(&programme).unwrap();
    assert_eq!(
        (end.cause, end.last_fee_month.to_string().as_str()),
        (EndCause::Withdrawn, "2024-06")
    );
    assert_eq!(member.state_at(at("2024-06-09T23:59:59Z"), &programme), MemberState::Active);
    assert_eq!(member.state_at(at("2024-06-10T00:00:00Z"), &programme), MemberState::Withdrawn);
}

#[test]
fn w71_fees_run_to_the_end_of_the_month_in_which_the_ground_was_known() {
    let it = Disqualification {
        ground: 1,
        known_at: at("2024-07-31T14:30:00Z"),
        effective_at: at("2024-08-01T15:00:00Z"),
    };
    let member = member(&[("2024-07-31T14:30:00Z", MemberEvent::Disqualified(it))]);
    let programme = Programme::default();
    assert_eq!(member.end(&programme).unwrap().last_fee_month.to_string(), "2024-07");
    assert!(!member.is_held_at(at("2024-07-31T14:29:59Z")));
    assert!(member.is_held_at(at("2024-07-31T14:30:00Z")));
    assert_eq!(member.state_at(at("2024-08-01T14:59:59Z"), &programme), MemberState::Active);
    assert_eq!(member.state_at(at("2024-08-01T15:00:00Z"), &programme), MemberState::Disqualified);
}

#[test]
fn an_end_entered_late_kills_no_card_in_the_past() {
    let it = Disqualification {
        ground: 6,
        known_at: at("2024-07-01T00:00:00Z"),
        effective_at: at("2024-07-02T00:00:00Z"),
    };
    let member = member(&[("2024-07-10T00:00:00Z", MemberEvent::Disqualified(it))]);
    assert_eq!(member.end(&Programme::default()).unwrap().at, at("2024-07-10T00:00:00Z"));
    assert!(!member.is_held_at(at("2024-07-09T23:59:59Z")));
}

#[test]
fn impossible_instants_of_a_disqualification_are_told_apart() {
    let member = member(&[]);
    let now = at("2024-08-01T00:00:00Z");
    let it = |known: &str, effective: &str| Disqualification {
        ground: 1,
        known_at: at(known),
        effective_at: at(effective),
    };
    let check = |known, effective| {
        disqualify(&member, it(known, effective), now, &Programme::default()).map(|_| ())
    };
    assert_eq!(check("2024-08-01T00:00:01Z", "2024-08-02T00:00:00Z"), Err(NoEnd::KnownAt));
    assert_eq!(check("2024-04-01T00:00:00Z", "2024-08-02T00:00:00Z"), Err(NoEnd::KnownAt));
    assert_eq!(check("2024-07-31T00:00:00Z", "2024-07-30T00:00:00Z"), Err(NoEnd::EffectiveAt));
    assert_eq!(check("2024-07-31T00:00:00Z", "2024-07-31T00:00:00Z"), Ok(()));
}

#[test]
fn an_end_that_the_operator_set_stands() {
    let it = Disqualification {
        ground: 1,
        known_at: at("2024-07-31T14:30:00Z"),
        effective_at: at("2024-08-01T15:00:00Z"),
    };
    let member = member(&[("2024-07-31T14:30:00Z", MemberEvent::Disqualified(it))]);
    let (now, programme) = (at("2024-08-01T00:00:00Z"), Programme::default());
    assert_eq!(withdraw(&member, now, &programme), Err(Reason::GroundKnown));
    assert_eq!(hold(&member, false, now, &programme), Err(Reason::GroundKnown));
    assert_eq!(disqualify(&member, it, now, &programme), Err(NoEnd::Refused(Reason::GroundKnown)));
}

#[test]
fn w75_an_ended_membership_can_be_seen_for_fifteen_months() {
    let member = member(&[("2024-06-10T00:00:00Z", MemberEvent::Withdrawn)]);
    assert_eq!(member.viewable_until(&Programme::default()), Some(at("2025-09-30T15:00:00Z")));
}

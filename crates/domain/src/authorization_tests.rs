use super::super::card::tests::{activated, at, card};
use super::super::card::{CardEvent, Role};
use super::super::member::MemberEvent;
use super::super::member::tests::{member, member_with};
use super::*;
use crate::ids::CardNumber;

fn file(events: &[(&str, CardEvent)]) -> CardFile {
    let card = card("C1", events);
    let member =
        card.holder().map(|_| member("2024-04-03T03:00:00Z", "simple", vec![card.clone()]));
    CardFile { card, member }
}

fn refusal(file: Option<&CardFile>, when: &str, place: Place, busy: bool) -> Option<&'static str> {
    judge(file, at(when), place, busy, &Programme::default()).refusal.map(Reason::code)
}

#[test]
fn each_row_of_the_ladder_refuses_for_its_own_reason_and_stands_above_the_next() {
    use CardEvent::{Deactivated, Suspended};
    let start = ("2024-04-10T00:00:00Z", activated(Role::Primary));
    let add = ("2024-04-10T00:00:00Z", activated(Role::Additional));
    let lost = ("2024-04-11T00:00:00Z", Suspended(Suspension::Lost));
    let held = ("2024-04-11T00:00:00Z", Suspended(Suspension::Operator));
    let gone = ("2024-04-12T00:00:00Z", Deactivated);
    let now = "2024-05-01T00:00:00Z";
    // Every lower row's condition holds too, so that only the order can give the answer.
    let replaced =
        ("2024-04-12T00:00:00Z", CardEvent::Replaced { by: CardNumber::parse("C2").unwrap() });
    let mut withdrawn = file(&[start.clone(), lost.clone(), held.clone()]);
    let withdrawal = [("2024-04-13T00:00:00Z", MemberEvent::Withdrawn)];
    let cards = vec![withdrawn.card.clone()];
    withdrawn.member = Some(member_with("2024-04-03T03:00:00Z", "simple", &withdrawal, cards));
    let rows: &[(&str, Option<CardFile>)] = &[
        ("unknown_card", None),
        ("not_activated", Some(file(&[]))),
        ("replaced", Some(file(&[start.clone(), lost.clone(), replaced]))),
        ("membership_ended", Some(withdrawn)),
        ("deactivated", Some(file(&[add, lost.clone(), gone]))),
        ("suspended_operator", Some(file(&[start.clone(), lost.clone(), held]))),
        ("suspended_lost", Some(file(&[start.clone(), lost]))),
    ];
    for (code, file) in rows {
        assert_eq!(refusal(file.as_ref(), now, Place::OffNetwork, true), Some(*code));
    }
    let good = file(&[start]);
    let over =
        Programme { service_ends_at: Some(at("2024-04-15T00:00:00Z")), ..Programme::default() };
    let ended = judge(Some(&good), at(now), Place::OffNetwork, true, &over).refusal;
    assert_eq!(ended.map(Reason::code), Some("service_ended"));
    assert_eq!(refusal(Some(&good), now, Place::Suspended, true), Some("service_suspended"));
    assert_eq!(refusal(Some(&good), now, Place::Unavailable, true), Some("charger_unavailable"));
    assert_eq!(refusal(Some(&good), now, Place::OffNetwork, true), Some("off_network"));
    assert_eq!(refusal(None, now, Place::Free, true), None, "a free opening needs no card");
    assert_eq!(refusal(Some(&good), now, Place::Open, true), Some("concurrent"));
    assert_eq!(refusal(Some(&good), now, Place::Open, false), None);
}

#[test]
fn w1_a_card_is_valid_from_the_instant_of_its_activation() {
    let card = file(&[("2024-04-10T00:00:00Z", activated(Role::Primary))]);
    assert_eq!(
        refusal(Some(&card), "2024-04-09T23:59:59Z", Place::Open, false),
        Some("not_activated")
    );
    assert_eq!(refusal(Some(&card), "2024-04-10T00:00:00Z", Place::Open, false), None);
}

#[test]
fn a_clock_that_goes_back_makes_no_card_valid_again() {
    let lost = ("2024-05-07T03:15:00Z", CardEvent::Suspended(Suspension::Lost));
    let card = file(&[("2024-04-10T00:00:00Z", activated(Role::Primary)), lost]);
    let now = at("2024-05-07T01:15:00Z");
    assert_eq!(judge(Some(&card), now, Place::Open, false, &Programme::default()).refusal, None);
    assert_eq!(
        judge_now(Some(&card), now, Place::Open, false, &Programme::default()).refusal,
        Some(Reason::SuspendedLost)
    );
}

#[test]
fn w5_a_lost_card_is_refused_from_the_instant_of_its_suspension_to_that_of_its_return() {
    let card = file(&[
        ("2024-04-10T00:00:00Z", activated(Role::Primary)),
        ("2024-05-07T01:15:00Z", CardEvent::Suspended(Suspension::Lost)),
        ("2024-05-19T23:00:00Z", CardEvent::Resumed(Suspension::Lost)),
    ]);
    for (when, expected) in [
        ("2024-05-07T01:14:59Z", None),
        ("2024-05-07T01:15:00Z", Some("suspended_lost")),
        ("2024-05-19T22:59:59Z", Some("suspended_lost")),
        ("2024-05-19T23:00:00Z", None),
    ] {
        assert_eq!(refusal(Some(&card), when, Place::Open, false), expected, "{when}");
    }
}

use super::super::card::Role;
use super::super::card::tests::{activated, at, card};
use super::super::ending::Disqualification;
use super::super::member::tests::member_of;
use super::super::member::{Admission, MemberKind};
use super::super::payment::{PaymentKind, PaymentMethod};
use super::super::rating::tests::book;
use super::*;

const NOON: &str = "03:00:00Z";

fn programme() -> Programme {
    book(0)
}

/// A member since 2020-01-15 with a term contract or none, and these later events.
fn member(plan: &str, term: bool, later: &[(&str, MemberEvent)]) -> Member {
    let admission = Admission {
        name: "Aoki Transport".into(),
        kind: MemberKind::Corporation,
        email: "fleet@example.jp".into(),
        plan: plan.into(),
        term,
        payment: PaymentMethod { kind: PaymentKind::Invoice, brand: None },
        vehicle_vin: None,
        art80_permit: false,
    };
    let later: Vec<(String, MemberEvent)> = later
        .iter()
        .map(|(day, event)| {
            (
                if day.contains('T') { (*day).to_owned() } else { format!("{day}T{NOON}") },
                event.clone(),
            )
        })
        .collect();
    let later: Vec<(&str, MemberEvent)> =
        later.iter().map(|(day, event)| (day.as_str(), event.clone())).collect();
    member_of(
        admission,
        "2020-01-15T00:00:00Z",
        &later,
        vec![card("C1", &[("2020-01-20T00:00:00Z", activated(Role::Primary))])],
    )
}

fn to(plan: &str) -> MemberEvent {
    MemberEvent::PlanChangeRequested { plan: plan.into(), term: None }
}

fn month(text: &str) -> BillingMonth {
    BillingMonth::parse(text).unwrap()
}

/// The months with an early-termination fee.
fn fees(member: &Member) -> Vec<String> {
    let history = member.plans(&programme());
    let mut fees = Vec::new();
    for offset in 0..120 {
        let month = month("2020-01").plus(offset);
        for _ in 0..history.early_terminations_in(month) {
            fees.push(month.to_string());
        }
    }
    fees
}

#[test]
fn w38_w39_w40_the_last_request_of_a_month_holds_from_the_next() {
    for (events, april) in [
        (vec![("2024-03-15", to("premium_100"))], "premium_100"),
        (vec![("2024-03-05", to("premium_100")), ("2024-03-20", to("premium_200"))], "premium_200"),
        (
            vec![
                ("2024-03-05", to("premium_100")),
                ("2024-03-31T14:59:59Z", MemberEvent::PlanChangeCancelled),
            ],
            "simple",
        ),
        (vec![("2024-03-31T15:00:00Z", to("premium_100"))], "simple"),
    ] {
        let member = member("simple", false, &events);
        let history = member.plans(&programme());
        assert_eq!(history.plan_in(month("2024-03")), "simple");
        assert_eq!(history.plan_in(month("2024-04")), april, "{events:?}");
    }
}

#[test]
fn w41_a_change_that_has_taken_effect_is_not_cancelled() {
    let member = member("simple", false, &[("2024-03-05", to("premium_100"))]);
    assert_eq!(
        cancel_change(&member, at("2024-03-31T14:59:59Z"), &programme()),
        Ok(MemberEvent::PlanChangeCancelled)
    );
    assert_eq!(
        cancel_change(&member, at("2024-03-31T15:00:00Z"), &programme()),
        Err(Reason::AlreadyEffective)
    );
    assert_eq!(
        cancel_change(&member, at("2024-05-31T15:00:00Z"), &programme()),
        Err(Reason::NothingPending)
    );
}

#[test]
fn choosing_the_current_plan_cancels_what_was_asked_for() {
    let pending = member("simple", false, &[("2024-03-05", to("premium_100"))]);
    let now = at("2024-03-20T00:00:00Z");
    assert_eq!(
        request_change(&pending, "simple", None, now, &programme()),
        Ok(Some(MemberEvent::PlanChangeCancelled))
    );
    assert_eq!(
        request_change(&member("simple", false, &[]), "simple", None, now, &programme()),
        Ok(None)
    );
}

#[test]
fn requests_are_refused_by_name() {
    let now = at("2024-03-20T00:00:00Z");
    let simple = member("simple", false, &[]);
    assert!(matches!(
        request_change(&simple, "gold", None, now, &programme()),
        Err(NoChange::NoPrice(_))
    ));
    assert_eq!(
        request_change(&simple, "simple", Some(true), now, &programme()),
        Err(NoChange::NotPremium)
    );
    let gone = member("simple", false, &[("2024-03-01", MemberEvent::Withdrawn)]);
    assert_eq!(
        request_change(&gone, "premium_100", None, now, &programme()),
        Err(NoChange::Refused(Reason::ReadOnly))
    );
}

#[test]
fn w45_a_pending_change_is_dropped_with_the_membership() {
    let member = member(
        "simple",
        false,
        &[("2024-03-05", to("premium_100")), ("2024-03-25", MemberEvent::Withdrawn)],
    );
    assert_eq!(member.plans(&programme()).plan_in(month("2024-04")), "simple");
    assert_eq!(member.pending_at(at("2024-03-26T00:00:00Z"), &programme()), None);
    assert!(member.pending_at(at("2024-03-10T00:00:00Z"), &programme()).is_some());
}

#[test]
fn w47_to_w57_when_the_early_termination_fee_arises() {
    let disqualified = Disqualification {
        ground: 1,
        known_at: at("2022-06-20T00:00:00Z"),
        effective_at: at("2022-06-20T00:00:00Z"),
    };
    for (what, events, expected) in [
        ("W47", vec![("2022-12-31T14:59:59Z", MemberEvent::Withdrawn)], vec!["2022-12"]),
        ("W47", vec![("2022-12-31T15:00:00Z", MemberEvent::Withdrawn)], vec![]),
        ("W48", vec![("2023-02-28T14:59:59Z", MemberEvent::Withdrawn)], vec![]),
        ("W48", vec![("2023-02-28T15:00:00Z", MemberEvent::Withdrawn)], vec!["2023-03"]),
        ("W52", vec![("2022-12-31", to("simple"))], vec!["2022-12"]),
        ("W53", vec![("2023-02-28", to("simple"))], vec![]),
        (
            "W54",
            vec![("2022-06-10", to("simple")), ("2022-06-30", MemberEvent::PlanChangeCancelled)],
            vec![],
        ),
        ("W55", vec![("2022-06-10", to("premium_20"))], vec![]),
        (
            "W56",
            vec![("2022-06-10", to("simple")), ("2022-06-20", MemberEvent::Withdrawn)],
            vec!["2022-06"],
        ),
        ("W57", vec![("2022-06-20", MemberEvent::Disqualified(disqualified))], vec![]),
        (
            "one fee a contract",
            vec![("2022-06-10", to("simple")), ("2022-08-20", MemberEvent::Withdrawn)],
            vec!["2022-06"],
        ),
        (
            "the contract alone given up",
            vec![(
                "2022-06-10",
                MemberEvent::PlanChangeRequested { plan: "premium_10".into(), term: Some(false) },
            )],
            vec!["2022-06"],
        ),
    ] {
        assert_eq!(fees(&member("premium_10", true, &events)), expected, "{what} {events:?}");
    }
}

#[test]
fn w55_a_change_between_premium_plans_keeps_the_contract() {
    let member = member("premium_10", true, &[("2022-06-10", to("premium_20"))]);
    let history = member.plans(&programme());
    let (_, end) = history.contract_in(month("2022-07"), &programme()).unwrap();
    assert_eq!((history.plan_in(month("2022-07")), end), ("premium_20", month("2023-01")));
}

#[test]
fn an_application_made_later_counts_from_its_month_and_is_discounted_from_the_next() {
    let asked = MemberEvent::PlanChangeRequested { plan: "premium_10".into(), term: Some(true) };
    let member = member("premium_10", false, &[("2021-05-10", asked)]);
    let history = member.plans(&programme());
    assert_eq!(history.contract_in(month("2021-05"), &programme()), None);
    let (_, end) = history.contract_in(month("2021-06"), &programme()).unwrap();
    assert_eq!(end, month("2024-05"));
}

#[test]
fn a_contract_ends_with_its_term_where_the_terms_do_not_renew() {
    let mut programme = programme();
    programme.terms.push(super::super::terms::TermsVersion {
        version: "2022".into(),
        published_on: "2022-01-01".parse().unwrap(),
        effective_on: "2022-04-01".parse().unwrap(),
        reason: super::super::terms::ChangeReason::Reasonable,
        auto_renew: Some(false),
    });
    let history = member("premium_10", true, &[]).plans(&programme);
    assert!(history.contract_in(month("2023-01"), &programme).is_some());
    assert!(history.contract_in(month("2023-02"), &programme).is_none());
}

#[test]
fn an_offer_is_refused_by_its_plan_its_term_and_the_services_end() {
    let now = at("2021-03-20T00:00:00Z");
    let offered = |plan: &str, term, programme: &Programme| check_offer(plan, term, now, programme);
    assert_eq!(offered("premium_10", true, &programme()), Ok(()));
    assert_eq!(offered("simple", false, &programme()), Ok(()));
    assert_eq!(offered("simple", true, &programme()), Err(NoChange::NotPremium));
    assert!(matches!(offered("gold", false, &programme()), Err(NoChange::NoPrice(_))));
    // The service's end is the first instant without it.
    for (ends_at, expected) in [
        ("2021-03-20T00:00:00Z", Err(NoChange::Refused(Reason::ServiceEnded))),
        ("2021-03-20T00:00:01Z", Ok(())),
    ] {
        let ending = Programme { service_ends_at: Some(at(ends_at)), ..programme() };
        assert_eq!(offered("simple", false, &ending), expected, "{ends_at}");
    }
}

#[test]
fn a_term_is_refused_where_the_tariff_takes_none_any_more() {
    let now = at("2021-03-20T00:00:00Z");
    let programme = programme();
    let mut tariff = Tariff::clone(programme.tariffs.in_force(month("2021-03")).unwrap());
    let (_, _, premium) = programme.tariffs.plan("premium_10", month("2021-03")).unwrap();
    assert_eq!(check_term(premium, &tariff, now), Ok(()));
    tariff.accepts_term = false;
    assert_eq!(check_term(premium, &tariff, now), Err(NoChange::Refused(Reason::TermClosed)));
}

#[test]
fn a_request_changes_the_plan_the_term_or_both_and_nothing_where_all_is_as_asked() {
    let now = at("2021-03-20T00:00:00Z");
    let asked =
        |plan: &str, term| Ok(Some(MemberEvent::PlanChangeRequested { plan: plan.into(), term }));
    for (has_term, plan, term, expected) in [
        // Without a contract.
        (false, "premium_10", None, Ok(None)),
        (false, "premium_10", Some(false), Ok(None)),
        (false, "premium_10", Some(true), asked("premium_10", Some(true))),
        (false, "premium_20", None, asked("premium_20", None)),
        (false, "premium_20", Some(false), asked("premium_20", None)),
        (false, "premium_20", Some(true), asked("premium_20", Some(true))),
        // With a contract.
        (true, "premium_10", None, Ok(None)),
        (true, "premium_10", Some(true), Ok(None)),
        (true, "premium_10", Some(false), asked("premium_10", Some(false))),
        (true, "premium_20", Some(true), asked("premium_20", None)),
        (true, "premium_20", Some(false), asked("premium_20", Some(false))),
    ] {
        let member = member("premium_10", has_term, &[]);
        assert_eq!(
            request_change(&member, plan, term, now, &programme()),
            expected,
            "{has_term} {plan} {term:?}"
        );
    }
}

#[test]
fn a_change_cancelled_in_the_month_before_did_not_take_effect() {
    let asked = ("2024-02-29T14:59:59Z", to("premium_100"));
    let effective = member("simple", false, &[asked]);
    let now = at("2024-03-10T00:00:00Z");
    assert_eq!(cancel_change(&effective, now, &programme()), Err(Reason::AlreadyEffective));
    // This one came at the first instant of March: nothing has taken effect, and it waits.
    let pending = member("simple", false, &[("2024-02-29T15:00:00Z", to("premium_100"))]);
    assert_eq!(cancel_change(&pending, now, &programme()), Ok(MemberEvent::PlanChangeCancelled));
}

#[test]
fn a_change_waits_unless_the_membership_ends_before_it_can_take_effect() {
    let disqualified = |known_at: &str, effective_at: &str| {
        MemberEvent::Disqualified(Disqualification {
            ground: 1,
            known_at: at(known_at),
            effective_at: at(effective_at),
        })
    };
    let change = ("2024-03-05", to("premium_100"));
    let waits = |events: &[(&str, MemberEvent)], when: &str, programme: &Programme| {
        member("simple", false, events).pending_at(at(when), programme).is_some()
    };
    // A withdrawal drops the change from its instant on.
    let withdrawn = [change.clone(), ("2024-03-25T03:00:00Z", MemberEvent::Withdrawn)];
    assert!(waits(&withdrawn, "2024-03-25T02:59:59Z", &programme()));
    assert!(!waits(&withdrawn, "2024-03-25T03:00:00Z", &programme()));
    // A known ground ends the fees with its month, so a change that would follow is dropped, also while the membership runs.
    let ground = disqualified("2024-03-06T00:00:00Z", "2024-04-20T00:00:00Z");
    let events = [change.clone(), ("2024-03-06", ground)];
    assert!(!waits(&events, "2024-03-10T00:00:00Z", &programme()));
    // The service's end is known long before: no ground is needed.
    let events = [change];
    for (ends_at, expected) in [("2024-03-31T15:00:00Z", false), ("2024-04-30T15:00:00Z", true)] {
        let ending = Programme { service_ends_at: Some(at(ends_at)), ..programme() };
        let waited = waits(&events, "2024-03-10T00:00:00Z", &ending);
        assert_eq!(waited, expected, "{ends_at}");
    }
}

#[test]
fn a_plan_has_the_name_that_the_months_tariff_gives_it() {
    let member = member("premium_10", false, &[]);
    assert_eq!(member.plan_name_in(month("2020-02"), &programme()), "premium_10");
    assert_eq!(member.plan_name_in(month("2024-02"), &programme()), "premium_100");
}

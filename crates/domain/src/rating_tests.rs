use std::collections::BTreeMap;

use super::super::authorization::CardFile;
use super::super::card::tests::{at, card};
use super::super::card::{Card, CardEvent};
use super::super::ids::SessionRef;
use super::super::ids::{CardNumber, MemberId, StationId};
use super::super::instant::Heard;
use super::super::member::MemberKind;
use super::super::member::tests::member;
use super::super::recording::{StartFacts, open};
use super::super::session::tests::{closed, said};
use super::super::station::ConnectorSite;
use super::super::tariff::{Fees, Price, TariffBook};
use super::super::units::{TaxRate, WattHours};
use super::*;

fn price(unit_s: i64, free: i64, per_unit: &str) -> Price {
    Price { unit_s, free_units: FreeUnits::Limited(free), per_unit: Yen::parse(per_unit).unwrap() }
}

fn plan(base: i64, quick: Price, normal: Price) -> Plan {
    Plan {
        base: Yen::whole(base),
        term_discount: Yen::whole(1650),
        carry_over_months: 0,
        quick,
        normal,
    }
}

/// The test tariff of the worked examples, and the older one with ten-minute units.
pub(crate) fn book(carry_over_months: u8) -> Programme {
    let fees = Fees {
        contract: Yen::whole(1650),
        contract_for: vec![MemberKind::Corporation],
        reissue: Yen::whole(1650),
        additional_issue: Yen::whole(1650),
        additional_monthly: Yen::whole(2200),
        early_termination: Yen::whole(9900),
    };
    let version =
        |version: &str, from: &str, plans: Vec<(&str, Plan)>, renames: &[(&str, &str)]| {
            Arc::new(Tariff {
                version: version.into(),
                from: BillingMonth::parse(from).unwrap(),
                tax_rate: TaxRate::parse("0.10").unwrap(),
                auto_renew: true,
                accepts_term: true,
                accepts_term_until: None,
                published_on: None,
                small_debit: None,
                rental_rate: TaxRate::parse("0.50").unwrap(),
                fees: fees.clone(),
                plans: plans.into_iter().map(|(name, plan)| (name.to_owned(), plan)).collect(),
                renames: renames
                    .iter()
                    .map(|(old, new)| ((*old).to_owned(), (*new).to_owned()))
                    .collect::<BTreeMap<_, _>>(),
            })
        };
    let mut p100 = plan(4400, price(60, 100, "44"), price(60, 600, "3.3"));
    p100.carry_over_months = carry_over_months;
    let simple = plan(1100, price(60, 0, "99"), price(60, 0, "3.3"));
    let t1 = version(
        "t1",
        "2019-12",
        vec![
            ("simple", plan(550, price(600, 0, "550"), price(60, 0, "1.65"))),
            ("premium_10", plan(4400, price(600, 10, "385"), price(60, 0, "0"))),
            ("premium_20", plan(6600, price(600, 20, "330"), price(60, 0, "0"))),
        ],
        &[],
    );
    let p200 = plan(6600, price(60, 200, "38.5"), price(60, 600, "3.3"));
    let plans = vec![("simple", simple), ("premium_100", p100), ("premium_200", p200)];
    let tt = version(
        "tt",
        "2023-09",
        plans,
        &[("premium_10", "premium_100"), ("premium_20", "premium_200")],
    );
    Programme::of_tariffs(Arc::new(TariffBook::new(vec![tt, t1]).unwrap()))
}

pub(crate) fn activated_card(number: &str, role: Role, when: &str, died: Option<&str>) -> Card {
    let mut events = vec![(
        when,
        CardEvent::Activated { member: MemberId::parse("M-1").unwrap(), role, replaces: None },
    )];
    events.extend(died.map(|when| (when, CardEvent::Deactivated)));
    card(number, &events)
}

fn premium_with_two_cards() -> Member {
    member(
        "2023-01-10T00:00:00Z",
        "premium_100",
        vec![
            activated_card("P", Role::Primary, "2023-01-11T00:00:00Z", None),
            activated_card("A", Role::Additional, "2023-02-11T00:00:00Z", None),
        ],
    )
}

/// A session of a member's card: class, start and length in seconds.
pub(crate) fn session(
    member: &Member,
    id: i64,
    card: &str,
    class: ChargerClass,
    start: &str,
    length_s: i64,
) -> Session {
    let card = member.card(&CardNumber::parse(card).unwrap()).unwrap().clone();
    let file = CardFile { card, member: Some(member.clone()) };
    let opened = open(&StartFacts {
        id: SessionId(id),
        reference: SessionRef::of_number(SessionId(id)),
        site_name: "Yokohama",
        programme: &Programme::default(),
        station_id: &StationId::parse("CP1").unwrap(),
        zone: None,
        connector_id: 1,
        site: Some(ConnectorSite { charger_class: class, power_w: None, session_cap_min: None }),
        id_tag: &super::super::ids::IdTag::new("any"),
        shown_at: None,
        file: Some(&file),
        reported: &said(start),
        heard: Heard { received_at: at(start), connected_since: at(start), clock: None },
        meter: Some(WattHours(0)),
        malformed: false,
    });
    let stop = at(start) + chrono::TimeDelta::seconds(length_s);
    closed(opened, &stop.to_rfc3339(), 1000)
}

fn rated(member: &Member, sessions: &[Session], month: &str, book: &Programme) -> RatedMonth {
    rate(member, sessions, BillingMonth::parse(month).unwrap(), book).unwrap()
}

/// Code, quantity and amount of each line.
fn printed(month: &RatedMonth) -> Vec<(&'static str, i64, String)> {
    month
        .bill
        .lines
        .iter()
        .map(|line| (line.code.name(), line.quantity, line.amount.to_string()))
        .collect()
}

fn total_and_tax(month: &RatedMonth) -> (String, String) {
    (month.bill.total().to_string(), month.bill.tax().to_string())
}

#[test]
fn w25_w26_w27_the_allowance_is_one_pool_over_both_cards() {
    let book = book(0);
    let member = premium_with_two_cards();
    let primary_only = Member { cards: vec![member.cards[0].clone()], ..member.clone() };
    let quick = |id, card: &str, start: &str, minutes: i64| {
        session(&member, id, card, ChargerClass::Quick, start, minutes * 60)
    };
    let thirty = [
        quick(1, "P", "2024-03-01T00:00:00Z", 30),
        quick(2, "P", "2024-03-02T00:00:00Z", 30),
        quick(3, "P", "2024-03-03T00:00:00Z", 30),
    ];
    assert_eq!(
        total_and_tax(&rated(&primary_only, &thirty, "2024-03", &book)),
        ("4400".into(), "400".into())
    );

    let over =
        [quick(1, "P", "2024-03-01T00:00:00Z", 90), quick(2, "P", "2024-03-02T00:00:00Z", 30)];
    let month = rated(&primary_only, &over, "2024-03", &book);
    assert_eq!(printed(&month), [("base", 1, "4400".into()), ("metered_quick", 20, "880".into())]);
    assert_eq!(total_and_tax(&month), ("5280".into(), "480".into()));
    assert_eq!(month.bill.lines[1].sessions, [SessionRef::of_number(SessionId(2))]);

    let both =
        [quick(1, "P", "2024-03-01T00:00:00Z", 60), quick(2, "A", "2024-03-02T00:00:00Z", 60)];
    let month = rated(&member, &both, "2024-03", &book);
    assert_eq!(
        printed(&month),
        [
            ("base", 1, "4400".into()),
            ("metered_quick", 20, "880".into()),
            ("additional_monthly", 1, "2200".into())
        ]
    );
    assert_eq!(total_and_tax(&month), ("7480".into(), "680".into()));
    assert_eq!(
        (month.pools[0].free_units, month.pools[0].used_units, month.pools[0].free_units_left),
        (Some(100), 120, Some(0))
    );
}

#[test]
fn w28_w29_w96_the_order_of_start_decides_the_split_whatever_arrived_first() {
    let book = book(0);
    let member = premium_with_two_cards();
    let quick = |id, card: &str, start: &str, minutes: i64| {
        session(&member, id, card, ChargerClass::Quick, start, minutes * 60)
    };
    let used = quick(1, "P", "2024-03-01T00:00:00Z", 80);
    let first = quick(3, "P", "2024-03-02T01:00:00Z", 25);
    let second = quick(2, "A", "2024-03-02T01:05:00Z", 30);
    for order in [[&used, &first, &second], [&second, &first, &used]] {
        let sessions: Vec<Session> = order.into_iter().cloned().collect();
        let month = rated(&member, &sessions, "2024-03", &book);
        let splits: Vec<Split> = month.sessions.iter().map(|session| session.split).collect();
        assert_eq!(splits[1..], [Split { free: 20, charged: 5 }, Split { free: 0, charged: 30 }]);
        assert_eq!(month.bill.lines[1].amount, Yen::whole(1540));
    }
    let same_second = [
        used,
        quick(4, "P", "2024-03-02T01:00:00Z", 15),
        quick(5, "A", "2024-03-02T01:00:00Z", 15),
    ];
    let month = rated(&member, &same_second, "2024-03", &book);
    assert_eq!(month.sessions[1].split, Split { free: 15, charged: 0 });
    assert_eq!(month.sessions[2].split, Split { free: 5, charged: 10 });
}

#[test]
fn w30_to_w33_classes_do_not_offset_and_fractions_are_floored_once() {
    let book = book(0);
    let cards = || vec![activated_card("P", Role::Primary, "2023-01-11T00:00:00Z", None)];
    let simple = member("2023-01-10T00:00:00Z", "simple", cards());
    let premium = member("2023-01-10T00:00:00Z", "premium_100", cards());
    let use_of = |member: &Member, id, class, day: u32, minutes: i64| {
        session(member, id, "P", class, &format!("2024-03-{day:02}T00:00:00Z"), minutes * 60)
    };
    let both = [
        use_of(&simple, 1, ChargerClass::Quick, 1, 30),
        use_of(&simple, 2, ChargerClass::Normal, 2, 120),
    ];
    assert_eq!(
        total_and_tax(&rated(&simple, &both, "2024-03", &book)),
        ("4466".into(), "406".into())
    );
    let one_over = [use_of(&premium, 1, ChargerClass::Normal, 1, 601)];
    assert_eq!(
        total_and_tax(&rated(&premium, &one_over, "2024-03", &book)),
        ("4403".into(), "400".into())
    );
    let quick_over = [use_of(&premium, 1, ChargerClass::Quick, 1, 110)];
    assert_eq!(rated(&premium, &quick_over, "2024-03", &book).bill.total(), Yen::whole(4840));
    let seven: Vec<Session> = (1..=7)
        .map(|id| use_of(&simple, id, ChargerClass::Normal, u32::try_from(id).unwrap(), 1))
        .collect();
    assert_eq!(rated(&simple, &seven, "2024-03", &book).bill.total(), Yen::whole(1123));
}

#[test]
fn w1_w34_admission_and_service_start_set_the_first_fees() {
    let book = book(0);
    let late_start = member(
        "2024-04-03T03:00:00Z",
        "simple",
        vec![activated_card("P", Role::Primary, "2024-04-10T00:00:00Z", None)],
    );
    assert_eq!(
        printed(&rated(&late_start, &[], "2024-04", &book)),
        [("contract", 1, "1650".into()), ("base", 1, "1100".into())]
    );
    assert_eq!(printed(&rated(&late_start, &[], "2024-05", &book)), [("base", 1, "1100".into())]);
    assert!(rated(&late_start, &[], "2024-03", &book).bill.lines.is_empty());
    let last_hour = member(
        "2024-04-03T03:00:00Z",
        "premium_100",
        vec![activated_card("P", Role::Primary, "2024-04-30T14:00:00Z", None)],
    );
    let april = rated(&last_hour, &[], "2024-04", &book);
    assert_eq!(april.pools[0].free_units, Some(100));
    assert_eq!(april.bill.total(), Yen::whole(1650 + 4400));
    let never = member("2024-04-03T03:00:00Z", "simple", vec![]);
    assert_eq!(printed(&rated(&never, &[], "2024-04", &book)), [("contract", 1, "1650".into())]);
    assert!(rated(&never, &[], "2024-05", &book).bill.lines.is_empty());
}

#[test]
fn w35_unused_quick_units_are_carried_one_month_the_oldest_drawn_first() {
    let book = book(1);
    let member = member(
        "2023-01-10T00:00:00Z",
        "premium_100",
        vec![activated_card("P", Role::Primary, "2024-02-29T16:00:00Z", None)],
    );
    let sessions = [
        session(&member, 1, "P", ChargerClass::Quick, "2024-03-05T00:00:00Z", 40 * 60),
        session(&member, 2, "P", ChargerClass::Quick, "2024-04-05T00:00:00Z", 150 * 60),
    ];
    let april = rated(&member, &sessions, "2024-04", &book);
    assert_eq!((april.pools[0].free_units, april.pools[0].free_units_left), (Some(160), Some(10)));
    assert_eq!(april.bill.total(), Yen::whole(4400));
    assert_eq!(rated(&member, &sessions, "2024-05", &book).pools[0].free_units, Some(110));
}

#[test]
fn where_a_units_length_changes_it_is_the_time_that_is_carried() {
    let mut programme = book(0);
    let carrying = |tariff: &Arc<Tariff>| {
        let mut tariff = (**tariff).clone();
        tariff.plans.values_mut().for_each(|plan| plan.carry_over_months = 1);
        Arc::new(tariff)
    };
    programme.tariffs = Arc::new(
        TariffBook::new(programme.tariffs.versions().iter().map(carrying).collect()).unwrap(),
    );
    let cards = vec![activated_card("P", Role::Primary, "2023-07-31T16:00:00Z", None)];
    let member = member("2023-07-10T00:00:00Z", "premium_10", cards);
    let seven_units =
        [session(&member, 1, "P", ChargerClass::Quick, "2023-08-10T00:00:00Z", 70 * 60)];
    assert_eq!(
        rated(&member, &seven_units, "2023-08", &programme).pools[0].free_units_left,
        Some(3)
    );
    assert_eq!(
        rated(&member, &seven_units, "2023-09", &programme).pools[0].free_units,
        Some(130),
        "three units of ten minutes"
    );
}

#[test]
fn an_additional_cards_last_month_is_that_of_the_base_fee() {
    let cards = vec![
        activated_card("P", Role::Primary, "2023-01-11T00:00:00Z", None),
        activated_card("A", Role::Additional, "2023-02-11T00:00:00Z", None),
    ];
    let withdrawn = [("2024-06-30T15:00:00Z", super::super::member::MemberEvent::Withdrawn)];
    let member = super::super::member::tests::member_with(
        "2023-01-10T00:00:00Z",
        "simple",
        &withdrawn,
        cards,
    );
    assert_eq!(
        printed(&rated(&member, &[], "2024-07", &book(0))),
        [("base", 1, "1100".into()), ("additional_monthly", 1, "2200".into())]
    );
    assert!(rated(&member, &[], "2024-08", &book(0)).bill.lines.is_empty());
}

#[test]
fn a_plans_name_that_was_given_up_is_not_taken_again() {
    let versions: Vec<Arc<Tariff>> = book(0).tariffs.versions().to_vec();
    let mut later = (*versions[1]).clone();
    later.plans.insert("premium_10".into(), later.plans["premium_100"].clone());
    let faults = TariffBook::new(vec![versions[0].clone(), Arc::new(later)]).unwrap_err();
    assert!(faults[0].to_string().contains("given up"), "{faults:?}");
}

#[test]
fn w59_to_w65_the_additional_cards_fees_touch_a_month_once_and_each_issue() {
    let book = book(0);
    let additional = |lives: &[(&str, Option<&str>)], month: &str| {
        let mut cards = vec![activated_card("P", Role::Primary, "2023-01-11T00:00:00Z", None)];
        cards.extend(lives.iter().zip(1..).map(|((born, died), n): (_, i32)| {
            activated_card(&format!("A{n}"), Role::Additional, born, *died)
        }));
        let member = member("2023-01-10T00:00:00Z", "simple", cards);
        rated(&member, &[], month, &book).bill.total() - Yen::whole(1100)
    };
    let born = "2024-05-10T03:00:00Z";
    assert_eq!(additional(&[(born, None)], "2024-04"), Yen::ZERO);
    assert_eq!(additional(&[(born, None)], "2024-05"), Yen::whole(3850));
    assert_eq!(additional(&[(born, None)], "2024-06"), Yen::whole(2200));
    let died = Some("2024-05-20T03:00:00Z");
    assert_eq!(additional(&[(born, died)], "2024-05"), Yen::whole(3850));
    assert_eq!(additional(&[(born, died)], "2024-06"), Yen::ZERO);
    assert_eq!(
        additional(&[(born, died), ("2024-05-20T04:00:00Z", None)], "2024-05"),
        Yen::whole(5500)
    );
    let long_ago = "2024-01-10T00:00:00Z";
    let june_first = "2024-05-31T15:00:00Z";
    assert_eq!(additional(&[(long_ago, Some(june_first))], "2024-06"), Yen::ZERO);
    assert_eq!(additional(&[(long_ago, Some("2024-05-31T15:00:00.999Z"))], "2024-06"), Yen::ZERO);
    assert_eq!(
        additional(&[(long_ago, Some("2024-05-31T15:00:01Z"))], "2024-06"),
        Yen::whole(2200)
    );
    assert_eq!(
        additional(&[(long_ago, Some("2024-05-31T14:59:00Z")), (june_first, None)], "2024-06"),
        Yen::whole(3850)
    );
}

#[test]
fn w37_w83_the_start_months_tariff_version_decides_unit_and_price() {
    let book = book(0);
    let simple = member(
        "2023-01-10T00:00:00Z",
        "simple",
        vec![activated_card("P", Role::Primary, "2023-01-11T00:00:00Z", None)],
    );
    let crossing = [session(&simple, 1, "P", ChargerClass::Quick, "2023-08-31T14:55:00Z", 25 * 60)];
    assert_eq!(
        printed(&rated(&simple, &crossing, "2023-08", &book))[1],
        ("metered_quick", 3, "1650".into())
    );
    assert_eq!(printed(&rated(&simple, &crossing, "2023-09", &book)), [("base", 1, "1100".into())]);
    let p10 = Member {
        admission: super::super::member::Admission {
            plan: "premium_10".into(),
            ..simple.admission.clone()
        },
        ..simple
    };
    let four: Vec<Session> = (1..=4)
        .map(|day| {
            session(
                &p10,
                day,
                "P",
                ChargerClass::Quick,
                &format!("2023-03-{day:02}T00:00:00Z"),
                21 * 60,
            )
        })
        .collect();
    assert_eq!(rated(&p10, &four, "2023-03", &book).bill.total(), Yen::whole(5170));
    assert_eq!(
        rated(&p10, &[], "2023-09", &book).bill.total(),
        Yen::whole(4400),
        "renamed premium_100"
    );
}

#[test]
fn a_term_contract_takes_its_discount_off_the_base_fee() {
    let mut member = premium_with_two_cards();
    member.admission.term = true;
    let month = rated(&member, &[], "2024-03", &book(0));
    assert_eq!(printed(&month)[1], ("term_discount", 1, "-1650".into()));
}

#[test]
fn held_sessions_draw_nothing_and_leave_the_rest_unchanged() {
    let book = book(0);
    let member = premium_with_two_cards();
    let quick = |id, start: &str, minutes: i64| {
        session(&member, id, "P", ChargerClass::Quick, start, minutes * 60)
    };
    let overlapping = [
        quick(1, "2024-03-01T00:00:00Z", 30),
        quick(2, "2024-03-01T00:10:00Z", 30),
        quick(3, "2024-03-02T00:00:00Z", 30),
    ];
    let month = rated(&member, &overlapping, "2024-03", &book);
    let states: Vec<BillingState> = month.sessions.iter().map(|session| session.state).collect();
    assert_eq!(states, [BillingState::Review, BillingState::Review, BillingState::Ended]);
    assert_eq!(month.pools[0].used_units, 30);
}

#[test]
fn a_plan_that_ends_without_a_successor_is_a_fault_of_the_book() {
    let versions: Vec<Arc<Tariff>> = book(0).tariffs.versions().to_vec();
    let mut later = (*versions[1]).clone();
    later.renames.clear();
    let faults = TariffBook::new(vec![versions[0].clone(), Arc::new(later)]).unwrap_err();
    assert_eq!(faults.len(), 2);
    assert!(
        faults[0].to_string().contains("premium_10")
            && faults[1].to_string().contains("premium_20"),
        "{faults:?}"
    );
    let twice = TariffBook::new(vec![versions[0].clone(), versions[0].clone()]).unwrap_err();
    assert!(twice[0].to_string().contains("both begin in 2019-12"), "{twice:?}");
}

proptest::proptest! {
    #[test]
    fn lines_sum_to_the_total_and_units_to_free_and_charged_in_any_order(
        lengths in proptest::collection::vec((0i64..5000, 0u32..28, proptest::bool::ANY, proptest::bool::ANY), 0..12),
        seed in 0usize..100
    ) {
        let book = book(0);
        let member = premium_with_two_cards();
        let mut sessions: Vec<Session> = lengths.iter().zip(1i64..).map(|((length_s, day, additional, quick), id)| {
            let class = if *quick { ChargerClass::Quick } else { ChargerClass::Normal };
            let card = if *additional { "A" } else { "P" };
            session(&member, id, card, class, &format!("2024-03-{:02}T00:00:00Z", day + 1), *length_s)
        }).collect();
        let month = rated(&member, &sessions, "2024-03", &book);
        proptest::prop_assert_eq!(month.bill.total(), month.bill.lines.iter().map(|line| line.amount).sum::<Yen>());
        for session in month.sessions.iter().filter(|session| session.state == BillingState::Ended) {
            proptest::prop_assert_eq!(session.split.free + session.split.charged, session.units);
        }
        if !sessions.is_empty() {
            let turn = seed % sessions.len();
            sessions.rotate_left(turn);
        }
        proptest::prop_assert_eq!(rated(&member, &sessions, "2024-03", &book), month);
    }
}

use super::super::card::Role;
use super::super::card::tests::{activated, at, card};
use super::super::member::tests::member;
use super::super::payment::PaymentMethod;
use super::*;

#[test]
fn w87_w88_w89_three_months_are_counted_from_the_day_after() {
    for (set, from) in [
        ("2024-01-15", "2024-04-16"),
        ("2023-11-28", "2024-02-29"),
        ("2023-11-29", "2024-03-01"),
        ("2023-11-30", "2024-03-01"),
        ("2022-11-28", "2023-03-01"),
        ("2024-05-20", "2024-08-21"),
        ("2023-12-31", "2024-04-01"),
    ] {
        let midnight = |day: &str| japan_midnight(day.parse().unwrap());
        assert_eq!(eligible_from(midnight(set)), midnight(from), "{set}");
        assert_eq!(
            eligible_from(midnight(set) + chrono::TimeDelta::hours(23)),
            midnight(from),
            "{set} 23:00"
        );
    }
    assert_eq!(eligible_from(at("2024-01-14T15:00:00Z")), at("2024-04-15T15:00:00Z"));
}

/// A member that pays by a brand of credit card since its admission, with a car.
fn paying(brand: CardBrand, vin: Option<&str>) -> Member {
    let mut member = member("2024-01-10T00:00:00Z", "simple", vec![card("C1", &[])]);
    member.cards[0] = card("C1", &[("2024-01-11T00:00:00Z", activated(Role::Primary))]);
    member.admission.payment = PaymentMethod { kind: PaymentKind::CreditCard, brand: Some(brand) };
    member.admission.vehicle_vin = vin.map(str::to_owned);
    member
}

#[test]
fn towing_is_for_the_registered_car_of_whoever_pays_by_the_right_card_long_enough() {
    let (nissan, biz) = (CardBrand::NissanCard, CardBrand::BizNissanCard);
    let (early, late) = ("2024-04-10T14:59:59Z", "2024-04-10T15:00:00Z");
    for (brand, registered, shown, text, ground, matches) in [
        (nissan, Some("ZE1-1"), Some(" ze1-1 "), late, Ground::Eligible, Some(true)),
        (nissan, Some("ZE1-1"), None, late, Ground::Eligible, None),
        (nissan, Some("ZE1-1"), Some("ZE1-2"), late, Ground::VehicleMismatch, Some(false)),
        (nissan, None, Some("ZE1-1"), late, Ground::VehicleMismatch, Some(false)),
        (nissan, Some("ZE1-1"), Some("ZE1-1"), early, Ground::TooEarly, Some(true)),
        (biz, Some("ZE1-1"), Some("ZE1-1"), late, Ground::BizCard, Some(true)),
    ] {
        let member = paying(brand, registered);
        let query = Query { service: Service::Towing, at: at(text), vin: shown };
        let answer = by_member(&member, &query, &Programme::default());
        let told = (answer.ground, answer.vehicle_match);
        assert_eq!(told, (ground, matches), "{brand:?} {registered:?} {shown:?} {text}");
    }
}

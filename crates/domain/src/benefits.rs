//! The other benefits of a membership (article 5): rental cars at a discount, and towing when the
//! battery is empty. A provider asks by card number or member id, and gets only the answer.

use chrono::{DateTime, Utc};

use super::card::{Card, CardState};
use super::member::{Member, MemberState};
use super::month::{in_japan, japan_midnight, months_from_next_day};
use super::payment::{CardBrand, PaymentKind};
use super::programme::Programme;
use super::units::Yen;

/// The most that is reimbursed for towing an empty car (article 5.1(2)).
pub const TOWING_CAP: Yen = Yen::whole(50_000);

/// The most that is reimbursed for all trouble away from home (article 5.1(2)).
pub const TOTAL_CAP: Yen = Yen::whole(550_000);

/// Months for which the Nissan Card must have been the payment method before the towing benefit is
/// given (article 5.1(2)).
pub const MONTHS_SET: u32 = 3;

/// A benefit of a membership (article 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// A rental car at a discount (article 5.1(1)).
    Rental,
    /// Towing of a car whose battery is empty (article 5.1(2)).
    Towing,
}

named!(Service, Rental = "rental", Towing = "towing");

/// The reason why a benefit is given or refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ground {
    /// The benefit is given. The provider checks the further conditions.
    Eligible,
    /// The card is unknown, not activated, or dead.
    CardInvalid,
    /// The card is suspended. The provider may still ask by member id.
    CardSuspended,
    /// There is no active membership.
    NotMember,
    /// The Biz NISSAN CARD, which the towing benefit excludes, is the payment method.
    BizCard,
    /// The Nissan Card is not the payment method.
    PaymentMethod,
    /// The Nissan Card has been the payment method for less than three months.
    TooEarly,
    /// The named car is not the member's registered one, or the member has none registered.
    VehicleMismatch,
}

named!(
    Ground,
    Eligible = "eligible",
    CardInvalid = "card_invalid",
    CardSuspended = "card_suspended",
    NotMember = "not_member",
    BizCard = "biz_card",
    PaymentMethod = "payment_method",
    TooEarly = "too_early",
    VehicleMismatch = "vehicle_mismatch",
);

impl Ground {
    /// The article of the member terms on which the answer rests.
    pub const fn article(self) -> &'static str {
        match self {
            Self::Eligible | Self::CardInvalid => "5.2",
            Self::CardSuspended => "3.6",
            Self::NotMember => "13.7",
            Self::BizCard | Self::PaymentMethod | Self::TooEarly | Self::VehicleMismatch => {
                "5.1(2)"
            }
        }
    }
}

/// The answer to a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BenefitAnswer {
    /// The reason why the benefit is given or refused.
    pub ground: Ground,
    /// The instant from which the Nissan Card has been the payment method for long enough. `None`
    /// if another method pays, and for a rental.
    pub eligible_from: Option<DateTime<Utc>>,
    /// `true`: the named car is the member's registered one. `false`: it is another one, or the
    /// member has none registered. `None`: a car is registered and none was named, or the answer
    /// does not depend on the car.
    pub vehicle_match: Option<bool>,
    /// The conditions that the provider must check itself.
    pub conditions: &'static [&'static str],
}

/// A provider's question.
pub struct Query<'a> {
    /// The benefit that is asked for.
    pub service: Service,
    /// The instant for which the answer holds.
    pub at: DateTime<Utc>,
    /// The car's vehicle identification number, if the provider named one.
    pub vin: Option<&'a str>,
}

/// Conditions of the rental discount (rule R5.1a).
const RENTAL: &[&str] = &[
    "on the basic rental fee only: not on CDW, NAS or options",
    "not together with other discounts",
    "only by the designated booking route",
    "the member's car is not parked, and the rental car is not delivered",
];

/// Conditions of the towing benefit, which the provider checks (rule R5.1d).
const TOWING: &[&str] = &[
    "the Biz NISSAN CARD is excluded",
    "the car is registered to the Nissan Card",
    "the card is carried and its number told",
    "the call centre was called first and approved: one's own call to a road service is not covered",
    "once per person and fiscal year, 1 April to 31 March",
    "the member, or family in the same household that is listed",
    "paid with the Nissan Card at a dealer, JAF, Nissan Rent-a-Car or ZERO",
    "claim papers within 2 months of the call",
    "towing and first aid only away from home and where the car cannot be driven",
    "costs of the way home and of lodging only more than 50 km from home",
    "not covered: parked at home, or drivable to a dealer or works",
    "not covered: illegal modification, or use beyond the maker's specification",
    "not covered: intent, driving without a licence or drunk, keys stolen or lost",
    "not covered: racing and unusual places, some islands, and places that a tow truck cannot reach",
    "not covered: disaster, weather, earthquake, eruption, tsunami, war, unrest, police or public authority",
    "not covered: transport by air or ship",
    "not covered: tyres and chains, snow and mud, punctures, parts",
    "not covered: the same fault called for repeatedly in a short time",
    "not covered: costs that a JAF membership or an insurance bears",
    "not covered: fuel beyond 10 litres of petrol, oil, unlocking cars with security devices",
];

/// The instant from which a payment method has been set for three months: midnight of the same day
/// of the third month, counted from the day after it was set. If that month has no such day, the
/// first of the next month counts (civil code, articles 140 and 143; rule R5.1c).
pub fn eligible_from(set_at: DateTime<Utc>) -> DateTime<Utc> {
    japan_midnight(months_from_next_day(in_japan(set_at).date_naive(), MONTHS_SET))
}

/// Answers for a card that was shown to the provider. `None`: no card has the number.
pub fn by_card(
    card: Option<(&Card, Option<&Member>)>,
    query: &Query<'_>,
    programme: &Programme,
) -> BenefitAnswer {
    let Some((card, Some(member))) = card else {
        return refused(Ground::CardInvalid, query.service);
    };
    match member.card_state_at(card, query.at, programme) {
        CardState::Suspended(_) => refused(Ground::CardSuspended, query.service),
        CardState::Active => by_member(member, query, programme),
        CardState::Dead(
            super::card::DeadCause::MembershipEnded | super::card::DeadCause::ServiceEnded,
        ) => refused(Ground::NotMember, query.service),
        CardState::Stock | CardState::Mailed | CardState::Dead(_) => {
            refused(Ground::CardInvalid, query.service)
        }
    }
}

/// The answer if no member has the given member id.
pub fn nobody(service: Service) -> BenefitAnswer {
    refused(Ground::NotMember, service)
}

/// Answers for a member.
pub fn by_member(member: &Member, query: &Query<'_>, programme: &Programme) -> BenefitAnswer {
    if member.state_at(query.at, programme) != MemberState::Active {
        return refused(Ground::NotMember, query.service);
    }
    match query.service {
        Service::Rental => refused(Ground::Eligible, Service::Rental),
        Service::Towing => towing(member, query),
    }
}

fn refused(ground: Ground, service: Service) -> BenefitAnswer {
    let conditions = match service {
        Service::Rental => RENTAL,
        Service::Towing => TOWING,
    };
    BenefitAnswer { ground, eligible_from: None, vehicle_match: None, conditions }
}

fn towing(member: &Member, query: &Query<'_>) -> BenefitAnswer {
    let payment = member.payment_at(query.at);
    let vehicle_match = match (member.vehicle_at(query.at), query.vin) {
        (None, _) => Some(false),
        (Some(_), None) => None,
        (Some(registered), Some(shown)) => Some(registered.eq_ignore_ascii_case(shown.trim())),
    };
    let brand = payment.method.brand.filter(|_| payment.method.kind == PaymentKind::CreditCard);
    let from = eligible_from(payment.since);
    let (ground, eligible_from) = match brand {
        Some(CardBrand::BizNissanCard) => (Ground::BizCard, None),
        Some(CardBrand::NissanCard) if query.at < from => (Ground::TooEarly, Some(from)),
        Some(CardBrand::NissanCard) if vehicle_match == Some(false) => {
            (Ground::VehicleMismatch, Some(from))
        }
        Some(CardBrand::NissanCard) => (Ground::Eligible, Some(from)),
        Some(CardBrand::Other) | None => (Ground::PaymentMethod, None),
    };
    BenefitAnswer { ground, eligible_from, vehicle_match, conditions: TOWING }
}

#[cfg(test)]
#[path = "benefits_tests.rs"]
mod tests;

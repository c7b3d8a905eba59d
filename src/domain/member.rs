//! Memberships: who may charge and who pays (articles 2.1, 3.1, 13).

use chrono::{DateTime, Days, Utc};

use super::card::{Card, CardEvent, CardState, Dated, Role};
use super::ids::{CardNumber, MemberId};
use super::month::{self, BillingMonth};
use super::refusal::Reason;
use super::term::Term;

/// Days within which a primary card must be activated; an account that missed them is deleted at
/// the end of that month (rule R3.1f).
pub const ACTIVATION_DAYS: u64 = 60;

/// Who the member is in law (article 2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemberKind {
    /// A corporation (法人).
    Corporation,
    /// A sole proprietor (個人事業主).
    SoleProprietor,
}

/// How a member pays (article 10).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PaymentKind {
    /// By credit card.
    CreditCard,
    /// By debit of a bank account.
    AccountDebit,
    /// On an invoice.
    Invoice,
}

/// Which credit card pays: decides the towing benefit (article 5.1(2)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CardBrand {
    /// The Nissan Card.
    NissanCard,
    /// The Biz NISSAN CARD.
    BizNissanCard,
    /// Any other.
    Other,
}

macro_rules! named {
    ($type:ty, $($variant:ident = $name:literal),+) => {
        impl $type {
            /// Every value's name, as the API spells it.
            pub const NAMES: &'static [&'static str] = &[$($name),+];

            /// The name that the API and the exports spell.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// Reads what [`Self::name`] prints.
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($name => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

named!(MemberKind, Corporation = "corporation", SoleProprietor = "sole_proprietor");
named!(PaymentKind, CreditCard = "credit_card", AccountDebit = "account_debit", Invoice = "invoice");
named!(CardBrand, NissanCard = "nissan_card", BizNissanCard = "biz_nissan_card", Other = "other");

/// What is fixed when a member is admitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admission {
    /// Name, as bills print it.
    pub name: String,
    /// Corporation or sole proprietor.
    pub kind: MemberKind,
    /// Contact address.
    pub email: String,
    /// The plan chosen on joining, by its name in the tariff.
    pub plan: String,
    /// The term contract applied for on joining: whether its terms renew it.
    pub term_auto_renew: Option<bool>,
    /// How the fees are paid.
    pub payment: PaymentKind,
    /// The credit card's brand, where one pays.
    pub brand: Option<CardBrand>,
    /// The registered electric car.
    pub vehicle_vin: Option<String>,
}

/// What happens to a membership. Its cards carry their own events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MemberEvent {
    /// The application was accepted: the contract fee arises (article 6.1).
    Admitted(Admission),
}

/// A membership's state at an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemberState {
    /// Accepted, no card activated yet.
    Admitted,
    /// The primary card was activated: the service runs.
    Active,
    /// Never activated in time: deleted.
    Lapsed,
}

impl MemberState {
    /// `admitted`, `active` or `lapsed`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Admitted => "admitted",
            Self::Active => "active",
            Self::Lapsed => "lapsed",
        }
    }
}

/// A membership with its history and its cards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its number.
    pub id: MemberId,
    /// When it was admitted.
    pub admitted_at: DateTime<Utc>,
    /// What was agreed then.
    pub admission: Admission,
    /// Every card that was ever activated for it.
    pub cards: Vec<Card>,
}

impl Member {
    /// Builds a membership from its events, in order; `None` when it was never admitted.
    pub fn from_events(id: MemberId, events: Vec<Dated<MemberEvent>>, cards: Vec<Card>) -> Option<Self> {
        let first = events.into_iter().next()?;
        let MemberEvent::Admitted(admission) = first.event;
        Some(Self { id, admitted_at: first.at, admission, cards })
    }

    /// The service's start: the first activation of a primary card (rule R3.1e).
    pub fn service_start(&self) -> Option<DateTime<Utc>> {
        self.cards.iter().filter_map(Card::holder).filter(|holder| holder.role == Role::Primary).map(|holder| holder.activated_at).min()
    }

    /// The instant at which an account that was never activated lapses: the end of the month of
    /// the sixtieth day (rule R3.1f).
    pub fn lapses_at(&self) -> DateTime<Utc> {
        let sixtieth_day = month::in_japan(self.admitted_at).date_naive() + Days::new(ACTIVATION_DAYS);
        BillingMonth::of(month::japan_midnight(sixtieth_day)).end()
    }

    /// Its state at an instant.
    pub fn state_at(&self, at: DateTime<Utc>) -> MemberState {
        match self.service_start() {
            Some(start) if start <= at => MemberState::Active,
            _ if at >= self.lapses_at() => MemberState::Lapsed,
            _ => MemberState::Admitted,
        }
    }

    /// The plan in force at an instant, by the name it had when it was chosen.
    pub fn plan_at(&self, _at: DateTime<Utc>) -> &str {
        &self.admission.plan
    }

    /// The term contract, where one was applied for.
    pub fn term(&self) -> Option<Term> {
        self.admission.term_auto_renew.map(|auto_renew| Term::applied_at(self.admitted_at, auto_renew))
    }

    /// The live card with this role at an instant.
    pub fn live_card(&self, role: Role, at: DateTime<Utc>) -> Option<&Card> {
        self.cards.iter().find(|card| card.state_at(at).is_live() && card.holder().is_some_and(|holder| holder.role == role))
    }

    /// The card with this number, if it was ever this member's.
    pub fn card(&self, number: &CardNumber) -> Option<&Card> {
        self.cards.iter().find(|card| card.number == *number)
    }
}

/// Activates a card for a member (articles 3.1, 9.4; rules R3.1d, R9.1). `code_matches` says
/// whether the code entered is the card's own; a code is spent by its activation.
pub fn activate(member: &Member, card: &Card, role: Role, code_matches: bool, now: DateTime<Utc>) -> Result<CardEvent, Reason> {
    match card.state_at(now) {
        CardState::Dead(_) => return Err(Reason::DeadCard),
        CardState::Active | CardState::Suspended(_) => return Err(Reason::BadCode),
        CardState::Stock if !code_matches => return Err(Reason::BadCode),
        CardState::Stock => {}
    }
    match (role, member.state_at(now)) {
        (_, MemberState::Lapsed) | (Role::Additional, MemberState::Admitted) => {
            return Err(Reason::NotActivated);
        }
        (Role::Primary, MemberState::Admitted) | (_, MemberState::Active) => {}
    }
    match role {
        // A primary card is lent once; its successor comes by replacement, never by activation.
        Role::Primary if member.state_at(now) == MemberState::Active => Err(Reason::PrimaryExists),
        Role::Additional if member.live_card(Role::Additional, now).is_some() => Err(Reason::AdditionalLimit),
        Role::Primary | Role::Additional => Ok(CardEvent::Activated { member: member.id.clone(), role }),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::super::card::tests::{activated, at, card};
    use super::*;

    pub(crate) fn member(admitted_at: &str, plan: &str, cards: Vec<Card>) -> Member {
        Member {
            id: MemberId::parse("M-1").unwrap(),
            admitted_at: at(admitted_at),
            admission: Admission {
                name: "Aoki Transport".into(),
                kind: MemberKind::Corporation,
                email: "fleet@example.jp".into(),
                plan: plan.into(),
                term_auto_renew: None,
                payment: PaymentKind::Invoice,
                brand: None,
                vehicle_vin: None,
            },
            cards,
        }
    }

    #[test]
    fn w4_an_account_never_activated_lapses_at_the_end_of_the_sixtieth_days_month() {
        let member = member("2024-04-03T03:00:00Z", "simple", vec![]);
        assert_eq!(member.state_at(at("2024-06-30T14:59:59Z")), MemberState::Admitted);
        assert_eq!(member.state_at(at("2024-06-30T15:00:00Z")), MemberState::Lapsed);
    }

    #[test]
    fn the_first_primary_activation_starts_the_service() {
        let member = member("2024-04-03T03:00:00Z", "simple", vec![card("C1", &[("2024-04-10T00:00:00Z", activated(Role::Primary))])]);
        assert_eq!(member.state_at(at("2024-04-09T23:59:59Z")), MemberState::Admitted);
        assert_eq!(member.state_at(at("2024-04-10T00:00:00Z")), MemberState::Active);
    }

    #[test]
    fn activation_refuses_in_the_order_of_the_rule() {
        let primary = card("C1", &[("2024-04-10T00:00:00Z", activated(Role::Primary))]);
        let live_additional = card("C2", &[("2024-04-11T00:00:00Z", activated(Role::Additional))]);
        let dead_additional =
            card("C2", &[("2024-04-11T00:00:00Z", activated(Role::Additional)), ("2024-04-12T00:00:00Z", CardEvent::Deactivated)]);
        let stock = card("C3", &[]);
        let now = at("2024-05-01T00:00:00Z");
        let fresh = member("2024-04-03T03:00:00Z", "simple", vec![]);
        let active = member("2024-04-03T03:00:00Z", "simple", vec![primary.clone()]);
        let with_additional = member("2024-04-03T03:00:00Z", "simple", vec![primary.clone(), live_additional]);
        let after_deactivation = member("2024-04-03T03:00:00Z", "simple", vec![primary.clone(), dead_additional.clone()]);
        let lapsed_now = at("2024-07-01T00:00:00Z");

        let refused = |member: &Member, card: &Card, role, code, now| activate(member, card, role, code, now).unwrap_err();
        assert_eq!(refused(&fresh, &stock, Role::Primary, false, now), Reason::BadCode);
        assert_eq!(refused(&fresh, &stock, Role::Additional, true, now), Reason::NotActivated);
        assert_eq!(refused(&fresh, &stock, Role::Primary, true, lapsed_now), Reason::NotActivated);
        assert_eq!(refused(&active, &stock, Role::Primary, true, now), Reason::PrimaryExists);
        assert_eq!(refused(&active, &primary, Role::Additional, true, now), Reason::BadCode);
        assert_eq!(refused(&with_additional, &stock, Role::Additional, true, now), Reason::AdditionalLimit);
        assert_eq!(refused(&after_deactivation, &dead_additional, Role::Additional, true, now), Reason::DeadCard);
        assert!(activate(&fresh, &stock, Role::Primary, true, now).is_ok());
        assert!(activate(&active, &stock, Role::Additional, true, now).is_ok());
        assert!(activate(&after_deactivation, &stock, Role::Additional, true, now).is_ok());
    }
}

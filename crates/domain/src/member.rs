//! Memberships: the right to charge and the duty to pay (articles 2.1, 3.1, 13, 14). A membership
//! is a history of dated events, from which its state at an instant is derived (convention C4).

use std::collections::BTreeSet;

use chrono::{DateTime, Days, Utc};

use super::card::{Card, CardState, Dated, Role, Suspension};
use super::correction::Approval;
use super::ending::{Disqualification, EndCause};
use super::entry::Entered;
use super::ids::{CardNumber, MemberId};
use super::month::{self, BillingMonth};
use super::payment::PaymentMethod;
use super::programme::Programme;
use super::provision::Consent;
use super::refusal::Reason;
use super::units::Yen;

/// Days within which the primary card must be activated. Otherwise the account is deleted at the
/// end of the month of the last day (rule R3.1f).
pub const ACTIVATION_DAYS: u64 = 60;

/// The legal form of a member (article 2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemberKind {
    /// A corporation (法人).
    Corporation,
    /// A sole proprietor (個人事業主).
    SoleProprietor,
}

named!(MemberKind, Corporation = "corporation", SoleProprietor = "sole_proprietor");

/// The data of an application, and the data that are fixed by the admission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admission {
    /// The name, as bills print it.
    pub name: String,
    /// The legal form.
    pub kind: MemberKind,
    /// The e-mail address.
    pub email: String,
    /// The first plan, by its name in the tariff.
    pub plan: String,
    /// Whether a term contract was requested with the application (article 2.8).
    pub term: bool,
    /// The first payment method.
    pub payment: PaymentMethod,
    /// The vehicle identification number of the first registered car.
    pub vehicle_vin: Option<String>,
    /// Whether the member holds a car-rental permit (Road Transport Act, article 80). With a
    /// permit, renters may use the member's cards too (article 3.2).
    pub art80_permit: bool,
}

/// The name and the e-mail address of a member (article 14.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact {
    /// The name, as bills print it.
    pub name: String,
    /// The e-mail address.
    pub email: String,
}

/// An event of a membership. Cards have events of their own ([`super::card::CardEvent`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MemberEvent {
    /// Someone applied. The operator has not decided yet (article 2.1).
    Applied(Admission),
    /// The application was accepted, and the contract fee arises (article 6.1).
    Admitted(Admission),
    /// The application was rejected.
    Rejected,
    /// The member requested another plan from the next month on, or to begin (`true`) or end
    /// (`false`) a term contract (articles 7, 8).
    PlanChangeRequested {
        /// The requested plan.
        plan: String,
        /// Whether a term contract is requested (`true`) or to be ended (`false`); `None`: a
        /// running one goes on, if it can.
        term: Option<bool>,
    },
    /// The member cancelled the plan change requested this month.
    PlanChangeCancelled,
    /// The member withdrew (article 13.5).
    Withdrawn,
    /// The operator came to know of a ground to end the membership and set its end (article 13.1).
    Disqualified(Disqualification),
    /// The operator put the membership on hold: all its cards are suspended (article 14.2).
    HoldSet,
    /// The operator lifted the hold.
    HoldLifted,
    /// The payment method changed (article 10).
    PaymentMethodChanged(PaymentMethod),
    /// The payment of an invoice failed: the member is in arrears (article 13.1(1)).
    PaymentFailed {
        /// The number of the invoice.
        invoice_id: String,
    },
    /// An invoice was paid.
    Paid {
        /// The number of the invoice.
        invoice_id: String,
    },
    /// Another car was registered, or none is registered any more (article 13.6).
    VehicleChanged(Option<String>),
    /// The name or the e-mail address changed (article 14.1).
    ContactChanged(Contact),
    /// The member requested an additional card by post (article 9.1).
    AdditionalCardRequested,
    /// The member consented to give its data to a recipient for a purpose (article 17.3).
    ConsentGiven(Consent),
    /// The member withdrew that consent.
    ConsentWithdrawn(Consent),
    /// A sum was entered by hand (rule B11).
    Entered(Entered),
    /// A waiting entry was confirmed or refused.
    EntrySettled {
        /// The entry's number among the member's entries.
        number: i64,
        /// The decision: confirmed (`Done`) or refused.
        approval: Approval,
        /// The person who decided.
        by: String,
        /// The time at which the entry was made. Bills from that month on are rated again.
        entered_at: DateTime<Utc>,
    },
    /// Part of an invoice was paid.
    PaidInPart {
        /// The number of the invoice.
        invoice_id: String,
        /// The sum that was paid.
        amount: Yen,
    },
    /// The operator asked to pay carried credit out (rule B3b).
    RefundAsked,
}

impl MemberEvent {
    /// Whether the event may take validity from the member's cards, at once or later, or give it
    /// back.
    pub const fn may_change_validity(&self) -> bool {
        matches!(self, Self::Withdrawn | Self::Disqualified(_) | Self::HoldSet | Self::HoldLifted)
    }
}

/// A membership's state at an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemberState {
    /// The application is not decided.
    Applied,
    /// The application was rejected.
    Rejected,
    /// The member is admitted, but no card was activated yet.
    Admitted,
    /// A primary card was activated: the service has started.
    Active,
    /// No primary card was activated in time: the account is deleted.
    Lapsed,
    /// The member withdrew.
    Withdrawn,
    /// The operator ended the membership.
    Disqualified,
    /// The membership ended with the whole service.
    ServiceEnded,
}

named!(
    MemberState,
    Applied = "applied",
    Rejected = "rejected",
    Admitted = "admitted",
    Active = "active",
    Lapsed = "lapsed",
    Withdrawn = "withdrawn",
    Disqualified = "disqualified",
    ServiceEnded = "service_ended",
);

/// A membership with its history and its cards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The member id.
    pub id: MemberId,
    /// The time of the application.
    pub applied_at: DateTime<Utc>,
    /// The time of the admission, if it was admitted.
    pub admitted_at: Option<DateTime<Utc>>,
    /// The data fixed by the admission; before that, those of the application.
    pub admission: Admission,
    /// The member's events, ordered by instant and then by number.
    pub events: Vec<Dated<MemberEvent>>,
    /// Every card that was ever activated for it.
    pub cards: Vec<Card>,
}

impl Member {
    /// Builds a membership from its events, in any order. `None`: nobody applied or was admitted.
    pub fn from_events(
        id: MemberId,
        mut events: Vec<Dated<MemberEvent>>,
        cards: Vec<Card>,
    ) -> Option<Self> {
        events.sort_by_key(|dated| (dated.at, dated.seq));
        let applied_at = events.first()?.at;
        let admitted = events.iter().find_map(|dated| match &dated.event {
            MemberEvent::Admitted(admission) => Some((Some(dated.at), admission.clone())),
            _ => None,
        });
        let applied = events.iter().find_map(|dated| match &dated.event {
            MemberEvent::Applied(admission) => Some((None, admission.clone())),
            _ => None,
        });
        let (admitted_at, admission) = admitted.or(applied)?;
        Some(Self { id, applied_at, admitted_at, admission, events, cards })
    }

    /// The instant from which the newest event of the member or its cards holds.
    pub fn newest_event_at(&self) -> Option<DateTime<Utc>> {
        let of_cards = self.cards.iter().flat_map(|card| card.events.iter().map(|event| event.at));
        of_cards.chain(self.events.iter().map(|event| event.at)).max()
    }

    /// The member's events up to an instant, that instant included.
    pub fn events_until(&self, at: DateTime<Utc>) -> impl Iterator<Item = &Dated<MemberEvent>> {
        self.events.iter().take_while(move |dated| dated.at <= at)
    }

    /// The service's start: the first activation of a primary card (rule R3.1e).
    pub fn service_start(&self) -> Option<DateTime<Utc>> {
        self.cards
            .iter()
            .filter_map(Card::holder)
            .filter(|holder| holder.role == Role::Primary)
            .map(|holder| holder.activated_at)
            .min()
    }

    /// The instant at which the account lapses if no primary card is activated: the end of the
    /// month of the sixtieth day (rule R3.1f).
    pub fn lapses_at(&self) -> DateTime<Utc> {
        let sixtieth_day = month::in_japan(self.admitted_at.unwrap_or(self.applied_at))
            .date_naive()
            + Days::new(ACTIVATION_DAYS);
        BillingMonth::of(month::japan_midnight(sixtieth_day)).end()
    }

    /// The member's state at an instant.
    pub fn state_at(&self, at: DateTime<Utc>, programme: &Programme) -> MemberState {
        if self.events_until(at).any(|dated| dated.event == MemberEvent::Rejected) {
            return MemberState::Rejected;
        }
        if self.admitted_at.is_none_or(|admitted| at < admitted) {
            return MemberState::Applied;
        }
        match self.end(programme) {
            Some(end) if end.at <= at => match end.cause {
                EndCause::Withdrawn => MemberState::Withdrawn,
                EndCause::Disqualified => MemberState::Disqualified,
                EndCause::ServiceEnded => MemberState::ServiceEnded,
            },
            _ => match self.service_start() {
                Some(start) if start <= at => MemberState::Active,
                _ if at >= self.lapses_at() => MemberState::Lapsed,
                _ => MemberState::Admitted,
            },
        }
    }

    /// Refuses unless the application waits for a decision at an instant (article 2.1).
    pub fn check_applied(&self, at: DateTime<Utc>, programme: &Programme) -> Result<(), Reason> {
        if self.state_at(at, programme) == MemberState::Applied {
            Ok(())
        } else {
            Err(Reason::NotApplied)
        }
    }

    /// Refuses if the membership cannot be changed at an instant (rules R13.1, R13.7).
    pub fn check_changeable(&self, at: DateTime<Utc>, programme: &Programme) -> Result<(), Reason> {
        match self.state_at(at, programme) {
            MemberState::Admitted | MemberState::Active => Ok(()),
            MemberState::Applied | MemberState::Rejected | MemberState::Lapsed => {
                Err(Reason::NotActivated)
            }
            MemberState::Withdrawn | MemberState::Disqualified | MemberState::ServiceEnded => {
                Err(Reason::ReadOnly)
            }
        }
    }

    /// Whether the operator holds all of the member's cards at an instant: by a hold (article
    /// 14.2), or because a ground to end the membership is known (rule R13.2).
    pub fn is_held_at(&self, at: DateTime<Utc>) -> bool {
        self.events_until(at).fold(false, |held, dated| match dated.event {
            MemberEvent::HoldSet | MemberEvent::Disqualified(_) => true,
            MemberEvent::HoldLifted => self
                .events_until(at)
                .any(|other| matches!(other.event, MemberEvent::Disqualified(_))),
            _ => held,
        })
    }

    /// The state of one of its cards at an instant: the card's own state, changed by the
    /// membership's hold or end.
    pub fn card_state_at(
        &self,
        card: &Card,
        at: DateTime<Utc>,
        programme: &Programme,
    ) -> CardState {
        let own = card.state_at(at);
        if !own.is_live() {
            return own;
        }
        if let Some(end) = self.end(programme).filter(|end| end.at <= at) {
            return CardState::Dead(end.cause.dead_cause());
        }
        match (own, self.is_held_at(at)) {
            (CardState::Suspended(mut reasons), true) => {
                reasons.insert(Suspension::Operator);
                CardState::Suspended(reasons)
            }
            (_, true) => CardState::Suspended(BTreeSet::from([Suspension::Operator])),
            (own, false) => own,
        }
    }

    /// The live card with this role at an instant.
    pub fn live_card(&self, role: Role, at: DateTime<Utc>, programme: &Programme) -> Option<&Card> {
        let is_role = |card: &&Card| card.holder().is_some_and(|holder| holder.role == role);
        self.cards
            .iter()
            .filter(is_role)
            .find(|card| self.card_state_at(card, at, programme).is_live())
    }

    /// The card with this number, if it was ever this member's.
    pub fn card(&self, number: &CardNumber) -> Option<&Card> {
        self.cards.iter().find(|card| card.number == *number)
    }

    /// The name and the e-mail address at an instant.
    pub fn contact_at(&self, at: DateTime<Utc>) -> Contact {
        let first =
            Contact { name: self.admission.name.clone(), email: self.admission.email.clone() };
        self.events_until(at).fold(first, |current, dated| match &dated.event {
            MemberEvent::ContactChanged(contact) => contact.clone(),
            _ => current,
        })
    }

    /// The vehicle identification number of the registered car at an instant.
    pub fn vehicle_at(&self, at: DateTime<Utc>) -> Option<&str> {
        self.events_until(at).fold(self.admission.vehicle_vin.as_deref(), |current, dated| {
            match &dated.event {
                MemberEvent::VehicleChanged(vin) => vin.as_deref(),
                _ => current,
            }
        })
    }

    /// Whether an additional card that was requested by post has not been activated yet (rule
    /// R9.1).
    pub fn awaits_additional_at(&self, at: DateTime<Utc>) -> bool {
        let asked = self
            .events_until(at)
            .filter(|dated| dated.event == MemberEvent::AdditionalCardRequested)
            .map(|dated| dated.at)
            .max();
        asked.is_some_and(|asked| {
            let came = |card: &Card| {
                card.holder().is_some_and(|holder| {
                    holder.role == Role::Additional && holder.activated_at >= asked
                })
            };
            !self.cards.iter().any(came)
        })
    }
}

#[cfg(test)]
#[path = "member_tests.rs"]
pub(crate) mod tests;

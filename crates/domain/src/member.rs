//! Memberships: who may charge and who pays (articles 2.1, 3.1, 13, 14). A membership is a history of
//! dated events; its state is derived at an instant (convention C4).

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

named!(MemberKind, Corporation = "corporation", SoleProprietor = "sole_proprietor");

/// What an applicant gives, and what is fixed when a member is admitted.
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
    /// Whether the term contract was applied for on joining (article 2.8).
    pub term: bool,
    /// How the fees are paid at first.
    pub payment: PaymentMethod,
    /// The electric car registered at first.
    pub vehicle_vin: Option<String>,
    /// Whether the member holds a car-rental permit (Road Transport Act, article 80): renters may use
    /// its cards too (article 3.2).
    pub art80_permit: bool,
}

/// A name and an address (article 14.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact {
    /// Name, as bills print it.
    pub name: String,
    /// Contact address.
    pub email: String,
}

/// What happens to a membership. Its cards carry their own events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MemberEvent {
    /// Someone applied; the operator is yet to decide (article 2.1).
    Applied(Admission),
    /// The application was accepted: the contract fee arises (article 6.1).
    Admitted(Admission),
    /// The application was refused.
    Rejected,
    /// The member asked for another plan from next month on, or to begin (`true`) or end (`false`) a
    /// term contract (articles 7, 8).
    PlanChangeRequested {
        /// The plan.
        plan: String,
        /// What becomes of the term contract; `None`: it goes on, if it can.
        term: Option<bool>,
    },
    /// The change asked for this month is off.
    PlanChangeCancelled,
    /// The member has left (article 13.5).
    Withdrawn,
    /// The operator came to know of a ground to end the membership and set its end (article 13.1).
    Disqualified(Disqualification),
    /// The operator suspended all of its cards (article 14.2).
    HoldSet,
    /// The operator lifted that.
    HoldLifted,
    /// Another payment method (article 10).
    PaymentMethodChanged(PaymentMethod),
    /// A payment failed: the member is in arrears (article 13.1(1)).
    PaymentFailed {
        /// Of which invoice.
        invoice_id: String,
    },
    /// A payment was made.
    Paid {
        /// Of which invoice.
        invoice_id: String,
    },
    /// Another registered car, or none any more (article 13.6).
    VehicleChanged(Option<String>),
    /// Another name or address (article 14.1).
    ContactChanged(Contact),
    /// An additional card was asked for by post (article 9.1).
    AdditionalCardRequested,
    /// The member allowed its data to be given to someone for a purpose (article 17.3).
    ConsentGiven(Consent),
    /// It took that back.
    ConsentWithdrawn(Consent),
    /// A sum was entered by hand (rule B11).
    Entered(Entered),
    /// A second person confirmed or refused an entry.
    EntrySettled {
        /// Its place among the member's.
        number: i64,
        /// Confirmed or refused.
        approval: Approval,
        /// By whom.
        by: String,
        /// When it was entered: its line is of that month.
        entered_at: DateTime<Utc>,
    },
    /// A part of an invoice was paid.
    PaidInPart {
        /// Of which invoice.
        invoice_id: String,
        /// How much.
        amount: Yen,
    },
    /// The operator said that carried credit is to be paid out (rule B3b).
    RefundAsked,
}

impl MemberEvent {
    /// Whether cards that were valid may no longer be, now or at an instant to come, or the other way.
    pub const fn may_change_validity(&self) -> bool {
        matches!(self, Self::Withdrawn | Self::Disqualified(_) | Self::HoldSet | Self::HoldLifted)
    }
}

/// A membership's state at an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemberState {
    /// Asked for, not decided.
    Applied,
    /// Refused.
    Rejected,
    /// Accepted, no card activated yet.
    Admitted,
    /// The primary card was activated: the service runs.
    Active,
    /// Never activated in time: deleted.
    Lapsed,
    /// Left.
    Withdrawn,
    /// Ended by the operator.
    Disqualified,
    /// Ended with the whole service.
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
    /// Its number.
    pub id: MemberId,
    /// When it was applied for.
    pub applied_at: DateTime<Utc>,
    /// When it was admitted, if it was.
    pub admitted_at: Option<DateTime<Utc>>,
    /// What was agreed then.
    pub admission: Admission,
    /// Its events, in order of (instant, sequence).
    pub events: Vec<Dated<MemberEvent>>,
    /// Every card that was ever activated for it.
    pub cards: Vec<Card>,
}

impl Member {
    /// Builds a membership from its events, in any order; `None` when it was never applied for.
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

    /// When the newest of its events, and of its cards', holds from.
    pub fn newest_event_at(&self) -> Option<DateTime<Utc>> {
        let of_cards = self.cards.iter().flat_map(|card| card.events.iter().map(|event| event.at));
        of_cards.chain(self.events.iter().map(|event| event.at)).max()
    }

    /// Its events up to an instant, that instant included.
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

    /// The instant at which an account that was never activated lapses: the end of the month of
    /// the sixtieth day (rule R3.1f).
    pub fn lapses_at(&self) -> DateTime<Utc> {
        let sixtieth_day = month::in_japan(self.admitted_at.unwrap_or(self.applied_at))
            .date_naive()
            + Days::new(ACTIVATION_DAYS);
        BillingMonth::of(month::japan_midnight(sixtieth_day)).end()
    }

    /// Its state at an instant.
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

    /// Whether its application waits for a decision at an instant (article 2.1).
    pub fn check_applied(&self, at: DateTime<Utc>, programme: &Programme) -> Result<(), Reason> {
        if self.state_at(at, programme) == MemberState::Applied {
            Ok(())
        } else {
            Err(Reason::NotApplied)
        }
    }

    /// Whether anything of it may be changed at an instant (rules R13.1, R13.7).
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

    /// Whether the operator holds all of its cards at an instant: set by hand (article 14.2), or because a
    /// ground to end the membership is known (rule R13.2).
    pub fn is_held_at(&self, at: DateTime<Utc>) -> bool {
        self.events_until(at).fold(false, |held, dated| match dated.event {
            MemberEvent::HoldSet | MemberEvent::Disqualified(_) => true,
            MemberEvent::HoldLifted => self
                .events_until(at)
                .any(|other| matches!(other.event, MemberEvent::Disqualified(_))),
            _ => held,
        })
    }

    /// The state of one of its cards at an instant: its own, under the membership's hold and end.
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

    /// Name and address at an instant.
    pub fn contact_at(&self, at: DateTime<Utc>) -> Contact {
        let first =
            Contact { name: self.admission.name.clone(), email: self.admission.email.clone() };
        self.events_until(at).fold(first, |current, dated| match &dated.event {
            MemberEvent::ContactChanged(contact) => contact.clone(),
            _ => current,
        })
    }

    /// The registered car at an instant.
    pub fn vehicle_at(&self, at: DateTime<Utc>) -> Option<&str> {
        self.events_until(at).fold(self.admission.vehicle_vin.as_deref(), |current, dated| {
            match &dated.event {
                MemberEvent::VehicleChanged(vin) => vin.as_deref(),
                _ => current,
            }
        })
    }

    /// Whether an additional card that was asked for by post has not come to use yet (rule R9.1).
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

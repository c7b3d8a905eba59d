//! Cards of the programme: each is a history of dated events, from which its state at an instant is
//! computed (articles 3 and 9).

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use super::ids::{CardNumber, IdTag, MemberId};
use super::refusal::Reason;

/// An event with the instant from which it holds, and its place among the events of that instant
/// (conventions C2, C3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dated<E> {
    /// The event's number in the store. Events of the same instant are ordered by this number.
    pub seq: i64,
    /// The first instant at which it holds.
    pub at: DateTime<Utc>,
    /// The event.
    pub event: E,
}

/// A card's role, fixed at its activation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// The one card that is lent to each membership (article 3.1).
    Primary,
    /// The one further card that a membership may have (article 9.1).
    Additional,
}

impl Role {
    /// `primary` or `additional`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Additional => "additional",
        }
    }

    /// Reads what [`Self::name`] prints.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Primary, Self::Additional].into_iter().find(|role| role.name() == text)
    }
}

/// A reason of a card's suspension. A card may have several, and is valid again once all are
/// lifted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Suspension {
    /// Reported lost by the member or the call centre (article 3.6).
    Lost,
    /// Set by the operator (articles 13.1, 14.2); the member cannot lift it.
    Operator,
}

impl Suspension {
    /// `lost` or `operator`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::Operator => "operator",
        }
    }

    /// Reads what [`Self::name`] prints.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Lost, Self::Operator].into_iter().find(|reason| reason.name() == text)
    }
}

/// An event of a card after it was put in stock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CardEvent {
    /// The card was sent by post. Only this member can activate it.
    Mailed {
        /// The member to whom it was sent.
        member: MemberId,
    },
    /// A member entered the card's number and code. The card is valid from then on.
    Activated {
        /// The member to whom it belongs for good (article 3.5: no transfer).
        member: MemberId,
        /// The card's role.
        role: Role,
        /// The card that it replaces, if any (article 3.8).
        replaces: Option<CardNumber>,
    },
    /// A replacement was asked for. Nothing changes until it is registered.
    ReissueRequested,
    /// A replacement was registered (article 3.8).
    Replaced {
        /// The new card.
        by: CardNumber,
    },
    /// The dead card was given back, or destroyed by the member (article 3.9).
    Surrendered {
        /// Whether the member destroyed it rather than give it back.
        destroyed: bool,
    },
    /// The card was suspended for this reason.
    Suspended(Suspension),
    /// This reason of the suspension was lifted.
    Resumed(Suspension),
    /// The additional card was deactivated for good (article 9.5).
    Deactivated,
}

impl CardEvent {
    /// Whether the event may take validity from an activated card, or give it back. Stations that
    /// remember the card must then learn of it.
    pub const fn may_change_validity(&self) -> bool {
        match self {
            Self::Replaced { .. } | Self::Suspended(_) | Self::Resumed(_) | Self::Deactivated => {
                true
            }
            Self::Mailed { .. }
            | Self::Activated { .. }
            | Self::ReissueRequested
            | Self::Surrendered { .. } => false,
        }
    }
}

/// The reason of a card's death.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DeadCause {
    /// A replacement was registered (article 3.8).
    Replaced,
    /// The additional card was deactivated (article 9.5).
    Deactivated,
    /// The membership ended (article 13).
    MembershipEnded,
    /// The service ended (article 18).
    ServiceEnded,
}

named!(
    DeadCause,
    Replaced = "replaced",
    Deactivated = "deactivated",
    MembershipEnded = "membership_ended",
    ServiceEnded = "service_ended",
);

impl DeadCause {
    /// The reason for which every change of such a card is refused (rules R3.8b, R13.7).
    pub const fn refusal(self) -> Reason {
        match self {
            Self::Replaced => Reason::DeadReplaced,
            Self::Deactivated => Reason::DeadCard,
            Self::MembershipEnded | Self::ServiceEnded => Reason::ReadOnly,
        }
    }
}

/// A card's state at an instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CardState {
    /// The card is in stock and belongs to no member.
    Stock,
    /// The card is on its way to a member by post.
    Mailed,
    /// The card is valid.
    Active,
    /// The card is not valid, for these reasons.
    Suspended(BTreeSet<Suspension>),
    /// The card is never valid again.
    Dead(DeadCause),
}

impl CardState {
    /// `stock`, `mailed`, `active`, `suspended` or `dead`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Stock => "stock",
            Self::Mailed => "mailed",
            Self::Active => "active",
            Self::Suspended(_) => "suspended",
            Self::Dead(_) => "dead",
        }
    }

    /// Whether the card is activated and not dead. Such a card counts against the limit of one
    /// primary and one additional card.
    pub const fn is_live(&self) -> bool {
        matches!(self, Self::Active | Self::Suspended(_))
    }
}

/// The member to whom a card belongs, and its role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The member.
    pub member: MemberId,
    /// The card's role.
    pub role: Role,
    /// The time of its activation.
    pub activated_at: DateTime<Utc>,
    /// The card that it replaced, if any.
    pub replaces: Option<CardNumber>,
}

/// A card with its history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Card {
    /// The card number: the member number of the terms that is printed for this card.
    pub number: CardNumber,
    /// The id tag that card readers read from it.
    pub id_tag: IdTag,
    /// Further id tags that some readers read from it: it may have two chips, or be read in two
    /// ways.
    pub readings: Vec<IdTag>,
    /// The card's events, ordered by instant and then by number.
    pub events: Vec<Dated<CardEvent>>,
}

impl Card {
    /// All id tags of the card, first the one with which the card was registered.
    pub fn tags(&self) -> impl Iterator<Item = &IdTag> {
        std::iter::once(&self.id_tag).chain(&self.readings)
    }

    fn events_until(&self, at: DateTime<Utc>) -> impl Iterator<Item = &Dated<CardEvent>> {
        self.events.iter().filter(move |dated| dated.at <= at)
    }

    /// The card's state at an instant, by its own events alone.
    pub fn state_at(&self, at: DateTime<Utc>) -> CardState {
        self.events_until(at).fold(CardState::Stock, |state, dated| match (state, &dated.event) {
            (dead @ CardState::Dead(_), _) => dead,
            (CardState::Stock | CardState::Mailed, CardEvent::Activated { .. }) => {
                CardState::Active
            }
            (CardState::Stock, CardEvent::Mailed { .. }) => CardState::Mailed,
            (unbound @ (CardState::Stock | CardState::Mailed), _) => unbound,
            (
                same,
                CardEvent::Activated { .. }
                | CardEvent::Mailed { .. }
                | CardEvent::ReissueRequested
                | CardEvent::Surrendered { .. },
            ) => same,
            (CardState::Active | CardState::Suspended(_), CardEvent::Replaced { .. }) => {
                CardState::Dead(DeadCause::Replaced)
            }
            (CardState::Active, CardEvent::Suspended(reason)) => {
                CardState::Suspended([*reason].into())
            }
            (CardState::Active, CardEvent::Resumed(_)) => CardState::Active,
            (CardState::Suspended(mut reasons), CardEvent::Suspended(reason)) => {
                reasons.insert(*reason);
                CardState::Suspended(reasons)
            }
            (CardState::Suspended(mut reasons), CardEvent::Resumed(reason)) => {
                reasons.remove(reason);
                if reasons.is_empty() { CardState::Active } else { CardState::Suspended(reasons) }
            }
            (CardState::Active | CardState::Suspended(_), CardEvent::Deactivated) => {
                CardState::Dead(DeadCause::Deactivated)
            }
        })
    }

    /// The member to whom it belongs, once it was activated. A card never passes to another member.
    pub fn holder(&self) -> Option<Holder> {
        self.events.iter().find_map(|dated| match &dated.event {
            CardEvent::Activated { member, role, replaces } => Some(Holder {
                member: member.clone(),
                role: *role,
                activated_at: dated.at,
                replaces: replaces.clone(),
            }),
            _ => None,
        })
    }

    /// The member to whom it was last sent by post. Only a card that belongs to no member is sent.
    pub fn mailed_to(&self) -> Option<&MemberId> {
        self.events.iter().rev().find_map(|dated| match &dated.event {
            CardEvent::Mailed { member } => Some(member),
            _ => None,
        })
    }

    /// The instant of its death by its own events, if any.
    pub fn died_at(&self) -> Option<DateTime<Utc>> {
        let deadly = |event: &CardEvent| {
            matches!(event, CardEvent::Deactivated | CardEvent::Replaced { .. })
        };
        self.events.iter().find(|dated| deadly(&dated.event)).map(|dated| dated.at)
    }
}

/// Suspends a card for a reason. `own` is the card's own state, `state` its state under the
/// membership. `None`: the card itself is suspended for this reason already, and nothing changes
/// (rule R3.6a). The same reason from the membership's hold does not count here, because the hold
/// may end while the card must stay suspended.
pub fn suspend(
    own: &CardState,
    state: &CardState,
    reason: Suspension,
) -> Result<Option<CardEvent>, Reason> {
    match (state, own) {
        (CardState::Stock | CardState::Mailed, _) => Err(Reason::NotActivated),
        (CardState::Dead(cause), _) => Err(cause.refusal()),
        (CardState::Active | CardState::Suspended(_), CardState::Suspended(reasons))
            if reasons.contains(&reason) =>
        {
            Ok(None)
        }
        (CardState::Active | CardState::Suspended(_), _) => Ok(Some(CardEvent::Suspended(reason))),
    }
}

/// Sends a card by post (article 3.1). The card must not belong to a member yet.
pub fn mail(state: &CardState, member: &MemberId) -> Result<CardEvent, Reason> {
    match state {
        CardState::Stock | CardState::Mailed => Ok(CardEvent::Mailed { member: member.clone() }),
        CardState::Active | CardState::Suspended(_) | CardState::Dead(_) => Err(Reason::NotInStock),
    }
}

/// Records that a dead card was given back or destroyed (article 3.9).
pub fn surrender(state: &CardState, destroyed: bool) -> Result<CardEvent, Reason> {
    match state {
        CardState::Dead(_) => Ok(CardEvent::Surrendered { destroyed }),
        CardState::Stock | CardState::Mailed | CardState::Active | CardState::Suspended(_) => {
            Err(Reason::CardNotDead)
        }
    }
}

/// Lifts one reason of a suspension. `own` is the card's own state, `state` its state under the
/// membership. `None`: the card is not suspended.
///
/// Lifting `Lost` is refused if only the operator's suspension stands. A reason that comes from the
/// membership's hold cannot be lifted for one card: it ends with the hold (rule R3.6b).
pub fn resume(
    own: &CardState,
    state: &CardState,
    reason: Suspension,
) -> Result<Option<CardEvent>, Reason> {
    match state {
        CardState::Stock | CardState::Mailed => Err(Reason::NotActivated),
        CardState::Dead(cause) => Err(cause.refusal()),
        CardState::Active => Ok(None),
        CardState::Suspended(reasons) if reasons.contains(&reason) => match own {
            CardState::Suspended(own) if own.contains(&reason) => {
                Ok(Some(CardEvent::Resumed(reason)))
            }
            _ => Err(Reason::SuspendedOperator),
        },
        CardState::Suspended(_) => match reason {
            Suspension::Lost => Err(Reason::SuspendedOperator),
            Suspension::Operator => Err(Reason::SuspendedLost),
        },
    }
}

/// Deactivates an additional card for good (article 9.5).
pub fn deactivate(state: &CardState, role: Option<Role>) -> Result<CardEvent, Reason> {
    match (state, role) {
        (CardState::Stock | CardState::Mailed, _) => Err(Reason::NotActivated),
        (CardState::Dead(cause), _) => Err(cause.refusal()),
        (CardState::Active | CardState::Suspended(_), Some(Role::Additional)) => {
            Ok(CardEvent::Deactivated)
        }
        (CardState::Active | CardState::Suspended(_), Some(Role::Primary) | None) => {
            Err(Reason::NotAdditional)
        }
    }
}

#[cfg(test)]
#[path = "card_tests.rs"]
pub(crate) mod tests;

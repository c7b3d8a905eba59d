//! Member cards: a history of dated events; a state is computed at an instant (articles 3 and 9).

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use super::ids::{CardNumber, IdTag, MemberId};
use super::refusal::Reason;

/// An event with the instant from which it holds and its place among events of one instant
/// (conventions C2, C3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dated<E> {
    /// Its number in the store's order: breaks ties of one instant.
    pub seq: i64,
    /// The instant from which it holds, that instant included.
    pub at: DateTime<Utc>,
    /// What happened.
    pub event: E,
}

/// A card's role, fixed at its activation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// The one card lent to a membership (article 3.1).
    Primary,
    /// The one further card it may have (article 9.1).
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

/// Why a card is suspended. A card holds a set of these and works again when the set is empty.
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

/// What happens to a card after it was put in stock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CardEvent {
    /// It was sent by post: only this member can activate it.
    Mailed {
        /// To whom.
        member: MemberId,
    },
    /// A member entered its number and code: it is valid from now on.
    Activated {
        /// Whose card it is, for good (article 3.5: no transfer).
        member: MemberId,
        /// As which card.
        role: Role,
        /// The card whose place it takes (article 3.8).
        replaces: Option<CardNumber>,
    },
    /// A new card was asked for in its place; nothing changes until that is registered.
    ReissueRequested,
    /// A new card was registered in its place (article 3.8).
    Replaced {
        /// Which.
        by: CardNumber,
    },
    /// It was given back, or destroyed by the member, after the membership ended (article 3.9).
    Surrendered {
        /// Destroyed rather than given back.
        destroyed: bool,
    },
    /// It stopped working for a reason.
    Suspended(Suspension),
    /// One reason was lifted.
    Resumed(Suspension),
    /// The additional card was given up (article 9.5), for good.
    Deactivated,
}

impl CardEvent {
    /// Whether a card that was valid may no longer be, or the other way.
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

/// Why a card is dead.
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
    /// Why nothing of such a card can be changed any more (rules R3.8b, R13.7).
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
    /// Unbound: nobody's card yet.
    Stock,
    /// On its way to a member by post.
    Mailed,
    /// Valid.
    Active,
    /// Not valid while the set holds a reason.
    Suspended(BTreeSet<Suspension>),
    /// Never valid again.
    Dead(DeadCause),
}

impl CardState {
    /// `stock`, `active`, `suspended` or `dead`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Stock => "stock",
            Self::Mailed => "mailed",
            Self::Active => "active",
            Self::Suspended(_) => "suspended",
            Self::Dead(_) => "dead",
        }
    }

    /// Bound and not dead: it counts against the limits of one primary and one additional card.
    pub const fn is_live(&self) -> bool {
        matches!(self, Self::Active | Self::Suspended(_))
    }
}

/// Whose card a card is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The member.
    pub member: MemberId,
    /// The card's role.
    pub role: Role,
    /// Since when.
    pub activated_at: DateTime<Utc>,
    /// The card whose place it took.
    pub replaces: Option<CardNumber>,
}

/// A card with its history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Card {
    /// The card number: the member number of the terms that is printed for this card.
    pub number: CardNumber,
    /// What card readers read from it.
    pub id_tag: IdTag,
    /// What other readers read from it: a card with two chips, or one that is read in two ways.
    pub readings: Vec<IdTag>,
    /// Its events, in order of (instant, sequence).
    pub events: Vec<Dated<CardEvent>>,
}

impl Card {
    /// All that readers read from it, the one that it was registered with first.
    pub fn tags(&self) -> impl Iterator<Item = &IdTag> {
        std::iter::once(&self.id_tag).chain(&self.readings)
    }

    fn events_until(&self, at: DateTime<Utc>) -> impl Iterator<Item = &Dated<CardEvent>> {
        self.events.iter().filter(move |dated| dated.at <= at)
    }

    /// Its state at an instant.
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

    /// Whose card it is, once it was activated. A card never changes hands.
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

    /// To whom it was last sent by post, while nobody's.
    pub fn mailed_to(&self) -> Option<&MemberId> {
        self.events.iter().rev().find_map(|dated| match &dated.event {
            CardEvent::Mailed { member } => Some(member),
            _ => None,
        })
    }

    /// The instant from which it is dead by its own events, if it is.
    pub fn died_at(&self) -> Option<DateTime<Utc>> {
        let deadly = |event: &CardEvent| {
            matches!(event, CardEvent::Deactivated | CardEvent::Replaced { .. })
        };
        self.events.iter().find(|dated| deadly(&dated.event)).map(|dated| dated.at)
    }
}

/// Suspends a card for a reason. `own` is the card's own state, `state` its state under the membership. `None`: the card
/// itself is suspended for this reason already, and nothing changes (rule R3.6a). A reason that comes only from the
/// membership's hold does not count: the hold may end while the card must stay suspended.
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

/// Sends a card by post (article 3.1): only one that is nobody's.
pub fn mail(state: &CardState, member: &MemberId) -> Result<CardEvent, Reason> {
    match state {
        CardState::Stock | CardState::Mailed => Ok(CardEvent::Mailed { member: member.clone() }),
        CardState::Active | CardState::Suspended(_) | CardState::Dead(_) => Err(Reason::NotInStock),
    }
}

/// Takes a dead card back (article 3.9).
pub fn surrender(state: &CardState, destroyed: bool) -> Result<CardEvent, Reason> {
    match state {
        CardState::Dead(_) => Ok(CardEvent::Surrendered { destroyed }),
        CardState::Stock | CardState::Mailed | CardState::Active | CardState::Suspended(_) => {
            Err(Reason::CardNotDead)
        }
    }
}

/// Lifts one reason of a suspension. `own` is the card's own state, `state` that under its membership. `None`:
/// nothing was to lift. Lifting `Lost` where only the operator's hold stands is refused, and what the
/// membership's hold imposes is lifted with that alone (rule R3.6b).
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

/// Gives up an additional card for good (article 9.5).
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

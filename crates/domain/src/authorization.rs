//! Decides whether a card may charge here and now, by the ladder of rule R4.2: single checks of
//! which the first that matches decides. An exhausted allowance, the plan and arrears are never a
//! reason to refuse (rule R4.2b).

use chrono::{DateTime, TimeDelta, Utc};

use super::card::{Card, CardState, DeadCause, Suspension};
use super::ids::MemberId;
use super::member::{Member, MemberState};
use super::programme::Programme;
use super::refusal::Reason;

/// A card, with its membership once it has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CardFile {
    /// The card.
    pub card: Card,
    /// The card's member.
    pub member: Option<Member>,
}

impl CardFile {
    /// The instant from which the newest event of the card or its member holds.
    pub fn newest_event_at(&self) -> Option<DateTime<Utc>> {
        let of_card = self.card.events.iter().map(|event| event.at);
        of_card.chain(self.member.as_ref().and_then(Member::newest_event_at)).max()
    }

    /// The instant at which the card is judged now: the present, or its newest event if that is
    /// later. So a card that was suspended while the server's clock was ahead stays suspended once
    /// the clock is corrected.
    pub fn judged_at(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        self.newest_event_at().map_or(now, |newest| newest.max(now))
    }

    /// The card's state at an instant, with its membership taken into account.
    pub fn state_at(&self, at: DateTime<Utc>, programme: &Programme) -> CardState {
        match &self.member {
            Some(member) => member.card_state_at(&self.card, at, programme),
            None => self.card.state_at(at),
        }
    }

    /// The card's state at [`Self::judged_at`].
    pub fn state_now(&self, now: DateTime<Utc>, programme: &Programme) -> CardState {
        self.state_at(self.judged_at(now), programme)
    }
}

/// The programme's state at the charger where the card is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The charger is on the programme's list and open.
    Open,
    /// The charger is open to everyone at no charge (rule R16.5).
    Free,
    /// The service is suspended there (article 16).
    Suspended,
    /// The charger is closed or in maintenance (article 4.3(3)).
    Unavailable,
    /// The charger is not on the list (article 4.1).
    OffNetwork,
}

/// Minutes for which a station may keep an answer that may change without any event of the card.
pub const PASSING_ANSWER_MIN: i64 = 5;

/// The time for which a station may keep an answer. The time is short for a refusal that passes by
/// itself. It is also short at a free opening, where the accepted card may be anyone's, or blocked.
pub fn cache_for(refusal: Option<Reason>, place: Place, accepted_for: TimeDelta) -> TimeDelta {
    let passes = refusal.is_some_and(Reason::is_passing) || place == Place::Free;
    if passes { TimeDelta::minutes(PASSING_ANSWER_MIN).min(accepted_for) } else { accepted_for }
}

impl Place {
    /// The state for a connector of that charger: an open or unavailable one that is not on the
    /// list is off the network.
    pub const fn listed(self, is_listed: bool) -> Self {
        match self {
            Self::Open | Self::Unavailable if !is_listed => Self::OffNetwork,
            place => place,
        }
    }

    const fn refusal(self) -> Option<Reason> {
        match self {
            Self::Open | Self::Free => None,
            Self::Suspended => Some(Reason::ServiceSuspended),
            Self::Unavailable => Some(Reason::ChargerUnavailable),
            Self::OffNetwork => Some(Reason::OffNetwork),
        }
    }
}

/// The decision of the ladder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The reason of the refusal; `None`: the card may charge.
    pub refusal: Option<Reason>,
    /// The card's member. The cards of one member share it as their group (rule R4.2d).
    pub group: Option<MemberId>,
}

/// Judges a card at the instant of [`CardFile::judged_at`].
pub fn judge_now(
    file: Option<&CardFile>,
    now: DateTime<Utc>,
    place: Place,
    busy: bool,
    programme: &Programme,
) -> Verdict {
    judge(file, file.map_or(now, |file| file.judged_at(now)), place, busy, programme)
}

/// Judges a card at an instant. `busy` says whether another running session of the card stands
/// against it. That is known only where a transaction starts.
pub fn judge(
    file: Option<&CardFile>,
    at: DateTime<Utc>,
    place: Place,
    busy: bool,
    programme: &Programme,
) -> Verdict {
    let group = file.and_then(|file| file.member.as_ref()).map(|member| member.id.clone());
    let card = || match file {
        None => Some(Reason::UnknownCard),
        Some(file) => card_refusal(&file.card, file.member.as_ref(), at, programme),
    };
    let refusal = match place {
        // A free opening needs no card, so it refuses none.
        Place::Free => None,
        Place::Open | Place::Suspended | Place::Unavailable | Place::OffNetwork => {
            card().or(place.refusal()).or(busy.then_some(Reason::Concurrent))
        }
    };
    Verdict { refusal, group }
}

/// Rows 2 to 5 of the ladder: the card and its membership decide.
pub fn card_refusal(
    card: &Card,
    member: Option<&Member>,
    at: DateTime<Utc>,
    programme: &Programme,
) -> Option<Reason> {
    let state = member
        .map_or_else(|| card.state_at(at), |member| member.card_state_at(card, at, programme));
    match state {
        CardState::Stock | CardState::Mailed => Some(Reason::NotActivated),
        CardState::Dead(DeadCause::Replaced) => Some(Reason::Replaced),
        CardState::Dead(DeadCause::Deactivated) => Some(Reason::Deactivated),
        CardState::Dead(DeadCause::MembershipEnded) => Some(Reason::MembershipEnded),
        CardState::Dead(DeadCause::ServiceEnded) => Some(Reason::ServiceEnded),
        CardState::Suspended(reasons) if reasons.contains(&Suspension::Operator) => {
            Some(Reason::SuspendedOperator)
        }
        CardState::Suspended(_) => Some(Reason::SuspendedLost),
        CardState::Active => match member.map(|member| member.state_at(at, programme)) {
            Some(MemberState::Active) => None,
            _ => Some(Reason::NotActivated),
        },
    }
}

#[cfg(test)]
#[path = "authorization_tests.rs"]
mod tests;

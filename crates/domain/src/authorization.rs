//! May this card charge here, now? The ladder of rule R4.2: single checks, the first that matches
//! decides. An exhausted allowance, the plan and arrears are never a reason (rule R4.2b).

use chrono::{DateTime, TimeDelta, Utc};

use super::card::{Card, CardState, DeadCause, Suspension};
use super::ids::MemberId;
use super::member::{Member, MemberState};
use super::programme::Programme;
use super::refusal::Reason;

/// A card with its membership, once it has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CardFile {
    /// The card.
    pub card: Card,
    /// Its member.
    pub member: Option<Member>,
}

impl CardFile {
    /// When the newest of its events, and its member's, holds from.
    pub fn newest_event_at(&self) -> Option<DateTime<Utc>> {
        let of_card = self.card.events.iter().map(|event| event.at);
        of_card.chain(self.member.as_ref().and_then(Member::newest_event_at)).max()
    }

    /// The instant at which the card is judged now: the newest of its events counts, whatever the clock says. A clock that
    /// was ahead when a card was suspended, and was put right since, makes no card valid again.
    pub fn judged_at(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        self.newest_event_at().map_or(now, |newest| newest.max(now))
    }

    /// The card's state under its membership's at an instant.
    pub fn state_at(&self, at: DateTime<Utc>, programme: &Programme) -> CardState {
        match &self.member {
            Some(member) => member.card_state_at(&self.card, at, programme),
            None => self.card.state_at(at),
        }
    }

    /// The card's state now, judged at [`Self::judged_at`].
    pub fn state_now(&self, now: DateTime<Utc>, programme: &Programme) -> CardState {
        self.state_at(self.judged_at(now), programme)
    }
}

/// What the programme says of the place where the card is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// On the programme's list and open.
    Open,
    /// Open to everyone at no charge (rule R16.5).
    Free,
    /// The service is suspended there (article 16).
    Suspended,
    /// Closed, or in maintenance (article 4.3(3)).
    Unavailable,
    /// Not on the list (article 4.1).
    OffNetwork,
}

/// Minutes for which a station may believe an answer that passes by itself.
pub const PASSING_ANSWER_MIN: i64 = 5;

/// How long a station may believe an answer: a passing refusal only for a short time, and that no card is
/// needed, because the card may be anyone's, or blocked.
pub fn cache_for(refusal: Option<Reason>, place: Place, accepted_for: TimeDelta) -> TimeDelta {
    let passes = refusal.is_some_and(Reason::is_passing) || place == Place::Free;
    if passes { TimeDelta::minutes(PASSING_ANSWER_MIN).min(accepted_for) } else { accepted_for }
}

impl Place {
    /// The same place for a connector that is, or is not, on the list.
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

/// What the ladder decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Why not; `None` is yes.
    pub refusal: Option<Reason>,
    /// The member whose card it is: cards of one member share it as their group (rule R4.2d).
    pub group: Option<MemberId>,
}

/// Judges a card now, as far as is known ([`CardFile::judged_at`]).
pub fn judge_now(
    file: Option<&CardFile>,
    now: DateTime<Utc>,
    place: Place,
    busy: bool,
    programme: &Programme,
) -> Verdict {
    judge(file, file.map_or(now, |file| file.judged_at(now)), place, busy, programme)
}

/// Judges a card at an instant. `busy` says whether another session of the card, open and not
/// stale, stands against it; it is known only where a transaction starts.
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
        // No card is needed, so none is refused.
        Place::Free => None,
        Place::Open | Place::Suspended | Place::Unavailable | Place::OffNetwork => {
            card().or(place.refusal()).or(busy.then_some(Reason::Concurrent))
        }
    };
    Verdict { refusal, group }
}

/// Rows 2 to 5 of the ladder: what the card itself decides.
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

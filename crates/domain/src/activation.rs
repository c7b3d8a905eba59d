//! The binding of cards to members: activation and replacement (articles 3.1, 3.8, 9.4).

use chrono::{DateTime, TimeDelta, Utc};

use super::card::{Card, CardEvent, CardState, Role, Suspension};
use super::member::{Member, MemberState};
use super::programme::Programme;
use super::refusal::Reason;

/// Wrong codes for one card within the window that lock its activation (rule R3.1d).
pub const CODE_FAILURES_PER_CARD: usize = 5;

/// Wrong codes of one member within the window that lock the member's activations.
pub const CODE_FAILURES_PER_MEMBER: usize = 10;

/// Hours of the window in which wrong codes are counted, and of the lock.
pub const CODE_WINDOW_HOURS: i64 = 24;

/// The end of the newest lock by wrong codes, which are given in order of time. `most` of them
/// within the window lock activation from the last of those on. `None`: they never did.
pub fn locked_until(failures: &[DateTime<Utc>], most: usize) -> Option<DateTime<Utc>> {
    let window = TimeDelta::hours(CODE_WINDOW_HOURS);
    let locking = failures.windows(most).filter_map(|run| Some((*run.first()?, *run.last()?)));
    locking.filter(|(first, last)| *last - *first < window).map(|(_, last)| last + window).max()
}

/// Whether a member may bind a card: it belongs to nobody, the code is right, and it was not mailed
/// to another member.
fn check_unbound(
    member: &Member,
    card: &Card,
    code_matches: bool,
    now: DateTime<Utc>,
) -> Result<(), Reason> {
    match card.state_at(now) {
        CardState::Dead(cause) => Err(cause.refusal()),
        CardState::Active | CardState::Suspended(_) => Err(Reason::BadCode),
        CardState::Stock | CardState::Mailed if !code_matches => Err(Reason::BadCode),
        CardState::Mailed if card.mailed_to() != Some(&member.id) => Err(Reason::BadCode),
        CardState::Stock | CardState::Mailed => Ok(()),
    }
}

/// Activates a card for a member (rules R3.1d, R9.1). `code_matches` says whether the entered code
/// is the card's own. A code works only once.
pub fn activate(
    member: &Member,
    card: &Card,
    role: Role,
    code_matches: bool,
    now: DateTime<Utc>,
    programme: &Programme,
) -> Result<CardEvent, Reason> {
    member.check_changeable(now, programme)?;
    check_unbound(member, card, code_matches, now)?;
    let is_active = member.state_at(now, programme) == MemberState::Active;
    match role {
        Role::Additional if !is_active => Err(Reason::NotActivated),
        // A primary card is activated once. The card that succeeds it comes by replacement, never
        // by activation.
        Role::Primary if is_active => Err(Reason::PrimaryExists),
        Role::Additional if member.live_card(Role::Additional, now, programme).is_some() => {
            Err(Reason::AdditionalLimit)
        }
        Role::Primary | Role::Additional => {
            Ok(CardEvent::Activated { member: member.id.clone(), role, replaces: None })
        }
    }
}

/// The events by which a replacement changes both cards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replacement {
    /// The event of the old card.
    pub old: CardEvent,
    /// The events of the new card, in order.
    pub new: Vec<CardEvent>,
}

/// Registers a new card in the place of a member's card (rules R3.8a and b). The new card takes
/// over the role and the operator's suspension, but not the suspension as lost.
pub fn replace(
    member: &Member,
    old: &Card,
    new: &Card,
    code_matches: bool,
    now: DateTime<Utc>,
    programme: &Programme,
) -> Result<Replacement, Reason> {
    member.check_changeable(now, programme)?;
    let state = member.card_state_at(old, now, programme);
    let Some(holder) = old.holder().filter(|holder| holder.member == member.id && state.is_live())
    else {
        return Err(match state {
            CardState::Dead(cause) => cause.refusal(),
            _ => Reason::NotActivated,
        });
    };
    check_unbound(member, new, code_matches, now)?;
    let mut events = vec![CardEvent::Activated {
        member: member.id.clone(),
        role: holder.role,
        replaces: Some(old.number.clone()),
    }];
    if matches!(old.state_at(now), CardState::Suspended(reasons) if reasons.contains(&Suspension::Operator))
    {
        events.push(CardEvent::Suspended(Suspension::Operator));
    }
    Ok(Replacement { old: CardEvent::Replaced { by: new.number.clone() }, new: events })
}

/// Requests a replacement of a live card (article 3.8). No state changes and no fee arises.
pub fn request_reissue(state: &CardState) -> Result<CardEvent, Reason> {
    match state {
        CardState::Active | CardState::Suspended(_) => Ok(CardEvent::ReissueRequested),
        CardState::Stock | CardState::Mailed => Err(Reason::NotActivated),
        CardState::Dead(cause) => Err(cause.refusal()),
    }
}

/// Whether a member may request an additional card by post (rule R9.1). A member may have, or wait
/// for, only one.
pub fn check_additional_request(
    member: &Member,
    now: DateTime<Utc>,
    programme: &Programme,
) -> Result<(), Reason> {
    member.check_changeable(now, programme)?;
    if member.state_at(now, programme) != MemberState::Active {
        return Err(Reason::NotActivated);
    }
    if member.live_card(Role::Additional, now, programme).is_some()
        || member.awaits_additional_at(now)
    {
        return Err(Reason::AdditionalLimit);
    }
    Ok(())
}

#[cfg(test)]
#[path = "activation_tests.rs"]
mod tests;

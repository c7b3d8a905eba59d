//! Binding cards to members: activation and replacement (articles 3.1, 3.8, 9.4).

use chrono::{DateTime, TimeDelta, Utc};

use super::card::{Card, CardEvent, CardState, Role, Suspension};
use super::member::{Member, MemberState};
use super::programme::Programme;
use super::refusal::Reason;

/// Wrong codes for one card within the window that lock activation (rule R3.1d).
pub const CODE_FAILURES_PER_CARD: usize = 5;

/// Wrong codes of one member within the window that lock activation.
pub const CODE_FAILURES_PER_MEMBER: usize = 10;

/// The window, and how long activation is locked, in hours.
pub const CODE_WINDOW_HOURS: i64 = 24;

/// The first instant at which activation is not locked any more by these failures, in order of time:
/// `most` of them within the window lock it for as long from the last of those. `None`: they never did.
pub fn locked_until(failures: &[DateTime<Utc>], most: usize) -> Option<DateTime<Utc>> {
    let window = TimeDelta::hours(CODE_WINDOW_HOURS);
    let locking = failures.windows(most).filter_map(|run| Some((*run.first()?, *run.last()?)));
    locking.filter(|(first, last)| *last - *first < window).map(|(_, last)| last + window).max()
}

/// Whether a card can be bound: nobody's, its code told, and not on its way to someone else.
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

/// Activates a card for a member (rules R3.1d, R9.1). `code_matches` says whether the code entered is the
/// card's own; a code is spent by its activation.
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
        // A primary card is lent once; its successor comes by replacement, never by activation.
        Role::Primary if is_active => Err(Reason::PrimaryExists),
        Role::Additional if member.live_card(Role::Additional, now, programme).is_some() => {
            Err(Reason::AdditionalLimit)
        }
        Role::Primary | Role::Additional => {
            Ok(CardEvent::Activated { member: member.id.clone(), role, replaces: None })
        }
    }
}

/// What registering a replacement does to both cards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replacement {
    /// To the old card.
    pub old: CardEvent,
    /// To the new one, in order.
    pub new: Vec<CardEvent>,
}

/// Registers a new card in the place of a member's card (rules R3.8a and b). The new card takes over the
/// role; `Lost` is left behind, the operator's suspension is not.
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

/// Asks for a new card in the place of a live one (article 3.8): no state changes, no fee arises.
pub fn request_reissue(state: &CardState) -> Result<CardEvent, Reason> {
    match state {
        CardState::Active | CardState::Suspended(_) => Ok(CardEvent::ReissueRequested),
        CardState::Stock | CardState::Mailed => Err(Reason::NotActivated),
        CardState::Dead(cause) => Err(cause.refusal()),
    }
}

/// Whether a member may ask for an additional card by post (rule R9.1): one at a time.
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
mod tests {
    use super::super::card::DeadCause;
    use super::super::card::tests::{activated, at, card};
    use super::super::member::tests::member;
    use super::*;

    const ADMITTED: &str = "2024-04-03T03:00:00Z";

    fn primary() -> Card {
        card("C1", &[("2024-04-10T00:00:00Z", activated(Role::Primary))])
    }

    #[test]
    fn activation_refuses_in_the_order_of_the_rule() {
        let live_additional = card("C2", &[("2024-04-11T00:00:00Z", activated(Role::Additional))]);
        let dead_additional = card(
            "C2",
            &[
                ("2024-04-11T00:00:00Z", activated(Role::Additional)),
                ("2024-04-12T00:00:00Z", CardEvent::Deactivated),
            ],
        );
        let stock = card("C3", &[]);
        let now = at("2024-05-01T00:00:00Z");
        let fresh = member(ADMITTED, "simple", vec![]);
        let active = member(ADMITTED, "simple", vec![primary()]);
        let with_additional = member(ADMITTED, "simple", vec![primary(), live_additional]);
        let after_deactivation =
            member(ADMITTED, "simple", vec![primary(), dead_additional.clone()]);
        let programme = Programme::default();

        let refused = |member: &Member, card: &Card, role, code, now| {
            activate(member, card, role, code, now, &programme).unwrap_err()
        };
        assert_eq!(refused(&fresh, &stock, Role::Primary, false, now), Reason::BadCode);
        assert_eq!(refused(&fresh, &stock, Role::Additional, true, now), Reason::NotActivated);
        assert_eq!(
            refused(&fresh, &stock, Role::Primary, true, at("2024-07-01T00:00:00Z")),
            Reason::NotActivated
        );
        assert_eq!(refused(&active, &stock, Role::Primary, true, now), Reason::PrimaryExists);
        assert_eq!(refused(&active, &primary(), Role::Additional, true, now), Reason::BadCode);
        assert_eq!(
            refused(&with_additional, &stock, Role::Additional, true, now),
            Reason::AdditionalLimit
        );
        assert_eq!(
            refused(&after_deactivation, &dead_additional, Role::Additional, true, now),
            Reason::DeadCard
        );
        assert!(activate(&fresh, &stock, Role::Primary, true, now, &programme).is_ok());
        assert!(activate(&active, &stock, Role::Additional, true, now, &programme).is_ok());
        assert!(
            activate(&after_deactivation, &stock, Role::Additional, true, now, &programme).is_ok()
        );
    }

    #[test]
    fn failures_lock_for_a_day_from_the_one_that_is_too_many() {
        let fails = |hours: &[i64]| -> Vec<DateTime<Utc>> {
            hours.iter().map(|hour| at("2024-05-01T00:00:00Z") + TimeDelta::hours(*hour)).collect()
        };
        assert_eq!(locked_until(&fails(&[0, 1, 2, 3]), CODE_FAILURES_PER_CARD), None);
        assert_eq!(
            locked_until(&fails(&[0, 1, 2, 3, 20]), CODE_FAILURES_PER_CARD),
            Some(at("2024-05-02T20:00:00Z"))
        );
        assert_eq!(locked_until(&fails(&[0, 1, 2, 3, 24]), CODE_FAILURES_PER_CARD), None);
    }

    #[test]
    fn a_card_sent_to_another_member_is_not_this_members() {
        let mailed = |to: &str| {
            card(
                "C3",
                &[(
                    ADMITTED,
                    CardEvent::Mailed { member: crate::ids::MemberId::parse(to).unwrap() },
                )],
            )
        };
        let fresh = member(ADMITTED, "simple", vec![]);
        let now = at("2024-05-01T00:00:00Z");
        let programme = Programme::default();
        assert_eq!(
            activate(&fresh, &mailed("M-2"), Role::Primary, true, now, &programme),
            Err(Reason::BadCode)
        );
        assert!(activate(&fresh, &mailed("M-1"), Role::Primary, true, now, &programme).is_ok());
    }

    #[test]
    fn w7_a_replacement_kills_the_old_card_and_takes_its_role_without_the_loss() {
        let lost = card(
            "C1",
            &[
                ("2024-04-10T00:00:00Z", activated(Role::Primary)),
                ("2024-05-07T00:00:00Z", CardEvent::Suspended(Suspension::Lost)),
            ],
        );
        let member = member(ADMITTED, "simple", vec![lost.clone()]);
        let now = at("2024-05-21T07:00:00Z");
        let done =
            replace(&member, &lost, &card("C9", &[]), true, now, &Programme::default()).unwrap();
        let [CardEvent::Activated { role: Role::Primary, replaces: Some(old), .. }] =
            done.new.as_slice()
        else {
            panic!("{done:?}")
        };
        assert_eq!(old.as_str(), "C1");
        assert_eq!(
            replace(&member, &lost, &card("C9", &[]), false, now, &Programme::default()),
            Err(Reason::BadCode)
        );
    }

    #[test]
    fn the_operators_suspension_goes_over_to_the_new_card_and_a_dead_card_has_no_successor() {
        let held = card(
            "C1",
            &[
                ("2024-04-10T00:00:00Z", activated(Role::Primary)),
                ("2024-05-07T00:00:00Z", CardEvent::Suspended(Suspension::Operator)),
            ],
        );
        let member = member(ADMITTED, "simple", vec![held.clone()]);
        let now = at("2024-05-21T07:00:00Z");
        let done =
            replace(&member, &held, &card("C9", &[]), true, now, &Programme::default()).unwrap();
        assert_eq!(done.new[1], CardEvent::Suspended(Suspension::Operator));
        let mut dead = held;
        dead.events.push(super::super::card::Dated {
            seq: 9,
            at: at("2024-05-10T00:00:00Z"),
            event: done.old,
        });
        assert_eq!(dead.state_at(now), CardState::Dead(DeadCause::Replaced));
        assert_eq!(
            replace(&member, &dead, &card("C9", &[]), true, now, &Programme::default()),
            Err(Reason::DeadReplaced)
        );
    }
}

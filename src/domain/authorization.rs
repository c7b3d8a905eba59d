//! May this card charge here, now? The ladder of rule R4.2: single checks, the first that matches
//! decides. An exhausted allowance, the plan and arrears are never a reason (rule R4.2b).

use chrono::{DateTime, Utc};

use super::card::{Card, CardState, DeadCause, Suspension};
use super::ids::MemberId;
use super::member::{Member, MemberState};
use super::refusal::Reason;

/// A card with its membership, once it has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CardFile {
    /// The card.
    pub card: Card,
    /// Its member.
    pub member: Option<Member>,
}

/// Whether the place where the card is shown may deliver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// On the programme's list and open.
    Open,
    /// Not on the list (article 4.1).
    OffNetwork,
}

/// What the ladder decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Why not; `None` is yes.
    pub refusal: Option<Reason>,
    /// The member whose card it is: cards of one member share it as their group (rule R4.2d).
    pub group: Option<MemberId>,
}

impl Verdict {
    /// Whether the card may charge.
    pub const fn is_accepted(&self) -> bool {
        self.refusal.is_none()
    }
}

/// Judges a card at an instant. `busy` says whether another session of the card, open and not
/// stale, stands against it; it is known only where a transaction starts.
pub fn judge(file: Option<&CardFile>, at: DateTime<Utc>, place: Place, busy: bool) -> Verdict {
    let group = file.and_then(|file| file.member.as_ref()).map(|member| member.id.clone());
    let refusal = card_refusal(file, at)
        .or(match place {
            Place::Open => None,
            Place::OffNetwork => Some(Reason::OffNetwork),
        })
        .or(busy.then_some(Reason::Concurrent));
    Verdict { refusal, group }
}

/// Rows 1 to 5 of the ladder: what the card itself decides.
fn card_refusal(file: Option<&CardFile>, at: DateTime<Utc>) -> Option<Reason> {
    let Some(file) = file else {
        return Some(Reason::UnknownCard);
    };
    match file.card.state_at(at) {
        CardState::Stock => Some(Reason::NotActivated),
        CardState::Dead(DeadCause::Replaced) => Some(Reason::Replaced),
        CardState::Dead(DeadCause::Deactivated) => Some(Reason::Deactivated),
        CardState::Dead(DeadCause::MembershipEnded) => Some(Reason::MembershipEnded),
        CardState::Dead(DeadCause::ServiceEnded) => Some(Reason::ServiceEnded),
        CardState::Suspended(reasons) if reasons.contains(&Suspension::Operator) => Some(Reason::SuspendedOperator),
        CardState::Suspended(_) => Some(Reason::SuspendedLost),
        CardState::Active => match file.member.as_ref().map(|member| member.state_at(at)) {
            Some(MemberState::Active) => None,
            Some(MemberState::Admitted | MemberState::Lapsed) | None => Some(Reason::NotActivated),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::super::card::tests::{activated, at, card};
    use super::super::card::{CardEvent, Role};
    use super::super::member::tests::member;
    use super::*;

    fn file(events: &[(&str, CardEvent)]) -> CardFile {
        let card = card("C1", events);
        let member = card.holder().map(|_| member("2024-04-03T03:00:00Z", "simple", vec![card.clone()]));
        CardFile { card, member }
    }

    fn refusal(file: Option<&CardFile>, when: &str, place: Place, busy: bool) -> Option<&'static str> {
        judge(file, at(when), place, busy).refusal.map(Reason::code)
    }

    #[test]
    fn each_row_of_the_ladder_refuses_for_its_own_reason_and_stands_above_the_next() {
        use CardEvent::{Deactivated, Suspended};
        let start = ("2024-04-10T00:00:00Z", activated(Role::Primary));
        let add = ("2024-04-10T00:00:00Z", activated(Role::Additional));
        let lost = ("2024-04-11T00:00:00Z", Suspended(Suspension::Lost));
        let held = ("2024-04-11T00:00:00Z", Suspended(Suspension::Operator));
        let gone = ("2024-04-12T00:00:00Z", Deactivated);
        let now = "2024-05-01T00:00:00Z";
        // Every lower row's condition holds too, so that only the order can give the answer.
        let rows: &[(&str, Option<CardFile>)] = &[
            ("unknown_card", None),
            ("not_activated", Some(file(&[]))),
            ("deactivated", Some(file(&[add, lost.clone(), gone]))),
            ("suspended_operator", Some(file(&[start.clone(), lost.clone(), held]))),
            ("suspended_lost", Some(file(&[start.clone(), lost]))),
        ];
        for (code, file) in rows {
            assert_eq!(refusal(file.as_ref(), now, Place::OffNetwork, true), Some(*code));
        }
        let good = file(&[start]);
        assert_eq!(refusal(Some(&good), now, Place::OffNetwork, true), Some("off_network"));
        assert_eq!(refusal(Some(&good), now, Place::Open, true), Some("concurrent"));
        assert_eq!(refusal(Some(&good), now, Place::Open, false), None);
    }

    #[test]
    fn w1_a_card_is_valid_from_the_instant_of_its_activation() {
        let card = file(&[("2024-04-10T00:00:00Z", activated(Role::Primary))]);
        assert_eq!(refusal(Some(&card), "2024-04-09T23:59:59Z", Place::Open, false), Some("not_activated"));
        assert_eq!(refusal(Some(&card), "2024-04-10T00:00:00Z", Place::Open, false), None);
    }

    #[test]
    fn w5_a_lost_card_is_refused_from_the_instant_of_its_suspension_to_that_of_its_return() {
        let card = file(&[
            ("2024-04-10T00:00:00Z", activated(Role::Primary)),
            ("2024-05-07T01:15:00Z", CardEvent::Suspended(Suspension::Lost)),
            ("2024-05-19T23:00:00Z", CardEvent::Resumed(Suspension::Lost)),
        ]);
        for (when, expected) in [
            ("2024-05-07T01:14:59Z", None),
            ("2024-05-07T01:15:00Z", Some("suspended_lost")),
            ("2024-05-19T22:59:59Z", Some("suspended_lost")),
            ("2024-05-19T23:00:00Z", None),
        ] {
            assert_eq!(refusal(Some(&card), when, Place::Open, false), expected, "{when}");
        }
    }
}

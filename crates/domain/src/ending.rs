//! The end of a membership (articles 6.3, 13, 18): by withdrawal, by the operator, or with the
//! service.

use chrono::{DateTime, Months, NaiveDate, TimeDelta, Utc};

use super::card::DeadCause;
use super::member::{Member, MemberEvent, MemberState};
use super::month::BillingMonth;
use super::programme::Programme;
use super::refusal::Reason;

/// Months after the month of the end for which the member can still see usage and bills (rule
/// R13.7).
pub const VIEW_MONTHS: i32 = 15;

/// The most days by which the operator may set an end in advance.
pub const END_AHEAD_DAYS: i64 = 366;

/// The numbers of the grounds of article 13.1.
pub const GROUNDS: std::ops::RangeInclusive<u8> = 1..=7;

/// An end that the operator set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disqualification {
    /// The number of the ground in article 13.1, 1 to 7.
    pub ground: u8,
    /// The time at which the operator came to know of the ground. Fees run to the end of that month
    /// (article 6.3).
    pub known_at: DateTime<Utc>,
    /// The first instant at which the membership is over.
    pub effective_at: DateTime<Utc>,
}

/// The cause of a membership's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndCause {
    /// The member withdrew.
    Withdrawn,
    /// The operator ended the membership.
    Disqualified,
    /// The service ended.
    ServiceEnded,
}

impl EndCause {
    /// The reason of its cards' death.
    pub const fn dead_cause(self) -> DeadCause {
        match self {
            Self::Withdrawn | Self::Disqualified => DeadCause::MembershipEnded,
            Self::ServiceEnded => DeadCause::ServiceEnded,
        }
    }
}

named!(
    EndCause,
    Withdrawn = "withdrawn",
    Disqualified = "disqualified",
    ServiceEnded = "service_ended"
);

/// The end of a membership.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    /// The cause of the end.
    pub cause: EndCause,
    /// The first instant at which the membership is over.
    pub at: DateTime<Utc>,
    /// The last month with a base fee (rule R6.0).
    pub last_fee_month: BillingMonth,
}

impl Member {
    /// The membership's end, past or future: the earliest one if there are several.
    pub fn end(&self, programme: &Programme) -> Option<End> {
        let own = self.events.iter().filter_map(|dated| match &dated.event {
            MemberEvent::Withdrawn => Some(End {
                cause: EndCause::Withdrawn,
                at: dated.at,
                last_fee_month: BillingMonth::of(dated.at),
            }),
            // An end that the operator enters takes effect at its entry at the earliest (convention
            // C3).
            MemberEvent::Disqualified(it) => Some(End {
                cause: EndCause::Disqualified,
                at: it.effective_at.max(dated.at),
                last_fee_month: BillingMonth::of(it.known_at),
            }),
            _ => None,
        });
        let with_service = programme.service_ends_at.map(|at| End {
            cause: EndCause::ServiceEnded,
            at,
            last_fee_month: BillingMonth::of(at - TimeDelta::milliseconds(1)),
        });
        own.chain(with_service).min_by_key(|end| end.at)
    }

    /// The disqualification that the operator has entered, if any.
    pub fn disqualification(&self) -> Option<Disqualification> {
        self.events.iter().find_map(|dated| match &dated.event {
            MemberEvent::Disqualified(it) => Some(*it),
            _ => None,
        })
    }

    /// The first instant at which the member can no longer see usage and bills (rule R13.7); `None`
    /// if the membership has no end.
    pub fn viewable_until(&self, programme: &Programme) -> Option<DateTime<Utc>> {
        self.end(programme).map(|end| BillingMonth::of(end.at).plus(VIEW_MONTHS).end())
    }

    /// The first instant at which the member may withdraw: the beginning of the month after the
    /// service's start (article 13.5).
    pub fn may_withdraw_from(&self) -> Option<DateTime<Utc>> {
        self.service_start().map(|start| BillingMonth::of(start).end())
    }
}

/// Refuses if the operator has set the membership's end: that end stands (rules R13.1, R13.2).
pub fn check_no_ground(member: &Member) -> Result<(), Reason> {
    member.disqualification().map_or(Ok(()), |_| Err(Reason::GroundKnown))
}

/// Sets or lifts the hold of all of a member's cards (article 14.2). `None`: nothing changes.
pub fn hold(
    member: &Member,
    held: bool,
    now: DateTime<Utc>,
    programme: &Programme,
) -> Result<Option<MemberEvent>, Reason> {
    member.check_changeable(now, programme)?;
    if !held {
        check_no_ground(member)?;
    }
    let event = if held { MemberEvent::HoldSet } else { MemberEvent::HoldLifted };
    Ok((member.is_held_at(now) != held).then_some(event))
}

/// Ends the membership by withdrawal (article 13.5; rules R13.5a and b). A withdrawal takes effect
/// at once and cannot be dated otherwise.
pub fn withdraw(
    member: &Member,
    now: DateTime<Utc>,
    programme: &Programme,
) -> Result<MemberEvent, Reason> {
    member.check_changeable(now, programme)?;
    check_no_ground(member)?;
    match member.may_withdraw_from() {
        Some(from) if member.state_at(now, programme) == MemberState::Active => {
            if now < from {
                Err(Reason::TooEarly)
            } else {
                Ok(MemberEvent::Withdrawn)
            }
        }
        _ => Err(Reason::NotActivated),
    }
}

/// The reason why a disqualification cannot be entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoEnd {
    /// A rule refuses, for this reason.
    Refused(Reason),
    /// The ground became known in the future, or before the admission.
    KnownAt,
    /// The end lies before the ground became known, or too far in the future.
    EffectiveAt,
}

/// Enters a disqualification (rule R13.1).
pub fn disqualify(
    member: &Member,
    it: Disqualification,
    now: DateTime<Utc>,
    programme: &Programme,
) -> Result<MemberEvent, NoEnd> {
    member
        .check_changeable(now, programme)
        .and_then(|()| check_no_ground(member))
        .map_err(NoEnd::Refused)?;
    if it.known_at > now || member.admitted_at.is_none_or(|admitted| it.known_at < admitted) {
        return Err(NoEnd::KnownAt);
    }
    if it.effective_at < it.known_at || it.effective_at > now + TimeDelta::days(END_AHEAD_DAYS) {
        return Err(NoEnd::EffectiveAt);
    }
    Ok(MemberEvent::Disqualified(it))
}

/// The instant up to which paid fees count for the limit of the operator's liability (article
/// 23.2). It is the end of the month in which twelve months since the contract day are complete.
pub fn liability_until(contracted: NaiveDate) -> DateTime<Utc> {
    let year_later = contracted.checked_add_months(Months::new(12)).unwrap_or(contracted);
    BillingMonth::of(super::month::japan_midnight(year_later)).end()
}

#[cfg(test)]
#[path = "ending_tests.rs"]
mod tests;

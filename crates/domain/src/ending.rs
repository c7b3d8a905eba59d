//! The end of a membership (articles 6.3, 13, 18): by the member, by the operator, or with the service.

use chrono::{DateTime, Months, NaiveDate, TimeDelta, Utc};

use super::card::DeadCause;
use super::member::{Member, MemberEvent, MemberState};
use super::month::BillingMonth;
use super::programme::Programme;
use super::refusal::Reason;

/// Months after the month of the end in which usage and bills can still be seen (rule R13.7).
pub const VIEW_MONTHS: i32 = 15;

/// How many days ahead the operator may set an end at most.
pub const END_AHEAD_DAYS: i64 = 366;

/// The numbers of the grounds of article 13.1.
pub const GROUNDS: std::ops::RangeInclusive<u8> = 1..=7;

/// An end that the operator set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disqualification {
    /// Which ground of article 13.1, 1 to 7.
    pub ground: u8,
    /// When the operator came to know of it: fees run to the end of that month (article 6.3).
    pub known_at: DateTime<Utc>,
    /// From when the membership is over.
    pub effective_at: DateTime<Utc>,
}

/// How a membership ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndCause {
    /// The member left.
    Withdrawn,
    /// The operator ended it.
    Disqualified,
    /// The service ended.
    ServiceEnded,
}

impl EndCause {
    /// What its cards died of.
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
    /// How.
    pub cause: EndCause,
    /// The first instant without service.
    pub at: DateTime<Utc>,
    /// The last month with a base fee (rule R6.0).
    pub last_fee_month: BillingMonth,
}

impl Member {
    /// Its end, past or to come: the first of those that it has.
    pub fn end(&self, programme: &Programme) -> Option<End> {
        let own = self.events.iter().filter_map(|dated| match &dated.event {
            MemberEvent::Withdrawn => Some(End {
                cause: EndCause::Withdrawn,
                at: dated.at,
                last_fee_month: BillingMonth::of(dated.at),
            }),
            // What the operator enters holds from its entry at the earliest (convention C3).
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

    /// The ground for which it is or will be ended by the operator.
    pub fn disqualification(&self) -> Option<Disqualification> {
        self.events.iter().find_map(|dated| match &dated.event {
            MemberEvent::Disqualified(it) => Some(*it),
            _ => None,
        })
    }

    /// The first instant at which its usage and bills can no longer be seen by the member (rule R13.7);
    /// `None` while it has no end.
    pub fn viewable_until(&self, programme: &Programme) -> Option<DateTime<Utc>> {
        self.end(programme).map(|end| BillingMonth::of(end.at).plus(VIEW_MONTHS).end())
    }

    /// The first instant at which it may withdraw: the month after that of the service's start (article
    /// 13.5).
    pub fn may_withdraw_from(&self) -> Option<DateTime<Utc>> {
        self.service_start().map(|start| BillingMonth::of(start).end())
    }
}

/// Whether the operator has not set the membership's end: once it has, that end stands (rules R13.1, R13.2).
pub fn check_no_ground(member: &Member) -> Result<(), Reason> {
    member.disqualification().map_or(Ok(()), |_| Err(Reason::GroundKnown))
}

/// Holds all of a member's cards, or lifts that (article 14.2). `None`: nothing changes.
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

/// Withdraws (article 13.5; rules R13.5a and b): complete at once, never before or after.
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

/// Why a disqualification cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoEnd {
    /// A rule refuses.
    Refused(Reason),
    /// The ground is known only later than now, or before the membership.
    KnownAt,
    /// The end lies before the ground was known, or too far ahead.
    EffectiveAt,
}

/// Sets the end of a membership for a ground (rule R13.1).
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

/// The instant up to which paid fees count for the limit of the operator's liability (article 23.2). It is the end of the
/// month in which twelve months since the contract day are complete.
pub fn liability_until(contracted: NaiveDate) -> DateTime<Utc> {
    let year_later = contracted.checked_add_months(Months::new(12)).unwrap_or(contracted);
    BillingMonth::of(super::month::japan_midnight(year_later)).end()
}

#[cfg(test)]
#[path = "ending_tests.rs"]
mod tests;

//! A session: one transaction from its start to its stop, with a flag for every doubt.
//!
//! [`react`] is its state machine: the reaction to each message in each phase. [`super::recording`]
//! opens, measures and closes it. [`Session::billing_state`] decides whether it is billed.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};

use super::authorization;
use super::correction::{self, Correction, Reduction};
use super::flag::{Flag, FlagEffect};
use super::ids::{CardNumber, IdTag, MemberId, SessionId, SessionRef, StationId};
use super::member::Member;
use super::metering;
use super::month::BillingMonth;
use super::over::Trail;
use super::programme::Programme;
use super::refusal::Reason;
use super::station::ConnectorSite;
use super::units::WattHours;

/// A session whose start is received more than this many days after it happened is held for review
/// (rule B4).
pub const LATE_ARRIVAL_DAYS: i64 = 60;

/// A session longer than this many hours is held for review (rule B4).
pub const LONG_SESSION_HOURS: i64 = 24;

/// Minutes past the site's limit after which a running session no longer keeps its card busy,
/// whether the station is online or not (rule B6).
pub const STALE_AFTER_CAP_MIN: i64 = 15;

/// Hours after the station went offline from which a running session without a site limit no longer
/// keeps its card busy.
pub const STALE_OFFLINE_HOURS: i64 = 24;

/// The phase of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The session has started and has no end.
    Running,
    /// The session's end is estimated or guessed. The station's own stop replaces it.
    Provisional,
    /// The session has been stopped.
    Stopped,
}

/// A further message about a known session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionMessage {
    /// The session's start again.
    SameStart,
    /// The first stop, or the applied one again.
    Stop,
    /// A stop with other content than the applied one.
    OtherStop,
    /// Meter values of the session.
    Readings,
}

/// The effect of a message on a session. Every message is answered and kept in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reaction {
    /// The first start's answer is sent again.
    ReplayStart,
    /// The stop is applied: the session ends.
    Close,
    /// The first stop's answer is sent again.
    ReplayStop,
    /// The message is kept as evidence and flagged, and never applied.
    KeepAsEvidence,
    /// The readings are added. Readings do not reopen a stopped session.
    AddReadings,
}

/// The session's state machine: the reaction to a message in a phase.
pub const fn react(phase: Phase, message: SessionMessage) -> Reaction {
    match (phase, message) {
        (Phase::Running | Phase::Provisional | Phase::Stopped, SessionMessage::SameStart) => {
            Reaction::ReplayStart
        }
        (Phase::Running, SessionMessage::Stop)
        | (Phase::Running | Phase::Provisional, SessionMessage::OtherStop) => Reaction::Close,
        (Phase::Provisional | Phase::Stopped, SessionMessage::Stop) => Reaction::ReplayStop,
        (Phase::Stopped, SessionMessage::OtherStop) => Reaction::KeepAsEvidence,
        (Phase::Running | Phase::Provisional | Phase::Stopped, SessionMessage::Readings) => {
            Reaction::AddReadings
        }
    }
}

/// The billing state of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum BillingState {
    /// The session is still running.
    Open,
    /// The session is measured and billed.
    Ended,
    /// The session is measured, and held until a person decides.
    Review,
    /// The session started on a card that was not authorized.
    Exception,
    /// The session cannot be measured or attributed.
    Quarantined,
    /// A person decided not to bill the session.
    Waived,
}

impl BillingState {
    /// Every state.
    pub const ALL: [Self; 6] =
        [Self::Open, Self::Ended, Self::Review, Self::Exception, Self::Quarantined, Self::Waived];

    /// The name that the API spells.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Ended => "ended",
            Self::Review => "review",
            Self::Exception => "exception",
            Self::Quarantined => "quarantined",
            Self::Waived => "waived",
        }
    }

    /// Reads what [`Self::name`] prints.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == text)
    }
}

/// A person's decision about a held session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// The session is billed as measured.
    Bill,
    /// The session is not billed.
    Waive,
}

impl Decision {
    /// `bill` or `waive`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bill => "bill",
            Self::Waive => "waive",
        }
    }

    /// Reads what [`Self::name`] prints.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Bill, Self::Waive].into_iter().find(|decision| decision.name() == text)
    }
}

/// The start or the end of a session: the reported, the received and the billed time, and the
/// register.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edge {
    /// The reported time, as the station sent it.
    pub reported: String,
    /// The instant that the reported time names, if it names one.
    pub said: Option<DateTime<Utc>>,
    /// The received time, by the server's clock.
    pub received_at: DateTime<Utc>,
    /// The billed time.
    pub at: DateTime<Utc>,
    /// The meter's register.
    pub meter: Option<WattHours>,
}

/// The basis on which a session's end is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopBasis {
    /// The station's own stop of this session, or a person's correction.
    Told,
    /// A stop that named no transaction of ours and was guessed to be this session's (rule B8).
    Guessed,
    /// An estimate, by evidence that the session is over (rule B9).
    Estimated,
}

named!(StopBasis, Told = "told", Guessed = "guessed", Estimated = "estimated");

/// The end of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stop {
    /// The times and the register of the end.
    pub edge: Edge,
    /// The reason of the stop, as the station names it.
    pub reason: String,
    /// The id tag of the card that stopped the session, if one did.
    pub id_tag: Option<IdTag>,
    /// The energy delivered, if known.
    pub energy: Option<WattHours>,
    /// The basis of this end.
    pub basis: StopBasis,
}

/// A session with all facts that the rules use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// The session's number, which is also the transaction id in OCPP 1.6.
    pub id: SessionId,
    /// The session's name for people, bills and exports.
    pub reference: SessionRef,
    /// The `transactionId` that the station gave the transaction, in OCPP 2.0.1.
    pub transaction: Option<String>,
    /// The station that reported the session.
    pub station_id: StationId,
    /// The charging site where the station stood when the session started.
    pub site_name: String,
    /// The connector's number as the station sent it. Real stations also send 0 and negative
    /// numbers.
    pub connector_id: i64,
    /// The connector's site data when the session started; `None`: it was not in the station's
    /// record.
    pub site: Option<ConnectorSite>,
    /// The time at which the card was shown, if that was after the session's start. The card is
    /// judged at this time.
    pub shown_at: Option<DateTime<Utc>>,
    /// The id tag as the station sent it. The card that starts a session pays for it.
    pub id_tag: IdTag,
    /// The programme's card with this id tag, if there is one.
    pub card: Option<CardNumber>,
    /// The card's member, if it has one.
    pub member: Option<MemberId>,
    /// The reason why the card was not authorized at the start, by what was known when the start
    /// was received. [`Session::standing`] judges the start by what is known now.
    pub refusal: Option<Reason>,
    /// The start of the session.
    pub start: Edge,
    /// The end of the session, once there is one.
    pub stop: Option<Stop>,
    /// The highest register that the session's meter values showed.
    pub last_reading: Option<WattHours>,
    /// The session's flags, except [`Flag::Overlap`], which depends on other sessions.
    pub flags: BTreeSet<Flag>,
    /// A person's decision to bill or waive the session.
    pub decision: Option<Decision>,
    /// A person's reduction of the session's price.
    pub reduction: Option<Reduction>,
    /// Whether a person assigned the session to its card. An assigned session counts as authorized.
    pub is_assigned: bool,
    /// Further facts about the session, on which its bill does not rest directly.
    pub trail: Trail,
    /// The corrections that persons made, in order. See [`Session::corrected`].
    pub corrections: Vec<Correction>,
}

/// The standing of a session by the histories of its member and the programme as known now,
/// whenever its messages came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Standing {
    /// The reason why the session's card was not authorized at the start.
    pub refusal: Option<Reason>,
    /// Whether another session of the card overlaps the session.
    pub overlaps: bool,
    /// Whether the charger was open to everyone at no charge (rule R16.5).
    pub free: bool,
    /// Whether the session lies before the month in which the member's service started. No bill of
    /// that month exists.
    pub before_service: bool,
}

impl Session {
    /// The session's flags as known now. Two of them depend on other histories, so they follow the
    /// standing instead of the record (convention C4).
    pub fn flags_by(&self, standing: Standing) -> Vec<Flag> {
        let refused =
            standing.refusal.is_some_and(|reason| reason != Reason::UnknownCard) && !standing.free;
        let of_histories = [(refused, Flag::NotAuthorized), (standing.overlaps, Flag::Overlap)];
        self.flags
            .iter()
            .copied()
            .filter(|flag| !matches!(flag, Flag::NotAuthorized | Flag::Overlap))
            .chain(of_histories.into_iter().filter_map(|(stands, flag)| stands.then_some(flag)))
            .collect()
    }

    /// Judges the session's start by the histories as known now (convention C4).
    pub fn standing(
        &self,
        member: Option<&Member>,
        overlaps: bool,
        programme: &Programme,
    ) -> Standing {
        let card = member
            .zip(self.card.as_ref())
            .and_then(|(member, number)| Some((member, member.card(number)?)));
        let refusal = match card {
            None => self.refusal,
            Some(_) if self.is_assigned => None,
            Some((member, card)) => {
                // A refusal for the place stays as it was known when the start was received.
                let of_place = || {
                    self.refusal.filter(|reason| {
                        matches!(reason, Reason::ServiceSuspended | Reason::OffNetwork)
                    })
                };
                authorization::card_refusal(
                    card,
                    Some(member),
                    self.shown_at.unwrap_or(self.start.at),
                    programme,
                )
                .or_else(of_place)
            }
        };
        let free = programme.is_free(&self.site_name, self.start.at);
        Standing {
            refusal,
            overlaps,
            free,
            before_service: member
                .is_some_and(|member| correction::is_before_service(self, member)),
        }
    }

    /// The session's phase.
    pub const fn phase(&self) -> Phase {
        match self.stop {
            None => Phase::Running,
            Some(Stop { basis: StopBasis::Guessed | StopBasis::Estimated, .. }) => {
                Phase::Provisional
            }
            Some(_) => Phase::Stopped,
        }
    }

    /// The session's usage month: the month in Japan in which it started, for the whole session
    /// (article 6.2).
    pub fn month(&self) -> BillingMonth {
        BillingMonth::of(self.start.at)
    }

    /// The session's whole duration, once it has ended.
    pub fn duration(&self) -> Option<TimeDelta> {
        self.stop.as_ref().map(|stop| stop.edge.at - self.start.at)
    }

    /// The session's units, for units of this length in seconds.
    pub fn units(&self, unit_s: i64) -> i64 {
        match (&self.stop, self.duration()) {
            (Some(stop), Some(duration)) => metering::units(duration, stop.energy, unit_s),
            (None, _) | (_, None) => 0,
        }
    }

    /// The session's billing state.
    pub fn billing_state(&self, standing: Standing) -> BillingState {
        let counts = |flag: &&Flag| match flag {
            // The standing judges this anew.
            Flag::NotAuthorized => false,
            // A free opening needs no card.
            Flag::UnknownCard | Flag::NoCard => !standing.free,
            _ => true,
        };
        let of_flags = self
            .flags
            .iter()
            .filter(counts)
            .map(|flag| flag.effect())
            .max()
            .unwrap_or(FlagEffect::Note);
        let refused =
            standing.refusal.is_some_and(|reason| reason != Reason::UnknownCard) && !standing.free;
        // A session with a doubted time is held for review and is never an exception: the card was
        // judged at a time that may be wrong (rule R6.2b).
        let of_refusal = if self.flags.contains(&Flag::LateArrival) {
            FlagEffect::Review
        } else {
            FlagEffect::Exception
        };
        let worst = if refused { of_flags.max(of_refusal) } else { of_flags };
        let is_billable = !standing.before_service;
        match (self.decision, worst, self.stop.is_some()) {
            (Some(Decision::Waive), _, _) => BillingState::Waived,
            (Some(Decision::Bill), _, true) if is_billable => BillingState::Ended,
            (_, FlagEffect::Quarantine, _) => BillingState::Quarantined,
            (_, FlagEffect::Exception, _) => BillingState::Exception,
            (_, FlagEffect::Note | FlagEffect::Review, false) => BillingState::Open,
            (None, FlagEffect::Note, true) if !standing.overlaps && is_billable => {
                BillingState::Ended
            }
            (_, FlagEffect::Note | FlagEffect::Review, true) => BillingState::Review,
        }
    }

    /// Whether the session's billing state can be this one, by the session's own record alone.
    pub fn may_be(&self, state: BillingState) -> bool {
        match state {
            BillingState::Waived => self.decision == Some(Decision::Waive),
            BillingState::Open => self.stop.is_none(),
            BillingState::Ended | BillingState::Review => self.stop.is_some(),
            BillingState::Exception | BillingState::Quarantined => true,
        }
    }

    /// The session's start and end. `None` if it still runs, was waived, or was a failed start.
    pub fn measured_span(&self) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
        let stop = self.stop.as_ref()?;
        (self.units(60) > 0 && self.decision != Some(Decision::Waive))
            .then_some((self.start.at, stop.edge.at))
    }

    /// Whether this session overlaps another one of the same card. Failed starts and waived
    /// sessions overlap nothing (rule B4).
    pub fn overlaps(&self, other: &Self) -> bool {
        match (self.measured_span(), other.measured_span()) {
            (Some((start, end)), Some((other_start, other_end))) => {
                self.id != other.id
                    && self.card.is_some()
                    && self.card == other.card
                    && start < other_end
                    && other_start < end
            }
            _ => false,
        }
    }

    /// Whether the session is running and keeps its card busy (rule B6). `offline_since` is the
    /// time at which the station was last heard, if the station is offline now.
    pub fn keeps_card_busy(
        &self,
        now: DateTime<Utc>,
        offline_since: Option<DateTime<Utc>>,
    ) -> bool {
        self.stop.is_none() && self.over_by_now(now, offline_since).is_none()
    }
}

#[cfg(test)]
#[path = "session_tests.rs"]
pub(crate) mod tests;

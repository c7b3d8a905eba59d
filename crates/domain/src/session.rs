//! A session: from a transaction's start to its stop, with every doubt named.
//!
//! [`react`] is its state machine: what each message means in each phase. [`super::recording`] opens,
//! measures and closes it, [`Session::billing_state`] says what its money does.

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

/// A session that starts more than this many days before it arrives is held for review (rule B4).
pub const LATE_ARRIVAL_DAYS: i64 = 60;

/// A session longer than this many hours is held for review (rule B4).
pub const LONG_SESSION_HOURS: i64 = 24;

/// Minutes past its site's limit after which an open session no longer keeps its card busy, whether its charger is online or
/// not (rule B6).
pub const STALE_AFTER_CAP_MIN: i64 = 15;

/// Hours offline after which an open session without a site limit no longer keeps its card busy.
pub const STALE_OFFLINE_HOURS: i64 = 24;

/// Where a session stands in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Started, no stop applied.
    Running,
    /// An end was estimated or guessed: the station's own stop takes its place.
    Provisional,
    /// A stop was applied.
    Stopped,
}

/// What can be said about a known session by a further message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionMessage {
    /// Its start once more.
    SameStart,
    /// A stop whose content is that of the one applied, or the first.
    Stop,
    /// A stop that differs from the one applied.
    OtherStop,
    /// Meter values.
    Readings,
}

/// What a message does to a session. Every message is answered and kept whatever this says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reaction {
    /// The answer of the first start is given again.
    ReplayStart,
    /// The session is closed.
    Close,
    /// The answer of the first stop is given again.
    ReplayStop,
    /// Kept as evidence, flagged, never applied.
    KeepAsEvidence,
    /// Readings are added; they never reopen a session.
    AddReadings,
}

/// The state machine: what a message means in a phase.
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

/// What a session's money does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum BillingState {
    /// Still running.
    Open,
    /// Measured and billed.
    Ended,
    /// Measured, held for a person's decision.
    Review,
    /// Started on a card that was not authorized.
    Exception,
    /// Not measurable or not attributable.
    Quarantined,
    /// A person decided not to bill it.
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
    /// Bill it as measured.
    Bill,
    /// Do not bill it.
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

/// One end of a session: what the station said, when we heard it, which instant counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edge {
    /// The station's time text, as sent.
    pub reported: String,
    /// The instant that it names, where it names one.
    pub said: Option<DateTime<Utc>>,
    /// Our clock at receipt.
    pub received_at: DateTime<Utc>,
    /// The instant that counts.
    pub at: DateTime<Utc>,
    /// The meter's register.
    pub meter: Option<WattHours>,
}

/// What an end rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopBasis {
    /// The station's own stop of this session, or a person's word.
    Told,
    /// A stop that named no session of ours, guessed onto this one (rule B8).
    Guessed,
    /// Evidence that the session is over (rule B9).
    Estimated,
}

named!(StopBasis, Told = "told", Guessed = "guessed", Estimated = "estimated");

/// How a session ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stop {
    /// When, and at which register.
    pub edge: Edge,
    /// Why, in the station's word.
    pub reason: String,
    /// The card that stopped it, where one did.
    pub id_tag: Option<IdTag>,
    /// Energy delivered, where known.
    pub energy: Option<WattHours>,
    /// What it rests on.
    pub basis: StopBasis,
}

/// A session with everything that the rules ask of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Its number, and the station's transaction id.
    pub id: SessionId,
    /// Its name for people, bills and exports.
    pub reference: SessionRef,
    /// The name that the station gave its transaction, where it names them itself (OCPP 2.0.1).
    pub transaction: Option<String>,
    /// The station.
    pub station_id: StationId,
    /// The charging site where the station stood when it started.
    pub site_name: String,
    /// The connector as the station numbered it; 0 and negative numbers occur in the field.
    pub connector_id: i64,
    /// The connector's site data when the session started; `None`: not in the station's record.
    pub site: Option<ConnectorSite>,
    /// When the card was shown, where that was after the session began: then it was authorized, or was not.
    pub shown_at: Option<DateTime<Utc>>,
    /// The card as the station read it. The card that starts a session pays for it.
    pub id_tag: IdTag,
    /// The programme's card, where it is one.
    pub card: Option<CardNumber>,
    /// The card's member, where it has one.
    pub member: Option<MemberId>,
    /// Why the card was not authorized at the start instant, as it was known when the start arrived;
    /// [`Session::standing`] says what is known by now.
    pub refusal: Option<Reason>,
    /// How it started.
    pub start: Edge,
    /// How it ended.
    pub stop: Option<Stop>,
    /// The newest register seen in between.
    pub last_reading: Option<WattHours>,
    /// Every doubt about it, but [`Flag::Overlap`], which depends on other sessions.
    pub flags: BTreeSet<Flag>,
    /// A person's decision about it.
    pub decision: Option<Decision>,
    /// What a person took off.
    pub reduction: Option<Reduction>,
    /// Whether a person gave it to its card: then it was authorized.
    pub is_assigned: bool,
    /// What is remembered of it beside what its bill rests on.
    pub trail: Trail,
    /// What persons corrected of it, in order. See [`Session::corrected`].
    pub corrections: Vec<Correction>,
}

/// What the member's and the programme's histories say of a session by now, whenever its messages came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Standing {
    /// Why its card was not authorized at its start.
    pub refusal: Option<Reason>,
    /// Whether another session of its card overlaps it.
    pub overlaps: bool,
    /// Whether its charger was open to everyone at no charge.
    pub free: bool,
    /// Whether it lies before the month in which its member's service began: there is no bill that it could stand on.
    pub before_service: bool,
}

impl Session {
    /// Its flags as they stand by now: two depend on other histories, and are told as those say (convention C4).
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

    /// Judges its start by the histories as they are known by now (convention C4).
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
                // What was refused of the place stays as it was known when the start came.
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

    /// Where it stands in its life.
    pub const fn phase(&self) -> Phase {
        match self.stop {
            None => Phase::Running,
            Some(Stop { basis: StopBasis::Guessed | StopBasis::Estimated, .. }) => {
                Phase::Provisional
            }
            Some(_) => Phase::Stopped,
        }
    }

    /// The month whose usage it is, wholly: that of its start instant in Japan (article 6.2).
    pub fn month(&self) -> BillingMonth {
        BillingMonth::of(self.start.at)
    }

    /// Its whole length, once it has ended.
    pub fn duration(&self) -> Option<TimeDelta> {
        self.stop.as_ref().map(|stop| stop.edge.at - self.start.at)
    }

    /// Its units under a tariff's unit length.
    pub fn units(&self, unit_s: i64) -> i64 {
        match (&self.stop, self.duration()) {
            (Some(stop), Some(duration)) => metering::units(duration, stop.energy, unit_s),
            (None, _) | (_, None) => 0,
        }
    }

    /// What its money does.
    pub fn billing_state(&self, standing: Standing) -> BillingState {
        let counts = |flag: &&Flag| match flag {
            // Judged anew by the standing.
            Flag::NotAuthorized => false,
            // No card is needed where chargers are open to everyone.
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
        // A doubted time is a review, never an exception: the card is judged by a time that may be wrong (rule R6.2b).
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

    /// Whether its money may be in a state, as far as its own record tells.
    pub fn may_be(&self, state: BillingState) -> bool {
        match state {
            BillingState::Waived => self.decision == Some(Decision::Waive),
            BillingState::Open => self.stop.is_none(),
            BillingState::Ended | BillingState::Review => self.stop.is_some(),
            BillingState::Exception | BillingState::Quarantined => true,
        }
    }

    /// Its time from start to end, where it has ended, was no failed start and was not waived.
    pub fn measured_span(&self) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
        let stop = self.stop.as_ref()?;
        (self.units(60) > 0 && self.decision != Some(Decision::Waive))
            .then_some((self.start.at, stop.edge.at))
    }

    /// Whether the time of two measured sessions of one card overlaps. Failed starts, and what a person waived, overlap nothing
    /// (rule B4).
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

    /// Whether, open as it is, it still keeps its card busy (rule B6). `offline_since` is when its
    /// charger was last heard, where it is offline now.
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

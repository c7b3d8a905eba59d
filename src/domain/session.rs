//! A session: from a transaction's start to its stop, with every doubt named.
//!
//! [`react`] is its state machine: what each message means in each phase. [`open`] and [`close`]
//! measure, [`Session::billing_state`] says what its money does.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};

use super::authorization::{self, CardFile, Place};
use super::flag::{Effect, Flag};
use super::ids::{CardNumber, ID_TAG_MAX, IdTag, MemberId, SessionId, StationId};
use super::instant::{Attributed, CLOCK_TOLERANCE_S, Heard, Reported, Zone, attribute};
use super::metering;
use super::month::BillingMonth;
use super::refusal::Reason;
use super::station::ConnectorSite;
use super::units::WattHours;

/// A session that starts more than this many days before it arrives is held for review (rule B4).
pub const LATE_ARRIVAL_DAYS: i64 = 60;

/// A session longer than this many hours is held for review (rule B4).
pub const LONG_SESSION_HOURS: i64 = 24;

/// Minutes past its site's limit after which an offline charger's open session no longer keeps
/// its card busy (rule B6).
pub const STALE_AFTER_CAP_MIN: i64 = 15;

/// Hours offline after which an open session without a site limit no longer keeps its card busy.
pub const STALE_OFFLINE_HOURS: i64 = 24;

/// Where a session stands in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Started, no stop applied.
    Running,
    /// A stop was applied.
    Stopped,
}

/// What can be said about a known session by a further message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Message {
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
pub const fn react(phase: Phase, message: Message) -> Reaction {
    match (phase, message) {
        (Phase::Running | Phase::Stopped, Message::SameStart) => Reaction::ReplayStart,
        (Phase::Running, Message::Stop | Message::OtherStop) => Reaction::Close,
        (Phase::Stopped, Message::Stop) => Reaction::ReplayStop,
        (Phase::Stopped, Message::OtherStop) => Reaction::KeepAsEvidence,
        (Phase::Running | Phase::Stopped, Message::Readings) => Reaction::AddReadings,
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
    pub const ALL: [Self; 6] = [Self::Open, Self::Ended, Self::Review, Self::Exception, Self::Quarantined, Self::Waived];

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
}

/// A session with everything that the rules ask of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Its number, and the station's transaction id.
    pub id: SessionId,
    /// The station.
    pub station_id: StationId,
    /// The connector as the station numbered it; 0 and negative numbers occur in the field.
    pub connector_id: i64,
    /// The connector's site data when the session started; `None`: not in the station's record.
    pub site: Option<ConnectorSite>,
    /// The card as the station read it. The card that starts a session pays for it.
    pub id_tag: IdTag,
    /// The programme's card, where it is one.
    pub card: Option<CardNumber>,
    /// The card's member, where it has one.
    pub member: Option<MemberId>,
    /// Why the card was not authorized at the start instant.
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
}

impl Session {
    /// Where it stands in its life.
    pub const fn phase(&self) -> Phase {
        match self.stop {
            None => Phase::Running,
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

    /// What its money does; `overlaps` says whether another session of its card overlaps it.
    pub fn billing_state(&self, overlaps: bool) -> BillingState {
        let worst = self.flags.iter().map(|flag| flag.effect()).max().unwrap_or(Effect::Note);
        match (self.decision, worst, self.phase()) {
            (Some(Decision::Waive), _, _) => BillingState::Waived,
            (Some(Decision::Bill), _, Phase::Stopped) => BillingState::Ended,
            (_, Effect::Quarantine, _) => BillingState::Quarantined,
            (_, Effect::Exception, _) => BillingState::Exception,
            (_, Effect::Note | Effect::Review, Phase::Running) => BillingState::Open,
            (None, Effect::Review, Phase::Stopped) => BillingState::Review,
            (None, Effect::Note, Phase::Stopped) if overlaps => BillingState::Review,
            (None, Effect::Note, Phase::Stopped) => BillingState::Ended,
        }
    }

    /// Whether a person may decide so about it: it is over, its money waits, and it could be billed. A
    /// session whose stop never came, although its connector was used again, can only be waived.
    pub fn is_decidable(&self, decision: Decision, overlaps: bool) -> bool {
        if self.stop.is_none() {
            return decision == Decision::Waive && self.flags.contains(&Flag::Superseded);
        }
        let billable = self.member.is_some() && self.site.is_some() && !self.flags.contains(&Flag::StopBeforeStart);
        let waits = match self.billing_state(overlaps) {
            BillingState::Review | BillingState::Exception | BillingState::Quarantined => true,
            BillingState::Ended | BillingState::Waived => self.decision.is_some(),
            BillingState::Open => false,
        };
        billable && waits
    }

    /// Whether the time of two measured sessions of one card overlaps. Failed starts overlap nothing.
    pub fn overlaps(&self, other: &Self) -> bool {
        let span = |session: &Self| {
            let stop = session.stop.as_ref()?;
            (session.units(60) > 0).then_some((session.start.at, stop.edge.at))
        };
        match (span(self), span(other)) {
            (Some((start, end)), Some((other_start, other_end))) => {
                self.id != other.id && self.card.is_some() && self.card == other.card && start < other_end && other_start < end
            }
            _ => false,
        }
    }

    /// Whether, open as it is, it still keeps its card busy (rule B6). `offline_since` is when its
    /// charger was last heard, where it is offline now.
    pub fn keeps_card_busy(&self, now: DateTime<Utc>, offline_since: Option<DateTime<Utc>>) -> bool {
        let Some(offline_since) = offline_since else {
            return true;
        };
        match self.site.as_ref().and_then(ConnectorSite::cap_min) {
            Some(cap_min) => {
                let over = self.start.at + TimeDelta::minutes(cap_min);
                now <= over.max(offline_since) + TimeDelta::minutes(STALE_AFTER_CAP_MIN)
            }
            None => now <= offline_since + TimeDelta::hours(STALE_OFFLINE_HOURS),
        }
    }
}

/// What a start reports, with what we know about its place and card.
pub struct Opening<'a> {
    /// The number allotted to it.
    pub id: SessionId,
    /// The station.
    pub station_id: &'a StationId,
    /// The station's zone for times without one.
    pub zone: Option<Zone>,
    /// The connector as sent.
    pub connector_id: i64,
    /// The connector's site data.
    pub site: Option<ConnectorSite>,
    /// The id tag as sent.
    pub id_tag_text: &'a str,
    /// The card's file, where it is a card.
    pub file: Option<&'a CardFile>,
    /// The station's time.
    pub reported: &'a Reported,
    /// When and how it was heard.
    pub heard: Heard,
    /// The meter's register.
    pub meter: Option<WattHours>,
    /// Whether a field was missing or of the wrong kind.
    pub malformed: bool,
}

/// Opens a session. Nothing is refused: what is doubtful is flagged.
pub fn open(opening: &Opening<'_>) -> Session {
    let id_tag = IdTag::new(opening.id_tag_text);
    let Attributed { at, doubt } = attribute(opening.reported, opening.zone, opening.heard);
    let place = if opening.site.is_some() { Place::Open } else { Place::OffNetwork };
    let verdict = authorization::judge(opening.file, at, place, false);
    let mut flags: BTreeSet<Flag> = doubt.into_iter().collect();
    let mut flag_if = |condition: bool, flag| {
        if condition {
            flags.insert(flag);
        }
    };
    flag_if(opening.malformed, Flag::MalformedStart);
    flag_if(opening.id_tag_text.chars().count() > ID_TAG_MAX, Flag::IdTagTooLong);
    flag_if(opening.site.is_none(), Flag::UnknownConnector);
    flag_if(id_tag.is_empty(), Flag::NoCard);
    flag_if(!id_tag.is_empty() && opening.file.is_none(), Flag::UnknownCard);
    flag_if(verdict.refusal.is_some_and(|reason| reason != Reason::UnknownCard), Flag::NotAuthorized);
    flag_if(opening.meter.is_none(), Flag::MeterUnknown);
    flag_if(opening.heard.received_at - at > TimeDelta::days(LATE_ARRIVAL_DAYS), Flag::LateArrival);
    Session {
        id: opening.id,
        station_id: opening.station_id.clone(),
        connector_id: opening.connector_id,
        site: opening.site,
        card: opening.file.map(|file| file.card.number.clone()),
        member: verdict.group,
        refusal: verdict.refusal,
        id_tag,
        start: Edge {
            reported: opening.reported.text.clone(),
            said: opening.reported.instant(opening.zone),
            received_at: opening.heard.received_at,
            at,
            meter: opening.meter,
        },
        stop: None,
        last_reading: None,
        flags,
        decision: None,
    }
}

/// What a stop reports.
pub struct Closing<'a> {
    /// The station's zone for times without one.
    pub zone: Option<Zone>,
    /// The station's time.
    pub reported: &'a Reported,
    /// When and how it was heard.
    pub heard: Heard,
    /// The meter's register.
    pub meter: Option<WattHours>,
    /// The station's word for why.
    pub reason: &'a str,
    /// The card that stopped it.
    pub id_tag: Option<IdTag>,
    /// Whether a field was missing or of the wrong kind.
    pub malformed: bool,
}

/// By how many hours a connected station's clock may be off at a stop and the session's length still be
/// believed: a zone set wrongly is off by more.
pub const BELIEVED_OFF_H: i64 = 8;

/// The instant at which a session stopped, and the doubt about it.
///
/// Rule R6.2b puts our receipt in place of a wrong clock's *start*; the stop is then shifted by as
/// much, so that both ends are measured by one clock, unless the clock is right by then. Else a stop
/// keeps the station's own time: it may be delivered late over a connection that stands.
pub fn stopped_at(session: &Session, closing: &Closing<'_>) -> Attributed {
    let attributed = attribute(closing.reported, closing.zone, closing.heard);
    let Some(said) = closing.reported.instant(closing.zone) else { return attributed };
    let tolerance = TimeDelta::seconds(CLOCK_TOLERANCE_S);
    let received_at = closing.heard.received_at;
    let shift = session.start.said.map_or(TimeDelta::zero(), |start_said| session.start.at - start_said);
    if !shift.is_zero() && (received_at - said).abs() > tolerance {
        let shifted = said + shift;
        if shifted >= session.start.at && shifted <= received_at + tolerance {
            return Attributed { at: shifted, ..attributed };
        }
    }
    match attributed.doubt {
        Some(Flag::ClockAhead | Flag::ClockBehind) if shift.is_zero() => Attributed { at: said, ..attributed },
        _ => attributed,
    }
}

/// Whether a session's length rests on a clock that contradicts ours too much to be believed: the
/// stop lies after its receipt and beyond the site's limit, or hours off over a connection that stood.
fn is_doubtful(at: DateTime<Utc>, doubt: Option<Flag>, closing: &Closing<'_>, over_cap: bool) -> bool {
    let received_at = closing.heard.received_at;
    let off = (received_at - at).abs() > TimeDelta::hours(BELIEVED_OFF_H);
    match doubt {
        Some(Flag::ClockAhead) => at > received_at + TimeDelta::seconds(CLOCK_TOLERANCE_S) && (over_cap || off),
        Some(Flag::ClockBehind) => off,
        _ => false,
    }
}

/// Closes a running session: measures it and flags what is doubtful.
pub fn close(session: &mut Session, closing: &Closing<'_>) {
    let Attributed { at, doubt } = stopped_at(session, closing);
    let duration = at - session.start.at;
    let (energy, energy_doubt) = metering::energy(session.start.meter, closing.meter, session.last_reading);
    let cap = session.site.as_ref().and_then(ConnectorSite::cap_min).map(TimeDelta::minutes);
    let over_cap = cap.is_some_and(|cap| duration > cap);
    let too_much = match (energy, &session.site) {
        (Some(energy), Some(site)) => !metering::is_plausible(energy, site.most_power_w(), duration),
        _ => false,
    };
    let other_card = closing.id_tag.as_ref().is_some_and(|tag| !tag.is_empty() && *tag != session.id_tag);
    session.flags.extend(doubt.into_iter().chain(energy_doubt));
    for (condition, flag) in [
        (closing.malformed, Flag::MalformedStop),
        (duration < TimeDelta::zero(), Flag::StopBeforeStart),
        (duration > TimeDelta::hours(LONG_SESSION_HOURS), Flag::OverADay),
        (over_cap, Flag::OverSiteCap),
        (is_doubtful(at, doubt, closing, over_cap), Flag::DurationDoubtful),
        (too_much, Flag::EnergyImplausible),
        (other_card, Flag::StoppedByOtherCard),
    ] {
        if condition {
            session.flags.insert(flag);
        }
    }
    session.stop = Some(Stop {
        edge: Edge {
            reported: closing.reported.text.clone(),
            said: closing.reported.instant(closing.zone),
            received_at: closing.heard.received_at,
            at,
            meter: closing.meter,
        },
        reason: closing.reason.to_owned(),
        id_tag: closing.id_tag.clone(),
        energy,
    });
}

#[cfg(test)]
#[path = "session_tests.rs"]
pub(crate) mod tests;

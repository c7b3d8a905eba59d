//! Opening and closing sessions: the station's reports become a measured session with a flag for
//! every doubt. Nothing is refused.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};

use super::authorization::{self, CardFile};
use super::flag::Flag;
use super::ids::{IdTag, SessionId, SessionRef, StationId};
use super::instant::{Attributed, CLOCK_TOLERANCE_S, Heard, Reported, Zone, attribute};
use super::metering;
use super::over::Trail;
use super::programme::Programme;
use super::refusal::Reason;
use super::session::{Edge, LATE_ARRIVAL_DAYS, LONG_SESSION_HOURS, Session, Stop, StopBasis};
use super::station::ConnectorSite;
use super::units::WattHours;

/// The content of a start, with the known facts about its charger and card.
pub struct StartFacts<'a> {
    /// The session's number.
    pub id: SessionId,
    /// The session's name for people.
    pub reference: SessionRef,
    /// The station that reports the start.
    pub station_id: &'a StationId,
    /// The charging site where the station stands.
    pub site_name: &'a str,
    /// The station's time zone, for times that name none.
    pub zone: Option<Zone>,
    /// The connector's number as the station sent it.
    pub connector_id: i64,
    /// The connector's site data; `None`: it is not in the station's record.
    pub site: Option<ConnectorSite>,
    /// The id tag of the start.
    pub id_tag: &'a IdTag,
    /// The time at which the card was shown, if the station reports that time apart from the start.
    /// The card is judged at this time if it is later than the start.
    pub shown_at: Option<DateTime<Utc>>,
    /// The card's file, if the id tag is a card of the programme.
    pub file: Option<&'a CardFile>,
    /// The reported time.
    pub reported: &'a Reported,
    /// The receipt of the message.
    pub heard: Heard,
    /// The meter's register at the start.
    pub meter: Option<WattHours>,
    /// Whether a field of the message was missing or of the wrong type.
    pub malformed: bool,
    /// The programme's history.
    pub programme: &'a Programme,
}

/// Opens a session. Nothing is refused; doubts become flags.
pub fn open(opening: &StartFacts<'_>) -> Session {
    let id_tag = opening.id_tag.clone();
    let Attributed { at, doubt } = attribute(opening.reported, opening.zone, opening.heard);
    let shown_at = opening.shown_at.filter(|shown| *shown > at);
    let judged_at = shown_at.unwrap_or(at);
    let place =
        opening.programme.place(opening.site_name, judged_at).listed(opening.site.is_some());
    let verdict = authorization::judge(opening.file, judged_at, place, false, opening.programme);
    let mut flags: BTreeSet<Flag> = doubt.into_iter().collect();
    let mut flag_if = |condition: bool, flag| {
        if condition {
            flags.insert(flag);
        }
    };
    flag_if(opening.malformed, Flag::MalformedStart);
    flag_if(id_tag.was_cut(), Flag::IdTagTooLong);
    flag_if(opening.site.is_none(), Flag::UnknownConnector);
    flag_if(id_tag.is_empty(), Flag::NoCard);
    flag_if(!id_tag.is_empty() && opening.file.is_none(), Flag::UnknownCard);
    flag_if(
        verdict.refusal.is_some_and(|reason| reason != Reason::UnknownCard),
        Flag::NotAuthorized,
    );
    flag_if(opening.meter.is_none(), Flag::MeterUnknown);
    flag_if(opening.heard.received_at - at > TimeDelta::days(LATE_ARRIVAL_DAYS), Flag::LateArrival);
    Session {
        id: opening.id,
        reference: opening.reference.clone(),
        transaction: None,
        shown_at,
        station_id: opening.station_id.clone(),
        site_name: opening.site_name.to_owned(),
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
        reduction: None,
        is_assigned: false,
        trail: Trail {
            clock_offset_ms: opening.heard.clock.map(|clock| clock.offset.num_milliseconds()),
            ..Trail::default()
        },
        corrections: Vec::new(),
    }
}

/// The content of a stop.
pub struct EndFacts<'a> {
    /// The station's time zone, for times that name none.
    pub zone: Option<Zone>,
    /// The reported time.
    pub reported: &'a Reported,
    /// The receipt of the message.
    pub heard: Heard,
    /// The meter's register at the stop.
    pub meter: Option<WattHours>,
    /// The reason of the stop, as the station names it.
    pub reason: &'a str,
    /// The id tag of the card that stopped the session, if the stop names one.
    pub id_tag: Option<IdTag>,
    /// Whether a field of the message was missing or of the wrong type.
    pub malformed: bool,
    /// Whether the stop names the session or was guessed to be this session's.
    pub basis: StopBasis,
}

/// Hours by which a connected station's clock may be off at a stop and the session's duration still
/// be believed. A wrong time zone is off by more.
pub const BELIEVED_OFF_H: i64 = 8;

/// The most by which a start's transit may have taken longer than its stop's. A duration between
/// receipts is counted in whole seconds, so this much is added first.
const WAYS_DIFFER: TimeDelta = TimeDelta::milliseconds(250);

/// The billed time of a stop, and the doubt about it.
///
/// If rule R6.2b replaced the reported time of the *start* by the received time, the stop is
/// shifted by as much, so that one clock measures both ends. This is not done if the station's
/// clock is right by the time of the stop. Otherwise a stop keeps its reported time, since it may
/// be delivered late over a standing connection.
///
/// A stop that would lie before the start shows that the clock fell back, if the start was received
/// as it happened and the connection has stood since. Then the duration between the two receipts
/// counts.
pub fn stopped_at(session: &Session, closing: &EndFacts<'_>) -> Attributed {
    let found = by_clocks(session, closing);
    let heard = closing.heard;
    let began_live = (session.start.received_at - session.start.at).abs()
        <= TimeDelta::seconds(CLOCK_TOLERANCE_S);
    let fell_back = found.at < session.start.at
        && began_live
        && heard.connected_since <= session.start.received_at;
    if fell_back && heard.received_at >= session.start.at {
        // The transit times of the two messages are no part of the duration.
        let between = heard.received_at - session.start.received_at + WAYS_DIFFER;
        let passed = TimeDelta::seconds(between.num_seconds().max(0));
        return Attributed { at: session.start.at + passed, doubt: Some(Flag::ClockBehind) };
    }
    found
}

fn by_clocks(session: &Session, closing: &EndFacts<'_>) -> Attributed {
    let attributed = attribute(closing.reported, closing.zone, closing.heard);
    let Some(said) = closing.reported.instant(closing.zone) else { return attributed };
    if let Some(Flag::DeliveredLate | Flag::ClockCorrected) = attributed.doubt
        && attributed.at >= session.start.at
    {
        return attributed;
    }
    let tolerance = TimeDelta::seconds(CLOCK_TOLERANCE_S);
    let received_at = closing.heard.received_at;
    let shift =
        session.start.said.map_or(TimeDelta::zero(), |start_said| session.start.at - start_said);
    if !shift.is_zero() && (received_at - said).abs() > tolerance {
        let shifted = said + shift;
        if shifted >= session.start.at && shifted <= received_at + tolerance {
            return Attributed { at: shifted, ..attributed };
        }
    }
    match attributed.doubt {
        Some(Flag::ClockAhead | Flag::ClockBehind) if shift.is_zero() => {
            Attributed { at: said, ..attributed }
        }
        _ => attributed,
    }
}

/// Whether the station's clock contradicts the server's too much to believe the session's duration:
/// the stop lies after its receipt and beyond the site's limit, or the stop is more than
/// [`BELIEVED_OFF_H`] hours off.
fn is_doubtful(
    at: DateTime<Utc>,
    doubt: Option<Flag>,
    closing: &EndFacts<'_>,
    over_cap: bool,
) -> bool {
    let received_at = closing.heard.received_at;
    let off = (received_at - at).abs() > TimeDelta::hours(BELIEVED_OFF_H);
    match doubt {
        Some(Flag::ClockAhead) => {
            at > received_at + TimeDelta::seconds(CLOCK_TOLERANCE_S) && (over_cap || off)
        }
        Some(Flag::ClockBehind) => off,
        // The clock is known to be right, or its difference was subtracted.
        _ => false,
    }
}

/// Closes a running session: measures it and flags the doubts.
pub fn close(session: &mut Session, closing: &EndFacts<'_>) {
    let stop = stop_of(session, closing);
    session.stop = Some(stop);
}

/// The stop of a session that ends with these facts. Flags the doubts about it.
pub fn stop_of(session: &mut Session, closing: &EndFacts<'_>) -> Stop {
    let Attributed { at, doubt } = stopped_at(session, closing);
    let duration = at - session.start.at;
    let (energy, energy_doubt) =
        metering::energy(session.start.meter, closing.meter, session.last_reading);
    let cap = session.site.as_ref().and_then(ConnectorSite::cap_min).map(TimeDelta::minutes);
    let over_cap = cap.is_some_and(|cap| duration > cap);
    let too_much = match (energy, &session.site) {
        (Some(energy), Some(site)) => {
            !metering::is_plausible(energy, site.most_power_w(), duration)
        }
        _ => false,
    };
    let other_card =
        closing.id_tag.as_ref().is_some_and(|tag| !tag.is_empty() && *tag != session.id_tag);
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
    Stop {
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
        basis: closing.basis,
    }
}

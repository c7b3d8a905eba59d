//! Builds a session from the events of a 2.0.1 transaction. By rule R6.2b the session starts at the
//! first event that reports that energy flows, even if the transaction started before.

use super::authorization::CardFile;
use super::event::{EventType, Evidence, Registers, TransactionEvent};
use super::flag::Flag;
use super::ids::{IdTag, SessionId, SessionRef, StationId};
use super::instant::{Heard, Moment, Reported, Zone, attribute};
use super::programme::Programme;
use super::recording::{self, EndFacts, StartFacts};
use super::session::{Session, StopBasis};
use super::station::ConnectorSite;
use super::units::WattHours;

/// The `stoppedReason` of an Ended event that names none (OCPP 2.0.1 E06.FR.09).
const DEFAULT_REASON: &str = "Local";

/// The facts of a transaction beside its events.
pub struct Assembling<'a> {
    /// The session's number.
    pub id: SessionId,
    /// The session's name for people.
    pub reference: SessionRef,
    /// The station that reports the transaction.
    pub station_id: &'a StationId,
    /// The `transactionId` that the station gave it.
    pub transaction: &'a str,
    /// The charging site where the station stands.
    pub site_name: &'a str,
    /// The station's time zone, for times that name none.
    pub zone: Option<Zone>,
    /// The number of the EVSE; 0 while it is not known.
    pub connector_id: i64,
    /// The EVSE's site data; `None`: it is not in the station's record.
    pub site: Option<ConnectorSite>,
    /// The highest register seen for the session so far, also outside of its events.
    pub register_seen: Option<WattHours>,
    /// The file of the card to which the transaction is bound, if it is a card of the programme.
    pub file: Option<&'a CardFile>,
    /// The programme's history.
    pub programme: &'a Programme,
}

/// The start of a session, and the doubts about it.
struct Beginning {
    reported: Reported,
    heard: Heard,
    malformed: bool,
    doubts: Vec<Flag>,
}

impl Beginning {
    fn at(event: &TransactionEvent) -> Self {
        Self {
            reported: event.reported.clone(),
            heard: event.heard,
            malformed: event.malformed,
            doubts: Vec::new(),
        }
    }

    fn doubted(mut self, flag: Flag) -> Self {
        self.doubts.push(flag);
        self
    }
}

/// Builds the session anew from all its events. `None` if there is no event.
pub fn assemble(evidence: &Evidence, known: &Assembling<'_>) -> Option<Session> {
    let registers = evidence.registers();
    let beginning = beginning(evidence, &registers, known.register_seen)?;
    let bound = evidence.bound().and_then(|event| event.id_tag.as_deref()).unwrap_or_default();
    let mut session = recording::open(&StartFacts {
        id: known.id,
        reference: known.reference.clone(),
        station_id: known.station_id,
        site_name: known.site_name,
        zone: known.zone,
        connector_id: known.connector_id,
        site: known.site,
        id_tag: &IdTag::new(bound),
        // A card that comes only with the Ended event was shown at an unknown earlier time.
        shown_at: evidence
            .bound()
            .filter(|event| event.kind != EventType::Ended)
            .map(|event| attribute(&event.reported, known.zone, event.heard).at),
        file: known.file,
        reported: &beginning.reported,
        heard: beginning.heard,
        meter: registers.begin.or(registers.first).map(|register| register.value),
        malformed: beginning.malformed,
        programme: known.programme,
    });
    session.transaction = Some(known.transaction.to_owned());
    session.last_reading = registers.last.map(|register| register.value).max(known.register_seen);
    session.flags.extend(beginning.doubts);
    if let Some(ended) = evidence.ended() {
        close(&mut session, evidence, ended, &registers, known.zone);
    }
    Some(session)
}

fn close(
    session: &mut Session,
    evidence: &Evidence,
    ended: &TransactionEvent,
    registers: &Registers,
    zone: Option<Zone>,
) {
    // Any register of the Ended event is the final one, whatever its reading context.
    let end = ended.registers.end.or(ended.registers.last).or(registers.end);
    recording::close(
        session,
        &EndFacts {
            zone,
            reported: &ended.reported,
            heard: ended.heard,
            meter: end.map(|register| register.value),
            reason: ended.reason.as_deref().unwrap_or(DEFAULT_REASON),
            id_tag: ended
                .id_tag
                .as_deref()
                .filter(|text| !text.is_empty())
                .map(super::ids::IdTag::new),
            malformed: ended.malformed,
            basis: StopBasis::Told,
        },
    );
    if evidence.numbers_repeated {
        session.flags.insert(Flag::StepNumbersRepeated);
    }
    if evidence.ended_twice {
        session.flags.insert(Flag::StopDiffers);
    }
    if evidence.first().is_some_and(|first| evidence.missing(first, ended) > 0) {
        session.flags.insert(Flag::StepsMissing);
    }
}

fn beginning(
    evidence: &Evidence,
    registers: &Registers,
    seen: Option<WattHours>,
) -> Option<Beginning> {
    let first = evidence.first()?;
    let Some(started) = evidence.started() else {
        return Some(without_start(evidence, first, registers).doubted(Flag::StartMissing));
    };
    let before_end =
        |event: &&TransactionEvent| evidence.ended().is_none_or(|ended| event.order < ended.order);
    if let Some(charging) = evidence.charging().filter(before_end) {
        let beginning = Beginning::at(charging);
        // A missing event may have reported earlier that energy flows. If exactly one is missing
        // and this event reports a change of the charging state, the missing one cannot have done
        // so.
        let doubtful = evidence.missing(started, charging) > i64::from(charging.changed);
        return Some(if doubtful {
            beginning.doubted(Flag::ChargingStartDoubtful)
        } else {
            beginning
        });
    }
    let (true, Some(ended)) = (evidence.tells_charging, evidence.ended()) else {
        return Some(Beginning::at(started));
    };
    // A register that changed, in either direction, shows that energy flowed.
    let begin = registers.begin.or(registers.first).map(|register| register.value);
    let end = registers.end.or(registers.last).map(|register| register.value);
    let moved = begin
        .is_some_and(|begin| [end, seen].into_iter().flatten().any(|register| register != begin));
    let told = moved || evidence.tells_charged || evidence.charging().is_some();
    // This station reports whether energy flows. No transaction event is missing, and none reports
    // that energy flowed.
    if !told && evidence.is_whole(started, ended) {
        return Some(Beginning::at(ended).doubted(Flag::NeverCharged));
    }
    Some(Beginning::at(started).doubted(Flag::ChargingStartDoubtful))
}

/// The start of a session whose Started event never came: the first event that reports that energy
/// flows, or else the earliest event. A register with the context `Transaction.Begin` that was read
/// before that counts instead.
fn without_start(
    evidence: &Evidence,
    first: &TransactionEvent,
    registers: &Registers,
) -> Beginning {
    let earliest = evidence.charging().unwrap_or(first);
    let begin = registers
        .begin
        .filter(|begin| earliest.reported.instant(None).is_none_or(|at| begin.at < at));
    match begin {
        None => Beginning::at(earliest),
        Some(begin) => Beginning {
            reported: Reported { text: begin.at.to_rfc3339(), moment: Moment::At(begin.at) },
            heard: Heard { connected_since: earliest.heard.received_at, ..earliest.heard },
            ..Beginning::at(earliest)
        },
    }
}

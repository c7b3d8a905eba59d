//! Texts of a session beside its other columns: its trail, its corrections, and the measured values
//! that a correction overrides. The other columns hold the session with corrections, which counts.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::text;
use crate::columns;
use crate::{StoreError, Stored};
use juden_domain::correction::{Approval, Correction, CorrectionKind, standing};
use juden_domain::ids::{CardNumber, IdTag, MemberId};
use juden_domain::over::{Over, OverBy, Trail};
use juden_domain::session::{Decision, Edge, Session, Stop, StopBasis};
use juden_domain::station::{ChargerClass, ConnectorSite};
use juden_domain::units::{WattHours, Yen};

/// The texts of a session.
#[derive(Debug, Default)]
pub struct Texts {
    /// The session's trail, if it is not empty.
    pub trail: Option<String>,
    /// The session's corrections, if it has any.
    pub corrections: Option<String>,
    /// The measured values, if a correction overrides them.
    pub measured: Option<String>,
}

/// The columns of a decision that was stored before corrections existed.
#[derive(Debug, Default)]
pub struct Decided<'a> {
    /// The decision's name.
    pub decision: Option<&'a str>,
    /// The person's note.
    pub note: Option<&'a str>,
    /// The instant of the decision.
    pub at: Option<DateTime<Utc>>,
}

#[derive(Serialize, Deserialize, Default)]
#[serde(default)]
struct TrailText {
    #[serde(skip_serializing_if = "is_false")]
    named: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    seen_ms: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    booted_ms: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    over: Option<(i64, String)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    clock_ms: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    guess: Option<(String, String)>,
}

#[derive(Serialize, Deserialize)]
struct StopText {
    reported: String,
    said_ms: Option<i64>,
    received_ms: i64,
    at_ms: i64,
    meter: Option<i64>,
    reason: String,
    id_tag: Option<String>,
    energy: Option<i64>,
    basis: String,
}

#[derive(Serialize, Deserialize)]
struct CorrectionText {
    number: i64,
    kind: KindText,
    by: String,
    reason: String,
    at_ms: i64,
    approval: String,
    settled: Option<(String, i64)>,
}

#[derive(Serialize, Deserialize)]
enum KindText {
    End(i64, Option<i64>),
    Bill,
    Waive,
    Units(i64),
    Hundredths(i64),
    Assign(String, String),
    Class(String),
    Join(i64, StopText),
    Undo,
}

#[derive(Serialize, Deserialize)]
struct MeasuredText {
    card: Option<String>,
    member: Option<String>,
    refusal: Option<String>,
    class: Option<String>,
    power_w: Option<i64>,
    cap_min: Option<i64>,
    flags: String,
    stop: Option<StopText>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "as serde asks for it")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

/// The texts of a measured session.
pub fn texts(measured: &Session) -> Texts {
    let trail = &measured.trail;
    let has_corrections = !measured.corrections.is_empty();
    Texts {
        trail: (*trail != Trail::default()).then(|| {
            text(&TrailText {
                named: trail.is_number_named,
                seen_ms: trail.charging_seen.map(|at| at.timestamp_millis()),
                booted_ms: trail.booted_at.map(|at| at.timestamp_millis()),
                over: trail
                    .over
                    .map(|over| (over.at.timestamp_millis(), over.by.name().to_owned())),
                clock_ms: trail.clock_offset_ms,
                guess: trail.guess.clone(),
            })
        }),
        corrections: has_corrections
            .then(|| text(&measured.corrections.iter().map(correction).collect::<Vec<_>>())),
        measured: (!standing(&measured.corrections).is_empty()).then(|| {
            text(&MeasuredText {
                card: measured.card.as_ref().map(ToString::to_string),
                member: measured.member.as_ref().map(ToString::to_string),
                refusal: measured.refusal.map(|reason| reason.code().to_owned()),
                class: measured.site.map(|site| site.charger_class.name().to_owned()),
                power_w: measured.site.and_then(|site| site.power_w),
                cap_min: measured.site.and_then(|site| site.session_cap_min),
                flags: columns::flags_text(&measured.flags),
                stop: measured.stop.as_ref().map(stop),
            })
        }),
    }
}

/// The measured session, from the session that counts and its texts.
pub fn read(
    mut counted: Session,
    basis: Option<&str>,
    kept: &Texts,
    decided: &Decided<'_>,
) -> Stored<Session> {
    if let Some(stop) = &mut counted.stop {
        stop.basis = read_basis(basis)?;
    }
    if let Some(trail) = &kept.trail {
        counted.trail = read_trail(trail)?;
    }
    counted.corrections = match &kept.corrections {
        Some(kept) => {
            let kept: Vec<CorrectionText> = serde_json::from_str(kept).map_err(|_| UNREADABLE)?;
            kept.into_iter().map(read_correction).collect::<Stored<_>>()?
        }
        None => of_decision(decided)?.into_iter().collect(),
    };
    let Some(measured) = &kept.measured else { return Ok(counted) };
    let kept: MeasuredText = serde_json::from_str(measured).map_err(|_| UNREADABLE)?;
    counted.card =
        kept.card.as_deref().map(CardNumber::parse).transpose().map_err(|_| UNREADABLE)?;
    counted.member =
        kept.member.as_deref().map(MemberId::parse).transpose().map_err(|_| UNREADABLE)?;
    counted.refusal = columns::refusal(kept.refusal.as_deref())?;
    let class =
        kept.class.map(|class| ChargerClass::parse(&class).ok_or(UNREADABLE)).transpose()?;
    counted.site = class.map(|charger_class| ConnectorSite {
        charger_class,
        power_w: kept.power_w,
        session_cap_min: kept.cap_min,
    });
    counted.flags = columns::flags(&kept.flags)?;
    counted.stop = kept.stop.map(read_stop).transpose()?;
    Ok(counted)
}

const UNREADABLE: StoreError = StoreError::Unreadable("session's correction");

/// The basis of a stop, as its column holds it. `None`: the stop was reported, or there is none.
pub fn basis(session: &Session) -> Option<&'static str> {
    session
        .stop
        .as_ref()
        .map(|stop| stop.basis)
        .filter(|basis| *basis != StopBasis::Told)
        .map(StopBasis::name)
}

fn read_basis(name: Option<&str>) -> Stored<StopBasis> {
    name.map_or(Ok(StopBasis::Told), |name| {
        StopBasis::parse(name).ok_or(StoreError::Unreadable("what a stop rests on"))
    })
}

/// Reads a decision that was stored before corrections existed as the first correction.
fn of_decision(decided: &Decided<'_>) -> Stored<Option<Correction>> {
    let kind = columns::decision(decided.decision)?.map(|decision| match decision {
        Decision::Bill => CorrectionKind::Bill,
        Decision::Waive => CorrectionKind::Waive,
    });
    Ok(kind.map(|kind| Correction {
        number: 1,
        kind,
        by: "operator".to_owned(),
        reason: decided.note.unwrap_or_default().to_owned(),
        at: decided.at.unwrap_or(DateTime::UNIX_EPOCH),
        approval: Approval::Done,
        settled: None,
    }))
}

fn instant(ms: i64) -> Stored<DateTime<Utc>> {
    DateTime::from_timestamp_millis(ms).ok_or(UNREADABLE)
}

fn read_trail(trail: &str) -> Stored<Trail> {
    let kept: TrailText =
        serde_json::from_str(trail).map_err(|_| StoreError::Unreadable("session's trail"))?;
    let over = |(at, by): (i64, String)| -> Stored<Over> {
        Ok(Over { at: instant(at)?, by: OverBy::parse(&by).ok_or(UNREADABLE)? })
    };
    Ok(Trail {
        is_number_named: kept.named,
        charging_seen: kept.seen_ms.map(instant).transpose()?,
        booted_at: kept.booted_ms.map(instant).transpose()?,
        over: kept.over.map(over).transpose()?,
        clock_offset_ms: kept.clock_ms,
        guess: kept.guess,
    })
}

fn stop(stop: &Stop) -> StopText {
    StopText {
        reported: stop.edge.reported.clone(),
        said_ms: stop.edge.said.map(|at| at.timestamp_millis()),
        received_ms: stop.edge.received_at.timestamp_millis(),
        at_ms: stop.edge.at.timestamp_millis(),
        meter: stop.edge.meter.map(|register| register.0),
        reason: stop.reason.clone(),
        id_tag: stop.id_tag.as_ref().map(|tag| tag.as_sent().to_owned()),
        energy: stop.energy.map(|energy| energy.0),
        basis: stop.basis.name().to_owned(),
    }
}

fn read_stop(kept: StopText) -> Stored<Stop> {
    Ok(Stop {
        edge: Edge {
            reported: kept.reported,
            said: kept.said_ms.map(instant).transpose()?,
            received_at: instant(kept.received_ms)?,
            at: instant(kept.at_ms)?,
            meter: kept.meter.map(WattHours),
        },
        reason: kept.reason,
        id_tag: kept.id_tag.as_deref().map(IdTag::new),
        energy: kept.energy.map(WattHours),
        basis: read_basis(Some(&kept.basis))?,
    })
}

fn correction(one: &Correction) -> CorrectionText {
    CorrectionText {
        number: one.number,
        kind: match &one.kind {
            CorrectionKind::End { at, energy } => {
                KindText::End(at.timestamp_millis(), energy.map(|energy| energy.0))
            }
            CorrectionKind::Bill => KindText::Bill,
            CorrectionKind::Waive => KindText::Waive,
            CorrectionKind::ReduceUnits(units) => KindText::Units(*units),
            CorrectionKind::ReduceYen(yen) => KindText::Hundredths(yen.hundredths()),
            CorrectionKind::Assign { card, member } => {
                KindText::Assign(card.to_string(), member.to_string())
            }
            CorrectionKind::Class(class) => KindText::Class(class.name().to_owned()),
            CorrectionKind::JoinStop { message, stop: joined } => {
                KindText::Join(*message, stop(joined))
            }
            CorrectionKind::Undo => KindText::Undo,
        },
        by: one.by.clone(),
        reason: one.reason.clone(),
        at_ms: one.at.timestamp_millis(),
        approval: one.approval.name().to_owned(),
        settled: one.settled.as_ref().map(|(by, at)| (by.clone(), at.timestamp_millis())),
    }
}

fn read_correction(kept: CorrectionText) -> Stored<Correction> {
    Ok(Correction {
        number: kept.number,
        kind: match kept.kind {
            KindText::End(at, energy) => {
                CorrectionKind::End { at: instant(at)?, energy: energy.map(WattHours) }
            }
            KindText::Bill => CorrectionKind::Bill,
            KindText::Waive => CorrectionKind::Waive,
            KindText::Units(units) => CorrectionKind::ReduceUnits(units),
            KindText::Hundredths(yen) => CorrectionKind::ReduceYen(Yen::from_hundredths(yen)),
            KindText::Assign(card, member) => CorrectionKind::Assign {
                card: CardNumber::parse(&card).map_err(|_| UNREADABLE)?,
                member: MemberId::parse(&member).map_err(|_| UNREADABLE)?,
            },
            KindText::Class(class) => {
                CorrectionKind::Class(ChargerClass::parse(&class).ok_or(UNREADABLE)?)
            }
            KindText::Join(message, stop) => {
                CorrectionKind::JoinStop { message, stop: Box::new(read_stop(stop)?) }
            }
            KindText::Undo => CorrectionKind::Undo,
        },
        by: kept.by,
        reason: kept.reason,
        at: instant(kept.at_ms)?,
        approval: Approval::parse(&kept.approval).ok_or(UNREADABLE)?,
        settled: kept.settled.map(|(by, at)| instant(at).map(|at| (by, at))).transpose()?,
    })
}

#[cfg(test)]
#[path = "settled_tests.rs"]
mod tests;

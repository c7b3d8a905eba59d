//! What persons settle of a session that its charger left wrong (rule B11): dated events beside the evidence, never edits of it.
//! The session that counts is the measured one with the corrections that stand.

use std::borrow::Cow;

use chrono::{DateTime, TimeDelta, Utc};

use super::flag::Flag;
use super::ids::{CardNumber, MemberId};
use super::member::Member;
use super::month::BillingMonth;
use super::refusal::Reason;
use super::session::{BillingState, Decision, Edge, Session, Standing, Stop, StopBasis};
use super::station::{ChargerClass, ConnectorSite};
use super::units::{WattHours, Yen};

/// Corrections of one session at most, and as many again for taking back and settling: each message of the session reads them.
pub const CORRECTIONS_MAX: usize = 200;

/// What a correction does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CorrectionKind {
    /// Ends the session at an instant, with an energy.
    End {
        /// When.
        at: DateTime<Utc>,
        /// What was delivered by then, where it is known.
        energy: Option<WattHours>,
    },
    /// Bills it as it stands.
    Bill,
    /// Bills it not.
    Waive,
    /// Leaves it at most so many charged units.
    ReduceUnits(i64),
    /// Takes so many yen off.
    ReduceYen(Yen),
    /// Gives it to a member's card.
    Assign {
        /// The card.
        card: CardNumber,
        /// Its member.
        member: MemberId,
    },
    /// Says its charger's class.
    Class(ChargerClass),
    /// Ends it by a stop that came elsewhere.
    JoinStop {
        /// The journal's number of the message.
        message: i64,
        /// What the stop says.
        stop: Box<Stop>,
    },
    /// Takes the newest correction that stands back.
    Undo,
}

impl CorrectionKind {
    /// The name that the API spells.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::End { .. } => "end",
            Self::Bill => "bill",
            Self::Waive => "waive",
            Self::ReduceUnits(_) | Self::ReduceYen(_) => "reduce",
            Self::Assign { .. } => "assign",
            Self::Class(_) => "class",
            Self::JoinStop { .. } => "join_stop",
            Self::Undo => "undo",
        }
    }
}

/// Where a correction, or an entry, stands: above a limit it counts once a second person confirmed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Approval {
    /// It counts.
    Done,
    /// It waits for a second person.
    Waiting,
    /// A second person, or the first, took it back before it counted.
    Refused,
}

named!(Approval, Done = "done", Waiting = "waiting", Refused = "refused");

impl Approval {
    /// Where something that is worth a sum stands as it is made: above the limit a second person is asked, at it none is
    /// (rule B11).
    pub fn of(worth: Yen, limit: Yen) -> Self {
        if worth > limit { Self::Waiting } else { Self::Done }
    }
}

/// A correction as it was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Correction {
    /// Its place among the session's, from 1.
    pub number: i64,
    /// What it does.
    pub kind: CorrectionKind,
    /// Who made it.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When.
    pub at: DateTime<Utc>,
    /// Whether it counts.
    pub approval: Approval,
    /// Who confirmed or refused it, and when.
    pub settled: Option<(String, DateTime<Utc>)>,
}

/// What is taken off a session that is billed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reduction {
    /// All beyond so many charged units.
    Units(i64),
    /// So many yen.
    Yen(Yen),
}

impl Correction {
    /// From when it counts: made, or confirmed where that was needed.
    fn counts_from(&self) -> DateTime<Utc> {
        self.settled.as_ref().map_or(self.at, |(_, at)| *at)
    }
}

/// When something new comes to count: now, but after all that counts already, however coarse the clock is.
pub fn next_to_count(corrections: &[Correction], now: DateTime<Utc>) -> DateTime<Utc> {
    let newest = corrections
        .iter()
        .filter(|one| one.approval == Approval::Done)
        .map(Correction::counts_from)
        .max();
    newest.map_or(now, |newest| now.max(newest + TimeDelta::milliseconds(1)))
}

/// The corrections that stand, in the order in which they came to count: confirmed where that was needed, and not undone.
pub fn standing(corrections: &[Correction]) -> Vec<&Correction> {
    let mut standing = Vec::new();
    let mut done: Vec<&Correction> =
        corrections.iter().filter(|correction| correction.approval == Approval::Done).collect();
    done.sort_by_key(|correction| (correction.counts_from(), correction.number));
    for correction in done {
        if correction.kind == CorrectionKind::Undo {
            standing.pop();
        } else {
            standing.push(correction);
        }
    }
    standing
}

/// Whether a session stands as it was measured, but for decisions whether it is billed.
pub fn is_as_measured(corrections: &[Correction]) -> bool {
    standing(corrections)
        .iter()
        .all(|one| matches!(one.kind, CorrectionKind::Bill | CorrectionKind::Waive))
}

/// Whether a session has room for one more correction. The last of the room is left for what settles it: nobody is to be unable
/// to take a wrong one back.
pub fn check_room(session: &Session, kind: &CorrectionKind) -> Result<(), NoCorrection> {
    let settles =
        matches!(kind, CorrectionKind::Undo | CorrectionKind::Waive | CorrectionKind::Bill);
    let most = if settles { 2 * CORRECTIONS_MAX } else { CORRECTIONS_MAX };
    if session.corrections.len() >= most { Err(NoCorrection::TooMany) } else { Ok(()) }
}

impl Session {
    /// The session that counts: as measured, with the corrections that stand.
    pub fn corrected(&self) -> Self {
        let mut session = self.clone();
        for correction in standing(&self.corrections) {
            session.apply(&correction.kind, correction.at);
        }
        session
    }

    /// The same, where nothing was corrected without a copy.
    pub fn with_corrections(&self) -> Cow<'_, Self> {
        if self.corrections.is_empty() { Cow::Borrowed(self) } else { Cow::Owned(self.corrected()) }
    }

    /// The correction that a person's end rests on, where one stands.
    pub fn is_ended_by_person(&self) -> bool {
        standing(&self.corrections).iter().any(|one| {
            matches!(one.kind, CorrectionKind::End { .. } | CorrectionKind::JoinStop { .. })
        })
    }

    fn apply(&mut self, kind: &CorrectionKind, entered_at: DateTime<Utc>) {
        match kind {
            CorrectionKind::End { at, energy } => {
                let meter = self
                    .start
                    .meter
                    .zip(*energy)
                    .and_then(|(start, energy)| start.0.checked_add(energy.0))
                    .map(WattHours);
                self.end_by_person(Stop {
                    edge: Edge {
                        reported: String::new(),
                        said: None,
                        received_at: entered_at,
                        at: *at,
                        meter,
                    },
                    reason: "correction".to_owned(),
                    id_tag: None,
                    energy: *energy,
                    basis: StopBasis::Told,
                });
            }
            CorrectionKind::JoinStop { stop, .. } => self.end_by_person((**stop).clone()),
            CorrectionKind::Bill => self.decision = Some(Decision::Bill),
            CorrectionKind::Waive => self.decision = Some(Decision::Waive),
            CorrectionKind::ReduceUnits(units) => self.reduction = Some(Reduction::Units(*units)),
            CorrectionKind::ReduceYen(yen) => self.reduction = Some(Reduction::Yen(*yen)),
            CorrectionKind::Assign { card, member } => {
                (self.card, self.member) = (Some(card.clone()), Some(member.clone()));
                self.flags.retain(|flag| {
                    !matches!(flag, Flag::UnknownCard | Flag::NoCard | Flag::NotAuthorized)
                });
                self.refusal = None;
                self.is_assigned = true;
            }
            CorrectionKind::Class(charger_class) => {
                let known = self.site.unwrap_or(ConnectorSite {
                    charger_class: *charger_class,
                    power_w: None,
                    session_cap_min: None,
                });
                self.site = Some(ConnectorSite { charger_class: *charger_class, ..known });
                self.flags.remove(&Flag::UnknownConnector);
                // It was refused because its charger was not known.
                self.refusal = self.refusal.filter(|reason| *reason != Reason::OffNetwork);
            }
            CorrectionKind::Undo => {}
        }
    }

    fn end_by_person(&mut self, stop: Stop) {
        self.reopen();
        self.flags.remove(&Flag::StartMissing);
        self.flags.remove(&Flag::StepNumbersRepeated);
        self.stop = Some(stop);
    }
}

/// Why a correction cannot be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoCorrection {
    /// The session is nobody's: it must be given to a member's card first.
    NoMember,
    /// Its charger's class is not known: it must be said first.
    NoClass,
    /// It has no end: it must be ended first.
    Open,
    /// It would be billed to a month before the member's service began.
    BeforeServiceStart,
    /// It is billed as it stands, or its money waits for nothing.
    NotHeld,
    /// It is waived already.
    Waived,
    /// It is not billed, so nothing can be taken off.
    NotBilled,
    /// The end lies before its start, or ahead of now.
    EndOutside,
    /// Nothing shows when it ended: an instant must be named.
    NoEvidence,
    /// No correction stands.
    NothingToUndo,
    /// It has as many corrections as are kept.
    TooMany,
}

impl NoCorrection {
    /// The code that the API shows.
    pub const fn code(self) -> &'static str {
        match self {
            Self::NoMember => "no_member",
            Self::NoClass => "no_class",
            Self::Open => "session_open",
            Self::BeforeServiceStart => "before_service_start",
            Self::NotHeld => "not_held",
            Self::Waived => "already_waived",
            Self::NotBilled => "not_billed",
            Self::EndOutside => "end_outside",
            Self::NoEvidence => "no_evidence",
            Self::NothingToUndo => "nothing_to_undo",
            Self::TooMany => "too_many_corrections",
        }
    }

    /// What stands in the way, and what to do.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::NoMember => "the session is nobody's: give it to a member's card first (assign)",
            Self::NoClass => {
                "the class of the session's charger is not known: say it first (class)"
            }
            Self::Open => "the session has no end: end it first (end)",
            Self::BeforeServiceStart => {
                "the session started before the month in which the member's service began: it cannot be billed, only waived or given to another card"
            }
            Self::NotHeld => "the session is billed already, or waits for no decision",
            Self::Waived => "the session is waived already: undo that first",
            Self::NotBilled => "the session is not billed: only a billed one can be reduced",
            Self::EndOutside => "stopped_at must lie between the session's start and now",
            Self::NoEvidence => "nothing shows when the session ended: name stopped_at",
            Self::NothingToUndo => "no correction of the session stands",
            Self::TooMany => "the session has as many corrections as are kept: 200",
        }
    }
}

/// Whether a session would lie before the month in which its member's service began: no bill of that month exists.
pub fn is_before_service(session: &Session, member: &Member) -> bool {
    member.service_start().is_none_or(|start| session.month() < BillingMonth::of(start))
}

/// Whether a correction can be made of a session as it stands. `member`: whose it is, or would be.
pub fn check(
    session: &Session,
    kind: &CorrectionKind,
    standing_now: Standing,
    member: Option<&Member>,
    now: DateTime<Utc>,
) -> Result<(), NoCorrection> {
    let state = session.billing_state(standing_now);
    let before_service = || member.is_some_and(|member| is_before_service(session, member));
    let refuse = |when: bool, why| if when { Err(why) } else { Ok(()) };
    match kind {
        CorrectionKind::Bill => {
            refuse(session.member.is_none(), NoCorrection::NoMember)?;
            refuse(session.site.is_none(), NoCorrection::NoClass)?;
            refuse(session.stop.is_none(), NoCorrection::Open)?;
            refuse(before_service(), NoCorrection::BeforeServiceStart)?;
            refuse(
                state == BillingState::Ended && session.decision.is_none(),
                NoCorrection::NotHeld,
            )
        }
        CorrectionKind::Waive => refuse(state == BillingState::Waived, NoCorrection::Waived),
        CorrectionKind::ReduceUnits(_) | CorrectionKind::ReduceYen(_) => {
            refuse(state != BillingState::Ended, NoCorrection::NotBilled)
        }
        CorrectionKind::Assign { .. } => refuse(before_service(), NoCorrection::BeforeServiceStart),
        CorrectionKind::End { at, .. } => {
            refuse(*at < session.start.at || *at > now, NoCorrection::EndOutside)
        }
        CorrectionKind::JoinStop { stop, .. } => {
            refuse(stop.edge.at < session.start.at, NoCorrection::EndOutside)
        }
        CorrectionKind::Undo => {
            refuse(standing(&session.corrections).is_empty(), NoCorrection::NothingToUndo)
        }
        CorrectionKind::Class(_) => Ok(()),
    }
}

/// The end of a session by the newest evidence of it: what was seen of charging, or the estimate, or the stop that it has.
pub fn last_evidence(session: &Session) -> Result<CorrectionKind, NoCorrection> {
    let stop = session.stop.as_ref().filter(|stop| stop.edge.at >= session.start.at);
    let seen = session.trail.charging_seen.filter(|seen| *seen >= session.start.at);
    let at = match (stop, seen) {
        (Some(stop), Some(seen)) if stop.basis != StopBasis::Told => seen.min(stop.edge.at),
        (Some(stop), _) => stop.edge.at,
        (None, Some(seen)) => seen,
        (None, None) => return Err(NoCorrection::NoEvidence),
    };
    let energy = match stop.and_then(|stop| stop.energy) {
        Some(energy) => Some(energy),
        None => super::metering::energy(session.start.meter, None, session.last_reading).0,
    };
    Ok(CorrectionKind::End { at, energy })
}

#[cfg(test)]
#[path = "correction_tests.rs"]
mod tests;

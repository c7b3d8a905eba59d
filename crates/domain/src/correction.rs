//! Corrections by persons of sessions that stations reported wrongly (rule B11). Corrections are
//! dated events beside the evidence, which is never edited. The session that counts is the measured
//! one with the standing corrections applied.

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

/// The most corrections of one session. As many again may be made to undo, bill or waive it. The
/// limit exists because each message of the session reads them all.
pub const CORRECTIONS_MAX: usize = 200;

/// The effect of a correction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CorrectionKind {
    /// Ends the session at an instant, with an energy.
    End {
        /// The instant of the end.
        at: DateTime<Utc>,
        /// The energy delivered by then, if known.
        energy: Option<WattHours>,
    },
    /// Bills the session as it stands.
    Bill,
    /// Does not bill the session.
    Waive,
    /// Limits the charged units to this number.
    ReduceUnits(i64),
    /// Reduces the price by this sum.
    ReduceYen(Yen),
    /// Gives the session to a member's card.
    Assign {
        /// The card to which the session is given.
        card: CardNumber,
        /// The card's member.
        member: MemberId,
    },
    /// Sets the class of the session's charger.
    Class(ChargerClass),
    /// Ends the session by a stop that was received apart from it.
    JoinStop {
        /// The message's number in the journal.
        message: i64,
        /// The content of the stop.
        stop: Box<Stop>,
    },
    /// Undoes the newest standing correction.
    Undo,
}

impl CorrectionKind {
    /// The correction's name in the API.
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

/// Whether a correction or an entry counts. Above a limit it counts only once a second person has
/// confirmed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Approval {
    /// The correction or entry counts.
    Done,
    /// The correction or entry waits for a second person.
    Waiting,
    /// The first person or a second one took the correction or entry back before it counted.
    Refused,
}

named!(Approval, Done = "done", Waiting = "waiting", Refused = "refused");

impl Approval {
    /// The state in which a correction or an entry is made. One whose worth is above the limit
    /// waits for a second person. Any other counts at once (rule B11).
    pub fn of(worth: Yen, limit: Yen) -> Self {
        if worth > limit { Self::Waiting } else { Self::Done }
    }
}

/// A correction with its present state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Correction {
    /// The correction's number among the session's corrections, from 1.
    pub number: i64,
    /// The correction's effect.
    pub kind: CorrectionKind,
    /// The person who made the correction.
    pub by: String,
    /// The reason, in the person's words.
    pub reason: String,
    /// The time at which the correction was made.
    pub at: DateTime<Utc>,
    /// Whether the correction counts, waits for a second person, or was refused.
    pub approval: Approval,
    /// The person who confirmed or refused the correction, and the time.
    pub settled: Option<(String, DateTime<Utc>)>,
}

/// The reduction of a billed session's price.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reduction {
    /// Only this many of the charged units are billed.
    Units(i64),
    /// This sum is subtracted from the price.
    Yen(Yen),
}

impl Correction {
    /// The instant from which the correction counts: when it was made, or confirmed if that was
    /// needed.
    fn counts_from(&self) -> DateTime<Utc> {
        self.settled.as_ref().map_or(self.at, |(_, at)| *at)
    }
}

/// The instant from which a new correction counts: now, but at least a millisecond after every
/// correction that counts already, even if the clock is coarse.
pub fn next_to_count(corrections: &[Correction], now: DateTime<Utc>) -> DateTime<Utc> {
    let newest = corrections
        .iter()
        .filter(|one| one.approval == Approval::Done)
        .map(Correction::counts_from)
        .max();
    newest.map_or(now, |newest| now.max(newest + TimeDelta::milliseconds(1)))
}

/// The standing corrections in the order in which they came to count. Those that wait, were refused
/// or were undone are left out.
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

/// Whether no correction changes the session's measurement: the standing ones, if any, only bill or
/// waive it.
pub fn is_as_measured(corrections: &[Correction]) -> bool {
    standing(corrections)
        .iter()
        .all(|one| matches!(one.kind, CorrectionKind::Bill | CorrectionKind::Waive))
}

/// Whether the session may have one more correction. Half of the room is kept for those that undo,
/// bill or waive, so that a wrong correction can always be undone.
pub fn check_room(session: &Session, kind: &CorrectionKind) -> Result<(), NoCorrection> {
    let settles =
        matches!(kind, CorrectionKind::Undo | CorrectionKind::Waive | CorrectionKind::Bill);
    let most = if settles { 2 * CORRECTIONS_MAX } else { CORRECTIONS_MAX };
    if session.corrections.len() >= most { Err(NoCorrection::TooMany) } else { Ok(()) }
}

impl Session {
    /// The session that counts: the measured one with the standing corrections applied.
    pub fn corrected(&self) -> Self {
        let mut session = self.clone();
        for correction in standing(&self.corrections) {
            session.apply(&correction.kind, correction.at);
        }
        session
    }

    /// The session that counts, without a copy if it has no corrections.
    pub fn with_corrections(&self) -> Cow<'_, Self> {
        if self.corrections.is_empty() { Cow::Borrowed(self) } else { Cow::Owned(self.corrected()) }
    }

    /// Whether a standing correction sets the session's end.
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
                // The refusal was for the unknown charger, which is known now.
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

/// The reason why a correction cannot be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoCorrection {
    /// The session has no member: it must be assigned to a member's card first.
    NoMember,
    /// The class of its charger is not known: it must be set first.
    NoClass,
    /// The session has no end: it must be ended first.
    Open,
    /// The session would be billed to a month before the member's service started.
    BeforeServiceStart,
    /// The session is billed already, without a decision.
    NotHeld,
    /// The session is waived already.
    Waived,
    /// The session is not billed, so its price cannot be reduced.
    NotBilled,
    /// The end lies before the session's start, or in the future.
    EndOutside,
    /// No evidence shows when the session ended: the person must name the instant.
    NoEvidence,
    /// The session has no standing correction.
    NothingToUndo,
    /// The session has as many corrections as it may have.
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

    /// The obstacle and the remedy, for people.
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

/// Whether a session lies before the month in which its member's service started. No bill of that
/// month exists.
pub fn is_before_service(session: &Session, member: &Member) -> bool {
    member.service_start().is_none_or(|start| session.month() < BillingMonth::of(start))
}

/// Whether a correction of the session can be made. `member` is the session's member, or the one to
/// whom it would be given.
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

/// A correction that ends the session at the newest evidence of its end. That is the reported stop
/// if there is one. Otherwise it is the newest evidence of charging or the estimated or guessed
/// end, whichever is earlier.
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

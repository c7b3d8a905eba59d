//! Corrections of sessions (rule B11): what a person settles becomes a dated event beside the evidence, and what it changes in
//! closed months a line of the next invoice. Above a limit a second person confirms.

use crate::found;
use std::collections::HashMap;

use chrono::{DateTime, Utc};

use crate::error::{AppError, Done};
use crate::ledger::Settlement;
use crate::requests::once;
use crate::sessions::Sessions;
use crate::sessions::joined_stop::told_stop;
use crate::sessions::views::SessionView;
use juden_domain::correction::{self, Approval, Correction, CorrectionKind, NoCorrection};
use juden_domain::ids::{CardNumber, MemberId, SessionId, SessionRef, StationId};
use juden_domain::instant::Heard;
use juden_domain::member::Member;
use juden_domain::month::BillingMonth;
use juden_domain::over::FREE;
use juden_domain::rating;
use juden_domain::session::{BillingState, Session, Stop};
use juden_domain::station::ChargerClass;
use juden_domain::units::{WattHours, Yen};
use juden_store::{JournalEntry, JournalFilter, Once};

/// A reason has this many characters at most.
pub const REASON_MAX: usize = 1_000;

/// How often a correction is tried that another change of its session comes before.
const TRIES: usize = 5;

/// Months beside a session's own whose sessions it may overlap.
const MONTHS_MAX: usize = 15;

/// What a person asks for.
#[derive(Debug, Clone)]
pub enum CorrectionRequest {
    /// An end, or that by the last evidence.
    End {
        /// When.
        stopped_at: Option<DateTime<Utc>>,
        /// What was delivered.
        energy: Option<WattHours>,
    },
    /// That it is billed as it stands.
    Bill,
    /// That it is not billed.
    Waive,
    /// So many charged units at most.
    ReduceUnits(i64),
    /// So many yen less.
    ReduceYen(Yen),
    /// Another card.
    Assign(CardNumber),
    /// The class of its charger.
    Class(ChargerClass),
    /// A stop that came elsewhere, by its number in the journal.
    JoinStop(i64),
    /// The newest correction back.
    Undo,
}

/// Who asks, and why.
#[derive(Debug, Clone, Copy)]
pub struct Author<'a> {
    /// Who.
    pub by: &'a str,
    /// Why.
    pub reason: &'a str,
}

/// The name of a correction: its session's, and its place among that one's.
pub fn correction_id(session: &SessionRef, number: i64) -> String {
    format!("{session}-{number}")
}

impl From<NoCorrection> for AppError {
    fn from(why: NoCorrection) -> Self {
        match why {
            NoCorrection::EndOutside | NoCorrection::NoEvidence => Self::invalid(
                "stopped_at",
                match why {
                    NoCorrection::NoEvidence => "named: nothing shows when the session ended",
                    _ => "an instant between the session's start and now",
                },
            ),
            other => Self::conflict(other.code(), other.sentence()),
        }
    }
}

impl Sessions {
    /// Corrects a session; with the session as it stands then.
    pub async fn correct(
        &self,
        name: &str,
        asked: &CorrectionRequest,
        author: Author<'_>,
    ) -> Done<(Correction, SessionView)> {
        check_reason(author.reason)?;
        for _ in 0..TRIES {
            let view = self.view_of(name).await?;
            if once::done().is_some() {
                let newest = view
                    .session
                    .corrections
                    .last()
                    .cloned()
                    .ok_or(AppError::Busy("the correction is being made"))?;
                return Ok((newest, view));
            }
            let (kind, member) = self.resolved(&view.session, asked).await?;
            correction::check_room(&view.session, &kind)?;
            correction::check(
                &view.session,
                &kind,
                view.standing,
                member.as_ref(),
                self.clock.now(),
            )?;
            let number =
                i64::try_from(view.session.corrections.len()).unwrap_or(i64::MAX).saturating_add(1);
            let mut made = Correction {
                number,
                kind,
                by: author.by.to_owned(),
                reason: author.reason.to_owned(),
                at: correction::next_to_count(&view.session.corrections, self.clock.now()),
                approval: Approval::Done,
                settled: None,
            };
            // What a charger measured and a person was asked about is no sum that the person names.
            let is_decided_alone = correction::is_as_measured(&view.session.corrections)
                && view.state != BillingState::Ended;
            let is_decision = matches!(made.kind, CorrectionKind::Bill | CorrectionKind::Waive)
                && is_decided_alone;
            if !is_decision {
                let worth = self.worth(&view.session, &made).await?;
                made.approval = Approval::of(worth, self.confirm_over);
            }
            let mut corrections = view.session.corrections.clone();
            corrections.push(made.clone());
            if self.settle(&view.session, corrections, once::to_keep()).await? {
                self.look_again(name).await?;
                return Ok((made, self.view_of(name).await?));
            }
        }
        Err(AppError::Busy("the session changes all the time: try again"))
    }

    /// Has a second person confirm a correction that waits, or anybody refuse it.
    pub async fn settle_correction(
        &self,
        id: &str,
        by: &str,
        approval: Approval,
    ) -> Done<(Correction, SessionView)> {
        let unknown = || AppError::not_found("correction", id);
        let (name, number) = id.rsplit_once('-').ok_or_else(unknown)?;
        let number: i64 = number.parse().map_err(|_| unknown())?;
        for _ in 0..TRIES {
            let view = self.view_of(name).await.map_err(|_| unknown())?;
            let mut corrections = view.session.corrections.clone();
            let counts_from = correction::next_to_count(&corrections, self.clock.now());
            let one =
                corrections.iter_mut().find(|one| one.number == number).ok_or_else(unknown)?;
            if once::done().is_some() {
                return Ok((one.clone(), view));
            }
            check_settleable(one.approval, &one.by, by, approval)?;
            if approval == Approval::Done {
                let member = self.whose(&view.session, &one.kind).await?;
                correction::check(
                    &view.session,
                    &one.kind,
                    view.standing,
                    member.as_ref(),
                    self.clock.now(),
                )?;
            }
            (one.approval, one.settled) = (approval, Some((by.to_owned(), counts_from)));
            let settled = one.clone();
            if self.settle(&view.session, corrections, once::to_keep()).await? {
                self.look_again(name).await?;
                return Ok((settled, self.view_of(name).await?));
            }
        }
        Err(AppError::Busy("the session changes all the time: try again"))
    }

    /// A station's transaction messages after one of them, each with its session's name.
    pub async fn station_messages(
        &self,
        station: &StationId,
        filter: &JournalFilter,
        after: i64,
        limit: i64,
    ) -> Done<Vec<(JournalEntry, Option<SessionRef>)>> {
        self.stations
            .find(station)
            .await?
            .ok_or_else(|| AppError::not_found("station", station))?;
        let entries = self.store.station_journal(station, filter, after, limit).await?;
        let mut names: HashMap<SessionId, SessionRef> = HashMap::new();
        for id in entries.iter().filter_map(|entry| entry.session_id) {
            if let std::collections::hash_map::Entry::Vacant(place) = names.entry(id)
                && let Some(session) = self.store.session(id).await?
            {
                place.insert(session.reference);
            }
        }
        let named = |entry: JournalEntry| {
            let name = entry.session_id.and_then(|id| names.get(&id).cloned());
            (entry, name)
        };
        Ok(entries.into_iter().map(named).collect())
    }

    /// Ends a session that has no end any more by what its station told while a person's end stood: its connector is free, or
    /// it booted.
    async fn look_again(&self, name: &str) -> Done<()> {
        let session = self.view_of(name).await?.session;
        if session.stop.is_some() {
            return Ok(());
        }
        let Some(station) = self.store.station(&session.station_id).await? else { return Ok(()) };
        let connector =
            station.connectors.iter().find(|one| one.connector_id == session.connector_id);
        let free_since = connector
            .filter(|one| one.status.as_deref() == Some(FREE))
            .and_then(|one| one.status_at);
        if let Some(over) =
            session.over_by_state(free_since, station.observed.booted_at, self.clock.now())
        {
            self.ledger.settle(&session, Settlement::Over(over), None).await?;
        }
        Ok(())
    }

    async fn settle(
        &self,
        seen: &Session,
        corrections: Vec<Correction>,
        once: Option<Once>,
    ) -> Done<bool> {
        let after = self.after(seen, corrections.clone()).await?;
        let months = months_of(&[seen, &after]);
        let what = Settlement::Corrected {
            corrections,
            seen: Box::new(seen.clone()),
            months: months.clone(),
        };
        let done = self.ledger.settle(seen, what, once).await?;
        if done {
            for (member, month) in &months {
                self.uses.forget(member, *month);
            }
        }
        Ok(done)
    }

    /// The session with other corrections: they hold against what was measured, which the store keeps.
    async fn after(&self, seen: &Session, corrections: Vec<Correction>) -> Done<Session> {
        let measured = self
            .store
            .measured_session(seen.id)
            .await?
            .ok_or_else(|| AppError::not_found("session", &seen.reference))?;
        Ok(Session { corrections, ..measured }.corrected())
    }

    /// What is asked for, with what it rests on; and whose the session is then.
    async fn resolved(
        &self,
        session: &Session,
        asked: &CorrectionRequest,
    ) -> Done<(CorrectionKind, Option<Member>)> {
        let kind = match asked {
            CorrectionRequest::End { stopped_at: None, energy } => {
                match correction::last_evidence(session)? {
                    CorrectionKind::End { at, energy: seen } => {
                        CorrectionKind::End { at, energy: energy.or(seen) }
                    }
                    other => other,
                }
            }
            CorrectionRequest::End { stopped_at: Some(at), energy } => {
                CorrectionKind::End { at: *at, energy: *energy }
            }
            CorrectionRequest::Bill => CorrectionKind::Bill,
            CorrectionRequest::Waive => CorrectionKind::Waive,
            CorrectionRequest::ReduceUnits(units) => CorrectionKind::ReduceUnits(*units),
            CorrectionRequest::ReduceYen(yen) => CorrectionKind::ReduceYen(*yen),
            CorrectionRequest::Class(class) => CorrectionKind::Class(*class),
            CorrectionRequest::Undo => CorrectionKind::Undo,
            CorrectionRequest::JoinStop(seq) => CorrectionKind::JoinStop {
                message: *seq,
                stop: Box::new(self.stop_of(session, *seq).await?),
            },
            CorrectionRequest::Assign(card) => {
                let file = self
                    .store
                    .card(card)
                    .await?
                    .ok_or_else(|| AppError::not_found("card", card))?;
                let nobodys = || {
                    AppError::conflict(
                        "not_activated",
                        format!("the card {card} is no member's: it was never activated"),
                    )
                };
                CorrectionKind::Assign {
                    card: card.clone(),
                    member: file.file.member.as_ref().ok_or_else(nobodys)?.id.clone(),
                }
            }
        };
        let member = self.whose(session, &kind).await?;
        Ok((kind, member))
    }

    async fn whose(&self, session: &Session, kind: &CorrectionKind) -> Done<Option<Member>> {
        let of = match kind {
            CorrectionKind::Assign { member, .. } => Some(member),
            _ => session.member.as_ref(),
        };
        match of {
            Some(member) => Ok(Some(found::member(self.store.as_ref(), member).await?)),
            None => Ok(None),
        }
    }

    /// The stop that a message of the journal tells.
    async fn stop_of(&self, session: &Session, seq: i64) -> Done<Stop> {
        let entry = self
            .store
            .journal_entry(seq)
            .await?
            .filter(|entry| entry.station_id == session.station_id.as_str());
        let entry =
            entry.ok_or_else(|| AppError::not_found("message of the session's station", seq))?;
        let wrong = || AppError::invalid("message_id", "the number of a message that tells a stop");
        if let Some(other) = entry.session_id.filter(|other| *other != session.id)
            && let Some(other) = self.store.session(other).await?
        {
            let view = self.view_of(other.reference.as_str()).await?;
            if view.state == BillingState::Ended && !view.session.is_ended_by_person() {
                let why = format!(
                    "the session {} is billed by this stop: end it otherwise, or waive it, first",
                    other.reference
                );
                return Err(AppError::conflict("stop_of_another_session", why));
            }
        }
        let station = self
            .stations
            .find(&session.station_id)
            .await?
            .ok_or_else(|| AppError::not_found("station", &session.station_id))?;
        let told = told_stop(&entry).ok_or_else(wrong)?;
        let heard = Heard {
            received_at: entry.received_at,
            connected_since: entry.connected_since,
            clock: entry.clock,
        };
        let alone = Session { stop: None, ..session.clone() };
        Ok(told.stop(&alone, station.zone(), heard))
    }

    /// By how much a correction changes what the members pay.
    async fn worth(&self, session: &Session, made: &Correction) -> Done<Yen> {
        let mut corrections = session.corrections.clone();
        corrections.push(made.clone());
        let after = self.after(session, corrections).await?;
        let mut most = Yen::ZERO;
        for member in [&session.member, &after.member].into_iter().flatten() {
            let member = found::member(self.store.as_ref(), member).await?;
            let before = self.comes_to(&member, session, session).await?;
            let then = self.comes_to(&member, session, &after).await?;
            most = most.max(then - before).max(before - then);
        }
        Ok(most)
    }

    /// What a member's month comes to with a session as it is given.
    async fn comes_to(&self, member: &Member, session: &Session, as_given: &Session) -> Done<Yen> {
        let month = session.month();
        let mut sessions = self.billing.sessions_for(member, month).await?;
        sessions.retain(|one| one.id != session.id);
        if as_given.member.as_ref() == Some(&member.id) {
            sessions.push(as_given.clone());
        }
        Ok(rating::rate(member, &sessions, month, &self.programme.current())?.bill.total())
    }
}

/// Whether a reason is one.
pub(crate) fn check_reason(reason: &str) -> Done<()> {
    if reason.trim().is_empty()
        || reason.chars().count() > REASON_MAX
        || reason.chars().any(is_unseen)
    {
        return Err(AppError::invalid(
            "reason",
            format!("from 1 to {REASON_MAX} characters, none of them a control character"),
        ));
    }
    Ok(())
}

/// Whether a character shows nothing, or turns what stands beside it around.
fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Whether something that waits can be confirmed, or refused, by somebody.
pub(crate) fn check_settleable(now: Approval, made_by: &str, by: &str, to: Approval) -> Done<()> {
    if now != Approval::Waiting {
        return Err(AppError::conflict(
            "not_waiting",
            format!("it is {}: only what waits is confirmed or refused", now.name()),
        ));
    }
    if to == Approval::Done && made_by.trim().to_lowercase() == by.trim().to_lowercase() {
        return Err(AppError::conflict(
            "second_person",
            format!("{by} made it: another person must confirm it"),
        ));
    }
    Ok(())
}

/// The months of members that change with a session, and those whose sessions it may overlap.
fn months_of(sessions: &[&Session]) -> Vec<(MemberId, BillingMonth)> {
    let mut months = Vec::new();
    for session in sessions {
        let Some(member) = &session.member else { continue };
        let last = session
            .stop
            .as_ref()
            .map_or(session.month(), |stop| BillingMonth::of(stop.edge.at))
            .next();
        let mut month = session.month().previous();
        for _ in 0..MONTHS_MAX {
            months.push((member.clone(), month));
            if month >= last {
                break;
            }
            month = month.next();
        }
    }
    months.sort();
    months.dedup();
    months
}

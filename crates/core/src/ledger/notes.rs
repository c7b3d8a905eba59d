//! Notes of a station beside its transactions that show whether a session goes on or is over (rules B6, B9): a
//! connector's state, a boot, an answer to a command. Settlements by persons are here too.

use chrono::{DateTime, Utc};
use tokio::sync::oneshot;

use super::batch_state::BatchState;
use juden_domain::correction::Correction;
use juden_domain::ids::{MemberId, SessionId, StationId};
use juden_domain::month::BillingMonth;
use juden_domain::over::{FREE, Over, OverBy};
use juden_domain::session::Session;
use juden_store::Once;
use juden_store::ledger::{LedgerRow, StationNote, StationNoteRow, Wanted};

/// The state that shows that energy flows.
const CHARGING: &str = "Charging";

/// What is to be settled of a session.
#[derive(Debug)]
pub struct Settling {
    /// Which.
    pub session: SessionId,
    /// At which station: whoever settles holds it.
    pub station: StationId,
    /// What.
    pub what: Settlement,
    /// The request that is done with it, where that is to be done once.
    pub once: Option<Once>,
    /// Told the corrections that the session has then, or nothing: it was changed meanwhile.
    pub reply: oneshot::Sender<bool>,
}

/// What is settled.
#[derive(Debug, Clone)]
pub enum Settlement {
    /// The session is over by what shows it, where nothing ended it.
    Over(Over),
    /// A person's corrections, all of them, in place of so many.
    Corrected {
        /// Those that there are from now on.
        corrections: Vec<Correction>,
        /// What they rest on: the session as it was then.
        seen: Box<Session>,
        /// The member whose month loses the session, or has it.
        months: Vec<(MemberId, BillingMonth)>,
    },
}

/// The sessions that notes and settlements may touch.
pub(super) fn want(wanted: &mut Wanted, notes: &[StationNoteRow], settlings: &[Settling]) {
    for row in notes {
        match &row.note {
            StationNote::Status(status)
                if matches!(status.status.as_str(), FREE | CHARGING)
                    && status.connector_id != 0 =>
            {
                wanted.open_at.push((row.station_id.clone(), status.connector_id));
                wanted.estimated_at.push(row.station_id.clone());
            }
            StationNote::Boot(_) => wanted.stops.push((row.station_id.clone(), String::new(), 0)),
            _ => continue,
        }
        wanted.stations.push(row.station_id.clone());
    }
    for settling in settlings {
        wanted.sessions.push(settling.session.0);
        wanted.stations.push(settling.station.clone());
    }
}

/// What a note shows of the sessions at its station.
pub(super) fn note(state: &mut BatchState, row: &StationNoteRow) {
    match &row.note {
        StationNote::Status(status) if status.connector_id != 0 => {
            let at = status.told_at.unwrap_or(row.at).min(row.at);
            match status.status.as_str() {
                FREE => over(state, row, status.connector_id, at),
                CHARGING => charging(state, row, status.connector_id, at),
                _ => {}
            }
        }
        StationNote::Boot(_) => booted(state, &row.station_id, row.at),
        _ => {}
    }
}

fn over(state: &mut BatchState, note: &StationNoteRow, connector_id: i64, at: DateTime<Utc>) {
    let ends = |session: &Session| {
        session.stop.is_none() && session.start.at < at && session.start.received_at < note.at
    };
    let rows: Vec<LedgerRow> = state
        .at_connector(&note.station_id, connector_id)
        .filter(|row| ends(&row.session))
        .cloned()
        .collect();
    for mut row in rows {
        row.session.estimate_end(Over { at, by: OverBy::Available });
        state.put(row);
    }
}

fn charging(state: &mut BatchState, note: &StationNoteRow, connector_id: i64, at: DateTime<Utc>) {
    let goes_on = |session: &Session| {
        session.start.at <= at && (session.stop.is_none() || session.is_estimated())
    };
    let newest =
        state.at_connector(&note.station_id, connector_id).max_by_key(|row| row.session.start.at);
    if let Some(mut row) = newest.filter(|row| goes_on(&row.session)).cloned() {
        row.session.is_told_to_charge(at);
        state.put(row);
    }
}

fn booted(state: &mut BatchState, station: &StationId, at: DateTime<Utc>) {
    let rows: Vec<LedgerRow> = state
        .running_at(station)
        .filter(|row| row.session.start.received_at < at)
        .cloned()
        .collect();
    for mut row in rows {
        row.session.trail.booted_at = Some(at);
        state.put(row);
    }
}

/// Settles a session; whether it was as the settlement supposed.
pub(super) fn settle(state: &mut BatchState, settling: &Settling) -> bool {
    let Some(mut row) = state
        .row(settling.session)
        .filter(|row| row.session.station_id == settling.station)
        .cloned()
    else {
        return false;
    };
    match &settling.what {
        Settlement::Over(over) => {
            if row.session.stop.is_none() {
                row.session.estimate_end(*over);
                state.put(row);
            }
            true
        }
        Settlement::Corrected { corrections, seen, months } => {
            if *row.session.with_corrections() != **seen {
                return false;
            }
            row.session.corrections.clone_from(corrections);
            for (member, month) in months {
                state.left(member.clone(), *month);
            }
            if let Some(once) = &settling.once {
                state.once(once.clone());
            }
            state.put(row);
            true
        }
    }
}

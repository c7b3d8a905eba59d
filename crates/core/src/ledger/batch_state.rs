//! A batch's open state: the sessions that it may touch, and what it will write. Later messages of a
//! batch see what earlier ones did.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use juden_domain::ids::{CardNumber, MemberId, SessionId, StationId};
use juden_domain::month::BillingMonth;
use juden_domain::session::Session;
use juden_store::Once;
use juden_store::ledger::{Batch, EventRow, JournalRow, LedgerRow, ReadingRow};

/// The sessions and the writes of a batch.
#[derive(Debug, Default)]
pub struct BatchState {
    rows: BTreeMap<SessionId, LedgerRow>,
    /// Running sessions by station and by card, and all by connector: a batch's starts look at their own alone.
    running_at: HashMap<StationId, BTreeSet<SessionId>>,
    running_of: HashMap<CardNumber, BTreeSet<SessionId>>,
    /// The same of those whose end is an estimate.
    estimated_at: HashMap<StationId, BTreeSet<SessionId>>,
    estimated_of: HashMap<CardNumber, BTreeSet<SessionId>>,
    at: HashMap<(StationId, i64), BTreeSet<SessionId>>,
    by_start: HashMap<(StationId, String), Vec<SessionId>>,
    by_stop: HashMap<(StationId, String), SessionId>,
    changed: BTreeSet<SessionId>,
    journal: Vec<JournalRow>,
    readings: Vec<ReadingRow>,
    events: HashMap<(SessionId, i64), EventRow>,
    new_events: Vec<EventRow>,
    left: Vec<(MemberId, BillingMonth)>,
    once: Vec<Once>,
}

impl BatchState {
    /// A state of the rows and events that the store knows.
    pub fn of(rows: Vec<LedgerRow>, events: Vec<EventRow>) -> Self {
        let mut state = Self {
            events: events
                .into_iter()
                .map(|event| ((event.session_id, event.order), event))
                .collect(),
            ..Self::default()
        };
        for row in rows {
            state.place(row);
        }
        state
    }

    fn place(&mut self, row: LedgerRow) {
        if let Some(before) = self.rows.remove(&row.session.id) {
            self.forget_place(&before.session.with_corrections());
        }
        let (id, session) = (row.session.id, &row.session.with_corrections());
        self.at.entry((session.station_id.clone(), session.connector_id)).or_default().insert(id);
        let places = match (&session.stop, session.is_estimated()) {
            (None, _) => Some((&mut self.running_at, &mut self.running_of)),
            (Some(_), true) => Some((&mut self.estimated_at, &mut self.estimated_of)),
            (Some(_), false) => None,
        };
        if let Some((at, of)) = places {
            at.entry(session.station_id.clone()).or_default().insert(id);
            if let Some(card) = &session.card {
                of.entry(card.clone()).or_default().insert(id);
            }
        }
        let station = row.session.station_id.clone();
        let starts = self.by_start.entry((station.clone(), row.start_key.clone())).or_default();
        if !starts.contains(&row.session.id) {
            starts.push(row.session.id);
        }
        let of_guess = row.session.trail.guess.as_ref().map(|(key, _)| key);
        for stop_key in row.stop_key.iter().chain(of_guess) {
            self.by_stop.entry((station.clone(), stop_key.clone())).or_insert(row.session.id);
        }
        self.rows.insert(row.session.id, row);
    }

    fn forget_place(&mut self, session: &Session) {
        let id = &session.id;
        if let Some(there) = self.at.get_mut(&(session.station_id.clone(), session.connector_id)) {
            there.remove(id);
        }
        for of_station in [&mut self.running_at, &mut self.estimated_at] {
            if let Some(ids) = of_station.get_mut(&session.station_id) {
                ids.remove(id);
            }
        }
        for of_card in [&mut self.running_of, &mut self.estimated_of] {
            if let Some(ids) = session.card.as_ref().and_then(|card| of_card.get_mut(card)) {
                ids.remove(id);
            }
        }
    }

    fn rows_of<'a>(
        &'a self,
        ids: Option<&'a BTreeSet<SessionId>>,
    ) -> impl Iterator<Item = &'a LedgerRow> {
        ids.into_iter().flatten().filter_map(|id| self.rows.get(id))
    }

    /// A session by its number.
    pub fn row(&self, id: SessionId) -> Option<&LedgerRow> {
        self.rows.get(&id)
    }

    /// The newest session with a start's content.
    pub fn by_start(&self, station: &StationId, key: &str) -> Option<&LedgerRow> {
        let ids = self.by_start.get(&(station.clone(), key.to_owned()))?;
        ids.iter().filter_map(|id| self.rows.get(id)).max_by_key(|row| row.start_ordinal)
    }

    /// All sessions with a start's content, the newest first.
    pub fn all_by_start(&self, station: &StationId, key: &str) -> Vec<&LedgerRow> {
        let ids = self.by_start.get(&(station.clone(), key.to_owned()));
        let mut rows: Vec<&LedgerRow> =
            ids.into_iter().flatten().filter_map(|id| self.rows.get(id)).collect();
        rows.sort_by_key(|row| std::cmp::Reverse(row.start_ordinal));
        rows
    }

    /// The session that a stop with this content was applied to.
    pub fn by_stop(&self, station: &StationId, key: &str) -> Option<&LedgerRow> {
        self.by_stop.get(&(station.clone(), key.to_owned())).and_then(|id| self.rows.get(id))
    }

    /// The running sessions.
    pub fn running(&self) -> impl Iterator<Item = &LedgerRow> {
        self.rows.values().filter(|row| row.session.stop.is_none())
    }

    /// The running sessions of a station.
    pub fn running_at(&self, station: &StationId) -> impl Iterator<Item = &LedgerRow> {
        self.rows_of(self.running_at.get(station))
    }

    /// The running sessions of a card.
    pub fn running_of(&self, card: &CardNumber) -> impl Iterator<Item = &LedgerRow> {
        self.rows_of(self.running_of.get(card))
    }

    /// A station's sessions whose end is an estimate.
    pub fn estimated_at(&self, station: &StationId) -> impl Iterator<Item = &LedgerRow> {
        self.rows_of(self.estimated_at.get(station))
    }

    /// A card's sessions whose end is an estimate.
    pub fn estimated_of(&self, card: &CardNumber) -> impl Iterator<Item = &Session> {
        self.rows_of(self.estimated_of.get(card)).map(|row| &row.session)
    }

    /// All sessions at a connector.
    pub fn at_connector(
        &self,
        station: &StationId,
        connector_id: i64,
    ) -> impl Iterator<Item = &LedgerRow> {
        self.rows_of(self.at.get(&(station.clone(), connector_id)))
    }

    /// Puts a new or changed session into the state; it will be written.
    pub fn put(&mut self, row: LedgerRow) {
        self.changed.insert(row.session.id);
        self.place(row);
    }

    /// An event that was answered before.
    pub fn event(&self, session: SessionId, order: i64) -> Option<&EventRow> {
        self.events.get(&(session, order))
    }

    /// Puts an event into the state that was not there before.
    pub fn put_event(&mut self, event: EventRow) {
        self.new_events.push(event.clone());
        self.events.insert((event.session_id, event.order), event);
    }

    /// A session that was in a member's month is there no longer.
    pub fn left(&mut self, member: MemberId, month: BillingMonth) {
        self.left.push((member, month));
    }

    /// A request that is done with the batch.
    pub fn once(&mut self, once: Once) {
        self.once.push(once);
    }

    /// Adds a message to the journal.
    pub fn journal(&mut self, row: JournalRow) {
        self.journal.push(row);
    }

    /// Adds a reading.
    pub fn reading(&mut self, row: ReadingRow) {
        self.readings.push(row);
    }

    /// What is to be written.
    pub fn into_batch(mut self) -> Batch {
        let sessions = self.changed.iter().filter_map(|id| self.rows.remove(id)).collect();
        Batch {
            sessions,
            journal: self.journal,
            readings: self.readings,
            events: self.new_events,
            left: self.left,
            once: self.once,
            ..Batch::default()
        }
    }
}

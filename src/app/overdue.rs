//! Sessions that nothing ends: now and then it is looked which are over by what the clock alone shows (rules B6, B9), and a
//! station of OCPP 2.0.1 is asked once whether a transaction still goes on.

use std::collections::HashMap;

use chrono::{DateTime, Utc};

use super::onboarding::SENT_BY;
use super::{App, Done};
use crate::domain::ids::{SessionId, StationId};
use crate::domain::over::{Over, OverBy};
use crate::domain::session::Session;
use crate::ledger::Settlement;
use crate::ocpp::event::StationCommand;
use crate::ocpp::protocol::Protocol;

/// Sessions read at a time.
const AT_ONCE: i64 = 500;

impl App {
    /// Ends provisionally what is over by now.
    pub async fn end_overdue(&self) -> Done<()> {
        let now = self.now();
        let mut seen: HashMap<StationId, Option<DateTime<Utc>>> = HashMap::new();
        let mut after = SessionId(0);
        loop {
            let sessions = self.store.running_sessions(after, AT_ONCE).await?;
            let Some(last) = sessions.last() else { return Ok(()) };
            after = last.id;
            for session in &sessions {
                let offline_since = match seen.get(&session.station_id) {
                    Some(known) => *known,
                    None => {
                        let known = self.offline_since(&session.station_id).await?;
                        seen.insert(session.station_id.clone(), known);
                        known
                    }
                };
                let offline_since = offline_since.map(|since| since.max(session.start.received_at));
                let Some(over) = session.over_by_now(now, offline_since) else { continue };
                // What the station itself says goes before what the clock shows.
                if offline_since.is_none() && self.goes_on(session).await {
                    continue;
                }
                self.ledger.settle(session, Settlement::Over(over), None).await?;
            }
        }
    }

    /// Since when a station is offline; `None`: it is online, on whichever node.
    async fn offline_since(&self, station: &StationId) -> Done<Option<DateTime<Utc>>> {
        if self.cluster.connection(station).is_some() {
            return Ok(None);
        }
        let Some(record) = self.store.station(station).await? else { return Ok(Some(DateTime::<Utc>::MIN_UTC)) };
        let is_elsewhere = record
            .connected
            .is_some_and(|connected| connected.node != *self.cluster.run() && self.cluster.live_node(&connected.node).is_some());
        Ok((!is_elsewhere).then(|| record.last_seen_at.unwrap_or(DateTime::<Utc>::MIN_UTC)))
    }

    /// Asks a station of OCPP 2.0.1 once whether a transaction goes on. What it answers is kept; without an answer it does not.
    async fn goes_on(&self, session: &Session) -> bool {
        let Some(transaction) = &session.transaction else { return false };
        let speaks = self.cluster.connection(&session.station_id).map(|connection| connection.protocol);
        if speaks.as_deref() != Some(Protocol::V201.subprotocol()) || self.asked_whether_ongoing.contains_key(&session.id) {
            return false;
        }
        self.asked_whether_ongoing.insert(session.id, ());
        let command = StationCommand::Further(crate::ocpp::event::Further::TransactionStatus { transaction: Some(transaction.clone()) });
        let Ok(result) = self.send_command(&session.station_id, &command, SENT_BY).await else { return false };
        let answer = &result.answer;
        let is = |name: &str| answer.get(name).and_then(serde_json::Value::as_bool);
        if is("ongoingIndicator") == Some(false) && is("messagesInQueue") != Some(true) {
            let over = Over { at: self.now(), by: OverBy::NotOngoing };
            let _ = self.ledger.settle(session, Settlement::Over(over), None).await;
            return true;
        }
        // It goes on, or its messages are on their way.
        is("ongoingIndicator") == Some(true) || is("messagesInQueue") == Some(true)
    }
}

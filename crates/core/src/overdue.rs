//! Sessions that nothing ends: now and then it is looked which are over by what the clock alone shows (rules B6, B9), and a
//! station of OCPP 2.0.1 is asked once whether a transaction still goes on.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::time::timeout;

use crate::clock::Clock;
use crate::cluster::Cluster;
use crate::commands::Commands;
use crate::commands::settings::SENT_BY;
use crate::error::Done;
use crate::ledger::Ledger;
use crate::ledger::Settlement;
use juden_domain::flag::Flag;
use juden_domain::ids::{SessionId, StationId};
use juden_domain::over::{Over, OverBy};
use juden_domain::session::Session;
use juden_ocpp::command_intent;
use juden_ocpp::event::{Further, StationCommand};
use juden_ocpp::protocol::Protocol;
use juden_store::Store;
use moka::sync::Cache;

/// How long a station may take to say whether a transaction goes on: other work waits for it, and an end that is estimated
/// meanwhile gives way to the true one.
const ASKED_WITHIN: Duration = Duration::from_secs(5);

/// Stations that are asked at once.
const STATIONS_ASKED_AT_ONCE: usize = 32;

/// Sessions read at a time.
const AT_ONCE: i64 = 500;

/// Sessions that are remembered to have been asked after.
const SESSIONS_ASKED: u64 = 10_000;

/// Ends sessions that are over by what the clock shows.
pub struct Overdue {
    /// What is kept.
    pub(crate) store: Arc<dyn Store>,
    /// What time it is.
    pub(crate) clock: Arc<Clock>,
    /// Which node holds which station.
    pub(crate) cluster: Arc<dyn Cluster>,
    /// The durable ledger.
    pub(crate) ledger: Ledger,
    /// Sends commands.
    pub(crate) commands: Arc<Commands>,
    /// Sessions whose stations were asked whether they go on.
    pub(crate) asked_whether_ongoing: Cache<SessionId, bool>,
    /// Transactions whose events are missing and whose stations are to be asked.
    pub(crate) events_awaited: Cache<SessionId, Arc<Session>>,
}

impl Overdue {
    /// Makes the service of the parts that it uses.
    pub fn new(commands: Arc<Commands>) -> Self {
        let (store, clock, cluster) =
            (commands.store.clone(), commands.clock.clone(), commands.cluster.clone());
        let (asked_whether_ongoing, events_awaited) =
            (Cache::new(SESSIONS_ASKED), Cache::new(SESSIONS_ASKED));
        Self {
            store,
            clock,
            cluster,
            ledger: commands.ledger.clone(),
            commands,
            asked_whether_ongoing,
            events_awaited,
        }
    }
}

impl Overdue {
    /// Ends provisionally what is over by now.
    pub async fn end_overdue(&self) -> Done<()> {
        let now = self.clock.now();
        let mut seen: HashMap<StationId, Option<DateTime<Utc>>> = HashMap::new();
        let mut after = SessionId(0);
        loop {
            let sessions = self.store.running_sessions(after, AT_ONCE).await?;
            let Some(last) = sessions.last() else { return Ok(()) };
            after = last.id;
            let mut due = Vec::new();
            for session in &sessions {
                let offline_since = if let Some(known) = seen.get(&session.station_id) {
                    *known
                } else {
                    let known = self.offline_since(&session.station_id).await?;
                    seen.insert(session.station_id.clone(), known);
                    known
                };
                let offline_since = offline_since.map(|since| since.max(session.start.received_at));
                let Some(over) = session.over_by_now(now, offline_since) else { continue };
                due.push((session, over, offline_since.is_none()));
            }
            let settled = stream::iter(due).map(Ok).try_for_each_concurrent(
                STATIONS_ASKED_AT_ONCE,
                async |(session, over, is_online)| {
                    // What the station itself says goes before what the clock shows.
                    if !(is_online && self.goes_on(session).await) {
                        self.ledger.settle(session, Settlement::Over(over), None).await?;
                    }
                    Done::Ok(())
                },
            );
            settled.await?;
        }
    }

    /// Remembers that events of a transaction are missing, until they came or its station was asked.
    pub(crate) fn await_events(&self, session: &Session) {
        let is_missing = session.flags.contains(&Flag::StepsMissing)
            || session.flags.contains(&Flag::StartMissing);
        if is_missing && session.transaction.is_some() {
            self.events_awaited.insert(session.id, Arc::new(session.clone()));
        } else {
            self.events_awaited.invalidate(&session.id);
        }
    }

    /// Asks the stations of transactions whose events are still missing, once each, whether they go on and whether messages wait.
    pub async fn ask_for_missing_events(&self) {
        let awaited: Vec<Arc<Session>> =
            self.events_awaited.iter().map(|(_, session)| session).collect();
        let asked =
            stream::iter(awaited).for_each_concurrent(STATIONS_ASKED_AT_ONCE, async |session| {
                self.events_awaited.invalidate(&session.id);
                self.goes_on(&session).await;
            });
        // Those that there is no time for are asked the next time.
        let _ = timeout(ASKED_WITHIN, asked).await;
    }

    /// Since when a station is offline; `None`: it is online, on whichever node.
    async fn offline_since(&self, station: &StationId) -> Done<Option<DateTime<Utc>>> {
        if self.cluster.connection(station).is_some() {
            return Ok(None);
        }
        let Some(record) = self.store.station(station).await? else {
            return Ok(Some(DateTime::<Utc>::MIN_UTC));
        };
        let is_elsewhere = record.observed.connected.is_some_and(|connected| {
            connected.node != *self.cluster.run()
                && self.cluster.live_node(&connected.node).is_some()
        });
        Ok((!is_elsewhere)
            .then(|| record.observed.last_seen_at.unwrap_or(DateTime::<Utc>::MIN_UTC)))
    }

    /// Asks a station of OCPP 2.0.1 once whether a transaction goes on. What it answers is kept, and holds from then on; without
    /// an answer it does not.
    async fn goes_on(&self, session: &Session) -> bool {
        let Some(transaction) = &session.transaction else { return false };
        if let Some(known) = self.asked_whether_ongoing.get(&session.id) {
            return known;
        }
        let speaks =
            self.cluster.connection(&session.station_id).map(|connection| connection.protocol);
        if !speaks
            .as_deref()
            .and_then(Protocol::from_subprotocol)
            .is_some_and(Protocol::tells_transaction_status)
        {
            return false;
        }
        self.asked_whether_ongoing.insert(session.id, false);
        let command = StationCommand::Further(Further::TransactionStatus {
            transaction: Some(transaction.clone()),
        });
        let Ok(Ok(result)) = timeout(
            ASKED_WITHIN,
            self.commands.send_command(&session.station_id, &command, SENT_BY),
        )
        .await
        else {
            return false;
        };
        let goes_on = command_intent::goes_on(&result.answer);
        if goes_on == Some(false) {
            let over = Over { at: self.clock.now(), by: OverBy::NotOngoing };
            let _ = self.ledger.settle(session, Settlement::Over(over), None).await;
            return true;
        }
        let goes_on = goes_on.unwrap_or(false);
        self.asked_whether_ongoing.insert(session.id, goes_on);
        goes_on
    }
}

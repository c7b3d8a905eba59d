//! The running sessions of a lost card, which are stopped where the operator wants that.

use crate::cards::Cards;
use crate::commands::settings::SENT_BY;
use crate::error::Done;
use futures_util::future::join_all;
use juden_domain::ids::CardNumber;
use juden_domain::session::Session;
use juden_ocpp::event::StationCommand;
use juden_store::{Page, SessionFilter};
use std::sync::Arc;
use tracing::{info, warn};

/// Sessions of one card that may run at once and are stopped.
const RUNNING_MAX: i64 = 100;

impl Cards {
    /// Stops the running sessions of a card that was lost, where the operator wants that. Nobody waits for it: a
    /// station may not answer.
    pub(crate) fn stop_sessions_of_lost(self: &Arc<Self>, number: &CardNumber) {
        if self.stop_lost {
            let (app, number) = (self.clone(), number.clone());
            tokio::spawn(async move {
                if let Err(cause) = app.stop_sessions(&number).await {
                    warn!(card_number = %number, %cause, "the sessions of a lost card could not be found");
                }
            });
        }
    }

    async fn stop_sessions(&self, number: &CardNumber) -> Done<()> {
        let filter =
            SessionFilter { card: Some(number.clone()), running: true, ..SessionFilter::default() };
        let running =
            self.store.sessions(&filter, &Page { after: None, limit: RUNNING_MAX }).await?;
        let stop = async |session: &Session| {
            let command = StationCommand::RemoteStop {
                session: session.id,
                transaction: session.transaction.clone(),
            };
            match self
                .changes
                .deliveries
                .commands
                .send_command(&session.station_id, &command, SENT_BY)
                .await
            {
                Ok(result) => {
                    info!(station_id = %session.station_id, session_id = %session.reference, outcome = %result.outcome,
                    "the session of a lost card was to be stopped");
                }
                Err(cause) => {
                    warn!(station_id = %session.station_id, session_id = %session.reference, %cause,
                    "the session of a lost card could not be stopped");
                }
            }
        };
        join_all(running.iter().map(stop)).await;
        Ok(())
    }
}

//! Transaction messages: handed to the ledger, answered once durable.

use std::sync::Arc;

use crate::calls::Transactions;
use crate::calls::dispatch::busy;
use crate::calls::quotas::Kept;
use crate::ledger::{TransactionJob, keys};
use crate::station_call::StationCall;
use juden_domain::hex;
use juden_ocpp::event::{DriverDisplay, TransactionMessage};
use juden_ocpp::frame::CallError;
use tokio::sync::oneshot;

impl Transactions {
    /// Hands a transaction message to the ledger and waits until it is durable.
    pub(crate) async fn transaction(
        &self,
        mut call: StationCall,
        event: TransactionMessage,
        sent: Option<Box<TransactionMessage>>,
    ) -> Result<String, CallError> {
        let with_message = event.has_card_or_ends();
        if matches!(&event, TransactionMessage::Event(event) if event.transaction.is_empty()) {
            self.stations
                .deviations
                .note(&call.station.id, "a TransactionEvent without transactionInfo");
        }
        if event.lacks_something() {
            self.stations
                .deviations
                .note(&call.station.id, "a transaction's message that lacks something");
        }
        let (reply, durable) = oneshot::channel();
        let (station, now) = (&call.station.id, call.heard.received_at);
        let is_kept = || self.quotas.take(station, Kept::Readings, call.payload.len(), now);
        let over_quota = event.is_reading() && !is_kept();
        if over_quota {
            self.stations
                .deviations
                .note(station, "readings beyond what is kept of a station in a day");
        }
        let content = keys::content_of(sent.as_deref().unwrap_or(&event), &call.payload);
        let clock = call.heard.clock.or_else(|| self.observed.clock(station, now));
        self.observed.told_by_transaction(&call.station, &event, now);
        call.heard.clock = clock;
        let call = Arc::new(call);
        let job = TransactionJob { call: call.clone(), event, content, over_quota, reply };
        self.ledger.submit(job).await.map_err(|_| busy())?;
        let told = durable.await.map_err(|_| busy())?;
        let payload = match told.acceptance {
            None => told.payload,
            Some(acceptance) => {
                self.authorizations.judged_again(acceptance).await?.unwrap_or(told.payload)
            }
        };
        if let Some(session) = &told.session {
            self.overdue.await_events(session);
        }
        let Some(session) = told.session.filter(|_| self.displays.shows_drivers(call.protocol))
        else {
            return Ok(payload);
        };
        // An event that comes again soon is shown what it was shown first.
        let event = (call.station.id.clone(), hex::sha256(call.payload.as_bytes()));
        if let Some(shown) = self.displayed.get(&event) {
            return Ok(shown);
        }
        let display = self.displays.display_for_session(&call, *session, with_message).await;
        let shown = displayed(&call, payload, display);
        self.displayed.insert(event, shown.clone());
        Ok(shown)
    }
}

/// An answer with what the driver is shown beside it.
pub(crate) fn displayed(
    call: &StationCall,
    answer: String,
    display: Option<DriverDisplay>,
) -> String {
    match display {
        Some(display) => call.protocol.with_display(&call.action, answer, &display),
        None => answer,
    }
}

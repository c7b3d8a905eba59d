//! What a station says, and what it is answered.

use chrono::{DateTime, Utc};
use tokio::sync::oneshot;

use crate::calls::Calls;
use crate::calls::transactions::displayed;
use crate::commands::remote_starts::put_card;
use crate::directory::Answering;
use crate::error::Done;
use crate::station_call::StationCall;
use crate::stations::quirks;
use juden_domain::certificate::VehicleAsk;
use juden_domain::station::Registration;
use juden_ocpp::event::{
    PresentedToken, Report, SignReport, StationEvent, TagAnswer, TransactionMessage,
};
use juden_ocpp::frame::{CallError, ErrorCode};
use juden_ocpp::reply;
use juden_store::StationRecord;
use juden_store::ledger::StationNote;

/// The error by which a station tells that its local list contradicts our answers (OCPP 1.6 section 3.5.2).
const LIST_CONFLICT: &str = "LocalListConflict";

/// How often it is looked whether the clock is right again.
const DOUBT_LOOKED_AT_EVERY: std::time::Duration = std::time::Duration::from_millis(500);

impl Calls {
    /// Notes that an answer is under way, until what is returned is dropped: who changes a card waits for it.
    pub fn answering(&self) -> Answering {
        Answering::begin(&self.deliveries.cards)
    }

    /// Does what a message asks for; the answer's payload. `written` ends once the answer is sent.
    pub async fn handle(
        &self,
        call: StationCall,
        event: StationEvent,
        written: oneshot::Receiver<()>,
    ) -> Result<String, CallError> {
        while let Some(newest) = self.health.clock_in_doubt(self.clock.now()) {
            // An error would have the station drop its message after some tries: unanswered, it keeps it.
            if !matches!(event, StationEvent::Transaction(_)) {
                return self.while_clock_in_doubt(&call, &event, newest).await;
            }
            tokio::time::sleep(DOUBT_LOOKED_AT_EVERY).await;
        }
        if call.station.registration != Registration::Accepted
            && !self.may_speak_unregistered(&call.station, &event).await?
        {
            let why =
                "the station is not accepted yet: only BootNotification is answered until then";
            return Err(CallError::new(ErrorCode::SecurityError, why));
        }
        let (event, sent) = self.meant(&call, event).await.map_err(|_| busy())?;
        Ok(match event {
            StationEvent::Transaction(event) => {
                self.transactions.transaction(call, event, sent).await?
            }
            StationEvent::Heartbeat => reply::heartbeat(call.protocol, self.clock.now()),
            StationEvent::Authorize(PresentedToken { nobody: true, .. }) => {
                reply::authorize(call.protocol, &TagAnswer::nobodys())
            }
            StationEvent::Authorize(PresentedToken { id_tag, .. }) => {
                let tag = self.authorizations.authorize(&call.station, &id_tag).await?;
                let display =
                    self.transactions.displays.display_for_card(&call, &id_tag, &tag).await;
                let answer = reply::authorize(call.protocol, &tag);
                displayed(&call, answer, display)
            }
            StationEvent::DataTransfer { .. } => reply::unknown_vendor(),
            StationEvent::Boot(report) => {
                let answer = self.reports.boot(&call, report).await?;
                reply::boot(call.protocol, &answer)
            }
            StationEvent::Status(report) => {
                if report.error_code == LIST_CONFLICT {
                    self.deliveries.resend_list(&call.station.id).await;
                }
                let report = self.reports.placed(&call, report);
                self.reports.keep(&call, StationNote::Status(report)).await?;
                reply::heard()
            }
            StationEvent::Report(report) => {
                self.reports.report(&call, report).await?;
                reply::heard()
            }
            StationEvent::Contract(PresentedToken { id_tag, nobody }) => {
                let certificate = self.certificates.contract_word(&call).await;
                let tag = if nobody {
                    TagAnswer::nobodys()
                } else {
                    self.authorizations.authorize(&call.station, &id_tag).await?
                };
                reply::contract(&tag, certificate.as_deref())
            }
            StationEvent::EvNeeds(needs) => {
                self.reports.report(&call, Report::plain()).await?;
                reply::accepted(
                    self.ev_charging
                        .accept_needs(&call.station, needs, written)
                        .await
                        .map_err(|_| busy())?,
                )
            }
            StationEvent::EvSchedule(schedule) => {
                self.reports.report(&call, Report::plain()).await?;
                reply::accepted(
                    self.ev_charging
                        .accept_schedule(&call.station, schedule, written)
                        .await
                        .map_err(|_| busy())?,
                )
            }
            StationEvent::EvCertificate => {
                self.reports.report(&call, Report::plain()).await?;
                let found = self.certificates.vehicle_answer(&call, VehicleAsk::Certificate).await;
                reply::ev_certificate(found.as_deref())
            }
            StationEvent::CertificateStatus => {
                self.reports.report(&call, Report::plain()).await?;
                let found = self.certificates.vehicle_answer(&call, VehicleAsk::Status).await;
                reply::certificate_status(found.as_deref())
            }
            StationEvent::Sign(SignReport { csr, kind }) => {
                self.reports.report(&call, Report::plain()).await?;
                reply::accepted(self.certificates.accept_request(
                    &call.station,
                    &csr,
                    kind,
                    written,
                ))
            }
        })
    }

    /// While the store lies ahead of the clock only a card's refusal is told: what is refused by the newest that is kept of it
    /// stays so. Whatever would have a time, or tell one, waits at the station.
    async fn while_clock_in_doubt(
        &self,
        call: &StationCall,
        event: &StationEvent,
        newest: DateTime<Utc>,
    ) -> Result<String, CallError> {
        if let StationEvent::Authorize(PresentedToken { id_tag, nobody: false }) = event
            && let Some(refused) = self.authorizations.refused_now(id_tag).await?
        {
            return Ok(reply::authorize(call.protocol, &refused));
        }
        let why =
            format!("the central system's clock lies behind what it holds of {newest}: try again");
        Err(CallError::new(ErrorCode::InternalError, why))
    }

    /// An event as the station means it, and as it was sent where that is another transaction message.
    async fn meant(
        &self,
        call: &StationCall,
        event: StationEvent,
    ) -> Done<(StationEvent, Option<Box<TransactionMessage>>)> {
        let station = &call.station;
        let mut sent = (!station.quirks.is_empty()).then(|| event.clone());
        let mut event = quirks::event_without_quirks(station, event);
        if let Some(card) = self.deliveries.commands.card_meant(station, &event).await? {
            sent.get_or_insert_with(|| event.clone());
            put_card(&mut event, card);
        }
        let sent = sent.filter(|sent| *sent != event).and_then(|sent| match sent {
            StationEvent::Transaction(sent) => Some(Box::new(sent)),
            _ => None,
        });
        Ok((event, sent))
    }

    /// Before it is accepted a station may register, and tell what it was asked for while it waits (B02.FR.05); and what money
    /// hangs on is kept all the same where it was accepted in the past.
    async fn may_speak_unregistered(
        &self,
        station: &StationRecord,
        event: &StationEvent,
    ) -> Result<bool, CallError> {
        let is_asked_for = station.registration == Registration::Pending
            && matches!(event, StationEvent::Report(report) if report.request_id.is_some());
        if matches!(event, StationEvent::Boot(_)) || is_asked_for {
            return Ok(true);
        }
        Ok(event.is_transaction()
            && self
                .deliveries
                .commands
                .stations
                .was_accepted(&station.id)
                .await
                .map_err(|_| busy())?)
    }
}

/// "Try again": never an answer that marks a card.
pub(crate) fn busy() -> CallError {
    CallError::new(ErrorCode::InternalError, "the central system cannot answer now: try again")
}

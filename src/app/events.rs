//! What a station says, and what it is answered.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use tokio::sync::oneshot;

use super::App;
use crate::cluster::Fence;
use crate::domain::authorization::{cache_for, judge};
use crate::domain::ids::{CardNumber, IdTag};
use crate::domain::instant::Heard;
use crate::domain::station::Registration;
use crate::ledger::{Acceptance, Submission};
use crate::ocpp::event::{Answer, StationEvent, TagAnswer, TransactionEvent};
use crate::ocpp::frame::{CallError, ErrorCode};
use crate::store::StationRecord;
use crate::store::ledger::{NoteRow, StationNote};

/// Seconds that a station waits before it tries to register again.
const REGISTRATION_RETRY_S: u32 = 60;

/// A message from a station, with how it was heard.
pub struct Incoming<'a> {
    /// The station.
    pub station: &'a Arc<StationRecord>,
    /// The connection that it came over.
    pub fence: &'a Fence,
    /// When and how.
    pub heard: Heard,
    /// Its message id.
    pub message_id: String,
    /// Its action.
    pub action: &'a str,
    /// Its payload as it came.
    pub payload: &'a str,
    /// Writes the answer's payload.
    pub encode: fn(&Answer) -> String,
}

impl App {
    /// Does what a message asks for; the answer's payload.
    pub async fn handle(&self, incoming: Incoming<'_>, event: StationEvent) -> Result<String, CallError> {
        if incoming.station.registration != Registration::Accepted && !may_speak_unregistered(incoming.station, &event) {
            let why = "the station is not accepted yet: only BootNotification is answered until then";
            return Err(CallError::new(ErrorCode::SecurityError, why));
        }
        let encode = incoming.encode;
        let answer = match event {
            StationEvent::Transaction(event) => return self.transaction(incoming, event).await,
            StationEvent::Heartbeat => Answer::Heartbeat { now: self.now() },
            StationEvent::Authorize { id_tag } => Answer::Authorize(self.authorize(incoming.station, &id_tag).await?),
            StationEvent::DataTransfer { .. } => Answer::UnknownVendor,
            StationEvent::Boot(report) => {
                self.keep(&incoming, StationNote::Boot(report)).await?;
                let registration = incoming.station.registration;
                let interval_s = match registration {
                    Registration::Accepted => self.settings.heartbeat_interval_s,
                    Registration::Pending | Registration::Rejected => REGISTRATION_RETRY_S,
                };
                Answer::Boot { registration, now: self.now(), interval_s }
            }
            StationEvent::Status(report) => self.keep(&incoming, StationNote::Status(report)).await?,
            StationEvent::FirmwareStatus { status } => self.keep(&incoming, StationNote::FirmwareStatus(status)).await?,
            StationEvent::DiagnosticsStatus { status } => self.keep(&incoming, StationNote::DiagnosticsStatus(status)).await?,
        };
        Ok(encode(&answer))
    }

    /// Keeps a note; states changed, so the station's record is read again.
    async fn keep(&self, incoming: &Incoming<'_>, note: StationNote) -> Result<Answer, CallError> {
        let is_boot = matches!(note, StationNote::Boot(_));
        let row = NoteRow { station_id: incoming.station.id.clone(), at: incoming.heard.received_at, note };
        self.ledger.note(row).await.map_err(|_| busy())?;
        if is_boot {
            self.stations.refresh(&incoming.station.id).await.map_err(|_| busy())?;
        }
        Ok(Answer::Done)
    }

    /// Judges a card now, from memory. Whether the card has a session elsewhere is asked where a
    /// transaction starts, never here: a card must be able to stop its own session.
    async fn authorize(&self, station: &StationRecord, id_tag: &IdTag) -> Result<TagAnswer, CallError> {
        let programme = self.programme();
        let place = station.place(&programme, self.now());
        let judged = async || -> Result<_, CallError> {
            let (file, now) = (self.cards.find(id_tag).await.map_err(|_| busy())?, self.now());
            Ok((judge(file.as_deref(), now, place, false, &programme), file, now))
        };
        let (mut verdict, file, mut now) = judged().await?;
        // The card may have changed while it was kept that the station may remember it, and who changed it may not
        // have found the station then.
        if let (None, Some(file)) = (verdict.refusal, &file)
            && self.expose(station, &file.card.number, now).await?
        {
            (verdict, _, now) = judged().await?;
        }
        let result = verdict.refusal.map_or("accepted", crate::domain::refusal::Reason::code);
        metrics::counter!("juden_authorizations_total", "result" => result).increment(1);
        let believed_for = cache_for(verdict.refusal, place, self.settings.card_cache_for);
        Ok(TagAnswer { verdict, cache_until: Some(now + believed_for) })
    }

    /// Keeps that a station may remember a card from now on, before it is told so. Whether that was not kept already.
    async fn expose(&self, station: &StationRecord, card: &CardNumber, at: DateTime<Utc>) -> Result<bool, CallError> {
        let fresh = !self.exposures.is_kept(card, &station.id);
        if fresh {
            let note = StationNote::Exposed(card.clone());
            self.ledger.note(NoteRow { station_id: station.id.clone(), at, note }).await.map_err(|_| busy())?;
            self.exposures.kept(card, &station.id);
        }
        Ok(fresh)
    }

    /// Hands a transaction message to the ledger and waits until it is durable.
    async fn transaction(&self, incoming: Incoming<'_>, event: TransactionEvent) -> Result<String, CallError> {
        let encode = incoming.encode;
        let (reply, durable) = oneshot::channel();
        let submission = Submission {
            fence: incoming.fence.clone(),
            station: incoming.station.clone(),
            heard: incoming.heard,
            message_id: incoming.message_id,
            action: incoming.action.to_owned(),
            payload: incoming.payload.to_owned(),
            event,
            encode,
            reply,
        };
        self.ledger.submit(submission).await.map_err(|_| busy())?;
        let told = durable.await.map_err(|_| busy())?;
        match told.acceptance {
            None => Ok(told.payload),
            Some(acceptance) => Ok(self.judged_again(acceptance).await?.map_or(told.payload, |answer| encode(&answer))),
        }
    }

    /// Judges an accepted card once more, after its message was kept: no card is accepted once its suspension was
    /// confirmed, however long the store took. The answer to be given instead, where the card is refused by now.
    async fn judged_again(&self, acceptance: Acceptance) -> Result<Option<Answer>, CallError> {
        let Acceptance { answer, id_tag, place } = acceptance;
        let (file, now) = (self.cards.find(&id_tag).await.map_err(|_| busy())?, self.now());
        let verdict = judge(file.as_deref(), now, place, false, &self.programme());
        let refusal = verdict.refusal;
        let cache_until = Some(now + cache_for(refusal, place, self.settings.card_cache_for));
        Ok(refusal.map(|_| answer.with_tag(TagAnswer { verdict, cache_until })))
    }
}

/// Before it is accepted a station may register, and what money hangs on is kept all the same where
/// it was accepted in the past.
fn may_speak_unregistered(station: &StationRecord, event: &StationEvent) -> bool {
    matches!(event, StationEvent::Boot(_)) || (event.is_transaction() && station.boot.is_some())
}

/// "Try again": never an answer that marks a card.
fn busy() -> CallError {
    CallError::new(ErrorCode::InternalError, "the central system cannot answer now: try again")
}

//! What a station says, and what it is answered.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use tokio::sync::oneshot;
use tracing::{info, warn};

use super::quotas::Kept;
use super::remote_starts::put_card;
use super::{App, Done, quirks};
use crate::cluster::Fence;
use crate::ledger::{Acceptance, Submission, keys};
use juden_domain::authorization::{Place, cache_for, judge_now};
use juden_domain::hex;
use juden_domain::ids::{CardNumber, IdTag, StationId};
use juden_domain::instant::{Heard, attribute};
use juden_domain::station::{BootReport, Registration};
use juden_ocpp::event::{Answer, DriverDisplay, News, Report, Shown, SignReport, StationEvent, StatusReport, TagAnswer, TransactionEvent};
use juden_ocpp::frame::{CallError, ErrorCode};
use juden_ocpp::protocol::Protocol;
use juden_ocpp::secrets;
use juden_store::StationRecord;
use juden_store::ledger::{NoteRow, Occasion, ReportRow, StationNote};

/// Seconds that a station waits before it tries to register again.
const REGISTRATION_RETRY_S: u32 = 60;

/// The error by which a station tells that its local list contradicts our answers (OCPP 1.6 section 3.5.2).
const LIST_CONFLICT: &str = "LocalListConflict";

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
    /// The version in which it came.
    pub protocol: Protocol,
    /// Its action.
    pub action: &'a str,
    /// Its payload as it came.
    pub payload: &'a str,
    /// Writes the answer's payload.
    pub encode: fn(&Answer) -> String,
    /// Ends once the answer is written.
    pub written: oneshot::Receiver<()>,
}

/// How often it is looked whether the clock is right again.
const DOUBT_LOOKED_AT_EVERY: std::time::Duration = std::time::Duration::from_millis(500);

impl App {
    /// Does what a message asks for; the answer's payload.
    pub async fn handle(self: &Arc<Self>, incoming: Incoming<'_>, event: StationEvent) -> Result<String, CallError> {
        while let Some(newest) = self.health.clock_in_doubt(self.now()) {
            // An error would have the station drop its message after some tries: unanswered, it keeps it.
            if !matches!(event, StationEvent::Transaction(_)) {
                return self.while_clock_in_doubt(&incoming, &event, newest).await;
            }
            tokio::time::sleep(DOUBT_LOOKED_AT_EVERY).await;
        }
        if incoming.station.registration != Registration::Accepted && !self.may_speak_unregistered(incoming.station, &event).await? {
            let why = "the station is not accepted yet: only BootNotification is answered until then";
            return Err(CallError::new(ErrorCode::SecurityError, why));
        }
        let encode = incoming.encode;
        let (event, sent) = self.meant(&incoming, event).await.map_err(|_| busy())?;
        let answer = match event {
            StationEvent::Transaction(event) => return self.transaction(incoming, event, sent).await,
            StationEvent::Heartbeat => Answer::Heartbeat { now: self.now() },
            StationEvent::Authorize(Shown { nobody: true, .. }) => Answer::Authorize(TagAnswer::nobodys()),
            StationEvent::Authorize(Shown { id_tag, .. }) => {
                let tag = self.authorize(incoming.station, &id_tag).await?;
                let display = self.display_for_card(&incoming, &id_tag, &tag).await;
                let answer = encode(&Answer::Authorize(tag));
                return Ok(displayed(&incoming, answer, display));
            }
            StationEvent::DataTransfer { .. } => Answer::UnknownVendor,
            StationEvent::Boot(report) => {
                let registration = incoming.station.registration;
                self.observed.booted(&incoming.station.id, incoming.heard.received_at);
                self.forget_operators_lessons(incoming.station).await.map_err(|_| busy())?;
                let serial = |report: &BootReport| report.serial.clone().filter(|serial| !serial.is_empty());
                let (before, now) = (incoming.station.boot.as_ref().and_then(serial), serial(&report));
                if before.is_some() && now.is_some() && before != now {
                    self.oddities.note(&incoming.station.id, "another serial number than before: two chargers may have one name");
                }
                self.keep(&incoming, StationNote::Boot(report)).await?;
                let interval_s = match registration {
                    Registration::Accepted => self.settings.heartbeat_interval_s,
                    Registration::Pending | Registration::Rejected => REGISTRATION_RETRY_S,
                };
                Answer::Boot { registration, now: self.now(), interval_s }
            }
            StationEvent::Status(report) => {
                if report.error_code == LIST_CONFLICT {
                    self.resend_list(&incoming.station.id).await;
                }
                let report = self.placed(&incoming, report);
                self.keep(&incoming, StationNote::Status(report)).await?
            }
            StationEvent::Report(report) => self.report(&incoming, report).await?,
            StationEvent::Contract(Shown { id_tag, nobody }) => {
                let certificate = self.contract_word(&incoming).await;
                let tag = if nobody { TagAnswer::nobodys() } else { self.authorize(incoming.station, &id_tag).await? };
                Answer::Contract { tag, certificate }
            }
            StationEvent::EvNeeds(needs) => {
                self.report(&incoming, Report::plain()).await?;
                Answer::Accepted(self.accept_needs(incoming.station, needs, incoming.written).await.map_err(|_| busy())?)
            }
            StationEvent::EvSchedule(schedule) => {
                self.report(&incoming, Report::plain()).await?;
                Answer::Accepted(self.accept_schedule(incoming.station, schedule, incoming.written).await.map_err(|_| busy())?)
            }
            StationEvent::Vehicle(ask) => {
                self.report(&incoming, Report::plain()).await?;
                Answer::Vehicle(self.vehicle_answer(&incoming, ask).await)
            }
            StationEvent::Sign(SignReport { csr, kind }) => {
                self.report(&incoming, Report::plain()).await?;
                Answer::Accepted(self.accept_request(incoming.station, &csr, kind, incoming.written))
            }
        };
        Ok(encode(&answer))
    }

    /// While the store lies ahead of the clock only a card's refusal is told: what is refused by the newest that is kept of it
    /// stays so. Whatever would have a time, or tell one, waits at the station.
    async fn while_clock_in_doubt(
        &self,
        incoming: &Incoming<'_>,
        event: &StationEvent,
        newest: DateTime<Utc>,
    ) -> Result<String, CallError> {
        if let StationEvent::Authorize(Shown { id_tag, nobody: false }) = event {
            let file = self.cards.find(id_tag).await.map_err(|_| busy())?;
            let now = self.now();
            let verdict = judge_now(file.as_deref(), now, Place::Open, false, &self.programme());
            if verdict.refusal.is_some() {
                return Ok((incoming.encode)(&Answer::Authorize(TagAnswer { verdict, cache_until: Some(now) })));
            }
        }
        let why = format!("the central system's clock lies behind what it holds of {newest}: try again");
        Err(CallError::new(ErrorCode::InternalError, why))
    }

    /// An event as the station means it, and as it was sent where that is another transaction message.
    async fn meant(&self, incoming: &Incoming<'_>, event: StationEvent) -> Done<(StationEvent, Option<Box<TransactionEvent>>)> {
        let station = incoming.station;
        let mut sent = (!station.quirks.is_empty()).then(|| event.clone());
        let mut event = quirks::meant(station, event);
        if let Some(card) = self.card_meant(station, &event).await? {
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
    async fn may_speak_unregistered(&self, station: &StationRecord, event: &StationEvent) -> Result<bool, CallError> {
        let is_asked_for =
            station.registration == Registration::Pending && matches!(event, StationEvent::Report(report) if report.request_id.is_some());
        if matches!(event, StationEvent::Boot(_)) || is_asked_for {
            return Ok(true);
        }
        Ok(event.is_transaction() && self.was_accepted(&station.id).await.map_err(|_| busy())?)
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

    /// A state with its instant, and as that of its whole EVSE. It is sent as it happens: it tells of the station's clock.
    fn placed(&self, incoming: &Incoming<'_>, mut report: StatusReport) -> StatusReport {
        let (station, received_at, zone) = (&incoming.station.id, incoming.heard.received_at, incoming.station.zone());
        self.observed.told(station, &report.reported, zone, received_at);
        self.observed.of_evse(station, &mut report);
        if report.reported.instant(zone).is_some() {
            let heard = Heard { clock: self.observed.clock(station, received_at), ..incoming.heard };
            report.told_at = Some(attribute(&report.reported, zone, heard).at);
        }
        report
    }

    /// Keeps a message as it came, with the news in it.
    async fn report(&self, incoming: &Incoming<'_>, report: Report) -> Result<Answer, CallError> {
        let Report { request_id, seq_no, more, news } = report;
        if let News::Security(kind) = &news {
            note_security_event(&incoming.station.id, kind);
        }
        if !self.quotas.take(&incoming.station.id, Kept::Reports, incoming.payload.len(), incoming.heard.received_at) {
            self.oddities.note(&incoming.station.id, "reports beyond what is kept of a station in a day");
            return Ok(Answer::Done);
        }
        let row = ReportRow { action: incoming.action.to_owned(), request_id, seq_no, more, payload: secrets::scrubbed(incoming.payload) };
        let news = match news {
            News::None => Vec::new(),
            News::Firmware(status) => vec![StationNote::FirmwareStatus(status)],
            News::Upload(status) => vec![StationNote::DiagnosticsStatus(status)],
            News::Statuses(statuses) => statuses.into_iter().map(|report| StationNote::Status(self.placed(incoming, report))).collect(),
            News::Variables(variables) => vec![StationNote::Variables(variables)],
            News::Security(_) => Vec::new(),
        };
        for note in news {
            self.keep(incoming, note).await?;
        }
        self.keep(incoming, StationNote::Report(row)).await
    }

    /// Judges a card now, from memory. Whether the card has a session elsewhere is asked where a
    /// transaction starts, never here: a card must be able to stop its own session.
    async fn authorize(&self, station: &StationRecord, id_tag: &IdTag) -> Result<TagAnswer, CallError> {
        let programme = self.programme();
        let place = station.place(&programme, self.now());
        let judged = async || -> Result<_, CallError> {
            let (file, now) = (self.cards.find(id_tag).await.map_err(|_| busy())?, self.now());
            Ok((judge_now(file.as_deref(), now, place, false, &programme), file, now))
        };
        let (mut verdict, file, mut now) = judged().await?;
        // The card may have changed while it was kept that the station may remember it, and who changed it may not
        // have found the station then.
        if let (None, Some(file)) = (verdict.refusal, &file)
            && self.expose(station, &file.card.number, now).await?
        {
            (verdict, _, now) = judged().await?;
        }
        if self.quotas.take(&station.id, Kept::ShownCards, 1, now) {
            let note = StationNote::Shown(self.hasher.shown(id_tag, file.as_deref(), verdict.refusal, Occasion::Authorize));
            self.ledger.note_soon(NoteRow { station_id: station.id.clone(), at: now, note });
        }
        let result = verdict.refusal.map_or("accepted", juden_domain::refusal::Reason::code);
        metrics::counter!("juden_authorizations_total", "result" => result).increment(1);
        let believed_for = cache_for(verdict.refusal, place, self.settings.card_cache_for);
        Ok(TagAnswer { verdict, cache_until: Some(now + believed_for) })
    }

    /// Keeps that a station may remember a card from now on, before it is told so. Whether that was not kept already.
    pub(super) async fn expose(&self, station: &StationRecord, card: &CardNumber, at: DateTime<Utc>) -> Result<bool, CallError> {
        let fresh = !self.exposures.is_kept(card, &station.id);
        if fresh {
            let note = StationNote::Exposed(card.clone());
            self.ledger.note(NoteRow { station_id: station.id.clone(), at, note }).await.map_err(|_| busy())?;
            self.exposures.kept(card, &station.id);
        }
        Ok(fresh)
    }

    /// Hands a transaction message to the ledger and waits until it is durable.
    async fn transaction(
        &self,
        incoming: Incoming<'_>,
        event: TransactionEvent,
        sent: Option<Box<TransactionEvent>>,
    ) -> Result<String, CallError> {
        let encode = incoming.encode;
        let with_message = event.has_card_or_ends();
        if matches!(&event, TransactionEvent::Step(step) if step.transaction.is_empty()) {
            self.oddities.note(&incoming.station.id, "a TransactionEvent without transactionInfo");
        }
        if event.lacks_something() {
            self.oddities.note(&incoming.station.id, "a transaction's message that lacks something");
        }
        let (reply, durable) = oneshot::channel();
        let (station, now) = (&incoming.station.id, incoming.heard.received_at);
        let is_kept = || self.quotas.take(station, Kept::Readings, incoming.payload.len(), now);
        let over_quota = event.is_reading() && !is_kept();
        if over_quota {
            self.oddities.note(station, "readings beyond what is kept of a station in a day");
        }
        let content = keys::content_of(sent.as_deref().unwrap_or(&event), incoming.payload);
        let clock = incoming.heard.clock.or_else(|| self.observed.clock(station, now));
        self.observed.told_by_transaction(incoming.station, &event, now);
        let submission = Submission {
            fence: incoming.fence.clone(),
            station: incoming.station.clone(),
            heard: Heard { clock, ..incoming.heard },
            message_id: incoming.message_id.clone(),
            action: incoming.action.to_owned(),
            payload: incoming.payload.to_owned(),
            event,
            content,
            over_quota,
            encode,
            reply,
        };
        self.ledger.submit(submission).await.map_err(|_| busy())?;
        let told = durable.await.map_err(|_| busy())?;
        let payload = match told.acceptance {
            None => told.payload,
            Some(acceptance) => self.judged_again(acceptance).await?.map_or(told.payload, |answer| encode(&answer)),
        };
        if let Some(session) = &told.session {
            self.await_steps(session);
        }
        let Some(session) = told.session.filter(|_| self.shows_drivers(incoming.protocol)) else { return Ok(payload) };
        // A step that comes again soon is shown what it was shown first.
        let step = (incoming.station.id.clone(), hex::sha256(incoming.payload.as_bytes()));
        if let Some(shown) = self.displayed.get(&step) {
            return Ok(shown);
        }
        let display = self.display_for_session(&incoming, *session, with_message).await;
        let shown = displayed(&incoming, payload, display);
        self.displayed.insert(step, shown.clone());
        Ok(shown)
    }

    /// Judges an accepted card once more, after its message was kept: no card is accepted once its suspension was
    /// confirmed, however long the store took. The answer to be given instead, where the card is refused by now.
    async fn judged_again(&self, acceptance: Acceptance) -> Result<Option<Answer>, CallError> {
        let Acceptance { answer, id_tag, place } = acceptance;
        let (file, now) = (self.cards.find(&id_tag).await.map_err(|_| busy())?, self.now());
        let verdict = judge_now(file.as_deref(), now, place, false, &self.programme());
        let refusal = verdict.refusal;
        let cache_until = Some(now + cache_for(refusal, place, self.settings.card_cache_for));
        Ok(refusal.map(|_| answer.with_tag(TagAnswer { verdict, cache_until })))
    }
}

/// An answer with what the driver is shown beside it.
fn displayed(incoming: &Incoming<'_>, answer: String, display: Option<DriverDisplay>) -> String {
    match display {
        Some(display) => incoming.protocol.with_display(incoming.action, answer, &display),
        None => answer,
    }
}

/// The security events that want a person at once (OCPP 1.6 security whitepaper section 8, OCPP 2.0.1 appendix 1). The
/// list of events is open; of the others nobody knows how bad they are.
const CRITICAL_EVENTS: &[&str] = &[
    "FirmwareUpdated",
    "SettingSystemTime",
    "StartupOfTheDevice",
    "ResetOrReboot",
    "SecurityLogWasCleared",
    "MemoryExhaustion",
    "TamperDetectionActivated",
    "InvalidFirmwareSignature",
    "InvalidFirmwareSigningCertificate",
    "InvalidCsmsCertificate",
    "InvalidCentralSystemCertificate",
    "InvalidChargingStationCertificate",
    "InvalidChargePointCertificate",
    "InvalidTLSVersion",
    "InvalidTLSCipherSuite",
];

/// Counts a station's security event, and tells those that are known to be critical.
fn note_security_event(station: &StationId, kind: &str) {
    let known = CRITICAL_EVENTS.iter().find(|known| **known == kind);
    metrics::counter!("juden_security_events_total", "type" => *known.unwrap_or(&"other")).increment(1);
    match known {
        Some(kind) => warn!(station_id = %station, kind, "a station tells a critical security event"),
        None => info!(station_id = %station, "a station tells a security event of its own kind"),
    }
}

/// "Try again": never an answer that marks a card.
fn busy() -> CallError {
    CallError::new(ErrorCode::InternalError, "the central system cannot answer now: try again")
}

//! What stations report: boots, states, device models, security events. It is kept with what it changes of the station's record.

use crate::calls::Reports;
use crate::calls::dispatch::busy;
use crate::calls::quotas::Kept;
use crate::station_call::StationCall;
use juden_domain::ids::StationId;
use juden_domain::instant::{Heard, attribute};
use juden_domain::station::{BootReport, Registration};
use juden_ocpp::event::{Report, ReportContent, StatusReport};
use juden_ocpp::frame::CallError;
use juden_ocpp::reply::BootReply;
use juden_ocpp::secrets;
use juden_store::ledger::{ReportRow, StationNote, StationNoteRow};
use tracing::{info, warn};

/// Seconds that a station waits before it tries to register again.
const REGISTRATION_RETRY_S: u32 = 60;

impl Reports {
    /// Keeps a boot; the answer.
    pub(crate) async fn boot(
        &self,
        call: &StationCall,
        report: BootReport,
    ) -> Result<BootReply, CallError> {
        let registration = call.station.registration;
        self.observed.booted(&call.station.id, call.heard.received_at);
        self.commands.forget_operators_lessons(&call.station).await.map_err(|_| busy())?;
        let serial =
            |report: &BootReport| report.serial.clone().filter(|serial| !serial.is_empty());
        let (before, now) = (call.station.observed.boot.as_ref().and_then(serial), serial(&report));
        if before.is_some() && now.is_some() && before != now {
            let deviation = "another serial number than before: two chargers may have one name";
            self.commands.stations.deviations.note(&call.station.id, deviation);
        }
        self.keep(call, StationNote::Boot(report)).await?;
        let interval_s = match registration {
            Registration::Accepted => self.heartbeat_interval_s,
            Registration::Pending | Registration::Rejected => REGISTRATION_RETRY_S,
        };
        Ok(BootReply { registration, now: self.clock.now(), interval_s })
    }

    /// Keeps a note; states changed, so the station's record is read again.
    pub(crate) async fn keep(
        &self,
        call: &StationCall,
        note: StationNote,
    ) -> Result<(), CallError> {
        let is_boot = matches!(note, StationNote::Boot(_));
        let row = StationNoteRow {
            station_id: call.station.id.clone(),
            at: call.heard.received_at,
            note,
        };
        self.ledger.note(row).await.map_err(|_| busy())?;
        if is_boot {
            self.commands.stations.refresh(&call.station.id).await.map_err(|_| busy())?;
        }
        Ok(())
    }

    /// A state with its instant, and as that of its whole EVSE. It is sent as it happens: it tells of the station's clock.
    pub(crate) fn placed(&self, call: &StationCall, mut report: StatusReport) -> StatusReport {
        let (station, received_at, zone) =
            (&call.station.id, call.heard.received_at, call.station.zone());
        self.observed.told(station, &report.reported, zone, received_at);
        self.observed.of_evse(station, &mut report);
        if report.reported.instant(zone).is_some() {
            let heard = Heard { clock: self.observed.clock(station, received_at), ..call.heard };
            report.told_at = Some(attribute(&report.reported, zone, heard).at);
        }
        report
    }

    /// Keeps a message as it came, with the news in it.
    pub(crate) async fn report(&self, call: &StationCall, report: Report) -> Result<(), CallError> {
        let Report { request_id, seq_no, more, news } = report;
        if let ReportContent::Security(kind) = &news {
            note_security_event(&call.station.id, kind);
        }
        if !self.quotas.take(
            &call.station.id,
            Kept::Reports,
            call.payload.len(),
            call.heard.received_at,
        ) {
            self.commands
                .stations
                .deviations
                .note(&call.station.id, "reports beyond what is kept of a station in a day");
            return Ok(());
        }
        let row = ReportRow {
            action: call.action.clone(),
            request_id,
            seq_no,
            more,
            payload: secrets::scrubbed(&call.payload),
        };
        let news = match news {
            ReportContent::None => Vec::new(),
            ReportContent::Firmware(status) => vec![StationNote::FirmwareStatus(status)],
            ReportContent::Upload(status) => vec![StationNote::DiagnosticsStatus(status)],
            ReportContent::Statuses(statuses) => statuses
                .into_iter()
                .map(|report| StationNote::Status(self.placed(call, report)))
                .collect(),
            ReportContent::Variables(variables) => vec![StationNote::Variables(variables)],
            ReportContent::Security(_) => Vec::new(),
        };
        for note in news {
            self.keep(call, note).await?;
        }
        self.keep(call, StationNote::Report(row)).await
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
    metrics::counter!("juden_security_events_total", "type" => *known.unwrap_or(&"other"))
        .increment(1);
    if let Some(kind) = known {
        warn!(station_id = %station, kind, "a station tells a critical security event");
    } else {
        info!(station_id = %station, "a station tells a security event of its own kind");
    }
}

//! Reads messages that are stored as they came. Only the fields that join a message's parts are
//! required. All other content is accepted.

use std::collections::BTreeMap;

use super::event::{Report, ReportContent, SignReport, StationEvent, StatusReport, VariableReport};
use super::fields::Fields;
use super::frame::{CallError, Payload};
use super::secrets::scrubbed;
use super::timestamp;
use juden_domain::certificate::CertificateKind;
use juden_domain::instant::Reported;

/// A required field of a report.
#[derive(Debug, Clone, Copy)]
pub enum Needs {
    /// A text of this name.
    Text(&'static str),
    /// A whole number of this name.
    Number(&'static str),
    /// An object of this name.
    Object(&'static str),
}

/// Reads a report without any content that is stored elsewhere.
pub fn kept(payload: Payload<'_>, needs: &[Needs]) -> Result<StationEvent, CallError> {
    read(payload, needs, |_| ReportContent::None)
}

/// Reads a report, and with `news` the content that is also stored with the station.
pub fn read(
    payload: Payload<'_>,
    needs: &[Needs],
    news: fn(&mut Fields<'_>) -> ReportContent,
) -> Result<StationEvent, CallError> {
    let mut fields = Fields::of(payload);
    for need in needs {
        match need {
            Needs::Text(name) => drop(fields.required_text(name)),
            Needs::Number(name) => drop(fields.required_integer(name)),
            Needs::Object(name) => drop(fields.required_object(name)),
        }
    }
    let report = Report {
        request_id: fields.integer("requestId"),
        seq_no: fields.integer("seqNo"),
        more: fields.flag("tbc").unwrap_or_default(),
        news: news(&mut fields),
    };
    fields.check()?;
    Ok(StationEvent::Report(report))
}

/// Reads a station's question about a certificate. The question's content is in the stored message
/// only.
pub fn asked(
    payload: Payload<'_>,
    needs: &[Needs],
    event: StationEvent,
) -> Result<StationEvent, CallError> {
    kept(payload, needs)?;
    Ok(event)
}

/// Reads a request to have a key signed.
pub fn sign(payload: Payload<'_>) -> Result<StationEvent, CallError> {
    let mut fields = Fields::of(payload);
    let csr = fields.required_text("csr").unwrap_or_default();
    let kind = CertificateKind::parse(fields.text("certificateType").as_deref());
    fields.check()?;
    Ok(StationEvent::Sign(SignReport { csr, kind }))
}

/// The status of a firmware update.
pub fn firmware(fields: &mut Fields<'_>) -> ReportContent {
    fields.text("status").map_or(ReportContent::None, ReportContent::Firmware)
}

/// The status of an upload.
pub fn upload(fields: &mut Fields<'_>) -> ReportContent {
    fields.text("status").map_or(ReportContent::None, ReportContent::Upload)
}

/// A security event.
pub fn security(fields: &mut Fields<'_>) -> ReportContent {
    fields.text("type").map_or(ReportContent::None, ReportContent::Security)
}

/// The connectors' states in a NotifyEvent: `AvailabilityState` of an EVSE, of one of its
/// connectors, or of the whole station (OCPP 2.0.1 G01.FR.07).
pub fn states(fields: &mut Fields<'_>) -> ReportContent {
    let state = |event: &mut Fields<'_>| {
        let mut component = event.object("component")?;
        let name = event.object("variable")?.text("name")?;
        let of = component.text("name")?;
        let is_state = name == "AvailabilityState"
            && matches!(of.as_str(), "Connector" | "EVSE" | "ChargingStation");
        let (connector_id, plug) =
            component.object("evse").map_or(Some((0, None)), |mut evse| {
                Some((evse.integer("id")?, evse.integer("connectorId")))
            })?;
        let status = event.text("actualValue").filter(|_| is_state)?;
        let reported =
            event.text("timestamp").map_or(Reported::missing(), |text| timestamp::read(&text));
        let error_code = NO_ERROR.to_owned();
        Some(StatusReport {
            connector_id,
            status,
            error_code,
            info: None,
            vendor_error_code: None,
            reported,
            told_at: None,
            plug,
        })
    };
    // Only each connector's last state counts: a message may hold thousands of events.
    let mut states: BTreeMap<(i64, Option<i64>), StatusReport> = BTreeMap::new();
    for told in fields.objects("eventData").iter_mut().filter_map(state) {
        states.insert((told.connector_id, told.plug), told);
    }
    if states.is_empty() {
        ReportContent::None
    } else {
        ReportContent::Statuses(states.into_values().take(STATES_MAX).collect())
    }
}

/// Connectors whose states are read out of one message. No station has more.
const STATES_MAX: usize = 100;

/// The longest name of a component or variable, including instance and EVSE.
const NAME_MAX: usize = 160;

/// Variables that are read out of one message, and the longest JSON text of one.
const VARIABLES_MAX: usize = 2_000;
const DOCUMENT_MAX: usize = 16 * 1024;

/// The variables of a NotifyReport. A variable without names is skipped.
pub fn variables(fields: &mut Fields<'_>) -> ReportContent {
    let named = |of: &mut Fields<'_>| {
        let name = of.text("name")?;
        Some(
            of.text("instance")
                .map_or_else(|| name.clone(), |instance| format!("{name}({instance})")),
        )
    };
    let read = |document: &str| {
        let mut data = Fields::of(Payload::Json(document));
        let mut component = data.object("component")?;
        let mut place = named(&mut component)?;
        if let Some(mut evse) = component.object("evse") {
            let connector = evse
                .integer("connectorId")
                .map_or_else(String::new, |connector| format!(".{connector}"));
            place += &format!("@{}{connector}", evse.integer("id")?);
        }
        let variable = named(&mut data.object("variable")?)?;
        let short = place.chars().count().max(variable.chars().count()) <= NAME_MAX;
        short.then(|| VariableReport { component: place, variable, document: scrubbed(document) })
    };
    let items = fields
        .items("reportData")
        .into_iter()
        .filter(|document| document.len() <= DOCUMENT_MAX)
        .take(VARIABLES_MAX);
    ReportContent::Variables(items.filter_map(read).collect())
}

/// The errorCode of OCPP 1.6 when there is no error. In OCPP 2.0.1 only NotifyEvent reports errors.
pub const NO_ERROR: &str = "NoError";

#[cfg(test)]
#[path = "reports_tests.rs"]
mod tests;

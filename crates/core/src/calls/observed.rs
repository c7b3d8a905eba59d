//! What a node has observed of stations beside what is kept: their clocks, and the states of the plugs of one EVSE.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use dashmap::DashMap;

use juden_domain::charger_clock::{ClockEvidence, Measured};
use juden_domain::ids::StationId;
use juden_domain::instant::{Reported, Zone};
use juden_domain::station::StatusReport;
use juden_ocpp::event::TransactionMessage;
use juden_store::StationRecord;

/// Plugs of one EVSE that are told apart.
const PLUGS_MAX: usize = 16;

/// EVSEs of one station whose plugs are told apart.
const EVSES_MAX: usize = 64;

/// The states of an EVSE's plugs, the one that says most first: where one plug is in use the EVSE is.
const STATES: [&str; 3] = ["Occupied", "Reserved", "Available"];

#[derive(Default)]
struct Seen {
    clock: ClockEvidence,
    plugs: BTreeMap<i64, BTreeMap<i64, String>>,
}

/// What was observed of stations since this node started, or since they booted.
#[derive(Default)]
pub struct Observed(DashMap<StationId, Seen>);

impl Observed {
    /// A station booted.
    pub fn booted(&self, station: &StationId, at: DateTime<Utc>) {
        let mut seen = self.0.entry(station.clone()).or_default();
        seen.clock.booted(at);
        seen.plugs.clear();
    }

    /// What is known of a station's clock.
    pub fn clock(&self, station: &StationId, now: DateTime<Utc>) -> Option<Measured> {
        self.0.get(station)?.clock.measured(now)
    }

    /// A message that is sent as it happens told a time.
    pub fn told(
        &self,
        station: &StationId,
        reported: &Reported,
        zone: Option<Zone>,
        received_at: DateTime<Utc>,
    ) {
        if let Some(said) = reported.instant(zone) {
            self.0.entry(station.clone()).or_default().clock.told(said, received_at);
        }
    }

    /// A transaction message told times. Readings count where they keep pace: what was queued comes all at once.
    pub fn told_by_transaction(
        &self,
        station: &StationRecord,
        event: &TransactionMessage,
        received_at: DateTime<Utc>,
    ) {
        let reported = match event {
            TransactionMessage::Meter(report) => {
                report.readings.first().map(|reading| &reading.sampled_at)
            }
            TransactionMessage::Event(event) if !event.offline => Some(&event.timestamp),
            TransactionMessage::Event(_)
            | TransactionMessage::Start(_)
            | TransactionMessage::Stop(_) => None,
        };
        if let Some(said) = reported.and_then(|reported| reported.instant(station.zone())) {
            self.0.entry(station.id.clone()).or_default().clock.told_by_reading(said, received_at);
        }
    }

    /// The state of an EVSE: that of its plugs together.
    pub fn of_evse(&self, station: &StationId, report: &mut StatusReport) {
        let Some(plug) = report.plug.filter(|_| report.connector_id > 0) else { return };
        let mut seen = self.0.entry(station.clone()).or_default();
        if seen.plugs.len() >= EVSES_MAX && !seen.plugs.contains_key(&report.connector_id) {
            return;
        }
        let plugs = seen.plugs.entry(report.connector_id).or_default();
        if plugs.len() < PLUGS_MAX || plugs.contains_key(&plug) {
            plugs.insert(plug, report.status.clone());
        }
        if let Some(state) = STATES.iter().find(|state| plugs.values().any(|known| known == *state))
        {
            report.status = (*state).to_owned();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_free_plug_does_not_free_its_evse() {
        let observed = Observed::default();
        let station = StationId::parse("CP1").unwrap();
        let told = |plug, status: &str| {
            let mut report = StatusReport {
                connector_id: 1,
                status: status.into(),
                error_code: String::new(),
                info: None,
                vendor_error_code: None,
                reported: Reported::missing(),
                told_at: None,
                plug: Some(plug),
            };
            observed.of_evse(&station, &mut report);
            report.status
        };
        assert_eq!(told(1, "Occupied"), "Occupied");
        assert_eq!(told(2, "Available"), "Occupied");
        assert_eq!(told(1, "Faulted"), "Available");
        assert_eq!(told(2, "Unavailable"), "Unavailable");
        observed.booted(&station, "2024-05-01T00:00:00Z".parse().unwrap());
        assert_eq!(told(2, "Available"), "Available");
    }
}

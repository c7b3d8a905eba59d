//! What stations were told, against what the ledger holds.

use std::collections::{BTreeMap, BTreeSet};

use juden_fleet::fleet::StationLog;
use serde_json::Value;

/// Confirmed messages against the ledger: each is there, under the number that the station was told.
pub fn check_confirmed(logs: &[StationLog], sessions: &BTreeMap<i64, Value>) {
    let mut numbers = BTreeSet::new();
    for log in logs {
        for confirmed in &log.confirmed {
            let session = sessions.get(&confirmed.transaction_id).unwrap_or_else(|| panic!("{} lost: {confirmed:?}", log.station_id));
            assert_eq!(session["station_id"], log.station_id.as_str());
            let payload = &confirmed.payload;
            match confirmed.action {
                "StartTransaction" => {
                    assert!(numbers.insert(confirmed.transaction_id), "one number for two sessions: {confirmed:?}");
                    assert_eq!((&session["start_reported"], &session["meter_start_wh"]), (&payload["timestamp"], &payload["meterStart"]));
                }
                "StopTransaction" => {
                    assert_eq!((&session["stop_reported"], &session["meter_stop_wh"]), (&payload["timestamp"], &payload["meterStop"]))
                }
                _ => {
                    let kept = session["messages"].as_array().unwrap().iter();
                    assert!(kept.into_iter().any(|message| message["payload"]["meterValue"] == payload["meterValue"]), "{confirmed:?}");
                }
            }
        }
    }
    assert_eq!(numbers.len(), sessions.len(), "every session in the ledger is one that a station was told of");
}

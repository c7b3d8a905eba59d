//! What stations were told, against what the ledger holds.

use std::collections::{BTreeMap, BTreeSet};

use juden_fleet::fleet::StationLog;
use juden_fleet::version::Kind;
use serde_json::{Value, json};

/// Confirmed messages against the ledger: each is there, under the number that the station was told.
pub fn check_confirmed(logs: &[StationLog], sessions: &BTreeMap<i64, Value>) {
    let mut numbers = BTreeSet::new();
    let named = |session: &Value| {
        Some((
            session["station_transaction_id"].as_str()?.to_owned(),
            session["transaction_id"].as_i64()?,
        ))
    };
    let names: BTreeMap<String, i64> = sessions.values().filter_map(named).collect();
    for log in logs {
        for confirmed in &log.confirmed {
            let transaction = &confirmed.transaction;
            let number = transaction
                .as_i64()
                .or_else(|| names.get(transaction.as_str()?).copied())
                .unwrap_or_default();
            let session = sessions
                .get(&number)
                .unwrap_or_else(|| panic!("{} lost: {confirmed:?}", log.station_id));
            assert_eq!(session["station_id"], log.station_id.as_str());
            let (payload, meter) = (&confirmed.payload, json!(confirmed.said.meter_wh));
            match confirmed.said.kind {
                Kind::Start => {
                    assert!(numbers.insert(number), "one number for two sessions: {confirmed:?}");
                    assert_eq!(
                        (&session["start_reported"], &session["meter_start_wh"]),
                        (&payload["timestamp"], &meter)
                    );
                }
                Kind::Stop => {
                    assert_eq!(
                        (&session["stop_reported"], &session["meter_stop_wh"]),
                        (&payload["timestamp"], &meter)
                    );
                }
                Kind::Reading => {
                    let kept = session["messages"].as_array().unwrap().iter();
                    assert!(
                        kept.into_iter().any(
                            |message| message["payload"]["meterValue"] == payload["meterValue"]
                        ),
                        "{confirmed:?}"
                    );
                }
            }
        }
    }
    assert_eq!(
        numbers.len(),
        sessions.len(),
        "every session in the ledger is one that a station was told of"
    );
}

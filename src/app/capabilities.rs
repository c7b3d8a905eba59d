//! What a station said that it does not do. Juden does not ask it again until its firmware changes; an operator may,
//! and what it does after all is no longer held against it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tracing::{info, warn};

use super::commands::CommandResult;
use super::{App, Done};
use crate::domain::ids::StationId;
use crate::ocpp::asked;
use crate::store::StationRecord;

/// The errors by which a station says that it never does what it was asked (OCPP-J 1.6 section 4.2.3).
const NEVER: [&str; 2] = ["NotImplemented", "NotSupported"];

/// What is kept of it.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct NotDone {
    firmware: Option<String>,
    actions: BTreeSet<String>,
}

/// The calls that a station's present firmware said it does not do.
pub fn not_done(station: &StationRecord) -> BTreeSet<String> {
    let kept: Option<NotDone> = station.not_done.as_deref().and_then(|text| serde_json::from_str(text).ok());
    kept.filter(|kept| kept.firmware == firmware(station)).map(|kept| kept.actions).unwrap_or_default()
}

/// Whether a station's answer says that it never does what it was asked.
pub(super) fn is_refused_for_good(answer: &Value) -> bool {
    answer.get("error").and_then(Value::as_str).is_some_and(|code| NEVER.contains(&code))
}

/// What Juden's own call comes to that is not sent, because the station said before that it does not do it.
pub(super) fn known_refusal(station: &StationRecord, action: &str) -> Option<CommandResult> {
    let answer = json!({"error": NEVER[0], "description": "the station said so before, and its firmware is the same"});
    // What a blocked card reaches it by it is always asked: it may have said so when its list was off, or it was starting.
    let is_known = !asked::tells_of_blocks(action) && not_done(station).contains(action);
    is_known.then(|| CommandResult { number: None, outcome: "error".into(), answer })
}

fn firmware(station: &StationRecord) -> Option<String> {
    station.boot.as_ref().and_then(|boot| boot.firmware.clone())
}

impl App {
    /// Remembers whether a station does what it was asked.
    pub(super) async fn remember_capability(&self, id: &StationId, action: &str, result: &CommandResult) {
        if result.outcome == "unknown" {
            return;
        }
        if let Err(cause) = self.try_remember(id, action, is_refused_for_good(&result.answer)).await {
            warn!(station_id = %id, action, %cause, "it could not be kept what a station does not do; it is asked again");
        }
    }

    async fn try_remember(&self, id: &StationId, action: &str, refuses: bool) -> Done<()> {
        let Some(station) = self.stations.find(id).await? else { return Ok(()) };
        let mut actions = not_done(&station);
        let changed = if refuses { actions.insert(action.to_owned()) } else { actions.remove(action) };
        if changed {
            info!(station_id = %id, action, does = !refuses, "a station told whether it does a call");
            let kept = json!(NotDone { firmware: firmware(&station), actions });
            self.store.save_not_done(id, &kept.to_string()).await?;
            self.station_changed(id).await?;
        }
        Ok(())
    }
}

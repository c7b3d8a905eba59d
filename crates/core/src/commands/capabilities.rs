//! What a station said that it does not do. Juden does not ask it again until its firmware changes; an operator may,
//! and what it does after all is no longer held against it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tracing::{info, warn};

use crate::commands::Commands;
use crate::commands::sending::CommandResult;
use crate::commands::settings::SENT_BY;
use crate::error::Done;
use juden_domain::ids::StationId;
use juden_ocpp::command_intent;
use juden_store::StationRecord;

/// The errors by which a station says that it never does what it was asked (OCPP-J 1.6 section 4.2.3).
const NEVER: [&str; 2] = ["NotImplemented", "NotSupported"];

/// What is kept of it.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct NotDone {
    firmware: Option<String>,
    actions: BTreeSet<String>,
    /// Those of them that an operator's call taught: forgotten with the next boot.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    by_operator: BTreeSet<String>,
}

/// The calls that a station's present firmware said it does not do.
pub fn not_done(station: &StationRecord) -> BTreeSet<String> {
    kept(station).actions
}

fn kept(station: &StationRecord) -> NotDone {
    let kept: Option<NotDone> =
        station.observed.not_done.as_deref().and_then(|text| serde_json::from_str(text).ok());
    kept.filter(|kept| kept.firmware == firmware(station)).unwrap_or_default()
}

/// Whether a station's answer says that it never does what it was asked.
pub(crate) fn is_refused_for_good(answer: &Value) -> bool {
    answer.get("error").and_then(Value::as_str).is_some_and(|code| NEVER.contains(&code))
}

/// What Juden's own call comes to that is not sent, because the station said before that it does not do it.
pub(crate) fn known_refusal(station: &StationRecord, action: &str) -> Option<CommandResult> {
    let answer = json!({"error": NEVER[0], "description": "the station said so before, and its firmware is the same"});
    // Commands that deliver a block are always sent: an earlier NotImplemented may only have meant that the list was
    // off or the station was booting.
    let is_known = !command_intent::tells_of_blocks(action) && not_done(station).contains(action);
    is_known.then(|| CommandResult { number: None, outcome: "error".into(), answer })
}

fn firmware(station: &StationRecord) -> Option<String> {
    station.observed.boot.as_ref().and_then(|boot| boot.firmware.clone())
}

impl Commands {
    /// Remembers whether a station does what it was asked.
    pub(crate) async fn remember_capability(
        &self,
        id: &StationId,
        action: &str,
        result: &CommandResult,
        sent_by: &str,
    ) {
        if result.outcome == "unknown" {
            return;
        }
        if let Err(cause) = self
            .try_remember(id, action, is_refused_for_good(&result.answer), sent_by != SENT_BY)
            .await
        {
            warn!(station_id = %id, action, %cause, "it could not be kept what a station does not do; it is asked again");
        }
    }

    /// What an operator's failed call taught of a station is forgotten as it boots: it may have been starting then.
    pub(crate) async fn forget_operators_lessons(&self, station: &StationRecord) -> Done<()> {
        let NotDone { firmware, mut actions, by_operator } = kept(station);
        if by_operator.is_empty() {
            return Ok(());
        }
        actions.retain(|action| !by_operator.contains(action));
        let kept = json!(NotDone { firmware, actions, by_operator: BTreeSet::new() });
        self.store.save_not_done(&station.id, &kept.to_string()).await?;
        self.stations.station_changed(&station.id).await
    }

    async fn try_remember(
        &self,
        id: &StationId,
        action: &str,
        refuses: bool,
        is_operators: bool,
    ) -> Done<()> {
        let Some(station) = self.stations.find(id).await? else { return Ok(()) };
        let NotDone { mut actions, mut by_operator, .. } = kept(&station);
        let changed =
            if refuses { actions.insert(action.to_owned()) } else { actions.remove(action) };
        if refuses && is_operators && changed {
            by_operator.insert(action.to_owned());
        } else if !is_operators || !refuses {
            by_operator.remove(action);
        }
        if changed {
            info!(station_id = %id, action, does = !refuses, "a station told whether it does a call");
            let kept = json!(NotDone { firmware: firmware(&station), actions, by_operator });
            self.store.save_not_done(id, &kept.to_string()).await?;
            self.stations.station_changed(id).await?;
        }
        Ok(())
    }
}

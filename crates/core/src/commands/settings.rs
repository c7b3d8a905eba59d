//! A station's settings and device model, which Juden asks for by itself.

use serde_json::{Value, json};
use tracing::info;

use crate::commands::Commands;
use juden_domain::blocking::StationSettings;
use juden_domain::ids::StationId;
use juden_ocpp::event::StationCommand;
use juden_ocpp::secrets;
use juden_store::ToldSettings;

/// The name under which Juden's own commands are kept.
pub(crate) const SENT_BY: &str = "juden";

/// The largest number of a request: a signed 32-bit integer.
pub(crate) const REQUEST_MAX: u32 = 2_147_483_647;

/// Settings that are asked for at once: a station tells how many it takes in the first answer at the earliest.
const SETTINGS_AT_ONCE: usize = 9;

/// The most settings that are kept of one station.
const SETTINGS_KEPT: usize = 1_000;

/// The longest name of a setting that is kept, in bytes.
const SETTING_NAME_MAX: usize = 150;

/// The longest value of a setting that is kept, in bytes.
const SETTING_VALUE_MAX: usize = 2_500;

/// Whether a setting that a station told is kept: no password, and of a length that a setting has.
fn is_kept((key, value): &(String, Option<String>)) -> bool {
    let is_short = key.len() <= SETTING_NAME_MAX
        && value.as_ref().is_none_or(|value| value.len() <= SETTING_VALUE_MAX);
    is_short && !secrets::is_password_setting(key)
}

/// Whether settings say that the station takes unknown cards while it is cut off; `None`: they do not say.
fn takes_unknown(told: &[(String, Option<String>)]) -> Option<bool> {
    let texts = told.iter().filter_map(|(name, value)| Some((name.clone(), value.clone()?)));
    StationSettings::of(texts).unknown_cards()
}

impl Commands {
    pub(crate) async fn trigger(&self, id: &StationId, message: &str) {
        let command = StationCommand::TriggerMessage {
            requested_message: message.into(),
            connector_id: None,
        };
        match self.send_command(id, &command, SENT_BY).await {
            Ok(result) => {
                info!(station_id = %id, message, outcome = %result.outcome, "a station was asked for a message");
            }
            Err(cause) => {
                info!(station_id = %id, message, %cause, "a station could not be asked for a message");
            }
        }
    }

    /// Asks for the device model, where the station's version has one. It comes in parts, later.
    pub(crate) async fn ask_inventory(&self, id: &StationId) {
        let Ok(protocol) = self.protocol_of(id).await else { return };
        for (action, payload) in protocol.inventory_commands(rand::random_range(1..=REQUEST_MAX)) {
            let payload = payload.as_object().cloned().unwrap_or_default();
            match self.send_call(id, action, &payload, SENT_BY).await {
                Ok(result) if result.outcome == "not_supported" => {}
                Ok(result) => {
                    return info!(station_id = %id, outcome = %result.outcome, "a station was asked for its device model");
                }
                Err(cause) => {
                    return info!(station_id = %id, %cause, "a station could not be asked for its device model");
                }
            }
        }
    }

    pub(crate) async fn ask_configuration(&self, id: &StationId, firmware: Option<&str>) {
        let Ok(protocol) = self.protocol_of(id).await else { return };
        let asked = protocol.settings_asked();
        // A station that told its limit before is held to it: a longer question would not be sent.
        let told =
            self.stations.find(id).await.ok().flatten().and_then(|station| station.settings());
        let at_once = told
            .and_then(|told| told.variables_at_once())
            .map_or(SETTINGS_AT_ONCE, |most| most.min(SETTINGS_AT_ONCE));
        let mut parts: Vec<Vec<String>> = asked
            .chunks(at_once)
            .map(|part| part.iter().map(|key| (*key).to_owned()).collect())
            .collect();
        if parts.is_empty() {
            parts.push(Vec::new());
        }
        let mut told = Vec::new();
        for keys in parts {
            let Ok(result) =
                self.send_command(id, &StationCommand::GetConfiguration { keys }, SENT_BY).await
            else {
                return;
            };
            match protocol.settings_told(&result.answer) {
                Some(part) => told.extend(part),
                // What was told before is kept all the same.
                None if !told.is_empty() => break,
                None => return,
            }
        }
        let count = told.len();
        let takes_unknown = takes_unknown(&told);
        let settings: serde_json::Map<String, Value> = told
            .into_iter()
            .filter(is_kept)
            .take(SETTINGS_KEPT)
            .map(|(key, value)| (key, json!(value)))
            .collect();
        let text = Value::Object(settings).to_string();
        let told =
            ToldSettings { configuration: &text, firmware, takes_unknown, at: self.clock.now() };
        if self.store.save_configuration(id, &told).await.is_ok() {
            self.cards.changed.notify_one();
            let _ = self.stations.station_changed(id).await;
            info!(station_id = %id, keys = count, "a station told its settings");
        }
    }
}

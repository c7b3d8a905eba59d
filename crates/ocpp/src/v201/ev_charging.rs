//! Smart charging with a vehicle over ISO 15118 (OCPP 2.0.1 K15 to K17): the vehicle's needs, the
//! profile that limits its power, and the schedule that it makes of that.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::instant;
use crate::command_intent::EvAllowed;
use crate::event::{EvNeeds, EvSchedule, StationEvent};
use crate::fields::Fields;
use crate::frame::{CallError, Payload};
use crate::timestamp;

/// The stack level of Juden's own profiles. An operator's profile with a higher level overrides
/// them.
const STACK_LEVEL: i64 = 0;

/// The longest schedule in seconds: a day.
const LONGEST_S: i64 = 86_400;

/// Decodes NotifyEVChargingNeeds: the EVSE, the most power that the vehicle takes, and its
/// departure (OCPP 2.0.1 K15).
pub(super) fn needs(payload: Payload<'_>) -> Result<StationEvent, CallError> {
    let mut fields = Fields::of(payload);
    let evse_id = fields.required_integer("evseId");
    let mut needed = fields.required_object("chargingNeeds");
    fields.check()?;
    let departs_at =
        needed.text("departureTime").and_then(|text| timestamp::read(&text).instant(None));
    let transfer = needed.text("requestedEnergyTransfer").unwrap_or_default();
    let most_w = match needed.object("dcChargingParameters") {
        Some(mut direct) => direct.integer("evMaxPower").or_else(|| product(&mut direct, 1)),
        None => needed
            .object("acChargingParameters")
            .and_then(|mut alternating| product(&mut alternating, phases(&transfer))),
    };
    let needs = EvNeeds {
        evse_id: evse_id.unwrap_or_default(),
        most_w: most_w.filter(|most| *most > 0),
        departs_at,
    };
    Ok(StationEvent::EvNeeds(needs))
}

/// The most power that a vehicle takes: current times voltage times phases.
fn product(parameters: &mut Fields<'_>, phases: i64) -> Option<i64> {
    let (current, voltage) =
        (parameters.integer("evMaxCurrent")?, parameters.integer("evMaxVoltage")?);
    current.checked_mul(voltage)?.checked_mul(phases)
}

fn phases(transfer: &str) -> i64 {
    match transfer {
        "AC_three_phase" => 3,
        "AC_two_phase" => 2,
        _ => 1,
    }
}

/// Decodes NotifyEVChargingSchedule: the EVSE, and the highest limit of the schedule that a vehicle
/// made (K15, K16).
pub(super) fn schedule(payload: Payload<'_>) -> Result<StationEvent, CallError> {
    let mut fields = Fields::of(payload);
    let evse_id = fields.required_integer("evseId");
    let mut made = fields.required_object("chargingSchedule");
    fields.check()?;
    let unit = made.text("chargingRateUnit").unwrap_or_default();
    let limits = made
        .objects("chargingSchedulePeriod")
        .into_iter()
        .filter_map(|period| period.scalar("limit")?.parse().ok());
    let schedule = EvSchedule { evse_id: evse_id.unwrap_or_default(), unit, most: limits.max() };
    Ok(StationEvent::EvSchedule(schedule))
}

/// The profile that limits a transaction's vehicle to `limit_w` until it departs. The caller
/// chooses the profile's number.
pub fn profile(
    number: u32,
    transaction: &str,
    needs: &EvNeeds,
    limit_w: i64,
    now: DateTime<Utc>,
) -> Value {
    let until_s = needs
        .departs_at
        .map(|at| (at - now).num_seconds())
        .filter(|seconds| (1..=LONGEST_S).contains(seconds));
    let schedule = json!({
        "id": 1,
        "startSchedule": instant(now),
        "duration": until_s.unwrap_or(TimeDelta::seconds(LONGEST_S).num_seconds()),
        "chargingRateUnit": "W",
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": limit_w}],
    });
    let profile = json!({
        "id": number,
        "stackLevel": STACK_LEVEL,
        "chargingProfilePurpose": "TxProfile",
        "chargingProfileKind": "Absolute",
        "transactionId": transaction,
        "chargingSchedule": [schedule],
    });
    json!({"evseId": needs.evse_id, "chargingProfile": profile})
}

/// The highest limit that a sent profile sets for the vehicle at an EVSE.
pub fn allowed(payload: &Value, evse_id: i64) -> Option<EvAllowed> {
    let profile = payload.get("chargingProfile").filter(|_| payload["evseId"] == evse_id)?;
    let schedule = profile
        .get("chargingSchedule")?
        .get(0)
        .filter(|_| profile["chargingProfilePurpose"] == "TxProfile")?;
    let limits = schedule["chargingSchedulePeriod"]
        .as_array()?
        .iter()
        .filter_map(|period| period["limit"].to_string().parse().ok());
    let transaction = profile.get("transactionId").and_then(Value::as_str).map(str::to_owned);
    Some(EvAllowed {
        transaction,
        unit: schedule["chargingRateUnit"].as_str()?.to_owned(),
        most: limits.max()?,
    })
}

#[cfg(test)]
#[path = "ev_charging_tests.rs"]
mod tests;

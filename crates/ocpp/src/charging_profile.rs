//! Rules of the standard's text for charging profiles that its schema does not hold, for both
//! versions. A profile that breaks a rule is not sent (OCPP 1.6 sections 3.13 and 7.8 with errata
//! 3.41, 3.45, 3.56; OCPP 2.0.1 K01.FR.03, .06, .16, .22, .31, .34, .38 to .41, F01.FR.08).

use serde_json::{Map, Value};

use super::schema::Violation;

/// Checks the charging profile in a command's payload. A command without a profile passes.
pub fn check(action: &str, payload: &Map<String, Value>) -> Result<(), Violation> {
    let (name, place) = match action {
        "SetChargingProfile" if payload.contains_key("csChargingProfiles") => {
            ("csChargingProfiles", ProfileCommand::Set)
        }
        "SetChargingProfile" => ("chargingProfile", ProfileCommand::Set),
        "RemoteStartTransaction" | "RequestStartTransaction" => {
            ("chargingProfile", ProfileCommand::Start)
        }
        _ => return Ok(()),
    };
    let Some(profile) = payload.get(name) else { return Ok(()) };
    let connector = payload
        .get("connectorId")
        .or_else(|| payload.get("evseId"))
        .and_then(Value::as_i64)
        .unwrap_or_default();
    let violated = |field: &str, allowed: &str| {
        Err(Violation { field: format!("{name}.{field}"), allowed: allowed.to_owned() })
    };
    let word = |field: &str| profile.get(field).and_then(Value::as_str).unwrap_or_default();
    match (word("chargingProfilePurpose"), place) {
        ("ChargingStationExternalConstraints", _) => {
            return violated(
                "chargingProfilePurpose",
                "another purpose: external constraints are the station's own to report",
            );
        }
        (purpose, ProfileCommand::Start) if purpose != "TxProfile" => {
            return violated(
                "chargingProfilePurpose",
                "TxProfile: a remote start carries no other",
            );
        }
        (_, ProfileCommand::Start) if profile.get("transactionId").is_some() => {
            return violated(
                "transactionId",
                "left out: the transaction has no id before it starts",
            );
        }
        ("TxProfile", ProfileCommand::Set) if connector == 0 => {
            return violated(
                "chargingProfilePurpose",
                "another purpose: a TxProfile is for one connector",
            );
        }
        ("TxProfile", ProfileCommand::Set) if profile.get("transactionId").is_none() => {
            return violated("transactionId", "given: a TxProfile is for a transaction that runs");
        }
        ("ChargePointMaxProfile" | "ChargingStationMaxProfile", _) if connector != 0 => {
            return violated(
                "chargingProfilePurpose",
                "another purpose: this one is for the whole station, 0",
            );
        }
        ("ChargePointMaxProfile" | "ChargingStationMaxProfile", _)
            if word("chargingProfileKind") == "Relative" =>
        {
            return violated(
                "chargingProfileKind",
                "Absolute or Recurring: nothing begins that it could be relative to",
            );
        }
        _ => {}
    }
    if word("chargingProfileKind") == "Recurring" && word("recurrencyKind").is_empty() {
        return violated("recurrencyKind", "given: the profile is recurring");
    }
    if word("chargingProfileKind") != "Recurring" && !word("recurrencyKind").is_empty() {
        return violated("recurrencyKind", "left out: the profile is not recurring");
    }
    let at = |field: &str| chrono::DateTime::parse_from_rfc3339(word(field)).ok();
    if let (Some(from), Some(to)) = (at("validFrom"), at("validTo"))
        && from >= to
    {
        return violated("validTo", "after validFrom");
    }
    let schedules = profile
        .get("chargingSchedule")
        .map(|schedule| schedule.as_array().map_or(std::slice::from_ref(schedule), Vec::as_slice));
    schedules.unwrap_or_default().iter().try_for_each(|schedule| {
        match schedule_fault(schedule, word("chargingProfileKind")) {
            Some((field, allowed)) => violated(field, allowed),
            None => Ok(()),
        }
    })
}

/// The kind of command that carries the charging profile.
#[derive(Clone, Copy)]
enum ProfileCommand {
    /// SetChargingProfile.
    Set,
    /// RemoteStartTransaction or RequestStartTransaction.
    Start,
}

fn schedule_fault(schedule: &Value, kind: &str) -> Option<(&'static str, &'static str)> {
    let is_relative = kind == "Relative";
    match schedule.get("startSchedule") {
        Some(_) if is_relative => {
            return Some(("chargingSchedule.startSchedule", "left out: the profile is relative"));
        }
        None if !is_relative => {
            return Some(("chargingSchedule.startSchedule", "given: the profile is not relative"));
        }
        _ => {}
    }
    let periods = schedule
        .get("chargingSchedulePeriod")
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default();
    let starts: Vec<i64> = periods
        .iter()
        .filter_map(|period| period.get("startPeriod").and_then(Value::as_i64))
        .collect();
    if starts.first() != Some(&0) {
        return Some(("chargingSchedule.chargingSchedulePeriod[0].startPeriod", "0"));
    }
    let rising = starts.windows(2).all(|pair| pair[0] < pair[1]);
    (!rising).then_some((
        "chargingSchedule.chargingSchedulePeriod",
        "periods in rising order of startPeriod",
    ))
}

#[cfg(test)]
#[path = "charging_profile_tests.rs"]
mod tests;

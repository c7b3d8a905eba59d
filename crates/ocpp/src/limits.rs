//! Limits on commands that a station reports of itself, beside those of the standard (1.6 section
//! 9; 2.0.1 B05.FR.11, B06.FR.05, D01.FR.11, N06.FR.04, K01.FR.34). Where a station reports no
//! limit, none applies.

use serde_json::{Map, Value};

use super::schema::Violation;
use juden_domain::blocking::StationSettings;

/// A limit: the command, the path of the limited value, the kind of limit, and the settings of both
/// versions that report it.
struct Limit {
    action: &'static str,
    path: &'static [&'static str],
    of: Of,
    settings: &'static [&'static str],
}

/// The kind of a limit.
#[derive(Clone, Copy)]
enum Of {
    /// The length of a list.
    Count,
    /// The value of a number.
    Number,
    /// A word, which must be among those that the setting lists.
    Word,
}

const fn limit(
    action: &'static str,
    path: &'static [&'static str],
    of: Of,
    settings: &'static [&'static str],
) -> Limit {
    Limit { action, path, of, settings }
}

const PROFILE: &str = "SetChargingProfile";

const LIMITS: &[Limit] = &[
    limit("GetConfiguration", &["key"], Of::Count, &["GetConfigurationMaxKeys"]),
    limit(
        "GetVariables",
        &["getVariableData"],
        Of::Count,
        &["DeviceDataCtrlr.ItemsPerMessage(GetVariables)"],
    ),
    limit(
        "SetVariables",
        &["setVariableData"],
        Of::Count,
        &["DeviceDataCtrlr.ItemsPerMessage(SetVariables)"],
    ),
    limit(
        "GetReport",
        &["componentVariable"],
        Of::Count,
        &["DeviceDataCtrlr.ItemsPerMessage(GetReport)"],
    ),
    limit(
        "SetVariableMonitoring",
        &["setMonitoringData"],
        Of::Count,
        &["MonitoringCtrlr.ItemsPerMessage(SetVariableMonitoring)"],
    ),
    limit(
        "ClearVariableMonitoring",
        &["id"],
        Of::Count,
        &["MonitoringCtrlr.ItemsPerMessage(ClearVariableMonitoring)"],
    ),
    limit(
        "SendLocalList",
        &["localAuthorizationList"],
        Of::Count,
        &["SendLocalListMaxLength", "LocalAuthListCtrlr.ItemsPerMessage"],
    ),
    limit(
        PROFILE,
        &["csChargingProfiles", "stackLevel"],
        Of::Number,
        &["ChargeProfileMaxStackLevel"],
    ),
    limit(
        PROFILE,
        &["chargingProfile", "stackLevel"],
        Of::Number,
        &["SmartChargingCtrlr.ProfileStackLevel"],
    ),
    limit(
        PROFILE,
        &["csChargingProfiles", "chargingSchedule", "chargingSchedulePeriod"],
        Of::Count,
        &["ChargingScheduleMaxPeriods"],
    ),
    limit(
        PROFILE,
        &["chargingProfile", "chargingSchedule", "chargingSchedulePeriod"],
        Of::Count,
        &["SmartChargingCtrlr.PeriodsPerSchedule"],
    ),
    limit(
        PROFILE,
        &["csChargingProfiles", "chargingSchedule", "chargingRateUnit"],
        Of::Word,
        &["ChargingScheduleAllowedChargingRateUnit"],
    ),
    limit(
        PROFILE,
        &["chargingProfile", "chargingSchedule", "chargingRateUnit"],
        Of::Word,
        &["SmartChargingCtrlr.RateUnit"],
    ),
];

/// The settings of 2.0.1 that report limits. Only their names hold a point.
pub fn settings() -> impl Iterator<Item = &'static str> {
    LIMITS.iter().flat_map(|limit| limit.settings).copied().filter(|name| name.contains('.'))
}

/// Checks a command against the limits that its station reports.
pub fn check(
    action: &str,
    payload: &Map<String, Value>,
    settings: &StationSettings,
) -> Result<(), Violation> {
    for limit in LIMITS.iter().filter(|limit| limit.action == action) {
        let Some(told) = settings.text(limit.settings) else { continue };
        for value in found(payload, limit.path) {
            if let Some(allowed) = limit.of.broken(value, told) {
                return Err(Violation {
                    field: limit.path.join("."),
                    allowed: format!(
                        "{allowed}: the station tells so ({})",
                        limit.settings.join(", ")
                    ),
                });
            }
        }
    }
    Ok(())
}

/// The values at a path; a list on the way stands for each of its elements.
fn found<'a>(payload: &'a Map<String, Value>, path: &[&str]) -> Vec<&'a Value> {
    let Some((first, rest)) = path.split_first() else { return Vec::new() };
    let Some(mut values) = payload.get(*first).map(|value| vec![value]) else { return Vec::new() };
    for name in rest {
        let each = values.into_iter().flat_map(|value| {
            value.as_array().map_or_else(|| vec![value], |items| items.iter().collect())
        });
        values = each.filter_map(|value| value.get(*name)).collect();
    }
    values
}

impl Of {
    /// The allowed value in words, if the value breaks the limit.
    fn broken(self, value: &Value, told: &str) -> Option<String> {
        let most = || told.trim().parse::<i64>().ok().filter(|most| *most >= 0);
        match self {
            // A limit of 0 is ignored: no station can mean it.
            Self::Count => most()
                .filter(|most| *most > 0)
                .filter(|most| {
                    value.as_array().is_some_and(|items| {
                        i64::try_from(items.len()).is_ok_and(|count| count > *most)
                    })
                })
                .map(|most| format!("at most {most}")),
            Self::Number => most()
                .filter(|most| value.as_i64().is_some_and(|number| number > *most))
                .map(|most| format!("{most} at most")),
            Self::Word => {
                // Unknown words do not limit anything.
                let is_known = |word: &&str| {
                    ["A", "W", "Current", "Power"]
                        .iter()
                        .any(|known| known.eq_ignore_ascii_case(word))
                };
                let words: Vec<&str> = told.split(',').map(str::trim).filter(is_known).collect();
                if words.is_empty() {
                    return None;
                }
                // OCPP 1.6 stations report Current and Power, but the payload holds the units A and
                // W.
                let is_word = |unit: &str| {
                    let long = match unit {
                        "A" => "Current",
                        _ => "Power",
                    };
                    words.iter().any(|word| {
                        word.eq_ignore_ascii_case(unit) || word.eq_ignore_ascii_case(long)
                    })
                };
                value
                    .as_str()
                    .filter(|unit| !is_word(unit))
                    .map(|_| format!("one of: {}", words.join(", ")))
            }
        }
    }
}

#[cfg(test)]
#[path = "limits_tests.rs"]
mod tests;

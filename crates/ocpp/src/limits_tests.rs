use serde_json::json;

use super::*;

fn checked(action: &str, payload: &Value, settings: &[(&str, &str)]) -> Result<(), String> {
    let settings = StationSettings::of(
        settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
    );
    check(action, payload.as_object().unwrap(), &settings).map_err(|violation| violation.field)
}

#[test]
fn a_stations_own_limits_hold_at_the_limit() {
    let keys = |count: usize| json!({"key": vec!["K"; count]});
    let limit = [("GetConfigurationMaxKeys", "3")];
    assert_eq!(checked("GetConfiguration", &keys(3), &limit), Ok(()));
    assert_eq!(checked("GetConfiguration", &keys(4), &limit), Err("key".into()));
    assert_eq!(checked("GetConfiguration", &keys(4), &[]), Ok(()), "what is not told is no limit");
    assert_eq!(
        checked("GetConfiguration", &keys(4), &[("GetConfigurationMaxKeys", "many")]),
        Ok(())
    );
    let data = |count: usize| json!({"getVariableData": vec![json!({}); count]});
    let limit = [("DeviceDataCtrlr.ItemsPerMessage(GetVariables)", "2")];
    assert_eq!(checked("GetVariables", &data(2), &limit), Ok(()));
    assert_eq!(checked("GetVariables", &data(3), &limit), Err("getVariableData".into()));
}

#[test]
fn profiles_keep_to_levels_periods_and_units() {
    let older = |level: i64, unit: &str| json!({"csChargingProfiles": {"stackLevel": level, "chargingSchedule": {"chargingRateUnit": unit, "chargingSchedulePeriod": [{}, {}]}}});
    let limits = [
        ("ChargeProfileMaxStackLevel", "8"),
        ("ChargingScheduleMaxPeriods", "2"),
        ("ChargingScheduleAllowedChargingRateUnit", "Current"),
    ];
    assert_eq!(checked("SetChargingProfile", &older(8, "A"), &limits), Ok(()));
    assert_eq!(
        checked("SetChargingProfile", &older(9, "A"), &limits),
        Err("csChargingProfiles.stackLevel".into())
    );
    assert_eq!(
        checked("SetChargingProfile", &older(8, "W"), &limits),
        Err("csChargingProfiles.chargingSchedule.chargingRateUnit".into())
    );
    let newer = json!({"chargingProfile": {"stackLevel": 0, "chargingSchedule": [{"chargingRateUnit": "A", "chargingSchedulePeriod": [{}]}, {"chargingRateUnit": "W", "chargingSchedulePeriod": [{}, {}]}]}});
    assert_eq!(
        checked("SetChargingProfile", &newer, &[("SmartChargingCtrlr.PeriodsPerSchedule", "1")]),
        Err("chargingProfile.chargingSchedule.chargingSchedulePeriod".into())
    );
    assert_eq!(
        checked("SetChargingProfile", &newer, &[("SmartChargingCtrlr.RateUnit", "A,W")]),
        Ok(())
    );
}

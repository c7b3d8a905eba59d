use rust_decimal::Decimal;

use super::*;

fn most(needs: &Value) -> Option<i64> {
    let payload = json!({"evseId": 1, "chargingNeeds": needs}).to_string();
    match super::needs(Payload::Json(&payload)).unwrap() {
        StationEvent::EvNeeds(needs) => needs.most_w,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_vehicles_power_is_what_it_tells_or_current_by_voltage_over_its_phases() {
    let direct =
        |more: Value| json!({"requestedEnergyTransfer": "DC", "dcChargingParameters": more});
    assert_eq!(most(&direct(json!({"evMaxCurrent": 100, "evMaxVoltage": 400}))), Some(40_000));
    assert_eq!(
        most(&direct(json!({"evMaxCurrent": 100, "evMaxVoltage": 400, "evMaxPower": 30_000}))),
        Some(30_000)
    );
    let alternating = |transfer: &str| json!({"requestedEnergyTransfer": transfer, "acChargingParameters": {"evMaxCurrent": 16, "evMaxVoltage": 200}});
    assert_eq!(most(&alternating("AC_single_phase")), Some(3_200));
    assert_eq!(most(&alternating("AC_three_phase")), Some(9_600));
    assert_eq!(most(&json!({"requestedEnergyTransfer": "DC"})), None);
    assert_eq!(
        most(&direct(json!({"evMaxCurrent": 9_223_372_036_854_775_807_i64, "evMaxVoltage": 400}))),
        None
    );
}

#[test]
fn what_was_allowed_is_read_back_out_of_the_profile() {
    let needs = EvNeeds { evse_id: 2, most_w: None, departs_at: None };
    let sent = profile(7, "T-1", &needs, 50_000, "2026-11-21T00:00:00Z".parse().unwrap());
    assert_eq!(
        allowed(&sent, 2),
        Some(EvAllowed {
            transaction: Some("T-1".into()),
            unit: "W".into(),
            most: Decimal::from(50_000)
        })
    );
    assert_eq!(allowed(&sent, 1), None);
    let mut other = sent;
    other["chargingProfile"]["chargingProfilePurpose"] = json!("TxDefaultProfile");
    assert_eq!(allowed(&other, 2), None);
}

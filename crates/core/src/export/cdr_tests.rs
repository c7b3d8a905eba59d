use std::collections::BTreeSet;

use super::*;

#[test]
fn an_evse_id_is_emi3s_and_no_two_connectors_have_one() {
    let party = Party { country: "JP".into(), party: "JDN".into() };
    assert_eq!(evse_id(&party, "CP1", 1), "JP*JDN*ECP1*1");
    let stations = [
        "CP1",
        "cp1",
        "Cp1",
        "CP-1",
        "CP*1",
        "CP_1",
        "CP12D1",
        "充電1",
        &"X".repeat(44),
        &"X".repeat(45),
        &"x".repeat(44),
    ];
    let mut seen = BTreeSet::new();
    for station in stations {
        for connector in [1, 2, 11, 1_000] {
            let id = evse_id(&party, station, connector);
            let outlet = id.strip_prefix("JP*JDN*E").unwrap();
            assert!(
                outlet.len() <= OUTLET_MAX
                    && outlet.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'*'),
                "{id}"
            );
            assert!(seen.insert(id.to_lowercase()), "{id} stands for two");
        }
    }
    assert_eq!(short(&"A".repeat(36)).len(), 36);
    assert!(short(&"A".repeat(37)).len() <= ID_MAX && short("充電").is_ascii());
}

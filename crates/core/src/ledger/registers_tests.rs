use super::*;
use juden_domain::instant::Reported;

fn reading(phase: &str, value: &str, unit: &str) -> Reading {
    Reading {
        sampled_at: Reported::missing(),
        measurand: ENERGY_REGISTER.into(),
        phase: phase.into(),
        location: "Outlet".into(),
        context: "Sample.Periodic".into(),
        unit: unit.into(),
        value: value.into(),
        signed: false,
    }
}

fn values(readings: &[Reading]) -> Vec<i64> {
    registers(readings).into_iter().map(|(_, value)| value.0).collect()
}

#[test]
fn the_register_of_all_phases_counts_and_phases_are_summed_only_without_it() {
    let phases =
        [reading("L1", "100.4", "Wh"), reading("L2", "200.4", "Wh"), reading("L3", "0.3", "kWh")];
    assert_eq!(values(&phases), [600], "100.4 + 200.4 + 300");
    let voltages = ["L1", "L2", "L3"].map(|phase| Reading {
        measurand: "Voltage".into(),
        unit: "V".into(),
        ..reading(phase, "230", "V")
    });
    assert_eq!(
        values(&[&voltages[..], &phases[..]].concat()),
        [600],
        "beside others of each phase"
    );
    assert_eq!(values(&phases[..2]), Vec::<i64>::new(), "a phase that is not told may be anything");
    let mut with_total = phases.to_vec();
    with_total.push(reading("", "601.9", "Wh"));
    assert_eq!(values(&with_total), [601]);
    assert_eq!(
        values(&[reading("L1", "x", "Wh"), phases[1].clone(), phases[2].clone()]),
        Vec::<i64>::new()
    );
    assert_eq!(values(&[reading("L1", "3051.313", "Wh")]), [3_051], "a single-phase charger");
    assert_eq!(
        values(&[reading("", "3.5", "KWh"), reading("", "7", "WH")]),
        [3_500, 7],
        "units in any case"
    );
}

#[test]
fn what_is_no_energy_at_the_outlet_is_no_register() {
    let other = |change: fn(&mut Reading)| {
        let mut reading = reading("", "5", "Wh");
        change(&mut reading);
        values(&[reading])
    };
    assert_eq!(other(|reading| reading.location = "Inlet".into()), Vec::<i64>::new());
    assert_eq!(
        other(|reading| reading.measurand = "Power.Active.Import".into()),
        Vec::<i64>::new()
    );
    assert_eq!(other(|reading| reading.unit = "varh".into()), Vec::<i64>::new());
    assert_eq!(
        other(|reading| reading.signed = true),
        Vec::<i64>::new(),
        "signed data of digits is no register"
    );
    assert_eq!(other(|reading| reading.value = "1.5".into()), [1]);
}

//! Registers of energy among a message's readings.

use rust_decimal::Decimal;

use crate::domain::units::WattHours;
use crate::ocpp::event::Reading;

/// The measurand that sessions are measured by.
const ENERGY_REGISTER: &str = "Energy.Active.Import.Register";

/// The phases of a meter that tells no total (OCPP 1.6 section 7.34).
const PHASES: [&str; 3] = ["L1", "L2", "L3"];

/// The energy registers at the outlet, each with the reading that it is of, cut to whole watt-hours. Where a meter tells
/// none for all phases together at an instant, the three phases' are summed.
pub(super) fn registers(readings: &[Reading]) -> Vec<(&Reading, WattHours)> {
    let whole = |value: Decimal| i64::try_from(value.trunc()).ok().map(WattHours);
    let total = |reading: &Reading| reading.phase.is_empty().then(|| energy(reading)).flatten();
    let mut found: Vec<(&Reading, WattHours)> =
        readings.iter().filter_map(|reading| Some((reading, total(reading).and_then(whole)?))).collect();
    for first in readings.iter().filter(|reading| reading.phase == PHASES[0]) {
        let beside = |other: &&Reading| other.sampled_at == first.sampled_at && other.context == first.context;
        if found.iter().any(|(other, _)| beside(other)) {
            continue;
        }
        let of_phase = |phase: &str| readings.iter().filter(beside).filter(|other| other.phase == phase).find_map(energy);
        let sum = PHASES.iter().try_fold(Decimal::ZERO, |sum, phase| sum.checked_add(of_phase(phase)?));
        found.extend(sum.and_then(whole).map(|sum| (first, sum)));
    }
    found
}

/// A reading's energy in watt-hours, where it is a register at the outlet.
fn energy(reading: &Reading) -> Option<Decimal> {
    if reading.measurand != ENERGY_REGISTER || reading.location != "Outlet" {
        return None;
    }
    let factor = match reading.unit.as_str() {
        "Wh" => Decimal::ONE,
        "kWh" => Decimal::ONE_THOUSAND,
        _ => return None,
    };
    reading.value.parse::<Decimal>().ok()?.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::instant::Reported;

    fn reading(phase: &str, value: &str, unit: &str) -> Reading {
        Reading {
            sampled_at: Reported::missing(),
            measurand: ENERGY_REGISTER.into(),
            phase: phase.into(),
            location: "Outlet".into(),
            context: "Sample.Periodic".into(),
            unit: unit.into(),
            value: value.into(),
        }
    }

    fn values(readings: &[Reading]) -> Vec<i64> {
        registers(readings).into_iter().map(|(_, value)| value.0).collect()
    }

    #[test]
    fn the_register_of_all_phases_counts_and_phases_are_summed_only_without_it() {
        let phases = [reading("L1", "100.4", "Wh"), reading("L2", "200.4", "Wh"), reading("L3", "0.3", "kWh")];
        assert_eq!(values(&phases), [600], "100.4 + 200.4 + 300");
        let voltages =
            ["L1", "L2", "L3"].map(|phase| Reading { measurand: "Voltage".into(), unit: "V".into(), ..reading(phase, "230", "V") });
        assert_eq!(values(&[&voltages[..], &phases[..]].concat()), [600], "beside others of each phase");
        assert_eq!(values(&phases[..2]), Vec::<i64>::new(), "a phase that is not told may be anything");
        let mut with_total = phases.to_vec();
        with_total.push(reading("", "601.9", "Wh"));
        assert_eq!(values(&with_total), [601]);
        assert_eq!(values(&[reading("L1", "x", "Wh"), phases[1].clone(), phases[2].clone()]), Vec::<i64>::new());
    }

    #[test]
    fn what_is_no_energy_at_the_outlet_is_no_register() {
        let other = |change: fn(&mut Reading)| {
            let mut reading = reading("", "5", "Wh");
            change(&mut reading);
            values(&[reading])
        };
        assert_eq!(other(|reading| reading.location = "Inlet".into()), Vec::<i64>::new());
        assert_eq!(other(|reading| reading.measurand = "Power.Active.Import".into()), Vec::<i64>::new());
        assert_eq!(other(|reading| reading.unit = "varh".into()), Vec::<i64>::new());
        assert_eq!(other(|reading| reading.value = "1.5".into()), [1]);
    }
}

//! Durations and energy from the measurements of stations. Registers are only compared within one
//! session, because many meters restart at each session or boot.

use chrono::TimeDelta;

use super::flag::Flag;
use super::units::WattHours;

/// Watt-hours beyond rated power times duration that are still plausible: in short sessions
/// rounding weighs much.
const ENERGY_SLACK_WH: i64 = 1_000;

/// The energy between two registers, and the doubt about it. If the stop's register is missing, the
/// last reading replaces it.
pub fn energy(
    start: Option<WattHours>,
    stop: Option<WattHours>,
    last_reading: Option<WattHours>,
) -> (Option<WattHours>, Option<Flag>) {
    let known =
        |register: Option<WattHours>| register.filter(|register| *register != WattHours::UNKNOWN);
    let known_stop = known(stop);
    let (Some(start), Some(end)) = (known(start), known_stop.or(last_reading)) else {
        return (None, Some(Flag::MeterUnknown));
    };
    let substitute = known_stop.is_none().then_some(Flag::MeterUnknown);
    match end.0.checked_sub(start.0) {
        Some(difference) if difference >= 0 => (Some(WattHours(difference)), substitute),
        Some(-1) => (Some(WattHours(0)), Some(Flag::MeterRounded)),
        Some(_) | None => (None, Some(Flag::MeterBackwards)),
    }
}

/// Whether a charger of this power can deliver this energy in this time. A tenth more is allowed.
pub fn is_plausible(energy: WattHours, power_w: i64, duration: TimeDelta) -> bool {
    let seconds = i128::from(duration.num_seconds().max(0) + 1);
    let most = i128::from(power_w) * seconds * 11 / (10 * 3600) + i128::from(ENERGY_SLACK_WH);
    i128::from(energy.0) <= most
}

/// A session's units (rule R6.5). A begun unit counts in full, and rounding happens once per
/// session. A session without duration has none, nor has a failed start: under a minute and without
/// energy.
pub fn units(duration: TimeDelta, energy: Option<WattHours>, unit_s: i64) -> i64 {
    let duration_ms = duration.num_milliseconds();
    let no_energy = energy.is_none_or(|energy| energy.0 == 0);
    if duration_ms <= 0 || (no_energy && duration_ms < FAILED_START_MS) {
        return 0;
    }
    let unit_ms = unit_s * 1000;
    duration_ms.div_euclid(unit_ms) + i64::from(duration_ms.rem_euclid(unit_ms) > 0)
}

/// A session shorter than this, without energy, is a failed start.
const FAILED_START_MS: i64 = 60_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn wh(register: i64) -> Option<WattHours> {
        Some(WattHours(register))
    }

    #[test]
    fn energy_is_the_difference_of_the_registers() {
        for (start, stop, last, energy_wh, doubt) in [
            (wh(0), wh(12_000), None, wh(12_000), None),
            (wh(3_000_000_000), wh(3_000_000_500), None, wh(500), None),
            (wh(100), wh(99), None, wh(0), Some(Flag::MeterRounded)),
            (wh(100), wh(98), None, None, Some(Flag::MeterBackwards)),
            (wh(i64::MIN), wh(i64::MAX), None, None, Some(Flag::MeterBackwards)),
            (wh(100), wh(-1), wh(900), wh(800), Some(Flag::MeterUnknown)),
            (wh(100), None, None, None, Some(Flag::MeterUnknown)),
            (None, wh(100), None, None, Some(Flag::MeterUnknown)),
            (wh(-1), wh(100), None, None, Some(Flag::MeterUnknown)),
        ] {
            assert_eq!(
                energy(start, stop, last),
                (energy_wh, doubt),
                "{start:?} {stop:?} {last:?}"
            );
        }
    }

    #[test]
    fn w21_w22_w24_units_round_up_once_and_failed_starts_have_none() {
        for (milliseconds, energy_wh, unit_s, expected) in [
            (0, 0, 60, 0),
            (-120_000, 500, 60, 0),
            (45_000, 0, 60, 0),
            (59_999, 0, 60, 0),
            (1_000, 120, 60, 1),
            (60_000, 0, 60, 1),
            (60_000, 10, 60, 1),
            (60_001, 10, 60, 2),
            (61_000, 10, 60, 2),
            (601_000, 10, 60, 11),
            (600_000, 10, 600, 1),
            (601_000, 10, 600, 2),
            (21 * 60_000, 10, 600, 3),
        ] {
            let units = units(TimeDelta::milliseconds(milliseconds), wh(energy_wh), unit_s);
            assert_eq!(units, expected, "{milliseconds} ms, {energy_wh} Wh, unit {unit_s} s");
        }
    }

    #[test]
    fn a_charger_cannot_deliver_more_than_its_power_and_a_tenth() {
        let half_hour = TimeDelta::minutes(30);
        assert!(is_plausible(WattHours(28_000), 50_000, half_hour));
        assert!(!is_plausible(WattHours(29_000), 50_000, half_hour));
        assert!(!is_plausible(WattHours(910_000), 400_000, half_hour));
    }
}

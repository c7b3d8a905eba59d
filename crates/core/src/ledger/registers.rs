//! Registers of energy among a message's readings.

use std::collections::HashMap;

use rust_decimal::Decimal;

use juden_domain::units::WattHours;
use juden_ocpp::event::Reading;

/// The measurand that sessions are measured by.
const ENERGY_REGISTER: &str = "Energy.Active.Import.Register";

/// The phases of a meter that tells no total (OCPP 1.6 section 7.34).
const PHASES: [&str; 3] = ["L1", "L2", "L3"];

/// What the readings of one instant and occasion tell of the energy register.
#[derive(Default)]
struct Instant<'a> {
    /// Whether it was told for all phases together.
    has_total: bool,
    /// The first reading of the first phase, whatever it measures: where the instant stands among the others.
    first: Option<&'a Reading>,
    /// The first register of each phase.
    phases: [Option<Decimal>; PHASES.len()],
}

/// The energy registers at the outlet, each with the reading that it is of, cut to whole watt-hours. Where a meter tells
/// none for all phases together at an instant, the three phases' are summed; a register of one phase alone is that of a
/// single-phase charger. One pass: a message may hold thousands.
pub(super) fn registers(readings: &[Reading]) -> Vec<(&Reading, WattHours)> {
    let whole = |value: Decimal| i64::try_from(value.trunc()).ok().map(WattHours);
    let mut found = Vec::new();
    let mut instants: HashMap<_, Instant<'_>> = HashMap::new();
    let mut in_order = Vec::new();
    for reading in readings {
        let key = (&reading.sampled_at, reading.context.as_str());
        if reading.phase.is_empty() {
            if let Some(total) = energy(reading).and_then(whole) {
                found.push((reading, total));
                instants.entry(key).or_default().has_total = true;
            }
        } else if let Some(phase) = PHASES.iter().position(|phase| reading.phase == *phase) {
            let instant = instants.entry(key).or_default();
            if instant.first.is_none() {
                in_order.push(key);
            }
            if instant.first.is_none()
                || phase == 0 && instant.first.is_some_and(|first| first.phase != PHASES[0])
            {
                instant.first = Some(reading);
            }
            instant.phases[phase] = instant.phases[phase].or_else(|| energy(reading));
        }
    }
    for instant in
        in_order.iter().filter_map(|key| instants.get(key)).filter(|instant| !instant.has_total)
    {
        let sum = match instant.phases {
            // Of a single-phase charger: it has no others.
            [Some(only), None, None] | [None, Some(only), None] | [None, None, Some(only)] => {
                Some(only)
            }
            phases => {
                phases.iter().try_fold(Decimal::ZERO, |sum, phase| sum.checked_add((*phase)?))
            }
        };
        found.extend(instant.first.zip(sum.and_then(whole)));
    }
    found
}

/// The last register among readings.
pub fn last_register(readings: &[Reading]) -> Option<WattHours> {
    registers(readings).last().map(|(_, value)| *value)
}

/// A reading's energy in watt-hours, where it is a register at the outlet.
fn energy(reading: &Reading) -> Option<Decimal> {
    if reading.measurand != ENERGY_REGISTER || reading.location != "Outlet" || reading.signed {
        return None;
    }
    let factor = match reading.unit.as_str() {
        unit if unit.eq_ignore_ascii_case("Wh") => Decimal::ONE,
        unit if unit.eq_ignore_ascii_case("kWh") => Decimal::ONE_THOUSAND,
        _ => return None,
    };
    reading.value.parse::<Decimal>().ok()?.checked_mul(factor)
}

#[cfg(test)]
#[path = "registers_tests.rs"]
mod tests;

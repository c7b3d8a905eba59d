//! Reads lists of meter values in MeterValues (OCPP 1.6 section 4.7, OCPP 2.0.1 J01) and in the
//! messages of a transaction. Absent fields of a sample get the standard's defaults (1.6 section
//! 7.43, 2.0.1 SampledValueType). A sample without a number is skipped, and the others are kept.

use rust_decimal::Decimal;

use crate::event::Reading;
use crate::fields::Fields;
use crate::timestamp;
use juden_domain::instant::Reported;

/// The longest name of a measurand, phase, location, context or unit that is kept.
const NAME_MAX: usize = 64;

/// The largest multiplier that is accepted (2.0.1 `unitOfMeasure.multiplier`). No meter needs a
/// larger one.
const MULTIPLIER_MAX: i64 = 12;

/// Samples that are read out of one message. The stop of the longest session has fewer. Samples
/// beyond the limit remain in the stored message only.
pub const SAMPLES_MAX: usize = 10_000;

/// The samples of a list of meter values.
pub(super) fn readings(fields: &mut Fields<'_>, name: &str) -> Vec<Reading> {
    let mut readings = Vec::new();
    for mut meter_value in fields.objects(name) {
        let sampled_at = meter_value
            .text("timestamp")
            .map_or(Reported::missing(), |text| timestamp::read(&text));
        for mut sample in meter_value.objects("sampledValue") {
            if readings.len() == SAMPLES_MAX {
                return readings;
            }
            readings.extend(reading(&sampled_at, &mut sample));
        }
    }
    readings
}

fn reading(sampled_at: &Reported, sample: &mut Fields<'_>) -> Option<Reading> {
    let mut named = |name: &str, default: &str| {
        let text = sample.text(name).unwrap_or_else(|| default.to_owned());
        text.chars().take(NAME_MAX).collect::<String>()
    };
    let format = named("format", "Raw");
    let signed = format == "SignedData";
    let reading = Reading {
        sampled_at: sampled_at.clone(),
        measurand: named("measurand", "Energy.Active.Import.Register"),
        phase: named("phase", ""),
        location: named("location", "Outlet"),
        context: named("context", "Sample.Periodic"),
        unit: named("unit", "Wh"),
        value: String::new(),
        signed,
    };
    let sent = sample.scalar("value")?;
    if signed {
        return Some(Reading { value: sent, ..reading });
    }
    let value = decimal(&sent)?;
    let Some(mut measure) = sample.object("unitOfMeasure") else {
        return Some(Reading { value: value.to_string(), ..reading });
    };
    let unit =
        measure.text("unit").map_or(reading.unit, |unit| unit.chars().take(NAME_MAX).collect());
    let value = scaled(value, measure.integer("multiplier").unwrap_or_default())?;
    Some(Reading { value: value.to_string(), unit, ..reading })
}

/// A value times a power of ten.
fn scaled(value: Decimal, multiplier: i64) -> Option<Decimal> {
    if multiplier.abs() > MULTIPLIER_MAX {
        return None;
    }
    let factor = Decimal::from(10_i64.pow(u32::try_from(multiplier.unsigned_abs()).ok()?));
    let scaled =
        if multiplier < 0 { value.checked_div(factor)? } else { value.checked_mul(factor)? };
    Some(scaled.normalize())
}

/// Reads a number as stations write it: with blanks around it, a comma for the point, or an
/// exponent.
fn decimal(text: &str) -> Option<Decimal> {
    let text = text.trim().replace(',', ".");
    text.parse().or_else(|_| Decimal::from_scientific(&text)).ok()
}

#[cfg(test)]
#[path = "readings_tests.rs"]
mod tests;

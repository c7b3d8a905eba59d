//! Lists of meter values, inside MeterValues (OCPP 1.6 section 4.7, OCPP 2.0.1 J01) and the messages of a transaction.
//! Absent fields of a sample take the standard's defaults (1.6 section 7.43, 2.0.1 SampledValueType); a sample without
//! a number is dropped alone.

use rust_decimal::Decimal;

use crate::event::Reading;
use crate::fields::Fields;
use crate::timestamp;
use juden_domain::instant::Reported;

/// The longest name of a measurand, phase, location, context or unit that is kept.
const NAME_MAX: usize = 64;

/// The largest power of ten by which a value is taken (2.0.1 `unitOfMeasure.multiplier`); beyond it there is no such meter.
const MULTIPLIER_MAX: i64 = 12;

/// Samples that are read out of one message: more than the longest session has in a transaction's end. Those beyond it
/// stay in the message as it is kept.
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

/// A number as stations write it: blanks around, a comma for the point, an exponent.
fn decimal(text: &str) -> Option<Decimal> {
    let text = text.trim().replace(',', ".");
    text.parse().or_else(|_| Decimal::from_scientific(&text)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Payload;

    fn values(payload: &str) -> Vec<(String, String, String)> {
        let mut fields = Fields::of(Payload::Json(payload));
        readings(&mut fields, "meterValue")
            .into_iter()
            .map(|r| (r.measurand, r.unit, r.value))
            .collect()
    }

    #[test]
    fn a_sample_without_names_takes_the_standards_defaults() {
        let payload = r#"{"meterValue":[{"timestamp":"2024-01-01T00:00:00Z","sampledValue":[{"value":"12"}]}]}"#;
        let mut fields = Fields::of(Payload::Json(payload));
        let read = readings(&mut fields, "meterValue");
        assert_eq!(
            (read[0].context.as_str(), read[0].location.as_str(), read[0].phase.as_str()),
            ("Sample.Periodic", "Outlet", "")
        );
        assert_eq!(
            values(payload),
            [("Energy.Active.Import.Register".into(), "Wh".into(), "12".into())]
        );
    }

    #[test]
    fn the_fields_spellings_of_a_number_are_read_and_others_drop_that_sample_alone() {
        let payload = r#"{"meterValue":{"timestamp":"x","sampledValue":[{"value":1.5},{"value":"1,5"},{"value":" 1.5 "},{"value":"15e-1"},{"value":""},{"value":"NaN"},{"value":{}},{}]}}"#;
        let read: Vec<String> = values(payload).into_iter().map(|(_, _, value)| value).collect();
        assert_eq!(read, ["1.5"; 4]);
    }

    #[test]
    fn odd_units_measurands_and_empty_lists_are_kept_as_they_come() {
        let payload = r#"{"meterValue":[{"sampledValue":[]},{"timestamp":"2024-01-01T00:00:00Z","sampledValue":[{"value":"50","unit":"Hertz","measurand":"Request.Energy"},{"value":"20","unit":"Celcius"}]}]}"#;
        assert_eq!(values(payload)[0], ("Request.Energy".into(), "Hertz".into(), "50".into()));
        assert_eq!(values(payload)[1].1, "Celcius");
    }

    #[test]
    fn a_value_of_the_newer_version_is_taken_by_its_power_of_ten() {
        let value = |measure: &str| {
            let sample = format!(
                r#"{{"meterValue":[{{"timestamp":"x","sampledValue":[{{"value":12.5,"unitOfMeasure":{measure}}}]}}]}}"#
            );
            values(&sample).first().map(|(_, unit, value)| (unit.clone(), value.clone()))
        };
        let of = |unit: &str, value: &str| Some((unit.to_owned(), value.to_owned()));
        assert_eq!(value("{}"), of("Wh", "12.5"));
        assert_eq!(value(r#"{"unit":"kWh"}"#), of("kWh", "12.5"));
        assert_eq!(value(r#"{"unit":"Wh","multiplier":3}"#), of("Wh", "12500"));
        assert_eq!(value(r#"{"multiplier":-1}"#), of("Wh", "1.25"));
        assert_eq!(value(r#"{"multiplier":12}"#), of("Wh", "12500000000000"));
        assert_eq!(value(r#"{"multiplier":13}"#), None);
    }

    #[test]
    fn of_more_samples_than_are_read_the_first_are() {
        let samples = vec![r#"{"value":1}"#; SAMPLES_MAX + 1].join(",");
        assert_eq!(
            values(&format!(
                r#"{{"meterValue":[{{"timestamp":"x","sampledValue":[{samples}]}}]}}"#
            ))
            .len(),
            SAMPLES_MAX
        );
    }

    #[test]
    fn signed_data_is_kept_verbatim() {
        let payload = r#"{"meterValue":[{"timestamp":"2024-01-01T00:00:00Z","sampledValue":[{"value":"OCMF|{\"a\":1}","format":"SignedData"}]}]}"#;
        assert_eq!(values(payload)[0].2, "OCMF|{\"a\":1}");
    }
}

//! MeterValues (OCPP 1.6 section 4.7), and the same lists inside StopTransaction. Absent fields of a
//! sample take the standard's defaults (section 7.43); a sample without a number is dropped alone.

use rust_decimal::Decimal;

use super::{Decoded, empty};
use crate::domain::instant::Reported;
use crate::ocpp::event::{MeterReport, Reading, StationEvent, TransactionEvent};
use crate::ocpp::fields::Fields;
use crate::ocpp::frame::{CallError, Payload};
use crate::ocpp::timestamp;

/// The longest name of a measurand, phase, location, context or unit that is kept.
const NAME_MAX: usize = 64;

pub(super) fn decode(payload: Payload<'_>) -> Result<Decoded, CallError> {
    let mut fields = Fields::of(payload);
    let report = MeterReport {
        connector_id: fields.required_integer("connectorId"),
        transaction_id: fields.integer("transactionId"),
        readings: readings(&mut fields, "meterValue"),
        faults: fields.faults(),
    };
    Ok(Decoded { event: StationEvent::Transaction(TransactionEvent::Meter(report)), encode: empty })
}

/// The samples of a list of meter values.
pub(super) fn readings(fields: &mut Fields<'_>, name: &str) -> Vec<Reading> {
    let mut readings = Vec::new();
    for mut meter_value in fields.objects(name) {
        let sampled_at = meter_value.text("timestamp").map_or(Reported::missing(), |text| timestamp::read(&text));
        for mut sample in meter_value.objects("sampledValue") {
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
    let reading = Reading {
        sampled_at: sampled_at.clone(),
        measurand: named("measurand", "Energy.Active.Import.Register"),
        phase: named("phase", ""),
        location: named("location", "Outlet"),
        context: named("context", "Sample.Periodic"),
        unit: named("unit", "Wh"),
        value: String::new(),
    };
    let sent = sample.scalar("value")?;
    let value = if format == "SignedData" { sent } else { decimal(&sent)?.to_string() };
    Some(Reading { value, ..reading })
}

/// A number as stations write it: blanks around, a comma for the point, an exponent.
fn decimal(text: &str) -> Option<Decimal> {
    let text = text.trim().replace(',', ".");
    text.parse().or_else(|_| Decimal::from_scientific(&text)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(payload: &str) -> Vec<(String, String, String)> {
        let mut fields = Fields::of(Payload::Json(payload));
        readings(&mut fields, "meterValue").into_iter().map(|r| (r.measurand, r.unit, r.value)).collect()
    }

    #[test]
    fn a_sample_without_names_takes_the_standards_defaults() {
        let payload = r#"{"meterValue":[{"timestamp":"2024-01-01T00:00:00Z","sampledValue":[{"value":"12"}]}]}"#;
        let mut fields = Fields::of(Payload::Json(payload));
        let read = readings(&mut fields, "meterValue");
        assert_eq!((read[0].context.as_str(), read[0].location.as_str(), read[0].phase.as_str()), ("Sample.Periodic", "Outlet", ""));
        assert_eq!(values(payload), [("Energy.Active.Import.Register".into(), "Wh".into(), "12".into())]);
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
    fn signed_data_is_kept_verbatim() {
        let payload =
            r#"{"meterValue":[{"timestamp":"2024-01-01T00:00:00Z","sampledValue":[{"value":"OCMF|{\"a\":1}","format":"SignedData"}]}]}"#;
        assert_eq!(values(payload)[0].2, "OCMF|{\"a\":1}");
    }
}

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
    let payload =
        r#"{"meterValue":[{"timestamp":"2024-01-01T00:00:00Z","sampledValue":[{"value":"12"}]}]}"#;
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
        values(&format!(r#"{{"meterValue":[{{"timestamp":"x","sampledValue":[{samples}]}}]}}"#))
            .len(),
        SAMPLES_MAX
    );
}

#[test]
fn signed_data_is_kept_verbatim() {
    let payload = r#"{"meterValue":[{"timestamp":"2024-01-01T00:00:00Z","sampledValue":[{"value":"OCMF|{\"a\":1}","format":"SignedData"}]}]}"#;
    assert_eq!(values(payload)[0].2, "OCMF|{\"a\":1}");
}

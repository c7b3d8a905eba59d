use super::*;
use crate::frame::ErrorCode;

fn decoded(
    text: &str,
    needs: &[Needs],
    news: fn(&mut Fields<'_>) -> ReportContent,
) -> Result<Report, CallError> {
    read(Payload::Json(text), needs, news).map(|event| match event {
        StationEvent::Report(report) => report,
        other => panic!("{other:?}"),
    })
}

#[test]
fn a_part_names_its_request_its_place_and_whether_more_follow() {
    let needs = &[Needs::Number("requestId"), Needs::Number("seqNo")];
    let report = decoded(r#"{"requestId":7,"seqNo":2,"tbc":true,"odd":[1]}"#, needs, |_| {
        ReportContent::None
    })
    .unwrap();
    assert_eq!((report.request_id, report.seq_no, report.more), (Some(7), Some(2), true));
    let missing = decoded(r#"{"requestId":7}"#, needs, |_| ReportContent::None).unwrap_err();
    assert_eq!(
        (missing.code, missing.description.as_str()),
        (ErrorCode::OccurenceConstraintViolation, "seqNo is missing")
    );
    let mistyped =
        decoded(r#"{"requestId":{},"seqNo":1}"#, needs, |_| ReportContent::None).unwrap_err();
    assert_eq!(mistyped.code, ErrorCode::TypeConstraintViolation);
}

#[test]
fn variables_are_named_by_component_instance_and_place() {
    let text = r#"{"reportData":[
        {"component":{"name":"Connector","evse":{"id":1,"connectorId":2}},"variable":{"name":"AvailabilityState"},"variableAttribute":[{"value":"Available"}]},
        {"component":{"name":"ClockCtrlr"},"variable":{"name":"DateTime"}},
        {"component":{"name":"Display","instance":"left","evse":{"id":3}},"variable":{"name":"Color","instance":"fg"}},
        {"component":{},"variable":{"name":"X"}}, 7]}"#;
    let ReportContent::Variables(variables) = decoded(text, &[], variables).unwrap().news else {
        panic!()
    };
    let names: Vec<(&str, &str)> =
        variables.iter().map(|one| (one.component.as_str(), one.variable.as_str())).collect();
    assert_eq!(
        names,
        [
            ("Connector@1.2", "AvailabilityState"),
            ("ClockCtrlr", "DateTime"),
            ("Display(left)@3", "Color(fg)")
        ]
    );
    assert!(variables[0].document.contains("Available"));
}

#[test]
fn states_of_connectors_are_found_among_other_events() {
    let event = |name: &str, of: &str, evse: &str, value: &str| {
        format!(
            r#"{{"component":{{"name":"{of}"{evse}}},"variable":{{"name":"{name}"}},"actualValue":"{value}"}}"#
        )
    };
    let events = [
        event("AvailabilityState", "Connector", r#","evse":{"id":2,"connectorId":1}"#, "Occupied"),
        event("AvailabilityState", "ChargingStation", "", "Available"),
        event("Power", "Connector", r#","evse":{"id":1}"#, "7000"),
        event("AvailabilityState", "Display", "", "Faulted"),
        "{}".to_owned(),
    ];
    let text = format!(r#"{{"eventData":[{}]}}"#, events.join(","));
    let ReportContent::Statuses(states) = decoded(&text, &[], states).unwrap().news else {
        panic!()
    };
    let told: Vec<(i64, &str)> =
        states.iter().map(|state| (state.connector_id, state.status.as_str())).collect();
    assert_eq!(told, [(0, "Available"), (2, "Occupied")], "the last of each connector");
}

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::*;
use crate::event::{
    EventType, ListEntry, ListStanding, PresentedToken, Registration, StationCommand, TagAnswer,
    TransactionEventReport, TransactionMessage,
};
use crate::protocol::Protocol;
use crate::reply::{self, BootReply, CardReply};
use juden_domain::authorization::Verdict;
use juden_domain::ids::{MemberId, SessionId};
use juden_domain::refusal::Reason;

fn at() -> DateTime<Utc> {
    "2024-04-03T00:00:00.5Z".parse().unwrap()
}

fn decoded(action: &str, payload: &str) -> StationEvent {
    Protocol::V201.decode(action, Payload::Json(payload)).unwrap()
}

fn event(payload: &str) -> TransactionEventReport {
    match decoded("TransactionEvent", payload) {
        StationEvent::Transaction(TransactionMessage::Event(event)) => *event,
        other => panic!("{other:?}"),
    }
}

fn told(refusal: Option<Reason>) -> TagAnswer {
    TagAnswer {
        verdict: Verdict { refusal, group: Some(MemberId::parse("M-1").unwrap()) },
        cache_until: Some(at()),
    }
}

/// What is answered must be what the standard lets us answer.
fn fits(action: &str, answer: &str) {
    let answer: Value = serde_json::from_str(answer).unwrap();
    let fits = Protocol::V201.answer_fits(action, answer.as_object().unwrap());
    assert_eq!(fits, Ok(()), "{action}: {answer}");
}

#[test]
fn every_answer_is_one_that_the_schema_allows() {
    for refusal in Reason::ALL.iter().copied().map(Some).chain([None]) {
        for word in [None, Some("Accepted"), Some("CertificateRevoked"), Some("no such word")] {
            fits("Authorize", &reply::contract(&told(refusal), word));
        }
        fits("Authorize", &reply::authorize(Protocol::V201, &told(refusal)));
        fits("TransactionEvent", &CardReply::TransactionEvent.payload(&told(refusal)));
    }
    for registration in [Registration::Accepted, Registration::Pending, Registration::Rejected] {
        let answer = BootReply { registration, now: at(), interval_s: 300 };
        fits("BootNotification", &reply::boot(Protocol::V201, &answer));
    }
    fits("Heartbeat", &reply::heartbeat(Protocol::V201, at()));
    let rest = [
        ("ClearedChargingLimit", r#"{"chargingLimitSource":"EMS"}"#),
        ("DataTransfer", r#"{"vendorId":"V","data":{"a":[1]}}"#),
        ("FirmwareStatusNotification", r#"{"status":"Idle"}"#),
        (
            "Get15118EVCertificate",
            r#"{"iso15118SchemaVersion":"x","action":"Install","exiRequest":"x"}"#,
        ),
        ("GetCertificateStatus", r#"{"ocspRequestData":{}}"#),
        ("LogStatusNotification", r#"{"status":"Idle"}"#),
        ("MeterValues", r#"{"evseId":0,"meterValue":[]}"#),
        ("NotifyChargingLimit", r#"{"chargingLimit":{}}"#),
        ("NotifyCustomerInformation", r#"{"requestId":1,"seqNo":0,"data":"x"}"#),
        ("NotifyDisplayMessages", r#"{"requestId":1}"#),
        ("NotifyEVChargingNeeds", r#"{"evseId":1,"chargingNeeds":{}}"#),
        ("NotifyEVChargingSchedule", r#"{"evseId":1,"chargingSchedule":{}}"#),
        ("NotifyEvent", r#"{"seqNo":0,"eventData":[]}"#),
        ("NotifyMonitoringReport", r#"{"requestId":1,"seqNo":0}"#),
        ("NotifyReport", r#"{"requestId":1,"seqNo":0}"#),
        ("PublishFirmwareStatusNotification", r#"{"status":"Idle"}"#),
        ("ReportChargingProfiles", r#"{"requestId":1,"evseId":0}"#),
        ("ReservationStatusUpdate", r#"{"reservationId":1,"reservationUpdateStatus":"Expired"}"#),
        ("SecurityEventNotification", r#"{"type":"TamperDetectionActivated"}"#),
        ("SignCertificate", r#"{"csr":"x"}"#),
        ("StatusNotification", r#"{"evseId":1,"connectorStatus":"Available","connectorId":1}"#),
    ];
    for (action, payload) in rest {
        let answers = match decoded(action, payload) {
            StationEvent::Sign(_) | StationEvent::EvNeeds(_) | StationEvent::EvSchedule(_) => {
                vec![reply::accepted(true), reply::accepted(false)]
            }
            StationEvent::EvCertificate => {
                vec![reply::ev_certificate(Some("AAAA")), reply::ev_certificate(None)]
            }
            StationEvent::CertificateStatus => {
                vec![reply::certificate_status(Some("AAAA")), reply::certificate_status(None)]
            }
            StationEvent::DataTransfer { .. } => vec![reply::unknown_vendor()],
            _ => vec![reply::heard()],
        };
        for answer in &answers {
            fits(action, answer);
        }
    }
    assert_eq!(rest.len() + 4, ACTIONS.len());
}

#[test]
fn what_a_token_means_depends_on_its_type() {
    for (token, expected) in [
        (
            r#"{"idToken":"04a2","type":"ISO14443"}"#,
            PresentedToken::card(juden_domain::ids::IdTag::new("04A2")),
        ),
        (
            r#"{"idToken":"04a2","type":"Local"}"#,
            PresentedToken::card(juden_domain::ids::IdTag::new("04A2")),
        ),
        (
            r#"{"idToken":"04a2","type":"Central"}"#,
            PresentedToken::card(juden_domain::ids::IdTag::new("04A2")),
        ),
        (
            r#"{"idToken":"","type":"NoAuthorization"}"#,
            PresentedToken { id_tag: juden_domain::ids::IdTag::new(""), nobody: true },
        ),
        (
            r#"{"idToken":"04A2","type":"eMAID"}"#,
            PresentedToken::card(juden_domain::ids::IdTag::new("eMAID:04A2")),
        ),
    ] {
        let shown = event(&format!(r#"{{"idToken":{token}}}"#)).shown.unwrap();
        assert_eq!(
            (shown.id_tag.matched(), shown.nobody),
            (expected.id_tag.matched(), expected.nobody),
            "{token}"
        );
    }
    let pin = event(r#"{"idToken":{"idToken":"4711","type":"KeyCode"}}"#).shown.unwrap();
    assert!(!pin.id_tag.as_sent().contains("4711"));
}

#[test]
fn an_event_is_read_with_everything_that_it_says() {
    let event = event(
        r#"{"eventType":"Ended","timestamp":"2024-04-03T09:00:00+09:00","triggerReason":"EVDeparted","seqNo":4,"offline":true,
        "transactionInfo":{"transactionId":"T-1","chargingState":"Idle","stoppedReason":"EVDisconnected","remoteStartId":9},
        "evse":{"id":2,"connectorId":1},"idToken":{"idToken":"A","type":"ISO14443"},"customData":{"vendorId":"V"},
        "meterValue":[{"timestamp":"2024-04-03T00:00:00Z","sampledValue":[{"value":1.5,"unitOfMeasure":{"unit":"kWh"}}]}]}"#,
    );
    assert_eq!(
        (event.kind, event.transaction.as_str(), event.seq_no, event.offline),
        (EventType::Ended, "T-1", Some(4), true)
    );
    assert_eq!((event.evse_id, event.remote_start_id), (Some(2), Some(9)));
    assert_eq!(
        (event.charging_state.as_deref(), event.stopped_reason.as_deref()),
        (Some("Idle"), Some("EVDisconnected"))
    );
    assert_eq!((event.readings[0].value.as_str(), event.readings[0].unit.as_str()), ("1.5", "kWh"));
    assert_eq!(event.faults, Vec::<String>::new());
}

#[test]
fn an_event_that_lacks_something_is_read_all_the_same_and_says_what() {
    let lacking = event("{}");
    assert_eq!(
        lacking.faults,
        [
            "transactionInfo is missing",
            "eventType is missing",
            "timestamp is missing",
            "seqNo is missing",
            "transactionId is missing"
        ]
    );
    let Ok(StationEvent::Transaction(TransactionMessage::Event(broken))) = Protocol::V201.decode(
        "TransactionEvent",
        Payload::Broken(
            r#"[2,"a","TransactionEvent",{"eventType":"Ended","seqNo":3,"transactionInfo":{"transactionId":"T-1"},"timestamp":"2024"#,
        ),
    ) else {
        panic!()
    };
    assert_eq!(
        (broken.kind, broken.transaction.as_str(), broken.seq_no),
        (EventType::Ended, "T-1", Some(3))
    );
}

#[test]
fn a_boot_message_of_the_older_version_is_told_so() {
    let error = Protocol::V201
        .decode(
            "BootNotification",
            Payload::Json(r#"{"chargePointVendor":"V","chargePointModel":"M"}"#),
        )
        .unwrap_err();
    assert!(error.description.contains("set the station to OCPP 1.6"), "{error:?}");
}

#[test]
fn every_command_is_written_as_the_schema_allows() {
    let entries = vec![
        ListEntry { id_tag: "A".into(), kind: Some("Local"), standing: ListStanding::Blocked },
        ListEntry { id_tag: "B".into(), kind: None, standing: ListStanding::Absent },
    ];
    for command in [
        StationCommand::RemoteStart { id_tag: "TAG".into(), connector_id: Some(1) },
        StationCommand::RemoteStart { id_tag: "TAG".into(), connector_id: None },
        StationCommand::RemoteStop { session: SessionId(7), transaction: Some("T-1".into()) },
        StationCommand::RemoteStop { session: SessionId(7), transaction: None },
        StationCommand::Reset { hard: true },
        StationCommand::UnlockConnector { connector_id: 1 },
        StationCommand::ClearCache,
        StationCommand::GetListVersion,
        StationCommand::UpdateList { version: 1, full: false, entries },
        StationCommand::UpdateList { version: 2, full: true, entries: vec![] },
        StationCommand::TriggerMessage {
            requested_message: "StatusNotification".into(),
            connector_id: Some(1),
        },
        StationCommand::TriggerMessage {
            requested_message: "Heartbeat".into(),
            connector_id: None,
        },
        StationCommand::ChangeAvailability { connector_id: 0, operative: false },
        StationCommand::ChangeAvailability { connector_id: 2, operative: true },
        StationCommand::GetConfiguration {
            keys: vec!["OCPPCommCtrlr.HeartbeatInterval".into(), "A(x).B(y)".into()],
        },
        StationCommand::ChangeConfiguration {
            key: "AuthCtrlr.LocalPreAuthorize".into(),
            value: "true".into(),
        },
        StationCommand::DataTransfer {
            vendor_id: "v".into(),
            message_id: None,
            data: Some("d".into()),
        },
    ] {
        let (action, payload) = Protocol::V201.encode_command(&command).unwrap();
        assert_eq!(
            Protocol::V201.check_command(action, payload.as_object().unwrap()),
            Some(Ok(())),
            "{command:?}"
        );
    }
}

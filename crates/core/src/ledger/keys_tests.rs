use super::*;
use juden_ocpp::event::StationEvent;
use juden_ocpp::frame::Payload;
use juden_ocpp::protocol::Protocol;

fn event(protocol: Protocol, action: &str, payload: &str) -> TransactionMessage {
    match protocol.decode(action, Payload::Json(payload)).unwrap() {
        StationEvent::Transaction(event) => event,
        other => panic!("{other:?}"),
    }
}

fn content_key(protocol: Protocol, action: &str, payload: &str) -> String {
    content_of(&event(protocol, action, payload), payload)
}

const START: &str =
    r#"{"connectorId":1,"idTag":"04:A2:b3","timestamp":"2026-11-30T14:59:00Z","meterStart":1200}"#;
const STOP: &str = r#"{"transactionId":7,"idTag":"04A2B3","timestamp":"2026-11-30T15:29:00Z","meterStop":9000,"reason":"Remote"}"#;
const STEP: &str = r#"{"eventType":"Started","timestamp":"2026-11-30T14:59:00Z","triggerReason":"Authorized","seqNo":0,
    "transactionInfo":{"transactionId":"T1","chargingState":"Charging"},"evse":{"id":1},"idToken":{"idToken":"04A2B3","type":"ISO14443"},
    "meterValue":[{"timestamp":"2026-11-30T14:59:00Z","sampledValue":[{"value":1200,"context":"Transaction.Begin"}]}]}"#;

#[test]
fn contents_have_the_keys_that_stores_hold() {
    let known = [
        ("start", content_key(Protocol::V16, "StartTransaction", START)),
        (
            "a start that lacks its time",
            content_key(Protocol::V16, "StartTransaction", r#"{"connectorId":1,"idTag":"A"}"#),
        ),
        ("stop", content_key(Protocol::V16, "StopTransaction", STOP)),
        (
            "readings",
            content_key(Protocol::V16, "MeterValues", r#"{"connectorId":1,"meterValue":[]}"#),
        ),
        ("step", content_key(Protocol::V201, "TransactionEvent", STEP)),
        ("transaction", transaction("T1")),
    ];
    assert_eq!(known.map(|(what, key)| format!("{what}: {key}")), GOLDEN);
}

const GOLDEN: [&str; 6] = [
    "start: 070a3fb9928ec19cf5dee252ad478b96",
    "a start that lacks its time: ec3cf93d008299f470f9a7a5e8e15149",
    "stop: 602fe15d438a4c1b557d1d8cc53c8799",
    "readings: 83d5d37fc5655554119d7dbbef472ff2",
    "step: d4d954577f81086a3aa6515f2351614c",
    "transaction: 7bfa016144025dbbff52e3bd659de2d8",
];

#[test]
fn a_session_has_the_name_that_bills_print() {
    let station = StationId::parse("CP1").unwrap();
    assert_eq!(
        reference(&station, "0123456789abcdef0123456789abcdef", 0).as_str(),
        "S-J2APSVJT6CFZ68RF"
    );
    assert_ne!(
        reference(&station, "0123456789abcdef0123456789abcdef", 1),
        reference(&station, "0123456789abcdef0123456789abcdef", 0)
    );
}

#[test]
fn a_message_without_a_number_has_a_place_beyond_all_numbers() {
    let TransactionMessage::Event(event) = event(Protocol::V201, "TransactionEvent", STEP) else {
        panic!()
    };
    assert_eq!(order(&event, STEP), 0);
    let unnumbered = TransactionEventReport { seq_no: None, ..*event };
    assert_eq!(order(&unnumbered, STEP), 1_796_050_740_000);
    assert!(second_order("x") >= 1 << 50);
}

#[test]
fn what_differs_in_any_part_has_another_key() {
    let key = |payload: &str| content_key(Protocol::V201, "TransactionEvent", payload);
    let first = key(STEP);
    for (from, to) in [
        ("Started", "Ended"),
        ("14:59:00Z\"", "14:59:01Z\""),
        ("Charging", "Idle"),
        ("\"id\":1", "\"id\":2"),
        ("04A2B3", "04A2B4"),
        ("1200", "1201"),
        ("Transaction.Begin", "Transaction.End"),
    ] {
        assert_ne!(key(&STEP.replacen(from, to, 1)), first, "{from}");
    }
    assert_eq!(
        key(&STEP.replace("\"seqNo\":0", "\"offline\":true,\"seqNo\":3")),
        first,
        "lateness and number are no content"
    );
}

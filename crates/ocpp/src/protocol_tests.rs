use serde_json::json;

use super::*;

#[test]
fn an_outcome_is_the_status_in_the_apis_words() {
    assert_eq!(outcome(&json!({"status": "Accepted"})), "accepted");
    assert_eq!(outcome(&json!({"status": "RebootRequired"})), "reboot_required");
    assert_eq!(outcome(&json!({"configurationKey": []})), "accepted");
    assert_eq!(
        outcome(&json!({"setVariableResult": [{"attributeStatus": "UnknownVariable"}]})),
        "unknown_variable"
    );
    assert_eq!(
        outcome(
            &json!({"setVariableResult": [{"attributeStatus": "Accepted"}, {"attributeStatus": "Rejected"}]})
        ),
        "rejected"
    );
    let mixed = json!({"setVariableResult": [{"attributeStatus": "Rejected", "variable": {"name": "X"}},
        {"attributeStatus": "Accepted", "variable": {"name": "BasicAuthPassword"}}]});
    assert_eq!(credentials_outcome(&mixed).as_deref(), Some("accepted"));
    assert_eq!(
        credentials_outcome(&json!({"status": "NotSupported"})).as_deref(),
        Some("not_supported")
    );
    for nothing in [
        json!({}),
        json!({"status": 5}),
        json!({"setVariableResult": []}),
        json!({"setVariableResult": [{"attributeStatus": "Accepted"}]}),
    ] {
        assert_eq!(credentials_outcome(&nothing), None, "{nothing}");
    }
}

#[test]
fn each_message_of_a_station_is_read_by_its_version_and_no_other_is() {
    for protocol in Protocol::ALL {
        for (action, message) in protocol.schema().messages() {
            assert_eq!(
                protocol.served(action).is_some(),
                message.is_from_station(),
                "{action} of {protocol:?}"
            );
        }
    }
}

#[test]
fn the_actions_that_money_hangs_on_are_those_that_are_read_so() {
    for protocol in Protocol::ALL {
        for (action, _) in
            protocol.schema().messages().filter(|(_, message)| message.is_from_station())
        {
            let read = protocol
                .decode(action, Payload::Json("{}"))
                .is_ok_and(|event| event.is_transaction());
            assert_eq!(protocol.is_transaction(action), read, "{action} of {protocol:?}");
        }
    }
}

#[test]
fn what_only_we_send_is_not_supported_and_what_nobody_sends_is_not_implemented() {
    let code =
        |protocol: Protocol, action| protocol.decode(action, Payload::Json("{}")).unwrap_err().code;
    assert_eq!(code(Protocol::V16, "Reset"), ErrorCode::NotSupported);
    assert_eq!(code(Protocol::V201, "GetBaseReport"), ErrorCode::NotSupported);
    assert_eq!(code(Protocol::V201, "Nonsense"), ErrorCode::NotImplemented);
    assert_eq!(code(Protocol::V16, "authorize"), ErrorCode::NotImplemented);
    // What is of the other version is lost unless somebody sets the station right.
    assert_eq!(code(Protocol::V201, "StartTransaction"), ErrorCode::NotSupported);
    assert_eq!(code(Protocol::V16, "TransactionEvent"), ErrorCode::NotSupported);
}

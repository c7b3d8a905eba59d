use serde_json::json;

use super::*;

#[test]
fn what_a_command_asked_is_read_whichever_version_worded_it() {
    let start = |connector_id, number| {
        CommandIntent::Start(StartAsked { id_tag: IdTag::new("04A2"), connector_id, number })
    };
    let token = json!({"idToken": "04A2", "type": "ISO14443"});
    for (action, payload, expected) in [
        (
            "RemoteStartTransaction",
            json!({"idTag": "04A2", "connectorId": 2}),
            Some(start(Some(2), None)),
        ),
        (
            "RequestStartTransaction",
            json!({"idToken": token, "remoteStartId": 7}),
            Some(start(None, Some(7))),
        ),
        (
            "RemoteStopTransaction",
            json!({"transactionId": 5}),
            Some(CommandIntent::Stop(TransactionAsked::Numbered(SessionId(5)))),
        ),
        ("RemoteStopTransaction", json!({"transactionId": 0}), None),
        (
            "RequestStopTransaction",
            json!({"transactionId": "T"}),
            Some(CommandIntent::Stop(TransactionAsked::Named("T".into()))),
        ),
        ("Reset", json!({"type": "Hard"}), Some(CommandIntent::Boot)),
        ("Reset", json!({"type": "OnIdle", "evseId": 1}), None),
        (
            "SendLocalList",
            json!({"listVersion": 3, "updateType": "Full"}),
            Some(CommandIntent::List(3, vec![])),
        ),
        (
            "SendLocalList",
            json!({"listVersion": 3, "localAuthorizationList": [{"idTag": "04A2"}]}),
            Some(CommandIntent::List(3, vec![IdTag::new("04A2")])),
        ),
        (
            "SendLocalList",
            json!({"versionNumber": 4, "localAuthorizationList": [{"idToken": token}]}),
            Some(CommandIntent::List(4, vec![IdTag::new("04A2")])),
        ),
        (
            "CustomerInformation",
            json!({"clear": true, "idToken": token}),
            Some(CommandIntent::Forget("04A2".into())),
        ),
        ("CustomerInformation", json!({"clear": false, "idToken": token}), None),
        ("ClearCache", json!({}), None),
    ] {
        assert_eq!(asked(action, &payload), expected, "{action} {payload}");
    }
}

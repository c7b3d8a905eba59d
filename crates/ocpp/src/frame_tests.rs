use super::*;

fn called(text: &str) -> (String, String, String) {
    match parse(text) {
        Frame::Call(call) => (call.id.token.clone(), call.action, call.payload.text().to_owned()),
        other => panic!("{text} is {other:?}"),
    }
}

#[test]
fn calls_are_taken_apart_whatever_their_layout() {
    let expected = ("\"a\"".to_owned(), "Heartbeat".to_owned(), "{}".to_owned());
    for text in [
        r#"[2,"a","Heartbeat",{}]"#,
        "\u{feff}[2, \"a\" ,\n \"Heartbeat\",\n{}]\0\0",
        r#"[2,"a","Heartbeat"]"#,
        r#"[2,"a","Heartbeat",{}] trailing"#,
        r#"[2,"a","Heartbeat",{},"more"]"#,
    ] {
        assert_eq!(called(text), expected, "{text}");
    }
    assert_eq!(
        called(r#"[2,17,"Heartbeat",null]"#),
        ("17".into(), "Heartbeat".into(), "null".into())
    );
    assert_eq!(called(r#"[2,"q\"uote","X",[]]"#).0, r#""q\"uote""#);
}

#[test]
fn what_is_no_frame_is_told_from_an_empty_text() {
    for text in
        ["hello", "{}", "[]", "[2]", "7", "null", "[2,{},\"X\",{}]", "[2,[1],\"X\"]", "\u{1F600}"]
    {
        assert!(matches!(parse(text), Frame::Unreadable(_)), "{text} is {:?}", parse(text));
    }
    for text in ["", "  \0"] {
        assert!(matches!(parse(text), Frame::Ignored(_)), "{text} is {:?}", parse(text));
    }
    assert!(matches!(parse(r#"[9,"a",{}]"#), Frame::UnknownType(id) if id.text() == "a"));
}

#[test]
fn a_call_without_a_readable_action_is_refused_under_its_id() {
    for text in [r#"[2,"a"]"#, r#"[2,"a",5,{}]"#, r#"[2,"a",null,{}]"#] {
        let Frame::Refused(id, error) = parse(text) else { panic!("{text}") };
        assert_eq!((id.token.as_str(), error.code), ("\"a\"", ErrorCode::FormationViolation));
    }
}

#[test]
fn broken_json_still_shows_its_id_and_action() {
    let text = r#"[2,"m1","MeterValues",{"connectorId":1,"transactionId":,"meterValue":[]}]"#;
    let Frame::Call(call) = parse(text) else { panic!() };
    assert_eq!((call.action.as_str(), call.payload), ("MeterValues", Payload::Broken(text)));
    assert!(matches!(parse(r#"[2,"m1","Heart"#), Frame::Unreadable(_)));
    assert!(
        matches!(parse(r#"[2,007,"MeterValues",{"a":}"#), Frame::Unreadable(_)),
        "an id that cannot be echoed"
    );
}

#[test]
fn a_field_without_a_value_has_none_and_the_rest_is_read() {
    let sent = r#"[2,"m1","MeterValues",{"connectorId":1,"transactionId":,"a": }]"#;
    assert_eq!(
        mended(sent).unwrap(),
        r#"[2,"m1","MeterValues",{"connectorId":1,"transactionId":null,"a":null }]"#
    );
    assert_eq!(mended(r#"[2,"m1","DataTransfer",{"data":":,"}]"#), None, "a string may say so");
    assert_eq!(
        mended(r#"[2,"m1","X",{"tag":"Z\":,x","b":}]"#).unwrap(),
        r#"[2,"m1","X",{"tag":"Z\":,x","b":null}]"#,
        "strings stay"
    );
    assert_eq!(mended(r#"[2,"m1","X",{"a":,"b"#), None, "it cannot be read either way");
    assert_eq!(mended("[2,\0]").unwrap(), "[2, ]");
}

#[test]
fn answers_find_their_call() {
    let Frame::Reply(id, Reply::Result(payload)) = parse(r#"[3,"x",{"status":"Accepted"}]"#) else {
        panic!()
    };
    assert_eq!((id.text().as_ref(), payload.as_str()), ("x", r#"{"status":"Accepted"}"#));
    let Frame::Reply(_, Reply::Error { code, description, details }) =
        parse(r#"[4,"x","NotSupported"]"#)
    else {
        panic!()
    };
    assert_eq!((code.as_str(), description.as_str(), details.as_str()), ("NotSupported", "", "{}"));
}

#[test]
fn error_codes_keep_each_versions_spelling() {
    let spelled =
        |code: ErrorCode| [Protocol::V16, Protocol::V201].map(|protocol| code.wire(protocol));
    assert_eq!(
        spelled(ErrorCode::OccurenceConstraintViolation),
        ["OccurenceConstraintViolation", "OccurrenceConstraintViolation"]
    );
    assert_eq!(spelled(ErrorCode::FormationViolation), ["FormationViolation", "FormatViolation"]);
    assert_eq!(spelled(ErrorCode::RpcFrameworkError), ["GenericError", "RpcFrameworkError"]);
}

#[test]
fn a_description_is_cut_to_its_limit() {
    let id = MessageId::from_token("\"a\"").unwrap();
    let text =
        error_text(&id, &CallError::new(ErrorCode::GenericError, "x".repeat(300)), Protocol::V16);
    assert_eq!(text, format!(r#"[4,"a","GenericError","{}",{{}}]"#, "x".repeat(255)));
}

proptest::proptest! {
    #[test]
    fn any_text_is_taken_apart_without_a_panic(text in ".{0,200}") {
        let _ = parse(&text);
    }

    #[test]
    fn our_own_calls_read_back(id in "[a-z0-9\"\\\\-]{1,36}", action in "[A-Za-z]{1,30}") {
        let text = call_text(&id, &action, "{}");
        let Frame::Call(call) = parse(&text) else { panic!("{text}") };
        proptest::prop_assert_eq!(call.id.text().into_owned(), id);
        proptest::prop_assert_eq!(call.action, action);
    }
}

use super::*;

#[test]
fn a_call_shows_its_id_and_action_however_its_rest_is_broken() {
    for (text, found) in [
        (r#"[2,"m1","MeterValues",{"a":"#, Some(("\"m1\"", "MeterValues"))),
        (r#"[ 2 , -17 , "Heartbeat" oops"#, Some(("-17", "Heartbeat"))),
        (r#"[2,"a\"b","X",{"#, Some((r#""a\"b""#, "X"))),
        (r#"[2,"m1","Heart"#, None),
        (r#"[2,"m1",""#, None),
        (r#"[3,"m1","X""#, None),
        (r"[2,", None),
        (r"[2,-", None),
        ("[", None),
        ("", None),
    ] {
        assert_eq!(call_beginning(text), found, "{text}");
    }
    let long = format!("[2,\"{}\",\"X\",", "i".repeat(ID_MAX + 1));
    assert_eq!(call_beginning(&long), None, "an id that is no id");
}

#[test]
fn the_first_scalar_under_each_name_is_read_and_lists_are_passed_over() {
    let text = r#"[2,"m","StopTransaction",{"idTag":"A\"1","meterStop": 12.50,"transactionData":[{"x":"y"],"idTag":"B","n":-3"#;
    assert_eq!(
        scalars(text),
        [("idTag", r#""A\"1""#), ("meterStop", "12.50"), ("x", "\"y\""), ("n", "-3")]
    );
    assert_eq!(scalars(r#""abc "idTag":"X""#), [("idTag", "\"X\"")], "a quote too many");
    assert_eq!(scalars(&format!(r#"{{"a":"{}","b":1}}"#, "x".repeat(VALUE_MAX + 1))), [("b", "1")]);
}

#[test]
fn every_awkward_text_of_the_largest_size_is_read_in_a_moment() {
    for piece in [
        "\":,", "\"", "\"a\"", "\"a\":", "\"a\":\"", ":", ":  ", "\\", "\\\"", "[", "{\"a\":{",
        "\"a\" ", "1", "-", "\u{0}", "充\"",
    ] {
        let text = format!("[2,\"m\",\"MeterValues\",{}", piece.repeat((1 << 20) / piece.len()));
        let began = std::time::Instant::now();
        let _ = (
            call_beginning(&text),
            scalars(&text),
            with_missing_values(&text[..text.len().min(REPAIRED_MAX)]),
        );
        let _ = (crate::frame::parse(&text), crate::frame::mended(&text));
        assert!(began.elapsed().as_secs() < 1, "{piece:?} took {:?}", began.elapsed());
    }
}

use super::*;

fn fields(text: &str) -> Fields<'_> {
    Fields::of(Payload::Json(text))
}

#[test]
fn whole_numbers_are_read_in_every_spelling_of_the_field() {
    for (text, number) in [
        (r#"{"n":7}"#, Some(7)),
        (r#"{"n":7.0}"#, Some(7)),
        (r#"{"n":"7"}"#, Some(7)),
        (r#"{"n":7e2}"#, Some(700)),
        (r#"{"n":9223372036854775807}"#, Some(i64::MAX)),
        (r#"{"n":-1}"#, Some(-1)),
        (r#"{"n":null}"#, None),
        ("{}", None),
    ] {
        let mut read = fields(text);
        assert_eq!(read.integer("n"), number, "{text}");
        assert!(read.check().is_ok(), "{text}");
    }
}

#[test]
fn a_register_has_decimals_and_is_never_a_fault() {
    for (text, register) in [
        (r#"{"n":1000.9}"#, Some("1000.9")),
        (r#"{"n":"7.5"}"#, Some("7.5")),
        (r#"{"n":7e2}"#, Some("700")),
        (r#"{"n":-1}"#, Some("-1")),
        (r#"{"n":9223372036854775807.5}"#, Some("9223372036854775807.5")),
        (r#"{"n":9223372036854775808}"#, None),
        (r#"{"n":{}}"#, None),
        ("{}", None),
    ] {
        let mut read = fields(text);
        assert_eq!(read.register("n"), register.map(|text| text.parse().unwrap()), "{text}");
        assert!(read.check().is_ok(), "{text}");
    }
}

#[test]
fn what_is_no_whole_number_is_a_type_fault_that_names_the_field() {
    for text in [
        r#"{"n":1.5}"#,
        r#"{"n":"x"}"#,
        r#"{"n":true}"#,
        r#"{"n":{}}"#,
        r#"{"n":9223372036854775808}"#,
        r#"{"n":1e400}"#,
    ] {
        let mut read = fields(text);
        assert_eq!(read.integer("n"), None);
        let fault = read.check().unwrap_err();
        assert_eq!(
            (fault.code, fault.description.as_str()),
            (ErrorCode::TypeConstraintViolation, "n must be an integer"),
            "{text}"
        );
    }
}

#[test]
fn missing_and_mistyped_texts_have_their_own_codes() {
    for (text, read) in
        [(r#"{"a":24250139}"#, "24250139"), (r#"{"a":1.24}"#, "1.24"), (r#"{"a":true}"#, "true")]
    {
        assert_eq!(fields(text).required_text("a").as_deref(), Some(read));
    }
    let mut read = fields(r#"{"a":[5]}"#);
    assert_eq!(read.required_text("a"), None);
    assert_eq!(read.check().unwrap_err().code, ErrorCode::TypeConstraintViolation);
    let mut read = fields(r#"{"a":null}"#);
    assert_eq!(read.required_text("a"), None);
    assert_eq!(read.check().unwrap_err().code, ErrorCode::OccurenceConstraintViolation);
    assert_eq!(fields("[1]").check().unwrap_err().code, ErrorCode::FormationViolation);
}

#[test]
fn a_text_is_kept_to_its_limit() {
    let long = format!(r#"{{"a":"{}"}}"#, "x".repeat(TEXT_MAX + 1));
    assert_eq!(fields(&long).text("a").unwrap().len(), TEXT_MAX);
}

#[test]
fn a_single_object_stands_for_a_list_of_one() {
    assert_eq!(fields(r#"{"l":{"n":1}}"#).objects("l").len(), 1);
    assert_eq!(fields(r#"{"l":[{"n":1},{"n":2}]}"#).objects("l").len(), 2);
    assert_eq!(fields(r#"{"l":[]}"#).objects("l").len(), 0);
    let mut mixed = fields(r#"{"l":[1,{"n":2}]}"#);
    assert_eq!(mixed.objects("l").len(), 1);
    assert!(mixed.check().is_err());
}

#[test]
fn broken_json_yields_its_readable_scalars() {
    let mut read = Fields::of(Payload::Broken(
        r#"[2,"a","StopTransaction",{"transactionId":12,"meterStop":,"timestamp":"2024-01-01T00:00:00Z""#,
    ));
    assert_eq!(read.integer("transactionId"), Some(12));
    assert_eq!(read.text("timestamp").as_deref(), Some("2024-01-01T00:00:00Z"));
    assert_eq!(read.integer("meterStop"), None);
    assert_eq!(read.faults(), ["the frame is not valid JSON"]);
}

use super::*;

#[test]
fn a_fault_names_its_field() {
    assert_eq!(field_of(".", "missing field `name` at line 1"), "name");
    assert_eq!(
        field_of("connectors[0]", "missing field `connector_id`"),
        "connectors[0].connector_id"
    );
    assert_eq!(field_of("connectors[0].power_kw", "invalid type"), "connectors[0].power_kw");
    assert_eq!(field_of("colour", "unknown field `colour`, expected one of `name`"), "colour");
    assert_eq!(field_of(".", "expected value at line 1 column 1"), "body");
}

#[test]
fn a_page_holds_its_limit() {
    assert_eq!(page(None, None).unwrap().limit, PAGE_USUAL);
    assert!(page(Some(PAGE_MAX), None).is_ok());
    assert!(page(Some(PAGE_MAX + 1), None).is_err());
    assert!(page(Some(0), None).is_err());
}

use super::*;

#[test]
fn ids_are_ordered_as_numbers() {
    assert!(number("9-5") < number("10-0"));
    assert!(number("10-9") < number("10-10"));
    assert_eq!(number("0-0"), (0, 0));
}

#[test]
fn all_names_of_an_installation_lie_in_one_slot() {
    let keys = Keys::of("abc");
    for name in
        [keys.all(), keys.inbox(&NodeRun("r".into())), keys.station("CP1"), keys.failures("x")]
    {
        assert!(name.starts_with("juden:{abc}:"), "{name}");
    }
}

use super::*;

#[test]
fn one_card_in_many_spellings_is_one_id_tag() {
    let registered = IdTag::new("04A2B3C4D5E680");
    for spelling in
        ["04a2b3c4d5e680", "04:A2:B3:C4:D5:E6:80", " 04 A2 B3 C4 D5 E6 80", "04-a2-b3-c4-d5-e6-80"]
    {
        assert_eq!(IdTag::new(spelling), registered, "{spelling}");
    }
    assert_ne!(IdTag::new("04A2B3C4D5E681"), registered);
}

#[test]
fn an_id_tag_is_kept_to_its_limit_and_cut_past_it() {
    let at_limit = "A".repeat(ID_TAG_MAX);
    assert_eq!(IdTag::new(&at_limit).as_sent(), at_limit);
    assert_eq!(IdTag::new(&format!("{at_limit}B")).as_sent(), at_limit);
}

#[test]
fn a_debug_print_never_shows_a_whole_card_id() {
    assert_eq!(format!("{:?}", IdTag::new("04A2B3C4D5E680")), "IdTag(…680)");
    assert_eq!(format!("{:?}", IdTag::new("ABC")), "IdTag(…)");
}

#[test]
fn identities_hold_their_limits() {
    assert!(StationId::parse(&"x".repeat(48)).is_ok());
    assert!(StationId::parse(&"x".repeat(49)).is_err());
    assert!(StationId::parse("").is_err());
    assert!(StationId::parse("RDAM 123").is_ok());
    assert!(MemberId::parse("M-1").is_ok());
    assert!(MemberId::parse("M 1").is_err());
}

#[test]
fn a_session_id_reads_back_what_it_prints() {
    assert_eq!(SessionId::parse("S-000000042").unwrap(), SessionId(42));
    assert_eq!(SessionId(42).to_string(), "S-000000042");
    assert!(SessionId::parse("S-2147483648").is_err());
    assert!(SessionId::parse("S-0").is_err());
    assert!(SessionId::parse("S-+1").is_err());
}

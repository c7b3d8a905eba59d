use super::*;

#[test]
fn a_card_is_listed_in_each_spelling_that_fits_and_never_twice_in_one() {
    for (registered, expected) in [
        ("04a2b3c4", &["04a2b3c4"][..]),
        ("04:A2:B3:C4", &["04:A2:B3:C4", "04A2B3C4"]),
        ("04:a2:b3:c4:d5:e6:80", &["04:a2:b3:c4:d5:e6:80", "04A2B3C4D5E680"]),
        ("04:A2:B3:C4:D5:E6:80:11", &["04A2B3C4D5E68011"]),
        ("ABCDEFGHIJKLMNOPQRSTU", &[]),
    ] {
        assert_eq!(spellings_of(&IdTag::new(registered), 20), expected, "{registered}");
    }
}

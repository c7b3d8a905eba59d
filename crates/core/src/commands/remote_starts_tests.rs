use super::*;

#[test]
fn a_card_is_cut_where_one_is_the_others_beginning_and_enough_of_it_is_told() {
    for (told, sent, expected) in [
        ("04B3C4D5E6F70819", "04B3C4D5E6F708192A3B", true),
        ("04b3c4d59000", "04B3C4D5", true),
        ("04B3C4D", "04B3C4D5", false),
        ("B3C4D5E6", "04B3C4D5E6", false),
    ] {
        assert_eq!(is_cut(&IdTag::new(told), &IdTag::new(sent)), expected, "{told} {sent}");
    }
}

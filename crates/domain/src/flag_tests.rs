use super::*;

#[test]
fn every_flag_has_a_name_of_its_own() {
    for flag in Flag::ALL {
        assert_eq!(Flag::from_code(flag.code()), Some(*flag));
    }
}

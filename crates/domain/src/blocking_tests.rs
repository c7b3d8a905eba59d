use super::*;

fn settings(pairs: &[(&str, &str)]) -> StationSettings {
    StationSettings::of(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
}

#[test]
fn the_list_is_used_where_it_is_on_and_switched_on_only_where_the_record_allows() {
    for (pairs, may_configure, expected) in [
        (&[("LocalAuthListEnabled", "true")][..], false, Means::List),
        (&[("localauthlistenabled", " TRUE ")], false, Means::List),
        (&[("LocalAuthListCtrlr.Enabled", "true")], false, Means::List),
        (&[("LocalAuthListCtrlr.Enabled", "false")], true, Means::SwitchOnList),
        (&[("LocalAuthListEnabled", "false")], false, Means::ClearCache),
        (&[("LocalAuthListEnabled", "false")], true, Means::SwitchOnList),
        (
            &[("SupportedFeatureProfiles", "Core, LocalAuthListManagement")],
            true,
            Means::SwitchOnList,
        ),
        (&[("SupportedFeatureProfiles", "Core,FirmwareManagement")], true, Means::ClearCache),
        (&[], true, Means::ClearCache),
    ] {
        assert_eq!(means(&settings(pairs), may_configure), expected, "{pairs:?} {may_configure}");
    }
}

#[test]
fn a_station_takes_unknown_cards_only_where_it_says_so() {
    assert!(settings(&[("AllowOfflineTxForUnknownId", "True")]).takes_unknown_cards());
    assert!(settings(&[("AuthCtrlr.OfflineTxForUnknownIdEnabled", "true")]).takes_unknown_cards());
    assert!(
        !settings(&[("AllowOfflineTxForUnknownId", "false")]).takes_unknown_cards()
            && !settings(&[]).takes_unknown_cards()
    );
}

#[test]
fn a_list_message_is_as_long_as_the_station_says_within_limits() {
    for (told, expected) in
        [("50", 50), ("0", 1), ("100000", LIST_MESSAGE_MAX), ("many", LIST_MESSAGE_DEFAULT)]
    {
        assert_eq!(settings(&[("SendLocalListMaxLength", told)]).entries_at_once(), expected);
    }
    assert_eq!(settings(&[]).entries_at_once(), LIST_MESSAGE_DEFAULT);
}

//! How a station learns that a card is blocked: by its local authorization list, or by forgetting which cards
//! it has accepted (OCPP 1.6 sections 3.5 and 5).

use std::collections::BTreeMap;

/// A station's settings as it told them, by their names in small letters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StationSettings(BTreeMap<String, String>);

/// The shortest list message that every station takes, where it names no limit.
const LIST_MESSAGE_DEFAULT: usize = 20;

/// The longest list message that is sent, whatever a station says it takes.
const LIST_MESSAGE_MAX: usize = 200;

impl StationSettings {
    /// Settings of names and values.
    pub fn of(pairs: impl Iterator<Item = (String, String)>) -> Self {
        Self(pairs.map(|(name, value)| (name.to_lowercase(), value)).collect())
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.0.get(&name.to_lowercase()).map(String::as_str)
    }

    fn flag(&self, name: &str) -> Option<bool> {
        self.text(name).and_then(|text| text.trim().to_lowercase().parse().ok())
    }

    fn has_list(&self) -> bool {
        let profiles = self.text("SupportedFeatureProfiles");
        let named = profiles.is_some_and(|names| names.split(',').any(|name| name.trim().eq_ignore_ascii_case("LocalAuthListManagement")));
        named || self.flag("LocalAuthListEnabled").is_some()
    }

    /// Entries that the whole list may hold, where the station says so.
    pub fn entries_in_all(&self) -> Option<usize> {
        self.text("LocalAuthListMaxLength").and_then(|text| text.trim().parse().ok())
    }

    /// Entries that one list message may carry.
    pub fn entries_at_once(&self) -> usize {
        let told = self.text("SendLocalListMaxLength").and_then(|text| text.trim().parse().ok());
        told.unwrap_or(LIST_MESSAGE_DEFAULT).clamp(1, LIST_MESSAGE_MAX)
    }
}

/// By which means a station is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Means {
    /// Its local list is in use: the card is entered as blocked, which goes before its cache.
    List,
    /// Its local list could be used, and may be switched on.
    SwitchOnList,
    /// It is to forget its cache.
    ClearCache,
}

/// The means for a station. `may_configure`: whether its record allows to set its keys.
pub fn means(settings: &StationSettings, may_configure: bool) -> Means {
    match settings.flag("LocalAuthListEnabled") {
        Some(true) => Means::List,
        _ if settings.has_list() && may_configure => Means::SwitchOnList,
        _ => Means::ClearCache,
    }
}

/// Whether a station that refuses to forget its cache has one to forget.
pub fn has_cache(settings: &StationSettings) -> bool {
    settings.flag("AuthorizationCacheEnabled") == Some(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(pairs: &[(&str, &str)]) -> StationSettings {
        StationSettings::of(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
    }

    #[test]
    fn the_list_is_used_where_it_is_on_and_switched_on_only_where_the_record_allows() {
        for (pairs, may_configure, expected) in [
            (&[("LocalAuthListEnabled", "true")][..], false, Means::List),
            (&[("localauthlistenabled", " TRUE ")], false, Means::List),
            (&[("LocalAuthListEnabled", "false")], false, Means::ClearCache),
            (&[("LocalAuthListEnabled", "false")], true, Means::SwitchOnList),
            (&[("SupportedFeatureProfiles", "Core, LocalAuthListManagement")], true, Means::SwitchOnList),
            (&[("SupportedFeatureProfiles", "Core,FirmwareManagement")], true, Means::ClearCache),
            (&[], true, Means::ClearCache),
        ] {
            assert_eq!(means(&settings(pairs), may_configure), expected, "{pairs:?} {may_configure}");
        }
    }

    #[test]
    fn a_list_message_is_as_long_as_the_station_says_within_limits() {
        for (told, expected) in [("50", 50), ("0", 1), ("100000", LIST_MESSAGE_MAX), ("many", LIST_MESSAGE_DEFAULT)] {
            assert_eq!(settings(&[("SendLocalListMaxLength", told)]).entries_at_once(), expected);
        }
        assert_eq!(settings(&[]).entries_at_once(), LIST_MESSAGE_DEFAULT);
    }
}

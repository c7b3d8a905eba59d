//! How a station learns that a card is blocked: by its local authorization list, or by forgetting which cards
//! it has accepted (OCPP 1.6 sections 3.5 and 5).

use std::collections::BTreeMap;

/// A station's settings as it told them, by their names in small letters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StationSettings(BTreeMap<String, String>);

/// The settings that rule a station's memory of cards, as OCPP 1.6 and 2.0.1 name them.
const LIST_ENABLED: &[&str] = &["LocalAuthListEnabled", "LocalAuthListCtrlr.Enabled"];
const LIST_MESSAGE: &[&str] = &["SendLocalListMaxLength", "LocalAuthListCtrlr.ItemsPerMessage"];
const UNKNOWN_OFFLINE: &[&str] =
    &["AllowOfflineTxForUnknownId", "AuthCtrlr.OfflineTxForUnknownIdEnabled"];
const CACHE_ENABLED: &[&str] = &["AuthorizationCacheEnabled", "AuthCacheCtrlr.Enabled"];

/// The shortest list message that every station takes, where it names no limit.
const LIST_MESSAGE_DEFAULT: usize = 20;

/// The longest list message that is sent, whatever a station says it takes.
const LIST_MESSAGE_MAX: usize = 200;

/// The longest time to plug in that is believed, in seconds.
const PLUG_IN_MAX_S: usize = 3_600;

impl StationSettings {
    /// Settings of names and values.
    pub fn of(pairs: impl Iterator<Item = (String, String)>) -> Self {
        Self(pairs.map(|(name, value)| (name.to_lowercase(), value)).collect())
    }

    /// The value of a setting, whichever version names it.
    pub fn text(&self, names: &[&str]) -> Option<&str> {
        names.iter().find_map(|name| self.0.get(&name.to_lowercase())).map(String::as_str)
    }

    fn flag(&self, names: &[&str]) -> Option<bool> {
        self.text(names).and_then(|text| text.trim().to_lowercase().parse().ok())
    }

    fn number(&self, names: &[&str]) -> Option<usize> {
        self.text(names).and_then(|text| text.trim().parse().ok())
    }

    /// Variables that it tells in one answer, where it says so.
    pub fn variables_at_once(&self) -> Option<usize> {
        self.number(&["DeviceDataCtrlr.ItemsPerMessage(GetVariables)"]).filter(|most| *most > 0)
    }

    /// Whether the station shows drivers what a session costs while it runs (OCPP 2.0.1 `TariffCostCtrlr`).
    pub fn shows_cost(&self) -> bool {
        self.flag(&["TariffCostCtrlr.Enabled(Cost)"]) == Some(true)
    }

    /// Seconds that a driver has to plug in after a start was asked for, where the station says so; an hour at most.
    pub fn plug_in_s(&self) -> Option<i64> {
        let most =
            self.number(&["ConnectionTimeOut", "TxCtrlr.EVConnectionTimeOut"])?.min(PLUG_IN_MAX_S);
        i64::try_from(most).ok()
    }

    /// Whether the station accepts any card while it is cut off (OCPP 1.6 `AllowOfflineTxForUnknownId`, 2.0.1
    /// `OfflineTxForUnknownIdEnabled`): to forget a card is not enough then, it must hold it as blocked.
    pub fn takes_unknown_cards(&self) -> bool {
        self.unknown_cards() == Some(true)
    }

    /// The same as the station says it; `None`: it does not.
    pub fn unknown_cards(&self) -> Option<bool> {
        self.flag(UNKNOWN_OFFLINE)
    }

    fn has_list(&self) -> bool {
        let profiles = self.text(&["SupportedFeatureProfiles"]);
        let named = profiles.is_some_and(|names| {
            names.split(',').any(|name| name.trim().eq_ignore_ascii_case("LocalAuthListManagement"))
        });
        named || self.flag(LIST_ENABLED).is_some()
    }

    /// Entries that the whole list may hold, where the station says so.
    pub fn entries_in_all(&self) -> Option<usize> {
        self.number(&["LocalAuthListMaxLength"])
    }

    /// Entries that one list message may carry.
    pub fn entries_at_once(&self) -> usize {
        self.number(LIST_MESSAGE).unwrap_or(LIST_MESSAGE_DEFAULT).clamp(1, LIST_MESSAGE_MAX)
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
    match settings.flag(LIST_ENABLED) {
        Some(true) => Means::List,
        _ if settings.has_list() && may_configure => Means::SwitchOnList,
        _ => Means::ClearCache,
    }
}

/// Whether a station that refuses to forget its cache has one to forget.
pub fn has_cache(settings: &StationSettings) -> bool {
    settings.flag(CACHE_ENABLED) == Some(true)
}

#[cfg(test)]
#[path = "blocking_tests.rs"]
mod tests;

//! The means by which a station learns that a card is blocked: an entry in its local authorization
//! list, or a ClearCache that makes it forget the cards it has accepted (OCPP 1.6 sections 3.5 and
//! 5).

use std::collections::BTreeMap;

/// A station's settings as the station reported them, by their names in lower case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StationSettings(BTreeMap<String, String>);

/// Settings that control a station's memory of cards, by their names in OCPP 1.6 and 2.0.1.
const LIST_ENABLED: &[&str] = &["LocalAuthListEnabled", "LocalAuthListCtrlr.Enabled"];
const LIST_MESSAGE: &[&str] = &["SendLocalListMaxLength", "LocalAuthListCtrlr.ItemsPerMessage"];
const UNKNOWN_OFFLINE: &[&str] =
    &["AllowOfflineTxForUnknownId", "AuthCtrlr.OfflineTxForUnknownIdEnabled"];
const CACHE_ENABLED: &[&str] = &["AuthorizationCacheEnabled", "AuthCacheCtrlr.Enabled"];

/// Entries of one SendLocalList message if the station names no limit. Every station accepts this
/// many.
const LIST_MESSAGE_DEFAULT: usize = 20;

/// The most entries of one SendLocalList message, even if the station accepts more.
const LIST_MESSAGE_MAX: usize = 200;

/// The longest plausible time to plug in, in seconds.
const PLUG_IN_MAX_S: usize = 3_600;

impl StationSettings {
    /// Builds the settings from pairs of a name and a value.
    pub fn of(pairs: impl Iterator<Item = (String, String)>) -> Self {
        Self(pairs.map(|(name, value)| (name.to_lowercase(), value)).collect())
    }

    /// The value of a setting, by any of its names.
    pub fn text(&self, names: &[&str]) -> Option<&str> {
        names.iter().find_map(|name| self.0.get(&name.to_lowercase())).map(String::as_str)
    }

    fn flag(&self, names: &[&str]) -> Option<bool> {
        self.text(names).and_then(|text| text.trim().to_lowercase().parse().ok())
    }

    fn number(&self, names: &[&str]) -> Option<usize> {
        self.text(names).and_then(|text| text.trim().parse().ok())
    }

    /// The most variables that the station returns in one GetVariables answer, if it says so.
    pub fn variables_at_once(&self) -> Option<usize> {
        self.number(&["DeviceDataCtrlr.ItemsPerMessage(GetVariables)"]).filter(|most| *most > 0)
    }

    /// Whether the station shows drivers the cost of a running session (OCPP 2.0.1
    /// `TariffCostCtrlr`).
    pub fn shows_cost(&self) -> bool {
        self.flag(&["TariffCostCtrlr.Enabled(Cost)"]) == Some(true)
    }

    /// Seconds in which a driver must plug in after a remote start, if the station says so; an hour
    /// at most.
    pub fn plug_in_s(&self) -> Option<i64> {
        let most =
            self.number(&["ConnectionTimeOut", "TxCtrlr.EVConnectionTimeOut"])?.min(PLUG_IN_MAX_S);
        i64::try_from(most).ok()
    }

    /// Whether the station accepts any card while it is offline (OCPP 1.6
    /// `AllowOfflineTxForUnknownId`, 2.0.1 `OfflineTxForUnknownIdEnabled`). Then a cleared cache is
    /// not enough: the station must have the card as blocked in its local list.
    pub fn takes_unknown_cards(&self) -> bool {
        self.unknown_cards() == Some(true)
    }

    /// Whether the station accepts unknown cards while it is offline; `None`: it does not report
    /// this.
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

    /// The most entries of the whole local list, if the station says so.
    pub fn entries_in_all(&self) -> Option<usize> {
        self.number(&["LocalAuthListMaxLength"])
    }

    /// The most entries of one SendLocalList message.
    pub fn entries_at_once(&self) -> usize {
        self.number(LIST_MESSAGE).unwrap_or(LIST_MESSAGE_DEFAULT).clamp(1, LIST_MESSAGE_MAX)
    }
}

/// The means by which a station learns that a card is blocked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Means {
    /// The station's local list is enabled. The card is entered there as blocked, which takes
    /// precedence over its cache.
    List,
    /// The station has a local list that it does not report as enabled. The server may enable it.
    SwitchOnList,
    /// The station's authorization cache is cleared.
    ClearCache,
}

/// The means for a station. `may_configure`: whether the station's record allows the server to
/// change its settings.
pub fn means(settings: &StationSettings, may_configure: bool) -> Means {
    match settings.flag(LIST_ENABLED) {
        Some(true) => Means::List,
        _ if settings.has_list() && may_configure => Means::SwitchOnList,
        _ => Means::ClearCache,
    }
}

/// Whether the station's authorization cache is enabled. If it is, a rejected ClearCache must be
/// repeated.
pub fn has_cache(settings: &StationSettings) -> bool {
    settings.flag(CACHE_ENABLED) == Some(true)
}

#[cfg(test)]
#[path = "blocking_tests.rs"]
mod tests;

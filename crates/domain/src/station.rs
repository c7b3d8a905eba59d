//! The facts about a station that the rules use.

/// The class of a charger. Quick and normal chargers have separate prices and allowances (article
/// 4.1, rule R6.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChargerClass {
    /// A direct-current quick charger (急速充電器).
    Quick,
    /// An alternating-current normal charger (普通充電器).
    Normal,
}

impl ChargerClass {
    /// Both classes, in the order in which bills list them.
    pub const ALL: [Self; 2] = [Self::Quick, Self::Normal];

    /// `quick` or `normal`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Quick => "quick",
            Self::Normal => "normal",
        }
    }

    /// Reads what [`Self::name`] prints.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.name() == text)
    }

    /// The highest plausible power in watts, if the site data name none.
    pub const fn most_power_w(self) -> i64 {
        match self {
            Self::Quick => 400_000,
            Self::Normal => 22_000,
        }
    }

    /// The site's usual limit of a session in minutes, if the site data name none. Most quick
    /// chargers stop at 30 minutes; normal ones have no limit.
    pub const fn usual_cap_min(self) -> Option<i64> {
        match self {
            Self::Quick => Some(30),
            Self::Normal => None,
        }
    }
}

/// The site data of one connector on the programme's list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectorSite {
    /// The connector's charger class.
    pub charger_class: ChargerClass,
    /// The connector's rated power in watts, if known.
    pub power_w: Option<i64>,
    /// The site's limit of a session in minutes, if set.
    pub session_cap_min: Option<i64>,
}

impl ConnectorSite {
    /// The site's limit of a session in minutes, or the usual one of its class if none is set.
    pub fn cap_min(&self) -> Option<i64> {
        self.session_cap_min.or(self.charger_class.usual_cap_min())
    }

    /// The connector's highest plausible power in watts.
    pub fn most_power_w(&self) -> i64 {
        self.power_w.unwrap_or(self.charger_class.most_power_w())
    }
}

/// Whether a station can be used (article 4.3(3)). This decides about new authorizations only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Availability {
    /// The station can be used.
    #[default]
    Open,
    /// The station's site is closed.
    Closed,
    /// The station is in maintenance.
    Maintenance,
}

named!(Availability, Open = "open", Closed = "closed", Maintenance = "maintenance");

/// A deviation of one station from the standard that cannot be detected reliably. An operator sets
/// the quirk in the station's record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Quirk {
    /// WebSocket pings disturb the station, so it gets none.
    NoPings,
    /// The station sends and expects the bytes of id tags in reverse order.
    ReversedIdTags,
    /// Energy that the station reports in Wh, or without a unit, is in kWh.
    EnergyInKwh,
}

named!(
    Quirk,
    NoPings = "no_pings",
    ReversedIdTags = "reversed_id_tags",
    EnergyInKwh = "energy_in_kwh"
);

/// The station's data from its BootNotification.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BootReport {
    /// The station's maker.
    pub vendor: String,
    /// The station's model.
    pub model: String,
    /// The station's serial number.
    pub serial: Option<String>,
    /// The station's firmware version.
    pub firmware: Option<String>,
}

/// A connector's state from a StatusNotification. Connector 0 is the whole station.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusReport {
    /// The connector's number.
    pub connector_id: i64,
    /// The `status`, as the station sent it.
    pub status: String,
    /// The `errorCode`, as the station sent it.
    pub error_code: String,
    /// The `info`: further text.
    pub info: Option<String>,
    /// The `vendorErrorCode`: the maker's own code of the error.
    pub vendor_error_code: Option<String>,
    /// The reported time of the state.
    pub reported: super::instant::Reported,
    /// The billed time of the state, by the difference of the station's clock; `None`: the received
    /// time counts.
    pub told_at: Option<chrono::DateTime<chrono::Utc>>,
    /// The connector of the EVSE, in OCPP 2.0.1; `connector_id` is then the EVSE.
    pub plug: Option<i64>,
}

/// A variable of a station's device model, as the station reported it (OCPP 2.0.1 B07).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VariableReport {
    /// The component's name, such as `EVSE(instance)@1.2` with its instance, EVSE and connector, as
    /// far as it has them.
    pub component: String,
    /// The variable's name, such as `AvailabilityState(instance)`.
    pub variable: String,
    /// The whole report of the variable, as JSON text.
    pub document: String,
}

/// The status with which the server answers a station's BootNotification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Registration {
    /// The station may work.
    #[default]
    Accepted,
    /// The station must wait.
    Pending,
    /// The station is refused.
    Rejected,
}

impl Registration {
    /// The name that the API spells.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Pending => "pending",
            Self::Rejected => "rejected",
        }
    }

    /// Reads what [`Self::name`] prints.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Accepted, Self::Pending, Self::Rejected].into_iter().find(|one| one.name() == text)
    }
}

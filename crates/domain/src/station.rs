//! What the rules need to know of a charger.

/// Quick and normal chargers have separate prices and allowances (article 4.1, rule R6.6).
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

    /// The most power that is believed where the site data name none, in watts.
    pub const fn most_power_w(self) -> i64 {
        match self {
            Self::Quick => 400_000,
            Self::Normal => 22_000,
        }
    }

    /// How long a session may last by the site's rule where the site data name none, in minutes.
    /// Most quick chargers stop at 30 minutes; normal ones have no rule.
    pub const fn usual_cap_min(self) -> Option<i64> {
        match self {
            Self::Quick => Some(30),
            Self::Normal => None,
        }
    }
}

/// One listed connector's site data: what the rules know of a charger besides its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectorSite {
    /// Its class.
    pub charger_class: ChargerClass,
    /// Its rated power in watts, where known.
    pub power_w: Option<i64>,
    /// The site's limit of one session in minutes, where set.
    pub session_cap_min: Option<i64>,
}

impl ConnectorSite {
    /// The site's limit of one session in minutes, its class's usual one where none is set.
    pub fn cap_min(&self) -> Option<i64> {
        self.session_cap_min.or(self.charger_class.usual_cap_min())
    }

    /// The most power that is believed of it, in watts.
    pub fn most_power_w(&self) -> i64 {
        self.power_w.unwrap_or(self.charger_class.most_power_w())
    }
}

/// Whether a station can be used (article 4.3(3)). It decides about new authorizations alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Availability {
    /// It can.
    #[default]
    Open,
    /// Its site is closed.
    Closed,
    /// It is being worked on.
    Maintenance,
}

named!(Availability, Open = "open", Closed = "closed", Maintenance = "maintenance");

/// What is otherwise at one station than the standard wants, where guessing would be wrong: an operator says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Quirk {
    /// Pings disturb it: it is sent none.
    NoPings,
    /// Its readers tell, and are told, a card's bytes in reverse order.
    ReversedIdTags,
    /// What it calls watt-hours, or gives without a unit, is kilowatt-hours.
    EnergyInKwh,
}

named!(
    Quirk,
    NoPings = "no_pings",
    ReversedIdTags = "reversed_id_tags",
    EnergyInKwh = "energy_in_kwh"
);

/// What a station says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BootReport {
    /// Maker.
    pub vendor: String,
    /// Model.
    pub model: String,
    /// Serial number.
    pub serial: Option<String>,
    /// Firmware version.
    pub firmware: Option<String>,
}

/// A connector's state; number 0 is the whole station.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusReport {
    /// Its number.
    pub connector_id: i64,
    /// The state, in the station's word.
    pub status: String,
    /// The error, in the station's word.
    pub error_code: String,
    /// Further text.
    pub info: Option<String>,
    /// The maker's own error, in its word.
    pub vendor_error_code: Option<String>,
    /// The station's time of it.
    pub reported: super::instant::Reported,
    /// The instant of it by what is known of the station's clock; `None`: when it was heard.
    pub told_at: Option<chrono::DateTime<chrono::Utc>>,
    /// The connector of the EVSE that it is of, where the station tells several apart (OCPP 2.0.1).
    pub plug: Option<i64>,
}

/// A variable of a station's device model, as it told it (OCPP 2.0.1 B07).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VariableReport {
    /// Its component: `EVSE(instance)@1.2`, with what there is of instance, EVSE and connector.
    pub component: String,
    /// Its name: `AvailabilityState(instance)`.
    pub variable: String,
    /// Everything that was told of it, as JSON text.
    pub document: String,
}

/// A station's standing with us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Registration {
    /// It may work.
    #[default]
    Accepted,
    /// It must wait.
    Pending,
    /// It is refused.
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

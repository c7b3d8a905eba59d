//! The kinds of certificates and of questions about them, as the standard and the operator's commands name them.

/// A type of certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CertificateKind {
    /// By which the station shows who it is to the central system.
    Station,
    /// By which it shows who it is to vehicles (ISO 15118).
    Vehicles,
    /// For whatever the station uses it: it named none.
    Unnamed,
}

impl CertificateKind {
    /// Its name in OCPP 2.0.1.
    pub const fn name(self) -> Option<&'static str> {
        match self {
            Self::Station => Some("ChargingStationCertificate"),
            Self::Vehicles => Some("V2GCertificate"),
            Self::Unnamed => None,
        }
    }

    /// Reads what [`Self::name`] prints.
    pub fn parse(text: Option<&str>) -> Option<Self> {
        [Self::Station, Self::Vehicles, Self::Unnamed].into_iter().find(|kind| kind.name() == text)
    }
}

/// A question of a station about a vehicle's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VehicleAsk {
    /// A contract certificate for a vehicle, new or renewed (OCPP 2.0.1 M01, M02).
    Certificate,
    /// Whether a certificate was revoked (M06).
    Status,
    /// Whether a contract certificate that a vehicle shows is good (C07).
    Contract,
}

impl VehicleAsk {
    /// The name by which the operator's command is asked.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Certificate => "certificate",
            Self::Status => "status",
            Self::Contract => "contract",
        }
    }

    /// The most characters of an answer that a station takes.
    pub const fn answer_max(self) -> usize {
        match self {
            Self::Certificate => 7_500,
            Self::Status => 5_500,
            Self::Contract => 32,
        }
    }
}

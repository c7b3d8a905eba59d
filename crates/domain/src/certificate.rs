//! Types of certificates, and stations' requests about vehicles' certificates, as OCPP 2.0.1 and
//! the operator's commands name them.

/// A type of certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CertificateKind {
    /// The certificate by which a station authenticates itself to the CSMS.
    Station,
    /// The certificate by which a station authenticates itself to vehicles (ISO 15118).
    Vehicles,
    /// A certificate for any use: the station named no type.
    Unnamed,
}

impl CertificateKind {
    /// The type's name in OCPP 2.0.1.
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

/// A station's request about a vehicle's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VehicleAsk {
    /// A new or renewed contract certificate for a vehicle (OCPP 2.0.1 M01, M02).
    Certificate,
    /// The revocation status of a certificate (M06).
    Status,
    /// The validity of a contract certificate that a vehicle presents (C07).
    Contract,
}

impl VehicleAsk {
    /// The name by which the operator's command receives the request.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Certificate => "certificate",
            Self::Status => "status",
            Self::Contract => "contract",
        }
    }

    /// The most characters of an answer that a station accepts.
    pub const fn answer_max(self) -> usize {
        match self {
            Self::Certificate => 7_500,
            Self::Status => 5_500,
            Self::Contract => 32,
        }
    }
}

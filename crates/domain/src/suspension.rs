//! Suspensions of the service or of the members' site (article 16), and free openings of chargers
//! in a disaster.

use chrono::{DateTime, Utc};

/// The part of the programme that is suspended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Charging: new authorizations are refused, while running sessions go on (rule R16.2).
    Service,
    /// The members' site: a member can change nothing there. Charging goes on.
    Site,
    /// The service and the members' site.
    Both,
}

named!(Scope, Service = "service", Site = "site", Both = "both");

/// The charging sites that a suspension or a free opening covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sites {
    /// Every charging site.
    All,
    /// The named charging sites, each by the `site` of its stations' records.
    Some(Vec<String>),
}

impl Sites {
    /// Whether a charging site is covered.
    pub fn cover(&self, site: &str) -> bool {
        match self {
            Self::All => true,
            Self::Some(sites) => sites.iter().any(|one| one == site),
        }
    }
}

/// A span of time with an open or known end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The span's first instant.
    pub from: DateTime<Utc>,
    /// The first instant after the span; `None`: the end is not known yet.
    pub to: Option<DateTime<Utc>>,
}

impl Span {
    /// Whether an instant lies in the span.
    pub fn contains(&self, at: DateTime<Utc>) -> bool {
        self.from <= at && self.to.is_none_or(|to| at < to)
    }
}

/// The numbers of the reasons that article 16 lists.
pub const REASONS: std::ops::RangeInclusive<u8> = 1..=6;

/// A suspension of the service, the members' site, or both (article 16).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceSuspension {
    /// The part of the programme that is suspended.
    pub scope: Scope,
    /// The charging sites that are suspended.
    pub sites: Sites,
    /// The number of the reason in article 16, 1 to 6.
    pub reason: u8,
    /// The time for which the suspension holds.
    pub span: Span,
    /// The operator's remark.
    pub note: String,
}

/// Chargers that are open to everyone at no charge (rule R16.5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FreeOpening {
    /// The charging sites whose chargers are open.
    pub sites: Sites,
    /// The time for which the free opening holds.
    pub span: Span,
    /// The operator's remark.
    pub note: String,
}

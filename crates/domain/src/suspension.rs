//! Suspensions of the service or of the members' site (article 16), and free openings of chargers in
//! a disaster.

use chrono::{DateTime, Utc};

/// What is suspended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Charging: new authorizations are refused, running sessions go on (rule R16.2).
    Service,
    /// The members' site: a member changes nothing there; charging is not touched.
    Site,
    /// Both.
    Both,
}

named!(Scope, Service = "service", Site = "site", Both = "both");

/// Where: every charging site, or some.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sites {
    /// Everywhere.
    All,
    /// At these, by the stations' `site`.
    Some(Vec<String>),
}

impl Sites {
    /// Whether a site is among them.
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
    /// Its first instant.
    pub from: DateTime<Utc>,
    /// The first instant after it; `None`: not known yet.
    pub to: Option<DateTime<Utc>>,
}

impl Span {
    /// Whether an instant lies in it.
    pub fn contains(&self, at: DateTime<Utc>) -> bool {
        self.from <= at && self.to.is_none_or(|to| at < to)
    }
}

/// The lowest and highest number of the reasons of article 16.
pub const REASONS: std::ops::RangeInclusive<u8> = 1..=6;

/// A suspension of the service, the site, or both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceSuspension {
    /// What.
    pub scope: Scope,
    /// Where.
    pub sites: Sites,
    /// Which of the reasons of article 16, 1 to 6.
    pub reason: u8,
    /// When.
    pub span: Span,
    /// In the operator's words.
    pub note: String,
}

/// Chargers opened to everyone at no charge (rule R16.5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FreeOpening {
    /// Where.
    pub sites: Sites,
    /// When.
    pub span: Span,
    /// In the operator's words.
    pub note: String,
}

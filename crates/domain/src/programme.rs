//! The programme's own history: terms, suspensions, free openings, the service's end, and the tariff
//! versions. What the rules read of it is derived at an instant.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::authorization::Place;
use super::card::Dated;
use super::month::BillingMonth;
use super::suspension::{FreeOpening, Scope, ServiceSuspension};
use super::tariff::TariffBook;
use super::terms::TermsVersion;

/// What happens to the programme as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProgrammeEvent {
    /// New terms were published (article 19).
    TermsPublished(TermsVersion),
    /// The service or the site was suspended (article 16).
    SuspensionOpened(ServiceSuspension),
    /// A suspension, named by its number, ends.
    SuspensionClosed {
        /// Its number.
        number: i64,
        /// The first instant after it.
        to: DateTime<Utc>,
    },
    /// Chargers are opened to everyone at no charge.
    FreeOpeningOpened(FreeOpening),
    /// A free opening, named by its number, ends.
    FreeOpeningClosed {
        /// Its number.
        number: i64,
        /// The first instant after it.
        to: DateTime<Utc>,
    },
    /// The service ends for everyone (article 18); a later event moves the end.
    ServiceEndSet {
        /// The first instant without service.
        at: DateTime<Utc>,
        /// When the members were told.
        notified_at: DateTime<Utc>,
    },
}

/// A numbered record: its number is that of the event that opened it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Numbered<T> {
    /// Its number.
    pub number: i64,
    /// When it was entered.
    pub entered_at: DateTime<Utc>,
    /// The record.
    pub record: T,
}

/// The programme as the rules see it.
#[derive(Debug, Clone, Default)]
pub struct Programme {
    /// What things cost.
    pub tariffs: Arc<TariffBook>,
    /// The versions of the terms, by the day from which they hold.
    pub terms: Vec<TermsVersion>,
    /// Suspensions, in order of their number.
    pub suspensions: Vec<Numbered<ServiceSuspension>>,
    /// Free openings, in order of their number.
    pub openings: Vec<Numbered<FreeOpening>>,
    /// The first instant without service.
    pub service_ends_at: Option<DateTime<Utc>>,
    /// The number of the last event that it was made of.
    pub last_event: i64,
}

impl Programme {
    /// A programme of tariffs alone.
    pub fn of_tariffs(tariffs: Arc<TariffBook>) -> Self {
        Self { tariffs, ..Self::default() }
    }

    /// Builds it from its events, in order of their number.
    pub fn from_events(tariffs: Arc<TariffBook>, events: Vec<Dated<ProgrammeEvent>>) -> Self {
        let mut programme = Self::of_tariffs(tariffs);
        for dated in events {
            programme.last_event = programme.last_event.max(dated.seq);
            programme.apply(dated.seq, dated.at, dated.event);
        }
        programme.terms.sort_by_key(|terms| terms.effective_on);
        programme
    }

    fn apply(&mut self, number: i64, entered_at: DateTime<Utc>, event: ProgrammeEvent) {
        match event {
            ProgrammeEvent::TermsPublished(terms) => self.terms.push(terms),
            ProgrammeEvent::SuspensionOpened(record) => {
                self.suspensions.push(Numbered { number, entered_at, record });
            }
            ProgrammeEvent::FreeOpeningOpened(record) => {
                self.openings.push(Numbered { number, entered_at, record });
            }
            ProgrammeEvent::SuspensionClosed { number, to } => {
                for one in self.suspensions.iter_mut().filter(|one| one.number == number) {
                    one.record.span.to = Some(to);
                }
            }
            ProgrammeEvent::FreeOpeningClosed { number, to } => {
                for one in self.openings.iter_mut().filter(|one| one.number == number) {
                    one.record.span.to = Some(to);
                }
            }
            ProgrammeEvent::ServiceEndSet { at, .. } => self.service_ends_at = Some(at),
        }
    }

    /// The terms in force at an instant, where a version is recorded.
    pub fn terms_at(&self, at: DateTime<Utc>) -> Option<&TermsVersion> {
        self.terms.iter().rev().find(|terms| terms.effective_at() <= at)
    }

    /// Whether the terms in force at an instant renew term contracts by themselves (rule R8.3): as the
    /// terms say, else as the tariff in force says.
    pub fn renews_terms(&self, at: DateTime<Utc>) -> bool {
        let of_tariff =
            || self.tariffs.in_force(BillingMonth::of(at)).is_ok_and(|tariff| tariff.auto_renew);
        self.terms_at(at).and_then(|terms| terms.auto_renew).unwrap_or_else(of_tariff)
    }

    /// Whether the members' site is suspended at an instant: no member changes anything there.
    pub fn is_site_down(&self, at: DateTime<Utc>) -> bool {
        self.suspensions
            .iter()
            .any(|one| one.record.scope != Scope::Service && one.record.span.contains(at))
    }

    /// Whether chargers of a site are open to everyone at an instant (rule R16.5).
    pub fn is_free(&self, site: &str, at: DateTime<Utc>) -> bool {
        self.openings.iter().any(|one| one.record.sites.cover(site) && one.record.span.contains(at))
    }

    /// What the programme says of a listed site at an instant (rows 6 and 7 of the ladder). A suspension
    /// refuses from its entry at the earliest (convention C3): what was accepted before stays accepted.
    pub fn place(&self, site: &str, at: DateTime<Utc>) -> Place {
        let suspended = |one: &Numbered<ServiceSuspension>| {
            let record = &one.record;
            record.scope != Scope::Site
                && record.sites.cover(site)
                && record.span.contains(at)
                && one.entered_at <= at
        };
        if self.is_free(site, at) {
            Place::Free
        } else if self.suspensions.iter().any(suspended) {
            Place::Suspended
        } else {
            Place::Open
        }
    }
}

#[cfg(test)]
#[path = "programme_tests.rs"]
mod tests;

//! The programme's own history: terms, suspensions, free openings, the end of the service, and the
//! tariff versions. The rules read its state at an instant.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::authorization::Place;
use super::card::Dated;
use super::month::BillingMonth;
use super::suspension::{FreeOpening, Scope, ServiceSuspension};
use super::tariff::TariffBook;
use super::terms::TermsVersion;

/// An event of the programme as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProgrammeEvent {
    /// New terms were published (article 19).
    TermsPublished(TermsVersion),
    /// The service or the members' site was suspended (article 16).
    SuspensionOpened(ServiceSuspension),
    /// The end of a suspension was set.
    SuspensionClosed {
        /// The suspension's number.
        number: i64,
        /// The first instant after the suspension.
        to: DateTime<Utc>,
    },
    /// Chargers were opened to everyone at no charge.
    FreeOpeningOpened(FreeOpening),
    /// The end of a free opening was set.
    FreeOpeningClosed {
        /// The free opening's number.
        number: i64,
        /// The first instant after the free opening.
        to: DateTime<Utc>,
    },
    /// The end of the service was set for everyone (article 18). A later event moves it.
    ServiceEndSet {
        /// The first instant without service.
        at: DateTime<Utc>,
        /// The time at which the members were notified.
        notified_at: DateTime<Utc>,
    },
}

/// A record with a number: that of the event that created it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Numbered<T> {
    /// The record's number.
    pub number: i64,
    /// The time at which the record was entered.
    pub entered_at: DateTime<Utc>,
    /// The record itself.
    pub record: T,
}

/// The programme's state, built from its events.
#[derive(Debug, Clone, Default)]
pub struct Programme {
    /// The tariff versions.
    pub tariffs: Arc<TariffBook>,
    /// The versions of the terms, ordered by the day from which they hold.
    pub terms: Vec<TermsVersion>,
    /// The suspensions, ordered by number.
    pub suspensions: Vec<Numbered<ServiceSuspension>>,
    /// The free openings, ordered by number.
    pub openings: Vec<Numbered<FreeOpening>>,
    /// The first instant without service, if an end is set.
    pub service_ends_at: Option<DateTime<Utc>>,
    /// The number of the last event that is taken into account.
    pub last_event: i64,
}

impl Programme {
    /// A programme that has tariffs and no events.
    pub fn of_tariffs(tariffs: Arc<TariffBook>) -> Self {
        Self { tariffs, ..Self::default() }
    }

    /// Builds the programme from its events, ordered by number.
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

    /// The terms in force at an instant, if a version is recorded.
    pub fn terms_at(&self, at: DateTime<Utc>) -> Option<&TermsVersion> {
        self.terms.iter().rev().find(|terms| terms.effective_at() <= at)
    }

    /// Whether term contracts renew automatically at an instant (rule R8.3). The terms in force
    /// decide or, if they do not say, the tariff in force.
    pub fn renews_terms(&self, at: DateTime<Utc>) -> bool {
        let of_tariff =
            || self.tariffs.in_force(BillingMonth::of(at)).is_ok_and(|tariff| tariff.auto_renew);
        self.terms_at(at).and_then(|terms| terms.auto_renew).unwrap_or_else(of_tariff)
    }

    /// Whether the members' site is suspended at an instant: then no member can change anything
    /// there.
    pub fn is_site_down(&self, at: DateTime<Utc>) -> bool {
        self.suspensions
            .iter()
            .any(|one| one.record.scope != Scope::Service && one.record.span.contains(at))
    }

    /// Whether the chargers of a charging site are open to everyone at an instant (rule R16.5).
    pub fn is_free(&self, site: &str, at: DateTime<Utc>) -> bool {
        self.openings.iter().any(|one| one.record.sites.cover(site) && one.record.span.contains(at))
    }

    /// The state of a charging site at an instant (for rows 6 and 7 of the ladder). A suspension
    /// refuses from its entry at the earliest (convention C3), so a card that was accepted before
    /// stays accepted.
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

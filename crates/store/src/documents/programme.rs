//! The stored texts of the programme's events.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use super::{Kept, kept, read};
use crate::{StoreError, Stored};
use juden_domain::programme::ProgrammeEvent;
use juden_domain::suspension::{FreeOpening, Scope, ServiceSuspension, Sites, Span};
use juden_domain::terms::{ChangeReason, TermsVersion};

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", content = "detail", rename_all = "snake_case")]
enum ProgrammeText {
    TermsPublished {
        version: String,
        published_on: NaiveDate,
        effective_on: NaiveDate,
        reason: String,
        auto_renew: Option<bool>,
    },
    SuspensionOpened {
        scope: String,
        sites: Option<Vec<String>>,
        reason: u8,
        from: DateTime<Utc>,
        to: Option<DateTime<Utc>>,
        note: String,
    },
    SuspensionClosed {
        number: i64,
        to: DateTime<Utc>,
    },
    FreeOpeningOpened {
        sites: Option<Vec<String>>,
        from: DateTime<Utc>,
        to: Option<DateTime<Utc>>,
        note: String,
    },
    FreeOpeningClosed {
        number: i64,
        to: DateTime<Utc>,
    },
    ServiceEndSet {
        at: DateTime<Utc>,
        notified_at: DateTime<Utc>,
    },
}

fn sites_text(sites: &Sites) -> Option<Vec<String>> {
    match sites {
        Sites::All => None,
        Sites::Some(names) => Some(names.clone()),
    }
}

/// An event's kind and detail.
pub fn programme_event(event: &ProgrammeEvent) -> Kept {
    kept(&match event {
        ProgrammeEvent::TermsPublished(terms) => ProgrammeText::TermsPublished {
            version: terms.version.clone(),
            published_on: terms.published_on,
            effective_on: terms.effective_on,
            reason: terms.reason.name().to_owned(),
            auto_renew: terms.auto_renew,
        },
        ProgrammeEvent::SuspensionOpened(it) => ProgrammeText::SuspensionOpened {
            scope: it.scope.name().to_owned(),
            sites: sites_text(&it.sites),
            reason: it.reason,
            from: it.span.from,
            to: it.span.to,
            note: it.note.clone(),
        },
        ProgrammeEvent::SuspensionClosed { number, to } => {
            ProgrammeText::SuspensionClosed { number: *number, to: *to }
        }
        ProgrammeEvent::FreeOpeningOpened(it) => ProgrammeText::FreeOpeningOpened {
            sites: sites_text(&it.sites),
            from: it.span.from,
            to: it.span.to,
            note: it.note.clone(),
        },
        ProgrammeEvent::FreeOpeningClosed { number, to } => {
            ProgrammeText::FreeOpeningClosed { number: *number, to: *to }
        }
        ProgrammeEvent::ServiceEndSet { at, notified_at } => {
            ProgrammeText::ServiceEndSet { at: *at, notified_at: *notified_at }
        }
    })
}

/// Reads what [`programme_event`] wrote.
pub fn read_programme_event(kind: &str, detail: &str) -> Stored<ProgrammeEvent> {
    let unreadable = || StoreError::Unreadable("programme event");
    let sites = |names: Option<Vec<String>>| names.map_or(Sites::All, Sites::Some);
    Ok(match read(kind, detail, "programme event")? {
        ProgrammeText::TermsPublished {
            version,
            published_on,
            effective_on,
            reason,
            auto_renew,
        } => {
            let reason = ChangeReason::parse(&reason).ok_or_else(unreadable)?;
            ProgrammeEvent::TermsPublished(TermsVersion {
                version,
                published_on,
                effective_on,
                reason,
                auto_renew,
            })
        }
        ProgrammeText::SuspensionOpened { scope, sites: names, reason, from, to, note } => {
            let scope = Scope::parse(&scope).ok_or_else(unreadable)?;
            ProgrammeEvent::SuspensionOpened(ServiceSuspension {
                scope,
                sites: sites(names),
                reason,
                span: Span { from, to },
                note,
            })
        }
        ProgrammeText::SuspensionClosed { number, to } => {
            ProgrammeEvent::SuspensionClosed { number, to }
        }
        ProgrammeText::FreeOpeningOpened { sites: names, from, to, note } => {
            ProgrammeEvent::FreeOpeningOpened(FreeOpening {
                sites: sites(names),
                span: Span { from, to },
                note,
            })
        }
        ProgrammeText::FreeOpeningClosed { number, to } => {
            ProgrammeEvent::FreeOpeningClosed { number, to }
        }
        ProgrammeText::ServiceEndSet { at, notified_at } => {
            ProgrammeEvent::ServiceEndSet { at, notified_at }
        }
    })
}

//! The programme's own changes: terms, suspensions, free openings, the service's end (articles 16, 18, 19).

use crate::found;
use chrono::{DateTime, NaiveDate, Utc};

use crate::clock::Clock;
use crate::cluster::Cluster;
use crate::directory::ProgrammeDirectory;
use crate::error::{AppError, Done};
use crate::requests::once;
use juden_domain::ids::MemberId;
use juden_domain::month::{BillingMonth, in_japan};
use juden_domain::programme::ProgrammeEvent;
use juden_domain::session::Session;
use juden_domain::suspension::{FreeOpening, REASONS, ServiceSuspension, Sites, Span};
use juden_domain::terms::TermsVersion;
use juden_store::KeptEvent;
use juden_store::Store;
use juden_store::nodes::ChangedItem;
use std::sync::Arc;

/// A suspension or opening names this many sites at most.
pub const SITES_MAX: usize = 1_000;

/// A note or name has this many characters at most.
pub const TEXT_MAX: usize = 1_000;

/// Changes the programme itself.
pub struct ProgrammeChanges {
    /// What is kept.
    pub(crate) store: Arc<dyn Store>,
    /// What time it is.
    pub(crate) clock: Arc<Clock>,
    /// Which node holds which station.
    pub(crate) cluster: Arc<dyn Cluster>,
    /// The programme's own history.
    pub(crate) programme: Arc<ProgrammeDirectory>,
}

impl ProgrammeChanges {
    /// Makes the service of the parts that it uses.
    pub fn new(
        store: Arc<dyn Store>,
        clock: Arc<Clock>,
        cluster: Arc<dyn Cluster>,
        programme: Arc<ProgrammeDirectory>,
    ) -> Self {
        Self { store, clock, cluster, programme }
    }
}

impl ProgrammeChanges {
    /// Everything that happened to the programme, in order.
    pub async fn programme_history(&self) -> Done<Vec<KeptEvent>> {
        Ok(self.store.programme_history().await?)
    }

    /// Publishes terms: at least a month before they hold, and no earlier than today's date allows.
    pub async fn publish_terms(&self, terms: TermsVersion) -> Done<()> {
        if self.was_appended().await?.is_some() {
            return Ok(());
        }
        check_text("version", &terms.version)?;
        terms.check_notice()?;
        let today = in_japan(self.clock.now()).date_naive();
        if terms.published_on > today {
            return Err(AppError::invalid(
                "published_on",
                "today or a day before: the day on which the terms were posted",
            ));
        }
        let last_closed = self.store.last_closed_month().await?;
        if let Some(closed) = last_closed.filter(|closed| terms.effective_at() < closed.end()) {
            return Err(AppError::invalid(
                "effective_on",
                format!("a day after {closed}, the last closed month"),
            ));
        }
        let programme = self.programme.current();
        if programme
            .terms
            .iter()
            .any(|known| known.version == terms.version || known.effective_on == terms.effective_on)
        {
            return Err(AppError::conflict(
                "terms_exist",
                "there are terms of this version or this effective day already",
            ));
        }
        // The last month of a window depends on whether the terms of the next day renew.
        let from = BillingMonth::of(terms.effective_at()).previous();
        self.append(ProgrammeEvent::TermsPublished(terms), from).await?;
        Ok(())
    }

    /// The terms that a membership has lived under, each with its first use of the service since they hold:
    /// use after notice is consent (article 19.2), and nobody is blocked for not having agreed otherwise.
    pub async fn terms_of(&self, id: &MemberId) -> Done<Vec<(TermsVersion, Option<Session>)>> {
        let member = found::member(self.store.as_ref(), id).await?;
        let (now, programme) = (self.clock.now(), self.programme.current());
        let Some(joined) = member.admitted_at else { return Ok(Vec::new()) };
        let at_joining = programme.terms_at(joined).cloned();
        let later = programme
            .terms
            .iter()
            .filter(|terms| terms.effective_at() > joined && terms.effective_at() <= now)
            .cloned();
        let mut found = Vec::new();
        for terms in at_joining.into_iter().chain(later) {
            let used = self.store.first_session_since(id, terms.effective_at().max(joined)).await?;
            found.push((terms, used));
        }
        Ok(found)
    }

    /// Suspends the service, the site, or both; the suspension's number.
    pub async fn open_suspension(&self, suspension: ServiceSuspension) -> Done<i64> {
        if let Some(number) = self.was_appended().await? {
            return Ok(number);
        }
        if !REASONS.contains(&suspension.reason) {
            return Err(AppError::invalid(
                "reason",
                format!(
                    "the number of a reason of article 16, {} to {}",
                    REASONS.start(),
                    REASONS.end()
                ),
            ));
        }
        check_span(&suspension.span)?;
        check_sites(&suspension.sites)?;
        check_text("note", &suspension.note)?;
        let from = BillingMonth::of(suspension.span.from);
        self.append(ProgrammeEvent::SuspensionOpened(suspension), from).await
    }

    /// Ends a suspension.
    pub async fn close_suspension(&self, number: i64, to: Option<DateTime<Utc>>) -> Done<()> {
        if self.was_appended().await?.is_some() {
            return Ok(());
        }
        let programme = self.programme.current();
        let known = programme.suspensions.iter().find(|one| one.number == number);
        let span = known
            .map(|one| one.record.span)
            .ok_or_else(|| AppError::not_found("suspension", number))?;
        let to = self.check_end(&span, to)?;
        self.append(ProgrammeEvent::SuspensionClosed { number, to }, BillingMonth::of(span.from))
            .await?;
        Ok(())
    }

    /// Opens chargers to everyone at no charge; the opening's number.
    pub async fn open_freely(&self, opening: FreeOpening) -> Done<i64> {
        if let Some(number) = self.was_appended().await? {
            return Ok(number);
        }
        check_span(&opening.span)?;
        check_sites(&opening.sites)?;
        check_text("note", &opening.note)?;
        let from = BillingMonth::of(opening.span.from);
        self.append(ProgrammeEvent::FreeOpeningOpened(opening), from).await
    }

    /// Ends a free opening.
    pub async fn end_free_opening(&self, number: i64, to: Option<DateTime<Utc>>) -> Done<()> {
        if self.was_appended().await?.is_some() {
            return Ok(());
        }
        let programme = self.programme.current();
        let known = programme.openings.iter().find(|one| one.number == number);
        let span = known
            .map(|one| one.record.span)
            .ok_or_else(|| AppError::not_found("free opening", number))?;
        let to = self.check_end(&span, to)?;
        self.append(ProgrammeEvent::FreeOpeningClosed { number, to }, BillingMonth::of(span.from))
            .await?;
        Ok(())
    }

    /// Sets the end of the service, which is announced before (article 18).
    pub async fn set_service_end(&self, at: DateTime<Utc>, notified_on: NaiveDate) -> Done<()> {
        let now = self.clock.now();
        if self.programme.current().service_ends_at.is_some_and(|end| end <= now) {
            return Err(juden_domain::refusal::Reason::ServiceEnded.into());
        }
        if at <= now {
            return Err(AppError::invalid(
                "at",
                "an instant to come: the end of the service is announced before",
            ));
        }
        if notified_on > in_japan(now).date_naive() {
            return Err(AppError::invalid(
                "notified_on",
                "today or a day before: the day on which the members were told",
            ));
        }
        let notified_at = juden_domain::month::japan_midnight(notified_on);
        self.append(ProgrammeEvent::ServiceEndSet { at, notified_at }, BillingMonth::of(at))
            .await?;
        Ok(())
    }

    async fn append(&self, event: ProgrammeEvent, from: BillingMonth) -> Done<i64> {
        let number = self
            .store
            .append_programme_event(&event, self.clock.now(), Some(from), once::to_keep().as_ref())
            .await?;
        self.programme_changed().await?;
        Ok(number)
    }

    /// The number of the event of a request that was done before, where it was; whoever was to hear of it may not have.
    async fn was_appended(&self) -> Done<Option<i64>> {
        let Some(number) = once::done() else { return Ok(None) };
        self.programme_changed().await?;
        Ok(Some(number.parse().unwrap_or_default()))
    }

    async fn programme_changed(&self) -> Done<()> {
        self.programme.refresh().await?;
        self.cluster.announce(&[ChangedItem::Programme]).await;
        Ok(())
    }

    fn check_end(&self, span: &Span, to: Option<DateTime<Utc>>) -> Done<DateTime<Utc>> {
        let to = to.unwrap_or_else(|| self.clock.now());
        if to < span.from {
            return Err(AppError::invalid("to", "no earlier than its beginning"));
        }
        Ok(to)
    }
}

fn check_span(span: &Span) -> Done<()> {
    if span.to.is_some_and(|to| to <= span.from) {
        return Err(AppError::invalid(
            "to",
            "later than from, or left out where the end is not known",
        ));
    }
    Ok(())
}

fn check_sites(sites: &Sites) -> Done<()> {
    match sites {
        Sites::Some(names) if names.is_empty() || names.len() > SITES_MAX => {
            Err(AppError::invalid("sites", format!("1 to {SITES_MAX} sites, or left out for all")))
        }
        Sites::All | Sites::Some(_) => Ok(()),
    }
}

fn check_text(field: &str, text: &str) -> Done<()> {
    let is_name = field == "version";
    if text.chars().count() > TEXT_MAX || (is_name && text.trim().is_empty()) {
        return Err(AppError::invalid(
            field,
            format!(
                "at most {TEXT_MAX} characters{}",
                if is_name { ", and not empty" } else { "" }
            ),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use juden_domain::refusal::Reason;
    use juden_domain::terms::ChangeReason;

    use super::*;
    use crate::testing::Ground;

    #[tokio::test]
    async fn terms_are_published_a_month_before_they_hold() {
        let ground = Ground::at("2024-06-10T00:00:00Z").await;
        let app = ground.app().await;
        let terms = |effective: &str| TermsVersion {
            version: "2".into(),
            published_on: "2024-06-10".parse().unwrap(),
            effective_on: effective.parse().unwrap(),
            reason: ChangeReason::ALL[0],
            auto_renew: None,
        };
        let short = app.programme_changes.publish_terms(terms("2024-06-11")).await;
        assert!(matches!(short, Err(AppError::Refused(Reason::NoticeTooShort))), "{short:?}");
        app.programme_changes.publish_terms(terms("2024-09-01")).await.unwrap();
        assert_eq!(app.programme_changes.programme_history().await.unwrap().len(), 1);
    }
}

//! Closing months and cutting final invoices, each at its time (rules B1 to B3, R13.3).

use crate::found;
use std::time::Duration;

use chrono::{DateTime, Datelike, Utc};
use tracing::{info, warn};

use crate::billing::Closing;
use crate::billing::drawing::Close;
use crate::error::{AppError, Done};
use crate::export::LAYOUT;
use crate::export::csv::CsvHash;
use juden_domain::ids::MemberId;
use juden_domain::invoice::{self};
use juden_domain::month::{BillingMonth, japan_midnight};
use juden_store::billing::{ClosedMonth, Run};

/// How often it is looked whether something is due.
const LOOK_EVERY: Duration = Duration::from_secs(20);

/// When it is looked again after a fault: a big month's close is not to be begun over and over.
const LOOK_AFTER_FAULT: Duration = Duration::from_secs(120);

/// The turn of whoever closes months or cuts final invoices, among all nodes.
const CLOSING: &str = "closing";

/// The last day of a month that every month has.
pub const CLOSE_DAY_MAX: u32 = 28;

impl Closing {
    /// Closes a month that is over: rates every member, issues the invoices, freezes all of it. A closed
    /// month answers as it was closed.
    pub async fn close_month(&self, month: BillingMonth) -> Done<ClosedMonth> {
        let _alone = self.closing.lock().await;
        let _turn = self.store.turns(&[CLOSING]).await?;
        let now = self.clock.now();
        self.issue_finals(now).await?;
        self.close_at(month, now).await
    }

    /// Cuts the final invoices that are due, in the order in which they fell due.
    async fn issue_finals(&self, now: DateTime<Utc>) -> Done<()> {
        while let Some((member, due)) =
            self.store.next_ending().await?.filter(|(_, due)| *due <= now)
        {
            self.issue_final(&member, due).await?;
        }
        Ok(())
    }

    async fn close_at(&self, month: BillingMonth, at: DateTime<Utc>) -> Done<ClosedMonth> {
        if let Some(closed) = self.store.closed_month(month).await? {
            return Ok(closed);
        }
        if !self.billing.rules.issuer.may_issue() {
            return Err(AppError::conflict(
                "issuer_missing",
                "who issues the invoices is not set: set issuer-name and issuer-registration-number, or issuer-name none",
            ));
        }
        if at < month.end() {
            return Err(AppError::conflict(
                "month_not_over",
                format!("the month {month} ends at {}", month.end().to_rfc3339()),
            ));
        }
        if let Some(open) = self.billing.earliest_open().await?.filter(|open| *open < month) {
            return Err(AppError::conflict(
                "earlier_month_open",
                format!("close {open} first: months are closed in order"),
            ));
        }
        let run = self.store.begin_run(month, at).await?;
        // What changed before the run began is in it.
        self.programme.refresh().await?;
        let sessions = self.draw_all(&run, month, at).await?;
        let closed = self.sum_up(&run, month, at, sessions).await?;
        self.store.complete_run(&run, &closed).await?;
        info!(%month, members = closed.members, sessions, total_yen = %closed.total, "a month was closed");
        self.store
            .closed_month(month)
            .await?
            .ok_or(AppError::Busy("the month is being closed by another node"))
    }

    /// Draws up and writes every member's invoices; how many sessions of the month they bill.
    async fn draw_all(&self, run: &Run, month: BillingMonth, at: DateTime<Utc>) -> Done<i64> {
        let programme = self.programme.current();
        let mut close = Close::of(month, at, &programme);
        close.places = self.billing.places().await?;
        close.invoiced = self.store.members_with_final().await?.into_iter().collect();
        close.invoiced.extend(self.store.members_with_credit().await?);
        for (member, from) in self.store.rechecks(run.recheck_until).await? {
            match member {
                Some(member) => {
                    close.rechecks.insert(member, from);
                }
                None => close.recheck_all = Some(from),
            }
        }
        let mut sessions = 0;
        let mut page = self.billing.billing_page(&close, None).await?;
        while let Some(last) = page.members.last() {
            let after = Some(last.id.to_string());
            let mut parts = Vec::new();
            for member in &page.members {
                let mut drawn = invoice::draw_up(&page.facts(member, &close))?;
                close.places.tell(&mut drawn.billed, page.sessions_of(member));
                sessions += drawn.sessions;
                parts.push(self.billing.issue(member, drawn, month, at, &programme));
            }
            parts.retain(|part| !part.invoices.is_empty() || !part.billed.is_empty());
            // One page is written while the next is read.
            let (saved, next) = tokio::join!(
                self.store.save_parts(run, month, &parts),
                self.billing.billing_page(&close, after)
            );
            saved?;
            page = next?;
        }
        Ok(sessions)
    }

    /// Counts and hashes what a run is about to issue.
    async fn sum_up(
        &self,
        run: &Run,
        month: BillingMonth,
        at: DateTime<Utc>,
        sessions: i64,
    ) -> Done<ClosedMonth> {
        let failed = |_| AppError::Busy("the export could not be written");
        let mut hash = CsvHash::begin().map_err(failed)?;
        let mut closed = ClosedMonth {
            month,
            closed_at: at,
            members: 0,
            sessions,
            total: Default::default(),
            sha256: String::new(),
            layout: LAYOUT,
        };
        let mut last: Option<MemberId> = None;
        let mut pages = self.billing.invoice_pages(month, Some(*run));
        while let Some(invoices) = pages.next().await? {
            for invoice in invoices.into_iter().filter(|invoice| invoice.kind.is_billed()) {
                closed.members += i64::from(last.as_ref() != Some(&invoice.member));
                closed.total = closed.total + invoice.total();
                hash.add(&invoice).map_err(failed)?;
                last = Some(invoice.member);
            }
        }
        closed.sha256 = hash.finish();
        Ok(closed)
    }

    /// Cuts the final invoice of a membership that the operator ended.
    async fn issue_final(&self, id: &MemberId, at: DateTime<Utc>) -> Done<()> {
        let Some(month) = self.billing.earliest_open().await? else { return Ok(()) };
        let member = found::member(self.store.as_ref(), id).await?;
        let programme = self.programme.current();
        let waits_from = self.billing.waits_from(id).await?;
        // Sessions of every open month count, so the page is read up to the last of them.
        let mut read = Close::of(BillingMonth::of(at).max(month), at, &programme);
        read.recheck_all = Some(waits_from.unwrap_or(month).min(month));
        read.invoiced.insert(id.clone());
        let page = self.billing.with_facts(&read, vec![member.clone()]).await?;
        let close = Close { recheck_all: waits_from, ..Close::of(month, at, &programme) };
        let mut drawn = invoice::draw_up_final(&page.facts(&member, &close))?;
        self.billing.places().await?.tell(&mut drawn.billed, page.sessions_of(&member));
        let part = self.billing.issue(&member, drawn, month, at, &programme);
        self.store.issue_final(month, &part).await?;
        info!(member_id = %id, invoices = part.invoices.len(), "a membership that was ended had its final invoice");
        Ok(())
    }

    /// The instant at which a month is closed by itself (rule B1).
    pub fn closes_at(&self, month: BillingMonth) -> Option<DateTime<Utc>> {
        let (day, time) = self.billing.rules.month_close?;
        let close_day = month.next().first_day().with_day(day)?;
        Some(japan_midnight(close_day) + (time - chrono::NaiveTime::MIN))
    }

    /// Does everything that is due, in the order in which it fell due, each as of that instant.
    pub async fn run_due(&self) -> Done<()> {
        self.deliveries.look_at_due_cards().await?;
        self.overdue.end_overdue().await?;
        self.overdue.ask_for_missing_events().await;
        let _alone = self.closing.lock().await;
        let _turn = self.store.turns(&[CLOSING]).await?;
        loop {
            let now = self.clock.now();
            let open = self.billing.earliest_open().await?;
            let close = open
                .and_then(|month| Some((self.closes_at(month)?, month)))
                .filter(|(due, _)| *due <= now);
            let ending = self.store.next_ending().await?.filter(|(_, due)| *due <= now);
            match (close, ending) {
                (Some((close_due, month)), Some((_, ending_due))) if close_due <= ending_due => {
                    self.close_at(month, close_due).await.map(|_| ())?;
                }
                (_, Some((member, due))) => self.issue_final(&member, due).await?,
                (Some((due, month)), None) => self.close_at(month, due).await.map(|_| ())?,
                (None, None) => return Ok(()),
            }
        }
    }

    /// Removes journal and readings from before a month. All months before it must be closed: what is billed
    /// still rests on them. How many rows.
    pub async fn forget_before(&self, month: BillingMonth) -> Done<u64> {
        let open = self.billing.earliest_open().await?;
        if let Some(open) = open.filter(|open| *open < month) {
            return Err(AppError::conflict(
                "month_not_closed",
                format!("{open} is not closed: what it rests on is kept"),
            ));
        }
        Ok(self.store.forget_before(month).await?)
    }

    /// Looks now and then whether something is due, for as long as it is polled.
    pub async fn keep_looking(&self) {
        loop {
            let done = match self.programme.refresh().await {
                Ok(()) => match self.store.make_room(self.clock.now()).await {
                    Ok(()) => self.run_due().await,
                    Err(cause) => Err(cause.into()),
                },
                Err(cause) => Err(cause.into()),
            };
            let wait = match done {
                Ok(()) => {
                    self.health.months_were_looked_at(None);
                    LOOK_EVERY
                }
                Err(cause) => {
                    self.health.months_were_looked_at(Some(cause.to_string()));
                    warn!(%cause, "what is due could not be done; it will be tried again");
                    LOOK_AFTER_FAULT
                }
            };
            tokio::time::sleep(wait).await;
        }
    }
}

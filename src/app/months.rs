//! Closing months, and rating them again to verify what was billed.

use std::time::Duration;

use chrono::{DateTime, Datelike, Utc};
use tracing::{info, warn};

use super::{App, AppError, Done};
use crate::domain::bill::{Bill, Line};
use crate::domain::ids::MemberId;
use crate::domain::month::{BillingMonth, japan_midnight};
use crate::domain::session::BillingState;
use crate::export;
use crate::hex;
use crate::store::{ClosedMonth, Page};

/// Members rated between two reads of the store.
const MEMBERS_AT_ONCE: i64 = 200;

/// How often it is looked whether a month is due.
const LOOK_EVERY: Duration = Duration::from_secs(20);

/// A difference between what was billed and what the month comes to now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Whose.
    pub member: MemberId,
    /// What was billed, as a line prints.
    pub billed: Option<String>,
    /// What it comes to now.
    pub rated: Option<String>,
}

impl App {
    /// Closes a month that is over: rates every member and freezes the bills. A closed month
    /// answers as it was closed.
    pub async fn close_month(&self, month: BillingMonth) -> Done<ClosedMonth> {
        let _alone = self.closing.lock().await;
        if let Some(closed) = self.store.closed_month(month).await? {
            return Ok(closed);
        }
        let now = self.now();
        if now < month.end() {
            return Err(AppError::conflict("month_not_over", format!("the month {month} ends at {}", month.end().to_rfc3339())));
        }
        if let Some(open) = self.earliest_open_before(month).await? {
            return Err(AppError::conflict("earlier_month_open", format!("close {open} first: months are closed in order")));
        }
        let (bills, sessions) = self.rate_all(month).await?;
        let documents = self.invoices(&bills).await?;
        let csv = export::csv::render(&documents).map_err(|_| AppError::Busy("the export could not be written"))?;
        let closed = ClosedMonth {
            month,
            closed_at: now,
            members: i64::try_from(bills.len()).unwrap_or(i64::MAX),
            sessions,
            total: bills.iter().map(Bill::total).sum(),
            sha256: hex::sha256(&csv),
        };
        self.store.close_month(&closed, &bills).await?;
        info!(%month, members = closed.members, sessions, total_yen = %closed.total, "a month was closed");
        self.store.closed_month(month).await?.ok_or(AppError::Busy("the month is being closed by another node"))
    }

    async fn earliest_open_before(&self, month: BillingMonth) -> Done<Option<BillingMonth>> {
        let Some(mut candidate) = self.store.first_month().await? else {
            return Ok(None);
        };
        while candidate < month {
            if self.store.closed_month(candidate).await?.is_none() {
                return Ok(Some(candidate));
            }
            candidate = candidate.next();
        }
        Ok(None)
    }

    /// Every member's bill that has lines, in order of the member's id, and how many sessions they bill.
    async fn rate_all(&self, month: BillingMonth) -> Done<(Vec<Bill>, i64)> {
        let mut bills = Vec::new();
        let mut billed_sessions = 0;
        let mut after = None;
        loop {
            let members = self.store.members(&Page { after, limit: MEMBERS_AT_ONCE }).await?;
            let Some(last) = members.last() else {
                return Ok((bills, billed_sessions));
            };
            after = Some(last.id.to_string());
            for member in &members {
                let (rated, _) = self.rated_month(member, month).await?;
                billed_sessions += rated.sessions.iter().filter(|session| session.state == BillingState::Ended).map(|_| 1).sum::<i64>();
                if !rated.bill.lines.is_empty() {
                    bills.push(rated.bill);
                }
            }
        }
    }

    /// Bills with what an invoice says of the member.
    pub async fn invoices(&self, bills: &[Bill]) -> Done<Vec<export::Invoice>> {
        let mut invoices = Vec::with_capacity(bills.len());
        for bill in bills {
            let member = self.member(&bill.member).await?;
            invoices.push(export::Invoice {
                bill: bill.clone(),
                member_name: member.admission.name,
                payment_method: member.admission.payment.name(),
            });
        }
        Ok(invoices)
    }

    /// A closed month's export documents.
    pub async fn closed_invoices(&self, month: BillingMonth) -> Done<(ClosedMonth, Vec<export::Invoice>)> {
        let closed = self.store.closed_month(month).await?;
        let closed = closed.ok_or_else(|| AppError::conflict("month_open", format!("the month {month} is not closed: close it first")))?;
        let bills = self.store.bills(month).await?;
        Ok((closed, self.invoices(&bills).await?))
    }

    /// Rates a closed month again and compares it with what was billed, line by line.
    pub async fn verify_month(&self, month: BillingMonth) -> Done<Vec<Difference>> {
        if self.store.closed_month(month).await?.is_none() {
            return Err(AppError::conflict("month_open", format!("the month {month} is not closed: nothing was billed")));
        }
        let billed = self.store.bills(month).await?;
        let (rated, _) = self.rate_all(month).await?;
        Ok(differences(&billed, &rated))
    }

    /// The instant at which a month is closed by itself (rule B1).
    pub fn closes_at(&self, month: BillingMonth) -> Option<DateTime<Utc>> {
        let (day, time) = self.settings.month_close?;
        let close_day = month.next().first_day().with_day(day)?;
        Some(japan_midnight(close_day) + (time - chrono::NaiveTime::MIN))
    }

    /// Closes every month that is due, in order.
    pub async fn run_due(&self) -> Done<()> {
        let Some(mut month) = self.store.first_month().await? else {
            return Ok(());
        };
        while self.closes_at(month).is_some_and(|due| due <= self.now()) {
            self.close_month(month).await?;
            month = month.next();
        }
        Ok(())
    }

    /// Looks now and then whether something is due, for as long as it is polled.
    pub async fn keep_looking(&self) {
        loop {
            if let Err(cause) = self.run_due().await {
                warn!(%cause, "a month that is due could not be closed; it will be tried again");
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

/// Prints a line as differences show it.
fn printed(line: &Line) -> String {
    let sessions: Vec<String> = line.sessions.iter().map(ToString::to_string).collect();
    format!(
        "{} {}: {} x {} = {} yen ({}) {}",
        line.usage_month,
        line.code.name(),
        line.quantity,
        line.unit_price,
        line.amount,
        line.tariff_version,
        sessions.join(" ")
    )
}

fn differences(billed: &[Bill], rated: &[Bill]) -> Vec<Difference> {
    let lines = |bills: &[Bill]| -> Vec<(MemberId, String)> {
        bills.iter().flat_map(|bill| bill.lines.iter().map(|line| (bill.member.clone(), printed(line)))).collect()
    };
    let (billed, rated) = (lines(billed), lines(rated));
    let gone = billed.iter().filter(|line| !rated.contains(line));
    let new = rated.iter().filter(|line| !billed.contains(line));
    let mut found: Vec<Difference> = gone
        .map(|(member, line)| Difference { member: member.clone(), billed: Some(line.clone()), rated: None })
        .chain(new.map(|(member, line)| Difference { member: member.clone(), billed: None, rated: Some(line.clone()) }))
        .collect();
    found.sort_by(|a, b| a.member.cmp(&b.member));
    found
}

/// The last day of a month that every month has.
pub const CLOSE_DAY_MAX: u32 = 28;

//! A member's usage and bills, out of the one rating function and the issued invoices, and what stands
//! behind each line.

use crate::billing::Billing;
use crate::billing::drawing::Close;
use crate::error::{AppError, Done};
use crate::found;
use juden_domain::bill::{self, Line};
use juden_domain::ids::MemberId;
use juden_domain::invoice::{self, Invoice, InvoiceKind};
use juden_domain::member::Member;
use juden_domain::month::BillingMonth;
use juden_domain::rating::{self, RatedMonth};
use juden_domain::refusal::Reason;
use juden_domain::session::Session;
use juden_domain::units::Yen;

/// A member's bill of a month: the invoices that belong to it.
#[derive(Debug, Clone)]
pub struct BillView {
    /// The member.
    pub member: MemberId,
    /// The month.
    pub month: BillingMonth,
    /// Issued ones, and for an open month what would be issued now.
    pub invoices: Vec<Invoice>,
    /// Frozen by the month's close.
    pub closed: bool,
}

impl BillView {
    /// Every line, in the order of the invoices.
    pub fn lines(&self) -> impl Iterator<Item = (&Invoice, &Line)> {
        self.invoices
            .iter()
            .flat_map(|invoice| invoice.lines.iter().map(move |line| (invoice, line)))
            .filter(|(invoice, line)| self.shows(invoice, line))
    }

    /// Whether a line stands on this month's bill: a final invoice holds the lines of several months.
    fn shows(&self, invoice: &Invoice, line: &Line) -> bool {
        invoice.kind != InvoiceKind::Final || line.usage_month.max(invoice.month) == self.month
    }

    /// What the lines come to.
    pub fn total(&self) -> Yen {
        self.lines().map(|(_, line)| line.amount).sum()
    }

    /// The tax contained in them, taken once per rate and invoice.
    pub fn tax(&self) -> Yen {
        let of_invoice = |invoice: &Invoice| {
            let lines: Vec<Line> =
                invoice.lines.iter().filter(|line| self.shows(invoice, line)).cloned().collect();
            bill::tax(&lines)
        };
        self.invoices.iter().map(of_invoice).sum()
    }
}

/// A session behind a line: as it was recorded with the invoice, or, where nothing is issued yet, as its
/// month is rated now.
#[derive(Debug, Clone)]
pub struct Explained {
    /// The session.
    pub session: Session,
    /// Its units out of the pool.
    pub free: i64,
    /// Its units that cost.
    pub charged: i64,
    /// Whether the record takes an earlier one back: a close found that the session's units or price had changed.
    pub is_credit: bool,
}

impl Billing {
    /// A member's usage of a month that has begun. An ended membership can be seen for a time (rule R13.7),
    /// and by `archive` always.
    pub async fn usage(
        &self,
        member: &MemberId,
        month: BillingMonth,
        archive: bool,
    ) -> Done<(RatedMonth, Vec<Session>)> {
        let member = self.viewed(member, archive).await?;
        self.check_begun(month)?;
        self.rated_month(&member, month).await
    }

    /// A member's bill of a month.
    pub async fn bill(
        &self,
        member: &MemberId,
        month: BillingMonth,
        archive: bool,
    ) -> Done<BillView> {
        let member = self.viewed(member, archive).await?;
        self.check_begun(month)?;
        let closed = self.store.closed_month(month).await?.is_some();
        let mut invoices = self.store.invoices_of_members(&[&member.id]).await?;
        let on_final = |invoice: &Invoice| {
            invoice.kind == InvoiceKind::Final
                && invoice.lines.iter().any(|line| line.usage_month == month)
        };
        let is_settled = invoices.iter().any(on_final);
        invoices.retain(|invoice| {
            invoice.kind.is_billed() && (invoice.month == month || on_final(invoice))
        });
        let closed = closed || is_settled;
        if !closed {
            invoices.extend(self.provisional(&member, month).await?);
        }
        Ok(BillView { member: member.id, month, invoices, closed })
    }

    /// What the close of an open month would issue now. Corrections of closed months go with the earliest.
    async fn provisional(&self, member: &Member, month: BillingMonth) -> Done<Vec<Invoice>> {
        let programme = self.programme.current();
        let is_next = self.earliest_open().await?.is_none_or(|open| open >= month);
        let at = self.clock.now();
        let mut close = Close::of(month, at, &programme);
        close.recheck_all = if is_next { self.waits_from(&member.id).await? } else { None };
        close.invoiced.insert(member.id.clone());
        let page = self.with_facts(&close, vec![member.clone()]).await?;
        let drawn = invoice::draw_up(&page.facts(member, &close))?;
        let mut invoices = self.issue(member, drawn, month, at, &programme).invoices;
        invoices.retain(|invoice| invoice.kind.is_billed());
        Ok(invoices)
    }

    /// A line of a bill, by its place from 1, with the sessions behind it.
    pub async fn explain(
        &self,
        member: &MemberId,
        month: BillingMonth,
        place: usize,
        archive: bool,
    ) -> Done<(Invoice, Line, Vec<Explained>)> {
        let view = self.bill(member, month, archive).await?;
        let found = place.checked_sub(1).and_then(|place| view.lines().nth(place));
        let (invoice, line) = found
            .map(|(invoice, line)| (invoice.clone(), line.clone()))
            .ok_or_else(|| AppError::not_found("line", place))?;
        let recorded =
            if view.closed { self.recorded(member, month, &line).await? } else { Vec::new() };
        let explained =
            if recorded.is_empty() { self.as_rated(member, &line).await? } else { recorded };
        Ok((invoice, line, explained))
    }

    /// The sessions of an issued line as its close recorded them.
    async fn recorded(
        &self,
        member: &MemberId,
        month: BillingMonth,
        line: &Line,
    ) -> Done<Vec<Explained>> {
        let sessions = self.store.sessions_by_reference(&line.sessions).await?;
        let parts = self.store.billed_of_members(&[member]).await?;
        let groups = parts.iter().filter(|part| part.month == month).flat_map(|part| &part.groups);
        let records = groups
            .filter(|group| group.usage_month == line.usage_month)
            .flat_map(|group| &group.sessions);
        let explained = records.filter_map(|record| {
            let session =
                sessions.iter().find(|session| session.reference == record.session)?.clone();
            Some(Explained {
                session,
                free: record.free,
                charged: record.charged,
                is_credit: record.is_credit,
            })
        });
        Ok(explained.collect())
    }

    /// The sessions of a line as their month is rated now.
    async fn as_rated(&self, member: &MemberId, line: &Line) -> Done<Vec<Explained>> {
        let member = found::member(self.store.as_ref(), member).await?;
        let (rated, sessions) = self.rated_month(&member, line.usage_month).await?;
        let explained = rated
            .sessions
            .iter()
            .filter(|rated| line.sessions.contains(&rated.reference))
            .filter_map(|rated| {
                let session = sessions.iter().find(|session| session.id == rated.id)?.clone();
                Some(Explained {
                    session,
                    free: rated.split.free,
                    charged: rated.split.charged,
                    is_credit: false,
                })
            });
        Ok(explained.collect())
    }

    /// A member's month, rated as it stands.
    pub async fn rated_month(
        &self,
        member: &Member,
        month: BillingMonth,
    ) -> Done<(RatedMonth, Vec<Session>)> {
        let programme = self.programme.current();
        let sessions = self.sessions_for(member, month).await?;
        let rated = rating::rate(member, &sessions, month, &programme)?;
        Ok((rated, sessions))
    }

    /// The sessions that a member's month is rated by.
    pub(crate) async fn sessions_for(
        &self,
        member: &Member,
        month: BillingMonth,
    ) -> Done<Vec<Session>> {
        let first = rating::first_month_needed(member, month, &self.programme.current());
        // Sessions of the month after may overlap the month's last ones.
        Ok(self.store.sessions_of_members(&[&member.id], first, month.next()).await?)
    }

    async fn viewed(&self, id: &MemberId, archive: bool) -> Done<Member> {
        let member = found::member(self.store.as_ref(), id).await?;
        let until = member.viewable_until(&self.programme.current()).filter(|_| !archive);
        if until.is_some_and(|until| until <= self.clock.now()) {
            return Err(Reason::MembershipEnded.into());
        }
        Ok(member)
    }

    fn check_begun(&self, month: BillingMonth) -> Done<()> {
        if month.start() > self.clock.now() {
            return Err(AppError::conflict(
                "month_not_begun",
                format!("the month {month} has not begun"),
            ));
        }
        Ok(())
    }
}

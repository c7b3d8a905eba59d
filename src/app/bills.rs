//! A member's usage and bill of a month, out of the one rating function.

use super::{App, AppError, Done};
use crate::domain::bill::Bill;
use crate::domain::ids::MemberId;
use crate::domain::month::BillingMonth;
use crate::domain::rating::RatedMonth;
use crate::domain::session::Session;

/// A bill and whether it can still change.
#[derive(Debug, Clone)]
pub struct BillView {
    /// The bill.
    pub bill: Bill,
    /// Frozen by the month's close.
    pub closed: bool,
}

impl App {
    /// A member's usage of a month that has begun.
    pub async fn usage(&self, member: &MemberId, month: BillingMonth) -> Done<(RatedMonth, Vec<Session>)> {
        let member = self.member(member).await?;
        self.check_begun(month)?;
        self.rated_month(&member, month).await
    }

    /// A member's bill: the frozen one of a closed month, else what it would be now.
    pub async fn bill(&self, member: &MemberId, month: BillingMonth) -> Done<BillView> {
        let member = self.member(member).await?;
        self.check_begun(month)?;
        if self.store.closed_month(month).await?.is_some() {
            let none = Bill { member: member.id.clone(), month, lines: Vec::new() };
            let bill = self.store.bill(month, &member.id).await?.unwrap_or(none);
            return Ok(BillView { bill, closed: true });
        }
        let (rated, _) = self.rated_month(&member, month).await?;
        Ok(BillView { bill: rated.bill, closed: false })
    }

    fn check_begun(&self, month: BillingMonth) -> Done<()> {
        if month.start() > self.now() {
            return Err(AppError::conflict("month_not_begun", format!("the month {month} has not begun")));
        }
        Ok(())
    }
}

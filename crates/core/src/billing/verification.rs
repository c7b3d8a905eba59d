//! Rating a closed month again, to verify what was billed for it.

use std::collections::HashMap;

use crate::billing::Billing;
use crate::billing::drawing::Close;
use crate::error::Done;
use juden_domain::bill::{self, Line, LineCode};
use juden_domain::ids::MemberId;
use juden_domain::invoice::{Invoice, belongs_to};
use juden_domain::month::BillingMonth;
use juden_domain::rating::rate;
use juden_domain::units::Yen;

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

impl Billing {
    /// Rates a closed month again and compares it with what was billed for it up to now: line by line, or,
    /// where later invoices corrected it, sum by sum.
    pub async fn verify_month(&self, month: BillingMonth) -> Done<Vec<Difference>> {
        self.closed(month).await?;
        let programme = self.programme.current();
        let close = Close::of(month, self.clock.now(), &programme);
        let mut found = Vec::new();
        let mut after = None;
        loop {
            let page = self.billing_page(&close, after).await?;
            let Some(last) = page.members.last() else {
                return Ok(found);
            };
            after = Some(last.id.to_string());
            let ids: Vec<&MemberId> = page.members.iter().map(|member| &member.id).collect();
            let mut invoices: HashMap<MemberId, Vec<Invoice>> = HashMap::new();
            for invoice in self.store.invoices_of_members(&ids).await? {
                invoices.entry(invoice.member.clone()).or_default().push(invoice);
            }
            for member in &page.members {
                let facts = page.facts(member, &close);
                let rated = rate(member, facts.sessions, month, &programme)?;
                let billed: Vec<&Line> = invoices
                    .get(&member.id)
                    .into_iter()
                    .flatten()
                    .flat_map(|invoice| &invoice.lines)
                    .filter(|line| belongs_to(line, month))
                    .collect();
                let differing = differences(&member.id, &billed, &rated.bill.lines);
                if !differing.is_empty()
                    && !self.is_settled(&member.id, month, &billed, &rated.bill.lines).await?
                {
                    found.extend(differing);
                }
            }
        }
    }
}

impl Billing {
    /// Whether a month that comes to what was invoiced, if by other lines, was taken up by a later close: its
    /// charge records were credited and made anew, and there was nothing to adjust.
    async fn is_settled(
        &self,
        member: &MemberId,
        month: BillingMonth,
        billed: &[&Line],
        rated: &[Line],
    ) -> Done<bool> {
        let sum: Yen = billed.iter().map(|line| line.amount).sum();
        if sum != bill::total(rated) {
            return Ok(false);
        }
        let records = self.store.billed_of_members(&[member]).await?;
        let groups =
            records.iter().flat_map(|part| &part.groups).filter(|group| group.usage_month == month);
        Ok(groups.flat_map(|group| &group.sessions).any(|record| record.is_credit))
    }
}

fn differences(member: &MemberId, billed: &[&Line], rated: &[Line]) -> Vec<Difference> {
    let difference = |billed: Option<String>, rated: Option<String>| Difference {
        member: member.clone(),
        billed,
        rated,
    };
    let is_corrected =
        billed.iter().any(|line| matches!(line.code, LineCode::Adjustment | LineCode::Credit));
    if is_corrected {
        let sum: Yen = billed.iter().map(|line| line.amount).sum();
        let now: Yen = rated.iter().map(|line| line.amount).sum();
        let printed = |what: &str, sum: Yen| Some(format!("{what} {sum} yen"));
        return if sum == now {
            Vec::new()
        } else {
            vec![difference(printed("invoices and corrections:", sum), printed("all lines:", now))]
        };
    }
    let billed: Vec<String> = billed.iter().map(|line| printed(line)).collect();
    let rated: Vec<String> = rated.iter().map(printed).collect();
    let gone = billed
        .iter()
        .filter(|line| !rated.contains(line))
        .map(|line| difference(Some(line.clone()), None));
    let new = rated
        .iter()
        .filter(|line| !billed.contains(line))
        .map(|line| difference(None, Some(line.clone())));
    gone.chain(new).collect()
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

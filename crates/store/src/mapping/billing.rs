//! Reads rows of invoices, billed sessions and closed months.

use juden_domain::invoice::Invoice;
use juden_domain::month::BillingMonth;
use juden_domain::units::Yen;

use super::{Columns, member_id};
use crate::billing::{BilledPart, ClosedMonth};
use crate::documents::invoices::{InvoiceColumns, read_billed, read_invoice};
use crate::{StoreError, Stored};

/// An invoice.
pub fn invoice(row: &impl Columns) -> Stored<Invoice> {
    let (id, kind): (String, String) = (row.of("invoice_id")?, row.of("kind")?);
    let (month, member): (String, String) = (row.of("month")?, row.of("member_id")?);
    let columns = InvoiceColumns {
        id: &id,
        kind: &kind,
        month: &month,
        member: &member,
        issued_at: row.of("issued_at")?,
    };
    read_invoice(&columns, &row.of::<String>("document")?)
}

/// The records of a member's billed sessions.
pub fn billed_part(row: &impl Columns) -> Stored<BilledPart> {
    Ok(BilledPart {
        member: member_id(&row.of::<String>("member_id")?)?,
        month: BillingMonth::parse(&row.of::<String>("month")?)
            .ok_or(StoreError::Unreadable("billed sessions"))?,
        part: row.of("part")?,
        groups: read_billed(&row.of::<String>("document")?)?,
    })
}

/// A closed month.
pub fn closed_month(row: &impl Columns, month: BillingMonth) -> Stored<ClosedMonth> {
    Ok(ClosedMonth {
        month,
        closed_at: row.of("closed_at")?,
        members: row.of("members")?,
        sessions: row.of("sessions")?,
        total: Yen::from_hundredths(row.of("total_hundredths")?),
        sha256: row.of("sha256")?,
        layout: row.of("layout")?,
    })
}

//! What a collection agent needs to collect (article 11, rule R11.1), and nothing else: no sessions, no
//! sites, no cards. Refunds have the same columns in a file of their own.

use std::io;

use super::csv::{cell, written};
use juden_domain::invoice::Invoice;
use juden_domain::month::in_japan;

/// The columns.
pub const COLUMNS: [&str; 12] = [
    "invoice_id",
    "kind",
    "member_id",
    "member_name",
    "payment_method",
    "collection_agent",
    "period",
    "issue_date",
    "due_date",
    "total_yen",
    "tax_yen",
    "previous_invoice_id",
];

/// A row an invoice.
pub fn rows(invoices: &[Invoice]) -> io::Result<Vec<u8>> {
    written(invoices.iter().map(|invoice| {
        [
            invoice.id.clone(),
            invoice.kind.name().to_owned(),
            invoice.member.to_string(),
            cell(&invoice.recipient_name),
            invoice.payment.kind.name().to_owned(),
            cell(&invoice.issuer.collection_agent),
            invoice.month.to_string(),
            in_japan(invoice.issued_at).date_naive().to_string(),
            invoice.due_on.to_string(),
            invoice.total().to_string(),
            invoice.tax().to_string(),
            invoice.previous().unwrap_or_default().to_owned(),
        ]
    }))
}

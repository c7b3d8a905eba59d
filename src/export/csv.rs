//! CSV (RFC 4180, UTF-8): a row a line, sorted by member, then line.

use super::{Invoice, KIND};
use crate::domain::bill::Line;

/// The columns.
pub const COLUMNS: [&str; 18] = [
    "invoice_id",
    "kind",
    "member_id",
    "member_name",
    "payment_method",
    "usage_month",
    "line",
    "code",
    "quantity",
    "unit",
    "unit_price_yen",
    "amount_yen",
    "tax_rate",
    "tax_yen_total",
    "total_yen",
    "tariff_version",
    "session_ids",
    "previous_invoice_id",
];

/// Writes invoices.
pub fn render(invoices: &[Invoice]) -> std::io::Result<Vec<u8>> {
    let mut writer = ::csv::WriterBuilder::new().terminator(::csv::Terminator::CRLF).from_writer(Vec::new());
    writer.write_record(COLUMNS)?;
    for invoice in invoices {
        for (number, line) in (1..).zip(&invoice.bill.lines) {
            writer.write_record(row(invoice, number, line))?;
        }
    }
    writer.into_inner().map_err(|failed| failed.into_error())
}

fn row(invoice: &Invoice, number: usize, line: &Line) -> [String; 18] {
    let bill = &invoice.bill;
    let sessions: Vec<String> = line.sessions.iter().map(ToString::to_string).collect();
    [
        bill.invoice_id(),
        KIND.to_owned(),
        bill.member.to_string(),
        invoice.member_name.clone(),
        invoice.payment_method.to_owned(),
        line.usage_month.to_string(),
        number.to_string(),
        line.code.name().to_owned(),
        line.quantity.to_string(),
        line.unit.clone(),
        line.unit_price.to_string(),
        line.amount.to_string(),
        line.tax_rate.to_string(),
        bill.tax().to_string(),
        bill.total().to_string(),
        line.tariff_version.clone(),
        sessions.join(" "),
        String::new(),
    ]
}

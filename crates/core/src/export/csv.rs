//! CSV (RFC 4180, UTF-8): a row a line, sorted by member, then invoice, then line.

use std::io;

use super::LAYOUT;
use juden_domain::bill::Line;
use juden_domain::hex::Sha256;
use juden_domain::invoice::Invoice;

/// The columns.
const COLUMNS: [&str; 20] = [
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
    "name_ja",
    "reason",
];

/// Columns of the first layout.
const FIRST_COLUMNS: usize = 18;

/// The columns of a layout.
pub fn columns(layout: i64) -> &'static [&'static str] {
    if layout < LAYOUT { &COLUMNS[..FIRST_COLUMNS] } else { &COLUMNS }
}

/// A cell that no program takes for a formula: what would begin one has an apostrophe before it.
pub fn cell(text: &str) -> String {
    let begins_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    if begins_formula && text.parse::<rust_decimal::Decimal>().is_err() {
        format!("'{text}")
    } else {
        text.to_owned()
    }
}

/// Rows as text.
pub(super) fn written<R: IntoIterator<Item = T>, T: AsRef<[u8]>>(
    rows: impl IntoIterator<Item = R>,
) -> io::Result<Vec<u8>> {
    let mut writer =
        ::csv::WriterBuilder::new().terminator(::csv::Terminator::CRLF).from_writer(Vec::new());
    for row in rows {
        writer.write_record(row)?;
    }
    writer.into_inner().map_err(csv::IntoInnerError::into_error)
}

/// The header.
pub fn header(columns: &[&str]) -> io::Result<Vec<u8>> {
    written([columns])
}

/// Invoices' rows.
pub fn rows(invoices: &[Invoice], layout: i64) -> io::Result<Vec<u8>> {
    written(invoices.iter().flat_map(|invoice| {
        let (total, tax) = (invoice.total().to_string(), invoice.tax().to_string());
        (1..).zip(&invoice.lines).map(move |(number, line)| {
            row(invoice, number, line, &total, &tax)
                .into_iter()
                .take(columns(layout).len())
                .collect::<Vec<_>>()
        })
    }))
}

fn row(invoice: &Invoice, number: usize, line: &Line, total: &str, tax: &str) -> [String; 20] {
    let sessions: Vec<&str> =
        line.sessions.iter().map(juden_domain::ids::SessionRef::as_str).collect();
    [
        invoice.id.clone(),
        invoice.kind.name().to_owned(),
        invoice.member.to_string(),
        cell(&invoice.recipient_name),
        invoice.payment.kind.name().to_owned(),
        line.usage_month.to_string(),
        number.to_string(),
        line.code.name().to_owned(),
        line.quantity.to_string(),
        line.unit.clone(),
        line.unit_price.to_string(),
        line.amount.to_string(),
        line.tax_rate.to_string(),
        tax.to_owned(),
        total.to_owned(),
        line.tariff_version.clone(),
        sessions.join(" "),
        line.previous_invoice.clone().unwrap_or_default(),
        line.code.japanese().to_owned(),
        line.reason.as_deref().map(cell).unwrap_or_default(),
    ]
}

/// The hash of a month's CSV file, made invoice by invoice.
pub struct CsvHash(Sha256);

impl CsvHash {
    /// Of a file with its header alone.
    pub fn begin() -> io::Result<Self> {
        let mut hash = Sha256::default();
        hash.add(&header(columns(LAYOUT))?);
        Ok(Self(hash))
    }

    /// Adds an invoice.
    pub fn add(&mut self, invoice: &Invoice) -> io::Result<()> {
        self.0.add(&rows(std::slice::from_ref(invoice), LAYOUT)?);
        Ok(())
    }

    /// The hash, in hex.
    pub fn finish(self) -> String {
        self.0.finish()
    }
}

//! Writing a closed month's export piece by piece.

use serde_json::Value;

use crate::billing::Billing;
use crate::billing::invoices::{BilledPages, InvoicePages};
use crate::error::{AppError, Done};
use crate::export::files::{self, Tally};
use crate::export::{Format, Party, cdr};
use juden_domain::hex::Sha256;
use juden_domain::month::BillingMonth;
use juden_store::billing::ClosedMonth;

enum Pages<'a> {
    Invoices(InvoicePages<'a>),
    Billed(BilledPages<'a>),
}

/// An export under way: pieces of bytes, and what they come to so far.
pub struct Export<'a> {
    closed: ClosedMonth,
    format: Format,
    party: Option<Party>,
    pages: Pages<'a>,
    begun: bool,
    /// What the pieces so far come to.
    pub tally: Tally,
}

impl Billing {
    /// Begins a closed month's export.
    pub async fn export(&self, month: BillingMonth, format: Format) -> Done<Export<'_>> {
        let closed = self.closed(month).await?;
        let party = match (format, &self.rules.party) {
            (Format::OcpiCdr, None) => {
                return Err(AppError::conflict(
                    "party_missing",
                    "who issues charge records is not set: set party-id, and country-code where it is not JP",
                ));
            }
            (_, party) => party.clone(),
        };
        let pages = match format {
            Format::OcpiCdr => Pages::Billed(self.billed_pages(month)),
            Format::Csv | Format::Jsonl | Format::Collection | Format::Refunds => {
                Pages::Invoices(self.invoice_pages(month, None))
            }
        };
        Ok(Export { closed, format, party, pages, begun: false, tally: Tally::default() })
    }
}

impl Billing {
    /// The manifest of a closed month's export: made of the very bytes that are sent.
    pub async fn manifest(&self, month: BillingMonth, format: Format) -> Done<Value> {
        let mut export = self.export(month, format).await?;
        let (mut hash, mut bytes) = (Sha256::default(), 0);
        while let Some(piece) = export.next().await? {
            hash.add(&piece);
            bytes += piece.len();
        }
        Ok(files::manifest(month, format, &export.tally, (bytes, hash.finish())))
    }
}

impl Export<'_> {
    /// The next piece; `None`: the export is complete.
    pub async fn next(&mut self) -> Done<Option<Vec<u8>>> {
        let failed = |_| AppError::Busy("the export could not be written");
        if !self.begun {
            self.begun = true;
            return Ok(Some(self.format.head(self.closed.layout).map_err(failed)?));
        }
        match &mut self.pages {
            Pages::Invoices(pages) => {
                let Some(mut invoices) = pages.next().await? else { return Ok(None) };
                invoices.retain(|invoice| self.format.holds(invoice, self.closed.layout));
                let piece = self
                    .format
                    .invoices(&invoices, self.tally.invoices + 1, self.closed.layout)
                    .map_err(failed)?;
                let lines = invoices.iter().flat_map(|invoice| &invoice.lines);
                self.tally
                    .tariff_versions
                    .extend(lines.clone().map(|line| line.tariff_version.clone()));
                self.tally.rows +=
                    if self.format == Format::Csv { lines.count() } else { invoices.len() };
                self.tally.invoices += invoices.len();
                self.tally.total = self.tally.total
                    + invoices.iter().map(juden_domain::invoice::Invoice::total).sum();
                Ok(Some(piece))
            }
            Pages::Billed(pages) => {
                let Some(members) = pages.next().await? else { return Ok(None) };
                let Some(party) = &self.party else { return Ok(None) };
                let mut piece = Vec::new();
                for member in &members {
                    let (lines, count) =
                        cdr::lines(member, party, self.closed.closed_at).map_err(failed)?;
                    piece.extend(lines);
                    self.tally.rows += count;
                    self.tally.total = self.tally.total + cdr::total(&member.groups);
                    self.tally
                        .tariff_versions
                        .extend(member.groups.iter().map(|group| group.tariff_version.clone()));
                }
                Ok(Some(piece))
            }
        }
    }
}

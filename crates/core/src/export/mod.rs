//! A closed month's invoices and billed sessions as files: byte for byte the same on every run, because
//! they come out of what was frozen alone. Every format is written piece by piece, so that memory does
//! not grow with the month.

pub mod cdr;
pub mod collection;
pub mod csv;
pub mod files;
pub mod jsonl;

use std::io;

use juden_domain::invoice::{Invoice, InvoiceKind};
use juden_domain::units::Yen;

/// How files are laid out now: a month keeps the columns that it was closed with. The second has `name_ja` and `reason` at the
/// end of its rows.
pub const LAYOUT: i64 = 2;

/// Who issues charge records (OCPI): its country and its party.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Party {
    /// Two letters.
    pub country: String,
    /// Three letters or digits.
    pub party: String,
}

/// The formats that are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A row a line.
    Csv,
    /// An invoice a line.
    Jsonl,
    /// A charge detail record of OCPI 2.2.1 a line.
    OcpiCdr,
    /// What a collection agent needs, a row an invoice.
    Collection,
    /// What is to be paid out to members, a row a refund.
    Refunds,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 5] =
        [Self::Csv, Self::Jsonl, Self::OcpiCdr, Self::Collection, Self::Refunds];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Jsonl => "jsonl",
            Self::OcpiCdr => "ocpi-cdr",
            Self::Collection => "collection",
            Self::Refunds => "refunds",
        }
    }

    /// Reads what [`Self::name`] prints.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == text)
    }

    /// The ending of its file's name.
    pub const fn ending(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Jsonl => "jsonl",
            Self::OcpiCdr => "ocpi-cdr.jsonl",
            Self::Collection => "collection.csv",
            Self::Refunds => "refunds.csv",
        }
    }

    /// Its media type.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Csv | Self::Collection | Self::Refunds => "text/csv; charset=utf-8",
            Self::Jsonl | Self::OcpiCdr => "application/x-ndjson",
        }
    }

    /// Whether it is a table, which spreadsheets open.
    pub const fn is_table(self) -> bool {
        matches!(self, Self::Csv | Self::Collection | Self::Refunds)
    }

    /// What stands before the first piece.
    pub fn head(self, layout: i64) -> io::Result<Vec<u8>> {
        match self {
            Self::Csv => csv::header(csv::columns(layout)),
            Self::Collection | Self::Refunds => csv::header(&collection::COLUMNS),
            Self::Jsonl | Self::OcpiCdr => Ok(Vec::new()),
        }
    }

    /// Whether an invoice is in the file: refunds have one of their own, and what asks for nothing is not collected. A month of
    /// the first layout had neither refunds nor carried credit: all of its invoices were collected.
    pub fn holds(self, invoice: &Invoice, layout: i64) -> bool {
        match self {
            Self::Refunds => invoice.kind == InvoiceKind::Refund,
            Self::Collection => {
                invoice.kind.is_billed() && (layout < LAYOUT || invoice.total() > Yen::ZERO)
            }
            Self::Csv | Self::Jsonl | Self::OcpiCdr => invoice.kind.is_billed(),
        }
    }

    /// Writes a piece of invoices, the first of which is the month's `first`th; nothing for
    /// [`Format::OcpiCdr`], whose pieces are billed sessions.
    pub fn invoices(self, invoices: &[Invoice], first: usize, layout: i64) -> io::Result<Vec<u8>> {
        match self {
            Self::Csv => csv::rows(invoices, layout),
            Self::Collection | Self::Refunds => collection::rows(invoices),
            Self::Jsonl => jsonl::lines(invoices, first, layout),
            Self::OcpiCdr => Ok(Vec::new()),
        }
    }
}

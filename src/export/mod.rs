//! A closed month's bills as files: byte for byte the same on every run, because they come out of
//! frozen bills alone.

pub mod csv;
pub mod files;
pub mod jsonl;

use crate::domain::bill::Bill;

/// A bill with what an invoice says of its member.
#[derive(Debug, Clone)]
pub struct Invoice {
    /// The bill.
    pub bill: Bill,
    /// The member's name.
    pub member_name: String,
    /// How it is paid.
    pub payment_method: &'static str,
}

/// The kind of every invoice of a month's close.
pub const KIND: &str = "regular";

/// The formats that are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A row a line.
    Csv,
    /// A bill a line.
    Jsonl,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 2] = [Self::Csv, Self::Jsonl];

    /// Its name, which is its file's ending.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Jsonl => "jsonl",
        }
    }

    /// Reads what [`Self::name`] prints.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == text)
    }

    /// Its media type.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8",
            Self::Jsonl => "application/x-ndjson",
        }
    }

    /// Writes a month's invoices.
    pub fn render(self, invoices: &[Invoice]) -> std::io::Result<Vec<u8>> {
        match self {
            Self::Csv => csv::render(invoices),
            Self::Jsonl => jsonl::render(invoices),
        }
    }
}

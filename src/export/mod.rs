//! A closed month's invoices and billed sessions as files: byte for byte the same on every run, because
//! they come out of what was frozen alone. Every format is written piece by piece, so that memory does
//! not grow with the month.

pub mod cdr;
pub mod collection;
pub mod csv;
pub mod files;
pub mod jsonl;

use std::io;

use crate::domain::invoice::Invoice;

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
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 4] = [Self::Csv, Self::Jsonl, Self::OcpiCdr, Self::Collection];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Jsonl => "jsonl",
            Self::OcpiCdr => "ocpi-cdr",
            Self::Collection => "collection",
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
        }
    }

    /// Its media type.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Csv | Self::Collection => "text/csv; charset=utf-8",
            Self::Jsonl | Self::OcpiCdr => "application/x-ndjson",
        }
    }

    /// What stands before the first piece.
    pub fn head(self) -> io::Result<Vec<u8>> {
        match self {
            Self::Csv => csv::header(&csv::COLUMNS),
            Self::Collection => csv::header(&collection::COLUMNS),
            Self::Jsonl | Self::OcpiCdr => Ok(Vec::new()),
        }
    }

    /// Writes a piece of invoices, the first of which is the month's `first`th; nothing for
    /// [`Format::OcpiCdr`], whose pieces are billed sessions.
    pub fn invoices(self, invoices: &[Invoice], first: usize) -> io::Result<Vec<u8>> {
        match self {
            Self::Csv => csv::rows(invoices),
            Self::Collection => collection::rows(invoices),
            Self::Jsonl => jsonl::lines(invoices, first),
            Self::OcpiCdr => Ok(Vec::new()),
        }
    }
}

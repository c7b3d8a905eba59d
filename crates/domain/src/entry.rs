//! What persons enter by hand beside sessions (rule B11, articles 13.3 and 16): goodwill, damages and other sums, each a line of the
//! bill of the month in which it was entered.

use chrono::{DateTime, Utc};

use super::bill::LineCode;
use super::correction::Approval;
use super::member::{Member, MemberEvent};
use super::month::BillingMonth;
use super::units::{TaxRate, Yen};

/// What an entry is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// A sum that is given (goodwill, article 16).
    Goodwill,
    /// Damages that the member owes (article 13.3).
    Damages,
    /// Anything else.
    Other,
}

named!(EntryKind, Goodwill = "goodwill", Damages = "damages", Other = "other");

impl EntryKind {
    /// The code of its line.
    pub const fn code(self) -> LineCode {
        match self {
            Self::Goodwill => LineCode::Goodwill,
            Self::Damages => LineCode::Damages,
            Self::Other => LineCode::Other,
        }
    }
}

/// A sum as it is entered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entered {
    /// What it is for.
    pub kind: EntryKind,
    /// The sum, tax included, as the bill shows it: goodwill is negative.
    pub amount: Yen,
    /// The tax contained in it; `None`: the rate of its month's tariff.
    pub tax_rate: Option<TaxRate>,
    /// Why.
    pub reason: String,
    /// Who entered it.
    pub by: String,
    /// Whether it counts at once, or waits for a second person.
    pub approval: Approval,
}

/// A member's entry as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its place among the member's, from 1.
    pub number: i64,
    /// When it was entered.
    pub at: DateTime<Utc>,
    /// The sum.
    pub entered: Entered,
    /// Whether it counts.
    pub approval: Approval,
    /// Who confirmed or refused it, and when.
    pub settled: Option<(String, DateTime<Utc>)>,
}

impl Entry {
    /// From when it counts: entered, or confirmed where that was needed. Its line is of that month.
    pub fn counts_from(&self) -> DateTime<Utc> {
        self.settled.as_ref().map_or(self.at, |(_, at)| *at)
    }
}

impl Member {
    /// Its entries, in order.
    pub fn entries(&self) -> Vec<Entry> {
        let mut entries: Vec<Entry> = Vec::new();
        for dated in &self.events {
            match &dated.event {
                MemberEvent::Entered(entered) => {
                    let number = i64::try_from(entries.len()).unwrap_or(i64::MAX).saturating_add(1);
                    let approval = entered.approval;
                    entries.push(Entry {
                        number,
                        at: dated.at,
                        entered: entered.clone(),
                        approval,
                        settled: None,
                    });
                }
                MemberEvent::EntrySettled { number, approval, by, .. } => {
                    if let Some(entry) = entries.iter_mut().find(|entry| entry.number == *number) {
                        (entry.approval, entry.settled) = (*approval, Some((by.clone(), dated.at)));
                    }
                }
                _ => {}
            }
        }
        entries
    }

    /// The entries that stand on a month's bill.
    pub fn entries_in(&self, month: BillingMonth) -> impl Iterator<Item = Entry> {
        self.entries().into_iter().filter(move |entry| {
            entry.approval == Approval::Done && month.contains(entry.counts_from())
        })
    }
}

#[cfg(test)]
#[path = "entry_tests.rs"]
mod tests;

//! Sums that persons enter by hand beside sessions (rule B11, articles 13.3 and 16): goodwill,
//! damages and others. Each is a line of a bill: of the month in which it was entered, or confirmed
//! by a second person where that is needed.

use chrono::{DateTime, Utc};

use super::bill::LineCode;
use super::correction::Approval;
use super::member::{Member, MemberEvent};
use super::month::BillingMonth;
use super::units::{TaxRate, Yen};

/// The purpose of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// A sum given to the member (goodwill, article 16).
    Goodwill,
    /// Damages that the member owes (article 13.3).
    Damages,
    /// Any other sum.
    Other,
}

named!(EntryKind, Goodwill = "goodwill", Damages = "damages", Other = "other");

impl EntryKind {
    /// The code of the entry's line on the bill.
    pub const fn code(self) -> LineCode {
        match self {
            Self::Goodwill => LineCode::Goodwill,
            Self::Damages => LineCode::Damages,
            Self::Other => LineCode::Other,
        }
    }
}

/// A sum as a person entered it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entered {
    /// The purpose of the sum.
    pub kind: EntryKind,
    /// The sum, tax included, as the bill shows it. Goodwill is negative.
    pub amount: Yen,
    /// The rate of the tax contained in the sum; `None`: the rate of the month's tariff.
    pub tax_rate: Option<TaxRate>,
    /// The reason, in the person's words.
    pub reason: String,
    /// The person who entered the sum.
    pub by: String,
    /// Whether the sum counted at once or needed a second person's confirmation.
    pub approval: Approval,
}

/// A member's entry in its present state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The entry's number among the member's entries, from 1.
    pub number: i64,
    /// The time at which the entry was made.
    pub at: DateTime<Utc>,
    /// The sum with its purpose and reason.
    pub entered: Entered,
    /// Whether the entry counts, waits for a second person, or was refused.
    pub approval: Approval,
    /// The person who confirmed or refused the entry, and the time.
    pub settled: Option<(String, DateTime<Utc>)>,
}

impl Entry {
    /// The instant from which an entry counts: when it was made, or confirmed if that was needed.
    /// The entry's line is on the bill of that month.
    pub fn counts_from(&self) -> DateTime<Utc> {
        self.settled.as_ref().map_or(self.at, |(_, at)| *at)
    }
}

impl Member {
    /// The member's entries, in the order in which they were entered.
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

    /// The entries that are on a month's bill.
    pub fn entries_in(&self, month: BillingMonth) -> impl Iterator<Item = Entry> {
        self.entries().into_iter().filter(move |entry| {
            entry.approval == Approval::Done && month.contains(entry.counts_from())
        })
    }
}

#[cfg(test)]
#[path = "entry_tests.rs"]
mod tests;

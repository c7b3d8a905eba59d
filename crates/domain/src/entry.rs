//! What persons enter by hand beside sessions (rules B11, 13.3, 16.3): goodwill, damages and other sums, each a line of the
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
mod tests {
    use super::super::card::tests::at;
    use super::super::member::tests::member_with;
    use super::*;

    #[test]
    fn w110_an_entry_above_the_limit_counts_once_it_is_confirmed() {
        let entered = |approval| {
            let reason = "the charger stood still".to_owned();
            MemberEvent::Entered(Entered {
                kind: EntryKind::Goodwill,
                amount: -Yen::whole(1_000),
                tax_rate: None,
                reason,
                by: "a".into(),
                approval,
            })
        };
        let settled = |approval| MemberEvent::EntrySettled {
            number: 2,
            approval,
            by: "b".into(),
            entered_at: at("2024-05-02T00:00:00Z"),
        };
        let month = BillingMonth::parse("2024-05").unwrap();
        let counts = |later: &[(&str, MemberEvent)]| {
            let mut events = vec![
                ("2024-05-01T00:00:00Z", entered(Approval::Done)),
                ("2024-05-02T00:00:00Z", entered(Approval::Waiting)),
            ];
            events.extend_from_slice(later);
            member_with("2024-04-03T03:00:00Z", "simple", &events, vec![]).entries_in(month).count()
        };
        assert_eq!(counts(&[]), 1);
        assert_eq!(counts(&[("2024-05-03T00:00:00Z", settled(Approval::Done))]), 2);
        assert_eq!(counts(&[("2024-05-03T00:00:00Z", settled(Approval::Refused))]), 1);
        let other = member_with(
            "2024-04-03T03:00:00Z",
            "simple",
            &[("2024-05-31T15:00:00Z", entered(Approval::Done))],
            vec![],
        );
        assert_eq!(
            (other.entries_in(month).count(), at("2024-05-31T15:00:00Z")),
            (0, other.entries()[0].at),
            "it is June in Japan"
        );
    }
}

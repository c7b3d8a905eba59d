//! A month's bill: lines that name their sessions and tariff version and sum to the total.

use super::ids::{MemberId, SessionId};
use super::month::BillingMonth;
use super::units::{TaxRate, Yen};

/// What a line is for. The order is that in which a bill lists them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LineCode {
    /// The contract fee (article 6.1).
    Contract,
    /// The base fee (article 6.2).
    Base,
    /// The term contract's discount (article 2.8).
    TermDiscount,
    /// Use of quick chargers beyond the allowance.
    MeteredQuick,
    /// Use of normal chargers beyond the allowance.
    MeteredNormal,
    /// Issue of an additional card (article 9.4).
    AdditionalIssue,
    /// An additional card's month (article 9.4).
    AdditionalMonthly,
}

impl LineCode {
    /// Every code, in the order in which a bill lists them.
    pub const ALL: [Self; 7] = [
        Self::Contract,
        Self::Base,
        Self::TermDiscount,
        Self::MeteredQuick,
        Self::MeteredNormal,
        Self::AdditionalIssue,
        Self::AdditionalMonthly,
    ];

    /// Reads what [`Self::name`] prints.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.name() == text)
    }

    /// The code that the API and the exports spell.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Contract => "contract",
            Self::Base => "base",
            Self::TermDiscount => "term_discount",
            Self::MeteredQuick => "metered_quick",
            Self::MeteredNormal => "metered_normal",
            Self::AdditionalIssue => "additional_issue",
            Self::AdditionalMonthly => "additional_monthly",
        }
    }

    /// The article of the member terms that the line rests on.
    pub const fn article(self) -> &'static str {
        match self {
            Self::Contract => "6.1",
            Self::Base | Self::MeteredQuick | Self::MeteredNormal => "6.2",
            Self::TermDiscount => "2.8",
            Self::AdditionalIssue | Self::AdditionalMonthly => "9.4",
        }
    }
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// What it is for.
    pub code: LineCode,
    /// The month whose usage or fee it is.
    pub usage_month: BillingMonth,
    /// How many.
    pub quantity: i64,
    /// Of what: `month`, `card`, or the metered unit, such as `60 s`.
    pub unit: String,
    /// The price of one.
    pub unit_price: Yen,
    /// What it comes to, in whole yen.
    pub amount: Yen,
    /// The tax contained in it.
    pub tax_rate: TaxRate,
    /// The tariff version that priced it.
    pub tariff_version: String,
    /// The sessions whose units it counts.
    pub sessions: Vec<SessionId>,
}

/// One member's bill for one month.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bill {
    /// The member.
    pub member: MemberId,
    /// The month.
    pub month: BillingMonth,
    /// Its lines.
    pub lines: Vec<Line>,
}

impl Bill {
    /// The sum of the lines, tax included.
    pub fn total(&self) -> Yen {
        self.lines.iter().map(|line| line.amount).sum()
    }

    /// The tax contained in it: taken once per rate (convention C6).
    pub fn tax(&self) -> Yen {
        let mut rates: Vec<TaxRate> = self.lines.iter().map(|line| line.tax_rate).collect();
        rates.sort_unstable();
        rates.dedup();
        let of_rate = |rate: TaxRate| self.lines.iter().filter(move |line| line.tax_rate == rate).map(|line| line.amount).sum();
        rates.into_iter().map(|rate| rate.tax_within(of_rate(rate))).sum()
    }

    /// The invoice's number: one regular invoice per member and month.
    pub fn invoice_id(&self) -> String {
        format!("{}-{}", self.month, self.member)
    }
}

//! A member's bill for a month: its lines name their sessions and tariff version, and their sum is
//! the total.

use super::ids::{MemberId, SessionRef};
use super::month::BillingMonth;
use super::units::{TaxRate, Yen};

/// The purpose of a line. Bills list lines in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LineCode {
    /// The contract fee (article 6.1).
    Contract,
    /// The base fee (article 6.2).
    Base,
    /// The term contract's discount (article 2.8).
    TermDiscount,
    /// The metered fee of quick chargers, for units beyond the allowance.
    MeteredQuick,
    /// The metered fee of normal chargers, for units beyond the allowance.
    MeteredNormal,
    /// The issue fee of an additional card (article 9.4).
    AdditionalIssue,
    /// The monthly fee of an additional card (article 9.4).
    AdditionalMonthly,
    /// The reissue fee of a registered replacement card (article 3.8).
    Reissue,
    /// The early-termination fee of a term contract left outside its window (article 8.2).
    EarlyTermination,
    /// The sum by which an earlier month now exceeds its invoices (rule B2).
    Adjustment,
    /// The sum by which an earlier month now falls short of its invoices (rule B3).
    Credit,
    /// A sum given as goodwill, or a reduction of a session's price (rule B11, article 16).
    Goodwill,
    /// Damages entered by hand (article 13.3).
    Damages,
    /// Another sum entered by hand.
    Other,
    /// The fee for collecting a small sum by account debit (rule M2).
    SmallDebit,
    /// Carried credit of earlier invoices that this one uses (rule B3b).
    CarriedCredit,
    /// Credit that this invoice carries to the next ones (rule B3b).
    CarriedForward,
    /// Carried credit that is paid out (rule B3b).
    Refund,
}

impl LineCode {
    /// Every code, in the order in which a bill lists them.
    pub const ALL: [Self; 18] = [
        Self::Contract,
        Self::Base,
        Self::TermDiscount,
        Self::MeteredQuick,
        Self::MeteredNormal,
        Self::AdditionalIssue,
        Self::AdditionalMonthly,
        Self::Reissue,
        Self::EarlyTermination,
        Self::Adjustment,
        Self::Credit,
        Self::Goodwill,
        Self::Damages,
        Self::Other,
        Self::SmallDebit,
        Self::CarriedCredit,
        Self::CarriedForward,
        Self::Refund,
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
            Self::Reissue => "reissue",
            Self::EarlyTermination => "early_termination",
            Self::Adjustment => "adjustment",
            Self::Credit => "credit",
            Self::Goodwill => "goodwill",
            Self::Damages => "damages",
            Self::Other => "other",
            Self::SmallDebit => "small_debit",
            Self::CarriedCredit => "carried_credit",
            Self::CarriedForward => "carried_forward",
            Self::Refund => "refund",
        }
    }

    /// The purpose of the line, for people.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Contract => "contract fee, once, on admission",
            Self::Base => {
                "base fee of the plan, for every month from the service's start to the last one, never by the day"
            }
            Self::TermDiscount => "discount of the term contract on the base fee",
            Self::MeteredQuick => {
                "use of quick chargers beyond the month's free units, in the month in which each session started"
            }
            Self::MeteredNormal => {
                "use of normal chargers beyond the month's free units, in the month in which each session started"
            }
            Self::AdditionalIssue => "issue of an additional card, for each activation",
            Self::AdditionalMonthly => {
                "additional card, once for each month that a live one touches"
            }
            Self::Reissue => "replacement card, in the month of its registration",
            Self::EarlyTermination => {
                "term contract left by a procedure outside its renewal window"
            }
            Self::Adjustment => "what the month comes to by now more than was invoiced for it",
            Self::Credit => "what the month comes to by now less than was invoiced for it",
            Self::Goodwill => "sum given as goodwill, or taken off the price of a session",
            Self::Damages => "damages",
            Self::Other => "sum entered by hand",
            Self::SmallDebit => "collection of a small sum by account debit",
            Self::CarriedCredit => "credit that earlier invoices left over",
            Self::CarriedForward => "credit that this invoice leaves over for the next ones",
            Self::Refund => "credit that is paid out",
        }
    }

    /// Whether the line is a usage fee (利用料, article 6.2) or corrects one. The sum of these limits
    /// the operator's liability (article 23.2).
    pub const fn is_usage_fee(self) -> bool {
        matches!(
            self,
            Self::Base
                | Self::TermDiscount
                | Self::MeteredQuick
                | Self::MeteredNormal
                | Self::Adjustment
                | Self::Credit
        )
    }

    /// The name of the line on a Japanese invoice.
    pub const fn japanese(self) -> &'static str {
        match self {
            Self::Contract => "契約手数料",
            Self::Base => "基本料金",
            Self::TermDiscount => "定期契約割引",
            Self::MeteredQuick => "急速充電利用料",
            Self::MeteredNormal => "普通充電利用料",
            Self::AdditionalIssue => "追加カード発行手数料",
            Self::AdditionalMonthly => "追加カード月額料金",
            Self::Reissue => "カード再発行手数料",
            Self::EarlyTermination => "定期契約解約金",
            Self::Adjustment => "過去利用分の調整",
            Self::Credit => "過去利用分の返金",
            Self::Goodwill => "お詫び・値引き",
            Self::Damages => "損害金",
            Self::Other => "その他",
            Self::SmallDebit => "少額口座振替手数料",
            Self::CarriedCredit => "繰越残高の充当",
            Self::CarriedForward => "残高の繰越",
            Self::Refund => "返金",
        }
    }

    /// The article of the member terms on which the line rests.
    pub const fn article(self) -> &'static str {
        match self {
            Self::Contract => "6.1",
            Self::Base | Self::MeteredQuick | Self::MeteredNormal => "6.2",
            Self::TermDiscount => "2.8",
            Self::AdditionalIssue | Self::AdditionalMonthly => "9.4",
            Self::Reissue => "3.8",
            Self::EarlyTermination => "8.2",
            Self::Adjustment | Self::Credit => "6.2",
            Self::Goodwill => "16",
            Self::Damages => "13.3",
            Self::Other
            | Self::SmallDebit
            | Self::CarriedCredit
            | Self::CarriedForward
            | Self::Refund => "11",
        }
    }
}

/// A line of a bill or an invoice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The line's purpose.
    pub code: LineCode,
    /// The month of the usage or the fee.
    pub usage_month: BillingMonth,
    /// The number of items.
    pub quantity: i64,
    /// The name of one item: `month`, `card`, or the metered unit, such as `10 min`.
    pub unit: String,
    /// The price of one item.
    pub unit_price: Yen,
    /// The sum of the line, in whole yen.
    pub amount: Yen,
    /// The rate of the tax contained in the sum.
    pub tax_rate: TaxRate,
    /// The tariff version that priced it.
    pub tariff_version: String,
    /// The sessions whose units it counts. For an adjustment or a credit: those that changed since
    /// the month was invoiced.
    pub sessions: Vec<SessionRef>,
    /// The invoice that an adjustment or credit corrects.
    pub previous_invoice: Option<String>,
    /// The reason in a person's words, if a person entered the sum.
    pub reason: Option<String>,
}

/// The sum of lines, tax included.
pub fn total(lines: &[Line]) -> Yen {
    lines.iter().map(|line| line.amount).sum()
}

/// The sum of an invoice at one rate of tax (qualified invoice system, consumption tax act 57-4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TaxTotal {
    /// The rate of tax.
    pub rate: TaxRate,
    /// The sum of the lines with this rate, tax included.
    pub taxable: Yen,
    /// The tax contained in the sum, cut to whole yen once (convention C6).
    pub tax: Yen,
}

/// The sums of lines by rate of tax, lowest rate first.
pub fn tax_totals(lines: &[Line]) -> Vec<TaxTotal> {
    let mut rates: Vec<TaxRate> = lines.iter().map(|line| line.tax_rate).collect();
    rates.sort_unstable();
    rates.dedup();
    let of_rate = |rate: TaxRate| {
        let taxable: Yen =
            lines.iter().filter(|line| line.tax_rate == rate).map(|line| line.amount).sum();
        TaxTotal { rate, taxable, tax: rate.tax_within(taxable) }
    };
    rates.into_iter().map(of_rate).collect()
}

/// The tax contained in lines, computed once per rate (convention C6).
pub fn tax(lines: &[Line]) -> Yen {
    tax_totals(lines).iter().map(|total| total.tax).sum()
}

/// One member's bill for one month, as rated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bill {
    /// The member who is billed.
    pub member: MemberId,
    /// The billed month.
    pub month: BillingMonth,
    /// The bill's lines.
    pub lines: Vec<Line>,
}

impl Bill {
    /// The sum of the lines, tax included.
    pub fn total(&self) -> Yen {
        total(&self.lines)
    }

    /// The tax contained in the bill.
    pub fn tax(&self) -> Yen {
        tax(&self.lines)
    }
}

//! Invoices: everything that was not invoiced yet (convention C5, rules B1 to B4). A closed month
//! is never edited. If it comes to something else later, the difference is one adjustment or credit
//! line for that month on the next invoice.

use chrono::{DateTime, NaiveDate, Utc};

use super::bill::{self, Line, LineCode, TaxTotal};
use super::billed::{self, BilledGroup};
use super::credit::{self, Balance};
use super::ending::{End, EndCause};
use super::ids::MemberId;
use super::member::{Member, MemberEvent};
use super::month::BillingMonth;
use super::payment::{PaymentKind, PaymentMethod};
use super::programme::Programme;
use super::rating::{RatedMonth, rate};
use super::session::{BillingState, Session};
use super::tariff::NoPrice;
use super::units::{TaxRate, Yen};

/// A credit of this size, tax included, needs a qualified return invoice of its own (rule B3).
pub const RETURN_INVOICE_FROM: Yen = Yen::whole(10_000);

/// The number of closes without an invoice after which the credit of an ended membership is paid
/// out (rule B3b).
const CLOSES_WITHOUT_INVOICE: i32 = 2;

/// The kind of an invoice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum InvoiceKind {
    /// A month's invoice.
    Regular,
    /// Lines that arose after the last regular or final invoice of an ended membership.
    Supplementary,
    /// A qualified return invoice (適格返還請求書).
    Return,
    /// All open months at once, because the operator ended the membership (article 13.2).
    Final,
    /// Credit that is paid out to the member (rule B3b).
    Refund,
}

named!(
    InvoiceKind,
    Regular = "regular",
    Supplementary = "supplementary",
    Return = "return",
    Final = "final",
    Refund = "refund"
);

impl InvoiceKind {
    /// Whether the invoice bills or credits usage and fees. A refund only pays carried credit out.
    pub const fn is_billed(self) -> bool {
        !matches!(self, Self::Refund)
    }
}

/// The issuer of invoices, as a qualified invoice names it (consumption tax act, article 57-4).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Issuer {
    /// The issuer's name; empty if none is set.
    pub name: String,
    /// The issuer's registration number, `T` and 13 digits; empty if none is set.
    pub registration_number: String,
    /// The collection agent, if one collects for it (article 11).
    pub collection_agent: String,
}

impl Issuer {
    /// The name that a setting gives if no qualified invoices are wanted.
    pub const NONE: &'static str = "none";

    /// Whether a month's invoices can be issued: the issuer has a name and a registration number,
    /// or no qualified invoices are wanted.
    pub fn may_issue(&self) -> bool {
        self.is_unwanted() || (!self.name.is_empty() && !self.registration_number.is_empty())
    }

    fn is_unwanted(&self) -> bool {
        self.name == Self::NONE
    }

    /// The issuer as invoices print it, without a name if no qualified invoices are wanted.
    pub fn printed(&self) -> Self {
        if self.is_unwanted() { Self { name: String::new(), ..self.clone() } } else { self.clone() }
    }
}

/// Whether a text is the number of a qualified invoice issuer: `T` and 13 digits, of which the
/// first is the check digit of the others (ordinance on corporate numbers, article 2).
pub fn is_registration_number(text: &str) -> bool {
    let Some(digits) = text.strip_prefix('T').filter(|digits| digits.len() == 13) else {
        return false;
    };
    let Some(digits) = digits
        .bytes()
        .map(|b| b.is_ascii_digit().then(|| i64::from(b - b'0')))
        .collect::<Option<Vec<_>>>()
    else {
        return false;
    };
    let (check, others) = (digits[0], &digits[1..]);
    let sum: i64 = others
        .iter()
        .rev()
        .zip([1, 2].into_iter().cycle())
        .map(|(digit, weight)| digit * weight)
        .sum();
    check == 9 - sum % 9
}

/// An invoice before it is issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The invoice's number, made of the month with whose close it is issued, the member, and a
    /// mark of its kind.
    pub id: String,
    /// The invoice's kind.
    pub kind: InvoiceKind,
    /// The invoice's lines.
    pub lines: Vec<Line>,
}

/// An invoice that was issued. An issued invoice never changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invoice {
    /// The invoice's number.
    pub id: String,
    /// The invoice's kind.
    pub kind: InvoiceKind,
    /// The month with whose close it was issued.
    pub month: BillingMonth,
    /// The member to whom it was issued.
    pub member: MemberId,
    /// The invoice's issuer.
    pub issuer: Issuer,
    /// The member's name when it was issued.
    pub recipient_name: String,
    /// The payment method.
    pub payment: PaymentMethod,
    /// The time of its issue.
    pub issued_at: DateTime<Utc>,
    /// The day, Japan time, by which it must be paid.
    pub due_on: NaiveDate,
    /// The invoice's lines.
    pub lines: Vec<Line>,
}

impl Invoice {
    /// The sum of the invoice's lines, tax included.
    pub fn total(&self) -> Yen {
        bill::total(&self.lines)
    }

    /// The tax contained in the invoice, computed once per rate.
    pub fn tax(&self) -> Yen {
        bill::tax(&self.lines)
    }

    /// The invoice's sums by rate of tax. A return invoice shows the credit in full, not the part
    /// of it that is carried forward.
    pub fn tax_totals(&self) -> Vec<TaxTotal> {
        let is_told = |line: &&Line| {
            self.kind != InvoiceKind::Return || line.code != LineCode::CarriedForward
        };
        bill::tax_totals(&self.lines.iter().filter(is_told).cloned().collect::<Vec<_>>())
    }

    /// The credit that the invoice carries forward, less the credit that it uses or pays out (rule
    /// B3b).
    pub fn left_over(&self) -> Yen {
        self.lines.iter().map(credit::left_over).sum()
    }

    /// The invoice that this one corrects as a whole, if there is one.
    pub fn previous(&self) -> Option<&str> {
        match self.kind {
            InvoiceKind::Regular | InvoiceKind::Final | InvoiceKind::Refund => None,
            InvoiceKind::Supplementary | InvoiceKind::Return => {
                self.lines.iter().find_map(|line| line.previous_invoice.as_deref())
            }
        }
    }
}

/// The facts from which a member's invoices are drawn up.
pub struct InvoiceFacts<'a> {
    /// The member.
    pub member: &'a Member,
    /// The member's sessions of every month that is rated, and those that overlap them.
    pub sessions: &'a [Session],
    /// The programme's history.
    pub programme: &'a Programme,
    /// The month that is closed or, for a final invoice, the earliest open one.
    pub month: BillingMonth,
    /// The earliest invoiced month that may have changed since.
    pub recheck_from: Option<BillingMonth>,
    /// The member's invoices so far, oldest first. They may be left out if `recheck_from` is
    /// `None`, no final invoice exists, and no credit is carried.
    pub invoices: &'a [Invoice],
    /// The records of the member's billed sessions so far, oldest first. They may be left out in
    /// the same cases as `invoices`.
    pub billed: &'a [BilledGroup],
    /// The time of issue.
    pub at: DateTime<Utc>,
}

/// The invoices drawn up for one member, at a month's close or as a final invoice, with the new
/// records of billed sessions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Drawn {
    /// The invoices.
    pub drafts: Vec<Draft>,
    /// The new records of billed sessions.
    pub billed: Vec<BilledGroup>,
    /// The number of the month's sessions that are billed; 0 for a final invoice.
    pub sessions: i64,
}

/// The earliest month whose sessions are needed for [`draw_up`] or [`draw_up_final`].
pub fn first_month_needed(
    member: &Member,
    month: BillingMonth,
    recheck_from: Option<BillingMonth>,
    programme: &Programme,
) -> BillingMonth {
    super::rating::first_month_needed(member, recheck_from.unwrap_or(month).min(month), programme)
}

/// Draws up a member's invoices at a month's close: the month's lines, and a line for each earlier
/// month that now comes to something else than was invoiced.
pub fn draw_up(facts: &InvoiceFacts<'_>) -> Result<Drawn, NoPrice> {
    let rated = rate(facts.member, facts.sessions, facts.month, facts.programme)?;
    let sessions = rated
        .sessions
        .iter()
        .filter(|session| session.state == BillingState::Ended)
        .map(|_| 1)
        .sum();
    let (mut lines, mut billed) = facts.earlier_months()?;
    let was_invoiced = facts.is_invoiced(facts.month);
    let own = facts.month_lines(rated)?;
    billed.extend(own.billed);
    let is_own = !was_invoiced && !own.lines.is_empty();
    lines.splice(0..0, own.lines);
    let after_end = facts.end().is_some_and(|end| !is_own || end.cause == EndCause::Disqualified);
    let (kind, mark) =
        if after_end { (InvoiceKind::Supplementary, "-S") } else { (InvoiceKind::Regular, "") };
    let drafts = facts.drafts(lines, kind, mark)?;
    Ok(Drawn { drafts, billed, sessions })
}

/// Draws up the final invoice of a membership that the operator ended: every open month up to that
/// of the end, and changes in closed months, as one sum (rule R13.3). There is no draft if nothing
/// is open.
pub fn draw_up_final(facts: &InvoiceFacts<'_>) -> Result<Drawn, NoPrice> {
    let Some(end) = facts.end().filter(|end| end.cause == EndCause::Disqualified) else {
        return Ok(Drawn::default());
    };
    let (earlier, mut billed) = facts.earlier_months()?;
    let mut lines = Vec::new();
    let mut month = facts.month;
    while month <= BillingMonth::of(end.at) {
        let of_month =
            facts.month_lines(rate(facts.member, facts.sessions, month, facts.programme)?)?;
        lines.extend(of_month.lines);
        billed.extend(of_month.billed);
        month = month.next();
    }
    lines.extend(earlier);
    let drafts = facts.drafts(lines, InvoiceKind::Final, "-F")?;
    Ok(Drawn { drafts, billed, sessions: 0 })
}

fn needs_return_invoice(line: &Line) -> bool {
    line.code == LineCode::Credit
        && -line.amount >= RETURN_INVOICE_FROM
        && line.previous_invoice.is_some()
}

/// The lines and the records of billed sessions that a month adds.
struct MonthLines {
    lines: Vec<Line>,
    billed: Vec<BilledGroup>,
}

impl InvoiceFacts<'_> {
    fn end(&self) -> Option<End> {
        self.member.end(self.programme).filter(|end| end.at <= self.at)
    }

    fn lines_of(&self, month: BillingMonth) -> impl Iterator<Item = (&Invoice, &Line)> {
        let lines = self
            .invoices
            .iter()
            .flat_map(|invoice| invoice.lines.iter().map(move |line| (invoice, line)));
        lines.filter(move |(_, line)| belongs_to(line, month))
    }

    fn is_invoiced(&self, month: BillingMonth) -> bool {
        self.lines_of(month).next().is_some()
    }

    /// The month's own lines if it was not invoiced yet, else one line with the difference.
    fn month_lines(&self, rated: RatedMonth) -> Result<MonthLines, NoPrice> {
        if self.is_invoiced(rated.bill.month) {
            return self.difference(&rated);
        }
        Ok(MonthLines { billed: billed::new_records(self.billed, &rated), lines: rated.bill.lines })
    }

    /// The differences of the months before the closed one. All months from the first changed one
    /// on are rated again, because carried units may pass a change on to later months.
    fn earlier_months(&self) -> Result<(Vec<Line>, Vec<BilledGroup>), NoPrice> {
        let (mut lines, mut groups) = (Vec::new(), Vec::new());
        let mut month = self.recheck_from.unwrap_or(self.month);
        while month < self.month {
            let new = self.difference(&rate(self.member, self.sessions, month, self.programme)?)?;
            lines.extend(new.lines);
            groups.extend(new.billed);
            month = month.next();
        }
        Ok((lines, groups))
    }

    /// The difference between a month's rating now and the sum invoiced for it (rule B2).
    fn difference(&self, rated: &RatedMonth) -> Result<MonthLines, NoPrice> {
        let month = rated.bill.month;
        let billed = billed::new_records(self.billed, rated);
        let amount = rated.bill.total() - self.lines_of(month).map(|(_, line)| line.amount).sum();
        if amount == Yen::ZERO {
            return Ok(MonthLines { lines: Vec::new(), billed });
        }
        let tariff = self.programme.tariffs.in_force(month)?;
        let line = Line {
            code: if amount > Yen::ZERO { LineCode::Adjustment } else { LineCode::Credit },
            usage_month: month,
            quantity: 1,
            unit: "month".to_owned(),
            unit_price: amount,
            amount,
            tax_rate: tariff.tax_rate,
            tariff_version: tariff.version.clone(),
            sessions: billed::references(&billed),
            previous_invoice: self.lines_of(month).last().map(|(invoice, _)| invoice.id.clone()),
            reason: None,
        };
        Ok(MonthLines { lines: vec![line], billed })
    }

    /// The invoices that hold the given lines: a return invoice for each large credit, one invoice
    /// for the rest, and a refund if credit is to be paid out.
    fn drafts(
        &self,
        lines: Vec<Line>,
        kind: InvoiceKind,
        mark: &str,
    ) -> Result<Vec<Draft>, NoPrice> {
        let tariff = self.programme.tariffs.in_force(self.month)?;
        let line = |code: LineCode, tax_rate: TaxRate, amount: Yen| Line {
            code,
            usage_month: self.month,
            quantity: 1,
            unit: "balance".to_owned(),
            unit_price: amount,
            amount,
            tax_rate,
            tariff_version: tariff.version.clone(),
            sessions: Vec::new(),
            previous_invoice: None,
            reason: None,
        };
        let (returned, mut lines): (Vec<Line>, Vec<Line>) =
            lines.into_iter().partition(needs_return_invoice);
        let mut balance = Balance::of(self.invoices);
        let mut drafts = Vec::new();
        for credit in returned {
            let id = format!("{}-{}-R-{}", self.month, self.member.id, credit.usage_month);
            let mut of_return = vec![credit];
            let mut left = Balance::default();
            left.settle(&mut of_return, &line);
            balance.join(left);
            drafts.push(Draft { id, kind: InvoiceKind::Return, lines: of_return });
        }
        if !lines.is_empty() {
            balance.settle(&mut lines, &line);
            lines.extend(self.small_debit(&lines)?);
            drafts.insert(
                0,
                Draft { id: format!("{}-{}{mark}", self.month, self.member.id), kind, lines },
            );
        }
        if balance.is_left()
            && (self.is_refund_asked() || (drafts.is_empty() && self.is_over_for_good()))
        {
            let id = format!("{}-{}-RF", self.month, self.member.id);
            drafts.push(Draft { id, kind: InvoiceKind::Refund, lines: balance.pay_out(&line) });
        }
        Ok(drafts)
    }

    /// Whether the operator has asked, since the last refund, to pay carried credit out.
    fn is_refund_asked(&self) -> bool {
        let refunded = self
            .invoices
            .iter()
            .filter(|invoice| invoice.kind == InvoiceKind::Refund)
            .map(|invoice| invoice.issued_at)
            .max();
        let asked = self
            .member
            .events_until(self.at)
            .filter(|dated| dated.event == MemberEvent::RefundAsked)
            .map(|dated| dated.at)
            .max();
        asked.is_some_and(|asked| refunded.is_none_or(|refunded| asked > refunded))
    }

    /// Whether no further invoice is expected: the membership has ended, and this is the second
    /// close after its last invoice.
    fn is_over_for_good(&self) -> bool {
        let last = self.invoices.iter().map(|invoice| invoice.month).max();
        self.end().is_some()
            && last.is_some_and(|last| last.plus(CLOSES_WITHOUT_INVOICE) <= self.month)
    }

    /// The fee for collecting a small sum by account debit (rule M2).
    fn small_debit(&self, lines: &[Line]) -> Result<Option<Line>, NoPrice> {
        let tariff = self.programme.tariffs.in_force(self.month)?;
        let total = bill::total(lines);
        let by_debit = self.member.payment_at(self.at).method.kind == PaymentKind::AccountDebit;
        let Some(fee) =
            tariff.small_debit.filter(|fee| by_debit && total > Yen::ZERO && total < fee.threshold)
        else {
            return Ok(None);
        };
        Ok(Some(Line {
            code: LineCode::SmallDebit,
            usage_month: self.month,
            quantity: 1,
            unit: "invoice".to_owned(),
            unit_price: fee.fee,
            amount: fee.fee,
            tax_rate: tariff.tax_rate,
            tariff_version: tariff.version.clone(),
            sessions: Vec::new(),
            previous_invoice: None,
            reason: None,
        }))
    }
}

/// Whether a line is part of a month's rating. The fee for small sums and the lines of carried
/// credit are not: they belong to an invoice, not to a month.
pub fn belongs_to(line: &Line, month: BillingMonth) -> bool {
    let is_of_invoice = matches!(
        line.code,
        LineCode::SmallDebit
            | LineCode::CarriedCredit
            | LineCode::CarriedForward
            | LineCode::Refund
    );
    line.usage_month == month && !is_of_invoice
}

#[cfg(test)]
#[path = "invoice_tests.rs"]
mod tests;

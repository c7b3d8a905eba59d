//! Carried credit (rule B3b): no invoice is negative. The part of a credit that exceeds an invoice
//! is carried to the next ones, under its own tax rate, until it is used up or paid out.

use std::collections::BTreeMap;

use super::bill::{self, Line, LineCode};
use super::invoice::Invoice;
use super::units::{TaxRate, Yen};

/// Carried credit, by the tax rate of its origin.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Balance(BTreeMap<TaxRate, Yen>);

impl Balance {
    /// The credit that the given invoices carry forward and that no later one has used or paid out.
    pub fn of(invoices: &[Invoice]) -> Self {
        let mut balance = Self::default();
        for line in invoices.iter().flat_map(|invoice| &invoice.lines) {
            balance.add(line.tax_rate, left_over(line));
        }
        balance
    }

    fn add(&mut self, rate: TaxRate, yen: Yen) {
        let known = self.0.entry(rate).or_default();
        *known = *known + yen;
    }

    /// Adds another balance to this one.
    pub fn join(&mut self, other: Self) {
        for (rate, yen) in other.0 {
            self.add(rate, yen);
        }
    }

    /// The sum over all tax rates.
    pub fn total(&self) -> Yen {
        self.0.values().copied().sum()
    }

    /// Whether any credit is left.
    pub fn is_left(&self) -> bool {
        self.0.values().any(|yen| *yen > Yen::ZERO)
    }

    /// Empties the balance. Returns the lines that show the credit, one per tax rate, with the
    /// given sign.
    fn take(
        &mut self,
        code: LineCode,
        is_negative: bool,
        line: &impl Fn(LineCode, TaxRate, Yen) -> Line,
    ) -> Vec<Line> {
        let left = std::mem::take(&mut self.0).into_iter().filter(|(_, yen)| *yen > Yen::ZERO);
        left.map(|(rate, yen)| line(code, rate, if is_negative { -yen } else { yen })).collect()
    }

    /// Uses the carried credit in an invoice: adds it as the first lines. If the invoice would
    /// become negative, the excess is carried forward by further lines at its end.
    pub fn settle(
        &mut self,
        lines: &mut Vec<Line>,
        line: &impl Fn(LineCode, TaxRate, Yen) -> Line,
    ) {
        lines.splice(0..0, self.take(LineCode::CarriedCredit, true, line));
        let mut over = -bill::total(lines);
        let by_rate: Vec<(TaxRate, Yen)> =
            bill::tax_totals(lines).into_iter().map(|total| (total.rate, total.taxable)).collect();
        for (rate, sum) in by_rate.into_iter().filter(|(_, sum)| *sum < Yen::ZERO) {
            let forward = over.min(-sum);
            if forward > Yen::ZERO {
                lines.push(line(LineCode::CarriedForward, rate, forward));
                self.add(rate, forward);
                over = over - forward;
            }
        }
    }

    /// Empties the balance. Returns the lines by which the credit is paid out.
    pub fn pay_out(&mut self, line: &impl Fn(LineCode, TaxRate, Yen) -> Line) -> Vec<Line> {
        self.take(LineCode::Refund, false, line)
    }
}

/// The credit that a line carries forward, less the credit that it uses or pays out.
pub fn left_over(line: &Line) -> Yen {
    match line.code {
        LineCode::CarriedForward | LineCode::CarriedCredit => line.amount,
        LineCode::Refund => -line.amount,
        _ => Yen::ZERO,
    }
}

#[cfg(test)]
#[path = "credit_tests.rs"]
mod tests;

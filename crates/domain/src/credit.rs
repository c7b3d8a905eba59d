//! What credits leave over (rule B3b): no invoice is negative. The rest is carried to the next invoices, by the tax rate that it
//! came from, until it is used up or paid out.

use std::collections::BTreeMap;

use super::bill::{self, Line, LineCode};
use super::invoice::Invoice;
use super::units::{TaxRate, Yen};

/// Credit that is left over, by the tax rate that it came from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Balance(BTreeMap<TaxRate, Yen>);

impl Balance {
    /// What invoices leave over.
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

    /// Takes another one in.
    pub fn join(&mut self, other: Self) {
        for (rate, yen) in other.0 {
            self.add(rate, yen);
        }
    }

    /// All of it.
    pub fn total(&self) -> Yen {
        self.0.values().copied().sum()
    }

    /// Whether something is left over.
    pub fn is_left(&self) -> bool {
        self.0.values().any(|yen| *yen > Yen::ZERO)
    }

    /// Takes all of it: the lines by which that is shown, each with a sum of this sign.
    fn take(
        &mut self,
        code: LineCode,
        is_negative: bool,
        line: &impl Fn(LineCode, TaxRate, Yen) -> Line,
    ) -> Vec<Line> {
        let left = std::mem::take(&mut self.0).into_iter().filter(|(_, yen)| *yen > Yen::ZERO);
        left.map(|(rate, yen)| line(code, rate, if is_negative { -yen } else { yen })).collect()
    }

    /// Has an invoice's lines begin with what is left over, and end with what they leave over themselves.
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

    /// The lines by which all of it is paid out.
    pub fn pay_out(&mut self, line: &impl Fn(LineCode, TaxRate, Yen) -> Line) -> Vec<Line> {
        self.take(LineCode::Refund, false, line)
    }
}

/// What a line leaves over of credit: what is carried forward, less what is used or paid out.
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

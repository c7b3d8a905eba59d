//! Money and energy as integers with a type of their own, so that no float and no bare number holds
//! either.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, Neg, Sub};

use rust_decimal::Decimal;

/// An amount of money in hundredths of a yen (tariffs have 3.3 and 38.5 yen), tax included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Yen(i64);

/// The largest amount that is accepted from outside, in hundredths of a yen: 10 thousand million
/// yen.
const LARGEST_AMOUNT: i64 = 1_000_000_000_000;

impl Yen {
    /// Zero yen.
    pub const ZERO: Self = Self(0);

    /// The amount of so many hundredths of a yen.
    pub const fn from_hundredths(hundredths: i64) -> Self {
        Self(hundredths)
    }

    /// The amount of so many whole yen.
    pub const fn whole(yen: i64) -> Self {
        Self(yen * 100)
    }

    /// The amount in hundredths of a yen.
    pub const fn hundredths(self) -> i64 {
        self.0
    }

    /// Reads `"1320"` or `"3.3"`: at most two decimals, no sign.
    pub fn parse(text: &str) -> Option<Self> {
        if !text.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
            return None;
        }
        let decimal: Decimal = text.parse().ok()?;
        let hundredths = decimal.checked_mul(Decimal::ONE_HUNDRED)?;
        if !hundredths.is_integer() || hundredths.is_sign_negative() {
            return None;
        }
        let hundredths = i64::try_from(hundredths).ok()?;
        (hundredths <= LARGEST_AMOUNT).then_some(Self(hundredths))
    }

    /// The price of so many units, without rounding.
    pub fn times(self, units: i64) -> Self {
        Self(self.0.saturating_mul(units))
    }

    /// Rounds down to whole yen, toward minus infinity. A metered total is rounded only here
    /// (convention C6: per member, month, charger class and tariff line).
    pub fn floor_to_whole(self) -> Self {
        Self(self.0.div_euclid(100) * 100)
    }
}

impl Add for Yen {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sub for Yen {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Neg for Yen {
    type Output = Self;
    fn neg(self) -> Self {
        Self(-self.0)
    }
}

impl Sum for Yen {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Add::add)
    }
}

impl fmt::Display for Yen {
    /// The decimal string of the API and the exports: `1320`, `3.3`, `-440`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Decimal::new(self.0, 2).normalize())
    }
}

/// A rate of consumption tax in hundredths of a per cent (`0.10` is 1000).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaxRate(i64);

impl TaxRate {
    /// Reads `"0.10"`: from 0 to 1 with at most four decimals.
    pub fn parse(text: &str) -> Option<Self> {
        let scaled = text.parse::<Decimal>().ok()?.checked_mul(Decimal::from(10_000))?;
        let rate = i64::try_from(scaled).ok().filter(|_| scaled.is_integer())?;
        (0..=10_000).contains(&rate).then_some(Self(rate))
    }

    /// The tax contained in a tax-included amount, cut toward zero to whole yen, so that a return
    /// invoice credits exactly the tax of its invoice. The tax is computed once per rate and
    /// invoice (convention C6).
    pub fn tax_within(self, tax_included: Yen) -> Yen {
        let tax = i128::from(tax_included.0) * i128::from(self.0) / i128::from(10_000 + self.0);
        Yen(i64::try_from(tax / 100 * 100).unwrap_or(i64::MAX))
    }

    /// A tax-included amount without its tax, in ten-thousandths of a yen, cut toward zero.
    pub fn without_tax(self, tax_included: Yen) -> Decimal {
        let scaled = i128::from(tax_included.0) * 100 * 10_000 / i128::from(10_000 + self.0);
        Decimal::from_i128_with_scale(scaled, 4).normalize()
    }

    /// The rate in per cent.
    pub fn per_cent(self) -> Decimal {
        Decimal::new(self.0, 2).normalize()
    }
}

impl fmt::Display for TaxRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rate = Decimal::new(self.0, 4).normalize();
        if rate.scale() < 2 {
            rate.rescale(2);
        }
        write!(f, "{rate}")
    }
}

/// Electric energy, or a meter's register, in watt-hours: 64 bits, because registers of real meters
/// exceed 32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct WattHours(pub i64);

impl WattHours {
    /// The register -1, by which a station says that it does not know its meter.
    pub const UNKNOWN: Self = Self(-1);
}

/// A meter's register in watt-hours as the station reported it, with its decimals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Register(pub Decimal);

impl Register {
    /// The register in whole watt-hours, decimals cut off. A number beyond 64 bits becomes the
    /// nearest one within.
    pub fn watt_hours(self) -> WattHours {
        let most = if self.0.is_sign_negative() { i64::MIN } else { i64::MAX };
        WattHours(i64::try_from(self.0.trunc()).unwrap_or(most))
    }
}

#[cfg(test)]
#[path = "units_tests.rs"]
mod tests;

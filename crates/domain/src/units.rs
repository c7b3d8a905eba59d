//! Money and energy: integers with a name, so that no float and no bare number carries either.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, Neg, Sub};

use rust_decimal::Decimal;

/// An amount of money in hundredths of a yen (tariffs have 3.3 and 38.5 yen), tax included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Yen(i64);

/// The largest amount taken from outside, in hundredths of a yen: 10 thousand million yen.
const LARGEST_AMOUNT: i64 = 1_000_000_000_000;

impl Yen {
    /// No money.
    pub const ZERO: Self = Self(0);

    /// From hundredths of a yen.
    pub const fn from_hundredths(hundredths: i64) -> Self {
        Self(hundredths)
    }

    /// From whole yen.
    pub const fn whole(yen: i64) -> Self {
        Self(yen * 100)
    }

    /// In hundredths of a yen.
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

    /// A price per unit times a number of units, exact.
    pub fn times(self, units: i64) -> Self {
        Self(self.0.saturating_mul(units))
    }

    /// Cut to whole yen, toward minus infinity. The one rounding of a metered total
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

    /// The tax contained in a tax-included amount, its size cut to whole yen, so that a return takes back
    /// what its invoice held. Taken once per rate and invoice (convention C6).
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

/// Electric energy, or a meter's register, in watt-hours. 64 bits: registers of the field exceed 32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct WattHours(pub i64);

impl WattHours {
    /// A register of minus one: the station does not know its meter.
    pub const UNKNOWN: Self = Self(-1);
}

/// A meter's register in watt-hours as a station tells it, with its decimals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Register(pub Decimal);

impl Register {
    /// The whole watt-hours; decimals are cut. What is beyond all numbers of them is the most that there is.
    pub fn watt_hours(self) -> WattHours {
        let most = if self.0.is_sign_negative() { i64::MIN } else { i64::MAX };
        WattHours(i64::try_from(self.0.trunc()).unwrap_or(most))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yen_prints_as_short_decimal_strings() {
        for (hundredths, printed) in [
            (132_000, "1320"),
            (330, "3.3"),
            (3850, "38.5"),
            (165, "1.65"),
            (0, "0"),
            (-44_000, "-440"),
        ] {
            assert_eq!(Yen::from_hundredths(hundredths).to_string(), printed);
        }
    }

    #[test]
    fn a_register_counts_in_whole_watt_hours() {
        for (told, whole) in [
            ("12345", 12_345),
            ("12.9", 12),
            ("-1", -1),
            ("-0.5", 0),
            ("99999999999999999999", i64::MAX),
        ] {
            assert_eq!(Register(told.parse().unwrap()).watt_hours(), WattHours(whole), "{told}");
        }
    }

    #[test]
    fn yen_reads_what_it_prints_and_refuses_the_rest() {
        assert_eq!(Yen::parse("3.3"), Some(Yen::from_hundredths(330)));
        assert_eq!(Yen::parse("1650"), Some(Yen::whole(1650)));
        for bad in ["", "-1", "3.333", "x", "1e3", "99999999999999"] {
            assert_eq!(Yen::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_metered_total_is_floored_once() {
        assert_eq!(Yen::parse("3.3").unwrap().times(7).floor_to_whole(), Yen::whole(23));
        assert_eq!(Yen::from_hundredths(-1).floor_to_whole(), Yen::whole(-1));
    }

    #[test]
    fn tax_is_cut_to_whole_yen_out_of_the_included_total() {
        let rate = TaxRate::parse("0.10").unwrap();
        for (total, tax) in [
            (5280, 480),
            (4403, 400),
            (4466, 406),
            (7480, 680),
            (0, 0),
            (-4403, -400),
            (-5280, -480),
        ] {
            assert_eq!(rate.tax_within(Yen::whole(total)), Yen::whole(tax), "{total}");
        }
        assert_eq!(rate.to_string(), "0.10");
        assert_eq!(TaxRate::parse("0.085").unwrap().to_string(), "0.085");
        assert_eq!(TaxRate::parse("1.1"), None);
    }
}

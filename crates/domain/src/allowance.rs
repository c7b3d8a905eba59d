//! The month's free units: one pool per member, month and charger class, for all cards together
//! (articles 2.7, 9.2; rules R7.5 to R7.7).

use super::tariff::FreeUnits;

/// The free units that are left while a month's sessions draw on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pool {
    carried: i64,
    own: FreeUnits,
}

/// A session's units, divided into free and charged ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Split {
    /// Units taken from the pool.
    pub free: i64,
    /// Units beyond the pool, which are charged.
    pub charged: i64,
}

impl Pool {
    /// A month's pool: its own free units, and those carried in from the month before.
    pub const fn new(own: FreeUnits, carried: i64) -> Self {
        Self { carried, own }
    }

    /// Draws units from the pool. Carried units are drawn first, because they expire sooner.
    pub fn draw(&mut self, units: i64) -> Split {
        let from_carried = units.min(self.carried);
        self.carried -= from_carried;
        let wanted = units - from_carried;
        let from_own = match &mut self.own {
            FreeUnits::Unlimited => wanted,
            FreeUnits::Limited(left) => {
                let taken = wanted.min(*left);
                *left -= taken;
                taken
            }
        };
        let free = from_carried + from_own;
        Split { free, charged: units - free }
    }

    /// The month's own units that are left. Only these may be carried to the next month, never
    /// units that were carried in.
    pub const fn own_left(&self) -> i64 {
        match self.own {
            FreeUnits::Limited(left) => left,
            FreeUnits::Unlimited => 0,
        }
    }

    /// All free units that are left; `None` if they are unlimited.
    pub const fn left(&self) -> Option<i64> {
        match self.own {
            FreeUnits::Limited(left) => Some(self.carried + left),
            FreeUnits::Unlimited => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_split_at_the_pools_edge() {
        let mut pool = Pool::new(FreeUnits::Limited(20), 0);
        assert_eq!(pool.draw(15), Split { free: 15, charged: 0 });
        assert_eq!(pool.draw(15), Split { free: 5, charged: 10 });
        assert_eq!(pool.draw(1), Split { free: 0, charged: 1 });
    }

    #[test]
    fn carried_units_go_first_and_are_never_carried_twice() {
        let mut pool = Pool::new(FreeUnits::Limited(100), 60);
        assert_eq!(pool.draw(150), Split { free: 150, charged: 0 });
        assert_eq!(pool.own_left(), 10);
        let untouched = Pool::new(FreeUnits::Limited(100), 60);
        assert_eq!(untouched.own_left(), 100);
        assert_eq!(untouched.left(), Some(160));
    }

    proptest::proptest! {
        #[test]
        fn free_and_charged_make_up_the_units_and_free_never_exceeds_the_pool(
            own in 0i64..500, carried in 0i64..500, draws in proptest::collection::vec(0i64..200, 0..20)
        ) {
            let mut pool = Pool::new(FreeUnits::Limited(own), carried);
            let splits: Vec<Split> = draws.iter().map(|units| pool.draw(*units)).collect();
            for (split, units) in splits.iter().zip(&draws) {
                proptest::prop_assert_eq!(split.free + split.charged, *units);
            }
            let free: i64 = splits.iter().map(|split| split.free).sum();
            proptest::prop_assert!(free <= own + carried);
            proptest::prop_assert_eq!(free, draws.iter().sum::<i64>().min(own + carried));
        }
    }
}

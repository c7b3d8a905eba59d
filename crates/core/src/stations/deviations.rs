//! What stations send beside the standard and is taken all the same, counted by station and kind since this node started.

use std::collections::BTreeMap;

use dashmap::DashMap;

use juden_domain::ids::StationId;

/// Kinds and how often each came.
pub type Counts = BTreeMap<&'static str, u64>;

/// The counts of all stations that were connected here. Kinds are few and of ours.
#[derive(Debug, Default)]
pub struct Deviations(DashMap<StationId, Counts>);

impl Deviations {
    /// Counts one.
    pub fn note(&self, station: &StationId, kind: &'static str) {
        let mut counts = self.0.entry(station.clone()).or_default();
        let count = counts.entry(kind).or_default();
        *count = count.saturating_add(1);
    }

    /// A station's counts.
    pub fn of(&self, station: &StationId) -> Counts {
        self.0.get(station).map(|counts| counts.clone()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_station_has_its_own_counts() {
        let (oddities, one, other) = (
            Deviations::default(),
            StationId::parse("CP1").unwrap(),
            StationId::parse("CP2").unwrap(),
        );
        oddities.note(&one, "an empty text");
        oddities.note(&one, "an empty text");
        assert_eq!(oddities.of(&one), Counts::from([("an empty text", 2)]));
        assert_eq!(oddities.of(&other), Counts::new());
    }
}

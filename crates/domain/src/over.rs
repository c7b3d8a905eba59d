//! Sessions whose stop never comes (rules B6, B9): what shows that one is over ends it provisionally, at the newest evidence of
//! charging. The station's own stop takes the estimate's place whenever it comes.

use chrono::{DateTime, TimeDelta, Utc};

use super::flag::Flag;
use super::metering;
use super::session::{
    Edge, LONG_SESSION_HOURS, STALE_AFTER_CAP_MIN, STALE_OFFLINE_HOURS, Session, Stop, StopBasis,
};
use super::station::ConnectorSite;

/// The state of a connector at which nothing charges any more.
pub const FREE: &str = "Available";

/// How long a station that booted may take to go on with a transaction.
pub const GOES_ON_WITHIN_MIN: i64 = 5;

/// What shows that a session is over although its station told no stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OverBy {
    /// Its connector was told to be available.
    Available,
    /// Its charger booted and did not go on with it.
    Booted,
    /// Another transaction began at its connector, or under its name.
    NextTransaction,
    /// Its charger, asked, said that it does not go on.
    NotOngoing,
    /// It would be longer than its site allows, and nothing is charged any more.
    CapPassed,
    /// Its charger is offline for too long.
    Offline,
}

named!(
    OverBy,
    Available = "connector_available",
    Booted = "station_booted",
    NextTransaction = "superseded",
    NotOngoing = "not_ongoing",
    CapPassed = "site_cap_passed",
    Offline = "station_offline",
);

impl OverBy {
    /// The flag that says what an estimated end rests on.
    const fn flag(self) -> Flag {
        match self {
            Self::Available => Flag::ConnectorAvailable,
            Self::Booted => Flag::StationBooted,
            Self::NextTransaction => Flag::Superseded,
            Self::NotOngoing => Flag::NotOngoing,
            Self::CapPassed => Flag::SiteCapPassed,
            Self::Offline => Flag::StationOffline,
        }
    }
}

/// Evidence that a session is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Over {
    /// The instant of the evidence: the session did not last longer.
    pub at: DateTime<Utc>,
    /// What it is.
    pub by: OverBy,
}

/// What is remembered of a session beside what its bill rests on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Trail {
    /// Whether its station named its number: then a stop that names another one does not mean it (rule B8).
    pub is_number_named: bool,
    /// The newest evidence of charging: a register that rose, power above 0, a status that shows charging.
    pub charging_seen: Option<DateTime<Utc>>,
    /// When its charger booted after its start and did not go on with it yet.
    pub booted_at: Option<DateTime<Utc>>,
    /// What shows that it is over.
    pub over: Option<Over>,
    /// By how many milliseconds the station's clock differed from ours when it started, as measured.
    pub clock_offset_ms: Option<i64>,
    /// The content of a stop that was guessed to be its own, and its answer, once the true one took its place.
    pub guess: Option<(String, String)>,
}

/// Doubts that an end brings: they go with it.
const OF_END: [Flag; 15] = [
    Flag::EndEstimated,
    Flag::ConnectorAvailable,
    Flag::StationBooted,
    Flag::NotOngoing,
    Flag::SiteCapPassed,
    Flag::StationOffline,
    Flag::OverADay,
    Flag::OverSiteCap,
    Flag::DurationDoubtful,
    Flag::EnergyImplausible,
    Flag::StopBeforeStart,
    Flag::StoppedByOtherCard,
    Flag::MatchedByContent,
    Flag::MeterBackwards,
    Flag::MeterRounded,
];

impl Session {
    /// Takes an end away, with the doubts about it: another one comes, or the session goes on.
    pub fn reopen(&mut self) {
        self.stop = None;
        self.trail.over = None;
        self.flags.retain(|flag| !OF_END.contains(flag));
        if self.start.meter.is_some() {
            self.flags.remove(&Flag::MeterUnknown);
        }
    }

    /// Something shows that energy flowed at an instant, or that the session goes on. What booted before goes on with it.
    pub fn is_seen_charging(&mut self, at: DateTime<Utc>) {
        self.trail.charging_seen = self.trail.charging_seen.max(Some(at));
        self.goes_on(at);
    }

    /// Its connector was told to charge at an instant. That may be the next driver's, once something else than the clock showed
    /// that this session is over.
    pub fn is_told_to_charge(&mut self, at: DateTime<Utc>) {
        let over = self.trail.over.filter(|over| {
            self.is_estimated() && !matches!(over.by, OverBy::CapPassed | OverBy::Offline)
        });
        let did_not_go_on =
            self.trail.booted_at.map(|booted| booted + TimeDelta::minutes(GOES_ON_WITHIN_MIN));
        if over.map(|over| over.at).or(did_not_go_on).is_none_or(|until| at <= until) {
            self.is_seen_charging(at);
        }
    }

    /// The station says something of the session as of an instant: an estimate that it was over before gives way.
    pub fn goes_on(&mut self, at: DateTime<Utc>) {
        if self.trail.booted_at.is_some_and(|booted| booted <= at) {
            self.trail.booted_at = None;
        }
        let Some(over) = self.trail.over.filter(|_| self.is_estimated()) else { return };
        self.reopen();
        if at <= over.at {
            self.estimate_end(over);
        }
    }

    /// Another transaction began at its connector at an instant, as it seems by now: it was over then (rule B6). Of two such
    /// the earlier counts, in whatever order they come.
    pub fn is_followed_at(&mut self, next: DateTime<Utc>) {
        self.flags.insert(Flag::Superseded);
        let known = self.trail.over.filter(|_| self.is_estimated());
        if known.is_some_and(|known| known.at > next) {
            self.reopen();
        }
        self.estimate_end(Over { at: next, by: OverBy::NextTransaction });
    }

    /// Whether it may have run at an instant. An end that was estimated says less than what it rests on: until then the
    /// session may have run, and what a station delivers late may show it (rule B9).
    pub fn may_have_run_at(&self, at: DateTime<Utc>) -> bool {
        let over = self.trail.over.filter(|_| self.is_estimated()).map(|over| over.at);
        let until = self.stop.as_ref().map(|stop| over.unwrap_or(stop.edge.at).max(stop.edge.at));
        self.start.at <= at && until.is_none_or(|until| at <= until)
    }

    /// Whether its end is an estimate.
    pub fn is_estimated(&self) -> bool {
        self.stop.as_ref().is_some_and(|stop| stop.basis == StopBasis::Estimated)
    }

    /// Whether its end gives way to the station's own stop: it was estimated or guessed.
    pub fn is_provisional(&self) -> bool {
        self.stop.as_ref().is_some_and(|stop| stop.basis != StopBasis::Told)
    }

    /// Ends it provisionally, where nothing ended it yet (rule B9): at the newest evidence of charging, never later than what
    /// shows that it is over, and where there is none, at that.
    pub fn estimate_end(&mut self, over: Over) {
        if self.stop.is_some() {
            return;
        }
        // Beyond its site's limit it lasted only as far as charging was seen: whichever evidence comes first.
        let cap = self.site.as_ref().and_then(ConnectorSite::cap_min);
        let limit = cap
            .map(|cap_min| self.start.at + TimeDelta::minutes(cap_min + STALE_AFTER_CAP_MIN))
            .max(self.trail.charging_seen);
        let over_at = limit
            .filter(|_| cap.is_some())
            .map_or(over.at, |limit| over.at.min(limit))
            .max(self.start.at);
        let at = self
            .trail
            .charging_seen
            .filter(|seen| *seen >= self.start.at)
            .map_or(over_at, |seen| seen.min(over_at));
        let (energy, doubt) = metering::energy(self.start.meter, None, self.last_reading);
        let long = at - self.start.at > TimeDelta::hours(LONG_SESSION_HOURS);
        self.flags.extend([Flag::EndEstimated, over.by.flag()]);
        self.flags.extend(doubt);
        self.flags.extend(long.then_some(Flag::OverADay));
        self.trail.over = Some(over);
        self.stop = Some(Stop {
            edge: Edge {
                reported: String::new(),
                said: None,
                received_at: over.at,
                at,
                meter: self.last_reading,
            },
            reason: over.by.name().to_owned(),
            id_tag: None,
            energy,
            basis: StopBasis::Estimated,
        });
    }

    /// What the state of its connector, free since an instant, or a boot shows of a session that nothing ended (rule B6).
    pub fn over_by_state(
        &self,
        free_since: Option<DateTime<Utc>>,
        booted_at: Option<DateTime<Utc>>,
        now: DateTime<Utc>,
    ) -> Option<Over> {
        let free = free_since.map(|at| Over { at, by: OverBy::Available });
        let gone = now - TimeDelta::minutes(GOES_ON_WITHIN_MIN);
        let booted = booted_at.filter(|at| *at < gone).map(|at| Over { at, by: OverBy::Booted });
        let since = self.start.at.max(self.start.received_at);
        free.or(booted).filter(|over| self.stop.is_none() && over.at > since)
    }

    /// What shows by the clock alone that a session is over that nothing ended (rule B6). `offline_since` is when its charger
    /// was last heard, where it is offline now.
    pub fn over_by_now(
        &self,
        now: DateTime<Utc>,
        offline_since: Option<DateTime<Utc>>,
    ) -> Option<Over> {
        if self.stop.is_some() {
            return None;
        }
        let booted =
            self.trail.booted_at.filter(|at| *at + TimeDelta::minutes(GOES_ON_WITHIN_MIN) < now);
        if let Some(at) = booted {
            return Some(Over { at, by: OverBy::Booted });
        }
        let past_cap = TimeDelta::minutes(STALE_AFTER_CAP_MIN);
        let cap = self
            .site
            .as_ref()
            .and_then(ConnectorSite::cap_min)
            .map(|cap_min| self.start.at + TimeDelta::minutes(cap_min));
        if let Some(offline_since) = offline_since {
            let gone_at = match cap {
                Some(cap) => cap.max(offline_since) + past_cap,
                None => offline_since + TimeDelta::hours(STALE_OFFLINE_HOURS),
            };
            return (gone_at < now).then_some(Over { at: gone_at, by: OverBy::Offline });
        }
        // Where energy flows on, the site's limit is not kept there: it is no sign of an end.
        let over_at =
            cap?.max(self.trail.charging_seen.unwrap_or(DateTime::<Utc>::MIN_UTC)) + past_cap;
        (over_at < now).then_some(Over { at: over_at, by: OverBy::CapPassed })
    }
}

#[cfg(test)]
#[path = "over_tests.rs"]
mod tests;

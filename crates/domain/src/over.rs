//! Sessions whose stop never comes (rules B6, B9). Evidence that a session is over ends it
//! provisionally, at the newest evidence of charging. The station's own stop replaces the estimate
//! whenever it comes.

use chrono::{DateTime, TimeDelta, Utc};

use super::flag::Flag;
use super::metering;
use super::session::{
    Edge, LONG_SESSION_HOURS, STALE_AFTER_CAP_MIN, STALE_OFFLINE_HOURS, Session, Stop, StopBasis,
};
use super::station::ConnectorSite;

/// The StatusNotification status of a connector at which no transaction runs.
pub const FREE: &str = "Available";

/// Minutes after a boot within which a station may continue a transaction.
pub const GOES_ON_WITHIN_MIN: i64 = 5;

/// The evidence that a session is over although its station sent no stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OverBy {
    /// The station reported its connector as available.
    Available,
    /// The session's station booted and did not continue it.
    Booted,
    /// Another transaction started at its connector, or under its transaction name.
    NextTransaction,
    /// The session's station was asked and answered that the transaction is not ongoing.
    NotOngoing,
    /// The session would be longer than its site allows, and no energy flows any more.
    CapPassed,
    /// The session's station has been offline for too long.
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
    /// The flag that names this evidence at an estimated end.
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

/// Evidence that a session is over, with its instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Over {
    /// The instant of the evidence. The session did not last longer.
    pub at: DateTime<Utc>,
    /// The kind of evidence.
    pub by: OverBy,
}

/// Facts about a session on which its bill does not rest directly.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Trail {
    /// Whether the station has named the session's transaction id. If so, a stop that names another
    /// id does not belong to this session (rule B8).
    pub is_number_named: bool,
    /// The newest evidence of charging: a register that rose, power above 0, or a status that shows
    /// charging.
    pub charging_seen: Option<DateTime<Utc>>,
    /// The time of a boot of the station after the session's start; `None` once the station
    /// continues the session.
    pub booted_at: Option<DateTime<Utc>>,
    /// The evidence on which an estimated end rests.
    pub over: Option<Over>,
    /// The station's time minus the server's at the session's start, in milliseconds, if measured.
    pub clock_offset_ms: Option<i64>,
    /// A stop that was guessed to be this session's until the true one replaced it: the key of its
    /// content, and its answer.
    pub guess: Option<(String, String)>,
}

/// Flags that belong to a session's end and are removed with it.
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
    /// Removes the session's end and the flags about it, because another end comes or the session
    /// goes on.
    pub fn reopen(&mut self) {
        self.stop = None;
        self.trail.over = None;
        self.flags.retain(|flag| !OF_END.contains(flag));
        if self.start.meter.is_some() {
            self.flags.remove(&Flag::MeterUnknown);
        }
    }

    /// Notes that energy flowed at an instant. That also shows that the session goes on.
    pub fn is_seen_charging(&mut self, at: DateTime<Utc>) {
        self.trail.charging_seen = self.trail.charging_seen.max(Some(at));
        self.goes_on(at);
    }

    /// Takes a StatusNotification of the session's connector that shows charging. A report from
    /// after the evidence that this session is over does not count: it may be about the next
    /// driver. Evidence by the clock alone does not matter here.
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

    /// Takes any report of the station about the session as of an instant. An estimate that the
    /// session was over before that instant is withdrawn.
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

    /// Notes that another transaction started at its connector at an instant, so the session was
    /// over then (rule B6). Of several such starts the earliest counts, in whatever order they
    /// come.
    pub fn is_followed_at(&mut self, next: DateTime<Utc>) {
        self.flags.insert(Flag::Superseded);
        let known = self.trail.over.filter(|_| self.is_estimated());
        if known.is_some_and(|known| known.at > next) {
            self.reopen();
        }
        self.estimate_end(Over { at: next, by: OverBy::NextTransaction });
    }

    /// Whether the session may have run at an instant. With an estimated end it may have run until
    /// the evidence of that end, because late messages may still show so (rule B9).
    pub fn may_have_run_at(&self, at: DateTime<Utc>) -> bool {
        let over = self.trail.over.filter(|_| self.is_estimated()).map(|over| over.at);
        let until = self.stop.as_ref().map(|stop| over.unwrap_or(stop.edge.at).max(stop.edge.at));
        self.start.at <= at && until.is_none_or(|until| at <= until)
    }

    /// Whether the session's end is estimated.
    pub fn is_estimated(&self) -> bool {
        self.stop.as_ref().is_some_and(|stop| stop.basis == StopBasis::Estimated)
    }

    /// Whether the station's own stop would replace the session's end, because the end was
    /// estimated or guessed.
    pub fn is_provisional(&self) -> bool {
        self.stop.as_ref().is_some_and(|stop| stop.basis != StopBasis::Told)
    }

    /// Ends the session provisionally, unless it has an end (rule B9). The end is the newest
    /// evidence of charging, but never later than the evidence that it is over. Without evidence of
    /// charging it is the latter.
    pub fn estimate_end(&mut self, over: Over) {
        if self.stop.is_some() {
            return;
        }
        // Beyond the site's limit the session counts only up to the newest evidence of charging,
        // whichever evidence of the end comes first.
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

    /// The evidence that a session without an end is over (rule B6): its connector has been
    /// available since an instant, or its station booted and did not continue it.
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

    /// The evidence, by the clock alone, that a session without an end is over (rule B6).
    /// `offline_since` is the time at which its station was last heard, if it is offline now.
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
        // While energy flows, the site's limit is no evidence of an end: this site does not enforce
        // it.
        let over_at =
            cap?.max(self.trail.charging_seen.unwrap_or(DateTime::<Utc>::MIN_UTC)) + past_cap;
        (over_at < now).then_some(Over { at: over_at, by: OverBy::CapPassed })
    }
}

#[cfg(test)]
#[path = "over_tests.rs"]
mod tests;

//! Doubts about a session: each has a name, and says whether its money waits.

/// What a flag does to a session's money.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FlagEffect {
    /// Kept as evidence; billed as measured.
    Note,
    /// Measured, but held until a person decides (rule B4).
    Review,
    /// Started on a card that was not authorized: out of the bill until a person decides (rule B7).
    Exception,
    /// Cannot be measured or attributed: not rated.
    Quarantine,
}

macro_rules! flags {
    ($($(#[$doc:meta])* $variant:ident = $code:literal, $effect:ident;)+) => {
        /// A named doubt about a session.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Flag { $($(#[$doc])* $variant),+ }

        impl Flag {
            /// Every flag.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name shown by the API and kept in the store.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$variant => $code),+ }
            }

            /// What it does to the session's money.
            pub const fn effect(self) -> FlagEffect {
                match self { $(Self::$variant => FlagEffect::$effect),+ }
            }
        }
    };
}

flags! {
    /// The station's clock was ahead of ours by more than the tolerance: our receipt time counts.
    ClockAhead = "clock_ahead", Note;
    /// The station was connected, yet its clock lay behind ours by more than the tolerance: our
    /// receipt time counts (rule R6.2b).
    ClockBehind = "clock_behind", Note;
    /// The message came late over a connection that stood; the station's clock was shown right, so its time counts (rule R6.2b).
    DeliveredLate = "delivered_late", Note;
    /// The station's clock was shown wrong by a steady difference, which was taken off (rule R6.2b).
    ClockCorrected = "clock_corrected", Note;
    /// The station's time lies before the programme began, or more than a day ahead.
    ClockImplausible = "clock_implausible", Quarantine;
    /// The station's time names no zone and the station record names none either.
    TimeWithoutZone = "time_without_zone", Quarantine;
    /// The station's time is missing or cannot be read.
    TimeUnreadable = "time_unreadable", Quarantine;
    /// The message lacked a field or had one of the wrong kind; what was readable was kept.
    MalformedStart = "malformed_start", Quarantine;
    /// The same, at the stop.
    MalformedStop = "malformed_stop", Note;
    /// The id tag is no card of the programme.
    UnknownCard = "unknown_card", Quarantine;
    /// The station started without a card (free start).
    NoCard = "no_card", Quarantine;
    /// The id tag was longer than is kept.
    IdTagTooLong = "id_tag_too_long", Note;
    /// The connector is not in the station's record, so its class and price are unknown.
    UnknownConnector = "unknown_connector", Quarantine;
    /// The card was not authorized at the session's start; the session's `refusal` says why.
    NotAuthorized = "not_authorized", Exception;
    /// The charger was closed or in maintenance when the start was heard: the card was refused there.
    ChargerUnavailable = "charger_unavailable", Note;
    /// The card was refused when the start was heard, although by the station's clock it was still, or
    /// already, valid: by that clock it is judged (rule R6.2b).
    RefusedWhenHeard = "refused_when_heard", Note;
    /// The card had another running session when this one started.
    Concurrent = "concurrent", Note;
    /// The card had another session without a stop, at a charger long gone.
    StaleConcurrent = "stale_concurrent", Note;
    /// The session's time overlaps another session of the same card.
    Overlap = "overlap", Review;
    /// A later transaction began on the connector before this one was stopped.
    Superseded = "superseded", Note;
    /// It arrived more than 60 days after it started.
    LateArrival = "late_arrival", Review;
    /// It lasted more than 24 hours.
    OverADay = "over_a_day", Review;
    /// It lasted longer than the site allows.
    OverSiteCap = "over_site_cap", Note;
    /// By the station's clock it ended after we heard of its end, and lasted longer than its site allows.
    DurationDoubtful = "duration_doubtful", Review;
    /// It ended before it started: it has no units until a person says when it ended (rule B4).
    StopBeforeStart = "stop_before_start", Review;
    /// Its stop never came: its end is an estimate (rule B9).
    EndEstimated = "end_estimated", Review;
    /// Its end is estimated, because its connector was told to be available.
    ConnectorAvailable = "connector_available", Note;
    /// Its end is estimated, because its charger booted and did not go on with it.
    StationBooted = "station_booted", Note;
    /// Its end is estimated, because its charger, asked, said that it does not go on.
    NotOngoing = "not_ongoing", Note;
    /// Its end is estimated, because it would be longer than its site allows.
    SiteCapPassed = "site_cap_passed", Note;
    /// Its end is estimated, because its charger was offline for too long.
    StationOffline = "station_offline", Note;
    /// The station's stop took the place of an end that was guessed by another's stop (rule B8). One that was only estimated
    /// gives way without a word: whether it came first is chance.
    EndReplaced = "end_replaced", Note;
    /// A stop came after a person had named the end: it is kept and changes nothing (rule B11).
    StopAfterCorrection = "stop_after_correction", Note;
    /// The station used the name of an earlier transaction again (rule B10).
    NameUsedAgain = "transaction_name_used_again", Note;
    /// The station counts its messages not: they were read by kind and time.
    StepsUncounted = "steps_uncounted", Note;
    /// Another card stopped it.
    StoppedByOtherCard = "stopped_by_other_card", Note;
    /// The stop named no transaction of ours; it was matched by station, card, time and meter.
    MatchedByContent = "matched_by_content", Note;
    /// Only the stop ever arrived; the session was built from it.
    StartMissing = "start_missing", Review;
    /// Events of the transaction never came; those that its time and energy rest on did.
    StepsMissing = "steps_missing", Note;
    /// An event that may have told when energy began to flow never came.
    ChargingStartDoubtful = "charging_start_doubtful", Review;
    /// The station tells whether energy flows, and it never did: there are no minutes.
    NeverCharged = "never_charged", Note;
    /// The transaction's start or end came under the number of another event: which events are missing cannot be told.
    StepNumbersRepeated = "step_numbers_repeated", Review;
    /// An event that differs from the first one under its number was kept and not applied.
    StepDiffers = "step_differs", Note;
    /// A stop that differs from the first one was kept and not applied.
    StopDiffers = "stop_differs", Note;
    /// The meter ran backwards by one watt-hour: rounding, counted as zero.
    MeterRounded = "meter_rounded", Note;
    /// The meter ran backwards: the energy is unknown. Minutes are billed, so the money is not in doubt.
    MeterBackwards = "meter_backwards", Note;
    /// A meter value is missing: the energy comes from the last reading, or is unknown.
    MeterUnknown = "meter_unknown", Note;
    /// Its charger sent more than is kept of a charger in a day: some of the readings are not kept, their registers count.
    ReadingsNotKept = "readings_not_kept", Note;
    /// More energy than the charger can deliver in the time.
    EnergyImplausible = "energy_implausible", Note;
}

impl Flag {
    /// The flag with this name.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|flag| flag.code() == code)
    }
}

#[cfg(test)]
#[path = "flag_tests.rs"]
mod tests;

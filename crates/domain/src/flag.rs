//! Flags: named doubts about a session. Each says whether it keeps the session from being billed.

/// The effect of a flag on a session's billing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FlagEffect {
    /// Kept as evidence. The session is billed as measured.
    Note,
    /// The session is measured, but held until a person decides (rule B4).
    Review,
    /// The session started on a card that was not authorized. The session is not billed until a
    /// person decides (rule B7).
    Exception,
    /// The session cannot be measured or attributed, so it is not billed.
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

            /// The flag's effect on the session's billing.
            pub const fn effect(self) -> FlagEffect {
                match self { $(Self::$variant => FlagEffect::$effect),+ }
            }
        }
    };
}

flags! {
    /// The reported time was ahead of the received time by more than the tolerance. For a start,
    /// the received time counts.
    ClockAhead = "clock_ahead", Note;
    /// The station was connected, yet the reported time was behind the received time by more than
    /// the tolerance. For a start, the received time counts (rule R6.2b).
    ClockBehind = "clock_behind", Note;
    /// The message came late over a standing connection. The station's clock is known to be right,
    /// so the reported time counts (rule R6.2b).
    DeliveredLate = "delivered_late", Note;
    /// The station's clock is known to be off by a steady difference, which was subtracted (rule
    /// R6.2b).
    ClockCorrected = "clock_corrected", Note;
    /// The reported time is before the programme's first day, or more than a day ahead.
    ClockImplausible = "clock_implausible", Quarantine;
    /// The reported time names no zone, and neither does the station's record.
    TimeWithoutZone = "time_without_zone", Quarantine;
    /// The reported time is missing or cannot be read.
    TimeUnreadable = "time_unreadable", Quarantine;
    /// The start lacked a field or had one of the wrong type. The readable fields were kept.
    MalformedStart = "malformed_start", Quarantine;
    /// The stop lacked a field or had one of the wrong type. The readable fields were kept.
    MalformedStop = "malformed_stop", Note;
    /// The id tag is no card of the programme.
    UnknownCard = "unknown_card", Quarantine;
    /// The station started without a card (free start).
    NoCard = "no_card", Quarantine;
    /// The id tag was longer than the server keeps, and was cut.
    IdTagTooLong = "id_tag_too_long", Note;
    /// The connector is not in the station's record, so its class and price are unknown.
    UnknownConnector = "unknown_connector", Quarantine;
    /// The card was not authorized at the session's start. The session's `refusal` names the
    /// reason.
    NotAuthorized = "not_authorized", Exception;
    /// The charger was closed or in maintenance when the start was received, so the card was
    /// refused.
    ChargerUnavailable = "charger_unavailable", Note;
    /// The card was refused when the start was received, although it was valid at the reported
    /// time, which counts (rule R6.2b).
    RefusedWhenHeard = "refused_when_heard", Note;
    /// The card had another running session when this one started.
    Concurrent = "concurrent", Note;
    /// The card had another session without a stop when this one started, but by the evidence that
    /// one was over.
    StaleConcurrent = "stale_concurrent", Note;
    /// The session's time overlaps another session of the same card.
    Overlap = "overlap", Review;
    /// A later transaction started on the connector, or under the same name, before this one was
    /// stopped.
    Superseded = "superseded", Note;
    /// The session's start was received more than 60 days after it happened.
    LateArrival = "late_arrival", Review;
    /// The session lasted more than 24 hours.
    OverADay = "over_a_day", Review;
    /// The session lasted longer than its site allows.
    OverSiteCap = "over_site_cap", Note;
    /// The station's clock contradicts the server's too much to believe the duration. By the
    /// station's clock, the stop is after its receipt and the session exceeded the site's limit, or
    /// the stop is hours off.
    DurationDoubtful = "duration_doubtful", Review;
    /// The session ended before it started. The session has no units until a person sets the end
    /// (rule B4).
    StopBeforeStart = "stop_before_start", Review;
    /// The session's stop never came. The session's end is an estimate (rule B9).
    EndEstimated = "end_estimated", Review;
    /// The end is estimated because the station reported the connector as available.
    ConnectorAvailable = "connector_available", Note;
    /// The end is estimated because the station booted and did not continue the session.
    StationBooted = "station_booted", Note;
    /// The end is estimated because the station, when asked, answered that the transaction is not
    /// ongoing.
    NotOngoing = "not_ongoing", Note;
    /// The end is estimated because the session would be longer than its site allows.
    SiteCapPassed = "site_cap_passed", Note;
    /// The end is estimated because the station was offline for too long.
    StationOffline = "station_offline", Note;
    /// The station's own stop replaced an end that was guessed from another stop (rule B8). An
    /// estimated end is replaced without this flag, because it depends on chance whether it came
    /// first.
    EndReplaced = "end_replaced", Note;
    /// A stop came after a person had set the end. The stop is kept and changes nothing (rule B11).
    StopAfterCorrection = "stop_after_correction", Note;
    /// The station used the `transactionId` of an earlier transaction again (rule B10).
    NameUsedAgain = "transaction_name_used_again", Note;
    /// The station does not count its TransactionEvents. The events were ordered by type and time
    /// instead of `seqNo`.
    StepsUncounted = "steps_uncounted", Note;
    /// Another card than the one that started the session stopped it.
    StoppedByOtherCard = "stopped_by_other_card", Note;
    /// The stop named no transaction of ours. The stop was matched by station, card, time and
    /// meter.
    MatchedByContent = "matched_by_content", Note;
    /// The transaction's start never came. The session was built from later messages.
    StartMissing = "start_missing", Review;
    /// TransactionEvents between the first one and the end are missing. Another flag says if the
    /// session's start may rest on them.
    StepsMissing = "steps_missing", Note;
    /// A TransactionEvent is missing that may have reported when energy began to flow.
    ChargingStartDoubtful = "charging_start_doubtful", Review;
    /// The station reports whether energy flows, and it never did: the session has no units.
    NeverCharged = "never_charged", Note;
    /// The start or the end came with the `seqNo` of another event, so it is unknown which events
    /// are missing.
    StepNumbersRepeated = "step_numbers_repeated", Review;
    /// A TransactionEvent that differs from the first one with its `seqNo` was kept and not
    /// applied.
    StepDiffers = "step_differs", Note;
    /// A stop that differs from the first one was kept and not applied.
    StopDiffers = "stop_differs", Note;
    /// The meter ran backwards by one watt-hour. That is rounding and counts as zero.
    MeterRounded = "meter_rounded", Note;
    /// The meter ran backwards, so the energy is unknown. Minutes are billed, so the price is not
    /// in doubt.
    MeterBackwards = "meter_backwards", Note;
    /// A register is missing. The energy comes from the last reading, or is unknown.
    MeterUnknown = "meter_unknown", Note;
    /// The station sent more meter values than are kept per station and day. Some meter values are
    /// not kept, but the registers in them count.
    ReadingsNotKept = "readings_not_kept", Note;
    /// The energy is more than the charger can deliver in the time.
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

//! Transactions of OCPP 2.0.1, which a station names itself and reports event by event (section E).
//! Events may come late, twice, out of order, or never. So each new event is added to the kept
//! ones, and the session is built anew from all of them.

use chrono::{DateTime, Utc};

use super::instant::{Heard, Reported};
use super::units::WattHours;

/// The `eventType` of a TransactionEvent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventType {
    /// The first event.
    Started,
    /// An event in between.
    Updated,
    /// The last event.
    Ended,
}

named!(EventType, Started = "started", Updated = "updated", Ended = "ended");

/// A reading of the energy register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Register {
    /// The time of the reading.
    pub at: DateTime<Utc>,
    /// The register's value.
    pub value: WattHours,
}

/// The readings of the energy register that one or more events report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Registers {
    /// The reading with the context `Transaction.Begin`.
    pub begin: Option<Register>,
    /// The reading with the context `Transaction.End`.
    pub end: Option<Register>,
    /// The earliest reading.
    pub first: Option<Register>,
    /// The latest reading.
    pub last: Option<Register>,
}

impl Registers {
    /// Adds a reading with its context.
    pub fn take(&mut self, context: &str, read: Register) {
        match context {
            "Transaction.Begin" => self.begin = self.begin.or(Some(read)),
            "Transaction.End" => self.end = Some(read),
            _ => {}
        }
        self.first = Some(self.first.filter(|first| first.at <= read.at).unwrap_or(read));
        self.last = Some(self.last.filter(|last| last.at > read.at).unwrap_or(read));
    }
}

/// A TransactionEvent, reduced to the facts that the rules use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionEvent {
    /// The event's place in the transaction: its `seqNo`. An event without a usable `seqNo` has its
    /// time in milliseconds or a hash of its content, both beyond all numbers.
    pub order: i64,
    /// The event's `eventType`.
    pub kind: EventType,
    /// The reported time.
    pub reported: Reported,
    /// The receipt of the message.
    pub heard: Heard,
    /// The `idToken` as the station sent it. Empty: the station says that no card is needed.
    pub id_tag: Option<String>,
    /// Whether the `idToken` was that of a valid card. Another running session of the card does not
    /// matter here.
    pub accepted: bool,
    /// The number of the EVSE, if the event names one.
    pub evse_id: Option<i64>,
    /// Whether energy flows, if the event says so.
    pub charging: Option<bool>,
    /// Whether the event's `triggerReason` was `ChargingStateChanged`.
    pub changed: bool,
    /// The `stoppedReason` of an Ended event.
    pub reason: Option<String>,
    /// The event's readings of the energy register.
    pub registers: Registers,
    /// Whether a field of the message was missing or of the wrong type.
    pub malformed: bool,
}

/// The most ranges of `seqNo` that are kept of one transaction.
const RANGES_MAX: usize = 128;

/// The largest `seqNo`: that of a signed 32-bit integer.
const NUMBER_MAX: i64 = 2_147_483_647;

/// Whether an event's place is a `seqNo` of its station.
fn is_number(order: i64) -> bool {
    (0..=NUMBER_MAX).contains(&order)
}

/// The kept facts of a transaction's events: the events from which the session is built, and every
/// `seqNo` that came.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Evidence {
    /// The events that matter, in order.
    pub events: Vec<TransactionEvent>,
    /// The `seqNo` values that came, as sorted ranges that include both ends.
    pub seen: Vec<(i64, i64)>,
    /// Whether an event before the end reported whether energy flows.
    pub tells_charging: bool,
    /// Whether an event reported that energy had flowed for some time.
    pub tells_charged: bool,
    /// Whether a second, different Ended event came.
    pub ended_twice: bool,
    /// Whether a Started or Ended event came with the `seqNo` of another event.
    pub numbers_repeated: bool,
}

impl Evidence {
    /// Adds a new event. Events that no longer matter are dropped.
    pub fn add(&mut self, event: TransactionEvent) {
        self.tells_charging |= event.charging.is_some() && event.kind != EventType::Ended;
        self.ended_twice |= event.kind == EventType::Ended && self.ended().is_some();
        if is_number(event.order) {
            self.see(event.order);
        }
        let place = self.events.partition_point(|known| known.order <= event.order);
        self.events.insert(place, event);
        let roles = self.roles();
        let mut place = 0;
        self.events.retain(|_| {
            place += 1;
            roles.contains(&Some(place - 1))
        });
    }

    fn see(&mut self, number: i64) {
        let place = self.seen.partition_point(|(_, last)| *last + 1 < number);
        match self.seen.get_mut(place) {
            Some((first, last)) if *first <= number + 1 => {
                (*first, *last) = ((*first).min(number), (*last).max(number));
                let (last, next) = (*last, self.seen.get(place + 1).copied());
                if let Some((_, end)) = next.filter(|(first, _)| *first <= last + 1) {
                    self.seen[place].1 = end;
                    self.seen.remove(place + 1);
                }
            }
            _ => self.seen.insert(place, (number, number)),
        }
        // The number of ranges is bounded, because a station may leave out every other seqNo. A
        // range in the middle is dropped, and its numbers count as missing.
        if self.seen.len() > RANGES_MAX {
            self.seen.remove(RANGES_MAX / 2);
        }
    }

    /// The places of the events that matter, by role; see the methods below.
    fn roles(&self) -> [Option<usize>; 12] {
        let first = |of: fn(&TransactionEvent) -> bool| self.events.iter().position(of);
        let earliest = |of: fn(&Registers) -> Option<Register>| {
            let read = self
                .events
                .iter()
                .enumerate()
                .filter_map(|(place, event)| Some((place, of(&event.registers)?.at)));
            read.min_by_key(|(_, at)| *at).map(|(place, _)| place)
        };
        let latest = |of: fn(&Registers) -> Option<Register>| {
            let read = self
                .events
                .iter()
                .enumerate()
                .filter_map(|(place, event)| Some((place, of(&event.registers)?.at)));
            read.max_by_key(|(_, at)| *at).map(|(place, _)| place)
        };
        [
            first(|_| true),
            first(|event| event.kind == EventType::Started),
            first(|event| event.kind == EventType::Ended),
            first(|event| event.charging == Some(true) && event.kind != EventType::Ended),
            first(|event| event.id_tag.is_some()),
            first(|event| event.evse_id.is_some()),
            earliest(|registers| registers.begin),
            latest(|registers| registers.end),
            earliest(|registers| registers.first),
            latest(|registers| registers.last),
            first(|event| event.accepted),
            first(|event| event.id_tag.as_ref().is_some_and(|tag| !tag.is_empty())),
        ]
    }

    fn role(&self, place: usize) -> Option<&TransactionEvent> {
        self.roles()[place].map(|place| &self.events[place])
    }

    /// The earliest event that came.
    pub fn first(&self) -> Option<&TransactionEvent> {
        self.role(0)
    }

    /// Whether the Started or the Ended event has not come yet.
    pub fn misses(&self, kind: EventType) -> bool {
        match kind {
            EventType::Started => self.started().is_none(),
            EventType::Updated => false,
            EventType::Ended => self.ended().is_none(),
        }
    }

    /// The Started event.
    pub fn started(&self) -> Option<&TransactionEvent> {
        self.role(1)
    }

    /// The Ended event.
    pub fn ended(&self) -> Option<&TransactionEvent> {
        self.role(2)
    }

    /// The first event, other than Ended, that reports that energy flows.
    pub fn charging(&self) -> Option<&TransactionEvent> {
        self.role(3)
    }

    /// The event that binds the transaction to a card: the first whose card was accepted, else the
    /// first with a card, else the first with any `idToken`.
    pub fn bound(&self) -> Option<&TransactionEvent> {
        self.role(10).or_else(|| self.role(11)).or_else(|| self.role(4))
    }

    /// The EVSE, as the first event that names one reports it.
    pub fn evse_id(&self) -> Option<i64> {
        self.role(5).and_then(|event| event.evse_id)
    }

    /// The readings of the energy register over all events.
    pub fn registers(&self) -> Registers {
        Registers {
            begin: self.role(6).and_then(|event| event.registers.begin),
            end: self.role(7).and_then(|event| event.registers.end),
            first: self.role(8).and_then(|event| event.registers.first),
            last: self.role(9).and_then(|event| event.registers.last),
        }
    }

    /// Whether an event with a higher `seqNo` has come already.
    pub fn is_passed(&self, order: i64) -> bool {
        is_number(order) && self.seen.last().is_some_and(|(_, last)| *last > order)
    }

    /// Whether all events between two are known to have come.
    pub fn is_whole(&self, from: &TransactionEvent, to: &TransactionEvent) -> bool {
        is_number(from.order)
            && is_number(to.order)
            && from.order <= to.order
            && self.missing(from, to) == 0
    }

    /// Whether the station does not count its events: every event that came has the `seqNo` 0, and
    /// so has this one.
    pub fn is_uncounted(&self, order: i64) -> bool {
        order == 0 && self.seen == [(0, 0)]
    }

    /// The number of missing `seqNo` values between two events.
    pub fn missing(&self, from: &TransactionEvent, to: &TransactionEvent) -> i64 {
        if !is_number(from.order) || !is_number(to.order) || to.order < from.order {
            return 0;
        }
        let within = |(first, last): &(i64, i64)| {
            ((*last).min(to.order) - (*first).max(from.order) + 1).max(0)
        };
        to.order - from.order + 1 - self.seen.iter().map(within).sum::<i64>()
    }
}

#[cfg(test)]
#[path = "event_tests.rs"]
mod tests;

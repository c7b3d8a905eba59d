//! A transaction that a station names itself and tells event by event (OCPP 2.0.1 section E). Events come late, twice, out
//! of order, or never: what is kept of them makes the session anew with each one, so that their order does not matter.

use chrono::{DateTime, Utc};

use super::instant::{Heard, Reported};
use super::units::WattHours;

/// What kind of event it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventType {
    /// The first.
    Started,
    /// One in between.
    Updated,
    /// The last.
    Ended,
}

named!(EventType, Started = "started", Updated = "updated", Ended = "ended");

/// The energy register at an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Register {
    /// When it was read.
    pub at: DateTime<Utc>,
    /// What it said.
    pub value: WattHours,
}

/// What an event's readings say of the energy register.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Registers {
    /// Read as the transaction began.
    pub begin: Option<Register>,
    /// Read as it ended.
    pub end: Option<Register>,
    /// The earliest.
    pub first: Option<Register>,
    /// The latest.
    pub last: Option<Register>,
}

impl Registers {
    /// Takes a reading in.
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

/// An event with what the rules ask of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionEvent {
    /// Its number in the transaction. An event without one has its time in milliseconds, beyond all numbers.
    pub order: i64,
    /// What kind it is.
    pub kind: EventType,
    /// The station's time.
    pub reported: Reported,
    /// When and how it was heard.
    pub heard: Heard,
    /// What was shown, as sent; empty: the station needs nobody's card.
    pub id_tag: Option<String>,
    /// Whether that was a card that was accepted, but for another session that it had.
    pub accepted: bool,
    /// The EVSE.
    pub evse_id: Option<i64>,
    /// Whether energy flows, where it says so.
    pub charging: Option<bool>,
    /// Whether it was sent because that changed.
    pub changed: bool,
    /// Why the transaction ended.
    pub reason: Option<String>,
    /// The energy register.
    pub registers: Registers,
    /// Whether a field was missing or of the wrong kind.
    pub malformed: bool,
}

/// Ranges of numbers that are remembered of one transaction.
const RANGES_MAX: usize = 128;

/// The largest number of an event: a signed 32-bit integer.
const NUMBER_MAX: i64 = 2_147_483_647;

/// Whether an event's place is a number that its station gave it.
fn is_number(order: i64) -> bool {
    (0..=NUMBER_MAX).contains(&order)
}

/// What is kept of a transaction's events: those that the session is made of, and which numbers were seen.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Evidence {
    /// The events that matter, by their order.
    pub events: Vec<TransactionEvent>,
    /// The numbers that were seen, as ranges in order, both ends included.
    pub seen: Vec<(i64, i64)>,
    /// Whether an event before the end said whether energy flows.
    pub tells_charging: bool,
    /// Whether an event told that energy had flowed for some time.
    pub tells_charged: bool,
    /// Whether a second, other end came.
    pub ended_twice: bool,
    /// Whether a start or an end came under the number of another event.
    pub numbers_repeated: bool,
}

impl Evidence {
    /// Takes an event in that was not there before. What no longer matters is let go.
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
        // The number of ranges is bounded, because a station may leave out every other seqNo. A range in the middle
        // is dropped, and its numbers count as missing.
        if self.seen.len() > RANGES_MAX {
            self.seen.remove(RANGES_MAX / 2);
        }
    }

    /// The places of the events that matter.
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

    /// The earliest event that was seen.
    pub fn first(&self) -> Option<&TransactionEvent> {
        self.role(0)
    }

    /// Whether the start, or the end, did not come yet.
    pub fn misses(&self, kind: EventType) -> bool {
        match kind {
            EventType::Started => self.started().is_none(),
            EventType::Updated => false,
            EventType::Ended => self.ended().is_none(),
        }
    }

    /// The transaction's start.
    pub fn started(&self) -> Option<&TransactionEvent> {
        self.role(1)
    }

    /// The transaction's end.
    pub fn ended(&self) -> Option<&TransactionEvent> {
        self.role(2)
    }

    /// The first event that says that energy flows.
    pub fn charging(&self) -> Option<&TransactionEvent> {
        self.role(3)
    }

    /// The event that binds the transaction to a card: the first whose card was accepted, or else the first with a
    /// card, or with anything shown.
    pub fn bound(&self) -> Option<&TransactionEvent> {
        self.role(10).or_else(|| self.role(11)).or_else(|| self.role(4))
    }

    /// The EVSE.
    pub fn evse_id(&self) -> Option<i64> {
        self.role(5).and_then(|event| event.evse_id)
    }

    /// The energy register over all events.
    pub fn registers(&self) -> Registers {
        Registers {
            begin: self.role(6).and_then(|event| event.registers.begin),
            end: self.role(7).and_then(|event| event.registers.end),
            first: self.role(8).and_then(|event| event.registers.first),
            last: self.role(9).and_then(|event| event.registers.last),
        }
    }

    /// Whether a number lies before one that was seen.
    pub fn is_passed(&self, order: i64) -> bool {
        is_number(order) && self.seen.last().is_some_and(|(_, last)| *last > order)
    }

    /// Whether it is known that no event between two is missing.
    pub fn is_whole(&self, from: &TransactionEvent, to: &TransactionEvent) -> bool {
        is_number(from.order)
            && is_number(to.order)
            && from.order <= to.order
            && self.missing(from, to) == 0
    }

    /// Whether the station does not count its events: all that were seen have the number 0, as has this one.
    pub fn is_uncounted(&self, order: i64) -> bool {
        order == 0 && self.seen == [(0, 0)]
    }

    /// How many numbers between two events were not seen.
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

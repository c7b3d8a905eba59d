use chrono::TimeDelta;
use proptest::prelude::*;

use super::*;
use crate::assembling::{Assembling, assemble};
use crate::flag::Flag;
use crate::ids::{SessionId, SessionRef, StationId};
use crate::instant::Moment;
use crate::programme::Programme;
use crate::session::Session;
use crate::station::{ChargerClass, ConnectorSite};

fn at(minute: i64) -> DateTime<Utc> {
    "2024-04-03T00:00:00Z".parse::<DateTime<Utc>>().unwrap() + TimeDelta::minutes(minute)
}

/// An event at a minute, queued before the station connected.
fn event(order: i64, kind: EventType, minute: i64) -> TransactionEvent {
    let (received_at, connected_since) = (at(1_000), at(999));
    TransactionEvent {
        order,
        kind,
        reported: Reported { text: at(minute).to_rfc3339(), moment: Moment::At(at(minute)) },
        heard: Heard { received_at, connected_since, clock: None },
        id_tag: None,
        accepted: false,
        evse_id: None,
        charging: None,
        changed: false,
        reason: None,
        registers: Registers::default(),
        malformed: false,
    }
}

impl TransactionEvent {
    fn register(mut self, context: &str, minute: i64, wh: i64) -> Self {
        self.registers.take(context, Register { at: at(minute), value: WattHours(wh) });
        self
    }

    fn charging(mut self, charging: bool) -> Self {
        self.charging = Some(charging);
        self.changed = true;
        self
    }

    fn shown(mut self, tag: &str) -> Self {
        self.id_tag = Some(tag.to_owned());
        self.evse_id = Some(1);
        self
    }
}

fn evidence(events: &[TransactionEvent]) -> Evidence {
    let mut evidence = Evidence::default();
    for event in events {
        evidence.add(event.clone());
    }
    evidence
}

fn session(evidence: &Evidence) -> Session {
    let station = StationId::parse("CP1").unwrap();
    assemble(
        evidence,
        &Assembling {
            id: SessionId(1),
            reference: SessionRef::of_number(SessionId(1)),
            station_id: &station,
            transaction: "T-1",
            site_name: "Kobe",
            zone: None,
            connector_id: 1,
            site: Some(ConnectorSite {
                charger_class: ChargerClass::Quick,
                power_w: None,
                session_cap_min: Some(600),
            }),
            register_seen: None,
            file: None,
            programme: &Programme::default(),
        },
    )
    .unwrap()
}

/// Minutes from the session's start to its end, and its energy.
fn measured(session: &Session) -> (Option<i64>, Option<i64>) {
    let energy = session.stop.as_ref().and_then(|stop| stop.energy).map(|energy| energy.0);
    (session.duration().map(|duration| duration.num_minutes()), energy)
}

/// Plugged in at 0, card at 1, energy from 2 to 32, unplugged at 40.
fn whole() -> Vec<TransactionEvent> {
    vec![
        event(0, EventType::Started, 0).charging(false).register("Transaction.Begin", 0, 1_000),
        event(1, EventType::Updated, 1).shown("A"),
        event(2, EventType::Updated, 2).charging(true),
        event(3, EventType::Updated, 17).register("Sample.Periodic", 17, 6_000),
        event(4, EventType::Updated, 32).charging(false),
        event(5, EventType::Ended, 40).register("Transaction.End", 40, 11_000),
    ]
}

#[test]
fn a_session_begins_where_energy_begins_to_flow_and_ends_with_the_transaction() {
    let session = session(&evidence(&whole()));
    assert_eq!((session.start.at, measured(&session)), (at(2), (Some(38), Some(10_000))));
    assert_eq!(session.id_tag.as_sent(), "A");
    assert!(
        session.flags.iter().all(|flag| [Flag::UnknownCard].contains(flag)),
        "{:?}",
        session.flags
    );
}

#[test]
fn a_station_that_does_not_tell_whether_energy_flows_is_measured_from_its_start() {
    let events = [event(0, EventType::Started, 0).shown("A"), event(1, EventType::Ended, 30)];
    let session = session(&evidence(&events));
    assert_eq!((session.start.at, measured(&session).0), (at(0), Some(30)));
}

#[test]
fn a_transaction_in_which_no_energy_flowed_has_no_minutes() {
    let events = [
        event(0, EventType::Started, 0).charging(false).shown("A"),
        event(1, EventType::Ended, 30),
    ];
    let never = session(&evidence(&events));
    assert_eq!((never.units(60), never.flags.contains(&Flag::NeverCharged)), (0, true));
    // Its meter says otherwise: that goes before what it tells.
    let mut moved = events.clone();
    moved[1] =
        moved[1].clone().register("Transaction.Begin", 0, 5).register("Transaction.End", 30, 5_000);
    let moved = session(&evidence(&moved));
    assert_eq!((moved.units(60), moved.flags.contains(&Flag::ChargingStartDoubtful)), (30, true));
    // An event is missing that may have told it.
    let mut gap = events.clone();
    gap[1].order = 2;
    let gap = session(&evidence(&gap));
    assert_eq!((gap.units(60), gap.flags.contains(&Flag::ChargingStartDoubtful)), (30, true));
}

#[test]
fn a_start_that_never_came_is_found_in_the_readings_and_flagged() {
    let events = [
        event(1, EventType::Updated, 10).shown("A"),
        event(2, EventType::Ended, 30).register("Transaction.Begin", 3, 100).register(
            "Transaction.End",
            30,
            900,
        ),
    ];
    let found = session(&evidence(&events));
    assert_eq!((found.start.at, measured(&found)), (at(3), (Some(27), Some(800))));
    assert!(found.flags.contains(&Flag::StartMissing));
}

#[test]
fn one_lost_event_before_a_change_to_charging_cannot_have_told_it_but_two_can() {
    let doubtful = |lost: &[usize], changed: bool| {
        let mut events = whole();
        events[2].changed = changed;
        events.insert(1, event(1, EventType::Updated, 1));
        for (place, event) in events.iter_mut().enumerate() {
            event.order = i64::try_from(place).unwrap();
        }
        let kept: Vec<TransactionEvent> = events
            .into_iter()
            .enumerate()
            .filter(|(place, _)| !lost.contains(place))
            .map(|(_, event)| event)
            .collect();
        session(&evidence(&kept)).flags.contains(&Flag::ChargingStartDoubtful)
    };
    assert!(!doubtful(&[], true) && !doubtful(&[], false));
    assert!(!doubtful(&[1], true) && doubtful(&[1], false));
    assert!(doubtful(&[1, 2], true));
}

#[test]
fn numbers_may_begin_anywhere_and_a_gap_is_flagged() {
    let events = [
        event(7, EventType::Started, 0).shown("A"),
        event(8, EventType::Updated, 1),
        event(9, EventType::Ended, 30),
    ];
    assert!(!session(&evidence(&events)).flags.contains(&Flag::StepsMissing));
    let gap = [events[0].clone(), events[2].clone()];
    assert!(session(&evidence(&gap)).flags.contains(&Flag::StepsMissing));
}

#[test]
fn what_no_longer_matters_is_let_go() {
    let mut events = whole();
    events.pop();
    events.extend(
        (5..500).map(|n| {
            event(n, EventType::Updated, 20).register("Sample.Periodic", 20 + n, 6_000 + n)
        }),
    );
    let kept = evidence(&events);
    assert!(kept.events.len() <= 12, "{}", kept.events.len());
    assert_eq!(kept.seen, [(0, 499)]);
}

proptest! {
    /// Every order of every selection of six events, some of them twice, makes the same session as the selection in its
    /// order does.
    #[test]
    fn the_order_of_events_does_not_matter(places in prop::collection::vec(0_usize..6, 1..14)) {
        let events = whole();
        let arrived: Vec<usize> = places.iter().enumerate().filter(|(n, place)| !places[..*n].contains(place)).map(|(_, place)| *place).collect();
        let mut sorted = arrived.clone();
        sorted.sort_unstable();
        let of = |places: &[usize]| evidence(&places.iter().map(|place| events[*place].clone()).collect::<Vec<_>>());
        let (shuffled, in_order) = (of(&arrived), of(&sorted));
        prop_assert_eq!(session(&shuffled), session(&in_order));
        prop_assert_eq!(shuffled, in_order);
    }

    /// Whatever is lost, what is measured is right, or a flag says that it may not be.
    #[test]
    fn what_is_lost_is_flagged_or_does_not_matter(kept in prop::collection::vec(any::<bool>(), 6)) {
        let events: Vec<TransactionEvent> = whole().into_iter().zip(&kept).filter(|(_, kept)| **kept).map(|(event, _)| event).collect();
        prop_assume!(!events.is_empty());
        let told = session(&evidence(&events));
        let right = (Some(38), Some(10_000));
        let doubted = [Flag::StartMissing, Flag::ChargingStartDoubtful].iter().any(|flag| told.flags.contains(flag));
        let unmeasured = told.flags.contains(&Flag::MeterUnknown) && measured(&told).0 == right.0;
        prop_assert!(!kept[5] || doubted || unmeasured || measured(&told) == right, "{:?} {:?}", measured(&told), told.flags);
        prop_assert!(kept[5] || told.stop.is_none());
    }

    /// Ranges of numbers are those of the numbers.
    #[test]
    fn seen_numbers_are_kept_as_ranges(numbers in prop::collection::vec(0_i64..40, 1..40)) {
        let kept = evidence(&numbers.iter().map(|n| event(*n, EventType::Updated, 0)).collect::<Vec<_>>());
        let mut sorted = numbers;
        sorted.sort_unstable();
        sorted.dedup();
        let spread: Vec<i64> = kept.seen.iter().flat_map(|(first, last)| *first..=*last).collect();
        prop_assert_eq!(spread, sorted);
        prop_assert!(kept.seen.windows(2).all(|pair| pair[0].1 + 1 < pair[1].0));
    }
}

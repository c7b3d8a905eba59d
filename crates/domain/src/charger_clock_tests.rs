use super::super::card::tests::at;
use super::*;

fn offset_s(evidence: &ClockEvidence, now: &str) -> Option<i64> {
    evidence.measured(at(now)).map(|measured| measured.offset.num_seconds())
}

#[test]
fn a_clock_is_known_by_what_is_told_as_it_happens_and_no_longer_than_it_holds() {
    let mut evidence = ClockEvidence::default();
    assert_eq!(offset_s(&evidence, "2026-11-30T12:00:00Z"), None);
    evidence.told(at("2023-01-01T00:00:30Z"), at("2026-11-30T12:00:00Z"));
    let wrong = evidence.measured(at("2026-11-30T12:00:00Z")).unwrap();
    assert!(!wrong.is_right());
    // The clock was set: of two the newer counts.
    evidence.told(at("2026-11-30T12:00:09Z"), at("2026-11-30T12:00:10Z"));
    assert_eq!(offset_s(&evidence, "2026-11-30T12:00:10Z"), Some(-1));
    assert_eq!(offset_s(&evidence, "2026-12-01T00:00:11Z"), None);
    evidence.booted(at("2026-11-30T13:00:00Z"));
    assert_eq!(offset_s(&evidence, "2026-11-30T13:00:00Z"), None);
}

#[test]
fn the_way_of_a_message_is_no_part_of_the_difference() {
    for (said, received, expected) in [
        ("2026-11-30T12:00:00Z", "2026-11-30T12:00:00.066Z", 0),
        ("2026-11-30T12:00:00Z", "2026-11-30T12:00:00.999Z", 0),
        ("2026-11-30T12:00:00Z", "2026-11-30T12:00:01.001Z", -1),
        ("2026-11-30T12:10:00Z", "2026-11-30T12:00:00.066Z", 600),
        ("2023-01-01T00:00:00Z", "2023-01-01T01:00:00.003Z", -3_600),
    ] {
        let mut evidence = ClockEvidence::default();
        evidence.told(at(said), at(received));
        assert_eq!(
            evidence.measured(at(received)).unwrap().offset,
            TimeDelta::seconds(expected),
            "{said} at {received}"
        );
    }
}

#[test]
fn one_odd_time_among_right_ones_says_nothing_and_is_not_believed() {
    let mut evidence = ClockEvidence::default();
    for minute in 0..4 {
        let received = at("2026-11-30T12:00:00Z") + TimeDelta::minutes(minute);
        evidence.told(received, received);
    }
    evidence.told(at("2026-11-30T09:00:00Z"), at("2026-11-30T12:05:00Z"));
    assert_eq!(offset_s(&evidence, "2026-11-30T12:05:00Z"), None);
    evidence.told(at("2026-11-30T12:06:00Z"), at("2026-11-30T12:06:00Z"));
    assert_eq!(offset_s(&evidence, "2026-11-30T12:06:00Z"), Some(0));
}

#[test]
fn readings_count_where_they_keep_pace_and_queued_ones_do_not() {
    let mut evidence = ClockEvidence::default();
    let received = at("2026-11-30T12:00:00Z");
    for quarter in 0..8 {
        evidence.told_by_reading(
            at("2026-11-30T10:00:00Z") + TimeDelta::seconds(15 * quarter),
            received,
        );
    }
    assert_eq!(evidence.measured(received), None, "a queue that is emptied");
    evidence.told_by_reading(at("2026-11-30T12:01:00Z"), at("2026-11-30T12:01:00Z"));
    assert_eq!(evidence.measured(received), None);
    evidence.told_by_reading(at("2026-11-30T12:02:01Z"), at("2026-11-30T12:02:00Z"));
    assert_eq!(offset_s(&evidence, "2026-11-30T12:02:00Z"), Some(1));
}

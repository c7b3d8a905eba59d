use super::*;

#[test]
fn a_simulated_clock_moves_forward_and_never_back() {
    let start: DateTime<Utc> = "2024-02-29T14:59:00Z".parse().unwrap();
    let clock = Clock::simulated(start);
    assert!(clock.now() >= start);
    clock.advance_to(start + TimeDelta::days(1)).unwrap();
    assert!(clock.now() >= start + TimeDelta::days(1));
    assert!(matches!(clock.advance_to(start), Err(ClockFault::Backwards { .. })));
    assert_eq!(Clock::system().advance_to(start), Err(ClockFault::NotSimulated));
}

#[test]
fn a_standing_clock_moves_only_when_it_is_moved() {
    let start: DateTime<Utc> = "2024-02-29T14:59:59Z".parse().unwrap();
    let clock = Clock::standing(start);
    std::thread::yield_now();
    assert_eq!(clock.now(), start);
    let midnight = start + TimeDelta::seconds(1);
    clock.advance_to(midnight).unwrap();
    assert_eq!(clock.now(), midnight);
    assert_eq!(clock.advance_to(start), Err(ClockFault::Backwards { now: midnight }));
}

#[test]
fn a_clock_that_is_five_seconds_off_goes_by_the_stores() {
    let clock = Clock::system();
    for off_s in [5, -5] {
        let told = clock.now() + TimeDelta::seconds(off_s);
        clock.follow(told, Instant::now());
        assert!((clock.now() - told).abs() < TimeDelta::milliseconds(200));
    }
    let near = clock.now() + TimeDelta::milliseconds(100);
    clock.follow(near, Instant::now());
    assert!(clock.now() < near, "small differences are left alone");
}

#[test]
fn what_another_node_did_is_never_in_the_future() {
    let clock = Clock::system();
    let theirs = clock.now() + TimeDelta::seconds(3);
    clock.not_before(theirs);
    assert!(clock.now() >= theirs);
    let wrong = clock.now() + TimeDelta::days(1);
    clock.not_before(wrong);
    assert!(clock.now() < wrong, "a clock that is days ahead is not followed");
    let simulated = Clock::simulated(theirs);
    simulated.not_before(theirs + TimeDelta::days(40));
    assert!(simulated.now() >= theirs + TimeDelta::days(40));
}

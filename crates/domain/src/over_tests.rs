use super::super::card::tests::at;
use super::super::session::tests::{closed, file, opened};
use super::super::session::{BillingState, Standing};
use super::super::units::WattHours;
use super::*;

fn running() -> Session {
    let mut session = opened(Some(&file()), "2024-05-01T00:00:00Z", "2024-05-01T00:00:00Z");
    session.last_reading = Some(WattHours(11_000));
    session.is_seen_charging(at("2024-05-01T00:30:00Z"));
    session
}

fn over(text: &str, by: OverBy) -> Over {
    Over { at: at(text), by }
}

fn minutes(session: &Session) -> i64 {
    session.units(60)
}

#[test]
fn w107_the_newest_evidence_of_charging_ends_a_session_whose_stop_never_comes() {
    let mut session = running();
    session.estimate_end(over("2024-05-01T00:42:00Z", OverBy::Available));
    assert_eq!(minutes(&session), 30);
    assert_eq!(session.stop.as_ref().unwrap().energy, Some(WattHours(10_000)));
    assert_eq!(session.billing_state(Standing::default()), BillingState::Review);
    assert!(
        session.flags.contains(&Flag::EndEstimated)
            && session.flags.contains(&Flag::ConnectorAvailable)
    );
    let mut nothing_seen = running();
    nothing_seen.trail.charging_seen = None;
    nothing_seen.estimate_end(over("2024-05-01T00:42:00Z", OverBy::Available));
    assert_eq!(
        minutes(&nothing_seen),
        42,
        "without evidence of charging what shows the end is all that there is"
    );
    let mut before = running();
    before.estimate_end(over("2024-05-01T00:10:00Z", OverBy::NextTransaction));
    assert_eq!(minutes(&before), 10, "never later than what shows that it is over");
}

#[test]
fn a_session_may_have_run_until_what_its_estimated_end_rests_on_and_not_beyond_a_told_one() {
    let running = running();
    let mut estimated = running.clone();
    estimated.estimate_end(over("2024-05-01T00:42:00Z", OverBy::CapPassed));
    let stopped = closed(running.clone(), "2024-05-01T00:35:00Z", 12_000);
    for (text, while_running, while_estimated, once_stopped) in [
        ("2024-04-30T23:59:59Z", false, false, false),
        ("2024-05-01T00:00:00Z", true, true, true),
        ("2024-05-01T00:35:00Z", true, true, true),
        ("2024-05-01T00:35:01Z", true, true, false),
        ("2024-05-01T00:42:00Z", true, true, false),
        ("2024-05-01T00:42:01Z", true, false, false),
    ] {
        let may = [&running, &estimated, &stopped].map(|one| one.may_have_run_at(at(text)));
        assert_eq!(may, [while_running, while_estimated, once_stopped], "at {text}");
    }
}

#[test]
fn the_real_stop_takes_the_estimates_place_and_its_doubts() {
    let mut session = running();
    session.estimate_end(over("2024-05-01T00:42:00Z", OverBy::Available));
    session.reopen();
    let session = closed(session, "2024-05-01T00:35:00Z", 12_000);
    assert_eq!(
        (minutes(&session), session.billing_state(Standing::default())),
        (35, BillingState::Ended)
    );
    assert!(
        !session.flags.contains(&Flag::EndEstimated)
            && !session.flags.contains(&Flag::MeterUnknown)
    );
}

#[test]
fn a_session_that_goes_on_was_not_over_and_what_comes_late_moves_the_estimate() {
    let mut session = running();
    session.estimate_end(over("2024-05-01T00:42:00Z", OverBy::Available));
    session.is_seen_charging(at("2024-05-01T00:40:00Z"));
    assert_eq!((minutes(&session), session.is_estimated()), (40, true));
    session.is_seen_charging(at("2024-05-01T00:50:00Z"));
    assert!(session.stop.is_none() && !session.flags.contains(&Flag::EndEstimated));
}

#[test]
fn w80_the_clock_alone_shows_that_a_session_is_over() {
    let session = opened(Some(&file()), "2024-05-01T00:00:00Z", "2024-05-01T00:00:00Z");
    let gone = Some(at("2024-05-01T00:10:00Z"));
    let by = |session: &Session, now: &str, offline| {
        session.over_by_now(at(now), offline).map(|over| over.by)
    };
    assert_eq!(by(&session, "2024-05-01T00:45:00Z", gone), None);
    assert_eq!(by(&session, "2024-05-01T00:45:01Z", gone), Some(OverBy::Offline));
    assert_eq!(by(&session, "2024-05-01T00:45:00Z", None), None);
    assert_eq!(by(&session, "2024-05-01T00:45:01Z", None), Some(OverBy::CapPassed));
    let mut normal = session.clone();
    normal.site = Some(ConnectorSite {
        charger_class: super::super::station::ChargerClass::Normal,
        power_w: None,
        session_cap_min: None,
    });
    assert_eq!(by(&normal, "2024-05-02T00:10:00Z", gone), None);
    assert_eq!(by(&normal, "2024-05-02T00:10:01Z", gone), Some(OverBy::Offline));
    assert_eq!(by(&normal, "2024-06-02T00:10:01Z", None), None);
    normal.trail.booted_at = Some(at("2024-05-01T00:20:00Z"));
    assert_eq!(by(&normal, "2024-05-01T00:25:00Z", None), None);
    assert_eq!(by(&normal, "2024-05-01T00:25:01Z", None), Some(OverBy::Booted));
    normal.goes_on(at("2024-05-01T00:25:02Z"));
    assert_eq!(by(&normal, "2024-05-01T00:45:01Z", None), None);
}

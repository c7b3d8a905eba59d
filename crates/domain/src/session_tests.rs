use super::super::authorization::CardFile;
use super::super::card::Role;
use super::super::card::tests::{activated, at, card};
use super::super::instant::Moment;
use super::super::instant::{Heard, Reported};
use super::super::member::tests::member;
use super::super::recording::{EndFacts, StartFacts, close, open};
use super::super::station::ChargerClass;
use super::*;

pub(crate) fn quick() -> ConnectorSite {
    ConnectorSite {
        charger_class: ChargerClass::Quick,
        power_w: Some(50_000),
        session_cap_min: None,
    }
}

pub(crate) fn said(text: &str) -> Reported {
    Reported { text: text.into(), moment: Moment::At(at(text)) }
}

/// Heard just now over a connection that began just now: a queued message keeps its own time.
fn heard_at(text: &str) -> Heard {
    Heard { received_at: at(text), connected_since: at(text), clock: None }
}

pub(crate) fn file() -> CardFile {
    let card = card("C1", &[("2024-04-10T00:00:00Z", activated(Role::Primary))]);
    CardFile {
        member: Some(member("2024-04-03T03:00:00Z", "premium_100", vec![card.clone()])),
        card,
    }
}

pub(crate) fn opened(file: Option<&CardFile>, start: &str, received: &str) -> Session {
    open(&StartFacts {
        id: SessionId(1),
        reference: SessionRef::of_number(SessionId(1)),
        site_name: "Yokohama",
        programme: &Programme::default(),
        station_id: &StationId::parse("CP1").unwrap(),
        zone: None,
        connector_id: 1,
        site: Some(quick()),
        id_tag: &IdTag::new("TAGC1"),
        shown_at: None,
        file,
        reported: &said(start),
        heard: heard_at(received),
        meter: Some(WattHours(1000)),
        malformed: false,
    })
}

pub(crate) fn closed(mut session: Session, stop: &str, meter: i64) -> Session {
    close(
        &mut session,
        &EndFacts {
            zone: None,
            reported: &said(stop),
            heard: heard_at(stop),
            meter: Some(WattHours(meter)),
            reason: "Local",
            id_tag: None,
            malformed: false,
            basis: StopBasis::Told,
        },
    );
    session
}

/// What its money does where nothing but its own start speaks against it.
fn state(session: &Session) -> BillingState {
    session.billing_state(session.standing(None, false, &Programme::default()))
}

fn codes(session: &Session) -> Vec<&'static str> {
    session.flags.iter().map(|flag| flag.code()).collect()
}

#[test]
fn every_message_has_one_reaction_in_every_phase() {
    use SessionMessage::{OtherStop, Readings, SameStart, Stop};
    for (phase, message, reaction) in [
        (Phase::Running, SameStart, Reaction::ReplayStart),
        (Phase::Running, Stop, Reaction::Close),
        (Phase::Running, OtherStop, Reaction::Close),
        (Phase::Running, Readings, Reaction::AddReadings),
        (Phase::Provisional, SameStart, Reaction::ReplayStart),
        (Phase::Provisional, Stop, Reaction::ReplayStop),
        (Phase::Provisional, OtherStop, Reaction::Close),
        (Phase::Provisional, Readings, Reaction::AddReadings),
        (Phase::Stopped, SameStart, Reaction::ReplayStart),
        (Phase::Stopped, Stop, Reaction::ReplayStop),
        (Phase::Stopped, OtherStop, Reaction::KeepAsEvidence),
        (Phase::Stopped, Readings, Reaction::AddReadings),
    ] {
        assert_eq!(react(phase, message), reaction, "{phase:?} {message:?}");
    }
}

#[test]
fn w12_a_session_belongs_wholly_to_the_month_of_its_start() {
    let file = file();
    let session = closed(
        opened(Some(&file), "2024-06-30T14:59:00Z", "2024-06-30T14:59:00Z"),
        "2024-06-30T15:29:00Z",
        13_000,
    );
    assert_eq!(session.month().to_string(), "2024-06");
    assert_eq!(session.units(60), 30);
    assert_eq!(state(&session), BillingState::Ended);
    assert_eq!(codes(&session), Vec::<&str>::new());
}

#[test]
fn w23_a_session_that_ends_before_it_starts_is_held_and_has_no_units() {
    let file = file();
    let session = closed(
        opened(Some(&file), "2024-06-10T10:00:00Z", "2024-06-11T10:00:00Z"),
        "2024-06-10T09:58:00Z",
        1000,
    );
    assert_eq!(state(&session), BillingState::Review);
    assert_eq!(session.units(60), 0);
}

#[test]
fn w101_a_live_stop_whose_clock_fell_back_ends_when_it_was_heard() {
    let file = file();
    let session = opened(Some(&file), "2024-05-01T00:00:00Z", "2024-05-01T00:00:00Z");
    let session = stopped(session, "2024-04-30T23:49:05Z", "2024-05-01T00:10:00Z");
    assert_eq!(
        (session.units(60), codes(&session), state(&session)),
        (10, vec!["clock_behind"], BillingState::Ended)
    );
}

#[test]
fn w100_a_doubted_time_is_a_review_and_never_an_exception() {
    let session = opened(Some(&file()), "2023-01-01T00:01:00Z", "2026-11-30T10:00:00Z");
    let session = closed(session, "2023-01-01T00:31:00Z", 5000);
    assert_eq!(session.refusal, Some(Reason::NotActivated));
    assert_eq!(state(&session), BillingState::Review);
}

#[test]
fn unknown_cards_are_quarantined_and_refused_ones_are_exceptions() {
    assert_eq!(
        state(&opened(None, "2024-06-10T10:00:00Z", "2024-06-10T10:00:00Z")),
        BillingState::Quarantined
    );
    let before_activation = opened(Some(&file()), "2024-04-09T23:59:59Z", "2024-04-10T10:00:00Z");
    assert_eq!(before_activation.refusal, Some(Reason::NotActivated));
    assert_eq!(state(&before_activation), BillingState::Exception);
}

#[test]
fn the_review_limits_hold_at_the_limit_and_not_past_it() {
    let file = file();
    let late = |received: &str| {
        codes(&opened(Some(&file), "2024-05-01T00:00:00Z", received)).contains(&"late_arrival")
    };
    assert!(!late("2024-06-30T00:00:00Z"));
    assert!(late("2024-06-30T00:00:01Z"));
    let long = |stop: &str| {
        let session = opened(Some(&file), "2024-05-01T00:00:00Z", "2024-05-01T00:00:00Z");
        state(&closed(session, stop, 5000))
    };
    assert_eq!(long("2024-05-02T00:00:00Z"), BillingState::Ended);
    assert_eq!(long("2024-05-02T00:00:01Z"), BillingState::Review);
}

#[test]
fn a_decision_settles_a_held_session_either_way() {
    let file = file();
    let mut session = closed(
        opened(Some(&file), "2024-05-01T00:00:00Z", "2024-05-01T00:00:00Z"),
        "2024-05-03T00:00:00Z",
        5000,
    );
    session.decision = Some(Decision::Bill);
    assert_eq!(
        session.billing_state(Standing { overlaps: true, ..Standing::default() }),
        BillingState::Ended
    );
    session.decision = Some(Decision::Waive);
    assert_eq!(state(&session), BillingState::Waived);
}

#[test]
fn overlapping_sessions_of_one_card_are_held_and_failed_starts_overlap_nothing() {
    let file = file();
    let first = closed(
        opened(Some(&file), "2024-05-01T00:00:00Z", "2024-05-01T00:00:00Z"),
        "2024-05-01T00:30:00Z",
        5000,
    );
    let mut second = closed(
        opened(Some(&file), "2024-05-01T00:20:00Z", "2024-05-01T00:20:00Z"),
        "2024-05-01T00:40:00Z",
        5000,
    );
    second.id = SessionId(2);
    let mut after = closed(
        opened(Some(&file), "2024-05-01T00:30:00Z", "2024-05-01T00:30:00Z"),
        "2024-05-01T00:40:00Z",
        5000,
    );
    after.id = SessionId(3);
    let mut failed = closed(
        opened(Some(&file), "2024-05-01T00:10:00Z", "2024-05-01T00:10:00Z"),
        "2024-05-01T00:10:20Z",
        1000,
    );
    failed.id = SessionId(4);
    assert!(first.overlaps(&second) && second.overlaps(&first));
    assert!(!first.overlaps(&after));
    assert!(!first.overlaps(&failed));
    assert!(!first.overlaps(&first));
    assert_eq!(
        first.billing_state(Standing { overlaps: true, ..Standing::default() }),
        BillingState::Review
    );
}

#[test]
fn w80_an_offline_chargers_open_session_frees_its_card_a_quarter_hour_past_the_sites_limit() {
    let file = file();
    let session = opened(Some(&file), "2024-05-01T00:00:00Z", "2024-05-01T00:00:00Z");
    let gone = Some(at("2024-05-01T00:10:00Z"));
    assert!(session.keeps_card_busy(at("2024-05-01T00:45:00Z"), None));
    assert!(!session.keeps_card_busy(at("2024-05-01T00:45:01Z"), None), "past its site's limit");
    assert!(session.keeps_card_busy(at("2024-05-01T00:45:00Z"), gone));
    assert!(!session.keeps_card_busy(at("2024-05-01T00:45:01Z"), gone));
    let mut normal = session;
    normal.site = Some(ConnectorSite {
        charger_class: ChargerClass::Normal,
        power_w: None,
        session_cap_min: None,
    });
    assert!(normal.keeps_card_busy(at("2024-05-02T00:10:00Z"), gone));
    assert!(!normal.keeps_card_busy(at("2024-05-02T00:10:01Z"), gone));
}

/// A stop of this station's time, heard at another over a connection that stood since the start.
fn stopped(mut session: Session, said_at: &str, heard_at: &str) -> Session {
    let heard = Heard {
        received_at: at(heard_at),
        connected_since: at("2024-05-01T00:00:00Z"),
        clock: None,
    };
    let reported = said(said_at);
    close(
        &mut session,
        &EndFacts {
            zone: None,
            reported: &reported,
            heard,
            meter: Some(WattHours(9000)),
            reason: "Local",
            id_tag: None,
            malformed: false,
            basis: StopBasis::Told,
        },
    );
    session
}

#[test]
fn a_stop_keeps_the_stations_time_unless_the_start_showed_a_wrong_clock() {
    let file = file();
    let right = || opened(Some(&file), "2024-05-01T00:00:00Z", "2024-05-01T00:00:00Z");
    let late = stopped(right(), "2024-05-01T00:20:00Z", "2024-05-01T00:50:00Z");
    assert_eq!(
        (late.units(60), codes(&late)),
        (20, vec!["clock_behind"]),
        "sent again half an hour later"
    );
    let ahead = stopped(right(), "2024-05-01T00:30:00Z", "2024-05-01T00:10:00Z");
    assert_eq!((ahead.units(60), state(&ahead)), (30, BillingState::Ended));
    let doubtful = stopped(right(), "2024-05-01T00:30:01Z", "2024-05-01T00:10:00Z");
    assert_eq!(state(&doubtful), BillingState::Review);
    assert!(codes(&doubtful).contains(&"duration_doubtful"));
    let hours_behind = stopped(right(), "2024-05-01T00:20:00Z", "2024-05-01T08:20:01Z");
    assert_eq!(state(&hours_behind), BillingState::Review);
}

#[test]
fn a_clock_that_was_wrong_at_the_start_is_as_wrong_at_the_stop_unless_it_is_right_by_then() {
    let file = file();
    let wrong = |said_at: &str| {
        let mut session = opened(Some(&file), "2024-05-01T00:00:00Z", "2024-05-01T00:00:00Z");
        session.start.said = Some(at(said_at));
        session.flags.insert(Flag::ClockAhead);
        session
    };
    for (start_said, stop_said, heard, units) in [
        ("2024-05-01T00:10:00Z", "2024-05-01T00:40:00Z", "2024-05-01T00:30:00Z", 30),
        ("2024-05-01T00:30:00Z", "2024-05-01T01:00:00Z", "2024-05-01T03:00:00Z", 30),
        ("2024-04-30T23:40:00Z", "2024-05-01T00:10:00Z", "2024-05-01T03:00:00Z", 30),
        ("2024-05-01T01:00:00Z", "2024-05-01T00:20:00Z", "2024-05-01T00:20:00Z", 20),
    ] {
        let session = stopped(wrong(start_said), stop_said, heard);
        assert_eq!(session.units(60), units, "{start_said} {stop_said} heard {heard}");
        assert!(!session.flags.contains(&Flag::DurationDoubtful));
    }
}

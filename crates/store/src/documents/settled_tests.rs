use super::*;
use juden_domain::ids::{SessionId, SessionRef, StationId};
use juden_domain::instant::{Heard, Moment, Reported};
use juden_domain::programme::Programme;
use juden_domain::recording::{EndFacts, StartFacts, close, open};
use juden_domain::session::StopBasis;
use juden_domain::station::ConnectorSite;

fn reported(text: &str) -> Reported {
    Reported { text: text.into(), moment: Moment::At(text.parse().unwrap()) }
}

/// A session of half an hour and 4 kWh, heard as it happened.
fn finished() -> Session {
    let (start, stop) = ("2024-05-01T00:00:00Z", "2024-05-01T00:30:00Z");
    let heard = |text: &str| Heard {
        received_at: text.parse().unwrap(),
        connected_since: text.parse().unwrap(),
        clock: None,
    };
    let mut session = open(&StartFacts {
        id: SessionId(1),
        reference: SessionRef::parse("S-000000001").unwrap(),
        site_name: "Yokohama",
        programme: &Programme::default(),
        station_id: &StationId::parse("CP1").unwrap(),
        zone: None,
        connector_id: 1,
        site: Some(ConnectorSite {
            charger_class: ChargerClass::Quick,
            power_w: Some(50_000),
            session_cap_min: None,
        }),
        id_tag: &IdTag::new("TAGC1"),
        shown_at: None,
        file: None,
        reported: &reported(start),
        heard: heard(start),
        meter: Some(WattHours(1_000)),
        malformed: false,
    });
    let closing = EndFacts {
        zone: None,
        reported: &reported(stop),
        heard: heard(stop),
        meter: Some(WattHours(5_000)),
        reason: "Local",
        id_tag: None,
        malformed: false,
        basis: StopBasis::Told,
    };
    close(&mut session, &closing);
    session
}

#[test]
fn a_corrected_session_reads_back_as_it_was_measured() {
    let mut measured = finished();
    measured.trail.is_number_named = true;
    measured.trail.charging_seen = Some("2024-05-01T00:29:00Z".parse().unwrap());
    measured.trail.guess = Some(("key".into(), "{}".into()));
    let stop = Box::new(measured.stop.clone().unwrap());
    let kinds = [
        CorrectionKind::End { at: measured.start.at, energy: None },
        CorrectionKind::Assign {
            card: CardNumber::parse("C-9").unwrap(),
            member: MemberId::parse("M-9").unwrap(),
        },
        CorrectionKind::Class(ChargerClass::Normal),
        CorrectionKind::JoinStop { message: 7, stop },
        CorrectionKind::ReduceYen(Yen::whole(5)),
        CorrectionKind::Undo,
        CorrectionKind::Waive,
    ];
    measured.corrections = (1..)
        .zip(kinds)
        .map(|(number, kind)| Correction {
            number,
            kind,
            by: "support".into(),
            reason: "x".into(),
            at: measured.start.at,
            approval: Approval::Done,
            settled: Some(("billing".into(), measured.start.at)),
        })
        .collect();
    let counted = measured.corrected();
    let kept = texts(&measured);
    let columns = Session {
        corrections: Vec::new(),
        decision: None,
        reduction: None,
        is_assigned: false,
        ..counted.clone()
    };
    let read = read(
        Session { trail: Trail::default(), ..columns },
        basis(&counted),
        &kept,
        &Decided::default(),
    )
    .unwrap();
    assert_eq!((&read, read.corrected()), (&measured, counted));
}

#[test]
fn a_decision_of_before_goes_on_as_a_correction() {
    let session = finished();
    let decided =
        Decided { decision: Some("waive"), note: Some("twice"), at: Some(session.start.at) };
    let read = read(session, None, &Texts::default(), &decided).unwrap();
    assert_eq!(read.corrected().decision, Some(Decision::Waive));
    assert_eq!(read.corrections[0].reason, "twice");
}

use super::super::card::tests::at;
use super::super::over::{Over, OverBy};
use super::super::session::tests::{closed, file, opened};
use super::*;

fn ended() -> Session {
    closed(
        opened(Some(&file()), "2024-05-01T00:00:00Z", "2024-05-01T00:00:00Z"),
        "2024-05-01T00:30:00Z",
        5_000,
    )
}

fn with(mut session: Session, kinds: &[CorrectionKind]) -> Session {
    for kind in kinds {
        let number = i64::try_from(session.corrections.len()).unwrap() + 1;
        session.corrections.push(Correction {
            number,
            kind: kind.clone(),
            by: "operator".into(),
            reason: "as the member says".into(),
            at: at("2024-05-02T00:00:00Z"),
            approval: Approval::Done,
            settled: None,
        });
    }
    session
}

fn state(session: &Session) -> BillingState {
    session.corrected().billing_state(Standing::default())
}

#[test]
fn a_second_person_is_asked_above_the_limit_and_not_at_it() {
    let limit = Yen::whole(10_000);
    for (worth, stands) in [
        (Yen::whole(9_999), Approval::Done),
        (Yen::whole(10_000), Approval::Done),
        (Yen::from_hundredths(1_000_001), Approval::Waiting),
        (Yen::whole(10_001), Approval::Waiting),
    ] {
        assert_eq!(Approval::of(worth, limit), stands, "{worth}");
    }
}

#[test]
fn w109_waiving_and_undoing_leaves_what_was_measured() {
    let measured = ended();
    let waived = with(measured.clone(), &[CorrectionKind::Waive]);
    assert_eq!((state(&measured), state(&waived)), (BillingState::Ended, BillingState::Waived));
    let undone = with(waived, &[CorrectionKind::Undo]);
    assert_eq!(Session { corrections: Vec::new(), ..undone.corrected() }, measured);
}

#[test]
fn what_is_confirmed_counts_after_what_was_undone_before_it_also_at_one_instant() {
    let mut session = with(ended(), &[CorrectionKind::ReduceUnits(5), CorrectionKind::Waive]);
    session.corrections[1].approval = Approval::Waiting;
    let undo = with(session, &[CorrectionKind::Undo]);
    let mut corrections = undo.corrections;
    let now = at("2024-05-02T00:00:00Z");
    let counts_from = next_to_count(&corrections, now);
    (corrections[1].approval, corrections[1].settled) =
        (Approval::Done, Some(("bob".into(), counts_from)));
    assert_eq!(standing(&corrections).iter().map(|one| one.number).collect::<Vec<_>>(), [2]);
    assert_eq!(next_to_count(&[], now), now);
}

#[test]
fn room_is_left_for_what_takes_back() {
    let full = with(ended(), &vec![CorrectionKind::ReduceUnits(1); CORRECTIONS_MAX]);
    assert_eq!(check_room(&full, &CorrectionKind::ReduceUnits(1)), Err(NoCorrection::TooMany));
    assert_eq!(check_room(&full, &CorrectionKind::Undo), Ok(()));
    let over_full = with(full, &vec![CorrectionKind::Undo; CORRECTIONS_MAX]);
    assert_eq!(check_room(&over_full, &CorrectionKind::Undo), Err(NoCorrection::TooMany));
}

#[test]
fn undo_takes_the_newest_that_stands_and_what_waits_counts_not() {
    let end = CorrectionKind::End { at: at("2024-05-01T00:10:00Z"), energy: Some(WattHours(700)) };
    let mut session = with(ended(), &[end, CorrectionKind::Waive, CorrectionKind::Undo]);
    assert_eq!((state(&session), session.corrected().units(60)), (BillingState::Ended, 10));
    session = with(session, &[CorrectionKind::Waive]);
    session.corrections.last_mut().unwrap().approval = Approval::Waiting;
    assert_eq!(state(&session), BillingState::Ended);
    session = with(session, &[CorrectionKind::Undo]);
    assert_eq!(session.corrected().units(60), 30);
}

#[test]
fn an_estimated_end_can_be_billed_changed_and_waived() {
    let mut session = opened(Some(&file()), "2024-05-01T00:00:00Z", "2024-05-01T00:00:00Z");
    session.is_seen_charging(at("2024-05-01T00:30:00Z"));
    session.estimate_end(Over { at: at("2024-05-01T00:40:00Z"), by: OverBy::Booted });
    let by_evidence = last_evidence(&session).unwrap();
    assert_eq!(by_evidence, CorrectionKind::End { at: at("2024-05-01T00:30:00Z"), energy: None });
    let other =
        CorrectionKind::End { at: at("2024-05-01T00:20:00Z"), energy: Some(WattHours(900)) };
    for (kind, expected, units) in [
        (CorrectionKind::Bill, BillingState::Ended, 30),
        (CorrectionKind::Waive, BillingState::Waived, 30),
        (by_evidence, BillingState::Ended, 30),
        (other, BillingState::Ended, 20),
    ] {
        let settled = with(session.clone(), &[kind]);
        assert_eq!((state(&settled), settled.corrected().units(60)), (expected, units));
    }
}

#[test]
fn w111_a_class_can_be_said_and_a_card_given() {
    let mut session = ended();
    session.site = None;
    session.flags.insert(Flag::UnknownConnector);
    session.refusal = Some(Reason::OffNetwork);
    assert_eq!(
        check(
            &session,
            &CorrectionKind::Bill,
            Standing::default(),
            None,
            at("2024-05-02T00:00:00Z")
        ),
        Err(NoCorrection::NoClass)
    );
    let settled = with(session, &[CorrectionKind::Class(ChargerClass::Normal)]).corrected();
    assert_eq!(
        (settled.site.unwrap().charger_class, settled.refusal),
        (ChargerClass::Normal, None)
    );
    assert_eq!(settled.billing_state(Standing::default()), BillingState::Ended);
    let mut nobodys = ended();
    (nobodys.card, nobodys.member) = (None, None);
    nobodys.flags.insert(Flag::UnknownCard);
    let (card, member) = (CardNumber::parse("C1").unwrap(), MemberId::parse("M-1").unwrap());
    let given = with(nobodys, &[CorrectionKind::Assign { card: card.clone(), member }]).corrected();
    assert_eq!((given.card, given.flags.contains(&Flag::UnknownCard)), (Some(card), false));
}

#[test]
fn w122_nothing_is_billed_to_a_month_before_the_service_began() {
    let member = file().member.unwrap();
    let mut session = ended();
    session.flags.insert(Flag::LateArrival);
    session.start.at = at("2023-01-01T00:00:00Z");
    let check = |kind| {
        check(&session, &kind, Standing::default(), Some(&member), at("2024-05-02T00:00:00Z"))
    };
    assert_eq!(check(CorrectionKind::Bill), Err(NoCorrection::BeforeServiceStart));
    assert_eq!(check(CorrectionKind::Waive), Ok(()));
    let outside = CorrectionKind::End { at: at("2022-12-31T23:59:59Z"), energy: None };
    assert_eq!(check(outside), Err(NoCorrection::EndOutside));
}

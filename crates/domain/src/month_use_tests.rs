//! A month's use kept up with each session says what rating all of them says.

use proptest::prelude::*;

use super::super::card::Role;
use super::super::card::tests::at;
use super::super::display::{as_of, display};
use super::super::flag::Flag;
use super::super::member::tests::member;
use super::super::rating::tests::{activated_card, book, session};
use super::super::session::Decision;
use super::*;

/// A session as it is drawn: its start in minutes of the month, length in seconds (0: it runs), card, class, doubt, decision.
type Drawn = (i64, i64, u8, bool, u8, u8);

fn premium() -> Member {
    let cards = ["P", "A"].map(|number| {
        activated_card(
            number,
            if number == "P" { Role::Primary } else { Role::Additional },
            "2023-01-11T00:00:00Z",
            None,
        )
    });
    member("2023-01-10T00:00:00Z", "premium_100", cards.into())
}

fn made(member: &Member, drawn: &[Drawn]) -> Vec<Session> {
    let begin = at("2024-05-31T10:00:00Z");
    let one = |(place, (start_min, length_s, card, quick, doubt, decision)): (usize, &Drawn)| {
        let class = if *quick { ChargerClass::Quick } else { ChargerClass::Normal };
        let card = if card % 3 == 0 { "A" } else { "P" };
        let start = (begin + TimeDelta::minutes(*start_min)).to_rfc3339();
        let id = i64::try_from(place).unwrap() + 1;
        let mut one = session(member, id, card, class, &start, (*length_s).max(1));
        if *length_s == 0 {
            (one.stop, one.last_reading) = (None, Some(WattHours(500)));
        }
        if doubt % 5 == 0 {
            one.flags.insert(Flag::LateArrival);
        }
        one.decision = match decision % 7 {
            0 => Some(Decision::Waive),
            1 => Some(Decision::Bill),
            _ => None,
        };
        one
    };
    drawn.iter().enumerate().map(one).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn it_says_what_rating_every_session_says(
        drawn in prop::collection::vec((0_i64..2_000, prop_oneof![Just(0_i64), 1_i64..7_000], any::<u8>(), any::<bool>(), any::<u8>(), any::<u8>()), 0..25),
        now_min in 0_i64..3_000,
        turned in any::<bool>(),
    ) {
        let (member, programme, month) = (premium(), book(0), BillingMonth::parse("2024-06").unwrap());
        let sessions = made(&member, &drawn);
        let now = at("2024-05-31T10:00:00Z") + TimeDelta::minutes(now_min);
        // Some come with what was there when the month was read first, the others one by one, first running and then ended.
        let (first, later) = sessions.split_at(sessions.len() / 2);
        let mut of_month = MonthUse::of(&member, first, month, &programme).unwrap();
        let mut later: Vec<&Session> = later.iter().collect();
        if turned {
            later.reverse();
        }
        for session in later {
            let running = Session { stop: None, decision: None, ..session.clone() };
            prop_assert!(of_month.try_put(&running, &member, &programme));
            prop_assert!(of_month.try_put(session, &member, &programme));
            prop_assert!(of_month.try_put(session, &member, &programme), "what is known changes nothing");
        }
        for of in sessions.iter().map(|session| Some(session.id)).chain([None]) {
            let shown = display(&member, &sessions, (month, of), &ChargerClass::ALL, &programme, now).unwrap();
            let kept = of_month.now(of, &ChargerClass::ALL, now);
            prop_assert_eq!(shown.cost, kept.cost, "{:?} of {:?}", of, sessions);
            let as_of_now: Vec<Session> = sessions.iter().map(|session| as_of(session, now)).collect();
            let rated = super::super::rating::rate(&member, &as_of_now, month, &programme).unwrap();
            prop_assert_eq!(rated.pools, kept.pools);
        }
    }
}

#[test]
fn what_is_changed_after_it_ended_has_the_month_made_anew() {
    let (member, programme, month) = (premium(), book(0), BillingMonth::parse("2024-06").unwrap());
    let mut sessions = made(&member, &[(900, 600, 1, true, 1, 2)]);
    let mut of_month = MonthUse::of(&member, &sessions, month, &programme).unwrap();
    sessions[0].decision = Some(Decision::Waive);
    assert!(!of_month.try_put(&sessions[0], &member, &programme));
    assert!(of_month.is_current_for(&member, &programme));
}

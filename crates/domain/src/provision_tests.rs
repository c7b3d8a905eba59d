use super::super::card::Dated;
use super::super::card::tests::at;
use super::super::member::tests::member;
use super::*;

fn pair(recipient: &str, purpose: &str) -> Consent {
    Consent { recipient: recipient.into(), purpose: purpose.into() }
}

#[test]
fn a_pair_that_is_not_on_the_list_needs_the_members_consent() {
    assert_eq!(dataset(&pair("ncs", "quality")), Ok(Dataset::Sessions));
    assert_eq!(dataset(&pair("dealer", "marketing")), Ok(Dataset::Members));
    assert_eq!(dataset(&pair("dealer", "quality")), Err(Reason::PurposeRefused));
    assert_eq!(dataset(&pair("insurer", "offers")), Err(Reason::PurposeRefused));
}

#[test]
fn a_cell_of_four_members_is_left_out_and_one_of_five_is_not() {
    let cells = |members: usize| {
        let mut statistics = Statistics::default();
        for n in 0..members {
            statistics.add(Use {
                member: MemberId::parse(&format!("M-{n}")).unwrap(),
                site: "Yokohama".into(),
                charger_class: ChargerClass::Quick,
                started_at: at("2024-03-01T01:30:00Z"),
                duration_s: 600,
                energy_wh: 5_000,
            });
        }
        statistics.cells()
    };
    assert!(cells(MEMBERS_PER_CELL - 1).is_empty());
    let cells = cells(MEMBERS_PER_CELL);
    assert_eq!(
        cells[&("Yokohama".to_owned(), ChargerClass::Quick, 10)],
        Cell { sessions: 5, duration_s: 3_000, energy_wh: 25_000 }
    );
}

#[test]
fn a_consent_is_for_one_recipient_and_purpose_from_when_it_is_given_until_it_is_withdrawn() {
    let to = pair("insurer", "offers");
    let dated = |seq, text: &str, event| Dated { seq, at: at(text), event };
    let mut member = member("2024-01-01T00:00:00Z", "simple", Vec::new());
    member.events.extend([
        dated(100, "2024-02-01T00:00:00Z", MemberEvent::ConsentGiven(to.clone())),
        dated(101, "2024-03-01T00:00:00Z", MemberEvent::ConsentGiven(pair("insurer", "research"))),
        dated(102, "2024-04-01T00:00:00Z", MemberEvent::ConsentWithdrawn(to.clone())),
    ]);
    for (to, text, allows) in [
        (&to, "2024-01-31T23:59:59Z", false),
        (&to, "2024-02-01T00:00:00Z", true),
        (&to, "2024-03-15T00:00:00Z", true),
        (&to, "2024-04-01T00:00:00Z", false),
        (&pair("insurer", "research"), "2024-02-15T00:00:00Z", false),
        (&pair("insurer", "research"), "2024-04-15T00:00:00Z", true),
        (&pair("bank", "offers"), "2024-03-15T00:00:00Z", false),
    ] {
        assert_eq!(member.consents_at(to, at(text)), allows, "{to:?} at {text}");
    }
}

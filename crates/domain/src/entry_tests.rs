use super::super::card::tests::at;
use super::super::member::tests::member_with;
use super::*;

#[test]
fn w110_an_entry_above_the_limit_counts_once_it_is_confirmed() {
    let entered = |approval| {
        let reason = "the charger stood still".to_owned();
        MemberEvent::Entered(Entered {
            kind: EntryKind::Goodwill,
            amount: -Yen::whole(1_000),
            tax_rate: None,
            reason,
            by: "a".into(),
            approval,
        })
    };
    let settled = |approval| MemberEvent::EntrySettled {
        number: 2,
        approval,
        by: "b".into(),
        entered_at: at("2024-05-02T00:00:00Z"),
    };
    let month = BillingMonth::parse("2024-05").unwrap();
    let counts = |later: &[(&str, MemberEvent)]| {
        let mut events = vec![
            ("2024-05-01T00:00:00Z", entered(Approval::Done)),
            ("2024-05-02T00:00:00Z", entered(Approval::Waiting)),
        ];
        events.extend_from_slice(later);
        member_with("2024-04-03T03:00:00Z", "simple", &events, vec![]).entries_in(month).count()
    };
    assert_eq!(counts(&[]), 1);
    assert_eq!(counts(&[("2024-05-03T00:00:00Z", settled(Approval::Done))]), 2);
    assert_eq!(counts(&[("2024-05-03T00:00:00Z", settled(Approval::Refused))]), 1);
    let other = member_with(
        "2024-04-03T03:00:00Z",
        "simple",
        &[("2024-05-31T15:00:00Z", entered(Approval::Done))],
        vec![],
    );
    assert_eq!(
        (other.entries_in(month).count(), at("2024-05-31T15:00:00Z")),
        (0, other.entries()[0].at),
        "it is June in Japan"
    );
}

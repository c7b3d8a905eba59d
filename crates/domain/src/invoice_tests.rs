use super::super::card::Role;
use super::super::card::tests::at;
use super::super::ending::Disqualification;
use super::super::ids::SessionRef;
use super::super::member::MemberEvent;
use super::super::member::tests::{member, member_with};
use super::super::rating::tests::{activated_card, book, session};
use super::super::station::ChargerClass;
use super::*;

fn month(text: &str) -> BillingMonth {
    BillingMonth::parse(text).unwrap()
}

fn p100() -> Member {
    member(
        "2023-10-10T00:00:00Z",
        "premium_100",
        vec![activated_card("P", Role::Primary, "2023-10-11T00:00:00Z", None)],
    )
}

fn quick(member: &Member, id: i64, start: &str, minutes: i64) -> Session {
    session(member, id, "P", ChargerClass::Quick, start, minutes * 60)
}

/// A history of closes: each issues what is new.
struct Closes<'a> {
    member: &'a Member,
    programme: Programme,
    invoices: Vec<Invoice>,
    billed: Vec<BilledGroup>,
}

impl<'a> Closes<'a> {
    fn of(member: &'a Member, carry_over_months: u8) -> Self {
        Self {
            member,
            programme: book(carry_over_months),
            invoices: Vec::new(),
            billed: Vec::new(),
        }
    }

    fn facts<'b>(
        &'b self,
        sessions: &'b [Session],
        of: &str,
        recheck: Option<&str>,
        at: &str,
    ) -> InvoiceFacts<'b> {
        InvoiceFacts {
            member: self.member,
            sessions,
            programme: &self.programme,
            month: month(of),
            recheck_from: recheck.map(month),
            invoices: &self.invoices,
            billed: &self.billed,
            at: super::super::card::tests::at(at),
        }
    }

    fn issue(&mut self, drawn: Drawn, of: &str, at: &str) -> Vec<String> {
        let mut printed = Vec::new();
        for draft in drawn.drafts {
            let lines: Vec<String> = draft
                .lines
                .iter()
                .map(|line| format!("{} {} {}", line.usage_month, line.code.name(), line.amount))
                .collect();
            printed.push(format!("{} {}: {}", draft.kind.name(), draft.id, lines.join(", ")));
            self.invoices.push(Invoice {
                id: draft.id,
                kind: draft.kind,
                month: month(of),
                member: self.member.id.clone(),
                issuer: Issuer::default(),
                recipient_name: String::new(),
                payment: self.member.admission.payment,
                issued_at: super::super::card::tests::at(at),
                due_on: NaiveDate::MIN,
                lines: draft.lines,
            });
        }
        self.billed.extend(drawn.billed);
        printed
    }

    fn close(&mut self, sessions: &[Session], of: &str, recheck: Option<&str>) -> Vec<String> {
        let at = month(of).next().first_day().and_hms_opt(3, 0, 0).unwrap().and_utc().to_rfc3339();
        let drawn = draw_up(&self.facts(sessions, of, recheck, &at)).unwrap();
        self.issue(drawn, of, &at)
    }
}

#[test]
fn w76_w78_a_late_session_is_adjusted_on_the_next_invoice_with_its_own_months_pool() {
    for late_start in ["2024-03-30T01:00:00Z", "2024-03-02T01:00:00Z"] {
        let member = p100();
        let mut closes = Closes::of(&member, 0);
        let mut sessions = vec![
            quick(&member, 1, "2024-03-10T00:00:00Z", 60),
            quick(&member, 2, "2024-03-11T00:00:00Z", 40),
        ];
        assert_eq!(
            closes.close(&sessions, "2024-03", None),
            ["regular 2024-03-M-1: 2024-03 base 4400"]
        );
        sessions.push(quick(&member, 3, late_start, 30));
        let april = closes.close(&sessions, "2024-04", Some("2024-03"));
        assert_eq!(april, ["regular 2024-04-M-1: 2024-04 base 4400, 2024-03 adjustment 1320"]);
        let line = &closes.invoices[1].lines[1];
        assert_eq!(line.previous_invoice.as_deref(), Some("2024-03-M-1"));
        assert!(line.sessions.contains(&SessionRef::parse("S-000000003").unwrap()));
        assert_eq!(
            closes.close(&sessions, "2024-05", Some("2024-03")),
            ["regular 2024-05-M-1: 2024-05 base 4400"],
            "once"
        );
    }
}

#[test]
fn w77_a_late_session_within_the_allowance_costs_nothing_and_moves_what_was_carried() {
    let cards = vec![activated_card("P", Role::Primary, "2024-03-01T00:00:00Z", None)];
    let member = member("2024-02-10T00:00:00Z", "premium_100", cards);
    let mut closes = Closes::of(&member, 1);
    let mut sessions = vec![
        quick(&member, 1, "2024-03-10T00:00:00Z", 60),
        quick(&member, 2, "2024-04-10T00:00:00Z", 135),
    ];
    closes.close(&sessions, "2024-03", None);
    assert_eq!(
        closes.close(&sessions, "2024-04", None),
        ["regular 2024-04-M-1: 2024-04 base 4400"]
    );
    sessions.push(quick(&member, 3, "2024-03-30T00:00:00Z", 30));
    let may = closes.close(&sessions, "2024-05", Some("2024-03"));
    assert_eq!(
        may,
        ["regular 2024-05-M-1: 2024-05 base 4400, 2024-04 adjustment 1100"],
        "April had 10 carried, not 40"
    );
}

#[test]
fn w84_what_comes_after_the_last_invoice_makes_a_supplementary_one() {
    let cards = vec![activated_card("P", Role::Primary, "2023-10-11T00:00:00Z", None)];
    let events = [("2024-06-15T00:00:00Z", MemberEvent::Withdrawn)];
    let member = member_with("2023-10-10T00:00:00Z", "simple", &events, cards);
    let mut closes = Closes::of(&member, 0);
    assert_eq!(closes.close(&[], "2024-06", None), ["regular 2024-06-M-1: 2024-06 base 1100"]);
    let late = [quick(&member, 1, "2024-06-14T00:00:00Z", 10)];
    assert_eq!(
        closes.close(&late, "2024-07", Some("2024-06")),
        ["supplementary 2024-07-M-1-S: 2024-06 adjustment 990"]
    );
    assert_eq!(closes.invoices[1].previous(), Some("2024-06-M-1"));
}

#[test]
fn a_large_credit_is_an_invoice_of_its_own_and_a_small_one_a_line() {
    let member = p100();
    for (minutes, expected) in [
        (
            327,
            vec![
                "regular 2024-04-M-1: 2024-04 base 4400, 2024-03 credit -9988, 2024-04 carried_forward 5588",
            ],
        ),
        (
            328,
            vec![
                "regular 2024-04-M-1: 2024-04 carried_credit -10032, 2024-04 base 4400, 2024-04 carried_forward 5632",
                "return 2024-04-M-1-R-2024-03: 2024-03 credit -10032, 2024-04 carried_forward 10032",
            ],
        ),
    ] {
        let mut closes = Closes::of(&member, 0);
        let mut sessions = vec![quick(&member, 1, "2024-03-10T00:00:00Z", minutes)];
        closes.close(&sessions, "2024-03", None);
        sessions[0].decision = Some(super::super::session::Decision::Waive);
        assert_eq!(closes.close(&sessions, "2024-04", Some("2024-03")), expected);
        let records: Vec<(bool, i64)> = closes
            .billed
            .iter()
            .flat_map(|group| &group.sessions)
            .map(|one| (one.is_credit, one.version))
            .collect();
        assert_eq!(records, [(false, 1), (true, 1)]);
    }
}

#[test]
fn w71_w73_a_final_invoice_holds_all_open_months_and_the_close_adds_nothing() {
    let it = Disqualification {
        ground: 1,
        known_at: at("2024-07-31T14:30:00Z"),
        effective_at: at("2024-08-01T15:00:00Z"),
    };
    let cards = vec![activated_card("P", Role::Primary, "2023-10-11T00:00:00Z", None)];
    let events = [("2024-07-31T14:30:00Z", MemberEvent::Disqualified(it))];
    let member = member_with("2023-10-10T00:00:00Z", "premium_100", &events, cards);
    let mut closes = Closes::of(&member, 0);
    let mut sessions = vec![quick(&member, 1, "2024-07-10T00:00:00Z", 120)];
    closes.close(&sessions, "2024-06", None);
    let drawn =
        draw_up_final(&closes.facts(&sessions, "2024-07", None, "2024-08-01T15:00:00Z")).unwrap();
    let issued = closes.issue(drawn, "2024-07", "2024-08-01T15:00:00Z");
    assert_eq!(issued, ["final 2024-07-M-1-F: 2024-07 base 4400, 2024-07 metered_quick 880"]);
    assert_eq!(closes.close(&sessions, "2024-07", None), Vec::<String>::new());
    sessions.push(quick(&member, 2, "2024-07-11T00:00:00Z", 10));
    assert_eq!(
        closes.close(&sessions, "2024-08", Some("2024-07")),
        ["supplementary 2024-08-M-1-S: 2024-07 adjustment 440"]
    );
}

#[test]
fn m2_a_small_sum_by_debit_has_its_fee_below_the_threshold_only() {
    let mut member = p100();
    member.admission.plan = "simple".into();
    member.events.clear();
    member.admission.payment.kind = PaymentKind::AccountDebit;
    let mut programme = book(0);
    let fee =
        super::super::tariff::SmallDebitFee { threshold: Yen::whole(2000), fee: Yen::whole(110) };
    let with_fee = |tariff: &std::sync::Arc<super::super::tariff::Tariff>| {
        let mut tariff = (**tariff).clone();
        tariff.small_debit = Some(fee);
        std::sync::Arc::new(tariff)
    };
    let versions = programme.tariffs.versions().iter().map(with_fee).collect();
    programme.tariffs =
        std::sync::Arc::new(super::super::tariff::TariffBook::new(versions).unwrap());
    for (minutes, total) in [(9, 1991 + 110), (10, 2090)] {
        let sessions = [quick(&member, 1, "2024-03-10T00:00:00Z", minutes)];
        let closes = Closes { programme: programme.clone(), ..Closes::of(&member, 0) };
        let drawn =
            draw_up(&closes.facts(&sessions, "2024-03", None, "2024-04-04T18:00:00Z")).unwrap();
        assert_eq!(bill::total(&drawn.drafts[0].lines), Yen::whole(total));
    }
}

//! The programme's invariants over generated histories: whatever members do, in whatever order sessions
//! arrive.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use proptest::prelude::*;

use super::activation::{activate, replace};
use super::bill::LineCode;
use super::billed::BilledGroup;
use super::card::tests::{at, card};
use super::card::{
    Card, CardEvent, CardState, Dated, Role, Suspension, deactivate, resume, suspend,
};
use super::ending::{Disqualification, disqualify, withdraw};
use super::ids::{CardNumber, SessionId};
use super::invoice::{Drawn, Invoice, InvoiceFacts, belongs_to, draw_up, draw_up_final};
use super::member::tests::member_of;
use super::member::{Admission, Member, MemberEvent, MemberKind};
use super::month::BillingMonth;
use super::payment::{PaymentKind, PaymentMethod};
use super::plan::{cancel_change, request_change};
use super::programme::Programme;
use super::rating::tests::{book, session};
use super::rating::{RatedMonth, rate};
use super::session::{BillingState, Session};
use super::station::ChargerClass;
use super::units::Yen;

const ADMITTED: &str = "2021-01-10T00:00:00Z";

/// A member's life as it is made up, one deed after another.
struct Life {
    member: Member,
    stock: u32,
    seq: i64,
    programme: Programme,
}

impl Life {
    fn begin(term: bool, carry_over_months: u8) -> Self {
        let admission = Admission {
            name: "Aoki Transport".into(),
            kind: MemberKind::Corporation,
            email: "fleet@example.jp".into(),
            plan: if term { "premium_10" } else { "simple" }.into(),
            term,
            payment: PaymentMethod { kind: PaymentKind::Invoice, brand: None },
            vehicle_vin: None,
            art80_permit: false,
        };
        let mut life = Self {
            member: member_of(admission, ADMITTED, &[], vec![]),
            stock: 0,
            seq: 100,
            programme: book(carry_over_months),
        };
        life.bind(Role::Primary, at("2021-01-20T00:00:00Z"));
        life
    }

    fn next(&mut self) -> i64 {
        self.seq += 1;
        self.seq
    }

    fn tell(&mut self, when: DateTime<Utc>, event: MemberEvent) {
        let seq = self.next();
        self.member.events.push(Dated { seq, at: when, event });
    }

    fn add(&mut self, number: &CardNumber, when: DateTime<Utc>, event: CardEvent) {
        let seq = self.next();
        let card = self.member.cards.iter_mut().find(|card| card.number == *number).unwrap();
        card.events.push(Dated { seq, at: when, event });
    }

    fn fresh(&mut self) -> Card {
        self.stock += 1;
        card(&format!("C{}", self.stock), &[])
    }

    fn bind(&mut self, role: Role, when: DateTime<Utc>) {
        let fresh = self.fresh();
        if let Ok(event) = activate(&self.member, &fresh, role, true, when, &self.programme) {
            let number = fresh.number.clone();
            self.member.cards.push(fresh);
            self.add(&number, when, event);
        }
    }

    fn live(&self, role: Role, when: DateTime<Utc>) -> Option<CardNumber> {
        self.member.live_card(role, when, &self.programme).map(|card| card.number.clone())
    }

    fn state(&self, number: &CardNumber, when: DateTime<Utc>) -> CardState {
        self.member.card_state_at(self.member.card(number).unwrap(), when, &self.programme)
    }

    /// Tries a deed; what the rules refuse is not done.
    fn try_to(&mut self, deed: u8, when: DateTime<Utc>) {
        let role = if deed.is_multiple_of(2) { Role::Primary } else { Role::Additional };
        match deed % 16 {
            0..4 => {
                let plan = ["simple", "premium_100", "premium_200", "premium_10", "premium_20"]
                    [usize::from(deed / 16) % 5];
                let term = [None, Some(true), Some(false)][usize::from(deed / 16) % 3];
                if let Ok(Some(event)) =
                    request_change(&self.member, plan, term, when, &self.programme)
                {
                    self.tell(when, event);
                }
            }
            4 => {
                if let Ok(event) = cancel_change(&self.member, when, &self.programme) {
                    self.tell(when, event);
                }
            }
            5..7 => self.bind(Role::Additional, when),
            7 => self
                .change(Role::Additional, when, |state, role| deactivate(state, Some(role)).ok()),
            8 | 9 => self.change(role, when, |state, _| {
                suspend(state, state, Suspension::Lost).ok().flatten()
            }),
            10 | 11 => self.change(role, when, |state, _| {
                resume(state, state, Suspension::Lost).ok().flatten()
            }),
            12 | 13 => self.replace(role, when),
            14 => {
                let event = if self.member.is_held_at(when) {
                    MemberEvent::HoldLifted
                } else {
                    MemberEvent::HoldSet
                };
                if self.member.check_changeable(when, &self.programme).is_ok() {
                    self.tell(when, event);
                }
            }
            _ => self.end(deed, when),
        }
    }

    fn change(
        &mut self,
        role: Role,
        when: DateTime<Utc>,
        decide: impl Fn(&CardState, Role) -> Option<CardEvent>,
    ) {
        let Some(number) = self.live(role, when) else { return };
        if let Some(event) = decide(&self.state(&number, when), role) {
            self.add(&number, when, event);
        }
    }

    fn replace(&mut self, role: Role, when: DateTime<Utc>) {
        let Some(old) = self.live(role, when) else { return };
        let fresh = self.fresh();
        let old_card = self.member.card(&old).unwrap().clone();
        if let Ok(done) = replace(&self.member, &old_card, &fresh, true, when, &self.programme) {
            let number = fresh.number.clone();
            self.member.cards.push(fresh);
            self.add(&old, when, done.old);
            for event in done.new {
                self.add(&number, when, event);
            }
        }
    }

    fn end(&mut self, deed: u8, when: DateTime<Utc>) {
        let it =
            Disqualification { ground: 6, known_at: when, effective_at: when + TimeDelta::days(3) };
        if deed < 64 {
            if let Ok(event) = withdraw(&self.member, when, &self.programme) {
                self.tell(when, event);
            }
        } else if deed < 96
            && let Ok(event) = disqualify(&self.member, it, when, &self.programme)
        {
            self.tell(when, event);
        }
    }
}

/// A life of some years, deed after deed, and sessions of its cards with when each arrives.
fn lived(
    term: bool,
    carry: u8,
    deeds: &[(u16, u8)],
    uses: &[(u16, u16, u8)],
) -> (Life, Vec<(Session, DateTime<Utc>)>) {
    let mut life = Life::begin(term, carry);
    let mut now = at("2021-01-20T00:00:00Z");
    for (hours, deed) in deeds {
        now += TimeDelta::hours(i64::from(*hours));
        life.try_to(*deed, now);
    }
    let mut arrivals = Vec::new();
    for ((hours, length_s, choice), id) in uses.iter().zip(1i64..) {
        let start = at("2021-01-21T00:00:00Z") + TimeDelta::hours(i64::from(*hours));
        let card = &life.member.cards[usize::from(*choice) % life.member.cards.len()];
        let class =
            if choice.is_multiple_of(3) { ChargerClass::Normal } else { ChargerClass::Quick };
        let session = session(
            &life.member,
            id,
            card.number.as_str(),
            class,
            &start.to_rfc3339(),
            i64::from(*length_s),
        );
        let late = TimeDelta::days(if choice.is_multiple_of(5) { 50 } else { 1 });
        arrivals.push((session, start + late));
    }
    (life, arrivals)
}

fn months(from: &str, to: &str) -> Vec<BillingMonth> {
    let (mut month, last) = (BillingMonth::parse(from).unwrap(), BillingMonth::parse(to).unwrap());
    let mut found = Vec::new();
    while month <= last {
        found.push(month);
        month = month.next();
    }
    found
}

fn count(rated: &RatedMonth, code: LineCode) -> i64 {
    rated.bill.lines.iter().filter(|line| line.code == code).map(|line| line.quantity).sum()
}

/// Closes month after month with what has arrived by then; a final invoice where one falls due.
fn invoiced(
    life: &Life,
    arrivals: &[(Session, DateTime<Utc>)],
    months: &[BillingMonth],
) -> Vec<Invoice> {
    let (mut invoices, mut billed): (Vec<Invoice>, Vec<BilledGroup>) = (Vec::new(), Vec::new());
    let mut final_is_due = life.member.disqualification().map(|it| it.effective_at);
    for month in months {
        let close_at = month.end() + TimeDelta::days(4);
        let mut events = vec![(close_at, false)];
        if let Some(due) = final_is_due.filter(|due| *due <= close_at) {
            events.insert(0, (due, true));
            final_is_due = None;
        }
        for (now, is_final) in events {
            let known: Vec<Session> = arrivals
                .iter()
                .filter(|(_, arrived)| *arrived <= now)
                .map(|(session, _)| session.clone())
                .collect();
            let facts = InvoiceFacts {
                member: &life.member,
                sessions: &known,
                programme: &life.programme,
                month: *month,
                recheck_from: months.first().copied().filter(|first| first < month),
                invoices: &invoices,
                billed: &billed,
                at: now,
            };
            let drawn: Drawn =
                if is_final { draw_up_final(&facts).unwrap() } else { draw_up(&facts).unwrap() };
            billed.extend(drawn.billed);
            invoices.extend(drawn.drafts.into_iter().map(|draft| Invoice {
                id: draft.id,
                kind: draft.kind,
                month: *month,
                member: life.member.id.clone(),
                issuer: Default::default(),
                recipient_name: String::new(),
                payment: life.member.admission.payment,
                issued_at: now,
                due_on: NaiveDate::MIN,
                lines: draft.lines,
            }));
        }
    }
    invoices
}

fn check_month(life: &Life, rated: &RatedMonth, month: BillingMonth) -> Result<(), TestCaseError> {
    let end = life.member.end(&life.programme);
    for session in &rated.sessions {
        prop_assert!(month.contains(session.started_at));
        if session.state == BillingState::Ended {
            prop_assert_eq!(session.split.free + session.split.charged, session.units);
        }
    }
    for pool in &rated.pools {
        let free: i64 = rated
            .sessions
            .iter()
            .filter(|s| s.charger_class == Some(pool.charger_class))
            .map(|s| s.split.free)
            .sum();
        prop_assert!(pool.free_units.is_none_or(|given| free <= given));
    }
    prop_assert!(count(rated, LineCode::AdditionalMonthly) <= 1);
    let lived = month >= BillingMonth::of(life.member.service_start().unwrap())
        && end.is_none_or(|end| month <= end.last_fee_month);
    prop_assert_eq!(count(rated, LineCode::Base), i64::from(lived));
    Ok(())
}

/// How many lives are drawn: few while a rule is being changed, more where `PROPTEST_CASES` asks for them.
fn lives() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(50)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(lives()))]

    #[test]
    fn the_invariants_hold_whatever_a_member_does(
        term in any::<bool>(),
        carry in 0u8..2,
        deeds in proptest::collection::vec((1u16..1_500, any::<u8>()), 0..40),
        uses in proptest::collection::vec((0u16..32_000, 0u16..8_000, any::<u8>()), 0..40),
        turn in 0usize..40,
    ) {
        let (life, arrivals) = lived(term, carry, &deeds, &uses);
        let months = months("2021-01", "2025-06");
        let sessions: Vec<Session> = arrivals.iter().map(|(session, _)| session.clone()).collect();
        let mut shuffled = sessions.clone();
        shuffled.rotate_left(turn % sessions.len().max(1));
        shuffled.reverse();

        let mut seen: BTreeMap<SessionId, u32> = BTreeMap::new();
        let mut early_terminations = 0;
        for month in &months {
            let rated = rate(&life.member, &sessions, *month, &life.programme).unwrap();
            check_month(&life, &rated, *month)?;
            prop_assert_eq!(&rate(&life.member, &shuffled, *month, &life.programme).unwrap(), &rated, "the order decides nothing");
            for session in rated.sessions.iter().filter(|session| session.state == BillingState::Ended) {
                *seen.entry(session.id).or_default() += 1;
            }
            early_terminations += count(&rated, LineCode::EarlyTermination);
        }
        prop_assert!(seen.values().all(|times| *times == 1), "each in one month and class: {:?}", seen);
        let terms = life.member.events.iter().filter(|dated| matches!(dated.event, MemberEvent::PlanChangeRequested { term: Some(true), .. }));
        prop_assert!(early_terminations <= i64::from(term) + terms.map(|_| 1).sum::<i64>(), "one fee a term at most");
        for card in &life.member.cards {
            check_card(&life, card)?;
        }

        let invoices = invoiced(&life, &arrivals, &months);
        let mut names: Vec<&str> = invoices.iter().map(|invoice| invoice.id.as_str()).collect();
        names.sort_unstable();
        let all = names.len();
        names.dedup();
        prop_assert_eq!(names.len(), all, "an invoice's number is used once");
        // The last months may still wait for what comes late.
        for month in &months[..months.len() - 3] {
            let sum: Yen = invoices.iter().flat_map(|invoice| &invoice.lines).filter(|line| belongs_to(line, *month)).map(|line| line.amount).sum();
            let rated = rate(&life.member, &sessions, *month, &life.programme).unwrap();
            prop_assert_eq!(sum, rated.bill.total(), "the invoices of {} come to its rating", month);
        }
    }
}

/// At most one live card a role, and death is for ever.
fn check_card(life: &Life, card: &Card) -> Result<(), TestCaseError> {
    let instants = life.member.cards.iter().flat_map(|card| &card.events).map(|dated| dated.at);
    let mut dead = false;
    let mut instants: Vec<DateTime<Utc>> =
        instants.chain(life.member.events.iter().map(|dated| dated.at)).collect();
    instants.sort_unstable();
    for instant in instants {
        for role in [Role::Primary, Role::Additional] {
            let is_live = |card: &&Card| {
                let of_role = card
                    .holder()
                    .is_some_and(|holder| holder.role == role && holder.activated_at <= instant);
                of_role && life.member.card_state_at(card, instant, &life.programme).is_live()
            };
            prop_assert!(life.member.cards.iter().filter(is_live).map(|_| 1).sum::<i32>() <= 1);
        }
        let is_dead =
            matches!(life.member.card_state_at(card, instant, &life.programme), CardState::Dead(_));
        prop_assert!(is_dead || !dead, "a dead card came back");
        dead = is_dead;
    }
    Ok(())
}

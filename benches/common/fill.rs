//! A big month straight into a store: members with a card each, and their sessions as the ledger
//! writes them.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "made-up data either fits or shows itself at once"
)]

use chrono::{DateTime, TimeDelta, Utc};
use juden_core::ledger::keys::reference;
use juden_domain::authorization::CardFile;
use juden_domain::card::{Card, CardEvent, Dated, Role};
use juden_domain::ids::{CardNumber, IdTag, MemberId, SessionId, StationId};
use juden_domain::instant::{Heard, Moment, Reported};
use juden_domain::member::{Admission, Member, MemberEvent, MemberKind};
use juden_domain::month::BillingMonth;
use juden_domain::payment::{PaymentKind, PaymentMethod};
use juden_domain::programme::Programme;
use juden_domain::recording::{EndFacts, StartFacts, close, open};
use juden_domain::station::{ChargerClass, ConnectorSite};
use juden_domain::units::WattHours;
use juden_store::NodeRun;
use juden_store::documents::events::{card_event, member_event};
use juden_store::ledger::{Batch, BatchName, LedgerRow, LedgerStore, Wanted};
use sqlx::{ConnectOptions, Connection};

/// The month of the sessions.
pub const MONTH: &str = "2026-10";

const ROWS_AT_ONCE: i64 = 5_000;

async fn commit(store: &(impl LedgerStore + ?Sized), batch: &Batch) {
    let name = BatchName { node: NodeRun("fill".into()), number: 1 };
    store.open_batch(&name, &Wanted::default()).await.unwrap().1.commit(batch).await.unwrap();
}

fn admitted() -> DateTime<Utc> {
    "2026-09-10T00:00:00Z".parse().unwrap()
}

fn member(n: i64) -> (Member, CardFile) {
    let id = MemberId::parse(&format!("M-{n:06}")).unwrap();
    let plan =
        ["simple", "premium_100", "premium_200", "premium_400"][usize::try_from(n % 4).unwrap()];
    let admission = Admission {
        name: format!("Member {n}"),
        kind: MemberKind::Corporation,
        email: "fleet@example.jp".into(),
        plan: plan.into(),
        term: false,
        payment: PaymentMethod { kind: PaymentKind::Invoice, brand: None },
        vehicle_vin: None,
        art80_permit: false,
    };
    let activated =
        CardEvent::Activated { member: id.clone(), role: Role::Primary, replaces: None };
    let card = Card {
        number: CardNumber::parse(&format!("C-{n:08}")).unwrap(),
        id_tag: IdTag::new(&format!("TAG{n:08}")),
        readings: Vec::new(),
        events: vec![Dated { seq: 2 * n + 1, at: admitted(), event: activated }],
    };
    let events =
        vec![Dated { seq: 2 * n, at: admitted(), event: MemberEvent::Admitted(admission) }];
    let member = Member::from_events(id, events, vec![card.clone()]).unwrap();
    (member.clone(), CardFile { card, member: Some(member) })
}

/// Members and cards straight into the tables, in one transaction.
pub async fn fill_members(path: &str, members: i64) {
    if path.starts_with("postgres") {
        return fill_members_of_server(path, members).await;
    }
    let options: sqlx::sqlite::SqliteConnectOptions = path.parse().unwrap();
    let mut connection = options.connect().await.unwrap();
    let mut write = connection.begin().await.unwrap();
    for n in 1..=members {
        let (member, file) = member(n);
        let (kind, detail) = member_event(&member.events[0].event);
        let (card_kind, card_detail) = card_event(&file.card.events[0].event);
        let at = admitted().timestamp_millis();
        sqlx::query("INSERT INTO members (member_no, member_id) VALUES (?1, ?2)")
            .bind(n)
            .bind(member.id.as_str())
            .execute(&mut *write)
            .await
            .unwrap();
        sqlx::query("INSERT INTO cards (card_no, card_number, id_tag, id_tag_matched, code_hash, member_id, created_at) VALUES (?1, ?2, ?3, ?4, '', ?5, 0)")
            .bind(n)
            .bind(file.card.number.as_str())
            .bind(file.card.id_tag.as_sent())
            .bind(file.card.id_tag.matched())
            .bind(member.id.as_str())
            .execute(&mut *write)
            .await
            .unwrap();
        for (card, kind, detail) in
            [(None, kind, detail), (Some(file.card.number.as_str()), card_kind, card_detail)]
        {
            sqlx::query("INSERT INTO events (member_id, card_number, at, kind, detail) VALUES (?1, ?2, ?3, ?4, ?5)")
                .bind(member.id.as_str())
                .bind(card)
                .bind(at)
                .bind(kind)
                .bind(detail)
                .execute(&mut *write)
                .await
                .unwrap();
        }
    }
    write.commit().await.unwrap();
    connection.close().await.unwrap();
}

/// The same on a server, a statement a table.
async fn fill_members_of_server(url: &str, members: i64) {
    let mut write =
        sqlx::postgres::PgConnection::connect(url.split('?').next().unwrap()).await.unwrap();
    let all: Vec<(Member, CardFile)> = (1..=members).map(member).collect();
    let ids: Vec<&str> = all.iter().map(|(member, _)| member.id.as_str()).collect();
    let cards: Vec<&str> = all.iter().map(|(_, file)| file.card.number.as_str()).collect();
    let tags: Vec<&str> = all.iter().map(|(_, file)| file.card.id_tag.as_sent()).collect();
    let (kinds, details): (Vec<String>, Vec<String>) =
        all.iter().map(|(member, _)| member_event(&member.events[0].event)).unzip();
    let (card_kinds, card_details): (Vec<String>, Vec<String>) =
        all.iter().map(|(_, file)| card_event(&file.card.events[0].event)).unzip();
    sqlx::query("INSERT INTO members (member_no, member_id) SELECT place, id FROM unnest($1::text[]) WITH ORDINALITY m (id, place)")
        .bind(&ids)
        .execute(&mut write)
        .await
        .unwrap();
    sqlx::query(
        "INSERT INTO cards (card_no, card_number, id_tag, id_tag_matched, code_hash, member_id, created_at)
         SELECT place, card, tag, tag, '', member, $4 FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY c (card, tag, member, place)",
    )
    .bind(&cards)
    .bind(&tags)
    .bind(&ids)
    .bind(admitted())
    .execute(&mut write)
    .await
    .unwrap();
    let none = vec![None; cards.len()];
    let some: Vec<Option<&str>> = cards.iter().copied().map(Some).collect();
    for (cards, kinds, details) in [(none, kinds, details), (some, card_kinds, card_details)] {
        sqlx::query(
            "INSERT INTO events (member_id, card_number, kind, detail, at)
             SELECT e.*, $5 FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) e",
        )
        .bind(&ids)
        .bind(cards)
        .bind(kinds)
        .bind(details)
        .bind(admitted())
        .execute(&mut write)
        .await
        .unwrap();
    }
    write.close().await.unwrap();
}

fn said(at: DateTime<Utc>) -> Reported {
    Reported { text: at.to_rfc3339(), moment: Moment::At(at) }
}

/// A member's `k`th session: half an hour at a quick charger, or a night at a normal one.
fn row(id: i64, file: &CardFile, k: i64) -> LedgerRow {
    let start = BillingMonth::parse(MONTH).unwrap().start()
        + TimeDelta::hours(2 + 33 * (k % 21))
        + TimeDelta::seconds(id % 3_000);
    let quick = k % 4 != 0;
    let charger_class = if quick { ChargerClass::Quick } else { ChargerClass::Normal };
    let stop = start
        + TimeDelta::seconds(if quick {
            900 + (id * 37) % 900
        } else {
            14_400 + (id * 53) % 7_200
        });
    let station = StationId::parse(&format!("ST-{:05}", id % 4_000)).unwrap();
    let key = format!("{id:032x}");
    let heard = |at| Heard { received_at: at, connected_since: at, clock: None };
    let mut session = open(&StartFacts {
        id: SessionId(id),
        reference: reference(&station, &key, 0),
        station_id: &station,
        site_name: "Yokohama",
        zone: None,
        connector_id: 1,
        site: Some(ConnectorSite { charger_class, power_w: Some(50_000), session_cap_min: None }),
        id_tag: &file.card.id_tag,
        shown_at: None,
        file: Some(file),
        reported: &said(start),
        heard: heard(start),
        meter: Some(WattHours(1_000)),
        malformed: false,
        programme: &Programme::default(),
    });
    close(
        &mut session,
        &EndFacts {
            zone: None,
            reported: &said(stop),
            heard: heard(stop),
            meter: Some(WattHours(9_000)),
            reason: "Local",
            id_tag: None,
            malformed: false,
            basis: juden_domain::session::StopBasis::Told,
        },
    );
    LedgerRow {
        session,
        start_key: key,
        start_ordinal: 0,
        start_answer: "{}".into(),
        stop_key: Some(format!("{id:032x}")),
        stop_answer: Some("{}".into()),
        repeats: 0,
        evidence: None,
    }
}

/// Sessions as the ledger writes them, in the order of time over all members.
pub async fn fill_sessions(store: &(impl LedgerStore + ?Sized), members: i64, sessions: i64) {
    let mut id = 0;
    let mut k = 0;
    while id < sessions {
        let mut batch = Batch::default();
        for n in 1..=members {
            id += 1;
            batch.sessions.push(row(id, &member(n).1, k));
            if i64::try_from(batch.sessions.len()).unwrap() == ROWS_AT_ONCE || id == sessions {
                commit(store, &std::mem::take(&mut batch)).await;
            }
            if id == sessions {
                return;
            }
        }
        commit(store, &batch).await;
        k += 1;
    }
}

/// The first member's sessions, many in one month, in the order of their starts.
#[allow(dead_code, reason = "one test alone needs it")]
pub async fn fill_sessions_of_one(store: &(impl LedgerStore + ?Sized), sessions: i64) {
    let file = member(1).1;
    let mut rows: Vec<LedgerRow> = (1..=sessions).map(|id| row(id, &file, id)).collect();
    rows.sort_by_key(|row| row.session.start.at);
    while !rows.is_empty() {
        let rest = rows.split_off(rows.len().min(200));
        commit(store, &Batch { sessions: std::mem::replace(&mut rows, rest), ..Batch::default() })
            .await;
    }
}

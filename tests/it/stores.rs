//! The store's promises, asked of it directly, on either engine.

use chrono::{DateTime, TimeDelta, Utc};
use juden_domain::card::CardEvent;
use juden_domain::ids::{CardNumber, IdTag, MemberId, SessionId, SessionRef, StationId};
use juden_domain::member::{Admission, MemberEvent, MemberKind};
use juden_domain::month::BillingMonth;
use juden_domain::payment::{PaymentKind, PaymentMethod};
use juden_domain::session::{Edge, Session};
use juden_domain::station::{Availability, Registration};
use juden_store::billing::ClosedMonth;
use juden_store::ledger::{
    Batch, BatchName, JournalRow, LedgerRow, OpenRow, ReadingRow, StationNote, StationNoteRow,
    Wanted,
};
use juden_store::{
    Append, Change, NewCard, NodeRun, Page, Seen, StationObserved, StationRecord, Store, StoreError,
};

use crate::engine::{Database, is_postgres};

pub fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

pub fn now() -> DateTime<Utc> {
    at("2026-11-20T00:00:00.123Z")
}

pub fn admission(name: &str) -> MemberEvent {
    MemberEvent::Admitted(Admission {
        name: name.into(),
        kind: MemberKind::Corporation,
        email: "fleet@example.jp".into(),
        plan: "simple".into(),
        term: false,
        payment: PaymentMethod { kind: PaymentKind::Invoice, brand: None },
        vehicle_vin: None,
        art80_permit: false,
    })
}

pub fn new_card(tag: &str) -> NewCard {
    NewCard { number: None, id_tag: IdTag::new(tag), code_hash: "x".into(), once: None }
}

pub fn station_id(text: &str) -> StationId {
    StationId::parse(text).unwrap()
}

pub fn station(text: &str) -> StationRecord {
    StationRecord {
        id: station_id(text),
        site: "Kobe".into(),
        password_hash: None,
        accept_hex_password: false,
        security_profile: 0,
        next: Default::default(),
        default_protocol: None,
        certificate_name: None,
        retired_at: None,
        time_zone: None,
        registration: Registration::default(),
        availability: Availability::default(),
        connectors: Vec::new(),
        may_configure: false,
        quirks: std::collections::BTreeSet::new(),
        observed: StationObserved::default(),
    }
}

pub fn session(id: i64, station: &str, tag: &str, member: Option<MemberId>) -> LedgerRow {
    let edge = Edge {
        reported: "t".into(),
        said: Some(now()),
        received_at: now(),
        at: now(),
        meter: None,
    };
    LedgerRow {
        session: Session {
            id: SessionId(id),
            reference: SessionRef::parse(&format!("S-{id:09}")).unwrap(),
            transaction: None,
            shown_at: None,
            site_name: "Kobe".into(),
            station_id: station_id(station),
            connector_id: 1,
            site: None,
            id_tag: IdTag::new(tag),
            card: None,
            member,
            refusal: None,
            start: edge,
            stop: None,
            last_reading: None,
            flags: Default::default(),
            decision: None,
            reduction: None,
            is_assigned: false,
            trail: Default::default(),
            corrections: Vec::new(),
        },
        start_key: format!("key{id}"),
        start_ordinal: 0,
        start_answer: "{}".into(),
        stop_key: None,
        stop_answer: None,
        repeats: 0,
        evidence: None,
    }
}

pub fn name(run: &str, number: i64) -> BatchName {
    BatchName { node: NodeRun(run.into()), number }
}

pub fn wanted(station: &str, tag: &str) -> Wanted {
    Wanted {
        stations: vec![station_id(station)],
        open_at: vec![(station_id(station), 1)],
        tags: vec![tag.into()],
        ..Wanted::default()
    }
}

pub async fn commit(store: &dyn Store, run: &str, number: i64, batch: Batch) {
    store
        .open_batch(&name(run, number), &Wanted::default())
        .await
        .unwrap()
        .1
        .commit(&batch)
        .await
        .unwrap();
}

#[tokio::test]
async fn numbers_have_no_gaps_and_names_are_taken_once() {
    let database = Database::new().await;
    let store = database.store().await;
    let mut adding = tokio::task::JoinSet::new();
    for n in 0..20 {
        let store = store.clone();
        adding.spawn(async move {
            let member =
                store.add_member(&admission(&format!("Member {n}")), now(), None).await.unwrap();
            (member, store.add_card(&new_card(&format!("tag{n}")), now()).await.unwrap())
        });
    }
    let mut added = adding.join_all().await;
    added.sort();
    let members: Vec<&str> = added.iter().map(|(member, _)| member.as_str()).collect();
    assert_eq!((members[0], members[19]), ("M-000001", "M-000020"));
    let listed = store.members(&Page { after: Some("M-000005".into()), limit: 3 }).await.unwrap();
    assert_eq!(
        listed.iter().map(|member| member.id.as_str()).collect::<Vec<_>>(),
        ["M-000006", "M-000007", "M-000008"]
    );
    let cards: std::collections::BTreeSet<&str> =
        added.iter().map(|(_, card)| card.as_str()).collect();
    assert_eq!((cards.len(), *cards.last().unwrap()), (20, "C-00000020"));
    assert!(matches!(
        store.add_card(&new_card("TAG3"), now()).await,
        Err(StoreError::Conflict("id_tag"))
    ));
    let taken =
        NewCard { number: Some(CardNumber::parse("C-00000001").unwrap()), ..new_card("other") };
    assert!(matches!(
        store.add_card(&taken, now()).await,
        Err(StoreError::Conflict("card_number"))
    ));
    for ahead in ["C-00000022", "C-00000023"] {
        let named = NewCard { number: Some(CardNumber::parse(ahead).unwrap()), ..new_card(ahead) };
        store.add_card(&named, now()).await.unwrap();
    }
    let next = [
        store.add_card(&new_card("a"), now()).await.unwrap(),
        store.add_card(&new_card("b"), now()).await.unwrap(),
    ];
    assert_eq!(
        next.map(|card| card.as_str().to_owned()),
        ["C-00000024", "C-00000025"],
        "numbers named by hand are passed over"
    );
}

#[tokio::test]
async fn of_changes_that_rest_on_the_same_state_one_is_made() {
    let database = Database::new().await;
    let (one, other) = (database.store().await, database.store().await);
    let member = one.add_member(&admission("Aoki"), now(), None).await.unwrap();
    let card = one.add_card(&new_card("tag"), now()).await.unwrap();
    let file = one.card(&card).await.unwrap().unwrap().file;
    let owner = one.member(&member).await.unwrap().unwrap();
    let seen = Seen::of(&[&file], Some(&owner));
    let role = juden_domain::card::Role::Primary;
    let events = [Append::Card(
        card.clone(),
        CardEvent::Activated { member: member.clone(), role, replaces: None },
    )];
    let change = Change {
        events: &events,
        at: now(),
        seen: &seen,
        recheck: None,
        looks: &[(card.clone(), now())],
        once: None,
    };
    let (first, second) = tokio::join!(one.append(&change), other.append(&change));
    let (done, refused) = if first.is_ok() { (first, second) } else { (second, first) };
    assert!(done.is_ok());
    assert!(matches!(refused, Err(StoreError::Conflict(_))), "{refused:?}");
    let [none, Some(file)] =
        &other.cards_by_tags(&[&IdTag::new("none"), &IdTag::new("TAG")]).await.unwrap()[..]
    else {
        panic!()
    };
    assert!(none.is_none());
    assert_eq!((file.card.events.len(), file.member.as_ref().unwrap().cards.len()), (1, 1));
    assert_eq!(one.history(&member).await.unwrap().len(), 2);
    assert_eq!(one.due_looks(now(), 10).await.unwrap(), [card]);
}

#[tokio::test]
async fn facts_find_sessions_by_every_key() {
    let database = Database::new().await;
    let store = database.store().await;
    store.put_station(&station("S1"), now()).await.unwrap();
    let rows = vec![
        session(1, "S1", "T1", None),
        session(2, "S2", "T2", None),
        session(3, "S3", "T3", None),
        session(4, "S4", "T4", None),
    ];
    commit(store.as_ref(), "run", 1, Batch { sessions: rows.clone(), ..Batch::default() }).await;
    let wanted = Wanted {
        start_keys: vec![(station_id("S1"), "key1".into())],
        sessions: vec![2, 99],
        tags: vec!["T3".into()],
        connectors: vec![(station_id("S4"), 1, now())],
        stations: vec![station_id("S1")],
        open_at: vec![(station_id("S1"), 1)],
        ..Wanted::default()
    };
    let (facts, _) = store.open_batch(&name("run", 2), &wanted).await.unwrap();
    assert_eq!(facts.rows, rows);
    assert_eq!(
        facts.holds.iter().map(|hold| (hold.station_id.as_str(), hold.fence)).collect::<Vec<_>>(),
        [("S1", 0)]
    );
}

#[tokio::test]
async fn notes_of_one_batch_leave_the_last_word() {
    let database = Database::new().await;
    let store = database.store().await;
    store.put_station(&station("S1"), now()).await.unwrap();
    let open = |fence, node: &str| OpenRow {
        station_id: station_id("S1"),
        node: NodeRun(node.into()),
        protocol: "ocpp1.6",
        since: now(),
        fence,
    };
    let note = |seconds, note| StationNoteRow {
        station_id: station_id("S1"),
        at: now() + TimeDelta::seconds(seconds),
        note,
    };
    let notes = vec![
        note(1, StationNote::FirmwareStatus("Downloading".into())),
        note(2, StationNote::Closed(1)),
        note(3, StationNote::Seen),
    ];
    commit(
        store.as_ref(),
        "run",
        1,
        Batch { opened: vec![open(1, "a"), open(2, "b")], notes, ..Batch::default() },
    )
    .await;
    let kept = store.station(&station_id("S1")).await.unwrap().unwrap();
    assert_eq!(
        kept.observed.connected.unwrap().node,
        NodeRun("b".into()),
        "the older connection's end says nothing of the newer one"
    );
    assert_eq!(kept.observed.last_seen_at, Some(now() + TimeDelta::seconds(3)));
    let late = Batch { opened: vec![open(2, "c"), open(1, "d")], ..Batch::default() };
    commit(store.as_ref(), "run", 2, late).await;
    assert_eq!(
        store.station(&station_id("S1")).await.unwrap().unwrap().observed.connected.unwrap().node,
        NodeRun("b".into())
    );
    commit(
        store.as_ref(),
        "run",
        3,
        Batch { notes: vec![note(9, StationNote::Closed(2))], ..Batch::default() },
    )
    .await;
    let kept = store.station(&station_id("S1")).await.unwrap().unwrap();
    assert_eq!(
        (kept.observed.connected, kept.observed.last_seen_at),
        (None, Some(now() + TimeDelta::seconds(9)))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_written_while_a_run_begins_is_billed_by_it_or_marked() {
    let database = Database::new().await;
    let (one, other) = (database.store().await, database.store().await);
    let member = one.add_member(&admission("Aoki"), now(), None).await.unwrap();
    let month = BillingMonth::of(now());
    let writing = {
        let member = member.clone();
        tokio::spawn(async move {
            for id in 1..=60 {
                let rows = vec![session(id, &format!("S{id}"), "T", Some(member.clone()))];
                commit(one.as_ref(), "one", id, Batch { sessions: rows, ..Batch::default() }).await;
            }
            one
        })
    };
    // The run begins while sessions are being written: some are there, and some are not.
    while database.number("SELECT count(*) FROM sessions").await < 5 {
        tokio::task::yield_now().await;
    }
    let run = other.begin_run(month, now()).await.unwrap();
    let seen = other.sessions_of_members(&[&member], month, month).await.unwrap().len();
    let one = writing.await.unwrap();
    let marked = database.number("SELECT count(*) FROM rechecks").await;
    assert!(usize::try_from(marked).unwrap() >= 60 - seen, "{marked} marked, {seen} of 60 seen");
    assert_eq!(other.rechecks(run.recheck_until).await.unwrap(), []);
    let newer = one.begin_run(month, now()).await.unwrap();
    if is_postgres() {
        assert!(
            matches!(other.save_parts(&run, month, &[]).await, Err(StoreError::Conflict(_))),
            "another run has begun"
        );
    }
    let closed = ClosedMonth {
        month,
        closed_at: now(),
        members: 0,
        sessions: 0,
        total: juden_domain::units::Yen::from_hundredths(0),
        sha256: "x".into(),
        layout: 2,
    };
    assert!(one.complete_run(&newer, &closed).await.unwrap());
    assert!(!other.complete_run(&newer, &closed).await.unwrap());
}

#[tokio::test]
async fn text_with_nul_is_kept_without_it_and_found_all_the_same() {
    let database = Database::new().await;
    let store = database.store().await;
    store.put_station(&station("S1"), now()).await.unwrap();
    let mut row = session(1, "S1", "A\0B", None);
    row.session.start.reported = "20\0".into();
    let journal = JournalRow {
        station_id: station_id("S1"),
        session_id: Some(SessionId(1)),
        action: "Start\0".into(),
        message_id: "\0".into(),
        payload: "{\0}".into(),
        answer: "\0".into(),
        effect: "started",
        received_at: now(),
        connected_since: now(),
        clock: None,
    };
    let reading = ReadingRow {
        station_id: station_id("S1"),
        connector_id: 1,
        session_id: None,
        sampled_at: now(),
        measurand: "E\0".into(),
        phase: "\0".into(),
        location: "\0".into(),
        context: "\0".into(),
        unit: "\0".into(),
        value: "1\0".into(),
    };
    let note = StationNoteRow {
        station_id: station_id("S1"),
        at: now(),
        note: StationNote::FirmwareStatus("\0".into()),
    };
    let batch = Batch {
        sessions: vec![row],
        journal: vec![journal],
        readings: vec![reading.clone(), reading],
        notes: vec![note],
        ..Batch::default()
    };
    commit(store.as_ref(), "run", 1, batch).await;
    let found = store
        .open_batch(&name("run", 2), &wanted("S9", IdTag::new("a\0b").matched()))
        .await
        .unwrap()
        .0;
    assert_eq!(found.rows.len(), 1);
    let kept = store.messages(SessionId(1), 10).await.unwrap();
    let nul = if is_postgres() { "{\u{FFFD}}" } else { "{\0}" };
    assert_eq!(kept[0].payload, nul);
    assert_eq!(database.number("SELECT count(*) FROM readings").await, 1);
    store.add_card(&new_card("C\0"), now()).await.unwrap();
    assert!(store.cards_by_tags(&[&IdTag::new("c\0")]).await.unwrap()[0].is_some());
    assert!(store.invoice("\0").await.unwrap().is_none());
}

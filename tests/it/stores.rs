//! The store's promises, asked of it directly, on either engine. What only a server that nodes share can break
//! is asked of that alone.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use juden::domain::card::CardEvent;
use juden::domain::ids::{CardNumber, IdTag, MemberId, SessionId, SessionRef, StationId};
use juden::domain::member::{Admission, MemberEvent, MemberKind};
use juden::domain::month::BillingMonth;
use juden::domain::payment::{PaymentKind, PaymentMethod};
use juden::domain::session::{Edge, Session};
use juden::domain::station::{Availability, Registration};
use juden::store::billing::ClosedMonth;
use juden::store::ledger::{Batch, BatchName, JournalRow, LedgerRow, NoteRow, OpenRow, ReadingRow, StationNote, Wanted};
use juden::store::nodes::{Changed, Joined, NewNode, NodeStore};
use juden::store::{Append, Change, NewCard, NodeRun, Page, Seen, SessionFilter, StationRecord, Store, StoreError};

use crate::engine::{Database, is_postgres};

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn now() -> DateTime<Utc> {
    at("2026-11-20T00:00:00.123Z")
}

fn admission(name: &str) -> MemberEvent {
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

fn new_card(tag: &str) -> NewCard {
    NewCard { number: None, id_tag: IdTag::new(tag), code_hash: "x".into() }
}

fn station_id(text: &str) -> StationId {
    StationId::parse(text).unwrap()
}

fn station(text: &str) -> StationRecord {
    StationRecord {
        id: station_id(text),
        site: "Kobe".into(),
        password_hash: None,
        accept_hex_password: false,
        security_profile: 0,
        default_protocol: None,
        time_zone: None,
        registration: Registration::default(),
        availability: Availability::default(),
        connectors: Vec::new(),
        boot: None,
        status: None,
        error_code: None,
        last_seen_at: None,
        configuration: None,
        configuration_firmware: None,
        may_configure: false,
        connected: None,
    }
}

fn session(id: i64, station: &str, tag: &str, member: Option<MemberId>) -> LedgerRow {
    let edge = Edge { reported: "t".into(), said: Some(now()), received_at: now(), at: now(), meter: None };
    LedgerRow {
        session: Session {
            id: SessionId(id),
            reference: SessionRef::parse(&format!("S-{id:09}")).unwrap(),
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
        },
        start_key: format!("key{id}"),
        start_ordinal: 0,
        start_answer: "{}".into(),
        stop_key: None,
        stop_answer: None,
        repeats: 0,
    }
}

fn name(run: &str, number: i64) -> BatchName {
    BatchName { node: NodeRun(run.into()), number }
}

fn wanted(station: &str, tag: &str) -> Wanted {
    Wanted { stations: vec![station_id(station)], tags: vec![tag.into()], ..Wanted::default() }
}

async fn commit(store: &dyn Store, run: &str, number: i64, batch: Batch) {
    store.open_batch(&name(run, number), &Wanted::default()).await.unwrap().1.commit(&batch).await.unwrap();
}

#[tokio::test]
async fn numbers_have_no_gaps_and_names_are_taken_once() {
    let database = Database::new().await;
    let store = database.store().await;
    let mut adding = tokio::task::JoinSet::new();
    for n in 0..20 {
        let store = store.clone();
        adding.spawn(async move {
            let member = store.add_member(&admission(&format!("Member {n}")), now()).await.unwrap();
            (member, store.add_card(&new_card(&format!("tag{n}")), now()).await.unwrap())
        });
    }
    let mut added = adding.join_all().await;
    added.sort();
    let members: Vec<&str> = added.iter().map(|(member, _)| member.as_str()).collect();
    assert_eq!((members[0], members[19]), ("M-000001", "M-000020"));
    let listed = store.members(&Page { after: Some("M-000005".into()), limit: 3 }).await.unwrap();
    assert_eq!(listed.iter().map(|member| member.id.as_str()).collect::<Vec<_>>(), ["M-000006", "M-000007", "M-000008"]);
    let cards: std::collections::BTreeSet<&str> = added.iter().map(|(_, card)| card.as_str()).collect();
    assert_eq!((cards.len(), *cards.last().unwrap()), (20, "C-00000020"));
    assert!(matches!(store.add_card(&new_card("TAG3"), now()).await, Err(StoreError::Conflict("id_tag"))));
    let taken = NewCard { number: Some(CardNumber::parse("C-00000001").unwrap()), ..new_card("other") };
    assert!(matches!(store.add_card(&taken, now()).await, Err(StoreError::Conflict("card_number"))));
}

#[tokio::test]
async fn of_changes_that_rest_on_the_same_state_one_is_made() {
    let database = Database::new().await;
    let (one, other) = (database.store().await, database.store().await);
    let member = one.add_member(&admission("Aoki"), now()).await.unwrap();
    let card = one.add_card(&new_card("tag"), now()).await.unwrap();
    let file = one.card(&card).await.unwrap().unwrap().file;
    let owner = one.member(&member).await.unwrap().unwrap();
    let seen = Seen::of(&[&file], Some(&owner));
    let role = juden::domain::card::Role::Primary;
    let events = [Append::Card(card.clone(), CardEvent::Activated { member: member.clone(), role, replaces: None })];
    let change = Change { events: &events, at: now(), seen: &seen, recheck: None, looks: &[(card.clone(), now())] };
    let (first, second) = tokio::join!(one.append(&change), other.append(&change));
    let (done, refused) = if first.is_ok() { (first, second) } else { (second, first) };
    assert!(done.is_ok());
    assert!(matches!(refused, Err(StoreError::Conflict(_))), "{refused:?}");
    let file = other.card_by_tag(&IdTag::new("TAG")).await.unwrap().unwrap();
    assert_eq!((file.card.events.len(), file.member.unwrap().cards.len()), (1, 1));
    assert_eq!(one.history(&member).await.unwrap().len(), 2);
    assert_eq!(one.due_looks(now(), 10).await.unwrap(), [card]);
}

/// Starts a session at a station unless one of the card runs already; whether it was started.
async fn start_once(store: Arc<dyn Store>, run: &str, id: i64, place: &str, tag: &str) -> bool {
    loop {
        let (facts, batch) = store.open_batch(&name(run, id), &wanted(place, tag)).await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
        if !facts.rows.is_empty() {
            return false;
        }
        let batch_of = Batch { sessions: vec![session(id, place, tag, None)], ..Batch::default() };
        match batch.commit(&batch_of).await {
            Ok(()) => return true,
            Err(cause) => assert!(cause.is_transient(), "{cause}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_that_decide_on_one_station_or_one_card_do_so_one_after_the_other() {
    if !is_postgres() {
        return;
    }
    let database = Database::new().await;
    let (one, other) = (database.store().await, database.store().await);
    for round in 0..15 {
        let (tag, first, second) = (format!("TAG{round}"), format!("A{round}"), format!("B{round}"));
        let (same, elsewhere) = (2 * round + 1, 2 * round + 2);
        let place = if round % 2 == 0 { &first } else { &second };
        let started =
            tokio::join!(start_once(one.clone(), "one", same, &first, &tag), start_once(other.clone(), "other", elsewhere, place, &tag));
        assert!(started.0 ^ started.1, "round {round}: {started:?}");
    }
    assert_eq!(one.sessions(&SessionFilter::default(), &Page { after: None, limit: 100 }).await.unwrap().len(), 15);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_that_want_the_same_in_any_order_never_wait_for_each_other() {
    let database = Database::new().await;
    let (one, other) = (database.store().await, database.store().await);
    let work = async |store: Arc<dyn Store>, run: &str, turned: bool| {
        for number in 1..=60 {
            let mut ids: Vec<i64> = (0..20).map(|n| (n * 7 + number) % 23).collect();
            if turned {
                ids.reverse();
            }
            let wanted = Wanted {
                stations: ids.iter().map(|n| station_id(&format!("S{n}"))).collect(),
                tags: ids.iter().map(|n| format!("T{n}")).collect(),
                ..Wanted::default()
            };
            store.open_batch(&name(run, number), &wanted).await.unwrap().1.commit(&Batch::default()).await.unwrap();
        }
    };
    tokio::join!(work(one, "one", false), work(other, "other", true));
}

#[tokio::test]
async fn a_node_learns_whether_its_batch_was_committed() {
    if !is_postgres() {
        return;
    }
    let database = Database::new().await;
    let store = database.store().await;
    let batch = || Batch { sessions: vec![session(1, "S1", "T", None)], ..Batch::default() };
    commit(store.as_ref(), "run", 7, batch()).await;
    let (_, dropped) = store.open_batch(&name("run", 8), &wanted("S1", "T")).await.unwrap();
    assert!(store.is_committed(&name("run", 7)).await.unwrap());
    assert!(!store.is_committed(&name("run", 8)).await.unwrap());
    drop(dropped);
    assert!(!store.is_committed(&name("other", 1)).await.unwrap());
    let (facts, _) = store.open_batch(&name("run", 8), &wanted("S1", "T")).await.unwrap();
    assert_eq!(facts.rows.len(), 1, "what was dropped holds nothing");
}

#[tokio::test]
async fn facts_find_sessions_by_every_key() {
    let database = Database::new().await;
    let store = database.store().await;
    store.put_station(&station("S1")).await.unwrap();
    let rows = vec![session(1, "S1", "T1", None), session(2, "S2", "T2", None), session(3, "S3", "T3", None), session(4, "S4", "T4", None)];
    commit(store.as_ref(), "run", 1, Batch { sessions: rows.clone(), ..Batch::default() }).await;
    let wanted = Wanted {
        start_keys: vec![(station_id("S1"), "key1".into())],
        sessions: vec![2, 99],
        tags: vec!["T3".into()],
        connectors: vec![(station_id("S4"), 1, now())],
        stations: vec![station_id("S1")],
        ..Wanted::default()
    };
    let (facts, _) = store.open_batch(&name("run", 2), &wanted).await.unwrap();
    assert_eq!(facts.rows, rows);
    assert_eq!(facts.holds.iter().map(|hold| (hold.station_id.as_str(), hold.fence)).collect::<Vec<_>>(), [("S1", 0)]);
}

#[tokio::test]
async fn notes_of_one_batch_leave_the_last_word() {
    let database = Database::new().await;
    let store = database.store().await;
    store.put_station(&station("S1")).await.unwrap();
    let open =
        |fence, node: &str| OpenRow { station_id: station_id("S1"), node: NodeRun(node.into()), protocol: "ocpp1.6", since: now(), fence };
    let note = |seconds, note| NoteRow { station_id: station_id("S1"), at: now() + TimeDelta::seconds(seconds), note };
    let notes =
        vec![note(1, StationNote::FirmwareStatus("Downloading".into())), note(2, StationNote::Closed(1)), note(3, StationNote::Seen)];
    commit(store.as_ref(), "run", 1, Batch { opened: vec![open(1, "a"), open(2, "b")], notes, ..Batch::default() }).await;
    let kept = store.station(&station_id("S1")).await.unwrap().unwrap();
    assert_eq!(kept.connected.unwrap().node, NodeRun("b".into()), "the older connection's end says nothing of the newer one");
    assert_eq!(kept.last_seen_at, Some(now() + TimeDelta::seconds(3)));
    let late = Batch { opened: vec![open(2, "c"), open(1, "d")], ..Batch::default() };
    commit(store.as_ref(), "run", 2, late).await;
    assert_eq!(store.station(&station_id("S1")).await.unwrap().unwrap().connected.unwrap().node, NodeRun("b".into()));
    commit(store.as_ref(), "run", 3, Batch { notes: vec![note(9, StationNote::Closed(2))], ..Batch::default() }).await;
    let kept = store.station(&station_id("S1")).await.unwrap().unwrap();
    assert_eq!((kept.connected, kept.last_seen_at), (None, Some(now() + TimeDelta::seconds(9))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_written_while_a_run_begins_is_billed_by_it_or_marked() {
    let database = Database::new().await;
    let (one, other) = (database.store().await, database.store().await);
    let member = one.add_member(&admission("Aoki"), now()).await.unwrap();
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
    tokio::time::sleep(Duration::from_millis(30)).await;
    let run = other.begin_run(month, now()).await.unwrap();
    let seen = other.sessions_of_members(&[&member], month, month).await.unwrap().len();
    let one = writing.await.unwrap();
    let marked = database.number("SELECT count(*) FROM rechecks").await;
    assert!(usize::try_from(marked).unwrap() >= 60 - seen, "{marked} marked, {seen} of 60 seen");
    assert_eq!(other.rechecks(run.recheck_until).await.unwrap(), []);
    let newer = one.begin_run(month, now()).await.unwrap();
    if is_postgres() {
        assert!(matches!(other.save_parts(&run, month, &[]).await, Err(StoreError::Conflict(_))), "another run has begun");
    }
    let closed = ClosedMonth {
        month,
        closed_at: now(),
        members: 0,
        sessions: 0,
        total: juden::domain::units::Yen::from_hundredths(0),
        sha256: "x".into(),
    };
    assert!(one.complete_run(&newer, &closed).await.unwrap());
    assert!(!other.complete_run(&newer, &closed).await.unwrap());
}

#[tokio::test]
async fn text_with_nul_is_kept_without_it_and_found_all_the_same() {
    let database = Database::new().await;
    let store = database.store().await;
    store.put_station(&station("S1")).await.unwrap();
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
    let note = NoteRow { station_id: station_id("S1"), at: now(), note: StationNote::FirmwareStatus("\0".into()) };
    let batch =
        Batch { sessions: vec![row], journal: vec![journal], readings: vec![reading.clone(), reading], notes: vec![note], opened: vec![] };
    commit(store.as_ref(), "run", 1, batch).await;
    let found = store.open_batch(&name("run", 2), &wanted("S9", IdTag::new("a\0b").matched())).await.unwrap().0;
    assert_eq!(found.rows.len(), 1);
    let kept = store.messages(SessionId(1), 10).await.unwrap();
    let nul = if is_postgres() { "{\u{FFFD}}" } else { "{\0}" };
    assert_eq!(kept[0].payload, nul);
    assert_eq!(database.number("SELECT count(*) FROM readings").await, 1);
    store.add_card(&new_card("C\0"), now()).await.unwrap();
    assert!(store.card_by_tag(&IdTag::new("c\0")).await.unwrap().is_some());
    assert!(store.invoice("\0").await.unwrap().is_none());
}

#[tokio::test]
async fn what_is_old_is_forgotten_and_what_is_not_stays() {
    let database = Database::new().await;
    let (store, other) = (database.store().await, database.store().await);
    store.make_room(at("2026-08-10T00:00:00Z")).await.unwrap();
    let (made, same) = tokio::join!(store.make_room(at("2026-09-15T00:00:00Z")), other.make_room(at("2026-09-15T00:00:00Z")));
    made.and(same).unwrap();
    let row = |received_at| JournalRow {
        station_id: station_id("S1"),
        session_id: None,
        action: "x".into(),
        message_id: "x".into(),
        payload: "x".into(),
        answer: "x".into(),
        effect: "x",
        received_at,
        connected_since: received_at,
    };
    let instants =
        ["2020-01-01T00:00:00Z", "2026-08-31T14:59:59Z", "2026-09-30T14:59:59.999Z", "2026-09-30T15:00:00Z", "2026-10-01T00:00:00Z"];
    let journal: Vec<JournalRow> = instants.into_iter().map(|instant| row(at(instant))).collect();
    commit(store.as_ref(), "run", 1, Batch { journal, ..Batch::default() }).await;
    // The default part holds rows of this month: there is nothing to be made, and no error.
    commit(store.as_ref(), "run", 2, Batch { journal: vec![row(at("2027-03-10T00:00:00Z"))], ..Batch::default() }).await;
    store.make_room(at("2027-01-10T00:00:00Z")).await.unwrap();
    assert_eq!(store.forget_before(BillingMonth::parse("2026-10").unwrap()).await.unwrap(), 3);
    let left: Vec<DateTime<Utc>> = store.journal(0, 10).await.unwrap().iter().map(|entry| entry.received_at).collect();
    assert_eq!(left, [at("2026-09-30T15:00:00Z"), at("2026-10-01T00:00:00Z"), at("2027-03-10T00:00:00Z")]);
    assert_eq!(store.forget_before(BillingMonth::parse("2026-10").unwrap()).await.unwrap(), 0);
}

#[tokio::test]
async fn a_newer_schema_is_worked_with_where_it_says_so() {
    let database = Database::new().await;
    database.opened().await.close().await;
    database
        .run(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (90, 'wider', true, '', 0);
             INSERT INTO schema_readable (version, readable_from) VALUES (90, 3)",
        )
        .await;
    database.opened().await.check_schema(&database.url()).await.unwrap();
    database.run("UPDATE schema_readable SET readable_from = 89 WHERE version = 90").await;
    let opened = juden::store::open::open(&database.url()).await.unwrap();
    for refused in [opened.migrate(&database.url()).await, opened.check_schema(&database.url()).await] {
        let told = refused.unwrap_err().to_string();
        assert!(told.contains("is at 90 and needs a juden that knows schema 89 or later; this one knows 3"), "{told}");
    }
}

/// Two nodes' stores on one server; `None` where nodes cannot share one.
async fn shared(database: &Database) -> Option<[Arc<dyn NodeStore>; 2]> {
    Some([database.opened().await.nodes()?, database.opened().await.nodes()?])
}

fn node(name: &str, is_linked: bool) -> NewNode {
    NewNode { name: name.into(), run: NodeRun(format!("run of {name}")), is_linked }
}

#[tokio::test]
async fn nodes_join_show_that_they_live_and_are_forgotten() {
    let database = Database::new().await;
    let Some([one, other]) = shared(&database).await else { return };
    let (a, b) = (node("a", true), node("b", true));
    assert_eq!(one.join(&a, 5_000).await.unwrap(), Joined::At(0));
    assert_eq!(other.join(&node("c", false), 5_000).await.unwrap(), Joined::NotLinked("a".into()));
    let same = NewNode { run: NodeRun("another run".into()), ..a.clone() };
    assert!(matches!(other.join(&same, 5_000).await.unwrap(), Joined::NameTaken(_)));
    assert_eq!(other.join(&b, 5_000).await.unwrap(), Joined::At(0));
    let clock = now() + TimeDelta::days(1);
    one.pulse(&a, 0, 0, clock, 60_000).await.unwrap();
    let heard = other.pulse(&b, 0, 0, now(), 60_000).await.unwrap();
    assert_eq!(heard.furthest_clock, clock);
    assert_eq!(heard.nodes.iter().map(|node| node.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    tokio::time::sleep(Duration::from_millis(120)).await;
    let alone = other.pulse(&b, 0, 0, now(), 100).await.unwrap();
    assert_eq!(alone.nodes.iter().map(|node| node.name.as_str()).collect::<Vec<_>>(), ["b"], "the silent one is forgotten");
    assert_eq!(one.pulse(&a, 0, 0, clock, 60_000).await.unwrap().nodes.len(), 2, "and is back when it is heard again");
    assert!(matches!(other.join(&same, -1).await.unwrap(), Joined::At(0)), "a silent node's name is free");
    one.leave(&b.run).await.unwrap();
    assert_eq!(one.nodes().await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_are_heard_by_all_in_the_order_of_their_commits_and_none_is_passed_over() {
    let database = Database::new().await;
    let Some([one, other]) = shared(&database).await else { return };
    let store = database.store().await;
    let mut writing = tokio::task::JoinSet::new();
    for n in 0..30 {
        let store = if n % 2 == 0 { store.clone() } else { database.store().await };
        writing.spawn(async move { store.add_card(&new_card(&format!("T{n}")), now()).await.unwrap() });
    }
    let (me, mut applied, mut heard) = (node("a", true), 0, Vec::new());
    other.join(&me, 5_000).await.unwrap();
    while heard.len() < 30 {
        let pulse = other.pulse(&me, applied, applied, now(), 60_000).await.unwrap();
        assert!(!pulse.missed);
        assert_eq!(pulse.last - applied, i64::try_from(pulse.changes.len()).unwrap());
        heard.extend(pulse.changes);
        applied = pulse.last;
    }
    writing.join_all().await;
    let cards: Vec<String> =
        heard.iter().map(|change| if let Changed::Card(tag) = change { tag.clone() } else { panic!("{change:?}") }).collect();
    let mut expected: Vec<String> = (0..30).map(|n| format!("T{n}")).collect();
    let mut sorted = cards.clone();
    expected.sort();
    sorted.sort();
    assert_eq!(sorted, expected);
    store.put_station(&station("S1")).await.unwrap();
    let pulse = one.pulse(&me, applied, applied, now() - TimeDelta::days(1), 60_000).await.unwrap();
    assert_eq!(pulse.changes, [Changed::Station(station_id("S1"))]);
    let again = one.pulse(&me, 0, applied, now() - TimeDelta::days(1), 60_000).await.unwrap();
    assert_eq!((again.changes.len(), again.furthest_clock), (31, now()), "who made a change had come so far");
    assert_eq!(one.last_change().await.unwrap(), applied + 1);
    database.run("DELETE FROM changes WHERE seq < (SELECT max(seq) FROM changes)").await;
    assert!(!one.pulse(&me, applied, applied, now(), 60_000).await.unwrap().missed, "it had heard of all that are gone");
    for behind in [applied - 1, applied + 9] {
        assert!(one.pulse(&me, behind, behind, now(), 60_000).await.unwrap().missed, "{behind}");
    }
}

#[tokio::test]
async fn a_members_change_names_all_of_its_cards() {
    let database = Database::new().await;
    let Some([one, _]) = shared(&database).await else { return };
    let store = database.store().await;
    let member = store.add_member(&admission("Aoki"), now()).await.unwrap();
    let role = juden::domain::card::Role::Primary;
    let mut cards = Vec::new();
    for tag in ["T1", "T2"] {
        let card = store.add_card(&new_card(tag), now()).await.unwrap();
        let owner = store.member(&member).await.unwrap().unwrap();
        let events = [Append::Card(card.clone(), CardEvent::Activated { member: member.clone(), role, replaces: None })];
        let change = Change { events: &events, at: now(), seen: &Seen::of(&[], Some(&owner)), recheck: None, looks: &[] };
        store.append(&change).await.unwrap();
        cards.push(card);
    }
    let before = one.last_change().await.unwrap();
    let file = store.card(&cards[0]).await.unwrap().unwrap().file;
    let events = [Append::Card(cards[0].clone(), CardEvent::Deactivated)];
    store.append(&Change { events: &events, at: now(), seen: &Seen::of(&[&file], None), recheck: None, looks: &[] }).await.unwrap();
    let me = node("a", true);
    one.join(&me, 5_000).await.unwrap();
    let heard = one.pulse(&me, before, before, now(), 60_000).await.unwrap().changes;
    assert_eq!(heard, [Changed::Card("T1".into()), Changed::Card("T2".into())]);
}

#[tokio::test]
async fn a_turn_is_one_nodes_until_it_ends_or_its_connection_does() {
    if !is_postgres() {
        return;
    }
    let database = Database::new().await;
    let (one, other) = (database.store().await, database.store().await);
    let held = one.turn("closing").await.unwrap();
    assert!(other.try_turn("closing").await.unwrap().is_none());
    assert!(other.try_turn("another").await.unwrap().is_some());
    drop(held);
    let turn = tokio::time::timeout(Duration::from_secs(5), other.turn("closing")).await.unwrap().unwrap();
    assert!(one.try_turn("closing").await.unwrap().is_none());
    let killed = database
        .number("SELECT count(pg_terminate_backend(pid)) FROM pg_locks WHERE locktype = 'advisory' AND granted AND pid <> pg_backend_pid() AND database = (SELECT oid FROM pg_database WHERE datname = current_database())")
        .await;
    assert!(killed >= 1);
    tokio::time::timeout(Duration::from_secs(5), one.turn("closing")).await.unwrap().unwrap();
    drop(turn);
}

#[tokio::test]
async fn a_store_that_takes_no_writes_says_so() {
    let database = Database::new().await;
    let store = database.store().await;
    store.ping().await.unwrap();
    if !is_postgres() {
        return;
    }
    database.run("DO $$ BEGIN EXECUTE 'ALTER DATABASE ' || current_database() || ' SET default_transaction_read_only = on'; END $$").await;
    let told = juden::store::open::open(&database.url()).await.unwrap_err().to_string();
    assert!(told.contains("takes no writes"), "{told}");
    // What is open already learns of it with its next connection.
    database
        .run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
        .await;
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let cause = store.ping().await.unwrap_err();
    assert!(cause.is_transient() && cause.to_string().contains("takes no writes"), "{cause}");
}

#[tokio::test]
async fn what_stands_in_the_way_of_a_server_is_told_in_a_line_without_the_password() {
    if !is_postgres() {
        return;
    }
    for (url, why) in [
        ("postgres://juden:secret@127.0.0.1:1/juden", "cannot reach the database server of postgres://juden@127.0.0.1:1/juden"),
        ("postgres://juden:secret@no-such-host.invalid/juden", "cannot reach the database server"),
    ] {
        let told = juden::store::open::open(url).await.unwrap_err().to_string();
        assert!(told.contains(why) && !told.contains("secret") && told.lines().count() == 1, "{told}");
    }
    let database = Database::new().await;
    let missing = database.url().replace("juden_test_", "juden_none_");
    let told = juden::store::open::open(&missing).await.unwrap_err().to_string();
    assert!(told.contains("there is no database"), "{told}");
}

//! What nodes that share a store promise each other. What only a server can break is asked of that alone.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use juden_domain::card::CardEvent;
use juden_store::ledger::{Batch, Wanted};
use juden_store::nodes::{ChangedItem, Joined, NewNode, NodeStore};
use juden_store::{Append, Change, NodeRun, Page, Seen, SessionFilter, Store};

use crate::engine::{Database, is_postgres};
use crate::stores::{admission, commit, name, new_card, now, session, station, station_id, wanted};

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
async fn on_postgresql_two_nodes_that_decide_on_one_station_or_one_card_do_so_one_after_the_other()
{
    if !is_postgres() {
        return;
    }
    let database = Database::new().await;
    let (one, other) = (database.store().await, database.store().await);
    for round in 0..15 {
        let (tag, first, second) =
            (format!("TAG{round}"), format!("A{round}"), format!("B{round}"));
        let (same, elsewhere) = (2 * round + 1, 2 * round + 2);
        let place = if round % 2 == 0 { &first } else { &second };
        let started = tokio::join!(
            start_once(one.clone(), "one", same, &first, &tag),
            start_once(other.clone(), "other", elsewhere, place, &tag)
        );
        assert!(started.0 ^ started.1, "round {round}: {started:?}");
    }
    assert_eq!(
        one.sessions(&SessionFilter::default(), &Page { after: None, limit: 100 })
            .await
            .unwrap()
            .len(),
        15
    );
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
                open_at: ids.iter().map(|n| (station_id(&format!("S{n}")), 1)).collect(),
                tags: ids.iter().map(|n| format!("T{n}")).collect(),
                ..Wanted::default()
            };
            store
                .open_batch(&name(run, number), &wanted)
                .await
                .unwrap()
                .1
                .commit(&Batch::default())
                .await
                .unwrap();
        }
    };
    tokio::join!(work(one, "one", false), work(other, "other", true));
}

#[tokio::test]
async fn on_postgresql_a_node_learns_whether_its_batch_was_committed() {
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
    assert_eq!(
        alone.nodes.iter().map(|node| node.name.as_str()).collect::<Vec<_>>(),
        ["b"],
        "the silent one is forgotten"
    );
    assert_eq!(
        one.pulse(&a, 0, 0, clock, 60_000).await.unwrap().nodes.len(),
        2,
        "and is back when it is heard again"
    );
    assert!(
        matches!(other.join(&same, -1).await.unwrap(), Joined::At(0)),
        "a silent node's name is free"
    );
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
        writing.spawn(
            async move { store.add_card(&new_card(&format!("T{n}")), now()).await.unwrap() },
        );
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
        heard
            .iter()
            .map(|change| {
                if let ChangedItem::Card(tag) = change { tag.clone() } else { panic!("{change:?}") }
            })
            .collect();
    let mut expected: Vec<String> = (0..30).map(|n| format!("T{n}")).collect();
    let mut sorted = cards.clone();
    expected.sort();
    sorted.sort();
    assert_eq!(sorted, expected);
    store.put_station(&station("S1"), now()).await.unwrap();
    let pulse = one.pulse(&me, applied, applied, now() - TimeDelta::days(1), 60_000).await.unwrap();
    assert_eq!(pulse.changes, [ChangedItem::Station(station_id("S1"))]);
    let again = one.pulse(&me, 0, applied, now() - TimeDelta::days(1), 60_000).await.unwrap();
    assert_eq!(
        (again.changes.len(), again.furthest_clock),
        (31, now()),
        "who made a change had come so far"
    );
    assert_eq!(one.last_change().await.unwrap(), applied + 1);
    database.run("DELETE FROM changes WHERE seq < (SELECT max(seq) FROM changes)").await;
    assert!(
        !one.pulse(&me, applied, applied, now(), 60_000).await.unwrap().missed,
        "it had heard of all that are gone"
    );
    for behind in [applied - 1, applied + 9] {
        assert!(one.pulse(&me, behind, behind, now(), 60_000).await.unwrap().missed, "{behind}");
    }
}

#[tokio::test]
async fn a_members_change_names_all_of_its_cards() {
    let database = Database::new().await;
    let Some([one, _]) = shared(&database).await else { return };
    let store = database.store().await;
    let member = store.add_member(&admission("Aoki"), now(), None).await.unwrap();
    let role = juden_domain::card::Role::Primary;
    let mut cards = Vec::new();
    for tag in ["T1", "T2"] {
        let card = store.add_card(&new_card(tag), now()).await.unwrap();
        let owner = store.member(&member).await.unwrap().unwrap();
        let events = [Append::Card(
            card.clone(),
            CardEvent::Activated { member: member.clone(), role, replaces: None },
        )];
        let change = Change {
            events: &events,
            at: now(),
            seen: &Seen::of(&[], Some(&owner)),
            recheck: None,
            looks: &[],
            once: None,
        };
        store.append(&change).await.unwrap();
        cards.push(card);
    }
    let before = one.last_change().await.unwrap();
    let file = store.card(&cards[0]).await.unwrap().unwrap().file;
    let events = [Append::Card(cards[0].clone(), CardEvent::Deactivated)];
    store
        .append(&Change {
            events: &events,
            at: now(),
            seen: &Seen::of(&[&file], None),
            recheck: None,
            looks: &[],
            once: None,
        })
        .await
        .unwrap();
    let me = node("a", true);
    one.join(&me, 5_000).await.unwrap();
    let heard = one.pulse(&me, before, before, now(), 60_000).await.unwrap().changes;
    assert_eq!(heard, [ChangedItem::Card("T1".into()), ChangedItem::Card("T2".into())]);
}

#[tokio::test]
async fn on_postgresql_a_turn_is_one_nodes_until_it_ends_or_its_connection_does() {
    if !is_postgres() {
        return;
    }
    let database = Database::new().await;
    let (one, other) = (database.store().await, database.store().await);
    let held = one.turns(&["closing"]).await.unwrap();
    assert!(other.try_turn("closing").await.unwrap().is_none());
    assert!(other.try_turn("another").await.unwrap().is_some());
    drop(held);
    let turn = tokio::time::timeout(Duration::from_secs(5), other.turns(&["closing"]))
        .await
        .unwrap()
        .unwrap();
    assert!(one.try_turn("closing").await.unwrap().is_none());
    let killed = database
        .number("SELECT count(pg_terminate_backend(pid)) FROM pg_locks WHERE locktype = 'advisory' AND granted AND pid <> pg_backend_pid() AND database = (SELECT oid FROM pg_database WHERE datname = current_database())")
        .await;
    assert!(killed >= 1);
    tokio::time::timeout(Duration::from_secs(5), one.turns(&["closing"])).await.unwrap().unwrap();
    drop(turn);
}

#[tokio::test]
async fn on_postgresql_a_row_that_meets_a_part_of_its_table_while_that_is_made_is_tried_again() {
    if !is_postgres() {
        return;
    }
    let database = Database::new().await;
    let store = database.store().await;
    store.make_room(now()).await.unwrap();
    let pool = sqlx::PgPool::connect(database.url().split('?').next().unwrap()).await.unwrap();
    let columns = "station_id, connector_id, session_id, sampled_at, measurand, phase, location, context, unit, value";
    let row = |table: &str, value: &str| {
        format!(
            "INSERT INTO {table} ({columns}) VALUES ('CP1', 1, 1, '{}', 'x', '', '', '', '', {value})",
            now().to_rfc3339()
        )
    };
    let refused = async |statement: String| {
        let failed =
            sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&pool).await.unwrap_err();
        juden_store::StoreError::from(failed)
    };
    let met = refused(row("readings_default", "'1'")).await;
    assert!(met.is_transient() && met.to_string().contains("partition constraint"), "{met}");
    let broken = refused(row("readings", "NULL")).await;
    assert!(!broken.is_transient(), "what is refused for good stays so: {broken}");
    pool.close().await;
}

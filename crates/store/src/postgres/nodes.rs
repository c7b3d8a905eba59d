//! Nodes that share a PostgreSQL server, and the feed of changes to items that nodes hold in
//! memory.

use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

use super::rows::{ms, text};
use super::{PostgresStore, locks, retried};
use crate::nodes::{ChangedItem, Joined, NewNode, NodeRun, NodeState, NodeStore, Pulse};
use crate::{StoreError, Stored};
use juden_domain::ids::{CardNumber, IdTag, MemberId, StationId};

/// The longest time of a pulse. After it, the pulse has failed.
const PULSE_WITHIN: Duration = Duration::from_secs(4);

/// One pulse in this many removes old changes and marks of batches.
const PRUNE_EVERY: u64 = 1_000;

/// The most changes that one pulse returns. A node that is further behind clears its memory
/// instead.
const HEARD_AT_ONCE: i64 = 10_000;

/// Adds a change with the next number. The caller holds the lock of changes.
const ADD_CHANGE: &str = "
    INSERT INTO changes (seq, at, kind, subject, clock) SELECT coalesce(max(seq), 0) + 1, clock_timestamp(), $1, $2, $3 FROM changes";

/// Adds a change for the named cards, all cards of the named members, and all cards of the members
/// that have a named card, because their files hold one another.
const ADD_CARDS: &str = "
    WITH touched AS (
        SELECT card_number, id_tag_matched FROM cards WHERE card_number = ANY($1)
        UNION SELECT card_number, id_tag_matched FROM cards WHERE member_id = ANY($2)
        UNION SELECT o.card_number, o.id_tag_matched FROM cards c JOIN cards o ON o.member_id = c.member_id WHERE c.card_number = ANY($1)),
    read AS (
        SELECT id_tag_matched AS tag FROM touched
        UNION SELECT r.id_tag_matched FROM card_readings r JOIN touched t ON t.card_number = r.card_number)
    INSERT INTO changes (seq, at, kind, subject, clock)
    SELECT (SELECT coalesce(max(seq), 0) FROM changes) + row_number() OVER (ORDER BY tag), clock_timestamp(), 'card', tag, $3 FROM read";

const NODES: &str = "
    SELECT name, run, applied, is_linked, greatest(0, floor(extract(epoch FROM clock_timestamp() - last_seen_at) * 1000))::bigint AS silent_ms
    FROM nodes ORDER BY name, run";

const PUT_NODE: &str = "
    INSERT INTO nodes (run, name, is_linked, joined_at, last_seen_at, applied, clock)
    VALUES ($1, $2, $3, clock_timestamp(), clock_timestamp(), $4, $5)";

// All parts of the statement see the state before it, so the node's own row is built from the
// parameters.
const PULSE: &str = "
    WITH mine AS (
        INSERT INTO nodes (run, name, is_linked, joined_at, last_seen_at, applied, clock)
        VALUES ($1, $2, $3, clock_timestamp(), clock_timestamp(), $4, $5)
        ON CONFLICT (run) DO UPDATE SET last_seen_at = excluded.last_seen_at, applied = excluded.applied, clock = excluded.clock),
    silent AS (
        SELECT run FROM nodes WHERE run <> $1 AND last_seen_at < clock_timestamp() - $6 * interval '1 millisecond' FOR UPDATE SKIP LOCKED),
    forgotten AS (DELETE FROM nodes WHERE run IN (SELECT run FROM silent)),
    others AS (
        SELECT run, name, applied, clock, last_seen_at,
            greatest(0, floor(extract(epoch FROM clock_timestamp() - last_seen_at) * 1000))::bigint AS silent_ms
        FROM nodes WHERE run <> $1),
    living AS (
        SELECT run, name, applied, silent_ms FROM others WHERE silent_ms <= $6
        UNION ALL SELECT $1, $2, $4, 0
        ORDER BY 2, 1),
    feed AS (SELECT coalesce(min(seq), 0) AS first, coalesce(max(seq), 0) AS last FROM changes),
    heard AS (SELECT seq, kind, subject, clock FROM changes WHERE seq > $8 ORDER BY seq LIMIT $7)
    SELECT clock_timestamp() AS now, feed.last,
        $8 > feed.last OR feed.first > $8 + 1 OR feed.last - $8 > $7 AS missed,
        greatest($5, (SELECT max(clock) FROM others WHERE silent_ms <= 5000), (SELECT max(clock) FROM changes WHERE seq > $8)) AS furthest_clock,
        ARRAY(SELECT kind FROM heard ORDER BY seq) AS kinds,
        ARRAY(SELECT subject FROM heard ORDER BY seq) AS subjects,
        ARRAY(SELECT run FROM living) AS runs,
        ARRAY(SELECT name FROM living) AS names,
        ARRAY(SELECT applied FROM living) AS applied,
        ARRAY(SELECT silent_ms FROM living) AS silent_ms
    FROM feed";

const PRUNE: &str = "
    WITH old AS (
        DELETE FROM changes WHERE at < clock_timestamp() - interval '1 hour' AND seq < (SELECT max(seq) FROM changes))
    DELETE FROM ledger_marks m WHERE at < clock_timestamp() - interval '1 day'
        AND NOT EXISTS (SELECT 1 FROM nodes n WHERE n.run = m.run)";

#[async_trait]
impl NodeStore for PostgresStore {
    async fn join(&self, node: &NewNode, silent_ms: i64) -> Stored<Joined> {
        retried!(self.try_join(node, silent_ms))
    }

    async fn pulse(
        &self,
        node: &NewNode,
        heard: i64,
        applied: i64,
        clock: DateTime<Utc>,
        forget_ms: i64,
    ) -> Stored<Pulse> {
        let row = sqlx::query(PULSE)
            .bind(&node.run.0)
            .bind(text(&node.name))
            .bind(node.is_linked)
            .bind(applied)
            .bind(ms(clock))
            .bind(forget_ms)
            .bind(HEARD_AT_ONCE)
            .bind(heard);
        let pulse =
            locks::within(PULSE_WITHIN, async { pulse(&row.fetch_one(&self.pulse).await?) })
                .await?;
        if self.pulses.fetch_add(1, Ordering::Relaxed) % PRUNE_EVERY == PRUNE_EVERY - 1 {
            locks::within(PULSE_WITHIN, async { Ok(sqlx::query(PRUNE).execute(&self.api).await?) })
                .await?;
        }
        Ok(pulse)
    }

    async fn nodes(&self) -> Stored<Vec<NodeState>> {
        sqlx::query(NODES).fetch_all(&self.api).await?.iter().map(state).collect()
    }

    async fn last_change(&self) -> Stored<i64> {
        Ok(sqlx::query_scalar("SELECT coalesce(max(seq), 0) FROM changes")
            .fetch_one(&self.api)
            .await?)
    }

    async fn leave(&self, run: &NodeRun) -> Stored<()> {
        sqlx::query("DELETE FROM nodes WHERE run = $1").bind(&run.0).execute(&self.api).await?;
        Ok(())
    }
}

impl PostgresStore {
    async fn try_join(&self, node: &NewNode, silent_ms: i64) -> Stored<Joined> {
        let mut write = self.begin().await?;
        locks::alone(&mut write, locks::CHANGES).await?;
        for row in &sqlx::query(NODES).fetch_all(&mut *write).await? {
            let known = state(row)?;
            if known.run == node.run || known.silent_ms > silent_ms {
                continue;
            }
            if known.name == node.name {
                return Ok(Joined::NameTaken(known.silent_ms));
            }
            if !(node.is_linked && row.try_get("is_linked")?) {
                return Ok(Joined::NotLinked(known.name));
            }
        }
        let last: i64 = sqlx::query_scalar("SELECT coalesce(max(seq), 0) FROM changes")
            .fetch_one(&mut *write)
            .await?;
        sqlx::query("DELETE FROM nodes WHERE name = $1 OR run = $2")
            .bind(text(&node.name))
            .bind(&node.run.0)
            .execute(&mut *write)
            .await?;
        sqlx::query(PUT_NODE)
            .bind(&node.run.0)
            .bind(text(&node.name))
            .bind(node.is_linked)
            .bind(last)
            .bind(DateTime::UNIX_EPOCH)
            .execute(&mut *write)
            .await?;
        write.commit().await?;
        Ok(Joined::At(last))
    }
}

fn state(row: &PgRow) -> Stored<NodeState> {
    Ok(NodeState {
        name: row.try_get("name")?,
        run: NodeRun(row.try_get("run")?),
        applied: row.try_get("applied")?,
        silent_ms: row.try_get("silent_ms")?,
    })
}

fn pulse(row: &PgRow) -> Stored<Pulse> {
    let (kinds, subjects): (Vec<String>, Vec<String>) =
        (row.try_get("kinds")?, row.try_get("subjects")?);
    let (runs, names): (Vec<String>, Vec<String>) = (row.try_get("runs")?, row.try_get("names")?);
    let (applied, silent): (Vec<i64>, Vec<i64>) =
        (row.try_get("applied")?, row.try_get("silent_ms")?);
    let numbers = applied.into_iter().zip(silent);
    let state = |((run, name), (applied, silent_ms)): ((String, String), (i64, i64))| NodeState {
        name,
        run: NodeRun(run),
        applied,
        silent_ms,
    };
    let missed = row.try_get("missed")?;
    Ok(Pulse {
        now: row.try_get("now")?,
        changes: if missed {
            Vec::new()
        } else {
            kinds.into_iter().zip(subjects).map(changed).collect::<Stored<_>>()?
        },
        last: row.try_get("last")?,
        missed,
        furthest_clock: row.try_get("furthest_clock")?,
        nodes: runs.into_iter().zip(names).zip(numbers).map(state).collect(),
    })
}

fn changed((kind, subject): (String, String)) -> Stored<ChangedItem> {
    match kind.as_str() {
        "card" => Ok(ChangedItem::Card(subject)),
        "station" => Ok(ChangedItem::Station(
            StationId::parse(&subject).map_err(|_| StoreError::Unreadable("station id"))?,
        )),
        "programme" => Ok(ChangedItem::Programme),
        _ => Err(StoreError::Unreadable("change")),
    }
}

/// Announces to the nodes that a station's record changed. The caller holds the lock of changes, as
/// for the functions below.
pub async fn station_changed(write: &mut PgConnection, station: &StationId) -> Stored<()> {
    sqlx::query(ADD_CHANGE)
        .bind("station")
        .bind(station.as_str())
        .bind(None::<DateTime<Utc>>)
        .execute(write)
        .await?;
    Ok(())
}

/// Announces to the nodes that the programme changed.
pub async fn programme_changed(write: &mut PgConnection, at: DateTime<Utc>) -> Stored<()> {
    sqlx::query(ADD_CHANGE).bind("programme").bind("").bind(ms(at)).execute(write).await?;
    Ok(())
}

/// Announces to the nodes that an id tag now belongs to a card.
pub async fn tag_changed(write: &mut PgConnection, tag: &IdTag, at: DateTime<Utc>) -> Stored<()> {
    sqlx::query(ADD_CHANGE)
        .bind("card")
        .bind(text(tag.matched()))
        .bind(ms(at))
        .execute(write)
        .await?;
    Ok(())
}

/// Announces to the nodes that cards changed, and all cards of members.
pub async fn cards_changed<'a>(
    write: &mut PgConnection,
    cards: impl Iterator<Item = &'a CardNumber>,
    members: impl Iterator<Item = &'a MemberId>,
    at: DateTime<Utc>,
) -> Stored<()> {
    let cards: Vec<&str> = cards.map(CardNumber::as_str).collect();
    let members: Vec<&str> = members.map(MemberId::as_str).collect();
    sqlx::query(ADD_CARDS).bind(cards).bind(members).bind(ms(at)).execute(write).await?;
    Ok(())
}

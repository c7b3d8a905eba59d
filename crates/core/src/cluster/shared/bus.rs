//! Messages between nodes over Redis streams: one that all read, and one for each run of a node. A stream,
//! unlike a subscription, loses nothing while a connection is made anew.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use redis::streams::{StreamRangeReply, StreamReadReply};
use redis::{RedisError, RedisResult};
use subtle::ConstantTimeEq;
use tokio::sync::RwLock;
use tracing::{info, warn};

use super::dial::{Conn, RedisEndpoint};
use super::messages::NodeMessage;
use juden_domain::hex;
use juden_store::NodeRun;

/// What a command may take.
const ANSWERS_WITHIN: Duration = Duration::from_millis(500);

/// How long one read waits for messages, and what it may take in all.
const READ_WAITS_MS: u64 = 500;
const READ_WITHIN: Duration = Duration::from_millis(2_000);

/// After a failed connection, none is tried for so long: who waits is told at once.
const DIAL_PAUSE: Duration = Duration::from_millis(200);

/// Messages that a stream keeps, about.
const KEPT: usize = 2_000;

/// Messages read at once.
const READ_AT_ONCE: usize = 64;

/// For how long a stream of a run that is no more stays.
const INBOX_LASTS_S: i64 = 120;

/// The names of what nodes of one store keep in Redis. The part in braces puts them into one slot of a Cluster.
#[derive(Debug, Clone)]
pub struct Keys(String);

impl Keys {
    /// The names of an installation.
    pub fn of(installation: &str) -> Self {
        Self(format!("juden:{{{installation}}}"))
    }

    /// The stream that all nodes read.
    pub fn all(&self) -> String {
        format!("{}:all", self.0)
    }

    /// The stream of one run of a node.
    pub fn inbox(&self, run: &NodeRun) -> String {
        format!("{}:to:{}", self.0, run.0)
    }

    /// Who holds a station.
    pub fn station(&self, station: &str) -> String {
        format!("{}:station:{station}", self.0)
    }

    /// A counter of failures.
    pub fn failures(&self, what: &str) -> String {
        format!("{}:failures:{what}", self.0)
    }
}

/// The way to the other nodes.
pub struct Bus {
    /// What nodes of this installation alone know: whoever else can write to Redis commands no station.
    secret: Vec<u8>,
    dial: RedisEndpoint,
    /// What is kept where.
    pub keys: Keys,
    current: RwLock<Option<Conn>>,
    failed_at: Mutex<Option<Instant>>,
    is_up: AtomicBool,
}

/// How far the streams were read.
pub struct StreamCursor {
    all: String,
    inbox: String,
}

impl Bus {
    /// A way that is not tried yet.
    pub fn new(dial: RedisEndpoint, keys: Keys, secret: &str) -> Self {
        Self {
            secret: secret.as_bytes().to_vec(),
            dial,
            keys,
            current: RwLock::new(None),
            failed_at: Mutex::new(None),
            is_up: AtomicBool::new(false),
        }
    }

    /// Whether the last read came through.
    pub fn is_up(&self) -> bool {
        self.is_up.load(Ordering::Relaxed)
    }

    /// Keeps whether it came through, and tells of a change.
    pub fn came_through(&self, result: Result<(), &RedisError>) {
        let was_up = self.is_up.swap(result.is_ok(), Ordering::Relaxed);
        metrics::gauge!("juden_redis_up").set(if result.is_ok() { 1.0 } else { 0.0 });
        match result {
            Ok(()) if !was_up => info!("redis answers: nodes hear each other at once"),
            Err(cause) if was_up => {
                warn!(%cause, "redis does not answer: cards are judged from the store, stations of other nodes get no commands");
            }
            _ => {}
        }
    }

    /// A connection for commands.
    pub async fn conn(&self) -> RedisResult<Conn> {
        if let Some(conn) = self.current.read().await.as_ref() {
            return Ok(conn.clone());
        }
        let mut current = self.current.write().await;
        if let Some(conn) = current.as_ref() {
            return Ok(conn.clone());
        }
        let paused = self.last_failure().is_some_and(|at| at.elapsed() < DIAL_PAUSE);
        if paused {
            return Err(std::io::Error::from(std::io::ErrorKind::NotConnected).into());
        }
        match self.dial.connect(ANSWERS_WITHIN).await {
            Ok(conn) => Ok(current.insert(conn).clone()),
            Err(cause) => {
                *self.failed_at.lock().unwrap_or_else(std::sync::PoisonError::into_inner) =
                    Some(Instant::now());
                Err(cause)
            }
        }
    }

    fn last_failure(&self) -> Option<Instant> {
        *self.failed_at.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Gives a result on; after a fault the next command has a new connection.
    pub async fn checked<T>(&self, result: RedisResult<T>) -> RedisResult<T> {
        if result.is_err() {
            *self.current.write().await = None;
        }
        result
    }

    /// What shows that a message was written by a node of this installation, for this stream.
    fn seal(&self, stream: &str, text: &str) -> String {
        hex::keyed_sha256(&self.secret, &[b"bus|", stream.as_bytes(), b"|", text.as_bytes()])
    }

    async fn add(
        &self,
        stream: String,
        message: &NodeMessage,
        lasts_s: Option<i64>,
    ) -> RedisResult<()> {
        let text = serde_json::to_string(message)
            .map_err(|cause| std::io::Error::other(cause.to_string()))?;
        let mut conn = self.conn().await?;
        let mut pipe = redis::pipe();
        let seal = self.seal(&stream, &text);
        pipe.cmd("XADD")
            .arg(&stream)
            .arg("MAXLEN")
            .arg("~")
            .arg(KEPT)
            .arg("*")
            .arg("m")
            .arg(text)
            .arg("s")
            .arg(seal)
            .ignore();
        if let Some(lasts_s) = lasts_s {
            pipe.cmd("EXPIRE").arg(&stream).arg(lasts_s).ignore();
        }
        let sent = pipe.query_async::<()>(&mut conn).await;
        self.checked(sent).await
    }

    /// Whether Redis answers, and takes writes.
    pub async fn try_out(&self) -> RedisResult<()> {
        let mut conn = self.conn().await?;
        redis::cmd("SET")
            .arg(self.keys.failures("tried"))
            .arg(1)
            .arg("PX")
            .arg(1_000)
            .query_async(&mut conn)
            .await
    }

    /// Tells all nodes, this one too.
    pub async fn send_all(&self, message: &NodeMessage) -> RedisResult<()> {
        self.add(self.keys.all(), message, None).await
    }

    /// Tells one run of a node.
    pub async fn send_to(&self, run: &NodeRun, message: &NodeMessage) -> RedisResult<()> {
        self.add(self.keys.inbox(run), message, Some(INBOX_LASTS_S)).await
    }

    /// A connection that reads, from the streams' ends or from where an earlier one stopped.
    pub async fn begin_reading(
        &self,
        run: &NodeRun,
        place: &mut Option<StreamCursor>,
    ) -> RedisResult<Conn> {
        let mut conn = self.dial.connect(READ_WITHIN).await?;
        let all = last_id(&mut conn, &self.keys.all()).await?;
        let inbox = last_id(&mut conn, &self.keys.inbox(run)).await?;
        // Streams that are behind what was read are others: Redis was emptied, or an older copy took over.
        let place =
            place.get_or_insert_with(|| StreamCursor { all: all.clone(), inbox: "0-0".into() });
        if number(&all) < number(&place.all) {
            place.all = all;
        }
        if number(&inbox) < number(&place.inbox) {
            place.inbox = inbox;
        }
        Ok(conn)
    }

    /// Reads what came, waiting a moment for the first.
    pub async fn read(
        &self,
        conn: &mut Conn,
        run: &NodeRun,
        place: &mut StreamCursor,
    ) -> RedisResult<Vec<NodeMessage>> {
        let (all, inbox) = (self.keys.all(), self.keys.inbox(run));
        let reply: Option<StreamReadReply> = redis::cmd("XREAD")
            .arg("COUNT")
            .arg(READ_AT_ONCE)
            .arg("BLOCK")
            .arg(READ_WAITS_MS)
            .arg("STREAMS")
            .arg(&all)
            .arg(&inbox)
            .arg(&place.all)
            .arg(&place.inbox)
            .query_async(conn)
            .await?;
        let mut messages = Vec::new();
        for stream in reply.map(|reply| reply.keys).unwrap_or_default() {
            let Some(last) = stream.ids.last() else { continue };
            if stream.key == all {
                place.all.clone_from(&last.id);
            } else {
                place.inbox.clone_from(&last.id);
                // Commands may carry secrets: what is read does not stay.
                let _: () = redis::cmd("XTRIM")
                    .arg(&inbox)
                    .arg("MINID")
                    .arg(after(&last.id))
                    .query_async(conn)
                    .await
                    .unwrap_or(());
            }
            for entry in &stream.ids {
                let (Some(text), Some(seal)) = (entry.get::<String>("m"), entry.get::<String>("s"))
                else {
                    metrics::counter!("juden_bus_forged_total").increment(1);
                    continue;
                };
                let is_ours: bool =
                    self.seal(&stream.key, &text).as_bytes().ct_eq(seal.as_bytes()).into();
                if !is_ours {
                    metrics::counter!("juden_bus_forged_total").increment(1);
                    continue;
                }
                match serde_json::from_str(&text) {
                    Ok(message) => messages.push(message),
                    // A newer version's node may say what this one does not know.
                    Err(_) => metrics::counter!("juden_bus_unread_total").increment(1),
                }
            }
        }
        Ok(messages)
    }
}

async fn last_id(conn: &mut Conn, stream: &str) -> RedisResult<String> {
    let last: StreamRangeReply = redis::cmd("XREVRANGE")
        .arg(stream)
        .arg("+")
        .arg("-")
        .arg("COUNT")
        .arg(1)
        .query_async(conn)
        .await?;
    Ok(last.ids.first().map_or_else(|| "0-0".to_owned(), |entry| entry.id.clone()))
}

/// The id after an entry's.
fn after(id: &str) -> String {
    let (milliseconds, place) = number(id);
    format!("{milliseconds}-{}", place + 1)
}

/// An entry's id as numbers, which order it.
fn number(id: &str) -> (u64, u64) {
    let (milliseconds, place) = id.split_once('-').unwrap_or((id, "0"));
    (milliseconds.parse().unwrap_or(0), place.parse().unwrap_or(0))
}

#[cfg(test)]
#[path = "bus_tests.rs"]
mod tests;

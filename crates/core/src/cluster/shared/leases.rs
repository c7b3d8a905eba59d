//! Which node holds a station: a lease in Redis with the connection's fence. The higher fence has it.

use redis::{RedisResult, Script};

use super::bus::Bus;
use juden_domain::ids::StationId;
use juden_store::NodeRun;

/// A lease lasts so long unless it is renewed.
pub const LEASE_MS: u64 = 30_000;

/// How many leases one message to Redis renews.
const RENEWED_AT_ONCE: usize = 500;

/// Takes a lease, unless one with a higher fence is held; who had it, with which fence, before.
const TAKE: &str = "
    local had = redis.call('HMGET', KEYS[1], 'run', 'fence')
    if not had[2] or tonumber(had[2]) <= tonumber(ARGV[2]) then
        redis.call('HSET', KEYS[1], 'run', ARGV[1], 'fence', ARGV[2])
        redis.call('PEXPIRE', KEYS[1], ARGV[3])
    end
    return had";

const RELEASE: &str = "
    if redis.call('HGET', KEYS[1], 'run') == ARGV[1] and redis.call('HGET', KEYS[1], 'fence') == ARGV[2] then
        return redis.call('DEL', KEYS[1])
    end
    return 0";

/// A lease as it is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The run of the node that holds it.
    pub run: NodeRun,
    /// The connection's fence.
    pub fence: i64,
}

fn lease(had: (Option<String>, Option<String>)) -> Option<Lease> {
    Some(Lease { run: NodeRun(had.0?), fence: had.1?.parse().ok()? })
}

impl Bus {
    /// Takes a station's lease, unless a newer connection has it; whose it was.
    pub async fn take(
        &self,
        station: &StationId,
        run: &NodeRun,
        fence: i64,
    ) -> RedisResult<Option<Lease>> {
        let mut conn = self.conn().await?;
        let script = Script::new(TAKE);
        let mut take = script.key(self.keys.station(station.as_str()));
        let had = take.arg(&run.0).arg(fence).arg(LEASE_MS).invoke_async(&mut conn).await;
        Ok(lease(self.checked(had).await?))
    }

    /// Renews leases; those that a newer connection elsewhere has, with its fence.
    pub async fn renew(
        &self,
        held: &[(StationId, i64)],
        run: &NodeRun,
    ) -> RedisResult<Vec<(StationId, i64)>> {
        let mut lost = Vec::new();
        for piece in held.chunks(RENEWED_AT_ONCE) {
            let mut conn = self.conn().await?;
            let mut pipe = redis::pipe();
            for (station, fence) in piece {
                pipe.cmd("EVAL")
                    .arg(TAKE)
                    .arg(1)
                    .arg(self.keys.station(station.as_str()))
                    .arg(&run.0)
                    .arg(fence)
                    .arg(LEASE_MS);
            }
            let had: RedisResult<Vec<(Option<String>, Option<String>)>> =
                pipe.query_async(&mut conn).await;
            for ((station, fence), had) in piece.iter().zip(self.checked(had).await?) {
                if let Some(newer) = lease(had).filter(|had| had.fence > *fence) {
                    lost.push((station.clone(), newer.fence));
                }
            }
        }
        Ok(lost)
    }

    /// Gives a lease back.
    pub async fn give_back(
        &self,
        station: &StationId,
        run: &NodeRun,
        fence: i64,
    ) -> RedisResult<()> {
        let mut conn = self.conn().await?;
        let script = Script::new(RELEASE);
        let mut release = script.key(self.keys.station(station.as_str()));
        let released: RedisResult<i64> =
            release.arg(&run.0).arg(fence).invoke_async(&mut conn).await;
        self.checked(released).await.map(|_| ())
    }

    /// Who holds a station.
    pub async fn holder(&self, station: &StationId) -> RedisResult<Option<Lease>> {
        let mut conn = self.conn().await?;
        let had = redis::cmd("HMGET")
            .arg(self.keys.station(station.as_str()))
            .arg("run")
            .arg("fence")
            .query_async(&mut conn)
            .await;
        Ok(lease(self.checked(had).await?))
    }

    /// Counts a failure; how many there were within the window, which begins with the first.
    pub async fn count(&self, what: &str, window_ms: i64) -> RedisResult<u32> {
        let mut conn = self.conn().await?;
        let key = self.keys.failures(what);
        let mut pipe = redis::pipe();
        pipe.cmd("SET")
            .arg(&key)
            .arg(0)
            .arg("PX")
            .arg(window_ms)
            .arg("NX")
            .ignore()
            .cmd("INCR")
            .arg(&key);
        let counted: RedisResult<(u32,)> = pipe.query_async(&mut conn).await;
        self.checked(counted).await.map(|(count,)| count)
    }
}

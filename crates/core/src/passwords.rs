//! Hashing of station passwords, activation codes and API keys.
//!
//! What a machine chose is kept as a keyed hash: every station can reconnect at once, and a card is added at once. What
//! people choose is hashed with argon2id, on a few threads that keep their memory; who waits for them is bounded in
//! number, and whoever hangs up waits no longer.

use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Block, Params, Version};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use moka::sync::Cache;
use subtle::ConstantTimeEq;
use tokio::sync::{mpsc, oneshot};

use crate::error::{AppError, Done};
use juden_domain::hex;

/// Secrets of at least this many bytes are taken for random ones.
const RANDOM_FROM_BYTES: usize = 16;

/// Who may wait for slow hashes at once, beside the one that is computed.
const WAITING_MAX: usize = 32;

/// Passwords that matched a slow hash are known again at once, this many of them.
const KNOWN_MAX: u64 = 100_000;

/// How a keyed hash begins.
const KEYED: &str = "hmac-sha256$";

/// Bytes of a slow hash's salt and of its output.
const SALT_BYTES: usize = 16;
const OUTPUT_BYTES: usize = 32;

/// For whom a slow hash is computed. Each has a thread of its own: who floods one keeps nobody else waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlowQueue {
    /// Stations at the door.
    Stations,
    /// Operators, by the API.
    Operators,
}

/// Hashes with this installation's secret.
#[derive(Clone)]
pub struct Passwords {
    secret: Arc<[u8]>,
    stations: mpsc::Sender<Job>,
    operators: mpsc::Sender<Job>,
    /// The keyed hash of the password that a slow hash is of, once it was shown.
    known: Cache<String, String>,
}

/// What a thread of slow hashes is given.
struct Job {
    work: Work,
    reply: oneshot::Sender<Option<String>>,
}

enum Work {
    /// Hash a password.
    Hash(Vec<u8>),
    /// Tell whether a password is the one that was hashed: the hash again, if it is.
    Match(String, Vec<u8>),
}

/// Random bytes as lower-case hex.
pub fn random_hex(bytes: usize) -> String {
    hex::encode(&(0..bytes).map(|_| rand::random()).collect::<Vec<u8>>())
}

/// A keyed hash of what a machine chose, under a secret.
fn keyed_hash(secret: &[u8], salt: &str, text: &[u8]) -> String {
    hex::keyed_sha256(secret, &[salt.as_bytes(), text])
}

/// The keyed hash of a secret as it is kept, with a salt of its own.
pub fn kept_keyed(secret: &[u8], text: &[u8]) -> String {
    let salt = random_hex(SALT_BYTES);
    format!("{KEYED}{salt}${}", keyed_hash(secret, &salt, text))
}

/// Whether a text is the one of a kept keyed hash; `None`: it is no keyed hash.
pub fn matches_keyed(secret: &[u8], kept: &str, text: &[u8]) -> Option<bool> {
    let (salt, hash) = kept.strip_prefix(KEYED)?.split_once('$')?;
    Some(keyed_hash(secret, salt, text).as_bytes().ct_eq(hash.as_bytes()).into())
}

impl Passwords {
    /// Hashing under a secret of this installation. Its threads end with it.
    pub fn new(secret: &str) -> Self {
        let known = Cache::new(KNOWN_MAX);
        Self {
            secret: secret.as_bytes().into(),
            stations: slow_thread("stations"),
            operators: slow_thread("operators"),
            known,
        }
    }

    /// The installation's secret.
    pub(crate) fn secret(&self) -> &[u8] {
        &self.secret
    }

    /// Hashes a station's password for keeping.
    pub async fn hash(&self, password: &[u8]) -> Done<String> {
        if password.len() >= RANDOM_FROM_BYTES {
            return Ok(self.hash_random(password));
        }
        let hashed = self.slowly(SlowQueue::Operators, Work::Hash(password.to_vec())).await?;
        hashed.ok_or(AppError::Busy("the password could not be hashed"))
    }

    /// Hashes what a machine chose: an activation code, an API key.
    pub fn hash_random(&self, text: &[u8]) -> String {
        kept_keyed(&self.secret, text)
    }

    /// Whether a password is the one that was hashed. Too many who wait are an error, never a `false`.
    pub async fn matches(&self, queue: SlowQueue, kept: &str, password: &[u8]) -> Done<bool> {
        if let Some(matches) = matches_keyed(&self.secret, kept, password) {
            return Ok(matches);
        }
        let shown = keyed_hash(&self.secret, kept, password);
        if let Some(known) = self.known.get(kept) {
            return Ok(known.as_bytes().ct_eq(shown.as_bytes()).into());
        }
        let matches =
            self.slowly(queue, Work::Match(kept.to_owned(), password.to_vec())).await?.is_some();
        if matches {
            self.known.insert(kept.to_owned(), shown);
        }
        Ok(matches)
    }

    async fn slowly(&self, queue: SlowQueue, work: Work) -> Done<Option<String>> {
        let thread = match queue {
            SlowQueue::Stations => &self.stations,
            SlowQueue::Operators => &self.operators,
        };
        let (reply, done) = oneshot::channel();
        if thread.try_send(Job { work, reply }).is_err() {
            metrics::counter!("juden_slow_hashes_refused_total").increment(1);
            return Err(AppError::Busy("too many passwords are being checked: try again"));
        }
        Ok(done.await.ok().flatten())
    }
}

/// A thread that computes slow hashes one after the other, in memory that it keeps.
fn slow_thread(of: &str) -> mpsc::Sender<Job> {
    let (jobs, mut queue) = mpsc::channel::<Job>(WAITING_MAX);
    let run = move || {
        let mut memory = Vec::new();
        while let Some(Job { work, reply }) = queue.blocking_recv() {
            // Nobody waits for it any more.
            if reply.is_closed() {
                continue;
            }
            let done = match work {
                Work::Hash(password) => hashed(&password, &mut memory),
                Work::Match(kept, password) => {
                    matched(&kept, &password, &mut memory).then_some(kept)
                }
            };
            let _ = reply.send(done);
        }
    };
    // Without a thread the queue is closed, and who comes is told that it is busy.
    if let Err(cause) = std::thread::Builder::new().name(format!("hash-{of}")).spawn(run) {
        tracing::error!(%cause, "no thread for passwords could be started");
    }
    jobs
}

fn hashed(password: &[u8], memory: &mut Vec<Block>) -> Option<String> {
    let salt: [u8; SALT_BYTES] = rand::random();
    let params = Params::default();
    let output = argon2id(password, &salt, &params, OUTPUT_BYTES, memory)?;
    let (m, t, p, version) =
        (params.m_cost(), params.t_cost(), params.p_cost(), Version::default() as u32);
    Some(format!(
        "$argon2id$v={version}$m={m},t={t},p={p}${}${}",
        STANDARD_NO_PAD.encode(salt),
        STANDARD_NO_PAD.encode(output)
    ))
}

fn matched(kept: &str, password: &[u8], memory: &mut Vec<Block>) -> bool {
    let mut again = || {
        let kept = PasswordHash::new(kept).ok()?;
        let params = Params::try_from(&kept).ok()?;
        let (salt, hash) = (kept.salt?, kept.hash?);
        let output = argon2id(password, salt.as_ref(), &params, hash.as_bytes().len(), memory)?;
        Some(output.as_slice().ct_eq(hash.as_bytes()).into())
    };
    again().unwrap_or(false)
}

fn argon2id(
    password: &[u8],
    salt: &[u8],
    params: &Params,
    length: usize,
    memory: &mut Vec<Block>,
) -> Option<Vec<u8>> {
    if memory.len() < params.block_count() {
        memory.resize(params.block_count(), Block::default());
    }
    let mut output = vec![0; length];
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::default(), params.clone());
    argon2
        .hash_password_into_with_memory(password, salt, &mut output, memory.as_mut_slice())
        .ok()?;
    Some(output)
}

#[cfg(test)]
#[path = "passwords_tests.rs"]
mod tests;

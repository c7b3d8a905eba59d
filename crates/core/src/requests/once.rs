//! Requests that are done once although their answers may be lost (`Idempotency-Key`): the key is kept in the transaction of
//! the change, so a repeat after a crash finds that it was done. It is answered from what was made.

use std::sync::Arc;

use chrono::TimeDelta;

use crate::error::Done;
use crate::requests::Requests;
use juden_domain::hex;
use juden_store::{KeptAnswer, Once, Turn};

/// Hours for which an answer is kept for repeats of its request.
const KEPT_HOURS: i64 = 24;

tokio::task_local! {
    static REQUEST: Arc<OnceRequest>;
}

/// A request under an idempotency key.
#[derive(Debug)]
pub struct OnceRequest {
    /// What is kept of it with its change.
    pub once: Once,
    /// What it made or changed, where it was done before and its answer was lost.
    pub done: Option<String>,
}

/// Runs what a request asks for, under its key.
pub async fn under<T>(request: OnceRequest, work: impl Future<Output = T>) -> T {
    REQUEST.scope(Arc::new(request), work).await
}

fn current() -> Option<Arc<OnceRequest>> {
    REQUEST.try_with(Arc::clone).ok()
}

/// What is to be kept with the change of the request that runs, where it has a key.
pub(crate) fn to_keep() -> Option<Once> {
    current().map(|request| request.once.clone())
}

/// What the request that runs made or changed before; `None`: it was not done yet.
pub(crate) fn done() -> Option<String> {
    current()?.done.clone()
}

/// Random-looking bytes that a repeat of the request gets again, under the installation's secret, as hex digits. `None`: the
/// request has no key.
pub(crate) fn derived(secret: &[u8], what: &str) -> Option<String> {
    let once = current()?.once.clone();
    let parts = [what, "|", &once.key, "|", &once.request, "|", &once.body_sha256];
    Some(hex::keyed_sha256(secret, &parts.map(str::as_bytes)))
}

/// What is known of a request under a key, before it is done.
#[derive(Debug)]
pub enum Earlier {
    /// It was answered.
    Answered(KeptAnswer),
    /// It was done, and its answer was lost: the hash of its body, and what it made.
    Done(String, String),
    /// It was not done.
    Nothing,
}

impl Requests {
    /// The turn of the requests under one key, over all nodes; `None`: another has it.
    pub async fn try_turn(&self, place: &str) -> Done<Option<Turn>> {
        Ok(self.store.try_turn(place).await?)
    }

    /// What is known of a request under a key.
    pub async fn earlier(&self, key: &str, request: &str) -> Done<Earlier> {
        if let Some(kept) = self.store.kept_answer(key, request).await? {
            return Ok(Earlier::Answered(kept));
        }
        let done = self.store.done_once(key, request).await?;
        Ok(done
            .map_or(Earlier::Nothing, |(body_sha256, subject)| Earlier::Done(body_sha256, subject)))
    }

    /// Keeps an answer for the repeats of its request.
    pub async fn keep_answer(&self, key: &str, request: &str, kept: &KeptAnswer) -> Done<()> {
        let now = self.clock.now();
        Ok(self
            .store
            .keep_answer(key, request, kept, now, now - TimeDelta::hours(KEPT_HOURS))
            .await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_request_has_its_key_where_it_runs_and_nowhere_else() {
        let once = Once {
            key: "k".into(),
            request: "POST /x".into(),
            body_sha256: "00".into(),
            at: chrono::DateTime::UNIX_EPOCH,
        };
        assert_eq!((to_keep(), done(), derived(b"s", "code")), (None, None, None));
        let request = || OnceRequest { once: once.clone(), done: Some("C-1".into()) };
        let (kept, was_done, first) =
            under(request(), async { (to_keep(), done(), derived(b"s", "code")) }).await;
        assert_eq!((kept, was_done.as_deref()), (Some(once.clone()), Some("C-1")));
        let again = under(request(), async { derived(b"s", "code") }).await;
        assert_eq!(first, again);
        let other = under(request(), async { derived(b"other", "code") }).await;
        assert_ne!(first, other);
    }
}

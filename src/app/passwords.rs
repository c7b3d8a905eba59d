//! Hashing of station passwords and activation codes, and of the operator's key.
//!
//! What is long enough to be random is kept as a keyed hash, so that every station can reconnect at
//! once; what people choose is hashed with argon2id.

use std::sync::Arc;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;

use super::{AppError, Done};
use crate::hex;

/// Secrets of at least this many bytes are taken for random ones.
const RANDOM_FROM_BYTES: usize = 16;

/// Slow hashes computed at once.
const SLOW_AT_ONCE: usize = 2;

/// How a keyed hash begins.
const KEYED: &str = "hmac-sha256$";

/// Hashes with this installation's secret.
#[derive(Clone)]
pub struct Passwords {
    secret: Arc<[u8]>,
    slow: Arc<Semaphore>,
}

/// Random bytes as lower-case hex.
pub fn random_hex(bytes: usize) -> String {
    hex::encode(&(0..bytes).map(|_| rand::random()).collect::<Vec<u8>>())
}

impl Passwords {
    /// Hashing under a secret of this installation.
    pub fn new(secret: &str) -> Self {
        Self { secret: secret.as_bytes().into(), slow: Arc::new(Semaphore::new(SLOW_AT_ONCE)) }
    }

    fn keyed(&self, salt: &str, password: &[u8]) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.secret).expect("HMAC takes keys of any length");
        mac.update(salt.as_bytes());
        mac.update(password);
        hex::encode(&mac.finalize().into_bytes())
    }

    /// Hashes a password for keeping.
    pub async fn hash(&self, password: &[u8]) -> Done<String> {
        if password.len() >= RANDOM_FROM_BYTES {
            let salt = random_hex(16);
            return Ok(format!("{KEYED}{salt}${}", self.keyed(&salt, password)));
        }
        let password = password.to_vec();
        self.slowly(move || Argon2::default().hash_password(&password).map(|hash| hash.to_string()).ok())
            .await
            .ok_or(AppError::Busy("the password could not be hashed"))
    }

    /// Whether a password is the one that was hashed.
    pub async fn matches(&self, kept: &str, password: &[u8]) -> bool {
        if let Some((salt, hash)) = kept.strip_prefix(KEYED).and_then(|rest| rest.split_once('$')) {
            return self.keyed(salt, password).as_bytes().ct_eq(hash.as_bytes()).into();
        }
        let (kept, password) = (kept.to_owned(), password.to_vec());
        self.slowly(move || {
            let hash = PasswordHash::new(&kept).ok()?;
            Argon2::default().verify_password(&password, &hash).ok()
        })
        .await
        .is_some()
    }

    async fn slowly<T: Send + 'static>(&self, work: impl FnOnce() -> Option<T> + Send + 'static) -> Option<T> {
        let _place = self.slow.acquire().await.ok()?;
        tokio::task::spawn_blocking(work).await.ok().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn long_secrets_and_short_ones_match_themselves_alone() {
        let passwords = Passwords::new("installation secret");
        for password in ["short", "0123456789abcdef", "a much longer password than that"] {
            let kept = passwords.hash(password.as_bytes()).await.unwrap();
            assert!(!kept.contains(password));
            assert!(passwords.matches(&kept, password.as_bytes()).await);
            assert!(!passwords.matches(&kept, b"something else").await);
            assert!(!Passwords::new("other").matches(&kept, b"").await);
        }
    }

    #[tokio::test]
    async fn a_password_that_is_no_text_is_a_password() {
        let passwords = Passwords::new("s");
        let bytes: Vec<u8> = (240..=255).collect();
        let kept = passwords.hash(&bytes).await.unwrap();
        assert!(passwords.matches(&kept, &bytes).await);
    }
}

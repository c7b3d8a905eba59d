//! One process has an embedded database. A second one would answer from what it remembers, and accept cards that the first one
//! suspended.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

use super::OpenError;

/// A database that is this process's for as long as this lives. The system gives it free when the process ends, however it
/// does.
#[derive(Debug)]
pub struct Claim(#[expect(dead_code, reason = "the lock lasts as long as the file is open")] File);

/// The file beside a database whose lock is the claim. The database's own file has locks of the engine's.
fn lock_file(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(".lock");
    PathBuf::from(name)
}

/// Claims a database's file.
pub fn claim(url: &str, database: &Path) -> Result<Claim, OpenError> {
    let failed = |cause: std::io::Error| OpenError::Claim { url: url.to_owned(), cause };
    // Two names of one file are one database.
    let database = database.canonicalize().map_err(failed)?;
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(lock_file(&database))
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(Claim(file)),
        Err(TryLockError::WouldBlock) => Err(OpenError::Taken { url: url.to_owned() }),
        Err(TryLockError::Error(cause)) => Err(failed(cause)),
    }
}

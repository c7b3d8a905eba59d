//! Only one process may use an embedded database. A second one would answer from its own memory,
//! and accept cards that the first one suspended.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

use super::OpenError;

/// The claim of a database for this process, for the life of this value. The operating system
/// releases it when the process ends, however it ends.
#[derive(Debug)]
pub struct Claim(#[expect(dead_code, reason = "the lock lasts as long as the file is open")] File);

/// The path of the file whose lock is the claim. The database's own file has the engine's locks.
fn lock_file(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(".lock");
    PathBuf::from(name)
}

/// Claims a database's file.
pub fn claim(url: &str, database: &Path) -> Result<Claim, OpenError> {
    let failed = |cause: std::io::Error| OpenError::Claim { url: url.to_owned(), cause };
    // Two names of one file must give the same claim.
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

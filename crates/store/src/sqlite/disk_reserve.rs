//! The disk reserve of an embedded database. While little of the disk is free, stations' messages
//! wait. The rest, and a reserve file that is then removed, are for suspensions of cards.

use std::fs::File;
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, fallocate, statvfs};
use tracing::{info, warn};

/// Free bytes below which the ledger writes nothing. Stations then keep their messages.
pub const LEDGER_NEEDS: u64 = 16 * 1024 * 1024;

/// The size of the reserve file in bytes, and the free bytes above which it is created.
const RESERVE: u64 = 8 * 1024 * 1024;
const RESERVE_FROM: u64 = LEDGER_NEEDS + 4 * RESERVE;

/// Free bytes below which the reserve file is removed.
const FULL_BELOW: u64 = 2 * 1024 * 1024;

/// The disk reserve of a database.
#[derive(Debug, Clone)]
pub struct DiskReserve {
    folder: PathBuf,
    reserve: PathBuf,
}

impl DiskReserve {
    /// The reserve of a database, as a file beside it.
    pub fn of(database: &Path) -> Self {
        let parent = database.parent().filter(|parent| !parent.as_os_str().is_empty());
        let mut reserve = database.as_os_str().to_owned();
        reserve.push(".reserve");
        Self {
            folder: parent.unwrap_or(Path::new(".")).to_path_buf(),
            reserve: PathBuf::from(reserve),
        }
    }

    /// The disk's free bytes; `None`: the system does not say.
    pub fn free_bytes(&self) -> Option<u64> {
        let told = statvfs(&self.folder).ok()?;
        Some(told.f_bavail.saturating_mul(told.f_frsize))
    }

    /// Whether enough of the disk is free for the ledger to write.
    pub fn is_enough(&self) -> bool {
        self.free_bytes().is_none_or(|free| free >= LEDGER_NEEDS)
    }

    /// Removes the reserve file if the disk is full, and creates it again when there is room.
    pub fn keep(&self) {
        let Some(free) = self.free_bytes() else { return };
        metrics::gauge!("juden_store_free_bytes").set(free as f64);
        if free < FULL_BELOW && self.reserve.exists() {
            match std::fs::remove_file(&self.reserve) {
                Ok(()) => warn!(
                    free,
                    "THE DISK IS FULL: room that was kept for suspensions is given free; stations' messages wait"
                ),
                Err(cause) => {
                    warn!(%cause, "the disk is full, and the room that was kept cannot be given free");
                }
            }
        } else if free > RESERVE_FROM && !self.reserve.exists() {
            match self.make() {
                Ok(()) => info!(bytes = RESERVE, "room is kept for suspensions on a full disk"),
                Err(cause) => warn!(%cause, "no room can be kept for suspensions on a full disk"),
            }
        }
    }

    fn make(&self) -> std::io::Result<()> {
        let made = File::create(&self.reserve)
            .and_then(|file| Ok(fallocate(&file, FallocateFlags::empty(), 0, RESERVE)?));
        if made.is_err() {
            let _ = std::fs::remove_file(&self.reserve);
        }
        made
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_kept_beside_the_database() {
        let folder = tempfile::tempdir().unwrap();
        let room = DiskReserve::of(&folder.path().join("juden.db"));
        assert!(room.free_bytes().unwrap() > 0);
        room.keep();
        let reserve = folder.path().join("juden.db.reserve");
        assert_eq!(reserve.exists(), room.free_bytes().unwrap() + RESERVE > RESERVE_FROM);
    }
}

//! What a power cut makes of a database, out of what `shim.c` wrote down.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rand::{Rng, RngExt};

/// What was there before a write or a cut.
struct Before {
    offset: u64,
    size: u64,
    bytes: Vec<u8>,
}

fn number(bytes: &mut &[u8]) -> Option<u64> {
    let (head, rest) = bytes.split_first_chunk::<8>()?;
    *bytes = rest;
    Some(u64::from_ne_bytes(*head))
}

/// One record: whose it is, and what was there; `None` in it: the file was synced.
fn record(bytes: &mut &[u8]) -> Option<(PathBuf, Option<Before>)> {
    let length = usize::try_from(number(bytes)?).unwrap();
    let (path, rest) = bytes.split_at_checked(length)?;
    let path = PathBuf::from(String::from_utf8(path.to_vec()).unwrap());
    let (kind, rest) = rest.split_first()?;
    *bytes = rest;
    let (offset, there, size) =
        (number(bytes)?, usize::try_from(number(bytes)?).unwrap(), number(bytes)?);
    let (was, rest) = bytes.split_at_checked(there)?;
    *bytes = rest;
    Some((path, (*kind != b's').then(|| Before { offset, size, bytes: was.to_vec() })))
}

/// Takes back what was written since each file's last sync, as a power cut does: all of it, or for some files at random
/// only what came after a random instant. How many writes were lost.
pub fn lose_power(undo: &Path, random: &mut impl Rng) -> usize {
    let Ok(text) = std::fs::read(undo) else { return 0 };
    let mut rest = &text[..];
    let mut since: BTreeMap<PathBuf, Vec<Before>> = BTreeMap::new();
    while let Some((path, before)) = record(&mut rest) {
        let writes = since.entry(path).or_default();
        match before {
            Some(before) => writes.push(before),
            None => writes.clear(),
        }
    }
    let mut lost = 0;
    for (path, writes) in since {
        let reached =
            if random.random_bool(0.5) { 0 } else { random.random_range(0..=writes.len()) };
        let Ok(file) = File::options().write(true).open(&path) else { continue };
        for before in writes[reached..].iter().rev() {
            file.write_all_at(&before.bytes, before.offset).unwrap();
            file.set_len(before.size).unwrap();
            lost += 1;
        }
        // What readers share lives in memory alone.
        let _ = std::fs::remove_file(path.with_extension("db-shm"));
    }
    std::fs::remove_file(undo).unwrap();
    lost
}

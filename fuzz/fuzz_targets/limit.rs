//! The time that one input may take.

use std::time::{Duration, Instant};

/// The longest that an input may take: far more than any needs, far less than one that grows faster than its text.
const INPUT_LIMIT: Duration = Duration::from_secs(1);

/// Runs a check on one input, which must not take long.
pub fn in_time<T>(check: impl FnOnce() -> T) -> T {
    let began = Instant::now();
    let found = check();
    assert!(began.elapsed() < INPUT_LIMIT, "an input took {:?}", began.elapsed());
    found
}

//! Recognizes calls that a station repeats although they were refused. Some firmware repeats a
//! refused call for ever, and sends nothing else meanwhile. After some repeats it gets an empty
//! CALLRESULT, if the standard allows one for the message.

use std::hash::{DefaultHasher, Hash, Hasher};

/// The number of refusals of one call after which it counts as a loop.
const TIMES_REFUSED: u32 = 5;

/// A hash of a call's action and payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Content(u64);

impl Content {
    /// The content of a call.
    pub fn of(action: &str, payload: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        (action, payload).hash(&mut hasher);
        Self(hasher.finish())
    }
}

/// The content that was refused last, and how often in a row.
#[derive(Debug, Default)]
pub struct Refused {
    content: Content,
    times: u32,
}

impl Refused {
    /// Counts the answer to a call.
    pub fn answered(&mut self, content: Content, is_refused: bool) {
        match (is_refused, content == self.content) {
            (true, true) => self.times = self.times.saturating_add(1),
            (true, false) => *self = Self { content, times: 1 },
            // Other messages, such as Heartbeat, may come in between.
            (false, _) => {}
        }
    }

    /// Whether a call was refused so often that it counts as a loop.
    pub fn is_looping(&self, content: Content) -> bool {
        self.content == content && self.times >= TIMES_REFUSED
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_looping_once_it_was_refused_in_a_row_whatever_was_answered_in_between() {
        let (bad, other) =
            (Content::of("StatusNotification", "{}"), Content::of("Heartbeat", "{}"));
        let mut refused = Refused::default();
        for time in 0..TIMES_REFUSED {
            assert!(!refused.is_looping(bad), "{time}");
            refused.answered(bad, true);
            refused.answered(other, false);
        }
        assert!(refused.is_looping(bad) && !refused.is_looping(other));
        refused.answered(other, true);
        assert!(!refused.is_looping(bad));
    }
}

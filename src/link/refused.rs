//! Calls that a station repeats although they were refused. Some firmware resends what was answered with an error for ever,
//! and sends nothing else meanwhile: after some times it is told that it was heard, where the message has such an answer.

use std::hash::{DefaultHasher, Hash, Hasher};

/// How often one call is refused before it is taken for a loop.
const TIMES_REFUSED: u32 = 5;

/// A call's content: its action and payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Content(u64);

impl Content {
    /// Of a call.
    pub fn of(action: &str, payload: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        (action, payload).hash(&mut hasher);
        Self(hasher.finish())
    }
}

/// What was refused last, and how often in a row.
#[derive(Debug, Default)]
pub struct Refused {
    content: Content,
    times: u32,
}

impl Refused {
    /// Counts an answer.
    pub fn answered(&mut self, content: Content, is_refused: bool) {
        match (is_refused, content == self.content) {
            (true, true) => self.times = self.times.saturating_add(1),
            (true, false) => *self = Self { content, times: 1 },
            // Heartbeats and the like come in between.
            (false, _) => {}
        }
    }

    /// Whether a call was refused so often that it is repeated for ever.
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

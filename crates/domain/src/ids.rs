//! Identities. Each is a type of its own, so that none can be passed for another.

use std::fmt;

/// An identity whose text is not what its type allows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} must be {allowed}, not {given:?}")]
pub struct BadId {
    /// What the identity is called by its users.
    pub what: &'static str,
    /// What is allowed.
    pub allowed: &'static str,
    /// What was given, cut to a printable length.
    pub given: String,
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $what:literal, $allowed:literal, $max:expr, $valid:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// Checks the text and wraps it.
            pub fn parse(text: &str) -> Result<Self, BadId> {
                let valid: fn(char) -> bool = $valid;
                let length = text.chars().count();
                if length == 0 || length > $max || !text.chars().all(valid) {
                    let given = text.chars().take(60).collect();
                    return Err(BadId { what: $what, allowed: $allowed, given });
                }
                Ok(Self(text.to_owned()))
            }

            /// The text itself.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

fn identifier_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '-' || c == '_'
}

text_id!(
    /// A charging station's identity: the last segment of the URL it connects to
    /// (OCPP-J 1.6 section 3.1.1), kept as registered.
    StationId, "station_id", "1 to 48 characters without control characters or '/'", 48,
    |c| !c.is_control() && c != '/'
);
text_id!(
    /// A membership's internal number, allotted on admission.
    MemberId, "member_id", "1 to 32 letters, digits, '-' or '_'", 32, identifier_char
);
text_id!(
    /// The card number: the member number of the terms that is printed for a card (article 3.1). It names the card, not
    /// the member.
    CardNumber, "card_number", "1 to 32 letters, digits, '-' or '_'", 32, identifier_char
);

text_id!(
    /// A session's name for people, bills and exports. It is made of what the station sent, so it is the
    /// same in whatever order messages arrive.
    SessionRef, "session_id", "1 to 32 letters, digits, '-' or '_'", 32, identifier_char
);

#[cfg(test)]
impl SessionRef {
    /// The name of a session that is known by its number alone.
    pub fn of_number(id: SessionId) -> Self {
        Self(id.to_string())
    }
}

/// A session's number. It is the transaction id told to the station, so it lies in 1..=2^31-1
/// and is never used twice over the whole system (OCPP 1.6 section 4.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub i64);

impl SessionId {
    /// The largest id that a station's signed 32-bit integer can hold.
    pub const MAX: i64 = 2_147_483_647;

    /// Reads the printed form, `S-000000042`.
    pub fn parse(text: &str) -> Result<Self, BadId> {
        let number = text.strip_prefix("S-").unwrap_or(text);
        match number.parse::<i64>() {
            Ok(id)
                if (1..=Self::MAX).contains(&id) && number.bytes().all(|b| b.is_ascii_digit()) =>
            {
                Ok(Self(id))
            }
            _ => Err(BadId {
                what: "session_id",
                allowed: "'S-' and a number from 1 to 2147483647",
                given: text.chars().take(60).collect(),
            }),
        }
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "S-{:09}", self.0)
    }
}

/// The longest id tag that is kept and matched; a longer one is cut and flagged.
pub const ID_TAG_MAX: usize = 64;

/// What a card reader read. Compared without case, blanks, `:` and `-` (stations spell one card in
/// many ways); kept as it was sent.
#[derive(Clone)]
pub struct IdTag {
    as_sent: String,
    matched: String,
    was_cut: bool,
}

impl IdTag {
    /// Any text is an id tag; the empty one belongs to no card. Text beyond [`ID_TAG_MAX`]
    /// characters is cut.
    pub fn new(text: &str) -> Self {
        let mut letters = text.chars();
        let as_sent: String = letters.by_ref().take(ID_TAG_MAX).collect();
        let was_cut = letters.next().is_some();
        let matched = as_sent
            .chars()
            .filter(|c| !c.is_whitespace() && !matches!(c, ':' | '-'))
            .flat_map(char::to_uppercase)
            .collect();
        Self { as_sent, matched, was_cut }
    }

    /// The text as the station or operator sent it.
    pub fn as_sent(&self) -> &str {
        &self.as_sent
    }

    /// Whether it was sent longer than is kept.
    pub const fn was_cut(&self) -> bool {
        self.was_cut
    }

    /// The spelling that equality is decided by.
    pub fn matched(&self) -> &str {
        &self.matched
    }

    /// No card: a free start or a station without a reader.
    pub fn is_empty(&self) -> bool {
        self.matched.is_empty()
    }

    /// The form for logs: whole card ids never reach one.
    pub fn masked(&self) -> String {
        let tail: Vec<char> = self.matched.chars().rev().take(3).collect();
        if self.matched.chars().count() < 8 {
            return "…".to_owned();
        }
        format!("…{}", tail.into_iter().rev().collect::<String>())
    }
}

impl PartialEq for IdTag {
    fn eq(&self, other: &Self) -> bool {
        self.matched == other.matched
    }
}

impl Eq for IdTag {}

impl fmt::Debug for IdTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IdTag({})", self.masked())
    }
}

#[cfg(test)]
#[path = "ids_tests.rs"]
mod tests;

//! Identities. Each has a type of its own, so that none can be used for another.

use std::fmt;

/// The error for a text that is no identity of the wanted type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} must be {allowed}, not {given:?}")]
pub struct BadId {
    /// The identity's name for users.
    pub what: &'static str,
    /// The allowed form.
    pub allowed: &'static str,
    /// The given text, cut to a printable length.
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
    /// A station's identity: the last segment of the URL to which it connects (OCPP-J 1.6 section
    /// 3.1.1), spelled as in its registration.
    StationId, "station_id", "1 to 48 characters without control characters or '/'", 48,
    |c| !c.is_control() && c != '/'
);
text_id!(
    /// The member id: a membership's own number, allotted with the application.
    MemberId, "member_id", "1 to 32 letters, digits, '-' or '_'", 32, identifier_char
);
text_id!(
    /// The card number: the member number of the terms, which is printed on a card (article 3.1).
    /// The number names the card, not the member.
    CardNumber, "card_number", "1 to 32 letters, digits, '-' or '_'", 32, identifier_char
);

text_id!(
    /// A session's name for people, bills and exports. The name is made of the station's data
    /// alone, so it does not depend on the order in which messages arrive.
    SessionRef, "session_id", "1 to 32 letters, digits, '-' or '_'", 32, identifier_char
);

#[cfg(test)]
impl SessionRef {
    /// The name of a session that is known by its number alone.
    pub fn of_number(id: SessionId) -> Self {
        Self(id.to_string())
    }
}

/// A session's number. In OCPP 1.6 this number is also the `transactionId` that the station
/// receives, so it is in 1..=2^31-1 and unique in the whole system (OCPP 1.6 section 4.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub i64);

impl SessionId {
    /// The largest number, as stations hold it in a signed 32-bit integer.
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

/// The most characters of an id tag that are kept and compared. A longer one is cut and flagged.
pub const ID_TAG_MAX: usize = 64;

/// An id tag: the text that a reader reads from a card. The text is kept as sent. Comparison
/// ignores case, blanks, `:` and `-`, because stations spell one card in many ways.
#[derive(Clone)]
pub struct IdTag {
    as_sent: String,
    matched: String,
    was_cut: bool,
}

impl IdTag {
    /// Makes an id tag of any text. The empty one belongs to no card. Text beyond [`ID_TAG_MAX`]
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

    /// Whether the text was longer than [`ID_TAG_MAX`] and was cut.
    pub const fn was_cut(&self) -> bool {
        self.was_cut
    }

    /// The normalized spelling, which is compared.
    pub fn matched(&self) -> &str {
        &self.matched
    }

    /// Whether the id tag names no card: a free start, or a station without a reader.
    pub fn is_empty(&self) -> bool {
        self.matched.is_empty()
    }

    /// The form for logs, which never contain a whole id tag.
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

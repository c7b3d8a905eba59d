//! How a station's local authorization list is brought up to date: the difference first, the whole list where
//! that is refused, versions that only rise.

use serde_json::Value;

use super::onboarding::SENT_BY;
use super::{App, AppError};
use crate::domain::blocking::StationSettings;
use crate::domain::ids::{IdTag, StationId};
use crate::ocpp::event::{ListEntry, StationCommand};
use crate::ocpp::protocol::Protocol;
use crate::store::blocks::{Delivery, Reach};

/// Blocked cards that a whole list holds at most; a station that is to know more of them forgets its cache.
const WHOLE_LIST_MAX: usize = 10_000;

/// What became of telling by the list.
pub(super) enum Listed {
    /// The station's list says so much.
    Told(Vec<Delivery>),
    /// The station has no list.
    NoList,
    /// It takes no list that it was sent; what it holds now is not known.
    Refused,
    /// It may work another time.
    Later,
}

/// What a station answered to a message about its list.
enum Answer<T> {
    Fine(T),
    Refused,
    NoList,
    Nothing,
}

impl App {
    /// Enters blocked cards into the station's list, and takes out those that are valid again.
    pub(super) async fn tell_by_list(
        &self,
        id: &StationId,
        settings: &StationSettings,
        pending: &[Delivery],
        protocol: Protocol,
    ) -> Listed {
        // Also what was refused had its version: each message has a new one.
        let mut version = 0;
        for full in [false, false, true] {
            let told = match self.list_version_of(id).await {
                Answer::Fine(version) if version >= 0 => version,
                Answer::Fine(_) | Answer::NoList => return Listed::NoList,
                Answer::Refused => return Listed::Refused,
                Answer::Nothing => return Listed::Later,
            };
            let Ok(kept) = self.store.list_version(id).await else { return Listed::Later };
            version = version.max(told).max(kept);
            // A station that fell behind lost its list, or did not get all of it.
            let full = full || told < kept;
            let Ok(told_of) = self.store.begin_listing(pending).await else { return Listed::Later };
            let entries = match full {
                false => entries(&told_of, protocol),
                true => match self.whole_list(id, settings, protocol).await {
                    Some(Ok(entries)) => entries,
                    Some(Err(TooLong)) => return Listed::Refused,
                    None => return Listed::Later,
                },
            };
            if entries.is_empty() && !full {
                return Listed::Told(told_of);
            }
            match self.send_list(id, &mut version, full, &entries, settings.entries_at_once()).await {
                Answer::Fine(()) => return Listed::Told(told_of),
                Answer::Refused => {}
                Answer::NoList => return Listed::NoList,
                Answer::Nothing => return Listed::Later,
            }
        }
        Listed::Refused
    }

    /// Everything that a station's list is to hold. `None`: it could not be read.
    async fn whole_list(&self, id: &StationId, settings: &StationSettings, protocol: Protocol) -> Option<Result<Vec<ListEntry>, TooLong>> {
        let most = settings.entries_in_all().unwrap_or(WHOLE_LIST_MAX).min(WHOLE_LIST_MAX);
        let blocked = self.store.blocked_at(id, i64::try_from(most).unwrap_or(i64::MAX) + 1).await.ok()?;
        let blocked = self.store.begin_listing(&blocked).await.ok()?;
        let entries = entries(&blocked, protocol);
        Some(if entries.len() > most { Err(TooLong) } else { Ok(entries) })
    }

    /// The version of a station's list as it tells it; below 0: it has none.
    async fn list_version_of(&self, id: &StationId) -> Answer<i64> {
        let Ok(result) = self.send_command(id, &StationCommand::GetListVersion, SENT_BY).await else { return Answer::Nothing };
        match result.outcome.as_str() {
            "unknown" => Answer::Nothing,
            "error" if is_refused_for_good(&result.answer) => Answer::NoList,
            _ => list_version(&result.answer).and_then(Value::as_i64).map_or(Answer::Refused, Answer::Fine),
        }
    }

    /// Sends list entries in as many messages as the station needs. Versions only rise.
    async fn send_list(&self, id: &StationId, version: &mut i64, full: bool, entries: &[ListEntry], at_once: usize) -> Answer<()> {
        let pieces: Vec<&[ListEntry]> = if entries.is_empty() { vec![entries] } else { entries.chunks(at_once).collect() };
        if full {
            // Kept before: a station that did not get all of it is behind, and is sent the whole again.
            let last = *version + i64::try_from(pieces.len()).unwrap_or(i64::MAX);
            if self.store.save_list_version(id, last).await.is_err() {
                return Answer::Nothing;
            }
        }
        for (place, piece) in pieces.into_iter().enumerate() {
            *version += 1;
            let command = StationCommand::UpdateList { version: *version, full: full && place == 0, entries: piece.to_vec() };
            let result = match self.send_command(id, &command, SENT_BY).await {
                Ok(result) => result,
                Err(AppError::Invalid { .. }) => return Answer::Refused,
                Err(_) => return Answer::Nothing,
            };
            match result.outcome.as_str() {
                "accepted" => {}
                "not_supported" => return Answer::NoList,
                "error" if is_refused_for_good(&result.answer) => return Answer::NoList,
                "unknown" => return Answer::Nothing,
                _ => return Answer::Refused,
            }
            if !full && self.store.save_list_version(id, *version).await.is_err() {
                return Answer::Nothing;
            }
        }
        Answer::Fine(())
    }
}

/// A list has more entries than it may hold.
struct TooLong;

/// The version of a list that an answer tells, in either version's word.
fn list_version(answer: &Value) -> Option<&Value> {
    answer.get("listVersion").or_else(|| answer.get("versionNumber"))
}

/// Whether a station's error says that it never does what it was asked.
pub(super) fn is_refused_for_good(answer: &Value) -> bool {
    matches!(answer.get("error").and_then(Value::as_str), Some("NotSupported" | "NotImplemented"))
}

/// The spellings of a card under which a list is to hold it: as it was registered, and without separators, as
/// readers mostly tell it. None, where it is longer than a list of the station's version takes.
pub(super) fn spellings(id_tag: &IdTag, tag_max: usize) -> Vec<&str> {
    let (sent, plain) = (id_tag.as_sent(), id_tag.matched());
    let mut all = vec![sent];
    // A list knows no case: two spellings that differ by it alone would be one card twice.
    if sent.to_uppercase() != plain {
        all.push(plain);
    }
    all.retain(|text| text.chars().count() <= tag_max);
    all
}

fn entries(deliveries: &[Delivery], protocol: Protocol) -> Vec<ListEntry> {
    let mut entries = Vec::new();
    for one in deliveries {
        for text in spellings(&one.id_tag, protocol.list_tag_max()) {
            let blocked = one.reach == Reach::Block;
            entries.extend(protocol.list_types().iter().map(|kind| ListEntry { id_tag: text.to_owned(), kind: *kind, blocked }));
        }
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_is_listed_in_each_spelling_that_fits_and_never_twice_in_one() {
        for (registered, expected) in [
            ("04a2b3c4", &["04a2b3c4"][..]),
            ("04:A2:B3:C4", &["04:A2:B3:C4", "04A2B3C4"]),
            ("04:a2:b3:c4:d5:e6:80", &["04:a2:b3:c4:d5:e6:80", "04A2B3C4D5E680"]),
            ("04:A2:B3:C4:D5:E6:80:11", &["04A2B3C4D5E68011"]),
            ("ABCDEFGHIJKLMNOPQRSTU", &[]),
        ] {
            assert_eq!(spellings(&IdTag::new(registered), 20), expected, "{registered}");
        }
    }
}

//! How a station's local authorization list is brought up to date: the difference first, the whole list where
//! that is refused, versions that only rise.

use std::sync::Arc;

use tracing::{info, warn};

use crate::commands::capabilities::is_refused_for_good;
use crate::commands::settings::SENT_BY;
use crate::deliveries::Deliveries;
use crate::error::{AppError, Done};
use juden_domain::authorization::{Place, judge};
use juden_domain::blocking::StationSettings;
use juden_domain::ids::{IdTag, StationId};
use juden_ocpp::command_intent;
use juden_ocpp::event::{ListEntry, ListStanding, StationCommand, TagAnswer};
use juden_ocpp::protocol::Protocol;
use juden_store::blocks::{BlockOrAllow, Delivery, DeliveryState};

/// Entries of a whole list at most; of more blocked cards than that a station is to forget its cache.
const WHOLE_LIST_MAX: usize = 10_000;

/// What became of telling by the list.
pub(crate) enum Listed {
    /// The station's list says so much.
    Told(Held),
    /// The station has no list.
    NoList,
    /// It takes no list that it was sent; what it holds now is not known.
    Refused,
    /// It may work another time.
    Later,
}

/// What a station's list holds once it took what it was sent.
#[derive(Default)]
pub(crate) struct Held {
    /// What it says now.
    pub told: Vec<Delivery>,
    /// Accepted cards that it has no room for.
    pub left_out: Vec<Delivery>,
    /// Blocked cards that it has no room for: it does not hold them as accepted either.
    pub unlisted: Vec<Delivery>,
    /// Whether that is all that it says.
    pub whole: bool,
}

/// What a station answered to a message about its list.
enum ListAnswer<T> {
    Fine(T),
    Refused,
    NoList,
    Nothing,
}

/// What a station's list is to hold, by what it has room for. A card that it cannot hold at all is in neither.
#[derive(Default)]
struct Split {
    fits: Vec<Delivery>,
    left_out: Vec<Delivery>,
    unlisted: Vec<Delivery>,
}

impl Deliveries {
    /// Enters blocked cards into the station's list, takes out those that are valid again, and holds those of its
    /// site's list as accepted.
    pub(crate) async fn tell_by_list(
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
                ListAnswer::Fine(version) if version >= 0 => version,
                ListAnswer::Fine(_) | ListAnswer::NoList => return Listed::NoList,
                ListAnswer::Refused => return Listed::Refused,
                ListAnswer::Nothing => return Listed::Later,
            };
            let Ok(kept) = self.store.list_version(id).await else { return Listed::Later };
            version = version.max(next_base(told, kept));
            // A list that is not the one that was sent: the station lost it, did not get all of it, or has another's.
            let full = full || told != kept || self.telling.is_doubted(id);
            let Ok((entries, held)) =
                self.list_to_send(id, settings, pending, protocol, full).await
            else {
                return Listed::Later;
            };
            if entries.is_empty() && !held.whole {
                return Listed::Told(held);
            }
            match self
                .send_list(id, &mut version, held.whole, &entries, settings.entries_at_once())
                .await
            {
                ListAnswer::Fine(()) => {
                    if held.whole {
                        self.telling.no_longer_doubted(id);
                    }
                    return Listed::Told(held);
                }
                ListAnswer::Refused => {}
                ListAnswer::NoList => return Listed::NoList,
                ListAnswer::Nothing => return Listed::Later,
            }
        }
        Listed::Refused
    }

    /// What a station's list is to be sent: what is pending, or the whole where that is wanted, where the station says how
    /// much it holds and that is less, or where it has room again; with what the list holds then.
    async fn list_to_send(
        &self,
        id: &StationId,
        settings: &StationSettings,
        pending: &[Delivery],
        protocol: Protocol,
        full: bool,
    ) -> Done<(Vec<ListEntry>, Held)> {
        let may_be_too_much =
            settings.entries_in_all().is_some() && self.store.has_listed(id).await?;
        if full || may_be_too_much {
            let most = settings.entries_in_all().unwrap_or(WHOLE_LIST_MAX).min(WHOLE_LIST_MAX);
            let all =
                self.store.list_at(id, i64::try_from(WHOLE_LIST_MAX).unwrap_or(i64::MAX)).await?;
            let Split { fits, left_out, unlisted } = split(all, most, protocol);
            let has_room_again = fits.iter().any(|one| one.state == DeliveryState::Unsupported);
            if full || !left_out.is_empty() || !unlisted.is_empty() || has_room_again {
                // What is to be taken out is not in the whole list.
                let gone = pending
                    .iter()
                    .filter(|one| one.reach == BlockOrAllow::Allow && !one.listed)
                    .cloned();
                let told = self
                    .store
                    .begin_listing(&fits.into_iter().chain(gone).collect::<Vec<_>>())
                    .await?;
                let stays: Vec<Delivery> = told
                    .iter()
                    .filter(|one| one.reach == BlockOrAllow::Block || one.listed)
                    .cloned()
                    .collect();
                let entries = self.entries_of(&stays, protocol).await?;
                return Ok((entries, Held { told, left_out, unlisted, whole: true }));
            }
        }
        let told = self.store.begin_listing(pending).await?;
        let entries = self.entries_of(&told, protocol).await?;
        Ok((entries, Held { told, ..Held::default() }))
    }

    async fn entries_of(
        &self,
        deliveries: &[Delivery],
        protocol: Protocol,
    ) -> Done<Vec<ListEntry>> {
        let mut entries = Vec::new();
        for one in deliveries {
            entries.extend(self.entries(one, protocol).await?);
        }
        Ok(entries)
    }

    /// The entries of one card, one for each spelling and type.
    async fn entries(&self, one: &Delivery, protocol: Protocol) -> Done<Vec<ListEntry>> {
        let standing = match (one.reach, one.listed) {
            (BlockOrAllow::Block, _) => ListStanding::Blocked,
            (BlockOrAllow::Allow, false) => ListStanding::Absent,
            (BlockOrAllow::Allow, true) => self.listed_as(&one.id_tag).await?,
        };
        let mut entries = Vec::new();
        for text in spellings(one, protocol.list_tag_max()) {
            let entry = |kind: Option<&'static str>| ListEntry {
                id_tag: text.to_owned(),
                kind,
                standing: standing.clone(),
            };
            entries.extend(protocol.list_types().iter().copied().map(entry));
        }
        Ok(entries)
    }

    /// How a card of the site's list stands there: as it is judged now, until its membership ends.
    async fn listed_as(&self, id_tag: &IdTag) -> Done<ListStanding> {
        let (file, programme) = (self.cards.find(id_tag).await?, self.programme.current());
        let verdict = judge(file.as_deref(), self.clock.now(), Place::Open, false, &programme);
        if verdict.refusal.is_some() {
            return Ok(ListStanding::Blocked);
        }
        let end = file
            .as_ref()
            .and_then(|file| file.member.as_ref())
            .and_then(|member| member.end(&programme));
        Ok(ListStanding::Accepted(TagAnswer { verdict, cache_until: end.map(|end| end.at) }))
    }

    /// Looks whether a station that returned still has the list that it was sent. Where not, it is sent all of it again.
    pub(crate) async fn reconcile_list(&self, id: &StationId) -> Done<()> {
        let kept = self.store.list_version(id).await?;
        if kept > 0 {
            match self.list_version_of(id).await {
                ListAnswer::Fine(told) if told == kept => {}
                ListAnswer::Nothing => return Ok(()),
                ListAnswer::Fine(_) | ListAnswer::Refused | ListAnswer::NoList => {
                    info!(station_id = %id, sent = kept, "a station no longer has the list that it was sent: it is sent all of it again");
                    return Ok(self.store.relist(id, self.clock.now()).await?);
                }
            }
        }
        // What it had no list for before, it may have one for now.
        if self.store.has_listed(id).await? {
            self.store.relist_unsupported(id, self.clock.now()).await?;
        }
        Ok(())
    }

    /// A station tells that its list and our answers contradict each other (1.6 section 3.5.2): it is sent the whole list,
    /// once in a while.
    pub(crate) async fn resend_list(self: &Arc<Self>, id: &StationId) {
        if !self.telling.doubt(id) {
            return;
        }
        match self.store.relist(id, self.clock.now()).await {
            Ok(()) => self.tell_soon(id),
            Err(cause) => {
                warn!(station_id = %id, %cause, "a station's list could not be sent again");
            }
        }
    }

    /// The version of a station's list as it tells it; below 0: it has none.
    async fn list_version_of(&self, id: &StationId) -> ListAnswer<i64> {
        let Ok(result) =
            self.commands.send_command(id, &StationCommand::GetListVersion, SENT_BY).await
        else {
            return ListAnswer::Nothing;
        };
        match result.outcome.as_str() {
            "unknown" => ListAnswer::Nothing,
            "error" if is_refused_for_good(&result.answer) => ListAnswer::NoList,
            // Below 0: it has none. What is no number that the standard has is no version.
            _ => command_intent::list_version(&result.answer)
                .filter(|version| *version <= VERSION_MAX)
                .map_or(ListAnswer::Refused, ListAnswer::Fine),
        }
    }

    /// Sends list entries in as many messages as the station needs. Versions only rise.
    async fn send_list(
        &self,
        id: &StationId,
        version: &mut i64,
        full: bool,
        entries: &[ListEntry],
        at_once: usize,
    ) -> ListAnswer<()> {
        let pieces: Vec<&[ListEntry]> =
            if entries.is_empty() { vec![entries] } else { entries.chunks(at_once).collect() };
        if full {
            // Kept before: a station that did not get all of it is behind, and is sent the whole again.
            let last = *version + i64::try_from(pieces.len()).unwrap_or(i64::MAX);
            if self.store.save_list_version(id, last).await.is_err() {
                return ListAnswer::Nothing;
            }
        }
        for (place, piece) in pieces.into_iter().enumerate() {
            // A station that went to another node is told by that.
            if self.cluster.connection(id).is_none() {
                return ListAnswer::Nothing;
            }
            *version += 1;
            let command = StationCommand::UpdateList {
                version: *version,
                full: full && place == 0,
                entries: piece.to_vec(),
            };
            let result = match self.commands.send_command(id, &command, SENT_BY).await {
                Ok(result) => result,
                Err(AppError::Invalid { .. }) => return ListAnswer::Refused,
                Err(_) => return ListAnswer::Nothing,
            };
            match result.outcome.as_str() {
                "accepted" => {}
                "not_supported" => return ListAnswer::NoList,
                "error" if is_refused_for_good(&result.answer) => return ListAnswer::NoList,
                "unknown" => return ListAnswer::Nothing,
                _ => return ListAnswer::Refused,
            }
            if !full && self.store.save_list_version(id, *version).await.is_err() {
                return ListAnswer::Nothing;
            }
        }
        ListAnswer::Fine(())
    }
}

/// Divides what a list is to hold, the most important first, by the entries that it has room for.
fn split(all: Vec<Delivery>, most: usize, protocol: Protocol) -> Split {
    let (mut split, mut entries) = (Split::default(), 0);
    for one in all {
        let count = spellings(&one, protocol.list_tag_max()).len() * protocol.list_types().len();
        match one.reach {
            _ if count == 0 => {}
            _ if entries + count <= most => {
                entries += count;
                split.fits.push(one);
            }
            BlockOrAllow::Allow => split.left_out.push(one),
            BlockOrAllow::Block => split.unlisted.push(one),
        }
    }
    split
}

/// The highest version of a list that can be sent, and from where on a list begins anew: what is left would soon be used up.
const VERSION_MAX: i64 = 2_147_483_647;
const VERSION_HIGH: i64 = 2_000_000_000;

/// The version above which the next one is to be: of what a station tells and what it was sent the higher, as long as that
/// leaves room.
fn next_base(told: i64, kept: i64) -> i64 {
    [told.max(kept), told].into_iter().find(|version| *version < VERSION_HIGH).unwrap_or(0)
}

/// The spellings under which a list is to hold a card: of each of its readings.
pub(crate) fn spellings(one: &Delivery, tag_max: usize) -> Vec<&str> {
    let tags = std::iter::once(&one.id_tag).chain(&one.readings);
    tags.flat_map(|id_tag| spellings_of(id_tag, tag_max)).collect()
}

/// The spellings of a reading under which a list is to hold it: as it was registered, and without separators, as
/// readers mostly tell it. None, where it is longer than a list of the station's version takes.
fn spellings_of(id_tag: &IdTag, tag_max: usize) -> Vec<&str> {
    let (sent, plain) = (id_tag.as_sent(), id_tag.matched());
    let mut all = vec![sent];
    // A list knows no case: two spellings that differ by it alone would be one card twice.
    if sent.to_uppercase() != plain {
        all.push(plain);
    }
    all.retain(|text| text.chars().count() <= tag_max);
    all
}

#[cfg(test)]
#[path = "local_list_tests.rs"]
mod tests;

//! Stations learn of blocked cards, each with its own state, retried until they know (rule R4.2c). How a list is
//! brought up to date stands in `local_list`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::TimeDelta;
use moka::sync::Cache;
use tokio::sync::Semaphore;
use tracing::{info, warn};

use crate::commands::capabilities::is_refused_for_good;
use crate::commands::sending::CommandResult;
use crate::commands::settings::SENT_BY;
use crate::deliveries::Deliveries;
use crate::deliveries::local_list::{Held, Listed, spellings};
use juden_domain::blocking::{Means, StationSettings, has_cache, means};
use juden_domain::ids::StationId;
use juden_ocpp::event::StationCommand;
use juden_ocpp::protocol::Protocol;
use juden_store::StationRecord;
use juden_store::blocks::{BlockOrAllow, Delivery, DeliveryOutcome, DeliveryState};

/// How often it is looked whether a station is to be told something.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Stations told at once. Most of the time each is waited for.
const AT_ONCE: usize = 128;

/// Cards told to a station between two reads of the store.
const CARDS_AT_ONCE: i64 = 500;

/// Waits before a station is tried again: the first, doubled up to the last. One that returns is told at once.
const RETRY_FIRST_S: i64 = 30;
const RETRY_LAST_S: i64 = 3_600;

/// A station that tells that its list contradicts our answers is sent all of it once within this time; how many are known.
const DOUBTED_FOR: Duration = Duration::from_secs(600);
const DOUBTED_MAX: u64 = 100_000;

/// The means, as they are kept.
const LOCAL_LIST: &str = "local_list";
const CLEAR_CACHE: &str = "clear_cache";

/// Keeps two tellings of one station apart, and all of them few.
#[derive(Debug)]
pub struct Telling {
    /// Stations whose telling waits or is under way, and whether it is to begin again once it is done.
    under_way: Mutex<BTreeMap<StationId, bool>>,
    places: Semaphore,
    /// Stations whose list contradicts our answers: whether they are still to be sent all of it.
    doubted: Cache<StationId, bool>,
}

impl Default for Telling {
    fn default() -> Self {
        let doubted = Cache::builder().max_capacity(DOUBTED_MAX).time_to_live(DOUBTED_FOR).build();
        Self { under_way: Mutex::default(), places: Semaphore::new(AT_ONCE), doubted }
    }
}

impl Telling {
    /// Takes a station's turn where nobody has it. Who does not get it, and has news, leaves word that it is to
    /// begin again.
    fn begin(&self, station: &StationId, news: bool) -> bool {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        match under_way.get_mut(station) {
            Some(again) => {
                *again |= news;
                false
            }
            None => under_way.insert(station.clone(), false).is_none(),
        }
    }

    /// Ends a turn, unless it is to begin again.
    fn ends(&self, station: &StationId) -> bool {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        let again = under_way.get_mut(station).is_some_and(std::mem::take);
        if !again {
            under_way.remove(station);
        }
        !again
    }

    /// Notes that a station's list contradicts our answers; `false`: it did so lately.
    pub(crate) fn doubt(&self, station: &StationId) -> bool {
        self.doubted.entry(station.clone()).or_insert(true).is_fresh()
    }

    /// Whether a station's list contradicts our answers, and it was not sent all of it since.
    pub(crate) fn is_doubted(&self, station: &StationId) -> bool {
        self.doubted.get(station) == Some(true)
    }

    /// Notes that it was.
    pub(crate) fn no_longer_doubted(&self, station: &StationId) {
        if self.is_doubted(station) {
            self.doubted.insert(station.clone(), false);
        }
    }
}

/// A station's turn in the block delivery. A turn that breaks off is given up on drop, so that the delivery can begin
/// again.
struct Turn {
    app: Arc<Deliveries>,
    station: StationId,
    ended: bool,
}

impl Drop for Turn {
    fn drop(&mut self) {
        if !self.ended {
            self.app
                .telling
                .under_way
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .remove(&self.station);
        }
    }
}

fn firmware(station: &StationRecord) -> Option<&str> {
    station.observed.boot.as_ref().and_then(|boot| boot.firmware.as_deref())
}

/// What became of one way of telling.
#[derive(Clone, Copy)]
enum TellingResult {
    Delivered(&'static str),
    /// Its list holds this, and nothing else, whatever was known of it before.
    HoldsWhole,
    /// The station has no such means.
    NoMeans,
    /// Its list has no room for it, whatever was known of it before.
    NoRoom,
    /// It may work another time.
    Later,
}

impl Deliveries {
    /// Tells the stations that are connected here what they are to learn, for as long as it is polled.
    pub async fn keep_telling(self: &Arc<Self>) {
        loop {
            let _ = tokio::time::timeout(LOOK_EVERY, self.cards.changed.notified()).await;
            match self.store.stations_to_tell(&self.cluster.stations(), self.clock.now()).await {
                Ok(stations) => stations.iter().for_each(|station| self.take_turn(station, false)),
                Err(cause) => {
                    warn!(%cause, "it could not be looked which stations are to be told of cards");
                }
            }
        }
    }

    /// Tells a station that returned everything that it is still to learn, however long it was to wait.
    pub fn tell_soon(self: &Arc<Self>, id: &StationId) {
        self.take_turn(id, true);
    }

    /// Has a station told, by a task of its own: one at most, whether it waits for a place or talks.
    fn take_turn(self: &Arc<Self>, id: &StationId, news: bool) {
        if !self.telling.begin(id, news) {
            return;
        }
        let mut turn = Turn { app: self.clone(), station: id.clone(), ended: false };
        let app = self.clone();
        tokio::spawn(async move {
            let Ok(_place) = app.telling.places.acquire().await else { return };
            while !turn.ended {
                app.tell(&turn.station).await;
                turn.ended = app.telling.ends(&turn.station);
            }
        });
    }

    async fn tell(&self, id: &StationId) {
        let mut before = Vec::new();
        loop {
            let Ok(pending) = self.store.pending_at(id, CARDS_AT_ONCE).await else { return };
            // What telling does not change is not told again in the same breath.
            if pending.is_empty() || pending == before {
                return;
            }
            before.clone_from(&pending);
            // A station that went to another node is told by that.
            if self.cluster.connection(id).is_none() {
                return;
            }
            let Ok(Some(station)) = self.store.station(id).await else { return };
            let mut all = true;
            for (part, outcome) in self.tell_station(&station, pending).await {
                all &= self.keep_told(id, &part, outcome).await;
            }
            if !all {
                return;
            }
        }
    }

    /// Keeps what a station was told. Whether it is to be told more at once.
    async fn keep_told(&self, id: &StationId, part: &[Delivery], outcome: TellingResult) -> bool {
        let at = self.clock.now();
        let waits = part.iter().filter(|one| one.state == DeliveryState::Pending);
        let tries = waits.map(|one| one.tries).max().unwrap_or_default();
        let wait_s = (RETRY_FIRST_S << tries.clamp(0, 10)).min(RETRY_LAST_S);
        let (state, by) = match outcome {
            // What a list may hold counts as listed until it was told otherwise.
            TellingResult::Delivered(CLEAR_CACHE) if part.iter().all(may_be_listed) => {
                (DeliveryState::Delivered, None)
            }
            TellingResult::Delivered(by) => (DeliveryState::Delivered, Some(by)),
            TellingResult::HoldsWhole => (DeliveryState::Delivered, Some(LOCAL_LIST)),
            TellingResult::NoMeans | TellingResult::NoRoom => (DeliveryState::Unsupported, None),
            TellingResult::Later => (DeliveryState::Pending, None),
        };
        let whole = matches!(outcome, TellingResult::HoldsWhole | TellingResult::NoRoom);
        let told = DeliveryOutcome {
            state,
            means: by,
            at,
            next_try_at: at + TimeDelta::seconds(wait_s),
            whole,
        };
        // Of a whole list, most was known before.
        let news: Vec<&Delivery> =
            part.iter().filter(|one| one.state == DeliveryState::Pending).collect();
        if let Err(cause) = self.store.save_told(part, &told).await {
            warn!(station_id = %id, %cause, "what a station was told could not be kept; it is told again");
            return false;
        }
        info!(station_id = %id, cards = news.len(), state = state.code(), means = by.unwrap_or("none"), "a station was told of cards");
        metrics::counter!("juden_block_deliveries_total", "state" => state.code()).increment(1);
        if state == DeliveryState::Pending {
            return false;
        }
        for one in news.into_iter().filter(|one| one.reach == BlockOrAllow::Block) {
            let took = (at - one.since).to_std().unwrap_or_default();
            metrics::histogram!("juden_block_delivery_seconds").record(took.as_secs_f64());
        }
        true
    }

    /// Whether a station is told of cards by its local list, which is switched on where it may be.
    async fn tells_by_list(
        &self,
        station: &StationRecord,
        settings: &StationSettings,
        protocol: Protocol,
        pending: &[Delivery],
    ) -> bool {
        match means(settings, station.may_configure) {
            Means::List => true,
            Means::SwitchOnList => {
                self.switch_on_list(&station.id, protocol, firmware(station)).await
            }
            Means::ClearCache => {
                // A list that is off may come on again, with what it held.
                if pending.iter().any(may_be_listed) {
                    self.list_is_behind(&station.id).await;
                }
                false
            }
        }
    }

    /// Tells a station of cards by the best means that it has for each.
    async fn tell_station(
        &self,
        station: &StationRecord,
        pending: Vec<Delivery>,
    ) -> Vec<(Vec<Delivery>, TellingResult)> {
        let settings = if let Some(known) = station.settings() {
            known
        } else {
            self.commands.ask_configuration(&station.id, firmware(station)).await;
            let told = self.store.station(&station.id).await.ok().flatten();
            told.as_ref().and_then(StationRecord::settings).unwrap_or_default()
        };
        let protocol = self.commands.protocol_of(&station.id).await.unwrap_or(Protocol::OF_ABSENT);
        let by_list = self.tells_by_list(station, &settings, protocol, &pending).await;
        let (listed, mut others): (Vec<_>, Vec<_>) = pending
            .into_iter()
            .partition(|one| by_list && !spellings(one, protocol.list_tag_max()).is_empty());
        let mut told = Vec::new();
        if !listed.is_empty() {
            match self.tell_by_list(&station.id, &settings, &listed, protocol).await {
                Listed::Told(Held { told: part, left_out, unlisted, whole }) => {
                    // What is in none of them was not sent: there was no room for a look at it.
                    let known = |one: &Delivery| {
                        part.iter()
                            .chain(&left_out)
                            .chain(&unlisted)
                            .any(|other| other.card == one.card)
                    };
                    let rest = listed.into_iter().filter(|one| whole && !known(one)).collect();
                    let outcome = if whole {
                        TellingResult::HoldsWhole
                    } else {
                        TellingResult::Delivered(LOCAL_LIST)
                    };
                    told.extend([
                        (part, outcome),
                        (left_out, TellingResult::NoRoom),
                        (rest, TellingResult::Later),
                    ]);
                    others.extend(
                        unlisted.into_iter().filter(|one| one.state == DeliveryState::Pending),
                    );
                }
                Listed::Later => told.push((listed, TellingResult::Later)),
                Listed::NoList => {
                    // What it held comes back with its list: it is sent all of it then.
                    if listed.iter().any(may_be_listed) {
                        self.list_is_behind(&station.id).await;
                    }
                    others.extend(listed);
                }
                Listed::Refused => {
                    // Whatever the list holds of it must be taken out again one day: it counts as listed.
                    let (blocked, allowed): (Vec<_>, Vec<_>) =
                        listed.into_iter().partition(|one| one.reach == BlockOrAllow::Block);
                    let outcome = match self.tell_by_cache(&station.id, &settings, &blocked).await {
                        TellingResult::Delivered(_) if !settings.takes_unknown_cards() => {
                            TellingResult::Delivered(LOCAL_LIST)
                        }
                        _ => TellingResult::Later,
                    };
                    // Whatever it held as accepted it holds still: that is tried again.
                    let (held, blocked): (Vec<_>, Vec<_>) =
                        blocked.into_iter().partition(may_be_listed);
                    told.extend([
                        (blocked, outcome),
                        (held, TellingResult::Later),
                        (allowed, TellingResult::Later),
                    ]);
                }
            }
        }
        // Only a list can hold a card as accepted.
        let (only_listed, others): (Vec<_>, Vec<_>) =
            others.into_iter().partition(|one| one.listed && one.reach == BlockOrAllow::Allow);
        told.push((only_listed, TellingResult::NoMeans));
        if !others.is_empty() {
            let outcome = self.tell_by_cache(&station.id, &settings, &others).await;
            let (blocked, others): (Vec<_>, Vec<_>) =
                others.into_iter().partition(|one| one.reach == BlockOrAllow::Block);
            // A station that takes any card while it is cut off charges with a forgotten one: the block waits for a list.
            let of_blocked =
                if settings.takes_unknown_cards() { TellingResult::Later } else { outcome };
            let (listed, blocked): (Vec<_>, Vec<_>) = blocked.into_iter().partition(may_be_listed);
            told.extend([(blocked, of_blocked), (listed, of_blocked)]);
            let (listed, others): (Vec<_>, Vec<_>) = others.into_iter().partition(may_be_listed);
            told.extend([(others, outcome), (listed, outcome)]);
        }
        told.retain(|(part, _)| !part.is_empty());
        told
    }

    /// Notes that a station's list does not hold what it is to hold: it is sent all of it once it can be.
    async fn list_is_behind(&self, id: &StationId) {
        let behind = async {
            let kept = self.store.list_version(id).await?;
            self.store.save_list_version(id, kept.saturating_add(1)).await
        };
        if let Err(cause) = behind.await {
            warn!(station_id = %id, %cause, "it could not be kept that a station's list is behind");
        }
    }

    async fn switch_on_list(
        &self,
        id: &StationId,
        protocol: Protocol,
        firmware: Option<&str>,
    ) -> bool {
        let mut switched = false;
        let switches = protocol.list_switches();
        for key in switches {
            let command =
                StationCommand::ChangeConfiguration { key: key.into(), value: "true".into() };
            let accepted = self
                .commands
                .send_command(id, &command, SENT_BY)
                .await
                .is_ok_and(|result| result.outcome == "accepted");
            switched |= accepted && key == switches[0];
        }
        if switched {
            // What the station told of its settings no longer holds: it is asked again.
            self.commands.ask_configuration(id, firmware).await;
        }
        switched
    }

    /// Has a station forget which cards it has accepted. A card that is valid again it learns by itself.
    async fn tell_by_cache(
        &self,
        id: &StationId,
        settings: &StationSettings,
        pending: &[Delivery],
    ) -> TellingResult {
        if pending.iter().all(|one| one.reach == BlockOrAllow::Allow) {
            return TellingResult::Delivered(CLEAR_CACHE);
        }
        match self.commands.send_command(id, &StationCommand::ClearCache, SENT_BY).await {
            Ok(CommandResult { outcome, answer, .. }) => match outcome.as_str() {
                "accepted" => TellingResult::Delivered(CLEAR_CACHE),
                "rejected" if has_cache(settings) => TellingResult::Later,
                "rejected" => TellingResult::NoMeans,
                "error" if is_refused_for_good(&answer) => TellingResult::NoMeans,
                _ => TellingResult::Later,
            },
            Err(_) => TellingResult::Later,
        }
    }
}

/// Whether a station's list may hold something of a card, as far as is known.
fn may_be_listed(one: &Delivery) -> bool {
    one.means.as_deref() == Some(LOCAL_LIST)
}

#[cfg(test)]
#[path = "block_delivery_tests.rs"]
mod tests;

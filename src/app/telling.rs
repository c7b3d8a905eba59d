//! Stations learn of blocked cards, each with its own state, retried until they know (rule R4.2c).

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::TimeDelta;
use serde_json::Value;
use tokio::sync::Semaphore;
use tracing::{info, warn};

use super::App;
use super::commands::CommandResult;
use crate::domain::blocking::{Means, StationSettings, has_cache, means};
use crate::domain::ids::StationId;
use crate::ocpp::event::{ListEntry, StationCommand};
use crate::store::StationRecord;
use crate::store::blocks::{Delivery, DeliveryState, Reach, Told};

/// How often it is looked whether a station is to be told something.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Stations told at once.
const AT_ONCE: usize = 32;

/// Cards told to a station between two reads of the store.
const CARDS_AT_ONCE: i64 = 500;

/// Waits before a station is tried again: the first, doubled up to the last. One that returns is told at once.
const RETRY_FIRST_S: i64 = 30;
const RETRY_LAST_S: i64 = 3_600;

/// The name under which Juden's own commands are kept.
const SENT_BY: &str = "juden";

/// Keeps two tellings of one station apart, and all of them few.
#[derive(Debug)]
pub struct Telling {
    under_way: Mutex<BTreeSet<StationId>>,
    places: Semaphore,
}

impl Default for Telling {
    fn default() -> Self {
        Self { under_way: Mutex::default(), places: Semaphore::new(AT_ONCE) }
    }
}

struct Turn<'a>(&'a Telling, StationId);

impl Telling {
    fn begin(&self, station: &StationId) -> Option<Turn<'_>> {
        let begun = self.under_way.lock().unwrap_or_else(PoisonError::into_inner).insert(station.clone());
        begun.then(|| Turn(self, station.clone()))
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.under_way.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.1);
    }
}

/// What became of one way of telling.
enum Outcome {
    Delivered(&'static str),
    /// The station has no such means.
    NoMeans,
    /// It may work another time.
    Later,
}

impl App {
    /// Tells the stations that are connected here what they are to learn, for as long as it is polled.
    pub async fn keep_telling(self: &Arc<Self>) {
        loop {
            let _ = tokio::time::timeout(LOOK_EVERY, self.cards.changed.notified()).await;
            match self.store.stations_to_tell(&self.cluster.stations(), self.now()).await {
                Ok(stations) => {
                    for station in stations {
                        let app = self.clone();
                        tokio::spawn(async move {
                            let Ok(_place) = app.telling.places.acquire().await else { return };
                            app.tell(&station).await;
                        });
                    }
                }
                Err(cause) => warn!(%cause, "it could not be looked which stations are to be told of cards"),
            }
        }
    }

    /// Tells a station everything that it is still to learn.
    pub async fn tell(&self, id: &StationId) {
        let Some(_turn) = self.telling.begin(id) else { return };
        loop {
            let Ok(pending) = self.store.pending_at(id, CARDS_AT_ONCE).await else { return };
            let Some(tries) = pending.iter().map(|one| one.tries).max() else { return };
            let Ok(Some(station)) = self.store.station(id).await else { return };
            let outcome = self.tell_station(&station, &pending).await;
            let at = self.now();
            let wait_s = (RETRY_FIRST_S << tries.clamp(0, 10)).min(RETRY_LAST_S);
            let (state, by) = match outcome {
                Outcome::Delivered(by) => (DeliveryState::Delivered, Some(by)),
                Outcome::NoMeans => (DeliveryState::Unsupported, None),
                Outcome::Later => (DeliveryState::Pending, None),
            };
            let told = Told { state, means: by, at, next_try_at: at + TimeDelta::seconds(wait_s) };
            if let Err(cause) = self.store.save_told(&pending, &told).await {
                warn!(station_id = %id, %cause, "what a station was told could not be kept; it is told again");
                return;
            }
            info!(station_id = %id, cards = pending.len(), state = state.code(), means = by.unwrap_or("none"), "a station was told of cards");
            metrics::counter!("juden_block_deliveries_total", "state" => state.code()).increment(1);
            if state == DeliveryState::Pending {
                return;
            }
            for one in &pending {
                let took = (at - one.since).to_std().unwrap_or_default();
                metrics::histogram!("juden_block_delivery_seconds").record(took.as_secs_f64());
            }
        }
    }

    async fn tell_station(&self, station: &StationRecord, pending: &[Delivery]) -> Outcome {
        let settings = match station_settings(station) {
            Some(known) => known,
            None => {
                self.ask_configuration(&station.id, station.boot.as_ref().and_then(|boot| boot.firmware.as_deref())).await;
                let told = self.store.station(&station.id).await.ok().flatten();
                told.as_ref().and_then(station_settings).unwrap_or_default()
            }
        };
        let listed = match means(&settings, station.may_configure) {
            Means::List => self.tell_by_list(&station.id, &settings, pending).await,
            Means::SwitchOnList => match self.switch_on_list(&station.id).await {
                true => self.tell_by_list(&station.id, &settings, pending).await,
                false => Outcome::NoMeans,
            },
            Means::ClearCache => Outcome::NoMeans,
        };
        match listed {
            Outcome::NoMeans => self.tell_by_cache(&station.id, &settings, pending).await,
            other => other,
        }
    }

    async fn switch_on_list(&self, id: &StationId) -> bool {
        let mut switched = false;
        for key in ["LocalAuthListEnabled", "LocalPreAuthorize"] {
            let command = StationCommand::ChangeConfiguration { key: key.into(), value: "true".into() };
            let accepted = self.send_command(id, &command, SENT_BY).await.is_ok_and(|result| result.outcome == "accepted");
            switched |= accepted && key == "LocalAuthListEnabled";
        }
        if switched {
            // What the station told of its settings no longer holds: it is asked again.
            self.ask_configuration(id, None).await;
        }
        switched
    }

    /// Enters blocked cards into the station's list, and takes out those that are valid again.
    async fn tell_by_list(&self, id: &StationId, settings: &StationSettings, pending: &[Delivery]) -> Outcome {
        let entries: Vec<ListEntry> = pending.iter().map(entry).collect();
        for full in [false, false, true] {
            let Some(told) = self.list_version_of(id).await else { return Outcome::Later };
            if told < 0 {
                return Outcome::NoMeans;
            }
            let entries = match full {
                false => entries.clone(),
                true => match self.store.blocked_at(id, CARDS_AT_ONCE).await {
                    Ok(blocked) => blocked.iter().map(entry).collect(),
                    Err(_) => return Outcome::Later,
                },
            };
            match self.send_list(id, told, full, &entries, settings.entries_at_once()).await.as_deref() {
                Some("accepted") => return Outcome::Delivered("local_list"),
                Some("version_mismatch" | "failed") => {}
                Some("not_supported" | "error") => return Outcome::NoMeans,
                Some(_) | None => return Outcome::Later,
            }
        }
        Outcome::Later
    }

    /// The version of a station's list as it tells it; below 0: it has none. `None`: it did not tell.
    async fn list_version_of(&self, id: &StationId) -> Option<i64> {
        let result = self.send_command(id, &StationCommand::GetListVersion, SENT_BY).await.ok()?;
        match result.outcome.as_str() {
            "error" => Some(-1),
            _ => result.answer.get("listVersion").and_then(Value::as_i64),
        }
    }

    /// Sends list entries in as many messages as the station needs; the last outcome. Versions only rise.
    async fn send_list(&self, id: &StationId, told: i64, full: bool, entries: &[ListEntry], at_once: usize) -> Option<String> {
        let kept = self.store.list_version(id).await.ok()?;
        let mut version = told.max(kept);
        let mut outcome = None;
        let pieces: Vec<&[ListEntry]> = if entries.is_empty() { vec![entries] } else { entries.chunks(at_once).collect() };
        for (place, piece) in pieces.into_iter().enumerate() {
            version += 1;
            let command = StationCommand::UpdateList { version, full: full && place == 0, entries: piece.to_vec() };
            let result = self.send_command(id, &command, SENT_BY).await.ok()?;
            let accepted = result.outcome == "accepted";
            outcome = Some(result.outcome);
            if !accepted {
                break;
            }
            self.store.save_list_version(id, version).await.ok()?;
        }
        outcome
    }

    /// Has a station forget which cards it has accepted. A card that is valid again it learns by itself.
    async fn tell_by_cache(&self, id: &StationId, settings: &StationSettings, pending: &[Delivery]) -> Outcome {
        if pending.iter().all(|one| one.reach == Reach::Allow) {
            return Outcome::Delivered("clear_cache");
        }
        match self.send_command(id, &StationCommand::ClearCache, SENT_BY).await {
            Ok(CommandResult { outcome, .. }) => match outcome.as_str() {
                "accepted" => Outcome::Delivered("clear_cache"),
                "rejected" if has_cache(settings) => Outcome::Later,
                "rejected" | "error" => Outcome::NoMeans,
                _ => Outcome::Later,
            },
            Err(_) => Outcome::Later,
        }
    }
}

fn entry(one: &Delivery) -> ListEntry {
    ListEntry { id_tag: one.id_tag.as_sent().to_owned(), blocked: one.reach == Reach::Block }
}

/// The settings that a station told, where it did.
fn station_settings(station: &StationRecord) -> Option<StationSettings> {
    let told: serde_json::Map<String, Value> = serde_json::from_str(station.configuration.as_deref()?).ok()?;
    Some(StationSettings::of(told.into_iter().filter_map(|(name, value)| Some((name, value.as_str()?.to_owned())))))
}

//! Passwords and security profiles that stations are told to come with (OCPP A01, A05). What a station came with before
//! stays right until it has come with the new, because an answer can be lost and a station can fail to take what it
//! accepted; a lower security profile is never sent.

use tracing::info;

use super::commands::CommandResult;
use super::{App, AppError, Done};
use crate::domain::ids::StationId;
use crate::ocpp::protocol::{CredentialsSet, credentials_outcome};
use crate::store::nodes::Changed;
use crate::store::{NextCredentials, StationRecord};

/// The highest security profile.
const PROFILE_MAX: u8 = 3;

impl App {
    /// Keeps what a command tells a station to come with, before it is sent.
    pub(super) async fn expect_credentials(&self, station: &StationRecord, set: &CredentialsSet) -> Done<()> {
        if let Some(profile) = set.security_profile
            && (profile <= station.security_profile || profile > PROFILE_MAX)
        {
            let allowed =
                format!("a security profile above {}, up to {PROFILE_MAX}: no station is sent to a lower one", station.security_profile);
            return Err(AppError::invalid("security_profile", allowed));
        }
        let mut next = station.next.clone();
        if let Some(password) = &set.password {
            next.password_hash = Some(self.passwords.hash(password).await?);
        }
        next.security_profile = set.security_profile.or(next.security_profile);
        self.store.save_next(&station.id, &next).await?;
        self.station_changed(&station.id).await
    }

    /// Keeps what the station answered: an accepted password is the only one from now on, a refused one is forgotten.
    /// Where nobody knows what the station did, both are right until it comes again.
    pub(super) async fn answered_credentials(&self, id: &StationId, set: &CredentialsSet, result: &CommandResult) -> Done<()> {
        let Some(station) = self.store.station(id).await? else { return Ok(()) };
        let mut next = station.next.clone();
        let mut password_hash = station.password_hash.clone();
        let outcome = match result.outcome.as_str() {
            known @ ("unknown" | "error" | "not_sent") => known.to_owned(),
            _ => credentials_outcome(&result.answer),
        };
        match outcome.as_str() {
            "unknown" => return Ok(()),
            "accepted" | "reboot_required" => {
                if set.password.is_some() && outcome == "accepted" {
                    password_hash = next.password_hash.take().or(password_hash);
                }
            }
            _ => {
                if set.password.is_some() {
                    next.password_hash = None;
                }
                if set.security_profile.is_some() {
                    next.security_profile = None;
                }
            }
        }
        self.store.settle(id, password_hash.as_deref(), station.security_profile, &next).await?;
        self.station_changed(id).await
    }

    /// Keeps what a station came with: its next profile, or its next password, or that it still has its old one.
    pub(super) async fn came_with(&self, station: &StationRecord, security_profile: u8, password: Option<KnownPassword>) -> Done<()> {
        let mut next = station.next.clone();
        let mut password_hash = station.password_hash.clone();
        if next.security_profile == Some(security_profile) {
            next.security_profile = None;
        }
        match password {
            Some(KnownPassword::Next) => password_hash = next.password_hash.take(),
            Some(KnownPassword::Current) => next.password_hash = None,
            None => {}
        }
        if next == station.next && security_profile == station.security_profile {
            return Ok(());
        }
        info!(station_id = %station.id, security_profile, "a station came with what it was told to come with, or stays with what it had");
        self.store.settle(&station.id, password_hash.as_deref(), security_profile, &next).await?;
        self.station_changed(&station.id).await
    }

    async fn station_changed(&self, id: &StationId) -> Done<()> {
        self.stations.refresh(id).await?;
        self.cluster.announce(&[Changed::Station(id.clone())]).await;
        Ok(())
    }
}

/// Which of a station's passwords was shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KnownPassword {
    /// The one that it has.
    Current,
    /// The one that it was told to come with.
    Next,
}

/// Whether a station still has something to come with.
pub(super) fn is_expected(next: &NextCredentials) -> bool {
    *next != NextCredentials::default()
}

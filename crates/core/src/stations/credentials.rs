//! Passwords and security profiles that stations come with.

use crate::error::Done;
use crate::stations::Stations;
use juden_domain::ids::StationId;
use juden_store::nodes::ChangedItem;
use juden_store::{NextCredentials, StationRecord};
use tracing::info;

/// Which of a station's passwords was shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KnownPassword {
    /// The one that it has.
    Current,
    /// The one that it was told to come with.
    Next,
}

/// Whether a station still has something to come with.
pub(crate) fn is_expected(next: &NextCredentials) -> bool {
    *next != NextCredentials::default()
}

impl Stations {
    /// Keeps what a station came with: its next profile, or its next password, or that it still has its old one.
    pub(crate) async fn came_with(
        &self,
        station: &StationRecord,
        security_profile: u8,
        password: Option<KnownPassword>,
    ) -> Done<()> {
        let mut next = station.next.clone();
        let mut password_hash = station.password_hash.clone();
        if next.security_profile == Some(security_profile) {
            next.security_profile = None;
        }
        match password {
            Some(KnownPassword::Next) => {
                (password_hash, next.after_reboot) = (next.password_hash.take(), false);
            }
            Some(KnownPassword::Current) if !next.after_reboot => next.password_hash = None,
            Some(KnownPassword::Current) | None => {}
        }
        if next == station.next && security_profile == station.security_profile {
            return Ok(());
        }
        info!(station_id = %station.id, security_profile, "a station came with what it was told to come with, or stays with what it had");
        self.store.settle(&station.id, password_hash.as_deref(), security_profile, &next).await?;
        self.station_changed(&station.id).await
    }

    /// Lets every node hear that a station's record changed.
    pub(crate) async fn station_changed(&self, id: &StationId) -> Done<()> {
        self.directory.refresh(id).await?;
        self.cluster.announce(&[ChangedItem::Station(id.clone())]).await;
        Ok(())
    }
}

//! Passwords and security profiles that stations are told to come with (OCPP A01, A05). What a station came with before
//! stays right until it has come with the new, because an answer can be lost and a station can fail to take what it
//! accepted; a lower security profile is never sent.

use crate::commands::Commands;
use crate::commands::sending::CommandResult;
use crate::error::{AppError, Done};
use juden_domain::ids::StationId;
use juden_ocpp::protocol::{CredentialsSet, credentials_outcome};

/// Words by which a station says that it did not take what it was told.
const REFUSALS: [&str; 8] = [
    "refused",
    "rejected",
    "failed",
    "not_supported",
    "unknown_component",
    "unknown_variable",
    "not_supported_attribute_type",
    "error",
];

/// The highest security profile.
const PROFILE_MAX: u8 = 3;

impl Commands {
    /// Keeps what a command tells a station to come with, before it is sent. One thing at a time: what a station did with
    /// an earlier password must be known before it is told another. What is left to wait for.
    pub(crate) async fn expect_credentials(
        &self,
        id: &StationId,
        set: &CredentialsSet,
    ) -> Done<CredentialsSet> {
        let station =
            self.store.station(id).await?.ok_or_else(|| AppError::not_found("station", id))?;
        let mut set = set.clone();
        if let Some(profile) = set.security_profile
            && (profile < station.security_profile || profile > PROFILE_MAX)
        {
            let allowed = format!(
                "a security profile from {} to {PROFILE_MAX}: no station is sent to a lower one",
                station.security_profile
            );
            return Err(AppError::invalid("security_profile", allowed));
        }
        // What it has, or was told before, changes nothing.
        let known = [Some(station.security_profile), station.next.security_profile];
        set.security_profile =
            set.security_profile.filter(|profile| !known.contains(&Some(*profile)));
        let waits = (set.password.is_some() && station.next.password_hash.is_some())
            || (set.security_profile.is_some() && station.next.security_profile.is_some());
        if waits {
            let why = "the station was told another password or security profile and has not come again since: wait for that, or register it anew";
            return Err(AppError::conflict("credentials_pending", why));
        }
        let mut next = station.next.clone();
        if let Some(password) = &set.password {
            next.password_hash = Some(self.stations.passwords.hash(password).await?);
        }
        next.security_profile = set.security_profile.or(next.security_profile);
        if next != station.next {
            self.store.save_next(id, &next).await?;
            self.stations.station_changed(id).await?;
        }
        Ok(set)
    }

    /// Keeps what the station answered: an accepted password is the only one from now on, a refused one is forgotten.
    /// Where nobody knows what the station did, both are right until it comes again.
    pub(crate) async fn answered_credentials(
        &self,
        id: &StationId,
        set: &CredentialsSet,
        result: &CommandResult,
    ) -> Done<()> {
        let Some(station) = self.store.station(id).await? else { return Ok(()) };
        let mut next = station.next.clone();
        let mut password_hash = station.password_hash.clone();
        let is_refused = result.outcome == "not_sent" || result.answer.get("description").is_some();
        let told = if is_refused {
            Some("refused".to_owned())
        } else {
            credentials_outcome(&result.answer)
        };
        match told.as_deref() {
            None => return Ok(()),
            Some("accepted") => {
                if set.password.is_some() {
                    password_hash = next.password_hash.take().or(password_hash);
                }
            }
            // What an earlier password waits for is not undone by a profile that waits too.
            Some("reboot_required") => next.after_reboot |= set.password.is_some(),
            // At a word that nobody knows both are right until the station comes again.
            Some(word) if !REFUSALS.contains(&word) => return Ok(()),
            Some(_) => {
                next.password_hash = next.password_hash.filter(|_| set.password.is_none());
                next.security_profile =
                    next.security_profile.filter(|_| set.security_profile.is_none());
            }
        }
        self.store.settle(id, password_hash.as_deref(), station.security_profile, &next).await?;
        self.stations.station_changed(id).await
    }
}

//! Local authorization lists of sites: which cards a site's chargers accept by themselves, also while they are cut off.
//! A card that is blocked is blocked in every list; one that is valid again comes back. How a charger's list is brought
//! up to date stands in `local_list`.

use std::sync::Arc;

use tracing::{info, warn};

use crate::deliveries::Deliveries;
use crate::error::{AppError, Done};
use juden_domain::billed::SiteRecord;
use juden_domain::ids::CardNumber;
use juden_domain::instant::Zone;
use juden_store::Page;
use juden_store::sites::{ListChange, ListChanged, ListedStation, SITE_LIST_MAX};

/// A field of a site's record has this many characters at most.
const SITE_FIELD_MAX: usize = 200;

impl Deliveries {
    /// Keeps a site's record. `true`: it is new.
    pub async fn put_site(&self, site: &SiteRecord) -> Done<bool> {
        check(site)?;
        Ok(self.store.put_site(site).await?)
    }

    /// Sites' records, a page at a time.
    pub async fn list_sites(&self, page: &Page) -> Done<Vec<SiteRecord>> {
        Ok(self.store.sites(page).await?)
    }

    /// The cards of a site's list.
    pub async fn site_list(&self, site: &str, page: &Page) -> Done<Vec<CardNumber>> {
        self.known_site(site).await?;
        Ok(self.store.site_list(site, page).await?)
    }

    /// How far the site's chargers are with it.
    pub async fn listed_stations(&self, site: &str, page: &Page) -> Done<Vec<ListedStation>> {
        self.known_site(site).await?;
        Ok(self.store.listed_stations(site, page).await?)
    }

    /// Changes a site's list. Its chargers are told as soon as they can be.
    pub async fn change_site_list(
        self: &Arc<Self>,
        site: &str,
        change: &ListChange,
    ) -> Done<ListChanged> {
        self.known_site(site).await?;
        let named: &[CardNumber] = match change {
            ListChange::Replace(cards) => cards,
            ListChange::Add(card) | ListChange::Remove(card) => std::slice::from_ref(card),
        };
        if named.len() > SITE_LIST_MAX {
            return Err(AppError::invalid(
                "card_numbers",
                format!("at most {SITE_LIST_MAX} cards"),
            ));
        }
        if let Some(unknown) = self.store.unknown_cards(named).await?.into_iter().next() {
            return Err(AppError::not_found("card", unknown));
        }
        let Some(changed) =
            self.store.change_site_list(site, change, SITE_LIST_MAX, self.clock.now()).await?
        else {
            return Err(AppError::conflict(
                "list_full",
                format!("the list of a site has at most {SITE_LIST_MAX} cards"),
            ));
        };
        info!(site, added = changed.added, removed = changed.removed, "a site's list was changed");
        // Nobody waits for it: what is not looked at now, every node looks at by itself.
        let app = self.clone();
        tokio::spawn(async move {
            if let Err(cause) = app.look_at_due_cards().await {
                warn!(%cause, "a site's chargers could not be told of its list yet");
            }
            app.cards.changed.notify_one();
        });
        Ok(changed)
    }

    async fn known_site(&self, site: &str) -> Done<()> {
        if self.store.is_site(site).await? {
            Ok(())
        } else {
            Err(AppError::not_found("site", site))
        }
    }
}

fn check(site: &SiteRecord) -> Done<()> {
    let texts = [
        ("name", Some(&site.name), 1),
        ("address", Some(&site.address), 1),
        ("city", Some(&site.city), 1),
    ];
    let optional = [
        ("postal_code", site.postal_code.as_ref(), 1),
        ("opening_hours", site.opening_hours.as_ref(), 1),
    ];
    for (field, text, least) in texts.into_iter().chain(optional) {
        let length = text.map(|text| text.trim().chars().count());
        if length.is_some_and(|length| length < least || length > SITE_FIELD_MAX) {
            return Err(AppError::invalid(
                field,
                format!("{least} to {SITE_FIELD_MAX} characters"),
            ));
        }
    }
    if site.postal_code.as_ref().is_some_and(|code| code.chars().count() > 10) {
        return Err(AppError::invalid("postal_code", "at most 10 characters"));
    }
    if site.country.len() != 3 || !site.country.bytes().all(|b| b.is_ascii_uppercase()) {
        return Err(AppError::invalid("country", "three capital letters such as JPN"));
    }
    if site.time_zone.as_deref().is_some_and(|zone| Zone::parse(zone).is_none()) {
        return Err(AppError::invalid(
            "time_zone",
            "an IANA name such as Asia/Tokyo, or an offset such as +09:00",
        ));
    }
    Ok(())
}

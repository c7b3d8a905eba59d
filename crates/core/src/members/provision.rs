//! Giving data to others (article 17.3): only to those, and for those purposes, that the terms or the
//! member allow.

use std::collections::BTreeMap;

use crate::error::Done;
use crate::members::Members;
use juden_domain::ids::MemberId;
use juden_domain::member::{Member, MemberState};
use juden_domain::month::BillingMonth;
use juden_domain::provision::{Cell, Consent, Dataset, Statistics, Use, dataset};
use juden_domain::session::Session;
use juden_domain::station::ChargerClass;
use juden_store::{Page, SessionFilter};

/// Sessions or members read at a time.
const READ_AT_ONCE: i64 = 500;

/// What a recipient gets.
pub enum Provided {
    /// Sessions, a page at a time.
    Sessions(Vec<Session>),
    /// Members, a page at a time.
    Members {
        /// Those of the page.
        members: Vec<Member>,
        /// The last one that was read for it, where more may follow.
        read_to: Option<MemberId>,
    },
    /// The closed month's collection file is to be fetched as an export.
    Collection,
    /// A month's use without anyone to be told from it.
    Statistics(BTreeMap<(String, ChargerClass, u32), Cell>),
}

impl Members {
    /// What a recipient may have for a purpose, of a month; refused otherwise.
    pub async fn provide(
        &self,
        wanted: &Consent,
        month: BillingMonth,
        page: &Page,
    ) -> Done<Provided> {
        match dataset(wanted) {
            Ok(Dataset::Sessions) => {
                let filter = SessionFilter { month: Some(month), ..SessionFilter::default() };
                Ok(Provided::Sessions(self.store.sessions(&filter, page).await?))
            }
            Ok(Dataset::Members) => {
                let mut members = self.store.members(page).await?;
                let read_to = read_to(&members, page);
                members.retain(|member| self.is_active(member));
                Ok(Provided::Members { read_to, members })
            }
            Ok(Dataset::Collection) => Ok(Provided::Collection),
            Ok(Dataset::Statistics) => Ok(Provided::Statistics(self.statistics(month).await?)),
            Err(refused) => {
                let members = self.consenting(wanted).await?;
                if members.is_empty() {
                    Err(refused.into())
                } else {
                    Ok(Provided::Members { members, read_to: None })
                }
            }
        }
    }

    fn is_active(&self, member: &Member) -> bool {
        member.state_at(self.clock.now(), &self.programme.current()) == MemberState::Active
    }

    /// The active members who allow it now.
    async fn consenting(&self, wanted: &Consent) -> Done<Vec<Member>> {
        let mut found = Vec::new();
        for id in self.store.members_who_consented(wanted).await? {
            let member = self.member(&id).await?;
            if member.consents_at(wanted, self.clock.now()) && self.is_active(&member) {
                found.push(member);
            }
        }
        Ok(found)
    }

    async fn statistics(
        &self,
        month: BillingMonth,
    ) -> Done<BTreeMap<(String, ChargerClass, u32), Cell>> {
        let filter = SessionFilter { month: Some(month), ..SessionFilter::default() };
        let mut statistics = Statistics::default();
        let mut after = None;
        loop {
            let sessions =
                self.store.sessions(&filter, &Page { after, limit: READ_AT_ONCE }).await?;
            let Some(last) = sessions.last() else { return Ok(statistics.cells()) };
            after = Some(last.id.to_string());
            sessions.iter().filter_map(use_of).for_each(|one| statistics.add(one));
        }
    }
}

fn read_to(members: &[Member], page: &Page) -> Option<MemberId> {
    let is_full = i64::try_from(members.len()).unwrap_or(i64::MAX) == page.limit;
    members.last().filter(|_| is_full).map(|member| member.id.clone())
}

fn use_of(session: &Session) -> Option<Use> {
    let member: MemberId = session.member.clone()?;
    Some(Use {
        member,
        site: session.site_name.clone(),
        charger_class: session.site?.charger_class,
        started_at: session.start.at,
        duration_s: session.duration()?.num_seconds(),
        energy_wh: session.stop.as_ref()?.energy.map_or(0, |energy| energy.0),
    })
}

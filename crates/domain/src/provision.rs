//! Who may be given which member data, and for what (article 17): a short list, or the member's own
//! consent; statistics only without anyone to be told from them.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Timelike, Utc};

use super::ids::MemberId;
use super::member::{Member, MemberEvent};
use super::month::in_japan;
use super::refusal::Reason;
use super::station::ChargerClass;

/// A recipient's or purpose's name has this many characters at most.
pub const NAME_MAX: usize = 64;

/// A cell of statistics that fewer members than this make up is left out (rule R17.4).
pub const MEMBERS_PER_CELL: usize = 5;

/// A member's permission, by the recipient's and the purpose's name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Consent {
    /// To whom.
    pub recipient: String,
    /// What for.
    pub purpose: String,
}

/// What a recipient gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dataset {
    /// A month's sessions, by card, without names: for the roaming networks.
    Sessions,
    /// Names, addresses, plans and cars of active members: for dealers and affiliates, and, of those who
    /// consented, for others.
    Members,
    /// What collection needs of a closed month.
    Collection,
    /// A month's use without anyone to be told from it.
    Statistics,
}

/// The pairs that the terms allow (articles 11, 17.2, 17.3).
const ALLOWED: &[(&[&str], &[&str], Dataset)] = &[
    (&["ncs", "e_mobility_power"], &["service", "quality"], Dataset::Sessions),
    (&["dealer", "affiliate"], &["ev_information", "marketing"], Dataset::Members),
    (&["collection_agent"], &["collection"], Dataset::Collection),
    (&["approved_third_party"], &["statistics"], Dataset::Statistics),
];

/// What the terms let a recipient have for a purpose of every member; anything else needs each member's own
/// consent.
pub fn dataset(wanted: &Consent) -> Result<Dataset, Reason> {
    let fits = |(recipients, purposes, _): &&(&[&str], &[&str], Dataset)| {
        recipients.contains(&wanted.recipient.as_str())
            && purposes.contains(&wanted.purpose.as_str())
    };
    ALLOWED.iter().find(fits).map(|(_, _, dataset)| *dataset).ok_or(Reason::PurposeRefused)
}

impl Member {
    /// Whether it allows its data to be given to a recipient for a purpose at an instant.
    pub fn consents_at(&self, to: &Consent, at: DateTime<Utc>) -> bool {
        self.events_until(at).fold(false, |given, dated| match &dated.event {
            MemberEvent::ConsentGiven(consent) if consent == to => true,
            MemberEvent::ConsentWithdrawn(consent) if consent == to => false,
            _ => given,
        })
    }
}

/// One session as statistics see it.
pub struct Use {
    /// Whose.
    pub member: MemberId,
    /// At which site.
    pub site: String,
    /// At which class of charger.
    pub charger_class: ChargerClass,
    /// When it started.
    pub started_at: DateTime<Utc>,
    /// Seconds that it lasted.
    pub duration_s: i64,
    /// Watt-hours, where known.
    pub energy_wh: i64,
}

/// A cell of statistics: site, class, and the hour of the day, Japan time, in which sessions started.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cell {
    /// How many sessions.
    pub sessions: i64,
    /// How long together.
    pub duration_s: i64,
    /// How much together.
    pub energy_wh: i64,
}

/// Uses summed up by site, class and hour.
#[derive(Debug, Default)]
pub struct Statistics(BTreeMap<(String, ChargerClass, u32), (Cell, BTreeSet<MemberId>)>);

impl Statistics {
    /// Adds a use.
    pub fn add(&mut self, one: Use) {
        let hour = in_japan(one.started_at).hour();
        let (cell, members) = self.0.entry((one.site, one.charger_class, hour)).or_default();
        cell.sessions += 1;
        cell.duration_s += one.duration_s;
        cell.energy_wh += one.energy_wh;
        if members.len() < MEMBERS_PER_CELL {
            members.insert(one.member);
        }
    }

    /// The cells; those of few members are left out.
    pub fn cells(self) -> BTreeMap<(String, ChargerClass, u32), Cell> {
        let enough = |(key, (cell, members)): (_, (Cell, BTreeSet<MemberId>))| {
            (members.len() >= MEMBERS_PER_CELL).then_some((key, cell))
        };
        self.0.into_iter().filter_map(enough).collect()
    }
}

#[cfg(test)]
#[path = "provision_tests.rs"]
mod tests;

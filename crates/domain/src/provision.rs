//! The recipients to whom member data may be given, and the purposes (article 17): a short list, or
//! the member's own consent. Statistics identify nobody.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Timelike, Utc};

use super::ids::MemberId;
use super::member::{Member, MemberEvent};
use super::month::in_japan;
use super::refusal::Reason;
use super::station::ChargerClass;

/// The most characters in the name of a recipient or a purpose.
pub const NAME_MAX: usize = 64;

/// The least number of members in a cell of statistics. Cells with fewer are left out (rule R17.4).
pub const MEMBERS_PER_CELL: usize = 5;

/// A member's permission to give its data to a recipient for a purpose.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Consent {
    /// The recipient's name.
    pub recipient: String,
    /// The purpose's name.
    pub purpose: String,
}

/// The data that a recipient gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dataset {
    /// A month's sessions, by card, without names: for the roaming networks.
    Sessions,
    /// Names, addresses, plans and cars of active members. Dealers and affiliates get those of all,
    /// others those of members who consented.
    Members,
    /// The data of a closed month that are needed to collect its invoices.
    Collection,
    /// A month's use in sums that identify nobody.
    Statistics,
}

/// The recipients and purposes that the terms allow, with the data for them (articles 11, 17.2,
/// 17.3).
const ALLOWED: &[(&[&str], &[&str], Dataset)] = &[
    (&["ncs", "e_mobility_power"], &["service", "quality"], Dataset::Sessions),
    (&["dealer", "affiliate"], &["ev_information", "marketing"], Dataset::Members),
    (&["collection_agent"], &["collection"], Dataset::Collection),
    (&["approved_third_party"], &["statistics"], Dataset::Statistics),
];

/// The data of every member that the terms allow a recipient for a purpose. Any other pair is
/// refused: it needs each member's own consent.
pub fn dataset(wanted: &Consent) -> Result<Dataset, Reason> {
    let fits = |(recipients, purposes, _): &&(&[&str], &[&str], Dataset)| {
        recipients.contains(&wanted.recipient.as_str())
            && purposes.contains(&wanted.purpose.as_str())
    };
    ALLOWED.iter().find(fits).map(|(_, _, dataset)| *dataset).ok_or(Reason::PurposeRefused)
}

impl Member {
    /// Whether the member's consent to a recipient and a purpose stands at an instant.
    pub fn consents_at(&self, to: &Consent, at: DateTime<Utc>) -> bool {
        self.events_until(at).fold(false, |given, dated| match &dated.event {
            MemberEvent::ConsentGiven(consent) if consent == to => true,
            MemberEvent::ConsentWithdrawn(consent) if consent == to => false,
            _ => given,
        })
    }
}

/// A session as the statistics count it.
pub struct Use {
    /// The member who is billed for it.
    pub member: MemberId,
    /// The charging site.
    pub site: String,
    /// The class of the charger.
    pub charger_class: ChargerClass,
    /// The billed time of its start.
    pub started_at: DateTime<Utc>,
    /// The session's duration in seconds.
    pub duration_s: i64,
    /// The session's energy in watt-hours; 0 if unknown.
    pub energy_wh: i64,
}

/// The sums of one cell of statistics: of one site, one charger class, and one hour of the day,
/// Japan time, in which the sessions started.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cell {
    /// The number of sessions.
    pub sessions: i64,
    /// The sum of the sessions' durations in seconds.
    pub duration_s: i64,
    /// The sum of the sessions' energies in watt-hours.
    pub energy_wh: i64,
}

/// Sums of sessions by site, charger class and hour of the day.
#[derive(Debug, Default)]
pub struct Statistics(BTreeMap<(String, ChargerClass, u32), (Cell, BTreeSet<MemberId>)>);

impl Statistics {
    /// Adds a session to the sums.
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

    /// The cells that have enough members.
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

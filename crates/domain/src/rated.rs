//! The result of rating a member's month.

use super::allowance::Split;
use super::bill::Bill;
use super::ids::{CardNumber, SessionId, SessionRef};
use super::session::{BillingState, Standing};
use super::station::ChargerClass;
use super::tariff::{Price, Tariff};
use super::units::{WattHours, Yen};
use chrono::{DateTime, Utc};
use std::sync::Arc;

/// A session of the month as it was rated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RatedSession {
    /// The session's number.
    pub id: SessionId,
    /// The session's name for people.
    pub reference: SessionRef,
    /// The billed time of its start.
    pub started_at: DateTime<Utc>,
    /// The billed time of its end; `None` while it runs.
    pub ended_at: Option<DateTime<Utc>>,
    /// The energy delivered, if known.
    pub energy: Option<WattHours>,
    /// The card that pays for it.
    pub card: Option<CardNumber>,
    /// The class of its charger, if known.
    pub charger_class: Option<ChargerClass>,
    /// The session's billing state.
    pub state: BillingState,
    /// The session's standing by the histories of the member and the programme as known now.
    pub standing: Standing,
    /// The session's units as measured. 0 while it runs, at a free opening, and where the charger's
    /// class is unknown.
    pub units: i64,
    /// The session's free and charged units. A session that is not billed draws nothing from the
    /// pool.
    pub split: Split,
    /// The yen by which a person reduced the session's price (rule B11).
    pub taken_off: Yen,
}

/// The state of a month's pool of one charger class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolUse {
    /// The class of chargers that it is for.
    pub charger_class: ChargerClass,
    /// The month's free units, with those carried in; `None`: no limit.
    pub free_units: Option<i64>,
    /// The units of billed sessions, free and charged.
    pub used_units: i64,
    /// The free units that are left; `None`: no limit.
    pub free_units_left: Option<i64>,
    /// The length of a unit, and its price beyond the free units.
    pub price: Price,
}

/// A member's month, rated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RatedMonth {
    /// The pools, first that of quick chargers, then that of normal chargers.
    pub pools: Vec<PoolUse>,
    /// The month's sessions, ordered by start and then by name (rule R7.6).
    pub sessions: Vec<RatedSession>,
    /// The month's bill.
    pub bill: Bill,
    /// The tariff version that priced it; `None` before the admission.
    pub tariff: Option<Arc<Tariff>>,
}

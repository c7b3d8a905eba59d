//! What rating a member's month comes to.

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
    /// Which.
    pub id: SessionId,
    /// Its name for people.
    pub reference: SessionRef,
    /// When it started.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub ended_at: Option<DateTime<Utc>>,
    /// What was delivered, where that is known.
    pub energy: Option<WattHours>,
    /// Its card.
    pub card: Option<CardNumber>,
    /// The class of its charger, where it is known.
    pub charger_class: Option<ChargerClass>,
    /// What its money does.
    pub state: BillingState,
    /// What the histories say of it by now.
    pub standing: Standing,
    /// Its units as measured; 0 while it runs, and where chargers were open to everyone.
    pub units: i64,
    /// How they are paid for. A session whose money waits draws nothing.
    pub split: Split,
    /// What a person took off its price (rule B11).
    pub taken_off: Yen,
}

/// What became of the month's free units of one class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolUse {
    /// The class of chargers.
    pub charger_class: ChargerClass,
    /// The units given, with those carried in; `None`: no limit.
    pub free_units: Option<i64>,
    /// The units that billed sessions used, free and charged.
    pub used_units: i64,
    /// Free units left; `None`: no limit.
    pub free_units_left: Option<i64>,
    /// What a unit is, and what it costs beyond the free ones.
    pub price: Price,
}

/// A member's month, rated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RatedMonth {
    /// The pools, quick then normal.
    pub pools: Vec<PoolUse>,
    /// The month's sessions in order of start, then name (rule R7.6).
    pub sessions: Vec<RatedSession>,
    /// The bill.
    pub bill: Bill,
    /// The tariff that rated it; `None` before the admission.
    pub tariff: Option<Arc<Tariff>>,
}

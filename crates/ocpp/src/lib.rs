//! OCPP on the wire: the only place that knows its JSON.
//!
//! [`frame`] reads a text as a call or an answer. One file per action under [`v16`] and [`v201`]
//! turns a call into an [`event::StationEvent`]. [`reply`] writes the answers, one function for
//! each kind. Code that uses [`event`] and [`reply`] does not know a station's version. [`schema`]
//! holds the fields that each message may have.

mod charging_profile;
pub mod command;
pub mod command_intent;
pub mod event;
pub mod fields;
pub mod frame;
pub mod further;
mod limits;
pub mod protocol;
mod readings;
mod repair;
pub mod reply;
mod reports;
pub mod schema;
pub mod secrets;
pub mod timestamp;
pub mod v16;
pub mod v201;

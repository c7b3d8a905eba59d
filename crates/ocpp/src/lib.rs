//! OCPP on the wire: the only place that knows its JSON.
//!
//! [`frame`] takes a text apart into calls and answers; one file per action under [`v16`] and [`v201`] turns a
//! message into an [`event::StationEvent`]; [`reply`] writes the answers, one function for each kind. Behind
//! [`event`] and [`reply`] nothing knows which version a station speaks. [`schema`] says what each message may carry.

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

//! The programme's rules: pure, synchronous functions over values.
//!
//! This crate has no I/O, no clock, no randomness, no floats, no JSON values and no OCPP. "Now" is
//! always an argument.
//!
//! In reading order: the small values ([`ids`], [`units`], [`month`], [`instant`]); the programme's
//! own history ([`programme`], [`terms`], [`suspension`], [`tariff`]); the right to charge
//! ([`member`], [`payment`], [`plan`], [`term`], [`ending`], [`card`], [`activation`],
//! [`authorization`]); sessions ([`session`], [`charger_clock`], [`recording`], [`event`],
//! [`assembling`], [`over`], [`correction`], [`metering`], [`flag`]); their price ([`allowance`],
//! [`rating`], [`rated`], [`month_use`], [`entry`], [`bill`], [`billed`], [`invoice`], [`credit`]);
//! the other benefits of a membership ([`benefits`]); the recipients of member data
//! ([`provision`]); certificates of stations and vehicles ([`certificate`]); bytes as hex text, and
//! their hashes ([`hex`]).

/// Gives the values of an enum their names, as the API and the store spell them.
macro_rules! named {
    ($type:ty, $($variant:ident = $name:literal),+ $(,)?) => {
        impl $type {
            /// Every value.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Every value's name.
            pub const NAMES: &'static [&'static str] = &[$($name),+];

            /// The value's name in the API, the store and the exports.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// Reads what [`Self::name`] prints.
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($name => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

pub mod activation;
pub mod allowance;
pub mod assembling;
pub mod authorization;
pub mod benefits;
pub mod bill;
pub mod billed;
pub mod blocking;
pub mod card;
pub mod certificate;
pub mod charger_clock;
pub mod correction;
pub mod credit;
pub mod display;
pub mod email;
pub mod ending;
pub mod entry;
pub mod event;
pub mod flag;
pub mod hex;
pub mod ids;
pub mod instant;
#[cfg(test)]
mod invariant_tests;
pub mod invoice;
pub mod member;
pub mod metering;
pub mod month;
pub mod month_use;
pub mod over;
pub mod payment;
pub mod plan;
pub mod programme;
pub mod provision;
pub mod rated;
pub mod rating;
pub mod recording;
pub mod refusal;
pub mod session;
pub mod station;
pub mod suspension;
pub mod tariff;
pub mod term;
pub mod terms;
pub mod units;

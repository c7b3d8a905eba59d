//! The programme's rules: pure, synchronous functions over values.
//!
//! Deliberately absent: I/O, a clock, randomness, floats, JSON values, OCPP. "Now" is always an
//! argument. In reading order: the small values ([`ids`], [`units`], [`month`], [`instant`]),
//! who may charge ([`member`], [`card`], [`authorization`]), what was charged ([`session`],
//! [`metering`], [`flag`]), what it costs ([`tariff`], [`term`], [`allowance`], [`rating`],
//! [`bill`]).

pub mod allowance;
pub mod authorization;
pub mod bill;
pub mod card;
pub mod email;
pub mod flag;
pub mod ids;
pub mod instant;
pub mod member;
pub mod metering;
pub mod month;
pub mod rating;
pub mod refusal;
pub mod session;
pub mod station;
pub mod tariff;
pub mod term;
pub mod units;
